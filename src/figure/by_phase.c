/* Figures by phase: how power and utilisation are spread, and sums. */
#include "figure/make.h"

#include "figure/energy_bars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 30 };

static const char no_phase[] = "there is no phase: mark them with `with prof.phase(name)`";

static void note_left_out(jm_figure *figure, size_t left, const char *what) {
    if (left > 0) jmi_figure_note(figure, "%zu more %s are not shown.", left, what);
}

static int need_some_phase(jm_figures *f, jm_error *error) {
    int status = jmi_need_phases(f, error);
    if (status == JM_OK && f->phase_count == 0)
        status = jmi_fail(error, JM_NO_DATA, "%s", no_phase);
    return status;
}

/* ---- boxes ---- */

/* Rows of boxes: phase by phase, and in each lane by lane. */
typedef struct boxes {
    jm_figure *figure;
    size_t kinds, lanes; /* of quantities and of devices in each phase */
    char **names;
    size_t count, left_out;
    double low, high;
    uint32_t labelled; /* bit set of colours that are in the legend */
} boxes;

static char *row_name(const boxes *b, const jmi_phase *phase, const jmi_lane *lane,
                      jmi_shown which) {
    jmi_text name = {0};
    char *out = NULL;
    const char *word = which == JMI_SHOWN_GPU_UTIL ? "GPU" : "memory";
    jmi_text_add(&name, "%s", phase->name);
    if (b->lanes > 1) jmi_text_add(&name, ", %s", lane->name);
    if (b->kinds > 1) jmi_text_add(&name, ", %s", word);
    return jmi_text_take(&name, &out, NULL) == JM_OK ? out : NULL;
}

static int add_box(jm_figures *f, boxes *b, const jmi_phase *phase, const jmi_lane *lane,
                   jmi_shown which, jm_error *error) {
    jmi_distribution d;
    jmi_box box;
    jmi_stretch *stretches = jmi_while(f, &lane->curve[which], phase);
    uint32_t color = b->kinds > 1 ? which == JMI_SHOWN_MEM_UTIL : lane->color;
    if (stretches == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a box");
    int status = jmi_distribution_make(&d, stretches, phase->count, error);
    if (status == JM_OK) {
        status = jmi_distribution_box(&d, &box, error);
        double y = (double)b->count;
        jmi_mark *mark = jmi_figure_add(b->figure, JM_MARK_BOX, "", color, 0, false);
        jmi_mark *beyond =
            jmi_figure_add(b->figure, JM_MARK_POINT, "", color, JM_STYLE_SMALL, false);
        if (status == JM_OK) {
            JMI_PUT(mark, box.median, y, box.low, box.high, box.q1, box.q3);
            jmi_distribution_outliers(&d, &box, y, jmi_pixels(f), beyond);
            b->names[b->count] = row_name(b, phase, lane, which);
            if (b->names[b->count++] == NULL) b->figure->failed = true;
            b->low = fmin(b->low, d.min);
            b->high = fmax(b->high, d.max);
        }
    }
    jmi_distribution_free(&d);
    free(stretches);
    return status == JM_NO_DATA ? JM_OK : status;
}

static int add_boxes(jm_figures *f, boxes *b, const bool shown[JMI_SHOWN], jm_error *error) {
    int status = JM_OK;
    for (size_t p = 0; status == JM_OK && p < f->phase_count; p++)
        for (size_t i = 0; status == JM_OK && i < f->lane_count; i++)
            for (jmi_shown which = 0; status == JM_OK && which < JMI_SHOWN; which++) {
                if (!shown[which] || !f->lanes[i].has[which]) continue;
                if (b->count == MOST_ROWS)
                    b->left_out++;
                else
                    status = add_box(f, b, &f->phases[p], &f->lanes[i], which, error);
            }
    return status;
}

static void count_boxes(const jm_figures *f, boxes *b, const bool shown[JMI_SHOWN]) {
    for (jmi_shown which = 0; which < JMI_SHOWN; which++) b->kinds += shown[which];
    for (size_t i = 0; i < f->lane_count; i++) {
        bool any = false;
        for (jmi_shown which = 0; which < JMI_SHOWN; which++)
            any |= shown[which] && f->lanes[i].has[which];
        b->lanes += any;
    }
}

static int make_boxes(jm_figures *f, jm_figure *figure, const bool shown[JMI_SHOWN],
                      jm_error *error) {
    bool power = shown[JMI_SHOWN_POWER];
    boxes b = {.figure = figure, .low = INFINITY, .high = -INFINITY};
    int status = need_some_phase(f, error);
    if (status != JM_OK) return status;
    b.names = jmi_alloc(MOST_ROWS, sizeof *b.names);
    if (b.names == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for boxes");
    count_boxes(f, &b, shown);
    status = add_boxes(f, &b, shown, error);
    if (status == JM_OK && b.count == 0)
        status = jmi_fail(error, JM_NO_DATA, "no reading lies in a phase");
    if (status == JM_OK && !figure->failed) {
        jmi_axis_categories(figure, &figure->y, "", (const char *const *)b.names, b.count);
        jmi_axis_numbers(figure, &figure->x, power ? "power" : "utilisation", power ? "W" : "%",
                         power ? b.low : fmin(b.low, 0), power ? b.high : fmax(b.high, 100), 0);
        jmi_figure_note(figure, "Boxes: quartiles of time; whiskers: 1.5 interquartile ranges.");
        note_left_out(figure, b.left_out, "boxes");
    }
    for (size_t i = 0; i < b.count; i++) free(b.names[i]);
    free(b.names);
    return status;
}

int jmi_make_power_boxplot_phase(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = jmi_need_curves(f, JMI_SHOWN_POWER, error);
    if (status != JM_OK) return status;
    return make_boxes(f, figure, (const bool[JMI_SHOWN]){[JMI_SHOWN_POWER] = true}, error);
}

int jmi_make_util_boxplot_phase(jm_figures *f, jm_figure *figure, jm_error *error) {
    bool shown[JMI_SHOWN];
    int status = jmi_need_utilisations(f, shown, error);
    return status == JM_OK ? make_boxes(f, figure, shown, error) : status;
}

/* ---- bars ---- */

static size_t bar_rows(const jm_figures *f) {
    return f->phase_count < MOST_ROWS ? f->phase_count : MOST_ROWS;
}

static void bar_axes(const jm_figures *f, jm_figure *figure, const char *label, const char *unit,
                     double highest) {
    const char *names[MOST_ROWS];
    size_t rows = bar_rows(f);
    for (size_t i = 0; i < rows; i++) names[i] = f->phases[i].name;
    jmi_axis_categories(figure, &figure->y, "", names, rows);
    jmi_axis_numbers(figure, &figure->x, label, unit, 0, highest, JMI_AXIS_ZERO);
    note_left_out(figure, f->phase_count - rows, "phases");
}

int jmi_make_phase_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = need_some_phase(f, error);
    if (status == JM_OK) status = jmi_need_energies(f, error);
    if (status != JM_OK) return status;
    jmi_bars bars = jmi_bars_begin(figure);
    for (size_t i = 0; i < bar_rows(f); i++) jmi_bars_add(&bars, i, &f->phases[i].energy);
    if (bars.shown == 0) return jmi_fail(error, JM_NO_DATA, "no energy was measured");
    bar_axes(f, figure, "energy", "J", bars.highest);
    jmi_bars_note(&bars);
    return JM_OK;
}

int jmi_make_phase_time_bar(jm_figures *f, jm_figure *figure, jm_error *error) {
    int status = need_some_phase(f, error);
    if (status != JM_OK) return status;
    jmi_mark *mark = jmi_figure_add(figure, JM_MARK_BAR, "", 0, 0, false);
    double highest = 0;
    for (size_t i = 0; i < bar_rows(f); i++) {
        double y = (double)i, time_s = f->phases[i].time_s;
        JMI_PUT(mark, 0, time_s, y - 0.35, y + 0.35);
        highest = fmax(highest, time_s);
    }
    bar_axes(f, figure, "time", "s", highest);
    return JM_OK;
}
