#include "options.h"
#include "output.h"
#include "sparkline.h"
#include "terminal.h"

#include <string.h>
#include <unistd.h>

static int show(const char *path, bool json, bool figures, uint32_t top) {
    jm_report_options options = terminal_report_options(STDOUT_FILENO);
    jm_recording *recording = NULL;
    jm_error error = {0};
    char *text = NULL;
    output out;
    output_open(&out);
    options.top = top;
    int status = jm_recording_open(&recording, path, &error);
    if (status == JM_OK)
        status = json ? jm_report_json(recording, &options, &text, &error)
                      : jm_report_text(recording, &options, &text, &error);
    if (status == JM_OK) output_append(&out, text, strlen(text));
    if (status == JM_OK && !json && figures) sparkline_add(&out, recording, options.width);
    jm_free(text);
    jm_recording_free(recording);
    if (status != JM_OK) return cli_fail_error(&cli_show, &error);
    return output_close(&out, &cli_show);
}

static int run(int argc, char **argv) {
    bool json = false, plain = false;
    uint32_t top = 0;
    const cli_option options[] = {
        {'j', "json", OPTION_FLAG, &json, NULL, "one JSON object instead of tables", 0, 0, NULL},
        {0, "no-figures", OPTION_FLAG, &plain, NULL, "without the small figures beneath", 0, 0,
         NULL},
        {'n', "top", OPTION_COUNT, &top, "N", "rows of each table of ranges (default 10)", 1, 1e6,
         NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_show, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 1)
        return cli_fail(&cli_show, CLI_USAGE,
                        operands == 0 ? "which recording? joulemeter show FILE.jm"
                                      : "one recording at a time: joulemeter show FILE.jm");
    return show(argv[1], json, !plain, top);
}

const cli_command cli_show = {"show",
                              "[OPTIONS] FILE",
                              "show the summary of a recording",
                              NULL,
                              "  joulemeter show train.jm\n"
                              "  joulemeter show --top 50 train.jm\n"
                              "  joulemeter show --json train.jm | jq .devices\n",
                              run};
