/* SPDX-License-Identifier: MIT */
/* Processes on a board: those that drive its channel. */
#include "nvml_call.h"
#include "nvml_entries.h"

static const unsigned long long USED_MEMORY = 512ULL * 1024 * 1024;
static const unsigned int NO_INSTANCE = 0xffffffff;

/* How the structure grew; callers of the first version have 16 bytes each. */
enum layout { LAYOUT_V1, LAYOUT_V2 };

static void put(void *infos, size_t i, enum layout layout, pid_t pid) {
    if (layout == LAYOUT_V1) {
        struct nvml_process_v1 *info = (struct nvml_process_v1 *)infos + i;
        *info = (struct nvml_process_v1){(unsigned int)pid, USED_MEMORY};
    } else {
        struct nvml_process_v2 *info = (struct nvml_process_v2 *)infos + i;
        *info = (struct nvml_process_v2){(unsigned int)pid, USED_MEMORY, NO_INSTANCE, NO_INSTANCE};
    }
}

static nvml_result compute(const char *function, nvml_device device, unsigned int *count,
                           void *infos, enum layout layout) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, function, device);
    if (result != NVML_OK) return result;
    if (!count) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    pid_t pids[SIMGPU_DRIVERS];
    size_t known = simgpu_state_drivers(call.state, call.handle->board, pids);
    unsigned int room = infos ? *count : 0;
    *count = (unsigned int)known;
    if (known > room) return nvml_end(&call, NVML_INSUFFICIENT_SIZE);
    for (size_t i = 0; i < known; i++) put(infos, i, layout, pids[i]);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetComputeRunningProcesses(nvml_device device,
                                                             unsigned int *count, void *infos) {
    return compute(__func__, device, count, infos, LAYOUT_V1);
}

NVML_EXPORT nvml_result nvmlDeviceGetComputeRunningProcesses_v2(nvml_device device,
                                                                unsigned int *count, void *infos) {
    return compute(__func__, device, count, infos, LAYOUT_V2);
}

NVML_EXPORT nvml_result nvmlDeviceGetComputeRunningProcesses_v3(nvml_device device,
                                                                unsigned int *count, void *infos) {
    return compute(__func__, device, count, infos, LAYOUT_V2);
}

/* Nothing draws on a simulated board. */
static nvml_result graphics(const char *function, nvml_device device, unsigned int *count) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, function, device);
    if (result != NVML_OK) return result;
    if (!count) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *count = 0;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetGraphicsRunningProcesses(nvml_device device,
                                                              unsigned int *count, void *infos) {
    (void)infos;
    return graphics(__func__, device, count);
}

NVML_EXPORT nvml_result nvmlDeviceGetGraphicsRunningProcesses_v2(nvml_device device,
                                                                 unsigned int *count, void *infos) {
    (void)infos;
    return graphics(__func__, device, count);
}

NVML_EXPORT nvml_result nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_device device,
                                                                 unsigned int *count, void *infos) {
    (void)infos;
    return graphics(__func__, device, count);
}
