/* What taking messages out of lanes (collect.c) and understanding them (messages.c) share. */
#ifndef JMI_COLLECTOR_H
#define JMI_COLLECTOR_H

#include "record/collect.h"
#include "record/demangle.h"
#include "record/open_ranges.h"

enum {
    JMI_MAX_TEXT = (int)sizeof(jmi_added) + JMI_MAX_NAME + JMI_MAX_ATTRIBUTES,
    JMI_MAX_MERGED = 2 * JMI_MAX_ATTRIBUTES,
    JMI_THREAD_NAME = 64, /* bytes of a thread's name that are kept until it says something */
    JMI_MAX_NAMED = 256   /* threads with a name that have said nothing yet */
};
/* What the collector knows of a lane; none of it can be written by others. */
typedef struct jmi_lane_state {
    uint64_t tail;
    uint32_t generation;
    uint32_t last_counter;
    uint32_t thread;
    uint32_t pid;
    uint32_t tid; /* the system's number of the thread */
    bool active;
    bool foreign; /* pid means nothing here */
    bool bad;     /* nonsense was found: nothing is read any more until its owner is gone */
    jmi_open *stack;
    size_t depth, stack_capacity;
} jmi_lane_state;

/* A thread that was given a name before it had a lane. */
typedef struct jmi_named_thread {
    uint32_t pid, tid;
    char name[JMI_THREAD_NAME];
} jmi_named_thread;

/* The number of a thread that has left a lane: it may have another. */
enum { JMI_LATE_THREADS = 64 };
typedef struct jmi_late_thread {
    uint32_t pid, tid, thread;
} jmi_late_thread;

struct jmi_collector {
    pthread_mutex_t lock;
    jmi_ring *ring;
    jm_recording *recording;
    jmi_lane_state *lanes;
    jmi_open_set open;
    jmi_pending pending;
    uint32_t threads;
    uint64_t count;
    uint64_t refused;
    uint64_t wrong_time;                              /* ranges whose times are none */
    uint64_t surplus_facts;                           /* beyond JMI_MAX_FOREIGN */
    char unknown_device[sizeof(jmi_added){0}.device]; /* that a range named; "": none did */
    int64_t now_ns;
    int64_t buried_ns; /* dead processes were looked for then */
    int64_t ring_made_ns;
    int64_t session_end_ns; /* of the last command; 0: none has ended */
    bool refuse;
    bool hold;
    /* Processes of which a thread has left its lane, perhaps with ranges open. */
    uint32_t left[JMI_LANES];
    size_t left_count;
    jmi_named_thread named[JMI_MAX_NAMED];
    size_t named_count;
    jmi_late_thread late[JMI_LATE_THREADS]; /* pid 0: none */
    size_t late_count;
    jmi_demangler demangler;
    /* One message, copied out of the ring before anything in it is believed. */
    jmi_slot slot;
    char text[JMI_MAX_TEXT + JMI_SLOT_BYTES];
    char merged[JMI_MAX_MERGED + 8];
};

/* Puts the message in `slot` and `text` into the recording, whose lock is held. False: it is
 * nonsense. */
bool jmi_message_take(jmi_collector *collector, jmi_lane_state *state, size_t lane);

/* A thread that has its lane now may have been given a name before. Takes the recording's lock. */
void jmi_thread_arrives(jmi_collector *collector, const jmi_lane_state *state);

#endif
