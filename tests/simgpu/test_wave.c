/* SPDX-License-Identifier: MIT */
/* Power and its exact integral for every waveform. */
#include "helpers.h"

static const char *const specs[] = {
    "h100,constant:250",
    "h100,square:100:400:0.1",
    "h100,square:100:400:100.3ms:0.3,phase=0.017",
    "h100,sawtooth:80:600:0.25",
    "h100,telegraph:90:500:0.05,seed=7",
    "h100,training:3",
    "h100,training,limit=300",
    "h100,sawtooth:80:600:0.25,limit=250",
    "h100,telegraph:90:500:3ms,limit=333",
};

/* Sum over pieces, each of which is linear: the definition, without prefix sums. */
static double walk(const struct simgpu_board *board, int64_t t0, int64_t t1) {
    double energy_j = 0.0;
    while (t0 < t1) {
        struct simgpu_piece p;
        simgpu_board_piece(board, t0, &p);
        assert_true(p.begin_ns <= t0 && p.end_ns > t0);
        int64_t end = p.end_ns < t1 ? p.end_ns : t1;
        double slope = (p.end_w - p.begin_w) / (double)(p.end_ns - p.begin_ns);
        double middle = 0.5 * (double)(t0 - p.begin_ns) + 0.5 * (double)(end - p.begin_ns);
        energy_j += (p.begin_w + slope * middle) * (double)(end - t0) * 1e-9;
        t0 = end;
    }
    return energy_j;
}

static void energy_is_the_sum_of_its_pieces(void **unused) {
    (void)unused;
    uint64_t random = 42;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct simgpu_board *board = must_board(specs[i]);
        for (int k = 0; k < 300; k++) {
            int64_t t0 = random_between(&random, -5 * S, 3000 * S);
            int64_t t1 = t0 + random_between(&random, 1, k % 2 ? 10 * MS : 20 * S);
            close_to(simgpu_board_energy(board, t0, t1), walk(board, t0, t1), 1e-9);
            assert_true(simgpu_board_energy(board, t1, t0) == -simgpu_board_energy(board, t0, t1));
        }
        simgpu_board_free(board);
    }
}

/* Midpoint rule on a grid that the edges of these waveforms lie on, so that it is exact. */
static void energy_is_the_numeric_integral_of_power(void **unused) {
    (void)unused;
    static const char *const gridded[] = {"h100,constant:250", "h100,square:100:400:0.1:0.3",
                                          "h100,sawtooth:80:600:0.25"};
    const int64_t step = MS / 50;
    for (size_t i = 0; i < sizeof gridded / sizeof *gridded; i++) {
        struct simgpu_board *board = must_board(gridded[i]);
        double sum = 0.0;
        for (int64_t t = -S; t < 2 * S; t += step)
            sum += simgpu_board_power(board, t + step / 2) * (double)step * 1e-9;
        close_to(simgpu_board_energy(board, -S, 2 * S), sum, 1e-9);
        simgpu_board_free(board);
    }
}

static void closed_forms(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,square:100:400:0.1:0.25");
    close_to(simgpu_board_energy(board, 0, 25 * MS), 10.0, 1e-12);
    close_to(simgpu_board_energy(board, 0, 3600 * S), 3600.0 * 175.0, 1e-12);
    /* A day later the digits are still there. */
    close_to(simgpu_board_energy(board, 86400 * S + 10 * MS, 86400 * S + 11 * MS), 0.4, 1e-12);
    assert_true(simgpu_board_power(board, 0) == 400.0);
    assert_true(simgpu_board_power(board, 25 * MS) == 100.0);
    assert_true(simgpu_board_power(board, -1) == 100.0);
    simgpu_board_free(board);

    board = must_board("h100,sawtooth:100:300:0.2");
    close_to(simgpu_board_power(board, 50 * MS), 150.0, 1e-12);
    close_to(simgpu_board_energy(board, 50 * MS, 150 * MS), 20.0, 1e-12);
    simgpu_board_free(board);

    board = must_board("h100,constant:123.5");
    close_to(simgpu_board_energy(board, -7, 999999999993), 123500.0, 1e-12);
    simgpu_board_free(board);
}

static void a_clipped_ramp_has_the_area_of_a_trapezium(void **unused) {
    (void)unused;
    /* 0 to 600 W in 0.3 s: 200 W after 0.1 s, then flat. */
    struct simgpu_board *board = must_board("h100,sawtooth:0:600:0.3,limit=200");
    close_to(simgpu_board_energy(board, 0, 300 * MS), 0.5 * 200.0 * 0.1 + 200.0 * 0.2, 1e-9);
    close_to((double)simgpu_board_throttled_ns(board, 0, 3 * S), 2e9, 1e-8);
    simgpu_board_free(board);
}

static void random_waveforms_depend_on_the_seed_alone(void **unused) {
    (void)unused;
    struct simgpu_board *a = must_board("h100,telegraph:100:300:0.05,seed=5");
    struct simgpu_board *b = must_board("h100,telegraph:100:300:0.05,seed=5");
    struct simgpu_board *c = must_board("h100,telegraph:100:300:0.05,seed=6");
    assert_true(simgpu_board_energy(a, 0, 60 * S) == simgpu_board_energy(b, 0, 60 * S));
    assert_true(simgpu_board_energy(a, 0, 60 * S) != simgpu_board_energy(c, 0, 60 * S));
    /* Half the time high: 200 W on average, to a few percent over 16384 dwells. */
    close_to(simgpu_board_energy(a, 0, 800 * S) / 800.0, 200.0, 0.02);
    simgpu_board_free(a);
    simgpu_board_free(b);
    simgpu_board_free(c);
}

static void active_time_counts_the_load(void **unused) {
    (void)unused;
    struct simgpu_board *board = must_board("h100,square:70:400:0.1:0.25");
    assert_int_equal(simgpu_board_active_ns(board, 0, 4 * S), S);
    assert_int_equal(simgpu_board_active_ns(board, 10 * MS, 20 * MS), 10 * MS);
    assert_int_equal(simgpu_board_active_ns(board, 30 * MS, 90 * MS), 0);
    assert_true(simgpu_board_utilisation_pct(board, 10 * S) >= 15.0);
    simgpu_board_free(board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energy_is_the_sum_of_its_pieces),
        cmocka_unit_test(energy_is_the_numeric_integral_of_power),
        cmocka_unit_test(closed_forms),
        cmocka_unit_test(a_clipped_ramp_has_the_area_of_a_trapezium),
        cmocka_unit_test(random_waveforms_depend_on_the_seed_alone),
        cmocka_unit_test(active_time_counts_the_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
