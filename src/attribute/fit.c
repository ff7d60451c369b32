#include "attribute/fit.h"

#include "base/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Classes that are taken to differ by chance; more of them are copies of these. */
enum { OF_THEIR_OWN = 16 };
enum { TAUS = 12, FEW_TAUS = 5, ROUNDS = 12, FEW_CLASSES = 150 };

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
    double evidence; /* log, less what all have in common, with the prior of tau */
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

/* Less the mean m: a row's shares are 1 in all, so that x'm is m times what all columns are
 * together. */
static void centre(equations *e, double y, double n) {
    e->mean_w = n > 0 ? y / n : 0;
    for (size_t i = 0; i < e->width; i++) {
        double sum = 0;
        for (size_t k = 0; k < e->width; k++)
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

/* Factor of the equations with their prior. What classes have in common, c ~ N(0, 1 / wide), and
 * what each has of its own, N(0, tau^2), give them the covariance tau^2 I + 11' / wide, the inverse
 * of which is I / tau^2 - 11' / (tau^2 (k + tau^2 wide)) for k classes. */
static bool factor(const equations *e, double tau_w, work *w, double *prior_log_det) {
    size_t n = e->width, k = n - JMI_GAPS;
    double tau2 = tau_w * tau_w, common = 1 / (tau2 * ((double)k + tau2 * e->wide));
    memcpy(w->l, e->xx, n * n * sizeof *w->l);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j <= i; j++) w->l[i * n + j] -= common;
        w->l[i * n + i] += 1 / tau2;
    }
    for (size_t i = k; i < n; i++) w->l[i * n + i] += e->wide;
    *prior_log_det =
        JMI_GAPS * log(e->wide) - ((double)k - 1) * log(tau2) - log(tau2 + (double)k / e->wide);
    return jmi_dense_cholesky(w->l, n);
}

static bool solve(const equations *e, double tau_w, work *w, double *prior_log_det) {
    if (!factor(e, tau_w, w, prior_log_det)) return false;
    memcpy(w->b, e->xy, e->width * sizeof *w->b);
    jmi_dense_solve(w->l, e->width, w->b);
    return true;
}

static candidate try_tau(const equations *e, double tau_w, work *w) {
    candidate c = {.tau_w = tau_w, .evidence = -INFINITY};
    double prior, left = e->yy;
    if (!solve(e, tau_w, w, &prior)) return c;
    for (size_t i = 0; i < e->width; i++) left -= w->b[i] * e->xy[i];
    /* Layers are often copies of each other: no more than some of them tell of the spread. */
    double apart = jmi_min(1, OF_THEIR_OWN / (double)(e->width - JMI_GAPS));
    c.evidence = log(tau_w) - 0.5 * apart * (left + jmi_dense_log_det(w->l, e->width) - prior);
    return c;
}

/* Shares by evidence. At most so many are kept, and none
 * that hardly counts. */
static void weigh(candidate *all, size_t count, size_t most) {
    double best = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) best = jmi_max(best, all[i].evidence);
    for (size_t i = 0; i < count; i++) sum += all[i].share = exp(all[i].evidence - best);
    for (size_t i = 0; i < count; i++) {
        size_t above = 0;
        for (size_t k = 0; k < count; k++)
            above +=
                all[k].evidence > all[i].evidence || (k < i && all[k].evidence == all[i].evidence);
        bool kept = above == 0 || (above < most && all[i].share > 0.005 * sum);
        if (!kept) all[i].share = 0;
    }
}

/* ---- the average over tau ---- */

static void add_candidate(jmi_fit *fit, const equations *e, const candidate *c, double share,
                          work *w, double *power_w) {
    double prior;
    if (!solve(e, c->tau_w, w, &prior)) return;
    jmi_dense_inverse(w->l, e->width, w->inverse);
    for (size_t i = 0; i < fit->count; i++) {
        power_w[i] = e->mean_w + w->b[i];
        fit->power_w[i] += share * power_w[i];
    }
    for (size_t i = 0; i < fit->count * fit->count; i++) fit->cov_w2[i] += share * w->inverse[i];
    fit->tau_w += share * c->tau_w;
}

static bool average(jmi_fit *fit, const equations *e, const candidate *all, size_t count, work *w) {
    double *each = jmi_alloc(count * fit->count, sizeof *each), sum = 0;
    if (each == NULL) return false;
    memset(fit->power_w, 0, fit->count * sizeof *fit->power_w);
    memset(fit->cov_w2, 0, fit->count * fit->count * sizeof *fit->cov_w2);
    fit->tau_w = 0;
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

/* tau goes by equal factors up to what powers anywhere in the range would have; before the
 * readings every value is as likely as any other (Gelman, Bayesian Analysis 1, 2006), which
 * log(tau) in the evidence stands for. A first round is for the noise alone: the likeliest will do.
 */
static bool round_of(jmi_fit *fit, const equations *e, double range_w, bool last, work *w) {
    candidate all[TAUS];
    bool many = fit->count > FEW_CLASSES; /* a factor takes long: a coarser grid */
    size_t count = last ? (many ? TAUS - 4 : TAUS) : (many ? FEW_TAUS - 2 : FEW_TAUS);
    size_t most = !last ? 1 : many ? 3 : TAUS;
    for (size_t i = 0; i < count; i++)
        all[i] = try_tau(e, range_w * 0.35 * pow(0.01, (double)i / (double)(count - 1)), w);
    weigh(all, count, most);
    return average(fit, e, all, count, w);
}

/* ---- noise ---- */

/* What readings of a view show beyond the powers, as a standard deviation of each: what is left of
 * them, for as many as there are beyond the parameters that they determine. */
static double noise_of(const jmi_fit *fit, const jmi_normal *one, double noise_w, double *x) {
    size_t n = fit->count;
    double left = one->yy, parameters = 0;
    jmi_dense_multiply(one->xx, n, fit->power_w, x);
    for (size_t i = 0; i < n; i++) left += fit->power_w[i] * (x[i] - 2 * one->xy[i]);
    for (size_t i = 0; i < n; i++) {
        const double *row = one->xx + i * n, *cov = fit->cov_w2 + i * n;
        for (size_t k = 0; k < i; k++) parameters += 2 * row[k] * cov[k];
        parameters += row[i] * cov[i];
    }
    double known =
        jmi_max((double)one->rows - parameters / (noise_w * noise_w), 0.05 * (double)one->rows);
    return sqrt(jmi_max(left, 0) * (double)one->rows / (jmi_max(one->n, 1e-9) * jmi_max(known, 1)));
}

static bool improve_noise(jmi_fit *fit, const jmi_fit_input *in) {
    bool settled = true;
    double *x = jmi_alloc(in->layout->width, sizeof *x);
    if (x == NULL) return true;
    for (size_t v = 0; v < in->views; v++) {
        double least = 1e-4 * in->range_w, before = fit->noise_w[v];
        double noise = jmi_max(noise_of(fit, &in->normals[v], before, x), least);
        noise = jmi_min(jmi_max(noise, 0.2 * before), 5 * before); /* one step at a time */
        settled &= fabs(noise - before) < 0.1 * before;
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
    *fit = (jmi_fit){.count = e.width};
    bool good = open_work(&e, &w, fit);
    memcpy(fit->noise_w, input->noise_w, sizeof fit->noise_w);
    for (int round = 0; good && round < ROUNDS; round++) {
        gather(&e, input, fit->noise_w);
        good = round_of(fit, &e, input->range_w, false, &w);
        if (good && improve_noise(fit, input)) break;
    }
    if (good) gather(&e, input, fit->noise_w);
    if (good) good = round_of(fit, &e, input->range_w, true, &w);
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

double jmi_fit_sd(const jmi_fit *fit, size_t column) {
    double variance = fit->cov_w2[column * fit->count + column];
    return variance > 0 ? sqrt(variance) : 0;
}
