/* The sampler: its share of a core at two rates, what a session's start takes in time and memory.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* What waking up at a rate takes by itself on this machine, % of a core: the floor of any sampler.
 */
static double bare_wakes(double hz, double seconds) {
    struct timespec next, before, after;
    clock_gettime(CLOCK_MONOTONIC, &next);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (int i = 0; i < (int)(hz * seconds); i++) {
        next.tv_nsec += (long)(1e9 / hz);
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    double spent =
        (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
    return 100 * spent / (seconds * 1e9);
}

static void share_at(rows *all, const char *name, const char *simulate, uint32_t flags, double hz,
                     double target) {
    if (!rows_want(all, name)) return;
    jm_session *session = bench_session(simulate, hz > 0 ? (uint64_t)(1e9 / hz) : 0, flags);
    double seconds = hz >= 100 ? 4 : 10;
    double floor = hz > 0 ? bare_wakes(hz, seconds / 4) : 0;
    int64_t from = jm_now_ns();
    bench_sleep(seconds);
    double elapsed = (double)(jm_now_ns() - from);
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(jm_session_recording(session), &stats);
    jm_session_close(session, NULL, NULL);
    rows_add(all, &(row){.name = name,
                         .value = 100 * (double)stats.cpu_ns / elapsed,
                         .unit = "% core",
                         .goal = target > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                         .target = target,
                         .baseline = floor,
                         .beside = floor > 0 ? "waking up alone" : NULL});
    printf("#   %.0f polls a second, %.2f %% late, worst %.2f ms\n",
           (double)stats.polls / elapsed * 1e9,
           100 * (double)stats.late / (double)(stats.polls + 1), (double)stats.worst_late_ns / 1e6);
}

enum { RSS_OPEN = 0, RSS_RUNNING, OPEN_MS, CLOSE_MS, RESULTS };

static void start(double *results) {
    double before = bench_proc_kb("VmRSS");
    int64_t from = jm_now_ns();
    jm_session *session = bench_session("h100", 0, 0);
    results[OPEN_MS] = (double)(jm_now_ns() - from) / 1e6;
    results[RSS_OPEN] = (bench_proc_kb("VmRSS") - before) * 1.024e-3;
    for (int i = 0; i < 2000; i++) {
        jm_end(session, jm_begin(session, "step"));
        if (i % 100 == 0) bench_sleep(0.05);
    }
    results[RSS_RUNNING] = (bench_proc_kb("VmRSS") - before) * 1.024e-3;
    from = jm_now_ns();
    jm_session_close(session, NULL, NULL);
    results[CLOSE_MS] = (double)(jm_now_ns() - from) / 1e6;
}

static void bench_start(rows *all) {
    static const struct {
        const char *name, *unit;
        int which;
        double target;
    } figures[] = {{"memory after a session opens", "MB", RSS_OPEN, 5},
                   {"memory after a second and 2000 ranges", "MB", RSS_RUNNING, 5},
                   {"session open, 1 simulated GPU", "ms", OPEN_MS, 0},
                   {"session close, 1 simulated GPU", "ms", CLOSE_MS, 0}};
    bool wanted = false;
    for (size_t i = 0; i < 4; i++) wanted |= rows_want(all, figures[i].name);
    double results[RESULTS];
    if (!wanted) return;
    if (!bench_in_child(start, results, RESULTS)) {
        rows_skip(all, figures[0].name, "the session did not open");
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        if (!rows_want(all, figures[i].name)) continue;
        rows_add(all, &(row){.name = figures[i].name,
                             .value = results[figures[i].which],
                             .unit = figures[i].unit,
                             .goal = figures[i].target > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                             .target = figures[i].target});
    }
}

void bench_sampler(rows *all) {
    const uint32_t gpu_only = JM_SESSION_NO_CPU;
    share_at(all, "sampler at 1 kHz, 1 GPU", "h100", gpu_only, 1000, 1);
    share_at(all, "sampler at 10 Hz, 1 GPU", "h100", gpu_only, 10, 0.1);
    share_at(all, "sampler at 1 kHz, 8 GPUs", "8*h100", gpu_only, 1000, 0);
    share_at(all, "sampler at 10 Hz, 8 GPUs", "8*h100", gpu_only, 10, 0);
    share_at(all, "sampler at 1 kHz, 1 GPU, CPU, processes", "h100", 0, 1000, 0);
    share_at(all, "sampler at 10 Hz, 1 GPU, CPU, processes", "h100", 0, 10, 0);
    share_at(all, "sampler at its own rates, 1 GPU, CPU, processes", "h100", 0, 0, 0);
    bench_start(all);
}
