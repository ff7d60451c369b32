/* Ranges of the timeline as columns, with the lanes that they lie in, and marks as instants. */
#include "figure/page.h"
#include "figure/page_boxes.h"

#include "report/range_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRY_BYTES = 60, /* of an entry's columns, about */
    LEAST_ENTRIES = 500,
    MOST_MARKS = 1000,
    MARK_BYTES = 80,
    NAMES_TOLD = 3 /* of an entry */
};
static const double share_of_bytes = 0.25, share_of_marks = 0.05;

typedef struct entry {
    const jmi_box *first;
    int64_t end_ns;
    uint32_t count;
    uint32_t name_count; /* NAMES_TOLD + 1: there are more */
    const char *names[NAMES_TOLD];
    bool of_devices; /* of more than one */
    jm_energy energy;
} entry;

typedef struct entries {
    jmi_boxes boxes;
    entry *list;
} entries;

static double seconds(const jmi_html_source *source, int64_t t_ns) {
    return (double)(t_ns - source->begin_ns) * 1e-9;
}

/* ---- what each entry is made of ---- */

static void add_name(entry *e, const char *name) {
    if (e->name_count > NAMES_TOLD) return;
    for (uint32_t i = 0; i < e->name_count; i++)
        if (e->names[i] == name || strcmp(e->names[i], name) == 0) return;
    if (e->name_count < NAMES_TOLD) e->names[e->name_count] = name;
    e->name_count++;
}

static int gather(entries *all, jm_error *error) {
    all->list = jmi_alloc((size_t)all->boxes.entry_count + 1, sizeof *all->list);
    if (all->list == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for ranges");
    for (size_t i = 0; i < all->boxes.count; i++) {
        const jmi_box *b = &all->boxes.list[i];
        entry *e = &all->list[b->entry];
        if (e->first == NULL) *e = (entry){.first = b, .end_ns = b->end_ns};
        if (b->end_ns > e->end_ns) e->end_ns = b->end_ns;
        e->count++;
        e->of_devices |= b->device != e->first->device;
        add_name(e, b->name);
    }
    return JM_OK;
}

/* ---- energies ---- */

typedef struct asked {
    jm_window *windows;
    uint32_t *groups;
    jm_energy *energies;
} asked;

/* Of the entries of one device (UINT32_MAX: the host, and then of all devices together). */
static int measure_device(entries *all, const jmi_html_source *source, uint32_t device, asked *ask,
                          jm_error *error) {
    size_t count = 0, groups = all->boxes.entry_count;
    jm_error why;
    for (size_t i = 0; i < all->boxes.count; i++) {
        const jmi_box *b = &all->boxes.list[i];
        if (b->device != device || all->list[b->entry].of_devices) continue;
        ask->windows[count] = (jm_window){b->begin_ns, b->end_ns};
        ask->groups[count++] = b->entry;
    }
    if (count == 0) return JM_OK;
    int status = jm_energy_groups(source->recording,
                                  device == UINT32_MAX ? JM_DEVICE_TOTAL : device, ask->windows,
                                  ask->groups, count, source->energy, ask->energies, groups, &why);
    for (size_t i = 0; status == JM_OK && i < groups; i++)
        if (all->list[i].first->device == device && !all->list[i].of_devices)
            all->list[i].energy = ask->energies[i];
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "%s", why.message);
}

static int measure(entries *all, const jmi_html_source *source, jm_error *error) {
    asked ask = {.windows = jmi_alloc(all->boxes.count + 1, sizeof *ask.windows),
                 .groups = jmi_alloc(all->boxes.count + 1, sizeof *ask.groups),
                 .energies = jmi_alloc((size_t)all->boxes.entry_count + 1, sizeof *ask.energies)};
    uint32_t devices = jm_recording_device_count(source->recording);
    int status = ask.windows == NULL || ask.groups == NULL || ask.energies == NULL
                     ? jmi_fail(error, JM_MEMORY, "out of memory for ranges")
                     : measure_device(all, source, UINT32_MAX, &ask, error);
    for (uint32_t d = 0; status == JM_OK && d < devices; d++)
        status = measure_device(all, source, d, &ask, error);
    free(ask.windows);
    free(ask.groups);
    free(ask.energies);
    return status;
}

/* ---- entries as JSON ---- */

static int by_begin(const void *left, const void *right) {
    const jmi_box *a = ((const entry *)left)->first, *b = ((const entry *)right)->first;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->lane != b->lane) return a->lane < b->lane ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static int by_text(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Its name, or those of all that were joined, in an order that does not depend on where it begins.
 */
static json_t *name_of(entry *e) {
    if (e->name_count == 1) return jmi_html_text(e->names[0], JMI_HTML_NAME);
    if (e->name_count > NAMES_TOLD) return json_string("several");
    qsort(e->names, e->name_count, sizeof e->names[0], by_text);
    jmi_text text = {0};
    for (uint32_t i = 0; i < e->name_count; i++)
        jmi_text_add(&text, "%s%s", i > 0 ? ", " : "", e->names[i]);
    json_t *value = jmi_html_text(text.data, JMI_HTML_NAME);
    jmi_text_free(&text);
    return value;
}

/* Names are sent once. */
static json_int_t name_index(json_t *names, json_t *places, entry *e) {
    json_t *text = name_of(e);
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

static json_t *write_ranges(entries *all, const jmi_html_source *source) {
    json_t *object = json_object(), *places = json_object();
    json_t *names = column(object, "names"), *name = column(object, "name");
    json_t *category = column(object, "category"), *lane = column(object, "lane");
    json_t *depth = column(object, "depth"), *begin = column(object, "begin_s");
    json_t *end = column(object, "end_s"), *count = column(object, "count");
    json_t *energy = column(object, "energy_j"), *u95 = column(object, "u95_j");
    json_t *bound = column(object, "bound_only");
    jmi_json_set_count(object, "total", all->boxes.count);
    for (size_t i = 0; i < all->boxes.entry_count; i++) {
        entry *e = &all->list[i];
        bool known = jmi_energy_known(&e->energy);
        json_array_append_new(name, json_integer(name_index(names, places, e)));
        json_array_append_new(category, json_string(jm_category_name((int)e->first->category)));
        json_array_append_new(lane, json_integer(e->first->lane));
        json_array_append_new(depth, json_integer(e->first->row));
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

/* ---- lanes and marks as JSON ---- */

static void label_device(jmi_text *label, const jmi_boxes *boxes, const jmi_box *first,
                         const jm_recording *recording) {
    jm_device device = {.size = sizeof device, .name = "device"};
    jm_recording_device(recording, first->device, &device);
    if (boxes->devices == JMI_APART_NOT)
        jmi_text_add(label, "all devices");
    else if (boxes->devices != JMI_APART_THREADS)
        jmi_text_add(label, "%s, all streams", device.name);
    else
        jmi_text_add(label, "%s, stream %u", device.name, first->thread);
}

static void label_host(jmi_text *label, const jmi_boxes *boxes, const jmi_box *first) {
    if (boxes->host > JMI_APART_PROCESSES)
        jmi_text_add(label, "all processes");
    else if (boxes->many_processes)
        jmi_text_add(label, "process %u, ", first->pid);
    if (boxes->host == JMI_APART_PROCESSES)
        jmi_text_add(label, "all threads");
    else if (boxes->host == JMI_APART_THREADS)
        jmi_text_add(label, "thread %u", first->thread);
}

static json_t *write_lanes(const jmi_boxes *boxes, const jmi_html_source *source) {
    json_t *lanes = json_array();
    for (size_t i = 0; i < boxes->count;) {
        const jmi_box *first = &boxes->list[i];
        json_t *object = json_object();
        jmi_text label = {0};
        uint32_t rows = 0;
        for (; i < boxes->count && boxes->list[i].lane == first->lane; i++)
            if (boxes->list[i].row >= rows) rows = boxes->list[i].row + 1;
        if (first->device == UINT32_MAX)
            label_host(&label, boxes, first);
        else
            label_device(&label, boxes, first, source->recording);
        json_object_set_new(object, "label", jmi_html_text(label.data, JMI_HTML_NAME));
        jmi_json_set_count(object, "depth", rows);
        json_array_append_new(lanes, object);
        jmi_text_free(&label);
    }
    return lanes;
}

/* Where there are too many, some at equal distances in their list. */
static json_t *write_marks(const jmi_html_source *source) {
    json_t *list = json_array();
    uint64_t count = jm_recording_mark_count(source->recording);
    uint64_t most = (uint64_t)(share_of_marks * (double)source->max_bytes / MARK_BYTES);
    if (most > MOST_MARKS) most = MOST_MARKS;
    uint64_t shown = count < most ? count : most;
    for (uint64_t i = 0; i < shown; i++) {
        jm_mark_info mark = {.size = sizeof mark};
        if (jm_recording_mark(source->recording, i * count / shown, &mark) != JM_OK) break;
        json_t *object = json_object();
        jmi_json_set_number(object, "t_s", seconds(source, mark.t_ns));
        json_object_set_new(object, "name", jmi_html_text(mark.name, JMI_HTML_NAME));
        json_object_set_new(object, "meta", jmi_html_text(mark.attributes, JMI_HTML_NAME));
        json_array_append_new(list, object);
    }
    return list;
}

static size_t most_entries(const jmi_html_source *source) {
    double most = share_of_bytes * (double)source->max_bytes / ENTRY_BYTES;
    return (size_t)fmin(fmax(most, LEAST_ENTRIES), JMI_MOST_ENTRIES);
}

int jmi_html_ranges(json_t *timeline, const jmi_html_source *source, jm_error *error) {
    entries all = {.list = NULL};
    int status = jmi_boxes_read(&all.boxes, source->recording, error);
    if (status == JM_OK) {
        jmi_boxes_join(&all.boxes, most_entries(source), (int64_t)(source->duration_s * 1e9));
        status = gather(&all, error);
    }
    if (status == JM_OK) status = measure(&all, source, error);
    if (status == JM_OK) {
        size_t count = all.boxes.entry_count;
        json_object_set_new(timeline, "lanes", write_lanes(&all.boxes, source));
        if (count > 1) qsort(all.list, count, sizeof *all.list, by_begin);
        json_object_set_new(timeline, "ranges", write_ranges(&all, source));
        json_object_set_new(timeline, "marks", write_marks(source));
        jmi_json_set_count(timeline, "marks_total", jm_recording_mark_count(source->recording));
    }
    jmi_boxes_free(&all.boxes);
    free(all.list);
    return status;
}
