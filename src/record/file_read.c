/* Reading a recording file. What a file says is checked before it is believed: it may be damaged,
 * or made to harm. */
#include "record/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- on demand: chunks, ranges, marks ---- */

static bool ready(jmi_recfile *file, sqlite3_stmt **statement, const char *sql) {
    if (*statement != NULL) return true;
    return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) ==
           SQLITE_OK;
}

static bool is_int(sqlite3_stmt *row, int at) {
    return sqlite3_column_type(row, at) == SQLITE_INTEGER;
}

static int load_sample(sqlite3_stmt *row, uint32_t sensor, uint32_t i, jmi_columns *into) {
    if (!is_int(row, 0) || !is_int(row, 1) || !is_int(row, 3) || !is_int(row, 4)) return JM_FORMAT;
    int64_t since = sqlite3_column_int64(row, 3);
    into->t_ns[i] = sqlite3_column_int64(row, 1);
    into->value[i] = sqlite3_column_double(row, 2);
    into->since_ns[i] = since < 0 || since > UINT32_MAX ? UINT32_MAX : (uint32_t)since;
    into->flags[i] = (uint8_t)(sqlite3_column_int64(row, 4) & 0x0f);
    bool number = sqlite3_column_type(row, 2) == SQLITE_FLOAT && isfinite(into->value[i]);
    if (!number) {
        into->value[i] = 0;
        into->flags[i] |= JM_SAMPLE_MISSING;
    }
    bool good = sqlite3_column_int64(row, 0) == sensor && jmi_time_valid(into->t_ns[i]) &&
                (i == 0 || into->t_ns[i] > into->t_ns[i - 1]);
    return good ? JM_OK : JM_FORMAT;
}

static int load_samples(jmi_recfile *file, uint32_t sensor, int64_t first_row, uint32_t count,
                        jmi_columns *into) {
    if (!ready(file, &file->read_samples,
               "SELECT sensor, t_ns, value, since_ns, flags FROM sample WHERE id >= ? ORDER BY id "
               "LIMIT ?"))
        return JM_IO;
    sqlite3_stmt *row = file->read_samples;
    sqlite3_bind_int64(row, 1, first_row);
    sqlite3_bind_int64(row, 2, count);
    int status = JM_OK;
    uint32_t i = 0;
    int code = SQLITE_DONE;
    while (status == JM_OK && i < count && (code = sqlite3_step(row)) == SQLITE_ROW)
        status = load_sample(row, sensor, i++, into);
    sqlite3_reset(row);
    if (status == JM_OK && i < count) status = code == SQLITE_DONE ? JM_FORMAT : JM_IO;
    return status;
}

int jmi_recfile_load_chunk(jmi_store *store, uint32_t sensor, int64_t first_row, uint32_t count,
                           jmi_columns *into, jm_error *error) {
    jmi_recfile *file = (jmi_recfile *)store;
    pthread_mutex_lock(&file->lock);
    int status = load_samples(file, sensor, first_row, count, into);
    if (status != JM_OK)
        jmi_fail(error, status, "samples of sensor %u cannot be read from %s: it is damaged",
                 sensor, file->path);
    pthread_mutex_unlock(&file->lock);
    return status;
}

static const char *text_at(jm_recording *recording, sqlite3_stmt *row, int at) {
    const char *text = (const char *)sqlite3_column_text(row, at);
    return jmi_recording_text(recording, text, text != NULL ? strlen(text) : 0);
}

static int category_of(const char *name) {
    for (int c = 0; name != NULL && jmi_category_valid(c); c++)
        if (strcmp(jm_category_name(c), name) == 0) return c;
    return JM_CATEGORY_USER;
}

static int load_range(jm_recording *recording, sqlite3_stmt *row, jmi_range_row *range) {
    range->id = (uint64_t)sqlite3_column_int64(row, 1);
    range->parent = (uint64_t)sqlite3_column_int64(row, 2);
    range->begin_ns = sqlite3_column_int64(row, 3);
    range->end_ns = sqlite3_column_int64(row, 4);
    range->state = sqlite3_column_int(row, 5) != 0 ? JMI_RANGE_UNFINISHED : JMI_RANGE_ENDED;
    range->category = (uint8_t)category_of((const char *)sqlite3_column_text(row, 6));
    range->name = text_at(recording, row, 7);
    range->pid = (uint32_t)sqlite3_column_int64(row, 8);
    range->thread = (uint32_t)sqlite3_column_int64(row, 9);
    range->attributes = text_at(recording, row, 10);
    int64_t device =
        sqlite3_column_type(row, 11) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 11);
    if (device >= 0 && device < jm_recording_device_count(recording))
        range->device = (uint16_t)(device + 1);
    range->stream = (uint32_t)sqlite3_column_int64(row, 12);
    if (range->name == NULL || range->attributes == NULL) return JM_MEMORY;
    if (sqlite3_column_type(row, 4) == SQLITE_NULL) { /* cut off while it was open */
        range->state = JMI_RANGE_UNFINISHED;
        int64_t end = jm_recording_end_ns(recording);
        range->end_ns = end > range->begin_ns ? end : range->begin_ns;
    }
    bool good = is_int(row, 3) && jmi_time_valid(range->begin_ns) &&
                jmi_time_valid(range->end_ns) && range->end_ns >= range->begin_ns;
    return good ? JM_OK : JM_FORMAT;
}

int jmi_recfile_load_ranges(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                            jmi_range_row *rows) {
    jmi_recfile *file = (jmi_recfile *)store;
    pthread_mutex_lock(&file->lock);
    int status = JM_IO;
    size_t i = 0;
    if (ready(file, &file->read_ranges,
              "SELECT seq, id, parent, begin_ns, end_ns, unfinished, category, name, pid, thread, "
              "attributes, device, stream FROM range WHERE seq >= ? ORDER BY seq LIMIT ?")) {
        sqlite3_stmt *row = file->read_ranges;
        sqlite3_bind_int64(row, 1, (int64_t)first + 1);
        sqlite3_bind_int64(row, 2, (int64_t)count);
        status = JM_OK;
        for (; status == JM_OK && i < count && sqlite3_step(row) == SQLITE_ROW; i++) {
            bool next = sqlite3_column_int64(row, 0) == (int64_t)(first + i) + 1;
            status = next ? load_range(recording, row, &rows[i]) : JM_FORMAT;
        }
        sqlite3_reset(row);
        if (status == JM_OK && i < count) status = JM_FORMAT;
    }
    pthread_mutex_unlock(&file->lock);
    return status;
}

static int load_mark(jm_recording *recording, sqlite3_stmt *row, jmi_mark_row *mark) {
    mark->t_ns = sqlite3_column_int64(row, 1);
    mark->name = text_at(recording, row, 2);
    mark->pid = (uint32_t)sqlite3_column_int64(row, 3);
    mark->thread = (uint32_t)sqlite3_column_int64(row, 4);
    mark->attributes = text_at(recording, row, 5);
    if (mark->name == NULL || mark->attributes == NULL) return JM_MEMORY;
    return is_int(row, 1) && jmi_time_valid(mark->t_ns) ? JM_OK : JM_FORMAT;
}

int jmi_recfile_load_marks(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                           jmi_mark_row *rows) {
    jmi_recfile *file = (jmi_recfile *)store;
    pthread_mutex_lock(&file->lock);
    int status = JM_IO;
    size_t i = 0;
    if (ready(file, &file->read_marks,
              "SELECT seq, t_ns, name, pid, thread, attributes FROM mark WHERE seq >= ? "
              "ORDER BY seq LIMIT ?")) {
        sqlite3_stmt *row = file->read_marks;
        sqlite3_bind_int64(row, 1, (int64_t)first + 1);
        sqlite3_bind_int64(row, 2, (int64_t)count);
        status = JM_OK;
        for (; status == JM_OK && i < count && sqlite3_step(row) == SQLITE_ROW; i++) {
            bool next = sqlite3_column_int64(row, 0) == (int64_t)(first + i) + 1;
            status = next ? load_mark(recording, row, &rows[i]) : JM_FORMAT;
        }
        sqlite3_reset(row);
        if (status == JM_OK && i < count) status = JM_FORMAT;
    }
    pthread_mutex_unlock(&file->lock);
    return status;
}
