#include "plot.h"

#include "grid.h"
#include "live.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct settings {
    char *figs; /* heap */
    const char *dir, *format, *width, *device;
    bool all, list, no_phases, raw, script, quiet;
    uint32_t smooth, top;
    double width_mm;
} settings;

/* What is drawn from: a recording or an experiment. */
typedef struct source {
    jm_recording *recording;
    jm_figures *figures;
    experiment_figures *experiment;
    const char *names[64]; /* of all its figures, ended by NULL */
} source;

static volatile sig_atomic_t interrupted;

static void interrupt(int number) {
    interrupted = number;
}

/* ---- where it comes from ---- */

static void list_names(source *s) {
    size_t count = 0;
    if (s->experiment != NULL)
        for (size_t i = 0; experiment_figure_names[i] != NULL; i++) {
            if (experiment_figure_there(s->experiment, experiment_figure_names[i]))
                s->names[count++] = experiment_figure_names[i];
        }
    else
        for (; count < jm_figure_count() && count + 1 < CLI_COUNT(s->names); count++)
            s->names[count] = jm_figure_name((uint32_t)count);
    s->names[count] = NULL;
}

static const char *title_of(const source *s, size_t index) {
    return s->experiment != NULL ? experiment_figure_title(s->names[index])
                                 : jm_figure_title((uint32_t)index);
}

static int find_device(const jm_recording *recording, const char *name, uint32_t *device) {
    *device = JM_DEVICE_GPUS;
    if (name == NULL || strcmp(name, "gpus") == 0) return CLI_OK;
    *device = JM_DEVICE_TOTAL;
    if (strcmp(name, "total") == 0) return CLI_OK;
    char known[400] = "";
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_device info = {.size = sizeof info};
        if (jm_recording_device(recording, i, &info) != JM_OK) continue;
        *device = i;
        if (strcmp(info.name, name) == 0) return CLI_OK;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", info.name);
    }
    return cli_fail(&cli_plot, CLI_USAGE, "there is no device '%s' in it; there are: gpus, total%s",
                    name, known);
}

static int open_recording(source *s, const char *path, const settings *set) {
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_error error = {0};
    if (jm_recording_open(&s->recording, path, &error) != JM_OK)
        return cli_fail_error(&cli_plot, &error);
    int code = find_device(s->recording, set->device, &options.device);
    if (code != CLI_OK) return code;
    options.smooth = set->smooth;
    options.top = set->top;
    options.no_phases = set->no_phases;
    options.raw = set->raw;
    if (jm_figures_open(&s->figures, s->recording, &options, &error) != JM_OK)
        return cli_fail_error(&cli_plot, &error);
    return CLI_OK;
}

static int open_source(source *s, const char *path, const settings *set) {
    int code = CLI_OK;
    if (is_json_file(path)) {
        s->experiment = experiment_figures_open(&cli_plot, path);
        code = s->experiment == NULL ? CLI_USAGE : CLI_OK;
    } else {
        code = open_recording(s, path, set);
    }
    list_names(s);
    return code;
}

static void close_source(source *s) {
    jm_figures_close(s->figures);
    jm_recording_free(s->recording);
    experiment_figures_close(s->experiment);
}

static int make(const source *s, const char *name, jm_figure **figure, jm_error *error) {
    return s->experiment != NULL ? experiment_figure_make(s->experiment, name, figure, error)
                                 : jm_figures_make(s->figures, name, figure, error);
}

/* ---- which ones ---- */

static bool is_known(const source *s, const char *name) {
    for (size_t i = 0; s->names[i] != NULL; i++)
        if (strcmp(s->names[i], name) == 0) return true;
    return false;
}

static int fail_unknown(const source *s, const char *name) {
    const char *nearest = cli_nearest(name, s->names);
    if (nearest != NULL)
        return cli_fail(&cli_plot, CLI_USAGE, "there is no figure '%s'; did you mean '%s'?", name,
                        nearest);
    return cli_fail(&cli_plot, CLI_USAGE,
                    "there is no figure '%s'; joulemeter plot --list lists them", name);
}

/* Puts what is wanted in the place of what there is. */
static int choose(source *s, const settings *set) {
    static const char *const usual[] = {"power_time", "util_time_dual", "cumulative_energy",
                                        "phase_energy_bar", NULL};
    if (set->all || (set->figs == NULL && s->experiment != NULL)) return CLI_OK;
    if (set->figs == NULL) {
        memcpy(s->names, usual, sizeof usual);
        return CLI_OK;
    }
    const char *wanted[CLI_COUNT(s->names)];
    size_t count = 0;
    for (char *name = strtok(set->figs, ","); name != NULL; name = strtok(NULL, ",")) {
        if (!is_known(s, name)) return fail_unknown(s, name);
        if (count + 1 < CLI_COUNT(wanted)) wanted[count++] = name;
    }
    wanted[count] = NULL;
    memcpy(s->names, wanted, (count + 1) * sizeof *wanted);
    return CLI_OK;
}

static int list(const source *s) {
    output out;
    grid table;
    bool opened = s->figures != NULL || s->experiment != NULL;
    output_open(&out);
    grid_open(&table, opened ? 3 : 2);
    grid_row(&table, (const char *const[]){"figure", "shows", ""});
    for (size_t i = 0; s->names[i] != NULL; i++) {
        jm_error error = {0};
        jm_figure *figure = NULL;
        const char *why = "";
        if (opened && make(s, s->names[i], &figure, &error) != JM_OK) {
            const char *colon = strstr(error.message, ": ");
            why = colon != NULL ? colon + 2 : error.message;
        }
        jm_figure_free(figure);
        char line[600];
        snprintf(line, sizeof line, "no data: %s", why);
        const char *cells[] = {s->names[i], title_of(s, i), why[0] == '\0' ? "" : line};
        grid_row(&table, cells);
    }
    /* In a pipe nothing is cut off. */
    grid_write(&table, &out, isatty(STDOUT_FILENO) ? terminal_width(STDOUT_FILENO) : 1000, false);
    grid_close(&table);
    return output_close(&out, &cli_plot);
}

/* ---- drawing ---- */

static int make_dirs(const char *path) {
    char *copy = strdup(path);
    if (copy == NULL) return ENOMEM;
    int errnum = 0;
    for (char *at = copy; errnum == 0 && *at != '\0';) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char kept = *at;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) errnum = errno;
        *at = kept;
    }
    free(copy);
    return errnum;
}

typedef struct drawing {
    const settings *set;
    const char *gnuplot; /* NULL: scripts are written */
    output wrote;        /* names of the files */
    size_t count;
    int code;
} drawing;

static int script_of(const jm_figure *figure, const settings *set, const char *path, char **script,
                     jm_error *error) {
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    options.format = set->format;
    options.path = path;
    options.width_mm = set->width_mm;
    return jm_figure_gnuplot(figure, &options, script, error);
}

static void note_written(drawing *d, const char *path) {
    output_add(&d->wrote, "%s%s", d->count++ == 0 ? "" : ", ", path);
}

static int fail_to_write(const char *path, int errnum) {
    return cli_fail(&cli_plot, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
}

/* The picture lies beside its name until it is whole. */
static int draw_one(drawing *d, const jm_figure *figure, const char *name) {
    const settings *set = d->set;
    char path[4096], draft[4096], why[400];
    char *script = NULL;
    jm_error error = {0};
    snprintf(path, sizeof path, "%s/%s.%s", set->dir, name, set->script ? "gp" : set->format);
    if (set->script)
        snprintf(draft, sizeof draft, "%s.%s", name, set->format); /* where gnuplot is run */
    else
        snprintf(draft, sizeof draft, "%s/.%s.%d.%s", set->dir, name, (int)getpid(), set->format);
    if (script_of(figure, set, draft, &script, &error) != JM_OK)
        return cli_fail_error(&cli_plot, &error);
    int code = CLI_OK;
    if (set->script) {
        int errnum = write_file(path, script, strlen(script));
        if (errnum != 0) code = fail_to_write(path, errnum);
    } else {
        int result = run_gnuplot(d->gnuplot, script, why, sizeof why);
        if (interrupted != 0 || result == GNUPLOT_INTERRUPTED)
            code = 128 + (interrupted != 0 ? interrupted : SIGTERM);
        else if (result != 0)
            code = cli_fail(&cli_plot, CLI_FAILED, "%s: gnuplot says: %s", name, why);
        else if (rename(draft, path) != 0)
            code = fail_to_write(path, errno);
        if (code != CLI_OK) unlink(draft);
    }
    jm_free(script);
    if (code == CLI_OK) note_written(d, path);
    return code;
}

static int draw_all(drawing *d, const source *s) {
    live line;
    size_t total = 0, without = 0;
    while (s->names[total] != NULL) total++;
    live_open(&line, d->set->quiet);
    for (size_t i = 0; i < total && d->code == CLI_OK && interrupted == 0; i++) {
        jm_figure *figure = NULL;
        jm_error error = {0};
        char text[128];
        snprintf(text, sizeof text, "drawing %s, %zu of %zu", s->names[i], i + 1, total);
        live_text(&line, text);
        int status = make(s, s->names[i], &figure, &error);
        if (status == JM_OK)
            d->code = draw_one(d, figure, s->names[i]);
        else
            live_erase(&line);
        if (status == JM_NO_DATA) {
            without++;
            if (!d->set->quiet) cli_fail(&cli_plot, 0, "%s", error.message);
        } else if (status != JM_OK) {
            d->code = cli_fail_error(&cli_plot, &error);
        }
        jm_figure_free(figure);
    }
    live_erase(&line);
    if (d->code == CLI_OK && interrupted != 0) d->code = 128 + interrupted;
    if (d->code == CLI_OK && without == total)
        d->code = cli_fail(&cli_plot, CLI_FAILED, "none of these figures has data");
    return d->code;
}

static int draw(const source *s, const settings *set) {
    drawing d = {.set = set};
    char *gnuplot = set->script ? NULL : find_gnuplot();
    if (gnuplot == NULL && !set->script)
        return cli_fail(&cli_plot, CLI_FAILED,
                        "gnuplot is not installed: apt install gnuplot-nox, or --script for its "
                        "scripts, or in Python rep.plot() with matplotlib");
    int errnum = make_dirs(set->dir);
    if (errnum != 0) {
        free(gnuplot);
        return fail_to_write(set->dir, errnum);
    }
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL); /* a second Ctrl-C ends it at once */
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    d.gnuplot = gnuplot;
    output_open(&d.wrote);
    int code = draw_all(&d, s);
    free(gnuplot);
    if (d.count > 0) output_add(&d.wrote, "\n");
    if (set->quiet) d.wrote.length = 0;
    int closed = output_close(&d.wrote, &cli_plot);
    return code != CLI_OK ? code : closed;
}

/* ---- options ---- */

static int check(settings *set) {
    static const char *const formats[] = {"pdf", "svg", "png", NULL};
    char *end = NULL;
    bool known = false;
    for (size_t i = 0; formats[i] != NULL; i++) known |= strcmp(formats[i], set->format) == 0;
    if (!known)
        return cli_fail(&cli_plot, CLI_USAGE, "--format is pdf, svg or png, not '%s'", set->format);
    if (set->all && set->figs != NULL)
        return cli_fail(&cli_plot, CLI_USAGE, "choose one of --figs and --all");
    if (strcmp(set->width, "column") == 0) {
        set->width_mm = 89;
    } else if (strcmp(set->width, "page") == 0) {
        set->width_mm = 183;
    } else {
        set->width_mm = strtod(set->width, &end);
        if (end == set->width || (*end != '\0' && strcmp(end, "mm") != 0) || set->width_mm < 30 ||
            set->width_mm > 2000)
            return cli_fail(&cli_plot, CLI_USAGE,
                            "--width is column (89 mm), page (183 mm) or 30 to 2000 mm, not '%s'",
                            set->width);
    }
    return CLI_OK;
}

static int plot(const char *path, settings *set) {
    source s = {.recording = NULL};
    int code = check(set);
    if (code == CLI_OK && path != NULL) code = open_source(&s, path, set);
    if (path == NULL) list_names(&s);
    if (code == CLI_OK && set->list)
        code = list(&s);
    else if (code == CLI_OK)
        code = choose(&s, set);
    if (code == CLI_OK && !set->list) code = draw(&s, set);
    close_source(&s);
    return code;
}

static int run(int argc, char **argv) {
    settings set = {.dir = ".", .format = "pdf", .width = "column"};
    const cli_option options[] = {
        {0, "figs", OPTION_LIST, &set.figs, "NAMES", "these figures: power_time,power_ecdf", 0, 0,
         NULL},
        {'a', "all", OPTION_FLAG, &set.all, NULL, "all that have data", 0, 0, NULL},
        {'l', "list", OPTION_FLAG, &set.list, NULL,
         "say which figures there are, and of FILE which\nhave no data and why", 0, 0, NULL},
        {'o', "output", OPTION_TEXT, &set.dir, "DIR", "folder, made if need be (default: this one)",
         0, 0, NULL},
        {0, "format", OPTION_TEXT, &set.format, "FORMAT", "pdf (the default), svg or png", 0, 0,
         NULL},
        {0, "width", OPTION_TEXT, &set.width, "WIDTH",
         "column (89 mm, the default), page (183 mm), or\nmillimetres", 0, 0, NULL},
        {0, "smooth", OPTION_COUNT, &set.smooth, "N", "curves are means over N readings", 1, 1e6,
         NULL},
        {0, "no-phases", OPTION_FLAG, &set.no_phases, NULL, "do not shade phases", 0, 0, NULL},
        {0, "raw", OPTION_FLAG, &set.raw, NULL, "draw every reading", 0, 0, NULL},
        {'n', "top", OPTION_COUNT, &set.top, "N", "layers and kernels (default 15)", 1, 200, NULL},
        {0, "device", OPTION_TEXT, &set.device, "NAME",
         "gpu0, gpus, total ... (default: the GPUs, all\nwhere there is none)", 0, 0, NULL},
        {0, "script", OPTION_FLAG, &set.script, NULL, "write gnuplot's scripts instead of pictures",
         0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &set.quiet, NULL, "say only what fails", 0, 0, NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_plot, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code == PARSE_DONE && operands == 0 && !set.list)
        code = cli_fail(&cli_plot, CLI_USAGE, "which recording? joulemeter plot FILE.jm");
    else if (code == PARSE_DONE && operands > 1)
        code = cli_fail(&cli_plot, CLI_USAGE, "one recording at a time: joulemeter plot FILE.jm");
    else if (code == PARSE_DONE)
        code = plot(operands == 1 ? argv[1] : NULL, &set);
    free(set.figs);
    return code;
}

const cli_command cli_plot = {
    "plot",
    "[OPTIONS] FILE",
    "draw the figures of a recording with gnuplot",
    "FILE is a recording, or what repeat or compare wrote with --json=FILE. Each\n"
    "figure gets a file of its name; docs/figures.md shows them all.\n",
    "  joulemeter plot train.jm\n"
    "  joulemeter plot train.jm --all -o figures --format svg\n"
    "  joulemeter plot train.jm --figs power_time,power_ecdf --smooth 5\n"
    "  joulemeter plot --list train.jm\n",
    run};
