/* The ring as a hostile process may write it: lanes claimed, heads moved, slots filled with
 * anything, between honest ranges, while the collector takes out what it finds. */
#include "record/session.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 4, MAX_OPS = 4000 };

typedef struct input {
    const uint8_t *data;
    size_t left;
} input;

static uint64_t take(input *in, size_t bytes) {
    uint64_t value = 0;
    if (bytes > in->left) bytes = in->left;
    memcpy(&value, in->data, bytes);
    in->data += bytes;
    in->left -= bytes;
    return value;
}

static void skip(input *in, size_t bytes) {
    in->data += bytes;
    in->left -= bytes;
}

static jmi_ring *ring;

/* One ring for all inputs: making it costs more than what is tried on it. */
static void reset(void) {
    if (ring == NULL && jmi_ring_create(&ring, NULL) != JM_OK) abort();
    memset(ring->lanes, 0, JMI_LANES * sizeof *ring->lanes);
    atomic_store(&ring->header->lanes_used, 0);
    atomic_store(&ring->header->dropped, 0);
    atomic_store(&ring->header->cut, 0);
    atomic_store(&ring->header->wanted, 0);
    /* The honest writer's lane went with the others. */
    jmi_writer_lane *writer = pthread_getspecific(ring->key);
    if (writer != NULL) writer->lane = NULL;
}

static void write_slot(input *in, size_t lane) {
    jmi_slot *slot = &jmi_ring_slots(ring, lane)[take(in, 2) & (JMI_SLOTS - 1)];
    size_t bytes = take(in, 1) % (JMI_SLOT_BYTES + 1);
    if (bytes > in->left) bytes = in->left;
    memcpy(slot, in->data, bytes);
    skip(in, bytes);
}

/* One that may pass: its time is now, its id the lane's. */
static void write_likely_slot(input *in, size_t lane) {
    jmi_slot *slot = &jmi_ring_slots(ring, lane)[take(in, 2) & (JMI_SLOTS - 1)];
    *slot =
        (jmi_slot){.t_ns = jm_now_ns() - (int64_t)take(in, 1) * 1000,
                   .id = jmi_id_base((uint32_t)take(in, 1) & 3, take(in, 1) % LANES) | take(in, 1),
                   .kind = (uint8_t)(take(in, 1) % 6),
                   .category = (uint8_t)(take(in, 1) % 12),
                   .name_length = (uint16_t)take(in, 1),
                   .attributes_length = (uint16_t)take(in, 2)};
    for (size_t i = 0; i < sizeof slot->text; i += 8) {
        uint64_t text = take(in, 8);
        memcpy(slot->text + i, &text, 8);
    }
}

static void honest(jm_session *session, input *in) {
    char text[256] = {0};
    size_t length = take(in, 1);
    if (length > in->left) length = in->left;
    memcpy(text, in->data, length);
    skip(in, length);
    jmi_writer_lane *writer = jmi_ring_writer(ring);
    if (writer != NULL) writer->stalled = true; /* where there is no room, do not wait for it */
    jm_range_id id = jm_begin_as(session, (jm_category)(take(in, 1) % 9), text, text);
    jm_mark(session, text, NULL);
    if (take(in, 1) & 1) jm_end_with(session, id, text);
    if (take(in, 1) & 1) jm_end(session, take(in, 8));
}

static void step(jm_session *session, jmi_collector *collector, input *in) {
    size_t lane = take(in, 1) % LANES;
    jmi_lane *header = &ring->lanes[lane];
    switch (take(in, 1) % 10) {
    case 0: write_slot(in, lane); break;
    case 1: write_likely_slot(in, lane); break;
    case 2: atomic_store(&header->head, take(in, 2)); break;
    case 3: atomic_store(&header->head, take(in, 8)); break;
    case 4: atomic_store(&header->owner, take(in, 8)); break;
    case 5: atomic_store(&header->released, (uint32_t)take(in, 1) & 1); break;
    case 6: atomic_store(&ring->header->lanes_used, (uint32_t)take(in, 4)); break;
    case 7: atomic_store(&header->tail, take(in, 8)); break;
    case 8: honest(session, in); break;
    default: jmi_collect(collector, jm_now_ns() + 1000000000); break;
    }
}

static void check(const jm_recording *recording) {
    for (uint64_t i = 0; i < jm_recording_range_count(recording); i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) != JM_OK || range.end_ns < range.begin_ns ||
            range.id == 0 || range.parent == range.id ||
            !jmi_utf8_valid(range.name, strlen(range.name)))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    jm_recording *recording;
    jmi_collector *collector;
    reset();
    if (jm_recording_new(&recording, NULL) != JM_OK) return 0;
    recording->begin_ns = ring->header->created_ns;
    if (jmi_collector_new(&collector, ring, recording, NULL) != JM_OK) abort();
    jm_session session = {.ring = ring};
    for (int i = 0; i < MAX_OPS && in.left > 0; i++) step(&session, collector, &in);
    jmi_collect_finish(collector, jm_now_ns());
    check(recording);
    jmi_collector_free(collector);
    jm_recording_free(recording);
    return 0;
}
