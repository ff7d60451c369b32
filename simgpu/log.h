/* SPDX-License-Identifier: MIT */
/*
 * The history of a board: every change from outside (power limit, locked clocks, demanded power,
 * observer's extra power) opens an epoch, which carries the totals up to its beginning. So any
 * integral needs two epochs and what lies between, however many there were.
 *
 * The log lives on the heap (one owner, grows) or in the shared state (a ring of fixed size; one
 * writer at a time, who holds the board's lock; readers at any moment, without a lock).
 */
#ifndef SIMGPU_LOG_H
#define SIMGPU_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct simgpu_epoch {
    int64_t begin_ns;
    double demand_w; /* NaN: the waveform says it */
    double limit_w;  /* infinite where nothing is clipped */
    double clock;    /* the highest clock of a lock, as a share of full speed; 1: none */
    double extra_w;  /* until extra_until_ns */
    int64_t extra_until_ns;
    double energy_j; /* totals from t = 0 to begin_ns */
    int64_t throttled_ns;
    int64_t active_ns;
};

enum { SIMGPU_EPOCH_WORDS = 9 };

struct simgpu_log_slot {
    _Atomic uint64_t words[SIMGPU_EPOCH_WORDS];
};

struct simgpu_log_head {
    _Atomic uint64_t count; /* ever appended */
    char pad[56];
};

struct simgpu_log {
    struct simgpu_log_head *head;
    struct simgpu_log_slot *slots;
    uint64_t capacity;
    bool grows;
};

/* A log on the heap. Returns 0 or -1. */
int simgpu_log_init(struct simgpu_log *log);
void simgpu_log_release(struct simgpu_log *log);
/* A log in shared memory that is there already. */
void simgpu_log_attach(struct simgpu_log *log, struct simgpu_log_head *head,
                       struct simgpu_log_slot *slots, uint64_t capacity);

/* Appends; epochs must not go back in time. Returns 0, or -1 if memory runs out. */
int simgpu_log_append(struct simgpu_log *log, const struct simgpu_epoch *epoch);

/* How an epoch relates to the moment that was asked for. */
enum simgpu_log_found {
    SIMGPU_LOG_EMPTY, /* no epoch at all: *epoch untouched */
    SIMGPU_LOG_GONE,  /* the moment lies before the oldest epoch kept, which is given */
    SIMGPU_LOG_FOUND
};

/*
 * How many epochs there are. A question about two moments asks this once, so that both answers
 * come from the same history: a writer may have been held up between taking the time of an epoch
 * and publishing it.
 */
uint64_t simgpu_log_count(const struct simgpu_log *log);

/*
 * Among the first `count` epochs, the last one that begins at or before t (the very first one also
 * serves t < 0), and where the next one begins (INT64_MAX / 4 if there is none).
 */
enum simgpu_log_found simgpu_log_find(const struct simgpu_log *log, uint64_t count, int64_t t,
                                      struct simgpu_epoch *epoch, int64_t *end_ns);

#endif
