/* A power model of a board of one's own. */
#include "estimate.h"

#include "grid.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int argc, char **argv) {
    return estimate_train(argc, argv);
}

static const cli_command train_command = {
    "estimate train",
    "[OPTIONS] DATA.csv",
    "train a power model on rows of counters and measured watts",
    "Rows are those of 'estimate collect', or any CSV with the columns program,\n"
    "kernel, board, power_avg_w (and power_min_w, power_peak_w) and activities as in\n"
    "extracted_features.csv. The errors that are printed and kept in the model are of\n"
    "programs, and of rows, that were left out of every choice.\n",
    "  joulemeter estimate train rows.csv -o model.json\n"
    "  joulemeter estimate train rows.csv --gpu a100 -o a100.json\n",
    run};

static void show_kind(output *out, const jm_power_model *model, int kind) {
    static const char *const names[JM_POWER_KINDS] = {"min", "average", "peak"};
    jm_power_errors e = {.size = sizeof e};
    jm_power_model_errors(model, (jm_power_kind)kind, &e);
    if (!e.trained) {
        output_add(out, "%-8s not trained: too few rows or programs have it\n", names[kind]);
        return;
    }
    output_add(out, "%-8s %u rows of %u programs\n", names[kind], e.rows, e.programs);
    output_add(out,
               "  error, program left out   %5.1f %%   (mean of the others %.1f %%, plain least "
               "squares %.1f %%)\n",
               e.program_pct, e.program_mean_pct, e.program_plain_pct);
    output_add(out, "  error, row left out       %5.1f %%   (%.1f %%, %.1f %%)\n", e.kernel_pct,
               e.kernel_mean_pct, e.kernel_plain_pct);
    output_add(out, "  in the 95 %% interval      %5.1f %% of the former, %.1f %% of the latter\n",
               e.covered_pct, e.kernel_covered_pct);
    output_add(out, "  interval                  %5.1f %% on either side\n", e.half_width_pct);
    if (e.sure_pct < 95)
        output_add(out,
                   "  %u programs bear out      %5.1f %% of them, the rest rests on the tail of a "
                   "normal distribution: 19 are needed\n",
                   e.programs, e.sure_pct);
}

static void show_watts(output *out, const jm_power_model *model) {
    output_add(out, "\nwatts at full rate (average)\n");
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        double watts = jm_power_model_watts(model, JM_POWER_AVERAGE, (jm_activity)a);
        if (isnan(watts)) continue;
        output_add(out, "  %-12s %7.1f W   %s\n", jm_activity_name(a), watts,
                   jm_activity_meaning(a));
    }
}

static void show_left_out(output *out, const char *text) {
    for (; *text != '\0'; text += text[0] == '\n') {
        int length = (int)strcspn(text, "\n");
        output_add(out, "! %.*s\n", length, text);
        text += length;
    }
}

static int show(const jm_power_model *model, const char *path) {
    jm_power_model_info info = {.size = sizeof info};
    output out;
    output_open(&out);
    jm_power_model_get(model, &info);
    output_add(&out, "power model of a %s\n\n", info.board);
    show_left_out(&out, info.left_out);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) show_kind(&out, model, kind);
    show_watts(&out, model);
    output_add(&out, "\nWritten: %s\n", path);
    return output_close(&out, &train_command);
}

static int save(const jm_power_model *model, const char *path) {
    jm_error error = {0};
    char *json;
    if (jm_power_model_json(model, &json, &error) != JM_OK)
        return cli_fail_error(&train_command, &error);
    int errnum = write_file(path, json, strlen(json));
    jm_free(json);
    if (errnum == 0) return CLI_OK;
    return cli_fail(&train_command, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
}

int estimate_train(int argc, char **argv) {
    const char *path = "model.json";
    jm_train_options train = JM_TRAIN_OPTIONS_INIT;
    const cli_option options[] = {
        {'o', "output", OPTION_TEXT, &path, "FILE", "the model (default model.json)", 0, 0, NULL},
        {'g', "gpu", OPTION_TEXT, &train.board, "MODEL", "the board (default: the column board)", 0,
         0, NULL},
        {0, "source", OPTION_TEXT, &train.source, "TEXT",
         "where the data is from, kept in the model\n(default: its path)", 0, 0, NULL},
        {0}};
    int operands;
    jm_power_model *model = NULL;
    jm_error error = {0};
    int code = cli_parse(&train_command, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 1)
        return cli_fail(&train_command, CLI_USAGE,
                        operands == 0
                            ? "which data? joulemeter estimate train DATA.csv -o model.json"
                            : "one file of data at a time");
    int status = jm_power_model_train(&model, argv[1], &train, &error);
    if (status != JM_OK)
        return cli_fail(&train_command, status == JM_MEMORY ? CLI_FAILED : CLI_USAGE, "%s",
                        error.message);
    code = save(model, path);
    if (code == CLI_OK) code = show(model, path);
    jm_power_model_free(model);
    return code;
}
