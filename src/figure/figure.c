/* Figures: their marks, and how they are handed out. */
#include "figure/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    X = 1u << JMI_X,
    X2 = 1u << JMI_X2,
    Y = 1u << JMI_Y,
    Y2 = 1u << JMI_Y2,
    BAND = 1u << JMI_LOW | 1u << JMI_HIGH,
    QUARTILES = 1u << JMI_Q1 | 1u << JMI_Q3,
    VALUE = 1u << JMI_VALUE
};

static const struct {
    const char *name;
    uint32_t columns;
} kinds[] = {
    [JM_MARK_LINE] = {"line", X | Y},
    [JM_MARK_STEP] = {"step", X | Y},
    [JM_MARK_AREA] = {"area", X | BAND},
    [JM_MARK_BAR] = {"bar", X | X2 | Y | Y2},
    [JM_MARK_BOX] = {"box", X | Y | BAND | QUARTILES},
    [JM_MARK_HEXAGON] = {"hexagon", X | X2 | Y | Y2 | VALUE},
    [JM_MARK_POINT] = {"point", X | Y},
    [JM_MARK_SPAN] = {"span", X | X2},
    [JM_MARK_TEXT] = {"text", X | X2 | Y | Y2},
};

const char *jm_mark_kind_name(int kind) {
    return kind < 0 || (size_t)kind >= JMI_COUNT(kinds) ? "unknown" : kinds[kind].name;
}

/* ---- making ---- */

jm_figure *jmi_figure_new(const char *name, const char *title) {
    jm_figure *figure = jmi_alloc(1, sizeof *figure);
    if (figure == NULL) return NULL;
    figure->name = jmi_strdup(name);
    figure->title = jmi_strdup(title);
    figure->failed = figure->name == NULL || figure->title == NULL;
    return figure;
}

void jmi_figure_note(jm_figure *figure, const char *format, ...) {
    va_list args;
    if (figure->note.length > 0) jmi_text_append(&figure->note, " ", 1);
    va_start(args, format);
    jmi_text_add_v(&figure->note, format, args);
    va_end(args);
}

jmi_mark *jmi_figure_add(jm_figure *figure, jm_mark_kind kind, const char *label, uint32_t color,
                         uint32_t style, bool interval) {
    jmi_mark *mark = jmi_alloc(1, sizeof *mark);
    bool good = mark != NULL && jmi_reserve(&figure->marks, &figure->mark_capacity,
                                            figure->mark_count + 1, sizeof(jmi_mark *));
    if (good) {
        *mark = (jmi_mark){.kind = kind,
                           .color = color,
                           .style = style,
                           .label = jmi_strdup(label),
                           .columns = kinds[kind].columns | (interval ? BAND : 0)};
        figure->marks[figure->mark_count++] = mark;
        good = mark->label != NULL;
    } else {
        free(mark);
        mark = NULL;
    }
    figure->failed |= !good;
    return mark;
}

static bool make_room(jmi_mark *mark) {
    size_t larger = mark->capacity == 0 ? 16 : mark->capacity + mark->capacity / 2;
    if (mark->count < mark->capacity) return true;
    for (size_t i = 0; i < JMI_MARK_COLUMNS; i++) {
        if ((mark->columns & 1u << i) == 0) continue;
        double *rows = realloc(mark->column[i], larger * sizeof *rows);
        if (rows == NULL) return false;
        mark->column[i] = rows;
    }
    if (mark->kind == JM_MARK_TEXT) {
        char **rows = realloc(mark->text, larger * sizeof *rows);
        if (rows == NULL) return false;
        mark->text = rows;
    }
    mark->capacity = larger;
    return true;
}

static void put(jmi_mark *mark, const double *values, char *text) {
    if (!make_room(mark)) {
        mark->failed = true;
        free(text);
        return;
    }
    for (size_t i = 0; i < JMI_MARK_COLUMNS; i++)
        if (mark->columns & 1u << i) mark->column[i][mark->count] = *values++;
    if (mark->kind == JM_MARK_TEXT) mark->text[mark->count] = text;
    mark->count++;
}

void jmi_mark_put(jmi_mark *mark, const double *values) {
    if (mark != NULL && mark->kind != JM_MARK_TEXT) put(mark, values, NULL);
}

void jmi_mark_put_text(jmi_mark *mark, double x, double y, double width, double height,
                       const char *text) {
    if (mark == NULL || mark->kind != JM_MARK_TEXT) return;
    char *copy = jmi_strdup(text);
    if (copy == NULL)
        mark->failed = true;
    else
        put(mark, (const double[]){x, width, y, height}, copy);
}

int jmi_figure_finish(jm_figure *figure, int status, jm_figure **out, jm_error *error) {
    *out = NULL;
    if (figure == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a figure");
    bool failed = figure->failed || figure->note.failed;
    for (size_t i = 0; i < figure->mark_count; i++) failed |= figure->marks[i]->failed;
    if (status == JM_OK && failed)
        status = jmi_fail(error, JM_MEMORY, "out of memory for the figure %s", figure->name);
    if (status == JM_OK)
        *out = figure;
    else
        jm_figure_free(figure);
    return status;
}

/* ---- reading ---- */

static jm_figure_axis axis_of(const jmi_axis *axis) {
    return (jm_figure_axis){.label = axis->label == NULL ? "" : axis->label,
                            .unit = axis->unit,
                            .min = axis->min,
                            .max = axis->max,
                            .scale = axis->scale,
                            .tick_count = axis->tick_count,
                            .tick = axis->tick,
                            .tick_text = (const char *const *)axis->tick_text,
                            .categories = axis->categories,
                            .hidden = axis->hidden};
}

int jm_figure_get(const jm_figure *figure, jm_figure_info *info) {
    if (figure == NULL || info == NULL) return JM_INVALID;
    jm_figure_info ours = {.size = info->size,
                           .name = figure->name,
                           .title = figure->title,
                           .note = figure->note.data == NULL ? "" : figure->note.data,
                           .x = axis_of(&figure->x),
                           .y = axis_of(&figure->y),
                           .color = axis_of(&figure->color),
                           .has_phases = figure->has_phases,
                           .mark_count = (uint32_t)figure->mark_count};
    return jmi_give_struct(info, &ours, sizeof ours);
}

int jm_figure_get_mark(const jm_figure *figure, uint32_t index, jm_figure_mark *mark) {
    if (figure == NULL || mark == NULL) return JM_INVALID;
    if (index >= figure->mark_count) return JM_NOT_FOUND;
    const jmi_mark *from = figure->marks[index];
    jm_figure_mark ours = {.size = mark->size,
                           .kind = from->kind,
                           .color = from->color,
                           .style = from->style,
                           .label = from->label,
                           .count = from->count,
                           .x = from->column[JMI_X],
                           .x2 = from->column[JMI_X2],
                           .y = from->column[JMI_Y],
                           .y2 = from->column[JMI_Y2],
                           .low = from->column[JMI_LOW],
                           .high = from->column[JMI_HIGH],
                           .q1 = from->column[JMI_Q1],
                           .q3 = from->column[JMI_Q3],
                           .value = from->column[JMI_VALUE],
                           .text = (const char *const *)from->text};
    return jmi_give_struct(mark, &ours, sizeof ours);
}

int jm_figure_add_note(jm_figure *figure, const char *sentence, jm_error *error) {
    if (figure == NULL || sentence == NULL)
        return jmi_fail(error, JM_INVALID, "figure and sentence must not be NULL");
    jmi_figure_note(figure, "%s", sentence);
    if (!figure->note.failed) return JM_OK;
    figure->note.failed = false; /* what was there still is */
    return jmi_fail(error, JM_MEMORY, "out of memory for a note");
}

static void free_mark(jmi_mark *mark) {
    for (size_t i = 0; i < JMI_MARK_COLUMNS; i++) free(mark->column[i]);
    for (size_t i = 0; mark->text != NULL && i < mark->count; i++) free(mark->text[i]);
    free(mark->text);
    free(mark->label);
    free(mark);
}

void jm_figure_free(jm_figure *figure) {
    if (figure == NULL) return;
    for (size_t i = 0; i < figure->mark_count; i++) free_mark(figure->marks[i]);
    free(figure->marks);
    jmi_axis_free(&figure->x);
    jmi_axis_free(&figure->y);
    jmi_axis_free(&figure->color);
    jmi_text_free(&figure->note);
    free(figure->name);
    free(figure->title);
    free(figure);
}
