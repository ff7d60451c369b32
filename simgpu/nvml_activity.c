/* SPDX-License-Identifier: MIT */
/* What the board is doing: utilisation, memory, clocks, temperature, throttling. */
#include "nvml_call.h"
#include "nvml_entries.h"

#include <math.h>

enum { BRAND_GEFORCE = 5 };

static const unsigned long long MIB = 1024 * 1024;
static const int64_t MEMORY_HOLD_NS = 20 * SIMGPU_NS_PER_S;

/* Gives a number that was worked out while the board was locked. */
static nvml_result give(struct nvml_call *call, unsigned int *out, double value) {
    if (!out) return nvml_end(call, NVML_INVALID_ARGUMENT);
    *out = (unsigned int)llround(fmax(value, 0.0));
    return nvml_end(call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetUtilizationRates(nvml_device device,
                                                      struct nvml_utilization *rates) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!rates) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    double gpu = simgpu_board_utilisation_pct(call.board, call.now);
    rates->gpu = (unsigned int)llround(gpu);
    rates->memory = (unsigned int)llround(gpu * 0.5);
    return nvml_end(&call, NVML_OK);
}

static nvml_result codec(const char *function, nvml_device device, unsigned int *utilisation,
                         unsigned int *period_us) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    if (!utilisation || !period_us) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *utilisation = 0;
    *period_us = 167000;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetEncoderUtilization(nvml_device device,
                                                        unsigned int *utilisation,
                                                        unsigned int *period_us) {
    return codec(__func__, device, utilisation, period_us);
}

NVML_EXPORT nvml_result nvmlDeviceGetDecoderUtilization(nvml_device device,
                                                        unsigned int *utilisation,
                                                        unsigned int *period_us) {
    return codec(__func__, device, utilisation, period_us);
}

/* A load that worked lately holds memory; a MIG instance has its share of everything. */
static struct nvml_memory_v2 memory_of(const struct nvml_call *call) {
    const struct simgpu_board *board = call->board;
    unsigned long long parts = call->handle->mig >= 0 ? (unsigned)board->item.mig : 1;
    struct nvml_memory_v2 m = {.total = board->profile->memory_mib * MIB / parts};
    bool busy = simgpu_board_active_ns(board, call->now - MEMORY_HOLD_NS, call->now) > 0;
    m.reserved = 512 * MIB / parts;
    m.used = busy ? m.total / 10 * 4 : 0;
    m.free = m.total - m.used - m.reserved;
    return m;
}

NVML_EXPORT nvml_result nvmlDeviceGetMemoryInfo(nvml_device device, struct nvml_memory *memory) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!memory) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    struct nvml_memory_v2 m = memory_of(&call);
    *memory = (struct nvml_memory){.total = m.total, .free = m.free, .used = m.used + m.reserved};
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetMemoryInfo_v2(nvml_device device,
                                                   struct nvml_memory_v2 *memory) {
    struct nvml_call call;
    nvml_result result = nvml_begin_any(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!memory) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    unsigned int version = NVML_STRUCT_VERSION(*memory, 2U);
    if (memory->version != version) return nvml_end(&call, NVML_VERSION_MISMATCH);
    *memory = memory_of(&call);
    memory->version = version;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetTemperature(nvml_device device, unsigned int sensor,
                                                 unsigned int *temperature_c) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (sensor != 0) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    return give(&call, temperature_c, simgpu_board_temperature_c(call.board, call.now));
}

NVML_EXPORT nvml_result nvmlDeviceGetTemperatureV(nvml_device device,
                                                  struct nvml_temperature *temperature) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!temperature || temperature->sensor != 0) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (temperature->version != NVML_STRUCT_VERSION(*temperature, 1U))
        return nvml_end(&call, NVML_VERSION_MISMATCH);
    temperature->temperature = (int)lround(simgpu_board_temperature_c(call.board, call.now));
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetFanSpeed(nvml_device device, unsigned int *speed_pct) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!call.board->profile->has_fan) return nvml_end(&call, NVML_NOT_SUPPORTED);
    double hot = simgpu_board_temperature_c(call.board, call.now) - 40.0;
    return give(&call, speed_pct, fmin(fmax(2.0 * hot, 0.0), 100.0));
}

NVML_EXPORT nvml_result nvmlDeviceGetClockInfo(nvml_device device, unsigned int type,
                                               unsigned int *mhz) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (type > NVML_CLOCK_VIDEO) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    if (type == NVML_CLOCK_MEMORY) return give(&call, mhz, call.board->profile->memory_mhz);
    return give(&call, mhz, simgpu_board_sm_clock_mhz(call.board, call.now));
}

static nvml_result max_clock(struct nvml_call *call, unsigned int type, unsigned int *mhz) {
    if (type > NVML_CLOCK_VIDEO) return nvml_end(call, NVML_INVALID_ARGUMENT);
    const struct simgpu_profile *p = call->board->profile;
    return give(call, mhz, type == NVML_CLOCK_MEMORY ? p->memory_mhz : p->sm_mhz);
}

NVML_EXPORT nvml_result nvmlDeviceGetMaxClockInfo(nvml_device device, unsigned int type,
                                                  unsigned int *mhz) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    return result != NVML_OK ? result : max_clock(&call, type, mhz);
}

NVML_EXPORT nvml_result nvmlDeviceGetSupportedMemoryClocks(nvml_device device, unsigned int *count,
                                                           unsigned int *mhz) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (!count) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    bool fits = *count >= 1 && mhz;
    *count = 1;
    if (!fits) return nvml_end(&call, NVML_INSUFFICIENT_SIZE);
    return give(&call, mhz, call.board->profile->memory_mhz);
}

/* From the highest down to the idle one. */
NVML_EXPORT nvml_result nvmlDeviceGetSupportedGraphicsClocks(nvml_device device,
                                                             unsigned int memory_mhz,
                                                             unsigned int *count,
                                                             unsigned int *mhz) {
    enum { STEP_MHZ = 15 };
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    const struct simgpu_profile *p = call.board->profile;
    if (!count || memory_mhz != p->memory_mhz) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    unsigned int room = mhz ? *count : 0;
    *count = (p->sm_mhz - p->idle_sm_mhz) / STEP_MHZ + 1;
    if (room < *count) return nvml_end(&call, NVML_INSUFFICIENT_SIZE);
    for (unsigned int i = 0; i < *count; i++) mhz[i] = p->sm_mhz - i * STEP_MHZ;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetApplicationsClock(nvml_device device, unsigned int type,
                                                       unsigned int *mhz) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (call.board->profile->brand == BRAND_GEFORCE) return nvml_end(&call, NVML_NOT_SUPPORTED);
    return max_clock(&call, type, mhz);
}

static nvml_result performance_state(const char *function, nvml_device device,
                                     unsigned int *state) {
    enum { FULL = 0, IDLE = 8 };
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    /* Boards for data centres stay in P0. */
    bool can_rest = call.board->profile->brand == BRAND_GEFORCE;
    bool rests = can_rest && !simgpu_board_is_active(call.board, call.now);
    return give(&call, state, rests ? IDLE : FULL);
}

NVML_EXPORT nvml_result nvmlDeviceGetPerformanceState(nvml_device device, unsigned int *state) {
    return performance_state(__func__, device, state);
}

NVML_EXPORT nvml_result nvmlDeviceGetPowerState(nvml_device device, unsigned int *state) {
    return performance_state(__func__, device, state);
}

static nvml_result clock_reasons(const char *function, nvml_device device,
                                 unsigned long long *reasons) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    if (!reasons) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *reasons = 0;
    if (simgpu_board_is_throttled(call.board, call.now))
        *reasons = NVML_REASON_SW_POWER_CAP;
    else if (!simgpu_board_is_active(call.board, call.now))
        *reasons = NVML_REASON_IDLE;
    else if (simgpu_board_clock(call.board, call.now) < 1.0)
        *reasons = NVML_REASON_CLOCKS_SETTING;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetCurrentClocksThrottleReasons(nvml_device device,
                                                                  unsigned long long *reasons) {
    return clock_reasons(__func__, device, reasons);
}

NVML_EXPORT nvml_result nvmlDeviceGetCurrentClocksEventReasons(nvml_device device,
                                                               unsigned long long *reasons) {
    return clock_reasons(__func__, device, reasons);
}

static nvml_result known_reasons(const char *function, nvml_device device,
                                 unsigned long long *reasons) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, function, device);
    if (result != NVML_OK) return result;
    if (!reasons) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    *reasons = NVML_REASONS_KNOWN;
    return nvml_end(&call, NVML_OK);
}

NVML_EXPORT nvml_result nvmlDeviceGetSupportedClocksThrottleReasons(nvml_device device,
                                                                    unsigned long long *reasons) {
    return known_reasons(__func__, device, reasons);
}

NVML_EXPORT nvml_result nvmlDeviceGetSupportedClocksEventReasons(nvml_device device,
                                                                 unsigned long long *reasons) {
    return known_reasons(__func__, device, reasons);
}

NVML_EXPORT nvml_result nvmlDeviceGetPersistenceMode(nvml_device device, unsigned int *mode) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    return result != NVML_OK ? result : give(&call, mode, 1.0);
}

NVML_EXPORT nvml_result nvmlDeviceGetComputeMode(nvml_device device, unsigned int *mode) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    return result != NVML_OK ? result : give(&call, mode, 0.0);
}

NVML_EXPORT nvml_result nvmlDeviceGetPcieThroughput(nvml_device device, unsigned int counter,
                                                    unsigned int *kb_per_s) {
    struct nvml_call call;
    nvml_result result = nvml_begin(&call, __func__, device);
    if (result != NVML_OK) return result;
    if (counter > 1) return nvml_end(&call, NVML_INVALID_ARGUMENT);
    double busy = simgpu_board_utilisation_pct(call.board, call.now);
    return give(&call, kb_per_s, 500.0 + busy * (counter ? 12000.0 : 1500.0));
}
