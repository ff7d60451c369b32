/* What a tuner says, as dicts. Estimates are (value, lower, upper). */
#include "tuner.h"

#include <math.h>

PyObject *optional(double value) {
    if (isfinite(value)) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

static PyObject *estimate(const jm_interval *e) {
    return Py_BuildValue("(NNN)", optional(e->value), optional(e->lower), optional(e->upper));
}

PyObject *tuner_point_dict(const jm_tuner_point *p) {
    return Py_BuildValue(
        "{s:d,s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N}", "setting", p->setting, "time_s",
        estimate(&p->seconds), "power_w", estimate(&p->power_w), "energy_j", estimate(&p->energy_j),
        "objective", estimate(&p->objective), "relative", estimate(&p->relative), "slowdown",
        estimate(&p->slowdown), "binds", optional(p->binds), "trials", optional(p->trials),
        "measured_time_s", optional(p->measured_seconds), "measured_power_w",
        optional(p->measured_power_w), "measured_energy_j", optional(p->measured_energy_j));
}

PyObject *tuner_trial_dict(const jm_trial *t) {
    return Py_BuildValue("{s:d,s:N,s:d,s:d,s:d,s:d,s:d,s:N}", "setting", t->setting, "failed",
                         PyBool_FromLong(t->failed), "items", t->items, "time_s", t->seconds,
                         "time_u95_s", t->seconds_u95, "energy_j", t->energy_j, "energy_u95_j",
                         t->energy_u95_j, "limited", optional(t->limited));
}

PyObject *tuner_step_dict(const jm_tuner_step *s) {
    return Py_BuildValue("{s:N,s:d,s:N,s:s}", "done", PyBool_FromLong(s->done), "setting",
                         s->setting, "gain_pct", optional(s->gain_pct), "reason",
                         s->reason != NULL ? s->reason : "");
}

PyObject *tuner_progress_dict(const jm_steering_progress *p) {
    static const char *const states[] = {"settling", "measuring", "enough", "time up"};
    PyObject *last = Py_None;
    if (p->ended)
        last = tuner_trial_dict(&p->last);
    else
        Py_INCREF(Py_None);
    return Py_BuildValue(
        "{s:N,s:N,s:N,s:N,s:s,s:k,s:N,s:s,s:d,s:d,s:d,s:N}", "running", PyBool_FromLong(p->running),
        "done", PyBool_FromLong(p->done), "ended", PyBool_FromLong(p->ended), "setting",
        optional(p->setting), "reason", p->reason, "trials", (unsigned long)p->trials, "last", last,
        "state", states[p->trial.state & 3], "elapsed_s", p->trial.elapsed_s, "share",
        p->trial.done, "items", p->trial.items, "left_s", optional(p->trial.left_s));
}

PyObject *tuner_result_dict(const jm_tuner_result *r, const jm_objective *objective) {
    char text[64];
    return Py_BuildValue("{s:s,s:d,s:s,s:N,s:N,s:N,s:k,s:k,s:s,s:s}", "verdict",
                         jm_tuner_verdict_name((int)r->verdict), "setting", r->setting, "sentence",
                         r->sentence, "regret_pct", optional(r->regret_pct), "best",
                         tuner_point_dict(&r->best), "standard", tuner_point_dict(&r->standard),
                         "trials", (unsigned long)r->trials, "failed", (unsigned long)r->failed,
                         "objective", jm_objective_text(objective, text, sizeof text),
                         "objective_unit", jm_objective_unit(objective));
}
