/* Counters: any width, any number of wraps, at any moment; resets; standing still. */
#include "tree.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t random_u64(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void counts_from_the_first_reading(void **state) {
    (void)state;
    jmi_counter counter = {.range = 1000, .unit = 0.5};
    assert_true(jmi_counter_update(&counter, 900).value == 0);
    assert_true(jmi_counter_update(&counter, 910).value == 5);
}

/* PAPI returned a reading equal to the last one as an absolute value. */
static void standing_still_is_no_step(void **state) {
    (void)state;
    jmi_counter counter = {.range = 1000, .unit = 1};
    jmi_counter_update(&counter, 400);
    jmi_counter_update(&counter, 500);
    for (int i = 0; i < 5; i++) assert_true(jmi_counter_update(&counter, 500).value == 100);
}

/* PAPI corrected only one wrap since the start; EAR guessed the width by the size of values. */
static void wraps_at_any_moment_any_number_of_times(void **state) {
    (void)state;
    for (int round = 0; round < 2000; round++) {
        uint64_t range = 2 + random_u64() % (round % 2 ? 1000000 : 262143328850);
        double unit = 1e-6;
        uint64_t truth = random_u64() % range, start = truth;
        jmi_counter counter = {.range = range, .unit = unit};
        jmi_counter_update(&counter, truth % range);
        jmi_reading reading = {0};
        for (int step = 0; step < 50; step++) {
            truth += random_u64() % range; /* less than one whole wrap between readings */
            reading = jmi_counter_update(&counter, truth % range);
            assert_int_equal(reading.status, JM_OK);
            assert_int_equal(reading.flags, 0);
        }
        double expected = (double)(truth - start) * unit;
        assert_true(fabs(reading.value - expected) <= 1e-9 * expected);
    }
}

static void small_values_of_wide_counters_do_not_wrap_early(void **state) {
    (void)state;
    jmi_counter counter = {.range = (uint64_t)1 << 48, .unit = 1};
    jmi_counter_update(&counter, 4294967290u);
    assert_true(jmi_counter_update(&counter, 4294967300u).value == 10);
}

/* PMT kept millijoules in 32 bits: 1.7 h at 700 W. */
static void millijoules_pass_32_bits(void **state) {
    (void)state;
    jmi_counter counter = {.unit = 1e-3, .resets = true};
    uint64_t raw = 4294967000u;
    double last = jmi_counter_update(&counter, raw).value;
    for (int i = 0; i < 100; i++) {
        raw += 700000;
        jmi_reading reading = jmi_counter_update(&counter, raw);
        assert_true(fabs(reading.value - last - 700) < 1e-6);
        last = reading.value;
    }
}

static void a_reset_is_a_gap_not_a_step(void **state) {
    (void)state;
    jmi_counter counter = {.unit = 1e-3, .resets = true};
    jmi_counter_update(&counter, 5000000);
    assert_true(jmi_counter_update(&counter, 5001000).value == 1);
    jmi_reading reading = jmi_counter_update(&counter, 300);
    assert_int_equal(reading.flags, JM_SAMPLE_RESET);
    assert_true(reading.value == 1);
    reading = jmi_counter_update(&counter, 1300);
    assert_int_equal(reading.flags, 0);
    assert_true(reading.value == 2);
}

static void a_value_out_of_range_is_refused(void **state) {
    (void)state;
    jmi_counter counter = {.range = 1000, .unit = 1};
    jmi_counter_update(&counter, 10);
    assert_int_equal(jmi_counter_update(&counter, 1000).status, JM_FORMAT);
    assert_true(jmi_counter_update(&counter, 20).value == 10);
}

static void never_negative(void **state) {
    (void)state;
    for (int round = 0; round < 1000; round++) {
        jmi_counter counter = {.range = round % 2 ? 1u << 20 : 0, .unit = 1, .resets = round % 3};
        double last = 0;
        for (int i = 0; i < 100; i++) {
            jmi_reading reading = jmi_counter_update(&counter, random_u64() % (1u << 20));
            assert_true(reading.value >= last);
            last = reading.value;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_from_the_first_reading),
        cmocka_unit_test(standing_still_is_no_step),
        cmocka_unit_test(wraps_at_any_moment_any_number_of_times),
        cmocka_unit_test(small_values_of_wide_counters_do_not_wrap_early),
        cmocka_unit_test(millijoules_pass_32_bits),
        cmocka_unit_test(a_reset_is_a_gap_not_a_step),
        cmocka_unit_test(a_value_out_of_range_is_refused),
        cmocka_unit_test(never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
