/* Begin and end of a range, by the CPU's time-stamp counter with its own cost taken off: four calls
 * in a row, because the counter steps by up to 10 ns, and the mean of groups of fifty pairs. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <x86intrin.h>
static inline uint64_t ticks(void) {
    unsigned aux;
    uint64_t now = __rdtscp(&aux);
    _mm_lfence();
    return now;
}
#else
static inline uint64_t ticks(void) {
    return (uint64_t)jm_now_ns();
}
#endif

enum {
    ROUNDS = 30,
    SINGLES = 1000, /* measurements of a round; a thread's ring has room for more */
    CALLS = 4,      /* of one measurement */
    GROUPS = 20,    /* of a round, measured as a whole */
    GROUP = 50,     /* pairs */
    MAX_THREADS = 8
};

typedef struct worker {
    pthread_t thread;
    jm_session *session;
    double ns_per_tick, overhead;
    double begin_ns[ROUNDS * SINGLES], end_ns[ROUNDS * SINGLES];
    double pair_ns[ROUNDS * GROUPS]; /* mean of a group */
} worker;

static double ticks_to_ns(void) {
    int64_t from = jm_now_ns();
    uint64_t first = ticks();
    bench_sleep(0.05);
    int64_t to = jm_now_ns();
    return (double)(to - from) / (double)(ticks() - first);
}

static double empty_ticks(void) {
    double costs[2001];
    for (size_t i = 0; i < 2001; i++) {
        uint64_t first = ticks();
        costs[i] = (double)(ticks() - first);
    }
    return bench_quantile(costs, 2001, 0.5);
}

static void one_by_one(worker *self, size_t round) {
    for (size_t i = 0; i < SINGLES; i++) {
        jm_range_id ranges[CALLS];
        uint64_t t0 = ticks();
        for (size_t k = 0; k < CALLS; k++) ranges[k] = jm_begin(self->session, "step");
        uint64_t t1 = ticks();
        for (size_t k = 0; k < CALLS; k++) jm_end(self->session, ranges[k]);
        uint64_t t2 = ticks();
        size_t at = round * SINGLES + i;
        self->begin_ns[at] = ((double)(t1 - t0) - self->overhead) * self->ns_per_tick / CALLS;
        self->end_ns[at] = ((double)(t2 - t1) - self->overhead) * self->ns_per_tick / CALLS;
    }
}

static void in_groups(worker *self, size_t round) {
    for (size_t i = 0; i < GROUPS; i++) {
        uint64_t from = ticks();
        for (size_t k = 0; k < GROUP; k++) jm_end(self->session, jm_begin(self->session, "step"));
        double spent = (double)(ticks() - from) - self->overhead;
        self->pair_ns[round * GROUPS + i] = spent * self->ns_per_tick / GROUP;
    }
}

static void *run(void *argument) {
    worker *self = argument;
    jm_end(self->session, jm_begin(self->session, "first")); /* claims the thread's ring */
    for (size_t i = 0; i < ROUNDS; i++) {
        one_by_one(self, i);
        bench_sleep(0.003); /* let the collector empty the ring, as a program that works would */
        in_groups(self, i);
        bench_sleep(0.003);
    }
    return NULL;
}

/* The worst thread's quantile: no thread may pay for the others. */
static double worst(worker *workers, unsigned threads, int which, double q) {
    double most = 0;
    for (unsigned i = 0; i < threads; i++) {
        worker *w = &workers[i];
        double *values[] = {w->begin_ns, w->end_ns, w->pair_ns};
        size_t count = which == 2 ? ROUNDS * GROUPS : ROUNDS * SINGLES;
        double value = bench_quantile(values[which], count, q);
        if (value > most) most = value;
    }
    return most;
}

static void measure(rows *all, const char *where, unsigned threads, unsigned gpus) {
    char simulate[32];
    snprintf(simulate, sizeof simulate, "%u*h100", gpus);
    jm_session *session = bench_session(simulate, 0, 0);
    worker *workers = calloc(threads, sizeof *workers);
    if (workers == NULL) exit(1);
    double factor = ticks_to_ns(), overhead = empty_ticks();
    for (unsigned i = 0; i < threads; i++) {
        workers[i].session = session;
        workers[i].ns_per_tick = factor;
        workers[i].overhead = overhead;
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) exit(1);
    }
    for (unsigned i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);

    static const struct {
        const char *what;
        int which;
        double q;
    } figures[] = {{"range begin p50", 0, 0.5},
                   {"range begin p99", 0, 0.99},
                   {"range end p50", 1, 0.5},
                   {"range end p99", 1, 0.99},
                   {"range begin+end in groups p50", 2, 0.5},
                   {"range begin+end in groups p99", 2, 0.99}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s, %s", figures[i].what, where);
        if (!rows_want(all, name)) continue;
        double value = worst(workers, threads, figures[i].which, figures[i].q);
        /* A group of pairs lasts 3 us: its p99 is that of the machine's interrupts. */
        bool tail = figures[i].which == 2 && figures[i].q > 0.9;
        rows_add(all, &(row){.name = name,
                             .value = value,
                             .unit = "ns",
                             .goal = tail ? ROW_NO_GOAL : ROW_AT_MOST,
                             .target = figures[i].which == 2 ? 100 : 50});
    }
    free(workers);

    jm_recording *recording = NULL;
    jm_session_close(session, &recording, NULL);
    jm_sampler_stats stats = {.size = sizeof stats};
    char name[96];
    snprintf(name, sizeof name, "range messages dropped, %s", where);
    if (rows_want(all, name) && jm_recording_sampler_stats(recording, &stats) == JM_OK)
        rows_add(all, &(row){.name = name,
                             .value = (double)stats.dropped,
                             .unit = "",
                             .goal = ROW_AT_MOST,
                             .target = 0});
    jm_recording_free(recording);
}

void bench_ranges(rows *all) {
    static const struct {
        unsigned threads, gpus;
    } cases[] = {{1, 1}, {2, 1}, {4, 1}, {MAX_THREADS, 1}, {1, 8}, {1, 64}, {MAX_THREADS, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char where[48], probe[96];
        snprintf(where, sizeof where, "%u thread%s, %u GPU%s", cases[i].threads,
                 cases[i].threads > 1 ? "s" : "", cases[i].gpus, cases[i].gpus > 1 ? "s" : "");
        /* One pattern can choose among rows; none of these is measured if none is wanted. */
        static const char *const names[] = {"range begin p50",
                                            "range begin p99",
                                            "range end p50",
                                            "range end p99",
                                            "range begin+end in groups p50",
                                            "range begin+end in groups p99",
                                            "range messages dropped"};
        bool wanted = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            snprintf(probe, sizeof probe, "%s, %s", names[k], where);
            wanted |= rows_want(all, probe);
        }
        if (wanted) measure(all, where, cases[i].threads, cases[i].gpus);
    }
}
