/* The sampler: what it keeps, when it reads, and what becomes of drivers that fail. */
#include "helpers.h"

#include "record/keep.h"
#include "record/schedule.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const int64_t ms = 1000000;

static jm_session_options every(uint64_t interval_ns, uint64_t poll_ns) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.interval_ns = interval_ns;
    options.poll_ns = poll_ns;
    return options;
}

static jm_sampler_stats stats_of(const jm_recording *r) {
    jm_sampler_stats stats = {.size = sizeof stats};
    assert_int_equal(jm_recording_sampler_stats(r, &stats), JM_OK);
    return stats;
}

/* ---- keeping, step by step ---- */

typedef struct bench {
    jm_recording *recording;
    jmi_keeper keeper;
} bench;

static void poll(bench *b, int64_t t_ns, double value) {
    jmi_reading reading = {.value = value};
    jmi_keep(&b->keeper, b->recording, b->recording->series[0], &reading, t_ns, 20 * (uint64_t)ms,
             false);
}

static jm_samples all_of(bench *b) {
    static jm_samples block;
    jm_cursor *cursor;
    assert_int_equal(jm_cursor_open(&cursor, b->recording, 0, INT64_MIN, INT64_MAX, NULL), JM_OK);
    assert_int_equal(jm_cursor_next(cursor, &block), JM_OK);
    jm_cursor_close(cursor); /* what is in memory stays there */
    return block;
}

static void test_keep(void **state) {
    (void)state;
    bench b = {.recording = sawtooth(0)};
    jmi_series *series = b.recording->series[0];
    poll(&b, 1 * ms, 5); /* kept: the first */
    for (int i = 2; i <= 10; i++) poll(&b, i * ms, 5);
    poll(&b, 11 * ms, 6);                                      /* kept: changed */
    for (int i = 12; i <= 40; i++) poll(&b, i * ms, 6);        /* kept: at 31 */
    jmi_keep_missing(&b.keeper, b.recording, series, 41 * ms); /* kept with the one before, 40 */
    jmi_keep_missing(&b.keeper, b.recording, series, 42 * ms);
    poll(&b, 43 * ms, 6); /* kept: after a gap */
    poll(&b, 44 * ms, 6);
    jmi_keep_last(&b.keeper, b.recording, series); /* kept: the last */
    jmi_keep_last(&b.keeper, b.recording, series);
    jm_samples s = all_of(&b);
    const int64_t times[] = {1, 11, 31, 40, 41, 43, 44};
    const uint8_t flags[] = {0, JM_SAMPLE_CHANGED, 0, 0, JM_SAMPLE_MISSING, JM_SAMPLE_GAP, 0};
    const uint32_t since[] = {UINT32_MAX, 1, 1, 1, 1, 3, 1};
    assert_int_equal(s.count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(s.t_ns[i], times[i] * ms);
        assert_int_equal(s.flags[i], flags[i]);
        assert_int_equal(s.since_ns[i], i == 0 ? UINT32_MAX : since[i] * ms);
    }
    jm_recording_free(b.recording);
}

static void test_keep_odd_times(void **state) {
    (void)state;
    bench b = {.recording = sawtooth(0)};
    poll(&b, 10, 1);
    poll(&b, 10, 2); /* the device's clock stands still */
    poll(&b, 5, 3);
    poll(&b, 10 + INT64_C(10) * JMI_NS_PER_S, 4);
    jm_samples s = all_of(&b);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.since_ns[1], UINT32_MAX);
    jm_recording_free(b.recording);
}

/* ---- a sampler that runs ---- */

static void test_changes_and_interval(void **state) {
    (void)state;
    jm_session_options options = every(50 * (uint64_t)ms, (uint64_t)ms);
    fake_source gpu = {.base = 100, .refresh_ns = 30 * ms};
    jmi_sensor_set *set = fake_set((fake_source *[]){&gpu}, 1);
    fake_add_temperature(set);
    jm_session *s;
    assert_int_equal(jmi_session_open_with(&s, &options, set, NULL, NULL), JM_OK);
    /* Read at the beginning. */
    assert_int_equal(walk(jm_session_recording(s), 0, INT64_MIN, INT64_MAX).samples, 1);
    sleep_ms(600);
    jm_recording *r = close_session(s);
    tally power = walk(r, 0, INT64_MIN, INT64_MAX);
    tally temperature = walk(r, 1, INT64_MIN, INT64_MAX);
    assert_true(power.changed >= 18 && power.changed <= 22);
    assert_true(power.samples <= power.changed + 2); /* first, last */
    assert_int_equal(temperature.changed, 0);
    assert_true(temperature.samples >= 11 && temperature.samples <= 15);
    assert_true(jm_recording_end_ns(r) - power.last_ns < 20 * ms);
    assert_true(power.first_ns - jm_recording_begin_ns(r) < 20 * ms);
    jm_sampler_stats stats = stats_of(r);
    assert_true(stats.polls > 300 && stats.polls < 620);
    assert_int_equal(stats.failed, 0);
    assert_true(stats.cpu_ns > 0 && stats.cpu_ns < 300 * (uint64_t)ms);
    printf("# 1 kHz: %.2f %% of a core, %.1f us a poll, %llu late\n", (double)stats.cpu_ns / 6e6,
           (double)stats.cpu_ns / 1e3 / (double)stats.polls, (unsigned long long)stats.late);
    jm_recording_free(r);
}

static void test_keep_polls(void **state) {
    (void)state;
    jm_session_options options = every(50 * (uint64_t)ms, 2 * (uint64_t)ms);
    options.flags = JM_SESSION_KEEP_POLLS;
    fake_source gpu = {.base = 100, .refresh_ns = 3600 * JMI_NS_PER_S};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    sleep_ms(100);
    jm_recording *r = close_session(s);
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).samples, atomic_load(&gpu.calls));
    jm_recording_free(r);
}

static void test_source_time(void **state) {
    (void)state;
    jm_session_options options = every(5 * (uint64_t)ms, (uint64_t)ms);
    fake_source gpu = {.base = 1, .refresh_ns = 25 * ms, .source_time = 1};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    int64_t from = jm_now_ns();
    sleep_ms(260);
    jm_recording *r = close_session(s);
    int64_t ticks = (jm_now_ns() - from) / (25 * ms);
    tally c = walk(r, 0, INT64_MIN, INT64_MAX);
    assert_true(c.samples >= 3 && (int64_t)c.samples <= ticks + 2);
    assert_int_equal(c.last_ns % (25 * ms), 0);
    jm_recording_free(r);
}

static void test_failures(void **state) {
    (void)state;
    jm_session_options options = every(10 * (uint64_t)ms, 2 * (uint64_t)ms);
    fake_source gpu = {.base = 1}, other = {.base = 2};
    jm_session *s = open_fake((fake_source *[]){&gpu, &other}, 2, &options);
    sleep_ms(50);
    atomic_store(&gpu.reading_status, JM_NOT_SUPPORTED);
    sleep_ms(50);
    atomic_store(&gpu.reading_status, JM_OK);
    sleep_ms(50);
    atomic_store(&gpu.status, JM_DRIVER);
    sleep_ms(50);
    atomic_store(&gpu.status, JM_OK);
    sleep_ms(50);
    jm_recording *r = close_session(s);
    tally c = walk(r, 0, INT64_MIN, INT64_MAX);
    assert_int_equal(c.missing, 2);
    assert_int_equal(c.gaps, 2);
    if (stats_of(r).failed < 4) fail_msg("%d failed", (int)stats_of(r).failed);
    c = walk(r, 1, INT64_MIN, INT64_MAX);
    assert_int_equal(c.missing + c.gaps, 0);
    jm_recording_free(r);
}

typedef struct heard {
    int count;
    char last[300];
    pthread_t thread;
} heard;

static void hear(const char *message, void *user) {
    heard *h = user;
    h->count++;
    h->thread = pthread_self();
    snprintf(h->last, sizeof h->last, "%s", message);
}

static void test_lost(void **state) {
    (void)state;
    jm_session_options options = every(10 * (uint64_t)ms, 2 * (uint64_t)ms);
    heard h = {0};
    options.on_warning = hear;
    options.user = &h;
    fake_source gpu = {.base = 1}, other = {.base = 2};
    jm_session *s = open_fake((fake_source *[]){&gpu, &other}, 2, &options);
    sleep_ms(30);
    atomic_store(&gpu.status, JM_LOST);
    sleep_ms(50);
    uint64_t calls = atomic_load(&gpu.calls);
    sleep_ms(50);
    assert_int_equal(atomic_load(&gpu.calls), calls); /* never tried again */
    jm_recording *r = close_session(s);
    assert_true(has_warning(r, "gpu0 is lost"));
    assert_int_equal(h.count, 1);
    assert_non_null(strstr(h.last, "gpu0"));
    assert_false(pthread_equal(h.thread, pthread_self()));
    tally c = walk(r, 0, INT64_MIN, INT64_MAX);
    assert_int_equal(c.missing, 1);
    assert_true(jm_recording_end_ns(r) - walk(r, 1, INT64_MIN, INT64_MAX).last_ns < 20 * ms);
    jm_recording_free(r);
}

static void test_hung(void **state) {
    (void)state;
    jm_session_options options = every(10 * (uint64_t)ms, 2 * (uint64_t)ms);
    /* Static: threads that hang outlive the test. */
    static fake_source gpu = {.base = 1}, other = {.base = 2}, third = {.base = 3};
    jm_session *s = open_fake((fake_source *[]){&gpu, &other, &third}, 3, &options);
    sleep_ms(30);
    atomic_store(&gpu.hang, 1);
    for (int i = 0; i < 30; i++) { /* the program goes on marking */
        jm_end(s, jm_begin(s, "work"));
        jm_session_check(s);
        sleep_ms(20);
    }
    uint64_t calls = atomic_load(&other.calls);
    sleep_ms(50);
    assert_true(atomic_load(&other.calls) > calls + 5); /* the others go on */
    atomic_store(&gpu.hang, 0);                         /* it comes back, too late */
    sleep_ms(20);
    atomic_store(&other.hang, 1); /* one hangs while the session is closed */
    sleep_ms(20);
    int64_t from = jm_now_ns();
    jm_recording *r = close_session(s);
    assert_true(jm_now_ns() - from < 1500 * ms);
    assert_true(has_warning(r, "driver of gpu0 does not answer"));
    assert_true(has_warning(r, "driver of gpu1 does not answer"));
    assert_false(has_warning(r, "gpu2"));
    assert_int_equal(jm_recording_range_count(r), 30);
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).missing, 1);
    assert_int_equal(walk(r, 1, INT64_MIN, INT64_MAX).missing, 1);
    assert_int_equal(walk(r, 2, INT64_MIN, INT64_MAX).missing, 0);
    jm_recording_free(r);
    /* The recording is gone; the thread that comes back must not mind. */
    atomic_store(&other.hang, 0);
    sleep_ms(30);
}

static void check_for(jm_session *s, int for_ms) {
    for (int i = 0; i < for_ms; i += 10) {
        jm_session_check(s);
        sleep_ms(10);
    }
}

/* Where a call hangs after a second, and is long after an eighth of it. */
static jm_session *open_patient(fake_source *const *sources, size_t count) {
    jm_session_options options = every(10 * (uint64_t)ms, 2 * (uint64_t)ms);
    jmi_sampler_config tuning = {.hang_ns = 1000 * ms};
    jm_session *s;
    assert_int_equal(jmi_session_open_with(&s, &options, fake_set(sources, count), &tuning, NULL),
                     JM_OK);
    return s;
}

/* All that wait for the same driver are given up at once; what does not is read all the time. */
static void test_hung_driver(void **state) {
    (void)state;
    static fake_source gpu = {.base = 1, .driver = "x"}, same = {.base = 2, .driver = "x"};
    static fake_source cpu = {.base = 3};
    jm_session *s = open_patient((fake_source *[]){&gpu, &same, &cpu}, 3);
    sleep_ms(30);
    atomic_store(&same.hang, 1);
    atomic_store(&gpu.hang, 1);
    sleep_ms(20);
    uint64_t calls = atomic_load(&cpu.calls);
    check_for(s, 350);
    assert_true(atomic_load(&cpu.calls) > calls + 5);
    assert_int_equal(jm_recording_warning_count(jm_session_recording(s)), 0);
    check_for(s, 900);
    assert_true(has_warning(jm_session_recording(s), "driver of gpu0, gpu1 does not answer"));
    int64_t from = jm_now_ns();
    jm_recording *r = close_session(s);
    assert_true(jm_now_ns() - from < 500 * ms);
    assert_int_equal(jm_recording_warning_count(r), 1);
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).missing, 1);
    assert_int_equal(walk(r, 1, INT64_MIN, INT64_MAX).missing, 1);
    tally c = walk(r, 2, INT64_MIN, INT64_MAX);
    assert_int_equal(c.missing + c.gaps, 0);
    jm_recording_free(r);
    atomic_store(&same.hang, 0);
    atomic_store(&gpu.hang, 0);
    sleep_ms(20);
}

/* A call that takes long, but comes back, costs nothing. */
static void test_slow_driver(void **state) {
    (void)state;
    static fake_source gpu = {.base = 1}, cpu = {.base = 3};
    jm_session *s = open_patient((fake_source *[]){&gpu, &cpu}, 2);
    for (int i = 0; i < 3; i++) {
        atomic_store(&gpu.hang, 1);
        check_for(s, 250);
        atomic_store(&gpu.hang, 0);
        check_for(s, 30);
    }
    atomic_store(&gpu.hang, 1);
    check_for(s, 250);
    uint64_t calls = atomic_load(&gpu.calls);
    atomic_store(&gpu.hang, 0);
    jm_recording *r = close_session(s); /* which waits for it */
    assert_true(calls > 10);
    assert_int_equal(jm_recording_warning_count(r), 0);
    for (uint32_t sensor = 0; sensor < 2; sensor++) {
        tally c = walk(r, sensor, INT64_MIN, INT64_MAX);
        assert_int_equal(c.missing + c.gaps, 0);
        assert_true(jm_recording_end_ns(r) - c.last_ns < 500 * ms);
    }
    jm_recording_free(r);
}

/* However many drivers hang at the end, closing takes one time-out. */
static void test_all_hung_at_close(void **state) {
    (void)state;
    enum { SOURCES = 12 };
    static fake_source sources[SOURCES];
    fake_source *list[SOURCES];
    for (int i = 0; i < SOURCES; i++) list[i] = &sources[i];
    jm_session *s = open_fake(list, SOURCES, NULL);
    sleep_ms(50);
    for (int i = 0; i < SOURCES; i++) atomic_store(&sources[i].hang, 1);
    int64_t from = jm_now_ns();
    jm_recording *r = close_session(s);
    assert_true(jm_now_ns() - from < 1500 * ms); /* 200 ms and a quarter; 2.4 s one by one */
    assert_true(jm_recording_warning_count(r) > 0);
    for (uint32_t i = 0; i < SOURCES; i++) walk(r, i, INT64_MIN, INT64_MAX);
    jm_recording_free(r);
    for (int i = 0; i < SOURCES; i++) atomic_store(&sources[i].hang, 0);
    sleep_ms(30);
}

static void test_hung_at_open(void **state) {
    (void)state;
    static fake_source gpu = {.base = 1, .hang = 1}, other = {.base = 2};
    int64_t from = jm_now_ns();
    jm_session *s = open_fake((fake_source *[]){&gpu, &other}, 2, NULL);
    assert_true(jm_now_ns() - from < 1000 * ms);
    sleep_ms(200);
    jm_recording *r = close_session(s);
    assert_true(has_warning(r, "driver of gpu0 does not answer"));
    assert_true(walk(r, 1, INT64_MIN, INT64_MAX).samples > 1);
    jm_recording_free(r);
    atomic_store(&gpu.hang, 0);
    sleep_ms(20);
}

/* A writer whose lane is full while the sampler hangs in a driver is helped all the same. */
static void test_hung_and_full(void **state) {
    (void)state;
    static fake_source gpu = {.base = 1};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    atomic_store(&gpu.hang, 1);
    sleep_ms(30);
    for (int i = 0; i < 100000; i++) jm_end(s, jm_begin(s, "on and on"));
    atomic_store(&gpu.hang, 0);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 100000);
    assert_int_equal(stats_of(r).dropped, 0);
    jm_recording_free(r);
}

/* ---- clocks ---- */

static _Atomic int64_t boot_jump, real_jump;

static int64_t jumping(int clock) {
    int64_t jump = clock == CLOCK_BOOTTIME ? atomic_load(&boot_jump) : 0;
    if (clock == CLOCK_REALTIME) jump = atomic_load(&real_jump);
    return jmi_clock_ns(clock) + jump;
}

static jm_session *open_jumping(fake_source *gpu) {
    jm_session_options options = every(10 * (uint64_t)ms, 2 * (uint64_t)ms);
    jmi_sampler_config tuning = {.hang_ns = 500 * ms, .clock_ns = jumping};
    jm_session *s;
    atomic_store(&boot_jump, 0);
    atomic_store(&real_jump, 0);
    assert_int_equal(jmi_session_open_with(&s, &options, fake_set(&gpu, 1), &tuning, NULL), JM_OK);
    return s;
}

static void test_suspend(void **state) {
    (void)state;
    fake_source gpu = {.base = 1};
    jm_session *s = open_jumping(&gpu);
    sleep_ms(50);
    atomic_store(&real_jump, 3600 * JMI_NS_PER_S); /* both clocks go on while asleep */
    atomic_store(&boot_jump, 3600 * JMI_NS_PER_S);
    sleep_ms(1200);
    jm_recording *r = close_session(s);
    assert_true(has_warning(r, "suspended for 3600.0 s"));
    assert_false(has_warning(r, "clock was set"));
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).gaps, 1);
    jm_recording_free(r);
}

static void test_clock_step(void **state) {
    (void)state;
    fake_source gpu = {.base = 1};
    jm_session *s = open_jumping(&gpu);
    int64_t offset = jm_recording_utc_offset_ns(jm_session_recording(s));
    atomic_store(&real_jump, -7200 * JMI_NS_PER_S);
    sleep_ms(1200);
    jm_recording *r = close_session(s);
    assert_true(has_warning(r, "clock was set by -7200.0 s"));
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).gaps, 0);
    assert_int_equal(jm_recording_utc_offset_ns(r), offset);
    jm_recording_free(r);
}

/* ---- when ---- */

static jmi_schedule plan(uint64_t refresh_ns, uint64_t cost_ns, uint64_t poll_ns, bool power) {
    jmi_schedule schedule;
    jm_sensor sensor = {.quantity = power ? JM_QUANTITY_POWER : JM_QUANTITY_TEMPERATURE,
                        .refresh_ns = refresh_ns};
    jmi_source source = {.sensor_count = 1, .cost_ns = cost_ns};
    jmi_schedule_init(&schedule, &source, &sensor, 20 * (uint64_t)ms, poll_ns, 0);
    return schedule;
}

static void test_periods(void **state) {
    (void)state;
    const uint64_t m = (uint64_t)ms;
    assert_int_equal(plan(100 * m, 1000, 0, true).period_ns, 5 * m);
    assert_int_equal(plan(20 * m, 1000, 0, true).period_ns, m);
    assert_int_equal(plan(1 * m, 1000, 0, true).period_ns, 5 * m); /* RAPL: next to continuous */
    assert_int_equal(plan(1000 * m, 1000, 0, true).period_ns, 20 * m); /* one each interval */
    assert_int_equal(plan(100 * m, 1000, 0, false).period_ns, 20 * m);
    assert_int_equal(plan(100 * m, 3 * m, 0, true).period_ns, 300 * m); /* dear calls */
    assert_int_equal(plan(100 * m, 3 * m, m, true).period_ns, m);       /* the user's wish */
    jmi_schedule schedule;
    jm_sensor sensor = {.quantity = JM_QUANTITY_ENERGY};
    jmi_source source = {.sensor_count = 1, .cost_ns = 10 * m, .max_period_ns = 50 * m};
    jmi_schedule_init(&schedule, &source, &sensor, 20 * m, 0, 0);
    assert_int_equal(schedule.period_ns, 50 * m); /* or a wrap is missed */
}

/* What was taken for its cost was an interruption: it is not read rarely for ever. */
static void test_cheaper_than_thought(void **state) {
    (void)state;
    jmi_schedule schedule = plan(100 * (uint64_t)ms, 40 * (uint64_t)ms, 0, true);
    assert_int_equal(schedule.period_ns, 4 * JMI_NS_PER_S);
    int64_t now = 0;
    while (schedule.period_ns > (uint64_t)(7 * ms) && now < 10 * JMI_NS_PER_S) {
        jmi_schedule_done(&schedule, now, now + 5000, 0);
        now = schedule.next_ns;
    }
    assert_in_range(schedule.period_ns, 5 * ms, 7 * ms);
    assert_true(now < 9 * JMI_NS_PER_S);
    for (int i = 0; i < 100; i++) { /* one that takes long for once */
        jmi_schedule_done(&schedule, now, now + (i == 50 ? 30 * ms : 5000), 0);
        now = schedule.next_ns;
        assert_in_range(schedule.period_ns, 5 * ms, 7 * ms);
    }
}

/* A sensor with a rhythm, polled by the schedule in simulated time. */
typedef struct rhythm {
    int64_t refresh_ns, jitter_ns, now_ns;
    uint64_t polls, changes, narrow;
} rhythm;

static int64_t ticks_at(const rhythm *r, int64_t t_ns, bool same_value) {
    int64_t k = t_ns / r->refresh_ns;
    int64_t shift = r->jitter_ns != 0
                        ? (int64_t)((uint64_t)k * UINT64_C(0x9E3779B97F4A7C15) >> 34) % r->jitter_ns
                        : 0;
    if (t_ns < k * r->refresh_ns + shift) k--;
    return same_value ? k / 2 : k; /* every second value repeats the one before */
}

static void follow(rhythm *r, jmi_schedule *schedule, int64_t until_ns, bool same_value) {
    int64_t before = 0, ticks = ticks_at(r, r->now_ns, same_value);
    for (; r->now_ns < until_ns; r->polls++) {
        int64_t seen = ticks_at(r, r->now_ns, same_value);
        bool changed = seen != ticks && before != 0;
        if (changed) {
            r->changes++;
            r->narrow += r->now_ns - before <= 1500000;
        }
        jmi_schedule_done(schedule, r->now_ns, r->now_ns + 2000, changed ? before : 0);
        before = r->now_ns;
        ticks = seen;
        assert_true(schedule->next_ns > r->now_ns);
        assert_true(schedule->next_ns - r->now_ns <= 20 * ms + 5000);
        r->now_ns = schedule->next_ns + 3000;
    }
}

static void test_rhythm(void **state) {
    (void)state;
    jmi_schedule schedule = plan(100 * (uint64_t)ms, 1000, 0, true);
    rhythm r = {.refresh_ns = 101234567};
    follow(&r, &schedule, 3 * JMI_NS_PER_S, false);
    assert_true(schedule.locked);
    rhythm later = {.refresh_ns = r.refresh_ns, .now_ns = r.now_ns};
    follow(&later, &schedule, 63 * JMI_NS_PER_S, false);
    assert_true(schedule.locked);
    printf("# locked: %.1f polls and %.2f narrow brackets a change (even: 20 polls)\n",
           (double)later.polls / (double)later.changes,
           (double)later.narrow / (double)later.changes);
    assert_true(later.changes >= 588);
    assert_true((double)later.narrow > 0.95 * (double)later.changes);
    assert_true(later.polls < 11 * later.changes);
    /* Values that repeat leave ticks out. */
    rhythm repeating = {.refresh_ns = r.refresh_ns, .now_ns = later.now_ns};
    follow(&repeating, &schedule, 93 * JMI_NS_PER_S, true);
    assert_true(schedule.locked);
    assert_true((double)repeating.narrow > 0.9 * (double)repeating.changes);
    /* The rhythm changes: even polling, then the new one. */
    rhythm other = {.refresh_ns = 73 * ms, .now_ns = repeating.now_ns};
    follow(&other, &schedule, 98 * JMI_NS_PER_S, false);
    rhythm found = {.refresh_ns = 73 * ms, .now_ns = other.now_ns};
    follow(&found, &schedule, 130 * JMI_NS_PER_S, false);
    assert_true((double)found.narrow > 0.8 * (double)found.changes);
}

static void test_no_rhythm(void **state) {
    (void)state;
    jmi_schedule schedule = plan(100 * (uint64_t)ms, 1000, 0, true);
    rhythm r = {.refresh_ns = 100 * ms, .jitter_ns = 60 * ms};
    follow(&r, &schedule, 30 * JMI_NS_PER_S, false);
    assert_false(schedule.locked);
    assert_true(r.polls > 5000); /* evenly */
}

/* ---- cost ---- */

static long resident_kb(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_cost(void **state) {
    (void)state;
    jm_session_options options = every(100 * (uint64_t)ms, 100 * (uint64_t)ms);
    fake_source gpu = {.base = 1, .refresh_ns = ms};
    long before = resident_kb();
    int64_t from = jm_now_ns();
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    int64_t opened = jm_now_ns() - from;
    sleep_ms(1000);
    long grown = resident_kb() - before;
    jm_recording *r = close_session(s);
    double share = (double)stats_of(r).cpu_ns / 1e9;
    printf("# opened in %.2f ms, %ld KiB; 10 Hz: %.3f %% of a core\n", (double)opened / 1e6, grown,
           share * 100);
    assert_true(grown < 5 * 1024);
    jm_recording_free(r);
}

static void test_follow(void **state) {
    (void)state;
    fake_source gpu = {.base = 1};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    assert_int_equal(jm_session_follow(s, 1), JM_OK);
    assert_int_equal(jm_session_follow(s, 0), JM_INVALID);
    assert_int_equal(jm_session_follow(NULL, 1), JM_INVALID);
    jm_recording_free(close_session(s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_odd_times),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_changes_and_interval),
        cmocka_unit_test(test_keep_polls),
        cmocka_unit_test(test_source_time),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_hung_at_open),
        cmocka_unit_test(test_hung_and_full),
        cmocka_unit_test(test_suspend),
        cmocka_unit_test(test_clock_step),
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_cheaper_than_thought),
        cmocka_unit_test(test_rhythm),
        cmocka_unit_test(test_no_rhythm),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_hung_driver),
        cmocka_unit_test(test_slow_driver),
        cmocka_unit_test(test_all_hung_at_close),
    };
    return cmocka_run_group_tests_name("record sampler", tests, NULL, NULL);
}
