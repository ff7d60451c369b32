/* What a recording says of the machine that it was made on. */
#include "record/session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int jmi_recording_take_set(jm_recording *recording, const jmi_sensor_set *set, jm_error *error) {
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < set->device_count; i++) {
        jm_device device = set->devices[i];
        device.size = sizeof device;
        status = jm_recording_add_device(recording, &device, NULL, error);
    }
    for (size_t i = 0; status == JM_OK && i < set->sensor_count; i++) {
        jm_sensor sensor = set->sensors[i];
        sensor.size = sizeof sensor;
        status = jm_recording_add_sensor(recording, &sensor, NULL, error);
    }
    return status;
}

/* "model name : ..." of the first CPU; other architectures say less. */
static void cpu_model(const char *root, char *model, size_t size) {
    char path[4096], text[4096];
    model[0] = '\0';
    if (!jmi_path(path, sizeof path, root, "/proc/cpuinfo") ||
        jmi_read_text(path, text, sizeof text) < 0)
        return;
    const char *line = strstr(text, "model name");
    if (line == NULL) line = strstr(text, "Hardware");
    const char *colon = line != NULL ? strchr(line, ':') : NULL;
    if (colon == NULL) return;
    colon += strspn(colon, ": \t");
    size_t length = strcspn(colon, "\n");
    if (length >= size) length = size - 1;
    memcpy(model, colon, length);
    model[length] = '\0';
}

static void utc_text(int64_t utc_ns, char *text, size_t size) {
    time_t seconds = (time_t)(utc_ns / JMI_NS_PER_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        text[0] = '\0';
    size_t used = strlen(text);
    snprintf(text + used, size - used, ".%03dZ", (int)(utc_ns % JMI_NS_PER_S / 1000000));
}

void jmi_recording_facts(jm_recording *recording, const char *root) {
    struct utsname name;
    char text[256];
    jm_recording_set_info(recording, "version", jm_version());
    if (uname(&name) == 0) {
        jm_recording_set_info(recording, "host", name.nodename);
        snprintf(text, sizeof text, "%s %s", name.sysname, name.release);
        jm_recording_set_info(recording, "kernel", text);
        jm_recording_set_info(recording, "machine", name.machine);
    }
    cpu_model(root, text, sizeof text);
    if (text[0] != '\0') jm_recording_set_info(recording, "cpu_model", text);
    snprintf(text, sizeof text, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    jm_recording_set_info(recording, "cpus", text);
    snprintf(text, sizeof text, "%d", (int)getpid());
    jm_recording_set_info(recording, "pid", text);
    jm_recording_set_info(recording, "clock", "CLOCK_MONOTONIC");
    utc_text(recording->begin_ns + recording->utc_offset_ns, text, sizeof text);
    jm_recording_set_info(recording, "start", text);
}
