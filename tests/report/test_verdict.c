/* Repeats and comparisons in words. */
#include "fixture.h"

#include <locale.h>
#include <math.h>

static void same(const char *got, const char *wanted) {
    assert_string_equal(got, wanted);
}

static void values_and_intervals(void **state) {
    (void)state;
    char text[64];
    same(jm_value_text(124.23, 1.34, "J", text, sizeof text), "124.2 ± 1.3 J");
    same(jm_value_text(124230, 1340, "J", text, sizeof text), "124.2 ± 1.3 kJ");
    same(jm_value_text(124.23, NAN, "J", text, sizeof text), "124 J");
    same(jm_value_text(124.23, 0, "W", text, sizeof text), "124 W");
    same(jm_value_text(NAN, 1, "W", text, sizeof text), "-");
    same(jm_value_text(0.51234, 0.0042, "s", text, sizeof text), "0.5123 ± 0.0042 s");
    same(jm_interval_text(123.41, 125.12, "J", text, sizeof text), "123.41–125.12 J");
    same(jm_interval_text(-1.23, 5.1, "W", text, sizeof text), "-1.2 to 5.1 W");
    same(jm_interval_text(12341, 12512, "J", text, sizeof text), "12.341–12.512 kJ");
    same(jm_interval_text(NAN, 5.1, "W", text, sizeof text), "-");
    same(jm_interval_text(1, INFINITY, "W", text, sizeof text), "-");
    same(jm_interval_text(2, 2, "s", text, sizeof text), "2.000–2.000 s");
    same(jm_bounds_text(0, 11.91, "J", text, sizeof text), "< 12 J");
    same(jm_bounds_text(3.69, 11.91, "J", text, sizeof text), "3–12 J"); /* outwards */
    same(jm_bounds_text(0.69, 11.91, "J", text, sizeof text), "< 12 J");
    same(jm_bounds_text(3.19, INFINITY, "J", text, sizeof text), "> 3.1 J");
    same(jm_bounds_text(0, INFINITY, "J", text, sizeof text), "not known");
    same(jm_value_text(124.23, 1.34, "J", text, 4), "124");
    assert_ptr_equal(jm_value_text(124.23, 1.34, "J", text, 0), text);
}

static const char *verdict(double ratio, double lower, double upper, jm_run_value which, char *text,
                           size_t size) {
    jm_ratio r = {.ratio = ratio, .lower = lower, .upper = upper};
    r.verdict = lower > 1 ? 1 : upper < 1 ? -1 : 0;
    jm_comparison c = {.size = sizeof c, .energy = r, .time = r, .power = r};
    return jm_verdict_text(&c, which, "A", "B", text, size);
}

static void verdicts(void **state) {
    (void)state;
    char text[200];
    same(verdict(0.88, 0.851, 0.909, JM_RUN_ENERGY, text, sizeof text),
         "B uses 12.0 % ± 2.9 % less energy than A");
    same(verdict(1.123, 1.114, 1.132, JM_RUN_TIME, text, sizeof text),
         "B takes 12.30 % ± 0.90 % more time than A");
    same(verdict(1.01, 0.98, 1.0406, JM_RUN_POWER, text, sizeof text),
         "no significant difference in power between A and B (B could draw -2.0 to +4.1 %)");
    same(verdict(1, 0.99998, 1.00004, JM_RUN_POWER, text, sizeof text),
         "no significant difference in power between A and B (below 0.01 %)");
    same(verdict(1.2, 1.05, 1.4, JM_RUN_ENERGY, text, sizeof text),
         "B uses 20 % more energy than A (5 to 40 %)");
    same(verdict(0.8, 0.6, 0.95, JM_RUN_ENERGY, text, sizeof text),
         "B uses 20 % less energy than A (5 to 40 %)");
    same(verdict(2.4, 2.35, 2.46, JM_RUN_ENERGY, text, sizeof text),
         "B uses 2.400 times the energy of A (2.350 to 2.460)");
    same(verdict(0.3, 0.2, 0.4, JM_RUN_TIME, text, sizeof text),
         "B takes 0.30 times the time of A (0.20 to 0.40)");
    same(verdict(1.03, 1.03, 1.03, JM_RUN_ENERGY, text, sizeof text),
         "B uses 3.00 % ± 0.00 % more energy than A");
    same(verdict(1.2, NAN, NAN, JM_RUN_ENERGY, text, sizeof text),
         "no verdict on energy: it takes three runs of each at least");
}

static void verdicts_of_nothing(void **state) {
    (void)state;
    char text[20] = "before";
    same(jm_verdict_text(NULL, JM_RUN_ENERGY, "A", "B", text, sizeof text), "");
    verdict(0.88, 0.851, 0.909, (jm_run_value)9, text, sizeof text);
    same(text, "");
    verdict(0.88, 0.851, 0.909, JM_RUN_ENERGY, text, sizeof text);
    same(text, "B uses 12.0 % ± 2."); /* cut off */
}

int main(void) {
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_intervals),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(verdicts_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
