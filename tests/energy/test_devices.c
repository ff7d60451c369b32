/* Devices and their sum, counter and power together, provenance, options, idle power and peaks. */
#include "helpers.h"

/* Polls a fresh sensor of a device for 10 s. */
static void ten_seconds(jm_recording *r, uint32_t sensor, energy_fn energy, double window_s) {
    polled source = {.energy = energy, .refresh_s = 0.1, .window_s = window_s, .phase_s = 0.01};
    follow(r, sensor, &source, 0, 10, 0);
}

static double watts_100(double t) {
    return 100 * t;
}
static double watts_150(double t) {
    return 150 * t;
}

static uint32_t add_outsider(jm_recording *r, const char *name) {
    uint32_t index;
    jm_device device = {.size = sizeof device, .name = name, .power_limit_w = 400};
    assert_int_equal(jm_recording_add_device(r, &device, &index, NULL), JM_OK);
    return index;
}

/* ---- the total ---- */

/* Zeus took the platform's zone for a second CPU. */
static void the_total_has_no_platform_and_no_cores(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    static const char *const in[] = {"gpu0", "gpu1", "cpu0", "dram0"};
    for (size_t i = 0; i < JMI_COUNT(in); i++)
        ten_seconds(r, add_counter(r, add_device(r, in[i], 400), 0.1), watts_100, 0);
    static const char *const not_in[] = {"core0", "psys0"};
    for (size_t i = 0; i < JMI_COUNT(not_in); i++)
        ten_seconds(r, add_counter(r, add_outsider(r, not_in[i]), 0.1), constant_250, 0);
    add_device(r, "gpu2", 400);                         /* without a sensor: skipped */
    add_power(r, add_device(r, "gpu3", 400), 0.1, 0.1); /* without a sample: likewise */
    jm_energy total = energy_of(r, JM_DEVICE_TOTAL, 1, 9), one = energy_of(r, 0, 1, 9);
    close_to(total.energy_j, 4 * 800, 20, "four devices");
    close_to(total.mean_power_w, 400, 3, "mean power");
    /* they err independently: twice the uncertainty of one, not four times */
    close_to(total.u_random_j, 2 * one.u_random_j, 0.2 * one.u_random_j, "random");
    close_to(energy_of(r, 5, 1, 9).energy_j, 2000, 10, "the platform by itself");
    jm_recording_free(r);
}

static void the_total_is_the_sum_of_its_parts(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    ten_seconds(r, add_power(r, add_device(r, "gpu0", 400), 0.1, 0.025), square_wave, 0.025);
    ten_seconds(r, add_counter(r, add_device(r, "cpu0", 400), 0.1), slow_sine, 0);
    uint64_t random = 3;
    for (int i = 0; i < 100; i++) {
        double a = random_between(&random, 0, 9), b = a + random_between(&random, 1e-4, 3);
        jm_energy x = energy_of(r, 0, a, b), y = energy_of(r, 1, a, b);
        jm_energy t = energy_of(r, JM_DEVICE_TOTAL, a, b);
        close_to(t.energy_j, x.energy_j + y.energy_j, 1e-9 * t.energy_j + 1e-9, "sum");
        assert_int_equal(t.provenance, x.provenance | y.provenance);
        assert_true(t.u95_j >= fmax(x.u95_j, y.u95_j) * 0.999);
    }
    jm_recording_free(r);
}

/* One GPU fell off the bus: what it drew from then on is not known to be nothing. */
static void a_device_that_was_lost_widens_the_total(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        jm_recording *r = recording_new();
        uint32_t lost = 0, good = 1;
        if (first) lost = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
        good = add_power(r, add_device(r, "gpu1", 400), 0.1, 0.1);
        if (!first) lost = add_power(r, add_device(r, "gpu2", 400), 0.1, 0.1);
        polled source = {.energy = constant_250, .refresh_s = 0.1, .window_s = 0.1};
        follow(r, lost, &source, 0, 4, 0);
        ten_seconds(r, good, constant_250, 0.1);
        jm_energy total = energy_of(r, JM_DEVICE_TOTAL, 6, 8);
        assert_true(total.flags & JM_ENERGY_PARTIAL);
        assert_true(total.measured < 1);
        assert_true(total.lower_j <= 500 && total.upper_j >= 1000);
        jm_energy none = energy_of(r, JM_DEVICE_TOTAL, 16, 18); /* after both */
        assert_true(none.provenance == 0 && none.measured == 0 && none.energy_j == 0);
        assert_true(none.upper_j >= 2 * 2 * 400);
        jm_recording_free(r);
    }
}

/* ---- counter and power of one device ---- */

static jm_recording *both_views(energy_fn counted, energy_fn read, double window_s) {
    jm_recording *r = recording_new();
    uint32_t gpu = add_device(r, "gpu0", 400);
    uint32_t counter = add_counter(r, gpu, 0.1), power = add_power(r, gpu, 0.1, window_s);
    ten_seconds(r, counter, counted, 0);
    ten_seconds(r, power, read, window_s);
    return r;
}

static void views_that_agree_are_fused(void **state) {
    (void)state;
    jm_recording *r = both_views(square_wave, square_wave, 0.1);
    jm_energy both = energy_of(r, 0, 1.53, 8.81);
    jm_energy counter = energy_by(r, 0, 1.53, 8.81, JM_METHOD_COUNTER);
    jm_energy power = energy_by(r, 0, 1.53, 8.81, JM_METHOD_POWER);
    assert_int_equal(both.provenance, JM_FROM_COUNTER | JM_FROM_POWER);
    assert_int_equal(counter.provenance, JM_FROM_COUNTER);
    assert_int_equal(power.provenance, JM_FROM_POWER);
    assert_false(both.flags & JM_ENERGY_CONFLICT);
    double low = fmin(counter.energy_j, power.energy_j);
    double high = fmax(counter.energy_j, power.energy_j);
    assert_true(both.energy_j >= low - 1e-9 && both.energy_j <= high + 1e-9);
    assert_true(both.u_random_j <= fmin(counter.u_random_j, power.u_random_j) * 1.0001);
    jm_recording_free(r);
}

/* 187 J against 327 J for the same idle 5 s (Zeus, issue 181). */
static void views_that_disagree_are_a_conflict(void **state) {
    (void)state;
    jm_recording *r = both_views(watts_100, watts_150, 0.1);
    jm_energy e = energy_of(r, 0, 2, 8);
    jm_energy counter = energy_by(r, 0, 2, 8, JM_METHOD_COUNTER);
    jm_energy power = energy_by(r, 0, 2, 8, JM_METHOD_POWER);
    assert_true(e.flags & JM_ENERGY_CONFLICT);
    assert_false((counter.flags | power.flags) & JM_ENERGY_CONFLICT);
    assert_true(e.lower_j <= 600 && e.upper_j >= 900); /* holds both */
    close_to(e.energy_j, 750, 10, "between them");
    assert_true(e.u95_j > 2 * fmax(counter.u95_j, power.u95_j));
    jm_energy total = energy_of(r, JM_DEVICE_TOTAL, 2, 8);
    assert_true(total.flags & JM_ENERGY_CONFLICT);
    jm_recording_free(r);
}

static void a_part_time_reading_yields_to_the_counter(void **state) {
    (void)state; /* the same, over 10 s and more, is a conflict: the mean should be right */
    jm_recording *r = both_views(watts_100, watts_150, 0.025);
    close_to(energy_of(r, 0, 2, 8).energy_j, 600, 6, "the counter's");
    jm_recording_free(r);
}

/* A counter that began after the power readings, or broke off: the other one goes on. */
static void one_view_covers_for_the_other(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t gpu = add_device(r, "gpu0", 400);
    uint32_t counter = add_counter(r, gpu, 0.1), power = add_power(r, gpu, 0.1, 0.1);
    polled source = {.energy = constant_250, .refresh_s = 0.1};
    follow(r, counter, &source, 0, 4, 0);
    ten_seconds(r, power, constant_250, 0.1);
    jm_energy late = energy_of(r, 0, 6, 9), across = energy_of(r, 0, 2, 9);
    assert_int_equal(late.provenance, JM_FROM_POWER);
    close_to(late.energy_j, 750, 1e-6, "late");
    close_to(across.energy_j, 1750, 20, "across");
    assert_true(across.measured > 0.99 && !(across.flags & JM_ENERGY_PARTIAL));
    jm_recording_free(r);
}

static void a_power_of_its_own_is_not_an_average(void **state) {
    (void)state; /* the sensor that sees most of the time is taken, in whatever order they come */
    for (int order = 0; order < 2; order++) {
        jm_recording *r = recording_new();
        uint32_t gpu = add_device(r, "gpu0", 400);
        uint32_t wide = 0, fine;
        if (order == 0) wide = add_power(r, gpu, 0.1, 1);
        fine = add_power(r, gpu, 0.1, 0.1);
        if (order == 1) wide = add_power(r, gpu, 0.1, 1);
        ten_seconds(r, wide, watts_100, 1);
        ten_seconds(r, fine, watts_150, 0.1);
        close_to(energy_of(r, 0, 2, 8).energy_j, 900, 1, "fine");
        jm_recording_free(r);
    }
}

/* ---- provenance ---- */

static void provenance_in_words(void **state) {
    (void)state;
    static const struct {
        uint32_t provenance;
        const char *text;
    } all[] = {
        {0, "not measured"},
        {JM_FROM_COUNTER, "counter"},
        {JM_FROM_POWER, "power"},
        {JM_FROM_COUNTER | JM_FROM_POWER, "counter+power"},
        {JM_FROM_COUNTER | JM_FROM_POWER | JM_FROM_SIMULATION, "counter+power, simulated"},
        {JM_FROM_MODEL, "modelled"},
        {JM_FROM_POWER | JM_BOUND_ONLY, "power, bound only"},
        {1u << 20, "not measured"},
    };
    char text[64];
    for (size_t i = 0; i < JMI_COUNT(all); i++)
        assert_string_equal(jm_provenance_text(all[i].provenance, text, sizeof text), all[i].text);
    const char *whole = "counter+power, modelled, simulated, bound only";
    jm_provenance_text(UINT32_MAX, text, sizeof text);
    assert_non_null(strstr(text, "bound only"));
    for (size_t size = 1; size < 30; size++) { /* cut off, never overrun, never another word */
        memset(text, 'G', sizeof text);
        jm_provenance_text(JM_FROM_COUNTER | JM_FROM_POWER | JM_FROM_SIMULATION, text, size);
        assert_int_equal(strncmp(text, whole, strlen(text) < 13 ? strlen(text) : 13), 0);
        assert_true(strlen(text) < size && text[size] == 'G');
    }
    assert_ptr_equal(jm_provenance_text(1, text, 0), text);
}

static uint32_t add_model(jm_recording *r, uint32_t device) {
    uint32_t sensor = UINT32_MAX;
    jm_sensor model = {.size = sizeof model,
                       .device = device,
                       .quantity = JM_QUANTITY_POWER,
                       .source = "cpu model",
                       .modelled = true,
                       .refresh_ns = 100000000,
                       .window_ns = 100000000};
    assert_int_equal(jm_recording_add_sensor(r, &model, &sensor, NULL), JM_OK);
    return sensor;
}

/* A model says nothing that holds without doubt, however short the window. */
static void a_model_never_bounds(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t cpu = add_device(r, "cpu0", 0), sensor = add_model(r, cpu);
    add_sample(r, sensor, 0.001, 20, 10, 0); /* a session of 5 ms, polled every 100 ms */
    add_sample(r, sensor, 0.006, 20, 0.005, 0);
    jm_energy e = energy_of(r, cpu, 0.001, 0.005);
    assert_int_equal(e.provenance, JM_FROM_MODEL);
    close_to(e.energy_j, 0.08, 1e-6, "20 W for 4 ms");
    assert_true(e.u95_j > e.energy_j &&
                e.measured == 1); /* utilisation of 4 ms is anybody's guess */
    jm_window twice[] = {{at(0.001), at(0.002)}, {at(0.003), at(0.004)}};
    jm_energy sum;
    assert_int_equal(jm_energy_sum(r, cpu, twice, 2, NULL, &sum, NULL), JM_OK);
    check_energy(&sum);
    assert_int_equal(sum.provenance, JM_FROM_MODEL);
    jm_energy later = energy_of(r, cpu, 5, 5.001); /* nobody looked */
    assert_true(later.provenance == 0 && later.measured == 0 && later.energy_j == 0);
    jm_recording_free(r);

    r = recording_new();
    cpu = add_device(r, "cpu0", 0);
    sensor = add_model(r, cpu);
    for (int i = 0; i <= 50; i++)
        add_sample(r, sensor, 0.1 * i, i % 2 ? 80 : 20, 0.1, JM_SAMPLE_CHANGED);
    for (double length = 0.0001; length < 0.2; length *= 1.7)
        for (double begin = 2; begin < 2.2; begin += 0.013) {
            e = energy_of(r, cpu, begin, begin + length);
            assert_int_equal(e.provenance, JM_FROM_MODEL);
            assert_true(e.u95_j > 0.9 * e.energy_j); /* its gain alone is that wide */
        }
    jm_recording_free(r);
}

static void what_is_modelled_or_simulated_says_so(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t cpu = add_device(r, "cpu0", 0), sensor = add_model(r, cpu), index;
    ten_seconds(r, sensor, watts_100, 0.1);
    jm_device gpu = {.size = sizeof gpu, .name = "gpu0", .in_total = true, .simulated = true};
    assert_int_equal(jm_recording_add_device(r, &gpu, &index, NULL), JM_OK);
    ten_seconds(r, add_counter(r, index, 0.1), watts_100, 0);
    jm_energy modelled = energy_of(r, cpu, 1, 9), simulated = energy_of(r, index, 1, 9);
    assert_int_equal(modelled.provenance, JM_FROM_MODEL);
    assert_int_equal(simulated.provenance, JM_FROM_COUNTER | JM_FROM_SIMULATION);
    assert_true(modelled.u_systematic_j > 0.1 * modelled.energy_j); /* honestly wide */
    assert_true(energy_of(r, JM_DEVICE_TOTAL, 1, 9).provenance & JM_FROM_MODEL);
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_total_has_no_platform_and_no_cores),
        cmocka_unit_test(the_total_is_the_sum_of_its_parts),
        cmocka_unit_test(a_device_that_was_lost_widens_the_total),
        cmocka_unit_test(views_that_agree_are_fused),
        cmocka_unit_test(views_that_disagree_are_a_conflict),
        cmocka_unit_test(a_part_time_reading_yields_to_the_counter),
        cmocka_unit_test(one_view_covers_for_the_other),
        cmocka_unit_test(a_power_of_its_own_is_not_an_average),
        cmocka_unit_test(provenance_in_words),
        cmocka_unit_test(a_model_never_bounds),
        cmocka_unit_test(what_is_modelled_or_simulated_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
