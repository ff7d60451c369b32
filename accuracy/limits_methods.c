#include "limits_methods.h"

#include <math.h>
#include <stdio.h>

double objective_of(jm_objective_kind kind, double time_s, double power_w) {
    jm_objective objective = {kind, 0, 0, 0};
    return jm_objective_value(&objective, time_s, time_s * power_w);
}

/* ---- probes that were laid down before ---- */

static size_t probe(const readings *r, size_t i, size_t probes) {
    if (probes >= r->count) return i;
    return (size_t)lround((double)i * (double)(r->count - 1) / (double)(probes - 1));
}

static size_t least(const readings *r, jm_objective_kind kind, const double *time_s,
                    const double *power_w) {
    size_t best = 0;
    for (size_t i = 1; i < r->count; i++)
        if (objective_of(kind, time_s[i], power_w[i]) <
            objective_of(kind, time_s[best], power_w[best]))
            best = i;
    return best;
}

size_t choose_fixed(const readings *r, jm_objective_kind kind, size_t probes) {
    size_t best = probe(r, 0, probes);
    for (size_t i = 1; i < probes && i < r->count; i++) {
        size_t at = probe(r, i, probes);
        if (objective_of(kind, r->time_s[at], r->power_w[at]) <
            objective_of(kind, r->time_s[best], r->power_w[best]))
            best = at;
    }
    return best;
}

/* ---- monotone cubic splines (Fritsch and Carlson 1980) ---- */

static void slopes(size_t n, const double *x, const double *y, double *slope) {
    double step[MOST_PROBES] = {0}, rise[MOST_PROBES] = {0};
    for (size_t i = 0; i + 1 < n; i++) {
        step[i] = x[i + 1] - x[i];
        rise[i] = (y[i + 1] - y[i]) / step[i];
    }
    slope[0] = rise[0];
    slope[n - 1] = rise[n - 2];
    for (size_t i = 1; i + 1 < n; i++) {
        double a = 2 * step[i] + step[i - 1], b = step[i] + 2 * step[i - 1];
        bool same = rise[i - 1] * rise[i] > 0;
        slope[i] = same ? (a + b) / (a / rise[i - 1] + b / rise[i]) : 0;
    }
}

static double spline(size_t n, const double *x, const double *y, const double *slope, double at) {
    size_t i = 0;
    while (i + 2 < n && at > x[i + 1]) i++;
    double h = x[i + 1] - x[i], s = (at - x[i]) / h;
    return y[i] * (1 + 2 * s) * (1 - s) * (1 - s) + y[i + 1] * s * s * (3 - 2 * s) +
           h * (slope[i] * s * (1 - s) * (1 - s) - slope[i + 1] * s * s * (1 - s));
}

size_t choose_spline(const readings *r, jm_objective_kind kind, size_t probes) {
    double x[MOST_PROBES] = {0}, t[MOST_PROBES] = {0}, p[MOST_PROBES] = {0};
    double by_t[MOST_PROBES] = {0}, by_p[MOST_PROBES] = {0};
    double time_s[JOB_LIMITS], power_w[JOB_LIMITS];
    if (probes > r->count) probes = r->count;
    for (size_t i = 0; i < probes; i++) {
        size_t at = probe(r, i, probes);
        x[i] = r->limit_w[at];
        t[i] = r->time_s[at];
        p[i] = r->power_w[at];
    }
    slopes(probes, x, t, by_t);
    slopes(probes, x, p, by_p);
    for (size_t i = 0; i < r->count; i++) {
        time_s[i] = spline(probes, x, t, by_t, r->limit_w[i]);
        power_w[i] = spline(probes, x, p, by_p, r->limit_w[i]);
    }
    return least(r, kind, time_s, power_w);
}

/* ---- seven parameters ---- */

/* y = a + b g(x): least squares of the linear two. Returns the sum of squares. */
static double line(size_t n, const double *g, const double *y, double *a, double *b) {
    double sg = 0, sy = 0, gg = 0, gy = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        sg += g[i];
        sy += y[i];
        gg += g[i] * g[i];
        gy += g[i] * y[i];
    }
    double below = (double)n * gg - sg * sg;
    *b = below > 1e-12 ? ((double)n * gy - sg * sy) / below : 0;
    *a = (sy - *b * sg) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double left = y[i] - *a - *b * g[i];
        rest += left * left;
    }
    return rest;
}

static double basis(bool logistic, double x, double first, double second) {
    return logistic ? 1 / (1 + exp(-(x - first) / second)) : exp(-first * x);
}

/* The rest of the parameters by trying all of a fine grid, so that no start can be unlucky. */
static void fit_curve(bool logistic, const readings *r, size_t probes, const double *y,
                      double *fitted) {
    double low = r->limit_w[0], range = r->limit_w[r->count - 1] - low;
    double x[MOST_PROBES], values[MOST_PROBES], g[MOST_PROBES], least_rest = INFINITY;
    for (size_t i = 0; i < probes; i++) {
        size_t at = probe(r, i, probes);
        x[i] = (r->limit_w[at] - low) / range;
        values[i] = y[at];
    }
    for (int i = 0; i < 120; i++)
        for (int k = 0; k < (logistic ? 60 : 1); k++) {
            double first = logistic ? -1 + i * 0.025 : 0.1 * pow(1.06, i);
            double second = 0.01 * pow(1.12, k), a, b;
            for (size_t j = 0; j < probes; j++) g[j] = basis(logistic, x[j], first, second);
            double rest = line(probes, g, values, &a, &b);
            if (rest >= least_rest) continue;
            least_rest = rest;
            for (size_t j = 0; j < r->count; j++)
                fitted[j] = a + b * basis(logistic, (r->limit_w[j] - low) / range, first, second);
        }
}

size_t choose_curves(const readings *r, jm_objective_kind kind, size_t probes) {
    double time_s[JOB_LIMITS], power_w[JOB_LIMITS];
    if (probes > r->count) probes = r->count;
    fit_curve(false, r, probes, r->time_s, time_s);
    fit_curve(true, r, probes, r->power_w, power_w);
    return least(r, kind, time_s, power_w);
}

/* ---- the tuner ---- */

static size_t index_of(const readings *r, double limit_w) {
    size_t found = 0;
    for (size_t i = 1; i < r->count; i++)
        if (fabs(r->limit_w[i] - limit_w) < fabs(r->limit_w[found] - limit_w)) found = i;
    return found;
}

static int one_step(const readings *r, tuning *t, bool *done, jm_error *error) {
    jm_tuner_step step = {.size = sizeof step};
    jm_tuner_result result = {.size = sizeof result};
    int status = jm_tuner_next(t->tuner, &step, error);
    *done = step.done || t->probes == MOST_PROBES;
    if (status != JM_OK || *done) return status;
    size_t at = index_of(r, step.setting);
    jm_trial trial = {.size = sizeof trial,
                      .setting = step.setting,
                      .items = 1,
                      .seconds = r->time_s[at],
                      .energy_j = r->time_s[at] * r->power_w[at],
                      .limited = NAN};
    status = jm_tuner_tell(t->tuner, &trial, error);
    if (status == JM_OK) status = jm_tuner_result_get(t->tuner, &result, error);
    if (status != JM_OK) return status;
    t->tried[t->probes] = at;
    t->best[t->probes++] = index_of(r, result.best.setting);
    t->used = index_of(r, result.setting);
    return JM_OK;
}

bool tune(const readings *r, jm_objective_kind kind, size_t probes, tuning *t) {
    jm_tuner_options options = JM_TUNER_OPTIONS_INIT;
    jm_error error;
    bool done = false;
    *t = (tuning){0};
    options.settings = r->limit_w;
    options.setting_count = r->count;
    options.objective.kind = kind;
    options.max_trials = (uint32_t)probes;
    options.min_trials = (uint32_t)probes;
    int status = jm_tuner_open(&t->tuner, &options, &error);
    while (status == JM_OK && !done) status = one_step(r, t, &done, &error);
    if (status != JM_OK) fprintf(stderr, "jm-accuracy: limits: %s\n", error.message);
    return status == JM_OK;
}
