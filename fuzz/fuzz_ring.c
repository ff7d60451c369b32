/* The ring as a hostile process may write it: lanes claimed, heads moved, slots, questions and
 * devices filled with anything, between honest ranges, while the collector takes out what it finds
 * and what is asked is answered. */
#include "record/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    atomic_store(&ring->header->unseated, 0);
    atomic_store(&ring->header->silent, 0);
    memset(ring->questions, 0, JMI_QUESTIONS * sizeof *ring->questions);
    memset(ring->devices, 0, JMI_RING_DEVICES * sizeof *ring->devices);
    ring->header->device_count = 0;
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
                   .kind = (uint8_t)(take(in, 1) % 7),
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
    if (take(in, 1) & 1) jm_end_at(session, id, (int64_t)take(in, 8), text);
    if (take(in, 1) & 1) jm_end(session, take(in, 8));
}

/* ---- questions and devices ---- */

static jmi_question *some_question(input *in) {
    return &ring->questions[take(in, 1) % JMI_QUESTIONS];
}

static void write_question(input *in) {
    size_t bytes = take(in, 1) % (sizeof(jmi_question) + 1), at = take(in, 1);
    char *question = (char *)some_question(in);
    if (bytes > in->left) bytes = in->left;
    if (at > sizeof(jmi_question) - bytes) at = sizeof(jmi_question) - bytes;
    memcpy(question + at, in->data, bytes);
    skip(in, bytes);
}

/* One that may get an energy. */
static void ask_likely(input *in) {
    static const double gains[] = {0, 0.03, 0.5, -1, 2, (double)NAN, (double)INFINITY, 1e-300};
    jmi_question *question = some_question(in);
    uint32_t turn = atomic_load(&question->state) / 4 + 1;
    uint64_t of = take(in, 1);
    question->range = jmi_id_base((uint32_t)of & 3, (of >> 2) % LANES) | take(in, 1);
    uint64_t device = take(in, 1);
    question->device = device < 4 ? (uint32_t)device : UINT32_MAX - (uint32_t)(device & 1);
    question->method = (uint32_t)take(in, 1) & 3;
    question->no_activity = (uint32_t)take(in, 1) & 1;
    question->gain_u = gains[take(in, 1) % JMI_COUNT(gains)];
    question->offset_u_w = gains[take(in, 1) % JMI_COUNT(gains)];
    atomic_store(&question->state, turn << 2 | JMI_QUESTION_ASKED);
}

static void answer_all(jm_session *session) {
    jmi_answer_all(session, ring);
    for (size_t i = 0; i < JMI_QUESTIONS && atomic_load(&ring->header->silent) == 0; i++)
        if ((atomic_load(&ring->questions[i].state) & 3) == JMI_QUESTION_ASKED) abort();
}

/* Asks where nobody answers any more: whoever owns the questions, it comes back. */
static void ask_in_vain(input *in) {
    jm_energy energy;
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jmi_question *question = some_question(in);
    atomic_store(&question->owner, take(in, 8));
    atomic_store(&ring->header->silent, 1);
    if (jmi_ask(ring, take(in, 8), 0, &options, &energy) != JM_CLOSED) abort();
    atomic_store(&ring->header->silent, 0);
}

static void write_devices(input *in) {
    size_t bytes = take(in, 2), at = take(in, 1) * 256;
    if (bytes > in->left) bytes = in->left;
    size_t all = JMI_RING_DEVICES * sizeof *ring->devices;
    if (bytes > all - at) bytes = all - at;
    memcpy((char *)ring->devices + at, in->data, bytes);
    skip(in, bytes);
    ring->header->device_count = (uint32_t)take(in, 4);
}

/* As a process that joins sees them. */
static void read_devices(void) {
    jm_session joined = {.ring = ring, .joined = true};
    jm_device device = {.size = sizeof device};
    if (!jmi_session_copy_devices(&joined)) abort();
    uint32_t count = jm_session_device_count(&joined);
    if (count > JMI_RING_DEVICES || jm_session_device(&joined, count, &device) != JM_NOT_FOUND)
        abort();
    for (uint32_t i = 0; i < count; i++)
        if (jm_session_device(&joined, i, &device) != JM_OK ||
            strlen(device.name) + strlen(device.vendor) + strlen(device.model) +
                    strlen(device.uuid) + strlen(device.pci) + strlen(device.driver) >=
                sizeof(jmi_ring_device))
            abort();
    free(joined.devices);
}

/* ---- steps ---- */

static void step(jm_session *session, input *in) {
    size_t lane = take(in, 1) % LANES;
    jmi_lane *header = &ring->lanes[lane];
    switch (take(in, 1) % 16) {
    case 0: write_slot(in, lane); break;
    case 1: write_likely_slot(in, lane); break;
    case 2: atomic_store(&header->head, take(in, 2)); break;
    case 3: atomic_store(&header->head, take(in, 8)); break;
    case 4: atomic_store(&header->owner, take(in, 8)); break;
    case 5: atomic_store(&header->released, (uint32_t)take(in, 1) & 1); break;
    case 6: atomic_store(&ring->header->lanes_used, (uint32_t)take(in, 4)); break;
    case 7: atomic_store(&header->tail, take(in, 8)); break;
    case 8: honest(session, in); break;
    case 9: write_question(in); break;
    case 10: ask_likely(in); break;
    case 11: answer_all(session); break;
    case 12: ask_in_vain(in); break;
    case 13: write_devices(in); break;
    case 14: read_devices(); break;
    default: jmi_collect(session->collector, jm_now_ns() + 1000000000); break;
    }
}

static void check(const jm_recording *recording) {
    for (uint64_t i = 0; i < jm_recording_range_count(recording); i++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_range(recording, i, &range) != JM_OK || range.end_ns < range.begin_ns ||
            range.id == 0 || range.parent == range.id || range.device == NULL ||
            !jmi_utf8_valid(range.name, strlen(range.name)))
            abort();
    }
}

/* A device with a few readings, so that there are energies. */
static jm_recording *make_recording(void) {
    jm_recording *recording;
    uint32_t index;
    if (jm_recording_new(&recording, NULL) != JM_OK) abort();
    recording->begin_ns = ring->header->created_ns;
    jm_device device = {.size = sizeof device, .name = "gpu0", .in_total = true};
    jm_sensor sensor = {.size = sizeof sensor, .quantity = JM_QUANTITY_POWER, .source = "nvml"};
    if (jm_recording_add_device(recording, &device, &index, NULL) != JM_OK ||
        jm_recording_add_sensor(recording, &sensor, &index, NULL) != JM_OK)
        abort();
    int64_t now = jm_now_ns();
    for (int64_t i = 0; i < 20; i++) {
        int64_t t = now + (i - 10) * 100000;
        double value = 100 + (double)i;
        jm_samples one = {.count = 1, .t_ns = &t, .value = &value};
        if (jm_recording_add_samples(recording, 0, &one, NULL) != JM_OK) abort();
    }
    return recording;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    reset();
    jm_session session = {.ring = ring, .pid = getpid(), .recording = make_recording()};
    if (jmi_collector_new(&session.collector, ring, session.recording, NULL) != JM_OK) abort();
    for (int i = 0; i < MAX_OPS && in.left > 0; i++) step(&session, &in);
    jmi_collect_finish(session.collector, jm_now_ns());
    check(session.recording);
    jmi_collector_free(session.collector);
    jm_recording_free(session.recording);
    return 0;
}
