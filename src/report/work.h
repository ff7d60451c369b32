/* A program's work as its ranges tell it: phases, epochs in them, batches in those. */
#ifndef JMI_REPORT_WORK_H
#define JMI_REPORT_WORK_H

#include "base/base.h"

typedef struct jmi_unit {
    uint64_t index; /* of its range */
    jm_range_id parent;
    int64_t begin_ns, end_ns;
    const char *name;
    const char *attributes;
    uint32_t pid, thread;
    uint32_t epoch, phase; /* what encloses it: place in the list + 1; 0: nothing does */
    uint32_t place; /* from 0: of a batch in its epoch (or in its process, if it is in none), of an
                       epoch in its process */
} jmi_unit;

typedef struct jmi_units {
    jmi_unit *list;
    size_t count, capacity;
} jmi_units;

typedef struct jmi_work {
    const jm_recording *recording;
    jmi_units phases, epochs; /* in the order of their ranges */
    jmi_units warmups;        /* likewise */
    jmi_units batches;        /* by their beginning */
} jmi_work;

int jmi_work_read(jmi_work *work, const jm_recording *recording, jm_error *error);
void jmi_work_free(jmi_work *work);

/* An epoch's number: what it says of itself, else its place. */
int64_t jmi_epoch_number(const jmi_unit *epoch);
/* The name of the phase that encloses it; NULL: none. */
const char *jmi_phase_name(const jmi_work *work, const jmi_unit *unit);
/* Places in the list by beginning; to be freed. NULL: out of memory. */
uint32_t *jmi_units_order(const jmi_units *units);

#endif
