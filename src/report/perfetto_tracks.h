/* Which track of a trace each range is drawn on. On one track slices may nest but not overlap;
 * those that do get a track of their own beside it. */
#ifndef JMI_REPORT_PERFETTO_TRACKS_H
#define JMI_REPORT_PERFETTO_TRACKS_H

#include "base/base.h"

typedef struct jmi_trace_track {
    uint32_t device; /* UINT32_MAX: the host's */
    uint32_t pid;    /* of the host */
    uint32_t thread; /* or stream */
    uint32_t lane;   /* 0: the thread's own; others hold what overlaps */
    uint32_t number; /* by which the trace knows the track; differs from others of its process */
} jmi_trace_track;

typedef struct jmi_trace_tracks {
    jmi_trace_track *list;
    size_t count, capacity;
    uint32_t *of_range; /* place in the list */
    uint64_t range_count;
} jmi_trace_tracks;

/* The device that ran a range, UINT32_MAX for the host. */
typedef uint32_t (*jmi_trace_device)(const void *user, const jm_range *range);

/* To be let go also if it fails. */
int jmi_trace_tracks_make(jmi_trace_tracks *tracks, const jm_recording *recording,
                          jmi_trace_device device_of, const void *user, jm_error *error);
void jmi_trace_tracks_free(jmi_trace_tracks *tracks);

#endif
