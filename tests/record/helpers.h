/* What the tests of this room share: hand-made sensors, scratch folders, counting of samples. */
#ifndef RECORD_HELPERS_H
#define RECORD_HELPERS_H

#include "record/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A source that a test scripts. */
typedef struct fake_source {
    _Atomic uint64_t calls;
    _Atomic int status; /* of the call as a whole */
    _Atomic int reading_status;
    _Atomic int hang;        /* non-zero: the call does not return until it is 0 again */
    _Atomic int64_t cost_ns; /* the call takes so long */
    int64_t refresh_ns;      /* the value changes every so often; 0: at every call */
    int64_t source_time;     /* non-zero: readings carry the time of the refresh */
    double base;
    const char *driver; /* NULL: its own */
} fake_source;

/* A set with one device for each source; `power` sensors (or energy counters). Closed by the
 * session. */
jmi_sensor_set *fake_set(fake_source *const *sources, size_t count);
/* Adds a second sensor (temperature, constant) to each source of the set. */
void fake_add_temperature(jmi_sensor_set *set);

/* Opens a session on fake sources with defaults that suit tests. */
jm_session *open_fake(fake_source *const *sources, size_t count, jm_session_options *options);
/* A session without sensors. */
jm_session *open_plain(jm_session_options *options);
/* Closes it and hands its recording over. */
jm_recording *close_session(jm_session *session);

/* Runs this test program again, with `part` as its argument and settings ("NAME=value") added to
 * its environment. */
pid_t start_self(const char *part, char *const *settings);
/* Exit code, or 1000 + signal. */
int wait_for(pid_t pid);

/* A folder that is there until the process ends. */
const char *scratch(void);
const char *scratch_file(const char *name);

typedef struct tally {
    uint64_t samples, changed, gaps, missing;
    int64_t first_ns, last_ns;
    double last_value;
} tally;
/* Walks a sensor from begin to end; fails the test if times do not rise. */
tally walk(const jm_recording *recording, uint32_t sensor, int64_t from_ns, int64_t to_ns);

jm_range range_at(const jm_recording *recording, uint64_t index);
bool has_warning(const jm_recording *recording, const char *part);
void sleep_ms(int ms);
/* A number from the environment, for longer or shorter runs; less under sanitizers. */
long setting(const char *name, long otherwise);

/* A recording with one power sensor and `samples` samples 1 ms apart. */
jm_recording *sawtooth(uint64_t samples);

#endif
