/* The CPU model: its shape, its error on measured processors, and where its TDP comes from. */
#include "tree.h"

struct point {
    double load_pct, power_w;
};

/* Load against RAPL of two processors (CodeCarbon's load profiling, MIT licence). */
static const struct point epyc_all[] = {
    {0.6, 0.5891},   {10.0, 18.6146}, {20.0, 29.5006},  {30.0, 38.6659},
    {40.3, 41.7532}, {50.0, 43.2188}, {64.6, 47.6024},  {70.2, 48.7137},
    {80.0, 49.2943}, {89.4, 50.7180}, {100.0, 46.0800},
};
static const struct point epyc_some[] = {
    {0.0, 0.5703},   {6.8, 18.3214},  {18.6, 37.6755},  {24.8, 41.6479},
    {37.3, 43.5775}, {50.3, 47.2248}, {56.2, 49.3486},  {71.6, 49.9295},
    {78.1, 51.1116}, {87.5, 45.5973}, {100.0, 46.5067},
};
static const struct point xeon_all[] = {
    {2.5, 0.1763},   {12.5, 5.5088},  {21.8, 6.8744},   {32.5, 8.1510},
    {41.2, 9.5904},  {51.3, 14.3861}, {60.8, 24.1318},  {71.3, 29.9809},
    {80.2, 44.5869}, {88.9, 47.1997}, {100.0, 48.4022},
};
static const struct point xeon_some[] = {
    {2.5, 0.1830},   {13.7, 6.1681},  {25.3, 21.3305}, {38.8, 29.6039},  {50.0, 36.8304},
    {60.8, 42.8190}, {76.2, 44.5929}, {88.7, 46.8128}, {100.0, 47.7300},
};

static const struct {
    const char *name;
    double tdp_w;
    const struct point *points;
    size_t count;
} sets[] = {
    {"EPYC 8024P, all cores", 90, epyc_all, JMI_COUNT(epyc_all)},
    {"EPYC 8024P, some cores", 90, epyc_some, JMI_COUNT(epyc_some)},
    {"Xeon E3-1240 v2, all cores", 69, xeon_all, JMI_COUNT(xeon_all)},
    {"Xeon E3-1240 v2, some cores", 69, xeon_some, JMI_COUNT(xeon_some)},
};

static void rises_and_bends(void **state) {
    (void)state;
    double last = jmi_cpu_model_w(100, 0), last_step = 1e9;
    assert_true(last > 0 && last < 30);
    for (int i = 1; i <= 100; i++) {
        double power = jmi_cpu_model_w(100, i / 100.0), step = power - last;
        assert_true(step > 0 && step < last_step);
        last = power, last_step = step;
    }
    assert_true(last <= 100);
    assert_true(jmi_cpu_model_w(100, -1) == jmi_cpu_model_w(100, 0));
    assert_true(jmi_cpu_model_w(100, 7) == jmi_cpu_model_w(100, 1));
}

/* The uncertainty that is stated covers what the measured processors show. */
static void error_on_measured_processors(void **state) {
    (void)state;
    double all = 0;
    size_t points = 0, inside = 0;
    for (size_t s = 0; s < JMI_COUNT(sets); s++) {
        double sum = 0, watts = 0;
        for (size_t i = 0; i < sets[s].count; i++) {
            double model = jmi_cpu_model_w(sets[s].tdp_w, sets[s].points[i].load_pct / 100);
            double error = model - sets[s].points[i].power_w;
            sum += error * error / (model * model);
            watts += error * error;
            inside += fabs(error) < 2 * jmi_model_uncertainty() * model;
        }
        print_message("# %s: rms error %.0f %% of the model, %.1f W\n", sets[s].name,
                      100 * sqrt(sum / (double)sets[s].count), sqrt(watts / (double)sets[s].count));
        all += sum;
        points += sets[s].count;
    }
    double rms = sqrt(all / (double)points);
    print_message("# all: %.0f %%\n", 100 * rms);
    assert_true(rms < jmi_model_uncertainty());
    assert_true(inside == points);
}

static jmi_cpu_info named(const char *model, uint32_t family, uint32_t number, uint32_t cpus) {
    jmi_cpu_info info = {.family = family, .model_number = number, .cpus = cpus, .sockets = 1};
    snprintf(info.model, sizeof info.model, "%s", model);
    return info;
}

static void tdp_by_name(void **state) {
    (void)state;
    jmi_cpu_info info = named("AMD EPYC 7763 64-Core Processor", 25, 1, 128);
    assert_true(jmi_cpu_power_of(&info, 0).tdp_w == 280);
    info.sockets = 2;
    assert_true(jmi_cpu_power_of(&info, 0).tdp_w == 560);
    assert_true(jmi_cpu_power_of(&info, 123).tdp_w == 123); /* what is given goes */
    info = named("Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", 6, 58, 8);
    assert_true(jmi_cpu_power_of(&info, 0).tdp_w == 69);
    info = named("Intel(R) Core(TM) i7-87000 CPU", 6, 1, 12); /* not an i7-8700 */
    assert_true(jmi_cpu_power_of(&info, 0).guessed);
}

static void virtual_machines_have_a_share(void **state) {
    (void)state;
    jmi_cpu_info info = named("AMD EPYC", 25, 1, 4);
    info.hypervisor = true;
    jmi_cpu_power power = jmi_cpu_power_of(&info, 0);
    assert_true(power.share == 4 / 128.0);
    assert_true(power.tdp_w == 280 * 4 / 128.0);
    assert_false(power.guessed);
    info = named("Some Processor", 1, 1, 8);
    power = jmi_cpu_power_of(&info, 0);
    assert_true(power.guessed && power.tdp_w > 10 && power.tdp_w < 100);
    info = (jmi_cpu_info){0};
    assert_true(jmi_cpu_power_of(&info, 0).tdp_w > 0);
}

static void the_model_reads_what_passed(void **state) {
    (void)state;
    char *root = tree_new();
    tree_write(root, "/proc/stat", "cpu  0 0 0 1000 0 0 0 0\n");
    tree_write(root, "/proc/cpuinfo", "processor : 0\nvendor_id : Test\n");
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.cpu_tdp_w = 100;
    jmi_sensor_set *set = tree_open_with(root, options);
    check_findings(set);
    for (size_t i = 0; i < set->sensor_count; i++)
        assert_int_equal(set->sensors[i].modelled, set->sensors[i].quantity == JM_QUANTITY_POWER);
    assert_int_equal(read_one(set, "cpu0", JM_QUANTITY_POWER).status,
                     JM_NO_DATA); /* nothing ticked */
    tree_write(root, "/proc/stat", "cpu  50 0 0 1050 0 0 0 0\n");
    jmi_reading reading = read_one(set, "cpu0", JM_QUANTITY_POWER);
    assert_int_equal(reading.status, JM_OK);
    assert_true(fabs(reading.value - jmi_cpu_model_w(100, 0.5)) < 1e-9);
    assert_true(read_one(set, "cpu0", JM_QUANTITY_POWER).value == reading.value);
    jmi_sensors_close(set);

    options.flags = JM_SESSION_NO_CPU;
    set = tree_open_with(root, options);
    assert_int_equal(set->sensor_count, 0);
    jmi_sensors_close(set);
    jm_error error;
    options.flags = 0;
    options.root = root;
    options.cpu_tdp_w = -1;
    assert_int_equal(jmi_sensors_open(&set, &options, &error), JM_INVALID);
    tree_free(root);
}

static void an_empty_machine_opens(void **state) {
    (void)state;
    char *root = tree_new();
    jmi_sensor_set *set = tree_open(root);
    check_findings(set);
    assert_int_equal(set->sensor_count, 0);
    assert_true(set->finding_count >= 5);
    jmi_sensors_close(set);
    tree_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_and_bends),
        cmocka_unit_test(error_on_measured_processors),
        cmocka_unit_test(tdp_by_name),
        cmocka_unit_test(virtual_machines_have_a_share),
        cmocka_unit_test(the_model_reads_what_passed),
        cmocka_unit_test(an_empty_machine_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
