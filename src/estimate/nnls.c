#include "estimate/nnls.h"

#include "base/dense.h"

#include <math.h>
#include <string.h>

typedef struct solver {
    const double *a, *b;
    size_t n;
    bool taken[JMI_NNLS_MOST];
    bool useless[JMI_NNLS_MOST]; /* as a sum of those taken: the matrix would be singular */
} solver;

static double at(const solver *s, size_t i, size_t j) {
    return i >= j ? s->a[i * s->n + j] : s->a[j * s->n + i];
}

/* The least squares of the taken ones, others 0. False: singular. */
static bool solve_taken(const solver *s, double *z) {
    double l[JMI_NNLS_MOST * JMI_NNLS_MOST], y[JMI_NNLS_MOST];
    size_t which[JMI_NNLS_MOST], count = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->taken[i]) which[count++] = i;
    for (size_t i = 0; i < count; i++) {
        y[i] = s->b[which[i]];
        for (size_t j = 0; j <= i; j++) l[i * count + j] = at(s, which[i], which[j]);
    }
    if (!jmi_dense_cholesky(l, count)) return false;
    for (size_t i = 0; i < count; i++)
        if (l[i * count + i] * l[i * count + i] < 1e-11 * at(s, which[i], which[i])) return false;
    jmi_dense_solve(l, count, y);
    memset(z, 0, s->n * sizeof *z);
    for (size_t i = 0; i < count; i++) z[which[i]] = y[i];
    return true;
}

/* The one that would lower the sum of squares most; n: none would. */
static size_t steepest(const solver *s, const double *x) {
    size_t best = s->n;
    double most = 0;
    for (size_t i = 0; i < s->n; i++) {
        double scale = at(s, i, i);
        if (s->taken[i] || s->useless[i] || !(scale > 0)) continue;
        double slope = s->b[i];
        for (size_t j = 0; j < s->n; j++) slope -= at(s, i, j) * x[j];
        slope /= sqrt(scale);
        if (slope <= most + 1e-10 * fabs(s->b[i]) / sqrt(scale)) continue;
        most = slope;
        best = i;
    }
    return best;
}

/* Steps from x towards z until the first of the taken ones is 0, and lets go of it. True: z was
 * reached. */
static bool step(solver *s, double *x, const double *z) {
    double share = 1;
    for (size_t i = 0; i < s->n; i++)
        if (s->taken[i] && z[i] <= 0 && x[i] / (x[i] - z[i]) < share) share = x[i] / (x[i] - z[i]);
    bool whole = true;
    for (size_t i = 0; i < s->n; i++)
        if (s->taken[i] && z[i] <= 0) whole = false;
    if (whole) {
        memcpy(x, z, s->n * sizeof *x);
        return true;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!s->taken[i]) continue;
        x[i] += share * (z[i] - x[i]);
        if (x[i] > 1e-14 * (fabs(z[i]) + 1e-300) && !(z[i] <= 0 && x[i] <= 1e-12)) continue;
        x[i] = 0;
        s->taken[i] = false;
    }
    return false;
}

void jmi_nnls(const double *a, const double *b, size_t n, double *x) {
    solver s = {.a = a, .b = b, .n = n};
    double z[JMI_NNLS_MOST];
    memset(x, 0, n * sizeof *x);
    for (size_t round = 0; round < 20 * n; round++) {
        size_t next = steepest(&s, x);
        if (next == n) return;
        s.taken[next] = true;
        if (!solve_taken(&s, z) || z[next] <= 0) {
            s.taken[next] = false;
            s.useless[next] = true; /* what rounding left of a slope */
            continue;
        }
        for (size_t inner = 0; inner < 2 * n && !step(&s, x, z); inner++)
            if (!solve_taken(&s, z)) return;
        memset(s.useless, 0, sizeof s.useless);
    }
}
