/* Error and coverage against the exact integral, on every kind of sensor, waveform and window. */
#include "accuracy.h"
#include "virtual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kind {
    const char *name;
    const char *board; /* model and sensor keys */
    uint32_t sensors;
    int64_t poll_ns;
    double refresh_s;
    bool contiguous; /* sees all of the time */
    bool part_time;  /* sees a share of it only */
    bool ranges;     /* the load's own edges are known */
} kind;

static const kind kinds[] = {
    {"counter 100 ms", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false, false},
    {"counter 30 ms", "a100", VIRTUAL_COUNTER, 2000000, 0.03, true, false, false},
    {"counter 1 ms", "v100", VIRTUAL_COUNTER, 20000000, 0.02, true, false, false},
    {"W 100 T 100 ms", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false, false},
    {"W 10 T 20 ms", "v100", VIRTUAL_INSTANT, 2000000, 0.02, false, true, false},
    {"W 25 T 101 ms", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true, false},
    {"W 1 s T 100 ms", "h100", VIRTUAL_PLAIN, 2000000, 1, false, false, false},
    {"counter + W 25", "h100", VIRTUAL_COUNTER | VIRTUAL_INSTANT, 2000000, 0.1, true, false, false},
    {"W 100 T 100, ranges", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false, true},
    {"W 25 T 101, ranges", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true, true},
    {"counter 100, ranges", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false, true},
};

static const char *const waveforms[] = {"constant",  "square",   "sawtooth",
                                        "telegraph", "training", "locked"};
static const double lengths_s[] = {0.01, 0.05, 0.1, 0.5, 1, 3, 10, 60};

enum { RECORDINGS = 100, PER_LENGTH = 20 };
enum { KINDS = sizeof kinds / sizeof *kinds, WAVEFORMS = 6, LENGTHS = 8 };

typedef struct cell {
    size_t windows, covered, random_covered, bounded, bound_covered;
    double error, squares, truth; /* of estimates */
    double width;                 /* sum of u95 / truth */
} cell;

static void waveform_text(const char *waveform, double refresh_s, uint64_t *random, char *text,
                          size_t size) {
    double low = virtual_uniform(random, 60, 130), high = virtual_uniform(random, 180, 290);
    if (strcmp(waveform, "constant") == 0)
        snprintf(text, size, "constant:%.3f", virtual_uniform(random, 60, 290));
    else if (strcmp(waveform, "square") == 0)
        snprintf(text, size, "square:%.3f:%.3f:%.6f:%.4f", low, high,
                 virtual_log_uniform(random, 0.02, 5), virtual_uniform(random, 0.3, 0.7));
    else if (strcmp(waveform, "locked") == 0) /* a whole number of refreshes in whole periods */
        snprintf(text, size, "square:%.3f:%.3f:%.9f:%.4f", low, high,
                 refresh_s / (double)(1 + virtual_random(random) % 4),
                 virtual_uniform(random, 0.3, 0.7));
    else if (strcmp(waveform, "sawtooth") == 0)
        snprintf(text, size, "sawtooth:%.3f:%.3f:%.6f", low, high,
                 virtual_log_uniform(random, 0.05, 5));
    else if (strcmp(waveform, "telegraph") == 0)
        snprintf(text, size, "telegraph:%.3f:%.3f:%.6f", low, high,
                 virtual_log_uniform(random, 0.02, 2));
    else
        snprintf(text, size, "training:%u", (unsigned)(virtual_random(random) % 100000));
}

static void judge(cell *c, const jm_energy *e, double truth, double gain, double offset_w) {
    bool inside = truth >= e->lower_j && truth <= e->upper_j;
    if (e->provenance & JM_BOUND_ONLY) {
        c->bounded++;
        c->bound_covered += inside;
        return;
    }
    double seen = gain * truth + offset_w * e->duration_s; /* what a perfect reader would get */
    double error = e->energy_j - seen;
    c->windows++;
    c->covered += inside;
    c->random_covered += fabs(error) <= 1.96 * e->u_random_j + 1e-9;
    c->error += fabs(error) / seen;
    c->squares += error * error;
    c->width += e->u95_j / truth;
}

/* Normal quantiles, in an order that mixes them: a hundred boards stand for all of them. */
static double stratum(size_t i, size_t step) {
    double p = ((double)(i * step % RECORDINGS) + 0.5) / RECORDINGS, x = 0;
    for (int round = 0; round < 60; round++) /* Newton on the normal distribution */
        x -= (0.5 * erfc(-x / sqrt(2)) - p) / (exp(-x * x / 2) / sqrt(2 * 3.14159265358979));
    return x;
}

static void one_recording(const kind *k, const char *waveform, size_t seed, cell cells[LENGTHS]) {
    uint64_t random = (uint64_t)(seed + 1) * 7919 + 13;
    const size_t per_length = PER_LENGTH;
    char shape[128], spec[512];
    waveform_text(waveform, k->refresh_s, &random, shape, sizeof shape);
    double gain = 1 + 0.03 * stratum(seed, 37), offset = 4 * stratum(seed, 59);
    snprintf(spec, sizeof spec, "%s,%s%s,gain=%.6f,offset=%.4f,seed=%u,phase=%.4f", k->board, shape,
             k->refresh_s == 0.02 && k->sensors == VIRTUAL_COUNTER ? ",counter_T=1ms" : "", gain,
             offset, (unsigned)(virtual_random(&random) % 1000000),
             virtual_uniform(&random, 0, 10));
    virtual_plan plan = {.spec = spec,
                         .sensors = k->sensors,
                         .poll_ns = k->poll_ns,
                         .begin_ns = 5000000000,
                         .length_ns = 76000000000,
                         .ranges = k->ranges,
                         .seed = seed};
    struct simgpu_board *board;
    jm_recording *recording = virtual_record(&plan, &board);
    size_t count = LENGTHS * per_length;
    jm_window *windows = calloc(count, sizeof *windows);
    jm_energy *out = calloc(count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        double length = lengths_s[i / per_length];
        double begin = 5 + virtual_uniform(&random, 1.5, 74.5 - length);
        windows[i].begin_ns = (int64_t)(begin * 1e9);
        windows[i].end_ns = windows[i].begin_ns + (int64_t)(length * 1e9);
    }
    jm_error error;
    if (jm_energy_windows(recording, 0, windows, count, NULL, out, &error) != JM_OK) {
        fprintf(stderr, "jm-accuracy: %s: %s\n", spec, error.message);
        exit(1);
    }
    for (size_t i = 0; i < count; i++)
        judge(&cells[i / per_length], &out[i],
              simgpu_board_energy(board, windows[i].begin_ns, windows[i].end_ns), gain, offset);
    free(windows);
    free(out);
    jm_recording_free(recording);
    simgpu_board_free(board);
}

static double share(size_t part, size_t whole) {
    return whole > 0 ? 100.0 * (double)part / (double)whole : NAN;
}

/* ---- what is printed: a matrix for reading, and rows with their targets ---- */

static void print_row(const kind *k, const char *waveform, const cell cells[LENGTHS]) {
    printf("%-20s %-9s", k->name, waveform);
    for (int i = 0; i < LENGTHS; i++) {
        const cell *c = &cells[i];
        if (c->windows > 0)
            printf(" | %5.1f %5.1f %6.2f", share(c->covered, c->windows),
                   share(c->random_covered, c->windows), 100 * c->error / (double)c->windows);
        else
            printf(" | bound %5.1f %6s", share(c->bound_covered, c->bounded), "");
    }
    printf("\n");
    fflush(stdout);
}

static void print_head(void) {
    printf("Each cell: coverage of the 95 %% interval in %%, coverage of its random part, mean "
           "|error| in %%.\nbound: too short to be measured, the share of bounds that hold.\n%-30s",
           "");
    for (int i = 0; i < LENGTHS; i++) printf(" | %16g s ", lengths_s[i]);
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

/* No software can tell a load that keeps step with a part-time sensor from a steady one, unless it
 * is told when the load ran: these windows are shown, and kept out of what is claimed. */
static bool unknowable(const kind *k, const char *waveform) {
    return strcmp(waveform, "locked") == 0 && k->part_time && !k->ranges;
}

static void report(rows *all, const kind *k, const char *waveform, const cell cells[LENGTHS]) {
    char name[128];
    double lowest = 100;
    cell whole = {0};
    for (int i = 0; i < LENGTHS; i++) {
        /* a cell that is nearly all bounds says little of the few estimates in it */
        if (cells[i].windows >= 200)
            lowest = fmin(lowest, share(cells[i].covered, cells[i].windows));
        if (lengths_s[i] >= 4.99 * k->refresh_s) add_cell(&whole, &cells[i]);
    }
    snprintf(name, sizeof name, "coverage %s, %s, lowest", k->name, waveform);
    row_goal goal = unknowable(k, waveform) ? ROW_NO_GOAL : ROW_AT_LEAST;
    rows_add(all, &(row){.name = name, .value = lowest, .unit = "%", .goal = goal, .target = 90});
    snprintf(name, sizeof name, "error %s, %s, >= 5 T", k->name, waveform);
    goal = k->contiguous ? ROW_AT_MOST : ROW_NO_GOAL;
    rows_add(all, &(row){.name = name,
                         .unit = "%",
                         .goal = goal,
                         .target = 0.5,
                         .value = 100 * whole.error / (double)whole.windows});
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

typedef struct result {
    int kind, waveform;
    cell cells[LENGTHS];
} result;

static size_t measure(rows *all, bool whole, result *results, cell *total) {
    size_t count = 0;
    for (int k = 0; k < KINDS; k++)
        for (int w = 0; w < WAVEFORMS; w++) {
            if (!whole && !wanted(all, &kinds[k], waveforms[w])) continue;
            result *r = &results[count];
            *r = (result){.kind = k, .waveform = w};
            for (size_t i = 0; i < RECORDINGS; i++)
                one_recording(&kinds[k], waveforms[w], i, r->cells);
            if (count++ == 0) print_head();
            print_row(&kinds[k], waveforms[w], r->cells);
            for (int i = 0; i < LENGTHS && !unknowable(&kinds[k], waveforms[w]); i++)
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
    for (size_t i = 0; i < count; i++)
        report(all, &kinds[results[i].kind], waveforms[results[i].waveform], results[i].cells);
    if (whole) report_overall(all, &total);
}
