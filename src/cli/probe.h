/* `devices` and `doctor`: both try all sensors once and print what was found. */
#ifndef JM_CLI_PROBE_H
#define JM_CLI_PROBE_H

#include "cli.h"
#include "output.h"

/* What was asked for, and what came out. */
typedef struct probed {
    const jm_session_options *session;
    const jm_probe *probe;
    bool verbose;
} probed;

typedef void (*probe_printer)(output *out, const probed *found);

/* The whole command; `with_verbose`: it has --verbose. */
int probe_command(const cli_command *command, int argc, char **argv, bool with_verbose,
                  probe_printer text, probe_printer json);

#endif
