#include "report/perfetto_kernels.h"
#include "energy/views.h"

#include <math.h>
#include <stdlib.h>

void jmi_kernel_energies_free(jmi_kernel_energies *kernels) {
    free(kernels->of_range);
    *kernels = (jmi_kernel_energies){.range_count = 0};
}

static bool has_kernels(const jm_recording *recording) {
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) == JM_OK &&
            range.category == JM_CATEGORY_KERNEL && range.device[0] != '\0')
            return true;
    }
    return false;
}

static void take_calls(jmi_kernel_energies *kernels, const jm_recording *recording,
                       const jm_attribution *attribution, const jm_call *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        jm_part part = JM_PART_INIT;
        jm_range range = JM_RANGE_INIT;
        if (calls[i].range >= kernels->range_count ||
            jm_attribution_part(attribution, calls[i].part, &part) != JM_OK ||
            (part.energy.provenance & JM_BOUND_ONLY) != 0 ||
            jm_recording_range(recording, calls[i].range, &range) != JM_OK ||
            range.device[0] == '\0') /* of no device: it would be told of for each */
            continue;
        kernels->of_range[calls[i].range] =
            (jmi_kernel_energy){(float)calls[i].energy_j, (float)calls[i].u95_j};
    }
}

static int attribute(jmi_kernel_energies *kernels, const jm_recording *recording, uint32_t device,
                     const jm_energy_options *energy, jm_error *error) {
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution *attribution = NULL;
    options.categories = 1u << JM_CATEGORY_KERNEL;
    options.device = device;
    options.energy = energy;
    int status = jm_attribute(&attribution, recording, &options, error);
    if (status == JM_MEMORY) return status;
    size_t count = status == JM_OK ? jm_attribution_calls(attribution, NULL, 0) : 0;
    jm_call *calls = jmi_alloc(count + 1, sizeof *calls);
    if (calls != NULL)
        take_calls(kernels, recording, attribution, calls,
                   count > 0 ? jm_attribution_calls(attribution, calls, count) : 0);
    free(calls);
    jm_attribution_free(attribution);
    return calls != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for a trace");
}

int jmi_kernel_energies_make(jmi_kernel_energies *kernels, const jm_recording *recording,
                             const jm_energy_options *energy, jm_error *error) {
    *kernels = (jmi_kernel_energies){.range_count = 0};
    if (!has_kernels(recording)) return JM_OK;
    kernels->range_count = jm_recording_range_count(recording);
    kernels->of_range = jmi_alloc((size_t)kernels->range_count + 1, sizeof *kernels->of_range);
    if (kernels->of_range == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a trace");
    for (uint64_t i = 0; i < kernels->range_count; i++) kernels->of_range[i].energy_j = NAN;
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < jm_recording_device_count(recording); i++)
        if (jmi_device_is_part(recording, i, JM_DEVICE_GPUS))
            status = attribute(kernels, recording, i, energy, error);
    return status;
}

bool jmi_kernel_energies_get(const jmi_kernel_energies *kernels, uint64_t range,
                             jmi_kernel_energy *energy) {
    if (range >= kernels->range_count || isnan(kernels->of_range[range].energy_j)) return false;
    *energy = kernels->of_range[range];
    return true;
}
