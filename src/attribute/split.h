/* Names of parts where kernels of one name are told apart by how they were launched. */
#ifndef JMI_ATTRIBUTE_SPLIT_H
#define JMI_ATTRIBUTE_SPLIT_H

#include "base/base.h"

/* "softmax <4x2x1, 128x1x1> (stream 7)", of what `by` (a set of jm_split) asks for and the range
 * has; of other ranges than kernels their own name. The same name is at the same address: `kept`
 * has it. NULL: out of memory. */
const char *jmi_split_name(jmi_intern *kept, const jm_range *range, uint32_t by);

#endif
