/* Figures of numbers that are no recording: runs, ratios, power limits, coverage. */
#include "figure/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CATEGORIES = 200 };

static jm_figure *begin(const char *name, const char *title, const void *what, size_t count,
                        jm_figure **figure, int *status, jm_error *error) {
    *status = JM_OK;
    if (figure != NULL) *figure = NULL;
    if (figure == NULL || (count > 0 && what == NULL))
        *status = jmi_fail(error, JM_INVALID, "figure and what it shows must not be NULL");
    else if (count == 0)
        *status = jmi_fail(error, JM_NO_DATA, "%s has no data: there is nothing to show", name);
    else if (count > MOST_CATEGORIES)
        *status = jmi_fail(error, JM_FULL, "%s shows %d rows at most, not %zu", name,
                           MOST_CATEGORIES, count);
    if (*status != JM_OK) return NULL;
    jm_figure *fresh = jmi_figure_new(name, title);
    if (fresh == NULL) *status = jmi_fail(error, JM_MEMORY, "out of memory for a figure");
    return fresh;
}

/* A line from bottom to top to compare with. */
static void add_guide(jm_figure *figure, double x, const char *label) {
    jmi_mark *guide =
        jmi_figure_add(figure, JM_MARK_LINE, label, 6, JM_STYLE_GUIDE | JM_STYLE_DASHED, false);
    JMI_PUT(guide, x, figure->y.min);
    JMI_PUT(guide, x, figure->y.max);
}

static const char *name_of(const char *name) {
    return name == NULL ? "" : name;
}

/* ---- runs ---- */

static double value_of(const jm_run *run, jm_run_value which) {
    switch (which) {
    case JM_RUN_ENERGY: return run->energy_j;
    case JM_RUN_TIME: return run->time_s;
    case JM_RUN_POWER: break;
    }
    return run->energy_j / run->time_s;
}

/* Points beside each other rather than over each other, the same at every drawing: the golden ratio
 * spreads any number of them evenly. */
static double place(size_t i) {
    double turn = (double)i * 0.6180339887498949;
    return 0.4 * (turn - floor(turn)) - 0.2;
}

static int add_group(jm_figure *figure, const jm_run_group *group, size_t row, jm_run_value which,
                     double *low, double *high, jm_error *error) {
    jm_spread spread;
    double *values = jmi_alloc(group->count + 1, sizeof *values);
    if (values == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for runs");
    jmi_mark *points =
        jmi_figure_add(figure, JM_MARK_POINT, row == 0 ? "a run" : "", 0, JM_STYLE_SMALL, false);
    for (size_t i = 0; i < group->count; i++) {
        values[i] = value_of(&group->runs[i], which);
        JMI_PUT(points, values[i], (double)row + place(i));
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
    int status = jm_spread_of(values, group->count, 0, &spread, NULL, error);
    free(values);
    if (status != JM_OK) return status;
    bool interval = isfinite(spread.median_lower) && isfinite(spread.median_upper);
    jmi_mark *median =
        jmi_figure_add(figure, JM_MARK_POINT, row == 0 ? "median, 95 % interval" : "", 1, 0, true);
    JMI_PUT(median, spread.median, (double)row, interval ? spread.median_lower : (double)NAN,
            interval ? spread.median_upper : (double)NAN);
    return JM_OK;
}

int jm_figure_runs(jm_figure **figure, const jm_run_group *groups, size_t count, jm_run_value which,
                   jm_error *error) {
    static const struct {
        const char *title, *label, *unit;
    } shown[] = {[JM_RUN_ENERGY] = {"Energy of each run", "energy", "J"},
                 [JM_RUN_TIME] = {"Time of each run", "time", "s"},
                 [JM_RUN_POWER] = {"Mean power of each run", "mean power", "W"}};
    const char *names[MOST_CATEGORIES];
    double low = INFINITY, high = -INFINITY;
    int status;
    if ((size_t)which >= JMI_COUNT(shown))
        return jmi_fail(error, JM_INVALID, "there is no value %d of runs", (int)which);
    jm_figure *fresh = begin("runs", shown[which].title, groups, count, figure, &status, error);
    if (fresh == NULL) return status;
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        names[i] = name_of(groups[i].name);
        if (groups[i].count == 0 || groups[i].runs == NULL)
            status = jmi_fail(error, JM_NO_DATA, "runs has no data: '%s' has no run", names[i]);
        else
            status = add_group(fresh, &groups[i], i, which, &low, &high, error);
    }
    if (status == JM_OK) {
        jmi_axis_categories(fresh, &fresh->y, "", names, count);
        jmi_axis_numbers(fresh, &fresh->x, shown[which].label, shown[which].unit, low, high, 0);
    }
    return jmi_figure_finish(fresh, status, figure, error);
}

/* ---- ratios ---- */

int jm_figure_ratios(jm_figure **figure, const char *const *names, const jm_comparison *comparisons,
                     size_t count, jm_error *error) {
    static const char *const labels[] = {"energy", "time", "power"};
    const char *rows[MOST_CATEGORIES];
    double low = 1, high = 1;
    int status;
    if (count > 0 && names == NULL)
        return jmi_fail(error, JM_INVALID, "figure and what it shows must not be NULL");
    jm_figure *fresh =
        begin("ratios", "Ratio to the first", comparisons, count, figure, &status, error);
    if (fresh == NULL) return status;
    for (uint32_t k = 0; k < JMI_COUNT(labels); k++) {
        jmi_mark *mark = jmi_figure_add(fresh, JM_MARK_POINT, labels[k], k, 0, true);
        for (size_t i = 0; i < count; i++) {
            const jm_comparison *c = &comparisons[i];
            const jm_ratio *r = k == 0 ? &c->energy : k == 1 ? &c->time : &c->power;
            JMI_PUT(mark, r->ratio, (double)i + 0.22 * ((double)k - 1), r->lower, r->upper);
            low = fmin(low, fmin(r->ratio, r->lower)); /* NaN is no bound */
            high = fmax(high, fmax(r->ratio, r->upper));
        }
    }
    for (size_t i = 0; i < count; i++) rows[i] = name_of(names[i]);
    jmi_axis_categories(fresh, &fresh->y, "", rows, count);
    jmi_axis_numbers(fresh, &fresh->x, "ratio to the first", "", low, high, 0);
    add_guide(fresh, 1, "");
    jmi_figure_note(fresh, "Whiskers: 95 %% intervals.");
    return jmi_figure_finish(fresh, status, figure, error);
}

/* ---- power limits ---- */

static int compare_limits(const void *left, const void *right) {
    const jm_limit_point *a = left, *b = right;
    return (a->limit_w > b->limit_w) - (a->limit_w < b->limit_w);
}

static void draw_limits(jm_figure *figure, const jm_limit_point *points, size_t count) {
    const jm_limit_point *last = &points[count - 1];
    double low = 100, high = 100;
    for (uint32_t k = 0; k < 2; k++) {
        jmi_mark *line = jmi_figure_add(figure, JM_MARK_LINE, "", k, 0, false);
        jmi_mark *dots =
            jmi_figure_add(figure, JM_MARK_POINT, k == 0 ? "energy" : "time", k, 0, true);
        for (size_t i = 0; i < count; i++) {
            const jm_run *run = &points[i].run;
            double base = k == 0 ? last->run.energy_j : last->run.time_s;
            double value = 100 * (k == 0 ? run->energy_j : run->time_s) / base;
            double u =
                k == 0 ? 196 * run->u_random_j / base : 0; /* the gain cancels on one board */
            JMI_PUT(line, points[i].limit_w, value);
            JMI_PUT(dots, points[i].limit_w, value, u > 0 ? value - u : (double)NAN,
                    u > 0 ? value + u : (double)NAN);
            low = fmin(low, value - u);
            high = fmax(high, value + u);
        }
    }
    jmi_axis_numbers(figure, &figure->x, "power limit", "W", points[0].limit_w, last->limit_w, 0);
    jmi_axis_numbers(figure, &figure->y, "of that at the highest limit", "%", low, high, 0);
}

int jm_figure_limits(jm_figure **figure, const jm_limit_point *points, size_t count,
                     jm_error *error) {
    int status;
    jm_figure *fresh =
        begin("limits", "Energy and time by power limit", points, count, figure, &status, error);
    if (fresh == NULL) return status;
    jm_limit_point sorted[MOST_CATEGORIES];
    memcpy(sorted, points, count * sizeof *points);
    qsort(sorted, count, sizeof *sorted, compare_limits);
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        const jm_run *run = &sorted[i].run;
        if (!(run->energy_j > 0) || !(run->time_s > 0) || !isfinite(run->energy_j + run->time_s) ||
            !isfinite(sorted[i].limit_w))
            status = jmi_fail(error, JM_INVALID, "point %zu has no positive energy and time", i);
    }
    if (status == JM_OK) draw_limits(fresh, sorted, count);
    return jmi_figure_finish(fresh, status, figure, error);
}

/* ---- coverage ---- */

/* Wilson's score interval (1927) of a share. */
static void wilson(double held, double of, double *low, double *high) {
    const double z = 1.959963984540054;
    double share = held / of, z2 = z * z / of;
    double middle = (share + z2 / 2) / (1 + z2);
    double half = z / (1 + z2) * sqrt(share * (1 - share) / of + z2 / (4 * of));
    *low = fmax(middle - half, 0);
    *high = fmin(middle + half, 1);
}

int jm_figure_coverage(jm_figure **figure, const jm_coverage_point *points, size_t count,
                       double level, jm_error *error) {
    const char *names[MOST_CATEGORIES];
    double least;
    int status;
    if (level == 0) level = 0.95;
    least = level;
    if (!(level > 0 && level < 1))
        return jmi_fail(error, JM_INVALID, "a level lies between 0 and 1");
    jm_figure *fresh =
        begin("coverage", "Intervals that held the truth", points, count, figure, &status, error);
    if (fresh == NULL) return status;
    jmi_mark *mark = jmi_figure_add(fresh, JM_MARK_POINT, "share of intervals", 0, 0, true);
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        double low, high;
        names[i] = name_of(points[i].name);
        if (points[i].of == 0 || points[i].held > points[i].of) {
            status = jmi_fail(error, JM_INVALID, "'%s': %llu of %llu is no share", names[i],
                              (unsigned long long)points[i].held, (unsigned long long)points[i].of);
            break;
        }
        wilson((double)points[i].held, (double)points[i].of, &low, &high);
        JMI_PUT(mark, 100 * (double)points[i].held / (double)points[i].of, (double)i, 100 * low,
                100 * high);
        least = fmin(least, low);
    }
    if (status == JM_OK) {
        jmi_text label = {0};
        jmi_axis_categories(fresh, &fresh->y, "", names, count);
        jmi_axis_numbers(fresh, &fresh->x, "coverage", "%", 100 * least, 100, 0);
        jmi_text_add(&label, "nominal: %.3g %%", 100 * level);
        add_guide(fresh, 100 * level, label.data);
        jmi_text_free(&label);
        jmi_figure_note(fresh, "Whiskers: 95 %% intervals of the share (Wilson).");
    }
    return jmi_figure_finish(fresh, status, figure, error);
}
