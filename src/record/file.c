/* Making and closing recording files. */
#include "record/file.h"

#include "record/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int jmi_recfile_fail(sqlite3 *db, jm_error *error, const char *what, const char *path) {
    int code = db != NULL ? sqlite3_errcode(db) : SQLITE_NOMEM;
    int status = JM_IO;
    switch (code & 0xff) {
    case SQLITE_NOMEM: status = JM_MEMORY; break;
    case SQLITE_FULL: status = JM_FULL; break;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: status = JM_PERMISSION; break;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: status = JM_FORMAT; break;
    default: break;
    }
    int cause = db != NULL ? sqlite3_system_errno(db) : 0;
    if (cause != 0 && (code & 0xff) == SQLITE_CANTOPEN)
        return jmi_fail_errno(error, cause, "%s %s", what, path);
    return jmi_fail(error, status, "%s %s: %s", what, path,
                    db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

static jmi_recfile *new_file(const char *path) {
    jmi_recfile *file = jmi_alloc(1, sizeof *file);
    if (file == NULL) return NULL;
    pthread_mutex_init(&file->lock, NULL);
    file->path = jmi_strdup(path);
    file->state.next_id = 1;
    if (file->path == NULL) {
        jmi_recfile_close(file);
        return NULL;
    }
    return file;
}

static void close_store(jmi_store *store) { jmi_recfile_close((jmi_recfile *)store); }

static void be_store(jmi_recfile *file) {
    file->store = (jmi_store){.load_chunk = jmi_recfile_load_chunk,
                              .load_ranges = jmi_recfile_load_ranges,
                              .load_marks = jmi_recfile_load_marks,
                              .close = close_store};
}

void jmi_recfile_close(jmi_recfile *file) {
    if (file == NULL) return;
    sqlite3_stmt *statements[] = {file->insert_samples, file->insert_chunk, file->insert_range,
                                  file->insert_mark,    file->read_samples, file->read_ranges,
                                  file->read_marks};
    for (size_t i = 0; i < JMI_COUNT(statements); i++) sqlite3_finalize(statements[i]);
    sqlite3_close(file->db);
    free(file->written);
    free(file->path);
    pthread_mutex_destroy(&file->lock);
    free(file);
}

/* ---- making ---- */

static int make_tables(jmi_recfile *file, jm_error *error) {
    char text[128];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             JMI_APPLICATION_ID, JMI_USER_VERSION);
    int status = sqlite3_exec(file->db, "BEGIN", NULL, NULL, NULL);
    if (status == SQLITE_OK) status = sqlite3_exec(file->db, text, NULL, NULL, NULL);
    for (size_t i = 0; status == SQLITE_OK && i < jmi_table_count; i++)
        status = sqlite3_exec(file->db, jmi_tables[i].sql, NULL, NULL, NULL);
    if (status == SQLITE_OK) status = sqlite3_exec(file->db, jmi_views, NULL, NULL, NULL);
    if (status == SQLITE_OK) status = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    if (status != SQLITE_OK) return jmi_recfile_fail(file->db, error, "cannot write", file->path);
    return JM_OK;
}

/* Only what is a recording, or empty, may be replaced by one. */
static int clear_the_way(const char *path, jm_error *error) {
    struct stat info;
    if (stat(path, &info) != 0) return JM_OK;
    if (!S_ISREG(info.st_mode))
        return jmi_fail(error, JM_INVALID, "%s is no file that could be recorded into", path);
    if (info.st_size != 0) {
        sqlite3 *db;
        jm_error why;
        if (jmi_recfile_open_db(&db, path, &why) == JM_FORMAT)
            return jmi_fail(error, JM_INVALID,
                            "%s exists and is no recording; it is left as it is", path);
        sqlite3_close(db);
    }
    if (unlink(path) != 0) return jmi_fail_errno(error, errno, "cannot replace %s", path);
    return JM_OK;
}

/* What a database of that name that is gone may have left. */
static void remove_journals(const char *path) {
    static const char *const endings[] = {"-wal", "-shm", "-journal"};
    char name[4096];
    for (size_t i = 0; i < JMI_COUNT(endings); i++)
        if (jmi_path(name, sizeof name, NULL, "%s%s", path, endings[i])) unlink(name);
}

static int set_up(jmi_recfile *file, jmi_recfile_kind kind, jm_error *error) {
    /* LIVE: a second that was committed survives SIGKILL; power failure may cost what came after
     * the last checkpoint. The others are of no use half-written. */
    static const char *const modes[] = {
        [JMI_FILE_LIVE] = "PRAGMA synchronous = NORMAL; PRAGMA journal_mode = WAL; "
                          "PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864",
        [JMI_FILE_SPILL] = "PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE",
        [JMI_FILE_SAVED] = "PRAGMA locking_mode = EXCLUSIVE",
    };
    sqlite3_busy_timeout(file->db, 2000);
    int status = sqlite3_exec(file->db, "PRAGMA mmap_size = 0; PRAGMA synchronous = OFF; "
                                        "PRAGMA journal_mode = OFF",
                              NULL, NULL, NULL);
    if (status == SQLITE_OK) status = jmi_columns_table(file);
    if (status != SQLITE_OK) return jmi_recfile_fail(file->db, error, "cannot write", file->path);
    /* The tables come before the journal: what the file is stands in it from the beginning. */
    int made = make_tables(file, error);
    if (made != JM_OK) return made;
    if (sqlite3_exec(file->db, modes[kind], NULL, NULL, NULL) != SQLITE_OK)
        return jmi_recfile_fail(file->db, error, "cannot write", file->path);
    return JM_OK;
}

int jmi_recfile_create(jmi_recfile **file, const char *path, jmi_recfile_kind kind, jm_error *error) {
    *file = NULL;
    int status = kind == JMI_FILE_LIVE ? clear_the_way(path, error) : JM_OK;
    if (status != JM_OK) return status;
    if (kind == JMI_FILE_LIVE) remove_journals(path);
    jmi_recfile *fresh = new_file(path);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a recording file");
    fresh->temporary = kind != JMI_FILE_LIVE;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &fresh->db, flags, NULL) != SQLITE_OK)
        status = jmi_recfile_fail(fresh->db, error, "cannot write", path);
    if (status == JM_OK) status = set_up(fresh, kind, error);
    /* A spill file has no name from here on: nothing is left of it whatever happens. */
    if (kind == JMI_FILE_SPILL) unlink(path);
    if (status != JM_OK) {
        jmi_recfile_close(fresh);
        return status;
    }
    be_store(fresh);
    *file = fresh;
    return JM_OK;
}

int jmi_recfile_settle(jmi_recfile *file, jm_error *error) {
    pthread_mutex_lock(&file->lock);
    int status = sqlite3_exec(file->db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
                              NULL, NULL, NULL);
    if (status != SQLITE_OK)
        status = jmi_recfile_fail(file->db, error, "cannot complete", file->path);
    pthread_mutex_unlock(&file->lock);
    return status;
}

/* ---- opening ---- */

static int check_header(const char *path, jm_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot open %s", path);
    struct stat info;
    unsigned char header[100];
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    ssize_t got = regular ? pread(fd, header, sizeof header, 0) : 0;
    close(fd);
    if (!regular) return jmi_fail(error, JM_FORMAT, "%s is no recording: it is no file", path);
    uint32_t id = 0;
    if (got == (ssize_t)sizeof header)
        id = (uint32_t)header[68] << 24 | (uint32_t)header[69] << 16 | (uint32_t)header[70] << 8 |
             header[71];
    if (got != (ssize_t)sizeof header || memcmp(header, "SQLite format 3", 16) != 0 ||
        id != JMI_APPLICATION_ID)
        return jmi_fail(error, JM_FORMAT, "%s is no joulemeter recording", path);
    return JM_OK;
}

/* A path as an URI, with what has a meaning there escaped. */
static char *uri_of(const char *path, const char *options) {
    jmi_text text = {0};
    jmi_text_add(&text, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        if (strchr("%?#", *c) != NULL)
            jmi_text_add(&text, "%%%02x", (unsigned char)*c);
        else
            jmi_text_append(&text, c, 1);
    }
    jmi_text_add(&text, "?%s", options);
    char *uri = NULL;
    return jmi_text_take(&text, &uri, NULL) == JM_OK ? uri : NULL;
}

/* A file may be hostile: no size in it is believed beyond these. */
static void be_careful(sqlite3 *db) {
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 100);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_busy_timeout(db, 2000);
}

/* Opens with some options; only a first look into it shows whether they do. */
static int try_open(sqlite3 **db, const char *path, const char *options, const char *prepare) {
    char *uri = uri_of(path, options);
    if (uri == NULL) return SQLITE_NOMEM;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    int status = sqlite3_open_v2(uri, db, flags, NULL);
    free(uri);
    if (status != SQLITE_OK) return status;
    be_careful(*db);
    sqlite3_exec(*db, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA query_only = ON",
                 NULL, NULL, NULL);
    if (prepare != NULL) sqlite3_exec(*db, prepare, NULL, NULL, NULL);
    return sqlite3_exec(*db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
}

int jmi_recfile_open_db(sqlite3 **db, const char *path, jm_error *error) {
    *db = NULL;
    int status = check_header(path, error);
    if (status != JM_OK) return status;
    /* A file that was cut off has a journal, which SQLite reads through an index beside it. Where
     * that cannot be made (a read-only folder) the index is kept in memory. */
    static const char *const ways[][2] = {{"mode=ro", NULL},
                                          {"mode=ro&nolock=1", "PRAGMA locking_mode = EXCLUSIVE"},
                                          {"mode=ro&immutable=1", NULL}};
    int code = SQLITE_OK;
    for (size_t i = 0; i < JMI_COUNT(ways); i++) {
        code = try_open(db, path, ways[i][0], ways[i][1]);
        bool other_way = code == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY ||
                         (code & 0xff) == SQLITE_IOERR || code == SQLITE_PERM;
        if (code == SQLITE_OK) return JM_OK;
        if (!other_way) break;
        if (i + 1 < JMI_COUNT(ways)) {
            sqlite3_close(*db);
            *db = NULL;
        }
    }
    status = jmi_recfile_fail(*db, error, "cannot read", path);
    sqlite3_close(*db);
    *db = NULL;
    return status;
}

static bool is_table(sqlite3 *db, const jmi_table *table) {
    sqlite3_stmt *statement;
    const char *query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND "
                        "tbl_name = name AND sql = ?";
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK) return false;
    sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, table->sql, -1, SQLITE_STATIC);
    bool there = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    return there;
}

static int check_version(sqlite3 *db, const char *path, jm_error *error) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
        return jmi_recfile_fail(db, error, "cannot read", path);
    int version = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (version > JMI_USER_VERSION)
        return jmi_fail(error, JM_FORMAT, "%s was made by a newer version of joulemeter", path);
    for (size_t i = 0; i < jmi_table_count; i++)
        if (version != JMI_USER_VERSION || !is_table(db, &jmi_tables[i]))
            return jmi_fail(error, JM_FORMAT, "%s is damaged: its table %s is not as it should be",
                            path, jmi_tables[i].name);
    return JM_OK;
}

int jmi_recfile_open(jmi_recfile **file, const char *path, jm_error *error) {
    *file = NULL;
    jmi_recfile *fresh = new_file(path);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a recording file");
    int status = jmi_recfile_open_db(&fresh->db, path, error);
    if (status == JM_OK) status = check_version(fresh->db, path, error);
    if (status != JM_OK) {
        jmi_recfile_close(fresh);
        return status;
    }
    be_store(fresh);
    *file = fresh;
    return JM_OK;
}
