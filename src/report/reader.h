/* A sensor's samples one by one, and the values that hold between them. */
#ifndef JMI_REPORT_READER_H
#define JMI_REPORT_READER_H

#include "base/base.h"

typedef struct jmi_sample {
    int64_t t_ns;
    double value; /* NaN: missing */
    uint32_t since_ns;
    uint8_t flags;
} jmi_sample;

typedef struct jmi_reader {
    jm_cursor *cursor; /* NULL: closed, or never opened */
    jm_samples block;
    size_t at;
    int status; /* JM_OK; JM_NO_DATA: there are no more; else what went wrong */
} jmi_reader;

int jmi_reader_open(jmi_reader *reader, const jm_recording *recording, uint32_t sensor,
                    jm_error *error);
/* The sample that is next, without taking it. False: there is none. */
bool jmi_reader_peek(jmi_reader *reader, jmi_sample *sample);
static inline void jmi_reader_skip(jmi_reader *reader) {
    reader->at++;
}
/* JM_OK unless the samples could not be read to their end. */
int jmi_reader_check(const jmi_reader *reader, jm_error *error);
void jmi_reader_close(jmi_reader *reader);

/* What a gauge or counter last said, asked for at rising times. */
typedef struct jmi_held {
    jmi_reader reader;
    jmi_sample last, next;
    bool has_last, has_next;
} jmi_held;

/* NaN: before the first sample, after one that is missing, and while polls are missing. */
double jmi_held_at(jmi_held *held, int64_t t_ns);
int jmi_held_open(jmi_held *held, const jm_recording *recording, uint32_t sensor, jm_error *error);
void jmi_held_close(jmi_held *held);

/* When the value of a sample was last seen, if that lies before the next one: polls are missing
 * between. Else the time of the next. */
int64_t jmi_known_until(const jmi_sample *sample, const jmi_sample *next);

/* Which sensor shows a device's power (as the energy room ranks them, but what it draws now before
 * a longer mean, and a model where nothing measures), its energy, or another quantity. Sensors
 * without any value do not count. False: none. */
bool jmi_power_sensor(const jm_recording *recording, uint32_t device, uint32_t *sensor);
bool jmi_counter_sensor(const jm_recording *recording, uint32_t device, uint32_t *sensor);
bool jmi_gauge_sensor(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                      uint32_t *sensor);

/* Is it "cpu0", for "cpu"? */
bool jmi_device_is(const char *name, const char *kind);

#endif
