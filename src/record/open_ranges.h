/* Two small hashes of the collector: ranges that are open, and ends that came before their
 * beginnings (from another lane). */
#ifndef JMI_OPEN_RANGES_H
#define JMI_OPEN_RANGES_H

#include "base/base.h"

typedef struct jmi_open {
    uint64_t id; /* 0: empty */
    uint64_t index;
} jmi_open;

typedef struct jmi_open_set {
    jmi_open *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t used;
} jmi_open_set;

bool jmi_open_add(jmi_open_set *set, uint64_t id, uint64_t index);
bool jmi_open_find(const jmi_open_set *set, uint64_t id, uint64_t *index);
void jmi_open_remove(jmi_open_set *set, uint64_t id);
void jmi_open_free(jmi_open_set *set);

typedef struct jmi_pending_end {
    uint64_t id;
    int64_t t_ns;
    uint32_t pid;
    char *attributes; /* NULL: none */
} jmi_pending_end;

/* Bounded: what a program may have in flight is little, what nonsense may claim is not. */
typedef struct jmi_pending {
    jmi_open_set by_id; /* id -> place in ends */
    jmi_pending_end *ends;
    size_t count, capacity;
} jmi_pending;

void jmi_pending_add(jmi_pending *pending, uint64_t id, int64_t t_ns, uint32_t pid,
                     const char *attributes, size_t length);
/* Takes one out; its attributes are then the caller's to free. */
bool jmi_pending_take(jmi_pending *pending, uint64_t id, jmi_pending_end *end);
void jmi_pending_free(jmi_pending *pending);

#endif
