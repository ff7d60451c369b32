#include "sensor/nvml_api.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where each call goes, and under which names it may be found, the newest first. */
#define CALL(member, first, second)                                                                \
    {                                                                                              \
        offsetof(jmi_nvml_api, member), {                                                          \
            first, second                                                                          \
        }                                                                                          \
    }

static const struct call {
    size_t offset;
    const char *names[2];
} calls[] = {
    CALL(init, "nvmlInit_v2", "nvmlInit"),
    CALL(shutdown, "nvmlShutdown", NULL),
    CALL(driver_version, "nvmlSystemGetDriverVersion", NULL),
    CALL(count, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"),
    CALL(by_index, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"),
    CALL(uuid, "nvmlDeviceGetUUID", NULL),
    CALL(name, "nvmlDeviceGetName", NULL),
    CALL(vbios, "nvmlDeviceGetVbiosVersion", NULL),
    CALL(pci, "nvmlDeviceGetPciInfo_v3", NULL),
    CALL(pci_plain, "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"),
    CALL(architecture, "nvmlDeviceGetArchitecture", NULL),
    CALL(mig_count, "nvmlDeviceGetMaxMigDeviceCount", NULL),
    CALL(mig_by_index, "nvmlDeviceGetMigDeviceHandleByIndex", NULL),
    CALL(power, "nvmlDeviceGetPowerUsage", NULL),
    CALL(fields, "nvmlDeviceGetFieldValues", NULL),
    CALL(energy, "nvmlDeviceGetTotalEnergyConsumption", NULL),
    CALL(samples, "nvmlDeviceGetSamples", NULL),
    CALL(utilization, "nvmlDeviceGetUtilizationRates", NULL),
    CALL(memory, "nvmlDeviceGetMemoryInfo", NULL),
    CALL(memory_v2, "nvmlDeviceGetMemoryInfo_v2", NULL),
    CALL(temperature, "nvmlDeviceGetTemperature", NULL),
    CALL(clock, "nvmlDeviceGetClockInfo", NULL),
    CALL(throttle, "nvmlDeviceGetCurrentClocksEventReasons",
         "nvmlDeviceGetCurrentClocksThrottleReasons"),
    CALL(enforced_limit, "nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"),
    CALL(limit_range, "nvmlDeviceGetPowerManagementLimitConstraints", NULL),
    CALL(limit, "nvmlDeviceGetPowerManagementLimit", NULL),
    CALL(default_limit, "nvmlDeviceGetPowerManagementDefaultLimit", NULL),
    CALL(set_limit, "nvmlDeviceSetPowerManagementLimit", NULL),
    CALL(max_clock, "nvmlDeviceGetMaxClockInfo", NULL),
    CALL(memory_clocks, "nvmlDeviceGetSupportedMemoryClocks", NULL),
    CALL(sm_clocks, "nvmlDeviceGetSupportedGraphicsClocks", NULL),
    CALL(lock_clocks, "nvmlDeviceSetGpuLockedClocks", NULL),
    CALL(unlock_clocks, "nvmlDeviceResetGpuLockedClocks", NULL),
    CALL(persistence, "nvmlDeviceGetPersistenceMode", NULL),
};

static void look_up(jmi_nvml_api *api, const struct call *call) {
    void *found = NULL;
    for (size_t i = 0; i < JMI_COUNT(call->names) && found == NULL && call->names[i] != NULL; i++)
        found = dlsym(api->library, call->names[i]);
    memcpy((char *)api + call->offset, &found, sizeof found);
}

int jmi_nvml_api_load(jmi_nvml_api *api, const char *path, jm_error *error) {
    memset(api, 0, sizeof *api);
    if (path == NULL) path = getenv("JOULEMETER_NVML_LIBRARY");
    if (path == NULL || path[0] == '\0') path = "libnvidia-ml.so.1";
    api->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (api->library == NULL)
        return jmi_fail(error, JM_MISSING_LIBRARY, "the NVIDIA driver's library %s is not there",
                        path);
    for (size_t i = 0; i < JMI_COUNT(calls); i++) look_up(api, &calls[i]);
    api->simulated = dlsym(api->library, "simgpu_is_simulated") != NULL;
    if (api->init != NULL && api->count != NULL && api->by_index != NULL) return JM_OK;
    jmi_nvml_api_unload(api);
    return jmi_fail(error, JM_DRIVER, "%s is not NVIDIA's management library", path);
}

void jmi_nvml_api_unload(jmi_nvml_api *api) {
    if (api->library != NULL) dlclose(api->library);
    memset(api, 0, sizeof *api);
}

int jmi_nvml_status(int result) {
    switch (result) {
    case JMI_NVML_OK: return JM_OK;
    case JMI_NVML_NO_PERMISSION: return JM_PERMISSION;
    case JMI_NVML_DRIVER_NOT_LOADED: /* as where there is no board at all */
    case JMI_NVML_NOT_FOUND: return JM_NOT_FOUND;
    case JMI_NVML_TIMEOUT: return JM_HUNG;
    case JMI_NVML_LIBRARY_NOT_FOUND: return JM_MISSING_LIBRARY;
    case JMI_NVML_GPU_IS_LOST:
    case JMI_NVML_RESET_REQUIRED: return JM_LOST;
    case JMI_NVML_INVALID_ARGUMENT: /* a field that the driver does not know */
    case JMI_NVML_NOT_SUPPORTED:
    case JMI_NVML_FUNCTION_NOT_FOUND: return JM_NOT_SUPPORTED;
    default: return JM_DRIVER;
    }
}

const char *jmi_nvml_result_text(int result) {
    switch (result) {
    case JMI_NVML_OK: return "it works";
    case JMI_NVML_UNINITIALIZED: return "the driver was not initialised";
    case JMI_NVML_INVALID_ARGUMENT: return "the driver does not know this reading";
    case JMI_NVML_NOT_SUPPORTED: return "the board or driver does not support it";
    case JMI_NVML_NO_PERMISSION: return "the driver does not permit it";
    case JMI_NVML_NOT_FOUND: return "the driver has nothing to show";
    case JMI_NVML_DRIVER_NOT_LOADED: return "the NVIDIA driver is not loaded";
    case JMI_NVML_TIMEOUT: return "the driver timed out";
    case JMI_NVML_LIBRARY_NOT_FOUND: return "a part of the driver is missing";
    case JMI_NVML_FUNCTION_NOT_FOUND: return "this version of the driver lacks the call";
    case JMI_NVML_GPU_IS_LOST: return "the GPU is lost: it fell off the bus or stopped answering";
    case JMI_NVML_RESET_REQUIRED: return "the GPU must be reset";
    case JMI_NVML_VERSION_MISMATCH:
        return "the driver's library and kernel module have different versions";
    default: return "the driver reports an unknown error";
    }
}

bool jmi_nvml_value_u64(uint32_t type, const jmi_nvml_value *value, uint64_t *number) {
    switch (type) {
    case JMI_NVML_UINT: *number = value->ui; return true;
    case JMI_NVML_ULONG: *number = value->ul; return true;
    case JMI_NVML_ULONGLONG: *number = value->ull; return true;
    case JMI_NVML_USHORT: *number = value->us; return true;
    case JMI_NVML_SLONGLONG: *number = (uint64_t)value->sll; return value->sll >= 0;
    case JMI_NVML_INT: *number = (uint64_t)value->si; return value->si >= 0;
    case JMI_NVML_DOUBLE:
        if (!(value->d >= 0 && value->d < 1.8e19)) return false;
        *number = (uint64_t)value->d;
        return true;
    default: return false;
    }
}

bool jmi_nvml_value_double(uint32_t type, const jmi_nvml_value *value, double *number) {
    uint64_t whole;
    if (type == JMI_NVML_DOUBLE) {
        *number = value->d;
        return isfinite(value->d);
    }
    if (!jmi_nvml_value_u64(type, value, &whole)) return false;
    *number = (double)whole;
    return true;
}
