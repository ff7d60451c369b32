/* The borrower's side: GPUs, and the lender that was found for them. */
#ifndef JMI_LIMIT_BORROW_H
#define JMI_LIMIT_BORROW_H

#include "limit/limit.h"
#include "limit/wire.h"

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
};

/* Asks the lender, and finds one first: a guard, or joulemeter-limitd where that may not. */
int jmi_borrow_ask(jm_limits *limits, const jmi_request *request, jmi_answer *answer,
                   jm_error *error);
/* Lets go of the lender: what it lent is given back. */
void jmi_borrow_leave(jm_limits *limits);
void jmi_borrow_note(jm_limits *limits, const char *format, ...) JMI_PRINTF(2, 3);

#endif
