/* How much the readings could tell of the parts. */
#include "attribute/attribution.h"
#include "base/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- do readings fall on the same place of every iteration? ---- */

enum { LOOKED_AT = 2000 };

/* Sum over classes of the variance of their shares. */
typedef struct spread {
    double *sum, *square;
    double n;
} spread;

static void add_spread(spread *s, const jmi_layout *layout, const double *x) {
    for (size_t i = 0; i < layout->classes; i++) {
        s->sum[i] += x[i];
        s->square[i] += x[i] * x[i];
    }
    s->n += 1;
}

static double variance_of(const spread *s, const jmi_layout *layout) {
    double all = 0;
    for (size_t i = 0; s->n > 0 && i < layout->classes; i++)
        all += s->square[i] / s->n - s->sum[i] / s->n * (s->sum[i] / s->n);
    return all;
}

/* A window of the same length elsewhere nearby: up to a cell later, by the golden ratio, so that
 * such windows lie evenly over the iteration. */
static void elsewhere(const jmi_layout *layout, const jmi_track *track, int64_t a, int64_t b,
                      size_t number, double *x) {
    double share = fmod((double)number * 0.6180339887498949, 1);
    int64_t later = (int64_t)(share * track->cell_ns);
    size_t hint = 0, low = 0, high = layout->calls->piece_count;
    while (low < high) { /* the first piece that ends after a */
        size_t middle = low + (high - low) / 2;
        if (layout->calls->pieces[middle].end_ns <= a + later)
            low = middle + 1;
        else
            high = middle;
    }
    hint = low;
    memset(x, 0, layout->width * sizeof *x);
    jmi_layout_times(layout, a + later, b + later, &hint, x, NULL);
    for (size_t i = 0; i < layout->width; i++) x[i] /= (double)(b - a);
}

/* 1 less the ratio of how shares of the classes vary between readings, and between windows of the
 * same length that lie anywhere. Where even these do not vary (whole iterations) it is 1 too. */
static double find_lock(const jmi_attributing *a, size_t view) {
    const jmi_layout *layout = &a->layout;
    const jmi_track *track = &a->views.view[view].track;
    size_t width = layout->width, number = 0;
    double *room = jmi_alloc(5 * width, sizeof *room), y, weight, lock = 0;
    if (room == NULL) return (double)NAN;
    double *x = room;
    spread seen = {.sum = room + width, .square = room + 2 * width};
    spread anywhere = {.sum = room + 3 * width, .square = room + 4 * width};
    jmi_rows rows = {.layout = layout,
                     .track = track,
                     .shift_ns = a->shift_ns[view],
                     .stride = track->count / LOOKED_AT + 1};
    while (jmi_rows_next(&rows, x, &y, &weight)) {
        int64_t from, to;
        if (x[layout->width - 1] > 0.98) continue; /* nothing runs */
        add_spread(&seen, layout, x);
        jmi_rows_window(&rows, rows.cell - rows.stride, &from, &to);
        elsewhere(layout, track, from, to, number++, x);
        add_spread(&anywhere, layout, x);
    }
    double most = variance_of(&anywhere, layout);
    lock = most > 1e-6 ? 1 - variance_of(&seen, layout) / most : 1;
    free(room);
    return fmin(fmax(lock, 0), 1);
}

/* ---- condition ---- */

/* Square root of the ratio of the largest and smallest eigenvalue of the classes' correlations,
 * by powers of the matrix and of its inverse; 1e6 stands for more than can be told. */
static double condition_of(const jmi_attributing *a) {
    enum { STEPS = 30 };
    size_t n = a->layout.classes, width = a->layout.width;
    double *m = jmi_alloc(n * n, sizeof *m), *v = jmi_alloc(2 * n, sizeof *v);
    double largest = 0, inverse = 0;
    bool good = m != NULL && v != NULL;
    for (size_t i = 0; good && i < n; i++)
        for (size_t k = 0; k <= i; k++)
            for (size_t view = 0; view < a->views.count; view++)
                m[i * n + k] += a->normals[view].xx[i * width + k];
    double *scale = good ? v + n : NULL;
    for (size_t i = 0; good && i < n; i++) scale[i] = sqrt(fmax(m[i * n + i], 1e-12));
    for (size_t i = 0; good && i < n; i++)
        for (size_t k = 0; k <= i; k++)
            m[i * n + k] = m[i * n + k] / (scale[i] * scale[k]) + (i == k ? 1e-12 : 0);
    for (size_t i = 0; good && i < n; i++)
        if (!(m[i * n + i] > 1e-9)) m[i * n + i] = 1; /* calls of no duration: nothing to tell */
    for (int way = 0; good && way < 2; way++) {       /* first the matrix, then its inverse */
        if (way == 1) good = jmi_dense_cholesky(m, n);
        for (size_t i = 0; i < n; i++) v[i] = 1 + 0.1 * (double)(i * 7 % 13);
        double length = 0;
        for (int step = 0; good && step < STEPS; step++) {
            if (way == 0) {
                jmi_dense_multiply(m, n, v, scale);
                memcpy(v, scale, n * sizeof *v);
            } else {
                jmi_dense_solve(m, n, v);
            }
            length = 0;
            for (size_t i = 0; i < n; i++) length += v[i] * v[i];
            length = sqrt(length);
            for (size_t i = 0; i < n; i++) v[i] /= length;
        }
        *(way == 0 ? &largest : &inverse) = length;
    }
    free(m);
    free(v);
    return good ? fmin(sqrt(largest * inverse), 1e6) : 1e6;
}

void jmi_attribute_diagnose(const jmi_attributing *a, jm_attribution_info *info) {
    double least = INFINITY;
    for (size_t v = 0; v < a->views.count; v++) {
        double lock = find_lock(a, v);
        info->readings += a->normals[v].rows;
        if (lock < info->lock || v == 0) info->lock = lock;
        if (a->fit.noise_w[v] < least) info->noise_w = least = a->fit.noise_w[v];
        if (fabs(a->shift_ns[v]) > fabs(info->shift_s * 1e9)) info->shift_s = a->shift_ns[v] * 1e-9;
    }
    info->within = a->within;
    info->needed = a->needed;
    info->effective = (double)info->readings / a->widened;
    info->condition = condition_of(a);
}
