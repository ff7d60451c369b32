/* From powers to energies: of parts, of groups of them, and of each call. */
#include "attribute/attribution.h"
#include "attribute/groups.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one energy ---- */

/* Mean and standard deviation of a normal distribution cut off at both ends. */
static void cut_off(double *mean, double *sd, double low, double high) {
    const double root = 0.39894228040143268; /* 1 / sqrt(2 pi) */
    double s = *sd;
    if (!(s > 0)) {
        *mean = fmin(fmax(*mean, low), high);
        return;
    }
    double a = (low - *mean) / s, b = (high - *mean) / s;
    if (a < -5 && b > 5) return;
    double in = 0.5 * (erfc(-b / sqrt(2)) - erfc(-a / sqrt(2)));
    double pa = root * exp(-a * a / 2), pb = root * exp(-b * b / 2);
    if (!(in > 1e-9)) { /* far outside: at the nearer end */
        *sd = fmin(s, (high - low) / sqrt(12));
        *mean = fmin(fmax(*mean, low), high);
        return;
    }
    double shift = (pa - pb) / in;
    double change = 1 + ((isfinite(a) ? a * pa : 0) - (isfinite(b) ? b * pb : 0)) / in;
    *mean += s * shift;
    *sd = s * sqrt(fmax(change - shift * shift, 0));
}

/* An energy from its estimate (gross) and standard deviation; idle power for `time_s` is taken off
 * where that was asked for. */
static jm_energy energy_of(const jmi_attributing *a, double energy_j, double sd_j, double time_s) {
    jm_energy e = {.energy_j = energy_j,
                   .u_random_j = sd_j,
                   .duration_s = time_s,
                   .measured = a->whole.measured,
                   .provenance = jmi_attribute_provenance(a),
                   .flags = a->whole.flags & (uint32_t)(JM_ENERGY_CONFLICT | JM_ENERGY_RESET)};
    e.u_systematic_j = jmi_views_systematic(&a->views, energy_j, time_s);
    if (a->net) {
        e.energy_j -= a->idle.power_w * time_s;
        e.u_random_j = hypot(sd_j, a->idle.u95_w / 1.96 * time_s);
        e.u_systematic_j = a->views.gain_u * fabs(e.energy_j); /* the offset cancels */
    }
    jmi_attribute_finish(&e, a->net);
    return e;
}

static double sd_of(const jmi_attributing *a, size_t column) {
    return sqrt(fmax(a->fit.cov_w2[column * a->fit.count + column], 0));
}

static double floor_of(const jmi_attributing *a) {
    return a->views.view[0].track.floor_w;
}

static double ceiling_of(const jmi_attributing *a) {
    return a->views.view[0].track.ceiling_w;
}

/* ---- time of each class within each other one ---- */

/* Own time, shared, of all calls within those of a class that are told of: a row of the fit's
 * columns for each class that has any other call in it, for such of least own time are lumped
 * together but not what runs within them. */
typedef struct nesting {
    double **time_s; /* of each class; NULL: nothing lies in it */
    size_t count;
} nesting;

/* What is open while calls are gone through in their order. */
typedef struct around {
    uint32_t *call; /* outermost first */
    size_t calls;
    uint32_t *cls; /* of those that are told of, each once */
    size_t classes;
    uint32_t *open; /* of each class: so many */
} around;

static void close_nesting(const jmi_attributing *a, nesting *n) {
    for (size_t i = 0; n->time_s != NULL && i < a->calls.class_count; i++) free(n->time_s[i]);
    free(n->time_s);
    n->time_s = NULL;
}

static void step_out(const jmi_attributing *a, around *s, uint32_t parent) {
    while (s->calls > 0 && s->call[s->calls - 1] != parent) {
        const jmi_call *last = &a->calls.list[s->call[--s->calls]];
        if (last->told && --s->open[last->cls] == 0) s->classes--;
    }
}

static void step_in(const jmi_attributing *a, around *s, uint32_t call) {
    const jmi_call *c = &a->calls.list[call];
    s->call[s->calls++] = call;
    if (c->told && s->open[c->cls]++ == 0) s->cls[s->classes++] = c->cls;
}

/* A call adds its own time to all classes that are open around it, to each once. */
static bool add_to_classes(jmi_attributing *a, nesting *n, const around *s, const jmi_call *c) {
    for (size_t i = 0; i < s->classes; i++) {
        uint32_t outer = s->cls[i];
        if (outer != c->cls && n->time_s[outer] == NULL) {
            n->time_s[outer] = jmi_alloc(n->count, sizeof **n->time_s);
            if (n->time_s[outer] == NULL) return false;
            /* until now it had its own time only */
            n->time_s[outer][a->layout.column[outer]] = a->calls.classes[outer].inclusive_share_s;
        }
        if (n->time_s[outer] != NULL) n->time_s[outer][a->layout.column[c->cls]] += c->share_s;
        a->calls.classes[outer].inclusive_s += c->own_s;
        a->calls.classes[outer].inclusive_share_s += c->share_s;
    }
    return true;
}

static bool find_nesting(jmi_attributing *a, nesting *n) {
    size_t count = a->calls.count, classes = a->calls.class_count;
    around s = {.call = jmi_alloc(count, sizeof *s.call),
                .cls = jmi_alloc(classes, sizeof *s.cls),
                .open = jmi_alloc(classes, sizeof *s.open)};
    *n = (nesting){.count = a->fit.count, .time_s = jmi_alloc(classes, sizeof *n->time_s)};
    bool good = s.call != NULL && s.cls != NULL && s.open != NULL && n->time_s != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        step_out(a, &s, a->calls.list[i].parent);
        step_in(a, &s, i);
        good = add_to_classes(a, n, &s, &a->calls.list[i]);
    }
    free(s.call);
    free(s.cls);
    free(s.open);
    return good;
}

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

/* A part of the classes' list; of a lumped column a share. */
static jm_part part_of(const jmi_attributing *a, const nesting *n, uint32_t number) {
    const jmi_class *cls = &a->calls.classes[number];
    const double *times = n->time_s[number];
    size_t column = a->layout.column[number];
    double mean = a->fit.power_w[column], sd = sd_of(a, column), t = cls->share_s;
    if (a->options.method == JM_ATTRIBUTION_REGRESSION)
        cut_off(&mean, &sd, floor_of(a), ceiling_of(a));
    jm_part p = {.size = sizeof p,
                 .name = cls->name,
                 .group = JM_NO_GROUP,
                 .calls = cls->calls,
                 .time_s = cls->own_s,
                 .inclusive_time_s = cls->inclusive_s,
                 .seen_s = cls->all_s};
    sd = hypot(sd, variation(a, cls) * mean);
    p.energy = energy_of(a, mean * t, sd * t, t);
    p.inclusive = p.energy;
    if (times != NULL)
        p.inclusive = energy_of(a, jmi_fit_sum(&a->fit, times),
                                sqrt(jmi_fit_variance(&a->fit, times)), cls->inclusive_share_s);
    p.power_w = t > 0 ? p.energy.energy_j / t : (double)NAN;
    p.power_u95_w = t > 0 ? p.energy.u95_j / t : (double)NAN;
    return p;
}

/* Of a member of a group: the group's energy less what the others take at least, and at most. */
static void bound(const jmi_attributing *a, jm_part *p, const jm_part *group) {
    double t = p->energy.duration_s, others = group->energy.duration_s - t;
    double idle = a->net ? a->idle.power_w : 0;
    double low = floor_of(a) - idle, high = ceiling_of(a) - idle;
    p->energy.provenance |= JM_BOUND_ONLY;
    p->energy.lower_j = fmax(low * t, group->energy.lower_j - high * others);
    p->energy.upper_j = fmin(high * t, group->energy.upper_j - low * others);
    if (p->energy.upper_j < p->energy.lower_j) p->energy.upper_j = p->energy.lower_j;
    p->energy.energy_j = fmin(fmax(p->energy.energy_j, p->energy.lower_j), p->energy.upper_j);
    p->energy.u95_j =
        fmax(p->energy.upper_j - p->energy.energy_j, p->energy.energy_j - p->energy.lower_j);
    p->power_w = group->power_w;
    p->power_u95_w = group->power_u95_w;
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
    g.energy = energy_of(a, jmi_fit_sum(&a->fit, factors), sqrt(jmi_fit_variance(&a->fit, factors)),
                         time_s);
    g.inclusive = g.energy;
    g.inclusive_time_s = g.time_s;
    g.power_w = time_s > 0 ? g.energy.energy_j / time_s : (double)NAN;
    g.power_u95_w = time_s > 0 ? g.energy.u95_j / time_s : (double)NAN;
    return g;
}

/* Mean power of the classes, by their time. */
static double usual_power(const jmi_attributing *a) {
    double energy_j = 0, time_s = 0;
    for (size_t i = 0; i < a->layout.classes; i++) {
        energy_j += a->told_s[i] * a->fit.power_w[i];
        time_s += a->told_s[i];
    }
    return time_s > 0 ? energy_j / time_s : 0;
}

/* Numbers of groups for columns; a column that holds several classes is a group anyway. */
static bool find_groups(const jmi_attributing *a, uint32_t *group, size_t *count) {
    size_t n = a->layout.classes;
    double *usual = jmi_alloc(n, sizeof *usual), *cov = jmi_alloc(n * n, sizeof *cov);
    double *time_s = jmi_alloc(n, sizeof *time_s);
    bool good = usual != NULL && cov != NULL && time_s != NULL;
    for (size_t i = 0; good && i < a->calls.class_count; i++)
        time_s[a->layout.column[i]] += a->calls.classes[i].share_s;
    for (size_t i = 0; good && i < n; i++) {
        usual[i] = time_s[i] * usual_power(a);
        for (size_t k = 0; k < n; k++)
            cov[i * n + k] = time_s[i] * time_s[k] * a->fit.cov_w2[i * a->fit.count + k];
    }
    if (good) *count = jmi_groups_find(usual, cov, n, group);
    good = good && *count != SIZE_MAX;
    if (good && a->layout.lumped && group[n - 1] == JM_NO_GROUP)
        group[n - 1] = (uint32_t)(*count)++;
    free(usual);
    free(cov);
    free(time_s);
    return good;
}

static bool make_groups(const jmi_attributing *a, jm_attribution *out, const uint32_t *cls) {
    uint32_t *group = jmi_alloc(a->layout.classes, sizeof *group);
    double *factors = jmi_alloc(a->fit.count, sizeof *factors);
    size_t count = 0;
    bool good = group != NULL && factors != NULL && find_groups(a, group, &count);
    if (good) out->groups = jmi_alloc(count, sizeof *out->groups);
    good = good && out->groups != NULL;
    for (size_t i = 0; good && i < out->part_count; i++)
        out->parts[i].group = group[a->layout.column[cls[i]]];
    for (uint32_t g = 0; good && g < count; g++) {
        out->groups[g] = group_of(a, out, cls, g, factors);
        out->group_count++;
        good = out->groups[g].name != NULL;
    }
    for (size_t i = 0; good && i < out->part_count; i++)
        if (out->parts[i].group != JM_NO_GROUP)
            bound(a, &out->parts[i], &out->groups[out->parts[i].group]);
    free(group);
    free(factors);
    return good;
}

/* Whatever is within as much as is usual says nothing: no estimate. */
static void bound_wide_ones(const jmi_attributing *a, jm_attribution *out) {
    double usual_w = usual_power(a);
    for (size_t i = 0; i < out->part_count; i++) {
        jm_part *p = &out->parts[i];
        if (p->group == JM_NO_GROUP && 1.96 * p->energy.u_random_j > usual_w * p->energy.duration_s)
            p->energy.provenance |= JM_BOUND_ONLY;
    }
}

/* ---- calls ---- */

/* Power of a class, such that what its calls take makes up what its part takes. */
static double power_of(const jmi_attributing *a, const jm_part *part, uint32_t number) {
    const jmi_class *cls = &a->calls.classes[number];
    if (cls->share_s > 0) return part->energy.energy_j / cls->share_s;
    return a->fit.power_w[a->layout.column[number]] - (a->net ? a->idle.power_w : 0);
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
    out->usual_w = usual_power(a);
    out->gain_u = a->views.gain_u;
    out->offset_u_w = a->views.offset_u_w;
    out->provenance = jmi_attribute_provenance(a);
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
    nesting n;
    uint32_t *cls = jmi_alloc(a->calls.class_count, sizeof *cls);
    uint32_t *part_of_class = jmi_alloc(a->calls.class_count, sizeof *part_of_class);
    out->parts = jmi_alloc(a->calls.class_count, sizeof *out->parts);
    bool good = find_nesting(a, &n) && cls != NULL && part_of_class != NULL && out->parts != NULL;
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
    close_nesting(a, &n);
    free(cls);
    free(part_of_class);
    return good ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory for parts");
}
