/* Figures: what the library computed, as dicts. Columns are bytes of native doubles, which NumPy
 * takes without copying. */
#include "ext.h"

#include <string.h>

/* ---- a figure as a dict ---- */

static PyObject *doubles(const double *values, size_t count) {
    return PyBytes_FromStringAndSize((const char *)values, (Py_ssize_t)(count * sizeof *values));
}

static PyObject *texts(const char *const *values, size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *text = PyUnicode_DecodeUTF8(values[i], (Py_ssize_t)strlen(values[i]), "replace");
        if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *text_of(const char *text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static PyObject *axis_dict(const jm_figure_axis *axis) {
    if (axis->label[0] == '\0' && !axis->hidden && !axis->categories) Py_RETURN_NONE;
    return Py_BuildValue("{s:N,s:s,s:d,s:d,s:d,s:N,s:N,s:N,s:N}", "label", text_of(axis->label),
                         "unit", axis->unit, "min", axis->min, "max", axis->max, "scale",
                         axis->scale, "ticks", doubles(axis->tick, axis->tick_count), "tick_texts",
                         texts(axis->tick_text, axis->tick_count), "categories",
                         PyBool_FromLong(axis->categories), "hidden",
                         PyBool_FromLong(axis->hidden));
}

static PyObject *styles(uint32_t style) {
    static const char *const names[] = {"dashed", "faint", "small", "guide"};
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < 4; i++) {
        if ((style & 1u << i) == 0) continue;
        PyObject *name = PyUnicode_FromString(names[i]);
        if (name == NULL || PyList_Append(list, name) != 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *mark_dict(const jm_figure_mark *m) {
    const struct {
        const char *name;
        const double *values;
    } columns[] = {{"x", m->x},   {"x2", m->x2},   {"y", m->y},
                   {"y2", m->y2}, {"low", m->low}, {"high", m->high},
                   {"q1", m->q1}, {"q3", m->q3},   {"value", m->value}};
    PyObject *dict =
        Py_BuildValue("{s:s,s:N,s:s,s:s,s:N}", "kind", jm_mark_kind_name((int)m->kind), "label",
                      text_of(m->label), "color", jm_figure_color(m->color, false), "color_dark",
                      jm_figure_color(m->color, true), "style", styles(m->style));
    for (size_t i = 0; dict != NULL && i < sizeof columns / sizeof *columns; i++)
        if (columns[i].values != NULL &&
            put(dict, columns[i].name, doubles(columns[i].values, m->count)) != 0)
            Py_CLEAR(dict);
    if (dict != NULL && m->text != NULL && put(dict, "text", texts(m->text, m->count)) != 0)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *marks_list(const jm_figure *figure, uint32_t count) {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        jm_figure_mark mark = {.size = sizeof mark};
        jm_figure_get_mark(figure, i, &mark);
        if (mark.count == 0) continue; /* nothing to draw */
        PyObject *dict = mark_dict(&mark);
        if (dict == NULL || PyList_Append(list, dict) != 0) Py_CLEAR(list);
        Py_XDECREF(dict);
    }
    return list;
}

/* Takes the figure over. */
static PyObject *figure_dict(jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    jm_figure_get(figure, &info);
    PyObject *dict = Py_BuildValue("{s:s,s:N,s:N,s:N,s:N,s:N,s:N,s:N}", "name", info.name, "title",
                                   text_of(info.title), "note", text_of(info.note), "has_phases",
                                   PyBool_FromLong(info.has_phases), "x", axis_dict(&info.x), "y",
                                   axis_dict(&info.y), "color", axis_dict(&info.color), "marks",
                                   marks_list(figure, info.mark_count));
    jm_figure_free(figure);
    return dict;
}

/* What has no such figure, or no data for it, is a wrong value. */
PyObject *figure_or_error(int status, jm_figure *figure, const jm_error *error) {
    if (status == JM_OK) return figure_dict(figure);
    if (status != JM_NOT_FOUND && status != JM_NO_DATA) return raise_error(status, error);
    PyErr_SetString(PyExc_ValueError, error->message);
    return NULL;
}

/* ---- figures of a recording ---- */

typedef struct figures_object {
    PyObject_HEAD jm_figures *figures; /* NULL: in use by another thread, or closed */
    PyObject *recording;
} figures_object;

static PyTypeObject *figures_type;

static int find_device(void *context, uint32_t index, jm_device *device) {
    return jm_recording_device(context, index, device);
}

/* Keyword arguments of `figures`. */
static int take_options(jm_recording *recording, PyObject *args, PyObject *kwargs,
                        jm_figure_options *options) {
    static char *names[] = {"device", "columns", "smooth", "top", "phases", "raw", NULL};
    PyObject *device = NULL;
    unsigned columns = 0, smooth = 0, top = 0;
    int phases = 1, raw = 0;
    *options = (jm_figure_options)JM_FIGURE_OPTIONS_INIT;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OIIIpp", names, &device, &columns, &smooth,
                                     &top, &phases, &raw))
        return -1;
    options->columns = columns;
    options->smooth = smooth;
    options->top = top;
    options->no_phases = !phases;
    options->raw = raw != 0;
    return device == NULL ? 0 : device_of(device, find_device, recording, &options->device);
}

PyObject *recording_figures(PyObject *self, PyObject *args, PyObject *kwargs) {
    jm_figure_options options;
    jm_error error = {0};
    jm_recording *recording = recording_of(self);
    if (recording == NULL || take_options(recording, args, kwargs, &options) != 0) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(figures_type, Py_tp_alloc);
    figures_object *figures = (figures_object *)alloc(figures_type, 0);
    if (figures == NULL) return NULL;
    int status = jm_figures_open(&figures->figures, recording, &options, &error);
    if (status != JM_OK) {
        Py_DECREF(figures);
        return raise_error(status, &error);
    }
    Py_INCREF(self);
    figures->recording = self;
    return (PyObject *)figures;
}

static PyObject *figures_make(PyObject *self, PyObject *name) {
    figures_object *object = (figures_object *)self;
    jm_figures *figures = object->figures;
    jm_figure *figure = NULL;
    jm_error error = {0};
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "the name of a figure is a str");
        return NULL;
    }
    if (recording_of(object->recording) == NULL) return NULL;
    if (figures == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "another thread makes a figure of them");
        return NULL;
    }
    PyObject *bytes = PyUnicode_AsUTF8String(name);
    if (bytes == NULL) return NULL;
    object->figures = NULL; /* they are for one thread at a time */
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_figures_make(figures, PyBytes_AsString(bytes), &figure, &error);
    Py_END_ALLOW_THREADS object->figures = figures;
    Py_DECREF(bytes);
    return figure_or_error(status, figure, &error);
}

static void figures_dealloc(PyObject *self) {
    figures_object *object = (figures_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    jm_figures_close(object->figures);
    Py_XDECREF(object->recording);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- figures of numbers ---- */

static PyObject *figure_names(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < jm_figure_count(); i++) {
        PyObject *pair = Py_BuildValue("(ss)", jm_figure_name(i), jm_figure_title(i));
        if (pair == NULL || PyList_Append(list, pair) != 0) Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

/* The rows of a list as a tuple of tuples: nobody changes it while names in it are in use. */
static PyObject *rows_of(PyObject *list) {
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "rows are a list");
        return NULL;
    }
    PyObject *rows = PyList_AsTuple(list);
    for (Py_ssize_t i = 0; rows != NULL && i < PyTuple_Size(rows); i++)
        if (!PyTuple_Check(PyTuple_GetItem(rows, i))) {
            PyErr_SetString(PyExc_TypeError, "each row is a tuple");
            Py_CLEAR(rows);
        }
    return rows;
}

/* Room for the rows of a list, and one more. NULL: an exception. */
static void *room_for(PyObject *list, PyObject **rows, size_t *count, size_t size) {
    *rows = rows_of(list);
    if (*rows == NULL) return NULL;
    *count = (size_t)PyTuple_Size(*rows);
    void *room = PyMem_Calloc(*count + 1, size);
    if (room != NULL) return room;
    Py_CLEAR(*rows);
    return PyErr_NoMemory();
}

static bool each_row(PyObject *rows, int (*take)(PyObject *row, size_t index, void *all),
                     void *all) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(rows); i++)
        if (take(PyTuple_GetItem(rows, i), (size_t)i, all) != 0) return false;
    return true;
}

static int take_group(PyObject *row, size_t index, void *all) {
    jm_run_group *group = (jm_run_group *)all + index;
    PyObject *given;
    if (!PyArg_ParseTuple(row, "sO", &group->name, &given)) return -1;
    group->runs = take_runs(given, &group->count);
    return group->runs == NULL ? -1 : 0;
}

static PyObject *figure_runs(PyObject *module, PyObject *args) {
    (void)module;
    static const char *const names[] = {"energy", "time", "power"};
    PyObject *list, *rows;
    const char *which;
    jm_figure *figure = NULL;
    jm_error error = {0};
    int value = 0, status = JM_INVALID;
    size_t count;
    if (!PyArg_ParseTuple(args, "Os", &list, &which)) return NULL;
    while (value < 3 && strcmp(names[value], which) != 0) value++;
    if (value == 3) {
        PyErr_SetString(PyExc_ValueError, "runs have an energy, a time and a power");
        return NULL;
    }
    jm_run_group *groups = room_for(list, &rows, &count, sizeof *groups);
    if (groups == NULL) return NULL;
    bool good = each_row(rows, take_group, groups);
    if (good) status = jm_figure_runs(&figure, groups, count, (jm_run_value)value, &error);
    for (size_t i = 0; i < count; i++) PyMem_Free((void *)groups[i].runs);
    PyMem_Free(groups);
    Py_DECREF(rows);
    return good ? figure_or_error(status, figure, &error) : NULL;
}

typedef struct ratios {
    const char **names;
    jm_comparison *list;
} ratios;

static int take_ratios(PyObject *row, size_t index, void *all) {
    ratios *r = all;
    jm_comparison *c = &r->list[index];
    c->size = sizeof *c;
    return PyArg_ParseTuple(row, "s(ddd)(ddd)(ddd)", &r->names[index], &c->energy.ratio,
                            &c->energy.lower, &c->energy.upper, &c->time.ratio, &c->time.lower,
                            &c->time.upper, &c->power.ratio, &c->power.lower, &c->power.upper)
               ? 0
               : -1;
}

static PyObject *figure_ratios(PyObject *module, PyObject *list) {
    (void)module;
    PyObject *rows;
    jm_figure *figure = NULL;
    jm_error error = {0};
    int status = JM_INVALID;
    size_t count;
    ratios r = {.list = room_for(list, &rows, &count, sizeof *r.list)};
    if (r.list == NULL) return NULL;
    r.names = PyMem_Calloc(count + 1, sizeof *r.names);
    bool good = r.names != NULL && each_row(rows, take_ratios, &r);
    if (good) status = jm_figure_ratios(&figure, r.names, r.list, count, &error);
    PyMem_Free(r.names);
    PyMem_Free(r.list);
    Py_DECREF(rows);
    if (good) return figure_or_error(status, figure, &error);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

static int take_limit(PyObject *row, size_t index, void *all) {
    jm_limit_point *point = (jm_limit_point *)all + index;
    return PyArg_ParseTuple(row, "dddd", &point->limit_w, &point->run.energy_j,
                            &point->run.u_random_j, &point->run.time_s)
               ? 0
               : -1;
}

static PyObject *figure_limits(PyObject *module, PyObject *list) {
    (void)module;
    PyObject *rows;
    jm_figure *figure = NULL;
    jm_error error = {0};
    int status = JM_INVALID;
    size_t count;
    jm_limit_point *points = room_for(list, &rows, &count, sizeof *points);
    if (points == NULL) return NULL;
    bool good = each_row(rows, take_limit, points);
    if (good) status = jm_figure_limits(&figure, points, count, &error);
    PyMem_Free(points);
    Py_DECREF(rows);
    return good ? figure_or_error(status, figure, &error) : NULL;
}

static int take_coverage(PyObject *row, size_t index, void *all) {
    jm_coverage_point *point = (jm_coverage_point *)all + index;
    unsigned long long held, of;
    if (!PyArg_ParseTuple(row, "sKK", &point->name, &held, &of)) return -1;
    point->held = held;
    point->of = of;
    return 0;
}

static PyObject *figure_coverage(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *list, *rows;
    double level;
    jm_figure *figure = NULL;
    jm_error error = {0};
    int status = JM_INVALID;
    size_t count;
    if (!PyArg_ParseTuple(args, "Od", &list, &level)) return NULL;
    jm_coverage_point *points = room_for(list, &rows, &count, sizeof *points);
    if (points == NULL) return NULL;
    bool good = each_row(rows, take_coverage, points);
    if (good) status = jm_figure_coverage(&figure, points, count, level, &error);
    PyMem_Free(points);
    Py_DECREF(rows);
    return good ? figure_or_error(status, figure, &error) : NULL;
}

static PyObject *figure_shades(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i <= 32; i++) {
        char text[8];
        PyObject *shade = PyUnicode_FromString(jm_figure_shade(i / 32.0, text));
        if (shade == NULL || PyList_Append(list, shade) != 0) Py_CLEAR(list);
        Py_XDECREF(shade);
    }
    return list;
}

/* ---- the page ---- */

PyObject *recording_html(PyObject *self, PyObject *args) {
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    jm_error error = {0};
    char *html = NULL;
    jm_recording *recording = recording_of(self);
    unsigned long long most = 0;
    if (recording == NULL || !PyArg_ParseTuple(args, "|zK", &options.title, &most)) return NULL;
    options.max_data_bytes = most;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_report_html(recording, &options, &html, &error);
    Py_END_ALLOW_THREADS if (status != JM_OK) return raise_error(status, &error);
    PyObject *text = PyUnicode_DecodeUTF8(html, (Py_ssize_t)strlen(html), "replace");
    jm_free(html);
    return text;
}

/* ---- the module ---- */

static PyMethodDef methods[] = {
    {"make", figures_make, METH_O, "make(name, /)\n--\n\nA figure as a dict of axes and marks."},
    {0}};

static PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)type, (void)args, (void)kwargs;
    PyErr_SetString(PyExc_TypeError, "Recording.figures() makes them");
    return NULL;
}

static PyType_Slot slots[] = {{Py_tp_new, no_new},
                              {Py_tp_dealloc, figures_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_doc, "Figures of a recording."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Figures",
                           .basicsize = sizeof(figures_object),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

static PyMethodDef functions[] = {
    {"figure_names", figure_names, METH_NOARGS,
     "figure_names()\n--\n\n(name, title) of the figures of recordings."},
    {"figure_shades", figure_shades, METH_NOARGS,
     "figure_shades()\n--\n\nColours of the colour axis from its min to its max."},
    {"figure_runs", figure_runs, METH_VARARGS,
     "figure_runs(groups, which, /)\n--\n\nGroups are (name, runs); which: energy, time, power."},
    {"figure_ratios", figure_ratios, METH_O,
     "figure_ratios(rows, /)\n--\n\n(name, energy, time, power), each (ratio, lower, upper)."},
    {"figure_limits", figure_limits, METH_O,
     "figure_limits(points, /)\n--\n\n(limit_w, energy_j, u_random_j, time_s)."},
    {"figure_coverage", figure_coverage, METH_VARARGS,
     "figure_coverage(points, level, /)\n--\n\n(name, held, of)."},
    {0}};

int add_figures(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    figures_type = (PyTypeObject *)type;
    Py_INCREF(type);
    if (PyModule_AddObject(module, "Figures", type) != 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
