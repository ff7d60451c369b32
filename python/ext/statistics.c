/* Statistics of runs that were measured before: numbers in, dicts out. */
#include "ext.h"

#include <string.h>

/* ---- arguments ---- */

/* The item as a tuple, whatever sequence it is; a new reference. */
static PyObject *tuple_at(PyObject *given, Py_ssize_t index) {
    PyObject *item = PySequence_GetItem(given, index);
    PyObject *tuple = item != NULL ? PySequence_Tuple(item) : NULL;
    Py_XDECREF(item);
    return tuple;
}

jm_run *take_runs(PyObject *given, size_t *count) {
    Py_ssize_t n = PySequence_Size(given);
    if (n < 0) return NULL;
    jm_run *runs = PyMem_Calloc((size_t)n + 1, sizeof *runs);
    if (runs == NULL) return (jm_run *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *four = tuple_at(given, i);
        bool good =
            four != NULL && PyArg_ParseTuple(four, "dddd", &runs[i].energy_j, &runs[i].u_random_j,
                                             &runs[i].u_systematic_j, &runs[i].time_s);
        Py_XDECREF(four);
        if (good) continue;
        PyMem_Free(runs);
        return NULL;
    }
    *count = (size_t)n;
    return runs;
}

/* ---- results ---- */

typedef struct number {
    const char *name;
    double value;
} number;

typedef struct word {
    uint32_t flag;
    const char *text;
} word;

/* Takes `dict` over; NULL with it let go of if a value cannot be put into it. */
static PyObject *put_numbers(PyObject *dict, const number *numbers, size_t count) {
    for (size_t i = 0; dict != NULL && i < count; i++)
        if (put(dict, numbers[i].name, PyFloat_FromDouble(numbers[i].value)) != 0) Py_CLEAR(dict);
    return dict;
}

static PyObject *put_object(PyObject *dict, const char *name, PyObject *value) {
    if (dict == NULL)
        Py_XDECREF(value);
    else if (put(dict, name, value) != 0)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *list_of_words(uint32_t flags, const word *words, size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (!(flags & words[i].flag)) continue;
        PyObject *text = PyUnicode_FromString(words[i].text);
        if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

#define NUMBERS(dict, ...)                                                                         \
    put_numbers(dict, (const number[]){__VA_ARGS__},                                               \
                sizeof((const number[]){__VA_ARGS__}) / sizeof(number))
#define WORDS(flags, ...)                                                                          \
    list_of_words(flags, (const word[]){__VA_ARGS__},                                              \
                  sizeof((const word[]){__VA_ARGS__}) / sizeof(word))

static PyObject *spread_dict(const jm_spread *s) {
    PyObject *dict =
        NUMBERS(PyDict_New(), {"median", s->median}, {"mean", s->mean}, {"sd", s->sd},
                {"cv_pct", s->cv_pct}, {"min", s->min}, {"max", s->max},
                {"mean_lower", s->mean_lower}, {"mean_upper", s->mean_upper},
                {"median_lower", s->median_lower}, {"median_upper", s->median_upper},
                {"slope", s->slope}, {"drift_pct", s->drift_pct}, {"drift_p", s->drift_p});
    dict = put_object(dict, "drifts", PyBool_FromLong(s->drifts));
    return put_object(dict, "outliers", PyLong_FromSize_t(s->outliers));
}

static PyObject *ratio_dict(const jm_ratio *r) {
    PyObject *dict =
        NUMBERS(PyDict_New(), {"ratio", r->ratio}, {"lower", r->lower}, {"upper", r->upper},
                {"u_random", r->u_random}, {"u_systematic", r->u_systematic}, {"p", r->p},
                {"p_ranks", r->p_ranks}, {"detectable_pct", r->detectable_pct});
    return put_object(dict, "verdict", PyLong_FromLong(r->verdict));
}

/* ---- functions ---- */

static PyObject *outlier_list(const bool *outlier, size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (!outlier[i]) continue;
        PyObject *index = PyLong_FromSize_t(i);
        if (index == NULL || PyList_Append(list, index) != 0) Py_CLEAR(list);
        Py_XDECREF(index);
    }
    return list;
}

static PyObject *repeat_dict(const jm_repeat *r, const bool *outlier) {
    PyObject *dict = NUMBERS(PyDict_New(), {"u_random_j", r->u_random_j},
                             {"u_systematic_j", r->u_systematic_j}, {"u95_j", r->u95_j});
    dict = put_object(dict, "energy_j", spread_dict(&r->energy_j));
    dict = put_object(dict, "time_s", spread_dict(&r->time_s));
    dict = put_object(dict, "power_w", spread_dict(&r->power_w));
    dict = put_object(dict, "outliers", outlier_list(outlier, r->runs));
    dict = put_object(dict, "stable", PyBool_FromLong(r->stable));
    return put_object(dict, "flags",
                      WORDS(r->flags, {JM_REPEAT_FEW, "few"}, {JM_REPEAT_DRIFT, "drift"},
                            {JM_REPEAT_OUTLIERS, "outliers"}, {JM_REPEAT_NOISY, "noisy"},
                            {JM_REPEAT_SENSOR, "sensor"}));
}

static PyObject *repeat(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    static char *names[] = {"", "level", "stable_cv_pct", NULL};
    jm_repeat_options options = JM_REPEAT_OPTIONS_INIT;
    jm_repeat result = {.size = sizeof result};
    jm_error error = {0};
    PyObject *given, *dict = NULL;
    size_t count = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$dd", names, &given, &options.level,
                                     &options.stable_cv_pct))
        return NULL;
    jm_run *runs = take_runs(given, &count);
    if (runs == NULL) return NULL;
    bool *outlier = PyMem_Calloc(count + 1, sizeof *outlier);
    int status = outlier == NULL
                     ? JM_MEMORY
                     : jm_repeat_analyse(runs, count, &options, &result, outlier, &error);
    dict = status == JM_OK ? repeat_dict(&result, outlier) : raise_error(status, &error);
    PyMem_Free(outlier);
    PyMem_Free(runs);
    return dict;
}

static PyObject *sensitivity_of(jm_interval_runs *groups, jm_run **runs, Py_ssize_t count,
                                PyObject *given, const jm_repeat_options *options) {
    jm_sensitivity result = {.size = sizeof result};
    jm_error error = {0};
    for (Py_ssize_t g = 0; g < count; g++) {
        PyObject *pair = tuple_at(given, g), *of = NULL;
        double interval_s;
        if (pair != NULL && PyArg_ParseTuple(pair, "dO", &interval_s, &of))
            runs[g] = take_runs(of, &groups[g].count);
        Py_XDECREF(pair);
        if (runs[g] == NULL) return NULL;
        groups[g].interval_ns =
            interval_s > 0 && interval_s < 1e9 ? (uint64_t)(interval_s * 1e9) : 0;
        groups[g].runs = runs[g];
    }
    int status = jm_sensitivity_analyse(groups, (size_t)count, options, NULL, &result, &error);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *dict = NUMBERS(PyDict_New(), {"p", result.p}, {"largest_pct", result.largest_pct});
    dict = put_object(dict, "differs", PyBool_FromLong(result.differs));
    dict = put_object(dict, "lowest", PyLong_FromSize_t(result.lowest));
    return put_object(dict, "highest", PyLong_FromSize_t(result.highest));
}

static PyObject *sensitivity(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    static char *names[] = {"", "level", NULL};
    jm_repeat_options options = JM_REPEAT_OPTIONS_INIT;
    PyObject *given, *dict = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$d", names, &given, &options.level))
        return NULL;
    Py_ssize_t count = PySequence_Size(given);
    if (count < 0) return NULL;
    jm_interval_runs *groups = PyMem_Calloc((size_t)count + 1, sizeof *groups);
    jm_run **runs = PyMem_Calloc((size_t)count + 1, sizeof *runs);
    dict = groups == NULL || runs == NULL ? PyErr_NoMemory()
                                          : sensitivity_of(groups, runs, count, given, &options);
    for (Py_ssize_t g = 0; runs != NULL && g < count; g++) PyMem_Free(runs[g]);
    PyMem_Free(groups);
    PyMem_Free(runs);
    return dict;
}

static PyObject *verdict(const jm_comparison *c, jm_run_value which, const char *a, const char *b) {
    char text[600];
    return PyUnicode_FromString(jm_verdict_text(c, which, a, b, text, sizeof text));
}

static PyObject *comparison_dict(const jm_comparison *c, const char *a, const char *b) {
    PyObject *dict = put_object(PyDict_New(), "energy", ratio_dict(&c->energy));
    dict = put_object(dict, "time", ratio_dict(&c->time));
    dict = put_object(dict, "power", ratio_dict(&c->power));
    dict = put_object(dict, "flags",
                      WORDS(c->flags, {JM_COMPARE_FEW, "few"}, {JM_COMPARE_OUTLIERS, "outliers"},
                            {JM_COMPARE_DRIFT, "drift"}, {JM_COMPARE_RANKS, "ranks"}));
    PyObject *texts = put_object(PyDict_New(), "energy", verdict(c, JM_RUN_ENERGY, a, b));
    texts = put_object(texts, "time", verdict(c, JM_RUN_TIME, a, b));
    texts = put_object(texts, "power", verdict(c, JM_RUN_POWER, a, b));
    return put_object(dict, "verdicts", texts);
}

static PyObject *compare(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    static char *names[] = {"", "", "level", "unpaired", "ratio_u", "name_a", "name_b", NULL};
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    jm_comparison result = {.size = sizeof result};
    jm_error error = {0};
    PyObject *given_a, *given_b, *dict = NULL;
    const char *name_a = "A", *name_b = "B";
    size_t count_a = 0, count_b = 0;
    int unpaired = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$dpdss", names, &given_a, &given_b,
                                     &options.level, &unpaired, &options.ratio_u, &name_a, &name_b))
        return NULL;
    options.unpaired = unpaired;
    jm_run *a = take_runs(given_a, &count_a);
    jm_run *b = a != NULL ? take_runs(given_b, &count_b) : NULL;
    if (b != NULL) {
        int status = jm_compare(a, count_a, b, count_b, &options, &result, &error);
        dict = status == JM_OK ? comparison_dict(&result, name_a, name_b)
                               : raise_error(status, &error);
    }
    PyMem_Free(a);
    PyMem_Free(b);
    return dict;
}

/* Typical energies of devices from (energy_j, u_systematic_j, duration_s, modelled) each. */
static jm_energy *take_energies(PyObject *given, Py_ssize_t count) {
    jm_energy *energies = PyMem_Calloc((size_t)count + 1, sizeof *energies);
    if (energies == NULL) return (jm_energy *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = tuple_at(given, i);
        jm_energy *e = &energies[i];
        int modelled = 0;
        bool good = item != NULL && PyArg_ParseTuple(item, "dddp", &e->energy_j, &e->u_systematic_j,
                                                     &e->duration_s, &modelled);
        e->provenance = modelled ? JM_FROM_MODEL : JM_FROM_POWER;
        Py_XDECREF(item);
        if (good) continue;
        PyMem_Free(energies);
        return NULL;
    }
    return energies;
}

static PyObject *compare_systematic(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given_a, *given_b;
    jm_error error = {0};
    double u = 0;
    int status = JM_OK;
    if (!PyArg_ParseTuple(args, "OO", &given_a, &given_b)) return NULL;
    Py_ssize_t count = PySequence_Size(given_a), count_b = PySequence_Size(given_b);
    if (count < 0 || count_b < 0) return NULL;
    if (count != count_b) {
        PyErr_SetString(PyExc_ValueError, "both runs must be of the same devices");
        return NULL;
    }
    jm_energy *a = take_energies(given_a, count);
    jm_energy *b = a != NULL ? take_energies(given_b, count) : NULL;
    if (b != NULL) status = jm_compare_systematic(a, b, (size_t)count, &u, &error);
    PyMem_Free(a);
    PyMem_Free(b);
    if (PyErr_Occurred()) return NULL;
    return status == JM_OK ? PyFloat_FromDouble(u) : raise_error(status, &error);
}

static int take_warmup(const char *text, jm_warmup *warmup) {
    static const char *const words[] = {"auto", "none", "first"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0) {
            *warmup = (jm_warmup)i;
            return 0;
        }
    PyErr_SetString(PyExc_ValueError, "warmup must be 'auto', 'none' or 'first'");
    return -1;
}

static PyObject *forecast(PyObject *module, PyObject *args, PyObject *kwargs) {
    (void)module;
    static char *names[] = {"", "", "level", "warmup", NULL};
    jm_forecast_options options = JM_FORECAST_OPTIONS_INIT;
    jm_forecast f = {.size = sizeof f};
    jm_error error = {0};
    PyObject *given;
    const char *warmup = "auto";
    Py_ssize_t total;
    size_t done = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "On|$ds", names, &given, &total, &options.level,
                                     &warmup) ||
        take_warmup(warmup, &options.warmup) != 0)
        return NULL;
    jm_run *epochs = take_runs(given, &done);
    if (epochs == NULL) return NULL;
    int status =
        jm_forecast_epochs(epochs, done, total > 0 ? (size_t)total : 0, &options, &f, &error);
    PyMem_Free(epochs);
    if (status != JM_OK) return raise_error(status, &error);
    PyObject *dict =
        NUMBERS(PyDict_New(), {"energy_j", f.energy_j}, {"energy_lower_j", f.energy_lower_j},
                {"energy_upper_j", f.energy_upper_j}, {"time_s", f.time_s},
                {"time_lower_s", f.time_lower_s}, {"time_upper_s", f.time_upper_s},
                {"energy_done_j", f.energy_done_j}, {"time_done_s", f.time_done_s},
                {"u_systematic_j", f.u_systematic_j});
    return put_object(dict, "flags",
                      WORDS(f.flags, {JM_FORECAST_FEW, "few"}, {JM_FORECAST_WARMUP, "warmup"},
                            {JM_FORECAST_ENERGY_TREND, "energy trend"},
                            {JM_FORECAST_TIME_TREND, "time trend"}));
}

/* ---- figures as people read them ---- */

static PyObject *value_text(PyObject *module, PyObject *args) {
    (void)module;
    double value, uncertainty;
    const char *unit;
    char text[96];
    if (!PyArg_ParseTuple(args, "dds", &value, &uncertainty, &unit)) return NULL;
    return PyUnicode_FromString(jm_value_text(value, uncertainty, unit, text, sizeof text));
}

static PyObject *interval_text(PyObject *module, PyObject *args) {
    (void)module;
    double lower, upper;
    const char *unit;
    char text[96];
    if (!PyArg_ParseTuple(args, "dds", &lower, &upper, &unit)) return NULL;
    return PyUnicode_FromString(jm_interval_text(lower, upper, unit, text, sizeof text));
}

static PyMethodDef functions[] = {
    {"repeat", KEYWORDS(repeat),
     "repeat(runs, /, *, level=0, stable_cv_pct=0)\n--\n\n"
     "How well runs of (energy_j, u_random_j, u_systematic_j, time_s) repeat."},
    {"sensitivity", KEYWORDS(sensitivity),
     "sensitivity(groups, /, *, level=0)\n--\n\n"
     "Does the sampling interval matter? Groups are (interval_s, runs)."},
    {"compare", KEYWORDS(compare),
     "compare(a, b, /, *, level=0, unpaired=False, ratio_u=0, name_a='A', name_b='B')\n--\n\n"
     "Runs of B against runs of A."},
    {"compare_systematic", compare_systematic, METH_VARARGS,
     "compare_systematic(a, b, /)\n--\n\n"
     "What gains and offsets leave of a ratio. Devices are (energy_j, u_systematic_j, duration_s, "
     "modelled)."},
    {"forecast", KEYWORDS(forecast),
     "forecast(epochs, total, /, *, level=0, warmup='auto')\n--\n\n"
     "Energy and time of so many epochs after these."},
    {"value_text", value_text, METH_VARARGS,
     "value_text(value, uncertainty, unit, /)\n--\n\n'124.2 ± 1.3 J'."},
    {"interval_text", interval_text, METH_VARARGS,
     "interval_text(lower, upper, unit, /)\n--\n\n'123.4–125.1 J'."},
    {0}};

int add_statistics(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
