/* The columns, and rows of them. */
#include "logbook/logbook.h"

#include "record/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const jmi_log_definition jmi_log_definitions[JMI_LOG_COUNT] = {
#define JMI_LOG_ROW(name, title, type, since, meaning)                                             \
    {#name, title, JM_SQL_##type, since, meaning},
    JMI_LOG_COLUMNS(JMI_LOG_ROW)
#undef JMI_LOG_ROW
};

jmi_log_column jmi_log_column_named(const char *name) {
    int i = 0;
    while (i < JMI_LOG_COUNT && strcmp(name, jmi_log_definitions[i].name) != 0) i++;
    return (jmi_log_column)i;
}

uint32_t jm_log_column_count(void) {
    return JMI_LOG_COUNT;
}

int jm_log_column_at(uint32_t index, jm_log_column *column) {
    if (column == NULL) return JM_INVALID;
    if (index >= JMI_LOG_COUNT) return JM_NOT_FOUND;
    const jmi_log_definition *d = &jmi_log_definitions[index];
    jm_log_column ours = {.size = sizeof ours,
                          .name = d->name,
                          .title = d->title != NULL ? d->title : d->name,
                          .type = d->type,
                          .meaning = d->meaning};
    return jmi_give_struct(column, &ours, sizeof ours);
}

/* ---- rows ---- */

void jmi_log_set_text(jmi_log_row *row, jmi_log_column column, const char *text) {
    free(row->text[column]);
    row->text[column] = NULL;
    row->set[column] = text != NULL && text[0] != '\0';
    if (!row->set[column]) return;
    size_t length = strlen(text);
    row->text[column] = jmi_strdup(text);
    if (row->text[column] == NULL)
        row->failed = true;
    else if (!jmi_utf8_valid(text, length))
        jmi_utf8_clean(row->text[column], text, length);
}

void jmi_log_set_number(jmi_log_row *row, jmi_log_column column, double value) {
    free(row->text[column]);
    row->text[column] = NULL;
    row->number[column] = value;
    row->set[column] = !isnan(value);
}

static int set_value(jmi_log_row *row, const jm_log_value *value, jm_error *error) {
    if (value->column == NULL) return jmi_fail(error, JM_INVALID, "a value needs a column");
    jmi_log_column column = jmi_log_column_named(value->column);
    if (column == JMI_LOG_COUNT)
        return jmi_fail(error, JM_INVALID, "the logbook has no column '%.60s'", value->column);
    bool wants_text = jmi_log_definitions[column].type == JM_SQL_TEXT;
    if (wants_text != (value->text != NULL))
        return jmi_fail(error, JM_INVALID, "%s is %s", value->column,
                        wants_text ? "a text" : "a number");
    if (wants_text)
        jmi_log_set_text(row, column, value->text);
    else
        jmi_log_set_number(row, column, value->number);
    return JM_OK;
}

int jmi_log_set_values(jmi_log_row *row, const jm_log_value *values, size_t count,
                       jm_error *error) {
    if (count > 0 && values == NULL) return jmi_fail(error, JM_INVALID, "there are no values");
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < count; i++)
        status = set_value(row, &values[i], error);
    return status;
}

void jmi_log_row_free(jmi_log_row *row) {
    for (int i = 0; i < JMI_LOG_COUNT; i++) free(row->text[i]);
    *row = (jmi_log_row){0};
}
