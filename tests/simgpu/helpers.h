/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIMGPU_HELPERS_H
#define TESTS_SIMGPU_HELPERS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "simgpu/model.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

/* The only board of a spec that must be right. */
static inline struct simgpu_board *must_board(const char *spec) {
    struct simgpu_error err = {0};
    struct simgpu_board *board = simgpu_board_from_text(spec, 0, &err);
    if (!board) fail_msg("%s: %s", spec, err.text);
    return board;
}

static inline void close_to(double got, double wanted, double relative) {
    double room = relative * fmax(fabs(wanted), 1e-9);
    if (!(fabs(got - wanted) <= room)) fail_msg("got %.17g, wanted %.17g", got, wanted);
}

static inline double read_at(const struct simgpu_board *board, enum simgpu_sensor sensor,
                             int64_t t) {
    struct simgpu_reading reading;
    assert_int_equal(simgpu_board_read(board, sensor, t, &reading), 0);
    return reading.value;
}

/* A small generator of its own, so that tests do not lean on the code that they test. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline int64_t random_between(uint64_t *state, int64_t low, int64_t high) {
    return low + (int64_t)(next_random(state) % (uint64_t)(high - low));
}

#endif
