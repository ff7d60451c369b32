/* Power beside the GPU utilisation that held at the same time. */
#include "figure/make.h"

#include <math.h>
#include <stdlib.h>

enum { HEXAGONS = 30 /* across */ };

/* Readings of power one by one, with what held then. */
typedef struct pairs {
    const jmi_curve *power, *util;
    size_t i, at;
    double t_s, power_w, util_pct, held_s;
} pairs;

static pairs begin_pairs(const jmi_lane *lane) {
    return (pairs){.power = &lane->curve[JMI_SHOWN_POWER],
                   .util = &lane->curve[JMI_SHOWN_GPU_UTIL],
                   .at = SIZE_MAX};
}

static bool next_pair(pairs *p) {
    while (p->i < p->power->count) {
        size_t i = p->i++;
        p->t_s = p->power->t_s[i];
        p->power_w = p->power->value[i];
        p->held_s = jmi_curve_until(p->power, i) - p->t_s;
        p->at = jmi_curve_at(p->util, p->t_s, p->at);
        if (isnan(p->power_w) || p->at == SIZE_MAX || isnan(p->util->value[p->at])) continue;
        p->util_pct = p->util->value[p->at];
        return true;
    }
    return false;
}

static bool has_pairs(const jmi_lane *lane) {
    return lane->has[JMI_SHOWN_POWER] && lane->has[JMI_SHOWN_GPU_UTIL];
}

static void find_extent(jm_figures *f) {
    jmi_extent *e = &f->pairs;
    *e = (jmi_extent){INFINITY, -INFINITY, INFINITY, -INFINITY, 0};
    for (size_t i = 0; i < f->lane_count; i++) {
        if (!has_pairs(&f->lanes[i])) continue;
        for (pairs p = begin_pairs(&f->lanes[i]); next_pair(&p);) {
            if (p.util_pct < e->low_x) e->low_x = p.util_pct;
            if (p.util_pct > e->high_x) e->high_x = p.util_pct;
            if (p.power_w < e->low_y) e->low_y = p.power_w;
            if (p.power_w > e->high_y) e->high_y = p.power_w;
            e->count++;
        }
    }
    f->has_pairs = true;
}

static int need_pairs(jm_figures *f, jm_error *error) {
    int status = jmi_need_curves(f, JMI_SHOWN_POWER, error);
    if (status == JM_OK) status = jmi_need_curves(f, JMI_SHOWN_GPU_UTIL, error);
    if (status != JM_OK) return status;
    if (!f->has_pairs) find_extent(f);
    if (f->pairs.count > 0) return JM_OK;
    return jmi_fail(error, JM_NO_DATA,
                    "power and GPU utilisation were not measured at the same time");
}

/* ---- scatter ---- */

/* One point for each cell of a fine grid, each phase on its own. */
typedef struct grid {
    size_t columns, rows;
    uint8_t *taken[JMI_NAMED_PHASES + 2];
    jmi_mark *mark[JMI_NAMED_PHASES + 2]; /* phases, others, none */
} grid;

static bool open_grid(const jm_figures *f, grid *g, jm_figure *figure) {
    size_t pixels = jmi_pixels(f);
    size_t named = f->phase_count < JMI_NAMED_PHASES ? f->phase_count : JMI_NAMED_PHASES;
    *g = (grid){.columns = pixels / 4 + 1, .rows = 3 * pixels / 16 + 1};
    for (size_t k = 0; k < JMI_NAMED_PHASES + 2; k++) {
        g->taken[k] = jmi_alloc(g->columns * g->rows, 1);
        if (g->taken[k] == NULL) return false;
    }
    g->mark[JMI_NAMED_PHASES + 1] =
        jmi_figure_add(figure, JM_MARK_POINT, f->phase_count > 0 ? "no phase" : "",
                       f->phase_count > 0 ? 6 : 0, JM_STYLE_SMALL, false);
    for (size_t k = 0; k < named; k++)
        g->mark[k] = jmi_figure_add(figure, JM_MARK_POINT, f->phases[k].name, f->phases[k].color,
                                    JM_STYLE_SMALL, false);
    if (f->phase_count > JMI_NAMED_PHASES)
        g->mark[JMI_NAMED_PHASES] =
            jmi_figure_add(figure, JM_MARK_POINT, "other phases", 6, JM_STYLE_SMALL, false);
    return true;
}

static size_t within(double place, size_t count) {
    if (!(place > 0)) return 0;
    return place < (double)count ? (size_t)place : count - 1;
}

static size_t cell(double value, double low, double high, size_t cells) {
    return high > low ? within((value - low) / (high - low) * (double)cells, cells) : 0;
}

static int scatter_lane(const jm_figures *f, const jmi_lane *lane, const jmi_extent *e, grid *g,
                        jm_error *error) {
    jmi_phase_walk walk;
    if (!jmi_phase_walk_begin(&walk, f))
        return jmi_fail(error, JM_MEMORY, "out of memory for a scatter plot");
    for (pairs p = begin_pairs(lane); next_pair(&p);) {
        size_t found = jmi_phase_walk_at(&walk, f->begin_ns + (int64_t)(p.t_s * 1e9));
        size_t k = found == SIZE_MAX ? JMI_NAMED_PHASES + 1
                                     : (found < JMI_NAMED_PHASES ? found : JMI_NAMED_PHASES);
        if (!f->options.raw) {
            size_t x = cell(p.util_pct, e->low_x, e->high_x, g->columns);
            size_t y = cell(p.power_w, e->low_y, e->high_y, g->rows);
            if (g->taken[k][y * g->columns + x]) continue;
            g->taken[k][y * g->columns + x] = 1;
        }
        JMI_PUT(g->mark[k], p.util_pct, p.power_w);
    }
    jmi_phase_walk_end(&walk);
    return JM_OK;
}

static void utilisation_axes(jm_figure *figure, const jmi_extent *e) {
    jmi_axis_numbers(figure, &figure->x, "GPU utilisation", "%", fmin(e->low_x, 0),
                     fmax(e->high_x, 100), 0);
    jmi_axis_numbers(figure, &figure->y, "power", "W", e->low_y, e->high_y, JMI_AXIS_ZERO);
}

int jmi_make_power_util_scatter(jm_figures *f, jm_figure *figure, jm_error *error) {
    const jmi_extent *e = &f->pairs;
    grid g = {.columns = 0};
    int status = need_pairs(f, error);
    if (status == JM_OK) status = jmi_need_phases(f, error);
    if (status != JM_OK) return status;
    if (!open_grid(f, &g, figure))
        status = jmi_fail(error, JM_MEMORY, "out of memory for a scatter plot");
    for (size_t i = 0; status == JM_OK && i < f->lane_count; i++)
        if (has_pairs(&f->lanes[i])) status = scatter_lane(f, &f->lanes[i], e, &g, error);
    for (size_t k = 0; k < JMI_NAMED_PHASES + 2; k++) free(g.taken[k]);
    if (status == JM_OK) utilisation_axes(figure, e);
    return status;
}

/* ---- hexagons ---- */

/* Two lattices of centres, one half a step off the other, make hexagons: a value belongs to the
 * nearest (Carr et al., JASA 1987). */
typedef struct lattice {
    size_t columns, rows;
    double width, height; /* of a hexagon's step */
    double *time_s[2];
} lattice;

static bool open_lattice(lattice *l, const jmi_extent *e) {
    size_t rows = (size_t)(HEXAGONS / sqrt(3));
    l->width = fmax(e->high_x - e->low_x, 1) / HEXAGONS;
    l->height = fmax(e->high_y - e->low_y, 1) / (double)rows;
    l->columns = HEXAGONS + 2;
    l->rows = rows + 2;
    for (int k = 0; k < 2; k++) l->time_s[k] = jmi_alloc(l->columns * l->rows, sizeof(double));
    return l->time_s[0] != NULL && l->time_s[1] != NULL;
}

static void add_to_lattice(lattice *l, const jmi_extent *e, double x, double y, double time_s) {
    double u = (x - e->low_x) / l->width, v = (y - e->low_y) / l->height;
    double whole_u = nearbyint(u), whole_v = nearbyint(v);
    double half_u = floor(u) + 0.5, half_v = floor(v) + 0.5;
    double whole = (u - whole_u) * (u - whole_u) + 3 * (v - whole_v) * (v - whole_v);
    double half = (u - half_u) * (u - half_u) + 3 * (v - half_v) * (v - half_v);
    int k = whole < half ? 0 : 1;
    size_t column = within(k == 0 ? whole_u : half_u - 0.5, l->columns);
    size_t row = within(k == 0 ? whole_v : half_v - 0.5, l->rows);
    l->time_s[k][column * l->rows + row] += time_s;
}

static double draw_lattice(const lattice *l, const jmi_extent *e, jmi_mark *mark) {
    double most = 0;
    for (size_t i = 0; i < 2 * l->columns; i++) /* from left to right, whole and half in turn */
        for (size_t row = 0; row < l->rows; row++) {
            double shift = i % 2 == 0 ? 0 : 0.5;
            size_t column = i / 2;
            double time_s = l->time_s[i % 2][column * l->rows + row];
            if (!(time_s > 0)) continue;
            JMI_PUT(mark, e->low_x + ((double)column + shift) * l->width, l->width,
                    e->low_y + ((double)row + shift) * l->height, l->height * 2 / 3, time_s);
            most = fmax(most, time_s);
        }
    return most;
}

int jmi_make_power_util_hexbin(jm_figures *f, jm_figure *figure, jm_error *error) {
    const jmi_extent *e = &f->pairs;
    lattice l = {.columns = 0};
    int status = need_pairs(f, error);
    if (status == JM_OK && !open_lattice(&l, e))
        status = jmi_fail(error, JM_MEMORY, "out of memory for hexagons");
    for (size_t i = 0; status == JM_OK && i < f->lane_count; i++) {
        if (!has_pairs(&f->lanes[i])) continue;
        for (pairs p = begin_pairs(&f->lanes[i]); next_pair(&p);)
            add_to_lattice(&l, e, p.util_pct, p.power_w, p.held_s);
    }
    if (status == JM_OK) {
        jmi_mark *mark = jmi_figure_add(figure, JM_MARK_HEXAGON, "", 0, 0, false);
        double most = draw_lattice(&l, e, mark);
        if (!(most > 0))
            status = jmi_fail(error, JM_NO_DATA, "the recording is too short: one reading only");
        jmi_axis_numbers(figure, &figure->color, "time", "s", 0, most,
                         JMI_AXIS_ZERO | JMI_AXIS_EXACT);
        jmi_axis_numbers(figure, &figure->x, "GPU utilisation", "%", e->low_x - l.width / 2,
                         e->high_x + l.width / 2, 0);
        jmi_axis_numbers(figure, &figure->y, "power", "W", e->low_y - l.height,
                         e->high_y + l.height, 0);
    }
    free(l.time_s[0]);
    free(l.time_s[1]);
    return status;
}
