/* What each sensor's refresh, window, lag, noise and cost really are. */
#include "sensor/calibrate_poll.h"
#include "sensor/calibration_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct jm_calibrations {
    jm_calibration *list;
    size_t count, capacity;
    jmi_intern *texts;
};

struct run {
    const jm_calibrate_options *options;
    jmi_sensor_set *set;
    jm_calibrations *result;
    jmi_calibration_cache *cache;
    bool kept; /* the cache has something new */
    jm_error *error;
    /* for progress */
    const char *device;
    size_t devices, devices_done;
    double part_begin, part_length; /* of this device's time */
};

static int report_progress(double done, void *user) {
    const struct run *run = user;
    if (run->options->progress == NULL) return 0;
    double part = run->part_begin + done * run->part_length;
    return run->options->progress(
        run->device, ((double)run->devices_done + part) / (double)run->devices, run->options->user);
}

static const char *keep(struct run *run, const char *text) {
    const char *kept = jmi_intern_text(run->result->texts, text, strlen(text));
    return kept != NULL ? kept : "";
}

/* ---- one sensor ---- */

/* Where the table is wrong about T, its W says nothing either: it may be as long as T. */
static double expected_window_s(const jm_sensor *sensor, double refresh_s) {
    double window = (double)sensor->window_ns * 1e-9, refresh = (double)sensor->refresh_ns * 1e-9;
    bool as_expected = fabs(refresh_s - refresh) < 0.1 * refresh;
    return as_expected ? window : fmax(window, refresh_s);
}

static void describe_timing(jm_calibration *c, const jmi_track *track, const jm_sensor *sensor,
                            const jmi_edge *edges, size_t edge_count) {
    jmi_lattice lattice;
    jmi_window_fit fit;
    double prior = sensor->calibrated ? 0 : (double)sensor->refresh_ns;
    if (jmi_fit_refresh(track->ticks, track->count, prior, &lattice) != JM_OK) return;
    c->refresh_s = lattice.period_ns * 1e-9;
    c->refresh_u_s = lattice.period_u_ns * 1e-9;
    c->ticks = lattice.ticks;
    if (sensor->counter) return; /* it has no window */
    double window = expected_window_s(sensor, c->refresh_s);
    if (jmi_fit_window(track->ticks, track->count, &lattice, edges, edge_count, window, &fit) !=
        JM_OK)
        return;
    c->window_s = fit.window_s;
    c->window_u_s = fit.window_u_s;
    c->lag_s = fit.lag_s;
    c->noise = fit.noise;
}

static const jmi_poll *poll_of(const jmi_polling *polling, const jmi_track *track) {
    for (size_t i = 0; i < polling->poll_count; i++)
        if (polling->polls[i].source == track->source) return &polling->polls[i];
    return NULL;
}

/* A simulated board is not one of this machine: its results go only where they are asked for.
 * Without a refresh there is nothing that a later session could use. */
static int keep_result(struct run *run, const jm_device *device, const jm_calibration *c) {
    if (!(c->refresh_s > 0) || (device->simulated && run->options->cache == NULL)) return JM_OK;
    run->kept = true;
    return jmi_calibration_cache_put(run->cache, device->driver, jmi_set_vbios(run->set, device),
                                     c);
}

static int add_result(struct run *run, const jmi_polling *polling, const jmi_track *track,
                      const jmi_edge *edges, size_t edge_count, double observer_w) {
    const jm_sensor *sensor = &run->set->sensors[track->sensor];
    const jm_device *device = &run->set->devices[sensor->device];
    const jmi_poll *poll = poll_of(polling, track);
    char key[400];
    jm_calibration c = {
        .size = sizeof c,
        .device = keep(run, device->name),
        .uuid = keep(run, jmi_calibration_key(device, key, sizeof key)),
        .source = keep(run, sensor->source),
        .observer_w = observer_w,
        .quantum = jmi_quantum_of(track->ticks, track->count),
        .noise = sensor->counter ? 0 : jmi_noise_of(track->ticks, track->count),
    };
    if (poll != NULL) {
        c.call_s = jmi_quantile(poll->costs_s, poll->cost_count, 0.5);
        c.call_p99_s = jmi_quantile(poll->costs_s, poll->cost_count, 0.99);
    }
    describe_timing(&c, track, sensor, edges, edge_count);
    if (!jmi_reserve(&run->result->list, &run->result->capacity, run->result->count + 1, sizeof c))
        return JM_MEMORY;
    run->result->list[run->result->count++] = c;
    return keep_result(run, device, &c);
}

/* ---- the observer's effect ---- */

static const jmi_track *counter_of(const jmi_polling *polling, const jmi_sensor_set *set) {
    for (size_t i = 0; i < polling->track_count; i++)
        if (set->sensors[polling->tracks[i].sensor].counter) return &polling->tracks[i];
    return NULL;
}

/* Polls fast until the counter has ticked, and says when and what it shows. */
static int wait_for_tick(struct run *run, jmi_polling *polling, const jmi_track *counter,
                         int64_t *t_ns, double *energy_j) {
    jmi_polling_hooks hooks = {.stop = report_progress, .user = run};
    int status = JM_OK;
    size_t before = counter->count;
    for (int i = 0; i < 100 && status == JM_OK && counter->count == before; i++)
        status = jmi_polling_run(polling, jm_now_ns() + 5000000, false, &hooks);
    *t_ns = counter->count > before ? counter->ticks[counter->count - 1].hi_ns : 0;
    *energy_j = counter->last;
    return status;
}

/* Mean power by the device's own counter while it is polled slowly or fast; NaN: it has none. */
static int mean_power(struct run *run, jmi_polling *polling, double seconds, bool slow,
                      double *watts) {
    const jmi_track *counter = counter_of(polling, run->set);
    jmi_polling_hooks hooks = {.stop = report_progress, .user = run};
    int64_t from = 0, to = 0;
    double from_j = 0, to_j = 0;
    *watts = NAN;
    if (counter == NULL) return JM_OK;
    int status = wait_for_tick(run, polling, counter, &from, &from_j);
    if (status == JM_OK)
        status = jmi_polling_run(polling, jm_now_ns() + (int64_t)(seconds * 1e9), slow, &hooks);
    if (status == JM_OK) status = wait_for_tick(run, polling, counter, &to, &to_j);
    if (status == JM_OK && from != 0 && to > from)
        *watts = (to_j - from_j) / ((double)(to - from) * 1e-9);
    return status;
}

static const jmi_track *gauge_of(const jmi_polling *polling, const jmi_sensor_set *set) {
    for (size_t i = 0; i < polling->track_count; i++)
        if (set->sensors[polling->tracks[i].sensor].quantity == JM_QUANTITY_POWER)
            return &polling->tracks[i];
    return NULL;
}

/* Whether readings from the given one on are those of a device that does nothing else: else the
 * observer's effect is lost in what the device does. */
static bool is_steady(const jmi_track *gauge, size_t from) {
    double least = gauge->last, most = gauge->last;
    for (size_t k = from; k < gauge->count; k++) {
        least = fmin(least, gauge->ticks[k].value);
        most = fmax(most, gauge->ticks[k].value);
    }
    return gauge->has_last && most - least < 0.2 * most;
}

/* Power that fast polling adds to an idle device; NaN: not to be had. */
static int measure_observer(struct run *run, jmi_polling *polling, double seconds,
                            double *observer_w) {
    double slow_w = NAN, fast_w = NAN;
    const jmi_track *gauge = gauge_of(polling, run->set);
    run->part_begin = 0;
    run->part_length = 0.2;
    int status = mean_power(run, polling, seconds, true, &slow_w);
    run->part_begin = 0.2;
    size_t from = gauge != NULL ? gauge->count + 3 : 0; /* past the change of pace */
    if (status == JM_OK) status = mean_power(run, polling, seconds, false, &fast_w);
    run->part_begin = 0.4;
    if (status == JM_OK && gauge != NULL && is_steady(gauge, from)) *observer_w = fast_w - slow_w;
    return status; /* a driver that hangs keeps the readings: its thread may come back to them */
}

/* ---- one device ---- */

static double expected_period_s(const jmi_sensor_set *set, const jmi_polling *polling) {
    uint64_t longest = 0;
    for (size_t i = 0; i < polling->track_count; i++) {
        const jm_sensor *sensor = &set->sensors[polling->tracks[i].sensor];
        if (sensor->quantity == JM_QUANTITY_POWER && sensor->refresh_ns > longest)
            longest = sensor->refresh_ns;
    }
    return (double)longest * 1e-9;
}

static int poll_with_load(struct run *run, jmi_polling *polling, const jm_device *device,
                          double seconds, jmi_edge **edges, size_t *edge_count) {
    jmi_load *load;
    int status = jmi_load_start(&load, run->set, device, run->options->load, seconds,
                                expected_period_s(run->set, polling), run->error);
    if (status != JM_OK) return status;
    jmi_polling_hooks hooks = {.load = load, .stop = report_progress, .user = run};
    status = jmi_polling_run(polling, jm_now_ns() + (int64_t)(seconds * 1e9), false, &hooks);
    if (status == JM_NO_DATA) jmi_load_explain(load, run->error);
    *edges = jmi_load_stop(load, edge_count);
    return status;
}

static int measure_device(struct run *run, jmi_polling *polling, uint32_t index) {
    const jm_device *device = &run->set->devices[index];
    double seconds = run->options->seconds > 0 ? run->options->seconds : 20;
    double observer_w = NAN;
    jmi_edge *edges = NULL;
    size_t edge_count = 0;
    int status = JM_OK;
    run->part_begin = 0;
    /* Under a load that somebody else drives, nothing can be said of the observer. */
    if (run->options->load == NULL && seconds >= 2) {
        status = measure_observer(run, polling, seconds * 0.2, &observer_w);
        seconds *= 0.6;
    }
    run->part_length = 1 - run->part_begin;
    if (status == JM_OK)
        status = poll_with_load(run, polling, device, seconds, &edges, &edge_count);
    /* What was seen until the device was lost still counts. */
    for (size_t i = 0; (status == JM_OK || status == JM_LOST) && i < polling->track_count; i++) {
        int added = add_result(run, polling, &polling->tracks[i], edges, edge_count, observer_w);
        if (added != JM_OK) status = added;
    }
    free(edges);
    return status;
}

/* What the polling thread hangs in is left to it. */
static void abandon(struct run *run, const jmi_polling *polling) {
    for (size_t i = 0; i < polling->poll_count; i++)
        jmi_sensors_abandon(run->set, (size_t)(polling->polls[i].source - run->set->sources));
    jmi_fail(run->error, JM_HUNG, "the driver of %s does not answer; nothing was kept",
             run->device);
}

static int calibrate_device(struct run *run, uint32_t index) {
    if (jmi_polling_group(run->set, index) != index) return JM_OK; /* done with another one */
    jmi_polling *polling = jmi_polling_open(run->set, index);
    if (polling == NULL) return JM_OK;
    run->device = run->set->devices[index].name;
    int status = measure_device(run, polling, index);
    if (status == JM_HUNG) abandon(run, polling);
    jmi_polling_close(polling);
    if (status == JM_INTERRUPTED) jmi_fail(run->error, status, "the calibration was stopped");
    if (status == JM_SYSTEM) jmi_fail(run->error, status, "there is no thread to be had");
    if (status == JM_MEMORY) jmi_fail(run->error, status, "out of memory");
    return status == JM_LOST ? JM_OK : status;
}

static int calibrate_all(struct run *run) {
    run->devices = run->set->device_count;
    for (uint32_t i = 0; i < run->set->device_count; i++) {
        int status = calibrate_device(run, i);
        if (status != JM_OK) return status;
        run->devices_done++;
    }
    if (run->result->count == 0)
        return jmi_fail(run->error, JM_NO_DATA,
                        "there is no power or energy sensor to calibrate; `joulemeter doctor` says "
                        "why");
    return run->kept ? jmi_calibration_cache_save(run->cache, run->options->cache, run->error)
                     : JM_OK;
}

/* ---- public ---- */

static jm_calibrations *new_result(void) {
    jm_calibrations *all = jmi_alloc(1, sizeof *all);
    if (all != NULL) all->texts = jmi_intern_new();
    if (all != NULL && all->texts != NULL) return all;
    jm_calibrations_free(all);
    return NULL;
}

int jm_calibrate(jm_calibrations **result, const jm_calibrate_options *options, jm_error *error) {
    if (result == NULL) return jmi_fail(error, JM_INVALID, "result is NULL");
    *result = NULL;
    jm_calibrate_options ours;
    struct run run = {.options = &ours, .error = error};
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_calibrate_options", error);
    if (status != JM_OK) return status;
    if (ours.seconds < 0 || ours.seconds > 86400 || isnan(ours.seconds))
        return jmi_fail(error, JM_INVALID, "a calibration takes 0 to 86400 seconds a device");
    run.result = new_result();
    if (run.result == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    jm_session_options session;
    status = jmi_take_struct(&session, sizeof session, ours.session, "jm_session_options", error);
    if (status == JM_OK) status = jmi_sensors_open(&run.set, &session, error);
    if (status == JM_OK) {
        run.cache = jmi_calibration_cache_load(ours.cache);
        status = calibrate_all(&run);
        jmi_calibration_cache_free(run.cache);
        jmi_sensors_close(run.set);
    }
    if (status == JM_OK)
        *result = run.result;
    else
        jm_calibrations_free(run.result);
    return status;
}

uint32_t jm_calibrations_count(const jm_calibrations *result) {
    return result != NULL ? (uint32_t)result->count : 0;
}

int jm_calibrations_get(const jm_calibrations *result, uint32_t index,
                        jm_calibration *calibration) {
    if (result == NULL || index >= result->count) return JM_NOT_FOUND;
    return jmi_give_struct(calibration, &result->list[index], sizeof *calibration);
}

void jm_calibrations_free(jm_calibrations *result) {
    if (result == NULL) return;
    free(result->list);
    jmi_intern_free(result->texts);
    free(result);
}
