/* Ways to choose a power limit: the tuner's, and the usual ones. */
#ifndef ACCURACY_LIMITS_METHODS_H
#define ACCURACY_LIMITS_METHODS_H

#include "joulemeter.h"
#include "limits_jobs.h"

enum { MOST_PROBES = 8 };

/* A job's limits and what a trial at each of them reads. */
typedef struct readings {
    size_t count;
    double limit_w[JOB_LIMITS], time_s[JOB_LIMITS], power_w[JOB_LIMITS];
} readings;

double objective_of(jm_objective_kind kind, double time_s, double power_w);

/* Index of the limit that a method chooses from its readings. */
size_t choose_fixed(const readings *r, jm_objective_kind kind, size_t probes);
size_t choose_spline(const readings *r, jm_objective_kind kind, size_t probes);
/* Seven parameters, a + b e^(-cx) of time and d + e / (1 + e^(-(x - f) / g)) of power, fitted to
 * eight probes. */
size_t choose_curves(const readings *r, jm_objective_kind kind, size_t probes);

typedef struct tuning {
    size_t probes;
    size_t best[MOST_PROBES]; /* index of what is best, after each */
    size_t tried[MOST_PROBES];
    size_t used;     /* index of the setting to use, in the end */
    jm_tuner *tuner; /* to be freed */
} tuning;

/* Asks for `probes` and no more nor less, or, if that is 0, as many as the tuner wants. False: it
 * failed, and said why. */
bool tune(const readings *r, jm_objective_kind kind, size_t probes, tuning *t);

#endif
