/* SPDX-License-Identifier: MIT */
/* A running program drives the power of a board. */
#include "state.h"

#include <math.h>

/* Work looks at the power limit again after at most this long. */
static const int64_t SLICE_NS = SIMGPU_NS_PER_S / 100;

static bool is_channel(const struct simgpu_state *state, int board) {
    return board >= 0 && board < simgpu_state_board_count(state) &&
           simgpu_state_board(state, board)->item.shape == SIMGPU_CHANNEL;
}

int simgpu_channel_set_power(struct simgpu_state *state, int board, double watts) {
    if (!is_channel(state, board)) return -1;
    simgpu_state_note_driver(state, board);
    struct simgpu_board *b = simgpu_state_lock(state, board);
    simgpu_state_edit(state, board);
    int rc = simgpu_board_set_demand(b, simgpu_state_now(state), watts);
    simgpu_state_edit_end(state, board);
    simgpu_state_unlock(state, board);
    return rc;
}

int simgpu_channel_set_limit(struct simgpu_state *state, int board, double watts) {
    if (board < 0 || board >= simgpu_state_board_count(state)) return -1;
    struct simgpu_board *b = simgpu_state_lock(state, board);
    simgpu_state_edit(state, board);
    int rc = simgpu_board_set_limit(b, simgpu_state_now(state), watts);
    simgpu_state_edit_end(state, board);
    simgpu_state_unlock(state, board);
    return rc;
}

int simgpu_channel_set_clock(struct simgpu_state *state, int board, double share) {
    if (board < 0 || board >= simgpu_state_board_count(state)) return -1;
    struct simgpu_board *b = simgpu_state_lock(state, board);
    simgpu_state_edit(state, board);
    int rc = simgpu_board_set_clock(b, simgpu_state_now(state), share);
    simgpu_state_edit_end(state, board);
    simgpu_state_unlock(state, board);
    return rc;
}

int simgpu_channel_set_trouble(struct simgpu_state *state, int board, enum simgpu_trouble trouble) {
    if (board < 0 || board >= simgpu_state_board_count(state)) return -1;
    simgpu_state_set_trouble(state, board, trouble);
    return 0;
}

/* How much longer work takes under the limits of this moment: 1 or more. */
static double slowdown(struct simgpu_state *state, int board, double watts, double compute_share) {
    struct simgpu_board *b = simgpu_state_lock(state, board);
    int64_t now = simgpu_state_now(state);
    double ratio = simgpu_board_clock_ratio(b, watts, simgpu_board_limit_w(b, now));
    double share = fmin(fmax(compute_share, 0.0), 1.0);
    double factor = 1.0 - share + share / fmin(ratio, simgpu_board_clock(b, now));
    simgpu_state_unlock(state, board);
    return factor;
}

double simgpu_channel_work(struct simgpu_state *state, int board, double watts,
                           double seconds_at_full_speed, double compute_share) {
    if (!(seconds_at_full_speed >= 0.0 && seconds_at_full_speed <= 1e6)) return -1.0;
    int64_t begin = simgpu_mono_ns();
    if (simgpu_channel_set_power(state, board, watts) != 0) return -1.0;
    /* Progress follows planned, not real, wake-ups: lateness of the sleep is not lost work, nor is
     * that of the work before, during which the board went on. */
    double left_ns = seconds_at_full_speed * 1e9;
    int64_t at = begin - simgpu_state_late(state, board, 0);
    while (left_ns >= 1.0) {
        double factor = slowdown(state, board, watts, compute_share);
        double slice_ns = fmin(left_ns * factor, (double)SLICE_NS);
        at += llround(slice_ns);
        left_ns -= slice_ns / factor;
        simgpu_sleep_until(at);
    }
    int64_t end = simgpu_mono_ns();
    simgpu_state_late(state, board, end - at);
    simgpu_channel_set_power(state, board, simgpu_board_idle_w(simgpu_state_board(state, board)));
    return (double)(end - begin) * 1e-9;
}
