/* Curves and bars in letters. */
#include "spark.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void means_weigh_by_time(void **state) {
    (void)state;
    /* 100 for 1 s, 300 for 3 s, nothing known for 2 s, 50 for 2 s */
    const double x[] = {0, 1, 4, 6, 8}, y[] = {100, 300, NAN, 50, 1e9};
    const jm_figure_mark curve = {.kind = JM_MARK_STEP, .count = 5, .x = x, .y = y};
    double means[8];
    spark_means(&curve, 0, 8, means, 4);
    assert_true(fabs(means[0] - 200) < 1e-9 && fabs(means[1] - 300) < 1e-9);
    assert_true(isnan(means[2]) && fabs(means[3] - 50) < 1e-9);
    spark_means(&curve, 0, 8, means, 8);
    assert_true(means[0] == 100 && means[1] == 300 && isnan(means[4]) && means[7] == 50);
    spark_means(&curve, -8, 8, means, 2); /* what is before is not known */
    assert_true(isnan(means[0]) && fabs(means[1] - 1100.0 / 6) < 1e-9);
    spark_means(&curve, 0.5, 1.5, means, 1);
    assert_true(fabs(means[0] - 200) < 1e-9);
    const jm_figure_mark none = {.kind = JM_MARK_STEP, .count = 0};
    spark_means(&none, 0, 8, means, 2);
    assert_true(isnan(means[0]) && isnan(means[1]));
}

static void curves_are_as_high_as_their_values(void **state) {
    (void)state;
    const double values[] = {0, 12, 13, 50, 99, 100, NAN, 130, -5};
    char text[SPARK_SIZE(9)];
    spark_curve(values, 9, 100, true, text);
    assert_string_equal(text, "▁▁▂▅██ █▁");
    spark_curve(values, 9, 100, false, text);
    assert_string_equal(text, "__.+@@ @_");
    spark_curve(values, 2, 0, true, text); /* nothing takes power */
    assert_string_equal(text, "▁▁");
}

static void bars_are_as_long_as_their_share(void **state) {
    (void)state;
    static const struct {
        double share;
        size_t letters;
        const char *utf8, *ascii;
    } bars[] = {{0, 0, "", ""},          {1, 4, "████", "####"}, {0.5, 2, "██", "##"},
                {0.28125, 2, "█▏", "#"}, {1e-9, 1, "▏", ""},     {0.99, 4, "████", "####"},
                {7, 4, "████", "####"},  {-1, 0, "", ""},        {NAN, 0, "", ""}};
    for (size_t i = 0; i < CLI_COUNT(bars); i++) {
        char text[SPARK_SIZE(4)];
        assert_int_equal(spark_bar(bars[i].share, 4, true, text), bars[i].letters);
        assert_string_equal(text, bars[i].utf8);
        assert_int_equal(spark_bar(bars[i].share, 4, false, text), strlen(bars[i].ascii));
        assert_string_equal(text, bars[i].ascii);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_weigh_by_time),
        cmocka_unit_test(curves_are_as_high_as_their_values),
        cmocka_unit_test(bars_are_as_long_as_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
