/* Non-negative least squares. */
#ifndef JMI_ESTIMATE_NNLS_H
#define JMI_ESTIMATE_NNLS_H

#include "base/base.h"

enum { JMI_NNLS_MOST = 32 };

/* x >= 0 that minimises x' A x - 2 b' x; A is n x n, symmetric, its lower half counts; n is
 * JMI_NNLS_MOST at most. Columns that add nothing to those taken stay 0. Lawson and Hanson,
 * Solving Least Squares Problems, 1974, chapter 23, on the normal equations. */
void jmi_nnls(const double *a, const double *b, size_t n, double *x);

#endif
