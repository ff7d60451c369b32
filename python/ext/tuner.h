/* What a tuner says, as dicts. */
#ifndef JM_PYTHON_TUNER_H
#define JM_PYTHON_TUNER_H

#include "ext.h"

/* None for what is not finite. */
PyObject *optional(double value);
PyObject *tuner_point_dict(const jm_tuner_point *p);
PyObject *tuner_trial_dict(const jm_trial *t);
PyObject *tuner_step_dict(const jm_tuner_step *s);
PyObject *tuner_progress_dict(const jm_steering_progress *p);
PyObject *tuner_result_dict(const jm_tuner_result *r, const jm_objective *objective);

#endif
