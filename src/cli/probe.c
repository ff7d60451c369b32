#include "probe.h"

#include "options.h"

#include <stdlib.h>

static int print(const cli_command *command, const jm_session_options *session, bool verbose,
                 probe_printer printer) {
    jm_probe *probe = NULL;
    jm_error error = {0};
    if (jm_probe_open(&probe, session, &error) != JM_OK) return cli_fail_error(command, &error);
    output out;
    output_open(&out);
    const probed found = {session, probe, verbose};
    printer(&out, &found);
    jm_probe_free(probe);
    return output_close(&out, command);
}

int probe_command(const cli_command *command, int argc, char **argv, bool with_verbose,
                  probe_printer text, probe_printer json) {
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    char *gpus = NULL;
    bool as_json = false, verbose = false;
    const cli_option last = {0};
    const cli_option options[] = {
        {'g', "gpu", OPTION_LIST, &gpus, "LIST", "only these GPUs: 0,1, UUIDs, all or none", 0, 0,
         NULL},
        {'j', "json", OPTION_FLAG, &as_json, NULL, "an array of JSON objects", 0, 0, NULL},
        {0, "simulate", OPTION_TEXT, &session.simulate, "SPEC",
         "simulated GPUs instead of real ones: h100 ...", 0, 0, NULL},
        with_verbose ? (cli_option){'v', "verbose", OPTION_FLAG, &verbose, NULL,
                                    "a sentence also for what works", 0, 0, NULL}
                     : last,
        last};
    int operands;
    int code = cli_parse(command, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code == PARSE_DONE && operands > 0)
        code =
            cli_fail(command, CLI_USAGE, "'%s' is not understood; choose GPUs with --gpu", argv[1]);
    session.gpus = gpus;
    if (code == PARSE_DONE) code = print(command, &session, verbose, as_json ? json : text);
    free(gpus);
    return code;
}
