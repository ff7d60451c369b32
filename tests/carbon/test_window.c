/* A series of intensities over the power curve of a recording. */
#include "carbon.h"
#include "record/recording.h"

#define T0       INT64_C(7000000000000)
#define MIDNIGHT INT64_C(1709251200000000000) /* 2024-03-01T00:00Z */
#define HOUR     INT64_C(3600000000000)

static double watts(int64_t second) {
    return 120 + 80 * sin((double)second / 5000) + 3 * (double)(second % 7);
}

static double grams(int hour) {
    return 60 + 13.7 * ((hour * 5 + 55) % 11);
}

/* Cells of `step_s` from midnight, each with the power of its end: reading i saw (i - 1, i]. */
static jm_recording *record(int64_t seconds, int64_t step_s) {
    jm_recording *recording = NULL;
    jm_error error = {0};
    ok(jm_recording_new(&recording, &error), &error);
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "",
                        .model = "",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true};
    jm_sensor sensor = {.size = sizeof sensor,
                        .quantity = JM_QUANTITY_POWER,
                        .source = "test",
                        .refresh_ns = (uint64_t)(step_s * JMI_NS_PER_S),
                        .window_ns = (uint64_t)(step_s * JMI_NS_PER_S)};
    ok(jm_recording_add_device(recording, &device, NULL, &error), &error);
    ok(jm_recording_add_sensor(recording, &sensor, NULL, &error), &error);
    for (int64_t s = 0; s <= seconds; s += step_s) {
        int64_t t = T0 + s * JMI_NS_PER_S;
        double value = watts(s);
        uint32_t since = 1;
        uint8_t flags = JM_SAMPLE_CHANGED;
        jm_samples block = {1, &t, &value, &since, &flags, {0}};
        ok(jm_recording_add_samples(recording, 0, &block, &error), &error);
    }
    recording->utc_offset_ns = MIDNIGHT - T0;
    return recording;
}

static jm_grid *hourly(int from, int to, int without) {
    jmi_text csv = {0};
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_grid *grid = NULL;
    jm_error error = {0};
    options.pue = 1.2;
    options.no_zone = true;
    jmi_text_add(&csv, "time,intensity\n");
    for (int h = from; h < to; h++)
        if (h != without)
            jmi_text_add(&csv, "%lld,%.17g\n", (long long)(MIDNIGHT / JMI_NS_PER_S + 3600 * h),
                         grams(h));
    ok(jm_grid_parse(&grid, csv.data, csv.length, "day", &options, &error), &error);
    jmi_text_free(&csv);
    return grid;
}

static jm_carbon carbon_of(const jm_grid *grid, const jm_recording *recording, int64_t from_s,
                           int64_t to_s, jm_energy *e) {
    jm_carbon c = {.size = sizeof c};
    jm_error error = {0};
    ok(jm_carbon_window(grid, recording, JM_DEVICE_TOTAL, T0 + from_s * JMI_NS_PER_S,
                        T0 + to_s * JMI_NS_PER_S, NULL, &c, e, &error),
       &error);
    return c;
}

/* Joules and grams of whole cells in (from, to]. */
static void integrate(int64_t from, int64_t to, int64_t step, double *joules, double *g) {
    long double j = 0, sum = 0;
    for (int64_t s = from + step; s <= to; s += step) {
        j += (long double)watts(s) * (long double)step;
        sum += (long double)watts(s) * (long double)step * grams((int)((s - step) / 3600));
    }
    *joules = (double)j;
    *g = (double)(sum * 1.2L / 3.6e6L);
}

static void a_day_by_the_hour(void **state) {
    (void)state;
    jm_recording *recording = record(86400, 1);
    jm_grid *grid = hourly(-2, 26, -99);
    static const int64_t windows[][2] = {{0, 86400}, {1, 86399}, {3599, 3601}, {100, 90 * 60}};
    for (size_t i = 0; i < JMI_COUNT(windows); i++) {
        double joules, g;
        jm_energy e;
        jm_carbon c = carbon_of(grid, recording, windows[i][0], windows[i][1], &e);
        integrate(windows[i][0], windows[i][1], 1, &joules, &g);
        NEAR(e.energy_j, joules, 1e-9);
        NEAR(c.g, g, 1e-9);
        NEAR(c.covered, 1, 0);
        NEAR(c.intensity_u, 0, 0);
        NEAR(c.g, c.facility_j / 3.6e6 * c.intensity_g, 1e-12);
        assert_true(c.lower_g <= c.g && c.g <= c.upper_g);
    }
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void hours_that_are_missing(void **state) {
    (void)state;
    jm_recording *recording = record(4 * 3600, 1);
    jm_grid *grid = hourly(0, 4, 1), *whole = hourly(0, 4, -99);
    jm_energy e, second;
    jm_carbon c = carbon_of(grid, recording, 0, 4 * 3600, &e);
    jm_carbon all = carbon_of(whole, recording, 0, 4 * 3600, NULL);
    carbon_of(whole, recording, 3600, 2 * 3600, &second);
    NEAR(c.covered, 1 - second.energy_j / e.energy_j, 1e-9);
    double low = fmin(grams(0), fmin(grams(2), grams(3)));
    double high = fmax(grams(0), fmax(grams(2), grams(3)));
    double mean = (grams(0) + grams(2) + grams(3)) / 3, off = (high + low) / 2 - mean;
    double u = fmax(sqrt((high - low) * (high - low) / 12 + off * off), 0.25 * mean);
    NEAR(c.intensity_u, (1 - c.covered) * u / c.intensity_g, 1e-9);
    assert_true(c.lower_g < all.g && all.g < c.upper_g);
    /* even if the missing hour was the least or the most of all */
    double known = (1 - c.covered) * e.energy_j / 3.6e6 * 1.2;
    assert_true(c.lower_g <= c.g - known * (mean - low) * 0.999);
    assert_true(c.upper_g >= c.g + known * (high - mean) * 0.999);
    jm_grid_free(grid);
    jm_grid_free(whole);
    jm_recording_free(recording);
}

/* One row says nothing of the hours that it does not cover, though its own range is none. */
static void a_series_of_little(void **state) {
    (void)state;
    jm_recording *recording = record(4 * 3600, 1);
    jm_grid *grid = hourly(1, 2, -99);
    jm_energy e, second;
    jm_carbon c = carbon_of(grid, recording, 0, 4 * 3600, &e);
    carbon_of(grid, recording, 3600, 2 * 3600, &second);
    NEAR(c.covered, second.energy_j / e.energy_j, 1e-9);
    NEAR(c.intensity_g, grams(1), 1e-12);
    NEAR(c.intensity_u, 0.25 * (1 - c.covered), 1e-9);
    assert_true(c.upper_g > 1.3 * c.g);
    jm_carbon any = {.size = sizeof any}; /* an energy of no known time */
    ok(jm_carbon_of(grid, &e, &any, NULL), NULL);
    NEAR(any.intensity_u, 0.25, 1e-12);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

/* What the series has of the time may be its least: the rest gets the mean of all of it. */
static void gaps_get_the_mean_of_the_series(void **state) {
    (void)state;
    jm_recording *recording = record(4 * 3600, 1);
    jm_grid *grid = hourly(-8, 1, -99);
    jm_energy e, first;
    double sum = 0;
    jm_carbon c = carbon_of(grid, recording, 0, 4 * 3600, &e);
    carbon_of(grid, recording, 0, 3600, &first);
    for (int h = -8; h < 1; h++) sum += grams(h);
    double share = first.energy_j / e.energy_j;
    NEAR(c.intensity_g, share * grams(0) + (1 - share) * sum / 9, 1e-9);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void another_day_is_an_error(void **state) {
    (void)state;
    jm_recording *recording = record(3600, 1);
    jm_grid *grid = hourly(30, 40, -99);
    jm_carbon c = {.size = sizeof c};
    jm_error error = {0};
    int status =
        jm_carbon_window(grid, recording, JM_DEVICE_TOTAL, T0, T0 + HOUR, NULL, &c, NULL, &error);
    assert_int_equal(status, JM_NO_DATA);
    says(&error, "2024-03-02T06:00Z to 2024-03-02T16:00Z");
    says(&error, "2024-03-01T00:00Z to 2024-03-01T01:00Z");
    assert_int_equal(jm_carbon_window(grid, recording, 7, T0, T0 + HOUR, NULL, &c, NULL, &error),
                     JM_NOT_FOUND);
    assert_int_equal(
        jm_carbon_window(grid, recording, 0, INT64_MIN, INT64_MAX, NULL, &c, NULL, &error),
        JM_INVALID);
    assert_int_equal(jm_carbon_window(NULL, NULL, 0, 0, 1, NULL, NULL, NULL, &error), JM_INVALID);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void a_window_without_length(void **state) {
    (void)state;
    jm_recording *recording = record(3600, 1);
    jm_grid *grid = hourly(0, 2, -99);
    jm_carbon c = {.size = sizeof c};
    jm_error error = {0};
    int status = jm_carbon_window(grid, recording, 0, T0 + 5, T0 + 5, NULL, &c, NULL, &error);
    if (status == JM_OK) assert_true(isnan(c.g) || c.g == 0);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_day_by_the_hour),
                                       cmocka_unit_test(hours_that_are_missing),
                                       cmocka_unit_test(a_series_of_little),
                                       cmocka_unit_test(gaps_get_the_mean_of_the_series),
                                       cmocka_unit_test(another_day_is_an_error),
                                       cmocka_unit_test(a_window_without_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
