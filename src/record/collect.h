/* The readers' side of the ring: takes messages out of all lanes and puts ranges and marks into
 * the recording. Trusts nothing that it reads: any process of the session can write there. */
#ifndef JMI_COLLECT_H
#define JMI_COLLECT_H

#include "record/recording.h"
#include "record/ring.h"

typedef struct jmi_collector jmi_collector;

int jmi_collector_new(jmi_collector **collector, jmi_ring *ring, jm_recording *recording,
                      jm_error *error);
void jmi_collector_free(jmi_collector *collector);

/* Takes what is there, until about `until_ns`. True: more is left. From any thread. */
bool jmi_collect(jmi_collector *collector, int64_t until_ns);
/* Likewise, but returns at once if another thread is at it. */
bool jmi_collect_try(jmi_collector *collector, int64_t until_ns);
/* Takes all, then ends what is still open at `end_ns`. */
void jmi_collect_finish(jmi_collector *collector, int64_t end_ns);
/* No room for more ranges: what comes is counted and dropped (or no longer). */
void jmi_collect_refuse(jmi_collector *collector, bool refuse);
/* Takes nothing until it is told to go on, and lets the writers know that it is there: they wait,
 * because what they say would be lost. */
void jmi_collect_hold(jmi_collector *collector, bool hold);
/* Messages taken so far. */
uint64_t jmi_collect_count(jmi_collector *collector);

#endif
