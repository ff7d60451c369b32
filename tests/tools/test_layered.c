/* The board that runs layers over and over: what it draws is what its calls say, and its recording
 * holds them where they were. */
#include "accuracy/layered.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const layered_sensor contiguous = {"W 100 T 100", "rtx3090", VIRTUAL_INSTANT};
static const layered_sensor part_time = {"W 25 T 101", "a100", VIRTUAL_INSTANT};
static const layered_sensor both = {"both", "h100", VIRTUAL_INSTANT | VIRTUAL_COUNTER};
static const layered_sensor *const sensors[] = {&contiguous, &part_time, &both};

static const layered_scenario few = {"few", 6, 2, 0, 0.001, 0.02, 0, false};
static const layered_scenario alike = {"alike", 24, 0, 8, 5e-5, 2e-3, 0.02, false};
static const layered_scenario locked = {"locked", 12, 0, 0, 5e-4, 0.02, 0, true};
static const layered_scenario *const scenarios[] = {&few, &alike, &locked};

enum { SENSORS = 3, SCENARIOS = 3, SCHEDULES = 3 };

/* Of all scenarios, sensors and schedules. */
static void for_each(void (*judge)(const layered_run *, const layered_plan *)) {
    for (int i = 0; i < SENSORS * SCENARIOS * SCHEDULES; i++) {
        layered_plan plan = {.scenario = scenarios[i % SCENARIOS],
                             .sensor = sensors[i / SCENARIOS % SENSORS],
                             .schedule = (layered_schedule)(i / SCENARIOS / SENSORS),
                             .seed = (unsigned)i % 2 + 1,
                             .length_s = 5};
        layered_run run;
        layered_open(&run, &plan);
        judge(&run, &plan);
        layered_close(&run);
    }
}

static double call_j(const layered_call *c) {
    return c->power_w * (double)(c->end_ns - c->begin_ns) * 1e-9;
}

static void judge_power(const layered_run *run, const layered_plan *plan) {
    (void)plan;
    double sum = 0, busy_s = 0;
    for (size_t i = 0; i < run->count; i++) {
        const layered_call *c = &run->calls[i];
        assert_true(c->end_ns > c->begin_ns);
        assert_true(i == 0 || c->begin_ns >= run->calls[i - 1].end_ns);
        assert_true(fabs(simgpu_board_energy(run->board, c->begin_ns, c->end_ns) - call_j(c)) <
                    1e-6 * call_j(c));
        assert_true(c->power_w < simgpu_board_limit_w(run->board, c->begin_ns));
        sum += call_j(c);
        busy_s += (double)(c->end_ns - c->begin_ns) * 1e-9;
    }
    double whole_s = (double)(run->end_ns - run->begin_ns) * 1e-9;
    double whole = simgpu_board_energy(run->board, run->begin_ns, run->end_ns);
    double gaps = run->load.gap_w * (whole_s - busy_s);
    assert_true(fabs(whole - sum - gaps) < 1e-6 * whole);
}

static void the_board_draws_what_its_calls_say(void **state) {
    (void)state;
    for_each(judge_power);
}

static void judge_truth(const layered_run *run, const layered_plan *plan) {
    double sum[LAYERED_MOST] = {0};
    uint64_t calls = 0;
    for (size_t i = 0; i < run->count; i++)
        if (run->calls[i].begin_ns <= run->window.end_ns)
            sum[run->calls[i].layer] += call_j(&run->calls[i]);
    for (size_t i = 0; i < run->load.layers; i++) {
        assert_true(fabs(sum[i] - run->truth_j[i]) < 1e-9 * sum[i]);
        assert_int_equal(run->calls_of[i], run->iteration_count);
        calls += run->calls_of[i];
        double mean_w = run->truth_j[i] / ((double)run->calls_of[i] * run->load.call_s[i]);
        assert_true(fabs(mean_w / run->load.power_w[i] - 1) < 0.02);
    }
    assert_int_equal(run->windowed, plan->schedule == LAYERED_REPLAY);
    if (!run->windowed) assert_int_equal(calls, run->count);
    if (run->windowed) assert_true(calls < run->count);
}

static void truth_is_that_of_the_calls_in_the_window(void **state) {
    (void)state;
    for_each(judge_truth);
}

static void judge_ranges(const layered_run *run, const layered_plan *plan) {
    (void)plan;
    size_t i = 0, iterations = 0;
    int64_t before = INT64_MIN;
    uint64_t count = jm_recording_range_count(run->recording);
    assert_int_equal(count, run->count + run->iteration_count);
    for (uint64_t r = 0; r < count; r++) {
        jm_range range = JM_RANGE_INIT;
        char name[16];
        assert_int_equal(jm_recording_range(run->recording, r, &range), JM_OK);
        if (range.category == JM_CATEGORY_BATCH) {
            iterations++;
            continue;
        }
        const layered_call *c = &run->calls[i++];
        layered_name(c->layer, name);
        assert_string_equal(range.name, name);
        assert_string_equal(range.device, "gpu0");
        assert_true(llabs(range.begin_ns - c->begin_ns) < 2000);
        assert_true(llabs(range.end_ns - c->end_ns) < 2000);
        assert_true(range.begin_ns >= before); /* none runs beside another */
        before = range.end_ns;
    }
    assert_int_equal(iterations, run->iteration_count);
}

static void ranges_lie_where_the_calls_do(void **state) {
    (void)state;
    for_each(judge_ranges);
}

static void judge_replay(const layered_run *run, const layered_plan *plan) {
    if (plan->schedule != LAYERED_REPLAY) return;
    int64_t begin = 0, shortest_ns = plan->sensor == &both ? 125000000 : 125250000;
    for (size_t i = run->iteration_count * run->load.layers; i < run->count; i++) {
        const layered_call *c = &run->calls[i], *before = c - 1;
        if (c->begin_ns != before->end_ns) begin = c->begin_ns;
        bool last = i + 1 == run->count || c[1].begin_ns != c->end_ns;
        if (last) assert_true(c->end_ns - begin >= shortest_ns);
        if (!last) assert_int_equal(c[1].layer, c->layer);
    }
}

static void replay_runs_each_layer_alone_for_longer_than_a_refresh(void **state) {
    (void)state;
    for_each(judge_replay);
}

static void judge_lock(const layered_run *run, const layered_plan *plan) {
    if (plan->scenario != &locked || plan->schedule == LAYERED_DITHER) return;
    const struct simgpu_sensor_params *p = simgpu_board_sensor(run->board, SIMGPU_INSTANT);
    for (size_t i = 1; i < run->iteration_count; i++)
        assert_int_equal(run->iterations[i].begin_ns - run->iterations[i - 1].begin_ns,
                         p->refresh_ns);
}

static void locked_iterations_take_a_refresh_each(void **state) {
    (void)state;
    for_each(judge_lock);
}

static void the_load_does_not_depend_on_the_schedule(void **state) {
    (void)state;
    layered_plan plan = {.scenario = &few, .sensor = &contiguous, .seed = 3, .length_s = 4};
    layered_run plain, replay;
    layered_open(&plain, &plan);
    plan.schedule = LAYERED_REPLAY;
    layered_open(&replay, &plan);
    assert_int_equal(plain.load.layers, 10);
    assert_memory_equal(plain.load.power_w, replay.load.power_w, 10 * sizeof(double));
    assert_memory_equal(plain.load.call_s, replay.load.call_s, 10 * sizeof(double));
    layered_close(&plain);
    layered_close(&replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_board_draws_what_its_calls_say),
        cmocka_unit_test(truth_is_that_of_the_calls_in_the_window),
        cmocka_unit_test(ranges_lie_where_the_calls_do),
        cmocka_unit_test(replay_runs_each_layer_alone_for_longer_than_a_refresh),
        cmocka_unit_test(locked_iterations_take_a_refresh_each),
        cmocka_unit_test(the_load_does_not_depend_on_the_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
