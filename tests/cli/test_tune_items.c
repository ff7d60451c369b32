/* The iterations of a command, as `limit tune` finds them in a recording. */
#include "limit_tune_items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

typedef struct seen {
    size_t count;
    int64_t last_end_ns;
} seen;

static void take(void *user, int64_t begin_ns, int64_t end_ns) {
    seen *s = user;
    assert_true(begin_ns <= end_ns);
    s->count++;
    s->last_end_ns = end_ns;
}

typedef struct fixture {
    jm_recording *recording;
    tune_items items;
    seen seen;
} fixture;

static void open_fixture(fixture *f, const char *wanted) {
    *f = (fixture){0};
    assert_int_equal(jm_recording_new(&f->recording, NULL), JM_OK);
    tune_items_open(&f->items, f->recording, wanted);
}

static void close_fixture(fixture *f) {
    jm_recording_free(f->recording);
}

static void add(fixture *f, jm_category category, const char *name, int64_t begin_ms,
                int64_t end_ms) {
    jm_range range = JM_RANGE_INIT;
    range.category = category;
    range.name = name;
    range.begin_ns = begin_ms * 1000000;
    range.end_ns = end_ms * 1000000;
    assert_int_equal(jm_recording_add_range(f->recording, &range, NULL), JM_OK);
}

static void mark(fixture *f, const char *name, int64_t ms) {
    jm_mark_info info = {.size = sizeof info, .t_ns = ms * 1000000, .name = name};
    assert_int_equal(jm_recording_add_mark(f->recording, &info, NULL), JM_OK);
}

static bool look(fixture *f) {
    tune_items_look(&f->items, take, &f->seen);
    return tune_items_choose(&f->items);
}

static void test_nothing(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, NULL);
    assert_false(look(&f));
    assert_string_equal(tune_items_name(&f.items), "item");
    add(&f, JM_CATEGORY_PHASE, "prepare", 0, 10);
    add(&f, JM_CATEGORY_PHASE, "train", 10, 20);
    add(&f, JM_CATEGORY_SESSION, "command", 0, 20);
    assert_false(look(&f)); /* nothing that comes again */
    close_fixture(&f);
}

static void test_batches_before_all_else(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "batch %d", i); /* numbered by some */
        add(&f, JM_CATEGORY_LAYER, "conv", 10 * i, 10 * i + 1);
        add(&f, JM_CATEGORY_USER, "step", 10 * i, 10 * i + 9);
        add(&f, JM_CATEGORY_BATCH, name, 10 * i, 10 * i + 8);
        mark(&f, "loss", 10 * i + 9);
    }
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "batch");
    assert_int_equal(f.seen.count, 0); /* what chose it does not count */
    assert_int_equal(f.items.usual_ns, 10000000);
    add(&f, JM_CATEGORY_BATCH, "batch 3", 30, 38);
    add(&f, JM_CATEGORY_USER, "step", 30, 39);
    assert_false(look(&f));
    assert_int_equal(f.seen.count, 1);
    assert_int_equal(f.seen.last_end_ns, 38000000);
    close_fixture(&f);
}

static void test_the_outermost_of_those_that_come_again(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++)
            add(&f, JM_CATEGORY_NVTX, "forward", 30 * i + 10 * k, 30 * i + 10 * k + 5);
        add(&f, JM_CATEGORY_NVTX, "iteration", 30 * i, 30 * i + 29);
    }
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "iteration");
    close_fixture(&f);
}

static void test_one_that_is_asked_for(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, "forward");
    for (int i = 0; i < 3; i++) {
        add(&f, JM_CATEGORY_BATCH, "batch", 10 * i, 10 * i + 9);
        add(&f, JM_CATEGORY_WARMUP, "forward", 10 * i, 10 * i + 5);
    }
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "forward");
    close_fixture(&f);
    open_fixture(&f, "epoch");
    for (int i = 0; i < 3; i++) add(&f, JM_CATEGORY_EPOCH, "e", 10 * i, 10 * i + 9);
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "epoch");
    close_fixture(&f);
}

static void test_marks(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 3; i++) mark(&f, "step", 10 * i);
    assert_true(look(&f));
    mark(&f, "step", 30);
    assert_false(look(&f));
    assert_int_equal(f.seen.count, 1);
    assert_int_equal(f.seen.last_end_ns, 30000000);
    close_fixture(&f);
}

static void test_a_better_one_comes_later(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 3; i++) add(&f, JM_CATEGORY_USER, "load", 10 * i, 10 * i + 9);
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "load");
    for (int i = 3; i < 6; i++) add(&f, JM_CATEGORY_BATCH, "batch", 10 * i, 10 * i + 9);
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "batch");
    close_fixture(&f);
}

/* A range that has not ended is looked at again; ones that never end are not looked at for ever. */
static void test_open_ranges(void **state) {
    jm_session *session = NULL;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    tune_items items;
    seen s = {0};
    (void)state;
    options.flags = JM_SESSION_NO_JOIN | JM_SESSION_NO_SAMPLER;
    assert_int_equal(jm_session_open(&session, &options, NULL), JM_OK);
    const jm_recording *recording = jm_session_recording(session);
    tune_items_open(&items, recording, NULL);
    jm_range_id open[2 * TUNE_OPEN];
    for (int i = 0; i < 3; i++) jm_end(session, jm_begin_as(session, JM_CATEGORY_BATCH, "b", NULL));
    for (int i = 0; i < 2 * TUNE_OPEN; i++)
        open[i] = jm_begin_as(session, JM_CATEGORY_BATCH, "b", NULL);
    jm_session_flush(session, NULL);
    tune_items_look(&items, take, &s);
    assert_true(tune_items_choose(&items));
    assert_true(items.open_count <= TUNE_OPEN);
    for (int i = 0; i < 2 * TUNE_OPEN; i++) jm_end(session, open[i]);
    jm_session_flush(session, NULL);
    tune_items_look(&items, take, &s);
    assert_int_equal(s.count, TUNE_OPEN);
    tune_items_restart(&items);
    assert_int_equal(items.open_count, 0);
    jm_session_close(session, NULL, NULL);
}

static void test_many_names(void **state) {
    fixture f;
    char name[200];
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 3; i++) add(&f, JM_CATEGORY_BATCH, "batch", 10 * i, 10 * i + 9);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%0190d", i); /* as long as a name is; only the end differs */
        add(&f, JM_CATEGORY_USER, name, 10 * i, 10 * i + 9);
        snprintf(name, sizeof name, "request %d", i);
        add(&f, JM_CATEGORY_USER, name, 10 * i, 10 * i + 9);
    }
    assert_true(look(&f));
    assert_string_equal(tune_items_name(&f.items), "batch");
    assert_true(f.items.kind_count <= TUNE_KINDS);
    close_fixture(&f);
}

/* Between two iterations something else was done. */
static void test_pauses(void **state) {
    fixture f;
    int64_t until;
    const int64_t ms = 1000000;
    (void)state;
    open_fixture(&f, NULL);
    for (int i = 0; i < 4; i++) mark(&f, "step", 100 * (i + 1));
    assert_true(look(&f));
    assert_false(tune_items_pause(&f.items, 500 * ms, 500 * ms, &until));
    assert_false(tune_items_pause(&f.items, 1190 * ms, 1190 * ms, &until)); /* 7.9 usual ones */
    assert_true(tune_items_pause(&f.items, 1300 * ms, 1300 * ms, &until));
    assert_int_equal(until, 1300 * ms); /* a mark: its work is somewhere in between */
    assert_true(tune_items_pause(&f.items, 1300 * ms, 1400 * ms, &until));
    assert_int_equal(until, 1300 * ms); /* a range: its work counts */
    assert_false(tune_items_pause(&f.items, 500 * ms, 5000 * ms, &until)); /* it was long itself */
    tune_items_restart(&f.items);
    assert_false(tune_items_pause(&f.items, 5000 * ms, 5000 * ms, &until)); /* another run */
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_batches_before_all_else),
        cmocka_unit_test(test_the_outermost_of_those_that_come_again),
        cmocka_unit_test(test_one_that_is_asked_for),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_a_better_one_comes_later),
        cmocka_unit_test(test_open_ranges),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
