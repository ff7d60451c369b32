/* Energies of many windows as one figure, and of every range of a recording. */
#include "energy/views.h"

#include <math.h>
#include <stdlib.h>

/* ---- the sum of a device's windows ---- */

typedef struct tally {
    double energy_j, var_j2, measured_s, duration_s;
    double lower_j, upper_j; /* of the windows that are bounded only */
    size_t windows, bounded;
    uint32_t provenance, flags;
} tally;

/* From so many short windows on, what each hides is a sample of the same load. */
enum { ENOUGH = 16 };

static void add_window(tally *sum, jmi_views *views, const jm_window *window) {
    double duration = (double)(window->end_ns - window->begin_ns) * 1e-9;
    if (!(duration > 0)) return;
    jmi_estimate e = jmi_views_estimate(views, window);
    sum->windows++;
    sum->duration_s += duration;
    sum->measured_s += e.measured * duration;
    sum->energy_j += e.energy_j;
    sum->var_j2 += e.var_j2;
    sum->bounded += e.bound_only;
    sum->lower_j += e.bound_only ? e.lower_j : e.energy_j;
    sum->upper_j += e.bound_only ? e.upper_j : e.energy_j;
    sum->provenance |= e.provenance;
    sum->flags |= e.flags;
}

static void tally_energy(const tally *sum, const jmi_views *views, jm_energy *out) {
    *out = (jm_energy){.duration_s = sum->duration_s,
                       .energy_j = sum->energy_j,
                       .u_random_j = sqrt(sum->var_j2),
                       .provenance = sum->provenance,
                       .flags = sum->flags};
    out->measured = sum->duration_s > 0 ? sum->measured_s / sum->duration_s : 1;
    out->u_systematic_j = jmi_views_systematic(views, out->energy_j, out->duration_s);
    if (sum->bounded > 0 && sum->windows < ENOUGH) {
        out->provenance |= JM_BOUND_ONLY;
        out->lower_j = sum->lower_j;
        out->upper_j = sum->upper_j;
    }
    if (sum->measured_s > 0 || sum->windows == 0)
        jmi_energy_finish(out, 2 * views->gain_u);
    else
        out->upper_j = out->u95_j = sum->upper_j > 0 ? sum->upper_j : INFINITY;
}

static int device_sum(const jm_recording *recording, uint32_t device, const jm_window *windows,
                      size_t count, const jm_energy_options *options, jm_energy *out,
                      jm_error *error) {
    jmi_views *views = malloc(sizeof *views);
    if (views == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jmi_views_open(views, recording, device, options, error);
    if (status == JM_OK) {
        tally sum = {0};
        for (size_t i = 0; i < count; i++) add_window(&sum, views, &windows[i]);
        tally_energy(&sum, views, out);
        jmi_views_close(views);
    }
    free(views);
    return status;
}

static int total_sum(const jm_recording *recording, const jm_window *windows, size_t count,
                     const jm_energy_options *options, jm_energy *out, jm_error *error) {
    bool first = true;
    for (uint32_t d = 0; d < jm_recording_device_count(recording); d++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, d, &device) != JM_OK || !device.in_total) continue;
        jm_energy part;
        int status = device_sum(recording, d, windows, count, options, &part, error);
        if (status == JM_NO_DATA) continue;
        if (status != JM_OK) return status;
        jmi_energy_add(out, &part, first);
        first = false;
    }
    if (first) return jmi_fail(error, JM_NO_DATA, "no device has a reading of power or energy");
    jmi_energy_finish(out, 0);
    return JM_OK;
}

int jm_energy_sum(const jm_recording *recording, uint32_t device, const jm_window *windows,
                  size_t count, const jm_energy_options *options, jm_energy *out, jm_error *error) {
    jm_energy_options ours;
    if (recording == NULL || out == NULL || (count > 0 && windows == NULL))
        return jmi_fail(error, JM_INVALID, "recording, windows and out must not be NULL");
    int status = jmi_energy_options_take(&ours, options, error);
    if (status != JM_OK) return status;
    return device == JM_DEVICE_TOTAL
               ? total_sum(recording, windows, count, &ours, out, error)
               : device_sum(recording, device, windows, count, &ours, out, error);
}

/* ---- ranges ---- */

int jm_energy_ranges(const jm_recording *recording, uint32_t device,
                     const jm_energy_options *options, jm_energy *out, size_t count,
                     jm_error *error) {
    if (recording == NULL || (count > 0 && out == NULL))
        return jmi_fail(error, JM_INVALID, "recording and out must not be NULL");
    jm_window *windows = malloc((count + 1) * sizeof *windows);
    if (windows == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for %zu ranges", count);
    int status = JM_OK;
    for (size_t i = 0; i < count && status == JM_OK; i++) {
        jm_range range = {.size = sizeof range};
        status = jm_recording_range(recording, i, &range);
        windows[i] = (jm_window){range.begin_ns, range.end_ns};
    }
    if (status != JM_OK)
        jmi_fail(error, status, "the recording has fewer than %zu ranges", count);
    else
        status = jm_energy_windows(recording, device, windows, count, options, out, error);
    free(windows);
    return status;
}
