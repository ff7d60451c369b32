/* SPDX-License-Identifier: MIT */
/* Changes from outside: limits, a driven channel, the observer's effect. */
#include "helpers.h"

#include <stdlib.h>

static void a_limit_clips_from_its_moment_on(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,constant:600");
    assert_int_equal(simgpu_board_set_limit(board, 10 * S, 300.0), 0);
    assert_int_equal(simgpu_board_set_limit(board, 20 * S, 700.0), 0);
    close_to(simgpu_board_energy(board, 0, 30 * S), 6000.0 + 3000.0 + 6000.0, 1e-12);
    close_to(simgpu_board_energy(board, 9 * S, 11 * S), 900.0, 1e-12);
    assert_int_equal(simgpu_board_throttled_ns(board, 0, 30 * S), 10 * S);
    assert_int_equal(simgpu_board_throttled_ns(board, 12 * S, 13 * S), S);
    assert_true(simgpu_board_limit_w(board, 15 * S) == 300.0);
    assert_true(simgpu_board_limit_w(board, 5 * S) == 700.0);
    assert_true(simgpu_board_power(board, 10 * S - 1) == 600.0);
    assert_true(simgpu_board_power(board, 10 * S) == 300.0);
    simgpu_board_free(board);
}

static void limits_outside_the_constraints_are_refused(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,constant:600");
    assert_int_equal(simgpu_board_set_limit(board, S, 199.9), -1);
    assert_int_equal(simgpu_board_set_limit(board, S, 700.1), -1);
    assert_int_equal(simgpu_board_set_limit(board, S, NAN), -1);
    assert_int_equal(simgpu_board_set_demand(board, S, 100.0), -1);
    simgpu_board_free(board);
}

/* Many limits on a waveform: the prefix totals agree with each stretch on its own. */
static void many_limits_keep_the_integral_exact(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,training:9");
    uint64_t random = 99;
    double sum = 0.0, limit_w = 700.0;
    int64_t t = 0;
    for (int i = 0; i < 200; i++) {
        int64_t next = t + random_between(&random, MS, 3 * S);
        char spec[64];
        snprintf(spec, sizeof spec, "h100,training:9,limit=%.0f", limit_w);
        struct simgpu_board *alone = must_board(spec);
        sum += simgpu_board_energy(alone, t, next);
        simgpu_board_free(alone);
        limit_w = (double)random_between(&random, 200, 700);
        assert_int_equal(simgpu_board_set_limit(board, next, limit_w), 0);
        t = next;
    }
    close_to(simgpu_board_energy(board, 0, t), sum, 1e-9);
    simgpu_board_free(board);
}

static void a_replay_is_clipped_only_by_a_limit_that_was_set(void **unused) {
    (void)unused;
    char path[] = "/tmp/simgpu-replay-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("t_ms,power_w\n1000,500\n2000,100\n3000,100\n", file);
    fclose(file);
    char spec[128];
    snprintf(spec, sizeof spec, "3090,replay:%s,loop", path);
    struct simgpu_board *board = must_board(spec);
    assert_true(simgpu_board_power(board, 500 * MS) == 500.0);
    assert_int_equal(simgpu_board_trace_origin_ns(board), S);
    assert_true(simgpu_board_limit_w(board, 0) == 350.0);
    simgpu_board_set_limit(board, 10 * S, 200.0);
    /* The loop is 3 s long: 500 W in [9, 10), 100 in [10, 12), 500 in [12, 13). */
    close_to(simgpu_board_energy(board, 9 * S, 13 * S), 500.0 + 200.0 + 200.0, 1e-12);
    simgpu_board_set_limit(board, 20 * S, 350.0);
    assert_true(simgpu_board_power(board, 21 * S) == 500.0);
    simgpu_board_free(board);
    remove(path);
}

static void a_channel_follows_its_driver(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("a100,channel,idle=50");
    close_to(simgpu_board_energy(board, -S, S), 100.0, 1e-12);
    simgpu_board_set_demand(board, 2 * S, 300.0);
    simgpu_board_set_demand(board, 3 * S, 500.0); /* above the limit of 400 */
    simgpu_board_set_demand(board, 4 * S, 50.0);
    simgpu_board_set_demand(board, 3 * S, 60.0); /* back in time: counts at 4 s */
    close_to(simgpu_board_energy(board, 0, 5 * S), 100.0 + 300.0 + 400.0 + 60.0, 1e-12);
    assert_int_equal(simgpu_board_throttled_ns(board, 0, 5 * S), S);
    assert_int_equal(simgpu_board_active_ns(board, 0, 5 * S), 2 * S);
    simgpu_board_free(board);
}

static void a_long_channel_history_stays_exact(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("a100,channel");
    double sum = 0.0, power_w = 0.0;
    uint64_t random = 3;
    int64_t t = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t next = t + random_between(&random, 1, 3 * MS);
        if (i) sum += power_w * (double)(next - t) * 1e-9;
        power_w = (double)random_between(&random, 50, 400);
        assert_int_equal(simgpu_board_set_demand(board, next, power_w), 0);
        if (i == 0) sum = simgpu_board_idle_w(board) * (double)next * 1e-9;
        t = next;
    }
    close_to(simgpu_board_energy(board, 0, t), sum, 1e-9);
    simgpu_board_free(board);
}

static void the_observer_adds_power_for_a_while(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,square:100:300:0.1");
    simgpu_board_set_extra(board, 10 * S, 5.0, 11 * S);
    close_to(simgpu_board_energy(board, 9 * S, 13 * S), 800.0 + 5.0, 1e-12);
    assert_true(simgpu_board_power(board, 10 * S + MS) == 305.0);
    assert_true(simgpu_board_power(board, 11 * S + MS) == 300.0);
    simgpu_board_set_limit(board, 12 * S, 250.0);
    close_to(simgpu_board_energy(board, 9 * S, 13 * S), 600.0 + 5.0 + 175.0, 1e-12);
    simgpu_board_free(board);
}

static void work_slows_down_under_a_limit(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,channel");
    assert_true(simgpu_board_work_seconds(board, 500.0, 700.0, 3.0, 1.0) == 3.0);
    double last = 1.0;
    for (double limit = 600.0; limit >= 200.0; limit -= 50.0) {
        double f = simgpu_board_clock_ratio(board, 600.0, limit);
        assert_true(f <= last && f > 0.0);
        close_to(simgpu_board_work_seconds(board, 600.0, limit, 2.0, 0.8), 2.0 * (0.2 + 0.8 / f),
                 1e-12);
        last = f;
    }
    /* Above the knee a little speed costs much power: 20 % less power, less than 20 % slower. */
    assert_true(simgpu_board_clock_ratio(board, 700.0, 560.0) > 0.80);
    assert_true(simgpu_board_work_seconds(board, 600.0, 300.0, 2.0, 0.0) == 2.0);
    simgpu_board_free(board);
}

static void clocks_follow_the_limit(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,constant:600");
    assert_true(simgpu_board_sm_clock_mhz(board, 0) == 1980.0);
    simgpu_board_set_limit(board, S, 300.0);
    assert_true(simgpu_board_sm_clock_mhz(board, 2 * S) < 1500.0);
    simgpu_board_free(board);
}

/* By hand: 100 W idle, 500 W asked for, knee 0.7 of an H100: g(0.5) = 0.5 / (1 + 2 * 0.3^2). */
static void locked_clocks_lower_power(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,channel,idle=100");
    const double knee = 0.70, whole = 1.0 + 2.0 * (1.0 - knee) * (1.0 - knee);
    simgpu_board_set_demand(board, S, 500.0);
    assert_int_equal(simgpu_board_set_clock(board, 2 * S, 0.5), 0);
    double slow_w = 100.0 + 400.0 * 0.5 / whole;
    close_to(simgpu_board_power(board, 3 * S), slow_w, 1e-12);
    close_to(simgpu_board_energy(board, S, 3 * S), 500.0 + slow_w, 1e-12);
    assert_int_equal(simgpu_board_throttled_ns(board, S, 3 * S), 0);
    simgpu_board_set_limit(board, 3 * S, 200.0); /* below what the slow clock draws */
    assert_true(simgpu_board_power(board, 4 * S) == 200.0);
    assert_int_equal(simgpu_board_throttled_ns(board, S, 4 * S), S);
    assert_true(simgpu_board_sm_clock_mhz(board, 4 * S) <= 990.0);
    assert_int_equal(simgpu_board_set_clock(board, 4 * S, 1.0), 0);
    simgpu_board_set_limit(board, 5 * S, 700.0);
    assert_true(simgpu_board_power(board, 6 * S) == 500.0);
    assert_int_equal(simgpu_board_set_clock(board, 6 * S, 0.0), -1);
    assert_int_equal(simgpu_board_set_clock(board, 6 * S, 1.01), -1);
    assert_int_equal(simgpu_board_set_clock(board, 6 * S, NAN), -1);
    simgpu_board_free(board);
}

/* The wave's own power, piece by piece, against the same wave under a lock. */
static void locked_clocks_lower_a_waveform(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,square:80:600:0.1,idle=80");
    const double knee = 0.70, whole = 1.0 + 2.0 * (1.0 - knee) * (1.0 - knee);
    double f = 0.9, g = (f + 2.0 * (f - knee) * (f - knee)) / whole;
    simgpu_board_set_clock(board, 10 * S, f);
    close_to(simgpu_board_energy(board, 10 * S, 20 * S), 10 * (80.0 + (80.0 + 520.0 * g)) / 2,
             1e-9);
    close_to(simgpu_board_energy(board, 0, 10 * S), 3400.0, 1e-9);
    assert_true(simgpu_board_sm_clock_mhz(board, 15 * S) <= 0.9 * 1980.0);
    simgpu_board_set_limit(board, 20 * S, 300.0);
    close_to(simgpu_board_energy(board, 20 * S, 30 * S), 1900.0, 1e-9);
    assert_true(simgpu_board_throttled_ns(board, 20 * S, 30 * S) == 5 * S);
    simgpu_board_free(board);
}

static void boards_of_an_item_differ(void **unused) {
    (void)unused;
    struct simgpu_error err;
    struct simgpu_spec *spec = simgpu_spec_parse("3*h100;2*a100,seed=9", &err);
    assert_non_null(spec);
    assert_int_equal(simgpu_spec_board_count(spec), 5);
    struct simgpu_board *boards[5];
    for (int i = 0; i < 5; i++) boards[i] = simgpu_board_new(spec, i, NULL, &err);
    simgpu_spec_free(spec);
    for (int i = 0; i < 5; i++) {
        assert_non_null(boards[i]);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(simgpu_board_uuid(boards[i]), simgpu_board_uuid(boards[k]));
            assert_true(simgpu_board_energy(boards[i], 0, 30 * S) !=
                        simgpu_board_energy(boards[k], 0, 30 * S));
        }
    }
    assert_string_equal(simgpu_board_name(boards[4]), "NVIDIA A100-SXM4-80GB");
    for (int i = 0; i < 5; i++) simgpu_board_free(boards[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_clips_from_its_moment_on),
        cmocka_unit_test(limits_outside_the_constraints_are_refused),
        cmocka_unit_test(many_limits_keep_the_integral_exact),
        cmocka_unit_test(a_replay_is_clipped_only_by_a_limit_that_was_set),
        cmocka_unit_test(a_channel_follows_its_driver),
        cmocka_unit_test(a_long_channel_history_stays_exact),
        cmocka_unit_test(the_observer_adds_power_for_a_while),
        cmocka_unit_test(work_slows_down_under_a_limit),
        cmocka_unit_test(clocks_follow_the_limit),
        cmocka_unit_test(locked_clocks_lower_power),
        cmocka_unit_test(locked_clocks_lower_a_waveform),
        cmocka_unit_test(boards_of_an_item_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
