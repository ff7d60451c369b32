#include "limit/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which devices ---- */

static int find_device(const jm_recording *recording, const char *uuid, uint32_t *device) {
    jm_device one = {.size = sizeof one};
    for (*device = 0; jm_recording_device(recording, *device, &one) == JM_OK; ++*device)
        if (one.uuid[0] != '\0' && strcmp(one.uuid, uuid) == 0) return JM_OK;
    return JM_NOT_FOUND;
}

int jmi_watched_open(jmi_watched *watched, jm_session *session, jm_limits *limits, jm_lever lever,
                     jm_error *error) {
    *watched = (jmi_watched){.recording = jm_session_recording(session), .lever = lever};
    uint32_t count = jm_limits_count(limits);
    if (watched->recording == NULL)
        return jmi_fail(error, JM_INVALID,
                        "a session that joins another one measures nothing itself: open it with "
                        "JM_SESSION_NO_JOIN");
    watched->devices = jmi_alloc((size_t)count + 1, sizeof *watched->devices);
    if (watched->devices == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        jm_limit limit = {.size = sizeof limit};
        int status = jm_limits_read(limits, i, lever, &limit, error);
        if (status != JM_OK) return status;
        if (i == 0) watched->standard = limit.standard;
        if (find_device(watched->recording, limit.uuid, &watched->devices[i]) != JM_OK)
            return jmi_fail(error, JM_INVALID, "the session does not measure %s", limit.device);
        watched->count++;
    }
    return JM_OK;
}

void jmi_watched_close(jmi_watched *watched) {
    free(watched->devices);
    *watched = (jmi_watched){0};
}

static bool is_watched(const jmi_watched *watched, uint32_t device) {
    for (uint32_t i = 0; i < watched->count; i++)
        if (watched->devices[i] == device) return true;
    return false;
}

/* ---- energy ---- */

int64_t jmi_watched_delay_ns(const jmi_watched *watched) {
    enum { MOST_NS = 300000000 };
    uint64_t longest = 0;
    jm_sensor sensor = {.size = sizeof sensor};
    for (uint32_t i = 0; jm_recording_sensor(watched->recording, i, &sensor) == JM_OK; i++) {
        bool counts = sensor.quantity == JM_QUANTITY_POWER || sensor.quantity == JM_QUANTITY_ENERGY;
        if (!counts || !is_watched(watched, sensor.device)) continue;
        uint64_t needed = sensor.refresh_ns + sensor.lag_ns;
        if (needed > longest) longest = needed;
    }
    longest += longest / 4;
    return longest > MOST_NS ? MOST_NS : (int64_t)longest;
}

static void add(jmi_watched_energy *sum, const jm_energy *part) {
    bool known = (part->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0 &&
                 (part->provenance & JM_BOUND_ONLY) == 0 && isfinite(part->energy_j);
    sum->known = sum->known && known;
    sum->energy_j += part->energy_j;
    sum->u_j = hypot(sum->u_j, part->u_random_j);
}

int jmi_watched_energies(const jmi_watched *watched, const jm_window *windows, size_t count,
                         jmi_watched_energy *out, jm_error *error) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.nearby = true;
    options.no_activity = true; /* long windows: the edges hardly matter, and time does */
    jm_energy *parts = jmi_alloc(count + 1, sizeof *parts);
    int status = parts != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
    for (size_t k = 0; k < count; k++) out[k] = (jmi_watched_energy){.known = true};
    for (uint32_t i = 0; i < watched->count && status == JM_OK; i++) {
        status = jm_energy_windows(watched->recording, watched->devices[i], windows, count,
                                   &options, parts, error);
        for (size_t k = 0; k < count && status == JM_OK; k++) add(&out[k], &parts[k]);
    }
    free(parts);
    return status;
}

/* ---- was it held back? ---- */

/* What a share is made of: time in which there were readings, and that in which they said so. */
typedef struct share {
    double known_s, held_s;
} share;

typedef bool (*says_so)(double value, double setting);

static bool is_capped(double reasons, double setting) {
    (void)setting;
    return ((uint64_t)reasons & 0x4) != 0; /* NVML: software power cap */
}

static bool is_locked(double reasons, double setting) {
    (void)setting;
    return ((uint64_t)reasons & 0x2) != 0; /* NVML: clocks are at what was set */
}

/* Clocks are seldom exactly what they were set to. */
static bool is_at_clock(double mhz, double setting) {
    return mhz > setting - 8;
}

static double overlap_s(int64_t from, int64_t to, int64_t begin, int64_t end) {
    if (from < begin) from = begin;
    if (to > end) to = end;
    return to > from ? (double)(to - from) * 1e-9 : 0;
}

/* From one sample to the next: its value holds until then, or, of a counter of seconds, grows
 * evenly, as far as is known. NULL: a counter. */
static void add_span(share *sum, double s, double span_s, double from, double to, says_so says,
                     double setting) {
    sum->known_s += s;
    if (says != NULL)
        sum->held_s += says(from, setting) ? s : 0;
    else
        sum->held_s += fmin(fmax(to - from, 0) / span_s, 1) * s;
}

/* What is missing ends what a value holds for; a counter goes on. */
static share share_between(const jm_recording *recording, uint32_t sensor, says_so says,
                           double setting, int64_t begin, int64_t end) {
    share sum = {0, 0};
    jm_cursor *cursor = NULL;
    jm_samples block;
    int64_t last_ns = 0;
    double last = (double)NAN;
    if (jm_cursor_open(&cursor, recording, sensor, begin, end, NULL) != JM_OK) return sum;
    while (jm_cursor_next(cursor, &block) == JM_OK)
        for (size_t i = 0; i < block.count; i++) {
            bool missing = (block.flags[i] & JM_SAMPLE_MISSING) != 0;
            double s = overlap_s(last_ns, block.t_ns[i], begin, end);
            if (missing && says == NULL) continue;
            if (!isnan(last) && s > 0)
                add_span(&sum, s, (double)(block.t_ns[i] - last_ns) * 1e-9, last, block.value[i],
                         says, setting);
            last = missing ? (double)NAN : block.value[i];
            last_ns = block.t_ns[i];
        }
    jm_cursor_close(cursor);
    return sum;
}

static bool sensor_of(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                      uint32_t *index) {
    jm_sensor sensor = {.size = sizeof sensor};
    for (*index = 0; jm_recording_sensor(recording, *index, &sensor) == JM_OK; ++*index)
        if (sensor.device == device && sensor.quantity == quantity) return true;
    return false;
}

static double share_of(share s) {
    return s.known_s > 0 ? s.held_s / s.known_s : (double)NAN;
}

/* The reasons are looked at now and then, the counter misses nothing. */
static double capped(const jmi_watched *w, uint32_t device, int64_t begin, int64_t end) {
    uint32_t sensor;
    double counted = (double)NAN, seen = (double)NAN;
    if (sensor_of(w->recording, device, JM_QUANTITY_CAP_TIME, &sensor))
        counted = share_of(share_between(w->recording, sensor, NULL, 0, begin, end));
    if (sensor_of(w->recording, device, JM_QUANTITY_THROTTLE, &sensor))
        seen = share_of(share_between(w->recording, sensor, is_capped, 0, begin, end));
    return isnan(counted) ? seen : isnan(seen) ? counted : fmax(counted, seen);
}

/* At its standard the lever holds nothing back: the clock goes no higher by itself. */
static double locked(const jmi_watched *w, uint32_t device, double setting, int64_t begin,
                     int64_t end) {
    uint32_t sensor;
    double said = (double)NAN, seen = (double)NAN;
    if (setting >= w->standard) return 0;
    if (sensor_of(w->recording, device, JM_QUANTITY_THROTTLE, &sensor))
        said = share_of(share_between(w->recording, sensor, is_locked, 0, begin, end));
    if (sensor_of(w->recording, device, JM_QUANTITY_SM_CLOCK, &sensor))
        seen = share_of(share_between(w->recording, sensor, is_at_clock, setting, begin, end));
    return isnan(said) ? seen : isnan(seen) ? said : fmax(said, seen);
}

double jmi_watched_limited(const jmi_watched *watched, double setting, int64_t begin_ns,
                           int64_t end_ns) {
    double sum = 0;
    for (uint32_t i = 0; i < watched->count; i++)
        sum += watched->lever == JM_LEVER_POWER
                   ? capped(watched, watched->devices[i], begin_ns, end_ns)
                   : locked(watched, watched->devices[i], setting, begin_ns, end_ns);
    return sum / watched->count;
}
