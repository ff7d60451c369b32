/* Processes that joined, and forks, ask the session that measures: devices, facts, energies. */
#include "helpers.h"

#include "record/collector.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const double watts = 100000; /* of a fake source, within 1 % */

/* The child's part of a test; what is wrong shows as a line number. */
#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "# line %d of the child: %s\n", __LINE__, #what);                      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static jm_session *join(void) {
    jm_session *s = NULL;
    jm_error error = {0, ""};
    EXPECT(jm_session_open(&s, NULL, &error) == JM_OK);
    EXPECT(jm_session_joined(s));
    return s;
}

static int ask(jm_session *s, jm_range_id range, uint32_t device, jm_energy *energy) {
    jm_error error = {0, ""};
    memset(energy, 0, sizeof *energy);
    int status = jm_range_energy(s, range, device, NULL, energy, &error);
    EXPECT(status == error.status && (status == JM_OK) == (error.message[0] == '\0'));
    return status;
}

/* A fork that joins, without a program of its own. */
static pid_t fork_joined(jm_session *outer, int (*part)(jm_session *)) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    putenv((char *)jm_session_environment(outer)[0]);
    jm_session *s = join();
    int code = part(s);
    EXPECT(jm_session_close(s, NULL, NULL) == JM_OK);
    _exit(code);
}

/* ---- devices ---- */

static void check_devices(const jm_session *s) {
    jm_device device = {.size = sizeof device};
    EXPECT(jm_session_device_count(s) == 2);
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT(jm_session_device(s, i, &device) == JM_OK);
        EXPECT(strcmp(device.name, i == 0 ? "gpu0" : "gpu1") == 0);
        EXPECT(strcmp(device.vendor, "ACME") == 0 && strcmp(device.model, "Roadrunner") == 0);
        EXPECT(device.uuid[0] == '\0' && device.in_total && !device.simulated);
    }
    EXPECT(jm_session_device(s, 2, &device) == JM_NOT_FOUND);
    EXPECT(jm_session_device(s, UINT32_MAX, &device) == JM_NOT_FOUND);
    EXPECT(jm_session_device(s, 0, NULL) == JM_INVALID);
    struct {
        size_t size;
        const char *name;
    } old = {sizeof old, NULL}; /* a program of before the struct grew */
    EXPECT(jm_session_device(s, 1, (jm_device *)(void *)&old) == JM_OK);
    EXPECT(strcmp(old.name, "gpu1") == 0);
    jm_device none = {0};
    EXPECT(jm_session_device(s, 0, &none) == JM_INVALID);
}

static int see_devices(jm_session *s) {
    check_devices(s);
    return 0;
}

static jm_session *open_two(fake_source *gpus, jm_session_options *options) {
    gpus[0].base = gpus[1].base = watts;
    return open_fake((fake_source *[]){&gpus[0], &gpus[1]}, 2, options);
}

static void test_devices(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    jm_session *s = open_two(gpus, NULL);
    check_devices(s);
    assert_int_equal(wait_for(fork_joined(s, see_devices)), 0);
    pid_t pid = fork(); /* not joined: the session's own copy */
    if (pid == 0) {
        check_devices(s);
        jm_session_close(s, NULL, NULL);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(jm_session_device_count(NULL), 0);
    jm_session_close(s, NULL, NULL);
}

/* What stands in the ring a process may have changed: names end all the same. */
static int see_some_device(jm_session *s) {
    jm_device device = {.size = sizeof device};
    uint32_t count = jm_session_device_count(s);
    EXPECT(count == JMI_RING_DEVICES);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT(jm_session_device(s, i, &device) == JM_OK);
        EXPECT(strlen(device.name) < 32 && strlen(device.driver) < 64);
    }
    return 0;
}

static void test_hostile_devices(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    jm_session *s = open_two(gpus, NULL);
    memset(s->ring->devices, 'x', JMI_RING_DEVICES * sizeof *s->ring->devices);
    s->ring->header->device_count = UINT32_MAX;
    assert_int_equal(wait_for(fork_joined(s, see_some_device)), 0);
    check_devices(s);
    jm_session_close(s, NULL, NULL);
}

/* ---- facts ---- */

static int set_facts(jm_session *s) {
    char key[JMI_MAX_NAME + 2], value[JMI_MAX_ATTRIBUTES + 2];
    memset(key, 'k', sizeof key - 1);
    memset(value, 'v', sizeof value - 1);
    key[sizeof key - 1] = value[sizeof value - 1] = '\0';
    EXPECT(jm_session_set_info(s, key, "") == JM_INVALID);
    EXPECT(jm_session_set_info(s, "model", value) == JM_INVALID);
    EXPECT(jm_session_set_info(s, "", "x") == JM_INVALID);
    EXPECT(jm_session_set_info(s, NULL, "x") == JM_INVALID);
    EXPECT(jm_session_set_info(s, "x", NULL) == JM_INVALID);
    EXPECT(jm_session_set_info(NULL, "x", "x") == JM_INVALID);
    key[JMI_MAX_NAME] = value[JMI_MAX_ATTRIBUTES] = '\0';
    EXPECT(jm_session_set_info(s, key, value) == JM_OK);
    EXPECT(jm_session_set_info(s, "host", "elsewhere") == JM_OK); /* and is ignored */
    EXPECT(jm_session_set_info(s, "command", "rm") == JM_OK);
    EXPECT(jm_session_set_info(s, "model", "resnet18") == JM_OK);
    EXPECT(jm_session_set_info(s, "model", "resnet50") == JM_OK);
    EXPECT(jm_session_set_info(s, "odd \xff", "1") == JM_OK);
    EXPECT(jm_session_set_info(s, "odd \xff", "2") == JM_OK);
    EXPECT(jm_session_set_info(s, "empty", "") == JM_OK);
    return 0;
}

static void test_facts(void **state) {
    (void)state;
    const char *path = scratch_file("facts.jm");
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = path;
    jm_session *s = open_plain(&options);
    assert_int_equal(jm_session_set_info(s, "command", "train"), JM_OK);
    char host[300];
    snprintf(host, sizeof host, "%s", jm_recording_info(jm_session_recording(s), "host"));
    uint32_t before = jm_recording_info_count(jm_session_recording(s));
    assert_int_equal(wait_for(fork_joined(s, set_facts)), 0);
    pid_t pid = fork(); /* a fork sets facts likewise */
    if (pid == 0) {
        EXPECT(jm_session_set_info(s, "worker", "1") == JM_OK);
        EXPECT(jm_session_set_info(s, "host", "elsewhere") == JM_OK);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    jm_recording_free(close_session(s));
    jm_recording *r;
    assert_int_equal(jm_recording_open(&r, path, NULL), JM_OK);
    assert_int_equal(jm_recording_info_count(r), before + 5);
    assert_string_equal(jm_recording_info(r, "host"), host);
    assert_string_equal(jm_recording_info(r, "command"), "train");
    assert_string_equal(jm_recording_info(r, "model"), "resnet50");
    assert_string_equal(jm_recording_info(r, "odd ?"), "2");
    assert_string_equal(jm_recording_info(r, "empty"), "");
    assert_string_equal(jm_recording_info(r, "worker"), "1");
    char key[JMI_MAX_NAME + 1];
    memset(key, 'k', JMI_MAX_NAME);
    key[JMI_MAX_NAME] = '\0';
    assert_int_equal(strlen(jm_recording_info(r, key)), JMI_MAX_ATTRIBUTES);
    jm_recording_free(r);
}

static int set_many_facts(jm_session *s) {
    char key[32];
    for (int i = 0; i < JMI_MAX_FOREIGN + 100; i++) {
        snprintf(key, sizeof key, "fact %d", i);
        EXPECT(jm_session_set_info(s, key, "before") == JM_OK);
    }
    EXPECT(jm_session_set_info(s, "fact 0", "after") == JM_OK); /* one that is there may change */
    return 0;
}

static void test_many_facts(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    uint32_t before = jm_recording_info_count(jm_session_recording(s));
    assert_int_equal(wait_for(fork_joined(s, set_many_facts)), 0);
    /* Our own are not among those that are counted. */
    jm_session_recording(s);
    assert_int_equal(jm_session_set_info(s, "ours", "too"), JM_OK);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_info_count(r), before + JMI_MAX_FOREIGN + 1);
    assert_string_equal(jm_recording_info(r, "fact 0"), "after");
    assert_string_equal(jm_recording_info(r, "fact 999"), "before");
    assert_null(jm_recording_info(r, "fact 1000"));
    assert_string_equal(jm_recording_info(r, "ours"), "too");
    assert_true(has_warning(r, "more than 1000 facts"));
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(r, &stats);
    assert_int_equal(stats.dropped, 0); /* no range was lost */
    jm_recording_free(r);
}

/* ---- energies ---- */

static void check_energy(const jm_energy *e, double devices) {
    EXPECT(isfinite(e->energy_j) && e->lower_j <= e->energy_j && e->energy_j <= e->upper_j);
    EXPECT(e->duration_s > 0 && (e->provenance & JM_FROM_POWER) != 0);
    EXPECT(fabs(e->energy_j - devices * watts * e->duration_s) <
           0.25 * devices * watts * e->duration_s);
}

static void ask_for_all(jm_session *s) {
    jm_energy now, later, one, ended;
    jm_range_id range = jm_begin_as(s, JM_CATEGORY_EPOCH, "epoch", NULL);
    sleep_ms(150);
    EXPECT(ask(s, range, JM_DEVICE_TOTAL, &now) == JM_OK);
    check_energy(&now, 2);
    sleep_ms(50);
    EXPECT(ask(s, range, JM_DEVICE_TOTAL, &later) == JM_OK);
    EXPECT(later.duration_s >= now.duration_s + 0.02 && later.energy_j > now.energy_j);
    EXPECT(ask(s, range, 1, &one) == JM_OK);
    check_energy(&one, 1);
    sleep_ms(50); /* readings that cover it come a little later */
    jm_end(s, range);
    sleep_ms(50);
    EXPECT(ask(s, range, 0, &ended) == JM_OK);
    check_energy(&ended, 1);
    EXPECT(ended.duration_s >= later.duration_s + 0.05);
    EXPECT(ask(s, range, 0, &one) == JM_OK);
    EXPECT(one.duration_s == ended.duration_s); /* it grows no more */
}

static void ask_in_vain(jm_session *s) {
    jm_energy e;
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_range_id range = jm_begin(s, "range");
    EXPECT(ask(s, range + 1000, 0, &e) == JM_NOT_FOUND);
    EXPECT(ask(s, 0, 0, &e) == JM_NOT_FOUND);
    EXPECT(ask(s, UINT64_MAX, 0, &e) == JM_NOT_FOUND);
    EXPECT(ask(s, range, 2, &e) == JM_NOT_FOUND);
    EXPECT(ask(s, range, 4000000000u, &e) == JM_NOT_FOUND);
    EXPECT(jm_range_energy(s, range, 0, NULL, NULL, NULL) == JM_INVALID);
    options.method = (jm_method)77;
    EXPECT(jm_range_energy(s, range, 0, &options, &e, NULL) == JM_INVALID);
    options.method = JM_METHOD_COUNTER; /* there is none */
    EXPECT(jm_range_energy(s, range, 0, &options, &e, NULL) == JM_NO_DATA);
    jm_end(s, range);
}

/* Options travel with the question. */
static void ask_with_options(jm_session *s) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_energy narrow, wide;
    jm_range_id range = jm_begin(s, "range");
    sleep_ms(100);
    jm_end(s, range);
    sleep_ms(50);
    options.gain_u = 0.001;
    options.method = JM_METHOD_POWER;
    EXPECT(jm_range_energy(s, range, 0, &options, &narrow, NULL) == JM_OK);
    options.gain_u = 0.5;
    EXPECT(jm_range_energy(s, range, 0, &options, &wide, NULL) == JM_OK);
    EXPECT(wide.u_systematic_j > 10 * narrow.u_systematic_j);
}

static int be_asking(void) {
    jm_session *s = join();
    check_devices(s);
    ask_for_all(s);
    ask_in_vain(s);
    ask_with_options(s);
    EXPECT(jm_session_close(s, NULL, NULL) == JM_OK);
    return 0;
}

static void test_ask(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    jm_session *s = open_two(gpus, NULL);
    char *const *settings = (char *const *)jm_session_environment(s);
    assert_int_equal(wait_for(start_self("asking", settings)), 0);
    /* What the child was told is what is told here. */
    jm_energy e;
    jm_range epoch = range_at(jm_session_recording(s), 0);
    assert_string_equal(epoch.name, "epoch");
    assert_false(epoch.unfinished);
    assert_int_equal(jm_range_energy(s, epoch.id, 0, NULL, &e, NULL), JM_OK);
    check_energy(&e, 1);
    jm_session_close(s, NULL, NULL);
}

static void test_fork_asks(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    jm_session *s = open_two(gpus, NULL);
    jm_range_id outer = jm_begin(s, "parent's");
    pid_t pid = fork();
    if (pid == 0) {
        jm_energy e;
        ask_for_all(s);
        ask_in_vain(s);
        EXPECT(ask(s, outer, JM_DEVICE_TOTAL, &e) == JM_OK);
        check_energy(&e, 2);
        jm_session_close(s, NULL, NULL);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    jm_session_close(s, NULL, NULL);
}

/* ---- many at once ---- */

enum { THREADS = 8, PROCESSES = 6, QUESTIONS = 25 };

static void *ask_much(void *argument) {
    jm_session *s = argument;
    for (int i = 0; i < QUESTIONS; i++) {
        jm_energy e;
        jm_range_id range = jm_begin(s, "short");
        sleep_ms(i % 3);
        EXPECT(ask(s, range, JM_DEVICE_TOTAL, &e) == JM_OK);
        EXPECT(e.duration_s < 60);
        jm_end(s, range);
        EXPECT(ask(s, range + 1000000, 0, &e) == JM_NOT_FOUND);
    }
    return NULL;
}

static int be_many(void) {
    pthread_t threads[THREADS];
    jm_session *s = join();
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, ask_much, s);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    EXPECT(jm_session_close(s, NULL, NULL) == JM_OK);
    return 0;
}

static void test_many(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    jm_session *s = open_two(gpus, NULL);
    pid_t pids[PROCESSES];
    sleep_ms(50);
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_self("many", (char *const *)jm_session_environment(s));
    for (int i = 0; i < PROCESSES; i++) assert_int_equal(wait_for(pids[i]), 0);
    for (int i = 0; i < JMI_QUESTIONS; i++)
        assert_int_equal(atomic_load(&s->ring->questions[i].owner), 0);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), PROCESSES * THREADS * QUESTIONS);
    jm_recording_free(r);
}

/* ---- ends of sessions and processes ---- */

/* While its driver hangs a session cannot start the thread that answers. */
static void hang(fake_source *gpu) {
    atomic_store(&gpu->hang, 1);
    sleep_ms(30);
}

static bool is_asked(jm_session *s, int questions) {
    int count = 0;
    for (int i = 0; i < JMI_QUESTIONS; i++)
        count += (atomic_load(&s->ring->questions[i].state) & 3) == JMI_QUESTION_ASKED;
    return count >= questions;
}

static void wait_until_asked(jm_session *s, int questions) {
    for (int i = 0; i < 1000 && !is_asked(s, questions); i++) sleep_ms(5);
    assert_true(is_asked(s, questions));
}

static pid_t fork_asker(jm_session *s, int expected) {
    pid_t pid = fork();
    if (pid == 0) {
        jm_energy e;
        EXPECT(ask(s, jm_begin(s, "x"), 0, &e) == expected);
        _exit(0);
    }
    return pid;
}

static void test_close(void **state) {
    (void)state;
    enum { ASKERS = JMI_QUESTIONS + 4 };  /* some wait for a question to become free */
    static fake_source gpu = {.base = 1}; /* the thread that hangs outlives the test */
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    pid_t askers[ASKERS];
    hang(&gpu);
    for (int i = 0; i < ASKERS; i++) askers[i] = fork_asker(s, JM_CLOSED);
    wait_until_asked(s, JMI_QUESTIONS);
    int64_t from = jm_now_ns();
    jm_session_close(s, NULL, NULL);
    for (int i = 0; i < ASKERS; i++) assert_int_equal(wait_for(askers[i]), 0);
    assert_true(jm_now_ns() - from < 3 * JMI_NS_PER_S);
    atomic_store(&gpu.hang, 0);
    sleep_ms(20);
}

/* Closed under load: each answer is an energy, or that it is over. */
static void test_close_while_answering(void **state) {
    (void)state;
    fake_source gpus[2] = {{0}};
    for (int round = 0; round < 10; round++) {
        jm_session *s = open_two(gpus, NULL);
        pid_t askers[4];
        for (int i = 0; i < 4; i++) {
            askers[i] = fork();
            if (askers[i] != 0) continue;
            jm_energy e;
            int status;
            jm_range_id range = jm_begin(s, "x");
            do {
                status = ask(s, range, 0, &e);
            } while (status == JM_OK || status == JM_NO_DATA);
            EXPECT(status == JM_CLOSED);
            EXPECT(ask(s, range, 0, &e) == JM_CLOSED);
            _exit(0);
        }
        sleep_ms(20 + 10 * round);
        jm_session_close(s, NULL, NULL);
        for (int i = 0; i < 4; i++) assert_int_equal(wait_for(askers[i]), 0);
    }
}

/* Killed, the outer session closes nothing. */
static void test_killed_session(void **state) {
    (void)state;
    int pipes[2];
    char told = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t outer = fork();
    if (outer == 0) {
        static fake_source gpu = {.base = 1};
        jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
        hang(&gpu);
        if (fork() == 0) {
            jm_energy e;
            jm_range_id range = jm_begin(s, "x");
            EXPECT(write(pipes[1], "a", 1) == 1);
            EXPECT(ask(s, range, 0, &e) == JM_CLOSED);
            EXPECT(write(pipes[1], "z", 1) == 1);
            _exit(0);
        }
        for (;;) pause();
    }
    assert_int_equal(read(pipes[0], &told, 1), 1);
    sleep_ms(50);
    kill(outer, SIGKILL);
    int64_t from = jm_now_ns();
    close(pipes[1]);                               /* ends the wait if the asker dies */
    assert_int_equal(read(pipes[0], &told, 1), 1); /* not yet waited for, it counts as gone */
    assert_int_equal(told, 'z');
    assert_true(jm_now_ns() - from < 3 * JMI_NS_PER_S);
    close(pipes[0]);
    wait_for(outer);
}

/* All questions belong to processes that were killed, which nobody has waited for. */
static void test_killed_askers(void **state) {
    (void)state;
    fake_source gpu = {.base = watts};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    pid_t askers[JMI_QUESTIONS];
    sleep_ms(20);
    hang(&gpu);
    for (int i = 0; i < JMI_QUESTIONS; i++) askers[i] = fork_asker(s, JM_OK);
    wait_until_asked(s, JMI_QUESTIONS);
    for (int i = 0; i < JMI_QUESTIONS; i++) kill(askers[i], SIGKILL);
    atomic_store(&gpu.hang, 0);
    pid_t last = fork_asker(s, JM_OK);
    assert_int_equal(wait_for(last), 0);
    for (int i = 0; i < JMI_QUESTIONS; i++) assert_int_equal(wait_for(askers[i]), 1000 + SIGKILL);
    jm_session_close(s, NULL, NULL);
}

/* An asker dies while its answer is made, another one takes its question over: it is not told
 * what was meant for the dead. */
static void test_late_answer(void **state) {
    (void)state;
    fake_source gpu = {.base = watts};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    jm_range_id slow = jm_begin(s, "long");
    sleep_ms(300);
    jm_range_id quick = jm_begin(s, "short");
    sleep_ms(100);
    jm_end(s, quick);
    jm_end(s, slow);
    jm_session_recording(s);
    pthread_mutex_lock(&s->collector->lock); /* no answer comes */
    pid_t first = fork();
    if (first == 0) {
        jm_energy e;
        ask(s, slow, 0, &e);
        _exit(0);
    }
    wait_until_asked(s, 1);
    for (int i = 1; i < JMI_QUESTIONS; i++)
        atomic_store(&s->ring->questions[i].owner, (uint64_t)getpid() << 32);
    sleep_ms(100); /* the thread is at it */
    kill(first, SIGKILL);
    pid_t second = fork();
    if (second == 0) {
        jm_energy e;
        EXPECT(ask(s, quick, 0, &e) == JM_OK);
        EXPECT(e.duration_s < 0.25);
        _exit(0);
    }
    while (atomic_load(&s->ring->questions[0].owner) >> 32 != (uint64_t)second || !is_asked(s, 1))
        sleep_ms(5);
    pthread_mutex_unlock(&s->collector->lock);
    assert_int_equal(wait_for(second), 0);
    assert_int_equal(wait_for(first), 1000 + SIGKILL);
    jm_session_close(s, NULL, NULL);
}

/* Of another pid namespace's processes only the end of their patience is known. */
static void test_foreign_asker(void **state) {
    (void)state;
    fake_source gpu = {.base = watts};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    uint64_t now_s = (uint64_t)(jm_now_ns() / JMI_NS_PER_S);
    for (int i = 0; i < JMI_QUESTIONS; i++)
        atomic_store(&s->ring->questions[i].owner, JMI_OWNER_FOREIGN | 1ull << 32 | (now_s + 1));
    int64_t from = jm_now_ns();
    sleep_ms(50);
    assert_int_equal(wait_for(fork_asker(s, JM_OK)), 0);
    assert_true(jm_now_ns() - from > 500 * 1000 * 1000 && jm_now_ns() - from < 5 * JMI_NS_PER_S);
    jm_session_close(s, NULL, NULL);
}

/* ---- hostile questions ---- */

static int put_and_wait(jm_session *s, jmi_question *question) {
    uint32_t turn = atomic_load(&question->state) / 4 + 1;
    uint32_t asked = turn << 2 | JMI_QUESTION_ASKED;
    atomic_store(&question->state, asked);
    _Atomic uint32_t *words[] = {&s->ring->header->asked, &s->ring->header->doorbell};
    for (size_t i = 0; i < JMI_COUNT(words); i++) {
        atomic_fetch_add(words[i], 1);
        jmi_futex_wake(words[i]);
    }
    for (int i = 0; i < 2000 && atomic_load(&question->state) == asked; i++) sleep_ms(1);
    assert_int_equal(atomic_load(&question->state), turn << 2 | JMI_QUESTION_ANSWERED);
    return question->status;
}

static void test_hostile(void **state) {
    (void)state;
    fake_source gpu = {.base = watts};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    jm_range_id range = jm_begin(s, "x");
    sleep_ms(50);
    jmi_question *q = &s->ring->questions[5];
    const jmi_question good = {.range = range, .device = JM_DEVICE_TOTAL};
#define ASK(field, value)                                                                          \
    (memcpy(&q->range, &good.range, sizeof good - offsetof(jmi_question, range)),                  \
     q->field = (value), put_and_wait(s, q))
    assert_int_equal(ASK(range, range), JM_OK);
    assert_int_equal(ASK(range, 0), JM_NOT_FOUND);
    assert_int_equal(ASK(range, UINT64_MAX), JM_NOT_FOUND);
    assert_int_equal(ASK(device, 4000000000u), JM_NOT_FOUND);
    assert_int_equal(ASK(method, 77), JM_INVALID);
    assert_int_equal(ASK(method, UINT32_MAX), JM_INVALID);
    assert_int_equal(ASK(gain_u, (double)NAN), JM_INVALID);
    assert_int_equal(ASK(gain_u, -1), JM_INVALID);
    assert_int_equal(ASK(gain_u, (double)INFINITY), JM_INVALID);
    assert_int_equal(ASK(offset_u_w, (double)NAN), JM_INVALID);
    assert_int_equal(ASK(no_activity, UINT32_MAX), JM_OK);
    assert_int_equal(ASK(status, 12345), JM_OK);
#undef ASK
    /* Honest ones go on. */
    assert_int_equal(wait_for(fork_asker(s, JM_OK)), 0);
    jm_session_close(s, NULL, NULL);
}

/* A process scribbles over questions, devices and the header's counters while others ask. */
static void test_scribbling(void **state) {
    (void)state;
    fake_source gpu = {.base = watts};
    jm_session *s = open_fake((fake_source *[]){&gpu}, 1, NULL);
    jm_range_id range = jm_begin(s, "x");
    pid_t scribbler = fork();
    if (scribbler == 0) {
        uint64_t seed = 88172645463325252u;
        volatile uint64_t *words = (volatile uint64_t *)(void *)s->ring->questions;
        size_t count = JMI_QUESTIONS * sizeof(jmi_question) / 8;
        int64_t end = jm_now_ns() + 700 * 1000000LL;
        for (uint64_t i = 0; (i & 1023) != 0 || jm_now_ns() < end; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            words[(seed >> 20) % count] = (seed & 7) == 0 ? seed : seed & 7;
            if ((i & 255) == 0) s->ring->questions[seed % JMI_QUESTIONS].range = range;
            if ((i & 63) == 0) atomic_fetch_add(&s->ring->header->asked, 1);
            if ((i & 63) == 0) jmi_futex_wake(&s->ring->header->asked);
        }
        memset(s->ring->questions, 0, JMI_QUESTIONS * sizeof(jmi_question));
        _exit(0);
    }
    jm_energy e;
    for (int i = 0; i < 70; i++) {
        int status = jm_range_energy(s, range, 0, NULL, &e, NULL);
        assert_true(status == JM_OK || status == JM_NO_DATA);
        sleep_ms(10);
    }
    assert_int_equal(wait_for(scribbler), 0);
    assert_int_equal(wait_for(fork_asker(s, JM_OK)), 0);
    jm_session_close(s, NULL, NULL);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "asking") == 0) return be_asking();
    if (argc > 1 && strcmp(argv[1], "many") == 0) return be_many();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_hostile_devices),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_many_facts),
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_fork_asks),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_while_answering),
        cmocka_unit_test(test_killed_session),
        cmocka_unit_test(test_killed_askers),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_foreign_asker),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_scribbling),
    };
    return cmocka_run_group_tests_name("record questions", tests, NULL, NULL);
}
