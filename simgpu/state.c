/* SPDX-License-Identifier: MIT */
#include "state.h"

#include "state_file.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int64_t simgpu_mono_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SIMGPU_NS_PER_S + now.tv_nsec;
}

void simgpu_sleep_until(int64_t mono_ns) {
    struct timespec until = {.tv_sec = (time_t)(mono_ns / SIMGPU_NS_PER_S),
                             .tv_nsec = (long)(mono_ns % SIMGPU_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static int make_boards(struct simgpu_state *state, bool fresh, struct simgpu_error *err) {
    struct state_file *file = state->file;
    uint64_t offset = sizeof *file;
    for (int i = 0; i < state->board_count; i++) {
        struct simgpu_board *sibling = i ? state->boards[i - 1] : NULL;
        struct simgpu_board *board =
            simgpu_board_new_beside(state->spec, i, state->dir, sibling, err);
        if (!board) return -1;
        state->boards[i] = board;
        uint64_t capacity = simgpu_state_log_capacity(&board->item);
        struct simgpu_log_head *head = (void *)((char *)file + offset);
        if (simgpu_board_attach_log(board, head, (void *)(head + 1), capacity, fresh) != 0)
            return simgpu_fail(err, 0, "out of memory");
        offset += sizeof *head + capacity * sizeof(struct simgpu_log_slot);
    }
    return 0;
}

/* Takes over the mapping; closes everything on failure. */
static struct simgpu_state *adopt(struct state_file *file, size_t size, struct simgpu_spec *spec,
                                  bool fresh, struct simgpu_error *err) {
    struct simgpu_state *state = calloc(1, sizeof *state);
    if (!state) {
        simgpu_fail(err, 0, "out of memory");
        munmap(file, size);
        simgpu_spec_free(spec);
        return NULL;
    }
    state->file = file;
    state->size = size;
    state->spec = spec;
    state->board_count = spec->board_count;
    state->start_mono_ns = file->start_mono_ns;
    memcpy(state->dir, file->dir, sizeof state->dir - 1);
    memcpy(state->spec_text, file->spec, sizeof state->spec_text - 1);
    for (int i = 0; i < SIMGPU_MAX_BOARDS; i++) pthread_mutex_init(&state->local[i], NULL);
    if (make_boards(state, fresh, err) == 0) return state;
    simgpu_state_close(state);
    return NULL;
}

struct simgpu_state *simgpu_state_create(const char *path, const char *spec_text,
                                         struct simgpu_error *err) {
    struct simgpu_spec *spec = simgpu_spec_parse(spec_text, err);
    if (!spec) return NULL;
    size_t size = simgpu_state_file_size(spec);
    char temporary[PATH_MAX];
    struct state_file *file = simgpu_state_file_create(path, size, temporary, err);
    if (!file) {
        simgpu_spec_free(spec);
        return NULL;
    }
    simgpu_state_file_init(file, size, spec_text, spec->board_count);
    struct simgpu_state *state = adopt(file, size, spec, true, err);
    if (!path) return state;
    /* It gets its name only when it is whole, so nobody ever maps half a file. */
    if (state && rename(temporary, path) == 0) return state;
    if (state) simgpu_fail(err, 0, "cannot create %.150s: %s", path, strerror(errno));
    unlink(temporary);
    simgpu_state_close(state);
    return NULL;
}

struct simgpu_state *simgpu_state_open(const char *path, struct simgpu_error *err) {
    size_t size;
    struct state_file *file = simgpu_state_file_map(path, &size, err);
    if (!file) return NULL;
    struct simgpu_spec *spec = simgpu_spec_parse(file->spec, err);
    if (spec && size >= simgpu_state_file_size(spec)) return adopt(file, size, spec, false, err);
    if (spec) simgpu_fail(err, 0, "%.150s is a damaged state file", path);
    simgpu_spec_free(spec);
    munmap(file, size);
    return NULL;
}

void simgpu_state_close(struct simgpu_state *state) {
    if (!state) return;
    for (int i = 0; i < SIMGPU_MAX_BOARDS; i++) {
        simgpu_board_free(state->boards[i]);
        pthread_mutex_destroy(&state->local[i]);
    }
    munmap(state->file, state->size);
    simgpu_spec_free(state->spec);
    free(state);
}

int simgpu_state_board_count(const struct simgpu_state *state) {
    return state->board_count;
}

int64_t simgpu_state_start_mono_ns(const struct simgpu_state *state) {
    return state->start_mono_ns;
}

const char *simgpu_state_spec(const struct simgpu_state *state) {
    return state->spec_text;
}

static bool has_board(const struct simgpu_state *state, int i) {
    return i >= 0 && i < state->board_count;
}

const char *simgpu_state_uuid(const struct simgpu_state *state, int board) {
    return has_board(state, board) ? state->boards[board]->uuid : NULL;
}

int64_t simgpu_state_now(const struct simgpu_state *state) {
    return simgpu_mono_ns() - state->start_mono_ns;
}

struct simgpu_board *simgpu_state_lock(struct simgpu_state *state, int i) {
    pthread_mutex_lock(&state->local[i]);
    return state->boards[i];
}

void simgpu_state_unlock(struct simgpu_state *state, int i) {
    pthread_mutex_unlock(&state->local[i]);
}

void simgpu_state_edit(struct simgpu_state *state, int i) {
    pthread_mutex_t *shared = &state->file->boards[i].lock;
    /* An epoch that a dead writer left half done was never counted, so nothing needs repair. */
    if (pthread_mutex_lock(shared) == EOWNERDEAD) pthread_mutex_consistent(shared);
}

void simgpu_state_edit_end(struct simgpu_state *state, int i) {
    pthread_mutex_unlock(&state->file->boards[i].lock);
}

const struct simgpu_board *simgpu_state_board(const struct simgpu_state *state, int i) {
    return state->boards[i];
}

void simgpu_state_set_trouble(struct simgpu_state *state, int i, enum simgpu_trouble trouble) {
    atomic_store(&state->file->boards[i].trouble, (int32_t)trouble);
}

enum simgpu_trouble simgpu_state_trouble(const struct simgpu_state *state, int i) {
    return (enum simgpu_trouble)atomic_load(&state->file->boards[i].trouble);
}

int64_t simgpu_state_late(struct simgpu_state *state, int i, int64_t late_ns) {
    simgpu_state_lock(state, i);
    int64_t before = state->late_ns[i];
    state->late_ns[i] = late_ns < SIMGPU_NS_PER_S ? late_ns : SIMGPU_NS_PER_S;
    simgpu_state_unlock(state, i);
    return before;
}

uint64_t simgpu_state_count_call(struct simgpu_state *state, int i) {
    return atomic_fetch_add_explicit(&state->file->boards[i].calls, 1, memory_order_relaxed) + 1;
}

/* The rate is measured over at least this long, and its power lasts twice as long. */
static const int64_t POLL_SPAN_NS = SIMGPU_NS_PER_S / 5;

void simgpu_state_note_poll(struct simgpu_state *state, int i) {
    struct state_board *shared = &state->file->boards[i];
    double watts = state->boards[i]->item.poll_power_w;
    if (watts <= 0.0) return;
    atomic_fetch_add(&shared->polls, 1);
    int64_t now = simgpu_state_now(state);
    int64_t since = atomic_load(&shared->poll_begin_ns);
    if (now - since < POLL_SPAN_NS) return;
    if (!atomic_compare_exchange_strong(&shared->poll_begin_ns, &since, now)) return;
    double polls = (double)atomic_exchange(&shared->polls, 0);
    double hundreds = polls / ((double)(now - since) * 1e-9) / 100.0;
    simgpu_state_edit(state, i);
    now = simgpu_state_now(state);
    simgpu_board_set_extra(state->boards[i], now, fmin(watts * hundreds, 1e4),
                           now + 2 * POLL_SPAN_NS);
    simgpu_state_edit_end(state, i);
}

static bool is_alive(pid_t pid) {
    return kill(pid, 0) == 0 || errno == EPERM;
}

void simgpu_state_note_driver(struct simgpu_state *state, int i) {
    pid_t own = getpid();
    for (int k = 0; k < SIMGPU_DRIVERS; k++) {
        _Atomic int32_t *slot = &state->file->boards[i].drivers[k];
        int32_t pid = atomic_load(slot);
        if (pid == own) return;
        if (pid > 0 && is_alive(pid)) continue;
        if (atomic_compare_exchange_strong(slot, &pid, own) || pid == own) return;
    }
}

size_t simgpu_state_drivers(const struct simgpu_state *state, int i, pid_t out[SIMGPU_DRIVERS]) {
    size_t count = 0;
    for (int k = 0; k < SIMGPU_DRIVERS; k++) {
        int32_t pid = atomic_load(&state->file->boards[i].drivers[k]);
        if (pid > 0 && is_alive(pid)) out[count++] = pid;
    }
    return count;
}

double simgpu_truth_energy(struct simgpu_state *state, int board, int64_t t0_mono_ns,
                           int64_t t1_mono_ns) {
    if (!has_board(state, board)) return NAN;
    int64_t start = state->start_mono_ns, t0, t1;
    if (__builtin_sub_overflow(t0_mono_ns, start, &t0) ||
        __builtin_sub_overflow(t1_mono_ns, start, &t1))
        return NAN;
    double energy_j = simgpu_board_energy(simgpu_state_lock(state, board), t0, t1);
    simgpu_state_unlock(state, board);
    return energy_j;
}

double simgpu_truth_power(struct simgpu_state *state, int board, int64_t mono_ns) {
    int64_t t;
    if (!has_board(state, board) || __builtin_sub_overflow(mono_ns, state->start_mono_ns, &t))
        return NAN;
    double power_w = simgpu_board_power(simgpu_state_lock(state, board), t);
    simgpu_state_unlock(state, board);
    return power_w;
}

double simgpu_truth_limit(struct simgpu_state *state, int board) {
    if (!has_board(state, board)) return NAN;
    double limit_w = simgpu_board_limit_w(simgpu_state_lock(state, board), simgpu_state_now(state));
    simgpu_state_unlock(state, board);
    return limit_w;
}

double simgpu_truth_clock(struct simgpu_state *state, int board) {
    if (!has_board(state, board)) return NAN;
    double share = simgpu_board_clock(simgpu_state_lock(state, board), simgpu_state_now(state));
    simgpu_state_unlock(state, board);
    return share;
}
