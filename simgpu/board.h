/* SPDX-License-Identifier: MIT */
/* The inside of a board, for the files of the model and the NVML front. */
#ifndef SIMGPU_BOARD_H
#define SIMGPU_BOARD_H

#include "log.h"
#include "spec.h"
#include "trace.h"
#include "wave.h"

/* The waveform again, under the limits and locks on clocks that were in force lately. */
enum { SIMGPU_CLIPS = 4 };

struct simgpu_clips {
    unsigned next;
    double limit_w[SIMGPU_CLIPS];
    double clock[SIMGPU_CLIPS];
    struct simgpu_wave *wave[SIMGPU_CLIPS];
};

struct simgpu_board_trace {
    atomic_int refs;
    struct simgpu_trace trace;
};

struct simgpu_board {
    struct simgpu_item item;
    const struct simgpu_profile *profile;
    int index;     /* in the spec: CUDA's order */
    uint64_t seed; /* of this board */
    double idle_w;
    double active_w;                  /* above it the board works */
    struct simgpu_wave *wave;         /* split at active_w; NULL: channel */
    struct simgpu_board_trace *trace; /* or NULL */
    int64_t origin_ns;
    struct simgpu_sensor_params sensors[SIMGPU_SENSOR_COUNT];
    struct simgpu_log log;
    struct simgpu_clips *clips;
    char name[96];
    char uuid[48];
    char serial[24];
    unsigned pci_bus;
};

/* Like simgpu_board_new; shares the loaded file with `sibling` (may be NULL) where it can. */
struct simgpu_board *simgpu_board_new_beside(const struct simgpu_spec *spec, int index,
                                             const char *dir, const struct simgpu_board *sibling,
                                             struct simgpu_error *err);

/* Moves the board's history to shared memory; `fresh`: nobody has begun it yet. */
int simgpu_board_attach_log(struct simgpu_board *board, struct simgpu_log_head *head,
                            struct simgpu_log_slot *slots, uint64_t capacity, bool fresh);

/* Sensors (sensor_model.c). */
void simgpu_sensors_init(struct simgpu_board *board);

/* Energy that does not fail where history is gone, but takes the oldest power that is known. */
double simgpu_board_energy_known(const struct simgpu_board *board, int64_t t0, int64_t t1);
/* What the load asks for at t, before the limit. */
double simgpu_board_demand(const struct simgpu_board *board, int64_t t);
/* What a load that asks for `demand_w` draws at a clock, as a share of full speed. */
double simgpu_board_drawn_w(const struct simgpu_board *board, double demand_w, double clock);
bool simgpu_board_is_throttled(const struct simgpu_board *board, int64_t t);
bool simgpu_board_is_active(const struct simgpu_board *board, int64_t t);

#endif
