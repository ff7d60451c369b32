/* What a session's readings say of the GPUs that are tuned, while it goes on. */
#ifndef JMI_LIMIT_WATCH_H
#define JMI_LIMIT_WATCH_H

#include "base/base.h"

typedef struct jmi_watched {
    const jm_recording *recording; /* the session's */
    uint32_t *devices;             /* of the recording */
    uint32_t count;
    jm_lever lever;
    double standard; /* of the lever; NaN: not known */
} jmi_watched;

/* Energy of all of them in a window; random part of its standard uncertainty. */
typedef struct jmi_watched_energy {
    double energy_j, u_j;
    bool known; /* of each of them, and not only within bounds */
} jmi_watched_energy;

/* Finds the GPUs of `limits` among those that the session measures. */
int jmi_watched_open(jmi_watched *watched, jm_session *session, jm_limits *limits, jm_lever lever,
                     jm_error *error);
void jmi_watched_close(jmi_watched *watched);

/* How long after a moment the readings that cover it are there, at most 0.3 s. */
int64_t jmi_watched_delay_ns(const jmi_watched *watched);

int jmi_watched_energies(const jmi_watched *watched, const jm_window *windows, size_t count,
                         jmi_watched_energy *out, jm_error *error);

/* Share of the time in which the setting held them back, mean over all; NaN: nothing tells. */
double jmi_watched_limited(const jmi_watched *watched, double setting, int64_t begin_ns,
                           int64_t end_ns);

#endif
