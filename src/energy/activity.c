#include "energy/activity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- least squares with a prior, a dozen unknowns at most ---- */

typedef struct normal {
    double xx[JMI_CLASSES][JMI_CLASSES], xy[JMI_CLASSES];
    double yy, y, n;
    double share[JMI_CLASSES]; /* sum of the shares of each class in the readings' windows */
    double mixed[JMI_CLASSES]; /* readings in which it ran for part of the window */
} normal;

static void add_row(normal *eq, const double *x, double y, uint32_t k) {
    for (uint32_t a = 0; a < k; a++) {
        for (uint32_t b = 0; b <= a; b++) eq->xx[a][b] += x[a] * x[b];
        eq->xy[a] += x[a] * y;
        eq->share[a] += x[a];
        eq->mixed[a] += x[a] > 1e-4 && x[a] < 1 - 1e-4;
    }
    eq->yy += y * y;
    eq->y += y;
    eq->n += 1;
}

/* Cholesky; m is replaced by its inverse. False: not positive definite. */
static bool invert(double m[JMI_CLASSES][JMI_CLASSES], uint32_t k) {
    double l[JMI_CLASSES][JMI_CLASSES] = {{0}}, li[JMI_CLASSES][JMI_CLASSES] = {{0}};
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = m[i][j];
            for (uint32_t q = 0; q < j; q++) sum -= l[i][q] * l[j][q];
            if (i == j && !(sum > 0)) return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    for (uint32_t i = 0; i < k; i++) {
        li[i][i] = 1 / l[i][i];
        for (uint32_t j = 0; j < i; j++) {
            double sum = 0;
            for (uint32_t q = j; q < i; q++) sum -= l[i][q] * li[q][j];
            li[i][j] = sum / l[i][i];
        }
    }
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++) {
            m[i][j] = 0;
            for (uint32_t q = i > j ? i : j; q < k; q++) m[i][j] += li[q][i] * li[q][j];
        }
    return true;
}

/* Levels b ~ N(mean, prior_sd^2) given rows with variance noise2; returns the sum of squares left.
 */
static double solve(const normal *eq, uint32_t k, double prior_sd, double noise2, double *b,
                    double cov[JMI_CLASSES][JMI_CLASSES]) {
    double mean = eq->y / eq->n, right[JMI_CLASSES];
    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < k; j++)
            cov[i][j] = (i >= j ? eq->xx[i][j] : eq->xx[j][i]) / noise2;
        cov[i][i] += 1 / (prior_sd * prior_sd);
        right[i] = eq->xy[i] / noise2 + mean / (prior_sd * prior_sd);
    }
    if (!invert(cov, k)) return INFINITY;
    double left = eq->yy;
    for (uint32_t i = 0; i < k; i++) {
        b[i] = 0;
        for (uint32_t j = 0; j < k; j++) b[i] += cov[i][j] * right[j];
    }
    for (uint32_t i = 0; i < k; i++) {
        left -= 2 * b[i] * eq->xy[i];
        for (uint32_t j = 0; j < k; j++)
            left += b[i] * b[j] * (i >= j ? eq->xx[i][j] : eq->xx[j][i]);
    }
    return jmi_max(left, 0);
}

/* ---- rows: the share of each class in each reading's window ---- */

enum { PROFILE_CELLS = 1500, FIT_CELLS = 200000 };

typedef struct view {
    const jmi_timeline *timeline;
    const jmi_track *track;
    double shift_ns; /* the windows lie so much earlier than the track says */
    double widen;    /* factor on the seen part */
} view;

static void window_of(const view *v, size_t i, int64_t *a, int64_t *b) {
    const jmi_track *track = v->track;
    double length = (double)(track->edge[i + 1] - track->edge[i]);
    double seen = length * (track->seen != NULL ? (double)track->seen[i] : 1);
    double window = jmi_min(jmi_max(seen * v->widen, 1), jmi_max(length, seen)) + track->blur_ns;
    *b = track->edge[i + 1] + (int64_t)(track->blur_ns / 2 - v->shift_ns);
    *a = *b - (int64_t)window;
}

static void accumulate(const view *v, size_t most, normal *eq) {
    *eq = (normal){0};
    size_t n = v->track->count, stride = n / most + 1, hint = 0;
    uint32_t k = v->timeline->classes;
    for (size_t i = 0; i < n; i += stride) {
        if (v->track->flags != NULL && v->track->flags[i] != 0) continue;
        int64_t a, b;
        window_of(v, i, &a, &b);
        if (a < v->track->begin_ns) continue;
        double x[JMI_CLASSES] = {0};
        jmi_timeline_times(v->timeline, a, b, &hint, x);
        double length = (double)(b - a) * 1e-9;
        for (uint32_t c = 0; c < k; c++) x[c] /= length;
        add_row(eq, x, v->track->mean_w[i], k);
    }
}

static double deviation(const normal *eq) {
    double mean = eq->y / eq->n, variance = eq->yy / eq->n - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}

/* Before any reading, a level may lie anywhere that the device's range allows. */
static double prior_sd(const normal *eq, const jmi_track *track) {
    double range = 0.3 * (track->ceiling_w - track->floor_w);
    return jmi_max(jmi_max(3 * deviation(eq), 0.5 * fabs(eq->y / eq->n)), range) + 1e-6;
}

static double misfit(const view *v) {
    normal eq;
    double b[JMI_CLASSES], cov[JMI_CLASSES][JMI_CLASSES];
    accumulate(v, PROFILE_CELLS, &eq);
    if (eq.n < 8) return INFINITY;
    double noise = jmi_max(0.1 * deviation(&eq), v->track->noise_w);
    return solve(&eq, v->timeline->classes, prior_sd(&eq, v->track), noise * noise + 1e-12, b, cov);
}

/* How far neighbouring readings' misfits go together, as lag-one autocorrelation. */
static double misfit_together(const view *v) {
    normal eq;
    double b[JMI_CLASSES], cov[JMI_CLASSES][JMI_CLASSES], before = 0, both = 0, all = 1e-12;
    accumulate(v, PROFILE_CELLS, &eq);
    double noise = jmi_max(0.1 * deviation(&eq), v->track->noise_w);
    solve(&eq, v->timeline->classes, prior_sd(&eq, v->track), noise * noise + 1e-12, b, cov);
    size_t n = v->track->count < PROFILE_CELLS ? v->track->count : PROFILE_CELLS, hint = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t from, to;
        double x[JMI_CLASSES] = {0}, off = v->track->mean_w[i];
        window_of(v, i, &from, &to);
        jmi_timeline_times(v->timeline, from, to, &hint, x);
        for (uint32_t c = 0; c < v->timeline->classes; c++)
            off -= b[c] * x[c] / ((double)(to - from) * 1e-9);
        both += off * before;
        all += off * off;
        before = off;
    }
    return jmi_min(jmi_max(both / all, 0), 0.95);
}

/* Profile likelihood over lag and window, coarse then fine. What is not clearly better than what
 * the sensor's description says stays as described. */
static void find_shift(view *v) {
    double start = misfit(v), best = start;
    if (!isfinite(start) || !(start > 0) || !(v->track->period_ns > 0)) return;
    view at = *v, found = *v;
    double span = 0.45 * v->track->period_ns;
    int widths = v->track->seen != NULL && !v->track->counter ? 3 : 0;
    for (int round = 0; round < 4; round++, span /= 4) {
        view centre = found;
        for (int s = -4; s <= 4; s++)
            for (int w = -widths; w <= widths; w++) {
                at.shift_ns = centre.shift_ns + span * s / 4;
                at.widen = centre.widen * exp(w * 0.35 / 3 / (1 << round));
                double left = misfit(&at);
                if (left < best) best = left, found = at;
            }
    }
    double together = misfit_together(v);
    double cells =
        jmi_min((double)v->track->count, PROFILE_CELLS) * (1 - together) / (1 + together);
    if (cells * log(start / jmi_max(best, 1e-12 * start)) > 10) *v = found;
}

/* ---- the fit ---- */

/* Ticks are known to tick_u only, so the shares x are not exact: least squares pulls a contrast in
 * by e / v, v the variance of the shares found and e that of their error. That much is added, in
 * the direction that leaves the mean alone. Loads that keep step with the sensor have v near 0. */
static void add_errors_in_shares(jmi_activity *activity, const normal *eq, uint32_t k,
                                 double share_u, double range_w, double scale_w) {
    for (uint32_t c = 0; c < k; c++) {
        double share = eq->share[c] / eq->n, v = eq->xx[c][c] / eq->n - share * share;
        double e = share_u * share_u * eq->mixed[c] / eq->n;
        double part = jmi_min(1.5 * e / jmi_max(v, 1e-12), 1);
        /* pulled in far enough, the range found says nothing of the range there is */
        double whole = range_w / jmi_max(1 - part, 1e-3) + part * part * scale_w;
        double pulled = part * jmi_min(scale_w, whole);
        /* and then the mean is the better guess */
        activity->level_w[c] += part * part * (eq->y / eq->n - activity->level_w[c]);
        for (uint32_t a = 0; a < k; a++)
            for (uint32_t b = 0; b < k; b++)
                activity->cov_w2[a][b] +=
                    pulled * pulled * ((a == c ? 1 : 0) - share) * ((b == c ? 1 : 0) - share);
    }
}

static void find_range(jmi_activity *activity, const normal *eq, uint32_t k) {
    activity->low_w = INFINITY;
    activity->high_w = -INFINITY;
    for (uint32_t c = 0; c < k; c++) {
        if (eq->share[c] < 0.01 * eq->n) continue;
        activity->low_w = jmi_min(activity->low_w, activity->level_w[c]);
        activity->high_w = jmi_max(activity->high_w, activity->level_w[c]);
    }
}

enum { ENOUGH = 8 }; /* readings of a class without which nothing can be said of it */

static void fit_levels(jmi_activity *activity, const normal *eq, const jmi_track *track,
                       double share_u) {
    uint32_t k = activity->timeline->classes;
    double noise_w = track->noise_w;
    double spread = deviation(eq), prior = prior_sd(eq, track);
    double noise2 = jmi_max(0.01 * spread * spread, noise_w * noise_w) + 1e-12, left = 0;
    for (int round = 0; round < 3; round++) {
        left = solve(eq, k, prior, noise2, activity->level_w, activity->cov_w2);
        noise2 = jmi_max(left / jmi_max(eq->n - k, 1), noise_w * noise_w) + 1e-9;
    }
    find_range(activity, eq, k);
    double range = activity->high_w - activity->low_w;
    add_errors_in_shares(activity, eq, k, share_u, range, jmi_max(range, prior));
    activity->explained = spread > 0 ? jmi_max(1 - left / (eq->n * spread * spread), 0) : 0;
    double time_s[JMI_CLASSES] = {0}; /* a sensor in step with the load may never see a class */
    size_t hint = 0;
    int64_t begin = track->edge[0], end = track->edge[track->count];
    jmi_timeline_times(activity->timeline, begin, end, &hint, time_s);
    for (uint32_t c = 0; c < k; c++) {
        double share = time_s[c] / ((double)(end - begin) * 1e-9);
        bool should_be_known = share > 0.05 && share * eq->n >= ENOUGH;
        if (should_be_known && activity->cov_w2[c][c] > 0.2 * prior * prior)
            activity->locked = true;
    }
}

static int sum_levels(jmi_activity *activity) {
    const jmi_timeline *timeline = activity->timeline;
    activity->model_j = calloc(timeline->count, sizeof *activity->model_j);
    if (activity->model_j == NULL) return JM_MEMORY;
    for (size_t i = 1; i < timeline->count; i++) {
        int64_t since = timeline->t[i > 1 ? i - 1 : 1];
        activity->model_j[i] =
            activity->model_j[i - 1] +
            activity->level_w[timeline->cls[i - 1]] * ((double)(timeline->t[i] - since) * 1e-9);
    }
    return JM_OK;
}

double jmi_activity_energy(const jmi_activity *activity, int64_t t, size_t *hint) {
    const jmi_timeline *timeline = activity->timeline;
    size_t i = jmi_timeline_find(timeline, t, *hint);
    *hint = i;
    int64_t since = timeline->t[i > 0 ? i : 1]; /* class 0 before the first: back from it */
    return activity->model_j[i] +
           activity->level_w[timeline->cls[i]] * ((double)(t - since) * 1e-9);
}

/* The levels' energy is a running sum, so a window costs two look-ups, mostly one step apart. */
static void take_off(const jmi_activity *activity, const view *v, jmi_track *track) {
    size_t from_hint = 0, to_hint = 0;
    for (size_t i = 0; i < track->count; i++) {
        int64_t a, b;
        window_of(v, i, &a, &b);
        double modelled = jmi_activity_energy(activity, b, &to_hint) -
                          jmi_activity_energy(activity, a, &from_hint);
        bool usable = track->flags == NULL || track->flags[i] == 0;
        track->mean_w[i] = usable ? track->mean_w[i] - modelled / ((double)(b - a) * 1e-9) : 0;
    }
}

static int sum_excess(jmi_activity *activity, const view *v) {
    const jmi_track *track = v->track;
    uint32_t k = v->timeline->classes;
    if (track->seen == NULL && !(track->blur_ns > 0)) return JM_OK;
    activity->excess_s = calloc((track->count + 1) * k, sizeof *activity->excess_s);
    if (activity->excess_s == NULL) return JM_MEMORY;
    size_t hint = 0, cell_hint = 0;
    int64_t shift = (int64_t)v->shift_ns;
    for (size_t i = 0; i < track->count; i++) {
        int64_t a, b, from = track->edge[i] - shift, to = track->edge[i + 1] - shift;
        window_of(v, i, &a, &b);
        double seen[JMI_CLASSES] = {0}, all[JMI_CLASSES] = {0};
        jmi_timeline_times(v->timeline, a, b, &hint, seen);
        jmi_timeline_times(v->timeline, from, to, &cell_hint, all);
        double scale = (double)(to - from) / (double)(b - a);
        for (uint32_t c = 0; c < k; c++)
            activity->excess_s[(i + 1) * k + c] =
                activity->excess_s[i * k + c] + all[c] - scale * seen[c];
    }
    return JM_OK;
}

/* Half width, in cells, of the mean that stands for slow drift (temperature, clocks). */
enum { DRIFT = 16 };

static int64_t window_begin(const jmi_track *track, size_t i) {
    double length = (double)(track->edge[i + 1] - track->edge[i]);
    return track->edge[i + 1] - (int64_t)(length * (double)track->seen[i]);
}

/* A part-time reading's residual says little of the unseen rest of its cell: it may come from the
 * shape of the load's edges, which it sees again and again at nearly the same phase. Slow drift is
 * kept, and of the rest as much as moves slowly and the ranges do not explain. */
static void smooth(const jmi_activity *activity, jmi_track *track) {
    size_t n = track->count;
    if (track->seen == NULL || n < 4) return;
    double cov = 0, var = 1e-12;
    for (size_t i = 1; i < n; i++) {
        cov += track->mean_w[i] * track->mean_w[i - 1];
        var += track->mean_w[i] * track->mean_w[i];
    }
    double keep = jmi_min(jmi_max(cov / var, 0), 1) * (1 - jmi_min(activity->explained, 1));
    double *raw = malloc(n * sizeof *raw);
    if (raw == NULL) return; /* unsmoothed is right too, only noisier */
    size_t known = 0;        /* what ran before the first poll is not: it would look like drift */
    while (known + 1 < n && window_begin(track, known) < track->begin_ns) known++;
    for (size_t i = 0; i < known; i++) track->mean_w[i] = track->mean_w[known];
    memcpy(raw, track->mean_w, n * sizeof *raw);
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < n && i < DRIFT; i++) sum += raw[i], count++;
    for (size_t i = 0; i < n; i++) {
        if (i + DRIFT < n) sum += raw[i + DRIFT], count++;
        if (i > DRIFT) sum -= raw[i - DRIFT - 1], count--;
        if (track->seen[i] < 0.98f)
            track->mean_w[i] = keep * raw[i] + (1 - keep) * sum / (double)count;
    }
    free(raw);
}

static int make_residual(jmi_activity *activity, const view *v, jmi_track *track) {
    if (sum_excess(activity, v) != JM_OK) return JM_MEMORY;
    if (sum_levels(activity) != JM_OK) return JM_MEMORY;
    take_off(activity, v, track);
    for (size_t i = 0; i <= track->count; i++) track->edge[i] -= (int64_t)v->shift_ns;
    if (track->seen != NULL && v->widen != 1)
        for (size_t i = 0; i < track->count; i++)
            track->seen[i] = (float)jmi_min((double)track->seen[i] * v->widen, 1);
    if (v->shift_ns != 0) track->lag_u_ns = jmi_min(track->lag_u_ns, 0.02 * track->period_ns);
    int status = jmi_track_sum(track); /* spreads from the residual as it is */
    if (status != JM_OK) return status;
    smooth(activity, track);
    for (size_t i = 0; i < track->count; i++)
        track->energy_j[i + 1] =
            track->energy_j[i] +
            track->mean_w[i] * ((double)(track->edge[i + 1] - track->edge[i]) * 1e-9);
    return JM_OK;
}

/* Ranges that begin and end outside the track tell nothing; those inside do, also where the sensor
 * never saw them: then their level is unknown, and must be said to be. */
static bool changes_during(const jmi_timeline *timeline, const jmi_track *track) {
    size_t first = jmi_timeline_find(timeline, track->edge[0], 0);
    return jmi_timeline_find(timeline, track->edge[track->count], first) > first;
}

int jmi_activity_fit(jmi_activity *activity, const jmi_timeline *timeline, jmi_track *track,
                     jm_error *error) {
    *activity = (jmi_activity){.timeline = timeline};
    view v = {.timeline = timeline, .track = track, .shift_ns = 0, .widen = 1};
    normal eq;
    accumulate(&v, PROFILE_CELLS, &eq);
    if (eq.n < 8 || !changes_during(timeline, track)) return JM_NO_DATA;
    find_shift(&v);
    accumulate(&v, FIT_CELLS, &eq);
    double window = track->window_ns > 0 ? track->window_ns : track->period_ns;
    double share_u = window > 0 ? 1.4 * track->tick_u_ns / window : 0;
    fit_levels(activity, &eq, track, jmi_min(share_u, 0.5));
    activity->shift_ns = v.shift_ns;
    int status = make_residual(activity, &v, track);
    /* neighbouring residuals err alike: there are fewer independent readings than cells */
    double run = jmi_min(jmi_max(track->run, 1), 8) * (1 + track->blur_ns / track->cell_ns);
    for (uint32_t a = 0; a < timeline->classes; a++)
        for (uint32_t b = 0; b < timeline->classes; b++) activity->cov_w2[a][b] *= run;
    if (status != JM_OK) jmi_activity_free(activity);
    return status == JM_OK ? JM_OK
                           : jmi_fail(error, status, "out of memory for the ranges' levels");
}

void jmi_activity_free(jmi_activity *activity) {
    free(activity->excess_s);
    free(activity->model_j);
    activity->excess_s = NULL;
    activity->model_j = NULL;
}

/* Running times in (edge of the cell, t] beyond the cell's own share of them: what the levels add
 * to an energy that the readings do not fix. */
static void add_excess(const jmi_activity *activity, const jmi_track *track, int64_t t, size_t cell,
                       double sign, size_t *hint, double *excess) {
    int64_t from = track->edge[cell], to = track->edge[cell + 1];
    double before[JMI_CLASSES] = {0}, all[JMI_CLASSES] = {0};
    uint32_t k = activity->timeline->classes;
    if (t > to) t = to;
    if (t < from) t = from;
    double at = (double)(t - from) / (double)(to - from);
    jmi_timeline_times(activity->timeline, from, t, hint, before);
    jmi_timeline_times(activity->timeline, from, to, hint, all);
    for (uint32_t c = 0; c < k; c++) {
        /* the reading fixes the seen part only; its share of the running sum is left in */
        double fixed = all[c];
        if (activity->excess_s != NULL)
            fixed -= activity->excess_s[(cell + 1) * k + c] - activity->excess_s[cell * k + c];
        excess[c] += sign * (before[c] - at * fixed);
        if (activity->excess_s != NULL) excess[c] += sign * activity->excess_s[cell * k + c];
    }
}

double jmi_activity_variance(const jmi_activity *activity, const jmi_track *track, int64_t from,
                             int64_t to, size_t from_cell, size_t to_cell, size_t hint) {
    double excess[JMI_CLASSES] = {0}, variance = 0;
    add_excess(activity, track, from, from_cell, -1, &hint, excess);
    add_excess(activity, track, to, to_cell, 1, &hint, excess);
    uint32_t k = activity->timeline->classes;
    for (uint32_t a = 0; a < k; a++)
        for (uint32_t b = 0; b < k; b++) variance += excess[a] * excess[b] * activity->cov_w2[a][b];
    return jmi_max(variance, 0);
}
