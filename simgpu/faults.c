/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include "nvml_call.h"

#include <math.h>
#include <string.h>

/* Shorter latencies are waited out, since a sleep takes this long by itself. */
static const int64_t SPIN_NS = 100000;

static void take_time(int64_t ns) {
    int64_t until = simgpu_mono_ns() + ns;
    if (ns >= SPIN_NS) simgpu_sleep_until(until);
    while (simgpu_mono_ns() < until) {
    }
}

static void hang(double seconds) {
    if (isfinite(seconds)) {
        take_time(llround(seconds * 1e9));
        return;
    }
    for (;;) simgpu_sleep_until(simgpu_mono_ns() + 3600 * SIMGPU_NS_PER_S);
}

bool nvml_fault_names(const struct simgpu_board *board, enum simgpu_fault_kind kind,
                      const char *name) {
    for (int i = 0; i < board->item.fault_count; i++) {
        const struct simgpu_fault *fault = &board->item.faults[i];
        if (fault->kind == kind && strcmp(fault->name, name) == 0) return true;
    }
    return false;
}

nvml_result nvml_fault_result(const struct simgpu_board *board, const char *name) {
    if (nvml_fault_names(board, SIMGPU_FAULT_NOT_SUPPORTED, name)) return NVML_NOT_SUPPORTED;
    if (nvml_fault_names(board, SIMGPU_FAULT_NO_PERMISSION, name)) return NVML_NO_PERMISSION;
    return NVML_OK;
}

nvml_result nvml_fault_strike(struct simgpu_state *state, int board, const char *function) {
    const struct simgpu_item *item = &simgpu_state_board(state, board)->item;
    uint64_t call = simgpu_state_count_call(state, board);
    if (item->latency_us > 0.0) take_time(llround(item->latency_us * 1e3));
    while (simgpu_state_trouble(state, board) == SIMGPU_HANGS)
        simgpu_sleep_until(simgpu_mono_ns() + SIMGPU_NS_PER_S / 100);
    if (simgpu_state_trouble(state, board) == SIMGPU_LOST) return NVML_GPU_IS_LOST;
    for (int i = 0; i < item->fault_count; i++) {
        const struct simgpu_fault *fault = &item->faults[i];
        if (fault->kind == SIMGPU_FAULT_HANG && call == fault->calls) hang(fault->seconds);
        if (fault->kind == SIMGPU_FAULT_LOST && call > fault->calls) return NVML_GPU_IS_LOST;
    }
    return nvml_fault_result(simgpu_state_board(state, board), function);
}
