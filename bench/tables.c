/* Tables of a long recording as Arrow streams, each batch let go as it comes. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 1000 * 1000, EPOCHS = 100 };

static void must(int status, const jm_error *error) {
    if (status == JM_OK) return;
    fprintf(stderr, "jm-bench: tables: %s\n", error->message);
    exit(1);
}

static jm_range_id add(jm_recording *recording, jm_category category, int64_t begin_ns,
                       int64_t end_ns, jm_range_id parent, const char *attributes) {
    jm_error error;
    jm_range range = {.size = sizeof range,
                      .parent = parent,
                      .begin_ns = begin_ns,
                      .end_ns = end_ns,
                      .category = category,
                      .name = jm_category_name(category),
                      .attributes = attributes};
    must(jm_recording_add_range(recording, &range, &error), &error);
    return range.id;
}

/* A training: epochs in a phase, batches in those, each with a loss of its own. */
static jm_recording *build(void) {
    jm_recording *recording = bench_samples();
    int64_t first = INT64_C(10) * BENCH_STEP_NS;
    int64_t step = ((int64_t)BENCH_SAMPLES - 20) * BENCH_STEP_NS / BATCHES;
    char text[96];
    jm_range_id epoch = 0;
    jm_range_id phase = add(recording, JM_CATEGORY_PHASE, first, first + BATCHES * step, 0, NULL);
    for (int64_t i = 0; i < BATCHES; i++) {
        int64_t begin = first + i * step, each = BATCHES / EPOCHS;
        snprintf(text, sizeof text, "{\"index\":%d}", (int)(i / each));
        if (i % each == 0)
            epoch = add(recording, JM_CATEGORY_EPOCH, begin, begin + each * step, phase, text);
        snprintf(text, sizeof text, "{\"index\":%d,\"size\":32,\"loss\":%d.%d}", (int)(i % each),
                 (int)(i % 7), (int)i);
        add(recording, JM_CATEGORY_BATCH, begin, begin + step, epoch, text);
    }
    return recording;
}

/* Seconds to read a table to its end. */
static double read_s(const jm_recording *recording, jm_table table) {
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    jm_error error;
    int64_t from = jm_now_ns();
    must(jm_arrow(recording, table, NULL, &stream, &error), &error);
    while (stream.get_next(&stream, &batch) == 0 && batch.release != NULL) {
        batch.release(&batch);
    }
    stream.release(&stream);
    return (double)(jm_now_ns() - from) / 1e9;
}

static double energies_s(const jm_recording *recording) {
    size_t count = (size_t)jm_recording_range_count(recording), kept = 0;
    jm_window *windows = calloc(count, sizeof *windows);
    jm_energy *out = calloc(count, sizeof *out);
    jm_error error;
    for (size_t i = 0; windows != NULL && i < count; i++) {
        jm_range range = {.size = sizeof range};
        jm_recording_range(recording, i, &range);
        if (range.category == JM_CATEGORY_BATCH)
            windows[kept++] = (jm_window){range.begin_ns, range.end_ns};
    }
    int64_t from = jm_now_ns();
    must(jm_energy_windows(recording, JM_DEVICE_TOTAL, windows, kept, NULL, out, &error), &error);
    double seconds = (double)(jm_now_ns() - from) / 1e9;
    free(windows);
    free(out);
    return seconds;
}

enum { SAMPLES_S, SAMPLES_MB, READINGS_S, BATCHES_S, ENERGIES_S, RESULTS };

static void measure(double *results) {
    jm_recording *recording = build();
    double before_kb = bench_proc_kb("VmRSS");
    results[SAMPLES_S] = read_s(recording, JM_TABLE_SAMPLES);
    results[SAMPLES_MB] = (bench_proc_kb("VmHWM") - before_kb) / 1e3;
    results[READINGS_S] = read_s(recording, JM_TABLE_READINGS);
    results[ENERGIES_S] = energies_s(recording);
    results[BATCHES_S] = read_s(recording, JM_TABLE_BATCHES);
    jm_recording_free(recording);
}

void bench_tables(rows *all) {
    static const char *const names[RESULTS] = {
        "table of 5 M samples beside what held then",
        "memory that it takes",
        "table of 10 M readings, not copied",
        "table of 1 M batches over 10 M samples",
    };
    static const double most[RESULTS] = {5, 64, 1};
    double results[RESULTS];
    bool wanted = false;
    for (int i = 0; i < ENERGIES_S; i++) wanted |= rows_want(all, names[i]);
    if (!wanted || !bench_in_child(measure, results, RESULTS)) return;
    for (int i = 0; i < ENERGIES_S; i++) {
        row one = {.name = names[i],
                   .value = results[i],
                   .unit = i == SAMPLES_MB ? "MB" : "s",
                   .goal = ROW_AT_MOST,
                   .target = most[i]};
        if (i == BATCHES_S) {
            one.target = results[ENERGIES_S] + 2;
            one.baseline = results[ENERGIES_S];
            one.beside = "their energies alone";
        }
        if (rows_want(all, names[i])) rows_add(all, &one);
    }
}
