/* SPDX-License-Identifier: MIT */
/*
 * The simulated GPU's model: what a board draws at any moment, exactly, and what its sensors say
 * about it. Internal to the project; libnvidia-ml.so.1 (nvml_*.c) and the offline accuracy tests
 * stand on it.
 *
 *     spec text ──▶ struct simgpu_spec ──▶ struct simgpu_board (one for each GPU)
 *                                            power(t), energy(t0, t1): the truth
 *                                            read(sensor, t):          what NVML would say
 *
 * Time `t` is in nanoseconds since the start of the board, and virtual: nothing here reads a clock
 * except the functions of the last section (shared state), whose times `mono_ns` are
 * CLOCK_MONOTONIC. Power is a piecewise linear function of time; its integral is closed-form or a
 * prefix sum, never a numeric sum over steps. A waveform extends to t < 0 (periodic ones repeat,
 * others hold their first value), so that a sensor's window is full from the first tick on.
 *
 * Errors: functions return 0 or -1 (or NULL) and write one sentence to `err` (may be NULL).
 *
 * Threads: a spec is immutable. A board may be used by one thread at a time. A state may be used
 * by any number of threads and processes.
 */
#ifndef SIMGPU_MODEL_H
#define SIMGPU_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMGPU_MAX_BOARDS 64
#define SIMGPU_MAX_FAULTS 16
#define SIMGPU_RING_SIZE  120
#define SIMGPU_NS_PER_S   INT64_C(1000000000)

/* Exported from libsimgpu-channel.so. */
#define SIMGPU_API __attribute__((visibility("default")))

struct simgpu_error {
    size_t position; /* offset into the parsed text; for a trace, the line (from 1) */
    char text[240];  /* one sentence */
};

/* ---- Sensors -------------------------------------------------------------------------------- */

enum simgpu_sensor {
    SIMGPU_PLAIN,   /* nvmlDeviceGetPowerUsage */
    SIMGPU_AVERAGE, /* field 185 */
    SIMGPU_INSTANT, /* field 186 */
    SIMGPU_RING,    /* nvmlDeviceGetSamples, NVML_TOTAL_POWER_SAMPLES */
    SIMGPU_COUNTER, /* nvmlDeviceGetTotalEnergyConsumption */
    SIMGPU_SENSOR_COUNT
};

/*
 * The truth about a sensor. Tick k is at tau_k = phase + k * refresh. A power reading at tick k is
 *
 *     gain * (mean of F over [tau_k - lag - window, tau_k - lag]) + offset + noise_k
 *
 * rounded to `quantum`, where F is the board's power, or, if rise > 0, the power after a
 * first-order low-pass of that time constant. window 0 reads the instant. The counter is
 *
 *     gain * (integral of the power over [reset or 0, tau_k]) + offset * time + base
 *
 * rounded down to `quantum`; its window, lag, rise and noise are unused.
 */
struct simgpu_sensor_params {
    bool present;
    int64_t refresh_ns;
    int64_t window_ns;
    int64_t lag_ns;
    int64_t rise_ns;
    int64_t phase_ns; /* in [0, refresh_ns) */
    double gain;
    double offset_w;
    double noise_w; /* standard deviation */
    double quantum; /* watts; joules for the counter */
    uint64_t seed;
};

struct simgpu_reading {
    double value;    /* watts; joules for the counter */
    int64_t tick_ns; /* when the sensor took it: the last tick <= t */
    int64_t tick;    /* its number */
};

/* ---- Spec ----------------------------------------------------------------------------------- */

/*
 * SPEC  := ITEM (';' ITEM)*
 * ITEM  := [N '*'] MODEL [',' WAVEFORM] (',' KEY '=' VALUE | ',' FLAG)*
 *
 * See docs in spec.h for waveforms, keys and faults. Never opens a file.
 * Returns NULL on error. Free with simgpu_spec_free.
 */
struct simgpu_spec;
struct simgpu_spec *simgpu_spec_parse(const char *text, struct simgpu_error *err);
void simgpu_spec_free(struct simgpu_spec *spec);
/* Boards in the spec, 1 to SIMGPU_MAX_BOARDS. */
int simgpu_spec_board_count(const struct simgpu_spec *spec);

/* ---- Board ---------------------------------------------------------------------------------- */

struct simgpu_board;

/*
 * Builds board `index` (0 <= index < count) and loads the files it names; relative names are
 * looked up in `dir` (NULL: the current directory). Free with simgpu_board_free. The spec may be
 * freed before the board.
 */
struct simgpu_board *simgpu_board_new(const struct simgpu_spec *spec, int index, const char *dir,
                                      struct simgpu_error *err);
/* A board in one step from a spec text; for tests. */
struct simgpu_board *simgpu_board_from_text(const char *spec_text, int index,
                                            struct simgpu_error *err);
void simgpu_board_free(struct simgpu_board *board);

/* True power at t, in watts. */
double simgpu_board_power(const struct simgpu_board *board, int64_t t);
/* True energy over [t0, t1] in joules (negative if t1 < t0); NaN if that history is gone. */
double simgpu_board_energy(const struct simgpu_board *board, int64_t t0, int64_t t1);
/* Nanoseconds of [t0, t1] in which the board worked (drew clearly more than idle power). */
int64_t simgpu_board_active_ns(const struct simgpu_board *board, int64_t t0, int64_t t1);
/* Nanoseconds of [t0, t1] in which the power limit held the board back. */
int64_t simgpu_board_throttled_ns(const struct simgpu_board *board, int64_t t0, int64_t t1);

/* A stretch of time on which the power is linear. [begin_ns, end_ns) contains t. */
struct simgpu_piece {
    int64_t begin_ns, end_ns;
    double begin_w, end_w;
};
/* The piece around t: walk it to learn the true edges of the load. */
void simgpu_board_piece(const struct simgpu_board *board, int64_t t, struct simgpu_piece *piece);

/* What the sensor says at t. Returns -1 if the board has no such sensor. */
int simgpu_board_read(const struct simgpu_board *board, enum simgpu_sensor sensor, int64_t t,
                      struct simgpu_reading *reading);
/*
 * Readings of the driver's ring with tick_ns > since_ns and <= t, oldest first, at most the last
 * SIMGPU_RING_SIZE. Returns how many (0 also if there is no ring).
 */
size_t simgpu_board_ring(const struct simgpu_board *board, int64_t t, int64_t since_ns,
                         struct simgpu_reading out[SIMGPU_RING_SIZE]);
/* The sensor's true properties. */
const struct simgpu_sensor_params *simgpu_board_sensor(const struct simgpu_board *board,
                                                       enum simgpu_sensor sensor);

/* Reported state beside power: from the trace where it has such columns, else modelled. */
double simgpu_board_utilisation_pct(const struct simgpu_board *board, int64_t t);
double simgpu_board_temperature_c(const struct simgpu_board *board, int64_t t);
double simgpu_board_sm_clock_mhz(const struct simgpu_board *board, int64_t t);

const char *simgpu_board_name(const struct simgpu_board *board);
const char *simgpu_board_uuid(const struct simgpu_board *board);
double simgpu_board_idle_w(const struct simgpu_board *board);
double simgpu_board_limit_w(const struct simgpu_board *board, int64_t t);
/* The highest clock that a lock allows, as a share of full speed; 1: there is none. */
double simgpu_board_clock(const struct simgpu_board *board, int64_t t);
/* Time that the trace's or schedule's clock shows at t = 0 (0 for other waveforms). */
int64_t simgpu_board_trace_origin_ns(const struct simgpu_board *board);

/*
 * Changes from outside, in virtual time; t must not go back (a smaller t counts as the last one).
 * set_limit: watts within the board's constraints. set_demand: channel boards only, the power
 * that the load asks for. set_clock: the highest clock, as a share of full speed. set_extra: power
 * on top of it until `until` (the observer's effect). Return 0, or -1 if not allowed.
 */
int simgpu_board_set_limit(struct simgpu_board *board, int64_t t, double limit_w);
int simgpu_board_set_clock(struct simgpu_board *board, int64_t t, double share);
int simgpu_board_set_demand(struct simgpu_board *board, int64_t t, double demand_w);
int simgpu_board_set_extra(struct simgpu_board *board, int64_t t, double extra_w, int64_t until);

/*
 * Power limits. At clock ratio f (1 = full speed) a load that asks for `demand_w` at full speed
 * draws idle + (demand - idle) * g(f), g linear with a quadratic part above a knee, g(1) = 1; and
 * takes time (1 - share) + share / f. clock_ratio: the highest f within the limit.
 * work_seconds: time that `seconds` of work at full speed take under the limit, where
 * `compute_share` (0 to 1) of the time scales with the clock.
 */
double simgpu_board_clock_ratio(const struct simgpu_board *board, double demand_w, double limit_w);
double simgpu_board_work_seconds(const struct simgpu_board *board, double demand_w, double limit_w,
                                 double seconds, double compute_share);

/* ---- Shared state: the same boards in several processes, in real time ----------------------- */

struct simgpu_state;

/*
 * Creates the state file at `path` (replaces one that is there; NULL: anonymous memory of this
 * process) and returns it opened. The boards start now. Set JOULEMETER_SIMGPU_STATE to `path` in
 * every program that shall see them. The file stays until the caller unlinks it.
 */
SIMGPU_API struct simgpu_state *simgpu_state_create(const char *path, const char *spec_text,
                                                    struct simgpu_error *err);
SIMGPU_API struct simgpu_state *simgpu_state_open(const char *path, struct simgpu_error *err);
SIMGPU_API void simgpu_state_close(struct simgpu_state *state);
SIMGPU_API int simgpu_state_board_count(const struct simgpu_state *state);
SIMGPU_API int64_t simgpu_state_start_mono_ns(const struct simgpu_state *state);
SIMGPU_API const char *simgpu_state_spec(const struct simgpu_state *state);
SIMGPU_API const char *simgpu_state_uuid(const struct simgpu_state *state, int board);

/*
 * True energy of a board over [t0, t1] (CLOCK_MONOTONIC ns) in joules, without gain, offset and
 * noise. t1 must not lie in the future. NaN: no such board, or history that is gone.
 */
SIMGPU_API double simgpu_truth_energy(struct simgpu_state *state, int board, int64_t t0_mono_ns,
                                      int64_t t1_mono_ns);
SIMGPU_API double simgpu_truth_power(struct simgpu_state *state, int board, int64_t mono_ns);

/*
 * Drives a board whose waveform is `channel`. set_power: the load asks for `watts` from now on.
 * work: does `seconds_at_full_speed` of work at `watts`, slowed by the power limit, sleeping
 * meanwhile, then falls back to idle; returns the seconds it took. Negative: not possible.
 */
SIMGPU_API int simgpu_channel_set_power(struct simgpu_state *state, int board, double watts);
SIMGPU_API double simgpu_channel_work(struct simgpu_state *state, int board, double watts,
                                      double seconds_at_full_speed, double compute_share);
/* Sets the power limit as root would by NVML. 0, or -1 if outside the constraints. */
SIMGPU_API int simgpu_channel_set_limit(struct simgpu_state *state, int board, double watts);
/* Locks the clocks of any board at a share of full speed; 1: they are free. */
SIMGPU_API int simgpu_channel_set_clock(struct simgpu_state *state, int board, double share);

/* What befalls a board until it is told otherwise: calls say that it is lost, or do not return. */
enum simgpu_trouble { SIMGPU_FINE, SIMGPU_LOST, SIMGPU_HANGS };
SIMGPU_API int simgpu_channel_set_trouble(struct simgpu_state *state, int board,
                                          enum simgpu_trouble trouble);
SIMGPU_API double simgpu_truth_limit(struct simgpu_state *state, int board);
SIMGPU_API double simgpu_truth_clock(struct simgpu_state *state, int board);

#endif
