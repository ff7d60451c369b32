/* Energies of many windows as one figure, and of every range of a recording. */
#include "energy/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sums of windows ---- */

typedef struct tally {
    double energy_j, measured_s, duration_s;
    double var_j2;           /* of what errs apart in each window */
    double common_j;         /* standard deviation of what errs alike in all: lag and levels */
    double placed_j;         /* of what errs alike in windows that lie alike to the load */
    double around_j;         /* of the same, from the gaps between windows; see add_gap */
    jm_window hull;          /* from the first window's begin to the last one's end */
    double last_placed_j;    /* of the last window */
    bool disordered;         /* windows do not come one after the other */
    double lower_j, upper_j; /* of windows that are bounded only; others add their estimate ... */
    double estimated_var_j2; /* ... and its variance */
    double least_j, most_j;  /* whatever the readings, by the device's floor and ceiling */
    size_t windows, bounded;
    uint32_t provenance, flags;
} tally;

/* From so many short windows on, what each hides is a sample of the same load. */
enum { ENOUGH = 16 };

/* Batches begin where the load does: what the readings do not show of one they do not show of any,
 * and the error of their sum is as many times that of one. But all of the time less the gaps is the
 * same sum: where gaps are short, as between the steps of a loop, little can hide in them. */
static void add_gap(tally *sum, const jmi_views *views, const jm_window *window, double placed_j) {
    const jmi_track *track = &views->view[0].track;
    double gap_s = (double)(window->begin_ns - sum->hull.end_ns) * 1e-9;
    sum->disordered |= gap_s < 0;
    double anything = (track->ceiling_w - track->floor_w) / sqrt(12) * gap_s;
    /* a long gap is no better known than the windows beside it, for they share their edges */
    sum->around_j += fmin(anything, (sum->last_placed_j + placed_j) / 2);
}

static void add_placed(tally *sum, const jmi_views *views, const jm_window *window,
                       double placed_j) {
    if (sum->windows == 0)
        sum->hull = *window;
    else
        add_gap(sum, views, window, placed_j);
    sum->hull.end_ns = window->end_ns;
    sum->placed_j += placed_j;
    sum->last_placed_j = placed_j;
}

/* Standard uncertainty of what errs apart and alike. Windows that lie one after the other are part
 * of the time from the first to the last: together they take no more, and no less than nothing. */
static double random_of(const tally *sum, jmi_views *views) {
    double placed = sum->placed_j, most = (sum->most_j - sum->least_j) / 2;
    if (!sum->disordered && sum->windows > 1) {
        jmi_estimate hull = jmi_views_estimate(views, &sum->hull);
        placed = fmin(placed, sqrt(hull.placed_j2) + sum->around_j);
        double farthest = fmax(hull.energy_j - sum->energy_j, sum->energy_j);
        most = fmin(most, farthest / 1.96 + sqrt(hull.var_j2));
    }
    return fmin(hypot(sqrt(sum->var_j2), hypot(sum->common_j, placed)), most);
}

static void add_window(tally *sum, jmi_views *views, const jm_window *window) {
    double duration = (double)(window->end_ns - window->begin_ns) * 1e-9;
    if (!(duration > 0)) return;
    jmi_estimate e = jmi_views_estimate(views, window);
    double most = fmax(e.upper_j - e.lower_j, 0) / 2; /* nothing errs by more */
    add_placed(sum, views, window, fmin(sqrt(e.placed_j2), most));
    sum->windows++;
    sum->duration_s += duration;
    sum->measured_s += e.measured * duration;
    sum->energy_j += e.energy_j;
    sum->var_j2 += fmin(fmax(e.var_j2 - e.common_j2 - e.placed_j2, 0), most * most);
    sum->common_j += fmin(sqrt(e.common_j2), most);
    sum->least_j += e.lower_j;
    sum->most_j += e.upper_j;
    sum->bounded += e.bound_only;
    if (!e.bound_only) sum->estimated_var_j2 += e.var_j2;
    sum->lower_j += e.bound_only ? e.lower_j : e.energy_j;
    sum->upper_j += e.bound_only ? e.upper_j : e.energy_j;
    sum->provenance |= e.provenance;
    sum->flags |= e.flags;
}

static void tally_energy(const tally *sum, jmi_views *views, jm_energy *out) {
    *out = (jm_energy){.duration_s = sum->duration_s,
                       .energy_j = sum->energy_j,
                       .u_random_j = random_of(sum, views),
                       .provenance = sum->provenance,
                       .flags = sum->flags};
    out->measured = sum->duration_s > 0 ? sum->measured_s / sum->duration_s : 1;
    out->u_systematic_j =
        jmi_systematic(views->gain_u, views->offset_u_w, out->energy_j, out->duration_s);
    /* windows that keep step with the sensor hide the same each time */
    bool alike = (sum->flags & JM_ENERGY_LOCKED) != 0;
    if (sum->bounded > 0 && (sum->windows < ENOUGH || alike)) {
        out->provenance |= JM_BOUND_ONLY;
        double reach = 1.96 * sqrt(sum->estimated_var_j2);
        out->lower_j = fmax(sum->lower_j - reach, 0);
        out->upper_j = sum->upper_j + reach;
    }
    if (sum->measured_s > 0 || sum->windows == 0)
        jmi_energy_finish(out, 2 * views->gain_u);
    else
        jmi_energy_unmeasured(out, views, sum->flags);
}

/* What the caller hands over, for one device after the other. */
typedef struct request {
    const jm_recording *recording;
    const jm_window *windows;
    const uint32_t *group;
    size_t count, groups;
    const jm_energy_options *options;
    tally *tallies; /* groups, scratch */
} request;

static int device_groups(const request *r, uint32_t device, jm_energy *out, jm_error *error) {
    jmi_views *views = malloc(sizeof *views);
    if (views == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jmi_views_open(views, r->recording, device, r->options, error);
    if (status == JM_OK) {
        memset(r->tallies, 0, r->groups * sizeof *r->tallies);
        for (size_t i = 0; i < r->count; i++)
            add_window(&r->tallies[r->group != NULL ? r->group[i] : 0], views, &r->windows[i]);
        for (size_t g = 0; g < r->groups; g++) tally_energy(&r->tallies[g], views, &out[g]);
        jmi_views_close(views);
    }
    free(views);
    return status;
}

static int sum_groups(const request *r, uint32_t which, jm_energy *out, jm_error *error) {
    jm_energy *part = malloc((r->groups + 1) * sizeof *part);
    if (part == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    bool first = true;
    int status = JM_OK;
    for (uint32_t d = 0; d < jm_recording_device_count(r->recording); d++) {
        if (!jmi_device_is_part(r->recording, d, which)) continue;
        status = device_groups(r, d, part, error);
        if (status == JM_NO_DATA) continue;
        if (status != JM_OK) break;
        for (size_t g = 0; g < r->groups; g++) jmi_energy_add(&out[g], &part[g], first);
        first = false;
    }
    free(part);
    if (status != JM_OK && status != JM_NO_DATA) return status;
    if (first) return jmi_fail(error, JM_NO_DATA, "no device has a reading of power or energy");
    for (size_t g = 0; g < r->groups; g++) jmi_energy_finish(&out[g], 0);
    return JM_OK;
}

static bool groups_in_range(const uint32_t *group, size_t count, size_t groups) {
    for (size_t i = 0; group != NULL && i < count; i++)
        if (group[i] >= groups) return false;
    return group != NULL || groups > 0 || count == 0;
}

int jm_energy_groups(const jm_recording *recording, uint32_t device, const jm_window *windows,
                     const uint32_t *group, size_t count, const jm_energy_options *options,
                     jm_energy *out, size_t groups, jm_error *error) {
    jm_energy_options ours;
    if (recording == NULL || (groups > 0 && out == NULL) || (count > 0 && windows == NULL))
        return jmi_fail(error, JM_INVALID, "recording, windows and out must not be NULL");
    if (!groups_in_range(group, count, groups))
        return jmi_fail(error, JM_INVALID, "a window is in none of the %zu groups", groups);
    int status = jmi_windows_check(windows, count, error);
    if (status == JM_OK) status = jmi_energy_options_take(&ours, options, error);
    if (status != JM_OK) return status;
    request r = {recording, windows, group, count, groups, &ours, NULL};
    r.tallies = malloc((groups + 1) * sizeof *r.tallies);
    if (r.tallies == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    status = device >= JM_DEVICE_GPUS ? sum_groups(&r, device, out, error)
                                      : device_groups(&r, device, out, error);
    free(r.tallies);
    return status;
}

int jm_energy_sum(const jm_recording *recording, uint32_t device, const jm_window *windows,
                  size_t count, const jm_energy_options *options, jm_energy *out, jm_error *error) {
    return jm_energy_groups(recording, device, windows, NULL, count, options, out, 1, error);
}

/* ---- ranges ---- */

int jm_energy_ranges(const jm_recording *recording, uint32_t device,
                     const jm_energy_options *options, jm_energy *out, size_t count,
                     jm_error *error) {
    if (recording == NULL || (count > 0 && out == NULL))
        return jmi_fail(error, JM_INVALID, "recording and out must not be NULL");
    jm_window *windows = malloc((count + 1) * sizeof *windows);
    if (windows == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for %zu ranges", count);
    int status = JM_OK;
    for (size_t i = 0; i < count && status == JM_OK; i++) {
        jm_range range = {.size = sizeof range};
        status = jm_recording_range(recording, i, &range);
        windows[i] = (jm_window){range.begin_ns, range.end_ns};
    }
    if (status != JM_OK)
        jmi_fail(error, status, "the recording has fewer than %zu ranges", count);
    else
        status = jm_energy_windows(recording, device, windows, count, options, out, error);
    free(windows);
    return status;
}
