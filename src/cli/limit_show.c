#include "limit.h"

#include <stdlib.h>

static int show(const limit_gpus *gpus, bool json) {
    jm_limits *limits = NULL;
    output out;
    int code = limit_open(&limit_show, gpus, 0, &limits);
    if (code != CLI_OK) return code;
    output_open(&out);
    if (json)
        limit_print_json(&out, limits);
    else
        limit_print(&out, limits);
    jm_limits_close(limits, NULL);
    return output_close(&out, &limit_show);
}

static int run(int argc, char **argv) {
    limit_gpus gpus = {0};
    bool json = false;
    const cli_option options[] = {
        OPTION_LIMIT_GPU(&gpus),
        {'j', "json", OPTION_FLAG, &json, NULL, "an array of JSON objects", 0, 0, NULL},
        OPTION_LIMIT_SIMULATE(&gpus),
        {0}};
    int operands;
    int code = cli_parse(&limit_show, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code == PARSE_DONE && operands > 0)
        code = cli_fail(&limit_show, CLI_USAGE, "'%s' is not understood; choose GPUs with --gpu",
                        argv[1]);
    if (code == PARSE_DONE) code = show(&gpus, json);
    free(gpus.list);
    return code;
}

const cli_command limit_show = {
    "limit show",
    "[OPTIONS]",
    "show the power limits of GPUs",
    "The limit is what the board keeps to now. A clock lock is shown where it was\n"
    "set by joulemeter: the driver does not tell of one. A limit that is lent goes\n"
    "back by itself when the process ends that has it.\n",
    "  joulemeter limit show\n"
    "  joulemeter limit show --json | jq '.[].power.value_w'\n",
    run};
