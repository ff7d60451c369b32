/* A simulated board that runs the layers of a model over and over, with the exact energy of each.
 *
 *     what runs (layered_load) ──▶ calls one after the other (layered_run) ──▶ the board's power
 *                                    └─▶ ranges of the recording, with errors of their times
 */
#ifndef ACCURACY_LAYERED_H
#define ACCURACY_LAYERED_H

#include "virtual.h"

enum { LAYERED_MOST = 200 };

/* What a model looks like; the numbers of one are drawn from this. */
typedef struct layered_scenario {
    const char *name;
    size_t layers,
        more_layers; /* with seed 1, and so many more with seed 2, twice with 3; 4 is as 1 */
    size_t types;    /* layers i and i + types are alike; 0: each is of its own kind */
    double shortest_s, longest_s;
    double iteration_s; /* calls are stretched to fill it; 0: as long as they come */
    bool locked;        /* an iteration begins exactly at every refresh of the sensor */
} layered_scenario;

typedef struct layered_sensor {
    const char *name;
    const char *board;
    uint32_t sensors; /* VIRTUAL_* */
} layered_sensor;

typedef enum layered_schedule {
    LAYERED_PLAIN,  /* iterations back to back */
    LAYERED_DITHER, /* random gaps between them */
    LAYERED_REPLAY  /* some seconds of plain ones, then each layer alone in bursts */
} layered_schedule;

typedef struct layered_plan {
    const layered_scenario *scenario;
    const layered_sensor *sensor;
    layered_schedule schedule;
    unsigned seed; /* 1 and up; the load does not depend on the schedule */
    double length_s;
} layered_plan;

typedef struct layered_load {
    size_t layers;
    double call_s[LAYERED_MOST], power_w[LAYERED_MOST]; /* mean of its calls */
    double power_jitter;                                /* of calls, relative */
    double gap_s, gap_w;                                /* at the end of an iteration */
    double period_s;                                    /* with its gap */
} layered_load;

typedef struct layered_call {
    int64_t begin_ns, end_ns;
    double power_w;
    uint32_t layer;
} layered_call;

typedef struct layered_run {
    jm_recording *recording;
    struct simgpu_board *board;
    layered_load load;
    jm_window window; /* that energies are told of */
    bool windowed;    /* it is not the whole recording */
    layered_call *calls;
    size_t count, capacity;
    jm_window *iterations; /* from the first call's begin to the last one's end */
    size_t iteration_count, iteration_capacity;
    int64_t begin_ns, end_ns;     /* of the load */
    double truth_j[LAYERED_MOST]; /* of the calls in the window */
    uint64_t calls_of[LAYERED_MOST];
} layered_run;

/* Exits with a message on an error: this is a test tool. */
void layered_open(layered_run *run, const layered_plan *plan);
void layered_close(layered_run *run);

/* "layer003" */
void layered_name(size_t layer, char name[16]);

#endif
