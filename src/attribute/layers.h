/* Which layer a kernel ran in: its call on the same device whose time the kernel's lies in. Layers
 * are timed on the device, as kernels are, so that it does not matter when either was launched. */
#ifndef JMI_ATTRIBUTE_LAYERS_H
#define JMI_ATTRIBUTE_LAYERS_H

#include "base/base.h"

typedef struct jmi_layer_call {
    const char *device; /* the recording's */
    uint32_t pid;
    int64_t begin_ns, end_ns;
    uint64_t range; /* index in the recording */
    uint32_t outer; /* the innermost one before it that is open at its beginning; or none */
} jmi_layer_call;

typedef struct jmi_layers {
    jmi_layer_call *list; /* by process, device and beginning, outer ones first */
    size_t count, capacity;
} jmi_layers;

/* False: out of memory. */
bool jmi_layers_read(jmi_layers *layers, const jm_recording *recording);
void jmi_layers_free(jmi_layers *layers);
/* The range of the innermost layer that a kernel ran in. False: it ran in none. */
bool jmi_layers_around(const jmi_layers *layers, const jm_range *kernel, uint64_t *range);

#endif
