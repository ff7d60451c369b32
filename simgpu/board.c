/* SPDX-License-Identifier: MIT */
#include "board.h"

#include "random.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct simgpu_item *item_of(const struct simgpu_spec *spec, int index) {
    for (int i = 0; i < spec->item_count; i++)
        if (index >= spec->items[i].first && index < spec->items[i].first + spec->items[i].count)
            return &spec->items[i];
    return NULL;
}

static struct simgpu_wave *wave_of_trace(const struct simgpu_trace *trace, bool loop,
                                         int64_t lead_ns, int64_t phase_ns) {
    struct simgpu_wave_builder b = {0};
    const struct simgpu_trace_row *rows = trace->rows;
    size_t last = trace->count - 1;
    simgpu_wave_add(&b, lead_ns, rows[0].power_w, rows[0].power_w);
    for (size_t i = 0; i < last; i++)
        simgpu_wave_add(&b, rows[i + 1].t_ns - rows[i].t_ns, rows[i].power_w, rows[i].power_w);
    /* The last row holds for ever; in a loop, as long as the rows do on average. */
    int64_t tail_ns = last ? (rows[last].t_ns - rows[0].t_ns) / (int64_t)last : SIMGPU_NS_PER_S;
    simgpu_wave_add(&b, tail_ns > 0 ? tail_ns : 1, rows[last].power_w, rows[last].power_w);
    return simgpu_wave_finish(&b, loop, phase_ns);
}

static struct simgpu_wave *load_file(struct simgpu_board *board, const char *dir,
                                     struct simgpu_error *err) {
    const struct simgpu_item *item = &board->item;
    board->trace = calloc(1, sizeof *board->trace);
    if (!board->trace) return NULL;
    atomic_init(&board->trace->refs, 1);
    struct simgpu_trace *trace = &board->trace->trace;
    if (simgpu_trace_load(trace, dir, item->file, item->column, err) != 0) return NULL;
    int64_t lead_ns = 0;
    board->origin_ns = trace->rows[0].t_ns;
    if (item->shape == SIMGPU_SCHEDULE) {
        if (trace->rows[0].t_ns < 0) {
            simgpu_fail(err, 0, "a schedule must not begin before t = 0");
            return NULL;
        }
        lead_ns = trace->rows[0].t_ns;
        board->origin_ns = 0;
    }
    return wave_of_trace(trace, item->loop, lead_ns, llround(item->phase * 1e9));
}

static bool is_from_file(const struct simgpu_item *item) {
    return item->shape == SIMGPU_SCHEDULE || item->shape == SIMGPU_REPLAY;
}

static double limit_of(const struct simgpu_board *board) {
    return isnan(board->item.limit_w) ? board->profile->limit_w : board->item.limit_w;
}

static struct simgpu_wave *shape_wave(struct simgpu_board *board, const char *dir,
                                      struct simgpu_error *err) {
    const struct simgpu_item *item = &board->item;
    int64_t period_ns = llround(item->period_s * 1e9), phase_ns = llround(item->phase * 1e9);
    uint64_t seed = item->has_wave_seed ? item->wave_seed : board->seed;
    switch (item->shape) {
    case SIMGPU_CONSTANT: return simgpu_wave_constant(item->low_w);
    case SIMGPU_SQUARE:
        return simgpu_wave_square(item->low_w, item->high_w, period_ns, item->duty, phase_ns);
    case SIMGPU_SAWTOOTH:
        return simgpu_wave_sawtooth(item->low_w, item->high_w, period_ns, phase_ns);
    case SIMGPU_TELEGRAPH:
        return simgpu_wave_telegraph(item->low_w, item->high_w, period_ns, seed, phase_ns);
    case SIMGPU_TRAINING:
        return simgpu_wave_training(board->idle_w, board->profile->limit_w, seed, phase_ns);
    case SIMGPU_SCHEDULE:
    case SIMGPU_REPLAY: return load_file(board, dir, err);
    case SIMGPU_CHANNEL: break;
    }
    return NULL;
}

static void share_trace(struct simgpu_board *board, const struct simgpu_board *sibling) {
    board->trace = sibling->trace;
    atomic_fetch_add(&board->trace->refs, 1);
    board->origin_ns = sibling->origin_ns;
    board->wave = simgpu_wave_ref(sibling->wave);
}

static int make_wave(struct simgpu_board *board, const char *dir,
                     const struct simgpu_board *sibling, struct simgpu_error *err) {
    if (board->item.shape == SIMGPU_CHANNEL) return 0;
    if (sibling && is_from_file(&board->item) && sibling->item.first == board->item.first) {
        share_trace(board, sibling);
        return 0;
    }
    struct simgpu_wave *wave = shape_wave(board, dir, err);
    if (!wave) return -1;
    board->wave = simgpu_wave_at_level(wave, board->active_w, false);
    simgpu_wave_unref(wave);
    return board->wave ? 0 : -1;
}

static void name_board(struct simgpu_board *board) {
    uint64_t a = simgpu_hash(board->seed, 1000), b = simgpu_hash(board->seed, 1001);
    a ^= board->profile->pci_device_id;
    snprintf(board->name, sizeof board->name, "%s", board->profile->name);
    snprintf(board->uuid, sizeof board->uuid, "GPU-%08x-%04x-4%03x-8%03x-%012llx",
             (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
             (unsigned)(b >> 52), (unsigned long long)(b & UINT64_C(0xffffffffffff)));
    snprintf(board->serial, sizeof board->serial, "1%012llu",
             (unsigned long long)(b % UINT64_C(1000000000000)));
}

/* The first epoch. A replay is what a board drew under its own limit: that limit clips nothing. */
static int begin_log(struct simgpu_board *board) {
    bool replay = board->item.shape == SIMGPU_REPLAY && isnan(board->item.limit_w);
    const struct simgpu_epoch first = {
        .demand_w = board->wave ? NAN : board->idle_w,
        .limit_w = replay ? INFINITY : limit_of(board),
        .clock = 1.0,
    };
    return simgpu_log_append(&board->log, &first);
}

int simgpu_board_attach_log(struct simgpu_board *board, struct simgpu_log_head *head,
                            struct simgpu_log_slot *slots, uint64_t capacity, bool fresh) {
    simgpu_log_release(&board->log);
    simgpu_log_attach(&board->log, head, slots, capacity);
    return fresh ? begin_log(board) : 0;
}

struct simgpu_board *simgpu_board_new_beside(const struct simgpu_spec *spec, int index,
                                             const char *dir, const struct simgpu_board *sibling,
                                             struct simgpu_error *err) {
    const struct simgpu_item *item = item_of(spec, index);
    if (!item) {
        simgpu_fail(err, 0, "there is no board %d", index);
        return NULL;
    }
    struct simgpu_board *board = calloc(1, sizeof *board);
    if (!board) {
        simgpu_fail(err, 0, "out of memory");
        return NULL;
    }
    /* Whatever fails below without a sentence of its own can only lack memory. */
    if (err) simgpu_fail(err, 0, "out of memory, or a waveform too long");
    board->item = *item;
    board->profile = item->profile;
    board->index = index;
    board->seed = item->seed + (uint64_t)index;
    board->idle_w = isnan(item->idle_w) ? item->profile->idle_w : item->idle_w;
    board->active_w = board->idle_w + fmax(5.0, 0.05 * (item->profile->limit_w - board->idle_w));
    board->pci_bus = (unsigned)(spec->reverse ? spec->board_count - index : index + 1);
    board->clips = calloc(1, sizeof *board->clips);
    name_board(board);
    simgpu_sensors_init(board);
    if (!board->clips || simgpu_log_init(&board->log) != 0 ||
        make_wave(board, dir, sibling, err) != 0 || begin_log(board) != 0) {
        simgpu_board_free(board);
        return NULL;
    }
    if (err) *err = (struct simgpu_error){0};
    return board;
}

struct simgpu_board *simgpu_board_new(const struct simgpu_spec *spec, int index, const char *dir,
                                      struct simgpu_error *err) {
    return simgpu_board_new_beside(spec, index, dir, NULL, err);
}

struct simgpu_board *simgpu_board_from_text(const char *spec_text, int index,
                                            struct simgpu_error *err) {
    struct simgpu_spec *spec = simgpu_spec_parse(spec_text, err);
    if (!spec) return NULL;
    struct simgpu_board *board = simgpu_board_new(spec, index, NULL, err);
    simgpu_spec_free(spec);
    return board;
}

static void free_trace(struct simgpu_board_trace *trace) {
    if (!trace || atomic_fetch_sub(&trace->refs, 1) != 1) return;
    simgpu_trace_release(&trace->trace);
    free(trace);
}

void simgpu_board_free(struct simgpu_board *board) {
    if (!board) return;
    for (int i = 0; board->clips && i < SIMGPU_CLIPS; i++) simgpu_wave_unref(board->clips->wave[i]);
    free(board->clips);
    simgpu_log_release(&board->log);
    simgpu_wave_unref(board->wave);
    free_trace(board->trace);
    free(board);
}

const char *simgpu_board_name(const struct simgpu_board *board) {
    return board->name;
}
const char *simgpu_board_uuid(const struct simgpu_board *board) {
    return board->uuid;
}
double simgpu_board_idle_w(const struct simgpu_board *board) {
    return board->idle_w;
}

int64_t simgpu_board_trace_origin_ns(const struct simgpu_board *board) {
    return board->origin_ns;
}
