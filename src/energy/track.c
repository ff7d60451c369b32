#include "energy/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void jmi_track_free(jmi_track *track) {
    if (track == NULL) return;
    free(track->edge);
    free(track->mean_w);
    free(track->seen);
    free(track->flags);
    free(track->energy_j);
    free(track->unseen_j);
    free(track->unseen_j2);
    free(track->missing_s);
    free(track->resets);
    *track = (jmi_track){0};
}

static bool grow(jmi_track *track) {
    size_t capacity = track->capacity + track->capacity / 2 + 64;
    int64_t *edge = realloc(track->edge, (capacity + 1) * sizeof *edge);
    if (edge != NULL) track->edge = edge;
    double *mean = realloc(track->mean_w, capacity * sizeof *mean);
    if (mean != NULL) track->mean_w = mean;
    bool ok = edge != NULL && mean != NULL;
    if (track->seen != NULL) {
        float *seen = realloc(track->seen, capacity * sizeof *seen);
        if (seen != NULL) track->seen = seen;
        ok = ok && seen != NULL;
    }
    if (track->flags != NULL) {
        uint8_t *flags = realloc(track->flags, capacity);
        if (flags != NULL) track->flags = flags;
        ok = ok && flags != NULL;
    }
    if (ok) track->capacity = capacity;
    return ok;
}

/* The columns that most tracks do not need come into being with the first cell that needs them. */
static bool set_seen(jmi_track *track, size_t cell, double seen) {
    if (track->seen == NULL) {
        if (seen >= 1) return true;
        track->seen = malloc(track->capacity * sizeof *track->seen);
        if (track->seen == NULL) return false;
        for (size_t i = 0; i < cell; i++) track->seen[i] = 1;
    }
    track->seen[cell] = (float)seen;
    return true;
}

static bool set_flags(jmi_track *track, size_t cell, uint8_t flags) {
    if (track->flags == NULL) {
        if (flags == 0) return true;
        track->flags = calloc(track->capacity, 1);
        if (track->flags == NULL) return false;
    }
    track->flags[cell] = flags;
    return true;
}

bool jmi_track_add(jmi_track *track, int64_t end, double mean_w, double seen, uint8_t flags) {
    if (track->count == track->capacity && !grow(track)) return false;
    size_t cell = track->count;
    if (end <= track->edge[cell]) return true; /* nothing lies between */
    track->edge[cell + 1] = end;
    track->mean_w[cell] = mean_w;
    if (!set_seen(track, cell, seen) || !set_flags(track, cell, flags)) return false;
    track->count++;
    return true;
}

/* Gallops from `from`, either way: windows come in order, so the answer mostly lies near. */
size_t jmi_track_find(const jmi_track *track, int64_t t, size_t from) {
    const int64_t *edge = track->edge;
    size_t n = track->count, lo = from < n ? from : n - 1, hi, step = 1;
    if (edge[lo] < t) {
        hi = lo + 1;
        while (hi < n && edge[hi] < t) {
            lo = hi;
            hi = lo + step < n ? lo + step : n;
            step *= 2;
        }
    } else {
        hi = lo;
        lo = hi > step ? hi - step : 0;
        while (lo > 0 && edge[lo] >= t) {
            hi = lo;
            step *= 2;
            lo = hi > step ? hi - step : 0;
        }
        if (hi == 0) return 0;
    }
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (edge[mid] < t)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Half width, in cells, of the neighbourhood whose spread tells what unseen time may hold. */
enum { AROUND = 16 };

/* Mean number of neighbours (one side, twice over) that move together: the sum of the positive
 * autocorrelations. A load that beats slowly against the sensor errs alike for many cells. */
static double run_length(const double *y, size_t n) {
    if (n < 8) return (double)n;
    if (n > 100000) n = 100000;
    double mean = 0, var = 0;
    for (size_t i = 0; i < n; i++) mean += y[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) var += (y[i] - mean) * (y[i] - mean);
    if (!(var > 0)) return 1;
    double run = 1;
    size_t most = n / 4 < 64 ? n / 4 : 64;
    for (size_t lag = 1; lag <= most; lag++) {
        double cov = 0;
        for (size_t i = lag; i < n; i++) cov += (y[i] - mean) * (y[i - lag] - mean);
        if (cov <= 0.1 * var) break;
        run += 2 * cov / var;
    }
    return run;
}

typedef struct moments {
    double sum, squares;
    size_t n;
} moments;

static void take(moments *m, double y, int sign) {
    m->sum += sign * y;
    m->squares += sign * y * y;
    m->n = (size_t)((long)m->n + sign);
}

static double variance(const moments *m) {
    if (m->n < 2) return 0;
    double n = (double)m->n, v = (m->squares - m->sum * m->sum / n) / (n - 1);
    return v > 0 ? v : 0;
}

/* What a cell's unseen part adds to the standard deviation of its energy: the seen part, of length
 * s, has variance V about the local mean; the unseen part u independently V s / u. */
static double unseen_sd(const jmi_track *track, size_t cell, double spread) {
    double length = (double)(track->edge[cell + 1] - track->edge[cell]) * 1e-9;
    uint8_t flags = track->flags != NULL ? track->flags[cell] : 0;
    if (flags & (JMI_CELL_MISSING | JMI_CELL_RESET))
        return (track->ceiling_w - track->floor_w) * length / sqrt(12);
    double unseen = length * (1 - (track->seen != NULL ? (double)track->seen[cell] : 1));
    return sqrt(spread * unseen * length);
}

static int sum_unseen(jmi_track *track) {
    size_t n = track->count;
    free(track->unseen_j);
    free(track->unseen_j2);
    track->unseen_j = calloc(n + 1, sizeof *track->unseen_j);
    track->unseen_j2 = calloc(n + 1, sizeof *track->unseen_j2);
    if (track->unseen_j == NULL || track->unseen_j2 == NULL) return JM_MEMORY;
    double noise = track->noise_w * track->noise_w;
    moments around = {0};
    for (size_t i = 0; i < n && i < AROUND; i++) take(&around, track->mean_w[i], 1);
    for (size_t i = 0; i < n; i++) {
        if (i + AROUND < n) take(&around, track->mean_w[i + AROUND], 1);
        if (i > AROUND) take(&around, track->mean_w[i - AROUND - 1], -1);
        double spread = jmi_max(variance(&around) - noise, 0);
        double sd = unseen_sd(track, i, spread);
        track->unseen_j[i + 1] = track->unseen_j[i] + sd;
        track->unseen_j2[i + 1] = track->unseen_j2[i] + sd * sd;
    }
    track->run = run_length(track->mean_w, n);
    return JM_OK;
}

static int sum_missing(jmi_track *track) {
    size_t n = track->count;
    if (track->missing_s == NULL) track->missing_s = malloc((n + 1) * sizeof *track->missing_s);
    if (track->resets == NULL) track->resets = malloc((n + 1) * sizeof *track->resets);
    if (track->missing_s == NULL || track->resets == NULL) return JM_MEMORY;
    track->missing_s[0] = 0;
    track->resets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        bool missing = (track->flags[i] & (JMI_CELL_MISSING | JMI_CELL_RESET)) != 0;
        double length = (double)(track->edge[i + 1] - track->edge[i]) * 1e-9;
        track->missing_s[i + 1] = track->missing_s[i] + (missing ? length : 0);
        track->resets[i + 1] = track->resets[i] + ((track->flags[i] & JMI_CELL_RESET) != 0);
    }
    return JM_OK;
}

int jmi_track_sum(jmi_track *track) {
    size_t n = track->count;
    if (track->energy_j == NULL) track->energy_j = malloc((n + 1) * sizeof *track->energy_j);
    if (track->energy_j == NULL) return JM_MEMORY;
    jmi_use_large_pages(track->energy_j, (n + 1) * sizeof *track->energy_j);
    track->energy_j[0] = 0;
    for (size_t i = 0; i < n; i++)
        track->energy_j[i + 1] =
            track->energy_j[i] +
            track->mean_w[i] * ((double)(track->edge[i + 1] - track->edge[i]) * 1e-9);
    if (track->seen == NULL && track->flags == NULL) return JM_OK;
    if (track->flags != NULL && sum_missing(track) != JM_OK) return JM_MEMORY;
    return sum_unseen(track);
}
