/* A power model: watts of activities at their full rate, and how wrong that was. */
#ifndef JMI_ESTIMATE_MODEL_H
#define JMI_ESTIMATE_MODEL_H

#include "estimate/fit.h"

enum { JMI_MODEL_TEXT = 8192 }; /* longest text of a model, in bytes: paths fit */

typedef struct jmi_power_fit {
    double watts[JM_ACTIVITY_COUNT];
    double penalty;         /* HUGE_VAL: all */
    double half_width;      /* of the 95 % interval, of the estimate */
    jm_power_errors errors; /* .trained */
} jmi_power_fit;

struct jm_power_model {
    char *board, *source, *made;
    char *left_out; /* of the data it was trained on; NULL: nothing */
    bool knows[JM_ACTIVITY_COUNT];
    double low[JM_ACTIVITY_COUNT], high[JM_ACTIVITY_COUNT],
        mean[JM_ACTIVITY_COUNT]; /* in training */
    jmi_power_fit fit[JM_POWER_KINDS];
    /* of one that was just trained */
    jmi_training rows;
    jm_power_fold *folds[JM_POWER_KINDS];
};

/* Names of Nsight Compute's metrics that tell an activity, joined by commas. */
const char *jmi_activity_metrics(jm_activity activity);

/* The share of programs that an interval holds whatever the distribution of errors is, if as many
 * programs were left out: 0.95, or all but one of one more than there are. */
double jmi_sure_share(size_t programs);

/* Fits a kind of power and judges it; the model has its board, its rows and what it knows. */
int jmi_train_kind(jm_power_model *model, jm_power_kind kind, const jm_board *board,
                   jm_error *error);

#endif
