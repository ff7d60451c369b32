/* What the files about CUPTI share: the library (cupti.c) and its records (activity.c). CUPTI calls
 * from threads of its own and from those of the program; what follows is guarded by one lock of
 * cupti.c but where it says otherwise. */
#ifndef INJECT_KERNELS_H
#define INJECT_KERNELS_H

#include "cupti_abi.h"
#include "inject.h"

/* ---- cupti.c ---- */

/* This is the process that was asked to record, and no fork of it. From any thread. */
bool cupti_is_ours(void);
uint32_t cupti_version(void);
/* Records of calls are being made, by which work is tied to ranges. */
bool cupti_correlates(void);
/* A time of a record on the recording's clock; false: it cannot be one. */
bool cupti_time(uint64_t time, int64_t *t_ns);
/* False: there is no further record. */
bool cupti_next_record(uint8_t *buffer, size_t valid, cupti_record **record);

typedef enum cupti_counter {
    CUPTI_TAKEN_DOWN = 0, /* ranges */
    CUPTI_NOT_TAKEN,      /* ranges that the session did not take */
    CUPTI_WITHOUT_TIME,   /* records */
    CUPTI_CUT_OFF,        /* likewise */
    CUPTI_DROPPED,        /* by CUPTI itself */
    CUPTI_COUNTERS
} cupti_counter;
/* From any thread. */
void cupti_count(cupti_counter which, uint64_t more);

/* Work that this thread launches from here on is tied to this range; or again to the one before. */
void cupti_push(jm_range_id range);
void cupti_pop(void);

/* ---- ties.c ---- */

extern bool ties_wanted; /* once the session is joined: kernels were asked for */
void ties_prepare(void);
/* A range begins or ends in this thread, if ties are wanted; 0: one that is not recorded. */
void ties_begin(uint64_t range);
void ties_end(uint64_t range);
/* CUPTI is there: it is told of what this thread has open. Of other threads' when they begin or end
 * a range. */
void ties_tell(void);

/* ---- activity.c ---- */

bool activity_prepare(void);
/* From any thread. */
void activity_requested(uint8_t **buffer, size_t *size, size_t *most_records);
void activity_take(uint8_t *buffer, size_t valid);
void activity_release(const uint8_t *buffer);
/* By how much work seemed to begin before the call that launched it, at most: clocks err by no
 * less.
 */
int64_t activity_early_ns(void);
/* What still waits for others comes as it is. */
void activity_finish(void);
/* Buffers that CUPTI has. */
uint32_t activity_outstanding(void);

/* ---- demangle.c ---- */

/* A kernel's name as people write it, where the process has a C++ library that can tell; kept for
 * ever. */
const char *inject_demangled(const char *mangled);

#endif
