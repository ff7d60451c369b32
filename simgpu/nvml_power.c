/* SPDX-License-Identifier: MIT */
/* Power, energy and their limits. */
#include "nvml_call.h"
#include "nvml_entries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned int milliwatts(double watts) {
    return (unsigned int)llround(watts * 1e3);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerUsage(nvml_device device, unsigned int *power_mw) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    struct simgpu_reading reading;
    if (!power_mw) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (simgpu_board_read(call.board, SIMGPU_PLAIN, call.now, &reading) != 0)
        return nvml_end(&call, NVML_NOT_SUPPORTED);
    *power_mw = milliwatts(reading.value);
    simgpu_state_note_poll(call.state, call.handle->board);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetTotalEnergyConsumption(nvml_device device,
                                                            unsigned long long *energy_mj) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    struct simgpu_reading reading;
    if (!energy_mj) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (simgpu_board_read(call.board, SIMGPU_COUNTER, call.now, &reading) != 0)
        return nvml_end(&call, NVML_NOT_SUPPORTED);
    *energy_mj = (unsigned long long)llround(reading.value * 1e3);
    simgpu_state_note_poll(call.state, call.handle->board);
    return nvml_end(&call, NVML_OK);
}

static nvml_result current_limit(const char *function, nvml_device device, unsigned int *limit_mw) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    if (!limit_mw) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *limit_mw = milliwatts(simgpu_board_limit_w(call.board, call.now));
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerManagementLimit(nvml_device device,
                                                          unsigned int *limit_mw) {
    return current_limit(__func__, device, limit_mw);
}

NVML_EXPORT nvml_result nvmlDeviceGetEnforcedPowerLimit(nvml_device device,
                                                        unsigned int *limit_mw) {
    return current_limit(__func__, device, limit_mw);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerManagementDefaultLimit(nvml_device device,
                                                                 unsigned int *limit_mw) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!limit_mw) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *limit_mw = milliwatts(call.board->profile->limit_w);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerManagementLimitConstraints(nvml_device device,
                                                                     unsigned int *min_mw,
                                                                     unsigned int *max_mw) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!min_mw || !max_mw) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *min_mw = milliwatts(call.board->profile->min_limit_w);
    *max_mw = milliwatts(call.board->profile->max_limit_w);
    return nvml_end(&call, NVML_OK);
}

static bool may_set_limit(void) {
    const char *allowed = getenv("JOULEMETER_SIMGPU_ALLOW_LIMIT");
    if (allowed && *allowed) return strcmp(allowed, "1") == 0;
    return geteuid() == 0;
}

NVML_EXPORT nvml_result nvmlDeviceSetPowerManagementLimit(nvml_device device,
                                                          unsigned int limit_mw) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!may_set_limit()) return nvml_end(&call, NVML_NO_PERMISSION);
    simgpu_state_edit(call.state, call.handle->board);
    /* The moment counts when the other processes are shut out. */
    int rc = simgpu_board_set_limit(call.board, simgpu_state_now(call.state), limit_mw * 1e-3);
    simgpu_state_edit_end(call.state, call.handle->board);
    return nvml_end(&call, rc == 0 ? NVML_OK : NVML_INVALID_ARGUMENT);
}

static nvml_result set_clock(struct nvml_call *call, double share) {
    if (!may_set_limit()) return nvml_end(call, NVML_NO_PERMISSION);
    simgpu_state_edit(call->state, call->handle->board);
    int rc = simgpu_board_set_clock(call->board, simgpu_state_now(call->state), share);
    simgpu_state_edit_end(call->state, call->handle->board);
    return nvml_end(call, rc == 0 ? NVML_OK : NVML_INVALID_ARGUMENT);
}

/* What lies above the highest clock is no lock. */
NVML_EXPORT nvml_result nvmlDeviceSetGpuLockedClocks(nvml_device device, unsigned int min_mhz,
                                                     unsigned int max_mhz) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    unsigned int full_mhz = call.board->profile->sm_mhz;
    if (max_mhz == 0 || min_mhz > max_mhz || min_mhz > full_mhz)
        return nvml_end(&call, NVML_INVALID_ARGUMENT);
    return set_clock(&call, fmin((double)max_mhz / full_mhz, 1.0));
}

NVML_EXPORT nvml_result nvmlDeviceResetGpuLockedClocks(nvml_device device) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    return result != NVML_OK ? result : set_clock(&call, 1.0);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerManagementMode(nvml_device device, unsigned int *mode) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!mode) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *mode = 1;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetViolationStatus(nvml_device device, unsigned int policy,
                                                     struct nvml_violation_time *time) {
    enum { POLICY_POWER = 0, POLICY_COUNT = 12 };
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!time || policy >= POLICY_COUNT) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    time->reference_us = (unsigned long long)(call.now / 1000);
    time->violation_ns = 0;
    if (policy == POLICY_POWER)
        time->violation_ns = (unsigned long long)simgpu_board_throttled_ns(call.board, 0, call.now);
    return nvml_end(&call, NVML_OK);
}
