/* SPDX-License-Identifier: MIT */
/* What is known of each board model; a calibration finds out, a table is a prior. */
#ifndef SIMGPU_PROFILE_H
#define SIMGPU_PROFILE_H

#include "model.h"

/* Refresh, window and lag of a sensor in microseconds; refresh 0: the board has none. */
struct simgpu_profile_sensor {
    int32_t refresh_us, window_us, lag_us;
};

struct simgpu_profile {
    const char *model; /* the name in a spec */
    const char *alias; /* or NULL */
    const char *name;  /* as NVML gives it */
    unsigned architecture, brand, cuda_major, cuda_minor, cores;
    unsigned pci_device_id;
    unsigned memory_mib, memory_mhz, sm_mhz, idle_sm_mhz;
    double limit_w, min_limit_w, max_limit_w, idle_w;
    double knee; /* clock ratio above which power grows faster than the clock */
    double noise_w;
    struct simgpu_profile_sensor plain, plain_530, average, instant, ring;
    int32_t counter_us;
    int max_mig;
    bool has_fan, has_memory_power;
    double module_w; /* what the module draws beside the GPU; 0: no module sensor */
};

/* NULL if there is none of that name. */
const struct simgpu_profile *simgpu_profile_find(const char *model);
/* NULL beyond the last one. */
const struct simgpu_profile *simgpu_profile_at(size_t i);

#endif
