/* What is called in the middle of the measured program's work: one range begins, one ends. */
#include "inject.h"
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what a thread has open ---- */

enum { FIRST_LEVELS = 64, MOST_LEVELS = 1 << 20 };

/* Pushes and pops of one domain. Levels beyond `capacity` are counted, so that each pop finds its
 * push, and not recorded. */
typedef struct levels {
    const inject_domain *domain;
    jm_range_id *range;
    uint32_t depth, capacity;
} levels;

typedef struct thread {
    /* A signal handler may push while the thread it stopped is in the middle of a push: what it
     * says is left out, for the thread's messages would be mixed up. */
    volatile bool busy;
    bool ends; /* we are told when the thread ends */
    levels *list;
    uint32_t count, last; /* last: that was used */
} thread;

static __thread thread self;
static pthread_key_t at_end;
static bool at_end_made;
static _Atomic uint64_t lost; /* by this process */
static _Atomic pid_t loser;

/* ---- coming and going ---- */

static void tell(jm_session *session, uint64_t count) {
    char key[64], text[32];
    snprintf(key, sizeof key, "nvtx ranges lost, process %d", (int)getpid());
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    jm_session_set_info(session, key, text);
}

/* A fork has lost none yet. */
static uint64_t count_lost(void) {
    pid_t self_pid = getpid();
    if (atomic_exchange_explicit(&loser, self_pid, memory_order_relaxed) != self_pid)
        atomic_store_explicit(&lost, 0, memory_order_relaxed);
    return atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed) + 1;
}

/* Told at powers of two: a fact of the recording is set, not added to. */
static void lose(jm_session *session) {
    uint64_t count = count_lost();
    if ((count & (count - 1)) == 0) tell(session, count);
}

/* The process ends by itself. */
__attribute__((destructor)) static void tell_at_end(void) {
    uint64_t count = atomic_load_explicit(&lost, memory_order_relaxed);
    if (count > 0 && atomic_load_explicit(&loser, memory_order_relaxed) == getpid())
        tell(inject_session(), count);
}

typedef struct call {
    jm_session *session;
    thread *thread;
    int before; /* errno */
} call;

/* False: nothing is to be done. */
static inline bool enter(call *c) {
    c->session = inject_session();
    if (c->session == NULL) return false;
    c->thread = &self;
    if (__builtin_expect(c->thread->busy, 0)) return false;
    c->before = errno;
    c->thread->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

/* Likewise, of a call that would have begun something. */
static inline bool enter_to_begin(call *c) {
    if (enter(c)) return true;
    if (c->session != NULL) count_lost();
    return false;
}

static inline void leave(const call *c) {
    atomic_signal_fence(memory_order_seq_cst);
    c->thread->busy = false;
    errno = c->before;
}

/* The thread is gone and nobody can pop what it pushed: it ends here, innermost first. */
static void thread_ends(void *value) {
    static const char why[] = "{\"ended_by\":\"end of thread\"}";
    thread *t = value;
    jm_session *session = inject_session();
    for (uint32_t i = 0; i < t->count; i++) {
        levels *l = &t->list[i];
        uint32_t known = l->depth < l->capacity ? l->depth : l->capacity;
        while (known > 0) jm_end_with(session, l->range[--known], why);
        free(l->range);
    }
    free(t->list);
    *t = (thread){.busy = false};
}

void inject_watch_threads(void) {
    at_end_made = pthread_key_create(&at_end, thread_ends) == 0;
}

static void watch_end(thread *t) {
    t->ends = true;
    if (at_end_made) pthread_setspecific(at_end, t);
}

static levels *find_levels(thread *t, const inject_domain *domain) {
    if (__builtin_expect(t->last < t->count && t->list[t->last].domain == domain, 1))
        return &t->list[t->last];
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->list[i].domain != domain) continue;
        t->last = i;
        return &t->list[i];
    }
    return NULL;
}

static levels *new_levels(thread *t, const inject_domain *domain) {
    levels *wider = realloc(t->list, (t->count + 1) * sizeof *wider);
    if (wider == NULL) return NULL;
    t->list = wider;
    t->last = t->count++;
    wider[t->last] = (levels){.domain = domain};
    if (!t->ends) watch_end(t);
    return &wider[t->last];
}

static bool make_room(levels *l) {
    uint32_t capacity = l->capacity > 0 ? 2 * l->capacity : FIRST_LEVELS;
    if (capacity > MOST_LEVELS || l->depth > l->capacity) return false;
    jm_range_id *wider = realloc(l->range, capacity * sizeof *wider);
    if (wider == NULL) return false;
    l->range = wider;
    l->capacity = capacity;
    return true;
}

/* ---- events ---- */

/* What an event says, whatever the version of its struct. */
typedef struct said {
    inject_domain *domain;
    const char *name;
    const char *attributes; /* NULL: none */
    char text[INJECT_NAME_BYTES];
    char json[INJECT_ATTRIBUTES_BYTES];
} said;

static const char unnamed[] = "(unnamed)";

/* A struct that is shorter than ours lacks its last fields; one of an unknown version tells nothing
 * but that something happened. */
static const nvtx_event *understand(nvtx_event *ours, const nvtx_event *theirs) {
    if (__builtin_expect(theirs != NULL && theirs->size >= sizeof *ours &&
                             theirs->version >= NVTX_ABI_OLDEST &&
                             theirs->version <= NVTX_ABI_VERSION,
                         1))
        return theirs;
    memset(ours, 0, sizeof *ours);
    if (theirs == NULL || theirs->version < NVTX_ABI_OLDEST || theirs->version > NVTX_ABI_VERSION)
        return ours;
    size_t size = theirs->size;
    if (size < offsetof(nvtx_event, category)) return ours;
    memcpy(ours, theirs, size < sizeof *ours ? size : sizeof *ours);
    if (size < offsetof(nvtx_event, payload) + sizeof ours->payload) ours->payload_type = 0;
    if (size < sizeof *ours) ours->text_type = 0;
    return ours;
}

static size_t copy(char *out, const char *text, size_t length) {
    memcpy(out, text, length);
    return length;
}

/* {"domain":"D","category":"C","payload":1}. Domain and category are at most INJECT_LABEL_BYTES. */
static const char *attributes_of(said *s, const nvtx_event *event) {
    static const char category[] = "\"category\":", payload[] = "\"payload\":";
    if (s->domain->length == 0 && event->category == 0 && event->payload_type == 0) return NULL;
    char *out = s->json;
    size_t at = copy(out, "{", 1);
    at += copy(out + at, s->domain->attribute, s->domain->length);
    if (event->category != 0) {
        const char *name = inject_category_name(s->domain, event->category);
        if (at > 1) out[at++] = ',';
        at += copy(out + at, category, sizeof category - 1);
        if (name != NULL) {
            out[at++] = '"';
            at += copy(out + at, name, strlen(name));
            out[at++] = '"';
        } else {
            at += inject_whole(out + at, event->category, false);
        }
    }
    char number[48];
    size_t length = inject_payload(number, sizeof number, event);
    if (length > 0) {
        if (at > 1) out[at++] = ',';
        at += copy(out + at, payload, sizeof payload - 1);
        at += copy(out + at, number, length);
    }
    copy(out + at, "}", 2);
    return at > 1 ? out : NULL;
}

static void take_event(said *s, nvtx_handle domain, const nvtx_event *theirs) {
    nvtx_event ours;
    const nvtx_event *event = understand(&ours, theirs);
    s->domain = inject_domain_of(domain);
    s->name = inject_text(event->text_type, event->text, s->text);
    if (s->name[0] == '\0') s->name = unnamed;
    s->attributes = attributes_of(s, event);
}

static void take_text(said *s, int type, nvtx_text text) {
    s->domain = inject_domain_of(NULL);
    s->name = inject_text(type, text, s->text);
    if (s->name[0] == '\0') s->name = unnamed;
    s->attributes = NULL;
}

/* ---- push and pop ---- */

/* Work that is launched from here on belongs to this range. */
static inline void begin_level(const call *c, const said *s, jm_range_id *range) {
    *range = jm_begin_as(c->session, JM_CATEGORY_NVTX, s->name, s->attributes);
    if (ties_wanted) ties_begin(*range);
}

static inline void end_level(const call *c, jm_range_id range) {
    if (ties_wanted) ties_end(range);
    jm_end(c->session, range);
}

static inline int push(const call *c, const said *s) {
    levels *l = find_levels(c->thread, s->domain);
    if (l == NULL) l = new_levels(c->thread, s->domain);
    if (l == NULL) {
        lose(c->session);
        return NVTX_WRONG;
    }
    if (l->depth < l->capacity || make_room(l))
        begin_level(c, s, &l->range[l->depth]);
    else
        lose(c->session);
    return (int)l->depth++;
}

static inline int pop(const call *c, const inject_domain *domain) {
    levels *l = find_levels(c->thread, domain);
    if (l == NULL || l->depth == 0) return NVTX_WRONG;
    if (--l->depth < l->capacity) end_level(c, l->range[l->depth]);
    return (int)l->depth;
}

int inject_push(nvtx_handle domain, const nvtx_event *event) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return NVTX_NO_LEVELS;
    take_event(&s, domain, event);
    int level = push(&c, &s);
    leave(&c);
    return level;
}

int inject_push_ascii(const char *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return NVTX_NO_LEVELS;
    take_text(&s, NVTX_TEXT_ASCII, (nvtx_text){.ascii = text});
    int level = push(&c, &s);
    leave(&c);
    return level;
}

int inject_push_wide(const wchar_t *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return NVTX_NO_LEVELS;
    take_text(&s, NVTX_TEXT_WIDE, (nvtx_text){.wide = text});
    int level = push(&c, &s);
    leave(&c);
    return level;
}

int inject_pop(nvtx_handle domain) {
    call c;
    if (!enter(&c)) return NVTX_NO_LEVELS;
    int level = pop(&c, inject_domain_of(domain));
    leave(&c);
    return level;
}

/* ---- start and end ---- */

/* The number that NVTX hands out is the recording's own: any thread may end it, and nothing has to
 * be looked up. One that was not recorded is 0, which jm_end takes. */
static uint64_t start(const call *c, const said *s) {
    return jm_begin_as(c->session, JM_CATEGORY_NVTX, s->name, s->attributes);
}

uint64_t inject_start(nvtx_handle domain, const nvtx_event *event) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return 0;
    take_event(&s, domain, event);
    uint64_t range = start(&c, &s);
    leave(&c);
    return range;
}

uint64_t inject_start_ascii(const char *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return 0;
    take_text(&s, NVTX_TEXT_ASCII, (nvtx_text){.ascii = text});
    uint64_t range = start(&c, &s);
    leave(&c);
    return range;
}

uint64_t inject_start_wide(const wchar_t *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return 0;
    take_text(&s, NVTX_TEXT_WIDE, (nvtx_text){.wide = text});
    uint64_t range = start(&c, &s);
    leave(&c);
    return range;
}

void inject_end(uint64_t range) {
    call c;
    if (!enter(&c)) return;
    jm_end(c.session, range);
    leave(&c);
}

/* ---- marks ---- */

void inject_mark(nvtx_handle domain, const nvtx_event *event) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return;
    take_event(&s, domain, event);
    jm_mark(c.session, s.name, s.attributes);
    leave(&c);
}

void inject_mark_ascii(const char *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return;
    take_text(&s, NVTX_TEXT_ASCII, (nvtx_text){.ascii = text});
    jm_mark(c.session, s.name, NULL);
    leave(&c);
}

void inject_mark_wide(const wchar_t *text) {
    call c;
    said s;
    if (!enter_to_begin(&c)) return;
    take_text(&s, NVTX_TEXT_WIDE, (nvtx_text){.wide = text});
    jm_mark(c.session, s.name, NULL);
    leave(&c);
}
