/* Energy of layers by the type of their module, and how much their calls differ. */
#include "figure/energy_bars.h"
#include "figure/make.h"
#include "figure/own_time.h"

#include "energy/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TYPES = 30, MOST_LAYERS = 15 };

/* ---- by type ---- */

typedef struct type {
    const char *name; /* the attribution's */
    jm_energy energy;
} type;

typedef struct types {
    type list[MOST_TYPES];
    size_t count;
    uint32_t *of_type; /* parts of one type */
} types;

static type *type_named(types *all, const char *name, bool *fresh) {
    *fresh = false;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->list[i].name, name) == 0) return &all->list[i];
    if (all->count == MOST_TYPES) return NULL;
    *fresh = true;
    all->list[all->count] = (type){.name = name};
    return &all->list[all->count++];
}

/* Adds up each type once, where its first part is. */
static int add_types(const jm_attribution *a, uint32_t device, void *user, jm_error *error) {
    types *all = user;
    uint32_t count = jm_attribution_part_count(a);
    uint32_t *list = jmi_alloc(count, sizeof *list);
    bool *done = jmi_alloc(count, sizeof *done);
    int status = JM_OK;
    (void)device;
    if (list == NULL || done == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for types");
    for (uint32_t i = 0; status == JM_OK && i < count; i++) {
        jm_part first = JM_PART_INIT;
        size_t members = 0;
        jm_attribution_part(a, i, &first);
        if (done[i] || first.type[0] == '\0') continue;
        for (uint32_t k = i; k < count; k++) {
            jm_part p = JM_PART_INIT;
            jm_attribution_part(a, k, &p);
            if (strcmp(p.type, first.type) != 0) continue;
            done[k] = true;
            list[members++] = k;
        }
        bool fresh;
        jm_energy energy;
        type *t = type_named(all, first.type, &fresh);
        status = jm_attribution_sum(a, list, members, &energy, error);
        if (status != JM_OK || t == NULL) continue;
        jmi_energy_add(&t->energy, &energy, fresh);
        if (!fresh) jmi_energy_finish(&t->energy, 0);
    }
    free(list);
    free(done);
    return status;
}

static int by_energy(const void *left, const void *right) {
    const type *a = left, *b = right;
    return (a->energy.energy_j < b->energy.energy_j) - (a->energy.energy_j > b->energy.energy_j);
}

int jmi_make_layer_type_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error) {
    types all = {.count = 0};
    const char *names[MOST_TYPES];
    int status = jmi_attributions(f, JM_CATEGORY_LAYER, add_types, &all, error);
    if (status == JM_OK && all.count == 0)
        status = jmi_fail(error, JM_NO_DATA,
                          "no layer says of which type it is: give its range the "
                          "attribute \"type\"");
    if (status != JM_OK) return status;
    qsort(all.list, all.count, sizeof *all.list, by_energy);
    jmi_bars bars = jmi_bars_begin(figure);
    for (size_t i = 0; i < all.count; i++) {
        names[i] = all.list[i].name;
        jmi_bars_add(&bars, i, &all.list[i].energy);
    }
    jmi_axis_categories(figure, &figure->y, "", names, all.count);
    jmi_axis_numbers(figure, &figure->x, "energy", "J", 0, bars.highest, JMI_AXIS_ZERO);
    jmi_bars_note(&bars);
    return JM_OK;
}

/* ---- by call ---- */

/* Energies of the calls of the layers that take most. */
typedef struct spread {
    const jm_figures *f;
    jm_figure *figure;
    char *names[MOST_LAYERS];
    size_t count, left_out;
    double low, high;
} spread;

static int compare_values(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The value that is not exceeded for a share of them. */
static double quantile(const double *sorted, size_t count, double share) {
    size_t i = (size_t)ceil(share * (double)count);
    return sorted[i > 0 ? i - 1 : 0];
}

/* Tukey's box (1977) of values in order; takes the name. */
static void add_box(spread *s, char *name, const double *sorted, size_t count) {
    double q1 = quantile(sorted, count, 0.25), q3 = quantile(sorted, count, 0.75);
    double reach = 1.5 * (q3 - q1) + 1e-6 * fabs(q3), y = (double)s->count; /* times round */
    size_t first = 0, last = count - 1;
    while (sorted[first] < q1 - reach) first++;
    while (sorted[last] > q3 + reach) last--;
    jmi_mark *box = jmi_figure_add(s->figure, JM_MARK_BOX, "", 0, 0, false);
    jmi_mark *beyond = jmi_figure_add(s->figure, JM_MARK_POINT, "", 0, JM_STYLE_SMALL, false);
    JMI_PUT(box, quantile(sorted, count, 0.5), y, sorted[first], sorted[last], q1, q3);
    const double pixel = (sorted[count - 1] - sorted[0]) / 300;
    double drawn = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if ((i >= first && i <= last) || sorted[i] - drawn < pixel) continue;
        drawn = sorted[i];
        JMI_PUT(beyond, sorted[i], y);
    }
    s->low = fmin(s->low, sorted[0]);
    s->high = fmax(s->high, sorted[count - 1]);
    s->names[s->count] = name;
    if (s->names[s->count++] == NULL) s->figure->failed = true;
}

/* "conv1, gpu0" where several devices have each their own rows. */
static char *row_name(const spread *s, const jm_attribution *a, const jm_part *p) {
    jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
    jm_device device = {.size = sizeof device};
    jmi_text text = {0};
    char *out = NULL;
    size_t rows = 0;
    for (size_t i = 0; i < s->f->attributed_count; i++)
        rows += s->f->attributed[i].category == JM_CATEGORY_LAYER;
    jm_attribution_get(a, &info);
    jmi_text_add(&text, "%s", p->name);
    if (rows > 1 && jm_recording_device(s->f->recording, info.device, &device) == JM_OK)
        jmi_text_add(&text, ", %s", device.name);
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

static int by_part(const void *left, const void *right) {
    const jm_call *a = left, *b = right;
    if (a->part != b->part) return a->part < b->part ? -1 : 1;
    return (a->range > b->range) - (a->range < b->range);
}

static int add_boxes(const jm_attribution *a, uint32_t device, void *user, jm_error *error) {
    spread *s = user;
    size_t count = jm_attribution_calls(a, NULL, 0);
    jm_call *calls = jmi_alloc(count, sizeof *calls);
    double *values = jmi_alloc(count, sizeof *values);
    (void)device;
    bool good = calls != NULL && values != NULL;
    if (good) jm_attribution_calls(a, calls, count);
    if (good && count > 1) qsort(calls, count, sizeof *calls, by_part);
    for (size_t i = 0, end; good && i < count; i = end) {
        jm_part p = JM_PART_INIT;
        for (end = i; end < count && calls[end].part == calls[i].part; end++)
            values[end - i] = calls[end].energy_j;
        jm_attribution_part(a, calls[i].part, &p);
        if (p.energy.provenance & JM_BOUND_ONLY || s->count == MOST_LAYERS) {
            s->left_out++;
            continue;
        }
        qsort(values, end - i, sizeof *values, compare_values);
        add_box(s, row_name(s, a, &p), values, end - i);
    }
    free(calls);
    free(values);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for calls");
}

int jmi_make_layer_energy_spread(jm_figures *f, jm_figure *figure, jm_error *error) {
    spread s = {.f = f, .figure = figure, .low = INFINITY, .high = -INFINITY};
    int status = jmi_attributions(f, JM_CATEGORY_LAYER, add_boxes, &s, error);
    if (status == JM_OK && s.count == 0)
        status = jmi_fail(error, JM_NO_DATA, "of all layers only bounds are known");
    if (status == JM_OK && !figure->failed) {
        jmi_axis_categories(figure, &figure->y, "", (const char *const *)s.names, s.count);
        jmi_axis_numbers(figure, &figure->x, "energy of a call", "J", s.low, s.high, JMI_AXIS_ZERO);
        jmi_figure_note(figure, "Boxes: quartiles of calls, a layer's power times the own time of "
                                "each; whiskers: 1.5 interquartile ranges.");
        if (s.left_out > 0) jmi_figure_note(figure, "%zu more layers are not shown.", s.left_out);
    }
    for (size_t i = 0; i < s.count; i++) free(s.names[i]);
    return status;
}
