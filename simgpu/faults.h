/* SPDX-License-Identifier: MIT */
/* Faults on demand: what goes wrong in a call, and when. */
#ifndef SIMGPU_FAULTS_H
#define SIMGPU_FAULTS_H

#include "nvml_abi.h"
#include "state.h"

/*
 * Counts the call on the board, takes its time (latency, hang) and returns what strikes it, or
 * NVML_OK. The board's lock is held: others wait for a hung driver.
 */
nvml_result nvml_fault_strike(struct simgpu_state *state, int board, const char *function);

#endif
