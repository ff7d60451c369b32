#include "options.h"
#include "output.h"

#include <string.h>

typedef struct settings {
    bool quiet;
    bool tables;
    bool perfetto;
    const char *clock;
} settings;

static bool has_ranges(const jm_recording *recording, jm_category category) {
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) == JM_OK && range.category == category)
            return true;
    }
    return false;
}

static int write_files(const jm_recording *recording, const char *dir, const settings *s,
                       output *out, jm_error *error) {
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    options.tables = s->tables;
    int status = jm_export(recording, dir, &options, error);
    if (status != JM_OK || s->quiet) return status;
    bool batches = has_ranges(recording, JM_CATEGORY_BATCH);
    bool epochs = has_ranges(recording, JM_CATEGORY_EPOCH);
    output_add(out, "Wrote summary.json, samples.csv, marks.csv%s%s%s%s into %s\n",
               batches || epochs ? ", ranges.csv" : " and ranges.csv",
               batches && epochs ? ", batches.csv" : "",
               batches && !epochs ? " and batches.csv" : "", epochs ? " and epochs.csv" : "", dir);
    return JM_OK;
}

static int write_trace(const jm_recording *recording, const char *path, const settings *s,
                       output *out, jm_error *error) {
    jm_perfetto_options options = JM_PERFETTO_OPTIONS_INIT;
    options.clock = strcmp(s->clock, "utc") == 0 ? JM_CLOCK_UTC : JM_CLOCK_MONOTONIC;
    int status = jm_perfetto(recording, path, &options, error);
    if (status == JM_OK && !s->quiet)
        output_add(out, "Wrote %s: open it at https://ui.perfetto.dev\n", path);
    return status;
}

/* What the recording says of itself only once all of it has been read. */
static void tell_warnings(const jm_recording *recording, uint32_t known) {
    for (uint32_t i = known; i < jm_recording_warning_count(recording); i++)
        cli_fail(&cli_export, CLI_OK, "%s", jm_recording_warning(recording, i));
}

static int check(const settings *s, int operands, char **argv) {
    if (operands != 2 && s->perfetto)
        return cli_fail(&cli_export, CLI_USAGE,
                        "a recording and a file are needed: "
                        "joulemeter export --perfetto FILE.jm OUT.json");
    if (operands != 2)
        return cli_fail(&cli_export, CLI_USAGE,
                        "a recording and a folder are needed: joulemeter export FILE.jm DIR");
    if (strcmp(s->clock, "monotonic") != 0 && strcmp(s->clock, "utc") != 0)
        return cli_fail(&cli_export, CLI_USAGE, "--clock is monotonic or utc, not %s", s->clock);
    if (s->perfetto && holds_recording(argv[2]))
        return cli_fail(&cli_export, CLI_USAGE, "%s is a recording; give the trace another name",
                        argv[2]);
    return CLI_OK;
}

static int run(int argc, char **argv) {
    settings s = {.clock = "monotonic"};
    const cli_option options[] = {
        {'p', "perfetto", OPTION_FLAG, &s.perfetto, NULL,
         "write one trace for Perfetto or chrome://tracing\ninto the file OUT", 0, 0, NULL},
        {0, "clock", OPTION_TEXT, &s.clock, "CLOCK",
         "of the trace's times: monotonic (default) or utc", 0, 0, NULL},
        {'t', "tables", OPTION_FLAG, &s.tables, NULL,
         "samples.csv side by side: power, utilisation,\ntemperature ... of a device in one row", 0,
         0, NULL},
        {'q', "quiet", OPTION_FLAG, &s.quiet, NULL, "do not say what was written", 0, 0, NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_export, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    code = check(&s, operands, argv);
    if (code != CLI_OK) return code;
    jm_recording *recording = NULL;
    jm_error error = {0};
    output out;
    output_open(&out);
    int status = jm_recording_open(&recording, argv[1], &error);
    if (status == JM_OK) {
        uint32_t known = jm_recording_warning_count(recording);
        status = s.perfetto ? write_trace(recording, argv[2], &s, &out, &error)
                            : write_files(recording, argv[2], &s, &out, &error);
        tell_warnings(recording, known);
    }
    jm_recording_free(recording);
    if (status != JM_OK) {
        output_close(&out, &cli_export);
        return cli_fail_error(&cli_export, &error);
    }
    return output_close(&out, &cli_export);
}

const cli_command cli_export = {
    "export",
    "[OPTIONS] FILE DIR\n       joulemeter export --perfetto [OPTIONS] FILE OUT",
    "write a recording as JSON and CSV files, or as a trace",
    "DIR is made if need be. Files of the same names in it are replaced once the\n"
    "new ones are complete. Units are in the columns' names.\n",
    "  joulemeter export train.jm out/\n"
    "  joulemeter export train.jm . && head samples.csv\n"
    "  joulemeter export --perfetto train.jm trace.json\n",
    run};
