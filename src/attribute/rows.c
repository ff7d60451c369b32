#include "attribute/rows.h"

#include "attribute/dense.h"

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
    if (count > JMI_MOST_CLASSES) qsort(all, count, sizeof *all, by_time);
    for (size_t i = 0; i < count; i++) {
        size_t place = i < layout->classes ? i : layout->classes - 1;
        layout->column[all[i].cls] = (uint32_t)place;
    }
    free(all);
    return true;
}

bool jmi_layout_make(jmi_layout *layout, const jmi_calls *calls) {
    *layout = (jmi_layout){.calls = calls, .classes = calls->class_count};
    if (layout->classes > JMI_MOST_CLASSES) {
        layout->classes = JMI_MOST_CLASSES;
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
void jmi_layout_times(const jmi_layout *layout, int64_t a, int64_t b, size_t *hint, double *x) {
    const jmi_calls *calls = layout->calls;
    const jmi_piece *pieces = calls->pieces;
    size_t i = *hint, n = calls->piece_count;
    while (i < n && pieces[i].end_ns <= a) i++;
    *hint = i;
    int64_t before = i > 0 ? pieces[i - 1].end_ns : INT64_MIN / 2;
    int64_t at = a;
    double *gaps = x + layout->classes;
    for (; i < n && pieces[i].begin_ns < b; i++) {
        const jmi_piece *p = &pieces[i];
        int64_t from = p->begin_ns > a ? p->begin_ns : a, to = p->end_ns < b ? p->end_ns : b;
        if (from > at) gaps[gap_of(p->begin_ns - before)] += (double)(from - at);
        x[layout->column[calls->list[p->call].cls]] += (double)(to - from) * (double)p->weight;
        if (to > at) at = to;
        before = p->end_ns;
    }
    int64_t after = i < n ? pieces[i].begin_ns : INT64_MAX / 2;
    if (at < b) gaps[gap_of(after - before)] += (double)(b - at);
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
        jmi_layout_times(layout, a, b, &rows->hint, x);
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
    *normal = (jmi_normal){.n = 0};
    normal->xx = jmi_alloc(layout->width * layout->width, sizeof *normal->xx);
    normal->xy = jmi_alloc(layout->width, sizeof *normal->xy);
    return normal->xx != NULL && normal->xy != NULL;
}

void jmi_normal_close(jmi_normal *normal) {
    free(normal->xx);
    free(normal->xy);
    *normal = (jmi_normal){.n = 0};
}

int jmi_normal_add(jmi_normal *normal, const jmi_layout *layout, const jmi_track *track,
                   double shift_ns, jm_error *error) {
    jmi_rows rows = {.layout = layout, .track = track, .shift_ns = shift_ns};
    size_t width = layout->width, count = 0;
    double *batch = jmi_alloc(BATCH * width, sizeof *batch), y, weight;
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for readings");
    while (jmi_rows_next(&rows, batch + count * width, &y, &weight)) {
        double *x = batch + count * width, root = sqrt(weight);
        for (size_t i = 0; i < width; i++) {
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
    return JM_OK;
}
