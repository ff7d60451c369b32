/* What sysfs, the environment and the file of calibrations say: numbers, CPU lists, perf events,
 * lists of GPUs, edges of a load, JSON. */
#include "sensor/calibrate_fit.h"
#include "sensor/calibration_cache.h"
#include "sensor/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void see_cpu(uint32_t cpu, void *user) {
    check(cpu < 65536);
    (*(size_t *)user)++;
}

static void try_numbers(const char *text, size_t size) {
    uint64_t value, config;
    size_t cpus = 0;
    if (jmi_parse_sysfs(text, size, &value)) {
        jmi_counter counter = {.range = 262143328851, .unit = 1e-6};
        check(jmi_counter_update(&counter, 5).value >= 0);
        jmi_reading reading = jmi_counter_update(&counter, value);
        check(isfinite(reading.value) && reading.value >= 0);
    }
    if (size < 64) jmi_parse_cpu_list(text, see_cpu, &cpus);
    if (jmi_parse_perf_config(text, &config)) check(config <= 0xffff);
}

static void try_selection(const char *text) {
    jmi_gpu gpus[] = {
        {.model = "A", .uuid = "GPU-1", .pci = "0000:01:00.0", .mig = "MIG-a MIG-b ", .cuda = true},
        {.model = "B",
         .uuid = "GPU-12",
         .pci = "0000:02:00.0",
         .mig = "",
         .index = 1,
         .cuda = true},
        {.model = "C", .uuid = "", .pci = "", .mig = "", .index = 2},
    };
    char note[400];
    jm_error error = {.message = ""};
    jmi_selection by_user = {.gpus = text}, by_cuda = {.cuda_visible = text};
    int status = jmi_select_gpus(gpus, JMI_COUNT(gpus), &by_user, note, sizeof note, &error);
    check(status == JM_OK || strlen(error.message) > 10);
    check(jmi_select_gpus(gpus, JMI_COUNT(gpus), &by_cuda, note, sizeof note, &error) == JM_OK);
    check(gpus[2].selected);
}

static void try_edges(const char *text, size_t size) {
    size_t count;
    jmi_edge *edges = jmi_parse_edges(text, size, &count);
    for (size_t i = 1; i < count; i++)
        check(edges[i].t_ns >= edges[i - 1].t_ns && edges[i].on != edges[i - 1].on);
    free(edges);
}

static void try_cache(const char *text, size_t size) {
    jmi_calibration_cache *cache = jmi_calibration_cache_parse(text, size);
    const jm_device device = {.name = "gpu0", .model = "", .uuid = "GPU-1", .driver = "550"};
    jm_sensor sensor = {.source = "nvml power"};
    jmi_calibration_apply(cache, &device, "", &sensor);
    check(isfinite(sensor.noise) && sensor.refresh_ns <= 3600 * (uint64_t)JMI_NS_PER_S);
    jmi_calibration_cache_free(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    try_numbers(text, size);
    try_selection(text);
    try_edges(text, size);
    try_cache(text, size);
    free(text);
    return 0;
}
