/* SPDX-License-Identifier: MIT */
#include "configure.h"

#include "nvml_call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int simgpu_is_simulated(void) {
    return 1;
}

int simgpu_configure(const char *spec, const char *state_path, char *message, size_t size) {
    struct simgpu_error err = {.text = ""};
    struct simgpu_state *state = simgpu_state_create(state_path, spec, &err);
    if (!state) {
        snprintf(message, size, "%s", err.text);
        return -1;
    }
    simgpu_state_close(state);
    if (nvml_use_state(state_path) == 0) return 0;
    snprintf(message, size,
             "simulated GPUs are in use in this process already; close the other profiler "
             "first: p.close()");
    return -1;
}

static int find_board(const struct simgpu_state *state, const char *uuid) {
    for (int i = 0; i < simgpu_state_board_count(state); i++)
        if (strcmp(simgpu_state_uuid(state, i), uuid) == 0) return i;
    return -1;
}

/* Times are since the start of the boards. */
static int walk_levels(const struct simgpu_board *board, int64_t t0, int64_t t1, int64_t *t_ns,
                       double *watts, int capacity) {
    int count = 0;
    for (int64_t t = t0; t <= t1;) {
        struct simgpu_piece piece;
        simgpu_board_piece(board, t, &piece);
        double demand_w = simgpu_board_demand(board, t);
        if (fabs(piece.end_w - piece.begin_w) > 1e-6) return -1;
        if (count == 0 || watts[count - 1] != demand_w) {
            if (count == capacity) return -1;
            t_ns[count] = count == 0 ? t0 : piece.begin_ns;
            watts[count++] = demand_w;
        }
        if (piece.end_ns <= t) return -1;
        t = piece.end_ns;
    }
    return count;
}

int simgpu_load_levels(const char *uuid, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns, double *watts,
                       int capacity) {
    struct nvml_call call;
    if (nvml_begin_system(&call, "simgpu_load_levels") != NVML_OK) return -1;
    int count = -1;
    int i = find_board(call.state, uuid);
    if (i >= 0) {
        int64_t start = simgpu_state_start_mono_ns(call.state);
        const struct simgpu_board *board = simgpu_state_lock(call.state, i);
        count = walk_levels(board, t0_ns - start, t1_ns - start, t_ns, watts, capacity);
        simgpu_state_unlock(call.state, i);
        for (int k = 0; k < count; k++) t_ns[k] += start;
    }
    nvml_end_system(NVML_OK);
    return count;
}

int simgpu_load_set(const char *uuid, double watts) {
    struct nvml_call call;
    if (nvml_begin_system(&call, "simgpu_load_set") != NVML_OK) return -1;
    int result = simgpu_channel_set_power(call.state, find_board(call.state, uuid), watts);
    nvml_end_system(NVML_OK);
    return result;
}
