#include "attribute/attribution.h"
#include "attribute/ticks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int take_options(jmi_attributing *a, const jm_attribution_options *options,
                        jm_error *error) {
    static const jm_attribution_options defaults = JM_ATTRIBUTION_OPTIONS_INIT;
    if (options == NULL) options = &defaults;
    int status =
        jmi_take_struct(&a->options, sizeof a->options, options, "jm_attribution_options", error);
    if (status == JM_OK) status = jmi_energy_options_take(&a->energy, a->options.energy, error);
    if (status != JM_OK) return status;
    if (a->options.method > JM_ATTRIBUTION_BOUNDARY)
        return jmi_fail(error, JM_INVALID, "there is no attribution method %d",
                        (int)a->options.method);
    if (a->options.windows == NULL) a->options.window_count = 0;
    if ((a->options.split & ~(uint32_t)(JM_SPLIT_GRID | JM_SPLIT_STREAM)) != 0)
        return jmi_fail(error, JM_INVALID, "kernels are split by jm_split only");
    status = jmi_windows_check(a->options.windows, a->options.window_count, error);
    for (size_t i = 0; status == JM_OK && i < a->options.window_count; i++) {
        const jm_window *w = &a->options.windows[i];
        if (w->end_ns < w->begin_ns || (i > 0 && w->begin_ns < w[-1].end_ns))
            return jmi_fail(error, JM_INVALID,
                            "window %zu: windows must be in order and must not overlap", i);
    }
    return status;
}

static void close_attributing(jmi_attributing *a) {
    jmi_views_close(&a->views);
    for (size_t v = 0; v < JMI_SHIFTS; v++) {
        jmi_normal_close(&a->normals[v]);
        free(a->later_w[v]);
    }
    jmi_fit_free(&a->fit);
    jmi_layout_free(&a->layout);
    jmi_calls_free(&a->calls);
    free(a->windows);
    free(a->group);
    jmi_stretch_free(&a->told);
    jmi_stretch_free(&a->joined);
}

/* ---- how the parts add up ---- */

static jm_energy sum_of(const jmi_attributing *a, const double *time_s) {
    double all_s = 0;
    for (size_t i = 0; i < a->fit.count; i++) all_s += time_s[i];
    return jmi_terms_energy(&a->terms, jmi_fit_sum(&a->fit, time_s),
                            sqrt(jmi_fit_variance(&a->fit, time_s)), all_s);
}

/* Idle power is the same in both, and cancels. */
static void hold_against(const jmi_attributing *a, jm_attribution_info *info) {
    const jmi_stretch *s = jmi_attribute_checked(a);
    info->residual_j = s->energy.energy_j - jmi_fit_sum(&a->fit, s->time_s);
    info->residual_u95_j =
        1.96 * hypot(s->energy.u_random_j, sqrt(jmi_fit_variance(&a->fit, s->time_s)));
}

/* Classes that began before a window run in it all the same: the sum holds them too. */
static int add_up(const jmi_attributing *a, jm_attribution_info *info, jm_error *error) {
    double *gaps = jmi_alloc(a->fit.count, sizeof *gaps);
    if (gaps == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for gaps");
    for (size_t i = a->layout.classes; i < a->fit.count; i++) gaps[i] = a->told.time_s[i];
    info->whole = jmi_terms_net(&a->terms, &a->told.energy);
    info->sum = sum_of(a, a->told.time_s);
    info->gap = sum_of(a, gaps);
    hold_against(a, info);
    info->idle_w = a->terms.net ? a->terms.idle.power_w : (double)NAN;
    info->idle_u95_w = a->terms.net ? a->terms.idle.u95_w : (double)NAN;
    free(gaps);
    return JM_OK;
}

static bool is_finite(const jm_energy *e) {
    return isfinite(e->energy_j) && isfinite(e->u_random_j) && isfinite(e->u95_j);
}

/* Readings that are none, as a damaged file may hold them, have squares that are too large. */
static int check_finite(const jm_attribution *out, jm_error *error) {
    bool good = is_finite(&out->info.sum) && is_finite(&out->info.gap);
    for (size_t i = 0; i < out->part_count; i++)
        good &= is_finite(&out->parts[i].energy) && is_finite(&out->parts[i].inclusive);
    for (size_t i = 0; i < out->group_count; i++) good &= is_finite(&out->groups[i].energy);
    return good ? JM_OK : jmi_fail(error, JM_NO_DATA, "the readings are too large to be powers");
}

static void describe(const jmi_attributing *a, jm_attribution *out) {
    jm_device device = {.size = sizeof device};
    jm_recording_device(a->recording, a->device, &device);
    out->device = jmi_strdup(device.name);
    out->simulated = device.simulated;
    out->modelled = (a->views.view[0].track.provenance & JM_FROM_MODEL) != 0;
    out->method = a->options.method;
    out->terms = a->terms;
    out->info.device = a->device;
    out->info.category = a->calls.category;
    out->info.categories = a->calls.categories;
}

/* Mean power of the classes, by their time. */
static double usual_of(const jmi_attributing *a) {
    double energy_j = 0, time_s = 0;
    for (size_t i = 0; i < a->layout.classes; i++) {
        energy_j += a->told.time_s[i] * a->fit.power_w[i];
        time_s += a->told.time_s[i];
    }
    return time_s > 0 ? energy_j / time_s : 0;
}

static int attribute(jmi_attributing *a, jm_attribution *out, jm_error *error) {
    int status = jmi_attribute_choose(a, error);
    if (status != JM_OK) return status;
    jm_energy_options plain = a->energy;
    plain.no_activity = true;
    status = jmi_views_open(&a->views, a->recording, a->device, &plain, error);
    for (size_t v = 0; status == JM_OK && v < a->views.count; v++)
        status = jmi_ticks_refine(&a->views.view[v].track, a->recording, error);
    if (status == JM_OK) status = jmi_attribute_whole(a, error);
    if (status == JM_OK) status = jmi_attribute_terms(a, error);
    if (status == JM_OK)
        status = a->options.method == JM_ATTRIBUTION_REGRESSION ? jmi_attribute_regress(a, error)
                                                                : jmi_attribute_simply(a, error);
    if (status == JM_OK && a->options.method == JM_ATTRIBUTION_REGRESSION)
        status = jmi_attribute_direct(a, error);
    if (status == JM_OK) a->usual_w = usual_of(a);
    if (status == JM_OK && a->options.method == JM_ATTRIBUTION_REGRESSION)
        status = jmi_attribute_resolve(a, error);
    if (status != JM_OK) return status;
    describe(a, out);
    status = add_up(a, &out->info, error);
    if (status == JM_OK) status = jmi_attribute_parts(a, out, error);
    if (status == JM_OK) status = check_finite(out, error);
    if (status != JM_OK || a->options.method != JM_ATTRIBUTION_REGRESSION) return status;
    jmi_attribute_diagnose(a, &out->info);
    out->info.locked = out->info.lock > 0.9 && out->group_count > 0;
    return JM_OK;
}

int jm_attribute(jm_attribution **attribution, const jm_recording *recording,
                 const jm_attribution_options *options, jm_error *error) {
    if (attribution == NULL) return jmi_fail(error, JM_INVALID, "there is no place for it (NULL)");
    *attribution = NULL;
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    jmi_attributing a = {.recording = recording};
    jm_attribution *out = jmi_alloc(1, sizeof *out);
    if (out == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for an attribution");
    int status = take_options(&a, options, error);
    if (status == JM_OK) status = attribute(&a, out, error);
    close_attributing(&a);
    if (status == JM_OK && out->device == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for an attribution");
    if (status == JM_OK)
        *attribution = out;
    else
        jm_attribution_free(out);
    return status;
}

void jm_attribution_free(jm_attribution *a) {
    if (a == NULL) return;
    for (size_t i = 0; i < a->part_count; i++) {
        free((char *)a->parts[i].name);
        free((char *)a->parts[i].type);
    }
    for (size_t i = 0; i < a->group_count; i++) free((char *)a->groups[i].name);
    free(a->parts);
    free(a->groups);
    free(a->calls);
    free(a->power_w);
    free(a->cov_w2);
    free(a->column);
    free(a->share_s);
    free(a->device);
    free(a);
}

/* ---- getters ---- */

uint32_t jm_attribution_part_count(const jm_attribution *a) {
    return a != NULL ? (uint32_t)a->part_count : 0;
}

uint32_t jm_attribution_group_count(const jm_attribution *a) {
    return a != NULL ? (uint32_t)a->group_count : 0;
}

int jm_attribution_part(const jm_attribution *a, uint32_t index, jm_part *part) {
    if (a == NULL || part == NULL) return JM_INVALID;
    if (index >= a->part_count) return JM_NOT_FOUND;
    return jmi_give_struct(part, &a->parts[index], sizeof a->parts[index]);
}

int jm_attribution_group(const jm_attribution *a, uint32_t index, jm_part *group) {
    if (a == NULL || group == NULL) return JM_INVALID;
    if (index >= a->group_count) return JM_NOT_FOUND;
    return jmi_give_struct(group, &a->groups[index], sizeof a->groups[index]);
}

int jm_attribution_sum(const jm_attribution *a, const uint32_t *parts, size_t count,
                       jm_energy *energy, jm_error *error) {
    if (a == NULL || energy == NULL || (parts == NULL && count > 0))
        return jmi_fail(error, JM_INVALID, "there is no attribution, list or place (NULL)");
    double *factors = jmi_alloc(a->columns, sizeof *factors), time_s = 0;
    if (factors == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a sum");
    for (size_t i = 0; i < count; i++) {
        if (parts[i] >= a->part_count) {
            free(factors);
            return jmi_fail(error, JM_NOT_FOUND, "there is no part %u", parts[i]);
        }
        factors[a->column[parts[i]]] += a->share_s[parts[i]];
        time_s += a->share_s[parts[i]];
    }
    jmi_fit fit = {.count = a->columns, .power_w = a->power_w, .cov_w2 = a->cov_w2};
    jm_energy e = jmi_terms_energy(&a->terms, jmi_fit_sum(&fit, factors),
                                   sqrt(jmi_fit_variance(&fit, factors)), time_s);
    jmi_attribute_bound_wide(&e, a->usual_w);
    free(factors);
    *energy = e;
    return JM_OK;
}

int jm_attribution_get(const jm_attribution *a, jm_attribution_info *info) {
    if (a == NULL || info == NULL) return JM_INVALID;
    return jmi_give_struct(info, &a->info, sizeof a->info);
}

size_t jm_attribution_calls(const jm_attribution *a, jm_call *calls, size_t count) {
    if (a == NULL) return 0;
    if (count > a->call_count) count = a->call_count;
    if (calls != NULL && count > 0) memcpy(calls, a->calls, count * sizeof *calls);
    return a->call_count;
}
