/* How much energy there is in all: of the windows that are told of, from call to call. */
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>

void jmi_stretch_free(jmi_stretch *stretch) {
    free(stretch->windows);
    free(stretch->time_s);
    *stretch = (jmi_stretch){.count = 0};
}

const jmi_stretch *jmi_attribute_checked(const jmi_attributing *a) {
    return a->joined.count > 0 ? &a->joined : &a->told;
}

/* ---- windows ---- */

static size_t window_of(const jmi_attributing *a, int64_t t) {
    size_t low = 0, high = a->options.window_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (a->options.windows[middle].begin_ns <= t)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Of each window from its first call to the end of its last one; those without calls fall away. */
static bool find_told(jmi_attributing *a) {
    size_t count = a->options.window_count > 0 ? a->options.window_count : 1, kept = 0;
    jm_window *hulls = a->told.windows = jmi_alloc(count, sizeof *hulls);
    if (hulls == NULL) return false;
    for (size_t i = 0; i < count; i++) hulls[i] = (jm_window){INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < a->calls.count; i++) {
        const jmi_call *call = &a->calls.list[i];
        if (!call->told) continue;
        jm_window *hull = &hulls[window_of(a, call->begin_ns)];
        if (call->begin_ns < hull->begin_ns) hull->begin_ns = call->begin_ns;
        if (call->end_ns > hull->end_ns) hull->end_ns = call->end_ns;
    }
    for (size_t i = 0; i < count; i++) {
        if (hulls[i].end_ns <= hulls[i].begin_ns) continue;
        if (kept > 0 && hulls[i].begin_ns < hulls[kept - 1].end_ns)
            hulls[i].begin_ns = hulls[kept - 1].end_ns; /* a call that outlasts its window */
        if (hulls[i].end_ns > hulls[i].begin_ns) hulls[kept++] = hulls[i];
    }
    a->told.count = kept;
    return true;
}

/* Each edge of a window is known as badly as the refresh is long: many short runs are looked at as
 * the one stretch of time that they are. */
static bool join_told(jmi_attributing *a) {
    const jm_window *told = a->told.windows;
    jm_window *joined = jmi_alloc(a->told.count, sizeof *joined);
    size_t last = 0;
    if (joined == NULL) return false;
    joined[0] = told[0];
    for (size_t i = 1; i < a->told.count; i++) {
        if (told[i].begin_ns - joined[last].end_ns <= JMI_NS_PER_S)
            joined[last].end_ns = told[i].end_ns;
        else
            joined[++last] = told[i];
    }
    if (last + 1 == a->told.count) {
        free(joined);
        return true;
    }
    a->joined = (jmi_stretch){.windows = joined, .count = last + 1};
    return true;
}

/* ---- what they hold ---- */

static bool compose(const jmi_attributing *a, jmi_stretch *s) {
    s->time_s = jmi_alloc(a->layout.width, sizeof *s->time_s);
    if (s->time_s == NULL) return false;
    size_t hint = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->length_s += (double)(s->windows[i].end_ns - s->windows[i].begin_ns) * 1e-9;
        jmi_layout_times(&a->layout, s->windows[i].begin_ns, s->windows[i].end_ns, &hint, s->time_s,
                         NULL);
    }
    for (size_t i = 0; i < a->layout.width; i++) s->time_s[i] *= 1e-9;
    return true;
}

static int measure(const jmi_attributing *a, jmi_stretch *s, jm_error *error) {
    enum { MANY = 200000 };
    if (!compose(a, s)) return jmi_fail(error, JM_MEMORY, "out of memory for windows");
    jm_energy_options options = a->energy;
    if (a->calls.count > MANY) options.no_activity = true; /* long windows do not need it */
    return jm_energy_sum(a->recording, a->device, s->windows, s->count, &options, &s->energy,
                         error);
}

static int nothing_told(const jmi_attributing *a, jm_error *error) {
    for (size_t i = 0; i < a->calls.count; i++)
        if (a->calls.list[i].told)
            return jmi_fail(error, JM_NO_DATA, "all such ranges end at the time they begin");
    return jmi_fail(error, JM_NO_DATA, "no such range begins in the windows asked for");
}

int jmi_attribute_whole(jmi_attributing *a, jm_error *error) {
    if (!find_told(a)) return jmi_fail(error, JM_MEMORY, "out of memory for windows");
    if (a->told.count == 0) return nothing_told(a, error);
    if (!join_told(a)) return jmi_fail(error, JM_MEMORY, "out of memory for windows");
    int status = measure(a, &a->told, error);
    if (status == JM_OK && a->joined.count > 0) status = measure(a, &a->joined, error);
    return status;
}
