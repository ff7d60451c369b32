/* Sums of parts, types of layers, and what warm-ups are left out. */
#include "world.h"

static void run_layers(double until_s) {
    while (the_world.now_s < until_s) {
        world_call("a", 0.03 * world_random(0.5, 1.5), 350);
        world_call("b", 0.02 * world_random(0.5, 1.5), 200);
        world_call("c", 0.04 * world_random(0.5, 1.5), 120);
        world_draw(world_random(0, 0.02), 80);
    }
}

static jm_energy sum_of(const told *t, const uint32_t *parts, size_t count) {
    jm_energy e;
    jm_error error = {0};
    memset(&e, 0xFF, sizeof e);
    if (jm_attribution_sum(t->attribution, parts, count, &e, &error) != JM_OK)
        fail_msg("%s", error.message);
    return e;
}

static void sums_of_parts(void **state) {
    (void)state;
    for (int net = 0; net < 2; net++) {
        world_open(1);
        world_draw(2, 70);
        run_layers(20);
        world_sense(world_gpu("gpu0"), 0.1, 0.1);
        jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
        options.net = net;
        told t = tell_well(the_world.recording, &options);
        const uint32_t all[] = {2, 0, 1};
        double parts_j = 0, parts_u = 0;
        for (uint32_t i = 0; i < 3; i++) {
            jm_energy e = sum_of(&t, &i, 1);
            check_part_energy(&e, t.parts[i].name, net);
            close_to(e.energy_j, t.parts[i].energy.energy_j, 1e-6 * e.energy_j, "a part");
            assert_true(e.u_random_j <= t.parts[i].energy.u_random_j * (1 + 1e-9));
            parts_j += e.energy_j;
            parts_u += e.u_random_j;
        }
        jm_energy e = sum_of(&t, all, 3);
        check_part_energy(&e, "all parts", net);
        close_to(e.energy_j, parts_j, 1e-9 * parts_j, "all parts");
        assert_true(e.u_random_j <= parts_u && !is_bound(&e));
        close_to(e.energy_j + t.info.gap.energy_j, t.info.sum.energy_j, 1e-9 * parts_j, "sum");
        e = sum_of(&t, all, 0);
        assert_true(e.energy_j == 0 && e.u95_j == 0);
        told_free(&t);
        world_close();
    }
}

static void wrong_sums(void **state) {
    (void)state;
    world_open(2);
    run_layers(5);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    const uint32_t parts[] = {0, 3};
    jm_energy e;
    jm_error error = {0};
    assert_int_equal(jm_attribution_sum(t.attribution, parts, 2, &e, &error), JM_NOT_FOUND);
    assert_int_equal(jm_attribution_sum(NULL, parts, 1, &e, &error), JM_INVALID);
    assert_int_equal(jm_attribution_sum(t.attribution, NULL, 1, &e, &error), JM_INVALID);
    assert_int_equal(jm_attribution_sum(t.attribution, parts, 1, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_attribution_sum(t.attribution, NULL, 0, &e, NULL), JM_OK);
    told_free(&t);
    world_close();
}

/* What a group's members take is known together: by their sum too. */
static void sum_of_a_group(void **state) {
    (void)state;
    world_open(3);
    while (the_world.now_s < 20) {
        world_call("a", 2e-3, 400);
        world_call("b", 3e-3, 150);
    }
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    assert_int_equal(t.group_count, 1);
    const uint32_t both[] = {0, 1};
    jm_energy e = sum_of(&t, both, 2);
    close_to(e.energy_j, t.groups[0].energy.energy_j, 1e-9 * e.energy_j, "group");
    close_to(e.u95_j, t.groups[0].energy.u95_j, 1e-6 * e.u95_j, "group");
    told_free(&t);
    world_close();
}

/* ---- types ---- */

static void add_typed(const char *name, double begin_s, const char *attributes) {
    jm_range range = {.size = sizeof range,
                      .begin_ns = at(begin_s),
                      .end_ns = at(begin_s + 0.5),
                      .category = JM_CATEGORY_LAYER,
                      .name = name,
                      .attributes = attributes};
    assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
}

static void types_of_layers(void **state) {
    (void)state;
    static const struct {
        const char *attributes, *type;
    } of[] = {{"{\"type\":\"Linear\"}", "Linear"},
              {"{\"a\":1,\"type\":\"\\u00e9\\\"\"}", "\xc3\xa9\""},
              {"", ""},
              {"{\"type\":7}", ""},
              {"{\"type\":null}", ""},
              {"{\"type\":{\"type\":\"x\"}}", ""},
              {"[\"type\"]", ""},
              {"\"type\"", ""},
              {"{\"type\":\"cut", ""},
              {"nonsense", ""}};
    world_open(4);
    world_draw(20, 200);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    for (int i = 0; i < (int)JMI_COUNT(of); i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        add_typed(name, 1 + i, of[i].attributes);
        add_typed(name, 1.5 + i, "{\"type\":\"later\"}"); /* the first call tells */
    }
    told t = tell_well(the_world.recording, NULL);
    assert_int_equal(t.part_count, JMI_COUNT(of));
    for (size_t i = 0; i < t.part_count; i++)
        assert_string_equal(t.parts[i].type, of[atoi(t.parts[i].name)].type);
    told_free(&t);
    world_close();
}

/* ---- warm-ups ---- */

/* Calls that begin in a warm-up are not told of, but where there are no others. */
static void warm_ups_are_left_out(void **state) {
    (void)state;
    world_open(5);
    run_layers(5);
    double begin_s = the_world.now_s;
    run_layers(10);
    add_range(the_world.recording, JM_CATEGORY_WARMUP, "replay", begin_s, the_world.now_s);
    add_range(the_world.recording, JM_CATEGORY_WARMUP, "in it", begin_s + 1, begin_s + 2);
    double end_s = the_world.now_s;
    run_layers(15);
    world_sense(world_gpu("gpu0"), 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    for (size_t i = 0; i < t.call_count; i++) {
        jm_range range = JM_RANGE_INIT;
        assert_int_equal(jm_recording_range(the_world.recording, t.calls[i].range, &range), JM_OK);
        assert_true(range.begin_ns < at(begin_s) || range.begin_ns >= at(end_s));
    }
    for (size_t i = 0; i < t.part_count; i++) assert_true(t.parts[i].seen_s > t.parts[i].time_s);
    size_t without = t.call_count;
    told_free(&t);
    add_range(the_world.recording, JM_CATEGORY_WARMUP, "all", -1, the_world.now_s + 1);
    t = tell_well(the_world.recording, NULL);
    assert_true(t.call_count > without);
    told_free(&t);
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    const jm_window window = {at(begin_s), at(end_s)};
    options.windows = &window; /* asked for: told of */
    options.window_count = 1;
    t = tell_well(the_world.recording, &options);
    assert_true(t.call_count > 50);
    told_free(&t);
    world_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_parts),         cmocka_unit_test(wrong_sums),
        cmocka_unit_test(sum_of_a_group),        cmocka_unit_test(types_of_layers),
        cmocka_unit_test(warm_ups_are_left_out),
    };
    return cmocka_run_group_tests_name("attribute: more", tests, NULL, NULL);
}
