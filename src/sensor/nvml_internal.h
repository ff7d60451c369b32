/* What the files about NVIDIA boards share. */
#ifndef JMI_NVML_INTERNAL_H
#define JMI_NVML_INTERNAL_H

#include "sensor/internal.h"
#include "sensor/nvml_api.h"
#include "sensor/nvml_priors.h"

typedef struct jmi_nvml_gpu {
    const jmi_nvml_api *api;
    jmi_nvml_device handle; /* NULL: the driver lists it but does not show it */
    int opened;             /* what the driver said when it was asked for the handle */
    const char *name;       /* "gpu0" */
    const char *model;
    uint32_t device;
    const jmi_nvml_priors *priors;
    bool lost;              /* a call said so: no other is made */
    bool utilization_fresh; /* one call gives two readings */
    jmi_nvml_utilization utilization;
} jmi_nvml_gpu;

typedef struct jmi_nvml_state {
    jmi_nvml_api api;
    jmi_nvml_gpu *gpus; /* by NVML's index */
    unsigned gpu_count;
    char driver[80];
    bool running; /* init succeeded */
} jmi_nvml_state;

/* ---- readings that have a call of their own (nvml_calls.c) ---- */

typedef struct jmi_nvml_call {
    const char *what;   /* in findings */
    const char *source; /* in jm_sensor */
    jm_quantity quantity;
    double unit;        /* of one raw step */
    uint64_t period_ns; /* between readings; 0: as the prior says */
    bool counter;
    double quantum;
    int (*get)(jmi_nvml_gpu *gpu, uint64_t *raw); /* returns NVML's result */
} jmi_nvml_call;

extern const jmi_nvml_call jmi_nvml_power, jmi_nvml_energy;
extern const jmi_nvml_call jmi_nvml_slow_calls[];
extern const size_t jmi_nvml_slow_call_count;

/* Tries a call twice; `cost_ns` is what the second took. */
int jmi_nvml_try(jmi_nvml_gpu *gpu, const jmi_nvml_call *call, uint64_t *raw, uint64_t *cost_ns);
/* Reports a call as a finding and returns whether it works. */
bool jmi_nvml_report(jmi_sensor_set *set, const jmi_nvml_gpu *gpu, const char *what, int result,
                     uint64_t cost_ns, const char *sentence);
/* Adds a source that makes `count` calls, one after the other. */
void jmi_nvml_add_calls(jmi_sensor_set *set, jmi_nvml_gpu *gpu, const jmi_nvml_call *const *list,
                        size_t count, const jmi_nvml_timing *timing, uint64_t cost_ns);
void jmi_nvml_probe_slow(jmi_sensor_set *set, jmi_nvml_gpu *gpu);

/* ---- power and energy (nvml_power.c) ---- */

void jmi_nvml_probe_power(jmi_sensor_set *set, jmi_nvml_gpu *gpu);

/* ---- field values, several in one call (nvml_fields.c) ---- */

typedef struct jmi_nvml_field_spec {
    const char *what;
    const char *source;
    uint32_t id;
    uint32_t scope;
    jm_quantity quantity;
    double unit;
    bool counter;
} jmi_nvml_field_spec;

typedef struct jmi_nvml_field_trial {
    int result;
    double value;
    uint64_t cost_ns;
    bool own_time; /* the time stamp is that of the value, not that of the call */
} jmi_nvml_field_trial;

jmi_nvml_field_trial jmi_nvml_try_field(jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *spec);
/* Duration of one call for all of them. */
uint64_t jmi_nvml_fields_cost(jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *const *specs,
                              size_t count);
/* Adds a source that reads `count` fields with one call; sensors[i] describes the i-th. */
void jmi_nvml_add_fields(jmi_sensor_set *set, jmi_nvml_gpu *gpu,
                         const jmi_nvml_field_spec *const *specs, const jm_sensor *sensors,
                         size_t count, uint64_t cost_ns);

/* ---- the driver's ring of past readings (nvml_ring.c) ---- */

void jmi_nvml_probe_ring(jmi_sensor_set *set, jmi_nvml_gpu *gpu);

/* ---- the driver's times ---- */

/* Microseconds of one of the driver's clocks as CLOCK_MONOTONIC nanoseconds; 0: it is none of the
 * clocks that are known (boot time, monotonic, UTC), or far from `now_ns`. */
int64_t jmi_nvml_time(int64_t time_us, int64_t now_ns);

/* Marks the board as lost if that is what the result says. */
int jmi_nvml_note(jmi_nvml_gpu *gpu, int result);

#endif
