/* SPDX-License-Identifier: MIT */
/*
 * How a program that loads this library itself says which boards there are, without changing its
 * own environment.
 */
#ifndef SIMGPU_CONFIGURE_H
#define SIMGPU_CONFIGURE_H

#include "model.h"

/*
 * Creates the boards of `spec` with their state file at `state_path`; from the next nvmlInit on,
 * this process sees them, whatever its environment says. Returns 0, or -1 with a sentence in
 * `message` (for instance while the library is in use with other boards).
 */
SIMGPU_API int simgpu_configure(const char *spec, const char *state_path, char *message,
                                size_t size);

/*
 * For calibration, while NVML is initialised: what the load asks of the board with that UUID, as
 * levels: watts[i] holds from t_ns[i] (CLOCK_MONOTONIC, the first at or before t0_ns) to the next.
 * Returns how many there are in [t0_ns, t1_ns]; -1: no such board, not made of levels, or more
 * than `capacity`.
 */
SIMGPU_API int simgpu_load_levels(const char *uuid, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns,
                                  double *watts, int capacity);
/* Asks for so many watts from now on. -1: the board's waveform is not `channel`. */
SIMGPU_API int simgpu_load_set(const char *uuid, double watts);

/* By its presence tells the library from a real driver's. Returns 1. */
SIMGPU_API int simgpu_is_simulated(void);

#endif
