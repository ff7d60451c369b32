/* Energy by device: a bar for each; where there are phases a stack for each of them. */
#include "figure/energy_bars.h"
#include "figure/make.h"

#include "energy/views.h"
#include "report/range_reader.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_ROWS = 30 };

typedef struct table {
    size_t rows; /* the whole, then phases */
    const char *names[MOST_ROWS];
    jm_window *windows;
    uint32_t *row_of;
    size_t window_count;
    jm_energy *energies; /* of one device */
    jm_energy *sums;
    double *ends; /* of the stacks so far */
    bool any;     /* a device has been added */
} table;

static bool open_table(const jm_figures *f, table *t) {
    size_t windows = 1;
    t->rows = f->phase_count < MOST_ROWS ? f->phase_count + 1 : MOST_ROWS;
    for (size_t r = 1; r < t->rows; r++) windows += f->phases[r - 1].count;
    t->windows = jmi_alloc(windows, sizeof *t->windows);
    t->row_of = jmi_alloc(windows, sizeof *t->row_of);
    t->energies = jmi_alloc(t->rows, sizeof *t->energies);
    t->sums = jmi_alloc(t->rows, sizeof *t->sums);
    t->ends = jmi_alloc(t->rows, sizeof *t->ends);
    if (t->windows == NULL || t->row_of == NULL || t->energies == NULL || t->sums == NULL ||
        t->ends == NULL)
        return false;
    t->names[0] = "whole recording";
    t->windows[t->window_count++] = (jm_window){f->begin_ns, f->end_ns};
    for (size_t r = 1; r < t->rows; r++) {
        t->names[r] = f->phases[r - 1].name;
        for (size_t i = 0; i < f->phases[r - 1].count; i++) {
            t->row_of[t->window_count] = (uint32_t)r;
            t->windows[t->window_count++] = f->phases[r - 1].windows[i];
        }
    }
    return true;
}

static void free_table(table *t) {
    free(t->windows);
    free(t->row_of);
    free(t->energies);
    free(t->sums);
    free(t->ends);
}

/* Adds a device's part to each stack. */
static void stack(table *t, jm_figure *figure, const char *name, uint32_t color) {
    jmi_mark *mark = jmi_figure_add(figure, JM_MARK_BAR, name, color, 0, false);
    for (size_t r = 0; r < t->rows; r++) {
        const jm_energy *e = &t->energies[r];
        double part = jmi_energy_estimated(e) ? e->energy_j : 0;
        double y = (double)r;
        if (part > 0) JMI_PUT(mark, t->ends[r], t->ends[r] + part, y - 0.35, y + 0.35);
        t->ends[r] += part;
        jmi_energy_add(&t->sums[r], e, !t->any);
    }
    t->any = true;
}

/* JM_NO_DATA where no device has an energy. */
static int add_devices(const jm_figures *f, table *t, jm_figure *figure, jm_error *error) {
    uint32_t color = 0;
    for (uint32_t i = 0; i < jm_recording_device_count(f->recording); i++) {
        jm_device device = {.size = sizeof device};
        jm_error why;
        if (!jmi_device_is_part(f->recording, i, JM_DEVICE_TOTAL) ||
            jm_recording_device(f->recording, i, &device) != JM_OK)
            continue;
        int status = jm_energy_groups(f->recording, i, t->windows, t->row_of, t->window_count,
                                      &f->energy, t->energies, t->rows, &why);
        if (status == JM_NO_DATA) continue;
        if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
        stack(t, figure, device.name, color++);
    }
    return t->any ? JM_OK : jmi_fail(error, JM_NO_DATA, "no energy was measured");
}

/* The sums with their intervals. JM_NO_DATA: no energy is a number. */
static int finish(table *t, jm_figure *figure, double *highest, jm_error *error) {
    jmi_mark *mark = jmi_figure_add(figure, JM_MARK_POINT, "sum, 95 % interval", 6, 0, true);
    bool any = false;
    for (size_t r = 0; r < t->rows; r++) {
        jm_energy *sum = &t->sums[r];
        jmi_energy_finish(sum, 0);
        if (!jmi_energy_shown(sum) || !isfinite(sum->upper_j)) continue;
        double value = jmi_energy_estimated(sum) ? sum->energy_j : (double)NAN;
        JMI_PUT(mark, value, (double)r, sum->lower_j, sum->upper_j);
        *highest = fmax(*highest, sum->upper_j);
        any = true;
    }
    return any ? JM_OK : jmi_fail(error, JM_NO_DATA, "no energy was measured");
}

int jmi_make_energy_by_device(jm_figures *f, jm_figure *figure, jm_error *error) {
    table t = {.rows = 0};
    double highest = 0;
    int status = jmi_need_phases(f, error);
    if (status != JM_OK) return status;
    if (!open_table(f, &t))
        status = jmi_fail(error, JM_MEMORY, "out of memory for energies by device");
    if (status == JM_OK) status = add_devices(f, &t, figure, error);
    if (status == JM_OK) status = finish(&t, figure, &highest, error);
    if (status == JM_OK) {
        if (!f->modelled && t.sums[0].provenance & JM_FROM_MODEL)
            jmi_figure_note(figure, "CPU power is modelled, not measured.");
        jmi_axis_categories(figure, &figure->y, "", t.names, t.rows);
        jmi_axis_numbers(figure, &figure->x, "energy", "J", 0, highest, JMI_AXIS_ZERO);
        if (f->phase_count + 1 > t.rows)
            jmi_figure_note(figure, "%zu more phases are not shown.", f->phase_count + 1 - t.rows);
    }
    free_table(&t);
    return status;
}
