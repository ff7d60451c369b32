/* NVIDIA boards, on the simulated GPU: which readings are used, faults, selection, hang. */
#include "tree.h"

#include "sensor/nvml_internal.h"

#include <sys/wait.h>
#include <time.h>

static char *root; /* without CPU files: GPUs only */

static int open_spec(jmi_sensor_set **set, const char *spec, const char *gpus, jm_error *error) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.root = root;
    options.simulate = spec;
    options.gpus = gpus;
    return jmi_sensors_open(set, &options, error);
}

static jmi_sensor_set *must_open(const char *spec) {
    jmi_sensor_set *set;
    jm_error error = {.status = 0};
    int status = open_spec(&set, spec, NULL, &error);
    if (status != JM_OK) fail_msg("%s", error.message);
    check_findings(set);
    return set;
}

static void pause_s(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
}

static const jm_sensor *sensor_of(const jmi_sensor_set *set, const char *source) {
    for (size_t i = 0; i < set->sensor_count; i++)
        if (strcmp(set->sensors[i].source, source) == 0) return &set->sensors[i];
    return NULL;
}

static int status_of(const jmi_sensor_set *set, const char *what) {
    const jm_finding *finding = finding_of(set, "nvml", "gpu0", what);
    if (finding == NULL) fail_msg("%s was not tried", what);
    return finding != NULL ? finding->status : 0;
}

static void an_h100(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300");
    const jm_device *gpu = device_of(set, "gpu0");
    assert_string_equal(gpu->vendor, "NVIDIA");
    assert_non_null(strstr(gpu->model, "H100"));
    assert_int_equal(strncmp(gpu->uuid, "GPU-", 4), 0);
    assert_int_equal(strlen(gpu->pci), 12);
    assert_true(gpu->driver[0] != '\0' && gpu->in_total && gpu->simulated);
    assert_true(gpu->power_limit_w == 700);
    const jm_sensor *instant = sensor_of(set, "nvml power_instant");
    assert_int_equal(instant->quantity, JM_POWER);
    assert_int_equal(instant->refresh_ns, 100000000);
    assert_int_equal(instant->window_ns, 25000000);
    assert_false(instant->calibrated);
    const jm_sensor *average = sensor_of(set, "nvml power_average");
    assert_int_equal(average->quantity, JM_POWER_AVERAGE);
    assert_int_equal(average->window_ns, 1000000000);
    assert_null(sensor_of(set, "nvml power")); /* says what the average says */
    assert_int_equal(status_of(set, "power"), JM_OK);
    assert_true(fabs(read_one(set, "gpu0", JM_POWER).value - 300) < 20);
    static const jm_quantity slow[] = {JM_GPU_UTIL,    JM_MEM_UTIL, JM_MEM_USED,
                                       JM_TEMPERATURE, JM_SM_CLOCK, JM_MEM_CLOCK,
                                       JM_POWER_LIMIT, JM_THROTTLE, JM_CAP_TIME};
    for (size_t i = 0; i < JMI_COUNT(slow); i++)
        assert_int_equal(read_one(set, "gpu0", slow[i]).status, JM_OK);
    assert_true(read_one(set, "gpu0", JM_POWER_LIMIT).value == 700);
    jmi_sensors_close(set);
}

static void energy_counts_from_the_opening(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,counter_base=1e6");
    double first = read_one(set, "gpu0", JM_ENERGY).value;
    assert_true(first >= 0 && first < 100);
    pause_s(0.5);
    jmi_reading reading = read_one(set, "gpu0", JM_ENERGY);
    assert_true(fabs(reading.value - first - 150) < 60);
    jmi_sensors_close(set);
}

static void power_and_energy_come_in_one_call(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300");
    size_t sources = 0;
    for (size_t i = 0; i < set->source_count; i++) {
        const jmi_source *source = &set->sources[i];
        for (size_t k = 0; k < source->sensor_count; k++) {
            if (set->sensors[source->sensor[k]].quantity != JM_ENERGY) continue;
            sources++;
            assert_int_equal(source->sensor_count, 2);
            assert_int_equal(set->sensors[source->sensor[0]].quantity, JM_POWER);
            assert_true(source->can_hang);
            assert_int_equal(source->min_period_ns, 2000000); /* T / 50 */
        }
        assert_true(source->min_period_ns > 0);
    }
    assert_int_equal(sources, 1);
    jmi_sensors_close(set);
}

/* The finest power reading that is used. */
static const jm_sensor *power_of(const jmi_sensor_set *set) {
    const jm_sensor *instant = sensor_of(set, "nvml power_instant");
    return instant != NULL ? instant : sensor_of(set, "nvml power");
}

static void generations_differ(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        uint64_t refresh_ms, window_ms;
    } cases[] = {
        {"v100,constant:100", 20, 10},   {"a100,constant:100", 100, 25},
        {"3090,constant:100", 100, 100}, {"4090,constant:100", 100, 100},
        {"h200,constant:100", 100, 25},  {"b200,constant:100", 100, 25},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        jmi_sensor_set *set = must_open(cases[i].spec);
        const jm_sensor *power = power_of(set);
        assert_non_null(power);
        assert_int_equal(power->quantity, JM_POWER);
        assert_int_equal(power->refresh_ns, cases[i].refresh_ms * 1000000);
        assert_int_equal(power->window_ns, cases[i].window_ms * 1000000);
        jmi_sensors_close(set);
    }
}

static void the_module_is_not_added(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("gh200,constant:300");
    const jm_device *module = device_of(set, "module0");
    assert_non_null(module);
    assert_false(module->in_total);
    assert_true(read_one(set, "module0", JM_POWER).value > read_one(set, "gpu0", JM_POWER).value);
    jmi_sensors_close(set);
    set = must_open("h100,constant:300");
    assert_null(device_of(set, "module0"));
    const jm_device *memory = device_of(set, "gpumem0");
    if (memory != NULL) assert_false(memory->in_total);
    jmi_sensors_close(set);
}

/* ---- the ring ---- */

static void the_ring_gives_each_reading_once_with_its_time(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("a100,square:100:300:0.2");
    jmi_source *ring = NULL;
    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].drain != NULL) ring = &set->sources[i];
    assert_non_null(ring);
    int64_t last = 0, opened = jm_now_ns();
    size_t total = 0;
    for (int i = 0; i < 6; i++) {
        jmi_reading readings[7];
        size_t count;
        pause_s(0.15);
        do { /* smaller than what is there: the rest comes with the next call */
            assert_int_equal(ring->drain(ring, readings, JMI_COUNT(readings), &count), JM_OK);
            for (size_t k = 0; k < count; k++) {
                assert_int_equal(readings[k].status, JM_OK);
                assert_true(readings[k].value > 50 && readings[k].value < 350);
                assert_true(readings[k].source_ns > last);
                last = readings[k].source_ns;
            }
            total += count;
        } while (count == JMI_COUNT(readings));
    }
    int64_t span = jm_now_ns() - opened;
    assert_true(total > (size_t)(span / 20000000) - 4 && total < (size_t)(span / 20000000) + 8);
    assert_true(llabs(jm_now_ns() - last) < 100000000);
    jmi_sensors_close(set);
}

static void clocks_of_the_driver(void **state) {
    (void)state;
    int64_t now = jm_now_ns();
    assert_true(llabs(jmi_nvml_time(jmi_clock_ns(CLOCK_REALTIME) / 1000, now) - now) < 10000000);
    assert_true(llabs(jmi_nvml_time(jmi_clock_ns(CLOCK_BOOTTIME) / 1000, now) - now) < 10000000);
    assert_true(llabs(jmi_nvml_time(now / 1000, now) - now) < 10000000);
    assert_int_equal(jmi_nvml_time(0, now), 0);
    assert_int_equal(jmi_nvml_time(-5, now), 0);
    assert_int_equal(jmi_nvml_time(INT64_MAX, now), 0);
    assert_int_equal(jmi_nvml_time(now / 1000 + 3600000000, now), 0);
}

/* ---- faults ---- */

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
        bool power = count_sensors(set, "gpu0", JM_POWER) > 0 ||
                     count_sensors(set, "gpu0", JM_POWER_AVERAGE) > 0;
        assert_true(power);
        jmi_sensors_close(set);
    }
}

static void without_fields_power_is_the_plain_one(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,fault=nosym=nvmlDeviceGetFieldValues");
    const jm_sensor *plain = sensor_of(set, "nvml power");
    assert_int_equal(plain->quantity, JM_POWER_AVERAGE); /* an average over a second there */
    assert_int_equal(plain->window_ns, 1000000000);
    assert_non_null(sensor_of(set, "nvml energy"));
    assert_true(fabs(read_one(set, "gpu0", JM_POWER_AVERAGE).value - 300) < 20);
    assert_int_equal(read_one(set, "gpu0", JM_ENERGY).status, JM_OK);
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
        lost = read_one(set, "gpu0", JM_POWER).status == JM_LOST;
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
        jmi_reading reading = read_one(set, "gpu0", JM_ENERGY);
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
        bool power = set->sensors[source->sensor[0]].quantity <= JM_ENERGY;
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

/* In a process of its own: the thread that hangs stays. */
static void a_driver_that_hangs_while_probing(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        setenv("JOULEMETER_DRIVER_TIMEOUT_S", "0.3", 1);
        jmi_sensor_set *set = NULL;
        jm_error error;
        int64_t begin = jm_now_ns();
        int status = open_spec(&set, "h100,fault=hang@5", NULL, &error);
        bool good = status == JM_OK && jm_now_ns() - begin < 3 * JMI_NS_PER_S &&
                    finding_of(set, "nvml", "", "driver")->status == JM_HUNG &&
                    jmi_set_find(set, "gpu0") == UINT32_MAX;
        _exit(good ? 0 : 1);
    }
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

/* ---- which boards ---- */

static void selection_on_boards(void **state) {
    (void)state;
    jmi_sensor_set *set;
    jm_error error;
    assert_int_equal(open_spec(&set, "12*h100,constant:100", "10", &error), JM_OK);
    assert_non_null(device_of(set, "gpu10"));
    assert_null(device_of(set, "gpu1"));
    char uuid[100];
    snprintf(uuid, sizeof uuid, "%s", device_of(set, "gpu10")->uuid);
    jmi_sensors_close(set);
    assert_int_equal(open_spec(&set, "12*h100,constant:100", uuid, &error), JM_OK);
    assert_non_null(device_of(set, "gpu10"));
    jmi_sensors_close(set);
    assert_int_equal(open_spec(&set, "12*h100,constant:100", "12", &error), JM_NOT_FOUND);
    assert_non_null(strstr(error.message, "H100"));
    assert_null(set);
    assert_int_equal(open_spec(&set, "2*h100;a100", "none", &error), JM_OK);
    assert_int_equal(set->device_count, 1); /* the node */
    jmi_sensors_close(set);
}

static void mig_boards_are_measured_whole(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("a100,constant:100,mig=3");
    assert_non_null(device_of(set, "gpu0"));
    assert_non_null(finding_of(set, "nvml", "gpu0", "mig"));
    assert_non_null(strstr(set->gpus[0].mig, "MIG-"));
    char mig[64];
    snprintf(mig, sizeof mig, "%.*s", (int)strcspn(set->gpus[0].mig, " "), set->gpus[0].mig);
    jmi_sensors_close(set);
    jm_error error;
    assert_int_equal(open_spec(&set, "a100,constant:100,mig=3", mig, &error), JM_OK);
    assert_non_null(device_of(set, "gpu0"));
    jmi_sensors_close(set);
}

static void a_wrong_simulation_says_so(void **state) {
    (void)state;
    jmi_sensor_set *set;
    jm_error error;
    static const char *const wrong[] = {"", "z80", "h100,nonsense:1", "99*h100", "h100;;"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        assert_int_equal(open_spec(&set, wrong[i], NULL, &error), JM_INVALID);
        assert_true(strlen(error.message) > 15);
        assert_null(set);
    }
}

static const char *environment_of(const jmi_sensor_set *set, const char *name) {
    for (char **setting = set->environment; setting != NULL && *setting != NULL; setting++)
        if (strncmp(*setting, name, strlen(name)) == 0 && (*setting)[strlen(name)] == '=')
            return *setting + strlen(name) + 1;
    return NULL;
}

static void children_see_the_same_boards(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300");
    char file[400], uuid[100];
    snprintf(file, sizeof file, "%s", environment_of(set, "JOULEMETER_SIMGPU_STATE"));
    snprintf(uuid, sizeof uuid, "%s", device_of(set, "gpu0")->uuid);
    assert_string_equal(environment_of(set, "JOULEMETER_SIMGPU"), "h100,constant:300");
    assert_non_null(environment_of(set, "LD_LIBRARY_PATH"));
    assert_int_equal(access(file, R_OK | W_OK), 0);
    pid_t child = fork();
    if (child == 0) {
        for (char **setting = set->environment; *setting != NULL; setting++) putenv(*setting);
        setenv("JOULEMETER_NVML_LIBRARY", getenv("JOULEMETER_SIMGPU_LIBRARY"), 1);
        jm_session_options options = JM_SESSION_OPTIONS_INIT;
        jmi_sensor_set *inner = NULL;
        jm_error error;
        bool good = jmi_sensors_open(&inner, &options, &error) == JM_OK &&
                    strcmp(device_of(inner, "gpu0")->uuid, uuid) == 0 &&
                    device_of(inner, "gpu0")->simulated;
        jmi_sensors_close(inner);
        jmi_sensors_close(set); /* lets go of its copy only */
        _exit(good && access(file, R_OK) == 0 ? 0 : 1);
    }
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    assert_int_equal(access(file, R_OK), 0);
    jmi_sensors_close(set);
    assert_int_not_equal(access(file, F_OK), 0);
}

static void one_after_the_other(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        jmi_sensor_set *set = must_open(i % 2 ? "h100,constant:300" : "2*a100,constant:50");
        assert_int_equal(device_of(set, "gpu1") != NULL, i % 2 == 0);
        jmi_sensors_close(set);
    }
}

static void an_abandoned_source_is_not_touched(void **state) {
    (void)state;
    pid_t child = fork(); /* what is abandoned leaks: not in this process */
    if (child == 0) {
        jmi_sensor_set *set = must_open("h100,constant:300");
        for (size_t i = 0; i < set->source_count; i++) jmi_sensors_abandon(set, i);
        jmi_sensors_abandon(set, 100000);
        jmi_sensors_close(set);
        _exit(0);
    }
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
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

int main(void) {
    if (getenv("JOULEMETER_SIMGPU_LIBRARY") == NULL ||
        access(getenv("JOULEMETER_SIMGPU_LIBRARY"), R_OK) != 0) {
        printf("1..0 # SKIP JOULEMETER_SIMGPU_LIBRARY names no simulated GPU\n");
        return 77;
    }
    unsetenv("CUDA_VISIBLE_DEVICES");
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    root = tree_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_h100),
        cmocka_unit_test(energy_counts_from_the_opening),
        cmocka_unit_test(power_and_energy_come_in_one_call),
        cmocka_unit_test(generations_differ),
        cmocka_unit_test(the_module_is_not_added),
        cmocka_unit_test(the_ring_gives_each_reading_once_with_its_time),
        cmocka_unit_test(clocks_of_the_driver),
        cmocka_unit_test(a_missing_call_disables_one_reading),
        cmocka_unit_test(without_fields_power_is_the_plain_one),
        cmocka_unit_test(no_permission_tells_the_least_that_helps),
        cmocka_unit_test(a_lost_gpu_is_left_alone),
        cmocka_unit_test(lost_at_any_call_while_probing),
        cmocka_unit_test(a_counter_reset_is_flagged),
        cmocka_unit_test(dear_calls_are_made_rarely),
        cmocka_unit_test(driver_530_averages_less),
        cmocka_unit_test(a_driver_that_hangs_while_probing),
        cmocka_unit_test(selection_on_boards),
        cmocka_unit_test(mig_boards_are_measured_whole),
        cmocka_unit_test(a_wrong_simulation_says_so),
        cmocka_unit_test(children_see_the_same_boards),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(an_abandoned_source_is_not_touched),
        cmocka_unit_test(no_library_is_a_finding),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tree_free(root);
    return failed;
}
