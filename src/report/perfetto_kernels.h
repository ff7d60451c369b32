/* What the calls of kernels took, by attribution: they are far shorter than what a sensor resolves.
 */
#ifndef JMI_REPORT_PERFETTO_KERNELS_H
#define JMI_REPORT_PERFETTO_KERNELS_H

#include "record/recording.h"

typedef struct jmi_kernel_energy {
    float energy_j; /* NaN: not known, or in bounds only */
    float u95_j;
} jmi_kernel_energy;

typedef struct jmi_kernel_energies {
    jmi_kernel_energy *of_range; /* NULL: there are no kernels */
    uint64_t range_count;
} jmi_kernel_energies;

/* A device whose readings say nothing of its kernels is left out. Fails for want of memory only. */
int jmi_kernel_energies_make(jmi_kernel_energies *kernels, const jm_recording *recording,
                             const jm_energy_options *energy, jm_error *error);
void jmi_kernel_energies_free(jmi_kernel_energies *kernels);
/* False: it is not known. */
bool jmi_kernel_energies_get(const jmi_kernel_energies *kernels, uint64_t range,
                             jmi_kernel_energy *energy);

#endif
