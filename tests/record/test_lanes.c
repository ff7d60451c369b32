/* Lanes of processes that die or leave, of more threads than there are lanes, and ranges that are
 * handed over whole. */
#include "helpers.h"

#include "record/collector.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- processes that are killed ---- */

/* Ranges in a state, of one process or of all (0). */
static uint64_t count(jm_session *s, jmi_range_state wanted, pid_t pid) {
    jm_recording *r = (jm_recording *)jm_session_recording(s);
    uint64_t found = 0;
    jmi_recording_lock(r);
    for (uint64_t i = 0; i < r->ranges.count; i++) {
        const jmi_range_row *row = jmi_range_at(r, i);
        found += row->state == wanted && (pid == 0 || row->pid == (uint32_t)pid);
    }
    jmi_recording_unlock(r);
    return found;
}

static void wait_for_ranges(jm_session *s, jmi_range_state wanted, pid_t pid, uint64_t ranges) {
    for (int i = 0; i < 1000 && count(s, wanted, pid) < ranges; i++) sleep_ms(5);
    assert_int_equal(count(s, wanted, pid), ranges);
}

static bool is_taken(jm_session *s, pid_t pid) {
    for (size_t i = 0; i < JMI_LANES; i++)
        if (atomic_load(&s->ring->lanes[i].owner) >> 32 == (uint64_t)pid) return true;
    return false;
}

/* A fork that begins ranges and waits to be killed. */
static pid_t fork_beginner(jm_session *s, int ranges) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    for (int i = 0; i < ranges; i++) jm_begin(s, "begun");
    for (;;) pause();
}

static void test_killed(void **state) {
    (void)state;
    const char *path = scratch_file("killed.jm");
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = path;
    jm_session *s = open_plain(&options);
    jm_range_id ours = jm_begin(s, "ours");
    pid_t pid = fork_beginner(s, 3);
    wait_for_ranges(s, JMI_RANGE_OPEN, pid, 3);
    sleep_ms(100);
    kill(pid, SIGKILL); /* and nobody waits for it */
    int64_t died = jm_now_ns();
    wait_for_ranges(s, JMI_RANGE_UNFINISHED, pid, 3);
    assert_true(jm_now_ns() - died < 3 * JMI_NS_PER_S);
    const jm_recording *r = jm_session_recording(s);
    for (uint64_t i = 1; i < 4; i++) {
        jm_range range = range_at(r, i);
        assert_true(range.unfinished && range.pid == (uint32_t)pid);
        assert_true(range.end_ns >= died && range.end_ns <= jm_now_ns());
        assert_true(range.end_ns <= jm_recording_end_ns(r));
    }
    assert_false(is_taken(s, pid));
    /* Only what is open is known as such. */
    assert_int_equal(s->collector->open.used, 1);
    assert_int_equal(count(s, JMI_RANGE_OPEN, 0), 1);
    jm_end(s, ours);
    assert_int_equal(count(s, JMI_RANGE_ENDED, getpid()), 1);
    assert_int_equal(s->collector->open.used, 0);
    assert_int_equal(wait_for(pid), 1000 + SIGKILL);
    int64_t end = range_at(r, 1).end_ns;
    sleep_ms(50);
    jm_recording_free(close_session(s));
    jm_recording *file;
    assert_int_equal(jm_recording_open(&file, path, NULL), JM_OK);
    jm_range range = range_at(file, 1);
    assert_true(range.unfinished && range.end_ns == end);
    assert_false(range_at(file, 0).unfinished);
    jm_recording_free(file);
}

/* Of two processes with many open ranges one dies: those of the other stay as they are. */
static void test_one_of_two(void **state) {
    (void)state;
    enum { RANGES = 3000 };
    jm_session *s = open_plain(NULL);
    pid_t first = fork_beginner(s, RANGES), second = fork();
    if (second == 0) {
        static jm_range_id ids[RANGES];
        for (int i = 0; i < RANGES; i++) ids[i] = jm_begin(s, "lives on");
        while (is_taken(s, first)) sleep_ms(10);
        sleep_ms(50); /* its ranges go after its lane */
        for (int i = 0; i < RANGES; i++) jm_end(s, ids[i]);
        _exit(0);
    }
    wait_for_ranges(s, JMI_RANGE_OPEN, first, RANGES);
    wait_for_ranges(s, JMI_RANGE_OPEN, second, RANGES);
    kill(first, SIGKILL);
    wait_for_ranges(s, JMI_RANGE_UNFINISHED, first, RANGES);
    assert_int_equal(wait_for(second), 0);
    wait_for_ranges(s, JMI_RANGE_ENDED, second, RANGES);
    assert_int_equal(s->collector->open.used, 0);
    assert_int_equal(wait_for(first), 1000 + SIGKILL);
    jm_session_close(s, NULL, NULL);
}

/* Lanes of those that died are claimed again before new ones are. */
static void test_claimed_again(void **state) {
    (void)state;
    enum { CHILDREN = 20 };
    jm_session *s = open_plain(NULL);
    pid_t pids[CHILDREN];
    uint32_t used = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CHILDREN; i++) pids[i] = fork_beginner(s, 1);
        for (int i = 0; i < CHILDREN; i++) wait_for_ranges(s, JMI_RANGE_OPEN, pids[i], 1);
        if (round == 0) used = atomic_load(&s->ring->header->lanes_used);
        for (int i = 0; i < CHILDREN; i++) kill(pids[i], SIGKILL);
        for (int i = 0; i < CHILDREN; i++) wait_for_ranges(s, JMI_RANGE_UNFINISHED, pids[i], 1);
        for (int i = 0; i < CHILDREN; i++) wait_for(pids[i]);
    }
    assert_int_equal(atomic_load(&s->ring->header->lanes_used), used);
    jm_session_close(s, NULL, NULL);
}

/* ---- a process whose threads have left their lanes ---- */

static void *begin_and_leave(void *session) {
    jm_begin(session, "left behind");
    return NULL;
}

static int be_leaving(void) {
    jm_session *s;
    pthread_t thread;
    if (jm_session_open(&s, NULL, NULL) != JM_OK || !jm_session_joined(s)) return 1;
    pthread_create(&thread, NULL, begin_and_leave, s);
    pthread_join(thread, NULL);
    for (;;) pause();
}

static void test_left(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    pid_t pid = start_self("leaving", (char *const *)jm_session_environment(s));
    wait_for_ranges(s, JMI_RANGE_OPEN, pid, 1);
    for (int i = 0; i < 400 && is_taken(s, pid); i++) sleep_ms(5);
    assert_false(is_taken(s, pid));
    sleep_ms(1200); /* it is looked for, and lives */
    assert_int_equal(count(s, JMI_RANGE_OPEN, pid), 1);
    kill(pid, SIGKILL);
    wait_for_ranges(s, JMI_RANGE_UNFINISHED, pid, 1);
    assert_int_equal(wait_for(pid), 1000 + SIGKILL);
    jm_session_close(s, NULL, NULL);
}

/* ---- process ids of another namespace ---- */

static void test_foreign(void **state) {
    (void)state;
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    wait_for(dead);
    jm_session *s = open_plain(NULL);
    uint64_t owners[] = {(uint64_t)dead << 32 | 1, JMI_OWNER_FOREIGN | (uint64_t)dead << 32 | 1};
    for (size_t i = 0; i < 2; i++) atomic_store(&s->ring->lanes[i].owner, owners[i]);
    atomic_store(&s->ring->header->lanes_used, 2);
    for (int i = 0; i < 600 && atomic_load(&s->ring->lanes[0].owner) != 0; i++) sleep_ms(5);
    assert_int_equal(atomic_load(&s->ring->lanes[0].owner), 0);
    assert_true(atomic_load(&s->ring->lanes[1].owner) == owners[1]);
    jm_session_close(s, NULL, NULL);
}

/* A fork of a fork that is in another pid namespace: its number, 1 there, is none of ours, so that
 * nobody may take it for dead or alive by it. */
static void test_namespace(void **state) {
    (void)state;
    enum { NOT_ALLOWED = 77 };
    jm_session *s = open_plain(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWPID) != 0) _exit(NOT_ALLOWED);
        pid_t inner = fork();
        if (inner == 0) {
            bool good = getpid() == 1 && jm_begin(s, "inside") != 0;
            _exit(good ? 0 : 1);
        }
        _exit(wait_for(inner));
    }
    int code = wait_for(pid);
    sleep_ms(50);
    uint64_t owner = atomic_load(&s->ring->lanes[0].owner);
    jm_recording *r = close_session(s);
    if (code == NOT_ALLOWED) {
        jm_recording_free(r);
        print_message("skipped: no pid namespace can be made here\n");
        skip();
    }
    assert_int_equal(code, 0);
    assert_true((owner & JMI_OWNER_FOREIGN) != 0 && (owner & ~JMI_OWNER_FOREIGN) >> 32 == 1);
    assert_int_equal(range_at(r, 0).pid, 1);
    jm_recording_free(r);
}

/* ---- more threads than lanes ---- */

typedef struct crowd {
    jm_session *session;
    pthread_barrier_t barrier;
    _Atomic uint64_t seated;
} crowd;

static void *be_one_of_many(void *argument) {
    crowd *c = argument;
    jm_range_id id = jm_begin(c->session, "one of many");
    if (id != 0) atomic_fetch_add(&c->seated, 1);
    pthread_barrier_wait(&c->barrier); /* all are alive */
    if (id != 0) jm_end(c->session, id);
    pthread_barrier_wait(&c->barrier);
    return NULL;
}

static void test_crowd(void **state) {
    (void)state;
    enum { THREADS = 600 };
    static pthread_t threads[THREADS];
    crowd c = {.session = open_plain(NULL)};
    pthread_barrier_init(&c.barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, be_one_of_many, &c), 0);
    pthread_barrier_wait(&c.barrier);
    assert_int_equal(atomic_load(&c.seated), JMI_LANES);
    assert_int_equal(jm_begin(c.session, "one more"), 0);
    pthread_barrier_wait(&c.barrier);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    jm_range_id later = 0;
    for (int i = 0; i < 400 && later == 0; i++) { /* lanes come back */
        later = jm_begin(c.session, "later");
        if (later == 0) sleep_ms(5);
    }
    assert_int_not_equal(later, 0);
    jm_end(c.session, later);
    uint64_t refused = atomic_load(&c.session->ring->header->unseated);
    jm_recording *r = close_session(c.session);
    assert_int_equal(jm_recording_range_count(r), JMI_LANES + 1);
    for (uint64_t i = 0; i < JMI_LANES; i++) assert_false(range_at(r, i).unfinished);
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(r, &stats);
    assert_true(refused > THREADS - JMI_LANES);
    assert_int_equal(stats.dropped, refused);
    assert_true(has_warning(r, "more than 512 threads marked ranges at the same time"));
    assert_false(has_warning(r, "faster than they could be taken"));
    jm_recording_free(r);
    pthread_barrier_destroy(&c.barrier);
}

/* ---- ranges that are handed over whole ---- */

static jmi_sensor_set *boards(void) {
    static const jm_device devices[] = {
        {.name = "gpu0", .uuid = "GPU-8c187e0d-7c4d-5d0e-9f1a-0123456789ab", .pci = "0000:3B:00.0"},
        {.name = "gpu1", .uuid = "GPU-1", .pci = "0000:5E:00.0"}};
    jmi_sensor_set *set = fake_set(NULL, 0);
    for (size_t i = 0; i < JMI_COUNT(devices); i++) {
        jm_device device = devices[i];
        device.size = sizeof device;
        device.vendor = device.model = device.driver = "";
        jmi_set_device(set, &device);
    }
    return set;
}

static jm_range kernel_on(const char *device, uint32_t stream) {
    jm_range range = JM_RANGE_INIT;
    range.category = JM_CATEGORY_KERNEL;
    range.name = "gemm";
    range.attributes = "{\"m\":64}";
    range.end_ns = jm_now_ns();
    range.begin_ns = range.end_ns - 5000;
    range.device = device;
    range.stream = stream;
    return range;
}

static void check_kernel(const jm_recording *r, uint64_t index, const char *device, uint32_t stream,
                         jm_range_id parent) {
    jm_range range = range_at(r, index);
    assert_string_equal(range.name, "gemm");
    assert_string_equal(range.attributes, "{\"m\":64}");
    assert_string_equal(range.device, device);
    assert_int_equal(range.stream, stream);
    assert_int_equal(range.parent, parent);
    assert_int_equal(range.category, JM_CATEGORY_KERNEL);
    assert_int_equal(range.end_ns - range.begin_ns, 5000);
    assert_false(range.unfinished);
}

static const struct {
    const char *asked, *got;
} on[] = {{"gpu0", "gpu0"},
          {"gpu1", "gpu1"},
          {"GPU-8c187e0d-7c4d-5d0e-9f1a-0123456789ab", "gpu0"},
          {"0000:5E:00.0", "gpu1"},
          {"0000:5e:00.0", "gpu1"}, /* as others write it */
          {"", ""},
          {NULL, ""},
          {"gpu7", ""}};

static void check_kernels(const jm_recording *r, jm_range_id parent) {
    for (uint32_t i = 0; i < JMI_COUNT(on); i++)
        check_kernel(r, i + 1, on[i].got, i * 1000000007u, i == 3 ? 4711 : parent);
}

static void test_add(void **state) {
    (void)state;
    const char *path = scratch_file("kernels.jm");
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.path = path;
    jm_session *s = NULL;
    assert_int_equal(jmi_session_open_with(&s, &options, boards(), NULL, NULL), JM_OK);
    jm_range_id outer = jm_begin(s, "outer");
    for (uint32_t i = 0; i < JMI_COUNT(on); i++) {
        jm_range range = kernel_on(on[i].asked, i * 1000000007u);
        if (i == 3) range.parent = 4711; /* whatever it is */
        assert_int_not_equal(jm_range_add(s, &range), 0);
    }
    /* Nothing is recorded of what cannot be. */
    jm_range wrong = kernel_on("a device whose name is longer than any UUID is", 0);
    assert_int_equal(jm_range_add(s, &wrong), 0);
    wrong = kernel_on("gpu0", 0);
    wrong.end_ns = wrong.begin_ns - 1;
    assert_int_equal(jm_range_add(s, &wrong), 0);
    wrong = kernel_on("gpu0", 0);
    wrong.size = 0;
    assert_int_equal(jm_range_add(s, &wrong), 0);
    assert_int_equal(jm_range_add(s, NULL), 0);
    jm_end(s, outer);
    jm_recording *r = close_session(s), *back;
    assert_int_equal(jm_recording_range_count(r), 1 + JMI_COUNT(on));
    check_kernels(r, outer);
    assert_true(has_warning(r, "to have run on gpu7, which is not measured"));
    assert_int_equal(jm_recording_open(&back, path, NULL), JM_OK);
    check_kernels(back, outer);
    jm_recording_free(back);
    jm_recording_free(r);
}

/* ---- who waits ---- */

static void *let_go_later(void *session) {
    sleep_ms(1200); /* longer than any writer waits that nobody asks to */
    jmi_collect_hold(((jm_session *)session)->collector, false);
    return NULL;
}

/* Ranges that cannot be taken yet are not lost: who marks them waits. */
static void test_held_back(void **state) {
    (void)state;
    enum { RANGES = 3 * JMI_SLOTS };
    jm_session *s = open_plain(NULL);
    pthread_t thread;
    jmi_collect_hold(s->collector, true);
    pthread_create(&thread, NULL, let_go_later, s);
    for (int i = 0; i < RANGES; i++) jm_end(s, jm_begin(s, "held back"));
    pthread_join(thread, NULL);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), RANGES);
    assert_true(has_warning(r, "had to wait"));
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(r, &stats);
    assert_int_equal(stats.dropped, 0);
    jm_recording_free(r);
}

/* ---- names of threads ---- */

static pid_t threads_number(void) {
    return (pid_t)syscall(SYS_gettid);
}

static void *says_its_number(void *number) {
    _Atomic pid_t *out = number;
    atomic_store(out, threads_number());
    while (atomic_load(out) != 0) sleep_ms(1);
    return NULL;
}

typedef struct late_speaker {
    jm_session *session;
    _Atomic pid_t number;
} late_speaker;

static void *speaks_late(void *argument) {
    late_speaker *speaker = argument;
    says_its_number(&speaker->number);
    jm_end(speaker->session, jm_begin(speaker->session, "of the late one"));
    return NULL;
}

static const char *name_of_thread(const jm_recording *r, const char *range_name) {
    for (uint64_t i = 0; i < jm_recording_range_count(r); i++) {
        jm_range range = range_at(r, i);
        if (strcmp(range.name, range_name) != 0) continue;
        char key[32];
        snprintf(key, sizeof key, "thread %u", range.thread);
        return jm_recording_info(r, key);
    }
    return NULL;
}

static void test_names(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    late_speaker speaker = {.session = s};
    pthread_t thread;
    jm_end(s, jm_begin(s, "ours"));
    jm_session_name_thread(s, 0, "first name");
    jm_session_name_thread(s, (uint32_t)threads_number(), "main loop");
    pthread_create(&thread, NULL, speaks_late, &speaker);
    while (atomic_load(&speaker.number) == 0) sleep_ms(1);
    /* Before it has said anything. */
    jm_session_name_thread(s, (uint32_t)atomic_load(&speaker.number), "loader");
    jm_session_name_thread(s, 1, "nobody");
    jm_session_name_thread(s, 0, NULL);
    jm_session_name_thread(s, 0, "");
    jm_session_name_thread(NULL, 0, "no session");
    jm_session_recording(s);
    atomic_store(&speaker.number, 0);
    pthread_join(thread, NULL);
    jm_recording *r = close_session(s);
    assert_string_equal(name_of_thread(r, "ours"), "main loop");
    assert_string_equal(name_of_thread(r, "of the late one"), "loader");
    jm_recording_free(r);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "leaving") == 0) return be_leaving();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),        cmocka_unit_test(test_one_of_two),
        cmocka_unit_test(test_claimed_again), cmocka_unit_test(test_left),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_crowd),         cmocka_unit_test(test_add),
        cmocka_unit_test(test_held_back),     cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("record lanes", tests, NULL, NULL);
}
