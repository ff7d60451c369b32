/* Powers of classes: from readings by regression, and by the simple ways for comparison. */
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const jmi_track *track_of(const jmi_attributing *a, size_t view) {
    return &a->views.view[view].track;
}

/* ---- readings that go together ---- */

/* Lag-one autocorrelation of what the powers leave of a view. */
static double together(const jmi_attributing *a, size_t view, double *x) {
    jmi_rows rows = {
        .layout = &a->layout, .track = track_of(a, view), .shift_ns = a->shift_ns[view]};
    double y, weight, before = 0, both = 0, all = 1e-12;
    while (jmi_rows_next(&rows, x, &y, &weight)) {
        double off = sqrt(weight) * (y - jmi_fit_sum(&a->fit, x));
        both += off * before;
        all += off * off;
        before = off;
    }
    return both / all;
}

/* Readings that err alike are worth fewer: the variance grows by (1 + r) / (1 - r). That
 * neighbours share a tick, and err against each other, is left aside: it only betters things. */
static void widen(jmi_attributing *a) {
    double *x = jmi_alloc(a->layout.width, sizeof *x), most = 1;
    if (x == NULL) return;
    for (size_t v = 0; v < a->views.count; v++) {
        double r = jmi_min(together(a, v, x), 0.9);
        double rows = (double)a->normals[v].rows;
        if (r > 2 / sqrt(jmi_max(rows, 4))) most = jmi_max(most, (1 + r) / (1 - r));
    }
    for (size_t i = 0; i < a->fit.count * a->fit.count; i++) a->fit.cov_w2[i] *= most;
    a->widened = most;
    free(x);
}

/* ---- lag ---- */

/* An error of the lag moves all powers together, as far as they come from that view: where a
 * counter, which has no lag, says the same, they stay. */
static void add_lag(jmi_attributing *a) {
    size_t n = a->fit.count;
    double all = 0;
    for (size_t v = 0; v < a->views.count; v++)
        all += (double)a->normals[v].rows / (a->fit.noise_w[v] * a->fit.noise_w[v]);
    for (size_t v = 0; v < a->views.count; v++) {
        const double *d = a->later_w[v];
        if (d == NULL) continue;
        double w = (double)a->normals[v].rows / (a->fit.noise_w[v] * a->fit.noise_w[v]) / all;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < n; k++) a->fit.cov_w2[i * n + k] += w * w * d[i] * d[k];
    }
}

/* ---- too few readings ---- */

/* Readings that saw classes run, of the view that has most of them. */
static uint64_t count_within(const jmi_attributing *a, double *x) {
    uint64_t most = 0;
    for (size_t v = 0; v < a->views.count; v++) {
        jmi_rows rows = {.layout = &a->layout, .track = track_of(a, v), .shift_ns = a->shift_ns[v]};
        double y, weight;
        uint64_t within = 0;
        while (jmi_rows_next(&rows, x, &y, &weight)) {
            double ran = 0;
            for (size_t i = 0; i < a->layout.classes; i++) ran += x[i];
            within += ran > 0.02;
        }
        if (within > most) most = within;
    }
    return most;
}

/* What each class draws is not known, within what is possible; what all of them took together is,
 * as well as that of the gaps is. */
static void forget_apart(jmi_attributing *a) {
    jmi_fit *fit = &a->fit;
    const double *time_s = a->told.time_s;
    size_t n = fit->count, classes = a->layout.classes;
    double range_w = jmi_attribute_span(track_of(a, 0)), variance = 0;
    double all_s = 0, square_s2 = 0, gap_s = 0, energy_j = 0;
    for (size_t i = 0; i < classes; i++) {
        all_s += time_s[i];
        square_s2 += time_s[i] * time_s[i];
        energy_j += time_s[i] * fit->power_w[i];
    }
    if (!(all_s > 0)) return;
    for (size_t i = classes; i < n; i++) gap_s += time_s[i];
    for (size_t i = 0; i < classes; i++)
        for (size_t k = 0; k < classes; k++)
            variance += time_s[i] * time_s[k] * fit->cov_w2[i * n + k];
    variance += gap_s * gap_s * range_w * range_w / 12;
    for (size_t i = 0; i < classes; i++) {
        fit->power_w[i] = energy_j / all_s;
        for (size_t k = 0; k < n; k++) {
            double apart = (i == k ? 1 : 0) - (k < classes ? time_s[i] * time_s[k] / square_s2 : 0);
            double together = k < classes ? variance / (all_s * all_s) : 0;
            fit->cov_w2[i * n + k] = range_w * range_w / 12 * apart + together;
            fit->cov_w2[k * n + i] = fit->cov_w2[i * n + k];
        }
    }
}

/* With few readings the sensor's noise, its lag and the edges of what it saw are not known, and a
 * fit of as many powers goes through all of them. (./dev accuracy: intervals hold from there on.)
 */
static bool keep_to_readings(jmi_attributing *a) {
    enum { LEAST = 20, OF_EACH = 4, MOST = 32 };
    double *x = jmi_alloc(a->layout.width, sizeof *x);
    if (x == NULL) return false;
    a->within = count_within(a, x);
    if (a->layout.classes > 1) /* one has nothing to be told apart from */
        a->needed = LEAST + OF_EACH * (a->layout.classes < MOST ? a->layout.classes : MOST);
    if (a->within < a->needed) forget_apart(a);
    free(x);
    return true;
}

/* ---- the regression ---- */

static int sum_views(jmi_attributing *a, jm_error *error) {
    int status = JM_OK;
    for (size_t v = 0; status == JM_OK && v < a->views.count; v++) {
        jmi_normal_close(&a->normals[v]);
        if (!jmi_normal_open(&a->normals[v], &a->layout))
            return jmi_fail(error, JM_MEMORY, "out of memory for %zu classes", a->layout.classes);
        status = jmi_normal_add(&a->normals[v], &a->layout, track_of(a, v), a->shift_ns[v], error);
    }
    return status;
}

/* What a reading errs by, as far as its sensor's description says. */
static double first_noise(const jmi_attributing *a, size_t view) {
    const jmi_track *track = track_of(a, view);
    double span_s = jmi_max(track->cell_ns, 1e6) * 1e-9;
    double ticks_w = 1.41 * track->tick_u_ns * 1e-9 * track->highest_w / span_s;
    return hypot(hypot(track->noise_w, 1.41 * track->edge_noise_j / span_s),
                 ticks_w + 0.02 * track->highest_w);
}

/* The parts sum to the whole, as well as that is known; what it was known from are mostly the same
 * readings, so it counts for half of what it could. */
static jmi_whole_row whole_row(const jmi_attributing *a, double *x) {
    const jmi_stretch *s = jmi_attribute_checked(a);
    const jm_energy *e = &s->energy;
    jmi_whole_row row = {.x = NULL};
    if (e->provenance & JM_BOUND_ONLY || !(e->measured > 0.5) || !(s->length_s > 0)) return row;
    for (size_t i = 0; i < a->layout.width; i++) x[i] = s->time_s[i] / s->length_s;
    row.x = x;
    row.power_w = e->energy_j / s->length_s;
    row.u_w = jmi_max(1.41 * e->u_random_j / s->length_s, 0.002 * row.power_w);
    return row;
}

static int fit(jmi_attributing *a, jm_error *error) {
    double *x = jmi_alloc(a->layout.width, sizeof *x);
    if (x == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for classes");
    jmi_fit_input input = {.layout = &a->layout,
                           .normals = a->normals,
                           .views = a->views.count,
                           .range_w = jmi_attribute_span(track_of(a, 0))};
    for (size_t v = 0; v < a->views.count; v++)
        input.noise_w[v] = jmi_max(first_noise(a, v), 1e-4 * input.range_w);
    input.whole = whole_row(a, x);
    jmi_fit_free(&a->fit);
    int status = jmi_fit_make(&a->fit, &input, error);
    free(x);
    return status;
}

int jmi_attribute_regress(jmi_attributing *a, jm_error *error) {
    int status = jmi_attribute_shift(a, error);
    if (status == JM_OK) status = sum_views(a, error);
    size_t rows = 0;
    for (size_t v = 0; v < a->views.count; v++) rows += a->normals[v].rows;
    if (status == JM_OK && rows == 0)
        status = jmi_fail(error, JM_NO_DATA, "no reading lies within the time of the ranges");
    if (status == JM_OK) status = fit(a, error);
    if (status != JM_OK) return status;
    widen(a);
    add_lag(a);
    a->differ = jmi_attribute_differ(a);
    if (!keep_to_readings(a)) return jmi_fail(error, JM_MEMORY, "out of memory for classes");
    return status;
}

/* ---- what a sensor showed ---- */

jmi_shown_power jmi_shown_begin(const jmi_attributing *a) {
    const jmi_track *track = track_of(a, a->views.count - 1); /* power readings come last */
    return (jmi_shown_power){.track = track, .lag_ns = (int64_t)(track->blur_ns / 2)};
}

double jmi_shown_at(jmi_shown_power *shown, int64_t t_ns) {
    const jmi_track *track = shown->track;
    int64_t t = t_ns - shown->lag_ns;
    if (track->count == 0) return (double)NAN;
    while (shown->cell < track->count && track->edge[shown->cell + 1] <= t) shown->cell++;
    while (shown->cell > 0 && track->edge[shown->cell] > t) shown->cell--;
    if (shown->cell == 0 || track->edge[0] > t) return (double)NAN;
    bool missing = track->flags != NULL && track->flags[shown->cell - 1] != 0;
    return missing ? (double)NAN : track->mean_w[shown->cell - 1];
}

/* ---- simple ways ---- */

static void by_time(jmi_attributing *a) {
    double power = a->told.energy.energy_j / a->told.length_s;
    double u = a->told.energy.u_random_j / a->told.length_s;
    for (size_t i = 0; i < a->fit.count; i++) {
        a->fit.power_w[i] = power;
        for (size_t k = 0; k < a->fit.count; k++) a->fit.cov_w2[i * a->fit.count + k] = u * u;
    }
}

/* Mean of what was shown at the begin and the end of each call, weighed by its time. */
static bool by_boundary(jmi_attributing *a) {
    double *time_s = jmi_alloc(a->fit.count, sizeof *time_s);
    if (time_s == NULL) return false;
    jmi_shown_power begin = jmi_shown_begin(a), end = begin;
    for (size_t i = 0; i < a->calls.count; i++) {
        const jmi_call *call = &a->calls.list[i];
        double both = jmi_shown_at(&begin, call->begin_ns) + jmi_shown_at(&end, call->end_ns);
        size_t column = a->layout.column[call->cls];
        if (!call->told || isnan(both)) continue;
        a->fit.power_w[column] += jmi_max(both / 2, 0) * call->share_s;
        time_s[column] += call->share_s;
    }
    for (size_t i = 0; i < a->fit.count; i++)
        if (time_s[i] > 0) a->fit.power_w[i] /= time_s[i];
    free(time_s);
    return true;
}

int jmi_attribute_simply(jmi_attributing *a, jm_error *error) {
    if (!(a->told.energy.measured > 1e-9))
        return jmi_fail(error, JM_NO_DATA, "no reading lies within the time of the ranges");
    a->fit = (jmi_fit){.count = a->layout.width};
    a->fit.power_w = jmi_alloc(a->fit.count, sizeof *a->fit.power_w);
    a->fit.cov_w2 = jmi_alloc(a->fit.count * a->fit.count, sizeof *a->fit.cov_w2);
    a->widened = 1;
    bool good = a->fit.power_w != NULL && a->fit.cov_w2 != NULL;
    if (good && a->options.method == JM_ATTRIBUTION_BOUNDARY)
        good = by_boundary(a);
    else if (good)
        by_time(a);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for classes");
}
