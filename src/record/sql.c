/* SQL on a recording file, read-only. */
#include "record/file.h"

#include <stdlib.h>
#include <string.h>

/* A query may read the recording; it may reach nothing else. */
static int authorize(void *unused, int action, const char *first, const char *second,
                     const char *database, const char *trigger) {
    (void)unused, (void)database, (void)trigger;
    static const char *const harmless[] = {"table_info",     "table_xinfo",  "table_list",
                                           "index_list",     "index_info",   "user_version",
                                           "application_id", "database_list"};
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION:
        return second != NULL && strcmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
        for (size_t i = 0; i < JMI_COUNT(harmless); i++)
            if (strcmp(first, harmless[i]) == 0) return SQLITE_OK;
        return SQLITE_DENY;
    default: return SQLITE_DENY;
    }
}

static int fail_query(sqlite3 *db, jm_error *error) {
    if (sqlite3_errcode(db) == SQLITE_AUTH)
        return jmi_fail(error, JM_INVALID, "the query is not allowed: it may only read");
    const char *why = sqlite3_errmsg(db);
    bool unknown = strstr(why, "no such table") != NULL || strstr(why, "no such column") != NULL;
    return jmi_fail(error, sqlite3_errcode(db) == SQLITE_NOMEM ? JM_MEMORY : JM_INVALID,
                    "the query failed: %s%s", why,
                    unknown ? " (there are the views samples, ranges and marks, and the tables "
                              "recording, info, device, sensor, sample, range, mark, warning)"
                            : "");
}

/* Space and comments may follow the one statement. */
static bool only_space(sqlite3 *db, const char *rest) {
    sqlite3_stmt *more = NULL;
    while (*rest != '\0') {
        const char *after = rest;
        if (sqlite3_prepare_v2(db, rest, -1, &more, &after) != SQLITE_OK || more != NULL) {
            sqlite3_finalize(more);
            return false;
        }
        if (after == rest) break;
        rest = after;
    }
    return true;
}

static int prepare(sqlite3 *db, const char *query, sqlite3_stmt **statement, jm_error *error) {
    const char *rest = "";
    if (sqlite3_prepare_v2(db, query, -1, statement, &rest) != SQLITE_OK)
        return fail_query(db, error);
    if (*statement == NULL) return jmi_fail(error, JM_INVALID, "the query is empty");
    if (!sqlite3_stmt_readonly(*statement) || !only_space(db, rest)) {
        sqlite3_finalize(*statement);
        *statement = NULL;
        return jmi_fail(error, JM_INVALID, "give one query that only reads (SELECT ...)");
    }
    return JM_OK;
}

/* Numbers with all their digits, whatever the locale. */
static jm_sql_value take_value(sqlite3_stmt *statement, int column, char *buffer, size_t size) {
    jm_sql_value value = {.real = sqlite3_column_double(statement, column)};
    bool finite = value.real - value.real == 0;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL: return (jm_sql_value){.type = JM_SQL_NULL};
    case SQLITE_INTEGER:
        value.type = JM_SQL_INTEGER;
        value.integer = sqlite3_column_int64(statement, column);
        break;
    case SQLITE_FLOAT: value.type = JM_SQL_REAL; break;
    case SQLITE_BLOB: value.type = JM_SQL_BLOB; break;
    default: value.type = JM_SQL_TEXT; break;
    }
    if (value.type == JM_SQL_REAL && finite) {
        value.text = jmi_format_double(value.real, buffer, size);
        value.length = strlen(value.text);
    } else {
        value.text = (const char *)sqlite3_column_text(statement, column);
        value.length = (size_t)sqlite3_column_bytes(statement, column);
    }
    if (value.text == NULL) value.text = ""; /* an empty blob has none */
    return value;
}

enum { NUMBER_BYTES = 32 };

/* Hands the column names over, then each row. */
static int hand_over(sqlite3_stmt *statement, jm_sql_value *values, char *numbers, jm_row_fn row,
                     void *user, jm_error *error) {
    int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; i++) {
        const char *name = sqlite3_column_name(statement, i);
        if (name == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
        values[i] = (jm_sql_value){.type = JM_SQL_TEXT, .text = name, .length = strlen(name)};
    }
    bool stopped = row((size_t)columns, values, user) != 0;
    int code = SQLITE_ROW;
    while (!stopped && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            values[i] = take_value(statement, i, numbers + (size_t)i * NUMBER_BYTES, NUMBER_BYTES);
        stopped = row((size_t)columns, values, user) != 0;
    }
    if (stopped) return jmi_fail(error, JM_INTERRUPTED, "the query was stopped");
    return code == SQLITE_DONE ? JM_OK : fail_query(sqlite3_db_handle(statement), error);
}

int jmi_sql_rows(sqlite3_stmt *statement, jm_row_fn row, void *user, jm_error *error) {
    size_t columns = (size_t)sqlite3_column_count(statement);
    jm_sql_value *values = jmi_alloc(columns, sizeof *values);
    char *numbers = jmi_alloc(columns, NUMBER_BYTES);
    int status = JM_MEMORY;
    if (values != NULL && numbers != NULL)
        status = hand_over(statement, values, numbers, row, user, error);
    else
        jmi_fail(error, JM_MEMORY, "out of memory");
    free(values);
    free(numbers);
    return status;
}

int jm_sql(const char *path, const char *query, jm_row_fn row, void *user, jm_error *error) {
    if (path == NULL || query == NULL || row == NULL)
        return jmi_fail(error, JM_INVALID, "a path, a query and a function are needed");
    sqlite3 *db;
    int status = jmi_recfile_open_db(&db, path, error);
    if (status != JM_OK) return status;
    sqlite3_set_authorizer(db, authorize, NULL);
    sqlite3_stmt *statement = NULL;
    status = prepare(db, query, &statement, error);
    if (status == JM_OK) status = jmi_sql_rows(statement, row, user, error);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return status;
}
