/* A trace in Chrome's JSON format, written event by event: names of processes and threads, ranges,
 * marks, then the counters of each device. Readers sort events by their time. */
#include "energy/views.h"
#include "record/recording.h"
#include "report/attributes.h"
#include "report/csv.h"
#include "report/perfetto_kernels.h"
#include "report/perfetto_tracks.h"
#include "report/range_reader.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEVICE_PID =
        1000000000, /* devices are processes of the trace, numbered beyond those of Linux */
    TOTAL_PID = DEVICE_PID - 1,
    ENERGY_POINTS = 5000 /* of a device's energy so far, at most */
};
static const int64_t energy_step_ns = JMI_NS_PER_S / 10; /* at least */

typedef struct trace {
    jmi_csv file;
    const jm_recording *recording;
    jm_perfetto_options options;
    jm_energy_options energy;
    int64_t offset_ns; /* of the trace's clock from the recording's */
    bool has_event;
    jmi_range_reader ranges;
    jmi_trace_tracks tracks;
    jmi_kernel_energies kernels;
} trace;

/* ---- JSON ---- */

static void put(trace *t, const char *text) {
    jmi_csv_raw(&t->file, text, strlen(text));
}

static void put_text(trace *t, const char *text) {
    put(t, "\"");
    while (*text != '\0') {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && text[plain] != '"' && text[plain] != '\\')
            plain++;
        jmi_csv_raw(&t->file, text, plain);
        text += plain;
        if (*text == '\0') break;
        char escaped[8];
        snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)*text++);
        put(t, escaped);
    }
    put(t, "\"");
}

/* Numbers as CSV has them, without its commas. */
static void put_number(trace *t, double value) {
    t->file.in_row = false;
    jmi_csv_double(&t->file, value);
}

static void put_rounded(trace *t, const char *key, double value) {
    put(t, key);
    t->file.in_row = false;
    jmi_csv_rounded(&t->file, value);
}

static void put_count(trace *t, const char *key, uint64_t value) {
    put(t, key);
    t->file.in_row = false;
    jmi_csv_count(&t->file, value);
}

static void put_us(trace *t, const char *key, int64_t ns) {
    put(t, key);
    t->file.in_row = false;
    jmi_csv_microseconds(&t->file, ns);
}

/* The object is left open, for what is particular to the event. */
static void begin_event(trace *t, char phase, const char *name, uint64_t pid, uint64_t thread) {
    const char kind[] = {phase, '"', ',', '\0'};
    put(t, t->has_event ? ",\n{\"ph\":\"" : "\n{\"ph\":\"");
    t->has_event = true;
    put(t, kind);
    put(t, "\"name\":");
    put_text(t, name);
    put_count(t, ",\"pid\":", pid);
    put_count(t, ",\"tid\":", thread);
}

static void put_name(trace *t, const char *what, uint64_t pid, uint64_t thread, const char *name) {
    begin_event(t, 'M', what, pid, thread);
    put(t, ",\"args\":{\"name\":");
    put_text(t, name);
    put(t, "}}");
}

/* ---- names of processes and tracks ---- */

static uint64_t pid_of(const jmi_trace_track *track) {
    return track->device == UINT32_MAX ? track->pid : DEVICE_PID + (uint64_t)track->device;
}

static void name_devices(trace *t) {
    uint32_t count = jm_recording_device_count(t->recording);
    for (uint32_t i = 0; i < count; i++) {
        jm_device device = {.size = sizeof device};
        char name[256];
        jm_recording_device(t->recording, i, &device);
        snprintf(name, sizeof name, "%.60s%s%.150s%s", device.name,
                 device.model[0] != '\0' ? " " : "", device.model,
                 device.simulated ? " (simulated)" : "");
        put_name(t, "process_name", DEVICE_PID + (uint64_t)i, 0, name);
    }
    put_name(t, "process_name", TOTAL_PID, 0, "all devices");
}

static void name_tracks(trace *t) {
    for (size_t i = 0; i < t->tracks.count; i++) {
        const jmi_trace_track *track = &t->tracks.list[i];
        char number[32], name[160];
        bool thread = track->device == UINT32_MAX;
        snprintf(number, sizeof number, "%s %u", thread ? "thread" : "stream", track->thread);
        const char *given = thread ? jm_recording_info(t->recording, number) : NULL;
        const char *beside = track->lane > 0 ? ", overlapping" : "";
        if (given != NULL)
            snprintf(name, sizeof name, "%.90s (%s)%s", given, number, beside);
        else
            snprintf(name, sizeof name, "%s%s", number, beside);
        put_name(t, "thread_name", pid_of(track), track->number, name);
    }
}

/* ---- ranges and marks ---- */

static int put_attributes(trace *t, const char *attributes, jm_error *error) {
    char *made;
    const char *json = jmi_attributes_json(attributes, &made);
    if (json == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a trace");
    put(t, "\"attributes\":");
    put(t, json);
    free(made);
    return JM_OK;
}

static void put_energy(trace *t, const jm_energy *e) {
    char text[96];
    put_rounded(t, "\"energy_j\":", e->energy_j);
    if (isfinite(e->u95_j)) put_rounded(t, ",\"energy_u95_j\":", e->u95_j);
    put_rounded(t, ",\"mean_power_w\":", e->mean_power_w);
    put(t, ",\"provenance\":");
    put_text(t, jm_provenance_text(e->provenance, text, sizeof text));
}

/* Before what was measured of its time, which is in bounds only where that is short. */
static bool put_attributed(trace *t, uint64_t index) {
    jmi_kernel_energy e;
    if (!jmi_kernel_energies_get(&t->kernels, index, &e)) return false;
    put_rounded(t, "\"attributed_energy_j\":", (double)e.energy_j);
    put_rounded(t, ",\"attributed_energy_u95_j\":", (double)e.u95_j);
    return true;
}

static int put_range(trace *t, const jm_range *range, uint64_t index, const jmi_trace_track *track,
                     jm_error *error) {
    uint32_t device = track->device == UINT32_MAX ? t->options.device : track->device;
    const jm_energy *e = jmi_range_reader_energy(&t->ranges, device);
    int status = JM_OK;
    begin_event(t, 'X', range->name, pid_of(track), track->number);
    put(t, ",\"cat\":");
    put_text(t, jm_category_name(range->category));
    put_us(t, ",\"ts\":", range->begin_ns + t->offset_ns);
    put_us(t, ",\"dur\":", range->end_ns - range->begin_ns);
    put(t, ",\"args\":{");
    bool known = jmi_energy_known(e), attributes = range->attributes[0] != '\0';
    bool attributed = put_attributed(t, index);
    if (attributed && (known || attributes)) put(t, ",");
    if (known) put_energy(t, e);
    if (known && attributes) put(t, ",");
    if (attributes) status = put_attributes(t, range->attributes, error);
    put(t, "}}");
    return status;
}

static uint32_t device_of(const void *reader, const jm_range *range) {
    return jmi_range_reader_device(reader, range);
}

static int put_ranges(trace *t, jm_error *error) {
    int status = jmi_range_reader_open(&t->ranges, t->recording, t->options.device, NULL, 0,
                                       UINT64_MAX, &t->energy, error);
    if (status == JM_OK)
        status = jmi_trace_tracks_make(&t->tracks, t->recording, device_of, &t->ranges, error);
    if (status == JM_OK)
        status = jmi_kernel_energies_make(&t->kernels, t->recording, &t->energy, error);
    if (status != JM_OK) return status;
    name_tracks(t);
    for (uint64_t i = 0; status == JM_OK && t->file.errnum == 0; i++) {
        jm_range range;
        if (i == t->tracks.range_count) break; /* of a running session there are more by now */
        status = jmi_range_reader_next(&t->ranges, &range, error);
        if (status == JM_OK)
            status = put_range(t, &range, i, &t->tracks.list[t->tracks.of_range[i]], error);
    }
    return status == JM_NO_DATA ? JM_OK : status;
}

static int put_marks(trace *t, jm_error *error) {
    uint64_t count = jm_recording_mark_count(t->recording);
    int status = JM_OK;
    for (uint64_t i = 0; status == JM_OK && i < count && t->file.errnum == 0; i++) {
        jm_mark_info mark = {.size = sizeof mark};
        status = jm_recording_mark(t->recording, i, &mark);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a mark");
        begin_event(t, 'i', mark.name, mark.pid, mark.thread);
        put(t, ",\"cat\":\"mark\",\"s\":\"t\"");
        put_us(t, ",\"ts\":", mark.t_ns + t->offset_ns);
        put(t, ",\"args\":{");
        if (mark.attributes[0] != '\0') status = put_attributes(t, mark.attributes, error);
        put(t, "}}");
    }
    return status;
}

/* ---- counters ---- */

typedef struct counter {
    const char *name;
    const char *unit;
    double scale;
} counter;

static void put_counter(trace *t, const counter *c, uint64_t pid, int64_t t_ns, double value) {
    begin_event(t, 'C', c->name, pid, 0);
    put_us(t, ",\"ts\":", t_ns + t->offset_ns);
    put(t, ",\"args\":{\"");
    put(t, c->unit);
    put(t, "\":");
    put_number(t, value);
    put(t, "}}");
}

/* A counter of a trace holds until its next event: only changes are written, and the last sample.
 * The format cannot say that a value is missing. */
static int put_samples(trace *t, const counter *c, uint32_t device, uint32_t sensor,
                       jm_error *error) {
    jmi_reader reader;
    jmi_sample sample, last = {.value = NAN};
    bool told = true; /* the last sample's value and time are in the trace */
    int status = jmi_reader_open(&reader, t->recording, sensor, error);
    if (status != JM_OK) return status;
    for (; t->file.errnum == 0 && jmi_reader_peek(&reader, &sample); jmi_reader_skip(&reader)) {
        told = isnan(sample.value) || sample.value != last.value;
        if (told && !isnan(sample.value))
            put_counter(t, c, DEVICE_PID + (uint64_t)device, sample.t_ns, sample.value * c->scale);
        last = sample;
    }
    if (!told) put_counter(t, c, DEVICE_PID + (uint64_t)device, last.t_ns, last.value * c->scale);
    status = jmi_reader_check(&reader, error);
    jmi_reader_close(&reader);
    return status;
}

static int put_gauges(trace *t, uint32_t device, jm_error *error) {
    static const struct {
        jm_quantity quantity;
        counter counter;
    } gauges[] = {
        {JM_QUANTITY_POWER, {"power", "W", 1}},
        {JM_QUANTITY_GPU_UTIL, {"GPU utilisation", "%", 1}},
        {JM_QUANTITY_MEM_UTIL, {"memory utilisation", "%", 1}},
        {JM_QUANTITY_CPU_UTIL, {"CPU utilisation", "%", 1}},
        {JM_QUANTITY_PROCESS_UTIL, {"process tree's CPU utilisation", "%", 1}},
        {JM_QUANTITY_TEMPERATURE,
         {"temperature",
          "\xc2\xb0"
          "C",
          1}},
        {JM_QUANTITY_SM_CLOCK, {"SM clock", "MHz", 1}},
        {JM_QUANTITY_MEM_USED, {"memory used", "MB", 1e-6}},
        {JM_QUANTITY_POWER_LIMIT, {"power limit", "W", 1}},
    };
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < JMI_COUNT(gauges); i++) {
        uint32_t sensor;
        bool found = gauges[i].quantity == JM_QUANTITY_POWER
                         ? jmi_power_sensor(t->recording, device, &sensor)
                         : jmi_gauge_sensor(t->recording, device, gauges[i].quantity, &sensor);
        if (found) status = put_samples(t, &gauges[i].counter, device, sensor, error);
    }
    return status;
}

/* Energy from the recording's beginning to points of time, as the ranges' energies are made. */
static int put_energy_so_far(trace *t, uint32_t device, uint64_t pid, jm_window *windows,
                             jm_energy *energies, size_t count, jm_error *error) {
    static const counter energy = {"energy", "J", 1};
    int status =
        jmi_energies_if_any(t->recording, device, windows, count, &t->energy, energies, error);
    double most = 0; /* each is an estimate of its own: none may fall behind the last */
    bool any = false;
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        if (!jmi_energy_known(&energies[i]) || (energies[i].provenance & JM_BOUND_ONLY)) continue;
        if (!any) put_counter(t, &energy, pid, windows[i].begin_ns, 0);
        most = fmax(most, energies[i].energy_j);
        put_counter(t, &energy, pid, windows[i].end_ns, nearbyint(most * 1e6) / 1e6);
        any = true;
    }
    return status;
}

static int put_all_energies(trace *t, int64_t step_ns, jm_window *windows, jm_energy *energies,
                            size_t count, jm_error *error) {
    int64_t begin = jm_recording_begin_ns(t->recording), end = jm_recording_end_ns(t->recording);
    for (size_t i = 0; i < count; i++)
        windows[i] = (jm_window){begin, i + 1 < count ? begin + (int64_t)(i + 1) * step_ns : end};
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < jm_recording_device_count(t->recording); i++)
        status = put_energy_so_far(t, i, DEVICE_PID + (uint64_t)i, windows, energies, count, error);
    if (status != JM_OK) return status;
    return put_energy_so_far(t, JM_DEVICE_TOTAL, TOTAL_PID, windows, energies, count, error);
}

static int put_energies(trace *t, jm_error *error) {
    int64_t length = jm_recording_end_ns(t->recording) - jm_recording_begin_ns(t->recording);
    int64_t step = length / ENERGY_POINTS + 1;
    if (step < energy_step_ns) step = energy_step_ns;
    size_t count = (size_t)((length + step - 1) / step);
    jm_window *windows = jmi_alloc(count, sizeof *windows);
    jm_energy *energies = jmi_alloc(count, sizeof *energies);
    int status;
    if (windows != NULL && energies != NULL)
        status = put_all_energies(t, step, windows, energies, count, error);
    else
        status = jmi_fail(error, JM_MEMORY, "out of memory for a trace");
    free(windows);
    free(energies);
    return status;
}

/* ---- the file ---- */

static int put_events(trace *t, jm_error *error) {
    put(t, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    name_devices(t);
    int status = put_ranges(t, error);
    if (status == JM_OK) status = put_marks(t, error);
    for (uint32_t i = 0; status == JM_OK && i < jm_recording_device_count(t->recording); i++)
        status = put_gauges(t, i, error);
    if (status == JM_OK) status = put_energies(t, error);
    put(t, "\n]}\n");
    return status;
}

static int take_options(trace *t, const jm_perfetto_options *options, jm_error *error) {
    static const jm_perfetto_options defaults = JM_PERFETTO_OPTIONS_INIT;
    if (options == NULL) options = &defaults;
    int status =
        jmi_take_struct(&t->options, sizeof t->options, options, "jm_perfetto_options", error);
    if (status == JM_OK) status = jmi_energy_options_take(&t->energy, t->options.energy, error);
    if (status != JM_OK) return status;
    if (t->options.clock > JM_CLOCK_MONOTONIC)
        return jmi_fail(error, JM_INVALID, "there is no clock %d", (int)t->options.clock);
    if (!jmi_time_valid(t->options.offset_ns))
        return jmi_fail(error, JM_INVALID, "the offset is no time that there is");
    uint32_t device = t->options.device;
    if (device < JM_DEVICE_GPUS && device >= jm_recording_device_count(t->recording))
        return jmi_fail(error, JM_NOT_FOUND, "there is no device %u in the recording", device);
    bool utc = t->options.clock == JM_CLOCK_UTC;
    t->offset_ns = t->options.offset_ns + (utc ? jm_recording_utc_offset_ns(t->recording) : 0);
    return JM_OK;
}

int jm_perfetto(const jm_recording *recording, const char *path, const jm_perfetto_options *options,
                jm_error *error) {
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    if (path == NULL || path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the file to write to has no name");
    trace t = {.recording = recording};
    int status = take_options(&t, options, error);
    if (status == JM_OK) status = jmi_csv_open_path(&t.file, path, error);
    if (status != JM_OK) return status;
    status = put_events(&t, error);
    if (status == JM_OK) status = jmi_csv_finish(&t.file, error);
    if (status == JM_OK) status = jmi_csv_commit(&t.file, error);
    jmi_csv_close(&t.file);
    jmi_range_reader_close(&t.ranges);
    jmi_trace_tracks_free(&t.tracks);
    jmi_kernel_energies_free(&t.kernels);
    return status;
}
