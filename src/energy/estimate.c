#include "energy/estimate.h"

#include <math.h>

int jmi_estimator_open(jmi_estimator *estimator, const jm_recording *recording, uint32_t sensor,
                       bool use_activity, jm_error *error) {
    *estimator = (jmi_estimator){0};
    int status = jmi_track_build(&estimator->track, recording, sensor, error);
    if (status != JM_OK || !use_activity) return status;
    status = jmi_timeline_build(&estimator->timeline, recording, error);
    if (status == JM_OK)
        status =
            jmi_activity_fit(&estimator->activity, &estimator->timeline, &estimator->track, error);
    estimator->has_activity = status == JM_OK;
    if (status == JM_NO_DATA) status = JM_OK; /* no ranges, or none that tell anything */
    if (status != JM_OK) jmi_estimator_close(estimator);
    return status;
}

void jmi_estimator_close(jmi_estimator *estimator) {
    jmi_activity_free(&estimator->activity);
    jmi_timeline_free(&estimator->timeline);
    jmi_track_free(&estimator->track);
}

static bool part_time(const jmi_track *track) {
    return !track->counter && track->window_ns > 0 && track->window_ns < 0.98 * track->cell_ns;
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
    size_t from = jmi_timeline_find(&e->timeline, begin - (int64_t)reach, e->line_hint);
    size_t to = jmi_timeline_find(&e->timeline, end + (int64_t)reach, from);
    return to - from >= 2;
}

static double outside_s(const jmi_track *track, int64_t begin, int64_t end) {
    double before = (double)(track->edge[0] - begin),
           after = (double)(end - track->edge[track->count]);
    double length = (double)(end - begin);
    return (fmin(fmax(before, 0), length) + fmin(fmax(after, 0), length)) * 1e-9;
}

static double missing_until(const jmi_track *track, const jmi_edge *edge) {
    const double *missing = track->missing_s;
    if (missing == NULL) return 0;
    double at = fmin(fmax(edge->at, 0), 1);
    return missing[edge->cell] + at * (missing[edge->cell + 1] - missing[edge->cell]);
}

/* Whatever the readings: power lies between floor and ceiling; and where a contiguous reading
 * holds the whole window, the rest of its cell took its share. */
static void find_bounds(const jmi_track *track, const jmi_edge *from, const jmi_edge *to,
                        double length_s, double cell_j, jmi_estimate *out) {
    out->lower_j = track->floor_w * length_s;
    out->upper_j = track->ceiling_w * length_s;
    if (from->cell != to->cell || track->blur_ns > 0 || from->outside || to->outside) return;
    if ((track->seen != NULL && track->seen[from->cell] < 1) ||
        (track->flags != NULL && track->flags[from->cell] != 0))
        return;
    double rest = (double)(track->edge[from->cell + 1] - track->edge[from->cell]) * 1e-9 - length_s;
    double slack = 3 * (track->noise_w * (rest + length_s) + track->edge_noise_j);
    slack += 2 * track->tick_u_ns * 1e-9 * track->ceiling_w;
    out->lower_j = fmax(out->lower_j, cell_j - slack - track->ceiling_w * rest);
    out->upper_j = fmin(out->upper_j, cell_j + slack - track->floor_w * rest);
}

static double unseen_variance(const jmi_track *track, const jmi_edge *from, const jmi_edge *to) {
    if (track->unseen_j == NULL) return 0;
    double alike = to->unseen_j - from->unseen_j;
    double apart = (to->unseen_j2 - from->unseen_j2) * track->run;
    double cells = (double)(to->cell - from->cell);
    return cells < 1 ? fmin(alike * alike, to->unseen_j2 - from->unseen_j2)
                     : fmin(alike * alike, apart);
}

/* What a cell may hide: a load that swings within it, also one that keeps step with the sensor so
 * that its readings stand still. Power above the lowest that was seen is taken to swing by this
 * share of itself, in periods of up to a cell. Where ranges show the swings, what they leave
 * unexplained of the readings tells how much of them is still hidden. */
static double hidden_share(const jmi_estimator *e, bool resolved) {
    double unmarked = 0.9;
    if (!resolved) return unmarked;
    return fmin(unmarked, 0.1 + 2.5 * sqrt(fmax(1 - e->activity.explained, 0)));
}

static double cell_power(jmi_estimator *e, size_t cell) {
    const jmi_track *track = &e->track;
    double power = track->mean_w[cell];
    if (!e->has_activity) return power;
    const double *level = e->activity.level_w;
    size_t a = e->line_hint, b = a;
    double to = jmi_timeline_energy(&e->timeline, level, track->edge[cell + 1], &b);
    double from = jmi_timeline_energy(&e->timeline, level, track->edge[cell], &a);
    return power + (to - from) / ((double)(track->edge[cell + 1] - track->edge[cell]) * 1e-9);
}

static double hidden_variance(jmi_estimator *e, const jmi_edge *from, const jmi_edge *to,
                              double length_s, bool resolved) {
    const jmi_track *track = &e->track;
    double period_s = track->cell_ns * 1e-9, share = hidden_share(e, resolved), variance = 0;
    const jmi_edge *edges[2] = {from, to};
    double swing = 0;
    for (int i = 0; i < 2; i++) {
        const jmi_edge *edge = edges[i];
        double cell_s = (double)(track->edge[edge->cell + 1] - track->edge[edge->cell]) * 1e-9;
        double high = cell_power(e, edge->cell), low = track->lowest_w;
        if (e->has_activity) {
            high = fmax(high, e->activity.high_w);
            low = fmin(low, e->activity.low_w);
        }
        swing = share * fmax(high - fmax(low, 0), 0);
        double at = fmin(fmax(edge->at, 0), 1);
        double split = cell_s < 1.5 * period_s ? at * (1 - at) : 1.0 / 6;
        variance += swing * swing * period_s * period_s * split / 12;
    }
    return fmin(variance, swing * swing * length_s * length_s);
}

/* The lag is common to both ends: an error of it moves the window, which matters as far as power
 * differs between its ends. */
static double lag_variance(jmi_estimator *e, const jmi_edge *from, const jmi_edge *to,
                           int64_t begin, int64_t end) {
    double rise = to->power_w - from->power_w, lag = e->track.lag_u_ns * 1e-9;
    if (e->has_activity) {
        size_t a = jmi_timeline_find(&e->timeline, begin, e->line_hint);
        size_t b = jmi_timeline_find(&e->timeline, end, a);
        rise += e->activity.level_w[e->timeline.cls[b]] - e->activity.level_w[e->timeline.cls[a]];
    }
    return lag * lag * (rise * rise + from->step_w2 + to->step_w2);
}

static void add_outside(const jmi_track *track, double outside, jmi_estimate *out) {
    if (outside <= 0) return;
    double range = (track->ceiling_w - track->floor_w) * outside / sqrt(12);
    out->var_j2 += range * range;
}

void jmi_estimate_window(jmi_estimator *e, int64_t begin, int64_t end, jmi_estimate *out) {
    const jmi_track *track = &e->track;
    double length_s = (double)(end - begin) * 1e-9;
    *out = (jmi_estimate){0};
    if (!(length_s > 0)) return;
    jmi_edge from, to;
    jmi_edge_at(track, begin, &e->from_hint, &from);
    e->to_hint = e->from_hint;
    jmi_edge_at(track, end, &e->to_hint, &to);
    double missing = missing_until(track, &to) - missing_until(track, &from);
    double outside = outside_s(track, begin, end);
    out->measured = fmin(fmax(1 - (missing + outside) / length_s, 0), 1);
    out->energy_j = to.energy_j - from.energy_j;
    /* before and after the track power goes on as it was at its end */
    if (from.outside && from.at < 0)
        out->energy_j += from.power_w * fmin((double)(track->edge[0] - begin) * 1e-9, length_s);
    if (to.outside && to.at > 1)
        out->energy_j +=
            to.power_w * fmin((double)(end - track->edge[track->count]) * 1e-9, length_s);
    double cells = (double)(to.cell - from.cell);
    double cell_s = length_s / fmax(cells, 1);
    double noise = track->noise_w * track->noise_w * cell_s * cell_s * fmax(cells, 1);
    out->var_j2 = jmi_edge_variance(track, &from, &to) + noise + unseen_variance(track, &from, &to);
    double cell_j = track->energy_j[from.cell + 1] - track->energy_j[from.cell];
    if (e->has_activity) {
        const double *level = e->activity.level_w;
        double until = jmi_timeline_energy(&e->timeline, level, begin, &e->line_hint);
        size_t hint = e->line_hint;
        out->energy_j += jmi_timeline_energy(&e->timeline, level, end, &hint) - until;
        out->var_j2 += jmi_activity_variance(&e->activity, track, begin, end, from.cell, to.cell);
        out->flags |= JM_ENERGY_ACTIVITY | (e->activity.locked ? JM_ENERGY_LOCKED : 0u);
        size_t a = e->line_hint;
        cell_j += jmi_timeline_energy(&e->timeline, level, track->edge[from.cell + 1], &hint) -
                  jmi_timeline_energy(&e->timeline, level, track->edge[from.cell], &a);
    }
    bool resolved = ranges_resolve(e, begin, end);
    out->var_j2 += hidden_variance(e, &from, &to, length_s, resolved);
    out->var_j2 += lag_variance(e, &from, &to, begin, end);
    add_outside(track, outside, out);
    find_bounds(track, &from, &to, length_s, cell_j, out);
    out->guessed = part_time(track) && !resolved;
    out->bound_only = length_s * 1e9 < resolution(track) && !ranges_resolve(e, begin, end);
    out->provenance = out->measured > 0 ? track->provenance : 0;
    if (out->measured < 0.999) out->flags |= JM_ENERGY_PARTIAL;
    out->energy_j = fmin(fmax(out->energy_j, 0), fmax(out->upper_j, 0));
}

jmi_estimate jmi_fuse(const jmi_estimate *a, const jmi_estimate *b) {
    if (a->measured < 0.5 * b->measured) return *b;
    if (b->measured < 0.5 * a->measured) return *a;
    if (a->bound_only != b->bound_only) return a->bound_only ? *b : *a;
    jmi_estimate out = a->guessed && !b->guessed ? *b : *a;
    bool alone = a->guessed != b->guessed;
    out.flags |= b->flags;
    out.provenance |= b->provenance;
    out.measured = fmax(a->measured, b->measured);
    out.lower_j = fmax(a->lower_j, b->lower_j);
    out.upper_j = fmax(fmin(a->upper_j, b->upper_j), out.lower_j);
    double va = fmax(a->var_j2, 1e-18), vb = fmax(b->var_j2, 1e-18);
    if (!alone) {
        out.energy_j = (a->energy_j / va + b->energy_j / vb) / (1 / va + 1 / vb);
        out.var_j2 = 1 / (1 / va + 1 / vb);
    }
    /* a guess may be far off without any conflict */
    double apart = a->energy_j - b->energy_j, slack = (alone ? 0.2 : 0.01) * out.energy_j;
    if (!out.bound_only && apart * apart > 6.6 * (va + vb) + slack * slack) {
        if (!alone) out.energy_j = (a->energy_j + b->energy_j) / 2;
        out.var_j2 = fmax(out.var_j2, apart * apart / 4);
        out.flags |= JM_ENERGY_CONFLICT;
    }
    return out;
}
