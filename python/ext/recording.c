/* What was measured. Getters return plain dicts, lists and numbers; tables go out as Arrow. */
#include "ext.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

PyTypeObject *recording_type;

PyObject *recording_new(jm_recording *recording, PyObject *session) {
    recording_object *object = PyObject_GC_New(recording_object, recording_type);
    if (object == NULL) {
        if (session == NULL) jm_recording_free(recording);
        return NULL;
    }
    object->recording = recording;
    object->session = session;
    Py_XINCREF(session);
    PyObject_GC_Track((PyObject *)object);
    return (PyObject *)object;
}

static void recording_dealloc(PyObject *self) {
    recording_object *object = (recording_object *)self;
    PyObject_GC_UnTrack(self);
    if (object->session == NULL) jm_recording_free(object->recording);
    Py_XDECREF(object->session);
    PyObject_GC_Del(self);
    Py_DECREF(recording_type);
}

static int recording_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((recording_object *)self)->session);
    return 0;
}

static int recording_clear(PyObject *self) {
    recording_object *object = (recording_object *)self;
    if (object->session != NULL) object->recording = NULL; /* goes with its session */
    Py_CLEAR(object->session);
    return 0;
}

jm_recording *recording_of(PyObject *self) {
    jm_recording *recording = ((recording_object *)self)->recording;
    if (recording == NULL) PyErr_SetString(PyExc_RuntimeError, "the recording is gone");
    return recording;
}

/* ---- facts ---- */

typedef PyObject *(*item_fn)(const jm_recording *recording, uint32_t index);

static PyObject *list_of(PyObject *self, item_fn item) {
    jm_recording *recording = recording_of(self);
    PyObject *list = recording != NULL ? PyList_New(0) : NULL;
    for (uint32_t i = 0; list != NULL; i++) {
        PyObject *one = item(recording, i);
        if (one == NULL) break;
        if (PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_DECREF(one);
    }
    if (PyErr_Occurred()) Py_CLEAR(list);
    return list;
}

static PyObject *device_item(const jm_recording *recording, uint32_t index) {
    jm_device device = {.size = sizeof device};
    return jm_recording_device(recording, index, &device) == JM_OK ? device_dict(&device) : NULL;
}

static PyObject *seconds_or_none(uint64_t ns) {
    if (ns > 0) return PyFloat_FromDouble((double)ns * 1e-9);
    Py_RETURN_NONE;
}

static PyObject *sensor_item(const jm_recording *recording, uint32_t index) {
    jm_sensor s = {.size = sizeof s};
    jm_device d = {.size = sizeof d};
    if (jm_recording_sensor(recording, index, &s) != JM_OK ||
        jm_recording_device(recording, s.device, &d) != JM_OK)
        return NULL;
    PyObject *dict = PyDict_New();
    if (dict == NULL) return NULL;
    if (put(dict, "device", PyUnicode_FromString(d.name)) == 0 &&
        put(dict, "quantity", PyUnicode_FromString(jm_quantity_name((int)s.quantity))) == 0 &&
        put(dict, "unit", PyUnicode_FromString(jm_quantity_unit((int)s.quantity))) == 0 &&
        put(dict, "source", PyUnicode_FromString(s.source)) == 0 &&
        put(dict, "counter", PyBool_FromLong(s.counter)) == 0 &&
        put(dict, "modelled", PyBool_FromLong(s.modelled)) == 0 &&
        put(dict, "calibrated", PyBool_FromLong(s.calibrated)) == 0 &&
        put(dict, "refresh_s", seconds_or_none(s.refresh_ns)) == 0 &&
        put(dict, "window_s", seconds_or_none(s.window_ns)) == 0 &&
        put(dict, "lag_s", seconds_or_none(s.lag_ns)) == 0 &&
        put(dict, "noise", PyFloat_FromDouble(s.noise)) == 0 &&
        put(dict, "quantum", PyFloat_FromDouble(s.quantum)) == 0)
        return dict;
    Py_DECREF(dict);
    return NULL;
}

static PyObject *warning_item(const jm_recording *recording, uint32_t index) {
    const char *text = jm_recording_warning(recording, index);
    return text != NULL ? PyUnicode_FromString(text) : NULL;
}

static PyObject *recording_devices(PyObject *self, PyObject *unused) {
    (void)unused;
    return list_of(self, device_item);
}
static PyObject *recording_sensors(PyObject *self, PyObject *unused) {
    (void)unused;
    return list_of(self, sensor_item);
}
static PyObject *recording_warnings(PyObject *self, PyObject *unused) {
    (void)unused;
    return list_of(self, warning_item);
}

static PyObject *recording_info(PyObject *self, PyObject *unused) {
    (void)unused;
    jm_recording *recording = recording_of(self);
    PyObject *dict = recording != NULL ? PyDict_New() : NULL;
    const char *key, *value;
    for (uint32_t i = 0; dict != NULL && jm_recording_info_at(recording, i, &key, &value) == JM_OK;
         i++)
        if (put(dict, key, PyUnicode_FromString(value)) != 0) Py_CLEAR(dict);
    return dict;
}

static PyObject *recording_stats(PyObject *self, PyObject *unused) {
    (void)unused;
    jm_recording *recording = recording_of(self);
    jm_sampler_stats s = {.size = sizeof s};
    if (recording == NULL) return NULL;
    jm_recording_sampler_stats(recording, &s);
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:d,s:d}", "polls", (unsigned long long)s.polls,
                         "failed", (unsigned long long)s.failed, "late", (unsigned long long)s.late,
                         "dropped", (unsigned long long)s.dropped, "cpu_s", (double)s.cpu_ns * 1e-9,
                         "worst_late_s", (double)s.worst_late_ns * 1e-9);
}

/* ---- energies ---- */

int recording_find_device(void *context, uint32_t index, jm_device *device) {
    return jm_recording_device(context, index, device);
}

/* What every energy method is given. */
typedef struct question {
    jm_recording *recording;
    jm_energy_options options;
    uint32_t device;
    const char *device_name;
} question;

static bool ask(PyObject *self, PyObject *kwargs, question *q) {
    *q = (question){.recording = recording_of(self), .device_name = ""};
    PyObject *device = kwargs != NULL ? PyDict_GetItemString(kwargs, "device") : NULL;
    return q->recording != NULL &&
           device_of(device, recording_find_device, q->recording, &q->device) == 0 &&
           take_energy_options(kwargs, &q->options) == 0;
}

static PyObject *answer(const question *q, const jm_window *windows, size_t count, bool list) {
    jm_energy *out = malloc((count + 1) * sizeof *out);
    jm_error error = {0};
    if (out == NULL) return PyErr_NoMemory();
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_energy_windows(q->recording, q->device, windows, count, &q->options, out, &error);
    Py_END_ALLOW_THREADS PyObject *result = NULL;
    if (status != JM_OK) {
        raise_error(status, &error);
    } else if (!list) {
        result = energy_object(&out[0], q->device_name);
    } else {
        result = PyList_New((Py_ssize_t)count);
        for (size_t i = 0; result != NULL && i < count; i++) {
            PyObject *one = energy_object(&out[i], q->device_name);
            if (one == NULL || PyList_SetItem(result, (Py_ssize_t)i, one) != 0) Py_CLEAR(result);
        }
    }
    free(out);
    return result;
}

static PyObject *recording_energy(PyObject *self, PyObject *args, PyObject *kwargs) {
    question q;
    long long begin, end;
    if (!ask(self, kwargs, &q)) return NULL;
    begin = jm_recording_begin_ns(q.recording);
    end = jm_recording_end_ns(q.recording);
    if (!PyArg_ParseTuple(args, "|LL", &begin, &end)) return NULL;
    jm_window window = {begin, end};
    return answer(&q, &window, 1, false);
}

jm_window *take_windows(PyObject *pairs, size_t *count) {
    PyObject *list = PySequence_List(pairs);
    if (list == NULL) return NULL;
    *count = (size_t)PyList_Size(list);
    jm_window *windows = malloc((*count + 1) * sizeof *windows);
    bool good = windows != NULL;
    if (!good) PyErr_NoMemory();
    for (size_t i = 0; good && i < *count; i++) {
        PyObject *pair = PySequence_Tuple(PyList_GetItem(list, (Py_ssize_t)i));
        long long begin, end;
        good = pair != NULL && PyArg_ParseTuple(pair, "LL", &begin, &end);
        if (good) windows[i] = (jm_window){begin, end};
        Py_XDECREF(pair);
    }
    Py_DECREF(list);
    if (good) return windows;
    free(windows);
    return NULL;
}

static PyObject *recording_energies(PyObject *self, PyObject *args, PyObject *kwargs) {
    question q;
    PyObject *pairs;
    size_t count;
    if (!ask(self, kwargs, &q) || !PyArg_ParseTuple(args, "O", &pairs)) return NULL;
    jm_window *windows = take_windows(pairs, &count);
    if (windows == NULL) return NULL;
    PyObject *result = answer(&q, windows, count, true);
    free(windows);
    return result;
}

static PyObject *recording_range_energy(PyObject *self, PyObject *args, PyObject *kwargs) {
    question q;
    unsigned long long id;
    uint64_t index = 0;
    jm_range range = {.size = sizeof range};
    if (!ask(self, kwargs, &q) || !PyArg_ParseTuple(args, "K", &id)) return NULL;
    int status = jm_recording_find_range(q.recording, id, &index);
    if (status == JM_OK) status = jm_recording_range(q.recording, index, &range);
    if (status != JM_OK) {
        PyErr_Format(PyExc_LookupError, "the recording has no range %llu", id);
        return NULL;
    }
    jm_window window = {range.begin_ns, range.end_ns};
    return answer(&q, &window, 1, false);
}

static PyObject *recording_idle(PyObject *self, PyObject *args) {
    jm_recording *recording = recording_of(self);
    PyObject *device = NULL;
    uint32_t index;
    jm_idle idle = {.size = sizeof idle};
    jm_error error = {0};
    if (recording == NULL || !PyArg_ParseTuple(args, "|O", &device) ||
        device_of(device, recording_find_device, recording, &index) != 0)
        return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_energy_idle(recording, index, &idle, &error);
    Py_END_ALLOW_THREADS if (status == JM_NO_DATA) Py_RETURN_NONE;
    if (status != JM_OK) return raise_error(status, &error);
    return Py_BuildValue("{s:d,s:d,s:N}", "power_w", idle.power_w, "u95_w", idle.u95_w,
                         "from_baseline", PyBool_FromLong(idle.from_baseline));
}

/* ---- readings ---- */

/* The last sample at or before `at`; false: there is none, or the reading failed. */
static bool latest_of(const jm_recording *recording, uint32_t sensor, int64_t at, double *value,
                      int64_t *t_ns) {
    jm_cursor *cursor;
    jm_samples block;
    bool found = false;
    if (jm_cursor_open(&cursor, recording, sensor, at, at, NULL) != JM_OK) return false;
    while (jm_cursor_next(cursor, &block) == JM_OK)
        for (size_t i = 0; i < block.count && block.t_ns[i] <= at; i++) {
            found = (block.flags[i] & JM_SAMPLE_MISSING) == 0;
            *value = block.value[i];
            *t_ns = block.t_ns[i];
        }
    jm_cursor_close(cursor);
    return found;
}

static PyObject *recording_latest(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"quantity", "at_ns", "device", NULL};
    jm_recording *recording = recording_of(self);
    const char *quantity;
    long long at = INT64_MAX;
    PyObject *device = NULL;
    uint32_t index;
    if (recording == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "s|LO", names, &quantity, &at, &device) ||
        device_of(device, recording_find_device, recording, &index) != 0)
        return NULL;
    jm_sensor sensor = {.size = sizeof sensor};
    for (uint32_t i = 0; jm_recording_sensor(recording, i, &sensor) == JM_OK; i++) {
        double value;
        int64_t t_ns;
        if (sensor.device == index &&
            strcmp(jm_quantity_name((int)sensor.quantity), quantity) == 0 &&
            latest_of(recording, i, at, &value, &t_ns))
            return Py_BuildValue("(dL)", value, (long long)t_ns);
    }
    Py_RETURN_NONE;
}

/* ---- reports ---- */

static PyObject *take_report(int status, char *text, const jm_error *error) {
    if (status != JM_OK) return raise_error(status, error);
    PyObject *result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    jm_free(text);
    return result;
}

static PyObject *recording_text(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"width", "color", "top", NULL};
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_recording *recording = recording_of(self);
    jm_error error = {0};
    char *text = NULL;
    unsigned width = 0, top = 0;
    int color = 0, status;
    if (recording == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|IpI", names, &width, &color, &top))
        return NULL;
    options.width = width;
    options.color = color != 0;
    options.top = top;
    Py_BEGIN_ALLOW_THREADS status = jm_report_text(recording, &options, &text, &error);
    Py_END_ALLOW_THREADS return take_report(status, text, &error);
}

static PyObject *recording_json(PyObject *self, PyObject *unused) {
    (void)unused;
    jm_recording *recording = recording_of(self);
    jm_error error = {0};
    char *text = NULL;
    int status;
    if (recording == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS status = jm_report_json(recording, NULL, &text, &error);
    Py_END_ALLOW_THREADS return take_report(status, text, &error);
}

typedef int (*path_fn)(const jm_recording *recording, const char *path, jm_error *error);

static PyObject *with_path(PyObject *self, PyObject *path, path_fn function) {
    jm_recording *recording = recording_of(self);
    PyObject *bytes = NULL;
    jm_error error = {0};
    if (recording == NULL || !PyUnicode_FSConverter(path, &bytes)) return NULL;
    const char *name = PyBytes_AsString(bytes);
    int status;
    Py_BEGIN_ALLOW_THREADS status = function(recording, name, &error);
    Py_END_ALLOW_THREADS Py_DECREF(bytes);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static int export_folder(const jm_recording *recording, const char *path, jm_error *error) {
    return jm_export(recording, path, NULL, error);
}

static PyObject *recording_export(PyObject *self, PyObject *path) {
    return with_path(self, path, export_folder);
}
static PyObject *recording_save(PyObject *self, PyObject *path) {
    return with_path(self, path, jm_recording_save);
}

/* ---- opening ---- */

static PyObject *recording_open(PyObject *type, PyObject *path) {
    (void)type;
    PyObject *bytes = NULL;
    jm_recording *recording = NULL;
    jm_error error = {0};
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    const char *name = PyBytes_AsString(bytes);
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_recording_open(&recording, name, &error);
    Py_END_ALLOW_THREADS Py_DECREF(bytes);
    if (status == JM_NOT_FOUND) {
        PyErr_SetString(PyExc_FileNotFoundError, error.message);
        return NULL;
    }
    if (status != JM_OK) return raise_error(status, &error);
    return recording_new(recording, NULL);
}

/* ---- numbers ---- */

static PyObject *get_time(PyObject *self, void *which) {
    jm_recording *recording = recording_of(self);
    if (recording == NULL) return NULL;
    int64_t (*const *get)(const jm_recording *) = which;
    return PyLong_FromLongLong((*get)(recording));
}

static PyObject *get_range_count(PyObject *self, void *unused) {
    (void)unused;
    jm_recording *recording = recording_of(self);
    return recording != NULL ? PyLong_FromUnsignedLongLong(jm_recording_range_count(recording))
                             : NULL;
}

static PyObject *get_mark_count(PyObject *self, void *unused) {
    (void)unused;
    jm_recording *recording = recording_of(self);
    return recording != NULL ? PyLong_FromUnsignedLongLong(jm_recording_mark_count(recording))
                             : NULL;
}

static int64_t (*get_begin)(const jm_recording *) = jm_recording_begin_ns;
static int64_t (*get_end)(const jm_recording *) = jm_recording_end_ns;
static int64_t (*get_offset)(const jm_recording *) = jm_recording_utc_offset_ns;

static PyMethodDef methods[] = {
    {"open", recording_open, METH_O | METH_STATIC, "open(path)\n--\n\nOpens a recording file."},
    {"devices", recording_devices, METH_NOARGS, "devices()\n--\n\nDevices, as dicts."},
    {"sensors", recording_sensors, METH_NOARGS, "sensors()\n--\n\nSensors, as dicts."},
    {"warnings", recording_warnings, METH_NOARGS, "warnings()\n--\n\nSentences."},
    {"ranges", recording_ranges, METH_VARARGS,
     "ranges(category, /)\n--\n\nThose of one category as dicts, in the order in which they became "
     "known, without energies."},
    {"info", recording_info, METH_NOARGS, "info()\n--\n\nFacts: host, start, command ..."},
    {"stats", recording_stats, METH_NOARGS, "stats()\n--\n\nWhat the sampler did."},
    {"energy", KEYWORDS(recording_energy),
     "energy(begin_ns=..., end_ns=..., *, device='total', method='auto', gain_u=None, "
     "offset_u_w=None, activity=True, nearby=False)\n--\n\nEnergy of a window; of all by default. "
     "nearby: read only what lies around it, quick in a long session."},
    {"energies", KEYWORDS(recording_energies),
     "energies(windows, *, device='total', ...)\n--\n\nEnergies of (begin_ns, end_ns) pairs, in "
     "one pass."},
    {"range_energy", KEYWORDS(recording_range_energy),
     "range_energy(id, *, device='total', ...)\n--\n\nEnergy of a range."},
    {"attribute", KEYWORDS(recording_attribute),
     "attribute(by=None, device=None, method='regression', prefix=None, windows=None, net=False, "
     "calls=False, split=0)\n--\n\nEnergies of its layers or other parts, as JSON text."},
    {"idle", recording_idle, METH_VARARGS,
     "idle(device='total')\n--\n\nIdle power as a dict; None if it is not known."},
    {"latest", KEYWORDS(recording_latest),
     "latest(quantity, at_ns=..., device=...)\n--\n\n(value, t_ns) of the last reading until then; "
     "None if there is none or it failed."},
    {"arrow", KEYWORDS(recording_arrow),
     "arrow(table, *, device='total', ...)\n--\n\nA table as a capsule of an Arrow C stream."},
    {"columns", KEYWORDS(recording_columns),
     "columns(table, *, device='total', ...)\n--\n\nA table as {name: (format, values, valid)}."},
    {"table_csv", KEYWORDS(recording_table_csv),
     "table_csv(table, path, *, device='total', ...)\n--\n\nWrites a table as a CSV file."},
    {"perfetto", KEYWORDS(recording_perfetto),
     "perfetto(path, offset_ns=0, utc=True, device='total')\n--\n\nWrites a trace for "
     "ui.perfetto.dev; offset_ns is added to times in UTC, or in CLOCK_MONOTONIC."},
    {"text", KEYWORDS(recording_text),
     "text(width=80, color=False, top=10)\n--\n\nThe summary for a terminal."},
    {"figures", KEYWORDS(recording_figures),
     "figures(*, device='gpus', columns=0, smooth=1, top=0, phases=True, raw=False, ...)\n--\n\n"
     "Makes figures of it: Figures.make(name)."},
    {"html", recording_html, METH_VARARGS,
     "html(title=None, max_data_bytes=0, /)\n--\n\nThe report as a page; 0: 1.5 MB of data."},
    {"json", recording_json, METH_NOARGS, "json()\n--\n\nThe summary as JSON text."},
    {"export", recording_export, METH_O, "export(folder)\n--\n\nWrites CSV files and the summary."},
    {"save", recording_save, METH_O, "save(path)\n--\n\nWrites a recording file."},
    {0}};

static PyGetSetDef getters[] = {
    {"begin_ns", get_time, NULL, "Begin, CLOCK_MONOTONIC ns.", &get_begin},
    {"end_ns", get_time, NULL, "End, CLOCK_MONOTONIC ns.", &get_end},
    {"utc_offset_ns", get_time, NULL, "UTC minus CLOCK_MONOTONIC, ns.", &get_offset},
    {"range_count", get_range_count, NULL, "Number of ranges.", NULL},
    {"mark_count", get_mark_count, NULL, "Number of marks.", NULL},
    {0}};

static PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)type, (void)args, (void)kwargs;
    PyErr_SetString(PyExc_TypeError, "open a file with Recording.open(path)");
    return NULL;
}

static PyType_Slot slots[] = {{Py_tp_new, no_new},
                              {Py_tp_dealloc, recording_dealloc},
                              {Py_tp_traverse, recording_traverse},
                              {Py_tp_clear, recording_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, getters},
                              {Py_tp_doc, "What was measured."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Recording",
                           .basicsize = sizeof(recording_object),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                           .slots = slots};

int add_recording_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    recording_type = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Recording", type);
}
