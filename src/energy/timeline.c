#include "energy/activity.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 64 };

/* ---- classes: category and name without digits ---- */

typedef struct naming {
    char key[MOST_NAMES][48];
    double time[MOST_NAMES];
    uint32_t count;
    const char *last_name; /* names are kept once: the same pointer is the same name */
    int last_category;
    uint32_t last;
} naming;

static void key_of(const jm_range *range, char key[48]) {
    size_t used = 0;
    key[used++] = (char)('A' + (int)range->category);
    for (const char *c = range->name; c != NULL && *c != '\0' && used < 47; c++)
        if (*c < '0' || *c > '9') key[used++] = *c;
    key[used] = '\0';
}

static uint32_t find_name(naming *names, const jm_range *range) {
    char key[48];
    key_of(range, key);
    for (uint32_t i = 0; i < names->count; i++)
        if (strcmp(names->key[i], key) == 0) return i;
    if (names->count == MOST_NAMES) return MOST_NAMES - 1;
    memcpy(names->key[names->count], key, sizeof key);
    return names->count++;
}

static uint32_t name_of(naming *names, const jm_range *range) {
    if (range->name != names->last_name || (int)range->category != names->last_category) {
        names->last = find_name(names, range);
        names->last_name = range->name;
        names->last_category = (int)range->category;
    }
    return names->last;
}

/* The names that took most time get classes of their own, the others share the last one. */
static uint32_t rank_names(const naming *names, uint8_t cls[MOST_NAMES]) {
    uint32_t own = JMI_CLASSES - 2, classes = 1;
    for (uint32_t i = 0; i < names->count; i++) {
        uint32_t above = 0;
        for (uint32_t j = 0; j < names->count; j++)
            if (names->time[j] > names->time[i] || (names->time[j] == names->time[i] && j < i))
                above++;
        cls[i] = (uint8_t)(above < own ? above + 1 : JMI_CLASSES - 1);
        if (cls[i] + 1u > classes) classes = cls[i] + 1u;
    }
    return classes;
}

/* ---- events ---- */

typedef struct event {
    int64_t t;
    uint32_t range;
    uint8_t name;
    bool begins;
} event;

static int compare_events(const void *a, const void *b) {
    const event *x = a, *y = b;
    if (x->t != y->t) return x->t < y->t ? -1 : 1;
    if (x->begins != y->begins) return x->begins ? 1 : -1; /* ends first */
    /* of ranges that begin together the inner one, recorded later, comes last */
    return x->range < y->range ? -1 : x->range > y->range;
}

static bool in_order(const event *events, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (compare_events(&events[i - 1], &events[i]) > 0) return false;
    return true;
}

/* Which ranges to look at. */
typedef struct scope {
    const jm_recording *recording;
    const char *device; /* ranges that other devices ran do not matter */
    uint64_t first, count;
} scope;

/* Ranges come roughly in the order of their beginnings: once so many in a row began before the span
 * nothing earlier is of interest. */
static uint64_t first_of(const jm_recording *recording, uint64_t ranges, const jm_window *span) {
    enum { ENOUGH = 1024 };
    if (span == NULL) return 0;
    uint64_t i = ranges;
    for (int before = 0; i > 0 && before < ENOUGH; i--) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i - 1, &range) != JM_OK) break;
        before = range.begin_ns < span->begin_ns ? before + 1 : 0;
    }
    return i;
}

static bool matters(const scope *of, const jm_range *range) {
    if (range->category == JM_CATEGORY_SESSION || range->end_ns <= range->begin_ns) return false;
    return range->device[0] == '\0' || strcmp(range->device, of->device) == 0;
}

static size_t take_events(const scope *of, event *events, naming *names) {
    size_t count = 0;
    for (uint64_t i = 0; i < of->count; i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(of->recording, of->first + i, &range) != JM_OK) break;
        if (!matters(of, &range)) continue;
        uint32_t name = name_of(names, &range);
        names->time[name] += (double)(range.end_ns - range.begin_ns);
        events[count++] = (event){range.begin_ns, (uint32_t)i, (uint8_t)name, true};
        events[count++] = (event){range.end_ns, (uint32_t)i, (uint8_t)name, false};
    }
    if (!in_order(events, count)) qsort(events, count, sizeof *events, compare_events);
    return count;
}

/* ---- the innermost open range, as a list of the open ones in order of their beginning ---- */

typedef struct open_list {
    uint32_t *before, *after; /* by range + 1; 0 is the list's head */
    uint8_t *name;
    uint32_t last;
} open_list;

static void step(open_list *open, const event *e) {
    uint32_t node = e->range + 1;
    if (e->begins) {
        open->before[node] = open->last;
        open->after[node] = 0;
        open->after[open->last] = node;
        open->name[node] = e->name;
        open->last = node;
    } else {
        uint32_t before = open->before[node], after = open->after[node];
        open->after[before] = after;
        if (after != 0)
            open->before[after] = before;
        else
            open->last = before;
    }
}

static void add_change(jmi_timeline *timeline, int64_t t, uint8_t cls) {
    size_t n = timeline->count;
    if (n > 0 && timeline->t[n - 1] == t) {
        timeline->cls[n - 1] = cls;
        if (n > 1 && timeline->cls[n - 2] == cls) timeline->count--;
        return;
    }
    if (n > 0 && timeline->cls[n - 1] == cls) return;
    timeline->t[n] = t;
    timeline->cls[n] = cls;
    timeline->count++;
}

static void sweep(jmi_timeline *timeline, const event *events, size_t count,
                  const uint8_t cls[MOST_NAMES], open_list *open) {
    add_change(timeline, INT64_MIN / 2, 0);
    for (size_t i = 0; i < count; i++) {
        step(open, &events[i]);
        add_change(timeline, events[i].t, open->last != 0 ? cls[open->name[open->last]] : 0);
    }
}

enum { BLOCK = 64 }; /* changes between two entries of the running sums */

/* A window that spans many changes costs no more than one that spans a block. */
static bool sum_classes(jmi_timeline *timeline) {
    uint32_t k = timeline->classes;
    int64_t now[JMI_CLASSES] = {0};
    timeline->sum_ns = malloc((timeline->count / BLOCK + 1) * k * sizeof *timeline->sum_ns);
    if (timeline->sum_ns == NULL) return false;
    for (size_t i = 0; i < timeline->count; i++) {
        if (i % BLOCK == 0)
            memcpy(timeline->sum_ns + i / BLOCK * k, now, k * sizeof *timeline->sum_ns);
        if (i + 1 < timeline->count) now[timeline->cls[i]] += timeline->t[i + 1] - timeline->t[i];
    }
    return true;
}

static bool reserve(jmi_timeline *timeline, open_list *open, event **events, uint64_t ranges) {
    *events = malloc((2 * ranges + 1) * sizeof **events);
    open->before = calloc(ranges + 1, sizeof *open->before);
    open->after = calloc(ranges + 1, sizeof *open->after);
    open->name = calloc(ranges + 1, 1);
    timeline->t = calloc(2 * ranges + 2, sizeof *timeline->t);
    timeline->cls = calloc(2 * ranges + 2, 1);
    return *events && open->before && open->after && open->name && timeline->t && timeline->cls;
}

int jmi_timeline_build(jmi_timeline *timeline, const jm_recording *recording, uint32_t device,
                       const jm_window *span, jm_error *error) {
    *timeline = (jmi_timeline){0};
    uint64_t ranges = jm_recording_range_count(recording);
    if (ranges == 0 || ranges > UINT32_MAX / 2) return JM_NO_DATA;
    jm_device described = {.size = sizeof described, .name = ""};
    jm_recording_device(recording, device, &described);
    scope all = {recording, described.name, first_of(recording, ranges, span), ranges};
    ranges = all.count -= all.first;
    event *events = NULL;
    open_list open = {0};
    naming *names = calloc(1, sizeof *names);
    int status = JM_OK;
    if (names == NULL || !reserve(timeline, &open, &events, ranges)) {
        status =
            jmi_fail(error, JM_MEMORY, "out of memory for %llu ranges", (unsigned long long)ranges);
    } else {
        uint8_t cls[MOST_NAMES] = {0};
        size_t count = take_events(&all, events, names);
        timeline->classes = rank_names(names, cls);
        sweep(timeline, events, count, cls, &open);
        if (timeline->count < 2)
            status = JM_NO_DATA;
        else if (!sum_classes(timeline))
            status = jmi_fail(error, JM_MEMORY, "out of memory for a timeline of ranges");
    }
    free(events);
    free(names);
    free(open.before);
    free(open.after);
    free(open.name);
    if (status != JM_OK) jmi_timeline_free(timeline);
    return status;
}

void jmi_timeline_free(jmi_timeline *timeline) {
    free(timeline->t);
    free(timeline->cls);
    free(timeline->sum_ns);
    *timeline = (jmi_timeline){0};
}

/* Windows come in order, so the answer mostly lies near `from`: gallop from there, either way. */
size_t jmi_timeline_find(const jmi_timeline *timeline, int64_t t, size_t from) {
    const int64_t *times = timeline->t;
    size_t n = timeline->count, lo = from < n ? from : n - 1, hi, stride = 1;
    if (times[lo] <= t) {
        hi = lo + 1;
        while (hi < n && times[hi] <= t) {
            lo = hi;
            hi = lo + stride < n ? lo + stride : n;
            stride *= 2;
        }
    } else {
        hi = lo;
        lo = hi > stride ? hi - stride : 0;
        while (lo > 0 && times[lo] > t) {
            hi = lo;
            stride *= 2;
            lo = hi > stride ? hi - stride : 0;
        }
    }
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (times[mid] <= t)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static void walk(const jmi_timeline *timeline, size_t i, int64_t a, int64_t b, double *time_s) {
    while (a < b) {
        int64_t end = i + 1 < timeline->count ? timeline->t[i + 1] : INT64_MAX;
        if (end > b) end = b;
        time_s[timeline->cls[i]] += (double)(end - a) * 1e-9;
        a = end;
        i++;
    }
}

void jmi_timeline_times(const jmi_timeline *timeline, int64_t a, int64_t b, size_t *hint,
                        double *time_s) {
    size_t i = jmi_timeline_find(timeline, a, *hint), near = i / BLOCK + 1;
    *hint = i;
    if ((near + 1) * BLOCK >= timeline->count || timeline->t[(near + 1) * BLOCK] > b) {
        walk(timeline, i, a, b, time_s);
        return;
    }
    size_t far = jmi_timeline_find(timeline, b, near * BLOCK) / BLOCK;
    const int64_t *from = timeline->sum_ns + near * timeline->classes,
                  *to = timeline->sum_ns + far * timeline->classes;
    for (uint32_t c = 0; c < timeline->classes; c++) time_s[c] += (double)(to[c] - from[c]) * 1e-9;
    walk(timeline, i, a, timeline->t[near * BLOCK], time_s);
    walk(timeline, far * BLOCK, timeline->t[far * BLOCK], b, time_s);
}
