/* Ranges and marks: rows in blocks, found by index at once and by id through a hash. */
#include "record/recording.h"

#include <stdlib.h>
#include <string.h>

/* Stands for a block that cannot be read: nobody tries again for each of its rows. */
static const char unreadable_block;
static void *const unreadable = (void *)(uintptr_t)&unreadable_block;

bool jmi_rows_reserve(jmi_rows *rows, uint64_t count) {
    uint64_t needed = (count + JMI_ROWS_BLOCK - 1) / JMI_ROWS_BLOCK;
    if (needed > SIZE_MAX / sizeof(void *)) return false;
    size_t before = rows->block_capacity;
    if (!jmi_reserve(&rows->blocks, &rows->block_capacity, (size_t)needed, sizeof *rows->blocks))
        return false;
    for (size_t i = before; i < rows->block_capacity; i++) rows->blocks[i] = NULL;
    return true;
}

void *jmi_rows_at(const jmi_rows *rows, uint64_t index) {
    if (index >= rows->count) return NULL;
    char *block = rows->blocks[index / JMI_ROWS_BLOCK];
    return block != NULL && block != unreadable ? block + (index % JMI_ROWS_BLOCK) * rows->row_size : NULL;
}

void *jmi_rows_add(jmi_rows *rows) {
    if (!jmi_rows_reserve(rows, rows->count + 1)) return NULL;
    void **block = &rows->blocks[rows->count / JMI_ROWS_BLOCK];
    /* Not zeroed as a whole: pages that are not yet used cost nothing. */
    if (*block == NULL) {
        *block = malloc(JMI_ROWS_BLOCK * rows->row_size);
        if (*block == NULL) return NULL;
        rows->resident++;
    }
    void *row = (char *)*block + (rows->count % JMI_ROWS_BLOCK) * rows->row_size;
    memset(row, 0, rows->row_size);
    rows->count++;
    return row;
}

void jmi_rows_free(jmi_rows *rows) {
    for (size_t i = 0; i < rows->block_capacity; i++)
        if (rows->blocks[i] != unreadable) free(rows->blocks[i]);
    free(rows->blocks);
    *rows = (jmi_rows){0};
}

size_t jmi_rows_bytes(const jmi_rows *rows) {
    size_t most = rows->resident * JMI_ROWS_BLOCK;
    size_t in_memory = rows->count < most ? (size_t)rows->count : most;
    return in_memory * rows->row_size + rows->block_capacity * sizeof *rows->blocks;
}

static void shed_block(jmi_rows *rows, size_t block) {
    free(rows->blocks[block]);
    rows->blocks[block] = NULL;
    rows->resident--;
}

static bool settled(const jmi_range_row *rows) {
    for (size_t i = 0; i < JMI_ROWS_BLOCK; i++)
        if (rows[i].state == JMI_RANGE_OPEN || rows[i].dirty) return false;
    return true;
}

void jmi_rows_shed(jm_recording *recording) {
    jmi_rows *ranges = &recording->ranges, *marks = &recording->marks;
    for (size_t i = 0; i < recording->ranges_written / JMI_ROWS_BLOCK; i++)
        if (jmi_rows_at(ranges, i * JMI_ROWS_BLOCK) != NULL && settled(ranges->blocks[i]))
            shed_block(ranges, i);
    for (size_t i = 0; i < recording->marks_written / JMI_ROWS_BLOCK; i++)
        if (jmi_rows_at(marks, i * JMI_ROWS_BLOCK) != NULL) shed_block(marks, i);
}

/* Rows of a block that are in the store. The lock is not held while it reads. */
static int load_block(jm_recording *recording, jmi_rows *rows, uint64_t index) {
    jmi_store *store = recording->store;
    if (store == NULL || index >= rows->count) return JM_NOT_FOUND;
    uint64_t first = index / JMI_ROWS_BLOCK * JMI_ROWS_BLOCK;
    if (rows->blocks[first / JMI_ROWS_BLOCK] == unreadable) return JM_IO;
    uint64_t left = rows->count - first;
    size_t count = left < JMI_ROWS_BLOCK ? (size_t)left : JMI_ROWS_BLOCK;
    void *block = jmi_alloc(JMI_ROWS_BLOCK, rows->row_size);
    if (block == NULL) return JM_MEMORY;
    jmi_recording_unlock(recording);
    int status = rows == &recording->ranges
                     ? store->load_ranges(store, recording, first, count, block)
                     : store->load_marks(store, recording, first, count, block);
    jmi_recording_lock(recording);
    void **slot = &rows->blocks[first / JMI_ROWS_BLOCK];
    if (status != JM_OK || *slot != NULL) { /* failed, or another thread was faster */
        free(block);
        if (*slot == NULL && status != JM_MEMORY) *slot = unreadable;
        return status;
    }
    *slot = block;
    rows->resident++;
    return JM_OK;
}

jmi_range_row *jmi_range_at(jm_recording *recording, uint64_t index) {
    jmi_range_row *row = jmi_rows_at(&recording->ranges, index);
    if (row == NULL && load_block(recording, &recording->ranges, index) == JM_OK)
        row = jmi_rows_at(&recording->ranges, index);
    return row;
}

jmi_mark_row *jmi_mark_at(jm_recording *recording, uint64_t index) {
    jmi_mark_row *row = jmi_rows_at(&recording->marks, index);
    if (row == NULL && load_block(recording, &recording->marks, index) == JM_OK)
        row = jmi_rows_at(&recording->marks, index);
    return row;
}

uint64_t jmi_range_append(jm_recording *recording, const jmi_range_row *row) {
    uint64_t count = recording->ranges.count;
    /* A block that begins in the store goes on in memory. */
    if (count % JMI_ROWS_BLOCK != 0 && jmi_range_at(recording, count - 1) == NULL)
        return UINT64_MAX;
    jmi_range_row *place = jmi_rows_add(&recording->ranges);
    if (place == NULL) return UINT64_MAX;
    *place = *row;
    if (row->id > recording->top_id) recording->top_id = row->id;
    jmi_recording_note(recording, row->begin_ns);
    if (row->state == JMI_RANGE_ENDED) jmi_recording_note(recording, row->end_ns);
    return recording->ranges.count - 1;
}

uint64_t jmi_mark_append(jm_recording *recording, const jmi_mark_row *row) {
    uint64_t count = recording->marks.count;
    if (count % JMI_ROWS_BLOCK != 0 && jmi_mark_at(recording, count - 1) == NULL)
        return UINT64_MAX;
    jmi_mark_row *place = jmi_rows_add(&recording->marks);
    if (place == NULL) return UINT64_MAX;
    *place = *row;
    jmi_recording_note(recording, row->t_ns);
    return recording->marks.count - 1;
}

void jmi_range_touch(jm_recording *recording, uint64_t index) {
    if (index >= recording->ranges_written) return; /* is still to be written anyway */
    jmi_range_row *row = jmi_rows_at(&recording->ranges, index);
    if (row == NULL || row->dirty) return;
    if (!jmi_reserve(&recording->dirty, &recording->dirty_capacity, recording->dirty_count + 1,
                     sizeof *recording->dirty))
        return;
    recording->dirty[recording->dirty_count++] = index;
    row->dirty = 1;
}

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

/* Brings the hash up to date; most recordings never need it. */
static int index_ranges(jm_recording *recording) {
    if (recording->ranges.count >= UINT32_MAX) return JM_FULL;
    if (recording->ranges.count * 2 > recording->by_id_slots) {
        size_t slots = 64;
        while (slots < recording->ranges.count * 3) slots *= 2;
        uint32_t *fresh = jmi_alloc(slots, sizeof *fresh);
        if (fresh == NULL) return JM_MEMORY;
        free(recording->by_id);
        recording->by_id = fresh;
        recording->by_id_slots = slots;
        recording->by_id_count = 0;
    }
    while (recording->by_id_count < recording->ranges.count) {
        uint64_t index = recording->by_id_count;
        const jmi_range_row *row = jmi_range_at(recording, index);
        if (row == NULL) return JM_IO;
        /* The lock may have been let go meanwhile, and another reader been here. */
        if (index != recording->by_id_count || recording->by_id_slots == 0) continue;
        if (recording->ranges.count * 2 > recording->by_id_slots) return index_ranges(recording);
        put(recording, row->id, index);
        recording->by_id_count++;
    }
    return JM_OK;
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

static bool fits(const char *text, size_t limit) { return text == NULL || strlen(text) <= limit; }

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

uint64_t jm_recording_range_count(const jm_recording *recording) {
    jmi_recording_lock(recording);
    uint64_t count = recording->ranges.count;
    jmi_recording_unlock(recording);
    return count;
}

uint64_t jm_recording_mark_count(const jm_recording *recording) {
    jmi_recording_lock(recording);
    uint64_t count = recording->marks.count;
    jmi_recording_unlock(recording);
    return count;
}

int jm_recording_range(const jm_recording *recording, uint64_t index, jm_range *range) {
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
    }
    jmi_recording_unlock(recording);
    if (missing) return beyond ? JM_NOT_FOUND : JM_IO;
    return jmi_give_struct(range, &ours, sizeof ours);
}

int jm_recording_mark(const jm_recording *recording, uint64_t index, jm_mark_info *mark) {
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
