/* The page's data, as tests look at them. */
#ifndef FIGURE_PAGE_DATA_H
#define FIGURE_PAGE_DATA_H

#include "figure/page.h"
#include "look.h"

static inline json_t *data_with(const jm_recording *recording, const jm_page_options *options) {
    jm_error error = {0};
    char *text = NULL;
    fixture_ok(jmi_html_data(recording, options, &text, &error), &error);
    assert_null(strpbrk(text, "<>&"));
    assert_null(strstr(text, "\xE2\x80\xA8"));
    json_error_t wrong;
    json_t *root = json_loads(text, 0, &wrong);
    if (root == NULL) fail_msg("%s at %d", wrong.text, wrong.position);
    jm_free(text);
    return root;
}

static inline json_t *data_of(const jm_recording *recording, uint64_t bytes) {
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    options.max_data_bytes = bytes;
    return data_with(recording, &options);
}

static inline json_t *at(json_t *root, const char *key) {
    json_t *value = json_object_get(root, key);
    if (value == NULL) fail_msg("there is no %s", key);
    return value;
}

static inline double number(json_t *root, const char *key) {
    return json_number_value(at(root, key));
}

static inline double saw(int i) {
    return i % 100 == 50 ? (double)NAN : i % 977 == 0 ? 390 : 100 + i % 37;
}

static inline jm_recording *with_power(int count) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), count,
                    saw);
    return recording;
}

/* The entries of a page, whatever they are of. */
typedef struct entries {
    json_t *root, *lanes, *ranges;
    size_t count;
} entries;

static inline entries entries_of(const jm_recording *recording, uint64_t bytes) {
    entries e = {.root = data_of(recording, bytes)};
    e.lanes = at(at(e.root, "timeline"), "lanes");
    e.ranges = at(at(e.root, "timeline"), "ranges");
    e.count = json_array_size(at(e.ranges, "name"));
    return e;
}

static inline double entry_number(const entries *e, const char *column, size_t i) {
    return json_number_value(json_array_get(at(e->ranges, column), i));
}

static inline const char *entry_name(const entries *e, size_t i) {
    return json_string_value(
        json_array_get(at(e->ranges, "names"), (size_t)entry_number(e, "name", i)));
}

/* Index of the first entry of this name. */
static inline size_t entry_called(const entries *e, const char *name) {
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(entry_name(e, i), name) == 0) return i;
    fail_msg("there is no entry %s", name);
    return 0;
}

/* All ranges are in an entry, and each entry is in a row that its lane has. */
static inline void check_entries(const entries *e, const jm_recording *recording) {
    uint64_t total = jm_recording_range_count(recording);
    double counted = 0;
    assert_true(e->count <= 5000 && json_array_size(e->lanes) <= 100);
    assert_near(number(e->ranges, "total"), (double)total);
    for (size_t i = 0; i < e->count; i++) {
        json_t *lane = json_array_get(e->lanes, (size_t)entry_number(e, "lane", i));
        assert_true(entry_number(e, "depth", i) < number(lane, "depth"));
        assert_true(entry_number(e, "begin_s", i) <= entry_number(e, "end_s", i));
        assert_true(i == 0 || entry_number(e, "begin_s", i - 1) <= entry_number(e, "begin_s", i));
        counted += entry_number(e, "count", i);
    }
    assert_near(counted, (double)total);
}

#endif
