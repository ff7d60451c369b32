/* Sessions: options, joining an outer one, closing, and what a kill leaves behind. */
#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_options(void (*change)(jm_session_options *), const char *said) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.flags = JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    change(&options);
    jm_session *session;
    jm_error error = {0, ""};
    int status = jm_session_open(&session, &options, &error);
    if (status == JM_OK) jm_session_close(session, NULL, NULL);
    if (said != NULL && strstr(error.message, said) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", error.message, said);
    return status;
}

static void no_size(jm_session_options *o) {
    o->size = 0;
}
static void short_interval(jm_session_options *o) {
    o->interval_ns = 10;
}
static void long_interval(jm_session_options *o) {
    o->interval_ns = UINT64_MAX;
}
static void short_poll(jm_session_options *o) {
    o->poll_ns = 99999;
}
static void odd_flags(jm_session_options *o) {
    o->flags |= 1u << 20;
}
static void odd_share(jm_session_options *o) {
    o->warn_at = 1.5;
}
static void little_memory(jm_session_options *o) {
    o->max_memory_bytes = 5;
}
static void few_samples(jm_session_options *o) {
    o->max_samples = 1;
}
static void negative_pid(jm_session_options *o) {
    o->pid = -4;
}
static void empty_path(jm_session_options *o) {
    o->path = "";
}
static void fine(jm_session_options *o) {
    o->interval_ns = 1000000;
}

static void test_options(void **state) {
    (void)state;
    assert_int_equal(try_options(no_size, "_INIT"), JM_INVALID);
    assert_int_equal(try_options(short_interval, "too short"), JM_INVALID);
    assert_int_equal(try_options(long_interval, "too long"), JM_INVALID);
    assert_int_equal(try_options(short_poll, "too short"), JM_INVALID);
    assert_int_equal(try_options(odd_flags, "mean nothing"), JM_INVALID);
    assert_int_equal(try_options(odd_share, "warn_at"), JM_INVALID);
    assert_int_equal(try_options(little_memory, "1 MiB"), JM_INVALID);
    assert_int_equal(try_options(few_samples, "1000"), JM_INVALID);
    assert_int_equal(try_options(negative_pid, "no process"), JM_INVALID);
    assert_int_equal(try_options(empty_path, "path"), JM_INVALID);
    assert_int_equal(try_options(fine, NULL), JM_OK);
    assert_int_equal(jm_session_open(NULL, NULL, NULL), JM_INVALID);
}

static void test_facts(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    const jm_recording *r = jm_session_recording(s);
    assert_string_equal(jm_recording_info(r, "version"), jm_version());
    assert_non_null(jm_recording_info(r, "host"));
    assert_non_null(jm_recording_info(r, "kernel"));
    const char *start = jm_recording_info(r, "start");
    assert_true(strlen(start) == 24 && start[10] == 'T' && start[23] == 'Z');
    assert_true(jm_recording_begin_ns(r) <= jm_now_ns());
    assert_int_equal(jm_session_flush(s, NULL), JM_OK); /* nowhere to */
    jm_recording *whole = close_session(s);
    assert_true(jm_recording_end_ns(whole) > jm_recording_begin_ns(whole));
    jm_recording_free(whole);
}

static void test_live_range(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    jm_range_id id = jm_begin(s, "now");
    jm_range range = {.size = sizeof range};
    assert_int_equal(jmi_session_range(s, id, &range), JM_OK);
    assert_true(range.unfinished && range.id == id);
    jm_end(s, id);
    assert_int_equal(jmi_session_range(s, id, &range), JM_OK);
    assert_false(range.unfinished);
    assert_int_equal(jmi_session_range(s, id + 1, &range), JM_NOT_FOUND);
    jm_session_close(s, NULL, NULL);
}

/* ---- joining ---- */

/* What the measured command does. */
static int be_measured(bool close_descriptors) {
    if (close_descriptors)
        for (int fd = 3; fd < 64; fd++) close(fd);
    jm_session *s;
    jm_error error = {0, ""};
    if (jm_session_join(&s, &error) != JM_OK || !jm_session_joined(s)) return 1;
    jm_session_close(s, NULL, NULL);
    if (jm_session_open(&s, NULL, &error) != JM_OK) return 2;
    if (!jm_session_joined(s)) return 3;
    if (jm_session_recording(s) != NULL) return 4;
    jm_range range = {.size = sizeof range};
    jm_range_id id = jm_begin_as(s, JM_CATEGORY_PHASE, "train", "{\"inner\":1}");
    if (id == 0 || jmi_session_range(s, id, &range) != JM_CLOSED) return 5;
    for (int i = 0; i < 50000; i++) {
        jm_range_id batch = jm_begin_as(s, JM_CATEGORY_BATCH, "batch", NULL);
        if (batch == 0) return 6;
        jm_end(s, batch);
    }
    if (jm_session_follow(s, 1) != JM_CLOSED || jm_session_check(s) != JM_OK) return 7;
    const char *const *settings = jm_session_environment(s);
    if (settings[0] == NULL || strcmp(settings[0] + 19, getenv("JOULEMETER_SESSION")) != 0)
        return 8;
    jm_end_at(s, id, jm_now_ns(), NULL);
    return jm_session_close(s, NULL, NULL) == JM_OK ? 0 : 9;
}

static void test_join(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) { /* by the descriptor, and by way of /proc */
        fake_source gpu = {.base = 1};
        jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
        assert_false(jm_session_joined(s));
        char *const *settings = (char *const *)jm_session_environment(s);
        assert_int_equal(wait_for(start_self(closed ? "measured-closed" : "measured", settings)),
                         0);
        jm_recording *r = close_session(s);
        assert_int_equal(jm_recording_range_count(r), 50001);
        jm_range range = {.size = sizeof range}, inner = {.size = sizeof inner};
        assert_int_equal(jm_recording_range(r, 0, &range), JM_OK);
        assert_string_equal(range.name, "train");
        assert_string_equal(range.attributes, "{\"inner\":1}");
        assert_true(range.category == JM_CATEGORY_PHASE && !range.unfinished);
        assert_int_not_equal(range.pid, getpid());
        assert_int_equal(jm_recording_range(r, 1, &inner), JM_OK);
        assert_true(inner.parent == range.id);
        jm_recording_free(r);
    }
}

static void test_nothing_to_join(void **state) {
    (void)state;
    jm_session *s = (jm_session *)&s;
    jm_error error = {0, ""};
    unsetenv("JOULEMETER_SESSION");
    assert_int_equal(jm_session_join(&s, &error), JM_NOT_FOUND);
    assert_null(s);
    assert_non_null(strstr(error.message, "no outer session"));
    setenv("JOULEMETER_SESSION", "99:1:999999", 1);
    assert_int_equal(jm_session_join(&s, NULL), JM_CLOSED);
    assert_int_equal(jm_session_join(NULL, NULL), JM_INVALID);
    unsetenv("JOULEMETER_SESSION");
}

/* Settings that name nothing: the program measures by itself, and says so. */
static void test_stale(void **state) {
    (void)state;
    static const char *const stale[] = {"3:12345:1", "99:1:999999", "nonsense",
                                        "-1:2:3",    "0:0:0",       "3:99999999999999999999999:5"};
    for (size_t i = 0; i < JMI_COUNT(stale); i++) {
        setenv("JOULEMETER_SESSION", stale[i], 1);
        jm_session_options options = JM_SESSION_OPTIONS_INIT;
        options.flags = JM_SESSION_NO_SAMPLER;
        jm_session *s;
        assert_int_equal(jm_session_open(&s, &options, NULL), JM_OK);
        assert_false(jm_session_joined(s));
        assert_true(has_warning(jm_session_recording(s), "measures by itself"));
        jm_session_close(s, NULL, NULL);
    }
    unsetenv("JOULEMETER_SESSION");
}

/* The right inode, but no ring in it. */
static void test_wrong_ring(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    putenv((char *)jm_session_environment(s)[0]);
    uint64_t magic = s->ring->header->magic;
    jmi_ring *ring;
    jm_error error;
    assert_int_equal(jmi_join(&ring, &error), JM_OK);
    jmi_ring_free(ring);
    s->ring->header->magic = 1;
    assert_int_equal(jmi_join(&ring, &error), JM_FORMAT);
    s->ring->header->magic = magic;
    s->ring->header->version++;
    assert_int_equal(jmi_join(&ring, &error), JM_NOT_SUPPORTED);
    s->ring->header->version--;
    s->ring->header->time_namespace++;
    assert_int_equal(jmi_join(&ring, &error), JM_NOT_SUPPORTED);
    s->ring->header->time_namespace--;
    /* A measured program cannot take the ring's pages away, which would end us by SIGBUS. */
    assert_int_equal(ftruncate(s->ring->fd, 4096), -1);
    assert_int_equal(ftruncate(s->ring->fd, 2 * (off_t)s->ring->size), -1);
    unsetenv("JOULEMETER_SESSION");
    jm_session_close(s, NULL, NULL);
}

/* ---- kills ---- */

static void be_killed(const char *path) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = path;
    options.interval_ns = options.poll_ns = 200000;
    fake_source gpu = {.base = 1};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, &options);
    for (;;) {
        jm_range_id id = jm_begin_as(s, JM_CATEGORY_BATCH, "batch", "{\"size\":1}");
        for (volatile int i = 0; i < 2000; i++) {
        }
        jm_end(s, id);
        jm_session_flush(s, NULL); /* many a transaction to be killed in */
    }
}

static void check_killed(const char *path, uint64_t *ranges, uint64_t *samples) {
    jm_recording *r;
    jm_error error = {0, ""};
    if (jm_recording_open(&r, path, &error) != JM_OK) fail_msg("%s", error.message);
    *samples += walk(r, 0, INT64_MIN, INT64_MAX).samples;
    *ranges += jm_recording_range_count(r);
    for (uint64_t i = 0; i < jm_recording_range_count(r); i++) {
        jm_range range = {.size = sizeof range};
        assert_int_equal(jm_recording_range(r, i, &range), JM_OK);
        assert_true(range.end_ns >= range.begin_ns);
    }
    assert_true(has_warning(r, "cut off"));
    jm_recording_free(r);
}

static void test_kills(void **state) {
    (void)state;
    long kills = setting("JM_TEST_KILLS", 1000);
    const char *path = scratch_file("killed.jm");
    uint64_t ranges = 0, samples = 0;
    srand(11);
    for (long i = 0; i < kills; i++) {
        unlink(path);
        pid_t pid = fork();
        if (pid == 0) {
            be_killed(path);
            _exit(1);
        }
        /* From the moment at which there is a file. */
        while (access(path, F_OK) != 0) usleep(50);
        usleep((useconds_t)rand() % 15000);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_killed(path, &ranges, &samples);
    }
    printf("# %ld kills; a file held %.1f samples and %.1f ranges\n", kills,
           (double)samples / (double)kills, (double)ranges / (double)kills);
#ifndef JM_SANITIZED /* slower than the kill */
    /* on a busy machine many are killed before their first sample */
    assert_true(samples > (uint64_t)kills / 50 && ranges > (uint64_t)kills / 50);
#endif
}

/* Killed while a second passes: no more than that is lost. */
static void test_lost_at_most(void **state) {
    (void)state;
    const char *path = scratch_file("lost.jm");
    pid_t pid = fork();
    if (pid == 0) {
        jm_session_options options = JM_SESSION_OPTIONS_INIT;
        options.path = path;
        jm_session *s = open_plain(&options);
        for (;;) {
            jm_end(s, jm_begin(s, "tick"));
            usleep(1000);
        }
    }
    sleep_ms(2700);
    int64_t killed = jm_now_ns();
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    jm_recording *r;
    assert_int_equal(jm_recording_open(&r, path, NULL), JM_OK);
    assert_true(killed - jm_recording_end_ns(r) < 1300 * INT64_C(1000000));
    assert_true(jm_recording_range_count(r) > 500);
    jm_recording_free(r);
}

static void test_probe(void **state) {
    (void)state;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.gpus = "none";
    jm_probe *probe;
    jm_error error = {0, ""};
    assert_int_equal(jm_probe_open(&probe, &options, &error), JM_OK);
    jm_finding finding = {.size = sizeof finding};
    for (uint32_t i = 0; i < jm_probe_finding_count(probe); i++) {
        assert_int_equal(jm_probe_finding(probe, i, &finding), JM_OK);
        assert_true(finding.interface[0] != '\0' && finding.message != NULL);
    }
    assert_int_equal(jm_probe_finding(probe, 100000, &finding), JM_NOT_FOUND);
    assert_true(jm_recording_sensor_count(jm_probe_recording(probe)) > 0);
    jm_probe_free(probe);
    jm_probe_free(NULL);
}

/* ---- little room ---- */

/* In a process of its own, with the signals as they are by default. */
static int in_little_room(int what, rlim_t bytes) {
    struct rlimit limit = {bytes, bytes};
    jm_session *s = NULL;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.flags = JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    signal(SIGXFSZ, SIG_DFL);
    if (setrlimit(what, &limit) != 0 || jm_session_open(&s, &options, NULL) != JM_OK) return 100;
    jm_range_id id = jm_begin(s, "work");
    jm_end(s, id);
    pid_t pid = fork();
    if (pid == 0) {
        jm_end(s, jm_begin(s, "child"));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    bool joining = strlen(jm_session_environment(s)[0]) > strlen("JOULEMETER_SESSION=");
    jm_recording *r = NULL;
    if (jm_session_close(s, &r, NULL) != JM_OK || id == 0) return 101;
    int said = has_warning(r, "threads can mark ranges") + 2 * has_warning(r, "cannot join");
    if (jm_recording_range_count(r) != 2 || joining == has_warning(r, "cannot join")) return 102;
    jm_recording_free(r);
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGXFSZ) ? 103 : said;
}

static int little_room(int what, rlim_t bytes) {
    pid_t pid = fork();
    if (pid == 0) _exit(in_little_room(what, bytes));
    return wait_for(pid);
}

static void test_little_room(void **state) {
    (void)state;
    assert_int_equal(little_room(RLIMIT_FSIZE, 400 << 20), 0);
    assert_int_equal(little_room(RLIMIT_FSIZE, 100 << 20), 1);
    assert_int_equal(little_room(RLIMIT_FSIZE, 10 << 20), 1);
    assert_int_equal(little_room(RLIMIT_FSIZE, 1 << 20), 2);
    assert_int_equal(little_room(RLIMIT_FSIZE, 0), 2);
#ifndef JM_SANITIZED /* they need much address space themselves */
    assert_int_equal(little_room(RLIMIT_AS, 250 << 20), 1);
#endif
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "measured") == 0) return be_measured(false);
    if (argc > 1 && strcmp(argv[1], "measured-closed") == 0) return be_measured(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),         cmocka_unit_test(test_facts),
        cmocka_unit_test(test_live_range),      cmocka_unit_test(test_join),
        cmocka_unit_test(test_stale),           cmocka_unit_test(test_wrong_ring),
        cmocka_unit_test(test_lost_at_most),    cmocka_unit_test(test_probe),
        cmocka_unit_test(test_kills),           cmocka_unit_test(test_little_room),
        cmocka_unit_test(test_nothing_to_join),
    };
    return cmocka_run_group_tests_name("record session", tests, NULL, NULL);
}
