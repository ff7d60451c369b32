/* A folder that stands for "/": fake sysfs and procfs. Also what every test here includes. */
#ifndef TEST_TREE_H
#define TEST_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sensor/internal.h"

#define UNUSED __attribute__((unused))

UNUSED static char *tree_new(void) {
    const char *folder = getenv("TMPDIR");
    char *root = NULL;
    assert_true(asprintf(&root, "%s/joulemeter-tree-XXXXXX", folder != NULL ? folder : "/tmp") > 0);
    assert_non_null(mkdtemp(root));
    return root;
}

UNUSED static int tree_remove_one(const char *path, const struct stat *info, int type,
                                  struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

UNUSED static void tree_free(char *root) {
    nftw(root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
}

UNUSED static void tree_write_bytes(const char *root, const char *file, const void *data,
                                    size_t size) {
    char path[1024];
    snprintf(path, sizeof path, "%s%s", root, file);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(path, 0777) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    fclose(out);
}

UNUSED static void tree_write(const char *root, const char *file, const char *format, ...)
    JMI_PRINTF(3, 4);
UNUSED static void tree_write(const char *root, const char *file, const char *format, ...) {
    char text[65536];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tree_write_bytes(root, file, text, (size_t)length);
}

/* Opens the sensors below a root; no GPU driver is looked for. */
UNUSED static jmi_sensor_set *tree_open_with(const char *root, jm_session_options options) {
    jmi_sensor_set *set = NULL;
    jm_error error = {.status = 0};
    options.root = root;
    setenv("JOULEMETER_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so.1", 1);
    int status = jmi_sensors_open(&set, &options, &error);
    if (status != JM_OK) print_message("%s\n", error.message);
    assert_int_equal(status, JM_OK);
    return set;
}

UNUSED static jmi_sensor_set *tree_open(const char *root) {
    return tree_open_with(root, (jm_session_options)JM_SESSION_OPTIONS_INIT);
}

UNUSED static const jm_device *device_of(const jmi_sensor_set *set, const char *name) {
    uint32_t i = jmi_set_find(set, name);
    return i != UINT32_MAX ? &set->devices[i] : NULL;
}

/* Sensors of that device and quantity. */
UNUSED static int count_sensors(const jmi_sensor_set *set, const char *device,
                                jm_quantity quantity) {
    int count = 0;
    for (size_t i = 0; i < set->sensor_count; i++)
        count += set->sensors[i].quantity == quantity &&
                 strcmp(set->devices[set->sensors[i].device].name, device) == 0;
    return count;
}

/* Reads the one sensor of that device and quantity now. */
UNUSED static jmi_reading read_one(jmi_sensor_set *set, const char *device, jm_quantity quantity) {
    jmi_reading readings[JMI_SOURCE_SENSORS];
    for (size_t i = 0; i < set->source_count; i++) {
        jmi_source *source = &set->sources[i];
        for (size_t k = 0; source->read != NULL && k < source->sensor_count; k++) {
            const jm_sensor *sensor = &set->sensors[source->sensor[k]];
            if (sensor->quantity != quantity ||
                strcmp(set->devices[sensor->device].name, device) != 0)
                continue;
            memset(readings, 0xff, sizeof readings); /* what is not written would show */
            source->read(source, readings);
            return readings[k];
        }
    }
    fail_msg("%s has no such sensor", device);
    return (jmi_reading){0};
}

UNUSED static const jm_finding *finding_of(const jmi_sensor_set *set, const char *interface,
                                           const char *device, const char *what) {
    for (size_t i = 0; i < set->finding_count; i++) {
        const jm_finding *f = &set->findings[i];
        if (strcmp(f->interface, interface) == 0 && strcmp(f->device, device) == 0 &&
            strcmp(f->what, what) == 0)
            return f;
    }
    return NULL;
}

/* Every finding is a sentence, whatever was found. */
UNUSED static void check_findings(const jmi_sensor_set *set) {
    for (size_t i = 0; i < set->finding_count; i++) {
        const char *message = set->findings[i].message;
        assert_true(strlen(message) >= 6);
        assert_int_equal(message[strlen(message) - 1], '.');
        assert_non_null(set->findings[i].remedy);
    }
}

/* Runs this program again for one scene that may leave threads behind, and returns its exit code.
 * Sanitizers do not let a forked child start threads, so it is a new program. */
UNUSED static int run_scene(const char *scene, char *const *environment) {
    pid_t child = fork();
    if (child == 0) {
        for (; environment != NULL && *environment != NULL; environment++) putenv(*environment);
        execl("/proc/self/exe", "scene", scene, (char *)NULL);
        _exit(99);
    }
    int result = 0;
    waitpid(child, &result, 0);
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

#endif
