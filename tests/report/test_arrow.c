/* The Arrow interface: what is handed out is whole, and may be let go in any order. */
#include "walk.h"

#include "record/recording.h"

#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

static void schemas(void **state) {
    static const struct {
        jm_table which;
        const char *columns; /* name:format, ? if it may be null */
    } tables[] = {
        {JM_TABLE_SAMPLES,
         "t:g ts:g device:i>u p_w:g? gpu_util:g? mem_util:g? temperature_c:g? sm_clock_mhz:g? "
         "mem_used_mb:g? power_limit_w:g? energy_j:g? cpu_util:g? "},
        {JM_TABLE_READINGS,
         "sensor:i t_ns:l value:g? since_ns:I flags:C device:i>u quantity:i>u source:i>u "},
        {JM_TABLE_MARKS, "name:i>u t:g ts:g meta:u pid:I thread:I "},
        {JM_TABLE_RANGES,
         "id:L parent:L? category:i>u name:i>u begin_unix_s:g begin_s:g end_s:g duration_s:g "
         "energy_j:g? energy_u95_j:g? energy_lower_j:g? energy_upper_j:g? mean_power_w:g? "
         "measured_share:g provenance:i>u? flags:i>u unfinished:b pid:I thread:I device:i>u? "
         "stream:I? attributes_json:u? gpu0_energy_j:g? gpu0_energy_u95_j:g? cpu0_energy_j:g? "
         "cpu0_energy_u95_j:g? "},
        {JM_TABLE_BATCHES,
         "batch:l epoch:l? phase:i>u? batch_size:l? time_s:g energy_j:g? energy_u95_j:g? "
         "avg_power_w:g? j_per_sample:g? throughput:g? loss:g? t:g ts:g bound_only:b "
         "provenance:i>u? "},
        {JM_TABLE_EPOCHS,
         "epoch:l phase:i>u? time_s:g energy_j:g? energy_u95_j:g? avg_power_w:g? avg_gpu_util:g? "
         "avg_mem_util:g? batches:l loss:g? t:g ts:g bound_only:b provenance:i>u? "},
        {JM_TABLE_PHASES,
         "phase:i>u category:i>u calls:l time_s:g energy_j:g? energy_u95_j:g? avg_power_w:g? "
         "samples:l? j_per_sample:g? throughput:g? avg_gpu_util:g? avg_mem_util:g? t:g ts:g "
         "bound_only:b provenance:i>u? "},
    };
    (void)state;
    jm_recording *recording = fixture_new();
    for (size_t i = 0; i < JMI_COUNT(tables); i++) {
        struct ArrowArrayStream stream;
        struct ArrowSchema schema;
        jmi_text columns = {0};
        open_stream(recording, tables[i].which, NULL, &stream);
        assert_int_equal(stream.get_schema(&stream, &schema), 0);
        for (int64_t c = 0; c < schema.n_children; c++) {
            const struct ArrowSchema *child = schema.children[c];
            jmi_text_add(&columns, "%s:%s%s%s%s ", child->name, child->format,
                         child->dictionary != NULL ? ">" : "",
                         child->dictionary != NULL ? child->dictionary->format : "",
                         child->flags == ARROW_FLAG_NULLABLE ? "?" : "");
        }
        assert_string_equal(columns.data, tables[i].columns);
        jmi_text_free(&columns);
        stream.release(&stream);
        schema.release(&schema); /* it needs no stream */
    }
    jm_recording_free(recording);
}

/* ---- nothing is copied ---- */

static void readings_are_the_recording_s_own_columns(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    struct ArrowArrayStream stream;
    open_stream(recording, JM_TABLE_READINGS, NULL, &stream);
    size_t blocks = 0;
    for (uint32_t sensor = 0; sensor < jm_recording_sensor_count(recording); sensor++) {
        jm_cursor *cursor;
        jm_samples block;
        assert_int_equal(jm_cursor_open(&cursor, recording, sensor, INT64_MIN, INT64_MAX, NULL),
                         JM_OK);
        for (; jm_cursor_next(cursor, &block) == JM_OK; blocks++) {
            struct ArrowArray batch;
            assert_int_equal(stream.get_next(&stream, &batch), 0);
            assert_int_equal(batch.length, block.count);
            assert_ptr_equal(batch.children[1]->buffers[1], block.t_ns);
            assert_ptr_equal(batch.children[2]->buffers[1], block.value);
            assert_ptr_equal(batch.children[3]->buffers[1], block.since_ns);
            assert_ptr_equal(batch.children[4]->buffers[1], block.flags);
            batch.release(&batch);
        }
        jm_cursor_close(cursor);
    }
    assert_true(blocks >= 4);
    stream.release(&stream);
    jm_recording_free(recording);
}

static void readings_tell_every_sample(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    uint32_t sensor =
        fixture_sensor(recording, FIXTURE_GPU, JM_QUANTITY_GPU_UTIL, "nvml utilization", false);
    int64_t t[] = {FIXTURE_T0, FIXTURE_T0 + 10, FIXTURE_T0 + 20};
    double value[] = {5, 0, 7};
    uint32_t since[] = {UINT32_MAX, 10, 11};
    uint8_t flags[] = {0, JM_SAMPLE_MISSING, JM_SAMPLE_GAP | JM_SAMPLE_CHANGED};
    jm_samples three = {3, t, value, since, flags};
    assert_int_equal(jm_recording_add_samples(recording, sensor, &three, NULL), JM_OK);
    table all = read_table(recording, JM_TABLE_READINGS, NULL);
    jm_recording_free(recording); /* the table stays */
    assert_int_equal(all.rows, 2 * 601 + 3);
    for (int i = 0; i < 3; i++) {
        int64_t row = all.rows - 3 + i;
        same(number(&all, "sensor", row), sensor);
        same(number(&all, "t_ns", row), (double)t[i]);
        same(number(&all, "value", row), i == 1 ? (double)NAN : value[i]);
        same(number(&all, "since_ns", row), since[i]);
        same(number(&all, "flags", row), flags[i]);
        assert_string_equal(text(&all, "device", row), "gpu0");
        assert_string_equal(text(&all, "quantity", row), "gpu_util");
        assert_string_equal(text(&all, "source", row), "nvml utilization");
    }
    assert_string_equal(text(&all, "device", 601), "cpu0");
    free_table(&all);
}

/* ---- letting go ---- */

enum { MOST_PARTS = 64 };

/* Moves a random half of the children and dictionaries of a batch away, shuffles all and releases
 * them: whatever is left must still be whole. */
static void release_shuffled(struct ArrowArray *batch, unsigned *seed) {
    struct ArrowArray parts[MOST_PARTS];
    size_t count = 0;
    for (int64_t i = 0; i < batch->n_children; i++) {
        struct ArrowArray *child = batch->children[i];
        if (rand_r(seed) % 2) continue;
        if (child->dictionary != NULL && rand_r(seed) % 2) {
            parts[count++] = *child->dictionary;
            child->dictionary->release = NULL;
            child->dictionary = NULL;
        }
        parts[count++] = *child;
        child->release = NULL;
    }
    parts[count++] = *batch;
    batch->release = NULL;
    while (count > 0) {
        size_t i = (size_t)rand_r(seed) % count;
        /* Reading to the end shows whether the memory is there. */
        for (int64_t b = 0; parts[i].n_children == 0 && b < parts[i].n_buffers; b++)
            if (parts[i].buffers[b] != NULL)
                assert_true(((const volatile char *)parts[i].buffers[b])[0] >= -128);
        parts[i].release(&parts[i]);
        assert_null(parts[i].release);
        parts[i] = parts[--count];
    }
}

static void released_in_any_order(void **state) {
    unsigned seed = 7;
    (void)state;
    for (int round = 0; round < 60; round++) {
        jm_recording *recording = fixture_new();
        table t = read_table(recording, (jm_table)(round % 7), NULL);
        if (round % 2) jm_recording_free(recording);
        for (size_t i = 0; i < t.batch_count; i++) release_shuffled(&t.batches[i], &seed);
        free(t.batches);
        struct ArrowSchema moved = *t.schema.children[0];
        t.schema.children[0]->release = NULL;
        t.schema.release(&t.schema);
        assert_non_null(moved.name);
        assert_true(strlen(moved.name) > 0);
        moved.release(&moved);
        if (round % 2 == 0) jm_recording_free(recording);
    }
}

static void *release_one(void *array) {
    struct ArrowArray *mine = array;
    mine->release(mine);
    return NULL;
}

static void released_from_many_threads(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        jm_recording *recording = fixture_new();
        struct ArrowArrayStream stream;
        struct ArrowArray batch, parts[MOST_PARTS];
        pthread_t threads[MOST_PARTS];
        open_stream(recording, JM_TABLE_READINGS, NULL, &stream);
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        stream.release(&stream);
        jm_recording_free(recording);
        size_t count = (size_t)batch.n_children;
        for (size_t i = 0; i < count; i++) {
            parts[i] = *batch.children[i];
            batch.children[i]->release = NULL;
        }
        parts[count++] = batch;
        for (size_t i = 0; i < count; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, release_one, &parts[i]), 0);
        for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    }
}

static void a_stream_left_half_read(void **state) {
    (void)state;
    for (int which = 0; which < 7; which++) {
        jm_recording *recording = fixture_new();
        struct ArrowArrayStream stream;
        struct ArrowArray batch;
        open_stream(recording, (jm_table)which, NULL, &stream);
        if (which % 2) {
            assert_int_equal(stream.get_next(&stream, &batch), 0);
            if (batch.release != NULL) batch.release(&batch);
        }
        stream.release(&stream);
        jm_recording_free(recording);
    }
}

static void the_end_stays_the_end(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    for (int which = 0; which < 7; which++) {
        struct ArrowArrayStream stream;
        struct ArrowArray batch;
        open_stream(recording, (jm_table)which, NULL, &stream);
        table t = read_stream(&stream);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(stream.get_next(&stream, &batch), 0);
            assert_null(batch.release);
        }
        stream.release(&stream);
        free_table(&t);
    }
    jm_recording_free(recording);
}

/* Many rows come in batches; dictionaries grow with them and hold what is needed. */
static void names_that_never_repeat(void **state) {
    enum { MARKS = 150000 };
    (void)state;
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    for (int i = 0; i < MARKS; i++) {
        char name[32];
        snprintf(name, sizeof name, "mark %d", i % 1000 == 0 ? 0 : i);
        jm_mark_info mark = {.size = sizeof mark, .t_ns = FIXTURE_T0 + i, .name = name};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
    }
    table t = read_table(recording, JM_TABLE_MARKS, NULL);
    assert_int_equal(t.rows, MARKS);
    assert_int_equal(t.batch_count, 3);
    for (size_t b = 0; b < t.batch_count; b++)
        assert_in_range(t.batches[b].children[0]->dictionary->length, 1, 3 * 65536);
    for (int i = 0; i < MARKS; i += 501) {
        char name[32];
        snprintf(name, sizeof name, "mark %d", i % 1000 == 0 ? 0 : i);
        assert_string_equal(text(&t, "name", i), name);
        assert_string_equal(text(&t, "meta", i), "{}");
    }
    free_table(&t);
    jm_recording_free(recording);
}

/* Tables may be read while the session goes on: what came later is not in them. */
static void while_the_session_goes_on(void **state) {
    (void)state;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_session *session;
    jm_error error = {0};
    options.simulate = "h100";
    options.interval_ns = 1000000;
    options.poll_ns = 1000000;
    options.flags = JM_SESSION_NO_JOIN | JM_SESSION_NO_CPU;
    int status = jm_session_open(&session, &options, &error);
    if (status == JM_MISSING_LIBRARY) {
        print_message("skip: %s\n", error.message);
        skip();
    }
    fixture_ok(status, &error);
    const jm_recording *recording = jm_session_recording(session);
    int64_t rows[7] = {0};
    for (int round = 0; round < 28; round++) {
        int which = round % 7;
        jm_range_id epoch = jm_begin_as(session, JM_CATEGORY_EPOCH, "epoch", NULL);
        jm_end(session, jm_begin_as(session, JM_CATEGORY_BATCH, "batch", "{\"size\":2}"));
        jm_mark(session, "mark", NULL);
        usleep(20000);
        table t = read_table(recording, (jm_table)which, NULL);
        assert_true(t.rows >= rows[which]);
        rows[which] = t.rows;
        free_table(&t);
        jm_end(session, epoch);
    }
    assert_true(rows[JM_TABLE_READINGS] > 20 && rows[JM_TABLE_SAMPLES] > 5);
    assert_true(rows[JM_TABLE_BATCHES] > 5 && rows[JM_TABLE_MARKS] > 5);
    jm_session_close(session, NULL, NULL);
}

/* ---- what goes wrong ---- */

static void wrong_arguments(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    struct ArrowArrayStream stream;
    jm_error error = {0};
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    assert_int_equal(jm_arrow(recording, JM_TABLE_MARKS, NULL, NULL, &error), JM_INVALID);
    assert_int_equal(jm_arrow(NULL, JM_TABLE_MARKS, NULL, &stream, &error), JM_INVALID);
    assert_null(stream.release);
    assert_int_equal(jm_arrow(recording, (jm_table)17, NULL, &stream, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "17"));
    options.device = 2;
    assert_int_equal(jm_arrow(recording, JM_TABLE_SAMPLES, &options, &stream, &error),
                     JM_NOT_FOUND);
    assert_null(stream.release);
    options.device = JM_DEVICE_TOTAL;
    options.size = 0;
    assert_int_equal(jm_arrow(recording, JM_TABLE_SAMPLES, &options, &stream, &error), JM_INVALID);
    jm_energy_options energy = JM_ENERGY_OPTIONS_INIT;
    energy.gain_u = 7;
    options = (jm_table_options)JM_TABLE_OPTIONS_INIT;
    options.energy = &energy;
    assert_int_equal(jm_arrow(recording, JM_TABLE_RANGES, &options, &stream, &error), JM_INVALID);
    assert_int_equal(jm_arrow(recording, JM_TABLE_RANGES, &options, &stream, NULL), JM_INVALID);
    jm_recording_free(recording);
}

static void options_need_not_stay(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    struct ArrowArrayStream stream;
    jm_energy_options *energy = malloc(sizeof *energy);
    *energy = (jm_energy_options)JM_ENERGY_OPTIONS_INIT;
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.energy = energy;
    open_stream(recording, JM_TABLE_RANGES, &options, &stream);
    free(energy);
    table t = read_stream(&stream);
    assert_int_equal(t.rows, 54);
    stream.release(&stream);
    free_table(&t);
    jm_recording_free(recording);
}

static void damage(const char *path) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM sample WHERE sensor = 0", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void what_is_damaged_is_missing(void **state) {
    char path[] = "/tmp/joulemeter-arrow-XXXXXX";
    jm_error error = {0};
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    jm_recording *recording = fixture_new();
    fixture_ok(jm_recording_save(recording, path, &error), &error);
    jm_recording_free(recording);
    damage(path);
    fixture_ok(jm_recording_open(&recording, path, &error), &error);
    table all = read_table(recording, JM_TABLE_READINGS, NULL);
    int64_t missing = 0, whole = 0;
    for (int64_t row = 0; row < all.rows; row++) {
        bool gpu = strcmp(text(&all, "device", row), "gpu0") == 0;
        assert_int_equal(isnan(number(&all, "value", row)), gpu);
        *(gpu ? &missing : &whole) += 1;
    }
    assert_true(missing > 0);
    assert_int_equal(whole, 601);
    free_table(&all);
    assert_int_equal(jm_recording_warning_count(recording), 1);
    assert_string_equal(jm_recording_warning(recording, 0),
                        "gpu0: readings of nvml power_instant cannot be read, the file is damaged: "
                        "they count as failed");
    jm_recording_free(recording);
    unlink(path);
}

static void an_empty_recording(void **state) {
    (void)state;
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    for (int which = 0; which < 7; which++) {
        table t = read_table(recording, (jm_table)which, NULL);
        assert_int_equal(t.rows, 0);
        assert_true(t.schema.n_children > 0);
        free_table(&t);
    }
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas),
        cmocka_unit_test(readings_are_the_recording_s_own_columns),
        cmocka_unit_test(readings_tell_every_sample),
        cmocka_unit_test(released_in_any_order),
        cmocka_unit_test(released_from_many_threads),
        cmocka_unit_test(a_stream_left_half_read),
        cmocka_unit_test(the_end_stays_the_end),
        cmocka_unit_test(names_that_never_repeat),
        cmocka_unit_test(while_the_session_goes_on),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(options_need_not_stay),
        cmocka_unit_test(what_is_damaged_is_missing),
        cmocka_unit_test(an_empty_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
