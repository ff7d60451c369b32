/* Energy and time of a training after some of its epochs. */
#include "helpers.h"

static jm_forecast forecast(const jm_run *epochs, size_t done, size_t total,
                            const jm_forecast_options *options) {
    jm_forecast f = {.size = sizeof f};
    jm_error error = {0};
    int status = jm_forecast_epochs(epochs, done, total, options, &f, &error);
    if (status != JM_OK) print_error("%s\n", error.message);
    assert_int_equal(status, JM_OK);
    return f;
}

static void check(const jm_forecast *f) {
    assert_true(f->energy_lower_j <= f->energy_j && f->energy_j <= f->energy_upper_j);
    assert_true(f->time_lower_s <= f->time_s && f->time_s <= f->time_upper_s);
    assert_true(f->energy_j >= f->energy_done_j && f->time_s >= f->time_done_s);
    assert_true(f->time_lower_s >= f->time_done_s && f->energy_lower_j >= 0);
}

/* Four epochs of 98, 99, 101 and 102 J: mean 100, standard deviation sqrt(10/3). */
static void by_hand(void **state) {
    (void)state;
    jm_run epochs[] = {{99, 0, 0, 10}, {102, 0, 0, 10}, {98, 0, 0, 10}, {101, 0, 0, 10}};
    jm_forecast f = forecast(epochs, 4, 20, NULL);
    check(&f);
    assert_int_equal(f.flags, 0);
    close_to(f.energy_j, 2000, 1e-9, "energy");
    close_to(f.energy_done_j, 400, 1e-9, "done");
    double half = 3.182446305 * sqrt(10.0 / 3) * sqrt(16 + 16 * 16 / 4.0);
    close_to(f.energy_upper_j, 2000 + half, 1e-6, "upper");
    close_to(f.energy_lower_j, 2000 - half, 1e-6, "lower");
    close_to(f.time_s, 200, 1e-9, "time");
    close_to(f.time_lower_s, 200, 1e-9, "which does not spread");
}

static void never_narrower_than_the_gain(void **state) {
    (void)state;
    jm_run epochs[10];
    for (int i = 0; i < 10; i++) epochs[i] = (jm_run){100, 0, 3, 10};
    jm_forecast f = forecast(epochs, 10, 100, NULL);
    close_to(f.u_systematic_j, 300, 1e-9, "3 %");
    close_to(f.energy_upper_j, 10000 + 1.959964 * 300, 1e-3, "upper");
    f = forecast(epochs, 10, 10, NULL); /* all is done: the measurement's own is left */
    close_to(f.energy_j, 1000, 1e-9, "energy");
    close_to(f.energy_lower_j, 1000 - 1.959964 * 30, 1e-4, "lower");
    assert_true(f.time_lower_s == 100 && f.time_upper_s == 100 && f.flags == 0);
    for (int i = 0; i < 10; i++) epochs[i].u_random_j = 2;
    f = forecast(epochs, 10, 10, NULL);
    close_to(f.energy_upper_j, 1000 + 1.959964 * hypot(30, 2 * sqrt(10)), 1e-4, "random part");
}

static void few_epochs(void **state) {
    (void)state;
    jm_run epochs[] = {{100, 0, 3, 10}, {104, 0, 3, 10}, {102, 0, 3, 10}};
    for (size_t done = 1; done <= 2; done++) {
        jm_forecast f = forecast(epochs, done, 50, NULL);
        assert_int_equal(f.flags, JM_FORECAST_FEW);
        assert_true(isnan(f.energy_lower_j) && isnan(f.energy_upper_j));
        assert_true(isnan(f.time_lower_s) && isnan(f.time_upper_s));
        close_to(f.energy_j, done == 1 ? 5000 : 5100, 1e-9, "energy");
    }
    jm_forecast f = forecast(epochs, 3, 50, NULL);
    check(&f);
    assert_int_equal(f.flags, 0);
    f = forecast(epochs, 1, 1, NULL);
    check(&f);
    assert_int_equal(f.flags, 0); /* nothing is left to be foretold */
}

static void the_first_epoch_warms_up(void **state) {
    (void)state;
    jm_run epochs[12];
    for (int i = 0; i < 12; i++)
        epochs[i] = (jm_run){i == 0 ? 160 : 100 + sin(i * 2.4), 0, 0, i == 0 ? 15 : 10};
    jm_forecast f = forecast(epochs, 12, 112, NULL);
    check(&f);
    assert_int_equal(f.flags, JM_FORECAST_WARMUP);
    close_to(f.energy_j, 160 + 111 * 100, 60, "counted once, not extrapolated");
    close_to(f.time_s, 15 + 1110, 1e-9, "time likewise");
    assert_true(f.energy_upper_j - f.energy_lower_j < 200);
    jm_forecast_options options = JM_FORECAST_OPTIONS_INIT;
    options.warmup = JM_WARMUP_NONE;
    f = forecast(epochs, 12, 112, &options);
    assert_false(f.flags & JM_FORECAST_WARMUP);
    assert_true(f.energy_j > 11500);
    f = forecast(epochs, 2, 112, NULL); /* a tenth more is taken for a difference */
    assert_int_equal(f.flags, JM_FORECAST_WARMUP | JM_FORECAST_FEW);
    close_to(f.energy_j, 160 + 111 * epochs[1].energy_j, 1e-9, "the second epoch is believed");
}

static void a_first_epoch_as_the_others(void **state) {
    (void)state;
    jm_run epochs[12];
    for (int i = 0; i < 12; i++) epochs[i] = (jm_run){100 + 3 * sin(i * 2.4), 0, 0, 10};
    assert_int_equal(forecast(epochs, 12, 50, NULL).flags, 0);
    jm_forecast_options options = JM_FORECAST_OPTIONS_INIT;
    options.warmup = JM_WARMUP_FIRST;
    assert_int_equal(forecast(epochs, 12, 50, &options).flags, JM_FORECAST_WARMUP);
    assert_int_equal(forecast(epochs, 1, 50, &options).flags, JM_FORECAST_FEW);
}

static void a_trend_goes_on_or_ends(void **state) {
    (void)state;
    jm_run epochs[20];
    for (int i = 0; i < 20; i++)
        epochs[i] = (jm_run){100 + i + 0.2 * sin(i * 2.4), 0, 0, 10 + 0.01 * i};
    jm_forecast f = forecast(epochs, 20, 40, NULL);
    check(&f);
    assert_int_equal(f.flags, JM_FORECAST_ENERGY_TREND | JM_FORECAST_TIME_TREND);
    double whole = 40 * 100 + 39 * 40 / 2.0;
    close_to(f.energy_j, whole, 10, "as long again as it was seen");
    assert_true(f.energy_upper_j > whole);
    double ends = 20 * 100 + 19 * 20 / 2.0 + 20 * 119;
    assert_true(f.energy_lower_j < ends && f.energy_lower_j > ends - 50);
    f = forecast(epochs, 20, 200, NULL); /* then it is not believed any more, but possible */
    check(&f);
    assert_true(f.energy_j < 200 * 145 && f.energy_upper_j > 200 * 100 + 199 * 200 / 2.0);
}

static void a_board_that_has_warmed_up(void **state) {
    (void)state;
    jm_run epochs[20];
    for (int i = 0; i < 20; i++)
        epochs[i] = (jm_run){(i < 8 ? 90 + 1.25 * i : 100) + 0.3 * sin(i * 2.4), 0, 0, 10};
    jm_forecast f = forecast(epochs, 20, 100, NULL);
    check(&f);
    assert_true(f.flags & JM_FORECAST_ENERGY_TREND);
    close_to(f.energy_j, f.energy_done_j + 80 * 100, 15, "it stays");
}

static void a_fall_ends_at_what_was_spent(void **state) {
    (void)state;
    jm_run epochs[10];
    for (int i = 0; i < 10; i++) epochs[i] = (jm_run){100 - 9.9 * i, 0, 0, 100 - 9.9 * i};
    jm_forecast f = forecast(epochs, 10, 1000, NULL);
    check(&f);
    assert_true(f.energy_lower_j >= f.energy_done_j);
}

static void wrong_epochs(void **state) {
    (void)state;
    jm_run epochs[] = {{100, 0, 3, 10}, {NAN, 0, 3, 10}};
    jm_forecast f = {.size = sizeof f};
    jm_error error;
    assert_int_equal(jm_forecast_epochs(epochs, 2, 5, NULL, &f, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "epoch 1"));
    assert_int_equal(jm_forecast_epochs(epochs, 1, 0, NULL, &f, &error), JM_INVALID);
    assert_int_equal(jm_forecast_epochs(NULL, 1, 5, NULL, &f, NULL), JM_INVALID);
    assert_int_equal(jm_forecast_epochs(epochs, 0, 5, NULL, &f, NULL), JM_INVALID);
    assert_int_equal(jm_forecast_epochs(epochs, 1, 5, NULL, NULL, NULL), JM_INVALID);
    jm_forecast_options options = JM_FORECAST_OPTIONS_INIT;
    options.warmup = (jm_warmup)7;
    assert_int_equal(jm_forecast_epochs(epochs, 1, 5, &options, &f, NULL), JM_INVALID);
    options.warmup = JM_WARMUP_AUTO;
    options.level = 2;
    assert_int_equal(jm_forecast_epochs(epochs, 1, 5, &options, &f, NULL), JM_INVALID);
    f.size = 0;
    assert_int_equal(jm_forecast_epochs(epochs, 1, 5, NULL, &f, NULL), JM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(never_narrower_than_the_gain),
        cmocka_unit_test(few_epochs),
        cmocka_unit_test(the_first_epoch_warms_up),
        cmocka_unit_test(a_first_epoch_as_the_others),
        cmocka_unit_test(a_trend_goes_on_or_ends),
        cmocka_unit_test(a_board_that_has_warmed_up),
        cmocka_unit_test(a_fall_ends_at_what_was_spent),
        cmocka_unit_test(wrong_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
