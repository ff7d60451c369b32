/* What a tuner knows of energy and time under every limit. */
#include "figure/figure.h"

#include <math.h>

typedef struct series {
    jmi_mark *area, *line, *points;
} series;

static void put(const series *s, double setting, const jm_estimate *e, double measured, double *low,
                double *high) {
    JMI_PUT(s->area, setting, 100 * e->lower, 100 * e->upper);
    JMI_PUT(s->line, setting, 100 * e->value);
    *low = fmin(*low, 100 * e->lower);
    *high = fmax(*high, 100 * e->upper);
    if (!isfinite(measured)) return;
    JMI_PUT(s->points, setting, 100 * measured);
    *low = fmin(*low, 100 * measured);
    *high = fmax(*high, 100 * measured);
}

/* Relative to the value at the standard setting, whose own interval is not in it. */
static jm_estimate energy_of(const jm_tuner_point *point, const jm_tuner_point *standard) {
    double ratio = point->energy_j.value / standard->energy_j.value;
    return (jm_estimate){ratio, ratio * point->energy_j.lower / point->energy_j.value,
                         ratio * point->energy_j.upper / point->energy_j.value};
}

static int draw(jm_figure *figure, jm_tuner *tuner, const jm_tuner_result *result, double unit,
                double *low, double *high, jm_error *error) {
    static const char *const labels[] = {"energy", "time"};
    series all[2];
    int status = JM_OK;
    for (uint32_t k = 0; k < 2; k++)
        all[k].area = jmi_figure_add(figure, JM_MARK_AREA, "", k, JM_STYLE_FAINT, false);
    for (uint32_t k = 0; k < 2; k++) {
        all[k].line = jmi_figure_add(figure, JM_MARK_LINE, labels[k], k, 0, false);
        all[k].points = jmi_figure_add(figure, JM_MARK_POINT, "", k, 0, false);
    }
    for (size_t i = 0; status == JM_OK && i < jm_tuner_setting_count(tuner); i++) {
        jm_tuner_point point = {.size = sizeof point};
        status = jm_tuner_predict(tuner, jm_tuner_setting(tuner, i), &point, error);
        if (status != JM_OK) break;
        double setting = unit * point.setting;
        jm_estimate energy = energy_of(&point, &result->standard);
        put(&all[0], setting, &energy, point.measured_energy_j / result->standard.energy_j.value,
            low, high);
        put(&all[1], setting, &point.slowdown,
            point.measured_seconds / result->standard.seconds.value, low, high);
    }
    return status;
}

int jm_figure_tuning(jm_figure **figure, jm_tuner *tuner, jm_error *error) {
    jm_tuner_result result = {.size = sizeof result};
    double low = 100, high = 100;
    if (figure == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the figure");
    *figure = NULL;
    int status = jm_tuner_result_get(tuner, &result, error);
    if (status != JM_OK) return status;
    jm_figure *fresh = jmi_figure_new("tuning", "Energy and time by setting");
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a figure");
    size_t count = jm_tuner_setting_count(tuner);
    bool clock = jm_tuner_lever(tuner) == JM_LEVER_CLOCK;
    double unit = clock ? 1e6 : 1; /* Hz or W */
    status = draw(fresh, tuner, &result, unit, &low, &high, error);
    jmi_axis_numbers(fresh, &fresh->x, clock ? "highest clock" : "power limit", clock ? "Hz" : "W",
                     unit * jm_tuner_setting(tuner, 0), unit * jm_tuner_setting(tuner, count - 1),
                     0);
    jmi_axis_numbers(fresh, &fresh->y, "of that at the standard setting", "%", low, high, 0);
    jmi_mark *guide =
        jmi_figure_add(fresh, JM_MARK_LINE, "", 6, JM_STYLE_GUIDE | JM_STYLE_DASHED, false);
    JMI_PUT(guide, unit * result.setting, fresh->y.min);
    JMI_PUT(guide, unit * result.setting, fresh->y.max);
    jmi_figure_note(fresh, "Bands: 95 %% intervals. Points were measured.");
    return jmi_figure_finish(fresh, status, figure, error);
}
