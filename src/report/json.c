#include "report/json.h"

#include "report/carbon.h"
#include "report/range_reader.h"

#include <math.h>

enum { SCHEMA = 1, RANGES_LISTED = 10000 };

static void set_split(json_t *object, const jmi_split *split) {
    if (!split->known) {
        json_object_set_new(object, "idle", json_null());
        return;
    }
    json_t *idle = json_object();
    jmi_json_set_number(idle, "power_w", split->power_w);
    jmi_json_set_number(idle, "power_u95_w", split->power_u95_w);
    jmi_json_set_bool(idle, "from_baseline", split->from_baseline);
    jmi_json_set_number(idle, "energy_j", split->idle_j);
    jmi_json_set_number(idle, "u95_j", split->idle_u95_j);
    jmi_json_set_number(idle, "share", split->share);
    jmi_json_set_number(idle, "active_j", split->active_j);
    jmi_json_set_number(idle, "active_u95_j", split->active_u95_j);
    json_object_set_new(object, "idle", idle);
}

static void set_measured(json_t *object, const jmi_summary_device *entry) {
    static const jm_energy nothing = {.upper_j = INFINITY};
    jmi_json_set_energy(object, entry->has_energy ? &entry->energy : &nothing);
    jmi_json_set_text(object, "source", entry->source);
    jmi_json_set_number(object, "peak_power_w", entry->peak_w);
    set_split(object, &entry->split);
}

static json_t *device_object(const jmi_summary_device *entry) {
    const jm_device *device = &entry->device;
    json_t *object = json_object();
    jmi_json_set_text(object, "name", device->name);
    jmi_json_set_text(object, "vendor", device->vendor);
    jmi_json_set_text(object, "model", device->model);
    jmi_json_set_text(object, "uuid", device->uuid);
    jmi_json_set_text(object, "pci", device->pci);
    jmi_json_set_text(object, "driver", device->driver);
    jmi_json_set_bool(object, "in_total", device->in_total);
    jmi_json_set_bool(object, "simulated", device->simulated);
    jmi_json_set_number(object, "power_limit_w",
                        device->power_limit_w > 0 ? device->power_limit_w : NAN);
    jmi_json_set_number(object, "power_floor_w",
                        device->power_floor_w > 0 ? device->power_floor_w : NAN);
    set_measured(object, entry);
    return object;
}

static double seconds_or_nan(uint64_t ns) {
    return ns == 0 ? NAN : (double)ns / 1e9;
}

/* NULL: the host. */
static const char *device_name(const jmi_summary *summary, uint32_t device) {
    return device < summary->device_count ? summary->devices[device].device.name : NULL;
}

static json_t *sensor_object(const jmi_summary *summary, const jmi_summary_sensor *entry) {
    const jm_sensor *sensor = &entry->sensor;
    json_t *object = json_object();
    jmi_json_set_text(object, "device", device_name(summary, sensor->device));
    jmi_json_set_text(object, "quantity", jm_quantity_name(sensor->quantity));
    jmi_json_set_text(object, "unit", jm_quantity_unit(sensor->quantity));
    jmi_json_set_text(object, "source", sensor->source);
    jmi_json_set_bool(object, "counter", sensor->counter);
    jmi_json_set_bool(object, "modelled", sensor->modelled);
    jmi_json_set_bool(object, "calibrated", sensor->calibrated);
    jmi_json_set_number(object, "refresh_s", seconds_or_nan(sensor->refresh_ns));
    jmi_json_set_number(object, "window_s", seconds_or_nan(sensor->window_ns));
    jmi_json_set_number(object, "lag_s", (double)sensor->lag_ns / 1e9);
    jmi_json_set_number(object, "noise", sensor->noise);
    jmi_json_set_number(object, "quantum", sensor->quantum);
    jmi_json_set_count(object, "samples", entry->samples);
    jmi_json_set_count(object, "missing", entry->missing);
    jmi_json_set_count(object, "gaps", entry->gaps);
    jmi_json_set_count(object, "resets", entry->resets);
    jmi_json_set_number(object, "mean", entry->mean);
    jmi_json_set_number(object, "min", entry->min);
    jmi_json_set_number(object, "max", entry->max);
    return object;
}

static json_t *group_object(const jmi_summary *summary, const jmi_group *group) {
    int64_t zero = jm_recording_begin_ns(summary->recording);
    json_t *object = json_object();
    jmi_json_set_text(object, "category", jm_category_name(group->category));
    jmi_json_set_text(object, "name", group->name);
    jmi_json_set_text(object, "device", device_name(summary, group->device));
    jmi_json_set_count(object, "calls", group->calls);
    jmi_json_set_count(object, "unfinished", group->unfinished);
    jmi_json_set_number(object, "first_s", (double)(group->first_ns - zero) / 1e9);
    jmi_json_set_number(object, "last_s", (double)(group->last_ns - zero) / 1e9);
    jmi_json_set_number(object, "time_s", group->time_s);
    jmi_json_set_number(object, "wall_s", group->wall_s);
    jmi_json_set_energy(object, &group->energy);
    jmi_json_set_number(object, "share", group->share);
    return object;
}

static json_t *range_object(const jmi_range_reader *reader, const jm_range *range,
                            int64_t zero_ns) {
    uint32_t device = jmi_range_reader_device(reader, range);
    bool on_host = device == UINT32_MAX;
    json_t *object = json_object();
    jmi_json_set_count(object, "id", range->id);
    json_object_set_new(object, "parent",
                        range->parent == 0 ? json_null() : json_integer((json_int_t)range->parent));
    jmi_json_set_text(object, "category", jm_category_name(range->category));
    jmi_json_set_text(object, "name", range->name);
    jmi_json_set_number(object, "begin_s", (double)(range->begin_ns - zero_ns) / 1e9);
    jmi_json_set_number(object, "end_s", (double)(range->end_ns - zero_ns) / 1e9);
    jmi_json_set_number(object, "duration_s", (double)(range->end_ns - range->begin_ns) / 1e9);
    jmi_json_set_bool(object, "unfinished", range->unfinished);
    jmi_json_set_count(object, "pid", range->pid);
    jmi_json_set_count(object, "thread", range->thread);
    jmi_json_set_text(object, "device", on_host ? NULL : range->device);
    json_object_set_new(object, "stream", on_host ? json_null() : json_integer(range->stream));
    json_t *attributes =
        range->attributes[0] == '\0' ? json_object() : json_loads(range->attributes, 0, NULL);
    json_object_set_new(object, "attributes", attributes != NULL ? attributes : json_null());
    jmi_json_set_energy(object,
                        jmi_range_reader_energy(reader, on_host ? JM_DEVICE_TOTAL : device));
    return object;
}

static void set_lists(json_t *root, const jmi_summary *summary) {
    json_t *devices = json_array(), *sensors = json_array(), *groups = json_array();
    json_t *warnings = json_array();
    for (uint32_t i = 0; i < summary->device_count; i++)
        json_array_append_new(devices, device_object(&summary->devices[i]));
    for (uint32_t i = 0; i < summary->sensor_count; i++)
        json_array_append_new(sensors, sensor_object(summary, &summary->sensors[i]));
    for (size_t i = 0; i < summary->group_count; i++)
        json_array_append_new(groups, group_object(summary, &summary->groups[i]));
    for (uint32_t i = 0; i < jm_recording_warning_count(summary->recording); i++)
        json_array_append_new(warnings, jmi_json_text(jm_recording_warning(summary->recording, i)));
    json_object_set_new(root, "devices", devices);
    json_object_set_new(root, "categories", groups);
    json_object_set_new(root, "sensors", sensors);
    json_object_set_new(root, "warnings", warnings);
}

static void set_head(json_t *root, const jmi_summary *summary) {
    const jm_recording *recording = summary->recording;
    int64_t zero = jm_recording_begin_ns(recording);
    double utc = (double)jm_recording_utc_offset_ns(recording) / 1e9;
    jmi_json_set_text(root, "joulemeter", jm_version());
    jmi_json_set_count(root, "schema", SCHEMA);
    jmi_json_set_bool(root, "simulated", summary->simulated);
    jmi_json_set_bool(root, "modelled", summary->modelled);
    jmi_json_set_text(root, "command", summary->command);
    json_object_set_new(root, "exit_code",
                        summary->exit_code < 0 ? json_null() : json_integer(summary->exit_code));
    json_object_set_new(root, "signal",
                        summary->signal > 0 ? json_integer(summary->signal) : json_null());
    jmi_json_set_text(root, "window", summary->of_command ? "command" : "recording");
    jmi_json_set_number(root, "begin_unix_s", (double)summary->begin_ns / 1e9 + utc);
    jmi_json_set_number(root, "begin_s", (double)(summary->begin_ns - zero) / 1e9);
    jmi_json_set_number(root, "end_s", (double)(summary->end_ns - zero) / 1e9);
    jmi_json_set_number(root, "duration_s", (double)(summary->end_ns - summary->begin_ns) / 1e9);
    json_t *total = json_object();
    set_measured(total, &summary->total);
    json_object_set_new(root, "total", total);
}

static void set_tail(json_t *root, const jmi_summary *summary) {
    static const char *const keys[] = {"version", "host", "kernel", "machine", "cpu_model",
                                       "cpus",    "pid",  "clock",  "start"};
    json_t *sampler = json_object(), *environment = json_object();
    jmi_json_set_count(sampler, "polls", summary->sampler.polls);
    jmi_json_set_count(sampler, "failed", summary->sampler.failed);
    jmi_json_set_count(sampler, "late", summary->sampler.late);
    jmi_json_set_count(sampler, "dropped", summary->sampler.dropped);
    jmi_json_set_number(sampler, "cpu_s", (double)summary->sampler.cpu_ns / 1e9);
    jmi_json_set_number(sampler, "worst_late_s", (double)summary->sampler.worst_late_ns / 1e9);
    json_object_set_new(root, "sampler", sampler);
    for (size_t i = 0; i < JMI_COUNT(keys); i++) {
        const char *value = jm_recording_info(summary->recording, keys[i]);
        if (value != NULL) jmi_json_set_text(environment, keys[i], value);
    }
    json_object_set_new(root, "environment", environment);
}

static int set_ranges(json_t *root, const jmi_summary *summary, const jm_energy_options *options,
                      jm_error *error) {
    jmi_range_reader reader;
    jm_range range;
    json_t *list = json_array();
    json_object_set_new(root, "ranges", list);
    jmi_json_set_count(root, "ranges_total", jm_recording_range_count(summary->recording));
    int status = jmi_range_reader_open(&reader, summary->recording, JM_DEVICE_TOTAL, NULL, 0,
                                       RANGES_LISTED, options, error);
    if (status != JM_OK) return status;
    int64_t zero = jm_recording_begin_ns(summary->recording);
    while ((status = jmi_range_reader_next(&reader, &range, error)) == JM_OK)
        json_array_append_new(list, range_object(&reader, &range, zero));
    jmi_range_reader_close(&reader);
    return status == JM_NO_DATA ? JM_OK : status;
}

json_t *jmi_json_summary(const jmi_summary *summary) {
    json_t *root = json_object();
    set_head(root, summary);
    set_lists(root, summary);
    set_tail(root, summary);
    return root;
}

int jmi_json_write(const jmi_summary *summary, const jm_report_options *options, char **text,
                   jm_error *error) {
    *text = NULL;
    jmi_footprint footprint;
    int status = jmi_footprint_make(&footprint, summary, options->grid, options->energy, error);
    if (status != JM_OK) return status;
    json_t *root = json_object();
    set_head(root, summary);
    jmi_footprint_json(&footprint, root);
    set_lists(root, summary);
    status = set_ranges(root, summary, options->energy, error);
    set_tail(root, summary);
    if (status == JM_OK)
        return jmi_json_dump(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15), text, error);
    json_decref(root);
    return status;
}

int jm_report_json(const jm_recording *recording, const jm_report_options *options, char **json,
                   jm_error *error) {
    if (json == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the text (NULL)");
    *json = NULL;
    jm_report_options ours;
    jmi_summary summary;
    int status = jmi_report_options(&ours, options, error);
    if (status == JM_OK) status = jmi_summary_make(&summary, recording, ours.energy, error);
    if (status != JM_OK) return status;
    status = jmi_json_write(&summary, &ours, json, error);
    jmi_summary_free(&summary);
    return status;
}
