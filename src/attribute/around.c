#include "attribute/around.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t NONE = UINT32_MAX;

static int by_line(const jmi_around_range *a, const jmi_around_range *b) {
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    return strcmp(a->device, b->device);
}

static int by_begin(const void *left, const void *right) {
    const jmi_around_range *a = left, *b = right;
    int line = by_line(a, b);
    if (line != 0) return line;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1;
    return (a->range > b->range) - (a->range < b->range);
}

/* ---- reading ---- */

static bool is_layer(const jm_range *range) {
    return range->category == JM_CATEGORY_LAYER && range->device[0] != '\0';
}

static bool is_host(const jm_range *range) {
    return range->category != JM_CATEGORY_SESSION && range->category != JM_CATEGORY_KERNEL &&
           range->device[0] == '\0';
}

/* One interface alone says what its ranges lie in, and there can be millions of them. */
static bool has_both(const jm_recording *recording) {
    uint64_t count = jm_recording_range_count(recording);
    bool nvtx = false, own = false;
    for (uint64_t i = 0; i < count && !(nvtx && own); i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) != JM_OK || !is_host(&range)) continue;
        *(range.category == JM_CATEGORY_NVTX ? &nvtx : &own) = true;
    }
    return nvtx && own;
}

static bool add(jmi_around *around, const jm_range *range, uint64_t index) {
    if (around->count >= NONE ||
        !jmi_reserve(&around->list, &around->capacity, around->count + 1, sizeof *around->list))
        return false;
    around->list[around->count++] =
        (jmi_around_range){.device = range->device,
                           .pid = range->pid,
                           .thread = range->device[0] == '\0' ? range->thread : 0,
                           .begin_ns = range->begin_ns,
                           .end_ns = range->end_ns,
                           .range = index,
                           .outer = NONE};
    return true;
}

/* Links each with the innermost one before it that is still open when it begins. */
static void link_outer(jmi_around *around) {
    uint32_t open = NONE;
    for (uint32_t i = 0; i < around->count; i++) {
        jmi_around_range *r = &around->list[i];
        if (i > 0 && by_line(r, r - 1) != 0) open = NONE;
        while (open != NONE && around->list[open].end_ns <= r->begin_ns)
            open = around->list[open].outer;
        r->outer = open;
        open = i;
    }
}

void jmi_around_free(jmi_around *around) {
    free(around->list);
    *around = (jmi_around){.count = 0};
}

bool jmi_around_read(jmi_around *around, const jm_recording *recording) {
    uint64_t count = jm_recording_range_count(recording);
    bool both = has_both(recording);
    *around = (jmi_around){.count = 0};
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) == JM_OK &&
            (is_layer(&range) || (both && is_host(&range))) && !add(around, &range, i))
            return false;
    }
    if (around->count > 0) qsort(around->list, around->count, sizeof *around->list, by_begin);
    link_outer(around);
    return true;
}

/* ---- finding ---- */

/* The last one that comes no later, or none. */
static uint32_t last_before(const jmi_around *around, const jmi_around_range *sought) {
    size_t low = 0, high = around->count;
    while (low < high) {
        size_t between = low + (high - low) / 2;
        if (by_begin(&around->list[between], sought) <= 0)
            low = between + 1;
        else
            high = between;
    }
    return low > 0 && by_line(&around->list[low - 1], sought) == 0 ? (uint32_t)low - 1 : NONE;
}

/* By its middle: edges of layers are microseconds less exact than those of kernels. */
static uint32_t around_kernel(const jmi_around *around, const jm_range *kernel) {
    int64_t middle = kernel->begin_ns + (kernel->end_ns - kernel->begin_ns) / 2;
    jmi_around_range sought = {.device = kernel->device,
                               .pid = kernel->pid,
                               .begin_ns = middle,
                               .end_ns = INT64_MIN,
                               .range = UINT64_MAX};
    if (kernel->device[0] == '\0') return NONE;
    uint32_t at = last_before(around, &sought);
    while (at != NONE && around->list[at].end_ns <= middle) at = around->list[at].outer;
    return at;
}

/* Ranges that overlap in part lie beside each other. */
static uint32_t around_host(const jmi_around *around, const jm_range *range, uint64_t index) {
    jmi_around_range sought = {.device = range->device,
                               .pid = range->pid,
                               .thread = range->thread,
                               .begin_ns = range->begin_ns,
                               .end_ns = range->end_ns,
                               .range = index};
    uint32_t at = last_before(around, &sought);
    if (at == NONE || around->list[at].range != index) return NONE;
    for (at = around->list[at].outer; at != NONE; at = around->list[at].outer)
        if (around->list[at].end_ns >= range->end_ns) return at;
    return NONE;
}

bool jmi_around_find(const jmi_around *around, const jm_range *range, uint64_t index,
                     uint64_t *outer) {
    uint32_t at = NONE;
    if (range->category == JM_CATEGORY_KERNEL)
        at = around_kernel(around, range);
    else if (is_host(range))
        at = around_host(around, range, index);
    if (at == NONE) return false;
    *outer = around->list[at].range;
    return true;
}
