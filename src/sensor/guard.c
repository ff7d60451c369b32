/* A driver that hangs takes a thread with it, not the program. */
#include "sensor/internal.h"

#include <stdlib.h>

#define TIMEOUT_S 5.0

struct job {
    void *data;
    int (*work)(void *data);
    _Atomic uint32_t *progress; /* NULL: there is none to be seen */
    int status;
    _Atomic uint32_t done;
    _Atomic uint32_t users; /* the last one frees it */
};

static void leave(struct job *job) {
    if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

static void *run_job(void *data) {
    struct job *job = data;
    job->status = job->work(job->data);
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

static uint32_t progress_of(const struct job *job) {
    return job->progress != NULL ? atomic_load(job->progress) : 0;
}

/* As long as it gets on: boards that nobody uses take seconds each to wake up. */
static void wait_for(struct job *job) {
    int64_t patience = jmi_driver_timeout_ns(), deadline = jm_now_ns() + patience;
    uint32_t seen = progress_of(job);
    while (atomic_load(&job->done) == 0 && jm_now_ns() < deadline) {
        jmi_futex_wait_until(&job->done, 0, deadline);
        uint32_t now = progress_of(job);
        if (now != seen) deadline = jm_now_ns() + patience;
        seen = now;
    }
}

int jmi_guard_call(int (*work)(void *data), void *data, _Atomic uint32_t *progress) {
    struct job *job = jmi_alloc(1, sizeof *job);
    if (job == NULL) return JM_MEMORY;
    job->data = data;
    job->work = work;
    job->progress = progress;
    job->users = 2;
    if (jmi_thread_start(NULL, JMI_DRIVER_STACK, run_job, job) !=
        0) { /* no thread to be had: then unguarded */
        free(job);
        return work(data);
    }
    wait_for(job);
    int status = atomic_load(&job->done) != 0 ? job->status : JM_HUNG;
    leave(job);
    return status;
}

struct set_job {
    jmi_sensor_set *set;
    int (*work)(jmi_sensor_set *set);
};

static int work_on_set(void *data) {
    struct set_job job = *(struct set_job *)data;
    free(data);
    return job.work(job.set);
}

int jmi_guard(jmi_sensor_set *set, int (*work)(jmi_sensor_set *set)) {
    struct set_job *job = jmi_alloc(1, sizeof *job);
    if (job == NULL) return JM_MEMORY;
    *job = (struct set_job){set, work};
    return jmi_guard_call(work_on_set, job, &set->progress);
}
