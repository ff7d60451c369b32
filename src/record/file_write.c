/* Writing a recording, or what is new of it, in one transaction. */
#include "record/file.h"

#include <stdlib.h>
#include <string.h>

/* A chunk that this transaction completed; said to the recording once it is committed. */
typedef struct stored {
    uint32_t sensor;
    size_t chunk;
    uint32_t count;
    int64_t first_id;
} stored;

typedef struct writing {
    jmi_recfile *file;
    jm_recording *recording;
    int what;
    jm_error *error;
    stored *stored;
    size_t stored_count, stored_capacity;
} writing;

static int failed(const writing *w) {
    return jmi_recfile_fail(w->file->db, w->error, "cannot write", w->file->path);
}

static int out_of_memory(const writing *w) {
    return jmi_fail(w->error, JM_MEMORY, "out of memory while writing %s", w->file->path);
}

static bool prepare(jmi_recfile *file, sqlite3_stmt **statement, const char *sql) {
    if (*statement != NULL) return true;
    return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) ==
           SQLITE_OK;
}

static bool run(sqlite3_stmt *statement) {
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    return (sqlite3_reset(statement) == SQLITE_OK) && done;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* ---- samples ---- */

static bool insert_samples(writing *w, uint32_t sensor, const jmi_columns *columns, uint32_t from,
                           uint32_t to, int64_t first_id) {
    jmi_recfile *file = w->file;
    if (from >= to) return true;
    if (!prepare(file, &file->insert_samples,
                 "INSERT INTO sample SELECT id, sensor, t_ns, value, since_ns, flags FROM columns"))
        return false;
    file->columns = columns;
    file->columns_from = from;
    file->columns_to = to;
    file->columns_sensor = sensor;
    file->columns_id = first_id;
    return run(file->insert_samples);
}

static bool insert_chunk(writing *w, uint32_t sensor, const jmi_chunk *chunk, int64_t first_id) {
    jmi_recfile *file = w->file;
    if (!prepare(file, &file->insert_chunk,
                 "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)"))
        return false;
    sqlite3_stmt *statement = file->insert_chunk;
    sqlite3_bind_int64(statement, 1, first_id);
    sqlite3_bind_int64(statement, 2, sensor);
    sqlite3_bind_int64(statement, 3, chunk->count);
    sqlite3_bind_int64(statement, 4, chunk->valid);
    sqlite3_bind_int64(statement, 5, chunk->t_first);
    sqlite3_bind_int64(statement, 6, chunk->t_last);
    sqlite3_bind_null(statement, 7);
    sqlite3_bind_null(statement, 8);
    if (chunk->valid > 0) {
        sqlite3_bind_double(statement, 7, chunk->low);
        sqlite3_bind_double(statement, 8, chunk->high);
    }
    return run(statement);
}

/* A chunk as it is now, with its columns held; read back if they are elsewhere. */
static int hold_chunk(const writing *w, uint32_t sensor, size_t index, jmi_chunk *chunk,
                      bool *sealed) {
    jm_recording *recording = w->recording;
    jmi_recording_lock(recording);
    const jmi_series *series = recording->series[sensor];
    bool there = index < series->chunk_count;
    if (there) {
        if ((w->what & JMI_WRITE_SEAL) != 0) series->chunks[index].sealed = true;
        *chunk = series->chunks[index];
        *sealed = index + 1 < series->chunk_count;
        if (chunk->columns != NULL)
            atomic_fetch_add_explicit(&chunk->columns->refs, 1, memory_order_relaxed);
    }
    jmi_recording_unlock(recording);
    if (!there) return JM_NOT_FOUND;
    /* One that is not in memory is in this very file, if this is the recording's store. */
    if (chunk->columns != NULL || (w->what & JMI_WRITE_STORE) != 0) return JM_OK;
    if (recording->store == NULL) return JM_IO;
    chunk->columns = jmi_columns_new(chunk->count);
    if (chunk->columns == NULL) return out_of_memory(w);
    int status = recording->store->load_chunk(recording->store, sensor, chunk->first_row,
                                              chunk->count, chunk->columns, w->error);
    if (status != JM_OK) jmi_columns_unref(chunk->columns);
    return status;
}

static int note_stored(writing *w, uint32_t sensor, size_t chunk, uint32_t count,
                       int64_t first_id) {
    if (!jmi_reserve(&w->stored, &w->stored_capacity, w->stored_count + 1, sizeof *w->stored))
        return out_of_memory(w);
    w->stored[w->stored_count++] = (stored){sensor, chunk, count, first_id};
    return JM_OK;
}

/* What is new of one chunk. Sets *more if the next one may be written too. */
static int write_chunk(writing *w, uint32_t sensor, jmi_written *written, bool *more) {
    jmi_chunk chunk;
    bool sealed = false;
    *more = false;
    int status = hold_chunk(w, sensor, written->chunk, &chunk, &sealed);
    if (status == JM_NOT_FOUND) return JM_OK;
    if (status != JM_OK) return status;
    if (written->first_id == 0 && chunk.columns != NULL) {
        /* Ids are reserved for all that the chunk may come to hold, so that its samples lie
         * together whatever else is written meanwhile. */
        written->first_id = w->file->state.next_id;
        w->file->state.next_id += chunk.columns->capacity;
    }
    bool fresh = chunk.columns != NULL && chunk.count > written->count;
    if (fresh && (!insert_samples(w, sensor, chunk.columns, written->count, chunk.count,
                                  written->first_id) ||
                  !insert_chunk(w, sensor, &chunk, written->first_id)))
        status = failed(w);
    jmi_columns_unref(chunk.columns);
    if (status != JM_OK) return status;
    bool whole = sealed || (w->what & (JMI_WRITE_SEAL | JMI_WRITE_COMPLETE)) != 0;
    written->count = chunk.count;
    if (whole && (w->what & JMI_WRITE_STORE) != 0)
        status = note_stored(w, sensor, written->chunk, chunk.count, written->first_id);
    if (sealed) {
        *written = (jmi_written){.chunk = written->chunk + 1};
        *more = true;
    }
    return status;
}

static int write_samples(writing *w) {
    jmi_recfile *file = w->file;
    uint32_t sensors = jm_recording_sensor_count(w->recording);
    size_t before = file->written_capacity;
    if (!jmi_reserve(&file->written, &file->written_capacity, sensors, sizeof *file->written))
        return out_of_memory(w);
    for (size_t i = before; i < file->written_capacity; i++) file->written[i] = (jmi_written){0};
    int status = JM_OK;
    for (uint32_t s = 0; status == JM_OK && s < sensors; s++)
        for (bool more = true; status == JM_OK && more;)
            status = write_chunk(w, s, &file->written[s], &more);
    return status;
}

/* The rows and chunks are safe: their memory may go when it is needed. */
static void tell_stored(writing *w) {
    jmi_recording_lock(w->recording);
    if ((w->what & JMI_WRITE_STORE) != 0) w->recording->marks_written = w->file->state.marks;
    for (size_t i = 0; i < w->stored_count; i++) {
        const stored *s = &w->stored[i];
        jmi_chunk *chunk = &w->recording->series[s->sensor]->chunks[s->chunk];
        /* One that grew meanwhile is not whole. */
        if (chunk->count == s->count) chunk->first_row = s->first_id;
    }
    jmi_recording_unlock(w->recording);
}

/* ---- ranges and marks ---- */

static bool insert_range(writing *w, uint64_t index, const jmi_range_row *row) {
    jmi_recfile *file = w->file;
    if (!prepare(file, &file->insert_range,
                 "INSERT OR REPLACE INTO range VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"))
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
    bind_text(statement, 7, jm_category_name(row->category));
    bind_text(statement, 8, row->name);
    sqlite3_bind_int64(statement, 9, row->pid);
    sqlite3_bind_int64(statement, 10, row->thread);
    bind_text(statement, 11, row->attributes);
    return run(statement);
}

static bool insert_mark(writing *w, uint64_t index, const jmi_mark_row *row) {
    jmi_recfile *file = w->file;
    if (!prepare(file, &file->insert_mark, "INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)"))
        return false;
    sqlite3_stmt *statement = file->insert_mark;
    sqlite3_bind_int64(statement, 1, (int64_t)index + 1);
    sqlite3_bind_int64(statement, 2, row->t_ns);
    bind_text(statement, 3, row->name);
    sqlite3_bind_int64(statement, 4, row->pid);
    sqlite3_bind_int64(statement, 5, row->thread);
    bind_text(statement, 6, row->attributes);
    return run(statement);
}

static int write_range(writing *w, uint64_t index) {
    jmi_recording_lock(w->recording);
    const jmi_range_row *there = jmi_range_at(w->recording, index);
    jmi_range_row row = {0};
    if (there != NULL) row = *there;
    jmi_recording_unlock(w->recording);
    if (there == NULL)
        return jmi_fail(w->error, JM_IO, "a range could not be read back");
    return insert_range(w, index, &row) ? JM_OK : failed(w);
}

static int write_mark(writing *w, uint64_t index) {
    jmi_recording_lock(w->recording);
    const jmi_mark_row *there = jmi_mark_at(w->recording, index);
    jmi_mark_row row = {0};
    if (there != NULL) row = *there;
    jmi_recording_unlock(w->recording);
    if (there == NULL) return jmi_fail(w->error, JM_IO, "a mark could not be read back");
    return insert_mark(w, index, &row) ? JM_OK : failed(w);
}

/* Ranges that were written while they were open, and have changed since. Only the recording's own
 * store follows these. They stay in the list until the transaction is committed. */
static int write_changed(writing *w, size_t *count) {
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

static void forget_changed(const writing *w, size_t count) {
    jm_recording *recording = w->recording;
    jmi_recording_lock(recording);
    recording->dirty_count -= count;
    memmove(recording->dirty, recording->dirty + count,
            recording->dirty_count * sizeof *recording->dirty);
    jmi_recording_unlock(recording);
}

static int write_rows(writing *w) {
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

/* ---- what there is little of ---- */

static bool one(writing *w, const char *sql, sqlite3_stmt **statement) {
    *statement = NULL;
    return sqlite3_prepare_v2(w->file->db, sql, -1, statement, NULL) == SQLITE_OK;
}

static bool finish_one(sqlite3_stmt *statement) {
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    return (sqlite3_finalize(statement) == SQLITE_OK) && done;
}

static bool write_device(writing *w, uint32_t index) {
    jm_device d = {.size = sizeof d};
    sqlite3_stmt *statement;
    if (jm_recording_device(w->recording, index, &d) != JM_OK ||
        !one(w, "INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, index);
    bind_text(statement, 2, d.name);
    bind_text(statement, 3, d.vendor);
    bind_text(statement, 4, d.model);
    bind_text(statement, 5, d.uuid);
    bind_text(statement, 6, d.pci);
    bind_text(statement, 7, d.driver);
    sqlite3_bind_int(statement, 8, d.in_total);
    sqlite3_bind_int(statement, 9, d.simulated);
    sqlite3_bind_double(statement, 10, d.power_limit_w);
    sqlite3_bind_double(statement, 11, d.power_floor_w);
    return finish_one(statement);
}

static int64_t as_int(uint64_t value) { return value < INT64_MAX ? (int64_t)value : INT64_MAX; }

static bool write_sensor(writing *w, uint32_t index) {
    jm_sensor s = {.size = sizeof s};
    sqlite3_stmt *statement;
    if (jm_recording_sensor(w->recording, index, &s) != JM_OK ||
        !one(w, "INSERT INTO sensor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, index);
    sqlite3_bind_int64(statement, 2, s.device);
    bind_text(statement, 3, jm_quantity_name((int)s.quantity));
    bind_text(statement, 4, jm_quantity_unit((int)s.quantity));
    bind_text(statement, 5, s.source);
    sqlite3_bind_int(statement, 6, s.counter);
    sqlite3_bind_int(statement, 7, s.modelled);
    sqlite3_bind_int(statement, 8, s.source_time);
    sqlite3_bind_int64(statement, 9, as_int(s.refresh_ns));
    sqlite3_bind_int64(statement, 10, as_int(s.window_ns));
    sqlite3_bind_int64(statement, 11, as_int(s.lag_ns));
    sqlite3_bind_double(statement, 12, s.noise);
    sqlite3_bind_double(statement, 13, s.quantum);
    sqlite3_bind_int(statement, 14, s.calibrated);
    return finish_one(statement);
}

static bool write_info(writing *w) {
    jm_recording *recording = w->recording;
    for (size_t i = 0;; i++) {
        jmi_recording_lock(recording);
        bool more = i < recording->info_count;
        jmi_info info = more ? recording->info[i] : (jmi_info){NULL, NULL};
        w->file->state.info_changes = recording->info_changes;
        jmi_recording_unlock(recording);
        sqlite3_stmt *statement;
        if (!more) return true;
        if (!one(w, "INSERT OR REPLACE INTO info VALUES (?, ?)", &statement)) return false;
        bind_text(statement, 1, info.key);
        bind_text(statement, 2, info.value);
        if (!finish_one(statement)) return false;
    }
}

static bool write_warnings(writing *w) {
    size_t *at = &w->file->state.warnings;
    for (;; ++*at) {
        jmi_recording_lock(w->recording);
        bool more = *at < w->recording->warning_count;
        jmi_warning warning = {NULL, NULL};
        if (more) warning = w->recording->warnings[*at];
        jmi_recording_unlock(w->recording);
        sqlite3_stmt *statement;
        if (!more) return true;
        if (!one(w, "INSERT INTO warning VALUES (?, ?, ?)", &statement)) return false;
        sqlite3_bind_int64(statement, 1, (int64_t)*at + 1);
        bind_text(statement, 2, warning.kind);
        bind_text(statement, 3, warning.text);
        if (!finish_one(statement)) return false;
    }
}

static bool write_times(writing *w) {
    jm_recording *recording = w->recording;
    sqlite3_stmt *statement;
    if (!one(w, "INSERT OR REPLACE INTO recording VALUES (1, ?, ?, ?, ?)", &statement)) return false;
    sqlite3_bind_int64(statement, 1, jm_recording_begin_ns(recording));
    sqlite3_bind_int64(statement, 2, jm_recording_end_ns(recording));
    sqlite3_bind_int64(statement, 3, jm_recording_utc_offset_ns(recording));
    sqlite3_bind_int(statement, 4, (w->what & JMI_WRITE_COMPLETE) != 0);
    return finish_one(statement);
}

static bool write_stats(writing *w) {
    jm_sampler_stats stats = {.size = sizeof stats};
    sqlite3_stmt *statement;
    jm_recording_sampler_stats(w->recording, &stats);
    if (!one(w, "INSERT OR REPLACE INTO sampler VALUES (1, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, as_int(stats.polls));
    sqlite3_bind_int64(statement, 2, as_int(stats.failed));
    sqlite3_bind_int64(statement, 3, as_int(stats.late));
    sqlite3_bind_int64(statement, 4, as_int(stats.dropped));
    sqlite3_bind_int64(statement, 5, as_int(stats.cpu_ns));
    sqlite3_bind_int64(statement, 6, as_int(stats.worst_late_ns));
    return finish_one(statement);
}

static int write_little(writing *w) {
    jmi_recfile_state *state = &w->file->state;
    bool good = true;
    for (; good && state->devices < jm_recording_device_count(w->recording); state->devices++)
        good = write_device(w, (uint32_t)state->devices);
    for (; good && state->sensors < jm_recording_sensor_count(w->recording); state->sensors++)
        good = write_sensor(w, (uint32_t)state->sensors);
    jmi_recording_lock(w->recording);
    bool info = state->info_changes != w->recording->info_changes;
    jmi_recording_unlock(w->recording);
    if (good && info) good = write_info(w);
    good = good && write_warnings(w) && write_times(w) && write_stats(w);
    return good ? JM_OK : failed(w);
}

/* ---- all ---- */

static int write_all(writing *w, size_t *changed) {
    int status = write_little(w);
    /* New ranges first: one that ends meanwhile is then in the list of those that changed. */
    if (status == JM_OK) status = write_rows(w);
    if (status == JM_OK) status = write_changed(w, changed);
    if (status == JM_OK) status = write_samples(w);
    return status;
}

static int write_in_transaction(writing *w) {
    jmi_recfile *file = w->file;
    jmi_recfile_state before = file->state;
    size_t count = file->written_capacity, changed = 0;
    jmi_written *written = jmi_alloc(count, sizeof *written);
    if (written == NULL) return out_of_memory(w);
    if (count > 0) memcpy(written, file->written, count * sizeof *written);
    int status = JM_OK;
    if (sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        status = failed(w);
    if (status == JM_OK) {
        status = write_all(w, &changed);
        if (status == JM_OK && sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
            status = failed(w);
        if (status != JM_OK) sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (status == JM_OK) {
        forget_changed(w, changed);
        tell_stored(w);
    } else { /* nothing of it is in the file: the next try begins where this one did */
        file->state = before;
        for (size_t i = 0; i < file->written_capacity; i++)
            file->written[i] = i < count ? written[i] : (jmi_written){0};
    }
    free(written);
    return status;
}

int jmi_recfile_write(jmi_recfile *file, jm_recording *recording, int what, jm_error *error) {
    writing w = {.file = file, .recording = recording, .what = what, .error = error};
    pthread_mutex_lock(&file->lock);
    int status = write_in_transaction(&w);
    pthread_mutex_unlock(&file->lock);
    free(w.stored);
    return status;
}
