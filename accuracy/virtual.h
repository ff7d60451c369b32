/* A simulated board measured in virtual time: what the sampler would record, without waiting. */
#ifndef ACCURACY_VIRTUAL_H
#define ACCURACY_VIRTUAL_H

#include "joulemeter.h"
#include "simgpu/model.h"

#include <stdint.h>

enum {
    VIRTUAL_INSTANT = 1u << SIMGPU_INSTANT,
    VIRTUAL_PLAIN = 1u << SIMGPU_PLAIN,
    VIRTUAL_AVERAGE = 1u << SIMGPU_AVERAGE,
    VIRTUAL_RING = 1u << SIMGPU_RING,
    VIRTUAL_COUNTER = 1u << SIMGPU_COUNTER
};

typedef struct virtual_plan {
    const char *spec; /* simulated board */
    uint32_t sensors; /* VIRTUAL_* */
    int64_t poll_ns;  /* period of polling, jittered by a fifth */
    int64_t begin_ns; /* board time at which recording begins */
    int64_t length_ns;
    bool ranges;    /* record the load's own edges as ranges */
    double limit_w; /* told to the estimator; 0: the board's */
    uint64_t seed;
} virtual_plan;

/* Board and recording, both to be freed by the caller; times of the recording are board times.
 * Exits with a message on an error: this is a test tool. */
jm_recording *virtual_record(const virtual_plan *plan, struct simgpu_board **board);
/* Likewise of a board that is there already; the plan's spec is not looked at. */
jm_recording *virtual_record_board(const virtual_plan *plan, const struct simgpu_board *board);

/* A small generator, so that runs repeat. */
uint64_t virtual_random(uint64_t *state);
double virtual_uniform(uint64_t *state, double low, double high);
double virtual_log_uniform(uint64_t *state, double low, double high);
double virtual_normal(uint64_t *state);

#endif
