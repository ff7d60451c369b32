/* The readers' side of the ring. */
#include "record/collector.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,             /* messages for which the recording is locked at a time */
    LONG_WAIT_NS = 200000000 /* of all threads together: worth a warning */
};
/* Dead processes are looked for so often, and so often if lanes are wanted. */
static const int64_t bury_ns = JMI_NS_PER_S;
static const int64_t bury_wanted_ns = JMI_WANTED_NS;

int jmi_collector_new(jmi_collector **collector, jmi_ring *ring, jm_recording *recording,
                      jm_error *error) {
    *collector = NULL;
    jmi_collector *fresh = jmi_alloc(1, sizeof *fresh);
    jmi_lane_state *lanes = jmi_alloc(JMI_LANES, sizeof *lanes);
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

void jmi_collect_hold(jmi_collector *collector, bool hold) {
    pthread_mutex_lock(&collector->lock);
    collector->hold = hold;
    pthread_mutex_unlock(&collector->lock);
}

uint64_t jmi_collect_count(jmi_collector *collector) {
    pthread_mutex_lock(&collector->lock);
    uint64_t count = collector->count;
    pthread_mutex_unlock(&collector->lock);
    return count;
}

static uint32_t lanes_used(const jmi_collector *collector) {
    uint32_t used =
        atomic_load_explicit(&collector->ring->header->lanes_used, memory_order_acquire);
    uint32_t count = collector->ring->lane_count;
    return used < count ? used : count;
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
    uint32_t skip = slot->kind == JMI_KIND_ADD ? sizeof(jmi_added) : 0;
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
static bool take_batch(jmi_collector *collector, jmi_lane_state *state, size_t lane,
                       uint64_t head) {
    jmi_recording_lock(collector->recording);
    bool good = true;
    for (int i = 0; i < BATCH && good && state->tail != head; i++) {
        uint32_t need = copy_message(collector, lane, state->tail, head - state->tail);
        good = need > 0 && jmi_message_take(collector, state, lane);
        state->tail += need;
    }
    jmi_recording_unlock(collector->recording);
    return good;
}

static void free_lane(jmi_collector *collector, size_t index) {
    jmi_lane_state *state = &collector->lanes[index];
    jmi_lane *lane = &collector->ring->lanes[index];
    uint32_t generation = state->generation + 1;
    if (!state->foreign)
        collector->late[collector->late_count++ % JMI_LATE_THREADS] =
            (jmi_late_thread){state->pid, state->tid, state->thread};
    jmi_open *stack = state->stack;
    *state = (jmi_lane_state){.generation = generation};
    free(stack);
    atomic_store_explicit(&lane->head, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->generation, generation, memory_order_relaxed);
    atomic_store_explicit(&lane->released, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->owner, 0, memory_order_release);
    atomic_store(&collector->ring->header->wanted, 0);
}

static void quarantine(jmi_collector *collector, jmi_lane_state *state) {
    state->bad = true;
    jmi_recording_warn(collector->recording, "ring",
                       "process %u wrote nonsense where ranges are handed over: "
                       "the rest of what its thread says is ignored",
                       state->pid);
}

/* A thread ends; its process may die later with what the thread had begun. */
static void remember(jmi_collector *collector, const jmi_lane_state *state) {
    if (state->foreign || state->pid == (uint32_t)collector->ring->owner_pid) return;
    for (size_t i = 0; i < collector->left_count; i++)
        if (collector->left[i] == state->pid) return;
    if (collector->left_count < JMI_COUNT(collector->left))
        collector->left[collector->left_count++] = state->pid;
}

/* A thread has a lane for each interface that it marks ranges by (NVTX's and ours): it is one
 * thread. */
static uint32_t thread_of(jmi_collector *collector, const jmi_lane_state *state) {
    uint32_t used = lanes_used(collector);
    for (uint32_t i = 0; i < used; i++) {
        const jmi_lane_state *other = &collector->lanes[i];
        if (other != state && other->active && other->pid == state->pid &&
            other->tid == state->tid && other->foreign == state->foreign)
            return other->thread;
    }
    for (size_t i = 0; i < JMI_LATE_THREADS && !state->foreign; i++)
        if (collector->late[i].pid == state->pid && collector->late[i].tid == state->tid &&
            state->pid != 0)
            return collector->late[i].thread;
    return collector->threads++;
}

/* Takes up to a few batches. `done`: its thread has left it, and nothing more comes. True: more is
 * left. */
static bool take_lane(jmi_collector *collector, size_t index, int batches, bool *done) {
    jmi_lane *lane = &collector->ring->lanes[index];
    jmi_lane_state *state = &collector->lanes[index];
    uint64_t owner = atomic_load_explicit(&lane->owner, memory_order_acquire);
    *done = false;
    if (owner == 0 && !state->active) return false;
    if (!state->active) {
        state->active = true;
        state->foreign = (owner & JMI_OWNER_FOREIGN) != 0;
        state->pid = (uint32_t)(owner >> 32) & INT32_MAX;
        state->tid = (uint32_t)owner;
        state->thread = thread_of(collector, state);
        if (collector->named_count > 0) jmi_thread_arrives(collector, state);
    }
    /* Before the head: what was published before the release must be seen. */
    uint32_t released = atomic_load_explicit(&lane->released, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
    for (int i = 0; !state->bad && state->tail != head; i++) {
        if (i == batches) return true;
        if (head - state->tail > JMI_SLOTS || !take_batch(collector, state, index, head))
            quarantine(collector, state);
        atomic_store_explicit(&lane->tail, state->tail, memory_order_release);
    }
    *done = released != 0;
    return false;
}

/* Likewise, so that no lane waits for another that is long. */
static bool drain_lane(jmi_collector *collector, size_t index, int batches) {
    bool done;
    bool more = take_lane(collector, index, batches, &done);
    if (done) {
        remember(collector, &collector->lanes[index]);
        free_lane(collector, index);
    }
    return more;
}

/* ---- processes that died ---- */

typedef struct dead_list {
    uint32_t pids[2 * JMI_LANES];
    size_t count;
} dead_list;

static int compare_pids(const void *a, const void *b) {
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static bool is_among(const dead_list *dead, uint32_t pid) {
    return bsearch(&pid, dead->pids, dead->count, sizeof pid, compare_pids) != NULL;
}

/* What a process had open when it died with the command that it was part of ended with that,
 * however much later it is found dead. */
static int64_t end_of(const jmi_collector *collector, const jmi_range_row *row, int64_t end_ns) {
    int64_t session_ns = collector->session_end_ns;
    return session_ns > row->begin_ns && session_ns < end_ns ? session_ns : end_ns;
}

static void end_one(jm_recording *recording, uint64_t index, jmi_range_row *row, int64_t end_ns) {
    if (row->state != JMI_RANGE_OPEN) return;
    row->end_ns = end_ns > row->begin_ns ? end_ns : row->begin_ns;
    row->state = JMI_RANGE_UNFINISHED;
    jmi_recording_note(recording, row->end_ns);
    jmi_range_touch(recording, index);
}

/* Ranges that are open, of some processes or of all (NULL), end without an end of their own. */
static void end_open(jmi_collector *collector, const dead_list *dead, int64_t end_ns) {
    jm_recording *recording = collector->recording;
    jmi_open_set *open = &collector->open;
    jmi_recording_lock(recording);
    for (size_t i = 0; i < open->slot_count;) {
        jmi_open one = open->slots[i];
        jmi_range_row *row = one.id != 0 ? jmi_rows_at(&recording->ranges, one.index) : NULL;
        if (one.id == 0 || (row != NULL && dead != NULL && !is_among(dead, row->pid))) {
            i++;
            continue;
        }
        if (row != NULL)
            end_one(recording, one.index, row,
                    dead != NULL ? end_of(collector, row, end_ns) : end_ns);
        jmi_open_remove(open, one.id); /* another may come to its place: the same one again */
    }
    jmi_recording_unlock(recording);
}

static void find_dead_that_left(jmi_collector *collector, dead_list *dead) {
    size_t kept = 0;
    for (size_t i = 0; i < collector->left_count; i++) {
        uint32_t pid = collector->left[i];
        if (jmi_process_gone((int32_t)pid))
            dead->pids[dead->count++] = pid;
        else
            collector->left[kept++] = pid;
    }
    collector->left_count = kept;
}

/* Takes back lanes of processes that died without a word. What those said is taken first. */
static void find_dead_in_lanes(jmi_collector *collector, dead_list *dead) {
    uint32_t used = lanes_used(collector), asked = 0;
    bool gone = false;
    for (size_t i = 0; i < used; i++) {
        jmi_lane_state *state = &collector->lanes[i];
        if (!state->active || state->foreign) continue;
        if (state->pid != asked) gone = jmi_process_gone((int32_t)state->pid);
        asked = state->pid;
        if (!gone) continue;
        bool done;
        take_lane(collector, i, INT_MAX, &done);
        free_lane(collector, i);
        dead->pids[dead->count++] = asked;
    }
}

/* Processes that are found dead in the second step were alive or dead in the first; the other way
 * round ends could be overlooked that are still in a lane. */
static void bury_dead(jmi_collector *collector) {
    dead_list dead = {.count = 0};
    find_dead_that_left(collector, &dead);
    find_dead_in_lanes(collector, &dead);
    if (dead.count > 0) {
        qsort(dead.pids, dead.count, sizeof dead.pids[0], compare_pids);
        end_open(collector, &dead, collector->now_ns);
    }
    collector->buried_ns = collector->now_ns;
    atomic_store(&collector->ring->header->wanted, 0);
}

static bool burial_is_due(const jmi_collector *collector) {
    bool wanted = atomic_load_explicit(&collector->ring->header->wanted, memory_order_relaxed) != 0;
    return collector->now_ns - collector->buried_ns > (wanted ? bury_wanted_ns : bury_ns);
}

/* ---- all lanes ---- */

/* Each lane once. */
static bool drain_round(jmi_collector *collector) {
    enum { BATCHES = 1 };
    uint32_t used = lanes_used(collector);
    bool more = false;
    for (uint32_t i = 0; i < used; i++) more |= drain_lane(collector, i, BATCHES);
    if (burial_is_due(collector)) bury_dead(collector);
    return more;
}

static bool drain(jmi_collector *collector, int64_t until_ns) {
    collector->now_ns = jm_now_ns();
    if (collector->hold) {
        atomic_fetch_add_explicit(&collector->ring->header->holding, 1, memory_order_relaxed);
        return false;
    }
    bool more = true;
    while (more && (more = drain_round(collector)) && jm_now_ns() < until_ns) {
    }
    return more;
}

static uint64_t wrong_times(const jmi_collector *collector) {
    return collector->wrong_time +
           atomic_load_explicit(&collector->ring->header->wrong_time, memory_order_relaxed);
}

static uint64_t wrong_categories(const jmi_collector *collector) {
    return atomic_load_explicit(&collector->ring->header->wrong_category, memory_order_relaxed);
}

/* What programs said that cannot be. */
static void warn_of_mistakes(jmi_collector *collector) {
    if (wrong_times(collector) > 0)
        jmi_recording_warn(collector->recording, "wrong time",
                           "ranges were added whose times are not those of jm_now_ns() "
                           "(CLOCK_MONOTONIC nanoseconds, begin before end): they are left out");
    if (wrong_categories(collector) > 0)
        jmi_recording_warn(collector->recording, "wrong category",
                           "ranges were begun of a category that there is not: they are left out");
    if (collector->surplus_facts > 0)
        jmi_recording_warn(collector->recording, "facts",
                           "programs inside set more than %d facts: further ones are left out",
                           JMI_MAX_FOREIGN);
    if (collector->unknown_device[0] != '\0')
        jmi_recording_warn(collector->recording, "device",
                           "ranges were said to have run on %s, which is not measured: they are "
                           "kept without a device",
                           collector->unknown_device);
}

/* What the writers counted goes into the recording. */
static void take_counts(jmi_collector *collector) {
    jmi_ring_header *header = collector->ring->header;
    uint64_t dropped = atomic_load_explicit(&header->dropped, memory_order_relaxed);
    uint64_t cut = atomic_load_explicit(&header->cut, memory_order_relaxed);
    uint64_t unseated = atomic_load_explicit(&header->unseated, memory_order_relaxed);
    jmi_recording_lock(collector->recording);
    collector->recording->stats.dropped = dropped + unseated + wrong_times(collector) +
                                          wrong_categories(collector) + collector->refused;
    jmi_recording_unlock(collector->recording);
    warn_of_mistakes(collector);
    uint64_t waited = atomic_load_explicit(&header->waited_ns, memory_order_relaxed);
    if (waited > LONG_WAIT_NS)
        jmi_recording_warn(
            collector->recording, "waited",
            "threads had to wait until what they said of ranges could be taken: they "
            "mark more ranges than can be written");
    if (dropped > 0)
        jmi_recording_warn(collector->recording, "dropped",
                           "ranges or marks were lost because they came faster than they could be "
                           "taken; their number is in the sampler's statistics");
    if (unseated > 0)
        jmi_recording_warn(collector->recording, "threads",
                           "more than %d threads marked ranges at the same time: what the others "
                           "had to say is lost; their number is in the sampler's statistics",
                           (int)collector->ring->lane_count);
    if (collector->refused > 0)
        jmi_recording_warn(collector->recording, "refused",
                           "ranges or marks were lost for want of memory; "
                           "raise the limit or give a file to record into");
    if (cut > 0)
        jmi_recording_warn(
            collector->recording, "cut",
            "names longer than %d bytes were cut, attributes longer than %d left out", JMI_MAX_NAME,
            JMI_MAX_ATTRIBUTES);
}

bool jmi_collect(jmi_collector *collector, int64_t until_ns) {
    pthread_mutex_lock(&collector->lock);
    bool more = drain(collector, until_ns);
    take_counts(collector);
    pthread_mutex_unlock(&collector->lock);
    return more;
}

bool jmi_collect_try(jmi_collector *collector, int64_t until_ns) {
    if (pthread_mutex_trylock(&collector->lock) != 0) return false;
    bool more = drain(collector, until_ns);
    take_counts(collector);
    pthread_mutex_unlock(&collector->lock);
    return more;
}

void jmi_collect_finish(jmi_collector *collector, int64_t end_ns) {
    /* A process that goes on marking must not keep us here: what it says after a while is late. */
    int64_t limit = jm_now_ns() + 2 * JMI_NS_PER_S;
    jmi_collect_hold(collector, false);
    while (jmi_collect(collector, limit) && jm_now_ns() < limit) {
    }
    pthread_mutex_lock(&collector->lock);
    bury_dead(collector);
    end_open(collector, NULL, end_ns);
    pthread_mutex_unlock(&collector->lock);
}
