/* How `limit tune` goes on: lines on stderr that stay, and one at the edge of a terminal that does
 * not. */
#include "limit_tune.h"

#include "spark.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKETCH = 16 }; /* columns of the curve in the live line */

const char *tune_objective_name(const tune *t, bool utf8) {
    switch (t->objective.kind) {
    case JM_OBJECTIVE_ED2P: return utf8 ? "E·D²" : "E.D^2";
    case JM_OBJECTIVE_EDP: return utf8 ? "E·D" : "E.D";
    case JM_OBJECTIVE_ENERGY: return "energy";
    case JM_OBJECTIVE_TIME: return "time";
    case JM_OBJECTIVE_SLOWDOWN: return "energy";
    case JM_OBJECTIVE_COST: return "cost";
    }
    return "";
}

void tune_say(tune *t, const char *format, ...) {
    va_list args;
    if (t->set.quiet) return;
    live_erase(&t->live);
    fputs("  ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n", stderr);
}

void tune_say_begin(const tune *t) {
    char objective[64];
    if (t->set.quiet) return;
    fprintf(stderr, "joulemeter limit tune: %s of %s%s for least %s\n",
            t->lever == JM_LEVER_POWER ? "power limit" : "highest clock", t->device,
            t->simulated ? " (simulated)" : "",
            jm_objective_text(&t->objective, objective, sizeof objective));
}

void tune_say_step(tune *t, double setting, const char *reason) {
    char text[32];
    tune_say(t, "%s: %s", limit_text(setting, t->lever, text), reason);
}

/* ---- trials ---- */

static double objective_of(const tune *t, const jm_trial *trial) {
    return jm_objective_value(&t->objective, trial->seconds / trial->items,
                              trial->energy_j / trial->items);
}

/* Of the first trial at the standard: what the others are compared with as they come. */
static double standard_objective(const tune *t) {
    jm_trial trial = {.size = sizeof trial};
    for (size_t i = 0; jm_tuner_trial(t->tuner, i, &trial) == JM_OK; i++)
        if (!trial.failed && fabs(trial.setting - t->standard) < 0.5)
            return objective_of(t, &trial);
    return (double)NAN;
}

static void say_trial(tune *t, const jm_trial *trial) {
    char setting[32], seconds[64], power[64], energy[64], relative[80] = "";
    limit_text(trial->setting, t->lever, setting);
    if (trial->failed) {
        tune_say(t, "%s: nothing was measured", setting);
        return;
    }
    double ratio = objective_of(t, trial) / standard_objective(t);
    if (isfinite(ratio) && fabs(trial->setting - t->standard) >= 0.5)
        snprintf(relative, sizeof relative, ", %s %.1f %% of the default's",
                 tune_objective_name(t, terminal_is_utf8()), 100 * ratio);
    tune_say(t, "%s: %s, %s, %s%s%s%s", setting,
             jm_value_text(trial->seconds / trial->items, NAN, "s", seconds, sizeof seconds),
             jm_value_text(trial->energy_j / trial->seconds, NAN, "W", power, sizeof power),
             jm_value_text(trial->energy_j / trial->items, NAN, "J", energy, sizeof energy),
             t->way == TUNE_RERUN ? "" : " each ",
             t->way == TUNE_RERUN ? "" : tune_items_name(&t->items), relative);
}

void tune_say_trials(tune *t) {
    jm_trial trial = {.size = sizeof trial};
    for (; jm_tuner_trial(t->tuner, t->told, &trial) == JM_OK; t->told++) say_trial(t, &trial);
}

/* ---- live ---- */

/* The curve as it is known so far: the lower the better. */
static void sketch(const tune *t, char *text) {
    double values[SKETCH], low = INFINITY, high = -INFINITY;
    size_t settings = jm_tuner_setting_count(t->tuner);
    text[0] = '\0';
    if (jm_tuner_trial_count(t->tuner) < 2 || settings < 2) return;
    for (size_t i = 0; i < SKETCH; i++) {
        jm_tuner_point point = {.size = sizeof point};
        double setting = jm_tuner_setting(t->tuner, i * (settings - 1) / (SKETCH - 1));
        values[i] = jm_tuner_predict(t->tuner, setting, &point, NULL) == JM_OK
                        ? point.relative.value
                        : (double)NAN;
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    high = fmin(high, 1.5); /* more is of no interest, and would press all else flat */
    for (size_t i = 0; i < SKETCH; i++)
        values[i] = high > low ? 0.05 + 0.95 * (values[i] - low) / (high - low) : 0.05;
    spark_curve(values, SKETCH, 1, terminal_is_utf8(), text);
}

static double left_s(const tune *t, const jm_steering_progress *p) {
    double spent = (double)(jm_now_ns() - t->begin_ns) / 1e9;
    double more = t->most_trials > t->told ? (double)(t->most_trials - t->told) : 0;
    if (t->told == 0) return (double)NAN;
    if (t->way != TUNE_RERUN && p->running) return (more - 1) * spent / t->told + p->trial.left_s;
    return fmax(more - 0.5, 0) * spent / (t->told + 0.5);
}

void tune_say_live(tune *t, const jm_steering_progress *p) {
    char setting[32], left[48] = "", curve[4 * SKETCH + 1], text[200];
    if (!t->live.on || t->settled_on || t->interrupted != 0) return;
    double seconds = round(left_s(t, p));
    if (isfinite(seconds))
        snprintf(left, sizeof left, "  %.0f:%02.0f left", floor(seconds / 60), fmod(seconds, 60));
    sketch(t, curve);
    snprintf(text, sizeof text, " %s, trial %u of %u at most%s%s  %s",
             limit_text(p->setting, t->lever, setting), t->told + 1, t->most_trials,
             !p->running                           ? ""
             : p->trial.state == JM_TRIAL_SETTLING ? ": settling"
                                                   : ": measuring",
             left, curve);
    live_text(&t->live, text);
}
