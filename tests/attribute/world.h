/* A device whose power is known at every moment, the calls that ran on it, and its attribution. */
#ifndef ATTRIBUTE_WORLD_H
#define ATTRIBUTE_WORLD_H

#include "base/base.h"
#include "helpers.h"

#include <stdio.h>

/* ---- power over time ---- */

enum { WORLD_MOST = 400000 };

typedef struct world {
    jm_recording *recording;
    uint64_t random;
    double now_s;
    size_t count;                     /* stretches of constant power */
    double *begin_s, *watts, *joules; /* joules: before each */
} world;

static world the_world; /* of energy_fn, which has no argument for it */

static inline double world_energy(double t_s) {
    const world *w = &the_world;
    size_t low = 0, high = w->count;
    if (w->count == 0 || t_s <= 0) return 0;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        *(w->begin_s[middle] <= t_s ? &low : &high) = middle;
    }
    return w->joules[low] + w->watts[low] * (t_s - w->begin_s[low]);
}

static inline void world_open(uint64_t seed) {
    the_world = (world){.recording = recording_new(), .random = seed};
    the_world.begin_s = jmi_alloc(WORLD_MOST, sizeof(double));
    the_world.watts = jmi_alloc(WORLD_MOST, sizeof(double));
    the_world.joules = jmi_alloc(WORLD_MOST, sizeof(double));
    assert_true(the_world.begin_s && the_world.watts && the_world.joules);
}

static inline void world_close(void) {
    jm_recording_free(the_world.recording);
    free(the_world.begin_s);
    free(the_world.watts);
    free(the_world.joules);
    the_world = (world){.count = 0};
}

/* So much power for so long, from now on. */
static inline void world_draw(double seconds, double watts) {
    world *w = &the_world;
    assert_true(w->count < WORLD_MOST);
    w->joules[w->count] = w->count == 0 ? 0 : world_energy(w->now_s);
    w->begin_s[w->count] = w->now_s;
    w->watts[w->count++] = watts;
    w->now_s += seconds;
}

/* Likewise, as a call of a layer. */
static inline void world_call(const char *name, double seconds, double watts) {
    double begin_s = the_world.now_s;
    world_draw(seconds, watts);
    add_range(the_world.recording, JM_CATEGORY_LAYER, name, begin_s, the_world.now_s);
}

/* A number from `low` to `high`. */
static inline double world_random(double low, double high) {
    return random_between(&the_world.random, low, high);
}

/* A GPU that is polled as long as the world lasts: a gauge, or a counter where window is 0. */
static inline uint32_t world_gpu(const char *name) {
    return add_device(the_world.recording, name, 500);
}

static inline void world_sense(uint32_t gpu, double refresh_s, double window_s) {
    jm_recording *r = the_world.recording;
    uint32_t sensor =
        window_s > 0 ? add_power(r, gpu, refresh_s, window_s) : add_counter(r, gpu, refresh_s);
    polled source = {.energy = world_energy,
                     .refresh_s = refresh_s,
                     .window_s = window_s,
                     .phase_s = 0.0137,
                     .noise_w = 2};
    follow(r, sensor, &source, 0, the_world.now_s, 0);
}

/* ---- attribution ---- */

/* Everything that an attribution tells. */
typedef struct told {
    jm_attribution *attribution;
    jm_attribution_info info;
    jm_part *parts, *groups;
    jm_call *calls;
    size_t part_count, group_count, call_count;
} told;

static inline told tell(const jm_recording *recording, const jm_attribution_options *options) {
    told t = {.info = JM_ATTRIBUTION_INFO_INIT};
    jm_error error = {0};
    if (jm_attribute(&t.attribution, recording, options, &error) != JM_OK)
        fail_msg("%s", error.message);
    const jm_attribution *a = t.attribution;
    assert_int_equal(jm_attribution_get(a, &t.info), JM_OK);
    t.part_count = jm_attribution_part_count(a);
    t.group_count = jm_attribution_group_count(a);
    t.call_count = jm_attribution_calls(a, NULL, 0);
    t.parts = jmi_alloc(t.part_count, sizeof *t.parts);
    t.groups = jmi_alloc(t.group_count, sizeof *t.groups);
    t.calls = jmi_alloc(t.call_count, sizeof *t.calls);
    assert_true(t.parts && t.groups && t.calls);
    for (uint32_t i = 0; i < t.part_count; i++) {
        t.parts[i] = (jm_part)JM_PART_INIT;
        assert_int_equal(jm_attribution_part(a, i, &t.parts[i]), JM_OK);
    }
    for (uint32_t i = 0; i < t.group_count; i++) {
        t.groups[i] = (jm_part)JM_PART_INIT;
        assert_int_equal(jm_attribution_group(a, i, &t.groups[i]), JM_OK);
    }
    assert_int_equal(jm_attribution_calls(a, t.calls, t.call_count), t.call_count);
    return t;
}

static inline void told_free(told *t) {
    jm_attribution_free(t->attribution);
    free(t->parts);
    free(t->groups);
    free(t->calls);
}

static inline const jm_part *part_named(const told *t, const char *name) {
    for (size_t i = 0; i < t->part_count; i++)
        if (strcmp(t->parts[i].name, name) == 0) return &t->parts[i];
    fail_msg("there is no part %s", name);
    return NULL;
}

static inline bool is_bound(const jm_energy *e) {
    return (e->provenance & JM_BOUND_ONLY) != 0;
}

static inline void told_print(const told *t) {
    printf("whole %g sum %g gap %g (%g s) residual %g +- %g noise %g lock %g\n",
           t->info.whole.energy_j, t->info.sum.energy_j, t->info.gap.energy_j,
           t->info.gap.duration_s, t->info.residual_j, t->info.residual_u95_j, t->info.noise_w,
           t->info.lock);
    for (size_t i = 0; i < t->part_count && i < 20; i++)
        printf("  %s: %llu calls %g s (%g s) %g +- %g J [%g %g] %g W, with inner %g +- %g J%s\n",
               t->parts[i].name, (unsigned long long)t->parts[i].calls, t->parts[i].time_s,
               t->parts[i].inclusive_time_s, t->parts[i].energy.energy_j, t->parts[i].energy.u95_j,
               t->parts[i].energy.lower_j, t->parts[i].energy.upper_j, t->parts[i].power_w,
               t->parts[i].inclusive.energy_j, t->parts[i].inclusive.u95_j,
               is_bound(&t->parts[i].energy) ? " bound" : "");
}

/* ---- what must hold of any attribution ---- */

static inline void demand_of(bool holds, const char *what, const char *name) {
    if (!holds) fail_msg("%.100s: %s", name, what);
}

/* `net`: idle power was taken off, so that less than nothing may be left. */
static inline void check_part_energy(const jm_energy *e, const char *name, bool net) {
    const double all[] = {e->energy_j, e->u95_j,      e->u_random_j,   e->u_systematic_j,
                          e->lower_j,  e->duration_s, e->mean_power_w, e->measured};
    for (size_t i = 0; i < JMI_COUNT(all); i++) {
        demand_of(isfinite(all[i]), "not finite", name);
        demand_of(net || all[i] >= 0, "negative", name);
    }
    double slack = 1e-9 * (fabs(e->energy_j) + e->u95_j) + 1e-12;
    demand_of(!isnan(e->upper_j), "no upper bound", name);
    demand_of(e->lower_j <= e->energy_j + slack && e->energy_j <= e->upper_j + slack,
              "the estimate lies outside of its interval", name);
    demand_of(e->upper_j - e->energy_j <= e->u95_j + slack, "u95 ends below upper", name);
    demand_of(e->measured <= 1 + 1e-9, "more than all was measured", name);
    demand_of(e->provenance < 32 && e->flags < 32, "unknown bits", name);
}

static inline void check_part(const jm_part *p, bool net) {
    check_part_energy(&p->energy, p->name, net);
    check_part_energy(&p->inclusive, p->name, net);
    demand_of(p->name != NULL && p->size == sizeof *p, "no name or size", "a part");
    demand_of(p->calls > 0, "no calls", p->name);
    demand_of(p->time_s >= 0 && p->seen_s >= 0, "negative time", p->name);
    demand_of(p->inclusive_time_s >= p->time_s * (1 - 1e-9), "less time with inner", p->name);
    demand_of(p->energy.duration_s <= p->time_s * (1 + 1e-6) + 1e-12, "shares are more", p->name);
    bool runs = p->energy.duration_s > 0;
    demand_of(runs == isfinite(p->power_w) && runs == isfinite(p->power_u95_w), "power", p->name);
}

/* Calls come as ranges do, and take what their parts take. */
static inline void check_calls(const told *t) {
    double *energy_j = jmi_alloc(t->part_count, sizeof *energy_j), size = 0;
    double *own_s = jmi_alloc(t->part_count, sizeof *own_s);
    uint64_t *count = jmi_alloc(t->part_count, sizeof *count);
    assert_true(energy_j && own_s && count);
    for (size_t i = 0; i < t->call_count; i++) {
        const jm_call *c = &t->calls[i];
        demand_of(c->part < t->part_count, "of no part", "a call");
        demand_of(i == 0 || c->range > c[-1].range, "not in order", "a call");
        demand_of(isfinite(c->energy_j) && isfinite(c->u95_j) && isfinite(c->inclusive_j) &&
                      c->u95_j >= 0 && c->own_s >= 0,
                  "not finite", "a call");
        energy_j[c->part] += c->energy_j;
        own_s[c->part] += c->own_s;
        count[c->part]++;
    }
    for (size_t i = 0; i < t->part_count; i++) {
        const jm_part *p = &t->parts[i];
        size = fmax(size, fabs(p->energy.energy_j));
        demand_of(count[i] == p->calls, "calls are missing", p->name);
        demand_of(fabs(own_s[i] - p->time_s) <= 1e-6 * p->time_s, "calls' times", p->name);
        demand_of(fabs(energy_j[i] - p->energy.energy_j) <=
                      1e-6 * fabs(p->energy.energy_j) + 1e-9 * size,
                  "calls' energies do not make up the part's", p->name);
    }
    free(energy_j);
    free(own_s);
    free(count);
}

/* Most energy first, bounds last; groups have members. */
static inline void check_order(const told *t) {
    for (size_t i = 1; i < t->part_count; i++) {
        const jm_energy *a = &t->parts[i - 1].energy, *b = &t->parts[i].energy;
        demand_of(is_bound(a) <= is_bound(b), "an estimate after bounds", t->parts[i].name);
        demand_of(is_bound(a) != is_bound(b) || a->energy_j >= b->energy_j, "not in order",
                  t->parts[i].name);
    }
    for (size_t g = 0; g < t->group_count; g++) {
        size_t members = 0;
        double time_s = 0;
        for (size_t i = 0; i < t->part_count; i++)
            if (t->parts[i].group == g) {
                members++;
                time_s += t->parts[i].energy.duration_s;
                demand_of(is_bound(&t->parts[i].energy), "more than bounds", t->parts[i].name);
            }
        demand_of(members > 1, "a group of one", t->groups[g].name);
        demand_of(fabs(time_s - t->groups[g].energy.duration_s) <= 1e-6 * time_s + 1e-12,
                  "time of its members", t->groups[g].name);
    }
}

/* Whole windows are held against their sum; those that are joined against that of the whole time.
 */
static inline void check_told(const told *t, bool net, size_t windows) {
    demand_of(t->part_count > 0, "no parts", "attribution");
    for (size_t i = 0; i < t->part_count; i++) {
        check_part(&t->parts[i], net);
        demand_of(t->parts[i].group == JM_NO_GROUP || t->parts[i].group < t->group_count,
                  "no such group", t->parts[i].name);
    }
    for (size_t i = 0; i < t->group_count; i++) check_part(&t->groups[i], net);
    check_order(t);
    check_calls(t);
    const jm_attribution_info *o = &t->info;
    check_part_energy(&o->sum, "sum", net);
    check_part_energy(&o->gap, "gap", net);
    double size = fabs(o->whole.energy_j) + fabs(o->sum.energy_j);
    bool cut = o->sum.energy_j == 0 && !net; /* less than nothing is said to be nothing */
    if (windows < 2 && !cut && !is_bound(&o->whole))
        close_to(o->residual_j, o->whole.energy_j - o->sum.energy_j, (net ? 1e-6 : 1e-9) * size,
                 "residual");
    demand_of(isfinite(o->residual_j), "residual", "attribution");
    demand_of(o->categories >> o->category & 1, "category", "attribution");
    demand_of(o->residual_u95_j >= 0, "uncertainty of the residual", "attribution");
    close_to(o->sum.duration_s, o->whole.duration_s, 1e-6 * o->whole.duration_s, "all time");
}

/* The time between warm-ups is several windows too. */
static inline bool has_warmups(const jm_recording *recording) {
    for (uint64_t i = 0; i < jm_recording_range_count(recording); i++) {
        jm_range range = JM_RANGE_INIT;
        assert_int_equal(jm_recording_range(recording, i, &range), JM_OK);
        if (range.category == JM_CATEGORY_WARMUP) return true;
    }
    return false;
}

static inline told tell_well(const jm_recording *recording, const jm_attribution_options *options) {
    told t = tell(recording, options);
    size_t windows = options != NULL && options->window_count > 0 ? options->window_count
                     : has_warmups(recording)                     ? 2
                                                                  : 1;
    check_told(&t, options != NULL && options->net, windows);
    return t;
}

#endif
