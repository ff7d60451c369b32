/* Do a gauge's readings lie later than its description says? By the misfit of powers that are
 * fitted anew for each lag: with those of a wrong one, no other would look better. */
#include "attribute/attribution.h"
#include "base/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLEAR = 20,
    ROWS = 1500,
    LEAST_ROWS = 300,
    PIECES = 60000,
    STEPS = 9,
    COARSER = 3,
    MOST = 64
};

/* A trial: the equations of so many rows, small enough to be made dozens of times. */
typedef struct trial {
    const jmi_layout *layout; /* few classes: those of most time, the others in one */
    const jmi_track *track;
    double precision; /* of the powers before the readings, in units of a reading's */
    double *room, *xx, *xy, *x;
    size_t rows, stride;
} trial;

static bool open_trial(trial *t, const jmi_layout *layout, const jmi_track *track) {
    size_t n = layout->width;
    double range_w = jmi_attribute_span(track);
    double noise_w = jmi_max(track->noise_w, 0.01 * (track->highest_w - track->lowest_w));
    *t = (trial){.layout = layout, .track = track};
    /* Readings in which many calls ran take long to look through. */
    size_t each = layout->calls->piece_count / (track->count + 1) + 1;
    size_t most = PIECES / each < ROWS ? PIECES / each : ROWS;
    t->stride = track->count / (most > LEAST_ROWS ? most : LEAST_ROWS) + 1;
    t->precision = noise_w * noise_w / (range_w * range_w) + 1e-9;
    t->room = jmi_alloc(n * n + 2 * n, sizeof *t->room);
    if (t->room == NULL) return false;
    t->xx = t->room;
    t->xy = t->room + n * n;
    t->x = t->xy + n;
    return true;
}

/* Mean square that the powers leave which fit best if readings lie so much later. */
static double misfit(trial *t, double shift_ns) {
    size_t n = t->layout->width;
    jmi_rows rows = {
        .layout = t->layout, .track = t->track, .shift_ns = shift_ns, .stride = t->stride};
    double y, weight, yy = 0, mean = 0;
    memset(t->room, 0, (n * n + 2 * n) * sizeof *t->room);
    for (t->rows = 0; jmi_rows_next(&rows, t->x, &y, &weight); t->rows++) {
        if (t->rows == 0) mean = y; /* anything near: against cancellation */
        for (size_t i = 0; i < n; i++) {
            if (t->x[i] == 0) continue;
            for (size_t k = 0; k <= i; k++) t->xx[i * n + k] += t->x[i] * t->x[k];
            t->xy[i] += t->x[i] * (y - mean);
        }
        yy += (y - mean) * (y - mean);
    }
    for (size_t i = 0; i < n; i++) t->xx[i * n + i] += t->precision;
    if (t->rows < 3 * n || !jmi_dense_cholesky(t->xx, n)) return INFINITY;
    memcpy(t->x, t->xy, n * sizeof *t->x);
    jmi_dense_solve(t->xx, n, t->x);
    for (size_t i = 0; i < n; i++) yy -= t->x[i] * t->xy[i];
    return yy / (double)t->rows;
}

/* How well a shift fits, on the scale of chi^2, less is better: by what is left, and by what is
 * known of the lag. */
static double objective(trial *t, double shift_ns) {
    double left = misfit(t, shift_ns), off = shift_ns / t->track->lag_u_ns;
    return (double)t->rows * log(jmi_max(left, 1e-12)) + off * off;
}

/* Coarse, then fine, as far as the lag may be from what is known of it: of a sensor that nobody
 * calibrated all over a refresh. One that is not clearly better than none is none: dozens are
 * tried, and the best of them always seems to be better. */
static double find_shift(trial *t) {
    double span = jmi_min(0.5 * t->track->period_ns, 4 * t->track->lag_u_ns);
    double start, best, found = 0;
    if (!(span > 0) || !isfinite(start = best = objective(t, 0))) return 0;
    for (int round = 0; round < 3; round++, span /= COARSER) {
        double centre = found;
        for (int s = -STEPS; s <= STEPS; s++) {
            double shift = centre + span * s / STEPS, value = objective(t, shift);
            if (value < best) best = value, found = shift;
        }
    }
    return start - best > CLEAR ? found : 0;
}

/* Standard uncertainty: where the likelihood has fallen by one standard deviation's worth on either
 * side, but no more than what was known of the lag before. */
static double uncertainty(trial *t, double shift_ns) {
    double prior_ns = t->track->lag_u_ns, best = objective(t, shift_ns);
    double u = 0.002 * t->track->period_ns;
    for (; u < prior_ns; u *= 1.6)
        if (jmi_min(objective(t, shift_ns - u), objective(t, shift_ns + u)) - best > 1) break;
    return jmi_min(u, prior_ns);
}

/* How the powers would differ if readings lay later by a standard uncertainty. */
static bool sensitivity(trial *t, const jmi_attributing *a, double shift_ns, double u_ns,
                        double *by_w) {
    size_t n = t->layout->width;
    double *later = jmi_alloc(n, sizeof *later);
    if (later == NULL) return false;
    bool good = isfinite(misfit(t, shift_ns + u_ns)); /* leaves the powers in x */
    memcpy(later, t->x, n * sizeof *later);
    good = good && isfinite(misfit(t, shift_ns - u_ns));
    for (size_t i = 0; good && i < n; i++) later[i] = (later[i] - t->x[i]) / 2;
    for (size_t i = 0; good && i < a->calls.class_count; i++)
        by_w[a->layout.column[i]] = later[t->layout->column[i]];
    for (size_t i = 0; good && i < JMI_GAPS; i++)
        by_w[a->layout.classes + i] = later[t->layout->classes + i];
    free(later);
    return true;
}

int jmi_attribute_shift(jmi_attributing *a, jm_error *error) {
    jmi_layout few;
    bool good = jmi_layout_make(&few, &a->calls, MOST);
    for (size_t v = 0; good && v < a->views.count; v++) {
        const jmi_track *track = &a->views.view[v].track;
        trial t;
        if (track->counter) continue; /* it counts up to when it ticks */
        a->later_w[v] = jmi_alloc(a->layout.width, sizeof *a->later_w[v]);
        good = a->later_w[v] != NULL && open_trial(&t, &few, track);
        if (!good) break;
        a->shift_ns[v] = find_shift(&t);
        double u = uncertainty(&t, a->shift_ns[v]);
        good = sensitivity(&t, a, a->shift_ns[v], u, a->later_w[v]);
        free(t.room);
    }
    jmi_layout_free(&few);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for a sensor's lag");
}
