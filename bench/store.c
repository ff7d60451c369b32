/* Files: how fast samples are written, and what opening a large one reads. */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BLOCK = 100 * 1000 };

static char big_path[256];
static double written_samples, written_s;

static double file_bytes(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (double)status.st_size : 0;
}

/* Saves `blocks` blocks of samples of four sensors. False, with a word on stderr, if it fails. */
static bool save(const char *path, long blocks) {
    static int64_t t[BLOCK];
    static double value[BLOCK];
    static uint32_t since[BLOCK];
    static uint8_t flags[BLOCK];
    jm_recording *recording = NULL;
    jm_error error = {0, ""};
    jm_device device = {.size = sizeof device,
                        .name = "gpu0",
                        .vendor = "NVIDIA",
                        .model = "x",
                        .uuid = "",
                        .pci = "",
                        .driver = "",
                        .in_total = true};
    uint32_t index = 0, sensor = 0;
    int status = jm_recording_new(&recording, &error);
    if (status == JM_OK) status = jm_recording_add_device(recording, &device, &index, &error);
    for (int i = 0; status == JM_OK && i < 4; i++) {
        jm_sensor one = {.size = sizeof one,
                         .device = index,
                         .quantity =
                             (jm_quantity[]){JM_QUANTITY_POWER, JM_QUANTITY_ENERGY,
                                             JM_QUANTITY_GPU_UTIL, JM_QUANTITY_TEMPERATURE}[i],
                         .source = "bench",
                         .counter = i == 1,
                         .refresh_ns = 1000000};
        status = jm_recording_add_sensor(recording, &one, &sensor, &error);
        for (long b = 0; status == JM_OK && b < blocks / 4; b++) {
            for (long k = 0; k < BLOCK; k++) {
                long n = b * BLOCK + k;
                t[k] = (n + 1) * 1000000 + n * 7919 % 5000;
                value[k] = i == 1 ? (double)n * 0.3 : 200 + (double)(n * 7919 % 20011) * 0.01;
                since[k] = 1000000;
                flags[k] = JM_SAMPLE_CHANGED;
            }
            jm_samples samples = {BLOCK, t, value, since, flags};
            status = jm_recording_add_samples(recording, sensor, &samples, &error);
        }
    }
    int64_t from = jm_now_ns();
    if (status == JM_OK) status = jm_recording_save(recording, path, &error);
    written_s = (double)(jm_now_ns() - from) / 1e9;
    written_samples = (double)(blocks - blocks % 4) * BLOCK;
    jm_recording_free(recording);
    if (status != JM_OK) fprintf(stderr, "jm-bench: %s\n", error.message);
    return status == JM_OK;
}

static void drop_from_cache(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

enum { OPEN_MS = 0, READ_MB, RSS_MB, OPENED, RESULTS };

static void open_big(double *results) {
    jm_recording *recording;
    double rss = bench_proc_kb("VmRSS"), read = bench_proc_io("rchar");
    int64_t from = jm_now_ns();
    results[OPENED] = jm_recording_open(&recording, big_path, NULL) == JM_OK;
    results[OPEN_MS] = (double)(jm_now_ns() - from) / 1e6;
    results[READ_MB] = (bench_proc_io("rchar") - read) / 1e6;
    results[RSS_MB] = (bench_proc_kb("VmRSS") - rss) * 1.024e-3;
}

/* NULL if there is room for a recording of a gigabyte, on disk and while it is made. */
static const char *no_room(void) {
    const char *folder = getenv("TMPDIR");
    struct statvfs disk;
    if (statvfs(folder != NULL ? folder : "/tmp", &disk) != 0) return "there is no $TMPDIR";
    if ((double)disk.f_bavail * (double)disk.f_frsize < 3e9)
        return "$TMPDIR has less than 3 GB free";
    double memory = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return memory < 4e9 ? "less than 4 GB of memory is free" : NULL;
}

static const char opening[] = "opening a recording of 1 GB";
static const char reading[] = "read when a recording of 1 GB is opened";
static const char keeping[] = "memory when a recording of 1 GB is opened";

static void bench_open(rows *all, double bytes_per_sample) {
    const char *reason = no_room();
    double results[RESULTS] = {0};
    if (reason == NULL) {
        long blocks = (long)(1e9 / bytes_per_sample / BLOCK) + 4;
        if (!save(big_path, blocks) || file_bytes(big_path) < 0.9e9) reason = "it was not written";
    }
    if (reason == NULL) {
        drop_from_cache(big_path);
        if (!bench_in_child(open_big, results, RESULTS) || results[OPENED] < 1)
            reason = "it did not open";
    }
    unlink(big_path);
    if (reason != NULL) {
        rows_skip(all, opening, reason);
        return;
    }
    rows_add(all, &(row){.name = opening,
                         .value = results[OPEN_MS],
                         .unit = "ms",
                         .goal = ROW_AT_MOST,
                         .target = 100});
    rows_add(all, &(row){.name = reading,
                         .value = results[READ_MB],
                         .unit = "MB",
                         .goal = ROW_AT_MOST,
                         .target = 50});
    rows_add(all, &(row){.name = keeping,
                         .value = results[RSS_MB],
                         .unit = "MB",
                         .goal = ROW_AT_MOST,
                         .target = 50});
}

void bench_store(rows *all) {
    static const char writing[] = "samples written to a file";
    static const char bytes[] = "bytes of a sample in a file";
    bool large = rows_want(all, opening) || rows_want(all, reading) || rows_want(all, keeping);
    if (!rows_want(all, writing) && !rows_want(all, bytes) && !large) return;
    char path[256];
    bench_temp_path(path, sizeof path, "small.jm");
    bench_temp_path(big_path, sizeof big_path, "big.jm");
    if (!save(path, 40)) {
        rows_skip(all, writing, "the file could not be written");
        return;
    }
    double each = file_bytes(path) / written_samples;
    unlink(path);
    if (rows_want(all, writing))
        rows_add(all, &(row){.name = writing,
                             .value = written_samples / written_s / 1e6,
                             .unit = "M/s",
                             .goal = ROW_AT_LEAST,
                             .target = 1});
    if (rows_want(all, bytes)) rows_add(all, &(row){.name = bytes, .value = each, .unit = "B"});
    if (large) bench_open(all, each);
}
