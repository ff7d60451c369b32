/* Energy of a million kernel launches of hundreds of names, from ten thousand readings. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 1000 * 1000, READINGS = 10 * 1000, NAMES = 500 };
enum { SECONDS, MEMORY_MB, RESULTS };

static const int64_t period_ns = 20000000; /* of the sensor */

static void fail(const char *what, const jm_error *error) {
    fprintf(stderr, "jm-bench: %s: %s\n", what, error->message);
    exit(1);
}

static uint64_t next(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double power_of(uint64_t name) {
    return 100 + 250 * (double)(name * 37 % NAMES) / NAMES;
}

/* Kernels in any order, a few us apart; joules[k]: energy up to the end of reading k. */
static void add_kernels(jm_recording *recording, double *joules) {
    const int64_t span = (int64_t)READINGS * period_ns, each = span / CALLS;
    uint64_t state = 1;
    char text[32];
    jm_error error;
    for (int64_t i = 0; i < CALLS; i++) {
        uint64_t name = next(&state) % NAMES;
        snprintf(text, sizeof text, "kernel_%d", (int)name);
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = i * each;
        range.end_ns = range.begin_ns + each - 2000 - (int64_t)(next(&state) % 20000);
        range.category = JM_CATEGORY_KERNEL;
        range.name = text;
        range.attributes = "";
        range.device = "gpu0";
        if (jm_recording_add_range(recording, &range, &error) != JM_OK)
            fail("adding a range", &error);
        double busy_s = (double)(range.end_ns - range.begin_ns) * 1e-9;
        joules[range.begin_ns / period_ns] +=
            power_of(name) * busy_s + 60 * ((double)each * 1e-9 - busy_s);
    }
}

static jm_recording *build(void) {
    jm_recording *recording;
    jm_error error;
    double *joules = calloc(READINGS + 1, sizeof *joules);
    if (joules == NULL || jm_recording_new(&recording, &error) != JM_OK) exit(1);
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "NVIDIA",
                        .model = "x",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .power_limit_w = 400};
    jm_sensor sensor = {.size = sizeof sensor,
                        .quantity = JM_QUANTITY_POWER,
                        .source = "nvml power_instant",
                        .refresh_ns = (uint64_t)period_ns,
                        .window_ns = (uint64_t)period_ns,
                        .noise = 1,
                        .calibrated = true};
    uint32_t index, which;
    if (jm_recording_add_device(recording, &device, &index, &error) != JM_OK ||
        jm_recording_add_sensor(recording, &sensor, &which, &error) != JM_OK)
        fail("a device", &error);
    add_kernels(recording, joules);
    uint64_t state = 2;
    for (int64_t k = 0; k < READINGS; k++) {
        int64_t t = (k + 1) * period_ns + 500000;
        double noise = (double)(next(&state) % 1000) / 1000 - 0.5;
        double value = joules[k] / ((double)period_ns * 1e-9) + noise;
        uint32_t since = 1000000;
        uint8_t flags = JM_SAMPLE_CHANGED;
        jm_samples one = {1, &t, &value, &since, &flags, {NULL}};
        if (jm_recording_add_samples(recording, which, &one, &error) != JM_OK)
            fail("adding samples", &error);
    }
    free(joules);
    return recording;
}

static void measure(double *results) {
    jm_recording *recording = build();
    jm_attribution *attribution;
    jm_error error;
    double before_kb = bench_proc_kb("VmRSS");
    int64_t begin = jm_now_ns();
    if (jm_attribute(&attribution, recording, NULL, &error) != JM_OK) fail("attribution", &error);
    results[SECONDS] = (double)(jm_now_ns() - begin) * 1e-9;
    results[MEMORY_MB] = (bench_proc_kb("VmHWM") - before_kb) / 1e3;
    if (getenv("JOULEMETER_BENCH_EACH") != NULL) {
        jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
        jm_part part = JM_PART_INIT;
        jm_attribution_get(attribution, &info);
        jm_attribution_part(attribution, 0, &part);
        printf("    %u parts, %u groups; noise %.3g W; %s: %.2f +- %.2f W\n",
               jm_attribution_part_count(attribution), jm_attribution_group_count(attribution),
               info.noise_w, part.name, part.power_w, 1.96 * part.energy.u_random_j / part.time_s);
    }
    jm_attribution_free(attribution);
    jm_recording_free(recording);
}

void bench_attribute(rows *all) {
    const char *const name = "attribution: 1 M kernels, 500 names, 10 k readings";
    char memory[96];
    double results[RESULTS] = {0};
    snprintf(memory, sizeof memory, "%s, memory", name);
    if (!rows_want(all, memory)) return;
    if (!bench_in_child(measure, results, RESULTS)) {
        rows_skip(all, name, "the measurement failed");
        return;
    }
    rows_add(all, &(row){.name = name,
                         .value = results[SECONDS],
                         .unit = "s",
                         .goal = ROW_AT_MOST,
                         .target = 2});
    rows_add(all, &(row){.name = memory,
                         .value = results[MEMORY_MB],
                         .unit = "MB",
                         .goal = ROW_AT_MOST,
                         .target = 200});
}
