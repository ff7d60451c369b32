#include "limit_tune_items.h"

#include <stdio.h>
#include <string.h>

enum { ENOUGH = 3 }; /* of a kind, to believe that it comes again and again */

void tune_items_open(tune_items *items, const jm_recording *recording, const char *wanted) {
    *items = (tune_items){.recording = recording, .wanted = wanted, .chosen = -1};
}

/* ---- kinds ---- */

/* Batches and epochs are numbered by some: it is their category that comes again. */
static bool goes_by_category(int category) {
    return category == JM_CATEGORY_BATCH || category == JM_CATEGORY_EPOCH;
}

static tune_kind *kind_of(tune_items *items, int category, const char *name) {
    if (category >= 0 && goes_by_category(category)) name = jm_category_name(category);
    for (size_t i = 0; i < items->kind_count; i++) {
        tune_kind *kind = &items->kinds[i];
        if (kind->category == category && strncmp(kind->name, name, sizeof kind->name - 1) == 0)
            return kind;
    }
    if (items->kind_count == TUNE_KINDS) return NULL; /* names that never come again fill it up */
    tune_kind *kind = &items->kinds[items->kind_count++];
    *kind = (tune_kind){.category = category};
    snprintf(kind->name, sizeof kind->name, "%s", name);
    return kind;
}

/* The lower the more likely an iteration; negative: never one. */
static int rank_of(const tune_kind *kind) {
    switch (kind->category) {
    case JM_CATEGORY_BATCH: return 0;
    case JM_CATEGORY_USER:
    case JM_CATEGORY_NVTX: return 1;
    case JM_CATEGORY_PHASE: return 2;
    case -1: return 3;
    case JM_CATEGORY_EPOCH: return 4;
    case JM_CATEGORY_LAYER: return 5;
    case JM_CATEGORY_KERNEL: return 6;
    default: return -1;
    }
}

static bool is_wanted(const tune_items *items, const tune_kind *kind) {
    if (items->wanted == NULL) return rank_of(kind) >= 0;
    return strcmp(items->wanted, kind->name) == 0 ||
           (kind->category >= 0 && strcmp(items->wanted, jm_category_name(kind->category)) == 0);
}

/* Of equals the one that takes most of the time holds the others within it. */
static bool is_better(const tune_kind *a, const tune_kind *b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
    if (a->covered_ns != b->covered_ns) return a->covered_ns > b->covered_ns;
    return a->ended > b->ended;
}

bool tune_items_choose(tune_items *items) {
    int best = -1;
    for (size_t i = 0; i < items->kind_count; i++) {
        const tune_kind *kind = &items->kinds[i];
        if (kind->ended < ENOUGH || !is_wanted(items, kind)) continue;
        if (best < 0 || is_better(kind, &items->kinds[best])) best = (int)i;
    }
    if (best == items->chosen || best < 0) return false;
    const tune_kind *kind = &items->kinds[best];
    items->chosen = best;
    items->count = 0;
    items->last_end_ns = kind->last_ns;
    items->usual_ns = (kind->last_ns - kind->first_ns) / (int64_t)(kind->ended - 1);
    return true;
}

const char *tune_items_name(const tune_items *items) {
    return items->chosen < 0 ? "item" : items->kinds[items->chosen].name;
}

bool tune_items_pause(const tune_items *items, int64_t begin_ns, int64_t end_ns,
                      int64_t *until_ns) {
    enum { LONG_NS = 250000000 };
    int64_t last = items->last_end_ns;
    int64_t longest = 8 * items->usual_ns > LONG_NS ? 8 * items->usual_ns : LONG_NS;
    *until_ns = begin_ns < end_ns ? begin_ns : end_ns;
    return last > 0 && *until_ns - last > longest;
}

/* ---- what is new ---- */

static void take_end(tune_items *items, int category, const char *name, int64_t begin, int64_t end,
                     tune_item_fn take, void *user) {
    tune_kind *kind = kind_of(items, category, name);
    if (kind == NULL) return;
    if (kind->ended++ == 0) kind->first_ns = end;
    kind->covered_ns += end - begin;
    if (end > kind->last_ns) kind->last_ns = end;
    if (kind - items->kinds != items->chosen) return;
    items->count++;
    take(user, begin, end);
    if (end > items->last_end_ns) {
        int64_t between = end - items->last_end_ns;
        if (between < 4 * items->usual_ns) items->usual_ns += (between - items->usual_ns) / 8;
        items->last_end_ns = end;
    }
}

/* False: it goes on. */
static bool take_range(tune_items *items, uint64_t index, tune_item_fn take, void *user) {
    jm_range range = JM_RANGE_INIT;
    if (jm_recording_range(items->recording, index, &range) != JM_OK) return true;
    if (range.unfinished) return false;
    take_end(items, (int)range.category, range.name, range.begin_ns, range.end_ns, take, user);
    return true;
}

static void look_again(tune_items *items, tune_item_fn take, void *user) {
    size_t left = 0;
    for (size_t i = 0; i < items->open_count; i++)
        if (!take_range(items, items->open[i], take, user)) items->open[left++] = items->open[i];
    items->open_count = left;
}

void tune_items_look(tune_items *items, tune_item_fn take, void *user) {
    uint64_t ranges = jm_recording_range_count(items->recording);
    uint64_t marks = jm_recording_mark_count(items->recording);
    look_again(items, take, user);
    for (; items->next_range < ranges; items->next_range++) {
        if (take_range(items, items->next_range, take, user)) continue;
        if (items->open_count < TUNE_OPEN) items->open[items->open_count++] = items->next_range;
    }
    for (; items->next_mark < marks; items->next_mark++) {
        jm_mark_info mark = {.size = sizeof mark};
        if (jm_recording_mark(items->recording, items->next_mark, &mark) != JM_OK) continue;
        take_end(items, -1, mark.name, mark.t_ns, mark.t_ns, take, user);
    }
}

void tune_items_restart(tune_items *items) {
    items->open_count = 0;
    items->last_end_ns = 0;
}
