#include "base/dense.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 48 }; /* columns at a time: what is used again stays in the cache */

static inline double dot(const double *restrict a, const double *restrict b, size_t n) {
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++) s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

static inline void add_scaled(double *restrict y, const double *restrict x, double factor,
                              size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += factor * x[i];
}

/* Four rows of b at once, so that a is read and written a quarter as often. */
static void add_four(double *restrict a, const double *restrict b, size_t n, size_t i) {
    const double *b0 = b, *b1 = b + n, *b2 = b + 2 * n, *b3 = b + 3 * n;
    double x0 = b0[i], x1 = b1[i], x2 = b2[i], x3 = b3[i];
    if (x0 == 0 && x1 == 0 && x2 == 0 && x3 == 0) return;
    for (size_t k = 0; k <= i; k++) a[k] += x0 * b0[k] + x1 * b1[k] + x2 * b2[k] + x3 * b3[k];
}

void jmi_dense_add_gram(double *a, size_t n, const double *b, size_t rows) {
    for (size_t r = 0; r + 4 <= rows; r += 4)
        for (size_t i = 0; i < n; i++) add_four(a + i * n, b + r * n, n, i);
    for (size_t r = rows - rows % 4; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            if (b[r * n + i] != 0) add_scaled(a + i * n, b + r * n, b[r * n + i], i + 1);
}

bool jmi_dense_cholesky(double *a, size_t n) {
    for (size_t from = 0; from < n; from += BLOCK) {
        size_t to = from + BLOCK < n ? from + BLOCK : n;
        for (size_t i = from; i < n; i++) {
            double *row = a + i * n;
            for (size_t j = from; j < to && j <= i; j++) {
                double left = row[j] - dot(row + from, a + j * n + from, j - from);
                if (i > j)
                    row[j] = left / a[j * n + j];
                else if (left > 0 && isfinite(left))
                    row[j] = sqrt(left);
                else
                    return false;
            }
        }
        for (size_t i = to; i < n; i++) /* what is left of the rest */
            for (size_t j = to; j <= i; j++)
                a[i * n + j] -= dot(a + i * n + from, a + j * n + from, to - from);
    }
    return true;
}

void jmi_dense_solve(const double *l, size_t n, double *x) {
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - dot(l + i * n, x, i)) / l[i * n + i];
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        add_scaled(x, l + i * n, -x[i], i);
    }
}

double jmi_dense_log_det(const double *l, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log(l[i * n + i]);
    return 2 * sum;
}

/* out := l^-1, then its transpose times itself. Row i of l^-1 has i + 1 entries. */
void jmi_dense_inverse(const double *l, size_t n, double *out) {
    memset(out, 0, n * n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        double *row = out + i * n;
        for (size_t k = 0; k < i; k++) add_scaled(row, out + k * n, -l[i * n + k], k + 1);
        row[i] = 1;
        for (size_t k = 0; k <= i; k++) row[k] /= l[i * n + i];
    }
    /* The upper half takes the transpose, (l^-1)': the product needs rows of it from the diagonal
     * on, and has room in the lower half. The diagonal comes last, row by row, and with it what
     * mirrors the lower half. */
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < r; c++) out[c * n + r] = out[r * n + c];
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < r; c++)
            out[r * n + c] = dot(out + c * n + r, out + r * n + r, n - r);
    for (size_t r = 0; r < n; r++) {
        out[r * n + r] = dot(out + r * n + r, out + r * n + r, n - r);
        for (size_t c = 0; c < r; c++) out[c * n + r] = out[r * n + c];
    }
}

void jmi_dense_multiply(const double *a, size_t n, const double *x, double *y) {
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++) {
        y[i] += dot(a + i * n, x, i + 1);
        add_scaled(y, a + i * n, x[i], i);
    }
}
