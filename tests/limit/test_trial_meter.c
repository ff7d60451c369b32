/* Trial meters fed with runs that warm up, drift, jump, or never settle. */
#include "joulemeter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- a run: an item after the other, each with its time and power ---- */

typedef struct run {
    double time_s, power_w; /* of an item, once settled */
    double noise;
    double warm_s, warm_time,
        warm_power;      /* e-folding time, and by how much they are off at first */
    double drift;        /* of time, a second */
    double step_s, step; /* from then on time is so many times */
    uint64_t state;
} run;

static double normal(uint64_t *state) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(*state >> 11) * 0x1p-53;
    }
    return sum;
}

static jm_trial_meter *opened(jm_trial_meter_options options) {
    jm_trial_meter *meter;
    jm_error error = {0};
    if (jm_trial_meter_open(&meter, &options, &error) != JM_OK) fail_msg("%s", error.message);
    return meter;
}

static jm_trial_meter_options options_of(double target_pct, double max_s) {
    jm_trial_meter_options o = JM_TRIAL_METER_OPTIONS_INIT;
    o.target_pct = target_pct;
    o.max_s = max_s;
    return o;
}

static jm_trial_progress progress_of(const jm_trial_meter *meter) {
    jm_trial_progress p = {.size = sizeof p};
    assert_int_equal(jm_trial_meter_progress(meter, &p), JM_OK);
    assert_true(p.done >= 0 && p.done <= 1 && p.left_s >= 0);
    return p;
}

/* Feeds items until the meter has enough, or `most_s` are over. Returns the time. */
static double feed(jm_trial_meter *meter, run *r, double most_s) {
    double t = 0, energy = 0, items = 0;
    jm_trial_reading first = {1000, 0, 0, 0, NAN};
    assert_int_equal(jm_trial_meter_feed(meter, &first, NULL), JM_OK);
    while (t < most_s) {
        double off = r->warm_s > 0 ? exp(-t / r->warm_s) : 0;
        double dt = r->time_s * (1 + r->warm_time * off + r->drift * t) *
                    (t >= r->step_s && r->step > 0 ? r->step : 1) *
                    exp(r->noise * normal(&r->state));
        double p = r->power_w * (1 + r->warm_power * off) * exp(r->noise * normal(&r->state));
        t += dt;
        energy += p * dt;
        items += 1;
        jm_trial_reading reading = {1000 + (int64_t)(t * 1e9), items, energy, 0, 0.25};
        assert_int_equal(jm_trial_meter_feed(meter, &reading, NULL), JM_OK);
        if (progress_of(meter).state >= JM_TRIAL_ENOUGH) break;
    }
    return t;
}

static jm_trial trial_of(const jm_trial_meter *meter, bool final) {
    jm_trial trial = {.size = sizeof trial};
    jm_error error = {0};
    if (jm_trial_meter_trial(meter, 200, final, &trial, &error) != JM_OK)
        fail_msg("%s", error.message);
    assert_true(trial.setting == 200);
    return trial;
}

static double rate(const jm_trial *t) {
    return t->seconds / t->items;
}

/* ---- tests ---- */

static void a_steady_run(void **state) {
    (void)state;
    run r = {.time_s = 0.1, .power_w = 250, .noise = 0.01, .state = 1};
    jm_trial_meter *meter = opened(options_of(1, 60));
    double took = feed(meter, &r, 100);
    jm_trial_progress p = progress_of(meter);
    jm_trial t = trial_of(meter, false);
    print_message("%.1f s, of which %.1f s left out, +- %.2f %% and %.2f %%\n", took, p.settle_s,
                  p.seconds_u95_pct, p.energy_u95_pct);
    assert_int_equal(p.state, JM_TRIAL_ENOUGH);
    assert_true(p.settled && took < 6 && p.settle_s < took / 2 + 1e-9);
    assert_true(fabs(rate(&t) / 0.1 - 1) < 0.01);
    assert_true(fabs(t.energy_j / t.seconds / 250 - 1) < 0.01);
    assert_true(t.seconds_u95 > 0 && t.seconds_u95 <= 0.01 * t.seconds);
    assert_true(fabs(t.limited - 0.25) < 1e-9);
    assert_true(p.left_s == 0 && p.done == 1);
    jm_trial_meter_free(meter);
}

static void warming_up_is_left_out(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        run r = {.time_s = 0.05,
                 .power_w = 300,
                 .noise = 0.005,
                 .warm_s = 2 + i,
                 .warm_time = i % 2 == 0 ? 0.8 : -0.3,
                 .warm_power = i < 2 ? -0.5 : 0.3,
                 .state = (uint64_t)i + 5};
        jm_trial_meter *meter = opened(options_of(1, 120));
        double took = feed(meter, &r, 200);
        jm_trial_progress p = progress_of(meter);
        jm_trial t = trial_of(meter, false);
        print_message("tau %g s: left out %.1f of %.1f s; time off by %.2f %%\n", r.warm_s,
                      p.settle_s, took, 100 * (rate(&t) / 0.05 - 1));
        assert_int_equal(p.state, JM_TRIAL_ENOUGH);
        assert_true(p.settled && p.settle_s > r.warm_s);
        assert_true(fabs(rate(&t) / 0.05 - 1) < 0.015);
        assert_true(fabs(t.energy_j / t.seconds / 300 - 1) < 0.015);
        jm_trial_meter_free(meter);
    }
}

static void a_run_that_never_settles(void **state) {
    (void)state;
    run r = {.time_s = 0.1, .power_w = 200, .noise = 0.002, .drift = 0.02, .state = 3};
    jm_trial_meter_options o = options_of(0.5, 40);
    o.max_settle_s = 15;
    jm_trial_meter *meter = opened(o);
    feed(meter, &r, 100);
    jm_trial_progress p = progress_of(meter);
    print_message("left out %.1f s, measured %.1f s, +- %.2f %%\n", p.settle_s, p.measured_s,
                  p.seconds_u95_pct);
    assert_int_equal(p.state, JM_TRIAL_TIME_UP);
    assert_true(!p.settled && p.settle_s > 10 && p.settle_s < 16 && p.elapsed_s >= 40);
    jm_trial t = trial_of(meter, false);
    assert_true(t.seconds_u95 > 0.005 * t.seconds); /* and it says that it is not sure */
    jm_trial_meter_free(meter);
}

static void a_step_in_the_middle(void **state) {
    (void)state;
    run r = {.time_s = 0.1, .power_w = 200, .noise = 0.03, .step_s = 8, .step = 1.5, .state = 3};
    jm_trial_meter_options o = options_of(0.6, 60);
    jm_trial_meter *meter = opened(o);
    feed(meter, &r, 100);
    jm_trial_progress p = progress_of(meter);
    jm_trial t = trial_of(meter, false);
    print_message("left out %.1f s, time %.4f s\n", p.settle_s, rate(&t));
    assert_true(p.settle_s > 7.5 && fabs(rate(&t) / 0.15 - 1) < 0.02);
    jm_trial_meter_free(meter);
}

/* One slow item in a hundred, as of a program that saves: no reason to begin anew. */
static void hiccups(void **state) {
    (void)state;
    jm_trial_meter *meter = opened(options_of(5, 60));
    uint64_t s = 9;
    double t = 0;
    for (int i = 0; i < 300; i++) {
        t += (i % 40 == 39 ? 0.5 : 0.1) * exp(0.01 * normal(&s));
        jm_trial_reading reading = {(int64_t)(t * 1e9), i, 200 * t, 0, NAN};
        assert_int_equal(jm_trial_meter_feed(meter, &reading, NULL), JM_OK);
    }
    jm_trial_progress p = progress_of(meter);
    assert_true(p.settled && p.state == JM_TRIAL_ENOUGH && p.settle_s < 20);
    jm_trial trial = trial_of(meter, false);
    assert_true(isnan(trial.limited));
    assert_true(fabs(rate(&trial) - 0.11) < 0.01);
    jm_trial_meter_free(meter);
}

static void readings_that_cannot_be(void **state) {
    (void)state;
    jm_trial_meter *meter = opened(options_of(1, 60));
    jm_trial_reading good = {1000000000, 5, 100, 0, NAN};
    assert_int_equal(jm_trial_meter_feed(meter, &good, NULL), JM_OK);
    jm_trial_reading bad[8];
    for (int i = 0; i < 8; i++) {
        bad[i] = good;
        bad[i].time_ns += 1000000000;
    }
    bad[0].time_ns = 5;
    bad[1].items = 4;
    bad[2].energy_j = 99;
    bad[3].items = NAN;
    bad[4].energy_j = INFINITY;
    bad[5].energy_u95_j = -1;
    bad[6].limited = 2;
    bad[7].energy_u95_j = NAN;
    for (int i = 0; i < 8; i++) {
        jm_error error = {0};
        if (jm_trial_meter_feed(meter, &bad[i], &error) != JM_INVALID) fail_msg("case %d", i);
        assert_true(strlen(error.message) > 10);
    }
    assert_int_equal(progress_of(meter).refused, 8);
    good.time_ns += 1000000000; /* it goes on */
    good.items += 1;
    good.energy_j += 100;
    assert_int_equal(jm_trial_meter_feed(meter, &good, NULL), JM_OK);
    assert_int_equal(jm_trial_meter_feed(meter, &good, NULL), JM_OK); /* twice is no harm */
    jm_trial t = trial_of(meter, true);
    assert_true(t.items == 1 && t.seconds == 1 && t.energy_j == 100);
    assert_int_equal(jm_trial_meter_feed(NULL, &good, NULL), JM_INVALID);
    assert_int_equal(jm_trial_meter_feed(meter, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_trial_meter_progress(NULL, NULL), JM_INVALID);
    assert_int_equal(jm_trial_meter_trial(NULL, 1, true, NULL, NULL), JM_INVALID);
    jm_trial_meter_free(meter);
    jm_trial_meter_free(NULL);
}

/* A command that is one item from start to end. */
static void the_whole_is_one_item(void **state) {
    (void)state;
    jm_trial_meter *meter = opened(options_of(1, 100));
    jm_trial trial = {.size = sizeof trial};
    assert_int_equal(jm_trial_meter_trial(meter, 200, true, &trial, NULL), JM_NO_DATA);
    jm_trial_reading reading = {0, 0, 0, 0, NAN};
    assert_int_equal(jm_trial_meter_feed(meter, &reading, NULL), JM_OK);
    for (int i = 1; i < 30; i++) { /* the item does not end, energy goes on */
        reading = (jm_trial_reading){i * INT64_C(1000000000), 0, 150.0 * i, 3, 1};
        assert_int_equal(jm_trial_meter_feed(meter, &reading, NULL), JM_OK);
    }
    assert_int_equal(progress_of(meter).state, JM_TRIAL_SETTLING);
    reading = (jm_trial_reading){INT64_C(30000000000), 1, 4500, 3, 1};
    assert_int_equal(jm_trial_meter_feed(meter, &reading, NULL), JM_OK);
    assert_int_equal(jm_trial_meter_trial(meter, 200, false, &trial, NULL), JM_NO_DATA);
    trial = trial_of(meter, true);
    assert_true(trial.items == 1 && trial.seconds == 30 && trial.energy_j == 4500);
    assert_true(trial.energy_u95_j == 3 && trial.seconds_u95 == 0 && trial.limited == 1);
    jm_trial_meter_free(meter);
}

/* Items of a microsecond: the meter's memory does not grow, and its answer is right. */
static void a_million_items(void **state) {
    (void)state;
    jm_trial_meter *meter = opened(options_of(0.1, 60));
    uint64_t s = 4;
    double t = 0;
    for (int i = 0; i < 1000000; i++) {
        t += 1e-6 * (1 + 0.3 * normal(&s));
        jm_trial_reading reading = {(int64_t)(t * 1e9), i, 300 * t, 0, NAN};
        jm_trial_meter_feed(meter, &reading, NULL);
    }
    jm_trial trial = trial_of(meter, true);
    assert_true(fabs(rate(&trial) / 1e-6 - 1) < 0.005);
    jm_trial_meter_free(meter);
}

/* How often the interval holds what a steady run of noisy, correlated items takes. */
static void intervals_hold(void **state) {
    (void)state;
    int held = 0, of = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run r = {.time_s = 0.1, .power_w = 200, .noise = 0.04, .state = seed};
        jm_trial_meter *meter = opened(options_of(1.5, 30));
        feed(meter, &r, 40);
        jm_trial t = trial_of(meter, true);
        held += fabs(rate(&t) - 0.1 * exp(0.04 * 0.04 / 2)) <= t.seconds_u95 / t.items;
        of++;
        jm_trial_meter_free(meter);
    }
    print_message("%d of %d held\n", held, of);
    assert_true(held >= 172); /* stopping when it looks good costs some of the 95 % */
}

static void time_runs_out(void **state) {
    (void)state;
    run r = {.time_s = 0.5, .power_w = 200, .noise = 0.1, .state = 1};
    jm_trial_meter *meter = opened(options_of(0.01, 12));
    double took = feed(meter, &r, 100);
    jm_trial_progress p = progress_of(meter);
    assert_int_equal(p.state, JM_TRIAL_TIME_UP);
    assert_true(took >= 12 && took < 13.5 && p.left_s == 0);
    assert_true(trial_of(meter, true).items > 3);
    jm_trial_meter_free(meter);
}

static void wrong_options(void **state) {
    (void)state;
    jm_trial_meter *meter;
    jm_trial_meter_options o = options_of(-1, 60);
    assert_int_equal(jm_trial_meter_open(&meter, &o, NULL), JM_INVALID);
    o = options_of(1, NAN);
    assert_int_equal(jm_trial_meter_open(&meter, &o, NULL), JM_INVALID);
    assert_null(meter);
    assert_int_equal(jm_trial_meter_open(NULL, &o, NULL), JM_INVALID);
    assert_int_equal(jm_trial_meter_open(&meter, NULL, NULL), JM_OK); /* the defaults */
    jm_trial_meter_free(meter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_run),
        cmocka_unit_test(warming_up_is_left_out),
        cmocka_unit_test(a_run_that_never_settles),
        cmocka_unit_test(a_step_in_the_middle),
        cmocka_unit_test(hiccups),
        cmocka_unit_test(readings_that_cannot_be),
        cmocka_unit_test(the_whole_is_one_item),
        cmocka_unit_test(a_million_items),
        cmocka_unit_test(intervals_hold),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
