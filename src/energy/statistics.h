/* Distributions and tests that repeats, comparisons and forecasts rest on. Nothing here allocates
 * unless it returns a status. */
#ifndef JMI_STATISTICS_H
#define JMI_STATISTICS_H

#include "base/base.h"

/* ---- distributions ---- */

/* x with P(X <= x) = p, 0 < p < 1. */
double jmi_normal_quantile(double p);
/* Likewise of Student's t; df need not be whole. */
double jmi_student_quantile(double p, double df);
/* P(|X| >= |x|). */
double jmi_normal_two_sided(double x);
double jmi_student_two_sided(double t, double df);
/* Half-width of a two-sided interval, in standard errors. */
double jmi_student_width(double level, double df);

/* ---- samples ---- */

typedef struct jmi_moments {
    double mean;
    double sd; /* NaN: fewer than two */
} jmi_moments;
jmi_moments jmi_moments_of(const double *values, size_t count);

void jmi_sort(double *values, size_t count);
double jmi_sorted_median(const double *sorted, size_t count);
/* Interval of the median by order statistics, interpolated; false: too few values for the level. */
bool jmi_sorted_median_interval(const double *sorted, size_t count, double level, double *lower,
                                double *upper);

/* ---- tests by ranks: two-sided p ---- */

/* Twice the mid-ranks of values: whole numbers, also where values tie. Sum of t^3 - t over groups
 * of t ties into *ties, which may be NULL. */
int jmi_double_ranks(const double *values, size_t count, uint64_t *ranks, double *ties);
/* Mann-Kendall: is there a trend in the order of the values? */
int jmi_kendall(const double *values, size_t count, double *p);
/* Wilcoxon: are differences symmetric about 0? Zeros are left out. */
int jmi_signed_ranks(const double *differences, size_t count, double *p);
/* Mann and Whitney: do values of a and of b come from one distribution? */
int jmi_rank_sum(const double *a, size_t count_a, const double *b, size_t count_b, double *p);

/* ---- what the public functions share ---- */

/* 0 becomes 0.95. */
int jmi_level_take(double *level, jm_error *error);
int jmi_repeat_options_take(jm_repeat_options *ours, const jm_repeat_options *theirs,
                            jm_error *error);
/* `what` and `whose` are for the message: "run 3 of A" is of "run" and " of A". */
int jmi_runs_check(const jm_run *runs, size_t count, const char *what, const char *whose,
                   jm_error *error);
/* Root mean square of the runs' random parts; mean of the systematic ones, as shares of energy. */
double jmi_runs_random(const jm_run *runs, size_t count);
double jmi_runs_systematic(const jm_run *runs, size_t count);

#endif
