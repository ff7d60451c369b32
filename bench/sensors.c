/* Reading CPU and DRAM energy: the calls that the sampler makes, on a tree of files as powercap
 * has them, and on the real one where this machine has it. */
#include "bench.h"

#include "sensor/sensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READS = 20000 };

static bool put(const char *folder, const char *name, const char *text) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    fprintf(file, "%s\n", text);
    return fclose(file) == 0;
}

static bool zone(const char *root, const char *place, const char *name) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s/sys/class/powercap/%s", root, place);
    if (jmi_make_dirs(folder, NULL) != JM_OK) return false;
    return put(folder, "name", name) && put(folder, "energy_uj", "123456789") &&
           put(folder, "max_energy_range_uj", "262143328850") && put(folder, "enabled", "1");
}

static bool fake_tree(const char *root) {
    return zone(root, "intel-rapl:0", "package-0") && zone(root, "intel-rapl:0:0", "dram") &&
           zone(root, "intel-rapl:0/intel-rapl:0:0", "dram");
}

static bool is_rapl(const jmi_sensor_set *set, const jmi_source *source) {
    if (source->read == NULL || strncmp(source->interface, "rapl", 4) != 0) return false;
    const char *device = set->devices[source->device].name;
    return strncmp(device, "cpu", 3) == 0 || strncmp(device, "dram", 4) == 0;
}

/* Median time of one reading of every CPU and DRAM counter, in ns; NaN if there is none. */
static double read_ns(const char *root, size_t *found) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.root = root;
    options.flags = JM_SESSION_NO_GPU | JM_SESSION_NO_JOIN;
    jmi_sensor_set *set = NULL;
    *found = 0;
    if (jmi_sensors_open(&set, &options, NULL) != JM_OK) return 0;
    double *costs = calloc(READS, sizeof *costs);
    for (size_t i = 0; i < set->source_count; i++) *found += is_rapl(set, &set->sources[i]);
    for (size_t k = 0; costs != NULL && *found > 0 && k < READS; k++) {
        int64_t from = jm_now_ns();
        for (size_t i = 0; i < set->source_count; i++) {
            jmi_reading readings[JMI_SOURCE_SENSORS];
            if (is_rapl(set, &set->sources[i])) set->sources[i].read(&set->sources[i], readings);
        }
        costs[k] = (double)(jm_now_ns() - from);
    }
    double median = costs != NULL ? bench_quantile(costs, READS, 0.5) : 0;
    free(costs);
    jmi_sensors_close(set);
    return median;
}

static void remove_tree(const char *root) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command) != 0) fprintf(stderr, "jm-bench: %s is left behind\n", root);
}

void bench_sensors(rows *all) {
    static const char fake[] = "CPU + DRAM read, powercap files";
    static const char real[] = "CPU + DRAM read, this machine's RAPL";
    size_t found = 0;
    if (rows_want(all, fake)) {
        char root[256];
        bench_temp_path(root, sizeof root, "sysfs");
        double ns = fake_tree(root) ? read_ns(root, &found) : 0;
        if (found >= 2)
            rows_add(all, &(row){.name = fake,
                                 .value = ns / 1e3,
                                 .unit = "us",
                                 .goal = ROW_AT_MOST,
                                 .target = 5});
        else
            rows_skip(all, fake, "the files were not taken for RAPL");
        remove_tree(root);
    }
    if (rows_want(all, real)) {
        double ns = read_ns(NULL, &found);
        if (found > 0)
            rows_add(all, &(row){.name = real,
                                 .value = ns / 1e3,
                                 .unit = "us",
                                 .goal = ROW_AT_MOST,
                                 .target = 5});
        else
            rows_skip(all, real, "this machine has no RAPL that may be read");
    }
}
