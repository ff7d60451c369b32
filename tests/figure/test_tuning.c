/* The figure of what tuning found: what it shows, and numbers that nobody should give it. */
#include "look.h"

enum { POINTS = 5 };

static jm_interval around(double value, double half) {
    return (jm_interval){value, value - half, value + half};
}

/* 200, 300 ... 600 W; the least at 400 W. */
static void fill(jm_tuner_point *points, jm_trial *trials) {
    static const double time[] = {2, 1.3, 1.1, 1.02, 1}, energy[] = {60, 65, 75, 90, 100};
    for (int i = 0; i < POINTS; i++) {
        double relative = energy[i] * time[i] * time[i] / 100;
        points[i] = (jm_tuner_point){.size = sizeof points[i],
                                     .setting = 200 + 100 * i,
                                     .seconds = around(time[i], 0.01),
                                     .energy_j = around(energy[i], 1),
                                     .relative = around(relative, 0.05),
                                     .slowdown = around(time[i], 0.01)};
    }
    trials[0] = (jm_trial){.size = sizeof trials[0],
                           .setting = 600,
                           .items = 10,
                           .seconds = 10,
                           .energy_j = 1000,
                           .energy_u95_j = 10};
    trials[1] = (jm_trial){
        .size = sizeof trials[1], .setting = 400, .items = 5, .seconds = 5.5, .energy_j = 375};
    trials[2] = (jm_trial){.size = sizeof trials[2], .setting = 300, .failed = true};
}

static jm_tuning tuning_of(const jm_tuner_point *points, const jm_trial *trials) {
    return (jm_tuning){.size = sizeof(jm_tuning),
                       .standard = 600,
                       .setting = 400,
                       .points = points,
                       .point_count = POINTS,
                       .trials = trials,
                       .trial_count = 3};
}

static jm_figure_mark mark_named(const jm_figure *figure, const char *label) {
    jm_figure_mark mark = {.size = sizeof mark};
    for (uint32_t i = 0; jm_figure_get_mark(figure, i, &mark) == JM_OK; i++)
        if (strcmp(mark.label, label) == 0) return mark;
    fail_msg("there is no mark '%s'", label);
    return mark;
}

static void test_curves(void **state) {
    jm_tuner_point points[POINTS];
    jm_trial trials[3];
    jm_figure *figure = NULL;
    jm_error error = {0};
    jm_figure_info info = {.size = sizeof info};
    (void)state;
    fill(points, trials);
    jm_tuning tuning = tuning_of(points, trials);
    assert_int_equal(jm_figure_tuning(&figure, &tuning, &error), JM_OK);
    assert_int_equal(jm_figure_get(figure, &info), JM_OK);
    assert_string_equal(info.name, "tuning");
    assert_non_null(strstr(info.x.label, "power limit"));
    jm_figure_mark energy = mark_named(figure, "energy"), time = mark_named(figure, "time");
    assert_true(energy.count == POINTS && energy.y[0] == 60 && energy.y[4] == 100);
    assert_true(fabs(time.y[2] - 110) < 1e-9);
    jm_figure_mark objective = mark_named(figure, "energy × time²");
    assert_true(isnan(objective.y[0])); /* 240 %: of no interest */
    assert_true(fabs(objective.y[2] - 90.75) < 1e-9);
    jm_figure_mark band = mark_named(figure, "95 % interval");
    assert_true(fabs(band.low[2] - 85.75) < 1e-9 && fabs(band.high[2] - 95.75) < 1e-9);
    jm_figure_mark measured = mark_named(figure, "measured");
    assert_int_equal(measured.count, 2);
    assert_true(measured.x[1] == 400 && fabs(measured.y[1] - 75 * 1.1 * 1.1) < 1e-9);
    assert_true(measured.low[0] < 100 && isnan(measured.low[1]));
    assert_true(mark_named(figure, "best: 400 W").x[0] == 400);
    assert_true(info.y.max < 230 && info.y.min < 60);
    jm_figure_free(figure);
}

static void test_other_objectives(void **state) {
    static const jm_objective_kind kinds[] = {JM_OBJECTIVE_EDP, JM_OBJECTIVE_ENERGY,
                                              JM_OBJECTIVE_TIME, JM_OBJECTIVE_SLOWDOWN,
                                              JM_OBJECTIVE_COST};
    jm_tuner_point points[POINTS];
    jm_trial trials[3];
    (void)state;
    fill(points, trials);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        jm_tuning tuning = tuning_of(points, trials);
        jm_figure *figure = NULL;
        char *script = NULL, *json = NULL;
        jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
        options.path = "x.pdf";
        tuning.objective.kind = kinds[i];
        tuning.objective.price_h = 1;
        tuning.lever = i % 2 == 0 ? JM_LEVER_CLOCK : JM_LEVER_POWER;
        tuning.setting = (double)NAN;
        assert_int_equal(jm_figure_tuning(&figure, &tuning, NULL), JM_OK);
        assert_int_equal(jm_figure_gnuplot(figure, &options, &script, NULL), JM_OK);
        assert_int_equal(jm_figure_json(figure, &json, NULL), JM_OK);
        assert_null(strstr(script, "best"));
        jm_free(script);
        jm_free(json);
        jm_figure_free(figure);
    }
}

static void expect(const jm_tuning *tuning, int status) {
    jm_figure *figure = (jm_figure *)1;
    jm_error error = {0};
    assert_int_equal(jm_figure_tuning(&figure, tuning, &error), status);
    assert_null(figure);
    assert_true(error.message[0] != '\0');
}

static void test_what_is_wrong(void **state) {
    jm_tuner_point points[POINTS];
    jm_trial trials[3];
    (void)state;
    fill(points, trials);
    jm_tuning tuning = tuning_of(points, trials);
    assert_int_equal(jm_figure_tuning(NULL, &tuning, NULL), JM_INVALID);
    expect(NULL, JM_INVALID);
    tuning.point_count = 0;
    expect(&tuning, JM_NO_DATA);
    tuning = tuning_of(NULL, trials);
    expect(&tuning, JM_NO_DATA);
    tuning = tuning_of(points, NULL);
    expect(&tuning, JM_INVALID);
    tuning = tuning_of(points, trials);
    tuning.lever = (jm_lever)9;
    expect(&tuning, JM_INVALID);
    tuning.lever = JM_LEVER_POWER;
    points[2].setting = points[1].setting;
    expect(&tuning, JM_INVALID);
    points[2].setting = (double)NAN;
    expect(&tuning, JM_INVALID);
}

/* A file may hold anything. */
static void test_numbers_that_are_none(void **state) {
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0, -1, 1e308, 1e-308, -1e308};
    enum { ODD = sizeof odd / sizeof *odd };
    jm_tuner_point points[POINTS];
    jm_trial trials[3];
    unsigned random = 1;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        fill(points, trials);
        double *fields[] = {&points[round % POINTS].relative.value,
                            &points[round % POINTS].relative.lower,
                            &points[(round + 1) % POINTS].relative.upper,
                            &points[(round + 2) % POINTS].slowdown.value,
                            &points[POINTS - 1].energy_j.value,
                            &trials[0].energy_j,
                            &trials[0].seconds,
                            &trials[1].items,
                            &trials[1].setting,
                            &trials[1].energy_u95_j};
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            random = random * 1103515245u + 12345u;
            if (random >> 30 == 0) *fields[i] = odd[random >> 16 & (ODD - 1)];
        }
        jm_tuning tuning = tuning_of(points, trials);
        jm_figure *figure = NULL;
        char *json = NULL;
        if (jm_figure_tuning(&figure, &tuning, NULL) != JM_OK) continue;
        jm_figure_info info = {.size = sizeof info};
        jm_figure_get(figure, &info);
        assert_true(isfinite(info.y.min) && isfinite(info.y.max) && info.y.min < info.y.max);
        assert_int_equal(jm_figure_json(figure, &json, NULL), JM_OK);
        assert_null(strstr(json, "nan"));
        assert_null(strstr(json, "inf"));
        jm_free(json);
        jm_figure_free(figure);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_other_objectives),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_numbers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
