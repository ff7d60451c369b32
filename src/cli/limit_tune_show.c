/* What came of `limit tune`: a table of what was tried, the curve, and what to do with it. */
#include "limit_tune.h"

#include "grid.h"
#include "spark.h"
#include "terminal.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROWS = 64, COLUMNS = 7, SKETCH = 48 };

typedef struct view {
    tune *t;
    output out;
    size_t width;
    bool utf8, known; /* is there a result? */
    const char *bold, *dim, *plain;
    jm_tuner_result result;
} view;

static void open_view(view *v, tune *t) {
    bool color = terminal_has_color(STDERR_FILENO);
    *v = (view){.t = t,
                .width = terminal_width(STDERR_FILENO),
                .utf8 = terminal_is_utf8(),
                .bold = color ? "\033[1m" : "",
                .dim = color ? "\033[2m" : "",
                .plain = color ? "\033[0m" : "",
                .result = {.size = sizeof v->result}};
    output_open(&v->out);
    v->out.kept = true;
    v->known = jm_tuner_result_get(t->tuner, &v->result, NULL) == JM_OK;
}

/* ---- head ---- */

static void add_head(view *v) {
    const tune *t = v->t;
    char text[400], item[120] = "";
    double s = round((double)(jm_now_ns() - t->begin_ns) / 1e9);
    size_t trials = jm_tuner_trial_count(t->tuner);
    if (t->way != TUNE_RERUN && t->items.chosen >= 0)
        snprintf(item, sizeof item, "; time and energy are those of each %s",
                 tune_items_name(&t->items));
    snprintf(text, sizeof text, "%s %s%s, %s, %zu trial%s in %.0f:%02.0f%s", t->device, t->model,
             t->simulated ? ", simulated GPU" : "",
             t->way == TUNE_RERUN ? "run anew for each setting" : "steered as it ran", trials,
             trials == 1 ? "" : "s", floor(s / 60), fmod(s, 60), item);
    output_add(&v->out, "\n%sjoulemeter limit tune%s  ", v->bold, v->plain);
    grid_add_text(&v->out, t->text, v->width - 24);
    output_add(&v->out, "\n");
    grid_add_wrapped(&v->out, text, 0, v->width);
    output_add(&v->out, "\n");
}

/* ---- the table ---- */

static int descending(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a < *b) - (*a > *b);
}

/* Settings that were tried, and the one to use, from the highest down. */
static size_t list_settings(const view *v, double *settings) {
    jm_trial trial = {.size = sizeof trial};
    size_t count = 0, kept = 0;
    for (size_t i = 0; count + 1 < MOST_ROWS && jm_tuner_trial(v->t->tuner, i, &trial) == JM_OK;
         i++)
        if (!trial.failed) settings[count++] = trial.setting;
    if (v->known) settings[count++] = v->result.setting;
    qsort(settings, count, sizeof *settings, descending);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || settings[kept - 1] - settings[i] > 1e-6) settings[kept++] = settings[i];
    return kept;
}

static const char *percent_range(const jm_interval *e, bool utf8, char *text, size_t size) {
    double half = 50 * (e->upper - e->lower);
    int decimals = half < 0.095 ? 2 : half < 9.5 ? 1 : 0;
    if (!isfinite(e->value))
        snprintf(text, size, "-");
    else if (!isfinite(half) || !(half > 0))
        snprintf(text, size, "%.1f %%", 100 * e->value);
    else
        snprintf(text, size, "%.*f %% (%.*f%s%.*f)", decimals, 100 * e->value, decimals,
                 100 * e->lower, utf8 ? "–" : "-", decimals, 100 * e->upper);
    return text;
}

static double value_of(double measured, const jm_interval *predicted) {
    return isfinite(measured) ? measured : predicted->value;
}

/* Mean over the trials at it, by time. NaN: not known. */
static double limited_at(const tune *t, double setting) {
    jm_trial trial = {.size = sizeof trial};
    double seconds = 0, held = 0;
    for (size_t i = 0; jm_tuner_trial(t->tuner, i, &trial) == JM_OK; i++) {
        if (trial.failed || isnan(trial.limited) || fabs(trial.setting - setting) > 1e-6) continue;
        seconds += trial.seconds;
        held += trial.seconds * trial.limited;
    }
    return seconds > 0 ? held / seconds : (double)NAN;
}

static void add_row(const view *v, grid *table, double setting) {
    const tune *t = v->t;
    jm_tuner_point p = {.size = sizeof p};
    if (jm_tuner_predict(t->tuner, setting, &p, NULL) != JM_OK) return;
    char value[32], name[80], seconds[64], slower[32] = "", power[64], energy[64], relative[80];
    char held[32] = "-";
    bool is_standard = fabs(setting - t->standard) < 1e-6;
    bool is_best =
        v->known && v->result.verdict == JM_TUNER_FOUND && fabs(setting - v->result.setting) < 1e-6;
    double limited = limited_at(t, setting);
    snprintf(name, sizeof name, "%s%s%s%s", limit_text(setting, t->lever, value),
             is_standard ? ", default" : "", is_best ? ", best" : "",
             isnan(p.measured_seconds) ? ", predicted" : "");
    if (!is_standard && isfinite(p.slowdown.value))
        snprintf(slower, sizeof slower, "%+.1f %%", 100 * (p.slowdown.value - 1));
    if (isfinite(limited)) snprintf(held, sizeof held, "%.0f %%", 100 * limited);
    const char *cells[COLUMNS] = {
        name,
        jm_value_text(value_of(p.measured_seconds, &p.seconds), NAN, "s", seconds, sizeof seconds),
        slower,
        jm_value_text(value_of(p.measured_power_w, &p.power_w), NAN, "W", power, sizeof power),
        jm_value_text(value_of(p.measured_energy_j, &p.energy_j), NAN, "J", energy, sizeof energy),
        percent_range(&p.relative, v->utf8, relative, sizeof relative),
        held};
    grid_row(table, cells);
}

static void fill_table(const view *v, grid *table, size_t columns) {
    char objective[64];
    double settings[MOST_ROWS];
    snprintf(objective, sizeof objective, "%s of the default's",
             tune_objective_name(v->t, v->utf8));
    const char *const header[COLUMNS] = {v->t->lever == JM_LEVER_POWER ? "limit" : "clock",
                                         "time",
                                         "slower",
                                         "power",
                                         "energy",
                                         objective,
                                         "held back"};
    grid_open(table, columns);
    for (size_t c = 1; c < columns; c++) grid_right(table, c);
    grid_row(table, header);
    size_t count = list_settings(v, settings);
    for (size_t i = 0; i < count; i++) add_row(v, table, settings[i]);
}

static void add_table(view *v) {
    grid table;
    for (size_t columns = COLUMNS; columns >= 6; columns--) {
        fill_table(v, &table, columns);
        bool fits = grid_width(&table) <= v->width || columns == 6;
        if (fits) grid_write(&table, &v->out, v->width, v->dim[0] != '\0');
        grid_close(&table);
        if (fits) return;
    }
}

/* ---- the curve ---- */

/* What lies above is of no interest, and would press all else flat. */
static const double HIGHEST = 1.5;

static void add_curve(view *v) {
    double values[SKETCH], low = INFINITY, high = -INFINITY;
    char text[3 * SKETCH + 1], from[32], to[32];
    jm_tuner *tuner = v->t->tuner;
    size_t settings = jm_tuner_setting_count(tuner);
    if (settings < 2 || jm_tuner_trial_count(tuner) < 2) return;
    for (size_t i = 0; i < SKETCH; i++) {
        jm_tuner_point p = {.size = sizeof p};
        double setting = jm_tuner_setting(tuner, i * (settings - 1) / (SKETCH - 1));
        bool there = jm_tuner_predict(tuner, setting, &p, NULL) == JM_OK;
        values[i] = there ? p.relative.value : (double)NAN;
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    if (!(high > low)) return;
    high = fmin(high, HIGHEST);
    for (size_t i = 0; i < SKETCH; i++) values[i] = 0.05 + 0.95 * (values[i] - low) / (high - low);
    spark_curve(values, SKETCH, 1, v->utf8, text);
    output_add(&v->out, "\n  %s, from %.3g %% to %.3g %%%s:\n  %s\n",
               tune_objective_name(v->t, v->utf8), 100 * low, 100 * high,
               high == HIGHEST ? " and more" : "", text);
    limit_text(jm_tuner_setting(tuner, 0), v->t->lever, from);
    limit_text(jm_tuner_setting(tuner, settings - 1), v->t->lever, to);
    output_add(&v->out, "%s  %s%*s%s%s\n", v->dim, from, (int)(SKETCH - strlen(from) - strlen(to)),
               "", to, v->plain);
}

/* ---- what it means ---- */

static void sentence(view *v, const char *color, const char *format, ...) {
    va_list args;
    va_start(args, format);
    grid_add_sentence(&v->out, v->width, color, v->plain, format, args);
    va_end(args);
}

static void add_advice(view *v) {
    const tune *t = v->t;
    char gpus[120] = "";
    const char *clock = t->lever == JM_LEVER_CLOCK ? "--clock " : "";
    if (t->set.gpus.list != NULL) snprintf(gpus, sizeof gpus, " --gpu %.100s", t->set.gpus.list);
    if (v->result.verdict != JM_TUNER_FOUND) return;
    if (t->set.keep && t->interrupted == 0)
        sentence(v, "", "It is set, until joulemeter limit reset, or a restart.");
    else
        sentence(v, "", "To set it: joulemeter limit set %s%.6g%s --keep", clock, v->result.setting,
                 gpus);
}

static void add_end(view *v) {
    const tune *t = v->t;
    char by[32] = "Ctrl-C";
    if (t->interrupted == 0) return;
    if (t->interrupted != SIGINT) snprintf(by, sizeof by, "signal %d", t->interrupted);
    sentence(v, "", "Stopped by %s: this is what was known by then. The limit is as before.", by);
}

int tune_show(tune *t) {
    view v;
    if (t->set.quiet) return CLI_OK;
    open_view(&v, t);
    add_head(&v);
    if (v.known) {
        add_table(&v);
        add_curve(&v);
        output_add(&v.out, "\n");
        sentence(&v, v.bold, "%s", v.result.sentence);
        add_advice(&v);
    } else {
        sentence(&v, v.bold, "Nothing was measured%s.",
                 t->way == TUNE_STEER ? ": the command marked too few iterations for a trial" : "");
    }
    add_end(&v);
    if (t->simulated)
        sentence(&v, v.dim, "The GPU is simulated: these are figures of its model, of no board.");
    if (v.out.errnum == 0) write_all(STDERR_FILENO, v.out.data, v.out.length);
    free(v.out.data);
    return CLI_OK;
}
