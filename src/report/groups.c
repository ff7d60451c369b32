/* Ranges by category and name. The energies of a group's calls are added with their random parts
 * in quadrature, for they are independent, and their systematic parts linearly, for they are not:
 * it is the same board's gain in each. Bounds add up as bounds. The groups that matter most are
 * then summed by jm_energy_sum, which knows what averages out over many short calls. */
#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double Z95 = 1.959963984540054;
enum { SUMMED_WELL = 32 }; /* groups that get a pass over the samples of their own */

/* Sums of a group while its calls are added. */
typedef struct sums {
    jmi_group group;
    double estimated;  /* J, of the calls for which there is an estimate */
    double random2;    /* J^2 */
    double systematic; /* J */
    double bound_low;  /* of the calls for which only bounds are known */
    double bound_high;
    double measured_s;
} sums;

typedef struct builder {
    sums *list;
    size_t count;
    size_t capacity;
    size_t *slots; /* hash table of index + 1 into list */
    size_t slot_count;
    jm_error *error;
} builder;

static size_t hash_of(jm_category category, const char *name) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)category;
    for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

static size_t *find_slot(const builder *b, jm_category category, const char *name) {
    size_t i = hash_of(category, name) & (b->slot_count - 1);
    for (; b->slots[i] != 0; i = (i + 1) & (b->slot_count - 1)) {
        const jmi_group *group = &b->list[b->slots[i] - 1].group;
        if (group->category == category && strcmp(group->name, name) == 0) break;
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
        *find_slot(b, b->list[i].group.category, b->list[i].group.name) = i + 1;
    return true;
}

static sums *find_group(builder *b, const jm_range *range) {
    if (!grow_slots(b)) return NULL;
    size_t *slot = find_slot(b, range->category, range->name);
    if (*slot != 0) return &b->list[*slot - 1];
    if (!jmi_reserve(&b->list, &b->capacity, b->count + 1, sizeof *b->list)) return NULL;
    b->list[b->count] = (sums){.group = {.category = range->category,
                                         .name = range->name,
                                         .first_ns = INT64_MAX,
                                         .last_ns = INT64_MIN}};
    *slot = ++b->count;
    return &b->list[b->count - 1];
}

static void add_energy(sums *s, const jm_energy *e) {
    jmi_group *group = &s->group;
    group->energy.provenance |= e->provenance & ~(uint32_t)JM_BOUND_ONLY;
    group->energy.flags |= e->flags;
    if ((e->provenance & ~(uint32_t)JM_BOUND_ONLY) == 0 || !isfinite(e->energy_j)) {
        group->unmeasured++;
        return;
    }
    s->measured_s += e->measured * e->duration_s;
    if (e->provenance & JM_BOUND_ONLY) {
        group->bound_only++;
        s->bound_low += e->lower_j;
        s->bound_high += e->upper_j;
    } else {
        s->estimated += e->energy_j;
        s->random2 += e->u_random_j * e->u_random_j;
        s->systematic += e->u_systematic_j;
    }
}

static int add_range(void *user, uint64_t index, const jm_range *range,
                     const jm_energy *const *energies) {
    builder *b = user;
    (void)index;
    sums *s = find_group(b, range);
    if (s == NULL) return jmi_fail(b->error, JM_MEMORY, "out of memory");
    jmi_group *group = &s->group;
    group->calls++;
    group->unfinished += range->unfinished;
    group->time_s += (double)(range->end_ns - range->begin_ns) / 1e9;
    if (range->begin_ns < group->first_ns) group->first_ns = range->begin_ns;
    if (range->end_ns > group->last_ns) group->last_ns = range->end_ns;
    add_energy(s, energies[0]);
    return JM_OK;
}

static void finish(sums *s) {
    jmi_group *group = &s->group;
    jm_energy *e = &group->energy;
    double statistical = Z95 * sqrt(s->random2 + s->systematic * s->systematic);
    bool bounded = isfinite(s->bound_high);
    e->u_random_j = sqrt(s->random2);
    e->u_systematic_j = s->systematic;
    e->energy_j = s->estimated + (bounded ? (s->bound_low + s->bound_high) / 2 : s->bound_low);
    e->u95_j = statistical + (bounded ? (s->bound_high - s->bound_low) / 2 : INFINITY);
    e->lower_j = fmax(s->estimated - statistical + s->bound_low, 0);
    e->upper_j = s->estimated + statistical + s->bound_high;
    if (group->bound_only == group->calls) e->provenance |= JM_BOUND_ONLY;
    if (group->unmeasured > 0) {
        e->flags |= JM_ENERGY_PARTIAL;
        e->u95_j = e->upper_j = INFINITY;
    }
    e->duration_s = group->time_s;
    e->measured = group->time_s > 0 ? s->measured_s / group->time_s : 0;
    e->mean_power_w = group->time_s > 0 ? e->energy_j / group->time_s : NAN;
}

/* The order in which people think of them, outermost first. */
static int rank(jm_category category) {
    static const unsigned char ranks[] = {
        [JM_SESSION] = 0, [JM_PHASE] = 1, [JM_EPOCH] = 2, [JM_BATCH] = 3, [JM_WARMUP] = 4,
        [JM_USER] = 5,    [JM_NVTX] = 6,  [JM_LAYER] = 7, [JM_KERNEL] = 8};
    return (size_t)category < JMI_COUNT(ranks) ? ranks[category] : 9;
}

static int compare_groups(const void *left, const void *right) {
    const jmi_group *a = left, *b = right;
    if (a->category != b->category) return rank(a->category) - rank(b->category);
    if (a->energy.energy_j != b->energy.energy_j)
        return a->energy.energy_j > b->energy.energy_j ? -1 : 1;
    return (a->first_ns > b->first_ns) - (a->first_ns < b->first_ns);
}

/* ---- better sums ---- */

/* Windows of the calls, group by group: group i has those from first[i] to first[i + 1]. */
typedef struct call_windows {
    jm_window *windows;
    size_t *first;
} call_windows;

static bool collect_windows(const jm_recording *recording, const builder *b, call_windows *calls) {
    uint64_t total = jm_recording_range_count(recording);
    size_t *at = jmi_alloc(b->count + 1, sizeof *at);
    calls->first = jmi_alloc(b->count + 1, sizeof *calls->first);
    calls->windows = jmi_alloc((size_t)total + 1, sizeof *calls->windows);
    bool complete = at != NULL && calls->first != NULL && calls->windows != NULL;
    for (size_t i = 0; complete && i < b->count; i++) {
        at[i] = calls->first[i];
        calls->first[i + 1] = calls->first[i] + (size_t)b->list[i].group.calls;
    }
    for (uint64_t i = 0; complete && i < total; i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) != JM_OK) continue;
        size_t slot = *find_slot(b, range.category, range.name);
        if (slot == 0 || at[slot - 1] == calls->first[slot]) continue; /* came in the meantime */
        calls->windows[at[slot - 1]++] = (jm_window){range.begin_ns, range.end_ns};
    }
    free(at);
    return complete;
}

static int longer_first(const void *left, const void *right) {
    const sums *const *a = left, *const *b = right;
    return ((*a)->group.time_s < (*b)->group.time_s) - ((*a)->group.time_s > (*b)->group.time_s);
}

static void sum_well(const jm_recording *recording, const jm_energy_options *options, sums *s,
                     const jm_window *windows) {
    jm_energy better;
    jmi_group *group = &s->group;
    if (jm_energy_sum(recording, JM_DEVICE_TOTAL, windows, (size_t)group->calls, options, &better,
                      NULL) != JM_OK)
        return;
    if (!isfinite(better.energy_j) || !isfinite(better.u95_j)) return;
    group->energy = better;
}

/* Averaging over calls matters where the random part does. */
static bool gains(const sums *s) {
    if (s->group.calls < 2) return false;
    return s->group.bound_only > 0 || s->random2 > 0.1 * s->systematic * s->systematic;
}

/* Of the groups that gain by it, those that took the most time. */
static bool improve(const jm_recording *recording, const jm_energy_options *options, builder *b) {
    call_windows calls = {0};
    const sums **order = jmi_alloc(b->count + 1, sizeof *order);
    size_t several = 0;
    for (size_t i = 0; order != NULL && i < b->count; i++)
        if (gains(&b->list[i])) order[several++] = &b->list[i];
    bool complete = order != NULL && (several == 0 || collect_windows(recording, b, &calls));
    if (complete && several > 0) qsort(order, several, sizeof *order, longer_first);
    for (size_t i = 0; complete && i < several && i < SUMMED_WELL; i++) {
        size_t index = (size_t)(order[i] - b->list);
        sum_well(recording, options, &b->list[index], calls.windows + calls.first[index]);
    }
    free(order);
    free(calls.windows);
    free(calls.first);
    return complete;
}

int jmi_summary_groups(jmi_summary *summary, const jm_energy_options *options, jm_error *error) {
    builder b = {.error = error};
    const uint32_t total = JM_DEVICE_TOTAL;
    int status =
        jmi_ranges_visit(summary->recording, &total, 1, UINT64_MAX, options, add_range, &b, error);
    for (size_t i = 0; status == JM_OK && i < b.count; i++) finish(&b.list[i]);
    if (status == JM_OK && !improve(summary->recording, options, &b))
        status = jmi_fail(error, JM_MEMORY, "out of memory");
    summary->groups = jmi_alloc(b.count + 1, sizeof *summary->groups);
    if (status == JM_OK && summary->groups == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory");
    double total_j = summary->total.has_energy ? summary->total.energy.energy_j : NAN;
    for (size_t i = 0; status == JM_OK && i < b.count; i++) {
        jmi_group *group = &summary->groups[summary->group_count++];
        *group = b.list[i].group;
        group->share = total_j > 0 ? group->energy.energy_j / total_j : NAN;
    }
    if (summary->group_count > 0)
        qsort(summary->groups, summary->group_count, sizeof *summary->groups, compare_groups);
    free(b.list);
    free(b.slots);
    return status;
}
