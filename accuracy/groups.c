/* Sums of many short windows (jm_energy_groups): all batches, all calls of a kernel. */
#include "accuracy.h"
#include "kinds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOARDS = 50, GROUPS = 20, WINDOWS = 64 };
static const double SHORT_S = 0.02;
static const char *const loads[] = {"square", "training", "locked"};

/* How the windows of a group lie to the load. */
typedef enum placing { SCATTERED, IN_STEP, PLACINGS } placing;
static const char *const placing_names[] = {"scattered", "in step"};

typedef struct tally {
    size_t groups, covered, bounded;
    double error, width; /* sums, relative to the truth */
} tally;

/* Anywhere, whatever the load does then. */
static size_t scatter(trial *t, jm_window *windows, uint32_t *group) {
    size_t count = (size_t)GROUPS * WINDOWS;
    for (size_t i = 0; i < count; i++) {
        double begin = TRIAL_BEGIN_S + virtual_uniform(&t->random, 1.5, TRIAL_LENGTH_S - 2);
        windows[i].begin_ns = (int64_t)(begin * 1e9);
        windows[i].end_ns = windows[i].begin_ns + (int64_t)(SHORT_S * 1e9);
        group[i] = (uint32_t)(i / WINDOWS);
    }
    return count;
}

/* A batch after the other, each where the load is high: of these no two lie otherwise to it. */
static size_t follow_load(const trial *t, jm_window *windows, uint32_t *group) {
    int64_t begin = (TRIAL_BEGIN_S + 2) * INT64_C(1000000000);
    int64_t end = (TRIAL_BEGIN_S + TRIAL_LENGTH_S - 2) * INT64_C(1000000000);
    size_t count = 0, most = (size_t)GROUPS * WINDOWS;
    for (int64_t at = begin; at < end && count < most;) {
        struct simgpu_piece piece;
        simgpu_board_piece(t->board, at, &piece);
        if (piece.begin_w > 150 && piece.begin_ns > begin) { /* low is 130 at most, high 180 */
            windows[count] = (jm_window){piece.begin_ns, piece.end_ns};
            group[count] = (uint32_t)(count / WINDOWS);
            count++;
        }
        at = piece.end_ns;
    }
    return count - count % WINDOWS; /* whole groups */
}

static void judge(tally *sum, const trial *t, const jm_window *windows, const jm_energy *e) {
    double truth = 0;
    for (size_t i = 0; i < WINDOWS; i++) truth += trial_truth(t, &windows[i]);
    double seen = trial_seen(t, truth, e->duration_s);
    sum->groups++;
    sum->covered += truth >= e->lower_j && truth <= e->upper_j;
    sum->bounded += (e->provenance & JM_BOUND_ONLY) != 0;
    sum->error += fabs(e->energy_j - seen) / seen;
    sum->width += e->u95_j / truth;
}

static void one_board(const kind *k, const char *load, size_t index, tally sums[PLACINGS]) {
    static jm_window windows[GROUPS * WINDOWS];
    static uint32_t group[GROUPS * WINDOWS];
    jm_energy out[GROUPS];
    trial t;
    trial_open(&t, k, load, index, BOARDS);
    for (int p = 0; p < PLACINGS; p++) {
        if (p == IN_STEP && strcmp(load, "training") == 0) continue; /* it has no step */
        size_t count =
            p == SCATTERED ? scatter(&t, windows, group) : follow_load(&t, windows, group);
        size_t groups = count / WINDOWS;
        if (jm_energy_groups(t.recording, 0, windows, group, count, NULL, out, groups, NULL) !=
            JM_OK)
            continue;
        for (size_t g = 0; g < groups; g++) judge(&sums[p], &t, windows + g * WINDOWS, &out[g]);
    }
    trial_close(&t);
}

static void report(rows *all, const kind *k, const char *load, int p, const tally *sum) {
    char name[128];
    double groups = (double)sum->groups;
    bool goal = !kind_unknowable(k, load);
    if (sum->groups == 0) return;
    snprintf(name, sizeof name, "sums %s, %s, %s, coverage", k->name, load, placing_names[p]);
    rows_add(all, &(row){.name = name,
                         .unit = "%",
                         .goal = goal ? ROW_AT_LEAST : ROW_NO_GOAL,
                         .target = 90,
                         .value = 100 * (double)sum->covered / groups});
    snprintf(name, sizeof name, "sums %s, %s, %s, error", k->name, load, placing_names[p]);
    rows_add(all, &(row){.name = name, .unit = "%", .value = 100 * sum->error / groups});
    snprintf(name, sizeof name, "sums %s, %s, %s, uncertainty", k->name, load, placing_names[p]);
    rows_add(all, &(row){.name = name, .unit = "%", .value = 100 * sum->width / groups});
}

static bool wanted(rows *all, const kind *k, const char *load) {
    char name[256];
    snprintf(name, sizeof name,
             "sums %s, %s, scattered, coverage sums %s, %s, in step, coverage, error, uncertainty",
             k->name, load, k->name, load);
    return rows_want(all, name);
}

void accuracy_groups(rows *all) {
    for (int k = 0; k < KINDS; k++)
        for (size_t w = 0; w < sizeof loads / sizeof *loads; w++) {
            tally sums[PLACINGS] = {{0}};
            if (!wanted(all, &kinds[k], loads[w])) continue;
            for (size_t i = 0; i < BOARDS; i++) one_board(&kinds[k], loads[w], i, sums);
            for (int p = 0; p < PLACINGS; p++) report(all, &kinds[k], loads[w], p, &sums[p]);
        }
}
