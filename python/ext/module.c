#include "ext.h"

static PyObject *bind(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *error, *energy, *json_text;
    if (!PyArg_ParseTuple(args, "OOO", &error, &energy, &json_text)) return NULL;
    hooks old = hook;
    Py_INCREF(error);
    Py_INCREF(energy);
    Py_INCREF(json_text);
    hook = (hooks){error, energy, json_text};
    Py_XDECREF(old.error);
    Py_XDECREF(old.energy);
    Py_XDECREF(old.json_text);
    Py_RETURN_NONE;
}

static PyObject *now_ns(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyLong_FromLongLong(jm_now_ns());
}

static PyObject *finding_dict(const jm_finding *f) {
    return Py_BuildValue("{s:s,s:s,s:s,s:N,s:s,s:s,s:s,s:d}", "interface", f->interface, "device",
                         f->device, "what", f->what, "works", PyBool_FromLong(f->status == JM_OK),
                         "status", jm_status_name(f->status), "message", f->message, "remedy",
                         f->remedy, "cost_s", (double)f->cost_ns * 1e-9);
}

/* probe(**options) -> (recording with devices and sensors as two lists, findings) */
static PyObject *probe(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module, (void)args;
    jm_session_options options;
    jm_error error = {0};
    jm_probe *opened = NULL;
    PyObject *kept = NULL;
    if (take_session_options(kwargs, &options, &kept) != 0) {
        Py_XDECREF(kept);
        return NULL;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_probe_open(&opened, &options, &error);
    Py_END_ALLOW_THREADS Py_DECREF(kept);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *devices = PyList_New(0), *findings = PyList_New(0);
    const jm_recording *recording = jm_probe_recording(opened);
    jm_device device = {.size = sizeof device};
    jm_finding finding = {.size = sizeof finding};
    bool good = devices != NULL && findings != NULL;
    for (uint32_t i = 0; good && jm_recording_device(recording, i, &device) == JM_OK; i++) {
        PyObject *one = device_dict(&device);
        good = one != NULL && PyList_Append(devices, one) == 0;
        Py_XDECREF(one);
    }
    for (uint32_t i = 0; good && jm_probe_finding(opened, i, &finding) == JM_OK; i++) {
        PyObject *one = finding_dict(&finding);
        good = one != NULL && PyList_Append(findings, one) == 0;
        Py_XDECREF(one);
    }
    jm_probe_free(opened);
    if (good) return Py_BuildValue("(NN)", devices, findings);
    Py_XDECREF(devices);
    Py_XDECREF(findings);
    return NULL;
}

static PyMethodDef functions[] = {
    {"bind", bind, METH_VARARGS, NULL},
    {"now_ns", now_ns, METH_NOARGS, "now_ns()\n--\n\nCLOCK_MONOTONIC, the clock of all times."},
    {"probe", (PyCFunction)(void (*)(void))probe, METH_VARARGS | METH_KEYWORDS,
     "probe(**options)\n--\n\n(devices, findings): what can be measured here, and what cannot."},
    {0}};

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "_joulemeter",
                                        .m_doc = "The C library of joulemeter.",
                                        .m_size = -1,
                                        .m_methods = functions};

PyMODINIT_FUNC PyInit__joulemeter(void);
PyMODINIT_FUNC PyInit__joulemeter(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (add_session_type(module) == 0 && add_range_type(module) == 0 &&
        add_recording_type(module) == 0 && add_statistics(module) == 0 &&
        add_figures(module) == 0 && add_calls(module) == 0 && add_limits_type(module) == 0 &&
        add_steering_type(module) == 0 && add_carbon(module) == 0 && add_logbook(module) == 0 &&
        PyModule_AddStringConstant(module, "version", jm_version()) == 0)
        return module;
    Py_DECREF(module);
    return NULL;
}
