/* Tuning on real boards: what setting is tried (steering.c), and how far the trial of a program
 * that goes on has come (steering_poll.c). */
#ifndef JMI_LIMIT_STEERING_H
#define JMI_LIMIT_STEERING_H

#include "limit/watch.h"

/* Items that were done by a time, or, if `pause_ns` is not 0, no work from `t_ns` so long. */
typedef struct jmi_steering_event {
    int64_t t_ns;
    int64_t pause_ns;
    double items;
} jmi_steering_event;

struct jm_steering {
    jm_session *session;
    jm_limits *limits;
    jm_tuner *tuner;
    jm_trial_meter_options meter_options;
    jmi_watched watched;
    jm_lever lever;
    double standard;
    uint32_t max_trials;
    int64_t delay_ns; /* until readings are there */

    /* the trial under way */
    bool running, done;
    double asked, setting; /* what the tuner wanted, and what is in force */
    char reason[400];
    int64_t begin_ns;
    jm_trial_meter *meter;
    jm_trial_progress progress;
    double items;       /* fed so far */
    int64_t stretch_ns; /* begin of the work since the last pause */
    int64_t paused_ns;
    double before_j, before_u_j; /* of the stretches before it */
    double stretch_items;        /* fed until its begin */
    int64_t fed_ns;              /* real time of the last reading, and what it said */
    double fed_items, fed_j, fed_u_j;
    uint32_t unknown; /* times that energy was not known */
    uint32_t dropped; /* stretches that were left out for it, and their time */
    int64_t dropped_ns;
    bool with_pauses; /* hardly any reading lies between them: they count as work */
    uint32_t trials;  /* that have ended */

    /* what the program has told, from any thread */
    pthread_mutex_t lock;
    jmi_steering_event *events;
    size_t count, capacity;
};

/* The trial under way begins now, with nothing told. */
int jmi_steering_begin(jm_steering *steering, jm_error *error);
/* Tells the tuner of a trial at the setting in force, which ends it. */
int jmi_steering_tell(jm_steering *steering, const jm_trial *trial, jm_error *error);

#endif
