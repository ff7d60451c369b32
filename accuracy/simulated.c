/* Error and coverage against the exact integral, on every kind of sensor, waveform and window. */
#include "accuracy.h"
#include "virtual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kind {
    const char *name;
    const char *board;  /* model and sensor keys */
    uint32_t sensors;
    int64_t poll_ns;
    double refresh_s;
    bool contiguous;
    bool ranges;
} kind;

static const kind kinds[] = {
    {"counter 100 ms", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false},
    {"counter 30 ms", "a100", VIRTUAL_COUNTER, 2000000, 0.03, true, false},
    {"counter 1 ms", "v100", VIRTUAL_COUNTER, 10000000, 0.01, true, false},
    {"W 100 T 100 ms", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false},
    {"W 10 T 20 ms", "v100", VIRTUAL_INSTANT, 2000000, 0.02, false, false},
    {"W 25 T 101 ms", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, false},
    {"W 1 s T 100 ms", "h100", VIRTUAL_PLAIN, 2000000, 1, false, false},
    {"counter + W 25", "h100", VIRTUAL_COUNTER | VIRTUAL_INSTANT, 2000000, 0.1, true, false},
    {"W 100 T 100, ranges", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, true},
    {"W 25 T 101, ranges", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true},
    {"counter 100, ranges", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, true},
};

static const char *const waveforms[] = {"constant", "square", "sawtooth", "telegraph", "training"};
static const double lengths_s[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60};

enum { KINDS = sizeof kinds / sizeof *kinds, WAVEFORMS = 5, LENGTHS = 8 };

typedef struct cell {
    size_t windows, covered, random_covered, bounded, bound_covered;
    double error, squares, truth; /* of estimates */
    double width;                 /* sum of u95 / truth */
} cell;

static void waveform_text(const char *waveform, uint64_t *random, char *text, size_t size) {
    double low = virtual_uniform(random, 60, 130), high = virtual_uniform(random, 180, 290);
    if (strcmp(waveform, "constant") == 0)
        snprintf(text, size, "constant:%.3f", virtual_uniform(random, 60, 290));
    else if (strcmp(waveform, "square") == 0)
        snprintf(text, size, "square:%.3f:%.3f:%.6f:%.4f", low, high,
                 virtual_log_uniform(random, 0.02, 5), virtual_uniform(random, 0.3, 0.7));
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

static void one_recording(const kind *k, const char *waveform, uint64_t seed, size_t per_length,
                          cell row[LENGTHS]) {
    uint64_t random = seed * 7919 + 13;
    char shape[128], spec[512];
    waveform_text(waveform, &random, shape, sizeof shape);
    double gain = 1 + 0.03 * virtual_normal(&random), offset = 4 * virtual_normal(&random);
    snprintf(spec, sizeof spec, "%s,%s%s,gain=%.6f,offset=%.4f,seed=%u,phase=%.4f", k->board, shape,
             k->refresh_s == 0.01 ? ",counter_T=1ms" : "",
             gain, offset, (unsigned)(virtual_random(&random) % 1000000),
             virtual_uniform(&random, 0, 10));
    virtual_plan plan = {.spec = spec, .sensors = k->sensors, .poll_ns = k->poll_ns,
                         .begin_ns = 5000000000, .length_ns = 76000000000, .ranges = k->ranges,
                         .seed = seed};
    /* sensors of different boards refresh at different rates: never quite the round number */
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
        judge(&row[i / per_length], &out[i],
              simgpu_board_energy(board, windows[i].begin_ns, windows[i].end_ns), gain, offset);
    free(windows);
    free(out);
    jm_recording_free(recording);
    simgpu_board_free(board);
}

static double share(size_t part, size_t whole) {
    return whole > 0 ? 100.0 * (double)part / (double)whole : NAN;
}

static void print_row(const kind *k, const char *waveform, const cell row[LENGTHS]) {
    printf("%-20s %-10s", k->name, waveform);
    for (int i = 0; i < LENGTHS; i++) {
        const cell *c = &row[i];
        if (c->windows > 0)
            printf(" | %5.1f %5.1f %6.2f", share(c->covered, c->windows),
                   share(c->random_covered, c->windows), 100 * c->error / (double)c->windows);
        else
            printf(" | b %5.1f %9s", share(c->bound_covered, c->bounded), "");
    }
    printf("\n");
    fflush(stdout);
}

void accuracy_simulated(size_t recordings, size_t per_length, const char *only) {
    printf("coverage %% (95 %% interval), coverage %% of the random part, mean |error| %%\n%-31s", "");
    for (int i = 0; i < LENGTHS; i++) printf(" | %17g s", lengths_s[i]);
    printf("\n");
    cell total = {0};
    double lowest = 100;
    for (int k = 0; k < KINDS; k++) {
        if (only != NULL && strstr(kinds[k].name, only) == NULL) continue;
        for (int w = 0; w < WAVEFORMS; w++) {
            cell row[LENGTHS] = {{0}};
            for (size_t r = 0; r < recordings; r++)
                one_recording(&kinds[k], waveforms[w], r + 1, per_length, row);
            print_row(&kinds[k], waveforms[w], row);
            for (int i = 0; i < LENGTHS; i++) {
                total.windows += row[i].windows, total.covered += row[i].covered;
                total.bounded += row[i].bounded, total.bound_covered += row[i].bound_covered;
                total.random_covered += row[i].random_covered;
                if (row[i].windows >= 200)
                    lowest = fmin(lowest, share(row[i].covered, row[i].windows));
            }
        }
    }
    printf("overall %.2f %% of %zu (random part %.2f), lowest cell %.1f, bounds %.2f of %zu\n",
           share(total.covered, total.windows), total.windows,
           share(total.random_covered, total.windows), lowest,
           share(total.bound_covered, total.bounded), total.bounded);
}
