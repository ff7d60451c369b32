#ifndef JMI_REPORT_NOTES_H
#define JMI_REPORT_NOTES_H

#include "report/format.h"
#include "report/summary.h"

typedef struct jmi_note {
    bool heed;    /* it limits what the figures are good for */
    double share; /* of the total energy that it is about */
    const char *text;
} jmi_note;

typedef struct jmi_notes {
    const jmi_summary *summary;
    jmi_style style; /* of the numbers in them */
    void (*take)(void *user, const jmi_note *note);
    void *user;
} jmi_notes;

/* Hands over one sentence after the other: warnings of the recording, then what follows from the
 * figures. */
void jmi_notes_tell(const jmi_notes *p);

#endif
