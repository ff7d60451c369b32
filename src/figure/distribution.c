#include "figure/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 1 << 16, MOST_BINS = 200 };

/* ---- passes over the values ---- */

/* The values of one stretch one by one. */
typedef struct walk {
    const jmi_curve *curve;
    double from_s, to_s;
    size_t i, end;
} walk;

static size_t find(const jmi_curve *curve, double t_s) {
    size_t low = 0, high = curve->count; /* the first value after t_s */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (curve->t_s[middle] <= t_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static walk begin_walk(const jmi_stretch *s) {
    size_t first = find(s->curve, s->from_s);
    return (walk){s->curve, s->from_s, s->to_s, first > 0 ? first - 1 : 0, s->curve->count};
}

static inline double overlap(const walk *w) {
    double from = w->curve->t_s[w->i], to = jmi_curve_until(w->curve, w->i);
    if (from < w->from_s) from = w->from_s;
    if (to > w->to_s) to = w->to_s;
    return to - from;
}

/* The next value that is known and holds for some time (or, of unweighed ones, is seen). */
static inline bool step(walk *w, bool unweighed, double *value, double *weight) {
    while (w->i < w->end && w->curve->t_s[w->i] <= w->to_s) {
        *value = w->curve->value[w->i];
        *weight = overlap(w);
        bool seen = unweighed && w->curve->t_s[w->i] >= w->from_s;
        w->i++;
        if (isnan(*value)) continue;
        if (unweighed) *weight = 1;
        if (unweighed ? seen : *weight > 0) return true;
    }
    return false;
}

static inline size_t bin_of(const jmi_distribution *d, double value) {
    double span = d->max - d->min;
    if (!(span > 0)) return 0;
    size_t bin = (size_t)((value - d->min) / span * BINS);
    return bin < BINS ? bin : BINS - 1;
}

static void find_range(jmi_distribution *d) {
    double value, weight, sum = 0;
    d->min = INFINITY, d->max = -INFINITY;
    d->total_s = 0;
    d->count = 0;
    for (size_t s = 0; s < d->stretch_count; s++)
        for (walk w = begin_walk(&d->stretches[s]); step(&w, d->unweighed, &value, &weight);) {
            if (value < d->min) d->min = value;
            if (value > d->max) d->max = value;
            d->total_s += weight;
            sum += weight * value;
            d->count++;
        }
    d->mean = sum / d->total_s;
}

static void fill_bins(jmi_distribution *d) {
    double value, weight;
    for (size_t s = 0; s < d->stretch_count; s++)
        for (walk w = begin_walk(&d->stretches[s]); step(&w, d->unweighed, &value, &weight);) {
            jmi_bin *bin = &d->bins[bin_of(d, value)];
            if (bin->count == 0) bin->min = bin->max = value;
            if (value < bin->min) bin->min = value;
            if (value > bin->max) bin->max = value;
            bin->weight_s += weight;
            bin->count++;
        }
}

int jmi_distribution_make(jmi_distribution *d, const jmi_stretch *stretches, size_t count,
                          jm_error *error) {
    *d = (jmi_distribution){.stretches = stretches, .stretch_count = count};
    find_range(d);
    if (d->count == 0) {
        d->unweighed = true;
        find_range(d);
    }
    if (d->count == 0) return jmi_fail(error, JM_NO_DATA, "there is no value");
    d->bins = jmi_alloc(BINS, sizeof *d->bins);
    if (d->bins == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a distribution");
    fill_bins(d);
    return JM_OK;
}

void jmi_distribution_free(jmi_distribution *d) {
    free(d->bins);
    *d = (jmi_distribution){.bins = NULL};
}

/* ---- quantiles ---- */

typedef struct weighed {
    double value, weight;
} weighed;

/* A quantile that is being looked for: in which bin it lies, and the values there. */
typedef struct target {
    size_t bin;
    double left; /* of the weight, at the bin's beginning */
    weighed *values;
    size_t count, capacity;
} target;

static int compare_values(const void *left, const void *right) {
    const weighed *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static target aim(const jmi_distribution *d, double share) {
    double left = share * d->total_s * (1 - 1e-9); /* sums of weights round */
    size_t last = 0;
    for (size_t i = 0; i < BINS; i++) {
        if (d->bins[i].count == 0) continue;
        last = i;
        if (d->bins[i].weight_s >= left) break;
        left -= d->bins[i].weight_s;
    }
    return (target){.bin = last, .left = left};
}

static bool is_open(const jmi_distribution *d, const target *t) {
    return d->bins[t->bin].min < d->bins[t->bin].max;
}

/* Gathers the values of the bins in which quantiles lie, in one pass. */
static bool gather(const jmi_distribution *d, target *targets, size_t count) {
    double value, weight;
    bool good = true, any = false;
    for (size_t k = 0; k < count; k++) any |= is_open(d, &targets[k]);
    for (size_t s = 0; any && s < d->stretch_count; s++)
        for (walk w = begin_walk(&d->stretches[s]); step(&w, d->unweighed, &value, &weight);) {
            size_t bin = bin_of(d, value);
            for (size_t k = 0; k < count; k++) {
                target *t = &targets[k];
                if (t->bin != bin || !is_open(d, t)) continue;
                if (!jmi_reserve(&t->values, &t->capacity, t->count + 1, sizeof *t->values))
                    good = false;
                else
                    t->values[t->count++] = (weighed){value, weight};
            }
        }
    return good;
}

static double hit(const jmi_distribution *d, target *t) {
    if (!is_open(d, t) || t->count == 0) return d->bins[t->bin].max;
    qsort(t->values, t->count, sizeof *t->values, compare_values);
    size_t i = 0;
    while (i + 1 < t->count && t->values[i].weight < t->left) t->left -= t->values[i++].weight;
    return t->values[i].value;
}

int jmi_distribution_quantiles(const jmi_distribution *d, const double *shares, size_t count,
                               double *values, jm_error *error) {
    target targets[8];
    if (count > JMI_COUNT(targets)) return jmi_fail(error, JM_INVALID, "too many quantiles");
    for (size_t k = 0; k < count; k++) targets[k] = aim(d, shares[k]);
    bool good = gather(d, targets, count);
    for (size_t k = 0; k < count; k++) {
        values[k] = hit(d, &targets[k]);
        free(targets[k].values);
    }
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for a quantile");
}

/* ---- histogram and distribution function ---- */

size_t jmi_distribution_bins(const jmi_distribution *d, double q1, double q3) {
    double width = 2 * (q3 - q1) / cbrt((double)d->count);
    if (!(d->max > d->min)) return 1;
    double least = log2((double)d->count) + 1;
    double bins = width > 0 ? fmax((d->max - d->min) / width, least) : least;
    return (size_t)fmin(fmax(ceil(bins), 1), MOST_BINS);
}

void jmi_distribution_count(const jmi_distribution *d, double low, double high, double *time_s,
                            size_t count) {
    double value, weight;
    memset(time_s, 0, count * sizeof *time_s);
    for (size_t s = 0; s < d->stretch_count; s++)
        for (walk w = begin_walk(&d->stretches[s]); step(&w, d->unweighed, &value, &weight);) {
            double at = high > low ? (value - low) / (high - low) * (double)count : 0;
            size_t bin = at < 0 ? 0 : (size_t)at;
            time_s[bin < count ? bin : count - 1] += weight;
        }
}

void jmi_distribution_draw(const jmi_distribution *d, size_t pixels, jmi_mark *mark) {
    double below = 0, drawn = 0;
    size_t each = pixels > 0 && pixels < BINS ? BINS / pixels : 1;
    JMI_PUT(mark, d->min, 0);
    for (size_t i = 0, last = SIZE_MAX; i < BINS; i++) {
        if (d->bins[i].count == 0) continue;
        below += d->bins[i].weight_s;
        double share = d->bins[i].max >= d->max ? 1 : below / d->total_s;
        /* One step a pixel, but none that is taller than a pixel is left out. */
        bool tall = pixels > 0 && share - drawn > 1.0 / (double)pixels;
        if (last != SIZE_MAX && i - last < each && !tall && share < 1) continue;
        JMI_PUT(mark, d->bins[i].max, share);
        drawn = share;
        last = i;
    }
}

/* ---- boxes ---- */

/* The last values inside the fences: whole bins, and those that a fence cuts value by value. */
static void find_whiskers(const jmi_distribution *d, jmi_box *box) {
    double low = box->q1 - 1.5 * (box->q3 - box->q1), high = box->q3 + 1.5 * (box->q3 - box->q1);
    double value, weight;
    bool cut = false;
    box->low = box->q1, box->high = box->q3;
    for (size_t i = 0; i < BINS; i++) {
        const jmi_bin *bin = &d->bins[i];
        if (bin->count == 0) continue;
        cut |= (bin->min < low && bin->max >= low) || (bin->min <= high && bin->max > high);
        if (bin->min >= low && bin->min < box->low) box->low = bin->min;
        if (bin->max <= high && bin->max > box->high) box->high = bin->max;
    }
    for (size_t s = 0; cut && s < d->stretch_count; s++)
        for (walk w = begin_walk(&d->stretches[s]); step(&w, d->unweighed, &value, &weight);) {
            if (value >= low && value < box->low) box->low = value;
            if (value <= high && value > box->high) box->high = value;
        }
}

int jmi_distribution_box(const jmi_distribution *d, jmi_box *box, jm_error *error) {
    double quartiles[3];
    int status =
        jmi_distribution_quantiles(d, (const double[]){0.25, 0.5, 0.75}, 3, quartiles, error);
    if (status != JM_OK) return status;
    *box = (jmi_box){.q1 = quartiles[0], .median = quartiles[1], .q3 = quartiles[2]};
    find_whiskers(d, box);
    return JM_OK;
}

void jmi_distribution_outliers(const jmi_distribution *d, const jmi_box *box, double y,
                               size_t pixels, jmi_mark *mark) {
    size_t each = pixels > 0 && pixels < BINS ? BINS / pixels : 1;
    for (size_t i = 0, next = 0; i < BINS; i++) {
        const jmi_bin *bin = &d->bins[i];
        if (bin->count == 0 || i < next) continue;
        bool below = bin->min<box->low, above = bin->max> box->high;
        if (below) JMI_PUT(mark, bin->min, y);
        if (above && (!below || bin->max > bin->min)) JMI_PUT(mark, bin->max, y);
        if (below || above) next = i + each;
    }
}
