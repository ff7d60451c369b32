#include "record/open_ranges.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PENDING = 65536 };

static size_t home_of(const jmi_open_set *set, uint64_t id) {
    uint64_t hash = id * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash ^ (hash >> 32)) & (set->slot_count - 1);
}

static void put(jmi_open_set *set, uint64_t id, uint64_t index) {
    size_t slot = home_of(set, id);
    while (set->slots[slot].id != 0) slot = (slot + 1) & (set->slot_count - 1);
    set->slots[slot] = (jmi_open){id, index};
}

static bool grow(jmi_open_set *set) {
    jmi_open_set wider = {.slot_count = set->slot_count != 0 ? set->slot_count * 2 : 64,
                          .used = set->used};
    wider.slots = jmi_alloc(wider.slot_count, sizeof *wider.slots);
    if (wider.slots == NULL) return false;
    for (size_t i = 0; i < set->slot_count; i++)
        if (set->slots[i].id != 0) put(&wider, set->slots[i].id, set->slots[i].index);
    free(set->slots);
    *set = wider;
    return true;
}

bool jmi_open_add(jmi_open_set *set, uint64_t id, uint64_t index) {
    if ((set->used + 1) * 2 > set->slot_count && !grow(set)) return false;
    put(set, id, index);
    set->used++;
    return true;
}

static bool find_slot(const jmi_open_set *set, uint64_t id, size_t *slot) {
    if (set->slot_count == 0) return false;
    *slot = home_of(set, id);
    while (set->slots[*slot].id != 0 && set->slots[*slot].id != id)
        *slot = (*slot + 1) & (set->slot_count - 1);
    return set->slots[*slot].id == id;
}

bool jmi_open_find(const jmi_open_set *set, uint64_t id, uint64_t *index) {
    size_t slot;
    if (id == 0 || !find_slot(set, id, &slot)) return false;
    *index = set->slots[slot].index;
    return true;
}

void jmi_open_remove(jmi_open_set *set, uint64_t id) {
    size_t hole;
    if (id == 0 || !find_slot(set, id, &hole)) return;
    set->used--;
    /* Those behind the hole move up if they may, so that no probe stops too early. */
    size_t mask = set->slot_count - 1;
    for (size_t next = (hole + 1) & mask; set->slots[next].id != 0; next = (next + 1) & mask) {
        size_t home = home_of(set, set->slots[next].id);
        if (((next - home) & mask) < ((next - hole) & mask)) continue;
        set->slots[hole] = set->slots[next];
        hole = next;
    }
    set->slots[hole] = (jmi_open){0, 0};
}

void jmi_open_free(jmi_open_set *set) {
    free(set->slots);
    *set = (jmi_open_set){0};
}

void jmi_pending_add(jmi_pending *pending, uint64_t id, int64_t t_ns, uint32_t pid,
                     const char *attributes, size_t length) {
    uint64_t place;
    if (pending->count >= MAX_PENDING || jmi_open_find(&pending->by_id, id, &place)) return;
    if (!jmi_reserve(&pending->ends, &pending->capacity, pending->count + 1,
                     sizeof *pending->ends) ||
        !jmi_open_add(&pending->by_id, id, pending->count))
        return;
    char *kept = length > 0 ? strndup(attributes, length) : NULL;
    pending->ends[pending->count++] = (jmi_pending_end){id, t_ns, pid, kept};
}

bool jmi_pending_take(jmi_pending *pending, uint64_t id, jmi_pending_end *end) {
    uint64_t place;
    if (pending->count == 0 || !jmi_open_find(&pending->by_id, id, &place)) return false;
    *end = pending->ends[place];
    jmi_open_remove(&pending->by_id, id);
    pending->count--;
    if (place != pending->count) { /* the last one takes its place */
        pending->ends[place] = pending->ends[pending->count];
        jmi_open_remove(&pending->by_id, pending->ends[place].id);
        jmi_open_add(&pending->by_id, pending->ends[place].id, place);
    }
    return true;
}

void jmi_pending_free(jmi_pending *pending) {
    for (size_t i = 0; i < pending->count; i++) free(pending->ends[i].attributes);
    free(pending->ends);
    jmi_open_free(&pending->by_id);
    *pending = (jmi_pending){0};
}
