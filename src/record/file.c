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

static void close_store(jmi_store *store) {
    jmi_recfile_close((jmi_recfile *)store);
}

static void be_store(jmi_recfile *file) {
    file->store = (jmi_store){.load_chunk = jmi_recfile_load_chunk,
                              .load_ranges = jmi_recfile_load_ranges,
                              .load_marks = jmi_recfile_load_marks,
                              .close = close_store};
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
static int check_replaceable(const char *path, jm_error *error) {
    struct stat info;
    if (stat(path, &info) != 0 || (S_ISREG(info.st_mode) && info.st_size == 0)) return JM_OK;
    if (!S_ISREG(info.st_mode))
        return jmi_fail(error, JM_INVALID, "%s is no file that could be recorded into", path);
    int status = jmi_recfile_check_free(path, error);
    if (status != JM_OK) return status;
    sqlite3 *db;
    jm_error why;
    if (jmi_recfile_open_db(&db, path, &why) == JM_FORMAT)
        return jmi_fail(error, JM_INVALID, "%s exists and is no recording; it is left as it is",
                        path);
    sqlite3_close(db);
    return JM_OK;
}

/* What a database of that name that is gone may have left. */
static void remove_journals(const char *path) {
    static const char *const endings[] = {"-wal", "-shm", "-journal"};
    char name[4096];
    for (size_t i = 0; i < JMI_COUNT(endings); i++)
        if (jmi_path(name, sizeof name, NULL, "%s%s", path, endings[i])) unlink(name);
}

static int connect(jmi_recfile *file, jm_error *error) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(file->path, &file->db, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(file->db, "PRAGMA mmap_size = 0", NULL, NULL, NULL) != SQLITE_OK ||
        jmi_columns_table(file) != SQLITE_OK)
        return jmi_recfile_fail(file->db, error, "cannot write", file->path);
    sqlite3_busy_timeout(file->db, 2000);
    return JM_OK;
}

/* A file that has no name yet that anybody would look for needs no journal: if it is not
 * completed it is of no use. Only a spill file rolls back, since it goes on after a failure. */
static int set_up(jmi_recfile *file, bool spill, jm_error *error) {
    const char *settings = spill ? "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; "
                                   "PRAGMA locking_mode = EXCLUSIVE"
                                 : "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; "
                                   "PRAGMA locking_mode = EXCLUSIVE";
    int status = connect(file, error);
    if (status != JM_OK) return status;
    if (sqlite3_exec(file->db, settings, NULL, NULL, NULL) != SQLITE_OK)
        return jmi_recfile_fail(file->db, error, "cannot write", file->path);
    return make_tables(file, error);
}

static int make(jmi_recfile **file, const char *path, bool spill, jm_error *error) {
    char name[4096];
    int fd = jmi_make_beside(path, name, sizeof name, error);
    if (fd < 0) return fd;
    jmi_recfile *fresh = jmi_recfile_new(name);
    if (fresh != NULL && !spill)
        jmi_recfile_lock(fresh, fd);
    else
        close(fd);
    int status = fresh != NULL ? set_up(fresh, spill, error)
                               : jmi_fail(error, JM_MEMORY, "out of memory for a recording file");
    /* A spill file has no name from here on: nothing is left of it whatever happens. */
    if (spill || status != JM_OK) unlink(name);
    if (status != JM_OK) {
        jmi_recfile_close(fresh);
        return status;
    }
    *file = fresh;
    return JM_OK;
}

int jmi_recfile_create(jmi_recfile **file, const char *path, jm_error *error) {
    *file = NULL;
    int status = check_replaceable(path, error);
    return status == JM_OK ? make(file, path, false, error) : status;
}

int jmi_recfile_spill(jmi_recfile **file, const char *folder, jm_error *error) {
    *file = NULL;
    char path[4096];
    if (!jmi_path(path, sizeof path, NULL, "%s/joulemeter", folder))
        return jmi_fail(error, JM_INVALID, "the path %.100s... is too long", folder);
    return make(file, path, true, error);
}

/* ---- publishing ---- */

jmi_recfile *jmi_recfile_new(const char *path) {
    jmi_recfile *file = jmi_alloc(1, sizeof *file);
    if (file == NULL) return NULL;
    pthread_mutex_init(&file->lock, NULL);
    file->path = jmi_strdup(path);
    file->lock_fd = -1;
    file->state.next_id = 1;
    be_store(file);
    if (file->path == NULL) {
        jmi_recfile_close(file);
        return NULL;
    }
    return file;
}

/* Statements go with the connection. */
static void disconnect(jmi_recfile *file) {
    sqlite3_stmt **statements[] = {
        &file->insert_samples, &file->append_samples, &file->insert_chunk, &file->insert_range,
        &file->insert_mark,    &file->read_samples,   &file->read_ranges,  &file->read_marks};
    for (size_t i = 0; i < JMI_COUNT(statements); i++) {
        sqlite3_finalize(*statements[i]);
        *statements[i] = NULL;
    }
    sqlite3_close(file->db);
    file->db = NULL;
}

void jmi_recfile_close(jmi_recfile *file) {
    if (file == NULL) return;
    disconnect(file);
    if (file->lock_fd >= 0) close(file->lock_fd);
    free(file->written);
    free(file->path);
    pthread_mutex_destroy(&file->lock);
    free(file);
}

/* The data before the name: a power failure leaves the old file or the new one. */
static int sync_file(const char *path, jm_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = JM_OK;
    if (fd < 0 || fsync(fd) != 0) status = jmi_fail_errno(error, errno, "cannot write %s", path);
    if (fd >= 0) close(fd);
    return status;
}

int jmi_recfile_publish(jmi_recfile *file, const char *path, bool durable, jm_error *error) {
    disconnect(file);
    int status = durable ? sync_file(file->path, error) : JM_OK;
    char *name = jmi_strdup(path);
    if (status == JM_OK && name == NULL) status = jmi_fail(error, JM_MEMORY, "out of memory");
    if (status == JM_OK) status = jmi_recfile_check_free(path, error); /* still */
    if (status == JM_OK) remove_journals(path);
    if (status == JM_OK && rename(file->path, path) != 0)
        status = jmi_fail_errno(error, errno, "cannot write %s", path);
    if (status != JM_OK) {
        unlink(file->path);
        free(name);
        return status;
    }
    free(file->path);
    file->path = name;
    return JM_OK;
}

int jmi_recfile_go_live(jmi_recfile *file, jm_error *error) {
    int status = connect(file, error);
    /* A second that was committed survives SIGKILL; a power failure may cost what came after the
     * last checkpoint. */
    const char *settings = "PRAGMA synchronous = NORMAL; PRAGMA journal_mode = WAL; "
                           "PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864";
    if (status == JM_OK && sqlite3_exec(file->db, settings, NULL, NULL, NULL) != SQLITE_OK)
        status = jmi_recfile_fail(file->db, error, "cannot write", file->path);
    return status;
}

int jmi_recfile_settle(jmi_recfile *file, jm_error *error) {
    pthread_mutex_lock(&file->lock);
    int status =
        sqlite3_exec(file->db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
                     NULL, NULL, NULL);
    if (status != SQLITE_OK)
        status = jmi_recfile_fail(file->db, error, "cannot complete", file->path);
    jmi_recfile_unlock(file);
    pthread_mutex_unlock(&file->lock);
    return status;
}
