#include "fixture.h"
#include "report/format.h"

static const jmi_style utf8 = {.utf8 = true};
static const jmi_style ascii = {.utf8 = false};
static char text[JMI_FORMAT_SIZE];

static void digits_follow_the_uncertainty(void **state) {
    (void)state;
    assert_string_equal(jmi_format_value(text, 1234.4, 56.2, "J", utf8), "1234 ± 56 J");
    assert_string_equal(jmi_format_value(text, 1234.4, 5.62, "J", utf8), "1234.4 ± 5.6 J");
    assert_string_equal(jmi_format_value(text, 1234.4, 562, "J", utf8), "1230 ± 560 J");
    assert_string_equal(jmi_format_value(text, 12344, 562, "J", utf8), "12.34 ± 0.56 kJ");
    assert_string_equal(jmi_format_value(text, 0.01234, 0.001, "J", utf8), "12.3 ± 1.0 mJ");
    assert_string_equal(jmi_format_value(text, 5e-5, 1e-6, "J", utf8), "50.0 ± 1.0 µJ");
    assert_string_equal(jmi_format_value(text, 5e-5, 1e-6, "J", ascii), "50.0 +- 1.0 uJ");
    assert_string_equal(jmi_format_value(text, 3e9, 2e8, "J", utf8), "3000 ± 200 MJ");
}

static void rounding_carries_into_the_next_place(void **state) {
    (void)state;
    assert_string_equal(jmi_format_value(text, 100, 9.96, "J", utf8), "100 ± 10 J");
    assert_string_equal(jmi_format_value(text, 100, 0.996, "J", utf8), "100.0 ± 1.0 J");
    assert_string_equal(jmi_format_value(text, 9999.6, 99.6, "J", utf8), "10000 ± 100 J");
}

static void an_uncertainty_larger_than_the_value(void **state) {
    (void)state;
    assert_string_equal(jmi_format_value(text, 4, 120, "J", utf8), "0 ± 120 J");
    assert_string_equal(jmi_format_value(text, -3, 12, "J", utf8), "-3 ± 12 J");
    assert_string_equal(jmi_format_value(text, -0.2, 12, "J", utf8), "0 ± 12 J");
}

static void without_an_uncertainty(void **state) {
    (void)state;
    assert_string_equal(jmi_format_value(text, 12.3456, NAN, "J", utf8), "12.35 J");
    assert_string_equal(jmi_format_value(text, 12.3456, 0, "J", utf8), "12.35 J");
    assert_string_equal(jmi_format_value(text, 0, 0, "J", utf8), "0 J");
    assert_string_equal(jmi_format_value(text, NAN, 1, "J", utf8), "-");
    assert_string_equal(jmi_format_value(text, INFINITY, 1, "J", utf8), "-");
}

static void a_table_shares_a_prefix(void **state) {
    (void)state;
    jmi_style table = {.utf8 = true, .reference = 16e3};
    assert_string_equal(jmi_format_value(text, 3230, 950, "J", table), "3.23 ± 0.95 kJ");
    assert_string_equal(jmi_format_value(text, 12, 1, "J", table), "12.0 ± 1.0 J");
    assert_string_equal(jmi_format_value(text, 3e7, 1e6, "J", table), "30.0 ± 1.0 MJ");
}

static void bounds_are_no_estimates(void **state) {
    (void)state;
    jm_energy energy = {.energy_j = 6,
                        .u95_j = 6,
                        .lower_j = 0,
                        .upper_j = 11.72,
                        .duration_s = 0.01,
                        .mean_power_w = 600,
                        .provenance = JM_FROM_POWER | JM_BOUND_ONLY};
    assert_string_equal(jmi_format_energy(text, &energy, utf8), "< 12 J");
    assert_string_equal(jmi_format_power(text, &energy, utf8), "< 1200 W");
    energy.lower_j = 3.19;
    assert_string_equal(jmi_format_energy(text, &energy, utf8), "3–12 J");
    assert_string_equal(jmi_format_energy(text, &energy, ascii), "3 to 12 J");
    energy.upper_j = INFINITY;
    assert_string_equal(jmi_format_energy(text, &energy, utf8), "> 3.1 J");
    energy.lower_j = 0;
    assert_string_equal(jmi_format_energy(text, &energy, utf8), "not known");
    energy.provenance = 0;
    assert_string_equal(jmi_format_energy(text, &energy, utf8), "not measured");
}

static void an_interval_that_is_cut_off_is_shown(void **state) {
    (void)state;
    jmi_format_within(text, 0.92e-3, 0, 1.932e-3, "g", ascii);
    assert_string_equal(text, "0.920 mg (0.00-1.93 mg)");
    jmi_format_within(text, 1, 0, 2, "g", ascii);
    assert_string_equal(text, "1.0 +- 1.0 g");
    jmi_format_within(text, 1, -1, 3, "g", ascii);
    assert_string_equal(text, "1.0 +- 2.0 g");
    jmi_format_within(text, 5, 4, 9, "g", ascii);
    assert_string_equal(text, "5.00 g (4.0-9.0 g)");
}

static void durations(void **state) {
    (void)state;
    assert_string_equal(jmi_format_duration(text, 12e-6, utf8), "12 µs");
    assert_string_equal(jmi_format_duration(text, 12e-6, ascii), "12 us");
    assert_string_equal(jmi_format_duration(text, 0.1, utf8), "100 ms");
    assert_string_equal(jmi_format_duration(text, 0.9996, utf8), "1.00 s");
    assert_string_equal(jmi_format_duration(text, 12.34, utf8), "12.3 s");
    assert_string_equal(jmi_format_duration(text, 245, utf8), "4 min 05 s");
    assert_string_equal(jmi_format_duration(text, 3599.7, utf8), "1 h 00 min");
    assert_string_equal(jmi_format_duration(text, 7385, utf8), "2 h 03 min");
    assert_string_equal(jmi_format_duration(text, 0, utf8), "0 s");
}

static void shares(void **state) {
    (void)state;
    assert_string_equal(jmi_format_share(text, 0.234, utf8), "23 %");
    assert_string_equal(jmi_format_share(text, 0.002, utf8), "< 1 %");
    assert_string_equal(jmi_format_share(text, 0, utf8), "0 %");
    assert_string_equal(jmi_format_share(text, NAN, utf8), "-");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_follow_the_uncertainty),
        cmocka_unit_test(rounding_carries_into_the_next_place),
        cmocka_unit_test(an_uncertainty_larger_than_the_value),
        cmocka_unit_test(without_an_uncertainty),
        cmocka_unit_test(a_table_shares_a_prefix),
        cmocka_unit_test(bounds_are_no_estimates),
        cmocka_unit_test(an_interval_that_is_cut_off_is_shown),
        cmocka_unit_test(durations),
        cmocka_unit_test(shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
