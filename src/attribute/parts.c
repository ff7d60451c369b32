/* From powers to energies: of parts, of groups of them, and of each call. */
#include "attribute/attribution.h"
#include "attribute/nesting.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts ---- */

/* Durations that differ by more do so for reasons that power does not know: a busy host. */
static const double USUAL_SPREAD = 0.05;

/* Calls differ, and what these few took is not what all calls take on average. By how much, the
 * readings say, though not surely; their durations, which differ too, say what is usual. */
static double variation(const jmi_attributing *a, const jmi_class *cls) {
    double n = (double)cls->calls;
    if (n < 2 || !(cls->own_s > 0)) return 0;
    double mean = cls->own_s / n, variance = (cls->square_s2 / n - mean * mean) * n / (n - 1);
    double durations = jmi_min(sqrt(jmi_max(variance, 0)) / mean, USUAL_SPREAD);
    double both = 0.5 * (durations * durations + a->differ * a->differ);
    return (a->differ > 0 ? sqrt(both) : durations) / sqrt(n);
}

/* Of a class with all that runs within it. */
static jm_energy inclusive_of(const jmi_attributing *a, const jmi_within *w, double time_s) {
    double energy_j = 0, variance = 0;
    for (size_t i = 0; i < w->count; i++) {
        const double *row = &a->fit.cov_w2[w->inner[i].column * a->fit.count];
        energy_j += w->inner[i].time_s * a->fit.power_w[w->inner[i].column];
        for (size_t k = 0; k < w->count; k++)
            variance += w->inner[i].time_s * w->inner[k].time_s * row[w->inner[k].column];
    }
    double mean = time_s > 0 ? energy_j / time_s : 0;
    double sd = time_s > 0 ? sqrt(fmax(variance, 0)) / time_s : 0;
    if (time_s > 0 && a->options.method == JM_ATTRIBUTION_REGRESSION)
        jmi_attribute_cut(a, &mean, &sd);
    return jmi_terms_energy(&a->terms, mean * time_s, sd * time_s, time_s);
}

/* A part of the classes' list; of a lumped column a share. */
static jm_part part_of(const jmi_attributing *a, const jmi_nesting *n, uint32_t number) {
    const jmi_class *cls = &a->calls.classes[number];
    const jmi_within *within = &n->of[number];
    size_t column = a->layout.column[number];
    double mean = a->fit.power_w[column], sd = jmi_fit_sd(&a->fit, column), t = cls->share_s;
    bool told =
        a->group == NULL || (a->group[column] == JM_NO_GROUP && jmi_attribute_told(a, column));
    if (!told) jmi_attribute_cut(a, &mean, &sd); /* the others are cut off together */
    jm_part p = {.size = sizeof p,
                 .name = cls->name,
                 .group = JM_NO_GROUP,
                 .calls = cls->calls,
                 .time_s = cls->own_s,
                 .inclusive_time_s = cls->inclusive_s,
                 .seen_s = cls->all_s};
    sd = hypot(sd, variation(a, cls) * mean);
    p.energy = jmi_terms_energy(&a->terms, mean * t, sd * t, t);
    p.inclusive = p.energy;
    if (within->count > 0) p.inclusive = inclusive_of(a, within, cls->inclusive_share_s);
    p.power_w = t > 0 ? p.energy.energy_j / t : (double)NAN;
    p.power_u95_w = t > 0 ? p.energy.u95_j / t : (double)NAN;
    return p;
}

/* Of a member of a group: the group's energy less what the others take at least, and at most. */
static void bound(const jmi_attributing *a, jm_part *p, const jm_part *group) {
    double t = p->energy.duration_s, others = group->energy.duration_s - t;
    double idle = a->terms.net ? a->terms.idle.power_w : 0;
    double low = jmi_attribute_least(a) - idle, high = jmi_attribute_most(a) - idle;
    p->energy.provenance |= JM_BOUND_ONLY;
    p->energy.lower_j = fmax(low * t, group->energy.lower_j - high * others);
    p->energy.upper_j = fmin(high * t, group->energy.upper_j - low * others);
    if (p->energy.upper_j < p->energy.lower_j) p->energy.upper_j = p->energy.lower_j;
    p->energy.energy_j = fmin(fmax(p->energy.energy_j, p->energy.lower_j), p->energy.upper_j);
    p->energy.u95_j =
        fmax(p->energy.upper_j - p->energy.energy_j, p->energy.energy_j - p->energy.lower_j);
    if (!(p->inclusive.duration_s > t)) p->inclusive = p->energy;
}

static char *group_name(const jm_part *first, size_t members) {
    jmi_text text = {0};
    char *out = NULL;
    jmi_text_add(&text, "%s and %zu more", first->name, members - 1);
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

/* ---- groups ---- */

/* Classes of each group: factors are their shared times. */
static jm_part group_of(const jmi_attributing *a, const jm_attribution *out, const uint32_t *cls,
                        uint32_t number, double *factors) {
    jm_part g = {.size = sizeof g, .group = number, .type = ""};
    size_t members = 0, most = SIZE_MAX;
    memset(factors, 0, a->fit.count * sizeof *factors);
    for (size_t i = 0; i < out->part_count; i++) {
        const jm_part *p = &out->parts[i];
        if (p->group != number) continue;
        members++;
        factors[a->layout.column[cls[i]]] += a->calls.classes[cls[i]].share_s;
        g.calls += p->calls;
        g.time_s += p->time_s;
        g.seen_s += p->seen_s;
        if (most == SIZE_MAX || p->energy.energy_j > out->parts[most].energy.energy_j) most = i;
    }
    double time_s = 0;
    for (size_t i = 0; i < a->fit.count; i++) time_s += factors[i];
    g.name = group_name(&out->parts[most], members);
    g.energy = jmi_terms_energy(&a->terms, jmi_fit_sum(&a->fit, factors),
                                sqrt(jmi_fit_variance(&a->fit, factors)), time_s);
    g.inclusive = g.energy;
    g.inclusive_time_s = g.time_s;
    g.power_w = time_s > 0 ? g.energy.energy_j / time_s : (double)NAN;
    g.power_u95_w = time_s > 0 ? g.energy.u95_j / time_s : (double)NAN;
    return g;
}

/* Numbers of groups by their members: one that is left alone, as the others ran in no window that
 * is told of, has the power of all of them, and is none. */
static bool number_groups(const jmi_attributing *a, jm_attribution *out, const uint32_t *cls) {
    size_t *members = jmi_alloc(a->group_count, sizeof *members);
    uint32_t *number = jmi_alloc(a->group_count, sizeof *number);
    bool good = members != NULL && number != NULL;
    for (size_t i = 0; good && i < out->part_count; i++) {
        if (a->calls.classes[cls[i]].share_s > 0)
            out->parts[i].group = a->group[a->layout.column[cls[i]]];
        if (out->parts[i].group != JM_NO_GROUP) members[out->parts[i].group]++;
    }
    for (size_t g = 0; good && g < a->group_count; g++)
        number[g] = members[g] > 1 ? (uint32_t)out->group_count++ : JM_NO_GROUP;
    for (size_t i = 0; good && i < out->part_count; i++) {
        jm_part *p = &out->parts[i];
        if (p->group == JM_NO_GROUP) continue;
        if (number[p->group] == JM_NO_GROUP) p->energy.provenance |= JM_BOUND_ONLY;
        p->group = number[p->group];
    }
    free(members);
    free(number);
    return good;
}

/* The members' estimates make up the group's: what they lack is shared by their time. */
static void even_out(jm_attribution *out, uint32_t group) {
    const jm_energy *whole = &out->groups[group].energy;
    double lacks_j = whole->energy_j;
    if (!(whole->duration_s > 0)) return;
    for (size_t i = 0; i < out->part_count; i++)
        if (out->parts[i].group == group) lacks_j -= out->parts[i].energy.energy_j;
    for (size_t i = 0; i < out->part_count; i++)
        if (out->parts[i].group == group)
            out->parts[i].energy.energy_j +=
                lacks_j * out->parts[i].energy.duration_s / whole->duration_s;
}

static bool make_groups(const jmi_attributing *a, jm_attribution *out, const uint32_t *cls) {
    double *factors = jmi_alloc(a->fit.count, sizeof *factors);
    bool good = factors != NULL && number_groups(a, out, cls);
    size_t count = out->group_count;
    out->group_count = 0;
    out->groups = jmi_alloc(count, sizeof *out->groups);
    good = good && out->groups != NULL;
    for (uint32_t g = 0; good && g < count; g++) {
        out->groups[g] = group_of(a, out, cls, g, factors);
        out->group_count++;
        good = out->groups[g].name != NULL;
        even_out(out, g);
    }
    for (size_t i = 0; good && i < out->part_count; i++)
        if (out->parts[i].group != JM_NO_GROUP)
            bound(a, &out->parts[i], &out->groups[out->parts[i].group]);
    free(factors);
    return good;
}

static void bound_wide_ones(const jmi_attributing *a, jm_attribution *out) {
    for (size_t i = 0; i < out->part_count; i++) {
        jm_part *p = &out->parts[i];
        if (p->group == JM_NO_GROUP) jmi_attribute_bound_wide(&p->energy, a->usual_w);
        if (p->inclusive.duration_s > p->energy.duration_s)
            jmi_attribute_bound_wide(&p->inclusive, a->usual_w);
        else
            p->inclusive.provenance |= p->energy.provenance & JM_BOUND_ONLY;
    }
}

/* ---- calls ---- */

/* Power of a class, such that what its calls take makes up what its part takes. */
static double power_of(const jmi_attributing *a, const jm_part *part, uint32_t number) {
    const jmi_class *cls = &a->calls.classes[number];
    if (cls->share_s > 0) return part->energy.energy_j / cls->share_s;
    return a->fit.power_w[a->layout.column[number]] - (a->terms.net ? a->terms.idle.power_w : 0);
}

/* Of each call with all within it, which may lie outside of the windows. */
static double *find_inclusive(const jmi_attributing *a, const double *power_w) {
    double *energy_j = jmi_alloc(a->calls.count, sizeof *energy_j);
    if (energy_j == NULL) return NULL;
    for (size_t i = 0; i < a->calls.count; i++)
        energy_j[i] = power_w[a->calls.list[i].cls] * a->calls.list[i].share_s;
    for (size_t i = a->calls.count; i-- > 0;) { /* those within come after those around them */
        uint32_t up = a->calls.list[i].parent;
        if (up != JMI_NO_CALL) energy_j[up] += energy_j[i];
    }
    return energy_j;
}

static void fill_calls(const jmi_attributing *a, jm_attribution *out, const uint32_t *part_of_class,
                       const double *power_w, const double *inclusive_j) {
    jmi_shown_power begin = jmi_shown_begin(a), end = begin;
    for (size_t i = 0; i < a->calls.count; i++) {
        const jmi_call *call = &a->calls.list[i];
        const jmi_class *cls = &a->calls.classes[call->cls];
        if (!call->told) continue;
        const jm_part *part = &out->parts[part_of_class[call->cls]];
        double per_s = cls->share_s > 0 ? part->energy.u95_j / cls->share_s : 0;
        out->calls[out->call_count++] = (jm_call){.range = call->range,
                                                  .part = part_of_class[call->cls],
                                                  .own_s = call->own_s,
                                                  .energy_j = power_w[call->cls] * call->share_s,
                                                  .u95_j = per_s * call->share_s,
                                                  .inclusive_j = inclusive_j[i],
                                                  .begin_w = jmi_shown_at(&begin, call->begin_ns),
                                                  .end_w = jmi_shown_at(&end, call->end_ns)};
    }
}

static bool make_calls(const jmi_attributing *a, jm_attribution *out,
                       const uint32_t *part_of_class) {
    double *power_w = jmi_alloc(a->calls.class_count, sizeof *power_w), *inclusive_j = NULL;
    for (uint32_t i = 0; power_w != NULL && i < a->calls.class_count; i++)
        power_w[i] = power_of(a, &out->parts[part_of_class[i]], i);
    if (power_w != NULL) inclusive_j = find_inclusive(a, power_w);
    out->calls = jmi_alloc(a->calls.count, sizeof *out->calls);
    bool good = inclusive_j != NULL && out->calls != NULL;
    if (good) fill_calls(a, out, part_of_class, power_w, inclusive_j);
    free(power_w);
    free(inclusive_j);
    return good;
}

static int by_range(const void *left, const void *right) {
    const jm_call *a = left, *b = right;
    return (a->range > b->range) - (a->range < b->range);
}

/* ---- order ---- */

static int by_energy(const void *left, const void *right) {
    const jm_part *a = left, *b = right;
    bool a_bound = (a->energy.provenance & JM_BOUND_ONLY) != 0;
    bool b_bound = (b->energy.provenance & JM_BOUND_ONLY) != 0;
    if (a_bound != b_bound) return a_bound ? 1 : -1;
    if (a->energy.energy_j != b->energy.energy_j)
        return a->energy.energy_j > b->energy.energy_j ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Parts carry their class's number in `size` while they are put in order; `cls` follows them. */
static void order(const jmi_attributing *a, jm_attribution *out, uint32_t *cls,
                  uint32_t *part_of_class) {
    for (size_t i = 0; i < out->part_count; i++) out->parts[i].size = cls[i];
    qsort(out->parts, out->part_count, sizeof *out->parts, by_energy);
    for (size_t i = 0; i < a->calls.class_count; i++) part_of_class[i] = 0;
    for (size_t i = 0; i < out->part_count; i++) {
        cls[i] = (uint32_t)out->parts[i].size;
        part_of_class[cls[i]] = (uint32_t)i;
        out->parts[i].size = sizeof *out->parts;
    }
}

/* The attribute "type" of ranges, or "". The caller's. */
static char *type_of(const char *attributes) {
    json_t *object = attributes[0] == '\0' ? NULL : json_loads(attributes, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    char *copy = jmi_strdup(type != NULL ? type : "");
    json_decref(object);
    return copy;
}

/* Texts of the recording become ours. */
static bool own_texts(const jmi_attributing *a, jm_attribution *out, const uint32_t *cls) {
    bool good = true;
    for (size_t i = 0; i < out->part_count; i++) {
        char *copy = jmi_strdup(out->parts[i].name);
        char *type = type_of(a->calls.classes[cls[i]].attributes);
        good &= copy != NULL && type != NULL;
        out->parts[i].name = copy;
        out->parts[i].type = type;
    }
    return good;
}

/* What sums of parts need. */
static bool keep_powers(jmi_attributing *a, jm_attribution *out, const uint32_t *cls) {
    out->usual_w = a->usual_w;
    out->columns = a->fit.count;
    out->power_w = a->fit.power_w;
    out->cov_w2 = a->fit.cov_w2;
    a->fit.power_w = a->fit.cov_w2 = NULL;
    out->column = jmi_alloc(out->part_count, sizeof *out->column);
    out->share_s = jmi_alloc(out->part_count, sizeof *out->share_s);
    if (out->column == NULL || out->share_s == NULL) return false;
    for (size_t i = 0; i < out->part_count; i++) {
        out->column[i] = a->layout.column[cls[i]];
        out->share_s[i] = a->calls.classes[cls[i]].share_s;
    }
    return true;
}

int jmi_attribute_parts(jmi_attributing *a, jm_attribution *out, jm_error *error) {
    jmi_nesting n;
    uint32_t *cls = jmi_alloc(a->calls.class_count, sizeof *cls);
    uint32_t *part_of_class = jmi_alloc(a->calls.class_count, sizeof *part_of_class);
    out->parts = jmi_alloc(a->calls.class_count, sizeof *out->parts);
    bool good = jmi_nesting_find(&n, &a->calls, &a->layout) && cls != NULL &&
                part_of_class != NULL && out->parts != NULL;
    for (uint32_t i = 0; good && i < a->calls.class_count; i++) {
        if (a->calls.classes[i].calls == 0) continue;
        cls[out->part_count] = i;
        out->parts[out->part_count++] = part_of(a, &n, i);
    }
    if (good && a->options.method == JM_ATTRIBUTION_REGRESSION) {
        good = make_groups(a, out, cls);
        bound_wide_ones(a, out);
    }
    if (good) {
        order(a, out, cls, part_of_class);
        good = make_calls(a, out, part_of_class);
        if (good) qsort(out->calls, out->call_count, sizeof *out->calls, by_range);
    }
    if (out->parts != NULL && cls != NULL) good = own_texts(a, out, cls) && good;
    good = good && keep_powers(a, out, cls);
    jmi_nesting_free(&n);
    free(cls);
    free(part_of_class);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for parts");
}
