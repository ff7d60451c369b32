/* Attributes of ranges and marks: JSON text, written here where it is simple. */
#include "ext.h"

#include <stdio.h>
#include <string.h>

/* Integers, and floats that are numbers, are JSON as they stand; for the rest there is json. */
static bool add_simple(char *text, size_t size, size_t *used, PyObject *key, PyObject *value) {
    PyObject *name = PyUnicode_AsASCIIString(key);
    bool good = name != NULL;
    char number[40];
    if (PyErr_Occurred()) PyErr_Clear();
    if (good && PyLong_CheckExact(value)) {
        int overflow = 0;
        long long whole = PyLong_AsLongLongAndOverflow(value, &overflow);
        snprintf(number, sizeof number, "%lld", whole);
        good = overflow == 0;
    } else if (good && PyFloat_CheckExact(value)) {
        double real = PyFloat_AsDouble(value);
        char *digits = real - real == 0 ? PyOS_double_to_string(real, 'r', 0, 0, NULL) : NULL;
        good = digits != NULL && strlen(digits) < sizeof number;
        if (good) strcpy(number, digits);
        PyMem_Free(digits);
    } else {
        good = false;
    }
    if (good) {
        int length = snprintf(text + *used, size - *used, "%s\"%s\":%s", *used > 1 ? "," : "",
                              PyBytes_AsString(name), number);
        good = length > 0 && (size_t)length < size - *used - 2;
        if (good) *used += (size_t)length;
    }
    Py_XDECREF(name);
    return good;
}

PyObject *attributes_of(PyObject *meta) {
    if (meta == NULL || PyDict_Size(meta) == 0) return NULL;
    char text[256] = "{";
    size_t used = 1;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    bool simple = true;
    while (simple && PyDict_Next(meta, &at, &key, &value))
        simple = add_simple(text, sizeof text, &used, key, value);
    if (simple) {
        text[used++] = '}';
        return PyBytes_FromStringAndSize(text, (Py_ssize_t)used);
    }
    PyObject *json = PyObject_CallFunction(hook.json_text, "O", meta);
    PyObject *bytes = json != NULL ? PyUnicode_AsUTF8String(json) : NULL;
    Py_XDECREF(json);
    return bytes;
}

/* Appends `"key":value` for a small integer; false: it is something else. */
static bool add_count(char *text, size_t *used, const char *key, PyObject *value) {
    int overflow = 0;
    if (!PyLong_CheckExact(value)) return false;
    long number = PyLong_AsLongAndOverflow(value, &overflow);
    if (overflow != 0 || number < 0) return false;
    char digits[24];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    text[*used] = *used == 0 ? '{' : ',';
    text[*used + 1] = '"';
    size_t length = strlen(key);
    memcpy(text + *used + 2, key, length);
    *used += 2 + length;
    text[(*used)++] = '"';
    text[(*used)++] = ':';
    while (count > 0) text[(*used)++] = digits[--count];
    return true;
}

/* Index and size of a batch as JSON, the quick way; NULL without an exception: it takes the long
 * way, or there is nothing to say. */
static PyObject *quick_attributes(PyObject *const *values, const char *const *names) {
    char text[96];
    size_t used = 0;
    for (int i = 0; i < 2; i++)
        if (values[i] != NULL && values[i] != Py_None &&
            !add_count(text, &used, names[i], values[i]))
            return NULL;
    if (used == 0) return NULL;
    text[used++] = '}';
    return PyBytes_FromStringAndSize(text, (Py_ssize_t)used);
}

/* Likewise with further attributes. */
static PyObject *all_attributes(PyObject *const *values, const char *const *names, PyObject *meta) {
    PyObject *all = PyDict_New(), *attributes = NULL;
    for (int i = 0; all != NULL && i < 2; i++)
        if (values[i] != NULL && values[i] != Py_None &&
            PyDict_SetItemString(all, names[i], values[i]) != 0)
            Py_CLEAR(all);
    if (all != NULL && (meta == NULL || PyDict_Update(all, meta) == 0))
        attributes = attributes_of(all);
    Py_XDECREF(all);
    return attributes;
}

PyObject *numbered_attributes(PyObject *const *values, const char *const *names, PyObject *meta) {
    PyObject *attributes =
        meta == NULL || PyDict_Size(meta) == 0 ? quick_attributes(values, names) : NULL;
    if (attributes != NULL || PyErr_Occurred()) return attributes;
    return all_attributes(values, names, meta);
}
