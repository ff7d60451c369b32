/* What calibration found, kept in a JSON file by the device's UUID, driver and VBIOS. */
#ifndef JMI_CALIBRATION_CACHE_H
#define JMI_CALIBRATION_CACHE_H

#include "base/base.h"

typedef struct jmi_calibration_cache jmi_calibration_cache;

/* $XDG_CACHE_HOME/joulemeter/calibration.json, or below ~/.cache; false: neither is known. */
bool jmi_calibration_cache_path(char *path, size_t size);

/* Reads the file (NULL: the usual one). Missing or unreadable gives an empty cache, and the latter
 * a note. NULL on lack of memory, which all functions below take for an empty cache. */
jmi_calibration_cache *jmi_calibration_cache_load(const char *path);
/* Likewise, from text; for tests and fuzzing. */
jmi_calibration_cache *jmi_calibration_cache_parse(const char *text, size_t length);
void jmi_calibration_cache_free(jmi_calibration_cache *cache);
/* A sentence if the file was there and could not be used; else NULL. */
const char *jmi_calibration_cache_note(const jmi_calibration_cache *cache);

/* Sets T, W, L, noise, quantum and `calibrated` of a sensor whose device and source are known;
 * `vbios` is "" where there is none. Simulated devices are left as their text says. */
void jmi_calibration_apply(const jmi_calibration_cache *cache, const jm_device *device,
                           const char *vbios, jm_sensor *sensor);

/* The key of a device: its UUID, else its name and model. Returns `key`. */
const char *jmi_calibration_key(const jm_device *device, char *key, size_t size);

/* Adds or replaces one entry; `calibration->uuid` is the key. */
int jmi_calibration_cache_put(jmi_calibration_cache *cache, const char *driver, const char *vbios,
                              const jm_calibration *calibration);
/* Writes the whole cache: complete or not at all. NULL: the usual path. */
int jmi_calibration_cache_save(const jmi_calibration_cache *cache, const char *path,
                               jm_error *error);

#endif
