/* Runs for programs: CSV, JSON, Markdown, SQL. */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct writer {
    output *out;
    char **names; /* NULL: they have not come yet */
    size_t columns;
    size_t rows;
} writer;

/* ---- CSV ---- */

static void csv_row(writer *w, const jm_sql_value *values) {
    for (size_t i = 0; i < w->columns; i++) {
        if (i > 0) output_append(w->out, ",", 1);
        output_csv(w->out, values[i].text != NULL ? values[i].text : "");
    }
    output_append(w->out, "\n", 1);
}

static int take_csv(size_t columns, const jm_sql_value *values, void *user) {
    writer *w = user;
    w->columns = columns;
    csv_row(w, values);
    return w->out->errnum != 0;
}

/* ---- the others know the names ---- */

static int take_names(writer *w, size_t columns, const jm_sql_value *values) {
    w->columns = columns;
    w->names = calloc(columns + 1, sizeof *w->names);
    if (w->names == NULL) return 1;
    for (size_t i = 0; i < columns; i++) w->names[i] = strdup(values[i].text);
    return 0;
}

static void json_row(writer *w, const jm_sql_value *values) {
    output_add(w->out, w->rows == 0 ? "\n  {" : ",\n  {");
    for (size_t i = 0; i < w->columns; i++) {
        if (i > 0) output_append(w->out, ", ", 2);
        output_json(w->out, w->names[i]);
        output_append(w->out, ": ", 2);
        bool finite = values[i].real - values[i].real == 0;
        if (values[i].type == JM_SQL_INTEGER || (values[i].type == JM_SQL_REAL && finite))
            output_append(w->out, values[i].text, values[i].length);
        else
            output_json(w->out, values[i].type == JM_SQL_REAL ? NULL : values[i].text);
    }
    output_append(w->out, "}", 1);
}

static int take_json(size_t columns, const jm_sql_value *values, void *user) {
    writer *w = user;
    if (w->names == NULL) return take_names(w, columns, values);
    json_row(w, values);
    w->rows++;
    return w->out->errnum != 0;
}

/* A quote in SQL is doubled; infinity has no name in it, but what is too large is infinite. */
static void add_sql(output *out, const jm_sql_value *value) {
    bool finite = value->real - value->real == 0;
    if (value->type == JM_SQL_NULL) {
        output_append(out, "NULL", 4);
    } else if (value->type == JM_SQL_REAL && !finite) {
        output_add(out, value->real > 0 ? "9e999" : value->real < 0 ? "-9e999" : "NULL");
    } else if (value->type != JM_SQL_TEXT) {
        output_append(out, value->text, value->length);
    } else {
        output_append(out, "'", 1);
        for (const char *c = value->text; *c != '\0'; c++)
            output_append(out, *c == '\'' ? "''" : c, *c == '\'' ? 2 : 1);
        output_append(out, "'", 1);
    }
}

static int take_sql(size_t columns, const jm_sql_value *values, void *user) {
    writer *w = user;
    if (w->names == NULL) return take_names(w, columns, values);
    output_add(w->out, "INSERT INTO run (");
    for (size_t i = 0; i < columns; i++) output_add(w->out, "%s%s", i > 0 ? ", " : "", w->names[i]);
    output_add(w->out, ") VALUES (");
    for (size_t i = 0; i < columns; i++) {
        if (i > 0) output_append(w->out, ", ", 2);
        add_sql(w->out, &values[i]);
    }
    output_add(w->out, ");\n");
    return w->out->errnum != 0;
}

static void add_markdown(output *out, const char *text) {
    output_append(out, " ", 1);
    for (; *text != '\0'; text++) {
        if (strchr("|\\", *text) != NULL) output_append(out, "\\", 1);
        output_append(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
    output_append(out, " |", 2);
}

/* Columns of a log that people look at. */
static bool is_shown(const char *name) {
    static const char *const names[] = {"id",          "begin_unix_s", "project",    "tag",
                                        "algorithm",   "command",      "outcome",    "duration_s",
                                        "energy_j",    "energy_u95_j", "provenance", "co2_g",
                                        "co2_lower_g", "co2_upper_g"};
    for (size_t i = 0; i < CLI_COUNT(names); i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* A time as people write it. */
static const char *readable(const writer *w, size_t column, const jm_sql_value *value,
                            char text[32], bool head) {
    bool is_time = strcmp(w->names[column], "begin_unix_s") == 0;
    if (is_time && head) return "began";
    if (is_time && value->type == JM_SQL_REAL &&
        log_time_text(value->real, "%Y-%m-%d %H:%M:%S", text, 32)[0] != '\0')
        return text;
    return value->text != NULL ? value->text : "";
}

static int take_markdown(size_t columns, const jm_sql_value *values, void *user) {
    writer *w = user;
    char time[32];
    bool head = w->names == NULL;
    if (head && take_names(w, columns, values) != 0) return 1;
    output_append(w->out, "|", 1);
    for (size_t i = 0; i < columns; i++)
        if (is_shown(w->names[i])) add_markdown(w->out, readable(w, i, &values[i], time, head));
    output_append(w->out, "\n", 1);
    if (!head) return w->out->errnum != 0;
    output_append(w->out, "|", 1);
    for (size_t i = 0; i < columns; i++)
        if (is_shown(w->names[i])) output_add(w->out, "---|");
    output_append(w->out, "\n", 1);
    return 0;
}

/* ---- formats ---- */

static const struct {
    const char *name;
    jm_row_fn take;
    jm_log_view view;
    const char *before, *after;
} formats[] = {
    {"csv", take_csv, JM_LOG_ALL, "", ""},
    {"json", take_json, JM_LOG_ALL, "[", "\n]\n"},
    {"markdown", take_markdown, JM_LOG_ALL, "", ""},
    {"sql", take_sql, JM_LOG_ALL, "BEGIN;\n", "COMMIT;\n"},
    {"powermeter", take_csv, JM_LOG_POWERMETER, "", ""},
    {"codecarbon", take_csv, JM_LOG_CODECARBON, "", ""},
};

static int add_schema(log_job *job) {
    char *sql = NULL;
    int status = jm_log_schema(&sql, &job->error);
    if (status == JM_OK) output_append(&job->out, sql, strlen(sql));
    jm_free(sql);
    return status;
}

int log_export(log_job *job, const char *format) {
    writer w = {.out = &job->out};
    size_t i = 0;
    while (i < CLI_COUNT(formats) && strcmp(formats[i].name, format) != 0) i++;
    if (i == CLI_COUNT(formats)) {
        snprintf(job->error.message, sizeof job->error.message,
                 "there is no format '%.40s': choose csv, json, markdown, sql, powermeter or "
                 "codecarbon",
                 format);
        return job->error.status = JM_NOT_FOUND;
    }
    int status = JM_OK;
    output_add(&job->out, "%s", formats[i].before);
    if (formats[i].take == take_sql) status = add_schema(job);
    if (status == JM_OK)
        status =
            jm_log_rows(job->path, formats[i].view, &job->filter, formats[i].take, &w, &job->error);
    output_add(&job->out, "%s",
               w.rows == 0 && formats[i].take == take_json ? "]\n" : formats[i].after);
    for (size_t c = 0; w.names != NULL && c < w.columns; c++) free(w.names[c]);
    free(w.names);
    return status;
}
