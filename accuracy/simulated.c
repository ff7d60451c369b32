/* Error and coverage against the exact integral, on every kind of sensor, waveform and window. */
#include "accuracy.h"
#include "kinds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double lengths_s[] = {0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};

enum { LENGTHS = sizeof lengths_s / sizeof *lengths_s, BOARDS = 200, PER_LENGTH = 25 };
/* Fewer windows say too little of a cell. */
enum { ENOUGH = 1000 };

/* Windows of one sensor, waveform and length. */
typedef struct cell {
    size_t windows, covered, random_covered; /* estimates */
    size_t bounded, bound_covered;           /* too short to be estimated */
    double error, width;                     /* sums, relative to the truth */
} cell;

static void judge(cell *c, const jm_energy *e, double truth, double seen) {
    bool inside = truth >= e->lower_j && truth <= e->upper_j;
    if (e->provenance & JM_BOUND_ONLY) {
        c->bounded++;
        c->bound_covered += inside;
        return;
    }
    double error = fabs(e->energy_j - seen);
    c->windows++;
    c->covered += inside;
    c->random_covered += error <= 1.96 * e->u_random_j + 1e-9;
    c->error += error / seen;
    c->width += e->u95_j / truth;
}

static void one_board(const kind *k, const char *waveform, size_t index, cell cells[LENGTHS]) {
    static jm_window windows[LENGTHS * PER_LENGTH];
    static jm_energy out[LENGTHS * PER_LENGTH];
    const size_t count = LENGTHS * PER_LENGTH;
    trial t;
    trial_open(&t, k, waveform, index, BOARDS);
    for (size_t i = 0; i < count; i++) {
        double length = lengths_s[i / PER_LENGTH];
        double begin =
            TRIAL_BEGIN_S + virtual_uniform(&t.random, 1.5, TRIAL_LENGTH_S - 1.5 - length);
        windows[i].begin_ns = (int64_t)(begin * 1e9);
        windows[i].end_ns = windows[i].begin_ns + (int64_t)(length * 1e9);
    }
    jm_error error;
    if (jm_energy_windows(t.recording, 0, windows, count, NULL, out, &error) != JM_OK) {
        fprintf(stderr, "jm-accuracy: %s: %s\n", t.load, error.message);
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        double truth = trial_truth(&t, &windows[i]);
        judge(&cells[i / PER_LENGTH], &out[i], truth, trial_seen(&t, truth, out[i].duration_s));
    }
    trial_close(&t);
}

static double share(size_t part, size_t whole) {
    return whole > 0 ? 100.0 * (double)part / (double)whole : NAN;
}

static double mean_error(const cell *c) {
    return c->windows > 0 ? 100 * c->error / (double)c->windows : NAN;
}

/* Where there are too few estimates, bounds count with them. */
static double coverage(const cell *c) {
    if (c->windows >= ENOUGH) return share(c->covered, c->windows);
    return share(c->covered + c->bound_covered, c->windows + c->bounded);
}

/* ---- what is printed: a matrix for reading, and rows with their targets ---- */

static void print_row(const kind *k, const char *waveform, const cell cells[LENGTHS]) {
    printf("%-20s %-9s", k->name, waveform);
    for (int i = 0; i < LENGTHS; i++) {
        const cell *c = &cells[i];
        if (c->windows > 0)
            printf(" | %5.1f %5.1f %6.2f %6.1f", share(c->covered, c->windows),
                   share(c->random_covered, c->windows), mean_error(c),
                   100 * c->width / (double)c->windows);
        else
            printf(" | bound %5.1f %13s", share(c->bound_covered, c->bounded), "");
    }
    printf("\n");
    fflush(stdout);
}

static void print_head(void) {
    printf("Each cell: coverage of the 95 %% interval in %%, coverage of its random part, mean "
           "|error| in %%, mean\nuncertainty in %%. bound: too short to be measured, the share of "
           "bounds that hold.\n%-30s",
           "");
    for (int i = 0; i < LENGTHS; i++) printf(" | %23g s ", lengths_s[i]);
    printf("\n");
}

static void add_cell(cell *sum, const cell *c) {
    sum->windows += c->windows;
    sum->covered += c->covered;
    sum->random_covered += c->random_covered;
    sum->bounded += c->bounded;
    sum->bound_covered += c->bound_covered;
    sum->error += c->error;
}

static void report_coverage(rows *all, const kind *k, const char *waveform,
                            const cell cells[LENGTHS]) {
    char name[128];
    double lowest = 100;
    for (int i = 0; i < LENGTHS; i++) lowest = fmin(lowest, coverage(&cells[i]));
    snprintf(name, sizeof name, "coverage %s, %s, lowest", k->name, waveform);
    row_goal goal = kind_unknowable(k, waveform) ? ROW_NO_GOAL : ROW_AT_LEAST;
    rows_add(all, &(row){.name = name, .value = lowest, .unit = "%", .goal = goal, .target = 90});
}

/* From five refreshes on, each length by itself where the sensor sees all of the time. */
static void report_error(rows *all, const kind *k, const char *waveform,
                         const cell cells[LENGTHS]) {
    char name[128];
    cell whole = {0};
    for (int i = 0; i < LENGTHS; i++) {
        if (lengths_s[i] < 4.99 * k->refresh_s) continue;
        add_cell(&whole, &cells[i]);
        if (!k->contiguous) continue;
        snprintf(name, sizeof name, "error %s, %s, %g s", k->name, waveform, lengths_s[i]);
        rows_add(all, &(row){.name = name,
                             .unit = "%",
                             .goal = ROW_AT_MOST,
                             .target = 0.5,
                             .value = mean_error(&cells[i])});
    }
    snprintf(name, sizeof name, "error %s, %s, >= 5 T", k->name, waveform);
    if (!k->contiguous)
        rows_add(all, &(row){.name = name, .unit = "%", .value = mean_error(&whole)});
}

typedef struct result {
    int kind, waveform;
    cell cells[LENGTHS];
} result;

/* Of all loads whose interval can hold, for the picture in docs/measurements.md. */
static void report_kinds(rows *all, const result *results, size_t count) {
    for (size_t i = 0; i < count;) {
        const kind *k = &kinds[results[i].kind];
        cell sum = {0};
        char name[128];
        for (; i < count && &kinds[results[i].kind] == k; i++)
            for (int l = 0; l < LENGTHS && !kind_unknowable(k, waveforms[results[i].waveform]); l++)
                add_cell(&sum, &results[i].cells[l]);
        snprintf(name, sizeof name, "coverage %s, all", k->name);
        rows_add(all, &(row){.name = name,
                             .unit = "%",
                             .value = share(sum.covered, sum.windows),
                             .of = (double)sum.windows});
    }
}

static void report_overall(rows *all, const cell *total) {
    rows_add(all, &(row){.name = "coverage overall",
                         .unit = "%",
                         .goal = ROW_WITHIN,
                         .value = share(total->covered, total->windows),
                         .target = 93,
                         .target_high = 97});
    rows_add(all, &(row){.name = "coverage of bounds",
                         .unit = "%",
                         .goal = ROW_AT_LEAST,
                         .value = share(total->bound_covered, total->bounded),
                         .target = 95});
    rows_add(all, &(row){.name = "coverage of the random part",
                         .unit = "%",
                         .value = share(total->random_covered, total->windows)});
    rows_add(all, &(row){.name = "windows judged",
                         .unit = "",
                         .value = (double)(total->windows + total->bounded)});
}

static bool wanted(rows *all, const kind *k, const char *waveform) {
    char name[128];
    snprintf(name, sizeof name, "coverage %s, %s, lowest error %s, %s, >= 5 T", k->name, waveform,
             k->name, waveform);
    return rows_want(all, name);
}

static size_t measure(rows *all, bool whole, result *results, cell *total) {
    size_t count = 0;
    for (int k = 0; k < KINDS; k++)
        for (int w = 0; w < WAVEFORMS; w++) {
            if (!whole && !wanted(all, &kinds[k], waveforms[w])) continue;
            result *r = &results[count];
            *r = (result){.kind = k, .waveform = w};
            for (size_t i = 0; i < BOARDS; i++) one_board(&kinds[k], waveforms[w], i, r->cells);
            if (count++ == 0) print_head();
            print_row(&kinds[k], waveforms[w], r->cells);
            for (int i = 0; i < LENGTHS && !kind_unknowable(&kinds[k], waveforms[w]); i++)
                add_cell(total, &r->cells[i]);
        }
    return count;
}

void accuracy_simulated(rows *all) {
    static result results[KINDS * WAVEFORMS];
    cell total = {0};
    bool whole = rows_want(all, "coverage overall") || rows_want(all, "coverage of bounds");
    size_t count = measure(all, whole, results, &total);
    if (count > 0) printf("\n");
    for (size_t i = 0; i < count; i++) {
        const kind *k = &kinds[results[i].kind];
        report_coverage(all, k, waveforms[results[i].waveform], results[i].cells);
        report_error(all, k, waveforms[results[i].waveform], results[i].cells);
    }
    if (whole) report_kinds(all, results, count);
    if (whole) report_overall(all, &total);
}
