/* Sensors of simulated boards, for tests. */
#ifndef TEST_BOARDS_H
#define TEST_BOARDS_H

#include "tree.h"

#include "sensor/nvml_internal.h"

#include <time.h>

UNUSED static char *root; /* without CPU files: GPUs only */
UNUSED static const char *library;

UNUSED static int open_spec(jmi_sensor_set **set, const char *spec, const char *gpus,
                            jm_error *error) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.root = root;
    options.simulate = spec;
    options.gpus = gpus;
    return jmi_sensors_open(set, &options, error);
}

UNUSED static jmi_sensor_set *must_open(const char *spec) {
    jmi_sensor_set *set;
    jm_error error = {.status = 0};
    int status = open_spec(&set, spec, NULL, &error);
    if (status != JM_OK) fail_msg("%s", error.message);
    check_findings(set);
    return set;
}

UNUSED static void pause_s(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
}

UNUSED static const jm_sensor *sensor_of(const jmi_sensor_set *set, const char *source) {
    for (size_t i = 0; i < set->sensor_count; i++)
        if (strcmp(set->sensors[i].source, source) == 0) return &set->sensors[i];
    return NULL;
}

UNUSED static int status_of(const jmi_sensor_set *set, const char *what) {
    const jm_finding *finding = finding_of(set, "nvml", "gpu0", what);
    if (finding == NULL) fail_msg("%s was not tried", what);
    return finding != NULL ? finding->status : 0;
}

/* Sets up what the tests share; false: there is no simulated GPU to be had. */
UNUSED static bool boards_begin(void) {
    library = getenv("JOULEMETER_SIMGPU_LIBRARY");
    if (library == NULL || access(library, R_OK) != 0) {
        printf("1..0 # SKIP JOULEMETER_SIMGPU_LIBRARY names no simulated GPU\n");
        return false;
    }
    unsetenv("CUDA_VISIBLE_DEVICES");
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    root = tree_new();
    return true;
}

#endif
