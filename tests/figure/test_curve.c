/* Curves: what readings and counters become, smoothed, differentiated and thinned out. */
#include "chance.h"
#include "figure/curve.h"
#include "look.h"

static void put(jm_recording *recording, uint32_t sensor, double t_s, double value, uint8_t flags,
                double since_s) {
    jm_error error = {0};
    int64_t t = FIXTURE_T0 + llround(t_s * 1e9);
    uint32_t since = (uint32_t)llround(since_s * 1e9);
    jm_samples one = {1, &t, &value, &since, &flags, {NULL}};
    fixture_ok(jm_recording_add_samples(recording, sensor, &one, &error), &error);
}

static jm_recording *with_sensor(jm_quantity quantity, uint32_t *sensor) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    *sensor = fixture_sensor(recording, gpu, quantity, "x", false);
    return recording;
}

static jmi_curve read_curve(const jm_recording *recording, uint32_t sensor, bool from_counter) {
    jmi_curve curve;
    jm_error error = {0};
    fixture_ok(jmi_curve_read(&curve, recording, sensor, from_counter, &error), &error);
    return curve;
}

static void same(const jmi_curve *curve, size_t count, const double (*rows)[2]) {
    assert_int_equal(curve->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_near(curve->t_s[i], rows[i][0]);
        if (isnan(rows[i][1]))
            assert_true(isnan(curve->value[i]));
        else
            assert_near(curve->value[i], rows[i][1]);
    }
}

static void gaps_and_failures_hold_nothing(void **state) {
    (void)state;
    uint32_t sensor;
    jm_recording *recording = with_sensor(JM_QUANTITY_POWER, &sensor);
    put(recording, sensor, 0, 100, JM_SAMPLE_CHANGED, 0);
    put(recording, sensor, 1, 0, JM_SAMPLE_MISSING, 0.1);
    put(recording, sensor, 2, 120, JM_SAMPLE_CHANGED, 0.1);
    put(recording, sensor, 9, 130, JM_SAMPLE_GAP, 4); /* the last poll before was at 5 s */
    put(recording, sensor, 10, 140, JM_SAMPLE_CHANGED, 0.1);
    jmi_curve curve = read_curve(recording, sensor, false);
    same(&curve, 6,
         (const double[][2]){{0, 100}, {1, NAN}, {2, 120}, {5, NAN}, {9, 130}, {10, 140}});
    assert_near(curve.end_s, 10);
    assert_int_equal(jmi_curve_at(&curve, 4.9, SIZE_MAX), 2);
    assert_int_equal(jmi_curve_at(&curve, 9.5, 2), 4);
    jmi_curve_free(&curve);
    jm_recording_free(recording);
}

static void a_counter_shows_power_between_its_changes(void **state) {
    (void)state;
    uint32_t sensor;
    jm_recording *recording = with_sensor(JM_QUANTITY_ENERGY, &sensor);
    put(recording, sensor, 0, 0, JM_SAMPLE_CHANGED, 0);
    put(recording, sensor, 1, 0, 0, 1); /* has not ticked yet: no 0 W */
    put(recording, sensor, 2, 100, JM_SAMPLE_CHANGED, 1);
    put(recording, sensor, 3, 400, JM_SAMPLE_CHANGED, 1);
    put(recording, sensor, 4, 400, JM_SAMPLE_RESET, 1);
    put(recording, sensor, 5, 410, JM_SAMPLE_CHANGED, 1);
    jmi_curve curve = read_curve(recording, sensor, true);
    same(&curve, 5, (const double[][2]){{0, 50}, {2, 300}, {3, NAN}, {4, 10}, {5, NAN}});
    jmi_curve_free(&curve);
    jm_recording_free(recording);
}

static void smoothing_is_a_mean_that_crosses_no_gap(void **state) {
    (void)state;
    double t[] = {0, 1, 2, 3, 4, 5, 6}, v[] = {1, 2, 6, 9, NAN, 5, 7};
    const jmi_curve rough = {t, v, 7, 7, 7, 0};
    jmi_curve smooth;
    assert_true(jmi_curve_smooth(&smooth, &rough, 3));
    same(&smooth, 7,
         (const double[][2]){{0, 1.5}, {1, 3}, {2, 17 / 3.0}, {3, 7.5}, {4, NAN}, {5, 6}, {6, 6}});
    jmi_curve_free(&smooth);
    assert_true(jmi_curve_smooth(&smooth, &rough, 1));
    for (size_t i = 0; i < 7; i++)
        assert_true(smooth.value[i] == v[i] || (isnan(v[i]) && isnan(smooth.value[i])));
    jmi_curve_free(&smooth);
    assert_true(jmi_curve_smooth(&smooth, &rough, 100000));
    for (size_t i = 0; i < 4; i++) assert_near(smooth.value[i], 4.5);
    jmi_curve_free(&smooth);
}

/* Against sums that begin anew for every value, over lengths where the sum moves on in parts. */
static void smoothing_does_not_drift(void **state) {
    (void)state;
    enum { N = 20000, MEAN = 37 };
    double *t = malloc(N * sizeof *t), *v = malloc(N * sizeof *v);
    chance_state = 5;
    for (int i = 0; i < N; i++) t[i] = i, v[i] = i == 7000 ? 1e15 : chance(1000);
    const jmi_curve rough = {t, v, N, N, N, 0};
    jmi_curve smooth;
    assert_true(jmi_curve_smooth(&smooth, &rough, MEAN));
    for (int i = 0; i < N; i += 7) {
        int from = i < MEAN / 2 ? 0 : i - MEAN / 2,
            to = i + MEAN / 2 + 1 < N ? i + MEAN / 2 + 1 : N;
        double sum = 0;
        for (int k = from; k < to; k++) sum += v[k];
        if (i > 7000 + MEAN && i < 8193) continue; /* what 1e15 rounded off is gone with the part */
        assert_true(fabs(smooth.value[i] - sum / (to - from)) <= 1e-9 * fmax(1, sum));
    }
    jmi_curve_free(&smooth);
    free(t);
    free(v);
}

static void change_is_between_refreshes(void **state) {
    (void)state;
    /* Polled ten times a refresh: 100 W, from 0.3 s on 150 W, seen at a refresh. */
    double t[100], v[100];
    for (int i = 0; i < 100; i++) {
        t[i] = 0.01 * i + 0.001;
        v[i] = i < 30 ? 100 : 150;
    }
    const jmi_curve curve = {t, v, 100, 100, 1, 0.1};
    jmi_curve change;
    assert_true(jmi_curve_derive(&change, &curve));
    assert_int_equal(change.count, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_near(change.value[i], i == 2 ? 500 : 0);
        assert_near(change.t_s[i], 0.141 + 0.1 * (double)i);
    }
    jmi_curve_free(&change);
}

static void change_is_not_known_over_missing_refreshes(void **state) {
    (void)state;
    double t[] = {0.05, 0.15, 0.25, 5.05, 5.15, 5.25, 5.35}, v[] = {1, 2, 3, 90, 91, NAN, 94};
    const jmi_curve curve = {t, v, 7, 7, 6, 0.1};
    jmi_curve change;
    assert_true(jmi_curve_derive(&change, &curve));
    same(&change, 5,
         (const double[][2]){{0.1, 10}, {0.2, 10}, {0.25, NAN}, {5.1, 10}, {5.15, NAN}});
    jmi_curve_free(&change);
}

/* ---- thinning ---- */

static jm_figure *drawn(const jmi_curve *curve, size_t pixels, jm_mark_kind kind) {
    jm_figure *figure = jmi_figure_new("x", "x");
    jmi_curve_draw(curve, pixels, jmi_figure_add(figure, kind, "", 0, 0, false));
    return figure;
}

/* Each pixel shows the same first, last, lowest and highest value. */
static void thinning_keeps_what_a_pixel_shows(void **state) {
    (void)state;
    enum { N = 50000, PIXELS = 120 };
    double *t = malloc(N * sizeof *t), *v = malloc(N * sizeof *v);
    chance_state = 3;
    for (int i = 0; i < N; i++) {
        t[i] = i * 0.01 + chance(100) * 1e-4;
        v[i] = chance(500) == 0 ? chance(100000) : chance(400);
    }
    const jmi_curve curve = {t, v, N, N, 500, 0};
    jm_figure *figure = drawn(&curve, PIXELS, JM_MARK_LINE);
    jm_figure_mark mark = mark_of(figure, JM_MARK_LINE, 0);
    assert_in_range(mark.count, 3 * PIXELS, 4 * PIXELS);
    size_t at = 0, k = 0;
    for (int pixel = 0; pixel < PIXELS; pixel++) {
        double end = 500.0 / PIXELS * (pixel + 1), low = INFINITY, high = -INFINITY;
        double shown_low = INFINITY, shown_high = -INFINITY;
        size_t first = at, shown_first = k;
        for (; at < N && t[at] < end; at++) low = fmin(low, v[at]), high = fmax(high, v[at]);
        for (; k < mark.count && mark.x[k] < end; k++)
            shown_low = fmin(shown_low, mark.y[k]), shown_high = fmax(shown_high, mark.y[k]);
        assert_true(low == shown_low && high == shown_high);
        assert_true(mark.x[shown_first] == t[first] && mark.y[shown_first] == v[first]);
        assert_true(mark.x[k - 1] == t[at - 1] && mark.y[k - 1] == v[at - 1]);
    }
    jm_figure_free(figure);
    figure = drawn(&curve, 0, JM_MARK_LINE);
    assert_int_equal(mark_of(figure, JM_MARK_LINE, 0).count, N);
    jm_figure_free(figure);
    free(t);
    free(v);
}

static void gaps_stay_gaps(void **state) {
    (void)state;
    enum { N = 10000 };
    double *t = malloc(N * sizeof *t), *v = malloc(N * sizeof *v);
    for (int i = 0; i < N; i++) t[i] = i * 0.001, v[i] = i % 2 ? (double)NAN : 100;
    const jmi_curve every = {t, v, N, N, 10, 0};
    jm_figure *figure = drawn(&every, 50, JM_MARK_STEP);
    assert_in_range(mark_of(figure, JM_MARK_STEP, 0).count, 100, 5 * 50 + 1);
    jm_figure_free(figure);
    for (int i = 0; i < N; i++) v[i] = i == 5000 ? (double)NAN : 100;
    figure = drawn(&every, 50, JM_MARK_STEP);
    jm_figure_mark mark = mark_of(figure, JM_MARK_STEP, 0);
    size_t gaps = 0;
    for (size_t i = 0; i < mark.count; i++)
        if (isnan(mark.y[i])) {
            gaps++;
            assert_near(mark.x[i], 5);
        }
    assert_int_equal(gaps, 1);
    assert_near(mark.x[mark.count - 1], 10); /* a step goes on to the end */
    jm_figure_free(figure);
    free(t);
    free(v);
}

/* A pixel with a short gap in it and a long one that goes on over others. */
static void a_second_gap_in_a_pixel_stays_one(void **state) {
    (void)state;
    double t[] = {0, 1, 2, 3, 4, 5, 6, 60, 70}, gap = (double)NAN;
    double v[] = {1, gap, 2, 3, gap, 4, gap, 5, 6};
    const jmi_curve curve = {.t_s = t, .value = v, .count = 9, .end_s = 100};
    jm_figure *figure = drawn(&curve, 10, JM_MARK_STEP);
    jm_figure_mark mark = mark_of(figure, JM_MARK_STEP, 0);
    double held = 0;
    for (size_t i = 0; i < mark.count; i++)
        if (mark.x[i] <= 30) held = mark.y[i];
    assert_true(isnan(held));
    for (size_t i = 1; i < mark.count; i++) assert_true(mark.x[i] >= mark.x[i - 1]);
    jm_figure_free(figure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_and_failures_hold_nothing),
        cmocka_unit_test(a_counter_shows_power_between_its_changes),
        cmocka_unit_test(smoothing_is_a_mean_that_crosses_no_gap),
        cmocka_unit_test(smoothing_does_not_drift),
        cmocka_unit_test(change_is_between_refreshes),
        cmocka_unit_test(change_is_not_known_over_missing_refreshes),
        cmocka_unit_test(thinning_keeps_what_a_pixel_shows),
        cmocka_unit_test(gaps_stay_gaps),
        cmocka_unit_test(a_second_gap_in_a_pixel_stays_one),
    };
    return cmocka_run_group_tests_name("figure: curve", tests, NULL, NULL);
}
