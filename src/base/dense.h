/* Linear algebra of symmetric positive definite matrices of a few hundred rows. A library for it
 * would come with threads of its own, and with names that clash with those of the program that is
 * measured; tests hold this against LAPACK. Matrices are stored by rows, n x n; of symmetric ones
 * only the lower half is read and written. */
#ifndef JMI_ATTRIBUTE_DENSE_H
#define JMI_ATTRIBUTE_DENSE_H

#include "base/base.h"

/* a += b' b for `rows` rows of b, n wide: the lower half. */
void jmi_dense_add_gram(double *a, size_t n, const double *b, size_t rows);
/* a = l l', in place; what lies above the diagonal is left alone. False: not positive definite. */
bool jmi_dense_cholesky(double *a, size_t n);
/* x := (l l')^-1 x */
void jmi_dense_solve(const double *l, size_t n, double *x);
/* log of the determinant of l l' */
double jmi_dense_log_det(const double *l, size_t n);
/* out := (l l')^-1, both halves. `out` must not be l. */
void jmi_dense_inverse(const double *l, size_t n, double *out);
/* y := a x, of a symmetric matrix whose lower half counts. */
void jmi_dense_multiply(const double *a, size_t n, const double *x, double *y);

#endif
