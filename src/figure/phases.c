/* The phases of a recording, by name: when they ran, and how they are shaded. */
#include "figure/source.h"

#include "report/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static int by_time(const void *left, const void *right) {
    const jmi_phase_window *a = left, *b = right;
    int order =
        (a->window.begin_ns > b->window.begin_ns) - (a->window.begin_ns < b->window.begin_ns);
    return order != 0 ? order : (a->phase > b->phase) - (a->phase < b->phase);
}

/* The windows of all phases in one list, in order of their beginnings. */
static int list_windows(jm_figures *f, jm_error *error) {
    size_t count = 0;
    for (size_t i = 0; i < f->phase_count; i++) count += f->phases[i].count;
    f->phase_windows = jmi_alloc(count + 1, sizeof *f->phase_windows);
    if (f->phase_windows == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for phases");
    for (size_t i = 0; i < f->phase_count; i++)
        for (size_t k = 0; k < f->phases[i].count; k++)
            f->phase_windows[f->phase_window_count++] =
                (jmi_phase_window){f->phases[i].windows[k], i};
    qsort(f->phase_windows, count, sizeof *f->phase_windows, by_time);
    return JM_OK;
}

int jmi_need_phases(jm_figures *f, jm_error *error) {
    jmi_work work;
    if (f->has_phases) return JM_OK;
    int status = jmi_work_read(&work, f->recording, error);
    if (status == JM_OK) {
        status = take_units(f, &work, error);
        jmi_work_free(&work);
    }
    if (status == JM_OK) status = list_windows(f, error);
    f->has_phases = status == JM_OK;
    return status;
}

/* ---- which phase runs ---- */

bool jmi_phase_walk_begin(jmi_phase_walk *walk, const jm_figures *f) {
    *walk = (jmi_phase_walk){.f = f};
    walk->running = jmi_alloc(f->phase_window_count + 1, sizeof *walk->running);
    return walk->running != NULL;
}

/* Those that run lie on a stack by their beginnings; each window comes and goes once. */
size_t jmi_phase_walk_at(jmi_phase_walk *walk, int64_t t_ns) {
    const jmi_phase_window *all = walk->f->phase_windows;
    while (walk->next < walk->f->phase_window_count && all[walk->next].window.begin_ns <= t_ns)
        walk->running[walk->depth++] = walk->next++;
    while (walk->depth > 0 && all[walk->running[walk->depth - 1]].window.end_ns < t_ns)
        walk->depth--;
    return walk->depth > 0 ? all[walk->running[walk->depth - 1]].phase : SIZE_MAX;
}

void jmi_phase_walk_end(jmi_phase_walk *walk) {
    free(walk->running);
    *walk = (jmi_phase_walk){.running = NULL};
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

/* Spans of a mark as they grow: windows that nobody could tell apart are one. NaN begins nothing.
 */
typedef struct shade {
    const jm_figures *f;
    jmi_mark *mark;
    double least_s, begin_s, end_s;
} shade;

static shade begin_shade(const jm_figures *f, jmi_mark *mark) {
    size_t pixels = jmi_pixels(f);
    double least_s = pixels > 0 ? f->duration_s / (double)pixels : 0;
    return (shade){f, mark, least_s, (double)NAN, (double)NAN};
}

static void end_shade(const shade *s) {
    if (!isnan(s->begin_s)) JMI_PUT(s->mark, s->begin_s, s->end_s);
}

/* Windows come by their beginnings. */
static void add_shade(shade *s, const jm_window *window) {
    double from = fmax((double)(window->begin_ns - s->f->begin_ns) * 1e-9, 0);
    double to = fmin((double)(window->end_ns - s->f->begin_ns) * 1e-9, s->f->duration_s);
    if (!isnan(s->begin_s) && from - s->end_s < s->least_s) {
        s->end_s = fmax(s->end_s, to);
        return;
    }
    end_shade(s);
    s->begin_s = from, s->end_s = to;
}

static void shade_named(const jm_figures *f, jm_figure *figure, const jmi_phase *phase) {
    shade s = begin_shade(
        f, jmi_figure_add(figure, JM_MARK_SPAN, phase->name, phase->color, JM_STYLE_FAINT, false));
    for (size_t i = 0; i < phase->count; i++) add_shade(&s, &phase->windows[i]);
    end_shade(&s);
}

/* However many names there are, what they shade is one mark. */
static void shade_others(const jm_figures *f, jm_figure *figure) {
    shade s = begin_shade(
        f, jmi_figure_add(figure, JM_MARK_SPAN, "other phases", 6, JM_STYLE_FAINT, false));
    for (size_t i = 0; i < f->phase_window_count; i++)
        if (f->phase_windows[i].phase >= JMI_NAMED_PHASES)
            add_shade(&s, &f->phase_windows[i].window);
    end_shade(&s);
}

int jmi_shade_phases(jm_figures *f, jm_figure *figure, jm_error *error) {
    if (f->options.no_phases) return JM_OK;
    int status = jmi_need_phases(f, error);
    if (status != JM_OK || f->phase_count == 0) return status;
    for (size_t i = 0; i < f->phase_count && i < JMI_NAMED_PHASES; i++)
        shade_named(f, figure, &f->phases[i]);
    if (f->phase_count > JMI_NAMED_PHASES) shade_others(f, figure);
    figure->has_phases = true;
    return JM_OK;
}
