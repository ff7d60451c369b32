/* One transaction that writes a recording: what its parts share. */
#ifndef JMI_FILE_WRITING_H
#define JMI_FILE_WRITING_H

#include "record/file.h"

/* A chunk that this transaction completed; said to the recording once it is committed. */
typedef struct jmi_stored {
    uint32_t sensor;
    size_t chunk;
    uint32_t count;
    int64_t first_id;
} jmi_stored;

typedef struct jmi_writing {
    jmi_recfile *file;
    jm_recording *recording;
    int what;
    jm_error *error;
    jmi_stored *stored;
    size_t stored_count, stored_capacity;
} jmi_writing;

int jmi_write_failed(const jmi_writing *w);
int jmi_write_memory(const jmi_writing *w);
bool jmi_write_prepare(jmi_recfile *file, sqlite3_stmt **statement, const char *sql);
bool jmi_write_run(sqlite3_stmt *statement);
static inline void jmi_bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* New ranges and marks. */
int jmi_write_rows(jmi_writing *w);
/* Ranges that were written while they were open, and have changed since; `count` of them are to be
 * forgotten once the transaction is committed. */
int jmi_write_changed(jmi_writing *w, size_t *count);
void jmi_write_forget(const jmi_writing *w, size_t count);
/* Devices, sensors, facts, warnings, times, statistics. */
int jmi_write_little(jmi_writing *w);

#endif
