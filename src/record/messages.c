/* What messages from the ring mean: ranges begin and end, marks are made. */
#include "record/collector.h"

#include <stdlib.h>
#include <string.h>

/* The innermost range that is still open in the lane. */
static uint64_t parent_in(jmi_collector *collector, jmi_lane_state *state) {
    while (state->depth > 0) {
        const jmi_open *top = &state->stack[state->depth - 1];
        const jmi_range_row *row = jmi_rows_at(&collector->recording->ranges, top->index);
        if (row != NULL && row->state == JMI_RANGE_OPEN && row->id == top->id) return top->id;
        state->depth--;
    }
    return 0;
}

static void push(jmi_lane_state *state, uint64_t id, uint64_t index) {
    if (!jmi_reserve(&state->stack, &state->stack_capacity, state->depth + 1, sizeof *state->stack))
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
    if (!objects || old + length > JMI_MAX_MERGED) return jmi_text_locked(recording, added, length);
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
    if (row->category == JM_CATEGORY_SESSION && row->pid == (uint32_t)collector->ring->owner_pid)
        collector->session_end_ns = row->end_ns;
    const char *merged = merge(collector, row->attributes, attributes, length);
    if (merged != NULL) row->attributes = merged;
    jmi_recording_note(collector->recording, row->end_ns);
    jmi_range_touch(collector->recording, index);
}

static void refuse(jmi_collector *collector) {
    collector->refused++;
}

/* A device that is not measured is told of once the recording's lock is free. */
static uint16_t find_device(jmi_collector *collector, const char *text) {
    uint16_t device = jmi_device_find(collector->recording, text);
    if (device == 0 && text[0] != '\0' && collector->unknown_device[0] == '\0')
        jmi_utf8_clean(collector->unknown_device, text, strlen(text));
    return device;
}

/* A range that begins, or one that is whole already. False: what came is nonsense. */
static bool take_range(jmi_collector *collector, jmi_lane_state *state, size_t lane) {
    const jmi_slot *slot = &collector->slot;
    jm_recording *recording = collector->recording;
    bool whole = slot->kind == JMI_KIND_ADD;
    size_t skip = whole ? sizeof(jmi_added) : 0;
    jmi_added added = {0};
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
    if (whole) {
        memcpy(&added, collector->text, sizeof added);
        if (!jmi_span_valid(slot->t_ns, added.end_ns, collector->now_ns)) {
            collector->wrong_time++;
            return true;
        }
        added.device[sizeof added.device - 1] = '\0';
        row.end_ns = added.end_ns;
        row.stream = added.stream;
        row.device = find_device(collector, added.device);
        row.parent = added.parent != row.id ? added.parent : 0;
    }
    if (collector->refuse) {
        refuse(collector);
        return true;
    }
    const char *name = collector->text + skip;
    if (row.parent == 0) row.parent = parent_in(collector, state);
    row.name = jmi_text_locked(recording, name, strnlen(name, slot->name_length));
    if (row.name != NULL && row.category == JM_CATEGORY_KERNEL)
        row.name = jmi_demangle(&collector->demangler, recording, row.name);
    const char *attributes = name + slot->name_length;
    row.attributes =
        jmi_text_locked(recording, attributes, strnlen(attributes, slot->attributes_length));
    if (row.parent == JM_NO_PARENT) row.parent = 0;
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
    const jmi_lane_state *state = &collector->lanes[lane];
    return (id & ~(uint64_t)UINT32_MAX) == jmi_id_base(state->generation, lane) &&
           jmi_id_counter(id) > state->last_counter;
}

static void take_end(jmi_collector *collector, const jmi_lane_state *state) {
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
        jmi_pending_add(&collector->pending, slot->id, slot->t_ns, state->pid, attributes, length);
    }
}

static void take_mark(jmi_collector *collector, const jmi_lane_state *state) {
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

/* Facts of the outer session stay as they are. */
static void take_info(jmi_collector *collector) {
    const jmi_slot *slot = &collector->slot;
    char *value = collector->text + slot->name_length;
    char key[JMI_MAX_NAME + 1];
    /* As it is kept, so that it is found again. */
    jmi_utf8_clean(key, collector->text, slot->name_length);
    key[slot->name_length] = '\0';
    if (key[0] == '\0' || collector->refuse) return;
    int status = jmi_info_set(collector->recording, key, value, true);
    if (status == JM_FULL) collector->surplus_facts++;
    if (status == JM_MEMORY) refuse(collector);
}

/* ---- names of threads ---- */

static void name_thread(jmi_collector *collector, uint32_t thread, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "thread %u", thread);
    int status = jmi_info_set(collector->recording, key, name, true);
    if (status == JM_FULL) collector->surplus_facts++;
    if (status == JM_MEMORY) refuse(collector);
}

static jmi_named_thread *find_named(jmi_collector *collector, uint32_t pid, uint32_t tid) {
    for (size_t i = 0; i < collector->named_count; i++)
        if (collector->named[i].pid == pid && collector->named[i].tid == tid)
            return &collector->named[i];
    return NULL;
}

/* One thread may name another, and before that one has said anything. */
static void take_thread(jmi_collector *collector, const jmi_lane_state *state) {
    const jmi_slot *slot = &collector->slot;
    uint32_t tid = (uint32_t)slot->id;
    collector->text[slot->name_length] = '\0';
    if (collector->text[0] == '\0' || collector->refuse) return;
    for (size_t i = 0; i < JMI_LANES; i++) {
        const jmi_lane_state *other = &collector->lanes[i];
        if (!other->active || other->pid != state->pid || other->tid != tid) continue;
        name_thread(collector, other->thread, collector->text);
        return;
    }
    jmi_named_thread *named = find_named(collector, state->pid, tid);
    if (named == NULL && collector->named_count < JMI_MAX_NAMED)
        named = &collector->named[collector->named_count++];
    if (named == NULL) return;
    *named = (jmi_named_thread){.pid = state->pid, .tid = tid};
    snprintf(named->name, sizeof named->name, "%.63s", collector->text);
}

void jmi_thread_arrives(jmi_collector *collector, const jmi_lane_state *state) {
    jmi_named_thread *named = find_named(collector, state->pid, state->tid);
    if (named == NULL) return;
    jmi_recording_lock(collector->recording);
    name_thread(collector, state->thread, named->name);
    jmi_recording_unlock(collector->recording);
    *named = collector->named[--collector->named_count];
}

/* Times of honest writers are between the ring's making and now, but for those of ranges that they
 * did not time themselves. */
static bool sane_time(jmi_collector *collector, const jmi_slot *slot) {
    if (slot->t_ns > collector->now_ns) collector->now_ns = jm_now_ns();
    return slot->kind == JMI_KIND_ADD ||
           (slot->t_ns >= collector->ring_made_ns && slot->t_ns <= collector->now_ns);
}

bool jmi_message_take(jmi_collector *collector, jmi_lane_state *state, size_t lane) {
    collector->count++;
    if (!sane_time(collector, &collector->slot)) return false;
    switch (collector->slot.kind) {
    case JMI_KIND_BEGIN:
    case JMI_KIND_ADD: return take_range(collector, state, lane);
    case JMI_KIND_END: take_end(collector, state); return true;
    case JMI_KIND_MARK: take_mark(collector, state); return true;
    case JMI_KIND_INFO: take_info(collector); return true;
    case JMI_KIND_THREAD: take_thread(collector, state); return true;
    default: return false;
    }
}
