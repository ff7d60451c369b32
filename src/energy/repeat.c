/* How well runs of one program repeat. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

static const double NOTABLE = 0.01; /* share of the median that a run must differ by to stand out */

int jmi_repeat_options_take(jm_repeat_options *ours, const jm_repeat_options *theirs,
                            jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_repeat_options", error);
    if (status == JM_OK) status = jmi_level_take(&ours->level, error);
    if (status != JM_OK) return status;
    if (ours->stable_cv_pct == 0) ours->stable_cv_pct = 5;
    if (!(ours->stable_cv_pct > 0 && ours->stable_cv_pct <= 1000))
        return jmi_fail(error, JM_INVALID, "stable_cv_pct must be a percentage above 0");
    return JM_OK;
}

typedef enum figure { FIGURE_ENERGY, FIGURE_TIME, FIGURE_POWER } figure;

static int spread_of(const jm_run *runs, size_t count, figure which, double level,
                     jm_spread *spread, bool *outlier, jm_error *error) {
    double *values = jmi_alloc(count, sizeof *values);
    if (values == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        values[i] = which == FIGURE_ENERGY ? runs[i].energy_j
                    : which == FIGURE_TIME ? runs[i].time_s
                                           : runs[i].energy_j / runs[i].time_s;
    int status = jm_spread_of(values, count, level, spread, outlier, error);
    free(values);
    return status;
}

static int typical_uncertainty(const jm_run *runs, size_t count, double *typical) {
    double *u = jmi_alloc(count, sizeof *u);
    if (u == NULL) return JM_MEMORY;
    for (size_t i = 0; i < count; i++) u[i] = runs[i].u_random_j;
    jmi_sort(u, count);
    *typical = jmi_sorted_median(u, count);
    free(u);
    return JM_OK;
}

/* What all runs are uncertain by is in their spread. Only a run that was measured worse than the
 * others may differ for that reason; and where all else agrees to a thousandth, one that is off by
 * two is no cause for a warning. */
static int excuse_outliers(const jm_run *runs, size_t count, jm_spread *energy, bool *outlier) {
    double typical = 0;
    int status = typical_uncertainty(runs, count, &typical);
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        double u = runs[i].u_random_j;
        double own = u > typical ? 1.96 * sqrt(u * u - typical * typical) : 0;
        double excuse = fmax(own, NOTABLE * energy->median);
        if (!outlier[i] || fabs(runs[i].energy_j - energy->median) > excuse) continue;
        outlier[i] = false;
        energy->outliers--;
    }
    return status;
}

/* Student's interval of the mean contains what the measurement adds at random; where there is none,
 * the measurement's own is all that is known. */
static void find_uncertainty(const jm_run *runs, size_t count, jm_repeat *r) {
    r->u_random_j = jmi_runs_random(runs, count);
    r->u_systematic_j = jmi_runs_systematic(runs, count) * r->energy_j.mean;
    double random = count < 3 ? 1.96 * r->u_random_j / sqrt((double)count)
                              : jmi_student_width(0.95, (double)count - 1) * r->energy_j.sd /
                                    sqrt((double)count);
    r->u95_j = hypot(random, 1.96 * r->u_systematic_j);
}

static uint32_t flags_of(const jm_repeat *r, double stable_cv_pct) {
    const jm_spread *energy = &r->energy_j;
    uint32_t flags = 0;
    if (isnan(energy->median_lower)) flags |= JM_REPEAT_FEW;
    if (energy->drifts) flags |= JM_REPEAT_DRIFT;
    if (energy->outliers > 0) flags |= JM_REPEAT_OUTLIERS;
    if (energy->cv_pct > stable_cv_pct) flags |= JM_REPEAT_NOISY;
    if (energy->sd > 0 && r->u_random_j >= 0.5 * energy->sd) flags |= JM_REPEAT_SENSOR;
    return flags;
}

static int analyse(const jm_run *runs, size_t count, const jm_repeat_options *options, jm_repeat *r,
                   bool *outlier, jm_error *error) {
    int status =
        spread_of(runs, count, FIGURE_ENERGY, options->level, &r->energy_j, outlier, error);
    if (status == JM_OK)
        status = spread_of(runs, count, FIGURE_TIME, options->level, &r->time_s, NULL, error);
    if (status == JM_OK)
        status = spread_of(runs, count, FIGURE_POWER, options->level, &r->power_w, NULL, error);
    if (status != JM_OK) return status;
    if (excuse_outliers(runs, count, &r->energy_j, outlier) != JM_OK)
        return jmi_fail(error, JM_MEMORY, "out of memory");
    find_uncertainty(runs, count, r);
    r->runs = count;
    r->flags = flags_of(r, options->stable_cv_pct);
    r->stable = (r->flags & ~(uint32_t)JM_REPEAT_SENSOR) == 0;
    return JM_OK;
}

int jm_repeat_analyse(const jm_run *runs, size_t count, const jm_repeat_options *options,
                      jm_repeat *result, bool *outlier, jm_error *error) {
    jm_repeat_options ours;
    if (result == NULL) return jmi_fail(error, JM_INVALID, "result must not be NULL");
    int status = jmi_repeat_options_take(&ours, options, error);
    if (status == JM_OK) status = jmi_runs_check(runs, count, "run", "", error);
    if (status != JM_OK) return status;
    bool *flags = jmi_alloc(count, sizeof *flags);
    if (flags == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    jm_repeat found = {.size = sizeof found};
    status = analyse(runs, count, &ours, &found, flags, error);
    for (size_t i = 0; status == JM_OK && outlier != NULL && i < count; i++) outlier[i] = flags[i];
    free(flags);
    if (status != JM_OK) return status;
    if (jmi_give_struct(result, &found, sizeof found) != JM_OK)
        return jmi_fail(error, JM_INVALID, "jm_repeat: size is not set");
    return JM_OK;
}
