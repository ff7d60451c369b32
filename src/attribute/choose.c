/* Whose energy, which ranges, and how much energy there is in all. */
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- device ---- */

/* The one device that ranges name; UINT32_MAX: none. */
static int named_by_ranges(const jmi_attributing *a, uint32_t *device, jm_error *error) {
    uint64_t count = jm_recording_range_count(a->recording);
    const char *name = NULL;
    *device = UINT32_MAX;
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(a->recording, i, &range) != JM_OK || range.device[0] == '\0' ||
            (a->options.categories >> range.category & 1) == 0 || range.device == name)
            continue;
        if (name != NULL && strcmp(name, range.device) != 0)
            return jmi_fail(error, JM_INVALID,
                            "ranges ran on %.60s and on %.60s: choose one of them as device", name,
                            range.device);
        name = range.device;
    }
    if (name != NULL) *device = jmi_device_named(a->recording, name);
    return JM_OK;
}

static bool has_sensor(const jm_recording *recording, uint32_t device) {
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor s = {.size = sizeof s};
        if (jm_recording_sensor(recording, i, &s) == JM_OK && s.device == device &&
            (jmi_rank_power(&s) >= 0 || jmi_rank_counter(&s) >= 0))
            return true;
    }
    return false;
}

static int only_gpu(const jmi_attributing *a, uint32_t *device, jm_error *error) {
    uint32_t gpus = 0, cpu = UINT32_MAX;
    *device = UINT32_MAX;
    for (uint32_t i = 0; i < jm_recording_device_count(a->recording); i++) {
        if (!has_sensor(a->recording, i)) continue;
        if (jmi_device_is_part(a->recording, i, JM_DEVICE_GPUS)) {
            if (gpus++ == 0) *device = i;
        } else if (cpu == UINT32_MAX && jmi_device_is_part(a->recording, i, JM_DEVICE_TOTAL)) {
            cpu = i;
        }
    }
    if (gpus > 1)
        return jmi_fail(error, JM_INVALID,
                        "there are %u GPUs, and the ranges do not say which of them ran them: "
                        "choose one as device",
                        gpus);
    if (gpus == 0) *device = cpu;
    if (*device != UINT32_MAX) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "no device has a reading of power or energy");
}

static int choose_device(jmi_attributing *a, jm_error *error) {
    a->device = a->options.device;
    if (a->device < jm_recording_device_count(a->recording)) return JM_OK;
    if (a->device < JM_DEVICE_GPUS)
        return jmi_fail(error, JM_NOT_FOUND, "there is no device %u in the recording", a->device);
    int status = named_by_ranges(a, &a->device, error);
    if (status != JM_OK || a->device != UINT32_MAX) return status;
    return only_gpu(a, &a->device, error);
}

/* ---- ranges ---- */

static int choose_categories(jmi_attributing *a, jm_error *error) {
    static const jm_category usual[] = {JM_CATEGORY_LAYER, JM_CATEGORY_KERNEL, JM_CATEGORY_NVTX};
    uint64_t seen[32] = {0}, count = jm_recording_range_count(a->recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(a->recording, i, &range) == JM_OK) seen[range.category & 31]++;
        if (a->options.categories == 0 && range.category == JM_CATEGORY_LAYER) break;
    }
    for (size_t i = 0; a->options.categories == 0 && i < JMI_COUNT(usual); i++)
        if (seen[usual[i]] > 0) a->options.categories = 1u << usual[i];
    int missing = 0;
    for (int c = 0; c < 32; c++) {
        if ((a->options.categories >> c & 1) == 0) continue;
        if (seen[c] > 0) return JM_OK;
        missing = c;
    }
    if (a->options.categories == 0)
        return jmi_fail(error, JM_NO_DATA,
                        "there are no ranges of layers, kernels or NVTX in the recording");
    if ((a->options.categories & (a->options.categories - 1)) != 0) /* several */
        return jmi_fail(error, JM_NO_DATA, "there is no such range in the recording");
    return jmi_fail(error, JM_NO_DATA, "there is no range of category %s",
                    jm_category_name(missing));
}

/* ---- windows ---- */

static int by_begin(const void *left, const void *right) {
    const jm_window *a = left, *b = right;
    return (a->begin_ns > b->begin_ns) - (a->begin_ns < b->begin_ns);
}

static int read_warmups(jmi_attributing *a, size_t *count, jm_error *error) {
    uint64_t ranges = jm_recording_range_count(a->recording);
    size_t capacity = 0;
    *count = 0;
    for (uint64_t i = 0; i < ranges; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(a->recording, i, &range) != JM_OK ||
            range.category != JM_CATEGORY_WARMUP || range.end_ns <= range.begin_ns)
            continue;
        if (!jmi_reserve(&a->windows, &capacity, *count + 2, sizeof *a->windows))
            return jmi_fail(error, JM_MEMORY, "out of memory for warm-ups");
        a->windows[(*count)++] = (jm_window){range.begin_ns, range.end_ns};
    }
    return JM_OK;
}

/* The time between warm-ups. */
static int leave_out_warmups(jmi_attributing *a, jm_error *error) {
    const int64_t ever = INT64_MAX / 4;
    size_t count, kept = 0;
    int status = read_warmups(a, &count, error);
    if (status != JM_OK || count == 0) return status;
    qsort(a->windows, count, sizeof *a->windows, by_begin);
    int64_t begin = -ever;
    for (size_t i = 0; i < count; i++) {
        jm_window warmup = a->windows[i];
        if (warmup.begin_ns > begin) a->windows[kept++] = (jm_window){begin, warmup.begin_ns};
        if (warmup.end_ns > begin) begin = warmup.end_ns;
    }
    a->windows[kept++] = (jm_window){begin, ever};
    a->options.windows = a->windows;
    a->options.window_count = kept;
    return JM_OK;
}

static int read_calls(jmi_attributing *a, jm_error *error) {
    jmi_call_filter filter = {.categories = a->options.categories,
                              .device = a->device,
                              .prefix = a->options.prefix,
                              .split = a->options.split,
                              .windows = a->options.windows,
                              .window_count = a->options.window_count};
    return jmi_calls_read(&a->calls, a->recording, &filter, error);
}

static bool any_told(const jmi_calls *calls) {
    for (size_t i = 0; i < calls->class_count; i++)
        if (calls->classes[i].calls > 0) return true;
    return false;
}

int jmi_attribute_choose(jmi_attributing *a, jm_error *error) {
    int status = choose_categories(a, error);
    if (status == JM_OK) status = choose_device(a, error);
    if (status == JM_OK && a->options.window_count == 0) status = leave_out_warmups(a, error);
    if (status != JM_OK) return status;
    status = read_calls(a, error);
    if (status == JM_OK && a->windows != NULL && !any_told(&a->calls)) {
        a->options.window_count = 0; /* there is nothing but warm-ups: then of these */
        jmi_calls_free(&a->calls);
        status = read_calls(a, error);
    }
    if (status == JM_OK && !jmi_layout_make(&a->layout, &a->calls, JMI_MOST_CLASSES))
        status = jmi_fail(error, JM_MEMORY, "out of memory for classes");
    return status;
}
