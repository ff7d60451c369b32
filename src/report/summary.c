#include "report/summary.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The quietest second of a shorter run is no idle power. */
static const double QUIET_ENOUGH_S = 5;

int jmi_report_options(jm_report_options *ours, const jm_report_options *theirs, jm_error *error) {
    *ours = (jm_report_options)JM_REPORT_OPTIONS_INIT;
    if (theirs != NULL) {
        int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_report_options", error);
        if (status != JM_OK) return status;
    }
    ours->size = sizeof *ours;
    if (ours->width == 0) ours->width = 80;
    if (ours->width < 40) ours->width = 40;
    if (ours->top == 0) ours->top = 10;
    return JM_OK;
}

static void take_command(jmi_summary *summary, const char *command, int64_t exit_code) {
    if (command != NULL && summary->command == NULL) summary->command = jmi_strdup(command);
    if (exit_code >= 0 && exit_code <= 255 && summary->exit_code < 0)
        summary->exit_code = (int)exit_code;
}

/* `run` notes the command and its exit code at its range, which is in the file in any case. */
static void read_command(jmi_summary *summary, const jm_range *range) {
    json_t *facts = json_loads(range->attributes, 0, NULL);
    json_t *code = json_object_get(facts, "exit_code");
    const char *command = json_string_value(json_object_get(facts, "command"));
    json_t *signal = json_object_get(facts, "signal");
    take_command(summary, command != NULL ? command : range->name,
                 json_is_integer(code) ? json_integer_value(code) : -1);
    if (json_is_integer(signal)) summary->signal = (int)json_integer_value(signal);
    json_decref(facts);
}

static void read_info(jmi_summary *summary) {
    const char *code = jm_recording_info(summary->recording, "exit_code");
    int64_t exit_code = -1;
    if (code != NULL && !jmi_parse_i64(code, &exit_code)) exit_code = -1;
    take_command(summary, jm_recording_info(summary->recording, "command"), exit_code);
}

/* The command's own time where `run` marked it, without a baseline measured before it. */
static void choose_window(jmi_summary *summary) {
    const jm_recording *recording = summary->recording;
    uint64_t count = jm_recording_range_count(recording);
    summary->begin_ns = jm_recording_begin_ns(recording);
    summary->end_ns = jm_recording_end_ns(recording);
    int64_t begin = INT64_MAX, end = INT64_MIN;
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) != JM_OK) continue;
        if (range.category != JM_CATEGORY_SESSION || strcmp(range.name, "idle") == 0) continue;
        if (range.begin_ns < begin) begin = range.begin_ns;
        if (range.end_ns > end) end = range.end_ns;
        read_command(summary, &range);
    }
    if (begin >= end) return;
    summary->of_command = true;
    summary->begin_ns = begin;
    summary->end_ns = end;
}

static void fill_split(const jmi_summary *summary, uint32_t index, jmi_summary_device *entry) {
    jm_idle idle = {.size = sizeof idle};
    jmi_split *split = &entry->split;
    split->share = NAN;
    if (jm_energy_idle(summary->recording, index, &idle, NULL) != JM_OK) return;
    if (!isfinite(idle.power_w) || (entry->energy.provenance & JM_BOUND_ONLY)) return;
    double s = entry->energy.duration_s, energy = entry->energy.energy_j;
    if (!idle.from_baseline && s < QUIET_ENOUGH_S) return;
    split->known = true;
    split->from_baseline = idle.from_baseline;
    split->power_w = idle.power_w;
    split->power_u95_w = idle.u95_w;
    split->idle_j = fmin(idle.power_w * s, energy);
    split->idle_u95_j = idle.u95_w * s;
    split->active_j = energy - split->idle_j;
    split->active_u95_j = hypot(entry->energy.u95_j, split->idle_u95_j);
    split->share = energy > 0 ? split->idle_j / energy : NAN;
}

bool jmi_is_measured(const jm_energy *energy) {
    return (energy->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0 && !isnan(energy->energy_j);
}

static int fill_energy(const jmi_summary *summary, uint32_t index, const jm_energy_options *options,
                       jmi_summary_device *entry, jm_error *error) {
    entry->peak_w = NAN;
    entry->split.share = NAN;
    jm_error why; /* to have no energy is no error */
    int status = jm_energy_window(summary->recording, index, summary->begin_ns, summary->end_ns,
                                  options, &entry->energy, &why);
    if (status == JM_NO_DATA) return JM_OK;
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    entry->has_energy = jmi_is_measured(&entry->energy);
    double peak;
    if (jm_peak_power(summary->recording, index, summary->begin_ns, summary->end_ns, &peak, NULL) ==
        JM_OK)
        entry->peak_w = peak;
    if (entry->has_energy) fill_split(summary, index, entry);
    return JM_OK;
}

/* What stands next to every number. */
static void name_sources(jmi_summary *summary) {
    for (uint32_t i = 0; i < summary->device_count; i++) {
        jmi_summary_device *entry = &summary->devices[i];
        uint32_t from = entry->energy.provenance & ~(uint32_t)JM_BOUND_ONLY;
        jm_provenance_text(from, entry->source, sizeof entry->source);
    }
    uint32_t from = summary->total.energy.provenance & ~(uint32_t)JM_BOUND_ONLY;
    jm_provenance_text(from, summary->total.source, sizeof summary->total.source);
}

static int fill_devices(jmi_summary *summary, const jm_energy_options *options, jm_error *error) {
    uint32_t count = jm_recording_device_count(summary->recording);
    summary->devices = jmi_alloc(count + 1, sizeof *summary->devices);
    if (summary->devices == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        jmi_summary_device *entry = &summary->devices[i];
        entry->device.size = sizeof entry->device;
        int status = jm_recording_device(summary->recording, i, &entry->device);
        if (status == JM_OK) status = fill_energy(summary, i, options, entry, error);
        if (status != JM_OK) return status;
        summary->simulated |= entry->device.simulated;
        summary->device_count++;
    }
    return JM_OK;
}

/* The total's energy and those of the groups come from one pass. */
static int fill_total(jmi_summary *summary, const jm_energy_options *options, jm_error *error) {
    summary->total.device = (jm_device){.size = sizeof(jm_device), .name = "total"};
    summary->total.peak_w = NAN; /* peaks of devices do not add up */
    int status = jmi_summary_groups(summary, options, error);
    summary->total.split.share = NAN;
    if (summary->total.has_energy) fill_split(summary, JM_DEVICE_TOTAL, &summary->total);
    name_sources(summary);
    return status;
}

typedef struct running {
    double weighted;
    double time;
    double last;
    int64_t last_ns;
    bool has_last;
} running;

static void add_sample(jmi_summary_sensor *entry, running *run, int64_t t, double value,
                       uint8_t flags) {
    if (flags & JM_SAMPLE_MISSING) {
        entry->missing++;
        run->has_last = false;
        return;
    }
    if (flags & JM_SAMPLE_GAP) entry->gaps++;
    if (flags & JM_SAMPLE_RESET) entry->resets++;
    if (run->has_last && !(flags & JM_SAMPLE_GAP)) {
        double dt = (double)(t - run->last_ns);
        run->weighted += run->last * dt;
        run->time += dt;
    }
    if (entry->samples++ == 0 || value < entry->min) entry->min = value;
    if (entry->samples == 1 || value > entry->max) entry->max = value;
    run->last = value;
    run->last_ns = t;
    run->has_last = true;
}

/* A model's value is the mean since its reading before: that after the end is of the window too. */
static bool tells_of(const jmi_summary *summary, const jm_sensor *sensor, const jm_samples *block,
                     size_t i) {
    int64_t t = block->t_ns[i];
    int64_t since = sensor->modelled ? (int64_t)block->since_ns[i] : 0;
    return t >= summary->begin_ns && (t <= summary->end_ns || t - since < summary->end_ns);
}

static int fill_sensor(const jmi_summary *summary, uint32_t index, jmi_summary_sensor *entry,
                       jm_error *error) {
    entry->sensor.size = sizeof entry->sensor;
    entry->mean = entry->min = entry->max = NAN;
    int status = jm_recording_sensor(summary->recording, index, &entry->sensor);
    if (status != JM_OK) return status;
    jm_cursor *cursor = NULL;
    status = jm_cursor_open(&cursor, summary->recording, index, summary->begin_ns, summary->end_ns,
                            error);
    if (status == JM_NO_DATA) return JM_OK;
    if (status != JM_OK) return status;
    jm_samples block;
    running run = {0};
    while ((status = jm_cursor_next(cursor, &block)) == JM_OK) {
        for (size_t i = 0; i < block.count; i++) {
            if (tells_of(summary, &entry->sensor, &block, i))
                add_sample(entry, &run, block.t_ns[i], block.value[i], block.flags[i]);
        }
    }
    jm_cursor_close(cursor);
    if (entry->sensor.counter)
        entry->mean = entry->min = entry->max = NAN;
    else if (entry->samples > 0)
        entry->mean = run.time > 0 ? run.weighted / run.time : run.last;
    return status == JM_NO_DATA
               ? JM_OK
               : jmi_fail(error, status, "cannot read the samples of %s", entry->sensor.source);
}

static int fill_sensors(jmi_summary *summary, jm_error *error) {
    uint32_t count = jm_recording_sensor_count(summary->recording);
    summary->sensors = jmi_alloc(count + 1, sizeof *summary->sensors);
    if (summary->sensors == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        int status = fill_sensor(summary, i, &summary->sensors[i], error);
        if (status != JM_OK) return status;
        summary->modelled |= summary->sensors[i].sensor.modelled;
        summary->sensor_count++;
    }
    return JM_OK;
}

int jmi_summary_make(jmi_summary *summary, const jm_recording *recording,
                     const jm_energy_options *options, jm_error *error) {
    *summary = (jmi_summary){.recording = recording, .exit_code = -1};
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    read_info(summary);
    choose_window(summary);
    int status = fill_devices(summary, options, error);
    if (status == JM_OK) status = fill_total(summary, options, error);
    if (status == JM_OK) status = fill_sensors(summary, error);
    summary->sampler.size = sizeof summary->sampler;
    if (status == JM_OK) status = jm_recording_sampler_stats(recording, &summary->sampler);
    if (status != JM_OK) jmi_summary_free(summary);
    return status;
}

void jmi_summary_free(jmi_summary *summary) {
    free(summary->command);
    free(summary->devices);
    free(summary->sensors);
    free(summary->groups);
    *summary = (jmi_summary){0};
}
