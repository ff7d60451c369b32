/* Which of the board's power and energy readings are used, and how often. */
#include "sensor/nvml_internal.h"

#include <string.h>

static const jmi_nvml_field_spec field_instant = {
    "power_instant",
    "nvml power_instant",
    JMI_NVML_FIELD_POWER_INSTANT,
    JMI_NVML_SCOPE_GPU,
    JM_QUANTITY_POWER,
    1e-3,
    false,
};
static const jmi_nvml_field_spec field_average = {
    "power_average",
    "nvml power_average",
    JMI_NVML_FIELD_POWER_AVERAGE,
    JMI_NVML_SCOPE_GPU,
    JM_QUANTITY_POWER_AVERAGE,
    1e-3,
    false,
};
static const jmi_nvml_field_spec field_energy = {
    "energy_field", "nvml energy", JMI_NVML_FIELD_ENERGY, JMI_NVML_SCOPE_GPU, JM_QUANTITY_ENERGY,
    1e-3,           true,
};

/* A scope's power: now, and its mean. No counter stands beside them: only the mean sees all of the
 * time. */
enum { NOW, MEAN, READINGS };
static const jmi_nvml_field_spec module_power[READINGS] = {
    {"module_power", "nvml module power", JMI_NVML_FIELD_POWER_INSTANT, JMI_NVML_SCOPE_MODULE,
     JM_QUANTITY_POWER, 1e-3, false},
    {"module_average", "nvml module power_average", JMI_NVML_FIELD_POWER_AVERAGE,
     JMI_NVML_SCOPE_MODULE, JM_QUANTITY_POWER_AVERAGE, 1e-3, false},
};
static const jmi_nvml_field_spec memory_power[READINGS] = {
    {"memory_power", "nvml memory power", JMI_NVML_FIELD_POWER_INSTANT, JMI_NVML_SCOPE_MEMORY,
     JM_QUANTITY_POWER, 1e-3, false},
    {"memory_average", "nvml memory power_average", JMI_NVML_FIELD_POWER_AVERAGE,
     JMI_NVML_SCOPE_MEMORY, JM_QUANTITY_POWER_AVERAGE, 1e-3, false},
};

static jm_sensor sensor_of(const jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *spec,
                           const jmi_nvml_timing *timing, bool own_time) {
    return (jm_sensor){
        .device = gpu->device,
        .quantity = spec->quantity,
        .source = spec->source,
        .counter = spec->counter,
        .source_time = own_time,
        .refresh_ns = timing->refresh_ms * UINT64_C(1000000),
        .window_ns = timing->window_ms * UINT64_C(1000000),
        .noise = timing->noise_w,
        .quantum = 1e-3,
    };
}

static bool try_field(jmi_sensor_set *set, jmi_nvml_gpu *gpu, const jmi_nvml_field_spec *spec,
                      jmi_nvml_field_trial *trial) {
    *trial = jmi_nvml_try_field(gpu, spec);
    jmi_nvml_note(gpu, trial->result);
    char sentence[96];
    snprintf(sentence, sizeof sentence, spec->counter ? "Works." : "Works: %.1f W now.",
             trial->value);
    return jmi_nvml_report(set, gpu, spec->what, trial->result, trial->cost_ns, sentence);
}

/* The instant reading and the energy counter in one call, unless the counter is so slow to read
 * that power would be read too rarely. */
static bool add_instant(jmi_sensor_set *set, jmi_nvml_gpu *gpu, bool *has_energy) {
    jmi_nvml_field_trial power, energy;
    if (!try_field(set, gpu, &field_instant, &power)) return false;
    const jmi_nvml_timing counter = {.refresh_ms = gpu->priors->energy_ms};
    const jmi_nvml_field_spec *specs[] = {&field_instant, &field_energy};
    jm_sensor sensors[2] = {
        sensor_of(gpu, &field_instant, &gpu->priors->instant, power.own_time),
        sensor_of(gpu, &field_energy, &counter, false),
    };
    *has_energy = try_field(set, gpu, &field_energy, &energy);
    uint64_t both = *has_energy ? jmi_nvml_fields_cost(gpu, specs, 2) : 0;
    bool dear = both > 200000 && both > 4 * power.cost_ns;
    if (*has_energy) sensors[1].source_time = energy.own_time;
    if (*has_energy && !dear) {
        jmi_nvml_add_fields(set, gpu, specs, sensors, 2, both);
        return true;
    }
    jmi_nvml_add_fields(set, gpu, specs, sensors, 1, power.cost_ns);
    if (*has_energy) jmi_nvml_add_fields(set, gpu, &specs[1], &sensors[1], 1, energy.cost_ns);
    return true;
}

static bool add_average(jmi_sensor_set *set, jmi_nvml_gpu *gpu) {
    jmi_nvml_field_trial trial;
    const jmi_nvml_field_spec *spec = &field_average;
    if (!try_field(set, gpu, spec, &trial)) return false;
    jm_sensor sensor = sensor_of(gpu, spec, &gpu->priors->average, trial.own_time);
    jmi_nvml_add_fields(set, gpu, &spec, &sensor, 1, trial.cost_ns);
    /* Its window spans many refreshes: when exactly one came matters little. */
    if (!set->failed)
        set->sources[set->source_count - 1].min_period_ns =
            set->sensors[set->sensor_count - 1].refresh_ns / 4;
    return true;
}

static void add_plain(jmi_sensor_set *set, jmi_nvml_gpu *gpu, bool has_instant, bool has_average) {
    uint64_t raw = 0, cost = 0;
    const jmi_nvml_timing *timing = &gpu->priors->plain;
    int result = jmi_nvml_try(gpu, &jmi_nvml_power, &raw, &cost);
    jmi_nvml_note(gpu, result);
    bool averages = timing->window_ms >= 500;
    bool redundant = has_instant && (!averages || has_average);
    char sentence[160];
    snprintf(sentence, sizeof sentence, "Works: %.1f W now%s.", (double)raw * 1e-3,
             redundant  ? "; it is not polled, as it says the same as another reading"
             : averages ? "; on this board it is an average over about a second"
                        : "");
    const jmi_nvml_call *call = &jmi_nvml_power;
    if (!jmi_nvml_report(set, gpu, "power", result, cost, sentence) || redundant) return;
    jmi_nvml_add_calls(set, gpu, &call, 1, timing, cost);
}

static void add_energy(jmi_sensor_set *set, jmi_nvml_gpu *gpu, bool by_field) {
    uint64_t raw = 0, cost = 0;
    int result = jmi_nvml_try(gpu, &jmi_nvml_energy, &raw, &cost);
    jmi_nvml_note(gpu, result);
    bool works =
        jmi_nvml_report(set, gpu, "energy", result, cost,
                        by_field ? "Works; it is read together with power instead." : "Works.");
    if (!works || by_field) return;
    const jmi_nvml_call *call = &jmi_nvml_energy;
    const jmi_nvml_timing timing = {.refresh_ms = gpu->priors->energy_ms};
    jmi_nvml_add_calls(set, gpu, &call, 1, &timing, cost);
}

/* Both readings in one call, if the driver has the mean. */
static void add_scope_readings(jmi_sensor_set *set, jmi_nvml_gpu *gpu, const jmi_nvml_gpu *as_part,
                               const jmi_nvml_field_spec readings[READINGS],
                               const jmi_nvml_field_trial *now) {
    jmi_nvml_field_trial mean;
    bool has_mean = try_field(set, gpu, &readings[MEAN], &mean) && mean.value > 0;
    const jmi_nvml_field_spec *specs[READINGS] = {&readings[NOW], &readings[MEAN]};
    const jm_sensor sensors[READINGS] = {
        sensor_of(as_part, specs[NOW], &gpu->priors->instant, now->own_time),
        sensor_of(as_part, specs[MEAN], &gpu->priors->average, has_mean && mean.own_time),
    };
    size_t count = has_mean ? READINGS : 1;
    uint64_t cost = has_mean ? jmi_nvml_fields_cost(gpu, specs, READINGS) : now->cost_ns;
    jmi_nvml_add_fields(set, gpu, specs, sensors, count, cost);
    if (!set->failed) set->sources[set->source_count - 1].min_period_ns = 100000000;
}

/* Power of a part of the board, or of what the board is part of, as a device of its own that is
 * never added to the total. Boards without such a scope may answer with the whole board's. */
static void add_scope(jmi_sensor_set *set, jmi_nvml_gpu *gpu,
                      const jmi_nvml_field_spec readings[READINGS], const char *prefix,
                      uint32_t number, const char *what) {
    const jmi_nvml_field_spec *spec = &readings[NOW];
    jmi_nvml_field_trial scope, board;
    for (int attempt = 0; attempt < 3; attempt++) {
        scope = jmi_nvml_try_field(gpu, spec);
        board = jmi_nvml_try_field(gpu, &field_instant);
        if (scope.result != JMI_NVML_OK || scope.value != board.value) break;
    }
    jmi_nvml_note(gpu, scope.result);
    if (scope.result == JMI_NVML_OK && (scope.value == board.value || scope.value <= 0)) {
        jmi_set_finding(set, &jmi_nvml, gpu->name, spec->what, JM_NOT_SUPPORTED, scope.cost_ns, "",
                        "The driver answers with the whole board's power.");
        return;
    }
    char sentence[96];
    snprintf(sentence, sizeof sentence, "Works: %.1f W now.", scope.value);
    if (!jmi_nvml_report(set, gpu, spec->what, scope.result, scope.cost_ns, sentence)) return;
    const jm_device *of = &set->devices[gpu->device];
    jm_device device = *of;
    device.model = what;
    device.in_total = false;
    device.power_limit_w = 0;
    jmi_nvml_gpu as_part = *gpu; /* for its device only */
    as_part.device =
        jmi_set_device_named(set, jmi_set_format(set, "%s%u", prefix, number), &device);
    if (as_part.device == UINT32_MAX || set->failed) return;
    add_scope_readings(set, gpu, &as_part, readings, &scope);
}

void jmi_nvml_probe_power(jmi_sensor_set *set, jmi_nvml_gpu *gpu) {
    bool energy_by_field = false;
    bool has_instant = add_instant(set, gpu, &energy_by_field);
    bool has_average = !gpu->lost && add_average(set, gpu);
    if (!gpu->lost) add_plain(set, gpu, has_instant, has_average);
    if (!gpu->lost) add_energy(set, gpu, energy_by_field);
    uint32_t number = 0;
    sscanf(gpu->name, "gpu%u", &number);
    if (!gpu->lost && has_instant) {
        add_scope(set, gpu, module_power, "module", number, "superchip module");
        add_scope(set, gpu, memory_power, "gpumem", number, "GPU memory");
    }
    if (!gpu->lost) jmi_nvml_probe_ring(set, gpu);
}
