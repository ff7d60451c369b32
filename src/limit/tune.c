/* The tuner from outside: its settings, the trials it is told, what it asks for. */
#include "limit/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SETTINGS = 4096 };

/* ---- options ---- */

static bool positive(double value) {
    return isfinite(value) && value > 0;
}

static int check_range(const jm_tuner_options *o, jm_error *error) {
    if (!positive(o->lowest) || !positive(o->highest) || o->lowest > o->highest)
        return jmi_fail(error, JM_INVALID,
                        "settings from %g to %g: give two above 0, the lower first", o->lowest,
                        o->highest);
    if (o->step != 0 && !positive(o->step))
        return jmi_fail(error, JM_INVALID, "a step of %g is not above 0", o->step);
    if (o->standard != 0 && !(o->standard >= o->lowest && o->standard <= o->highest))
        return jmi_fail(error, JM_INVALID, "the standard setting, %g, is not within %g to %g",
                        o->standard, o->lowest, o->highest);
    return JM_OK;
}

static int check_rest(const jm_tuner_options *o, jm_error *error) {
    if (o->lever != JM_LEVER_POWER && o->lever != JM_LEVER_CLOCK)
        return jmi_fail(error, JM_INVALID, "there is no lever %d", (int)o->lever);
    if (!(o->tolerance_pct >= 0 && o->tolerance_pct < 100))
        return jmi_fail(error, JM_INVALID, "a tolerance of %g %% is not within 0 to 100",
                        o->tolerance_pct);
    if (o->idle_w != 0 && !positive(o->idle_w))
        return jmi_fail(error, JM_INVALID, "an idle power of %g W is not above 0", o->idle_w);
    return jmi_objective_check(&o->objective, error);
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* ---- the settings that are considered ---- */

/* All that the options allow, sorted, each once; to be freed. */
static double *listed(jm_tuner_options *o, size_t *count, jm_error *error) {
    if (o->setting_count > MOST_SETTINGS) {
        jmi_fail(error, JM_INVALID, "%zu settings are more than %d", o->setting_count,
                 MOST_SETTINGS);
        return NULL;
    }
    double *all = jmi_alloc(o->setting_count, sizeof *all);
    if (all == NULL) {
        jmi_fail(error, JM_MEMORY, "out of memory");
        return NULL;
    }
    memcpy(all, o->settings, o->setting_count * sizeof *all);
    for (size_t i = 0; i < o->setting_count; i++)
        if (!positive(all[i])) {
            jmi_fail(error, JM_INVALID, "setting %zu, %g, is not above 0", i, all[i]);
            free(all);
            return NULL;
        }
    qsort(all, o->setting_count, sizeof *all, ascending);
    *count = 0;
    for (size_t i = 0; i < o->setting_count; i++)
        if (*count == 0 || all[i] > all[*count - 1]) all[(*count)++] = all[i];
    o->lowest = all[0];
    o->highest = all[*count - 1];
    return all;
}

static double *stepped(jm_tuner_options *o, size_t *count, jm_error *error) {
    int status = check_range(o, error);
    if (status != JM_OK) return NULL;
    double step = o->step > 0 ? o->step : 1;
    double steps = floor((o->highest - o->lowest) / step + 1e-9);
    double coarser = ceil(steps / (MOST_SETTINGS - 2));
    if (coarser > 1) {
        step *= coarser;
        steps = floor((o->highest - o->lowest) / step + 1e-9);
    }
    double *all = jmi_alloc((size_t)steps + 2, sizeof *all);
    if (all == NULL) {
        jmi_fail(error, JM_MEMORY, "out of memory");
        return NULL;
    }
    *count = 0;
    for (size_t i = 0; i <= (size_t)steps; i++)
        all[(*count)++] = fmin(o->lowest + (double)i * step, o->highest);
    if (all[*count - 1] < o->highest - 1e-9 * o->highest) all[(*count)++] = o->highest;
    return all;
}

/* Of all settings some evenly spread ones, the ends and the standard among them. */
static void choose_nodes(jm_tuner *tuner, const double *all, size_t count) {
    jm_tuner_options *o = &tuner->options;
    double range = o->highest - o->lowest;
    tuner->nodes = count < TUNE_NODES ? count : TUNE_NODES;
    for (size_t j = 0; j < tuner->nodes; j++)
        tuner->node[j] = all[tuner->nodes > 1 ? j * (count - 1) / (tuner->nodes - 1) : 0];
    if (o->standard == 0) o->standard = o->highest;
    for (size_t j = 0; j < tuner->nodes; j++)
        if (fabs(tuner->node[j] - o->standard) < fabs(tuner->node[tuner->standard] - o->standard))
            tuner->standard = j;
    tuner->node[tuner->standard] = o->standard;
    tuner->same = o->setting_count > 0 ? INFINITY : 0.5 * (o->step > 0 ? o->step : 1);
    for (size_t j = 0; j < tuner->nodes; j++) {
        tuner->node_at[j] = range > 0 ? (tuner->node[j] - o->lowest) / range : 0;
        if (j > 0) tuner->same = fmin(tuner->same, (tuner->node[j] - tuner->node[j - 1]) / 4);
    }
    if (!isfinite(tuner->same)) tuner->same = 0.01 * o->highest;
}

static int prepare(jm_tuner *tuner, jm_error *error) {
    jm_tuner_options *o = &tuner->options;
    size_t count = 0;
    int status = check_rest(o, error);
    if (status != JM_OK) return status;
    jm_error own = {JM_OK, ""};
    double *all = o->settings != NULL && o->setting_count > 0 ? listed(o, &count, &own)
                                                              : stepped(o, &count, &own);
    if (all != NULL && check_range(o, &own) != JM_OK) {
        free(all);
        all = NULL;
    }
    if (all == NULL) return jmi_fail(error, own.status, "%s", own.message);
    if (o->max_trials == 0) o->max_trials = 6;
    if (o->min_trials == 0) o->min_trials = 1;
    if (o->tolerance_pct == 0) o->tolerance_pct = 0.5;
    choose_nodes(tuner, all, count);
    o->settings = NULL; /* the caller's */
    free(all);
    jmi_tune_spread(tuner);
    return JM_OK;
}

int jm_tuner_open(jm_tuner **tuner, const jm_tuner_options *options, jm_error *error) {
    if (tuner == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the tuner");
    *tuner = NULL;
    jm_tuner *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    fresh->asked = TUNE_NODES;
    int status =
        jmi_take_struct(&fresh->options, sizeof fresh->options, options, "tuner options", error);
    if (status == JM_OK) status = prepare(fresh, error);
    if (status != JM_OK) {
        jm_tuner_free(fresh);
        return status;
    }
    *tuner = fresh;
    return JM_OK;
}

void jm_tuner_free(jm_tuner *tuner) {
    if (tuner == NULL) return;
    free(tuner->trials);
    free(tuner);
}

jm_lever jm_tuner_lever(const jm_tuner *tuner) {
    return tuner != NULL ? tuner->options.lever : JM_LEVER_POWER;
}

size_t jm_tuner_setting_count(const jm_tuner *tuner) {
    return tuner != NULL ? tuner->nodes : 0;
}

double jm_tuner_setting(const jm_tuner *tuner, size_t index) {
    return tuner != NULL && index < tuner->nodes ? tuner->node[index] : (double)NAN;
}

/* ---- trials ---- */

static int check_trial(const jm_trial *t, jm_error *error) {
    if (!positive(t->setting))
        return jmi_fail(error, JM_INVALID, "a trial at a setting of %g", t->setting);
    if (t->failed) return JM_OK;
    if (!positive(t->items) || !positive(t->seconds) || !positive(t->energy_j) ||
        !positive(t->seconds / t->items) || !positive(t->energy_j / t->seconds))
        return jmi_fail(error, JM_INVALID,
                        "a trial of %g items in %g s with %g J: all must be above 0", t->items,
                        t->seconds, t->energy_j);
    if (!(t->seconds_u95 >= 0 && isfinite(t->seconds_u95)) ||
        !(t->energy_u95_j >= 0 && isfinite(t->energy_u95_j)))
        return jmi_fail(error, JM_INVALID, "uncertainties of %g s and %g J: give 0 or more",
                        t->seconds_u95, t->energy_u95_j);
    if (t->limited < 0 || t->limited > 1)
        return jmi_fail(error, JM_INVALID, "a share of %g is not within 0 to 1", t->limited);
    return JM_OK;
}

static size_t node_of(const jm_tuner *tuner, double setting) {
    for (size_t j = 0; j < tuner->nodes; j++)
        if (fabs(tuner->node[j] - setting) <= tuner->same) return j;
    return TUNE_NODES;
}

static tune_group *group_of(jm_tuner *tuner, double setting, jm_error *error) {
    size_t node = node_of(tuner, setting);
    double range = tuner->options.highest - tuner->options.lowest;
    if (node < TUNE_NODES) setting = tuner->node[node];
    for (size_t g = 0; g < tuner->groups; g++)
        if (fabs(tuner->group[g].setting - setting) <= tuner->same) return &tuner->group[g];
    if (tuner->groups == TUNE_GROUPS) {
        jmi_fail(error, JM_FULL, "trials at more than %d settings", TUNE_GROUPS);
        return NULL;
    }
    tune_group *fresh = &tuner->group[tuner->groups];
    *fresh = (tune_group){.setting = setting};
    fresh->at = range > 0 ? (setting - tuner->options.lowest) / range : 0;
    return fresh;
}

/* `u`: standard uncertainty; where it is not known or very small, trials count alike. */
static void add(tune_mean *mean, double value, double u) {
    double weight = 1 / (u * u + 0.003 * 0.003);
    double apart = value - mean->value;
    mean->scatter += apart * apart * mean->weight / (mean->weight + weight);
    mean->weight += weight;
    mean->value += apart * weight / mean->weight;
    mean->told += weight * u * weight * u;
}

static void count_in(jm_tuner *tuner, tune_group *group, const jm_trial *t) {
    double u95 = 1.959963984540054;
    add(&group->log_t, log(t->seconds / t->items), fmin(t->seconds_u95 / t->seconds / u95, 10));
    add(&group->log_p, log(t->energy_j / t->seconds),
        fmin(t->energy_u95_j / t->energy_j / u95, 10));
    if (!isnan(t->limited)) add(&group->limited, t->limited, 0);
    group->count++;
    bool fresh = group == &tuner->group[tuner->groups];
    if (fresh) tuner->groups++;
    double standard = tuner->node[tuner->standard];
    size_t nearest = 0;
    for (size_t g = 1; g < tuner->groups; g++)
        if (fabs(tuner->group[g].setting - standard) <
            fabs(tuner->group[nearest].setting - standard))
            nearest = g;
    if (nearest != tuner->reference) tuner->solved_for = 0;
    tuner->reference = nearest;
    if (fresh && tuner->solved_for != 0) jmi_tune_add_setting(tuner, tuner->groups - 1);
}

/* Settings that are asked for and not given are not asked for for ever. */
static void note_answer(jm_tuner *tuner, const jm_trial *trial) {
    size_t node = node_of(tuner, trial->setting);
    if (trial->failed && node < TUNE_NODES && tuner->refused[node] < 2) tuner->refused[node]++;
    if (tuner->asked < TUNE_NODES && tuner->asked != node) tuner->refused[tuner->asked] = 2;
    tuner->asked = TUNE_NODES;
}

int jm_tuner_tell(jm_tuner *tuner, const jm_trial *trial, jm_error *error) {
    jm_trial ours = {0};
    if (tuner == NULL) return jmi_fail(error, JM_INVALID, "there is no tuner");
    int status = jmi_take_struct(&ours, sizeof ours, trial, "trial", error);
    if (status == JM_OK) status = check_trial(&ours, error);
    if (status != JM_OK) return status;
    if (!jmi_reserve(&tuner->trials, &tuner->trial_capacity, tuner->trial_count + 1,
                     sizeof *tuner->trials))
        return jmi_fail(error, JM_MEMORY, "out of memory");
    tune_group *group = ours.failed ? NULL : group_of(tuner, ours.setting, error);
    if (!ours.failed && group == NULL) return JM_FULL;
    tuner->trials[tuner->trial_count++] = ours;
    note_answer(tuner, &ours);
    if (ours.failed) {
        tuner->failed++;
        return JM_OK;
    }
    count_in(tuner, group, &ours);
    tuner->posterior.valid = false;
    return JM_OK;
}

size_t jm_tuner_trial_count(const jm_tuner *tuner) {
    return tuner != NULL ? tuner->trial_count : 0;
}

int jm_tuner_trial(const jm_tuner *tuner, size_t index, jm_trial *trial) {
    if (tuner == NULL || trial == NULL) return JM_INVALID;
    if (index >= tuner->trial_count) return JM_NOT_FOUND;
    return jmi_give_struct(trial, &tuner->trials[index], sizeof *tuner->trials);
}
