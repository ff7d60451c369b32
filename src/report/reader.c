#include "report/reader.h"

#include "energy/views.h"

#include <math.h>
#include <string.h>

int jmi_reader_open(jmi_reader *reader, const jm_recording *recording, uint32_t sensor,
                    jm_error *error) {
    *reader = (jmi_reader){.status = JM_OK};
    return jm_cursor_open(&reader->cursor, recording, sensor, INT64_MIN, INT64_MAX, error);
}

bool jmi_reader_peek(jmi_reader *reader, jmi_sample *sample) {
    if (reader->at >= reader->block.count) {
        if (reader->cursor == NULL || reader->status != JM_OK) return false;
        reader->at = 0;
        reader->status = jm_cursor_next(reader->cursor, &reader->block);
        if (reader->status != JM_OK) return false;
    }
    size_t i = reader->at;
    bool missing = (reader->block.flags[i] & JM_SAMPLE_MISSING) != 0;
    *sample = (jmi_sample){.t_ns = reader->block.t_ns[i],
                           .value = missing ? (double)NAN : reader->block.value[i],
                           .since_ns = reader->block.since_ns[i],
                           .flags = reader->block.flags[i]};
    return true;
}

int jmi_reader_check(const jmi_reader *reader, jm_error *error) {
    if (reader->status == JM_OK || reader->status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, reader->status, "cannot read the samples of a sensor");
}

void jmi_reader_close(jmi_reader *reader) {
    jm_cursor_close(reader->cursor);
    *reader = (jmi_reader){.status = JM_NO_DATA};
}

/* ---- what holds ---- */

int64_t jmi_known_until(const jmi_sample *sample, const jmi_sample *next) {
    if ((next->flags & JM_SAMPLE_GAP) == 0) return next->t_ns;
    int64_t last_poll = next->t_ns - (int64_t)next->since_ns;
    bool told = next->since_ns != UINT32_MAX && last_poll > sample->t_ns;
    return told ? last_poll : sample->t_ns;
}

int jmi_held_open(jmi_held *held, const jm_recording *recording, uint32_t sensor, jm_error *error) {
    *held = (jmi_held){.has_last = false};
    int status = jmi_reader_open(&held->reader, recording, sensor, error);
    if (status == JM_OK) held->has_next = jmi_reader_peek(&held->reader, &held->next);
    return status;
}

double jmi_held_at(jmi_held *held, int64_t t_ns) {
    while (held->has_next && held->next.t_ns <= t_ns) {
        held->last = held->next;
        held->has_last = true;
        jmi_reader_skip(&held->reader);
        held->has_next = jmi_reader_peek(&held->reader, &held->next);
    }
    if (!held->has_last) return NAN;
    if (held->has_next && t_ns > jmi_known_until(&held->last, &held->next)) return NAN;
    return held->last.value;
}

void jmi_held_close(jmi_held *held) {
    jmi_reader_close(&held->reader);
}

/* ---- which sensor ---- */

/* Also where they cannot be read: whoever reads them then says so. */
static bool has_values(const jm_recording *recording, uint32_t sensor) {
    jmi_reader reader;
    jmi_sample sample;
    bool found = false;
    if (jmi_reader_open(&reader, recording, sensor, NULL) != JM_OK) return false;
    while (!found && jmi_reader_peek(&reader, &sample)) {
        found = !isnan(sample.value);
        jmi_reader_skip(&reader);
    }
    found |= jmi_reader_check(&reader, NULL) != JM_OK;
    jmi_reader_close(&reader);
    return found;
}

/* The sensor of the highest rank that has values; of equal ones the first. */
static bool find_sensor(const jm_recording *recording, uint32_t device,
                        double (*rank)(const jm_sensor *sensor, jm_quantity quantity),
                        jm_quantity quantity, uint32_t *best) {
    double most = -1;
    uint32_t count = jm_recording_sensor_count(recording);
    for (uint32_t i = 0; i < count; i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK || sensor.device != device)
            continue;
        double value = rank(&sensor, quantity);
        if (!(value > most) || !has_values(recording, i)) continue;
        most = value;
        *best = i;
    }
    return most >= 0;
}

static double rank_power(const jm_sensor *sensor, jm_quantity quantity) {
    double rank = jmi_rank_power(sensor);
    if (rank < 0) return -1;
    double tier = (sensor->modelled ? 0 : 2) + (sensor->quantity == quantity);
    return tier + rank / (1 + rank); /* ranks compare within a tier */
}

static double rank_counter(const jm_sensor *sensor, jm_quantity quantity) {
    return sensor->quantity == quantity ? jmi_rank_counter(sensor) : -1;
}

static double rank_gauge(const jm_sensor *sensor, jm_quantity quantity) {
    return sensor->quantity == quantity ? !sensor->modelled : -1;
}

bool jmi_power_sensor(const jm_recording *recording, uint32_t device, uint32_t *sensor) {
    return find_sensor(recording, device, rank_power, JM_QUANTITY_POWER, sensor);
}

bool jmi_counter_sensor(const jm_recording *recording, uint32_t device, uint32_t *sensor) {
    return find_sensor(recording, device, rank_counter, JM_QUANTITY_ENERGY, sensor);
}

bool jmi_gauge_sensor(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                      uint32_t *sensor) {
    return find_sensor(recording, device, rank_gauge, quantity, sensor);
}

bool jmi_device_is(const char *name, const char *kind) {
    size_t length = strlen(kind);
    return strncmp(name, kind, length) == 0 && name[length] >= '0' && name[length] <= '9';
}
