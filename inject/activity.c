/* Buffers that CUPTI fills with records of what GPUs did, and the ranges that become of them. */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- buffers ---- */

enum {
    BUFFER_BYTES = 4 << 20,
    BUFFERS = 16 /* what is not touched takes no memory */
};

static uint8_t *pool;
static _Atomic uint32_t free_buffers = (1u << BUFFERS) - 1; /* a bit for each */

bool activity_prepare(void) {
    void *memory = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    pool = memory;
    return true;
}

/* In the path of a launch: nothing is allocated. Without a buffer CUPTI drops records, and counts
 * them. */
void activity_requested(uint8_t **buffer, size_t *size, size_t *most_records) {
    *buffer = NULL;
    *size = 0;
    *most_records = 0;
    if (!cupti_is_ours()) return;
    uint32_t free_ones = atomic_load_explicit(&free_buffers, memory_order_relaxed);
    while (free_ones != 0) {
        uint32_t one = free_ones & (0 - free_ones);
        if (!atomic_compare_exchange_weak(&free_buffers, &free_ones, free_ones & ~one)) continue;
        *buffer = pool + (size_t)__builtin_ctz(one) * BUFFER_BYTES;
        *size = BUFFER_BYTES;
        return;
    }
}

uint32_t activity_outstanding(void) {
    return (uint32_t)(BUFFERS - __builtin_popcount(atomic_load(&free_buffers)));
}

static void give_back(const uint8_t *buffer) {
    size_t at = (size_t)(buffer - pool);
    if (buffer < pool || at >= (size_t)BUFFERS * BUFFER_BYTES || at % BUFFER_BYTES != 0) return;
    atomic_fetch_or(&free_buffers, 1u << at / BUFFER_BYTES);
}

/* ---- devices ---- */

enum { DEVICES = 64 };
static char uuids[DEVICES][48]; /* "": not known */

static void take_device(const cupti_device *record) {
    char *out;
    if (record->id >= DEVICES) return;
    out = uuids[record->id];
    int at = snprintf(out, sizeof uuids[0], "GPU-");
    for (int i = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        at += snprintf(out + at, sizeof uuids[0] - (size_t)at, "%s%02x", dash, record->uuid[i]);
    }
}

/* ---- when, and in which range, a thing was launched ---- */

enum { CORRELATIONS = 1 << 18 }; /* CUPTI numbers calls in turn: older ones give way */
typedef struct correlation {
    uint32_t call;
    uint64_t range; /* 0: none */
    uint64_t begin; /* of the call; 0: not known */
} correlation;
static correlation *correlations;
static int64_t early_ns;

/* NULL: out of memory. */
static correlation *correlation_of(uint32_t call) {
    if (correlations == NULL) correlations = calloc(CORRELATIONS, sizeof *correlations);
    if (correlations == NULL) return NULL;
    correlation *c = &correlations[call % CORRELATIONS];
    if (c->call != call) *c = (correlation){.call = call};
    return c;
}

static void take_external(const cupti_external *record) {
    correlation *c =
        record->external_kind == CUPTI_OF_OURS ? correlation_of(record->correlation) : NULL;
    if (c != NULL) c->range = record->external;
}

/* The runtime's call is around the driver's, and begins first. */
static void take_call(const cupti_call *record) {
    correlation *c = record->start != 0 ? correlation_of(record->correlation) : NULL;
    if (c != NULL && (c->begin == 0 || record->start < c->begin)) c->begin = record->start;
}

static bool range_of(uint32_t call, jm_range_id *range) {
    const correlation *c = correlations != NULL ? &correlations[call % CORRELATIONS] : NULL;
    if (c == NULL || c->call != call || c->range == 0) return false;
    *range = c->range;
    return true;
}

/* Nothing begins before it is launched, but by clocks that do not agree. */
static void compare_clocks(uint32_t call, uint64_t start) {
    const correlation *c = correlations != NULL ? &correlations[call % CORRELATIONS] : NULL;
    if (c == NULL || c->call != call || c->begin <= start) return;
    uint64_t early = c->begin - start;
    if (early < INT64_MAX && (int64_t)early > early_ns) early_ns = (int64_t)early;
}

int64_t activity_early_ns(void) {
    return early_ns;
}

/* ---- from record to range ---- */

/* What a record says, to wait for the record of the call that launched it. */
typedef struct thing {
    uint64_t start, end;
    const char *name; /* kept for ever */
    uint32_t device, stream, call;
    char attributes[160];
} thing;

enum { WAITING = 32768 }; /* more than a buffer holds */
static thing *waiting;
static size_t waiting_count;

static void send(const thing *t) {
    jm_range range = JM_RANGE_INIT;
    jm_range_id parent = JM_NO_PARENT;
    int64_t begin, end;
    if (t->start == 0 || t->end == 0 || t->end < t->start || !cupti_time(t->start, &begin) ||
        !cupti_time(t->end, &end)) {
        cupti_count(CUPTI_WITHOUT_TIME, 1);
        return;
    }
    compare_clocks(t->call, t->start);
    range_of(t->call, &parent);
    range.begin_ns = begin;
    range.end_ns = end;
    range.parent = parent != 0 ? parent : JM_NO_PARENT;
    range.category = JM_CATEGORY_KERNEL;
    range.name = t->name;
    range.attributes = t->attributes;
    range.device = t->device < DEVICES ? uuids[t->device] : "";
    range.stream = t->stream;
    cupti_count(jm_range_add(inject_session(), &range) != 0 ? CUPTI_TAKEN_DOWN : CUPTI_NOT_TAKEN,
                1);
}

/* Those that waited since the buffer before: what is still not known comes no more. */
static void send_waiting(void) {
    for (size_t i = 0; i < waiting_count; i++) send(&waiting[i]);
    waiting_count = 0;
}

static void take(const thing *t) {
    jm_range_id range;
    bool knows = !cupti_correlates() || range_of(t->call, &range);
    bool has_device = t->device >= DEVICES || uuids[t->device][0] != '\0';
    if (knows && has_device) {
        send(t);
        return;
    }
    if (waiting == NULL) waiting = malloc(WAITING * sizeof *waiting);
    if (waiting == NULL || waiting_count == WAITING)
        send(t);
    else
        waiting[waiting_count++] = *t;
}

static size_t add_graph(const cupti_kernel *k, char *out, size_t size) {
    if (cupti_version() < CUPTI_SINCE_GRAPHS || k->graph == 0) return 0;
    return (size_t)snprintf(out, size, ",\"graph\":%u,\"node\":%llu", k->graph,
                            (unsigned long long)k->graph_node);
}

static void take_kernel(const cupti_kernel *k) {
    thing t = {k->start, k->end, "(unnamed kernel)", k->device, k->stream, k->correlation, ""};
    if (k->name != NULL && k->name[0] != '\0') t.name = inject_demangled(k->name);
    size_t at = (size_t)snprintf(t.attributes, sizeof t.attributes,
                                 "{\"grid\":[%d,%d,%d],\"block\":[%d,%d,%d]", k->grid[0],
                                 k->grid[1], k->grid[2], k->block[0], k->block[1], k->block[2]);
    at += add_graph(k, t.attributes + at, sizeof t.attributes - at);
    snprintf(t.attributes + at, sizeof t.attributes - at, "}");
    take(&t);
}

static const char *copy_name(uint8_t kind) {
    static const char *const names[] = {"[memcpy]",      "[memcpy HtoD]", "[memcpy DtoH]",
                                        "[memcpy HtoA]", "[memcpy AtoH]", "[memcpy AtoA]",
                                        "[memcpy AtoD]", "[memcpy DtoA]", "[memcpy DtoD]",
                                        "[memcpy HtoH]", "[memcpy PtoP]"};
    return names[kind < sizeof names / sizeof *names ? kind : 0];
}

static void take_bytes(thing *t, uint64_t bytes) {
    snprintf(t->attributes, sizeof t->attributes, "{\"bytes\":%llu}", (unsigned long long)bytes);
    take(t);
}

static void take_memcpy(const cupti_memcpy *m) {
    thing t = {m->start, m->end, copy_name(m->copy_kind), m->device, m->stream, m->correlation, ""};
    take_bytes(&t, m->bytes);
}

static void take_memcpy_peer(const cupti_memcpy_peer *m) {
    thing t = {m->start, m->end, copy_name(m->copy_kind), m->device, m->stream, m->correlation, ""};
    take_bytes(&t, m->bytes);
}

static void take_memset(const cupti_memset *m) {
    thing t = {m->start, m->end, "[memset]", m->device, m->stream, m->correlation, ""};
    take_bytes(&t, m->bytes);
}

static void take_graph(const cupti_graph *g) {
    thing t = {g->start, g->end, "[graph]", g->device, g->stream, g->correlation, ""};
    snprintf(t.attributes, sizeof t.attributes, "{\"graph\":%u}", g->graph);
    take(&t);
}

/* ---- records ---- */

/* Bytes of a record that are looked at; 0: none is. */
static size_t bytes_of(uint32_t kind) {
    switch (kind) {
    case CUPTI_KERNEL:
        return cupti_version() < CUPTI_SINCE_GRAPHS ? offsetof(cupti_kernel, graph_node)
                                                    : sizeof(cupti_kernel);
    case CUPTI_MEMCPY: return sizeof(cupti_memcpy);
    case CUPTI_MEMCPY_PEER: return sizeof(cupti_memcpy_peer);
    case CUPTI_MEMSET: return sizeof(cupti_memset);
    case CUPTI_GRAPH: return sizeof(cupti_graph);
    case CUPTI_EXTERNAL: return sizeof(cupti_external);
    case CUPTI_DRIVER:
    case CUPTI_RUNTIME: return sizeof(cupti_call);
    case CUPTI_DEVICE: return sizeof(cupti_device);
    default: return 0;
    }
}

/* What others refer to comes first, in whatever order it lies in the buffer. */
static void take_reference(const cupti_record *record) {
    if (record->kind == CUPTI_EXTERNAL) take_external((const cupti_external *)(const void *)record);
    if (record->kind == CUPTI_DEVICE) take_device((const cupti_device *)(const void *)record);
    if (record->kind == CUPTI_RUNTIME || record->kind == CUPTI_DRIVER)
        take_call((const cupti_call *)(const void *)record);
}

static void take_work(const cupti_record *record) {
    const void *any = record;
    switch (record->kind) {
    case CUPTI_KERNEL: take_kernel(any); break;
    case CUPTI_MEMCPY: take_memcpy(any); break;
    case CUPTI_MEMCPY_PEER: take_memcpy_peer(any); break;
    case CUPTI_MEMSET: take_memset(any); break;
    case CUPTI_GRAPH: take_graph(any); break;
    default: break; /* calls, and what later versions have */
    }
}

static void walk(uint8_t *buffer, size_t valid, void (*take_record)(const cupti_record *),
                 bool counts) {
    cupti_record *record = NULL;
    while (cupti_next_record(buffer, valid, &record)) {
        const uint8_t *at = (const uint8_t *)record;
        if (at < buffer || at > buffer + valid || sizeof *record > (size_t)(buffer + valid - at)) {
            if (counts) cupti_count(CUPTI_CUT_OFF, 1);
            return;
        }
        if (bytes_of(record->kind) <= (size_t)(buffer + valid - at))
            take_record(record);
        else if (counts)
            cupti_count(CUPTI_CUT_OFF, 1);
    }
}

void activity_take(uint8_t *buffer, size_t valid) {
    walk(buffer, valid, take_reference, true);
    send_waiting();
    walk(buffer, valid, take_work, false);
}

void activity_finish(void) {
    send_waiting();
}

void activity_release(const uint8_t *buffer) {
    give_back(buffer);
}
