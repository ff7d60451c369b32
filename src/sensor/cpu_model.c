/* An estimate of the CPUs' power where nothing measures it:
 *
 *     P(u) = TDP (IDLE + (FULL - IDLE) (1 + BEND) u / (1 + BEND u)),  u = utilisation, 0..1
 *
 * concave, since the first busy cores wake what all share. On the load tests of two processors
 * against RAPL (EPYC 8024P, Xeon E3-1240 v2: 42 points) its root mean square error, relative to
 * the model's own value, is 0.42: 0.32 on the EPYC, 0.41 and 0.58 on the Xeon, where a governor
 * that keeps clocks low under partial load bends the curve the other way. */
#include "sensor/cpu_table.h"
#include "sensor/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE 0.10
#define FULL 0.70
#define BEND 2.0

enum { PERIOD_NS = 100000000 };

/* 0.42 from the shape (above), 0.25 from processors whose full-load power strays from 0.7 TDP
 * (0.5 to 1.1 are seen) or whose TDP had to be guessed. */
double jmi_model_uncertainty(void) {
    return 0.5;
}

double jmi_cpu_model_w(double tdp_w, double utilisation) {
    double u = utilisation > 0 ? utilisation < 1 ? utilisation : 1 : 0;
    return tdp_w * (IDLE + (FULL - IDLE) * (1 + BEND) * u / (1 + BEND * u));
}

jmi_cpu_power jmi_cpu_power_of(const jmi_cpu_info *info, double tdp_w) {
    jmi_cpu_power power = {.tdp_w = tdp_w, .share = 1};
    if (tdp_w > 0) return power;
    const jmi_cpu_row *row = jmi_cpu_table_find(info);
    double cpus = info->cpus > 0 ? info->cpus : 1;
    if (row != NULL && info->hypervisor) {
        /* A virtual machine's sockets are as it pleases: what it has of a real one counts. */
        power.share = cpus / row->threads;
        power.tdp_w = row->tdp_w * power.share;
    } else if (row != NULL) {
        power.tdp_w = row->tdp_w * info->sockets;
    } else {
        /* About what a core with its share of caches and links is designed for. */
        double cores = info->cores > 0 && !info->hypervisor ? info->cores : (cpus + 1) / 2;
        power.guessed = true;
        power.tdp_w = 10 * info->sockets + 5 * cores;
    }
    return power;
}

struct model {
    int fd;
    double tdp_w;
    jmi_cpu_times last;
    jmi_reading reading;
};

static int read_model(jmi_source *source, jmi_reading *readings) {
    struct model *model = source->context;
    jmi_cpu_times now = {0};
    int status = jmi_cpu_times_read(model->fd, &now);
    if (status != JM_OK) {
        readings[0] = (jmi_reading){.status = status};
        return status;
    }
    /* Where no tick passed the last value still stands. */
    if (now.total > model->last.total && now.busy >= model->last.busy) {
        double u = (double)(now.busy - model->last.busy) / (double)(now.total - model->last.total);
        model->reading = (jmi_reading){.status = JM_OK, .value = jmi_cpu_model_w(model->tdp_w, u)};
        model->last = now;
    } else if (now.total < model->last.total) {
        model->last = now;
    }
    readings[0] = model->reading;
    return readings[0].status;
}

static void close_model(jmi_source *source) {
    struct model *model = source->context;
    if (model == NULL) return;
    close(model->fd);
    free(model);
    source->context = NULL;
}

static void count_cpu(uint32_t cpu, void *user) {
    (void)cpu;
    (*(uint32_t *)user)++;
}

/* The start of /proc/cpuinfo shows few of many CPUs: how many there are, and on how many sockets,
 * is in sysfs. */
static void complete_info(const jmi_sensor_set *set, jmi_cpu_info *info) {
    char text[4096];
    uint32_t cpus = 0;
    uint64_t package;
    if (!jmi_file_text(set, text, sizeof text, "/sys/devices/system/cpu/online") ||
        !jmi_parse_cpu_list(text, count_cpu, &cpus) || cpus == 0)
        return;
    info->cpus = cpus;
    uint32_t sockets = 1;
    for (uint32_t cpu = 0; cpu < cpus; cpu++)
        if (jmi_file_text(set, text, sizeof text,
                          "/sys/devices/system/cpu/cpu%u/topology/physical_package_id", cpu) &&
            jmi_parse_u64(text, &package) && package < 1024 && package + 1 > sockets)
            sockets = (uint32_t)package + 1;
    uint32_t cores_of_one = info->sockets > 0 ? info->cores / info->sockets : info->cores;
    info->sockets = sockets;
    info->cores = cores_of_one * sockets;
}

static void report(jmi_sensor_set *set, const jmi_cpu_info *info, const jmi_cpu_power *power,
                   double given_w, uint64_t cost_ns) {
    const char *model = info->model[0] != '\0' ? info->model : "this processor";
    const char *remedy = given_w > 0 ? "" : "give the thermal design power (--tdp WATTS)";
    if (given_w > 0)
        jmi_set_finding(set, &jmi_cpu_model, "cpu0", "power", JM_OK, cost_ns, remedy,
                        "Nothing measures the CPU; its power is estimated from utilisation and "
                        "the %.0f W given, to about +-%.0f %%.",
                        given_w, 100 * jmi_model_uncertainty());
    else if (power->share < 1)
        jmi_set_finding(set, &jmi_cpu_model, "cpu0", "power", JM_OK, cost_ns, remedy,
                        "Nothing measures the CPU; its power is estimated from utilisation and "
                        "%.0f W, the share of %u virtual CPUs in a socket of %s (%.1f %%), to "
                        "about +-%.0f %%.",
                        power->tdp_w, info->cpus, model, 100 * power->share,
                        100 * jmi_model_uncertainty());
    else
        jmi_set_finding(set, &jmi_cpu_model, "cpu0", "power", JM_OK, cost_ns, remedy,
                        "Nothing measures the CPU; its power is estimated from utilisation and "
                        "%.0f W, %s %s, to about +-%.0f %%.",
                        power->tdp_w,
                        power->guessed ? "guessed from the number of cores of" : "known for", model,
                        100 * jmi_model_uncertainty());
}

static void add_model(jmi_sensor_set *set, uint32_t device, struct model *model) {
    jm_sensor sensor = {
        .device = device,
        .quantity = JM_QUANTITY_POWER,
        .source = "cpu model",
        .modelled = true,
        .refresh_ns = PERIOD_NS,
        .window_ns = PERIOD_NS, /* each value is the mean since the reading before */
    };
    jmi_source source = {
        .interface = jmi_cpu_model.name,
        .device = device,
        .sensor = {jmi_set_sensor(set, &sensor)},
        .sensor_count = 1,
        .min_period_ns = PERIOD_NS,
        .read = read_model,
        .close = close_model,
        .context = model,
    };
    source.cost_ns = jmi_source_cost(&source);
    if (source.cost_ns * 200 > source.min_period_ns) source.min_period_ns = source.cost_ns * 200;
    if (set->failed || jmi_set_source(set, &source) == NULL) close_model(&source);
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    if ((options->flags & JM_SESSION_NO_CPU) || set->cpu_measured) return JM_OK;
    if (options->cpu_tdp_w < 0 || options->cpu_tdp_w > 1e5)
        return jmi_fail(error, JM_INVALID, "the CPU's thermal design power must be 0 to 100000 W");
    jmi_cpu_info info;
    int fd = jmi_file_open(set, "/proc/stat");
    if (fd < 0 || jmi_cpu_info_read(set, &info) != JM_OK) {
        if (fd >= 0) close(fd);
        jmi_set_finding(set, &jmi_cpu_model, "cpu0", "power", JM_NOT_FOUND, 0, "",
                        "/proc does not show what the CPU is and does.");
        return JM_OK;
    }
    complete_info(set, &info);
    jmi_cpu_power power = jmi_cpu_power_of(&info, options->cpu_tdp_w);
    jm_device device = {.vendor = info.vendor, .model = info.model, .in_total = true};
    uint32_t index = jmi_set_device_named(set, "cpu0", &device);
    struct model *model = jmi_alloc(1, sizeof *model);
    if (model == NULL || index == UINT32_MAX) {
        close(fd);
        free(model);
        return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    model->fd = fd;
    model->tdp_w = power.tdp_w;
    model->reading.status = JM_NO_DATA;
    jmi_cpu_times_read(fd, &model->last);
    add_model(set, index, model);
    uint64_t cost = set->source_count > 0 ? set->sources[set->source_count - 1].cost_ns : 0;
    report(set, &info, &power, options->cpu_tdp_w, cost);
    return JM_OK;
}

const jmi_interface jmi_cpu_model = {"cpu-model", probe};
