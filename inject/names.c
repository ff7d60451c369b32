#include "inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inject_names strings; /* that were registered */
static inject_names domains; /* their names as they stand in JSON */
static inject_names labels;  /* of categories, likewise: naming one again and again costs nothing */
static inject_domain default_domain;

/* ---- handles ---- */

static nvtx_handle handle_of(uint32_t number) {
    return (nvtx_handle)(uintptr_t)number;
}

inject_domain *inject_domain_of(nvtx_handle handle) {
    if (handle == NULL) return &default_domain;
    inject_name *name = inject_table_get(&domains.table, (uintptr_t)handle);
    void *domain = name != NULL ? atomic_load_explicit(&name->thing, memory_order_acquire) : NULL;
    return domain != NULL ? domain : &default_domain;
}

const char *inject_string_of(nvtx_handle handle) {
    const inject_name *name = inject_table_get(&strings.table, (uintptr_t)handle);
    return name != NULL ? name->text : "";
}

/* ---- registered strings ---- */

static nvtx_handle register_text(const char *text) {
    int before = errno;
    const inject_name *name = inject_name_of(&strings, text);
    errno = before;
    return name != NULL ? handle_of(name->number) : NULL;
}

/* What no name of a range can have need not be kept; a character may be cut, which is one more that
 * is not UTF-8. */
nvtx_handle inject_register_string(nvtx_handle domain, const char *text) {
    char copy[INJECT_NAME_BYTES];
    (void)domain; /* the same text is the same in all */
    if (text == NULL || inject_session() == NULL) return NULL;
    size_t length = strnlen(text, sizeof copy - 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return register_text(copy);
}

nvtx_handle inject_register_string_wide(nvtx_handle domain, const wchar_t *text) {
    char copy[INJECT_NAME_BYTES];
    (void)domain;
    if (text == NULL || inject_session() == NULL) return NULL;
    inject_utf8(copy, sizeof copy, text);
    return register_text(copy);
}

/* ---- domains ---- */

static inject_domain *make_domain(const char *json) {
    size_t size = strlen(json) + sizeof "\"domain\":\"\"";
    inject_domain *domain = calloc(1, sizeof *domain + size);
    if (domain == NULL) return NULL;
    domain->length = (uint32_t)snprintf(domain->attribute, size, "\"domain\":\"%s\"", json);
    return domain;
}

/* One name is one domain, however often it is created, and by however many libraries. */
static nvtx_handle create_domain(const char *name) {
    char json[INJECT_LABEL_BYTES];
    int before = errno;
    inject_json_text(json, sizeof json, name);
    inject_name *known = json[0] != '\0' ? inject_name_of(&domains, json) : NULL;
    if (known != NULL && atomic_load_explicit(&known->thing, memory_order_acquire) == NULL) {
        void *fresh = make_domain(json), *none = NULL;
        if (!atomic_compare_exchange_strong(&known->thing, &none, fresh)) free(fresh);
    }
    errno = before;
    return known != NULL ? handle_of(known->number) : NULL;
}

nvtx_handle inject_domain_create(const char *name) {
    return name != NULL && inject_session() != NULL ? create_domain(name) : NULL;
}

nvtx_handle inject_domain_create_wide(const wchar_t *name) {
    char copy[INJECT_LABEL_BYTES];
    if (name == NULL || inject_session() == NULL) return NULL;
    inject_utf8(copy, sizeof copy, name);
    return create_domain(copy);
}

/* ---- categories ---- */

static inject_category *find_category(inject_category *first, uint32_t id) {
    while (first != NULL && first->id != id) first = first->next;
    return first;
}

static inject_category *category_of(inject_domain *domain, uint32_t id) {
    _Atomic(inject_category *) *bucket = &domain->category[id % INJECT_CATEGORY_BUCKETS];
    inject_category *first = atomic_load_explicit(bucket, memory_order_acquire);
    inject_category *known = find_category(first, id);
    if (known != NULL) return known;
    inject_category *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) return NULL;
    fresh->id = id;
    do {
        known = find_category(first, id);
        fresh->next = first;
    } while (known == NULL && !atomic_compare_exchange_weak(bucket, &first, fresh));
    if (known == NULL) return fresh;
    free(fresh);
    return known;
}

const char *inject_category_name(inject_domain *domain, uint32_t id) {
    _Atomic(inject_category *) *bucket = &domain->category[id % INJECT_CATEGORY_BUCKETS];
    inject_category *known = find_category(atomic_load_explicit(bucket, memory_order_acquire), id);
    return known != NULL ? atomic_load_explicit(&known->name, memory_order_acquire) : NULL;
}

static void name_category(nvtx_handle handle, uint32_t id, const char *name) {
    char json[INJECT_LABEL_BYTES];
    int before = errno;
    inject_json_text(json, sizeof json, name);
    const inject_name *kept = inject_name_of(&labels, json);
    inject_category *category = category_of(inject_domain_of(handle), id);
    if (kept != NULL && category != NULL)
        atomic_store_explicit(&category->name, kept->text, memory_order_release);
    errno = before;
}

void inject_name_category(nvtx_handle domain, uint32_t id, const char *name) {
    if (name != NULL && inject_session() != NULL) name_category(domain, id, name);
}

void inject_name_category_wide(nvtx_handle domain, uint32_t id, const wchar_t *name) {
    char copy[INJECT_LABEL_BYTES];
    if (name == NULL || inject_session() == NULL) return;
    inject_utf8(copy, sizeof copy, name);
    name_category(domain, id, copy);
}

/* ---- threads and other things ---- */

void inject_name_thread(uint32_t tid, const char *name) {
    jm_session *session = inject_session();
    int before = errno;
    if (session != NULL && name != NULL) jm_session_name_thread(session, tid, name);
    errno = before;
}

void inject_name_thread_wide(uint32_t tid, const wchar_t *name) {
    char copy[INJECT_LABEL_BYTES];
    if (name == NULL) return;
    inject_utf8(copy, sizeof copy, name);
    inject_name_thread(tid, copy);
}

void inject_name_object(const char *kind, uint64_t object, const char *name) {
    char key[80];
    jm_session *session = inject_session();
    if (session == NULL || name == NULL) return;
    int before = errno;
    snprintf(key, sizeof key, "nvtx %s 0x%llx", kind, (unsigned long long)object);
    jm_session_set_info(session, key, name);
    errno = before;
}

void inject_name_object_wide(const char *kind, uint64_t object, const wchar_t *name) {
    char copy[INJECT_LABEL_BYTES];
    if (name == NULL) return;
    inject_utf8(copy, sizeof copy, name);
    inject_name_object(kind, object, copy);
}

/* Its handle is good for nothing but to be destroyed, which nothing needs. */
nvtx_handle inject_resource_create(nvtx_handle domain, const nvtx_resource *resource) {
    char buffer[INJECT_NAME_BYTES];
    (void)domain;
    if (resource == NULL || resource->size < sizeof *resource || inject_session() == NULL)
        return NULL;
    const char *name = inject_text(resource->text_type, resource->text, buffer);
    if (name[0] == '\0') return NULL;
    if (resource->type == NVTX_RESOURCE_THREAD_NATIVE)
        inject_name_thread((uint32_t)resource->identifier, name);
    else if (resource->type == NVTX_RESOURCE_THREAD_POSIX &&
             resource->identifier == (uint64_t)pthread_self())
        inject_name_thread(0, name);
    else
        inject_name_object("resource", resource->identifier, name);
    return handle_of(1);
}
