#include "kinds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const kind kinds[KINDS] = {
    {"counter 100 ms", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false, false},
    {"counter 30 ms", "a100", VIRTUAL_COUNTER, 2000000, 0.03, true, false, false},
    {"counter 1 ms", "v100", VIRTUAL_COUNTER, 20000000, 0.02, true, false, false},
    {"W 100 T 100 ms", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false, false},
    {"W 10 T 20 ms", "v100", VIRTUAL_INSTANT, 2000000, 0.02, false, true, false},
    {"W 25 T 101 ms", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true, false},
    {"W 1 s T 100 ms", "h100", VIRTUAL_PLAIN, 2000000, 1, false, false, false},
    {"counter + W 25", "h100", VIRTUAL_COUNTER | VIRTUAL_INSTANT, 2000000, 0.1, true, false, false},
    {"W 100 T 100, ranges", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false, true},
    {"W 25 T 101, ranges", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true, true},
    {"W 1 s T 100, ranges", "h100", VIRTUAL_PLAIN, 2000000, 1, false, false, true},
    {"counter 100, ranges", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false, true},
};

const char *const waveforms[WAVEFORMS] = {"constant",  "square",   "sawtooth",
                                          "telegraph", "training", "locked"};

bool kind_unknowable(const kind *k, const char *waveform) {
    return strcmp(waveform, "locked") == 0 && k->part_time && !k->ranges;
}

/* Drawn one after the other, so that each compiler's boards are the same. */
static void load_text(const char *waveform, double refresh_s, uint64_t *random, char *text,
                      size_t size) {
    double low = virtual_uniform(random, 60, 130), high = virtual_uniform(random, 180, 290);
    if (strcmp(waveform, "constant") == 0) {
        snprintf(text, size, "constant:%.3f", virtual_uniform(random, 60, 290));
    } else if (strcmp(waveform, "square") == 0) {
        double period = virtual_log_uniform(random, 0.02, 5);
        snprintf(text, size, "square:%.3f:%.3f:%.6f:%.4f", low, high, period,
                 virtual_uniform(random, 0.3, 0.7));
    } else if (strcmp(waveform, "step") == 0) {
        snprintf(text, size, "square:%.3f:%.3f:40", low, high);
    } else if (strcmp(waveform, "locked") == 0) { /* whole periods in a refresh */
        double period = refresh_s / (double)(1 + virtual_random(random) % 4);
        snprintf(text, size, "square:%.3f:%.3f:%.9f:%.4f", low, high, period,
                 virtual_uniform(random, 0.3, 0.7));
    } else if (strcmp(waveform, "sawtooth") == 0) {
        snprintf(text, size, "sawtooth:%.3f:%.3f:%.6f", low, high,
                 virtual_log_uniform(random, 0.05, 5));
    } else if (strcmp(waveform, "telegraph") == 0) {
        snprintf(text, size, "telegraph:%.3f:%.3f:%.6f", low, high,
                 virtual_log_uniform(random, 0.02, 2));
    } else {
        snprintf(text, size, "training:%u", (unsigned)(virtual_random(random) % 100000));
    }
}

/* Normal quantiles, in an order that mixes them: so many boards stand for all of them. */
static double stratum(size_t i, size_t step, size_t boards) {
    double p = ((double)(i * step % boards) + 0.5) / (double)boards, x = 0;
    for (int round = 0; round < 60; round++) /* Newton on the normal distribution */
        x -= (0.5 * erfc(-x / sqrt(2)) - p) / (exp(-x * x / 2) / sqrt(2 * 3.14159265358979));
    return x;
}

static void make_spec(trial *t, const kind *k, const char *waveform, size_t index, size_t boards,
                      char spec[512]) {
    *t = (trial){.random = (uint64_t)(index + 1) * 7919 + 13};
    load_text(waveform, k->refresh_s, &t->random, t->load, sizeof t->load);
    t->gain = 1 + 0.03 * stratum(index, 37, boards);
    t->offset_w = 4 * stratum(index, 59, boards);
    unsigned seed = (unsigned)(virtual_random(&t->random) % 1000000);
    const char *more =
        k->refresh_s == 0.02 && k->sensors == VIRTUAL_COUNTER ? ",counter_T=1ms" : "";
    snprintf(spec, 512, "%s,%s%s,gain=%.6f,offset=%.4f,seed=%u,phase=%.4f", k->board, t->load, more,
             t->gain, t->offset_w, seed, virtual_uniform(&t->random, 0, 10));
}

static void record(trial *t, const kind *k, const char *spec, size_t index, int64_t begin_ns,
                   int64_t length_ns) {
    virtual_plan plan = {.spec = spec,
                         .sensors = k->sensors,
                         .poll_ns = k->poll_ns,
                         .begin_ns = begin_ns,
                         .length_ns = length_ns,
                         .ranges = k->ranges,
                         .seed = index};
    t->recording = virtual_record(&plan, &t->board);
}

void trial_open(trial *t, const kind *k, const char *waveform, size_t index, size_t boards) {
    char spec[512];
    make_spec(t, k, waveform, index, boards, spec);
    record(t, k, spec, index, TRIAL_BEGIN_S * INT64_C(1000000000),
           TRIAL_LENGTH_S * INT64_C(1000000000));
}

/* When the board's power rises for the first time after 5 s. */
static int64_t first_rise(const char *spec) {
    struct simgpu_error why;
    struct simgpu_board *board = simgpu_board_from_text(spec, 0, &why);
    struct simgpu_piece before, piece = {0};
    int64_t t = TRIAL_BEGIN_S * INT64_C(1000000000);
    if (board == NULL) return t;
    simgpu_board_piece(board, t, &before);
    do {
        t = before.end_ns;
        simgpu_board_piece(board, t, &piece);
        if (piece.begin_w > before.end_w) break;
        before = piece;
    } while (true);
    simgpu_board_free(board);
    return t;
}

void trial_open_command(trial *t, const kind *k, const char *waveform, size_t index, size_t boards,
                        double command_s, jm_window *command) {
    char spec[512];
    make_spec(t, k, waveform, index, boards, spec);
    double lead_s = virtual_uniform(&t->random, 0.005, 0.02);
    int64_t begin = strcmp(waveform, "step") == 0
                        ? first_rise(spec)
                        : (int64_t)(virtual_uniform(&t->random, 5, 50) * 1e9);
    *command = (jm_window){begin, begin + (int64_t)(command_s * 1e9)};
    double wait_s = fmin(1.25 * fmin(k->refresh_s, 0.1012) + 0.02, 0.3);
    record(t, k, spec, index, begin - (int64_t)(lead_s * 1e9),
           (int64_t)((lead_s + command_s + wait_s) * 1e9));
}

void trial_close(trial *t) {
    jm_recording_free(t->recording);
    simgpu_board_free(t->board);
}

double trial_truth(const trial *t, const jm_window *window) {
    return simgpu_board_energy(t->board, window->begin_ns, window->end_ns);
}

double trial_seen(const trial *t, double truth_j, double duration_s) {
    return t->gain * truth_j + t->offset_w * duration_s;
}
