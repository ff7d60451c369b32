/* Idle power and peaks. */
#include "energy/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool find_idle_range(const jm_recording *recording, jm_window *window) {
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) != JM_OK) return false;
        if ((range.category == JM_CATEGORY_WARMUP || range.category == JM_CATEGORY_SESSION) &&
            strcmp(range.name, "idle") == 0 && range.end_ns > range.begin_ns) {
            *window = (jm_window){range.begin_ns, range.end_ns};
            return true;
        }
    }
    return false;
}

/* The second with the least energy, in steps of a quarter. */
static bool quietest_second(jmi_views *views, int64_t begin, int64_t end, jm_window *quietest) {
    int64_t length = JMI_NS_PER_S < end - begin ? JMI_NS_PER_S : end - begin;
    int64_t stride = length / 4;
    if (stride <= 0) return false;
    /* an hour has 14,400 quarters: longer recordings are looked at in longer strides */
    if ((end - begin) / stride > 20000) stride = (end - begin) / 20000;
    double least = INFINITY;
    for (int64_t t = begin; t + length <= end; t += stride) {
        jm_window window = {t, t + length};
        jmi_estimate e = jmi_views_estimate(views, &window);
        if (e.measured > 0.9 && e.energy_j < least) least = e.energy_j, *quietest = window;
    }
    return isfinite(least);
}

/* `measured`: there are readings, if only of too short a time. */
static int idle_of(const jm_recording *recording, uint32_t device, jm_idle *idle, bool *measured,
                   jm_error *error) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jmi_views *views = malloc(sizeof *views);
    *measured = false;
    if (views == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jmi_views_open(views, recording, device, &options, error);
    *measured = status == JM_OK;
    if (status == JM_OK) {
        jm_idle found = {.size = sizeof found};
        jm_window window;
        found.from_baseline = find_idle_range(recording, &window) &&
                              jmi_views_estimate(views, &window).measured > 0.5;
        if (!found.from_baseline && !quietest_second(views, jm_recording_begin_ns(recording),
                                                     jm_recording_end_ns(recording), &window)) {
            status = jmi_fail(error, JM_NO_DATA, "the recording is too short to tell idle power");
        } else {
            jm_energy energy;
            jmi_views_window(views, &window, &energy);
            found.power_w = energy.mean_power_w;
            if (energy.duration_s > 0) {
                found.u95_w = energy.u95_j / energy.duration_s;
                found.u_random_w = energy.u_random_j / energy.duration_s;
            }
            *idle = found;
        }
        jmi_views_close(views);
    }
    free(views);
    return status;
}

/* Devices idle each in a second of its own where there is no baseline: the sum is the least that
 * the machine could draw. It is not known if that of one of them is not. */
static int idle_of_sum(const jm_recording *recording, uint32_t which, jm_idle *idle,
                       jm_error *error) {
    *idle = (jm_idle){.size = sizeof *idle, .from_baseline = true};
    bool any = false, measured;
    for (uint32_t d = 0; d < jm_recording_device_count(recording); d++) {
        jm_idle part = {0};
        if (!jmi_device_is_part(recording, d, which)) continue;
        int status = idle_of(recording, d, &part, &measured, error);
        if (status == JM_NO_DATA && !measured) continue;
        if (status != JM_OK) return status;
        idle->power_w += part.power_w;
        idle->u95_w = hypot(idle->u95_w, part.u95_w);
        idle->u_random_w = hypot(idle->u_random_w, part.u_random_w);
        idle->from_baseline &= part.from_baseline;
        any = true;
    }
    if (any) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "no device has a reading of power or energy");
}

int jm_energy_idle(const jm_recording *recording, uint32_t device, jm_idle *idle, jm_error *error) {
    if (recording == NULL || idle == NULL)
        return jmi_fail(error, JM_INVALID, "recording and idle must not be NULL");
    jm_idle found;
    bool measured;
    int status = device >= JM_DEVICE_GPUS ? idle_of_sum(recording, device, &found, error)
                                          : idle_of(recording, device, &found, &measured, error);
    return status == JM_OK ? jmi_give_struct(idle, &found, sizeof found) : status;
}

static bool is_power(const jm_sensor *sensor, uint32_t device) {
    return sensor->device == device &&
           (sensor->quantity == JM_QUANTITY_POWER || sensor->quantity == JM_QUANTITY_POWER_AVERAGE);
}

int jm_peak_power(const jm_recording *recording, uint32_t device, int64_t begin_ns, int64_t end_ns,
                  double *peak_w, jm_error *error) {
    if (recording == NULL || peak_w == NULL)
        return jmi_fail(error, JM_INVALID, "recording and peak_w must not be NULL");
    double peak = -INFINITY;
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        jm_cursor *cursor = NULL;
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK || !is_power(&sensor, device) ||
            jm_cursor_open(&cursor, recording, i, begin_ns, end_ns, NULL) != JM_OK)
            continue;
        jm_samples block;
        while (jm_cursor_next(cursor, &block) == JM_OK)
            for (size_t j = 0; j < block.count; j++)
                if (!(block.flags[j] & JM_SAMPLE_MISSING) && block.t_ns[j] >= begin_ns &&
                    block.t_ns[j] <= end_ns)
                    peak = fmax(peak, block.value[j]);
        jm_cursor_close(cursor);
    }
    if (!isfinite(peak)) return jmi_fail(error, JM_NO_DATA, "there is no power reading");
    *peak_w = peak;
    return JM_OK;
}

const char *jm_provenance_text(uint32_t provenance, char *text, size_t size) {
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {{JM_FROM_COUNTER, "counter"},
                 {JM_FROM_POWER, "power"},
                 {JM_FROM_MODEL, "modelled"},
                 {JM_FROM_SIMULATION, "simulated"},
                 {JM_BOUND_ONLY, "bound only"}};
    if (size == 0) return text;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < JMI_COUNT(words); i++) {
        if (!(provenance & words[i].bit)) continue;
        const char *between = used == 0 ? "" : words[i].bit == JM_FROM_POWER ? "+" : ", ";
        int length = snprintf(text + used, size - used, "%s%s", between, words[i].word);
        if (length < 0 || (size_t)length >= size - used) return text; /* cut off */
        used += (size_t)length;
    }
    if (used == 0) snprintf(text, size, "not measured");
    return text;
}
