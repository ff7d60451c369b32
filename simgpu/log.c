/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct simgpu_epoch) == SIMGPU_EPOCH_WORDS * sizeof(uint64_t),
               "an epoch is stored as whole words");

#define FOREVER (INT64_MAX / 4)

int simgpu_log_init(struct simgpu_log *log) {
    *log = (struct simgpu_log){.capacity = 4, .grows = true};
    log->head = calloc(1, sizeof *log->head);
    log->slots = calloc(log->capacity, sizeof *log->slots);
    if (log->head && log->slots) return 0;
    simgpu_log_release(log);
    return -1;
}

void simgpu_log_release(struct simgpu_log *log) {
    if (log->grows) {
        free(log->head);
        free(log->slots);
    }
    *log = (struct simgpu_log){0};
}

void simgpu_log_attach(struct simgpu_log *log, struct simgpu_log_head *head,
                       struct simgpu_log_slot *slots, uint64_t capacity) {
    *log = (struct simgpu_log){.head = head, .slots = slots, .capacity = capacity};
}

static int grow(struct simgpu_log *log) {
    struct simgpu_log_slot *slots = realloc(log->slots, 2 * log->capacity * sizeof *slots);
    if (!slots) return -1;
    log->slots = slots;
    log->capacity *= 2;
    return 0;
}

int simgpu_log_append(struct simgpu_log *log, const struct simgpu_epoch *epoch) {
    uint64_t count = atomic_load_explicit(&log->head->count, memory_order_relaxed);
    /* One slot stays free: a ring reader never trusts the slot that is written next. */
    if (log->grows && count + 1 >= log->capacity && grow(log) != 0) return -1;

    uint64_t words[SIMGPU_EPOCH_WORDS];
    memcpy(words, epoch, sizeof words);
    struct simgpu_log_slot *slot = &log->slots[count % log->capacity];
    /* Pairs with the fence in load(): who sees a new word also sees the count before it. */
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < SIMGPU_EPOCH_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&log->head->count, count + 1, memory_order_release);
    return 0;
}

/* Reads epoch number i; false if the ring has moved over it meanwhile. */
static bool load(const struct simgpu_log *log, uint64_t i, struct simgpu_epoch *epoch) {
    uint64_t words[SIMGPU_EPOCH_WORDS];
    const struct simgpu_log_slot *slot = &log->slots[i % log->capacity];
    for (size_t k = 0; k < SIMGPU_EPOCH_WORDS; k++)
        words[k] = atomic_load_explicit(&slot->words[k], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    uint64_t count = atomic_load_explicit(&log->head->count, memory_order_relaxed);
    if (count - i >= log->capacity) return false;
    memcpy(epoch, words, sizeof words);
    return true;
}

static uint64_t oldest(const struct simgpu_log *log, uint64_t count) {
    return count < log->capacity ? 0 : count - log->capacity + 1;
}

/* Binary search among epochs [low, count); false if the ring moved over what was looked at. */
static bool search(const struct simgpu_log *log, uint64_t low, uint64_t count, int64_t t,
                   struct simgpu_epoch *epoch, int64_t *end_ns) {
    struct simgpu_epoch middle_epoch;
    *end_ns = FOREVER;
    uint64_t high = count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (!load(log, middle, &middle_epoch)) return false;
        if (middle_epoch.begin_ns <= t) {
            low = middle;
        } else {
            high = middle;
            *end_ns = middle_epoch.begin_ns;
        }
    }
    return load(log, low, epoch);
}

uint64_t simgpu_log_count(const struct simgpu_log *log) {
    return atomic_load_explicit(&log->head->count, memory_order_acquire);
}

enum simgpu_log_found simgpu_log_find(const struct simgpu_log *log, uint64_t count, int64_t t,
                                      struct simgpu_epoch *epoch, int64_t *end_ns) {
    if (count == 0) return SIMGPU_LOG_EMPTY;
    for (;;) {
        /* Most questions are about the last epoch. */
        if (load(log, count - 1, epoch) && epoch->begin_ns <= t) {
            *end_ns = FOREVER;
            return SIMGPU_LOG_FOUND;
        }
        uint64_t low = oldest(log, simgpu_log_count(log));
        /* The ring went all the way round meanwhile: the last epoch is the oldest known. */
        if (low >= count) {
            count = low + 1;
            continue;
        }
        if (!search(log, low, count, t, epoch, end_ns)) continue;
        return low > 0 && epoch->begin_ns > t ? SIMGPU_LOG_GONE : SIMGPU_LOG_FOUND;
    }
}
