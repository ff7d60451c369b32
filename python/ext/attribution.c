/* Energies of layers, kernels and other parts: Recording.attribute(). */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

/* "layer", or a list of names, into a set of categories. -1: exception set. */
static int take_categories(PyObject *by, uint32_t *categories) {
    if (by == NULL || by == Py_None) return 0;
    PyObject *list = PyUnicode_Check(by) ? Py_BuildValue("[O]", by) : PySequence_List(by);
    int status = list != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_Size(list); i++) {
        int category = category_of(PyList_GetItem(list, i));
        if (category < 0)
            status = -1;
        else
            *categories |= 1u << category;
    }
    Py_XDECREF(list);
    return status;
}

static int take_method(const char *name, jm_attribution_method *method) {
    static const char *const names[] = {"regression", "time_share", "boundary"};
    if (name == NULL) return 0;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *method = (jm_attribution_method)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError,
                 "there is no method %s: choose regression, time_share or boundary", name);
    return -1;
}

/* What each method of a recording is given goes to jm_attribute; a text comes back. */
static PyObject *attributed(jm_recording *recording, const jm_attribution_options *options,
                            bool calls) {
    jm_attribution *attribution = NULL;
    jm_error error = {0};
    char *json = NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = jm_attribute(&attribution, recording, options, &error);
    if (status == JM_OK) status = jm_attribution_json(attribution, calls, &json, &error);
    jm_attribution_free(attribution);
    Py_END_ALLOW_THREADS if (status != JM_OK) return raise_error(status, &error);
    PyObject *text = PyUnicode_DecodeUTF8(json, (Py_ssize_t)strlen(json), "replace");
    jm_free(json);
    return text;
}

PyObject *recording_attribute(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"by",  "device", "method", "prefix", "windows",
                            "net", "calls",  "split",  NULL};
    jm_recording *recording = recording_of(self);
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    PyObject *by = NULL, *device = NULL, *windows = NULL;
    const char *method = NULL;
    int net = 0, calls = 0;
    unsigned split = 0;
    if (recording == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|OOzzOppI", names, &by, &device, &method,
                                     &options.prefix, &windows, &net, &calls, &split) ||
        take_categories(by, &options.categories) != 0 || take_method(method, &options.method) != 0)
        return NULL;
    if (device != NULL && device != Py_None &&
        device_of(device, recording_find_device, recording, &options.device) != 0)
        return NULL;
    jm_window *list = NULL;
    if (windows != NULL && windows != Py_None) {
        list = take_windows(windows, &options.window_count);
        if (list == NULL) return NULL;
    }
    options.windows = list;
    options.net = net != 0;
    options.split = split;
    PyObject *text = attributed(recording, &options, calls != 0);
    free(list);
    return text;
}
