/* Power by hwmon: AMD and Intel GPUs, Jetson rails, Grace and other power meters. */
#include "tree.h"

#define H "/sys/class/hwmon/"

static void cpu_files(const char *root) {
    tree_write(root, "/proc/stat", "cpu  100 0 100 1000 0 0 0 0 0 0\n");
    tree_write(root, "/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n");
}

static void amd_gpus(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon3/name", "amdgpu\n");
    tree_write(root, H "hwmon3/power1_average", "35000000\n");
    tree_write(root, H "hwmon3/power1_input", "36000000\n");
    tree_write(root, H "hwmon3/power1_cap_max", "300000000\n");
    tree_write(root, H "hwmon3/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:c1:00.0\nX=1\n");
    tree_write(root, H "hwmon3/device/unique_id", "aa11bb22cc33dd44\n");
    tree_write(root, H "hwmon3/device/product_name", "AMD Instinct MI210\n");
    tree_write(root, H "hwmon10/name", "amdgpu\n"); /* newer chips have the instant power only */
    tree_write(root, H "hwmon10/power1_input", "50000000\n");
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    const jm_device *gpu = device_of(set, "gpu0");
    assert_non_null(gpu);
    assert_string_equal(gpu->vendor, "AMD");
    assert_string_equal(gpu->model, "AMD Instinct MI210");
    assert_string_equal(gpu->uuid, "GPU-aa11bb22cc33dd44");
    assert_string_equal(gpu->pci, "0000:c1:00.0");
    assert_true(gpu->power_limit_w == 300);
    assert_true(gpu->in_total);
    assert_true(fabs(read_one(set, "gpu0", JM_QUANTITY_POWER).value - 35) < 1e-9);
    assert_true(fabs(read_one(set, "gpu1", JM_QUANTITY_POWER).value - 50) < 1e-9);
    tree_write(root, H "hwmon10/power1_input", "%s", "");
    assert_int_equal(read_one(set, "gpu1", JM_QUANTITY_POWER).status, JM_FORMAT);
    jmi_sensors_close(set);
    tree_free(root);
}

static void amd_gpus_can_be_selected(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    for (int i = 0; i < 3; i++) {
        char file[100];
        snprintf(file, sizeof file, H "hwmon%d/name", i);
        tree_write(root, file, "amdgpu\n");
        snprintf(file, sizeof file, H "hwmon%d/power1_average", i);
        tree_write(root, file, "%d000000\n", i + 1);
    }
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.gpus = "2";
    jmi_sensor_set *set = tree_open_with(root, options);
    assert_null(device_of(set, "gpu0"));
    assert_true(fabs(read_one(set, "gpu2", JM_QUANTITY_POWER).value - 3) < 1e-9);
    jmi_sensors_close(set);
    options.gpus = "3";
    jm_error error;
    options.root = root;
    assert_int_equal(jmi_sensors_open(&set, &options, &error), JM_NOT_FOUND);
    assert_null(set);
    options.gpus = "none";
    set = tree_open_with(root, options);
    assert_null(device_of(set, "gpu0"));
    jmi_sensors_close(set);
    options.gpus = NULL;
    options.flags = JM_SESSION_NO_GPU;
    set = tree_open_with(root, options);
    assert_null(device_of(set, "gpu0"));
    jmi_sensors_close(set);
    tree_free(root);
}

static void intel_gpus_count_energy(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon0/name", "xe\n");
    tree_write(root, H "hwmon0/energy1_label", "pkg\n");
    tree_write(root, H "hwmon0/energy1_input", "1000000\n");
    tree_write(root, H "hwmon0/energy2_label", "card\n");
    tree_write(root, H "hwmon0/energy2_input", "5000000\n");
    tree_write(root, H "hwmon1/name", "i915\n");
    tree_write(root, H "hwmon1/energy1_input", "9000000\n");
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "gpu0", JM_QUANTITY_ENERGY),
                     1); /* the card, not its chip again */
    tree_write(root, H "hwmon0/energy2_input", "7500000\n");
    tree_write(root, H "hwmon1/energy1_input", "9250000\n");
    assert_true(fabs(read_one(set, "gpu0", JM_QUANTITY_ENERGY).value - 2.5) < 1e-9);
    assert_true(fabs(read_one(set, "gpu1", JM_QUANTITY_ENERGY).value - 0.25) < 1e-9);
    jmi_sensors_close(set);
    tree_free(root);
}

static void rail(const char *root, int channel, const char *label, int millivolts,
                 int milliamperes) {
    char file[100];
    snprintf(file, sizeof file, H "hwmon1/in%d_label", channel);
    tree_write(root, file, "%s\n", label);
    snprintf(file, sizeof file, H "hwmon1/in%d_input", channel);
    tree_write(root, file, "%d\n", millivolts);
    snprintf(file, sizeof file, H "hwmon1/curr%d_input", channel);
    tree_write(root, file, "%d\n", milliamperes);
}

static void jetson_rails(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon1/name", "ina3221\n");
    rail(root, 1, "VDD_IN", 5000, 2000);
    rail(root, 2, "VDD_CPU_GPU_CV", 5000, 800);
    rail(root, 3, "VDD_SOC", 5000, 400);
    tree_write(root, H "hwmon1/in7_label", "sum of shunt voltages\n");
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    assert_false(device_of(set, "board0")->in_total); /* it feeds the others */
    assert_true(device_of(set, "soc0")->in_total);
    assert_true(device_of(set, "rail0")->in_total);
    assert_string_equal(device_of(set, "soc0")->model, "VDD_CPU_GPU_CV");
    assert_true(fabs(read_one(set, "board0", JM_QUANTITY_POWER).value - 10) < 1e-9);
    assert_true(fabs(read_one(set, "soc0", JM_QUANTITY_POWER).value - 4) < 1e-9);
    assert_null(device_of(set, "cpu0")); /* no model on top of a measurement */
    jmi_sensors_close(set);
    tree_free(root);
}

static void jetson_with_the_total_only(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon1/name", "ina3221\n");
    rail(root, 1, "VDD_IN", 5000, 2000);
    rail(root, 2, "NC", 0, 0);
    jmi_sensor_set *set = tree_open(root);
    int totals = 0;
    for (size_t i = 0; i < set->device_count; i++)
        totals += set->devices[i].in_total && strcmp(set->devices[i].model, "VDD_IN") == 0;
    assert_int_equal(totals, 1);
    jmi_sensors_close(set);
    tree_free(root);
}

static void grace_sockets(void **state) {
    (void)state;
    static const char *const labels[] = {"Module Power Socket 0", "Grace Power Socket 0",
                                         "CPU Power Socket 0",    "SysIO Power Socket 0",
                                         "Grace Power Socket 1",  "CPU Power Socket 1"};
    char *root = tree_new();
    cpu_files(root);
    for (size_t i = 0; i < JMI_COUNT(labels); i++) {
        char file[100];
        snprintf(file, sizeof file, H "hwmon%zu/name", i);
        tree_write(root, file, "power_meter\n");
        snprintf(file, sizeof file, H "hwmon%zu/device/power1_oem_info", i);
        tree_write(root, file, "%s\n", labels[i]);
        snprintf(file, sizeof file, H "hwmon%zu/power1_average", i);
        tree_write(root, file, "%zu000000\n", 100 + i);
        snprintf(file, sizeof file, H "hwmon%zu/power1_average_interval", i);
        tree_write(root, file, "50\n");
    }
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    assert_true(device_of(set, "cpu0")->in_total);
    assert_true(device_of(set, "cpu1")->in_total);
    assert_false(device_of(set, "core0")->in_total);
    assert_false(device_of(set, "sysio0")->in_total);
    assert_false(device_of(set, "module0")->in_total);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_POWER), 1); /* the meter, no model */
    assert_true(fabs(read_one(set, "cpu1", JM_QUANTITY_POWER).value - 104) < 1e-9);
    for (size_t i = 0; i < set->sensor_count; i++)
        if (set->sensors[i].quantity == JM_QUANTITY_POWER)
            assert_int_equal(set->sensors[i].window_ns, 50000000);
    jmi_sensors_close(set);
    tree_free(root);
}

static void a_server_meter_is_the_platform(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon0/name", "power_meter\n");
    tree_write(root, H "hwmon0/power1_average", "420000000\n");
    jmi_sensor_set *set = tree_open(root);
    assert_false(device_of(set, "psys0")->in_total);
    assert_true(fabs(read_one(set, "psys0", JM_QUANTITY_POWER).value - 420) < 1e-9);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_POWER),
                     1); /* the CPU itself is modelled */
    jmi_sensors_close(set);
    tree_free(root);
}

static void amd_energy_counts_sockets(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root);
    tree_write(root, H "hwmon0/name", "amd_energy\n");
    tree_write(root, H "hwmon0/energy1_label", "Ecore000\n");
    tree_write(root, H "hwmon0/energy1_input", "1\n");
    tree_write(root, H "hwmon0/energy2_label", "Esocket0\n");
    tree_write(root, H "hwmon0/energy2_input", "1000000\n");
    jmi_sensor_set *set = tree_open(root);
    tree_write(root, H "hwmon0/energy2_input", "2000000\n");
    assert_true(fabs(read_one(set, "cpu0", JM_QUANTITY_ENERGY).value - 1) < 1e-9);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_POWER), 0);
    jmi_sensors_close(set);
    tree_free(root);
}

int main(void) {
    unsetenv("CUDA_VISIBLE_DEVICES");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amd_gpus),
        cmocka_unit_test(amd_gpus_can_be_selected),
        cmocka_unit_test(intel_gpus_count_energy),
        cmocka_unit_test(jetson_rails),
        cmocka_unit_test(jetson_with_the_total_only),
        cmocka_unit_test(grace_sockets),
        cmocka_unit_test(a_server_meter_is_the_platform),
        cmocka_unit_test(amd_energy_counts_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
