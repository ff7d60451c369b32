/* How busy the CPUs are, with the measured process tree's share, and how hot: device "node". */
#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PERIOD_NS = 100000000, MOST_TEMPERATURES = 64 };

int jmi_cpu_times_read(int fd, jmi_cpu_times *times) {
    char text[256]; /* the first line is all that is wanted */
    ssize_t got = pread(fd, text, sizeof text, 0);
    if (got < 0) return jmi_status_of_errno(errno);
    return jmi_parse_cpu_times(text, (size_t)got, times) ? JM_OK : JM_FORMAT;
}

int jmi_cpu_info_read(const jmi_sensor_set *set, jmi_cpu_info *info) {
    /* 16 KiB show the first CPUs; the number of them all comes from sysfs. */
    char text[16384];
    ssize_t got = 0;
    char path[4096];
    *info = (jmi_cpu_info){.sockets = 1};
    if (!jmi_path(path, sizeof path, set->root, "/proc/cpuinfo")) return JM_NOT_FOUND;
    got = jmi_read_text(path, text, sizeof text);
    if (got < 0) return (int)got;
    return jmi_parse_cpu_info(text, (size_t)got, info) ? JM_OK : JM_FORMAT;
}

/* ---- utilisation ---- */

struct usage {
    jmi_sensor_set *set;
    int stat_fd;
    jmi_process_tree *tree;
    jmi_cpu_times cpu;
    jmi_reading cpu_last;
    int32_t pid;
    uint64_t tree_ticks;
    uint64_t tree_total; /* ticks of all CPUs when the tree was last read */
    jmi_reading tree_last;
};

/* Share of the ticks since the last reading, in per cent. Where none has passed, the last value
 * still stands: that nothing ticked is not 0. */
static jmi_reading share(uint64_t part, uint64_t part_before, uint64_t whole, uint64_t whole_before,
                         const jmi_reading *last) {
    if (whole <= whole_before || part < part_before) return *last;
    double percent = 100.0 * (double)(part - part_before) / (double)(whole - whole_before);
    return (jmi_reading){.status = JM_OK, .value = percent < 100 ? percent : 100};
}

static jmi_reading read_tree(struct usage *usage, const jmi_cpu_times *now) {
    int32_t pid = usage->set->pid;
    uint64_t ticks = 0;
    int status = jmi_process_tree_read(usage->tree, pid, jm_now_ns(), &ticks);
    if (status != JM_OK) return (jmi_reading){.status = status};
    jmi_reading reading = {.status = JM_NO_DATA};
    if (pid == usage->pid) {
        if (now->total <= usage->tree_total) return usage->tree_last;
        reading = share(ticks, usage->tree_ticks, now->total, usage->tree_total, &reading);
    }
    usage->pid = pid;
    usage->tree_ticks = ticks;
    usage->tree_total = now->total;
    return reading;
}

static int read_usage(jmi_source *source, jmi_reading *readings) {
    struct usage *usage = source->context;
    jmi_cpu_times now = {0};
    int status = jmi_cpu_times_read(usage->stat_fd, &now);
    if (status != JM_OK) {
        readings[0] = readings[1] = (jmi_reading){.status = status};
        return status;
    }
    if (usage->cpu.total != 0)
        usage->cpu_last =
            share(now.busy, usage->cpu.busy, now.total, usage->cpu.total, &usage->cpu_last);
    usage->cpu = now;
    usage->tree_last = read_tree(usage, &now);
    readings[0] = usage->cpu_last;
    readings[1] = usage->tree_last;
    return JM_OK;
}

static void close_usage(jmi_source *source) {
    struct usage *usage = source->context;
    if (usage == NULL) return;
    if (usage->stat_fd >= 0) close(usage->stat_fd);
    jmi_process_tree_free(usage->tree);
    free(usage);
    source->context = NULL;
}

static void add_usage(jmi_sensor_set *set, uint32_t node, int fd) {
    struct usage *usage = jmi_alloc(1, sizeof *usage);
    jmi_source source = {
        .interface = jmi_procfs.name,
        .device = node,
        .sensor_count = 2,
        .min_period_ns = PERIOD_NS,
        .read = read_usage,
        .close = close_usage,
        .context = usage,
    };
    if (usage == NULL) {
        close(fd);
        set->failed = true;
        return;
    }
    usage->set = set;
    usage->stat_fd = fd;
    usage->cpu_last.status = usage->tree_last.status = JM_NO_DATA;
    usage->tree = jmi_process_tree_new(set->root);
    if (usage->tree == NULL) set->failed = true;
    jm_sensor sensor = {
        .device = node,
        .quantity = JM_QUANTITY_CPU_UTIL,
        .source = "procfs stat",
        .refresh_ns = PERIOD_NS,
        .window_ns = PERIOD_NS,
        .quantum = 0,
    };
    source.sensor[0] = jmi_set_sensor(set, &sensor);
    sensor.quantity = JM_QUANTITY_PROCESS_UTIL;
    sensor.source = "procfs process tree";
    source.sensor[1] = jmi_set_sensor(set, &sensor);
    jmi_reading readings[2];
    if (!set->failed) read_usage(&source, readings);
    if (!set->failed) source.cost_ns = jmi_source_cost(&source);
    if (source.cost_ns * 200 > source.min_period_ns) source.min_period_ns = source.cost_ns * 200;
    jmi_set_finding(set, &jmi_procfs, "node", "utilisation", JM_OK, source.cost_ns, "",
                    "Works: CPU time of the machine and of the measured process tree.");
    if (set->failed || jmi_set_source(set, &source) == NULL) close_usage(&source);
}

/* ---- temperature ---- */

struct temperatures {
    size_t count;
    jmi_file_value files[MOST_TEMPERATURES];
};

static int read_hottest(jmi_source *source, jmi_reading *readings) {
    struct temperatures *all = source->context;
    readings[0] = (jmi_reading){.status = JM_NO_DATA};
    for (size_t i = 0; i < all->count; i++) {
        jmi_reading reading = jmi_file_read(&all->files[i]);
        if (reading.status != JM_OK) continue;
        if (readings[0].status != JM_OK || reading.value > readings[0].value) readings[0] = reading;
    }
    return readings[0].status;
}

static void close_temperatures(jmi_source *source) {
    struct temperatures *all = source->context;
    if (all == NULL) return;
    for (size_t i = 0; i < all->count; i++) close(all->files[i].fd);
    free(all);
    source->context = NULL;
}

static void add_file(struct temperatures *all, int fd) {
    if (fd < 0) return;
    if (all->count == MOST_TEMPERATURES) {
        close(fd);
        return;
    }
    all->files[all->count++] =
        (jmi_file_value){.kind = JMI_FILE_POWER, .fd = fd, .unit = 1e-3}; /* thousandths */
}

static bool is_one_of(const char *text, const char *const *prefixes) {
    for (; *prefixes != NULL; prefixes++)
        if (strncmp(text, *prefixes, strlen(*prefixes)) == 0) return true;
    return false;
}

static void add_hwmon(const jmi_sensor_set *set, struct temperatures *all, const char *folder) {
    static const char *const names[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal", NULL};
    static const char *const labels[] = {"Package id", "Tctl", "Tdie", NULL};
    char text[64];
    if (!jmi_file_text(set, text, sizeof text, "/sys/class/hwmon/%s/name", folder) ||
        !is_one_of(text, names))
        return;
    for (int channel = 1; channel <= 4; channel++) {
        bool labelled = jmi_file_text(set, text, sizeof text, "/sys/class/hwmon/%s/temp%d_label",
                                      folder, channel);
        if (labelled ? is_one_of(text, labels) : channel == 1)
            add_file(all, jmi_file_open(set, "/sys/class/hwmon/%s/temp%d_input", folder, channel));
    }
}

static void add_zone(const jmi_sensor_set *set, struct temperatures *all, const char *folder) {
    static const char *const types[] = {"x86_pkg_temp", "cpu", "CPU", NULL};
    char text[64];
    if (jmi_file_text(set, text, sizeof text, "/sys/class/thermal/%s/type", folder) &&
        is_one_of(text, types))
        add_file(all, jmi_file_open(set, "/sys/class/thermal/%s/temp", folder));
}

static void each_in(const jmi_sensor_set *set, struct temperatures *all, const char *class,
                    const char *prefix,
                    void (*add)(const jmi_sensor_set *, struct temperatures *, const char *)) {
    char path[4096];
    char **names;
    if (!jmi_path(path, sizeof path, set->root, "/sys/class/%s", class) ||
        jmi_list_dir(path, prefix, &names) != JM_OK)
        return;
    for (size_t i = 0; names[i] != NULL; i++) add(set, all, names[i]);
    jmi_list_free(names);
}

static void add_temperature(jmi_sensor_set *set, uint32_t node) {
    struct temperatures *all = jmi_alloc(1, sizeof *all);
    if (all == NULL) {
        set->failed = true;
        return;
    }
    each_in(set, all, "hwmon", "hwmon", add_hwmon);
    if (all->count == 0) each_in(set, all, "thermal", "thermal_zone", add_zone);
    jmi_source source = {
        .interface = jmi_procfs.name,
        .device = node,
        .sensor_count = 1,
        .min_period_ns = 5 * (uint64_t)PERIOD_NS,
        .read = read_hottest,
        .close = close_temperatures,
        .context = all,
    };
    jmi_reading reading;
    int status = read_hottest(&source, &reading);
    if (status != JM_OK) {
        close_temperatures(&source);
        jmi_set_finding(set, &jmi_procfs, "node", "temperature", status, 0, "",
                        "The kernel shows no temperature of the CPU.");
        return;
    }
    source.cost_ns = jmi_source_cost(&source);
    jm_sensor sensor = {
        .device = node,
        .quantity = JM_QUANTITY_TEMPERATURE,
        .source = "cpu temperature",
        .quantum = 1,
    };
    source.sensor[0] = jmi_set_sensor(set, &sensor);
    jmi_set_finding(set, &jmi_procfs, "node", "temperature", JM_OK, source.cost_ns, "",
                    "Works: the hottest CPU package.");
    if (jmi_set_source(set, &source) == NULL) close_temperatures(&source);
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    (void)error;
    if (options->flags & JM_SESSION_NO_CPU) return JM_OK;
    jm_device device = {.vendor = "", .model = "", .in_total = false};
    uint32_t node = jmi_set_device_named(set, "node", &device);
    if (node == UINT32_MAX) return JM_OK;
    int fd = jmi_file_open(set, "/proc/stat");
    if (fd >= 0)
        add_usage(set, node, fd);
    else
        jmi_set_finding(set, &jmi_procfs, "node", "utilisation", fd, 0, "",
                        "/proc/stat cannot be read: %s.", jm_status_text(fd));
    add_temperature(set, node);
    return JM_OK;
}

const jmi_interface jmi_procfs = {"procfs", probe};
