#include "attribute/rows.h"

#include "base/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 };

/* ---- columns ---- */

typedef struct ranked {
    double time_s;
    uint32_t cls;
} ranked;

static int by_time(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->time_s != b->time_s) return a->time_s > b->time_s ? -1 : 1;
    return (a->cls > b->cls) - (a->cls < b->cls);
}

/* Each class its own column; of more than there may be, those of least time share the last. */
static bool assign(jmi_layout *layout) {
    size_t count = layout->calls->class_count;
    ranked *all = jmi_alloc(count, sizeof *all);
    if (all == NULL) return false;
    for (uint32_t i = 0; i < count; i++) all[i] = (ranked){layout->calls->classes[i].all_s, i};
    if (count > layout->classes) qsort(all, count, sizeof *all, by_time);
    for (size_t i = 0; i < count; i++) {
        size_t place = i < layout->classes ? i : layout->classes - 1;
        layout->column[all[i].cls] = (uint32_t)place;
    }
    free(all);
    return true;
}

bool jmi_layout_make(jmi_layout *layout, const jmi_calls *calls, size_t most) {
    *layout = (jmi_layout){.calls = calls, .classes = calls->class_count};
    if (layout->classes > most) {
        layout->classes = most;
        layout->lumped = true;
    }
    layout->width = layout->classes + JMI_GAPS;
    layout->column = jmi_alloc(calls->class_count, sizeof *layout->column);
    return layout->column != NULL && assign(layout);
}

void jmi_layout_free(jmi_layout *layout) {
    free(layout->column);
    layout->column = NULL;
}

/* ---- overlaps ---- */

/* Gaps between calls that follow each other, between iterations, and when nothing runs. */
static size_t gap_of(int64_t length_ns) {
    return length_ns < 300000 ? 0 : length_ns < 300000000 ? 1 : 2;
}

/* Ends of pieces rise as their beginnings do, once those that run at once share their time. */
void jmi_layout_times(const jmi_layout *layout, int64_t a, int64_t b, size_t *hint, double *x,
                      size_t ends[2]) {
    const jmi_calls *calls = layout->calls;
    const jmi_piece *pieces = calls->pieces;
    size_t i = *hint, n = calls->piece_count, last = SIZE_MAX, unwanted[2];
    while (i < n && pieces[i].end_ns <= a) i++;
    *hint = i;
    if (ends == NULL) ends = unwanted;
    ends[0] = SIZE_MAX;
    int64_t before = i > 0 ? pieces[i - 1].end_ns : INT64_MIN / 2;
    int64_t at = a;
    for (; i < n && pieces[i].begin_ns < b; i++) {
        const jmi_piece *p = &pieces[i];
        int64_t from = p->begin_ns > a ? p->begin_ns : a, to = p->end_ns < b ? p->end_ns : b;
        if (from > at) {
            last = layout->classes + gap_of(p->begin_ns - before);
            x[last] += (double)(from - at);
            if (ends[0] == SIZE_MAX) ends[0] = last;
        }
        last = layout->column[calls->list[p->call].cls];
        x[last] += (double)(to - from) * (double)p->weight;
        if (ends[0] == SIZE_MAX) ends[0] = last;
        if (to > at) at = to;
        before = p->end_ns;
    }
    if (at < b) {
        last = layout->classes + gap_of((i < n ? pieces[i].begin_ns : INT64_MAX / 2) - before);
        x[last] += (double)(b - at);
    }
    ends[1] = last;
    if (ends[0] == SIZE_MAX) ends[0] = last;
}

/* ---- rows ---- */

void jmi_rows_window(const jmi_rows *rows, size_t cell, int64_t *a, int64_t *b) {
    const jmi_track *track = rows->track;
    double length = (double)(track->edge[cell + 1] - track->edge[cell]);
    double seen = length * (track->seen != NULL ? (double)track->seen[cell] : 1);
    *b = track->edge[cell + 1] + (int64_t)(track->blur_ns / 2 - rows->shift_ns);
    *a = *b - (int64_t)(jmi_max(seen, 1) + track->blur_ns);
}

/* A counter's mean over a longer time is known the better. */
static double weight_of(const jmi_track *track, size_t cell) {
    if (!track->counter || !(track->cell_ns > 0)) return 1;
    double length = (double)(track->edge[cell + 1] - track->edge[cell]) / track->cell_ns;
    return jmi_min(jmi_max(length * length, 0.01), 25);
}

bool jmi_rows_next(jmi_rows *rows, double *x, double *y, double *weight) {
    const jmi_track *track = rows->track;
    const jmi_layout *layout = rows->layout;
    for (; rows->cell<track->count; rows->cell += rows->stride> 0 ? rows->stride : 1) {
        int64_t a, b;
        size_t cell = rows->cell;
        if (track->flags != NULL && track->flags[cell] != 0) continue;
        jmi_rows_window(rows, cell, &a, &b);
        if (a < track->begin_ns) continue; /* what ran then is not known */
        memset(x, 0, layout->width * sizeof *x);
        jmi_layout_times(layout, a, b, &rows->hint, x, rows->ends);
        double length = (double)(b - a);
        for (size_t i = 0; i < layout->width; i++) x[i] /= length;
        *y = track->mean_w[cell];
        *weight = weight_of(track, cell);
        rows->cell += rows->stride > 0 ? rows->stride : 1;
        return true;
    }
    return false;
}

/* ---- sums ---- */

bool jmi_normal_open(jmi_normal *normal, const jmi_layout *layout) {
    size_t n = layout->width;
    *normal = (jmi_normal){.n = 0};
    normal->xx = jmi_alloc(n * n, sizeof *normal->xx);
    normal->errors = jmi_alloc(n * n, sizeof *normal->errors);
    normal->xy = jmi_alloc(n, sizeof *normal->xy);
    normal->x = jmi_alloc(n, sizeof *normal->x);
    return normal->xx != NULL && normal->errors != NULL && normal->xy != NULL && normal->x != NULL;
}

void jmi_normal_close(jmi_normal *normal) {
    free(normal->xx);
    free(normal->errors);
    free(normal->xy);
    free(normal->x);
    *normal = (jmi_normal){.n = 0};
}

/* ---- shares that err ---- */

static void add_at(double *m, size_t n, size_t i, size_t k, double value) {
    m[(i > k ? i : k) * n + (i > k ? k : i)] += value;
}

/* A gauge's window moves as one: what enters at one end leaves at the other. A counter's ticks err
 * one by one; then the rest shares in what enters, which add_rest does for all rows together. */
static void add_error(jmi_normal *normal, size_t n, const jmi_rows *rows, double weight,
                      double length_ns) {
    double u = rows->track->tick_u_ns / length_ns, square = weight * u * u;
    size_t a = rows->ends[0], b = rows->ends[1];
    if (rows->track->counter || a != b) {
        add_at(normal->errors, n, a, a, square);
        add_at(normal->errors, n, b, b, square);
    }
    if (!rows->track->counter && a != b) add_at(normal->errors, n, a, b, -square);
}

static void add_rest(jmi_normal *normal, size_t n) {
    double all = 0;
    double *ends = normal->errors;
    for (size_t i = 0; i < n; i++) all += ends[i * n + i];
    double *at_ends = jmi_alloc(n, sizeof *at_ends);
    if (at_ends == NULL) return; /* without it errors seem a little larger */
    for (size_t i = 0; i < n; i++) at_ends[i] = ends[i * n + i];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            double p = normal->x[i] / normal->n, q = normal->x[k] / normal->n;
            ends[i * n + k] += all * p * q - at_ends[i] * q - p * at_ends[k];
        }
    free(at_ends);
}

/* Of rows by their mean m and deviations: S = sum of squares of these, E of their errors. Shares
 * are replaced by m + (I - E S^-1) (x - m), the best guess of the true ones. */
static bool calibrate(jmi_normal *normal, size_t n) {
    double *s = jmi_alloc(n * n, sizeof *s), *v = jmi_alloc(n * n, sizeof *v);
    double *column = jmi_alloc(2 * n, sizeof *column), *xy = column + n, scale = 0, y = normal->y;
    bool good = s != NULL && v != NULL && column != NULL;
    for (size_t i = 0; good && i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            s[i * n + k] = normal->xx[i * n + k] - normal->x[i] * normal->x[k] / normal->n;
            if (i == k) scale += normal->errors[i * n + k];
        }
    for (size_t i = 0; good && i < n; i++) {
        s[i * n + i] += 1e-3 * scale / (double)n + 1e-12;
        xy[i] = normal->xy[i] - normal->x[i] * y / normal->n;
    }
    good = good && jmi_dense_cholesky(s, n);
    if (good) jmi_dense_solve(s, n, xy);     /* S^-1 times the deviations' products with y */
    for (size_t k = 0; good && k < n; k++) { /* rows of v: S^-1 E, column by column */
        for (size_t i = 0; i < n; i++)
            column[i] = normal->errors[(i > k ? i : k) * n + (i > k ? k : i)];
        jmi_dense_solve(s, n, column);
        memcpy(v + k * n, column, n * sizeof *v);
    }
    if (good) { /* S - 2 E + E S^-1 E, and less E S^-1 (...) of y */
        jmi_dense_multiply(normal->errors, n, xy, column);
        for (size_t i = 0; i < n; i++) normal->xy[i] -= column[i];
        for (size_t k = 0; k < n; k++) {
            jmi_dense_multiply(normal->errors, n, v + k * n, column);
            for (size_t i = k; i < n; i++)
                normal->xx[i * n + k] += column[i] - 2 * normal->errors[i * n + k];
        }
    }
    free(s);
    free(v);
    free(column);
    return good;
}

/* ---- all rows of a view ---- */

int jmi_normal_add(jmi_normal *normal, const jmi_layout *layout, const jmi_track *track,
                   double shift_ns, jm_error *error) {
    jmi_rows rows = {.layout = layout, .track = track, .shift_ns = shift_ns};
    size_t width = layout->width, count = 0;
    double *batch = jmi_alloc(BATCH * width, sizeof *batch), y, weight;
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for readings");
    while (jmi_rows_next(&rows, batch + count * width, &y, &weight)) {
        double *x = batch + count * width, root = sqrt(weight);
        int64_t a, b;
        jmi_rows_window(&rows, rows.cell - 1, &a, &b);
        add_error(normal, width, &rows, weight, (double)(b - a));
        for (size_t i = 0; i < width; i++) {
            normal->x[i] += weight * x[i];
            normal->xy[i] += weight * x[i] * y;
            x[i] *= root;
        }
        normal->yy += weight * y * y;
        normal->y += weight * y;
        normal->n += weight;
        normal->rows++;
        if (++count < BATCH) continue;
        jmi_dense_add_gram(normal->xx, width, batch, count);
        count = 0;
    }
    jmi_dense_add_gram(normal->xx, width, batch, count);
    free(batch);
    if (track->counter) add_rest(normal, width);
    bool good = normal->rows == 0 || calibrate(normal, width);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for readings");
}
