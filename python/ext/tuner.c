/* Tuning of limits, for joulemeter/_tuner.py: a session that measures, limits, and their steering
 * in one object. */
#include "tuner.h"

#include <stdio.h>
#include <string.h>

typedef struct steering_object {
    PyObject_HEAD session_object *given; /* whose session it is; NULL: our own */
    jm_session *session;
    jm_limits *limits;
    jm_steering *steering; /* NULL: closed */
    jm_lever lever;
    jm_objective objective;
    bool busy; /* a thread is inside the library */
    bool over; /* the limit was given back: whatever a thread sets yet is, too */
} steering_object;

/* ---- opening ---- */

typedef struct arguments {
    const char *gpus, *simulate, *socket, *lever, *objective;
    PyObject *session, *lowest, *highest; /* borrowed */
    unsigned trials;
    double tolerance_pct, seconds, least_seconds;
} arguments;

static int take_arguments(steering_object *self, PyObject *kwargs, arguments *a) {
    static char *words[] = {"gpus",      "simulate",      "socket",  "session", "lever",
                            "objective", "lowest",        "highest", "trials",  "tolerance_pct",
                            "seconds",   "least_seconds", NULL};
    PyObject *none = PyTuple_New(0);
    jm_error error = {0};
    *a = (arguments){.lever = "power", .objective = "ed2p"};
    int good = none != NULL &&
               PyArg_ParseTupleAndKeywords(none, kwargs, "|$zzzOssOOIddd", words, &a->gpus,
                                           &a->simulate, &a->socket, &a->session, &a->lever,
                                           &a->objective, &a->lowest, &a->highest, &a->trials,
                                           &a->tolerance_pct, &a->seconds, &a->least_seconds);
    Py_XDECREF(none);
    if (!good) return -1;
    if (a->session == Py_None) a->session = NULL;
    if (a->session != NULL && !PyObject_TypeCheck(a->session, session_type)) {
        PyErr_SetString(PyExc_TypeError, "session must be a profiler or None");
        return -1;
    }
    self->lever = strcmp(a->lever, "clock") == 0 ? JM_LEVER_CLOCK : JM_LEVER_POWER;
    int status = jm_objective_parse(a->objective, &self->objective, &error);
    if (status != JM_OK) raise_error(status, &error);
    return status == JM_OK ? 0 : -1;
}

static int open_session(steering_object *self, const arguments *a, jm_error *error) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    if (a->session != NULL) {
        self->given = (session_object *)a->session;
        Py_INCREF(a->session);
        self->session = self->given->session;
        if (self->session != NULL) return JM_OK;
        snprintf(error->message, sizeof error->message, "the profiler is closed");
        return JM_CLOSED;
    }
    options.gpus = a->gpus;
    options.simulate = a->simulate;
    options.flags = JM_SESSION_NO_JOIN | JM_SESSION_NO_CPU;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_session_open(&self->session, &options, error);
    Py_END_ALLOW_THREADS return status;
}

static int open_limits(steering_object *self, const arguments *a, jm_error *error) {
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    options.gpus = a->gpus;
    options.socket = a->socket;
    options.session = self->session;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_open(&self->limits, &options, error);
    Py_END_ALLOW_THREADS return status;
}

/* A number, "200W" or "60%" of the default. -1: an exception is set. */
static int take_bound(const steering_object *self, PyObject *given, double *bound) {
    jm_limit_target target = {.value = 0};
    jm_limit limit = {.size = sizeof limit};
    jm_error error = {0};
    int status = JM_OK;
    if (given == NULL || given == Py_None) return 0;
    if (!PyUnicode_Check(given)) {
        *bound = PyFloat_AsDouble(given);
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *bytes = PyUnicode_AsUTF8String(given);
    if (bytes == NULL) return -1;
    status = jm_limit_parse(PyBytes_AsString(bytes), self->lever, &target, &error);
    Py_DECREF(bytes);
    if (status == JM_OK && target.percent)
        status = jm_limits_read(self->limits, 0, self->lever, &limit, &error);
    *bound = target.percent ? target.value / 100 * limit.standard : target.value;
    if (status != JM_OK) raise_error(status, &error);
    return status == JM_OK ? 0 : -1;
}

static int open_steering(steering_object *self, const arguments *a) {
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    jm_error error = {0};
    options.tuner.lever = self->lever;
    options.tuner.objective = self->objective;
    options.tuner.max_trials = a->trials;
    options.tuner.tolerance_pct = a->tolerance_pct;
    options.meter.max_s = a->seconds;
    options.meter.min_s = a->least_seconds;
    if (take_bound(self, a->lowest, &options.tuner.lowest) != 0 ||
        take_bound(self, a->highest, &options.tuner.highest) != 0)
        return -1;
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_steering_open(&self->steering, self->session, self->limits, &options, &error);
    Py_END_ALLOW_THREADS if (status != JM_OK) raise_error(status, &error);
    return status == JM_OK ? 0 : -1;
}

/* ---- closing ---- */

static int close_all(steering_object *self, jm_error *error) {
    jm_steering *steering = self->steering;
    jm_limits *limits = self->limits;
    jm_session *session = self->given == NULL ? self->session : NULL;
    int status;
    self->steering = NULL;
    self->limits = NULL;
    self->session = NULL;
    Py_BEGIN_ALLOW_THREADS jm_steering_close(steering);
    status = jm_limits_close(limits, error);
    jm_session_close(session, NULL, NULL);
    Py_END_ALLOW_THREADS if (self->given != NULL) {
        Py_DECREF((PyObject *)self->given);
        self->given = NULL;
    }
    return status;
}

static int steering_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    steering_object *self = (steering_object *)object;
    arguments a;
    jm_error error = {0};
    if (self->session != NULL || PyTuple_Size(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "it is opened once, with keyword arguments");
        return -1;
    }
    if (take_arguments(self, kwargs, &a) != 0) return -1;
    int status = open_session(self, &a, &error);
    if (status == JM_OK) status = open_limits(self, &a, &error);
    if (status != JM_OK) raise_error(status, &error);
    if (status == JM_OK && open_steering(self, &a) == 0) return 0;
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    close_all(self, NULL);
    PyErr_Restore(kind, value, trace);
    return -1;
}

static void steering_dealloc(PyObject *object) {
    steering_object *self = (steering_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    close_all(self, NULL);
    PyErr_Restore(kind, value, trace);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* The object, for this thread until leave(); NULL with an exception set. */
static steering_object *enter(PyObject *object) {
    steering_object *self = (steering_object *)object;
    if (self->steering == NULL)
        PyErr_SetString(PyExc_ValueError, "the tuner is closed");
    else if (self->given != NULL && self->given->session == NULL)
        PyErr_SetString(PyExc_ValueError, "the profiler that measures is closed");
    else if (self->busy)
        PyErr_SetString(PyExc_RuntimeError, "another thread uses this tuner now");
    if (PyErr_Occurred()) return NULL;
    self->busy = true;
    if (self->given != NULL) self->given->users++; /* so that it is not closed meanwhile */
    return self;
}

static void leave(steering_object *self) {
    self->busy = false;
    if (self->given != NULL) self->given->users--;
}

static PyObject *steering_close(PyObject *object, PyObject *unused) {
    (void)unused;
    steering_object *self = (steering_object *)object;
    jm_error error = {0};
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread uses this tuner now");
        return NULL;
    }
    int status = close_all(self, &error);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static int restore(steering_object *self, jm_error *error) {
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_limits_restore(self->limits, JM_LIMITS_ALL, self->lever, error);
    Py_END_ALLOW_THREADS return status;
}

/* At once, also while another thread polls; what was measured stays. */
static PyObject *steering_give_back(PyObject *object, PyObject *unused) {
    (void)unused;
    steering_object *self = (steering_object *)object;
    jm_error error = {0};
    self->over = true;
    int status = self->limits != NULL ? restore(self, &error) : JM_OK;
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

/* ---- steering ---- */

static PyObject *steering_next(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_tuner_step step = {.size = sizeof step};
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_steering_next(self->steering, &step, &error);
    Py_END_ALLOW_THREADS PyObject *result =
        status == JM_OK ? tuner_step_dict(&step) : raise_error(status, &error);
    leave(self);
    return result;
}

/* While another thread polls, too. */
static PyObject *steering_item(PyObject *object, PyObject *args) {
    double items = 1;
    long long end = jm_now_ns();
    if (!PyArg_ParseTuple(args, "|dL", &items, &end)) return NULL;
    jm_steering_item(((steering_object *)object)->steering, end, items);
    Py_RETURN_NONE;
}

static PyObject *steering_pause(PyObject *object, PyObject *args) {
    long long begin, end;
    if (!PyArg_ParseTuple(args, "LL", &begin, &end)) return NULL;
    jm_steering_pause(((steering_object *)object)->steering, begin, end);
    Py_RETURN_NONE;
}

static PyObject *steering_poll(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_steering_progress progress = {.size = sizeof progress};
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status;
    if (self->given == NULL) jm_session_check(self->session);
    Py_BEGIN_ALLOW_THREADS status = jm_steering_poll(self->steering, &progress, &error);
    Py_END_ALLOW_THREADS if (self->over) restore(self, NULL); /* it may have set the next one */
    PyObject *result =
        status == JM_OK ? tuner_progress_dict(&progress) : raise_error(status, &error);
    leave(self);
    return result;
}

static PyObject *steering_end(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_steering_end(self->steering, &error);
    Py_END_ALLOW_THREADS leave(self);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject *steering_measure(PyObject *object, PyObject *args) {
    long long begin, end;
    double items = 1;
    jm_trial trial = {.size = sizeof trial};
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "LL|d", &begin, &end, &items)) return NULL;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_steering_measure(self->steering, begin, end, items, &trial, &error);
    Py_END_ALLOW_THREADS PyObject *result =
        status == JM_OK ? tuner_trial_dict(&trial) : raise_error(status, &error);
    leave(self);
    return result;
}

static PyObject *steering_enough(PyObject *object, PyObject *args) {
    long long begin;
    bool enough;
    if (!PyArg_ParseTuple(args, "L", &begin)) return NULL;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS enough = jm_steering_enough(self->steering, begin);
    Py_END_ALLOW_THREADS leave(self);
    return PyBool_FromLong(enough);
}

static PyObject *steering_fail(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status = jm_steering_fail(self->steering, &error);
    leave(self);
    if (status != JM_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

/* Sets it for good. */
static PyObject *steering_keep(PyObject *object, PyObject *args) {
    double value;
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "d", &value)) return NULL;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    jm_limit_target target = {self->lever, value, false};
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_limits_set(self->limits, JM_LIMITS_ALL, &target, JM_LIMIT_KEEP, &error);
    Py_END_ALLOW_THREADS leave(self);
    if (status != JM_OK) return raise_error(status, &error);
    return PyUnicode_FromString(jm_limits_notes(self->limits));
}

static PyObject *steering_warnings(PyObject *object, PyObject *unused) {
    (void)unused;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    PyObject *text = PyUnicode_FromString(jm_limits_warnings(self->limits));
    leave(self);
    return text;
}

/* ---- what is known ---- */

static PyObject *steering_limit(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_limit l = {.size = sizeof l};
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_limits_read(self->limits, 0, self->lever, &l, &error);
    Py_END_ALLOW_THREADS PyObject *result =
        status != JM_OK ? raise_error(status, &error)
                        : Py_BuildValue("{s:s,s:s,s:N,s:N,s:N,s:N,s:N,s:I}", "device", l.device,
                                        "model", l.model, "simulated", PyBool_FromLong(l.simulated),
                                        "value", optional(l.value), "default", optional(l.standard),
                                        "least", optional(l.least), "most", optional(l.most),
                                        "gpus", jm_limits_count(self->limits));
    leave(self);
    return result;
}

static PyObject *steering_result(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_tuner_result result = {.size = sizeof result};
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status = jm_tuner_result_get(jm_steering_tuner(self->steering), &result, &error);
    PyObject *dict = status == JM_OK ? tuner_result_dict(&result, &self->objective)
                                     : raise_error(status, &error);
    leave(self);
    return dict;
}

static PyObject *steering_trials(PyObject *object, PyObject *unused) {
    (void)unused;
    steering_object *self = enter(object);
    PyObject *list = self != NULL ? PyList_New(0) : NULL;
    jm_trial trial = {.size = sizeof trial};
    if (self == NULL) return NULL;
    for (size_t i = 0;
         list != NULL && jm_tuner_trial(jm_steering_tuner(self->steering), i, &trial) == JM_OK;
         i++) {
        PyObject *dict = tuner_trial_dict(&trial);
        if (dict == NULL || PyList_Append(list, dict) != 0) Py_CLEAR(list);
        Py_XDECREF(dict);
    }
    leave(self);
    return list;
}

static PyObject *steering_settings(PyObject *object, PyObject *unused) {
    (void)unused;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    jm_tuner *tuner = jm_steering_tuner(self->steering);
    size_t count = jm_tuner_setting_count(tuner);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++)
        PyList_SetItem(list, (Py_ssize_t)i, PyFloat_FromDouble(jm_tuner_setting(tuner, i)));
    leave(self);
    return list;
}

static PyObject *steering_predict(PyObject *object, PyObject *args) {
    double setting;
    jm_tuner_point point = {.size = sizeof point};
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "d", &setting)) return NULL;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    int status = jm_tuner_predict(jm_steering_tuner(self->steering), setting, &point, &error);
    leave(self);
    return status == JM_OK ? tuner_point_dict(&point) : raise_error(status, &error);
}

static PyObject *steering_csv(PyObject *object, PyObject *args) {
    char *text = NULL;
    const char *what;
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "s", &what)) return NULL;
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    jm_tuner *tuner = jm_steering_tuner(self->steering);
    int status = strcmp(what, "curve") == 0 ? jm_tuner_curve_csv(tuner, &text, &error)
                                            : jm_tuner_trials_csv(tuner, &text, &error);
    leave(self);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *result = PyUnicode_FromString(text);
    jm_free(text);
    return result;
}

static PyObject *steering_figure(PyObject *object, PyObject *unused) {
    (void)unused;
    jm_figure *figure = NULL;
    jm_error error = {0};
    steering_object *self = enter(object);
    if (self == NULL) return NULL;
    const jm_tuning tuning = {.size = sizeof tuning,
                              .lever = self->lever,
                              .objective = self->objective,
                              .tuner = jm_steering_tuner(self->steering)};
    int status = jm_figure_tuning(&figure, &tuning, &error);
    leave(self);
    return figure_or_error(status, figure, &error);
}

static PyMethodDef methods[] = {
    {"close", steering_close, METH_NOARGS, "close()\n--\n\nGives the limit back, and ends."},
    {"give_back", steering_give_back, METH_NOARGS,
     "give_back()\n--\n\nGives the limit back at once; no other is set."},
    {"next", steering_next, METH_NOARGS, "next()\n--\n\nBegins the next trial; a dict of it."},
    {"item", steering_item, METH_VARARGS,
     "item(items=1, end_ns=now)\n--\n\nSo much work was done by then."},
    {"pause", steering_pause, METH_VARARGS,
     "pause(begin_ns, end_ns)\n--\n\nThe time between was no work."},
    {"poll", steering_poll, METH_NOARGS, "poll()\n--\n\nGoes on; a dict of how it stands."},
    {"end", steering_end, METH_NOARGS, "end()\n--\n\nEnds the trial with what there is."},
    {"measure", steering_measure, METH_VARARGS,
     "measure(begin_ns, end_ns, items=1)\n--\n\nThat was the trial; a dict of it."},
    {"enough", steering_enough, METH_VARARGS,
     "enough(begin_ns)\n--\n\nIs what was done since then enough for a trial?"},
    {"fail", steering_fail, METH_NOARGS, "fail()\n--\n\nThe trial came to nothing."},
    {"warnings", steering_warnings, METH_NOARGS,
     "warnings()\n--\n\nWhat has happened to the limit since the last call."},
    {"keep", steering_keep, METH_VARARGS, "keep(setting)\n--\n\nSets it for good."},
    {"limit", steering_limit, METH_NOARGS, "limit()\n--\n\nThe first GPU's limit as it is."},
    {"result", steering_result, METH_NOARGS, "result()\n--\n\nThe answer so far as a dict."},
    {"trials", steering_trials, METH_NOARGS, "trials()\n--\n\nThose so far as dicts."},
    {"settings", steering_settings, METH_NOARGS, "settings()\n--\n\nThose there are."},
    {"predict", steering_predict, METH_VARARGS, "predict(setting)\n--\n\nWhat is known of it."},
    {"csv", steering_csv, METH_VARARGS, "csv(what)\n--\n\n'trials' or the 'curve'."},
    {"figure", steering_figure, METH_NOARGS, "figure()\n--\n\nThe curve as a figure."},
    {0}};

static PyType_Slot slots[] = {{Py_tp_new, PyType_GenericNew},          {Py_tp_init, steering_init},
                              {Py_tp_dealloc, steering_dealloc},       {Py_tp_methods, methods},
                              {Py_tp_doc, "Tunes the limit of GPUs."}, {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Steering",
                           .basicsize = sizeof(steering_object),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

int add_steering_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    if (PyModule_AddObject(module, "Steering", type) == 0) return 0;
    Py_DECREF(type);
    return -1;
}
