#include "attribute/calls.h"
#include "attribute/split.h"

#include <stdlib.h>
#include <string.h>

void jmi_calls_free(jmi_calls *calls) {
    free(calls->list);
    free(calls->pieces);
    free(calls->classes);
    jmi_intern_free(calls->names);
    *calls = (jmi_calls){.count = 0};
}

/* ---- names to numbers: texts of a recording are kept once, so that their addresses tell ---- */

typedef struct numbers {
    const void **key;
    uint32_t *number;
    size_t slots, used; /* slots: a power of two */
} numbers;

static void free_numbers(numbers *n) {
    free(n->key);
    free(n->number);
}

static size_t slot_of(const numbers *n, const void *key) {
    size_t slot = (size_t)(((uintptr_t)key >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
    for (slot &= n->slots - 1; n->key[slot] != NULL && n->key[slot] != key;)
        slot = (slot + 1) & (n->slots - 1);
    return slot;
}

static bool grow(numbers *n) {
    numbers more = {.slots = n->slots > 0 ? 2 * n->slots : 1024, .used = n->used};
    more.key = jmi_alloc(more.slots, sizeof *more.key);
    more.number = jmi_alloc(more.slots, sizeof *more.number);
    if (more.key == NULL || more.number == NULL) {
        free_numbers(&more);
        return false;
    }
    for (size_t i = 0; i < n->slots; i++) {
        if (n->key[i] == NULL) continue;
        size_t slot = slot_of(&more, n->key[i]);
        more.key[slot] = n->key[i];
        more.number[slot] = n->number[i];
    }
    free_numbers(n);
    *n = more;
    return true;
}

/* The number of a key, `fresh` if it has none yet. False: out of memory. */
static bool number_of(numbers *n, const void *key, uint32_t fresh, uint32_t *number) {
    if (2 * n->used >= n->slots && !grow(n)) return false;
    size_t slot = slot_of(n, key);
    if (n->key[slot] == NULL) {
        n->key[slot] = key;
        n->number[slot] = fresh;
        n->used++;
    }
    *number = n->number[slot];
    return true;
}

/* ---- ranges to calls ---- */

enum { BUCKETS = 4096 };

typedef struct reading {
    jmi_calls *calls;
    const jmi_call_filter *filter;
    numbers names;
    struct line {
        uint32_t pid, thread, stream;
        uint32_t next; /* of those of the same bucket, from 1 on; 0: none */
        const char *device;
    } * lines;
    size_t line_count, line_capacity;
    uint32_t bucket[BUCKETS];
    uint64_t of_category[32]; /* calls */
} reading;

static bool is_line(const struct line *l, const jm_range *range) {
    return l->thread == range->thread && l->pid == range->pid && l->stream == range->stream &&
           strcmp(l->device, range->device) == 0;
}

/* Threads and streams are a handful, but a server may have one for each request. */
static bool thread_of(reading *r, const jm_range *range, uint32_t *thread) {
    uint32_t mixed = (range->pid * 31 + range->thread) * 31 + range->stream;
    uint32_t *bucket = &r->bucket[mixed % BUCKETS];
    for (uint32_t i = r->lines != NULL ? *bucket : 0; i != 0; i = r->lines[i - 1].next) {
        *thread = i - 1;
        if (is_line(&r->lines[i - 1], range)) return true;
    }
    if (!jmi_reserve(&r->lines, &r->line_capacity, r->line_count + 1, sizeof *r->lines))
        return false;
    *thread = (uint32_t)r->line_count++;
    r->lines[*thread] =
        (struct line){range->pid, range->thread, range->stream, *bucket, range->device};
    *bucket = *thread + 1;
    return true;
}

/* Ranges come in no order of their beginnings, and there can be many windows. */
static bool is_told(const jmi_call_filter *f, int64_t t) {
    if (f->window_count == 0) return true;
    size_t low = 0, high = f->window_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        *(f->windows[middle].begin_ns <= t ? &low : &high) = middle;
    }
    return t >= f->windows[low].begin_ns && t < f->windows[low].end_ns;
}

static bool class_of(reading *r, const jm_range *range, uint32_t *cls) {
    jmi_calls *c = r->calls;
    const char *name = range->name;
    if (c->names != NULL) name = jmi_split_name(c->names, range, r->filter->split);
    if (name == NULL || !number_of(&r->names, name, (uint32_t)c->class_count, cls)) return false;
    if (*cls < c->class_count) return true;
    if (!jmi_reserve(&c->classes, &c->class_capacity, c->class_count + 1, sizeof *c->classes))
        return false;
    c->classes[c->class_count++] = (jmi_class){.name = name, .attributes = range->attributes};
    return true;
}

static bool is_wanted(const jmi_call_filter *f, const jm_range *range, const char *device) {
    if ((f->categories >> range->category & 1) == 0 || range->end_ns < range->begin_ns)
        return false;
    if (range->device[0] != '\0' && strcmp(range->device, device) != 0) return false;
    return f->prefix == NULL || strncmp(range->name, f->prefix, strlen(f->prefix)) == 0;
}

static bool add_call(reading *r, const jm_range *range, uint64_t index) {
    jmi_calls *c = r->calls;
    jmi_call call = {.begin_ns = range->begin_ns,
                     .end_ns = range->end_ns,
                     .range = index,
                     .parent = JMI_NO_CALL,
                     .told = is_told(r->filter, range->begin_ns)};
    if (c->count >= JMI_NO_CALL || !thread_of(r, range, &call.thread) ||
        !class_of(r, range, &call.cls) ||
        !jmi_reserve(&c->list, &c->capacity, c->count + 1, sizeof *c->list))
        return false;
    c->list[c->count++] = call;
    c->categories |= 1u << range->category;
    if (++r->of_category[range->category] > r->of_category[c->category])
        c->category = range->category;
    return true;
}

static int read_ranges(reading *r, const jm_recording *recording, jm_error *error) {
    jm_device device = {.size = sizeof device};
    int status = jm_recording_device(recording, r->filter->device, &device);
    if (status != JM_OK) return jmi_fail(error, status, "there is no such device");
    uint64_t count = jm_recording_range_count(recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        status = jm_recording_range(recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        if (is_wanted(r->filter, &range, device.name) && !add_call(r, &range, i))
            return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    }
    return JM_OK;
}

/* ---- own time ---- */

static int by_thread(const void *left, const void *right) {
    const jmi_call *a = left, *b = right;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1; /* the outer one first */
    return (a->range > b->range) - (a->range < b->range);
}

static void sort_calls(jmi_calls *c) {
    for (size_t i = 1; i < c->count; i++)
        if (by_thread(&c->list[i - 1], &c->list[i]) > 0) {
            qsort(c->list, c->count, sizeof *c->list, by_thread);
            return;
        }
}

/* Of thousands of calls that run at once each end makes as many pieces: no more than that. */
enum { MOST_PIECES = 20 * 1000 * 1000 };

static bool add_piece(jmi_calls *c, uint32_t call, int64_t begin, int64_t end) {
    if (c->piece_count >= MOST_PIECES) return false;
    if (!jmi_reserve(&c->pieces, &c->piece_capacity, c->piece_count + 1, sizeof *c->pieces))
        return false;
    c->pieces[c->piece_count++] = (jmi_piece){begin, end, call, 1};
    return true;
}

/* The calls that are open at a time, outermost first, and up to when their time is given away. */
typedef struct open_calls {
    uint32_t *list;
    size_t count, capacity;
    int64_t done_ns;
} open_calls;

/* Gives the time up to `until` to the innermost call, and closes those that end before it. */
static bool give_until(open_calls *open, jmi_calls *c, int64_t until) {
    while (open->count > 0) {
        uint32_t inner = open->list[open->count - 1];
        int64_t end = c->list[inner].end_ns < until ? c->list[inner].end_ns : until;
        if (end > open->done_ns) {
            if (!add_piece(c, inner, open->done_ns, end)) return false;
            open->done_ns = end;
        }
        if (c->list[inner].end_ns > until) break;
        open->count--;
    }
    return true;
}

/* The innermost open call that ends no earlier: those that overlap only partly are side by side. */
static uint32_t parent_of(const open_calls *open, const jmi_calls *c, uint32_t call) {
    for (size_t i = open->count; i-- > 0;)
        if (c->list[open->list[i]].end_ns >= c->list[call].end_ns) return open->list[i];
    return JMI_NO_CALL;
}

static bool push_open(open_calls *open, jmi_calls *c, uint32_t call) {
    if (!jmi_reserve(&open->list, &open->capacity, open->count + 1, sizeof *open->list))
        return false;
    c->list[call].parent = parent_of(open, c, call);
    c->nested |= c->list[call].parent != JMI_NO_CALL;
    open->list[open->count++] = call;
    open->done_ns = c->list[call].begin_ns;
    return true;
}

static bool take_own_time(jmi_calls *c) {
    open_calls open = {.done_ns = INT64_MIN};
    bool good = true;
    for (size_t i = 0; good && i < c->count; i++) {
        bool another = i > 0 && c->list[i - 1].thread != c->list[i].thread;
        good = give_until(&open, c, another ? INT64_MAX : c->list[i].begin_ns) &&
               push_open(&open, c, (uint32_t)i);
    }
    good = good && give_until(&open, c, INT64_MAX);
    free(open.list);
    return good;
}

/* ---- what runs at once ---- */

static int by_begin(const void *left, const void *right) {
    const jmi_piece *a = left, *b = right;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    return (a->call > b->call) - (a->call < b->call);
}

/* Puts pieces in order; true if some overlap. */
static bool order_pieces(jmi_calls *c) {
    bool sorted = true, overlap = false;
    for (size_t i = 1; sorted && i < c->piece_count; i++)
        sorted = c->pieces[i - 1].begin_ns <= c->pieces[i].begin_ns;
    if (!sorted) qsort(c->pieces, c->piece_count, sizeof *c->pieces, by_begin);
    int64_t end = INT64_MIN;
    for (size_t i = 0; !overlap && i < c->piece_count; i++) {
        overlap = c->pieces[i].begin_ns < end;
        if (c->pieces[i].end_ns > end) end = c->pieces[i].end_ns;
    }
    return overlap;
}

/* Pieces that run at a time. */
typedef struct active {
    jmi_piece *list;
    size_t count, capacity;
} active;

static int64_t first_end(const active *a, int64_t until) {
    for (size_t i = 0; i < a->count; i++)
        if (a->list[i].end_ns < until) until = a->list[i].end_ns;
    return until;
}

/* Shares the time from `from` on among those that run, up to `until`, and drops those that end. */
static bool share_until(active *a, jmi_calls *out, int64_t from, int64_t until) {
    while (a->count > 0 && from < until) {
        int64_t end = first_end(a, until);
        for (size_t i = 0; i < a->count; i++) {
            if (!add_piece(out, a->list[i].call, from, end)) return false;
            out->pieces[out->piece_count - 1].weight = 1 / (float)a->count;
        }
        size_t kept = 0;
        for (size_t i = 0; i < a->count; i++)
            if (a->list[i].end_ns > end) a->list[kept++] = a->list[i];
        a->count = kept;
        from = end;
    }
    return true;
}

static bool share_time(jmi_calls *c) {
    jmi_calls out = {.count = 0};
    active a = {.count = 0};
    bool good = true;
    int64_t at = INT64_MIN;
    for (size_t i = 0; good && i < c->piece_count; i++) {
        good = share_until(&a, &out, at, c->pieces[i].begin_ns) &&
               jmi_reserve(&a.list, &a.capacity, a.count + 1, sizeof *a.list);
        if (good) a.list[a.count++] = c->pieces[i];
        at = c->pieces[i].begin_ns;
    }
    good = good && share_until(&a, &out, at, INT64_MAX);
    free(a.list);
    free(c->pieces);
    c->pieces = out.pieces;
    c->piece_count = out.piece_count;
    c->piece_capacity = out.piece_capacity;
    return good;
}

/* ---- sums ---- */

static void sum_times(jmi_calls *c) {
    for (size_t i = 0; i < c->piece_count; i++) {
        const jmi_piece *p = &c->pieces[i];
        double length_s = (double)(p->end_ns - p->begin_ns) * 1e-9;
        c->list[p->call].own_s += length_s;
        c->list[p->call].share_s += length_s * (double)p->weight;
    }
    for (size_t i = 0; i < c->count; i++) {
        const jmi_call *call = &c->list[i];
        jmi_class *cls = &c->classes[call->cls];
        cls->all_s += call->share_s;
        if (!call->told) continue;
        cls->calls++;
        cls->own_s += call->own_s;
        cls->square_s2 += call->own_s * call->own_s;
        cls->share_s += call->share_s;
    }
}

int jmi_calls_read(jmi_calls *calls, const jm_recording *recording, const jmi_call_filter *filter,
                   jm_error *error) {
    reading r = {.calls = calls, .filter = filter};
    *calls = (jmi_calls){.count = 0};
    if (filter->split != 0 && (calls->names = jmi_intern_new()) == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    int status = read_ranges(&r, recording, error);
    free_numbers(&r.names);
    free(r.lines);
    if (status == JM_OK && calls->count == 0)
        status = jmi_fail(error, JM_NO_DATA, "there is no such range to attribute energy to");
    if (status == JM_OK) {
        sort_calls(calls);
        bool good = take_own_time(calls) && (!order_pieces(calls) || share_time(calls));
        if (good)
            sum_times(calls);
        else
            status = calls->piece_count >= MOST_PIECES
                         ? jmi_fail(error, JM_FULL,
                                    "too many ranges run at once: attribute fewer "
                                    "of them, by the beginning of their names")
                         : jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    }
    if (status != JM_OK) jmi_calls_free(calls);
    return status;
}
