#include "sensor/lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_TICKS = 4, MAX_TICKS = 4096 };

static double middle(int64_t lo, int64_t hi) {
    return (double)lo + (double)(hi - lo) / 2;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A first period: the middle of the shortest cluster of distances between changes. Changes that go
 * unseen make distances of 2T, 3T: they lie above it; a poll too early makes none much below. */
static double guess_period(const int64_t *lo, const int64_t *hi, size_t count) {
    double *distance = malloc((count - 1) * sizeof *distance);
    if (distance == NULL) return 0;
    for (size_t i = 1; i < count; i++)
        distance[i - 1] = middle(lo[i], hi[i]) - middle(lo[i - 1], hi[i - 1]);
    qsort(distance, count - 1, sizeof *distance, compare_doubles);
    double limit = distance[(count - 1) / 5] * 1.45;
    size_t below = 0;
    while (below < count - 1 && distance[below] <= limit) below++;
    double period = distance[below / 2];
    free(distance);
    return period;
}

typedef struct fit {
    double period, origin, period_u;
} fit;

/* Weighted straight line through (k, middle of the bracket); narrow brackets count more. Times are
 * taken from the first bracket, so that doubles keep their nanoseconds. */
static bool fit_line(const int64_t *lo, const int64_t *hi, const int64_t *k, const bool *use,
                     size_t count, fit *out) {
    double sw = 0, sk = 0, st = 0, skk = 0, skt = 0;
    for (size_t i = 0; i < count; i++) {
        if (!use[i]) continue;
        double width = (double)(hi[i] - lo[i]) + 1e3;
        double w = 1 / (width * width);
        double t = middle(lo[i] - lo[0], hi[i] - lo[0]), x = (double)k[i];
        sw += w, sk += w * x, st += w * t, skk += w * x * x, skt += w * x * t;
    }
    double spread = sw * skk - sk * sk;
    if (!(spread > 0)) return false;
    out->period = (sw * skt - sk * st) / spread;
    out->origin = (st - out->period * sk) / sw;
    out->period_u = sqrt(sw / spread / 12); /* a bracket's middle is uniform in it */
    return out->period > 0;
}

/* Numbers the ticks, each from the last one that came about when it should: so neither an error in
 * T builds up, nor does one tick out of place (or seen late) shift all that follow. */
static void number_ticks(const int64_t *lo, const int64_t *hi, size_t count, double period,
                         int64_t *k) {
    size_t from = 0, astray = 0;
    k[0] = 0;
    for (size_t i = 1; i < count; i++) {
        double steps = (middle(lo[i], hi[i]) - middle(lo[from], hi[from])) / period;
        double least = from + 1 == i ? 1 : 0;
        double whole = nearbyint(steps < least ? least : steps < 1e12 ? steps : 1e12);
        k[i] = k[from] + (int64_t)whole;
        if (fabs(steps - whole) > 0.25 + 0.05 * whole && ++astray <= 3) continue;
        from = i;
        astray = 0;
    }
}

static double distance_to(const int64_t *lo, const int64_t *hi, size_t i, int64_t first, double t) {
    double below = (double)(lo[i] - first) - t, above = t - (double)(hi[i] - first);
    return below > 0 ? below : above > 0 ? above : 0;
}

static void judge(const int64_t *lo, const int64_t *hi, const int64_t *k, size_t count,
                  const fit *line, bool *use, jmi_lattice *lattice) {
    double slack = line->period * 0.02, squares = 0;
    size_t inside = 0;
    for (size_t i = 0; i < count; i++) {
        double off = distance_to(lo, hi, i, lo[0], line->origin + (double)k[i] * line->period);
        use[i] = off <= line->period * 0.15;
        if (off <= slack) inside++;
        if (use[i]) squares += off * off;
    }
    lattice->inside = (double)inside / (double)count;
    lattice->jitter_ns = sqrt(squares / (double)count);
}

int jmi_lattice_fit(const int64_t *lo_ns, const int64_t *hi_ns, size_t count, double prior_ns,
                    jmi_lattice *lattice) {
    *lattice = (jmi_lattice){0};
    if (count < MIN_TICKS) return JM_NO_DATA;
    if (count > MAX_TICKS) { /* the latest ones: the sensor as it is now */
        lo_ns += count - MAX_TICKS;
        hi_ns += count - MAX_TICKS;
        count = MAX_TICKS;
    }
    int64_t *k = malloc(count * sizeof *k);
    bool *use = malloc(count * sizeof *use);
    fit line = {.period = prior_ns};
    if (k == NULL || use == NULL) goto none;
    double guess = guess_period(lo_ns, hi_ns, count);
    if (!(line.period > 0) || (guess > 0 && guess < 0.75 * line.period)) line.period = guess;
    memset(use, 1, count * sizeof *use);
    for (int round = 0; round < 4; round++) {
        if (!(line.period > 0)) goto none;
        number_ticks(lo_ns, hi_ns, count, line.period, k);
        if (!fit_line(lo_ns, hi_ns, k, use, count, &line)) goto none;
        judge(lo_ns, hi_ns, k, count, &line, use, lattice);
    }
    lattice->period_ns = line.period;
    lattice->period_u_ns = line.period_u;
    lattice->origin_ns = lo_ns[0] + (int64_t)llround(line.origin);
    lattice->ticks = count;
    free(k);
    free(use);
    if (lattice->inside >= 0.6) return JM_OK;
    /* the table may be of another board */
    return prior_ns > 0 ? jmi_lattice_fit(lo_ns, hi_ns, count, 0, lattice) : JM_NO_DATA;
none:
    free(k);
    free(use);
    return JM_NO_DATA;
}

int64_t jmi_lattice_tick(const jmi_lattice *lattice, int64_t t_ns) {
    double steps = floor((double)(t_ns - lattice->origin_ns) / lattice->period_ns);
    return lattice->origin_ns + (int64_t)llround(steps * lattice->period_ns);
}
