/* What the sampler's thread (sampler.c) and the reading of one source (poll.c) share. */
#ifndef JMI_SAMPLER_STATE_H
#define JMI_SAMPLER_STATE_H

#include "record/clockwatch.h"
#include "record/keep.h"
#include "record/sampler.h"
#include "record/schedule.h"

typedef struct jmi_source_state {
    jmi_schedule schedule;
    int64_t polled_ns; /* middle of the latest reading; 0: none */
    int64_t away_ns;   /* a call to its driver began then and lasts: it is read again if that comes
                          back. 0: none */
    bool dead;         /* lost or hung: never read again */
} jmi_source_state;

/* Shared by the session and the sampling threads, of which there is one at a time that counts.
 * Where a call takes long another thread stands in and reads the other drivers' sources. The one
 * that waited finds that its generation is over: if it comes back in time it brings its readings
 * and its driver's sources; if not, these are dead and it touches nothing else. */
struct jmi_sampler {
    _Atomic uint32_t refs;
    pthread_mutex_t lock; /* of all but the atomics */
    jmi_sampler_config config;
    jmi_sensor_set *set;
    jmi_source_state *sources;
    size_t source_count;
    jmi_keeper *keepers;
    jmi_clockwatch clocks;
    _Atomic uint32_t generation;
    _Atomic uint32_t stop;
    _Atomic uint32_t ready;        /* futex: every source was read once */
    _Atomic uint32_t finished;     /* futex: the thread that counts has ended */
    _Atomic int64_t call_since_ns; /* a driver call began then; 0: none is going on */
    _Atomic uint32_t call_source;
    _Atomic uint32_t away; /* calls that another thread does not wait for */
    uint32_t stuck;        /* calls that were given up */
    int64_t housekept_ns;
};

/* One thread. */
typedef struct jmi_watch {
    jmi_sampler *sampler;
    uint32_t generation;
    uint64_t cpu_ns; /* that was counted already */
    int64_t bell_ns; /* when the doorbell was answered last */
} jmi_watch;

/* The calls come with the sampler's lock held. */

/* Reads one source; the lock is let go meanwhile. False: another thread stands in for this one. */
bool jmi_poll_source(const jmi_watch *self, size_t source);
/* Do calls to them wait for each other? */
bool jmi_poll_same_driver(const jmi_sampler *sampler, size_t a, size_t b);
/* All sources of a driver are away since then, or back (0). */
void jmi_poll_away(jmi_sampler *sampler, size_t source, int64_t since_ns);
/* The next samples of a source's sensors come after a gap. */
void jmi_poll_gap(jmi_sampler *sampler, size_t source);
/* Takes a source out of service: its sensors have no values from here on. */
void jmi_poll_bury(jmi_sampler *sampler, size_t source, int64_t t_ns);
/* Keeps the latest polls that were not kept. */
void jmi_poll_finish(jmi_sampler *sampler);
/* "gpu0" */
const char *jmi_poll_device(const jmi_sampler *sampler, size_t source);

#endif
