/* What the commands below `limit` share. */
#ifndef JM_CLI_LIMIT_H
#define JM_CLI_LIMIT_H

#include "command.h"
#include "grid.h"

/* Which GPUs, and how they are reached. */
typedef struct limit_gpus {
    char *list; /* heap */
    const char *simulate;
    const char *socket;
} limit_gpus;

#define OPTION_LIMIT_GPU(g)                                                                        \
    {                                                                                              \
        'g', "gpu", OPTION_LIST, &(g)->list, "LIST",                                               \
            "which GPUs: 0,1, UUIDs or all; default:\nCUDA_VISIBLE_DEVICES, else all", 0, 0, NULL  \
    }
#define OPTION_LIMIT_SIMULATE(g)                                                                   \
    {                                                                                              \
        0, "simulate", OPTION_TEXT, &(g)->simulate, "SPEC",                                        \
            "simulated GPUs instead of real ones: h100 ...", 0, 0, NULL                            \
    }
#define OPTION_LIMIT_SOCKET(g)                                                                     \
    {                                                                                              \
        0, "socket", OPTION_TEXT, &(g)->socket, "PATH",                                            \
            "of joulemeter-limitd; default:\n/run/joulemeter/limitd.sock", 0, 0, NULL              \
    }

/* Opens them; `pid`: whose end ends the loans, or 0. The exit code. */
int limit_open(const cli_command *command, const limit_gpus *gpus, int32_t pid, jm_limits **limits);
/* "250 W", "1200 MHz", "-" for what is not known. */
const char *limit_text(double value, jm_lever lever, char text[32]);
/* Lines of the library's notes or warnings, on stderr. */
void limit_say(const char *notes);
/* What the library has to say beside that it worked. */
void limit_say_notes(const jm_limits *limits);
/* All GPUs and their limits: as a table, or as JSON. */
void limit_print(output *out, jm_limits *limits);
void limit_print_json(output *out, jm_limits *limits);

/* The commands, a file each; argv[0] is the word after `limit`. */
extern const cli_command limit_show, limit_set, limit_reset, limit_tune;

#endif
