/* What other programs hand to libjoulemeter-inject.so: buffers of CUPTI's records, and texts that
 * become names and JSON. The first byte says which. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

/* ---- what the rest of the library would say ---- */

static uint64_t counts[CUPTI_COUNTERS];

jm_session *inject_session(void) {
    return NULL;
}

bool cupti_is_ours(void) {
    return true;
}

uint32_t cupti_version(void) {
    return 28;
}

bool cupti_correlates(void) {
    return true;
}

bool cupti_time(uint64_t time, int64_t *t_ns) {
    *t_ns = (int64_t)time;
    return *t_ns > 0;
}

void cupti_count(cupti_counter which, uint64_t more) {
    counts[which] += more;
}

/* As CUPTI walks a buffer, but that it may end within a record; pointers are as good as CUPTI's. */
bool cupti_next_record(uint8_t *buffer, size_t valid, cupti_record **record) {
    uint8_t *at = buffer;
    if (*record != NULL) at = (uint8_t *)*record + 8 * (1 + ((*record)->kind >> 8) % 32);
    if (at >= buffer + valid) return false;
    *record = (cupti_record *)(void *)at;
    if ((size_t)(buffer + valid - at) < sizeof **record) return true;
    (*record)->kind &= 0xffff;
    cupti_kernel *kernel = (void *)at;
    if (((*record)->kind & 0xff) == CUPTI_KERNEL &&
        (size_t)(buffer + valid - at) >= sizeof *kernel) {
        (*record)->kind = CUPTI_KERNEL | ((*record)->kind & 0xff00);
        kernel->name = kernel->stream % 3 == 0 ? NULL : kernel->stream % 3 == 1 ? "_Z1kv" : "k";
    }
    return true;
}

static void try_buffer(const uint8_t *data, size_t size) {
    uint8_t *buffer = aligned_alloc(8, (size + 7) / 8 * 8 + 8);
    if (buffer == NULL) return;
    memcpy(buffer, data, size);
    activity_take(buffer, size);
    activity_finish();
    free(buffer);
}

/* ---- texts ---- */

static void try_text(const uint8_t *data, size_t size) {
    char json[INJECT_LABEL_BYTES], name[INJECT_NAME_BYTES];
    char *text = malloc(size + 1);
    wchar_t *wide = calloc(size / sizeof *wide + 1, sizeof *wide);
    if (text != NULL && wide != NULL) {
        memcpy(text, data, size);
        text[size] = '\0';
        size_t length = inject_json_text(json, sizeof json, text);
        check(length < sizeof json && strlen(json) == length);
        for (size_t i = 0; i < length; i++) {
            check((unsigned char)json[i] >= ' ' && json[i] != '"');
            if (json[i] == '\\') i++; /* what is escaped is there */
            check(i < length);
        }
        memcpy(wide, data, size / sizeof *wide * sizeof *wide);
        length = inject_utf8(name, sizeof name, wide);
        check(length < sizeof name && strlen(name) == length);
    }
    free(text);
    free(wide);
}

static void try_payload(const uint8_t *data, size_t size) {
    nvtx_event event;
    char out[48];
    memset(&event, 0, sizeof event);
    memcpy(&event, data, size < sizeof event ? size : sizeof event);
    size_t length = inject_payload(out, sizeof out, &event);
    check(length < sizeof out && strlen(out) == length);
    check(strspn(out, "0123456789+-.enul") == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    switch (data[0] % 3) {
    case 0: try_buffer(data + 1, size - 1); break;
    case 1: try_text(data + 1, size - 1); break;
    default: try_payload(data + 1, size - 1); break;
    }
    return 0;
}
