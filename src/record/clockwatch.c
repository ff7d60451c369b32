#include "record/clockwatch.h"

#include <stdlib.h>
#include <time.h>

static const int64_t suspend_ns = 100 * 1000 * 1000; /* what is more cannot be a slow reading */
static const int64_t step_ns = JMI_NS_PER_S;

static int64_t offset_of(const jmi_clockwatch *watch, int clock) {
    if (watch->clock_ns == NULL) return jmi_clock_ns(clock) - jm_now_ns();
    return watch->clock_ns(clock) - watch->clock_ns(CLOCK_MONOTONIC);
}

void jmi_clockwatch_init(jmi_clockwatch *watch, int64_t (*clock_ns)(int clock)) {
    watch->clock_ns = clock_ns;
    watch->boot_offset_ns = offset_of(watch, CLOCK_BOOTTIME);
    watch->utc_offset_ns = offset_of(watch, CLOCK_REALTIME);
    watch->looked_ns = jm_now_ns();
}

bool jmi_clockwatch_look(jmi_clockwatch *watch, jm_recording *recording, int64_t now_ns) {
    int64_t asleep = offset_of(watch, CLOCK_BOOTTIME) - watch->boot_offset_ns;
    /* The thread may have been stopped between the two readings; an offset that stays is one. */
    bool suspended = asleep > suspend_ns &&
                     offset_of(watch, CLOCK_BOOTTIME) - watch->boot_offset_ns > suspend_ns;
    if (suspended) {
        watch->boot_offset_ns += asleep;
        watch->utc_offset_ns += asleep; /* the wall clock went on, which is no step */
        jmi_recording_warn(recording, "suspend",
                           "the machine was suspended for %.1f s while measuring: "
                           "that time is not in the recording",
                           (double)asleep / 1e9);
    }
    if (now_ns - watch->looked_ns < JMI_NS_PER_S) return suspended;
    watch->looked_ns = now_ns;
    int64_t stepped = offset_of(watch, CLOCK_REALTIME) - watch->utc_offset_ns;
    if (llabs(stepped) > step_ns &&
        llabs(offset_of(watch, CLOCK_REALTIME) - watch->utc_offset_ns) > step_ns)
        jmi_recording_warn(recording, "clock",
                           "the wall clock was set by %.1f s while measuring: "
                           "UTC times follow the clock as it was at the beginning",
                           (double)stepped / 1e9);
    return suspended;
}
