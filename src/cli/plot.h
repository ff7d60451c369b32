/* Figures as `joulemeter plot` makes them: of a recording, or of an experiment's JSON. */
#ifndef JM_CLI_PLOT_H
#define JM_CLI_PLOT_H

#include "cli.h"

/* ---- experiments (plot_experiment.c): what `repeat` and `compare` export as JSON ---- */

/* Its first byte that is no space begins a JSON object. */
bool is_json_file(const char *path);
typedef struct experiment_figures experiment_figures;
/* NULL after saying why. */
experiment_figures *experiment_figures_open(const cli_command *command, const char *path);
/* Names of the figures that there are, ended by NULL. */
extern const char *const experiment_figure_names[];
const char *experiment_figure_title(const char *name);
/* Ratios are there only where programs were compared. */
bool experiment_figure_there(const experiment_figures *experiment, const char *name);
int experiment_figure_make(const experiment_figures *experiment, const char *name,
                           jm_figure **figure, jm_error *error);
void experiment_figures_close(experiment_figures *experiment);

/* ---- gnuplot (plot_gnuplot.c) ---- */

/* Path of gnuplot, heap; NULL: it is not installed. */
char *find_gnuplot(void);
/* Runs a script; on failure `why` gets what gnuplot said. 0, or -1; INTR: a signal came. */
enum { GNUPLOT_INTERRUPTED = -2 };
int run_gnuplot(const char *gnuplot, const char *script, char *why, size_t size);

#endif
