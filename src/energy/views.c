#include "energy/views.h"
#include "record/recording.h"
#include "sensor/sensor.h"

#include <math.h>
#include <string.h>

int jmi_energy_options_take(jm_energy_options *ours, const jm_energy_options *theirs,
                            jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_energy_options", error);
    if (status != JM_OK) return status;
    if (!(ours->gain_u >= 0 && ours->gain_u < 1) || !(ours->offset_u_w >= 0) ||
        !isfinite(ours->offset_u_w))
        return jmi_fail(error, JM_INVALID,
                        "gain_u must lie in [0, 1), offset_u_w be a number and not below 0");
    if (ours->method > JM_METHOD_POWER)
        return jmi_fail(error, JM_INVALID, "there is no energy method %d", (int)ours->method);
    return JM_OK;
}

int jmi_windows_check(const jm_window *windows, size_t count, jm_error *error) {
    for (size_t i = 0; i < count; i++)
        if (!jmi_time_valid(windows[i].begin_ns) || !jmi_time_valid(windows[i].end_ns))
            return jmi_fail(error, JM_INVALID, "window %zu: there is no such time", i);
    return JM_OK;
}

double jmi_rank_power(const jm_sensor *s) {
    if (s->quantity != JM_QUANTITY_POWER && s->quantity != JM_QUANTITY_POWER_AVERAGE) return -1;
    double refresh = s->refresh_ns > 0 ? (double)s->refresh_ns : 1e9;
    /* an unknown window may be as short as those that are known */
    double window = s->window_ns > 0 ? (double)s->window_ns : 0.2 * refresh;
    double seen = fmin(window / refresh, 1), blur = fmax(window, refresh);
    return seen / (0.01 + blur * 1e-9);
}

/* Likewise, of those that see all of the time. */
static double rank_contiguous(const jm_sensor *s) {
    return s->window_ns > 0 && s->window_ns >= s->refresh_ns ? jmi_rank_power(s) : -1;
}

double jmi_rank_counter(const jm_sensor *s) {
    if (s->quantity != JM_QUANTITY_ENERGY) return -1;
    return 1 / (1e-4 + (double)s->refresh_ns * 1e-9);
}

static bool best_sensor(const jm_recording *recording, uint32_t device,
                        double (*rank)(const jm_sensor *), uint32_t *best) {
    double most = -1;
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK || sensor.device != device)
            continue;
        double value = rank(&sensor);
        if (value > most) most = value, *best = i;
    }
    return most >= 0;
}

/* Ranges say when a load ran, which a model knows from utilisation: it has no use for them. */
static int add_view(jmi_views *v, const jm_recording *recording, uint32_t index,
                    const jm_energy_options *options, const jm_window *span, jm_error *error) {
    jm_sensor sensor = {.size = sizeof sensor};
    int status = jm_recording_sensor(recording, index, &sensor);
    bool use_ranges = !options->no_activity && !sensor.modelled;
    if (status == JM_OK && use_ranges && !v->has_timeline) {
        status = jmi_timeline_build(&v->timeline, recording, sensor.device, span, error);
        v->has_timeline = status == JM_OK;
        if (status == JM_NO_DATA) status = JM_OK; /* no ranges */
    }
    if (status == JM_OK)
        status =
            jmi_estimator_open(&v->view[v->count], recording, index,
                               use_ranges && v->has_timeline ? &v->timeline : NULL, span, error);
    if (status == JM_OK) v->count++;
    return status == JM_NO_DATA ? JM_OK : status;
}

static bool is_gpu(const jm_device *device) {
    return strncmp(device->name, "gpu", 3) == 0 && device->name[3] >= '0' && device->name[3] <= '9';
}

uint32_t jmi_device_named(const jm_recording *recording, const char *name) {
    uint32_t count = jm_recording_device_count(recording);
    for (uint32_t i = 0; i < count; i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, i, &device) == JM_OK && strcmp(device.name, name) == 0)
            return i;
    }
    return UINT32_MAX;
}

bool jmi_device_is_part(const jm_recording *recording, uint32_t index, uint32_t which) {
    jm_device device = {.size = sizeof device};
    if (jm_recording_device(recording, index, &device) != JM_OK || !device.in_total) return false;
    return which == JM_DEVICE_TOTAL || is_gpu(&device);
}

void jmi_views_close(jmi_views *v) {
    for (size_t i = 0; i < v->count; i++) jmi_estimator_close(&v->view[i]);
    v->count = 0;
    jmi_timeline_free(&v->timeline);
}

static void set_systematic(jmi_views *v, const jm_device *device,
                           const jm_energy_options *options) {
    bool modelled = v->count > 0 && (v->view[0].track.provenance & JM_FROM_MODEL) != 0;
    v->gain_u = options->gain_u > 0 ? options->gain_u : modelled ? jmi_model_uncertainty() : 0.03;
    v->offset_u_w = options->offset_u_w > 0 ? options->offset_u_w : is_gpu(device) ? 4 : 0;
}

int jmi_views_open(jmi_views *v, const jm_recording *recording, uint32_t index,
                   const jm_energy_options *options, jm_error *error) {
    return jmi_views_open_span(v, recording, index, options, NULL, error);
}

/* The best power reading. One that looks part of the time may keep step with the load and take it
 * for a steady one: where there is no counter, a mean over all of the time stands beside it. */
static int add_power(jmi_views *v, const jm_recording *recording, uint32_t device,
                     const jm_energy_options *options, const jm_window *span, jm_error *error) {
    uint32_t best = 0, other = 0;
    if (!best_sensor(recording, device, jmi_rank_power, &best)) return JM_OK;
    size_t before = v->count;
    int status = add_view(v, recording, best, options, span, error);
    if (status != JM_OK || before > 0 || v->count == 0) return status;
    if (!best_sensor(recording, device, rank_contiguous, &other) || other == best) return status;
    return add_view(v, recording, other, options, span, error);
}

int jmi_views_open_span(jmi_views *v, const jm_recording *recording, uint32_t index,
                        const jm_energy_options *options, const jm_window *span, jm_error *error) {
    *v = (jmi_views){.count = 0};
    jm_device device = {.size = sizeof device};
    if (jm_recording_device(recording, index, &device) != JM_OK)
        return jmi_fail(error, JM_NOT_FOUND, "there is no device %u in the recording", index);
    uint32_t sensor = 0;
    int status = JM_OK;
    if (options->method != JM_METHOD_POWER &&
        best_sensor(recording, index, jmi_rank_counter, &sensor))
        status = add_view(v, recording, sensor, options, span, error);
    if (status == JM_OK && options->method != JM_METHOD_COUNTER)
        status = add_power(v, recording, index, options, span, error);
    if (status != JM_OK)
        jmi_views_close(v);
    else if (v->count == 0) {
        jmi_views_close(v);
        return jmi_fail(error, JM_NO_DATA, "%s has no reading of power or energy", device.name);
    }
    set_systematic(v, &device, options);
    return status;
}

void jmi_energy_finish(jm_energy *out, double bound_slack) {
    if (out->provenance == 0) { /* nothing was measured: what it may be is known already */
        out->u95_j = out->upper_j;
        return;
    }
    double both = hypot(out->u_random_j, out->u_systematic_j);
    if (out->provenance & JM_BOUND_ONLY) {
        out->lower_j = fmax(out->lower_j * (1 - bound_slack), 0);
        out->upper_j *= 1 + bound_slack;
        out->u95_j = fmax(out->upper_j - out->energy_j, out->energy_j - out->lower_j);
    } else {
        out->u95_j = 1.96 * both;
        out->lower_j = fmax(out->energy_j - out->u95_j, 0);
        out->upper_j = out->energy_j + out->u95_j;
    }
    if (out->duration_s > 0) out->mean_power_w = out->energy_j / out->duration_s;
}

void jmi_energy_unmeasured(jm_energy *out, const jmi_views *v, uint32_t flags) {
    *out = (jm_energy){.duration_s = out->duration_s,
                       .flags = JM_ENERGY_PARTIAL | (flags & JM_ENERGY_RESET)};
    double ceiling_w = v->view[0].track.ceiling_w;
    out->upper_j = ceiling_w > 0 ? ceiling_w * out->duration_s : INFINITY;
    out->u95_j = out->upper_j;
    out->u_random_j = out->upper_j / sqrt(3); /* about 0, for sums with what was measured */
}

jmi_estimate jmi_views_estimate(jmi_views *v, const jm_window *window) {
    jmi_estimate estimate;
    jmi_estimate_window(&v->view[0], window->begin_ns, window->end_ns, &estimate);
    if (v->count == 2) {
        jmi_estimate other;
        jmi_estimate_window(&v->view[1], window->begin_ns, window->end_ns, &other);
        estimate = jmi_fuse(&estimate, &other);
    }
    return estimate;
}

double jmi_systematic(double gain_u, double offset_u_w, double energy_j, double duration_s) {
    return hypot(gain_u * energy_j, offset_u_w * duration_s);
}

void jmi_views_window(jmi_views *v, const jm_window *window, jm_energy *out) {
    *out = (jm_energy){0};
    if (window->end_ns <= window->begin_ns) {
        out->measured = 1;
        out->provenance = v->view[0].track.provenance;
        return;
    }
    out->duration_s = (double)(window->end_ns - window->begin_ns) * 1e-9;
    jmi_estimate estimate = jmi_views_estimate(v, window);
    if (!(estimate.measured > 0)) {
        jmi_energy_unmeasured(out, v, estimate.flags);
        return;
    }
    out->energy_j = estimate.energy_j;
    out->u_random_j = sqrt(fmax(estimate.var_j2, 0));
    out->lower_j = estimate.lower_j;
    out->upper_j = estimate.upper_j;
    out->measured = estimate.measured;
    out->flags = estimate.flags;
    out->provenance = estimate.provenance | (estimate.bound_only ? JM_BOUND_ONLY : 0u);
    out->u_systematic_j = jmi_systematic(v->gain_u, v->offset_u_w, out->energy_j, out->duration_s);
    jmi_energy_finish(out, 2 * v->gain_u);
}

/* Devices err independently: variances add. A bound among them makes the sum a bound. */
void jmi_energy_add(jm_energy *sum, const jm_energy *part, bool first) {
    if (first) {
        *sum = *part;
        return;
    }
    sum->energy_j += part->energy_j;
    sum->u_random_j = hypot(sum->u_random_j, part->u_random_j);
    sum->u_systematic_j = hypot(sum->u_systematic_j, part->u_systematic_j);
    sum->lower_j += part->lower_j;
    sum->upper_j += part->upper_j;
    sum->measured = fmin(sum->measured, part->measured);
    sum->provenance |= part->provenance;
    sum->flags |= part->flags;
}
