/* Polls the sensors of one device as fast as their refresh warrants, and keeps what changed. */
#ifndef JMI_CALIBRATE_POLL_H
#define JMI_CALIBRATE_POLL_H

#include "sensor/calibrate_load.h"

typedef struct jmi_track {
    uint32_t sensor; /* in the set */
    jmi_source *source;
    size_t slot; /* of the source's readings */
    double last;
    bool has_last;
    jmi_tick *ticks; /* changes */
    size_t count, capacity;
} jmi_track;

typedef struct jmi_poll {
    jmi_source *source;
    uint64_t period_ns;
    int64_t next_ns;
    int64_t before_ns; /* of the poll before; 0: none, or it failed */
    double *costs_s;
    size_t cost_count, cost_capacity;
} jmi_poll;

/* Polls in a thread of its own, which a driver that hangs may keep, and this with it. */
typedef struct jmi_polling {
    jmi_track *tracks;
    size_t track_count, track_capacity;
    jmi_poll *polls;
    size_t poll_count, poll_capacity;
    bool lost;
    _Atomic int64_t called_ns; /* when the call under way began; 0: there is none */
    _Atomic bool stop;
    _Atomic uint32_t users; /* the last one frees it */
} jmi_polling;

/* Devices of one board (by UUID), and all that have none, are polled together: the index of the
 * first of them. */
uint32_t jmi_polling_group(const jmi_sensor_set *set, uint32_t device);
/* Finds the power and energy sensors of the group of `device`; NULL if there is none. */
jmi_polling *jmi_polling_open(jmi_sensor_set *set, uint32_t device);
void jmi_polling_close(jmi_polling *polling);

/* Polls until end_ns, stepping the load (may be NULL). `slow` reads each once a second only and
 * keeps nothing but the last values. Returns JM_INTERRUPTED if `stop`, which is called in the
 * caller's thread, says so, and what the load says if it failed. JM_HUNG: a call did not come back
 * in time; the sources belong to a thread that hangs in it from then on. */
typedef struct jmi_polling_hooks {
    jmi_load *load;
    int (*stop)(double done, void *user);
    void *user;
} jmi_polling_hooks;
int jmi_polling_run(jmi_polling *polling, int64_t end_ns, bool slow,
                    const jmi_polling_hooks *hooks);

#endif
