/* The phases of a recording, by name: when they ran, and how they are shaded. */
#include "figure/source.h"

#include "report/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 7 };

/* Devices take the palette from its beginning; phases those that are left first. */
static uint32_t color_of(size_t place) {
    static const uint32_t order[] = {2, 4, 3, 5, 7, 1, 0};
    return order[place % JMI_COUNT(order)];
}

/* Begins a phase if the unit is of another name than the one before. */
static jmi_phase *phase_of(jm_figures *f, const jmi_unit *unit, size_t *capacity) {
    if (f->phase_count > 0 && strcmp(f->phases[f->phase_count - 1].name, unit->name) == 0)
        return &f->phases[f->phase_count - 1];
    if (!jmi_reserve(&f->phases, capacity, f->phase_count + 1, sizeof *f->phases)) return NULL;
    f->phases[f->phase_count] = (jmi_phase){.name = unit->name};
    return &f->phases[f->phase_count++];
}

/* Units of a name come by their beginning: each lies after the last window, or goes on from it. */
static bool add_unit(jm_figures *f, const jmi_unit *unit, size_t *capacity) {
    jmi_phase *phase = phase_of(f, unit, capacity);
    if (phase == NULL) return false;
    jm_window *last = phase->count > 0 ? &phase->windows[phase->count - 1] : NULL;
    if (last != NULL && unit->begin_ns <= last->end_ns) {
        if (unit->end_ns > last->end_ns) last->end_ns = unit->end_ns;
        return true;
    }
    if (!jmi_reserve(&phase->windows, &phase->capacity, phase->count + 1, sizeof *phase->windows))
        return false;
    phase->windows[phase->count++] = (jm_window){unit->begin_ns, unit->end_ns};
    return true;
}

static int by_name(const void *left, const void *right) {
    const jmi_unit *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->begin_ns > b->begin_ns) - (a->begin_ns < b->begin_ns);
}

static int by_begin(const void *left, const void *right) {
    const jmi_phase *a = left, *b = right;
    int64_t a_ns = a->windows[0].begin_ns, b_ns = b->windows[0].begin_ns;
    return a_ns != b_ns ? (a_ns > b_ns) - (a_ns < b_ns) : strcmp(a->name, b->name);
}

static void order_phases(jm_figures *f) {
    if (f->phase_count > 1) qsort(f->phases, f->phase_count, sizeof *f->phases, by_begin);
    for (size_t i = 0; i < f->phase_count; i++) {
        jmi_phase *phase = &f->phases[i];
        phase->color = color_of(i);
        for (size_t k = 0; k < phase->count; k++)
            phase->time_s += (double)(phase->windows[k].end_ns - phase->windows[k].begin_ns) * 1e-9;
    }
}

/* Phases, and warm-ups that no phase holds: the rows of the table of phases. */
static int take_units(jm_figures *f, const jmi_work *work, jm_error *error) {
    size_t count = 0, capacity = 0;
    jmi_unit *units = jmi_alloc(work->phases.count + work->warmups.count + 1, sizeof *units);
    bool good = units != NULL;
    for (size_t i = 0; good && i < work->phases.count; i++) units[count++] = work->phases.list[i];
    for (size_t i = 0; good && i < work->warmups.count; i++)
        if (work->warmups.list[i].phase == 0) units[count++] = work->warmups.list[i];
    if (count > 1) qsort(units, count, sizeof *units, by_name);
    for (size_t i = 0; good && i < count; i++) good = add_unit(f, &units[i], &capacity);
    free(units);
    order_phases(f);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for phases");
}

int jmi_need_phases(jm_figures *f, jm_error *error) {
    jmi_work work;
    if (f->has_phases) return JM_OK;
    int status = jmi_work_read(&work, f->recording, error);
    if (status == JM_OK) {
        status = take_units(f, &work, error);
        jmi_work_free(&work);
    }
    f->has_phases = status == JM_OK;
    return status;
}

/* ---- stretches ---- */

jmi_stretch *jmi_whole(const jm_figures *f, const jmi_curve *curve) {
    jmi_stretch *stretch = jmi_alloc(1, sizeof *stretch);
    if (stretch != NULL) *stretch = (jmi_stretch){curve, 0, f->duration_s};
    return stretch;
}

jmi_stretch *jmi_while(const jm_figures *f, const jmi_curve *curve, const jmi_phase *phase) {
    jmi_stretch *list = jmi_alloc(phase->count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < phase->count; i++)
        list[i] = (jmi_stretch){curve, (double)(phase->windows[i].begin_ns - f->begin_ns) * 1e-9,
                                (double)(phase->windows[i].end_ns - f->begin_ns) * 1e-9};
    return list;
}

/* ---- shading ---- */

/* Windows that nobody could tell apart are one; NaN begins nothing. */
static void shade(const jm_figures *f, const jmi_phase *phase, jmi_mark *mark) {
    size_t pixels = jmi_pixels(f);
    double least = pixels > 0 ? f->duration_s / (double)pixels : 0;
    double begin = (double)NAN, end = (double)NAN;
    for (size_t i = 0; i < phase->count; i++) {
        double from = fmax((double)(phase->windows[i].begin_ns - f->begin_ns) * 1e-9, 0);
        double to = fmin((double)(phase->windows[i].end_ns - f->begin_ns) * 1e-9, f->duration_s);
        if (!isnan(begin) && from - end < least) {
            end = to;
            continue;
        }
        if (!isnan(begin)) JMI_PUT(mark, begin, end);
        begin = from, end = to;
    }
    if (!isnan(begin)) JMI_PUT(mark, begin, end);
}

int jmi_shade_phases(jm_figures *f, jm_figure *figure, jm_error *error) {
    if (f->options.no_phases) return JM_OK;
    int status = jmi_need_phases(f, error);
    for (size_t i = 0; status == JM_OK && i < f->phase_count; i++) {
        bool named = i < MOST_NAMED;
        const char *label = named ? f->phases[i].name : i == MOST_NAMED ? "other phases" : "";
        jmi_mark *mark = jmi_figure_add(figure, JM_MARK_SPAN, label, named ? f->phases[i].color : 6,
                                        JM_STYLE_FAINT, false);
        shade(f, &f->phases[i], mark);
        figure->has_phases = true;
    }
    return status;
}
