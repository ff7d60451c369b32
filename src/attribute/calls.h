/* The calls of layers or kernels, and whose each moment is.
 *
 * A call is a range of the categories asked for, a class a name (and what kernels are split by). Of
 * calls that nest in one thread (or stream) the innermost one has the time: its own time. What runs
 * at once in several threads shares it equally, so that all classes and gaps together make up the
 * time there is. */
#ifndef JMI_ATTRIBUTE_CALLS_H
#define JMI_ATTRIBUTE_CALLS_H

#include "base/base.h"

#define JMI_NO_CALL UINT32_MAX

typedef struct jmi_call {
    int64_t begin_ns, end_ns;
    uint64_t range; /* index in the recording */
    uint32_t cls;
    uint32_t parent; /* call in which it lies, or JMI_NO_CALL */
    uint32_t thread; /* which line of execution */
    bool told;       /* begins in the windows that are told of */
    double own_s;    /* own time; a float would lose what a million short pieces add to it */
    double share_s;  /* of it, divided by how many ran at once */
} jmi_call;

/* A stretch of time of one call; `weight`: of so many at once. */
typedef struct jmi_piece {
    int64_t begin_ns, end_ns;
    uint32_t call;
    float weight;
} jmi_piece;

typedef struct jmi_class {
    const char *name;                      /* the recording's */
    const char *attributes;                /* of its first call, likewise */
    uint64_t calls;                        /* that are told of */
    double own_s, share_s;                 /* of these */
    double inclusive_s, inclusive_share_s; /* likewise, with all within them */
    double all_s;                          /* shared time of all calls */
    double square_s2;                      /* sum of squares of own times, of these */
} jmi_class;

typedef struct jmi_calls {
    jmi_call *list; /* by thread, and in it by their beginnings, outer ones first */
    size_t count, capacity;
    jmi_piece *pieces; /* by their beginnings */
    size_t piece_count, piece_capacity;
    jmi_class *classes;
    size_t class_count, class_capacity;
    jmi_intern *names;    /* of classes that a split makes; NULL: none does */
    bool nested;          /* some call lies in another */
    uint32_t categories;  /* of the ranges that they are: a set of 1u << jm_category */
    jm_category category; /* that of most of them */
} jmi_calls;

/* Which ranges are calls. */
typedef struct jmi_call_filter {
    uint32_t categories; /* set of 1u << jm_category */
    uint32_t device;     /* those of the host count, and of this device */
    const char *prefix;  /* of their names; NULL: any */
    uint32_t split;      /* kernels of one name are classes apart: a set of jm_split */
    const jm_window *windows;
    size_t window_count; /* 0: all are told of */
} jmi_call_filter;

/* JM_NO_DATA: there is no such range. */
int jmi_calls_read(jmi_calls *calls, const jm_recording *recording, const jmi_call_filter *filter,
                   jm_error *error);
void jmi_calls_free(jmi_calls *calls);

#endif
