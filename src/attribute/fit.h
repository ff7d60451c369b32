/* Powers of classes from sums over readings: Bayesian linear regression.
 *
 * Power of class j is b_j = m + c + d_j, with m the mean reading, c common to all classes and wide,
 * d_j ~ N(0, tau^2). Gaps have powers of their own, wide ones. Readings of a view err by
 * N(0, sigma^2). sigma is found from what the powers leave of the readings, in turns with these;
 * the results are averaged over a grid of tau by their evidence (MacKay, Neural Computation 4,
 * 1992), so that where readings cannot tell the classes apart their intervals are as wide as tau
 * may be. */
#ifndef JMI_ATTRIBUTE_FIT_H
#define JMI_ATTRIBUTE_FIT_H

#include "attribute/rows.h"

/* Of the columns of a row. */
typedef struct jmi_fit {
    size_t count;
    double *power_w;            /* count */
    double *cov_w2;             /* count x count */
    double noise_w[JMI_SHIFTS]; /* of a reading of each view, beyond what the powers explain */
    double tau_w;               /* how the classes' powers differ, as likely */
} jmi_fit;

/* One more row: the measured power of all the time that is told of. */
typedef struct jmi_whole_row {
    const double *x; /* width; NULL: there is none */
    double power_w, u_w;
} jmi_whole_row;

typedef struct jmi_fit_input {
    const jmi_layout *layout;
    const jmi_normal *normals;
    size_t views;
    double noise_w[JMI_SHIFTS]; /* a first guess */
    double range_w;             /* between the lowest and the highest power there can be */
    jmi_whole_row whole;
} jmi_fit_input;

int jmi_fit_make(jmi_fit *fit, const jmi_fit_input *input, jm_error *error);
void jmi_fit_free(jmi_fit *fit);

/* Of a sum of powers, each times a factor (s, or a share): value and variance. */
double jmi_fit_sum(const jmi_fit *fit, const double *factors);
double jmi_fit_variance(const jmi_fit *fit, const double *factors);
/* Standard deviation of one power. */
double jmi_fit_sd(const jmi_fit *fit, size_t column);

#endif
