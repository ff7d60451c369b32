/* The table of phases: calls of one name together, each joule and each sample counted once. */
#include "walk.h"

static double watts(int i) {
    (void)i;
    return 100;
}

static double busy(int i) {
    return i < 250 ? 20 : 80; /* from 5 s on */
}

/* 12 s of 100 W. */
static jm_recording *recording_new(void) {
    jm_recording *recording = NULL;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "now", false), 601,
                    watts);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_GPU_UTIL, "util", false),
                    601, busy);
    return recording;
}

static jm_range_id add(jm_recording *recording, jm_category category, const char *name,
                       double begin_s, double end_s, const char *attributes, jm_range_id parent) {
    jm_error error = {0};
    jm_range range = {.size = sizeof range,
                      .parent = parent,
                      .begin_ns = FIXTURE_T0 + llround(begin_s * 1e9),
                      .end_ns = FIXTURE_T0 + llround(end_s * 1e9),
                      .category = category,
                      .pid = 42,
                      .name = name,
                      .attributes = attributes};
    fixture_ok(jm_recording_add_range(recording, &range, &error), &error);
    return range.id;
}

static jm_range_id phase(jm_recording *recording, const char *name, double begin_s, double end_s,
                         const char *attributes) {
    return add(recording, JM_CATEGORY_PHASE, name, begin_s, end_s, attributes, 0);
}

static void batches(jm_recording *recording, int count, double begin_s, double each_s,
                    const char *attributes, jm_range_id parent) {
    for (int i = 0; i < count; i++)
        add(recording, JM_CATEGORY_BATCH, "batch", begin_s + i * each_s, begin_s + (i + 1) * each_s,
            attributes, parent);
}

static void calls_of_a_name_together(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    jm_range_id train = phase(recording, "train", 2, 4, "");
    phase(recording, "infer", 1, 2, "{\"samples\":500}");
    jm_range_id again = phase(recording, "train", 6, 7, "");
    batches(recording, 4, 2, 0.25, "{\"size\":8}", train);
    batches(recording, 2, 6, 0.5, "{\"size\":4}", again);
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 2);
    assert_string_equal(text(&t, "phase", 0), "infer"); /* in the order of their first calls */
    same(number(&t, "samples", 0), 500);
    assert_string_equal(text(&t, "phase", 1), "train");
    assert_string_equal(text(&t, "category", 1), "phase");
    same(number(&t, "calls", 1), 2);
    same(number(&t, "time_s", 1), 3);
    same(number(&t, "samples", 1), 40);
    same(number(&t, "throughput", 1), 40 / 3.0);
    same(number(&t, "ts", 1), 2);
    same(number(&t, "avg_gpu_util", 1), (2 * 20 + 1 * 80) / 3.0);
    assert_true(is_null(&t, "avg_mem_util", 1));
    same(number(&t, "bound_only", 1), 0);
    assert_string_equal(text(&t, "provenance", 1), "power");
    jm_window windows[] = {{FIXTURE_T0 + 2 * JMI_NS_PER_S, FIXTURE_T0 + 4 * JMI_NS_PER_S},
                           {FIXTURE_T0 + 6 * JMI_NS_PER_S, FIXTURE_T0 + 7 * JMI_NS_PER_S}};
    jm_energy sum;
    assert_int_equal(jm_energy_sum(recording, JM_DEVICE_TOTAL, windows, 2, NULL, &sum, NULL),
                     JM_OK);
    same(number(&t, "energy_j", 1), sum.energy_j);
    same(number(&t, "energy_u95_j", 1), sum.u95_j);
    same(number(&t, "avg_power_w", 1), sum.mean_power_w);
    same(number(&t, "j_per_sample", 1), sum.energy_j / 40);
    assert_true(fabs(sum.energy_j - 300) < 10);
    free_table(&t);
    jm_recording_free(recording);
}

static void overlaps_count_once(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    phase(recording, "work", 1, 3, "");
    phase(recording, "work", 2, 4, ""); /* of another thread */
    phase(recording, "work", 2.5, 2.6, "");
    phase(recording, "work", 4, 5, "");
    phase(recording, "other", 1, 1, ""); /* takes no time */
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 2);
    assert_string_equal(text(&t, "phase", 0), "work");
    same(number(&t, "calls", 0), 4);
    same(number(&t, "time_s", 0), 4);
    assert_true(fabs(number(&t, "energy_j", 0) - 400) < 10);
    assert_true(is_null(&t, "samples", 0));
    assert_true(is_null(&t, "throughput", 0));
    assert_true(is_null(&t, "j_per_sample", 0));
    same(number(&t, "time_s", 1), 0);
    free_table(&t);
    jm_recording_free(recording);
}

static void samples_are_known_or_not(void **state) {
    static const struct {
        const char *name;
        double samples;
    } wanted[] = {{"sized", 3},        {"said", 7},   {"unsized", NAN}, {"negative", NAN},
                  {"unsized but", 11}, {"half", NAN}, {"real", 2},      {"zero", 0}};
    (void)state;
    jm_recording *recording = recording_new();
    batches(recording, 3, 0, 0.1, "{\"size\":1}",
            phase(recording, "sized", 0, 1, "{\"samples\":9}"));
    phase(recording, "said", 1, 2, "{\"samples\":7}");
    jm_range_id unsized = phase(recording, "unsized", 2, 3, "");
    batches(recording, 1, 2, 0.1, "{\"size\":5}", unsized);
    batches(recording, 1, 2.5, 0.1, "", unsized); /* who knows how many */
    phase(recording, "negative", 3, 4, "{\"samples\":-7}");
    batches(recording, 1, 4, 0.1, "", phase(recording, "unsized but", 4, 5, "{\"samples\":11}"));
    batches(recording, 1, 5, 0.1, "{\"size\":5}", phase(recording, "half", 5, 6, ""));
    phase(recording, "half", 6, 7, "");
    phase(recording, "real", 7, 8, "{\"samples\":2.0}");
    phase(recording, "zero", 8, 9, "{\"samples\":0}");
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, JMI_COUNT(wanted));
    for (int i = 0; i < (int)JMI_COUNT(wanted); i++) {
        assert_string_equal(text(&t, "phase", i), wanted[i].name);
        same(number(&t, "samples", i), wanted[i].samples);
        assert_int_equal(is_null(&t, "throughput", i), !(wanted[i].samples > 0));
    }
    free_table(&t);
    jm_recording_free(recording);
}

static void phases_hold_phases(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    jm_range_id outer = phase(recording, "outer", 0, 5, "");
    jm_range_id inner = add(recording, JM_CATEGORY_PHASE, "inner", 1, 3, "", outer);
    jm_range_id same_name = add(recording, JM_CATEGORY_PHASE, "outer", 1, 2, "", inner);
    batches(recording, 2, 1, 0.1, "{\"size\":10}", same_name);
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 2);
    assert_string_equal(text(&t, "phase", 0), "outer");
    same(number(&t, "samples", 0), 20);
    same(number(&t, "time_s", 0), 5);
    same(number(&t, "samples", 1), 20);
    free_table(&t);
    jm_recording_free(recording);
}

static void phases_in_circles(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    jm_range a = {.size = sizeof a,
                  .id = 5,
                  .parent = 6,
                  .begin_ns = FIXTURE_T0,
                  .end_ns = FIXTURE_T0 + 10,
                  .category = JM_CATEGORY_PHASE,
                  .name = "a"};
    jm_range b = a;
    b.id = 6;
    b.parent = 5;
    b.name = "b";
    jm_recording_add_range(recording, &a, NULL);
    jm_recording_add_range(recording, &b, NULL);
    batches(recording, 1, 0, 1e-8, "{\"size\":3}", 5);
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 2);
    same(number(&t, "samples", 0), 3);
    same(number(&t, "samples", 1), 3);
    free_table(&t);
    jm_recording_free(recording);
}

static void warmups_beside_phases(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    add(recording, JM_CATEGORY_WARMUP, "warmup", 1, 2, "", 0);
    batches(recording, 3, 1, 0.1, "{\"size\":2}", 0);
    jm_range_id infer = phase(recording, "infer", 2, 4, "");
    add(recording, JM_CATEGORY_WARMUP, "held by parent", 2, 3, "", infer);
    add(recording, JM_CATEGORY_WARMUP, "held by time", 3, 3.5, "", 0);
    add(recording, JM_CATEGORY_WARMUP, "infer", 5, 6, "{\"samples\":4}", 0);
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 3);
    assert_string_equal(text(&t, "phase", 0), "warmup");
    assert_string_equal(text(&t, "category", 0), "warmup");
    same(number(&t, "samples", 0), 6);
    assert_string_equal(text(&t, "phase", 1), "infer");
    assert_string_equal(text(&t, "category", 1), "phase");
    assert_true(is_null(&t, "samples", 1));
    assert_string_equal(text(&t, "phase", 2), "infer"); /* a phase is not a warm-up of its name */
    assert_string_equal(text(&t, "category", 2), "warmup");
    same(number(&t, "samples", 2), 4);
    free_table(&t);
    jm_recording_free(recording);
}

static void of_one_device(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    double sums[3];
    for (uint32_t device = 0; device < 3; device++) {
        options.device = device < 2 ? device : JM_DEVICE_TOTAL;
        table t = read_table(recording, JM_TABLE_PHASES, &options);
        assert_int_equal(t.rows, 3); /* idle, load, train */
        assert_string_equal(text(&t, "phase", 2), "train");
        same(number(&t, "samples", 2), 50 * 32);
        sums[device] = number(&t, "energy_j", 2);
        free_table(&t);
    }
    assert_true(fabs(sums[0] + sums[1] - sums[2]) < 1e-6 * sums[2]);
    jm_recording_free(recording);
}

static void nothing_measured_is_null(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 0);
    free_table(&t);
    phase(recording, "train", 1, 2, "{\"samples\":7}");
    t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, 1);
    assert_true(is_null(&t, "energy_j", 0));
    assert_true(is_null(&t, "energy_u95_j", 0));
    assert_true(is_null(&t, "avg_power_w", 0));
    assert_true(is_null(&t, "j_per_sample", 0));
    assert_true(is_null(&t, "provenance", 0));
    assert_true(is_null(&t, "avg_gpu_util", 0));
    same(number(&t, "throughput", 0), 7);
    free_table(&t);
    jm_recording_free(recording);
}

static void many_names(void **state) {
    enum { MANY = 70000 }; /* more than one batch of rows */
    (void)state;
    jm_recording *recording = NULL;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "phase %d", i);
        phase(recording, name, i * 1e-3, (i + 1) * 1e-3, "{\"samples\":1}");
    }
    table t = read_table(recording, JM_TABLE_PHASES, NULL);
    assert_int_equal(t.rows, MANY);
    assert_string_equal(text(&t, "phase", MANY - 1), "phase 69999");
    free_table(&t);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_a_name_together),
        cmocka_unit_test(overlaps_count_once),
        cmocka_unit_test(samples_are_known_or_not),
        cmocka_unit_test(phases_hold_phases),
        cmocka_unit_test(phases_in_circles),
        cmocka_unit_test(warmups_beside_phases),
        cmocka_unit_test(of_one_device),
        cmocka_unit_test(nothing_measured_is_null),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
