#ifndef JMI_REPORT_NOTES_H
#define JMI_REPORT_NOTES_H

#include "report/format.h"
#include "report/summary.h"

typedef struct jmi_notes {
    const jmi_summary *summary;
    jmi_style style; /* of the numbers in them */
    /* `heed`: it limits what the figures are good for. */
    void (*take)(void *user, bool heed, const char *text);
    void *user;
} jmi_notes;

/* Hands over one sentence after the other: warnings of the recording, then what follows from the
 * figures. */
void jmi_notes_tell(const jmi_notes *notes);

#endif
