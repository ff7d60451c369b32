/* What people write for a limit, and how it is shown. */
#include "check.h"

#include "limit/limit.h"

#include <locale.h>
#include <math.h>

static void check(const char *text, jm_lever lever, double value, bool percent) {
    jm_limit_target target = {0};
    jm_error error = {0};
    if (jm_limit_parse(text, lever, &target, &error) != JM_OK) fail_msg("%s", error.message);
    assert_true(target.value == value);
    assert_int_equal(target.percent, percent);
    assert_int_equal(target.lever, lever);
}

static void limits_are_understood(void **unused) {
    (void)unused;
    check("250", JM_LEVER_POWER, 250, false);
    check("250W", JM_LEVER_POWER, 250, false);
    check(" 250.5 w ", JM_LEVER_POWER, 250.5, false);
    check("70%", JM_LEVER_POWER, 70, true);
    check("70 %", JM_LEVER_CLOCK, 70, true);
    check("1200MHz", JM_LEVER_CLOCK, 1200, false);
    check("1200mhz", JM_LEVER_CLOCK, 1200, false);
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL) check("0.5W", JM_LEVER_POWER, 0.5, false);
    setlocale(LC_NUMERIC, "C");
}

static void other_texts_are_refused(void **unused) {
    (void)unused;
    static const char *const texts[] = {"",     "W",    "-5",    "250 MHz", "nan",   "inf",
                                        "0",    "0%",   "1e3",   "1,5",     "250WW", "%",
                                        "25 0", "0x20", "1.2.3", ".",       "+5"};
    jm_limit_target target;
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        jm_error error = {0};
        if (jm_limit_parse(texts[i], JM_LEVER_POWER, &target, &error) != JM_INVALID)
            fail_msg("'%s' was understood", texts[i]);
        assert_non_null(strstr(error.message, "write it as 250, 250W or 70%"));
    }
    assert_int_equal(jm_limit_parse("250W", JM_LEVER_CLOCK, &target, NULL), JM_INVALID);
    assert_int_equal(jm_limit_parse(NULL, JM_LEVER_POWER, &target, NULL), JM_INVALID);
    assert_int_equal(jm_limit_parse("1", JM_LEVER_POWER, NULL, NULL), JM_INVALID);
    char longest[200];
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(jm_limit_parse(longest, JM_LEVER_POWER, &target, NULL), JM_INVALID);
}

static void steps_are_shown(void **unused) {
    (void)unused;
    char text[32];
    assert_string_equal(jmi_lever_text(JM_LEVER_POWER, 250000, text), "250 W");
    assert_string_equal(jmi_lever_text(JM_LEVER_POWER, 250500, text), "250.5 W");
    assert_string_equal(jmi_lever_text(JM_LEVER_CLOCK, 1200, text), "1200 MHz");
    assert_string_equal(jmi_lever_text(JM_LEVER_CLOCK, 0, text), "no lock");
    assert_true(isnan(jmi_lever_value(JM_LEVER_POWER, JMI_LIMIT_UNKNOWN)));
    assert_true(jmi_lever_value(JM_LEVER_POWER, 1500) == 1.5);
    assert_true(jmi_lever_value(JM_LEVER_CLOCK, 1500) == 1500);
    assert_string_equal(jm_lever_name(JM_LEVER_CLOCK), "clock");
    assert_string_equal(jm_lever_unit(JM_LEVER_CLOCK), "MHz");
    assert_string_equal(jm_lever_name(7), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_understood),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(steps_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
