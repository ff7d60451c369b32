/* Energies for processes that joined a session: they ask through the ring, a thread of the process
 * that measures answers. The thread starts with the first question. */
#ifndef JMI_QUESTIONS_H
#define JMI_QUESTIONS_H

#include "record/ring.h"

/* Asks and waits. JM_CLOSED: the session is over; JM_HUNG: no answer within ten seconds; JM_FULL:
 * too many ask at once; else what jm_range_energy said there. */
int jmi_ask(jmi_ring *ring, jm_range_id range, uint32_t device, const jm_energy_options *options,
            jm_energy *out);

typedef struct jmi_answerer jmi_answerer;
int jmi_answerer_new(jmi_answerer **answerer, jm_session *session, jmi_ring *ring);
/* Starts the thread if somebody has asked and it does not run yet. By one thread only. */
void jmi_answerer_wake(jmi_answerer *answerer);
/* Ends the thread. Nobody may wake it any more. */
void jmi_answerer_free(jmi_answerer *answerer);

#endif
