/* Numbers that ought to be equal: where they lie, how far apart, whether they drift, which stand
 * out. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALL_PAIRS = 1000, /* values up to which Theil-Sen looks at all pairs of them */
    OUTLIERS_FROM = 5 /* values: of fewer nobody can say which one stands out */
};

static const double OUTLIER_Z = 3.5; /* Iglewicz and Hoaglin 1993 */
static const double DRIFT_PCT = 1;   /* smaller trends are found, but not worth a warning */

/* ---- drift ---- */

static size_t slopes_of(const double *values, size_t count, double *slopes) {
    size_t found = 0;
    if (count <= ALL_PAIRS) {
        for (size_t i = 0; i < count; i++)
            for (size_t j = i + 1; j < count; j++)
                slopes[found++] = (values[j] - values[i]) / (double)(j - i);
        return found;
    }
    size_t half = count / 2;
    for (; found < half; found++)
        slopes[found] = (values[found + count - half] - values[found]) / (double)(count - half);
    return found;
}

static int median_slope(const double *values, size_t count, double *slope) {
    size_t pairs = count <= ALL_PAIRS ? count * (count - 1) / 2 : count / 2;
    double *slopes = jmi_alloc(pairs, sizeof *slopes);
    if (slopes == NULL) return JM_MEMORY;
    jmi_sort(slopes, slopes_of(values, count, slopes));
    *slope = jmi_sorted_median(slopes, pairs);
    free(slopes);
    return JM_OK;
}

static int find_drift(const double *values, size_t count, double level, jm_spread *s) {
    s->slope = s->drift_pct = s->drift_p = NAN;
    if (count < 3) return JM_OK;
    int status = median_slope(values, count, &s->slope);
    if (status != JM_OK) return status;
    if (s->median != 0) s->drift_pct = 100 * s->slope * (double)(count - 1) / fabs(s->median);
    if (count < 4) return JM_OK;
    status = jmi_kendall(values, count, &s->drift_p);
    s->drifts = s->drift_p < 1 - level && fabs(s->drift_pct) >= DRIFT_PCT;
    return status;
}

/* ---- outliers ---- */

/* Median absolute deviation as an estimate of the standard deviation; the factors are those of
 * Croux and Rousseeuw 1992, without which small normal samples would seem full of outliers. */
static double scale_of(const double *sorted, size_t count, double median, double *deviations) {
    static const double small[] = {1, 1, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107};
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += deviations[i] = fabs(sorted[i] - median);
    jmi_sort(deviations, count);
    double mad = jmi_sorted_median(deviations, count);
    double factor = count < JMI_COUNT(small) ? small[count] : (double)count / ((double)count - 0.8);
    /* more than half of the values are equal: the mean deviation is left */
    return mad > 0 ? 1.482602 * factor * mad : 1.253314 * sum / (double)count;
}

static int find_outliers(const double *values, const double *sorted, size_t count, jm_spread *s,
                         bool *outlier) {
    if (outlier != NULL) memset(outlier, 0, count * sizeof *outlier);
    if (count < OUTLIERS_FROM) return JM_OK;
    double *deviations = jmi_alloc(count, sizeof *deviations);
    if (deviations == NULL) return JM_MEMORY;
    double scale = scale_of(sorted, count, s->median, deviations);
    free(deviations);
    for (size_t i = 0; i < count; i++) {
        bool out = fabs(values[i] - s->median) > OUTLIER_Z * scale;
        s->outliers += out;
        if (outlier != NULL) outlier[i] = out;
    }
    return JM_OK;
}

/* ---- all of it ---- */

static void find_place(const double *values, const double *sorted, size_t count, double level,
                       jm_spread *s) {
    jmi_moments moments = jmi_moments_of(values, count);
    s->mean = moments.mean;
    s->sd = moments.sd;
    s->cv_pct = s->mean != 0 ? 100 * s->sd / fabs(s->mean) : NAN;
    s->min = sorted[0];
    s->max = sorted[count - 1];
    s->median = jmi_sorted_median(sorted, count);
    s->mean_lower = s->mean_upper = s->median_lower = s->median_upper = NAN;
    if (count >= 3) {
        double n = (double)count;
        double half = jmi_student_width(level, n - 1) * s->sd / sqrt(n);
        s->mean_lower = s->mean - half;
        s->mean_upper = s->mean + half;
    }
    jmi_sorted_median_interval(sorted, count, level, &s->median_lower, &s->median_upper);
}

int jm_spread_of(const double *values, size_t count, double level, jm_spread *spread, bool *outlier,
                 jm_error *error) {
    if (values == NULL || count == 0 || spread == NULL)
        return jmi_fail(error, JM_INVALID, "there must be one value at least, and a spread");
    int status = jmi_level_take(&level, error);
    for (size_t i = 0; status == JM_OK && i < count; i++)
        if (!(fabs(values[i]) <= 1e100)) /* squares of larger ones would overflow */
            status = jmi_fail(error, JM_INVALID, "value %zu is no finite number", i);
    if (status != JM_OK) return status;
    double *sorted = jmi_alloc(count, sizeof *sorted);
    if (sorted == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    memcpy(sorted, values, count * sizeof *sorted);
    jmi_sort(sorted, count);
    jm_spread found = {0};
    find_place(values, sorted, count, level, &found);
    status = find_drift(values, count, level, &found);
    if (status == JM_OK) status = find_outliers(values, sorted, count, &found, outlier);
    free(sorted);
    if (status != JM_OK) return jmi_fail(error, status, "out of memory");
    *spread = found;
    return JM_OK;
}
