#include "plot.h"

#include "grid.h"
#include "options.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which ones ---- */

static bool is_among(const char *const *names, const char *name) {
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static int fail_unknown(const plot_source *s, const char *name) {
    const char *nearest = cli_nearest(name, s->names);
    char known[1024] = "";
    for (size_t i = 0, used = 0; s->names[i] != NULL && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 s->names[i]);
    if (nearest != NULL)
        return cli_fail(&cli_plot, CLI_USAGE,
                        "there is no figure '%s'; did you mean '%s'? There are: %s", name, nearest,
                        known);
    return cli_fail(&cli_plot, CLI_USAGE, "there is no figure '%s'; there are: %s", name, known);
}

/* Names that --figs lists, spaces about them or not, each once. */
static int choose_named(const plot_source *s, char *list, const char **wanted, size_t most) {
    size_t count = 0;
    char *rest = NULL;
    wanted[0] = NULL;
    for (char *name = strtok_r(list, ", ", &rest); name != NULL;
         name = strtok_r(NULL, ", ", &rest)) {
        if (!is_among(s->names, name)) return fail_unknown(s, name);
        if (is_among(wanted, name) || count + 1 == most) continue;
        wanted[count++] = name;
        wanted[count] = NULL;
    }
    if (count == 0)
        return cli_fail(&cli_plot, CLI_USAGE,
                        "--figs names none; joulemeter plot --list lists them");
    return CLI_OK;
}

static int draw(plot_source *s, const plot_settings *set) {
    static const char *const usual[] = {"power_time", "util_time_dual", "cumulative_energy",
                                        "phase_energy_bar", NULL};
    const char *wanted[CLI_COUNT(s->names)];
    if (set->figs == NULL)
        return plot_draw(s, set->all || s->experiment != NULL ? s->names : usual, set);
    int code = choose_named(s, set->figs, wanted, CLI_COUNT(wanted));
    return code == CLI_OK ? plot_draw(s, wanted, set) : code;
}

/* ---- --list ---- */

static int list(plot_source *s, bool opened) {
    output out;
    grid table;
    plot_missing missing = {0};
    size_t width = terminal_width(STDOUT_FILENO);
    int code = CLI_OK;
    grid_open(&table, opened ? 3 : 2);
    grid_row(&table, (const char *const[]){"figure", "shows", "data"});
    for (size_t i = 0; s->names[i] != NULL && code == CLI_OK; i++) {
        jm_error error = {0};
        jm_figure *figure = NULL;
        int status = opened ? plot_source_make(s, s->names[i], &figure, &error) : JM_OK;
        jm_figure_free(figure);
        if (status == JM_NO_DATA)
            plot_missing_add(&missing, s->names[i], &error);
        else if (status != JM_OK)
            code = cli_fail_error(&cli_plot, &error);
        grid_row(&table,
                 (const char *const[]){s->names[i], s->titles[i], status == JM_OK ? "yes" : "no"});
    }
    output_open(&out);
    grid_write(&table, &out, width, terminal_has_color(STDOUT_FILENO));
    if (missing.count > 0) output_add(&out, "\nno data:\n");
    plot_missing_list(&missing, &out, width);
    grid_close(&table);
    plot_source_tell(s);
    int closed = output_close(&out, &cli_plot);
    return code != CLI_OK ? code : closed;
}

/* ---- options ---- */

static int check_width(plot_settings *set) {
    char *end = NULL;
    if (strcmp(set->width, "column") == 0) {
        set->width_mm = 89;
    } else if (strcmp(set->width, "page") == 0) {
        set->width_mm = 183;
    } else {
        set->width_mm = strtod(set->width, &end);
        bool whole = end != set->width && (*end == '\0' || strcmp(end, "mm") == 0);
        if (!whole || !(set->width_mm >= 30 && set->width_mm <= 2000))
            return cli_fail(&cli_plot, CLI_USAGE,
                            "--width is column (89 mm), page (183 mm) or 30 to 2000 mm, not '%s'",
                            set->width);
    }
    return CLI_OK;
}

static const char *const formats[] = {"pdf", "svg", "png", NULL};

static int check_dir(const plot_settings *set) {
    const char *dot = strrchr(set->dir, '.');
    struct stat info;
    if (dot == NULL || !is_among(formats, dot + 1) || stat(set->dir, &info) == 0) return CLI_OK;
    return cli_fail(&cli_plot, CLI_USAGE,
                    "'%s' is no folder; figures have names of their own: --output DIR --format %s",
                    set->dir, dot + 1);
}

static int check(plot_settings *set) {
    if (!is_among(formats, set->format))
        return cli_fail(&cli_plot, CLI_USAGE, "--format is pdf, svg or png, not '%s'", set->format);
    if (set->all && set->figs != NULL)
        return cli_fail(&cli_plot, CLI_USAGE, "choose one of --figs and --all");
    if (set->raw && set->smooth > 1)
        return cli_fail(
            &cli_plot, CLI_USAGE,
            "--raw draws each reading as it was, --smooth means of some: leave one out");
    int code = check_dir(set);
    return code == CLI_OK ? check_width(set) : code;
}

static int plot(const char *path, plot_settings *set) {
    plot_source source;
    int code = check(set);
    if (code != CLI_OK) return code;
    code = plot_source_open(&source, path, set);
    if (code == CLI_OK) code = set->list ? list(&source, path != NULL) : draw(&source, set);
    plot_source_close(&source);
    return code;
}

static int run(int argc, char **argv) {
    plot_settings set = {.dir = ".", .format = "pdf", .width = "column"};
    const cli_option options[] = {
        {0, "figs", OPTION_LIST, &set.figs, "NAMES",
         "these figures: power_time,power_ecdf; default:\n"
         "power_time, util_time_dual, cumulative_energy,\nphase_energy_bar",
         0, 0, NULL},
        {'a', "all", OPTION_FLAG, &set.all, NULL, "all that have data", 0, 0, NULL},
        {'l', "list", OPTION_FLAG, &set.list, NULL,
         "say which figures there are, and of FILE which\nhave no data and why", 0, 0, NULL},
        {'o', "output", OPTION_TEXT, &set.dir, "DIR", "folder, made if need be (default: this one)",
         0, 0, NULL},
        {0, "format", OPTION_TEXT, &set.format, "FORMAT", "pdf (the default), svg or png", 0, 0,
         NULL},
        {0, "width", OPTION_TEXT, &set.width, "WIDTH",
         "column (89 mm, the default), page (183 mm), or\nmillimetres", 0, 0, NULL},
        {0, "device", OPTION_TEXT, &set.device, "NAME",
         "gpu0, gpus, total ... (default: the GPUs; all\ndevices where there is none)", 0, 0, NULL},
        {0, "smooth", OPTION_COUNT, &set.smooth, "N", "curves are means over N readings", 1, 1e6,
         NULL},
        {0, "raw", OPTION_FLAG, &set.raw, NULL, "draw every reading", 0, 0, NULL},
        {0, "no-phases", OPTION_FLAG, &set.no_phases, NULL, "do not shade phases", 0, 0, NULL},
        {'n', "top", OPTION_COUNT, &set.top, "N", "layers and kernels (default 15)", 1, 200, NULL},
        {0, "script", OPTION_FLAG, &set.script, NULL, "write gnuplot's scripts instead of pictures",
         0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &set.quiet, NULL, "do not say what was written or left out", 0,
         0, NULL},
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
    "figure becomes a file of its name, which is told on stdout; what has no data is\n"
    "left out, with the reason. docs/figures.md says what they show.\n",
    "  joulemeter plot train.jm\n"
    "  joulemeter plot --all -o figures --format svg train.jm\n"
    "  joulemeter plot --figs power_time,power_ecdf --smooth 5 train.jm\n"
    "  joulemeter plot --list train.jm\n",
    run};
