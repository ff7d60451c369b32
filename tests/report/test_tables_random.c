/* Random recordings: whatever they hold, every table is whole, and says what a slow look at the
 * recording says. */
#include "chance.h"
#include "walk.h"

#include "report/reader.h"

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
