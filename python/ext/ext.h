/* The extension module _joulemeter: joulemeter.h for Python, with the limited API of Python 3.9.
 * It holds no analysis: what it returns is what the C library said. */
#ifndef JM_PYTHON_EXT_H
#define JM_PYTHON_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <joulemeter.h>
#include <stdatomic.h>

/* For a PyMethodDef: a method with keyword arguments. */
#define KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

/* What the C side needs of the Python side; joulemeter/_bind.py hands it over once. */
typedef struct hooks {
    PyObject *error;     /* exception class: (message, status) */
    PyObject *energy;    /* class that is made of the fields of a jm_energy */
    PyObject *json_text; /* dict -> JSON text */
} hooks;
extern hooks hook;

extern PyTypeObject *session_type, *range_type, *recording_type;

int add_session_type(PyObject *module);
int add_range_type(PyObject *module);
int add_recording_type(PyObject *module);
int add_statistics(PyObject *module);
int add_figures(PyObject *module);
int add_calls(PyObject *module);
int add_limits_type(PyObject *module);
int add_steering_type(PyObject *module);
int add_carbon(PyObject *module);
int add_logbook(PyObject *module);

/* Sets the Python exception that fits a status; returns NULL. */
PyObject *raise_error(int status, const jm_error *error);

/* ---- sessions ---- */

/* Warnings come from the library's threads, which have no business with the interpreter: they
 * wait in a list until Python's main thread takes them. */
typedef struct waiting_warning waiting_warning;

typedef struct session_object {
    PyObject_HEAD jm_session *session; /* NULL: closed */
    PyObject *recording;               /* NULL: nobody has asked for it */
    PyObject *on_warning;
    PyObject *sync;    /* called at edges of ranges; NULL: nothing to wait for */
    PyObject *modules; /* sys.modules, watched for frameworks to appear; NULL: do not */
    Py_ssize_t module_count;
    _Atomic(waiting_warning *) warnings;
    unsigned users;              /* threads inside the library, without the interpreter's lock */
    struct session_object *next; /* of the open ones */
} session_object;

/* Called by the library, from any thread. */
void warnings_take(const char *message, void *user);
/* Hands over what waits, if there is somebody to hear. */
void warnings_deliver(session_object *session);
void warnings_forget(session_object *session);
/* From now on (no longer) one of the sessions whose warnings are delivered. */
void warnings_watch(session_object *session);
void warnings_unwatch(session_object *session);

/* Waits for accelerators if there are any. Returns -1 with an exception set. */
int session_edge(session_object *session);

/* ---- ranges ---- */

typedef struct range_object {
    PyObject_HEAD session_object *session;
    PyObject *name;       /* bytes, UTF-8 */
    PyObject *attributes; /* bytes, JSON; or NULL */
    jm_range_id id;       /* 0: has not begun */
    jm_category category;
} range_object;

/* Steals `attributes`, which may be NULL. */
PyObject *range_new(session_object *session, jm_category category, PyObject *name,
                    PyObject *attributes);
/* Begins it now. Returns -1 with an exception set. */
int range_begin(range_object *range);

/* A category by its name. -1: there is none, and an exception is set. */
int category_of(PyObject *name);

/* {"a": 1, ...} as bytes from keyword arguments; NULL without an exception: there are none. */
PyObject *attributes_of(PyObject *meta);
/* Likewise with two leading ones, of which any may be NULL or None. */
PyObject *numbered_attributes(PyObject *const *values, const char *const *names, PyObject *meta);

/* ---- recordings ---- */

typedef struct recording_object {
    PyObject_HEAD jm_recording *recording;
    PyObject *session; /* to which it still belongs; NULL: it is ours */
} recording_object;

/* `session` NULL: takes the recording over. */
PyObject *recording_new(jm_recording *recording, PyObject *session);

/* What it holds; NULL with an exception set if that is gone. */
jm_recording *recording_of(PyObject *self);

/* (begin_ns, end_ns) pairs, to be freed with free(); NULL: exception set. */
jm_window *take_windows(PyObject *pairs, size_t *count);
/* Looks up devices of the jm_recording `context`. */
int recording_find_device(void *context, uint32_t index, jm_device *device);

/* A method of it (attribution.c). */
PyObject *recording_attribute(PyObject *self, PyObject *args, PyObject *kwargs);

/* A method of it (range.c). */
PyObject *recording_ranges(PyObject *self, PyObject *args);
/* Methods of it that give tables and traces (table.c). */
PyObject *recording_arrow(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *recording_columns(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *recording_table_csv(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *recording_perfetto(PyObject *self, PyObject *args, PyObject *kwargs);

/* Makes its figures, and its page (figure.c). */
PyObject *recording_figures(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *recording_html(PyObject *self, PyObject *args);

/* A figure as a dict, which takes it over; or the exception. */
PyObject *figure_or_error(int status, jm_figure *figure, const jm_error *error);

/* A Recording that was given as an argument; NULL with an exception set. */
jm_recording *take_recording(PyObject *object);
/* A Grid or None (NULL). -1: exception set. */
int take_grid(PyObject *object, const jm_grid **grid);

/* ---- runs ---- */

/* Runs from (energy_j, u_random_j, u_systematic_j, time_s) each, to be freed with PyMem_Free; NULL:
 * exception set. */
jm_run *take_runs(PyObject *given, size_t *count);

/* ---- values ---- */

/* A jm_energy as hook.energy. */
PyObject *energy_object(const jm_energy *energy, const char *device);
/* Keyword arguments method, gain_u, offset_u_w, activity into options. -1: exception set. */
int take_energy_options(PyObject *kwargs, jm_energy_options *options);
/* "total", "gpus", a name or an index. `find` looks names up. */
typedef int (*device_finder)(void *context, uint32_t index, jm_device *device);
int device_of(PyObject *object, device_finder find, void *context, uint32_t *index);
PyObject *device_dict(const jm_device *device);
/* Puts a value into a dict and lets go of it. Returns -1 if it is NULL or memory is out. */
int put(PyObject *dict, const char *key, PyObject *value);

/* NaN is None. */
PyObject *known_or_none(double value);

/* Session options from keyword arguments; texts live as long as `kwargs`. */
int take_session_options(PyObject *kwargs, jm_session_options *options, PyObject **kept);

#endif
