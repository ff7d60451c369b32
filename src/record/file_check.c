/* Opening a file that may be anything: is it a recording of ours? */
#include "record/file.h"

#include "record/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
        return jmi_fail(error, JM_FORMAT,
                        "%s was made by a newer version of joulemeter (its layout is %d, this "
                        "version reads %d): update joulemeter",
                        path, version, JMI_USER_VERSION);
    if (version == 1)
        return jmi_fail(error, JM_FORMAT,
                        "%s is of before joulemeter's first release (layout 1, this version reads "
                        "%d); `joulemeter sql` still reads it",
                        path, JMI_USER_VERSION);
    for (size_t i = 0; i < jmi_table_count; i++)
        if (version != JMI_USER_VERSION || !is_table(db, &jmi_tables[i]))
            return jmi_fail(error, JM_FORMAT, "%s is damaged: its table %s is not as it should be",
                            path, jmi_tables[i].name);
    return JM_OK;
}

int jmi_recfile_open(jmi_recfile **file, const char *path, jm_error *error) {
    *file = NULL;
    jmi_recfile *fresh = jmi_recfile_new(path);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a recording file");
    int status = jmi_recfile_open_db(&fresh->db, path, error);
    if (status == JM_OK) status = check_version(fresh->db, path, error);
    if (status != JM_OK) {
        jmi_recfile_close(fresh);
        return status;
    }
    *file = fresh;
    return JM_OK;
}
