#include "attribute/nesting.h"

#include <stdlib.h>
#include <string.h>

void jmi_nesting_free(jmi_nesting *nesting) {
    for (size_t i = 0; nesting->of != NULL && i < nesting->count; i++) free(nesting->of[i].inner);
    free(nesting->of);
    *nesting = (jmi_nesting){.count = 0};
}

static bool add_within(jmi_within *w, uint32_t column, double time_s) {
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->inner[middle].column < column)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == w->count || w->inner[low].column != column) {
        if (!jmi_reserve(&w->inner, &w->capacity, (size_t)w->count + 1, sizeof *w->inner))
            return false;
        memmove(&w->inner[low + 1], &w->inner[low], (w->count - low) * sizeof *w->inner);
        w->inner[low] = (struct jmi_inner){.column = column};
        w->count++;
    }
    w->inner[low].time_s += time_s;
    return true;
}

/* What is open while calls are gone through in their order. */
typedef struct around {
    uint32_t *call; /* outermost first */
    size_t calls;
    uint32_t *cls; /* of those that are told of, each once */
    size_t classes;
    uint32_t *open; /* of each class: so many */
} around;

static void step_out(const jmi_calls *calls, around *s, uint32_t parent) {
    while (s->calls > 0 && s->call[s->calls - 1] != parent) {
        const jmi_call *last = &calls->list[s->call[--s->calls]];
        if (last->told && --s->open[last->cls] == 0) s->classes--;
    }
}

static void step_in(const jmi_calls *calls, around *s, uint32_t call) {
    const jmi_call *c = &calls->list[call];
    s->call[s->calls++] = call;
    if (c->told && s->open[c->cls]++ == 0) s->cls[s->classes++] = c->cls;
}

/* A call adds its own time to all classes that are open around it, to each once. */
static bool add_to_classes(jmi_nesting *n, jmi_calls *calls, const jmi_layout *layout,
                           const around *s, const jmi_call *c) {
    for (size_t i = 0; i < s->classes; i++) {
        jmi_class *outer = &calls->classes[s->cls[i]];
        jmi_within *within = &n->of[s->cls[i]];
        if (s->cls[i] != c->cls && within->count == 0 && /* until now it had its own time only */
            !add_within(within, layout->column[s->cls[i]], outer->inclusive_share_s))
            return false;
        if (within->count > 0 && !add_within(within, layout->column[c->cls], c->share_s))
            return false;
        outer->inclusive_s += c->own_s;
        outer->inclusive_share_s += c->share_s;
    }
    return true;
}

bool jmi_nesting_find(jmi_nesting *nesting, jmi_calls *calls, const jmi_layout *layout) {
    size_t classes = calls->class_count;
    around s = {.call = jmi_alloc(calls->count, sizeof *s.call),
                .cls = jmi_alloc(classes, sizeof *s.cls),
                .open = jmi_alloc(classes, sizeof *s.open)};
    *nesting = (jmi_nesting){.of = jmi_alloc(classes, sizeof *nesting->of), .count = classes};
    bool good = s.call != NULL && s.cls != NULL && s.open != NULL && nesting->of != NULL;
    for (uint32_t i = 0; good && i < calls->count; i++) {
        step_out(calls, &s, calls->list[i].parent);
        step_in(calls, &s, i);
        good = add_to_classes(nesting, calls, layout, &s, &calls->list[i]);
    }
    free(s.call);
    free(s.cls);
    free(s.open);
    return good;
}
