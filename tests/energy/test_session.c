/* Energies while a session goes on, on the simulated GPU. */
#include "helpers.h"

#include <pthread.h>
#include <time.h>

static void pause_s(double s) {
    struct timespec t = {(time_t)s, (long)((s - floor(s)) * 1e9)};
    nanosleep(&t, NULL);
}

static jm_session *open_simulated(const char *spec) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.simulate = spec;
    options.flags = JM_SESSION_NO_CPU | JM_SESSION_NO_JOIN;
    jm_session *session = NULL;
    jm_error error = {0};
    if (jm_session_open(&session, &options, &error) != JM_OK) fail_msg("open: %s", error.message);
    return session;
}

static jm_energy range_energy(jm_session *session, jm_range_id range, uint32_t device) {
    jm_energy e;
    jm_error error = {0};
    memset(&e, 0xFF, sizeof e);
    if (jm_range_energy(session, range, device, NULL, &e, &error) != JM_OK)
        fail_msg("range: %s", error.message);
    check_energy(&e);
    return e;
}

static void a_running_range_grows(void **state) {
    (void)state;
    jm_session *session = open_simulated("h100,constant:300,seed=1");
    pause_s(0.3);
    jm_range_id range = jm_begin(session, "train");
    jm_energy before = {0};
    for (int i = 0; i < 5; i++) {
        jm_energy now = before;
        for (int tries = 0; tries < 100 && now.duration_s < before.duration_s + 0.2; tries++) {
            pause_s(0.1); /* a busy machine may let the sampler wait */
            now = range_energy(session, range, 0);
        }
        assert_true(now.duration_s > before.duration_s);
        assert_true(now.energy_j > before.energy_j);
        assert_true(now.provenance & JM_FROM_SIMULATION);
        before = now;
    }
    assert_true(before.lower_j <= 300 * before.duration_s);
    assert_true(before.upper_j >= 300 * before.duration_s);
    close_to(before.energy_j, 300 * before.duration_s, 0.1 * 300 * before.duration_s, "so far");
    jm_end(session, range);
    jm_energy ended = range_energy(session, range, JM_DEVICE_TOTAL);
    pause_s(0.25);
    jm_energy later = range_energy(session, range, JM_DEVICE_TOTAL);
    assert_true(later.duration_s == ended.duration_s); /* what has ended has ended */
    close_to(later.energy_j, 300 * later.duration_s, 0.08 * 300 * later.duration_s, "whole");
    jm_recording *recording;
    assert_int_equal(jm_session_close(session, &recording, NULL), JM_OK);
    jm_energy after;
    assert_int_equal(jm_energy_ranges(recording, 0, NULL, &after, 1, NULL), JM_OK);
    check_energy(&after);
    close_to(after.energy_j, later.energy_j, 0.05 * later.energy_j, "after the session");
    jm_recording_free(recording);
}

static void a_range_that_has_just_begun(void **state) {
    (void)state;
    jm_session *session = open_simulated("a100,constant:200,seed=2");
    jm_range_id range = jm_begin(session, "at once");
    jm_energy e;
    jm_error error = {0};
    int status = jm_range_energy(session, range, 0, NULL, &e, &error);
    assert_true(status == JM_OK || status == JM_NO_DATA); /* no sample may be there yet */
    if (status == JM_OK) check_energy(&e);
    assert_int_equal(jm_range_energy(session, range + 1000, 0, NULL, &e, &error), JM_NOT_FOUND);
    assert_true(error.message[0] != '\0');
    assert_int_equal(jm_range_energy(session, 0, 0, NULL, &e, &error), JM_NOT_FOUND);
    assert_int_equal(jm_range_energy(session, range, 0, NULL, NULL, &error), JM_INVALID);
    pause_s(0.1);
    assert_int_equal(jm_range_energy(session, range, 77, NULL, &e, &error), JM_NOT_FOUND);
    jm_session_close(session, NULL, NULL);
}

typedef struct marker {
    jm_session *session;
    _Atomic bool stop;
} marker;

static void *mark_on(void *context) {
    marker *m = context;
    for (int i = 0; !atomic_load(&m->stop); i++) {
        jm_range_id outer = jm_begin(m->session, i % 3 ? "batch" : "epoch");
        jm_end(m->session, jm_begin(m->session, "layer"));
        jm_end(m->session, outer);
        if (i % 16 == 0) pause_s(1e-4);
    }
    return NULL;
}

/* Ranges come in while others ask for energies of them. */
static void asking_while_others_mark(void **state) {
    (void)state;
    jm_session *session = open_simulated("h100,square:100:300:0.2,seed=3");
    jm_range_id whole = jm_begin(session, "whole");
    pause_s(0.2);
    marker m = {.session = session};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, mark_on, &m), 0);
    double before = 0;
    int64_t until = jm_now_ns() + 30000000000;
    for (int asked = 0; before < 1 && jm_now_ns() < until; asked++) {
        jm_energy now = range_energy(session, whole, asked % 2 ? 0 : JM_DEVICE_TOTAL);
        assert_true(now.duration_s >= before);
        before = now.duration_s;
    }
    assert_true(before >= 1);
    atomic_store(&m.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    jm_session_close(session, NULL, NULL);
}

/* While a session goes on only what lies around a window is read. */
static void what_lies_near_is_enough(void **state) {
    (void)state;
    jm_recording *r = record_gpu(fast_square, 0.1, 0.1, 600);
    for (int i = 0; i < 6000; i++)
        add_range(r, i % 2 ? JM_CATEGORY_BATCH : JM_CATEGORY_LAYER, "step", 0.1 * i,
                  0.1 * i + 0.05);
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.nearby = true;
    static const double windows[][2] = {{1, 2}, {300, 310}, {590, 599.9}, {100, 400}};
    for (size_t i = 0; i < JMI_COUNT(windows); i++) {
        jm_window window = {at(windows[i][0]), at(windows[i][1])};
        jm_energy near, all = energy_of(r, 0, windows[i][0], windows[i][1]);
        assert_int_equal(jm_energy_windows(r, 0, &window, 1, &options, &near, NULL), JM_OK);
        check_energy(&near);
        close_to(near.energy_j, all.energy_j, 0.02 * all.energy_j, "near");
        close_to(near.u95_j, all.u95_j, 0.3 * all.u95_j, "its uncertainty");
    }
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_range_grows),
        cmocka_unit_test(a_range_that_has_just_begun),
        cmocka_unit_test(asking_while_others_mark),
        cmocka_unit_test(what_lies_near_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
