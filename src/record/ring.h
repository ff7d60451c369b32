/* The ring that ranges and marks travel through, from any thread of any process of a session to
 * the one thread that collects them. It lies in a memory file, so that forked children and a
 * measured command can write into it too. Where memory or the size of files is limited it has
 * fewer lanes; where there is no room for such a file either, only forked children share it.
 *
 *     header | questions | devices | lane headers | slots of lane 0 | slots of lane 1 | ...
 *
 * A lane belongs to one thread at a time, which alone writes its head; the collector alone writes
 * its tail. A message is one slot, or more if its texts are longer than the slot has room; all its
 * slots are published by one release-store of the head. */
#ifndef JMI_RING_H
#define JMI_RING_H

#include "base/base.h"

#include <pthread.h>
#include <stdalign.h>

#define JMI_RING_MAGIC UINT64_C(0x676e69726d756f6a) /* "joumring" */

enum {
    JMI_RING_VERSION = 3,
    JMI_QUESTIONS = 16,     /* that may be asked at a time */
    JMI_RING_DEVICES = 256, /* that processes which join are told of */
    JMI_LANES = 512,        /* at most */
    JMI_SLOTS = 8192,       /* of a lane; a power of two */
    JMI_SLOT_BYTES = 64,
    JMI_SLOT_TEXT = 40 /* bytes of text in a message's first slot */
};

typedef enum jmi_kind {
    JMI_KIND_BEGIN = 1,
    JMI_KIND_END,
    JMI_KIND_MARK,
    JMI_KIND_ADD,   /* its text begins with a jmi_added */
    JMI_KIND_INFO,  /* a fact: key as name, value as attributes */
    JMI_KIND_THREAD /* a thread's name; id: the system's number of it */
} jmi_kind;

/* What a range that is handed over whole has beyond one that begins. */
typedef struct jmi_added {
    int64_t end_ns;
    uint64_t parent; /* 0: the innermost one open in the lane */
    uint32_t stream;
    char device[44]; /* name, UUID (40 bytes) or PCI address; "": the host */
} jmi_added;
_Static_assert(sizeof(jmi_added) == 64, "no padding is sent");

typedef struct jmi_slot {
    int64_t t_ns;
    uint64_t id;
    uint8_t kind;
    uint8_t category;
    uint16_t name_length;
    uint16_t attributes_length;
    uint16_t spare;
    char text[JMI_SLOT_TEXT]; /* name, attributes; goes on in the following slots */
} jmi_slot;
_Static_assert(sizeof(jmi_slot) == JMI_SLOT_BYTES, "a slot is a cache line");

typedef struct jmi_lane {
    /* foreign << 63 | process << 32 | thread; 0: free. Foreign: that process id means nothing
     * where the ring was made (another pid namespace). */
    alignas(64) _Atomic uint64_t owner;
    _Atomic uint32_t generation; /* of ids: another one for each owner */
    _Atomic uint32_t released;   /* the owner writes no more */
    alignas(64) _Atomic uint64_t head;
    alignas(64) _Atomic uint64_t tail;
} jmi_lane;

#define JMI_OWNER_FOREIGN (UINT64_C(1) << 63)

/* Where all lanes are taken one is looked for once in such a time. */
#define JMI_WANTED_NS INT64_C(20000000)

/* An energy that a process which joined wants to know. It claims a question, fills it in, says
 * that it is asked and waits until it is answered. */
enum { JMI_QUESTION_IDLE, JMI_QUESTION_ASKED, JMI_QUESTION_ANSWERED };
typedef struct jmi_question {
    /* foreign << 63 | process << 32 | second at which its patience has surely ended; 0: free */
    alignas(64) _Atomic uint64_t owner;
    /* futex: turn << 2 | JMI_QUESTION_*. Each question has a turn of its own, so that an answer
     * to one whose asker gave up is none to the next. */
    _Atomic uint32_t state;
    uint64_t range;
    uint32_t device;
    int32_t status;
    uint32_t method;
    uint32_t no_activity;
    double gain_u, offset_u_w;
    jm_energy energy;
} jmi_question;

/* A device of the session, written before anybody can join. */
typedef struct jmi_ring_device {
    char name[32], vendor[32], model[128], uuid[64], pci[32], driver[64];
    double power_limit_w, power_floor_w;
    uint32_t in_total, simulated;
} jmi_ring_device;

typedef struct jmi_ring_header {
    uint64_t magic;
    uint32_t version;
    uint32_t lane_count;
    uint32_t slot_count;
    int32_t creator_pid;
    uint32_t device_count;
    uint64_t lanes_offset;
    uint64_t slots_offset;
    uint64_t size;
    int64_t created_ns;
    uint64_t time_namespace; /* CLOCK_MONOTONIC is the same only within it */
    uint64_t pid_namespace;
    alignas(64) _Atomic uint32_t doorbell; /* futex: a lane is half full */
    alignas(64) _Atomic uint32_t closed;
    _Atomic uint32_t lanes_used;          /* lanes from 0 that were ever claimed */
    _Atomic uint32_t wanted;              /* when a thread found no free lane; 0: none did */
    alignas(64) _Atomic uint32_t asked;   /* futex: counts questions */
    _Atomic uint32_t given_back;          /* futex: counts questions that became free */
    _Atomic uint32_t silent;              /* no question is answered any more */
    alignas(64) _Atomic uint64_t dropped; /* messages lost for want of room */
    _Atomic uint64_t unseated;            /* messages lost for want of a lane */
    _Atomic uint64_t cut;                 /* texts that were too long */
    _Atomic uint64_t wrong_time;          /* ranges that were not sent, for their times */
    _Atomic uint64_t wrong_category;      /* likewise, for their category */
    _Atomic uint64_t waited_ns;           /* for room, all threads together */
    alignas(64) _Atomic uint32_t holding; /* counts: the collector is there and asks to wait */
} jmi_ring_header;

typedef struct jmi_ring jmi_ring;

/* A thread's own view of its lane. */
typedef struct jmi_writer_lane {
    jmi_ring *ring;
    jmi_lane *lane; /* NULL: found none */
    jmi_slot *slots;
    uint64_t head;
    uint64_t tail_seen;
    uint64_t rung_at; /* head when the doorbell was rung last */
    uint64_t id_base;
    uint32_t counter;
    uint32_t pid; /* the process that claimed it: another one after fork */
    bool stalled; /* the collector does not come: drop without waiting */
    _Atomic uint32_t state;
    struct jmi_writer_lane *next;
} jmi_writer_lane;

struct jmi_ring {
    jmi_ring_header *header;
    jmi_question *questions;
    jmi_ring_device *devices;
    jmi_lane *lanes;
    char *slots;
    size_t size;
    uint32_t lane_count;       /* what the header says others may change */
    int fd;                    /* -1: none, nobody can join */
    jm_error narrowed;         /* why it is not what it should be; JM_OK: it is */
    _Atomic uint32_t *process; /* this process's id, in a page that fork wipes */
    bool wiped_on_fork;
    pthread_key_t key;
    bool has_key;
    _Atomic(jmi_writer_lane *) writers;
    /* Called by a writer that finds its lane full; only in the process that made the ring. */
    void (*help)(void *context);
    void *help_context;
    int32_t owner_pid;
};

int jmi_ring_create(jmi_ring **ring, jm_error *error);
/* Maps a ring that another process made; checks that it is one. Takes the descriptor. */
int jmi_ring_join(jmi_ring **ring, int fd, jm_error *error);
/* Process ids of ours mean nothing where the ring was made. A fork may be so where its parent is
 * not. */
bool jmi_ring_foreign(const jmi_ring *ring);
/* Tells writers that nobody collects any more. */
void jmi_ring_close(jmi_ring *ring);
void jmi_ring_free(jmi_ring *ring);

static inline jmi_slot *jmi_ring_slots(const jmi_ring *ring, size_t lane) {
    return (jmi_slot *)(void *)(ring->slots + lane * JMI_SLOTS * JMI_SLOT_BYTES);
}

/* Slots that a message with so many bytes of text takes. */
static inline uint32_t jmi_ring_need(uint32_t text) {
    return text <= JMI_SLOT_TEXT ? 1
                                 : 1 + (text - JMI_SLOT_TEXT + JMI_SLOT_BYTES - 1) / JMI_SLOT_BYTES;
}

/* Ids say which lane they came from: generation (19 bits) | lane (12) | counter (32). */
static inline uint64_t jmi_id_base(uint32_t generation, size_t lane) {
    return ((uint64_t)((generation + 1) & 0x7ffff) << 44) | ((uint64_t)lane << 32);
}
static inline uint32_t jmi_id_lane(uint64_t id) {
    return (uint32_t)(id >> 32) & 0xfff;
}
static inline uint32_t jmi_id_counter(uint64_t id) {
    return (uint32_t)id;
}

/* The calling thread's lane, claimed at first use. NULL: out of memory. Its `lane` is NULL if all
 * are taken. */
jmi_writer_lane *jmi_ring_writer(jmi_ring *ring);
/* Makes room for `need` slots when a lane is full: waits a bounded time. False: none. */
bool jmi_ring_wait(jmi_writer_lane *writer, uint32_t need);
/* Rings the doorbell if the lane is half full and was not rung for lately. */
void jmi_ring_half(jmi_writer_lane *writer);

/* This process's id, without a system call unless it is new. */
uint32_t jmi_ring_pid_slow(jmi_ring *ring);
static inline uint32_t jmi_ring_pid(jmi_ring *ring) {
    uint32_t pid = atomic_load_explicit(ring->process, memory_order_relaxed);
    return __builtin_expect(pid != 0 && ring->wiped_on_fork, 1) ? pid : jmi_ring_pid_slow(ring);
}

#endif
