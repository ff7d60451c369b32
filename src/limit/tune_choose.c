/* Which setting is best, how sure that is, and which trial would tell most. */
#include "limit/tune.h"

#include <math.h>
#include <string.h>

enum { STORIES = 64 };           /* outcomes of a trial that are thought through */
static const double BREACH = 10; /* cost of exceeding a bound on time, per log of time */

/* ---- numbers that are as good as random and always the same ---- */

static double uniform(uint64_t *state) { /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state) {
    double radius = sqrt(-2 * log(uniform(state)));
    return radius * cos(2 * M_PI * uniform(state));
}

/* ---- the objective ---- */

/* Mean of what a normal variable is above 0. */
static double excess(double mean, double sd) {
    if (sd < 1e-9) return fmax(mean, 0);
    double z = mean / sd;
    return mean * 0.5 * erfc(-z * M_SQRT1_2) + sd * exp(-0.5 * z * z) / sqrt(2 * M_PI);
}

typedef struct value {
    double log, by_t, by_p;
} value;

static value linear(double t, double p, double by_t, double by_p) {
    return (value){by_t * t + by_p * p, by_t, by_p};
}

/* Price of energy and of time at the reference, and what they become. */
static value cost(const jm_tuner *tuner, double t, double p) {
    const tune_group *base = &tuner->group[tuner->reference];
    const jm_objective *o = &tuner->options.objective;
    double watts = exp(base->log_p.value);
    double energy = o->price_kwh / 3.6e6 * watts, time = o->price_h / 3600;
    double share = energy / (energy + time);
    double sum = share * exp(p) + 1 - share;
    return (value){t + log(sum), 1, share * exp(p) / sum};
}

static value plain(const jm_tuner *tuner, double t, double p) {
    switch (tuner->options.objective.kind) {
    case JM_OBJECTIVE_ED2P: return linear(t, p, 3, 1);
    case JM_OBJECTIVE_EDP: return linear(t, p, 2, 1);
    case JM_OBJECTIVE_TIME: return linear(t, p, 1, 0);
    case JM_OBJECTIVE_COST: return cost(tuner, t, p);
    case JM_OBJECTIVE_ENERGY:
    case JM_OBJECTIVE_SLOWDOWN: break;
    }
    return linear(t, p, 1, 1);
}

double jmi_tune_objective(const jm_tuner *tuner, double t, double p, double *by_t, double *by_p) {
    value v = plain(tuner, t, p);
    *by_t = v.by_t;
    *by_p = v.by_p;
    return v.log;
}

/* What is made least. `over`: time above that at the standard setting, and the part of its
 * uncertainty that no model tells. */
static value value_of(const jm_tuner *tuner, double t, double p, double over, double over_sd) {
    const jm_objective *o = &tuner->options.objective;
    value v = plain(tuner, t, p);
    if (o->kind == JM_OBJECTIVE_TIME) {
        /* of equal times the least energy: half of it may cost two thirds of the tolerance */
        double weight = tuner->options.tolerance_pct / 100;
        return linear(t, p, 1 + weight, weight);
    }
    if (o->kind != JM_OBJECTIVE_SLOWDOWN) return v;
    double late = over - log1p(o->slowdown_pct / 100);
    v.log += BREACH * excess(late, over_sd);
    if (late > 0) v.by_t += BREACH;
    return v;
}

int jmi_tune_look(jm_tuner *tuner) {
    const tune_posterior *b = &tuner->posterior;
    tune_view *view = &tuner->view;
    if (b->valid) return JM_OK;
    int status = jmi_tune_believe(tuner);
    if (status != JM_OK) return status;
    size_t s = tuner->standard;
    view->best = s; /* where all are alike */
    for (size_t j = 0; j < tuner->nodes; j++) {
        double variance = b->cov_t[j][j] + b->cov_t[s][s] - 2 * b->cov_t[j][s];
        double sd = j == s ? 0 : sqrt(fmax(variance, 0));
        view->mean[j] = view->by_t[j] = view->by_p[j] = 0;
        for (size_t d = 0; d < TUNE_DRAWS; d++) {
            value v = value_of(tuner, b->t[d][j], b->p[d][j], b->t[d][j] - b->t[d][s], sd);
            view->value[d][j] = v.log;
            view->mean[j] += v.log / TUNE_DRAWS;
            view->by_t[j] += v.by_t / TUNE_DRAWS;
            view->by_p[j] += v.by_p / TUNE_DRAWS;
        }
    }
    for (size_t j = 0; j < tuner->nodes; j++)
        if (view->mean[j] < view->mean[view->best] - 1e-6) view->best = j;
    return JM_OK;
}

/* ---- regret ---- */

static void root(size_t n, double cov[TUNE_NODES][TUNE_NODES]) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = cov[i][j];
            for (size_t k = 0; k < j; k++) sum -= cov[i][k] * cov[j][k];
            if (i == j)
                cov[i][i] = sqrt(fmax(sum, 0) + 1e-14);
            else
                cov[i][j] = sum / cov[j][j];
        }
}

/* Of draws of the whole curve, smooth error included; a setting's own is left out, for its least is
 * but the luckiest. */
double jmi_tune_regret(const jm_tuner *tuner) {
    const tune_view *view = &tuner->view;
    double t[TUNE_NODES][TUNE_NODES], p[TUNE_NODES][TUNE_NODES];
    uint64_t state = 1;
    double sum = 0;
    size_t n = tuner->nodes;
    memcpy(t, tuner->posterior.smooth_t, sizeof t);
    memcpy(p, tuner->posterior.smooth_p, sizeof p);
    root(n, t);
    root(n, p);
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        double z_t[TUNE_NODES], z_p[TUNE_NODES], least = INFINITY, best = 0;
        for (size_t j = 0; j < n; j++) {
            z_t[j] = normal(&state);
            z_p[j] = normal(&state);
        }
        for (size_t j = 0; j < n; j++) {
            double error_t = 0, error_p = 0;
            for (size_t k = 0; k <= j; k++) {
                error_t += t[j][k] * z_t[k];
                error_p += p[j][k] * z_p[k];
            }
            double here = view->value[d][j] + view->by_t[j] * error_t + view->by_p[j] * error_p;
            least = fmin(least, here);
            if (j == view->best) best = here;
        }
        sum += best - least;
    }
    return sum / TUNE_DRAWS;
}

/* ---- knowledge gradient ---- */

bool jmi_tune_tried(const jm_tuner *tuner, size_t node) {
    if (tuner->refused[node] >= 2) return true;
    for (size_t g = 0; g < tuner->groups; g++)
        if (fabs(tuner->group[g].at - tuner->node_at[node]) < 1e-9) return true;
    return false;
}

/* By how much the least of the means would be below that of what is best now, after a trial at
 * `node` gave this time and power. */
static double fall(const jm_tuner *tuner, const tune_view *view, size_t node, double t, double p) {
    const tune_posterior *b = &tuner->posterior;
    double variance_t = b->cov_t[node][node] + b->noise_t + 1e-6;
    double variance_p = b->cov_p[node][node] + b->noise_p + 1e-6;
    double weight[TUNE_DRAWS], mean[TUNE_NODES] = {0};
    double highest = -INFINITY, sum = 0, shift_t = 0, shift_p = 0, least = INFINITY;
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        weight[d] = -0.5 * (jmi_tune_square(t - b->t[d][node]) / variance_t +
                            jmi_tune_square(p - b->p[d][node]) / variance_p);
        highest = fmax(highest, weight[d]);
    }
    for (size_t d = 0; d < TUNE_DRAWS; d++) sum += weight[d] = exp(weight[d] - highest);
    for (size_t d = 0; d < TUNE_DRAWS; d++) {
        double share = weight[d] / sum;
        if (share < 1e-6) continue;
        shift_t += share * (t - b->t[d][node]);
        shift_p += share * (p - b->p[d][node]);
        for (size_t j = 0; j < tuner->nodes; j++) mean[j] += share * view->value[d][j];
    }
    shift_t /= variance_t;
    shift_p /= variance_p;
    for (size_t j = 0; j < tuner->nodes; j++) {
        mean[j] += view->by_t[j] * b->cov_t[j][node] * shift_t +
                   view->by_p[j] * b->cov_p[j][node] * shift_p;
        least = fmin(least, mean[j]);
    }
    return mean[view->best] - least;
}

/* Expected fall of the least mean (Frazier, Powell, Dayanik 2009), over outcomes that the draws
 * and their errors foretell. */
static double gain_of(const jm_tuner *tuner, const tune_view *view, size_t node) {
    const tune_posterior *b = &tuner->posterior;
    double sd_t = sqrt(b->cov_t[node][node] + b->noise_t + 1e-6);
    double sd_p = sqrt(b->cov_p[node][node] + b->noise_p + 1e-6);
    uint64_t state = 2;
    double sum = 0;
    for (size_t s = 0; s < STORIES; s++) {
        size_t d = s * TUNE_DRAWS / STORIES + TUNE_DRAWS / STORIES / 2;
        double t = b->t[d][node] + sd_t * normal(&state);
        double p = b->p[d][node] + sd_p * normal(&state);
        sum += fall(tuner, view, node, t, p);
    }
    return sum / STORIES;
}

/* The node farthest from what was tried, where no trial tells more than another. */
static size_t farthest(const jm_tuner *tuner) {
    size_t found = TUNE_NODES;
    double most = 0;
    for (size_t j = 0; j < tuner->nodes; j++) {
        double distance = INFINITY;
        for (size_t g = 0; g < tuner->groups; g++)
            distance = fmin(distance, fabs(tuner->group[g].at - tuner->node_at[j]));
        if (distance > most && !jmi_tune_tried(tuner, j)) {
            most = distance;
            found = j;
        }
    }
    return found;
}

size_t jmi_tune_most_telling(const jm_tuner *tuner, double *gain) {
    const tune_view *view = &tuner->view;
    size_t found = TUNE_NODES, stride = tuner->nodes > 17 ? 2 : 1;
    *gain = 0;
    for (size_t j = 0; j < tuner->nodes; j++) {
        bool ask = j % stride == 0 || j == view->best;
        if (!ask || jmi_tune_tried(tuner, j)) continue;
        double here = gain_of(tuner, view, j);
        if (here > *gain) {
            *gain = here;
            found = j;
        }
    }
    return found < TUNE_NODES ? found : farthest(tuner);
}
