#include "footprint.h"
#include "options.h"
#include "output.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *path, *title;
    double max_mb;
    bool open, quiet;
    footprint footprint;
} settings;

/* FILE.jm becomes FILE.html; the caller's, to be freed. */
static char *default_path(const char *recording) {
    size_t length = strlen(recording);
    char *path = NULL;
    if (length > 3 && strcmp(recording + length - 3, ".jm") == 0) length -= 3;
    return asprintf(&path, "%.*s.html", (int)length, recording) < 0 ? NULL : path;
}

static int open_in_browser(const char *path) {
    extern char **environ;
    char *argv[] = {(char *)"xdg-open", (char *)path, NULL};
    pid_t pid;
    int errnum = posix_spawnp(&pid, "xdg-open", NULL, NULL, argv, environ);
    if (errnum == 0) return CLI_OK;
    return cli_fail(&cli_report, CLI_FAILED, "cannot open %s: xdg-open: %s", path,
                    strerror(errnum));
}

static int save(const char *html, const char *path, const settings *set) {
    size_t length = strlen(html);
    output out;
    output_open(&out);
    if (strcmp(path, "-") == 0) {
        output_append(&out, html, length);
        return output_close(&out, &cli_report);
    }
    int errnum = write_file(path, html, length);
    if (errnum != 0)
        return cli_fail(&cli_report, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
    if (!set->quiet) output_add(&out, "%s (%.1f MB)\n", path, (double)length / 1e6);
    int code = output_close(&out, &cli_report);
    return code == CLI_OK && set->open ? open_in_browser(path) : code;
}

static int report(const char *file, const char *path, const settings *set) {
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    jm_recording *recording = NULL;
    jm_error error = {0};
    char *html = NULL;
    if (strcmp(path, "-") != 0 && holds_recording(path))
        return cli_fail(&cli_report, CLI_USAGE, "%s is a recording; give the page another name",
                        path);
    int errnum = strcmp(path, "-") == 0 ? 0 : check_writable(path); /* before the work */
    if (errnum != 0)
        return cli_fail(&cli_report, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
    options.title = set->title;
    options.grid = footprint_shown(&set->footprint);
    options.max_data_bytes = (uint64_t)(set->max_mb * 1e6);
    int status = jm_recording_open(&recording, file, &error);
    if (status == JM_OK) status = jm_report_html(recording, &options, &html, &error);
    jm_recording_free(recording);
    if (status != JM_OK) return cli_fail_error(&cli_report, &error);
    int code = save(html, path, set);
    jm_free(html);
    return code;
}

static int run(int argc, char **argv) {
    settings set = {.path = NULL};
    const cli_option options[] = {
        {'o', "output", OPTION_TEXT, &set.path, "FILE", "where to (default: FILE.html; -: stdout)",
         0, 0, NULL},
        {0, "title", OPTION_TEXT, &set.title, "TEXT", "default: the command that was measured", 0,
         0, NULL},
        {0, "max-size", OPTION_NUMBER, &set.max_mb, "MB",
         "of the data, to which curves are thinned out\n(default 1.5)", 0.1, 500, "MB"},
        {0, "open", OPTION_FLAG, &set.open, NULL, "open it in the browser", 0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &set.quiet, NULL, "do not say what was written", 0, 0, NULL},
        OPTION_COUNTRY(&set.footprint),
        OPTION_INTENSITY(&set.footprint),
        OPTION_PUE(&set.footprint),
        OPTION_PRICE(&set.footprint),
        {0}};
    int operands;
    int code = cli_parse(&cli_report, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 1)
        return cli_fail(&cli_report, CLI_USAGE,
                        operands == 0 ? "which recording? joulemeter report FILE.jm"
                                      : "one recording at a time: joulemeter report FILE.jm");
    char *own = set.path == NULL ? default_path(argv[1]) : NULL;
    if (set.path == NULL && own == NULL) return cli_fail(&cli_report, CLI_FAILED, "out of memory");
    code = footprint_open(&set.footprint, &cli_report);
    if (code == CLI_OK) code = report(argv[1], own != NULL ? own : set.path, &set);
    footprint_close(&set.footprint);
    free(own);
    return code;
}

const cli_command cli_report = {
    "report",
    "[OPTIONS] FILE",
    "write a recording as a page for the browser",
    "One HTML file with a timeline, tables and figures. It needs nothing else and\n"
    "sends nothing anywhere.\n",
    "  joulemeter report train.jm\n"
    "  joulemeter report -o out.html --title 'ResNet, batch 64' train.jm\n"
    "  joulemeter report --country FR --pue 1.2 train.jm\n"
    "  joulemeter report --open train.jm\n",
    run};
