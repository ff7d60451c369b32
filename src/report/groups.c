/* Ranges by category, name and the device that ran them. Calls of a group may overlap (threads) or
 * nest: their energy is that of the time in which any of them ran, so that no joule counts twice.
 * Energies of all groups and that of the whole window come from one pass of jm_energy_groups, which
 * knows what averages out over many calls and what does not. */
#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct builder {
    jmi_group *list;
    size_t count;
    size_t capacity;
    size_t *slots; /* hash table of index + 1 into list */
    size_t slot_count;
    size_t ranges;
    jm_window *windows; /* of the ranges, later those that are asked for; + 1 */
    uint32_t *group_of; /* of each window */
    jm_window *unions;  /* group by group: the stretches of time in which any range ran */
    size_t *first;      /* count + 1: where each group's begin */
} builder;

static size_t hash_of(const jmi_group *key) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)key->category;
    for (const char *c = key->name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    hash = (hash ^ key->device) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

static size_t *find_slot(const builder *b, const jmi_group *key) {
    size_t i = hash_of(key) & (b->slot_count - 1);
    for (; b->slots[i] != 0; i = (i + 1) & (b->slot_count - 1)) {
        const jmi_group *group = &b->list[b->slots[i] - 1];
        if (group->category != key->category || group->device != key->device) continue;
        if (group->name == key->name || strcmp(group->name, key->name) == 0) break;
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
    for (size_t i = 0; i < b->count; i++) *find_slot(b, &b->list[i]) = i + 1;
    return true;
}

/* NULL: out of memory. */
static jmi_group *find_group(builder *b, const jm_range *range, uint32_t device) {
    const jmi_group key = {.category = range->category,
                           .name = range->name,
                           .device = device,
                           .first_ns = INT64_MAX,
                           .last_ns = INT64_MIN};
    if (!grow_slots(b)) return NULL;
    size_t *slot = find_slot(b, &key);
    if (*slot != 0) return &b->list[*slot - 1];
    if (!jmi_reserve(&b->list, &b->capacity, b->count + 1, sizeof *b->list)) return NULL;
    b->list[b->count] = key;
    *slot = ++b->count;
    return &b->list[b->count - 1];
}

static bool add_range(builder *b, const jm_range *range, uint32_t device) {
    jmi_group *group = find_group(b, range, device);
    if (group == NULL) return false;
    group->calls++;
    group->unfinished += range->unfinished;
    group->time_s += (double)(range->end_ns - range->begin_ns) / 1e9;
    if (range->begin_ns < group->first_ns) group->first_ns = range->begin_ns;
    if (range->end_ns > group->last_ns) group->last_ns = range->end_ns;
    b->windows[b->ranges] = (jm_window){range->begin_ns, range->end_ns};
    b->group_of[b->ranges++] = (uint32_t)(group - b->list);
    return true;
}

/* That ran a range; JM_DEVICE_TOTAL: the host. */
static uint32_t device_of(const jmi_summary *summary, const jm_range *range) {
    if (range->device == NULL || range->device[0] == '\0') return JM_DEVICE_TOTAL;
    for (uint32_t i = 0; i < summary->device_count; i++) {
        const char *name = summary->devices[i].device.name;
        if (name == range->device || strcmp(name, range->device) == 0) return i;
    }
    return JM_DEVICE_TOTAL;
}

static int add_ranges(builder *b, const jmi_summary *summary, jm_error *error) {
    uint64_t count = jm_recording_range_count(summary->recording);
    b->windows = jmi_alloc((size_t)count + 1, sizeof *b->windows);
    b->unions = jmi_alloc((size_t)count + 1, sizeof *b->unions);
    b->group_of = jmi_alloc((size_t)count + 1, sizeof *b->group_of);
    if (b->windows == NULL || b->unions == NULL || b->group_of == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for %llu ranges",
                        (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        int status = jm_recording_range(summary->recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        if (!add_range(b, &range, device_of(summary, &range)))
            return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    return JM_OK;
}

/* ---- the time in which any range of a group ran ---- */

static int compare_windows(const void *left, const void *right) {
    const jm_window *a = left, *b = right;
    return (a->begin_ns > b->begin_ns) - (a->begin_ns < b->begin_ns);
}

/* One thread's ranges come in order; those of several may not. */
static void sort_windows(jm_window *windows, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (windows[i - 1].begin_ns > windows[i].begin_ns) {
            qsort(windows, count, sizeof *windows, compare_windows);
            return;
        }
}

/* Joins windows, in order of their beginning, that overlap or touch; returns how many are left. */
static size_t join(const jm_window *windows, size_t count, jm_window *joined) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (windows[i].end_ns <= windows[i].begin_ns) continue;
        if (kept == 0 || windows[i].begin_ns > joined[kept - 1].end_ns)
            joined[kept++] = windows[i];
        else if (windows[i].end_ns > joined[kept - 1].end_ns)
            joined[kept - 1].end_ns = windows[i].end_ns;
    }
    return kept;
}

/* Counts ranges by group, lays their windows out group by group, and joins each group's. */
static int unite(builder *b, jm_error *error) {
    b->first = jmi_alloc(b->count + 2, sizeof *b->first);
    if (b->first == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (size_t i = 0; i < b->ranges; i++) b->first[b->group_of[i] + 2]++;
    for (size_t g = 2; g < b->count + 2; g++) b->first[g] += b->first[g - 1];
    for (size_t i = 0; i < b->ranges; i++) /* first[g + 1] moves on to where g + 1 begins */
        b->unions[b->first[b->group_of[i] + 1]++] = b->windows[i];
    size_t kept = 0;
    for (size_t g = 0, begin = 0; g < b->count; g++) {
        size_t end = b->first[g + 1];
        sort_windows(b->unions + begin, end - begin);
        b->first[g] = kept;
        kept += join(b->unions + begin, end - begin, b->unions + kept);
        for (size_t i = b->first[g]; i < kept; i++)
            b->list[g].wall_s += (double)(b->unions[i].end_ns - b->unions[i].begin_ns) / 1e9;
        begin = end;
    }
    b->first[b->count] = kept;
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

/* Asks for the groups of one device; those of the host are on all devices together, and with them,
 * as one more group, comes the window that the summary is of. */
static int ask(builder *b, const jmi_summary *summary, uint32_t device,
               const jm_energy_options *options, jm_energy *energies, jm_error *error) {
    size_t count = 0;
    if (device == JM_DEVICE_TOTAL) {
        b->windows[count] = (jm_window){summary->begin_ns, summary->end_ns};
        b->group_of[count++] = (uint32_t)b->count;
    }
    for (size_t g = 0; g < b->count; g++)
        for (size_t i = b->first[g]; b->list[g].device == device && i < b->first[g + 1]; i++) {
            b->windows[count] = b->unions[i];
            b->group_of[count++] = (uint32_t)g;
        }
    if (count == 0) return JM_OK;
    jm_error why; /* to have no energy is no error */
    int status = jm_energy_groups(summary->recording, device, b->windows, b->group_of, count,
                                  options, energies, b->count + 1, &why);
    for (size_t g = 0; status == JM_NO_DATA && g <= b->count; g++)
        energies[g] = (jm_energy){.upper_j = INFINITY, .u95_j = INFINITY};
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "%s", why.message);
}

static int add_energies(builder *b, jmi_summary *summary, const jm_energy_options *options,
                        jm_error *error) {
    jm_energy *energies = jmi_alloc(b->count + 1, sizeof *energies);
    if (energies == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = ask(b, summary, JM_DEVICE_TOTAL, options, energies, error);
    summary->total.energy = energies[b->count];
    summary->total.has_energy = jmi_is_measured(&energies[b->count]);
    for (uint32_t pass = 0; status == JM_OK && pass <= summary->device_count; pass++) {
        uint32_t device = pass == 0 ? JM_DEVICE_TOTAL : pass - 1;
        if (pass > 0) status = ask(b, summary, device, options, energies, error);
        for (size_t g = 0; status == JM_OK && g < b->count; g++) {
            if (b->list[g].device != device) continue;
            b->list[g].energy = energies[g];
            b->list[g].share = share_of(&energies[g], &summary->total);
        }
    }
    free(energies);
    return status;
}

static bool many_devices(const builder *b) {
    uint32_t one = JM_DEVICE_TOTAL;
    for (size_t i = 0; i < b->count; i++) {
        if (b->list[i].device == JM_DEVICE_TOTAL) continue;
        if (one != JM_DEVICE_TOTAL && b->list[i].device != one) return true;
        one = b->list[i].device;
    }
    return false;
}

int jmi_summary_groups(jmi_summary *summary, const jm_energy_options *options, jm_error *error) {
    builder b = {0};
    int status = add_ranges(&b, summary, error);
    if (status == JM_OK) status = unite(&b, error);
    if (status == JM_OK) status = add_energies(&b, summary, options, error);
    if (b.count > 0) qsort(b.list, b.count, sizeof *b.list, compare_groups);
    summary->groups = b.list;
    summary->group_count = b.count;
    summary->many_devices = many_devices(&b);
    free(b.slots);
    free(b.windows);
    free(b.unions);
    free(b.group_of);
    free(b.first);
    return status;
}
