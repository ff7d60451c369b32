/* Comparison of two programs. */
#include "helpers.h"

static jm_comparison compare(const jm_run *a, size_t count_a, const jm_run *b, size_t count_b,
                             const jm_compare_options *options) {
    jm_comparison c = {.size = sizeof c};
    jm_error error = {0};
    int status = jm_compare(a, count_a, b, count_b, options, &c, &error);
    if (status != JM_OK) print_error("%s\n", error.message);
    assert_int_equal(status, JM_OK);
    return c;
}

/* Student's data, hours of sleep: their exponentials as energies, so that the logarithms are
 * theirs. R's t.test and wilcox.test give what is expected. */
static const double first[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
static const double second[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};

static void sleep_runs(jm_run *a, jm_run *b) {
    for (int i = 0; i < 10; i++) {
        a[i] = (jm_run){exp(first[i]), 0, 0, 1};
        b[i] = (jm_run){exp(second[i]), 0, 0, 1};
    }
}

static void pairs_of_published_values(void **state) {
    (void)state;
    jm_run a[10], b[10];
    sleep_runs(a, b);
    jm_comparison c = compare(a, 10, b, 10, NULL);
    close_to(log(c.energy.ratio), 1.58, 1e-9, "mean difference");
    close_to(log(c.energy.lower), 0.7001142, 1e-6, "lower");
    close_to(log(c.energy.upper), 2.4598858, 1e-6, "upper");
    close_to(c.energy.p, 0.00283289, 1e-7, "p");
    close_to(c.energy.u_random, 0.3889587, 1e-6, "standard error");
    close_to(c.energy.p_ranks, 2.0 / 512, 1e-9, "nine differences, all of one sign");
    assert_true(c.energy.verdict == 1 && c.runs_a == 10 && c.runs_b == 10);
    assert_true(c.time.ratio == 1 && c.time.verdict == 0 && c.time.p == 1);
    close_to(c.power.ratio, c.energy.ratio, 1e-12, "the time is the same");
}

static void unpaired_published_values(void **state) {
    (void)state;
    jm_run a[10], b[10];
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    sleep_runs(a, b);
    options.unpaired = true;
    jm_comparison c = compare(a, 10, b, 10, &options);
    close_to(log(c.energy.lower), -0.2054832, 1e-6, "lower");
    close_to(log(c.energy.upper), 3.3654832, 1e-6, "upper");
    close_to(c.energy.p, 0.07939414, 1e-7, "p");
    assert_int_equal(c.energy.verdict, 0);
    c = compare(a, 10, b, 7, &options);
    assert_true(c.runs_b == 7 && c.energy.lower < c.energy.upper);
}

static void what_can_be_found(void **state) {
    (void)state;
    jm_run a[10], b[10];
    sleep_runs(a, b);
    jm_comparison c = compare(a, 10, b, 10, NULL);
    /* (t 0.975 + t 0.8) standard errors at nine degrees of freedom */
    close_to(log1p(c.energy.detectable_pct / 100), (2.2621572 + 0.8834039) * 0.3889587, 1e-5,
             "power");
}

static void a_swap_inverts_the_ratio(void **state) {
    (void)state;
    jm_run a[10], b[10];
    sleep_runs(a, b);
    jm_comparison there = compare(a, 10, b, 10, NULL), back = compare(b, 10, a, 10, NULL);
    close_to(there.energy.ratio * back.energy.ratio, 1, 1e-12, "ratio");
    close_to(there.energy.lower * back.energy.upper, 1, 1e-12, "interval");
    close_to(there.energy.p, back.energy.p, 1e-12, "p");
    assert_true(there.energy.verdict == 1 && back.energy.verdict == -1);
}

static void few_pairs(void **state) {
    (void)state;
    jm_run a[] = {{100, 0, 0, 1}, {101, 0, 0, 1}}, b[] = {{200, 0, 0, 1}, {202, 0, 0, 1}};
    for (size_t n = 1; n <= 2; n++) {
        jm_comparison c = compare(a, n, b, n, NULL);
        assert_true(c.flags == JM_COMPARE_FEW);
        close_to(c.energy.ratio, 2, 1e-12, "ratio");
        assert_true(isnan(c.energy.lower) && isnan(c.energy.upper) && isnan(c.energy.p) &&
                    isnan(c.energy.p_ranks) && isnan(c.energy.detectable_pct));
        assert_int_equal(c.energy.verdict, 0);
    }
}

/* ---- the systematic part ---- */

/* Twenty runs with next to no spread, of a board whose gain may be off by 3 % and whose power by
 * 4 W. */
static jm_comparison on_a_board(double power_a, double power_b) {
    jm_run a[20], b[20];
    for (int i = 0; i < 20; i++) {
        double noise = 1 + 1e-4 * sin(i * 2.4);
        double energy_a = 100 * noise, energy_b = 101 / noise;
        double time_a = energy_a / power_a, time_b = energy_b / power_b;
        a[i] = (jm_run){energy_a, 0, hypot(0.03 * energy_a, 4 * time_a), time_a};
        b[i] = (jm_run){energy_b, 0, hypot(0.03 * energy_b, 4 * time_b), time_b};
    }
    return compare(a, 20, b, 20, NULL);
}

static void a_gain_cancels_an_offset_does_not(void **state) {
    (void)state;
    jm_comparison same = on_a_board(200, 200), other = on_a_board(200, 100);
    close_to(same.energy.u_systematic, 0, 1e-4, "equal powers");
    assert_int_equal(same.energy.verdict, 1);
    close_to(other.energy.u_systematic, 4 * (1.0 / 100 - 1.0 / 200), 1e-5, "4 W");
    assert_int_equal(other.energy.verdict, 0); /* 1 % is less than an offset could do */
    assert_true(other.energy.p < 1e-6);        /* though the runs do differ */
    close_to(other.power.u_systematic, other.energy.u_systematic, 1e-12, "of power likewise");
    assert_true(other.time.u_systematic == 0);
    close_to(log(other.energy.upper / other.energy.ratio), 1.96 * 0.02, 1e-4, "in the interval");
}

static void the_caller_may_know_better(void **state) {
    (void)state;
    jm_run a[10], b[10];
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    sleep_runs(a, b);
    options.ratio_u = 0.5;
    jm_comparison c = compare(a, 10, b, 10, &options);
    close_to(c.energy.u_systematic, 0.5, 0, "given");
    close_to(log(c.energy.upper) - 1.58, hypot(2.2621572 * 0.3889587, 1.959964 * 0.5), 1e-5,
             "added in squares");
    options.ratio_u = -1;
    jm_comparison unused = {.size = sizeof unused};
    assert_int_equal(jm_compare(a, 10, b, 10, &options, &unused, NULL), JM_INVALID);
}

static jm_energy of_device(double power_w, double seconds, double gain_u, double offset_u_w,
                           uint32_t provenance) {
    double energy = power_w * seconds;
    return (jm_energy){.energy_j = energy,
                       .duration_s = seconds,
                       .u_systematic_j = hypot(gain_u * energy, offset_u_w * seconds),
                       .provenance = provenance};
}

static double systematic(const jm_energy *a, const jm_energy *b, size_t devices) {
    double u;
    jm_error error = {0};
    assert_int_equal(jm_compare_systematic(a, b, devices, &u, &error), JM_OK);
    return u;
}

static void systematic_of_one_device(void **state) {
    (void)state;
    jm_energy a = of_device(200, 10, 0.03, 4, JM_FROM_POWER);
    jm_energy same = of_device(200, 25, 0.03, 4, JM_FROM_POWER);
    jm_energy half = of_device(100, 25, 0.03, 4, JM_FROM_POWER);
    jm_energy counter = of_device(100, 25, 0.03, 0, JM_FROM_COUNTER);
    jm_energy counter_a = of_device(200, 10, 0.03, 0, JM_FROM_COUNTER);
    close_to(systematic(&a, &same, 1), 0, 1e-12, "all cancels");
    close_to(systematic(&a, &half, 1), 0.02, 1e-9, "the offset does not");
    close_to(systematic(&half, &a, 1), 0.02, 1e-9, "nor the other way round");
    close_to(systematic(&counter_a, &counter, 1), 0, 1e-9, "a gain alone does");
}

/* The GPU's share changes from 2/3 to 1/2: its gain error and the CPU's are each other's. */
static void systematic_of_two_devices(void **state) {
    (void)state;
    jm_energy a[] = {of_device(200, 1, 0.03, 0, JM_FROM_COUNTER),
                     of_device(100, 1, 0.01, 0, JM_FROM_COUNTER)};
    jm_energy b[] = {of_device(100, 1, 0.03, 0, JM_FROM_COUNTER),
                     of_device(100, 1, 0.01, 0, JM_FROM_COUNTER)};
    close_to(systematic(a, b, 2), hypot(0.03 / 6, 0.01 / 6), 1e-9, "shares");
    close_to(systematic(a, a, 2), 0, 1e-12, "the same program");
}

static void systematic_of_a_model(void **state) {
    (void)state;
    jm_energy a = of_device(80, 1, 0.3, 0, JM_FROM_MODEL);
    jm_energy same = of_device(80, 3, 0.3, 0, JM_FROM_MODEL);
    jm_energy half = of_device(40, 1, 0.3, 0, JM_FROM_MODEL);
    close_to(systematic(&a, &same, 1), 0, 1e-12, "the same load");
    close_to(systematic(&a, &half, 1), 0.3 * sqrt(2) / 2, 1e-9, "half the load");
}

static void wrong_devices(void **state) {
    (void)state;
    jm_energy fine = of_device(80, 1, 0.3, 0, JM_FROM_POWER), wrong = fine;
    double u;
    assert_int_equal(jm_compare_systematic(NULL, &fine, 1, &u, NULL), JM_INVALID);
    assert_int_equal(jm_compare_systematic(&fine, &fine, 0, &u, NULL), JM_INVALID);
    wrong.energy_j = 0;
    assert_int_equal(jm_compare_systematic(&fine, &wrong, 1, &u, NULL), JM_INVALID);
    wrong.energy_j = NAN;
    assert_int_equal(jm_compare_systematic(&fine, &wrong, 1, &u, NULL), JM_INVALID);
    wrong = fine;
    wrong.duration_s = 0;
    assert_int_equal(jm_compare_systematic(&wrong, &fine, 1, &u, NULL), JM_INVALID);
}

/* ---- what makes one doubt ---- */

static void runs_that_do_not_spread(void **state) {
    (void)state;
    jm_run a[5], b[5];
    for (int i = 0; i < 5; i++) {
        a[i] = (jm_run){100, 0, 0, 1};
        b[i] = (jm_run){103, 0, 0, 1};
    }
    jm_comparison c = compare(a, 5, b, 5, NULL);
    assert_true(c.energy.p == 0 && c.energy.verdict == 1 && c.energy.lower == c.energy.upper);
    c = compare(a, 5, a, 5, NULL);
    assert_true(c.energy.p == 1 && c.energy.verdict == 0 && c.energy.ratio == 1);
    for (int i = 0; i < 5; i++) a[i].u_random_j = b[i].u_random_j = 5;
    c = compare(a, 5, b, 5, NULL); /* then the measurement's own is what is known */
    close_to(c.energy.u_random, hypot(0.05, 5.0 / 103) / sqrt(5), 1e-9, "measured");
    assert_int_equal(c.energy.verdict, 0);
}

static void outliers_and_drift(void **state) {
    (void)state;
    jm_run a[12], b[12];
    for (int i = 0; i < 12; i++) {
        a[i] = (jm_run){100 + 0.2 * sin(i * 2.4), 0, 0, 1};
        b[i] = (jm_run){110 + 0.2 * sin(i * 3.7), 0, 0, 1};
    }
    assert_int_equal(compare(a, 12, b, 12, NULL).flags, 0);
    b[4].energy_j = 150;
    assert_int_equal(compare(a, 12, b, 12, NULL).flags, JM_COMPARE_OUTLIERS);
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    options.unpaired = true;
    assert_int_equal(compare(a, 12, b, 12, &options).flags, JM_COMPARE_OUTLIERS);
    for (int i = 0; i < 12; i++) b[i].energy_j = 110 + i;
    assert_int_equal(compare(a, 12, b, 12, NULL).flags, JM_COMPARE_DRIFT);
}

/* One wild pair hides from the t test what eleven show to the ranks. */
static void the_tests_contradict_each_other(void **state) {
    (void)state;
    jm_run a[12], b[12];
    for (int i = 0; i < 12; i++) {
        a[i] = (jm_run){100, 0, 0, 1};
        b[i] = (jm_run){105 + sin(i * 2.4), 0, 0, 1};
    }
    b[11].energy_j = 20;
    jm_comparison c = compare(a, 12, b, 12, NULL);
    assert_true(c.energy.verdict == 0 && c.energy.p > 0.1 && c.energy.p_ranks < 0.05);
    assert_true((c.flags & JM_COMPARE_RANKS) && (c.flags & JM_COMPARE_OUTLIERS));
}

static void many_comparisons_widen_the_interval(void **state) {
    (void)state;
    jm_run a[10], b[10];
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    sleep_runs(a, b);
    options.comparisons = 5;
    jm_comparison c = compare(a, 10, b, 10, &options);
    close_to(log(c.energy.upper) - 1.58, 3.2498355 * 0.3889587, 1e-5, "99 %");
}

static void wrong_comparisons(void **state) {
    (void)state;
    jm_run fine[3] = {{1, 0, 0, 1}, {1, 0, 0, 1}, {1, 0, 0, 1}}, wrong[3];
    jm_comparison c = {.size = sizeof c};
    jm_error error;
    memcpy(wrong, fine, sizeof wrong);
    assert_int_equal(jm_compare(fine, 3, fine, 2, NULL, &c, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "pairs"));
    wrong[1].energy_j = 0;
    assert_int_equal(jm_compare(wrong, 3, fine, 3, NULL, &c, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "run 1 of A"));
    wrong[1].energy_j = NAN;
    assert_int_equal(jm_compare(fine, 3, wrong, 3, NULL, &c, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "run 1 of B"));
    assert_int_equal(jm_compare(NULL, 3, fine, 3, NULL, &c, NULL), JM_INVALID);
    assert_int_equal(jm_compare(fine, 0, fine, 0, NULL, &c, NULL), JM_INVALID);
    assert_int_equal(jm_compare(fine, 3, fine, 3, NULL, NULL, NULL), JM_INVALID);
    c.size = 0;
    assert_int_equal(jm_compare(fine, 3, fine, 3, NULL, &c, &error), JM_INVALID);
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    c.size = sizeof c;
    options.size = 0;
    assert_int_equal(jm_compare(fine, 3, fine, 3, &options, &c, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "jm_compare_options"));
    options.size = sizeof options;
    options.level = 95;
    assert_int_equal(jm_compare(fine, 3, fine, 3, &options, &c, &error), JM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_published_values),
        cmocka_unit_test(unpaired_published_values),
        cmocka_unit_test(what_can_be_found),
        cmocka_unit_test(a_swap_inverts_the_ratio),
        cmocka_unit_test(few_pairs),
        cmocka_unit_test(a_gain_cancels_an_offset_does_not),
        cmocka_unit_test(the_caller_may_know_better),
        cmocka_unit_test(systematic_of_one_device),
        cmocka_unit_test(systematic_of_two_devices),
        cmocka_unit_test(systematic_of_a_model),
        cmocka_unit_test(wrong_devices),
        cmocka_unit_test(runs_that_do_not_spread),
        cmocka_unit_test(outliers_and_drift),
        cmocka_unit_test(the_tests_contradict_each_other),
        cmocka_unit_test(many_comparisons_widen_the_interval),
        cmocka_unit_test(wrong_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
