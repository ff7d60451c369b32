/* Rows of ranges and marks, in blocks that are in memory or in the store. */
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
    return block != NULL && block != unreadable ? block + (index % JMI_ROWS_BLOCK) * rows->row_size
                                                : NULL;
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

void jmi_rows_shed(jm_recording *recording, size_t block) {
    jmi_rows *ranges = &recording->ranges, *marks = &recording->marks;
    uint64_t first = (uint64_t)block * JMI_ROWS_BLOCK;
    if (block < recording->ranges_written / JMI_ROWS_BLOCK && jmi_rows_at(ranges, first) != NULL &&
        settled(ranges->blocks[block]))
        shed_block(ranges, block);
    if (block < recording->marks_written / JMI_ROWS_BLOCK && jmi_rows_at(marks, first) != NULL)
        shed_block(marks, block);
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
    if (count % JMI_ROWS_BLOCK != 0 && jmi_mark_at(recording, count - 1) == NULL) return UINT64_MAX;
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
