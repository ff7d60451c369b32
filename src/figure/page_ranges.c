/* Ranges of the timeline in lanes, one for each thread and each stream, as boxes that nest; and
 * marks as instants. */
#include "figure/page.h"

#include "report/range_reader.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 5000, MOST_DEPTH = 60, MOST_MARKS = 2000 };

typedef struct box {
    const char *name;
    jm_category category;
    uint32_t device; /* that ran it; UINT32_MAX: the host */
    uint32_t pid, thread, stream;
    int64_t begin_ns, end_ns;
    uint32_t lane, depth;
    uint32_t entry; /* that it is part of */
} box;

typedef struct entry {
    const box *first;
    int64_t end_ns;
    uint32_t count;
    bool mixed; /* of several names */
    jm_energy energy;
} entry;

typedef struct boxes {
    box *list;
    size_t count;
    entry *entries;
    size_t entry_count;
    uint32_t lane_count;
} boxes;

/* ---- reading, and where each lies ---- */

static int by_lane(const void *left, const void *right) {
    const box *a = left, *b = right;
    if (a->device != b->device) return a->device > b->device ? -1 : 1; /* the host first */
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->stream != b->stream) return a->stream < b->stream ? -1 : 1;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    return (a->end_ns < b->end_ns) - (a->end_ns > b->end_ns); /* the outer one first */
}

static bool same_lane(const box *a, const box *b) {
    return a->device == b->device && a->pid == b->pid && a->thread == b->thread &&
           a->stream == b->stream;
}

static int read_boxes(boxes *all, const jm_recording *recording, jm_error *error) {
    uint64_t count = jm_recording_range_count(recording);
    all->list = jmi_alloc((size_t)count + 1, sizeof *all->list);
    all->entries = jmi_alloc((size_t)count + 1, sizeof *all->entries);
    if (all->list == NULL || all->entries == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        int status = jm_recording_range(recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        bool on_host = range.device == NULL || range.device[0] == '\0';
        /* Threads are told apart on the host, streams on devices. */
        all->list[all->count++] =
            (box){.name = range.name,
                  .category = range.category,
                  .device = on_host ? UINT32_MAX : jmi_device_named(recording, range.device),
                  .pid = on_host ? range.pid : 0,
                  .thread = on_host ? range.thread : 0,
                  .stream = on_host ? 0 : range.stream,
                  .begin_ns = range.begin_ns,
                  .end_ns = range.end_ns};
    }
    if (all->count > 1) qsort(all->list, all->count, sizeof *all->list, by_lane);
    return JM_OK;
}

/* Rows that ended are used again; what overlaps partly goes one row lower. */
static void lay_out(boxes *all) {
    int64_t ends[MOST_DEPTH];
    uint32_t rows = 0;
    for (size_t i = 0; i < all->count; i++) {
        box *b = &all->list[i];
        if (i == 0 || !same_lane(&all->list[i - 1], b)) {
            all->lane_count++;
            rows = 0;
        }
        while (rows > 0 && ends[rows - 1] <= b->begin_ns) rows--;
        if (rows == MOST_DEPTH) rows--;
        b->lane = all->lane_count - 1;
        b->depth = rows;
        ends[rows++] = b->end_ns;
    }
}

/* ---- what is too short to be seen becomes one ---- */

static bool same_name(const box *a, const box *b) {
    return a->category == b->category && (a->name == b->name || strcmp(a->name, b->name) == 0);
}

/* Both are too short to be seen, lie close, and are not yet long together. */
static bool goes_on(const entry *e, const box *b, int64_t least_ns) {
    const box *f = e->first;
    return (e->count > 1 || e->end_ns - f->begin_ns < least_ns) &&
           b->end_ns - b->begin_ns < least_ns && b->begin_ns - e->end_ns < least_ns &&
           e->end_ns - f->begin_ns < 4 * least_ns;
}

/* `mixed`: whatever their names. */
static size_t join(boxes *all, int64_t least_ns, bool mixed) {
    uint32_t last[MOST_DEPTH]; /* entry of each row of the lane */
    uint32_t rows = 0;
    all->entry_count = 0;
    for (size_t i = 0; i < all->count; i++) {
        box *b = &all->list[i];
        if (i == 0 || all->list[i - 1].lane != b->lane) rows = 0;
        bool seen = b->depth < rows && last[b->depth] != UINT32_MAX;
        entry *e = seen ? &all->entries[last[b->depth]] : NULL;
        bool same = seen && same_name(e->first, b);
        if (seen && (same || mixed) && goes_on(e, b, least_ns)) {
            e->mixed |= !same;
            if (b->end_ns > e->end_ns) e->end_ns = b->end_ns;
            e->count++;
            b->entry = last[b->depth];
            continue;
        }
        while (rows <= b->depth) last[rows++] = UINT32_MAX;
        last[b->depth] = b->entry = (uint32_t)all->entry_count;
        all->entries[all->entry_count++] = (entry){.first = b, .end_ns = b->end_ns, .count = 1};
    }
    return all->entry_count;
}

/* First those of a name, then of any, wider and wider, until few enough are left. Only where there
 * are thousands of lanes some stay too many; write_ranges cuts them off. */
static void join_boxes(boxes *all, double duration_s) {
    int64_t least_ns = (int64_t)(duration_s * 1e9 / 4000) + 1;
    if (join(all, 0, false) <= MOST_ENTRIES || join(all, least_ns, false) <= MOST_ENTRIES) return;
    for (int round = 0; join(all, least_ns, true) > MOST_ENTRIES && round < 13; round++)
        least_ns *= 2;
}

/* ---- energies ---- */

/* Of the entries of one device (UINT32_MAX: the host, and then of all devices together). */
static int measure_device(boxes *all, const jmi_html_source *source, uint32_t device,
                          jm_window *windows, uint32_t *groups, jm_energy *energies,
                          jm_error *error) {
    size_t count = 0;
    jm_error why;
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].device != device) continue;
        windows[count] = (jm_window){all->list[i].begin_ns, all->list[i].end_ns};
        groups[count++] = all->list[i].entry;
    }
    if (count == 0) return JM_OK;
    int status =
        jm_energy_groups(source->recording, device == UINT32_MAX ? JM_DEVICE_TOTAL : device,
                         windows, groups, count, source->energy, energies, all->entry_count, &why);
    for (size_t i = 0; status == JM_OK && i < all->entry_count; i++)
        if (all->entries[i].first->device == device) all->entries[i].energy = energies[i];
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "%s", why.message);
}

static int measure(boxes *all, const jmi_html_source *source, jm_error *error) {
    jm_window *windows = jmi_alloc(all->count + 1, sizeof *windows);
    uint32_t *groups = jmi_alloc(all->count + 1, sizeof *groups);
    jm_energy *energies = jmi_alloc(all->entry_count + 1, sizeof *energies);
    uint32_t devices = jm_recording_device_count(source->recording);
    int status = windows == NULL || groups == NULL || energies == NULL
                     ? jmi_fail(error, JM_MEMORY, "out of memory for ranges")
                     : measure_device(all, source, UINT32_MAX, windows, groups, energies, error);
    for (uint32_t d = 0; status == JM_OK && d < devices; d++)
        status = measure_device(all, source, d, windows, groups, energies, error);
    free(windows);
    free(groups);
    free(energies);
    return status;
}

/* ---- as JSON ---- */

static int by_begin(const void *left, const void *right) {
    const entry *a = left, *b = right;
    int64_t a_ns = a->first->begin_ns, b_ns = b->first->begin_ns;
    if (a_ns != b_ns) return a_ns < b_ns ? -1 : 1;
    return (a->first->depth > b->first->depth) - (a->first->depth < b->first->depth);
}

/* Names are sent once. Entries of a lane often share theirs, so the last few are asked first. */
static json_int_t name_index(json_t *names, json_t *places, const char *name) {
    json_t *text = jmi_json_text(name);
    const char *clean = json_string_value(text);
    json_t *place = clean == NULL ? NULL : json_object_get(places, clean);
    if (place == NULL && clean != NULL) {
        place = json_integer((json_int_t)json_array_size(names));
        json_object_set_new(places, clean, place);
        json_array_append(names, text);
    }
    json_decref(text);
    return json_integer_value(place);
}

static json_t *column(json_t *object, const char *key) {
    json_t *list = json_array();
    json_object_set_new(object, key, list);
    return list;
}

static double seconds(const jmi_html_source *source, int64_t t_ns) {
    return (double)(t_ns - source->begin_ns) * 1e-9;
}

static json_t *write_ranges(const boxes *all, const jmi_html_source *source) {
    json_t *object = json_object(), *places = json_object();
    json_t *names = column(object, "names"), *name = column(object, "name");
    json_t *category = column(object, "category"), *lane = column(object, "lane");
    json_t *depth = column(object, "depth"), *begin = column(object, "begin_s");
    json_t *end = column(object, "end_s"), *count = column(object, "count");
    json_t *energy = column(object, "energy_j"), *u95 = column(object, "u95_j");
    json_t *bound = column(object, "bound_only");
    jmi_json_set_count(object, "total", all->count);
    for (size_t i = 0; i < all->entry_count && i < 2 * MOST_ENTRIES; i++) {
        const entry *e = &all->entries[i];
        bool known = jmi_energy_known(&e->energy);
        json_array_append_new(
            name, json_integer(name_index(names, places, e->mixed ? "several" : e->first->name)));
        json_array_append_new(category, json_string(jm_category_name((int)e->first->category)));
        json_array_append_new(lane, json_integer(e->first->lane));
        json_array_append_new(depth, json_integer(e->first->depth));
        json_array_append_new(begin, json_real(seconds(source, e->first->begin_ns)));
        json_array_append_new(end, json_real(seconds(source, e->end_ns)));
        json_array_append_new(count, json_integer(e->count));
        json_array_append_new(energy, jmi_json_number(known ? e->energy.energy_j : (double)NAN));
        json_array_append_new(u95, jmi_json_number(known ? e->energy.u95_j : (double)NAN));
        json_array_append_new(bound, json_boolean(known && e->energy.provenance & JM_BOUND_ONLY));
    }
    json_decref(places);
    return object;
}

static json_t *lane_object(const boxes *all, const box *first, const jmi_html_source *source,
                           uint32_t depth) {
    json_t *object = json_object();
    jmi_text label = {0};
    jm_device device = {.size = sizeof device, .name = "device"};
    bool several = all->count > 0 && all->list[0].pid != all->list[all->count - 1].pid;
    if (first->device != UINT32_MAX) {
        jm_recording_device(source->recording, first->device, &device);
        jmi_text_add(&label, "%s, stream %u", device.name, first->stream);
    } else if (several) {
        jmi_text_add(&label, "process %u, thread %u", first->pid, first->thread);
    } else {
        jmi_text_add(&label, "thread %u", first->thread);
    }
    jmi_json_set_text(object, "label", label.data);
    jmi_json_set_count(object, "depth", depth + 1);
    jmi_text_free(&label);
    return object;
}

static json_t *write_lanes(const boxes *all, const jmi_html_source *source) {
    json_t *lanes = json_array();
    for (size_t i = 0; i < all->count;) {
        const box *first = &all->list[i];
        uint32_t depth = 0;
        for (; i < all->count && all->list[i].lane == first->lane; i++)
            if (all->list[i].depth > depth) depth = all->list[i].depth;
        json_array_append_new(lanes, lane_object(all, first, source, depth));
    }
    return lanes;
}

static json_t *write_marks(const jmi_html_source *source) {
    json_t *list = json_array();
    uint64_t count = jm_recording_mark_count(source->recording);
    for (uint64_t i = 0; i < count && i < MOST_MARKS; i++) {
        jm_mark_info mark = {.size = sizeof mark};
        if (jm_recording_mark(source->recording, i, &mark) != JM_OK) break;
        json_t *object = json_object();
        jmi_json_set_number(object, "t_s", seconds(source, mark.t_ns));
        jmi_json_set_text(object, "name", mark.name);
        jmi_json_set_text(object, "meta", mark.attributes);
        json_array_append_new(list, object);
    }
    return list;
}

int jmi_html_ranges(json_t *timeline, const jmi_html_source *source, jm_error *error) {
    boxes all = {.count = 0};
    int status = read_boxes(&all, source->recording, error);
    if (status == JM_OK) {
        lay_out(&all);
        join_boxes(&all, source->duration_s);
        status = measure(&all, source, error);
    }
    if (status == JM_OK) {
        json_object_set_new(timeline, "lanes", write_lanes(&all, source));
        if (all.entry_count > 1) qsort(all.entries, all.entry_count, sizeof *all.entries, by_begin);
        json_object_set_new(timeline, "ranges", write_ranges(&all, source));
        json_object_set_new(timeline, "marks", write_marks(source));
        jmi_json_set_count(timeline, "marks_total", jm_recording_mark_count(source->recording));
    }
    free(all.list);
    free(all.entries);
    return status;
}
