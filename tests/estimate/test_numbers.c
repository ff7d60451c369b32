/* Numbers in every locale that Nsight Compute writes, and units. */
#include "estimate/counters.h"

#include "tables.h"

static void numbers_with_a_point(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } right[] = {{"0", 0},
                 {"1", 1},
                 {"1,234", 1234},
                 {"1,234,567.25", 1234567.25},
                 {"-3.5", -3.5},
                 {".5", 0.5},
                 {"5.", 5},
                 {"1e3", 1000},
                 {"1.5E-3", 0.0015},
                 {"1 234.5", 1234.5},
                 {"1'234.5", 1234.5},
                 {"1\xC2\xA0"
                  "234",
                  1234},
                 {"1\xE2\x80\xAF"
                  "234",
                  1234},
                 {"1\xA0"
                  "234.5",
                  1234.5},
                 {"18446744073709551615", 18446744073709551615.0},
                 {"123456789012345678901234567890", 1.2345678901234568e29},
                 {"0.000000000000000000001", 1e-21}};
    for (size_t i = 0; i < JMI_COUNT(right); i++) {
        double value = NAN;
        if (jmi_number_read(right[i].text, strlen(right[i].text), JMI_DECIMAL_POINT, &value) !=
            JMI_NUMBER_OK)
            fail_msg("'%s' was not read", right[i].text);
        assert_near(value, right[i].value);
    }
}

static void numbers_with_a_comma(void **state) {
    (void)state;
    double value;
    static const char *const texts[] = {"1.234,5", "1 234,5", "1234,5"};
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        assert_int_equal(jmi_number_read(texts[i], strlen(texts[i]), JMI_DECIMAL_COMMA, &value),
                         JMI_NUMBER_OK);
        assert_near(value, 1234.5);
    }
    assert_int_equal(jmi_number_read("1.048.576", 9, JMI_DECIMAL_COMMA, &value), JMI_NUMBER_OK);
    assert_near(value, 1048576);
}

static void what_is_no_number(void **state) {
    (void)state;
    static const char *const wrong[] = {"x",   "1,23", "1,2345", ",123",  "1..2",    "1,234,5",
                                        "--1", "1e",   "1e+",    "0x10",  "inf",     "1e999",
                                        "1 2", " 1",   "1 ",     "1.2.3", "1,234 5", "+",
                                        ".",   "1.5,", "1\xC2",  "0,123", "-0,123",  "00,123"};
    static const char *const missing[] = {"", "n/a", "N/A", "nan", "NaN", "(nan)", "-"};
    double value = 7;
    for (size_t i = 0; i < JMI_COUNT(wrong); i++)
        if (jmi_number_read(wrong[i], strlen(wrong[i]), JMI_DECIMAL_POINT, &value) !=
            JMI_NUMBER_WRONG)
            fail_msg("'%s' was taken for a number", wrong[i]);
    for (size_t i = 0; i < JMI_COUNT(missing); i++)
        assert_int_equal(jmi_number_read(missing[i], strlen(missing[i]), JMI_DECIMAL_POINT, &value),
                         JMI_NUMBER_MISSING);
    assert_near(value, 7);
}

static void what_a_number_tells_of_its_locale(void **state) {
    (void)state;
    static const struct {
        const char *text;
        jmi_decimal decimal;
    } cases[] = {{"1,234", JMI_DECIMAL_UNKNOWN},   {"1.234", JMI_DECIMAL_UNKNOWN},
                 {"12,345", JMI_DECIMAL_UNKNOWN},  {"120.345", JMI_DECIMAL_UNKNOWN},
                 {"0.123", JMI_DECIMAL_POINT},     {"0,123", JMI_DECIMAL_COMMA},
                 {"1234.567", JMI_DECIMAL_POINT},  {"12.34", JMI_DECIMAL_POINT},
                 {"12,34", JMI_DECIMAL_COMMA},     {"1,234,567", JMI_DECIMAL_POINT},
                 {"1.234.567", JMI_DECIMAL_COMMA}, {"1,234.5", JMI_DECIMAL_POINT},
                 {"1.234,5", JMI_DECIMAL_COMMA},   {"17", JMI_DECIMAL_UNKNOWN},
                 {"", JMI_DECIMAL_UNKNOWN},        {"(128, 1, 1)", JMI_DECIMAL_UNKNOWN},
                 {"1 234,5", JMI_DECIMAL_COMMA},   {"kernel,x", JMI_DECIMAL_UNKNOWN}};
    for (size_t i = 0; i < JMI_COUNT(cases); i++)
        if (jmi_number_locale(cases[i].text, strlen(cases[i].text)) != cases[i].decimal)
            fail_msg("'%s'", cases[i].text);
}

static void units_become_base_units(void **state) {
    (void)state;
    static const struct {
        const char *unit;
        jmi_dimension dimension;
        double factor;
    } right[] = {{"nsecond", JMI_DIMENSION_TIME, 1e-9},
                 {"usecond", JMI_DIMENSION_TIME, 1e-6},
                 {"us", JMI_DIMENSION_TIME, 1e-6},
                 {"msecond", JMI_DIMENSION_TIME, 1e-3},
                 {"ms", JMI_DIMENSION_TIME, 1e-3},
                 {"second", JMI_DIMENSION_TIME, 1},
                 {"s", JMI_DIMENSION_TIME, 1},
                 {"hz", JMI_DIMENSION_FREQUENCY, 1},
                 {"Ghz", JMI_DIMENSION_FREQUENCY, 1e9},
                 {"GHz", JMI_DIMENSION_FREQUENCY, 1e9},
                 {"Mhz", JMI_DIMENSION_FREQUENCY, 1e6},
                 {"cycle/nsecond", JMI_DIMENSION_FREQUENCY, 1e9},
                 {"cycle/usecond", JMI_DIMENSION_FREQUENCY, 1e6},
                 {"cycle/second", JMI_DIMENSION_FREQUENCY, 1},
                 {"byte", JMI_DIMENSION_BYTES, 1},
                 {"Kbyte", JMI_DIMENSION_BYTES, 1e3},
                 {"Mbyte", JMI_DIMENSION_BYTES, 1e6},
                 {"MB", JMI_DIMENSION_BYTES, 1e6},
                 {"MiB", JMI_DIMENSION_BYTES, 1048576},
                 {"Gbyte/second", JMI_DIMENSION_RATE, 1e9},
                 {"Gbyte/s", JMI_DIMENSION_RATE, 1e9},
                 {"Tbyte/second", JMI_DIMENSION_RATE, 1e12},
                 {"byte/nsecond", JMI_DIMENSION_RATE, 1e9},
                 {"%", JMI_DIMENSION_SHARE, 0.01},
                 {"Kinst", JMI_DIMENSION_COUNT, 1e3},
                 {"inst/cycle", JMI_DIMENSION_COUNT, 1},
                 {"sector", JMI_DIMENSION_COUNT, 1},
                 {"", JMI_DIMENSION_SHARE, 0.01},
                 {"", JMI_DIMENSION_COUNT, 1}};
    static const struct {
        const char *unit;
        jmi_dimension dimension;
    } wrong[] = {{"byte", JMI_DIMENSION_TIME},
                 {"%", JMI_DIMENSION_RATE},
                 {"Gbyte/second", JMI_DIMENSION_SHARE},
                 {"fortnight", JMI_DIMENSION_TIME},
                 {"Xbyte", JMI_DIMENSION_BYTES},
                 {"byte/block", JMI_DIMENSION_RATE},
                 {"/", JMI_DIMENSION_RATE},
                 {"second/second", JMI_DIMENSION_FREQUENCY},
                 {"iB", JMI_DIMENSION_BYTES}};
    double factor;
    for (size_t i = 0; i < JMI_COUNT(right); i++) {
        if (!jmi_unit_factor(right[i].unit, strlen(right[i].unit), right[i].dimension, &factor))
            fail_msg("'%s' is not known", right[i].unit);
        if (fabs(factor / right[i].factor - 1) > 1e-12) fail_msg("'%s': %g", right[i].unit, factor);
    }
    assert_true(jmi_unit_factor("", 0, JMI_DIMENSION_TIME, &factor) && isnan(factor));
    for (size_t i = 0; i < JMI_COUNT(wrong); i++)
        if (jmi_unit_factor(wrong[i].unit, strlen(wrong[i].unit), wrong[i].dimension, &factor))
            fail_msg("'%s' was taken", wrong[i].unit);
}

static jmi_counter find(const char *name, const char *section, const char *unit) {
    const jmi_metric *metric = jmi_metric_find(
        name, strlen(name), section, section == NULL ? 0 : strlen(section), unit, strlen(unit));
    return metric == NULL ? JMI_COUNTER_NONE : metric->counter;
}

/* "Memory Throughput" is in two sections: a share in one, bytes/s in the other. */
static void a_metric_is_known_by_section_and_name(void **state) {
    (void)state;
    static const char sol[] = "GPU Speed Of Light Throughput",
                      memory[] = "Memory Workload Analysis";
    assert_int_equal(find("Memory Throughput", memory, "Gbyte/second"), JMI_COUNTER_DRAM_RATE);
    assert_int_equal(find("Memory Throughput", sol, "%"), JMI_COUNTER_NONE);
    assert_int_equal(find("Memory Throughput", NULL, "%"), JMI_COUNTER_NONE);
    assert_int_equal(find("Memory Throughput", NULL, ""), JMI_COUNTER_NONE);
    assert_int_equal(find("Memory Throughput", NULL, "Gbyte/s"), JMI_COUNTER_DRAM_RATE);
    assert_int_equal(find("Duration", sol, "usecond"), JMI_COUNTER_DURATION);
    assert_int_equal(find("Duration", "Some Other Section", "usecond"), JMI_COUNTER_NONE);
    assert_int_equal(find("gpu__time_duration.sum", "Command line profiler metrics", "ns"),
                     JMI_COUNTER_DURATION);
}

static void settings_of_the_profiler_are_no_metrics(void **state) {
    (void)state;
    static const char *const settings[] = {"Sampling Interval",    "Maximum Sampling Interval",
                                           "Sampling Buffer Size", "profiler__replayer_passes",
                                           "Cache Configuration",  "Block Size"};
    for (size_t i = 0; i < JMI_COUNT(settings); i++) {
        assert_int_equal(find(settings[i], NULL, "usecond"), JMI_COUNTER_NONE);
        assert_int_equal(find(settings[i], "GPU Speed Of Light Throughput", "usecond"),
                         JMI_COUNTER_NONE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_with_a_point),
        cmocka_unit_test(numbers_with_a_comma),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(what_a_number_tells_of_its_locale),
        cmocka_unit_test(units_become_base_units),
        cmocka_unit_test(a_metric_is_known_by_section_and_name),
        cmocka_unit_test(settings_of_the_profiler_are_no_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
