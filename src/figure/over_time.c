/* Figures over time: readings, energies, and how power changes. */
#include "figure/energy_bars.h"
#include "figure/make.h"

#include <math.h>

static void widen(const jmi_mark *mark, double *low, double *high) {
    for (size_t i = 0; mark != NULL && i < mark->count; i++) {
        double y = mark->column[JMI_Y][i];
        if (y < *low) *low = y; /* NaN is neither */
        if (y > *high) *high = y;
    }
}

static void widen_to_all(const jm_figure *figure, double *low, double *high) {
    for (size_t i = 0; i < figure->mark_count; i++)
        if (figure->marks[i]->kind != JM_MARK_SPAN) widen(figure->marks[i], low, high);
}

/* Draws a curve; as a line, smoothed, if that is asked for. */
static int draw_curve(const jm_figures *f, jm_figure *figure, jm_mark_kind kind,
                      const jmi_curve *curve, const char *label, uint32_t color, uint32_t style,
                      jm_error *error) {
    size_t readings = f->options.raw || f->options.smooth < 2 ? 1 : f->options.smooth;
    jmi_mark *mark =
        jmi_figure_add(figure, readings > 1 ? JM_MARK_LINE : kind, label, color, style, false);
    if (readings == 1) {
        jmi_curve_draw(curve, jmi_pixels(f), mark);
        return JM_OK;
    }
    jmi_curve smooth;
    if (!jmi_curve_smooth(&smooth, curve, readings))
        return jmi_fail(error, JM_MEMORY, "out of memory for a smoothed curve");
    jmi_curve_draw(&smooth, jmi_pixels(f), mark);
    jmi_curve_free(&smooth);
    return JM_OK;
}

static size_t count_lanes(const jm_figures *f, jmi_shown which) {
    size_t count = 0;
    for (size_t i = 0; i < f->lane_count; i++) count += f->lanes[i].has[which];
    return count;
}

/* The lanes' curves of one kind. `word`: what the labels of several kinds in one figure say. */
static int draw_lanes(const jm_figures *f, jm_figure *figure, jmi_shown which, const char *word,
                      uint32_t shift, uint32_t style, jm_error *error) {
    bool several = count_lanes(f, which) > 1;
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < f->lane_count; i++) {
        const jmi_lane *lane = &f->lanes[i];
        jmi_text label = {0};
        if (!lane->has[which]) continue;
        if (word[0] == '\0')
            jmi_text_add(&label, "%s", lane->name);
        else if (several)
            jmi_text_add(&label, "%s %s", lane->name, word);
        else
            jmi_text_add(&label, "%s", word);
        status = draw_curve(f, figure, JM_MARK_STEP, &lane->curve[which], label.data,
                            lane->color + (several ? 0 : shift), style, error);
        jmi_text_free(&label);
    }
    return status;
}

static void note_smoothing(const jm_figures *f, jm_figure *figure) {
    if (!f->options.raw && f->options.smooth > 1)
        jmi_figure_note(figure, "Means over %u readings.", f->options.smooth);
}

int jmi_make_power_time(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = jmi_need_curves(f, JMI_SHOWN_POWER, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    if (status == JM_OK) status = draw_lanes(f, figure, JMI_SHOWN_POWER, "", 0, 0, error);
    if (status != JM_OK) return status;
    double low = 0, high = 0;
    widen_to_all(figure, &low, &high);
    jmi_axis_time(figure, &figure->x, f->duration_s);
    jmi_axis_numbers(figure, &figure->y, "power", "W", low, high, JMI_AXIS_ZERO);
    note_smoothing(f, figure);
    return JM_OK;
}

static void utilisation_axes(const jm_figures *f, jm_figure *figure, const char *label) {
    jmi_axis_time(figure, &figure->x, f->duration_s);
    double low = 0, high = 100;
    widen_to_all(figure, &low, &high);
    jmi_axis_numbers(figure, &figure->y, label, "%", low, high, JMI_AXIS_ZERO);
    note_smoothing(f, figure);
}

static int make_util_time(jm_figures *f, jm_figure *figure, jmi_shown which, jm_error *error) {
    int status = jmi_need_curves(f, which, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    if (status == JM_OK) status = draw_lanes(f, figure, which, "", 0, 0, error);
    if (status == JM_OK) utilisation_axes(f, figure, jmi_shown_word(which));
    return status;
}

int jmi_make_gpu_util_time(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_util_time(f, figure, JMI_SHOWN_GPU_UTIL, error);
}

int jmi_make_mem_util_time(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_util_time(f, figure, JMI_SHOWN_MEM_UTIL, error);
}

int jmi_make_util_time_dual(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = jmi_need_curves(f, JMI_SHOWN_GPU_UTIL, error);
    if (status == JM_OK) status = jmi_need_curves(f, JMI_SHOWN_MEM_UTIL, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    if (status == JM_OK) status = draw_lanes(f, figure, JMI_SHOWN_GPU_UTIL, "GPU", 0, 0, error);
    if (status == JM_OK)
        status = draw_lanes(f, figure, JMI_SHOWN_MEM_UTIL, "memory", 1, JM_STYLE_DASHED, error);
    if (status == JM_OK) utilisation_axes(f, figure, "utilisation");
    return status;
}

/* ---- energies ---- */

/* The interval of an energy, of which only a bound may be known. */
static bool interval_of(const jm_energy *energy, double *low, double *high) {
    *low = energy->lower_j, *high = energy->upper_j;
    return jmi_energy_shown(energy) && isfinite(*high);
}

int jmi_make_energy_rate(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = jmi_need_energies(f, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    if (status != JM_OK) return status;
    const jmi_energies *e = &f->energies;
    jmi_mark *band =
        jmi_figure_add(figure, JM_MARK_AREA, "95 % interval", 0, JM_STYLE_FAINT, false);
    jmi_mark *rate = jmi_figure_add(figure, JM_MARK_STEP, "energy rate", 0, 0, false);
    double highest = 0, value = (double)NAN;
    for (size_t i = 0; i < e->count; i++) {
        double s = e->between[i].duration_s, low, high;
        bool known = interval_of(&e->between[i], &low, &high) && s > 0;
        value = known && jmi_energy_estimated(&e->between[i]) ? e->between[i].energy_j / s
                                                              : (double)NAN;
        if (!known) low = high = (double)NAN;
        JMI_PUT(band, e->edge_s[i], low / s, high / s);
        JMI_PUT(band, e->edge_s[i + 1], low / s, high / s);
        JMI_PUT(rate, e->edge_s[i], value);
        highest = fmax(highest, high / s);
    }
    JMI_PUT(rate, e->edge_s[e->count], value);
    jmi_axis_time(figure, &figure->x, f->duration_s);
    jmi_axis_numbers(figure, &figure->y, "energy rate", "W", 0, highest, JMI_AXIS_ZERO);
    jmi_figure_note(figure, "Energy of each %.3g s over its time.",
                    f->duration_s / (double)e->count);
    return JM_OK;
}

int jmi_make_cumulative_energy(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = jmi_need_energies(f, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    if (status != JM_OK) return status;
    const jmi_energies *e = &f->energies;
    jmi_mark *band =
        jmi_figure_add(figure, JM_MARK_AREA, "95 % interval", 0, JM_STYLE_FAINT, false);
    jmi_mark *line = jmi_figure_add(figure, JM_MARK_LINE, "energy", 0, 0, false);
    double highest = 0;
    JMI_PUT(band, 0, 0, 0);
    JMI_PUT(line, 0, 0);
    for (size_t i = 0; i < e->count; i++) {
        double low, high;
        bool known = interval_of(&e->since[i], &low, &high);
        bool estimated = jmi_energy_estimated(&e->since[i]);
        if (!known) low = high = (double)NAN;
        JMI_PUT(band, e->edge_s[i + 1], low, high);
        JMI_PUT(line, e->edge_s[i + 1], known && estimated ? e->since[i].energy_j : (double)NAN);
        highest = fmax(highest, high);
    }
    jmi_axis_time(figure, &figure->x, f->duration_s);
    jmi_axis_numbers(figure, &figure->y, "energy", "J", 0, highest, JMI_AXIS_ZERO);
    return JM_OK;
}

/* ---- change ---- */

int jmi_make_power_derivative(jm_figures *f, jm_figure *figure, jm_error *error) {
    double low = 0, high = 0;
    bool any = false;
    int status = jmi_need_curves(f, JMI_SHOWN_POWER, error);
    if (status == JM_OK) status = jmi_shade_phases(f, figure, error);
    for (size_t i = 0; status == JM_OK && i < f->lane_count; i++) {
        const jmi_lane *lane = &f->lanes[i];
        jmi_curve change;
        if (!lane->has[JMI_SHOWN_POWER]) continue;
        if (!jmi_curve_derive(&change, &lane->curve[JMI_SHOWN_POWER]))
            return jmi_fail(error, JM_MEMORY, "out of memory for how power changes");
        if (change.count > 0) {
            any = true;
            status =
                draw_curve(f, figure, JM_MARK_LINE, &change, lane->name, lane->color, 0, error);
            widen(figure->marks[figure->mark_count - 1], &low, &high);
        }
        jmi_curve_free(&change);
    }
    if (status != JM_OK) return status;
    if (!any)
        return jmi_fail(error, JM_NO_DATA,
                        "the recording is too short: power was refreshed once only");
    jmi_axis_time(figure, &figure->x, f->duration_s);
    jmi_axis_numbers(figure, &figure->y, "change of power", "W/s", low, high, 0);
    note_smoothing(f, figure);
    return JM_OK;
}
