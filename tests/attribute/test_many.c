/* Attribution of a great many ranges, of more layers than there are columns, and of ranges that
 * never end. */
#include "world.h"

#include <sys/resource.h>
#include <time.h>

/* ---- many ---- */

static double cpu_s(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static long peak_kb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* From now on the peak is that of what follows (proc(5), clear_refs). */
static void forget_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file == NULL) return;
    fputs("5\n", file);
    fclose(file);
}

static double slowness(void) {
    const char *text = getenv("JOULEMETER_TEST_SLOWNESS");
    return text != NULL ? atof(text) : 1;
}

/* A million calls of 300 classes, two streams at once, in windows. */
static void a_million_ranges(void **state) {
    (void)state;
    enum { MANY = 1000000, CLASSES = 300, WINDOWS = 10000 };
    world_open(14);
    world_draw(60, 250);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "kernel%d", (int)(random_bits(&the_world.random) % CLASSES));
        jm_range range = {.size = sizeof range,
                          .begin_ns = T0 + i * INT64_C(60000),
                          .end_ns = T0 + i * INT64_C(60000) + 70000 - i % 3 * 20000,
                          .category = JM_CATEGORY_KERNEL,
                          .name = name,
                          .device = "gpu0",
                          .stream = (uint32_t)i % 2};
        assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
    }
    jm_window *windows = jmi_alloc(WINDOWS, sizeof *windows);
    assert_non_null(windows);
    for (int i = 0; i < WINDOWS; i++)
        windows[i] = (jm_window){T0 + i * INT64_C(6000000), T0 + i * INT64_C(6000000) + 5000000};
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    options.windows = windows;
    options.window_count = WINDOWS;
    forget_peak();
    long before_kb = peak_kb();
    double begin_s = cpu_s();
    told t = tell_well(the_world.recording, &options);
    double took_s = cpu_s() - begin_s;
    long grown_kb = peak_kb() - before_kb;
    printf("%.2f s, %ld MB\n", took_s, grown_kb / 1024);
    assert_true(took_s < 8 * slowness());
#ifndef JM_SANITIZED
    assert_true(grown_kb < 400 * 1024);
#endif
    assert_int_equal(t.part_count, CLASSES);
    told_free(&t);
    free(windows);
    world_close();
}

/* ---- more classes than there are columns ---- */

/* Wrappers have hardly any time of their own: they are the least, but not what runs in them. */
static void a_thousand_layers(void **state) {
    (void)state;
    enum { BLOCKS = 100, IN_EACH = 8 };
    world_open(10);
    double block_j[BLOCKS] = {0}, block_s[BLOCKS] = {0};
    for (int round = 0; round < 3; round++)
        for (int b = 0; b < BLOCKS; b++) {
            double begin_s = the_world.now_s, before_j = world_energy(begin_s);
            char name[64];
            world_draw(10e-6, 100);
            for (int i = 0; i < IN_EACH; i++) {
                snprintf(name, sizeof name, "block%d.layer%d", b, i);
                world_call(name, 5e-3 * world_random(0.5, 1.5), b % 2 ? 300 : 150);
            }
            snprintf(name, sizeof name, "block%d", b);
            add_range(the_world.recording, JM_CATEGORY_LAYER, name, begin_s, the_world.now_s);
            block_j[b] += world_energy(the_world.now_s) - before_j;
            block_s[b] += the_world.now_s - begin_s;
        }
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    assert_int_equal(t.part_count, BLOCKS * (IN_EACH + 1));
    double sum_j = 0, all_j = 0;
    for (int b = 0; b < BLOCKS; b++) {
        char name[64];
        snprintf(name, sizeof name, "block%d", b);
        const jm_part *p = part_named(&t, name);
        close_to(p->inclusive_time_s, block_s[b], 1e-6, name);
        close_to(p->inclusive.duration_s, block_s[b], 1e-6, name);
        close_to(p->inclusive.energy_j, block_j[b], 0.7 * block_j[b], name);
        sum_j += p->inclusive.energy_j;
        all_j += block_j[b];
    }
    close_to(sum_j, all_j, 0.03 * all_j, "all blocks");
    told_free(&t);
    world_close();
}

/* What is left of those of least time, which share a column, may be one that is told of, or none.
 */
static void few_of_those_of_least_time(void **state) {
    (void)state;
    enum { LONG = 511 };
    for (int of_no_time = 0; of_no_time < 5; of_no_time++) {
        world_open(13);
        for (int i = 0; i < LONG + 2; i++) {
            char name[32];
            snprintf(name, sizeof name, "layer%d", i);
            world_call(name, 10e-3, 200);
        }
        jm_window window = {at(0), at(5.1)}; /* the last three are not told of */
        for (int i = 0; i < of_no_time; i++) {
            char name[32];
            snprintf(name, sizeof name, "view%d", i);
            add_range(the_world.recording, JM_CATEGORY_LAYER, name, 1, 1);
        }
        world_draw(1, 80);
        world_sense(world_gpu("gpu0"), 0.1, 0.1);
        jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
        for (int windows = 0; windows < 2; windows++) {
            options.windows = windows ? &window : NULL;
            options.window_count = (size_t)windows;
            told t = tell_well(the_world.recording, &options);
            assert_int_equal(t.part_count, (windows ? 510 : LONG + 2) + of_no_time);
            told_free(&t);
        }
        world_close();
    }
}

/* Each request has a name of its own, and steps of the same few names in it. */
static void a_name_for_each_outer_range(void **state) {
    (void)state;
    enum { MANY = 100000 };
    world_open(12);
    world_draw(50, 200);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "request%d", i);
        double begin_s = 50.0 * i / MANY, step_s = 50.0 / MANY;
        add_range(the_world.recording, JM_CATEGORY_LAYER, name, begin_s, begin_s + step_s * 0.9);
        for (int k = 0; k < 3; k++)
            add_range(the_world.recording, JM_CATEGORY_LAYER, k % 2 ? "read" : "write",
                      begin_s + step_s * (0.1 + 0.2 * k), begin_s + step_s * (0.25 + 0.2 * k));
    }
    forget_peak();
    long before_kb = peak_kb();
    told t = tell_well(the_world.recording, NULL);
    long grown_kb = peak_kb() - before_kb;
    printf("%ld MB\n", grown_kb / 1024);
#ifndef JM_SANITIZED
    assert_true(grown_kb < 250 * 1024);
#endif
    assert_int_equal(t.part_count, MANY + 2);
    close_to(part_named(&t, "request7")->inclusive_time_s, 0.9 * 50.0 / MANY, 1e-6, "request7");
    told_free(&t);
    world_close();
}

/* A program that never ends its ranges: all lie in each other, until the end. */
static void ranges_that_never_end(void **state) {
    (void)state;
    enum { MANY = 20000 };
    world_open(11);
    world_draw(5, 200);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    for (int i = 0; i < MANY; i++) {
        jm_range range = {.size = sizeof range,
                          .begin_ns = at(4.0 * i / MANY),
                          .end_ns = at(5),
                          .category = JM_CATEGORY_LAYER,
                          .unfinished = true,
                          .name = i % 2 ? "a" : "b"};
        assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
    }
    told t = tell_well(the_world.recording, NULL);
    close_to(t.info.whole.duration_s, 5, 1e-6, "whole");
    close_to(part_named(&t, "b")->inclusive_time_s, 5, 1e-6, "first of all");
    told_free(&t);
    world_close();
}

/* A server has a thread for each request. */
static void a_thread_for_each_range(void **state) {
    (void)state;
    enum { MANY = 100000 };
    world_open(15);
    world_draw(20, 200);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    for (int i = 0; i < MANY; i++) {
        jm_range range = {.size = sizeof range,
                          .begin_ns = T0 + i * INT64_C(200000),
                          .end_ns = T0 + i * INT64_C(200000) + 300000,
                          .category = JM_CATEGORY_LAYER,
                          .thread = (uint32_t)i,
                          .name = i % 2 ? "get" : "put"};
        assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
    }
    double begin_s = cpu_s();
    told t = tell_well(the_world.recording, NULL);
    assert_true(cpu_s() - begin_s < 2 * slowness());
    close_to(part_named(&t, "get")->energy.duration_s, 10, 1e-3, "half of the time");
    told_free(&t);
    world_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_ranges),           cmocka_unit_test(a_thousand_layers),
        cmocka_unit_test(few_of_those_of_least_time), cmocka_unit_test(a_name_for_each_outer_range),
        cmocka_unit_test(ranges_that_never_end),      cmocka_unit_test(a_thread_for_each_range),
    };
    return cmocka_run_group_tests_name("attribute: many", tests, NULL, NULL);
}
