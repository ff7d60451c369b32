/* Writing a recording, or what is new of it, in one transaction. */
#include "record/file_writing.h"

#include <stdlib.h>
#include <string.h>

int jmi_write_failed(const jmi_writing *w) {
    return jmi_recfile_fail(w->file->db, w->error, "cannot write", w->file->path);
}

int jmi_write_memory(const jmi_writing *w) {
    return jmi_fail(w->error, JM_MEMORY, "out of memory while writing %s", w->file->path);
}

bool jmi_write_prepare(jmi_recfile *file, sqlite3_stmt **statement, const char *sql) {
    if (*statement != NULL) return true;
    return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) ==
           SQLITE_OK;
}

bool jmi_write_run(sqlite3_stmt *statement) {
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    return (sqlite3_reset(statement) == SQLITE_OK) && done;
}

/* ---- samples ---- */

/* Where the ids follow the highest one there is, SQLite may choose them, which is faster. */
static sqlite3_stmt *samples_statement(jmi_recfile *file, int64_t id) {
    bool last = id == file->state.top_id + 1;
    const char *sql = last ? "INSERT INTO sample SELECT NULL, sensor, t_ns, value, since_ns, flags "
                             "FROM columns"
                           : "INSERT INTO sample SELECT id, sensor, t_ns, value, since_ns, flags "
                             "FROM columns";
    sqlite3_stmt **statement = last ? &file->append_samples : &file->insert_samples;
    return jmi_write_prepare(file, statement, sql) ? *statement : NULL;
}

static bool insert_samples(jmi_writing *w, uint32_t sensor, const jmi_columns *columns,
                           uint32_t from, uint32_t to, int64_t first_id) {
    jmi_recfile *file = w->file;
    sqlite3_stmt *statement = samples_statement(file, first_id + from);
    if (statement == NULL) return false;
    file->columns = columns;
    file->columns_from = from;
    file->columns_to = to;
    file->columns_sensor = sensor;
    file->columns_id = first_id;
    if (first_id + to - 1 > file->state.top_id) file->state.top_id = first_id + to - 1;
    return jmi_write_run(statement);
}

static bool insert_chunk(jmi_writing *w, uint32_t sensor, const jmi_chunk *chunk,
                         int64_t first_id) {
    jmi_recfile *file = w->file;
    if (!jmi_write_prepare(file, &file->insert_chunk,
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
    return jmi_write_run(statement);
}

/* A chunk as it is now, with its columns held; read back if they are elsewhere. */
static int hold_chunk(const jmi_writing *w, uint32_t sensor, size_t index, jmi_chunk *chunk,
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
    if (chunk->columns == NULL) return jmi_write_memory(w);
    int status = recording->store->load_chunk(recording->store, sensor, chunk->first_row,
                                              chunk->count, chunk->columns, w->error);
    if (status != JM_OK) jmi_columns_unref(chunk->columns);
    return status;
}

static int note_stored(jmi_writing *w, uint32_t sensor, size_t chunk, uint32_t count,
                       int64_t first_id) {
    if (!jmi_reserve(&w->stored, &w->stored_capacity, w->stored_count + 1, sizeof *w->stored))
        return jmi_write_memory(w);
    w->stored[w->stored_count++] = (jmi_stored){sensor, chunk, count, first_id};
    return JM_OK;
}

/* What is new of one chunk. Sets *more if the next one may be written too. */
static int write_chunk(jmi_writing *w, uint32_t sensor, jmi_written *written, bool *more) {
    jmi_chunk chunk;
    bool sealed = false;
    *more = false;
    int status = hold_chunk(w, sensor, written->chunk, &chunk, &sealed);
    if (status == JM_NOT_FOUND) return JM_OK;
    if (status != JM_OK) return status;
    bool whole = sealed || chunk.sealed || (w->what & JMI_WRITE_COMPLETE) != 0;
    if (written->first_id == 0 && chunk.columns != NULL) {
        /* Ids are reserved for all that the chunk may come to hold, so that its samples lie
         * together whatever else is written meanwhile. */
        written->first_id = w->file->state.next_id;
        w->file->state.next_id += whole ? chunk.count : chunk.columns->capacity;
    }
    bool fresh = chunk.columns != NULL && chunk.count > written->count;
    if (fresh && (!insert_samples(w, sensor, chunk.columns, written->count, chunk.count,
                                  written->first_id) ||
                  !insert_chunk(w, sensor, &chunk, written->first_id)))
        status = jmi_write_failed(w);
    jmi_columns_unref(chunk.columns);
    if (status != JM_OK) return status;
    written->count = chunk.count;
    if (whole && (w->what & JMI_WRITE_STORE) != 0)
        status = note_stored(w, sensor, written->chunk, chunk.count, written->first_id);
    if (sealed) {
        *written = (jmi_written){.chunk = written->chunk + 1};
        *more = true;
    }
    return status;
}

static int write_samples(jmi_writing *w) {
    jmi_recfile *file = w->file;
    uint32_t sensors = jm_recording_sensor_count(w->recording);
    size_t before = file->written_capacity;
    if (!jmi_reserve(&file->written, &file->written_capacity, sensors, sizeof *file->written))
        return jmi_write_memory(w);
    for (size_t i = before; i < file->written_capacity; i++) file->written[i] = (jmi_written){0};
    int status = JM_OK;
    for (uint32_t s = 0; status == JM_OK && s < sensors; s++)
        for (bool more = true; status == JM_OK && more;)
            status = write_chunk(w, s, &file->written[s], &more);
    return status;
}

/* The rows and chunks are safe: their memory may go when it is needed. */
static void tell_stored(jmi_writing *w) {
    jmi_recording_lock(w->recording);
    if ((w->what & JMI_WRITE_STORE) != 0) w->recording->marks_written = w->file->state.marks;
    for (size_t i = 0; i < w->stored_count; i++) {
        const jmi_stored *s = &w->stored[i];
        jmi_chunk *chunk = &w->recording->series[s->sensor]->chunks[s->chunk];
        /* One that grew meanwhile is not whole. */
        if (chunk->count == s->count) chunk->first_row = s->first_id;
    }
    jmi_recording_unlock(w->recording);
}

/* ---- all ---- */

static int write_all(jmi_writing *w, size_t *changed) {
    int status = jmi_write_little(w);
    /* New ranges first: one that ends meanwhile is then in the list of those that changed. */
    if (status == JM_OK) status = jmi_write_rows(w);
    if (status == JM_OK) status = jmi_write_changed(w, changed);
    if (status == JM_OK) status = write_samples(w);
    return status;
}

static int write_in_transaction(jmi_writing *w) {
    jmi_recfile *file = w->file;
    jmi_recfile_state before = file->state;
    size_t count = file->written_capacity, changed = 0;
    jmi_written *written = jmi_alloc(count, sizeof *written);
    if (written == NULL) return jmi_write_memory(w);
    if (count > 0) memcpy(written, file->written, count * sizeof *written);
    int status = JM_OK;
    if (sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        status = jmi_write_failed(w);
    if (status == JM_OK) {
        status = write_all(w, &changed);
        if (status == JM_OK && sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
            status = jmi_write_failed(w);
        if (status != JM_OK) sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (status == JM_OK) {
        jmi_write_forget(w, changed);
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
    jmi_writing w = {.file = file, .recording = recording, .what = what, .error = error};
    pthread_mutex_lock(&file->lock);
    int status = write_in_transaction(&w);
    pthread_mutex_unlock(&file->lock);
    free(w.stored);
    return status;
}
