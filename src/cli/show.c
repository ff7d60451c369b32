#include "footprint.h"
#include "options.h"
#include "output.h"
#include "sketch.h"
#include "terminal.h"

#include <string.h>
#include <unistd.h>

typedef struct settings {
    bool json, plain;
    uint32_t top;
    footprint footprint;
} settings;

static int make_text(const jm_recording *recording, const settings *set, output *out,
                     jm_error *error) {
    jm_report_options options = terminal_report_options(STDOUT_FILENO);
    char *text = NULL;
    options.top = set->top;
    options.grid = footprint_shown(&set->footprint);
    int status = set->json ? jm_report_json(recording, &options, &text, error)
                           : jm_report_text(recording, &options, &text, error);
    if (status != JM_OK) return status;
    output_append(out, text, strlen(text));
    jm_free(text);
    if (!set->json && !set->plain) sketch_recording(out, recording, options.width, options.color);
    return JM_OK;
}

static int show(const char *path, const settings *set) {
    jm_recording *recording = NULL;
    jm_error error = {0};
    output out;
    output_open(&out);
    int status = jm_recording_open(&recording, path, &error);
    if (status == JM_OK) status = make_text(recording, set, &out, &error);
    jm_recording_free(recording);
    int code = output_close(&out, &cli_show);
    return status == JM_OK ? code : cli_fail_error(&cli_show, &error);
}

static int run(int argc, char **argv) {
    settings set = {.json = false};
    const cli_option options[] = {{'j', "json", OPTION_FLAG, &set.json, NULL,
                                   "one JSON object instead of tables", 0, 0, NULL},
                                  {0, "no-figures", OPTION_FLAG, &set.plain, NULL,
                                   "without the small figures beneath", 0, 0, NULL},
                                  {'n', "top", OPTION_COUNT, &set.top, "N",
                                   "rows of each table of ranges (default 10)", 1, 1e6, NULL},
                                  {0, "carbon", OPTION_FLAG, &set.footprint.asked, NULL,
                                   "say why, if no carbon is known", 0, 0, NULL},
                                  OPTION_COUNTRY(&set.footprint),
                                  OPTION_INTENSITY(&set.footprint),
                                  OPTION_PUE(&set.footprint),
                                  OPTION_PRICE(&set.footprint),
                                  {0}};
    int operands;
    int code = cli_parse(&cli_show, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 1)
        return cli_fail(&cli_show, CLI_USAGE,
                        operands == 0 ? "which recording? joulemeter show FILE.jm"
                                      : "one recording at a time: joulemeter show FILE.jm");
    code = footprint_open(&set.footprint, &cli_show);
    if (code == CLI_OK) code = show(argv[1], &set);
    footprint_close(&set.footprint);
    return code;
}

const cli_command cli_show = {"show",
                              "[OPTIONS] FILE",
                              "show the summary of a recording",
                              NULL,
                              "  joulemeter show train.jm\n"
                              "  joulemeter show --top 50 train.jm\n"
                              "  joulemeter show --country FR --pue 1.2 train.jm\n"
                              "  joulemeter show --json train.jm | jq .devices\n",
                              run};
