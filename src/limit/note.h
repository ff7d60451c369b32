/* The note of a GPU's loans on one lever: what the limit was before the first of them, who has one
 * now, and what was last set. It lies in a file, so that whoever comes next can mend what a guard
 * that was killed has left. Values are the driver's: milliwatts or megahertz. */
#ifndef JMI_LIMIT_NOTE_H
#define JMI_LIMIT_NOTE_H

#include "base/base.h"

enum { JMI_NOTE_LOANS = 64, JMI_NOTE_BYTES = 16384 };

typedef struct jmi_loan {
    uint32_t id;    /* 1 ... 1000000; its guard holds a lock on this byte of the lock file */
    uint32_t value; /* what it asked for */
    int32_t pid;    /* of the borrower */
    uint32_t uid;
    char name[32]; /* of its program; printable */
} jmi_loan;

typedef struct jmi_note {
    char boot[40];     /* in which boot of the machine it was written */
    bool has_base;     /* false: there is no note */
    uint32_t base;     /* before the first loan; of clocks 0: not locked */
    uint32_t applied;  /* what was last set, as it was read back */
    uint32_t applying; /* what was about to be set when the note was written; 0: nothing */
    uint32_t loan_count;
    jmi_loan loans[JMI_NOTE_LOANS]; /* the last one is in force */
} jmi_note;

/* A pure function of the text. JM_FORMAT: it is no note. */
int jmi_note_parse(jmi_note *note, const char *text, size_t length);
void jmi_note_format(const jmi_note *note, jmi_text *text);

/* Puts a loan on top; one with the same id that was there before is gone. False: there are too
 * many. */
bool jmi_note_push(jmi_note *note, const jmi_loan *loan);
/* Forgets a loan; false: there is none with this id. */
bool jmi_note_remove(jmi_note *note, uint32_t id);
/* The loan with an id, or NULL. */
const jmi_loan *jmi_note_find(const jmi_note *note, uint32_t id);
/* An id that no loan has; 0: there is none left. */
uint32_t jmi_note_free_id(const jmi_note *note);
/* The next such number after `id`. */
uint32_t jmi_note_next_id(const jmi_note *note, uint32_t id);
/* What ought to be in force: the last loan's value, or the base. */
uint32_t jmi_note_wanted(const jmi_note *note);

/* The name of a program as a note, a log and a line can hold it. */
void jmi_loan_name(char kept[32], const char *name);

#endif
