/* Ranges and marks: found by index at once, and by id through a hash. */
#include "record/recording.h"

#include <stdlib.h>
#include <string.h>

/* ---- by id ---- */

static size_t slot_of(const jm_recording *recording, uint64_t id) {
    uint64_t hash = id * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash ^ (hash >> 32)) & (recording->by_id_slots - 1);
}

static void put(jm_recording *recording, uint64_t id, uint64_t index) {
    size_t slot = slot_of(recording, id);
    while (recording->by_id[slot] != 0) slot = (slot + 1) & (recording->by_id_slots - 1);
    recording->by_id[slot] = (uint32_t)(index + 1);
}

static int make_room_by_id(jm_recording *recording) {
    if (recording->ranges.count >= UINT32_MAX) return JM_FULL;
    if (recording->ranges.count * 2 <= recording->by_id_slots) return JM_OK;
    size_t slots = 64;
    while (slots < recording->ranges.count * 3) slots *= 2;
    uint32_t *fresh = jmi_alloc(slots, sizeof *fresh);
    if (fresh == NULL) return JM_MEMORY;
    free(recording->by_id);
    recording->by_id = fresh;
    recording->by_id_slots = slots;
    recording->by_id_count = 0;
    return JM_OK;
}

/* Brings the hash up to date; most recordings never need it. Now and then the lock is let go, so
 * that the sampler need not wait: what is known must be looked at again afterwards. */
static int index_ranges(jm_recording *recording) {
    enum { AT_ONCE = 4096 };
    for (;;) {
        int status = make_room_by_id(recording);
        if (status != JM_OK) return status;
        uint64_t index = recording->by_id_count;
        if (index >= recording->ranges.count) return JM_OK;
        const jmi_range_row *row = jmi_rows_at(&recording->ranges, index);
        if (row == NULL) {
            if (jmi_range_at(recording, index) == NULL) return JM_IO;
            continue;
        }
        put(recording, row->id, index);
        recording->by_id_count++;
        if (recording->by_id_count % AT_ONCE != 0) continue;
        jmi_recording_unlock(recording);
        jmi_recording_lock(recording);
    }
}

static int find_locked(jm_recording *recording, jm_range_id id, uint64_t *index) {
    int status = index_ranges(recording);
    if (status != JM_OK) return status;
    if (recording->by_id_slots == 0) return JM_NOT_FOUND;
    size_t slot = slot_of(recording, id);
    while (recording->by_id[slot] != 0) {
        uint64_t candidate = recording->by_id[slot] - 1;
        const jmi_range_row *row = jmi_rows_at(&recording->ranges, candidate);
        if (row == NULL) { /* in the store: what we knew may change while it is read */
            if (jmi_range_at(recording, candidate) == NULL) return JM_IO;
            slot = slot_of(recording, id);
            continue;
        }
        if (row->id == id) {
            *index = candidate;
            return JM_OK;
        }
        slot = (slot + 1) & (recording->by_id_slots - 1);
    }
    return JM_NOT_FOUND;
}

int jmi_range_find(jm_recording *recording, jm_range_id id, uint64_t *index) {
    jmi_recording_lock(recording);
    int status = find_locked(recording, id, index);
    jmi_recording_unlock(recording);
    return status;
}

/* ---- public ---- */

static bool fits(const char *text, size_t limit) {
    return text == NULL || strlen(text) <= limit;
}

static int check_texts(const char *what, const char *name, const char *attributes,
                       jm_error *error) {
    if (!fits(name, JMI_MAX_NAME))
        return jmi_fail(error, JM_INVALID, "%s: the name is longer than %d bytes", what,
                        JMI_MAX_NAME);
    if (!fits(attributes, JMI_MAX_ATTRIBUTES))
        return jmi_fail(error, JM_INVALID, "%s: the attributes are longer than %d bytes", what,
                        JMI_MAX_ATTRIBUTES);
    return JM_OK;
}

static const char *keep(jm_recording *recording, const char *text) {
    return jmi_text_locked(recording, text, text != NULL ? strlen(text) : 0);
}

static int add_range_locked(jm_recording *recording, jm_range *range, jm_error *error) {
    uint64_t index;
    uint16_t device = jmi_device_find(recording, range->device);
    if (device == 0 && range->device != NULL && range->device[0] != '\0')
        return jmi_fail(error, JM_NOT_FOUND, "the recording has no device %.100s", range->device);
    bool may_exist = range->id <= recording->top_id || recording->store != NULL;
    if (range->id != 0 && may_exist && find_locked(recording, range->id, &index) == JM_OK)
        return jmi_fail(error, JM_INVALID, "there is a range with the id %llu already",
                        (unsigned long long)range->id);
    if (range->id == 0 && recording->top_id == UINT64_MAX)
        return jmi_fail(error, JM_FULL, "there are no more range ids");
    if (range->id == 0) range->id = ++recording->top_id;
    /* Of ranges that are still in a file not all ids are known. */
    while (recording->store != NULL && find_locked(recording, range->id, &index) == JM_OK)
        range->id = ++recording->top_id;
    jmi_range_row row = {.id = range->id,
                         .parent = range->parent,
                         .begin_ns = range->begin_ns,
                         .end_ns = range->end_ns,
                         .name = keep(recording, range->name),
                         .attributes = keep(recording, range->attributes),
                         .pid = range->pid,
                         .thread = range->thread,
                         .stream = range->stream,
                         .device = device,
                         .category = (uint8_t)range->category,
                         .state = range->unfinished ? JMI_RANGE_UNFINISHED : JMI_RANGE_ENDED};
    if (row.name == NULL || row.attributes == NULL ||
        jmi_range_append(recording, &row) == UINT64_MAX)
        return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    jmi_recording_note(recording, row.end_ns);
    return JM_OK;
}

int jm_recording_add_range(jm_recording *recording, jm_range *range, jm_error *error) {
    if (recording == NULL || range == NULL)
        return jmi_fail(error, JM_INVALID, "a recording and a range are needed");
    jm_range ours;
    int status = jmi_take_struct(&ours, sizeof ours, range, "jm_range", error);
    if (status == JM_OK) status = check_texts("range", ours.name, ours.attributes, error);
    if (status != JM_OK) return status;
    if (!jmi_time_valid(ours.begin_ns) || !jmi_time_valid(ours.end_ns))
        return jmi_fail(error, JM_INVALID, "a range's begin or end is no time that there is");
    if (ours.end_ns < ours.begin_ns)
        return jmi_fail(error, JM_INVALID, "a range cannot end before it begins");
    if (!jmi_category_valid((int)ours.category))
        return jmi_fail(error, JM_INVALID, "there is no category %d", (int)ours.category);
    jmi_recording_lock(recording);
    status = add_range_locked(recording, &ours, error);
    jmi_recording_unlock(recording);
    if (status == JM_OK) range->id = ours.id;
    return status;
}

int jm_recording_add_mark(jm_recording *recording, const jm_mark_info *mark, jm_error *error) {
    if (recording == NULL || mark == NULL)
        return jmi_fail(error, JM_INVALID, "a recording and a mark are needed");
    jm_mark_info ours;
    int status = jmi_take_struct(&ours, sizeof ours, mark, "jm_mark_info", error);
    if (status == JM_OK) status = check_texts("mark", ours.name, ours.attributes, error);
    if (status != JM_OK) return status;
    if (!jmi_time_valid(ours.t_ns))
        return jmi_fail(error, JM_INVALID, "a mark's time is no time that there is");
    jmi_recording_lock(recording);
    jmi_mark_row row = {.t_ns = ours.t_ns,
                        .name = keep(recording, ours.name),
                        .attributes = keep(recording, ours.attributes),
                        .pid = ours.pid,
                        .thread = ours.thread};
    if (row.name == NULL || row.attributes == NULL ||
        jmi_mark_append(recording, &row) == UINT64_MAX)
        status = jmi_fail(error, JM_MEMORY, "out of memory for marks");
    jmi_recording_unlock(recording);
    return status;
}

int jm_recording_find_range(const jm_recording *recording, jm_range_id id, uint64_t *index) {
    if (recording == NULL || index == NULL) return JM_INVALID;
    return jmi_range_find((jm_recording *)recording, id, index);
}

uint64_t jm_recording_range_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint64_t count = recording->ranges.count;
    jmi_recording_unlock(recording);
    return count;
}

uint64_t jm_recording_mark_count(const jm_recording *recording) {
    if (recording == NULL) return 0;
    jmi_recording_lock(recording);
    uint64_t count = recording->marks.count;
    jmi_recording_unlock(recording);
    return count;
}

int jm_recording_range(const jm_recording *recording, uint64_t index, jm_range *range) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    const jmi_range_row *row = jmi_range_at((jm_recording *)recording, index);
    jm_range ours = {.size = sizeof ours};
    bool missing = row == NULL;
    bool beyond = index >= recording->ranges.count;
    if (row != NULL) {
        bool open = row->state == JMI_RANGE_OPEN;
        int64_t last = recording->end_ns > row->begin_ns ? recording->end_ns : row->begin_ns;
        ours.id = row->id;
        ours.parent = row->parent;
        ours.begin_ns = row->begin_ns;
        ours.end_ns = open ? last : row->end_ns;
        ours.category = (jm_category)row->category;
        ours.unfinished = row->state != JMI_RANGE_ENDED;
        ours.pid = row->pid;
        ours.thread = row->thread;
        ours.name = row->name;
        ours.attributes = row->attributes;
        ours.device = jmi_device_name(recording, row->device);
        ours.stream = row->stream;
    }
    jmi_recording_unlock(recording);
    if (missing) return beyond ? JM_NOT_FOUND : JM_IO;
    return jmi_give_struct(range, &ours, sizeof ours);
}

int jm_recording_mark(const jm_recording *recording, uint64_t index, jm_mark_info *mark) {
    if (recording == NULL) return JM_INVALID;
    jmi_recording_lock(recording);
    const jmi_mark_row *row = jmi_mark_at((jm_recording *)recording, index);
    jm_mark_info ours = {.size = sizeof ours};
    bool missing = row == NULL;
    bool beyond = index >= recording->marks.count;
    if (row != NULL) {
        ours.t_ns = row->t_ns;
        ours.pid = row->pid;
        ours.thread = row->thread;
        ours.name = row->name;
        ours.attributes = row->attributes;
    }
    jmi_recording_unlock(recording);
    if (missing) return beyond ? JM_NOT_FOUND : JM_IO;
    return jmi_give_struct(mark, &ours, sizeof ours);
}
