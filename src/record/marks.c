/* Beginning and ending ranges, and marks: the writers' side of the ring. This is all that runs on
 * the measured program's path: a clock reading and a store. */
#include "record/recording.h"
#include "record/ring.h"
#include "record/session.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct text {
    const char *bytes;
    uint32_t length;
} text;

static const char cut_attributes[] = "{\"cut\":true}";

/* A message's parts, in the order in which they follow each other. */
enum { PARTS = 4 };
typedef struct message {
    jmi_slot slot; /* without text */
    jmi_added added;
    text parts[PARTS];
    char tail[JMI_CUT_TAIL + 1]; /* of a name that is cut */
} message;

/* Copies bytes to position `at` of a message's text, over as many slots as it takes. */
static void put_text(const jmi_writer_lane *writer, uint32_t at, const char *bytes,
                     uint32_t length) {
    while (length > 0) {
        uint64_t slot = writer->head;
        uint32_t offset = (uint32_t)offsetof(jmi_slot, text) + at;
        slot += offset / JMI_SLOT_BYTES;
        offset %= JMI_SLOT_BYTES;
        uint32_t part = JMI_SLOT_BYTES - offset;
        if (part > length) part = length;
        memcpy((char *)&writer->slots[slot & (JMI_SLOTS - 1)] + offset, bytes, part);
        bytes += part;
        at += part;
        length -= part;
    }
}

/* jm_now_ns, without the calls. */
static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * JMI_NS_PER_S + now.tv_nsec;
}

static void count(_Atomic uint64_t *lost) {
    atomic_fetch_add_explicit(lost, 1, memory_order_relaxed);
}

/* The calling thread's lane, ready to be written. NULL: nothing is recorded. */
static inline jmi_writer_lane *writer_of(jm_session *session) {
    if (session == NULL) return NULL;
    jmi_ring *ring = session->ring;
    if (atomic_load_explicit(&ring->header->closed, memory_order_relaxed)) return NULL;
    jmi_writer_lane *writer = pthread_getspecific(ring->key);
    if (__builtin_expect(
            writer == NULL || writer->pid != jmi_ring_pid(ring) || writer->lane == NULL, 0)) {
        writer = jmi_ring_writer(ring);
        if (writer == NULL || writer->lane == NULL) {
            count(&ring->header->unseated);
            return NULL;
        }
    }
    return writer;
}

static inline bool room(jmi_writer_lane *writer, uint32_t need) {
    if (__builtin_expect(writer->head + need - writer->tail_seen <= JMI_SLOTS, 1)) return true;
    if (jmi_ring_wait(writer, need)) return true;
    count(&writer->ring->header->dropped);
    return false;
}

static inline void publish(jmi_writer_lane *writer, uint32_t need) {
    writer->head += need;
    atomic_store_explicit(&writer->lane->head, writer->head, memory_order_release);
    /* The collector's core had these lines last: asked for ahead, they are here when needed. */
    __builtin_prefetch(&writer->slots[(writer->head + 6) & (JMI_SLOTS - 1)], 1);
    if (__builtin_expect(writer->head - writer->tail_seen >= JMI_SLOTS / 2, 0))
        jmi_ring_half(writer);
}

static uint32_t set_name(message *m, text *parts, const char *name) {
    if (name == NULL) name = "";
    size_t length = strnlen(name, JMI_MAX_NAME + 1);
    parts[0] = (text){name, (uint32_t)length};
    parts[1] = (text){m->tail, 0};
    if (length > JMI_MAX_NAME) {
        jmi_cut_tail(name, m->tail);
        parts[0].length = (uint32_t)jmi_cut_length(name, JMI_MAX_NAME - JMI_CUT_TAIL);
        parts[1].length = JMI_CUT_TAIL;
    }
    m->slot.name_length = (uint16_t)(parts[0].length + parts[1].length);
    return m->slot.name_length;
}

/* Cut JSON would be none, so attributes that are too long are replaced as a whole. */
static uint32_t set_attributes(message *m, text *part, const char *attributes) {
    if (attributes == NULL) attributes = "";
    size_t length = strnlen(attributes, JMI_MAX_ATTRIBUTES + 1);
    *part = (text){attributes, (uint32_t)length};
    if (length > JMI_MAX_ATTRIBUTES) *part = (text){cut_attributes, sizeof cut_attributes - 1};
    m->slot.attributes_length = (uint16_t)part->length;
    return part->length;
}

/* Writes a message of any length; returns its id (0: dropped). */
static uint64_t send(jmi_writer_lane *writer, message *m, const char *name,
                     const char *attributes) {
    uint32_t length = 0;
    if (m->slot.kind == JMI_KIND_ADD) {
        m->parts[0] = (text){(const char *)&m->added, sizeof m->added};
        length = sizeof m->added;
    }
    length += set_name(m, &m->parts[1], name);
    length += set_attributes(m, &m->parts[3], attributes);
    uint32_t need = jmi_ring_need(length);
    if (!room(writer, need)) return 0;
    bool cut = m->parts[2].length != 0 || m->parts[3].bytes == cut_attributes;
    if (cut) count(&writer->ring->header->cut);
    if (m->slot.kind == JMI_KIND_BEGIN || m->slot.kind == JMI_KIND_ADD)
        m->slot.id = writer->id_base | ++writer->counter;
    memcpy(&writer->slots[writer->head & (JMI_SLOTS - 1)], &m->slot, offsetof(jmi_slot, text));
    uint32_t at = 0;
    for (int i = 0; i < PARTS; i++) {
        put_text(writer, at, m->parts[i].bytes, m->parts[i].length);
        at += m->parts[i].length;
    }
    publish(writer, need);
    return m->slot.kind == JMI_KIND_END ? 1 : m->slot.id;
}

static bool known(const jmi_writer_lane *writer, jm_category category) {
    if (jmi_category_valid((int)category)) return true;
    count(&writer->ring->header->wrong_category);
    return false;
}

/* UTC is the likely mistake. */
static bool in_time(const jmi_writer_lane *writer, const jm_range *range) {
    if (jmi_span_valid(range->begin_ns, range->end_ns, now_ns())) return true;
    count(&writer->ring->header->wrong_time);
    return false;
}

/* Ranges whose texts fit into one slot: nearly all. */
static inline uint64_t begin_short(jmi_writer_lane *writer, uint8_t category, const char *name,
                                   size_t length) {
    int64_t now = now_ns();
    if (!room(writer, 1)) return 0;
    jmi_slot *slot = &writer->slots[writer->head & (JMI_SLOTS - 1)];
    uint64_t id = writer->id_base | ++writer->counter;
    slot->t_ns = now;
    slot->id = id;
    slot->kind = JMI_KIND_BEGIN;
    slot->category = category;
    slot->name_length = (uint16_t)length;
    slot->attributes_length = 0;
    if (length > 0) memcpy(slot->text, name, length);
    publish(writer, 1);
    return id;
}

static inline uint64_t begin(jmi_writer_lane *writer, jm_category category, const char *name,
                             const char *attributes) {
    if (attributes == NULL || attributes[0] == '\0') {
        size_t length = name != NULL ? strnlen(name, JMI_SLOT_TEXT + 1) : 0;
        if (length <= JMI_SLOT_TEXT) return begin_short(writer, (uint8_t)category, name, length);
    }
    message m = {.slot = {.t_ns = now_ns(), .kind = JMI_KIND_BEGIN, .category = (uint8_t)category}};
    return send(writer, &m, name, attributes);
}

static inline jm_range_id tied(const jm_session *session, jm_range_id range) {
    if (__builtin_expect(session->range_begins != NULL, 0)) session->range_begins(range);
    return range;
}

static inline void untie(const jm_session *session, jm_range_id range) {
    if (__builtin_expect(session->range_ends != NULL, 0)) session->range_ends(range);
}

jm_range_id jm_begin_as(jm_session *session, jm_category category, const char *name,
                        const char *attributes) {
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL || !known(writer, category)) return 0;
    return tied(session, begin(writer, category, name, attributes));
}

jm_range_id jm_begin(jm_session *session, const char *name) {
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL) return 0;
    return tied(session, begin(writer, JM_CATEGORY_USER, name, NULL));
}

void jm_end(jm_session *session, jm_range_id range) {
    if (range == 0) return;
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL) return;
    untie(session, range);
    int64_t now = now_ns();
    if (!room(writer, 1)) return;
    jmi_slot *slot = &writer->slots[writer->head & (JMI_SLOTS - 1)];
    slot->t_ns = now;
    slot->id = range;
    slot->kind = JMI_KIND_END;
    slot->category = 0;
    slot->name_length = 0;
    slot->attributes_length = 0;
    publish(writer, 1);
}

void jm_end_with(jm_session *session, jm_range_id range, const char *attributes) {
    jm_end_at(session, range, INT64_MAX, attributes);
}

void jm_end_at(jm_session *session, jm_range_id range, int64_t end_ns, const char *attributes) {
    if (range == 0) return;
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL) return;
    untie(session, range);
    int64_t now = now_ns(), first = writer->ring->header->created_ns;
    if (end_ns > now) end_ns = now;
    if (end_ns < first) end_ns = first;
    message m = {.slot = {.t_ns = end_ns, .id = range, .kind = JMI_KIND_END}};
    send(writer, &m, NULL, attributes);
}

jm_range_id jm_range_add(jm_session *session, const jm_range *range) {
    jm_range r;
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL || range == NULL ||
        jmi_take_struct(&r, sizeof r, range, "jm_range", NULL) != JM_OK)
        return 0;
    size_t device = r.device != NULL ? strlen(r.device) : 0;
    if (device >= sizeof(jmi_added){0}.device || !known(writer, r.category) || !in_time(writer, &r))
        return 0;
    message m = {
        .slot = {.t_ns = r.begin_ns, .kind = JMI_KIND_ADD, .category = (uint8_t)r.category},
        .added = {.end_ns = r.end_ns, .parent = r.parent, .stream = r.stream}};
    if (device > 0) memcpy(m.added.device, r.device, device);
    return send(writer, &m, r.name, r.attributes);
}

int jm_session_set_info(jm_session *session, const char *key, const char *value) {
    if (session == NULL || key == NULL || key[0] == '\0' || value == NULL) return JM_INVALID;
    if (strlen(key) > JMI_MAX_NAME || strlen(value) > JMI_MAX_ATTRIBUTES) return JM_INVALID;
    if (!session->joined && session->pid == (int32_t)jmi_ring_pid(session->ring))
        return session->set_own_info(session->recording, key, value);
    if (atomic_load(&session->ring->header->closed) != 0) return JM_CLOSED;
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL) return JM_FULL;
    message m = {.slot = {.t_ns = now_ns(), .id = 1, .kind = JMI_KIND_INFO}};
    return send(writer, &m, key, value) != 0 ? JM_OK : JM_FULL;
}

void jm_session_name_thread(jm_session *session, uint32_t tid, const char *name) {
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL || name == NULL) return;
    if (tid == 0) tid = (uint32_t)syscall(SYS_gettid);
    message m = {.slot = {.t_ns = now_ns(), .id = tid, .kind = JMI_KIND_THREAD}};
    send(writer, &m, name, NULL);
}

void jm_mark(jm_session *session, const char *name, const char *attributes) {
    jmi_writer_lane *writer = writer_of(session);
    if (writer == NULL) return;
    message m = {.slot = {.t_ns = now_ns(), .kind = JMI_KIND_MARK}};
    send(writer, &m, name, attributes);
}
