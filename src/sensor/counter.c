#include "sensor/sensor.h"

jmi_reading jmi_counter_update(jmi_counter *counter, uint64_t raw) {
    jmi_reading reading = {.status = JM_OK};
    if (counter->range != 0 && raw >= counter->range) {
        reading.status = JM_FORMAT;
        return reading;
    }
    if (!counter->started) {
        counter->started = true;
    } else if (raw >= counter->last_raw) {
        counter->total += (double)(raw - counter->last_raw) * counter->unit;
    } else if (counter->range != 0 && !counter->resets) {
        counter->total += (double)(counter->range - counter->last_raw + raw) * counter->unit;
    } else {
        /* What was counted between the last reading and the reset is lost, and what came after it
         * began at an unknown time: the step is a gap, neither negative nor raw. */
        reading.flags = JM_SAMPLE_RESET;
    }
    counter->last_raw = raw;
    reading.value = counter->total;
    return reading;
}
