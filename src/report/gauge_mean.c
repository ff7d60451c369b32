#include "report/gauge_mean.h"

#include "energy/views.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>

/* A time at which the sums so far are asked for, and what they are. */
typedef struct edge {
    int64_t t_ns;
    size_t at;     /* window, and which end of it: 2 x index (+ 1) */
    double sum;    /* value x s */
    double time_s; /* for which there was a value */
} edge;

static int by_time(const void *left, const void *right) {
    const edge *a = left, *b = right;
    return (a->t_ns > b->t_ns) - (a->t_ns < b->t_ns);
}

static int by_window(const void *left, const void *right) {
    const edge *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

/* Adds what a sample held until `until` from where it was left off. */
typedef struct running {
    jmi_sample held;
    bool has_held;
    int64_t done_ns, known_ns; /* counted so far; the value is known until */
    double sum, time_s;
} running;

static void run_to(running *r, int64_t t_ns) {
    int64_t until = t_ns < r->known_ns ? t_ns : r->known_ns;
    if (!r->has_held || isnan(r->held.value) || until <= r->done_ns) return;
    double s = (double)(until - r->done_ns) * 1e-9;
    r->sum += r->held.value * s;
    r->time_s += s;
    r->done_ns = until;
}

/* Fills in the sums at edges that are in order of time. */
static int sum_to_edges(const jm_recording *recording, uint32_t sensor, edge *edges, size_t count,
                        jm_error *error) {
    jmi_reader reader;
    jmi_sample next;
    running r = {.has_held = false};
    int status = jmi_reader_open(&reader, recording, sensor, error);
    if (status != JM_OK) return status;
    size_t i = 0;
    while (i < count && jmi_reader_peek(&reader, &next)) {
        /* After the last sample nothing is known: no value is held there. */
        r.known_ns = r.has_held ? jmi_known_until(&r.held, &next) : next.t_ns;
        for (; i < count && edges[i].t_ns < next.t_ns; i++) {
            run_to(&r, edges[i].t_ns);
            edges[i].sum = r.sum;
            edges[i].time_s = r.time_s;
        }
        run_to(&r, next.t_ns);
        r.held = next;
        r.has_held = true;
        r.done_ns = next.t_ns;
        jmi_reader_skip(&reader);
    }
    for (; i < count; i++) {
        edges[i].sum = r.sum;
        edges[i].time_s = r.time_s;
    }
    status = jmi_reader_check(&reader, error);
    jmi_reader_close(&reader);
    return status;
}

/* Adds a sensor's means to those of others. */
static int add_means(const jm_recording *recording, uint32_t sensor, edge *edges, size_t count,
                     double *means, uint32_t *devices, jm_error *error) {
    qsort(edges, 2 * count, sizeof *edges, by_time);
    int status = sum_to_edges(recording, sensor, edges, 2 * count, error);
    if (status != JM_OK) return status;
    qsort(edges, 2 * count, sizeof *edges, by_window);
    for (size_t i = 0; i < count; i++) {
        const edge *begin = &edges[2 * i], *end = begin + 1;
        double time_s = end->time_s - begin->time_s;
        if (!(time_s > 0)) continue;
        means[i] += (end->sum - begin->sum) / time_s;
        devices[i]++;
    }
    return JM_OK;
}

static int add_devices(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                       edge *edges, size_t count, double *means, uint32_t *devices,
                       jm_error *error) {
    uint32_t all = jm_recording_device_count(recording);
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < all; i++) {
        uint32_t sensor;
        bool wanted = device < JM_DEVICE_GPUS ? i == device
                                              : jmi_device_is_part(recording, i, JM_DEVICE_GPUS);
        if (wanted && jmi_gauge_sensor(recording, i, quantity, &sensor))
            status = add_means(recording, sensor, edges, count, means, devices, error);
    }
    return status;
}

static int find_means(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                      const jm_window *windows, size_t count, edge *edges, uint32_t *devices,
                      double *means, jm_error *error) {
    for (size_t i = 0; i < count; i++) {
        edges[2 * i] = (edge){.t_ns = windows[i].begin_ns, .at = 2 * i};
        edges[2 * i + 1] = (edge){.t_ns = windows[i].end_ns, .at = 2 * i + 1};
        means[i] = 0;
    }
    int status = add_devices(recording, device, quantity, edges, count, means, devices, error);
    for (size_t i = 0; i < count; i++)
        means[i] = devices[i] > 0 ? means[i] / devices[i] : (double)NAN;
    return status;
}

int jmi_gauge_means(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                    const jm_window *windows, size_t count, double *means, jm_error *error) {
    edge *edges = jmi_alloc(2 * count, sizeof *edges);
    uint32_t *devices = jmi_alloc(count, sizeof *devices);
    int status;
    if (edges != NULL && devices != NULL)
        status =
            find_means(recording, device, quantity, windows, count, edges, devices, means, error);
    else
        status = jmi_fail(error, JM_MEMORY, "out of memory for means");
    free(edges);
    free(devices);
    return status;
}
