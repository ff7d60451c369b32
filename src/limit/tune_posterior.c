/* What is believed after the trials.
 *
 * A model explains a trial up to its own error and noise. Of log time and of log power, each by
 * itself: what is left is a constant (the level, hardly known of time; of power known from the
 * reference), a smooth error (a Gaussian process over the settings, as large as the setting acts)
 * and noise, half of which is the setting's own and comes back with it, half the trial's. Their
 * sizes are unknown: all pairs of a few are tried. With each pair the likelihood of each model is
 * that of its residuals; by it models and pairs are weighed, and given both the error at other
 * settings follows (Rasmussen and Williams 2006, chapter 2; Kennedy and O'Hagan 2001 for the error
 * of a model). */
#include "limit/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double smooth_sizes[] = {0.01, 0.03};
/* Under a limit power is known but for a little: it is the limit. Under a clock it is what voltage
 * and load make of it. */
static const double CLOCK_FACTOR = 2;
static const double noise_sizes[] = {0.001, 0.004, 0.016, 0.064};
static const double noise_chances[] = {0.3, 0.4, 0.2, 0.1}; /* runs mostly repeat within 1 % */
static const double LENGTH = 0.3; /* over which the smooth error changes, of the range */
static const double OWN = 0.5;    /* share of the noise's variance that is the setting's own */
static const double LEVEL_T = 0.3, LEVEL_P = 0.03;
static const double LIMITED_SD = 0.3; /* shares of limited time are told coarsely */

enum { TIME, POWER, KINDS };

/* One pair of sizes, of time or power, over the groups. */
typedef struct process {
    double level, smooth, noise; /* standard deviations */
    size_t n;
    double factor[TUNE_GROUPS][TUNE_GROUPS]; /* Cholesky, lower */
    double log_det;                          /* half of it */
    double repeats; /* log likelihood of how trials at one setting differ */
} process;

typedef struct belief {
    process process[KINDS][TUNE_HYPER];
    double share[KINDS][TUNE_MODELS][TUNE_HYPER]; /* of the pairs, given the model */
    double weight[TUNE_MODELS];
    double scale[TUNE_GROUPS];
} belief;

double jmi_tune_square(double x) {
    return x * x;
}

/* ---- covariances ---- */

static double scale_at(const jm_tuner *tuner, double at) {
    size_t j = 1;
    while (j + 1 < tuner->nodes && tuner->node_at[j] < at) j++;
    if (tuner->nodes < 2) return tuner->scale[0];
    double low = tuner->node_at[j - 1], high = tuner->node_at[j];
    double share = fmin(fmax((at - low) / (high - low), 0), 1);
    return tuner->scale[j - 1] + share * (tuner->scale[j] - tuner->scale[j - 1]);
}

static double smooth(const process *p, double a, double scale_a, double b, double scale_b) {
    double d = (a - b) / LENGTH;
    return p->level * p->level + p->smooth * p->smooth * scale_a * scale_b * exp(-0.5 * d * d);
}

static double told_variance(const tune_mean *mean) {
    return mean->told / (mean->weight * mean->weight);
}

static void factorise(process *p) {
    p->log_det = 0;
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = p->factor[i][j];
            for (size_t k = 0; k < j; k++) sum -= p->factor[i][k] * p->factor[j][k];
            p->factor[i][j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / p->factor[j][j];
            if (i == j) p->log_det += log(p->factor[i][i]);
        }
}

/* Several trials at a setting show the noise by itself. */
static double repeats(const jm_tuner *tuner, const process *p, int kind) {
    double sum = 0;
    for (size_t i = 0; i < tuner->groups; i++) {
        const tune_group *g = &tuner->group[i];
        const tune_mean *mean = kind == TIME ? &g->log_t : &g->log_p;
        double free = g->count - 1.0;
        double variance = (1 - OWN) * p->noise * p->noise + told_variance(mean) * g->count;
        if (free > 0) sum -= 0.5 * (free * log(variance) + mean->scatter / variance);
    }
    return sum;
}

static void prepare(const jm_tuner *tuner, const belief *b, process *p, int kind, int hyper) {
    p->level = kind == TIME ? LEVEL_T : LEVEL_P;
    p->smooth = smooth_sizes[hyper / (int)JMI_COUNT(noise_sizes)];
    if (kind == POWER && tuner->options.lever == JM_LEVER_CLOCK) p->smooth *= CLOCK_FACTOR;
    p->noise = noise_sizes[hyper % (int)JMI_COUNT(noise_sizes)];
    p->n = tuner->groups;
    for (size_t i = 0; i < p->n; i++) {
        const tune_group *g = &tuner->group[i];
        for (size_t j = 0; j <= i; j++)
            p->factor[i][j] = smooth(p, g->at, b->scale[i], tuner->group[j].at, b->scale[j]);
        p->factor[i][i] += p->noise * p->noise * (OWN + (1 - OWN) / g->count) +
                           told_variance(kind == TIME ? &g->log_t : &g->log_p);
    }
    factorise(p);
    p->repeats = repeats(tuner, p, kind) + log(noise_chances[hyper % (int)JMI_COUNT(noise_sizes)]);
}

/* factor x = r, in place. */
static void forward(const process *p, double *r) {
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = 0; k < i; k++) r[i] -= p->factor[i][k] * r[k];
        r[i] /= p->factor[i][i];
    }
}

static void backward(const process *p, double *r) {
    for (size_t i = p->n; i-- > 0;) {
        for (size_t k = i + 1; k < p->n; k++) r[i] -= p->factor[k][i] * r[k];
        r[i] /= p->factor[i][i];
    }
}

static void residuals(const jm_tuner *tuner, size_t model, int kind, double *r) {
    const tune_group *base = &tuner->group[tuner->reference];
    for (size_t g = 0; g < tuner->groups; g++) {
        const tune_group *group = &tuner->group[g];
        const tune_point *said = &tuner->told[g][model];
        r[g] = kind == TIME ? group->log_t.value - base->log_t.value - said->t
                            : group->log_p.value - base->log_p.value - said->p;
    }
}

/* ---- weights ---- */

static double limited_likelihood(const jm_tuner *tuner, size_t model) {
    double sum = 0;
    for (size_t g = 0; g < tuner->groups; g++) {
        const tune_mean *told = &tuner->group[g].limited;
        if (told->weight > 0)
            sum -= 0.5 * jmi_tune_square((told->value - (double)tuner->told_limited[g][model]) /
                                         LIMITED_SD);
    }
    return sum;
}

/* Likelihood of the model's residuals, over all pairs of sizes; the logarithm. */
static double explain(const jm_tuner *tuner, belief *b, size_t model, int kind) {
    double r[TUNE_GROUPS], x[TUNE_GROUPS], *share = b->share[kind][model];
    double highest = -INFINITY, sum = 0;
    residuals(tuner, model, kind, r);
    for (int h = 0; h < TUNE_HYPER; h++) {
        const process *p = &b->process[kind][h];
        memcpy(x, r, p->n * sizeof *x);
        forward(p, x);
        share[h] = p->repeats - p->log_det;
        for (size_t g = 0; g < p->n; g++) share[h] -= 0.5 * x[g] * x[g];
        highest = fmax(highest, share[h]);
    }
    for (int h = 0; h < TUNE_HYPER; h++) sum += share[h] = exp(share[h] - highest);
    for (int h = 0; h < TUNE_HYPER; h++) share[h] /= sum;
    return highest + log(sum);
}

static void weigh(const jm_tuner *tuner, belief *b) {
    double highest = -INFINITY, sum = 0;
    for (size_t i = 0; i < TUNE_MODELS; i++) {
        b->weight[i] = tuner->model[i].log_weight;
        memset(b->share[TIME][i], 0, sizeof b->share[TIME][i]);
        memset(b->share[POWER][i], 0, sizeof b->share[POWER][i]);
        if (!(b->weight[i] > -INFINITY)) continue;
        b->weight[i] +=
            limited_likelihood(tuner, i) + explain(tuner, b, i, TIME) + explain(tuner, b, i, POWER);
        highest = fmax(highest, b->weight[i]);
    }
    for (size_t i = 0; i < TUNE_MODELS; i++) sum += b->weight[i] = exp(b->weight[i] - highest);
    for (size_t i = 0; i < TUNE_MODELS; i++) b->weight[i] /= sum;
}

/* Systematic resampling (Kitagawa 1996) at the middles of equal parts. */
static void draw(const belief *b, tune_posterior *posterior) {
    double sum = 0;
    size_t next = 0;
    for (uint32_t i = 0; i < TUNE_MODELS; i++) {
        sum += b->weight[i];
        while (next < TUNE_DRAWS && sum * TUNE_DRAWS > (double)next + 0.5)
            posterior->draw[next++] = i;
    }
    for (; next < TUNE_DRAWS; next++)
        posterior->draw[next] = next > 0 ? posterior->draw[next - 1] : 0;
}

/* Weight of a pair, over all models. */
static double pair_weight(const belief *b, int kind, int hyper) {
    double sum = 0;
    for (size_t i = 0; i < TUNE_MODELS; i++) sum += b->weight[i] * b->share[kind][i][hyper];
    return sum;
}

/* ---- curves of the draws ---- */

/* Covariance of the error at a place with that of each group. */
static void across(const jm_tuner *tuner, const belief *b, const process *p, double at,
                   double scale, double own, double *k) {
    for (size_t g = 0; g < p->n; g++) {
        bool same = fabs(tuner->group[g].at - at) < 1e-9;
        k[g] = smooth(p, at, scale, tuner->group[g].at, b->scale[g]) +
               (same ? own * p->noise * p->noise : 0);
    }
}

static void add_error(const jm_tuner *tuner, const belief *b, uint32_t model, int kind,
                      double *curve) {
    double r[TUNE_GROUPS], x[TUNE_GROUPS], k[TUNE_GROUPS];
    residuals(tuner, model, kind, r);
    for (int h = 0; h < TUNE_HYPER; h++) {
        const process *p = &b->process[kind][h];
        double share = b->share[kind][model][h];
        if (share < 1e-4) continue;
        memcpy(x, r, p->n * sizeof *x);
        forward(p, x);
        backward(p, x);
        for (size_t j = 0; j < tuner->nodes; j++) {
            double sum = 0;
            across(tuner, b, p, tuner->node_at[j], tuner->scale[j], OWN, k);
            for (size_t g = 0; g < p->n; g++) sum += k[g] * x[g];
            curve[j] += share * sum;
        }
    }
}

static void follow(jm_tuner *tuner, const belief *b) {
    tune_posterior *posterior = &tuner->posterior;
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        uint32_t model = posterior->draw[d];
        if (d > 0 && model == posterior->draw[d - 1]) {
            memcpy(posterior->t[d], posterior->t[d - 1], sizeof posterior->t[d]);
            memcpy(posterior->p[d], posterior->p[d - 1], sizeof posterior->p[d]);
            continue;
        }
        for (size_t j = 0; j < tuner->nodes; j++) {
            posterior->t[d][j] = tuner->curve[model][j].t;
            posterior->p[d][j] = tuner->curve[model][j].p;
        }
        add_error(tuner, b, model, TIME, posterior->t[d]);
        add_error(tuner, b, model, POWER, posterior->p[d]);
    }
}

/* ---- what is left unknown of the error ---- */

static void add_covariance(const jm_tuner *tuner, const belief *b, const process *p, double weight,
                           double own, double cov[TUNE_NODES][TUNE_NODES]) {
    double x[TUNE_NODES][TUNE_GROUPS];
    if (weight < 1e-4) return;
    for (size_t j = 0; j < tuner->nodes; j++) {
        across(tuner, b, p, tuner->node_at[j], tuner->scale[j], own, x[j]);
        forward(p, x[j]);
    }
    for (size_t i = 0; i < tuner->nodes; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum =
                smooth(p, tuner->node_at[i], tuner->scale[i], tuner->node_at[j], tuner->scale[j]) +
                (i == j ? own * p->noise * p->noise : 0);
            for (size_t g = 0; g < p->n; g++) sum -= x[i][g] * x[j][g];
            cov[i][j] += weight * sum;
            if (i != j) cov[j][i] += weight * sum;
        }
}

static void spread_of(jm_tuner *tuner, const belief *b) {
    tune_posterior *posterior = &tuner->posterior;
    memset(posterior->cov_t, 0, sizeof posterior->cov_t);
    memset(posterior->cov_p, 0, sizeof posterior->cov_p);
    memset(posterior->smooth_t, 0, sizeof posterior->smooth_t);
    memset(posterior->smooth_p, 0, sizeof posterior->smooth_p);
    posterior->noise_t = posterior->noise_p = 0;
    for (int h = 0; h < TUNE_HYPER; h++) {
        const process *t = &b->process[TIME][h], *p = &b->process[POWER][h];
        double weight_t = pair_weight(b, TIME, h), weight_p = pair_weight(b, POWER, h);
        posterior->noise_t += weight_t * (1 - OWN) * t->noise * t->noise;
        posterior->noise_p += weight_p * (1 - OWN) * p->noise * p->noise;
        add_covariance(tuner, b, t, weight_t, OWN, posterior->cov_t);
        add_covariance(tuner, b, p, weight_p, OWN, posterior->cov_p);
        add_covariance(tuner, b, t, weight_t, 0, posterior->smooth_t);
        add_covariance(tuner, b, p, weight_p, 0, posterior->smooth_p);
    }
}

int jmi_tune_believe(jm_tuner *tuner) {
    if (tuner->posterior.valid) return JM_OK;
    belief *b = malloc(sizeof *b);
    if (b == NULL) return JM_MEMORY;
    double power_w = exp(tuner->group[tuner->reference].log_p.value);
    if (tuner->solved_for != power_w) jmi_tune_solve(tuner);
    for (size_t g = 0; g < tuner->groups; g++) b->scale[g] = scale_at(tuner, tuner->group[g].at);
    for (int h = 0; h < TUNE_HYPER; h++)
        for (int kind = 0; kind < KINDS; kind++) prepare(tuner, b, &b->process[kind][h], kind, h);
    weigh(tuner, b);
    draw(b, &tuner->posterior);
    follow(tuner, b);
    spread_of(tuner, b);
    free(b);
    tuner->posterior.valid = true;
    return JM_OK;
}
