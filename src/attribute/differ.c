/* How much the calls of a class differ in power, from what the powers leave of the readings. */
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 20, FEW = 30 };

/* Readings: the square of what the powers leave of each, and the sum of the squares of what each
 * call in it has of it. */
typedef struct squares {
    double *left, *calls;
    size_t count;
} squares;

/* Sum of the squares of what each call has in a reading, W^2. */
static double calls_in(const jmi_attributing *a, int64_t from, int64_t to, size_t *hint) {
    const jmi_piece *pieces = a->calls.pieces;
    size_t i = *hint, n = a->calls.piece_count;
    double length = (double)(to - from), sum = 0;
    while (i < n && pieces[i].end_ns <= from) i++;
    *hint = i;
    for (; i < n && pieces[i].begin_ns < to; i++) {
        const jmi_piece *p = &pieces[i];
        int64_t begin = p->begin_ns > from ? p->begin_ns : from;
        int64_t end = p->end_ns < to ? p->end_ns : to;
        double power_w = a->fit.power_w[a->layout.column[a->calls.list[p->call].cls]];
        double part_w = (double)(end - begin) / length * (double)p->weight * power_w;
        sum += part_w * part_w;
    }
    return sum;
}

static bool read_squares(squares *s, const jmi_attributing *a, size_t view) {
    const jmi_track *track = &a->views.view[view].track;
    jmi_rows rows = {.layout = &a->layout, .track = track, .shift_ns = a->shift_ns[view]};
    double *x = jmi_alloc(a->layout.width, sizeof *x), y, weight;
    size_t hint = 0;
    *s = (squares){jmi_alloc(track->count, sizeof(double)), jmi_alloc(track->count, sizeof(double)),
                   0};
    bool good = x != NULL && s->left != NULL && s->calls != NULL;
    while (good && jmi_rows_next(&rows, x, &y, &weight)) {
        int64_t from, to;
        jmi_rows_window(&rows, rows.cell - 1, &from, &to);
        double off = y - jmi_fit_sum(&a->fit, x);
        s->left[s->count] = off * off;
        s->calls[s->count++] = calls_in(a, from, to, &hint);
    }
    free(x);
    /* Powers that were fitted to the readings leave less of them than they err by. */
    double used = jmi_min((double)a->fit.count, 0.5 * (double)s->count);
    for (size_t i = 0; good && i < s->count; i++) s->left[i] /= 1 - used / (double)s->count;
    return good;
}

/* Squares that are left are those of the sensor's noise, the same for all readings, and k^2 times
 * those of the calls: least squares, each weighed by its own variance, in turns. Returns k. */
static double relative_spread(const squares *s) {
    double noise = 0, k2 = 0, left = 0, calls = 0;
    for (size_t i = 0; i < s->count; i++) left += s->left[i], calls += s->calls[i];
    if (s->count < FEW || !(calls > 0)) return 0;
    noise = 0.5 * left / (double)s->count;
    k2 = 0.5 * left / calls;
    for (int round = 0; round < ROUNDS; round++) {
        double w = 0, wq = 0, wqq = 0, wl = 0, wql = 0;
        for (size_t i = 0; i < s->count; i++) {
            double v = noise + k2 * s->calls[i], weight = v > 0 ? 1 / (v * v) : 0;
            w += weight, wq += weight * s->calls[i], wqq += weight * s->calls[i] * s->calls[i];
            wl += weight * s->left[i], wql += weight * s->calls[i] * s->left[i];
        }
        double determinant = w * wqq - wq * wq;
        if (!(determinant > 1e-6 * w * wqq)) break; /* all readings are alike */
        double n = (wqq * wl - wq * wql) / determinant, k = (w * wql - wq * wl) / determinant;
        if (n < 0) n = 0, k = wql / wqq;
        if (k < 0) k = 0, n = wl / w;
        noise = (noise + n) / 2;
        k2 = (k2 + k) / 2;
    }
    return sqrt(k2);
}

double jmi_attribute_differ(const jmi_attributing *a) {
    double spread = 0, least = INFINITY;
    for (size_t v = 0; v < a->views.count; v++) { /* the view that shows it best */
        squares s;
        if (read_squares(&s, a, v) && a->fit.noise_w[v] < least) {
            least = a->fit.noise_w[v];
            spread = relative_spread(&s);
        }
        free(s.left);
        free(s.calls);
    }
    return fmin(spread, 0.2);
}
