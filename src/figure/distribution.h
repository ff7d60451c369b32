/* How values are distributed, each weighed by the time for which it held. One pass finds their
 * range, one counts them in fine bins; what is asked then is exact, whatever their number. */
#ifndef JMI_FIGURE_DISTRIBUTION_H
#define JMI_FIGURE_DISTRIBUTION_H

#include "figure/curve.h"

/* A stretch of a curve. */
typedef struct jmi_stretch {
    const jmi_curve *curve;
    double from_s, to_s;
} jmi_stretch;

typedef struct jmi_bin {
    double weight_s; /* of the values in it */
    double min, max; /* of them */
    size_t count;
} jmi_bin;

typedef struct jmi_distribution {
    const jmi_stretch *stretches; /* the caller's, to stay */
    size_t stretch_count;
    double min, max;
    double total_s; /* time in all */
    double mean;
    size_t count;   /* values */
    bool unweighed; /* no value held for any time: each counts for 1 */
    jmi_bin *bins;
} jmi_distribution;

/* JM_NO_DATA: there is no value. */
int jmi_distribution_make(jmi_distribution *d, const jmi_stretch *stretches, size_t count,
                          jm_error *error);
void jmi_distribution_free(jmi_distribution *d);

/* The least values that are not exceeded for those shares (0 to 1) of the time. */
int jmi_distribution_quantiles(const jmi_distribution *d, const double *shares, size_t count,
                               double *values, jm_error *error);

/* A number of equal bins from min to max: that of Freedman and Diaconis (1981), or Sturges' (1926)
 * where that is more, as power often has two levels that make the former's bins wide. 200 at most.
 */
size_t jmi_distribution_bins(const jmi_distribution *d, double q1, double q3);

/* Time in each of `count` bins between low and high; the last holds `high` too. `time_s` is
 * zeroed first. */
void jmi_distribution_count(const jmi_distribution *d, double low, double high, double *time_s,
                            size_t count);

/* The empirical distribution function: (value, share of time at or below it) at values of d, no
 * closer than one of so many pixels; 0 pixels: as fine as the bins are. */
void jmi_distribution_draw(const jmi_distribution *d, size_t pixels, jmi_mark *mark);

/* Tukey's box (1977). Whiskers end at the last value within 1.5 interquartile ranges. */
typedef struct jmi_box {
    double q1, median, q3, low, high;
} jmi_box;
int jmi_distribution_box(const jmi_distribution *d, jmi_box *box, jm_error *error);
/* The values beyond the whiskers, one for each of so many pixels between min and max at most; 0
 * pixels: as fine as the bins are. */
void jmi_distribution_outliers(const jmi_distribution *d, const jmi_box *box, double y,
                               size_t pixels, jmi_mark *mark);

#endif
