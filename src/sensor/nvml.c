/* NVIDIA boards: what there is, what is selected, and which of its readings work. */
#include "sensor/nvml_internal.h"

#include <stdlib.h>
#include <string.h>

bool jmi_nvml_report(jmi_sensor_set *set, const jmi_nvml_gpu *gpu, const char *what, int result,
                     uint64_t cost_ns, const char *sentence) {
    if (result == JMI_NVML_OK) {
        jmi_set_finding(set, &jmi_nvml, gpu->name, what, JM_OK, cost_ns, "", "%s", sentence);
        return true;
    }
    const char *remedy = "";
    if (result == JMI_NVML_NO_PERMISSION)
        remedy = "ask the administrator to open this reading to users; it needs no other privilege";
    else if (result == JMI_NVML_GPU_IS_LOST || result == JMI_NVML_RESET_REQUIRED)
        remedy = "reset the GPU (sudo nvidia-smi -r -i INDEX) or restart the machine";
    jmi_set_finding(set, &jmi_nvml, gpu->name, what, jmi_nvml_status(result), 0, remedy,
                    "Not available: %s.", jmi_nvml_result_text(result));
    return false;
}

/* ---- listing ---- */

static void close_state(void *data) {
    jmi_nvml_state *state = data;
    if (state == NULL) return;
    if (state->running && state->api.shutdown != NULL) state->api.shutdown();
    jmi_nvml_api_unload(&state->api);
    free(state->gpus);
    free(state);
}

static void read_pci(const jmi_nvml_api *api, jmi_nvml_device device, char address[40]) {
    jmi_nvml_pci pci = {.legacy = ""};
    address[0] = '\0';
    if (api->pci != NULL && api->pci(device, &pci) == JMI_NVML_OK)
        snprintf(address, 40, "%.31s", pci.address);
    else if (api->pci_plain != NULL && api->pci_plain(device, &pci) == JMI_NVML_OK)
        snprintf(address, 40, "%.15s", pci.legacy);
    /* "00000000:3B:00.0" and "0000:3B:00.0" are one address. */
    if (strlen(address) == 16 && memcmp(address, "0000", 4) == 0)
        memmove(address, address + 4, strlen(address + 4) + 1);
}

static void read_mig(const jmi_nvml_api *api, jmi_nvml_device device, jmi_text *uuids) {
    unsigned count = 0;
    if (api->mig_count == NULL || api->mig_by_index == NULL || api->uuid == NULL) return;
    if (api->mig_count(device, &count) != JMI_NVML_OK || count > 64) return;
    for (unsigned i = 0; i < count; i++) {
        jmi_nvml_device mig;
        char uuid[96] = "";
        if (api->mig_by_index(device, i, &mig) == JMI_NVML_OK &&
            api->uuid(mig, uuid, sizeof uuid) == JMI_NVML_OK)
            jmi_text_add(uuids, "%.95s ", uuid);
    }
}

static void list_one(jmi_sensor_set *set, jmi_nvml_state *state, unsigned index) {
    const jmi_nvml_api *api = &state->api;
    jmi_nvml_gpu *gpu = &state->gpus[index];
    char model[97] = "", uuid[97] = "", vbios[97] = "", pci[40] = "";
    jmi_text mig = {0};
    gpu->api = api;
    gpu->name = jmi_set_format(set, "gpu%u", index);
    gpu->opened = api->by_index(index, &gpu->handle);
    if (gpu->opened != JMI_NVML_OK) {
        gpu->handle = NULL;
    } else {
        if (api->name != NULL) api->name(gpu->handle, model, 96);
        if (api->uuid != NULL) api->uuid(gpu->handle, uuid, 96);
        if (api->vbios != NULL) api->vbios(gpu->handle, vbios, 96);
        read_pci(api, gpu->handle, pci);
        read_mig(api, gpu->handle, &mig);
    }
    unsigned architecture = 0;
    if (gpu->handle != NULL && api->architecture != NULL &&
        (api->architecture(gpu->handle, &architecture) != JMI_NVML_OK || architecture > 1000))
        architecture = 0;
    gpu->priors =
        jmi_nvml_priors_of(architecture, model, (unsigned)strtoul(state->driver, NULL, 10));
    jmi_gpu listed = {
        .vendor = "NVIDIA",
        .model = model[0] != '\0' ? model : "unknown model",
        .uuid = uuid,
        .pci = pci,
        .vbios = vbios,
        .mig = mig.data,
        .cuda = true,
    };
    const jmi_gpu *added = jmi_set_gpu(set, &listed);
    gpu->model = added != NULL ? added->model : "";
    jmi_text_free(&mig);
}

static void report_library(jmi_sensor_set *set, int status, const char *message) {
    const char *remedy = status == JM_MISSING_LIBRARY
                             ? "where there is an NVIDIA GPU, install its driver"
                             : "check $JOULEMETER_NVML_LIBRARY and the installed driver";
    jmi_set_finding(set, &jmi_nvml, "", "library", status, 0, remedy,
                    "No NVIDIA GPU can be read: %s.", message);
}

static void report_init(jmi_sensor_set *set, int result) {
    const char *remedy = "";
    if (result == JMI_NVML_DRIVER_NOT_LOADED) remedy = "sudo modprobe nvidia";
    if (result == JMI_NVML_NO_PERMISSION)
        remedy = "let the user read and write /dev/nvidia* (often: membership in the group video)";
    if (result == JMI_NVML_VERSION_MISMATCH)
        remedy = "restart the machine, or reload the driver, after its update";
    jmi_set_finding(set, &jmi_nvml, "", "driver", jmi_nvml_status(result), 0, remedy,
                    "NVIDIA's driver does not start: %s.", jmi_nvml_result_text(result));
}

static int list_all(jmi_sensor_set *set, jmi_nvml_state *state) {
    unsigned count = 0;
    int64_t before = jm_now_ns();
    int result = state->api.init();
    uint64_t cost = (uint64_t)(jm_now_ns() - before);
    state->running = result == JMI_NVML_OK;
    if (result == JMI_NVML_OK) result = state->api.count(&count);
    if (result != JMI_NVML_OK) {
        report_init(set, result);
        return JM_OK;
    }
    if (state->api.driver_version != NULL &&
        state->api.driver_version(state->driver, sizeof state->driver) != JMI_NVML_OK)
        state->driver[0] = '\0';
    state->driver[sizeof state->driver - 1] = '\0';
    jmi_set_finding(set, &jmi_nvml, "", "driver", JM_OK, cost, "", "Works: version %s, %u GPU%s%s.",
                    state->driver, count, count == 1 ? "" : "s",
                    state->api.simulated ? ", simulated" : "");
    if (count > 4096) count = 0;
    state->gpus = jmi_alloc(count, sizeof *state->gpus);
    if (state->gpus == NULL) return JM_MEMORY;
    state->gpu_count = count;
    for (unsigned i = 0; i < count; i++) {
        list_one(set, state, i);
        atomic_fetch_add(&set->progress, 1);
    }
    return JM_OK;
}

int jmi_nvml_load(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    char library[4096];
    jm_error why = {.status = JM_OK};
    if (options->simulate != NULL) {
        int status = jmi_simulate_open(set, options->simulate, library, sizeof library, error);
        if (status != JM_OK) return status;
    }
    jmi_nvml_state *state = jmi_alloc(1, sizeof *state);
    if (state == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    set->nvml = state;
    set->nvml_close = close_state;
    int status =
        jmi_nvml_api_load(&state->api, options->simulate != NULL ? library : set->library, &why);
    if (status != JM_OK) {
        if (options->simulate != NULL) return jmi_fail(error, status, "%s", why.message);
        report_library(set, status, why.message);
        return JM_OK;
    }
    if (options->simulate != NULL) state->api.simulated = true;
    return JM_OK;
}

bool jmi_nvml_loaded(const jmi_sensor_set *set) {
    const jmi_nvml_state *state = set->nvml;
    return state != NULL && state->api.library != NULL;
}

int jmi_nvml_list(jmi_sensor_set *set) {
    return list_all(set, set->nvml);
}

/* ---- probing ---- */

/* The highest limit that can be set bounds the power even if the limit is changed meanwhile. */
static double highest_limit_w(const jmi_nvml_gpu *gpu) {
    unsigned least = 0, most = 0, enforced = 0;
    if (gpu->api->limit_range != NULL) gpu->api->limit_range(gpu->handle, &least, &most);
    if (most == 0 && gpu->api->enforced_limit != NULL &&
        gpu->api->enforced_limit(gpu->handle, &enforced) == JMI_NVML_OK)
        most = enforced;
    return (double)most * 1e-3;
}

static void probe_gpu(jmi_sensor_set *set, jmi_nvml_state *state, const jmi_gpu *listed) {
    jmi_nvml_gpu *gpu = &state->gpus[listed->index];
    jm_device device = {
        .name = gpu->name,
        .vendor = listed->vendor,
        .model = listed->model,
        .uuid = listed->uuid,
        .pci = listed->pci,
        .driver = state->driver,
        .in_total = true,
        .simulated = state->api.simulated,
    };
    if (gpu->handle == NULL) {
        jmi_nvml_report(set, gpu, "handle", gpu->opened, 0, "");
        return;
    }
    device.power_limit_w = highest_limit_w(gpu);
    gpu->device = jmi_set_device(set, &device);
    if (gpu->device == UINT32_MAX) return;
    if (listed->mig[0] != '\0')
        jmi_set_finding(set, &jmi_nvml, gpu->name, "mig", JM_OK, 0, "",
                        "The board is split into MIG instances; its power can only be measured as "
                        "a whole.");
    jmi_nvml_probe_power(set, gpu);
    if (!gpu->lost) jmi_nvml_probe_slow(set, gpu);
}

int jmi_nvml_probe(jmi_sensor_set *set) {
    jmi_nvml_state *state = set->nvml;
    for (size_t i = 0; state != NULL && i < state->gpu_count; i++) {
        if (set->gpus[i].selected) probe_gpu(set, state, &set->gpus[i]);
        atomic_fetch_add(&set->progress, 1);
    }
    return JM_OK;
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    (void)options;
    (void)error;
    return jmi_nvml_loaded(set) ? jmi_guard(set, jmi_nvml_probe) : JM_OK;
}

const jmi_interface jmi_nvml = {"nvml", probe};
