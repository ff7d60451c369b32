/* Which powers the readings tell apart, and what powers there can be. */
#include "attribute/attribution.h"
#include "attribute/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

/* A column that holds several classes is a group anyway. */
static bool find_groups(jmi_attributing *a) {
    size_t n = a->layout.classes;
    double *usual = jmi_alloc(n, sizeof *usual), *cov = jmi_alloc(n * n, sizeof *cov);
    double *time_s = jmi_alloc(n, sizeof *time_s);
    a->group = jmi_alloc(n, sizeof *a->group);
    bool good = usual != NULL && cov != NULL && time_s != NULL && a->group != NULL;
    for (size_t i = 0; good && i < a->calls.class_count; i++)
        time_s[a->layout.column[i]] += a->calls.classes[i].share_s;
    for (size_t i = 0; good && i < n; i++) {
        usual[i] = time_s[i] * a->usual_w;
        for (size_t k = 0; k < n; k++)
            cov[i * n + k] = time_s[i] * time_s[k] * a->fit.cov_w2[i * a->fit.count + k];
    }
    if (good) a->group_count = jmi_groups_find(usual, cov, n, a->group);
    good = good && a->group_count != SIZE_MAX;
    if (good && a->layout.lumped && a->group[n - 1] == JM_NO_GROUP)
        a->group[n - 1] = (uint32_t)a->group_count++;
    free(usual);
    free(cov);
    free(time_s);
    return good;
}

/* ---- cut off ---- */

/* What a normal distribution's mean (in its standard deviations) and variance (relative) become
 * when it is cut off at both ends. */
static void cut_off(double mean, double sd, double low, double high, double *shift, double *ratio) {
    const double root = 0.39894228040143268; /* 1 / sqrt(2 pi) */
    double a = (low - mean) / sd, b = (high - mean) / sd;
    *shift = 0;
    *ratio = 1;
    if (a < -5 && b > 5) return;
    double in = 0.5 * (erfc(-b / sqrt(2)) - erfc(-a / sqrt(2)));
    double pa = root * exp(-a * a / 2), pb = root * exp(-b * b / 2);
    if (!(in > 1e-9)) { /* far outside: at the nearer end */
        double sd_left = fmin(sd, (high - low) / sqrt(12));
        *shift = (fmin(fmax(mean, low), high) - mean) / sd;
        *ratio = sd_left / sd * (sd_left / sd);
        return;
    }
    *shift = (pa - pb) / in;
    *ratio = fmax(
        1 + ((isfinite(a) ? a * pa : 0) - (isfinite(b) ? b * pb : 0)) / in - *shift * *shift, 0);
}

double jmi_attribute_least(const jmi_attributing *a) {
    return a->views.view[0].track.floor_w;
}

double jmi_attribute_most(const jmi_attributing *a) {
    return a->views.view[0].track.ceiling_w;
}

double jmi_attribute_span(const jmi_track *track) {
    return jmi_max(track->ceiling_w - track->floor_w, 1e-3);
}

void jmi_attribute_cut(const jmi_attributing *a, double *mean_w, double *sd_w) {
    double shift, ratio;
    if (!(*sd_w > 0)) {
        *mean_w = fmin(fmax(*mean_w, jmi_attribute_least(a)), jmi_attribute_most(a));
        return;
    }
    cut_off(*mean_w, *sd_w, jmi_attribute_least(a), jmi_attribute_most(a), &shift, &ratio);
    *mean_w += shift * *sd_w;
    *sd_w *= sqrt(ratio);
}

/* Gives one power the mean and variance that it has within what is possible; what the others were
 * known to be together with it moves with it. */
static void condition(jmi_fit *fit, size_t column, double shift, double ratio, double *gain) {
    size_t n = fit->count;
    double sd = sqrt(fit->cov_w2[column * n + column]);
    for (size_t i = 0; i < n; i++) gain[i] = fit->cov_w2[i * n + column] / sd;
    for (size_t i = 0; i < n; i++) {
        fit->power_w[i] += gain[i] * shift;
        for (size_t k = 0; k < n; k++) fit->cov_w2[i * n + k] += gain[i] * gain[k] * (ratio - 1);
    }
}

static bool says_nothing(double sd, double usual) {
    return 1.96 * sd > usual;
}

bool jmi_attribute_told(const jmi_attributing *a, size_t column) {
    return !says_nothing(jmi_fit_sd(&a->fit, column), a->usual_w);
}

void jmi_attribute_bound_wide(jm_energy *energy, double usual_w) {
    if (says_nothing(energy->u_random_j, usual_w * energy->duration_s))
        energy->provenance |= JM_BOUND_ONLY;
}

/* Powers that are told, all between the least and the most that the device draws, one after the
 * other, the one that is farthest out first (assumed density filtering; Minka, A family of
 * algorithms for approximate Bayesian inference, 2001, ch. 3). So what the parts take adds up to
 * what all of them take. Those of which next to nothing is known would only tell of each other what
 * they were assumed to be. */
static bool cut_all(jmi_attributing *a) {
    jmi_fit *fit = &a->fit;
    size_t n = fit->count, classes = a->layout.classes;
    double *gain = jmi_alloc(n, sizeof *gain);
    bool *done = jmi_alloc(classes, sizeof *done);
    bool good = gain != NULL && done != NULL;
    for (size_t i = 0; good && i < classes; i++)
        done[i] = a->group[i] != JM_NO_GROUP || !jmi_attribute_told(a, i);
    for (size_t step = 0; good && step < classes; step++) {
        size_t farthest = SIZE_MAX;
        double shift = 0, ratio = 1;
        for (size_t i = 0; i < classes; i++) {
            double variance = fit->cov_w2[i * n + i], moves, left;
            if (done[i] || !(variance > 0)) continue;
            cut_off(fit->power_w[i], sqrt(variance), jmi_attribute_least(a), jmi_attribute_most(a),
                    &moves, &left);
            if (fabs(moves) < fabs(shift) || (moves == 0 && left >= 1)) continue;
            farthest = i, shift = moves, ratio = left;
        }
        if (farthest == SIZE_MAX) break;
        condition(fit, farthest, shift, ratio, gain);
        done[farthest] = true;
    }
    free(gain);
    free(done);
    return good;
}

int jmi_attribute_resolve(jmi_attributing *a, jm_error *error) {
    if (!find_groups(a) || !cut_all(a))
        return jmi_fail(error, JM_MEMORY, "out of memory for groups");
    return JM_OK;
}
