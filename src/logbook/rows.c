/* Reading the logbook, and taking rows out of it. */
#include "logbook/views.h"

#include "record/file.h"

#include <string.h>

static int prepare(jmi_logbook *book, jm_log_view view, sqlite3_stmt **statement, jm_error *error) {
    jmi_text sql = {0};
    if (!jmi_log_view_sql(&sql, view)) {
        jmi_text_free(&sql);
        return jmi_fail(error, JM_INVALID, "there is no such view of the logbook (%d)", (int)view);
    }
    int code = sql.failed ? SQLITE_NOMEM : jmi_log_functions(book->db);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(book->db, sql.data, -1, statement, NULL);
    jmi_text_free(&sql);
    return code == SQLITE_OK ? JM_OK : jmi_logbook_fail(book, "cannot read", error);
}

/* A logbook that is not there is empty, not wrong. */
static int open_to_read(jmi_logbook *book, const char *path, jm_error *error) {
    int status = jmi_logbook_open(book, path, JMI_LOG_READ, error);
    return status == JM_NOT_FOUND ? jmi_logbook_open_empty(book, error) : status;
}

int jm_log_rows(const char *path, jm_log_view view, const jm_log_filter *filter, jm_row_fn row,
                void *user, jm_error *error) {
    jm_log_filter ours;
    jmi_logbook book;
    sqlite3_stmt *statement = NULL;
    if (row == NULL) return jmi_fail(error, JM_INVALID, "a function for rows is needed");
    int status = jmi_log_filter_take(&ours, filter, error);
    if (status == JM_OK) status = open_to_read(&book, path, error);
    if (status != JM_OK) return status;
    status = prepare(&book, view, &statement, error);
    if (status == JM_OK) {
        jmi_log_filter_bind(statement, &ours);
        status = jmi_sql_rows(statement, row, user, error);
    }
    sqlite3_finalize(statement);
    jmi_logbook_close(&book);
    return status;
}

/* ---- taking out ---- */

static int delete_rows(jmi_logbook *book, const jm_log_filter *filter, uint64_t *removed,
                       jm_error *error) {
    sqlite3_stmt *statement = NULL;
    jmi_text sql = {0};
    jmi_text_add(&sql,
                 "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE %s "
                 "ORDER BY id DESC LIMIT coalesce(?6, -1))",
                 jmi_log_where);
    int code =
        sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(book->db, sql.data, -1, &statement, NULL);
    jmi_text_free(&sql);
    if (code == SQLITE_OK) {
        jmi_log_filter_bind(statement, filter);
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE) return jmi_logbook_fail(book, "cannot prune", error);
    *removed = (uint64_t)sqlite3_changes64(book->db);
    return JM_OK;
}

static bool names_something(const jm_log_filter *f) {
    return f->project != NULL || f->tag != NULL || f->since_unix_s != 0 || f->until_unix_s != 0 ||
           f->id != 0 || f->last != 0;
}

int jm_log_prune(const char *path, const jm_log_filter *filter, uint64_t *removed,
                 jm_error *error) {
    jm_log_filter ours;
    jmi_logbook book;
    uint64_t count = 0;
    int status = jmi_log_filter_take(&ours, filter, error);
    if (status == JM_OK && !names_something(&ours))
        status = jmi_fail(error, JM_INVALID, "say which rows are to be deleted");
    if (status == JM_OK) status = jmi_logbook_open(&book, path, JMI_LOG_CHANGE, error);
    if (status != JM_OK) return status;
    status = delete_rows(&book, &ours, &count, error);
    if (status == JM_OK && count > 0 &&
        sqlite3_exec(book.db, "VACUUM", NULL, NULL, NULL) != SQLITE_OK)
        status = jmi_logbook_fail(&book, "cannot shrink", error);
    jmi_logbook_close(&book);
    if (removed != NULL) *removed = count;
    return status;
}
