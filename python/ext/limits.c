/* Limits of GPUs, for joulemeter/limits.py. */
#include "ext.h"

#include <math.h>
#include <string.h>

typedef struct limits_object {
    PyObject_HEAD jm_limits *limits; /* NULL: closed */
    bool busy;                       /* a thread is inside the library */
} limits_object;

/* ---- life ---- */

static int take_options(PyObject *kwargs, jm_limits_options *options, PyObject **session) {
    static char *words[] = {"gpus", "simulate", "socket", "pid", "session", NULL};
    PyObject *none = PyTuple_New(0);
    int pid = 0;
    int good = none != NULL &&
               PyArg_ParseTupleAndKeywords(none, kwargs, "|zzziO", words, &options->gpus,
                                           &options->simulate, &options->socket, &pid, session);
    Py_XDECREF(none);
    options->pid = pid;
    if (!good) return -1;
    if (*session == Py_None) *session = NULL;
    if (*session == NULL || PyObject_TypeCheck(*session, session_type)) return 0;
    PyErr_SetString(PyExc_TypeError, "session must be a profiler or None");
    return -1;
}

static int limits_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    limits_object *self = (limits_object *)object;
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    PyObject *given = NULL;
    jm_error error = {0};
    jm_limits *opened = NULL;
    if (self->limits != NULL || PyTuple_Size(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "limits are opened once, with keyword arguments");
        return -1;
    }
    if (take_options(kwargs, &options, &given) != 0) return -1;
    session_object *session = (session_object *)given;
    if (session != NULL) options.session = session->session;
    if (session != NULL) session->users++;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_open(&opened, &options, &error);
    Py_END_ALLOW_THREADS if (session != NULL) session->users--;
    if (status != JM_OK) {
        raise_error(status, &error);
        return -1;
    }
    self->limits = opened;
    return 0;
}

static void limits_dealloc(PyObject *object) {
    limits_object *self = (limits_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    jm_limits *open = self->limits;
    self->limits = NULL;
    if (open != NULL) {
        Py_BEGIN_ALLOW_THREADS jm_limits_close(open, NULL);
        Py_END_ALLOW_THREADS
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* The limits, for this thread until leave(); NULL with an exception set. */
static jm_limits *enter(PyObject *object) {
    limits_object *self = (limits_object *)object;
    if (self->limits == NULL) PyErr_SetString(PyExc_ValueError, "the limits are closed");
    if (self->busy) PyErr_SetString(PyExc_RuntimeError, "another thread uses these limits now");
    if (self->limits == NULL || self->busy) return NULL;
    self->busy = true;
    return self->limits;
}

static void leave(PyObject *object) {
    ((limits_object *)object)->busy = false;
}

static PyObject *limits_close(PyObject *object, PyObject *unused) {
    (void)unused;
    limits_object *self = (limits_object *)object;
    jm_error error = {0};
    if (self->limits == NULL) Py_RETURN_NONE;
    jm_limits *open = enter(object);
    if (open == NULL) return NULL;
    self->limits = NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_close(open, &error);
    Py_END_ALLOW_THREADS leave(object);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

/* ---- arguments ---- */

/* An index or None for all, and the lever by its name. */
static int take_place(PyObject *index_object, const char *name, uint32_t *index, jm_lever *lever) {
    *index = JM_LIMITS_ALL;
    if (index_object != NULL && index_object != Py_None) {
        unsigned long value = PyLong_AsUnsignedLong(index_object);
        if (PyErr_Occurred()) return -1;
        *index = value < JM_LIMITS_ALL ? (uint32_t)value : JM_LIMITS_ALL - 1;
    }
    for (int i = JM_LEVER_POWER; i <= JM_LEVER_CLOCK; i++)
        if (strcmp(name, jm_lever_name(i)) == 0) {
            *lever = (jm_lever)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "there is no lever '%s': it is power or clock", name);
    return -1;
}

static PyObject *number(double value) {
    if (isfinite(value)) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

static PyObject *limit_dict(const jm_limit *l) {
    return Py_BuildValue(
        "{s:s,s:s,s:s,s:s,s:N,s:s,s:s,s:N,s:N,s:N,s:N,s:N,s:N,s:k,s:i,s:s,s:N,s:N}", "device",
        l->device, "uuid", l->uuid, "model", l->model, "lever", jm_lever_name((int)l->lever),
        "simulated", PyBool_FromLong(l->simulated), "status", jm_status_name(l->status), "message",
        l->message, "value", number(l->value), "requested", number(l->requested), "default",
        number(l->standard), "least", number(l->least), "most", number(l->most), "base",
        number(l->base), "loans", (unsigned long)l->loans, "holder_pid", (int)l->holder_pid,
        "holder", l->holder, "left_over", PyBool_FromLong(l->left_over), "volatile",
        PyBool_FromLong(l->volatile_limit));
}

/* ---- methods ---- */

static PyObject *limits_read(PyObject *object, PyObject *args) {
    PyObject *index_object;
    const char *name = "power";
    uint32_t index;
    jm_lever lever;
    jm_limit limit = {.size = sizeof limit};
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "O|s", &index_object, &name) ||
        take_place(index_object, name, &index, &lever) != 0)
        return NULL;
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_read(limits, index, lever, &limit, &error);
    Py_END_ALLOW_THREADS PyObject *result =
        status == JM_OK ? limit_dict(&limit) : raise_error(status, &error);
    leave(object);
    return result;
}

/* What it has to say, as text, or the exception. */
static PyObject *notes_or_error(PyObject *object, int status, const jm_error *error) {
    PyObject *result =
        status == JM_OK
            ? PyUnicode_DecodeUTF8(
                  jm_limits_notes(((limits_object *)object)->limits),
                  (Py_ssize_t)strlen(jm_limits_notes(((limits_object *)object)->limits)), "replace")
            : raise_error(status, error);
    leave(object);
    return result;
}

static PyObject *limits_set(PyObject *object, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"index", "value", "lever", "keep", NULL};
    PyObject *index_object, *value;
    const char *name = "power", *text = NULL;
    int keep = 0;
    uint32_t index;
    jm_limit_target target = {0};
    jm_error error = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|sp", words, &index_object, &value, &name,
                                     &keep) ||
        take_place(index_object, name, &index, &target.lever) != 0)
        return NULL;
    PyObject *bytes = PyUnicode_Check(value) ? PyUnicode_AsUTF8String(value) : NULL;
    if (bytes != NULL) text = PyBytes_AsString(bytes);
    if (PyBool_Check(value)) /* to Python a number, and surely a mistake */
        PyErr_SetString(PyExc_TypeError, "True and False are no limit");
    if (text == NULL && !PyErr_Occurred()) target.value = PyFloat_AsDouble(value);
    int status = JM_OK;
    if (text != NULL) status = jm_limit_parse(text, target.lever, &target, &error);
    Py_XDECREF(bytes);
    if (PyErr_Occurred()) return NULL;
    if (status != JM_OK) return raise_error(status, &error);
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS status =
        jm_limits_set(limits, index, &target, keep ? JM_LIMIT_KEEP : 0u, &error);
    Py_END_ALLOW_THREADS return notes_or_error(object, status, &error);
}

static PyObject *limits_restore(PyObject *object, PyObject *args) {
    PyObject *index_object = NULL;
    const char *name = "power";
    uint32_t index;
    jm_lever lever;
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "|Os", &index_object, &name) ||
        take_place(index_object, name, &index, &lever) != 0)
        return NULL;
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_restore(limits, index, lever, &error);
    Py_END_ALLOW_THREADS return notes_or_error(object, status, &error);
}

static PyObject *limits_reset(PyObject *object, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"index", "lever", "default", "force", NULL};
    PyObject *index_object = NULL;
    const char *name = "power";
    int to_default = 0, force = 0;
    uint32_t index;
    jm_lever lever;
    jm_error error = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Ospp", words, &index_object, &name,
                                     &to_default, &force) ||
        take_place(index_object, name, &index, &lever) != 0)
        return NULL;
    uint32_t flags = (to_default ? JM_LIMIT_DEFAULT : 0u) | (force ? JM_LIMIT_FORCE : 0u);
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_reset(limits, index, lever, flags, &error);
    Py_END_ALLOW_THREADS return notes_or_error(object, status, &error);
}

static PyObject *limits_environment(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    PyObject *list = PyList_New(0);
    const char *const *settings = jm_limits_environment(limits);
    for (; list != NULL && settings != NULL && *settings != NULL; settings++) {
        PyObject *one = PyUnicode_DecodeFSDefault(*settings);
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    leave(object);
    return list;
}

static PyObject *limits_warnings(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_limits *limits = enter(object);
    if (limits == NULL) return NULL;
    PyObject *text = PyUnicode_FromString(jm_limits_warnings(limits));
    leave(object);
    return text;
}

static PyObject *get_count(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(jm_limits_count(((limits_object *)object)->limits));
}

static PyMethodDef methods[] = {
    {"close", limits_close, METH_NOARGS, "close()\n--\n\nGives back what was set."},
    {"read", limits_read, METH_VARARGS,
     "read(index, lever='power')\n--\n\nA GPU's limit as a dict."},
    {"set", KEYWORDS(limits_set),
     "set(index, value, lever='power', keep=False)\n--\n\nSets a limit: 250, '250W', '70%'. Index "
     "None: all GPUs. Returns what there is to be said of it."},
    {"restore", limits_restore, METH_VARARGS,
     "restore(index=None, lever='power')\n--\n\nGives a limit back early."},
    {"reset", KEYWORDS(limits_reset),
     "reset(index=None, lever='power', default=False, force=False)\n--\n\nMends what was left, or "
     "sets the default."},
    {"warnings", limits_warnings, METH_NOARGS,
     "warnings()\n--\n\nWhat has happened to loans since the last call: a guard that was killed."},
    {"environment", limits_environment, METH_NOARGS,
     "environment()\n--\n\nSettings for a child that is to see the same simulated GPUs."},
    {0}};

static PyGetSetDef getters[] = {{"count", get_count, NULL, "Number of GPUs.", NULL}, {0}};

static PyType_Slot slots[] = {{Py_tp_new, PyType_GenericNew},
                              {Py_tp_init, limits_init},
                              {Py_tp_dealloc, limits_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, getters},
                              {Py_tp_doc, "Limits(*, gpus=None, simulate=None, socket=None, pid=0, "
                                          "session=None)\n--\n\nThe limits of GPUs."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Limits",
                           .basicsize = sizeof(limits_object),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

int add_limits_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    if (PyModule_AddObject(module, "Limits", type) == 0) return 0;
    Py_DECREF(type);
    return -1;
}
