/* What lies around what in time: all are walked through by their beginning, with a stack of what
 * has begun. That takes n log n however they nest. */
#include "report/enclose.h"

#include <stdlib.h>

enum { MOST_LOOKED_AT = 64 }; /* of the stack, for each: ranges that nest need one or two */

typedef struct item {
    uint32_t pid, thread;
    int64_t begin_ns, end_ns;
    uint32_t place; /* + 1 of an outer one; 0: an inner one */
    uint32_t *answer;
} item;

static int compare(const void *left, const void *right) {
    const item *a = left, *b = right;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if ((a->place == 0) != (b->place == 0)) return a->place == 0 ? 1 : -1; /* outer ones first */
    return (a->end_ns < b->end_ns) - (a->end_ns > b->end_ns);
}

static uint32_t look(const item *const *stack, size_t depth, int64_t end_ns) {
    size_t last = depth > MOST_LOOKED_AT ? depth - MOST_LOOKED_AT : 0;
    for (size_t i = depth; i > last; i--)
        if (stack[i - 1]->end_ns >= end_ns) return stack[i - 1]->place;
    return 0;
}

static void sweep(const item *items, size_t count, const item **stack) {
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        const item *it = &items[i];
        if (i > 0 && (it->pid != it[-1].pid || it->thread != it[-1].thread)) depth = 0;
        while (depth > 0 && stack[depth - 1]->end_ns < it->begin_ns) depth--;
        if (it->place != 0)
            stack[depth++] = it;
        else
            *it->answer = look(stack, depth, it->end_ns);
    }
}

static uint32_t *answer_of(jmi_unit *unit, jmi_enclosure by) {
    return by == JMI_BY_EPOCH ? &unit->epoch : &unit->phase;
}

static size_t list_items(const jmi_units *outer, jmi_units *inner, jmi_enclosure by,
                         bool of_threads, item *items) {
    size_t count = 0;
    for (size_t i = 0; i < inner->count; i++) {
        jmi_unit *unit = &inner->list[i];
        if (*answer_of(unit, by) != 0) continue;
        items[count++] = (item){
            unit->pid,          of_threads ? unit->thread : 0, unit->begin_ns, unit->end_ns, 0,
            answer_of(unit, by)};
    }
    if (count == 0) return 0;
    for (size_t i = 0; i < outer->count; i++) {
        const jmi_unit *unit = &outer->list[i];
        items[count++] = (item){unit->pid,       of_threads ? unit->thread : 0,
                                unit->begin_ns,  unit->end_ns,
                                (uint32_t)i + 1, NULL};
    }
    return count;
}

bool jmi_enclose(const jmi_units *outer, jmi_units *inner, jmi_enclosure by) {
    if (outer->count == 0 || inner->count == 0) return true;
    item *items = jmi_alloc(outer->count + inner->count, sizeof *items);
    const item **stack = jmi_alloc(outer->count, sizeof *stack);
    bool made = items != NULL && stack != NULL;
    for (int of_threads = 1; made && of_threads >= 0; of_threads--) {
        size_t count = list_items(outer, inner, by, of_threads != 0, items);
        if (count > 1) qsort(items, count, sizeof *items, compare);
        sweep(items, count, stack);
    }
    free(items);
    free(stack);
    return made;
}
