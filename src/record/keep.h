/* Which readings become samples: changes, one each interval, the last, and what is missing. */
#ifndef JMI_KEEP_H
#define JMI_KEEP_H

#include "record/recording.h"
#include "sensor/sensor.h"

typedef struct jmi_keeper {
    double value;      /* of the latest good poll */
    int64_t polled_ns; /* when that was */
    int64_t kept_ns;   /* time of the latest sample that was kept */
    bool has_value;
    bool missing;        /* the latest poll failed; a sample says so already */
    bool gap;            /* the next sample comes after a gap */
    bool held;           /* the latest poll was not kept ... */
    uint32_t held_since; /* ... and would have had this since_ns */
} jmi_keeper;

/* A reading at t_ns. Returns whether the value changed. Takes the recording's lock held. */
bool jmi_keep(jmi_keeper *keeper, jm_recording *recording, jmi_series *series,
              const jmi_reading *reading, int64_t t_ns, uint64_t interval_ns, bool all);
/* The reading failed. */
void jmi_keep_missing(jmi_keeper *keeper, jm_recording *recording, jmi_series *series,
                      int64_t t_ns);
/* Keeps the latest poll if it was not. */
void jmi_keep_last(jmi_keeper *keeper, jm_recording *recording, jmi_series *series);

#endif
