#include "record/sampler.h"

#include "record/clockwatch.h"
#include "record/keep.h"
#include "record/schedule.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_BYTES = 256 * 1024, /* drivers need some of it; untouched pages cost nothing */
    DRAIN_CAPACITY = 128,     /* readings taken from a driver's ring at a time */
    MAX_ROUNDS = 64           /* threads that a session may lose to hanging drivers */
};
static const int64_t idle_ns = JMI_NS_PER_S;           /* longest sleep */
static const int64_t stalled_ns = JMI_NS_PER_S;        /* a poll so late leaves a gap */
static const int64_t quick_bell_ns = 200 * 1000;       /* doorbells are answered no faster */

typedef struct source_state {
    jmi_schedule schedule;
    int64_t polled_ns; /* middle of the latest reading; 0: none */
    bool dead;         /* lost or hung: never read again */
} source_state;

/* Shared by the session and the sampling threads, of which there is one at a time that counts; one
 * that hung and comes back finds that its generation is over and touches nothing else. */
struct jmi_sampler {
    _Atomic uint32_t refs;
    pthread_mutex_t lock; /* of all but the atomics */
    jmi_sampler_config config;
    jmi_sensor_set *set;
    source_state *sources;
    size_t source_count;
    jmi_keeper *keepers;
    jmi_clockwatch clocks;
    uint64_t past_cpu_ns; /* of threads that are gone */
    _Atomic uint32_t generation;
    _Atomic uint32_t stop;
    _Atomic uint32_t ready;         /* futex: every source was read once */
    _Atomic uint32_t finished;      /* futex: the thread that counts has ended */
    _Atomic int64_t call_since_ns;  /* a driver call began then; 0: none is going on */
    _Atomic uint32_t call_source;
    int64_t housekept_ns;
};

/* One thread. */
typedef struct watch {
    jmi_sampler *sampler;
    uint32_t generation;
    uint64_t cpu_ns; /* that was counted already */
    int64_t bell_ns; /* when the doorbell was answered last */
} watch;

static void unref(jmi_sampler *sampler) {
    if (atomic_fetch_sub(&sampler->refs, 1) != 1) return;
    jmi_sensors_close(sampler->set);
    free(sampler->sources);
    free(sampler->keepers);
    pthread_mutex_destroy(&sampler->lock);
    free(sampler);
}

/* ---- reading ---- */

static const char *device_name(const jmi_sampler *sampler, size_t source) {
    return sampler->set->devices[sampler->set->sources[source].device].name;
}

static jmi_series *series_of(const jmi_sampler *sampler, size_t source, uint32_t k) {
    return sampler->config.recording->series[sampler->set->sources[source].sensor[k]];
}

static jmi_keeper *keeper_of(jmi_sampler *sampler, size_t source, uint32_t k) {
    return &sampler->keepers[sampler->set->sources[source].sensor[k]];
}

/* Takes a source out of service: its sensors have no values from here on. */
static void bury(jmi_sampler *sampler, size_t source, int64_t t_ns) {
    jm_recording *recording = sampler->config.recording;
    sampler->sources[source].dead = true;
    jmi_recording_lock(recording);
    for (uint32_t k = 0; k < sampler->set->sources[source].sensor_count; k++)
        jmi_keep_missing(keeper_of(sampler, source, k), recording, series_of(sampler, source, k),
                         t_ns);
    jmi_recording_unlock(recording);
}

static void lose(jmi_sampler *sampler, size_t source, int64_t t_ns) {
    const char *name = device_name(sampler, source);
    char kind[80];
    snprintf(kind, sizeof kind, "lost %s", name);
    bury(sampler, source, t_ns);
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
            failed = true;
            continue;
        }
        int64_t at = readings[k].source_ns != 0 ? readings[k].source_ns : t_ns;
        bool differs = jmi_keep(keeper, config->recording, series, &readings[k], at,
                                config->interval_ns, config->keep_polls);
        jm_quantity quantity = series->sensor.quantity;
        if (quantity == JM_POWER || quantity == JM_POWER_AVERAGE || quantity == JM_ENERGY)
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

/* Calls the driver, without the lock. False: the thread was given up meanwhile. */
static bool call_driver(const watch *self, size_t source, jmi_reading *readings, size_t *count,
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
    if (atomic_load(&sampler->generation) != self->generation) return false;
    atomic_store(&sampler->call_since_ns, 0);
    return true;
}

static void keep_drained(jmi_sampler *sampler, size_t source, const jmi_reading *readings,
                         size_t count) {
    const jmi_sampler_config *config = &sampler->config;
    jmi_keeper *keeper = keeper_of(sampler, source, 0);
    jmi_series *series = series_of(sampler, source, 0);
    jmi_recording_lock(config->recording);
    for (size_t i = 0; i < count; i++)
        if (readings[i].status == JM_OK && readings[i].source_ns != 0 && isfinite(readings[i].value))
            jmi_keep(keeper, config->recording, series, &readings[i], readings[i].source_ns, 0,
                     true);
    config->recording->stats.polls++;
    jmi_recording_unlock(config->recording);
}

static void note_late(jmi_sampler *sampler, const source_state *state, int64_t now_ns) {
    int64_t late = now_ns - state->schedule.next_ns;
    if (late <= (int64_t)(state->schedule.period_ns / 2)) return;
    jm_recording *recording = sampler->config.recording;
    jmi_recording_lock(recording);
    recording->stats.late++;
    if ((uint64_t)late > recording->stats.worst_late_ns)
        recording->stats.worst_late_ns = (uint64_t)late;
    jmi_recording_unlock(recording);
}

static void mark_gaps(jmi_sampler *sampler, size_t source) {
    for (uint32_t k = 0; k < sampler->set->sources[source].sensor_count; k++)
        keeper_of(sampler, source, k)->gap = true;
}

/* Reads one source. False: the thread was given up meanwhile. */
static bool poll_source(const watch *self, size_t source) {
    jmi_sampler *sampler = self->sampler;
    source_state *state = &sampler->sources[source];
    jmi_reading readings[DRAIN_CAPACITY];
    size_t count = 0;
    int status;
    int64_t before, after;
    if (!call_driver(self, source, readings, &count, &status, &before, &after)) return false;
    int64_t middle = before + (after - before) / 2;
    if (state->polled_ns != 0) {
        note_late(sampler, state, before);
        if (before - state->schedule.next_ns > stalled_ns) mark_gaps(sampler, source);
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
    return true;
}

/* ---- one round: what is due, ranges, sleep ---- */

static bool poll_due(const watch *self, bool all) {
    jmi_sampler *sampler = self->sampler;
    for (size_t i = 0; i < sampler->source_count; i++) {
        const source_state *state = &sampler->sources[i];
        if (state->dead || (!all && state->schedule.next_ns > jm_now_ns())) continue;
        if (!poll_source(self, i)) return false;
    }
    return true;
}

static int64_t next_deadline(const jmi_sampler *sampler, int64_t now_ns) {
    int64_t next = now_ns + idle_ns;
    for (size_t i = 0; i < sampler->source_count; i++)
        if (!sampler->sources[i].dead && sampler->sources[i].schedule.next_ns < next)
            next = sampler->sources[i].schedule.next_ns;
    return next;
}

static void count_cpu(watch *self) {
    uint64_t now = (uint64_t)jmi_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    jm_recording *recording = self->sampler->config.recording;
    jmi_recording_lock(recording);
    recording->stats.cpu_ns += now - self->cpu_ns;
    jmi_recording_unlock(recording);
    self->cpu_ns = now;
}

/* Suspend and clock steps, at every wake; the rest once a second. */
static void keep_house(watch *self, int64_t now_ns) {
    jmi_sampler *sampler = self->sampler;
    if (jmi_clockwatch_look(&sampler->clocks, sampler->config.recording, now_ns))
        for (size_t i = 0; i < sampler->source_count; i++) mark_gaps(sampler, i);
    if (now_ns - sampler->housekept_ns < JMI_NS_PER_S) return;
    sampler->housekept_ns = now_ns;
    count_cpu(self);
}

static void publish(_Atomic uint32_t *word) {
    atomic_store(word, 1);
    jmi_futex_wake(word);
}

/* Sleeps until the deadline or the doorbell; bells that ring all the time are answered at a
 * bounded rate. */
static void sleep_until(watch *self, uint32_t bell, int64_t deadline_ns) {
    const jmi_sampler *sampler = self->sampler;
    int64_t now = jm_now_ns();
    if (now - self->bell_ns < quick_bell_ns && deadline_ns - now > quick_bell_ns) {
        struct timespec pause = {.tv_nsec = quick_bell_ns};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    if (atomic_load(&sampler->stop)) return;
    if (jmi_futex_wait_until(&sampler->config.ring->header->doorbell, bell, deadline_ns))
        self->bell_ns = jm_now_ns();
}

/* The life of a thread, with the lock held. Returns false if it was given up. */
static bool live(watch *self) {
    jmi_sampler *sampler = self->sampler;
    const jmi_sampler_config *config = &sampler->config;
    _Atomic uint32_t *doorbell = &config->ring->header->doorbell;
    for (;;) {
        uint32_t bell = atomic_load(doorbell);
        bool stop = atomic_load(&sampler->stop) != 0;
        bool first = atomic_load(&sampler->ready) == 0;
        if (!poll_due(self, stop || first)) return false;
        if (first) publish(&sampler->ready);
        int64_t now = jm_now_ns();
        keep_house(self, now);
        if (stop) return true;
        int64_t deadline = next_deadline(sampler, now);
        pthread_mutex_unlock(&sampler->lock);
        jmi_collect(config->collector, deadline);
        if (config->after != NULL) config->after(config->context);
        sleep_until(self, bell, deadline);
        pthread_mutex_lock(&sampler->lock);
        if (atomic_load(&sampler->generation) != self->generation) return false;
    }
}

static void finish(watch *self) {
    jmi_sampler *sampler = self->sampler;
    jm_recording *recording = sampler->config.recording;
    jmi_recording_lock(recording);
    for (size_t i = 0; i < sampler->source_count; i++)
        for (uint32_t k = 0; k < sampler->set->sources[i].sensor_count; k++)
            jmi_keep_last(keeper_of(sampler, i, k), recording, series_of(sampler, i, k));
    jmi_recording_unlock(recording);
    count_cpu(self);
    publish(&sampler->finished);
}

static void *thread_main(void *argument) {
    watch self = *(watch *)argument;
    free(argument);
    jmi_sampler *sampler = self.sampler;
    prctl(PR_SET_NAME, "joulemeter");
    prctl(PR_SET_TIMERSLACK, 1);
    pthread_mutex_lock(&sampler->lock);
    if (atomic_load(&sampler->generation) == self.generation && live(&self)) finish(&self);
    pthread_mutex_unlock(&sampler->lock);
    unref(sampler);
    return NULL;
}

/* ---- threads ---- */

static int start_thread(jmi_sampler *sampler) {
    watch *self = jmi_alloc(1, sizeof *self);
    if (self == NULL) return ENOMEM;
    self->sampler = sampler;
    self->generation = atomic_load(&sampler->generation);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    /* The program's signals are not for this thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&sampler->refs, 1);
    pthread_t thread;
    int failed = pthread_create(&thread, &attributes, thread_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed != 0) {
        atomic_fetch_sub(&sampler->refs, 1);
        free(self);
    }
    return failed;
}

static jmi_sampler *new_sampler(const jmi_sampler_config *config) {
    jmi_sampler *sampler = jmi_alloc(1, sizeof *sampler);
    if (sampler == NULL) return NULL;
    atomic_init(&sampler->refs, 1);
    pthread_mutex_init(&sampler->lock, NULL);
    sampler->config = *config;
    sampler->set = config->set;
    sampler->source_count = config->set != NULL ? config->set->source_count : 0;
    sampler->sources = jmi_alloc(sampler->source_count, sizeof *sampler->sources);
    sampler->keepers = jmi_alloc(config->set != NULL ? config->set->sensor_count : 0,
                                 sizeof *sampler->keepers);
    if (sampler->sources == NULL || sampler->keepers == NULL) {
        sampler->set = NULL; /* stays the caller's */
        unref(sampler);
        return NULL;
    }
    return sampler;
}

int jmi_sampler_start(jmi_sampler **sampler, const jmi_sampler_config *config, jm_error *error) {
    *sampler = NULL;
    jmi_sampler *fresh = new_sampler(config);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for the sampler");
    int64_t now = jm_now_ns();
    for (size_t i = 0; i < fresh->source_count; i++)
        jmi_schedule_init(&fresh->sources[i].schedule, &fresh->set->sources[i],
                          fresh->set->sensors, config->interval_ns, config->poll_ns, now);
    jmi_clockwatch_init(&fresh->clocks, config->clock_ns);
    fresh->housekept_ns = now;
    int failed = start_thread(fresh);
    if (failed != 0) {
        fresh->set = NULL;
        unref(fresh);
        return jmi_fail_errno(error, failed, "cannot start the sampler thread");
    }
    int64_t patience = now + 2 * config->hang_ns;
    while (atomic_load(&fresh->ready) == 0 && jm_now_ns() < patience) {
        jmi_futex_wait_until(&fresh->ready, 0, jm_now_ns() + config->hang_ns / 4);
        jmi_sampler_check(fresh);
    }
    *sampler = fresh;
    return JM_OK;
}

/* A call hangs: its source is given up, its thread too. With the lock held. */
static void replace_thread(jmi_sampler *sampler, uint32_t source) {
    const char *name = device_name(sampler, source);
    char kind[80];
    snprintf(kind, sizeof kind, "hung %s", name);
    uint32_t generation = atomic_fetch_add(&sampler->generation, 1) + 1;
    atomic_store(&sampler->call_since_ns, 0);
    bury(sampler, source, jm_now_ns());
    jmi_sensors_abandon(sampler->set, source);
    jmi_recording_warn(sampler->config.recording, kind,
                       "the driver of %s does not answer: it is left out from here on, "
                       "the others go on",
                       name);
    int failed = generation < MAX_ROUNDS ? start_thread(sampler) : EAGAIN;
    if (failed == 0) return;
    jmi_recording_warn(sampler->config.recording, "no thread",
                       "no sampler thread could be started in place of one that hangs: "
                       "measuring ends here");
    publish(&sampler->ready);
    publish(&sampler->finished);
}

bool jmi_sampler_check(jmi_sampler *sampler) {
    int64_t since = atomic_load(&sampler->call_since_ns);
    if (since == 0 || jm_now_ns() - since <= sampler->config.hang_ns) return false;
    pthread_mutex_lock(&sampler->lock);
    bool hangs = atomic_load(&sampler->call_since_ns) == since;
    if (hangs) replace_thread(sampler, atomic_load(&sampler->call_source));
    pthread_mutex_unlock(&sampler->lock);
    return hangs;
}

void jmi_sampler_stop(jmi_sampler *sampler) {
    if (sampler == NULL) return;
    atomic_store(&sampler->stop, 1);
    _Atomic uint32_t *doorbell = &sampler->config.ring->header->doorbell;
    while (atomic_load(&sampler->finished) == 0) {
        atomic_fetch_add(doorbell, 1);
        jmi_futex_wake(doorbell);
        jmi_futex_wait_until(&sampler->finished, 0, jm_now_ns() + 10 * 1000 * 1000);
        jmi_sampler_check(sampler);
    }
    /* A thread that still waits for its driver keeps the sources; nothing else of ours. */
    pthread_mutex_lock(&sampler->lock);
    atomic_fetch_add(&sampler->generation, 1);
    pthread_mutex_unlock(&sampler->lock);
    unref(sampler);
}

void jmi_sampler_follow(jmi_sampler *sampler, int32_t pid) {
    if (sampler == NULL || sampler->set == NULL) return;
    pthread_mutex_lock(&sampler->lock);
    sampler->set->pid = pid;
    pthread_mutex_unlock(&sampler->lock);
}
