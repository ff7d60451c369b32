/* Moments of refresh from jittered polls: sharper than these where ticks are regular, and as they
 * were where they are not. */
#include "attribute/ticks.h"
#include "helpers.h"

/* ---- a sensor whose ticks are known ---- */

enum { MOST = 20000 };

typedef struct ticking {
    double period_s, poll_s, drift; /* drift: the period grows by so much of it in a second */
    double jitter_s;                /* of each tick */
    int missing;                    /* one of so many ticks shows nothing new; 0: none */
    bool counter;
    double tick_s[MOST];
    size_t count;
} ticking;

static ticking the;

static void make_ticks(double length_s, uint64_t seed) {
    uint64_t random = seed;
    double t = 0.0137;
    for (the.count = 0; t < length_s; the.count++) {
        assert_true(the.count < MOST);
        the.tick_s[the.count] = t + the.jitter_s * random_between(&random, -1, 1);
        t += the.period_s * (1 + the.drift * t);
    }
}

static double power_after(size_t tick) {
    uint64_t random = tick + 99;
    return random_between(&random, 100, 400);
}

/* What the sensor shows. Where a tick is missing it shows what it showed before. */
static double shown(double t_s, size_t *tick, double *counted_j, size_t *added) {
    while (*tick + 1 < the.count && the.tick_s[*tick + 1] <= t_s) (*tick)++;
    size_t last = *tick;
    if (the.missing > 0 && last % (size_t)the.missing == 1 && last > 0) last--;
    if (!the.counter) return power_after(last);
    for (; *added < last; (*added)++)
        *counted_j += power_after(*added) * (the.tick_s[*added + 1] - the.tick_s[*added]);
    return *counted_j;
}

static jm_recording *poll_it(double length_s, uint64_t seed) {
    jm_recording *r = recording_new();
    uint32_t gpu = add_device(r, "gpu0", 500);
    uint32_t sensor = the.counter ? add_counter(r, gpu, the.period_s)
                                  : add_power(r, gpu, the.period_s, the.period_s);
    uint64_t random = seed + 1;
    double last_s = -10, last = 0, counted_j = 0, kept_s = 0;
    size_t tick = 0, added = 0;
    for (double t = 0.02; t < length_s; t += the.poll_s * random_between(&random, 0.7, 1.3)) {
        double value = shown(t, &tick, &counted_j, &added);
        bool changed = last_s >= 0 && value != last;
        if (last_s < 0 || changed || t - kept_s > 0.02) {
            add_sample(r, sensor, t, value, last_s < 0 ? 10 : t - last_s,
                       changed ? JM_SAMPLE_CHANGED : 0);
            kept_s = t;
        }
        last_s = t;
        last = value;
    }
    return r;
}

/* ---- tracks ---- */

static jmi_track track_of(const jm_recording *r) {
    jmi_track track;
    jm_error error = {0};
    if (jmi_track_build(&track, r, 0, NULL, &error) != JM_OK) fail_msg("%s", error.message);
    return track;
}

static void refine(jmi_track *track, const jm_recording *r) {
    jm_error error = {0};
    if (jmi_ticks_refine(track, r, &error) != JM_OK) fail_msg("%s", error.message);
    for (size_t i = 1; i <= track->count; i++) assert_true(track->edge[i] > track->edge[i - 1]);
    assert_true(track->tick_u_ns >= 0 && isfinite(track->tick_u_ns));
}

/* How far edges lie from the nearest tick: root of the mean square, s. Those at the ends, where the
 * track begins before the first poll, do not count. */
static double off_s(const jmi_track *track) {
    double square = 0;
    size_t tick = 0, count = 0;
    for (size_t i = 3; i + 3 < track->count; i++) {
        double t = (double)(track->edge[i] + (int64_t)track->moved_ns - T0) * 1e-9;
        while (tick + 1 < the.count && fabs(the.tick_s[tick + 1] - t) < fabs(the.tick_s[tick] - t))
            tick++;
        square += (the.tick_s[tick] - t) * (the.tick_s[tick] - t);
        count++;
    }
    assert_true(count > 10);
    return sqrt(square / (double)count);
}

static double counted_j(const jmi_track *track) {
    double sum = 0;
    for (size_t i = 0; i < track->count; i++)
        sum += track->mean_w[i] * (double)(track->edge[i + 1] - track->edge[i]) * 1e-9;
    return sum;
}

/* ---- regular ticks ---- */

static void between_all_polls(void **state) {
    (void)state;
    enum { ROUNDS = 60 };
    double square = 0, ratio = 0, before = 0;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        the = (ticking){.period_s = 0.1012, .poll_s = 0.002, .counter = seed % 2};
        make_ticks(60, seed);
        jm_recording *r = poll_it(60, seed);
        jmi_track track = track_of(r);
        before += off_s(&track) / ROUNDS;
        refine(&track, r);
        double after = off_s(&track), u = track.tick_u_ns * 1e-9;
        if (after > 40e-6) fail_msg("%g us off", 1e6 * after);
        square += after * after / ROUNDS;
        ratio += after / u * (after / u) / ROUNDS;
        jmi_track_free(&track);
        jm_recording_free(r);
    }
    print_message("%.1f us off, %.1f us before; %.2f of what it says\n", 1e6 * sqrt(square),
                  1e6 * before, sqrt(ratio));
    assert_true(sqrt(square) < 10e-6);
    assert_true(sqrt(ratio) > 0.5 && sqrt(ratio) < 1.2);
}

static void missing_ticks(void **state) {
    (void)state;
    for (int counter = 0; counter < 2; counter++) {
        the = (ticking){.period_s = 0.05, .poll_s = 0.002, .counter = counter, .missing = 5};
        make_ticks(60, 3);
        jm_recording *r = poll_it(60, 3);
        jmi_track track = track_of(r);
        refine(&track, r);
        assert_true(off_s(&track) < 20e-6);
        jmi_track_free(&track);
        jm_recording_free(r);
    }
}

/* Hours of ticks go in stretches, for the sensor's clock drifts from ours. */
static void clocks_that_drift(void **state) {
    (void)state;
    the = (ticking){.period_s = 0.02, .poll_s = 0.002, .drift = 1e-8};
    make_ticks(300, 4);
    jm_recording *r = poll_it(300, 4);
    jmi_track track = track_of(r);
    refine(&track, r);
    double off = off_s(&track);
    if (off > 60e-6) fail_msg("%g us off", 1e6 * off);
    jmi_track_free(&track);
    jm_recording_free(r);
}

static void counters_keep_what_they_counted(void **state) {
    (void)state;
    static const double lengths[] = {5, 60, 170}; /* one stretch, and several */
    for (size_t i = 0; i < JMI_COUNT(lengths); i++) {
        the = (ticking){.period_s = 0.1, .poll_s = 0.004, .counter = true, .missing = 7};
        make_ticks(lengths[i], i + 1);
        jm_recording *r = poll_it(lengths[i], i + 1);
        jmi_track track = track_of(r), before = track_of(r);
        refine(&track, r);
        close_to(counted_j(&track), counted_j(&before), 1e-6 * counted_j(&before), "energy");
        for (size_t k = 0; k < track.count; k++) {
            double length = (double)(track.edge[k + 1] - track.edge[k]);
            double old = (double)(before.edge[k + 1] - before.edge[k]);
            close_to(track.mean_w[k] * length, before.mean_w[k] * old,
                     1e-5 * before.mean_w[k] * old, "energy of a cell");
        }
        jmi_track_free(&track);
        jmi_track_free(&before);
        jm_recording_free(r);
    }
}

/* ---- others ---- */

static void same(const jmi_track *a, const jmi_track *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->edge, b->edge, (a->count + 1) * sizeof *a->edge);
    assert_memory_equal(a->mean_w, b->mean_w, a->count * sizeof *a->mean_w);
    close_to(a->tick_u_ns, b->tick_u_ns, 1e-6 * b->tick_u_ns, "uncertainty");
}

static void irregular_ones_stay_as_they_are(void **state) {
    (void)state;
    for (int counter = 0; counter < 2; counter++) {
        the = (ticking){.period_s = 0.1, .poll_s = 0.002, .counter = counter, .jitter_s = 0.02};
        make_ticks(60, 5);
        jm_recording *r = poll_it(60, 5);
        jmi_track track = track_of(r), before = track_of(r);
        refine(&track, r);
        same(&track, &before);
        jmi_track_free(&track);
        jmi_track_free(&before);
        jm_recording_free(r);
    }
}

static void too_few_ticks_stay_as_they_are(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        the = (ticking){.period_s = 0.1, .poll_s = 0.002};
        make_ticks(0.1 + 0.1 * i, 6);
        jm_recording *r = poll_it(0.1 + 0.1 * i, 6);
        jmi_track track = track_of(r), before = track_of(r);
        refine(&track, r);
        same(&track, &before);
        jmi_track_free(&track);
        jmi_track_free(&before);
        jm_recording_free(r);
    }
}

/* Polls as slow as the sensor: nothing is known of its ticks. */
static void slow_polls(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        the = (ticking){.period_s = 0.1, .poll_s = 0.04 * (k + 1), .counter = k == 1};
        make_ticks(60, 7);
        jm_recording *r = poll_it(60, 7);
        jmi_track track = track_of(r);
        refine(&track, r);
        assert_true(track.tick_u_ns >= 0);
        jmi_track_free(&track);
        jm_recording_free(r);
    }
}

/* Ticks of any kind: edges rise, and counters keep what they counted. */
static void by_chance(void **state) {
    (void)state;
    uint64_t random = 8;
    for (int round = 0; round < 150; round++) {
        double length_s = random_between(&random, 1, 60);
        the = (ticking){.period_s = pow(10, random_between(&random, -2, 0)),
                        .counter = random_bits(&random) % 2,
                        .missing = random_bits(&random) % 3 ? 0 : 2 + round % 9};
        the.poll_s = the.period_s * pow(10, random_between(&random, -2, 0));
        the.jitter_s =
            random_bits(&random) % 2 ? 0 : the.period_s * random_between(&random, 0, 0.3);
        make_ticks(length_s, random_bits(&random));
        jm_recording *r = poll_it(length_s, random_bits(&random));
        jmi_track track, before;
        if (jmi_track_build(&track, r, 0, NULL, NULL) == JM_OK) {
            before = track_of(r);
            refine(&track, r);
            if (the.counter)
                close_to(counted_j(&track), counted_j(&before), 1e-6 * counted_j(&before),
                         "energy");
            jmi_track_free(&before);
        }
        jmi_track_free(&track);
        jm_recording_free(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_all_polls),
        cmocka_unit_test(missing_ticks),
        cmocka_unit_test(clocks_that_drift),
        cmocka_unit_test(counters_keep_what_they_counted),
        cmocka_unit_test(irregular_ones_stay_as_they_are),
        cmocka_unit_test(too_few_ticks_stay_as_they_are),
        cmocka_unit_test(slow_polls),
        cmocka_unit_test(by_chance),
    };
    return cmocka_run_group_tests_name("attribute: ticks", tests, NULL, NULL);
}
