/* What a range lies in, by times, where it does not say so itself: a kernel in the layer that it
 * ran in, and what NVTX and a program's own interface say of one thread in each other. */
#ifndef JMI_ATTRIBUTE_AROUND_H
#define JMI_ATTRIBUTE_AROUND_H

#include "base/base.h"

typedef struct jmi_around_range {
    const char *device;   /* the recording's; "": the host */
    uint32_t pid, thread; /* thread: 0 on a device, where it does not matter who launched a layer */
    int64_t begin_ns, end_ns;
    uint64_t range; /* index in the recording */
    uint32_t outer; /* the innermost one before it that is open at its beginning; or none */
} jmi_around_range;

typedef struct jmi_around {
    jmi_around_range *list; /* by device or thread, there by beginning, outer ones first */
    size_t count, capacity;
} jmi_around;

/* False: out of memory. */
bool jmi_around_read(jmi_around *around, const jm_recording *recording);
void jmi_around_free(jmi_around *around);
/* The innermost range around this one, whose index is `index`. False: there is none, or the range
 * says by itself what it lies in. */
bool jmi_around_find(const jmi_around *around, const jm_range *range, uint64_t index,
                     uint64_t *outer);

#endif
