/* A figure as JSON. */
#include "figure/json.h"

static json_t *numbers(const double *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, jmi_json_number(values[i]));
    return list;
}

static json_t *texts(char *const *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, jmi_json_text(values[i]));
    return list;
}

static json_t *axis_object(const jmi_axis *axis) {
    if (axis->label == NULL && !axis->hidden) return json_null();
    json_t *object = json_object();
    jmi_json_set_text(object, "label", axis->label == NULL ? "" : axis->label);
    jmi_json_set_text(object, "unit", axis->unit);
    jmi_json_set_number(object, "min", axis->min);
    jmi_json_set_number(object, "max", axis->max);
    jmi_json_set_number(object, "scale", axis->scale);
    jmi_json_set_bool(object, "categories", axis->categories);
    jmi_json_set_bool(object, "hidden", axis->hidden);
    json_object_set_new(object, "ticks", numbers(axis->tick, axis->tick_count));
    json_object_set_new(object, "tick_texts", texts(axis->tick_text, axis->tick_count));
    return object;
}

static json_t *styles(uint32_t style) {
    static const char *const names[] = {"dashed", "faint", "small", "guide"};
    json_t *list = json_array();
    for (uint32_t i = 0; i < JMI_COUNT(names); i++)
        if (style & 1u << i) json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *mark_object(const jmi_mark *mark) {
    static const char *const columns[JMI_MARK_COLUMNS] = {
        [JMI_X] = "x",   [JMI_X2] = "x2",   [JMI_Y] = "y",
        [JMI_Y2] = "y2", [JMI_LOW] = "low", [JMI_HIGH] = "high",
        [JMI_Q1] = "q1", [JMI_Q3] = "q3",   [JMI_VALUE] = "value"};
    json_t *object = json_object();
    jmi_json_set_text(object, "kind", jm_mark_kind_name((int)mark->kind));
    jmi_json_set_text(object, "label", mark->label);
    jmi_json_set_text(object, "color", jm_figure_color(mark->color, false));
    jmi_json_set_text(object, "color_dark", jm_figure_color(mark->color, true));
    json_object_set_new(object, "style", styles(mark->style));
    for (size_t i = 0; i < JMI_MARK_COLUMNS; i++)
        if (mark->columns & 1u << i)
            json_object_set_new(object, columns[i], numbers(mark->column[i], mark->count));
    if (mark->kind == JM_MARK_TEXT)
        json_object_set_new(object, "text", texts(mark->text, mark->count));
    return object;
}

json_t *jmi_figure_object(const jm_figure *figure) {
    json_t *object = json_object(), *marks = json_array();
    jmi_json_set_text(object, "name", figure->name);
    jmi_json_set_text(object, "title", figure->title);
    jmi_json_set_text(object, "note", figure->note.data == NULL ? "" : figure->note.data);
    jmi_json_set_bool(object, "has_phases", figure->has_phases);
    json_object_set_new(object, "x", axis_object(&figure->x));
    json_object_set_new(object, "y", axis_object(&figure->y));
    json_object_set_new(object, "color", axis_object(&figure->color));
    for (size_t i = 0; i < figure->mark_count; i++)
        json_array_append_new(marks, mark_object(figure->marks[i]));
    json_object_set_new(object, "marks", marks);
    return object;
}

int jm_figure_json(const jm_figure *figure, char **json, jm_error *error) {
    if (figure == NULL || json == NULL)
        return jmi_fail(error, JM_INVALID, "figure and json must not be NULL");
    return jmi_json_dump(jmi_figure_object(figure), JSON_COMPACT | JSON_REAL_PRECISION(15), json,
                         error);
}
