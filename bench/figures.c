/* Figures of a recording of millions of samples. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UTILS = 1000 * 1000, PHASES = 999, BLOCK = 100 * 1000, POWERDL = 17 };

static void fail(const char *what, const jm_error *error) {
    fprintf(stderr, "jm-bench: %s: %s\n", what, error->message);
    exit(1);
}

static void add_utilisation(jm_recording *recording, jm_quantity quantity, int period) {
    static int64_t t[BLOCK];
    static double value[BLOCK];
    static uint32_t since[BLOCK];
    static uint8_t flags[BLOCK];
    const int64_t step_ns = (int64_t)BENCH_STEP_NS * BENCH_SAMPLES / UTILS;
    jm_sensor sensor = {.size = sizeof sensor, .quantity = quantity, .source = "nvml"};
    jm_error error;
    uint32_t index;
    if (jm_recording_add_sensor(recording, &sensor, &index, &error) != JM_OK)
        fail("adding a sensor", &error);
    for (int64_t i = 0; i < UTILS; i++) {
        size_t at = (size_t)(i % BLOCK);
        t[at] = (i + 1) * step_ns;
        value[at] = (double)(i % period) * 100 / period;
        since[at] = 1000000;
        jm_samples samples = {BLOCK, t, value, since, flags, {NULL}};
        if (at == BLOCK - 1 &&
            jm_recording_add_samples(recording, index, &samples, &error) != JM_OK)
            fail("adding samples", &error);
    }
}

static void add_phases(jm_recording *recording) {
    static const char *const names[] = {"load", "train", "validate"};
    const int64_t span_ns = (int64_t)BENCH_SAMPLES * BENCH_STEP_NS;
    jm_error error;
    for (int i = 0; i < PHASES; i++) {
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = span_ns / PHASES * i;
        range.end_ns = range.begin_ns + span_ns / PHASES * (i % 5 + 1) / 6;
        range.category = JM_CATEGORY_PHASE;
        range.name = names[i % 3];
        range.attributes = "";
        if (jm_recording_add_range(recording, &range, &error) != JM_OK)
            fail("adding a range", &error);
    }
}

static jm_recording *build(void) {
    jm_recording *recording = bench_samples();
    add_utilisation(recording, JM_QUANTITY_GPU_UTIL, 97);
    add_utilisation(recording, JM_QUANTITY_MEM_UTIL, 61);
    add_phases(recording);
    return recording;
}

/* Seconds for PowerDL's figures; the longest of one is put into *longest_s. */
static double compute_s(const jm_recording *recording, double *longest_s) {
    jm_figures *figures;
    jm_error error;
    int64_t begin = jm_now_ns(), last = begin;
    if (jm_figures_open(&figures, recording, NULL, &error) != JM_OK) fail("figures", &error);
    *longest_s = 0;
    for (uint32_t i = 0; i < POWERDL; i++) {
        jm_figure *figure;
        if (jm_figures_make(figures, jm_figure_name(i), &figure, &error) != JM_OK)
            fail(jm_figure_name(i), &error);
        jm_figure_free(figure);
        int64_t now = jm_now_ns();
        *longest_s = fmax(*longest_s, (double)(now - last) * 1e-9);
        if (getenv("JOULEMETER_BENCH_EACH") != NULL)
            printf("    %-24s %.3f s\n", jm_figure_name(i), (double)(now - last) * 1e-9);
        last = now;
    }
    jm_figures_close(figures);
    return (double)(jm_now_ns() - begin) * 1e-9;
}

void bench_figures(rows *all) {
    static const char whole[] = "17 figures from 10 M samples of power and 2 M others";
    static const char longest[] = "the longest of them";
    if (!rows_want(all, whole) && !rows_want(all, longest)) return;
    jm_recording *recording = build();
    double longest_s, seconds = compute_s(recording, &longest_s);
    rows_add(
        all,
        &(row){.name = whole, .value = seconds, .unit = "s", .goal = ROW_AT_MOST, .target = 1.5});
    rows_add(all, &(row){.name = longest, .value = longest_s, .unit = "s"});
    jm_recording_free(recording);
}
