/* Whatever a recording holds: figures that are numbers, not negative, and that fit together. */
#include "helpers.h"

static double some_value(uint64_t *random, int kind, double before) {
    switch (kind) {
    case 0: return 0;
    case 1: return random_bits(random) % 2 ? 1e9 : 0;
    case 2: return random_between(random, 0, 500);
    case 3: return before;
    case 4: return before + random_between(random, -1, 2);
    case 5: return random_between(random, -100, 100); /* a signed sensor */
    case 6: return pow(10, random_between(random, -12, 12));
    default: return 250;
    }
}

static double some_step_s(uint64_t *random, int kind) {
    switch (kind) {
    case 0: return 0.02;
    case 1: return 1e-9; /* as near as times can be */
    case 2: return pow(10, random_between(random, -9, 6));
    case 3: return random_bits(random) % 20 ? 0.1 : 1e5; /* huge gaps */
    default: return random_between(random, 0.001, 0.2);
    }
}

static unsigned some_flags(uint64_t *random, int kind) {
    unsigned any = (unsigned)(random_bits(random) & 15);
    switch (kind) {
    case 0: return 0;
    case 1: return any;
    case 2: return random_bits(random) % 10 ? JM_SAMPLE_CHANGED : any;
    default: return JM_SAMPLE_CHANGED;
    }
}

static double one_of(uint64_t *random, const double *values, size_t count) {
    return values[random_bits(random) % count];
}

static void add_some_sensor(jm_recording *r, uint32_t device, uint64_t *random) {
    static const double refresh[] = {0, 1, 1e6, 2e7, 1e8, 1e9, 1e15};
    static const double window[] = {0, 1, 1e6, 2.5e7, 1e8, 1e9, 1e15};
    static const double lag[] = {0, 0, 0, 1e7, 1e9};
    static const double noise[] = {0, 0, 1, 50};
    uint32_t sensor;
    bool counter = random_bits(random) % 2;
    jm_sensor described = {.size = sizeof described,
                           .device = device,
                           .quantity = counter                   ? JM_QUANTITY_ENERGY
                                       : random_bits(random) % 2 ? JM_QUANTITY_POWER
                                                                 : JM_QUANTITY_POWER_AVERAGE,
                           .source = "random",
                           .counter = counter,
                           .modelled = random_bits(random) % 8 == 0,
                           .source_time = random_bits(random) % 4 == 0,
                           .refresh_ns = (uint64_t)one_of(random, refresh, JMI_COUNT(refresh)),
                           .window_ns = (uint64_t)one_of(random, window, JMI_COUNT(window)),
                           .lag_ns = (uint64_t)one_of(random, lag, JMI_COUNT(lag)),
                           .noise = one_of(random, noise, JMI_COUNT(noise)),
                           .quantum = random_bits(random) % 2 ? 0 : 1,
                           .calibrated = random_bits(random) % 2};
    assert_int_equal(jm_recording_add_sensor(r, &described, &sensor, NULL), JM_OK);
    size_t count = random_bits(random) % 4 ? random_bits(random) % 60 : random_bits(random) % 4;
    int steps = (int)(random_bits(random) % 5), values = (int)(random_bits(random) % 8);
    int flags = (int)(random_bits(random) % 4);
    int64_t t = T0;
    double value = 0;
    for (size_t i = 0; i < count; i++) {
        double step_s = some_step_s(random, steps);
        t += step_s < 1e-9 ? 1 : (int64_t)(step_s * 1e9);
        double next = some_value(random, values, value);
        value = counter && random_bits(random) % 16 ? value + fabs(next) : next;
        uint32_t since = random_bits(random) % 8 ? (uint32_t)fmin(step_s * 1e9, 4e9)
                                                 : (uint32_t)random_bits(random);
        uint8_t bits = (uint8_t)some_flags(random, flags);
        jm_samples one = {1, &t, &value, &since, &bits};
        assert_int_equal(jm_recording_add_samples(r, sensor, &one, NULL), JM_OK);
    }
}

static jm_recording *some_recording(uint64_t *random) {
    jm_recording *r = recording_new();
    static const char *const names[] = {"gpu0", "cpu0", "gpu1"};
    size_t devices = 1 + random_bits(random) % 3;
    for (size_t d = 0; d < devices; d++) {
        uint32_t index;
        jm_device device = {.size = sizeof device,
                            .name = names[d],
                            .in_total = random_bits(random) % 4 != 0,
                            .simulated = random_bits(random) % 2,
                            .power_limit_w = random_bits(random) % 2 ? 400 : 0,
                            .power_floor_w = random_bits(random) % 4 ? 0 : 50};
        assert_int_equal(jm_recording_add_device(r, &device, &index, NULL), JM_OK);
        for (uint64_t s = random_bits(random) % 3; s > 0; s--) add_some_sensor(r, index, random);
    }
    for (uint64_t i = random_bits(random) % 4 ? 0 : random_bits(random) % 40; i > 0; i--) {
        double begin = random_between(random, -1, 8);
        char name[] = {(char)('a' + random_bits(random) % 20), '\0'};
        add_range(r, (jm_category)(random_bits(random) % 9), name, begin,
                  begin + some_step_s(random, (int)(random_bits(random) % 5)));
    }
    return r;
}

static jm_window some_window(const jm_recording *r, uint64_t *random) {
    double begin = (double)(jm_recording_begin_ns(r) - T0) * 1e-9 - 1;
    double end = (double)(jm_recording_end_ns(r) - T0) * 1e-9 + 1;
    if (random_bits(random) % 2) end = fmin(end, begin + 10);
    double a = random_between(random, begin, end), b = random_between(random, begin, end);
    if (random_bits(random) % 3 == 0) b = a + some_step_s(random, 2);
    return (jm_window){at(a), at(b)};
}

static void judge(const jm_recording *r, uint32_t device, uint64_t *random) {
    enum { MANY = 24 };
    jm_window windows[MANY];
    jm_energy out[MANY], sum;
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.method = (jm_method)(random_bits(random) % 3);
    options.no_activity = random_bits(random) % 2;
    for (size_t i = 0; i < MANY; i++) windows[i] = some_window(r, random);
    memset(out, 0xFF, sizeof out);
    memset(&sum, 0xFF, sizeof sum);
    int status = jm_energy_windows(r, device, windows, MANY, &options, out, NULL);
    assert_true(status == JM_OK || status == JM_NO_DATA);
    for (size_t i = 0; status == JM_OK && i < MANY; i++) check_energy(&out[i]);
    assert_int_equal(jm_energy_sum(r, device, windows, MANY, &options, &sum, NULL), status);
    if (status == JM_OK) check_energy(&sum);
    double peak = 0;
    status = jm_peak_power(r, device, windows[0].begin_ns, windows[0].end_ns, &peak, NULL);
    assert_true(status == JM_NO_DATA || (status == JM_OK && isfinite(peak)));
    if (random_bits(random) % 16) return; /* what follows looks at every second */
    jm_idle idle = {.size = sizeof idle};
    status = device == JM_DEVICE_TOTAL ? JM_NO_DATA : jm_energy_idle(r, device, &idle, NULL);
    if (status != JM_OK)
        assert_int_equal(status, JM_NO_DATA);
    else
        assert_true(isfinite(idle.power_w) && idle.power_w >= 0 && idle.u95_w >= 0);
}

static void figures_make_sense_whatever_comes(void **state) {
    (void)state;
    long rounds = setting("ENERGY_ROUNDS", 2000), seed = setting("ENERGY_SEED", 0);
    for (long round = seed; round < seed + rounds; round++) {
        uint64_t random = (uint64_t)round * 2654435761u + 1;
        jm_recording *r = some_recording(&random);
        for (uint32_t d = 0; d < jm_recording_device_count(r); d++) judge(r, d, &random);
        judge(r, JM_DEVICE_TOTAL, &random);
        jm_recording_free(r);
    }
}

/* ---- where the sensor saw everything, the figures are tied to the readings ---- */

static void energy_lies_between_the_extremes(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 300; round++) {
        uint64_t random = round + 77;
        jm_recording *r = recording_new();
        uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
        double lowest = INFINITY, highest = 0;
        for (int i = 0; i < 200; i++) {
            double value = random_between(&random, 50, 350);
            lowest = fmin(lowest, value);
            highest = fmax(highest, value);
            add_sample(r, s, 0.1 * i, value, 0.002, i > 0 ? JM_SAMPLE_CHANGED : 0);
        }
        for (int i = 0; i < 20; i++) {
            double a = random_between(&random, 1, 15);
            jm_energy e = energy_of(r, 0, a, a + random_between(&random, 0.001, 3));
            assert_true(e.mean_power_w >= lowest - 1e-6 && e.mean_power_w <= highest + 1e-6);
        }
        jm_recording_free(r);
    }
}

/* A step inside a cell whose reading is a little beyond what a step could give. */
static void noise_at_a_step_does_not_turn_energy_back(void **state) {
    (void)state;
    static const double cells[][5] = {{100, 100, 98, 200, 200},
                                      {100, 100, 203, 200, 200},
                                      {200, 200, 203, 100, 100},
                                      {200, 200, 98, 100, 100}};
    for (size_t k = 0; k < JMI_COUNT(cells); k++) {
        jm_recording *r = recording_new();
        uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
        for (int i = 0; i < 60; i++) {
            double value = cells[k][i < 28 ? 0 : i > 32 ? 4 : i - 28];
            if (i < 28 || i > 32) value += i % 2 ? 1e-6 : -1e-6; /* each tick shows */
            add_sample(r, s, 0.1 * i, value, 0.002, i > 0 ? JM_SAMPLE_CHANGED : 0);
        }
        double before = 0, last = 0;
        for (double end = 2.4; end < 3.6; end += 0.0017) {
            double now = energy_of(r, 0, 2.3, end).energy_j;
            if (now < before || (last > 0 && now - before > 0.0017 * 260))
                fail_msg("case %zu: from %g to %g J at %g s", k, before, now, end);
            last = before;
            before = now;
        }
        jm_recording_free(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_make_sense_whatever_comes),
        cmocka_unit_test(energy_lies_between_the_extremes),
        cmocka_unit_test(noise_at_a_step_does_not_turn_energy_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
