#include "energy/estimate.h"

#include <math.h>

int jmi_estimator_open(jmi_estimator *estimator, const jm_recording *recording, uint32_t sensor,
                       const jmi_timeline *timeline, const jm_window *span, jm_error *error) {
    *estimator = (jmi_estimator){.timeline = timeline};
    int status = jmi_track_build(&estimator->track, recording, sensor, span, error);
    if (status != JM_OK || timeline == NULL) return status;
    status = jmi_activity_fit(&estimator->activity, timeline, &estimator->track, error);
    estimator->has_activity = status == JM_OK;
    if (status == JM_NO_DATA) status = JM_OK; /* the ranges tell nothing here */
    if (status != JM_OK) jmi_estimator_close(estimator);
    return status;
}

void jmi_estimator_close(jmi_estimator *estimator) {
    jmi_activity_free(&estimator->activity);
    jmi_track_free(&estimator->track);
}

/* Sees a share of the time only, or nobody knows how much. */
static bool part_time(const jmi_track *track) {
    if (track->counter || (track->provenance & JM_FROM_MODEL)) return false;
    return track->window_ns < 0.98 * track->cell_ns;
}

/* Below this length (ns) readings cannot tell what happened inside. */
static double resolution(const jmi_track *track) {
    if (track->blur_ns > 0) return track->blur_ns;
    return part_time(track) ? track->cell_ns : 0.6 * track->cell_ns;
}

/* Ranges resolve a window if they explain the readings and change about as often as it is long:
 * then its structure is known. Much coarser ranges say nothing of what happens inside. */
static bool ranges_resolve(jmi_estimator *e, int64_t begin, int64_t end) {
    if (!e->has_activity || e->activity.explained < 0.9) return false;
    double reach = 2 * e->track.period_ns;
    size_t from = jmi_timeline_find(e->timeline, begin - (int64_t)reach, e->line_hint);
    size_t to = jmi_timeline_find(e->timeline, end + (int64_t)reach, from);
    return to - from >= 2;
}

/* Time of the window before the track, after it, and after its last edge but before its last poll:
 * there the last mean is held until a tick would have told. */
typedef struct outside {
    double before_s, after_s, held_s;
} outside;

static outside outside_of(const jmi_track *track, int64_t begin, int64_t end) {
    outside out = {0, 0, 0};
    int64_t first = track->edge[0], last = track->edge[track->count];
    int64_t known = track->end_ns > last ? track->end_ns : last;
    if (begin < first) out.before_s = (double)((end < first ? end : first) - begin) * 1e-9;
    if (end > known) out.after_s = (double)(end - (begin > known ? begin : known)) * 1e-9;
    int64_t from = begin > last ? begin : last, to = end < known ? end : known;
    if (to > from) out.held_s = (double)(to - from) * 1e-9;
    return out;
}

static double missing_until(const jmi_track *track, const jmi_edge *edge) {
    const double *missing = track->missing_s;
    if (missing == NULL) return 0;
    double at = jmi_min(jmi_max(edge->at, 0), 1);
    return missing[edge->cell] + at * (missing[edge->cell + 1] - missing[edge->cell]);
}

/* Whether some of the window was lost with a counter's reset. */
static bool over_reset(const jmi_track *track, const jmi_edge *from, const jmi_edge *to) {
    if (track->resets == NULL) return false;
    size_t first = from->cell + (from->at >= 1), end = to->cell + (to->at > 0);
    return first < end && track->resets[end] > track->resets[first];
}

/* Whatever the readings: power lies between floor and ceiling; and where contiguous readings (one
 * or two) hold the whole window, the rest of their time took its share. */
static void find_bounds(const jmi_track *track, const jmi_edge *from, const jmi_edge *to,
                        double length_s, double cells_j, jmi_estimate *out) {
    out->lower_j = track->floor_w * length_s;
    out->upper_j = track->ceiling_w * length_s;
    if (to->cell > from->cell + 1 || track->blur_ns > 0 || from->outside || to->outside) return;
    for (size_t i = from->cell; i <= to->cell; i++)
        if ((track->seen != NULL && track->seen[i] < 1) ||
            (track->flags != NULL && track->flags[i] != 0))
            return;
    double rest = (double)(track->edge[to->cell + 1] - track->edge[from->cell]) * 1e-9 - length_s;
    double slack = 3 * (track->noise_w * (rest + length_s) + track->edge_noise_j);
    slack += 2 * track->tick_u_ns * 1e-9 * track->ceiling_w;
    out->lower_j = jmi_max(out->lower_j, cells_j - slack - track->ceiling_w * rest);
    out->upper_j = jmi_min(out->upper_j, cells_j + slack - track->floor_w * rest);
    out->upper_j = jmi_max(out->upper_j, out->lower_j); /* readings below the floor */
}

static double unseen_variance(const jmi_track *track, const jmi_edge *from, const jmi_edge *to) {
    if (track->unseen_j == NULL) return 0;
    double alike = to->unseen_j - from->unseen_j;
    double apart = (to->unseen_j2 - from->unseen_j2) * track->run;
    double cells = (double)(to->cell - from->cell);
    return cells < 1 ? jmi_min(alike * alike, to->unseen_j2 - from->unseen_j2)
                     : jmi_min(alike * alike, apart);
}

/* What a cell may hide: a load that swings within it, also one that keeps step with the sensor so
 * that its readings stand still. Power above the lowest that was seen is taken to swing by so many
 * times itself, in periods of up to a cell: a square wave on half of the time swings by twice that,
 * one whose pauses are not as deep by less. Where ranges show the swings, what they leave
 * unexplained of the readings tells how much of them is still hidden. */
static double hidden_share(const jmi_estimator *e, bool resolved) {
    double unmarked = 1.2;
    if (!resolved) return unmarked;
    return jmi_min(unmarked, 0.1 + 2.5 * sqrt(jmi_max(1 - e->activity.explained, 0)));
}

static double cell_power(jmi_estimator *e, size_t cell) {
    const jmi_track *track = &e->track;
    double power = track->mean_w[cell];
    if (!e->has_activity) return power;
    size_t a = e->line_hint, b = a;
    double to = jmi_activity_energy(&e->activity, track->edge[cell + 1], &b);
    double from = jmi_activity_energy(&e->activity, track->edge[cell], &a);
    return power + (to - from) / ((double)(track->edge[cell + 1] - track->edge[cell]) * 1e-9);
}

/* What has not shown in n readings may yet come: a share of 1 in n + 2 of the time (Laplace). */
static double surprise(const jmi_track *track) {
    return (track->ceiling_w - track->floor_w) / ((double)track->count + 2);
}

static double hidden_variance(jmi_estimator *e, const jmi_edge *from, const jmi_edge *to,
                              double length_s, bool resolved) {
    const jmi_track *track = &e->track;
    double period_s = (track->cell_ns + track->blur_ns) * 1e-9;
    double share = hidden_share(e, resolved), variance = 0;
    const jmi_edge *edges[2] = {from, to};
    double swing = 0;
    for (int i = 0; i < 2; i++) {
        const jmi_edge *edge = edges[i];
        double cell_s = (double)(track->edge[edge->cell + 1] - track->edge[edge->cell]) * 1e-9;
        double high = cell_power(e, edge->cell), low = track->lowest_w;
        if (e->has_activity) {
            high = jmi_max(high, e->activity.high_w);
            low = jmi_min(low, e->activity.low_w);
        }
        swing = share * jmi_max(high + surprise(track) - jmi_max(low, 0), 0);
        double at = jmi_min(jmi_max(edge->at, 0), 1);
        bool at_known = cell_s < 1.5 * period_s && track->blur_ns == 0;
        double split = at_known ? at * (1 - at) : 1.0 / 6;
        variance += swing * swing * period_s * period_s * split / 12;
    }
    return jmi_min(variance, swing * swing * length_s * length_s);
}

/* The lag is common to both ends: an error of it moves the window, which matters as far as power
 * differs between its ends. */
static double lag_variance(jmi_estimator *e, const jmi_edge *from, const jmi_edge *to,
                           int64_t begin, int64_t end) {
    double rise = to->power_w - from->power_w, lag = e->track.lag_u_ns * 1e-9;
    if (e->has_activity) {
        size_t a = jmi_timeline_find(e->timeline, begin, e->line_hint);
        size_t b = jmi_timeline_find(e->timeline, end, a);
        rise += e->activity.level_w[e->timeline->cls[b]] - e->activity.level_w[e->timeline->cls[a]];
    }
    return lag * lag * (rise * rise + from->step_w2 + to->step_w2);
}

static void add_outside(const jmi_estimator *e, const outside *out_of, const jmi_edge *from,
                        const jmi_edge *to, jmi_estimate *out) {
    const jmi_track *track = &e->track;
    /* before and after the track power goes on as it was at its ends */
    out->energy_j +=
        from->power_w * out_of->before_s + to->power_w * (out_of->after_s + out_of->held_s);
    double far = (track->ceiling_w - track->floor_w) * (out_of->before_s + out_of->after_s);
    double range = track->highest_w - jmi_min(track->lowest_w, track->highest_w) + surprise(track);
    double near = range * out_of->held_s;
    out->var_j2 += (far * far + near * near) / 12;
}

/* A window too short for its readings is bounded. A model bounds nothing: what it allows for is
 * then its uncertainty. */
static void judge_short(const jmi_track *track, double length_s, bool resolved, jmi_estimate *out) {
    if (resolved || length_s * 1e9 >= resolution(track)) return;
    double allowed = out->upper_j - out->lower_j;
    if (track->provenance & JM_FROM_MODEL)
        out->var_j2 += allowed * allowed / 12;
    else
        out->bound_only = true;
}

void jmi_estimate_window(jmi_estimator *e, int64_t begin, int64_t end, jmi_estimate *out) {
    const jmi_track *track = &e->track;
    double length_s = (double)(end - begin) * 1e-9;
    *out = (jmi_estimate){.length_s = length_s};
    if (!(length_s > 0)) return;
    jmi_edge from, to;
    jmi_edge_at(track, begin, &e->from_hint, &from);
    e->to_hint = e->from_hint;
    jmi_edge_at(track, end, &e->to_hint, &to);
    double missing = missing_until(track, &to) - missing_until(track, &from);
    outside out_of = outside_of(track, begin, end);
    double unknown = missing + out_of.before_s + out_of.after_s;
    out->measured = jmi_min(jmi_max(1 - unknown / length_s, 0), 1);
    out->energy_j = to.energy_j - from.energy_j;
    double cells = (double)(to.cell - from.cell);
    double cell_s = length_s / jmi_max(cells, 1);
    double noise = track->noise_w * track->noise_w * cell_s * cell_s * jmi_max(cells, 1);
    double split = jmi_edge_variance(track, &from, &to);
    double unseen = unseen_variance(track, &from, &to);
    out->var_j2 = split + noise + unseen;
    double cells_j = track->energy_j[to.cell + 1] - track->energy_j[from.cell];
    if (e->has_activity) {
        double until = jmi_activity_energy(&e->activity, begin, &e->line_hint);
        size_t hint = e->line_hint;
        out->energy_j += jmi_activity_energy(&e->activity, end, &hint) - until;
        out->common_j2 += jmi_activity_variance(&e->activity, track, begin, end, from.cell, to.cell,
                                                e->line_hint);
        out->flags |= JM_ENERGY_ACTIVITY | (e->activity.locked ? JM_ENERGY_LOCKED : 0u);
        size_t a = e->line_hint;
        cells_j += jmi_activity_energy(&e->activity, track->edge[to.cell + 1], &hint) -
                   jmi_activity_energy(&e->activity, track->edge[from.cell], &a);
    }
    bool resolved = ranges_resolve(e, begin, end);
    double hidden = hidden_variance(e, &from, &to, length_s, resolved);
    out->var_j2 += hidden;
    if (!resolved)
        out->placed_j2 = jmi_min(split, from.var_j2 + to.var_j2) + hidden +
                         unseen * jmi_min(2 / jmi_max(cells, 1), 1);
    out->common_j2 += lag_variance(e, &from, &to, begin, end);
    out->var_j2 += out->common_j2;
    add_outside(e, &out_of, &from, &to, out);
    find_bounds(track, &from, &to, length_s, cells_j, out);
    out->guessed = part_time(track) && !resolved;
    judge_short(track, length_s, resolved, out);
    out->provenance = out->measured > 0 ? track->provenance : 0;
    if (out->measured < 0.999) out->flags |= JM_ENERGY_PARTIAL;
    if (over_reset(track, &from, &to)) out->flags |= JM_ENERGY_RESET;
    out->energy_j = jmi_min(jmi_max(out->energy_j, 0), jmi_max(out->upper_j, 0));
    if (out->bound_only) out->energy_j = jmi_max(out->energy_j, out->lower_j);
}

/* From this length on a part-time sensor's mean should be right. */
static const double LONG_S = 10;

/* One of two views; that a counter began anew is true of the other's window too. */
static jmi_estimate only(const jmi_estimate *one, const jmi_estimate *other) {
    jmi_estimate out = *one;
    out.flags |= other->flags & JM_ENERGY_RESET;
    return out;
}

jmi_estimate jmi_fuse(const jmi_estimate *a, const jmi_estimate *b) {
    if (a->measured < 0.5 * b->measured) return only(b, a);
    if (b->measured < 0.5 * a->measured) return only(a, b);
    if (a->bound_only != b->bound_only) return a->bound_only ? only(b, a) : only(a, b);
    jmi_estimate out = a->guessed && !b->guessed ? *b : *a;
    bool alone = a->guessed != b->guessed;
    out.flags |= b->flags;
    out.provenance |= b->provenance;
    out.measured = jmi_max(a->measured, b->measured);
    if (out.measured >= 0.999) out.flags &= ~(uint32_t)JM_ENERGY_PARTIAL;
    out.lower_j = jmi_max(a->lower_j, b->lower_j);
    out.upper_j = jmi_max(jmi_min(a->upper_j, b->upper_j), out.lower_j);
    double va = jmi_max(a->var_j2, 1e-18), vb = jmi_max(b->var_j2, 1e-18);
    if (!alone) {
        out.energy_j = (a->energy_j / va + b->energy_j / vb) / (1 / va + 1 / vb);
        out.var_j2 = 1 / (1 / va + 1 / vb);
        double common = (sqrt(a->common_j2) / va + sqrt(b->common_j2) / vb) * out.var_j2;
        double placed = (sqrt(a->placed_j2) / va + sqrt(b->placed_j2) / vb) * out.var_j2;
        out.common_j2 = jmi_min(common * common, out.var_j2);
        out.placed_j2 = jmi_min(placed * placed, out.var_j2 - out.common_j2);
    }
    /* A guess may be far off without any conflict, while the load beats against the sensor. */
    double apart = a->energy_j - b->energy_j, slack = (alone ? 0.2 : 0.01) * out.energy_j;
    bool judged = !out.bound_only && (!alone || a->length_s >= LONG_S);
    if (judged && apart * apart > 6.6 * (va + vb) + slack * slack) {
        if (!alone) out.energy_j = (a->energy_j + b->energy_j) / 2;
        out.var_j2 = jmi_max(out.var_j2, apart * apart / 4);
        out.flags |= JM_ENERGY_CONFLICT;
    }
    if (out.bound_only) out.energy_j = jmi_min(jmi_max(out.energy_j, out.lower_j), out.upper_j);
    return out;
}
