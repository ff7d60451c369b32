/* Figures as `joulemeter plot` makes them: of a recording, or of an experiment's JSON. */
#ifndef JM_CLI_PLOT_H
#define JM_CLI_PLOT_H

#include "cli.h"
#include "output.h"

typedef struct plot_settings {
    char *figs; /* heap */
    const char *dir, *format, *width, *device;
    bool all, list, no_phases, raw, script, quiet;
    uint32_t smooth, top;
    double width_mm;
} plot_settings;

/* ---- what is drawn from (plot_source.c) ---- */

typedef struct experiment_figures experiment_figures;

typedef struct plot_source {
    jm_recording *recording;
    jm_figures *figures;
    experiment_figures *experiment;
    uint32_t warnings; /* of the recording, that are known */
    /* of all its figures, ended by NULL */
    const char *names[64], *titles[64];
} plot_source;

/* `path` NULL: names alone. The exit code, after saying why. */
int plot_source_open(plot_source *source, const char *path, const plot_settings *settings);
int plot_source_make(const plot_source *source, const char *name, jm_figure **figure,
                     jm_error *error);
/* Says what the recording says of itself only once it has been read. */
void plot_source_tell(plot_source *source);
void plot_source_close(plot_source *source);

/* Figures that have no data, and why: those of one reason together. */
typedef struct plot_missing {
    size_t count;
    struct {
        const char *name;
        char why[512];
    } of[64];
} plot_missing;
void plot_missing_add(plot_missing *missing, const char *name, const jm_error *error);
/* Adds a line for each reason: "a, b and c: there is no phase". */
void plot_missing_list(const plot_missing *missing, output *out, size_t width);
/* Says it on stderr. */
void plot_missing_tell(const plot_missing *missing);

/* ---- drawing (plot_draw.c) ---- */

/* Draws what `names` lists. The exit code: 128 + N if signal N ended it early. */
int plot_draw(plot_source *source, const char *const *names, const plot_settings *settings);

/* ---- experiments (plot_experiment.c): what `repeat` and `compare` export as JSON ---- */

/* Its first byte that is no space begins a JSON object. */
bool is_json_file(const char *path);
/* NULL after saying why. */
experiment_figures *experiment_figures_open(const cli_command *command, const char *path);
/* Names and titles of the figures that there are, ended by NULL. */
extern const char *const experiment_figure_names[], *const experiment_figure_titles[];
/* Ratios are there only where programs were compared, the curve only where limits were tuned. */
bool experiment_figure_there(const experiment_figures *experiment, const char *name);
int experiment_figure_make(const experiment_figures *experiment, const char *name,
                           jm_figure **figure, jm_error *error);
void experiment_figures_close(experiment_figures *experiment);

/* ---- gnuplot (plot_gnuplot.c) ---- */

/* Path of gnuplot, heap; NULL: it is not installed. */
char *find_gnuplot(void);
/* Runs a script. 0, or -1, and `why` gets what gnuplot said. */
int run_gnuplot(const char *gnuplot, const char *script, char *why, size_t size);

#endif
