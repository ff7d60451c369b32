/* SPDX-License-Identifier: MIT */
/* Which board is it: handles, names, addresses. */
#include "nvml_call.h"
#include "nvml_entries.h"
#include "random.h"

#include <stdio.h>
#include <string.h>

enum { BRAND_GEFORCE = 5 };

static nvml_result give_handle(nvml_device found, nvml_device *device) {
    if (!device) return nvml_end_system(NVML_INVALID_ARGUMENT);
    if (found) *device = found;
    return nvml_end_system(found ? NVML_OK : NVML_NOT_FOUND);
}

static nvml_result by_index(const char *function, unsigned int index, nvml_device *device) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, function);
    if (result != NVML_OK) return result;
    nvml_device found = index < SIMGPU_MAX_BOARDS ? nvml_handle_of(call.state, (int)index) : NULL;
    if (!found) return nvml_end_system(NVML_INVALID_ARGUMENT);
    return give_handle(found, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleByIndex(unsigned int index, nvml_device *device) {
    return by_index(__func__, index, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvml_device *device) {
    return by_index(__func__, index, device);
}

static void mig_uuid(const struct simgpu_board *board, int instance, char uuid[48]) {
    uint64_t a = simgpu_hash(board->seed, 2000 + 2 * (uint64_t)instance);
    uint64_t b = simgpu_hash(board->seed, 2001 + 2 * (uint64_t)instance);
    snprintf(uuid, 48, "MIG-%08x-%04x-5%03x-9%03x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

static nvml_device find_uuid(const struct simgpu_state *state, const char *uuid) {
    for (int i = 0; i < simgpu_state_board_count(state); i++) {
        nvml_device gpu = nvml_handle_of(state, i);
        const struct nvml_handle *handle = gpu;
        const struct simgpu_board *board = simgpu_state_board(state, handle->board);
        if (strcmp(uuid, board->uuid) == 0) return gpu;
        for (int mig = 0; mig < board->item.mig; mig++) {
            char text[48];
            mig_uuid(board, mig, text);
            if (strcmp(uuid, text) == 0) return nvml_handle_of_mig(handle, mig);
        }
    }
    return NULL;
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleByUUID(const char *uuid, nvml_device *device) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, __func__);
    if (result != NVML_OK) return result;
    if (!uuid) return nvml_end_system(NVML_INVALID_ARGUMENT);
    return give_handle(find_uuid(call.state, uuid), device);
}

static nvml_result by_bus(const char *function, const char *bus_id, nvml_device *device) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, function);
    if (result != NVML_OK) return result;
    unsigned domain = 0, bus, slot, part = 0;
    if (!bus_id || (sscanf(bus_id, "%8x:%2x:%2x.%1x", &domain, &bus, &slot, &part) < 3 &&
                    sscanf(bus_id, "%2x:%2x.%1x", &bus, &slot, &part) < 2))
        return nvml_end_system(NVML_INVALID_ARGUMENT);
    nvml_device found = NULL;
    for (int i = 0; i < simgpu_state_board_count(call.state); i++) {
        const struct nvml_handle *handle = nvml_handle_of(call.state, i);
        if (simgpu_state_board(call.state, handle->board)->pci_bus == bus && slot == 0)
            found = nvml_handle_of(call.state, i);
    }
    return give_handle(found, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvml_device *device) {
    return by_bus(__func__, bus_id, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvml_device *device) {
    return by_bus(__func__, bus_id, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetHandleBySerial(const char *serial, nvml_device *device) {
    struct nvml_call call;
    nvml_result result = nvml_begin_system(&call, __func__);
    if (result != NVML_OK) return result;
    if (!serial) return nvml_end_system(NVML_INVALID_ARGUMENT);
    nvml_device found = NULL;
    for (int i = 0; i < simgpu_state_board_count(call.state); i++) {
        const struct nvml_handle *handle = nvml_handle_of(call.state, i);
        if (strcmp(simgpu_state_board(call.state, handle->board)->serial, serial) == 0)
            found = nvml_handle_of(call.state, i);
    }
    return give_handle(found, device);
}

NVML_EXPORT nvml_result nvmlDeviceGetName(nvml_device device, char *name, unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    char text[128];
    snprintf(text, sizeof text, "%s%s", call.board->name, call.handle->mig >= 0 ? " MIG 1g" : "");
    return nvml_end(&call, nvml_copy_text(name, length, text));
}

NVML_EXPORT nvml_result nvmlDeviceGetUUID(nvml_device device, char *uuid, unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    char text[48];
    snprintf(text, sizeof text, "%s", call.board->uuid);
    if (call.handle->mig >= 0) mig_uuid(call.board, call.handle->mig, text);
    return nvml_end(&call, nvml_copy_text(uuid, length, text));
}

NVML_EXPORT nvml_result nvmlDeviceGetSerial(nvml_device device, char *serial, unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (call.board->profile->brand == BRAND_GEFORCE) return nvml_end(&call, NVML_NOT_SUPPORTED);
    return nvml_end(&call, nvml_copy_text(serial, length, call.board->serial));
}

NVML_EXPORT nvml_result nvmlDeviceGetVbiosVersion(nvml_device device, char *version,
                                                  unsigned int length) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    return nvml_end(&call, nvml_copy_text(version, length, "96.00.74.00.01"));
}

/* Gives a number that never changes. */
static nvml_result give_number(struct nvml_call *call, unsigned int *out, unsigned int value) {
    if (!out) return nvml_end(call, NVML_INVALID_ARGUMENT);
    *out = value;
    return nvml_end(call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetIndex(nvml_device device, unsigned int *index) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    int own =
        call.handle->mig >= 0 ? call.handle->mig : nvml_index_of(call.state, call.handle->board);
    return give_number(&call, index, (unsigned int)own);
}

NVML_EXPORT nvml_result nvmlDeviceGetMinorNumber(nvml_device device, unsigned int *minor) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    return give_number(&call, minor, (unsigned int)nvml_index_of(call.state, call.handle->board));
}

NVML_EXPORT nvml_result nvmlDeviceGetBrand(nvml_device device, unsigned int *brand) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    return give_number(&call, brand, call.board->profile->brand);
}

NVML_EXPORT nvml_result nvmlDeviceGetArchitecture(nvml_device device, unsigned int *architecture) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    return give_number(&call, architecture, call.board->profile->architecture);
}

NVML_EXPORT nvml_result nvmlDeviceGetNumGpuCores(nvml_device device, unsigned int *cores) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    return give_number(&call, cores, call.board->profile->cores);
}

NVML_EXPORT nvml_result nvmlDeviceGetCudaComputeCapability(nvml_device device, int *major,
                                                           int *minor) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!major || !minor) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *major = (int)call.board->profile->cuda_major;
    *minor = (int)call.board->profile->cuda_minor;
    return nvml_end(&call, NVML_OK);
}

/* Older versions of the structure end earlier; only `size` bytes of it are the caller's. */
static nvml_result pci_info(const char *function, nvml_device device, void *out, size_t size) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    if (!out) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    struct nvml_pci_info info = {.bus = call.board->pci_bus,
                                 .pci_device_id = call.board->profile->pci_device_id,
                                 .pci_subsystem_id = 0x100010de};
    snprintf(info.bus_id_legacy, sizeof info.bus_id_legacy, "0000:%02X:00.0", info.bus);
    snprintf(info.bus_id, sizeof info.bus_id, "00000000:%02X:00.0", info.bus);
    memcpy(out, &info, size);
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetPciInfo(nvml_device device, void *pci) {
    return pci_info(__func__, device, pci, offsetof(struct nvml_pci_info, pci_subsystem_id));
}

NVML_EXPORT nvml_result nvmlDeviceGetPciInfo_v2(nvml_device device, void *pci) {
    return pci_info(__func__, device, pci, offsetof(struct nvml_pci_info, bus_id));
}

NVML_EXPORT nvml_result nvmlDeviceGetPciInfo_v3(nvml_device device, struct nvml_pci_info *pci) {
    return pci_info(__func__, device, pci, sizeof *pci);
}
