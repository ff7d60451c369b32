/* Writing ranges and marks. */
#include "record/file_writing.h"

#include <string.h>

static bool insert_range(jmi_writing *w, uint64_t index, const jmi_range_row *row) {
    jmi_recfile *file = w->file;
    if (!jmi_write_prepare(file, &file->insert_range,
                           "INSERT OR REPLACE INTO range VALUES "
                           "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"))
        return false;
    sqlite3_stmt *statement = file->insert_range;
    sqlite3_bind_int64(statement, 1, (int64_t)index + 1);
    sqlite3_bind_int64(statement, 2, (int64_t)row->id);
    sqlite3_bind_null(statement, 3);
    if (row->parent != 0) sqlite3_bind_int64(statement, 3, (int64_t)row->parent);
    sqlite3_bind_int64(statement, 4, row->begin_ns);
    sqlite3_bind_null(statement, 5);
    if (row->state != JMI_RANGE_OPEN) sqlite3_bind_int64(statement, 5, row->end_ns);
    sqlite3_bind_int(statement, 6, row->state == JMI_RANGE_UNFINISHED);
    jmi_bind_text(statement, 7, jm_category_name(row->category));
    jmi_bind_text(statement, 8, row->name);
    sqlite3_bind_int64(statement, 9, row->pid);
    sqlite3_bind_int64(statement, 10, row->thread);
    jmi_bind_text(statement, 11, row->attributes);
    sqlite3_bind_null(statement, 12);
    if (row->device != 0) sqlite3_bind_int64(statement, 12, row->device - 1);
    sqlite3_bind_int64(statement, 13, row->stream);
    return jmi_write_run(statement);
}

static bool insert_mark(jmi_writing *w, uint64_t index, const jmi_mark_row *row) {
    jmi_recfile *file = w->file;
    if (!jmi_write_prepare(file, &file->insert_mark, "INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)"))
        return false;
    sqlite3_stmt *statement = file->insert_mark;
    sqlite3_bind_int64(statement, 1, (int64_t)index + 1);
    sqlite3_bind_int64(statement, 2, row->t_ns);
    jmi_bind_text(statement, 3, row->name);
    sqlite3_bind_int64(statement, 4, row->pid);
    sqlite3_bind_int64(statement, 5, row->thread);
    jmi_bind_text(statement, 6, row->attributes);
    return jmi_write_run(statement);
}

static int write_range(jmi_writing *w, uint64_t index) {
    jmi_recording_lock(w->recording);
    const jmi_range_row *there = jmi_range_at(w->recording, index);
    jmi_range_row row = {0};
    if (there != NULL) row = *there;
    jmi_recording_unlock(w->recording);
    if (there == NULL) return jmi_fail(w->error, JM_IO, "a range could not be read back");
    return insert_range(w, index, &row) ? JM_OK : jmi_write_failed(w);
}

static int write_mark(jmi_writing *w, uint64_t index) {
    jmi_recording_lock(w->recording);
    const jmi_mark_row *there = jmi_mark_at(w->recording, index);
    jmi_mark_row row = {0};
    if (there != NULL) row = *there;
    jmi_recording_unlock(w->recording);
    if (there == NULL) return jmi_fail(w->error, JM_IO, "a mark could not be read back");
    return insert_mark(w, index, &row) ? JM_OK : jmi_write_failed(w);
}

/* Ranges that were written while they were open, and have changed since. Only the recording's own
 * store follows these. They stay in the list until the transaction is committed. */
int jmi_write_changed(jmi_writing *w, size_t *count) {
    *count = 0;
    if ((w->what & JMI_WRITE_STORE) == 0) return JM_OK;
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK; i++) {
        jmi_recording_lock(w->recording);
        bool more = i < w->recording->dirty_count;
        uint64_t index = more ? w->recording->dirty[i] : 0;
        jmi_range_row *row = more ? jmi_rows_at(&w->recording->ranges, index) : NULL;
        if (row != NULL) row->dirty = 0; /* a change from here on puts it into the list again */
        jmi_recording_unlock(w->recording);
        if (!more) break;
        status = write_range(w, index);
        *count = i + 1;
    }
    return status;
}

void jmi_write_forget(const jmi_writing *w, size_t count) {
    jm_recording *recording = w->recording;
    if (count == 0) return;
    jmi_recording_lock(recording);
    recording->dirty_count -= count;
    memmove(recording->dirty, recording->dirty + count,
            recording->dirty_count * sizeof *recording->dirty);
    jmi_recording_unlock(recording);
}

int jmi_write_rows(jmi_writing *w) {
    jmi_recfile_state *state = &w->file->state;
    uint64_t ranges = jm_recording_range_count(w->recording);
    uint64_t marks = jm_recording_mark_count(w->recording);
    if ((w->what & JMI_WRITE_STORE) != 0) {
        /* From here on a range that ends is one to be written again. */
        jmi_recording_lock(w->recording);
        if (ranges > w->recording->ranges_written) w->recording->ranges_written = ranges;
        jmi_recording_unlock(w->recording);
    }
    int status = JM_OK;
    while (status == JM_OK && state->ranges < ranges) status = write_range(w, state->ranges++);
    while (status == JM_OK && state->marks < marks) status = write_mark(w, state->marks++);
    return status;
}
