/* SPDX-License-Identifier: MIT */
/* Power and its integrals: the epochs of the log times the waveform under each epoch's limit. */
#include "board.h"

#include <math.h>

/* Times from outside stay where sums of two of them cannot overflow. */
#define FOREVER (INT64_MAX / 4)

static int64_t min_ns(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t max_ns(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static int64_t bounded(int64_t t) {
    return max_ns(-FOREVER, min_ns(t, FOREVER));
}

/* An epoch as it applies to a moment: where it ends, and whether history reaches that far. */
struct view {
    struct simgpu_epoch epoch;
    int64_t end_ns;
    bool known;
};

static struct view view_in(const struct simgpu_board *board, uint64_t history, int64_t t) {
    struct view v = {0};
    v.known = simgpu_log_find(&board->log, history, t, &v.epoch, &v.end_ns) == SIMGPU_LOG_FOUND;
    return v;
}

static struct view view_at(const struct simgpu_board *board, int64_t t) {
    return view_in(board, simgpu_log_count(&board->log), t);
}

static struct simgpu_wave *make_under(const struct simgpu_board *board, double limit_w,
                                      double clock) {
    struct simgpu_wave *slowed = NULL;
    if (clock < 1.0) {
        double one_w = simgpu_board_drawn_w(board, board->idle_w + 1.0, clock) - board->idle_w;
        slowed = simgpu_wave_scaled(board->wave, board->idle_w, one_w);
        if (!slowed) return NULL;
    }
    struct simgpu_wave *wave =
        simgpu_wave_at_level(slowed ? slowed : board->wave, limit_w, isfinite(limit_w));
    simgpu_wave_unref(slowed);
    return wave;
}

/* The waveform under a limit and a lock on clocks, compiled once; NULL for a channel. */
static const struct simgpu_wave *wave_under(const struct simgpu_board *board,
                                            const struct simgpu_epoch *e) {
    if (!board->wave || (e->clock >= 1.0 && e->limit_w >= simgpu_wave_max(board->wave)))
        return board->wave;
    struct simgpu_clips *clips = board->clips;
    for (int i = 0; i < SIMGPU_CLIPS; i++)
        if (clips->wave[i] && clips->limit_w[i] == e->limit_w && clips->clock[i] == e->clock)
            return clips->wave[i];
    struct simgpu_wave *wave = make_under(board, e->limit_w, e->clock);
    if (!wave) return board->wave;
    unsigned slot = clips->next++ % SIMGPU_CLIPS;
    simgpu_wave_unref(clips->wave[slot]);
    clips->wave[slot] = wave;
    clips->limit_w[slot] = e->limit_w;
    clips->clock[slot] = e->clock;
    return wave;
}

/* What a channel's load draws. */
static double channel_w(const struct simgpu_board *board, const struct simgpu_epoch *e) {
    return fmin(simgpu_board_drawn_w(board, e->demand_w, e->clock), e->limit_w);
}

static double extra_energy(const struct simgpu_epoch *e, int64_t t0, int64_t t1) {
    if (e->extra_w == 0.0) return 0.0;
    int64_t from = max_ns(t0, e->begin_ns), to = min_ns(t1, e->extra_until_ns);
    return to > from ? e->extra_w * (double)(to - from) * 1e-9 : 0.0;
}

/* Integrals over a stretch that lies within one epoch; t0 <= t1. */
static double energy_within(const struct simgpu_board *board, const struct simgpu_epoch *e,
                            int64_t t0, int64_t t1) {
    const struct simgpu_wave *wave = wave_under(board, e);
    double energy_j =
        wave ? simgpu_wave_energy(wave, t0, t1) : channel_w(board, e) * (double)(t1 - t0) * 1e-9;
    return energy_j + extra_energy(e, t0, t1);
}

static int64_t active_within(const struct simgpu_board *board, const struct simgpu_epoch *e,
                             int64_t t0, int64_t t1) {
    if (board->wave) return simgpu_wave_above_ns(board->wave, t0, t1);
    return e->demand_w > board->active_w ? t1 - t0 : 0;
}

static int64_t throttled_within(const struct simgpu_board *board, const struct simgpu_epoch *e,
                                int64_t t0, int64_t t1) {
    if (!board->wave)
        return simgpu_board_drawn_w(board, e->demand_w, e->clock) > e->limit_w ? t1 - t0 : 0;
    const struct simgpu_wave *wave = wave_under(board, e);
    return wave == board->wave ? 0 : simgpu_wave_above_ns(wave, t0, t1);
}

/* Signed, so that a moment before its epoch's begin (history gone, or t < 0) extrapolates. */
static double energy_since_begin(const struct simgpu_board *board, const struct view *v,
                                 int64_t t) {
    const struct simgpu_epoch *e = &v->epoch;
    return t < e->begin_ns ? -energy_within(board, e, t, e->begin_ns)
                           : energy_within(board, e, e->begin_ns, t);
}

static double energy_between(const struct simgpu_board *board, int64_t t0, int64_t t1,
                             bool *known) {
    uint64_t history = simgpu_log_count(&board->log);
    struct view a = view_in(board, history, t0), b = view_in(board, history, t1);
    *known = a.known && b.known;
    if (a.epoch.begin_ns == b.epoch.begin_ns && a.end_ns == b.end_ns)
        return energy_within(board, &b.epoch, t0, t1);
    return (b.epoch.energy_j - a.epoch.energy_j) + energy_since_begin(board, &b, t1) -
           energy_since_begin(board, &a, t0);
}

double simgpu_board_energy(const struct simgpu_board *board, int64_t t0, int64_t t1) {
    bool known;
    t0 = bounded(t0);
    t1 = bounded(t1);
    double energy_j =
        t0 <= t1 ? energy_between(board, t0, t1, &known) : -energy_between(board, t1, t0, &known);
    return known ? energy_j : NAN;
}

double simgpu_board_energy_known(const struct simgpu_board *board, int64_t t0, int64_t t1) {
    bool known;
    return energy_between(board, bounded(t0), bounded(t1), &known);
}

typedef int64_t (*span_fn)(const struct simgpu_board *, const struct simgpu_epoch *, int64_t,
                           int64_t);

static int64_t span_since_begin(const struct simgpu_board *board, const struct view *v, int64_t t,
                                span_fn within) {
    const struct simgpu_epoch *e = &v->epoch;
    return t < e->begin_ns ? -within(board, e, t, e->begin_ns) : within(board, e, e->begin_ns, t);
}

int64_t simgpu_board_active_ns(const struct simgpu_board *board, int64_t t0, int64_t t1) {
    t0 = bounded(t0);
    t1 = bounded(t1);
    uint64_t history = simgpu_log_count(&board->log);
    struct view a = view_in(board, history, t0), b = view_in(board, history, t1);
    return b.epoch.active_ns + span_since_begin(board, &b, t1, active_within) - a.epoch.active_ns -
           span_since_begin(board, &a, t0, active_within);
}

int64_t simgpu_board_throttled_ns(const struct simgpu_board *board, int64_t t0, int64_t t1) {
    t0 = bounded(t0);
    t1 = bounded(t1);
    uint64_t history = simgpu_log_count(&board->log);
    struct view a = view_in(board, history, t0), b = view_in(board, history, t1);
    return b.epoch.throttled_ns + span_since_begin(board, &b, t1, throttled_within) -
           a.epoch.throttled_ns - span_since_begin(board, &a, t0, throttled_within);
}

static double interpolate(const struct simgpu_piece *p, int64_t t) {
    if (p->begin_w == p->end_w) return p->begin_w;
    double share = (double)(t - p->begin_ns) / (double)(p->end_ns - p->begin_ns);
    return p->begin_w + share * (p->end_w - p->begin_w);
}

static void cut(struct simgpu_piece *p, int64_t begin_ns, int64_t end_ns) {
    const struct simgpu_piece whole = *p;
    if (begin_ns > p->begin_ns) {
        p->begin_w = interpolate(&whole, begin_ns);
        p->begin_ns = begin_ns;
    }
    if (end_ns < p->end_ns) {
        p->end_w = interpolate(&whole, end_ns);
        p->end_ns = end_ns;
    }
}

void simgpu_board_piece(const struct simgpu_board *board, int64_t t, struct simgpu_piece *piece) {
    t = bounded(t);
    struct view v = view_at(board, t);
    const struct simgpu_epoch *e = &v.epoch;
    const struct simgpu_wave *wave = wave_under(board, e);
    double flat_w = channel_w(board, e);
    *piece = (struct simgpu_piece){-FOREVER - 1, FOREVER + 1, flat_w, flat_w};
    if (wave) simgpu_wave_piece(wave, t, piece);
    if (t < e->begin_ns) {
        cut(piece, -FOREVER - 1, e->begin_ns);
        return;
    }
    cut(piece, e->begin_ns, v.end_ns);
    if (e->extra_w == 0.0) return;
    if (t >= e->extra_until_ns) {
        cut(piece, e->extra_until_ns, FOREVER + 1);
        return;
    }
    cut(piece, -FOREVER - 1, e->extra_until_ns);
    piece->begin_w += e->extra_w;
    piece->end_w += e->extra_w;
}

double simgpu_board_power(const struct simgpu_board *board, int64_t t) {
    struct simgpu_piece piece;
    t = bounded(t);
    simgpu_board_piece(board, t, &piece);
    return interpolate(&piece, t);
}

static double demand_in(const struct simgpu_board *board, const struct view *v, int64_t t) {
    return board->wave ? simgpu_wave_power(board->wave, t) : v->epoch.demand_w;
}

double simgpu_board_demand(const struct simgpu_board *board, int64_t t) {
    struct view v = view_at(board, bounded(t));
    return demand_in(board, &v, bounded(t));
}

bool simgpu_board_is_throttled(const struct simgpu_board *board, int64_t t) {
    struct view v = view_at(board, bounded(t));
    return simgpu_board_drawn_w(board, demand_in(board, &v, bounded(t)), v.epoch.clock) >
           v.epoch.limit_w;
}

double simgpu_board_clock(const struct simgpu_board *board, int64_t t) {
    return view_at(board, bounded(t)).epoch.clock;
}

bool simgpu_board_is_active(const struct simgpu_board *board, int64_t t) {
    return simgpu_board_demand(board, t) > board->active_w;
}

double simgpu_board_limit_w(const struct simgpu_board *board, int64_t t) {
    struct view v = view_at(board, bounded(t));
    return isinf(v.epoch.limit_w) ? board->profile->limit_w : v.epoch.limit_w;
}

/* The next epoch as it would begin at t: everything goes on, the totals are summed up. */
static struct simgpu_epoch next_epoch(const struct simgpu_board *board, int64_t t) {
    struct view last = view_at(board, FOREVER);
    struct simgpu_epoch e = last.epoch;
    t = max_ns(bounded(t), e.begin_ns);
    e.energy_j += energy_within(board, &last.epoch, e.begin_ns, t);
    e.active_ns += active_within(board, &last.epoch, e.begin_ns, t);
    e.throttled_ns += throttled_within(board, &last.epoch, e.begin_ns, t);
    e.begin_ns = t;
    if (e.extra_until_ns <= t) e.extra_w = 0.0;
    return e;
}

int simgpu_board_set_limit(struct simgpu_board *board, int64_t t, double limit_w) {
    const struct simgpu_profile *p = board->profile;
    if (!(limit_w >= p->min_limit_w && limit_w <= p->max_limit_w)) return -1;
    struct simgpu_epoch e = next_epoch(board, t);
    bool own = board->item.shape == SIMGPU_REPLAY && limit_w >= p->limit_w;
    e.limit_w = own ? INFINITY : limit_w;
    return simgpu_log_append(&board->log, &e);
}

int simgpu_board_set_clock(struct simgpu_board *board, int64_t t, double share) {
    if (!(share > 0.0 && share <= 1.0)) return -1;
    struct simgpu_epoch e = next_epoch(board, t);
    e.clock = share;
    return simgpu_log_append(&board->log, &e);
}

int simgpu_board_set_demand(struct simgpu_board *board, int64_t t, double demand_w) {
    if (board->wave || !(demand_w >= 0.0 && demand_w <= 1e5)) return -1;
    struct simgpu_epoch e = next_epoch(board, t);
    e.demand_w = demand_w;
    return simgpu_log_append(&board->log, &e);
}

int simgpu_board_set_extra(struct simgpu_board *board, int64_t t, double extra_w, int64_t until) {
    if (!(extra_w >= 0.0 && extra_w <= 1e5)) return -1;
    struct simgpu_epoch e = next_epoch(board, t);
    e.extra_w = extra_w;
    e.extra_until_ns = bounded(until);
    return simgpu_log_append(&board->log, &e);
}
