/* SPDX-License-Identifier: MIT */
/* The layout of the shared state, and how its file comes to be. */
#ifndef SIMGPU_STATE_FILE_H
#define SIMGPU_STATE_FILE_H

#include "state.h"

#include <limits.h>
#include <pthread.h>

#define SIMGPU_STATE_MAGIC UINT64_C(0x3175706770756d6a)

enum { SIMGPU_STATE_VERSION = 2, SIMGPU_STATE_DIR = 4096, SIMGPU_STATE_SPEC = 8192 };

struct state_board {
    pthread_mutex_t lock; /* shared between processes, robust; for writers */
    _Atomic uint64_t calls;
    _Atomic uint64_t polls;
    _Atomic int64_t poll_begin_ns;
    _Atomic int32_t drivers[SIMGPU_DRIVERS];
    _Atomic int32_t trouble; /* enum simgpu_trouble */
    char pad[28];
};

/* Followed, for each board, by the head of its log and its slots; sizes follow from the spec. */
struct state_file {
    uint64_t magic;
    uint32_t version;
    uint32_t board_count;
    uint64_t size;
    int64_t start_mono_ns;
    char pad[32];
    char dir[SIMGPU_STATE_DIR]; /* where relative file names in the spec belong */
    char spec[SIMGPU_STATE_SPEC];
    struct state_board boards[SIMGPU_MAX_BOARDS];
};

struct simgpu_state {
    struct state_file *file;
    size_t size;
    struct simgpu_spec *spec;
    int board_count;
    int64_t start_mono_ns;
    struct simgpu_board *boards[SIMGPU_MAX_BOARDS];
    pthread_mutex_t local[SIMGPU_MAX_BOARDS];
    int64_t late_ns[SIMGPU_MAX_BOARDS]; /* of the work that this process did last */
    char dir[SIMGPU_STATE_DIR];
    char spec_text[SIMGPU_STATE_SPEC];
};

uint64_t simgpu_state_log_capacity(const struct simgpu_item *item);
size_t simgpu_state_file_size(const struct simgpu_spec *spec);

/*
 * A file full of zeros beside `path` under a name that goes to `temporary`; for path NULL,
 * anonymous memory. NULL on failure.
 */
struct state_file *simgpu_state_file_create(const char *path, size_t size, char temporary[PATH_MAX],
                                            struct simgpu_error *err);
void simgpu_state_file_init(struct state_file *file, size_t size, const char *spec_text,
                            int board_count);
struct state_file *simgpu_state_file_map(const char *path, size_t *size, struct simgpu_error *err);

#endif
