#include "options.h"
#include "output.h"

#include <unistd.h>

static int run(int argc, char **argv) {
    bool quiet = false;
    const cli_option options[] = {
        {'q', "quiet", OPTION_FLAG, &quiet, NULL, "do not say what was written", 0, 0, NULL}, {0}};
    int operands;
    int code = cli_parse(&cli_export, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 2)
        return cli_fail(&cli_export, CLI_USAGE,
                        "a recording and a folder are needed: joulemeter export FILE.jm DIR");
    jm_recording *recording = NULL;
    jm_error error = {0};
    int status = jm_recording_open(&recording, argv[1], &error);
    if (status == JM_OK) status = jm_export(recording, argv[2], NULL, &error);
    jm_recording_free(recording);
    if (status != JM_OK) return cli_fail_error(&cli_export, &error);
    output out;
    output_open(&out);
    if (!quiet)
        output_add(&out, "Wrote summary.json, samples.csv, marks.csv and ranges.csv into %s\n",
                   argv[2]);
    return output_close(&out, &cli_export);
}

const cli_command cli_export = {
    "export",
    "[OPTIONS] FILE DIR",
    "write a recording as JSON and CSV files",
    "DIR is made if need be. Files of the same names in it are replaced once the\n"
    "new ones are complete. Units are in the columns' names.\n",
    "  joulemeter export train.jm out/\n"
    "  joulemeter export train.jm . && head samples.csv\n",
    run};
