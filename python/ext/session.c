/* A session: what marks go to. Python's class Profiler derives from it. */
#include "ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PyTypeObject *session_type;

/* What epochs and batches are called. */
static PyObject *category_names[JM_CATEGORY_NVTX + 1];

/* ---- life ---- */

static int session_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    session_object *session = (session_object *)object;
    jm_session_options options;
    jm_error error = {0};
    PyObject *kept = NULL;
    if (session->session != NULL || session->recording != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a session is opened once");
        return -1;
    }
    if (PyTuple_Size(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "options of a session are keyword arguments");
        return -1;
    }
    if (take_session_options(kwargs, &options, &kept) != 0) {
        Py_XDECREF(kept);
        return -1;
    }
    options.on_warning = warnings_take;
    options.user = session;
    jm_session *opened = NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_session_open(&opened, &options, &error);
    Py_END_ALLOW_THREADS Py_DECREF(kept);
    if (status != JM_OK) {
        raise_error(status, &error);
        return -1;
    }
    session->session = opened;
    warnings_watch(session);
    return 0;
}

static void wait_for_users(const session_object *session) {
    while (session->users > 0) {
        Py_BEGIN_ALLOW_THREADS usleep(200);
        Py_END_ALLOW_THREADS
    }
}

/* Closes; the recording becomes that of session->recording. Returns a status. */
static int close_session(session_object *session, jm_error *error) {
    jm_session *open = session->session;
    if (open == NULL) return JM_OK;
    jm_recording *recording = NULL;
    session->session = NULL; /* nobody else begins to use it */
    wait_for_users(session);
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_session_close(open, &recording, error);
    Py_END_ALLOW_THREADS warnings_unwatch(session);
    warnings_deliver(session);
    recording_object *live = (recording_object *)session->recording;
    if (live != NULL && recording != NULL) {
        live->recording = recording;
        PyObject *owner = live->session;
        live->session = NULL;
        Py_XDECREF(owner);
    } else if (live != NULL) { /* a fork's copy: nothing was handed over */
        live->recording = NULL;
    } else if (recording != NULL) {
        session->recording = recording_new(recording, NULL);
    }
    return status;
}

static void session_dealloc(PyObject *object) {
    session_object *session = (session_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *exception, *value, *trace;
    PyErr_Fetch(&exception, &value, &trace);
    PyObject_GC_UnTrack(object);
    warnings_unwatch(session); /* closing lets other threads run, which must not find it */
    close_session(session, NULL);
    PyErr_Restore(exception, value, trace);
    warnings_forget(session);
    Py_XDECREF(session->recording);
    Py_XDECREF(session->on_warning);
    Py_XDECREF(session->sync);
    Py_XDECREF(session->modules);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int session_traverse(PyObject *object, visitproc visit, void *arg) {
    session_object *session = (session_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(session->recording);
    Py_VISIT(session->on_warning);
    Py_VISIT(session->sync);
    return 0;
}

static int session_clear(PyObject *object) {
    session_object *session = (session_object *)object;
    Py_CLEAR(session->recording);
    Py_CLEAR(session->on_warning);
    Py_CLEAR(session->sync);
    return 0;
}

static PyObject *session_close(PyObject *object, PyObject *unused) {
    (void)unused;
    session_object *session = (session_object *)object;
    jm_error error = {0};
    int status = close_session(session, &error);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *recording = session->recording != NULL ? session->recording : Py_None;
    Py_INCREF(recording);
    return recording;
}

/* ---- edges ---- */

/* A framework may be imported at any time; that their number changed shows it for 5 ns. */
static int look_for_frameworks(session_object *session) {
    session->module_count = PyDict_Size(session->modules);
    PyObject *found = PyObject_CallMethod((PyObject *)session, "_find_sync", NULL);
    if (found == NULL) return -1;
    Py_XDECREF(session->sync);
    session->sync = found;
    if (found == Py_None) {
        Py_DECREF(found);
        session->sync = NULL;
    }
    return 0;
}

int session_edge(session_object *session) {
    if (session->modules != NULL && PyDict_Size(session->modules) != session->module_count &&
        look_for_frameworks(session) != 0)
        return -1;
    if (session->sync == NULL) return 0;
    PyObject *result = PyObject_CallObject(session->sync, NULL);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

/* ---- marking ---- */

static PyObject *make_range(PyObject *object, jm_category category, PyObject *name,
                            PyObject *meta) {
    PyObject *attributes = attributes_of(meta);
    if (attributes == NULL && PyErr_Occurred()) return NULL;
    return range_new((session_object *)object, category, name, attributes);
}

static PyObject *name_of(PyObject *args, const char *method) {
    PyObject *name = NULL;
    if (PyTuple_Size(args) == 1) name = PyTuple_GetItem(args, 0);
    if (name != NULL && PyUnicode_Check(name)) return name;
    PyErr_Format(PyExc_TypeError, "%s() takes a name, then keyword arguments", method);
    return NULL;
}

static PyObject *session_phase(PyObject *object, PyObject *args, PyObject *meta) {
    PyObject *name = name_of(args, "phase");
    return name != NULL ? make_range(object, JM_CATEGORY_PHASE, name, meta) : NULL;
}

int category_of(PyObject *name) {
    for (int c = 0; PyUnicode_Check(name) && strcmp(jm_category_name(c), "unknown") != 0; c++)
        if (PyUnicode_CompareWithASCIIString(name, jm_category_name(c)) == 0) return c;
    PyErr_Format(PyExc_ValueError,
                 "there is no category %R: choose user, session, phase, epoch, batch, warmup, "
                 "layer, kernel or nvtx",
                 name);
    return -1;
}

/* range(name, category, **meta), where the category may be named and is then no attribute. */
static PyObject *session_range(PyObject *object, PyObject *args, PyObject *meta) {
    PyObject *name = NULL, *category = NULL;
    if (!PyArg_ParseTuple(args, "U|O", &name, &category)) return NULL;
    PyObject *named = meta != NULL ? PyDict_GetItemString(meta, "category") : NULL;
    if (category != NULL && named != NULL) {
        PyErr_SetString(PyExc_TypeError, "the category is given twice");
        return NULL;
    }
    if (named != NULL) category = named;
    int found = category != NULL ? category_of(category) : JM_CATEGORY_USER;
    if (found < 0) return NULL;
    if (named == NULL) return make_range(object, (jm_category)found, name, meta);
    PyObject *rest = PyDict_Copy(meta), *range = NULL;
    if (rest != NULL && PyDict_DelItemString(rest, "category") == 0)
        range = make_range(object, (jm_category)found, name, rest);
    Py_XDECREF(rest);
    return range;
}

static PyObject *session_begin(PyObject *object, PyObject *args, PyObject *meta) {
    PyObject *range = session_range(object, args, meta);
    if (range != NULL && range_begin((range_object *)range) != 0) Py_CLEAR(range);
    return range;
}

/* epoch(index, **meta) and batch(index, size=None, **meta): the index and size are attributes. */
static PyObject *numbered(PyObject *object, PyObject *args, PyObject *meta, jm_category category,
                          const char *const *names) {
    PyObject *values[2] = {NULL, NULL};
    Py_ssize_t given = PyTuple_Size(args);
    if (given > (names[1] != NULL ? 2 : 1)) {
        PyErr_SetString(PyExc_TypeError, "too many arguments");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < given; i++) values[i] = PyTuple_GetItem(args, i);
    PyObject *attributes = numbered_attributes(values, names, meta);
    if (attributes == NULL && PyErr_Occurred()) return NULL;
    return range_new((session_object *)object, category, category_names[category], attributes);
}

static PyObject *session_epoch(PyObject *object, PyObject *args, PyObject *meta) {
    static const char *const names[] = {"index", NULL};
    return numbered(object, args, meta, JM_CATEGORY_EPOCH, names);
}

static PyObject *session_batch(PyObject *object, PyObject *args, PyObject *meta) {
    static const char *const names[] = {"index", "size"};
    return numbered(object, args, meta, JM_CATEGORY_BATCH, names);
}

static PyObject *session_mark(PyObject *object, PyObject *args, PyObject *meta) {
    session_object *session = (session_object *)object;
    PyObject *name = name_of(args, "mark");
    PyObject *attributes = name != NULL ? attributes_of(meta) : NULL;
    PyObject *bytes = name != NULL && !PyErr_Occurred() ? PyUnicode_AsUTF8String(name) : NULL;
    if (bytes != NULL)
        jm_mark(session->session, PyBytes_AsString(bytes),
                attributes != NULL ? PyBytes_AsString(attributes) : NULL);
    Py_XDECREF(attributes);
    Py_XDECREF(bytes);
    if (bytes == NULL) return NULL;
    Py_RETURN_NONE;
}

static PyObject *session_add_range(PyObject *object, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"name",   "begin_ns",   "end_ns", "category", "device",
                            "stream", "attributes", "parent", NULL};
    jm_range range = JM_RANGE_INIT;
    long long begin, end;
    int category = JM_CATEGORY_USER;
    unsigned long long parent = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sLL|izIzK", names, &range.name, &begin, &end,
                                     &category, &range.device, &range.stream, &range.attributes,
                                     &parent))
        return NULL;
    range.begin_ns = begin;
    range.end_ns = end;
    range.category = (jm_category)category;
    range.parent = parent;
    return PyLong_FromUnsignedLongLong(jm_range_add(((session_object *)object)->session, &range));
}

/* ---- what is measured ---- */

static jm_session *open_or_raise(PyObject *object) {
    jm_session *session = ((session_object *)object)->session;
    if (session == NULL) PyErr_SetString(PyExc_RuntimeError, "the session is closed");
    return session;
}

static PyObject *session_devices(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_session *session = open_or_raise(object);
    PyObject *list = session != NULL ? PyList_New(0) : NULL;
    jm_device device = {.size = sizeof device};
    for (uint32_t i = 0; list != NULL && jm_session_device(session, i, &device) == JM_OK; i++) {
        PyObject *dict = device_dict(&device);
        if (dict == NULL || PyList_Append(list, dict) != 0) Py_CLEAR(list);
        Py_XDECREF(dict);
    }
    return list;
}

static PyObject *session_recording(PyObject *object, PyObject *unused) {
    (void)unused;
    session_object *session = (session_object *)object;
    if (session->session != NULL) {
        const jm_recording *now;
        session->users++;
        Py_BEGIN_ALLOW_THREADS now = jm_session_recording(session->session);
        Py_END_ALLOW_THREADS session->users--;
        if (session->recording == NULL && now != NULL)
            session->recording = recording_new((jm_recording *)now, object);
        if (session->recording == NULL && PyErr_Occurred()) return NULL;
    }
    PyObject *recording = session->recording != NULL ? session->recording : Py_None;
    Py_INCREF(recording);
    return recording;
}

static PyObject *session_flush(PyObject *object, PyObject *unused) {
    (void)unused;
    session_object *s = (session_object *)object;
    jm_session *session = open_or_raise(object);
    jm_error error = {0};
    int status;
    if (session == NULL) return NULL;
    s->users++;
    Py_BEGIN_ALLOW_THREADS status = jm_session_flush(session, &error);
    Py_END_ALLOW_THREADS s->users--;
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject *session_check(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_session_check(((session_object *)object)->session);
    Py_RETURN_NONE;
}

static PyObject *session_follow(PyObject *object, PyObject *pid) {
    long number = PyLong_AsLong(pid);
    if (PyErr_Occurred() || open_or_raise(object) == NULL) return NULL;
    int status = jm_session_follow(((session_object *)object)->session, (int32_t)number);
    if (status != JM_OK) return raise_error(status, NULL);
    Py_RETURN_NONE;
}

static PyObject *session_set_info(PyObject *object, PyObject *args) {
    const char *key, *value;
    if (!PyArg_ParseTuple(args, "ss", &key, &value) || open_or_raise(object) == NULL) return NULL;
    int status = jm_session_set_info(((session_object *)object)->session, key, value);
    if (status != JM_OK) return raise_error(status, NULL);
    Py_RETURN_NONE;
}

static PyObject *session_environment(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_session *session = open_or_raise(object);
    PyObject *dict = session != NULL ? PyDict_New() : NULL;
    if (dict == NULL) return NULL;
    for (const char *const *e = jm_session_environment(session); *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        char name[64];
        if (equals == NULL || (size_t)(equals - *e) >= sizeof name) continue;
        memcpy(name, *e, (size_t)(equals - *e));
        name[equals - *e] = '\0';
        if (put(dict, name, PyUnicode_DecodeFSDefault(equals + 1)) != 0) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    return dict;
}

static PyObject *get_joined(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(jm_session_joined(((session_object *)object)->session));
}

static PyObject *get_closed(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((session_object *)object)->session == NULL);
}

/* ---- settings of the Python side ---- */

static PyObject *session_watch(PyObject *object, PyObject *modules) {
    session_object *session = (session_object *)object;
    if (modules != Py_None && !PyDict_Check(modules)) {
        PyErr_SetString(PyExc_TypeError, "sys.modules or None is wanted");
        return NULL;
    }
    Py_CLEAR(session->modules);
    session->module_count = -1;
    if (modules != Py_None) {
        Py_INCREF(modules);
        session->modules = modules;
    }
    Py_RETURN_NONE;
}

static int set_callable(PyObject **place, PyObject *value) {
    if (value != NULL && value != Py_None && !PyCallable_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "something to call, or None, is wanted");
        return -1;
    }
    PyObject *old = *place;
    *place = value == Py_None ? NULL : value;
    Py_XINCREF(*place);
    Py_XDECREF(old);
    return 0;
}

static PyObject *get_callable(PyObject *value) {
    if (value == NULL) value = Py_None;
    Py_INCREF(value);
    return value;
}

static PyObject *get_sync(PyObject *object, void *unused) {
    (void)unused;
    return get_callable(((session_object *)object)->sync);
}
static int set_sync(PyObject *object, PyObject *value, void *unused) {
    (void)unused;
    return set_callable(&((session_object *)object)->sync, value);
}
static PyObject *get_on_warning(PyObject *object, void *unused) {
    (void)unused;
    return get_callable(((session_object *)object)->on_warning);
}
static int set_on_warning(PyObject *object, PyObject *value, void *unused) {
    (void)unused;
    if (set_callable(&((session_object *)object)->on_warning, value) != 0) return -1;
    warnings_deliver((session_object *)object);
    return 0;
}

static PyMethodDef methods[] = {
    {"phase", KEYWORDS(session_phase), "phase(name, **meta)\n--\n\nA range of category phase."},
    {"epoch", KEYWORDS(session_epoch), "epoch(index=None, **meta)\n--\n\nA range: one epoch."},
    {"batch", KEYWORDS(session_batch),
     "batch(index=None, size=None, **meta)\n--\n\nA range: one batch of `size` samples."},
    {"range", KEYWORDS(session_range),
     "range(name, category='user', **meta)\n--\n\nA range that begins when it is entered."},
    {"begin", KEYWORDS(session_begin),
     "begin(name, category='user', **meta)\n--\n\nA range that begins now; end it with .end()."},
    {"mark", KEYWORDS(session_mark), "mark(name, **meta)\n--\n\nAn instant."},
    {"add_range", KEYWORDS(session_add_range),
     "add_range(name, begin_ns, end_ns, category=0, device=None, stream=0, attributes=None, "
     "parent=0)\n--\n\nA range with times known afterwards. Returns its id."},
    {"devices", session_devices, METH_NOARGS, "devices()\n--\n\nWhat is measured, as dicts."},
    {"recording", session_recording, METH_NOARGS,
     "recording()\n--\n\nThe recording so far; None in a joined session."},
    {"close", session_close, METH_NOARGS,
     "close()\n--\n\nStops measuring. Returns the recording; None in a joined session."},
    {"flush", session_flush, METH_NOARGS, "flush()\n--\n\nWrites to the file, if there is one."},
    {"check", session_check, METH_NOARGS, "check()\n--\n\nLooks after a sampler that hangs."},
    {"follow", session_follow, METH_O, "follow(pid)\n--\n\nMeasures CPU use of that process tree."},
    {"set_info", session_set_info, METH_VARARGS,
     "set_info(key, value)\n--\n\nAdds a fact to the recording."},
    {"environment", session_environment, METH_NOARGS,
     "environment()\n--\n\nVariables that let a child process join."},
    {"_watch", session_watch, METH_O, NULL},
    {0}};

static PyGetSetDef getters[] = {
    {"joined", get_joined, NULL, "True inside `joulemeter run`.", NULL},
    {"closed", get_closed, NULL, "True once it is closed.", NULL},
    {"sync", get_sync, set_sync, "Called at edges of ranges, or None.", NULL},
    {"on_warning", get_on_warning, set_on_warning, "Called with each warning, or None.", NULL},
    {0}};

static PyType_Slot slots[] = {{Py_tp_init, session_init},
                              {Py_tp_new, PyType_GenericNew},
                              {Py_tp_dealloc, session_dealloc},
                              {Py_tp_traverse, session_traverse},
                              {Py_tp_clear, session_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, getters},
                              {Py_tp_doc, "A session that measures."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Session",
                           .basicsize = sizeof(session_object),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                           .slots = slots};

int add_session_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    session_type = (PyTypeObject *)type;
    Py_INCREF(type);
    category_names[JM_CATEGORY_EPOCH] = PyUnicode_FromString("epoch");
    category_names[JM_CATEGORY_BATCH] = PyUnicode_FromString("batch");
    if (category_names[JM_CATEGORY_EPOCH] == NULL || category_names[JM_CATEGORY_BATCH] == NULL)
        return -1;
    return PyModule_AddObject(module, "Session", type);
}
