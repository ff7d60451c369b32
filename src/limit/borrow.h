/* The borrower's side: GPUs, and the lender that was found for them. */
#ifndef JMI_LIMIT_BORROW_H
#define JMI_LIMIT_BORROW_H

#include "limit/limit.h"
#include "limit/wire.h"

#include <pthread.h>

enum { JMI_LEVERS = 2 };

/* What jm_limits_read hands out texts of. */
typedef struct jmi_limit_texts {
    char device[16], holder[32], message[400];
} jmi_limit_texts;

typedef struct jmi_limits_gpu {
    uint32_t gpu; /* in the set */
    char key[64];
    bool borrowed[JMI_LEVERS];
    double last[JMI_LEVERS]; /* what was borrowed, in the driver's steps */
    jmi_limit_texts texts[JMI_LEVERS];
} jmi_limits_gpu;

enum jmi_lender_kind { JMI_LENDER_NONE, JMI_LENDER_GUARD, JMI_LENDER_DAEMON };

struct jm_limits {
    jmi_sensor_set *set;
    int32_t owner; /* a forked child has no loans */
    jmi_limits_gpu *gpus;
    uint32_t count;
    char *state;        /* of simulated boards, or NULL */
    char **environment; /* for children; NULL: real boards, or those of the surroundings */
    char **settings;    /* for the guard; NULL likewise */
    char socket[108];
    int32_t pid; /* whose end ends the loans */
    int pidfd;
    bool hold;
    int lender; /* connection, or -1 */
    enum jmi_lender_kind kind;
    bool lent; /* it has lent something */
    jmi_text notes;
    char finding[3][600];

    /* A thread waits for the lender to end (lookout.c); who is inside the library has the lock. */
    pthread_mutex_t lock; /* recursive */
    pthread_t lookout;
    bool watched;            /* the thread runs */
    bool leaving;            /* it is to end */
    bool lost;               /* the lender was killed, and there is no other yet */
    bool daemon_lent;        /* it was joulemeter-limitd: nobody else may give back what it set */
    int wake;                /* eventfd: the lender is another one, or the thread is to end */
    jmi_text warnings, told; /* to come, and handed out */
};

/* Asks the lender, and finds one first: a guard, or joulemeter-limitd where that may not. */
int jmi_borrow_ask(jm_limits *limits, const jmi_request *request, jmi_answer *answer,
                   jm_error *error);
/* Lets go of the lender: what it lent is given back. */
void jmi_borrow_leave(jm_limits *limits);
void jmi_borrow_note(jm_limits *limits, const char *format, ...) JMI_PRINTF(2, 3);
bool jmi_borrow_has_loans(const jm_limits *limits);
/* The lender is gone. `farewell`: it was asked to end, and has given back; else it was killed, and
 * what it lent is in force without it: limits->lost. */
void jmi_borrow_lost(jm_limits *limits, bool farewell);
/* Has another lender lend what the one that was lost had lent. */
int jmi_borrow_renew(jm_limits *limits, jm_error *error);

/* Sees to it that the lender's end is noticed, as far as a thread can be had for that. */
void jmi_lookout_start(jm_limits *limits);
/* The lender is another one now. */
void jmi_lookout_wake(const jm_limits *limits);
void jmi_lookout_stop(jm_limits *limits);
void jmi_lookout_warn(jm_limits *limits, const char *format, ...) JMI_PRINTF(2, 3);

#endif
