/* Ranges by category and name. Their energies and that of the whole window come from one pass of
 * jm_energy_groups, which knows what averages out over many calls and what does not. */
#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Windows of all ranges, each with its group; group 0 is the window that the summary is of. */
typedef struct builder {
    jmi_group *list;
    size_t count;
    size_t capacity;
    size_t *slots; /* hash table of index + 1 into list */
    size_t slot_count;
    jm_window *windows;
    uint32_t *group_of;
    size_t window_count;
} builder;

static size_t hash_of(jm_category category, const char *name) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)category;
    for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

static size_t *find_slot(const builder *b, jm_category category, const char *name) {
    size_t i = hash_of(category, name) & (b->slot_count - 1);
    for (; b->slots[i] != 0; i = (i + 1) & (b->slot_count - 1)) {
        const jmi_group *group = &b->list[b->slots[i] - 1];
        if (group->category != category) continue;
        if (group->name == name || strcmp(group->name, name) == 0) break;
    }
    return &b->slots[i];
}

static bool grow_slots(builder *b) {
    if (b->slot_count > 2 * (b->count + 1)) return true;
    size_t larger = b->slot_count == 0 ? 64 : 4 * b->slot_count;
    size_t *slots = jmi_alloc(larger, sizeof *slots);
    if (slots == NULL) return false;
    free(b->slots);
    b->slots = slots;
    b->slot_count = larger;
    for (size_t i = 0; i < b->count; i++)
        *find_slot(b, b->list[i].category, b->list[i].name) = i + 1;
    return true;
}

/* NULL: out of memory. */
static jmi_group *find_group(builder *b, const jm_range *range) {
    if (!grow_slots(b)) return NULL;
    size_t *slot = find_slot(b, range->category, range->name);
    if (*slot != 0) return &b->list[*slot - 1];
    if (!jmi_reserve(&b->list, &b->capacity, b->count + 1, sizeof *b->list)) return NULL;
    b->list[b->count] = (jmi_group){.category = range->category,
                                    .name = range->name,
                                    .first_ns = INT64_MAX,
                                    .last_ns = INT64_MIN};
    *slot = ++b->count;
    return &b->list[b->count - 1];
}

static void add_window(builder *b, int64_t begin_ns, int64_t end_ns, size_t group) {
    b->windows[b->window_count] = (jm_window){begin_ns, end_ns};
    b->group_of[b->window_count++] = (uint32_t)group;
}

static bool add_range(builder *b, const jm_range *range) {
    jmi_group *group = find_group(b, range);
    if (group == NULL) return false;
    group->calls++;
    group->unfinished += range->unfinished;
    group->time_s += (double)(range->end_ns - range->begin_ns) / 1e9;
    if (range->begin_ns < group->first_ns) group->first_ns = range->begin_ns;
    if (range->end_ns > group->last_ns) group->last_ns = range->end_ns;
    add_window(b, range->begin_ns, range->end_ns, (size_t)(group - b->list) + 1);
    return true;
}

static int add_ranges(builder *b, const jmi_summary *summary, jm_error *error) {
    uint64_t count = jm_recording_range_count(summary->recording);
    b->windows = jmi_alloc((size_t)count + 1, sizeof *b->windows);
    b->group_of = jmi_alloc((size_t)count + 1, sizeof *b->group_of);
    if (b->windows == NULL || b->group_of == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for %llu ranges",
                        (unsigned long long)count);
    add_window(b, summary->begin_ns, summary->end_ns, 0);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        int status = jm_recording_range(summary->recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        if (!add_range(b, &range)) return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    return JM_OK;
}

/* The order in which people think of them, outermost first. */
static int rank(jm_category category) {
    static const unsigned char ranks[] = {
        [JM_CATEGORY_SESSION] = 0, [JM_CATEGORY_PHASE] = 1,  [JM_CATEGORY_EPOCH] = 2,
        [JM_CATEGORY_BATCH] = 3,   [JM_CATEGORY_WARMUP] = 4, [JM_CATEGORY_USER] = 5,
        [JM_CATEGORY_NVTX] = 6,    [JM_CATEGORY_LAYER] = 7,  [JM_CATEGORY_KERNEL] = 8};
    return (size_t)category < JMI_COUNT(ranks) ? ranks[category] : 9;
}

static int compare_groups(const void *left, const void *right) {
    const jmi_group *a = left, *b = right;
    if (a->category != b->category) return rank(a->category) - rank(b->category);
    if (a->energy.energy_j != b->energy.energy_j)
        return a->energy.energy_j > b->energy.energy_j ? -1 : 1;
    return (a->first_ns > b->first_ns) - (a->first_ns < b->first_ns);
}

/* Bounds say nothing about a share. */
static double share_of(const jm_energy *energy, const jmi_summary_device *total) {
    if (!total->has_energy || !(total->energy.energy_j > 0) || !jmi_is_measured(energy)) return NAN;
    return energy->provenance & JM_BOUND_ONLY ? NAN : energy->energy_j / total->energy.energy_j;
}

static int add_energies(builder *b, jmi_summary *summary, const jm_energy_options *options,
                        jm_error *error) {
    jm_energy *energies = jmi_alloc(b->count + 1, sizeof *energies);
    if (energies == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jm_energy_groups(summary->recording, JM_DEVICE_TOTAL, b->windows, b->group_of,
                                  b->window_count, options, energies, b->count + 1, error);
    if (status == JM_NO_DATA) {
        for (size_t i = 0; i <= b->count; i++)
            energies[i] = (jm_energy){.upper_j = INFINITY, .u95_j = INFINITY};
        status = JM_OK;
    }
    summary->total.energy = energies[0];
    summary->total.has_energy = jmi_is_measured(&energies[0]);
    for (size_t i = 0; i < b->count; i++) {
        b->list[i].energy = energies[i + 1];
        b->list[i].share = share_of(&energies[i + 1], &summary->total);
    }
    free(energies);
    return status;
}

int jmi_summary_groups(jmi_summary *summary, const jm_energy_options *options, jm_error *error) {
    builder b = {0};
    int status = add_ranges(&b, summary, error);
    if (status == JM_OK) status = add_energies(&b, summary, options, error);
    if (b.count > 0) qsort(b.list, b.count, sizeof *b.list, compare_groups);
    summary->groups = b.list;
    summary->group_count = b.count;
    free(b.slots);
    free(b.windows);
    free(b.group_of);
    return status;
}
