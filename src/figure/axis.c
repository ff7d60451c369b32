/* Axes: what they show, in which multiple of the unit, and round numbers along them. */
#include "figure/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TICKS = 7 };

static bool add_tick(jmi_axis *axis, size_t capacity, double place, const char *text) {
    if (axis->tick == NULL) axis->tick = jmi_alloc(capacity, sizeof *axis->tick);
    if (axis->tick_text == NULL) axis->tick_text = jmi_alloc(capacity, sizeof *axis->tick_text);
    if (axis->tick == NULL || axis->tick_text == NULL || axis->tick_count >= capacity) return false;
    char *copy = jmi_strdup(text);
    if (copy == NULL) return false;
    axis->tick[axis->tick_count] = place;
    axis->tick_text[axis->tick_count++] = copy;
    return true;
}

/* A label with a unit; without one it stands alone. */
static char *labelled(const char *label, const char *prefix, const char *unit) {
    jmi_text text = {0};
    char *out = NULL;
    if (unit[0] == '\0')
        jmi_text_add(&text, "%s", label);
    else
        jmi_text_add(&text, "%s (%s%s)", label, prefix, unit);
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

/* 1, 2 or 5 times a power of ten: the least that gives no more than MOST_TICKS ticks. */
static double round_step(double span) {
    double power = pow(10, floor(log10(span / MOST_TICKS)));
    double least = span / (MOST_TICKS - 1) / power;
    double step = least <= 1 ? 1 : least <= 2 ? 2 : least <= 5 ? 5 : 10;
    return step * power;
}

static void write_tick(char *out, size_t size, double value, double step) {
    int decimals = (int)-floor(log10(step) + 1e-9);
    if (decimals < 0) decimals = 0;
    char number[64];
    snprintf(number, sizeof number, "%.*f", decimals, fabs(value));
    for (char *c = number; *c != '\0'; c++)
        if (*c == ',') *c = '.'; /* whatever the locale */
    bool zero = strspn(number, "0.") == strlen(number);
    snprintf(out, size, "%s%s", value < 0 && !zero ? "\xE2\x88\x92" : "", number);
}

static void add_ticks(jm_figure *figure, jmi_axis *axis, double step) {
    double first = ceil(axis->min / axis->scale / step - 1e-9);
    double last = floor(axis->max / axis->scale / step + 1e-9);
    for (double i = first; i <= last && i - first < 3 * MOST_TICKS; i++) {
        char text[80];
        write_tick(text, sizeof text, i * step, step);
        if (!add_tick(axis, 3 * MOST_TICKS, i * step * axis->scale + 0.0, text))
            figure->failed = true;
    }
}

/* The prefix by which the largest value has one to three digits before the point. */
static double si_scale(double largest, const char *unit, const char **prefix) {
    static const struct {
        double scale;
        const char *prefix;
    } known[] = {{1e12, "T"}, {1e9, "G"},  {1e6, "M"},         {1e3, "k"},
                 {1, ""},     {1e-3, "m"}, {1e-6, "\xC2\xB5"}, {1e-9, "n"}};
    *prefix = "";
    if (unit[0] == '\0' || strcmp(unit, "%") == 0 || !(largest > 0)) return 1;
    for (size_t i = 0; i < JMI_COUNT(known); i++) {
        if (largest < known[i].scale) continue;
        *prefix = known[i].prefix;
        return known[i].scale;
    }
    return 1;
}

void jmi_axis_numbers(jm_figure *figure, jmi_axis *axis, const char *label, const char *unit,
                      double min, double max, uint32_t flags) {
    const char *prefix;
    if (!isfinite(max - min)) min = 0, max = 1;
    if (flags & JMI_AXIS_ZERO) min = fmin(min, 0), max = fmax(max, 0);
    double span = max - min;
    /* Nothing to tell apart, but for what the numbers' own digits can. */
    if (!(span > 1e-9 * fmax(fabs(min), fabs(max)))) {
        double half = max == 0 ? 0.5 : 0.05 * fabs(max);
        if (min != 0 || max != 0) min -= half;
        max += half;
        if (flags & JMI_AXIS_ZERO) min = fmin(0, min);
        span = max - min;
    }
    bool from_zero = (flags & JMI_AXIS_ZERO) != 0;
    if ((flags & JMI_AXIS_EXACT) == 0) {
        if (!from_zero || max > 0) max += (flags & JMI_AXIS_ROOM ? 0.18 : 0.05) * span;
        if (!from_zero || min < 0) min -= 0.05 * span;
    }
    axis->min = min;
    axis->max = max;
    axis->scale = si_scale(fmax(fabs(min), fabs(max)), unit, &prefix);
    snprintf(axis->unit, sizeof axis->unit, "%s", unit);
    axis->label = labelled(label, prefix, unit);
    figure->failed |= axis->label == NULL;
    add_ticks(figure, axis, round_step((max - min) / axis->scale));
}

/* Minutes go by 60, hours by 24. */
static double time_step(double span, double scale) {
    static const double minutes[] = {1, 2, 5, 10, 15, 30, 60},
                        hours[] = {1, 2, 3, 4, 6, 12, 24, 48, 96};
    const double *steps = scale == 60 ? minutes : hours;
    size_t count = scale == 60 ? JMI_COUNT(minutes) : JMI_COUNT(hours);
    for (size_t i = 0; scale >= 60 && i < count; i++)
        if (span / steps[i] <= MOST_TICKS) return steps[i];
    return round_step(span);
}

void jmi_axis_time(jm_figure *figure, jmi_axis *axis, double duration_s) {
    static const struct {
        double from_s, scale;
        const char *unit;
    } units[] = {{6 * 3600, 3600, "h"}, {600, 60, "min"}, {1, 1, "s"}, {0, 1e-3, "ms"}};
    size_t i = 0;
    if (!(duration_s > 0) || !isfinite(duration_s)) duration_s = 1;
    while (duration_s < units[i].from_s) i++;
    axis->min = 0;
    axis->max = duration_s;
    axis->scale = units[i].scale;
    snprintf(axis->unit, sizeof axis->unit, "s");
    axis->label = labelled("time", "", units[i].unit);
    figure->failed |= axis->label == NULL;
    add_ticks(figure, axis, time_step(duration_s / axis->scale, axis->scale));
}

void jmi_axis_categories(jm_figure *figure, jmi_axis *axis, const char *label,
                         const char *const *names, size_t count) {
    axis->min = -0.6;
    axis->max = (double)count - 0.4;
    axis->scale = 1;
    axis->categories = true;
    axis->label = jmi_strdup(label);
    figure->failed |= axis->label == NULL;
    for (size_t i = 0; i < count; i++)
        if (!add_tick(axis, count, (double)i, names[i])) figure->failed = true;
}

void jmi_axis_hidden(jmi_axis *axis, double max) {
    axis->max = max;
    axis->scale = 1;
    axis->hidden = true;
}

void jmi_axis_free(jmi_axis *axis) {
    for (size_t i = 0; i < axis->tick_count; i++) free(axis->tick_text[i]);
    free(axis->tick_text);
    free(axis->tick);
    free(axis->label);
    *axis = (jmi_axis){.scale = 0};
}
