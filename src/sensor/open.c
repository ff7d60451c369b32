/* Opening the sensors: first which GPUs there are and which are wanted, then one interface after
 * the other. */
#include "sensor/calibration_cache.h"
#include "sensor/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_gpus(const jm_session_options *options) {
    if (options->flags & JM_SESSION_NO_GPU) return false;
    return options->simulate != NULL || options->gpus == NULL || strcmp(options->gpus, "none") != 0;
}

static int list_gpus(jmi_sensor_set *set, const jm_session_options *options, bool hung,
                     jm_error *error) {
    int status = hung ? JM_OK : jmi_nvml_load(set, options, error);
    if (status == JM_OK && jmi_nvml_loaded(set)) status = jmi_guard(set, jmi_nvml_list);
    if (status == JM_OK && options->simulate == NULL) status = jmi_hwmon_list(set);
    return status;
}

/* The selection needs all GPUs, whatever shows them: they are listed before anything is probed. */
static int find_gpus(jmi_sensor_set *set, const jm_session_options *options, bool hung,
                     jm_error *error) {
    char note[400];
    int status = list_gpus(set, options, hung, error);
    if (status != JM_OK) return status;
    if (hung) { /* which GPUs there are will not be known */
        for (size_t i = 0; i < set->gpu_count; i++) set->gpus[i].selected = true;
        return JM_OK;
    }
    jmi_selection selection = {.gpus = options->gpus};
    if (options->simulate == NULL &&
        set->library == NULL) { /* CUDA knows nothing of simulated GPUs */
        selection.cuda_visible = getenv("CUDA_VISIBLE_DEVICES");
        selection.cuda_order = getenv("CUDA_DEVICE_ORDER");
    }
    status = jmi_select_gpus(set->gpus, set->gpu_count, &selection, note, sizeof note, error);
    if (status == JM_OK && note[0] != '\0')
        jmi_set_finding(set, &jmi_nvml, "", "selection", JM_OK, 0, "", "%s.", note);
    return status;
}

static int probe_all(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    static const jmi_interface *const interfaces[] = {
        &jmi_nvml,  &jmi_rapl_perf, &jmi_rapl_powercap,
        &jmi_hwmon, &jmi_procfs,    &jmi_cpu_model, /* last: it fills what the others left */
    };
    for (size_t i = 0; i < JMI_COUNT(interfaces); i++) {
        int status = interfaces[i]->probe(set, options, error);
        if (status != JM_OK) return status;
        if (set->failed) return JM_MEMORY;
    }
    return JM_OK;
}

static int set_basics(jmi_sensor_set *set, const jm_session_options *options) {
    set->texts = jmi_intern_new();
    if (set->texts == NULL) return JM_MEMORY;
    const char *root = options->root != NULL ? options->root : getenv("JOULEMETER_ROOT");
    if (root != NULL && root[0] != '\0') set->root = jmi_set_text(set, root);
    return JM_OK;
}

static int fill_set(jmi_sensor_set *set, const jm_session_options *options, bool hung,
                    jm_error *error) {
    int basics = set_basics(set, options);
    if (basics != JM_OK) return basics;
    set->pid = options->pid != 0 ? options->pid : (int32_t)getpid();
    set->calibrations = jmi_calibration_cache_load(NULL);
    const char *note = jmi_calibration_cache_note(set->calibrations);
    if (note != NULL)
        jmi_set_finding(set, &jmi_nvml, "", "calibration", JM_FORMAT, 0,
                        "run `joulemeter calibrate` again", "%s.", note);
    if (hung)
        jmi_set_finding(set, &jmi_nvml, "", "driver", JM_HUNG, 0,
                        "see what `nvidia-smi` and the kernel's log say; if it is only slow, "
                        "JOULEMETER_DRIVER_TIMEOUT_S=30 gives it more time",
                        "NVIDIA's driver does not answer; no GPU of it is measured.");
    int status = wants_gpus(options) ? find_gpus(set, options, hung, error) : JM_OK;
    return status == JM_OK ? probe_all(set, options, error) : status;
}

/* Hands the set over, or lets go of it. */
static int finish(jmi_sensor_set **result, jmi_sensor_set *set, int status, jm_error *error) {
    if (status == JM_MEMORY) jmi_fail(error, JM_MEMORY, "out of memory while opening sensors");
    if (status == JM_HUNG) { /* the thread that hangs has the set now */
        jmi_simulate_close(set->simulation);
        return JM_HUNG;
    }
    if (status != JM_OK) {
        jmi_sensors_close(set);
        return status;
    }
    *result = set;
    return JM_OK;
}

static int open_set(jmi_sensor_set **result, const jm_session_options *options, bool hung,
                    jm_error *error) {
    jmi_sensor_set *set = jmi_alloc(1, sizeof *set);
    int status = set != NULL ? fill_set(set, options, hung, error) : JM_MEMORY;
    return finish(result, set, status, error);
}

int jmi_sensors_open(jmi_sensor_set **result, const jm_session_options *options, jm_error *error) {
    *result = NULL;
    jm_session_options ours;
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_session_options", error);
    if (status == JM_OK) status = open_set(result, &ours, false, error);
    if (status == JM_HUNG) status = open_set(result, &ours, true, error);
    return status;
}

int jmi_gpus_open(jmi_sensor_set **result, const jm_session_options *options, const char *library,
                  jm_error *error) {
    *result = NULL;
    jmi_sensor_set *set = jmi_alloc(1, sizeof *set);
    int status = set != NULL ? set_basics(set, options) : JM_MEMORY;
    if (status == JM_OK && library != NULL) set->library = jmi_set_text(set, library);
    if (status == JM_OK) status = find_gpus(set, options, false, error);
    if (status == JM_HUNG) jmi_fail(error, JM_HUNG, "NVIDIA's driver does not answer");
    return finish(result, set, status, error);
}
