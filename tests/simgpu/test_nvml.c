/* SPDX-License-Identifier: MIT */
/* The library as a program sees it: dlopen, dlsym, layouts, faults. */
#include "helpers.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Written out again here, so that a change of the library's own structures is noticed. */
struct field_value {
    uint32_t id, scope;
    int64_t timestamp, latency;
    int32_t type, result;
    union {
        double d;
        uint32_t ui;
        uint64_t ull;
    } value;
};
struct sample {
    uint64_t timestamp;
    uint64_t value;
};
_Static_assert(sizeof(struct field_value) == 40 && sizeof(struct sample) == 16, "x86-64 layout");

static void *library;

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (!found) fail_msg("%s is missing", name);
    return found;
}

/* CALL("nvmlInit_v2", (void)) and so on: the test knows names and signatures only. */
#define CALL(name, types, ...) (((int(*) types)symbol(name))(__VA_ARGS__))
#define INIT()                 CALL("nvmlInit_v2", (void))
#define SHUTDOWN()             CALL("nvmlShutdown", (void))

static void *device_at(unsigned index) {
    void *device = NULL;
    assert_int_equal(CALL("nvmlDeviceGetHandleByIndex_v2", (unsigned, void **), index, &device), 0);
    return device;
}

static void *start(const char *spec) {
    setenv("JOULEMETER_SIMGPU", spec, 1);
    unsetenv("JOULEMETER_SIMGPU_STATE");
    assert_int_equal(INIT(), 0);
    return device_at(0);
}

static int get_uint(const char *name, void *device, unsigned *value) {
    return CALL(name, (void *, unsigned *), device, value);
}

static unsigned must_get(const char *name, void *device) {
    unsigned value = 0;
    int rc = get_uint(name, device, &value);
    if (rc != 0) fail_msg("%s: %d", name, rc);
    return value;
}

static int energy(void *device, unsigned long long *mj) {
    return CALL("nvmlDeviceGetTotalEnergyConsumption", (void *, unsigned long long *), device, mj);
}

static int fields(void *device, int count, struct field_value *values) {
    return CALL("nvmlDeviceGetFieldValues", (void *, int, struct field_value *), device, count,
                values);
}

static void lifecycle_is_counted(void **unused) {
    (void)unused;
    unsigned value;
    assert_int_equal(SHUTDOWN(), 1);
    assert_int_equal(CALL("nvmlDeviceGetCount_v2", (unsigned *), &value), 1);
    void *device = start("h100");
    assert_int_equal(CALL("nvmlInitWithFlags", (unsigned), 0), 0);
    assert_int_equal(SHUTDOWN(), 0);
    must_get("nvmlDeviceGetPowerUsage", device);
    assert_int_equal(SHUTDOWN(), 0);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", device, &value), 1);
    assert_int_equal(SHUTDOWN(), 1);
}

static void a_bad_spec_is_no_driver(void **unused) {
    (void)unused;
    setenv("JOULEMETER_SIMGPU", "voodoo", 1);
    assert_int_equal(INIT(), 9);
    setenv("JOULEMETER_SIMGPU_STATE", "/no/such/state", 1);
    assert_int_equal(INIT(), 9);
    unsetenv("JOULEMETER_SIMGPU_STATE");
    unsetenv("JOULEMETER_SIMGPU");
    assert_int_equal(INIT(), 0);
    char name[96];
    assert_int_equal(CALL("nvmlDeviceGetName", (void *, char *, unsigned), device_at(0), name, 96),
                     0);
    assert_string_equal(name, "NVIDIA H100 80GB HBM3");
    assert_int_equal(SHUTDOWN(), 0);
}

static void boards_are_found_by_every_name(void **unused) {
    (void)unused;
    start("2*a100;3090");
    unsigned count = 0;
    assert_int_equal(CALL("nvmlDeviceGetCount", (unsigned *), &count), 0);
    assert_int_equal(count, 3);
    for (unsigned i = 0; i < count; i++) {
        void *device = device_at(i), *found = NULL;
        char uuid[96], serial[30];
        unsigned char pci[68];
        assert_int_equal(CALL("nvmlDeviceGetUUID", (void *, char *, unsigned), device, uuid, 96),
                         0);
        assert_memory_equal(uuid, "GPU-", 4);
        assert_int_equal(strlen(uuid), 40);
        assert_int_equal(CALL("nvmlDeviceGetHandleByUUID", (char *, void **), uuid, &found), 0);
        assert_ptr_equal(found, device);
        assert_int_equal(CALL("nvmlDeviceGetPciInfo_v3", (void *, void *), device, pci), 0);
        assert_int_equal(
            CALL("nvmlDeviceGetHandleByPciBusId_v2", (void *, void **), pci + 36, &found), 0);
        assert_ptr_equal(found, device);
        assert_int_equal(CALL("nvmlDeviceGetHandleByPciBusId", (void *, void **), pci, &found), 0);
        assert_ptr_equal(found, device);
        assert_int_equal(must_get("nvmlDeviceGetIndex", device), i);
        int rc = CALL("nvmlDeviceGetSerial", (void *, char *, unsigned), device, serial, 30);
        assert_int_equal(rc, i == 2 ? 3 : 0);
        if (rc == 0) {
            assert_int_equal(CALL("nvmlDeviceGetHandleBySerial", (char *, void **), serial, &found),
                             0);
            assert_ptr_equal(found, device);
        }
    }
    void *found;
    char small[4];
    assert_int_equal(CALL("nvmlDeviceGetHandleByIndex_v2", (unsigned, void **), 3, &found), 2);
    assert_int_equal(CALL("nvmlDeviceGetHandleByUUID", (char *, void **), "GPU-0", &found), 6);
    assert_int_equal(CALL("nvmlDeviceGetHandleByPciBusId_v2", (char *, void **), "x", &found), 2);
    assert_int_equal(
        CALL("nvmlDeviceGetHandleByPciBusId_v2", (char *, void **), "0:7F:0.0", &found), 6);
    assert_int_equal(CALL("nvmlDeviceGetName", (void *, char *, unsigned), device_at(0), small, 4),
                     7);
    SHUTDOWN();
}

static void order_reverse_turns_the_bus_round(void **unused) {
    (void)unused;
    char name[96];
    start("v100,order=reverse;h100");
    assert_int_equal(CALL("nvmlDeviceGetName", (void *, char *, unsigned), device_at(0), name, 96),
                     0);
    assert_string_equal(name, "NVIDIA H100 80GB HBM3");
    unsigned char pci[68];
    assert_int_equal(CALL("nvmlDeviceGetPciInfo_v3", (void *, void *), device_at(0), pci), 0);
    assert_string_equal((char *)pci + 36, "00000000:01:00.0");
    SHUTDOWN();
}

static void old_structures_are_not_written_past_their_end(void **unused) {
    (void)unused;
    void *device = start("h100");
    unsigned char pci[68];
    memset(pci, 0xee, sizeof pci);
    assert_int_equal(CALL("nvmlDeviceGetPciInfo", (void *, void *), device, pci), 0);
    assert_int_equal(pci[32], 0xee);
    assert_int_equal(CALL("nvmlDeviceGetPciInfo_v2", (void *, void *), device, pci), 0);
    assert_int_equal(pci[36], 0xee);
    SHUTDOWN();
}

static void handles_of_others_are_refused(void **unused) {
    (void)unused;
    void *device = start("h100");
    unsigned value;
    int local;
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", NULL, &value), 2);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", &local, &value), 2);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", (char *)device + 1, &value), 2);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", (char *)device + 8, &value), 2);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", device, NULL), 2);
    SHUTDOWN();
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void power_and_energy_agree(void **unused) {
    (void)unused;
    void *device = start("a100,constant:250,noise=0,counter_T=1ms");
    assert_int_equal(must_get("nvmlDeviceGetPowerUsage", device), 250000);
    unsigned long long a, b;
    /* Each reading lies between two looks at the clock, however busy the machine is. */
    double before_a = now_s();
    assert_int_equal(energy(device, &a), 0);
    double after_a = now_s();
    usleep(200000);
    double before_b = now_s();
    assert_int_equal(energy(device, &b), 0);
    double after_b = now_s();
    double joules = (double)(b - a) / 1e3, tick = 250.0 * 0.001 + 0.002;
    assert_true(joules >= 250.0 * (before_b - after_a) - tick);
    assert_true(joules <= 250.0 * (after_b - before_a) + tick);
    SHUTDOWN();
}

static void fields_have_types_scopes_and_results(void **unused) {
    (void)unused;
    void *device = start("h100,constant:300,noise=0");
    struct field_value f[] = {{.id = 83},
                              {.id = 185},
                              {.id = 186},
                              {.id = 187},
                              {.id = 188},
                              {.id = 189},
                              {.id = 190},
                              {.id = 74},
                              {.id = 185, .scope = 1},
                              {.id = 185, .scope = 2},
                              {.id = 185, .scope = 9},
                              {.id = 4000}};
    assert_int_equal(fields(device, 12, f), 0);
    assert_int_equal(f[0].type, 3);
    assert_int_equal(f[1].type, 1);
    assert_int_equal(f[1].value.ui, 300000);
    assert_int_equal(f[2].value.ui, 300000);
    assert_int_equal(f[3].value.ui, 200000);
    assert_int_equal(f[4].value.ui, 700000);
    assert_int_equal(f[5].value.ui, 700000);
    assert_int_equal(f[6].value.ui, 700000);
    assert_int_equal(f[7].type, 3);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(f[i].result, 0);
        assert_true(f[i].timestamp > INT64_C(1500000000000000));
    }
    assert_int_equal(f[8].result, 3); /* no module on this board */
    assert_int_equal(f[9].result, 0);
    assert_true(f[9].value.ui > 0 && f[9].value.ui < 300000);
    assert_int_equal(f[10].result, 2);
    assert_int_equal(f[11].result, 3);
    assert_int_equal(fields(device, 0, f), 2);
    assert_int_equal(fields(device, 1, NULL), 2);
    SHUTDOWN();

    device = start("gh200,constant:300,noise=0");
    assert_int_equal(fields(device, 12, f), 0);
    assert_true(f[8].result == 0 && f[8].value.ui > f[1].value.ui);
    SHUTDOWN();
    device = start("a100");
    assert_int_equal(fields(device, 12, f), 0);
    assert_int_equal(f[1].result, 3);
    assert_int_equal(f[2].result, 0);
    SHUTDOWN();
}

static int samples(void *device, unsigned type, uint64_t last, int *value_type, unsigned *count,
                   struct sample *out) {
    return CALL("nvmlDeviceGetSamples",
                (void *, unsigned, unsigned long long, int *, unsigned *, struct sample *), device,
                type, last, value_type, count, out);
}

static void the_ring_gives_what_is_new(void **unused) {
    (void)unused;
    void *device = start("a100,constant:200,noise=0");
    struct sample s[120];
    int type = -1;
    unsigned count = 0;
    assert_int_equal(samples(device, 0, 0, &type, &count, NULL), 0);
    assert_int_equal(count, 120);
    usleep(130000);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t boot_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    assert_int_equal(samples(device, 0, 0, &type, &count, s), 0);
    assert_int_equal(type, 1);
    assert_true(count >= 5 && count <= 60);
    assert_true(boot_us - s[count - 1].timestamp < 50000 || s[count - 1].timestamp > boot_us);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal((uint32_t)s[i].value, 200000);
        if (i) assert_in_range(s[i].timestamp - s[i - 1].timestamp, 19999, 20001);
    }
    uint64_t last = s[count - 1].timestamp;
    unsigned more = 120;
    int rc = samples(device, 0, last, &type, &more, s);
    assert_true(rc == 6 || (rc == 0 && s[0].timestamp > last));
    unsigned two = 2;
    assert_int_equal(samples(device, 0, 0, &type, &two, s), 0);
    assert_int_equal(two, 2);
    unsigned none = 0;
    assert_int_equal(samples(device, 0, 0, &type, &none, s), 2);
    assert_int_equal(samples(device, 0, 0, NULL, &count, s), 2);
    count = 120;
    assert_int_equal(samples(device, 1, 0, &type, &count, s), 0);
    assert_int_equal(samples(device, 9, 0, &type, &count, s), 3);
    SHUTDOWN();
}

static void a_limit_throttles_and_shows(void **unused) {
    (void)unused;
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    void *device = start("h100,constant:600,noise=0,instant.T=1ms,instant.W=1ms,instant.lag=0");
    unsigned low, high;
    assert_int_equal(CALL("nvmlDeviceGetPowerManagementLimitConstraints",
                          (void *, unsigned *, unsigned *), device, &low, &high),
                     0);
    assert_true(low == 200000 && high == 700000);
    unsigned long long reasons = 99;
    const char *get = "nvmlDeviceGetCurrentClocksThrottleReasons";
    assert_int_equal(CALL(get, (void *, unsigned long long *), device, &reasons), 0);
    assert_int_equal(reasons, 0);
    const char *set = "nvmlDeviceSetPowerManagementLimit";
    assert_int_equal(CALL(set, (void *, unsigned), device, 100000), 2);
    assert_int_equal(CALL(set, (void *, unsigned), device, 350000), 0);
    assert_int_equal(must_get("nvmlDeviceGetEnforcedPowerLimit", device), 350000);
    assert_int_equal(must_get("nvmlDeviceGetPowerManagementLimit", device), 350000);
    assert_int_equal(must_get("nvmlDeviceGetPowerManagementDefaultLimit", device), 700000);
    usleep(20000);
    struct field_value f[] = {{.id = 74}, {.id = 186}, {.id = 190}};
    assert_int_equal(fields(device, 3, f), 0);
    assert_true(f[0].value.ull >= 20000000);
    assert_int_equal(f[1].value.ui, 350000);
    assert_int_equal(f[2].value.ui, 350000);
    assert_int_equal(CALL(get, (void *, unsigned long long *), device, &reasons), 0);
    assert_int_equal(reasons, 4);
    SHUTDOWN();
}

static void only_root_sets_limits(void **unused) {
    (void)unused;
    unsetenv("JOULEMETER_SIMGPU_ALLOW_LIMIT");
    void *device = start("h100");
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && seteuid(65534) != 0) _exit(77);
        _exit(CALL("nvmlDeviceSetPowerManagementLimit", (void *, unsigned), device, 350000));
    }
    int status;
    waitpid(child, &status, 0);
    SHUTDOWN();
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 4);
}

static void nobody_sets_limits_where_it_is_forbidden(void **unused) {
    (void)unused;
    void *device = start("h100");
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0", 1);
    const char *lock = "nvmlDeviceSetGpuLockedClocks";
    assert_int_equal(CALL("nvmlDeviceSetPowerManagementLimit", (void *, unsigned), device, 350000),
                     4);
    assert_int_equal(CALL(lock, (void *, unsigned, unsigned), device, 345, 1200), 4);
    assert_int_equal(CALL("nvmlDeviceResetGpuLockedClocks", (void *), device), 4);
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    assert_int_equal(CALL("nvmlDeviceSetPowerManagementLimit", (void *, unsigned), device, 350000),
                     0);
    SHUTDOWN();
}

static void locked_clocks_show(void **unused) {
    (void)unused;
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    void *device = start("h100,constant:600");
    const char *lock = "nvmlDeviceSetGpuLockedClocks",
               *clocks = "nvmlDeviceGetSupportedGraphicsClocks";
    unsigned memory = 0, count = 1, list[256], sm = 0;
    unsigned long long reasons = 0;
    assert_int_equal(CALL("nvmlDeviceGetSupportedMemoryClocks", (void *, unsigned *, unsigned *),
                          device, &count, &memory),
                     0);
    count = 3;
    assert_int_equal(
        CALL(clocks, (void *, unsigned, unsigned *, unsigned *), device, memory, &count, list), 7);
    assert_true(count > 3 && count <= 256);
    assert_int_equal(
        CALL(clocks, (void *, unsigned, unsigned *, unsigned *), device, memory, &count, list), 0);
    assert_true(list[0] == 1980 && list[1] == 1965 && list[count - 1] < 360);
    assert_int_equal(CALL(lock, (void *, unsigned, unsigned), device, 1500, 1200), 2);
    assert_int_equal(CALL(lock, (void *, unsigned, unsigned), device, 345, 1200), 0);
    assert_int_equal(CALL("nvmlDeviceGetClockInfo", (void *, unsigned, unsigned *), device, 1, &sm),
                     0);
    assert_int_equal(sm, 1200);
    const char *get = "nvmlDeviceGetCurrentClocksThrottleReasons";
    assert_int_equal(CALL(get, (void *, unsigned long long *), device, &reasons), 0);
    assert_int_equal(reasons, 2);
    assert_int_equal(CALL("nvmlDeviceResetGpuLockedClocks", (void *), device), 0);
    CALL("nvmlDeviceGetClockInfo", (void *, unsigned, unsigned *), device, 1, &sm);
    assert_int_equal(sm, 1980);
    SHUTDOWN();
}

static void everything_else_answers(void **unused) {
    (void)unused;
    static const char *const numbers[] = {
        "nvmlDeviceGetMinorNumber",         "nvmlDeviceGetBrand",
        "nvmlDeviceGetArchitecture",        "nvmlDeviceGetNumGpuCores",
        "nvmlDeviceGetPowerManagementMode", "nvmlDeviceGetPersistenceMode",
        "nvmlDeviceGetComputeMode",         "nvmlDeviceGetPerformanceState",
        "nvmlDeviceGetPowerState",          "nvmlDeviceGetMaxMigDeviceCount",
        "nvmlDeviceIsMigDeviceHandle",      "nvmlDeviceGetFanSpeed",
    };
    void *device = start("3090");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) must_get(numbers[i], device);
    unsigned a = 0, b = 0;
    unsigned long long m[5] = {0};
    char text[96];
    int version = 0;
    assert_int_equal(CALL("nvmlDeviceGetUtilizationRates", (void *, void *), device, m), 0);
    assert_int_equal(CALL("nvmlDeviceGetMemoryInfo", (void *, void *), device, m), 0);
    assert_true(m[0] == 24576ULL << 20 && m[0] == m[1] + m[2]);
    assert_int_equal(CALL("nvmlDeviceGetMemoryInfo_v2", (void *, void *), device, m), 25);
    m[0] = 0x02000028;
    assert_int_equal(CALL("nvmlDeviceGetMemoryInfo_v2", (void *, void *), device, m), 0);
    assert_true(m[1] == m[2] + m[3] + m[4]);
    assert_int_equal(
        CALL("nvmlDeviceGetTemperature", (void *, unsigned, unsigned *), device, 0, &a), 0);
    assert_true(a > 20 && a < 100);
    for (unsigned type = 0; type < 4; type++)
        assert_int_equal(
            CALL("nvmlDeviceGetClockInfo", (void *, unsigned, unsigned *), device, type, &a), 0);
    assert_int_equal(CALL("nvmlDeviceGetClockInfo", (void *, unsigned, unsigned *), device, 4, &a),
                     2);
    assert_int_equal(
        CALL("nvmlDeviceGetApplicationsClock", (void *, unsigned, unsigned *), device, 0, &a), 3);
    assert_int_equal(
        CALL("nvmlDeviceGetPcieThroughput", (void *, unsigned, unsigned *), device, 1, &a), 0);
    assert_int_equal(
        CALL("nvmlDeviceGetEncoderUtilization", (void *, unsigned *, unsigned *), device, &a, &b),
        0);
    assert_int_equal(CALL("nvmlDeviceGetCudaComputeCapability", (void *, int *, int *), device,
                          (int *)&a, (int *)&b),
                     0);
    assert_true(a == 8 && b == 6);
    assert_int_equal(CALL("nvmlSystemGetDriverVersion", (char *, unsigned), text, 96), 0);
    assert_int_equal(CALL("nvmlSystemGetNVMLVersion", (char *, unsigned), text, 96), 0);
    assert_int_equal(CALL("nvmlSystemGetCudaDriverVersion_v2", (int *), &version), 0);
    assert_true(version >= 12000);
    assert_int_equal(CALL("nvmlSystemGetProcessName", (unsigned, char *, unsigned),
                          (unsigned)getpid(), text, 96),
                     0);
    assert_true(strlen(text) > 0);
    const char *(*error_string)(int) = (const char *(*)(int))symbol("nvmlErrorString");
    assert_string_equal(error_string(15), "GPU is lost");
    assert_string_equal(error_string(12345), "Unknown Error");
    SHUTDOWN();
}

static void mig_instances_have_names_but_no_power(void **unused) {
    (void)unused;
    void *device = start("a100,mig=2"), *mig = NULL, *parent = NULL, *found = NULL;
    unsigned current = 0, pending = 0, value;
    assert_int_equal(
        CALL("nvmlDeviceGetMigMode", (void *, unsigned *, unsigned *), device, &current, &pending),
        0);
    assert_true(current == 1 && pending == 1);
    const char *by_index = "nvmlDeviceGetMigDeviceHandleByIndex";
    assert_int_equal(CALL(by_index, (void *, unsigned, void **), device, 1, &mig), 0);
    assert_int_equal(CALL(by_index, (void *, unsigned, void **), device, 2, &found), 6);
    assert_int_equal(CALL(by_index, (void *, unsigned, void **), device, 7, &found), 2);
    char uuid[96];
    assert_int_equal(CALL("nvmlDeviceGetUUID", (void *, char *, unsigned), mig, uuid, 96), 0);
    assert_memory_equal(uuid, "MIG-", 4);
    assert_int_equal(CALL("nvmlDeviceGetHandleByUUID", (char *, void **), uuid, &found), 0);
    assert_ptr_equal(found, mig);
    assert_int_equal(
        CALL("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", (void *, void **), mig, &parent), 0);
    assert_ptr_equal(parent, device);
    assert_int_equal(must_get("nvmlDeviceIsMigDeviceHandle", mig), 1);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", mig, &value), 3);
    must_get("nvmlDeviceGetPowerUsage", device);
    SHUTDOWN();

    device = start("v100");
    assert_int_equal(
        CALL("nvmlDeviceGetMigMode", (void *, unsigned *, unsigned *), device, &current, &pending),
        3);
    SHUTDOWN();
}

static void each_fault_strikes(void **unused) {
    (void)unused;
    unsigned value;
    unsigned long long mj;
    void *device = start("h100,fault=lost@3");
    for (int i = 0; i < 3; i++) must_get("nvmlDeviceGetPowerUsage", device);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", device, &value), 15);
    assert_int_equal(energy(device, &mj), 15);
    SHUTDOWN();

    device = start("h100,fault=hang@2:0.15");
    must_get("nvmlDeviceGetPowerUsage", device);
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    must_get("nvmlDeviceGetPowerUsage", device);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_true((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 >= 149);
    SHUTDOWN();

    device = start("h100,fault=notsupported=nvmlDeviceGetTotalEnergyConsumption,"
                   "fault=noperm=nvmlDeviceGetPowerUsage,fault=nosym=nvmlDeviceGetFieldValues");
    struct field_value f = {.id = 83};
    assert_int_equal(energy(device, &mj), 3);
    assert_int_equal(get_uint("nvmlDeviceGetPowerUsage", device, &value), 4);
    assert_int_equal(fields(device, 1, &f), 13);
    SHUTDOWN();

    device = start("h100,fault=notsupported=field186");
    struct field_value g[] = {{.id = 186}, {.id = 185}};
    assert_int_equal(fields(device, 2, g), 0);
    assert_true(g[0].result == 3 && g[1].result == 0);
    SHUTDOWN();

    setenv("JOULEMETER_SIMGPU", "h100,fault=nosym=nvmlInit_v2", 1);
    assert_int_equal(INIT(), 13);
    assert_int_equal(CALL("nvmlInit", (void)), 0);
    SHUTDOWN();

    device = start("h100,constant:500,fault=reset@0.5,counter_T=1ms");
    assert_int_equal(energy(device, &mj), 0);
    assert_true(mj > 1000000);
    usleep(600000);
    assert_int_equal(energy(device, &mj), 0);
    assert_true(mj < 1000000);
    SHUTDOWN();

    char text[96];
    start("3090,driver530");
    assert_int_equal(CALL("nvmlSystemGetDriverVersion", (char *, unsigned), text, 96), 0);
    assert_memory_equal(text, "530.", 4);
    SHUTDOWN();
}

static void calls_take_their_latency(void **unused) {
    (void)unused;
    void *device = start("h100,latency_us=2000");
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int i = 0; i < 10; i++) must_get("nvmlDeviceGetPowerUsage", device);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double ms = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-6;
    assert_true(ms >= 20.0);
    SHUTDOWN();
}

static void *hammer(void *device) {
    unsigned long long last = 0, mj;
    unsigned mw;
    for (int i = 0; i < 20000; i++) {
        if (energy(device, &mj) != 0 || mj < last) return device;
        if (get_uint("nvmlDeviceGetPowerUsage", device, &mw) != 0) return device;
        last = mj;
    }
    return NULL;
}

static void threads_share_the_library(void **unused) {
    (void)unused;
    void *device = start("2*h100,training,limit=300");
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, hammer, i % 2 ? device : device_at(1));
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    SHUTDOWN();
}

/* Two processes on one state read one counter, and what one drives the other sees. */
static void processes_see_the_same_board(void **unused) {
    (void)unused;
    char path[64];
    snprintf(path, sizeof path, "/tmp/simgpu-nvml-test-%d", (int)getpid());
    struct simgpu_state *state =
        simgpu_state_create(path, "a100,channel,noise=0,T=1ms,W=1ms,lag=0,counter_T=100", NULL);
    assert_non_null(state);
    assert_int_equal(simgpu_channel_set_power(state, 0, 222.0), 0);
    usleep(20000);
    setenv("JOULEMETER_SIMGPU_STATE", path, 1);
    pid_t child = fork();
    if (child == 0) {
        unsigned long long mj = 0;
        if (INIT() != 0 || energy(device_at(0), &mj) != 0 || mj != 123456789) _exit(1);
        if (must_get("nvmlDeviceGetPowerUsage", device_at(0)) != 222000) _exit(2);
        unsigned count = 0;
        const char *name = "nvmlDeviceGetComputeRunningProcesses_v3";
        if (CALL(name, (void *, unsigned *, void *), device_at(0), &count, NULL) != 7) _exit(3);
        unsigned infos[6 * 8] = {0};
        count = 8;
        if (CALL(name, (void *, unsigned *, void *), device_at(0), &count, infos) != 0) _exit(4);
        _exit(count == 1 && infos[0] == (unsigned)getppid() ? 0 : 5);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    unsetenv("JOULEMETER_SIMGPU_STATE");
    simgpu_state_close(state);
    unlink(path);
}

static void the_old_library_lacks_new_symbols(void **unused) {
    (void)unused;
    void *new_library = library;
    library = dlopen(getenv("SIMGPU_NVML_OLD"), RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    static const char *const absent[] = {"nvmlInit_v2",
                                         "nvmlDeviceGetCount_v2",
                                         "nvmlDeviceGetHandleByIndex_v2",
                                         "nvmlDeviceGetPciInfo_v3",
                                         "nvmlDeviceGetFieldValues",
                                         "nvmlDeviceGetTotalEnergyConsumption",
                                         "nvmlDeviceGetSamples"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(dlsym(library, absent[i]));
    setenv("JOULEMETER_SIMGPU", "v100", 1);
    void *device = NULL;
    assert_int_equal(CALL("nvmlInit", (void)), 0);
    assert_int_equal(CALL("nvmlDeviceGetHandleByIndex", (unsigned, void **), 0, &device), 0);
    must_get("nvmlDeviceGetPowerUsage", device);
    SHUTDOWN();
    dlclose(library);
    library = new_library;
}

static void only_nvml_is_exported(void **unused) {
    (void)unused;
    assert_null(dlsym(library, "simgpu_board_new"));
    assert_null(dlsym(library, "simgpu_state_create"));
    assert_null(dlsym(library, "nvml_begin"));
}

int main(void) {
    const char *path = getenv("SIMGPU_NVML");
    library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) {
        fprintf(stderr, "set SIMGPU_NVML to libnvidia-ml.so.1: %s\n", path ? dlerror() : "unset");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifecycle_is_counted),
        cmocka_unit_test(a_bad_spec_is_no_driver),
        cmocka_unit_test(boards_are_found_by_every_name),
        cmocka_unit_test(order_reverse_turns_the_bus_round),
        cmocka_unit_test(old_structures_are_not_written_past_their_end),
        cmocka_unit_test(handles_of_others_are_refused),
        cmocka_unit_test(power_and_energy_agree),
        cmocka_unit_test(fields_have_types_scopes_and_results),
        cmocka_unit_test(the_ring_gives_what_is_new),
        cmocka_unit_test(a_limit_throttles_and_shows),
        cmocka_unit_test(only_root_sets_limits),
        cmocka_unit_test(nobody_sets_limits_where_it_is_forbidden),
        cmocka_unit_test(locked_clocks_show),
        cmocka_unit_test(everything_else_answers),
        cmocka_unit_test(mig_instances_have_names_but_no_power),
        cmocka_unit_test(each_fault_strikes),
        cmocka_unit_test(calls_take_their_latency),
        cmocka_unit_test(threads_share_the_library),
        cmocka_unit_test(processes_see_the_same_board),
        cmocka_unit_test(the_old_library_lacks_new_symbols),
        cmocka_unit_test(only_nvml_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
