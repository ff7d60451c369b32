#include "figure/own_time.h"

#include "figure/energy_bars.h"

#include "energy/views.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- whose ranges ---- */

/* Which devices ranges of a category name; none of them: the host ran them. */
typedef struct runners {
    bool any;
    uint32_t count; /* devices */
    bool *device;
} runners;

static int find_runners(runners *r, const jm_recording *recording, jm_category category,
                        jm_error *error) {
    uint64_t count = jm_recording_range_count(recording);
    const char *last = NULL;
    r->count = jm_recording_device_count(recording);
    r->device = jmi_alloc(r->count, sizeof *r->device);
    if (r->device == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for devices");
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        if (jm_recording_range(recording, i, &range) != JM_OK || range.category != category)
            continue;
        r->any = true;
        if (range.device[0] == '\0' || range.device == last) continue;
        uint32_t device = jmi_device_named(recording, range.device);
        if (device < r->count) r->device[device] = true;
        last = range.device;
    }
    if (r->any) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "there is no range of category %s",
                    jm_category_name((int)category));
}

/* Whose energy the host's ranges are told of: the figures' devices. */
static bool is_asked_for(const jm_figures *f, uint32_t device) {
    if (f->device < JM_DEVICE_GPUS) return device == f->device;
    return jmi_device_is_part(f->recording, device, f->device);
}

/* Attributes a device's energy, and keeps that for the figures to come. */
static int attribute(jm_figures *f, jm_category category, uint32_t device, uint32_t runner,
                     jm_error *error) {
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution *attribution;
    jm_error why;
    options.categories = 1u << category;
    options.device = device;
    options.energy = &f->energy;
    int status = jm_attribute(&attribution, f->recording, &options, &why);
    if (status == JM_NO_DATA) return JM_OK;     /* nothing measures this device */
    if (status == JM_FULL) status = JM_NO_DATA; /* the other figures are drawn all the same */
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    if (!jmi_reserve(&f->attributed, &f->attributed_capacity, f->attributed_count + 1,
                     sizeof *f->attributed)) {
        jm_attribution_free(attribution);
        return jmi_fail(error, JM_MEMORY, "out of memory for an attribution");
    }
    f->attributed[f->attributed_count++] = (jmi_attributed){category, runner, attribution};
    return JM_OK;
}

static int need_attributions(jm_figures *f, jm_category category, jm_error *error) {
    runners r = {.any = false};
    bool named = false;
    for (size_t i = 0; i < f->attributed_count; i++)
        if (f->attributed[i].category == category) return JM_OK; /* it was done before */
    int status = find_runners(&r, f->recording, category, error);
    for (uint32_t i = 0; status == JM_OK && i < r.count; i++) {
        if (!r.device[i]) continue;
        named = true;
        status = attribute(f, category, i, i, error);
    }
    for (uint32_t i = 0; status == JM_OK && !named && i < r.count; i++)
        if (is_asked_for(f, i)) status = attribute(f, category, i, UINT32_MAX, error);
    free(r.device);
    return status;
}

int jmi_attributions(jm_figures *f, jm_category category, jmi_visit_attribution visit, void *user,
                     jm_error *error) {
    int status = need_attributions(f, category, error);
    for (size_t i = 0; status == JM_OK && i < f->attributed_count; i++)
        if (f->attributed[i].category == category)
            status = visit(f->attributed[i].attribution, f->attributed[i].runner, user, error);
    return status;
}

/* ---- parts ---- */

/* The part of this name, where `known` says that it may be there, or a fresh one; NULL: out of
 * memory. */
static jmi_part *part_named(jmi_parts *parts, const jm_part *p, uint32_t device, bool known,
                            bool *fresh) {
    *fresh = false;
    for (size_t i = 0; known && i < parts->count; i++)
        if (strcmp(parts->list[i].name, p->name) == 0) return &parts->list[i];
    if (!jmi_reserve(&parts->list, &parts->capacity, parts->count + 1, sizeof *parts->list))
        return NULL;
    jmi_part *part = &parts->list[parts->count];
    *part = (jmi_part){.device = device,
                       .calls = p->calls,
                       .time_s = p->time_s,
                       .name = jmi_strdup(p->name),
                       .type = jmi_strdup(p->type != NULL ? p->type : "")};
    parts->count++;
    *fresh = true;
    return part->name != NULL && part->type != NULL ? part : NULL;
}

static int add_part(jmi_parts *parts, const jm_part *p, uint32_t device, bool known,
                    jm_error *error) {
    bool fresh;
    jmi_part *part = part_named(parts, p, device, known, &fresh);
    if (part == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for parts");
    jmi_energy_add(&part->energy, &p->energy, fresh);
    if (!fresh) jmi_energy_finish(&part->energy, 0);
    return JM_OK;
}

/* What all of a device's parts are added to; of a group's members the group is shown, unless
 * several devices ran them. */
typedef struct adding {
    jmi_parts *parts;
    size_t devices;
    bool members; /* are shown too */
} adding;

static int add_parts(const jm_attribution *a, uint32_t device, void *user, jm_error *error) {
    adding *to = user;
    int status = JM_OK;
    bool grouped = device != UINT32_MAX || to->devices == 1;
    for (uint32_t i = 0; status == JM_OK && i < jm_attribution_part_count(a); i++) {
        jm_part p = JM_PART_INIT;
        jm_attribution_part(a, i, &p);
        if (!grouped || to->members || p.group == JM_NO_GROUP)
            status = add_part(to->parts, &p, device, !grouped, error);
    }
    for (uint32_t i = 0; status == JM_OK && grouped && i < jm_attribution_group_count(a); i++) {
        jm_part p = JM_PART_INIT;
        jm_attribution_group(a, i, &p);
        status = add_part(to->parts, &p, device, !grouped, error);
    }
    return status;
}

static int by_energy(const void *left, const void *right) {
    const jmi_part *a = left, *b = right;
    bool a_bound = !jmi_energy_estimated(&a->energy), b_bound = !jmi_energy_estimated(&b->energy);
    if (a_bound != b_bound) return a_bound ? 1 : -1;
    if (!a_bound && a->energy.energy_j != b->energy.energy_j)
        return a->energy.energy_j > b->energy.energy_j ? -1 : 1;
    return strcmp(a->name, b->name);
}

int jmi_parts_make(jmi_parts *parts, jm_figures *f, jm_category category, bool members,
                   jm_error *error) {
    adding to = {.parts = parts, .members = members};
    *parts = (jmi_parts){.count = 0};
    for (uint32_t i = 0; i < jm_recording_device_count(f->recording); i++)
        to.devices += is_asked_for(f, i);
    int status = jmi_attributions(f, category, add_parts, &to, error);
    bool any = false;
    for (size_t i = 0; i < parts->count; i++) {
        const jm_energy *e = &parts->list[i].energy;
        any |= jmi_energy_shown(e) && isfinite(e->upper_j);
    }
    if (status == JM_OK && !any) status = jmi_fail(error, JM_NO_DATA, "no energy was measured");
    if (status == JM_OK)
        qsort(parts->list, parts->count, sizeof *parts->list, by_energy);
    else
        jmi_parts_free(parts);
    return status;
}

void jmi_parts_free(jmi_parts *parts) {
    for (size_t i = 0; i < parts->count; i++) {
        free(parts->list[i].name);
        free(parts->list[i].type);
    }
    free(parts->list);
    *parts = (jmi_parts){.count = 0};
}
