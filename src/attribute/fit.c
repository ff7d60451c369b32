#include "attribute/fit.h"

#include "attribute/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAUS = 12, ROUNDS = 3, FEW_CLASSES = 150 };

/* The equations of all views together, each reading in units of its noise and less the mean. */
typedef struct equations {
    size_t width;
    double *xx, *xy;
    double yy, rows;
    double mean_w;
    double wide; /* precision of what may lie anywhere in the range */
} equations;

/* One tau. */
typedef struct candidate {
    double tau_w;
    double evidence; /* log, less what all have in common */
    double sigma2;   /* variance of readings, in units of what it was taken for */
    double share;
} candidate;

typedef struct work {
    double *l;       /* width x width: Cholesky factor */
    double *inverse; /* likewise */
    double *b;       /* width */
} work;

/* ---- equations ---- */

static void add_row(equations *e, const double *x, double y, double u) {
    for (size_t i = 0; i < e->width; i++) {
        for (size_t k = 0; k <= i; k++) e->xx[i * e->width + k] += x[i] * x[k] / (u * u);
        e->xy[i] += x[i] * y / (u * u);
    }
    e->yy += y * y / (u * u);
    e->rows += 1;
}

/* Less the mean m: a row's shares of classes and gaps are 1 in all, so that x'm is m times what
 * the columns but the common one are together. */
static void centre(equations *e, double y, double n) {
    e->mean_w = n > 0 ? y / n : 0;
    for (size_t i = 0; i < e->width; i++) {
        double sum = 0;
        for (size_t k = JMI_FIRST_CLASS; k < e->width; k++)
            sum += i >= k ? e->xx[i * e->width + k] : e->xx[k * e->width + i];
        e->xy[i] -= e->mean_w * sum;
    }
    e->yy += e->mean_w * e->mean_w * n - 2 * e->mean_w * y;
}

static void gather(equations *e, const jmi_fit_input *in, const double *noise_w) {
    double y = 0, n = 0;
    memset(e->xx, 0, e->width * e->width * sizeof *e->xx);
    memset(e->xy, 0, e->width * sizeof *e->xy);
    e->yy = e->rows = 0;
    for (size_t v = 0; v < in->views; v++) {
        const jmi_normal *one = &in->normals[v];
        double w = 1 / (noise_w[v] * noise_w[v]);
        for (size_t i = 0; i < e->width * e->width; i++) e->xx[i] += w * one->xx[i];
        for (size_t i = 0; i < e->width; i++) e->xy[i] += w * one->xy[i];
        e->yy += w * one->yy;
        e->rows += (double)one->rows;
        y += w * one->y;
        n += w * one->n;
    }
    if (in->whole.x != NULL) {
        double w = 1 / (in->whole.u_w * in->whole.u_w);
        add_row(e, in->whole.x, in->whole.power_w, in->whole.u_w);
        y += w * in->whole.power_w;
        n += w;
    }
    centre(e, y, n);
    e->wide = 1 / (in->range_w * in->range_w);
}

/* ---- one tau ---- */

static bool is_class(const equations *e, size_t column) {
    return column >= JMI_FIRST_CLASS && column + JMI_GAPS < e->width;
}

/* Factor of the equations with their prior; b: the powers less the mean. */
static bool factor(const equations *e, double tau_w, work *w, double *prior_log_det) {
    size_t n = e->width;
    double narrow = 1 / (tau_w * tau_w);
    *prior_log_det = 0;
    memcpy(w->l, e->xx, n * n * sizeof *w->l);
    for (size_t i = 0; i < n; i++) {
        double precision = is_class(e, i) ? narrow : e->wide;
        w->l[i * n + i] += precision;
        *prior_log_det += log(precision);
    }
    return jmi_dense_cholesky(w->l, n);
}

static bool solve(const equations *e, double tau_w, work *w, double *prior_log_det) {
    if (!factor(e, tau_w, w, prior_log_det)) return false;
    memcpy(w->b, e->xy, e->width * sizeof *w->b);
    jmi_dense_solve(w->l, e->width, w->b);
    return true;
}

static candidate try_tau(const equations *e, double tau_w, work *w) {
    candidate c = {.tau_w = tau_w, .evidence = -INFINITY, .sigma2 = 1};
    double prior, left = e->yy, free = jmi_max(e->rows - 1 - JMI_GAPS, 1);
    if (!solve(e, tau_w, w, &prior)) return c;
    for (size_t i = 0; i < e->width; i++) left -= w->b[i] * e->xy[i];
    c.sigma2 = jmi_max(left / free, 1e-9);
    c.evidence = -0.5 * (free * log(c.sigma2) + jmi_dense_log_det(w->l, e->width) - prior);
    return c;
}

/* Shares by evidence, every tau as likely as any other before; the smallest ones are dropped. */
static size_t weigh(candidate *all, size_t count, size_t most) {
    double best = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) best = jmi_max(best, all[i].evidence);
    for (size_t i = 0; i < count; i++) sum += all[i].share = exp(all[i].evidence - best);
    for (size_t i = 0; i < count; i++) all[i].share /= sum;
    for (size_t kept = count;; kept--) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; i < count; i++)
            if (all[i].share > 0 && (least == SIZE_MAX || all[i].share < all[least].share))
                least = i;
        if (kept <= 1 || (kept <= most && all[least].share > 0.01)) return kept;
        all[least].share = 0;
    }
}

/* ---- the average over tau ---- */

/* Classes' powers are what is common and their own: their covariances likewise. */
static void add_candidate(jmi_fit *fit, const equations *e, const candidate *c, double share,
                          work *w, double *power_w) {
    size_t n = e->width;
    double prior;
    if (!solve(e, c->tau_w, w, &prior)) return;
    jmi_dense_inverse(w->l, n, w->inverse);
    for (size_t i = 0; i < fit->count; i++) {
        bool own = is_class(e, i + 1);
        power_w[i] = e->mean_w + w->b[i + 1] + (own ? w->b[JMI_COMMON] : 0);
        fit->power_w[i] += share * power_w[i];
        for (size_t k = 0; k < fit->count; k++) {
            bool other = is_class(e, k + 1);
            double cov = w->inverse[(i + 1) * n + k + 1];
            if (own) cov += w->inverse[k + 1];
            if (other) cov += w->inverse[i + 1];
            if (own && other) cov += w->inverse[0];
            fit->cov_w2[i * fit->count + k] += share * c->sigma2 * cov;
        }
    }
    double narrow = 1 / (c->tau_w * c->tau_w);
    for (size_t i = 0; i < n; i++)
        fit->parameters +=
            share * (1 - (is_class(e, i) ? narrow : e->wide) * w->inverse[i * n + i]);
    fit->tau_w += share * c->tau_w * sqrt(c->sigma2);
}

static bool average(jmi_fit *fit, const equations *e, const candidate *all, size_t count, work *w) {
    double *each = jmi_alloc(count * fit->count, sizeof *each), sum = 0;
    if (each == NULL) return false;
    memset(fit->power_w, 0, fit->count * sizeof *fit->power_w);
    memset(fit->cov_w2, 0, fit->count * fit->count * sizeof *fit->cov_w2);
    fit->parameters = fit->tau_w = 0;
    for (size_t i = 0; i < count; i++) sum += all[i].share;
    for (size_t i = 0; i < count; i++)
        if (all[i].share > 0)
            add_candidate(fit, e, &all[i], all[i].share / sum, w, each + i * fit->count);
    for (size_t c = 0; c < count; c++) { /* how the candidates differ */
        if (!(all[c].share > 0)) continue;
        for (size_t i = 0; i < fit->count; i++) each[c * fit->count + i] -= fit->power_w[i];
        for (size_t i = 0; i < fit->count; i++)
            for (size_t k = 0; k < fit->count; k++)
                fit->cov_w2[i * fit->count + k] +=
                    all[c].share / sum * each[c * fit->count + i] * each[c * fit->count + k];
    }
    free(each);
    return true;
}

static bool round_of(jmi_fit *fit, const equations *e, double range_w, work *w) {
    candidate all[TAUS];
    size_t most = fit->count > FEW_CLASSES ? 3 : TAUS;
    for (size_t i = 0; i < TAUS; i++)
        all[i] = try_tau(e, range_w * 0.6 * pow(0.01, (double)i / (TAUS - 1)), w);
    weigh(all, TAUS, most);
    return average(fit, e, all, TAUS, w);
}

/* ---- noise ---- */

/* What readings of a view show beyond the powers, as a standard deviation of each. */
static double noise_of(const jmi_fit *fit, const jmi_normal *one, double rows, double *x) {
    size_t n = fit->count + 1;
    double left = one->yy, free = 1 - fit->parameters / jmi_max(rows, 1);
    double *b = x + n;
    b[0] = 0;
    memcpy(b + 1, fit->power_w, fit->count * sizeof *b);
    jmi_dense_multiply(one->xx, n, b, x);
    for (size_t i = 0; i < n; i++) left += b[i] * (x[i] - 2 * one->xy[i]);
    return sqrt(jmi_max(left, 0) / (jmi_max(one->n, 1) * jmi_max(free, 0.1)));
}

static bool improve_noise(jmi_fit *fit, const jmi_fit_input *in, double rows) {
    bool settled = true;
    double *x = jmi_alloc(2 * in->layout->width, sizeof *x);
    if (x == NULL) return true;
    for (size_t v = 0; v < in->views; v++) {
        double least = 1e-4 * in->range_w;
        double noise = jmi_max(noise_of(fit, &in->normals[v], rows, x), least);
        settled &= fabs(noise - fit->noise_w[v]) < 0.1 * fit->noise_w[v];
        fit->noise_w[v] = noise;
    }
    free(x);
    return settled;
}

/* ---- all of it ---- */

static bool open_work(equations *e, work *w, jmi_fit *fit) {
    size_t n = e->width;
    e->xx = jmi_alloc(n * n, sizeof *e->xx);
    e->xy = jmi_alloc(n, sizeof *e->xy);
    w->l = jmi_alloc(n * n, sizeof *w->l);
    w->inverse = jmi_alloc(n * n, sizeof *w->inverse);
    w->b = jmi_alloc(n, sizeof *w->b);
    fit->power_w = jmi_alloc(fit->count, sizeof *fit->power_w);
    fit->cov_w2 = jmi_alloc(fit->count * fit->count, sizeof *fit->cov_w2);
    return e->xx != NULL && e->xy != NULL && w->l != NULL && w->inverse != NULL && w->b != NULL &&
           fit->power_w != NULL && fit->cov_w2 != NULL;
}

int jmi_fit_make(jmi_fit *fit, const jmi_fit_input *input, jm_error *error) {
    equations e = {.width = input->layout->width};
    work w = {.l = NULL};
    *fit = (jmi_fit){.count = e.width - 1};
    bool good = open_work(&e, &w, fit);
    memcpy(fit->noise_w, input->noise_w, sizeof fit->noise_w);
    for (int round = 0; good && round < ROUNDS; round++) {
        gather(&e, input, fit->noise_w);
        good = round_of(fit, &e, input->range_w, &w);
        if (good && improve_noise(fit, input, e.rows)) break;
        if (fit->count > FEW_CLASSES && round == 1) break;
    }
    free(e.xx);
    free(e.xy);
    free(w.l);
    free(w.inverse);
    free(w.b);
    if (good) return JM_OK;
    jmi_fit_free(fit);
    return jmi_fail(error, JM_MEMORY, "out of memory for the powers of %zu classes", e.width);
}

void jmi_fit_free(jmi_fit *fit) {
    free(fit->power_w);
    free(fit->cov_w2);
    *fit = (jmi_fit){.count = 0};
}

double jmi_fit_sum(const jmi_fit *fit, const double *factors) {
    double sum = 0;
    for (size_t i = 0; i < fit->count; i++) sum += factors[i] * fit->power_w[i];
    return sum;
}

double jmi_fit_variance(const jmi_fit *fit, const double *factors) {
    double sum = 0;
    for (size_t i = 0; i < fit->count; i++) {
        if (factors[i] == 0) continue;
        double row = 0;
        for (size_t k = 0; k < fit->count; k++) row += fit->cov_w2[i * fit->count + k] * factors[k];
        sum += factors[i] * row;
    }
    return sum > 0 ? sum : 0;
}
