/* Attribution of odd recordings, and with odd options. */
#include "world.h"

static int status_of(const jm_recording *r, const jm_attribution_options *options) {
    jm_attribution *a = (jm_attribution *)1;
    jm_error error = {0};
    int status = jm_attribute(&a, r, options, &error);
    if (status != JM_OK) {
        assert_null(a);
        assert_int_equal(error.status, status);
        assert_true(error.message[0] != '\0');
        assert_int_equal(jm_attribute(&a, r, options, NULL), status);
    }
    jm_attribution_free(a);
    return status;
}

/* Ten seconds, in which layers a and b run for 0.2 s each, in turns. */
static void usual_world(uint64_t seed) {
    world_open(seed);
    for (int i = 0; i < 25; i++) {
        world_call("a", 0.2, 300);
        world_call("b", 0.2 * world_random(0.8, 1.2), 150);
    }
}

/* ---- what is missing ---- */

static void without_ranges(void **state) {
    (void)state;
    world_open(1);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA); /* nothing at all */
    world_draw(2, 100);
    uint32_t gpu = world_gpu("gpu0");
    world_sense(gpu, 0.1, 0.1);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA);
    add_range(the_world.recording, JM_CATEGORY_PHASE, "train", 0, 2);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA);
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    options.categories = 1u << JM_CATEGORY_PHASE;
    assert_int_equal(status_of(the_world.recording, &options), JM_OK);
    options.prefix = "tr";
    assert_int_equal(status_of(the_world.recording, &options), JM_OK);
    options.prefix = "val";
    assert_int_equal(status_of(the_world.recording, &options), JM_NO_DATA);
    options.categories = 1u << JM_CATEGORY_KERNEL;
    assert_int_equal(status_of(the_world.recording, &options), JM_NO_DATA);
    options.categories = 1u << 31;
    assert_int_equal(status_of(the_world.recording, &options), JM_NO_DATA);
    world_close();
}

static void without_samples(void **state) {
    (void)state;
    usual_world(2);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA); /* no device */
    uint32_t gpu = world_gpu("gpu0");
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA); /* no sensor */
    uint32_t sensor = add_power(the_world.recording, gpu, 0.1, 0.1);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA); /* no sample */
    add_sample(the_world.recording, sensor, 5, 200, 0.002, JM_SAMPLE_MISSING);
    assert_int_equal(status_of(the_world.recording, NULL), JM_NO_DATA); /* no value */
    world_close();
}

/* What comes of it may be an error; if not it makes sense. */
static void maybe(const jm_recording *r) {
    for (int method = 0; method <= JM_ATTRIBUTION_BOUNDARY; method++)
        for (int net = 0; net < 2; net++) {
            jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
            options.method = (jm_attribution_method)method;
            options.net = net;
            int status = status_of(r, &options);
            if (status != JM_OK) {
                assert_int_equal(status, JM_NO_DATA);
                continue;
            }
            told t = tell_well(r, &options);
            told_free(&t);
        }
}

static void a_few_samples(void **state) {
    (void)state;
    for (int count = 1; count < 6; count++)
        for (int counter = 0; counter < 2; counter++) {
            usual_world(3);
            uint32_t gpu = world_gpu("gpu0");
            uint32_t sensor = counter ? add_counter(the_world.recording, gpu, 0.1)
                                      : add_power(the_world.recording, gpu, 0.1, 0.1);
            for (int i = 0; i < count; i++)
                add_sample(the_world.recording, sensor, 4 + 0.1 * i, 200 + 20 * i, 0.002,
                           i > 0 ? JM_SAMPLE_CHANGED : 0);
            maybe(the_world.recording);
            world_close();
        }
}

static void ranges_without_samples_around_them(void **state) {
    (void)state;
    static const double offset[] = {-1e6, -20, 20, 1e6, 1e9};
    for (size_t i = 0; i < JMI_COUNT(offset); i++) {
        world_open(4);
        world_draw(5, 200);
        uint32_t gpu = world_gpu("gpu0");
        world_sense(gpu, 0.1, 0.1);
        for (int k = 0; k < 20; k++)
            add_range(the_world.recording, JM_CATEGORY_LAYER, k % 2 ? "a" : "b",
                      offset[i] + 0.1 * k, offset[i] + 0.1 * k + 0.05);
        maybe(the_world.recording);
        world_close();
    }
}

/* Half of the ranges lie where there are readings. */
static void readings_of_half_the_time(void **state) {
    (void)state;
    usual_world(5);
    double end_s = the_world.now_s;
    the_world.now_s /= 2;
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    the_world.now_s = end_s;
    told t = tell_well(the_world.recording, NULL);
    assert_true(t.info.whole.flags & JM_ENERGY_PARTIAL);
    assert_true(t.info.whole.measured < 0.6);
    close_to(part_named(&t, "a")->power_w, 300, 30, "a");
    close_to(part_named(&t, "b")->power_w, 150, 30, "b");
    told_free(&t);
    world_close();
}

/* Powers that were found elsewhere hold where nothing was read. */
static void windows_without_readings(void **state) {
    (void)state;
    usual_world(15);
    uint32_t gpu = world_gpu("gpu0"), sensor = add_power(the_world.recording, gpu, 0.1, 0.1);
    polled source = {.energy = world_energy, .refresh_s = 0.1, .window_s = 0.1, .phase_s = 0.0137};
    follow(the_world.recording, sensor, &source, 0, 4, 0);
    follow(the_world.recording, sensor, &source, 7, the_world.now_s, JM_SAMPLE_GAP);
    const jm_window blind = {at(4.5), at(6.5)};
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    options.windows = &blind;
    options.window_count = 1;
    told t = tell_well(the_world.recording, &options);
    assert_true(t.info.whole.measured < 1e-9);
    const jm_part *a = part_named(&t, "a");
    assert_int_equal(a->energy.provenance, JM_FROM_POWER);
    close_to(a->power_w, 300, 1.5 * a->power_u95_w, "a");
    assert_true(a->power_u95_w > 0 && a->power_u95_w < 100);
    told_free(&t);
    options.method = JM_ATTRIBUTION_TIME_SHARE;
    assert_int_equal(status_of(the_world.recording, &options), JM_NO_DATA);
    world_close();
}

static void gaps_failures_and_resets(void **state) {
    (void)state;
    usual_world(6);
    uint32_t gpu = world_gpu("gpu0"), counter = add_counter(the_world.recording, gpu, 0.1);
    polled source = {.energy = world_energy, .refresh_s = 0.1, .phase_s = 0.0137};
    follow(the_world.recording, counter, &source, 0, 2, 0);
    follow(the_world.recording, counter, &source, 3, 5, JM_SAMPLE_GAP);
    follow(the_world.recording, counter, &source, 5.1, 7, JM_SAMPLE_RESET);
    add_sample(the_world.recording, counter, 7.1, 0, 0.002, JM_SAMPLE_MISSING);
    add_sample(the_world.recording, counter, 7.2, 0, 0.002, JM_SAMPLE_MISSING);
    follow(the_world.recording, counter, &source, 7.3, the_world.now_s, JM_SAMPLE_GAP);
    told t = tell_well(the_world.recording, NULL);
    close_to(part_named(&t, "a")->power_w, 300, 25, "a");
    close_to(part_named(&t, "b")->power_w, 150, 25, "b");
    told_free(&t);
    maybe(the_world.recording);
    world_close();
}

static void absurd_values(void **state) {
    (void)state;
    static const double values[] = {0, 1e-300, 1e300, -1e300, 1e9, -50};
    for (size_t v = 0; v < JMI_COUNT(values); v++)
        for (int counter = 0; counter < 2; counter++) {
            usual_world(7);
            uint32_t gpu = world_gpu("gpu0");
            uint32_t sensor = counter ? add_counter(the_world.recording, gpu, 0.1)
                                      : add_power(the_world.recording, gpu, 0.1, 0.1);
            for (int i = 0; i < 100; i++)
                add_sample(the_world.recording, sensor, 0.1 * i,
                           i % 7 == 3 ? values[v] : 100 + 10 * (i % 5), 0.002,
                           i > 0 ? JM_SAMPLE_CHANGED : 0);
            maybe(the_world.recording);
            world_close();
        }
}

/* ---- which device ---- */

static void add_kernel(const char *name, const char *device, double begin_s, double end_s) {
    jm_range range = {.size = sizeof range,
                      .begin_ns = at(begin_s),
                      .end_ns = at(end_s),
                      .category = JM_CATEGORY_KERNEL,
                      .name = name,
                      .device = device};
    assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
}

static void several_gpus(void **state) {
    (void)state;
    usual_world(8);
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    uint32_t gpu0 = world_gpu("gpu0"), gpu1 = world_gpu("gpu1");
    world_sense(gpu0, 0.1, 0.1);
    world_sense(gpu1, 0.1, 0.1);
    jm_attribution *a;
    jm_error error = {0};
    assert_int_equal(jm_attribute(&a, the_world.recording, NULL, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "there are 2 GPUs"));
    for (options.device = 0; options.device < 2; options.device++) {
        told t = tell_well(the_world.recording, &options);
        assert_int_equal(t.info.device, options.device);
        told_free(&t);
    }
    assert_int_equal(status_of(the_world.recording, &options), JM_NOT_FOUND);
    /* kernels name theirs */
    options = (jm_attribution_options)JM_ATTRIBUTION_OPTIONS_INIT;
    options.categories = 1u << JM_CATEGORY_KERNEL;
    add_kernel("gemm", "gpu1", 1, 2);
    told t = tell_well(the_world.recording, &options);
    assert_int_equal(t.info.device, 1);
    told_free(&t);
    add_kernel("gemm", "gpu0", 3, 4);
    assert_int_equal(jm_attribute(&a, the_world.recording, &options, &error), JM_INVALID);
    assert_true(strstr(error.message, "gpu0") && strstr(error.message, "gpu1"));
    options.device = 0;
    t = tell_well(the_world.recording, &options);
    assert_int_equal(t.parts[0].calls, 1);
    told_free(&t);
    world_close();
}

/* ---- names ---- */

static const char *const hostile[] = {"",
                                      " ",
                                      "\"},{\"",
                                      "</script>",
                                      "a\nb\tc\r",
                                      "\x1b[31m",
                                      "\\u0000\\",
                                      "=cmd()|' /C calc'!A0",
                                      "%s%n",
                                      "\xc3\xa9\xe2\x82\xac",
                                      "\xf0\x9f\x94\xa5",
                                      "..",
                                      "a and 3 more"};

static void hostile_names(void **state) {
    (void)state;
    world_open(9);
    char name[1001]; /* as long as they can be */
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int round = 0; round < 15; round++) {
        for (size_t i = 0; i < JMI_COUNT(hostile); i++)
            world_call(hostile[i], 0.03 * world_random(0.5, 1.5), 100 + 20 * (double)i);
        world_call(name, 0.03, 77);
    }
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    for (size_t i = 0; i < JMI_COUNT(hostile); i++)
        assert_int_equal(part_named(&t, hostile[i])->calls, 15);
    assert_true(t.part_count == JMI_COUNT(hostile) + 1 || t.part_count == JMI_COUNT(hostile));
    told_free(&t);
    world_close();
}

/* ---- options ---- */

static void wrong_options(void **state) {
    (void)state;
    usual_world(12);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    const jm_recording *r = the_world.recording;
    const jm_attribution_options usual = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution_options o = usual;
    jm_attribution *a = NULL;
    jm_error error = {0};
    assert_int_equal(jm_attribute(NULL, r, NULL, &error), JM_INVALID);
    assert_int_equal(jm_attribute(&a, NULL, NULL, &error), JM_INVALID);
    assert_int_equal(jm_attribute(NULL, NULL, NULL, NULL), JM_INVALID);
    o.size = 0;
    assert_int_equal(status_of(r, &o), JM_INVALID);
    o.size = sizeof(size_t); /* a program that knows none of them */
    assert_int_equal(status_of(r, &o), JM_OK);
    static const int methods[] = {3, 9, -1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < JMI_COUNT(methods); i++) {
        o = usual;
        memcpy(&o.method, &methods[i], sizeof o.method); /* also such as are none */
        assert_int_equal(status_of(r, &o), JM_INVALID);
    }
    const jm_window wrong[][2] = {{{at(2), at(3)}, {at(1), at(2)}},
                                  {{at(1), at(3)}, {at(2), at(4)}},
                                  {{at(2), at(1)}, {at(3), at(4)}},
                                  {{INT64_MIN, at(1)}, {at(3), at(4)}},
                                  {{at(1), at(2)}, {at(3), INT64_MAX}}};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        o = usual;
        o.windows = wrong[i];
        o.window_count = 2;
        assert_int_equal(status_of(r, &o), JM_INVALID);
    }
    const jm_window fine[] = {{at(1), at(2)}, {at(2), at(2)}, {at(2), at(3)}};
    o = usual;
    o.windows = fine;
    o.window_count = 3;
    assert_int_equal(status_of(r, &o), JM_OK);
    const jm_window early = {at(-9), at(-8)};
    o.windows = &early;
    o.window_count = 1;
    assert_int_equal(status_of(r, &o), JM_NO_DATA);
    o.windows = NULL; /* then their number does not matter */
    assert_int_equal(status_of(r, &o), JM_OK);
    jm_energy_options energy = JM_ENERGY_OPTIONS_INIT;
    o = usual;
    o.energy = &energy;
    energy.method = (jm_method)7;
    assert_int_equal(status_of(r, &o), JM_INVALID);
    energy.method = JM_METHOD_COUNTER; /* it has none: as it is for energies */
    jm_energy e;
    int status = jm_energy_window(r, 0, at(1), at(2), &energy, &e, NULL);
    assert_int_equal(status_of(r, &o), status);
    world_close();
}

static void getters_without_anything(void **state) {
    (void)state;
    usual_world(13);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    const jm_attribution *a = t.attribution;
    jm_part part = JM_PART_INIT;
    jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
    char *json = NULL;
    jm_attribution_free(NULL);
    assert_int_equal(jm_attribution_part_count(NULL), 0);
    assert_int_equal(jm_attribution_group_count(NULL), 0);
    assert_int_equal(jm_attribution_calls(NULL, t.calls, 3), 0);
    assert_int_equal(jm_attribution_part(NULL, 0, &part), JM_INVALID);
    assert_int_equal(jm_attribution_part(a, 0, NULL), JM_INVALID);
    assert_int_equal(jm_attribution_part(a, 2, &part), JM_NOT_FOUND);
    assert_int_equal(jm_attribution_part(a, UINT32_MAX, &part), JM_NOT_FOUND);
    assert_int_equal(jm_attribution_group(a, 0, &part), JM_NOT_FOUND);
    assert_int_equal(jm_attribution_group(NULL, 0, &part), JM_INVALID);
    assert_int_equal(jm_attribution_get(NULL, &info), JM_INVALID);
    assert_int_equal(jm_attribution_get(a, NULL), JM_INVALID);
    info.size = 0;
    assert_int_equal(jm_attribution_get(a, &info), JM_INVALID);
    assert_int_equal(jm_attribution_json(NULL, false, &json, NULL), JM_INVALID);
    assert_int_equal(jm_attribution_json(a, false, NULL, NULL), JM_INVALID);
    jm_call one[2] = {{.range = 7}, {.range = 7}};
    assert_int_equal(jm_attribution_calls(a, one, 1), t.call_count);
    assert_true(one[0].range == 0 && one[1].range == 7);
    told_free(&t);
    world_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_ranges),
        cmocka_unit_test(without_samples),
        cmocka_unit_test(a_few_samples),
        cmocka_unit_test(ranges_without_samples_around_them),
        cmocka_unit_test(readings_of_half_the_time),
        cmocka_unit_test(windows_without_readings),
        cmocka_unit_test(gaps_failures_and_resets),
        cmocka_unit_test(absurd_values),
        cmocka_unit_test(several_gpus),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(getters_without_anything),
    };
    return cmocka_run_group_tests_name("attribute: odd", tests, NULL, NULL);
}
