/* What the files of libjoulemeter-inject.so share. The library is loaded into programs of others:
 * it prints nothing, leaves errno as it was, takes no lock, keeps no signal, and where there is no
 * outer `joulemeter run` it does nothing at all.
 *
 * session.c   the outer session, joined once
 * table.c     things that have a handle (domains, registered strings), texts that are kept once
 * text.c      texts and attributes in UTF-8 and JSON
 * nvtx.c      what NVTX finds, and its tables of functions
 * ranges.c    push, pop, start, end, marks
 * names.c     domains, categories, registered strings, resources, threads
 * ties.c      ranges that are open, to which kernels are tied
 * cupti.c     what the CUDA driver finds: kernels by CUPTI, if they were asked for (kernels.h)
 * activity.c  buffers of CUPTI's records, and the ranges that become of them
 * demangle.c  names of kernels */
#ifndef INJECT_H
#define INJECT_H

#include "joulemeter.h"
#include "nvtx_abi.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- session.c ---- */

/* NULL: there is no outer session, and nothing is to be done. */
jm_session *inject_session(void);

/* ---- table.c ---- */

/* Append-only, without locks: what was put in is found by its number for ever, by any thread and
 * any fork. Numbers begin at 1, so that none is NULL as a handle. */
enum { INJECT_CHUNKS = 16, INJECT_FIRST_CHUNK = 64 };
typedef struct inject_table {
    _Atomic(_Atomic(void *) *) chunk[INJECT_CHUNKS]; /* each twice as large as the one before */
    _Atomic uint32_t count;
} inject_table;

/* 0: out of memory or full (4 million). */
uint32_t inject_table_add(inject_table *table, void *thing);
/* NULL: there is no such thing; any number is legal. */
void *inject_table_get(inject_table *table, uint64_t number);

/* Texts that are kept once, likewise; their numbers are those of a table of inject_name. */
enum { INJECT_BUCKETS = 1024 };
typedef struct inject_name {
    struct inject_name *next;
    uint32_t number;
    uint32_t hash;
    _Atomic(void *) thing; /* that has this name: a domain */
    char text[];
} inject_name;
typedef struct inject_names {
    inject_table table;
    _Atomic(inject_name *) bucket[INJECT_BUCKETS];
} inject_names;

/* NULL: out of memory. */
inject_name *inject_name_of(inject_names *names, const char *text);

/* ---- text.c ---- */

enum {
    INJECT_NAME_BYTES = 1024,      /* of a range's name, with its end */
    INJECT_LABEL_BYTES = 256,      /* of the name of a domain, category or thread */
    INJECT_ATTRIBUTES_BYTES = 2048 /* of a range's attributes */
};

/* The text of an event as UTF-8, NULL giving ""; `buffer` has INJECT_NAME_BYTES, and is used where
 * the text is not UTF-8 already. What is longer than a name can be may be cut. */
const char *inject_text(int type, nvtx_text text, char *buffer);
/* Wide characters as UTF-8; what is no character becomes U+FFFD. At most size - 1 bytes. Returns
 * their number. */
size_t inject_utf8(char *out, size_t size, const wchar_t *wide);
/* The text as it stands in JSON between quotes. At most size - 1 bytes, whole characters and whole
 * escapes. Returns their number. */
size_t inject_json_text(char *out, size_t size, const char *text);
/* A whole number, in at most 21 bytes. Returns its length. */
size_t inject_whole(char *out, uint64_t value, bool negative);
/* A payload as a JSON number; "" if it has none. Returns its length. */
size_t inject_payload(char *out, size_t size, const nvtx_event *event);

/* ---- names.c ---- */

typedef struct inject_category {
    struct inject_category *next;
    uint32_t id;
    _Atomic(const char *) name; /* as it stands in JSON */
} inject_category;

enum { INJECT_CATEGORY_BUCKETS = 16 };
typedef struct inject_domain {
    _Atomic(inject_category *) category[INJECT_CATEGORY_BUCKETS];
    uint32_t length;
    char attribute[]; /* "domain":"NAME"; "" for the default domain */
} inject_domain;

/* The domain of a handle; the default one for NULL and for what is no handle of ours. */
inject_domain *inject_domain_of(nvtx_handle handle);
/* A registered string; "" for what is no handle of ours. */
const char *inject_string_of(nvtx_handle handle);
/* A category's name as in JSON; NULL: it has none. */
const char *inject_category_name(inject_domain *domain, uint32_t id);

void inject_name_category(nvtx_handle domain, uint32_t id, const char *name);
void inject_name_category_wide(nvtx_handle domain, uint32_t id, const wchar_t *name);
nvtx_handle inject_domain_create(const char *name);
nvtx_handle inject_domain_create_wide(const wchar_t *name);
nvtx_handle inject_register_string(nvtx_handle domain, const char *text);
nvtx_handle inject_register_string_wide(nvtx_handle domain, const wchar_t *text);
void inject_name_thread(uint32_t tid, const char *name);
void inject_name_thread_wide(uint32_t tid, const wchar_t *name);
nvtx_handle inject_resource_create(nvtx_handle domain, const nvtx_resource *resource);
/* A device, context or stream of CUDA: a fact of the recording. */
void inject_name_object(const char *kind, uint64_t object, const char *name);
void inject_name_object_wide(const char *kind, uint64_t object, const wchar_t *name);

/* ---- ranges.c ---- */

/* Before the session is joined: keys that are made first are looked after first when a thread ends,
 * so that it still has its lane when its ranges do. */
void inject_watch_threads(void);

int inject_push(nvtx_handle domain, const nvtx_event *event);
int inject_push_ascii(const char *text);
int inject_push_wide(const wchar_t *text);
int inject_pop(nvtx_handle domain);
uint64_t inject_start(nvtx_handle domain, const nvtx_event *event);
uint64_t inject_start_ascii(const char *text);
uint64_t inject_start_wide(const wchar_t *text);
void inject_end(uint64_t range);
void inject_mark(nvtx_handle domain, const nvtx_event *event);
void inject_mark_ascii(const char *text);
void inject_mark_wide(const wchar_t *text);

#endif
