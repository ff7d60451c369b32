/* A session: ring, collector, sampler, recording and perhaps a file, held together. */
#ifndef JMI_SESSION_H
#define JMI_SESSION_H

#include "record/collect.h"
#include "record/questions.h"
#include "record/sampler.h"

typedef struct jmi_writer jmi_writer;

struct jm_session {
    jmi_ring *ring; /* first: all that marking needs */
    bool joined;
    int32_t pid; /* of the process that opened it */
    jm_recording *recording;
    jmi_collector *collector;
    jmi_sampler *sampler;
    jmi_writer *writer;
    jmi_answerer *answerer;
    jmi_ring_device *devices; /* of our own: a fork cannot take locks, the ring's may change */
    uint32_t device_count;
    char **environment;
    size_t environment_count, environment_capacity;
    /* jm_recording_set_info where the recording is ours: a joined session is linked without it. */
    int (*set_own_info)(jm_recording *recording, const char *key, const char *value);
    /* Of a joined session, where kernels are recorded; NULL: they are not. */
    void (*range_begins)(jm_range_id range);
    void (*range_ends)(jm_range_id range);
    jm_warning_fn on_warning;
    void *user;
    uint32_t warnings_told;
    pthread_mutex_t telling; /* one thread tells warnings at a time */
};

/* What jm_session_open does, on a set of sensors that is given (or NULL): for tests and for
 * jm_calibrate. The set is the session's from now on, whatever is returned. */
int jmi_session_open_with(jm_session **session, const jm_session_options *options,
                          jmi_sensor_set *set, const jmi_sampler_config *tuning, jm_error *error);

/* A session without anything in it; NULL: out of memory. */
jm_session *jmi_session_new(void);
/* Adds to what jm_session_environment says; false: out of memory. */
bool jmi_session_add_setting(jm_session *session, const char *setting);

/* Checks options and fills in what is 0. */
int jmi_session_options(jm_session_options *ours, const jm_session_options *theirs,
                        jm_error *error);

/* The session is measured elsewhere: it is joined, or a fork's copy. */
bool jmi_session_is_remote(const jm_session *session);

/* A range of a running session, brought up to date. JM_CLOSED if the session is remote. */
int jmi_session_range(jm_session *session, jm_range_id id, jm_range *range);

/* Devices and sensors of a set, index by index. */
int jmi_recording_take_set(jm_recording *recording, const jmi_sensor_set *set, jm_error *error);
/* Host, kernel, CPU, start time and so on. */
void jmi_recording_facts(jm_recording *recording, const char *root);

/* Copies what the ring says of devices, whoever wrote it. False: out of memory. */
bool jmi_session_copy_devices(jm_session *session);

/* Finds who is to be told of ranges, if anybody. */
void jmi_ties_find(jm_session *session);

/* Finds the ring of an outer session that the environment names. JM_NOT_FOUND: there is none. */
int jmi_join(jmi_ring **ring, jm_error *error);

#endif
