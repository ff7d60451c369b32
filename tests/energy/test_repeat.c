/* Spread of numbers, repeats, sensitivity to the sampling interval. */
#include "helpers.h"

static jm_spread spread_of(const double *values, size_t count, bool *outlier) {
    jm_spread s;
    jm_error error = {0};
    assert_int_equal(jm_spread_of(values, count, 0, &s, outlier, &error), JM_OK);
    return s;
}

static jm_repeat repeat_of(const jm_run *runs, size_t count, bool *outlier) {
    jm_repeat r = {.size = sizeof r};
    jm_error error = {0};
    assert_int_equal(jm_repeat_analyse(runs, count, NULL, &r, outlier, &error), JM_OK);
    return r;
}

/* Runs of 2 s with these energies. */
static void runs_of(const double *energies, size_t count, jm_run *runs) {
    for (size_t i = 0; i < count; i++) runs[i] = (jm_run){energies[i], 0, 0.03 * energies[i], 2};
}

/* ---- spread ---- */

/* Student's data: hours of sleep that two drugs gave to ten patients, the second's. R's t.test
 * gives mean and interval. */
static void of_published_values(void **state) {
    (void)state;
    static const double hours[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
    jm_spread s = spread_of(hours, 10, NULL);
    close_to(s.mean, 2.33, 1e-12, "mean");
    close_to(s.sd, 2.002249, 1e-6, "standard deviation");
    close_to(s.mean_lower, 0.8976775, 1e-6, "lower");
    close_to(s.mean_upper, 3.7623225, 1e-6, "upper");
    close_to(s.median, 1.75, 1e-12, "median");
    close_to(s.cv_pct, 100 * 2.002249 / 2.33, 1e-4, "CV");
    assert_true(s.min == -0.1 && s.max == 5.5);
    assert_true(s.outliers == 0 && !s.drifts);
}

static void of_one_and_two_values(void **state) {
    (void)state;
    double values[] = {5, 7};
    jm_spread one = spread_of(values, 1, NULL), two = spread_of(values, 2, NULL);
    assert_true(one.median == 5 && one.mean == 5 && one.min == 5 && one.max == 5);
    assert_true(isnan(one.sd) && isnan(one.cv_pct) && isnan(one.mean_lower) &&
                isnan(one.median_lower) && isnan(one.slope) && isnan(one.drift_p));
    assert_true(two.median == 6 && two.mean == 6);
    close_to(two.sd, sqrt(2), 1e-12, "standard deviation of two");
    assert_true(isnan(two.mean_lower) && isnan(two.mean_upper) && isnan(two.median_upper));
    assert_true(isnan(two.slope) && isnan(two.drift_pct) && isnan(two.drift_p));
}

static void of_three_to_six_values(void **state) {
    (void)state;
    double values[] = {5, 7, 6, 5.5, 6.5, 5.2};
    for (size_t n = 3; n <= 6; n++) {
        jm_spread s = spread_of(values, n, NULL);
        assert_true(s.mean_lower < s.mean && s.mean < s.mean_upper);
        assert_true(isnan(s.median_lower) == (n < 6) && isnan(s.median_upper) == (n < 6));
        assert_true(isnan(s.drift_p) == (n < 4) && !isnan(s.slope));
    }
}

static void slope_by_hand(void **state) {
    (void)state;
    double values[] = {1, 3, 2, 5, 4};
    jm_spread s = spread_of(values, 5, NULL);
    close_to(s.slope, 0.875, 1e-12, "between 3/4 and 1");
    close_to(s.drift_pct, 100 * 0.875 * 4 / 3, 1e-9, "from the first to the last");
    close_to(s.drift_p, 28.0 / 120, 1e-12, "p");
    assert_false(s.drifts);
}

static void drift_is_found(void **state) {
    (void)state;
    double values[3000];
    for (int i = 0; i < 3000; i++) values[i] = 100 + 0.01 * i + 3 * sin(i * 2.4);
    static const size_t lengths[] = {1000, 1001, 3000}; /* all pairs, and half a series apart */
    for (size_t i = 0; i < JMI_COUNT(lengths); i++) {
        jm_spread s = spread_of(values, lengths[i], NULL);
        close_to(s.slope, 0.01, 0.001, "slope");
        assert_true(s.drifts && s.drift_p < 1e-6);
    }
    for (int i = 0; i < 3000; i++) values[i] = 1000 + 1e-4 * i;
    assert_false(spread_of(values, 3000, NULL).drifts); /* sure, but a thirtieth of a per cent */
    assert_true(spread_of(values, 3000, NULL).drift_p < 1e-6);
}

/* Iglewicz and Hoaglin 1993: the usual z-score finds neither of the two. */
static void outliers_of_the_book(void **state) {
    (void)state;
    static const double values[] = {2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3};
    bool outlier[10];
    assert_int_equal(spread_of(values, 10, outlier).outliers, 2);
    for (int i = 0; i < 10; i++) assert_int_equal(outlier[i], i >= 8);
}

static void outliers_among_equal_values(void **state) {
    (void)state;
    double values[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 4};
    bool outlier[10];
    assert_int_equal(spread_of(values, 10, outlier).outliers, 1);
    assert_true(outlier[9] && !outlier[0]);
    values[9] = 3;
    assert_int_equal(spread_of(values, 10, outlier).outliers, 0);
    double few[] = {1, 1, 1, 50};
    assert_int_equal(spread_of(few, 4, outlier).outliers, 0); /* nobody can say */
    assert_false(outlier[3]);
}

static void other_levels(void **state) {
    (void)state;
    double values[] = {5, 7, 6, 5.5, 6.5, 5.2, 6.1, 6.2};
    jm_spread wide, narrow;
    assert_int_equal(jm_spread_of(values, 8, 0.99, &wide, NULL, NULL), JM_OK);
    assert_int_equal(jm_spread_of(values, 8, 0.5, &narrow, NULL, NULL), JM_OK);
    assert_true(wide.mean_lower < narrow.mean_lower && wide.median_lower < narrow.median_lower);
    static const double wrong[] = {-1, 0.4, 0.9999, 1, 95, NAN, INFINITY};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        jm_error error = {0};
        assert_int_equal(jm_spread_of(values, 8, wrong[i], &wide, NULL, &error), JM_INVALID);
        assert_non_null(strstr(error.message, "level"));
    }
}

static void wrong_values(void **state) {
    (void)state;
    static const double wrong[] = {NAN, INFINITY, -INFINITY, 1e200};
    jm_spread s;
    jm_error error;
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        double values[] = {1, 2, wrong[i]};
        assert_int_equal(jm_spread_of(values, 3, 0, &s, NULL, &error), JM_INVALID);
        assert_non_null(strstr(error.message, "value 2"));
    }
    double value = 1;
    assert_int_equal(jm_spread_of(NULL, 3, 0, &s, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_spread_of(&value, 0, 0, &s, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_spread_of(&value, 1, 0, NULL, NULL, NULL), JM_INVALID);
}

/* ---- repeats ---- */

static void repeats_by_hand(void **state) {
    (void)state;
    static const double energies[] = {100, 101, 99, 100.5, 99.5, 100.2, 99.8, 100.1};
    jm_run runs[8];
    runs_of(energies, 8, runs);
    for (int i = 0; i < 8; i++) runs[i].u_random_j = i % 2 ? 0.3 : 0.4;
    jm_repeat r = repeat_of(runs, 8, NULL);
    assert_int_equal(r.runs, 8);
    assert_true(r.stable && r.flags == JM_REPEAT_SENSOR); /* sd 0.62, of which 0.35 measured */
    close_to(r.u_random_j, sqrt(0.125), 1e-12, "root mean square");
    close_to(r.u_systematic_j, 0.03 * r.energy_j.mean, 1e-9, "3 %");
    double of_mean = 2.364624 * r.energy_j.sd / sqrt(8);
    close_to(r.u95_j, hypot(of_mean, 1.96 * r.u_systematic_j), 1e-4, "both");
    close_to(r.power_w.median, r.energy_j.median / 2, 1e-12, "power");
    assert_true(r.time_s.sd == 0 && r.time_s.mean == 2);
}

static void one_run_and_two(void **state) {
    (void)state;
    jm_run runs[] = {{100, 0.5, 3, 1}, {104, 0.5, 3.12, 1}};
    jm_repeat one = repeat_of(runs, 1, NULL), two = repeat_of(runs, 2, NULL);
    assert_true(one.flags == JM_REPEAT_FEW && !one.stable);
    close_to(one.u95_j, 1.96 * hypot(0.5, 3), 1e-9, "the measurement's");
    assert_true(isnan(one.energy_j.sd) && isnan(one.energy_j.median_lower));
    assert_true((two.flags & JM_REPEAT_FEW) && !two.stable);
    close_to(two.u95_j, 1.96 * hypot(0.5 / sqrt(2), 0.03 * 102), 1e-9, "the measurement's of two");
}

static void what_makes_runs_unstable(void **state) {
    (void)state;
    jm_run runs[12];
    bool outlier[12];
    double drifting[12], noisy[12], standing_out[12];
    for (int i = 0; i < 12; i++) {
        double noise = sin(i * 2.4);
        drifting[i] = 100 + i + 0.3 * noise;
        noisy[i] = 100 + 20 * noise;
        standing_out[i] = i == 3 ? 120 : 100 + 0.5 * noise;
    }
    runs_of(drifting, 12, runs);
    assert_true(repeat_of(runs, 12, NULL).flags == JM_REPEAT_DRIFT);
    runs_of(noisy, 12, runs);
    assert_true(repeat_of(runs, 12, NULL).flags == JM_REPEAT_NOISY);
    runs_of(standing_out, 12, runs);
    jm_repeat r = repeat_of(runs, 12, outlier);
    assert_true((r.flags & JM_REPEAT_OUTLIERS) && !r.stable);
    assert_int_equal(r.energy_j.outliers, 1);
    for (int i = 0; i < 12; i++) assert_int_equal(outlier[i], i == 3);
    runs[3].u_random_j = 15; /* the measurement cannot tell it from the rest */
    r = repeat_of(runs, 12, outlier);
    assert_true(r.energy_j.outliers == 0 && !(r.flags & JM_REPEAT_OUTLIERS) && !outlier[3]);
    standing_out[3] = 100.9; /* far out, but by less than 1 % */
    for (int i = 0; i < 12; i++)
        if (i != 3) standing_out[i] = 100 + 0.01 * sin(i * 2.4);
    runs_of(standing_out, 12, runs);
    assert_true(repeat_of(runs, 12, outlier).stable && !outlier[3]);
}

static void stable_is_a_matter_of_taste(void **state) {
    (void)state;
    static const double energies[] = {100, 103, 97, 101, 99, 104, 96};
    jm_run runs[7];
    runs_of(energies, 7, runs);
    jm_repeat_options options = JM_REPEAT_OPTIONS_INIT;
    jm_repeat r = {.size = sizeof r};
    options.stable_cv_pct = 1;
    assert_int_equal(jm_repeat_analyse(runs, 7, &options, &r, NULL, NULL), JM_OK);
    assert_true(r.flags == JM_REPEAT_NOISY);
    options.stable_cv_pct = -1;
    assert_int_equal(jm_repeat_analyse(runs, 7, &options, &r, NULL, NULL), JM_INVALID);
    options.stable_cv_pct = NAN;
    assert_int_equal(jm_repeat_analyse(runs, 7, &options, &r, NULL, NULL), JM_INVALID);
}

static void wrong_runs(void **state) {
    (void)state;
    static const struct {
        jm_run run;
        const char *word;
    } wrong[] = {{{NAN, 0, 0, 1}, "energy"},      {{-1, 0, 0, 1}, "energy"},
                 {{INFINITY, 0, 0, 1}, "energy"}, {{1, NAN, 0, 1}, "uncertainty"},
                 {{1, -1, 0, 1}, "uncertainty"},  {{1, 0, INFINITY, 1}, "uncertainty"},
                 {{1, 0, 0, 0}, "time"},          {{1, 0, 0, NAN}, "time"},
                 {{1, 0, 0, -5}, "time"},         {{1, 0, 0, INFINITY}, "time"}};
    jm_repeat r = {.size = sizeof r};
    jm_error error;
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        jm_run runs[] = {{1, 0, 0, 1}, wrong[i].run, {1, 0, 0, 1}};
        assert_int_equal(jm_repeat_analyse(runs, 3, NULL, &r, NULL, &error), JM_INVALID);
        assert_non_null(strstr(error.message, "run 1"));
        assert_non_null(strstr(error.message, wrong[i].word));
    }
    jm_run run = {1, 0, 0, 1};
    assert_int_equal(jm_repeat_analyse(NULL, 3, NULL, &r, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_repeat_analyse(&run, 0, NULL, &r, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_repeat_analyse(&run, 1, NULL, NULL, NULL, NULL), JM_INVALID);
    r.size = 0;
    assert_int_equal(jm_repeat_analyse(&run, 1, NULL, &r, NULL, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "size"));
}

static void runs_without_energy(void **state) {
    (void)state;
    jm_run runs[8];
    for (int i = 0; i < 8; i++) runs[i] = (jm_run){0, 0, 0, 1 + i * 0.01};
    jm_repeat r = repeat_of(runs, 8, NULL);
    assert_true(r.energy_j.median == 0 && isnan(r.energy_j.cv_pct) && r.u95_j == 0);
    assert_false(r.flags & (JM_REPEAT_NOISY | JM_REPEAT_DRIFT | JM_REPEAT_OUTLIERS));
}

/* A program of an older version has a shorter result. */
static void older_results(void **state) {
    (void)state;
    jm_run runs[] = {{1, 0, 0, 1}, {2, 0, 0, 1}};
    struct {
        jm_repeat r;
        char guard[16];
    } given;
    memset(&given, 0x55, sizeof given);
    given.r.size = offsetof(jm_repeat, flags);
    assert_int_equal(jm_repeat_analyse(runs, 2, NULL, &given.r, NULL, NULL), JM_OK);
    assert_int_equal(given.r.runs, 2);
    assert_int_equal(given.r.flags, 0x55555555);
    assert_int_equal(given.guard[0], 0x55);
}

/* ---- sampling intervals ---- */

static void interval_runs(jm_run runs[3][8], double slow) {
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < 8; i++) {
            double energy = 100 + 2 * i + sin(g * 7 + i * 2.4) + (g == 2 ? slow : 0);
            runs[g][i] = (jm_run){energy, 0, 0, 1};
        }
}

static void sensitivity(void **state) {
    (void)state;
    jm_run runs[3][8];
    jm_spread energy[3];
    jm_sensitivity s = {.size = sizeof s};
    jm_interval_runs groups[] = {
        {5000000, runs[0], 8}, {20000000, runs[1], 8}, {100000000, runs[2], 8}};
    interval_runs(runs, 0);
    assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, energy, &s, NULL), JM_OK);
    assert_true(!s.differs && s.p > 0.2 && s.p <= 1);
    interval_runs(runs, 4); /* smaller than the drift, which the rounds share */
    assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, energy, &s, NULL), JM_OK);
    assert_true(s.differs && s.p < 0.001);
    assert_int_equal(s.highest, 2);
    close_to(s.largest_pct, 100 * (energy[2].median / energy[s.lowest].median - 1), 1e-9, "%");
    double p = s.p;
    jm_sensitivity_analyse(groups, 3, NULL, NULL, &s, NULL);
    assert_true(s.p == p); /* the same runs, the same answer */
    groups[1].count = 7;   /* no rounds any more: the drift hides it */
    assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, energy, &s, NULL), JM_OK);
    assert_false(s.differs);
}

static void sensitivity_of_few(void **state) {
    (void)state;
    jm_run runs[3][8];
    jm_sensitivity s = {.size = sizeof s};
    jm_interval_runs groups[] = {{5000000, runs[0], 2}, {20000000, runs[2], 2}, {0, NULL, 1}};
    interval_runs(runs, 50);
    assert_int_equal(jm_sensitivity_analyse(groups, 2, NULL, NULL, &s, NULL), JM_OK);
    assert_true(isnan(s.p) && !s.differs && s.largest_pct > 40 && s.highest == 1);
    assert_int_equal(jm_sensitivity_analyse(groups, 1, NULL, NULL, &s, NULL), JM_OK);
    assert_true(isnan(s.p) && s.largest_pct == 0);
    assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, NULL, &s, NULL), JM_INVALID);
    assert_int_equal(jm_sensitivity_analyse(NULL, 1, NULL, NULL, &s, NULL), JM_INVALID);
    assert_int_equal(jm_sensitivity_analyse(groups, 0, NULL, NULL, &s, NULL), JM_INVALID);
    assert_int_equal(jm_sensitivity_analyse(groups, 2, NULL, NULL, NULL, NULL), JM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_published_values),
        cmocka_unit_test(of_one_and_two_values),
        cmocka_unit_test(of_three_to_six_values),
        cmocka_unit_test(slope_by_hand),
        cmocka_unit_test(drift_is_found),
        cmocka_unit_test(outliers_of_the_book),
        cmocka_unit_test(outliers_among_equal_values),
        cmocka_unit_test(other_levels),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(repeats_by_hand),
        cmocka_unit_test(one_run_and_two),
        cmocka_unit_test(what_makes_runs_unstable),
        cmocka_unit_test(stable_is_a_matter_of_taste),
        cmocka_unit_test(wrong_runs),
        cmocka_unit_test(runs_without_energy),
        cmocka_unit_test(older_results),
        cmocka_unit_test(sensitivity),
        cmocka_unit_test(sensitivity_of_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
