#include "figure/curve.h"

#include "record/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void jmi_curve_free(jmi_curve *curve) {
    free(curve->t_s);
    free(curve->value);
    *curve = (jmi_curve){.count = 0};
}

static bool make_room(jmi_curve *curve, size_t more) {
    size_t t_capacity = curve->capacity, v_capacity = curve->capacity;
    if (curve->count + more <= curve->capacity) return true;
    bool good = jmi_reserve(&curve->t_s, &t_capacity, curve->count + more, sizeof(double)) &&
                jmi_reserve(&curve->value, &v_capacity, curve->count + more, sizeof(double));
    if (!good) return false;
    curve->capacity = t_capacity < v_capacity ? t_capacity : v_capacity;
    jmi_use_large_pages(curve->t_s, curve->capacity * sizeof(double));
    jmi_use_large_pages(curve->value, curve->capacity * sizeof(double));
    return true;
}

static inline void push(jmi_curve *curve, double t_s, double value) {
    curve->t_s[curve->count] = t_s;
    curve->value[curve->count++] = value;
}

/* ---- reading ---- */

typedef struct reading {
    jmi_curve *curve;
    int64_t begin_ns, end_ns;
    int64_t last_ns; /* of the last sample; of a counter, of the last that had changed */
    double last;
    bool from_counter;
    bool any;
} reading;

static double seconds(const reading *r, int64_t t_ns) {
    if (t_ns < r->begin_ns) t_ns = r->begin_ns;
    if (t_ns > r->end_ns) t_ns = r->end_ns;
    return (double)(t_ns - r->begin_ns) * 1e-9;
}

/* Polls are missing before sample i: until when the one before is known to have held. */
static int64_t known_until(const reading *r, const jm_samples *block, size_t i) {
    int64_t last_poll = block->t_ns[i] - (int64_t)block->since_ns[i];
    bool told = block->since_ns[i] != UINT32_MAX && last_poll > r->last_ns;
    return told ? last_poll : r->last_ns;
}

/* No sensor shows such numbers, and spans of them would be no numbers. */
static bool sensible(double value) {
    return fabs(value) < 1e100;
}

static void add_gauge(reading *r, const jm_samples *block, size_t i) {
    bool missing = (block->flags[i] & JM_SAMPLE_MISSING) != 0 || !sensible(block->value[i]);
    if (r->any && (block->flags[i] & JM_SAMPLE_GAP) != 0)
        push(r->curve, seconds(r, known_until(r, block, i)), (double)NAN);
    push(r->curve, seconds(r, block->t_ns[i]), missing ? (double)NAN : block->value[i]);
    r->last_ns = block->t_ns[i];
    r->any = true;
}

/* A counter's power holds from one change to the next, so it is known at the later one. */
static void add_counter(reading *r, const jm_samples *block, size_t i) {
    uint8_t flags = block->flags[i];
    double value = flags & JM_SAMPLE_MISSING ? (double)NAN : block->value[i];
    bool apart = (flags & (JM_SAMPLE_GAP | JM_SAMPLE_RESET)) != 0;
    bool known = !apart && sensible(value) && sensible(r->last);
    if (known && value == r->last) return;
    double dt_s = (double)(block->t_ns[i] - r->last_ns) * 1e-9;
    if (r->any)
        push(r->curve, seconds(r, r->last_ns),
             known && dt_s > 0 ? (value - r->last) / dt_s : (double)NAN);
    r->last = value;
    r->last_ns = block->t_ns[i];
    r->any = true;
}

static int read_blocks(reading *r, jm_cursor *cursor, jm_error *error) {
    jm_samples block;
    int status;
    while ((status = jm_cursor_next(cursor, &block)) == JM_OK) {
        if (!make_room(r->curve, 2 * block.count + 1))
            return jmi_fail(error, JM_MEMORY, "out of memory for a sensor's readings");
        for (size_t i = 0; i < block.count; i++)
            if (r->from_counter)
                add_counter(r, &block, i);
            else
                add_gauge(r, &block, i);
    }
    if (status != JM_NO_DATA) return jmi_fail(error, status, "cannot read the samples of a sensor");
    if (r->from_counter && r->any && make_room(r->curve, 1))
        push(r->curve, seconds(r, r->last_ns), (double)NAN);
    return JM_OK;
}

int jmi_curve_read(jmi_curve *curve, const jm_recording *recording, uint32_t sensor,
                   bool from_counter, jm_error *error) {
    jm_cursor *cursor;
    jm_sensor info = {.size = sizeof info};
    reading r = {.curve = curve,
                 .begin_ns = jm_recording_begin_ns(recording),
                 .end_ns = jm_recording_end_ns(recording),
                 .last = (double)NAN,
                 .from_counter = from_counter};
    *curve = (jmi_curve){.end_s = (double)(r.end_ns - r.begin_ns) * 1e-9};
    if (jm_recording_sensor(recording, sensor, &info) == JM_OK)
        curve->refresh_s = (double)info.refresh_ns * 1e-9;
    int status = jm_cursor_open(&cursor, recording, sensor, INT64_MIN, INT64_MAX, error);
    if (status != JM_OK) return status;
    if (!make_room(curve, jmi_cursor_total(cursor) + 1))
        status = jmi_fail(error, JM_MEMORY, "out of memory for a sensor's readings");
    else
        status = read_blocks(&r, cursor, error);
    jm_cursor_close(cursor);
    if (status != JM_OK) jmi_curve_free(curve);
    return status;
}

size_t jmi_curve_at(const jmi_curve *curve, double t_s, size_t from) {
    size_t i = from == SIZE_MAX ? 0 : from;
    if (i >= curve->count || curve->t_s[i] > t_s) return SIZE_MAX;
    while (i + 1 < curve->count && curve->t_s[i + 1] <= t_s) i++;
    return i;
}

/* ---- made of others ---- */

static bool like(jmi_curve *out, const jmi_curve *curve, size_t count) {
    *out = (jmi_curve){.end_s = curve->end_s, .refresh_s = curve->refresh_s};
    return make_room(out, count + 1);
}

/* Values without a gap from `from` to `to`: a sum that moves along. It begins anew now and then, so
 * that rounding does not add up. */
static void smooth_run(jmi_curve *out, const jmi_curve *curve, size_t from, size_t to,
                       size_t readings) {
    size_t before = (readings - 1) / 2, low = from, high = from;
    size_t each = readings > 4096 ? readings : 4096, renewal = from;
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        size_t begin = i - from > before ? i - before : from;
        size_t end = to - begin < readings ? to : begin + readings;
        if (i - from < before) end = i + readings / 2 + 1 < to ? i + readings / 2 + 1 : to;
        if (i >= renewal) sum = 0, low = high = begin, renewal = i + each;
        while (high < end) sum += curve->value[high++];
        while (low < begin) sum -= curve->value[low++];
        push(out, curve->t_s[i], sum / (double)(end - begin));
    }
}

bool jmi_curve_smooth(jmi_curve *out, const jmi_curve *curve, size_t readings) {
    if (!like(out, curve, curve->count)) return false;
    for (size_t i = 0; i < curve->count;) {
        size_t end = i;
        while (end < curve->count && !isnan(curve->value[end])) end++;
        smooth_run(out, curve, i, end, readings < 1 ? 1 : readings);
        if (end < curve->count) push(out, curve->t_s[end], (double)NAN);
        i = end + 1;
    }
    return true;
}

bool jmi_curve_derive(jmi_curve *out, const jmi_curve *curve) {
    const double usual_s = 0.02, longest_s = 1;
    double refresh = curve->refresh_s > 0 ? curve->refresh_s : usual_s;
    double most = 10 * refresh > longest_s ? 10 * refresh : longest_s;
    double t = (double)NAN, value = (double)NAN;
    if (!like(out, curve, 2 * curve->count + 1)) return false;
    for (size_t i = 0; i < curve->count; i++) {
        bool gap = isnan(curve->value[i]);
        bool last = i + 1 == curve->count ||
                    floor(curve->t_s[i + 1] / refresh) != floor(curve->t_s[i] / refresh);
        if (!gap && !last) continue;
        double step = curve->t_s[i] - t;
        if (gap || step > most) {
            if (out->count > 0 && !isnan(out->value[out->count - 1])) push(out, t, (double)NAN);
            t = value = (double)NAN;
        }
        if (gap) continue;
        if (step < refresh / 2) continue; /* two polls around one refresh */
        if (!isnan(value) && step <= most)
            push(out, t + step / 2, (curve->value[i] - value) / step);
        t = curve->t_s[i];
        value = curve->value[i];
    }
    return true;
}

/* ---- drawing ---- */

/* What one pixel shows. */
typedef struct pixel {
    size_t first, lowest, highest, last; /* SIZE_MAX: nothing */
    bool broken;                         /* shows a gap already */
    size_t ends; /* where its values end, in another gap that may go on beyond it; SIZE_MAX: none */
} pixel;

static const pixel nothing = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, false, SIZE_MAX};

static void draw_pixel(const jmi_curve *curve, pixel *p, jmi_mark *mark) {
    if (p->first == SIZE_MAX) return;
    size_t low = p->lowest < p->highest ? p->lowest : p->highest;
    size_t high = p->lowest < p->highest ? p->highest : p->lowest;
    const size_t rows[] = {p->first, low, high, p->last};
    for (size_t i = 0; i < JMI_COUNT(rows); i++)
        if (i == 0 || rows[i] != rows[i - 1])
            JMI_PUT(mark, curve->t_s[rows[i]], curve->value[rows[i]]);
    bool broken = p->broken;
    *p = nothing;
    p->broken = broken;
}

static void add_to_pixel(const jmi_curve *curve, pixel *p, size_t i) {
    if (p->first == SIZE_MAX) p->first = p->lowest = p->highest = i;
    if (curve->value[i] < curve->value[p->lowest]) p->lowest = i;
    if (curve->value[i] > curve->value[p->highest]) p->highest = i;
    p->last = i;
    p->ends = SIZE_MAX;
}

/* One gap is enough to be seen, but none may be taken for its last value. */
static void close_pixel(const jmi_curve *curve, pixel *p, jmi_mark *mark) {
    size_t ends = p->ends;
    draw_pixel(curve, p, mark);
    if (ends != SIZE_MAX) JMI_PUT(mark, curve->t_s[ends], (double)NAN);
    *p = nothing;
}

void jmi_curve_draw(const jmi_curve *curve, size_t pixels, jmi_mark *mark) {
    double each_s = pixels > 0 ? curve->end_s / (double)pixels : 0;
    double until = -1;
    pixel p = nothing;
    if (mark == NULL) return;
    for (size_t i = 0; i < curve->count; i++) {
        double t = curve->t_s[i];
        if (!(t < until)) {
            close_pixel(curve, &p, mark);
            until = each_s > 0 ? each_s * (floor(t / each_s) + 1) : t;
        }
        if (!isnan(curve->value[i])) {
            add_to_pixel(curve, &p, i);
        } else if (!p.broken) {
            draw_pixel(curve, &p, mark);
            if (mark->count > 0) JMI_PUT(mark, t, (double)NAN);
            p.broken = true;
        } else if (p.first != SIZE_MAX && p.ends == SIZE_MAX) {
            p.ends = i;
        }
    }
    close_pixel(curve, &p, mark);
    double last = curve->count > 0 ? curve->value[curve->count - 1] : (double)NAN;
    if (mark->kind == JM_MARK_STEP && !isnan(last) && curve->end_s > curve->t_s[curve->count - 1])
        JMI_PUT(mark, curve->end_s, last);
}
