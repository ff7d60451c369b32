/* SPDX-License-Identifier: MIT */
/*
 * A waveform in its compiled form: pieces on each of which the power is linear, with prefix sums,
 * so that power, energy and time above a level at any moment cost one binary search.
 */
#ifndef SIMGPU_WAVE_H
#define SIMGPU_WAVE_H

#include "model.h"

struct simgpu_wave;

/* Collects pieces in order; the first failure (memory, bad length) sticks and ends in NULL. */
struct simgpu_wave_builder {
    struct wave_point *points;
    size_t count, capacity;
    int64_t length_ns;
    bool failed;
};

/* Appends a piece; length_ns 0 is skipped. */
void simgpu_wave_add(struct simgpu_wave_builder *b, int64_t length_ns, double begin_w,
                     double end_w);
/*
 * Ends the builder (which is empty afterwards) and returns the wave, or NULL. A periodic wave
 * repeats for ever in both directions; another one holds its first and last value.
 */
struct simgpu_wave *simgpu_wave_finish(struct simgpu_wave_builder *b, bool periodic,
                                       int64_t phase_ns);

/*
 * The same wave with pieces split where they cross `level_w`, so that time above it can be
 * counted, and, with `clip`, never above it.
 */
struct simgpu_wave *simgpu_wave_at_level(const struct simgpu_wave *wave, double level_w, bool clip);

/* The same wave, what lies above `floor_w` multiplied by `share`. */
struct simgpu_wave *simgpu_wave_scaled(const struct simgpu_wave *wave, double floor_w,
                                       double share);

struct simgpu_wave *simgpu_wave_ref(struct simgpu_wave *wave);
void simgpu_wave_unref(struct simgpu_wave *wave);

double simgpu_wave_power(const struct simgpu_wave *wave, int64_t t);
double simgpu_wave_energy(const struct simgpu_wave *wave, int64_t t0, int64_t t1);
/* Nanoseconds of [t0, t1] above the level of simgpu_wave_at_level. */
int64_t simgpu_wave_above_ns(const struct simgpu_wave *wave, int64_t t0, int64_t t1);
void simgpu_wave_piece(const struct simgpu_wave *wave, int64_t t, struct simgpu_piece *piece);
double simgpu_wave_max(const struct simgpu_wave *wave);

/* Shapes (wave_shapes.c). Times are positive; NULL if memory runs out. */
struct simgpu_wave *simgpu_wave_constant(double power_w);
struct simgpu_wave *simgpu_wave_square(double low_w, double high_w, int64_t period_ns, double duty,
                                       int64_t phase_ns);
struct simgpu_wave *simgpu_wave_sawtooth(double low_w, double high_w, int64_t period_ns,
                                         int64_t phase_ns);
/* Two levels with exponential dwell times; 16384 dwells, then it repeats. */
struct simgpu_wave *simgpu_wave_telegraph(double low_w, double high_w, int64_t mean_dwell_ns,
                                          uint64_t seed, int64_t phase_ns);
/* Idle, start-up, warm-up, epochs of batches with validation and gaps; repeats. */
struct simgpu_wave *simgpu_wave_training(double idle_w, double limit_w, uint64_t seed,
                                         int64_t phase_ns);

#endif
