#include "figure/own_time.h"

#include "figure/energy_bars.h"

#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A range, later a piece of its time. */
typedef struct piece {
    const char *name;
    uint32_t device;
    uint32_t pid, thread, stream;
    int64_t begin_ns, end_ns;
    bool first; /* of its range */
} piece;

typedef struct pieces {
    piece *list;
    size_t count, capacity;
} pieces;

static bool add_piece(pieces *all, const piece *p) {
    if (!jmi_reserve(&all->list, &all->capacity, all->count + 1, sizeof *all->list)) return false;
    all->list[all->count++] = *p;
    return true;
}

static int read_ranges(pieces *all, const jm_recording *recording, jm_category category,
                       jm_error *error) {
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        int status = jm_recording_range(recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        if (range.category != category || range.end_ns <= range.begin_ns) continue;
        piece p = {.name = range.name,
                   .device = UINT32_MAX,
                   .pid = range.pid,
                   .thread = range.thread,
                   .stream = range.stream,
                   .begin_ns = range.begin_ns,
                   .end_ns = range.end_ns,
                   .first = true};
        if (range.device != NULL && range.device[0] != '\0')
            p.device = jmi_device_named(recording, range.device);
        if (!add_piece(all, &p)) return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    }
    return JM_OK;
}

/* ---- own time ---- */

static int by_thread(const void *left, const void *right) {
    const piece *a = left, *b = right;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    if (a->stream != b->stream) return a->stream < b->stream ? -1 : 1;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    return (a->end_ns < b->end_ns) - (a->end_ns > b->end_ns); /* the outer one first */
}

static bool same_thread(const piece *a, const piece *b) {
    return a->pid == b->pid && a->thread == b->thread && a->device == b->device &&
           a->stream == b->stream;
}

/* The ranges that are open at a time, outermost first, and up to when their time is given away. */
typedef struct open_ranges {
    piece *list;
    size_t count, capacity;
    int64_t done_ns;
} open_ranges;

/* Gives the time up to `until` to the innermost range, and closes those that end before it. */
static bool give_until(open_ranges *open, pieces *own, int64_t until) {
    while (open->count > 0) {
        piece *inner = &open->list[open->count - 1];
        int64_t end = inner->end_ns < until ? inner->end_ns : until;
        if (end > open->done_ns) {
            piece part = *inner;
            part.begin_ns = open->done_ns;
            part.end_ns = end;
            if (!add_piece(own, &part)) return false;
            inner->first = false;
            open->done_ns = end;
        }
        if (inner->end_ns > until) break;
        open->count--;
    }
    return true;
}

static bool push_open(open_ranges *open, const piece *p) {
    if (!jmi_reserve(&open->list, &open->capacity, open->count + 1, sizeof *open->list))
        return false;
    open->list[open->count++] = *p;
    open->done_ns = p->begin_ns;
    return true;
}

/* Cuts ranges into the pieces of time in which each was the innermost one of its thread. */
static bool take_own_time(pieces *all) {
    pieces own = {.count = 0};
    open_ranges open = {.done_ns = INT64_MIN};
    bool good = true;
    if (all->count > 1) qsort(all->list, all->count, sizeof *all->list, by_thread);
    for (size_t i = 0; good && i < all->count; i++) {
        bool another = i > 0 && !same_thread(&all->list[i - 1], &all->list[i]);
        good = give_until(&open, &own, another ? INT64_MAX : all->list[i].begin_ns) &&
               push_open(&open, &all->list[i]);
    }
    good = good && give_until(&open, &own, INT64_MAX);
    free(open.list);
    free(all->list);
    *all = own;
    return good;
}

/* ---- by name ---- */

static int by_name(const void *left, const void *right) {
    const piece *a = left, *b = right;
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    int order = a->name == b->name ? 0 : strcmp(a->name, b->name);
    return order != 0 ? order : (a->begin_ns > b->begin_ns) - (a->begin_ns < b->begin_ns);
}

/* Windows of each part, joined where calls overlap. */
typedef struct windows {
    jm_window *list;
    uint32_t *part_of;
    size_t count;
} windows;

static bool open_windows(windows *w, size_t count) {
    w->list = jmi_alloc(count + 1, sizeof *w->list);
    w->part_of = jmi_alloc(count + 1, sizeof *w->part_of);
    return w->list != NULL && w->part_of != NULL;
}

static void add_window(windows *w, const piece *p, uint32_t part) {
    jm_window *last = w->count > 0 ? &w->list[w->count - 1] : NULL;
    if (last != NULL && w->part_of[w->count - 1] == part && p->begin_ns <= last->end_ns) {
        if (p->end_ns > last->end_ns) last->end_ns = p->end_ns;
        return;
    }
    w->list[w->count] = (jm_window){p->begin_ns, p->end_ns};
    w->part_of[w->count++] = part;
}

static bool make_parts(jmi_parts *parts, pieces *all, windows *w) {
    size_t capacity = 0;
    if (all->count > 1) qsort(all->list, all->count, sizeof *all->list, by_name);
    for (size_t i = 0; i < all->count; i++) {
        const piece *p = &all->list[i];
        bool another = i == 0 || p[-1].device != p->device || strcmp(p[-1].name, p->name) != 0;
        if (another) {
            if (!jmi_reserve(&parts->list, &capacity, parts->count + 1, sizeof *parts->list))
                return false;
            parts->list[parts->count++] = (jmi_part){.name = p->name, .device = p->device};
        }
        parts->list[parts->count - 1].calls += p->first;
        add_window(w, p, (uint32_t)parts->count - 1);
    }
    for (size_t i = 0; i < w->count; i++)
        parts->list[w->part_of[i]].time_s +=
            (double)(w->list[i].end_ns - w->list[i].begin_ns) * 1e-9;
    return true;
}

/* ---- energies ---- */

/* Parts of one device lie together: their energies come from one pass. */
static int measure_device(const jm_figures *f, jmi_parts *parts, const windows *w, size_t *at,
                          jm_energy *energies, jm_error *error) {
    size_t first = *at, end = *at;
    uint32_t device = parts->list[w->part_of[first]].device;
    uint32_t from = w->part_of[first];
    while (end < w->count && parts->list[w->part_of[end]].device == device) {
        w->part_of[end] -= from;
        end++;
    }
    size_t groups = w->part_of[end - 1] + 1u;
    jm_error why;
    int status =
        jm_energy_groups(f->recording, device == UINT32_MAX ? f->device : device, w->list + first,
                         w->part_of + first, end - first, &f->energy, energies, groups, &why);
    for (size_t g = 0; status == JM_OK && g < groups; g++)
        parts->list[from + g].energy = energies[g];
    *at = end;
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "%s", why.message);
}

static int by_energy(const void *left, const void *right) {
    const jmi_part *a = left, *b = right;
    bool a_bound = !jmi_energy_estimated(&a->energy), b_bound = !jmi_energy_estimated(&b->energy);
    if (a_bound != b_bound) return a_bound ? 1 : -1;
    if (!a_bound && a->energy.energy_j != b->energy.energy_j)
        return a->energy.energy_j > b->energy.energy_j ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int measure(const jm_figures *f, jmi_parts *parts, const windows *w, jm_error *error) {
    jm_energy *energies = jmi_alloc(parts->count, sizeof *energies);
    int status =
        energies == NULL ? jmi_fail(error, JM_MEMORY, "out of memory for energies") : JM_OK;
    for (size_t at = 0; status == JM_OK && at < w->count;)
        status = measure_device(f, parts, w, &at, energies, error);
    free(energies);
    if (status != JM_OK) return status;
    qsort(parts->list, parts->count, sizeof *parts->list, by_energy);
    for (size_t i = 0; i < parts->count; i++)
        if (jmi_energy_shown(&parts->list[i].energy)) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "no energy was measured");
}

int jmi_parts_make(jmi_parts *parts, const jm_figures *f, jm_category category, bool nested,
                   jm_error *error) {
    pieces all = {.count = 0};
    windows w = {.count = 0};
    *parts = (jmi_parts){.count = 0};
    int status = read_ranges(&all, f->recording, category, error);
    if (status == JM_OK && all.count == 0)
        status = jmi_fail(error, JM_NO_DATA, "there is no range of category %s",
                          jm_category_name((int)category));
    if (status == JM_OK && ((nested && !take_own_time(&all)) || !open_windows(&w, all.count) ||
                            !make_parts(parts, &all, &w)))
        status = jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    if (status == JM_OK) status = measure(f, parts, &w, error);
    free(all.list);
    free(w.list);
    free(w.part_of);
    if (status != JM_OK) jmi_parts_free(parts);
    return status;
}

void jmi_parts_free(jmi_parts *parts) {
    free(parts->list);
    *parts = (jmi_parts){.count = 0};
}
