/* What inject/nvtx_abi.h says by hand is what NVIDIA's headers say. It compiles, or it does not. */
#include <nvtx3/nvToolsExt.h>

/* Names of ours that are macros or types of theirs differ in case or ending. */
#include "nvtx_abi.h"

#include <stdio.h>

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
#define PLACE(ours, our_field, theirs, their_field)                                                \
    _Static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) &&                   \
                       sizeof(((ours *)0)->our_field) == sizeof(((theirs *)0)->their_field),       \
                   #ours "." #our_field)

SAME(NVTX_ABI_VERSION, NVTX_VERSION);

SAME(NVTX_MODULE_CORE, NVTX_CB_MODULE_CORE);
SAME(NVTX_MODULE_CUDA, NVTX_CB_MODULE_CUDA);
SAME(NVTX_MODULE_CUDART, NVTX_CB_MODULE_CUDART);
SAME(NVTX_MODULE_CORE2, NVTX_CB_MODULE_CORE2);

SAME(NVTX_MARK_EX, NVTX_CBID_CORE_MarkEx);
SAME(NVTX_MARK_A, NVTX_CBID_CORE_MarkA);
SAME(NVTX_MARK_W, NVTX_CBID_CORE_MarkW);
SAME(NVTX_RANGE_START_EX, NVTX_CBID_CORE_RangeStartEx);
SAME(NVTX_RANGE_START_A, NVTX_CBID_CORE_RangeStartA);
SAME(NVTX_RANGE_START_W, NVTX_CBID_CORE_RangeStartW);
SAME(NVTX_RANGE_END, NVTX_CBID_CORE_RangeEnd);
SAME(NVTX_RANGE_PUSH_EX, NVTX_CBID_CORE_RangePushEx);
SAME(NVTX_RANGE_PUSH_A, NVTX_CBID_CORE_RangePushA);
SAME(NVTX_RANGE_PUSH_W, NVTX_CBID_CORE_RangePushW);
SAME(NVTX_RANGE_POP, NVTX_CBID_CORE_RangePop);
SAME(NVTX_NAME_CATEGORY_A, NVTX_CBID_CORE_NameCategoryA);
SAME(NVTX_NAME_CATEGORY_W, NVTX_CBID_CORE_NameCategoryW);
SAME(NVTX_NAME_OS_THREAD_A, NVTX_CBID_CORE_NameOsThreadA);
SAME(NVTX_NAME_OS_THREAD_W, NVTX_CBID_CORE_NameOsThreadW);

SAME(NVTX_DOMAIN_MARK_EX, NVTX_CBID_CORE2_DomainMarkEx);
SAME(NVTX_DOMAIN_RANGE_START_EX, NVTX_CBID_CORE2_DomainRangeStartEx);
SAME(NVTX_DOMAIN_RANGE_END, NVTX_CBID_CORE2_DomainRangeEnd);
SAME(NVTX_DOMAIN_RANGE_PUSH_EX, NVTX_CBID_CORE2_DomainRangePushEx);
SAME(NVTX_DOMAIN_RANGE_POP, NVTX_CBID_CORE2_DomainRangePop);
SAME(NVTX_DOMAIN_RESOURCE_CREATE, NVTX_CBID_CORE2_DomainResourceCreate);
SAME(NVTX_DOMAIN_RESOURCE_DESTROY, NVTX_CBID_CORE2_DomainResourceDestroy);
SAME(NVTX_DOMAIN_NAME_CATEGORY_A, NVTX_CBID_CORE2_DomainNameCategoryA);
SAME(NVTX_DOMAIN_NAME_CATEGORY_W, NVTX_CBID_CORE2_DomainNameCategoryW);
SAME(NVTX_DOMAIN_REGISTER_STRING_A, NVTX_CBID_CORE2_DomainRegisterStringA);
SAME(NVTX_DOMAIN_REGISTER_STRING_W, NVTX_CBID_CORE2_DomainRegisterStringW);
SAME(NVTX_DOMAIN_CREATE_A, NVTX_CBID_CORE2_DomainCreateA);
SAME(NVTX_DOMAIN_CREATE_W, NVTX_CBID_CORE2_DomainCreateW);
SAME(NVTX_DOMAIN_DESTROY, NVTX_CBID_CORE2_DomainDestroy);
SAME(NVTX_INITIALIZE, NVTX_CBID_CORE2_Initialize);

SAME(NVTX_NAME_CU_DEVICE_A, NVTX_CBID_CUDA_NameCuDeviceA);
SAME(NVTX_NAME_CU_CONTEXT_A, NVTX_CBID_CUDA_NameCuContextA);
SAME(NVTX_NAME_CU_STREAM_A, NVTX_CBID_CUDA_NameCuStreamA);
SAME(NVTX_NAME_CU_STREAM_W, NVTX_CBID_CUDA_NameCuStreamW);
SAME(NVTX_NAME_CUDA_DEVICE_A, NVTX_CBID_CUDART_NameCudaDeviceA);
SAME(NVTX_NAME_CUDA_STREAM_A, NVTX_CBID_CUDART_NameCudaStreamA);
SAME(NVTX_NAME_CUDA_STREAM_W, NVTX_CBID_CUDART_NameCudaStreamW);

SAME(NVTX_EXPORT_CALLBACKS, NVTX_ETID_CALLBACKS);
SAME(NVTX_EXPORT_VERSION, NVTX_ETID_VERSIONINFO);
SAME(NVTX_TEXT_ASCII, NVTX_MESSAGE_TYPE_ASCII);
SAME(NVTX_TEXT_WIDE, NVTX_MESSAGE_TYPE_UNICODE);
SAME(NVTX_TEXT_REGISTERED, NVTX_MESSAGE_TYPE_REGISTERED);
SAME(NVTX_PAYLOAD_UINT64, NVTX_PAYLOAD_TYPE_UNSIGNED_INT64);
SAME(NVTX_PAYLOAD_INT64, NVTX_PAYLOAD_TYPE_INT64);
SAME(NVTX_PAYLOAD_DOUBLE, NVTX_PAYLOAD_TYPE_DOUBLE);
SAME(NVTX_PAYLOAD_UINT32, NVTX_PAYLOAD_TYPE_UNSIGNED_INT32);
SAME(NVTX_PAYLOAD_INT32, NVTX_PAYLOAD_TYPE_INT32);
SAME(NVTX_PAYLOAD_FLOAT, NVTX_PAYLOAD_TYPE_FLOAT);
SAME(NVTX_RESOURCE_THREAD_NATIVE, NVTX_RESOURCE_TYPE_GENERIC_THREAD_NATIVE);
SAME(NVTX_RESOURCE_THREAD_POSIX, NVTX_RESOURCE_TYPE_GENERIC_THREAD_POSIX);
SAME(NVTX_NO_LEVELS, NVTX_NO_PUSH_POP_TRACKING);

SAME(sizeof(nvtx_event), sizeof(nvtxEventAttributes_t));
PLACE(nvtx_event, version, nvtxEventAttributes_t, version);
PLACE(nvtx_event, size, nvtxEventAttributes_t, size);
PLACE(nvtx_event, category, nvtxEventAttributes_t, category);
PLACE(nvtx_event, color_type, nvtxEventAttributes_t, colorType);
PLACE(nvtx_event, color, nvtxEventAttributes_t, color);
PLACE(nvtx_event, payload_type, nvtxEventAttributes_t, payloadType);
PLACE(nvtx_event, payload, nvtxEventAttributes_t, payload);
PLACE(nvtx_event, text_type, nvtxEventAttributes_t, messageType);
PLACE(nvtx_event, text, nvtxEventAttributes_t, message);

SAME(sizeof(nvtx_resource), sizeof(nvtxResourceAttributes_t));
PLACE(nvtx_resource, version, nvtxResourceAttributes_t, version);
PLACE(nvtx_resource, type, nvtxResourceAttributes_t, identifierType);
PLACE(nvtx_resource, identifier, nvtxResourceAttributes_t, identifier);
PLACE(nvtx_resource, text_type, nvtxResourceAttributes_t, messageType);
PLACE(nvtx_resource, text, nvtxResourceAttributes_t, message);

SAME(sizeof(nvtx_callbacks), sizeof(NvtxExportTableCallbacks));
PLACE(nvtx_callbacks, get_module, NvtxExportTableCallbacks, GetModuleFunctionTable);
SAME(sizeof(nvtx_version), sizeof(NvtxExportTableVersionInfo));
PLACE(nvtx_version, set_tool_version, NvtxExportTableVersionInfo, SetInjectionNvtxVersion);

int main(void) {
    puts("1..1\nok 1 - nvtx_abi.h and NVIDIA's headers agree");
    return 0;
}
