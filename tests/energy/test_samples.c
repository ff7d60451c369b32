/* What happens to samples: gaps, resets, failures, late polls, and traces that say little. */
#include "helpers.h"

/* A recording of 12 s at constant or square power that knows nothing from 5 s to 8 s. */
static jm_recording *with_a_hole(energy_fn energy, double window_s, unsigned flags) {
    jm_recording *r = recording_new();
    uint32_t gpu = add_device(r, "gpu0", 400);
    uint32_t s = window_s > 0 ? add_power(r, gpu, 0.1, window_s) : add_counter(r, gpu, 0.1);
    polled source = {.energy = energy, .refresh_s = 0.1, .window_s = window_s, .phase_s = 0.013};
    follow(r, s, &source, 0, 5, 0);
    follow(r, s, &source, 8, 12, flags);
    return r;
}

/* ---- gaps ---- */

static void a_gap_of_a_gauge_is_missing(void **state) {
    (void)state;
    static const double windows[] = {0.1, 0.025};
    for (size_t i = 0; i < JMI_COUNT(windows); i++) {
        jm_recording *r = with_a_hole(constant_250, windows[i], JM_SAMPLE_GAP);
        jm_energy across = energy_of(r, 0, 1, 11), inside = energy_of(r, 0, 5.5, 7.5);
        close_to(across.measured, 0.7, 0.03, "measured");
        assert_true(across.flags & JM_ENERGY_PARTIAL);
        assert_true(across.lower_j <= 2500 && 2500 <= across.upper_j);
        assert_true(across.u95_j > 200); /* three seconds that may have been 0 or 480 W */
        assert_true(inside.measured == 0 && inside.energy_j == 0 && inside.provenance == 0);
        assert_true(inside.upper_j >= 2 * 250);
        jm_energy before = energy_of(r, 0, 1, 4), after = energy_of(r, 0, 9, 11);
        assert_true(before.measured > 0.999 && after.measured > 0.999);
        close_to(before.energy_j, 750, 1e-6, "before");
        close_to(after.energy_j, 500, 1e-6, "after");
        jm_recording_free(r);
    }
}

static void a_counter_bridges_a_gap(void **state) {
    (void)state;
    jm_recording *r = with_a_hole(constant_250, 0, JM_SAMPLE_GAP | JM_SAMPLE_CHANGED);
    jm_energy across = energy_of(r, 0, 1, 11);
    assert_true(across.measured > 0.999);
    assert_false(across.flags & JM_ENERGY_PARTIAL);
    close_to(across.energy_j, 2500, 12, "across");
    jm_recording_free(r);
}

/* The counter was polled once, then nothing answered, then it went on: what it counted counts. */
static void a_counter_bridges_an_early_gap(void **state) {
    (void)state;
    for (int samples = 1; samples <= 3; samples++) {
        jm_recording *r = recording_new();
        uint32_t s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
        for (int i = 0; i < samples; i++) add_sample(r, s, 0.01 * i, 0, 0.01, 0);
        polled source = {.energy = constant_250, .refresh_s = 0.1, .started = true};
        follow(r, s, &source, 5, 12, JM_SAMPLE_GAP | JM_SAMPLE_CHANGED);
        jm_energy whole = energy_of(r, 0, 0.1, 11), later = energy_of(r, 0, 6, 11);
        close_to(later.energy_j, 1250, 12, "after the gap");
        close_to(whole.energy_j, 250 * 10.9, 30, "across the gap");
        assert_true(whole.lower_j <= 250 * 10.9 && 250 * 10.9 <= whole.upper_j);
        assert_true(whole.energy_j > later.energy_j + 900);
        jm_recording_free(r);
    }
}

static void gaps_one_after_the_other(void **state) {
    (void)state;
    for (int counter = 0; counter < 2; counter++) {
        jm_recording *r = recording_new();
        uint32_t gpu = add_device(r, "gpu0", 400);
        uint32_t s = counter ? add_counter(r, gpu, 0.1) : add_power(r, gpu, 0.1, 0.1);
        for (int i = 0; i < 40; i++)
            add_sample(r, s, i, counter ? 250.0 * i : 250, 1, JM_SAMPLE_GAP | JM_SAMPLE_CHANGED);
        jm_energy e = energy_of(r, 0, 5, 35);
        assert_true(e.lower_j <= 7500 && 7500 <= e.upper_j);
        if (counter)
            close_to(e.energy_j, 7500, 75, "counter");
        else
            assert_true(e.flags & JM_ENERGY_PARTIAL);
        jm_recording_free(r);
    }
}

/* Failures in a trace made elsewhere: nobody flags the good one after them as a gap. */
static void failed_readings_are_missing(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
    for (int i = 0; i <= 120; i++) {
        double t = 0.1 * i;
        bool bad = t > 4.95 && t < 8.05;
        add_sample(r, s, t,
                   bad     ? 0
                   : i % 2 ? 249
                           : 251,
                   0.002, bad ? JM_SAMPLE_MISSING : JM_SAMPLE_CHANGED);
    }
    jm_energy inside = energy_of(r, 0, 5.5, 7.5), across = energy_of(r, 0, 1, 11);
    assert_true(inside.measured == 0);
    close_to(across.measured, 0.7, 0.03, "measured");
    assert_true(across.lower_j <= 2500 && 2500 <= across.upper_j);
    jm_recording_free(r);
}

static void failures_at_both_ends(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
    for (int i = 0; i <= 120; i++) {
        bool good = i >= 40 && i <= 80;
        add_sample(r, s, 0.1 * i, good ? 250 : 9e9, 0.1, good ? 0 : JM_SAMPLE_MISSING);
    }
    assert_true(energy_of(r, 0, 0, 3).measured == 0);
    assert_true(energy_of(r, 0, 9, 12).measured == 0);
    close_to(energy_of(r, 0, 5, 7).energy_j, 500, 1e-6, "between");
    close_to(energy_of(r, 0, 0, 12).measured, 1.0 / 3, 0.02, "measured");
    jm_recording_free(r);
}

/* ---- resets ---- */

static void a_reset_is_neither_negative_nor_absolute(void **state) {
    (void)state; /* the counter stood at 1250 J; 3 s of 250 W are lost; it goes on from there */
    jm_recording *r = recording_new();
    uint32_t s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
    polled first = {.energy = constant_250, .refresh_s = 0.1, .phase_s = 0.013}, second = first;
    follow(r, s, &first, 0, 5, 0);
    second.started = true;
    second.base = 250 * 3;
    follow(r, s, &second, 8, 12, JM_SAMPLE_RESET | JM_SAMPLE_CHANGED);
    jm_energy across = energy_of(r, 0, 1, 11), hole = energy_of(r, 0, 5.5, 7.5);
    assert_true(across.flags & JM_ENERGY_RESET);
    assert_true(across.flags & JM_ENERGY_PARTIAL);
    close_to(across.measured, 0.7, 0.03, "measured");
    assert_true(across.lower_j <= 2500 && 2500 <= across.upper_j);
    assert_true(across.energy_j >= 1700 && across.energy_j <= 1750 + 3 * 480);
    assert_true(hole.measured == 0 && (hole.flags & JM_ENERGY_RESET));
    jm_energy before = energy_of(r, 0, 1, 4), after = energy_of(r, 0, 9, 11);
    assert_false((before.flags | after.flags) & (JM_ENERGY_RESET | JM_ENERGY_PARTIAL));
    close_to(before.energy_j, 750, 8, "before");
    close_to(after.energy_j, 500, 6, "after");
    jm_energy total = energy_of(r, JM_DEVICE_TOTAL, 1, 11);
    assert_true(total.flags & JM_ENERGY_RESET);
    jm_recording_free(r);
}

/* The driver began at 0 again and the recording kept what it said: 1250 J, then 20 J. */
static void a_counter_that_falls(void **state) {
    (void)state;
    for (int flagged = 0; flagged < 2; flagged++) {
        jm_recording *r = recording_new();
        uint32_t s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
        polled first = {.energy = constant_250, .refresh_s = 0.1, .phase_s = 0.013}, second = first;
        follow(r, s, &first, 0, 5, 0);
        second.started = true;
        second.base = 250 * 7.92;
        follow(r, s, &second, 8, 12, JM_SAMPLE_CHANGED | (flagged ? JM_SAMPLE_RESET : 0));
        jm_energy across = energy_of(r, 0, 1, 11);
        assert_true(across.energy_j >= 0);
        assert_true(across.lower_j <= 2500 && 2500 <= across.upper_j);
        close_to(energy_of(r, 0, 9, 11).energy_j, 500, 6, "after");
        jm_recording_free(r);
    }
}

static void a_reset_at_the_very_beginning(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
    add_sample(r, s, 0, 5000, 10, 0); /* not 5000 W, and not 5000 J */
    add_sample(r, s, 1, 5000, 1, JM_SAMPLE_RESET);
    for (int i = 1; i <= 50; i++)
        add_sample(r, s, 1 + 0.1 * i, 5000 + 25 * i, 0.01, JM_SAMPLE_CHANGED);
    close_to(energy_of(r, 0, 2, 5).energy_j, 750, 10, "after");
    assert_true(energy_of(r, 0, 0, 1.5).energy_j < 1.2 * 400 * 1.5);
    jm_energy lost = energy_of(r, 0, 0.1, 0.9);
    assert_true(lost.measured == 0 && lost.energy_j == 0);
    jm_recording_free(r);
}

/* ---- counters ---- */

/* PAPI took a reading equal to the last one for an absolute value. */
static void a_counter_that_stands_still_is_0_j(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
    for (int i = 0; i <= 100; i++) add_sample(r, s, 0.1 * i, 123456, 0.1, 0);
    assert_true(energy_of(r, 0, 1, 9).energy_j == 0);
    jm_recording_free(r);
    r = recording_new();
    s = add_counter(r, add_device(r, "gpu0", 400), 0.1);
    polled source = {.energy = constant_250, .refresh_s = 0.1};
    follow(r, s, &source, 0, 5, 0);
    double last = source.last_value;
    for (int i = 1; i <= 50; i++) add_sample(r, s, 5 + 0.1 * i, last, 0.1, 0); /* off the bus */
    assert_true(energy_of(r, 0, 7, 9).energy_j < 1);
    close_to(energy_of(r, 0, 0.2, 9.9).energy_j, 250 * 4.8, 30, "until then");
    jm_recording_free(r);
}

/* 4.3 GJ is 2^32 mJ, 1.7 hours at 700 W. */
static void totals_beyond_32_bits(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_counter(r, add_device(r, "gpu0", 1000), 0.1);
    for (int i = 0; i <= 10000; i++)
        add_sample(r, s, 3.0 * i, 2100.0 * i, 0.1, i > 0 ? JM_SAMPLE_CHANGED : 0);
    close_to(energy_of(r, 0, 0, 30000).energy_j, 21e6, 5e3, "21 MJ");
    double late = energy_of(r, 0, 29000, 29500).energy_j;
    close_to(late, 350e3, 1.5e3, "a piece at the end");
    jm_recording_free(r);
    r = recording_new();
    s = add_counter(r, add_device(r, "gpu0", 1000), 0.1);
    for (int i = 0; i <= 3000; i++)
        add_sample(r, s, 0.1 * i, 8.6e9 + 70.0 * i, 0.01, i > 0 ? JM_SAMPLE_CHANGED : 0);
    close_to(energy_of(r, 0, 10, 20).energy_j, 7000, 30, "a counter that begins high");
    jm_recording_free(r);
}

/* ---- polls that came late ---- */

/* A board idles at 100 W for 10 s, its value standing still; the poll that sees 300 W is late. */
static void a_late_poll_does_not_reach_back(void **state) {
    (void)state;
    static const double refresh[] = {0.1, 0.1, 0};
    static const double window[] = {0.1, 0.025, 0};
    for (size_t k = 0; k < JMI_COUNT(refresh); k++) {
        jm_recording *r = recording_new();
        uint32_t s = add_power(r, add_device(r, "gpu0", 400), refresh[k], window[k]);
        for (int i = 0; i <= 500; i++)
            add_sample(r, s, 0.02 * i, i < 2 ? 99 : 100, 0.02, i == 2 ? JM_SAMPLE_CHANGED : 0);
        add_sample(r, s, 10.15, 300, 0.15, JM_SAMPLE_CHANGED);
        for (int i = 1; i <= 250; i++) add_sample(r, s, 10.15 + 0.02 * i, 300, 0.02, 0);
        jm_energy idle = energy_of(r, 0, 1, 9), load = energy_of(r, 0, 11, 15);
        close_to(idle.energy_j, 800, 8, "idle");
        close_to(load.energy_j, 1200, 12, "load");
        jm_recording_free(r);
    }
}

/* ---- traces that say little ---- */

/* No since, no refresh: a list of times and values, as anyone has them. */
static void bare_traces(void **state) {
    (void)state;
    static const double refresh[] = {0, 0.1};
    for (size_t k = 0; k < JMI_COUNT(refresh); k++)
        for (int counter = 0; counter < 2; counter++) {
            jm_recording *r = recording_new();
            uint32_t gpu = add_device(r, "gpu0", 400);
            uint32_t s = counter ? add_counter(r, gpu, refresh[k])
                                 : add_power(r, gpu, refresh[k], refresh[k]);
            enum { MANY = 200 };
            int64_t t[MANY];
            double value[MANY];
            for (int i = 0; i < MANY; i++) { /* 100 W for 10 s, then 300 W for 10 s */
                double sec = 0.1 * i, joules = sec < 10 ? 100 * sec : 1000 + 300 * (sec - 10);
                double ripple = i % 2 ? 1 : -1;
                t[i] = at(sec);
                value[i] = counter ? joules : (i <= 100 ? 100 : 300) + ripple;
            }
            jm_samples bare = {.count = MANY, .t_ns = t, .value = value};
            assert_int_equal(jm_recording_add_samples(r, s, &bare, NULL), JM_OK);
            close_to(energy_of(r, 0, 2, 8).energy_j, 600, 12, "first half");
            close_to(energy_of(r, 0, 12, 18).energy_j, 1800, 36, "second half");
            close_to(energy_of(r, 0, 5, 15).energy_j, 2000, 60, "across");
            jm_recording_free(r);
        }
}

/* Sensors without a known refresh that change seldom: a value holds until the next is seen. */
static void steps_of_an_unknown_sensor(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0, 0);
    double before = 0;
    for (int i = 0; i <= 1000; i++) {
        double value = i < 500 ? 100 : 300;
        add_sample(r, s, 0.02 * i, value, 0.02, i > 0 && value != before ? JM_SAMPLE_CHANGED : 0);
        before = value;
    }
    close_to(energy_of(r, 0, 1, 9).energy_j, 800, 8, "before the step");
    close_to(energy_of(r, 0, 11, 19).energy_j, 2400, 24, "after the step");
    close_to(energy_of(r, 0, 5, 15).energy_j, 2000, 40, "across the step");
    jm_recording_free(r);
}

/* Times may be before the clock's zero, or of UTC. */
static void the_clock_may_begin_anywhere(void **state) {
    (void)state;
    static const double begins_s[] = {-5003, -5000, 1.7e9};
    double wanted = 0;
    for (size_t k = 0; k < JMI_COUNT(begins_s); k++) {
        jm_recording *r = recording_new();
        uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.025);
        double b = begins_s[k];
        for (int i = 0; i <= 1500; i++) {
            double value = (i / 50) % 2 ? 300 : 100; /* a second each */
            bool changed = i > 0 && i % 50 == 0;
            add_sample(r, s, b + 0.02 * i, value, 0.02, changed ? JM_SAMPLE_CHANGED : 0);
        }
        for (int i = 1; i < 30; i += 2) add_range(r, JM_CATEGORY_BATCH, "on", b + i, b + i + 1);
        jm_energy long_one = energy_of(r, 0, b + 2.3, b + 27.9),
                  short_one = energy_of(r, 0, b + 7.4, b + 7.401);
        if (k == 0) wanted = long_one.energy_j;
        close_to(long_one.energy_j, wanted, 1e-3 * wanted, "the same at any time");
        close_to(short_one.energy_j, 0.3, 0.01, "a short window");
        jm_recording_free(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_of_a_gauge_is_missing),
        cmocka_unit_test(a_counter_bridges_a_gap),
        cmocka_unit_test(a_counter_bridges_an_early_gap),
        cmocka_unit_test(gaps_one_after_the_other),
        cmocka_unit_test(failed_readings_are_missing),
        cmocka_unit_test(failures_at_both_ends),
        cmocka_unit_test(a_reset_is_neither_negative_nor_absolute),
        cmocka_unit_test(a_counter_that_falls),
        cmocka_unit_test(a_reset_at_the_very_beginning),
        cmocka_unit_test(a_counter_that_stands_still_is_0_j),
        cmocka_unit_test(totals_beyond_32_bits),
        cmocka_unit_test(a_late_poll_does_not_reach_back),
        cmocka_unit_test(bare_traces),
        cmocka_unit_test(steps_of_an_unknown_sensor),
        cmocka_unit_test(the_clock_may_begin_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
