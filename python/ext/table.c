/* Tables of a recording: as Arrow streams in capsules, and as plain Python columns for those who
 * have neither Arrow nor pandas. */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

static const char capsule_name[] = "arrow_array_stream";

/* ---- a stream that keeps its recording alive ---- */

typedef struct kept_stream {
    struct ArrowArrayStream inner;
    PyObject *recording;
} kept_stream;

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    kept_stream *kept = stream->private_data;
    return kept->inner.get_schema(&kept->inner, out);
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    kept_stream *kept = stream->private_data;
    return kept->inner.get_next(&kept->inner, out);
}

static const char *get_last_error(struct ArrowArrayStream *stream) {
    kept_stream *kept = stream->private_data;
    return kept->inner.get_last_error(&kept->inner);
}

/* From any thread of whoever took the stream over. */
static void release(struct ArrowArrayStream *stream) {
    kept_stream *kept = stream->private_data;
    kept->inner.release(&kept->inner);
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(kept->recording);
    PyGILState_Release(state);
    free(kept);
    stream->release = NULL;
}

static int table_of(PyObject *name, jm_table *table) {
    static const char *const names[] = {"samples", "readings", "marks", "ranges",
                                        "batches", "epochs",   "phases"};
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            *table = (jm_table)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError,
                 "there is no table %R: choose samples, readings, marks, ranges, batches, epochs "
                 "or phases",
                 name);
    return -1;
}

/* What is asked for: a table's name, and keyword arguments device and those of energies. */
typedef struct request {
    jm_table table;
    jm_table_options options;
    jm_energy_options energy;
} request;

static int find_device(void *context, uint32_t index, jm_device *device) {
    return jm_recording_device(context, index, device);
}

static int take_request(recording_object *self, PyObject *args, PyObject *kwargs, request *r) {
    PyObject *name;
    if (self->recording == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the recording is gone");
        return -1;
    }
    r->options = (jm_table_options)JM_TABLE_OPTIONS_INIT;
    PyObject *device = kwargs != NULL ? PyDict_GetItemString(kwargs, "device") : NULL;
    if (!PyArg_ParseTuple(args, "O", &name) || table_of(name, &r->table) != 0 ||
        device_of(device, find_device, self->recording, &r->options.device) != 0 ||
        take_energy_options(kwargs, &r->energy) != 0)
        return -1;
    r->options.energy = &r->energy;
    return 0;
}

static kept_stream *open_stream(PyObject *self, PyObject *args, PyObject *kwargs) {
    recording_object *recording = (recording_object *)self;
    request r;
    jm_error error = {0};
    if (take_request(recording, args, kwargs, &r) != 0) return NULL;
    kept_stream *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_arrow(recording->recording, r.table, &r.options, &kept->inner, &error);
    Py_END_ALLOW_THREADS if (status != JM_OK) {
        free(kept);
        raise_error(status, &error);
        return NULL;
    }
    Py_INCREF(self);
    kept->recording = self;
    return kept;
}

static void capsule_free(PyObject *capsule) {
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, capsule_name);
    if (stream == NULL) return;
    if (stream->release != NULL) stream->release(stream);
    free(stream);
}

PyObject *recording_arrow(PyObject *self, PyObject *args, PyObject *kwargs) {
    kept_stream *kept = open_stream(self, args, kwargs);
    if (kept == NULL) return NULL;
    struct ArrowArrayStream *stream = malloc(sizeof *stream);
    struct ArrowArrayStream outer = {get_schema, get_next, get_last_error, release, kept};
    PyObject *capsule = NULL;
    if (stream != NULL) {
        *stream = outer;
        capsule = PyCapsule_New(stream, capsule_name, capsule_free);
    }
    if (capsule != NULL) return capsule;
    free(stream);
    release(&outer);
    return PyErr_NoMemory();
}

/* ---- plain columns ---- */

typedef struct column {
    char format[8]; /* of the values: an Arrow format, "u" also where it is dictionary-encoded */
    bool dictionary;
    size_t width; /* bytes of a value; 0: texts, in `texts` */
    char *values;
    size_t used, capacity;
    PyObject *texts;
    char *valid; /* one byte a row */
    size_t rows, valid_capacity;
    bool has_null;
} column;

static size_t width_of(const char *format) {
    switch (format[0]) {
    case 'b':
    case 'c':
    case 'C': return 1;
    case 's':
    case 'S': return 2;
    case 'i':
    case 'I':
    case 'f': return 4;
    case 'l':
    case 'L':
    case 'g': return 8;
    default: return 0;
    }
}

static bool reserve(char **bytes, size_t *capacity, size_t needed) {
    if (needed <= *capacity) return true;
    size_t larger = needed + needed / 2 + 64;
    char *grown = realloc(*bytes, larger);
    if (grown == NULL) return false;
    *bytes = grown;
    *capacity = larger;
    return true;
}

static bool bit(const void *bits, int64_t at) {
    return (((const unsigned char *)bits)[at / 8] >> (at % 8)) & 1;
}

static PyObject *text_at(const struct ArrowArray *array, int64_t row) {
    const int32_t *offsets = array->buffers[1];
    const char *bytes = array->buffers[2];
    int64_t at = row + array->offset;
    return PyUnicode_DecodeUTF8(bytes + offsets[at], offsets[at + 1] - offsets[at], "replace");
}

/* Texts of a dictionary are made once a batch. */
static bool add_texts(column *c, const struct ArrowArray *array) {
    const struct ArrowArray *words = array->dictionary;
    PyObject *kept = words != NULL ? PyList_New(0) : NULL;
    bool good = words == NULL || kept != NULL;
    for (int64_t i = 0; good && words != NULL && i < words->length; i++) {
        PyObject *word = text_at(words, i);
        good = word != NULL && PyList_Append(kept, word) == 0;
        Py_XDECREF(word);
    }
    for (int64_t i = 0; good && i < array->length; i++) {
        PyObject *text = Py_None;
        if (!c->valid[c->rows + (size_t)i]) {
            Py_INCREF(text);
        } else if (words != NULL) {
            text = PyList_GetItem(kept, ((const int32_t *)array->buffers[1])[i + array->offset]);
            Py_XINCREF(text);
        } else {
            text = text_at(array, i);
        }
        good = text != NULL && PyList_Append(c->texts, text) == 0;
        Py_XDECREF(text);
    }
    Py_XDECREF(kept);
    return good;
}

static bool add_values(column *c, const struct ArrowArray *array) {
    size_t bytes = (size_t)array->length * c->width;
    if (!reserve(&c->values, &c->capacity, c->used + bytes)) return false;
    if (c->format[0] == 'b') {
        for (int64_t i = 0; i < array->length; i++)
            c->values[c->used + (size_t)i] = bit(array->buffers[1], i + array->offset);
    } else if (bytes > 0) {
        memcpy(c->values + c->used,
               (const char *)array->buffers[1] + (size_t)array->offset * c->width, bytes);
    }
    c->used += bytes;
    return true;
}

static bool add_array(column *c, const struct ArrowArray *array) {
    if (!reserve(&c->valid, &c->valid_capacity, c->rows + (size_t)array->length)) return false;
    const void *bits = array->null_count != 0 ? array->buffers[0] : NULL;
    for (int64_t i = 0; i < array->length; i++) {
        bool valid = bits == NULL || bit(bits, i + array->offset);
        c->valid[c->rows + (size_t)i] = valid;
        c->has_null |= !valid;
    }
    bool good = c->width > 0 ? add_values(c, array) : add_texts(c, array);
    c->rows += (size_t)array->length;
    return good;
}

static bool begin_columns(column *columns, const struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *child = schema->children[i];
        column *c = &columns[i];
        c->dictionary = child->dictionary != NULL;
        strncpy(c->format, c->dictionary ? "u" : child->format, sizeof c->format - 1);
        c->width = c->dictionary ? 0 : width_of(c->format);
        c->texts = c->width == 0 ? PyList_New(0) : NULL;
        if (c->width == 0 && c->texts == NULL) return false;
    }
    return true;
}

/* (format, values, valid): values as bytes or a list of texts; valid as bytes, None: all are. */
static PyObject *column_object(column *c) {
    PyObject *values = c->texts;
    if (values != NULL)
        Py_INCREF(values);
    else
        values = PyBytes_FromStringAndSize(c->values, (Py_ssize_t)c->used);
    PyObject *valid = Py_None;
    if (c->has_null)
        valid = PyBytes_FromStringAndSize(c->valid, (Py_ssize_t)c->rows);
    else
        Py_INCREF(valid);
    return Py_BuildValue("(sNN)", c->format, values, valid);
}

static PyObject *columns_dict(column *columns, const struct ArrowSchema *schema) {
    PyObject *dict = PyDict_New();
    for (int64_t i = 0; dict != NULL && i < schema->n_children; i++)
        if (put(dict, schema->children[i]->name, column_object(&columns[i])) != 0) Py_CLEAR(dict);
    return dict;
}

static int read_batches(struct ArrowArrayStream *stream, column *columns, int64_t count) {
    for (;;) {
        struct ArrowArray batch = {0};
        int failed;
        Py_BEGIN_ALLOW_THREADS failed = stream->get_next(stream, &batch);
        Py_END_ALLOW_THREADS if (failed != 0) {
            const char *why = stream->get_last_error(stream);
            PyErr_SetString(PyExc_OSError, why != NULL ? why : strerror(failed));
            return -1;
        }
        if (batch.release == NULL) return 0;
        bool good = true;
        for (int64_t i = 0; good && i < count; i++)
            good = add_array(&columns[i], batch.children[i]);
        batch.release(&batch);
        if (good) continue;
        if (!PyErr_Occurred()) PyErr_NoMemory();
        return -1;
    }
}

PyObject *recording_columns(PyObject *self, PyObject *args, PyObject *kwargs) {
    kept_stream *kept = open_stream(self, args, kwargs);
    if (kept == NULL) return NULL;
    struct ArrowArrayStream outer = {get_schema, get_next, get_last_error, release, kept};
    struct ArrowSchema schema = {0};
    PyObject *result = NULL;
    if (outer.get_schema(&outer, &schema) != 0) {
        PyErr_SetString(PyExc_OSError, "the table cannot be described");
    } else {
        column *columns = calloc((size_t)schema.n_children + 1, sizeof *columns);
        if (columns == NULL)
            PyErr_NoMemory();
        else if (begin_columns(columns, &schema) &&
                 read_batches(&outer, columns, schema.n_children) == 0)
            result = columns_dict(columns, &schema);
        for (int64_t i = 0; columns != NULL && i < schema.n_children; i++) {
            free(columns[i].values);
            free(columns[i].valid);
            Py_XDECREF(columns[i].texts);
        }
        free(columns);
        schema.release(&schema);
    }
    release(&outer);
    return result;
}

PyObject *recording_table_csv(PyObject *self, PyObject *args, PyObject *kwargs) {
    recording_object *recording = (recording_object *)self;
    PyObject *name, *path;
    if (!PyArg_ParseTuple(args, "OO", &name, &path)) return NULL;
    PyObject *one = PyTuple_New(1);
    if (one == NULL) return NULL;
    Py_INCREF(name);
    PyTuple_SetItem(one, 0, name);
    request r;
    int bad = take_request(recording, one, kwargs, &r);
    Py_DECREF(one);
    PyObject *bytes = NULL;
    if (bad || !PyUnicode_FSConverter(path, &bytes)) return NULL;
    const char *file = PyBytes_AsString(bytes);
    jm_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_table_csv(recording->recording, r.table, &r.options, file, &error);
    Py_END_ALLOW_THREADS Py_DECREF(bytes);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

PyObject *recording_perfetto(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"path", "offset_ns", "utc", "device", NULL};
    recording_object *recording = (recording_object *)self;
    jm_perfetto_options options = JM_PERFETTO_OPTIONS_INIT;
    PyObject *path, *bytes = NULL, *device = NULL;
    long long offset = 0;
    int utc = 1, status;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|LpO", names, &path, &offset, &utc, &device))
        return NULL;
    if (recording->recording == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the recording is gone");
        return NULL;
    }
    if (device_of(device, find_device, recording->recording, &options.device) != 0 ||
        !PyUnicode_FSConverter(path, &bytes))
        return NULL;
    options.clock = utc ? JM_CLOCK_UTC : JM_CLOCK_MONOTONIC;
    options.offset_ns = offset;
    const char *file = PyBytes_AsString(bytes);
    jm_error error = {0};
    Py_BEGIN_ALLOW_THREADS status = jm_perfetto(recording->recording, file, &options, &error);
    Py_END_ALLOW_THREADS Py_DECREF(bytes);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}
