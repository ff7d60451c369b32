/* Figures become files. */
#include "plot.h"

#include "live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 400 }; /* until it is told how it goes */

typedef struct drawing {
    const plot_settings *set;
    const char *gnuplot; /* NULL: scripts are written */
    plot_missing missing;
    live line;
    int64_t begin_ns;
} drawing;

static int fail_to_write(const char *path, int errnum) {
    return cli_fail(&cli_plot, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
}

static int make_dirs(const char *path) {
    char *copy = strdup(path);
    struct stat info;
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
    if (errnum == 0 && stat(path, &info) != 0) errnum = errno;
    if (errnum == 0 && !S_ISDIR(info.st_mode)) errnum = ENOTDIR;
    if (errnum == 0 && access(path, W_OK) != 0) errnum = errno;
    return errnum;
}

/* "DIR/BEFORE" "NAME.ENDING", heap; NULL: out of memory. */
static char *path_in(const char *dir, const char *before, const char *name, const char *ending) {
    char *path;
    bool here = strcmp(dir, ".") == 0;
    size_t length = strlen(dir);
    const char *slash = here || (length > 0 && dir[length - 1] == '/') ? "" : "/";
    if (asprintf(&path, "%s%s%s%s.%s", here ? "" : dir, slash, before, name, ending) < 0)
        return NULL;
    return path;
}

static int make_script(const jm_figure *figure, const plot_settings *set, const char *path,
                       char **script) {
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    jm_error error = {0};
    options.format = set->format;
    options.path = path;
    options.width_mm = set->width_mm;
    if (jm_figure_gnuplot(figure, &options, script, &error) == JM_OK) return CLI_OK;
    return cli_fail_error(&cli_plot, &error);
}

/* ---- a script, a picture ---- */

static int write_script(const drawing *d, const jm_figure *figure, const char *name,
                        const char *path) {
    char *script = NULL, *picture = path_in(".", "", name, d->set->format); /* where it is run */
    if (picture == NULL) return fail_to_write(path, ENOMEM);
    int code = make_script(figure, d->set, picture, &script);
    if (code == CLI_OK) {
        int errnum = write_file(path, script, strlen(script));
        if (errnum != 0) code = fail_to_write(path, errnum);
    }
    jm_free(script);
    free(picture);
    return code;
}

/* The picture lies beside its name until it is whole. */
static int draw_draft(const drawing *d, const char *script, const char *name, const char *draft,
                      const char *path) {
    char why[400];
    int code = CLI_OK;
    if (run_gnuplot(d->gnuplot, script, why, sizeof why) != 0)
        code = cli_fail(&cli_plot, CLI_FAILED, "%s: gnuplot says: %s", name, why);
    else if (rename(draft, path) != 0)
        code = fail_to_write(path, errno);
    if (code != CLI_OK) unlink(draft);
    return code;
}

static int draw_picture(const drawing *d, const jm_figure *figure, const char *name,
                        const char *path) {
    char before[32], *script = NULL;
    snprintf(before, sizeof before, ".%ld.", (long)getpid());
    char *draft = path_in(d->set->dir, before, name, d->set->format);
    if (draft == NULL) return fail_to_write(path, ENOMEM);
    int code = make_script(figure, d->set, draft, &script);
    if (code == CLI_OK) code = draw_draft(d, script, name, draft, path);
    jm_free(script);
    free(draft);
    return code;
}

static int draw_one(const drawing *d, const jm_figure *figure, const char *name) {
    const plot_settings *set = d->set;
    char *path = path_in(set->dir, "", name, set->script ? "gp" : set->format);
    if (path == NULL) return cli_fail(&cli_plot, CLI_FAILED, "out of memory");
    int code =
        set->script ? write_script(d, figure, name, path) : draw_picture(d, figure, name, path);
    if (code == CLI_OK && !set->quiet) {
        output out;
        output_open(&out);
        output_add(&out, "%s\n", path);
        code = output_close(&out, &cli_plot);
    }
    free(path);
    return code;
}

/* ---- all of them ---- */

static void tell_progress(drawing *d, const char *name, size_t index, size_t total) {
    char text[128];
    if (jm_now_ns() - d->begin_ns < PATIENCE_MS * INT64_C(1000000)) return;
    snprintf(text, sizeof text, " %zu of %zu: %s", index + 1, total, name);
    live_text(&d->line, text);
}

/* A signal comes when there is no draft that would be left behind. */
static int draw_undisturbed(drawing *d, const jm_figure *figure, const char *name) {
    sigset_t signals, before, pending;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    int code = draw_one(d, figure, name);
    sigpending(&pending);
    if (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)) live_erase(&d->line);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return code;
}

static int draw_named(drawing *d, plot_source *s, const char *name) {
    jm_figure *figure = NULL;
    jm_error error = {0};
    int status = plot_source_make(s, name, &figure, &error), code = CLI_OK;
    live_erase(&d->line);
    if (status == JM_OK)
        code = draw_undisturbed(d, figure, name);
    else if (status == JM_NO_DATA)
        plot_missing_add(&d->missing, name, &error);
    else
        code = cli_fail_error(&cli_plot, &error);
    jm_figure_free(figure);
    return code;
}

static int draw_all(drawing *d, plot_source *s, const char *const *names) {
    size_t total = 0;
    int code = CLI_OK;
    while (names[total] != NULL) total++;
    for (size_t i = 0; i < total && code == CLI_OK; i++) {
        tell_progress(d, names[i], i, total);
        code = draw_named(d, s, names[i]);
    }
    live_erase(&d->line);
    plot_source_tell(s);
    if (!d->set->quiet || d->missing.count == total) plot_missing_tell(&d->missing);
    return code == CLI_OK && d->missing.count == total ? CLI_FAILED : code;
}

int plot_draw(plot_source *source, const char *const *names, const plot_settings *set) {
    drawing d = {.set = set, .begin_ns = jm_now_ns()};
    char *gnuplot = set->script ? NULL : find_gnuplot();
    if (gnuplot == NULL && !set->script)
        return cli_fail(&cli_plot, CLI_FAILED,
                        "gnuplot is not installed: apt install gnuplot-nox; or take --script for "
                        "its scripts, or rep.plot() in Python, which has matplotlib draw them");
    int errnum = make_dirs(set->dir);
    int code = CLI_OK;
    if (errnum != 0)
        code = cli_fail(&cli_plot, errnum == ENOMEM ? CLI_FAILED : CLI_USAGE,
                        "cannot write into %s: %s", set->dir, strerror(errnum));
    if (code == CLI_OK) {
        signal(SIGPIPE, SIG_IGN);
        d.gnuplot = gnuplot;
        live_open(&d.line, set->quiet);
        code = draw_all(&d, source, names);
    }
    free(gnuplot);
    return code;
}
