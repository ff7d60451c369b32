/* SPDX-License-Identifier: MIT */
/*
 * The spec text.
 *
 *     SPEC  := ITEM (';' ITEM)*
 *     ITEM  := [N '*'] MODEL [',' WAVEFORM] (',' KEY '=' VALUE | ',' FLAG)*
 *
 * MODEL: v100 a100 h100 h200 gh200 rtx3090 (3090) rtx4090 (4090) b200.
 *
 * WAVEFORM (default training):
 *     constant:W   square:LOW:HIGH:PERIOD[:DUTY]   sawtooth:LOW:HIGH:PERIOD
 *     telegraph:LOW:HIGH:MEAN_DWELL   training[:SEED]
 *     schedule:FILE   CSV t_s,power_w; t = 0 is the start of the board
 *     replay:FILE[:COLUMN]   a measured trace; its first row is t = 0
 *     channel   a running program says the power (simgpu_channel_*)
 * File names cannot hold a comma or a semicolon. With flag `loop` a file repeats.
 *
 * Times are seconds, or have a unit: 100ms, 25us. Keys:
 *     T W lag rise noise gain offset quantum   of every power reading
 *     plain.T, average.W, instant.lag, ring.T, ... (T W lag rise noise)  of one of them
 *     tick_phase        time of the power readings' first tick (default: from the seed)
 *     counter_T counter_phase counter_base (J) counter_quantum (J)
 *     idle limit        watts;  seed;  phase: shifts the waveform
 *     latency_us        time of each call;  poll_power_w: extra watts for 100 power calls a second
 *     mig=N             N MIG instances;  order=reverse: NVML's order is the reverse of CUDA's
 *     util temp         fixed utilisation in percent and temperature in Celsius
 *     fault=lost@N      the GPU is lost after N calls
 *     fault=hang@N[:S]  call N hangs for S seconds (default: for ever)
 *     fault=reset@S     the counter starts at 0 again after S seconds
 *     fault=nosym=NAME notsupported=NAME noperm=NAME   NVML function, or field83, field186, ...
 *     fault=driver530 (also as flag driver530)
 *
 * Board i of the spec (counted from 0 over all items) uses seed + i, so that boards differ. The
 * waveform of a training:SEED is the same on all boards of its item.
 */
#ifndef SIMGPU_SPEC_H
#define SIMGPU_SPEC_H

#include "profile.h"

enum simgpu_shape {
    SIMGPU_TRAINING,
    SIMGPU_CONSTANT,
    SIMGPU_SQUARE,
    SIMGPU_SAWTOOTH,
    SIMGPU_TELEGRAPH,
    SIMGPU_SCHEDULE,
    SIMGPU_REPLAY,
    SIMGPU_CHANNEL
};

enum simgpu_fault_kind {
    SIMGPU_FAULT_LOST,
    SIMGPU_FAULT_HANG,
    SIMGPU_FAULT_RESET,
    SIMGPU_FAULT_NO_SYMBOL,
    SIMGPU_FAULT_NOT_SUPPORTED,
    SIMGPU_FAULT_NO_PERMISSION
};

struct simgpu_fault {
    enum simgpu_fault_kind kind;
    uint64_t calls; /* lost, hang */
    double seconds; /* hang (infinite: for ever), reset */
    char name[64];  /* the last three */
};

/* What may be said of one power reading; NaN: not said. In seconds and watts. */
struct simgpu_sensor_keys {
    double refresh, window, lag, rise, noise;
};

struct simgpu_item {
    int count;
    int first; /* index of its first board */
    const struct simgpu_profile *profile;
    enum simgpu_shape shape;
    double low_w, high_w, duty;
    double period_s; /* or mean dwell */
    bool has_wave_seed;
    uint64_t wave_seed;
    char file[1024];
    char column[64];
    bool loop, driver530, reverse;
    uint64_t seed;
    struct simgpu_sensor_keys all, one[4]; /* by enum simgpu_sensor */
    double gain, offset_w, quantum_w, tick_phase;
    double counter_refresh, counter_phase, counter_base, counter_quantum;
    double idle_w, limit_w, phase;
    double latency_us, poll_power_w, util_pct, temperature_c;
    int mig;
    int fault_count;
    struct simgpu_fault faults[SIMGPU_MAX_FAULTS];
};

struct simgpu_spec {
    int item_count, board_count;
    bool reverse;
    struct simgpu_item *items;
};

/* Parsers of an item's parts (spec_wave.c, spec_keys.c); `at` is the part's offset in the text. */
struct simgpu_slice;
int simgpu_spec_wave(struct simgpu_item *item, struct simgpu_slice part, size_t at,
                     struct simgpu_error *err);
int simgpu_spec_key(struct simgpu_item *item, struct simgpu_slice part, size_t at,
                    struct simgpu_error *err);
int simgpu_spec_fault(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                      struct simgpu_error *err);
/* A time in seconds, or with a unit: s, ms, us, ns. */
bool simgpu_spec_seconds(struct simgpu_slice text, double *seconds);

#endif
