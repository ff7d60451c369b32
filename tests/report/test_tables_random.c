/* Random recordings: whatever they hold, every table is whole, and says what a slow look at the
 * recording says. */
#include "walk.h"

#include "report/reader.h"

static uint64_t state_bits;

static uint64_t chance_bits(void) { /* splitmix64 */
    uint64_t z = (state_bits += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int chance(int below) {
    return (int)(chance_bits() % (uint64_t)below);
}

/* ---- recordings ---- */

static void random_samples(jm_recording *recording, uint32_t sensor, bool counter) {
    int64_t t = FIXTURE_T0 + chance(1000000000);
    double value = 0;
    int count = chance(4) == 0 ? chance(3) : chance(700);
    int odd = chance(3) == 0 ? 1 : 40; /* some are full of failures */
    for (int i = 0; i < count; i++) {
        uint32_t step = (uint32_t)(1 + chance(30000000));
        uint8_t flags = chance(2) ? JM_SAMPLE_CHANGED : 0;
        if (chance(3 * odd) == 0) flags |= JM_SAMPLE_MISSING;
        if (chance(5 * odd) == 0) flags |= JM_SAMPLE_GAP;
        if (counter && chance(9 * odd) == 0) flags |= JM_SAMPLE_RESET;
        t += step;
        value = counter ? value + chance(3) : chance(400);
        uint32_t since = chance(9) == 0 ? UINT32_MAX : (uint32_t)chance(40000000);
        jm_samples one = {1, &t, &value, &since, &flags};
        assert_int_equal(jm_recording_add_samples(recording, sensor, &one, NULL), JM_OK);
    }
}

static void random_sensors(jm_recording *recording) {
    static const char *const names[] = {"gpu0", "gpu1", "cpu0", "node", "dram0", "gpumem0"};
    int devices = chance(7);
    for (int i = 0; i < devices; i++) fixture_device(recording, names[i], "", chance(2));
    int sensors = devices > 0 ? chance(20) : 0;
    for (int i = 0; i < sensors; i++) {
        jm_quantity quantity = (jm_quantity)(chance(3) ? chance(3) : chance(14));
        jm_sensor sensor = {.size = sizeof sensor,
                            .device = (uint32_t)chance(devices),
                            .quantity = quantity,
                            .source = "some",
                            .counter = quantity == JM_QUANTITY_ENERGY,
                            .modelled = chance(4) == 0,
                            .refresh_ns = (uint64_t)chance(3) * 20000000,
                            .window_ns = (uint64_t)chance(3) * 20000000};
        uint32_t index;
        assert_int_equal(jm_recording_add_sensor(recording, &sensor, &index, NULL), JM_OK);
        random_samples(recording, index, sensor.counter);
    }
}

static const char *random_attributes(void) {
    static const char *const some[] = {
        "",
        "",
        "{\"index\":3}",
        "{\"index\":-7,\"size\":16}",
        "{\"size\":32,\"loss\":0.5}",
        "{\"size\":1e300,\"index\":1e300}",
        "{\"index\":2.0,\"loss\":\"none\"}",
        "{\"index\":null,\"size\":true}",
        "nonsense",
        "[]",
        "{",
        "{\"loss\":-1e-300}",
        "{\"a\\u0000b\":1}",
        "\"text\"",
    };
    return some[chance((int)JMI_COUNT(some))];
}

static void random_ranges(jm_recording *recording) {
    static const char *const devices[] = {"", "", "gpu0"};
    bool has_gpu = jm_recording_device_count(recording) > 0;
    int count = chance(120);
    for (int i = 0; i < count; i++) {
        int64_t begin = FIXTURE_T0 + chance(20) * INT64_C(100000000);
        jm_range range = {.size = sizeof range,
                          .parent = chance(2) ? 0 : (jm_range_id)chance(count + 1),
                          .begin_ns = begin,
                          .end_ns = begin + chance(30) * INT64_C(50000000),
                          .category = (jm_category)chance(9),
                          .unfinished = chance(9) == 0,
                          .pid = (uint32_t)chance(3),
                          .thread = (uint32_t)chance(3),
                          .name = chance(2) ? "step" : "\xc3\xa9poque",
                          .attributes = random_attributes(),
                          .device = has_gpu ? devices[chance(3)] : "",
                          .stream = (uint32_t)chance(4)};
        if (chance(3)) range.category = (jm_category)(JM_CATEGORY_PHASE + chance(3));
        jm_error error = {0};
        fixture_ok(jm_recording_add_range(recording, &range, &error), &error);
    }
}

static jm_recording *random_recording(uint64_t seed) {
    jm_recording *recording;
    state_bits = seed;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    if (chance(10)) random_sensors(recording);
    if (chance(4)) random_ranges(recording);
    for (int i = chance(4) ? chance(40) : 0; i > 0; i--) {
        jm_mark_info mark = {.size = sizeof mark,
                             .t_ns = FIXTURE_T0 + chance(1000000000),
                             .name = chance(2) ? "mark" : "",
                             .attributes = random_attributes()};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
    }
    return recording;
}

/* ---- what they must say ---- */

static size_t all_samples(const jm_recording *recording, uint32_t sensor, jmi_sample *out) {
    jmi_reader reader;
    size_t count = 0;
    assert_int_equal(jmi_reader_open(&reader, recording, sensor, NULL), JM_OK);
    for (; jmi_reader_peek(&reader, &out[count]); jmi_reader_skip(&reader)) count++;
    jmi_reader_close(&reader);
    return count;
}

static double held_at(const jmi_sample *samples, size_t count, int64_t t) {
    size_t i = 0;
    while (i < count && samples[i].t_ns <= t) i++;
    if (i == 0) return NAN;
    if (i < count && (samples[i].flags & JM_SAMPLE_GAP) != 0) {
        int64_t poll = samples[i].t_ns - (int64_t)samples[i].since_ns;
        if (samples[i].since_ns == UINT32_MAX || poll < samples[i - 1].t_ns)
            poll = samples[i - 1].t_ns;
        if (t > poll) return NAN;
    }
    return samples[i - 1].value;
}

/* One device's rows against its sensors, sample by sample. */
static void check_device(const jm_recording *recording, uint32_t device) {
    static jmi_sample power[1000], util[1000];
    uint32_t sensor;
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.device = device;
    table t = read_table(recording, JM_TABLE_SAMPLES, &options);
    if (jmi_power_sensor(recording, device, &sensor)) {
        size_t count = all_samples(recording, sensor, power);
        size_t utils = 0;
        if (jmi_gauge_sensor(recording, device, JM_QUANTITY_GPU_UTIL, &sensor))
            utils = all_samples(recording, sensor, util);
        assert_int_equal(t.rows, count);
        for (size_t i = 0; i < count; i++) {
            same(number(&t, "p_w", (int64_t)i), power[i].value);
            same(number(&t, "gpu_util", (int64_t)i), held_at(util, utils, power[i].t_ns));
        }
    } else if (!jmi_counter_sensor(recording, device, &sensor)) {
        assert_int_equal(t.rows, 0);
    }
    free_table(&t);
}

static void check_samples(const jm_recording *recording) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_table_options options = JM_TABLE_OPTIONS_INIT;
        options.device = i;
        check_device(recording, i);
        table t = read_table(recording, JM_TABLE_SAMPLES, &options);
        sum += t.rows;
        free_table(&t);
    }
    table t = read_table(recording, JM_TABLE_SAMPLES, NULL);
    assert_int_equal(t.rows, sum);
    for (int64_t i = 1; i < t.rows; i++)
        assert_true(number(&t, "ts", i) >= number(&t, "ts", i - 1));
    free_table(&t);
}

static bool contains(const jm_range *outer, const jm_range *inner) {
    return outer->begin_ns <= inner->begin_ns && outer->end_ns >= inner->end_ns;
}

/* The enclosing range of a category, the slow way. UINT64_MAX: none. */
static uint64_t slow_parent(const jm_recording *recording, const jm_range *inner,
                            jm_category category) {
    uint64_t count = jm_recording_range_count(recording), index;
    jm_range_id id = inner->parent;
    for (int steps = 0; id != 0 && steps < 256; steps++) {
        jm_range range = {.size = sizeof range};
        if (jm_recording_find_range(recording, id, &index) != JM_OK) break;
        jm_recording_range(recording, index, &range);
        if (range.category == category) return index;
        id = range.parent;
    }
    for (int own = 1; own >= 0; own--) {
        uint64_t best = UINT64_MAX;
        jm_range nearest = {.begin_ns = INT64_MIN};
        for (uint64_t i = 0; i < count; i++) {
            jm_range range = {.size = sizeof range};
            jm_recording_range(recording, i, &range);
            if (range.category != category || range.pid != inner->pid) continue;
            if (own && range.thread != inner->thread) continue;
            if (!contains(&range, inner)) continue;
            bool later = range.begin_ns > nearest.begin_ns;
            bool shorter = range.begin_ns == nearest.begin_ns && range.end_ns < nearest.end_ns;
            if (best != UINT64_MAX && !later && !shorter) continue;
            best = i;
            nearest = range;
        }
        if (best != UINT64_MAX) return best;
    }
    return UINT64_MAX;
}

/* Every batch, found by its time and looked at in the slow way. Of several epochs with the same
 * times any may be the one. */
static void check_batches(const jm_recording *recording) {
    table t = read_table(recording, JM_TABLE_BATCHES, NULL);
    table epochs = read_table(recording, JM_TABLE_EPOCHS, NULL);
    uint64_t count = jm_recording_range_count(recording);
    int64_t batches = 0, with_epoch = 0, counted = 0;
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = {.size = sizeof range};
        jm_recording_range(recording, i, &range);
        if (range.category != JM_CATEGORY_BATCH) continue;
        batches++;
        with_epoch += slow_parent(recording, &range, JM_CATEGORY_EPOCH) != UINT64_MAX;
    }
    assert_int_equal(t.rows, batches);
    for (int64_t i = 0; i < t.rows; i++) {
        counted += !is_null(&t, "epoch", i);
        assert_true(number(&t, "time_s", i) >= 0);
        assert_true(i == 0 || number(&t, "ts", i) >= number(&t, "ts", i - 1));
        assert_true(is_null(&t, "energy_j", i) == is_null(&t, "provenance", i));
    }
    assert_int_equal(counted, with_epoch);
    int64_t listed = 0;
    for (int64_t i = 0; i < epochs.rows; i++) listed += (int64_t)number(&epochs, "batches", i);
    assert_int_equal(listed, with_epoch);
    free_table(&t);
    free_table(&epochs);
}

static void check_phases(const jm_recording *recording) {
    table t = read_table(recording, JM_TABLE_EPOCHS, NULL);
    int64_t with_phase = 0, wanted = 0, epochs = 0;
    for (uint64_t i = 0; i < jm_recording_range_count(recording); i++) {
        jm_range range = {.size = sizeof range};
        jm_recording_range(recording, i, &range);
        if (range.category != JM_CATEGORY_EPOCH) continue;
        epochs++;
        wanted += slow_parent(recording, &range, JM_CATEGORY_PHASE) != UINT64_MAX;
    }
    assert_int_equal(t.rows, epochs);
    for (int64_t i = 0; i < t.rows; i++) {
        with_phase += !is_null(&t, "phase", i);
        double util = number(&t, "avg_gpu_util", i);
        assert_true(isnan(util) || (util >= 0 && util <= 400));
    }
    assert_int_equal(with_phase, wanted);
    free_table(&t);
}

static void check_rows(const jm_recording *recording) {
    uint64_t samples = 0;
    static jmi_sample all[1000];
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++)
        samples += all_samples(recording, i, all);
    const uint64_t wanted[] = {[JM_TABLE_READINGS] = samples,
                               [JM_TABLE_MARKS] = jm_recording_mark_count(recording),
                               [JM_TABLE_RANGES] = jm_recording_range_count(recording)};
    for (int which = JM_TABLE_READINGS; which <= JM_TABLE_RANGES; which++) {
        table t = read_table(recording, (jm_table)which, NULL);
        assert_int_equal(t.rows, wanted[which]);
        free_table(&t);
    }
}

#ifdef JM_SANITIZED /* ten times slower */
enum { RECORDINGS = 20 };
#else
enum { RECORDINGS = 200 };
#endif

static void whatever_they_hold(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= RECORDINGS; seed++) {
        jm_recording *recording = random_recording(seed);
        check_rows(recording);
        check_samples(recording);
        check_batches(recording);
        check_phases(recording);
        jm_recording_free(recording);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_they_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
