/* Joules to grams, money and water. */
#include "carbon/grid.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double J_PER_KWH = 3.6e6;

/* What is known of the intensity over the time of an energy. */
typedef struct mean {
    double g, u;    /* a kWh, and its relative standard uncertainty */
    double covered; /* share of the energy */
} mean;

/* 95 % of a product of independent factors: relative half-widths add in quadrature. Of hard bounds
 * that of the bounds: they hold where no energy was seen at all, too. */
static void set_interval(jm_carbon *c, const jm_energy *e, double pue, double u) {
    if ((e->provenance & JM_BOUND_ONLY) || !(e->energy_j > 0)) {
        double g = pue * c->intensity_g / J_PER_KWH; /* a joule */
        c->lower_g = e->lower_j * g * fmax(1 - 1.96 * u, 0);
        c->upper_g = isfinite(e->upper_j) ? e->upper_j * g * (1 + 1.96 * u) : INFINITY;
        return;
    }
    double below = (e->energy_j - e->lower_j) / e->energy_j;
    double above = (e->upper_j - e->energy_j) / e->energy_j;
    c->lower_g = fmax(c->g * (1 - hypot(below, 1.96 * u)), 0);
    c->upper_g = c->g * (1 + hypot(above, 1.96 * u));
}

static void fill(const jm_grid *grid, const jm_energy *e, const mean *intensity, jm_carbon *out) {
    bool known = (e->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0 && isfinite(e->energy_j);
    jm_carbon c = {.size = sizeof c, .intensity_g = intensity->g, .intensity_u = intensity->u};
    c.covered = intensity->covered;
    c.g = c.lower_g = c.upper_g = c.cost = c.cost_lower = c.cost_upper = c.water_l = NAN;
    c.facility_j = known ? e->energy_j * grid->pue : NAN;
    double kwh = c.facility_j / J_PER_KWH;
    if (known && !isnan(intensity->g)) {
        c.g = kwh * intensity->g;
        set_interval(&c, e, grid->pue, intensity->u);
    }
    if (known) { /* NaN where they are not known */
        c.cost = kwh * grid->price;
        c.cost_lower = e->lower_j * grid->pue / J_PER_KWH * grid->price;
        c.cost_upper = e->upper_j * grid->pue / J_PER_KWH * grid->price;
        c.water_l = e->energy_j / J_PER_KWH * grid->water_l;
    }
    jmi_give_struct(out, &c, sizeof c);
}

int jm_carbon_of(const jm_grid *grid, const jm_energy *energy, jm_carbon *carbon, jm_error *error) {
    if (grid == NULL || energy == NULL || carbon == NULL)
        return jmi_fail(error, JM_INVALID, "a grid, an energy and a place for carbon are needed");
    mean intensity = {grid->intensity_g, grid->intensity_u, isnan(grid->intensity_g) ? 0 : 1};
    if (grid->series.count > 0 && grid->series.mean > 0)
        intensity.u = hypot(intensity.u, fmax(grid->series.sd / grid->series.mean, JMI_YEAR_U));
    fill(grid, energy, &intensity, carbon);
    return JM_OK;
}

/* ---- a series over a power curve ---- */

/* The pieces of a window in each of which one intensity holds, in order. `utc_ns` is UTC less the
 * recording's clock. */
typedef struct pieces {
    jm_window *window;
    double *g;
    size_t count;
} pieces;

static int cut(const jmi_intensities *series, int64_t begin, int64_t end, int64_t utc_ns,
               pieces *p) {
    size_t from = jmi_intensities_find(series, begin + utc_ns);
    size_t to = jmi_intensities_find(series, end + utc_ns);
    size_t most = to - from + 1;
    p->window = jmi_alloc(most, sizeof *p->window);
    p->g = jmi_alloc(most, sizeof *p->g);
    if (p->window == NULL || p->g == NULL) return JM_MEMORY;
    for (size_t i = from; i <= to && i < series->count; i++) {
        int64_t a = series->at[i].begin_ns - utc_ns, b = series->at[i].end_ns - utc_ns;
        if (a < begin) a = begin;
        if (b > end) b = end;
        if (a >= b) continue;
        p->window[p->count] = (jm_window){a, b};
        p->g[p->count++] = series->at[i].g;
    }
    return JM_OK;
}

static void utc_text(int64_t ns, char *text, size_t size) {
    time_t seconds = (time_t)(ns / JMI_NS_PER_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, size, "%Y-%m-%dT%H:%MZ", &parts) == 0)
        text[0] = '\0';
}

static int not_covered(const jmi_intensities *series, int64_t begin, int64_t end, jm_error *error) {
    char a[32], b[32], from[32], to[32];
    utc_text(begin, a, sizeof a);
    utc_text(end, b, sizeof b);
    utc_text(series->at[0].begin_ns, from, sizeof from);
    utc_text(series->at[series->count - 1].end_ns, to, sizeof to);
    return jmi_fail(error, JM_NO_DATA,
                    "the series of intensities (%s to %s) has nothing of the time that was "
                    "measured (%s to %s)",
                    from, to, a, b);
}

/* Standard uncertainty of an hour that the series does not have, about its mean. The series' least
 * and most say how far its own hours are from it: uniform between them. Few rows say little: a
 * country's year is not known any worse than what no row tells of. */
static double gap_u(const jmi_intensities *series) {
    double range = series->high - series->low;
    double off = (series->high + series->low) / 2 - series->mean;
    return fmax(sqrt(range * range / 12 + off * off), JMI_YEAR_U * series->mean);
}

/* Weighted by the energy of each piece. Where the series has gaps its mean stands in. */
static mean weigh(const jm_grid *grid, const pieces *p, const jm_energy *part, double whole_j) {
    mean m = {.u = grid->intensity_u};
    double known_j = 0, sum = 0, time = 0, time_sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        double s = (double)(p->window[i].end_ns - p->window[i].begin_ns) / 1e9;
        double j = (part[i].provenance != 0 && part[i].energy_j > 0) ? part[i].energy_j : 0;
        known_j += j;
        sum += j * p->g[i];
        time += s;
        time_sum += s * p->g[i];
    }
    m.covered = whole_j > 0 ? fmin(known_j / whole_j, 1) : 1;
    if (m.covered > 1 - 1e-9) m.covered = 1;             /* rounding of the pieces */
    m.g = known_j > 0 ? sum / known_j : time_sum / time; /* no energy: it weighs nothing */
    m.g = m.covered * m.g + (1 - m.covered) * grid->series.mean;
    if (m.g > 0) m.u = hypot(m.u, (1 - m.covered) * gap_u(&grid->series) / m.g);
    return m;
}

static int integrate(const jm_grid *grid, const jm_recording *recording, uint32_t device,
                     const jm_window *window, const jm_energy_options *options,
                     const jm_energy *whole, mean *m, jm_error *error) {
    int64_t utc = jm_recording_utc_offset_ns(recording);
    pieces p = {0};
    jm_energy *part = NULL;
    int status = cut(&grid->series, window->begin_ns, window->end_ns, utc, &p);
    if (status == JM_OK && p.count == 0)
        status = not_covered(&grid->series, window->begin_ns + utc, window->end_ns + utc, error);
    else if (status == JM_OK && (part = jmi_alloc(p.count, sizeof *part)) == NULL)
        status = JM_MEMORY;
    if (status == JM_OK)
        status = jm_energy_windows(recording, device, p.window, p.count, options, part, error);
    else if (status == JM_MEMORY)
        jmi_fail(error, JM_MEMORY, "out of memory for intensities");
    if (status == JM_OK) *m = weigh(grid, &p, part, whole->energy_j);
    free(p.window);
    free(p.g);
    free(part);
    return status;
}

int jm_carbon_window(const jm_grid *grid, const jm_recording *recording, uint32_t device,
                     int64_t begin_ns, int64_t end_ns, const jm_energy_options *options,
                     jm_carbon *carbon, jm_energy *energy, jm_error *error) {
    if (grid == NULL || recording == NULL || carbon == NULL)
        return jmi_fail(error, JM_INVALID, "a grid, a recording and a place for carbon are needed");
    jm_energy whole;
    jm_window window = {begin_ns, end_ns};
    mean m = {grid->intensity_g, grid->intensity_u, isnan(grid->intensity_g) ? 0 : 1};
    int status = jm_energy_window(recording, device, begin_ns, end_ns, options, &whole, error);
    if (status == JM_OK && energy != NULL) *energy = whole;
    if (status == JM_OK && grid->series.count > 0)
        status = integrate(grid, recording, device, &window, options, &whole, &m, error);
    if (status == JM_OK) fill(grid, &whole, &m, carbon);
    return status;
}
