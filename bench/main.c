/* jm-bench: what joulemeter costs. `./dev bench` builds it, runs it and adds its peers. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t count, double q) {
    if (count == 0) return NAN;
    qsort(values, count, sizeof *values, by_value);
    double at = q * (double)(count - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < count ? below + 1 : below;
    return values[below] + (at - (double)below) * (values[above] - values[below]);
}

jm_session *bench_session(const char *simulate, uint64_t poll_ns, uint32_t flags) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.simulate = simulate;
    options.poll_ns = poll_ns;
    options.interval_ns = poll_ns;
    options.flags = flags | JM_SESSION_NO_JOIN;
    jm_session *session;
    jm_error error;
    if (jm_session_open(&session, &options, &error) != JM_OK) {
        fprintf(stderr, "jm-bench: %s: %s\n", simulate != NULL ? simulate : "session",
                error.message);
        exit(1);
    }
    return session;
}

static double proc_number(const char *path, const char *name) {
    FILE *file = fopen(path, "r");
    char line[256];
    double value = NAN;
    size_t length = strlen(name);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            value = strtod(line + length + 1, NULL);
    }
    if (file != NULL) fclose(file);
    return value;
}

double bench_proc_kb(const char *name) {
    return proc_number("/proc/self/status", name);
}
double bench_proc_io(const char *name) {
    return proc_number("/proc/self/io", name);
}

bool bench_in_child(void (*measure)(double *results), double *results, size_t count) {
    size_t size = count * sizeof *results;
    double *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        measure(shared);
        _exit(0);
    }
    int status = -1;
    bool good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    memcpy(results, shared, size);
    munmap(shared, size);
    return good;
}

void bench_sleep(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&time, NULL);
}

void bench_temp_path(char *path, size_t size, const char *name) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/jm-bench-%d-%s", folder != NULL ? folder : "/tmp", (int)getpid(),
             name);
}

/* What lies in the folder above this program's: build/bench/jm-bench, build/joulemeter. */
static void beside(char *path, size_t size, const char *name) {
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(self, '/');
        if (slash != NULL) *slash = '\0';
    }
    snprintf(path, size, "%s/%s", self, name);
}

int main(int argc, char **argv) {
    rows *all = rows_open("jm-bench", argc, argv);
    char command[4200], library[4200];
    beside(command, sizeof command, "joulemeter");
    beside(library, sizeof library, "simgpu/libnvidia-ml.so.1");

    setenv("JOULEMETER_SIMGPU_LIBRARY", library, 0);

    bench_nvtx(all);
    bench_ranges(all);
    bench_sensors(all);
    bench_sampler(all);
    bench_command(all, command);
    bench_energy(all);
    bench_store(all);
    bench_tables(all);
    bench_figures(all);
    bench_attribute(all);
    bench_profiles(all);
    return rows_close(all);
}
