/* SPDX-License-Identifier: MIT */
/* What a board reports beside power, and how its clock follows the power limit. */
#include "board.h"

#include <math.h>

static const int64_t UTIL_PERIOD_NS = SIMGPU_NS_PER_S / 6;
static const int64_t THERMAL_NS = 20 * SIMGPU_NS_PER_S;
static const double IDLE_C = 31.0, HOT_C = 74.0;
static const double CLOCK_STEP_MHZ = 15.0;
/* Weight of the quadratic part of power above the knee. */
static const double KNEE_WEIGHT = 2.0;
static const double MIN_CLOCK_RATIO = 0.05;

static const struct simgpu_trace_row *row_at(const struct simgpu_board *board, int64_t t) {
    return simgpu_trace_at(&board->trace->trace, t + board->origin_ns);
}

double simgpu_board_utilisation_pct(const struct simgpu_board *board, int64_t t) {
    if (!isnan(board->item.util_pct)) return board->item.util_pct;
    if (board->trace && board->trace->trace.has_util && !board->item.loop) {
        float util = row_at(board, t)->util_pct;
        if (!isnan(util)) return util;
    }
    int64_t end = t - ((t % UTIL_PERIOD_NS) + UTIL_PERIOD_NS) % UTIL_PERIOD_NS;
    int64_t active = simgpu_board_active_ns(board, end - UTIL_PERIOD_NS, end);
    return round(100.0 * (double)active / (double)UTIL_PERIOD_NS);
}

/* The mean power of the last 20 s sets it: a heat sink in one number. */
double simgpu_board_temperature_c(const struct simgpu_board *board, int64_t t) {
    if (!isnan(board->item.temperature_c)) return board->item.temperature_c;
    if (board->trace && board->trace->trace.has_temperature && !board->item.loop) {
        float temperature = row_at(board, t)->temperature_c;
        if (!isnan(temperature)) return temperature;
    }
    double mean_w =
        simgpu_board_energy_known(board, t - THERMAL_NS, t) / ((double)THERMAL_NS * 1e-9);
    double share = (mean_w - board->idle_w) / (board->profile->limit_w - board->idle_w);
    return round(IDLE_C + fmin(fmax(share, 0.0), 1.2) * (HOT_C - IDLE_C));
}

double simgpu_board_sm_clock_mhz(const struct simgpu_board *board, int64_t t) {
    if (board->trace && board->trace->trace.has_sm_clock && !board->item.loop) {
        float clock = row_at(board, t)->sm_clock_mhz;
        if (!isnan(clock)) return clock;
    }
    double ratio = simgpu_board_clock(board, t), full_mhz = board->profile->sm_mhz;
    if (!simgpu_board_is_active(board, t))
        return fmin(board->profile->idle_sm_mhz, ratio * full_mhz);
    if (simgpu_board_is_throttled(board, t))
        ratio = fmin(ratio, simgpu_board_clock_ratio(board, simgpu_board_demand(board, t),
                                                     simgpu_board_limit_w(board, t)));
    return CLOCK_STEP_MHZ * floor(ratio * full_mhz / CLOCK_STEP_MHZ + 1e-9);
}

/*
 * Solves idle + (demand - idle) * g(f) = limit for f, with
 * g(f) = (f + B * max(0, f - knee)^2) / (1 + B * (1 - knee)^2).
 */
double simgpu_board_clock_ratio(const struct simgpu_board *board, double demand_w, double limit_w) {
    if (demand_w <= limit_w || demand_w <= board->idle_w) return 1.0;
    double knee = board->profile->knee;
    double share = (limit_w - board->idle_w) / (demand_w - board->idle_w);
    double y = fmax(share, 0.0) * (1.0 + KNEE_WEIGHT * (1.0 - knee) * (1.0 - knee));
    double f = y;
    if (y > knee)
        f = knee + (sqrt(1.0 + 4.0 * KNEE_WEIGHT * (y - knee)) - 1.0) / (2.0 * KNEE_WEIGHT);
    return fmin(fmax(f, MIN_CLOCK_RATIO), 1.0);
}

double simgpu_board_drawn_w(const struct simgpu_board *board, double demand_w, double clock) {
    if (clock >= 1.0 || demand_w <= board->idle_w) return demand_w;
    double knee = board->profile->knee, above = fmax(clock - knee, 0.0);
    double share =
        (clock + KNEE_WEIGHT * above * above) / (1.0 + KNEE_WEIGHT * (1.0 - knee) * (1.0 - knee));
    return board->idle_w + (demand_w - board->idle_w) * share;
}

double simgpu_board_work_seconds(const struct simgpu_board *board, double demand_w, double limit_w,
                                 double seconds, double compute_share) {
    double share = fmin(fmax(compute_share, 0.0), 1.0);
    double ratio = simgpu_board_clock_ratio(board, demand_w, limit_w);
    return seconds * (1.0 - share + share / ratio);
}
