/* Classes that the readings cannot tell apart, merged until what is said of them holds. */
#ifndef JMI_ATTRIBUTE_GROUPS_H
#define JMI_ATTRIBUTE_GROUPS_H

#include "base/base.h"

/* `group` gets a number for each of `count` classes, from 0 on; JM_NO_GROUP: it stands by itself.
 * cov_j2 (count x count): of the classes' energies; usual_j: what each would take at the classes'
 * mean power, which uncertainties are held against. (Held against the estimates, those that came
 * out too high would be kept and those that came out too low merged.) Returns how many groups there
 * are, or SIZE_MAX: out of memory. */
size_t jmi_groups_find(const double *usual_j, const double *cov_j2, size_t count, uint32_t *group);

#endif
