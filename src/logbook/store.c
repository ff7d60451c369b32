/* The file: made, brought up to date, appended to. */
#include "logbook/logbook.h"

#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fifty programs that end at once all get their turn. */
static const int64_t PATIENCE_NS = 120 * JMI_NS_PER_S;

int jm_log_usual_path(char **path, jm_error *error) {
    char usual[4096];
    if (path == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the path");
    *path = NULL;
    if (!jmi_user_path(usual, sizeof usual, "XDG_STATE_HOME", ".local/state", "log.db"))
        return jmi_fail(error, JM_NOT_FOUND,
                        "neither $XDG_STATE_HOME nor $HOME is a folder: say where the logbook is");
    *path = jmi_strdup(usual);
    return *path != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
}

int jmi_logbook_fail(const jmi_logbook *book, const char *what, jm_error *error) {
    if ((sqlite3_errcode(book->db) & 0xff) == SQLITE_BUSY)
        return jmi_fail(error, JM_IO, "%s %s: another program has had it locked for %d s", what,
                        book->path, (int)(PATIENCE_NS / JMI_NS_PER_S));
    return jmi_recfile_fail(book->db, error, what, book->path);
}

/* ---- waiting ---- */

/* Waits of a length that differs from writer to writer: they do not come back together. */
static int wait_for_turn(void *begun, int tries) {
    int64_t *since = begun, now = jm_now_ns();
    if (tries == 0) *since = now;
    if (now - *since > PATIENCE_NS) return 0;
    uint64_t mixed = ((uint64_t)now ^ (uint64_t)getpid() << 20) * UINT64_C(0x9E3779B97F4A7C15);
    long most = tries < 10 ? 2000000 : 20000000;
    struct timespec time = {0, (long)((mixed >> 33) % (uint64_t)most) + 100000};
    nanosleep(&time, NULL);
    return 1;
}

/* ---- the table ---- */

static const char *type_name(jm_sql_type type) {
    return type == JM_SQL_TEXT ? "TEXT" : type == JM_SQL_INTEGER ? "INTEGER" : "REAL";
}

static int run_sql(jmi_logbook *book, const char *sql, const char *what, jm_error *error) {
    if (sqlite3_exec(book->db, sql, NULL, NULL, NULL) == SQLITE_OK) return JM_OK;
    return jmi_logbook_fail(book, what, error);
}

static int read_number(jmi_logbook *book, const char *sql, int *value, jm_error *error) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(book->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) *value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? JM_OK : jmi_logbook_fail(book, "cannot read", error);
}

/* Version 0 has no table; each version that follows adds its columns. */
static void add_version_sql(jmi_text *sql, int from) {
    if (from == 0) jmi_text_add(sql, "CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT");
    for (int i = 0; i < JMI_LOG_COUNT; i++) {
        const jmi_log_definition *d = &jmi_log_definitions[i];
        if (d->since > from)
            jmi_text_add(sql, from == 0 ? ", %s %s" : "ALTER TABLE run ADD COLUMN %s %s; ", d->name,
                         type_name(d->type));
    }
    if (from == 0) jmi_text_add(sql, ") STRICT; CREATE INDEX run_begin ON run (begin_unix_s); ");
    jmi_text_add(sql, "PRAGMA application_id = %d; PRAGMA user_version = %d;", JMI_LOG_APPLICATION,
                 JMI_LOG_VERSION);
}

static int add_columns(jmi_logbook *book, int from, jm_error *error) {
    jmi_text sql = {0};
    add_version_sql(&sql, from);
    int status = sql.failed ? jmi_fail(error, JM_MEMORY, "out of memory")
                            : run_sql(book, sql.data, "cannot write", error);
    jmi_text_free(&sql);
    return status;
}

int jm_log_schema(char **sql, jm_error *error) {
    jmi_text text = {0};
    if (sql == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the SQL");
    add_version_sql(&text, 0);
    jmi_text_append(&text, "\n", 1);
    return jmi_text_take(&text, sql, error);
}

static int check_kind(jmi_logbook *book, int *version, jm_error *error) {
    int application = 0, tables = 0;
    int status = read_number(book, "PRAGMA application_id", &application, error);
    if (status == JM_OK) status = read_number(book, "PRAGMA user_version", version, error);
    if (status == JM_OK)
        status = read_number(book, "SELECT count(*) FROM sqlite_schema", &tables, error);
    if (status != JM_OK) return status;
    bool empty = tables == 0 && *version == 0 && application == 0;
    if (!empty && (application != JMI_LOG_APPLICATION || *version < 1))
        return jmi_fail(error, JM_FORMAT, "%s is a database, but no logbook of joulemeter",
                        book->path);
    if (*version > JMI_LOG_VERSION)
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "%s is of a newer joulemeter (its version is %d, this one's %d): update "
                        "joulemeter, or name another logbook",
                        book->path, *version, JMI_LOG_VERSION);
    return JM_OK;
}

/* All of it at one moment: somebody else may just be making the file. */
static int find_kind(jmi_logbook *book, int *version, jm_error *error) {
    int status = run_sql(book, "BEGIN", "cannot read", error);
    if (status != JM_OK) return status;
    status = check_kind(book, version, error);
    sqlite3_exec(book->db, "ROLLBACK", NULL, NULL, NULL); /* nothing was written */
    return status;
}

/* In one transaction: who comes second finds it done. */
static int bring_up_to_date(jmi_logbook *book, jm_error *error) {
    int version = 0;
    int status = find_kind(book, &version, error);
    if (status != JM_OK || version == JMI_LOG_VERSION) return status;
    status = run_sql(book, "BEGIN IMMEDIATE", "cannot write", error);
    if (status != JM_OK) return status;
    status = check_kind(book, &version, error);
    if (status == JM_OK && version < JMI_LOG_VERSION) status = add_columns(book, version, error);
    if (status == JM_OK) return run_sql(book, "COMMIT", "cannot write", error);
    sqlite3_exec(book->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* An older file may be somebody else's, who lets others read: a view of this connection alone,
 * which hides the table, has the columns that lack. */
static int view_columns(jmi_logbook *book, jm_error *error) {
    int version = 0;
    int status = find_kind(book, &version, error);
    if (status != JM_OK || version == JMI_LOG_VERSION) return status;
    jmi_text sql = {0};
    jmi_text_add(&sql, "PRAGMA temp_store = MEMORY; CREATE TEMP VIEW run AS SELECT %s",
                 version > 0 ? "*" : "NULL AS id");
    for (int i = 0; i < JMI_LOG_COUNT; i++)
        if (jmi_log_definitions[i].since > version)
            jmi_text_add(&sql, ", NULL AS %s", jmi_log_definitions[i].name);
    jmi_text_add(&sql, "%s", version > 0 ? " FROM main.run" : " WHERE 0");
    status = sql.failed ? jmi_fail(error, JM_MEMORY, "out of memory")
                        : run_sql(book, sql.data, "cannot read", error);
    jmi_text_free(&sql);
    return status;
}

/* ---- opening ---- */

/* Nobody else reads what commands were run, unless the owner lets them. */
static int make_file(const char *path, bool make, jm_error *error) {
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISREG(info.st_mode)) return JM_OK;
        return jmi_fail(error, JM_INVALID, "%s is no file that could be a logbook", path);
    }
    if (!make) return jmi_fail_errno(error, errno, "cannot read %s", path);
    int status = jmi_make_parent(path, error);
    if (status != JM_OK) return status;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot write %s", path);
    close(fd);
    return JM_OK;
}

/* A row that was acknowledged is on the disk even if power fails: EXTRA syncs the folder, too, once
 * the journal is gone from it. */
static int connect(jmi_logbook *book, jm_error *error) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(book->path, &book->db, flags, NULL) != SQLITE_OK)
        return jmi_logbook_fail(book, "cannot open", error);
    sqlite3_busy_handler(book->db, wait_for_turn, &book->waiting_since_ns);
    return run_sql(book, "PRAGMA synchronous = EXTRA", "cannot open", error);
}

static int take_path(jmi_logbook *book, const char *path, jm_error *error) {
    *book = (jmi_logbook){0};
    if (path == NULL || path[0] == '\0') return jm_log_usual_path(&book->path, error);
    book->path = jmi_strdup(path);
    return book->path != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
}

int jmi_logbook_open(jmi_logbook *book, const char *path, jmi_log_access access, jm_error *error) {
    int status = take_path(book, path, error);
    if (status == JM_OK) status = make_file(book->path, access == JMI_LOG_MAKE, error);
    jmi_quiet quiet = jmi_quiet_begin();
    if (status == JM_OK) status = connect(book, error);
    if (status == JM_OK)
        status = access == JMI_LOG_READ ? view_columns(book, error) : bring_up_to_date(book, error);
    jmi_quiet_end(quiet);
    if (status != JM_OK) jmi_logbook_close(book);
    return status;
}

int jmi_logbook_open_empty(jmi_logbook *book, jm_error *error) {
    int status = take_path(book, ":memory:", error);
    if (status == JM_OK) status = connect(book, error);
    if (status == JM_OK) status = bring_up_to_date(book, error);
    if (status != JM_OK) jmi_logbook_close(book);
    return status;
}

void jmi_logbook_close(jmi_logbook *book) {
    sqlite3_close(book->db);
    free(book->path);
    book->db = NULL;
    book->path = NULL;
}

/* ---- appending ---- */

static int prepare_insert(jmi_logbook *book, sqlite3_stmt **statement, jm_error *error) {
    jmi_text sql = {0};
    jmi_text_add(&sql, "INSERT INTO run (");
    for (int i = 0; i < JMI_LOG_COUNT; i++)
        jmi_text_add(&sql, "%s%s", i > 0 ? ", " : "", jmi_log_definitions[i].name);
    jmi_text_add(&sql, ") VALUES (");
    for (int i = 0; i < JMI_LOG_COUNT; i++) jmi_text_add(&sql, "%s?", i > 0 ? ", " : "");
    jmi_text_add(&sql, ")");
    if (sql.failed) return jmi_fail(error, JM_MEMORY, "out of memory");
    int code = sqlite3_prepare_v2(book->db, sql.data, -1, statement, NULL);
    jmi_text_free(&sql);
    return code == SQLITE_OK ? JM_OK : jmi_logbook_fail(book, "cannot write", error);
}

static void bind(sqlite3_stmt *statement, const jmi_log_row *row) {
    for (int i = 0; i < JMI_LOG_COUNT; i++) {
        if (!row->set[i]) continue;
        if (row->text[i] != NULL)
            sqlite3_bind_text(statement, i + 1, row->text[i], -1, SQLITE_STATIC);
        else if (jmi_log_definitions[i].type == JM_SQL_INTEGER)
            sqlite3_bind_int64(statement, i + 1, (int64_t)row->number[i]);
        else
            sqlite3_bind_double(statement, i + 1, row->number[i]);
    }
}

int jmi_logbook_insert(jmi_logbook *book, const jmi_log_row *row, int64_t *id, jm_error *error) {
    sqlite3_stmt *statement = NULL;
    if (row->failed) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = prepare_insert(book, &statement, error);
    if (status != JM_OK) return status;
    jmi_quiet quiet = jmi_quiet_begin();
    bind(statement, row);
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = jmi_logbook_fail(book, "cannot write", error);
    else if (id != NULL)
        *id = sqlite3_last_insert_rowid(book->db);
    sqlite3_finalize(statement);
    jmi_quiet_end(quiet);
    return status;
}

int jm_log_append(const char *path, const jm_log_value *values, size_t count, int64_t *id,
                  jm_error *error) {
    jmi_logbook book;
    jmi_log_row row = {0};
    int status = jmi_log_set_values(&row, values, count, error);
    if (status == JM_OK && row.failed) status = jmi_fail(error, JM_MEMORY, "out of memory");
    if (status == JM_OK) {
        status = jmi_logbook_open(&book, path, JMI_LOG_MAKE, error);
        if (status == JM_OK) {
            status = jmi_logbook_insert(&book, &row, id, error);
            jmi_logbook_close(&book);
        }
    }
    jmi_log_row_free(&row);
    return status;
}
