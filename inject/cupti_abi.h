/* What is used of CUPTI's activity interface: the beginnings of its records, which all versions of
 * CUDA from 9 on have alike (later ones add fields at the end), and its functions. Written by hand,
 * so that nothing of NVIDIA's is needed to build; tests/inject/test_abi.c holds it against the
 * headers where they are installed. */
#ifndef INJECT_CUPTI_ABI_H
#define INJECT_CUPTI_ABI_H

#include <stddef.h>
#include <stdint.h>

/* From which CUPTI_API_VERSION on a thing is there. */
enum {
    CUPTI_SINCE_GRAPHS = 14, /* CUDA 11.1: nodes and graphs in records */
    CUPTI_SINCE_CLOCK = 17   /* CUDA 11.6: times by a clock of ours, whole graphs */
};

typedef int cupti_result;  /* 0: success */
enum { CUPTI_TAKEN = 39 }; /* another subscriber is there */

typedef enum cupti_kind {
    CUPTI_MEMCPY = 1,
    CUPTI_MEMSET = 2,
    CUPTI_DRIVER = 4,
    CUPTI_RUNTIME = 5,
    CUPTI_DEVICE = 8,
    CUPTI_KERNEL = 10, /* CONCURRENT_KERNEL: plain KERNEL runs one at a time */
    CUPTI_MEMCPY_PEER = 22,
    CUPTI_EXTERNAL = 39,
    CUPTI_GRAPH = 51
} cupti_kind;

enum { CUPTI_OF_OURS = 3 }; /* CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0 */
enum { CUPTI_FLUSH_FORCED = 1 };

#define CUPTI_PACKED __attribute__((packed, aligned(8)))

typedef struct CUPTI_PACKED cupti_record {
    uint32_t kind;
} cupti_record;

typedef struct CUPTI_PACKED cupti_kernel {
    uint32_t kind;
    uint8_t cache, shared_config;
    uint16_t registers;
    uint32_t partition_requested, partition_executed;
    uint64_t start, end, completed;
    uint32_t device, context, stream;
    int32_t grid[3], block[3];
    int32_t static_shared, dynamic_shared;
    uint32_t local_per_thread, local_total;
    uint32_t correlation;
    int64_t grid_id;
    const char *name;
    void *reserved;
    uint64_t queued, submitted;
    uint8_t launch_type, carveout_requested, carveout, padding;
    uint32_t shared_executed;
    /* CUPTI_SINCE_GRAPHS */
    uint64_t graph_node;
    uint32_t shmem_limit;
    uint32_t graph;
} cupti_kernel;

typedef struct CUPTI_PACKED cupti_memcpy {
    uint32_t kind;
    uint8_t copy_kind, source_kind, target_kind, flags;
    uint64_t bytes, start, end;
    uint32_t device, context, stream, correlation;
} cupti_memcpy;

typedef struct CUPTI_PACKED cupti_memcpy_peer {
    uint32_t kind;
    uint8_t copy_kind, source_kind, target_kind, flags;
    uint64_t bytes, start, end;
    uint32_t device, context, stream;
    uint32_t source_device, source_context, target_device, target_context;
    uint32_t correlation;
} cupti_memcpy_peer;

typedef struct CUPTI_PACKED cupti_memset {
    uint32_t kind;
    uint32_t value;
    uint64_t bytes, start, end;
    uint32_t device, context, stream, correlation;
} cupti_memset;

typedef struct cupti_graph {
    uint32_t kind;
    uint32_t correlation;
    uint64_t start, end;
    uint32_t device, graph, context, stream;
} cupti_graph;

/* Of a call of the runtime or the driver. */
typedef struct CUPTI_PACKED cupti_call {
    uint32_t kind;
    uint32_t function;
    uint64_t start, end;
    uint32_t process, thread, correlation, result;
} cupti_call;

typedef struct CUPTI_PACKED cupti_external {
    uint32_t kind;
    uint32_t external_kind;
    uint64_t external;
    uint32_t correlation;
    uint32_t reserved;
} cupti_external;

/* Of CUpti_ActivityDevice2 and later. */
typedef struct CUPTI_PACKED cupti_device {
    uint32_t kind;
    uint32_t flags;
    uint64_t bandwidth, memory;
    uint32_t figures[22];
    uint32_t id;
    uint32_t ecc;
    uint8_t uuid[16];
} cupti_device;

typedef void cupti_requested_fn(uint8_t **buffer, size_t *size, size_t *most_records);
typedef void cupti_completed_fn(void *context, uint32_t stream, uint8_t *buffer, size_t size,
                                size_t valid);
typedef void cupti_callback_fn(void *user, int domain, uint32_t id, const void *data);

/* CUDA 13: who subscribes, and who has done so before if that is in the way. */
enum { CUPTI_TOOL_BYTES = 64 };
typedef struct cupti_tools {
    size_t size;
    const char *ours;
    char *other;
    size_t other_size;
} cupti_tools;

/* Name without "cupti", result, parameters; `needed` ones make the library usable. */
#define CUPTI_FUNCTIONS(X)                                                                         \
    X(GetVersion, true, (uint32_t * version))                                                      \
    X(GetTimestamp, true, (uint64_t * time))                                                       \
    X(ActivityRegisterCallbacks, true, (cupti_requested_fn *, cupti_completed_fn *))               \
    X(ActivityEnable, true, (int kind))                                                            \
    X(ActivityDisable, true, (int kind))                                                           \
    X(ActivityGetNextRecord, true, (uint8_t * buffer, size_t valid, cupti_record * *record))       \
    X(ActivityGetNumDroppedRecords, true, (void *context, uint32_t stream, size_t *dropped))       \
    X(ActivityFlushAll, true, (uint32_t flag))                                                     \
    X(Subscribe, true, (void **subscriber, cupti_callback_fn *callback, void *user))               \
    X(Subscribe_v2, false,                                                                         \
      (void **subscriber, cupti_callback_fn *callback, void *user, cupti_tools *tools))            \
    X(Unsubscribe, true, (void *subscriber))                                                       \
    X(ActivityRegisterTimestampCallback, false, (uint64_t(*)(void)))                               \
    X(ActivityFlushPeriod, false, (uint32_t ms))                                                   \
    X(ActivityPushExternalCorrelationId, false, (int kind, uint64_t id))                           \
    X(ActivityPopExternalCorrelationId, false, (int kind, uint64_t *id))                           \
    X(GetResultString, false, (cupti_result result, const char **text))

typedef struct cupti {
    void *library;
#define CUPTI_MEMBER(name, needed, parameters) cupti_result(*name) parameters;
    CUPTI_FUNCTIONS(CUPTI_MEMBER)
#undef CUPTI_MEMBER
} cupti;

#endif
