#include "sensor/calibrate_poll.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_COSTS = 200000, DRAIN = 512 };
#define ASK_NS          (JMI_NS_PER_S / 10)
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

static bool add_sources(jmi_polling *polling, jmi_sensor_set *set, uint32_t device) {
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

jmi_polling *jmi_polling_open(jmi_sensor_set *set, uint32_t device) {
    jmi_polling *polling = jmi_alloc(1, sizeof *polling);
    if (polling == NULL) return NULL;
    polling->users = 1;
    if (add_sources(polling, set, device)) return polling;
    jmi_polling_close(polling);
    return NULL;
}

void jmi_polling_close(jmi_polling *polling) {
    if (polling == NULL || atomic_fetch_sub(&polling->users, 1) > 1) return;
    for (size_t i = 0; i < polling->track_count; i++) free(polling->tracks[i].ticks);
    for (size_t i = 0; i < polling->poll_count; i++) free(polling->polls[i].costs_s);
    free(polling->tracks);
    free(polling->polls);
    free(polling);
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
    atomic_store(&polling->called_ns, before);
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
    atomic_store(&polling->called_ns, 0);
    if (keep) keep_cost(poll, (double)(jm_now_ns() - before) * 1e-9);
}

static void sleep_until(int64_t t_ns) {
    struct timespec t = {.tv_sec = t_ns / JMI_NS_PER_S, .tv_nsec = t_ns % JMI_NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* ---- the thread that polls ---- */

struct job {
    jmi_polling *polling;
    jmi_load *load;
    int64_t begin_ns, end_ns;
    bool slow;
    int status;
    _Atomic uint32_t done;
    _Atomic uint32_t users;
};

static void leave(struct job *job) {
    if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

/* Polls what is due; returns when something will be next. */
static int64_t poll_due(jmi_polling *polling, bool slow, int64_t now, int64_t next) {
    for (size_t i = 0; i < polling->poll_count && !atomic_load(&polling->stop); i++) {
        jmi_poll *poll = &polling->polls[i];
        if (poll->next_ns <= now) {
            poll_source(polling, poll, !slow);
            poll->next_ns = now + (slow ? SLOW_NS : (int64_t)poll->period_ns);
        }
        if (poll->next_ns < next) next = poll->next_ns;
    }
    return next;
}

static int poll_until(struct job *job) {
    jmi_polling *polling = job->polling;
    for (size_t i = 0; i < polling->poll_count; i++) {
        polling->polls[i].next_ns = job->begin_ns;
        polling->polls[i].before_ns = 0;
    }
    for (int64_t now = job->begin_ns; now < job->end_ns && !polling->lost; now = jm_now_ns()) {
        int status = jmi_load_step(job->load, now);
        if (status != JM_OK) return status;
        int64_t next =
            poll_due(polling, job->slow, now, job->load != NULL ? now + 1000000 : now + ASK_NS);
        if (atomic_load(&polling->stop)) return JM_INTERRUPTED;
        sleep_until(next < job->end_ns ? next : job->end_ns);
    }
    return polling->lost ? JM_LOST : JM_OK;
}

static void *run_job(void *data) {
    struct job *job = data;
    job->status = poll_until(job);
    jmi_polling_close(job->polling);
    atomic_store(&job->done, 1);
    jmi_futex_wake(&job->done);
    leave(job);
    return NULL;
}

/* ---- the one that waits for it ---- */

static bool hangs(const jmi_polling *polling, int64_t now) {
    int64_t called = atomic_load(&polling->called_ns);
    return called != 0 && now - called > jmi_driver_timeout_ns();
}

static int wait_for(struct job *job, jmi_polling *polling, const jmi_polling_hooks *hooks) {
    double length = (double)(job->end_ns - job->begin_ns);
    while (atomic_load(&job->done) == 0) {
        int64_t now = jm_now_ns();
        double done = fmin((double)(now - job->begin_ns) / length, 1);
        if (hangs(polling, now)) {
            atomic_store(&polling->stop, true); /* should it come back */
            return JM_HUNG;
        }
        if (hooks->stop != NULL && !atomic_load(&polling->stop) &&
            hooks->stop(done, hooks->user) != 0)
            atomic_store(&polling->stop, true);
        jmi_futex_wait_until(&job->done, 0, now + ASK_NS);
    }
    return job->status;
}

int jmi_polling_run(jmi_polling *polling, int64_t end_ns, bool slow,
                    const jmi_polling_hooks *hooks) {
    struct job *job = jmi_alloc(1, sizeof *job);
    if (job == NULL) return JM_MEMORY;
    job->polling = polling;
    job->load = hooks->load;
    job->begin_ns = jm_now_ns();
    job->end_ns = end_ns;
    job->slow = slow;
    job->users = 2;
    atomic_fetch_add(&polling->users, 1);
    int status = JM_SYSTEM;
    if (jmi_thread_start(NULL, JMI_DRIVER_STACK, run_job, job) == 0) {
        status = wait_for(job, polling, hooks);
    } else {
        jmi_polling_close(polling);
        atomic_store(&job->users, 1);
    }
    leave(job);
    return status;
}
