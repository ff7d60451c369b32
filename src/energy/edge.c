#include "energy/edge.h"

#include <math.h>

enum { NEAR = 8 };

static double mean_at(const jmi_track *track, size_t i, long offset) {
    long j = (long)i + offset;
    if (j < 0) j = 0;
    if (j >= (long)track->count) j = (long)track->count - 1;
    return track->mean_w[j];
}

/* One cell between two flat stretches holds one step: where it lies follows from the mean. */
static bool step_share(const double m[5], double noise, double at, double *share) {
    double rise = m[3] - m[1];
    if (fabs(rise) < 6 * noise + 1e-9) return false;
    double ripple = fabs(m[1] - m[0]) + fabs(m[4] - m[3]);
    if (ripple > 0.25 * fabs(rise) + 4 * noise) return false;
    double x = (m[3] - m[2]) / rise; /* the share of the cell before the step */
    if (x < -0.05 || x > 1.05) return false;
    x = jmi_min(jmi_max(x, 0), 1);
    *share = at <= x ? m[1] * at : m[1] * x + m[3] * (at - x);
    *share += (m[2] - m[1] * x - m[3] * (1 - x)) * at; /* the mean of the cell is kept */
    return true;
}

/* Piecewise parabolic reconstruction (Colella and Woodward 1984): the mean of the cell is kept,
 * slopes follow the neighbours, nothing overshoots. Returns the integral over [0, at]. */
static double parabola_share(const double m[5], double at) {
    double c = m[2];
    double left = (7 * (c + m[1]) - (m[3] + m[0])) / 12;
    double right = (7 * (c + m[3]) - (m[4] + m[1])) / 12;
    left = jmi_min(jmi_max(left, jmi_min(m[1], c)), jmi_max(m[1], c));
    right = jmi_min(jmi_max(right, jmi_min(m[3], c)), jmi_max(m[3], c));
    if ((right - c) * (c - left) <= 0) return c * at; /* an extremum: flat */
    double d = right - left, six = 6 * (c - (left + right) / 2);
    if (d * six > d * d) left = 3 * c - 2 * right;
    if (d * six < -d * d) right = 3 * c - 2 * left;
    d = right - left;
    six = 6 * (c - (left + right) / 2);
    return left * at + d * at * at / 2 + six * (at * at / 2 - at * at * at / 3);
}

/* How much neighbours differ, near (half the weight) and further around, and whether differences
 * alternate (white noise) or add up (a slow walk). The sensor's own noise is taken off. */
static void spread_around(const jmi_track *track, size_t i, double *step_w2, double *slow) {
    double near = 0, wide = 0, next = 0, before = 0;
    size_t count = 0, pairs = 0;
    for (long k = -NEAR + 1; k <= NEAR; k++) {
        long j = (long)i + k;
        if (j < 1 || j >= (long)track->count) continue;
        double d = track->mean_w[j] - track->mean_w[j - 1];
        if (k == 0 || k == 1) near += d * d / 2;
        wide += d * d;
        if (count > 0) next += d * before, pairs++;
        before = d;
        count++;
    }
    double noise = track->noise_w * track->noise_w;
    double mean = count > 0 ? wide / (double)count : 0;
    *step_w2 = jmi_max((near + mean) / 2 - 2 * noise, 0);
    double variance = jmi_max(mean - 2 * noise, 1e-12);
    double together = pairs > 0 ? (next / (double)pairs + noise) / variance : 0;
    *slow = jmi_min(jmi_max((together + 0.5) / 0.75, 0), 1);
}

/* The split of a cell of length h at a share f errs with variance D/2 f(1-f) h^2 where power is
 * white (D the mean squared difference of neighbours) and D/2 (f(1-f))^2 h^2 where it walks. */
static double split_variance(double step_w2, double slow, double at, double length_s) {
    double g = at * (1 - at);
    return step_w2 / 2 * length_s * length_s * ((1 - slow) * g + slow * g * g);
}

void jmi_edge_at(const jmi_track *track, int64_t t, size_t *hint, jmi_edge *edge) {
    size_t i = jmi_track_find(track, t, *hint);
    *hint = i;
    double length_s = (double)(track->edge[i + 1] - track->edge[i]) * 1e-9;
    double at = (double)(t - track->edge[i]) * 1e-9 / length_s;
    *edge = (jmi_edge){.cell = i, .power_w = track->mean_w[i]};
    edge->outside = at < 0 || at > 1;
    edge->at = at = jmi_min(jmi_max(at, 0), 1);
    double share = track->mean_w[i] * at;
    uint8_t flags = track->flags != NULL ? track->flags[i] : 0;
    spread_around(track, i, &edge->step_w2, &edge->slow);
    if (flags == 0) {
        const double m[5] = {mean_at(track, i, -2), mean_at(track, i, -1), track->mean_w[i],
                             mean_at(track, i, 1), mean_at(track, i, 2)};
        bool full = track->seen == NULL || track->seen[i] >= 1;
        bool stepped = full && track->blur_ns == 0 && step_share(m, track->noise_w, at, &share);
        if (!stepped && full) share = parabola_share(m, at);
        edge->var_j2 = split_variance(edge->step_w2, edge->slow, at, length_s);
        if (stepped) edge->var_j2 *= 0.1; /* the mean pins the step down */
    }
    edge->energy_j = track->energy_j[i] + share * length_s;
    if (track->unseen_j != NULL) {
        edge->unseen_j = track->unseen_j[i] + at * (track->unseen_j[i + 1] - track->unseen_j[i]);
        edge->unseen_j2 =
            track->unseen_j2[i] + at * (track->unseen_j2[i + 1] - track->unseen_j2[i]);
    }
}

/* Readings averaged over W > T smear each edge over W: the error of a boxcar that begins at once
 * against one that ramps up is that of a cell of length W split in the middle. */
static double blur_variance(const jmi_track *track, const jmi_edge *edge) {
    double blur_s = track->blur_ns * 1e-9;
    if (!(blur_s > 0)) return 0;
    double cells = track->blur_ns / jmi_max(track->period_ns, 1);
    double step = edge->step_w2 * cells; /* differences a whole W apart add up */
    return step * blur_s * blur_s / 8;
}

double jmi_edge_variance(const jmi_track *track, const jmi_edge *from, const jmi_edge *to) {
    double var = from->var_j2 + to->var_j2;
    double length_s = (double)(track->edge[from->cell + 1] - track->edge[from->cell]) * 1e-9;
    if (from->cell == to->cell) { /* a piece of one cell errs less than two splits of it */
        double g = to->at - from->at;
        double white = g * (1 - g) / 2, walk = g * g * (1 - g) * (1 - g) / 4;
        double inside =
            from->step_w2 * length_s * length_s * ((1 - from->slow) * white + from->slow * walk);
        if (inside < var || var == 0) var = inside;
    }
    double tick = track->tick_u_ns * 1e-9;
    /* A tick's time errs by tick_u: energy moves across it by the difference of powers. */
    double around = from->step_w2 + to->step_w2;
    if (track->counter)
        var += tick * tick * (from->power_w * from->power_w + to->power_w * to->power_w);
    else
        var += tick * tick * around;
    var += 2 * track->edge_noise_j * track->edge_noise_j;
    return var + blur_variance(track, from) + blur_variance(track, to);
}
