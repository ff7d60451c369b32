/* Reading profiles of Nsight Compute, beside counting their lines and beside Python's csv. Times
 * are those of the processor: other programs on it do not matter. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COLUMNS = 60, MEGABYTES = 1000 };

static const char *const wanted[] = {"gpu__time_duration.sum",
                                     "sm__cycles_elapsed.sum",
                                     "sm__cycles_elapsed.max",
                                     "smsp__cycles_active.avg.pct_of_peak_sustained_elapsed",
                                     "sm__pipe_alu_cycles_active.sum",
                                     "sm__pipe_fma_cycles_active.sum",
                                     "sm__pipe_fp64_cycles_active.sum",
                                     "sm__pipe_shared_cycles_active.sum",
                                     "sm__pipe_tensor_cycles_active.sum",
                                     "lts__t_sectors_srcunit_tex_op_read.sum",
                                     "lts__t_sectors_srcunit_tex_op_write.sum",
                                     "dram__bytes_read.sum",
                                     "dram__bytes_write.sum"};
enum { WANTED = sizeof wanted / sizeof *wanted };

static const char *unit_of(const char *name) {
    return strstr(name, "duration") != NULL ? "nsecond"
           : strstr(name, "bytes") != NULL  ? "byte"
                                            : "";
}

static void write_head(FILE *out) {
    fputs("==PROF== Connected to process 1\n\"ID\",\"Process ID\",\"Process Name\",\"Host Name\","
          "\"Kernel Name\",\"Context\",\"Stream\",\"Device\"",
          out);
    for (int i = 0; i < COLUMNS; i++)
        if (i % 4 == 0 && i / 4 < WANTED)
            fprintf(out, ",\"%s\"", wanted[i / 4]);
        else
            fprintf(out, ",\"some__other_metric_%d.avg.pct_of_peak_sustained_elapsed\"", i);
    fputs("\n\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"", out);
    for (int i = 0; i < COLUMNS; i++)
        fprintf(out, ",\"%s\"", i % 4 == 0 && i / 4 < WANTED ? unit_of(wanted[i / 4]) : "");
    fputs("\n", out);
}

/* False: it could not be written. */
static bool write_wide(const char *path) {
    FILE *out = fopen(path, "we");
    if (out == NULL) return false;
    write_head(out);
    for (int id = 0; ftell(out) < MEGABYTES * 1000000L; id++) {
        fprintf(out,
                "\"%d\",\"4242\",\"program\",\"127.0.0.1\",\"void kernel_%d(float *, int)\",\"1\","
                "\"7\",\"0\"",
                id, id % 50);
        for (int i = 0; i < COLUMNS; i++) fprintf(out, ",\"1,%03d,%03d\"", id % 1000, i * 7);
        fputs("\n", out);
    }
    return fclose(out) == 0;
}

static void write_launch(FILE *out, int id) {
    static const char *const others[] = {"Memory Throughput", "Block Limit SM",
                                         "Registers Per Thread", "Achieved Occupancy"};
    static const char section[] = "Command line profiler metrics";
    for (int i = 0; i < WANTED + 4; i++)
        fprintf(
            out,
            "\"%d\",\"4242\",\"program\",\"127.0.0.1\",\"void kernel_%d(float *, "
            "int)\",\"1\",\"7\","
            "\"(256, 1, 1)\",\"(80, 1, 1)\",\"0\",\"7.0\",\"%s\",\"%s\",\"%s\",\"1,%03d,%03d\"\n",
            id, id % 50, i < WANTED ? section : "Occupancy",
            i < WANTED ? wanted[i] : others[i - WANTED], i < WANTED ? unit_of(wanted[i]) : "",
            id % 1000, i * 7);
}

static bool write_long(const char *path) {
    FILE *out = fopen(path, "we");
    if (out == NULL) return false;
    fputs("\"ID\",\"Process ID\",\"Process Name\",\"Host Name\",\"Kernel "
          "Name\",\"Context\",\"Stream\","
          "\"Block Size\",\"Grid Size\",\"Device\",\"CC\",\"Section Name\",\"Metric Name\","
          "\"Metric Unit\",\"Metric Value\"\n",
          out);
    for (int id = 0; ftell(out) < MEGABYTES * 1000000L; id++) write_launch(out, id);
    return fclose(out) == 0;
}

/* ---- reading ---- */

static char file[4096];

static void read_it(double *results) {
    jm_profile *profile;
    jm_error error = {0};
    double before = bench_proc_kb("VmHWM");
    if (jm_profile_read(&profile, file, &error) != JM_OK) {
        fprintf(stderr, "jm-bench: %s\n", error.message);
        exit(1);
    }
    results[0] = (bench_proc_kb("VmHWM") - before) / 1000;
    jm_profile_free(profile);
}

/* Of processes that were waited for. */
static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double command_s(const char *format) {
    char command[5000];
    snprintf(command, sizeof command, format, file);
    double from = cpu_s();
    return system(command) == 0 ? cpu_s() - from : 0;
}

static void measure(rows *all, const char *form, bool (*write)(const char *)) {
    char speed[80], memory[80];
    double grown;
    snprintf(speed, sizeof speed, "reading a profile of 1 GB, %s", form);
    snprintf(memory, sizeof memory, "memory for that, %s", form);
    if (!rows_want(all, speed) && !rows_want(all, memory)) return;
    bench_temp_path(file, sizeof file, "profile.csv");
    if (!write(file)) {
        rows_skip(all, speed, "there is no room for 1 GB");
        unlink(file);
        return;
    }
    double lines = command_s("wc -l '%s' >/dev/null");
    double python = command_s("python3 -c 'import csv,sys\nfor r in csv.reader(open(sys.argv[1])): "
                              "pass' '%s'");
    double before = cpu_s();
    if (bench_in_child(read_it, &grown, 1)) {
        rows_add(all, &(row){.name = speed,
                             .value = MEGABYTES / (cpu_s() - before),
                             .unit = "MB/s",
                             .goal = ROW_AT_LEAST,
                             .target = 200,
                             .baseline = python > 0 ? MEGABYTES / python : 0,
                             .beside = python > 0 ? "Python's csv" : NULL});
        rows_add(
            all,
            &(row){
                .name = memory, .value = grown, .unit = "MB", .goal = ROW_AT_MOST, .target = 10});
    }
    snprintf(speed, sizeof speed, "counting its lines with wc -l, %s", form);
    rows_add(all, &(row){.name = speed, .value = MEGABYTES / lines, .unit = "MB/s"});
    unlink(file);
}

void bench_profiles(rows *all) {
    measure(all, "a column a metric", write_wide);
    measure(all, "a row a metric", write_long);
}
