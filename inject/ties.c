/* Which ranges a thread has open. CUPTI is told of them, so that what the thread launches is tied
 * to the innermost one: those of NVTX, and those of programs that use joulemeter's own interface,
 * whose library calls the two functions that are exported here. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEEPEST = 256, /* what is launched further in is tied to the range at this depth */
    ENDED = 256
};

typedef struct ties {
    uint64_t open[DEEPEST]; /* innermost last */
    uint32_t depth;
    uint32_t told; /* so many CUPTI knows of */
} ties;

bool ties_wanted;
static __thread ties self;
static _Atomic uint64_t
    ended[ENDED]; /* ranges that other threads ended than those that began them */

void ties_prepare(void) {
    const char *wanted = getenv("JOULEMETER_KERNELS");
    ties_wanted = wanted != NULL && wanted[0] != '\0';
}

/* CUPTI's own stack can be taken from at its end alone. */
static void take_back(ties *t, uint32_t depth) {
    for (; t->told > depth; t->told--) cupti_pop();
}

static void tell(ties *t) {
    if (!cupti_correlates()) return;
    for (; t->told < t->depth; t->told++) cupti_push(t->open[t->told]);
}

void ties_tell(void) {
    tell(&self);
}

static bool was_ended(uint64_t range) {
    return atomic_load_explicit(&ended[range % ENDED], memory_order_relaxed) == range;
}

static void drop_ended(ties *t) {
    while (t->depth > 0 && was_ended(t->open[t->depth - 1])) take_back(t, --t->depth);
}

void ties_begin(uint64_t range) {
    ties *t = &self;
    if (range == 0) return;
    drop_ended(t);
    if (t->depth < DEEPEST) t->open[t->depth++] = range;
    tell(t);
}

/* Ranges of several domains, and of joulemeter's own interface, need not end in turn. */
void ties_end(uint64_t range) {
    ties *t = &self;
    uint32_t at = t->depth;
    if (range == 0) return;
    while (at > 0 && t->open[at - 1] != range) at--;
    if (at == 0) {
        atomic_store_explicit(&ended[range % ENDED], range, memory_order_relaxed);
        return;
    }
    take_back(t, at - 1);
    memmove(&t->open[at - 1], &t->open[at], (t->depth - at) * sizeof *t->open);
    t->depth--;
    drop_ended(t);
    tell(t);
}

__attribute__((visibility("default"))) void joulemeter_range_begins(uint64_t range);
__attribute__((visibility("default"))) void joulemeter_range_begins(uint64_t range) {
    if (inject_session() != NULL && ties_wanted) ties_begin(range);
}

__attribute__((visibility("default"))) void joulemeter_range_ends(uint64_t range);
__attribute__((visibility("default"))) void joulemeter_range_ends(uint64_t range) {
    if (ties_wanted) ties_end(range);
}
