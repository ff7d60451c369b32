#include "attribute/layers.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t NONE = UINT32_MAX;

/* Whose layers they are: process, then device. */
static int by_line(const jmi_layer_call *a, const jmi_layer_call *b) {
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    return strcmp(a->device, b->device);
}

static int by_begin(const void *left, const void *right) {
    const jmi_layer_call *a = left, *b = right;
    int line = by_line(a, b);
    if (line != 0) return line;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1;
    return (a->range > b->range) - (a->range < b->range);
}

/* Links each layer with the innermost one before it that is still open when it begins. */
static void link_outer(jmi_layers *layers) {
    uint32_t open = NONE;
    for (uint32_t i = 0; i < layers->count; i++) {
        jmi_layer_call *l = &layers->list[i];
        if (i > 0 && by_line(l, l - 1) != 0) open = NONE;
        while (open != NONE && layers->list[open].end_ns <= l->begin_ns)
            open = layers->list[open].outer;
        l->outer = open;
        open = i;
    }
}

void jmi_layers_free(jmi_layers *layers) {
    free(layers->list);
    *layers = (jmi_layers){.count = 0};
}

bool jmi_layers_read(jmi_layers *layers, const jm_recording *recording) {
    uint64_t count = jm_recording_range_count(recording);
    *layers = (jmi_layers){.count = 0};
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) != JM_OK ||
            range.category != JM_CATEGORY_LAYER || range.device[0] == '\0')
            continue;
        if (layers->count >= NONE ||
            !jmi_reserve(&layers->list, &layers->capacity, layers->count + 1, sizeof *layers->list))
            return false;
        layers->list[layers->count++] =
            (jmi_layer_call){range.device, range.pid, range.begin_ns, range.end_ns, i, NONE};
    }
    qsort(layers->list, layers->count, sizeof *layers->list, by_begin);
    link_outer(layers);
    return true;
}

bool jmi_layers_around(const jmi_layers *layers, const jm_range *kernel, uint64_t *range) {
    /* Its middle: edges of layers are microseconds less exact than those of kernels. */
    int64_t middle = kernel->begin_ns + (kernel->end_ns - kernel->begin_ns) / 2;
    jmi_layer_call sought = {kernel->device, kernel->pid, middle, INT64_MIN, UINT64_MAX, NONE};
    size_t low = 0, high = layers->count;
    while (low < high) {
        size_t between = low + (high - low) / 2;
        if (by_begin(&layers->list[between], &sought) <= 0)
            low = between + 1;
        else
            high = between;
    }
    if (low == 0 || by_line(&layers->list[low - 1], &sought) != 0) return false;
    uint32_t at = (uint32_t)low - 1;
    while (at != NONE && layers->list[at].end_ns <= middle) at = layers->list[at].outer;
    if (at == NONE) return false;
    *range = layers->list[at].range;
    return true;
}
