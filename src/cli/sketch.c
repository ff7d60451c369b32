#include "sketch.h"

#include "grid.h"
#include "spark.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_NAME = 22,
    LEAST_NAME = 4,
    MOST_CURVES = 8,
    MOST_BARS = 12,
    BESIDE = 16,
    LEAST_PLOT = 12
};

typedef struct sketch {
    output *out;
    size_t width, names, plot; /* columns: of all, of the names, of the plot to the right of them */
    bool utf8;
    const char *dim, *plain;
    char *text; /* for `width` letters */
    double *means;
} sketch;

static bool get_mark(const jm_figure *figure, uint32_t index, jm_figure_mark *mark) {
    *mark = (jm_figure_mark){.size = sizeof *mark};
    return jm_figure_get_mark(figure, index, mark) == JM_OK;
}

/* ---- rows: a name, letters, what is to say of them ---- */

static void add_name(const sketch *s, const char *name) {
    size_t columns = grid_text_columns(name);
    output_add(s->out, "  ");
    grid_add_text(s->out, name, s->names);
    output_add(s->out, "%*s", (int)(columns < s->names ? s->names - columns : 0) + 2, "");
}

static void add_header(const sketch *s, const char *name) {
    output_add(s->out, "\n%s  %s%s\n", s->dim, name, s->plain);
}

static void add_row(const sketch *s, const char *name, size_t letters, const char *beside) {
    add_name(s, name);
    output_add(s->out, "%s%*s  %s\n", s->text, (int)(s->plot - letters), "", beside);
}

static void note_name(sketch *s, const char *name) {
    size_t columns = grid_text_columns(name);
    size_t most = s->width / 4 < LONGEST_NAME ? s->width / 4 : LONGEST_NAME;
    if (columns > most) columns = most;
    if (columns > s->names) s->names = columns;
}

/* Decides how wide names and plot are; false: there is no figure, or no room. */
static bool open_plot(sketch *s, const jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    jm_figure_mark mark;
    s->names = 0;
    if (figure == NULL || jm_figure_get(figure, &info) != JM_OK) return false;
    for (uint32_t m = 0; m < info.mark_count; m++)
        if (get_mark(figure, m, &mark) && (mark.kind == JM_MARK_STEP || mark.kind == JM_MARK_BAR))
            note_name(s, mark.label);
    for (size_t i = 1; i < info.y.tick_count && info.y.categories; i++)
        note_name(s, info.y.tick_text[i]);
    size_t around = s->names + 2 + 2 + 2 + BESIDE;
    if (s->width < around + LEAST_PLOT) return false;
    s->plot = s->width - around;
    return true;
}

/* ---- power over time ---- */

/* "90.1–323 W" of all that is known. */
static void say_range(const jm_figure_mark *curve, char *text, size_t size) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < curve->count; i++) {
        if (!isfinite(curve->y[i])) continue;
        low = fmin(low, curve->y[i]);
        high = fmax(high, curve->y[i]);
    }
    text[0] = '\0';
    if (low < high)
        jm_interval_text(low, high, "W", text, size);
    else if (low == high)
        jm_value_text(low, NAN, "W", text, size);
}

static double highest_of(const jm_figure *figure, uint32_t marks) {
    double highest = 0;
    jm_figure_mark mark;
    for (uint32_t m = 0; m < marks; m++)
        if (get_mark(figure, m, &mark) && mark.kind == JM_MARK_STEP)
            for (size_t i = 0; i < mark.count; i++)
                if (mark.y[i] > highest) highest = mark.y[i];
    return highest;
}

static void add_curves(sketch *s, const jm_figure *figure, const jm_figure_info *info) {
    double highest = highest_of(figure, info->mark_count);
    size_t shown = 0, left = 0;
    jm_figure_mark mark;
    add_header(s, "power");
    for (uint32_t m = 0; m < info->mark_count; m++) {
        char beside[64];
        if (!get_mark(figure, m, &mark) || mark.kind != JM_MARK_STEP) continue;
        if (shown == MOST_CURVES) {
            left++;
            continue;
        }
        spark_means(&mark, info->x.min, info->x.max, s->means, s->plot);
        spark_curve(s->means, s->plot, highest, s->utf8, s->text);
        say_range(&mark, beside, sizeof beside);
        add_row(s, mark.label, s->plot, beside);
        shown++;
    }
    if (left > 0) output_add(s->out, "%s  and %zu more%s\n", s->dim, left, s->plain);
}

/* ---- phases along the time ---- */

typedef struct span {
    double begin, end;
    const char *name;
} span;

static int compare(const void *a, const void *b) {
    double first = ((const span *)a)->begin, second = ((const span *)b)->begin;
    return (first > second) - (first < second);
}

static span *take_spans(const jm_figure *figure, uint32_t marks, size_t *count) {
    size_t total = 0;
    jm_figure_mark mark;
    for (uint32_t m = 0; m < marks; m++)
        if (get_mark(figure, m, &mark) && mark.kind == JM_MARK_SPAN) total += mark.count;
    span *list = calloc(total + 1, sizeof *list);
    *count = 0;
    for (uint32_t m = 0; m < marks && list != NULL; m++)
        if (get_mark(figure, m, &mark) && mark.kind == JM_MARK_SPAN)
            for (size_t i = 0; i < mark.count && *count < total; i++)
                list[(*count)++] = (span){mark.x[i], mark.x2[i], mark.label};
    if (list != NULL) qsort(list, *count, sizeof *list, compare);
    return list;
}

static size_t column_of(const sketch *s, const jm_figure_info *info, double time) {
    double share = (time - info->x.min) / (info->x.max - info->x.min);
    return (size_t)round((double)s->plot * fmin(fmax(share, 0), 1));
}

/* Names where their phases are, as far as they have room. */
static void add_phases(const sketch *s, const jm_figure *figure, const jm_figure_info *info) {
    size_t count, at = 0;
    span *list = take_spans(figure, info->mark_count, &count);
    if (list != NULL && count > 0) {
        add_name(s, "");
        output_add(s->out, "%s", s->dim);
        for (size_t i = 0; i < count; i++) {
            size_t begin = column_of(s, info, list[i].begin);
            size_t end = column_of(s, info, list[i].end);
            if (begin < at || end < begin + 2) continue;
            size_t room = end - begin - 1, columns = grid_text_columns(list[i].name);
            output_add(s->out, "%*s%s", (int)(begin - at), "", s->utf8 ? "\xE2\x94\x94" : "|");
            if (columns > room && room < LEAST_NAME) columns = room = 0;
            grid_add_text(s->out, list[i].name, room);
            at = begin + 1 + (columns < room ? columns : room);
        }
        output_add(s->out, "%s\n", s->plain);
    }
    free(list);
}

/* "0" and "11.7 s" at the ends. */
static void add_time(const sketch *s, const jm_figure_info *info) {
    const char *unit = strchr(info->x.label, '(');
    char end[64];
    if (unit == NULL) return;
    int length = snprintf(end, sizeof end, "%.3g %.*s", info->x.max / info->x.scale,
                          (int)strcspn(unit + 1, ")"), unit + 1);
    add_name(s, "");
    output_add(s->out, "%s0%*s%s\n", s->dim, (int)s->plot - 1, length > 0 ? end : "", s->plain);
}

static void sketch_power(sketch *s, const jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    if (!open_plot(s, figure) || jm_figure_get(figure, &info) != JM_OK) return;
    add_curves(s, figure, &info);
    add_time(s, &info);
    add_phases(s, figure, &info);
}

/* ---- energies ---- */

static void add_bar(const sketch *s, const char *name, double energy, double most, double total) {
    char value[64], beside[96];
    size_t letters = spark_bar(energy / most, s->plot, s->utf8, s->text);
    double percent = 100 * energy / total;
    snprintf(beside, sizeof beside, percent < 9.95 ? "%8s %4.1f %%" : "%8s %4.0f %%",
             jm_value_text(energy, NAN, "J", value, sizeof value), percent);
    add_row(s, name, letters, beside);
}

/* The figure's rows are the whole recording and its phases, stacked of devices. */
static void sketch_energies(sketch *s, const jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    jm_figure_mark sums = {.kind = JM_MARK_BAR}, mark;
    size_t devices = 0, bars = 0;
    if (!open_plot(s, figure) || jm_figure_get(figure, &info) != JM_OK) return;
    for (uint32_t m = 0; m < info.mark_count; m++) {
        if (!get_mark(figure, m, &mark)) continue;
        if (mark.kind == JM_MARK_BAR) devices++;
        if (mark.kind == JM_MARK_POINT) sums = mark;
    }
    if (sums.kind != JM_MARK_POINT || sums.count == 0 || sums.y[0] > 0 || !(sums.x[0] > 0)) return;
    if (devices < 2 && sums.count < 2) return; /* one bar tells nothing */
    add_header(s, "energy");
    for (uint32_t m = 0; m < info.mark_count && devices > 1 && bars < MOST_BARS; m++) {
        if (!get_mark(figure, m, &mark) || mark.kind != JM_MARK_BAR || mark.count == 0) continue;
        if (mark.y[0] > 0) continue; /* nothing in the whole recording */
        add_bar(s, mark.label, mark.x2[0] - mark.x[0], sums.x[0], sums.x[0]);
        bars++;
    }
    if (devices > 1 && sums.count > 1) output_add(s->out, "\n");
    for (size_t i = 1; i < sums.count && i <= MOST_BARS; i++)
        if (isfinite(sums.x[i]) && sums.x[i] > 0)
            add_bar(s, info.y.tick_text[(size_t)sums.y[i]], sums.x[i], sums.x[0], sums.x[0]);
}

/* ---- the whole ---- */

/* What is simulated or modelled, left out. */
static void add_note(const sketch *s, const jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    if (figure == NULL || jm_figure_get(figure, &info) != JM_OK || info.note[0] == '\0') return;
    output_add(s->out, "\n%s", s->dim);
    grid_add_wrapped(s->out, info.note, 2, s->width);
    output_add(s->out, "%s", s->plain);
}

static jm_figure *make(jm_figures *figures, const char *name) {
    jm_figure *figure = NULL;
    return jm_figures_make(figures, name, &figure, NULL) == JM_OK ? figure : NULL;
}

void sketch_recording(output *out, const jm_recording *recording, size_t width, bool color) {
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_figures *figures;
    sketch s = {.out = out,
                .width = width,
                .utf8 = terminal_is_utf8(),
                .dim = color ? "\033[2m" : "",
                .plain = color ? "\033[0m" : "",
                .text = malloc(SPARK_SIZE(width)),
                .means = calloc(width + 1, sizeof *s.means)};
    options.columns = (uint32_t)(16 * width); /* means are taken of them */
    if (s.text != NULL && s.means != NULL &&
        jm_figures_open(&figures, recording, &options, NULL) == JM_OK) {
        jm_figure *power = make(figures, "power_time"), *energy = make(figures, "energy_by_device");
        sketch_power(&s, power);
        sketch_energies(&s, energy);
        add_note(&s, energy != NULL ? energy : power);
        jm_figure_free(power);
        jm_figure_free(energy);
        jm_figures_close(figures);
    }
    free(s.text);
    free(s.means);
}
