/* The JSON of `limit tune`, as a figure. */
#include "plot_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tuning_figure {
    jm_tuning of;
    jm_tuner_point *points;
    jm_trial *trials;
};

static jm_interval estimate_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return (jm_interval){number_of(value, "value"), number_of(value, "lower"),
                         number_of(value, "upper")};
}

static jm_tuner_point point_of(const json_t *p) {
    return (jm_tuner_point){.size = sizeof(jm_tuner_point),
                            .setting = number_of(p, "setting"),
                            .seconds = estimate_of(p, "time_s"),
                            .power_w = estimate_of(p, "power_w"),
                            .energy_j = estimate_of(p, "energy_j"),
                            .objective = estimate_of(p, "objective"),
                            .relative = estimate_of(p, "relative"),
                            .slowdown = estimate_of(p, "slowdown")};
}

/* What is not known of an uncertainty is 0 there, and null in the file. */
static double or_0(double value) {
    return isnan(value) ? 0 : value;
}

static jm_trial trial_of(const json_t *t) {
    return (jm_trial){.size = sizeof(jm_trial),
                      .setting = number_of(t, "setting"),
                      .failed = json_is_true(json_object_get(t, "failed")),
                      .items = number_of(t, "items"),
                      .seconds = number_of(t, "time_s"),
                      .seconds_u95 = or_0(number_of(t, "time_u95_s")),
                      .energy_j = number_of(t, "energy_j"),
                      .energy_u95_j = or_0(number_of(t, "energy_u95_j"))};
}

static bool take_lists(tuning_figure *f, const json_t *root) {
    const json_t *curve = json_object_get(root, "curve"), *trials = json_object_get(root, "trials");
    f->of.point_count = json_array_size(curve);
    f->of.trial_count = json_array_size(trials);
    f->points = calloc(f->of.point_count + 1, sizeof *f->points);
    f->trials = calloc(f->of.trial_count + 1, sizeof *f->trials);
    if (f->points == NULL || f->trials == NULL) return false;
    for (size_t i = 0; i < f->of.point_count; i++)
        f->points[i] = point_of(json_array_get(curve, i));
    for (size_t i = 0; i < f->of.trial_count; i++)
        f->trials[i] = trial_of(json_array_get(trials, i));
    f->of.points = f->points;
    f->of.trials = f->trials;
    return true;
}

static bool take_all(tuning_figure *f, const json_t *root) {
    const char *objective = json_string_value(json_object_get(root, "objective"));
    const char *lever = json_string_value(json_object_get(root, "lever"));
    const char *verdict = json_string_value(json_object_get(root, "verdict"));
    bool found = verdict != NULL && strcmp(verdict, "found") == 0;
    f->of.size = sizeof f->of;
    f->of.lever = lever != NULL && strcmp(lever, "clock") == 0 ? JM_LEVER_CLOCK : JM_LEVER_POWER;
    f->of.standard = number_of(root, "default_setting");
    f->of.setting = found ? number_of(root, "setting") : (double)NAN;
    if (objective == NULL || jm_objective_parse(objective, &f->of.objective, NULL) != JM_OK)
        return false;
    return take_lists(f, root);
}

tuning_figure *tuning_figure_of(const json_t *root) {
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (kind == NULL || strcmp(kind, "limit tune") != 0) return NULL;
    tuning_figure *f = calloc(1, sizeof *f);
    if (f == NULL || take_all(f, root)) return f;
    tuning_figure_free(f);
    return NULL;
}

int tuning_figure_make(const tuning_figure *figure, jm_figure **made, jm_error *error) {
    return jm_figure_tuning(made, &figure->of, error);
}

void tuning_figure_free(tuning_figure *figure) {
    if (figure == NULL) return;
    free(figure->points);
    free(figure->trials);
    free(figure);
}
