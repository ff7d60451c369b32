#include "report/perfetto_tracks.h"

#include <stdlib.h>

enum {
    MOST_LANES = 64,        /* beside each other; what overlaps more is drawn over the last */
    FIRST_BESIDE = 10000000 /* threads and streams have smaller numbers */
};

typedef struct item {
    uint32_t device, pid, thread;
    uint32_t index; /* of the range */
    int64_t begin_ns, end_ns;
} item;

static int compare(const void *left, const void *right) {
    const item *a = left, *b = right;
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1; /* outer ones first */
    return (a->index > b->index) - (a->index < b->index);
}

static bool same_thread(const item *a, const item *b) {
    return a->device == b->device && a->pid == b->pid && a->thread == b->thread;
}

/* What is open on a lane, outermost first. */
typedef struct lane {
    int64_t *ends;
    size_t depth, capacity;
    uint32_t track;
} lane;

typedef struct layout {
    jmi_trace_tracks *tracks;
    lane lanes[MOST_LANES];
    size_t lane_count; /* of the thread at hand */
} layout;

static bool fits(lane *l, const item *it) {
    while (l->depth > 0 && l->ends[l->depth - 1] <= it->begin_ns) l->depth--;
    return l->depth == 0 || l->ends[l->depth - 1] >= it->end_ns;
}

/* NULL: out of memory. */
static lane *new_lane(layout *all, const item *it) {
    jmi_trace_tracks *tracks = all->tracks;
    if (!jmi_reserve(&tracks->list, &tracks->capacity, tracks->count + 1, sizeof *tracks->list))
        return NULL;
    lane *l = &all->lanes[all->lane_count];
    l->depth = 0;
    l->track = (uint32_t)tracks->count;
    tracks->list[tracks->count] = (jmi_trace_track){
        .device = it->device,
        .pid = it->pid,
        .thread = it->thread,
        .lane = (uint32_t)all->lane_count,
        .number = all->lane_count == 0 ? it->thread : FIRST_BESIDE + (uint32_t)tracks->count};
    tracks->count++;
    all->lane_count++;
    return l;
}

static bool place(layout *all, const item *it) {
    size_t i = 0;
    while (i < all->lane_count && !fits(&all->lanes[i], it)) i++;
    if (i == MOST_LANES) i--;
    lane *l = i < all->lane_count ? &all->lanes[i] : new_lane(all, it);
    if (l == NULL || !jmi_reserve(&l->ends, &l->capacity, l->depth + 1, sizeof *l->ends))
        return false;
    l->ends[l->depth++] = it->end_ns;
    all->tracks->of_range[it->index] = l->track;
    return true;
}

static bool lay_out(jmi_trace_tracks *tracks, const item *items, size_t count) {
    layout *all = jmi_alloc(1, sizeof *all);
    if (all == NULL) return false;
    bool done = true;
    all->tracks = tracks;
    for (size_t i = 0; done && i < count; i++) {
        if (i > 0 && !same_thread(&items[i - 1], &items[i])) all->lane_count = 0;
        done = place(all, &items[i]);
    }
    for (size_t i = 0; i < MOST_LANES; i++) free(all->lanes[i].ends);
    free(all);
    return done;
}

static int read_items(const jm_recording *recording, jmi_trace_device device_of, const void *user,
                      item *items, size_t count, jm_error *error) {
    for (size_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        int status = jm_recording_range(recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        uint32_t device = device_of(user, &range);
        bool on_host = device == UINT32_MAX;
        items[i] = (item){.device = device,
                          .pid = on_host ? range.pid : 0,
                          .thread = on_host ? range.thread : range.stream,
                          .index = (uint32_t)i,
                          .begin_ns = range.begin_ns,
                          .end_ns = range.end_ns};
    }
    qsort(items, count, sizeof *items, compare);
    return JM_OK;
}

int jmi_trace_tracks_make(jmi_trace_tracks *tracks, const jm_recording *recording,
                          jmi_trace_device device_of, const void *user, jm_error *error) {
    uint64_t count = jm_recording_range_count(recording);
    *tracks = (jmi_trace_tracks){.range_count = count};
    if (count > UINT32_MAX) return jmi_fail(error, JM_FULL, "a trace cannot hold so many ranges");
    item *items = jmi_alloc((size_t)count, sizeof *items);
    tracks->of_range = jmi_alloc((size_t)count, sizeof *tracks->of_range);
    bool made = items != NULL && tracks->of_range != NULL;
    int status =
        made ? read_items(recording, device_of, user, items, (size_t)count, error) : JM_MEMORY;
    if (status == JM_OK) made = lay_out(tracks, items, (size_t)count);
    free(items);
    return made ? status : jmi_fail(error, JM_MEMORY, "out of memory for a trace's tracks");
}

void jmi_trace_tracks_free(jmi_trace_tracks *tracks) {
    free(tracks->list);
    free(tracks->of_range);
    *tracks = (jmi_trace_tracks){.count = 0};
}
