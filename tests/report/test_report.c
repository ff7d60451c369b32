#include "fixture.h"
#include "record/session.h"
#include "report/summary.h"

#include <jansson.h>
#include <locale.h>

static jmi_summary make_summary(const jm_recording *recording) {
    jmi_summary summary;
    jm_error error = {0};
    fixture_ok(jmi_summary_make(&summary, recording, NULL, &error), &error);
    return summary;
}

static json_t *make_json(const jm_recording *recording) {
    jm_error error = {0};
    char *text = NULL;
    fixture_ok(jm_report_json(recording, NULL, &text, &error), &error);
    json_error_t where;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) fail_msg("%s at line %d", where.text, where.line);
    jm_free(text);
    return root;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return json_number_value(value);
}

static char *make_text(const jm_recording *recording, uint32_t width) {
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.width = width;
    fixture_ok(jm_report_text(recording, &options, &text, &error), &error);
    return text;
}

/* ---- summary ---- */

static void figures_are_of_the_command(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jmi_summary s = make_summary(recording);
    assert_true(s.of_command);
    assert_string_equal(s.command, "python train.py");
    assert_int_equal(s.exit_code, 3);
    assert_int_equal(s.begin_ns, FIXTURE_T0 + 2000000000);
    assert_int_equal(s.device_count, 2);
    assert_true(fabs(s.devices[FIXTURE_GPU].energy.energy_j - 3000) < 30);
    assert_true(fabs(s.devices[FIXTURE_CPU].energy.energy_j - 600) < 30);
    assert_true(fabs(s.total.energy.energy_j - 3600) < 40);
    assert_string_equal(s.devices[FIXTURE_GPU].source, "power, simulated");
    assert_string_equal(s.devices[FIXTURE_CPU].source, "modelled");
    assert_string_equal(s.total.source, "power, modelled, simulated");
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static void idle_and_active_add_up(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jmi_summary s = make_summary(recording);
    const jmi_split *split = &s.devices[FIXTURE_GPU].split;
    assert_true(split->known && split->from_baseline);
    assert_true(fabs(split->power_w - 50) < 3);
    assert_true(fabs(split->idle_j + split->active_j - s.devices[FIXTURE_GPU].energy.energy_j) <
                1e-6);
    assert_true(s.total.split.known);
    assert_true(fabs(s.total.split.power_w - 70) < 5);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static void ranges_are_grouped(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jmi_summary s = make_summary(recording);
    const jmi_group *batch = NULL, *load = NULL;
    for (size_t i = 0; i < s.group_count; i++) {
        if (strcmp(s.groups[i].name, "batch") == 0) batch = &s.groups[i];
        if (strcmp(s.groups[i].name, "load") == 0) load = &s.groups[i];
    }
    assert_int_equal(s.group_count, 5);
    assert_non_null(batch);
    assert_non_null(load);
    assert_int_equal(batch->calls, 50);
    assert_true(fabs(batch->time_s - 5) < 1e-6);
    assert_true(fabs(batch->energy.energy_j - 1800) < 50);
    assert_true(batch->energy.u95_j > 0 && batch->energy.u95_j < 900);
    assert_true(batch->energy.lower_j <= batch->energy.energy_j);
    assert_true(fabs(batch->share - 0.5) < 0.03);
    assert_int_equal(load->calls, 1);
    assert_true(s.groups[0].category == JM_CATEGORY_SESSION);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static void the_same_name_in_two_categories_is_two_groups(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_USER, "batch", 5, 6, "");
    jmi_summary s = make_summary(recording);
    assert_int_equal(s.group_count, 6);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static const jmi_group *find_group(const jmi_summary *s, const char *name) {
    for (size_t i = 0; i < s->group_count; i++)
        if (strcmp(s->groups[i].name, name) == 0) return &s->groups[i];
    fail_msg("there is no group %s", name);
    return NULL;
}

/* Windows shorter than the CPU's refresh: one alone is bounded, many are an estimate. */
static void bounds_stay_bounds(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_KERNEL, "short", 5, 5.001, "");
    for (int i = 0; i < 40; i++)
        fixture_range(recording, JM_CATEGORY_KERNEL, "often", 6 + 0.1 * i, 6.001 + 0.1 * i, "");
    jmi_summary s = make_summary(recording);
    const jmi_group *alone = find_group(&s, "short"), *often = find_group(&s, "often");
    jm_energy expected;
    const jm_window window = {alone->first_ns, alone->last_ns};
    fixture_ok(jm_energy_sum(recording, JM_DEVICE_TOTAL, &window, 1, NULL, &expected, NULL),
               &(jm_error){0});
    assert_int_equal(alone->energy.provenance, expected.provenance);
    assert_true(fabs(alone->energy.upper_j - expected.upper_j) < 1e-9);
    if (alone->energy.provenance & JM_BOUND_ONLY) assert_true(isnan(alone->share));
    assert_false(often->energy.provenance & JM_BOUND_ONLY);
    assert_true(fabs(often->energy.energy_j - 0.04 * 360) < 2);
    assert_true(often->share > 0);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static void what_no_sensor_saw_is_said(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_PHASE, "afterwards", 20, 30, "");
    jmi_summary s = make_summary(recording);
    const jmi_group *late = find_group(&s, "afterwards");
    assert_false(jmi_is_measured(&late->energy));
    assert_true(isnan(late->share));
    jmi_summary_free(&s);
    char *text = make_text(recording, 80);
    assert_non_null(strstr(text, "not measured"));
    assert_non_null(strstr(text, "afterwards: no sensor gave a reading then."));
    jm_free(text);
    jm_recording_free(recording);
}

/* Four threads in one phase draw no more than the machine: the time in which any of them ran. */
static void overlapping_calls_count_once(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_USER, "worker", 6, 10, "");
    fixture_range(recording, JM_CATEGORY_USER, "worker", 4, 8, ""); /* out of order */
    fixture_range(recording, JM_CATEGORY_USER, "worker", 5, 10, "");
    fixture_range(recording, JM_CATEGORY_USER, "worker", 4.5, 5.5, ""); /* nested */
    fixture_range(recording, JM_CATEGORY_USER, "worker", 10, 10, "");   /* of no length */
    fixture_range(recording, JM_CATEGORY_USER, "worker", 10.5, 11, ""); /* apart */
    fixture_range(recording, JM_CATEGORY_USER, "other", 7, 7.5, "");    /* of another name */
    jmi_summary s = make_summary(recording);
    const jmi_group *worker = find_group(&s, "worker"), *other = find_group(&s, "other");
    const jm_window windows[] = {{FIXTURE_T0 + 4000000000, FIXTURE_T0 + 10000000000},
                                 {FIXTURE_T0 + 10500000000, FIXTURE_T0 + 11000000000}};
    jm_energy expected;
    fixture_ok(jm_energy_sum(recording, JM_DEVICE_TOTAL, windows, 2, NULL, &expected, NULL),
               &(jm_error){0});
    assert_int_equal(worker->calls, 6);
    assert_true(fabs(worker->time_s - 14.5) < 1e-9);
    assert_true(fabs(worker->wall_s - 6.5) < 1e-9);
    assert_true(fabs(worker->energy.energy_j - expected.energy_j) < 1e-6);
    assert_true(fabs(worker->energy.u95_j - expected.u95_j) < 1e-6);
    assert_true(fabs(worker->energy.mean_power_w - 360) < 5);
    assert_true(worker->share > 0.6 && worker->share < 0.7);
    assert_true(fabs(other->wall_s - 0.5) < 1e-9 && fabs(other->energy.energy_j - 180) < 5);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

/* Whatever the order and overlap: as many joules as the stretches of time that are covered. */
static void unions_of_many_ranges(void **state) {
    (void)state;
    enum { SLOTS = 700, RANGES = 5000, NAMES = 7 };
    static bool covered[NAMES][SLOTS];
    memset(covered, 0, sizeof covered);
    jm_recording *recording = fixture_new();
    uint32_t random = 12345;
    for (int i = 0; i < RANGES; i++) {
        random = random * 1664525 + 1013904223;
        int name = (int)(random >> 8) % NAMES, begin = (int)(random >> 12) % (SLOTS - 10);
        int end = begin + 1 + (int)(random >> 24) % 9;
        char text[] = "n0";
        text[1] = (char)('0' + name);
        for (int k = begin; k < end; k++) covered[name][k] = true;
        fixture_range(recording, JM_CATEGORY_LAYER, text, 4.5 + 0.01 * begin, 4.5 + 0.01 * end, "");
    }
    jmi_summary s = make_summary(recording);
    for (int name = 0; name < NAMES; name++) {
        char text[] = "n0";
        double wall = 0;
        text[1] = (char)('0' + name);
        for (int k = 0; k < SLOTS; k++) wall += covered[name][k] ? 0.01 : 0;
        const jmi_group *group = find_group(&s, text);
        if (fabs(group->wall_s - wall) > 1e-6) fail_msg("%s: %g s", text, group->wall_s);
        assert_true(fabs(group->energy.energy_j - 360 * wall) < 0.02 * 360 * wall);
    }
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

static double second_gpu_w(int i) {
    (void)i;
    return 100;
}

/* gpu0 draws 300 W, gpu1 100 W, the CPU 60 W. */
static jm_recording *with_kernels(void) {
    jm_recording *recording = fixture_new();
    uint32_t gpu = fixture_device(recording, "gpu1", "NVIDIA H100", true);
    fixture_samples(recording,
                    fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "nvml power", false), 601,
                    second_gpu_w);
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 4, 6, "", "gpu0", 7);
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 7, "", "gpu0", 8);
    return recording;
}

static const jmi_group *find_kernel(const jmi_summary *s, uint32_t device) {
    for (size_t i = 0; i < s->group_count; i++)
        if (strcmp(s->groups[i].name, "gemm") == 0 && s->groups[i].device == device)
            return &s->groups[i];
    fail_msg("there is no gemm on device %u", device);
    return NULL;
}

static void kernels_belong_to_their_device(void **state) {
    (void)state;
    jm_recording *recording = with_kernels();
    jmi_summary s = make_summary(recording);
    const jmi_group *first = find_kernel(&s, 0);
    assert_true(fabs(first->energy.energy_j - 900) < 10); /* 3 s of gpu0, streams overlap */
    assert_true(fabs(first->share - 900.0 / 4600) < 0.01);
    assert_false(s.many_devices);
    jmi_summary_free(&s);
    char *text = make_text(recording, 120);
    assert_null(strstr(text, "gemm ("));
    jm_free(text);

    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 4, 5, "", "gpu1", 1);
    s = make_summary(recording);
    assert_true(s.many_devices);
    assert_true(fabs(find_kernel(&s, 0)->energy.energy_j - 900) < 10);
    assert_true(fabs(find_kernel(&s, 2)->energy.energy_j - 100) < 5);
    assert_true(find_kernel(&s, 2)->calls == 1);
    jmi_summary_free(&s);
    text = make_text(recording, 120);
    assert_non_null(strstr(text, "gemm (gpu0)"));
    assert_non_null(strstr(text, "gemm (gpu1)"));
    jm_free(text);
    jm_recording_free(recording);
}

static void kernels_in_json(void **state) {
    (void)state;
    jm_recording *recording = with_kernels();
    json_t *root = make_json(recording);
    const json_t *ranges = json_object_get(root, "ranges");
    const json_t *kernel = json_array_get(ranges, 55), *batch = json_array_get(ranges, 10);
    assert_string_equal(json_string_value(json_object_get(kernel, "device")), "gpu0");
    assert_int_equal(json_integer_value(json_object_get(kernel, "stream")), 8);
    assert_true(fabs(number(kernel, "energy_j") - 600) < 10);
    assert_true(json_is_null(json_object_get(batch, "device")));
    assert_true(json_is_null(json_object_get(batch, "stream")));
    const json_t *group;
    size_t i, kernels = 0;
    json_array_foreach(json_object_get(root, "categories"), i, group) {
        if (json_is_null(json_object_get(group, "device"))) continue;
        assert_string_equal(json_string_value(json_object_get(group, "device")), "gpu0");
        assert_true(fabs(number(group, "time_s") - 4) < 1e-9);
        assert_true(fabs(number(group, "wall_s") - 3) < 1e-9);
        kernels++;
    }
    assert_int_equal(kernels, 1);
    json_decref(root);
    jm_recording_free(recording);
}

static void many_names(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d", i % 1500);
        fixture_range(recording, JM_CATEGORY_LAYER, name, 4 + 0.001 * i, 4.001 + 0.001 * i, "");
    }
    jmi_summary s = make_summary(recording);
    assert_int_equal(s.group_count, 5 + 1500);
    for (size_t i = 0; i < s.group_count; i++)
        if (s.groups[i].category == JM_CATEGORY_LAYER) assert_int_equal(s.groups[i].calls, 2);
    jmi_summary_free(&s);
    jm_recording_free(recording);
}

/* ---- JSON ---- */

static void json_holds_it_all(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    json_t *root = make_json(recording);
    assert_string_equal(json_string_value(json_object_get(root, "joulemeter")), jm_version());
    assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
    assert_true(json_is_true(json_object_get(root, "simulated")));
    assert_true(json_is_true(json_object_get(root, "modelled")));
    assert_true(fabs(number(root, "duration_s") - 10) < 1e-9);
    assert_int_equal(json_integer_value(json_object_get(root, "exit_code")), 3);
    const json_t *total = json_object_get(root, "total");
    assert_true(fabs(number(total, "energy_j") - 3600) < 40);
    assert_true(number(total, "lower_j") < number(total, "energy_j"));
    assert_true(json_is_array(json_object_get(total, "provenance")));
    assert_int_equal(json_array_size(json_object_get(root, "devices")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "sensors")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "ranges")), 54);
    assert_int_equal(json_array_size(json_object_get(root, "categories")), 5);
    const json_t *batch = json_array_get(json_object_get(root, "ranges"), 4);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(batch, "attributes"), "size")), 32);
    assert_true(json_is_object(json_object_get(root, "sampler")));
    json_decref(root);
    jm_recording_free(recording);
}

/* Every fact that a session notes of its machine, and nothing else that a recording may say. */
static void json_holds_the_machine(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_recording_set_info(recording, "cpu_model", "Some CPU"); /* not told everywhere */
    jmi_recording_facts(recording, "/nonexistent");
    uint32_t facts = jm_recording_info_count(recording);
    assert_int_equal(facts, 9);
    jm_recording_set_info(recording, "mood", "good");
    json_t *root = make_json(recording), *environment = json_object_get(root, "environment");
    for (uint32_t i = 0; i < facts; i++) {
        const char *key, *value;
        assert_int_equal(jm_recording_info_at(recording, i, &key, &value), JM_OK);
        assert_string_equal(json_string_value(json_object_get(environment, key)), value);
    }
    assert_int_equal(json_object_size(environment), facts);
    json_decref(root);
    jm_recording_free(recording);
}

/* A node has a utilisation, and neither power nor energy. */
static void what_went_well_leaves_no_error(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_error error = {.status = 77, .message = "as it was"};
    char *text = NULL;
    fixture_sensor(recording, fixture_device(recording, "node", "", false), JM_QUANTITY_CPU_UTIL,
                   "procfs stat", false);
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "node", 1);
    assert_int_equal(jm_report_json(recording, NULL, &text, &error), JM_OK);
    jm_free(text);
    assert_int_equal(jm_report_text(recording, NULL, &text, &error), JM_OK);
    jm_free(text);
    assert_int_equal(error.status, 77);
    assert_string_equal(error.message, "as it was");
    jm_recording_free(recording);
}

static void an_empty_recording_is_null_not_zero(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    fixture_ok(jm_recording_new(&recording, NULL), &(jm_error){0});
    json_t *root = make_json(recording);
    const json_t *total = json_object_get(root, "total");
    assert_true(json_is_null(json_object_get(total, "energy_j")));
    assert_true(json_is_null(json_object_get(total, "upper_j")));
    assert_int_equal(json_array_size(json_object_get(total, "provenance")), 0);
    json_decref(root);
    char *text = make_text(recording, 80);
    assert_non_null(strstr(text, "No energy was measured"));
    jm_free(text);
    jm_recording_free(recording);
}

static double missing_w(int i) {
    (void)i;
    return NAN;
}

static void failed_readings_are_missing_not_zero(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    fixture_ok(jm_recording_new(&recording, NULL), &(jm_error){0});
    uint32_t gpu = fixture_device(recording, "gpu0", "lost", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "nvml", false),
                    100, missing_w);
    json_t *root = make_json(recording);
    const json_t *device = json_array_get(json_object_get(root, "devices"), 0);
    assert_true(json_is_null(json_object_get(device, "energy_j")));
    const json_t *sensor = json_array_get(json_object_get(root, "sensors"), 0);
    assert_int_equal(json_integer_value(json_object_get(sensor, "missing")), 100);
    assert_true(json_is_null(json_object_get(sensor, "mean")));
    json_decref(root);
    jm_recording_free(recording);
}

static void hostile_texts_stay_texts(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_USER, "\033[31m\"quote\" \xFF\x01", 5, 6, "{not json");
    json_t *root = make_json(recording);
    const json_t *last = json_array_get(json_object_get(root, "ranges"), 54);
    assert_true(json_is_string(json_object_get(last, "name")));
    assert_true(json_is_null(json_object_get(last, "attributes")) ||
                json_is_object(json_object_get(last, "attributes")));
    json_decref(root);
    char *text = make_text(recording, 80);
    assert_null(strchr(text, '\033'));
    jm_free(text);
    jm_recording_free(recording);
}

/* A command shorter than the model's period: its last reading, after the end, tells of it. */
static void a_short_command_is_an_estimate_of_the_model(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    fixture_ok(jm_recording_new(&recording, NULL), &(jm_error){0});
    uint32_t cpu = fixture_device(recording, "cpu0", "Some CPU", false);
    uint32_t sensor = fixture_sensor(recording, cpu, JM_QUANTITY_POWER, "cpu model", true);
    fixture_samples(recording, sensor, 1, fixture_cpu_w);
    json_t *root = make_json(recording); /* one reading, and no time that it could be of */
    assert_true(json_is_null(json_object_get(json_object_get(root, "total"), "energy_j")) ||
                number(json_object_get(root, "total"), "energy_j") == 0);
    json_decref(root);
    int64_t t = FIXTURE_T0 + 5000000;
    double watts = 20;
    uint32_t since = 5000000;
    uint8_t flags = 0;
    fixture_ok(jm_recording_add_samples(recording, sensor,
                                        &(jm_samples){1, &t, &watts, &since, &flags}, NULL),
               &(jm_error){0});
    fixture_range(recording, JM_CATEGORY_SESSION, "true", 0.001, 0.004, "");
    root = make_json(recording);
    const json_t *total = json_object_get(root, "total");
    assert_int_equal(json_array_size(json_object_get(total, "provenance")), 1);
    assert_true(fabs(number(total, "energy_j") - 0.06) < 0.001);
    assert_true(number(total, "u95_j") > 0.03);
    assert_true(number(total, "measured") == 1);
    assert_true(number(json_array_get(json_object_get(root, "sensors"), 0), "samples") == 1);
    json_decref(root);
    char *text = make_text(recording, 80);
    assert_null(strstr(text, "bounds"));
    jm_free(text);
    jm_recording_free(recording);
}

/* ---- text ---- */

static void text_fits_the_terminal(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    const uint32_t widths[] = {60, 80, 120};
    setlocale(LC_CTYPE, "C");
    for (size_t i = 0; i < JMI_COUNT(widths); i++) {
        char *text = make_text(recording, widths[i]);
        for (const char *line = text; *line != '\0';) {
            size_t length = strcspn(line, "\n");
            if (length > widths[i]) fail_msg("%zu columns: %.*s", length, (int)length, line);
            line += length + 1;
        }
        jm_free(text);
    }
    jm_recording_free(recording);
}

static void text_says_where_numbers_come_from(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    char *text = make_text(recording, 80);
    assert_non_null(strstr(text, "python train.py"));
    assert_non_null(strstr(text, "exit code 3"));
    assert_non_null(strstr(text, "power, modelled, simulated"));
    assert_non_null(strstr(text, "cpu0 is modelled"));
    assert_non_null(strstr(text, "batch"));
    assert_null(strstr(text, "\033"));
    jm_free(text);
    jm_recording_free(recording);
}

static double steady_w(int i) {
    return i % 2 ? 200 : 201;
}

/* The text for a board whose sensor looks a quarter of the time. */
static char *part_time_text(bool counter, bool ranges) {
    jm_recording *recording = NULL;
    fixture_ok(jm_recording_new(&recording, NULL), &(jm_error){0});
    uint32_t gpu = fixture_device(recording, "gpu0", "NVIDIA A100", false), index;
    jm_sensor power = {.size = sizeof power,
                       .device = gpu,
                       .quantity = JM_QUANTITY_POWER,
                       .source = "nvml power_instant",
                       .refresh_ns = 20000000,
                       .window_ns = 5000000};
    jm_sensor energy = {.size = sizeof energy,
                        .device = gpu,
                        .quantity = JM_QUANTITY_ENERGY,
                        .source = "nvml energy",
                        .counter = true,
                        .refresh_ns = 20000000};
    fixture_ok(jm_recording_add_sensor(recording, &power, &index, NULL), &(jm_error){0});
    fixture_samples(recording, index, 300, steady_w);
    if (counter) {
        fixture_ok(jm_recording_add_sensor(recording, &energy, &index, NULL), &(jm_error){0});
        for (int i = 0; i < 300; i++) {
            int64_t t = FIXTURE_T0 + i * INT64_C(20000000);
            double joules = 4.01 * i;
            jm_samples one = {1, &t, &joules, &(uint32_t){2000000}, &(uint8_t){JM_SAMPLE_CHANGED}};
            fixture_ok(jm_recording_add_samples(recording, index, &one, NULL), &(jm_error){0});
        }
    }
    for (int i = 0; ranges && i < 30; i++)
        fixture_range(recording, JM_CATEGORY_BATCH, "step", 0.2 * i, 0.2 * i + 0.1, "");
    char *text = make_text(recording, 80);
    jm_recording_free(recording);
    return text;
}

static void a_sensor_that_looks_part_of_the_time_is_named(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *text = part_time_text(i == 1, i == 2);
        bool said = strstr(text, "looks 25 % of the time") != NULL;
        if (said != (i == 0)) fail_msg("case %d:\n%s", i, text);
        jm_free(text);
    }
}

static void numbers_have_a_point_in_every_locale(void **state) {
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        print_message("skip: the locale de_DE.UTF-8 is not installed\n");
        skip();
    }
    jm_recording *recording = fixture_new();
    json_decref(make_json(recording));
    char *text = make_text(recording, 80);
    assert_null(strstr(text, "10,0 s"));
    assert_non_null(strstr(text, "10.0 s"));
    jm_free(text);
    jm_recording_free(recording);
    setlocale(LC_ALL, "C");
}

static json_t *json_with(const jm_recording *recording, const jm_energy_options *energy) {
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.energy = energy;
    fixture_ok(jm_report_json(recording, &options, &text, &error), &error);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    jm_free(text);
    return root;
}

static double systematic(const json_t *root, const char *list, size_t index) {
    const json_t *entry = json_object_get(root, list);
    if (json_is_array(entry)) entry = json_array_get(entry, index);
    return number(entry, "u_systematic_j") / number(entry, "energy_j");
}

/* Options of energies reach every figure of a report: devices, total, groups, ranges. */
static void energy_options_reach_all_figures(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_energy_options energy = JM_ENERGY_OPTIONS_INIT, defaults = JM_ENERGY_OPTIONS_INIT;
    energy.gain_u = 0.2;
    energy.offset_u_w = 1e-9;
    json_t *none = json_with(recording, NULL), *plain = json_with(recording, &defaults);
    json_t *vague = json_with(recording, &energy);
    assert_true(json_equal(none, plain));
    static const char *const lists[] = {"total", "devices", "categories", "ranges"};
    for (size_t i = 0; i < JMI_COUNT(lists); i++) {
        bool one_device = strcmp(lists[i], "devices") == 0;
        double expected = one_device ? 0.2 : 0.2 * hypot(3000, 600) / 3600;
        size_t index = strcmp(lists[i], "categories") == 0 ? 1
                       : strcmp(lists[i], "ranges") == 0   ? 3
                                                           : 0;
        if (fabs(systematic(vague, lists[i], index) - expected) > 0.005)
            fail_msg("%s: %g, not %g", lists[i], systematic(vague, lists[i], index), expected);
        assert_true(fabs(systematic(plain, lists[i], index) - expected) > 0.02);
    }
    json_decref(none);
    json_decref(plain);
    json_decref(vague);
    jm_recording_free(recording);
}

static void wrong_energy_options_are_refused(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_energy_options energy = JM_ENERGY_OPTIONS_INIT;
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    energy.gain_u = -1;
    options.energy = &energy;
    assert_int_equal(jm_report_text(recording, &options, &text, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "gain_u"));
    assert_int_equal(jm_report_json(recording, &options, &text, &error), JM_INVALID);
    assert_int_equal(jm_export(recording, "/nonexistent/folder", &options, &error), JM_INVALID);
    assert_null(text);
    options.size = offsetof(jm_report_options, energy); /* an older program's struct: no pointer */
    fixture_ok(jm_report_text(recording, &options, &text, &error), &error);
    jm_free(text);
    jm_recording_free(recording);
}

static void wrong_arguments(void **state) {
    (void)state;
    jm_error error = {0};
    char *text = NULL;
    assert_int_equal(jm_report_text(NULL, NULL, &text, &error), JM_INVALID);
    assert_int_equal(jm_report_json(NULL, NULL, &text, &error), JM_INVALID);
    assert_int_equal(jm_export(NULL, "", NULL, &error), JM_INVALID);
    assert_null(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_of_the_command),
        cmocka_unit_test(idle_and_active_add_up),
        cmocka_unit_test(ranges_are_grouped),
        cmocka_unit_test(the_same_name_in_two_categories_is_two_groups),
        cmocka_unit_test(bounds_stay_bounds),
        cmocka_unit_test(what_no_sensor_saw_is_said),
        cmocka_unit_test(overlapping_calls_count_once),
        cmocka_unit_test(unions_of_many_ranges),
        cmocka_unit_test(kernels_belong_to_their_device),
        cmocka_unit_test(kernels_in_json),
        cmocka_unit_test(many_names),
        cmocka_unit_test(json_holds_it_all),
        cmocka_unit_test(json_holds_the_machine),
        cmocka_unit_test(what_went_well_leaves_no_error),
        cmocka_unit_test(an_empty_recording_is_null_not_zero),
        cmocka_unit_test(failed_readings_are_missing_not_zero),
        cmocka_unit_test(a_short_command_is_an_estimate_of_the_model),
        cmocka_unit_test(hostile_texts_stay_texts),
        cmocka_unit_test(text_fits_the_terminal),
        cmocka_unit_test(text_says_where_numbers_come_from),
        cmocka_unit_test(a_sensor_that_looks_part_of_the_time_is_named),
        cmocka_unit_test(numbers_have_a_point_in_every_locale),
        cmocka_unit_test(energy_options_reach_all_figures),
        cmocka_unit_test(wrong_energy_options_are_refused),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
