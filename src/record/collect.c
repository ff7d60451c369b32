#include "record/collect.h"

#include "record/open_ranges.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,                       /* messages for which the recording is locked at a time */
    MAX_TEXT = 8 + JMI_MAX_NAME + JMI_MAX_ATTRIBUTES,
    MAX_MERGED = 2 * JMI_MAX_ATTRIBUTES
};
static const int64_t day_ns = 86400 * JMI_NS_PER_S;

/* What the collector knows of a lane; none of it can be written by others. */
typedef struct lane_state {
    uint64_t tail;
    uint32_t generation;
    uint32_t last_counter;
    uint32_t thread;
    uint32_t pid;
    bool active;
    bool bad; /* nonsense was found: nothing is read any more until its owner is gone */
    jmi_open *stack;
    size_t depth, stack_capacity;
} lane_state;

struct jmi_collector {
    pthread_mutex_t lock;
    jmi_ring *ring;
    jm_recording *recording;
    lane_state *lanes;
    jmi_open_set open;
    jmi_pending pending;
    uint32_t threads;
    size_t first; /* lane to begin with: each gets its turn */
    uint64_t count;
    uint64_t refused;
    int64_t now_ns;
    int64_t ring_made_ns;
    bool refuse;
    /* One message, copied out of the ring before anything in it is believed. */
    jmi_slot slot;
    char text[MAX_TEXT + JMI_SLOT_BYTES];
    char merged[MAX_MERGED + 8];
};

int jmi_collector_new(jmi_collector **collector, jmi_ring *ring, jm_recording *recording,
                      jm_error *error) {
    *collector = NULL;
    jmi_collector *fresh = jmi_alloc(1, sizeof *fresh);
    lane_state *lanes = jmi_alloc(JMI_LANES, sizeof *lanes);
    if (fresh == NULL || lanes == NULL) {
        free(fresh);
        free(lanes);
        return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    }
    pthread_mutex_init(&fresh->lock, NULL);
    fresh->ring = ring;
    fresh->ring_made_ns = ring->header->created_ns;
    fresh->recording = recording;
    fresh->lanes = lanes;
    *collector = fresh;
    return JM_OK;
}

void jmi_collector_free(jmi_collector *collector) {
    if (collector == NULL) return;
    for (size_t i = 0; i < JMI_LANES; i++) free(collector->lanes[i].stack);
    free(collector->lanes);
    jmi_open_free(&collector->open);
    jmi_pending_free(&collector->pending);
    pthread_mutex_destroy(&collector->lock);
    free(collector);
}

void jmi_collect_refuse(jmi_collector *collector, bool refuse) {
    pthread_mutex_lock(&collector->lock);
    collector->refuse = refuse;
    pthread_mutex_unlock(&collector->lock);
}

uint64_t jmi_collect_count(jmi_collector *collector) {
    pthread_mutex_lock(&collector->lock);
    uint64_t count = collector->count;
    pthread_mutex_unlock(&collector->lock);
    return count;
}

/* ---- one message ---- */

/* The innermost range that is still open in the lane. */
static uint64_t parent_in(jmi_collector *collector, lane_state *state) {
    while (state->depth > 0) {
        const jmi_open *top = &state->stack[state->depth - 1];
        const jmi_range_row *row = jmi_rows_at(&collector->recording->ranges, top->index);
        if (row != NULL && row->state == JMI_RANGE_OPEN && row->id == top->id) return top->id;
        state->depth--;
    }
    return 0;
}

static void push(lane_state *state, uint64_t id, uint64_t index) {
    if (!jmi_reserve(&state->stack, &state->stack_capacity, state->depth + 1,
                     sizeof *state->stack))
        return;
    state->stack[state->depth++] = (jmi_open){id, index};
}

/* {"a":1} and {"b":2} make {"a":1,"b":2}; where one is no object, the later one wins. */
static const char *merge(jmi_collector *collector, const char *before, const char *added,
                         size_t length) {
    jm_recording *recording = collector->recording;
    size_t old = strlen(before);
    bool objects = old >= 2 && length >= 2 && before[0] == '{' && before[old - 1] == '}' &&
                   added[0] == '{' && added[length - 1] == '}';
    if (length == 0) return before;
    if (!objects || old + length > MAX_MERGED) return jmi_text_locked(recording, added, length);
    bool empty = strspn(before + 1, " ") + 2 == old;
    bool nothing = strspn(added + 1, " ") + 2 >= length;
    if (nothing) return before;
    memcpy(collector->merged, before, old - 1);
    size_t at = empty ? 1 : old - 1;
    if (!empty) collector->merged[at++] = ',';
    memcpy(collector->merged + at, added + 1, length - 1);
    return jmi_text_locked(recording, collector->merged, at + length - 1);
}

static void end_range(jmi_collector *collector, uint64_t index, int64_t t_ns,
                      const char *attributes, size_t length) {
    jmi_range_row *row = jmi_rows_at(&collector->recording->ranges, index);
    if (row == NULL || row->state != JMI_RANGE_OPEN) return;
    row->end_ns = t_ns > row->begin_ns ? t_ns : row->begin_ns;
    row->state = JMI_RANGE_ENDED;
    const char *merged = merge(collector, row->attributes, attributes, length);
    if (merged != NULL) row->attributes = merged;
    jmi_recording_note(collector->recording, row->end_ns);
    jmi_range_touch(collector->recording, index);
}

static void refuse(jmi_collector *collector) {
    collector->refused++;
}

/* A range that begins, or one that is whole already. False: what came is nonsense. */
static bool take_range(jmi_collector *collector, lane_state *state, size_t lane) {
    const jmi_slot *slot = &collector->slot;
    jm_recording *recording = collector->recording;
    bool whole = slot->kind == JMI_KIND_ADD;
    size_t skip = whole ? sizeof(int64_t) : 0;
    uint32_t counter = jmi_id_counter(slot->id);
    if (slot->id != (jmi_id_base(state->generation, lane) | counter)) return false;
    if (counter <= state->last_counter || !jmi_category_valid(slot->category)) return false;
    state->last_counter = counter;
    jmi_range_row row = {.id = slot->id,
                         .begin_ns = slot->t_ns,
                         .pid = state->pid,
                         .thread = state->thread,
                         .category = slot->category,
                         .state = whole ? JMI_RANGE_ENDED : JMI_RANGE_OPEN};
    if (whole) memcpy(&row.end_ns, collector->text, sizeof row.end_ns);
    if (whole && (row.end_ns < row.begin_ns || row.end_ns > jm_now_ns() + day_ns)) return false;
    if (collector->refuse) {
        refuse(collector);
        return true;
    }
    const char *name = collector->text + skip;
    row.parent = parent_in(collector, state);
    row.name = jmi_text_locked(recording, name, strnlen(name, slot->name_length));
    const char *attributes = name + slot->name_length;
    row.attributes =
        jmi_text_locked(recording, attributes, strnlen(attributes, slot->attributes_length));
    uint64_t index = UINT64_MAX;
    if (row.name != NULL && row.attributes != NULL) index = jmi_range_append(recording, &row);
    if (index == UINT64_MAX) {
        refuse(collector);
        return true;
    }
    if (whole) return true;
    push(state, row.id, index);
    jmi_pending_end end;
    if (jmi_pending_take(&collector->pending, row.id, &end)) {
        if (end.pid == row.pid)
            end_range(collector, index, end.t_ns, end.attributes,
                      end.attributes != NULL ? strlen(end.attributes) : 0);
        free(end.attributes);
    } else if (!jmi_open_add(&collector->open, row.id, index)) {
        refuse(collector);
    }
    return true;
}

/* Has this range's beginning not yet been taken out of its lane? */
static bool still_to_come(const jmi_collector *collector, uint64_t id) {
    uint32_t lane = jmi_id_lane(id);
    if (lane >= JMI_LANES) return false;
    const lane_state *state = &collector->lanes[lane];
    return (id & ~(uint64_t)UINT32_MAX) == jmi_id_base(state->generation, lane) &&
           jmi_id_counter(id) > state->last_counter;
}

static void take_end(jmi_collector *collector, const lane_state *state) {
    const jmi_slot *slot = &collector->slot;
    const char *attributes = collector->text + slot->name_length;
    size_t length = strnlen(attributes, slot->attributes_length);
    uint64_t index;
    if (jmi_open_find(&collector->open, slot->id, &index)) {
        const jmi_range_row *row = jmi_rows_at(&collector->recording->ranges, index);
        /* A forked child that leaves its parent's range has not ended it. */
        if (row == NULL || row->pid != state->pid) return;
        jmi_open_remove(&collector->open, slot->id);
        end_range(collector, index, slot->t_ns, attributes, length);
    } else if (still_to_come(collector, slot->id)) {
        jmi_pending_add(&collector->pending, slot->id, slot->t_ns, state->pid, attributes,
                        length);
    }
}

static void take_mark(jmi_collector *collector, const lane_state *state) {
    const jmi_slot *slot = &collector->slot;
    jm_recording *recording = collector->recording;
    const char *text = collector->text;
    jmi_mark_row row = {.t_ns = slot->t_ns, .pid = state->pid, .thread = state->thread};
    row.name = jmi_text_locked(recording, text, strnlen(text, slot->name_length));
    const char *attributes = text + slot->name_length;
    row.attributes =
        jmi_text_locked(recording, attributes, strnlen(attributes, slot->attributes_length));
    if (collector->refuse || row.name == NULL || row.attributes == NULL ||
        jmi_mark_append(recording, &row) == UINT64_MAX)
        refuse(collector);
}

/* Times of honest writers are between the ring's making and now. */
static bool sane_time(jmi_collector *collector, const jmi_slot *slot) {
    if (slot->t_ns > collector->now_ns) collector->now_ns = jm_now_ns();
    int64_t now = collector->now_ns;
    if (slot->kind == JMI_KIND_ADD)
        return slot->t_ns > now - 365 * day_ns && slot->t_ns < now + day_ns;
    return slot->t_ns >= collector->ring_made_ns && slot->t_ns <= now;
}

static bool take(jmi_collector *collector, lane_state *state, size_t lane) {
    collector->count++;
    if (!sane_time(collector, &collector->slot)) return false;
    switch (collector->slot.kind) {
    case JMI_KIND_BEGIN:
    case JMI_KIND_ADD: return take_range(collector, state, lane);
    case JMI_KIND_END: take_end(collector, state); return true;
    case JMI_KIND_MARK: take_mark(collector, state); return true;
    default: return false;
    }
}

/* ---- one lane ---- */

/* Copies the next message. Returns the slots it takes; 0: nonsense. */
static uint32_t copy_message(jmi_collector *collector, size_t lane, uint64_t tail,
                             uint64_t available) {
    const jmi_slot *slots = jmi_ring_slots(collector->ring, lane);
    jmi_slot *slot = &collector->slot;
    memcpy(slot, &slots[tail & (JMI_SLOTS - 1)], sizeof *slot);
    /* What follows must see the copy, not the ring again, which may have changed. */
    __asm__ volatile("" : : "r"(slot) : "memory");
    uint32_t skip = slot->kind == JMI_KIND_ADD ? sizeof(int64_t) : 0;
    if (slot->name_length > JMI_MAX_NAME || slot->attributes_length > JMI_MAX_ATTRIBUTES) return 0;
    uint32_t length = skip + slot->name_length + slot->attributes_length;
    uint32_t need = jmi_ring_need(length);
    if (need > available) return 0;
    memcpy(collector->text, slot->text, JMI_SLOT_TEXT);
    for (uint32_t i = 1; i < need; i++)
        memcpy(collector->text + JMI_SLOT_TEXT + (i - 1) * JMI_SLOT_BYTES,
               &slots[(tail + i) & (JMI_SLOTS - 1)], JMI_SLOT_BYTES);
    collector->text[length] = '\0';
    return need;
}

/* Takes up to BATCH messages; returns false if the lane turned out bad. */
static bool take_batch(jmi_collector *collector, lane_state *state, size_t lane, uint64_t head) {
    jmi_recording_lock(collector->recording);
    bool good = true;
    for (int i = 0; i < BATCH && good && state->tail != head; i++) {
        uint32_t need = copy_message(collector, lane, state->tail, head - state->tail);
        good = need > 0 && take(collector, state, lane);
        state->tail += need;
    }
    jmi_recording_unlock(collector->recording);
    return good;
}

static void free_lane(lane_state *state, jmi_lane *lane) {
    uint32_t generation = state->generation + 1;
    free(state->stack);
    *state = (lane_state){.generation = generation};
    atomic_store_explicit(&lane->head, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->generation, generation, memory_order_relaxed);
    atomic_store_explicit(&lane->released, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->owner, 0, memory_order_release);
}

static void quarantine(jmi_collector *collector, lane_state *state) {
    state->bad = true;
    jmi_recording_warn(collector->recording, "ring",
                       "process %u wrote nonsense where ranges are handed over: "
                       "the rest of what its thread says is ignored",
                       state->pid);
}

/* True: more is left than was taken. */
static bool drain_lane(jmi_collector *collector, size_t index, int64_t until_ns) {
    jmi_lane *lane = &collector->ring->lanes[index];
    lane_state *state = &collector->lanes[index];
    uint64_t owner = atomic_load_explicit(&lane->owner, memory_order_acquire);
    if (owner == 0 && !state->active) return false;
    if (!state->active) {
        state->active = true;
        state->pid = (uint32_t)(owner >> 32);
        state->thread = collector->threads++;
    }
    /* Before the head: what was published before the release must be seen. */
    uint32_t released = atomic_load_explicit(&lane->released, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
    while (!state->bad && state->tail != head) {
        if (head - state->tail > JMI_SLOTS || !take_batch(collector, state, index, head))
            quarantine(collector, state);
        atomic_store_explicit(&lane->tail, state->tail, memory_order_release);
        if (state->tail != head && jm_now_ns() > until_ns) return true;
    }
    if (released) free_lane(state, lane);
    return false;
}

static bool process_is_gone(const jmi_collector *collector, const jmi_lane *lane,
                            const lane_state *state) {
    if (lane->pid_namespace != collector->ring->pid_namespace || state->pid == 0) return false;
    return kill((pid_t)state->pid, 0) != 0 && errno == ESRCH;
}

/* A thread found no lane: take back those of processes that died without a word. */
static void reclaim(jmi_collector *collector) {
    for (size_t i = 0; i < JMI_LANES; i++) {
        lane_state *state = &collector->lanes[i];
        jmi_lane *lane = &collector->ring->lanes[i];
        if (!state->active || !process_is_gone(collector, lane, state)) continue;
        drain_lane(collector, i, INT64_MAX);
        if (state->active) free_lane(state, lane);
    }
    atomic_store(&collector->ring->header->wanted, 0);
}

/* ---- all lanes ---- */

static bool drain(jmi_collector *collector, int64_t until_ns) {
    jmi_ring_header *header = collector->ring->header;
    uint32_t used = atomic_load_explicit(&header->lanes_used, memory_order_acquire);
    if (used > JMI_LANES) used = JMI_LANES;
    bool more = false;
    collector->now_ns = jm_now_ns();
    for (uint32_t i = 0; i < used; i++) {
        size_t lane = (collector->first + i) % used;
        if (drain_lane(collector, lane, until_ns)) {
            more = true;
            collector->first = lane + 1; /* the next one begins where we stopped */
            break;
        }
    }
    if (atomic_load_explicit(&header->wanted, memory_order_relaxed) != 0) reclaim(collector);
    return more;
}

/* What the writers counted goes into the recording. */
static void take_counts(jmi_collector *collector) {
    jmi_ring_header *header = collector->ring->header;
    uint64_t dropped = atomic_load_explicit(&header->dropped, memory_order_relaxed);
    uint64_t cut = atomic_load_explicit(&header->cut, memory_order_relaxed);
    jmi_recording_lock(collector->recording);
    collector->recording->stats.dropped = dropped + collector->refused;
    jmi_recording_unlock(collector->recording);
    if (dropped > 0)
        jmi_recording_warn(collector->recording, "dropped",
                           "ranges or marks were lost because they came faster than they could be "
                           "taken; their number is in the sampler's statistics");
    if (collector->refused > 0)
        jmi_recording_warn(collector->recording, "refused",
                           "ranges or marks were lost for want of memory; "
                           "raise the limit or give a file to record into");
    if (cut > 0)
        jmi_recording_warn(collector->recording, "cut",
                           "names longer than %d bytes were cut, attributes longer than %d left out",
                           JMI_MAX_NAME, JMI_MAX_ATTRIBUTES);
}

bool jmi_collect(jmi_collector *collector, int64_t until_ns) {
    pthread_mutex_lock(&collector->lock);
    bool more = drain(collector, until_ns);
    take_counts(collector);
    pthread_mutex_unlock(&collector->lock);
    return more;
}

void jmi_collect_try(jmi_collector *collector) {
    if (pthread_mutex_trylock(&collector->lock) != 0) return;
    drain(collector, jm_now_ns() + 1000 * 1000);
    pthread_mutex_unlock(&collector->lock);
}

static void end_open(jmi_collector *collector, int64_t end_ns) {
    jm_recording *recording = collector->recording;
    jmi_recording_lock(recording);
    for (size_t i = 0; i < collector->open.slot_count; i++) {
        const jmi_open *open = &collector->open.slots[i];
        if (open->id == 0) continue;
        jmi_range_row *row = jmi_rows_at(&recording->ranges, open->index);
        if (row == NULL || row->state != JMI_RANGE_OPEN) continue;
        row->end_ns = end_ns > row->begin_ns ? end_ns : row->begin_ns;
        row->state = JMI_RANGE_UNFINISHED;
        jmi_range_touch(recording, open->index);
    }
    jmi_recording_unlock(recording);
}

void jmi_collect_finish(jmi_collector *collector, int64_t end_ns) {
    /* A process that goes on marking must not keep us here: what it says after a while is late. */
    int64_t limit = jm_now_ns() + 2 * JMI_NS_PER_S;
    while (jmi_collect(collector, limit) && jm_now_ns() < limit) {}
    pthread_mutex_lock(&collector->lock);
    end_open(collector, end_ns);
    pthread_mutex_unlock(&collector->lock);
}
