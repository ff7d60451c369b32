/* NVIDIA boards that fail: calls that are missing or forbidden, lost boards, drivers that hang. */
#include "boards.h"

static void a_missing_call_disables_one_reading(void **state) {
    (void)state;
    static const struct {
        const char *fault, *what;
        int status;
    } cases[] = {
        {"nosym=nvmlDeviceGetUtilizationRates", "gpu_util", JM_NOT_SUPPORTED},
        {"notsupported=nvmlDeviceGetTemperature", "temperature", JM_NOT_SUPPORTED},
        {"noperm=nvmlDeviceGetMemoryInfo_v2,fault=noperm=nvmlDeviceGetMemoryInfo", "mem_used",
         JM_PERMISSION},
        {"notsupported=field186", "power_instant", JM_NOT_SUPPORTED},
        {"noperm=nvmlDeviceGetTotalEnergyConsumption", "energy", JM_PERMISSION},
        {"nosym=nvmlDeviceGetFieldValues", "power_instant", JM_NOT_SUPPORTED},
        {"notsupported=nvmlDeviceGetSamples", "power_ring", JM_NOT_SUPPORTED},
        {"nosym=nvmlDeviceGetEnforcedPowerLimit", "power_limit", JM_NOT_SUPPORTED},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        char spec[200];
        snprintf(spec, sizeof spec, "h100,constant:300,fault=%s", cases[i].fault);
        jmi_sensor_set *set = must_open(spec);
        assert_int_equal(status_of(set, cases[i].what), cases[i].status);
        /* Power, whichever way, is still read. */
        bool power = count_sensors(set, "gpu0", JM_QUANTITY_POWER) > 0 ||
                     count_sensors(set, "gpu0", JM_QUANTITY_POWER_AVERAGE) > 0;
        assert_true(power);
        jmi_sensors_close(set);
    }
}

static void without_fields_power_is_the_plain_one(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,fault=nosym=nvmlDeviceGetFieldValues");
    const jm_sensor *plain = sensor_of(set, "nvml power");
    assert_int_equal(plain->quantity,
                     JM_QUANTITY_POWER_AVERAGE); /* an average over a second there */
    assert_int_equal(plain->window_ns, 1000000000);
    assert_non_null(sensor_of(set, "nvml energy"));
    assert_true(fabs(read_one(set, "gpu0", JM_QUANTITY_POWER_AVERAGE).value - 300) < 20);
    assert_int_equal(read_one(set, "gpu0", JM_QUANTITY_ENERGY).status, JM_OK);
    jmi_sensors_close(set);
}

static void no_permission_tells_the_least_that_helps(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,fault=noperm=nvmlDeviceGetTemperature");
    assert_true(strlen(finding_of(set, "nvml", "gpu0", "temperature")->remedy) > 10);
    jmi_sensors_close(set);
}

static void a_lost_gpu_is_left_alone(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,fault=lost@200");
    int lost = 0;
    for (int round = 0; round < 400 && lost == 0; round++)
        lost = read_one(set, "gpu0", JM_QUANTITY_POWER).status == JM_LOST;
    assert_true(lost);
    /* All of the board's sources know it, and no value is made up. */
    for (size_t i = 0; i < set->source_count; i++) {
        jmi_reading readings[JMI_SOURCE_SENSORS];
        jmi_source *source = &set->sources[i];
        size_t count;
        if (strcmp(source->interface, "nvml") != 0) continue;
        if (source->drain != NULL) {
            assert_int_equal(source->drain(source, readings, JMI_SOURCE_SENSORS, &count), JM_LOST);
            assert_int_equal(count, 0);
            continue;
        }
        assert_int_equal(source->read(source, readings), JM_LOST);
        for (size_t k = 0; k < source->sensor_count; k++)
            assert_int_equal(readings[k].status, JM_LOST);
    }
    jmi_sensors_close(set);
}

static void lost_at_any_call_while_probing(void **state) {
    (void)state;
    for (int calls = 0; calls < 80; calls += 1) {
        char spec[80];
        snprintf(spec, sizeof spec, "h100,constant:300,fault=lost@%d", calls);
        jmi_sensor_set *set = must_open(spec);
        jmi_sensors_close(set);
    }
}

static void a_counter_reset_is_flagged(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,counter_base=1000,fault=reset@0.4");
    bool reset = false;
    double last = 0;
    for (int i = 0; i < 100; i++) {
        jmi_reading reading = read_one(set, "gpu0", JM_QUANTITY_ENERGY);
        assert_int_equal(reading.status, JM_OK);
        assert_true(reading.value >= last && reading.value < 500);
        reset = reset || (reading.flags & JM_SAMPLE_RESET) != 0;
        last = reading.value;
        pause_s(0.01);
    }
    assert_true(reset);
    jmi_sensors_close(set);
}

static void dear_calls_are_made_rarely(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,latency_us=3000");
    for (size_t i = 0; i < set->source_count; i++) {
        const jmi_source *source = &set->sources[i];
        if (strcmp(source->interface, "nvml") != 0 || source->drain != NULL) continue;
        assert_true(source->cost_ns >= 3000000);
        bool power = set->sensors[source->sensor[0]].quantity <= JM_QUANTITY_ENERGY;
        if (power) /* no more than is needed to see each value */
            assert_true(source->min_period_ns >= 25000000 && source->min_period_ns <= 100000000);
        else
            assert_true(source->min_period_ns >= 1000000000);
    }
    jmi_sensors_close(set);
}

static void driver_530_averages_less(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("3090,constant:300,driver530");
    const jm_sensor *plain = sensor_of(set, "nvml power");
    const jm_sensor *instant = sensor_of(set, "nvml power_instant");
    assert_true(plain != NULL || instant != NULL);
    if (plain != NULL) assert_int_equal(plain->window_ns, 100000000);
    jmi_sensors_close(set);
}

static void no_library_is_a_finding(void **state) {
    (void)state;
    jmi_sensor_set *set = tree_open(root);
    const jm_finding *finding = finding_of(set, "nvml", "", "library");
    assert_int_equal(finding->status, JM_MISSING_LIBRARY);
    jmi_sensors_close(set);
    setenv("JOULEMETER_NVML_LIBRARY", "libm.so.6", 1); /* a library, but not that one */
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_error error;
    options.root = root;
    assert_int_equal(jmi_sensors_open(&set, &options, &error), JM_OK);
    assert_int_equal(finding_of(set, "nvml", "", "library")->status, JM_DRIVER);
    jmi_sensors_close(set);
    unsetenv("JOULEMETER_NVML_LIBRARY");
}

static bool any_matters(const jmi_sensor_set *set, const char *what) {
    for (size_t i = 0; i < set->finding_count; i++)
        if (jmi_finding_matters(&set->findings[i]) && strcmp(set->findings[i].what, what) == 0)
            return true;
    return false;
}

/* Every recording tells what keeps GPUs that are there from being measured. */
static void some_findings_matter(void **state) {
    (void)state;
    jmi_sensor_set *set = tree_open(root); /* there is no GPU: as it should be */
    for (size_t i = 0; i < set->finding_count; i++)
        assert_false(jmi_finding_matters(&set->findings[i]));
    jmi_sensors_close(set);
    set = must_open("h100,fault=nosym=nvmlInit_v2");
    assert_true(any_matters(set, "driver"));
    jmi_sensors_close(set);
    set = must_open("2*h100");
    assert_false(any_matters(set, "driver"));
    jmi_sensors_close(set);
    set = must_open("h100,fault=lost@0");
    assert_true(any_matters(set, "power_instant"));
    jmi_sensors_close(set);
}

static int hang_while_probing(void) {
    jmi_sensor_set *set = NULL;
    jm_error error;
    setenv("JOULEMETER_DRIVER_TIMEOUT_S", "0.3", 1);
    int64_t begin = jm_now_ns();
    int status = open_spec(&set, "h100,fault=hang@5", NULL, &error);
    if (status != JM_OK || jm_now_ns() - begin > 3 * JMI_NS_PER_S) return 1;
    const jm_finding *finding = finding_of(set, "nvml", "", "driver");
    bool good = finding != NULL && finding->status == JM_HUNG && jmi_finding_matters(finding) &&
                jmi_set_find(set, "gpu0") == UINT32_MAX;
    jmi_sensors_close(set);
    return good ? 0 : 2;
}

static void a_driver_that_hangs_while_probing(void **state) {
    (void)state;
    assert_int_equal(run_scene("hang", NULL), 0);
}

/* What is abandoned leaks, since a thread that hangs may come back to it. */
static int abandon_all(void) {
    jmi_sensor_set *set = must_open("h100,constant:300");
    for (size_t i = 0; i < set->source_count; i++) jmi_sensors_abandon(set, i);
    jmi_sensors_abandon(set, 100000);
    jmi_sensors_close(set);
    return 0;
}

static void an_abandoned_source_is_not_touched(void **state) {
    (void)state;
    assert_int_equal(run_scene("abandon", NULL), 0);
}

static int play(const char *scene) {
    int result = strcmp(scene, "hang") == 0 ? hang_while_probing() : abandon_all();
    tree_free(root);
    _exit(result); /* past the leak checker, which would find what is left on purpose */
}

int main(int argc, char **argv) {
    if (!boards_begin()) return 77;
    if (argc > 1) return play(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_call_disables_one_reading),
        cmocka_unit_test(without_fields_power_is_the_plain_one),
        cmocka_unit_test(no_permission_tells_the_least_that_helps),
        cmocka_unit_test(a_lost_gpu_is_left_alone),
        cmocka_unit_test(lost_at_any_call_while_probing),
        cmocka_unit_test(a_counter_reset_is_flagged),
        cmocka_unit_test(dear_calls_are_made_rarely),
        cmocka_unit_test(driver_530_averages_less),
        cmocka_unit_test(a_driver_that_hangs_while_probing),
        cmocka_unit_test(an_abandoned_source_is_not_touched),
        cmocka_unit_test(some_findings_matter),
        cmocka_unit_test(no_library_is_a_finding),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tree_free(root);
    return failed;
}
