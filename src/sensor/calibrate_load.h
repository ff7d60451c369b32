/* A load whose edges are known, for calibration. */
#ifndef JMI_CALIBRATE_LOAD_H
#define JMI_CALIBRATE_LOAD_H

#include "sensor/calibrate_fit.h"
#include "sensor/internal.h"

typedef struct jmi_load jmi_load;

/* Starts a load on `device`, of about `seconds`:
 *
 *  - `command`, run by the shell, with the environment variable JOULEMETER_CALIBRATE_EDGES: the
 *    path of a file to which it appends a line "NS,1" when its load goes on and "NS,0" when it goes
 *    off (CLOCK_MONOTONIC nanoseconds, those of the device if it can). It is ended when the time
 *    is over. JOULEMETER_CALIBRATE_DEVICE is the device's UUID, JOULEMETER_CALIBRATE_SECONDS how
 *    long it should go on;
 *  - where there is no command, a simulated GPU is its own load.
 *
 * *result is NULL where there is none: calibration is then passive. `period_s` is the expected T.
 */
int jmi_load_start(jmi_load **result, const jmi_sensor_set *set, const jm_device *device,
                   const char *command, double seconds, double period_s, jm_error *error);
/* To be called often: drives loads that do not drive themselves. JM_NO_DATA: the command has ended
 * when it should not have (jmi_load_explain). NULL is a load, too. */
int jmi_load_step(jmi_load *load, int64_t now_ns);
/* Says how the command ended. Returns JM_NO_DATA. */
int jmi_load_explain(const jmi_load *load, jm_error *error);
/* Ends it and gives its edges (malloc). */
jmi_edge *jmi_load_stop(jmi_load *load, size_t *count);

#endif
