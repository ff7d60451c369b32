#include "report/dictionary.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_KEPT = JMI_BATCH_ROWS };

struct jmi_dictionary {
    uint32_t count;
    int32_t *ends; /* count + 1 */
    size_t ends_capacity;
    char *text;
    size_t text_capacity;
    uint32_t *slots; /* number + 1 by the hash of the text; 0: empty */
    size_t slot_count;
    jmi_names *names; /* of the last time; NULL: none since the last text came */
};

jmi_dictionary *jmi_dictionary_new(void) {
    return jmi_alloc(1, sizeof(jmi_dictionary));
}

static void empty(jmi_dictionary *d) {
    free(d->ends);
    free(d->text);
    free(d->slots);
    jmi_names_unref(d->names);
    *d = (jmi_dictionary){0};
}

void jmi_dictionary_free(jmi_dictionary *dictionary) {
    if (dictionary == NULL) return;
    empty(dictionary);
    free(dictionary);
}

void jmi_dictionary_trim(jmi_dictionary *dictionary) {
    if (dictionary->count > MOST_KEPT) empty(dictionary);
}

static bool is(const jmi_dictionary *d, uint32_t number, const char *text, size_t length) {
    size_t begin = (size_t)d->ends[number], end = (size_t)d->ends[number + 1];
    return end - begin == length && memcmp(d->text + begin, text, length) == 0;
}

static uint32_t *find(const jmi_dictionary *d, const char *text, size_t length) {
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    size_t slot = (size_t)(hash ^ hash >> 32) & (d->slot_count - 1);
    while (d->slots[slot] != 0 && !is(d, d->slots[slot] - 1, text, length))
        slot = (slot + 1) & (d->slot_count - 1);
    return &d->slots[slot];
}

static bool make_room(jmi_dictionary *d) {
    if (d->slot_count > 2 * ((size_t)d->count + 1)) return true;
    size_t larger = d->slot_count == 0 ? 64 : 4 * d->slot_count;
    uint32_t *slots = jmi_alloc(larger, sizeof *slots);
    if (slots == NULL) return false;
    free(d->slots);
    d->slots = slots;
    d->slot_count = larger;
    for (uint32_t i = 0; i < d->count; i++) {
        size_t begin = (size_t)d->ends[i];
        *find(d, d->text + begin, (size_t)d->ends[i + 1] - begin) = i + 1;
    }
    return true;
}

int32_t jmi_dictionary_number(jmi_dictionary *d, const char *text) {
    size_t length = strlen(text), used = d->count > 0 ? (size_t)d->ends[d->count] : 0;
    if (!make_room(d)) return -1;
    uint32_t *slot = find(d, text, length);
    if (*slot != 0) return (int32_t)(*slot - 1);
    if (used + length > INT32_MAX ||
        !jmi_reserve(&d->ends, &d->ends_capacity, (size_t)d->count + 2, sizeof *d->ends) ||
        !jmi_reserve(&d->text, &d->text_capacity, used + length + 1, 1))
        return -1;
    d->ends[0] = 0;
    memcpy(d->text + used, text, length);
    d->ends[++d->count] = (int32_t)(used + length);
    *slot = d->count;
    jmi_names_unref(d->names);
    d->names = NULL;
    return (int32_t)d->count - 1;
}

jmi_names *jmi_dictionary_names(jmi_dictionary *d) {
    if (d->names == NULL) {
        size_t used = d->count > 0 ? (size_t)d->ends[d->count] : 0;
        jmi_names *names = jmi_alloc(1, sizeof *names);
        if (names == NULL) return NULL;
        atomic_init(&names->refs, 1);
        names->count = d->count;
        names->ends = jmi_alloc((size_t)d->count + 1, sizeof *names->ends);
        names->text = jmi_alloc(used + 1, 1);
        if (names->ends == NULL || names->text == NULL) {
            jmi_names_unref(names);
            return NULL;
        }
        if (d->count > 0) {
            memcpy(names->ends, d->ends, ((size_t)d->count + 1) * sizeof *names->ends);
            memcpy(names->text, d->text, used);
        }
        d->names = names;
    }
    atomic_fetch_add_explicit(&d->names->refs, 1, memory_order_relaxed);
    return d->names;
}

void jmi_names_unref(jmi_names *names) {
    if (names == NULL) return;
    if (atomic_fetch_sub_explicit(&names->refs, 1, memory_order_acq_rel) != 1) return;
    free(names->ends);
    free(names->text);
    free(names);
}
