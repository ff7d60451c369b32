#include "sparkline.h"

#include "grid.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CURVES = 8, MOST_BARS = 12, NAMES = 28, LEAST_COLUMNS = 8 };

/* ---- power over time ---- */

/* Means of a step over equal stretches of [0, end); NaN: nothing is known there. */
static void means_of(const jm_figure_mark *step, double end, double *means, size_t columns) {
    for (size_t c = 0; c < columns; c++) {
        double from = end * (double)c / (double)columns,
               to = end * (double)(c + 1) / (double)columns;
        double sum = 0, known = 0;
        for (size_t i = 0; i < step->count; i++) {
            double begin = fmax(step->x[i], from);
            double until = fmin(i + 1 < step->count ? step->x[i + 1] : end, to);
            if (!(until > begin) || isnan(step->y[i])) continue;
            sum += step->y[i] * (until - begin);
            known += until - begin;
        }
        means[c] = known > 0 ? sum / known : (double)NAN;
    }
}

static void add_levels(output *out, const double *means, size_t columns, double most) {
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    const char *const *levels = terminal_is_utf8() ? blocks : letters;
    for (size_t c = 0; c < columns; c++) {
        double level = most > 0 ? means[c] / most * 8 : 0;
        if (isnan(means[c]))
            output_append(out, " ", 1);
        else
            output_add(out, "%s", levels[level >= 7 ? 7 : level > 0 ? (int)level : 0]);
    }
}

static void add_curve(output *out, const jm_figure_mark *step, double end, double most,
                      size_t columns) {
    char low[48], high[48];
    double least = INFINITY, greatest = -INFINITY;
    double *means = calloc(columns, sizeof *means);
    if (means == NULL) return;
    for (size_t i = 0; i < step->count; i++) {
        if (isnan(step->y[i])) continue;
        least = fmin(least, step->y[i]);
        greatest = fmax(greatest, step->y[i]);
    }
    means_of(step, end, means, columns);
    output_add(out, "  ");
    grid_add_text(out, step->label, 8);
    for (size_t i = grid_text_columns(step->label); i < 8; i++) output_append(out, " ", 1);
    add_levels(out, means, columns, most);
    output_add(out, " %s to %s\n", jm_value_text(least, (double)NAN, "W", low, sizeof low),
               jm_value_text(greatest, (double)NAN, "W", high, sizeof high));
    free(means);
}

/* The figure's steps, up to so many; the highest power of all is the top of each line. */
static size_t find_steps(const jm_figure *figure, uint32_t count, jm_figure_mark *steps,
                         double *most) {
    size_t found = 0;
    for (uint32_t i = 0; i < count && found < MOST_CURVES; i++) {
        jm_figure_mark *mark = &steps[found];
        *mark = (jm_figure_mark){.size = sizeof *mark};
        if (jm_figure_get_mark(figure, i, mark) != JM_OK || mark->kind != JM_MARK_STEP) continue;
        for (size_t k = 0; k < mark->count; k++)
            if (mark->y[k] > *most) *most = mark->y[k];
        found++;
    }
    return found;
}

static void add_power(output *out, jm_figures *figures, uint32_t width) {
    jm_figure *figure;
    jm_figure_info info = {.size = sizeof info};
    jm_figure_mark steps[MOST_CURVES];
    double most = 0;
    size_t columns = width > 40 + LEAST_COLUMNS ? width - 34 : LEAST_COLUMNS;
    if (jm_figures_make(figures, "power_time", &figure, NULL) != JM_OK) return;
    jm_figure_get(figure, &info);
    size_t count = find_steps(figure, info.mark_count, steps, &most);
    char text[48];
    if (count > 0)
        output_add(out, "\n  power over %s%s\n",
                   jm_value_text(info.x.max, (double)NAN, "s", text, sizeof text),
                   info.note[0] != '\0' && strstr(info.note, "Simulated") != NULL ? " (simulated)"
                                                                                  : "");
    for (size_t i = 0; i < count; i++) add_curve(out, &steps[i], info.x.max, most, columns);
    jm_figure_free(figure);
}

/* ---- energies of phases ---- */

static void add_bar(output *out, const char *name, double energy, double low, double high,
                    double most, size_t columns) {
    char text[64];
    bool utf8 = terminal_is_utf8();
    size_t eighths = most > 0 ? (size_t)nearbyint(8 * (double)columns * energy / most) : 0;
    static const char *const parts[] = {"",       "\u258F", "\u258E", "\u258D",
                                        "\u258C", "\u258B", "\u258A", "\u2589"};
    output_add(out, "  ");
    grid_add_text(out, name, NAMES);
    for (size_t i = grid_text_columns(name); i < NAMES; i++) output_append(out, " ", 1);
    output_append(out, " ", 1);
    size_t full = eighths / 8;
    for (size_t i = 0; i < full; i++) output_add(out, "%s", utf8 ? "\u2588" : "#");
    if (utf8) output_add(out, "%s", parts[eighths % 8]);
    size_t used = full + (utf8 && eighths % 8 != 0);
    for (size_t i = used; i < columns; i++) output_append(out, " ", 1);
    if (energy > 0)
        output_add(out, " %s\n", jm_value_text(energy, (high - low) / 2, "J", text, sizeof text));
    else
        output_add(out, " %s\n", jm_interval_text(low, high, "J", text, sizeof text));
}

static void add_phases(output *out, jm_figures *figures, uint32_t width) {
    jm_figure *figure;
    jm_figure_info info = {.size = sizeof info};
    jm_figure_mark bar = {.size = sizeof bar};
    size_t columns = width > NAMES + 24 + LEAST_COLUMNS ? width - NAMES - 24 : LEAST_COLUMNS;
    double most = 0;
    if (jm_figures_make(figures, "phase_energy_bar", &figure, NULL) != JM_OK) return;
    jm_figure_get(figure, &info);
    jm_figure_get_mark(figure, 0, &bar);
    if (columns > 40) columns = 40;
    for (size_t i = 0; i < bar.count; i++) most = fmax(most, bar.x2[i]);
    if (bar.count > 0) output_add(out, "\n  energy by phase\n");
    for (size_t i = 0; i < bar.count && i < MOST_BARS; i++) {
        size_t row = (size_t)((bar.y[i] + bar.y2[i]) / 2 + 0.5);
        add_bar(out, info.y.tick_text[row], bar.x2[i], bar.low[i], bar.high[i], most, columns);
    }
    jm_figure_free(figure);
}

void sparkline_add(output *out, const jm_recording *recording, uint32_t width) {
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_figures *figures;
    options.columns = 8 * width;
    options.no_phases = true;
    if (jm_figures_open(&figures, recording, &options, NULL) != JM_OK) return;
    add_power(out, figures, width);
    jm_figures_close(figures);
    options.device = JM_DEVICE_TOTAL; /* as the summary above has them */
    if (jm_figures_open(&figures, recording, &options, NULL) != JM_OK) return;
    add_phases(out, figures, width);
    jm_figures_close(figures);
}
