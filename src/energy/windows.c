/* Public energies of windows: one device or the total, in one pass. */
#include "energy/views.h"

#include <math.h>
#include <stdlib.h>

typedef struct order {
    int64_t begin;
    size_t index;
} order;

static int compare_order(const void *a, const void *b) {
    const order *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Windows are taken in order of their beginning, so that the search for each begins where the last
 * one ended. NULL with *sorted true: they are in order already. */
static order *sort_windows(const jm_window *windows, size_t count, bool *sorted) {
    *sorted = true;
    for (size_t i = 1; i < count && *sorted; i++)
        *sorted = windows[i - 1].begin_ns <= windows[i].begin_ns;
    if (*sorted) return NULL;
    order *by = malloc(count * sizeof *by);
    if (by == NULL) return NULL;
    for (size_t i = 0; i < count; i++) by[i] = (order){windows[i].begin_ns, i};
    qsort(by, count, sizeof *by, compare_order);
    return by;
}

/* What a caller asks for, of one device after the other. */
typedef struct request {
    const jm_recording *recording;
    const jm_window *windows;
    size_t count;
    const jm_energy_options *options;
    const jm_window *span; /* NULL: all that was recorded */
} request;

static int device_windows(const request *r, uint32_t device, jm_energy *out, jm_error *error) {
    jmi_views *v = malloc(sizeof *v);
    bool sorted;
    order *by = sort_windows(r->windows, r->count, &sorted);
    int status = JM_OK;
    if (v == NULL || (by == NULL && !sorted))
        status = jmi_fail(error, JM_MEMORY, "out of memory for %zu windows", r->count);
    else
        status = jmi_views_open_span(v, r->recording, device, r->options, r->span, error);
    if (status == JM_OK) {
        for (size_t i = 0; i < r->count; i++) {
            size_t at = by != NULL ? by[i].index : i;
            jmi_views_window(v, &r->windows[at], &out[at]);
        }
        jmi_views_close(v);
    }
    free(by);
    free(v);
    return status;
}

static int sum_windows(const request *r, uint32_t which, jm_energy *out, jm_error *error) {
    const jm_recording *recording = r->recording;
    size_t count = r->count;
    jm_energy *part = malloc((count + 1) * sizeof *part);
    if (part == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for %zu windows", count);
    bool first = true;
    int status = JM_OK;
    for (uint32_t d = 0; d < jm_recording_device_count(recording); d++) {
        if (!jmi_device_is_part(recording, d, which)) continue;
        status = device_windows(r, d, part, error);
        if (status == JM_NO_DATA) continue;
        if (status != JM_OK) break;
        for (size_t i = 0; i < count; i++) jmi_energy_add(&out[i], &part[i], first);
        first = false;
    }
    free(part);
    if (status != JM_OK && status != JM_NO_DATA) return status;
    if (first) return jmi_fail(error, JM_NO_DATA, "no device has a reading of power or energy");
    for (size_t i = 0; i < count; i++) jmi_energy_finish(&out[i], 0);
    return JM_OK;
}

/* As much again on either side, 20 s at least, shows the sensors' rhythm and the load's levels. */
static jm_window around(const jm_window *windows, size_t count) {
    jm_window span = {INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < count; i++) {
        if (windows[i].begin_ns < span.begin_ns) span.begin_ns = windows[i].begin_ns;
        if (windows[i].end_ns > span.end_ns) span.end_ns = windows[i].end_ns;
    }
    if (count == 0) return (jm_window){0, 0};
    int64_t margin = span.end_ns - span.begin_ns;
    if (margin < 20 * JMI_NS_PER_S) margin = 20 * JMI_NS_PER_S;
    return (jm_window){span.begin_ns - margin, span.end_ns + margin};
}

int jm_energy_windows(const jm_recording *recording, uint32_t device, const jm_window *windows,
                      size_t count, const jm_energy_options *options, jm_energy *out,
                      jm_error *error) {
    jm_energy_options ours;
    if (recording == NULL || (count > 0 && (windows == NULL || out == NULL)))
        return jmi_fail(error, JM_INVALID, "recording, windows and out must not be NULL");
    int status = jmi_windows_check(windows, count, error);
    if (status == JM_OK) status = jmi_energy_options_take(&ours, options, error);
    if (status != JM_OK) return status;
    jm_window span = around(windows, count);
    request r = {recording, windows, count, &ours, ours.nearby ? &span : NULL};
    return device >= JM_DEVICE_GPUS ? sum_windows(&r, device, out, error)
                                    : device_windows(&r, device, out, error);
}

int jm_energy_window(const jm_recording *recording, uint32_t device, int64_t begin_ns,
                     int64_t end_ns, const jm_energy_options *options, jm_energy *out,
                     jm_error *error) {
    jm_window window = {begin_ns, end_ns};
    return jm_energy_windows(recording, device, &window, 1, options, out, error);
}
