/* Energy and time of a whole training after some of its epochs. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

/* One figure of the epochs that are extrapolated, and of those to come. */
typedef struct series {
    const double *values;
    size_t count;
    double done; /* sum of all epochs that were, warm-up too */
    size_t left;
    double level;
    double random;   /* half-width that the measurement adds: of what is done, */
    double relative; /* and as a share of all */
} series;

enum { SHORT = 8 }; /* epochs; fewer do not show how alike neighbours are */

typedef struct outlook {
    double total;
    double lower, upper; /* NaN: too few epochs */
    bool trend;
} outlook;

/* The epochs to come, foretold within `half`, and what the measurement adds. */
static outlook outlook_of(const series *s, double to_come, double half) {
    double total = s->done + to_come;
    double own = hypot(s->random, s->relative * total);
    double width = hypot(half, own);
    return (outlook){total, total - width, total + width, false};
}

static void widen(outlook *to, const outlook *by) {
    to->lower = fmin(to->lower, by->lower);
    to->upper = fmax(to->upper, by->upper);
}

/* ---- without a trend ---- */

/* Epochs that resemble the one before tell less than as many that do not: the variance of their
 * mean is (1 + r) / (1 - r) times as large, r being the correlation of neighbours, here with its
 * bias in short series removed (Marriott and Pope 1954). */
static double inflation(const double *values, size_t count, const jmi_moments *m) {
    double n = (double)count, products = 0, squares = m->sd * m->sd * (n - 1);
    if (count < SHORT || !(squares > 0)) return 1;
    for (size_t i = 1; i < count; i++)
        products += (values[i] - m->mean) * (values[i - 1] - m->mean);
    double r = products / squares;
    r = fmin(fmax(r + (1 + 4 * r) / n, 0), 0.9);
    return (1 + r) / (1 - r);
}

/* The epochs to come have the mean of those that were: one standard deviation each, and the mean's
 * own uncertainty in all of them. */
static outlook steady(const series *s) {
    jmi_moments m = jmi_moments_of(s->values, s->count);
    double n = (double)s->count, left = (double)s->left;
    if (s->count < 3) return (outlook){s->done + left * m.mean, NAN, NAN, false};
    double half = jmi_student_width(s->level, n - 1) * m.sd *
                  sqrt((left + left * left / n) * inflation(s->values, s->count, &m));
    return outlook_of(s, left * m.mean, half);
}

/* ---- with one ---- */

typedef struct line {
    double mean, slope, middle; /* middle: of the epochs' numbers 0, 1, ... */
    double sd, squares;         /* of residuals; of numbers about the middle */
} line;

static line fit(const double *values, size_t count) {
    double n = (double)count, products = 0, residuals = 0;
    line l = {.mean = jmi_moments_of(values, count).mean, .middle = (n - 1) / 2};
    l.squares = n * (n * n - 1) / 12;
    for (size_t i = 0; i < count; i++) products += ((double)i - l.middle) * values[i];
    l.slope = products / l.squares;
    for (size_t i = 0; i < count; i++) {
        double d = values[i] - l.mean - l.slope * ((double)i - l.middle);
        residuals += d * d;
    }
    l.sd = sqrt(residuals / (n - 2));
    return l;
}

/* The epochs to come lie `distance` beyond the middle on average. */
static outlook on_line(const series *s, const line *l, double distance) {
    double n = (double)s->count, left = (double)s->left;
    double half = jmi_student_width(s->level, n - 2) * l->sd *
                  sqrt(left + left * left * (1 / n + distance * distance / l->squares));
    return outlook_of(s, left * (l->mean + l->slope * distance), half);
}

/* How far the trend carries, on average, if it ends after as many epochs as it was seen. */
static double damped_distance(double n, double left) {
    double middle = (n - 1) / 2, on = fmin(left, n);
    double sum = on * (n - middle + (on - 1) / 2) + (left - on) * (2 * n - 1 - middle);
    return sum / left;
}

static outlook trending(const series *s) {
    double n = (double)s->count, left = (double)s->left;
    line l = fit(s->values, s->count);
    outlook ends = on_line(s, &l, n - 1 - l.middle);
    outlook goes_on = on_line(s, &l, n - l.middle + (left - 1) / 2);
    outlook likely = on_line(s, &l, damped_distance(n, left));
    widen(&ends, &goes_on);
    return (outlook){likely.total, ends.lower, ends.upper, true};
}

static int has_trend(const series *s, bool *trend) {
    double p = 1; /* fewer than five cannot show one */
    int status = s->count >= 5 ? jmi_kendall(s->values, s->count, &p) : JM_OK;
    *trend = p < 1 - s->level;
    return status;
}

/* A board that warms up drifts and then stays: where the later half shows no trend of its own, it
 * is what is to be expected, and that the trend goes on is but possible. */
static int drifting(const series *s, outlook *out) {
    series late = *s;
    late.values += s->count / 2;
    late.count -= s->count / 2;
    bool still;
    int status = has_trend(&late, &still);
    *out = trending(s);
    if (status == JM_OK && !still && late.count >= 5) {
        outlook stays = steady(&late);
        out->total = stays.total;
        widen(out, &stays);
    }
    out->total = fmax(out->total, s->done); /* however steep the fall */
    return status;
}

static int look_out(const series *s, outlook *out) {
    bool trend;
    *out = outlook_of(s, 0, 0);
    if (s->left == 0) return JM_OK;
    int status = has_trend(s, &trend);
    if (status == JM_OK && trend) return drifting(s, out);
    *out = steady(s);
    return status;
}

/* ---- the first epoch ---- */

/* Is it another than the rest would lead one to expect at 99 %? Of one or two others nobody knows
 * the spread: a tenth is taken for a difference. */
static bool first_differs(const double *values, size_t count) {
    if (count < 2) return false;
    jmi_moments rest = jmi_moments_of(values + 1, count - 1);
    double n = (double)count - 1, apart = fabs(values[0] - rest.mean);
    if (count < 4) {
        double between = count == 3 ? fabs(values[2] - values[1]) : 0;
        return apart > 0.1 * rest.mean && apart > 3 * between;
    }
    double expected = jmi_student_width(0.99, n - 1) * rest.sd * sqrt(1 + 1 / n);
    return apart > fmax(expected, 0.02 * rest.mean);
}

static bool leaves_first_out(const series *energy, const series *time, jm_warmup warmup) {
    if (energy->count < 2 || warmup == JM_WARMUP_NONE) return false;
    return warmup == JM_WARMUP_FIRST || first_differs(energy->values, energy->count) ||
           first_differs(time->values, time->count);
}

/* ---- all of it ---- */

static int take_options(jm_forecast_options *ours, const jm_forecast_options *theirs,
                        jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_forecast_options", error);
    if (status == JM_OK) status = jmi_level_take(&ours->level, error);
    if (status == JM_OK && ours->warmup > JM_WARMUP_FIRST)
        return jmi_fail(error, JM_INVALID, "there is no treatment of warm-up %d",
                        (int)ours->warmup);
    return status;
}

static void fill_series(const jm_run *epochs, size_t done, size_t total, double *values,
                        const jm_forecast_options *options, series s[2]) {
    double z = jmi_normal_quantile(0.5 + options->level / 2);
    s[0] = (series){.values = values,
                    .count = done,
                    .left = total - done,
                    .level = options->level,
                    .random = z * jmi_runs_random(epochs, done) * sqrt((double)done),
                    .relative = z * jmi_runs_systematic(epochs, done)};
    s[1] = (series){values + done, done, 0, total - done, options->level, 0, 0};
    for (size_t i = 0; i < done; i++) {
        values[i] = epochs[i].energy_j;
        values[done + i] = epochs[i].time_s;
        s[0].done += epochs[i].energy_j;
        s[1].done += epochs[i].time_s;
    }
}

/* Neither energy nor time that was spent comes back; fmax would hide a NaN. */
static double not_below(double value, double least) {
    return isnan(value) ? NAN : fmax(value, least);
}

static int forecast(const jm_run *epochs, size_t done, size_t total, double *values,
                    const jm_forecast_options *options, jm_forecast *f) {
    series s[2];
    fill_series(epochs, done, total, values, options, s);
    size_t skip = leaves_first_out(&s[0], &s[1], options->warmup);
    outlook of[2];
    for (int i = 0; i < 2; i++) {
        s[i].values += skip;
        s[i].count -= skip;
        int status = look_out(&s[i], &of[i]);
        if (status != JM_OK) return status;
    }
    f->energy_j = of[0].total;
    f->energy_lower_j = not_below(of[0].lower, fmax(s[0].done * (1 - s[0].relative), 0));
    f->energy_upper_j = of[0].upper;
    f->time_s = of[1].total;
    f->time_lower_s = not_below(of[1].lower, s[1].done);
    f->time_upper_s = of[1].upper;
    f->energy_done_j = s[0].done;
    f->time_done_s = s[1].done;
    f->u_systematic_j = jmi_runs_systematic(epochs, done) * of[0].total;
    if (skip > 0) f->flags |= JM_FORECAST_WARMUP;
    if (s[0].count < 3 && total > done) f->flags |= JM_FORECAST_FEW;
    if (of[0].trend) f->flags |= JM_FORECAST_ENERGY_TREND;
    if (of[1].trend) f->flags |= JM_FORECAST_TIME_TREND;
    return JM_OK;
}

int jm_forecast_epochs(const jm_run *epochs, size_t done, size_t total,
                       const jm_forecast_options *options, jm_forecast *result, jm_error *error) {
    jm_forecast_options ours;
    if (result == NULL) return jmi_fail(error, JM_INVALID, "result must not be NULL");
    int status = take_options(&ours, options, error);
    if (status == JM_OK) status = jmi_runs_check(epochs, done, "epoch", "", error);
    if (status != JM_OK) return status;
    if (total < done) return jmi_fail(error, JM_INVALID, "%zu epochs are done of %zu", done, total);
    double *values = jmi_alloc(2 * done, sizeof *values);
    if (values == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    jm_forecast found = {.size = sizeof found};
    status = forecast(epochs, done, total, values, &ours, &found);
    free(values);
    if (status != JM_OK) return jmi_fail(error, status, "out of memory");
    if (jmi_give_struct(result, &found, sizeof found) != JM_OK)
        return jmi_fail(error, JM_INVALID, "jm_forecast: size is not set");
    return JM_OK;
}
