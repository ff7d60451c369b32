/* SPDX-License-Identifier: MIT */
/*
 * The part of NVML's binary interface (x86-64) that the simulation speaks, written from its
 * documentation: names, layouts and numbers only.
 */
#ifndef SIMGPU_NVML_ABI_H
#define SIMGPU_NVML_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int nvml_result;
typedef void *nvml_device;

enum {
    NVML_OK = 0,
    NVML_UNINITIALIZED = 1,
    NVML_INVALID_ARGUMENT = 2,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_FUNCTION_NOT_FOUND = 13,
    NVML_GPU_IS_LOST = 15,
    NVML_OUT_OF_MEMORY = 20,
    NVML_VERSION_MISMATCH = 25,
    NVML_UNKNOWN = 999
};

enum { NVML_UINT = 1, NVML_ULONG_LONG = 3 };

union nvml_value {
    double d;
    unsigned int ui;
    unsigned long ul;
    unsigned long long ull;
    signed long long sll;
    signed int si;
    unsigned short us;
};

struct nvml_field_value {
    unsigned int field_id;
    unsigned int scope_id;
    int64_t timestamp_us;
    int64_t latency_us;
    int value_type;
    nvml_result result;
    union nvml_value value;
};

struct nvml_sample {
    uint64_t timestamp_us;
    union nvml_value value;
};

struct nvml_pci_info {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct nvml_utilization {
    unsigned int gpu, memory;
};

struct nvml_memory {
    unsigned long long total, free, used;
};

struct nvml_memory_v2 {
    unsigned int version;
    unsigned long long total, reserved, free, used;
};

struct nvml_process_v1 {
    unsigned int pid;
    unsigned long long used_memory;
};

struct nvml_process_v2 {
    unsigned int pid;
    unsigned long long used_memory;
    unsigned int gpu_instance, compute_instance;
};

struct nvml_temperature {
    unsigned int version;
    int sensor;
    int temperature;
};

struct nvml_c2c_mode {
    unsigned int version;
    unsigned int is_enabled;
};

struct nvml_violation_time {
    unsigned long long reference_us, violation_ns;
};

_Static_assert(sizeof(struct nvml_field_value) == 40, "layout of nvmlFieldValue_t");
_Static_assert(offsetof(struct nvml_field_value, value) == 32, "layout of nvmlFieldValue_t");
_Static_assert(sizeof(struct nvml_sample) == 16, "layout of nvmlSample_t");
_Static_assert(sizeof(struct nvml_pci_info) == 68, "layout of nvmlPciInfo_t");
_Static_assert(offsetof(struct nvml_pci_info, bus_id) == 36, "layout of nvmlPciInfo_t");
_Static_assert(sizeof(struct nvml_memory_v2) == 40, "layout of nvmlMemory_v2_t");
_Static_assert(sizeof(struct nvml_process_v2) == 24, "layout of nvmlProcessInfo_v2_t");

/* The version word of a structure: its size and number. */
#define NVML_STRUCT_VERSION(type, number) ((unsigned int)sizeof(type) | ((number) << 24))

enum {
    NVML_FIELD_POWER_POLICY = 74,
    NVML_FIELD_ENERGY = 83,
    NVML_FIELD_POWER_AVERAGE = 185,
    NVML_FIELD_POWER_INSTANT = 186,
    NVML_FIELD_MIN_LIMIT = 187,
    NVML_FIELD_MAX_LIMIT = 188,
    NVML_FIELD_DEFAULT_LIMIT = 189,
    NVML_FIELD_CURRENT_LIMIT = 190
};

enum { NVML_SCOPE_GPU = 0, NVML_SCOPE_MODULE = 1, NVML_SCOPE_MEMORY = 2 };

enum { NVML_SAMPLES_POWER = 0, NVML_SAMPLES_GPU_UTIL = 1, NVML_SAMPLES_MEMORY_UTIL = 2 };

enum {
    NVML_REASON_IDLE = 0x1,
    NVML_REASON_CLOCKS_SETTING = 0x2,
    NVML_REASON_SW_POWER_CAP = 0x4,
    NVML_REASONS_KNOWN = 0x1ff
};

enum { NVML_CLOCK_GRAPHICS = 0, NVML_CLOCK_SM = 1, NVML_CLOCK_MEMORY = 2, NVML_CLOCK_VIDEO = 3 };

#define NVML_EXPORT __attribute__((visibility("default")))

#endif
