/* The iterations of a running command, found in the ranges and marks that it makes. */
#ifndef JM_CLI_LIMIT_TUNE_ITEMS_H
#define JM_CLI_LIMIT_TUNE_ITEMS_H

#include "cli.h"

enum { TUNE_KINDS = 48, TUNE_OPEN = 256 };

/* Ranges of a category, or of a name, or marks of a name, that may be what an iteration is. */
typedef struct tune_kind {
    int category; /* -1: a mark */
    char name[64];
    uint64_t ended;
    int64_t covered_ns; /* sum of their durations */
    int64_t first_ns, last_ns;
} tune_kind;

typedef struct tune_items {
    const jm_recording *recording;
    const char *wanted; /* by --items; NULL: whatever suits best */
    uint64_t next_range, next_mark;
    uint64_t open[TUNE_OPEN]; /* ranges that had not ended when they were looked at */
    size_t open_count;
    tune_kind kinds[TUNE_KINDS];
    size_t kind_count;
    int chosen;                    /* index of the kind; -1: none yet */
    uint64_t count;                /* of its items so far */
    int64_t last_end_ns, usual_ns; /* of the last of them; a usual time between two */
} tune_items;

/* Where items go. */
typedef void (*tune_item_fn)(void *user, int64_t begin_ns, int64_t end_ns);

void tune_items_open(tune_items *items, const jm_recording *recording, const char *wanted);
/* Looks at what is new in the recording: each item of the chosen kind goes to `take`. */
void tune_items_look(tune_items *items, tune_item_fn take, void *user);
/* Chooses what an iteration is, if there is enough to go by. True: it is another than before. */
bool tune_items_choose(tune_items *items);
/* Did the command do something else before this item (a validation, a checkpoint)? Then from the
 * end of the last one until `until_ns`. Of a mark nobody knows when the work on it began: what lies
 * before it is as long as the pause and the work, and the item counts with neither. */
bool tune_items_pause(const tune_items *items, int64_t begin_ns, int64_t end_ns, int64_t *until_ns);
/* The command begins anew: what it had open will not end. */
void tune_items_restart(tune_items *items);
/* "batch", "step": what one is called. */
const char *tune_items_name(const tune_items *items);

#endif
