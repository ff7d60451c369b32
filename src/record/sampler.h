/* The sampler: one thread that reads every source when it is due, keeps what is worth keeping, and
 * collects ranges in between. A driver call that never returns costs its driver's sources, not the
 * run. */
#ifndef JMI_SAMPLER_H
#define JMI_SAMPLER_H

#include "record/collect.h"
#include "sensor/sensor.h"

typedef struct jmi_sampler jmi_sampler;

typedef struct jmi_sampler_config {
    jmi_sensor_set *set; /* the sampler's from now on; NULL: no sensors. Its sensors are those of
                            the recording, index by index */
    jm_recording *recording;
    jmi_collector *collector;
    jmi_ring *ring;
    uint64_t interval_ns;
    uint64_t poll_ns; /* 0: chosen for each source */
    bool keep_polls;
    int64_t hang_ns;                /* a call that takes longer is one that hangs */
    int64_t (*clock_ns)(int clock); /* for tests: readings of other clocks. NULL: the real ones */
    void (*after)(void *context);   /* after each round, without any lock: limits, warnings */
    void *context;
} jmi_sampler_config;

/* Starts the thread; returns when every source has been read once (or hangs). */
int jmi_sampler_start(jmi_sampler **sampler, const jmi_sampler_config *config, jm_error *error);
/* Reads every source a last time and stops. Takes little more than the time in which a call hangs,
 * whatever drivers do. */
void jmi_sampler_stop(jmi_sampler *sampler);
/* Has another thread read the other drivers' sources while a call takes long, and gives its driver
 * up if it hangs. */
void jmi_sampler_check(jmi_sampler *sampler);
/* Another process tree is the measured one. */
void jmi_sampler_follow(jmi_sampler *sampler, int32_t pid);

#endif
