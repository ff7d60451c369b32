/* Energies for processes that joined a session: they ask through the ring, a thread of the process
 * that measures answers. The thread starts with the first question. */
#ifndef JMI_QUESTIONS_H
#define JMI_QUESTIONS_H

#include "record/ring.h"

/* Asks and waits. JM_CLOSED: the session is over; JM_HUNG: no answer within ten seconds; JM_FULL:
 * too many ask at once; else what jm_range_energy said there. */
int jmi_ask(jmi_ring *ring, jm_range_id range, uint32_t device, const jm_energy_options *options,
            jm_energy *out);

/* Answers what is asked now; returns how many questions that were. */
size_t jmi_answer_all(jm_session *session, jmi_ring *ring);

typedef struct jmi_answerer jmi_answerer;
int jmi_answerer_new(jmi_answerer **answerer, jm_session *session, jmi_ring *ring);
/* The session is complete: from now on its thread may start. */
void jmi_answerer_allow(jmi_answerer *answerer);
/* Starts the thread if somebody has asked and it does not run yet. */
void jmi_answerer_wake(jmi_answerer *answerer);
/* Ends the thread, for good; who still waits for an answer gets JM_CLOSED. */
void jmi_answerer_stop(jmi_answerer *answerer);
void jmi_answerer_free(jmi_answerer *answerer);

#endif
