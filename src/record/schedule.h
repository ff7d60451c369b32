/* When is a source read next? Evenly, or, once the rhythm of its sensor is known, densely about
 * the moments at which the value changes and sparsely in between: changes are bracketed to a
 * millisecond at a fraction of the calls. */
#ifndef JMI_SCHEDULE_H
#define JMI_SCHEDULE_H

#include "sensor/lattice.h"
#include "sensor/sensor.h"

enum { JMI_BRACKETS = 64 };

typedef struct jmi_schedule {
    int64_t next_ns;      /* deadline of the next reading */
    uint64_t wanted_ns;   /* period of even polling, were calls to cost nothing */
    uint64_t period_ns;   /* of even polling */
    uint64_t interval_ns; /* never slower */
    uint64_t cost_ns;     /* of one reading: moving mean */
    int64_t origin_ns;    /* deadlines of even polling are origin + k period: sources share wakes */
    bool fixed;           /* the user chose the period */
    uint64_t floor_ns, ceiling_ns; /* bounds of the period; 0: none */
    /* rhythm */
    uint64_t refresh_ns; /* what T is thought to be; 0: no rhythm is looked for */
    bool locked;
    jmi_lattice lattice;
    int64_t lo[JMI_BRACKETS], hi[JMI_BRACKETS]; /* latest changes, a ring */
    size_t changes;                             /* so far */
    size_t fit_at;                              /* changes at which the next fit is due */
    int64_t last_change_ns;
    uint32_t hits, misses;
} jmi_schedule;

/* Chooses the period from the source's sensors, the user's wishes and the cost of its call. */
void jmi_schedule_init(jmi_schedule *schedule, const jmi_source *source, const jm_sensor *sensors,
                       uint64_t interval_ns, uint64_t poll_ns, int64_t now_ns);
/* A reading was made from before_ns to after_ns; `lo_ns` is when the one before was made if the
 * value changed since, else 0. Sets the next deadline. */
void jmi_schedule_done(jmi_schedule *schedule, int64_t before_ns, int64_t after_ns, int64_t lo_ns);

#endif
