/* What inject/cupti_abi.h says by hand is what CUPTI's headers say, of all versions of its records
 * that they know. It compiles, or it does not. */
#include <cupti.h>
#include <cupti_activity_deprecated.h>

#include "cupti_abi.h"

#include <stdio.h>

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
#define PLACE(ours, our_field, theirs, their_field)                                                \
    _Static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) &&                   \
                       sizeof(((ours *)0)->our_field) == sizeof(((theirs *)0)->their_field),       \
                   #theirs "." #their_field)
/* Of arrays that they have as single fields. */
#define AT(ours, our_field, theirs, their_field)                                                   \
    _Static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field),                     \
                   #theirs "." #their_field)

SAME(CUPTI_TAKEN, CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED);
SAME(CUPTI_MEMCPY, CUPTI_ACTIVITY_KIND_MEMCPY);
SAME(CUPTI_MEMSET, CUPTI_ACTIVITY_KIND_MEMSET);
SAME(CUPTI_DRIVER, CUPTI_ACTIVITY_KIND_DRIVER);
SAME(CUPTI_RUNTIME, CUPTI_ACTIVITY_KIND_RUNTIME);
SAME(CUPTI_DEVICE, CUPTI_ACTIVITY_KIND_DEVICE);
SAME(CUPTI_KERNEL, CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
SAME(CUPTI_MEMCPY_PEER, CUPTI_ACTIVITY_KIND_MEMCPY2);
SAME(CUPTI_EXTERNAL, CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION);
SAME(CUPTI_GRAPH, CUPTI_ACTIVITY_KIND_GRAPH_TRACE);
SAME(CUPTI_OF_OURS, CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0);
SAME(CUPTI_FLUSH_FORCED, CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);

#define KERNEL(theirs)                                                                             \
    PLACE(cupti_kernel, kind, theirs, kind);                                                       \
    PLACE(cupti_kernel, registers, theirs, registersPerThread);                                    \
    PLACE(cupti_kernel, start, theirs, start);                                                     \
    PLACE(cupti_kernel, end, theirs, end);                                                         \
    PLACE(cupti_kernel, device, theirs, deviceId);                                                 \
    PLACE(cupti_kernel, context, theirs, contextId);                                               \
    PLACE(cupti_kernel, stream, theirs, streamId);                                                 \
    AT(cupti_kernel, grid, theirs, gridX);                                                         \
    AT(cupti_kernel, block, theirs, blockX);                                                       \
    PLACE(cupti_kernel, dynamic_shared, theirs, dynamicSharedMemory);                              \
    PLACE(cupti_kernel, correlation, theirs, correlationId);                                       \
    PLACE(cupti_kernel, name, theirs, name)
#define KERNEL_OF_GRAPH(theirs)                                                                    \
    KERNEL(theirs);                                                                                \
    PLACE(cupti_kernel, graph_node, theirs, graphNodeId);                                          \
    PLACE(cupti_kernel, graph, theirs, graphId)

KERNEL(CUpti_ActivityKernel4);
_Static_assert(sizeof(CUpti_ActivityKernel4) >= offsetof(cupti_kernel, graph_node), "CUDA 9");
KERNEL_OF_GRAPH(CUpti_ActivityKernel5);
KERNEL_OF_GRAPH(CUpti_ActivityKernel6);
KERNEL_OF_GRAPH(CUpti_ActivityKernel7);
KERNEL_OF_GRAPH(CUpti_ActivityKernel8);
KERNEL_OF_GRAPH(CUpti_ActivityKernel9);
KERNEL_OF_GRAPH(CUpti_ActivityKernel10);
_Static_assert(sizeof(CUpti_ActivityKernel5) >= sizeof(cupti_kernel), "CUDA 11.1");

#define WORK(ours, theirs)                                                                         \
    PLACE(ours, kind, theirs, kind);                                                               \
    PLACE(ours, bytes, theirs, bytes);                                                             \
    PLACE(ours, start, theirs, start);                                                             \
    PLACE(ours, end, theirs, end);                                                                 \
    PLACE(ours, device, theirs, deviceId);                                                         \
    PLACE(ours, stream, theirs, streamId);                                                         \
    PLACE(ours, correlation, theirs, correlationId);                                               \
    _Static_assert(sizeof(theirs) >= sizeof(ours), #theirs)

WORK(cupti_memcpy, CUpti_ActivityMemcpy);
WORK(cupti_memcpy, CUpti_ActivityMemcpy3);
WORK(cupti_memcpy, CUpti_ActivityMemcpy4);
WORK(cupti_memcpy, CUpti_ActivityMemcpy5);
WORK(cupti_memcpy, CUpti_ActivityMemcpy6);
PLACE(cupti_memcpy, copy_kind, CUpti_ActivityMemcpy6, copyKind);
WORK(cupti_memcpy_peer, CUpti_ActivityMemcpyPtoP);
WORK(cupti_memcpy_peer, CUpti_ActivityMemcpyPtoP4);
PLACE(cupti_memcpy_peer, copy_kind, CUpti_ActivityMemcpyPtoP4, copyKind);
WORK(cupti_memset, CUpti_ActivityMemset);
WORK(cupti_memset, CUpti_ActivityMemset2);
WORK(cupti_memset, CUpti_ActivityMemset3);
WORK(cupti_memset, CUpti_ActivityMemset4);

#define GRAPH(theirs)                                                                              \
    PLACE(cupti_graph, kind, theirs, kind);                                                        \
    PLACE(cupti_graph, correlation, theirs, correlationId);                                        \
    PLACE(cupti_graph, start, theirs, start);                                                      \
    PLACE(cupti_graph, end, theirs, end);                                                          \
    PLACE(cupti_graph, device, theirs, deviceId);                                                  \
    PLACE(cupti_graph, graph, theirs, graphId);                                                    \
    PLACE(cupti_graph, stream, theirs, streamId);                                                  \
    _Static_assert(sizeof(theirs) >= sizeof(cupti_graph), #theirs)
GRAPH(CUpti_ActivityGraphTrace);
GRAPH(CUpti_ActivityGraphTrace2);

PLACE(cupti_external, external_kind, CUpti_ActivityExternalCorrelation, externalKind);
PLACE(cupti_external, external, CUpti_ActivityExternalCorrelation, externalId);
PLACE(cupti_external, correlation, CUpti_ActivityExternalCorrelation, correlationId);
SAME(sizeof(cupti_external), sizeof(CUpti_ActivityExternalCorrelation));

PLACE(cupti_call, start, CUpti_ActivityAPI, start);
PLACE(cupti_call, thread, CUpti_ActivityAPI, threadId);
PLACE(cupti_call, correlation, CUpti_ActivityAPI, correlationId);
SAME(sizeof(cupti_call), sizeof(CUpti_ActivityAPI));

#if CUPTI_API_VERSION >= 130000
PLACE(cupti_tools, size, CUpti_SubscriberParams, structSize);
PLACE(cupti_tools, ours, CUpti_SubscriberParams, subscriberName);
PLACE(cupti_tools, other, CUpti_SubscriberParams, oldSubscriberName);
PLACE(cupti_tools, other_size, CUpti_SubscriberParams, oldSubscriberSize);
SAME(sizeof(cupti_tools), sizeof(CUpti_SubscriberParams));
SAME(CUPTI_TOOL_BYTES, CUPTI_OLD_SUBSCRIBER_NAME_MIN_LEN);
#endif

#define DEVICE(theirs)                                                                             \
    PLACE(cupti_device, id, theirs, id);                                                           \
    PLACE(cupti_device, uuid, theirs, uuid);                                                       \
    _Static_assert(sizeof(theirs) >= sizeof(cupti_device), #theirs)
DEVICE(CUpti_ActivityDevice2);
DEVICE(CUpti_ActivityDevice3);
DEVICE(CUpti_ActivityDevice4);
DEVICE(CUpti_ActivityDevice5);

/* The functions take what we hand them: assigning one to our pointer would warn otherwise. */
#define TYPES(name, needed, parameters)                                                            \
    _Static_assert(sizeof(cupti_result) == sizeof(CUptiResult), #name);
CUPTI_FUNCTIONS(TYPES)

int main(void) {
    puts("1..1\nok 1 - cupti_abi.h and CUPTI's headers agree");
    return 0;
}
