/* Windows on one sensor: exact where it can be, additive, rising, and the same whoever asks. */
#include "helpers.h"

/* Refresh and window of the sensors that everything is tried on; window 0 is a counter. */
static const struct kind {
    const char *name;
    double refresh_s, window_s;
} kinds[] = {
    {"contiguous", 0.1, 0.1}, {"part-time", 0.1012, 0.025}, {"fast part-time", 0.02, 0.01},
    {"blurred", 0.1, 1},      {"counter 100 ms", 0.1, 0},   {"counter 1 ms", 0.001, 0},
    {"a moment", 0.1, 0.001},
};

/* ---- constant power ---- */

static void constant_power_is_exact_at_any_length(void **state) {
    (void)state;
    static const double lengths[] = {1e-9, 1e-6, 1e-3, 0.01, 0.0617, 0.1, 1, 7.7, 19};
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        jm_recording *r = record_gpu(constant_250, kinds[k].refresh_s, kinds[k].window_s, 20);
        /* a counter's ticks are known to within a poll only */
        double relative = kinds[k].window_s == 0 ? 0.01 : 1e-9;
        double tick_j = kinds[k].window_s == 0 ? 250 * 0.002 : 1e-9;
        jm_window windows[JMI_COUNT(lengths) * 15];
        jm_energy out[JMI_COUNT(windows)];
        size_t count = 0;
        for (size_t i = 0; i < JMI_COUNT(lengths); i++)
            for (double begin = 0.53; begin + lengths[i] < 19.8; begin += 1.3117)
                windows[count++] = (jm_window){at(begin), at(begin + lengths[i])};
        energies_of(r, 0, windows, count, out);
        for (size_t i = 0; i < count; i++) {
            const jm_energy *e = &out[i];
            double wanted = 250 * e->duration_s;
            double tolerance = fmin(relative * wanted + tick_j, 0.5 * wanted + 1e-9);
            close_to(e->energy_j, wanted, tolerance, kinds[k].name);
            assert_true(e->measured > 0.999);
            assert_true(e->lower_j <= wanted && wanted <= e->upper_j);
            assert_true(e->duration_s < 1 || !(e->provenance & JM_BOUND_ONLY));
        }
        jm_recording_free(r);
    }
}

/* Zeus took the first reading as the mean of nothing: 250 W became 0 J. */
static void constant_power_of_few_samples_is_not_0_j(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
    for (int i = 0; i <= 10; i++) add_sample(r, s, i, 250, 1, 0); /* never changes */
    jm_energy e = energy_of(r, 0, 0, 10);
    close_to(e.energy_j, 2500, 1e-6, "constant");
    assert_true(e.measured > 0.99);
    jm_recording_free(r);
}

static void zero_power_is_0_j(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 0), 0.1, 0.1);
    for (int i = 0; i <= 100; i++) add_sample(r, s, 0.1 * i, 0, 0.1, 0);
    jm_energy e = energy_of(r, 0, 2, 8);
    assert_true(e.energy_j == 0 && e.measured > 0.99 && isfinite(e.upper_j));
    jm_recording_free(r);
}

/* ---- sums and order ---- */

static void parts_add_up(void **state) {
    (void)state;
    enum { MANY = 200 };
    static jm_window windows[3 * MANY];
    static jm_energy out[3 * MANY];
    static energy_fn const loads[] = {constant_250, square_wave, slow_sine};
    for (size_t k = 0; k < JMI_COUNT(kinds); k++)
        for (size_t l = 0; l < JMI_COUNT(loads); l++) {
            jm_recording *r = record_gpu(loads[l], kinds[k].refresh_s, kinds[k].window_s, 12);
            uint64_t random = 5;
            for (int i = 0; i < MANY; i++) {
                double a = random_between(&random, 0.5, 11), c = random_between(&random, a, 11.5);
                double b = random_between(&random, a, c);
                windows[3 * i] = (jm_window){at(a), at(c)};
                windows[3 * i + 1] = (jm_window){at(a), at(b)};
                windows[3 * i + 2] = (jm_window){at(b), at(c)};
            }
            energies_of(r, 0, windows, JMI_COUNT(windows), out);
            for (int i = 0; i < MANY; i++) {
                double whole = out[3 * i].energy_j;
                double parts = out[3 * i + 1].energy_j + out[3 * i + 2].energy_j;
                close_to(parts, whole, 1e-9 * whole + 1e-7, kinds[k].name);
            }
            jm_recording_free(r);
        }
}

static void energy_rises_with_the_window(void **state) {
    (void)state;
    enum { MANY = 3000 };
    static jm_window windows[MANY];
    static jm_energy out[MANY];
    static energy_fn const loads[] = {constant_250, square_wave, fast_square, slow_sine};
    for (size_t i = 0; i < MANY; i++)
        windows[i] = (jm_window){at(1), at(1.0005 + 0.0031 * (double)i)};
    for (size_t k = 0; k < JMI_COUNT(kinds); k++)
        for (size_t l = 0; l < JMI_COUNT(loads); l++) {
            jm_recording *r = record_gpu(loads[l], kinds[k].refresh_s, kinds[k].window_s, 12);
            energies_of(r, 0, windows, MANY, out);
            for (size_t i = 1; i < MANY; i++)
                if (out[i].energy_j < out[i - 1].energy_j - 1e-9)
                    fail_msg("%s, load %zu: falls by %g J at %g s", kinds[k].name, l,
                             out[i - 1].energy_j - out[i].energy_j, 1.0005 + 0.0031 * (double)i);
            jm_recording_free(r);
        }
}

static jm_window some_window(uint64_t *random) {
    double a = random_between(random, -2, 13), b = random_between(random, -2, 13);
    if (random_bits(random) % 4 == 0) b = a + random_between(random, 0, 0.2);
    return (jm_window){at(a), at(b)};
}

static void the_same_whatever_the_order(void **state) {
    (void)state;
    enum { MANY = 300 };
    static jm_window windows[MANY], turned[MANY];
    static jm_energy all[MANY], back[MANY];
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        jm_recording *r = record_gpu(square_wave, kinds[k].refresh_s, kinds[k].window_s, 12);
        for (int i = 0; i < 11; i++)
            add_range(r, JM_CATEGORY_BATCH, "batch", i,
                      (double)i + 0.5); /* activity has its own hints */
        uint64_t random = 7;
        for (size_t i = 0; i < MANY; i++) windows[i] = some_window(&random);
        for (size_t i = 0; i < MANY; i++) turned[i] = windows[MANY - 1 - i];
        assert_int_equal(jm_energy_windows(r, 0, windows, MANY, NULL, all, NULL), JM_OK);
        assert_int_equal(jm_energy_windows(r, 0, turned, MANY, NULL, back, NULL), JM_OK);
        for (size_t i = 0; i < MANY; i++) {
            check_energy(&all[i]);
            assert_memory_equal(&all[i], &back[MANY - 1 - i], sizeof all[i]);
            if (i % 8 != 0) continue;
            jm_energy one;
            assert_int_equal(
                jm_energy_window(r, 0, windows[i].begin_ns, windows[i].end_ns, NULL, &one, NULL),
                JM_OK);
            assert_memory_equal(&all[i], &one, sizeof one);
        }
        jm_recording_free(r);
    }
}

/* A sensor that looks a quarter of the time sees the low part of a load in step with it, and
 * nothing in its readings tells. A mean over all of the time does. */
static double in_step(double t_s) { /* 100 W, 300 W, 50 ms each */
    double whole = floor(t_s / 0.1), rest = t_s - 0.1 * whole;
    return 20 * whole + 100 * rest + 200 * fmax(rest - 0.05, 0);
}

static void a_mean_corrects_a_part_time_sensor(void **state) {
    (void)state;
    for (int with_mean = 0; with_mean <= 1; with_mean++) {
        jm_recording *r = recording_new();
        uint32_t gpu = add_device(r, "gpu0", 400);
        polled now = {in_step, 0.1, 0.025, 0.04}, mean = {in_step, 0.1, 1, 0.04};
        follow(r, add_power(r, gpu, 0.1, 0.025), &now, 0, 20, 0);
        if (with_mean) follow(r, add_power(r, gpu, 0.1, 1), &mean, 0, 20, 0);
        jm_energy e = energy_of(r, 0, 5, 15);
        close_to(e.energy_j, with_mean ? 2000 : 1000, with_mean ? 20 : 120, "ten seconds");
        jm_recording_free(r);
    }
}

/* ---- at and beyond the ends ---- */

static void windows_outside_are_unmeasured(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        jm_recording *r = record_gpu(constant_250, kinds[k].refresh_s, kinds[k].window_s, 10);
        static const double outside[][2] = {{-20, -10}, {-5, -4.999}, {30, 40}, {1000, 1000.001}};
        for (size_t i = 0; i < JMI_COUNT(outside); i++) {
            jm_energy e = energy_of(r, 0, outside[i][0], outside[i][1]);
            assert_true(e.measured == 0 && e.provenance == 0 && e.energy_j == 0);
            assert_true(e.flags & JM_ENERGY_PARTIAL);
            /* whatever ran there: the board's limit holds */
            assert_true(e.upper_j >= 400 * e.duration_s);
        }
        jm_recording_free(r);
    }
}

static void windows_across_the_ends_are_partial(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        jm_recording *r = record_gpu(constant_250, kinds[k].refresh_s, kinds[k].window_s, 10);
        jm_energy before = energy_of(r, 0, -5, 5), after = energy_of(r, 0, 5, 15),
                  both = energy_of(r, 0, -10, 20), inside = energy_of(r, 0, 1, 9);
        double slack = 2 * fmax(kinds[k].refresh_s, kinds[k].window_s) / 10 + 0.01;
        close_to(before.measured, 0.5, slack, "measured before");
        close_to(after.measured, 0.5, slack, "measured after");
        close_to(both.measured, 1.0 / 3, slack, "measured");
        assert_true(before.flags & after.flags & both.flags & JM_ENERGY_PARTIAL);
        assert_false(inside.flags & JM_ENERGY_PARTIAL);
        assert_true(inside.measured > 0.9999);
        /* what was not seen may have been nothing, or the limit */
        assert_true(both.lower_j < 250 * 12 && both.upper_j > 250 * 25);
        assert_true(both.u95_j > 2 * inside.u95_j);
        jm_recording_free(r);
    }
}

static void empty_and_reversed_windows_are_0_j(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        jm_recording *r = record_gpu(square_wave, kinds[k].refresh_s, kinds[k].window_s, 5);
        static const double windows[][2] = {{2, 2}, {3, 2}, {-5, -5}, {20, 10}, {0, 0}, {5, 0}};
        for (size_t i = 0; i < JMI_COUNT(windows); i++) {
            jm_energy e = energy_of(r, 0, windows[i][0], windows[i][1]);
            assert_true(e.energy_j == 0 && e.upper_j == 0 && e.duration_s == 0);
            assert_true(energy_of(r, JM_DEVICE_TOTAL, windows[i][0], windows[i][1]).energy_j == 0);
        }
        jm_recording_free(r);
    }
}

/* Times that no clock shows: an answer or a refusal, never an overflow. */
static void impossible_times(void **state) {
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MIN / 2, INT64_MIN / 4, -1,       0,
                                    1,         INT64_MAX / 4, INT64_MAX / 2, INT64_MAX};
    jm_recording *r = record_gpu(square_wave, 0.1, 0.1, 5);
    add_range(r, JM_CATEGORY_BATCH, "batch", 1, 2);
    for (size_t i = 0; i < JMI_COUNT(times); i++)
        for (size_t j = 0; j < JMI_COUNT(times); j++) {
            jm_window window = {times[i], times[j]};
            jm_energy e;
            jm_error error = {0};
            int status = jm_energy_windows(r, 0, &window, 1, NULL, &e, &error);
            if (status == JM_OK)
                check_energy(&e);
            else
                assert_int_equal(status, JM_INVALID);
            status = jm_energy_sum(r, JM_DEVICE_TOTAL, &window, 1, NULL, &e, &error);
            if (status == JM_OK)
                check_energy(&e);
            else
                assert_int_equal(status, JM_INVALID);
        }
    jm_recording_free(r);
}

/* ---- very little data ---- */

static void no_samples_are_no_data(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    jm_energy e;
    jm_error error = {0};
    assert_int_equal(jm_energy_window(r, 0, at(0), at(1), NULL, &e, &error), JM_NOT_FOUND);
    assert_int_equal(jm_energy_window(r, JM_DEVICE_TOTAL, at(0), at(1), NULL, &e, &error),
                     JM_NO_DATA);
    uint32_t gpu = add_device(r, "gpu0", 400);
    assert_int_equal(jm_energy_window(r, gpu, at(0), at(1), NULL, &e, &error), JM_NO_DATA);
    uint32_t s = add_power(r, gpu, 0.1, 0.1);
    assert_int_equal(jm_energy_window(r, gpu, at(0), at(1), NULL, &e, &error), JM_NO_DATA);
    for (int i = 0; i < 50; i++) add_sample(r, s, 0.1 * i, 250, 0.1, JM_SAMPLE_MISSING);
    assert_int_equal(jm_energy_window(r, gpu, at(0), at(1), NULL, &e, &error), JM_NO_DATA);
    assert_int_equal(jm_energy_window(r, JM_DEVICE_TOTAL, at(0), at(1), NULL, &e, &error),
                     JM_NO_DATA);
    assert_true(error.message[0] != '\0');
    jm_recording_free(r);
}

static void one_and_two_samples(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++)
        for (int samples = 1; samples <= 2; samples++) {
            jm_recording *r = recording_new();
            uint32_t gpu = add_device(r, "gpu0", 400);
            bool counter = kinds[k].window_s == 0;
            uint32_t s = counter ? add_counter(r, gpu, kinds[k].refresh_s)
                                 : add_power(r, gpu, kinds[k].refresh_s, kinds[k].window_s);
            add_sample(r, s, 1, counter ? 0 : 200, 10, 0);
            if (samples == 2) add_sample(r, s, 1.05, counter ? 10 : 300, 0.05, JM_SAMPLE_CHANGED);
            for (double a = 0; a < 2; a += 0.0503)
                for (double b = a; b < 2.2; b += 0.107) {
                    jm_energy e;
                    int status = jm_energy_window(r, gpu, at(a), at(b), NULL, &e, NULL);
                    if (status != JM_OK)
                        assert_int_equal(status, JM_NO_DATA);
                    else
                        check_energy(&e);
                    if (status == JM_OK) assert_true(e.energy_j <= 1.2 * 400 * (b - a) + 1e-9);
                }
            jm_recording_free(r);
        }
}

/* ---- a load that keeps step with the sensor ---- */

static double half_on(double t_s, double period_s) {
    double periods = floor(t_s / period_s), in = t_s - periods * period_s;
    return periods * period_s * 160 + 60 * in + 200 * fmax(in - period_s / 2, 0);
}
static double step_100ms(double t_s) {
    return half_on(t_s, 0.1);
}
static double step_1s(double t_s) {
    return half_on(t_s, 1);
}

/* Its readings stand still, as if power did: windows of whole and a half periods hold half a swing
 * more or less than they show. */
static void what_standing_readings_hide_is_in_the_interval(void **state) {
    (void)state;
    static const struct {
        energy_fn energy;
        double refresh_s, window_s, period_s;
    } cases[] = {{step_100ms, 0.1, 0.1, 0.1}, {step_100ms, 0.1, 0, 0.1}, {step_1s, 0.1, 1, 1}};
    for (size_t k = 0; k < JMI_COUNT(cases); k++) {
        jm_recording *r = record_gpu(cases[k].energy, cases[k].refresh_s, cases[k].window_s, 60);
        double length = 2.5 * cases[k].period_s;
        size_t held = 0, wide = 0, count = 400;
        for (size_t i = 0; i < count; i++) {
            double begin = 3 + 0.1317 * (double)i;
            jm_energy e = energy_of(r, 0, begin, begin + length);
            double truth = cases[k].energy(begin + length) - cases[k].energy(begin);
            held += fabs(e.energy_j - truth) <= 1.96 * e.u_random_j;
            wide += e.u_random_j > 0.15 * e.energy_j;
        }
        if (held < count * 9 / 10) fail_msg("case %zu: %zu of %zu", k, held, count);
        assert_int_equal(wide, 0);
        jm_recording_free(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_power_is_exact_at_any_length),
        cmocka_unit_test(constant_power_of_few_samples_is_not_0_j),
        cmocka_unit_test(zero_power_is_0_j),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(energy_rises_with_the_window),
        cmocka_unit_test(the_same_whatever_the_order),
        cmocka_unit_test(a_mean_corrects_a_part_time_sensor),
        cmocka_unit_test(windows_outside_are_unmeasured),
        cmocka_unit_test(windows_across_the_ends_are_partial),
        cmocka_unit_test(empty_and_reversed_windows_are_0_j),
        cmocka_unit_test(impossible_times),
        cmocka_unit_test(no_samples_are_no_data),
        cmocka_unit_test(one_and_two_samples),
        cmocka_unit_test(what_standing_readings_hide_is_in_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
