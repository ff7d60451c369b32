/* Linear algebra against its plain definitions, and against LAPACK where that is installed. What
 * lies above the diagonal is NaN here: it must be neither read nor written. */
#include "base/dense.h"
#include "helpers.h"

#ifdef HAVE_LAPACKE
#include <lapacke.h>
#else
#include <stdio.h>
#endif

enum { MOST = 300 };
static const size_t sizes[] = {1,  2,  3,  4,  5,  7,  8,   16,  31,  47,
                               48, 49, 63, 95, 96, 97, 145, 255, MOST};

/* ---- matrices ---- */

static double *numbers(size_t count) {
    double *list = jmi_alloc(count, sizeof *list);
    assert_non_null(list);
    return list;
}

static double lower(const double *a, size_t n, size_t i, size_t k) {
    return i >= k ? a[i * n + k] : a[k * n + i];
}

static void spoil_upper(double *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) a[i * n + k] = (double)NAN;
}

static void check_upper(const double *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) assert_true(isnan(a[i * n + k]));
}

/* g'g + ridge I with rows of g scaled by up to 10^-spread: the larger, the worse the condition. */
static double *definite(size_t n, double ridge, double spread, uint64_t *random) {
    double *a = numbers(n * n), *g = numbers(n * n);
    for (size_t i = 0; i < n * n; i++) g[i] = random_between(random, -1, 1);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < n; i++) g[r * n + i] *= pow(10, -spread * (double)r / (double)n);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k <= i; k++) a[i * n + k] += g[r * n + i] * g[r * n + k];
    for (size_t i = 0; i < n; i++) a[i * n + i] += ridge;
    spoil_upper(a, n);
    free(g);
    return a;
}

static double *copy_of(const double *list, size_t count) {
    double *copy = numbers(count);
    memcpy(copy, list, count * sizeof *copy);
    return copy;
}

static double largest(const double *a, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(a[i * n + i]));
    return most;
}

/* ---- one matrix ---- */

static void check_factor(const double *a, const double *l, size_t n) {
    check_upper(l, n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            double sum = 0;
            for (size_t j = 0; j <= k; j++) sum += l[i * n + j] * l[k * n + j];
            close_to(sum, a[i * n + k], 1e-14 * (double)(n + 10) * largest(a, n), "l l'");
        }
}

/* The residual of a solution is small however bad the condition is: Cholesky is backward stable. */
static void check_solve(const double *a, const double *l, size_t n, uint64_t *random) {
    double *x = numbers(n), *b = numbers(n), *back = numbers(n), size = 0;
    for (size_t i = 0; i < n; i++) x[i] = b[i] = random_between(random, -1, 1);
    jmi_dense_solve(l, n, x);
    for (size_t i = 0; i < n; i++) size = fmax(size, fabs(x[i]));
    jmi_dense_multiply(a, n, x, back);
    for (size_t i = 0; i < n; i++) {
        double plain = 0;
        for (size_t k = 0; k < n; k++) plain += lower(a, n, i, k) * x[k];
        double tolerance = 1e-13 * (double)(n + 10) * (1 + size * largest(a, n));
        close_to(back[i], plain, tolerance, "a x");
        close_to(plain, b[i], tolerance, "a x against b");
    }
    free(x);
    free(b);
    free(back);
}

static void check_inverse(const double *a, const double *l, size_t n, double tolerance) {
    double *inverse = numbers(n * n);
    memset(inverse, 0xFF, n * n * sizeof *inverse);
    jmi_dense_inverse(l, n, inverse);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            assert_true(inverse[i * n + k] == inverse[k * n + i]);
            double sum = 0;
            for (size_t j = 0; j < n; j++) sum += lower(a, n, i, j) * inverse[j * n + k];
            close_to(sum, i == k, tolerance, "a a^-1");
        }
    free(inverse);
}

/* By elimination, of the whole matrix, with more digits. */
static double plain_log_det(const double *a, size_t n) {
    long double *m = jmi_alloc(n * n, sizeof *m), sum = 0;
    assert_non_null(m);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) m[i * n + k] = (long double)lower(a, n, i, k);
    for (size_t j = 0; j < n; j++) {
        sum += logl(m[j * n + j]);
        for (size_t i = j + 1; i < n; i++) {
            long double factor = m[i * n + j] / m[j * n + j];
            for (size_t k = j; k < n; k++) m[i * n + k] -= factor * m[j * n + k];
        }
    }
    free(m);
    return (double)sum;
}

static void as_defined(void **state) {
    (void)state;
    uint64_t random = 3;
    for (size_t s = 0; s < JMI_COUNT(sizes); s++) {
        size_t n = sizes[s];
        double *a = definite(n, 1, 0, &random), *l = copy_of(a, n * n);
        assert_true(jmi_dense_cholesky(l, n));
        check_factor(a, l, n);
        check_solve(a, l, n, &random);
        check_inverse(a, l, n, 1e-11);
        double log_det = plain_log_det(a, n);
        close_to(jmi_dense_log_det(l, n), log_det, 1e-10 * (1 + fabs(log_det)), "log det");
        free(a);
        free(l);
    }
}

/* Condition numbers up to 10^12, and entries far from 1. */
static void badly_conditioned(void **state) {
    (void)state;
    uint64_t random = 5;
    for (size_t s = 0; s < JMI_COUNT(sizes); s++)
        for (int k = -1; k <= 1; k++) {
            size_t n = sizes[s];
            double *a = definite(n, 1e-10, 5, &random), scale = pow(10, 60 * k);
            for (size_t i = 0; i < n * n; i++) a[i] *= scale;
            double *l = copy_of(a, n * n), log_det = plain_log_det(a, n);
            assert_true(jmi_dense_cholesky(l, n));
            check_factor(a, l, n);
            close_to(jmi_dense_log_det(l, n), log_det, 1e-3 * (double)n, "log det");
            if (k == 0) check_solve(a, l, n, &random);
            if (k == 0) check_inverse(a, l, n, 1e-2);
            free(a);
            free(l);
        }
}

/* ---- none that has a factor ---- */

static bool has_factor(size_t n, const double *lower_rows) {
    double *a = numbers(n * n);
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) a[i * n + k] = lower_rows[at++];
    spoil_upper(a, n);
    bool has = jmi_dense_cholesky(a, n);
    free(a);
    return has;
}

static void not_positive_definite(void **state) {
    (void)state;
    const double nan = (double)NAN, inf = (double)INFINITY;
    assert_true(has_factor(1, (double[]){1}));
    assert_true(has_factor(0, NULL));
    const double ones[] = {0, -1, nan, inf, -inf, -0.0};
    for (size_t i = 0; i < JMI_COUNT(ones); i++) assert_false(has_factor(1, &ones[i]));
    assert_true(has_factor(2, (double[]){2, 1, 2}));
    const double twos[][3] = {{1, 2, 1},   {1, 1, 1},   {0, 0, 1},     {1, 0, 0},   {1, nan, 1},
                              {1, inf, 1}, {nan, 0, 1}, {1, 0, nan},   {inf, 0, 1}, {1, -inf, 1},
                              {-1, 0, 1},  {1, 0, -1},  {1, 1e200, 1}, {4, 2, 1}};
    for (size_t i = 0; i < JMI_COUNT(twos); i++)
        if (has_factor(2, twos[i]))
            fail_msg("%g %g %g has a factor", twos[i][0], twos[i][1], twos[i][2]);
}

/* Wherever in a large matrix it is, also beyond the first block of columns. */
static void spoiled_anywhere(void **state) {
    (void)state;
    const size_t n = 130;
    const double with[] = {(double)NAN, (double)INFINITY, -1e9, 1e9};
    uint64_t random = 9;
    double *a = definite(n, 1, 0, &random);
    for (int round = 0; round < 60; round++) {
        double *l = copy_of(a, n * n);
        size_t i = random_bits(&random) % n, k = random_bits(&random) % (i + 1);
        l[i * n + k] = i == k ? with[round % 3] : with[round % 4]; /* 1e9 on it would be fine */
        assert_false(jmi_dense_cholesky(l, n));
        free(l);
    }
    free(a);
}

/* ---- products ---- */

static void gram(void **state) {
    (void)state;
    uint64_t random = 11;
    for (size_t n = 1; n < 40; n += 1 + n / 7)
        for (size_t rows = 0; rows < 14; rows++) {
            double *a = numbers(n * n), *b = numbers(rows * n), *wanted = numbers(n * n);
            for (size_t i = 0; i < rows * n; i++)
                b[i] = random_bits(&random) % 3 ? 0 : random_between(&random, -2, 2);
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k <= i; k++) {
                    wanted[i * n + k] = a[i * n + k] = random_between(&random, -1, 1);
                    for (size_t r = 0; r < rows; r++)
                        wanted[i * n + k] += b[r * n + i] * b[r * n + k];
                }
            spoil_upper(a, n);
            jmi_dense_add_gram(a, n, b, rows);
            check_upper(a, n);
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k <= i; k++)
                    close_to(a[i * n + k], wanted[i * n + k], 1e-12, "a + b'b");
            free(a);
            free(b);
            free(wanted);
        }
}

/* A reading that is not a number must show, not vanish where shares are 0. */
static void gram_of_what_is_no_number(void **state) {
    (void)state;
    double a[9] = {0}, b[15] = {[4] = (double)NAN, [9] = 1};
    jmi_dense_add_gram(a, 3, b, 5);
    assert_true(isnan(a[4]));
}

/* ---- another implementation ---- */

static void as_lapack(void **state) {
#ifdef HAVE_LAPACKE
    (void)state;
    uint64_t random = 13;
    for (size_t s = 0; s < JMI_COUNT(sizes); s++) {
        size_t n = sizes[s];
        lapack_int rows = (lapack_int)n;
        double *a = definite(n, 0.1, 2, &random), *ours = copy_of(a, n * n);
        double *theirs = copy_of(a, n * n), *inverse = numbers(n * n);
        double *x = numbers(n), *y = numbers(n);
        for (size_t i = 0; i < n; i++) x[i] = y[i] = random_between(&random, -1, 1);
        for (size_t i = 0; i < n; i++) /* it checks all of it for NaN */
            for (size_t k = i + 1; k < n; k++) theirs[i * n + k] = 0;
        assert_true(jmi_dense_cholesky(ours, n));
        assert_int_equal(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', rows, theirs, rows), 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k <= i; k++)
                close_to(ours[i * n + k], theirs[i * n + k], 1e-12 * (double)n, "factor");
        jmi_dense_solve(ours, n, x);
        assert_int_equal(LAPACKE_dpotrs(LAPACK_ROW_MAJOR, 'L', rows, 1, theirs, rows, y, 1), 0);
        for (size_t i = 0; i < n; i++) close_to(x[i], y[i], 1e-10, "solution");
        jmi_dense_inverse(ours, n, inverse);
        assert_int_equal(LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', rows, theirs, rows), 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k <= i; k++)
                close_to(inverse[i * n + k], theirs[i * n + k], 1e-10, "inverse");
        double *all[] = {a, ours, theirs, inverse, x, y};
        for (size_t i = 0; i < JMI_COUNT(all); i++) free(all[i]);
    }
#else
    (void)state;
    printf("skipped: built without LAPACKE (apt install liblapacke-dev)\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_defined),
        cmocka_unit_test(badly_conditioned),
        cmocka_unit_test(not_positive_definite),
        cmocka_unit_test(spoiled_anywhere),
        cmocka_unit_test(gram),
        cmocka_unit_test(gram_of_what_is_no_number),
        cmocka_unit_test(as_lapack),
    };
    return cmocka_run_group_tests_name("attribute: dense", tests, NULL, NULL);
}
