/* Limits of a GPU as its driver gives and takes them, in whole milliwatts or megahertz. */
#ifndef JMI_LIMIT_H
#define JMI_LIMIT_H

#include "sensor/sensor.h"

#define JMI_LIMIT_UNKNOWN UINT32_MAX

typedef struct jmi_limit_reading {
    uint32_t value;     /* what the board keeps to */
    uint32_t requested; /* what was last asked for; the board may have other limits besides */
    uint32_t standard;  /* its default; of clocks the highest */
    uint32_t least, most;
    int persistence; /* 1: the driver remembers limits; 0: only while a program uses the GPU; -1 */
} jmi_limit_reading;

/* What of a GPU's limit is known; JMI_LIMIT_UNKNOWN where the driver does not tell, as it never
 * does of a lock on clocks. All three of these call the driver in a thread of its own; after
 * JM_HUNG the set is good for nothing but jmi_sensors_close. */
int jmi_limit_read(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, jmi_limit_reading *reading,
                   jm_error *error);

/* Sets it; JM_LEVER_CLOCK with 0: clocks are free again. */
int jmi_limit_write(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, uint32_t value,
                    jm_error *error);

/* The highest value not above `wanted` that the GPU has, or else its lowest. */
int jmi_limit_step(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, uint32_t wanted,
                   uint32_t *step, jm_error *error);

/* Index of the GPU with a UUID, UINT32_MAX if there is none. */
uint32_t jmi_gpu_find(const jmi_sensor_set *set, const char *uuid);
/* What stands for a GPU in messages and names of files: its UUID, or its PCI address. */
const char *jmi_gpu_key(const jmi_sensor_set *set, uint32_t gpu, char key[64]);
/* Are the GPUs simulated? */
bool jmi_gpus_simulated(const jmi_sensor_set *set);

#endif
