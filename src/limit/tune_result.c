/* What the tuner says: of a setting, of the best one, of what to do next. */
#include "limit/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double Z95 = 1.959963984540054;
static const double UNLIKELY = 0.05;

/* ---- intervals ---- */

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of exp(draws), each of which has a normal error besides: the quantiles of the draws, widened by
 * the error's. `draws` is sorted. */
static jm_interval estimate_of(double draws[TUNE_DRAWS], double variance) {
    double mean = 0, half = Z95 * sqrt(fmax(variance, 0));
    for (size_t d = 0; d < TUNE_DRAWS; d++) mean += draws[d] / TUNE_DRAWS;
    qsort(draws, TUNE_DRAWS, sizeof *draws, ascending);
    size_t cut = TUNE_DRAWS / 40;
    double below = hypot(mean - fmin(draws[cut], mean), half);
    double above = hypot(fmax(draws[TUNE_DRAWS - 1 - cut], mean) - mean, half);
    return (jm_interval){exp(mean), exp(mean - below), exp(mean + above)};
}

/* A setting between two nodes: what is there is a mix of both. */
typedef struct place {
    size_t low, high;
    double share; /* of `high` */
} place;

static place place_of(const jm_tuner *tuner, double setting) {
    place at = {0, 0, 0};
    for (size_t j = 0; j < tuner->nodes; j++)
        if (fabs(tuner->node[j] - setting) <= tuner->same) return (place){j, j, 0};
    while (at.high + 1 < tuner->nodes && tuner->node[at.high] < setting) at.high++;
    at.low = at.high > 0 ? at.high - 1 : 0;
    double width = tuner->node[at.high] - tuner->node[at.low];
    at.share = width > 0 ? (setting - tuner->node[at.low]) / width : 0;
    return at;
}

static double mix(place at, const double *row) {
    return (1 - at.share) * row[at.low] + at.share * row[at.high];
}

/* Covariance of the errors at two places. */
static double between(double cov[TUNE_NODES][TUNE_NODES], place a, place b) {
    return (1 - a.share) * mix(b, cov[a.low]) + a.share * mix(b, cov[a.high]);
}

static double of_difference(double cov[TUNE_NODES][TUNE_NODES], place a, place b) {
    return between(cov, a, a) + between(cov, b, b) - 2 * between(cov, a, b);
}

/* ---- a setting ---- */

typedef struct effects { /* of time and power on the objective, at a place and at the standard */
    double value, by_t, by_p;
    double standard, standard_by_t, standard_by_p;
} effects;

static effects effects_of(const jm_tuner *tuner, size_t d, place at) {
    const tune_posterior *b = &tuner->posterior;
    size_t s = tuner->standard;
    effects e;
    e.value = jmi_tune_objective(tuner, mix(at, b->t[d]), mix(at, b->p[d]), &e.by_t, &e.by_p);
    e.standard =
        jmi_tune_objective(tuner, b->t[d][s], b->p[d][s], &e.standard_by_t, &e.standard_by_p);
    return e;
}

/* Times, powers and energies of an item. */
static void absolute(jm_tuner *tuner, place at, jm_tuner_point *point) {
    tune_posterior *b = &tuner->posterior;
    const tune_group *base = &tuner->group[tuner->reference];
    double t[TUNE_DRAWS], p[TUNE_DRAWS], e[TUNE_DRAWS];
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        t[d] = base->log_t.value + mix(at, b->t[d]);
        p[d] = base->log_p.value + mix(at, b->p[d]);
        e[d] = t[d] + p[d];
    }
    double var_t = between(b->cov_t, at, at), var_p = between(b->cov_p, at, at);
    point->seconds = estimate_of(t, var_t);
    point->power_w = estimate_of(p, var_p);
    point->energy_j = estimate_of(e, var_t + var_p);
}

static void relative(jm_tuner *tuner, place at, jm_tuner_point *point) {
    tune_posterior *b = &tuner->posterior;
    const tune_group *base = &tuner->group[tuner->reference];
    place standard = {tuner->standard, tuner->standard, 0};
    double slower[TUNE_DRAWS], less[TUNE_DRAWS], whole[TUNE_DRAWS], by_t = 0, by_p = 0;
    double seconds = exp(base->log_t.value), energy_j = seconds * exp(base->log_p.value);
    double unit = log(jm_objective_value(&tuner->options.objective, seconds, energy_j));
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        effects e = effects_of(tuner, d, at);
        slower[d] = mix(at, b->t[d]) - b->t[d][tuner->standard];
        less[d] = e.value - e.standard;
        whole[d] = unit + e.value;
        by_t += 0.5 * (e.by_t + e.standard_by_t) / TUNE_DRAWS;
        by_p += 0.5 * (e.by_p + e.standard_by_p) / TUNE_DRAWS;
    }
    double apart_t = of_difference(b->cov_t, at, standard);
    double apart_p = of_difference(b->cov_p, at, standard);
    bool same = at.share == 0 && at.low == tuner->standard;
    point->slowdown = estimate_of(slower, same ? 0 : apart_t);
    point->relative = estimate_of(less, same ? 0 : by_t * by_t * apart_t + by_p * by_p * apart_p);
    point->objective = estimate_of(whole, by_t * by_t * between(b->cov_t, at, at) +
                                              by_p * by_p * between(b->cov_p, at, at));
}

static void measured(const jm_tuner *tuner, double setting, jm_tuner_point *point) {
    point->measured_seconds = point->measured_power_w = point->measured_energy_j = NAN;
    for (size_t g = 0; g < tuner->groups; g++) {
        const tune_group *group = &tuner->group[g];
        if (fabs(group->setting - setting) > tuner->same) continue;
        point->trials = group->count;
        point->measured_seconds = exp(group->log_t.value);
        point->measured_power_w = exp(group->log_p.value);
        point->measured_energy_j = point->measured_seconds * point->measured_power_w;
    }
}

static double binds(const jm_tuner *tuner, place at) {
    double count = 0;
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        const float *limited = tuner->limited[tuner->posterior.draw[d]];
        double share =
            (1 - at.share) * (double)limited[at.low] + at.share * (double)limited[at.high];
        if (share > 0.005) count++;
    }
    return count / TUNE_DRAWS;
}

static void describe(jm_tuner *tuner, double setting, jm_tuner_point *point) {
    place at = place_of(tuner, setting);
    *point = (jm_tuner_point){.size = sizeof *point, .setting = setting};
    absolute(tuner, at, point);
    relative(tuner, at, point);
    measured(tuner, setting, point);
    point->binds = binds(tuner, at);
}

static int ready(jm_tuner *tuner, jm_error *error) {
    if (tuner == NULL) return jmi_fail(error, JM_INVALID, "there is no tuner");
    if (tuner->groups == 0)
        return jmi_fail(error, JM_NO_DATA, "no trial was told that measured anything");
    if (jmi_tune_look(tuner) != JM_OK) return jmi_fail(error, JM_MEMORY, "out of memory");
    return JM_OK;
}

int jm_tuner_predict(jm_tuner *tuner, double setting, jm_tuner_point *point, jm_error *error) {
    jm_tuner_point ours;
    int status = ready(tuner, error);
    if (status != JM_OK) return status;
    if (!(setting >= tuner->options.lowest && setting <= tuner->options.highest))
        return jmi_fail(error, JM_INVALID, "a setting of %g is not within %g to %g", setting,
                        tuner->options.lowest, tuner->options.highest);
    describe(tuner, setting, &ours);
    return jmi_give_struct(point, &ours, sizeof ours);
}

/* ---- the answer ---- */

static const char *const verdict_names[] = {"found", "standard", "never binds", "no difference",
                                            "too few trials"};

const char *jm_tuner_verdict_name(int verdict) {
    return verdict >= 0 && verdict < (int)JMI_COUNT(verdict_names) ? verdict_names[verdict]
                                                                   : "unknown";
}

static const char *unit_of(const jm_tuner *tuner) {
    return tuner->options.lever == JM_LEVER_CLOCK ? "MHz" : "W";
}

static const char *noun_of(const jm_tuner *tuner) {
    return tuner->options.lever == JM_LEVER_CLOCK ? "clock" : "limit";
}

static jm_tuner_verdict judge(const jm_tuner *tuner, const jm_tuner_result *r) {
    double tolerance = tuner->options.tolerance_pct;
    if (binds(tuner, (place){0, 0, 0}) < UNLIKELY) return JM_TUNER_NEVER_BINDS;
    bool standard = tuner->view.best == tuner->standard;
    if (!standard && r->best.relative.upper < 1) return JM_TUNER_FOUND;
    if (r->regret_pct > 4 * tolerance && r->trials - r->failed < 3) return JM_TUNER_TOO_FEW;
    return standard ? JM_TUNER_STANDARD : JM_TUNER_NO_DIFFERENCE;
}

static void pct_text(char *text, size_t size, double ratio) {
    snprintf(text, size, "%+.1f %%", 100 * (ratio - 1));
}

/* "ed2p", "cost (0.4 a kWh, 0.05 an hour)": for a sentence. */
static void name_objective(const jm_objective *o, char *text, size_t size) {
    if (o->kind == JM_OBJECTIVE_COST)
        snprintf(text, size, "cost (%.6g a kWh, %.6g an hour)", o->price_kwh, o->price_h);
    else if (o->kind == JM_OBJECTIVE_SLOWDOWN)
        snprintf(text, size, "energy within a slowdown of %.6g %%", o->slowdown_pct);
    else
        jm_objective_text(o, text, size);
}

static void say(jm_tuner *tuner, const jm_tuner_result *r) {
    const char *unit = unit_of(tuner), *noun = noun_of(tuner);
    const jm_tuner_point *best = &r->best;
    char objective[80], time[32], energy[32], *out = tuner->sentence;
    size_t size = sizeof tuner->sentence;
    double standard = tuner->node[tuner->standard];
    name_objective(&tuner->options.objective, objective, sizeof objective);
    pct_text(time, sizeof time, best->slowdown.value);
    pct_text(energy, sizeof energy, best->energy_j.value / r->standard.energy_j.value);
    switch (r->verdict) {
    case JM_TUNER_FOUND:
        snprintf(out, size,
                 "%g %s: %s is %.1f %% less than at %g %s (95 %%: %.1f to %.1f %%), time %s, "
                 "energy %s",
                 best->setting, unit, objective, 100 * (1 - best->relative.value), standard, unit,
                 100 * (1 - best->relative.upper), 100 * (1 - best->relative.lower), time, energy);
        return;
    case JM_TUNER_STANDARD:
        snprintf(out, size, "no %s gives less %s than the standard one, %g %s", noun, objective,
                 standard, unit);
        return;
    case JM_TUNER_NEVER_BINDS:
        snprintf(out, size,
                 "the %s never binds: the program draws %.0f W, and no %s from %g %s on holds it "
                 "back",
                 noun, r->standard.power_w.value, noun, tuner->node[0], unit);
        return;
    case JM_TUNER_NO_DIFFERENCE:
        snprintf(out, size,
                 "no significant difference: %s at %g %s is %.3g times that at %g %s (95 %%: %.3g "
                 "to %.3g)",
                 objective, best->setting, unit, best->relative.value, standard, unit,
                 best->relative.lower, best->relative.upper);
        return;
    case JM_TUNER_TOO_FEW: break;
    }
    snprintf(out, size, "too few trials to say: %s could still be %.1f %% less elsewhere",
             objective, r->regret_pct);
}

static void answer(jm_tuner *tuner, jm_tuner_result *r) {
    *r = (jm_tuner_result){.size = sizeof *r};
    r->trials = (uint32_t)tuner->trial_count;
    r->failed = (uint32_t)tuner->failed;
    r->regret_pct = 100 * expm1(jmi_tune_regret(tuner));
    describe(tuner, tuner->node[tuner->view.best], &r->best);
    describe(tuner, tuner->node[tuner->standard], &r->standard);
    r->verdict = judge(tuner, r);
    bool worth = 100 * (1 - r->best.relative.value) > tuner->options.tolerance_pct;
    bool better = r->verdict == JM_TUNER_FOUND || (r->verdict == JM_TUNER_NO_DIFFERENCE && worth);
    r->setting = better ? r->best.setting : r->standard.setting;
    say(tuner, r);
    r->sentence = tuner->sentence;
}

int jm_tuner_result_get(jm_tuner *tuner, jm_tuner_result *result, jm_error *error) {
    jm_tuner_result ours;
    int status = ready(tuner, error);
    if (status != JM_OK) return status;
    answer(tuner, &ours);
    return jmi_give_struct(result, &ours, sizeof ours);
}

/* ---- what to try next ---- */

static void ask(jm_tuner *tuner, jm_tuner_step *step, size_t node, const char *why) {
    step->setting = tuner->node[node];
    snprintf(tuner->reason, sizeof tuner->reason, "%s", why);
    tuner->asked = node;
}

static void stop(jm_tuner *tuner, jm_tuner_step *step, double setting, const char *why) {
    step->done = true;
    step->setting = setting;
    snprintf(tuner->reason, sizeof tuner->reason, "%s", why);
}

/* Before anything was measured: the standard; where that gives nothing, half of the way down. */
static void begin(jm_tuner *tuner, jm_tuner_step *step) {
    size_t found = TUNE_NODES, refused = tuner->nodes;
    double standard = tuner->node[tuner->standard], nearest = INFINITY, wanted = standard;
    for (size_t j = 0; j < tuner->nodes && refused == tuner->nodes; j++)
        if (jmi_tune_tried(tuner, j)) refused = j;
    if (refused < tuner->nodes) wanted = (tuner->node[0] + tuner->node[refused]) / 2;
    for (size_t j = 0; j < tuner->nodes; j++) {
        double distance = fabs(tuner->node[j] - wanted);
        if (jmi_tune_tried(tuner, j) || distance >= nearest) continue;
        nearest = distance;
        found = j;
    }
    if (found == TUNE_NODES || tuner->failed >= 2 * (size_t)tuner->options.max_trials)
        stop(tuner, step, standard, "no trial measured anything");
    else
        ask(tuner, step, found,
            refused == tuner->nodes ? "the standard setting, with which all is compared"
                                    : "the standard setting gave nothing");
}

/* Is the best surely better than the standard, or by so little that it does not matter? */
static bool clear(const jm_tuner *tuner, const jm_tuner_result *r) {
    return r->verdict != JM_TUNER_NO_DIFFERENCE ||
           100 * (1 - r->best.relative.value) <= tuner->options.tolerance_pct;
}

/* Is there nothing to gain by going on? */
static const char *enough(const jm_tuner *tuner, const jm_tuner_result *r, double gain_pct) {
    bool tried = r->best.trials > 0 || jmi_tune_tried(tuner, tuner->view.best);
    double tolerance = tuner->options.tolerance_pct;
    if (r->verdict == JM_TUNER_NEVER_BINDS) return "no setting holds the program back";
    if (r->regret_pct <= tolerance && (tried || r->verdict == JM_TUNER_FOUND))
        return "what is still unknown does not matter";
    if (gain_pct < tolerance / 20 && tried)
        return "no further trial is expected to change the answer";
    return NULL;
}

static void go_on(jm_tuner *tuner, jm_tuner_step *step) {
    const jm_tuner_options *o = &tuner->options;
    jm_tuner_result r;
    double gain;
    char why[160];
    answer(tuner, &r);
    size_t trials = tuner->trial_count - tuner->failed;
    size_t node = jmi_tune_most_telling(tuner, &gain);
    step->gain_pct = r.regret_pct;
    const char *reason = trials >= o->min_trials ? enough(tuner, &r, 100 * gain) : NULL;
    if (reason == NULL &&
        (trials >= o->max_trials || tuner->trial_count >= 2 * (size_t)o->max_trials))
        reason = "as many trials as were allowed";
    if (reason == NULL && node == TUNE_NODES) reason = "every setting was tried";
    if (reason != NULL) {
        stop(tuner, step, r.setting, reason);
        return;
    }
    if (r.regret_pct <= o->tolerance_pct && !jmi_tune_tried(tuner, tuner->view.best)) {
        ask(tuner, step, tuner->view.best, "to measure what is foretold to be best");
        return;
    }
    if (100 * gain < o->tolerance_pct / 5 && !clear(tuner, &r)) {
        bool best = r.best.trials <= r.standard.trials;
        ask(tuner, step, best ? tuner->view.best : tuner->standard,
            "once more, to tell the best from the standard setting");
        return;
    }
    snprintf(why, sizeof why, "it tells most: the best is known to %.1f %% only", r.regret_pct);
    ask(tuner, step, node, why);
}

int jm_tuner_next(jm_tuner *tuner, jm_tuner_step *step, jm_error *error) {
    jm_tuner_step ours = {.size = sizeof ours, .gain_pct = NAN};
    if (tuner == NULL) return jmi_fail(error, JM_INVALID, "there is no tuner");
    if (tuner->groups == 0) {
        begin(tuner, &ours);
    } else {
        int status = ready(tuner, error);
        if (status != JM_OK) return status;
        go_on(tuner, &ours);
    }
    ours.reason = tuner->reason;
    return jmi_give_struct(step, &ours, sizeof ours);
}
