/* What the tables say, against what the recording's own functions say. */
#include "walk.h"

#include <locale.h>
#include <unistd.h>

#define S INT64_C(1000000000)

static jm_recording *empty(void) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    return recording;
}

static uint32_t sensor_of(jm_recording *recording, uint32_t device, jm_quantity quantity,
                          const char *source, double refresh_s, double window_s, bool modelled) {
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = device,
                        .quantity = quantity,
                        .source = source,
                        .counter = quantity == JM_QUANTITY_ENERGY,
                        .modelled = modelled,
                        .refresh_ns = (uint64_t)(refresh_s * 1e9),
                        .window_ns = (uint64_t)(window_s * 1e9)};
    uint32_t index;
    assert_int_equal(jm_recording_add_sensor(recording, &sensor, &index, NULL), JM_OK);
    return index;
}

static void sample(jm_recording *recording, uint32_t sensor, double t_s, double value,
                   unsigned flags, double since_s) {
    int64_t t = FIXTURE_T0 + (int64_t)llround(t_s * 1e9);
    uint32_t since = since_s > 4.2 ? UINT32_MAX : (uint32_t)llround(since_s * 1e9);
    uint8_t bits = (uint8_t)flags;
    jm_samples one = {1, &t, &value, &since, &bits};
    jm_error error = {0};
    fixture_ok(jm_recording_add_samples(recording, sensor, &one, &error), &error);
}

/* ---- samples ---- */

static void the_best_power_sensor_has_the_rows(void **state) {
    (void)state;
    jm_recording *recording = empty();
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    uint32_t mean = sensor_of(recording, gpu, JM_QUANTITY_POWER_AVERAGE, "average", 0.1, 1, false);
    uint32_t model = sensor_of(recording, gpu, JM_QUANTITY_POWER, "model", 0.001, 0.001, true);
    sample(recording, mean, 0, 100, 0, 5);
    sample(recording, model, 0, 50, 0, 5);
    table t = read_table(recording, JM_TABLE_SAMPLES, NULL);
    assert_int_equal(t.rows, 1);
    same(number(&t, "p_w", 0), 100); /* a mean, rather than a model */
    free_table(&t);

    uint32_t silent = sensor_of(recording, gpu, JM_QUANTITY_POWER, "silent", 0.001, 0.001, false);
    uint32_t now = sensor_of(recording, gpu, JM_QUANTITY_POWER, "now", 0.1, 0.025, false);
    sample(recording, silent, 0, 0, JM_SAMPLE_MISSING, 5);
    sample(recording, now, 0, 120, 0, 5);
    sample(recording, now, 1, 0, JM_SAMPLE_MISSING, 1);
    t = read_table(recording, JM_TABLE_SAMPLES, NULL);
    assert_int_equal(t.rows, 2);
    same(number(&t, "p_w", 0), 120);
    assert_true(is_null(&t, "p_w", 1)); /* a reading that failed is a row without a value */
    free_table(&t);
    jm_recording_free(recording);
}

static void values_hold_until_the_next(void **state) {
    (void)state;
    jm_recording *recording = empty();
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    uint32_t power = sensor_of(recording, gpu, JM_QUANTITY_POWER, "now", 0.1, 0.1, false);
    uint32_t util = sensor_of(recording, gpu, JM_QUANTITY_GPU_UTIL, "util", 1, 0, false);
    uint32_t memory = sensor_of(recording, gpu, JM_QUANTITY_MEM_USED, "mem", 1, 0, false);
    uint32_t counter = sensor_of(recording, gpu, JM_QUANTITY_ENERGY, "joules", 0.1, 0, false);
    for (int i = 0; i <= 20; i++) sample(recording, power, i, 100 + i, 0, 1);
    sample(recording, util, 2, 40, 0, 1);
    sample(recording, util, 4, 60, 0, 1);
    sample(recording, util, 6, 0, JM_SAMPLE_MISSING, 1);
    sample(recording, util, 8, 80, 0, 1);
    sample(recording, util, 12, 90, JM_SAMPLE_GAP, 2.5); /* last poll at 9.5 */
    sample(recording, util, 19, 95, JM_SAMPLE_GAP, 5);   /* who knows when the last one was */
    sample(recording, memory, 0, 34e9, 0, 1);
    sample(recording, counter, 0, 0, 0, 1);
    sample(recording, counter, 10.5, 1000, 0, 1);
    static const double wanted[] = {NAN, NAN, 40,  40,  60,  60,  NAN, NAN, 80, 80, NAN,
                                    NAN, 90,  NAN, NAN, NAN, NAN, NAN, NAN, 95, 95};
    table t = read_table(recording, JM_TABLE_SAMPLES, NULL);
    assert_int_equal(t.rows, 21);
    for (int i = 0; i <= 20; i++) {
        same(number(&t, "p_w", i), 100 + i);
        same(number(&t, "gpu_util", i), wanted[i]);
        same(number(&t, "mem_used_mb", i), 34000);
        same(number(&t, "energy_j", i), i < 11 ? 0 : 1000);
        same(number(&t, "ts", i), i);
        assert_true(is_null(&t, "temperature_c", i));
        assert_true(is_null(&t, "cpu_util", i));
    }
    free_table(&t);
    jm_recording_free(recording);
}

/* Two GPUs, a CPU with a counter alone, and the node that knows how busy and hot it is. */
static jm_recording *machine(void) {
    jm_recording *recording = empty();
    uint32_t gpu0 = fixture_device(recording, "gpu0", "", false);
    uint32_t gpu1 = fixture_device(recording, "gpu1", "", false);
    uint32_t cpu = fixture_device(recording, "cpu0", "", false);
    uint32_t node = fixture_device(recording, "node", "", false);
    uint32_t p0 = sensor_of(recording, gpu0, JM_QUANTITY_POWER, "now", 0.1, 0.1, false);
    uint32_t p1 = sensor_of(recording, gpu1, JM_QUANTITY_POWER, "now", 0.1, 0.1, false);
    uint32_t joules = sensor_of(recording, cpu, JM_QUANTITY_ENERGY, "rapl", 0.001, 0, false);
    uint32_t busy = sensor_of(recording, node, JM_QUANTITY_CPU_UTIL, "procfs", 0.1, 0.1, false);
    uint32_t hot = sensor_of(recording, node, JM_QUANTITY_TEMPERATURE, "hwmon", 0, 0, false);
    for (int i = 0; i < 10; i++) {
        sample(recording, p0, i, 100, 0, 1);
        sample(recording, p1, i + 0.5, 200, 0, 1);
    }
    sample(recording, joules, 0, 0, 0, 5);
    sample(recording, joules, 2, 100, JM_SAMPLE_CHANGED, 1);
    sample(recording, joules, 3, 100, 0, 1); /* unchanged: no row, part of the next one's time */
    sample(recording, joules, 4, 140, JM_SAMPLE_CHANGED, 1);
    sample(recording, joules, 6, 140, JM_SAMPLE_RESET, 1);
    sample(recording, joules, 7, 170, JM_SAMPLE_CHANGED, 1);
    sample(recording, joules, 8, 0, JM_SAMPLE_MISSING, 1);
    sample(recording, joules, 9, 190, JM_SAMPLE_CHANGED, 1);
    sample(recording, busy, 1, 75, 0, 1);
    sample(recording, hot, 1, 61, 0, 1);
    return recording;
}

static void a_counter_shows_power_where_nothing_else_does(void **state) {
    static const double t_s[] = {0, 2, 4, 6, 7, 8, 9};
    static const double power[] = {NAN, 50, 20, NAN, 30, NAN, NAN};
    (void)state;
    jm_recording *recording = machine();
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.device = 2;
    table t = read_table(recording, JM_TABLE_SAMPLES, &options);
    assert_int_equal(t.rows, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(text(&t, "device", i), "cpu0");
        same(number(&t, "ts", i), t_s[i]);
        same(number(&t, "p_w", i), power[i]);
        same(number(&t, "cpu_util", i), t_s[i] >= 1 ? 75 : (double)NAN);
        same(number(&t, "temperature_c", i), t_s[i] >= 1 ? 61 : (double)NAN);
        assert_true(is_null(&t, "gpu_util", i));
    }
    free_table(&t);
    jm_recording_free(recording);
}

static void rows_of_devices_are_merged_by_time(void **state) {
    (void)state;
    jm_recording *recording = machine();
    table t = read_table(recording, JM_TABLE_SAMPLES, NULL);
    assert_int_equal(t.rows, 10 + 10 + 7);
    for (int64_t i = 1; i < t.rows; i++)
        assert_true(number(&t, "ts", i) >= number(&t, "ts", i - 1));
    assert_string_equal(text(&t, "device", 0), "gpu0"); /* at one time: in the devices' order */
    assert_string_equal(text(&t, "device", 1), "cpu0");
    assert_string_equal(text(&t, "device", 2), "gpu1");
    free_table(&t);
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.device = JM_DEVICE_GPUS;
    t = read_table(recording, JM_TABLE_SAMPLES, &options);
    assert_int_equal(t.rows, 20);
    free_table(&t);
    options.device = 1;
    t = read_table(recording, JM_TABLE_SAMPLES, &options);
    assert_int_equal(t.rows, 10);
    assert_string_equal(text(&t, "device", 9), "gpu1");
    free_table(&t);
    options.device = 3; /* the node draws nothing that anybody knows of */
    t = read_table(recording, JM_TABLE_SAMPLES, &options);
    assert_int_equal(t.rows, 0);
    free_table(&t);
    jm_recording_free(recording);
}

/* ---- marks ---- */

static void marks_with_json_that_everybody_can_read(void **state) {
    static const struct {
        const char *attributes, *meta;
    } marks[] = {{NULL, "{}"},
                 {"", "{}"},
                 {"{\"loss\": 0.5}", "{\"loss\": 0.5}"},
                 {"nonsense \"x\"", "{\"text\":\"nonsense \\\"x\\\"\"}"},
                 {"[1,2]", "{\"text\":\"[1,2]\"}"},
                 {"{\"a\":", "{\"text\":\"{\\\"a\\\":\"}"},
                 {"{\"a\":NaN}", "{\"text\":\"{\\\"a\\\":NaN}\"}"}};
    (void)state;
    jm_recording *recording = fixture_new();
    for (size_t i = 0; i < JMI_COUNT(marks); i++) {
        jm_mark_info mark = {.size = sizeof mark,
                             .t_ns = FIXTURE_T0 + (int64_t)i * S,
                             .pid = 42,
                             .thread = (uint32_t)i,
                             .name = "here",
                             .attributes = marks[i].attributes};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
    }
    double utc_s = (double)(jm_recording_utc_offset_ns(recording) + FIXTURE_T0) / 1e9;
    table t = read_table(recording, JM_TABLE_MARKS, NULL);
    jm_recording_free(recording);
    assert_int_equal(t.rows, JMI_COUNT(marks));
    for (int i = 0; i < (int)JMI_COUNT(marks); i++) {
        assert_string_equal(text(&t, "name", i), "here");
        assert_string_equal(text(&t, "meta", i), marks[i].meta);
        same(number(&t, "t", i), utc_s + i);
        same(number(&t, "ts", i), i);
        same(number(&t, "pid", i), 42);
        same(number(&t, "thread", i), i);
    }
    free_table(&t);
}

/* ---- ranges ---- */

static void check_same_energy(const table *t, int64_t row, const jm_energy *e,
                              const char *mean_power) {
    same(number(t, "energy_j", row), e->energy_j);
    same(number(t, "energy_u95_j", row), e->u95_j);
    same(number(t, mean_power, row), e->mean_power_w);
}

static void ranges_with_their_energies(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "gpu0", 3);
    size_t count = (size_t)jm_recording_range_count(recording);
    jm_energy *all = calloc(count, sizeof *all), *gpu = calloc(count, sizeof *gpu);
    assert_int_equal(jm_energy_ranges(recording, JM_DEVICE_TOTAL, NULL, all, count, NULL), JM_OK);
    assert_int_equal(jm_energy_ranges(recording, FIXTURE_GPU, NULL, gpu, count, NULL), JM_OK);
    table t = read_table(recording, JM_TABLE_RANGES, NULL);
    assert_int_equal(t.rows, count);
    for (int64_t i = 0; i < t.rows; i++) {
        jm_range range = {.size = sizeof range};
        bool kernel = i + 1 == t.rows;
        jm_recording_range(recording, (uint64_t)i, &range);
        same(number(&t, "id", i), (double)range.id);
        assert_true(is_null(&t, "parent", i));
        assert_string_equal(text(&t, "category", i), jm_category_name(range.category));
        assert_string_equal(text(&t, "name", i), range.name);
        same(number(&t, "begin_s", i), (double)(range.begin_ns - FIXTURE_T0) / 1e9);
        same(number(&t, "duration_s", i), (double)(range.end_ns - range.begin_ns) / 1e9);
        check_same_energy(&t, i, kernel ? &gpu[i] : &all[i], "mean_power_w");
        same(number(&t, "gpu0_energy_j", i), gpu[i].energy_j);
        assert_string_equal(text(&t, "device", i), kernel ? "gpu0" : "(null)");
        same(number(&t, "stream", i), kernel ? 3 : (double)NAN);
        const char *attributes = range.attributes[0] != '\0' ? range.attributes : "(null)";
        assert_string_equal(text(&t, "attributes_json", i), attributes);
    }
    assert_string_equal(text(&t, "provenance", t.rows - 1), "power, simulated");
    free_table(&t);
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.device = FIXTURE_GPU;
    t = read_table(recording, JM_TABLE_RANGES, &options);
    for (int64_t i = 0; i < t.rows; i++) check_same_energy(&t, i, &gpu[i], "mean_power_w");
    free_table(&t);
    free(all);
    free(gpu);
    jm_recording_free(recording);
}

static void nothing_measured_is_null(void **state) {
    (void)state;
    jm_recording *recording = empty();
    fixture_range(recording, JM_CATEGORY_BATCH, "batch", 1, 2, "{\"size\":32}");
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 1, 2, "");
    static const jm_table tables[] = {JM_TABLE_RANGES, JM_TABLE_BATCHES, JM_TABLE_EPOCHS};
    for (size_t i = 0; i < JMI_COUNT(tables); i++) {
        table t = read_table(recording, tables[i], NULL);
        assert_int_equal(t.rows, tables[i] == JM_TABLE_RANGES ? 2 : 1);
        assert_true(is_null(&t, "energy_j", 0));
        assert_true(is_null(&t, "energy_u95_j", 0));
        assert_true(is_null(&t, "provenance", 0));
        free_table(&t);
    }
    jm_recording_free(recording);
}

/* ---- batches and epochs ---- */

typedef struct made {
    jm_category category;
    double begin_s, end_s;
    const char *attributes;
    int parent; /* index of the range before, -1: none */
    uint32_t pid, thread;
} made;

static void make_ranges(jm_recording *recording, const made *list, size_t count) {
    jm_range_id ids[64] = {0};
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s %zu", jm_category_name(list[i].category), i);
        jm_range range = {.size = sizeof range,
                          .parent = list[i].parent >= 0 ? ids[list[i].parent] : 0,
                          .begin_ns = FIXTURE_T0 + (int64_t)(list[i].begin_s * 1e9),
                          .end_ns = FIXTURE_T0 + (int64_t)(list[i].end_s * 1e9),
                          .category = list[i].category,
                          .pid = list[i].pid,
                          .thread = list[i].thread,
                          .name = name,
                          .attributes = list[i].attributes};
        jm_error error = {0};
        fixture_ok(jm_recording_add_range(recording, &range, &error), &error);
        ids[i] = range.id;
    }
}

static void batches_know_their_epoch(void **state) {
    static const made list[] = {
        {JM_CATEGORY_PHASE, 0, 10, "", -1, 1, 0},                        /* 0 */
        {JM_CATEGORY_EPOCH, 0, 4, "{\"index\":5}", 0, 1, 0},             /* 1 */
        {JM_CATEGORY_USER, 0, 4, "", 1, 1, 0},                           /* 2: a step */
        {JM_CATEGORY_BATCH, 1, 2, "{\"index\":9,\"size\":4}", 2, 1, 0},  /* by parents, two up */
        {JM_CATEGORY_BATCH, 2, 3, "{\"size\":4.0,\"loss\":1}", 1, 7, 7}, /* of another thread */
        {JM_CATEGORY_EPOCH, 5, 8, "{\"index\":6.0}", -1, 1, 0},          /* 5: phase by time */
        {JM_CATEGORY_BATCH, 5, 6, "{\"loss\":0.25}", -1, 1, 0},          /* by time, own thread */
        {JM_CATEGORY_BATCH, 6, 7, "nonsense", -1, 1, 3},                 /* by time, own process */
        {JM_CATEGORY_BATCH, 6, 7, "{\"size\":-1}", -1, 2, 0},            /* another process: none */
        {JM_CATEGORY_BATCH, 7.5, 8.5, "{\"size\":0}", -1, 1, 0}, /* over the epoch's end: none */
        {JM_CATEGORY_EPOCH, 8.5, 9.5, "{\"index\":\"x\"}", 0, 1, 0}, /* 10: the third here */
        {JM_CATEGORY_BATCH, 8.6, 8.7, "{\"index\":1.5}", 10, 1, 0},
    };
    static const struct {
        double batch, epoch;
        const char *phase;
        double size, loss;
    } wanted[] = {
        {9, 5, "phase 0", 4, NAN},   {1, 5, "phase 0", 4, 1},     {0, 6, "phase 0", NAN, 0.25},
        {1, 6, "phase 0", NAN, NAN}, {0, NAN, "(null)", -1, NAN}, {0, NAN, "phase 0", 0, NAN},
        {0, 2, "phase 0", NAN, NAN},
    };
    (void)state;
    jm_recording *recording = empty();
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    uint32_t power = sensor_of(recording, gpu, JM_QUANTITY_POWER, "now", 0.02, 0.02, false);
    for (int i = 0; i <= 500; i++) sample(recording, power, 0.02 * i, 100, 0, 0.02);
    make_ranges(recording, list, JMI_COUNT(list));
    table t = read_table(recording, JM_TABLE_BATCHES, NULL);
    assert_int_equal(t.rows, JMI_COUNT(wanted));
    for (int i = 0; i < (int)JMI_COUNT(wanted); i++) {
        same(number(&t, "batch", i), wanted[i].batch);
        same(number(&t, "epoch", i), wanted[i].epoch);
        assert_string_equal(text(&t, "phase", i), wanted[i].phase);
        same(number(&t, "batch_size", i), wanted[i].size);
        same(number(&t, "loss", i), wanted[i].loss);
        double s = number(&t, "time_s", i), size = wanted[i].size > 0 ? wanted[i].size : NAN;
        same(number(&t, "throughput", i), size / s);
        same(number(&t, "j_per_sample", i), number(&t, "energy_j", i) / size);
        assert_true(fabs(number(&t, "energy_j", i) - 100 * s) < 5);
        assert_string_equal(text(&t, "provenance", i), "power");
        same(number(&t, "bound_only", i), 0);
    }
    free_table(&t);
    t = read_table(recording, JM_TABLE_EPOCHS, NULL);
    assert_int_equal(t.rows, 3);
    for (int i = 0; i < 3; i++) {
        static const double number_of[] = {5, 6, 2}, batches[] = {2, 2, 1};
        same(number(&t, "epoch", i), number_of[i]);
        same(number(&t, "batches", i), batches[i]);
        assert_string_equal(text(&t, "phase", i), "phase 0");
        assert_true(is_null(&t, "avg_gpu_util", i));
    }
    free_table(&t);
    jm_recording_free(recording);
}

static void parents_that_run_in_circles(void **state) {
    (void)state;
    jm_recording *recording = empty();
    jm_range a = {.size = sizeof a, .id = 5, .parent = 6, .end_ns = 10, .name = "a"};
    jm_range b = {.size = sizeof b, .id = 6, .parent = 5, .end_ns = 10, .name = "b"};
    jm_range batch = {.size = sizeof batch,
                      .parent = 5,
                      .end_ns = 10,
                      .category = JM_CATEGORY_BATCH,
                      .name = "batch"};
    jm_recording_add_range(recording, &a, NULL);
    jm_recording_add_range(recording, &b, NULL);
    jm_recording_add_range(recording, &batch, NULL);
    table t = read_table(recording, JM_TABLE_BATCHES, NULL);
    assert_int_equal(t.rows, 1);
    assert_true(is_null(&t, "epoch", 0));
    same(number(&t, "batch", 0), 0);
    free_table(&t);
    jm_recording_free(recording);
}

static void epochs_know_how_busy_the_gpus_were(void **state) {
    (void)state;
    jm_recording *recording = machine();
    uint32_t a = sensor_of(recording, 0, JM_QUANTITY_GPU_UTIL, "util", 1, 0, false);
    uint32_t b = sensor_of(recording, 1, JM_QUANTITY_GPU_UTIL, "util", 1, 0, false);
    sample(recording, a, 1, 10, 0, 1);
    sample(recording, a, 2, 30, 0, 1);
    sample(recording, a, 4, 0, JM_SAMPLE_MISSING, 1);
    sample(recording, a, 5, 50, 0, 1);
    sample(recording, a, 9, 70, JM_SAMPLE_GAP, 3); /* known until 6 */
    sample(recording, b, 3, 100, 0, 1);
    sample(recording, b, 9, 100, 0, 1);
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 0, 1, "");     /* before the first */
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 1.5, 3, "");   /* 0.5 s 10, 1 s 30 */
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 3, 8, "");     /* a: 1 s 30, 1 s 50 */
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 6.5, 8, "");   /* b alone */
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 9.2, 9.3, ""); /* after the last */
    double mean = (0.5 * 10 + 30) / 1.5;
    const double both[] = {NAN, mean, (40.0 + 100) / 2, 100, NAN};
    const double first[] = {NAN, mean, 40, NAN, NAN};
    table t = read_table(recording, JM_TABLE_EPOCHS, NULL);
    assert_int_equal(t.rows, 5);
    for (int i = 0; i < 5; i++) {
        same(number(&t, "avg_gpu_util", i), both[i]);
        assert_true(is_null(&t, "avg_mem_util", i));
    }
    free_table(&t);
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.device = 0;
    t = read_table(recording, JM_TABLE_EPOCHS, &options);
    for (int i = 0; i < 5; i++) same(number(&t, "avg_gpu_util", i), first[i]);
    free_table(&t);
    jm_recording_free(recording);
}

/* A batch is counted in one epoch at most, and its energy is that of its window. */
static void energies_are_those_of_the_windows(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    for (int device = 0; device < 3; device++) {
        jm_table_options options = JM_TABLE_OPTIONS_INIT;
        if (device < 2) options.device = (uint32_t)device;
        table t = read_table(recording, JM_TABLE_BATCHES, &options);
        assert_int_equal(t.rows, 50);
        jm_window windows[50];
        jm_energy energies[50];
        for (uint64_t i = 0; i < 50; i++) {
            jm_range range = {.size = sizeof range};
            jm_recording_range(recording, 4 + i, &range);
            windows[i] = (jm_window){range.begin_ns, range.end_ns};
        }
        assert_int_equal(
            jm_energy_windows(recording, options.device, windows, 50, NULL, energies, NULL), JM_OK);
        for (int i = 0; i < 50; i++) {
            check_same_energy(&t, i, &energies[i], "avg_power_w");
            same(number(&t, "bound_only", i),
                 (energies[i].provenance & JM_BOUND_ONLY) != 0 ? 1 : 0);
        }
        free_table(&t);
    }
    jm_recording_free(recording);
}

/* ---- CSV ---- */

static char folder[] = "/tmp/joulemeter-tables-XXXXXX";

static char *written(const jm_recording *recording, jm_table which) {
    char path[128];
    jm_error error = {0};
    snprintf(path, sizeof path, "%s/table.csv", folder);
    fixture_ok(jm_table_csv(recording, which, NULL, path, &error), &error);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    unlink(path);
    return text;
}

static void csv_has_the_same_in_every_locale(void **state) {
    static const char *const wanted[] = {
        [JM_TABLE_SAMPLES] = "t,ts,device,p_w,gpu_util,mem_util,temperature_c,sm_clock_mhz,"
                             "mem_used_mb,power_limit_w,energy_j,cpu_util\n"
                             "5000,0,gpu0,100,,,,,,,,\n"
                             "5000,0,cpu0,,,,,,,,0,\n"
                             "5000.5,0.5,gpu1,200,,,,,,,,\n",
        [JM_TABLE_READINGS] = "sensor,t_ns,value,since_ns,flags,device,quantity,source\n"
                              "0,5000000000000,100,1000000000,0,gpu0,power,now\n",
        [JM_TABLE_MARKS] = "name,t,ts,meta,pid,thread\n"
                           "\"a,\"\"b\"\"\",5001.000000001,1.000000001,\"{\"\"x\"\":1}\",3,4\n",
        [JM_TABLE_EPOCHS] = "epoch,phase,time_s,energy_j,energy_u95_j,avg_power_w,avg_gpu_util,"
                            "avg_mem_util,batches,loss,t,ts,bound_only,provenance\n"
                            "-3,,1.5,",
    };
    (void)state;
    jm_recording *recording = machine();
    jm_mark_info mark = {.size = sizeof mark,
                         .t_ns = FIXTURE_T0 + S + 1,
                         .pid = 3,
                         .thread = 4,
                         .name = "a,\"b\"",
                         .attributes = "{\"x\":1}"};
    jm_recording_add_mark(recording, &mark, NULL);
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 1, 2.5, "{\"index\":-3,\"loss\":0.125}");
    for (int round = 0; round < 2; round++) {
        if (round == 1 && setlocale(LC_ALL, "de_DE.UTF-8") == NULL) break;
        for (size_t i = 0; i < JMI_COUNT(wanted); i++) {
            if (wanted[i] == NULL) continue;
            char *text = written(recording, (jm_table)i);
            if (strncmp(text, wanted[i], strlen(wanted[i])) != 0)
                fail_msg("%.300s\nis not\n%s", text, wanted[i]);
            free(text);
        }
        char *text = written(recording, JM_TABLE_EPOCHS);
        assert_non_null(strstr(text, ",0,0.125,5001,1,0,"));
        free(text);
    }
    setlocale(LC_ALL, "C");
    jm_recording_free(recording);
}

static void a_file_has_the_same_tables(void **state) {
    char path[128];
    jm_error error = {0};
    jm_recording *recording = fixture_new(), *opened;
    (void)state;
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 4, 9, "{\"index\":0}");
    jm_mark_info mark = {.size = sizeof mark, .t_ns = FIXTURE_T0 + 1, .name = "here"};
    fixture_ok(jm_recording_add_mark(recording, &mark, &error), &error);
    snprintf(path, sizeof path, "%s/file.jm", folder);
    fixture_ok(jm_recording_save(recording, path, &error), &error);
    fixture_ok(jm_recording_open(&opened, path, &error), &error);
    for (int which = 0; which <= JM_TABLE_PHASES; which++) {
        char *kept = written(recording, (jm_table)which), *read = written(opened, (jm_table)which);
        assert_string_equal(kept, read);
        free(kept);
        free(read);
    }
    jm_recording_free(recording);
    jm_recording_free(opened);
    unlink(path);
}

static void csv_that_cannot_be_written(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_error error = {0};
    assert_int_equal(jm_table_csv(recording, JM_TABLE_MARKS, NULL, NULL, &error), JM_INVALID);
    assert_int_equal(jm_table_csv(recording, JM_TABLE_MARKS, NULL, "", &error), JM_INVALID);
    assert_int_equal(jm_table_csv(recording, JM_TABLE_MARKS, NULL, "/nowhere/x.csv", &error),
                     JM_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/x.csv"));
    char path[128];
    snprintf(path, sizeof path, "%s/table.csv", folder);
    assert_int_equal(jm_table_csv(NULL, JM_TABLE_MARKS, NULL, path, &error), JM_INVALID);
    jm_recording_free(recording);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_power_sensor_has_the_rows),
        cmocka_unit_test(values_hold_until_the_next),
        cmocka_unit_test(a_counter_shows_power_where_nothing_else_does),
        cmocka_unit_test(rows_of_devices_are_merged_by_time),
        cmocka_unit_test(marks_with_json_that_everybody_can_read),
        cmocka_unit_test(ranges_with_their_energies),
        cmocka_unit_test(nothing_measured_is_null),
        cmocka_unit_test(batches_know_their_epoch),
        cmocka_unit_test(parents_that_run_in_circles),
        cmocka_unit_test(epochs_know_how_busy_the_gpus_were),
        cmocka_unit_test(energies_are_those_of_the_windows),
        cmocka_unit_test(csv_has_the_same_in_every_locale),
        cmocka_unit_test(a_file_has_the_same_tables),
        cmocka_unit_test(csv_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
