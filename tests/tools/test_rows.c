/* Rows of benchmarks: when a target is met, what the JSON holds, how --only selects. */
#include "rows.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char *json_path;

static void met_follows_the_goal(void **state) {
    (void)state;
    assert_true(row_met(&(row){.goal = ROW_AT_MOST, .value = 50, .target = 50}));
    assert_false(row_met(&(row){.goal = ROW_AT_MOST, .value = 51, .target = 50}));
    assert_true(row_met(&(row){.goal = ROW_AT_LEAST, .value = 51, .target = 50}));
    assert_false(row_met(&(row){.goal = ROW_AT_LEAST, .value = 49, .target = 50}));
    assert_true(row_met(&(row){.goal = ROW_WITHIN, .value = 95, .target = 93, .target_high = 97}));
    assert_false(row_met(&(row){.goal = ROW_WITHIN, .value = 98, .target = 93, .target_high = 97}));
    assert_false(row_met(&(row){.goal = ROW_AT_MOST, .value = NAN, .target = 50}));
    assert_false(row_met(&(row){.goal = ROW_AT_LEAST, .value = INFINITY, .target = 50}));
}

static void only_selects_by_part_of_the_name(void **state) {
    (void)state;
    char *arguments[] = {"x", "--only", "Range"};
    rows *all = rows_open("x", 3, arguments);
    assert_true(rows_want(all, "begin of a range"));
    assert_false(rows_want(all, "file writing"));
    rows_add(all, &(row){.name = "a range", .value = 1, .unit = "ns"});
    assert_int_equal(rows_close(all), 0);
}

static void json_holds_every_row(void **state) {
    (void)state;
    char *arguments[] = {"x", "--json", json_path};
    rows *all = rows_open("x", 3, arguments);
    rows_add(all, &(row){.name = "a", .value = 2, .unit = "ns", .goal = ROW_AT_MOST, .target = 1});
    rows_add(all,
             &(row){.name = "b", .value = INFINITY, .unit = "%", .baseline = 7, .beside = "Zeus"});
    rows_skip(all, "c", "no pip");
    assert_int_equal(rows_close(all), 1);

    json_t *whole = json_load_file(json_path, 0, NULL);
    json_t *list = json_object_get(whole, "rows");
    assert_int_equal(json_array_size(list), 3);
    json_t *a = json_array_get(list, 0), *b = json_array_get(list, 1), *c = json_array_get(list, 2);
    assert_true(json_is_false(json_object_get(a, "met")));
    assert_true(json_real_value(json_object_get(a, "target")) == 1);
    assert_true(json_is_null(json_object_get(b, "value")));
    assert_true(json_real_value(json_object_get(b, "baseline")) == 7);
    assert_string_equal(json_string_value(json_object_get(b, "beside")), "Zeus");
    assert_string_equal(json_string_value(json_object_get(c, "skipped")), "no pip");
    json_decref(whole);
}

int main(int argc, char **argv) {
    json_path = argc > 1 ? argv[1] : "rows.json";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(met_follows_the_goal),
        cmocka_unit_test(only_selects_by_part_of_the_name),
        cmocka_unit_test(json_holds_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
