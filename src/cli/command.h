/* A command that is measured: its text, its range in a session, and when its readings are there. */
#ifndef JM_CLI_COMMAND_H
#define JM_CLI_COMMAND_H

#include "options.h"

/* What `run`, `repeat` and `compare` can be told of measuring. */
typedef struct measuring {
    char *gpus; /* heap */
    const char *simulate;
    double interval_s; /* 0: the default */
    double tdp_w;      /* 0: guessed */
} measuring;

/* Rows of their tables of options. */
#define OPTION_INTERVAL(m)                                                                         \
    {                                                                                              \
        'i', "interval", OPTION_SECONDS, &(m)->interval_s, "TIME",                                 \
            "longest time between two samples: 20ms (the\ndefault), 0.1s, 1s ...", 0.001, 60, NULL \
    }
#define OPTION_GPU(m)                                                                              \
    {                                                                                              \
        'g', "gpu", OPTION_LIST, &(m)->gpus, "LIST",                                               \
            "GPUs to measure: 0,1, UUIDs, all or none;\ndefault: CUDA_VISIBLE_DEVICES, else all",  \
            0, 0, NULL                                                                             \
    }
#define OPTION_TDP(m)                                                                              \
    {                                                                                              \
        0, "tdp", OPTION_NUMBER, &(m)->tdp_w, "WATTS",                                             \
            "thermal design power of the CPU, for the\nestimate where nothing measures it", 1,     \
            10000, "W"                                                                             \
    }
#define OPTION_SIMULATE(m)                                                                         \
    {                                                                                              \
        0, "simulate", OPTION_TEXT, &(m)->simulate, "SPEC",                                        \
            "simulated GPUs: h100, 4*a100, h100,square:80:\n400:0.1 ...; labelled as such", 0, 0,  \
            NULL                                                                                   \
    }

/* Opens a session that joins no other; `path`: its recording's file, or NULL. The exit code. */
int measuring_open(const measuring *m, const cli_command *command, const char *path,
                   jm_session **session);

/* Is there a recording at path that a new one would replace? What is none the session refuses by
 * itself. */
bool recording_exists(const char *path);

/* The command as it could be typed into a shell, heap; NULL: out of memory. */
char *command_text(char *const *argv);

/* Begins the range of a command, and ends it with the exit code in `status` (as of waitpid). */
jm_range_id command_begin(jm_session *session, const char *text);
void command_end(jm_session *session, jm_range_id range, int status);

/* How long after a moment the readings that cover it are there, at most 0.3 s. */
int64_t readings_delay_ns(const jm_recording *recording);

/* 128 + N if signal N ended it. */
int exit_code_of(int status);

#endif
