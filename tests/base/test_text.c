/* Numbers and texts: whole, in range, and the same in every locale. */
#include "base/base.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- numbers from text ---- */

static void unsigned_numbers_are_whole_and_in_range(void **state) {
    (void)state;
    uint64_t v = 7;
    assert_true(jmi_parse_u64("0", &v) && v == 0);
    assert_true(jmi_parse_u64("18446744073709551615", &v) && v == UINT64_MAX);
    assert_true(jmi_parse_u64("0000000000000000000000000000012", &v) && v == 12);
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "-0",
                                        "0x10",
                                        "1.0",
                                        "1e3",
                                        "one",
                                        "1\n",
                                        "1,000",
                                        "18446744073709551616",
                                        "99999999999999999999999999"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        v = 7;
        if (jmi_parse_u64(wrong[i], &v)) fail_msg("\"%s\" was read as a number", wrong[i]);
        assert_int_equal(v, 7);
    }
}

static void signed_numbers_are_whole_and_in_range(void **state) {
    (void)state;
    int64_t v = 7;
    assert_true(jmi_parse_i64("-9223372036854775808", &v) && v == INT64_MIN);
    assert_true(jmi_parse_i64("9223372036854775807", &v) && v == INT64_MAX);
    assert_true(jmi_parse_i64("-0", &v) && v == 0);
    static const char *const wrong[] = {"",
                                        "-",
                                        "--1",
                                        "-+1",
                                        " 1",
                                        "1 ",
                                        "- 1",
                                        "1-",
                                        "9223372036854775808",
                                        "-9223372036854775809"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        v = 7;
        if (jmi_parse_i64(wrong[i], &v)) fail_msg("\"%s\" was read as a number", wrong[i]);
        assert_int_equal(v, 7);
    }
}

static void doubles_are_whole_and_finite(void **state) {
    (void)state;
    double v = 7;
    assert_true(jmi_parse_double("1.5", &v) && v == 1.5);
    assert_true(jmi_parse_double("-2.5e-3", &v) && v == -0.0025);
    assert_true(jmi_parse_double(".5", &v) && v == 0.5);
    assert_true(jmi_parse_double("1e308", &v) && v == 1e308);
    assert_true(jmi_parse_double("1e-400", &v) && v == 0); /* below what there is: nothing */
    static const char *const wrong[] = {"",      " 1",    "1 ",  "1,5",  "nan",      "inf",
                                        "-inf",  "1e400", "1e",  "1.5W", "infinity", "-",
                                        "NaN()", ".",     "\v1", "1.5.2"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        v = 7;
        if (jmi_parse_double(wrong[i], &v)) fail_msg("\"%s\" was read as a number", wrong[i]);
        assert_true(v == 7);
    }
}

/* ---- numbers to text ---- */

static void doubles_read_back(void **state) {
    (void)state;
    static const double values[] = {0,
                                    -0.0,
                                    0.1,
                                    1.0 / 3,
                                    2.0 / 3,
                                    1e22,
                                    1e-300,
                                    DBL_MAX,
                                    DBL_MIN,
                                    4.9e-324,
                                    123456789.123456789,
                                    -250,
                                    1e15 + 0.3};
    for (size_t i = 0; i < JMI_COUNT(values); i++) {
        char text[40];
        double back = 7;
        assert_ptr_equal(jmi_format_double(values[i], text, sizeof text), text);
        if (!jmi_parse_double(text, &back) || memcmp(&back, &values[i], sizeof back) != 0)
            fail_msg("%.17g was written as %s and read as %.17g", values[i], text, back);
    }
}

static void doubles_are_short(void **state) {
    (void)state;
    char text[40];
    assert_string_equal(jmi_format_double(0.1, text, sizeof text), "0.1");
    assert_string_equal(jmi_format_double(250, text, sizeof text), "250");
    assert_string_equal(jmi_format_double(1234.5678, text, sizeof text), "1234.5678");
    assert_string_equal(jmi_format_double(0.123456789012, text, sizeof text), "0.123456789012");
    assert_string_equal(jmi_format_double(1e-320, text, sizeof text), "1e-320");
    assert_string_equal(jmi_format_double(-5e-324, text, sizeof text), "-5e-324");
    char tiny[4];
    assert_string_equal(jmi_format_double(0.123456789, tiny, sizeof tiny), "0.1");
}

/* ---- a locale that writes 1,5 ---- */

static void in_a_locale_with_commas(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                        "nl_NL.UTF-8"};
    const char *set = NULL;
    /* None installed: one is made where the system has the sources of them. */
    char folder[] = "/tmp/jm-locale-XXXXXX", command[200];
    for (size_t i = 0; i < JMI_COUNT(names) && set == NULL; i++) set = setlocale(LC_ALL, names[i]);
    if (set == NULL && mkdtemp(folder) != NULL) {
        snprintf(command, sizeof command,
                 "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
        if (system(command) >= 0) {
            setenv("LOCPATH", folder, 1);
            set = setlocale(LC_ALL, "de_DE.UTF-8");
        }
        snprintf(command, sizeof command, "rm -rf %s", folder);
        if (system(command) != 0) fail_msg("%s stays", folder);
    }
    if (set == NULL) {
        print_message("skipped: no locale that writes 1,5 is here, and none can be made\n");
        skip();
    }
    char text[40], plain[40];
    snprintf(plain, sizeof plain, "%.1f", 1.5);
    assert_string_equal(plain, "1,5"); /* else the locale proves nothing */
    double v = 0;
    bool point = jmi_parse_double("1.5", &v), comma = jmi_parse_double("1,5", &v);
    jmi_format_double(2.5, text, sizeof text);
    snprintf(plain, sizeof plain, "%.1f", 3.5); /* the program's own locale is as it was */
    setlocale(LC_ALL, "C");
    assert_true(point);
    assert_true(v == 1.5);
    assert_false(comma);
    assert_string_equal(text, "2.5");
    assert_string_equal(plain, "3,5");
}

/* ---- text that grows ---- */

static void text_grows(void **state) {
    (void)state;
    jmi_text text = {0};
    char *out = NULL;
    assert_int_equal(jmi_text_take(&text, &out, NULL), JM_OK);
    assert_string_equal(out, ""); /* nothing was added: still a text */
    jm_free(out);
    for (int i = 0; i < 10000; i++) jmi_text_add(&text, "%d,", i % 10);
    assert_int_equal(text.length, 20000);
    assert_int_equal(strlen(text.data), 20000);
    char wide[1000];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    for (int around = 254; around <= 258; around++) { /* about the size of the inner buffer */
        size_t before = text.length;
        jmi_text_add(&text, "%.*s", around, wide);
        assert_int_equal(text.length, before + (size_t)around);
        assert_int_equal(text.data[text.length], 0);
    }
    jmi_text_append(&text, "a\0b", 3);
    assert_memory_equal(text.data + text.length - 3, "a\0b", 4);
    assert_int_equal(jmi_text_take(&text, &out, NULL), JM_OK);
    assert_null(text.data);
    jm_free(out);
    jmi_text_free(&text);
    jmi_text_free(&text);
}

static void a_text_that_failed_stays_failed(void **state) {
    (void)state;
    jmi_text text = {0};
    jmi_text_add(&text, "begun");
    text.failed = true;
    jmi_text_add(&text, "lost");
    char *out = (char *)"not touched";
    jm_error error = {0};
    assert_int_equal(jmi_text_take(&text, &out, &error), JM_MEMORY);
    assert_null(out);
    assert_null(text.data);
    assert_int_equal(error.status, JM_MEMORY);
    assert_true(error.message[0] != '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers_are_whole_and_in_range),
        cmocka_unit_test(signed_numbers_are_whole_and_in_range),
        cmocka_unit_test(doubles_are_whole_and_finite),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(doubles_are_short),
        cmocka_unit_test(in_a_locale_with_commas),
        cmocka_unit_test(text_grows),
        cmocka_unit_test(a_text_that_failed_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
