/* Readings that have a call of their own, as a table. */
#include "sensor/nvml_internal.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPERATURE_GPU = 0, CLOCK_SM = 1, CLOCK_MEM = 2 };
#define MEMORY_V2 (2u << 24 | (unsigned)sizeof(jmi_nvml_memory_v2))
#define SLOW_NS   UINT64_C(100000000)
#define RARE_NS   UINT64_C(1000000000)
/* A call that takes longer is made once a second only: it may hold the driver's lock. */
#define DEAR_NS UINT64_C(1000000)

static int get_power(jmi_nvml_gpu *gpu, uint64_t *raw) {
    unsigned milliwatts = 0;
    if (gpu->api->power == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->power(gpu->handle, &milliwatts);
    *raw = milliwatts;
    return result;
}

static int get_energy(jmi_nvml_gpu *gpu, uint64_t *raw) {
    unsigned long long millijoules = 0;
    if (gpu->api->energy == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->energy(gpu->handle, &millijoules);
    *raw = millijoules;
    return result;
}

/* The second of the two readings of one call uses what the first got. */
static int get_utilization(jmi_nvml_gpu *gpu, bool second) {
    if (gpu->api->utilization == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    if (second && gpu->utilization_fresh) {
        gpu->utilization_fresh = false;
        return JMI_NVML_OK;
    }
    int result = gpu->api->utilization(gpu->handle, &gpu->utilization);
    gpu->utilization_fresh = result == JMI_NVML_OK && !second;
    return result;
}

static int get_gpu_util(jmi_nvml_gpu *gpu, uint64_t *raw) {
    int result = get_utilization(gpu, false);
    *raw = gpu->utilization.gpu;
    return result;
}

static int get_mem_util(jmi_nvml_gpu *gpu, uint64_t *raw) {
    int result = get_utilization(gpu, true);
    *raw = gpu->utilization.memory;
    return result;
}

static int get_mem_used(jmi_nvml_gpu *gpu, uint64_t *raw) {
    /* The plain call counts what the driver reserves as used. */
    jmi_nvml_memory_v2 v2 = {.version = MEMORY_V2};
    if (gpu->api->memory_v2 != NULL) {
        int result = gpu->api->memory_v2(gpu->handle, &v2);
        *raw = v2.used;
        if (result == JMI_NVML_OK || result == JMI_NVML_GPU_IS_LOST) return result;
    }
    jmi_nvml_memory memory = {0};
    if (gpu->api->memory == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->memory(gpu->handle, &memory);
    *raw = memory.used;
    return result;
}

static int get_temperature(jmi_nvml_gpu *gpu, uint64_t *raw) {
    unsigned celsius = 0;
    if (gpu->api->temperature == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->temperature(gpu->handle, TEMPERATURE_GPU, &celsius);
    *raw = celsius;
    return result;
}

static int get_clock(jmi_nvml_gpu *gpu, int type, uint64_t *raw) {
    unsigned megahertz = 0;
    if (gpu->api->clock == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->clock(gpu->handle, type, &megahertz);
    *raw = megahertz;
    return result;
}

static int get_sm_clock(jmi_nvml_gpu *gpu, uint64_t *raw) {
    return get_clock(gpu, CLOCK_SM, raw);
}

static int get_mem_clock(jmi_nvml_gpu *gpu, uint64_t *raw) {
    return get_clock(gpu, CLOCK_MEM, raw);
}

static int get_throttle(jmi_nvml_gpu *gpu, uint64_t *raw) {
    unsigned long long reasons = 0;
    if (gpu->api->throttle == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->throttle(gpu->handle, &reasons);
    *raw = reasons;
    return result;
}

static int get_limit(jmi_nvml_gpu *gpu, uint64_t *raw) {
    unsigned milliwatts = 0;
    if (gpu->api->enforced_limit == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->enforced_limit(gpu->handle, &milliwatts);
    *raw = milliwatts;
    return result;
}

static int get_cap_time(jmi_nvml_gpu *gpu, uint64_t *raw) {
    jmi_nvml_field field = {.id = JMI_NVML_FIELD_CAP_TIME};
    if (gpu->api->fields == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = gpu->api->fields(gpu->handle, 1, &field);
    if (result == JMI_NVML_OK) result = field.result;
    if (result == JMI_NVML_OK && !jmi_nvml_value_u64(field.type, &field.value, raw))
        return JMI_NVML_NOT_SUPPORTED;
    return result;
}

const jmi_nvml_call jmi_nvml_power = {
    "power", "nvml power", JM_QUANTITY_POWER, 1e-3, 0, false, 1e-3, get_power,
};
const jmi_nvml_call jmi_nvml_energy = {
    "energy", "nvml energy", JM_QUANTITY_ENERGY, 1e-3, 0, true, 1e-3, get_energy,
};
const jmi_nvml_call jmi_nvml_slow_calls[] = {
    {"gpu_util", "nvml utilization", JM_QUANTITY_GPU_UTIL, 1, SLOW_NS, false, 1, get_gpu_util},
    {"mem_util", "nvml memory utilization", JM_QUANTITY_MEM_UTIL, 1, SLOW_NS, false, 1,
     get_mem_util},
    {"mem_used", "nvml memory", JM_QUANTITY_MEM_USED, 1, SLOW_NS, false, 1, get_mem_used},
    {"temperature", "nvml temperature", JM_QUANTITY_TEMPERATURE, 1, SLOW_NS, false, 1,
     get_temperature},
    {"sm_clock", "nvml sm clock", JM_QUANTITY_SM_CLOCK, 1, SLOW_NS, false, 1, get_sm_clock},
    {"mem_clock", "nvml memory clock", JM_QUANTITY_MEM_CLOCK, 1, SLOW_NS, false, 1, get_mem_clock},
    {"throttle", "nvml throttle reasons", JM_QUANTITY_THROTTLE, 1, SLOW_NS, false, 1, get_throttle},
    {"cap_time", "nvml cap time", JM_QUANTITY_CAP_TIME, 1e-9, SLOW_NS, true, 1e-9, get_cap_time},
    {"power_limit", "nvml enforced limit", JM_QUANTITY_POWER_LIMIT, 1e-3, RARE_NS, false, 1e-3,
     get_limit},
};
const size_t jmi_nvml_slow_call_count = JMI_COUNT(jmi_nvml_slow_calls);

/* ---- a source that makes calls ---- */

typedef struct calls {
    jmi_nvml_gpu *gpu;
    size_t count;
    const jmi_nvml_call *call[JMI_SOURCE_SENSORS];
    jmi_counter counter[JMI_SOURCE_SENSORS];
} calls;

static jmi_reading read_one(calls *all, size_t i) {
    uint64_t raw = 0;
    int result = all->call[i]->get(all->gpu, &raw);
    int status = jmi_nvml_note(all->gpu, result);
    if (status != JM_OK) return (jmi_reading){.status = status};
    if (all->call[i]->counter) return jmi_counter_update(&all->counter[i], raw);
    return (jmi_reading){.status = JM_OK, .value = (double)raw * all->call[i]->unit};
}

static int read_calls(jmi_source *source, jmi_reading *readings) {
    calls *all = source->context;
    int status = JM_OK;
    for (size_t i = 0; i < all->count; i++) {
        if (all->gpu->lost)
            readings[i] = (jmi_reading){.status = JM_LOST};
        else
            readings[i] = read_one(all, i);
        if (readings[i].status != JM_OK) status = readings[i].status;
    }
    return all->gpu->lost ? JM_LOST : status;
}

static void close_calls(jmi_source *source) {
    free(source->context);
    source->context = NULL;
}

int jmi_nvml_try(jmi_nvml_gpu *gpu, const jmi_nvml_call *call, uint64_t *raw, uint64_t *cost_ns) {
    *cost_ns = 0;
    int result = call->get(gpu, raw);
    if (result != JMI_NVML_OK) return result;
    jmi_cost cost = {0};
    while (jmi_cost_goes_on(&cost)) result = call->get(gpu, raw);
    *cost_ns = cost.least_ns;
    return result;
}

void jmi_nvml_add_calls(jmi_sensor_set *set, jmi_nvml_gpu *gpu, const jmi_nvml_call *const *list,
                        size_t count, const jmi_nvml_timing *timing, uint64_t cost_ns) {
    calls *all = jmi_alloc(1, sizeof *all);
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
        .min_period_ns = list[0]->period_ns,
        .cost_ns = cost_ns,
        .driver = jmi_nvml.name,
        .read = read_calls,
        .close = close_calls,
        .context = all,
    };
    for (size_t i = 0; i < count; i++) {
        jm_sensor sensor = {
            .device = gpu->device,
            .quantity = list[i]->quantity,
            .source = list[i]->source,
            .counter = list[i]->counter,
            .quantum = list[i]->quantum,
        };
        if (timing != NULL) {
            sensor.refresh_ns = timing->refresh_ms * UINT64_C(1000000);
            sensor.window_ns = sensor.counter ? 0 : timing->window_ms * UINT64_C(1000000);
            sensor.noise = sensor.counter ? 0 : timing->noise_w;
            if (sensor.quantity == JM_QUANTITY_POWER && timing->window_ms >= 500)
                sensor.quantity = JM_QUANTITY_POWER_AVERAGE;
        }
        all->call[i] = list[i];
        all->counter[i] = (jmi_counter){.unit = list[i]->unit, .resets = true};
        source.sensor[i] = jmi_set_sensor(set, &sensor);
    }
    if (timing != NULL && !set->failed)
        source.min_period_ns =
            jmi_source_period(set->sensors[source.sensor[0]].refresh_ns, cost_ns);
    if (set->failed || jmi_set_source(set, &source) == NULL) free(all);
}

/* ---- the slow ones ---- */

void jmi_nvml_probe_slow(jmi_sensor_set *set, jmi_nvml_gpu *gpu) {
    const jmi_nvml_call *slow[JMI_COUNT(jmi_nvml_slow_calls)];
    const jmi_nvml_call *rare[JMI_COUNT(jmi_nvml_slow_calls)];
    size_t slow_count = 0, rare_count = 0;
    uint64_t slow_cost = 0, rare_cost = 0;
    for (size_t i = 0; i < jmi_nvml_slow_call_count && !gpu->lost; i++) {
        const jmi_nvml_call *call = &jmi_nvml_slow_calls[i];
        uint64_t raw = 0, cost = 0;
        int result = jmi_nvml_try(gpu, call, &raw, &cost);
        bool is_rare = call->period_ns == RARE_NS || cost > DEAR_NS;
        if (!jmi_nvml_report(set, gpu, call->what, result, cost,
                             is_rare ? "Works; read once a second." : "Works.")) {
            jmi_nvml_note(gpu, result);
            continue;
        }
        if (is_rare) {
            rare[rare_count++] = call;
            rare_cost += cost;
        } else {
            slow[slow_count++] = call;
            slow_cost += cost;
        }
    }
    if (slow_count > 0) jmi_nvml_add_calls(set, gpu, slow, slow_count, NULL, slow_cost);
    if (rare_count == 0) return;
    jmi_nvml_add_calls(set, gpu, rare, rare_count, NULL, rare_cost);
    if (!set->failed) set->sources[set->source_count - 1].min_period_ns = RARE_NS;
}
