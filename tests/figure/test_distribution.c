/* Distributions: against sorting all values, for numbers and shapes of all kinds. */
#include "chance.h"
#include "figure/distribution.h"
#include "look.h"

typedef struct weighed {
    double value, weight;
} weighed;

static int by_value(const void *left, const void *right) {
    const weighed *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

/* All values of a curve that hold in [from, to), sorted. */
static size_t sorted(const jmi_curve *curve, double from, double to, weighed *out) {
    size_t count = 0;
    for (size_t i = 0; i < curve->count; i++) {
        double begin = fmax(curve->t_s[i], from), end = fmin(jmi_curve_until(curve, i), to);
        if (!isnan(curve->value[i]) && end > begin)
            out[count++] = (weighed){curve->value[i], end - begin};
    }
    qsort(out, count, sizeof *out, by_value);
    return count;
}

static double quantile(const weighed *values, size_t count, double share) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++) total += values[i].weight;
    for (size_t i = 0; i < count; i++) {
        sum += values[i].weight;
        if (sum >= share * total * (1 - 1e-9)) return values[i].value;
    }
    return values[count - 1].value;
}

static double shape(int kind, int i) {
    switch (kind) {
    case 0: return chance(1000) / 10.0;
    case 1: return chance(3);                                             /* few values */
    case 2: return chance(1000) == 0 ? 1e9 : 60 + chance(1000000) * 1e-9; /* all in one bin */
    case 3: return i;                                                     /* all different */
    case 4: return -5;                                                    /* all alike */
    case 5: return chance(9) == 0 ? (double)NAN : -50 + chance(100);
    default: return exp(chance(1000) / 50.0);
    }
}

static void check_draw(const jmi_distribution *d, const weighed *values, size_t count) {
    jm_figure *figure = jmi_figure_new("x", "x");
    jmi_distribution_draw(d, 200, jmi_figure_add(figure, JM_MARK_STEP, "", 0, 0, false));
    jm_figure_mark step = mark_of(figure, JM_MARK_STEP, 0);
    assert_true(step.count >= 2 && step.count <= 2 * 200 + 3);
    assert_true(step.y[0] == 0 && step.y[step.count - 1] == 1);
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++) total += values[i].weight;
    for (size_t k = 1, i = 0; k < step.count; k++) {
        assert_true(step.x[k] >= step.x[k - 1] && step.y[k] >= step.y[k - 1]);
        while (i < count && values[i].value <= step.x[k]) sum += values[i++].weight;
        assert_true(fabs(step.y[k] - sum / total) < 1e-9);
    }
    jm_figure_free(figure);
}

static void check_box(const jmi_distribution *d, const weighed *values, size_t count) {
    jmi_box box;
    jm_error error = {0};
    fixture_ok(jmi_distribution_box(d, &box, &error), &error);
    double reach = 1.5 * (box.q3 - box.q1), low = box.q1, high = box.q3;
    assert_true(box.q1 == quantile(values, count, 0.25) && box.q3 == quantile(values, count, 0.75));
    assert_true(box.median == quantile(values, count, 0.5));
    for (size_t i = 0; i < count; i++) {
        if (values[i].value >= box.q1 - reach) low = fmin(low, values[i].value);
        if (values[i].value <= box.q3 + reach) high = fmax(high, values[i].value);
    }
    assert_true(box.low == low && box.high == high);
    jm_figure *figure = jmi_figure_new("x", "x");
    jmi_distribution_outliers(d, &box, 3, 100,
                              jmi_figure_add(figure, JM_MARK_POINT, "", 0, 0, false));
    jm_figure_mark far = mark_of(figure, JM_MARK_POINT, 0);
    bool any = values[0].value < low || values[count - 1].value > high;
    assert_true((far.count > 0) == any && far.count <= 2 * 102);
    for (size_t i = 0; i < far.count; i++)
        assert_true((far.x[i] < low || far.x[i] > high) && far.y[i] == 3);
    jm_figure_free(figure);
}

static void check_hist(const jmi_distribution *d, const weighed *values, size_t count) {
    double time_s[23], sums[23] = {0};
    jmi_distribution_count(d, d->min, d->max, time_s, 23);
    for (size_t i = 0; i < count; i++) {
        double at = d->max > d->min ? (values[i].value - d->min) / (d->max - d->min) * 23 : 0;
        sums[at < 22 ? (size_t)at : 22] += values[i].weight;
    }
    for (int i = 0; i < 23; i++) assert_true(fabs(time_s[i] - sums[i]) < 1e-9 * d->total_s);
}

static void like_sorting(void **state) {
    (void)state;
    enum { N = 3000 };
    static double t[N], v[N];
    static weighed values[N];
    for (int round = 0; round < 210; round++) {
        chance_state = (uint64_t)round;
        size_t n = (size_t)(round < 70 ? 1 + chance(6) : 1 + chance(N));
        double at = 0;
        for (size_t i = 0; i < n; i++) {
            t[i] = at;
            v[i] = shape(round % 7, (int)i);
            at += (1 + chance(100)) * 0.001;
        }
        const jmi_curve curve = {t, v, n, n, at, 0};
        double from = chance(2) ? 0 : at * 0.3, to = chance(2) ? at : at * 0.8;
        const jmi_stretch stretch = {&curve, from, to};
        size_t count = sorted(&curve, from, to, values);
        jmi_distribution d;
        jm_error error = {0};
        int status = jmi_distribution_make(&d, &stretch, 1, &error);
        if (count == 0) {
            assert_int_equal(status, JM_NO_DATA);
            continue;
        }
        fixture_ok(status, &error);
        assert_int_equal(d.count, count);
        assert_true(d.min == values[0].value && d.max == values[count - 1].value);
        double shares[] = {0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.999, 1}, found[8];
        fixture_ok(jmi_distribution_quantiles(&d, shares, 8, found, &error), &error);
        for (int k = 0; k < 8; k++)
            assert_true(found[k] == quantile(values, count, shares[k]) ||
                        (k == 7 && found[k] == d.max));
        check_draw(&d, values, count);
        check_box(&d, values, count);
        check_hist(&d, values, count);
        jmi_distribution_free(&d);
    }
}

static void stretches_add_up(void **state) {
    (void)state;
    double t[] = {0, 1, 2, 3}, v[] = {10, 20, 30, 40};
    const jmi_curve curve = {t, v, 4, 4, 4, 0};
    const jmi_stretch parts[] = {{&curve, 0.5, 1.25}, {&curve, 3.5, 4}};
    jmi_distribution d;
    assert_int_equal(jmi_distribution_make(&d, parts, 2, NULL), JM_OK);
    assert_near(d.total_s, 1.25);
    assert_near(d.mean, (10 * 0.5 + 20 * 0.25 + 40 * 0.5) / 1.25);
    double found[2];
    assert_int_equal(jmi_distribution_quantiles(&d, (const double[]){0.4, 0.41}, 2, found, NULL),
                     JM_OK);
    assert_true(found[0] == 10 && found[1] == 20);
    jmi_distribution_free(&d);
}

/* A reading at the very end holds for no time: it counts all the same if there is nothing else. */
static void a_single_reading_counts(void **state) {
    (void)state;
    double t[] = {2}, v[] = {7};
    const jmi_curve curve = {t, v, 1, 1, 2, 0};
    const jmi_stretch all = {&curve, 0, 2};
    jmi_distribution d;
    assert_int_equal(jmi_distribution_make(&d, &all, 1, NULL), JM_OK);
    assert_true(d.min == 7 && d.max == 7 && d.total_s == 1);
    jmi_distribution_free(&d);
}

/* numpy.histogram_bin_edges(values, "fd"): 21 bins of these. */
static void bins_are_those_of_freedman_and_diaconis(void **state) {
    (void)state;
    enum { N = 1000 };
    static double t[N], v[N];
    for (int i = 0; i < N; i++) t[i] = i, v[i] = (i * 7919 % 1000) * (i % 2 ? 1.0 : 0.5);
    const jmi_curve curve = {t, v, N, N, N, 0};
    const jmi_stretch all = {&curve, 0, N};
    jmi_distribution d;
    double q[2];
    assert_int_equal(jmi_distribution_make(&d, &all, 1, NULL), JM_OK);
    jmi_distribution_quantiles(&d, (const double[]){0.25, 0.75}, 2, q, NULL);
    double width = 2 * (q[1] - q[0]) / 10; /* cube root of 1000 */
    assert_int_equal(jmi_distribution_bins(&d, q[0], q[1]),
                     (size_t)ceil(fmax(d.max / width, log2(N) + 1)));
    assert_int_equal(jmi_distribution_bins(&d, 5, 5), 11); /* Sturges */
    assert_int_equal(jmi_distribution_bins(&d, 5, 5.0001), 200);
    jmi_distribution_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_sorting),
        cmocka_unit_test(stretches_add_up),
        cmocka_unit_test(a_single_reading_counts),
        cmocka_unit_test(bins_are_those_of_freedman_and_diaconis),
    };
    return cmocka_run_group_tests_name("figure: distribution", tests, NULL, NULL);
}
