/* Steering on simulated boards: what is tried is in force, what is measured is the boards' truth,
 * and nothing is left behind. */
#include "check.h"

#include "base/base.h"
#include "simgpu/model.h"

#include <math.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/joulemeter-steering-XXXXXX";
static struct simgpu_state *boards;

typedef struct fixture {
    jm_session *session;
    jm_limits *limits;
    jm_steering *steering;
    jm_error error;
} fixture;

static void make_boards(const char *spec) {
    static unsigned number;
    char path[128];
    struct simgpu_error error = {0};
    if (boards != NULL) simgpu_state_close(boards);
    snprintf(path, sizeof path, "%s/boards%u", folder, number++);
    boards = simgpu_state_create(path, spec, &error);
    if (boards == NULL) fail_msg("%s", error.text);
    setenv("JOULEMETER_SIMGPU_STATE", path, 1);
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    setenv("JOULEMETER_LIMITD_SOCKET", "/nonexistent/limitd.sock", 1);
}

static void open_base(fixture *f, const char *spec) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    *f = (fixture){0};
    make_boards(spec);
    options.flags = JM_SESSION_NO_JOIN | JM_SESSION_NO_CPU;
    if (jm_session_open(&f->session, &options, &f->error) != JM_OK)
        fail_msg("%s", f->error.message);
    if (jm_limits_open(&f->limits, NULL, &f->error) != JM_OK) fail_msg("%s", f->error.message);
}

static void open_fixture(fixture *f, const char *spec, const jm_steering_options *options) {
    open_base(f, spec);
    if (jm_steering_open(&f->steering, f->session, f->limits, options, &f->error) != JM_OK)
        fail_msg("%s", f->error.message);
}

static void close_fixture(fixture *f) {
    jm_steering_close(f->steering);
    if (jm_limits_close(f->limits, &f->error) != JM_OK) fail_msg("%s", f->error.message);
    jm_session_close(f->session, NULL, NULL);
}

static void must(int status, const fixture *f) {
    if (status != JM_OK) fail_msg("%s: %s", jm_status_name(status), f->error.message);
}

static void pass(double seconds) {
    struct timespec time = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};
    nanosleep(&time, NULL);
}

/* ---- work run anew ---- */

static void test_a_window_is_the_trial(void **state) {
    fixture f;
    jm_tuner_step step = {.size = sizeof step};
    jm_trial trial = {.size = sizeof trial};
    (void)state;
    open_fixture(&f, "h100,constant:600", NULL);
    must(jm_steering_next(f.steering, &step, &f.error), &f);
    assert_false(step.done);
    assert_true(step.setting == 700 && simgpu_truth_limit(boards, 0) == 700);
    assert_true(strlen(step.reason) > 0);
    int64_t begin = jm_now_ns();
    pass(0.6);
    int64_t end = jm_now_ns();
    assert_false(jm_steering_enough(f.steering, end));
    must(jm_steering_measure(f.steering, begin, end, 3, &trial, &f.error), &f);
    assert_true(trial.setting == 700 && trial.items == 3 && !trial.failed);
    assert_true(fabs(trial.seconds - (double)(end - begin) * 1e-9) < 1e-9);
    assert_true(fabs(trial.energy_j / simgpu_truth_energy(boards, 0, begin, end) - 1) < 0.05);
    assert_true(trial.energy_u95_j > 0 && trial.limited == 0);
    assert_int_equal(jm_tuner_trial_count(jm_steering_tuner(f.steering)), 1);
    /* once is enough */
    assert_int_equal(jm_steering_measure(f.steering, begin, end, 3, NULL, &f.error), JM_INVALID);
    must(jm_steering_next(f.steering, &step, &f.error), &f);
    assert_true(fabs(simgpu_truth_limit(boards, 0) - step.setting) < 0.01 && step.setting < 700);
    close_fixture(&f);
    assert_true(simgpu_truth_limit(boards, 0) == 700);
}

static void test_the_limit_is_seen_to_hold(void **state) {
    fixture f;
    jm_trial trial = {.size = sizeof trial};
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    (void)state;
    options.tuner.highest = options.tuner.standard = 400; /* below what is drawn */
    open_fixture(&f, "h100,constant:600", &options);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    assert_true(simgpu_truth_limit(boards, 0) == 400);
    int64_t begin = jm_now_ns();
    pass(0.8);
    must(jm_steering_measure(f.steering, begin, jm_now_ns(), 1, &trial, &f.error), &f);
    assert_true(trial.limited > 0.8 && trial.limited <= 1);
    close_fixture(&f);
}

/* The longer the better it is known. */
static void test_enough(void **state) {
    fixture f;
    jm_trial trial = {.size = sizeof trial};
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    (void)state;
    options.meter.max_s = 20;
    options.meter.target_pct = 2;
    open_fixture(&f, "h100,constant:600", &options);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    int64_t begin = jm_now_ns();
    while (!jm_steering_enough(f.steering, begin)) pass(0.05);
    must(jm_steering_measure(f.steering, begin, jm_now_ns(), 1, &trial, &f.error), &f);
    assert_true(trial.energy_u95_j <= 0.03 * trial.energy_j && trial.seconds < 20);
    options.meter.max_s = 0.3;
    options.meter.target_pct = 1e-6;
    jm_steering_close(f.steering);
    must(jm_steering_open(&f.steering, f.session, f.limits, &options, &f.error), &f);
    begin = jm_now_ns();
    while (!jm_steering_enough(f.steering, begin)) pass(0.05);
    assert_true(jm_now_ns() - begin >= 300000000);
    close_fixture(&f);
}

static void test_too_short(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, "h100,constant:600", NULL);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    int64_t begin = jm_now_ns();
    assert_int_equal(jm_steering_measure(f.steering, begin, begin + 100000, 1, NULL, &f.error),
                     JM_NO_DATA);
    jm_trial trial = {.size = sizeof trial};
    assert_int_equal(jm_tuner_trial(jm_steering_tuner(f.steering), 0, &trial), JM_OK);
    assert_true(trial.failed);
    close_fixture(&f);
}

/* ---- a program that goes on ---- */

static void test_a_loop_is_steered_to_its_best(void **state) {
    fixture f;
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    jm_steering_progress p = {.size = sizeof p};
    unsigned ended = 0;
    (void)state;
    options.meter.max_s = 4;
    options.tuner.max_trials = 5;
    open_fixture(&f, "v100,channel,limit=290", &options);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    for (int i = 0; i < 5000 && !p.done; i++) {
        simgpu_channel_work(boards, 0, 290, 0.02, 0.05); /* much is gained */
        jm_steering_item(f.steering, jm_now_ns(), 1);
        must(jm_steering_poll(f.steering, &p, &f.error), &f);
        ended += p.ended;
        if (p.ended) assert_true(p.last.seconds > 0 && p.last.energy_j > 0 && p.last.items > 0);
        assert_true(fabs(simgpu_truth_limit(boards, 0) - p.setting) < 0.01);
    }
    assert_true(p.done && !p.running && ended == p.trials && ended >= 2);
    assert_true(p.setting < 290);
    close_fixture(&f);
    assert_true(simgpu_truth_limit(boards, 0) == 290);
}

/* Time of an item by what is fed; half of the time is told to be no work. */
static void test_pauses_are_left_out(void **state) {
    fixture f;
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    jm_steering_progress p = {.size = sizeof p};
    (void)state;
    options.meter.max_s = 4;
    options.meter.max_settle_s = 1;
    options.meter.min_s = 0.5;
    open_fixture(&f, "h100,constant:300", &options);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    for (int i = 0; i < 400 && !p.ended; i++) {
        pass(0.02);
        int64_t now = jm_now_ns();
        jm_steering_item(f.steering, now, 1);
        if (i % 4 == 3) {
            pass(0.08);
            jm_steering_pause(f.steering, now, jm_now_ns());
        }
        must(jm_steering_poll(f.steering, &p, &f.error), &f);
    }
    assert_true(p.ended);
    double each = p.last.seconds / p.last.items;
    assert_true(each > 0.019 && each < 0.030); /* 0.04 with the pauses */
    assert_true(fabs(p.last.energy_j / p.last.seconds / 300 - 1) < 0.05);
    close_fixture(&f);
}

/* Work so short between pauses that no reading lies in it: of its energy nothing is known. If that
 * is so of most of it, the pauses count; if every fourth time it works long enough, that alone
 * does.
 */
static void test_stretches_without_a_reading(void **state) {
    (void)state;
    for (int some = 0; some <= 1; some++) {
        fixture f;
        jm_steering_options options = JM_STEERING_OPTIONS_INIT;
        jm_steering_progress p = {.size = sizeof p};
        options.meter.max_s = 1.5;
        options.meter.max_settle_s = 0.5;
        options.meter.min_s = 0.3;
        open_fixture(&f, "h100,constant:300", &options);
        must(jm_steering_next(f.steering, NULL, &f.error), &f);
        for (int i = 0; i < 600 && !p.ended; i++) {
            int items = some && i % 4 == 3 ? 60 : 1;
            for (int k = 0; k < items; k++) {
                pass(0.005);
                jm_steering_item(f.steering, jm_now_ns(), 1);
            }
            int64_t now = jm_now_ns();
            pass(0.06);
            jm_steering_pause(f.steering, now, jm_now_ns());
            must(jm_steering_poll(f.steering, &p, &f.error), &f);
        }
        assert_true(p.ended);
        double each = p.last.seconds / p.last.items;
        assert_false(p.last.failed);
        if (some)
            assert_true(each > 0.0049 && each < 0.009); /* 0.02 and more with pauses */
        else
            assert_true(each > 0.06 && each < 0.09);
        assert_true(fabs(p.last.energy_j / p.last.seconds / 300 - 1) < 0.1);
        close_fixture(&f);
    }
}

static void *tell_items(void *steering) {
    for (int i = 0; i < 20000; i++) jm_steering_item(steering, jm_now_ns(), 1);
    return NULL;
}

static void test_items_come_from_any_thread(void **state) {
    fixture f;
    pthread_t threads[4];
    (void)state;
    open_fixture(&f, "h100,constant:300", NULL);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tell_items, f.steering), 0);
    for (int i = 0; i < 20; i++) {
        must(jm_steering_poll(f.steering, NULL, &f.error), &f);
        pass(0.01);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    must(jm_steering_end(f.steering, &f.error), &f);
    must(jm_steering_poll(f.steering, NULL, &f.error), &f); /* nothing goes on: nothing happens */
    close_fixture(&f);
}

static void test_an_end_without_work_is_no_trial(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f, "h100,constant:300", NULL);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    must(jm_steering_end(f.steering, &f.error), &f);
    must(jm_steering_end(f.steering, &f.error), &f);
    assert_int_equal(jm_tuner_trial_count(jm_steering_tuner(f.steering)), 0);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    must(jm_steering_fail(f.steering, &f.error), &f);
    assert_int_equal(jm_tuner_trial_count(jm_steering_tuner(f.steering)), 1);
    close_fixture(&f);
}

/* ---- which boards ---- */

static void test_several_boards_are_one(void **state) {
    fixture f;
    jm_trial trial = {.size = sizeof trial};
    (void)state;
    open_fixture(&f, "2*h100,constant:400", NULL);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    int64_t begin = jm_now_ns();
    pass(0.6);
    must(jm_steering_measure(f.steering, begin, jm_now_ns(), 1, &trial, &f.error), &f);
    assert_true(fabs(trial.energy_j / trial.seconds / 800 - 1) < 0.05);
    must(jm_steering_next(f.steering, NULL, &f.error), &f);
    assert_true(simgpu_truth_limit(boards, 0) == simgpu_truth_limit(boards, 1));
    assert_true(simgpu_truth_limit(boards, 0) < 700);
    close_fixture(&f);
}

static void test_clocks(void **state) {
    fixture f;
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    jm_tuner_step step = {.size = sizeof step};
    jm_trial trial = {.size = sizeof trial};
    (void)state;
    options.tuner.lever = JM_LEVER_CLOCK;
    open_fixture(&f, "h100,constant:600", &options);
    jm_tuner *tuner = jm_steering_tuner(f.steering);
    assert_true(jm_tuner_setting_count(tuner) > 20);
    assert_true(fabs(jm_tuner_setting(tuner, 0) - 0.4 * 1980) <= 15);
    for (int i = 0; i < 2; i++) {
        must(jm_steering_next(f.steering, &step, &f.error), &f);
        assert_true(fabs(simgpu_truth_clock(boards, 0) * 1980 - step.setting) < 1);
        int64_t begin = jm_now_ns();
        pass(0.6);
        must(jm_steering_measure(f.steering, begin, jm_now_ns(), 1, &trial, &f.error), &f);
        assert_true(i == 0 ? trial.limited == 0 : trial.limited > 0.8);
    }
    close_fixture(&f);
    assert_true(simgpu_truth_clock(boards, 0) == 1);
}

static void expect(fixture *f, const jm_steering_options *options, int status, const char *words) {
    f->error = (jm_error){0};
    assert_int_equal(jm_steering_open(&f->steering, f->session, f->limits, options, &f->error),
                     status);
    assert_null(f->steering);
    if (strstr(f->error.message, words) == NULL) fail_msg("%s", f->error.message);
}

static void test_what_cannot_be_tuned(void **state) {
    fixture f;
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    (void)state;
    open_base(&f, "h100;a100");
    expect(&f, NULL, JM_INVALID, "tune each by itself");
    close_fixture(&f);
    open_base(&f, "h100");
    options.tuner.lowest = 100;
    expect(&f, &options, JM_INVALID, "200 to 700 W");
    options.tuner.lowest = 0;
    options.tuner.lever = (jm_lever)7;
    expect(&f, &options, JM_INVALID, "lever");
    options = (jm_steering_options)JM_STEERING_OPTIONS_INIT;
    options.tuner.size = 8;
    expect(&f, &options, JM_INVALID, "another version");
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0", 1);
    expect(&f, NULL, JM_PERMISSION, "only root may set limits");
    close_fixture(&f);
}

static void test_nothing_given(void **state) {
    fixture f;
    (void)state;
    open_base(&f, "h100");
    assert_int_equal(jm_steering_open(NULL, f.session, f.limits, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_open(&f.steering, NULL, f.limits, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_open(&f.steering, f.session, NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_next(NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_poll(NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_end(NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_fail(NULL, NULL), JM_INVALID);
    assert_int_equal(jm_steering_measure(NULL, 0, 1, 1, NULL, NULL), JM_INVALID);
    assert_null(jm_steering_tuner(NULL));
    assert_true(jm_steering_enough(NULL, 0));
    jm_steering_item(NULL, 0, 1);
    jm_steering_pause(NULL, 0, 1);
    jm_steering_close(NULL);
    close_fixture(&f);
}

static int make_folder(void **state) {
    (void)state;
    setenv("JOULEMETER_NVML_LIBRARY", getenv("JOULEMETER_SIMGPU_LIBRARY"), 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[64];
    (void)state;
    if (boards != NULL) simgpu_state_close(boards);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_is_the_trial),
        cmocka_unit_test(test_the_limit_is_seen_to_hold),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_a_loop_is_steered_to_its_best),
        cmocka_unit_test(test_pauses_are_left_out),
        cmocka_unit_test(test_stretches_without_a_reading),
        cmocka_unit_test(test_items_come_from_any_thread),
        cmocka_unit_test(test_an_end_without_work_is_no_trial),
        cmocka_unit_test(test_several_boards_are_one),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_what_cannot_be_tuned),
        cmocka_unit_test(test_nothing_given),
    };
    const char *library = getenv("JOULEMETER_SIMGPU_LIBRARY");
    if (library == NULL || access(library, R_OK) != 0 || getenv("JOULEMETER_LIMITD") == NULL) {
        printf("1..0 # SKIP there is no simulated GPU, or no joulemeter-limitd\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
