/* A recording file, open. It can be written to (a session's file, a spill file, a saved one) and
 * read from (chunks, ranges and marks that are not in memory). One connection, one lock. */
#ifndef JMI_FILE_H
#define JMI_FILE_H

#include "record/recording.h"

#include <sqlite3.h>

typedef struct jmi_recfile jmi_recfile;

/* How much of a series has been written. */
typedef struct jmi_written {
    size_t chunk;     /* chunks before it are written as a whole */
    uint32_t count;   /* samples of that chunk that are */
    int64_t first_id; /* of that chunk: a stretch of ids is reserved for it. 0: not yet */
} jmi_written;

typedef struct jmi_recfile_state {
    int64_t next_id; /* of samples: ids before it are used or reserved */
    int64_t top_id;  /* highest that is used */
    uint64_t ranges, marks;
    size_t warnings, devices, sensors;
    uint64_t info_changes;
} jmi_recfile_state;

struct jmi_recfile {
    jmi_store store; /* first: a store is a file */
    pthread_mutex_t lock;
    sqlite3 *db;
    char *path;
    int lock_fd; /* -1: none. Closed after the connection: to close a file ends SQLite's locks */
    jmi_recfile_state state;
    jmi_written *written; /* of each series */
    size_t written_capacity;
    const jmi_columns *columns; /* what is being inserted: see columns_table.c */
    uint32_t columns_from, columns_to, columns_sensor;
    int64_t columns_id;
    sqlite3_stmt *insert_samples, *append_samples, *insert_chunk, *insert_range, *insert_mark;
    sqlite3_stmt *read_samples, *read_ranges, *read_marks;
};

/* Makes a file with its tables beside `path`; it gets that name when it is published. JM_INVALID if
 * something that is no recording is in the way. */
int jmi_recfile_create(jmi_recfile **file, const char *path, jm_error *error);
/* Makes a file that only this process sees and that is gone when it is. */
int jmi_recfile_spill(jmi_recfile **file, const char *folder, jm_error *error);
/* Gives a file its name, in one step, and lets go of it; durable: even if power fails. */
int jmi_recfile_publish(jmi_recfile *file, const char *path, bool durable, jm_error *error);
/* Goes on writing to a published file such that it is readable whenever the process is killed. */
int jmi_recfile_go_live(jmi_recfile *file, jm_error *error);

enum {
    JMI_WRITE_STORE = 1, /* the file is the recording's store: chunks may be shed afterwards */
    JMI_WRITE_SEAL = 2,  /* the chunks that still grow, too: room is needed */
    JMI_WRITE_COMPLETE = 4
};
/* Writes what is new since the last call, in one transaction: all of it or nothing. */
int jmi_recfile_write(jmi_recfile *file, jm_recording *recording, int what, jm_error *error);
/* A file that is being written is locked: `fd` is one of it, the file's from now on. */
void jmi_recfile_lock(jmi_recfile *file, int fd);
void jmi_recfile_unlock(const jmi_recfile *file);
/* JM_INVALID if somebody writes it. */
int jmi_recfile_check_free(const char *path, jm_error *error);
/* What has the name of a file now: itself, nothing since it was removed, or another one. */
typedef enum jmi_place { JMI_PLACE_OURS, JMI_PLACE_EMPTY, JMI_PLACE_TAKEN } jmi_place;
jmi_place jmi_recfile_place(const jmi_recfile *file);

/* Makes one plain file of it, no journal beside it, which others may replace. */
int jmi_recfile_settle(jmi_recfile *file, jm_error *error);
void jmi_recfile_close(jmi_recfile *file);
/* One without a database yet. NULL: out of memory. */
jmi_recfile *jmi_recfile_new(const char *path);

/* Opens for reading whatever the state it was left in; JM_FORMAT if it is none of ours. */
int jmi_recfile_open(jmi_recfile **file, const char *path, jm_error *error);
/* Opens a database of ours read-only; also for jm_sql. */
int jmi_recfile_open_db(sqlite3 **db, const char *path, jm_error *error);

/* Hands the column names of a prepared query over, then each row. */
int jmi_sql_rows(sqlite3_stmt *statement, jm_row_fn row, void *user, jm_error *error);

/* "cannot write x.jm: database or disk is full", with a status that fits. */
int jmi_recfile_fail(sqlite3 *db, jm_error *error, const char *what, const char *path);

/* The table-valued view of columns in memory, so that a chunk is one INSERT. */
int jmi_columns_table(jmi_recfile *file);

/* Reading; the lock is taken inside. */
int jmi_recfile_load_chunk(jmi_store *store, uint32_t sensor, int64_t first_row, uint32_t count,
                           jmi_columns *into, jm_error *error);
int jmi_recfile_load_ranges(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                            jmi_range_row *rows);
int jmi_recfile_load_marks(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                           jmi_mark_row *rows);

#endif
