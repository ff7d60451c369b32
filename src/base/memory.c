#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void jm_free(void *memory) {
    free(memory);
}

void *jmi_alloc(size_t count, size_t size) {
    return calloc(count != 0 ? count : 1, size);
}

char *jmi_strdup(const char *text) {
    return strdup(text != NULL ? text : "");
}

void jmi_use_large_pages(void *memory, size_t bytes) {
    const size_t worth = (size_t)8 << 20, page = 4096;
    uintptr_t begin = ((uintptr_t)memory + page - 1) & ~(uintptr_t)(page - 1);
    if (bytes < worth) return;
    size_t whole = (bytes - (size_t)(begin - (uintptr_t)memory)) & ~(page - 1);
    madvise((void *)begin, whole,
            MADV_HUGEPAGE); /* a hint: where it is not taken nothing changes */
}

bool jmi_reserve(void *array, size_t *capacity, size_t needed, size_t size) {
    if (needed <= *capacity) return true;
    size_t grown = *capacity + *capacity / 2;
    if (grown < needed) grown = needed;
    if (grown < 8) grown = 8;
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes)) return false;
    void *old;
    memcpy(&old, array, sizeof old);
    void *moved = realloc(old, bytes);
    if (moved == NULL) return false;
    memcpy(array, &moved, sizeof moved);
    *capacity = grown;
    return true;
}

/* Strings kept once: open addressing over pointers into blocks that never move. */

struct jmi_intern {
    char **slots;
    size_t slot_count; /* a power of two */
    size_t used;
    char **blocks;
    size_t block_count, block_capacity;
    size_t room; /* left in the last block */
    char *next;
    size_t bytes;
};

enum { BLOCK_BYTES = 16384 };

/* Each kept string is preceded by its length, so that bytes with NUL inside stay distinct. */
static size_t length_of(const char *kept) {
    size_t length;
    memcpy(&length, kept - sizeof length, sizeof length);
    return length;
}

static uint64_t hash_of(const char *bytes, size_t length) {
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return hash ^ (hash >> 29);
}

jmi_intern *jmi_intern_new(void) {
    jmi_intern *intern = jmi_alloc(1, sizeof *intern);
    if (intern == NULL) return NULL;
    intern->slot_count = 64;
    intern->slots = jmi_alloc(intern->slot_count, sizeof *intern->slots);
    if (intern->slots == NULL) {
        free(intern);
        return NULL;
    }
    return intern;
}

static char *place_for(jmi_intern *intern, size_t length) {
    size_t need = (sizeof length + length + 1 + 7) & ~(size_t)7;
    if (need > intern->room) {
        size_t block = need > BLOCK_BYTES / 4 ? need : BLOCK_BYTES;
        if (!jmi_reserve(&intern->blocks, &intern->block_capacity, intern->block_count + 1,
                         sizeof *intern->blocks))
            return NULL;
        char *fresh = malloc(block);
        if (fresh == NULL) return NULL;
        intern->blocks[intern->block_count++] = fresh;
        intern->bytes += block;
        if (block != BLOCK_BYTES) return fresh; /* its own block, the current one goes on */
        intern->next = fresh;
        intern->room = block;
    }
    char *place = intern->next;
    intern->next += need;
    intern->room -= need;
    return place;
}

static void put(char **slots, size_t slot_count, char *kept) {
    size_t i = hash_of(kept, length_of(kept)) & (slot_count - 1);
    while (slots[i] != NULL) i = (i + 1) & (slot_count - 1);
    slots[i] = kept;
}

static bool grow(jmi_intern *intern) {
    size_t count = intern->slot_count * 2;
    char **slots = jmi_alloc(count, sizeof *slots);
    if (slots == NULL) return false;
    for (size_t i = 0; i < intern->slot_count; i++)
        if (intern->slots[i] != NULL) put(slots, count, intern->slots[i]);
    free(intern->slots);
    intern->slots = slots;
    intern->slot_count = count;
    return true;
}

const char *jmi_intern_text(jmi_intern *intern, const char *bytes, size_t length) {
    size_t i = hash_of(bytes, length) & (intern->slot_count - 1);
    for (; intern->slots[i] != NULL; i = (i + 1) & (intern->slot_count - 1))
        if (length_of(intern->slots[i]) == length &&
            (length == 0 || memcmp(intern->slots[i], bytes, length) == 0))
            return intern->slots[i];
    if (intern->used * 2 >= intern->slot_count && !grow(intern)) return NULL;
    char *place = place_for(intern, length);
    if (place == NULL) return NULL;
    memcpy(place, &length, sizeof length);
    char *kept = place + sizeof length;
    if (length > 0) memcpy(kept, bytes, length);
    kept[length] = '\0';
    put(intern->slots, intern->slot_count, kept);
    intern->used++;
    return kept;
}

size_t jmi_intern_bytes(const jmi_intern *intern) {
    return intern->bytes + intern->slot_count * sizeof *intern->slots;
}

void jmi_intern_free(jmi_intern *intern) {
    if (intern == NULL) return;
    for (size_t i = 0; i < intern->block_count; i++) free(intern->blocks[i]);
    free(intern->blocks);
    free(intern->slots);
    free(intern);
}
