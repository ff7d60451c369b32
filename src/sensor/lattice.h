/* When does a sensor refresh? A poll that sees a new value brackets the moment of the change
 * between the poll before and itself; a lattice t_first + k T is fitted through the brackets. */
#ifndef JMI_LATTICE_H
#define JMI_LATTICE_H

#include "base/base.h"

typedef struct jmi_lattice {
    double period_ns;   /* T */
    double period_u_ns; /* standard uncertainty */
    int64_t origin_ns;  /* a tick */
    double jitter_ns;   /* standard deviation of ticks about the lattice */
    double inside;      /* share of brackets that the lattice passes through, 0..1 */
    size_t ticks;       /* brackets used */
} jmi_lattice;

/* Brackets (lo, hi] in rising order; `prior_ns` is the expected T or 0. Changes may be missing
 * (equal values in a row). JM_NO_DATA: fewer than 4 brackets, or they follow no lattice (inside
 * below 0.6). */
int jmi_lattice_fit(const int64_t *lo_ns, const int64_t *hi_ns, size_t count, double prior_ns,
                    jmi_lattice *lattice);

/* A prior that is a whole part of T fits every bracket, too: where nearly all of them come m
 * periods apart, or a multiple of that, this makes T m times longer. Not for a prior that was
 * measured: then the load is what changes at every m-th tick only. */
void jmi_lattice_stretch(const int64_t *lo_ns, const int64_t *hi_ns, size_t count,
                         jmi_lattice *lattice);

/* The last tick at or before t. */
int64_t jmi_lattice_tick(const jmi_lattice *lattice, int64_t t_ns);

#endif
