#include "sensor/calibrate_load.h"
#include "sensor/nvml_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LEVELS = 100000, MOST_EDGES_BYTES = 16 << 20 };
#define WATCH_NS   INT64_C(50000000)
#define AT_ONCE_NS INT64_C(500000000)

typedef int levels_fn(const char *uuid, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns, double *watts,
                      int capacity);
typedef int set_fn(const char *uuid, double watts);

struct jmi_load {
    /* a command */
    pid_t pid;
    bool ended; /* by itself */
    int state;  /* as waitpid said */
    char path[400];
    /* a simulated board: its waveform, or driven here through its channel */
    char uuid[96];
    levels_fn *levels;
    set_fn *set_power;
    bool driven;
    double on_w, off_w;
    double period_s;
    size_t toggles;
    int64_t next_ns;
    int64_t begin_ns;
};

/* ---- a command ---- */

static char **environment_for(const jmi_sensor_set *set, char *const *more) {
    size_t count = 0, added = 0;
    while (environ != NULL && environ[count] != NULL) count++;
    while (more[added] != NULL) added++;
    size_t own = 0;
    while (set->environment != NULL && set->environment[own] != NULL) own++;
    char **all = jmi_alloc(count + added + own + 1, sizeof *all);
    if (all == NULL) return NULL;
    size_t n = 0; /* the first of a name counts */
    for (size_t i = 0; i < added; i++) all[n++] = more[i];
    for (size_t i = 0; i < own; i++) all[n++] = set->environment[i];
    for (size_t i = 0; i < count; i++) all[n++] = environ[i];
    return all;
}

static int spawn_shell(pid_t *pid, const char *command, char **environment) {
    posix_spawnattr_t attributes;
    char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t)command, NULL};
    if (posix_spawnattr_init(&attributes) != 0) return ENOMEM;
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0); /* so that all of it can be ended */
    int errnum = posix_spawn(pid, "/bin/sh", NULL, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

static int start_command(jmi_load *load, const jmi_sensor_set *set, const jm_device *device,
                         const char *command, double seconds, jm_error *error) {
    char edges[440], uuid[200], length[64];
    const char *folder = getenv("TMPDIR");
    snprintf(load->path, sizeof load->path, "%.300s/joulemeter-edges-XXXXXX",
             folder != NULL && folder[0] == '/' ? folder : "/tmp");
    int fd = mkostemp(load->path, O_CLOEXEC);
    if (fd < 0) {
        int errnum = errno;
        load->path[0] = '\0';
        return jmi_fail_errno(error, errnum, "cannot make a file for the load's edges");
    }
    close(fd);
    snprintf(edges, sizeof edges, "JOULEMETER_CALIBRATE_EDGES=%s", load->path);
    snprintf(uuid, sizeof uuid, "JOULEMETER_CALIBRATE_DEVICE=%.150s", device->uuid);
    snprintf(length, sizeof length, "JOULEMETER_CALIBRATE_SECONDS=%.0f", ceil(seconds));
    char *more[] = {edges, uuid, length, NULL};
    char **environment = environment_for(set, more);
    if (environment == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int errnum = spawn_shell(&load->pid, command, environment);
    free(environment);
    return errnum == 0 ? JM_OK : jmi_fail_errno(error, errnum, "cannot start the load");
}

/* A command that failed loaded nothing, nor did one that left nothing running at the very start;
 * what ends well later has done its part. */
static int watch_command(jmi_load *load, int64_t now_ns) {
    if (load->ended || now_ns < load->next_ns) return JM_OK;
    load->next_ns = now_ns + WATCH_NS;
    if (waitpid(load->pid, &load->state, WNOHANG) != load->pid) return JM_OK;
    load->ended = true;
    bool left = kill(-load->pid, 0) == 0;
    bool at_once = now_ns - load->begin_ns < AT_ONCE_NS && !left;
    return load->state != 0 || at_once ? JM_NO_DATA : JM_OK;
}

int jmi_load_explain(const jmi_load *load, jm_error *error) {
    double seconds = (double)(load->next_ns - WATCH_NS - load->begin_ns) * 1e-9;
    if (WIFSIGNALED(load->state))
        return jmi_fail(error, JM_NO_DATA, "the load was ended by signal %d after %.1f s",
                        WTERMSIG(load->state), seconds);
    return jmi_fail(error, JM_NO_DATA, "the load ended after %.1f s with exit code %d", seconds,
                    WEXITSTATUS(load->state));
}

static void end_command(jmi_load *load) {
    struct timespec pause = {.tv_nsec = 20000000};
    int state;
    kill(-load->pid, SIGTERM);
    for (int i = 0; i < 100 && !load->ended; i++) {
        pid_t ended = waitpid(load->pid, &state, WNOHANG);
        if (ended == load->pid || (ended < 0 && errno != EINTR)) {
            kill(-load->pid, SIGKILL); /* what it left behind */
            return;
        }
        nanosleep(&pause, NULL);
    }
    kill(-load->pid, SIGKILL);
    if (!load->ended) waitpid(load->pid, &state, 0);
}

static jmi_edge *read_edges(const char *path, size_t *count) {
    jmi_edge *edges = NULL;
    char *text = jmi_alloc(MOST_EDGES_BYTES, 1);
    *count = 0;
    ssize_t got = text != NULL ? jmi_read_text(path, text, MOST_EDGES_BYTES) : -1;
    if (got > 0) edges = jmi_parse_edges(text, (size_t)got, count);
    free(text);
    return edges;
}

/* ---- a simulated board ---- */

/* Half a period of the load, in periods of the sensor. Ratios away from 1 show the window; the
 * last, long ones show the two powers. */
static double next_dwell_s(const jmi_load *load) {
    static const double ratios[] = {0.5, 2.0 / 3, 0.75, 0.8, 1.2, 1.25, 4.0 / 3, 2.7};
    size_t at = load->toggles / 8 % JMI_COUNT(ratios);
    return load->period_s * ratios[at];
}

static bool look_up(const jmi_nvml_state *state, const char *name, void *into, size_t size) {
    void *found = dlsym(state->api.library, name);
    memcpy(into, &found, size);
    return found != NULL;
}

static bool start_simulated(jmi_load *load, const jmi_sensor_set *set, const jm_device *device) {
    const jmi_nvml_state *state = set->nvml;
    if (!device->simulated || state == NULL || strncmp(device->name, "gpu", 3) != 0) return false;
    if (!look_up(state, "simgpu_load_levels", &load->levels, sizeof load->levels) ||
        !look_up(state, "simgpu_load_set", &load->set_power, sizeof load->set_power))
        return false;
    snprintf(load->uuid, sizeof load->uuid, "%s", device->uuid);
    load->off_w = device->power_limit_w * 0.25;
    load->on_w = device->power_limit_w * 0.8;
    load->driven = load->set_power(load->uuid, load->off_w) == 0;
    return true;
}

/* Power above the middle of what was seen is on. */
static jmi_edge *edges_of_levels(const int64_t *t_ns, const double *watts, size_t levels,
                                 size_t *count) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < levels; i++) {
        least = fmin(least, watts[i]);
        most = fmax(most, watts[i]);
    }
    jmi_edge *edges = jmi_alloc(levels, sizeof *edges);
    *count = 0;
    for (size_t i = 0; edges != NULL && i < levels; i++) {
        bool on = watts[i] > (least + most) / 2;
        if (*count > 0 && edges[*count - 1].on == on) continue;
        edges[(*count)++] = (jmi_edge){t_ns[i], on};
    }
    return edges;
}

static jmi_edge *simulated_edges(const jmi_load *load, size_t *count) {
    int64_t *t_ns = jmi_alloc(MOST_LEVELS, sizeof *t_ns);
    double *watts = jmi_alloc(MOST_LEVELS, sizeof *watts);
    jmi_edge *edges = NULL;
    int levels = -1;
    *count = 0;
    if (t_ns != NULL && watts != NULL)
        levels = load->levels(load->uuid, load->begin_ns, jm_now_ns(), t_ns, watts, MOST_LEVELS);
    if (levels > 0) edges = edges_of_levels(t_ns, watts, (size_t)levels, count);
    free(t_ns);
    free(watts);
    return edges;
}

/* ---- either ---- */

int jmi_load_start(jmi_load **result, const jmi_sensor_set *set, const jm_device *device,
                   const char *command, double seconds, double period_s, jm_error *error) {
    *result = NULL;
    jmi_load *load = jmi_alloc(1, sizeof *load);
    if (load == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    load->period_s = period_s > 0.002 ? period_s : 0.1;
    load->begin_ns = load->next_ns = jm_now_ns();
    int status = JM_OK;
    if (command != NULL)
        status = start_command(load, set, device, command, seconds, error);
    else if (!start_simulated(load, set, device))
        goto none;
    if (status == JM_OK) {
        *result = load;
        return JM_OK;
    }
    if (load->path[0] != '\0') unlink(load->path);
none:
    free(load);
    return status;
}

int jmi_load_step(jmi_load *load, int64_t now_ns) {
    if (load != NULL && load->pid > 0) return watch_command(load, now_ns);
    if (load == NULL || !load->driven || now_ns < load->next_ns) return JM_OK;
    load->set_power(load->uuid, load->toggles % 2 == 0 ? load->on_w : load->off_w);
    load->toggles++;
    load->next_ns = now_ns + (int64_t)(next_dwell_s(load) * 1e9);
    return JM_OK;
}

jmi_edge *jmi_load_stop(jmi_load *load, size_t *count) {
    jmi_edge *edges = NULL;
    *count = 0;
    if (load == NULL) return NULL;
    if (load->pid > 0) {
        end_command(load);
        edges = read_edges(load->path, count);
        unlink(load->path);
    } else {
        edges = simulated_edges(load, count);
        if (load->driven) load->set_power(load->uuid, load->off_w);
    }
    free(load);
    return edges;
}
