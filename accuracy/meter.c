/* Against an external power meter: NVML readings of an RTX 3090 and an A100 under square waves. */
#include "accuracy.h"
#include "joulemeter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct table {
    size_t count;
    double (*row)[8];
} table;

/* Numbers of a CSV, non-numbers as NaN; gz by way of gzip -dc. */
static table read_csv(const char *path) {
    table t = {0};
    char command[700];
    snprintf(command, sizeof command, "gzip -dcf '%s'", path);
    FILE *in = popen(command, "r");
    if (in == NULL) return t;
    char line[512];
    size_t capacity = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        if (t.count == capacity) {
            capacity = capacity * 2 + 1024;
            double(*grown)[8] = realloc(t.row, capacity * sizeof *t.row);
            if (grown == NULL) break;
            t.row = grown;
        }
        char *at = line;
        bool number = false;
        for (int c = 0; c < 8; c++) {
            char *end;
            double v = strtod(at, &end);
            t.row[t.count][c] = end == at ? NAN : v;
            if (c == 0) number = end != at;
            at += strcspn(at, ",\n");
            if (*at == ',') at++;
        }
        if (number) t.count++;
    }
    pclose(in);
    return t;
}

static int64_t ns(double ms) {
    return (int64_t)llround(ms * 1e6);
}

static jm_recording *recording_of(const table *nvml, int column, const table *edges, bool ranges,
                                  double refresh_ms, double window_ms, double limit_w) {
    jm_recording *r;
    jm_error error;
    uint32_t d, s;
    jm_recording_new(&r, &error);
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "",
                        .model = "",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .power_limit_w = limit_w};
    jm_recording_add_device(r, &device, &d, &error);
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = d,
                        .quantity = JM_QUANTITY_POWER,
                        .source = "trace",
                        .refresh_ns = (uint64_t)ns(refresh_ms),
                        .quantum = 0.01,
                        .window_ns = (uint64_t)ns(window_ms)};
    jm_recording_add_sensor(r, &sensor, &s, &error);
    for (size_t i = 0; i < nvml->count; i++) {
        int64_t t = ns(nvml->row[i][0]);
        double value = nvml->row[i][column];
        uint32_t since = i > 0 ? (uint32_t)(t - ns(nvml->row[i - 1][0])) : 0;
        uint8_t flags = i > 0 && value != nvml->row[i - 1][column] ? JM_SAMPLE_CHANGED : 0;
        jm_samples one = {1, &t, &value, &since, &flags};
        if (jm_recording_add_samples(r, s, &one, &error) != JM_OK && i == 1)
            fprintf(stderr, "%s\n", error.message);
    }
    double distinct[4096];
    size_t n = 0;
    for (size_t i = 0; i < edges->count; i++)
        if (n == 0 || edges->row[i][0] != distinct[n - 1]) distinct[n++] = edges->row[i][0];
    for (size_t i = 0; ranges && i + 1 < n; i += 2) {
        jm_range range = {.size = sizeof range,
                          .begin_ns = ns(distinct[i]),
                          .name = "load",
                          .end_ns = ns(distinct[i + 1]),
                          .category = JM_CATEGORY_BATCH,
                          .attributes = ""};
        jm_recording_add_range(r, &range, &error);
    }
    return r;
}

static double meter_energy(const table *meter, double from_ms, double to_ms) {
    double joules = 0;
    size_t lo = 0, hi = meter->count;
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (meter->row[mid][0] <= from_ms)
            lo = mid;
        else
            hi = mid;
    }
    for (size_t i = lo; i + 1 < meter->count && meter->row[i][0] < to_ms; i++) {
        double a = fmax(meter->row[i][0], from_ms), b = fmin(meter->row[i + 1][0], to_ms);
        if (b > a) joules += (meter->row[i][1] + meter->row[i + 1][1]) / 2 * (b - a) * 1e-3;
    }
    return joules;
}

typedef struct board {
    const char *name;
    int column; /* of power_instant_w */
    double refresh_ms, window_ms, limit_w;
    double shortest_ms; /* from this length on the error has a target */
    double usual[6];    /* mean |error| of edge-extended samples, % (published analysis) */
} board;

static const board boards[] = {
    {"a100", 6, 100, 25, 300, 50, {41, 33, 31, 31, 27, 6.5}},
    {"rtx3090", 7, 100, 100, 420, 100, {25, 0, 5.9, 0, 5.4, 5.4}},
};
static const double lengths_ms[] = {50, 100, 250, 500, 1000, 3000};
enum { LENGTHS = 6, WINDOWS = 2000 };

typedef struct score {
    double error, width, inside, bounded;
} score;

static score judge(const jm_recording *r, const table *meter, double from, double to,
                   double length) {
    score sum = {0, 0, 0, 0};
    static jm_window windows[WINDOWS];
    static jm_energy out[WINDOWS];
    for (int i = 0; i < WINDOWS; i++) {
        double t = from + (to - from - length) * fmod(i * 0.6180339887498949, 1);
        windows[i] = (jm_window){ns(t), ns(t + length)};
    }
    if (jm_energy_windows(r, 0, windows, WINDOWS, NULL, out, NULL) != JM_OK) return sum;
    for (int i = 0; i < WINDOWS; i++) {
        const jm_energy *e = &out[i];
        double truth = meter_energy(meter, (double)windows[i].begin_ns * 1e-6,
                                    (double)windows[i].end_ns * 1e-6);
        sum.error += fabs(e->energy_j / truth - 1) * 100 / WINDOWS;
        sum.width += e->u95_j / truth * 100 / WINDOWS;
        sum.inside += (truth >= e->lower_j && truth <= e->upper_j) * 100.0 / WINDOWS;
        sum.bounded += (e->provenance & JM_BOUND_ONLY) != 0;
    }
    return sum;
}

typedef struct line {
    const board *of;
    bool ranges;
    score scores[LENGTHS];
} line;

static void judge_board(line *l, const jm_recording *r, const table *meter, double from,
                        double to) {
    printf("%-8s %-13s", l->of->name, l->ranges ? "with activity" : "without");
    for (int i = 0; i < LENGTHS; i++) {
        score s = l->scores[i] = judge(r, meter, from, to, lengths_ms[i]);
        printf(" | %5.1f ±%5.1f %5.1f%c", s.error, s.width, s.inside, s.bounded > 0 ? 'b' : ' ');
    }
    printf("\n");
}

static void report_inside(rows *all, const line *l, const char *how) {
    char name[128];
    double inside = 0;
    for (int i = 0; i < LENGTHS; i++) {
        inside += l->scores[i].inside / LENGTHS;
        snprintf(name, sizeof name, "meter %s %s, %g ms, truth in interval", l->of->name, how,
                 lengths_ms[i]);
        rows_add(all, &(row){.name = name,
                             .value = l->scores[i].inside,
                             .unit = "%",
                             .goal = ROW_AT_LEAST,
                             .target = 90});
    }
    snprintf(name, sizeof name, "meter %s %s, truth in interval", l->of->name, how);
    rows_add(
        all,
        &(row){.name = name, .value = inside, .unit = "%", .goal = ROW_AT_LEAST, .target = 93});
}

static void report(rows *all, const line *l) {
    const board *b = l->of;
    const char *how = l->ranges ? "with activity" : "without";
    char name[128];
    for (int i = 0; i < LENGTHS; i++) {
        snprintf(name, sizeof name, "meter %s %s, %g ms, error", b->name, how, lengths_ms[i]);
        bool goal = l->ranges && lengths_ms[i] >= b->shortest_ms;
        rows_add(all, &(row){.name = name,
                             .value = l->scores[i].error,
                             .unit = "%",
                             .target = 6,
                             .goal = goal ? ROW_AT_MOST : ROW_NO_GOAL,
                             .baseline = b->usual[i],
                             .beside = b->usual[i] > 0 ? "edges extended" : NULL});
    }
    report_inside(all, l, how);
}

static table read_board(const char *dir, const char *name, const char *file) {
    char path[600];
    snprintf(path, sizeof path, "%s/sensor-truth/%s-square-wave/%s", dir, name, file);
    return read_csv(path);
}

/* Fills two lines, without and with activity; none where the data is not there. */
static int one_board(rows *all, const char *dir, const board *b, line *lines) {
    int count = 0;
    table nvml = read_board(dir, b->name, "nvml.csv");
    table meter = read_board(dir, b->name, "meter.csv.gz");
    table edges = read_board(dir, b->name, "load_edges.csv");
    char name[64];
    snprintf(name, sizeof name, "meter %s", b->name);
    if (nvml.count == 0 || meter.count == 0 || edges.count == 0) {
        rows_skip(all, name, "the measured data is not beside the project");
    } else {
        double from = edges.row[0][0], to = edges.row[edges.count - 1][0];
        for (int ranges = 0; ranges < 2; ranges++) {
            jm_recording *r = recording_of(&nvml, b->column, &edges, ranges, b->refresh_ms,
                                           b->window_ms, b->limit_w);
            lines[count] = (line){.of = b, .ranges = ranges != 0};
            judge_board(&lines[count++], r, &meter, from, to);
            jm_recording_free(r);
        }
    }
    free(nvml.row);
    free(meter.row);
    free(edges.row);
    return count;
}

void accuracy_meter(rows *all) {
    if (!rows_want(all, "meter a100 rtx3090 with activity without error truth in the interval"))
        return;
    const char *dir = getenv("JOULEMETER_SHARED_DATA");
    printf(
        "Against the meter: mean |error| ± mean u95 in %%, share of windows whose interval holds "
        "the truth\n%22s",
        "");
    for (int l = 0; l < LENGTHS; l++) printf(" | %13g ms    ", lengths_ms[l]);
    printf("\n");
    line lines[4];
    int count = 0;
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++)
        count += one_board(all, dir != NULL ? dir : "../shared/data", &boards[i], lines + count);
    printf("\n");
    for (int i = 0; i < count; i++) report(all, &lines[i]);
    printf("\n");
}
