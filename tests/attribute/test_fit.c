/* Powers by regression: against a direct computation, and how often their intervals hold. */
#include "attribute/fit.h"
#include "base/dense.h"
#include "helpers.h"

enum { MOST_WIDTH = 16 };

static const double TAU = 6.283185307179586;

static double gauss(uint64_t *random) {
    double u = random_between(random, 1e-12, 1), angle = random_between(random, 0, TAU);
    return sqrt(-2 * log(u)) * cos(angle);
}

/* ---- problems ---- */

typedef struct problem {
    jmi_calls calls;
    jmi_layout layout;
    jmi_normal normal[JMI_SHIFTS];
    double truth[MOST_WIDTH];
    jmi_fit_input input;
} problem;

static void open_problem(problem *p, size_t classes, size_t views) {
    *p = (problem){.layout = {.classes = classes, .width = classes + JMI_GAPS}};
    p->layout.calls = &p->calls;
    assert_true(p->layout.width <= MOST_WIDTH);
    for (size_t v = 0; v < views; v++) assert_true(jmi_normal_open(&p->normal[v], &p->layout));
    p->input =
        (jmi_fit_input){.layout = &p->layout, .normals = p->normal, .views = views, .range_w = 500};
    for (size_t v = 0; v < views; v++) p->input.noise_w[v] = 10;
}

static void close_problem(problem *p) {
    for (size_t v = 0; v < p->input.views; v++) jmi_normal_close(&p->normal[v]);
}

static void add_reading(problem *p, size_t view, const double *x, double y) {
    jmi_normal *one = &p->normal[view];
    size_t n = p->layout.width;
    jmi_dense_add_gram(one->xx, n, x, 1);
    for (size_t i = 0; i < n; i++) {
        one->xy[i] += x[i] * y;
        one->x[i] += x[i];
    }
    one->yy += y * y;
    one->y += y;
    one->n += 1;
    one->rows++;
}

/* Shares of a reading: the closer to equal ones, the less it tells. */
static void some_shares(const problem *p, double contrast, double *x, uint64_t *random) {
    double sum = 0;
    for (size_t i = 0; i < p->layout.width; i++) {
        x[i] = 1 + contrast * (random_between(random, 0, 1) - 0.5);
        if (i >= p->layout.classes) x[i] *= 0.05;
        sum += x[i];
    }
    for (size_t i = 0; i < p->layout.width; i++) x[i] /= sum;
}

static double power_of(const problem *p, const double *x) {
    double power = 0;
    for (size_t i = 0; i < p->layout.width; i++) power += x[i] * p->truth[i];
    return power;
}

static void some_powers(problem *p, double tau_w, uint64_t *random) {
    double common = random_between(random, 150, 350);
    for (size_t i = 0; i < p->layout.classes; i++) p->truth[i] = common + tau_w * gauss(random);
    for (size_t i = p->layout.classes; i < p->layout.width; i++)
        p->truth[i] = random_between(random, 60, 200);
}

static void some_readings(problem *p, size_t view, size_t rows, double contrast, double noise_w,
                          uint64_t *random) {
    double x[MOST_WIDTH];
    for (size_t r = 0; r < rows; r++) {
        some_shares(p, contrast, x, random);
        add_reading(p, view, x, power_of(p, x) + noise_w * gauss(random));
    }
}

static jmi_fit fit_of(const problem *p) {
    jmi_fit fit;
    jm_error error = {0};
    if (jmi_fit_make(&fit, &p->input, &error) != JM_OK) fail_msg("%s", error.message);
    assert_int_equal(fit.count, p->layout.width);
    return fit;
}

static double sd_of(const jmi_fit *fit, size_t i) {
    return sqrt(fit->cov_w2[i * fit->count + i]);
}

/* ---- against a direct computation ---- */

/* Mean and covariance of all powers for one tau and one noise, by Gauss and Jordan: the prior has
 * the covariance tau^2 I + range^2 11' for classes, range^2 I for gaps, about the mean reading. */
typedef struct direct {
    double power[MOST_WIDTH], cov[MOST_WIDTH][MOST_WIDTH];
} direct;

static void invert(double m[MOST_WIDTH][MOST_WIDTH], size_t n) {
    double out[MOST_WIDTH][MOST_WIDTH] = {{0}};
    for (size_t i = 0; i < n; i++) out[i][i] = 1;
    for (size_t j = 0; j < n; j++) {
        size_t pivot = j;
        for (size_t i = j; i < n; i++)
            if (fabs(m[i][j]) > fabs(m[pivot][j])) pivot = i;
        for (size_t k = 0; k < n; k++) {
            double a = m[j][k], b = out[j][k];
            m[j][k] = m[pivot][k], out[j][k] = out[pivot][k];
            m[pivot][k] = a, out[pivot][k] = b;
        }
        double by = m[j][j];
        for (size_t k = 0; k < n; k++) m[j][k] /= by, out[j][k] /= by;
        for (size_t i = 0; i < n; i++) {
            double factor = i == j ? 0 : m[i][j];
            for (size_t k = 0; k < n; k++) {
                m[i][k] -= factor * m[j][k];
                out[i][k] -= factor * out[j][k];
            }
        }
    }
    memcpy(m, out, sizeof out);
}

static direct compute(const problem *p, double tau_w, double noise_w) {
    direct d;
    const jmi_normal *one = &p->normal[0];
    size_t n = p->layout.width, k = p->layout.classes;
    double mean = one->y / one->n, range2 = p->input.range_w * p->input.range_w;
    double b[MOST_WIDTH];
    memset(&d, 0, sizeof d);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            d.cov[i][j] =
                (i < k && j < k ? range2 : 0) + (i == j ? (i < k ? tau_w * tau_w : range2) : 0);
    invert(d.cov, n);
    for (size_t i = 0; i < n; i++) {
        b[i] = (one->xy[i] - mean * one->x[i]) / (noise_w * noise_w);
        for (size_t j = 0; j < n; j++)
            d.cov[i][j] += (i >= j ? one->xx[i * n + j] : one->xx[j * n + i]) / (noise_w * noise_w);
    }
    invert(d.cov, n);
    for (size_t i = 0; i < n; i++) {
        d.power[i] = mean;
        for (size_t j = 0; j < n; j++) d.power[i] += d.cov[i][j] * b[j];
    }
    return d;
}

/* The average over tau is dominated by one where the readings say it clearly; whichever, mean and
 * covariance lie within those of the taus that it may be. */
static void as_computed_directly(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        problem p;
        uint64_t random = seed;
        open_problem(&p, 3 + seed % 8, 1);
        some_powers(&p, 80, &random);
        some_readings(&p, 0, 600, 1.8, 5, &random);
        jmi_fit fit = fit_of(&p);
        close_to(fit.noise_w[0], 5, 0.8, "noise");
        direct low = compute(&p, 0.6 * fit.tau_w, fit.noise_w[0]);
        direct high = compute(&p, 1.7 * fit.tau_w, fit.noise_w[0]);
        for (size_t i = 0; i < p.layout.width; i++) {
            double sd = sqrt(high.cov[i][i]), a = low.power[i], b = high.power[i];
            double slack = 0.1 * sd;
            assert_true(fit.power_w[i] >= fmin(a, b) - slack &&
                        fit.power_w[i] <= fmax(a, b) + slack);
            assert_true(sd_of(&fit, i) >= 0.98 * sqrt(low.cov[i][i]) &&
                        sd_of(&fit, i) <= 1.02 * sqrt(high.cov[i][i]) + fabs(a - b));
            for (size_t k = 0; k < i; k++) {
                double c = fit.cov_w2[i * fit.count + k];
                close_to(c, fit.cov_w2[k * fit.count + i], 1e-9 * sd * sd + 1e-12, "symmetric");
                close_to(c, (low.cov[i][k] + high.cov[i][k]) / 2,
                         fabs(low.cov[i][k] - high.cov[i][k]) + 0.02 * sd * sqrt(high.cov[k][k]),
                         "covariance");
            }
        }
        jmi_fit_free(&fit);
        close_problem(&p);
    }
}

static void sums_and_their_variances(void **state) {
    (void)state;
    problem p;
    uint64_t random = 7;
    open_problem(&p, 5, 1);
    some_powers(&p, 60, &random);
    some_readings(&p, 0, 200, 1, 5, &random);
    jmi_fit fit = fit_of(&p);
    double f[MOST_WIDTH], sum = 0, variance = 0;
    for (size_t i = 0; i < fit.count; i++) f[i] = i == 2 ? 0 : random_between(&random, -1, 2);
    for (size_t i = 0; i < fit.count; i++) {
        sum += f[i] * fit.power_w[i];
        for (size_t k = 0; k < fit.count; k++)
            variance += f[i] * f[k] * fit.cov_w2[i * fit.count + k];
    }
    close_to(jmi_fit_sum(&fit, f), sum, 1e-9 * fabs(sum), "sum");
    close_to(jmi_fit_variance(&fit, f), variance, 1e-9 * variance, "variance");
    memset(f, 0, sizeof f);
    assert_true(jmi_fit_sum(&fit, f) == 0 && jmi_fit_variance(&fit, f) == 0);
    jmi_fit_free(&fit);
    jmi_fit_free(&fit);
    close_problem(&p);
}

/* ---- intervals ---- */

typedef struct scenario {
    const char *name;
    size_t rows;
    double contrast, tau_w, noise_w;
} scenario;

static void intervals_hold(void **state) {
    (void)state;
    static const scenario scenarios[] = {{"plenty", 600, 1.8, 60, 5},
                                         {"few readings", 40, 1.5, 80, 5},
                                         {"little contrast", 400, 0.2, 60, 5},
                                         {"much noise", 300, 1, 50, 40},
                                         {"alike", 400, 1, 5, 8}};
    enum { ROUNDS = 150 };
    size_t all = 0, all_held = 0;
    for (size_t s = 0; s < JMI_COUNT(scenarios); s++) {
        size_t of = 0, held = 0;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            problem p;
            uint64_t random = 1000 * s + round;
            open_problem(&p, 4 + round % 8, 1);
            some_powers(&p, scenarios[s].tau_w, &random);
            some_readings(&p, 0, scenarios[s].rows, scenarios[s].contrast, scenarios[s].noise_w,
                          &random);
            jmi_fit fit = fit_of(&p);
            for (size_t i = 0; i < p.layout.classes; i++) {
                of++;
                held += fabs(fit.power_w[i] - p.truth[i]) <= 1.96 * sd_of(&fit, i);
            }
            jmi_fit_free(&fit);
            close_problem(&p);
        }
        double share = 100.0 * (double)held / (double)of;
        print_message("%s: %.1f %% of %zu\n", scenarios[s].name, share, of);
        if (share < 91 || share > 98.5)
            fail_msg("%s: %.1f %% of %zu", scenarios[s].name, share, of);
        all += of;
        all_held += held;
    }
    double share = 100.0 * (double)all_held / (double)all;
    assert_true(share > 92 && share < 98);
}

/* ---- noise ---- */

static void noise_of_two_views(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 20; round++) {
        problem p;
        uint64_t random = round + 1;
        double noise[] = {round % 2 ? 2 : 30, round % 2 ? 40 : 6};
        open_problem(&p, 6, 2);
        some_powers(&p, 60, &random);
        some_readings(&p, 0, 500, 1.5, noise[0], &random);
        some_readings(&p, 1, 300, 1.5, noise[1], &random);
        jmi_fit fit = fit_of(&p);
        for (size_t v = 0; v < 2; v++) close_to(fit.noise_w[v], noise[v], 0.2 * noise[v], "noise");
        for (size_t i = 0; i < p.layout.classes; i++)
            close_to(fit.power_w[i], p.truth[i], 4 * sd_of(&fit, i), "power");
        jmi_fit_free(&fit);
        close_problem(&p);
    }
}

static void readings_without_noise(void **state) {
    (void)state;
    problem p;
    uint64_t random = 3;
    open_problem(&p, 5, 1);
    some_powers(&p, 60, &random);
    some_readings(&p, 0, 300, 1.5, 0, &random);
    jmi_fit fit = fit_of(&p);
    for (size_t i = 0; i < p.layout.classes; i++)
        close_to(fit.power_w[i], p.truth[i], 0.5, "power");
    assert_true(fit.noise_w[0] > 0 && fit.noise_w[0] < 0.1);
    jmi_fit_free(&fit);
    close_problem(&p);
}

/* ---- what readings do not say ---- */

/* Every reading has the same shares: their sum is known, and of each no more than what it may be.
 */
static void nothing_told_apart(void **state) {
    (void)state;
    problem p;
    uint64_t random = 5;
    open_problem(&p, 6, 1);
    double x[MOST_WIDTH] = {0.3, 0.1, 0.2, 0.1, 0.2, 0.1};
    some_powers(&p, 60, &random);
    double power = power_of(&p, x);
    for (int i = 0; i < 500; i++) add_reading(&p, 0, x, power + 3 * gauss(&random));
    jmi_fit fit = fit_of(&p);
    for (size_t i = 0; i < p.layout.classes; i++) {
        close_to(fit.power_w[i], power, 5, "the mean");
        assert_true(sd_of(&fit, i) > 25);
    }
    close_to(jmi_fit_sum(&fit, x), power, 1, "together");
    assert_true(jmi_fit_variance(&fit, x) < 1);
    for (size_t i = p.layout.classes; i < p.layout.width; i++)
        assert_true(sd_of(&fit, i) > 300); /* gaps: none was seen */
    jmi_fit_free(&fit);
    close_problem(&p);
}

static void one_reading_and_none(void **state) {
    (void)state;
    for (int rows = 0; rows < 3; rows++) {
        problem p;
        uint64_t random = 9;
        open_problem(&p, 3, 2);
        some_powers(&p, 60, &random);
        some_readings(&p, 0, (size_t)rows, 1, 5, &random);
        jmi_fit fit = fit_of(&p);
        for (size_t i = 0; i < p.layout.width; i++) {
            assert_true(isfinite(fit.power_w[i]) && isfinite(sd_of(&fit, i)));
            assert_true(sd_of(&fit, i) > 10);
        }
        jmi_fit_free(&fit);
        close_problem(&p);
    }
}

/* The measured power of the whole holds the sum, the more the better it is known. */
static void the_whole_holds_the_sum(void **state) {
    (void)state;
    double off[2];
    for (int with = 0; with < 2; with++) {
        problem p;
        uint64_t random = 11;
        open_problem(&p, 6, 1);
        some_powers(&p, 60, &random);
        some_readings(&p, 0, 30, 1, 60, &random);
        double x[MOST_WIDTH];
        some_shares(&p, 1, x, &random);
        p.input.whole = (jmi_whole_row){with ? x : NULL, power_of(&p, x), 0.5};
        jmi_fit fit = fit_of(&p);
        off[with] = fabs(jmi_fit_sum(&fit, x) - power_of(&p, x));
        if (with) assert_true(sqrt(jmi_fit_variance(&fit, x)) < 0.6);
        jmi_fit_free(&fit);
        close_problem(&p);
    }
    assert_true(off[1] < 1 && off[1] < off[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_computed_directly),   cmocka_unit_test(sums_and_their_variances),
        cmocka_unit_test(intervals_hold),         cmocka_unit_test(noise_of_two_views),
        cmocka_unit_test(readings_without_noise), cmocka_unit_test(nothing_told_apart),
        cmocka_unit_test(one_reading_and_none),   cmocka_unit_test(the_whole_holds_the_sum),
    };
    return cmocka_run_group_tests_name("attribute: fit", tests, NULL, NULL);
}
