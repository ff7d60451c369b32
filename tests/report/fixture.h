/* A recording made by hand: one simulated GPU whose sensor is contiguous, one modelled CPU. */
#ifndef REPORT_FIXTURE_H
#define REPORT_FIXTURE_H

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE_T0 INT64_C(5000000000000)

enum { FIXTURE_GPU, FIXTURE_CPU };

static inline void fixture_ok(int status, const jm_error *error) {
    if (status != JM_OK) fail_msg("%s: %s", jm_status_name(status), error->message);
}

static inline uint32_t fixture_device(jm_recording *recording, const char *name, const char *model,
                                      bool simulated) {
    jm_error error = {0};
    uint32_t index = 0;
    jm_device device = {.size = sizeof device,
                        .name = name,
                        .vendor = "",
                        .model = model,
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .simulated = simulated,
                        .power_limit_w = 400};
    fixture_ok(jm_recording_add_device(recording, &device, &index, &error), &error);
    return index;
}

static inline uint32_t fixture_sensor(jm_recording *recording, uint32_t device,
                                      jm_quantity quantity, const char *source, bool modelled) {
    jm_error error = {0};
    uint32_t index = 0;
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = device,
                        .quantity = quantity,
                        .source = source,
                        .modelled = modelled,
                        .refresh_ns = 20000000,
                        .window_ns = 20000000,
                        .noise = 0.5,
                        .quantum = 0.001};
    fixture_ok(jm_recording_add_sensor(recording, &sensor, &index, &error), &error);
    return index;
}

static inline void fixture_samples(jm_recording *recording, uint32_t sensor, int count,
                                   double (*value)(int)) {
    jm_error error = {0};
    for (int i = 0; i < count; i++) {
        int64_t t = FIXTURE_T0 + i * INT64_C(20000000);
        double v = value(i);
        uint32_t since = 2000000;
        uint8_t flags = isnan(v) ? JM_SAMPLE_MISSING : JM_SAMPLE_CHANGED;
        jm_samples block = {1, &t, &v, &since, &flags};
        fixture_ok(jm_recording_add_samples(recording, sensor, &block, &error), &error);
    }
}

static inline void fixture_range_on(jm_recording *recording, jm_category category, const char *name,
                                    double begin_s, double end_s, const char *attributes,
                                    const char *device, uint32_t stream) {
    jm_error error = {0};
    jm_range range = {.size = sizeof range,
                      .begin_ns = FIXTURE_T0 + (int64_t)(begin_s * 1e9),
                      .end_ns = FIXTURE_T0 + (int64_t)(end_s * 1e9),
                      .category = category,
                      .pid = 42,
                      .name = name,
                      .attributes = attributes,
                      .device = device,
                      .stream = stream};
    fixture_ok(jm_recording_add_range(recording, &range, &error), &error);
}

static inline void fixture_range(jm_recording *recording, jm_category category, const char *name,
                                 double begin_s, double end_s, const char *attributes) {
    fixture_range_on(recording, category, name, begin_s, end_s, attributes, "", 0);
}

static inline double fixture_gpu_w(int i) {
    return i < 100 ? 50 : 300;
}
static inline double fixture_cpu_w(int i) {
    return i < 100 ? 20 : 60;
}

/* 12 s: 2 s of idle baseline, then a command of 10 s with two phases and 50 batches. */
static inline jm_recording *fixture_new(void) {
    jm_recording *recording = NULL;
    jm_error error = {0};
    fixture_ok(jm_recording_new(&recording, &error), &error);
    uint32_t gpu = fixture_device(recording, "gpu0", "NVIDIA H100", true);
    uint32_t cpu = fixture_device(recording, "cpu0", "Some CPU", false);
    uint32_t gpu_power =
        fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "nvml power_instant", false);
    uint32_t cpu_power = fixture_sensor(recording, cpu, JM_QUANTITY_POWER, "cpu model", true);
    fixture_samples(recording, gpu_power, 601, fixture_gpu_w);
    fixture_samples(recording, cpu_power, 601, fixture_cpu_w);
    fixture_range(recording, JM_CATEGORY_WARMUP, "idle", 0.1, 1.9, "");
    fixture_range(recording, JM_CATEGORY_SESSION, "train.py", 2, 12,
                  "{\"command\":\"python train.py\",\"exit_code\":3}");
    fixture_range(recording, JM_CATEGORY_PHASE, "load", 2, 4, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "train", 4, 12, "");
    for (int i = 0; i < 50; i++)
        fixture_range(recording, JM_CATEGORY_BATCH, "batch", 4 + 0.1 * i, 4.1 + 0.1 * i,
                      "{\"size\":32}");
    return recording;
}

#endif
