/* The driver keeps its last 120 or so power readings, with times of its own: on some boards five
 * times finer than any call shows them. */
#include "sensor/nvml_internal.h"

#include <stdlib.h>
#include <string.h>

enum { TOTAL_POWER_SAMPLES = 0, MOST_SAMPLES = 4096 };

struct ring {
    jmi_nvml_gpu *gpu;
    unsigned long long seen_us; /* the newest that was handed over */
    unsigned capacity;
    jmi_nvml_sample *samples;
};

/* Those after the newest seen, oldest first; *type is theirs. Returns NVML's result. */
static int get_samples(struct ring *ring, int *type, unsigned *count) {
    const jmi_nvml_api *api = ring->gpu->api;
    *count = ring->capacity;
    memset(ring->samples, 0, ring->capacity * sizeof *ring->samples);
    int result = api->samples(ring->gpu->handle, TOTAL_POWER_SAMPLES, ring->seen_us, type, count,
                              ring->samples);
    if (result != JMI_NVML_OK) *count = 0;
    if (*count > ring->capacity) *count = ring->capacity;
    return result == JMI_NVML_NOT_FOUND ? JMI_NVML_OK : result; /* nothing new */
}

static int drain(jmi_source *source, jmi_reading *readings, size_t capacity, size_t *count) {
    struct ring *ring = source->context;
    int type = JMI_NVML_UINT;
    unsigned got = 0;
    *count = 0;
    if (ring->gpu->lost) return JM_LOST;
    int status = jmi_nvml_note(ring->gpu, get_samples(ring, &type, &got));
    int64_t now = jm_now_ns();
    for (unsigned i = 0; i < got && *count < capacity; i++) {
        const jmi_nvml_sample *sample = &ring->samples[i];
        if (sample->time_us <= ring->seen_us) continue; /* some drivers repeat the last one */
        jmi_reading *reading = &readings[*count];
        *reading = (jmi_reading){
            .source_ns = jmi_nvml_time((int64_t)sample->time_us, now),
            .status = JM_OK,
        };
        ring->seen_us = sample->time_us;
        if (reading->source_ns == 0) continue; /* without a time it is of no use */
        if (jmi_nvml_value_double((uint32_t)type, &sample->value, &reading->value))
            reading->value *= 1e-3;
        else
            reading->status = JM_FORMAT;
        (*count)++;
    }
    return status;
}

static void close_ring(jmi_source *source) {
    struct ring *ring = source->context;
    if (ring == NULL) return;
    free(ring->samples);
    free(ring);
    source->context = NULL;
}

static int compare_times(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Median distance of the samples in the ring, ns; 0: too few. */
static uint64_t spacing(const struct ring *ring, unsigned count) {
    uint64_t gaps[MOST_SAMPLES];
    unsigned used = 0;
    for (unsigned i = 1; i < count && used < MOST_SAMPLES; i++)
        if (ring->samples[i].time_us > ring->samples[i - 1].time_us)
            gaps[used++] = (ring->samples[i].time_us - ring->samples[i - 1].time_us) * 1000;
    if (used < 3) return 0;
    qsort(gaps, used, sizeof gaps[0], compare_times);
    return gaps[used / 2];
}

static int open_ring(struct ring *ring, unsigned *count, int *type, uint64_t *cost_ns) {
    const jmi_nvml_api *api = ring->gpu->api;
    unsigned most = 0;
    if (api->samples == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = api->samples(ring->gpu->handle, TOTAL_POWER_SAMPLES, 0, type, &most, NULL);
    if (result != JMI_NVML_OK && result != JMI_NVML_INSUFFICIENT_SIZE) return result;
    if (most == 0 || most > MOST_SAMPLES) return JMI_NVML_NOT_SUPPORTED;
    ring->capacity = most;
    ring->samples = jmi_alloc(most, sizeof *ring->samples);
    if (ring->samples == NULL) return JMI_NVML_NOT_SUPPORTED;
    jmi_cost cost = {0};
    while (jmi_cost_goes_on(&cost)) result = get_samples(ring, type, count);
    *cost_ns = cost.least_ns;
    return result;
}

static void add_ring(jmi_sensor_set *set, struct ring *ring, uint64_t refresh_ns,
                     uint64_t cost_ns) {
    jm_sensor sensor = {
        .device = ring->gpu->device,
        .quantity = JM_QUANTITY_POWER,
        .source = "nvml ring",
        .source_time = true,
        .refresh_ns = refresh_ns,
        .noise = ring->gpu->priors->instant.noise_w,
        .quantum = 1e-3,
    };
    /* Where the spacing is not known yet the finest that was ever seen is assumed. */
    uint64_t whole = (refresh_ns != 0 ? refresh_ns : 20000000) * ring->capacity;
    jmi_source source = {
        .interface = jmi_nvml.name,
        .device = ring->gpu->device,
        .sensor = {jmi_set_sensor(set, &sensor)},
        .sensor_count = 1,
        .min_period_ns = whole / 8 < 100000000 ? 100000000 : whole / 8,
        .max_period_ns = whole / 2,
        .cost_ns = cost_ns,
        .driver = jmi_nvml.name,
        .drain = drain,
        .close = close_ring,
        .context = ring,
    };
    if (source.min_period_ns > JMI_NS_PER_S) source.min_period_ns = JMI_NS_PER_S;
    if (source.min_period_ns > source.max_period_ns) source.min_period_ns = source.max_period_ns;
    if (set->failed || jmi_set_source(set, &source) == NULL) close_ring(&source);
}

void jmi_nvml_probe_ring(jmi_sensor_set *set, jmi_nvml_gpu *gpu) {
    struct ring *ring = jmi_alloc(1, sizeof *ring);
    jmi_source unused = {.context = ring};
    int type = JMI_NVML_UINT;
    unsigned count = 0;
    uint64_t cost = 0;
    if (ring == NULL) {
        set->failed = true;
        return;
    }
    ring->gpu = gpu;
    int result = open_ring(ring, &count, &type, &cost);
    jmi_nvml_note(gpu, result);
    if (count > 0 && jmi_nvml_time((int64_t)ring->samples[count - 1].time_us, jm_now_ns()) == 0) {
        jmi_set_finding(set, &jmi_nvml, gpu->name, "power_ring", JM_FORMAT, cost, "",
                        "The driver's times of its kept power readings are those of no known "
                        "clock.");
        close_ring(&unused);
        return;
    }
    uint64_t refresh = result == JMI_NVML_OK ? spacing(ring, count) : 0;
    char sentence[128];
    if (refresh != 0)
        snprintf(sentence, sizeof sentence, "Works: %u readings, %.1f ms apart, are kept.", count,
                 (double)refresh * 1e-6);
    else
        snprintf(sentence, sizeof sentence, "Works: up to %u readings are kept, %u so far.",
                 ring->capacity, count);
    if (!jmi_nvml_report(set, gpu, "power_ring", result, cost, sentence)) {
        close_ring(&unused);
        return;
    }
    if (count > 0) ring->seen_us = ring->samples[count - 1].time_us; /* before the measurement */
    add_ring(set, ring, refresh, cost);
}
