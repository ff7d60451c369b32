/* Ranges on the page: rows in lanes, and what is too short to be seen. */
#include "page_data.h"

static void ranges_nest(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "gpu0", 7);
    json_t *root = data_of(recording, 0), *timeline = at(root, "timeline"),
           *r = at(timeline, "ranges");
    assert_int_equal(json_array_size(at(timeline, "lanes")), 2);
    assert_string_equal(json_string_value(at(json_array_get(at(timeline, "lanes"), 1), "label")),
                        "gpu0, stream 7");
    size_t count = json_array_size(at(r, "name"));
    assert_int_equal(count, jm_recording_range_count(recording));
    assert_int_equal(number(r, "total"), count);
    for (size_t i = 0; i < count; i++) {
        json_int_t depth = json_integer_value(json_array_get(at(r, "depth"), i));
        json_int_t lane = json_integer_value(json_array_get(at(r, "lane"), i));
        double begin = json_number_value(json_array_get(at(r, "begin_s"), i));
        double end = json_number_value(json_array_get(at(r, "end_s"), i));
        bool held = depth == 0;
        for (size_t k = 0; k < count && !held; k++)
            held = json_integer_value(json_array_get(at(r, "depth"), k)) == depth - 1 &&
                   json_integer_value(json_array_get(at(r, "lane"), k)) == lane &&
                   json_number_value(json_array_get(at(r, "begin_s"), k)) <= begin &&
                   json_number_value(json_array_get(at(r, "end_s"), k)) >= end - 1e-9;
        assert_true(held);
        const char *name = json_string_value(json_array_get(
            at(r, "names"), (size_t)json_integer_value(json_array_get(at(r, "name"), i))));
        if (strcmp(name, "train") == 0) {
            jm_energy e;
            jm_energy_window(recording, JM_DEVICE_TOTAL, FIXTURE_T0 + 4 * JMI_NS_PER_S,
                             FIXTURE_T0 + 12 * JMI_NS_PER_S, NULL, &e, NULL);
            double energy = json_number_value(json_array_get(at(r, "energy_j"), i));
            assert_true(fabs(energy - e.energy_j) < 1e-6 * e.energy_j);
        }
    }
    json_decref(root);
    jm_recording_free(recording);
}

static void many_ranges_become_few(void **state) {
    (void)state;
    jm_recording *recording = with_power(3000);
    fixture_range(recording, JM_CATEGORY_PHASE, "first", 0, 30, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "last", 30, 60, "");
    for (int i = 0; i < 40000; i++)
        fixture_range(recording, JM_CATEGORY_BATCH, i % 2 ? "a" : "b", 0.0015 * i,
                      0.0015 * i + 0.0007, "");
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_true(e.count > 2000);
    const char *const phases[] = {"first", "last"}; /* what is long stays what it is */
    for (size_t i = 0; i < 2; i++) {
        size_t phase = entry_called(&e, phases[i]);
        assert_near(entry_number(&e, "count", phase), 1);
        assert_near(entry_number(&e, "begin_s", phase), 30.0 * (double)i);
        assert_near(entry_number(&e, "end_s", phase), 30.0 + 30.0 * (double)i);
    }
    assert_string_equal(entry_name(&e, e.count - 1), "a, b");
    json_decref(e.root);
    e = entries_of(recording, 100000); /* fewer where there is less room */
    check_entries(&e, recording);
    assert_true(e.count <= 500);
    json_decref(e.root);
    jm_recording_free(recording);
}

static void what_is_joined_has_the_energy_of_its_parts(void **state) {
    (void)state;
    enum { COUNT = 12000 };
    jm_recording *recording = with_power(3000);
    jm_window *windows = calloc(COUNT, sizeof *windows);
    jm_energy whole;
    jm_error error = {0};
    for (int i = 0; i < COUNT; i++) {
        fixture_range(recording, JM_CATEGORY_BATCH, "batch", 0.005 * i, 0.005 * i + 0.004, "");
        windows[i] = (jm_window){FIXTURE_T0 + i * INT64_C(5000000),
                                 FIXTURE_T0 + i * INT64_C(5000000) + INT64_C(4000000)};
    }
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    for (size_t i = 0, first = 0; i < e.count; i++) {
        size_t count = (size_t)entry_number(&e, "count", i);
        assert_string_equal(entry_name(&e, i), "batch");
        if (i % 100 == 0) {
            fixture_ok(jm_energy_sum(recording, JM_DEVICE_TOTAL, windows + first, count, NULL,
                                     &whole, &error),
                       &error);
            assert_true(fabs(entry_number(&e, "energy_j", i) - whole.energy_j) <
                        1e-6 * whole.energy_j);
            assert_true(fabs(entry_number(&e, "u95_j", i) - whole.u95_j) < 1e-6 * whole.u95_j);
        }
        first += count;
    }
    json_decref(e.root);
    free(windows);
    jm_recording_free(recording);
}

/* Transfers that overlap one another are in two rows in turn, not each below the one before. */
static void rows_are_used_again(void **state) {
    (void)state;
    jm_recording *recording = with_power(600);
    fixture_range(recording, JM_CATEGORY_PHASE, "around", 0, 11, "");
    for (int i = 0; i < 100; i++)
        fixture_range(recording, JM_CATEGORY_USER, "load", 0.1 * i, 0.1 * i + 0.15, "");
    fixture_range(recording, JM_CATEGORY_USER, "inside", 0.01, 0.02, "");
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_near(number(json_array_get(e.lanes, 0), "depth"), 3);
    for (size_t i = 0; i < e.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(entry_number(&e, "depth", i) != entry_number(&e, "depth", k) ||
                        entry_number(&e, "end_s", k) <= entry_number(&e, "begin_s", i) + 1e-9);
    assert_near(entry_number(&e, "depth", entry_called(&e, "around")), 0);
    assert_near(entry_number(&e, "depth", entry_called(&e, "inside")), 2);
    json_decref(e.root);
    jm_recording_free(recording);
}

static void thousands_of_threads_are_one_lane(void **state) {
    (void)state;
    jm_recording *recording = with_power(600);
    for (uint32_t i = 0; i < 3000; i++) {
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = FIXTURE_T0 + i * INT64_C(3000000);
        range.end_ns = range.begin_ns + INT64_C(4000000);
        range.pid = 7;
        range.thread = i;
        range.name = "request";
        range.attributes = "";
        assert_int_equal(jm_recording_add_range(recording, &range, NULL), JM_OK);
    }
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_int_equal(json_array_size(e.lanes), 1);
    assert_string_equal(json_string_value(at(json_array_get(e.lanes, 0), "label")), "all threads");
    json_decref(e.root);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_nest),
        cmocka_unit_test(many_ranges_become_few),
        cmocka_unit_test(what_is_joined_has_the_energy_of_its_parts),
        cmocka_unit_test(rows_are_used_again),
        cmocka_unit_test(thousands_of_threads_are_one_lane),
    };
    return cmocka_run_group_tests_name("figure: ranges of the page", tests, NULL, NULL);
}
