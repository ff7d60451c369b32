/* Whatever a recording holds: attributions that make sense, and the same as JSON. */
#include "chance.h"
#include "world.h"

#include <jansson.h>
#include <locale.h>

/* ---- random recordings ---- */

static jm_attribution_options some_options(const jm_recording *r, jm_window *windows) {
    jm_attribution_options o = JM_ATTRIBUTION_OPTIONS_INIT;
    static const uint32_t sets[] = {0, UINT32_MAX, 1u << JM_CATEGORY_BATCH,
                                    1u << JM_CATEGORY_PHASE | 1u << JM_CATEGORY_LAYER};
    o.categories = sets[chance(4)];
    o.method = (jm_attribution_method)(chance(3) ? 0 : chance(3));
    o.net = chance(3) == 0;
    if (chance(2)) o.device = (uint32_t)chance((int)jm_recording_device_count(r) + 1);
    if (chance(4) == 0) o.prefix = chance(2) ? "st" : "\xc3\xa9";
    if (chance(2) == 0) return o;
    int64_t t = FIXTURE_T0;
    o.windows = windows;
    o.window_count = (size_t)chance(6);
    for (size_t i = 0; i < o.window_count; i++) {
        windows[i].begin_ns = t += chance(4) * INT64_C(200000000);
        windows[i].end_ns = t += chance(4) * INT64_C(200000000);
    }
    return o;
}

static bool expected_failure(int status) {
    return status == JM_NO_DATA || status == JM_INVALID || status == JM_NOT_FOUND;
}

static bool judge(const jm_recording *r) {
    jm_window windows[6];
    jm_attribution_options o = some_options(r, windows);
    jm_attribution *a;
    jm_error error = {0};
    int status = jm_attribute(&a, r, &o, &error);
    if (status != JM_OK) {
        if (!expected_failure(status)) fail_msg("%d: %s", status, error.message);
        return false;
    }
    jm_attribution_free(a);
    told t = tell_well(r, &o);
    char *json = NULL;
    fixture_ok(jm_attribution_json(t.attribution, chance(2), &json, &error), &error);
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(object));
    json_decref(object);
    jm_free(json);
    told_free(&t);
    return true;
}

/* Mostly not what an attribution wants, so that each is asked several times. */
static void random_recordings(void **state) {
    (void)state;
    long rounds = setting("ATTRIBUTE_ROUNDS", 400), seed = setting("ATTRIBUTE_SEED", 0), worked = 0;
    for (long round = seed; round < seed + rounds; round++) {
        jm_recording *r = random_recording((uint64_t)round);
        for (int k = 0; k < 4; k++) worked += judge(r);
        jm_recording_free(r);
    }
    print_message("%ld of %ld worked\n", worked, 4 * rounds);
    assert_true(worked * 10 > rounds);
}

/* Random layers on a device of known power: estimates hold, and all adds up. */
static void random_worlds(void **state) {
    (void)state;
    long rounds = setting("ATTRIBUTE_WORLDS", 40);
    size_t held = 0, closely = 0, of = 0;
    for (long round = 0; round < rounds; round++) {
        enum { MOST = 12 };
        double watts[MOST], seconds[MOST], joules[MOST] = {0};
        chance_state = (uint64_t)round + 4711;
        world_open((uint64_t)round);
        int count = 1 + chance(MOST);
        for (int i = 0; i < count; i++) {
            watts[i] = world_random(80, 450);
            seconds[i] = pow(10, world_random(-3.5, -1.5));
        }
        double gap_s = chance(3) ? pow(10, world_random(-4, -1)) : 0;
        while (the_world.now_s < 12) {
            for (int i = 0; i < count; i++) {
                char name[] = {(char)('a' + i), '\0'};
                double s = seconds[i] * (round % 2 ? world_random(0.5, 1.5) : 1);
                world_call(name, s, watts[i]);
                joules[i] += s * watts[i];
            }
            if (gap_s > 0) world_draw(gap_s * world_random(0, 2), 90);
        }
        uint32_t gpu = world_gpu("gpu0");
        if (chance(3))
            world_sense(gpu, 0.1, chance(2) ? 0.1 : 0.025);
        else
            world_sense(gpu, 0.1, 0);
        told t = tell_well(the_world.recording, NULL);
        for (int i = 0; i < count; i++) {
            char name[] = {(char)('a' + i), '\0'};
            const jm_energy *e = &part_named(&t, name)->energy;
            of++;
            held += e->lower_j <= joules[i] && joules[i] <= e->upper_j;
            closely += is_bound(e) || fabs(e->energy_j - joules[i]) <= 1.96 * e->u_random_j;
        }
        close_to(t.info.sum.energy_j, world_energy(the_world.now_s),
                 0.05 * world_energy(the_world.now_s), "all");
        told_free(&t);
        world_close();
    }
    double share = 100.0 * (double)held / (double)of;
    print_message("%.1f %% of %zu intervals hold\n", share, of);
    assert_true(share > 92);
    share = 100.0 * (double)closely / (double)of; /* there is no gain here */
    print_message("%.1f %% by their random part alone\n", share);
    assert_true(share > 90);
}

/* ---- JSON ---- */

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (value == NULL) fail_msg("there is no %s", key);
    return json_is_null(value) ? (double)NAN : json_number_value(value);
}

static void same(const json_t *object, const char *key, double wanted) {
    double value = number(object, key);
    if (!isfinite(wanted))
        assert_true(isnan(value));
    else
        close_to(value, wanted, 1e-9 * fabs(wanted), key);
}

static void same_energy(const json_t *object, const jm_energy *e) {
    same(object, "energy_j", e->energy_j);
    same(object, "lower_j", e->lower_j);
    same(object, "upper_j", e->upper_j);
}

static void same_part(const json_t *object, const jm_part *p) {
    assert_string_equal(json_string_value(json_object_get(object, "name")), p->name);
    same(object, "calls", (double)p->calls);
    same(object, "time_s", p->time_s);
    same(object, "power_w", p->power_w);
    same(object, "power_u95_w", p->power_u95_w);
    same(object, "seen_s", p->seen_s);
    same_energy(object, &p->energy);
}

static void same_calls(const json_t *calls, const told *t) {
    static const char *const names[] = {"range", "part",        "own_s",   "energy_j",
                                        "u95_j", "inclusive_j", "begin_w", "end_w"};
    for (size_t k = 0; k < JMI_COUNT(names); k++)
        assert_int_equal(json_array_size(json_object_get(calls, names[k])), t->call_count);
    for (size_t i = 0; i < t->call_count; i += 1 + t->call_count / 50) {
        const jm_call *c = &t->calls[i];
        const double wanted[] = {(double)c->range, c->part,        c->own_s,   c->energy_j,
                                 c->u95_j,         c->inclusive_j, c->begin_w, c->end_w};
        for (size_t k = 0; k < JMI_COUNT(names); k++) {
            const json_t *value = json_array_get(json_object_get(calls, names[k]), i);
            if (isfinite(wanted[k]))
                close_to(json_number_value(value), wanted[k], 1e-9 * fabs(wanted[k]), names[k]);
            else
                assert_true(json_is_null(value));
        }
    }
}

static void compare_json(const told *t, bool calls) {
    char *text = NULL;
    jm_error error = {0};
    fixture_ok(jm_attribution_json(t->attribution, calls, &text, &error), &error);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    const json_t *parts = json_object_get(object, "parts"),
                 *groups = json_object_get(object, "groups");
    same_energy(json_object_get(object, "whole"), &t->info.whole);
    same_energy(json_object_get(object, "sum"), &t->info.sum);
    same_energy(json_object_get(object, "gap"), &t->info.gap);
    same(object, "residual_j", t->info.residual_j);
    assert_string_equal(json_string_value(json_object_get(object, "device")), "gpu0");
    assert_int_equal(json_array_size(parts), t->part_count);
    assert_int_equal(json_array_size(groups), t->group_count);
    for (size_t i = 0; i < t->part_count; i++) {
        const json_t *part = json_array_get(parts, i);
        same_part(part, &t->parts[i]);
        same(part, "inclusive_time_s", t->parts[i].inclusive_time_s);
        same_energy(json_object_get(part, "inclusive"), &t->parts[i].inclusive);
        bool alone = t->parts[i].group == JM_NO_GROUP;
        same(part, "group", alone ? (double)NAN : (double)t->parts[i].group);
    }
    for (size_t g = 0; g < t->group_count; g++) {
        const json_t *group = json_array_get(groups, g), *members = json_object_get(group, "parts");
        same_part(group, &t->groups[g]);
        for (size_t i = 0; i < json_array_size(members); i++)
            assert_int_equal(t->parts[json_integer_value(json_array_get(members, i))].group, g);
    }
    assert_true((json_object_get(object, "calls") != NULL) == calls);
    if (calls) same_calls(json_object_get(object, "calls"), t);
    json_decref(object);
    jm_free(text);
}

static void as_json(void **state) {
    (void)state;
    static const char *const names[] = {"conv", "\"\\\n\x01", "</script>", "\xc3\xa9", "", "%s"};
    world_open(3);
    for (int round = 0; round < 200; round++) { /* the first three always go together */
        for (size_t i = 0; i < 60; i++) world_call(names[i % 3], 2e-4, 100 + 50 * (double)(i % 3));
        for (size_t i = 3; i < JMI_COUNT(names); i++)
            world_call(names[i], 5e-3 * world_random(0.2, 2), 100 + 50 * (double)i);
        double t = the_world.now_s;
        world_draw(1e-4, 100);
        world_call("inner", 5e-3, 200);
        add_range(the_world.recording, JM_CATEGORY_LAYER, "outer", t, the_world.now_s);
    }
    uint32_t gpu = world_gpu("gpu0");
    world_sense(gpu, 0.1, 0.1);
    told t = tell_well(the_world.recording, NULL);
    assert_true(t.group_count > 0);
    compare_json(&t, false);
    compare_json(&t, true);
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL || setlocale(LC_ALL, "de_DE") != NULL) {
        compare_json(&t, true);
        setlocale(LC_ALL, "C");
    } else {
        print_message("without a locale of decimal commas\n");
    }
    told_free(&t);
    world_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_recordings),
        cmocka_unit_test(random_worlds),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests_name("attribute: property", tests, NULL, NULL);
}
