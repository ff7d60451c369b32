/* A range: a context manager that begins when it is entered, or one that runs already. */
#include "ext.h"

#include <string.h>

PyTypeObject *range_type;

static void range_dealloc(PyObject *object) {
    range_object *range = (range_object *)object;
    PyObject_GC_UnTrack(object);
    Py_XDECREF((PyObject *)range->session);
    Py_XDECREF(range->name);
    Py_XDECREF(range->attributes);
    PyObject_GC_Del(object);
    Py_DECREF(range_type);
}

/* A profiler may hold its windows, and a window its session: a cycle. It is the profiler's to break
 * (its dict goes first), so that a range always has its session. */
static int range_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)((range_object *)object)->session);
    return 0;
}

PyObject *range_new(session_object *session, jm_category category, PyObject *name,
                    PyObject *attributes) {
    range_object *range = PyObject_GC_New(range_object, range_type);
    if (range == NULL) {
        Py_XDECREF(attributes);
        return NULL;
    }
    Py_INCREF((PyObject *)session);
    range->session = session;
    range->id = 0;
    range->category = category;
    range->attributes = attributes;
    range->name = PyUnicode_AsUTF8String(name);
    PyObject_GC_Track((PyObject *)range);
    if (range->name != NULL) return (PyObject *)range;
    Py_DECREF((PyObject *)range);
    return NULL;
}

int range_begin(range_object *range) {
    if (session_edge(range->session) != 0) return -1;
    jm_session *session = range->session->session;
    const char *name = PyBytes_AsString(range->name);
    const char *attributes = range->attributes != NULL ? PyBytes_AsString(range->attributes) : NULL;
    if (attributes == NULL && range->category == JM_CATEGORY_USER)
        range->id = jm_begin(session, name);
    else
        range->id = jm_begin_as(session, range->category, name, attributes);
    return 0;
}

/* Ends it even if waiting for the accelerator failed: the exception then goes on. */
static int end_range(range_object *range, const char *attributes) {
    int failed = session_edge(range->session);
    jm_session *session = range->session->session;
    if (attributes == NULL)
        jm_end(session, range->id);
    else
        jm_end_with(session, range->id, attributes);
    return failed;
}

static PyObject *range_enter(PyObject *object, PyObject *unused) {
    (void)unused;
    if (range_begin((range_object *)object) != 0) return NULL;
    Py_INCREF(object);
    return object;
}

/* {"exception":"KeyError"} as bytes. NULL: its name is none that can be told. */
static PyObject *exception_attributes(PyObject *type) {
    PyObject *name = PyObject_GetAttrString(type, "__name__");
    PyObject *meta = name != NULL ? PyDict_New() : NULL;
    PyObject *attributes = NULL;
    if (meta != NULL && PyDict_SetItemString(meta, "exception", name) == 0)
        attributes = attributes_of(meta);
    Py_XDECREF(name);
    Py_XDECREF(meta);
    if (attributes == NULL) PyErr_Clear(); /* the first exception is the one to see */
    return attributes;
}

static PyObject *range_exit(PyObject *object, PyObject *args) {
    range_object *range = (range_object *)object;
    PyObject *type = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    PyObject *why = type != Py_None ? exception_attributes(type) : NULL;
    int failed = end_range(range, why != NULL ? PyBytes_AsString(why) : NULL);
    Py_XDECREF(why);
    if (failed && type == Py_None) return NULL;
    if (failed) PyErr_Clear();
    Py_RETURN_FALSE;
}

static PyObject *range_end(PyObject *object, PyObject *args, PyObject *meta) {
    range_object *range = (range_object *)object;
    if (PyTuple_Size(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "end() takes keyword arguments only, such as loss=0.5");
        return NULL;
    }
    PyObject *attributes = attributes_of(meta);
    if (attributes == NULL && PyErr_Occurred()) return NULL;
    int failed = end_range(range, attributes != NULL ? PyBytes_AsString(attributes) : NULL);
    Py_XDECREF(attributes);
    if (failed) return NULL;
    Py_INCREF(object);
    return object;
}

/* Nothing is waited for: what the range was about has ended. */
static PyObject *range_end_at(PyObject *object, PyObject *args, PyObject *meta) {
    range_object *range = (range_object *)object;
    long long end_ns;
    if (!PyArg_ParseTuple(args, "L", &end_ns)) return NULL;
    PyObject *attributes = attributes_of(meta);
    if (attributes == NULL && PyErr_Occurred()) return NULL;
    jm_end_at(range->session->session, range->id, end_ns,
              attributes != NULL ? PyBytes_AsString(attributes) : NULL);
    Py_XDECREF(attributes);
    Py_INCREF(object);
    return object;
}

static int find_device(void *context, uint32_t index, jm_device *device) {
    return jm_session_device(context, index, device);
}

/* Once the session is closed the recording knows. */
static PyObject *energy_afterwards(range_object *range, PyObject *kwargs) {
    PyObject *recording = range->session->recording;
    if (recording == NULL || recording == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "the session is over and its recording is elsewhere");
        return NULL;
    }
    PyObject *method = PyObject_GetAttrString(recording, "range_energy");
    PyObject *args = method != NULL ? Py_BuildValue("(K)", (unsigned long long)range->id) : NULL;
    PyObject *result = args != NULL ? PyObject_Call(method, args, kwargs) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(args);
    return result;
}

static PyObject *range_energy(PyObject *object, PyObject *args, PyObject *kwargs) {
    range_object *range = (range_object *)object;
    PyObject *device = kwargs != NULL ? PyDict_GetItemString(kwargs, "device") : NULL;
    if (range->id == 0) {
        PyErr_SetString(PyExc_RuntimeError, "the range has not begun");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "|O", &device)) return NULL;
    jm_session *session = range->session->session;
    if (session == NULL) {
        PyObject *options = kwargs != NULL ? PyDict_Copy(kwargs) : PyDict_New();
        if (options != NULL && device != NULL) PyDict_SetItemString(options, "device", device);
        PyObject *result = options != NULL ? energy_afterwards(range, options) : NULL;
        Py_XDECREF(options);
        return result;
    }
    jm_energy_options options;
    jm_energy energy;
    jm_error error = {0};
    uint32_t index;
    if (device_of(device, find_device, session, &index) != 0 ||
        take_energy_options(kwargs, &options) != 0)
        return NULL;
    int status;
    range->session->users++;
    Py_BEGIN_ALLOW_THREADS status =
        jm_range_energy(session, range->id, index, &options, &energy, &error);
    Py_END_ALLOW_THREADS range->session->users--;
    if (status != JM_OK) return raise_error(status, &error);
    return energy_object(&energy, "");
}

static PyObject *get_name(PyObject *object, void *unused) {
    (void)unused;
    PyObject *name = ((range_object *)object)->name;
    return PyUnicode_DecodeUTF8(PyBytes_AsString(name), PyBytes_Size(name), "replace");
}

static PyObject *get_id(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((range_object *)object)->id);
}

static PyObject *get_category(PyObject *object, void *unused) {
    (void)unused;
    return PyUnicode_FromString(jm_category_name((int)((range_object *)object)->category));
}

static PyObject *get_session(PyObject *object, void *unused) {
    (void)unused;
    PyObject *session = (PyObject *)((range_object *)object)->session;
    Py_INCREF(session);
    return session;
}

/* A field of its energy (all devices): range.energy_j. */
static PyObject *get_energy(PyObject *object, void *field) {
    PyObject *none = PyTuple_New(0);
    PyObject *energy = none != NULL ? range_energy(object, none, NULL) : NULL;
    PyObject *value = energy != NULL ? PyObject_GetAttrString(energy, field) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(energy);
    return value;
}

static PyMethodDef methods[] = {
    {"__enter__", range_enter, METH_NOARGS, NULL},
    {"__exit__", range_exit, METH_VARARGS, NULL},
    {"end", KEYWORDS(range_end),
     "end(**attributes)\n--\n\nEnds the range, adding attributes such as loss=0.5. Returns it."},
    {"end_at", KEYWORDS(range_end_at),
     "end_at(end_ns, **attributes)\n--\n\nLikewise, at a time of now_ns() that has passed."},
    {"energy", KEYWORDS(range_energy),
     "energy(device='total', method='auto', gain_u=None, offset_u_w=None, activity=True)\n--\n\n"
     "Energy so far, or whole if the range has ended, as an Energy."},
    {0}};

static PyGetSetDef getters[] = {
    {"name", get_name, NULL, "Name of the range.", NULL},
    {"id", get_id, NULL, "Its number; 0: it has not begun.", NULL},
    {"category", get_category, NULL, "Its category.", NULL},
    {"energy_j", get_energy, NULL, "Joules of all devices.", "energy_j"},
    {"energy_u95_j", get_energy, NULL, "Their 95 % uncertainty.", "u95_j"},
    {"time_s", get_energy, NULL, "Duration in seconds.", "duration_s"},
    {"session", get_session, NULL, "Its session.", NULL},
    {0}};

static PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)type, (void)args, (void)kwargs;
    PyErr_SetString(PyExc_TypeError, "ranges are made by a session: p.phase('train')");
    return NULL;
}

static PyType_Slot slots[] = {{Py_tp_new, no_new},
                              {Py_tp_dealloc, range_dealloc},
                              {Py_tp_traverse, range_traverse},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, getters},
                              {Py_tp_doc, "A named piece of time; a context manager."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Range",
                           .basicsize = sizeof(range_object),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                           .slots = slots};

/* ---- those of a recording ---- */

static PyObject *range_dict(const jm_range *r, uint64_t index) {
    return Py_BuildValue(
        "{s:K,s:K,s:K,s:s,s:L,s:L,s:N,s:I,s:s}", "index", (unsigned long long)index, "id",
        (unsigned long long)r->id, "parent", (unsigned long long)r->parent, "name", r->name,
        "begin_ns", (long long)r->begin_ns, "end_ns", (long long)r->end_ns, "unfinished",
        PyBool_FromLong(r->unfinished), "pid", (unsigned)r->pid, "attributes", r->attributes);
}

PyObject *recording_ranges(PyObject *self, PyObject *args) {
    const char *category;
    jm_recording *recording = recording_of(self);
    if (recording == NULL || !PyArg_ParseTuple(args, "s", &category)) return NULL;
    PyObject *list = PyList_New(0);
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; list != NULL && i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) != JM_OK) break;
        if (strcmp(jm_category_name((int)range.category), category) != 0) continue;
        PyObject *one = range_dict(&range, i);
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

int add_range_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    range_type = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Range", type);
}
