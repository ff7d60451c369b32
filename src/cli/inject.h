/* What is loaded into the command beside joulemeter's measuring from outside. */
#ifndef JM_CLI_INJECT_H
#define JM_CLI_INJECT_H

#include "options.h"

/* What `run` was told of it. */
typedef struct injecting {
    bool nvtx;              /* asked for by name */
    bool no_nvtx;           /* asked not to */
    const char *kernels;    /* NULL: no; "": each by itself; "graphs": CUDA graphs as a whole */
    bool follow, no_follow; /* also, or not, of the processes that the command starts */
} injecting;

#define OPTION_NVTX(i)                                                                             \
    {                                                                                              \
        0, "nvtx", OPTION_FLAG, &(i)->nvtx, NULL,                                                  \
            "record the NVTX ranges of the command, or fail;\nwithout it they are recorded where " \
            "nothing else\nhas them already",                                                      \
            0, 0, NULL                                                                             \
    }
#define OPTION_NO_NVTX(i)                                                                          \
    { 0, "no-nvtx", OPTION_FLAG, &(i)->no_nvtx, NULL, "leave NVTX ranges alone", 0, 0, NULL }

#define OPTION_KERNELS(i)                                                                          \
    {                                                                                              \
        0, "kernels", OPTION_OPTIONAL, &(i)->kernels, "graphs",                                    \
            "record the GPU's kernels and copies, by CUPTI;\nwith =graphs each CUDA graph as one", \
            0, 0, NULL                                                                             \
    }

#define OPTION_FOLLOW(i)                                                                           \
    {                                                                                              \
        0, "follow", OPTION_FLAG, &(i)->follow, NULL,                                              \
            "both also of the processes that the command\nstarts (the default)", 0, 0, NULL        \
    }
#define OPTION_NO_FOLLOW(i)                                                                        \
    {                                                                                              \
        0, "no-follow", OPTION_FLAG, &(i)->no_follow, NULL, "both of the command itself alone", 0, \
            0, NULL                                                                                \
    }

/* Settings for the environment of a command. */
typedef struct settings_list {
    char **list; /* ended by NULL */
    size_t count;
} settings_list;

/* `session`'s settings, and those that have the library loaded into the command; what is left out,
 * and why, becomes a fact of the recording. PARSE_DONE, or the exit code. */
int injecting_environment(const injecting *i, const cli_command *command, jm_session *session,
                          settings_list *settings);
void settings_free(settings_list *settings);

/* Options that contradict each other or what the environment says. PARSE_DONE, or the exit code. */
int injecting_check(const injecting *i, const cli_command *command);

#endif
