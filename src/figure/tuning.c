/* What tuning came to: energy, time and objective over the settings, of those at the standard. */
#include "figure/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 200, MOST_TRIALS = 512 };

/* Points and trials, whoever gave them. */
typedef struct content {
    jm_tuning of;
    jm_tuner_point *points; /* heap, if they are the tuner's */
    jm_trial *trials;
    double low, high; /* of all that is shown, % */
} content;

/* ---- what a tuner knows ---- */

static int take_points(content *c, jm_error *error) {
    jm_tuner *tuner = c->of.tuner;
    size_t count = jm_tuner_setting_count(tuner), kept = count < MOST_POINTS ? count : MOST_POINTS;
    c->points = jmi_alloc(kept + 1, sizeof *c->points);
    if (c->points == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a curve");
    for (size_t i = 0; i < kept; i++) {
        size_t at = kept > 1 ? i * (count - 1) / (kept - 1) : 0;
        c->points[i].size = sizeof *c->points;
        int status = jm_tuner_predict(tuner, jm_tuner_setting(tuner, at), &c->points[i], error);
        if (status != JM_OK) return status;
    }
    c->of.points = c->points;
    c->of.point_count = kept;
    return JM_OK;
}

static int take_trials(content *c, jm_error *error) {
    size_t count = jm_tuner_trial_count(c->of.tuner);
    if (count > MOST_TRIALS) count = MOST_TRIALS;
    c->trials = jmi_alloc(count + 1, sizeof *c->trials);
    if (c->trials == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a curve");
    for (size_t i = 0; i < count; i++) {
        c->trials[i].size = sizeof *c->trials;
        int status = jm_tuner_trial(c->of.tuner, i, &c->trials[i]);
        if (status != JM_OK) return jmi_fail(error, status, "trial %zu is gone", i);
    }
    c->of.trials = c->trials;
    c->of.trial_count = count;
    return JM_OK;
}

static int take_result(content *c, jm_error *error) {
    jm_tuner_result result = {.size = sizeof result};
    int status = jm_tuner_result_get(c->of.tuner, &result, error);
    if (status != JM_OK) return status;
    c->of.standard = result.standard.setting;
    c->of.setting = result.verdict == JM_TUNER_FOUND ? result.setting : (double)NAN;
    return JM_OK;
}

/* ---- drawing ---- */

/* The point at a setting, or the nearest there is. */
static const jm_tuner_point *point_at(const content *c, double setting) {
    const jm_tuner_point *best = &c->of.points[0];
    for (size_t i = 1; i < c->of.point_count; i++)
        if (fabs(c->of.points[i].setting - setting) < fabs(best->setting - setting))
            best = &c->of.points[i];
    return best;
}

static void note_range(content *c, double value) {
    c->low = fmin(c->low, value); /* NaN is no bound */
    c->high = fmax(c->high, value);
}

/* Of a curve only what is near the rest: an objective of three times the default's is of no
 * interest, and would press all else flat. */
static const double CEILING_PCT = 200;

static bool drawn(double percent) {
    return isfinite(percent) && percent <= CEILING_PCT;
}

static void add_band(jm_figure *figure, content *c, uint32_t color,
                     const jm_interval *(*of)(const jm_tuner_point *point)) {
    jmi_mark *band =
        jmi_figure_add(figure, JM_MARK_AREA, "95 % interval", color, JM_STYLE_FAINT, false);
    for (size_t i = 0; i < c->of.point_count; i++) {
        const jm_interval *e = of(&c->of.points[i]);
        double low = 100 * e->lower, high = 100 * e->upper;
        bool there = drawn(100 * e->value) && isfinite(low) && isfinite(high);
        if (there) high = fmin(high, CEILING_PCT);
        JMI_PUT(band, c->of.points[i].setting, there ? low : (double)NAN,
                there ? high : (double)NAN);
        if (!there) continue;
        note_range(c, low);
        note_range(c, high);
    }
}

static const jm_interval *relative_of(const jm_tuner_point *point) {
    return &point->relative;
}

static double curve_value(const content *c, const jm_tuner_point *p, int which) {
    if (which == 2) return 100 * p->relative.value;
    if (which == 1) return 100 * p->slowdown.value;
    return 100 * p->energy_j.value / point_at(c, c->of.standard)->energy_j.value;
}

static void add_curve(jm_figure *figure, content *c, int which, const char *label) {
    uint32_t style = which == 2 ? 0 : JM_STYLE_DASHED;
    jmi_mark *line = jmi_figure_add(figure, JM_MARK_LINE, label, (uint32_t)which, style, false);
    for (size_t i = 0; i < c->of.point_count; i++) {
        double y = curve_value(c, &c->of.points[i], which);
        JMI_PUT(line, c->of.points[i].setting, drawn(y) ? y : (double)NAN);
        if (drawn(y)) note_range(c, y);
    }
}

/* As they were measured, each over the first at the standard. */
static void add_trials(jm_figure *figure, content *c) {
    const jm_trial *base = NULL;
    jmi_mark *dots = jmi_figure_add(figure, JM_MARK_POINT, "measured", 2, 0, true);
    for (size_t i = 0; i < c->of.trial_count && base == NULL; i++)
        if (!c->of.trials[i].failed && fabs(c->of.trials[i].setting - c->of.standard) < 1e-6)
            base = &c->of.trials[i];
    for (size_t i = 0; base != NULL && i < c->of.trial_count; i++) {
        const jm_trial *t = &c->of.trials[i];
        if (t->failed || !(t->items > 0)) continue;
        double whole = jm_objective_value(&c->of.objective, base->seconds / base->items,
                                          base->energy_j / base->items);
        double y =
            100 *
            jm_objective_value(&c->of.objective, t->seconds / t->items, t->energy_j / t->items) /
            whole;
        if (!drawn(y)) continue;
        double u = y * hypot(t->energy_u95_j / t->energy_j, t->seconds_u95 / t->seconds);
        JMI_PUT(dots, t->setting, y, u > 0 ? y - u : (double)NAN, u > 0 ? y + u : (double)NAN);
        note_range(c, y);
    }
}

static void add_best(jm_figure *figure, const content *c) {
    if (!isfinite(c->of.setting)) return;
    char label[64];
    snprintf(label, sizeof label, "best: %.6g %s", c->of.setting, jm_lever_unit((int)c->of.lever));
    jmi_mark *guide =
        jmi_figure_add(figure, JM_MARK_LINE, label, 6, JM_STYLE_GUIDE | JM_STYLE_DASHED, false);
    JMI_PUT(guide, c->of.setting, figure->y.min);
    JMI_PUT(guide, c->of.setting, figure->y.max);
}

static const char *objective_label(const jm_objective *objective) {
    switch (objective->kind) {
    case JM_OBJECTIVE_ED2P: return "energy × time²";
    case JM_OBJECTIVE_EDP: return "energy × time";
    case JM_OBJECTIVE_COST: return "cost";
    case JM_OBJECTIVE_ENERGY:
    case JM_OBJECTIVE_SLOWDOWN: return "energy";
    case JM_OBJECTIVE_TIME: return "time";
    }
    return "objective";
}

static void draw(jm_figure *figure, content *c) {
    const jm_tuning *of = &c->of;
    bool is_energy =
        of->objective.kind == JM_OBJECTIVE_ENERGY || of->objective.kind == JM_OBJECTIVE_SLOWDOWN;
    c->low = c->high = 100;
    add_band(figure, c, 2, relative_of);
    if (!is_energy) add_curve(figure, c, 0, "energy");
    if (of->objective.kind != JM_OBJECTIVE_TIME) add_curve(figure, c, 1, "time");
    add_curve(figure, c, 2, objective_label(&of->objective));
    add_trials(figure, c);
    jmi_axis_numbers(figure, &figure->x,
                     of->lever == JM_LEVER_CLOCK ? "highest clock" : "power limit",
                     jm_lever_unit((int)of->lever), of->points[0].setting,
                     of->points[of->point_count - 1].setting, 0);
    jmi_axis_numbers(figure, &figure->y, "of that at the default", "%", c->low, c->high, 0);
    add_best(figure, c);
}

/* ---- public ---- */

static int check(const content *c, jm_error *error) {
    const jm_tuning *of = &c->of;
    if (of->lever != JM_LEVER_POWER && of->lever != JM_LEVER_CLOCK)
        return jmi_fail(error, JM_INVALID, "there is no lever %d", (int)of->lever);
    if (of->point_count == 0 || of->points == NULL)
        return jmi_fail(error, JM_NO_DATA, "tuning has no data: there is nothing to show");
    if (of->trial_count > 0 && of->trials == NULL)
        return jmi_fail(error, JM_INVALID, "trials must not be NULL");
    for (size_t i = 0; i < of->point_count; i++) {
        bool rises = i == 0 || of->points[i].setting > of->points[i - 1].setting;
        if (!isfinite(of->points[i].setting) || !rises)
            return jmi_fail(error, JM_INVALID, "settings of points must rise");
    }
    return JM_OK;
}

int jm_figure_tuning(jm_figure **figure, const jm_tuning *tuning, jm_error *error) {
    content c = {0};
    int status = JM_OK;
    if (figure != NULL) *figure = NULL;
    if (figure == NULL || tuning == NULL)
        return jmi_fail(error, JM_INVALID, "figure and what it shows must not be NULL");
    status = jmi_take_struct(&c.of, sizeof c.of, tuning, "jm_tuning", error);
    if (status == JM_OK && c.of.tuner != NULL) {
        status = take_result(&c, error);
        if (status == JM_OK) status = take_points(&c, error);
        if (status == JM_OK) status = take_trials(&c, error);
    }
    if (status == JM_OK) status = check(&c, error);
    jm_figure *fresh =
        status == JM_OK ? jmi_figure_new("tuning", "Energy and time by what was tuned") : NULL;
    if (status == JM_OK && fresh == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for a figure");
    if (fresh != NULL) {
        draw(fresh, &c);
        status = jmi_figure_finish(fresh, JM_OK, figure, error);
    }
    free(c.points);
    free(c.trials);
    return status;
}
