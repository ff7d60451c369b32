/* SPDX-License-Identifier: MIT */
/* MIG instances: handles with names and memory of their own, but no power. */
#include "nvml_call.h"
#include "nvml_entries.h"

NVML_EXPORT nvml_result nvmlDeviceGetMigMode(nvml_device device, unsigned int *current,
                                             unsigned int *pending) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!current || !pending) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (call.board->profile->max_mig == 0) return nvml_end(&call, NVML_NOT_SUPPORTED);
    *current = *pending = call.board->item.mig > 0;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetMaxMigDeviceCount(nvml_device device, unsigned int *count) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!count) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *count = (unsigned int)call.board->profile->max_mig;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetMigDeviceHandleByIndex(nvml_device device, unsigned int index,
                                                            nvml_device *mig) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    const struct simgpu_board *board = call.board;
    if (!mig) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (board->profile->max_mig == 0) return nvml_end(&call, NVML_NOT_SUPPORTED);
    if (index >= (unsigned int)board->profile->max_mig)
        return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (index >= (unsigned int)board->item.mig) return nvml_end(&call, NVML_NOT_FOUND);
    *mig = nvml_handle_of_mig(call.handle, (int)index);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml_device mig,
                                                                     nvml_device *device) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, mig);
    if (result != NVML_OK) return result;
    if (!device || call.handle->mig < 0) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *device = nvml_handle_of_gpu(call.handle);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceIsMigDeviceHandle(nvml_device device, unsigned int *is_mig) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!is_mig) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *is_mig = call.handle->mig >= 0;
    return nvml_end(&call, NVML_OK);
}

static nvml_result instance_id(const char *function, nvml_device device, unsigned int *id,
                               unsigned int value_from) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, function, device);
    if (result != NVML_OK) return result;
    if (!id) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (call.handle->mig < 0) return nvml_end(&call, NVML_NOT_SUPPORTED);
    *id = value_from ? value_from + (unsigned int)call.handle->mig : 0;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetGpuInstanceId(nvml_device device, unsigned int *id) {
    return instance_id(__func__, device, id, 7);
}

NVML_EXPORT nvml_result nvmlDeviceGetComputeInstanceId(nvml_device device, unsigned int *id) {
    return instance_id(__func__, device, id, 0);
}

NVML_EXPORT nvml_result nvmlDeviceGetC2cModeInfoV(nvml_device device, struct nvml_c2c_mode *mode) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!mode) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (call.board->profile->module_w <= 0.0) return nvml_end(&call, NVML_NOT_SUPPORTED);
    /* Callers set no version here, so none is checked. */
    mode->is_enabled = 1;
    return nvml_end(&call, NVML_OK);
}
