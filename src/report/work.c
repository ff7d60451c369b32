#include "report/work.h"

#include "report/attributes.h"
#include "report/enclose.h"

#include <stdlib.h>

/* ---- reading ---- */

static bool add_unit(jmi_units *units, uint64_t index, const jm_range *range) {
    if (units->count >= UINT32_MAX - 1 ||
        !jmi_reserve(&units->list, &units->capacity, units->count + 1, sizeof *units->list))
        return false;
    units->list[units->count++] = (jmi_unit){.index = index,
                                             .parent = range->parent,
                                             .begin_ns = range->begin_ns,
                                             .end_ns = range->end_ns,
                                             .name = range->name,
                                             .attributes = range->attributes,
                                             .pid = range->pid,
                                             .thread = range->thread};
    return true;
}

static jmi_units *list_of(jmi_work *work, jm_category category) {
    switch (category) {
    case JM_CATEGORY_PHASE: return &work->phases;
    case JM_CATEGORY_EPOCH: return &work->epochs;
    case JM_CATEGORY_BATCH: return &work->batches;
    case JM_CATEGORY_WARMUP: return &work->warmups;
    default: return NULL;
    }
}

static int read_units(jmi_work *work, jm_error *error) {
    uint64_t count = jm_recording_range_count(work->recording);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        int status = jm_recording_range(work->recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        jmi_units *units = list_of(work, range.category);
        if (units != NULL && !add_unit(units, i, &range))
            return jmi_fail(error, JM_MEMORY, "out of memory for batches and epochs");
    }
    return JM_OK;
}

/* ---- what encloses what, by parents ---- */

enum { MOST_STEPS = 256 }; /* parents of a file may run in circles */

typedef struct enclosing {
    jm_range_id parent; /* of which this is known */
    uint32_t epoch, phase;
} enclosing;

/* Place + 1 in a list in the order of ranges. */
static uint32_t place_of(const jmi_units *units, uint64_t index) {
    size_t low = 0, high = units->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (units->list[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < units->count && units->list[low].index == index ? (uint32_t)low + 1 : 0;
}

static void follow_parents(const jmi_work *work, enclosing *e, jm_range_id id) {
    *e = (enclosing){.parent = id};
    for (int steps = 0; id != 0 && steps < MOST_STEPS; steps++) {
        jm_range range = {.size = sizeof range};
        uint64_t index;
        if (jm_recording_find_range(work->recording, id, &index) != JM_OK ||
            jm_recording_range(work->recording, index, &range) != JM_OK)
            return;
        if (range.category == JM_CATEGORY_EPOCH && e->epoch == 0)
            e->epoch = place_of(&work->epochs, index);
        if (range.category == JM_CATEGORY_PHASE && e->phase == 0)
            e->phase = place_of(&work->phases, index);
        if (e->epoch != 0 && e->phase != 0) return;
        id = range.parent;
    }
}

static void enclose_by_parents(const jmi_work *work, jmi_units *units) {
    enclosing last = {0}; /* neighbours have the same parent, mostly */
    for (size_t i = 0; i < units->count; i++) {
        jmi_unit *unit = &units->list[i];
        if (unit->parent == 0) continue;
        if (unit->parent != last.parent) follow_parents(work, &last, unit->parent);
        unit->epoch = last.epoch;
        unit->phase = last.phase;
    }
}

static int enclose(jmi_work *work, jm_error *error) {
    enclose_by_parents(work, &work->batches);
    enclose_by_parents(work, &work->epochs);
    enclose_by_parents(work, &work->phases);
    enclose_by_parents(work, &work->warmups);
    bool done = jmi_enclose(&work->epochs, &work->batches, JMI_BY_EPOCH) &&
                jmi_enclose(&work->phases, &work->batches, JMI_BY_PHASE) &&
                jmi_enclose(&work->phases, &work->epochs, JMI_BY_PHASE) &&
                jmi_enclose(&work->phases, &work->warmups, JMI_BY_PHASE);
    return done ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for batches and epochs");
}

/* ---- places ---- */

static int compare_begin(const void *left, const void *right) {
    const jmi_unit *a = left, *b = right;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static void sort(jmi_units *units) {
    for (size_t i = 1; i < units->count; i++)
        if (compare_begin(&units->list[i - 1], &units->list[i]) > 0) {
            qsort(units->list, units->count, sizeof *units->list, compare_begin);
            return;
        }
}

static int compare_entry(const void *left, const void *right) {
    const jmi_unit *const *a = left, *const *b = right;
    return compare_begin(*a, *b);
}

static const jmi_unit **by_begin(const jmi_units *units) {
    const jmi_unit **sorted = jmi_alloc(units->count + 1, sizeof *sorted);
    bool in_order = true;
    for (size_t i = 0; sorted != NULL && i < units->count; i++) {
        sorted[i] = &units->list[i];
        in_order &= i == 0 || compare_begin(sorted[i - 1], sorted[i]) < 0;
    }
    if (sorted != NULL && !in_order) qsort(sorted, units->count, sizeof *sorted, compare_entry);
    return sorted;
}

uint32_t *jmi_units_order(const jmi_units *units) {
    const jmi_unit **sorted = by_begin(units);
    uint32_t *order = jmi_alloc(units->count + 1, sizeof *order);
    for (size_t i = 0; sorted != NULL && order != NULL && i < units->count; i++)
        order[i] = (uint32_t)(sorted[i] - units->list);
    if (sorted == NULL) {
        free(order);
        order = NULL;
    }
    free(sorted);
    return order;
}

/* Units that are counted together: those of an epoch, or of a process. */
typedef struct member {
    uint32_t epoch, pid;
    uint32_t rank; /* by beginning */
    jmi_unit *unit;
} member;

static int compare_members(const void *left, const void *right) {
    const member *a = left, *b = right;
    if (a->epoch != b->epoch) return a->epoch < b->epoch ? -1 : 1;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static bool number_places(jmi_units *units) {
    uint32_t *order = jmi_units_order(units);
    member *members = jmi_alloc(units->count + 1, sizeof *members);
    bool made = order != NULL && members != NULL;
    bool sorted = true;
    for (size_t i = 0; made && i < units->count; i++) {
        jmi_unit *unit = &units->list[order[i]];
        members[i] = (member){unit->epoch, unit->epoch == 0 ? unit->pid : 0, (uint32_t)i, unit};
        sorted &= i == 0 || compare_members(&members[i - 1], &members[i]) < 0;
    }
    if (made && !sorted) qsort(members, units->count, sizeof *members, compare_members);
    for (size_t i = 0; made && i < units->count; i++) {
        bool first = i == 0 || members[i].epoch != members[i - 1].epoch ||
                     members[i].pid != members[i - 1].pid;
        members[i].unit->place = first ? 0 : members[i - 1].unit->place + 1;
    }
    free(order);
    free(members);
    return made;
}

int jmi_work_read(jmi_work *work, const jm_recording *recording, jm_error *error) {
    *work = (jmi_work){.recording = recording};
    int status = read_units(work, error);
    if (status == JM_OK) status = enclose(work, error);
    /* An epoch in an epoch is one of its process like the others. */
    for (size_t i = 0; i < work->epochs.count; i++) work->epochs.list[i].epoch = 0;
    if (status == JM_OK && !(number_places(&work->epochs) && number_places(&work->batches)))
        status = jmi_fail(error, JM_MEMORY, "out of memory for batches and epochs");
    sort(&work->batches);
    if (status != JM_OK) jmi_work_free(work);
    return status;
}

void jmi_work_free(jmi_work *work) {
    free(work->phases.list);
    free(work->epochs.list);
    free(work->batches.list);
    free(work->warmups.list);
    *work = (jmi_work){.recording = NULL};
}

int64_t jmi_epoch_number(const jmi_unit *epoch) {
    int64_t number;
    jmi_attributes attributes;
    jmi_attributes_read(&attributes, epoch->attributes);
    bool told = jmi_attribute_integer(&attributes, "index", &number);
    jmi_attributes_free(&attributes);
    return told ? number : epoch->place;
}

const char *jmi_phase_name(const jmi_work *work, const jmi_unit *unit) {
    return unit->phase != 0 ? work->phases.list[unit->phase - 1].name : NULL;
}
