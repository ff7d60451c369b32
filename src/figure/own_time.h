/* Energies of layers and kernels by name: of each the time that is its own, so that nothing counts
 * twice. */
#ifndef JMI_FIGURE_OWN_TIME_H
#define JMI_FIGURE_OWN_TIME_H

#include "figure/source.h"

typedef struct jmi_part {
    const char *name; /* the recording's */
    uint32_t device;  /* that ran it; UINT32_MAX: the host */
    uint64_t calls;
    double time_s; /* in which any call of it ran */
    jm_energy energy;
} jmi_part;

typedef struct jmi_parts {
    jmi_part *list; /* most energy first; those of which only a bound is known at the end */
    size_t count;
} jmi_parts;

/* Of the ranges of a category. `nested`: time in ranges of the category that lie within one, in the
 * same thread, is theirs and not its own. JM_NO_DATA: there are none, or no energy is known. */
int jmi_parts_make(jmi_parts *parts, const jm_figures *f, jm_category category, bool nested,
                   jm_error *error);
void jmi_parts_free(jmi_parts *parts);

#endif
