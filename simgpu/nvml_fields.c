/* SPDX-License-Identifier: MIT */
/* Field values and the driver's ring of samples. */
#include "nvml_call.h"
#include "nvml_entries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Share of the board's power that its memory draws; a plain guess, there is no better one. */
static const double MEMORY_SHARE = 0.15;

static int64_t clock_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static nvml_result set_uint(struct nvml_field_value *field, double value) {
    field->value_type = NVML_UINT;
    field->value.ui = (unsigned int)llround(value);
    return NVML_OK;
}

static nvml_result set_ull(struct nvml_field_value *field, double value) {
    field->value_type = NVML_ULONG_LONG;
    field->value.ull = (unsigned long long)llround(value);
    return NVML_OK;
}

static nvml_result read_power(struct nvml_call *call, struct nvml_field_value *field,
                              enum simgpu_sensor sensor) {
    const struct simgpu_profile *p = call->board->profile;
    struct simgpu_reading reading;
    if (simgpu_board_read(call->board, sensor, call->now, &reading) != 0) return NVML_NOT_SUPPORTED;
    double watts = reading.value;
    switch (field->scope_id) {
    case NVML_SCOPE_GPU: break;
    case NVML_SCOPE_MODULE:
        if (p->module_w <= 0.0) return NVML_NOT_SUPPORTED;
        watts += p->module_w;
        break;
    case NVML_SCOPE_MEMORY:
        if (!p->has_memory_power) return NVML_NOT_SUPPORTED;
        watts *= MEMORY_SHARE;
        break;
    default: return NVML_INVALID_ARGUMENT;
    }
    simgpu_state_note_poll(call->state, call->handle->board);
    return set_uint(field, watts * 1e3);
}

static nvml_result read_energy(struct nvml_call *call, struct nvml_field_value *field) {
    struct simgpu_reading reading;
    if (simgpu_board_read(call->board, SIMGPU_COUNTER, call->now, &reading) != 0)
        return NVML_NOT_SUPPORTED;
    simgpu_state_note_poll(call->state, call->handle->board);
    return set_ull(field, reading.value * 1e3);
}

static nvml_result read_field(struct nvml_call *call, struct nvml_field_value *field) {
    const struct simgpu_board *board = call->board;
    const struct simgpu_profile *p = board->profile;
    switch (field->field_id) {
    case NVML_FIELD_POWER_POLICY:
        return set_ull(field, (double)simgpu_board_throttled_ns(board, 0, call->now));
    case NVML_FIELD_ENERGY: return read_energy(call, field);
    case NVML_FIELD_POWER_AVERAGE: return read_power(call, field, SIMGPU_AVERAGE);
    case NVML_FIELD_POWER_INSTANT: return read_power(call, field, SIMGPU_INSTANT);
    case NVML_FIELD_MIN_LIMIT: return set_uint(field, p->min_limit_w * 1e3);
    case NVML_FIELD_MAX_LIMIT: return set_uint(field, p->max_limit_w * 1e3);
    case NVML_FIELD_DEFAULT_LIMIT: return set_uint(field, p->limit_w * 1e3);
    case NVML_FIELD_CURRENT_LIMIT:
        return set_uint(field, simgpu_board_limit_w(board, call->now) * 1e3);
    default: return NVML_NOT_SUPPORTED;
    }
}

static nvml_result field_result(struct nvml_call *call, struct nvml_field_value *field) {
    char name[32];
    snprintf(name, sizeof name, "field%u", field->field_id);
    nvml_result fault = nvml_fault_result(call->board, name);
    return fault != NVML_OK ? fault : read_field(call, field);
}

NVML_EXPORT nvml_result nvmlDeviceGetFieldValues(nvml_device device, int count,
                                                 struct nvml_field_value *fields) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (count <= 0 || !fields) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    for (int i = 0; i < count; i++) {
        fields[i].timestamp_us = clock_us(CLOCK_REALTIME);
        fields[i].latency_us = 0;
        fields[i].result = field_result(&call, &fields[i]);
    }
    return nvml_end(&call, NVML_OK);
}

/* The utilisation's ring has a spacing of its own. */
static const int64_t UTIL_SPACING_NS = SIMGPU_NS_PER_S / 6;

static size_t utilisation_ring(const struct nvml_call *call, double scale,
                               struct simgpu_reading out[SIMGPU_RING_SIZE]) {
    int64_t last = call->now / UTIL_SPACING_NS;
    size_t count = 0;
    for (int64_t tick = last - SIMGPU_RING_SIZE + 1; tick <= last; tick++) {
        if (tick < 0) continue;
        int64_t at = tick * UTIL_SPACING_NS;
        double value = scale * simgpu_board_utilisation_pct(call->board, at);
        out[count++] = (struct simgpu_reading){value, at, tick};
    }
    return count;
}

static size_t ring(struct nvml_call *call, unsigned int type,
                   struct simgpu_reading out[SIMGPU_RING_SIZE], double *unit) {
    *unit = 1.0;
    if (type == NVML_SAMPLES_GPU_UTIL) return utilisation_ring(call, 1.0, out);
    if (type == NVML_SAMPLES_MEMORY_UTIL) return utilisation_ring(call, 0.5, out);
    *unit = 1e3;
    simgpu_state_note_poll(call->state, call->handle->board);
    return simgpu_board_ring(call->board, call->now, -1, out);
}

/*
 * Only a suspend moves the two clocks apart. Measured anew each time, the difference would
 * wobble by microseconds and one sample would be given twice.
 */
static int64_t monotonic_to_boottime_us(void) {
    static _Atomic int64_t known_us = INT64_MIN;
    int64_t boot_us = clock_us(CLOCK_BOOTTIME);
    int64_t now_us = boot_us - simgpu_mono_ns() / 1000;
    int64_t last_us = atomic_load(&known_us);
    if (last_us != INT64_MIN && llabs(now_us - last_us) < 1000) return last_us;
    /* The first caller's value holds for all. */
    if (!atomic_compare_exchange_strong(&known_us, &last_us, now_us)) return last_us;
    return now_us;
}

/* Readings newer than `last_seen`, oldest first, as many as fit. Their times are CLOCK_BOOTTIME. */
static nvml_result give_samples(struct nvml_call *call, unsigned int type,
                                unsigned long long last_seen, unsigned int *count,
                                struct nvml_sample *samples) {
    struct simgpu_reading readings[SIMGPU_RING_SIZE];
    double unit;
    size_t known = ring(call, type, readings, &unit);
    int64_t to_boot_us = monotonic_to_boottime_us();
    int64_t start_ns = simgpu_state_start_mono_ns(call->state);
    unsigned int given = 0;
    for (size_t i = 0; i < known && given < *count; i++) {
        uint64_t at_us = (uint64_t)((start_ns + readings[i].tick_ns) / 1000 + to_boot_us);
        if (at_us <= last_seen) continue;
        samples[given].timestamp_us = at_us;
        samples[given].value.ull = 0;
        samples[given++].value.ui = (unsigned int)llround(readings[i].value * unit);
    }
    *count = given;
    return given ? NVML_OK : NVML_NOT_FOUND;
}

NVML_EXPORT nvml_result nvmlDeviceGetSamples(nvml_device device, unsigned int type,
                                             unsigned long long last_seen, int *value_type,
                                             unsigned int *count, struct nvml_sample *samples) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!value_type || !count || (samples && *count == 0))
        return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (type > NVML_SAMPLES_MEMORY_UTIL) return nvml_end(&call, NVML_NOT_SUPPORTED);
    *value_type = NVML_UINT;
    if (samples) return nvml_end(&call, give_samples(&call, type, last_seen, count, samples));
    *count = SIMGPU_RING_SIZE;
    return nvml_end(&call, NVML_OK);
}
