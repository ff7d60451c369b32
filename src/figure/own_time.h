/* Energies of layers and kernels by name: of each the time that is its own, so that nothing counts
 * twice. */
#ifndef JMI_FIGURE_OWN_TIME_H
#define JMI_FIGURE_OWN_TIME_H

#include "figure/source.h"

typedef struct jmi_part {
    char *name;      /* of parts that no reading tells apart: "conv1 and 3 more" */
    char *type;      /* of its module; "": not known */
    uint32_t device; /* that ran it; UINT32_MAX: the host */
    uint64_t calls;
    double time_s; /* in which any call of it ran, and nothing within it */
    jm_energy energy;
} jmi_part;

typedef struct jmi_parts {
    jmi_part *list; /* most energy first; those of which only a bound is known at the end */
    size_t count, capacity;
} jmi_parts;

/* Of the ranges of a category; `members`: also what a group holds, beside it. JM_NO_DATA: there are
 * none, or no energy is known. */
int jmi_parts_make(jmi_parts *parts, jm_figures *f, jm_category category, bool members,
                   jm_error *error);
void jmi_parts_free(jmi_parts *parts);

/* Calls `visit` with the attribution of each device that ran such ranges, and its index, or
 * UINT32_MAX where the host ran them. */
typedef int (*jmi_visit_attribution)(const jm_attribution *attribution, uint32_t device, void *user,
                                     jm_error *error);
int jmi_attributions(jm_figures *f, jm_category category, jmi_visit_attribution visit, void *user,
                     jm_error *error);

#endif
