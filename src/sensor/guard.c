/* A driver that hangs takes a thread with it, not the program. */
#include "sensor/internal.h"

#include <stdlib.h>

#define TIMEOUT_S 5.0

struct job {
    jmi_sensor_set *set;
    int (*work)(jmi_sensor_set *set);
    int status;
    _Atomic uint32_t done;
    _Atomic uint32_t users; /* the last one frees it */
};

static void leave(struct job *job) {
    if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

static void *run_job(void *data) {
    struct job *job = data;
    job->status = job->work(job->set);
    atomic_store(&job->done, 1);
    jmi_futex_wake(&job->done);
    leave(job);
    return NULL;
}

int64_t jmi_driver_timeout_ns(void) {
    const char *text = getenv("JOULEMETER_DRIVER_TIMEOUT_S");
    double seconds = TIMEOUT_S;
    if (text == NULL || !jmi_parse_double(text, &seconds) || seconds <= 0 || seconds > 3600)
        seconds = TIMEOUT_S;
    return (int64_t)(seconds * 1e9);
}

/* As long as it gets on: boards that nobody uses take seconds each to wake up. */
static void wait_for(struct job *job) {
    int64_t patience = jmi_driver_timeout_ns(), deadline = jm_now_ns() + patience;
    uint32_t seen = atomic_load(&job->set->progress);
    while (atomic_load(&job->done) == 0 && jm_now_ns() < deadline) {
        jmi_futex_wait_until(&job->done, 0, deadline);
        uint32_t now = atomic_load(&job->set->progress);
        if (now != seen) deadline = jm_now_ns() + patience;
        seen = now;
    }
}

int jmi_guard(jmi_sensor_set *set, int (*work)(jmi_sensor_set *set)) {
    struct job *job = jmi_alloc(1, sizeof *job);
    if (job == NULL) return JM_MEMORY;
    job->set = set;
    job->work = work;
    job->users = 2;
    if (jmi_thread_start(NULL, JMI_DRIVER_STACK, run_job, job) !=
        0) { /* no thread to be had: then unguarded */
        free(job);
        return work(set);
    }
    wait_for(job);
    int status = atomic_load(&job->done) != 0 ? job->status : JM_HUNG;
    leave(job);
    return status;
}
