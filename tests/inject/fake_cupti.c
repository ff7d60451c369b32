#include <cupti.h>

#pragma GCC visibility push(default)
#include "fake_cupti.h"
#pragma GCC visibility pop

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static CUpti_BuffersCallbackRequestFunc requested;
static CUpti_BuffersCallbackCompleteFunc completed;
static CUpti_TimestampCallbackFunc clock_of_tool;
static bool enabled[CUPTI_ACTIVITY_KIND_MEM_DECOMPRESS + 1];
static bool held;
static uint8_t *filling;
static size_t size, used, lost;
static uint32_t calls;

/* Full buffers that are not handed over yet. */
enum { HOARD = 64 };
static uint8_t *hoard[HOARD];
static size_t hoarded;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

enum { DEEP = 64 };
static __thread uint64_t external[DEEP];
static __thread size_t depth;

static bool wrong(const char *what) {
    const char *list = getenv("FAKE_CUPTI");
    return list != NULL && strstr(list, what) != NULL;
}

/* ---- clock ---- */

enum { AWAY_S = 12345 };

static uint64_t own_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec + AWAY_S) * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fake_now(void) {
    return clock_of_tool != NULL ? clock_of_tool() : own_clock();
}

CUptiResult cuptiGetTimestamp(uint64_t *timestamp) {
    *timestamp = fake_now();
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityRegisterTimestampCallback(CUpti_TimestampCallbackFunc funcTimestamp) {
    if (wrong("old") || wrong("clock")) return CUPTI_ERROR_NOT_SUPPORTED;
    for (size_t i = 0; i < sizeof enabled; i++)
        if (enabled[i]) return CUPTI_ERROR_INVALID_OPERATION; /* it is too late */
    clock_of_tool = funcTimestamp;
    return CUPTI_SUCCESS;
}

/* ---- life ---- */

CUptiResult cuptiGetVersion(uint32_t *version) {
    *version = wrong("old") ? 12 : CUPTI_API_VERSION;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiGetResultString(CUptiResult result, const char **str) {
    (void)result;
    *str = "CUPTI_ERROR_OF_THE_FAKE";
    return CUPTI_SUCCESS;
}

CUptiResult cuptiSubscribe(CUpti_SubscriberHandle *subscriber, CUpti_CallbackFunc callback,
                           void *user) {
    (void)callback, (void)user;
    if (held || wrong("taken")) return CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
    held = true;
    *subscriber = (CUpti_SubscriberHandle)&held;
    return CUPTI_SUCCESS;
}

#if CUPTI_API_VERSION >= 130000
/* It is told who has the place; "taken" alone has no name. */
CUptiResult cuptiSubscribe_v2(CUpti_SubscriberHandle *subscriber, CUpti_CallbackFunc callback,
                              void *user, CUpti_SubscriberParams *params) {
    if (params->structSize < CUpti_SubscriberParams_STRUCT_SIZE)
        return CUPTI_ERROR_INVALID_PARAMETER;
    if (wrong("taken by nsys"))
        snprintf(params->oldSubscriberName, params->oldSubscriberSize, "Nsight Systems");
    return cuptiSubscribe(subscriber, callback, user);
}
#endif

CUptiResult cuptiUnsubscribe(CUpti_SubscriberHandle subscriber) {
    if (subscriber != (CUpti_SubscriberHandle)&held) return CUPTI_ERROR_INVALID_PARAMETER;
    held = false;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc funcBufferRequested,
                                           CUpti_BuffersCallbackCompleteFunc funcBufferCompleted) {
    requested = funcBufferRequested;
    completed = funcBufferCompleted;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind) {
    if (wrong("nothing")) return CUPTI_ERROR_NOT_SUPPORTED;
    enabled[kind] = true;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityDisable(CUpti_ActivityKind kind) {
    enabled[kind] = false;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityFlushAll(uint32_t flag) {
    (void)flag;
    if (filling == NULL && hoarded == 0)
        puts("flushed without a context"); /* which crashes some versions */
    fake_deliver(0);
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityFlushPeriod(uint32_t time) {
    (void)time;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind kind,
                                                   uint64_t id) {
    if (kind != CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0) return CUPTI_ERROR_INVALID_PARAMETER;
    if (depth < DEEP) external[depth] = id;
    depth++;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind kind,
                                                  uint64_t *id) {
    (void)kind;
    if (depth == 0) return CUPTI_ERROR_QUEUE_EMPTY;
    *id = external[--depth % DEEP];
    return CUPTI_SUCCESS;
}

/* ---- records ---- */

static size_t size_of(uint32_t kind) {
    switch (kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
        return wrong("old") ? sizeof(CUpti_ActivityKernel4) : sizeof(CUpti_ActivityKernel10);
    case CUPTI_ACTIVITY_KIND_MEMCPY: return sizeof(CUpti_ActivityMemcpy6);
    case CUPTI_ACTIVITY_KIND_MEMSET: return sizeof(CUpti_ActivityMemset4);
    case CUPTI_ACTIVITY_KIND_RUNTIME: return sizeof(CUpti_ActivityAPI);
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION: return sizeof(CUpti_ActivityExternalCorrelation);
    case CUPTI_ACTIVITY_KIND_DEVICE: return sizeof(CUpti_ActivityDevice5);
    case CUPTI_ACTIVITY_KIND_GRAPH_TRACE: return sizeof(CUpti_ActivityGraphTrace2);
    default: return 16;
    }
}

CUptiResult cuptiActivityGetNextRecord(uint8_t *buffer, size_t validBufferSizeBytes,
                                       CUpti_Activity **record) {
    uint8_t *next = buffer;
    if (*record != NULL) next = (uint8_t *)*record + size_of((*record)->kind);
    if (next + sizeof(CUpti_Activity) > buffer + validBufferSizeBytes)
        return CUPTI_ERROR_MAX_LIMIT_REACHED;
    *record = (CUpti_Activity *)(void *)next;
    return CUPTI_SUCCESS;
}

CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext context, uint32_t streamId,
                                              size_t *dropped) {
    (void)context, (void)streamId;
    *dropped = lost;
    lost = 0;
    return CUPTI_SUCCESS;
}

static void deliver_hoard(void) {
    while (hoarded > 0) completed(NULL, 0, hoard[--hoarded], size, size);
}

void fake_deliver(size_t cut) {
    uint8_t *full = filling;
    deliver_hoard();
    size_t valid = used > cut ? used - cut : 0;
    if (full == NULL) return;
    filling = NULL;
    used = 0;
    if (completed != NULL) completed(NULL, 0, full, size, valid);
}

static void put(const void *record, size_t bytes) {
    pthread_mutex_lock(&lock);
    if (filling != NULL && used + bytes > size) {
        if (wrong("hoard") && hoarded < HOARD) {
            memset(filling + used, 0, size - used); /* records of no kind */
            hoard[hoarded++] = filling;
            filling = NULL;
            used = 0;
        } else {
            fake_deliver(0);
        }
    }
    size_t most = 0, given = 0;
    if (filling == NULL && requested != NULL) requested(&filling, &given, &most);
    if (given > 0) size = given;
    if (filling != NULL) {
        memcpy(filling + used, record, bytes);
        used += bytes;
    } else {
        lost++;
    }
    pthread_mutex_unlock(&lock);
}

void fake_raw(const void *bytes, size_t count) {
    put(bytes, count);
}

uint32_t fake_call(void) {
    uint32_t call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    CUpti_ActivityAPI api = {.kind = CUPTI_ACTIVITY_KIND_RUNTIME, .correlationId = call};
    api.start = fake_now() - (wrong("early") ? 0 : 1000000000);
    CUpti_ActivityExternalCorrelation tie = {
        .kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION,
        .externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0,
        .externalId = depth > 0 ? external[(depth - 1) % DEEP] : 0,
        .correlationId = call};
    if (depth > 0 && enabled[CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION]) put(&tie, sizeof tie);
    if (enabled[CUPTI_ACTIVITY_KIND_RUNTIME]) put(&api, sizeof api);
    return call;
}

void fake_kernel(uint32_t call, const fake_work *w) {
    CUpti_ActivityKernel10 k;
    memset(&k, 0, sizeof k);
    k.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
    k.name = w->name;
    k.start = w->start;
    k.end = w->end;
    k.deviceId = w->device;
    k.streamId = w->stream;
    k.correlationId = call;
    k.gridX = 4;
    k.gridY = 2;
    k.gridZ = 1;
    k.blockX = 128;
    k.blockY = k.blockZ = 1;
    k.graphId = w->graph;
    k.graphNodeId = w->node;
    if (enabled[k.kind]) put(&k, size_of(k.kind));
}

void fake_copy(uint32_t call, const fake_work *w) {
    CUpti_ActivityMemcpy6 m;
    memset(&m, 0, sizeof m);
    m.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
    m.copyKind = (uint8_t)w->copy_kind;
    m.bytes = w->bytes;
    m.start = w->start;
    m.end = w->end;
    m.deviceId = w->device;
    m.streamId = w->stream;
    m.correlationId = call;
    if (enabled[m.kind]) put(&m, sizeof m);
}

void fake_set(uint32_t call, const fake_work *w) {
    CUpti_ActivityMemset4 m;
    memset(&m, 0, sizeof m);
    m.kind = CUPTI_ACTIVITY_KIND_MEMSET;
    m.bytes = w->bytes;
    m.start = w->start;
    m.end = w->end;
    m.deviceId = w->device;
    m.streamId = w->stream;
    m.correlationId = call;
    if (enabled[m.kind]) put(&m, sizeof m);
}

void fake_graph(uint32_t call, const fake_work *w) {
    CUpti_ActivityGraphTrace2 g;
    memset(&g, 0, sizeof g);
    g.kind = CUPTI_ACTIVITY_KIND_GRAPH_TRACE;
    g.correlationId = call;
    g.start = w->start;
    g.end = w->end;
    g.deviceId = w->device;
    g.streamId = w->stream;
    g.graphId = w->graph;
    if (enabled[g.kind]) put(&g, sizeof g);
}

static void request_of_another(uint8_t **theirs, size_t *bytes, size_t *most) {
    static uint8_t space[65536] __attribute__((aligned(8)));
    *theirs = space;
    *bytes = sizeof space;
    *most = 0;
}

static void complete_of_another(CUcontext context, uint32_t stream, uint8_t *theirs, size_t bytes,
                                size_t valid) {
    (void)context, (void)stream, (void)bytes;
    if (valid > 0) theirs[0] = 0; /* a buffer of ours that it takes for its own */
}

void fake_take_over(void) {
    cuptiActivityRegisterCallbacks(request_of_another, complete_of_another);
}

/* ---- the driver ---- */

static void tell_devices(void) {
    const char *list = getenv("FAKE_DEVICES");
    for (uint32_t id = 0; list != NULL && *list != '\0'; id++) {
        CUpti_ActivityDevice5 device;
        memset(&device, 0, sizeof device);
        device.kind = CUPTI_ACTIVITY_KIND_DEVICE;
        device.id = id;
        for (int i = 0; i < 16; i++) {
            unsigned byte = 0;
            if (sscanf(list, "%2x", &byte) != 1) return;
            device.uuid.bytes[i] = (char)byte;
            list += 2;
        }
        list += *list == ',';
        if (enabled[device.kind]) put(&device, sizeof device);
    }
}

void fake_init(void) {
    const char *path = getenv("CUDA_INJECTION64_PATH");
    void *tool = path != NULL ? dlopen(path, RTLD_NOW) : NULL;
    int (*initialize)(void) = NULL;
    if (tool != NULL) *(void **)&initialize = dlsym(tool, "InitializeInjection");
    if (initialize == NULL) return;
    if (initialize() != 1) puts("the tool failed");
}

void fake_context(void) {
    tell_devices();
}
