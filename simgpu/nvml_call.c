/* SPDX-License-Identifier: MIT */
#include "nvml_call.h"

#include "faults.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MIG = 7 };

/*
 * The library's state. NVML has one per process, by its interface. Calls hold the lock for
 * reading, so shutdown waits for them, as with the real driver.
 */
static pthread_rwlock_t lifecycle = PTHREAD_RWLOCK_INITIALIZER;
static unsigned users;
static struct simgpu_state *current;
static bool some_missing;         /* any nosym fault at all */
static char configured[PATH_MAX]; /* current file set by simgpu_configure; else "" */

/* Handles point here. [board][0] is the GPU, the others its MIG instances. */
static struct nvml_handle handles[SIMGPU_MAX_BOARDS][1 + MAX_MIG];

static void init_handles(void) {
    for (int board = 0; board < SIMGPU_MAX_BOARDS; board++)
        for (int i = 0; i <= MAX_MIG; i++)
            handles[board][i] = (struct nvml_handle){.board = board, .mig = i - 1};
}

static struct simgpu_state *open_state(void) {
    const char *path = configured[0] ? configured : getenv("JOULEMETER_SIMGPU_STATE");
    if (path && *path) return simgpu_state_open(path, NULL);
    const char *spec = getenv("JOULEMETER_SIMGPU");
    return simgpu_state_create(NULL, spec && *spec ? spec : "h100", NULL);
}

static bool has_missing(void) {
    for (int i = 0; i < simgpu_state_board_count(current); i++) {
        const struct simgpu_item *item = &simgpu_state_board(current, i)->item;
        for (int k = 0; k < item->fault_count; k++)
            if (item->faults[k].kind == SIMGPU_FAULT_NO_SYMBOL) return true;
    }
    return false;
}

static bool is_missing(const char *function) {
    for (int i = 0; some_missing && i < simgpu_state_board_count(current); i++)
        if (nvml_fault_names(simgpu_state_board(current, i), SIMGPU_FAULT_NO_SYMBOL, function))
            return true;
    return false;
}

static void close_state(void) {
    simgpu_state_close(current);
    current = NULL;
}

nvml_result nvml_start(const char *function) {
    nvml_result result = NVML_OK;
    pthread_rwlock_wrlock(&lifecycle);
    if (users == 0) {
        init_handles();
        current = open_state();
        if (!current) result = NVML_DRIVER_NOT_LOADED;
        some_missing = current && has_missing();
    }
    if (current && is_missing(function)) {
        result = NVML_FUNCTION_NOT_FOUND;
        if (users == 0) close_state();
    }
    if (result == NVML_OK) users++;
    pthread_rwlock_unlock(&lifecycle);
    return result;
}

int nvml_use_state(const char *path) {
    int result = -1;
    pthread_rwlock_wrlock(&lifecycle);
    if (users == 0 && strlen(path) < sizeof configured) {
        memcpy(configured, path, strlen(path) + 1);
        result = 0;
    }
    pthread_rwlock_unlock(&lifecycle);
    return result;
}

nvml_result nvml_stop(void) {
    nvml_result result = NVML_OK;
    pthread_rwlock_wrlock(&lifecycle);
    if (users == 0) {
        result = NVML_UNINITIALIZED;
    } else if (--users == 0) {
        close_state();
    }
    pthread_rwlock_unlock(&lifecycle);
    return result;
}

nvml_result nvml_begin_system(struct nvml_call *call, const char *function) {
    *call = (struct nvml_call){0};
    pthread_rwlock_rdlock(&lifecycle);
    if (users == 0) return nvml_end_system(NVML_UNINITIALIZED);
    if (is_missing(function)) return nvml_end_system(NVML_FUNCTION_NOT_FOUND);
    call->state = current;
    return NVML_OK;
}

nvml_result nvml_end_system(nvml_result result) {
    pthread_rwlock_unlock(&lifecycle);
    return result;
}

static const struct nvml_handle *check_handle(nvml_device device) {
    uintptr_t at = (uintptr_t)device - (uintptr_t)handles;
    if ((uintptr_t)device < (uintptr_t)handles || at >= sizeof handles) return NULL;
    if (at % sizeof **handles != 0) return NULL;
    const struct nvml_handle *handle = device;
    if (handle->board >= simgpu_state_board_count(current)) return NULL;
    return handle->mig < simgpu_state_board(current, handle->board)->item.mig ? handle : NULL;
}

nvml_result nvml_begin_any(struct nvml_call *call, const char *function, nvml_device device) {
    nvml_result result = nvml_begin_system(call, function);
    if (result != NVML_OK) return result;
    call->handle = check_handle(device);
    if (!call->handle) return nvml_end_system(NVML_INVALID_ARGUMENT);
    call->board = simgpu_state_lock(current, call->handle->board);
    result = nvml_fault_strike(current, call->handle->board, function);
    if (result != NVML_OK) return nvml_end(call, result);
    call->now = simgpu_state_now(current);
    return NVML_OK;
}

nvml_result nvml_begin(struct nvml_call *call, const char *function, nvml_device device) {
    nvml_result result = nvml_begin_any(call, function, device);
    if (result == NVML_OK && call->handle->mig >= 0) return nvml_end(call, NVML_NOT_SUPPORTED);
    return result;
}

nvml_result nvml_end(struct nvml_call *call, nvml_result result) {
    simgpu_state_unlock(call->state, call->handle->board);
    return nvml_end_system(result);
}

static bool is_reversed(const struct simgpu_state *state) {
    /* The first board sits on the last bus. */
    return simgpu_state_board(state, 0)->pci_bus > 1;
}

int nvml_index_of(const struct simgpu_state *state, int board) {
    return is_reversed(state) ? simgpu_state_board_count(state) - 1 - board : board;
}

nvml_device nvml_handle_of(const struct simgpu_state *state, int nvml_index) {
    if (nvml_index < 0 || nvml_index >= simgpu_state_board_count(state)) return NULL;
    return &handles[nvml_index_of(state, nvml_index)][0];
}

nvml_device nvml_handle_of_mig(const struct nvml_handle *gpu, int instance) {
    return &handles[gpu->board][1 + instance];
}

nvml_device nvml_handle_of_gpu(const struct nvml_handle *mig) {
    return &handles[mig->board][0];
}

nvml_result nvml_copy_text(char *buffer, unsigned int length, const char *text) {
    if (!buffer) return NVML_INVALID_ARGUMENT;
    size_t size = strlen(text) + 1;
    if (size > length) return NVML_INSUFFICIENT_SIZE;
    memcpy(buffer, text, size);
    return NVML_OK;
}
