/* Settings, and what joules come to: for joulemeter/_footprint.py. */
#include "ext.h"

#include <math.h>
#include <string.h>

typedef struct grid_object {
    PyObject_HEAD jm_grid *grid;
} grid_object;

static PyTypeObject *grid_type;

PyObject *known_or_none(double value) {
    if (!isnan(value)) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

/* ---- settings ---- */

static PyObject *setting_value(const jm_setting *setting) {
    if (setting->value == NULL) Py_RETURN_NONE;
    if (setting->kind == JM_SETTING_NUMBER) return PyFloat_FromDouble(setting->number);
    if (setting->kind == JM_SETTING_BOOL) return PyBool_FromLong(setting->on);
    return PyUnicode_DecodeUTF8(setting->value, (Py_ssize_t)strlen(setting->value), "replace");
}

/* {key: (value, source)} */
static PyObject *settings_dict(const jm_settings *settings) {
    PyObject *all = PyDict_New();
    int status = all != NULL ? 0 : -1;
    for (uint32_t i = 0; status == 0 && i < jm_settings_count(); i++) {
        jm_setting setting = {.size = sizeof setting};
        if (jm_settings_at(settings, i, &setting) != JM_OK) continue;
        PyObject *value = setting_value(&setting);
        status = value == NULL
                     ? -1
                     : put(all, setting.key, Py_BuildValue("(Ns)", value, setting.source));
    }
    if (status == 0) return all;
    Py_XDECREF(all);
    return NULL;
}

/* settings() -> {key: (value, source)} */
static PyObject *settings(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    jm_settings *opened = NULL;
    jm_error error = {0};
    int status = jm_settings_open(&opened, NULL, &error);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *all = settings_dict(opened);
    jm_settings_free(opened);
    return all;
}

/* Puts a dict of texts above what the file and the environment say. -1: exception set. */
static int override(jm_settings *opened, PyObject *values) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    jm_error error = {0};
    while (values != NULL && PyDict_Next(values, &at, &key, &value)) {
        PyObject *name = PyUnicode_AsUTF8String(key);
        PyObject *text = name != NULL ? PyUnicode_AsUTF8String(value) : NULL;
        int status = text == NULL ? JM_INVALID
                                  : jm_settings_set(opened, PyBytes_AsString(name),
                                                    PyBytes_AsString(text), "the program", &error);
        bool raised = text == NULL;
        Py_XDECREF(name);
        Py_XDECREF(text);
        if (status == JM_OK) continue;
        if (!raised) raise_error(status, &error);
        return -1;
    }
    return 0;
}

/* ---- grids ---- */

static int grid_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"overrides", NULL};
    grid_object *self = (grid_object *)object;
    PyObject *values = NULL;
    jm_settings *opened = NULL;
    jm_error error = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O!", words, &PyDict_Type, &values)) return -1;
    int status = jm_settings_open(&opened, NULL, &error);
    if (status == JM_OK && override(opened, values) != 0) {
        jm_settings_free(opened);
        return -1;
    }
    jm_grid *grid = NULL;
    if (status == JM_OK) {
        Py_BEGIN_ALLOW_THREADS status = jm_grid_of_settings(&grid, opened, &error);
        Py_END_ALLOW_THREADS
    }
    jm_settings_free(opened);
    if (status != JM_OK) {
        raise_error(status, &error);
        return -1;
    }
    jm_grid_free(self->grid);
    self->grid = grid;
    return 0;
}

static void grid_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    jm_grid_free(((grid_object *)object)->grid);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

int take_grid(PyObject *object, const jm_grid **grid) {
    *grid = NULL;
    if (object == NULL || object == Py_None) return 0;
    if (PyObject_TypeCheck(object, grid_type)) {
        *grid = ((grid_object *)object)->grid;
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "grid must be a Grid or None");
    return -1;
}

static PyObject *grid_info(PyObject *object, PyObject *unused) {
    (void)unused;
    static const char *const sources[] = {"unknown", "given", "country", "time zone", "series"};
    jm_grid_info info = {.size = sizeof info};
    if (jm_grid_get(((grid_object *)object)->grid, &info) != JM_OK) {
        PyErr_SetString(PyExc_ValueError, "the grid is not open");
        return NULL;
    }
    return Py_BuildValue("{s:s,s:s,s:s,s:s,s:N,s:d,s:I,s:d,s:N,s:s,s:N,s:K,s:s}", "source",
                         sources[info.source], "country", info.country, "country_alpha3",
                         info.country_alpha3, "country_name", info.country_name, "intensity_g",
                         known_or_none(info.intensity_g), "intensity_u", info.intensity_u, "year",
                         (unsigned)info.year, "pue", info.pue, "price", known_or_none(info.price),
                         "currency", info.currency, "water_l", known_or_none(info.water_l), "rows",
                         (unsigned long long)info.rows, "text", info.text);
}

static PyMethodDef methods[] = {
    {"info", grid_info, METH_NOARGS, "info()\n--\n\nIntensity, country, PUE, price ... as a dict."},
    {0}};

static PyType_Slot slots[] = {{Py_tp_new, PyType_GenericNew},
                              {Py_tp_init, grid_init},
                              {Py_tp_dealloc, grid_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_doc, "Grid(overrides={})\n--\n\nWhat a kilowatt-hour costs: "
                                          "as the settings have it, with texts above them."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Grid",
                           .basicsize = sizeof(grid_object),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

/* ---- carbon ---- */

jm_recording *take_recording(PyObject *object) {
    if (PyObject_TypeCheck(object, recording_type)) return recording_of(object);
    PyErr_SetString(PyExc_TypeError, "a Recording is needed");
    return NULL;
}

/* carbon(recording, grid, begin_ns, end_ns, device='total') -> dict */
static PyObject *carbon(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *object, *grid_given, *device = NULL;
    long long begin, end;
    const jm_grid *grid;
    uint32_t index = JM_DEVICE_TOTAL;
    jm_carbon c = {.size = sizeof c};
    jm_error error = {0};
    if (!PyArg_ParseTuple(args, "OOLL|O", &object, &grid_given, &begin, &end, &device) ||
        take_grid(grid_given, &grid) != 0)
        return NULL;
    jm_recording *recording = take_recording(object);
    if (recording == NULL) return NULL;
    if (device != NULL && device_of(device, recording_find_device, recording, &index) != 0)
        return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        jm_carbon_window(grid, recording, index, begin, end, NULL, &c, NULL, &error);
    Py_END_ALLOW_THREADS if (status != JM_OK) return raise_error(status, &error);
    return Py_BuildValue("{s:N,s:N,s:N,s:N,s:d,s:d,s:N,s:N,s:N,s:N}", "g", known_or_none(c.g),
                         "lower_g", known_or_none(c.lower_g), "upper_g", known_or_none(c.upper_g),
                         "intensity_g", known_or_none(c.intensity_g), "intensity_u", c.intensity_u,
                         "covered", c.covered, "cost", known_or_none(c.cost), "cost_lower",
                         known_or_none(c.cost_lower), "cost_upper", known_or_none(c.cost_upper),
                         "water_l", known_or_none(c.water_l));
}

static PyMethodDef functions[] = {
    {"settings", settings, METH_NOARGS, "settings()\n--\n\n{key: (value, source)}"},
    {"carbon", carbon, METH_VARARGS,
     "carbon(recording, grid, begin_ns, end_ns, device='total')\n--\n\nWhat a window's energy "
     "comes "
     "to."},
    {0}};

int add_carbon(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    grid_type = (PyTypeObject *)type;
    if (PyModule_AddObject(module, "Grid", type) == 0)
        return PyModule_AddFunctions(module, functions);
    Py_DECREF(type);
    return -1;
}
