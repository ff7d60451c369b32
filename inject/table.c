#include "inject.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

/* Chunk k holds INJECT_FIRST_CHUNK << k things. */
static bool place_of(uint64_t number, uint32_t *chunk, uint64_t *at) {
    if (number == 0 || number > UINT32_MAX) return false;
    uint64_t n = number - 1 + INJECT_FIRST_CHUNK;
    uint32_t k = 63 - (uint32_t)__builtin_clzll(n / INJECT_FIRST_CHUNK);
    if (k >= INJECT_CHUNKS) return false;
    *chunk = k;
    *at = n - ((uint64_t)INJECT_FIRST_CHUNK << k);
    return true;
}

static _Atomic(void *) *chunk_for_writing(inject_table *table, uint32_t k) {
    _Atomic(void *) *chunk = atomic_load_explicit(&table->chunk[k], memory_order_acquire);
    if (chunk != NULL) return chunk;
    _Atomic(void *) *fresh = calloc((size_t)INJECT_FIRST_CHUNK << k, sizeof *fresh);
    if (fresh == NULL) return NULL;
    if (atomic_compare_exchange_strong(&table->chunk[k], &chunk, fresh)) return fresh;
    free(fresh); /* another thread was first */
    return chunk;
}

uint32_t inject_table_add(inject_table *table, void *thing) {
    uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);
    for (;;) {
        uint32_t k;
        uint64_t at;
        if (!place_of((uint64_t)count + 1, &k, &at)) return 0;
        _Atomic(void *) *chunk = chunk_for_writing(table, k);
        if (chunk == NULL) return 0;
        if (!atomic_compare_exchange_weak(&table->count, &count, count + 1)) continue;
        atomic_store_explicit(&chunk[at], thing, memory_order_release);
        return count + 1;
    }
}

void *inject_table_get(inject_table *table, uint64_t number) {
    uint32_t k;
    uint64_t at;
    if (!place_of(number, &k, &at)) return NULL;
    _Atomic(void *) *chunk = atomic_load_explicit(&table->chunk[k], memory_order_acquire);
    return chunk != NULL ? atomic_load_explicit(&chunk[at], memory_order_acquire) : NULL;
}

/* ---- texts ---- */

static uint32_t hash_of(const char *text) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static inject_name *find(inject_name *name, uint32_t hash, const char *text) {
    for (; name != NULL; name = name->next)
        if (name->hash == hash && strcmp(name->text, text) == 0) return name;
    return NULL;
}

inject_name *inject_name_of(inject_names *names, const char *text) {
    uint32_t hash = hash_of(text);
    _Atomic(inject_name *) *bucket = &names->bucket[(hash ^ hash >> 16) % INJECT_BUCKETS];
    inject_name *first = atomic_load_explicit(bucket, memory_order_acquire);
    inject_name *known = find(first, hash, text);
    if (known != NULL) return known;
    size_t size = strlen(text) + 1;
    inject_name *fresh = malloc(sizeof *fresh + size);
    if (fresh == NULL) return NULL;
    memcpy(fresh->text, text, size);
    fresh->hash = hash;
    atomic_init(&fresh->thing, NULL);
    fresh->number = inject_table_add(&names->table, fresh);
    do {
        /* Where another thread was first, ours stays in the table: a number is never given twice.
         */
        known = find(first, hash, text);
        fresh->next = first;
    } while (known == NULL && !atomic_compare_exchange_weak(bucket, &first, fresh));
    return known != NULL ? known : fresh;
}
