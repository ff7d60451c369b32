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

/* ---- drawing ---- */

/* Seconds of gnuplot for the slowest of all figures as PDF, its start included. NaN: it is not
 * installed. */
static double gnuplot_s(const jm_recording *recording) {
    char path[200], script_path[200], command[500];
    jm_figures *figures;
    jm_error error;
    double longest = 0;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) return (double)NAN;
    bench_temp_path(path, sizeof path, "figure.pdf");
    bench_temp_path(script_path, sizeof script_path, "figure.gp");
    snprintf(command, sizeof command, "gnuplot -d '%s' >/dev/null 2>&1", script_path);
    if (jm_figures_open(&figures, recording, NULL, &error) != JM_OK) fail("figures", &error);
    for (uint32_t i = 0; i < POWERDL; i++) {
        jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
        jm_figure *figure;
        char *script;
        options.path = path;
        if (jm_figures_make(figures, jm_figure_name(i), &figure, &error) != JM_OK)
            fail(jm_figure_name(i), &error);
        int64_t begin = jm_now_ns();
        if (jm_figure_gnuplot(figure, &options, &script, &error) != JM_OK) fail("a script", &error);
        FILE *file = fopen(script_path, "w");
        if (file == NULL || fputs(script, file) == EOF || fclose(file) != 0 || system(command) != 0)
            fail(jm_figure_name(i), &error);
        longest = fmax(longest, (double)(jm_now_ns() - begin) * 1e-9);
        jm_free(script);
        jm_figure_free(figure);
    }
    jm_figures_close(figures);
    remove(path);
    remove(script_path);
    return longest;
}

/* ---- the page ---- */

enum { HOUR_SAMPLES = 50 * 3600, HOUR_BATCHES = 6000 };

/* An hour of one GPU at 50 Hz: power, utilisations, temperature, clock, each with noise, and ranges
 * of epochs and batches. */
static jm_recording *an_hour(void) {
    static const jm_quantity quantities[] = {JM_QUANTITY_POWER, JM_QUANTITY_GPU_UTIL,
                                             JM_QUANTITY_MEM_UTIL, JM_QUANTITY_TEMPERATURE,
                                             JM_QUANTITY_SM_CLOCK};
    jm_recording *recording;
    jm_error error;
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "",
                        .model = "x",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .power_limit_w = 700};
    uint32_t index, state = 1;
    if (jm_recording_new(&recording, &error) != JM_OK) fail("a new recording", &error);
    if (jm_recording_add_device(recording, &device, &index, &error) != JM_OK)
        fail("a device", &error);
    for (size_t q = 0; q < sizeof quantities / sizeof *quantities; q++) {
        jm_sensor sensor = {.size = sizeof sensor,
                            .quantity = quantities[q],
                            .source = "nvml",
                            .refresh_ns = 20000000,
                            .window_ns = 20000000};
        uint32_t at;
        if (jm_recording_add_sensor(recording, &sensor, &at, &error) != JM_OK)
            fail("a sensor", &error);
        for (int64_t i = 0; i < HOUR_SAMPLES; i++) {
            state = state * 1664525u + 1013904223u;
            int64_t t = i * 20000000;
            double value = 100 + (double)(i / 500 % 2) * 300 + (double)(state >> 8) / 16777216 * 40;
            uint32_t since = 2000000;
            uint8_t flags = JM_SAMPLE_CHANGED;
            jm_samples one = {1, &t, &value, &since, &flags, {NULL}};
            if (jm_recording_add_samples(recording, at, &one, &error) != JM_OK)
                fail("samples", &error);
        }
    }
    for (int64_t i = 0; i < HOUR_BATCHES; i++) {
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = i * (INT64_C(3600000000000) / HOUR_BATCHES);
        range.end_ns = range.begin_ns + 500000000;
        range.category = JM_CATEGORY_BATCH;
        range.name = "batch";
        range.attributes = "{\"size\":32}";
        if (jm_recording_add_range(recording, &range, &error) != JM_OK) fail("a range", &error);
    }
    return recording;
}

/* MB of a page, and of the same page for next to nothing; seconds. False: this build has none. */
static bool page_of(const jm_recording *recording, double *mb, double *seconds) {
    jm_error error;
    char *html = NULL;
    int64_t begin = jm_now_ns();
    int status = jm_report_html(recording, NULL, &html, &error);
    if (status == JM_NOT_SUPPORTED) return false;
    if (status != JM_OK) fail("a page", &error);
    *seconds = (double)(jm_now_ns() - begin) * 1e-9;
    *mb = (double)strlen(html) / 1e6;
    jm_free(html);
    return true;
}

static void bench_page(rows *all, const jm_recording *large) {
    static const char size[] = "page of an hour at 50 Hz, besides the library";
    static const char time[] = "page of 10 M samples of power and 2 M others";
    jm_recording *empty, *hour;
    jm_error error;
    double bare_mb = 0, mb = 0, seconds = 0;
    if (jm_recording_new(&empty, &error) != JM_OK) fail("a new recording", &error);
    bool there = page_of(empty, &bare_mb, &seconds);
    jm_recording_free(empty);
    if (!there) {
        rows_skip(all, size, "this build has no page");
        rows_skip(all, time, "this build has no page");
        return;
    }
    if (rows_want(all, size)) {
        hour = an_hour();
        page_of(hour, &mb, &seconds);
        rows_add(all, &(row){.name = size,
                             .value = mb - bare_mb,
                             .unit = "MB",
                             .goal = ROW_AT_MOST,
                             .target = 2});
        jm_recording_free(hour);
    }
    if (rows_want(all, time) && large != NULL) {
        page_of(large, &mb, &seconds);
        rows_add(all, &(row){.name = time, .value = seconds, .unit = "s"});
    }
}

void bench_figures(rows *all) {
    static const char whole[] = "17 figures from 10 M samples of power and 2 M others";
    static const char longest[] = "the longest of these figures";
    static const char drawn[] = "gnuplot, the slowest of 17 figures as PDF";
    static const char page[] = "page of ";
    if (!rows_want(all, whole) && !rows_want(all, longest) && !rows_want(all, drawn) &&
        !rows_want(all, page))
        return;
    jm_recording *recording = build();
    double longest_s, seconds = compute_s(recording, &longest_s);
    if (rows_want(all, whole))
        rows_add(
            all,
            &(row){
                .name = whole, .value = seconds, .unit = "s", .goal = ROW_AT_MOST, .target = 1.5});
    if (rows_want(all, longest))
        rows_add(all, &(row){.name = longest, .value = longest_s, .unit = "s"});
    if (rows_want(all, drawn)) {
        double gnuplot = gnuplot_s(recording);
        if (isnan(gnuplot))
            rows_skip(all, drawn, "gnuplot is not installed");
        else
            rows_add(all, &(row){.name = drawn,
                                 .value = gnuplot,
                                 .unit = "s",
                                 .goal = ROW_AT_MOST,
                                 .target = 1});
    }
    bench_page(all, recording);
    jm_recording_free(recording);
}
