/* RAPL by powercap and by perf, on trees that stand for other machines. */
#include "tree.h"

#define POWERCAP "/sys/class/powercap/"
#define PMU      "/sys/bus/event_source/devices/power/"

static void zone(const char *root, const char *folder, const char *name, uint64_t energy,
                 uint64_t range) {
    char file[200];
    snprintf(file, sizeof file, POWERCAP "%s/name", folder);
    tree_write(root, file, "%s\n", name);
    snprintf(file, sizeof file, POWERCAP "%s/energy_uj", folder);
    tree_write(root, file, "%llu\n", (unsigned long long)energy);
    snprintf(file, sizeof file, POWERCAP "%s/max_energy_range_uj", folder);
    tree_write(root, file, "%llu\n", (unsigned long long)range);
}

static void set_energy(const char *root, const char *folder, uint64_t energy) {
    char file[200];
    snprintf(file, sizeof file, POWERCAP "%s/energy_uj", folder);
    tree_write(root, file, "%llu\n", (unsigned long long)energy);
}

static void cpu_files(const char *root, const char *vendor) {
    tree_write(root, "/proc/stat", "cpu  100 0 100 1000 0 0 0 0 0 0\n");
    tree_write(root, "/proc/cpuinfo",
               "processor\t: 0\nvendor_id\t: %s\nmodel name\t: Test CPU\ncpu cores\t: 4\n", vendor);
}

static int count_totals(const jmi_sensor_set *set) {
    int count = 0;
    for (size_t i = 0; i < set->device_count; i++) count += set->devices[i].in_total;
    return count;
}

static void two_sockets_with_all_domains(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    for (unsigned socket = 0; socket < 2; socket++) {
        char folder[40], name[40];
        snprintf(folder, sizeof folder, "intel-rapl:%u", socket);
        snprintf(name, sizeof name, "package-%u", socket);
        zone(root, folder, name, 1000000 * (socket + 1), 262143328850);
        snprintf(folder, sizeof folder, "intel-rapl:%u:0", socket);
        zone(root, folder, "core", 1000, 262143328850);
        snprintf(folder, sizeof folder, "intel-rapl:%u:1", socket);
        zone(root, folder, "dram", 2000, 65712999613);
        /* The same package again, by memory-mapped registers. */
        snprintf(folder, sizeof folder, "intel-rapl-mmio:%u", socket);
        zone(root, folder, name, 1000000 * (socket + 1), 262143328850);
    }
    zone(root, "intel-rapl:2", "psys", 5000, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    static const char *const names[] = {"cpu0",  "cpu1",  "dram0", "dram1",
                                        "core0", "core1", "psys0"};
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        assert_int_equal(count_sensors(set, names[i], JM_QUANTITY_ENERGY), 1);
        assert_int_equal(device_of(set, names[i])->in_total, i < 4);
    }
    assert_int_equal(count_totals(set), 4);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_POWER),
                     0); /* no model beside a measurement */
    set_energy(root, "intel-rapl:1:1", 3002000);
    jmi_reading reading = read_one(set, "dram1", JM_QUANTITY_ENERGY);
    assert_int_equal(reading.status, JM_OK);
    assert_true(fabs(reading.value - 3) < 1e-9);
    assert_true(fabs(read_one(set, "dram0", JM_QUANTITY_ENERGY).value) < 1e-9);
    jmi_sensors_close(set);
    tree_free(root);
}

static void each_zone_wraps_at_its_own_range(void **state) {
    (void)state;
    for (uint64_t before = 0; before < 65712999613; before += 3285649981) {
        char *root = tree_new();
        cpu_files(root, "GenuineIntel");
        zone(root, "intel-rapl:0", "package-0", 0, 262143328850);
        zone(root, "intel-rapl:0:0", "dram", before, 65712999613);
        jmi_sensor_set *set = tree_open(root);
        uint64_t raw = before;
        for (int i = 1; i <= 5; i++) {
            raw = (raw + 30000000000) % 65712999614;
            set_energy(root, "intel-rapl:0:0", raw);
            assert_true(fabs(read_one(set, "dram0", JM_QUANTITY_ENERGY).value - 30000.0 * i) <
                        1e-3);
        }
        jmi_sensors_close(set);
        tree_free(root);
    }
}

static void wraps_are_not_missed_between_readings(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 0, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    for (size_t i = 0; i < set->source_count; i++)
        if (strcmp(set->sources[i].interface, "rapl-powercap") == 0) {
            /* Half of 262 kJ at 2 kW. */
            assert_true(set->sources[i].max_period_ns > 60 * (uint64_t)JMI_NS_PER_S);
            assert_true(set->sources[i].max_period_ns < 70 * (uint64_t)JMI_NS_PER_S);
        }
    jmi_sensors_close(set);
    tree_free(root);
}

static void mirrored_dies_are_not_added(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0-die-0", 123456789, 262143328850);
    zone(root, "intel-rapl:1", "package-0-die-1", 123456789, 262143328850);
    zone(root, "intel-rapl:2", "package-1-die-0", 55555555, 262143328850);
    zone(root, "intel-rapl:3", "package-1-die-1", 44444444, 262143328850); /* its own */
    jmi_sensor_set *set = tree_open(root);
    assert_non_null(device_of(set, "cpu0"));
    assert_null(device_of(set, "cpu0-die1"));
    assert_non_null(device_of(set, "cpu1"));
    assert_non_null(device_of(set, "cpu1-die1"));
    assert_int_equal(count_totals(set), 3);
    check_findings(set);
    jmi_sensors_close(set);
    tree_free(root);
}

/* Zeus counted the platform's zone as a second CPU. */
static void the_platform_is_no_cpu(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 1, 262143328850);
    zone(root, "intel-rapl:1", "psys", 1, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    assert_null(device_of(set, "cpu1"));
    assert_false(device_of(set, "psys0")->in_total);
    assert_int_equal(count_totals(set), 1);
    jmi_sensors_close(set);
    tree_free(root);
}

static void only_mmio_zones_are_used(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl-mmio:0", "package-0", 1, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 1);
    jmi_sensors_close(set);
    tree_free(root);
}

/* PAPI's table ended at 62 slots. */
static void three_hundred_zones(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    for (unsigned i = 0; i < 100; i++) {
        char folder[40], name[40];
        snprintf(folder, sizeof folder, "intel-rapl:%u", i);
        snprintf(name, sizeof name, "package-%u", i);
        zone(root, folder, name, i, 262143328850);
        snprintf(folder, sizeof folder, "intel-rapl:%u:0", i);
        zone(root, folder, "core", i, 262143328850);
        snprintf(folder, sizeof folder, "intel-rapl:%u:1", i);
        zone(root, folder, "dram", i, 262143328850);
    }
    jmi_sensor_set *set = tree_open(root);
    for (unsigned i = 0; i < 100; i++) {
        char name[40], folder[40];
        snprintf(name, sizeof name, "dram%u", i);
        snprintf(folder, sizeof folder, "intel-rapl:%u:1", i);
        set_energy(root, folder, i + 1000000u * i);
        assert_true(fabs(read_one(set, name, JM_QUANTITY_ENERGY).value - i) < 1e-9);
    }
    assert_int_equal(count_totals(set), 200);
    jmi_sensors_close(set);
    tree_free(root);
}

static void the_width_is_never_guessed(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 1000, 262143328850);
    tree_write(root, POWERCAP "intel-rapl:0/max_energy_range_uj", "unknown\n");
    zone(root, "intel-rapl:1", "package-1", 1000, 500); /* beyond its own range */
    zone(root, "intel-rapl:2", "package-2", 1000, 262143328850);
    tree_write(root, POWERCAP "intel-rapl:2/energy_uj", "garbage\n");
    zone(root, "intel-rapl:3", "nonsense", 1000, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 0);
    assert_null(device_of(set, "cpu1"));
    assert_int_equal(finding_of(set, "rapl-powercap", "cpu0", "energy")->status, JM_FORMAT);
    assert_int_equal(finding_of(set, "rapl-powercap", "cpu1", "energy")->status, JM_FORMAT);
    assert_int_equal(finding_of(set, "rapl-powercap", "cpu2", "energy")->status, JM_FORMAT);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_POWER), 1); /* the model steps in */
    jmi_sensors_close(set);
    tree_free(root);
}

static void root_only_counters_say_how_to_mend_it(void **state) {
    (void)state;
    if (geteuid() == 0) skip(); /* root reads what it likes */
    char *root = tree_new();
    char path[1024];
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 1000, 262143328850);
    snprintf(path, sizeof path, "%s" POWERCAP "intel-rapl:0/energy_uj", root);
    assert_int_equal(chmod(path, 0), 0);
    jmi_sensor_set *set = tree_open(root);
    const jm_finding *finding = finding_of(set, "rapl-powercap", "cpu0", "energy");
    assert_int_equal(finding->status, JM_PERMISSION);
    assert_non_null(strstr(finding->remedy, "cap_perfmon"));
    jmi_sensors_close(set);
    tree_free(root);
}

static void a_zone_that_goes_away_is_missing_not_zero(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 1000, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    tree_write(root, POWERCAP "intel-rapl:0/energy_uj", "%s", "");
    assert_int_equal(read_one(set, "cpu0", JM_QUANTITY_ENERGY).status, JM_FORMAT);
    tree_write(root, POWERCAP "intel-rapl:0/energy_uj", "-5\n");
    assert_int_equal(read_one(set, "cpu0", JM_QUANTITY_ENERGY).status, JM_FORMAT);
    tree_write(root, POWERCAP "intel-rapl:0/energy_uj", "99999999999999999999999\n");
    assert_int_equal(read_one(set, "cpu0", JM_QUANTITY_ENERGY).status, JM_FORMAT);
    jmi_sensors_close(set);
    tree_free(root);
}

/* ---- perf ---- */

static void event(const char *root, const char *name, const char *config, const char *unit) {
    char file[200];
    snprintf(file, sizeof file, PMU "events/energy-%s", name);
    tree_write(root, file, "%s\n", config);
    snprintf(file, sizeof file, PMU "events/energy-%s.scale", name);
    tree_write(root, file, "2.3283064365386962890625e-10\n");
    snprintf(file, sizeof file, PMU "events/energy-%s.unit", name);
    tree_write(root, file, "%s\n", unit);
}

static void count(const char *root, const char *name, unsigned cpu, uint64_t value) {
    char file[200];
    snprintf(file, sizeof file, "/fake-perf/energy-%s-%u", name, cpu);
    tree_write_bytes(root, file, &value, sizeof value);
}

static void topology(const char *root, unsigned cpu, unsigned package, unsigned die) {
    char file[200];
    snprintf(file, sizeof file, "/sys/devices/system/cpu/cpu%u/topology/physical_package_id", cpu);
    tree_write(root, file, "%u\n", package);
    snprintf(file, sizeof file, "/sys/devices/system/cpu/cpu%u/topology/die_id", cpu);
    tree_write(root, file, "%u\n", die);
}

static char *perf_tree(const char *vendor, const char *cpumask) {
    char *root = tree_new();
    cpu_files(root, vendor);
    tree_write(root, PMU "type", "23\n");
    tree_write(root, PMU "cpumask", "%s\n", cpumask);
    event(root, "pkg", "event=0x02", "Joules");
    event(root, "cores", "event=0x01", "Joules");
    event(root, "ram", "event=0x03", "Joules");
    event(root, "gpu", "event=0x04", "Joules");
    event(root, "psys", "event=0x05", "Joules");
    return root;
}

static void count_all(const char *root, unsigned cpu, uint64_t value) {
    static const char *const names[] = {"pkg", "cores", "ram", "gpu", "psys"};
    for (size_t i = 0; i < JMI_COUNT(names); i++) count(root, names[i], cpu, value + 1000 * i);
}

static void perf_comes_first(void **state) {
    (void)state;
    char *root = perf_tree("GenuineIntel", "0,18");
    topology(root, 0, 0, 0);
    topology(root, 18, 1, 0);
    count_all(root, 0, 1000);
    count_all(root, 18, 77000);
    zone(root, "intel-rapl:0", "package-0", 1, 262143328850);
    zone(root, "intel-rapl:1", "package-1", 1, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 1);
    assert_int_equal(count_sensors(set, "cpu1", JM_QUANTITY_ENERGY), 1);
    assert_int_equal(count_sensors(set, "psys0", JM_QUANTITY_ENERGY), 1);
    assert_int_equal(count_totals(set), 4); /* two packages, two memories */
    count(root, "ram", 18, 77000 + 2000 + ((uint64_t)1 << 33));
    assert_true(fabs(read_one(set, "dram1", JM_QUANTITY_ENERGY).value - 2) < 1e-9);
    for (size_t i = 0; i < set->sensor_count; i++)
        if (set->sensors[i].quantity == JM_QUANTITY_ENERGY)
            assert_string_equal(set->sensors[i].source, "rapl perf");
    jmi_sensors_close(set);
    tree_free(root);
}

/* Kernels before 5.17 show AMD memory, graphics and platform counters that are not there. */
static void amd_has_only_packages(void **state) {
    (void)state;
    char *root = perf_tree("AuthenticAMD", "0");
    count_all(root, 0, 5);
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 1);
    assert_null(device_of(set, "dram0"));
    assert_null(device_of(set, "psys0"));
    assert_int_equal(finding_of(set, "rapl-perf", "", "energy-ram")->status, JM_NOT_SUPPORTED);
    jmi_sensors_close(set);
    tree_free(root);
}

static void amd_package_and_core_by_powercap(void **state) {
    (void)state;
    char *root = tree_new();
    cpu_files(root, "AuthenticAMD");
    zone(root, "intel-rapl:0", "package-0", 1, 65532610987);
    zone(root, "intel-rapl:0:0", "core", 1, 65532610987);
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_totals(set), 1);
    assert_false(device_of(set, "core0")->in_total);
    jmi_sensors_close(set);
    tree_free(root);
}

static void perf_mirrored_dies(void **state) {
    (void)state;
    char *root = perf_tree("GenuineIntel", "0,8,16,24");
    for (unsigned i = 0; i < 4; i++) topology(root, i * 8, i / 2, i % 2);
    count_all(root, 0, 1000);
    count_all(root, 8, 1000); /* a mirror */
    count_all(root, 16, 5000);
    count_all(root, 24, 9000000); /* its own counter */
    jmi_sensor_set *set = tree_open(root);
    assert_null(device_of(set, "cpu0-die1"));
    assert_non_null(device_of(set, "cpu1-die1"));
    assert_int_equal(count_sensors(set, "psys0", JM_QUANTITY_ENERGY), 1);
    jmi_sensors_close(set);
    tree_free(root);
}

static void powercap_fills_what_perf_lacks(void **state) {
    (void)state;
    char *root = perf_tree("GenuineIntel", "0");
    count(root, "pkg", 0, 1); /* no other event opens */
    zone(root, "intel-rapl:0", "package-0", 1, 262143328850);
    zone(root, "intel-rapl:0:0", "dram", 1, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 1);
    assert_int_equal(count_sensors(set, "dram0", JM_QUANTITY_ENERGY), 1);
    assert_int_equal(finding_of(set, "rapl-perf", "dram0", "energy-ram")->status, JM_NOT_FOUND);
    jmi_sensors_close(set);
    tree_free(root);
}

static void damaged_events_are_left_out(void **state) {
    (void)state;
    char *root = perf_tree("GenuineIntel", "0");
    count_all(root, 0, 1);
    tree_write(root, PMU "events/energy-ram.unit", "Watts\n");
    tree_write(root, PMU "events/energy-cores.scale", "nan\n");
    tree_write(root, PMU "events/energy-gpu", "event=zz\n");
    tree_write(root, PMU "events/energy-psys.scale", "-1\n");
    tree_write(root, PMU "events/energy-a-name-that-is-far-too-long-for-any-table", "event=0x02\n");
    jmi_sensor_set *set = tree_open(root);
    assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 1);
    assert_null(device_of(set, "dram0"));
    assert_null(device_of(set, "core0"));
    assert_null(device_of(set, "uncore0"));
    assert_null(device_of(set, "psys0"));
    jmi_sensors_close(set);
    tree_free(root);
}

static void a_damaged_cpumask_is_a_finding(void **state) {
    (void)state;
    static const char *const masks[] = {"", "x", "3-1", "0,", "0-99999999", "-1"};
    for (size_t i = 0; i < JMI_COUNT(masks); i++) {
        char *root = perf_tree("GenuineIntel", masks[i]);
        jmi_sensor_set *set = tree_open(root);
        check_findings(set);
        assert_int_equal(count_sensors(set, "cpu0", JM_QUANTITY_ENERGY), 0);
        jmi_sensors_close(set);
        tree_free(root);
    }
}

/* Many of these are timed in `./dev bench`; here only that nothing is opened at each reading. */
static void reading_keeps_files_open(void **state) {
    (void)state;
    char *root = tree_new();
    char gone[1024], there[1024];
    cpu_files(root, "GenuineIntel");
    zone(root, "intel-rapl:0", "package-0", 7, 262143328850);
    jmi_sensor_set *set = tree_open(root);
    snprintf(there, sizeof there, "%s/sys", root);
    snprintf(gone, sizeof gone, "%s/was", root);
    assert_int_equal(rename(there, gone), 0);
    assert_int_equal(read_one(set, "cpu0", JM_QUANTITY_ENERGY).status, JM_OK);
    jmi_sensors_close(set);
    tree_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sockets_with_all_domains),
        cmocka_unit_test(each_zone_wraps_at_its_own_range),
        cmocka_unit_test(wraps_are_not_missed_between_readings),
        cmocka_unit_test(mirrored_dies_are_not_added),
        cmocka_unit_test(the_platform_is_no_cpu),
        cmocka_unit_test(only_mmio_zones_are_used),
        cmocka_unit_test(three_hundred_zones),
        cmocka_unit_test(the_width_is_never_guessed),
        cmocka_unit_test(root_only_counters_say_how_to_mend_it),
        cmocka_unit_test(a_zone_that_goes_away_is_missing_not_zero),
        cmocka_unit_test(perf_comes_first),
        cmocka_unit_test(amd_has_only_packages),
        cmocka_unit_test(amd_package_and_core_by_powercap),
        cmocka_unit_test(perf_mirrored_dies),
        cmocka_unit_test(powercap_fills_what_perf_lacks),
        cmocka_unit_test(damaged_events_are_left_out),
        cmocka_unit_test(a_damaged_cpumask_is_a_finding),
        cmocka_unit_test(reading_keeps_files_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
