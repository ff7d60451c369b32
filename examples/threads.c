/* Four threads mark their work in one session: ranges of different threads overlap, and each is
 * the child of what is open in its own thread. The recording is kept in threads.jm.
 *
 *     cc threads.c -pthread $(pkg-config --cflags --libs joulemeter) -o threads && ./threads
 *     joulemeter show threads.jm
 */
#include <joulemeter.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, BATCHES = 5 };

typedef struct worker {
    pthread_t thread;
    jm_session *session;
    int number;
    double result;
} worker;

static double batch(int size) {
    double sum = 0;
    for (long i = 1; i < size * 1000 * 1000L; i++) sum += 1.0 / (double)i;
    return sum;
}

static void *run(void *argument) {
    worker *self = argument;
    char name[32], attributes[64];
    snprintf(name, sizeof name, "worker %d", self->number);
    jm_range_id whole = jm_begin_as(self->session, JM_CATEGORY_PHASE, name, NULL);
    for (int i = 0; i < BATCHES; i++) {
        int size = 10 * (self->number + 1);
        jm_range_id range = jm_begin_as(self->session, JM_CATEGORY_BATCH, "batch", NULL);
        self->result += batch(size);
        snprintf(attributes, sizeof attributes, "{\"size\":%d}", size);
        jm_end_with(self->session, range, attributes);
    }
    jm_end(self->session, whole);
    return NULL;
}

static void print_ranges(const jm_recording *recording, const char *category) {
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        jm_energy energy;
        if (jm_recording_range(recording, i, &range) != JM_OK) continue;
        if (jm_category_name((int)range.category) != category) continue;
        if (jm_energy_window(recording, JM_DEVICE_TOTAL, range.begin_ns, range.end_ns, NULL,
                             &energy, NULL) != JM_OK)
            continue;
        printf("%-10s thread %u  %6.3f s  %7.2f J +- %.2f J\n", range.name, range.thread,
               energy.duration_s, energy.energy_j, energy.u95_j);
    }
}

int main(int argc, char **argv) {
    jm_error error;
    jm_session *session;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = argc > 1 ? argv[1] : "threads.jm";
    if (jm_session_open(&session, &options, &error) != JM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }

    worker workers[THREADS] = {0};
    int started = 0;
    while (started < THREADS) {
        worker *next = &workers[started];
        next->session = session;
        next->number = started;
        if (pthread_create(&next->thread, NULL, run, next) != 0) break;
        started++;
    }
    for (int i = 0; i < started; i++) pthread_join(workers[i].thread, NULL);

    jm_recording *recording = NULL;
    if (jm_session_close(session, &recording, &error) != JM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    if (recording != NULL) {
        printf("The energy of the machine while each worker ran (they ran side by side):\n");
        print_ranges(recording, jm_category_name(JM_CATEGORY_PHASE));
    }
    jm_recording_free(recording);
    return 0;
}
