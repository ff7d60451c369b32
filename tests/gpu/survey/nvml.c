#include "nvml.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef int init_fn(void);
typedef int handle_fn(unsigned index, void **device);
typedef int u32_fn(void *device, unsigned *value);
typedef int u64_fn(void *device, unsigned long long *value);
typedef int which_u32_fn(void *device, int which, unsigned *value);
typedef int buffer_fn(void *device, void *buffer);
typedef int which_buffer_fn(void *device, int which, void *buffer);
typedef int text_fn(void *device, char *text, unsigned size);
typedef int system_text_fn(char *text, unsigned size);
typedef int list_fn(void *device, unsigned *count, void *buffer);

int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void sleep_until_ns(int64_t t_ns) {
    struct timespec t = {.tv_sec = t_ns / 1000000000, .tv_nsec = t_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

void *nvml_symbol(const nvml *n, const char *name) {
    return name[0] != '\0' ? dlsym(n->library, name) : NULL;
}

static void find(const nvml *n, const char *name, void *into, size_t size) {
    void *found = nvml_symbol(n, name);
    memcpy(into, &found, size);
}

bool nvml_open(nvml *n, unsigned index, char *why, size_t size) {
    init_fn *init;
    handle_fn *handle;
    *n = (nvml){.library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)};
    if (n->library == NULL) {
        snprintf(why, size, "%s", dlerror());
        return false;
    }
    find(n, "nvmlInit_v2", &init, sizeof init);
    find(n, "nvmlDeviceGetHandleByIndex_v2", &handle, sizeof handle);
    find(n, "nvmlDeviceGetFieldValues", &n->fields, sizeof n->fields);
    find(n, "nvmlDeviceGetSamples", &n->samples, sizeof n->samples);
    int result = init != NULL ? init() : NVML_FUNCTION_NOT_FOUND;
    if (result == NVML_OK && handle != NULL) result = handle(index, &n->device);
    if (result == NVML_OK && n->device != NULL) return true;
    snprintf(why, size, "NVML gives no device %u (result %d)", index, result);
    return false;
}

void nvml_close(nvml *n) {
    init_fn *shutdown;
    if (n->library == NULL) return;
    find(n, "nvmlShutdown", &shutdown, sizeof shutdown);
    if (shutdown != NULL) shutdown();
    dlclose(n->library);
    *n = (nvml){0};
}

void nvml_system_text(const nvml *n, const char *symbol, char *text, size_t size) {
    system_text_fn *call;
    text[0] = '\0';
    find(n, symbol, &call, sizeof call);
    if (call == NULL || call(text, (unsigned)size) != NVML_OK) text[0] = '\0';
}

double nvml_number(int type, const nvml_value *value) {
    switch (type) {
    case 0: return value->d;
    case 1: return value->ui;
    case 2: return (double)value->ul;
    case 3: return (double)value->ull;
    case 4: return (double)value->sll;
    case 5: return value->si;
    case 6: return value->us;
    default: return 0;
    }
}

void nvml_read_field(const nvml *n, unsigned id, unsigned scope, nvml_field *field) {
    *field = (nvml_field){.id = id, .scope = scope, .result = NVML_FUNCTION_NOT_FOUND};
    if (n->fields == NULL) return;
    int result = n->fields(n->device, 1, field);
    if (result != NVML_OK) field->result = result;
}

static void invoke_field(const nvml *n, const nvml_call *call, nvml_outcome *outcome) {
    nvml_field field;
    nvml_read_field(n, call->which, 0, &field);
    outcome->result = field.result;
    outcome->value = nvml_number(field.type, &field.value);
}

static void invoke_fields(const nvml *n, nvml_outcome *outcome) {
    nvml_field fields[] = {{.id = 83}, {.id = 185}, {.id = 186}};
    if (n->fields == NULL) return;
    outcome->result = n->fields(n->device, 3, fields);
    outcome->value = nvml_number(fields[2].type, &fields[2].value);
}

static void invoke_samples(const nvml *n, const nvml_call *call, nvml_outcome *outcome) {
    static nvml_sample samples[SAMPLES_MOST];
    unsigned count = SAMPLES_MOST;
    int type = 0;
    if (n->samples == NULL) return;
    outcome->result = n->samples(n->device, (int)call->which, 0, &type, &count, samples);
    outcome->value = count;
}

/* The shapes that fill a buffer; nothing of it is kept. */
static void invoke_buffer(const nvml *n, const nvml_call *call, void *function,
                          nvml_outcome *outcome) {
    static union {
        unsigned version;
        uint64_t room[8192];
    } buffer;
    buffer_fn *fill;
    which_buffer_fn *fill_which;
    list_fn *list;
    unsigned count = 256;
    memcpy(&fill, &function, sizeof fill);
    memcpy(&fill_which, &function, sizeof fill_which);
    memcpy(&list, &function, sizeof list);
    buffer.version = call->which;
    if (call->shape == SHAPE_BUFFER)
        outcome->result = fill(n->device, &buffer);
    else if (call->shape == SHAPE_WHICH_BUFFER)
        outcome->result = fill_which(n->device, (int)call->which, &buffer);
    else
        outcome->result = list(n->device, &count, &buffer);
    outcome->value = call->shape == SHAPE_LIST ? count : 0;
}

static void invoke_number(const nvml *n, const nvml_call *call, void *function,
                          nvml_outcome *outcome) {
    u32_fn *get32;
    u64_fn *get64;
    which_u32_fn *get_which;
    unsigned small = 0;
    unsigned long long large = 0;
    memcpy(&get32, &function, sizeof get32);
    memcpy(&get64, &function, sizeof get64);
    memcpy(&get_which, &function, sizeof get_which);
    if (call->shape == SHAPE_U32)
        outcome->result = get32(n->device, &small);
    else if (call->shape == SHAPE_U64)
        outcome->result = get64(n->device, &large);
    else
        outcome->result = get_which(n->device, (int)call->which, &small);
    outcome->value = call->shape == SHAPE_U64 ? (double)large : small;
}

static void invoke_text(const nvml *n, void *function, nvml_outcome *outcome) {
    text_fn *get;
    memcpy(&get, &function, sizeof get);
    outcome->result = get(n->device, outcome->text, sizeof outcome->text);
}

void nvml_invoke(const nvml *n, const nvml_call *call, void *function, nvml_outcome *outcome) {
    *outcome = (nvml_outcome){.result = NVML_FUNCTION_NOT_FOUND};
    if (call->shape == SHAPE_FIELD)
        invoke_field(n, call, outcome);
    else if (call->shape == SHAPE_FIELDS)
        invoke_fields(n, outcome);
    else if (call->shape == SHAPE_SAMPLES)
        invoke_samples(n, call, outcome);
    else if (function == NULL)
        return;
    else if (call->shape == SHAPE_TEXT)
        invoke_text(n, function, outcome);
    else if (call->shape == SHAPE_U32 || call->shape == SHAPE_U64 || call->shape == SHAPE_WHICH_U32)
        invoke_number(n, call, function, outcome);
    else
        invoke_buffer(n, call, function, outcome);
}
