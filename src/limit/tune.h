/* The tuner, inside. A program's time and power under a power limit (or a clock) are described by a
 * physical model with a few unknowns (tune_model.c). A fixed set of such models, spread evenly over
 * what is physically plausible, is weighed by how well each explains the trials; what none explains
 * is left to a small smooth error (tune_posterior.c). From the weighed set follow the next trial
 * (tune_choose.c) and the answer (tune_result.c).
 *
 * Everything is relative: times and powers are logarithms of ratios to those of the reference, the
 * told setting nearest to the standard one; settings run from 0 (lowest) to 1 (highest). */
#ifndef JMI_TUNE_H
#define JMI_TUNE_H

#include "base/base.h"

enum {
    TUNE_NODES = 33,    /* settings that are considered at most */
    TUNE_GROUPS = 64,   /* different settings that are told at most */
    TUNE_MODELS = 4096, /* in the set */
    TUNE_DRAWS = 512,   /* of them, by weight, that stand for the posterior */
    TUNE_PHASES = 5,    /* of a load, of different demand */
    TUNE_HYPER = 8      /* pairs of sizes of the smooth error and of the noise */
};

/* One of the set: what is plausible before anything is measured ... */
typedef struct tune_model {
    double p0;       /* power that does not depend on clock, over the standard limit */
    double clocked;  /* share of the work's time that goes with 1 / clock */
    double knee;     /* clock above which voltage rises, over the highest */
    double low_volt; /* voltage below it, over the highest */
    double fixed;    /* share of the dynamic energy that voltage does not change: memory */
    double idling;   /* share of dynamic power that is drawn whether there is work or not */
    double gap;      /* share of time in which the board waits, at static power */
    double spread;   /* of the load's phases: standard deviation of the logarithm of demand */
    double held;     /* power that is held at a limit, over it */
    double natural;  /* 0 ... 1: how much it wants without a limit, where power does not tell */
    double rise, at_knee; /* of voltage with clock; dynamic power at the knee, over the highest */
    double demand[TUNE_PHASES]; /* dynamic power of the phases over their mean */
    /* ... and given the power of the reference */
    double p0_w, dynamic_w;
    double log_weight;
} tune_model;

/* Means of the trials at one setting. */
typedef struct tune_mean {
    double value, weight, told; /* told: sum of squares of weight x standard uncertainty */
} tune_mean;

typedef struct tune_group {
    double setting, at; /* at: 0 ... 1 */
    uint32_t count;
    tune_mean log_t, log_p;
    tune_mean limited; /* weight 0: not known */
} tune_group;

typedef struct tune_point {
    double t, p; /* log of time and of power over the reference's */
} tune_point;

/* What is believed after the trials so far: draws of equal weight, with means of the smooth error
 * given each, and the error's covariances. */
typedef struct tune_posterior {
    bool valid;
    uint32_t draw[TUNE_DRAWS];
    double t[TUNE_DRAWS][TUNE_NODES], p[TUNE_DRAWS][TUNE_NODES];
    /* with what is a setting's own, and without */
    double cov_t[TUNE_NODES][TUNE_NODES], cov_p[TUNE_NODES][TUNE_NODES];
    double smooth_t[TUNE_NODES][TUNE_NODES], smooth_p[TUNE_NODES][TUNE_NODES];
    double noise_t, noise_p; /* variances of a trial */
} tune_posterior;

/* The objective (its logarithm) of each draw at each node, relative to the level of the reference,
 * its mean, and by how much it changes with the logarithms of time and of power. */
typedef struct tune_view {
    double value[TUNE_DRAWS][TUNE_NODES];
    double mean[TUNE_NODES], by_t[TUNE_NODES], by_p[TUNE_NODES];
    size_t best; /* least mean */
} tune_view;

struct jm_tuner {
    jm_tuner_options options;
    double node[TUNE_NODES], node_at[TUNE_NODES]; /* settings that are considered */
    size_t nodes, standard;                       /* count; index of the standard setting */
    double same;                                  /* settings so near each other are one */
    jm_trial *trials;
    size_t trial_count, trial_capacity, failed;
    uint8_t refused[TUNE_NODES]; /* times that asking for it gave nothing */
    size_t asked;                /* node; TUNE_NODES: none */
    tune_group group[TUNE_GROUPS];
    size_t groups;
    size_t reference;  /* of the groups: nearest to the standard */
    double solved_for; /* power of the reference that the models were solved for; 0: not yet */
    tune_model model[TUNE_MODELS];
    tune_point curve[TUNE_MODELS][TUNE_NODES];
    float limited[TUNE_MODELS][TUNE_NODES];
    tune_point told[TUNE_GROUPS][TUNE_MODELS];
    float told_limited[TUNE_GROUPS][TUNE_MODELS];
    double scale[TUNE_NODES]; /* of the smooth error: how strongly a setting acts, 0 ... 1 */
    tune_posterior posterior;
    tune_view view; /* of it */
    char reason[256], sentence[512];
};

double jmi_tune_square(double x);

/* ---- the set of models ---- */

void jmi_tune_spread(jm_tuner *tuner);
/* Fits all of them to the power of the reference and computes their curves. */
void jmi_tune_solve(jm_tuner *tuner);
/* What they say of one more setting that was tried. */
void jmi_tune_add_setting(jm_tuner *tuner, size_t group);

/* ---- what is believed ---- */

/* Brings tuner->posterior up to date; there must be a group. JM_OK or JM_MEMORY. */
int jmi_tune_believe(jm_tuner *tuner);

/* ---- what is best, and what to try ---- */

/* Brings tuner->view up to date, the posterior too; there must be a group. JM_OK or JM_MEMORY. */
int jmi_tune_look(jm_tuner *tuner);
/* How much the best one is expected to be above the least of all, as a logarithm. */
double jmi_tune_regret(const jm_tuner *tuner);
/* Node whose trial is expected to lower the best mean most, of those not tried, and by how much.
 * TUNE_NODES: all were tried. */
size_t jmi_tune_most_telling(const jm_tuner *tuner, double *gain);
bool jmi_tune_tried(const jm_tuner *tuner, size_t node); /* or refused twice */
/* The objective itself: logarithm, without what a bound adds, from those of time and power. */
double jmi_tune_objective(const jm_tuner *tuner, double t, double p, double *by_t, double *by_p);

/* ---- objectives ---- */

int jmi_objective_check(const jm_objective *objective, jm_error *error);

#endif
