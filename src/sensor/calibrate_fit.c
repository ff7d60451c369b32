#include "sensor/calibrate_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- order statistics ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double jmi_quantile(double *values, size_t count, double q) {
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, compare_doubles);
    size_t at = (size_t)(q * (double)(count - 1) + 0.5);
    return values[at < count ? at : count - 1];
}

static double *differences(const jmi_tick *ticks, size_t count) {
    double *steps = count > 1 ? jmi_alloc(count - 1, sizeof *steps) : NULL;
    for (size_t i = 1; steps != NULL && i < count; i++)
        steps[i - 1] = fabs(ticks[i].value - ticks[i - 1].value);
    return steps;
}

double jmi_noise_of(const jmi_tick *ticks, size_t count) {
    double *steps = differences(ticks, count);
    if (steps == NULL) return 0;
    /* Median of |difference of two normals| is 0.6745 * sqrt(2) * sigma. */
    double median = jmi_quantile(steps, count - 1, 0.5);
    free(steps);
    return median / (0.6745 * sqrt(2));
}

double jmi_quantum_of(const jmi_tick *ticks, size_t count) {
    double *steps = differences(ticks, count);
    double least = 0;
    for (size_t i = 0; steps != NULL && i + 1 < count; i++)
        if (steps[i] > 1e-9 && (least == 0 || steps[i] < least)) least = steps[i];
    free(steps);
    return least;
}

/* ---- T ---- */

int jmi_fit_refresh(const jmi_tick *ticks, size_t count, double prior_ns, jmi_lattice *lattice) {
    int64_t *times = jmi_alloc(2 * count, sizeof *times);
    if (times == NULL) return JM_MEMORY;
    for (size_t i = 0; i < count; i++) {
        times[i] = ticks[i].lo_ns;
        times[count + i] = ticks[i].hi_ns;
    }
    int status = jmi_lattice_fit(times, times + count, count, prior_ns, lattice);
    if (status == JM_OK) jmi_lattice_stretch(times, times + count, count, lattice);
    free(times);
    return status;
}

/* ---- W and L ---- */

/* Seconds from `base`, in which doubles keep nanoseconds. */
struct problem {
    size_t count;
    const double *tau; /* of each tick */
    const double *value;
    size_t edge_count;
    const double *edge; /* times */
    const double *on;   /* time on before each edge */
    bool first_on;      /* state after the first edge */
};

struct solution {
    double window, lag;
    double off, on;
    double rss;
};

/* Time on in (-inf, t], the load being off before the first edge. */
static double time_on(const struct problem *p, double t) {
    size_t low = 0, high = p->edge_count; /* edges [0, low) are at or before t */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->edge[middle] <= t)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return p->first_on ? 0 : t - p->edge[0];
    bool on = ((low - 1) % 2 == 0) == p->first_on;
    return p->on[low - 1] + (on ? t - p->edge[low - 1] : 0);
}

static double share_on(const struct problem *p, double begin, double end) {
    if (end - begin < 1e-6) begin = end - 1e-6;
    return (time_on(p, end) - time_on(p, begin)) / (end - begin);
}

/* Least squares for the two powers; the residual sum is the profile. */
static void solve(const struct problem *p, struct solution *s) {
    double n = (double)p->count, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    double shift = p->value[0];
    for (size_t i = 0; i < p->count; i++) {
        double end = p->tau[i] - s->lag;
        double x = share_on(p, end - s->window, end);
        double y = p->value[i] - shift;
        sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
    }
    double vx = sxx - sx * sx / n, vxy = sxy - sx * sy / n, vy = syy - sy * sy / n;
    double slope = vx > 1e-12 ? vxy / vx : 0;
    s->rss = vy - slope * vxy;
    if (!(s->rss > 0)) s->rss = 0;
    s->off = shift + (sy - slope * sx) / n;
    s->on = s->off + slope;
}

static void try_at(const struct problem *p, double window, double lag, struct solution *best) {
    struct solution s = {.window = window, .lag = lag};
    if (window < 0 || lag < 0) return;
    solve(p, &s);
    if (s.on > s.off && (best->rss < 0 || s.rss < best->rss)) *best = s;
}

/* Finer and finer steps about the best; a window below 0 is free. */
static void refine(const struct problem *p, double step, double fixed_window,
                   struct solution *best) {
    for (int round = 0; round < 24; round++, step *= 0.6) {
        struct solution from = *best;
        for (int l = -2; l <= 2; l++) {
            if (fixed_window >= 0) {
                try_at(p, fixed_window, from.lag + l * step, best);
                continue;
            }
            for (int w = -2; w <= 2; w++)
                try_at(p, from.window + w * step, from.lag + l * step, best);
        }
    }
}

/* A grid first, since the profile has local minima one period of the load apart. */
static struct solution search(const struct problem *p, double most_window, double most_lag) {
    enum { STEPS = 48 };
    struct solution best = {.rss = -1};
    for (int w = 0; w <= STEPS; w++) {
        double share = (double)w / STEPS;
        for (int l = 0; l <= STEPS; l++)
            try_at(p, most_window * share * share, most_lag * l / STEPS, &best);
    }
    if (best.rss >= 0) refine(p, most_window / STEPS, -1, &best);
    return best;
}

/* The residual sum for another window, lag and powers following. */
static double profile_at(const struct problem *p, const struct solution *best, double window) {
    struct solution there = {.rss = -1};
    double lag = best->lag + (best->window - window) / 2; /* the window's middle stays */
    try_at(p, window, lag > 0 ? lag : 0, &there);
    if (there.rss < 0) return INFINITY;
    refine(p, fabs(window - best->window) / 2 + 1e-6, window, &there);
    return there.rss;
}

/* Where the profile over W rises by half a unit of log likelihood on either side. */
static double uncertainty_of(const struct problem *p, const struct solution *best,
                             double most_window) {
    double floor = best->rss > 1e-12 ? best->rss : 1e-12;
    double within = 0; /* so far the profile is flat */
    for (double step = best->window * 0.002 + 1e-5; step < most_window; step *= 2) {
        double rss = profile_at(p, best, best->window + step);
        if (best->window > step) rss = fmin(rss, profile_at(p, best, best->window - step));
        double rise = (double)p->count / 2 * log(rss / floor);
        if (rise >= 0.5) return fmax(within, step / sqrt(2 * rise)); /* as of a parabola */
        within = step;
    }
    return most_window;
}

static bool significant(const struct problem *p, const struct solution *s, double total) {
    if (s->rss < 0 || p->count < 12) return false;
    double explained = total - s->rss;
    double sigma2 = s->rss / (double)(p->count - 4);
    return explained > 25 * sigma2 && explained > 0.2 * total;
}

static int fill_problem(struct problem *p, double *memory, const jmi_tick *ticks, size_t count,
                        const jmi_lattice *lattice, const jmi_edge *edges, size_t edge_count) {
    double *tau = memory, *value = tau + count, *edge = value + count, *on = edge + edge_count;
    int64_t base = ticks[0].lo_ns;
    for (size_t i = 0; i < count; i++) {
        int64_t hi = jmi_lattice_tick(lattice, ticks[i].hi_ns);
        bool inside = hi >= ticks[i].lo_ns;
        int64_t t = inside ? hi : ticks[i].lo_ns + (ticks[i].hi_ns - ticks[i].lo_ns) / 2;
        tau[i] = (double)(t - base) * 1e-9;
        value[i] = ticks[i].value;
    }
    for (size_t i = 0; i < edge_count; i++) {
        edge[i] = (double)(edges[i].t_ns - base) * 1e-9;
        on[i] = i == 0 ? 0 : on[i - 1] + (edges[i - 1].on ? edge[i] - edge[i - 1] : 0);
    }
    *p = (struct problem){count, tau, value, edge_count, edge, on, edges[0].on};
    return JM_OK;
}

/* The load's period if it has only one, else 0. */
static double only_period(const jmi_edge *edges, size_t count) {
    double least = INFINITY, most = 0, sum = 0;
    size_t periods = 0;
    for (size_t i = 2; i + 1 < count; i++) { /* the first and last may be cut */
        double period = (double)(edges[i + 1].t_ns - edges[i - 1].t_ns) * 1e-9;
        least = fmin(least, period);
        most = fmax(most, period);
        sum += period;
        periods++;
    }
    return periods > 0 && most < 1.1 * least ? sum / (double)periods : 0;
}

/* A window longer by a whole period shows the same shape, only smaller, and one that complements
 * it to a period the same upside down: with one period W is known only below half of it, and if
 * the readings reach both powers. */
static bool reaches_powers(const struct problem *p, const struct solution *s) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < p->count; i++) {
        least = fmin(least, p->value[i]);
        most = fmax(most, p->value[i]);
    }
    return s->on - s->off < 1.1 * (most - least);
}

/* Only ticks whose window the edges cover say anything about it. */
static size_t covered(const jmi_tick **ticks, size_t count, const jmi_edge *edges,
                      size_t edge_count, double reach_s) {
    int64_t from = edges[0].t_ns + (int64_t)(reach_s * 1e9);
    while (count > 0 && (*ticks)[0].lo_ns < from) (*ticks)++, count--;
    while (count > 0 && (*ticks)[count - 1].hi_ns > edges[edge_count - 1].t_ns) count--;
    return count;
}

int jmi_fit_window(const jmi_tick *ticks, size_t count, const jmi_lattice *lattice,
                   const jmi_edge *edges, size_t edge_count, double prior_window_s,
                   jmi_window_fit *fit) {
    *fit = (jmi_window_fit){0};
    if (edge_count < 4 || count < 12) return JM_NO_DATA;
    double period = lattice->period_ns * 1e-9;
    double most_window = fmax(1.5, 2 * period), most_lag = fmax(0.3, period);
    double span = (double)(edges[edge_count - 1].t_ns - edges[0].t_ns) * 1e-9;
    double only = only_period(edges, edge_count);
    if (only > 0 && prior_window_s > only / 2) return JM_NO_DATA;
    if (only > 0 && most_window > only / 2) most_window = only / 2;
    if (most_window > span / 3) most_window = span / 3;
    count = covered(&ticks, count, edges, edge_count, most_window + most_lag);
    if (count < 12) return JM_NO_DATA;
    double *memory = jmi_alloc(2 * count + 2 * edge_count, sizeof *memory);
    if (memory == NULL) return JM_MEMORY;
    struct problem p;
    fill_problem(&p, memory, ticks, count, lattice, edges, edge_count);
    struct solution best = search(&p, most_window, most_lag);
    double mean = 0, total = 0;
    for (size_t i = 0; i < count; i++) mean += p.value[i] / (double)count;
    for (size_t i = 0; i < count; i++) total += (p.value[i] - mean) * (p.value[i] - mean);
    int status = JM_NO_DATA;
    if (significant(&p, &best, total) && (only == 0 || reaches_powers(&p, &best))) {
        status = JM_OK;
        fit->window_s = best.window;
        fit->window_u_s = uncertainty_of(&p, &best, most_window);
        fit->lag_s = best.lag;
        fit->off_w = best.off;
        fit->on_w = best.on;
        fit->noise = sqrt(best.rss / (double)(count - 4));
    }
    free(memory);
    return status;
}

/* ---- edges of a load ---- */

static bool take_edge(const char *line, size_t length, jmi_edge *edge) {
    char text[48];
    if (length < 3 || length >= sizeof text) return false;
    memcpy(text, line, length);
    text[length] = '\0';
    char *comma = strchr(text, ',');
    if (comma == NULL || (strcmp(comma, ",0") != 0 && strcmp(comma, ",1") != 0)) return false;
    edge->on = comma[1] == '1';
    *comma = '\0';
    return jmi_parse_i64(text, &edge->t_ns);
}

jmi_edge *jmi_parse_edges(const char *text, size_t length, size_t *count) {
    jmi_edge *edges = NULL;
    size_t capacity = 0;
    *count = 0;
    for (const char *line = text, *end = text + length; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t line_length = (size_t)((stop != NULL ? stop : end) - line);
        jmi_edge edge;
        if (line_length > 0 && line[line_length - 1] == '\r') line_length--;
        bool good = take_edge(line, line_length, &edge);
        line += (size_t)((stop != NULL ? stop : end) - line) + 1;
        if (!good) continue;
        const jmi_edge *last = *count > 0 ? &edges[*count - 1] : NULL;
        if (last != NULL && (edge.t_ns < last->t_ns || edge.on == last->on)) continue;
        if (!jmi_reserve(&edges, &capacity, *count + 1, sizeof *edges)) break;
        edges[(*count)++] = edge;
    }
    return edges;
}
