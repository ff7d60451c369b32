/* SPDX-License-Identifier: MIT */
/*
 * The shared state: one file that every process maps, with the spec, the start time and the
 * history of each board. What a waveform says is not stored; every process computes the same.
 */
#ifndef SIMGPU_STATE_H
#define SIMGPU_STATE_H

#include "board.h"

#include <sys/types.h>

enum { SIMGPU_DRIVERS = 8 };

int64_t simgpu_mono_ns(void);
/* Sleeps until a CLOCK_MONOTONIC time, through signals. */
void simgpu_sleep_until(int64_t mono_ns);

/* Time since the boards started. */
int64_t simgpu_state_now(const struct simgpu_state *state);

/* Board `i` for this thread alone, until unlock; other processes may change its history. */
struct simgpu_board *simgpu_state_lock(struct simgpu_state *state, int i);
void simgpu_state_unlock(struct simgpu_state *state, int i);
/*
 * To change the history of a board that is locked: shuts out the other processes, and recovers if
 * one died in the middle.
 */
void simgpu_state_edit(struct simgpu_state *state, int i);
void simgpu_state_edit_end(struct simgpu_state *state, int i);

/* The board without a lock, for what never changes (name, item, faults). */
const struct simgpu_board *simgpu_state_board(const struct simgpu_state *state, int i);

void simgpu_state_set_trouble(struct simgpu_state *state, int i, enum simgpu_trouble trouble);
enum simgpu_trouble simgpu_state_trouble(const struct simgpu_state *state, int i);

/* How late work on the board ended for this process the last time, at most a second; from now on it
 * is `late_ns`. */
int64_t simgpu_state_late(struct simgpu_state *state, int i, int64_t late_ns);

/* Counts a call on the board and returns its number, from 1, over all processes. */
uint64_t simgpu_state_count_call(struct simgpu_state *state, int i);
/*
 * A power reading was asked for: the board may draw more because of it (poll_power_w). The board
 * is locked.
 */
void simgpu_state_note_poll(struct simgpu_state *state, int i);

/* This process drives board i; and who does, among those alive. */
void simgpu_state_note_driver(struct simgpu_state *state, int i);
size_t simgpu_state_drivers(const struct simgpu_state *state, int i, pid_t out[SIMGPU_DRIVERS]);

#endif
