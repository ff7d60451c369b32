#include "virtual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t virtual_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double virtual_uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)(virtual_random(state) >> 11) * 0x1p-53;
}

double virtual_log_uniform(uint64_t *state, double low, double high) {
    return exp(virtual_uniform(state, log(low), log(high)));
}

double virtual_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(1 - virtual_uniform(state, 0, 1)));
    return radius * cos(2 * 3.14159265358979323846 * virtual_uniform(state, 0, 1));
}

static void die(const char *what, const char *why) {
    fprintf(stderr, "jm-accuracy: %s: %s\n", what, why);
    exit(1);
}

static void check(int status, const jm_error *error, const char *what) {
    if (status != JM_OK) die(what, error->message);
}

/* ---- one sensor's samples, as the sampler keeps them: changes, and one every 20 ms ---- */

enum { BATCH = 4096 };

typedef struct column {
    int64_t t[BATCH];
    double value[BATCH];
    uint32_t since[BATCH];
    uint8_t flags[BATCH];
    size_t count;
} column;

typedef struct follower {
    enum simgpu_sensor kind;
    uint32_t sensor;
    double last, base;
    int64_t last_kept;
    bool started;
    column *batch;
} follower;

static void flush(jm_recording *recording, follower *f) {
    jm_error error;
    jm_samples samples = {f->batch->count, f->batch->t, f->batch->value, f->batch->since,
                          f->batch->flags};
    if (samples.count > 0)
        check(jm_recording_add_samples(recording, f->sensor, &samples, &error), &error, "samples");
    f->batch->count = 0;
}

static void keep(jm_recording *recording, follower *f, int64_t t, double value, int64_t since,
                 uint8_t flags) {
    size_t i = f->batch->count;
    f->batch->t[i] = t;
    f->batch->value[i] = value;
    f->batch->since[i] = (uint32_t)since;
    f->batch->flags[i] = flags;
    f->batch->count++;
    f->last_kept = t;
    if (f->batch->count == BATCH) flush(recording, f);
}

static void poll_sensor(jm_recording *recording, const struct simgpu_board *board, follower *f,
                        int64_t t, int64_t since, bool last) {
    struct simgpu_reading reading;
    if (simgpu_board_read(board, f->kind, t, &reading) != 0) die("sensor", "the board lacks it");
    if (!f->started && f->kind == SIMGPU_COUNTER) f->base = reading.value;
    double value = reading.value - f->base;
    bool changed = f->started && value != f->last;
    if (changed || !f->started || last || t - f->last_kept >= 20000000)
        keep(recording, f, t, value, since, changed ? JM_SAMPLE_CHANGED : 0);
    f->started = true;
    f->last = value;
}

static jm_quantity quantity_of(enum simgpu_sensor kind) {
    return kind == SIMGPU_COUNTER ? JM_QUANTITY_ENERGY : JM_QUANTITY_POWER;
}

static void add_sensor(jm_recording *recording, const struct simgpu_board *board, uint32_t device,
                       follower *f) {
    const struct simgpu_sensor_params *p = simgpu_board_sensor(board, f->kind);
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = device,
                        .quantity = quantity_of(f->kind),
                        .source = "virtual",
                        .counter = f->kind == SIMGPU_COUNTER,
                        .refresh_ns = (uint64_t)p->refresh_ns,
                        .window_ns = (uint64_t)p->window_ns,
                        .lag_ns = (uint64_t)p->lag_ns,
                        .noise = p->noise_w,
                        .quantum = p->quantum,
                        .calibrated = true};
    if (sensor.counter) sensor.lag_ns = sensor.window_ns = 0, sensor.noise = 0;
    jm_error error;
    check(jm_recording_add_sensor(recording, &sensor, &f->sensor, &error), &error, "sensor");
}

/* ---- the load's edges: a range wherever the board draws more than halfway up ---- */

static double halfway(const struct simgpu_board *board, int64_t begin, int64_t end) {
    double low = INFINITY, high = 0;
    struct simgpu_piece piece;
    for (int64_t t = begin; t < end; t = piece.end_ns) {
        simgpu_board_piece(board, t, &piece);
        low = fmin(low, fmin(piece.begin_w, piece.end_w));
        high = fmax(high, fmax(piece.begin_w, piece.end_w));
    }
    return (low + high) / 2;
}

static void add_range(jm_recording *recording, int64_t begin, int64_t end) {
    jm_range range = {.size = sizeof range,
                      .begin_ns = begin,
                      .end_ns = end,
                      .category = JM_CATEGORY_BATCH,
                      .name = "load",
                      .attributes = ""};
    jm_error error;
    check(jm_recording_add_range(recording, &range, &error), &error, "range");
}

/* When a piece that begins at t crosses a level; its end if it does not. */
static int64_t crossing(const struct simgpu_piece *piece, int64_t t, double level_w) {
    double rise = piece->end_w - piece->begin_w;
    if (!((piece->begin_w - level_w) * (piece->end_w - level_w) < 0)) return piece->end_ns;
    int64_t length = piece->end_ns - piece->begin_ns;
    int64_t at = piece->begin_ns + (int64_t)((level_w - piece->begin_w) / rise * (double)length);
    return at > t ? at : piece->end_ns;
}

static void add_ranges(jm_recording *recording, const struct simgpu_board *board, int64_t begin,
                       int64_t end) {
    double level = halfway(board, begin, end);
    int64_t from = INT64_MIN;
    for (int64_t t = begin, next; t < end; t = next) {
        struct simgpu_piece piece;
        simgpu_board_piece(board, t, &piece);
        next = crossing(&piece, t, level);
        int64_t middle = t + (next - t) / 2;
        double share = (double)(middle - piece.begin_ns) / (double)(piece.end_ns - piece.begin_ns);
        bool on = piece.begin_w + share * (piece.end_w - piece.begin_w) > level;
        if (on && from == INT64_MIN) from = t;
        if (!on && from != INT64_MIN) add_range(recording, from, t);
        if (!on) from = INT64_MIN;
    }
    if (from != INT64_MIN) add_range(recording, from, end);
}

static uint32_t add_device(jm_recording *recording, const virtual_plan *plan,
                           const struct simgpu_board *board) {
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "NVIDIA",
                        .model = simgpu_board_name(board),
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true,
                        .simulated = true};
    device.power_limit_w = plan->limit_w > 0 ? plan->limit_w : simgpu_board_limit_w(board, 0);
    uint32_t index;
    jm_error error;
    check(jm_recording_add_device(recording, &device, &index, &error), &error, "device");
    return index;
}

jm_recording *virtual_record_board(const virtual_plan *plan, const struct simgpu_board *board) {
    jm_error error;
    jm_recording *recording;
    check(jm_recording_new(&recording, &error), &error, "recording");
    uint32_t index = add_device(recording, plan, board);
    follower followers[SIMGPU_SENSOR_COUNT] = {0};
    size_t count = 0;
    for (int kind = 0; kind < SIMGPU_SENSOR_COUNT; kind++) {
        if (!(plan->sensors & (1u << kind))) continue;
        followers[count].kind = (enum simgpu_sensor)kind;
        followers[count].batch = calloc(1, sizeof *followers[count].batch);
        if (followers[count].batch == NULL) die("samples", "out of memory");
        add_sensor(recording, board, index, &followers[count++]);
    }
    uint64_t state = plan->seed;
    int64_t end = plan->begin_ns + plan->length_ns, before = plan->begin_ns;
    for (int64_t t = plan->begin_ns; t < end;) {
        int64_t next = t + (int64_t)((double)plan->poll_ns * virtual_uniform(&state, 0.8, 1.2));
        for (size_t i = 0; i < count; i++)
            poll_sensor(recording, board, &followers[i], t, t - before, next >= end);
        before = t;
        t = next;
    }
    for (size_t i = 0; i < count; i++) {
        flush(recording, &followers[i]);
        free(followers[i].batch);
    }
    if (plan->ranges) add_ranges(recording, board, plan->begin_ns, end);
    return recording;
}

jm_recording *virtual_record(const virtual_plan *plan, struct simgpu_board **board) {
    struct simgpu_error why;
    *board = simgpu_board_from_text(plan->spec, 0, &why);
    if (*board == NULL) die(plan->spec, why.text);
    return virtual_record_board(plan, *board);
}
