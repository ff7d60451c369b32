/* The limits of NVIDIA boards: the power limit, and locked clocks. */
#include "sensor/limit.h"

#include "sensor/nvml_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CLOCK_SM = 1, MOST_CLOCKS = 1024 };

/* One call into the driver, on the heap: after a time-out it belongs to the thread that hangs. */
typedef struct query {
    jmi_sensor_set *set;
    jmi_nvml_gpu *gpu;
    jm_lever lever;
    uint32_t value;
    jmi_limit_reading reading;
    int result; /* of the call that decides */
} query;

/* ---- power ---- */

static uint32_t ask(int (*call)(jmi_nvml_device device, unsigned *value), jmi_nvml_device device) {
    unsigned value = 0;
    if (call == NULL || call(device, &value) != JMI_NVML_OK) return JMI_LIMIT_UNKNOWN;
    return value;
}

static int read_power(query *q) {
    const jmi_nvml_api *api = q->gpu->api;
    jmi_limit_reading *r = &q->reading;
    unsigned requested = 0, least = 0, most = 0;
    if (api->limit == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = api->limit(q->gpu->handle, &requested);
    if (result != JMI_NVML_OK) return result;
    r->requested = requested;
    r->value = ask(api->enforced_limit, q->gpu->handle);
    if (r->value == JMI_LIMIT_UNKNOWN) r->value = requested;
    r->standard = ask(api->default_limit, q->gpu->handle);
    if (api->limit_range != NULL &&
        api->limit_range(q->gpu->handle, &least, &most) == JMI_NVML_OK && least <= most) {
        r->least = least;
        r->most = most;
    }
    return JMI_NVML_OK;
}

static int write_power(query *q) {
    const jmi_nvml_api *api = q->gpu->api;
    if (api->set_limit == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    return api->set_limit(q->gpu->handle, q->value);
}

/* ---- clocks ---- */

/* The clocks of the multiprocessors beside the highest of memory; 0: the driver names none. */
static unsigned list_clocks(const jmi_nvml_gpu *gpu, unsigned clocks[MOST_CLOCKS]) {
    unsigned memory[64], highest = 0, memory_count = 64, count = MOST_CLOCKS;
    if (gpu->api->memory_clocks == NULL || gpu->api->sm_clocks == NULL) return 0;
    if (gpu->api->memory_clocks(gpu->handle, &memory_count, memory) != JMI_NVML_OK) return 0;
    for (unsigned i = 0; i < memory_count && i < 64; i++)
        if (memory[i] > highest) highest = memory[i];
    if (gpu->api->sm_clocks(gpu->handle, highest, &count, clocks) != JMI_NVML_OK) return 0;
    return count < MOST_CLOCKS ? count : MOST_CLOCKS;
}

static int read_clock(query *q) {
    const jmi_nvml_api *api = q->gpu->api;
    unsigned clocks[MOST_CLOCKS], most = 0;
    jmi_limit_reading *r = &q->reading;
    if (api->lock_clocks == NULL || api->unlock_clocks == NULL || api->max_clock == NULL)
        return JMI_NVML_FUNCTION_NOT_FOUND;
    int result = api->max_clock(q->gpu->handle, CLOCK_SM, &most);
    if (result != JMI_NVML_OK) return result;
    r->standard = r->most = most;
    unsigned count = list_clocks(q->gpu, clocks);
    for (unsigned i = 0; i < count; i++)
        if (r->least == JMI_LIMIT_UNKNOWN || clocks[i] < r->least) r->least = clocks[i];
    return JMI_NVML_OK;
}

/* A lock from the lowest clock on is a limit: idle clocks stay low. */
static int write_clock(query *q) {
    const jmi_nvml_api *api = q->gpu->api;
    unsigned clocks[MOST_CLOCKS], least = q->value;
    if (api->lock_clocks == NULL || api->unlock_clocks == NULL) return JMI_NVML_FUNCTION_NOT_FOUND;
    if (q->value == 0) return api->unlock_clocks(q->gpu->handle);
    unsigned count = list_clocks(q->gpu, clocks);
    for (unsigned i = 0; i < count; i++)
        if (clocks[i] < least) least = clocks[i];
    return api->lock_clocks(q->gpu->handle, least, q->value);
}

static int step_clock(query *q) {
    unsigned clocks[MOST_CLOCKS], below = 0, least = UINT32_MAX;
    unsigned count = list_clocks(q->gpu, clocks);
    for (unsigned i = 0; i < count; i++) {
        if (clocks[i] < least) least = clocks[i];
        if (clocks[i] <= q->value && clocks[i] > below) below = clocks[i];
    }
    if (count > 0) q->value = below > 0 ? below : least;
    return JMI_NVML_OK;
}

/* ---- both, in a thread that may hang ---- */

/* A driver that says by itself that it timed out does not hang. */
static int status_of(int result) {
    return result == JMI_NVML_TIMEOUT ? JM_DRIVER : jmi_nvml_status(result);
}

static int read_limit(void *data) {
    query *q = data;
    q->result = q->lever == JM_LEVER_CLOCK ? read_clock(q) : read_power(q);
    unsigned mode = 0;
    if (q->gpu->api->persistence != NULL &&
        q->gpu->api->persistence(q->gpu->handle, &mode) == JMI_NVML_OK)
        q->reading.persistence = mode != 0;
    return status_of(q->result);
}

static int write_limit(void *data) {
    query *q = data;
    q->result = q->lever == JM_LEVER_CLOCK ? write_clock(q) : write_power(q);
    return q->result == JMI_NVML_INVALID_ARGUMENT ? JM_INVALID : status_of(q->result);
}

static int step_limit(void *data) {
    query *q = data;
    q->result = q->lever == JM_LEVER_CLOCK ? step_clock(q) : JMI_NVML_OK;
    return status_of(q->result);
}

static int no_limits(const jmi_sensor_set *set, uint32_t gpu, jm_error *error) {
    return jmi_fail(error, JM_NOT_SUPPORTED,
                    "gpu%u (%s): only limits of NVIDIA GPUs can be read and set", gpu,
                    set->gpus[gpu].model);
}

static int say_why(const query *q, int status, uint32_t gpu, const char *doing, jm_error *error) {
    const char *what = q->lever == JM_LEVER_CLOCK ? "lock on clocks" : "power limit";
    const char *why = status == JM_INVALID ? "the driver does not take this value"
                                           : jmi_nvml_result_text(q->result);
    return jmi_fail(error, status, "gpu%u: its %s cannot be %s: %s", gpu, what, doing, why);
}

/* Does it, and hands what came out to `q`. */
static int run(query *q, uint32_t gpu, int (*work)(void *data), const char *doing,
               jm_error *error) {
    jmi_sensor_set *set = q->set;
    const jmi_nvml_state *state = set->nvml;
    if (gpu >= set->gpu_count) return jmi_fail(error, JM_NOT_FOUND, "there is no GPU %u", gpu);
    if (set->gpus[gpu].folder != NULL || state == NULL || gpu >= state->gpu_count)
        return no_limits(set, gpu, error);
    q->gpu = &state->gpus[gpu];
    q->result = q->gpu->opened;
    if (q->gpu->handle == NULL) return say_why(q, status_of(q->gpu->opened), gpu, doing, error);
    query *own = set->abandoned ? NULL : jmi_alloc(1, sizeof *own);
    int status = set->abandoned ? JM_HUNG : JM_MEMORY;
    if (own != NULL) {
        *own = *q;
        status = jmi_guard_call(work, own, NULL);
        if (status == JM_HUNG) set->abandoned = true;
    }
    if (status == JM_HUNG)
        return jmi_fail(error, JM_HUNG, "gpu%u: NVIDIA's driver does not answer", gpu);
    if (own == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    *q = *own;
    free(own);
    return status == JM_OK ? JM_OK : say_why(q, status, gpu, doing, error);
}

int jmi_limit_read(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, jmi_limit_reading *reading,
                   jm_error *error) {
    const jmi_limit_reading unknown = {JMI_LIMIT_UNKNOWN, JMI_LIMIT_UNKNOWN, JMI_LIMIT_UNKNOWN,
                                       JMI_LIMIT_UNKNOWN, JMI_LIMIT_UNKNOWN, -1};
    query q = {.set = set, .lever = lever, .reading = unknown};
    int status = run(&q, gpu, read_limit, "read", error);
    *reading = status == JM_OK ? q.reading : unknown;
    return status;
}

int jmi_limit_write(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, uint32_t value,
                    jm_error *error) {
    query q = {.set = set, .lever = lever, .value = value};
    return run(&q, gpu, write_limit, "set", error);
}

int jmi_limit_step(jmi_sensor_set *set, uint32_t gpu, jm_lever lever, uint32_t wanted,
                   uint32_t *step, jm_error *error) {
    query q = {.set = set, .lever = lever, .value = wanted};
    int status = run(&q, gpu, step_limit, "read", error);
    *step = status == JM_OK ? q.value : wanted;
    return status;
}

/* ---- which GPU ---- */

const char *jmi_gpu_key(const jmi_sensor_set *set, uint32_t gpu, char key[64]) {
    const jmi_gpu *g = &set->gpus[gpu];
    if (g->uuid[0] != '\0')
        snprintf(key, 64, "%.60s", g->uuid);
    else
        snprintf(key, 64, "PCI-%.50s", g->pci);
    for (char *c = key; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", *c) == NULL)
            *c = '-';
    return key;
}

uint32_t jmi_gpu_find(const jmi_sensor_set *set, const char *uuid) {
    char key[64];
    for (uint32_t i = 0; i < set->gpu_count; i++)
        if (strcasecmp(jmi_gpu_key(set, i, key), uuid) == 0) return i;
    return UINT32_MAX;
}

bool jmi_gpus_simulated(const jmi_sensor_set *set) {
    const jmi_nvml_state *state = set->nvml;
    return state != NULL && state->api.simulated;
}
