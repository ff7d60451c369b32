/* Non-negative least squares, against the best of all subsets and against scipy. */
#include "estimate/nnls.h"

#include "base/dense.h"
#include "tables.h"

static uint64_t seed = 1;

static double uniform(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static double value_of(const double *a, const double *b, size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum -= 2 * b[i] * x[i];
        for (size_t j = 0; j < n; j++) sum += x[i] * x[j] * (i >= j ? a[i * n + j] : a[j * n + i]);
    }
    return sum;
}

/* The least value over all subsets whose own solution is not negative. */
static double best_subset(const double *a, const double *b, size_t n) {
    double best = 0;
    for (unsigned mask = 1; mask < 1u << n; mask++) {
        double l[64], y[8], x[8] = {0};
        size_t which[8], count = 0;
        for (size_t i = 0; i < n; i++)
            if (mask >> i & 1) which[count++] = i;
        for (size_t i = 0; i < count; i++) {
            y[i] = b[which[i]];
            for (size_t j = 0; j <= i; j++) l[i * count + j] = a[which[i] * n + which[j]];
        }
        if (!jmi_dense_cholesky(l, count)) continue;
        jmi_dense_solve(l, count, y);
        bool positive = true;
        for (size_t i = 0; i < count; i++) positive &= (x[which[i]] = y[i]) >= 0;
        double value = positive ? value_of(a, b, n, x) : 0;
        if (value < best) best = value;
    }
    return best;
}

static void it_is_the_best_of_all_subsets(void **state) {
    (void)state;
    for (int trial = 0; trial < 400; trial++) {
        size_t n = 1 + (size_t)(uniform() * 7), rows = n + (size_t)(uniform() * 10);
        double x[256], a[64] = {0}, b[8] = {0}, w[8], y;
        for (size_t r = 0; r < rows; r++) {
            for (size_t i = 0; i < n; i++) x[i] = uniform() < 0.2 ? 0 : uniform() * (1 + (double)i);
            y = uniform() * 10 - 3;
            for (size_t i = 0; i < n; i++) {
                b[i] += x[i] * y;
                for (size_t j = 0; j <= i; j++) a[i * n + j] += x[i] * x[j];
            }
        }
        jmi_nnls(a, b, n, w);
        for (size_t i = 0; i < n; i++) assert_true(w[i] >= 0);
        double found = value_of(a, b, n, w), best = best_subset(a, b, n);
        if (found > best + 1e-7 * (1 + fabs(best)))
            fail_msg("trial %d: %.12g, the best is %.12g", trial, found, best);
    }
}

/* A = [[1, 2, 0.5], [0, 1, 3], [2, 0.1, 1], [1, 1, 1], [0.3, 0, 2]], y = [3, 2, 5, 3, 1.4]:
 * what scipy.optimize.nnls gives. */
static void it_is_what_scipy_finds(void **state) {
    (void)state;
    static const double rows[5][3] = {{1, 2, 0.5}, {0, 1, 3}, {2, 0.1, 1}, {1, 1, 1}, {0.3, 0, 2}};
    static const double y[5] = {3, 2, 5, 3, 1.4};
    static const double expected[3] = {2.18828994236497, 0.320121773354779, 0.504615750307821};
    double a[9] = {0}, b[3] = {0}, w[3];
    for (size_t r = 0; r < 5; r++)
        for (size_t i = 0; i < 3; i++) {
            b[i] += rows[r][i] * y[r];
            for (size_t j = 0; j <= i; j++) a[i * 3 + j] += rows[r][i] * rows[r][j];
        }
    jmi_nnls(a, b, 3, w);
    for (size_t i = 0; i < 3; i++) assert_true(fabs(w[i] - expected[i]) < 1e-9);
}

static void columns_alike_and_empty_do_not_matter(void **state) {
    (void)state;
    double a[9] = {4, 0, 0, 4, 4, 0, 0, 0, 0}, b[3] = {8, 8, 0}, w[3];
    jmi_nnls(a, b, 3, w);
    assert_near(w[0] + w[1], 2);
    assert_near(w[2], 0);
    double none[1] = {0}, nothing[1] = {0};
    jmi_nnls(none, nothing, 1, w);
    assert_near(w[0], 0);
    double negative[1] = {1}, below[1] = {-5};
    jmi_nnls(negative, below, 1, w);
    assert_near(w[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_best_of_all_subsets),
        cmocka_unit_test(it_is_what_scipy_finds),
        cmocka_unit_test(columns_alike_and_empty_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
