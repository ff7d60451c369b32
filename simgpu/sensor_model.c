/* SPDX-License-Identifier: MIT */
#include "board.h"
#include "random.h"

#include <math.h>
#include <string.h>

/* Beyond this many time constants the past weighs less than a rounding error. */
static const double RISE_REACH = 36.0;

/* Seeds of independent streams. */
enum { STREAM_PHASE = 1, STREAM_NOISE, STREAM_COUNTER };

static int64_t to_ns(double seconds) {
    return llround(seconds * 1e9);
}

static void override_time(double seconds, int64_t *ns) {
    if (!isnan(seconds)) *ns = to_ns(seconds);
}

static void apply_keys(struct simgpu_sensor_params *p, const struct simgpu_sensor_keys *keys) {
    override_time(keys->refresh, &p->refresh_ns);
    override_time(keys->window, &p->window_ns);
    override_time(keys->lag, &p->lag_ns);
    override_time(keys->rise, &p->rise_ns);
    if (!isnan(keys->noise)) p->noise_w = keys->noise;
}

/* Time of tick 0, in [0, refresh): said, or anywhere. */
static int64_t phase_ns(double said_s, int64_t refresh_ns, uint64_t seed) {
    if (!isnan(said_s)) return to_ns(said_s) % refresh_ns;
    return (int64_t)(simgpu_uniform(seed, 0) * (double)refresh_ns);
}

static void init_power(struct simgpu_board *board, enum simgpu_sensor sensor,
                       struct simgpu_profile_sensor known) {
    const struct simgpu_item *item = &board->item;
    struct simgpu_sensor_params *p = &board->sensors[sensor];
    p->present = known.refresh_us > 0;
    if (!p->present) return;
    p->refresh_ns = known.refresh_us * INT64_C(1000);
    p->window_ns = known.window_us * INT64_C(1000);
    p->lag_ns = known.lag_us * INT64_C(1000);
    p->gain = item->gain;
    p->offset_w = item->offset_w;
    p->noise_w = board->profile->noise_w;
    p->quantum = item->quantum_w;
    /* The ring has its own spacing; what is said of all readings leaves it alone. */
    if (sensor != SIMGPU_RING) {
        apply_keys(p, &item->all);
    } else {
        const struct simgpu_sensor_keys shared = {NAN, NAN, item->all.lag, item->all.rise,
                                                  item->all.noise};
        apply_keys(p, &shared);
    }
    apply_keys(p, &item->one[sensor]);
    /* Readings of equal refresh tick together, and those of equal window too are one reading. */
    uint64_t tick_seed = simgpu_hash(board->seed + STREAM_PHASE, (uint64_t)p->refresh_ns);
    p->phase_ns = phase_ns(item->tick_phase, p->refresh_ns, tick_seed);
    p->seed = simgpu_hash(tick_seed + STREAM_NOISE, (uint64_t)p->window_ns);
}

static void init_counter(struct simgpu_board *board) {
    const struct simgpu_item *item = &board->item;
    struct simgpu_sensor_params *p = &board->sensors[SIMGPU_COUNTER];
    p->present = true;
    p->refresh_ns = board->profile->counter_us * INT64_C(1000);
    override_time(item->counter_refresh, &p->refresh_ns);
    p->gain = item->gain;
    p->offset_w = item->offset_w;
    p->quantum = item->counter_quantum;
    p->seed = simgpu_hash(board->seed, STREAM_COUNTER);
    p->phase_ns = phase_ns(item->counter_phase, p->refresh_ns, p->seed);
}

void simgpu_sensors_init(struct simgpu_board *board) {
    const struct simgpu_profile *known = board->profile;
    bool old = board->item.driver530 && known->plain_530.refresh_us > 0;
    init_power(board, SIMGPU_PLAIN, old ? known->plain_530 : known->plain);
    init_power(board, SIMGPU_AVERAGE, known->average);
    init_power(board, SIMGPU_INSTANT, known->instant);
    init_power(board, SIMGPU_RING, known->ring);
    init_counter(board);
}

const struct simgpu_sensor_params *simgpu_board_sensor(const struct simgpu_board *board,
                                                       enum simgpu_sensor sensor) {
    return &board->sensors[sensor];
}

static int64_t tick_at(const struct simgpu_sensor_params *p, int64_t t) {
    int64_t since = t - p->phase_ns;
    int64_t tick = since / p->refresh_ns;
    return since % p->refresh_ns < 0 ? tick - 1 : tick;
}

/*
 * The low-passed power at t: integral over the past of P(u) exp(-(t-u)/r)/r. On a piece [a, b]
 * with slope s it is exp(-(t-b)/r) * ((P_b - s r) - (P_a - s r) exp(-(b-a)/r)).
 */
static double low_passed(const struct simgpu_board *board, int64_t t, int64_t rise_ns) {
    double sum = 0.0, r = (double)rise_ns;
    int64_t begin = t - (int64_t)(RISE_REACH * r);
    int64_t b = t;
    struct simgpu_piece piece;
    while (b > begin) {
        simgpu_board_piece(board, b - 1, &piece);
        double slope = (piece.end_w - piece.begin_w) / (double)(piece.end_ns - piece.begin_ns);
        int64_t a = piece.begin_ns > begin ? piece.begin_ns : begin;
        double at_b = piece.begin_w + slope * (double)(b - piece.begin_ns);
        double at_a = piece.begin_w + slope * (double)(a - piece.begin_ns);
        double fade = exp(-(double)(b - a) / r);
        sum += exp(-(double)(t - b) / r) * ((at_b - slope * r) - (at_a - slope * r) * fade);
        b = a;
    }
    return sum;
}

/* Mean of the (low-passed) power F over [from, to]; F' = (P - F)/r gives the integral of F. */
static double window_mean(const struct simgpu_board *board, const struct simgpu_sensor_params *p,
                          int64_t from, int64_t to) {
    double rise_s = (double)p->rise_ns * 1e-9;
    if (to == from)
        return p->rise_ns ? low_passed(board, to, p->rise_ns) : simgpu_board_power(board, to);
    double energy_j = simgpu_board_energy_known(board, from, to);
    if (p->rise_ns)
        energy_j -=
            rise_s * (low_passed(board, to, p->rise_ns) - low_passed(board, from, p->rise_ns));
    return energy_j / ((double)(to - from) * 1e-9);
}

static double power_at_tick(const struct simgpu_board *board, const struct simgpu_sensor_params *p,
                            int64_t tick) {
    int64_t to = p->phase_ns + tick * p->refresh_ns - p->lag_ns;
    double value = p->gain * window_mean(board, p, to - p->window_ns, to) + p->offset_w;
    if (p->noise_w > 0.0) value += p->noise_w * simgpu_normal(p->seed, (uint64_t)tick);
    return fmax(round(value / p->quantum) * p->quantum, 0.0);
}

/* The moment of the last reset fault at or before t; -1 if there was none. */
static int64_t last_reset(const struct simgpu_board *board, int64_t t) {
    int64_t last = -1;
    for (int i = 0; i < board->item.fault_count; i++) {
        const struct simgpu_fault *fault = &board->item.faults[i];
        if (fault->kind != SIMGPU_FAULT_RESET) continue;
        int64_t at = to_ns(fault->seconds);
        if (at <= t && at > last) last = at;
    }
    return last;
}

static double counter_at_tick(const struct simgpu_board *board,
                              const struct simgpu_sensor_params *p, int64_t tick_ns, int64_t t) {
    int64_t reset = last_reset(board, t);
    int64_t from = reset < 0 ? 0 : reset;
    double value = reset < 0 ? board->item.counter_base : 0.0;
    if (tick_ns > from)
        value += p->gain * simgpu_board_energy_known(board, from, tick_ns) +
                 p->offset_w * (double)(tick_ns - from) * 1e-9;
    /* The nudge keeps a whole number of quanta whole; it is a millionth of one. */
    return fmax(floor(value / p->quantum + 1e-6) * p->quantum, 0.0);
}

int simgpu_board_read(const struct simgpu_board *board, enum simgpu_sensor sensor, int64_t t,
                      struct simgpu_reading *reading) {
    const struct simgpu_sensor_params *p = &board->sensors[sensor];
    if (!p->present) return -1;
    reading->tick = tick_at(p, t);
    reading->tick_ns = p->phase_ns + reading->tick * p->refresh_ns;
    reading->value = sensor == SIMGPU_COUNTER ? counter_at_tick(board, p, reading->tick_ns, t)
                                              : power_at_tick(board, p, reading->tick);
    return 0;
}

size_t simgpu_board_ring(const struct simgpu_board *board, int64_t t, int64_t since_ns,
                         struct simgpu_reading out[SIMGPU_RING_SIZE]) {
    const struct simgpu_sensor_params *p = &board->sensors[SIMGPU_RING];
    if (!p->present) return 0;
    int64_t last = tick_at(p, t);
    int64_t first = last - SIMGPU_RING_SIZE + 1;
    /* The ring is empty when the driver starts. */
    if (first < 0) first = 0;
    size_t count = 0;
    for (int64_t tick = first; tick <= last; tick++) {
        int64_t tick_ns = p->phase_ns + tick * p->refresh_ns;
        if (tick_ns <= since_ns) continue;
        out[count++] = (struct simgpu_reading){power_at_tick(board, p, tick), tick_ns, tick};
    }
    return count;
}
