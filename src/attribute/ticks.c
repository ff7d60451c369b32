#include "attribute/ticks.h"

#include <math.h>
#include <stdlib.h>

/* Changes in a stretch: enough to tell, few enough that clocks do not drift apart much. */
enum { LEAST = 24, MOST = 768 };

/* A value changed between two polls. */
typedef struct change {
    int64_t lo, hi;
} change;

typedef struct changes {
    change *list;
    size_t count, capacity;
} changes;

static bool add_block(changes *all, const jm_samples *block, double period_ns) {
    const uint8_t ours = JM_SAMPLE_CHANGED | JM_SAMPLE_GAP | JM_SAMPLE_MISSING | JM_SAMPLE_RESET;
    if (!jmi_reserve(&all->list, &all->capacity, all->count + block->count, sizeof *all->list))
        return false;
    for (size_t i = 0; i < block->count; i++)
        if ((block->flags[i] & ours) == JM_SAMPLE_CHANGED &&
            (double)block->since_ns[i] < 0.5 * period_ns)
            all->list[all->count++] =
                (change){block->t_ns[i] - (int64_t)block->since_ns[i], block->t_ns[i]};
    return true;
}

static int read_changes(changes *all, const jmi_track *track, const jm_recording *recording,
                        jm_error *error) {
    jm_cursor *cursor;
    jm_samples block;
    int status = jm_cursor_open(&cursor, recording, track->sensor, INT64_MIN, INT64_MAX, error);
    if (status != JM_OK) return status;
    while ((status = jm_cursor_next(cursor, &block)) == JM_OK)
        if (!add_block(all, &block, track->period_ns)) {
            status = jmi_fail(error, JM_MEMORY, "out of memory for a sensor's changes");
            break;
        }
    jm_cursor_close(cursor);
    return status == JM_NO_DATA ? JM_OK : status;
}

/* ---- a lattice that passes between all polls ---- */

typedef struct lattice {
    int64_t origin;
    double begin, period; /* tick k is at origin + begin + k period */
    double room;          /* it may move by so much, to and fro; negative: none fits */
    double u;             /* standard uncertainty of a tick */
} lattice;

static double number_of(const lattice *l, int64_t t) {
    return round(((double)(t - l->origin) - l->begin) / l->period);
}

/* Room for the first tick, given the period: each change leaves it between lo and hi. */
static double room_of(lattice *l, const change *list, size_t count, const double *number) {
    double low = -INFINITY, high = INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fmax(low, (double)(list[i].lo - l->origin) - number[i] * l->period);
        high = fmin(high, (double)(list[i].hi - l->origin) - number[i] * l->period);
    }
    l->begin = (low + high) / 2;
    return l->room = high - low;
}

/* Numbers of the ticks one from the other: no error of the period adds up. */
static void count_ticks(const lattice *l, const change *list, size_t count, double *number) {
    double at = 0;
    for (size_t i = 0; i < count; i++) {
        double middle = (double)(list[i].lo - l->origin) / 2 + (double)(list[i].hi - l->origin) / 2;
        number[i] = i == 0 ? 0 : number[i - 1] + round((middle - at) / l->period);
        at = middle;
    }
}

/* How much the period may differ, one way, before no lattice fits. */
static double reach_of(const lattice *l, double way, const change *list, size_t count,
                       const double *number) {
    lattice other = *l;
    double fits = 0, none = 1;
    for (bool found = false; !found && none < l->period; none *= found ? 1 : 2) {
        other.period = l->period + way * none;
        found = !(room_of(&other, list, count, number) > 0);
    }
    for (int step = 0; step < 40; step++) {
        double middle = (fits + none) / 2;
        other.period = l->period + way * middle;
        *(room_of(&other, list, count, number) > 0 ? &fits : &none) = middle;
    }
    return fits;
}

/* All lattices that fit are as likely: their mean, and how far ticks lie from it. Where there is
 * most room alone would not do, for the periods that still fit there differ, and with them ticks
 * far from its middle. */
static void centre(lattice *l, const change *list, size_t count, const double *number) {
    enum { STEPS = 32 };
    lattice at[STEPS];
    double below = reach_of(l, -1, list, count, number), span = number[count - 1];
    double all = below + reach_of(l, 1, list, count, number), w = 0, begin = 0, period = 0;
    for (int i = 0; i < STEPS; i++) {
        at[i] = *l;
        at[i].period = l->period - below + all * (i + 0.5) / STEPS;
        double room = fmax(room_of(&at[i], list, count, number), 0);
        w += at[i].room = room;
        begin += room * at[i].begin;
        period += room * at[i].period;
    }
    if (!(w > 0)) return;
    l->begin = begin / w;
    l->period = period / w;
    double square = 0;
    for (int i = 0; i < STEPS; i++) {
        double b = at[i].begin - l->begin, p = at[i].period - l->period, room = at[i].room;
        square += room * (b * b + b * p * span + p * p * span * span / 3 + room * room / 12);
    }
    l->u = sqrt(square / w);
}

/* The room is concave in the period: thirds of an interval tell where it is largest. */
static lattice find_lattice(const change *list, size_t count, double period_ns, double *number) {
    lattice l = {.origin = list[0].lo, .period = period_ns};
    count_ticks(&l, list, count, number);
    double span = number[count - 1] > 0 ? number[count - 1] : 1;
    double reach = 2 * (double)(list[0].hi - list[0].lo + list[count - 1].hi - list[count - 1].lo);
    double mean = (double)(list[count - 1].hi - list[0].hi) / span;
    double low = mean - reach / span, high = mean + reach / span;
    for (int step = 0; step < 60; step++) {
        lattice a = l, b = l;
        a.period = low + (high - low) / 3;
        b.period = high - (high - low) / 3;
        if (room_of(&a, list, count, number) < room_of(&b, list, count, number))
            low = a.period;
        else
            high = b.period;
    }
    l.period = (low + high) / 2;
    l.u = room_of(&l, list, count, number) / sqrt(12);
    if (l.room > 0) centre(&l, list, count, number);
    return l;
}

/* ---- the track ---- */

/* What a counter counted in the cells on both sides stays. */
static void move_edge(jmi_track *track, size_t i, int64_t now) {
    int64_t old = track->edge[i];
    bool before = i > 0, after = i < track->count;
    if ((before && now <= track->edge[i - 1]) || (after && now >= track->edge[i + 1])) return;
    track->edge[i] = now;
    if (!track->counter) return;
    if (before)
        track->mean_w[i - 1] *=
            (double)(old - track->edge[i - 1]) / (double)(now - track->edge[i - 1]);
    if (after)
        track->mean_w[i] *= (double)(track->edge[i + 1] - old) / (double)(track->edge[i + 1] - now);
}

/* Edges that lie near a tick are put there. Returns the first edge beyond the stretch. */
static size_t put_on(jmi_track *track, size_t first, const lattice *l, int64_t until) {
    int64_t moved_ns = (int64_t)track->moved_ns;
    size_t i = first;
    for (; i <= track->count && track->edge[i] + moved_ns <= until; i++) {
        int64_t tick = track->edge[i] + moved_ns;
        double off = (double)(tick - l->origin) - l->begin - number_of(l, tick) * l->period;
        if (fabs(off) < 0.05 * l->period) move_edge(track, i, track->edge[i] - (int64_t)off);
    }
    return i;
}

static void refine(jmi_track *track, const changes *all, double *number) {
    double square = 0, period = track->period_ns;
    size_t edge = 0, ticks = 0;
    for (size_t first = 0; first < all->count;) {
        size_t count = all->count - first < MOST + LEAST ? all->count - first : MOST;
        const change *list = all->list + first;
        double u = track->tick_u_ns;
        if (count >= LEAST) {
            lattice l = find_lattice(list, count, period, number);
            bool fits = l.room > 0 && fabs(l.period / period - 1) < 0.01;
            while (edge < track->count &&
                   track->edge[edge] + (int64_t)track->moved_ns < list[0].lo - (int64_t)period / 2)
                edge++;
            if (fits) edge = put_on(track, edge, &l, list[count - 1].hi + (int64_t)period / 2);
            if (fits) u = l.u + 1e3;
        }
        square += (double)count * u * u;
        ticks += count;
        first += count;
    }
    if (ticks > 0) track->tick_u_ns = sqrt(square / (double)ticks);
}

int jmi_ticks_refine(jmi_track *track, const jm_recording *recording, jm_error *error) {
    changes all = {.count = 0};
    if (!(track->period_ns > 4 * track->tick_u_ns) || !(track->tick_u_ns > 0)) return JM_OK;
    int status = read_changes(&all, track, recording, error);
    double *number = jmi_alloc(MOST + LEAST, sizeof *number);
    if (status == JM_OK && number == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for a sensor's changes");
    if (status == JM_OK) refine(track, &all, number);
    free(all.list);
    free(number);
    return status;
}
