/* What a board's sensors are like before anybody measured them. */
#ifndef JMI_NVML_PRIORS_H
#define JMI_NVML_PRIORS_H

#include "base/base.h"

typedef struct jmi_nvml_timing {
    uint32_t refresh_ms; /* T; 0: not known */
    uint32_t window_ms;  /* W */
    double noise_w;      /* standard deviation of a reading under a steady load */
} jmi_nvml_timing;

typedef struct jmi_nvml_priors {
    jmi_nvml_timing plain;   /* nvmlDeviceGetPowerUsage */
    jmi_nvml_timing average; /* field 185 */
    jmi_nvml_timing instant; /* field 186 */
    uint32_t energy_ms;      /* refresh of the energy counter */
} jmi_nvml_priors;

/* `architecture` as NVML numbers it (7 Ampere), 0 if not known; `model` as NVML names it. */
const jmi_nvml_priors *jmi_nvml_priors_of(unsigned architecture, const char *model,
                                          unsigned driver_major);

#endif
