/* Field values: several readings in one call of the driver, each with its result and its time. */
#include "sensor/nvml_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A driver's time stamp further than this from now is not believed. */
#define PLAUSIBLE_NS (INT64_C(10) * JMI_NS_PER_S)

int64_t jmi_nvml_time(int64_t time_us, int64_t now_ns) {
    static const int clocks[] = {CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};
    if (time_us <= 0 || time_us > INT64_MAX / 1000) return 0;
    int64_t best = 0;
    for (size_t i = 0; i < JMI_COUNT(clocks); i++) {
        int64_t there = clocks[i] == CLOCK_MONOTONIC ? 0 : jmi_clock_offset_ns(clocks[i]);
        int64_t mono = time_us * 1000 - there;
        int64_t off = mono > now_ns ? mono - now_ns : now_ns - mono;
        int64_t best_off = best > now_ns ? best - now_ns : now_ns - best;
        if (off < PLAUSIBLE_NS && (best == 0 || off < best_off)) best = mono;
    }
    return best;
}

int jmi_nvml_note(jmi_nvml_gpu *gpu, int result) {
    int status = jmi_nvml_status(result);
    if (status == JM_LOST) gpu->lost = true;
    return status;
}

static int get_fields(jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *const *specs, size_t count,
                      jmi_nvml_field *fields) {
    memset(fields, 0, count * sizeof *fields);
    for (size_t i = 0; i < count; i++) {
        fields[i].id = specs[i]->id;
        fields[i].scope = specs[i]->scope;
        fields[i].result = JMI_NVML_NOT_SUPPORTED; /* should the driver skip it */
    }
    if (gpu->api->fields == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    return gpu->api->fields(gpu->handle, (int)count, fields);
}

jmi_nvml_field_trial jmi_nvml_try_field(jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *spec) {
    jmi_nvml_field first, again = {0};
    jmi_nvml_field_trial trial = {.result = get_fields(gpu, &spec, 1, &first)};
    if (trial.result == JMI_NVML_OK) trial.result = first.result;
    if (trial.result != JMI_NVML_OK) return trial;
    int64_t before = jm_now_ns();
    jmi_cost cost = {0};
    while (jmi_cost_goes_on(&cost)) get_fields(gpu, &spec, 1, &again);
    trial.cost_ns = cost.least_ns;
    if (!jmi_nvml_value_double(first.type, &first.value, &trial.value))
        trial.result = JMI_NVML_NOT_SUPPORTED;
    trial.value *= spec->unit;
    /* Most drivers stamp the call. Where the stamp stays with the value, it is the value's. */
    for (int i = 0; i < 3 && again.time_us == first.time_us; i++) {
        struct timespec pause = {.tv_nsec = 20000};
        nanosleep(&pause, NULL);
        get_fields(gpu, &spec, 1, &again);
    }
    trial.own_time = again.time_us == first.time_us && jmi_nvml_time(first.time_us, before) != 0;
    return trial;
}

uint64_t jmi_nvml_fields_cost(jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *const *specs,
                              size_t count) {
    jmi_nvml_field fields[JMI_SOURCE_SENSORS];
    get_fields(gpu, specs, count, fields);
    jmi_cost cost = {0};
    while (jmi_cost_goes_on(&cost)) get_fields(gpu, specs, count, fields);
    return cost.least_ns;
}

/* ---- the source ---- */

typedef struct field_source {
    jmi_nvml_gpu *gpu;
    size_t count;
    const jmi_nvml_field_spec *spec[JMI_SOURCE_SENSORS];
    jmi_counter counter[JMI_SOURCE_SENSORS];
    bool own_time[JMI_SOURCE_SENSORS];
} field_source;

static jmi_reading take_field(field_source *all, size_t i, const jmi_nvml_field *field) {
    uint64_t raw = 0;
    jmi_reading reading = {.status = jmi_nvml_note(all->gpu, field->result)};
    if (reading.status != JM_OK) return reading;
    if (all->spec[i]->counter) {
        if (!jmi_nvml_value_u64(field->type, &field->value, &raw)) reading.status = JM_FORMAT;
        if (reading.status == JM_OK) reading = jmi_counter_update(&all->counter[i], raw);
    } else if (jmi_nvml_value_double(field->type, &field->value, &reading.value)) {
        reading.value *= all->spec[i]->unit;
    } else {
        reading.status = JM_FORMAT;
    }
    if (all->own_time[i] && reading.status == JM_OK)
        reading.source_ns = jmi_nvml_time(field->time_us, jm_now_ns());
    return reading;
}

static int read_fields(jmi_source *source, jmi_reading *readings) {
    field_source *all = source->context;
    jmi_nvml_field fields[JMI_SOURCE_SENSORS];
    int status = JM_LOST;
    if (!all->gpu->lost)
        status = jmi_nvml_note(all->gpu, get_fields(all->gpu, all->spec, all->count, fields));
    for (size_t i = 0; i < all->count; i++) {
        readings[i] =
            status == JM_OK ? take_field(all, i, &fields[i]) : (jmi_reading){.status = status};
    }
    for (size_t i = 0; i < all->count; i++)
        if (readings[i].status != JM_OK) status = readings[i].status;
    return all->gpu->lost ? JM_LOST : status;
}

static void close_fields(jmi_source *source) {
    free(source->context);
    source->context = NULL;
}

void jmi_nvml_add_fields(jmi_sensor_set *set, jmi_nvml_gpu *gpu,
                         const jmi_nvml_field_spec *const *specs, const jm_sensor *sensors,
                         size_t count, uint64_t cost_ns) {
    field_source *all = jmi_alloc(1, sizeof *all);
    if (all == NULL) {
        set->failed = true;
        return;
    }
    all->gpu = gpu;
    all->count = count;
    jmi_source source = {
        .interface = jmi_nvml.name,
        .device = gpu->device,
        .sensor_count = (uint32_t)count,
        .min_period_ns = UINT64_MAX,
        .cost_ns = cost_ns,
        .driver = jmi_nvml.name,
        .read = read_fields,
        .close = close_fields,
        .context = all,
    };
    for (size_t i = 0; i < count; i++) {
        all->spec[i] = specs[i];
        all->own_time[i] = sensors[i].source_time;
        all->counter[i] = (jmi_counter){.unit = specs[i]->unit, .resets = true};
        source.sensor[i] = jmi_set_sensor(set, &sensors[i]);
        if (set->failed) break;
        uint64_t period = jmi_source_period(set->sensors[source.sensor[i]].refresh_ns, cost_ns);
        if (period < source.min_period_ns) source.min_period_ns = period;
    }
    if (set->failed || jmi_set_source(set, &source) == NULL) free(all);
}
