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
    char command[600];
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

static int64_t ns(double ms) { return (int64_t)llround(ms * 1e6); }

static jm_recording *recording_of(const table *nvml, int column, const table *edges, bool ranges,
                                  double refresh_ms, double window_ms, double limit_w) {
    jm_recording *r;
    jm_error error;
    uint32_t d, s;
    jm_recording_new(&r, &error);
    jm_device device = {.size = sizeof device, .name = "gpu0", .vendor = "", .model = "",
                        .uuid = "", .pci = "", .driver = "", .in_total = true,
                        .power_limit_w = limit_w};
    jm_recording_add_device(r, &device, &d, &error);
    jm_sensor sensor = {.size = sizeof sensor, .device = d, .quantity = JM_POWER, .source = "trace",
                        .refresh_ns = (uint64_t)ns(refresh_ms), .quantum = 0.01,
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
        jm_range range = {.size = sizeof range, .begin_ns = ns(distinct[i]), .name = "load",
                          .end_ns = ns(distinct[i + 1]), .category = JM_BATCH, .attributes = ""};
        jm_recording_add_range(r, &range, &error);
    }
    return r;
}

static double meter_energy(const table *meter, double from_ms, double to_ms) {
    double joules = 0;
    size_t lo = 0, hi = meter->count;
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (meter->row[mid][0] <= from_ms) lo = mid; else hi = mid;
    }
    for (size_t i = lo; i + 1 < meter->count && meter->row[i][0] < to_ms; i++) {
        double a = fmax(meter->row[i][0], from_ms), b = fmin(meter->row[i + 1][0], to_ms);
        if (b > a) joules += (meter->row[i][1] + meter->row[i + 1][1]) / 2 * (b - a) * 1e-3;
    }
    return joules;
}

static void one_board(const char *dir, const char *board, int column, double refresh, double window,
                      double limit) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s-square-wave/nvml.csv", dir, board);
    table nvml = read_csv(path);
    snprintf(path, sizeof path, "%s/%s-square-wave/meter.csv.gz", dir, board);
    table meter = read_csv(path);
    snprintf(path, sizeof path, "%s/%s-square-wave/load_edges.csv", dir, board);
    table edges = read_csv(path);
    if (nvml.count == 0 || meter.count == 0) { printf("no data in %s\n", dir); return; }
    double from = edges.row[0][0], to = edges.row[edges.count - 1][0];
    const double lengths[] = {50, 100, 250, 500, 1000, 3000};
    for (int ranges = 0; ranges < 2; ranges++) {
        jm_recording *r = recording_of(&nvml, column, &edges, ranges, refresh, window, limit);
        printf("%-8s %-9s", board, ranges ? "activity" : "without");
        for (int l = 0; l < 6; l++) {
            double error = 0, width = 0, inside = 0, bounded = 0;
            enum { N = 2000 };
            for (int i = 0; i < N; i++) {
                double t = from + (to - from - lengths[l]) * fmod(i * 0.6180339887498949, 1);
                jm_energy e;
                jm_error why;
                jm_energy_window(r, 0, ns(t), ns(t + lengths[l]), NULL, &e, &why);
                double truth = meter_energy(&meter, t, t + lengths[l]);
                error += fabs(e.energy_j / truth - 1);
                width += e.u95_j / truth;
                bounded += (e.provenance & JM_BOUND_ONLY) != 0;
                inside += truth >= e.lower_j && truth <= e.upper_j;
            }
            printf(" | %5.2f±%-5.1f %5.1f%s", 100 * error / N, 100 * width / N, 100 * inside / N,
                   bounded > 0 ? "b" : " ");
        }
        printf("\n");
        jm_recording_free(r);
    }
}

void accuracy_meter(void) {
    const char *dir = "../shared/data/sensor-truth";
    printf("mean |error| %% ± mean u95 %%, share of windows whose interval holds the truth\n");
    one_board(dir, "a100", 6, 100, 25, 300);
    one_board(dir, "rtx3090", 7, 100, 100, 420);
}
