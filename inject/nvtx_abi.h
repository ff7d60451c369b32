/* What NVTX (version 3, which is headers only) and a tool that it loads agree on: the tables of
 * functions that the tool fills in, and the structs that these get. Written by hand, so that
 * nothing of NVIDIA's is needed to build; tests/inject/test_abi.c holds it against the headers
 * where they are installed.
 *
 * At its first call NVTX loads the library that NVTX_INJECTION64_PATH names and calls its
 * InitializeInjectionNvtx2. Every shared object that uses NVTX has tables of its own, so that this
 * happens once for each of them. */
#ifndef INJECT_NVTX_ABI_H
#define INJECT_NVTX_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

enum { NVTX_ABI_VERSION = 3, NVTX_ABI_OLDEST = 2 }; /* of structs that look as below */

typedef void (*nvtx_function)(void);

/* Tables are arrays of pointers to where a function's address is to be put. */
typedef nvtx_function **nvtx_table;

typedef enum nvtx_module {
    NVTX_MODULE_CORE = 1,
    NVTX_MODULE_CUDA = 2,
    NVTX_MODULE_CUDART = 4,
    NVTX_MODULE_CORE2 = 5
} nvtx_module;

/* Of NVTX_MODULE_CORE. */
enum {
    NVTX_MARK_EX = 1,
    NVTX_MARK_A,
    NVTX_MARK_W,
    NVTX_RANGE_START_EX,
    NVTX_RANGE_START_A,
    NVTX_RANGE_START_W,
    NVTX_RANGE_END,
    NVTX_RANGE_PUSH_EX,
    NVTX_RANGE_PUSH_A,
    NVTX_RANGE_PUSH_W,
    NVTX_RANGE_POP,
    NVTX_NAME_CATEGORY_A,
    NVTX_NAME_CATEGORY_W,
    NVTX_NAME_OS_THREAD_A,
    NVTX_NAME_OS_THREAD_W
};

/* Of NVTX_MODULE_CORE2. */
enum {
    NVTX_DOMAIN_MARK_EX = 1,
    NVTX_DOMAIN_RANGE_START_EX,
    NVTX_DOMAIN_RANGE_END,
    NVTX_DOMAIN_RANGE_PUSH_EX,
    NVTX_DOMAIN_RANGE_POP,
    NVTX_DOMAIN_RESOURCE_CREATE,
    NVTX_DOMAIN_RESOURCE_DESTROY,
    NVTX_DOMAIN_NAME_CATEGORY_A,
    NVTX_DOMAIN_NAME_CATEGORY_W,
    NVTX_DOMAIN_REGISTER_STRING_A,
    NVTX_DOMAIN_REGISTER_STRING_W,
    NVTX_DOMAIN_CREATE_A,
    NVTX_DOMAIN_CREATE_W,
    NVTX_DOMAIN_DESTROY,
    NVTX_INITIALIZE
};

/* Of NVTX_MODULE_CUDA; those of NVTX_MODULE_CUDART are two less from the streams on. */
enum {
    NVTX_NAME_CU_DEVICE_A = 1,
    NVTX_NAME_CU_DEVICE_W,
    NVTX_NAME_CU_CONTEXT_A,
    NVTX_NAME_CU_CONTEXT_W,
    NVTX_NAME_CU_STREAM_A,
    NVTX_NAME_CU_STREAM_W
};

/* Of NVTX_MODULE_CUDART. */
enum {
    NVTX_NAME_CUDA_DEVICE_A = 1,
    NVTX_NAME_CUDA_DEVICE_W,
    NVTX_NAME_CUDA_STREAM_A,
    NVTX_NAME_CUDA_STREAM_W
};

/* What the tool gets: export_table(1) gives the callbacks, export_table(3) the version. */
typedef const void *nvtx_export_table(uint32_t id);
enum { NVTX_EXPORT_CALLBACKS = 1, NVTX_EXPORT_VERSION = 3 };

typedef struct nvtx_callbacks {
    size_t size;
    /* 0: there is no such module */
    int (*get_module)(int module, nvtx_table *table, unsigned *count);
} nvtx_callbacks;

typedef struct nvtx_version {
    size_t size;
    uint32_t version;
    uint32_t reserved;
    void (*set_tool_version)(uint32_t version);
} nvtx_version;

/* Handles are the tool's own: NVTX hands them back and looks at none. */
typedef void *nvtx_handle;

typedef union nvtx_text {
    const char *ascii;
    const wchar_t *wide;
    nvtx_handle registered;
} nvtx_text;

enum { NVTX_TEXT_ASCII = 1, NVTX_TEXT_WIDE, NVTX_TEXT_REGISTERED };

enum {
    NVTX_PAYLOAD_UINT64 = 1,
    NVTX_PAYLOAD_INT64,
    NVTX_PAYLOAD_DOUBLE,
    NVTX_PAYLOAD_UINT32,
    NVTX_PAYLOAD_INT32,
    NVTX_PAYLOAD_FLOAT
};

typedef struct nvtx_event {
    uint16_t version;
    uint16_t size;
    uint32_t category;
    int32_t color_type;
    uint32_t color;
    int32_t payload_type;
    int32_t reserved;
    union {
        uint64_t u64;
        int64_t i64;
        double f64;
        uint32_t u32;
        int32_t i32;
        float f32;
    } payload;
    int32_t text_type;
    nvtx_text text;
} nvtx_event;

enum {
    NVTX_RESOURCE_THREAD_NATIVE = 0x10003, /* gettid */
    NVTX_RESOURCE_THREAD_POSIX = 0x10004   /* pthread_t */
};

typedef struct nvtx_resource {
    uint16_t version;
    uint16_t size;
    int32_t type;
    uint64_t identifier;
    int32_t text_type;
    nvtx_text text;
} nvtx_resource;

/* What push and pop return where something is wrong; -2: nothing keeps track of levels. */
enum { NVTX_WRONG = -1, NVTX_NO_LEVELS = -2 };

#endif
