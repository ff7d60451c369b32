#include "sensor/calibration_cache.h"
#include "sensor/internal.h"

#include <stdlib.h>
#include <string.h>

const char *jmi_set_text(jmi_sensor_set *set, const char *text) {
    if (text == NULL) text = "";
    const char *kept = jmi_intern_text(set->texts, text, strlen(text));
    if (kept == NULL) set->failed = true;
    return kept != NULL ? kept : "";
}

const char *jmi_set_format(jmi_sensor_set *set, const char *format, ...) {
    jmi_text text = {0};
    va_list args;
    va_start(args, format);
    jmi_text_add_v(&text, format, args);
    va_end(args);
    const char *kept = jmi_set_text(set, text.data);
    jmi_text_free(&text);
    return kept;
}

uint32_t jmi_set_device(jmi_sensor_set *set, const jm_device *device) {
    if (!jmi_reserve(&set->devices, &set->device_capacity, set->device_count + 1,
                     sizeof *set->devices)) {
        set->failed = true;
        return UINT32_MAX;
    }
    jm_device *added = &set->devices[set->device_count];
    *added = *device;
    added->size = sizeof *added;
    added->name = jmi_set_text(set, device->name);
    added->vendor = jmi_set_text(set, device->vendor);
    added->model = jmi_set_text(set, device->model);
    added->uuid = jmi_set_text(set, device->uuid);
    added->pci = jmi_set_text(set, device->pci);
    added->driver = jmi_set_text(set, device->driver);
    return (uint32_t)set->device_count++;
}

uint32_t jmi_set_sensor(jmi_sensor_set *set, const jm_sensor *sensor) {
    if (!jmi_reserve(&set->sensors, &set->sensor_capacity, set->sensor_count + 1,
                     sizeof *set->sensors)) {
        set->failed = true;
        return UINT32_MAX;
    }
    jm_sensor *added = &set->sensors[set->sensor_count];
    *added = *sensor;
    added->size = sizeof *added;
    added->source = jmi_set_text(set, sensor->source);
    const jm_device *device = &set->devices[sensor->device];
    jmi_calibration_apply(set->calibrations, device, jmi_set_vbios(set, device), added);
    return (uint32_t)set->sensor_count++;
}

jmi_source *jmi_set_source(jmi_sensor_set *set, const jmi_source *source) {
    if (!jmi_reserve(&set->sources, &set->source_capacity, set->source_count + 1,
                     sizeof *set->sources)) {
        set->failed = true;
        return NULL;
    }
    set->sources[set->source_count] = *source;
    return &set->sources[set->source_count++];
}

jmi_gpu *jmi_set_gpu(jmi_sensor_set *set, const jmi_gpu *gpu) {
    if (!jmi_reserve(&set->gpus, &set->gpu_capacity, set->gpu_count + 1, sizeof *set->gpus)) {
        set->failed = true;
        return NULL;
    }
    jmi_gpu *added = &set->gpus[set->gpu_count];
    *added = *gpu;
    added->vendor = jmi_set_text(set, gpu->vendor);
    added->model = jmi_set_text(set, gpu->model);
    added->uuid = jmi_set_text(set, gpu->uuid);
    added->pci = jmi_set_text(set, gpu->pci);
    added->vbios = jmi_set_text(set, gpu->vbios);
    added->mig = jmi_set_text(set, gpu->mig);
    if (gpu->folder != NULL) added->folder = jmi_set_text(set, gpu->folder);
    added->index = (uint32_t)set->gpu_count++;
    return added;
}

void jmi_set_finding(jmi_sensor_set *set, const jmi_interface *interface, const char *device,
                     const char *what, int status, uint64_t cost_ns, const char *remedy,
                     const char *format, ...) {
    if (!jmi_reserve(&set->findings, &set->finding_capacity, set->finding_count + 1,
                     sizeof *set->findings)) {
        set->failed = true;
        return;
    }
    jmi_text text = {0};
    va_list args;
    va_start(args, format);
    jmi_text_add_v(&text, format, args);
    va_end(args);
    set->findings[set->finding_count++] = (jm_finding){
        .size = sizeof(jm_finding),
        .interface = interface->name,
        .device = jmi_set_text(set, device),
        .what = jmi_set_text(set, what),
        .status = status,
        .message = jmi_set_text(set, text.data),
        .remedy = jmi_set_text(set, remedy),
        .cost_ns = cost_ns,
    };
    jmi_text_free(&text);
}

bool jmi_finding_matters(const jm_finding *finding) {
    static const char *const ways[] = {"library", "driver", "handle"};
    if (strcmp(finding->interface, jmi_nvml.name) != 0) return false;
    if (strcmp(finding->what, "selection") == 0 || finding->status == JM_LOST) return true;
    bool there = finding->status != JM_MISSING_LIBRARY && finding->status != JM_NOT_FOUND;
    for (size_t i = 0; i < JMI_COUNT(ways); i++)
        if (strcmp(finding->what, ways[i]) == 0) return there && finding->status != JM_OK;
    return false;
}

uint32_t jmi_set_find(const jmi_sensor_set *set, const char *name) {
    for (size_t i = 0; i < set->device_count; i++)
        if (strcmp(set->devices[i].name, name) == 0) return (uint32_t)i;
    return UINT32_MAX;
}

uint32_t jmi_set_device_named(jmi_sensor_set *set, const char *name, const jm_device *device) {
    uint32_t there = jmi_set_find(set, name);
    if (there != UINT32_MAX) return there;
    jm_device named = *device;
    named.name = name;
    return jmi_set_device(set, &named);
}

const char *jmi_set_vbios(const jmi_sensor_set *set, const jm_device *device) {
    for (size_t i = 0; i < set->gpu_count; i++)
        if (device->uuid[0] != '\0' && strcmp(set->gpus[i].uuid, device->uuid) == 0)
            return set->gpus[i].vbios;
    return "";
}

bool jmi_set_measures(const jmi_sensor_set *set, const char *name) {
    uint32_t device = jmi_set_find(set, name);
    for (size_t i = 0; device != UINT32_MAX && i < set->sensor_count; i++)
        if (set->sensors[i].device == device && set->sensors[i].quantity <= JM_QUANTITY_ENERGY)
            return true;
    return false;
}

const char *jmi_set_free_name(jmi_sensor_set *set, const char *prefix) {
    for (unsigned n = 0;; n++) {
        char name[64];
        snprintf(name, sizeof name, "%.40s%u", prefix, n);
        if (jmi_set_find(set, name) == UINT32_MAX) return jmi_set_text(set, name);
    }
}

bool jmi_cost_goes_on(jmi_cost *cost) {
    enum { TRIES = 3, SHORT_NS = 1000000 };
    int64_t now = jm_now_ns();
    if (cost->tries > 0) {
        uint64_t took = (uint64_t)(now - cost->began_ns);
        if (cost->tries == 1 || took < cost->least_ns) cost->least_ns = took;
        if (cost->tries == TRIES || cost->least_ns < SHORT_NS) return false;
    }
    cost->tries++;
    cost->began_ns = now;
    return true;
}

uint64_t jmi_source_cost(jmi_source *source) {
    jmi_reading readings[JMI_SOURCE_SENSORS];
    jmi_cost cost = {0};
    while (jmi_cost_goes_on(&cost)) (void)source->read(source, readings);
    return cost.least_ns;
}

uint64_t jmi_source_period(uint64_t refresh_ns, uint64_t cost_ns) {
    uint64_t fine = refresh_ns / 50;
    uint64_t cheap = cost_ns * 50;
    if (cheap > refresh_ns / 2) cheap = refresh_ns / 2; /* each value must still be seen */
    uint64_t period = fine > cheap ? fine : cheap;
    return period > 1000000 ? period : 1000000;
}

void jmi_sensors_abandon(jmi_sensor_set *set, size_t source) {
    if (source >= set->source_count) return;
    set->sources[source].close = NULL;
    set->abandoned = true;
}

void jmi_sensors_close(jmi_sensor_set *set) {
    if (set == NULL) return;
    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].close != NULL) set->sources[i].close(&set->sources[i]);
    /* A thread that hangs in the driver may come back to its source and the driver's tables: these
     * are left to it, and a driver that hangs is not asked to shut down. */
    if (!set->abandoned) {
        if (set->nvml_close != NULL) set->nvml_close(set->nvml);
        free(set->sources);
    }
    jmi_simulate_close(set->simulation);
    if (set->environment != NULL)
        for (char **setting = set->environment; *setting != NULL; setting++) free(*setting);
    free(set->environment);
    jmi_calibration_cache_free(set->calibrations);
    free(set->gpus);
    free(set->devices);
    free(set->sensors);
    free(set->findings);
    jmi_intern_free(set->texts);
    free(set);
}
