/* SPDX-License-Identifier: MIT */
/* Library-wide entries: lifecycle, versions, error texts. */
#include "nvml_entries.h"

#include "nvml_call.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

NVML_EXPORT nvml_result nvmlInit(void) {
    return nvml_start(__func__);
}
NVML_EXPORT nvml_result nvmlInit_v2(void) {
    return nvml_start(__func__);
}

NVML_EXPORT nvml_result nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    return nvml_start(__func__);
}

NVML_EXPORT nvml_result nvmlShutdown(void) {
    return nvml_stop();
}

NVML_EXPORT const char *nvmlErrorString(nvml_result result) {
    static const struct {
        nvml_result result;
        const char *text;
    } texts[] = {
        {NVML_OK, "Success"},
        {NVML_UNINITIALIZED, "Uninitialized"},
        {NVML_INVALID_ARGUMENT, "Invalid Argument"},
        {NVML_NOT_SUPPORTED, "Not Supported"},
        {NVML_NO_PERMISSION, "Insufficient Permissions"},
        {5, "Already Initialized"},
        {NVML_NOT_FOUND, "Not Found"},
        {NVML_INSUFFICIENT_SIZE, "Insufficient Size"},
        {8, "Insufficient External Power"},
        {NVML_DRIVER_NOT_LOADED, "Driver Not Loaded"},
        {10, "Timeout"},
        {12, "NVML Shared Library Not Found"},
        {NVML_FUNCTION_NOT_FOUND, "Function Not Found"},
        {NVML_GPU_IS_LOST, "GPU is lost"},
        {16, "GPU requires reset"},
        {19, "In use by another client"},
        {NVML_OUT_OF_MEMORY, "Insufficient Memory"},
        {21, "No data"},
        {NVML_VERSION_MISMATCH, "Argument version mismatch"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].result == result) return texts[i].text;
    return "Unknown Error";
}

static bool has_old_driver(const struct simgpu_state *state) {
    for (int i = 0; i < simgpu_state_board_count(state); i++)
        if (simgpu_state_board(state, i)->item.driver530) return true;
    return false;
}

NVML_EXPORT nvml_result nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, __func__);
    if (result != NVML_OK) return result;
    const char *text = has_old_driver(call.state) ? "530.30.02" : "550.54.15";
    return nvml_end_system(nvml_copy_text(version, length, text));
}

NVML_EXPORT nvml_result nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, __func__);
    if (result != NVML_OK) return result;
    const char *text = has_old_driver(call.state) ? "12.530.30.02" : "12.550.54.15";
    return nvml_end_system(nvml_copy_text(version, length, text));
}

static nvml_result cuda_version(const char *function, int *version) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, function);
    if (result != NVML_OK) return result;
    if (!version) return nvml_end_system(NVML_INVALID_ARGUMENT);
    *version = has_old_driver(call.state) ? 12010 : 12040;
    return nvml_end_system(NVML_OK);
}

NVML_EXPORT nvml_result nvmlSystemGetCudaDriverVersion(int *version) {
    return cuda_version(__func__, version);
}

NVML_EXPORT nvml_result nvmlSystemGetCudaDriverVersion_v2(int *version) {
    return cuda_version(__func__, version);
}

NVML_EXPORT nvml_result nvmlSystemGetProcessName(unsigned int pid, char *name,
                                                 unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, __func__);
    if (result != NVML_OK) return result;
    if (!name || length == 0) return nvml_end_system(NVML_INVALID_ARGUMENT);
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (got <= 0) return nvml_end_system(NVML_NOT_FOUND);
    text[got] = '\0';
    /* NVML cuts names that are too long instead of failing. */
    snprintf(name, length, "%s", text);
    return nvml_end_system(NVML_OK);
}

static nvml_result count_boards(const char *function, unsigned int *count) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, function);
    if (result != NVML_OK) return result;
    if (!count) return nvml_end_system(NVML_INVALID_ARGUMENT);
    *count = (unsigned int)simgpu_state_board_count(call.state);
    return nvml_end_system(NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetCount(unsigned int *count) {
    return count_boards(__func__, count);
}

NVML_EXPORT nvml_result nvmlDeviceGetCount_v2(unsigned int *count) {
    return count_boards(__func__, count);
}
