/* Values that a driver shows as text in sysfs. Files stay open: a reading is one pread. */
#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct file_values {
    size_t count;
    jmi_file_value values[];
} file_values;

bool jmi_parse_sysfs(const char *text, size_t length, uint64_t *value) {
    uint64_t sum = 0;
    size_t i = 0;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
            return false;
    }
    if (i == 0) return false;
    if (i < length && text[i] != '\n' && text[i] != ' ' && text[i] != '\0') return false;
    *value = sum;
    return true;
}

static int read_number(int fd, uint64_t *value) {
    char text[32];
    ssize_t got = pread(fd, text, sizeof text, 0);
    if (got < 0 && errno == EINTR) got = pread(fd, text, sizeof text, 0);
    /* A device that is unplugged or sleeps is not gone for good: the status says what happened. */
    if (got < 0) return errno == ENODEV ? JM_LOST : jmi_status_of_errno(errno);
    return jmi_parse_sysfs(text, (size_t)got, value) ? JM_OK : JM_FORMAT;
}

jmi_reading jmi_file_read(jmi_file_value *value) {
    uint64_t raw = 0, second = 0;
    jmi_reading reading = {.status = read_number(value->fd, &raw)};
    if (reading.status == JM_OK && value->kind == JMI_FILE_PRODUCT)
        reading.status = read_number(value->second_fd, &second);
    if (reading.status != JM_OK) return reading;
    if (value->kind == JMI_FILE_ENERGY) return jmi_counter_update(&value->counter, raw);
    reading.value = (double)raw * value->unit;
    if (value->kind == JMI_FILE_PRODUCT) reading.value *= (double)second;
    return reading;
}

static int read_all(jmi_source *source, jmi_reading *readings) {
    file_values *files = source->context;
    int status = JM_OK;
    for (size_t i = 0; i < files->count; i++) {
        readings[i] = jmi_file_read(&files->values[i]);
        if (readings[i].status != JM_OK && status != JM_LOST) status = readings[i].status;
    }
    return status;
}

static void close_values(const jmi_file_value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        close(values[i].fd);
        if (values[i].kind == JMI_FILE_PRODUCT) close(values[i].second_fd);
    }
}

static void close_all(jmi_source *source) {
    file_values *files = source->context;
    if (files == NULL) return;
    close_values(files->values, files->count);
    free(files);
    source->context = NULL;
}

jmi_source *jmi_set_files(jmi_sensor_set *set, const jmi_source *source,
                          const jmi_file_value *values) {
    size_t count = source->sensor_count;
    file_values *files = jmi_alloc(1, sizeof *files + count * sizeof files->values[0]);
    if (files == NULL) {
        set->failed = true;
        close_values(values, count);
        return NULL;
    }
    files->count = count;
    memcpy(files->values, values, count * sizeof *values);
    jmi_source ready = *source;
    ready.context = files;
    ready.read = read_all;
    ready.close = close_all;
    jmi_reading readings[JMI_SOURCE_SENSORS];
    ready.read(&ready, readings); /* the first one may have to wake something */
    ready.cost_ns = jmi_source_cost(&ready);
    jmi_source *added = jmi_set_source(set, &ready);
    if (added == NULL) close_all(&ready);
    return added;
}

int jmi_file_open(const jmi_sensor_set *set, const char *format, ...) {
    char below[400], path[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(below, sizeof below, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof below ||
        !jmi_path(path, sizeof path, set->root, "%s", below))
        return JM_NOT_FOUND;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 ? fd : jmi_status_of_errno(errno);
}

bool jmi_file_text(const jmi_sensor_set *set, char *text, size_t size, const char *format, ...) {
    char below[400], path[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(below, sizeof below, format, args);
    va_end(args);
    text[0] = '\0';
    if (length < 0 || (size_t)length >= sizeof below ||
        !jmi_path(path, sizeof path, set->root, "%s", below))
        return false;
    ssize_t got = jmi_read_text(path, text, size);
    if (got <= 0) text[0] = '\0';
    return got > 0;
}
