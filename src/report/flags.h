/* Names of bits, as lists of words: "changed gap". */
#ifndef JMI_REPORT_FLAGS_H
#define JMI_REPORT_FLAGS_H

#include "base/base.h"

/* JM_ENERGY_*. Returns `text`. */
const char *jmi_energy_flags_text(uint32_t flags, char *text, size_t size);

#endif
