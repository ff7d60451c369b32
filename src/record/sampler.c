#include "record/sampler_state.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_BYTES = 256 * 1024, /* drivers need some of it; untouched pages cost nothing */
    MAX_THREADS = 64,         /* that a session may lose to hanging drivers */
    PATIENCE = 8              /* part of the time for which a call hangs, before one stands in */
};
static const int64_t idle_ns = JMI_NS_PER_S;     /* longest sleep */
static const int64_t quick_bell_ns = 200 * 1000; /* doorbells are answered no faster */

static void unref(jmi_sampler *sampler) {
    if (atomic_fetch_sub(&sampler->refs, 1) != 1) return;
    jmi_sensors_close(sampler->set);
    free(sampler->sources);
    free(sampler->keepers);
    pthread_mutex_destroy(&sampler->lock);
    free(sampler);
}

/* ---- one round: what is due, ranges, sleep ---- */

static bool in_service(const jmi_source_state *state) {
    return !state->dead && state->away_ns == 0;
}

static bool poll_due(const jmi_watch *self, bool all) {
    jmi_sampler *sampler = self->sampler;
    for (size_t i = 0; i < sampler->source_count; i++) {
        const jmi_source_state *state = &sampler->sources[i];
        if (!in_service(state) || (!all && state->schedule.next_ns > jm_now_ns())) continue;
        if (!jmi_poll_source(self, i)) return false;
    }
    return true;
}

static int64_t next_deadline(const jmi_sampler *sampler, int64_t now_ns) {
    int64_t next = now_ns + idle_ns;
    for (size_t i = 0; i < sampler->source_count; i++)
        if (in_service(&sampler->sources[i]) && sampler->sources[i].schedule.next_ns < next)
            next = sampler->sources[i].schedule.next_ns;
    return next;
}

static void count_cpu(jmi_watch *self) {
    uint64_t now = (uint64_t)jmi_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    jm_recording *recording = self->sampler->config.recording;
    jmi_recording_lock(recording);
    recording->stats.cpu_ns += now - self->cpu_ns;
    jmi_recording_unlock(recording);
    self->cpu_ns = now;
}

/* Suspend and clock steps, at every wake; the rest once a second. */
static void keep_house(jmi_watch *self, int64_t now_ns) {
    jmi_sampler *sampler = self->sampler;
    if (jmi_clockwatch_look(&sampler->clocks, sampler->config.recording, now_ns))
        for (size_t i = 0; i < sampler->source_count; i++) jmi_poll_gap(sampler, i);
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
static void sleep_until(jmi_watch *self, uint32_t bell, int64_t deadline_ns) {
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

/* The life of a thread, with the lock held. Returns false if another one stands in for it. */
static bool live(jmi_watch *self) {
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
        jmi_collect_try(config->collector, deadline);
        if (config->after != NULL) config->after(config->context);
        sleep_until(self, bell, deadline);
        pthread_mutex_lock(&sampler->lock);
        if (atomic_load(&sampler->generation) != self->generation) return false;
    }
}

static void finish(jmi_watch *self) {
    count_cpu(self);
    publish(&self->sampler->finished);
}

static void *thread_main(void *argument) {
    jmi_watch self = *(jmi_watch *)argument;
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
    jmi_watch *self = jmi_alloc(1, sizeof *self);
    if (self == NULL) return ENOMEM;
    self->sampler = sampler;
    self->generation = atomic_load(&sampler->generation);
    atomic_fetch_add(&sampler->refs, 1);
    int failed = jmi_thread_start(NULL, STACK_BYTES, thread_main, self);
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
    sampler->keepers =
        jmi_alloc(config->set != NULL ? config->set->sensor_count : 0, sizeof *sampler->keepers);
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
        jmi_schedule_init(&fresh->sources[i].schedule, &fresh->set->sources[i], fresh->set->sensors,
                          config->interval_ns, config->poll_ns, now);
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

/* ---- drivers that take long, or for ever; with the lock held ---- */

/* Is it the first source of its device? */
static bool begins_device(const jmi_sampler *sampler, size_t source) {
    for (size_t i = 0; i < source; i++)
        if (sampler->set->sources[i].device == sampler->set->sources[source].device) return false;
    return true;
}

/* "gpu0, gpu1": the devices of a driver. */
static void name_devices(const jmi_sampler *sampler, size_t source, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sampler->source_count && used < size; i++)
        if (jmi_poll_same_driver(sampler, source, i) && begins_device(sampler, i))
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     jmi_poll_device(sampler, i));
}

/* The set stays open for as long as the thread that hangs may come back to it. */
static void give_up(jmi_sampler *sampler, size_t source, int64_t now_ns) {
    char names[200], kind[220];
    for (size_t i = 0; i < sampler->source_count; i++)
        if (jmi_poll_same_driver(sampler, source, i) && !sampler->sources[i].dead)
            jmi_poll_bury(sampler, i, now_ns);
    sampler->stuck++;
    name_devices(sampler, source, names, sizeof names);
    snprintf(kind, sizeof kind, "hung %s", names);
    jmi_recording_warn(sampler->config.recording, kind,
                       "the driver of %s does not answer: it is left out from here on, "
                       "the others go on",
                       names);
}

/* Calls for which another thread does not wait, and which began before `until_ns`. */
static void give_up_away(jmi_sampler *sampler, int64_t until_ns, int64_t now_ns) {
    for (size_t i = 0; i < sampler->source_count; i++) {
        int64_t since = sampler->sources[i].away_ns;
        if (since == 0 || since >= until_ns) continue;
        jmi_poll_away(sampler, i, 0);
        give_up(sampler, i, now_ns);
    }
}

static bool stand_in(jmi_sampler *sampler, int64_t since_ns) {
    if (atomic_load(&sampler->refs) > MAX_THREADS) return false;
    atomic_fetch_add(&sampler->generation, 1);
    if (start_thread(sampler) != 0) {
        atomic_fetch_sub(&sampler->generation, 1);
        return false;
    }
    atomic_store(&sampler->call_since_ns, 0);
    jmi_poll_away(sampler, atomic_load(&sampler->call_source), since_ns);
    return true;
}

static void end_without_thread(jmi_sampler *sampler, int64_t now_ns) {
    atomic_fetch_add(&sampler->generation, 1);
    atomic_store(&sampler->call_since_ns, 0);
    give_up(sampler, atomic_load(&sampler->call_source), now_ns);
    jmi_recording_warn(sampler->config.recording, "no thread",
                       "no sampler thread could be started in place of one that hangs: "
                       "measuring ends here");
    publish(&sampler->ready);
    publish(&sampler->finished);
}

static bool takes_long(const jmi_sampler *sampler, int64_t now_ns, int64_t *since_ns) {
    *since_ns = atomic_load(&sampler->call_since_ns);
    return *since_ns != 0 && now_ns - *since_ns > sampler->config.hang_ns / PATIENCE;
}

void jmi_sampler_check(jmi_sampler *sampler) {
    int64_t now = jm_now_ns(), since;
    if (sampler == NULL || (!takes_long(sampler, now, &since) && atomic_load(&sampler->away) == 0))
        return;
    int64_t hang_ns = sampler->config.hang_ns;
    pthread_mutex_lock(&sampler->lock);
    /* In this order: no call is given up before it was looked at twice, since all of us may have
     * been stopped meanwhile. */
    give_up_away(sampler, now - hang_ns, now);
    if (takes_long(sampler, now, &since) && !stand_in(sampler, since) && now - since > hang_ns)
        end_without_thread(sampler, now);
    pthread_mutex_unlock(&sampler->lock);
}

/* ---- stopping ---- */

static void wait_for_end(jmi_sampler *sampler) {
    _Atomic uint32_t *doorbell = &sampler->config.ring->header->doorbell;
    int64_t deadline = jm_now_ns() + sampler->config.hang_ns * 5 / 4;
    while (atomic_load(&sampler->finished) == 0 && jm_now_ns() < deadline) {
        atomic_fetch_add(doorbell, 1);
        jmi_futex_wake(doorbell);
        jmi_futex_wait_until(&sampler->finished, 0, jm_now_ns() + 10 * 1000 * 1000);
        jmi_sampler_check(sampler);
    }
    while (atomic_load(&sampler->away) != 0 && jm_now_ns() < deadline) {
        usleep(1000);
        jmi_sampler_check(sampler);
    }
}

/* A thread that still waits for its driver keeps the sources; nothing else of ours. */
static uint32_t leave_threads(jmi_sampler *sampler) {
    pthread_mutex_lock(&sampler->lock);
    int64_t now = jm_now_ns();
    give_up_away(sampler, INT64_MAX, now);
    if (atomic_load(&sampler->call_since_ns) != 0)
        give_up(sampler, atomic_load(&sampler->call_source), now);
    jmi_poll_finish(sampler);
    for (size_t i = 0; i < sampler->source_count; i++) sampler->sources[i].dead = true;
    atomic_fetch_add(&sampler->generation, 1);
    uint32_t stuck = sampler->stuck;
    pthread_mutex_unlock(&sampler->lock);
    return stuck;
}

void jmi_sampler_stop(jmi_sampler *sampler) {
    if (sampler == NULL) return;
    atomic_store(&sampler->stop, 1);
    wait_for_end(sampler);
    uint32_t stuck = leave_threads(sampler);
    /* Where none does, the devices are free when we return: another session may want them. */
    int64_t deadline = jm_now_ns() + JMI_NS_PER_S;
    while (stuck == 0 && atomic_load(&sampler->refs) > 1 && jm_now_ns() < deadline) usleep(50);
    unref(sampler);
}

void jmi_sampler_follow(jmi_sampler *sampler, int32_t pid) {
    if (sampler == NULL || sampler->set == NULL) return;
    /* Read by the source while the lock is not held. */
    atomic_store(&sampler->set->pid, pid);
}
