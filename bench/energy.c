/* Energies of a million ranges over ten million samples: a power sensor and a counter of one GPU
 * whose power is a square wave. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EACH = BENCH_SAMPLES, RANGES = 1000 * 1000, BLOCK = 100 * 1000 };

static const int64_t step_ns = BENCH_STEP_NS;

static double power_at(int64_t t_ns) {
    return t_ns / 700000000 % 2 != 0 ? 400 : 120;
}

static void fail(const char *what, const jm_error *error) {
    fprintf(stderr, "jm-bench: %s: %s\n", what, error->message);
    exit(1);
}

static void add_samples(jm_recording *recording, uint32_t sensor, bool counter) {
    static int64_t t[BLOCK];
    static double value[BLOCK];
    static uint32_t since[BLOCK];
    static uint8_t flags[BLOCK];
    double joules = 0;
    jm_error error;
    for (int64_t i = 0; i < EACH; i++) {
        size_t at = (size_t)(i % BLOCK);
        t[at] = (i + 1) * step_ns;
        double w = power_at(t[at]);
        joules += w * (double)step_ns / 1e9;
        value[at] = counter ? joules : w + (double)(i % 7);
        since[at] = 2 * 1000 * 1000;
        flags[at] = JM_SAMPLE_CHANGED;
        jm_samples samples = {BLOCK, t, value, since, flags};
        if (at == BLOCK - 1 &&
            jm_recording_add_samples(recording, sensor, &samples, &error) != JM_OK)
            fail("adding samples", &error);
    }
}

jm_recording *bench_samples(void) {
    jm_recording *recording;
    jm_error error;
    if (jm_recording_new(&recording, &error) != JM_OK) fail("a new recording", &error);
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "NVIDIA",
                        .model = "x",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .power_limit_w = 700,
                        .power_floor_w = 60};
    uint32_t index, sensors[2];
    if (jm_recording_add_device(recording, &device, &index, &error) != JM_OK)
        fail("adding a device", &error);
    for (int i = 0; i < 2; i++) {
        jm_sensor sensor = {.size = sizeof sensor,
                            .device = index,
                            .quantity = i == 0 ? JM_QUANTITY_POWER : JM_QUANTITY_ENERGY,
                            .source = i == 0 ? "nvml power_instant" : "nvml energy",
                            .counter = i == 1,
                            .refresh_ns = (uint64_t)step_ns,
                            .window_ns = (uint64_t)step_ns,
                            .noise = 1,
                            .quantum = 0.001};
        if (jm_recording_add_sensor(recording, &sensor, &sensors[i], &error) != JM_OK)
            fail("adding a sensor", &error);
        add_samples(recording, sensors[i], i == 1);
    }
    return recording;
}

static jm_recording *build(void) {
    jm_recording *recording = bench_samples();
    jm_error error;
    int64_t span = (int64_t)EACH * step_ns;
    for (int64_t i = 0; i < RANGES; i++) {
        int64_t begin = step_ns * 10 + i * ((span - 20 * step_ns) / RANGES);
        jm_range range = {.size = sizeof range,
                          .begin_ns = begin,
                          .end_ns = begin + 10000000 + i % 997 * 1000000,
                          .category = JM_CATEGORY_BATCH,
                          .name = "batch",
                          .attributes = ""};
        if (jm_recording_add_range(recording, &range, &error) != JM_OK)
            fail("adding a range", &error);
    }
    return recording;
}

static double ranges_s(const jm_recording *recording, bool no_activity) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.no_activity = no_activity;
    jm_energy *out = calloc(RANGES, sizeof *out);
    jm_error error;
    int64_t from = jm_now_ns();
    if (out == NULL ||
        jm_energy_ranges(recording, JM_DEVICE_TOTAL, &options, out, RANGES, &error) != JM_OK)
        fail("energies of ranges", &error);
    double seconds = (double)(jm_now_ns() - from) / 1e9;
    free(out);
    return seconds;
}

void bench_energy(rows *all) {
    static const char plain[] = "energies of 1 M ranges over 10 M samples";
    static const char active[] = "likewise, with activity of the ranges";
    static const char one[] = "energy of one window of 1 s in 10 M samples";
    if (!rows_want(all, plain) && !rows_want(all, active) && !rows_want(all, one)) return;
    jm_recording *recording = build();
    if (rows_want(all, plain))
        rows_add(all, &(row){.name = plain,
                             .value = ranges_s(recording, true),
                             .unit = "s",
                             .goal = ROW_AT_MOST,
                             .target = 1});
    if (rows_want(all, active))
        rows_add(all, &(row){.name = active,
                             .value = ranges_s(recording, false),
                             .unit = "s",
                             .goal = ROW_AT_MOST,
                             .target = 1});
    if (rows_want(all, one)) {
        jm_energy energy;
        int64_t begin = (int64_t)EACH / 2 * step_ns;
        int64_t from = jm_now_ns();
        jm_energy_window(recording, 0, begin, begin + 1000000000, NULL, &energy, NULL);
        rows_add(all,
                 &(row){.name = one, .value = (double)(jm_now_ns() - from) / 1e6, .unit = "ms"});
    }
    jm_recording_free(recording);
}
