#include "sensor/lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_TICKS = 4, MAX_TICKS = 4096, MOST_PERIODS = 100 };
#define LEAST_INSIDE 0.6 /* share of brackets that a lattice must pass through */

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

/* ---- whole multiples ---- */

/* Whether nearly all steps between ticks are multiples of m. Steps of any length are with a chance
 * of one in m each, so few of them say little, and each that is none outweighs several. */
static bool steps_by(const int64_t *k, const bool *use, size_t count, int m) {
    size_t multiples = 0, others = 0, last = count;
    for (size_t i = 0; i < count && 10 * others <= count; i++) {
        if (!use[i]) continue;
        if (last < count && (k[i] - k[last]) % m == 0) multiples++;
        if (last < count && (k[i] - k[last]) % m != 0) others++;
        last = i;
    }
    double evidence = ((double)multiples - 4 * (double)others) * log2(m);
    return 9 * others <= multiples && evidence >= 12;
}

/* The greatest number of periods by which nearly all ticks step, 1 if there is none. */
static int common_step(const int64_t *k, const bool *use, size_t count) {
    int m = MOST_PERIODS;
    while (m > 1 && !steps_by(k, use, count, m)) m--;
    return m;
}

/* ---- the fit ---- */

typedef struct ticks {
    const int64_t *lo, *hi;
    size_t count;
    int64_t *k; /* number of each */
    bool *use;
} ticks;

/* The lattice near a period. */
static bool settle(const ticks *t, double period, jmi_lattice *lattice) {
    fit line = {.period = period};
    memset(t->use, 1, t->count * sizeof *t->use);
    for (int round = 0; round < 4; round++) {
        if (!(line.period > 0)) return false;
        number_ticks(t->lo, t->hi, t->count, line.period, t->k);
        if (!fit_line(t->lo, t->hi, t->k, t->use, t->count, &line)) return false;
        judge(t->lo, t->hi, t->k, t->count, &line, t->use, lattice);
    }
    lattice->period_ns = line.period;
    lattice->period_u_ns = line.period_u;
    lattice->origin_ns = t->lo[0] + (int64_t)llround(line.origin);
    lattice->ticks = t->count;
    return true;
}

static bool fit_ticks(const ticks *t, double prior_ns, jmi_lattice *lattice) {
    double guess = guess_period(t->lo, t->hi, t->count);
    bool shorter = guess > 0 && guess < 0.75 * prior_ns;
    bool found = prior_ns > 0 && !shorter && settle(t, prior_ns, lattice);
    if (found && lattice->inside >= LEAST_INSIDE) return true;
    /* the table may be of another board */
    return settle(t, guess, lattice) && lattice->inside >= LEAST_INSIDE;
}

static bool open_ticks(ticks *t, const int64_t *lo_ns, const int64_t *hi_ns, size_t count) {
    size_t skip = count > MAX_TICKS ? count - MAX_TICKS : 0; /* the sensor as it is now */
    *t = (ticks){.lo = lo_ns + skip, .hi = hi_ns + skip, .count = count - skip};
    if (t->count < MIN_TICKS) return false;
    t->k = malloc(t->count * sizeof *t->k);
    t->use = malloc(t->count * sizeof *t->use);
    return t->k != NULL && t->use != NULL;
}

static void close_ticks(ticks *t) {
    free(t->k);
    free(t->use);
}

int jmi_lattice_fit(const int64_t *lo_ns, const int64_t *hi_ns, size_t count, double prior_ns,
                    jmi_lattice *lattice) {
    *lattice = (jmi_lattice){0};
    ticks t;
    bool found = open_ticks(&t, lo_ns, hi_ns, count) && fit_ticks(&t, prior_ns, lattice);
    close_ticks(&t);
    return found ? JM_OK : JM_NO_DATA;
}

void jmi_lattice_stretch(const int64_t *lo_ns, const int64_t *hi_ns, size_t count,
                         jmi_lattice *lattice) {
    ticks t;
    jmi_lattice longer;
    if (open_ticks(&t, lo_ns, hi_ns, count) && settle(&t, lattice->period_ns, &longer)) {
        int m = common_step(t.k, t.use, t.count);
        if (m > 1 && settle(&t, m * longer.period_ns, &longer) && longer.inside >= LEAST_INSIDE)
            *lattice = longer;
    }
    close_ticks(&t);
}

int64_t jmi_lattice_tick(const jmi_lattice *lattice, int64_t t_ns) {
    double steps = floor((double)(t_ns - lattice->origin_ns) / lattice->period_ns);
    return lattice->origin_ns + (int64_t)llround(steps * lattice->period_ns);
}
