/* The recording: devices, sensors, facts, warnings and their getters. */
#include "record/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void jmi_recording_lock(const jm_recording *recording) {
    pthread_mutex_lock(&((jm_recording *)recording)->lock);
}

void jmi_recording_unlock(const jm_recording *recording) {
    pthread_mutex_unlock(&((jm_recording *)recording)->lock);
}

int jm_recording_new(jm_recording **recording, jm_error *error) {
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "recording is NULL");
    *recording = NULL;
    jm_recording *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a recording");
    pthread_mutex_init(&fresh->lock, NULL);
    fresh->ranges.row_size = sizeof(jmi_range_row);
    fresh->marks.row_size = sizeof(jmi_mark_row);
    fresh->begin_ns = INT64_MAX;
    fresh->end_ns = INT64_MIN;
    fresh->stats.size = sizeof fresh->stats;
    fresh->texts = jmi_intern_new();
    if (fresh->texts == NULL) {
        jm_recording_free(fresh);
        return jmi_fail(error, JM_MEMORY, "out of memory for a recording");
    }
    *recording = fresh;
    return JM_OK;
}

void jm_recording_free(jm_recording *recording) {
    if (recording == NULL) return;
    if (recording->store != NULL) recording->store->close(recording->store);
    for (size_t i = 0; i < recording->series_count; i++) jmi_series_free(recording->series[i]);
    free(recording->series);
    jmi_rows_free(&recording->ranges);
    jmi_rows_free(&recording->marks);
    free(recording->by_id);
    free(recording->dirty);
    free(recording->devices);
    free(recording->info);
    free(recording->warnings);
    jmi_intern_free(recording->texts);
    pthread_mutex_destroy(&recording->lock);
    free(recording);
}

const char *jmi_text_locked(jm_recording *recording, const char *text, size_t length) {
    if (text == NULL || length == 0) return "";
    if (jmi_utf8_valid(text, length)) return jmi_intern_text(recording->texts, text, length);
    char *clean = malloc(length);
    if (clean == NULL) return NULL;
    jmi_utf8_clean(clean, text, length);
    const char *kept = jmi_intern_text(recording->texts, clean, length);
    free(clean);
    return kept;
}

const char *jmi_recording_text(jm_recording *recording, const char *text, size_t length) {
    jmi_recording_lock(recording);
    const char *kept = jmi_text_locked(recording, text, length);
    jmi_recording_unlock(recording);
    return kept;
}

size_t jmi_recording_bytes(const jm_recording *recording) {
    return sizeof *recording + recording->sample_bytes + jmi_rows_bytes(&recording->ranges) +
           jmi_rows_bytes(&recording->marks) + jmi_intern_bytes(recording->texts) +
           recording->by_id_slots * sizeof *recording->by_id +
           recording->dirty_capacity * sizeof *recording->dirty;
}

void jmi_recording_note(jm_recording *recording, int64_t t_ns) {
    if (t_ns < recording->begin_ns && !recording->fixed_begin) recording->begin_ns = t_ns;
    if (t_ns > recording->end_ns) recording->end_ns = t_ns;
}

/* ---- devices and sensors ---- */

/* Replaces a caller's text by a kept one. */
static bool keep(jm_recording *recording, const char **text) {
    *text = jmi_text_locked(recording, *text, *text != NULL ? strlen(*text) : 0);
    return *text != NULL;
}

static int add_device_locked(jm_recording *recording, jm_device *device, uint32_t *index,
                             jm_error *error) {
    if (recording->device_count >= JMI_MAX_DEVICES)
        return jmi_fail(error, JM_FULL, "a recording holds at most %d devices", JMI_MAX_DEVICES);
    for (size_t i = 0; i < recording->device_count; i++)
        if (strcmp(recording->devices[i].name, device->name) == 0)
            return jmi_fail(error, JM_INVALID, "there is a device %s already", device->name);
    if (!jmi_reserve(&recording->devices, &recording->device_capacity, recording->device_count + 1,
                     sizeof *recording->devices) ||
        !keep(recording, &device->name) || !keep(recording, &device->vendor) ||
        !keep(recording, &device->model) || !keep(recording, &device->uuid) ||
        !keep(recording, &device->pci) || !keep(recording, &device->driver))
        return jmi_fail(error, JM_MEMORY, "out of memory for a device");
    if (index != NULL) *index = (uint32_t)recording->device_count;
    recording->devices[recording->device_count++] = *device;
    return JM_OK;
}

int jm_recording_add_device(jm_recording *recording, const jm_device *device, uint32_t *index,
                            jm_error *error) {
    if (recording == NULL || device == NULL)
        return jmi_fail(error, JM_INVALID, "a recording and a device are needed");
    jm_device ours;
    int status = jmi_take_struct(&ours, sizeof ours, device, "jm_device", error);
    if (status != JM_OK) return status;
    if (ours.name == NULL || ours.name[0] == '\0')
        return jmi_fail(error, JM_INVALID, "a device needs a name such as gpu0");
    if (!isfinite(ours.power_limit_w) || !isfinite(ours.power_floor_w))
        return jmi_fail(error, JM_INVALID, "%s: power limit and floor must be numbers", ours.name);
    jmi_recording_lock(recording);
    status = add_device_locked(recording, &ours, index, error);
    jmi_recording_unlock(recording);
    return status;
}

uint16_t jmi_device_find(const jm_recording *recording, const char *text) {
    if (text == NULL || text[0] == '\0') return 0;
    for (size_t i = 0; i < recording->device_count; i++) {
        const jm_device *device = &recording->devices[i];
        if (strcmp(device->name, text) == 0 || strcmp(device->uuid, text) == 0 ||
            strcasecmp(device->pci, text) == 0)
            return (uint16_t)(i + 1);
    }
    return 0;
}

const char *jmi_device_name(const jm_recording *recording, uint16_t device) {
    return device > 0 && device <= recording->device_count ? recording->devices[device - 1].name
                                                           : "";
}

static int add_sensor_locked(jm_recording *recording, jm_sensor *sensor, uint32_t *index,
                             jm_error *error) {
    if (sensor->device >= recording->device_count)
        return jmi_fail(error, JM_INVALID, "a sensor's device %u is not there", sensor->device);
    if (recording->series_count >= JMI_MAX_SENSORS)
        return jmi_fail(error, JM_FULL, "a recording holds at most %d sensors", JMI_MAX_SENSORS);
    jmi_series *series = jmi_alloc(1, sizeof *series);
    if (series == NULL || !keep(recording, &sensor->source) ||
        !jmi_reserve(&recording->series, &recording->series_capacity, recording->series_count + 1,
                     sizeof *recording->series)) {
        free(series);
        return jmi_fail(error, JM_MEMORY, "out of memory for a sensor");
    }
    series->sensor = *sensor;
    if (index != NULL) *index = (uint32_t)recording->series_count;
    recording->series[recording->series_count++] = series;
    return JM_OK;
}

int jm_recording_add_sensor(jm_recording *recording, const jm_sensor *sensor, uint32_t *index,
                            jm_error *error) {
    if (recording == NULL || sensor == NULL)
        return jmi_fail(error, JM_INVALID, "a recording and a sensor are needed");
    jm_sensor ours;
    int status = jmi_take_struct(&ours, sizeof ours, sensor, "jm_sensor", error);
    if (status != JM_OK) return status;
    if (!jmi_quantity_valid((int)ours.quantity))
        return jmi_fail(error, JM_INVALID, "there is no quantity %d", (int)ours.quantity);
    if (!isfinite(ours.noise) || !isfinite(ours.quantum) || ours.noise < 0 || ours.quantum < 0)
        return jmi_fail(error, JM_INVALID, "a sensor's noise and quantum must be 0 or more");
    jmi_recording_lock(recording);
    status = add_sensor_locked(recording, &ours, index, error);
    jmi_recording_unlock(recording);
    return status;
}

/* ---- samples ---- */

static uint8_t flags_of(const jm_samples *samples, size_t i) {
    return samples->flags != NULL ? samples->flags[i] : 0;
}

static int check_samples(const jmi_series *series, const jm_samples *samples, jm_error *error) {
    int64_t last =
        series->chunk_count > 0 ? series->chunks[series->chunk_count - 1].t_last : INT64_MIN;
    bool first = series->chunk_count == 0;
    for (size_t i = 0; i < samples->count; i++) {
        if (!jmi_time_valid(samples->t_ns[i]))
            return jmi_fail(error, JM_INVALID, "sample %zu: there is no such time", i);
        if (!first && samples->t_ns[i] <= last)
            return jmi_fail(error, JM_INVALID, "sample %zu: times must rise", i);
        if (!isfinite(samples->value[i]) && (flags_of(samples, i) & JM_SAMPLE_MISSING) == 0)
            return jmi_fail(error, JM_INVALID,
                            "sample %zu: the value is not a number; flag it as missing", i);
        last = samples->t_ns[i];
        first = false;
    }
    return JM_OK;
}

static int add_samples_locked(jm_recording *recording, jmi_series *series,
                              const jm_samples *samples, jm_error *error) {
    int status = check_samples(series, samples, error);
    for (size_t i = 0; status == JM_OK && i < samples->count; i++) {
        uint8_t flags = flags_of(samples, i);
        bool changed = series->count > 0 && samples->value[i] != series->last_value;
        if (samples->flags == NULL && changed) flags = JM_SAMPLE_CHANGED;
        uint32_t since = samples->since_ns != NULL ? samples->since_ns[i] : UINT32_MAX;
        status =
            jmi_series_add(recording, series, samples->t_ns[i], samples->value[i], since, flags);
        if (status != JM_OK) jmi_fail(error, status, "out of memory for samples");
    }
    return status;
}

int jm_recording_add_samples(jm_recording *recording, uint32_t sensor, const jm_samples *samples,
                             jm_error *error) {
    if (recording == NULL || samples == NULL ||
        (samples->count > 0 && (samples->t_ns == NULL || samples->value == NULL)))
        return jmi_fail(error, JM_INVALID, "a recording, times and values are needed");
    jmi_recording_lock(recording);
    int status = sensor < recording->series_count
                     ? add_samples_locked(recording, recording->series[sensor], samples, error)
                     : jmi_fail(error, JM_NOT_FOUND, "there is no sensor %u", sensor);
    jmi_recording_unlock(recording);
    return status;
}

/* ---- facts and warnings ---- */

static jmi_info *find_info(const jm_recording *recording, const char *key, size_t *foreign) {
    *foreign = 0;
    for (size_t i = 0; i < recording->info_count; i++) {
        if (strcmp(recording->info[i].key, key) == 0) return &recording->info[i];
        *foreign += recording->info[i].foreign;
    }
    return NULL;
}

int jmi_info_set(jm_recording *recording, const char *key, const char *value, bool foreign) {
    size_t count;
    jmi_info *info = find_info(recording, key, &count);
    if (foreign && info != NULL && !info->foreign) return JM_PERMISSION;
    if (foreign && info == NULL && count >= JMI_MAX_FOREIGN) return JM_FULL;
    const char *kept = jmi_text_locked(recording, value, strlen(value));
    const char *kept_key = jmi_text_locked(recording, key, strlen(key));
    if (kept == NULL || kept_key == NULL) return JM_MEMORY;
    if (info == NULL) {
        if (!jmi_reserve(&recording->info, &recording->info_capacity, recording->info_count + 1,
                         sizeof *recording->info))
            return JM_MEMORY;
        info = &recording->info[recording->info_count++];
    }
    *info = (jmi_info){kept_key, kept, foreign};
    recording->info_changes++;
    return JM_OK;
}

int jm_recording_set_info(jm_recording *recording, const char *key, const char *value) {
    if (recording == NULL || key == NULL || key[0] == '\0' || value == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    int status = jmi_info_set(recording, key, value, false);
    jmi_recording_unlock(recording);
    return status;
}

const char *jm_recording_info(const jm_recording *recording, const char *key) {
    if (recording == NULL || key == NULL) return NULL;
    size_t foreign;
    jmi_recording_lock(recording);
    const jmi_info *info = find_info(recording, key, &foreign);
    const char *value = info != NULL ? info->value : NULL;
    jmi_recording_unlock(recording);
    return value;
}

uint32_t jm_recording_info_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint32_t count = (uint32_t)recording->info_count;
    jmi_recording_unlock(recording);
    return count;
}

int jm_recording_info_at(const jm_recording *recording, uint32_t index, const char **key,
                         const char **value) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    bool there = index < recording->info_count;
    if (there && key != NULL) *key = recording->info[index].key;
    if (there && value != NULL) *value = recording->info[index].value;
    jmi_recording_unlock(recording);
    return there ? JM_OK : JM_NOT_FOUND;
}

void jmi_recording_warn(jm_recording *recording, const char *kind, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    jmi_recording_lock(recording);
    bool known = false;
    for (size_t i = 0; i < recording->warning_count && !known; i++)
        known = strcmp(recording->warnings[i].kind, kind) == 0;
    if (!known && jmi_reserve(&recording->warnings, &recording->warning_capacity,
                              recording->warning_count + 1, sizeof *recording->warnings)) {
        jmi_warning warning = {jmi_text_locked(recording, kind, strlen(kind)),
                               jmi_text_locked(recording, text, strlen(text))};
        if (warning.kind != NULL && warning.text != NULL)
            recording->warnings[recording->warning_count++] = warning;
    }
    jmi_recording_unlock(recording);
}

/* ---- getters ---- */

int64_t jm_recording_begin_ns(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    int64_t begin = recording->begin_ns <= recording->end_ns ? recording->begin_ns : 0;
    jmi_recording_unlock(recording);
    return begin;
}

int64_t jm_recording_end_ns(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    int64_t end = recording->begin_ns <= recording->end_ns ? recording->end_ns : 0;
    jmi_recording_unlock(recording);
    return end;
}

int64_t jm_recording_utc_offset_ns(const jm_recording *recording) {
    if (recording == NULL) return 0;
    return recording->utc_offset_ns;
}

uint32_t jm_recording_device_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint32_t count = (uint32_t)recording->device_count;
    jmi_recording_unlock(recording);
    return count;
}

uint32_t jm_recording_sensor_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint32_t count = (uint32_t)recording->series_count;
    jmi_recording_unlock(recording);
    return count;
}

uint32_t jm_recording_warning_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint32_t count = (uint32_t)recording->warning_count;
    jmi_recording_unlock(recording);
    return count;
}

int jm_recording_device(const jm_recording *recording, uint32_t index, jm_device *device) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    bool there = index < recording->device_count;
    jm_device ours = {0};
    if (there) ours = recording->devices[index];
    jmi_recording_unlock(recording);
    return there ? jmi_give_struct(device, &ours, sizeof ours) : JM_NOT_FOUND;
}

int jm_recording_sensor(const jm_recording *recording, uint32_t index, jm_sensor *sensor) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    bool there = index < recording->series_count;
    jm_sensor ours = {0};
    if (there) ours = recording->series[index]->sensor;
    jmi_recording_unlock(recording);
    return there ? jmi_give_struct(sensor, &ours, sizeof ours) : JM_NOT_FOUND;
}

const char *jm_recording_warning(const jm_recording *recording, uint32_t index) {
    if (recording == NULL) return NULL;
    jmi_recording_lock(recording);
    const char *text = index < recording->warning_count ? recording->warnings[index].text : NULL;
    jmi_recording_unlock(recording);
    return text;
}

int jm_recording_sampler_stats(const jm_recording *recording, jm_sampler_stats *stats) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    jm_sampler_stats ours = recording->stats;
    jmi_recording_unlock(recording);
    return jmi_give_struct(stats, &ours, sizeof ours);
}
