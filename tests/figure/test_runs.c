/* Figures of runs, ratios, power limits and coverage. */
#include "look.h"

static const jm_run slow[] = {{100, 1, 3, 2}, {104, 1, 3, 2.1}, {98, 1, 3, 1.9}, {101, 1, 3, 2},
                              {99, 1, 3, 2},  {103, 1, 3, 2.2}, {100, 1, 3, 2}};
static const jm_run fast[] = {{60, 1, 2, 1}, {61, 1, 2, 1.1}};

static void runs_are_points_with_their_median(void **state) {
    (void)state;
    const jm_run_group groups[] = {{"slow", slow, JMI_COUNT(slow)}, {"fast", fast, 2}};
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figure_runs(&figure, groups, 2, JM_RUN_ENERGY, &error), &error);
    jm_figure_mark points = mark_of(figure, JM_MARK_POINT, 0);
    jm_figure_mark median = mark_of(figure, JM_MARK_POINT, 1);
    assert_int_equal(points.count, JMI_COUNT(slow));
    for (size_t i = 0; i < points.count; i++)
        assert_true(points.x[i] == slow[i].energy_j && fabs(points.y[i]) <= 0.2);
    assert_near(median.x[0], 100);
    assert_true(median.low[0] >= 98 && median.low[0] < 100 && median.high[0] <= 104);
    assert_true(isnan(mark_of(figure, JM_MARK_POINT, 3).low[0])); /* two runs: no interval */
    assert_string_equal(info_of(figure).y.tick_text[1], "fast");
    assert_string_equal(info_of(figure).x.label, "energy (J)");
    fixture_ok(jm_figure_add_note(figure, "Simulated GPU.", &error), &error);
    const char *note = info_of(figure).note;
    assert_string_equal(note + strlen(note) - 14, "Simulated GPU.");
    assert_int_equal(jm_figure_add_note(figure, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_figure_add_note(NULL, "", NULL), JM_INVALID);
    jm_figure_free(figure);
    fixture_ok(jm_figure_runs(&figure, groups, 2, JM_RUN_POWER, &error), &error);
    assert_near(mark_of(figure, JM_MARK_POINT, 2).x[0], 60);
    jm_figure_free(figure);
    const jm_run_group none = {"none", NULL, 0};
    assert_int_equal(jm_figure_runs(&figure, &none, 1, JM_RUN_TIME, &error), JM_NO_DATA);
    assert_int_equal(jm_figure_runs(&figure, NULL, 0, JM_RUN_TIME, &error), JM_NO_DATA);
    assert_int_equal(jm_figure_runs(&figure, groups, 2, (jm_run_value)8, &error), JM_INVALID);
    assert_int_equal(jm_figure_runs(NULL, groups, 2, JM_RUN_TIME, &error), JM_INVALID);
}

static void ratios_stand_beside_one(void **state) {
    (void)state;
    jm_comparison c = {.size = sizeof c,
                       .energy = {.ratio = 0.8, .lower = 0.7, .upper = 0.9},
                       .time = {.ratio = 1.1, .lower = NAN, .upper = NAN},
                       .power = {.ratio = 0.73, .lower = 0.7, .upper = 0.76}};
    const char *names[] = {"new"};
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figure_ratios(&figure, names, &c, 1, &error), &error);
    jm_figure_mark energy = mark_of(figure, JM_MARK_POINT, 0);
    assert_true(energy.x[0] == 0.8 && energy.low[0] == 0.7 && energy.high[0] == 0.9);
    assert_true(isnan(mark_of(figure, JM_MARK_POINT, 1).low[0]));
    jm_figure_mark guide = mark_of(figure, JM_MARK_LINE, 0);
    assert_true(guide.x[0] == 1 && guide.x[1] == 1 && (guide.style & JM_STYLE_GUIDE) != 0);
    jm_figure_info info = info_of(figure);
    assert_true(info.x.min < 0.7 && info.x.max > 1.1);
    jm_figure_free(figure);
    assert_int_equal(jm_figure_ratios(&figure, NULL, &c, 1, &error), JM_INVALID);
}

static void limits_are_relative_to_the_highest(void **state) {
    (void)state;
    const jm_limit_point points[] = {
        {300, {1000, 5, 0, 10}}, {150, {800, 4, 0, 12}}, {200, {700, 4, 0, 10.5}}};
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figure_limits(&figure, points, 3, &error), &error);
    jm_figure_mark energy = mark_of(figure, JM_MARK_POINT, 0);
    jm_figure_mark time = mark_of(figure, JM_MARK_POINT, 1);
    const double limits[] = {150, 200, 300}, e[] = {80, 70, 100}, t[] = {120, 105, 100};
    for (int i = 0; i < 3; i++) {
        assert_near(energy.x[i], limits[i]);
        assert_near(energy.y[i], e[i]);
        assert_near(time.y[i], t[i]);
    }
    assert_near(energy.high[2] - energy.y[2], 0.98);
    jm_figure_free(figure);
    const jm_limit_point wrong = {100, {0, 0, 0, 1}};
    assert_int_equal(jm_figure_limits(&figure, &wrong, 1, &error), JM_INVALID);
}

/* Wilson's interval of 950 of 1000: R's prop.test(950, 1000, correct = FALSE). */
static void coverage_has_its_interval(void **state) {
    (void)state;
    const jm_coverage_point points[] = {{"contiguous", 950, 1000}, {"part-time", 10, 10}};
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figure_coverage(&figure, points, 2, 0, &error), &error);
    jm_figure_mark mark = mark_of(figure, JM_MARK_POINT, 0);
    assert_near(mark.x[0], 95);
    assert_true(fabs(mark.low[0] - 93.46862) < 1e-4 && fabs(mark.high[0] - 96.18697) < 1e-3);
    assert_near(mark.high[1], 100);
    assert_near(mark_of(figure, JM_MARK_LINE, 0).x[0], 95);
    jm_figure_free(figure);
    const jm_coverage_point wrong = {"x", 3, 2};
    assert_int_equal(jm_figure_coverage(&figure, &wrong, 1, 0, &error), JM_INVALID);
    assert_int_equal(jm_figure_coverage(&figure, points, 2, 1.5, &error), JM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_points_with_their_median),
        cmocka_unit_test(ratios_stand_beside_one),
        cmocka_unit_test(limits_are_relative_to_the_highest),
        cmocka_unit_test(coverage_has_its_interval),
    };
    return cmocka_run_group_tests_name("figure: runs", tests, NULL, NULL);
}
