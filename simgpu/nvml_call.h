/* SPDX-License-Identifier: MIT */
/*
 * What every NVML entry has in common: is the library initialised, is the handle one of ours,
 * does a fault strike, how long does the call take. Each board has one lock, like the driver's.
 */
#ifndef SIMGPU_NVML_CALL_H
#define SIMGPU_NVML_CALL_H

#include "nvml_abi.h"
#include "state.h"

struct nvml_handle {
    int board; /* in the state */
    int mig;   /* instance, or -1 for the whole GPU */
};

struct nvml_call {
    struct simgpu_state *state;
    const struct nvml_handle *handle;
    struct simgpu_board *board; /* locked */
    int64_t now;                /* since the start of the boards */
};

/*
 * Begins a call on a whole GPU (or, _any, also on a MIG instance). Not NVML_OK: return it as it
 * is, and do not end the call. `function` is the entry's own name.
 */
nvml_result nvml_begin(struct nvml_call *call, const char *function, nvml_device device);
nvml_result nvml_begin_any(struct nvml_call *call, const char *function, nvml_device device);
/* Unlocks and returns the result. */
nvml_result nvml_end(struct nvml_call *call, nvml_result result);

/* The same for entries without a device: only state is set. */
nvml_result nvml_begin_system(struct nvml_call *call, const char *function);
nvml_result nvml_end_system(nvml_result result);

/* Lifecycle. */
nvml_result nvml_start(const char *function);
nvml_result nvml_stop(void);
/* The state file that the next start opens, in place of the environment's. -1 while in use. */
int nvml_use_state(const char *path);

/* Handles by NVML's index (PCI order) and MIG instance; NULL if there is none. */
nvml_device nvml_handle_of(const struct simgpu_state *state, int nvml_index);
nvml_device nvml_handle_of_mig(const struct nvml_handle *gpu, int instance);
nvml_device nvml_handle_of_gpu(const struct nvml_handle *mig);
/* NVML's index of a board. */
int nvml_index_of(const struct simgpu_state *state, int board);

/* Does a fault of this kind name the function (or field) on this board? */
bool nvml_fault_names(const struct simgpu_board *board, enum simgpu_fault_kind kind,
                      const char *name);
/* The fault on a name: NVML_NOT_SUPPORTED, NVML_NO_PERMISSION or NVML_OK. */
nvml_result nvml_fault_result(const struct simgpu_board *board, const char *name);

/* Copies text with its end; NVML_INSUFFICIENT_SIZE if it does not fit. */
nvml_result nvml_copy_text(char *buffer, unsigned int length, const char *text);

#endif
