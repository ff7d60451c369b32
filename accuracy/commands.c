/* Commands of a fraction of a second: all that was recorded are a few readings, the first of them
 * taken when the command had just begun, the last when it had just ended. */
#include "accuracy.h"
#include "kinds.h"

#include <stdio.h>
#include <string.h>

enum { BOARDS = 200, LENGTHS = 4 };
static const double lengths_s[LENGTHS] = {0.1, 0.2, 0.5, 1};

typedef struct tally {
    size_t windows, covered, bounded;
    double width; /* sum, relative to the truth */
} tally;

static void one_command(const kind *k, const char *load, size_t index, double length_s,
                        tally *sum) {
    trial t;
    jm_window command;
    jm_energy e;
    trial_open_command(&t, k, load, index, BOARDS, length_s, &command);
    double truth = trial_truth(&t, &command);
    if (jm_energy_windows(t.recording, 0, &command, 1, NULL, &e, NULL) == JM_OK) {
        sum->covered += truth >= e.lower_j && truth <= e.upper_j;
        sum->bounded += (e.provenance & JM_BOUND_ONLY) != 0;
        sum->width += e.u95_j / truth;
        sum->windows++;
    }
    trial_close(&t);
}

static void report(rows *all, const char *name, const tally *sum) {
    char text[128];
    double windows = (double)sum->windows;
    snprintf(text, sizeof text, "%s, coverage", name);
    rows_add(all, &(row){.name = text,
                         .unit = "%",
                         .goal = ROW_AT_LEAST,
                         .target = 90,
                         .value = 100 * (double)sum->covered / windows});
    snprintf(text, sizeof text, "%s, bounds only", name);
    rows_add(all, &(row){.name = text, .unit = "%", .value = 100 * (double)sum->bounded / windows});
    snprintf(text, sizeof text, "%s, uncertainty", name);
    rows_add(all, &(row){.name = text, .unit = "%", .value = 100 * sum->width / windows});
}

static void one_kind(rows *all, const kind *k, const char *load) {
    char name[96], rows_of_it[400];
    for (int i = 0; i < LENGTHS; i++) {
        tally sum = {0};
        snprintf(name, sizeof name, "command of %g s, %s, %s", lengths_s[i], k->name, load);
        snprintf(rows_of_it, sizeof rows_of_it, "%s, coverage %s, bounds only %s, uncertainty",
                 name, name, name);
        if (!rows_want(all, rows_of_it)) continue;
        for (size_t b = 0; b < BOARDS; b++) one_command(k, load, b, lengths_s[i], &sum);
        report(all, name, &sum);
    }
}

void accuracy_commands(rows *all) {
    for (int k = 0; k < KINDS; k++) {
        if (kinds[k].ranges) continue;
        for (int w = 0; w < WAVEFORMS; w++)
            if (!kind_unknowable(&kinds[k], waveforms[w])) one_kind(all, &kinds[k], waveforms[w]);
        one_kind(all, &kinds[k], "step");
    }
}
