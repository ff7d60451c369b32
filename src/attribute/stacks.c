/* The tree that parts stand in: a range's stack is its name below the stack of the range that it
 * lies in. What was inferred of each call is added up by stack. */
#include "attribute/around.h"
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 1000 };                     /* of recordings that are none of ours, or wrong */
static const uint32_t CLIMBING = UINT32_MAX; /* its node is being looked for: parents in a circle */

typedef struct node {
    jm_stack stack;
    uint32_t parent;         /* node; JM_NO_STACK: a root */
    uint32_t child, sibling; /* in order; JM_NO_STACK: none */
    uint32_t place;          /* among those that are told of */
} node;

struct jm_stacks {
    node *nodes;
    size_t count, capacity;
    uint32_t *order; /* nodes as they are told of, outer ones before inner ones */
    size_t told;
};

/* Where they are made. */
typedef struct making {
    jm_stacks *stacks;
    const jm_recording *recording;
    uint32_t *slots; /* node + 1, by parent and name; 0: empty */
    size_t slot_count;
    uint32_t *of_range; /* node + 1 of each range; 0: not known yet, or CLIMBING */
    uint64_t range_count;
    jmi_around around;
} making;

/* ---- nodes ---- */

static size_t home(const making *m, uint32_t parent, const char *name) {
    uint64_t hash = ((uintptr_t)name >> 3) * UINT64_C(0x9e3779b97f4a7c15) + parent;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(hash >> 32) & (m->slot_count - 1);
}

/* The slot of a node, or the empty one for it. Names of a recording are kept once. */
static size_t slot_of(const making *m, uint32_t parent, const char *name) {
    size_t slot = home(m, parent, name);
    for (; m->slots[slot] != 0; slot = (slot + 1) & (m->slot_count - 1)) {
        const node *n = &m->stacks->nodes[m->slots[slot] - 1];
        if (n->parent == parent && n->stack.name == name) break;
    }
    return slot;
}

static bool widen(making *m) {
    size_t count = m->slot_count > 0 ? 2 * m->slot_count : 1024;
    uint32_t *slots = jmi_alloc(count, sizeof *slots);
    if (slots == NULL) return false;
    free(m->slots);
    m->slots = slots;
    m->slot_count = count;
    for (size_t i = 0; i < m->stacks->count; i++) {
        const node *n = &m->stacks->nodes[i];
        m->slots[slot_of(m, n->parent, n->stack.name)] = (uint32_t)i + 1;
    }
    return true;
}

/* JM_NO_STACK: out of memory. */
static uint32_t node_of(making *m, uint32_t parent, const char *name) {
    jm_stacks *s = m->stacks;
    if (2 * s->count >= m->slot_count && !widen(m)) return JM_NO_STACK;
    size_t slot = slot_of(m, parent, name);
    if (m->slots[slot] != 0) return m->slots[slot] - 1;
    if (s->count >= JM_NO_STACK ||
        !jmi_reserve(&s->nodes, &s->capacity, s->count + 1, sizeof *s->nodes))
        return JM_NO_STACK;
    uint32_t depth = parent == JM_NO_STACK ? 0 : s->nodes[parent].stack.depth + 1;
    s->nodes[s->count] =
        (node){.stack = {.size = sizeof(jm_stack), .name = name, .parent = parent, .depth = depth},
               .parent = parent,
               .child = JM_NO_STACK,
               .sibling = JM_NO_STACK};
    m->slots[slot] = (uint32_t)++s->count;
    return (uint32_t)s->count - 1;
}

/* ---- stacks of ranges ---- */

/* What the range says that it lies in. */
static bool told_parent(const making *m, const jm_range *range, uint64_t *index) {
    return range->parent != 0 && range->parent != range->id &&
           jm_recording_find_range(m->recording, range->parent, index) == JM_OK;
}

/* The range that this one lies in: what it says itself, or what its times say if that is further
 * in. A kernel's layer says more than the range that launched it, which may have been open for the
 * whole model. */
static bool parent_of(const making *m, const jm_range *range, uint64_t self, uint64_t *index) {
    uint64_t around;
    jm_range told = JM_RANGE_INIT, found = JM_RANGE_INIT;
    bool tells = told_parent(m, range, index);
    if (!jmi_around_find(&m->around, range, self, &around)) return tells;
    if (tells && range->category != JM_CATEGORY_KERNEL &&
        jm_recording_range(m->recording, *index, &told) == JM_OK &&
        jm_recording_range(m->recording, around, &found) == JM_OK &&
        told.begin_ns >= found.begin_ns)
        return true;
    *index = around;
    return true;
}

/* The indices from a range outwards, as far as no stack is known. Returns their number. */
static size_t climb(const making *m, uint64_t index, uint64_t path[DEEPEST]) {
    size_t length = 0;
    while (length < DEEPEST && index < m->range_count && m->of_range[index] == 0) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(m->recording, index, &range) != JM_OK) break;
        path[length++] = index;
        m->of_range[index] = CLIMBING;
        if (!parent_of(m, &range, index, &index)) break;
    }
    return length;
}

/* The node of the range that this one lies in; JM_NO_STACK: none. The whole command is no frame. */
static uint32_t node_around(const making *m, const jm_range *range, uint64_t self) {
    uint64_t index;
    jm_range around = JM_RANGE_INIT;
    if (!parent_of(m, range, self, &index) || index >= m->range_count || m->of_range[index] == 0 ||
        m->of_range[index] == CLIMBING)
        return JM_NO_STACK;
    uint32_t found = m->of_range[index] - 1;
    if (jm_recording_range(m->recording, index, &around) != JM_OK) return JM_NO_STACK;
    return around.category == JM_CATEGORY_SESSION ? JM_NO_STACK : found;
}

/* JM_NO_STACK: out of memory. */
static uint32_t stack_of(making *m, uint64_t index) {
    uint64_t path[DEEPEST];
    size_t length = climb(m, index, path);
    for (size_t i = length; i-- > 0;) {
        jm_range range = JM_RANGE_INIT;
        jm_recording_range(m->recording, path[i], &range);
        uint32_t made = node_of(m, node_around(m, &range, path[i]), range.name);
        if (made == JM_NO_STACK) return JM_NO_STACK;
        m->of_range[path[i]] = made + 1;
    }
    return m->of_range[index] - 1;
}

/* The stack of a call: as that of its range, but that the part may be one of several that have its
 * name. */
static uint32_t stack_of_call(making *m, uint64_t index, const jm_range *range, const char *part) {
    uint64_t outer;
    if (strcmp(part, range->name) == 0) return stack_of(m, index);
    if (parent_of(m, range, index, &outer) && outer < m->range_count &&
        stack_of(m, outer) == JM_NO_STACK)
        return JM_NO_STACK;
    return node_of(m, node_around(m, range, index), part);
}

/* ---- energies ---- */

/* Of a call's share of its part: what is not known of the part is common to all its calls. */
static double uncertainty_of(const jm_part *part, double own_s) {
    const jm_energy *e = &part->energy;
    double u = e->u95_j;
    if (e->provenance & JM_BOUND_ONLY) u = fmax(e->upper_j - e->energy_j, e->energy_j - e->lower_j);
    return part->time_s > 0 ? u * own_s / part->time_s : 0;
}

static int add_calls(making *m, const jm_attribution *a, jm_error *error) {
    for (size_t i = 0; i < a->call_count; i++) {
        const jm_call *call = &a->calls[i];
        jm_range range = JM_RANGE_INIT;
        jm_part part = JM_PART_INIT;
        if (call->range >= m->range_count) continue;
        if (jm_recording_range(m->recording, call->range, &range) != JM_OK ||
            jm_attribution_part(a, call->part, &part) != JM_OK)
            return jmi_fail(error, JM_IO, "cannot read a range");
        uint32_t at = stack_of_call(m, call->range, &range, part.name);
        if (at == JM_NO_STACK) return jmi_fail(error, JM_MEMORY, "out of memory for stacks");
        jm_stack *s = &m->stacks->nodes[at].stack;
        s->calls++;
        s->time_s += call->own_s;
        s->energy_j += call->energy_j;
        s->u95_j += uncertainty_of(&part, call->own_s);
    }
    return JM_OK;
}

/* Inner nodes were made after those around them. */
static void add_up(jm_stacks *s) {
    for (size_t i = s->count; i-- > 0;) {
        jm_stack *one = &s->nodes[i].stack;
        one->inclusive_time_s += one->time_s;
        one->inclusive_j += one->energy_j;
        one->inclusive_u95_j += one->u95_j;
        if (s->nodes[i].parent == JM_NO_STACK) continue;
        jm_stack *outer = &s->nodes[s->nodes[i].parent].stack;
        outer->inclusive_time_s += one->inclusive_time_s;
        outer->inclusive_j += one->inclusive_j;
        outer->inclusive_u95_j += one->inclusive_u95_j;
    }
}

/* ---- order ---- */

typedef struct ranked {
    double energy_j;
    uint32_t node;
} ranked;

static int most_first(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->energy_j != b->energy_j) return a->energy_j > b->energy_j ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

/* Hangs nodes below their parents, the one with the most energy first; returns the first root. */
static uint32_t hang(jm_stacks *s, const ranked *list) {
    uint32_t root = JM_NO_STACK;
    for (size_t i = s->count; i-- > 0;) {
        uint32_t at = list[i].node, parent = s->nodes[at].parent;
        uint32_t *first = parent == JM_NO_STACK ? &root : &s->nodes[parent].child;
        s->nodes[at].sibling = *first;
        *first = at;
    }
    return root;
}

/* Outer ones before inner ones, the most energy first. */
static int put_in_order(jm_stacks *s, jm_error *error) {
    ranked *list = jmi_alloc(s->count + 1, sizeof *list);
    s->order = jmi_alloc(s->count + 1, sizeof *s->order);
    if (list == NULL || s->order == NULL) {
        free(list);
        return jmi_fail(error, JM_MEMORY, "out of memory for stacks");
    }
    for (size_t i = 0; i < s->count; i++)
        list[i] = (ranked){s->nodes[i].stack.inclusive_j, (uint32_t)i};
    qsort(list, s->count, sizeof *list, most_first);
    uint32_t at = hang(s, list);
    while (at != JM_NO_STACK) {
        node *n = &s->nodes[at];
        s->order[s->told] = at;
        n->stack.parent = n->parent == JM_NO_STACK ? JM_NO_STACK : s->nodes[n->parent].place;
        n->place = (uint32_t)s->told++;
        if (n->child != JM_NO_STACK) {
            at = n->child;
            continue;
        }
        while (at != JM_NO_STACK && s->nodes[at].sibling == JM_NO_STACK) at = s->nodes[at].parent;
        if (at != JM_NO_STACK) at = s->nodes[at].sibling;
    }
    free(list);
    return JM_OK;
}

/* ---- public ---- */

void jm_stacks_free(jm_stacks *stacks) {
    if (stacks == NULL) return;
    free(stacks->nodes);
    free(stacks->order);
    free(stacks);
}

int jm_stacks_make(jm_stacks **out, const jm_attribution *attribution,
                   const jm_recording *recording, jm_error *error) {
    if (out == NULL)
        return jmi_fail(error, JM_INVALID, "there is nowhere to put the stacks (NULL)");
    *out = NULL;
    if (attribution == NULL || recording == NULL)
        return jmi_fail(error, JM_INVALID, "an attribution and its recording are needed");
    making m = {.stacks = jmi_alloc(1, sizeof *m.stacks),
                .recording = recording,
                .range_count = jm_recording_range_count(recording)};
    m.of_range = jmi_alloc((size_t)m.range_count + 1, sizeof *m.of_range);
    int status = JM_OK;
    if (m.stacks == NULL || m.of_range == NULL || !jmi_around_read(&m.around, recording))
        status = jmi_fail(error, JM_MEMORY, "out of memory for stacks");
    if (status == JM_OK) status = add_calls(&m, attribution, error);
    if (status == JM_OK) {
        add_up(m.stacks);
        status = put_in_order(m.stacks, error);
    }
    jmi_around_free(&m.around);
    free(m.slots);
    free(m.of_range);
    if (status == JM_OK)
        *out = m.stacks;
    else
        jm_stacks_free(m.stacks);
    return status;
}

uint32_t jm_stacks_count(const jm_stacks *stacks) {
    return stacks != NULL ? (uint32_t)stacks->told : 0;
}

int jm_stacks_get(const jm_stacks *stacks, uint32_t index, jm_stack *stack) {
    if (stacks == NULL || stack == NULL) return JM_INVALID;
    if (index >= stacks->told) return JM_NOT_FOUND;
    return jmi_give_struct(stack, &stacks->nodes[stacks->order[index]].stack, sizeof *stack);
}
