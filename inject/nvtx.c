/* What NVTX finds in this library, and the functions that it gets from us. */
#include "inject.h"

#define NVTX_EXPORT __attribute__((visibility("default")))

/* ---- the forms that others are made of ---- */

static int push_default(const nvtx_event *event) {
    return inject_push(NULL, event);
}

static int pop_default(void) {
    return inject_pop(NULL);
}

static uint64_t start_default(const nvtx_event *event) {
    return inject_start(NULL, event);
}

static void end_in_domain(nvtx_handle domain, uint64_t range) {
    (void)domain; /* the number says all */
    inject_end(range);
}

static void mark_default(const nvtx_event *event) {
    inject_mark(NULL, event);
}

static void name_default_category(uint32_t category, const char *name) {
    inject_name_category(NULL, category, name);
}

static void name_default_category_wide(uint32_t category, const wchar_t *name) {
    inject_name_category_wide(NULL, category, name);
}

/* NVTX has handles destroyed that are found again by their names, and that ranges still use. */
static void keep(nvtx_handle handle) {
    (void)handle;
}

static void name_device(int device, const char *name) {
    inject_name_object("device", (uint64_t)(uint32_t)device, name);
}

static void name_device_wide(int device, const wchar_t *name) {
    inject_name_object_wide("device", (uint64_t)(uint32_t)device, name);
}

static void name_context(void *context, const char *name) {
    inject_name_object("context", (uintptr_t)context, name);
}

static void name_context_wide(void *context, const wchar_t *name) {
    inject_name_object_wide("context", (uintptr_t)context, name);
}

static void name_stream(void *stream, const char *name) {
    inject_name_object("stream", (uintptr_t)stream, name);
}

static void name_stream_wide(void *stream, const wchar_t *name) {
    inject_name_object_wide("stream", (uintptr_t)stream, name);
}

/* ---- tables ---- */

typedef struct entry {
    unsigned id;
    nvtx_function function;
} entry;

#define ENTRY(id, function)                                                                        \
    { id, (nvtx_function)(function) }

static const entry core[] = {
    ENTRY(NVTX_MARK_EX, mark_default),
    ENTRY(NVTX_MARK_A, inject_mark_ascii),
    ENTRY(NVTX_MARK_W, inject_mark_wide),
    ENTRY(NVTX_RANGE_START_EX, start_default),
    ENTRY(NVTX_RANGE_START_A, inject_start_ascii),
    ENTRY(NVTX_RANGE_START_W, inject_start_wide),
    ENTRY(NVTX_RANGE_END, inject_end),
    ENTRY(NVTX_RANGE_PUSH_EX, push_default),
    ENTRY(NVTX_RANGE_PUSH_A, inject_push_ascii),
    ENTRY(NVTX_RANGE_PUSH_W, inject_push_wide),
    ENTRY(NVTX_RANGE_POP, pop_default),
    ENTRY(NVTX_NAME_CATEGORY_A, name_default_category),
    ENTRY(NVTX_NAME_CATEGORY_W, name_default_category_wide),
    ENTRY(NVTX_NAME_OS_THREAD_A, inject_name_thread),
    ENTRY(NVTX_NAME_OS_THREAD_W, inject_name_thread_wide),
};

static const entry core2[] = {
    ENTRY(NVTX_DOMAIN_MARK_EX, inject_mark),
    ENTRY(NVTX_DOMAIN_RANGE_START_EX, inject_start),
    ENTRY(NVTX_DOMAIN_RANGE_END, end_in_domain),
    ENTRY(NVTX_DOMAIN_RANGE_PUSH_EX, inject_push),
    ENTRY(NVTX_DOMAIN_RANGE_POP, inject_pop),
    ENTRY(NVTX_DOMAIN_RESOURCE_CREATE, inject_resource_create),
    ENTRY(NVTX_DOMAIN_RESOURCE_DESTROY, keep),
    ENTRY(NVTX_DOMAIN_NAME_CATEGORY_A, inject_name_category),
    ENTRY(NVTX_DOMAIN_NAME_CATEGORY_W, inject_name_category_wide),
    ENTRY(NVTX_DOMAIN_REGISTER_STRING_A, inject_register_string),
    ENTRY(NVTX_DOMAIN_REGISTER_STRING_W, inject_register_string_wide),
    ENTRY(NVTX_DOMAIN_CREATE_A, inject_domain_create),
    ENTRY(NVTX_DOMAIN_CREATE_W, inject_domain_create_wide),
    ENTRY(NVTX_DOMAIN_DESTROY, keep),
};

static const entry cuda[] = {
    ENTRY(NVTX_NAME_CU_DEVICE_A, name_device),   ENTRY(NVTX_NAME_CU_DEVICE_W, name_device_wide),
    ENTRY(NVTX_NAME_CU_CONTEXT_A, name_context), ENTRY(NVTX_NAME_CU_CONTEXT_W, name_context_wide),
    ENTRY(NVTX_NAME_CU_STREAM_A, name_stream),   ENTRY(NVTX_NAME_CU_STREAM_W, name_stream_wide),
};

static const entry cudart[] = {
    ENTRY(NVTX_NAME_CUDA_DEVICE_A, name_device),
    ENTRY(NVTX_NAME_CUDA_DEVICE_W, name_device_wide),
    ENTRY(NVTX_NAME_CUDA_STREAM_A, name_stream),
    ENTRY(NVTX_NAME_CUDA_STREAM_W, name_stream_wide),
};

/* A table that is shorter than ours is that of an older NVTX. */
static void fill(const nvtx_callbacks *callbacks, nvtx_module module, const entry *entries,
                 size_t count) {
    nvtx_table table = NULL;
    unsigned size = 0;
    if (callbacks->get_module((int)module, &table, &size) == 0 || table == NULL) return;
    for (size_t i = 0; i < count; i++)
        if (entries[i].id < size && table[entries[i].id] != NULL)
            *table[entries[i].id] = entries[i].function;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void tell(const char *key, const char *value) {
    int before = errno;
    jm_session_set_info(inject_session(), key, value);
    errno = before;
}

/* Called by each shared object's NVTX, at its first range; the same table again is filled the same
 * way. 1 also where nothing is to be done, for with 0 the library would be unloaded: what is not
 * filled in NVTX takes for functions that do nothing. */
NVTX_EXPORT int InitializeInjectionNvtx2(nvtx_export_table *export_table);
NVTX_EXPORT int InitializeInjectionNvtx2(nvtx_export_table *export_table) {
    if (export_table == NULL || inject_session() == NULL) return 1;
    const nvtx_version *version = export_table(NVTX_EXPORT_VERSION);
    if (version != NULL && version->size >= sizeof *version && version->set_tool_version != NULL)
        version->set_tool_version(NVTX_ABI_VERSION);
    const nvtx_callbacks *callbacks = export_table(NVTX_EXPORT_CALLBACKS);
    if (callbacks == NULL || callbacks->size < sizeof *callbacks || callbacks->get_module == NULL)
        return 1;
    fill(callbacks, NVTX_MODULE_CORE, core, COUNT(core));
    fill(callbacks, NVTX_MODULE_CORE2, core2, COUNT(core2));
    fill(callbacks, NVTX_MODULE_CUDA, cuda, COUNT(cuda));
    fill(callbacks, NVTX_MODULE_CUDART, cudart, COUNT(cudart));
    tell("nvtx used", "1"); /* or nobody knew why there are no ranges */
    return 1;
}

/* Called by NVTX that knows no tables of functions: its library libnvToolsExt.so before version 2.
 * 0: it goes on without a tool. */
NVTX_EXPORT int InitializeInjectionNvtx(const void *unknown);
NVTX_EXPORT int InitializeInjectionNvtx(const void *unknown) {
    (void)unknown;
    tell("nvtx", "not recorded where they are those of NVTX version 1 (an old libnvToolsExt.so): "
                 "joulemeter knows versions 2 and 3");
    return 0;
}
