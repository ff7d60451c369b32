#include "sensor/calibration_cache.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct jmi_calibration_cache {
    json_t *root; /* {"version": 1, "sensors": [ {...} ]}; NULL: empty */
    char note[300];
};

enum { VERSION = 1 };

bool jmi_calibration_cache_path(char *path, size_t size) {
    return jmi_user_path(path, size, "XDG_CACHE_HOME", ".cache", "calibration.json");
}

static json_t *empty(void) {
    return json_pack("{s:i, s:[]}", "version", VERSION, "sensors");
}

static void take(jmi_calibration_cache *cache, json_t *root, const char *why) {
    json_t *version = json_object_get(root, "version");
    bool usable = json_is_integer(version) && json_integer_value(version) == VERSION &&
                  json_is_array(json_object_get(root, "sensors"));
    if (usable) {
        cache->root = root;
        return;
    }
    json_decref(root);
    snprintf(cache->note, sizeof cache->note, "The file of calibrations is ignored: %.200s", why);
}

jmi_calibration_cache *jmi_calibration_cache_parse(const char *text, size_t length) {
    jmi_calibration_cache *cache = jmi_alloc(1, sizeof *cache);
    if (cache == NULL) return NULL;
    json_error_t error = {.text = "it has another version"};
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    take(cache, root, error.text);
    return cache;
}

jmi_calibration_cache *jmi_calibration_cache_load(const char *path) {
    char usual[4096];
    if (path == NULL && jmi_calibration_cache_path(usual, sizeof usual)) path = usual;
    jmi_calibration_cache *cache = jmi_alloc(1, sizeof *cache);
    if (cache == NULL || path == NULL || access(path, R_OK) != 0) return cache;
    json_error_t error = {.text = "it has another version"};
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    take(cache, root, error.text);
    return cache;
}

void jmi_calibration_cache_free(jmi_calibration_cache *cache) {
    if (cache == NULL) return;
    json_decref(cache->root);
    free(cache);
}

const char *jmi_calibration_cache_note(const jmi_calibration_cache *cache) {
    return cache != NULL && cache->note[0] != '\0' ? cache->note : NULL;
}

const char *jmi_calibration_key(const jm_device *device, char *key, size_t size) {
    if (device->uuid[0] != '\0')
        snprintf(key, size, "%s", device->uuid);
    else
        snprintf(key, size, "%s %s", device->name, device->model);
    return key;
}

/* A text that is missing is empty. */
static bool has_text(const json_t *entry, const char *name, const char *text) {
    const char *value = json_string_value(json_object_get(entry, name));
    return strcmp(value != NULL ? value : "", text) == 0;
}

static json_t *find(const jmi_calibration_cache *cache, const char *uuid, const char *driver,
                    const char *vbios, const char *source, size_t *index) {
    if (cache == NULL || cache->root == NULL) return NULL;
    json_t *sensors = json_object_get(cache->root, "sensors");
    for (size_t i = 0; i < json_array_size(sensors); i++) {
        json_t *entry = json_array_get(sensors, i);
        if (has_text(entry, "uuid", uuid) && has_text(entry, "driver", driver) &&
            has_text(entry, "vbios", vbios) && has_text(entry, "source", source)) {
            *index = i;
            return entry;
        }
    }
    return NULL;
}

/* A number within sane limits, or 0: the file may have been edited or damaged. */
static double number(const json_t *entry, const char *name, double most) {
    const json_t *value = json_object_get(entry, name);
    double n = json_is_number(value) ? json_number_value(value) : 0;
    return isfinite(n) && n > 0 && n <= most ? n : 0;
}

static uint64_t seconds(const json_t *entry, const char *name) {
    return (uint64_t)(number(entry, name, 3600) * 1e9 + 0.5);
}

void jmi_calibration_apply(const jmi_calibration_cache *cache, const jm_device *device,
                           const char *vbios, jm_sensor *sensor) {
    char key[400];
    size_t index;
    if (device->simulated) return;
    const json_t *entry = find(cache, jmi_calibration_key(device, key, sizeof key), device->driver,
                               vbios, sensor->source, &index);
    if (entry == NULL || seconds(entry, "refresh_s") == 0) return;
    sensor->refresh_ns = seconds(entry, "refresh_s");
    if (seconds(entry, "window_s") != 0) { /* without a load only T is known */
        sensor->window_ns = seconds(entry, "window_s");
        sensor->lag_ns = seconds(entry, "lag_s");
    }
    if (number(entry, "noise", 1e6) > 0) sensor->noise = number(entry, "noise", 1e6);
    if (number(entry, "quantum", 1e6) > 0) sensor->quantum = number(entry, "quantum", 1e6);
    sensor->calibrated = true;
}

static double finite_or_zero(double value) {
    return isfinite(value) ? value : 0;
}

int jmi_calibration_cache_put(jmi_calibration_cache *cache, const char *driver, const char *vbios,
                              const jm_calibration *c) {
    if (cache == NULL) return JM_MEMORY;
    if (cache->root == NULL) cache->root = empty();
    json_t *entry = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "uuid",
        c->uuid, "driver", driver, "vbios", vbios, "source", c->source, "device", c->device,
        "refresh_s", finite_or_zero(c->refresh_s), "refresh_u_s", finite_or_zero(c->refresh_u_s),
        "window_s", finite_or_zero(c->window_s), "window_u_s", finite_or_zero(c->window_u_s),
        "lag_s", finite_or_zero(c->lag_s), "noise", finite_or_zero(c->noise), "quantum",
        finite_or_zero(c->quantum), "call_s", finite_or_zero(c->call_s), "call_p99_s",
        finite_or_zero(c->call_p99_s), "ticks", (json_int_t)c->ticks);
    if (cache->root == NULL || entry == NULL) {
        json_decref(entry);
        return JM_MEMORY;
    }
    if (isfinite(c->observer_w)) json_object_set_new(entry, "observer_w", json_real(c->observer_w));
    json_t *sensors = json_object_get(cache->root, "sensors");
    size_t index;
    bool there = find(cache, c->uuid, driver, vbios, c->source, &index) != NULL;
    int failed =
        there ? json_array_set_new(sensors, index, entry) : json_array_append_new(sensors, entry);
    return failed ? JM_MEMORY : JM_OK;
}

static int write_beside(const char *path, const char *text, jm_error *error) {
    char fresh[4200];
    int fd = jmi_make_beside(path, fresh, sizeof fresh, error);
    if (fd < 0) return fd;
    int errnum = jmi_write_all(fd, text, strlen(text));
    if (errnum == 0 && fsync(fd) != 0) errnum = errno;
    close(fd);
    if (errnum == 0 && rename(fresh, path) != 0) errnum = errno;
    if (errnum == 0) return JM_OK;
    unlink(fresh);
    return jmi_fail_errno(error, errnum, "cannot write %s", path);
}

int jmi_calibration_cache_save(const jmi_calibration_cache *cache, const char *path,
                               jm_error *error) {
    char usual[4096];
    if (path == NULL && jmi_calibration_cache_path(usual, sizeof usual)) path = usual;
    if (path == NULL)
        return jmi_fail(error, JM_INVALID,
                        "there is no place for calibrations: set HOME or XDG_CACHE_HOME");
    int status = jmi_make_parent(path, error);
    if (status != JM_OK) return status;
    char *text = cache != NULL && cache->root != NULL
                     ? json_dumps(cache->root, JSON_INDENT(2) | JSON_SORT_KEYS)
                     : NULL;
    if (text == NULL) return jmi_fail(error, JM_MEMORY, "there is no calibration to write");
    status = write_beside(path, text, error);
    free(text);
    return status;
}
