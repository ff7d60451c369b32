/* An estimate: what a model says of a profile. */
#ifndef JMI_ESTIMATE_ESTIMATE_H
#define JMI_ESTIMATE_ESTIMATE_H

#include "estimate/model.h"

typedef struct jmi_guess {
    double power_w, half_width; /* the latter of the former */
} jmi_guess;

typedef struct jmi_kernel_estimate {
    jm_board board;
    double activity[JM_ACTIVITY_COUNT]; /* NaN: not told */
    double scale;                       /* of the model's watts */
    jmi_guess guess[JM_POWER_KINDS];
    uint32_t flags;
    char *outside, *impossible, *missing;
} jmi_kernel_estimate;

struct jm_estimate {
    const jm_profile *profile;
    const jm_power_model *model;
    jm_board trained_on;
    uint32_t count;
    jmi_kernel_estimate *kernels;
    char *outside, *impossible, *missing; /* of any kernel */
};

/* Of the kernels that count, s; NaN: none tells. */
double jmi_estimate_duration(const jm_estimate *estimate);

#endif
