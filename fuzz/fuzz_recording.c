/* A recording file that may hold anything: as it is, or a good one with pieces changed. All of it
 * is read, made into tables, a trace, figures and a page, attributed, and asked by SQL. */
#include "joulemeter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];
static uint8_t *good;
static size_t good_size;

static void remove_file(void) {
    unlink(path);
}

/* A small recording with some of everything, as bytes. */
static void make_good(void) {
    jm_recording *r;
    uint32_t index;
    if (jm_recording_new(&r, NULL) != JM_OK) abort();
    jm_device device = {.size = sizeof device, .name = "gpu0", .in_total = true};
    jm_recording_add_device(r, &device, &index, NULL);
    for (int s = 0; s < 2; s++) {
        jm_sensor sensor = {.size = sizeof sensor,
                            .quantity = s ? JM_QUANTITY_ENERGY : JM_QUANTITY_POWER,
                            .source = "nvml",
                            .counter = s == 1};
        jm_recording_add_sensor(r, &sensor, &index, NULL);
        for (int64_t i = 1; i <= 40; i++) {
            int64_t t = i * 1000000;
            double value = (double)(i * 7 % 100);
            jm_samples one = {.count = 1, .t_ns = &t, .value = &value};
            jm_recording_add_samples(r, index, &one, NULL);
        }
    }
    for (int64_t i = 0; i < 20; i++) {
        jm_range range = {.size = sizeof range,
                          .begin_ns = i * 1000000,
                          .end_ns = i * 2000000,
                          .name = "batch",
                          .category = JM_CATEGORY_BATCH,
                          .attributes = "{\"size\":32}",
                          .device = i % 2 != 0 ? "gpu0" : NULL,
                          .stream = (uint32_t)i};
        jm_mark_info mark = {.size = sizeof mark, .t_ns = i * 3000000, .name = "mark"};
        jm_recording_add_range(r, &range, NULL);
        jm_recording_add_mark(r, &mark, NULL);
    }
    jm_recording_set_info(r, "host", "here");
    if (jm_recording_save(r, path, NULL) != JM_OK) abort();
    jm_recording_free(r);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) abort();
    good_size = (size_t)ftell(file);
    rewind(file);
    good = malloc(good_size);
    if (good == NULL || fread(good, 1, good_size, file) != good_size) abort();
    fclose(file);
}

static void start(void) {
    if (good != NULL) return;
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/jm-fuzz-%d.jm", folder, (int)getpid());
    atexit(remove_file);
    make_good();
}

static void put_file(const uint8_t *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    close(fd);
}

/* Pieces: place (3 bytes), length (1), bytes. */
static void put_changed(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(good_size);
    if (bytes == NULL) return;
    memcpy(bytes, good, good_size);
    while (size >= 5) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % good_size;
        size_t length = data[3];
        data += 4, size -= 4;
        if (length > size) length = size;
        size_t room = good_size - at;
        memcpy(bytes + at, data, length < room ? length : room);
        data += length, size -= length;
    }
    put_file(bytes, good_size);
    free(bytes);
}

static int look(size_t columns, const jm_sql_value *values, void *user) {
    size_t *rows = user;
    for (size_t i = 0; i < columns; i++)
        if (values[i].text != NULL) *rows += strlen(values[i].text) > 1000000;
    return ++*rows > 40;
}

static void walk(const jm_recording *r, uint32_t sensor) {
    jm_cursor *cursor;
    jm_samples block;
    int64_t last = INT64_MIN;
    if (jm_cursor_open(&cursor, r, sensor, INT64_MIN, INT64_MAX, NULL) != JM_OK) abort();
    while (jm_cursor_next(cursor, &block) == JM_OK)
        for (size_t i = 0; i < block.count; i++) {
            if (block.t_ns[i] <= last || block.value[i] - block.value[i] != 0) abort();
            last = block.t_ns[i];
        }
    jm_cursor_close(cursor);
}

static void read_all(const jm_recording *r) {
    jm_device device = {.size = sizeof device};
    jm_sensor sensor = {.size = sizeof sensor};
    jm_range range = {.size = sizeof range};
    jm_mark_info mark = {.size = sizeof mark};
    for (uint32_t i = 0; i < jm_recording_device_count(r); i++) jm_recording_device(r, i, &device);
    for (uint32_t i = 0; i < jm_recording_sensor_count(r); i++) {
        if (jm_recording_sensor(r, i, &sensor) != JM_OK ||
            sensor.device >= jm_recording_device_count(r))
            abort();
        walk(r, i);
    }
    for (uint64_t i = 0; i < jm_recording_range_count(r); i++)
        if (jm_recording_range(r, i, &range) == JM_OK && range.end_ns < range.begin_ns) abort();
    for (uint64_t i = 0; i < jm_recording_mark_count(r); i++) jm_recording_mark(r, i, &mark);
    for (uint32_t i = 0; i < jm_recording_warning_count(r); i++) jm_recording_warning(r, i);
    const char *key, *value;
    for (uint32_t i = 0; i < jm_recording_info_count(r); i++)
        if (jm_recording_info_at(r, i, &key, &value) != JM_OK || key[0] == '\0') abort();
}

/* Every value of every row is looked at. */
static void read_array(const struct ArrowArray *array) {
    if (array->dictionary != NULL) {
        read_array(array->dictionary);
        for (int64_t i = 0; i < array->length; i++) {
            int32_t number = ((const int32_t *)array->buffers[1])[i];
            if (number < 0 || (array->null_count == 0 && number >= array->dictionary->length))
                abort();
        }
    }
    if (array->n_buffers != 3) return;
    const int32_t *ends = array->buffers[1];
    for (int64_t i = 0; i < array->length; i++)
        if (ends[i] < 0 || ends[i + 1] < ends[i]) abort();
    if (memchr(array->buffers[2], '\0', (size_t)ends[array->length]) != NULL) abort();
}

static void read_tables(const jm_recording *r) {
    for (int table = 0; table <= JM_TABLE_PHASES; table++) {
        struct ArrowArrayStream stream;
        struct ArrowArray batch;
        jm_error error;
        if (jm_arrow(r, (jm_table)table, NULL, &stream, &error) != JM_OK) continue;
        while (stream.get_next(&stream, &batch) == 0 && batch.release != NULL) {
            for (int64_t i = 0; i < batch.n_children; i++) read_array(batch.children[i]);
            batch.release(&batch);
        }
        stream.release(&stream);
    }
}

static void write_trace(const jm_recording *r) {
    char trace[80];
    snprintf(trace, sizeof trace, "%s.json", path);
    if (jm_perfetto(r, trace, NULL, NULL) == JM_OK) unlink(trace);
}

static void draw(const jm_recording *r) {
    jm_figures *figures;
    jm_error error;
    if (jm_figures_open(&figures, r, NULL, &error) != JM_OK) return;
    for (uint32_t i = 0; i < jm_figure_count(); i++) {
        jm_figure *figure;
        char *json = NULL;
        int status = jm_figures_make(figures, jm_figure_name(i), &figure, &error);
        if (status == JM_OK && jm_figure_json(figure, &json, &error) != JM_OK) abort();
        jm_free(json);
        jm_figure_free(figure);
    }
    jm_figures_close(figures);
}

/* Whatever ranges say that they lie in: outer stacks come before inner ones. */
static void stack_up(const jm_recording *r, const jm_attribution *attribution) {
    jm_stacks *stacks = NULL;
    jm_error error;
    if (jm_stacks_make(&stacks, attribution, r, &error) != JM_OK) return;
    for (uint32_t i = 0; i < jm_stacks_count(stacks); i++) {
        jm_stack stack = JM_STACK_INIT;
        if (jm_stacks_get(stacks, i, &stack) != JM_OK || stack.name == NULL ||
            (stack.parent != JM_NO_STACK && stack.parent >= i))
            abort();
    }
    jm_stacks_free(stacks);
}

/* Which ranges, whose, and how is up to the bytes. */
static void attribute(const jm_recording *r, uint8_t how) {
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution *attribution;
    jm_error error;
    char *json = NULL;
    jm_window window = {how * INT64_C(100000), how * INT64_C(400000)};
    options.categories = how & 1 ? UINT32_MAX : 1u << JM_CATEGORY_BATCH;
    if (how & 2) options.device = 0;
    options.method = (jm_attribution_method)((how >> 2 & 3) % 3);
    options.net = how & 16;
    options.split = how >> 6;
    options.windows = &window;
    options.window_count = how >> 5 & 1;
    if (jm_attribute(&attribution, r, &options, &error) != JM_OK) return;
    for (uint32_t i = 0; i < jm_attribution_part_count(attribution); i++) {
        jm_part part = JM_PART_INIT;
        if (jm_attribution_part(attribution, i, &part) != JM_OK || part.name == NULL ||
            part.energy.energy_j - part.energy.energy_j != 0)
            abort();
    }
    if (jm_attribution_json(attribution, how & 64, &json, &error) != JM_OK) abort();
    jm_free(json);
    stack_up(r, attribution);
    jm_attribution_free(attribution);
}

static void make_page(const jm_recording *r) {
    char *page = NULL;
    jm_error error;
    int status = jm_report_html(r, NULL, &page, &error);
    if (status == JM_OK && strstr(page, "</html>") == NULL) abort();
    jm_free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    start();
    if (data[0] & 1)
        put_changed(data + 1, size - 1);
    else
        put_file(data + 1, size - 1);
    jm_recording *r;
    jm_error error;
    if (jm_recording_open(&r, path, &error) == JM_OK) {
        read_all(r);
        /* Not each time: that takes longer than all the rest. */
        if ((data[0] & 6) == 6) read_tables(r);
        if ((data[0] & 14) == 14) write_trace(r);
        if ((data[0] & 22) == 20) draw(r);
        if ((data[0] & 62) == 52) make_page(r);
        if ((data[0] & 6) == 4 && size > 1) attribute(r, data[size - 1]);
        jm_recording_free(r);
    }
    size_t rows = 0;
    jm_sql(path, "SELECT * FROM sample JOIN range", look, &rows, &error);
    return 0;
}
