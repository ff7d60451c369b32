/* A logbook in a folder of its own. */
#ifndef TEST_BOOK_H
#define TEST_BOOK_H

#include "logbook/logbook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <unistd.h>

static char folder[64], path[128];

static int remove_one(const char *name, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(name);
}

static int book_set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/joulemeter-log-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/state/joulemeter/log.db", folder);
    return 0;
}

static int book_tear_down(void **state) {
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void ok(int status, const jm_error *error) {
    if (status != JM_OK) fail_msg("%s: %s", jm_status_name(status), error->message);
}

static inline void says(const jm_error *error, const char *words) {
    if (strstr(error->message, words) == NULL)
        fail_msg("'%s' is not in: %s", words, error->message);
}

/* The answer of one query as text: cells between '|', rows between '\n'. */
typedef struct answer {
    char text[65536];
    size_t rows; /* without the names */
    bool begun;
} answer;

static inline int take_row(size_t columns, const jm_sql_value *values, void *user) {
    answer *a = user;
    size_t used = strlen(a->text);
    for (size_t i = 0; i < columns && used < sizeof a->text; i++)
        used += (size_t)snprintf(a->text + used, sizeof a->text - used, "%s%s", i > 0 ? "|" : "",
                                 values[i].text != NULL ? values[i].text : "-");
    if (used < sizeof a->text) snprintf(a->text + used, sizeof a->text - used, "\n");
    a->rows += a->begun;
    a->begun = true;
    return 0;
}

static inline answer *rows_of(jm_log_view view, const jm_log_filter *filter) {
    static answer a;
    jm_error error = {0};
    a = (answer){.rows = 0};
    ok(jm_log_rows(path, view, filter, take_row, &a, &error), &error);
    return &a;
}

/* One value of the answer's row that begins so. */
static inline const char *cell_of(answer *a, const char *begin, const char *column) {
    static char value[4096];
    char *names = a->text, *values = strchr(a->text, '\n');
    while (values != NULL && strncmp(values + 1, begin, strlen(begin)) != 0)
        values = strchr(values + 1, '\n');
    if (values == NULL) fail_msg("no row begins with '%s':\n%s", begin, a->text);
    *values++ = '\0';
    names[strcspn(names, "\n")] = '\0';
    values[strcspn(values, "\n")] = '\0';
    for (char *name; (name = strsep(&names, "|")) != NULL;) {
        char *cell = strsep(&values, "|");
        assert_non_null(cell);
        if (strcmp(name, column) != 0) continue;
        snprintf(value, sizeof value, "%s", cell);
        return value;
    }
    fail_msg("there is no column %s", column);
    return "";
}

/* One value of row `id`. */
static inline const char *value_of(int64_t id, const char *column) {
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    filter.id = id;
    return cell_of(rows_of(JM_LOG_ALL, &filter), "", column);
}

static inline int64_t append(const jm_log_value *values, size_t count) {
    jm_error error = {0};
    int64_t id = 0;
    ok(jm_log_append(path, values, count, &id, &error), &error);
    return id;
}

/* Runs SQL on the file behind joulemeter's back. */
static inline void tamper(const char *sql) {
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

#endif
