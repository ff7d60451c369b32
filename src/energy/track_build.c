/* Samples to cells: when each value began to show, what time it speaks for, what is missing. */
#include "energy/track.h"

#include "record/recording.h"
#include "sensor/lattice.h"

#include <math.h>
#include <stdlib.h>

typedef struct builder {
    size_t expected; /* cells, roughly: pages that are not touched cost nothing */
    jmi_track *track;
    jm_sensor sensor;
    double period; /* T in ns, 0 unknown */
    bool lattice;  /* T was found in the polls, not in a table */
    double wide_u; /* sum of squared tick uncertainties, for the mean */
    size_t ticks;
    size_t late;  /* ticks that were polled more than a period after the poll before */
    int64_t tick; /* the last change of the value */
    double value; /* shown since then */
    int64_t last_poll;
    int64_t first_poll;
    int64_t last_sample; /* likewise, or a failed reading */
    bool failed;         /* that was a failed reading */
    bool started;        /* a value is there */
    double share;        /* of a period that a reading sees */
    bool ticked;         /* and the moment of a change is known */
} builder;

/* ---- the refresh period, from the brackets of the changes ---- */

enum { MOST_BRACKETS = 4096 };

typedef struct brackets {
    int64_t *lo, *hi;
    size_t count;
    double width; /* sum */
} brackets;

static void collect(brackets *b, const jm_samples *block) {
    for (size_t i = 0; i < block->count && b->count < MOST_BRACKETS; i++) {
        if ((block->flags[i] & (JM_SAMPLE_CHANGED | JM_SAMPLE_GAP | JM_SAMPLE_MISSING)) !=
            JM_SAMPLE_CHANGED)
            continue;
        b->lo[b->count] = block->t_ns[i] - (int64_t)block->since_ns[i];
        b->hi[b->count] = block->t_ns[i];
        b->width += (double)block->since_ns[i];
        b->count++;
    }
}

/* A lattice only where polls were dense enough to bracket its ticks; else the table's T. */
static void find_period(builder *b, const jm_recording *recording, uint32_t sensor,
                        const jm_window *span) {
    b->period = (double)b->sensor.refresh_ns;
    if (b->sensor.source_time) return;
    brackets all = {.lo = malloc(MOST_BRACKETS * sizeof(int64_t)),
                    .hi = malloc(MOST_BRACKETS * sizeof(int64_t))};
    jm_cursor *cursor = NULL;
    if (all.lo != NULL && all.hi != NULL &&
        jm_cursor_open(&cursor, recording, sensor, span->begin_ns, span->end_ns, NULL) == JM_OK) {
        jm_samples block;
        while (all.count < MOST_BRACKETS && jm_cursor_next(cursor, &block) == JM_OK)
            collect(&all, &block);
        jmi_lattice lattice;
        double width = all.count > 0 ? all.width / (double)all.count : 0;
        /* values that stand still hide ticks: what was measured before knows better than a guess */
        double prior = b->sensor.calibrated ? b->period : 0;
        if (jmi_lattice_fit(all.lo, all.hi, all.count, prior, &lattice) == JM_OK &&
            width < 0.5 * lattice.period_ns) {
            b->period = lattice.period_ns;
            b->lattice = true;
        }
    }
    jm_cursor_close(cursor);
    free(all.lo);
    free(all.hi);
}

/* ---- one sample after the other ---- */

/* The moment of a change: where the lattice expects it if that lies in the bracket, else the
 * nearest end of the bracket; without a lattice the middle. */
static int64_t tick_of(builder *b, int64_t t, uint32_t since, double *u) {
    if (b->sensor.source_time) {
        *u = 0;
        return t;
    }
    double width = (double)since;
    if (b->lattice && b->ticked && width >= b->period && width < 20 * b->period) {
        double steps = floor((double)(t - b->tick) / b->period); /* late: the lattice goes on */
        *u = 0.02 * b->period;
        return b->tick + (int64_t)(steps * b->period);
    }
    if (b->period > 0 && width >= b->period) { /* polled too seldom: within the last T */
        *u = b->period / sqrt(12);
        return t - (int64_t)(b->period / 2);
    }
    if (!b->ticked || !(b->period > 0)) {
        *u = width / sqrt(12);
        return t - (int64_t)since / 2;
    }
    double steps = nearbyint(((double)(t - b->tick) - 0.5 * width) / b->period);
    int64_t expected = b->tick + (int64_t)(fmax(steps, 1) * b->period);
    int64_t lo = t - (int64_t)since, hi = t;
    *u = fmin(width / sqrt(12), fmax(width / 6, 0.003 * b->period));
    if (expected < lo) return lo + (int64_t)(0.1 * width);
    if (expected > hi) return hi - (int64_t)(0.1 * width);
    /* a weak pull to the middle keeps the lattice from running along an end */
    return expected + (int64_t)(0.05 * ((double)lo + width / 2 - (double)expected));
}

static double seen_share(const builder *b, int64_t from, int64_t to) {
    if (b->sensor.counter || b->sensor.window_ns == 0) return 1;
    double length = (double)(to - from), window = (double)b->sensor.window_ns;
    return window >= 0.98 * length ? 1 : window / length;
}

static bool add(builder *b, int64_t end, double mean, double seen, uint8_t flags) {
    return jmi_track_add(b->track, end, mean, seen, flags);
}

/* Begins the track: the first value that was found had ticked some time before it was polled. */
static bool begin_at(builder *b, int64_t edge) {
    if (b->track->edge != NULL) return true;
    size_t capacity = b->track->capacity = b->expected > 64 ? b->expected : 64;
    b->track->edge = malloc((capacity + 1) * sizeof *b->track->edge);
    b->track->mean_w = malloc(capacity * sizeof *b->track->mean_w);
    if (b->track->edge == NULL || b->track->mean_w == NULL) return false;
    jmi_use_large_pages(b->track->edge, (capacity + 1) * sizeof *b->track->edge);
    jmi_use_large_pages(b->track->mean_w, capacity * sizeof *b->track->mean_w);
    b->track->edge[0] = edge;
    return true;
}

/* The first change tells when the value before it must have ticked: whole periods earlier. */
static int64_t tick_before(const builder *b, int64_t tick) {
    if (!(b->period > 0)) return b->first_poll;
    double periods = ceil((double)(tick - b->first_poll) / b->period);
    return tick - (int64_t)(fmax(periods, 1) * b->period);
}

/* Periods from the last tick on in which a gauge kept its value. A part-time one saw a share of
 * each of them, not the last of them all: then each is a cell. */
static bool add_held(builder *b, double periods) {
    static const double most = 1e6;
    double share = b->share, each = share < 1 && periods <= most ? 1 : periods;
    for (double k = each; k <= periods; k += each)
        if (!add(b, b->tick + (int64_t)(k * b->period), b->value, share, 0)) return false;
    return true;
}

/* A gauge that kept its value over several periods ticked unseen: the same value again. It changed
 * at `tick`; the poll before, at `seen`, still saw the old value. */
static bool hold(builder *b, int64_t tick, int64_t seen, bool dense) {
    if (b->sensor.counter) return true;
    if (!(b->period > 0)) /* its rhythm is not known: held for longer than between two polls? */
        return seen - b->tick <= tick - seen || add(b, seen, b->value, 1, 0);
    double periods = dense ? floor((double)(tick - b->tick) / b->period + 0.25) - 1
                           : floor((double)(seen - b->tick) / b->period);
    return periods < 1 || add_held(b, periods);
}

/* What most samples are: the next tick of a lattice, where it is expected. */
static bool on_next_tick(builder *b, int64_t t, double value, uint32_t since) {
    if (!b->lattice || !b->ticked || b->track->count + 1 >= b->track->capacity) return false;
    int64_t expected = b->tick + (int64_t)b->period, lo = t - (int64_t)since;
    if (expected < lo || expected > t || (double)since >= b->period) return false;
    jmi_track *track = b->track;
    size_t cell = track->count;
    int64_t tick = expected + (int64_t)(0.05 * ((double)(lo - expected) + 0.5 * (double)since));
    if (tick <= track->edge[cell] || track->seen != NULL || track->flags != NULL) return false;
    if (b->share < 1) return false;
    track->edge[cell + 1] = tick;
    track->mean_w[cell] =
        b->sensor.counter ? (value - b->value) / ((double)(tick - b->tick) * 1e-9) : value;
    track->count++;
    double u = jmi_min((double)since / 3.4641, jmi_max((double)since / 6, 0.003 * b->period));
    b->wide_u += u * u;
    b->ticks++;
    b->tick = tick;
    b->value = value;
    return true;
}

static bool on_change(builder *b, int64_t t, double value, uint32_t since) {
    if (on_next_tick(b, t, value, since)) return true;
    double u;
    int64_t tick = tick_of(b, t, since, &u);
    b->wide_u += u * u;
    b->ticks++;
    b->late += b->period > 0 && (double)since >= b->period;
    if (!b->ticked) {
        b->tick = tick_before(b, tick);
        int64_t before = b->tick - (int64_t)(b->sensor.counter ? 0 : b->period);
        if (!begin_at(b, before)) return false;
        if (!b->sensor.counter && b->period > 0 &&
            !add(b, b->tick, b->value, seen_share(b, before, b->tick), 0))
            return false;
        b->ticked = true;
    }
    if (tick <= b->tick) tick = b->tick + 1;
    double length = (double)(tick - b->tick) * 1e-9;
    bool dense = b->period > 0 && (double)since < b->period;
    if (!hold(b, tick, t - (int64_t)since, dense)) return false;
    int64_t from = b->track->edge[b->track->count];
    double mean = b->sensor.counter ? (value - b->value) / length : value;
    if (!add(b, tick, mean, seen_share(b, from, tick), 0)) return false;
    b->tick = tick;
    b->value = value;
    return true;
}

/* A counter that missed several ticks had nothing to count (its device went off); one is late. */
static bool counter_stood_still(builder *b, int64_t until) {
    const jmi_track *track = b->track;
    double usual = track->count > 0 ? (double)(b->tick - track->edge[0]) / (double)track->count : 0;
    double still = (double)(until - b->tick), most = 3 * fmax(usual, b->period);
    return !(most > 0 && still > most) || add(b, until, 0, 1, 0);
}

/* Up to the last poll: periods in which the value stood still. */
static bool close_stretch(builder *b, int64_t until) {
    if (!b->started) return true;
    if (!b->ticked) { /* it never changed: a constant, or a counter that stood still */
        int64_t from = b->first_poll - (int64_t)(b->sensor.counter ? 0 : b->period);
        if (!begin_at(b, from)) return false;
        if (b->sensor.counter) return add(b, until, 0, 1, 0);
        b->tick = from;
        double periods = b->period > 0 ? floor((double)(until - from) / b->period) : 0;
        if (periods >= 1 && !add_held(b, periods)) return false;
        return add(b, until, b->value, b->period > 0 ? b->share : 1, 0);
    }
    if (b->sensor.counter) return counter_stood_still(b, until);
    if (!(b->period > 0)) return add(b, until, b->value, 1, 0);
    double periods = floor((double)(until - b->tick) / b->period - 0.1);
    return periods < 1 || add_held(b, periods);
}

/* The first gap of a counter that was not seen to tick: it began where it was first polled. */
static bool begin_counter(builder *b) {
    if (!begin_at(b, b->first_poll)) return false;
    b->ticked = true;
    b->tick = b->first_poll;
    bool still = b->period > 0 && (double)(b->last_poll - b->first_poll) >= b->period;
    if (!still) return true;
    b->tick = b->last_poll;
    return add(b, b->last_poll, 0, 1, 0);
}

/* A gap. A counter bridges it (what it counted was counted); a gauge knows nothing of it. */
static bool on_gap(builder *b, int64_t t, double value, bool reset) {
    if (b->sensor.counter && !reset) {
        if (!b->ticked && !begin_counter(b)) return false;
        double length = (double)(t - b->tick) * 1e-9;
        bool ok = length <= 0 || add(b, t, (value - b->value) / length, 1, 0);
        b->tick = t;
        b->value = value;
        return ok;
    }
    if (!close_stretch(b, b->last_poll) || !begin_at(b, b->last_poll)) return false;
    double first = b->sensor.counter ? 0 : value;
    double last = b->track->count > 0 ? b->track->mean_w[b->track->count - 1] : first;
    int64_t until = t - (int64_t)(b->sensor.counter ? 0 : b->period);
    if (!add(b, until, last, 0, reset ? JMI_CELL_RESET : JMI_CELL_MISSING)) return false;
    b->ticked = true; /* a new lattice phase, from here */
    b->tick = t;
    b->value = value;
    return b->sensor.counter || add(b, t, value, seen_share(b, until, t), 0);
}

static bool on_sample(builder *b, int64_t t, double value, uint32_t since, uint8_t flags) {
    /* polls are not farther apart than samples; who knows no `since` may say any */
    int64_t passed = t - b->last_sample;
    if (b->started && passed < (int64_t)since) since = (uint32_t)passed;
    b->last_sample = t;
    if (flags & JM_SAMPLE_MISSING) {
        b->failed = true;
        return true;
    }
    if (b->failed) flags |= JM_SAMPLE_GAP; /* traces made elsewhere may not say so */
    if (b->sensor.counter && b->started && value < b->value) flags |= JM_SAMPLE_RESET;
    b->failed = false;
    bool ok = true;
    if (!b->started) {
        b->started = true;
        b->first_poll = t;
        b->track->begin_ns = t;
        b->value = value;
    } else if (flags & (JM_SAMPLE_GAP | JM_SAMPLE_RESET)) {
        ok = on_gap(b, t, value, (flags & JM_SAMPLE_RESET) != 0);
    } else if ((flags & JM_SAMPLE_CHANGED) || b->sensor.source_time) {
        ok = on_change(b, t, value, since);
    }
    b->last_poll = t;
    return ok;
}

/* ---- what the readings say of the sensor ---- */

/* The quietest 32 neighbours: their differences are the sensor's noise, at most. */
static double quiet_noise(const jmi_track *track) {
    double best = INFINITY;
    for (size_t i = 1; i + 32 <= track->count; i += 16) {
        double squares = 0;
        for (size_t j = i; j < i + 32; j++) {
            double d = track->mean_w[j] - track->mean_w[j - 1];
            squares += d * d;
        }
        best = fmin(best, squares / 64);
    }
    return isfinite(best) ? sqrt(best) : 0;
}

static void shift_edges(jmi_track *track, double by_ns) {
    int64_t by = (int64_t)by_ns;
    for (size_t i = 0; i <= track->count; i++) track->edge[i] -= by;
}

static void describe(builder *b, const jm_device *device) {
    jmi_track *track = b->track;
    const jm_sensor *sensor = &b->sensor;
    track->counter = sensor->counter;
    track->period_ns = b->period;
    track->window_ns = (double)sensor->window_ns;
    track->cell_ns = b->period;
    if (!(b->period > 0) || 2 * b->late > b->ticks)
        track->cell_ns =
            (double)(track->edge[track->count] - track->edge[0]) / (double)track->count;
    double blur = sensor->counter ? 0 : (double)sensor->window_ns - b->period;
    track->blur_ns = blur > 0.5 * b->period && b->period > 0 ? blur : 0;
    /* A reading speaks for the W before it: its middle lies (W - T) / 2 earlier than the cell's. */
    track->end_ns = b->last_poll;
    track->moved_ns = (double)sensor->lag_ns + track->blur_ns / 2;
    shift_edges(track, track->moved_ns);
    track->tick_u_ns = b->ticks > 0 ? sqrt(b->wide_u / (double)b->ticks) : b->period / sqrt(12);
    track->lag_u_ns = sensor->calibrated ? 0.01 * b->period : 0.1 * b->period;
    double quantum = sensor->quantum / sqrt(12);
    if (sensor->counter) {
        track->edge_noise_j = hypot(quantum, sensor->noise);
    } else {
        double quiet = quiet_noise(track);
        track->noise_w = hypot(sensor->noise > 0 ? sensor->noise : quiet, quantum);
    }
    track->lowest_w = track->count > 0 ? track->mean_w[0] : 0;
    for (size_t i = 0; i < track->count; i++) {
        track->highest_w = jmi_max(track->highest_w, track->mean_w[i]);
        track->lowest_w = jmi_min(track->lowest_w, track->mean_w[i]);
    }
    /* Idle may not have been seen: boards idle at about 10 % of their limit. */
    if (device->power_limit_w > 0)
        track->lowest_w = fmin(track->lowest_w, 0.10 * device->power_limit_w);
    track->floor_w = device->power_floor_w;
    /* Boards overshoot their limit for milliseconds. */
    track->ceiling_w = fmax(1.2 * device->power_limit_w, 1.25 * track->highest_w);
    if (!(device->power_limit_w > 0)) track->ceiling_w = fmax(2 * track->highest_w, 1);
    track->ceiling_w = fmax(track->ceiling_w, track->floor_w);
    track->provenance = sensor->modelled  ? JM_FROM_MODEL
                        : sensor->counter ? JM_FROM_COUNTER
                                          : JM_FROM_POWER;
    if (device->simulated) track->provenance |= JM_FROM_SIMULATION;
}

static int build(builder *b, const jm_recording *recording, uint32_t sensor, const jm_window *span,
                 jm_error *error) {
    jm_cursor *cursor;
    int status = jm_cursor_open(&cursor, recording, sensor, span->begin_ns, span->end_ns, error);
    if (status != JM_OK) return status;
    jm_samples block;
    bool ok = true;
    if (span->begin_ns == INT64_MIN && span->end_ns == INT64_MAX)
        b->expected = jmi_cursor_total(cursor);
    while (ok && (status = jm_cursor_next(cursor, &block)) == JM_OK)
        for (size_t i = 0; ok && i < block.count; i++)
            ok = on_sample(b, block.t_ns[i], block.value[i], block.since_ns[i], block.flags[i]);
    jm_cursor_close(cursor);
    if (ok && status == JM_NO_DATA) ok = close_stretch(b, b->last_poll);
    if (!ok) return jmi_fail(error, JM_MEMORY, "out of memory for the samples of a sensor");
    if (status != JM_NO_DATA) return jmi_fail(error, status, "cannot read the samples of a sensor");
    return JM_OK;
}

int jmi_track_build(jmi_track *track, const jm_recording *recording, uint32_t sensor,
                    const jm_window *span, jm_error *error) {
    static const jm_window always = {INT64_MIN, INT64_MAX};
    if (span == NULL) span = &always;
    *track = (jmi_track){.run = 1, .sensor = sensor};
    builder b = {.track = track, .sensor = {.size = sizeof b.sensor}};
    jm_device device = {.size = sizeof device};
    int status = jm_recording_sensor(recording, sensor, &b.sensor);
    if (status == JM_OK) status = jm_recording_device(recording, b.sensor.device, &device);
    if (status != JM_OK) return jmi_fail(error, status, "there is no sensor %u", sensor);
    find_period(&b, recording, sensor, span);
    b.share = seen_share(&b, 0, (int64_t)b.period);
    status = build(&b, recording, sensor, span, error);
    if (status == JM_OK && track->count == 0)
        status = jmi_fail(error, JM_NO_DATA, "%s has no usable value", b.sensor.source);
    if (status == JM_OK) {
        describe(&b, &device);
        if (jmi_track_sum(track) != JM_OK) status = jmi_fail(error, JM_MEMORY, "out of memory");
    }
    if (status != JM_OK) jmi_track_free(track);
    return status;
}
