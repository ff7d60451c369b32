#include "figure/source.h"

#include "energy/views.h"
#include "report/range_reader.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_COLUMNS = 1000, MOST_STRETCHES = 400 };

/* ---- opening ---- */

static bool has_gpu(const jm_recording *recording) {
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++)
        if (jmi_device_is_part(recording, i, JM_DEVICE_GPUS)) return true;
    return false;
}

static bool is_shown(const jm_figures *f, uint32_t index) {
    return f->device >= JM_DEVICE_GPUS ? jmi_device_is_part(f->recording, index, f->device)
                                       : index == f->device;
}

/* What the figures say that nothing measured. */
static void find_sources(jm_figures *f, uint32_t device) {
    jm_device info = {.size = sizeof info};
    if (jm_recording_device(f->recording, device, &info) == JM_OK) f->simulated |= info.simulated;
    for (uint32_t i = 0; i < jm_recording_sensor_count(f->recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(f->recording, i, &sensor) != JM_OK || sensor.device != device)
            continue;
        bool power = sensor.quantity == JM_QUANTITY_POWER || sensor.quantity == JM_QUANTITY_ENERGY;
        f->modelled |= power && sensor.modelled;
    }
}

static int add_lanes(jm_figures *f, jm_error *error) {
    uint32_t count = jm_recording_device_count(f->recording);
    f->lanes = jmi_alloc((size_t)count + 1, sizeof *f->lanes);
    if (f->lanes == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for figures");
    for (uint32_t i = 0; i < count; i++) {
        jm_device device = {.size = sizeof device};
        if (!is_shown(f, i) || jm_recording_device(f->recording, i, &device) != JM_OK) continue;
        f->lanes[f->lane_count] =
            (jmi_lane){.device = i, .name = device.name, .color = (uint32_t)f->lane_count};
        f->lane_count++;
        find_sources(f, i);
    }
    return JM_OK;
}

static int take_options(jm_figures *f, const jm_figure_options *options, jm_error *error) {
    static const jm_figure_options defaults = JM_FIGURE_OPTIONS_INIT;
    if (options == NULL) options = &defaults;
    int status =
        jmi_take_struct(&f->options, sizeof f->options, options, "jm_figure_options", error);
    if (status == JM_OK) status = jmi_energy_options_take(&f->energy, f->options.energy, error);
    if (status != JM_OK) return status;
    f->device = f->options.device;
    if (f->device == JM_DEVICE_GPUS && !has_gpu(f->recording)) f->device = JM_DEVICE_TOTAL;
    if (f->device < JM_DEVICE_GPUS && f->device >= jm_recording_device_count(f->recording))
        return jmi_fail(error, JM_NOT_FOUND, "there is no device %u in the recording", f->device);
    return JM_OK;
}

int jm_figures_open(jm_figures **figures, const jm_recording *recording,
                    const jm_figure_options *options, jm_error *error) {
    if (figures == NULL) return jmi_fail(error, JM_INVALID, "there is no place for them (NULL)");
    *figures = NULL;
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    jm_figures *f = jmi_alloc(1, sizeof *f);
    if (f == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for figures");
    f->recording = recording;
    f->begin_ns = jm_recording_begin_ns(recording);
    f->end_ns = jm_recording_end_ns(recording);
    f->duration_s = (double)(f->end_ns - f->begin_ns) * 1e-9;
    int status = take_options(f, options, error);
    if (status == JM_OK) status = add_lanes(f, error);
    if (status == JM_OK)
        *figures = f;
    else
        jm_figures_close(f);
    return status;
}

static void free_energies(jmi_energies *e) {
    free(e->edge_s);
    free(e->between);
    free(e->since);
    *e = (jmi_energies){.count = 0};
}

void jm_figures_close(jm_figures *f) {
    if (f == NULL) return;
    for (size_t i = 0; i < f->lane_count; i++)
        for (size_t k = 0; k < JMI_SHOWN; k++) jmi_curve_free(&f->lanes[i].curve[k]);
    for (size_t i = 0; i < f->phase_count; i++) free(f->phases[i].windows);
    free(f->lanes);
    free(f->phases);
    free(f->phase_windows);
    for (size_t i = 0; i < f->attributed_count; i++)
        jm_attribution_free(f->attributed[i].attribution);
    free(f->attributed);
    free_energies(&f->energies);
    free(f);
}

size_t jmi_pixels(const jm_figures *f) {
    if (f->options.raw) return 0;
    return f->options.columns == 0 ? DEFAULT_COLUMNS : f->options.columns;
}

/* ---- curves ---- */

const char *jmi_shown_word(jmi_shown which) {
    static const char *const words[] = {"power", "GPU utilisation", "memory utilisation"};
    return words[which];
}

static bool find_sensor(const jm_recording *recording, uint32_t device, jmi_shown which,
                        uint32_t *sensor, bool *from_counter) {
    *from_counter = false;
    if (which == JMI_SHOWN_GPU_UTIL)
        return jmi_gauge_sensor(recording, device, JM_QUANTITY_GPU_UTIL, sensor);
    if (which == JMI_SHOWN_MEM_UTIL)
        return jmi_gauge_sensor(recording, device, JM_QUANTITY_MEM_UTIL, sensor);
    if (jmi_power_sensor(recording, device, sensor)) return true;
    *from_counter = true;
    return jmi_counter_sensor(recording, device, sensor);
}

static bool has_value(const jmi_curve *curve) {
    for (size_t i = 0; i < curve->count; i++)
        if (!isnan(curve->value[i])) return true;
    return false;
}

int jmi_need_curves(jm_figures *f, jmi_shown which, jm_error *error) {
    bool any = false;
    for (size_t i = 0; i < f->lane_count; i++) {
        jmi_lane *lane = &f->lanes[i];
        uint32_t sensor;
        bool from_counter;
        if (!f->has_read[which] &&
            find_sensor(f->recording, lane->device, which, &sensor, &from_counter)) {
            int status =
                jmi_curve_read(&lane->curve[which], f->recording, sensor, from_counter, error);
            if (status != JM_OK) return status;
            lane->has[which] = has_value(&lane->curve[which]);
        }
        any |= lane->has[which];
    }
    f->has_read[which] = true;
    if (any) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "%s was not measured", jmi_shown_word(which));
}

int jmi_need_utilisations(jm_figures *f, bool shown[JMI_SHOWN], jm_error *error) {
    int gpu = jmi_need_curves(f, JMI_SHOWN_GPU_UTIL, error);
    if (gpu != JM_OK && gpu != JM_NO_DATA) return gpu;
    int memory = jmi_need_curves(f, JMI_SHOWN_MEM_UTIL, error);
    if (memory != JM_OK && memory != JM_NO_DATA) return memory;
    shown[JMI_SHOWN_POWER] = false;
    shown[JMI_SHOWN_GPU_UTIL] = gpu == JM_OK;
    shown[JMI_SHOWN_MEM_UTIL] = memory == JM_OK;
    if (gpu == JM_OK || memory == JM_OK) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "neither GPU nor memory utilisation was measured");
}

/* ---- energies ---- */

double jmi_refresh_s(const jm_figures *f) {
    const uint64_t usual_ns = 20000000;
    uint64_t slowest = 0;
    for (uint32_t i = 0; i < jm_recording_sensor_count(f->recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(f->recording, i, &sensor) != JM_OK) continue;
        bool power = sensor.quantity == JM_QUANTITY_POWER || sensor.quantity == JM_QUANTITY_ENERGY;
        if (power && is_shown(f, sensor.device) && sensor.refresh_ns > slowest)
            slowest = sensor.refresh_ns;
    }
    return (double)(slowest > 0 ? slowest : usual_ns) * 1e-9;
}

bool jmi_energy_shown(const jm_energy *energy) {
    return jmi_energy_known(energy) && isfinite(energy->energy_j);
}

/* What is asked of the energy room: windows, each of a group. */
typedef struct request {
    jm_window *windows;
    uint32_t *group;
    jm_energy *out; /* of groups: phases, then stretches since the beginning, then each */
    size_t windows_count, groups;
} request;

static void ask(request *r, int64_t begin_ns, int64_t end_ns, size_t group) {
    r->windows[r->windows_count] = (jm_window){begin_ns, end_ns};
    r->group[r->windows_count++] = (uint32_t)group;
}

static bool open_request(jm_figures *f, request *r) {
    jmi_energies *e = &f->energies;
    size_t count = 2 * e->count;
    for (size_t i = 0; i < f->phase_count; i++) count += f->phases[i].count;
    r->groups = f->phase_count + 2 * e->count;
    r->windows = jmi_alloc(count, sizeof *r->windows);
    r->group = jmi_alloc(count, sizeof *r->group);
    r->out = jmi_alloc(r->groups, sizeof *r->out);
    if (r->windows == NULL || r->group == NULL || r->out == NULL) return false;
    for (size_t i = 0; i < f->phase_count; i++)
        for (size_t k = 0; k < f->phases[i].count; k++)
            ask(r, f->phases[i].windows[k].begin_ns, f->phases[i].windows[k].end_ns, i);
    int64_t begin = f->begin_ns;
    for (size_t i = 0; i < e->count; i++) {
        double share = (double)(i + 1) / (double)e->count;
        int64_t end = f->begin_ns + (int64_t)(share * (double)(f->end_ns - f->begin_ns));
        ask(r, f->begin_ns, end, f->phase_count + i);
        ask(r, begin, end, f->phase_count + e->count + i);
        e->edge_s[i + 1] = (double)(end - f->begin_ns) * 1e-9;
        begin = end;
    }
    return true;
}

static int measure(jm_figures *f, const request *r, jm_error *error) {
    jmi_energies *e = &f->energies;
    jm_error why;
    int status = jm_energy_groups(f->recording, f->device, r->windows, r->group, r->windows_count,
                                  &f->energy, r->out, r->groups, &why);
    if (status == JM_NO_DATA) return jmi_fail(error, JM_NO_DATA, "no energy was measured");
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    for (size_t i = 0; i < f->phase_count; i++) f->phases[i].energy = r->out[i];
    memcpy(e->since, r->out + f->phase_count, e->count * sizeof *r->out);
    memcpy(e->between, r->out + f->phase_count + e->count, e->count * sizeof *r->out);
    for (size_t i = 0; i < r->groups; i++)
        if (jmi_energy_shown(&r->out[i])) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "no energy was measured");
}

int jmi_need_energies(jm_figures *f, jm_error *error) {
    jmi_energies *e = &f->energies;
    request r = {.windows_count = 0};
    if (f->has_energies) return JM_OK;
    int status = jmi_need_phases(f, error);
    if (status != JM_OK) return status;
    free_energies(e);
    e->count = (size_t)fmin(fmax(floor(f->duration_s / jmi_refresh_s(f)), 1), MOST_STRETCHES);
    e->edge_s = jmi_alloc(e->count + 1, sizeof *e->edge_s);
    e->between = jmi_alloc(e->count, sizeof *e->between);
    e->since = jmi_alloc(e->count, sizeof *e->since);
    if (e->edge_s != NULL && e->between != NULL && e->since != NULL && open_request(f, &r))
        status = measure(f, &r, error);
    else
        status = jmi_fail(error, JM_MEMORY, "out of memory for energies over time");
    free(r.windows);
    free(r.group);
    free(r.out);
    f->has_energies = status == JM_OK;
    return status;
}

/* ---- what is told beneath ---- */

void jmi_note_sources(const jm_figures *f, jm_figure *figure) {
    if (f->simulated) jmi_figure_note(figure, "Simulated GPU.");
    if (f->modelled) jmi_figure_note(figure, "CPU power is modelled, not measured.");
}
