/* Watches the clocks: a suspended machine leaves a gap that CLOCK_MONOTONIC does not show; a step
 * of the wall clock makes the recording's UTC times wrong from there on. */
#ifndef JMI_CLOCKWATCH_H
#define JMI_CLOCKWATCH_H

#include "record/recording.h"

typedef struct jmi_clockwatch {
    int64_t (*clock_ns)(int clock); /* NULL: the real ones */
    int64_t boot_offset_ns;         /* CLOCK_BOOTTIME - CLOCK_MONOTONIC: time spent suspended */
    int64_t utc_offset_ns;
    int64_t looked_ns;
} jmi_clockwatch;

void jmi_clockwatch_init(jmi_clockwatch *watch, int64_t (*clock_ns)(int clock));
/* True: the machine was suspended since the last look. */
bool jmi_clockwatch_look(jmi_clockwatch *watch, jm_recording *recording, int64_t now_ns);

#endif
