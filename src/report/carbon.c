#include "report/carbon.h"

#include <math.h>
#include <string.h>

int jmi_footprint_make(jmi_footprint *f, const jmi_summary *summary, const jm_grid *grid,
                       const jm_energy_options *options, jm_error *error) {
    *f = (jmi_footprint){.asked = grid != NULL};
    f->grid.size = sizeof f->grid;
    f->carbon.size = sizeof f->carbon;
    if (!f->asked) return JM_OK;
    jm_error why = {0};
    jm_energy energy = {.upper_j = INFINITY};
    int status = jm_grid_get(grid, &f->grid);
    if (status != JM_OK) return jmi_fail(error, status, "the grid cannot be read");
    status = jm_carbon_window(grid, summary->recording, JM_DEVICE_TOTAL, summary->begin_ns,
                              summary->end_ns, options, &f->carbon, &energy, &why);
    f->bound_only = (energy.provenance & JM_BOUND_ONLY) != 0;
    if (status == JM_NO_DATA) {
        f->carbon.g = f->carbon.cost = f->carbon.water_l = NAN;
        f->carbon.lower_g = f->carbon.upper_g = f->carbon.intensity_g = NAN;
        f->carbon.cost_lower = f->carbon.cost_upper = f->carbon.facility_j = NAN;
        if (summary->total.has_energy) snprintf(f->why, sizeof f->why, "%.290s", why.message);
        return JM_OK;
    }
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    if (f->grid.source == JM_INTENSITY_UNKNOWN)
        snprintf(f->why, sizeof f->why, "%.290s", f->grid.text);
    return JM_OK;
}

/* ---- as JSON ---- */

static const char *source_name(jm_intensity_source source) {
    static const char *const names[] = {"unknown", "given", "country", "time zone", "series"};
    return names[source];
}

static void set_known_text(json_t *object, const char *key, const char *text) {
    jmi_json_set_text(object, key, text != NULL && text[0] != '\0' ? text : NULL);
}

void jmi_footprint_json(const jmi_footprint *f, json_t *root) {
    if (!f->asked) return;
    const jm_carbon *c = &f->carbon;
    json_t *object = json_object();
    jmi_json_set_number(object, "g_co2e", c->g);
    jmi_json_set_number(object, "lower_g", c->lower_g);
    jmi_json_set_number(object, "upper_g", c->upper_g);
    jmi_json_set_bool(object, "bound_only", f->bound_only);
    jmi_json_set_number(object, "intensity_g_per_kwh", c->intensity_g);
    jmi_json_set_number(object, "intensity_u", c->intensity_u);
    jmi_json_set_number(object, "covered", c->covered);
    jmi_json_set_text(object, "source", source_name(f->grid.source));
    set_known_text(object, "country", f->grid.country);
    set_known_text(object, "country_name", f->grid.country_name);
    json_object_set_new(object, "year",
                        f->grid.year > 0 ? json_integer(f->grid.year) : json_null());
    jmi_json_set_number(object, "pue", f->grid.pue);
    jmi_json_set_number(object, "facility_j", c->facility_j);
    jmi_json_set_number(object, "cost", c->cost);
    jmi_json_set_number(object, "cost_lower", c->cost_lower);
    jmi_json_set_number(object, "cost_upper", c->cost_upper);
    set_known_text(object, "currency", f->grid.currency);
    jmi_json_set_number(object, "water_l", c->water_l);
    set_known_text(object, "why_unknown", f->why);
    json_object_set_new(root, "carbon", object);
}

/* ---- figures ---- */

static const char *carbon_figure(const jmi_footprint *f, char figure[JMI_FORMAT_SIZE],
                                 jmi_style style) {
    const jm_carbon *c = &f->carbon;
    if (f->bound_only) return jmi_format_bounds(figure, c->lower_g, c->upper_g, "gCO2e", style);
    return jmi_format_within(figure, c->g, c->lower_g, c->upper_g, "gCO2e", style);
}

static void cost_range(const jm_carbon *c, char text[48]) {
    if (isfinite(c->cost_upper))
        snprintf(text, 48, "%.2g to %.2g", c->cost_lower, c->cost_upper);
    else
        snprintf(text, 48, "%.2g or more", c->cost_lower);
}

/* Money has no prefixes. */
static void add_cost(jmi_text *out, const jmi_footprint *f) {
    const char *currency = f->grid.currency, *between = currency[0] != '\0' ? " " : "";
    char range[48];
    cost_range(&f->carbon, range);
    if (f->bound_only)
        jmi_text_add(out, "%s%s%s", range, between, currency);
    else
        jmi_text_add(out, "%.3g%s%s (%s)", f->carbon.cost, between, currency, range);
}

static void add_basis(jmi_text *out, const jmi_footprint *f) {
    if (f->grid.source == JM_INTENSITY_SERIES)
        jmi_text_add(out, "%.4g gCO2e/kWh on average, by ", f->carbon.intensity_g);
    jmi_text_add(out, "%s", f->grid.text);
    if (f->grid.pue != 1) jmi_text_add(out, "; PUE %.4g", f->grid.pue);
    if (f->carbon.covered < 1)
        jmi_text_add(out, "; the series covers %.0f %% of the energy", 100 * f->carbon.covered);
}

/* Where this is can be said once. */
static const char *said_how(const jmi_footprint *f) {
    bool nowhere = f->grid.source == JM_INTENSITY_UNKNOWN && f->grid.country[0] == '\0';
    return nowhere ? "; `joulemeter config set country FR` says where this is." : ".";
}

/* ---- as text ---- */

static void add_figure(jmi_page *p, const char *label, const char *figure) {
    jmi_text_add(&p->out, "  %-7s %s\n", label, figure);
}

/* Takes the text, whose names are the user's. */
static void add_clean(jmi_page *p, const char *label, jmi_text *text) {
    char *clean =
        text->data != NULL && !text->failed ? jmi_text_clean(text->data, p->style.utf8) : NULL;
    if (clean != NULL && label != NULL) add_figure(p, label, clean);
    if (clean != NULL && label == NULL) jmi_text_wrap(&p->out, "          ", clean, 10, p->width);
    free(clean);
    jmi_text_free(text);
}

static void add_why(jmi_page *p, const jmi_footprint *f) {
    char *clean = jmi_text_clean(f->why, p->style.utf8);
    jmi_text line = {0};
    jmi_text_add(&line, "No carbon: %s%s", clean != NULL ? clean : "", said_how(f));
    if (!line.failed) jmi_text_wrap(&p->out, "  ", line.data, 2, p->width);
    jmi_text_free(&line);
    free(clean);
}

void jmi_footprint_text(const jmi_footprint *f, jmi_page *p) {
    const jm_carbon *c = &f->carbon;
    if (!f->asked || !p->summary->total.has_energy) return;
    size_t before = p->out.length;
    jmi_text_append(&p->out, "\n", 1);
    size_t empty = p->out.length;
    char figure[JMI_FORMAT_SIZE];
    jmi_text basis = {0}, cost = {0};
    if (isfinite(c->g)) {
        add_figure(p, "carbon", carbon_figure(f, figure, p->style));
        add_basis(&basis, f);
        add_clean(p, NULL, &basis);
    }
    if (isfinite(c->cost)) {
        add_cost(&cost, f);
        add_clean(p, "cost", &cost);
    }
    if (isfinite(c->water_l))
        add_figure(p, "water", jmi_format_short(figure, c->water_l, "L", p->style));
    if (f->why[0] != '\0') add_why(p, f);
    if (p->out.length == empty && !p->out.failed) p->out.data[p->out.length = before] = '\0';
}

/* ---- as facts ---- */

void jmi_footprint_facts(const jmi_footprint *f, jmi_footprint_fact fact, void *user) {
    static const jmi_style style = {.utf8 = true};
    const jm_carbon *c = &f->carbon;
    char figure[JMI_FORMAT_SIZE];
    jmi_text carbon = {0}, cost = {0};
    if (isfinite(c->g)) {
        jmi_text_add(&carbon, "%s; ", carbon_figure(f, figure, style));
        add_basis(&carbon, f);
    } else if (f->why[0] != '\0') {
        jmi_text_add(&carbon, "not known: %s%s", f->why, said_how(f));
    }
    if (isfinite(c->cost)) add_cost(&cost, f);
    if (carbon.length > 0) fact("carbon", carbon.data, user);
    if (cost.length > 0) fact("cost", cost.data, user);
    if (isfinite(c->water_l)) fact("water", jmi_format_short(figure, c->water_l, "L", style), user);
    jmi_text_free(&carbon);
    jmi_text_free(&cost);
}
