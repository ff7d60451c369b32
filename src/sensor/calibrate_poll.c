#include "sensor/calibrate_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_COSTS = 200000, DRAIN = 512 };
#define LEAST_PERIOD_NS UINT64_C(200000)
#define SLOW_NS         INT64_C(1000000000)

uint32_t jmi_polling_group(const jmi_sensor_set *set, uint32_t device) {
    for (uint32_t i = 0; i < device; i++)
        if (strcmp(set->devices[i].uuid, set->devices[device].uuid) == 0) return i;
    return device;
}

static bool is_wanted(const jmi_sensor_set *set, const jm_sensor *sensor, uint32_t group) {
    return sensor->quantity <= JM_QUANTITY_ENERGY && !sensor->modelled &&
           jmi_polling_group(set, sensor->device) == group;
}

static uint64_t poll_period(const jmi_source *source, const jm_sensor *sensor) {
    if (source->drain != NULL) return source->min_period_ns;
    uint64_t refresh = sensor->refresh_ns != 0 ? sensor->refresh_ns : 20000000;
    uint64_t period = refresh / 50;
    if (period > 2000000) period = 2000000;
    if (period < 2 * source->cost_ns) period = 2 * source->cost_ns;
    return period > LEAST_PERIOD_NS ? period : LEAST_PERIOD_NS;
}

static bool add_source(jmi_polling *polling, jmi_source *source, const jm_sensor *sensor) {
    if (!jmi_reserve(&polling->polls, &polling->poll_capacity, polling->poll_count + 1,
                     sizeof *polling->polls))
        return false;
    polling->polls[polling->poll_count++] = (jmi_poll){
        .source = source,
        .period_ns = poll_period(source, sensor),
    };
    return true;
}

bool jmi_polling_open(jmi_polling *polling, jmi_sensor_set *set, uint32_t device) {
    *polling = (jmi_polling){0};
    for (size_t i = 0; i < set->source_count; i++) {
        jmi_source *source = &set->sources[i];
        bool added = false;
        for (size_t slot = 0; slot < source->sensor_count; slot++) {
            const jm_sensor *sensor = &set->sensors[source->sensor[slot]];
            if (!is_wanted(set, sensor, device)) continue;
            if (!jmi_reserve(&polling->tracks, &polling->track_capacity, polling->track_count + 1,
                             sizeof *polling->tracks))
                return false;
            polling->tracks[polling->track_count++] =
                (jmi_track){.sensor = source->sensor[slot], .source = source, .slot = slot};
            if (!added && !add_source(polling, source, sensor)) return false;
            added = true;
        }
    }
    return polling->track_count > 0;
}

void jmi_polling_close(jmi_polling *polling) {
    for (size_t i = 0; i < polling->track_count; i++) free(polling->tracks[i].ticks);
    for (size_t i = 0; i < polling->poll_count; i++) free(polling->polls[i].costs_s);
    free(polling->tracks);
    free(polling->polls);
    *polling = (jmi_polling){0};
}

static void keep_tick(jmi_track *track, int64_t lo_ns, int64_t hi_ns, double value) {
    if (jmi_reserve(&track->ticks, &track->capacity, track->count + 1, sizeof *track->ticks))
        track->ticks[track->count++] = (jmi_tick){lo_ns, hi_ns, value};
}

static void keep_cost(jmi_poll *poll, double seconds) {
    if (poll->cost_count < MOST_COSTS && jmi_reserve(&poll->costs_s, &poll->cost_capacity,
                                                     poll->cost_count + 1, sizeof *poll->costs_s))
        poll->costs_s[poll->cost_count++] = seconds;
}

static void take_reading(jmi_track *track, const jmi_reading *reading, int64_t before_ns,
                         int64_t now_ns, bool keep) {
    if (reading->status != JM_OK) return;
    bool changed = track->has_last && reading->value != track->last;
    if (keep && changed && before_ns != 0) keep_tick(track, before_ns, now_ns, reading->value);
    track->last = reading->value;
    track->has_last = true;
}

static void drain_source(jmi_polling *polling, jmi_poll *poll, bool keep) {
    jmi_reading readings[DRAIN];
    size_t count = 0;
    if (poll->source->drain(poll->source, readings, DRAIN, &count) == JM_LOST) polling->lost = true;
    for (size_t t = 0; t < polling->track_count; t++) {
        if (polling->tracks[t].source != poll->source) continue;
        for (size_t i = 0; i < count; i++)
            if (keep && readings[i].status == JM_OK && readings[i].source_ns != 0)
                /* The driver's time has microseconds. */
                keep_tick(&polling->tracks[t], readings[i].source_ns - 1000, readings[i].source_ns,
                          readings[i].value);
    }
}

static void poll_source(jmi_polling *polling, jmi_poll *poll, bool keep) {
    jmi_reading readings[JMI_SOURCE_SENSORS];
    int64_t before = jm_now_ns();
    if (poll->source->drain != NULL) {
        drain_source(polling, poll, keep);
    } else {
        int status = poll->source->read(poll->source, readings);
        if (status == JM_LOST) polling->lost = true;
        int64_t after = jm_now_ns();
        for (size_t t = 0; t < polling->track_count; t++) {
            jmi_track *track = &polling->tracks[t];
            if (track->source == poll->source)
                take_reading(track, &readings[track->slot], poll->before_ns, after, keep);
        }
        poll->before_ns = before;
    }
    if (keep) keep_cost(poll, (double)(jm_now_ns() - before) * 1e-9);
}

static void sleep_until(int64_t t_ns) {
    struct timespec t = {.tv_sec = t_ns / JMI_NS_PER_S, .tv_nsec = t_ns % JMI_NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

int jmi_polling_run(jmi_polling *polling, int64_t end_ns, bool slow,
                    const jmi_polling_hooks *hooks) {
    int64_t begin = jm_now_ns(), asked = 0;
    for (size_t i = 0; i < polling->poll_count; i++) {
        polling->polls[i].next_ns = begin;
        polling->polls[i].before_ns = 0;
    }
    for (int64_t now = begin; now < end_ns && !polling->lost; now = jm_now_ns()) {
        jmi_load_step(hooks->load, now);
        if (hooks->stop != NULL && now - asked > JMI_NS_PER_S / 10) {
            asked = now;
            if (hooks->stop((double)(now - begin) / (double)(end_ns - begin), hooks->user) != 0)
                return JM_INTERRUPTED;
        }
        int64_t next = hooks->load != NULL ? now + 1000000 : now + JMI_NS_PER_S / 10;
        for (size_t i = 0; i < polling->poll_count; i++) {
            jmi_poll *poll = &polling->polls[i];
            if (poll->next_ns <= now) {
                poll_source(polling, poll, !slow);
                poll->next_ns = now + (slow ? SLOW_NS : (int64_t)poll->period_ns);
            }
            if (poll->next_ns < next) next = poll->next_ns;
        }
        if (next > end_ns) next = end_ns;
        sleep_until(next);
    }
    return polling->lost ? JM_LOST : JM_OK;
}
