/* Recording files: saved, opened, recorded into, spilled to, damaged, without room. */
#include "helpers.h"

#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static jm_recording *open_file(const char *path) {
    jm_recording *r = NULL;
    jm_error error = {0, ""};
    if (jm_recording_open(&r, path, &error) != JM_OK) fail_msg("open: %s", error.message);
    return r;
}

static void save(const jm_recording *r, const char *path) {
    jm_error error = {0, ""};
    if (jm_recording_save(r, path, &error) != JM_OK) fail_msg("save: %s", error.message);
}

static bool exists(const char *path, const char *ending) {
    char name[300];
    snprintf(name, sizeof name, "%s%s", path, ending);
    return access(name, F_OK) == 0;
}

/* ---- comparing two recordings ---- */

static void same_text(const char *a, const char *b) {
    assert_string_equal(a, b);
}

static void same_samples(const jm_recording *a, const jm_recording *b, uint32_t sensor) {
    jm_cursor *ca, *cb;
    assert_int_equal(jm_cursor_open(&ca, a, sensor, INT64_MIN, INT64_MAX, NULL), JM_OK);
    assert_int_equal(jm_cursor_open(&cb, b, sensor, INT64_MIN, INT64_MAX, NULL), JM_OK);
    jm_samples sa = {0}, sb = {0};
    size_t ia = 0, ib = 0;
    for (;;) {
        if (ia == sa.count) {
            jm_cursor_next(ca, &sa);
            ia = 0;
        }
        if (ib == sb.count) {
            jm_cursor_next(cb, &sb);
            ib = 0;
        }
        assert_int_equal(ia == sa.count, ib == sb.count);
        if (ia == sa.count) break;
        assert_int_equal(sa.t_ns[ia], sb.t_ns[ib]);
        assert_memory_equal(&sa.value[ia], &sb.value[ib], sizeof(double));
        assert_int_equal(sa.since_ns[ia], sb.since_ns[ib]);
        assert_int_equal(sa.flags[ia], sb.flags[ib]);
        ia++, ib++;
    }
    jm_cursor_close(ca);
    jm_cursor_close(cb);
}

static void same_ranges(const jm_recording *a, const jm_recording *b) {
    assert_int_equal(jm_recording_range_count(a), jm_recording_range_count(b));
    for (uint64_t i = 0; i < jm_recording_range_count(a); i++) {
        jm_range ra = {.size = sizeof ra}, rb = {.size = sizeof rb};
        assert_int_equal(jm_recording_range(a, i, &ra), JM_OK);
        assert_int_equal(jm_recording_range(b, i, &rb), JM_OK);
        assert_true(ra.id == rb.id && ra.parent == rb.parent && ra.begin_ns == rb.begin_ns &&
                    ra.end_ns == rb.end_ns && ra.category == rb.category &&
                    ra.unfinished == rb.unfinished && ra.pid == rb.pid && ra.thread == rb.thread);
        same_text(ra.name, rb.name);
        same_text(ra.attributes, rb.attributes);
    }
}

static void same(const jm_recording *a, const jm_recording *b) {
    assert_int_equal(jm_recording_begin_ns(a), jm_recording_begin_ns(b));
    assert_int_equal(jm_recording_end_ns(a), jm_recording_end_ns(b));
    assert_int_equal(jm_recording_utc_offset_ns(a), jm_recording_utc_offset_ns(b));
    assert_int_equal(jm_recording_device_count(a), jm_recording_device_count(b));
    for (uint32_t i = 0; i < jm_recording_device_count(a); i++) {
        jm_device da = {.size = sizeof da}, db = {.size = sizeof db};
        jm_recording_device(a, i, &da);
        jm_recording_device(b, i, &db);
        same_text(da.name, db.name);
        same_text(da.uuid, db.uuid);
        assert_true(da.in_total == db.in_total && da.power_limit_w == db.power_limit_w);
    }
    assert_int_equal(jm_recording_sensor_count(a), jm_recording_sensor_count(b));
    for (uint32_t i = 0; i < jm_recording_sensor_count(a); i++) {
        jm_sensor sa = {.size = sizeof sa}, sb = {.size = sizeof sb};
        jm_recording_sensor(a, i, &sa);
        jm_recording_sensor(b, i, &sb);
        same_text(sa.source, sb.source);
        assert_true(sa.quantity == sb.quantity && sa.refresh_ns == sb.refresh_ns &&
                    sa.noise == sb.noise && sa.counter == sb.counter && sa.device == sb.device);
        same_samples(a, b, i);
    }
    same_ranges(a, b);
    assert_int_equal(jm_recording_mark_count(a), jm_recording_mark_count(b));
    for (uint64_t i = 0; i < jm_recording_mark_count(a); i++) {
        jm_mark_info ma = {.size = sizeof ma}, mb = {.size = sizeof mb};
        jm_recording_mark(a, i, &ma);
        jm_recording_mark(b, i, &mb);
        assert_true(ma.t_ns == mb.t_ns && ma.pid == mb.pid);
        same_text(ma.name, mb.name);
    }
    jm_sampler_stats ta = {.size = sizeof ta}, tb = {.size = sizeof tb};
    jm_recording_sampler_stats(a, &ta);
    jm_recording_sampler_stats(b, &tb);
    assert_memory_equal(&ta, &tb, sizeof ta);
}

/* A recording with some of everything. */
static jm_recording *everything(uint64_t samples) {
    jm_recording *r = sawtooth(samples);
    uint32_t device, sensor;
    jm_device cpu = {.size = sizeof cpu, .name = "cpu0", .uuid = "u-1", .power_limit_w = 250.5};
    assert_int_equal(jm_recording_add_device(r, &cpu, &device, NULL), JM_OK);
    jm_sensor energy = {.size = sizeof energy,
                        .device = device,
                        .quantity = JM_QUANTITY_ENERGY,
                        .source = "rapl perf",
                        .counter = true,
                        .refresh_ns = 1000000,
                        .noise = 0.1 + 0.2};
    assert_int_equal(jm_recording_add_sensor(r, &energy, &sensor, NULL), JM_OK);
    int64_t t[] = {5, 1000, 70000};
    double v[] = {1.0 / 3, 0, 1e300};
    uint32_t since[] = {UINT32_MAX, 7, 8};
    uint8_t flags[] = {JM_SAMPLE_GAP, JM_SAMPLE_MISSING, JM_SAMPLE_CHANGED | JM_SAMPLE_RESET};
    jm_samples three = {3, t, v, since, flags};
    assert_int_equal(jm_recording_add_samples(r, sensor, &three, NULL), JM_OK);
    for (int i = 0; i < 10000; i++) {
        jm_range range = {.size = sizeof range,
                          .id = i == 77 ? UINT64_MAX : 0,
                          .parent = (jm_range_id)i / 2,
                          .begin_ns = i,
                          .end_ns = 2 * i,
                          .category = (jm_category)(i % 9),
                          .unfinished = i % 100 == 0,
                          .pid = 4000000000u,
                          .thread = (uint32_t)i % 7,
                          .name = i % 2 ? "odd \"name\" \xe2\x9c\x93" : "even",
                          .attributes = i % 3 ? "" : "{\"i\":3}"};
        if (i > 77) range.id = (jm_range_id)i * 1000;
        assert_int_equal(jm_recording_add_range(r, &range, NULL), JM_OK);
    }
    for (int i = 0; i < 5000; i++) {
        jm_mark_info mark = {.size = sizeof mark, .t_ns = i * 3, .name = "m", .pid = 1};
        assert_int_equal(jm_recording_add_mark(r, &mark, NULL), JM_OK);
    }
    jm_recording_set_info(r, "host", "h\xc3\xb6st");
    jmi_recording_warn(r, "kind", "a warning");
    r->stats.polls = 7;
    r->utc_offset_ns = INT64_C(1700000000) * JMI_NS_PER_S;
    return r;
}

static void test_round_trip(void **state) {
    (void)state;
    const char *path = scratch_file("round trip %41?#.jm"); /* what means something in a URI */
    jm_recording *r = everything(100000);
    save(r, path);
    jm_recording *back = open_file(path);
    same(r, back);
    assert_string_equal(jm_recording_info(back, "host"), "h\xc3\xb6st");
    assert_string_equal(jm_recording_warning(back, 0), "a warning");
    assert_int_equal(jm_recording_warning_count(back), 1);
    /* Windows of a file that is read on demand. */
    for (int64_t from = 0; from < 100000; from += 7919) {
        tally c = walk(back, 0, from * 1000000, (from + 20) * 1000000);
        assert_true(c.samples >= 21 && c.samples <= 23);
    }
    /* Saved again, over itself, from what is read on demand. */
    save(back, path);
    jm_recording *again = open_file(path);
    same(r, again);
    assert_false(exists(path, "-wal"));
    jm_recording_free(again);
    jm_recording_free(back);
    jm_recording_free(r);
}

static void test_empty(void **state) {
    (void)state;
    const char *path = scratch_file("empty.jm");
    jm_recording *r;
    assert_int_equal(jm_recording_new(&r, NULL), JM_OK);
    save(r, path);
    jm_recording *back = open_file(path);
    same(r, back);
    assert_int_equal(jm_recording_warning_count(back), 0);
    jm_recording_free(back);
    jm_recording_free(r);
}

/* What was opened may be added to. */
static void test_adding(void **state) {
    (void)state;
    const char *path = scratch_file("adding.jm");
    jm_recording *r = everything(1000);
    save(r, path);
    jm_recording *back = open_file(path);
    jm_range range = {.size = sizeof range, .begin_ns = 1, .end_ns = 2, .name = "new"};
    assert_int_equal(jm_recording_add_range(r, &range, NULL), JM_FULL); /* ids are used up */
    range.id = 5;
    assert_int_equal(jm_recording_add_range(back, &range, NULL), JM_INVALID);
    range.id = 555555555;
    assert_int_equal(jm_recording_add_range(r, &range, NULL), JM_OK);
    assert_int_equal(jm_recording_add_range(back, &range, NULL), JM_OK);
    int64_t t = INT64_C(5000) * 1000000;
    jm_samples one = {.count = 1, .t_ns = &t, .value = (double[]){1}};
    assert_int_equal(jm_recording_add_samples(r, 0, &one, NULL), JM_OK);
    assert_int_equal(jm_recording_add_samples(back, 0, &one, NULL), JM_OK);
    same_ranges(r, back);
    save(back, path);
    jm_recording_free(back);
    back = open_file(path);
    assert_int_equal(walk(back, 0, INT64_MIN, INT64_MAX).samples, 1001);
    same_ranges(r, back);
    jm_recording_free(back);
    jm_recording_free(r);
}

/* ---- recording into a file ---- */

static jm_session_options into(const char *path) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = path;
    options.interval_ns = 1000000;
    options.poll_ns = 1000000;
    return options;
}

static void test_live_file(void **state) {
    (void)state;
    const char *path = scratch_file("live.jm");
    jm_session_options options = into(path);
    fake_source gpu = {.base = 100};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    assert_true(exists(path, ""));
    jm_range_id outer = jm_begin(s, "outer");
    for (int i = 0; i < 30; i++) {
        jm_range_id id = jm_begin_as(s, JM_CATEGORY_BATCH, "batch", "{\"n\":1}");
        jm_mark(s, "mark", NULL);
        sleep_ms(5);
        if (i % 5 == 0) assert_int_equal(jm_session_flush(s, NULL), JM_OK);
        jm_end_with(s, id, "{\"loss\":2}");
        if (i == 15) { /* others read while it grows */
            jm_recording *peek = open_file(path);
            assert_true(has_warning(peek, "still being written"));
            assert_true(walk(peek, 0, INT64_MIN, INT64_MAX).samples > 5);
            jm_range range = {.size = sizeof range};
            assert_int_equal(jm_recording_range(peek, 0, &range), JM_OK);
            assert_true(range.unfinished && range.id == outer);
            assert_int_equal(range.end_ns, jm_recording_end_ns(peek));
            jm_recording_free(peek);
        }
    }
    jm_end(s, outer);
    jm_recording *r = close_session(s);
    assert_false(exists(path, "-wal"));
    jm_recording *back = open_file(path);
    same(r, back);
    assert_true(walk(back, 0, INT64_MIN, INT64_MAX).samples > 100);
    assert_int_equal(jm_recording_range_count(back), 31);
    assert_false(has_warning(back, "cut off"));
    jm_recording_free(back);
    jm_recording_free(r);
}

static void test_existing_file(void **state) {
    (void)state;
    const char *path = scratch_file("precious.txt");
    FILE *file = fopen(path, "w");
    fputs("not to be lost", file);
    fclose(file);
    jm_session_options options = into(path);
    options.flags = JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    jm_session *s;
    jm_error error;
    assert_int_equal(jm_session_open(&s, &options, &error), JM_INVALID);
    assert_null(s);
    assert_non_null(strstr(error.message, "is no recording"));
    assert_true(exists(path, ""));
    options.path = "/nonexistent/folder/x.jm";
    assert_int_equal(jm_session_open(&s, &options, &error), JM_NOT_FOUND);
    options.path = scratch();
    assert_int_equal(jm_session_open(&s, &options, &error), JM_INVALID);
    /* One of ours is replaced. */
    path = scratch_file("replaced.jm");
    jm_recording *r = everything(1000);
    save(r, path);
    jm_recording_free(r);
    options.path = path;
    assert_int_equal(jm_session_open(&s, &options, &error), JM_OK);
    jm_recording_free(close_session(s));
    r = open_file(path);
    assert_int_equal(jm_recording_range_count(r), 0);
    jm_recording_free(r);
}

/* ---- limits ---- */

static void mark_much(jm_session *s, int ranges) {
    for (int i = 0; i < ranges; i++) {
        char name[40];
        snprintf(name, sizeof name, "batch %d", i % 100);
        jm_end(s, jm_begin(s, name));
    }
}

/* What is spilled counts as what is not. */
static void test_spill(void **state) {
    (void)state;
    for (int with_file = 0; with_file < 2; with_file++) {
        const char *path = scratch_file(with_file ? "spill.jm" : "no such.jm");
        jm_session_options options = into(with_file ? path : NULL);
        options.max_samples = 2000;
        options.spill_dir = scratch();
        options.interval_ns = options.poll_ns = 200000;
        options.flags = JM_SESSION_KEEP_POLLS;
        fake_source sources[3] = {{.base = 1}, {.base = 2}, {.base = 3}};
        jm_session *s =
            open_fake((fake_source *[]){&sources[0], &sources[1], &sources[2]}, 3, &options);
        uint64_t in_memory = 0;
        for (int i = 0; i < 40; i++) {
            sleep_ms(25);
            mark_much(s, 1000);
            walk(jm_session_recording(s), (uint32_t)i % 3, INT64_MIN, INT64_MAX);
            jmi_recording_lock(s->recording);
            if (s->recording->sample_count > in_memory) in_memory = s->recording->sample_count;
            jmi_recording_unlock(s->recording);
        }
        jm_recording *r = close_session(s);
        assert_true(has_warning(r, "80 % of a limit"));
#ifdef JM_SANITIZED /* what writes may not get to run for a while */
        assert_true(in_memory < 10000);
#else
        assert_true(in_memory < 4000);
#endif
        for (uint32_t k = 0; k < 3; k++) {
            tally c = walk(r, k, INT64_MIN, INT64_MAX);
            assert_int_equal(c.samples, atomic_load(&sources[k].calls));
            assert_int_equal(c.gaps, 0);
        }
        assert_int_equal(jm_recording_range_count(r), 40000);
        assert_int_equal(exists(path, ""), with_file);
        const char *saved = scratch_file("saved.jm");
        save(r, saved);
        jm_recording *back = open_file(saved);
        same_ranges(r, back);
        for (uint32_t k = 0; k < 3; k++) same_samples(r, back, k);
        jm_recording_free(back);
        if (with_file) {
            back = open_file(path);
            same(r, back);
            jm_recording_free(back);
        }
        jm_recording_free(r);
    }
}

/* Ranges, too, leave memory when there are many. */
static void test_spilled_ranges(void **state) {
    (void)state;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.max_memory_bytes = 2 << 20;
    options.spill_dir = scratch();
    jm_session *s = open_plain(&options);
    jm_range_id outer = jm_begin(s, "outer");
    for (int i = 0; i < 60; i++) {
        mark_much(s, 2000);
        sleep_ms(10);
    }
    jm_end(s, outer);
    size_t resident = 100;
    uint64_t ranges = 120001;
    for (int i = 0; i < 100 && resident >= 20; i++) { /* until the file has caught up */
        mark_much(s, 3000);
        ranges += 3000;
        sleep_ms(50);
        jm_session_recording(s);
        jmi_recording_lock(s->recording);
        resident = s->recording->ranges.resident;
        jmi_recording_unlock(s->recording);
    }
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), ranges);
    assert_true(resident < 20); /* of 30 and more */
    for (uint64_t i = 0; i < ranges; i++) {
        jm_range range = {.size = sizeof range};
        assert_int_equal(jm_recording_range(r, i, &range), JM_OK);
        assert_false(range.unfinished);
        assert_true(i == 0 ? range.id == outer : strncmp(range.name, "batch", 5) == 0);
    }
    jm_recording_free(r);
}

/* ---- two at one file ---- */

static void mark_and_flush(jm_session *s) {
    jm_end(s, jm_begin(s, "work"));
    assert_int_equal(jm_session_flush(s, NULL), JM_OK);
}

static void test_one_writer(void **state) {
    (void)state;
    const char *path = scratch_file("one.jm");
    jm_session_options options = into(path);
    jm_session *s = open_plain(&options), *second;
    mark_and_flush(s);
    jm_error error = {0, ""};
    assert_int_equal(jm_session_open(&second, &options, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "is being recorded into"));
    jm_recording *r = open_file(path); /* reading is free */
    assert_int_equal(jm_recording_save(r, path, &error), JM_INVALID);
    jm_recording_free(r);
    mark_and_flush(s);
    r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 2);
    save(r, path); /* nobody writes it any more */
    jm_recording_free(r);
    jm_recording_free(close_session(open_plain(&options)));
}

/* Whoever has a recording whose samples are in its file does not write it. */
static void test_store_is_no_writer(void **state) {
    (void)state;
    const char *path = scratch_file("store.jm");
    jm_session_options options = into(path);
    options.max_samples = 1000;
    options.interval_ns = options.poll_ns = 200000;
    options.flags = JM_SESSION_KEEP_POLLS;
    fake_source gpu = {.base = 1};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    sleep_ms(1500);
    jm_recording *r = close_session(s);
    jm_session_options again = into(path);
    jm_recording_free(close_session(open_plain(&again)));
    jm_recording_free(r);
}

static void test_removed(void **state) {
    (void)state;
    const char *path = scratch_file("removed.jm");
    jm_session_options options = into(path);
    for (int early = 0; early < 2; early++) { /* before or after it has a journal */
        jm_session *s = open_plain(&options);
        if (!early) mark_and_flush(s);
        assert_int_equal(unlink(path), 0);
        if (!early) mark_and_flush(s);
        jm_end(s, jm_begin(s, "late"));
        jm_recording *r = close_session(s);
        assert_true(has_warning(r, "was removed while it was written"));
        uint64_t ranges = early ? 1 : 3;
        assert_int_equal(jm_recording_range_count(r), ranges);
        jm_recording_free(r);
        r = open_file(path);
        assert_int_equal(jm_recording_range_count(r), ranges);
        assert_int_equal(jm_recording_warning_count(r), 1);
        jm_recording_free(r);
        assert_false(exists(path, "-wal"));
    }
}

static void test_replaced(void **state) {
    (void)state;
    const char *path = scratch_file("replaced.jm"), *other = scratch_file("other.jm");
    jm_session_options options = into(path);
    jm_session *s = open_plain(&options);
    jm_recording *r = sawtooth(10);
    save(r, other);
    jm_recording_free(r);
    mark_and_flush(s);
    assert_int_equal(rename(other, path), 0);
    jm_error error = {0, ""};
    assert_int_equal(jm_session_close(s, &r, &error), JM_IO);
    assert_non_null(strstr(error.message, "was replaced while it was written"));
    assert_int_equal(jm_recording_range_count(r), 1);
    jm_recording_free(r);
}

/* ---- no room ---- */

/* A limit on the size of files stands in for a disk that is full. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk(void **state) {
    (void)state;
    for (int with_file = 0; with_file < 2; with_file++) {
        const char *path = scratch_file(with_file ? "full.jm" : "unused");
        jm_session_options options = into(with_file ? path : NULL);
        options.max_samples = 3000;
        options.spill_dir = scratch();
        options.interval_ns = options.poll_ns = 200000;
        options.flags = JM_SESSION_KEEP_POLLS;
        fake_source gpu = {.base = 1};
        jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
        limit_files(100000);
        for (int i = 0; i < 40 || (i < 400 && !has_warning(s->recording, "neither")); i++) {
            sleep_ms(25);
            mark_much(s, 1000);
        }
        jm_error error = {0, ""};
        jm_recording *r = NULL;
        int status = jm_session_close(s, &r, &error);
        limit_files(RLIM_INFINITY);
        assert_int_equal(status != JM_OK, with_file);
        assert_non_null(r);
        assert_true(has_warning(r, "measuring goes on in memory"));
        assert_true(has_warning(r, "neither samples nor ranges are kept"));
        tally c = walk(r, 0, INT64_MIN, INT64_MAX);
        assert_true(c.samples >= 2000 && c.samples <= 6000);
        assert_int_equal(c.missing, 1);
        for (uint64_t i = 0; i < jm_recording_range_count(r); i++) {
            jm_range range = {.size = sizeof range};
            assert_int_equal(jm_recording_range(r, i, &range), JM_OK);
        }
        jm_recording_free(r);
        if (with_file) { /* what reached it is whole */
            r = open_file(path);
            walk(r, 0, INT64_MIN, INT64_MAX);
            jm_recording_free(r);
        }
    }
}

/* Room comes back: measuring, too, after a gap. */
static void test_room_again(void **state) {
    (void)state;
    jm_recording *r = sawtooth(0);
    int64_t t = 10;
    jm_samples one = {.count = 1, .t_ns = &t, .value = (double[]){1}};
    assert_int_equal(jm_recording_add_samples(r, 0, &one, NULL), JM_OK);
    jmi_recording_stop(r, true);
    t = 20;
    assert_int_equal(jm_recording_add_samples(r, 0, &one, NULL), JM_FULL);
    jmi_recording_stop(r, false);
    t = 30;
    assert_int_equal(jm_recording_add_samples(r, 0, &one, NULL), JM_OK);
    tally c = walk(r, 0, INT64_MIN, INT64_MAX);
    assert_true(c.samples == 3 && c.missing == 1 && c.gaps == 1);
    jm_recording_free(r);
}

static void test_thin(void **state) {
    (void)state;
    jm_recording *r = sawtooth(0);
    uint8_t flags = 0;
    for (int64_t t = 1; t <= 20000; t++) {
        int64_t step = t / 100;
        double value = (double)step;
        flags = t % 100 == 0 ? JM_SAMPLE_CHANGED : 0;
        jm_samples one = {.count = 1, .t_ns = &t, .value = &value, .flags = &flags};
        assert_int_equal(jm_recording_add_samples(r, 0, &one, NULL), JM_OK);
    }
    jm_cursor *cursor;
    jm_samples block;
    assert_int_equal(jm_cursor_open(&cursor, r, 0, 0, 20000, NULL), JM_OK);
    assert_int_equal(jm_cursor_next(cursor, &block), JM_OK);
    jmi_recording_lock(r);
    size_t saved = jmi_recording_thin(r);
    jmi_recording_unlock(r);
    assert_true(saved > 8000 * JMI_SAMPLE_BYTES);
    assert_int_equal(block.t_ns[block.count - 1], 256); /* a reader keeps what it has */
    jm_cursor_close(cursor);
    tally c = walk(r, 0, 0, 20000);
    assert_int_equal(c.changed, 200);
    assert_true(c.samples < 12000 && c.last_ns == 20000);
    jm_recording_free(r);
}

/* ---- files that are not as they should be ---- */

static void write_bytes(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static char *read_bytes(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY);
    struct stat info;
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    *size = (size_t)info.st_size;
    char *bytes = malloc(*size + 1);
    assert_int_equal(read(fd, bytes, *size), *size);
    close(fd);
    return bytes;
}

static int read_all(const char *path) {
    jm_recording *r;
    jm_error error;
    int status = jm_recording_open(&r, path, &error);
    if (status != JM_OK) {
        assert_true(error.message[0] != '\0');
        return status;
    }
    for (uint32_t k = 0; k < jm_recording_sensor_count(r); k++) {
        jm_cursor *cursor;
        jm_samples block;
        assert_int_equal(jm_cursor_open(&cursor, r, k, INT64_MIN, INT64_MAX, NULL), JM_OK);
        while (jm_cursor_next(cursor, &block) == JM_OK) {
        }
        jm_cursor_close(cursor);
    }
    jm_range range = {.size = sizeof range};
    for (uint64_t i = 0; i < jm_recording_range_count(r) && i < 100000; i++)
        jm_recording_range(r, i, &range);
    jm_recording_free(r);
    return JM_OK;
}

static void test_not_ours(void **state) {
    (void)state;
    const char *path = scratch_file("odd.jm");
    assert_int_equal(read_all(scratch_file("missing.jm")), JM_NOT_FOUND);
    assert_int_equal(read_all(scratch()), JM_FORMAT);
    assert_int_equal(read_all("/dev/null"), JM_FORMAT);
    write_bytes(path, "", 0);
    assert_int_equal(read_all(path), JM_FORMAT);
    write_bytes(path, "hello", 5);
    assert_int_equal(read_all(path), JM_FORMAT);
    sqlite3 *db;
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(read_all(path), JM_FORMAT);
}

static void change(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

/* ---- SQL ---- */

typedef struct table {
    int rows;
    char first[64], last[64];
    int stop_at;
} table;

static int take_row(size_t columns, const jm_sql_value *values, void *user) {
    table *t = user;
    assert_true(columns > 0);
    snprintf(t->rows == 0 ? t->first : t->last, sizeof t->last, "%s",
             values[0].text != NULL ? values[0].text : "NULL");
    return ++t->rows == t->stop_at;
}

static int query(const char *path, const char *sql, table *t) {
    *t = (table){.stop_at = t->stop_at};
    jm_error error = {0, ""};
    int status = jm_sql(path, sql, take_row, t, &error);
    assert_int_equal(status, error.status);
    assert_int_equal(status != JM_OK, error.message[0] != '\0');
    return status;
}

/* ---- files that are wrong ---- */

static void test_hostile_rows(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        int status;
    } changes[] = {
        {"UPDATE chunk SET count = 2000000000", JM_FORMAT},
        {"UPDATE chunk SET count = -1", JM_FORMAT},
        {"UPDATE chunk SET sensor = 99", JM_FORMAT},
        {"UPDATE chunk SET t_first = t_last + 1", JM_FORMAT},
        {"UPDATE chunk SET first_id = first_id - 1000000", JM_FORMAT},
        {"UPDATE chunk SET t_last = 9223372036854775807", JM_FORMAT},
        {"UPDATE chunk SET first_id = first_id + 1", JM_OK}, /* its samples cannot be read */
        {"DELETE FROM sample", JM_OK},
        {"UPDATE sample SET t_ns = 5", JM_OK},
        {"INSERT INTO range VALUES (4611686018427387904, 1, 1, 1, 1, 1, '', '', 1, 1, '', NULL, 0)",
         JM_FORMAT},
        {"DELETE FROM range WHERE seq = 3", JM_OK},
        {"UPDATE range SET begin_ns = 9223372036854775807", JM_OK},
        {"UPDATE sensor SET quantity = 'beauty'", JM_FORMAT},
        {"UPDATE sensor SET device = 7", JM_FORMAT},
        {"UPDATE sensor SET noise = -9e999", JM_OK},
        {"DELETE FROM device WHERE id = 0", JM_FORMAT},
        {"UPDATE device SET name = ''", JM_FORMAT},
        {"UPDATE recording SET begin_ns = -9223372036854775808", JM_FORMAT},
        {"DELETE FROM recording", JM_OK},
        {"DROP TABLE mark", JM_FORMAT},
        {"DROP TABLE sample; CREATE VIEW sample AS WITH RECURSIVE x(id) AS (SELECT 1 UNION ALL "
         "SELECT id + 1 FROM x) SELECT id, 0 AS sensor, id AS t_ns, 1.0 AS value, 0 AS since_ns, "
         "0 AS flags FROM x",
         JM_FORMAT},
        {"PRAGMA application_id = 7", JM_FORMAT},
    };
    const char *path = scratch_file("hostile.jm");
    jm_recording *r = everything(20000);
    for (size_t i = 0; i < JMI_COUNT(changes); i++) {
        save(r, path);
        change(path, changes[i].sql);
        int status = read_all(path);
        if (status != changes[i].status) fail_msg("%s: %d", changes[i].sql, status);
    }
    jm_recording_free(r);
}

/* A sample in the middle is damaged: its chunk is missing, the others and other sensors are not. */
static void test_damaged_samples(void **state) {
    (void)state;
    const char *path = scratch_file("damaged.jm");
    jm_recording *r = everything(100000);
    save(r, path);
    change(path, "UPDATE sample SET t_ns = 5 WHERE id = (SELECT first_id + 1 FROM chunk WHERE "
                 "sensor = 0 AND t_first > 40000000000 LIMIT 1)");
    jm_recording *back = open_file(path);
    assert_false(has_warning(back, "cannot be read"));
    for (int again = 0; again < 2; again++) {
        tally whole = walk(r, 0, INT64_MIN, INT64_MAX), c = walk(back, 0, INT64_MIN, INT64_MAX);
        assert_int_equal(c.missing, whole.missing + 2);
        assert_true(c.samples > whole.samples / 2 && c.samples < whole.samples);
        assert_int_equal(c.first_ns, whole.first_ns);
        assert_int_equal(c.last_ns, whole.last_ns);
    }
    assert_int_equal(walk(back, 1, INT64_MIN, INT64_MAX).samples, 3);
    assert_true(has_warning(back, "gpu0: readings of made up cannot be read"));
    assert_false(has_warning(back, "rapl perf"));
    jm_energy before, across;
    int64_t begin = jm_recording_begin_ns(back), end = jm_recording_end_ns(back);
    jm_error error;
    assert_int_equal(
        jm_energy_window(back, 0, begin + 1000000000, begin + 2000000000, NULL, &before, &error),
        JM_OK);
    assert_int_equal(jm_energy_window(back, 0, begin, end, NULL, &across, &error), JM_OK);
    assert_true(before.measured > 0.999);
    assert_true(across.measured > 0.5 && across.measured < 0.99);
    assert_true(across.flags & JM_ENERGY_PARTIAL);
    jm_recording_free(back);
    jm_recording_free(r);
}

/* A file that claims much and has next to nothing: the reader sets no memory aside for it. */
static void test_sparse(void **state) {
    (void)state;
    const char *path = scratch_file("sparse.jm");
    const off_t length = (off_t)1 << 35; /* rows of 8 bytes: half a GiB of pointers to blocks */
    jm_recording *r = everything(1000), *back;
    save(r, path);
    jm_recording_free(r);
    change(path, "INSERT INTO mark VALUES (4000000000, 1, '', 1, 1, '')");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    /* The header says that all its pages are there (big endian, at 28). */
    const unsigned char pages[4] = {0, (unsigned char)(length / 4096 >> 16), 0, 0};
    assert_int_equal(pwrite(fd, pages, sizeof pages, 28), sizeof pages);
    if (ftruncate(fd, length) != 0) {
        print_message("skipped: no sparse files here\n");
        close(fd);
        skip();
    }
    close(fd);
    jm_error error = {0, ""};
    assert_int_equal(jm_recording_open(&back, path, &error), JM_FORMAT);
    assert_non_null(strstr(error.message, "more than it can hold"));
    /* Its length alone does no harm. */
    change(path, "DELETE FROM mark WHERE seq = 4000000000");
    assert_int_equal(jm_recording_open(&back, path, &error), JM_OK);
    assert_int_equal(jm_recording_mark_count(back), 5000);
    jm_recording_free(back);
    unlink(path);
}

/* So many facts that looking each up would take hours. */
static void test_many_facts(void **state) {
    (void)state;
    const char *path = scratch_file("facts.jm");
    jm_recording *r = everything(10), *back;
    save(r, path);
    jm_recording_free(r);
    change(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) "
                 "INSERT INTO info SELECT 'fact ' || i, 'x' FROM n");
    int64_t from = jm_now_ns();
    assert_int_equal(jm_recording_open(&back, path, NULL), JM_OK);
    assert_true(jm_now_ns() - from < 10 * JMI_NS_PER_S);
    assert_int_equal(jm_recording_info_count(back), 10000);
    jm_recording_free(back);
}

/* Each other layout has a sentence that says what to do. */
static void test_layouts(void **state) {
    (void)state;
    static const struct {
        int layout;
        const char *said;
    } layouts[] = {{0, "is damaged"},
                   {-7, "is damaged"},
                   {1, "is of before joulemeter's first release (layout 1, this version reads 2); "
                       "`joulemeter sql` still reads it"},
                   {3, "was made by a newer version of joulemeter (its layout is 3, this version "
                       "reads 2): update joulemeter"},
                   {2000000000, "its layout is 2000000000"}};
    const char *path = scratch_file("layout.jm");
    jm_recording *r = everything(100);
    for (size_t i = 0; i < JMI_COUNT(layouts); i++) {
        char sql[64];
        jm_recording *back;
        jm_error error = {0, ""};
        save(r, path);
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d", layouts[i].layout);
        change(path, sql);
        assert_int_equal(jm_recording_open(&back, path, &error), JM_FORMAT);
        assert_null(back);
        if (strstr(error.message, layouts[i].said) == NULL) fail_msg("%s", error.message);
        assert_non_null(strstr(error.message, path));
        table t = {0}; /* what is in it can be asked for all the same */
        assert_int_equal(query(path, "SELECT count(*) FROM sample", &t), JM_OK);
        assert_string_equal(t.last, "103");
    }
    jm_recording_free(r);
}

/* Bytes changed or missing anywhere: an error or less data, never a crash. */
static void test_damage(void **state) {
    (void)state;
    const char *path = scratch_file("damaged.jm");
    jm_recording *r = everything(3000);
    save(r, path);
    jm_recording_free(r);
    size_t size;
    char *good = read_bytes(path, &size), *bad = malloc(size);
    srand(7);
    long rounds = setting("JM_TEST_DAMAGE", 400);
    for (long i = 0; i < rounds; i++) {
        memcpy(bad, good, size);
        for (int k = rand() % 20; k >= 0; k--) bad[(size_t)rand() % size] = (char)rand();
        memcpy(bad, good, 100); /* not just refused at the door */
        write_bytes(path, bad, i % 4 == 0 ? (size_t)rand() % size : size);
        read_all(path);
    }
    free(good);
    free(bad);
}

/* A file that was cut off, in a folder that cannot be written to. */
static void test_read_only(void **state) {
    (void)state;
    const char *path = scratch_file("ro/cut.jm"), *dir = scratch_file("ro");
    mkdir(dir, 0700);
    pid_t pid = fork();
    if (pid == 0) {
        jm_session_options options = into(path);
        jm_session *s = open_plain(&options);
        mark_much(s, 1000);
        jm_session_flush(s, NULL);
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_true(exists(path, "-wal"));
    assert_int_equal(chmod(dir, 0555), 0);
    assert_int_equal(chmod(scratch(), 0755), 0); /* others may come so far */
    pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && setuid(65534) != 0) _exit(3); /* root may write anywhere */
        jm_recording *r;
        jm_error error = {0, ""};
        if (jm_recording_open(&r, path, &error) != JM_OK) fprintf(stderr, "%s\n", error.message);
        _exit(error.status != JM_OK || jm_recording_range_count(r) != 1000);
    }
    waitpid(pid, &status, 0);
    chmod(dir, 0700);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0) fail_msg("a read-only folder: exit %d", WEXITSTATUS(status));
}

static void test_sql(void **state) {
    (void)state;
    const char *path = scratch_file("sql.jm");
    jm_recording *r = everything(1000);
    save(r, path);
    jm_recording_free(r);
    table t = {0};
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is there */
    assert_int_equal(query(path, "SELECT count(*) AS n FROM sample;  -- all", &t), JM_OK);
    assert_string_equal(t.first, "n");
    assert_string_equal(t.last, "1003");
    assert_int_equal(query(path, "SELECT value FROM sample WHERE sensor = 1 AND t_ns = 5", &t),
                     JM_OK);
    assert_string_equal(t.last, "0.3333333333333333");
    setlocale(LC_ALL, "C");
    assert_int_equal(query(path, "SELECT value FROM sample WHERE flags = 4", &t), JM_OK);
    assert_string_equal(t.last, "NULL");
    assert_int_equal(query(path, "SELECT t_s FROM samples WHERE quantity = 'energy'", &t), JM_OK);
    assert_int_equal(t.rows, 4);
    assert_int_equal(query(path, "SELECT name FROM ranges WHERE category = 'layer'", &t), JM_OK);
    assert_int_equal(query(path, "SELECT name FROM marks", &t), JM_OK);
    assert_int_equal(t.rows, 5001);
    assert_int_equal(query(path, "PRAGMA table_info(sample)", &t), JM_OK);
    static const char *const refused[] = {"DELETE FROM sample",
                                          "DROP TABLE sample",
                                          "SELECT 1; SELECT 2",
                                          "",
                                          "-- nothing",
                                          "ATTACH '/tmp/x' AS x",
                                          "PRAGMA journal_mode = DELETE",
                                          "SELEKT",
                                          "SELECT * FROM nowhere",
                                          "CREATE TEMP TABLE x(a)",
                                          "PRAGMA writable_schema = ON",
                                          "SELECT load_extension('x')",
                                          "VACUUM INTO '/tmp/x'"};
    for (size_t i = 0; i < JMI_COUNT(refused); i++)
        if (query(path, refused[i], &t) != JM_INVALID) fail_msg("%s was let through", refused[i]);
    t.stop_at = 10;
    assert_int_equal(query(path, "SELECT id FROM sample", &t), JM_INTERRUPTED);
    assert_int_equal(t.rows, 10);
    assert_int_equal(jm_sql("/nonexistent", "SELECT 1", take_row, &t, NULL), JM_NOT_FOUND);
}

/* One of each type, as values and as texts. */
static int take_types(size_t columns, const jm_sql_value *values, void *user) {
    int *rows = user;
    assert_int_equal(columns, 8);
    if ((*rows)++ == 0) {
        for (size_t i = 0; i < columns; i++) {
            assert_int_equal(values[i].type, JM_SQL_TEXT);
            assert_int_equal(values[i].length, strlen(values[i].text));
        }
        assert_string_equal(values[0].text, "whole");
        return 0;
    }
    assert_int_equal(values[0].type, JM_SQL_INTEGER);
    assert_true(values[0].integer == INT64_MIN && values[0].real == -9223372036854775808.0);
    assert_string_equal(values[0].text, "-9223372036854775808");
    assert_int_equal(values[1].type, JM_SQL_REAL);
    assert_true(values[1].real == 0.1 && values[1].integer == 0);
    assert_string_equal(values[1].text, "0.1");
    assert_int_equal(values[2].type, JM_SQL_TEXT);
    assert_int_equal(values[2].length, 3); /* a NUL within */
    assert_memory_equal(values[2].text, "a\0b", 4);
    assert_int_equal(values[3].type, JM_SQL_BLOB);
    assert_int_equal(values[3].length, 2);
    assert_memory_equal(values[3].text, "\xff\x00", 2);
    assert_int_equal(values[4].type, JM_SQL_NULL);
    assert_true(values[4].text == NULL && values[4].length == 0 && values[4].real == 0);
    assert_int_equal(values[5].type, JM_SQL_BLOB);
    assert_true(values[5].text != NULL && values[5].length == 0);
    assert_int_equal(values[6].type, JM_SQL_REAL);
    assert_true(isinf(values[6].real));
    assert_string_equal(values[6].text, "Inf");
    assert_int_equal(values[7].type, JM_SQL_TEXT); /* a number in quotes stays a text */
    assert_string_equal(values[7].text, "12");
    return 0;
}

static void test_sql_types(void **state) {
    (void)state;
    const char *path = scratch_file("types.jm");
    jm_recording *r = everything(10);
    save(r, path);
    jm_recording_free(r);
    int rows = 0;
    jm_error error = {0, ""};
    if (jm_sql(path,
               "SELECT -9223372036854775808 AS whole, 0.1, 'a' || char(0) || 'b', x'ff00', NULL, "
               "x'', 9e999, '12'",
               take_types, &rows, &error) != JM_OK)
        fail_msg("%s", error.message);
    assert_int_equal(rows, 2);
}

/* ---- speed and size ---- */

static void test_large(void **state) {
    (void)state;
    const uint64_t n = (uint64_t)setting("JM_TEST_SAMPLES", 3000000);
    const char *path = scratch_file("large.jm");
    jm_recording *r = sawtooth(n);
    int64_t from = jm_now_ns();
    save(r, path);
    int64_t saved = jm_now_ns();
    jm_recording *back = open_file(path);
    int64_t opened = jm_now_ns();
    assert_int_equal(walk(back, 0, INT64_MIN, INT64_MAX).samples, n);
    int64_t walked = jm_now_ns();
    printf("# %.2f M samples/s written, opened in %.1f ms, %.2f M samples/s read\n",
           (double)n / (double)(saved - from) * 1e3, (double)(opened - saved) / 1e6,
           (double)n / (double)(walked - opened) * 1e3);
    assert_true(opened - saved < 1000 * 1000000);
    jm_recording_free(back);
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_live_file),
        cmocka_unit_test(test_existing_file),
        cmocka_unit_test(test_spill),
        cmocka_unit_test(test_spilled_ranges),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_room_again),
        cmocka_unit_test(test_thin),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_hostile_rows),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_damaged_samples),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_many_facts),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_sql),
        cmocka_unit_test(test_sql_types),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_store_is_no_writer),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_replaced),
    };
    return cmocka_run_group_tests_name("record file", tests, NULL, NULL);
}
