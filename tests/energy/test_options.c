/* Options, wrong arguments, idle power, peaks, and sums of windows. */
#include "helpers.h"

/* 60 W for 4 s, then 300 W. */
static double idle_then_load(double t) {
    return t < 4 ? 60 * t : 240 + 300 * (t - 4);
}

static int window_with(const jm_recording *r, const jm_energy_options *options, jm_energy *out,
                       jm_error *error) {
    return jm_energy_window(r, 0, at(2), at(8), options, out, error);
}

/* ---- options ---- */

static void the_gain_is_systematic(void **state) {
    (void)state;
    jm_recording *r = record_gpu(constant_250, 0.1, 0.1, 10);
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_energy plain, precise, vague, offset;
    assert_int_equal(window_with(r, NULL, &plain, NULL), JM_OK);
    close_to(plain.u_systematic_j, hypot(0.03 * 1500, 4 * 6), 1e-6, "3 % and 4 W");
    options.gain_u = 0.001;
    options.offset_u_w = 1e-9;
    assert_int_equal(window_with(r, &options, &precise, NULL), JM_OK);
    close_to(precise.u_systematic_j, 1.5, 1e-6, "0.1 %");
    options.gain_u = 0.5;
    assert_int_equal(window_with(r, &options, &vague, NULL), JM_OK);
    close_to(vague.u_systematic_j, 750, 1e-6, "50 %");
    options.gain_u = 1e-9;
    options.offset_u_w = 10;
    assert_int_equal(window_with(r, &options, &offset, NULL), JM_OK);
    close_to(offset.u_systematic_j, 60, 1e-6, "10 W");
    assert_true(precise.u95_j < plain.u95_j && plain.u95_j < vague.u95_j);
    assert_true(plain.energy_j == precise.energy_j && plain.u_random_j == vague.u_random_j);
    check_energy(&vague);
    assert_true(vague.lower_j >= 0);
    jm_recording_free(r);
}

static void wrong_options_are_refused(void **state) {
    (void)state;
    jm_recording *r = record_gpu(constant_250, 0.1, 0.1, 10);
    static const struct {
        double gain_u, offset_u_w;
        int method;
    } wrong[] = {{-0.1, 0, 0}, {1, 0, 0},        {NAN, 0, 0}, {INFINITY, 0, 0}, {0, -1, 0},
                 {0, NAN, 0},  {0, INFINITY, 0}, {0, 0, 3},   {0, 0, -1},       {0, 0, 1000000}};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
        options.gain_u = wrong[i].gain_u;
        options.offset_u_w = wrong[i].offset_u_w;
        options.method = (jm_method)wrong[i].method;
        jm_energy e;
        jm_error error = {0};
        assert_int_equal(window_with(r, &options, &e, &error), JM_INVALID);
        assert_int_equal(error.status, JM_INVALID);
        assert_true(error.message[0] != '\0');
        jm_window w = {at(2), at(8)};
        assert_int_equal(jm_energy_sum(r, 0, &w, 1, &options, &e, &error), JM_INVALID);
    }
    jm_recording_free(r);
}

static void options_of_other_versions(void **state) {
    (void)state;
    jm_recording *r = record_gpu(constant_250, 0.1, 0.1, 10);
    struct {
        jm_energy_options now;
        char later[32];
    } options;
    memset(&options, 0, sizeof options);
    options.now.offset_u_w = 1e6; /* beyond an older program's struct */
    options.now.gain_u = 0.1;
    options.now.size = offsetof(jm_energy_options, offset_u_w);
    jm_energy e;
    jm_error error = {0};
    assert_int_equal(window_with(r, &options.now, &e, &error), JM_OK);
    close_to(e.u_systematic_j, hypot(150, 24), 1e-6, "the older program's");
    options.now.size = sizeof options;
    options.now.offset_u_w = 0;
    assert_int_equal(window_with(r, &options.now, &e, &error), JM_OK);
    options.later[5] = 1;
    assert_int_equal(window_with(r, &options.now, &e, &error), JM_INVALID);
    options.now.size = 0;
    assert_int_equal(window_with(r, &options.now, &e, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "jm_energy_options"));
    jm_recording_free(r);
}

static void a_method_that_is_not_there(void **state) {
    (void)state;
    jm_recording *power = record_gpu(constant_250, 0.1, 0.1, 10);
    jm_recording *counter = record_gpu(constant_250, 0.1, 0, 10);
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_energy e;
    jm_error error = {0};
    options.method = JM_METHOD_COUNTER;
    assert_int_equal(window_with(power, &options, &e, &error), JM_NO_DATA);
    assert_non_null(strstr(error.message, "gpu0"));
    assert_int_equal(window_with(counter, &options, &e, NULL), JM_OK);
    options.method = JM_METHOD_POWER;
    assert_int_equal(window_with(counter, &options, &e, NULL), JM_NO_DATA);
    assert_int_equal(window_with(power, &options, &e, NULL), JM_OK);
    jm_recording_free(power);
    jm_recording_free(counter);
}

static void null_and_none(void **state) {
    (void)state;
    jm_recording *r = record_gpu(constant_250, 0.1, 0.1, 3);
    jm_window w = {at(1), at(2)};
    jm_energy e;
    double watts;
    jm_idle idle = {.size = sizeof idle};
    assert_int_equal(jm_energy_windows(NULL, 0, &w, 1, NULL, &e, NULL), JM_INVALID);
    assert_int_equal(jm_energy_windows(r, 0, NULL, 1, NULL, &e, NULL), JM_INVALID);
    assert_int_equal(jm_energy_windows(r, 0, &w, 1, NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_energy_windows(r, 0, NULL, 0, NULL, NULL, NULL), JM_OK);
    assert_int_equal(jm_energy_windows(r, JM_DEVICE_TOTAL, NULL, 0, NULL, NULL, NULL), JM_OK);
    assert_int_equal(jm_energy_windows(r, 7, &w, 1, NULL, &e, NULL), JM_NOT_FOUND);
    assert_int_equal(jm_energy_window(NULL, 0, 0, 1, NULL, &e, NULL), JM_INVALID);
    assert_int_equal(jm_energy_sum(NULL, 0, &w, 1, NULL, &e, NULL), JM_INVALID);
    assert_int_equal(jm_energy_sum(r, 0, NULL, 1, NULL, &e, NULL), JM_INVALID);
    assert_int_equal(jm_energy_sum(r, 0, &w, 1, NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_energy_ranges(NULL, 0, NULL, &e, 0, NULL), JM_INVALID);
    assert_int_equal(jm_energy_ranges(r, 0, NULL, &e, 1, NULL), JM_NOT_FOUND);
    assert_int_equal(jm_energy_ranges(r, 0, NULL, NULL, 0, NULL), JM_OK);
    assert_int_equal(jm_energy_idle(NULL, 0, &idle, NULL), JM_INVALID);
    assert_int_equal(jm_energy_idle(r, 0, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_energy_idle(r, 7, &idle, NULL), JM_NOT_FOUND);
    assert_int_equal(jm_peak_power(NULL, 0, 0, 1, &watts, NULL), JM_INVALID);
    assert_int_equal(jm_peak_power(r, 0, 0, 1, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_range_energy(NULL, 1, 0, NULL, &e, NULL), JM_INVALID);
    jm_recording_free(r);
}

/* ---- sums ---- */

static void a_sum_is_that_of_its_windows(void **state) {
    (void)state;
    jm_recording *r = record_gpu(slow_sine, 0.1, 0.025, 12);
    enum { MANY = 20 };
    jm_window windows[MANY];
    jm_energy each[MANY], sum, empty;
    double joules = 0, seconds = 0;
    for (int i = 0; i < MANY; i++)
        windows[i] = (jm_window){at(1 + 0.5 * i), at(1 + 0.5 * i + 0.31)};
    energies_of(r, 0, windows, MANY, each);
    for (int i = 0; i < MANY; i++) joules += each[i].energy_j, seconds += each[i].duration_s;
    assert_int_equal(jm_energy_sum(r, 0, windows, MANY, NULL, &sum, NULL), JM_OK);
    check_energy(&sum);
    close_to(sum.energy_j, joules, 1e-9 * joules, "sum");
    close_to(sum.duration_s, seconds, 1e-9, "duration");
    assert_true(sum.u_random_j >= each[0].u_random_j);
    assert_int_equal(jm_energy_sum(r, 0, NULL, 0, NULL, &empty, NULL), JM_OK);
    check_energy(&empty);
    assert_true(empty.energy_j == 0 && empty.upper_j == 0 && empty.duration_s == 0);
    jm_recording_free(r);
}

/* What 10 ms hide of a part-time sensor, nobody knows; what forty of them hide is a sample. */
static void many_short_windows_are_an_estimate(void **state) {
    (void)state;
    jm_recording *r = record_gpu(fast_square, 0.1, 0.025, 20);
    for (size_t count = 1; count <= 41; count += 8) {
        jm_window windows[41];
        double truth = 0;
        for (size_t i = 0; i < count; i++) {
            double begin = 1 + 0.4321 * (double)i;
            windows[i] = (jm_window){at(begin), at(begin + 0.01)};
            truth += fast_square(begin + 0.01) - fast_square(begin);
        }
        jm_energy sum;
        assert_int_equal(jm_energy_sum(r, 0, windows, count, NULL, &sum, NULL), JM_OK);
        check_energy(&sum);
        assert_true(sum.lower_j <= truth && truth <= sum.upper_j);
        assert_int_equal((sum.provenance & JM_BOUND_ONLY) != 0, count < 16);
    }
    /* a long window's own uncertainty is in the bounds of a sum with a short one */
    jm_window both[] = {{at(2), at(12)}, {at(13), at(13.01)}};
    jm_energy sum, longer = energy_of(r, 0, 2, 12);
    assert_int_equal(jm_energy_sum(r, 0, both, 2, NULL, &sum, NULL), JM_OK);
    assert_true(sum.provenance & JM_BOUND_ONLY);
    assert_true(sum.upper_j - sum.energy_j >= 1.9 * longer.u_random_j);
    jm_recording_free(r);
}

/* Batches that begin with the load: what the readings do not show of one they show of none, unless
 * ranges tell. */
static void windows_in_step_with_the_load(void **state) {
    (void)state;
    static const struct {
        double refresh_s, window_s;
    } sensors[] = {{0.1, 0.1}, {0.1, 0}, {0.1012, 0.025}, {0.1, 1}};
    enum { MANY = 64 };
    for (size_t k = 0; k < JMI_COUNT(sensors); k++) {
        jm_recording *r =
            record_gpu(fast_square, sensors[k].refresh_s, sensors[k].window_s, 0.154 * MANY);
        jm_window windows[MANY];
        double truth = 300 * 0.06 * MANY; /* within the second half of each period */
        for (int i = 0; i < MANY; i++) {
            double begin = 0.154 * i + 0.077;
            windows[i] = (jm_window){at(begin + 0.008), at(begin + 0.068)};
        }
        jm_energy plain, told;
        assert_int_equal(jm_energy_sum(r, 0, windows, MANY, NULL, &plain, NULL), JM_OK);
        check_energy(&plain);
        if (!(plain.lower_j <= truth && truth <= plain.upper_j))
            fail_msg("sensor %zu: %g +- %g J, not %g", k, plain.energy_j, plain.u95_j, truth);
        for (int i = 0; i < MANY; i++) {
            double begin = 0.154 * i + 0.077;
            add_range(r, JM_CATEGORY_BATCH, "batch", begin, begin + 0.077);
        }
        assert_int_equal(jm_energy_sum(r, 0, windows, MANY, NULL, &told, NULL), JM_OK);
        check_energy(&told);
        if (!(told.lower_j <= truth && truth <= told.upper_j))
            fail_msg("sensor %zu, ranges: %g +- %g J, not %g", k, told.energy_j, told.u95_j, truth);
        if (sensors[k].window_s <= sensors[k].refresh_s) {
            assert_true(told.flags & JM_ENERGY_ACTIVITY);
            close_to(told.energy_j, truth, 0.03 * truth, "with ranges");
            assert_true(told.u95_j < plain.u95_j);
        }
        jm_recording_free(r);
    }
}

/* The steps of a loop are all of its time but for the gaps, in which little can hide. */
static void short_gaps_hide_little(void **state) {
    (void)state;
    jm_recording *r = record_gpu(slow_sine, 0.1, 0.1, 25);
    enum { MANY = 100 };
    jm_window windows[MANY], backwards[MANY];
    for (int i = 0; i < MANY; i++) {
        windows[i] = (jm_window){at(2 + 0.2 * i), at(2 + 0.2 * i + 0.1999)};
        backwards[MANY - 1 - i] = windows[i];
    }
    jm_energy sum, disordered, one = energy_of(r, 0, 5, 5.2), whole = energy_of(r, 0, 2, 22);
    assert_int_equal(jm_energy_sum(r, 0, windows, MANY, NULL, &sum, NULL), JM_OK);
    assert_true(sum.u_random_j < 0.1 * MANY * one.u_random_j);
    assert_true(sum.u_random_j >= whole.u_random_j);
    assert_int_equal(jm_energy_sum(r, 0, backwards, MANY, NULL, &disordered, NULL), JM_OK);
    close_to(disordered.energy_j, sum.energy_j, 1e-9 * sum.energy_j, "in any order");
    assert_true(disordered.u_random_j >= sum.u_random_j);
    jm_recording_free(r);
}

static void unmeasured_windows_add_nothing(void **state) {
    (void)state;
    jm_recording *r = record_gpu(constant_250, 0.1, 0.1, 5);
    jm_window windows[] = {{at(20), at(30)}, {at(40), at(45)}, {at(3), at(2)}};
    for (int total = 0; total < 2; total++) {
        jm_energy sum;
        uint32_t device = total ? JM_DEVICE_TOTAL : 0;
        assert_int_equal(jm_energy_sum(r, device, windows, 3, NULL, &sum, NULL), JM_OK);
        check_energy(&sum);
        assert_true(sum.energy_j == 0 && sum.measured == 0 && sum.provenance == 0);
        assert_true(sum.upper_j >= 15 * 400);
    }
    jm_recording_free(r);
}

/* Sums of many windows that are far too short: what each may hide is bounded, and so is the sum. */
static void short_windows_do_not_sum_to_nonsense(void **state) {
    (void)state;
    enum { MANY = 2000 };
    static jm_window windows[MANY];
    jm_recording *r = record_gpu(constant_250, 0.1, 0, 4);
    for (size_t i = 0; i < MANY; i++) {
        double begin = 1 + 1e-3 * (double)i;
        windows[i] = (jm_window){at(begin), at(begin + 1e-6)};
        add_range(r, JM_CATEGORY_BATCH, "batch", begin, begin + 1e-6);
    }
    jm_energy sum;
    assert_int_equal(jm_energy_sum(r, 0, windows, MANY, NULL, &sum, NULL), JM_OK);
    close_to(sum.duration_s, 2e-3, 1e-9, "duration");
    assert_true(sum.lower_j <= 0.5 && sum.upper_j >= 0.5); /* 2 ms at 250 W */
    assert_true(sum.upper_j < 2 * 2e-3 * 1.2 * 400);       /* the board's limit, overshot */
    jm_recording_free(r);
}

static void groups_are_sums(void **state) {
    (void)state;
    jm_recording *r = record_gpu(slow_sine, 0.1, 0.1, 12);
    jm_window windows[9];
    uint32_t group[9];
    for (uint32_t i = 0; i < 9; i++) {
        windows[i] = (jm_window){at(1 + i), at(1.7 + i)};
        group[i] = i % 3 == 0 ? 0 : 2; /* nobody is in 1 */
    }
    jm_energy out[3], sum;
    for (int total = 0; total < 2; total++) {
        uint32_t device = total ? JM_DEVICE_TOTAL : 0;
        assert_int_equal(jm_energy_groups(r, device, windows, group, 9, NULL, out, 3, NULL), JM_OK);
        jm_window first[] = {windows[0], windows[3], windows[6]};
        assert_int_equal(jm_energy_sum(r, device, first, 3, NULL, &sum, NULL), JM_OK);
        close_to(out[0].energy_j, sum.energy_j, 1e-9, "group 0");
        assert_true(out[1].energy_j == 0 && out[1].upper_j == 0);
        for (int g = 0; g < 3; g++) check_energy(&out[g]);
    }
    group[4] = 3;
    assert_int_equal(jm_energy_groups(r, 0, windows, group, 9, NULL, out, 3, NULL), JM_INVALID);
    jm_recording_free(r);
}

/* ---- idle power ---- */

static void idle_from_the_baseline(void **state) {
    (void)state;
    static const jm_category good[] = {JM_CATEGORY_WARMUP, JM_CATEGORY_SESSION};
    for (size_t i = 0; i < 2; i++) {
        jm_recording *r = record_gpu(idle_then_load, 0.1, 0.1, 12);
        add_range(r, JM_CATEGORY_USER, "idle", 6, 9); /* anybody's word for it */
        add_range(r, JM_CATEGORY_WARMUP, "not idle", 6, 9);
        add_range(r, good[i], "idle", 0.5, 3.5);
        jm_idle idle = {.size = sizeof idle};
        assert_int_equal(jm_energy_idle(r, 0, &idle, NULL), JM_OK);
        assert_true(idle.from_baseline);
        close_to(idle.power_w, 60, 0.5, "baseline");
        assert_true(idle.u95_w > 0 && idle.u95_w < 60);
        jm_recording_free(r);
    }
}

static void idle_from_the_quietest_second(void **state) {
    (void)state;
    static const double windows[] = {0.1, 0.025, 0};
    for (size_t i = 0; i < JMI_COUNT(windows); i++) {
        jm_recording *r = record_gpu(idle_then_load, 0.1, windows[i], 12);
        jm_idle idle = {.size = sizeof idle};
        assert_int_equal(jm_energy_idle(r, 0, &idle, NULL), JM_OK);
        assert_false(idle.from_baseline);
        close_to(idle.power_w, 60, 1.5, "quietest second");
        jm_recording_free(r);
    }
}

/* 10 W just before the sensor failed for 3 s: these were not quiet, they were not measured. */
static void a_gap_is_not_quiet(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t s = add_power(r, add_device(r, "gpu0", 400), 0.1, 0.1);
    for (int i = 0; i < 100; i++) {
        double value = i == 49 ? 10 : 60 + i % 2;
        bool bad = i >= 50 && i < 80;
        add_sample(r, s, 0.1 * i, bad ? 0 : value, 0.002,
                   bad       ? JM_SAMPLE_MISSING
                   : i == 80 ? JM_SAMPLE_GAP | JM_SAMPLE_CHANGED
                   : i > 0   ? JM_SAMPLE_CHANGED
                             : 0);
    }
    jm_idle idle = {.size = sizeof idle};
    assert_int_equal(jm_energy_idle(r, 0, &idle, NULL), JM_OK);
    close_to(idle.power_w, 58, 3, "quietest second");
    jm_recording_free(r);
}

static void a_baseline_without_readings_is_none(void **state) {
    (void)state;
    jm_recording *r = record_gpu(idle_then_load, 0.1, 0.1, 12);
    add_range(r, JM_CATEGORY_WARMUP, "idle", -5, -2); /* before the sensor was there */
    jm_idle idle = {.size = sizeof idle};
    assert_int_equal(jm_energy_idle(r, 0, &idle, NULL), JM_OK);
    assert_false(idle.from_baseline);
    close_to(idle.power_w, 60, 1.5, "not 0 W");
    jm_recording_free(r);
}

static void idle_of_too_little(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    jm_idle idle = {.size = sizeof idle};
    jm_error error = {0};
    uint32_t gpu = add_device(r, "gpu0", 400), s = add_power(r, gpu, 0.1, 0.1);
    assert_int_equal(jm_energy_idle(r, gpu, &idle, &error), JM_NO_DATA);
    add_sample(r, s, 0, 250, 1, 0);
    int status = jm_energy_idle(r, gpu, &idle, &error);
    assert_true(status == JM_NO_DATA && error.message[0] != '\0');
    for (int i = 1; i < 6; i++) add_sample(r, s, 0.1 * i, 250, 0.1, 0); /* half a second */
    assert_int_equal(jm_energy_idle(r, gpu, &idle, &error), JM_OK);
    close_to(idle.power_w, 250, 1, "idle");
    jm_idle unset = {0};
    assert_int_equal(jm_energy_idle(r, gpu, &unset, &error), JM_INVALID);
    jm_recording_free(r);
}

static void add_steady(jm_recording *r, const char *name, bool in_total, double watts,
                       double to_s) {
    jm_device device = {
        .size = sizeof device, .name = name, .in_total = in_total, .power_limit_w = 400};
    uint32_t index, sensor;
    assert_int_equal(jm_recording_add_device(r, &device, &index, NULL), JM_OK);
    sensor = add_power(r, index, 0.1, 0.1);
    for (int i = 0; 0.1 * i <= to_s; i++) add_sample(r, sensor, 0.1 * i, watts, 0.1, 0);
}

static void idle_of_all(void **state) {
    (void)state;
    jm_recording *r = record_gpu(idle_then_load, 0.1, 0.1, 12);
    jm_idle idle = {.size = sizeof idle}, gpu = {.size = sizeof gpu};
    add_device(r, "node", 0); /* nothing measures it */
    add_steady(r, "cpu0", true, 40, 12);
    add_steady(r, "core0", false, 25, 12); /* in the CPU */
    add_range(r, JM_CATEGORY_WARMUP, "idle", 0.5, 3.5);
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_TOTAL, &idle, NULL), JM_OK);
    assert_int_equal(jm_energy_idle(r, 0, &gpu, NULL), JM_OK);
    assert_true(idle.from_baseline);
    close_to(idle.power_w, 100, 1, "all");
    assert_true(idle.u95_w >= gpu.u95_w && idle.u95_w < 30);
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_GPUS, &idle, NULL), JM_OK);
    close_to(idle.power_w, gpu.power_w, 1e-9, "GPUs");
    jm_recording_free(r);
}

/* Quietest seconds need not be the same; what one device lacks, the sum cannot know. */
static void idle_of_all_without_a_baseline(void **state) {
    (void)state;
    jm_recording *r = record_gpu(idle_then_load, 0.1, 0.1, 12);
    jm_idle idle = {.size = sizeof idle};
    add_steady(r, "cpu0", true, 40, 12);
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_TOTAL, &idle, NULL), JM_OK);
    assert_false(idle.from_baseline);
    close_to(idle.power_w, 100, 2, "all");
    add_steady(r, "dram0", true, 10, 0.3); /* lost too early to tell */
    jm_error error = {0};
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_TOTAL, &idle, &error), JM_NO_DATA);
    assert_true(error.message[0] != '\0');
    jm_recording_free(r);

    r = recording_new();
    add_device(r, "node", 0);
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_TOTAL, &idle, &error), JM_NO_DATA);
    jm_recording_free(r);
}

/* ---- peaks ---- */

static void peaks_are_readings_that_are_there(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    uint32_t gpu = add_device(r, "gpu0", 400), s = add_power(r, gpu, 0.1, 0.1);
    uint32_t counter = add_counter(r, gpu, 0.1);
    double peak = -1;
    jm_error error = {0};
    assert_int_equal(jm_peak_power(r, gpu, at(0), at(9), &peak, &error), JM_NO_DATA);
    for (int i = 0; i < 100; i++) {
        add_sample(r, s, 0.1 * i, i == 50 ? 9999 : 100 + i, 0.1, i == 50 ? JM_SAMPLE_MISSING : 0);
        add_sample(r, counter, 0.1 * i, 1e6 * i, 0.1, 0); /* joules are no watts */
    }
    assert_int_equal(jm_peak_power(r, gpu, at(2), at(8), &peak, &error), JM_OK);
    assert_true(peak == 180);
    assert_int_equal(jm_peak_power(r, gpu, at(3), at(3), &peak, &error), JM_OK);
    assert_true(peak == 130);
    assert_int_equal(jm_peak_power(r, gpu, INT64_MIN, INT64_MAX, &peak, &error), JM_OK);
    assert_true(peak == 199);
    peak = -1;
    assert_int_equal(jm_peak_power(r, gpu, at(3.02), at(3.08), &peak, &error), JM_NO_DATA);
    assert_int_equal(jm_peak_power(r, gpu, at(5), at(5), &peak, &error), JM_NO_DATA);
    assert_int_equal(jm_peak_power(r, gpu, at(8), at(2), &peak, &error), JM_NO_DATA);
    assert_int_equal(jm_peak_power(r, 9, at(2), at(8), &peak, &error), JM_NO_DATA);
    assert_true(peak == -1); /* untouched where there is none */
    jm_recording_free(r);
}

/* Two GPUs and a CPU: the GPUs' sum leaves the CPU out; a device named gpumem is none of them. */
static void the_sum_of_the_gpus(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    static const char *const names[] = {"gpu0", "cpu0", "gpu1", "gpumem0"};
    for (int d = 0; d < 4; d++) {
        polled source = {.energy = constant_250, .refresh_s = 0.1, .window_s = 0.1};
        follow(r, add_power(r, add_device(r, names[d], 400), 0.1, 0.1), &source, 0, 10, 0);
    }
    jm_energy gpus = energy_of(r, JM_DEVICE_GPUS, 2, 6), all = energy_of(r, JM_DEVICE_TOTAL, 2, 6);
    close_to(gpus.energy_j, 2 * 250 * 4, 10, "the GPUs");
    close_to(all.energy_j, 4 * 250 * 4, 20, "all");
    jm_idle idle = {.size = sizeof idle};
    assert_int_equal(jm_energy_idle(r, JM_DEVICE_GPUS, &idle, NULL), JM_OK);
    close_to(idle.power_w, 500, 5, "idle power of the GPUs");
    jm_window windows[] = {{at(1), at(3)}, {at(4), at(6)}};
    jm_energy sum;
    assert_int_equal(jm_energy_sum(r, JM_DEVICE_GPUS, windows, 2, NULL, &sum, NULL), JM_OK);
    close_to(sum.energy_j, 2000, 10, "their sum");
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gain_is_systematic),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(options_of_other_versions),
        cmocka_unit_test(a_method_that_is_not_there),
        cmocka_unit_test(null_and_none),
        cmocka_unit_test(a_sum_is_that_of_its_windows),
        cmocka_unit_test(many_short_windows_are_an_estimate),
        cmocka_unit_test(windows_in_step_with_the_load),
        cmocka_unit_test(short_gaps_hide_little),
        cmocka_unit_test(unmeasured_windows_add_nothing),
        cmocka_unit_test(short_windows_do_not_sum_to_nonsense),
        cmocka_unit_test(groups_are_sums),
        cmocka_unit_test(idle_from_the_baseline),
        cmocka_unit_test(idle_from_the_quietest_second),
        cmocka_unit_test(a_gap_is_not_quiet),
        cmocka_unit_test(a_baseline_without_readings_is_none),
        cmocka_unit_test(idle_of_too_little),
        cmocka_unit_test(idle_of_all),
        cmocka_unit_test(idle_of_all_without_a_baseline),
        cmocka_unit_test(peaks_are_readings_that_are_there),
        cmocka_unit_test(the_sum_of_the_gpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
