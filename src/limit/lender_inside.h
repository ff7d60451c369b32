/* What the files of the lender share: GPUs, and what was lent (lender.c), for what is asked of it
 * (lender_answer.c). */
#ifndef JMI_LIMIT_LENDER_INSIDE_H
#define JMI_LIMIT_LENDER_INSIDE_H

#include "limit/lender.h"

void jmi_lender_say(const jmi_lender *lender, const char *format, ...) JMI_PRINTF(2, 3);

int jmi_lender_open_gpus(jmi_lender *lender, jm_error *error);
/* Both look at the GPUs anew the next time, where one was lost. */
int jmi_lender_open_ledger(jmi_lender *lender, jmi_ledger *ledger, const char *key, jm_lever lever,
                           jm_error *error);
int jmi_lender_settle(jmi_lender *lender, jmi_ledger *ledger, jm_error *error);
/* What is in force, as far as is known. */
uint32_t jmi_lender_now(const jmi_ledger *ledger);

void jmi_lent_drop(jmi_lent *lent);
/* Also for what is no loan, but was left undone (id 0). */
int jmi_lender_give_back(jmi_lender *lender, const jmi_lent *lent, uint32_t *now, jm_error *error);
/* To be given back as soon as may be. */
void jmi_lender_owe(jmi_lender *lender, jmi_lent *lent, const char *why);
/* Ends a loan; what cannot be given back becomes a debt. */
int jmi_lender_end_loan(jmi_lender *lender, jmi_lent *lent, uint32_t *now, jm_error *error);

#endif
