/* Lends limits: answers requests, remembers whose loans are open, and gives back what was before.
 * What cannot be given back at once (a GPU that is lost, a driver that is being restarted) is a
 * debt, tried again and again. */
#ifndef JMI_LIMIT_LENDER_H
#define JMI_LIMIT_LENDER_H

#include "limit/rules.h"
#include "limit/wire.h"

typedef struct jmi_lent {
    char key[64];
    jm_lever lever;
    uint32_t id;
    int hold;             /* keeps the loan alive in the ledger */
    uint32_t value, base; /* for the case that the note is gone */
} jmi_lent;

typedef struct jmi_borrower {
    int32_t pid; /* 0: not known */
    uint32_t uid;
    char name[32];
    jmi_lent *loans;
    size_t loan_count, loan_capacity;
} jmi_borrower;

typedef struct jmi_debt {
    jmi_lent lent;
    int64_t since_ns, next_ns, pause_ns;
} jmi_debt;

typedef struct jmi_lender {
    char folder[4096]; /* of notes */
    jmi_sensor_set *set;
    const jmi_rules *rules; /* NULL: everything is allowed */
    void (*log)(const char *line, void *user);
    void *user;
    jmi_debt *debts;
    size_t debt_count, debt_capacity;
    bool closed; /* a rule fits no GPU: where it was meant for is not known */
    bool hung;   /* the driver does not answer: this process can do no more */
} jmi_lender;

/* Fills in where notes lie. `rules` and `log` may be NULL. */
int jmi_lender_open(jmi_lender *lender, const jmi_rules *rules,
                    void (*log)(const char *line, void *user), void *user, jm_error *error);
void jmi_lender_close(jmi_lender *lender);

/* What it has of the GPU and lever that a request names, or NULL. */
jmi_lent *jmi_borrower_loan(jmi_borrower *borrower, const jmi_request *request);

void jmi_lender_answer(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                       jmi_answer *answer);
/* Gives everything back that a borrower has, and frees what belongs to it. */
int jmi_lender_end(jmi_lender *lender, jmi_borrower *borrower, jm_error *error);
/* Mends all GPUs of which there are notes with loans whose guards are gone. True: there are loans
 * of others, whose guards are not. */
bool jmi_lender_mend(jmi_lender *lender);
/* Looks at the GPUs, and says what of its rules fits none of them. */
void jmi_lender_look(jmi_lender *lender);
/* Tries the debts whose time has come; those older than `patience_ns` are given up. Returns when
 * the next is due, INT64_MAX if there is none. */
int64_t jmi_lender_pay(jmi_lender *lender, int64_t patience_ns);

#endif
