/* The data model: devices, sensors, samples, ranges, marks, facts, warnings; cursors. */
#include "helpers.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void test_names(void **state) {
    (void)state;
    assert_string_equal(jm_category_name(JM_CATEGORY_PHASE), "phase");
    assert_string_equal(jm_category_name(JM_CATEGORY_NVTX), "nvtx");
    assert_string_equal(jm_category_name(-1), "unknown");
    assert_string_equal(jm_category_name(99), "unknown");
    assert_string_equal(jm_quantity_name(JM_QUANTITY_POWER_AVERAGE), "power_average");
    assert_string_equal(jm_quantity_unit(JM_QUANTITY_CAP_TIME), "s");
    assert_string_equal(jm_quantity_unit(JM_QUANTITY_THROTTLE), "");
    assert_string_equal(jm_quantity_name(1000), "unknown");
}

static void test_empty(void **state) {
    (void)state;
    jm_recording *r;
    assert_int_equal(jm_recording_new(&r, NULL), JM_OK);
    assert_int_equal(jm_recording_begin_ns(r), 0);
    assert_int_equal(jm_recording_end_ns(r), 0);
    assert_int_equal(jm_recording_device_count(r), 0);
    assert_int_equal(jm_recording_range_count(r), 0);
    assert_null(jm_recording_warning(r, 0));
    assert_null(jm_recording_info(r, "host"));
    jm_range range = {.size = sizeof range};
    assert_int_equal(jm_recording_range(r, 0, &range), JM_NOT_FOUND);
    jm_cursor *cursor;
    assert_int_equal(jm_cursor_open(&cursor, r, 0, 0, 1, NULL), JM_NOT_FOUND);
    assert_null(cursor);
    jm_cursor_close(NULL);
    jm_recording_free(r);
    jm_recording_free(NULL);
}

static void test_null(void **state) {
    (void)state;
    assert_int_equal(jm_recording_begin_ns(NULL), 0);
    assert_int_equal(jm_recording_end_ns(NULL), 0);
    assert_int_equal(jm_recording_utc_offset_ns(NULL), 0);
    assert_int_equal(jm_recording_info_count(NULL), 0);
    assert_int_equal(jm_recording_device_count(NULL), 0);
    assert_int_equal(jm_recording_sensor_count(NULL), 0);
    assert_int_equal(jm_recording_range_count(NULL), 0);
    assert_int_equal(jm_recording_mark_count(NULL), 0);
    assert_int_equal(jm_recording_warning_count(NULL), 0);
    assert_int_equal(jm_probe_finding_count(NULL), 0);
    assert_null(jm_probe_recording(NULL));
    assert_null(jm_recording_info(NULL, "host"));
    assert_null(jm_recording_warning(NULL, 0));
    jm_samples samples;
    assert_int_equal(jm_cursor_next(NULL, &samples), JM_INVALID);
    assert_int_equal(jm_recording_info_at(NULL, 0, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_probe_finding(NULL, 0, NULL), JM_INVALID);
    assert_int_equal(jm_calibrate(NULL, NULL, NULL), JM_INVALID);
    /* Neither a recording, nor a place for what is in it. */
    jm_recording *r = sawtooth(1), *const of[] = {NULL, r};
    jm_mark_info mark = {.size = sizeof mark, .t_ns = 1};
    assert_int_equal(jm_recording_add_range(r, &(jm_range)JM_RANGE_INIT, NULL), JM_OK);
    assert_int_equal(jm_recording_add_mark(r, &mark, NULL), JM_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(jm_recording_device(of[i], 0, NULL), JM_INVALID);
        assert_int_equal(jm_recording_sensor(of[i], 0, NULL), JM_INVALID);
        assert_int_equal(jm_recording_range(of[i], 0, NULL), JM_INVALID);
        assert_int_equal(jm_recording_mark(of[i], 0, NULL), JM_INVALID);
        assert_int_equal(jm_recording_sampler_stats(of[i], NULL), JM_INVALID);
    }
    jm_recording_free(r);
}

static void test_devices(void **state) {
    (void)state;
    jm_recording *r;
    uint32_t index = 9;
    jm_error error;
    assert_int_equal(jm_recording_new(&r, NULL), JM_OK);
    char name[] = "gpu0";
    jm_device device = {.size = sizeof device, .name = name, .model = "X", .power_limit_w = 300};
    assert_int_equal(jm_recording_add_device(r, &device, &index, NULL), JM_OK);
    assert_int_equal(index, 0);
    name[3] = '7'; /* it was copied */
    jm_device back = {.size = sizeof back};
    assert_int_equal(jm_recording_device(r, 0, &back), JM_OK);
    assert_string_equal(back.name, "gpu0");
    assert_string_equal(back.uuid, "");
    assert_true(back.power_limit_w == 300);
    name[3] = '0';
    assert_int_equal(jm_recording_add_device(r, &device, &index, &error), JM_INVALID);
    device.name = "";
    assert_int_equal(jm_recording_add_device(r, &device, &index, &error), JM_INVALID);
    device.name = "gpu1";
    device.power_limit_w = NAN;
    assert_int_equal(jm_recording_add_device(r, &device, &index, &error), JM_INVALID);
    device.size = 0;
    assert_int_equal(jm_recording_add_device(r, &device, &index, &error), JM_INVALID);
    assert_int_equal(jm_recording_device(r, 1, &back), JM_NOT_FOUND);
    jm_sensor sensor = {.size = sizeof sensor, .device = 1};
    assert_int_equal(jm_recording_add_sensor(r, &sensor, &index, &error), JM_INVALID);
    sensor.device = 0;
    sensor.quantity = (jm_quantity)1234;
    assert_int_equal(jm_recording_add_sensor(r, &sensor, &index, &error), JM_INVALID);
    jm_recording_free(r);
}

/* A caller that was compiled with a smaller struct gets no more than it has room for. */
static void test_sizes(void **state) {
    (void)state;
    jm_recording *r = sawtooth(1);
    struct {
        jm_device device;
        char guard[8];
    } small;
    memset(&small, 0x5a, sizeof small);
    small.device.size = offsetof(jm_device, pci);
    assert_int_equal(jm_recording_device(r, 0, &small.device), JM_OK);
    assert_string_equal(small.device.name, "gpu0");
    unsigned char after;
    memcpy(&after, (char *)&small.device + offsetof(jm_device, pci), 1);
    assert_int_equal(after, 0x5a);
    jm_recording_free(r);
}

static int add(jm_recording *r, int64_t t, double value) {
    jm_samples one = {.count = 1, .t_ns = &t, .value = &value};
    return jm_recording_add_samples(r, 0, &one, NULL);
}

static void test_samples(void **state) {
    (void)state;
    jm_recording *r = sawtooth(0);
    assert_int_equal(add(r, 100, 5), JM_OK);
    assert_int_equal(add(r, 100, 6), JM_INVALID);
    assert_int_equal(add(r, 99, 6), JM_INVALID);
    assert_int_equal(add(r, 101, NAN), JM_INVALID);
    assert_int_equal(add(r, INT64_MAX, 1), JM_INVALID);
    assert_int_equal(add(r, 101, 5), JM_OK);
    assert_int_equal(add(r, 102, 7), JM_OK);
    /* All or nothing. */
    int64_t t[] = {200, 300, 250};
    double v[] = {1, 2, 3};
    jm_samples three = {.count = 3, .t_ns = t, .value = v};
    assert_int_equal(jm_recording_add_samples(r, 0, &three, NULL), JM_INVALID);
    assert_int_equal(jm_recording_add_samples(r, 5, &three, NULL), JM_NOT_FOUND);
    tally c = walk(r, 0, 0, 1000);
    assert_int_equal(c.samples, 3);
    assert_int_equal(c.changed, 1); /* the first one has none before it */
    uint8_t missing = JM_SAMPLE_MISSING;
    jm_samples gone = {.count = 1, .t_ns = &t[1], .value = (double[]){NAN}, .flags = &missing};
    assert_int_equal(jm_recording_add_samples(r, 0, &gone, NULL), JM_OK);
    c = walk(r, 0, 0, 1000);
    assert_int_equal(c.missing, 1);
    assert_true(c.last_value == 0);
    assert_int_equal(jm_recording_begin_ns(r), 100);
    assert_int_equal(jm_recording_end_ns(r), 300);
    jm_recording_free(r);
}

/* Every window gives its samples, one before and one after, and nothing else. */
static void test_cursor(void **state) {
    (void)state;
    const int64_t n = 100000, ms = 1000000;
    jm_recording *r = sawtooth((uint64_t)n);
    srand(1);
    for (int k = 0; k < 3000; k++) {
        int64_t from = (rand() % (n + 100) - 50) * ms,
                to = from + rand() % (k % 2 ? 50 : 40000) * ms;
        if (k % 3 == 0) from += rand() % ms;
        if (k % 5 == 0) to += rand() % ms;
        if (to < from) to = from;
        int64_t low = from <= ms ? 1 : (from + ms - 1) / ms, high = to < ms ? 0 : to / ms;
        if (high > n) high = n;
        if (low > 1) low--;
        if (low > n) low = n;
        if (high < n) high++;
        tally c = walk(r, 0, from, to);
        assert_int_equal(c.samples, high - low + 1);
        assert_int_equal(c.first_ns, low * ms);
        assert_int_equal(c.last_ns, high * ms);
    }
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).samples, n);
    jm_recording_free(r);
}

static jm_range_id add_range(jm_recording *r, jm_range_id id, int64_t begin, int64_t end) {
    jm_range range = {
        .size = sizeof range, .id = id, .begin_ns = begin, .end_ns = end, .name = "a"};
    int status = jm_recording_add_range(r, &range, NULL);
    return status == JM_OK ? range.id : 0;
}

static void test_ranges(void **state) {
    (void)state;
    jm_recording *r = sawtooth(0);
    assert_int_equal(add_range(r, 0, 5, 9), 1);
    assert_int_equal(add_range(r, 0, 6, 7), 2);
    assert_int_equal(add_range(r, 100, 6, 7), 100);
    assert_int_equal(add_range(r, 0, 6, 7), 101);
    assert_int_equal(add_range(r, 100, 6, 7), 0); /* there already */
    assert_int_equal(add_range(r, 50, 6, 7), 50);
    assert_int_equal(add_range(r, 0, 7, 6), 0);
    assert_int_equal(add_range(r, 0, INT64_MIN, INT64_MAX), 0);
    jm_range bad = {.size = sizeof bad, .category = (jm_category)77};
    assert_int_equal(jm_recording_add_range(r, &bad, NULL), JM_INVALID);
    char *name = malloc(JMI_MAX_NAME + 2);
    memset(name, 'x', JMI_MAX_NAME + 1);
    name[JMI_MAX_NAME + 1] = '\0';
    bad = (jm_range){.size = sizeof bad, .name = name};
    assert_int_equal(jm_recording_add_range(r, &bad, NULL), JM_INVALID);
    free(name);
    bad = (jm_range){.size = sizeof bad, .name = "caf\xe9 \xff", .attributes = "{\"a\":1}"};
    assert_int_equal(jm_recording_add_range(r, &bad, NULL), JM_OK);
    jm_range last = {.size = sizeof last};
    assert_int_equal(jm_recording_range(r, 5, &last), JM_OK);
    assert_string_equal(last.name, "caf? ?");
    assert_string_equal(last.attributes, "{\"a\":1}");
    uint64_t index;
    assert_int_equal(jmi_range_find(r, 50, &index), JM_OK);
    assert_int_equal(index, 4);
    assert_int_equal(jmi_range_find(r, 51, &index), JM_NOT_FOUND);
    assert_int_equal(jm_recording_range_count(r), 6);
    jm_recording_free(r);
}

static void test_many_ranges(void **state) {
    (void)state;
    enum { MANY = 200000 };
    jm_recording *r = sawtooth(0);
    for (int64_t i = 0; i < MANY; i++) assert_int_equal(add_range(r, 0, i, i + 1), i + 1);
    uint64_t index;
    for (uint64_t id = 1; id <= MANY; id += 777) {
        assert_int_equal(jmi_range_find(r, id, &index), JM_OK);
        assert_int_equal(index, id - 1);
    }
    /* The hash follows what is added later. */
    assert_int_equal(add_range(r, 0, 1, 2), MANY + 1);
    assert_int_equal(jmi_range_find(r, MANY + 1, &index), JM_OK);
    jm_recording_free(r);
}

/* Facts in the order in which they came, also from a file. */
static void check_facts(const jm_recording *r) {
    static const char *const facts[][2] = {{"zebra", "3"}, {"ape", "2"}, {"m\xc3\xbcsli", ""}};
    assert_int_equal(jm_recording_info_count(r), JMI_COUNT(facts));
    const char *key, *value;
    for (uint32_t i = 0; i < JMI_COUNT(facts); i++) {
        assert_int_equal(jm_recording_info_at(r, i, &key, &value), JM_OK);
        assert_string_equal(key, facts[i][0]);
        assert_string_equal(value, facts[i][1]);
    }
    assert_int_equal(jm_recording_info_at(r, 1, NULL, &value), JM_OK);
    assert_string_equal(value, "2");
    assert_int_equal(jm_recording_info_at(r, 0, &key, NULL), JM_OK);
    assert_string_equal(key, "zebra");
    assert_int_equal(jm_recording_info_at(r, JMI_COUNT(facts), &key, &value), JM_NOT_FOUND);
    assert_int_equal(jm_recording_info_at(r, UINT32_MAX, NULL, NULL), JM_NOT_FOUND);
}

static void test_facts(void **state) {
    (void)state;
    const char *path = scratch_file("facts.jm");
    jm_recording *r = sawtooth(0), *back;
    assert_int_equal(jm_recording_info_count(r), 0);
    assert_int_equal(jm_recording_info_at(r, 0, NULL, NULL), JM_NOT_FOUND);
    jm_recording_set_info(r, "zebra", "1");
    jm_recording_set_info(r, "ape", "2");
    jm_recording_set_info(r, "m\xc3\xbcsli", "");
    jm_recording_set_info(r, "zebra", "3"); /* stays where it is */
    check_facts(r);
    assert_int_equal(jm_recording_save(r, path, NULL), JM_OK);
    assert_int_equal(jm_recording_open(&back, path, NULL), JM_OK);
    check_facts(back);
    jm_recording_free(back);
    jm_recording_free(r);
}

static void test_marks_and_facts(void **state) {
    (void)state;
    jm_recording *r = sawtooth(0);
    jm_mark_info mark = {.size = sizeof mark, .t_ns = 42, .name = "now", .pid = 7, .thread = 3};
    assert_int_equal(jm_recording_add_mark(r, &mark, NULL), JM_OK);
    jm_mark_info back = {.size = sizeof back};
    assert_int_equal(jm_recording_mark(r, 0, &back), JM_OK);
    assert_string_equal(back.name, "now");
    assert_string_equal(back.attributes, "");
    assert_int_equal(back.pid, 7);
    assert_int_equal(jm_recording_mark(r, 1, &back), JM_NOT_FOUND);
    assert_int_equal(jm_recording_set_info(r, "host", "here"), JM_OK);
    const char *before = jm_recording_info(r, "host");
    assert_int_equal(jm_recording_set_info(r, "host", "there"), JM_OK);
    assert_string_equal(before, "here"); /* lives as long as the recording */
    assert_string_equal(jm_recording_info(r, "host"), "there");
    assert_int_equal(jm_recording_set_info(r, "", "x"), JM_INVALID);
    assert_int_equal(jm_recording_set_info(r, "x", NULL), JM_INVALID);
    jmi_recording_warn(r, "a", "first %d", 1);
    jmi_recording_warn(r, "a", "second");
    jmi_recording_warn(r, "b", "third");
    assert_int_equal(jm_recording_warning_count(r), 2);
    assert_string_equal(jm_recording_warning(r, 0), "first 1");
    assert_string_equal(jm_recording_warning(r, 1), "third");
    jm_recording_free(r);
}

static void test_ten_million(void **state) {
    (void)state;
    const uint64_t n = (uint64_t)setting("JM_TEST_SAMPLES", 10000000);
    jm_recording *r = sawtooth(n);
    jmi_recording_lock(r);
    assert_true(jmi_recording_bytes(r) < n * JMI_SAMPLE_BYTES * 11 / 10 + (1 << 20));
    jmi_recording_unlock(r);
    assert_int_equal(walk(r, 0, INT64_MIN, INT64_MAX).samples, n);
    jm_recording_free(r);
}

/* Readers of a recording that grows see whole samples in order, and never less than before. */
typedef struct growing {
    jm_recording *recording;
    _Atomic int done;
} growing;

static void *grow(void *argument) {
    growing *g = argument;
    for (int64_t t = 1; t <= 300000; t++) {
        add(g->recording, t, (double)t);
        if (t % 100 == 0) add_range(g->recording, 0, t, t + 1);
    }
    atomic_store(&g->done, 1);
    return NULL;
}

static void test_readers(void **state) {
    (void)state;
    growing g = {.recording = sawtooth(0)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, grow, &g), 0);
    uint64_t before = 0;
    while (!atomic_load(&g.done)) {
        tally c = walk(g.recording, 0, INT64_MIN, INT64_MAX);
        assert_true(c.samples >= before);
        assert_true(c.samples == 0 || (c.last_value == (double)c.last_ns && c.first_ns == 1 &&
                                       c.last_ns == (int64_t)c.samples));
        before = c.samples;
        jm_range range = {.size = sizeof range};
        uint64_t ranges = jm_recording_range_count(g.recording);
        if (ranges > 0) {
            assert_int_equal(jm_recording_range(g.recording, ranges - 1, &range), JM_OK);
            assert_int_equal(range.begin_ns, ranges * 100);
        }
    }
    pthread_join(thread, NULL);
    jm_recording_free(g.recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_many_ranges),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_marks_and_facts),
        cmocka_unit_test(test_ten_million),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests_name("record recording", tests, NULL, NULL);
}
