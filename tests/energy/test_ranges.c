/* What ranges tell of the load: classes, nesting, loads that keep step, very many ranges. */
#include "helpers.h"

#include "energy/activity.h"

/* 100 W, and 300 W for the first 40 ms of every 100 ms + a bit. */
static double beating(double t) {
    const double period = 0.1093, on = 0.04;
    double n = floor(t / period), in = t - n * period;
    return n * (100 * period + 200 * on) + 100 * in + 200 * fmin(in, on);
}
/* Likewise, in step with a sensor of 100 ms. */
static double locked(double t) {
    const double period = 0.1, on = 0.04;
    double n = floor(t / period), in = t - n * period;
    return n * (100 * period + 200 * on) + 100 * in + 200 * fmin(in, on);
}

static jm_recording *seen_through(double window_s, energy_fn energy, double period,
                                  double noise_w) {
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, window_s);
    polled source = {.energy = energy,
                     .refresh_s = 0.1,
                     .window_s = window_s,
                     .phase_s = 0.0137,
                     .noise_w = noise_w};
    follow(r, s, &source, 0, 20, 0);
    for (int i = 0; i * period < 20; i++)
        add_range(r, JM_CATEGORY_BATCH, "on", i * period, i * period + 0.04);
    return r;
}

static jm_recording *on_off(energy_fn energy, double period, double noise_w) {
    return seen_through(0.025, energy, period, noise_w);
}

/* ---- the timeline ---- */

static jmi_timeline timeline_of(const jm_recording *r) {
    jmi_timeline line;
    jm_error error = {0};
    if (jmi_timeline_build(&line, r, 0, NULL, &error) != JM_OK)
        fail_msg("timeline: %s", error.message);
    for (size_t i = 0; i < line.count; i++) {
        assert_true(line.cls[i] < line.classes);
        if (i > 0) assert_true(line.t[i] > line.t[i - 1] && line.cls[i] != line.cls[i - 1]);
    }
    assert_true(line.classes <= JMI_CLASSES);
    return line;
}

static uint8_t class_at(const jmi_timeline *line, double t_s) {
    return line->cls[jmi_timeline_find(line, at(t_s), 0)];
}

static void the_innermost_range_counts(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    add_range(r, JM_CATEGORY_PHASE, "train", 1, 9);
    add_range(r, JM_CATEGORY_BATCH, "batch", 2, 5);
    add_range(r, JM_CATEGORY_LAYER, "layer", 3, 4);
    add_range(r, JM_CATEGORY_BATCH, "batch", 6, 7);
    add_range(r, JM_CATEGORY_SESSION, "python train.py", 0, 10); /* says nothing of the load */
    jmi_timeline line = timeline_of(r);
    assert_int_equal(line.classes, 4);
    uint8_t train = class_at(&line, 1.5), batch = class_at(&line, 2.5),
            layer = class_at(&line, 3.5);
    assert_int_equal(class_at(&line, 0.5), 0);
    assert_true(train != 0 && batch != 0 && layer != 0 && train != batch && batch != layer);
    assert_int_equal(class_at(&line, 4.5), batch);
    assert_int_equal(class_at(&line, 5.5), train);
    assert_int_equal(class_at(&line, 6.5), batch); /* the same name, the same class */
    assert_int_equal(class_at(&line, 9.5), 0);
    double times[JMI_CLASSES] = {0};
    size_t hint = 0;
    jmi_timeline_times(&line, at(0), at(10), &hint, times);
    close_to(times[0], 2, 1e-9, "none");
    close_to(times[train], 4, 1e-9, "train");
    close_to(times[batch], 3, 1e-9, "batch");
    close_to(times[layer], 1, 1e-9, "layer");
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

/* Windows over many changes are looked up in running sums; a change at a time gives the same. */
static void times_of_long_windows(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    double t = 1;
    for (int i = 0; i < 3000; i++, t += 0.003)
        add_range(r, JM_CATEGORY_BATCH, i % 3 == 0 ? "a" : "b", t, t + (i % 7 + 1) * 3e-4);
    jmi_timeline line = timeline_of(r);
    size_t hint = 0, step_hint = 0;
    for (int i = 0; i < 400; i++) {
        int64_t from = at(0.5) + i * 11000017LL, to = from + i * (int64_t)i * 61001LL;
        double times[JMI_CLASSES] = {0}, sum[JMI_CLASSES] = {0}, whole = 0;
        jmi_timeline_times(&line, from, to, &hint, times);
        for (int64_t a = from; a < to; a += 1000000)
            jmi_timeline_times(&line, a, a + 1000000 < to ? a + 1000000 : to, &step_hint, sum);
        for (uint32_t c = 0; c < line.classes; c++) {
            close_to(times[c], sum[c], 1e-6, "a class");
            whole += times[c];
        }
        close_to(whole, (double)(to - from) * 1e-9, 1e-9, "all");
    }
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

static void overlapping_ranges(void **state) {
    (void)state; /* two threads: the one begun last counts, until it ends */
    jm_recording *r = recording_new();
    add_range(r, JM_CATEGORY_USER, "copy", 1, 4);
    add_range(r, JM_CATEGORY_USER, "compute", 2, 6);
    add_range(r, JM_CATEGORY_USER, "nothing", 3, 3);
    jmi_timeline line = timeline_of(r);
    uint8_t copy = class_at(&line, 1.5), compute = class_at(&line, 2.5);
    assert_true(copy != compute && copy != 0);
    assert_int_equal(class_at(&line, 3.5), compute);
    assert_int_equal(class_at(&line, 5), compute); /* copy has ended meanwhile */
    assert_int_equal(class_at(&line, 6.5), 0);
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

static void digits_make_no_classes(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "epoch %d of 200", i);
        add_range(r, JM_CATEGORY_EPOCH, name, i, i + 0.5);
    }
    add_range(r, JM_CATEGORY_BATCH, "epoch 1 of 200", 300, 301); /* another category */
    jmi_timeline line = timeline_of(r);
    assert_int_equal(line.classes, 3);
    assert_int_equal(class_at(&line, 0.2), class_at(&line, 199.2));
    assert_int_not_equal(class_at(&line, 0.2), class_at(&line, 300.5));
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

static void many_names_share_a_class(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    char name[32];
    for (int i = 0; i < 3000; i++) { /* longer ranges for the first letters */
        snprintf(name, sizeof name, "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
        add_range(r, JM_CATEGORY_LAYER, name, i, i + 0.9 - i * 1e-4);
    }
    jmi_timeline line = timeline_of(r);
    assert_int_equal(line.classes, JMI_CLASSES);
    assert_int_not_equal(class_at(&line, 0.1), class_at(&line, 1.1));
    assert_int_equal(class_at(&line, 2900.1), class_at(&line, 2901.1));
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

/* What one GPU runs says nothing of the other. */
static void ranges_of_another_device(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    add_device(r, "gpu0", 400);
    add_device(r, "gpu1", 400);
    static const char *const devices[] = {"", "gpu0", "gpu1"};
    for (int i = 0; i < 3; i++) {
        jm_range range = JM_RANGE_INIT;
        range.category = JM_CATEGORY_KERNEL;
        range.name = i == 0 ? "host" : i == 1 ? "gemm" : "relu";
        range.device = devices[i];
        range.begin_ns = at(1 + i);
        range.end_ns = at(1.5 + i);
        assert_int_equal(jm_recording_add_range(r, &range, NULL), JM_OK);
    }
    jmi_timeline line = timeline_of(r); /* of gpu0 */
    assert_int_equal(line.classes, 3);
    assert_int_not_equal(class_at(&line, 1.1), 0);
    assert_int_not_equal(class_at(&line, 2.1), 0);
    assert_int_equal(class_at(&line, 3.1), 0);
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

static void ranges_that_say_nothing(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    jmi_timeline line;
    assert_int_equal(jmi_timeline_build(&line, r, 0, NULL, NULL), JM_NO_DATA);
    add_range(r, JM_CATEGORY_SESSION, "all", 0, 10);
    add_range(r, JM_CATEGORY_USER, "empty", 2, 2);
    assert_int_equal(jmi_timeline_build(&line, r, 0, NULL, NULL), JM_NO_DATA);
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

static void times_are_found_from_anywhere(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    for (int i = 0; i < 500; i++) add_range(r, JM_CATEGORY_BATCH, "b", i, i + 0.3 + 0.001 * i);
    jmi_timeline line = timeline_of(r);
    uint64_t random = 4;
    for (int i = 0; i < 20000; i++) {
        int64_t t = at(random_between(&random, -10, 510));
        if (i % 7 == 0) t = line.t[random_bits(&random) % line.count]; /* at a change itself */
        size_t from = random_bits(&random) % (2 * line.count);
        size_t found = jmi_timeline_find(&line, t, from);
        assert_true(line.t[found] <= t);
        assert_true(found + 1 == line.count || line.t[found + 1] > t);
    }
    jmi_timeline_free(&line);
    jm_recording_free(r);
}

/* ---- energies ---- */

static void told_against_blind(double noise_w) {
    jm_recording *with = on_off(beating, 0.1093, noise_w);
    jm_energy_options blind = JM_ENERGY_OPTIONS_INIT;
    blind.no_activity = true;
    for (double begin = 1.02; begin < 18; begin += 0.731) {
        jm_energy on = energy_of(with, 0, begin, begin + 0.5), off;
        double truth = beating(begin + 0.5) - beating(begin);
        close_to(on.energy_j, truth, 0.02 * truth, "with ranges");
        assert_true(on.flags & JM_ENERGY_ACTIVITY);
        assert_int_equal(jm_energy_window(with, 0, at(begin), at(begin + 0.5), &blind, &off, NULL),
                         JM_OK);
        assert_false(off.flags & JM_ENERGY_ACTIVITY);
        assert_true(off.u_random_j > on.u_random_j);
        assert_true(off.lower_j <= truth && truth <= off.upper_j);
    }
    jm_recording_free(with);
}

static void ranges_show_what_the_sensor_missed(void **state) {
    (void)state;
    told_against_blind(1);
    told_against_blind(0); /* equal readings one after the other: nothing shows that it ticked */
}

/* In step with the sensor it always sees the same part of the load: no data can tell, and the
 * interval has to say so. */
/* Readings that are means of a whole second say what each level is, once ranges say when. */
static void ranges_sharpen_means_of_a_second(void **state) {
    (void)state;
    jm_recording *r = seen_through(1, beating, 0.1093, 0);
    for (double begin = 3; begin < 17; begin += 0.617)
        for (double length = 0.01; length < 1; length *= 3) {
            double truth = beating(begin + length) - beating(begin);
            jm_energy e = energy_of(r, 0, begin, begin + length);
            assert_true(e.flags & JM_ENERGY_ACTIVITY);
            assert_true(e.lower_j <= truth && truth <= e.upper_j);
            close_to(e.energy_j, truth, 0.04 * truth + 0.01, "mean of a second");
        }
    jm_recording_free(r);
}

static void a_locked_load_is_wide(void **state) {
    (void)state;
    jm_recording *locked_one = on_off(locked, 0.1, 1);
    jm_recording *free_one = on_off(beating, 0.1093, 1);
    jm_energy a = energy_of(locked_one, 0, 3, 13), b = energy_of(free_one, 0, 3, 13);
    double truth = locked(13) - locked(3);
    assert_true(a.flags & JM_ENERGY_LOCKED);
    assert_false(b.flags & JM_ENERGY_LOCKED);
    assert_true(a.lower_j <= truth && truth <= a.upper_j);
    assert_true(a.u_random_j > 5 * b.u_random_j);
    jm_recording_free(locked_one);
    jm_recording_free(free_one);
}

static void ranges_that_tell_nothing_change_nothing(void **state) {
    (void)state;
    jm_recording *plain = record_gpu(slow_sine, 0.1, 0.1, 20);
    jm_recording *outside = record_gpu(slow_sine, 0.1, 0.1, 20);
    jm_recording *whole = record_gpu(slow_sine, 0.1, 0.1, 20);
    add_range(outside, JM_CATEGORY_USER, "before", -30, -20);
    add_range(outside, JM_CATEGORY_USER, "after", 40, 50);
    add_range(whole, JM_CATEGORY_USER, "all of it", -30, 50);
    for (double a = 0.5; a < 15; a += 0.77) {
        jm_energy p = energy_of(plain, 0, a, a + 2.2), o = energy_of(outside, 0, a, a + 2.2),
                  w = energy_of(whole, 0, a, a + 2.2);
        close_to(o.energy_j, p.energy_j, 1e-9 * p.energy_j, "outside");
        close_to(w.energy_j, p.energy_j, 1e-3 * p.energy_j, "all of it");
        assert_false(o.flags & JM_ENERGY_ACTIVITY);
    }
    jm_recording_free(plain);
    jm_recording_free(outside);
    jm_recording_free(whole);
}

/* Ranges may lie, or mean something else than load: the estimate must stay near the readings. */
static void misleading_ranges(void **state) {
    (void)state;
    uint64_t random = 11;
    for (int round = 0; round < 20; round++) {
        jm_recording *r = record_gpu(slow_sine, 0.1, 0.1, 20);
        for (int i = 0; i < 100; i++) {
            double begin = random_between(&random, 0, 20);
            char name[2] = {(char)('a' + random_bits(&random) % 20), '\0'};
            add_range(r, JM_CATEGORY_USER, name, begin, begin + random_between(&random, 0, 2));
        }
        for (double a = 1; a < 15; a += 2.3) {
            double truth = slow_sine(a + 3) - slow_sine(a);
            jm_energy e = energy_of(r, 0, a, a + 3);
            close_to(e.energy_j, truth, 0.05 * truth, "under random ranges");
        }
        jm_recording_free(r);
    }
}

static void every_range_in_order(void **state) {
    (void)state;
    jm_recording *r = record_gpu(slow_sine, 0.1, 0, 20);
    uint64_t random = 12;
    enum { MANY = 300 };
    double begin[MANY], end[MANY];
    for (int i = 0; i < MANY; i++) { /* in no order, nested and overlapping */
        begin[i] = random_between(&random, -1, 20);
        end[i] = begin[i] + random_between(&random, -0.1, 3);
        if (end[i] < begin[i]) end[i] = begin[i];
        add_range(r, JM_CATEGORY_USER, i % 2 ? "odd" : "even", begin[i], end[i]);
    }
    static jm_energy out[MANY], total[MANY];
    assert_int_equal(jm_energy_ranges(r, 0, NULL, out, MANY, NULL), JM_OK);
    assert_int_equal(jm_energy_ranges(r, JM_DEVICE_TOTAL, NULL, total, MANY, NULL), JM_OK);
    for (int i = 0; i < MANY; i++) {
        jm_energy one = energy_of(r, 0, begin[i], end[i]);
        assert_memory_equal(&one, &out[i], sizeof one);
        check_energy(&total[i]);
        close_to(total[i].energy_j, one.energy_j, 1e-9 * one.energy_j, "total");
    }
    assert_int_equal(jm_energy_ranges(r, 0, NULL, out, 10, NULL), JM_OK); /* the first ten */
    jm_recording_free(r);
}

/* 100,000 ranges of 5,000 names, nested three deep. */
static void very_many_ranges(void **state) {
    (void)state;
    const size_t many = (size_t)setting("ENERGY_RANGES", 100000);
    jm_recording *r = record_gpu(slow_sine, 0.1, 0.025, 20);
    for (size_t i = 0; i < many; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer%c%c%c%zu", (char)('a' + i % 17), (char)('a' + i % 19),
                 (char)('a' + i % 16), i);
        double begin = 20.0 * (double)i / (double)many;
        double length = i % 100 == 0 ? 0.02 : i % 10 == 0 ? 0.002 : 0.00015;
        add_range(r, JM_CATEGORY_KERNEL, name, begin, begin + length);
    }
    jm_energy *out = malloc(many * sizeof *out);
    int64_t before = jm_now_ns();
    assert_int_equal(jm_energy_ranges(r, 0, NULL, out, many, NULL), JM_OK);
    double took = (double)(jm_now_ns() - before) * 1e-9;
    for (size_t i = 0; i < many; i++) check_energy(&out[i]);
    assert_true(took < 30); /* not the square of their number */
    free(out);
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_innermost_range_counts),
        cmocka_unit_test(times_of_long_windows),
        cmocka_unit_test(overlapping_ranges),
        cmocka_unit_test(digits_make_no_classes),
        cmocka_unit_test(many_names_share_a_class),
        cmocka_unit_test(ranges_of_another_device),
        cmocka_unit_test(ranges_that_say_nothing),
        cmocka_unit_test(times_are_found_from_anywhere),
        cmocka_unit_test(ranges_show_what_the_sensor_missed),
        cmocka_unit_test(ranges_sharpen_means_of_a_second),
        cmocka_unit_test(a_locked_load_is_wide),
        cmocka_unit_test(ranges_that_tell_nothing_change_nothing),
        cmocka_unit_test(misleading_ranges),
        cmocka_unit_test(every_range_in_order),
        cmocka_unit_test(very_many_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
