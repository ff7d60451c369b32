/* NVIDIA boards, on the simulated GPU: which readings are used, which boards, by whom. */
#include "boards.h"

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
    assert_int_equal(instant->quantity, JM_QUANTITY_POWER);
    assert_int_equal(instant->refresh_ns, 100000000);
    assert_int_equal(instant->window_ns, 25000000);
    assert_false(instant->calibrated);
    const jm_sensor *average = sensor_of(set, "nvml power_average");
    assert_int_equal(average->quantity, JM_QUANTITY_POWER_AVERAGE);
    assert_int_equal(average->window_ns, 1000000000);
    assert_null(sensor_of(set, "nvml power")); /* says what the average says */
    assert_int_equal(status_of(set, "power"), JM_OK);
    assert_true(fabs(read_one(set, "gpu0", JM_QUANTITY_POWER).value - 300) < 20);
    static const jm_quantity slow[] = {
        JM_QUANTITY_GPU_UTIL,    JM_QUANTITY_MEM_UTIL, JM_QUANTITY_MEM_USED,
        JM_QUANTITY_TEMPERATURE, JM_QUANTITY_SM_CLOCK, JM_QUANTITY_MEM_CLOCK,
        JM_QUANTITY_POWER_LIMIT, JM_QUANTITY_THROTTLE, JM_QUANTITY_CAP_TIME};
    for (size_t i = 0; i < JMI_COUNT(slow); i++)
        assert_int_equal(read_one(set, "gpu0", slow[i]).status, JM_OK);
    assert_true(read_one(set, "gpu0", JM_QUANTITY_POWER_LIMIT).value == 700);
    jmi_sensors_close(set);
}

static void energy_counts_from_the_opening(void **state) {
    (void)state;
    jmi_sensor_set *set = must_open("h100,constant:300,counter_base=1e6");
    double first = read_one(set, "gpu0", JM_QUANTITY_ENERGY).value;
    assert_true(first >= 0 && first < 100);
    pause_s(0.5);
    jmi_reading reading = read_one(set, "gpu0", JM_QUANTITY_ENERGY);
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
            if (set->sensors[source->sensor[k]].quantity != JM_QUANTITY_ENERGY) continue;
            sources++;
            assert_int_equal(source->sensor_count, 2);
            assert_int_equal(set->sensors[source->sensor[0]].quantity, JM_QUANTITY_POWER);
            assert_string_equal(source->driver, "nvml");
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
        assert_int_equal(power->quantity, JM_QUANTITY_POWER);
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
    assert_true(read_one(set, "module0", JM_QUANTITY_POWER).value >
                read_one(set, "gpu0", JM_QUANTITY_POWER).value);
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
    if (ring == NULL) return;
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

/* What a measured program that uses the library itself sees. */
static int look_from_outside(const char *uuid) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jmi_sensor_set *set;
    jm_error error;
    setenv("JOULEMETER_NVML_LIBRARY", library, 1);
    options.root = root;
    int status = jmi_sensors_open(&set, &options, &error);
    const jm_device *gpu = status == JM_OK ? device_of(set, "gpu0") : NULL;
    bool good = gpu != NULL && strcmp(gpu->uuid, uuid) == 0 && gpu->simulated;
    if (status == JM_OK) jmi_sensors_close(set);
    tree_free(root);
    return good ? 0 : 1;
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
    assert_int_equal(run_scene(uuid, set->environment), 0);
    pid_t child = fork();
    if (child == 0) {
        jmi_sensors_close(set); /* lets go of its copy only */
        _exit(0);
    }
    waitpid(child, NULL, 0);
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

int main(int argc, char **argv) {
    if (!boards_begin()) return 77;
    if (argc > 1) return look_from_outside(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_h100),
        cmocka_unit_test(energy_counts_from_the_opening),
        cmocka_unit_test(power_and_energy_come_in_one_call),
        cmocka_unit_test(generations_differ),
        cmocka_unit_test(the_module_is_not_added),
        cmocka_unit_test(the_ring_gives_each_reading_once_with_its_time),
        cmocka_unit_test(clocks_of_the_driver),
        cmocka_unit_test(selection_on_boards),
        cmocka_unit_test(mig_boards_are_measured_whole),
        cmocka_unit_test(a_wrong_simulation_says_so),
        cmocka_unit_test(children_see_the_same_boards),
        cmocka_unit_test(one_after_the_other),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tree_free(root);
    return failed;
}
