/* The logbook: for joulemeter/_logbook.py. */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

typedef struct taken_values {
    jm_log_value *values;
    size_t count;
    PyObject *kept; /* texts that the values point to */
} taken_values;

static void free_values(taken_values *t) {
    free(t->values);
    Py_XDECREF(t->kept);
}

/* One text of it, kept; NULL: exception set. */
static const char *keep_text(taken_values *t, PyObject *text) {
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "replace");
    if (bytes == NULL || PyList_Append(t->kept, bytes) != 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    Py_DECREF(bytes); /* the list has it */
    return PyBytes_AsString(bytes);
}

/* {column: text, number or None}. -1: exception set. */
static int take_values(PyObject *given, taken_values *t) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    *t = (taken_values){.kept = PyList_New(0)};
    if (given == NULL || given == Py_None) return t->kept != NULL ? 0 : -1;
    t->values = calloc((size_t)PyDict_Size(given) + 1, sizeof *t->values);
    if (t->values == NULL) PyErr_NoMemory();
    if (t->values == NULL || t->kept == NULL) return -1;
    while (PyDict_Next(given, &at, &key, &value)) {
        if (value == Py_None) continue;
        jm_log_value *into = &t->values[t->count];
        into->column = keep_text(t, key);
        if (PyUnicode_Check(value))
            into->text = keep_text(t, value);
        else
            into->number = PyFloat_AsDouble(value);
        if (PyErr_Occurred()) return -1;
        t->count++;
    }
    return 0;
}

/* ---- appending ---- */

/* log_append(path, values) -> number of the row */
static PyObject *log_append(PyObject *module, PyObject *args) {
    (void)module;
    const char *path;
    PyObject *given;
    taken_values taken;
    jm_error error = {0};
    int64_t id = 0;
    if (!PyArg_ParseTuple(args, "zO!", &path, &PyDict_Type, &given)) return NULL;
    int status = take_values(given, &taken);
    if (status == 0) {
        Py_BEGIN_ALLOW_THREADS status = jm_log_append(path, taken.values, taken.count, &id, &error);
        Py_END_ALLOW_THREADS if (status != JM_OK) raise_error(status, &error);
    }
    free_values(&taken);
    return status == 0 ? PyLong_FromLongLong(id) : NULL;
}

/* log_recording(recording, path, values, grid=None, begin_ns=0, end_ns=0, place=False) */
static PyObject *log_recording(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"recording", "path",   "values", "grid",
                            "begin_ns",  "end_ns", "place",  NULL};
    (void)module;
    jm_log_run run = JM_LOG_RUN_INIT;
    jm_error error = {0};
    PyObject *object, *given, *grid = NULL;
    const char *path;
    long long begin = 0, end = 0;
    int place = 0;
    int64_t id = 0;
    taken_values taken;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OzO!|OLLp", words, &object, &path, &PyDict_Type,
                                     &given, &grid, &begin, &end, &place) ||
        take_grid(grid, &run.grid) != 0)
        return NULL;
    jm_recording *recording = take_recording(object);
    if (recording == NULL) return NULL;
    int status = take_values(given, &taken);
    run.begin_ns = begin;
    run.end_ns = end;
    run.place = place != 0;
    run.values = taken.values;
    run.count = taken.count;
    if (status == 0) {
        Py_BEGIN_ALLOW_THREADS status = jm_log_recording(path, recording, &run, &id, &error);
        Py_END_ALLOW_THREADS if (status != JM_OK) raise_error(status, &error);
    }
    free_values(&taken);
    return status == 0 ? PyLong_FromLongLong(id) : NULL;
}

/* ---- reading ---- */

static int take_filter(PyObject *kwargs, jm_log_filter *filter) {
    static char *words[] = {"project", "tag", "since", "until", "id", "last", NULL};
    PyObject *none = PyTuple_New(0);
    long long id = 0;
    unsigned long long last = 0;
    *filter = (jm_log_filter)JM_LOG_FILTER_INIT;
    int good = none != NULL && PyArg_ParseTupleAndKeywords(
                                   none, kwargs, "|zzddLK", words, &filter->project, &filter->tag,
                                   &filter->since_unix_s, &filter->until_unix_s, &id, &last);
    Py_XDECREF(none);
    filter->id = id;
    filter->last = last;
    return good ? 0 : -1;
}

static PyObject *cell(const jm_sql_value *value) {
    switch (value->type) {
    case JM_SQL_NULL: Py_RETURN_NONE;
    case JM_SQL_INTEGER: return PyLong_FromLongLong(value->integer);
    case JM_SQL_REAL: return PyFloat_FromDouble(value->real);
    default: return PyUnicode_DecodeUTF8(value->text, (Py_ssize_t)value->length, "replace");
    }
}

/* Called with the interpreter's lock; non-zero: exception set. */
static int take_row(size_t columns, const jm_sql_value *values, void *user) {
    PyObject *list = user, *row = PyTuple_New((Py_ssize_t)columns);
    for (size_t i = 0; row != NULL && i < columns; i++) {
        PyObject *one = cell(&values[i]);
        if (one == NULL) {
            Py_DECREF(row);
            return 1;
        }
        PyTuple_SetItem(row, (Py_ssize_t)i, one);
    }
    int failed = row == NULL || PyList_Append(list, row) != 0;
    Py_XDECREF(row);
    return failed;
}

static int view_of(const char *name, jm_log_view *view) {
    static const char *const names[] = {"all", "powermeter", "codecarbon", "projects", "months"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) {
            *view = (jm_log_view)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "there is no view '%s' of the logbook", name);
    return -1;
}

/* log_rows(path, view, **filter) -> [names, row, row ...] */
static PyObject *log_rows(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    const char *path, *name;
    jm_log_view view;
    jm_log_filter filter;
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "zs", &path, &name) || view_of(name, &view) != 0 ||
        take_filter(kwargs, &filter) != 0)
        return NULL;
    PyObject *list = PyList_New(0);
    if (list == NULL) return NULL;
    int status = jm_log_rows(path, view, &filter, take_row, list, &error);
    if (status == JM_OK) return list;
    Py_DECREF(list);
    return PyErr_Occurred() ? NULL : raise_error(status, &error);
}

/* log_statement(path, format, **filter) -> text */
static PyObject *log_statement(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    const char *path, *format;
    jm_log_filter filter;
    jm_error error = {0};
    char *text = NULL;
    if (!PyArg_ParseTuple(args, "zs", &path, &format) || take_filter(kwargs, &filter) != 0)
        return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_log_statement(path, &filter, format, &text, &error);
    Py_END_ALLOW_THREADS if (status != JM_OK) return raise_error(status, &error);
    PyObject *result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    jm_free(text);
    return result;
}

static PyMethodDef functions[] = {
    {"log_append", log_append, METH_VARARGS,
     "log_append(path, values)\n--\n\nAppends a row; its number."},
    {"log_recording", KEYWORDS(log_recording),
     "log_recording(recording, path, values, grid=None, begin_ns=0, end_ns=0, place=False)\n--\n\n"
     "Appends a row about a recording; its number."},
    {"log_rows", KEYWORDS(log_rows),
     "log_rows(path, view, **filter)\n--\n\n[names, row ...]; views: all, powermeter, codecarbon, "
     "projects, months."},
    {"log_statement", KEYWORDS(log_statement),
     "log_statement(path, format, **filter)\n--\n\nA sentence and a table for a paper."},
    {0}};

int add_logbook(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
