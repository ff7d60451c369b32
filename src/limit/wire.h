/* What a borrower and a lender say to each other over a Unix socket: a line for a request, a line
 * for its answer, ASCII, of 255 bytes at most (docs/limits.md). Values are the driver's steps.
 *
 *     hello 1                         ok 1
 *     set KEY LEVER VALUE             ok APPLIED BASE
 *     keep KEY LEVER VALUE            ok VALUE OTHERS      how many loans of others come before
 *     restore KEY LEVER               ok VALUE             what is in force now
 *     mend KEY LEVER                  ok VALUE
 *     reset KEY LEVER [default] [force]   ok VALUE OTHERS
 *     bounds KEY LEVER                ok LEAST MOST KEEP   what may be set; KEEP 1: for good, too
 *     watch PID                       ok                   loans end with that process
 *     bye                             ok                   all loans are given back
 *
 * An answer may be `error JM_NAME SENTENCE` instead. `error JM_CLOSED` comes unasked, before the
 * lender ends because it was asked to: what it lent was given back. */
#ifndef JMI_LIMIT_WIRE_H
#define JMI_LIMIT_WIRE_H

#include "limit/limit.h"

enum { JMI_WIRE_LINE = 256, JMI_WIRE_VERSION = 1, JMI_WIRE_VALUES = 3 };

typedef enum jmi_verb {
    JMI_VERB_HELLO,
    JMI_VERB_SET,
    JMI_VERB_KEEP,
    JMI_VERB_RESTORE,
    JMI_VERB_MEND,
    JMI_VERB_RESET,
    JMI_VERB_BOUNDS,
    JMI_VERB_WATCH,
    JMI_VERB_BYE
} jmi_verb;

typedef struct jmi_request {
    jmi_verb verb;
    char key[64]; /* of the GPU */
    jm_lever lever;
    uint32_t value; /* also the version of hello, and the process of watch */
    uint32_t flags; /* JM_LIMIT_DEFAULT, JM_LIMIT_FORCE */
} jmi_request;

/* `line` without its end. JM_FORMAT: it is no request. */
int jmi_request_parse(jmi_request *request, const char *line);
/* With its end; false: it does not fit. */
bool jmi_request_format(const jmi_request *request, char line[JMI_WIRE_LINE]);

typedef struct jmi_answer {
    int status;
    uint32_t value[JMI_WIRE_VALUES];
    uint32_t count;
    char message[JMI_WIRE_LINE]; /* of an error */
} jmi_answer;

int jmi_answer_parse(jmi_answer *answer, const char *line);
void jmi_answer_format(const jmi_answer *answer, char line[JMI_WIRE_LINE]);

#endif
