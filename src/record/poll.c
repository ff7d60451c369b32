/* Reading one source, and what becomes of its readings. */
#include "record/sampler_state.h"

#include <math.h>
#include <string.h>

enum { DRAIN_CAPACITY = 128 };                  /* readings taken from a driver's ring at a time */
static const int64_t stalled_ns = JMI_NS_PER_S; /* a poll so late leaves a gap */

const char *jmi_poll_device(const jmi_sampler *sampler, size_t source) {
    return sampler->set->devices[sampler->set->sources[source].device].name;
}

static jmi_series *series_of(const jmi_sampler *sampler, size_t source, uint32_t k) {
    return sampler->config.recording->series[sampler->set->sources[source].sensor[k]];
}

static jmi_keeper *keeper_of(jmi_sampler *sampler, size_t source, uint32_t k) {
    return &sampler->keepers[sampler->set->sources[source].sensor[k]];
}

void jmi_poll_bury(jmi_sampler *sampler, size_t source, int64_t t_ns) {
    jm_recording *recording = sampler->config.recording;
    sampler->sources[source].dead = true;
    jmi_recording_lock(recording);
    for (uint32_t k = 0; k < sampler->set->sources[source].sensor_count; k++)
        jmi_keep_missing(keeper_of(sampler, source, k), recording, series_of(sampler, source, k),
                         t_ns);
    jmi_recording_unlock(recording);
}

bool jmi_poll_same_driver(const jmi_sampler *sampler, size_t a, size_t b) {
    const char *driver = sampler->set->sources[a].driver;
    const char *other = sampler->set->sources[b].driver;
    return a == b || (driver != NULL && other != NULL && strcmp(driver, other) == 0);
}

void jmi_poll_away(jmi_sampler *sampler, size_t source, int64_t since_ns) {
    for (size_t i = 0; i < sampler->source_count; i++)
        if (jmi_poll_same_driver(sampler, source, i)) sampler->sources[i].away_ns = since_ns;
    if (since_ns != 0)
        atomic_fetch_add(&sampler->away, 1);
    else
        atomic_fetch_sub(&sampler->away, 1);
}

static void lose(jmi_sampler *sampler, size_t source, int64_t t_ns) {
    const char *name = jmi_poll_device(sampler, source);
    char kind[80];
    snprintf(kind, sizeof kind, "lost %s", name);
    jmi_poll_bury(sampler, source, t_ns);
    jmi_recording_warn(sampler->config.recording, kind,
                       "%s is lost: its readings end here, the others go on", name);
}

/* Keeps the readings of one call made around t_ns. True: a value of power or energy changed. */
static bool keep_readings(jmi_sampler *sampler, size_t source, const jmi_reading *readings,
                          int64_t t_ns) {
    const jmi_sampler_config *config = &sampler->config;
    uint32_t count = sampler->set->sources[source].sensor_count;
    bool changed = false, failed = false;
    jmi_recording_lock(config->recording);
    for (uint32_t k = 0; k < count; k++) {
        jmi_keeper *keeper = keeper_of(sampler, source, k);
        jmi_series *series = series_of(sampler, source, k);
        if (readings[k].status != JM_OK || !isfinite(readings[k].value)) {
            jmi_keep_missing(keeper, config->recording, series, t_ns);
            failed |= readings[k].status != JM_NO_DATA; /* not ready yet is no failure */
            continue;
        }
        int64_t at = readings[k].source_ns != 0 ? readings[k].source_ns : t_ns;
        bool differs = jmi_keep(keeper, config->recording, series, &readings[k], at,
                                config->interval_ns, config->keep_polls);
        jm_quantity quantity = series->sensor.quantity;
        if (quantity == JM_QUANTITY_POWER || quantity == JM_QUANTITY_POWER_AVERAGE ||
            quantity == JM_QUANTITY_ENERGY)
            changed |= differs;
    }
    config->recording->stats.polls++;
    config->recording->stats.failed += failed;
    jmi_recording_unlock(config->recording);
    return changed;
}

/* The call as a whole failed. */
static void keep_failure(jmi_sampler *sampler, size_t source, int status, int64_t t_ns) {
    jmi_reading none[JMI_SOURCE_SENSORS];
    for (uint32_t k = 0; k < JMI_SOURCE_SENSORS; k++) none[k] = (jmi_reading){.status = status};
    keep_readings(sampler, source, none, t_ns);
}

/* Calls the driver, without the lock. False: it came back too late. */
static bool call_driver(const jmi_watch *self, size_t source, jmi_reading *readings, size_t *count,
                        int *status, int64_t *before, int64_t *after) {
    jmi_sampler *sampler = self->sampler;
    jmi_source *called = &sampler->set->sources[source];
    *before = jm_now_ns();
    atomic_store(&sampler->call_source, (uint32_t)source);
    atomic_store(&sampler->call_since_ns, *before);
    pthread_mutex_unlock(&sampler->lock);
    if (called->drain != NULL)
        *status = called->drain(called, readings, DRAIN_CAPACITY, count);
    else
        *status = called->read(called, readings);
    *after = jm_now_ns();
    pthread_mutex_lock(&sampler->lock);
    if (sampler->sources[source].dead) return false;
    if (atomic_load(&sampler->generation) == self->generation)
        atomic_store(&sampler->call_since_ns, 0);
    else
        jmi_poll_away(sampler, source, 0);
    return true;
}

static void keep_drained(jmi_sampler *sampler, size_t source, const jmi_reading *readings,
                         size_t count) {
    const jmi_sampler_config *config = &sampler->config;
    jmi_keeper *keeper = keeper_of(sampler, source, 0);
    jmi_series *series = series_of(sampler, source, 0);
    jmi_recording_lock(config->recording);
    for (size_t i = 0; i < count; i++)
        if (readings[i].status == JM_OK && readings[i].source_ns != 0 &&
            isfinite(readings[i].value))
            jmi_keep(keeper, config->recording, series, &readings[i], readings[i].source_ns, 0,
                     true);
    config->recording->stats.polls++;
    jmi_recording_unlock(config->recording);
}

static void note_late(jmi_sampler *sampler, const jmi_source_state *state, int64_t now_ns) {
    int64_t late = now_ns - state->schedule.next_ns;
    if (late <= (int64_t)(state->schedule.period_ns / 2)) return;
    jm_recording *recording = sampler->config.recording;
    jmi_recording_lock(recording);
    recording->stats.late++;
    if ((uint64_t)late > recording->stats.worst_late_ns)
        recording->stats.worst_late_ns = (uint64_t)late;
    jmi_recording_unlock(recording);
}

void jmi_poll_gap(jmi_sampler *sampler, size_t source) {
    for (uint32_t k = 0; k < sampler->set->sources[source].sensor_count; k++)
        keeper_of(sampler, source, k)->gap = true;
}

bool jmi_poll_source(const jmi_watch *self, size_t source) {
    jmi_sampler *sampler = self->sampler;
    jmi_source_state *state = &sampler->sources[source];
    jmi_reading readings[DRAIN_CAPACITY];
    size_t count = 0;
    int status;
    int64_t before, after;
    if (!call_driver(self, source, readings, &count, &status, &before, &after)) return false;
    int64_t middle = before + (after - before) / 2;
    if (state->polled_ns != 0) {
        note_late(sampler, state, before);
        if (before - state->schedule.next_ns > stalled_ns) jmi_poll_gap(sampler, source);
    }
    bool changed = false;
    if (status == JM_LOST) {
        lose(sampler, source, middle);
    } else if (status != JM_OK) {
        keep_failure(sampler, source, status, middle);
    } else if (sampler->set->sources[source].drain != NULL) {
        keep_drained(sampler, source, readings, count < DRAIN_CAPACITY ? count : DRAIN_CAPACITY);
    } else {
        changed = keep_readings(sampler, source, readings, middle);
    }
    jmi_schedule_done(&state->schedule, before, after, changed ? state->polled_ns : 0);
    state->polled_ns = middle;
    return atomic_load(&sampler->generation) == self->generation;
}

void jmi_poll_finish(jmi_sampler *sampler) {
    jm_recording *recording = sampler->config.recording;
    jmi_recording_lock(recording);
    for (size_t i = 0; i < sampler->source_count; i++)
        for (uint32_t k = 0; k < sampler->set->sources[i].sensor_count; k++)
            jmi_keep_last(keeper_of(sampler, i, k), recording, series_of(sampler, i, k));
    jmi_recording_unlock(recording);
}
