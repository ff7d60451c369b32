/* Values between Python and C. */
#include "ext.h"

#include <math.h>
#include <string.h>

hooks hook;

PyObject *raise_error(int status, const jm_error *error) {
    const char *message =
        error != NULL && error->message[0] != '\0' ? error->message : jm_status_text(status);
    if (status == JM_MEMORY) return PyErr_NoMemory();
    if (status == JM_INVALID || status == JM_NOT_FOUND) {
        PyErr_SetString(status == JM_INVALID ? PyExc_ValueError : PyExc_LookupError, message);
        return NULL;
    }
    PyObject *instance = hook.error != NULL ? PyObject_CallFunction(hook.error, "ss", message,
                                                                    jm_status_name(status))
                                            : NULL;
    if (instance != NULL) PyErr_SetObject(hook.error, instance);
    Py_XDECREF(instance);
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, message);
    return NULL;
}

int put(PyObject *dict, const char *key, PyObject *value) {
    if (value == NULL) return -1;
    int failed = PyDict_SetItemString(dict, key, value);
    Py_DECREF(value);
    return failed;
}

static PyObject *flags_text(uint32_t flags) {
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {{JM_ENERGY_CONFLICT, "conflict"},
                 {JM_ENERGY_PARTIAL, "partial"},
                 {JM_ENERGY_LOCKED, "locked"},
                 {JM_ENERGY_ACTIVITY, "activity"},
                 {JM_ENERGY_RESET, "reset"}};
    char text[64] = "";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (flags & words[i].bit) {
            if (text[0] != '\0') strcat(text, " ");
            strcat(text, words[i].word);
        }
    return PyUnicode_FromString(text);
}

PyObject *energy_object(const jm_energy *e, const char *device) {
    char provenance[96];
    jm_provenance_text(e->provenance, provenance, sizeof provenance);
    bool known = (e->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0;
    double value = known ? e->energy_j : NAN;
    return PyObject_CallFunction(
        hook.energy, "sdddddddddsNN", device, value, e->u95_j, known ? e->u_random_j : NAN,
        known ? e->u_systematic_j : NAN, e->lower_j, e->upper_j, e->duration_s,
        known ? e->mean_power_w : NAN, e->measured, provenance, flags_text(e->flags),
        PyBool_FromLong((e->provenance & JM_BOUND_ONLY) != 0));
}

/* ---- options ---- */

static int take_number(PyObject *kwargs, const char *key, double *value) {
    PyObject *given = kwargs != NULL ? PyDict_GetItemString(kwargs, key) : NULL;
    if (given == NULL || given == Py_None) return 0;
    *value = PyFloat_AsDouble(given);
    if (PyErr_Occurred()) return -1;
    if (*value - *value == 0) return 0;
    PyErr_Format(PyExc_ValueError, "%s must be a finite number, not %S", key, given);
    return -1;
}

static int take_bool(PyObject *kwargs, const char *key, bool *value) {
    PyObject *given = kwargs != NULL ? PyDict_GetItemString(kwargs, key) : NULL;
    if (given == NULL || given == Py_None) return 0;
    int truth = PyObject_IsTrue(given);
    *value = truth == 1;
    return truth < 0 ? -1 : 0;
}

/* The text stays alive in the list `kept`. */
static int take_text(PyObject *kwargs, const char *key, const char **value, PyObject *kept) {
    PyObject *given = kwargs != NULL ? PyDict_GetItemString(kwargs, key) : NULL;
    if (given == NULL || given == Py_None) return 0;
    PyObject *bytes = NULL;
    if (!PyUnicode_FSConverter(given, &bytes)) return -1;
    int failed = PyList_Append(kept, bytes);
    if (failed == 0) *value = PyBytes_AsString(bytes);
    Py_DECREF(bytes);
    return failed;
}

static int check_keys(PyObject *kwargs, const char *const *known) {
    PyObject *key;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, NULL)) {
        bool found = false;
        for (const char *const *name = known; *name != NULL && !found; name++)
            found = PyUnicode_CompareWithASCIIString(key, *name) == 0;
        if (found) continue;
        PyErr_Format(PyExc_TypeError, "there is no option %R", key);
        return -1;
    }
    return 0;
}

int take_energy_options(PyObject *kwargs, jm_energy_options *options) {
    static const char *const known[] = {"device",   "method", "gain_u", "offset_u_w",
                                        "activity", "nearby", NULL};
    static const char *const methods[] = {"auto", "counter", "power"};
    *options = (jm_energy_options)JM_ENERGY_OPTIONS_INIT;
    bool activity = true;
    if (check_keys(kwargs, known) != 0 || take_number(kwargs, "gain_u", &options->gain_u) != 0 ||
        take_number(kwargs, "offset_u_w", &options->offset_u_w) != 0 ||
        take_bool(kwargs, "activity", &activity) != 0 ||
        take_bool(kwargs, "nearby", &options->nearby) != 0)
        return -1;
    options->no_activity = !activity;
    PyObject *method = kwargs != NULL ? PyDict_GetItemString(kwargs, "method") : NULL;
    if (method == NULL || method == Py_None) return 0;
    for (int i = 0; i < 3; i++)
        if (PyUnicode_Check(method) && PyUnicode_CompareWithASCIIString(method, methods[i]) == 0) {
            options->method = (jm_method)i;
            return 0;
        }
    PyErr_SetString(PyExc_ValueError, "method must be 'auto', 'counter' or 'power'");
    return -1;
}

static uint64_t nanoseconds(double seconds) {
    if (!(seconds > 0)) return 0;
    return seconds < 1e9 ? (uint64_t)(seconds * 1e9 + 0.5) : UINT64_MAX;
}

static uint64_t whole(double number) {
    return number < 1.8e19 ? (uint64_t)number : UINT64_MAX;
}

static int take_numbers(PyObject *kwargs, jm_session_options *options) {
    double interval = 0, poll = 0, samples = 0, bytes = 0, pid = 0;
    if (take_number(kwargs, "interval_s", &interval) != 0 ||
        take_number(kwargs, "poll_s", &poll) != 0 ||
        take_number(kwargs, "max_samples", &samples) != 0 ||
        take_number(kwargs, "max_memory_bytes", &bytes) != 0 ||
        take_number(kwargs, "warn_at", &options->warn_at) != 0 ||
        take_number(kwargs, "cpu_tdp_w", &options->cpu_tdp_w) != 0 ||
        take_number(kwargs, "pid", &pid) != 0)
        return -1;
    if (interval < 0 || poll < 0 || samples < 0 || bytes < 0 || pid < 0) {
        PyErr_SetString(PyExc_ValueError, "times, limits and the pid must not be below 0");
        return -1;
    }
    options->interval_ns = nanoseconds(interval);
    options->poll_ns = nanoseconds(poll);
    options->max_samples = whole(samples);
    options->max_memory_bytes = whole(bytes);
    options->pid = (int32_t)pid;
    return 0;
}

int take_session_options(PyObject *kwargs, jm_session_options *options, PyObject **kept) {
    static const char *const known[] = {
        "gpus",    "interval_s", "poll_s",   "path",       "max_samples", "max_memory_bytes",
        "warn_at", "spill_dir",  "simulate", "root",       "pid",         "cpu_tdp_w",
        "gpu",     "cpu",        "join",     "keep_polls", "sampler",     NULL};
    static const struct {
        const char *name;
        uint32_t flag; /* set if the option is not what it usually is */
        bool usual;
    } switches[] = {{"gpu", JM_SESSION_NO_GPU, true},
                    {"cpu", JM_SESSION_NO_CPU, true},
                    {"join", JM_SESSION_NO_JOIN, true},
                    {"sampler", JM_SESSION_NO_SAMPLER, true},
                    {"keep_polls", JM_SESSION_KEEP_POLLS, false}};
    *options = (jm_session_options)JM_SESSION_OPTIONS_INIT;
    *kept = PyList_New(0);
    if (*kept == NULL || check_keys(kwargs, known) != 0 || take_numbers(kwargs, options) != 0 ||
        take_text(kwargs, "gpus", &options->gpus, *kept) != 0 ||
        take_text(kwargs, "path", &options->path, *kept) != 0 ||
        take_text(kwargs, "spill_dir", &options->spill_dir, *kept) != 0 ||
        take_text(kwargs, "simulate", &options->simulate, *kept) != 0 ||
        take_text(kwargs, "root", &options->root, *kept) != 0)
        return -1;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        bool on = switches[i].usual;
        if (take_bool(kwargs, switches[i].name, &on) != 0) return -1;
        if (on != switches[i].usual) options->flags |= switches[i].flag;
    }
    return 0;
}

/* ---- devices ---- */

int device_of(PyObject *object, device_finder find, void *context, uint32_t *index) {
    *index = JM_DEVICE_TOTAL;
    if (object == NULL || object == Py_None) return 0;
    if (!PyUnicode_Check(object)) {
        unsigned long number = PyLong_AsUnsignedLong(object);
        if (PyErr_Occurred()) return -1;
        *index = number < JM_DEVICE_GPUS ? (uint32_t)number : JM_DEVICE_GPUS - 1;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(object, "total") == 0) return 0;
    *index = JM_DEVICE_GPUS;
    if (PyUnicode_CompareWithASCIIString(object, "gpus") == 0) return 0;
    jm_device device = {.size = sizeof device};
    for (uint32_t i = 0; find(context, i, &device) == JM_OK; i++)
        if (PyUnicode_CompareWithASCIIString(object, device.name) == 0) {
            *index = i;
            return 0;
        }
    PyErr_Format(PyExc_LookupError, "there is no device %R here", object);
    return -1;
}

static PyObject *number_or_none(double value) {
    if (value > 0) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

PyObject *device_dict(const jm_device *d) {
    PyObject *dict = PyDict_New();
    if (dict == NULL) return NULL;
    if (put(dict, "name", PyUnicode_FromString(d->name)) != 0 ||
        put(dict, "vendor", PyUnicode_FromString(d->vendor)) != 0 ||
        put(dict, "model", PyUnicode_FromString(d->model)) != 0 ||
        put(dict, "uuid", PyUnicode_FromString(d->uuid)) != 0 ||
        put(dict, "pci", PyUnicode_FromString(d->pci)) != 0 ||
        put(dict, "driver", PyUnicode_FromString(d->driver)) != 0 ||
        put(dict, "in_total", PyBool_FromLong(d->in_total)) != 0 ||
        put(dict, "simulated", PyBool_FromLong(d->simulated)) != 0 ||
        put(dict, "power_limit_w", number_or_none(d->power_limit_w)) != 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}
