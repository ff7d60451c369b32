/* SPDX-License-Identifier: MIT */
/* One state in several processes, and its truth. */
#include "helpers.h"

#include "simgpu/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static int make_path(void **unused) {
    (void)unused;
    snprintf(path, sizeof path, "/tmp/simgpu-state-test-%d", (int)getpid());
    return 0;
}

static int remove_path(void **unused) {
    (void)unused;
    unlink(path);
    return 0;
}

static struct simgpu_state *must_create(const char *spec) {
    struct simgpu_error err = {0};
    struct simgpu_state *state = simgpu_state_create(path, spec, &err);
    if (!state) fail_msg("%s: %s", spec, err.text);
    return state;
}

/* Runs `work` on the state in a process of its own and returns its exit code. */
static int in_child(int (*work)(struct simgpu_state *)) {
    pid_t child = fork();
    if (child == 0) {
        struct simgpu_state *state = simgpu_state_open(path, NULL);
        _exit(state ? work(state) : 99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int drive(struct simgpu_state *state) {
    for (int i = 0; i < 200; i++) {
        if (simgpu_channel_set_power(state, 1, 100.0 + i) != 0) return 1;
        usleep(200);
    }
    return simgpu_channel_set_power(state, 1, 60.0) == 0 ? 0 : 2;
}

/* Another process and this one compute the same joules to the last bit. */
static double expected_j;
static int64_t expected_t0, expected_t1;

static int compare(struct simgpu_state *state) {
    double e = simgpu_truth_energy(state, 1, expected_t0, expected_t1);
    double f = simgpu_truth_energy(state, 0, expected_t0, expected_t1);
    return e == expected_j && f > 0.0 ? 0 : 1;
}

static void processes_share_boards_and_history(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("h100,telegraph:100:300:5ms;a100,channel");
    assert_int_equal(simgpu_state_board_count(state), 2);
    int64_t t0 = simgpu_mono_ns();
    assert_int_equal(in_child(drive), 0);
    int64_t t1 = simgpu_mono_ns();
    expected_t0 = t0;
    expected_t1 = t1;
    expected_j = simgpu_truth_energy(state, 1, t0, t1);
    double seconds = (double)(t1 - t0) * 1e-9;
    assert_true(expected_j > 56.0 * seconds && expected_j < 300.0 * seconds);
    assert_int_equal(in_child(compare), 0);
    assert_true(simgpu_truth_power(state, 1, t1) == 60.0);
    pid_t pids[SIMGPU_DRIVERS];
    assert_int_equal(simgpu_state_drivers(state, 1, pids), 0); /* it is dead by now */
    simgpu_state_close(state);
}

static void truth_knows_its_bounds(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("h100,constant:250");
    int64_t start = simgpu_state_start_mono_ns(state);
    close_to(simgpu_truth_energy(state, 0, start, start + S), 250.0, 1e-12);
    assert_true(isnan(simgpu_truth_energy(state, 1, start, start + S)));
    assert_true(isnan(simgpu_truth_energy(state, -1, start, start + S)));
    assert_true(isnan(simgpu_truth_power(state, 7, start)));
    (void)simgpu_truth_energy(state, 0, INT64_MIN, INT64_MAX);
    assert_null(simgpu_state_uuid(state, 1));
    assert_int_equal(simgpu_channel_set_power(state, 0, 100.0), -1);
    assert_int_equal(simgpu_channel_set_power(state, 5, 100.0), -1);
    assert_true(simgpu_channel_work(state, 0, 100.0, 0.01, 1.0) < 0.0);
    simgpu_state_close(state);
    simgpu_state_close(NULL);
}

static void work_takes_longer_under_a_limit(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("h100,channel");
    assert_int_equal(simgpu_channel_set_limit(state, 0, 300.0), 0);
    assert_int_equal(simgpu_channel_set_limit(state, 0, 100.0), -1);
    int64_t t0 = simgpu_mono_ns();
    double took = simgpu_channel_work(state, 0, 600.0, 0.05, 1.0);
    int64_t t1 = simgpu_mono_ns();
    const struct simgpu_board *board = simgpu_state_board(state, 0);
    double wanted = simgpu_board_work_seconds(board, 600.0, 300.0, 0.05, 1.0);
    assert_true(wanted > 0.05 && took >= wanted && took < wanted + 1.0);
    double joules = simgpu_truth_energy(state, 0, t0, t1);
    assert_true(joules > 300.0 * wanted * 0.999 && joules < 300.0 * took * 1.001 + 1.0);
    assert_true(simgpu_truth_power(state, 0, simgpu_mono_ns()) == simgpu_board_idle_w(board));
    pid_t pids[SIMGPU_DRIVERS];
    assert_int_equal(simgpu_state_drivers(state, 0, pids), 1);
    assert_int_equal(pids[0], getpid());
    simgpu_state_close(state);
}

static int die_while_editing(struct simgpu_state *state) {
    simgpu_state_lock(state, 0);
    simgpu_state_edit(state, 0);
    _exit(0);
}

static void a_writer_that_died_blocks_nobody(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("h100,channel");
    assert_int_equal(in_child(die_while_editing), 0);
    assert_int_equal(simgpu_channel_set_power(state, 0, 200.0), 0);
    assert_int_equal(simgpu_channel_set_power(state, 0, 300.0), 0);
    simgpu_state_close(state);
}

enum { MANY = 400000 };

static int flood(struct simgpu_state *state) {
    for (int i = 0; i < MANY; i++)
        if (simgpu_channel_set_power(state, 0, i % 2 ? 100.0 : 300.0) != 0) return 1;
    return 0;
}

/* The ring wraps three times under a reader's eyes. */
static void readers_are_safe_while_the_ring_wraps(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("a100,channel");
    simgpu_channel_set_power(state, 0, 100.0);
    int64_t begin = simgpu_mono_ns();
    pid_t child = fork();
    if (child == 0) {
        struct simgpu_state *own = simgpu_state_open(path, NULL);
        _exit(own ? flood(own) : 99);
    }
    int status = 0;
    long looks = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        int64_t now = simgpu_mono_ns() - MS;
        if (now - MS < begin) continue;
        double joules = simgpu_truth_energy(state, 0, now - MS, now);
        if (!(joules >= 0.1 * 0.999 && joules <= 0.3 * 1.001)) fail_msg("%g J in 1 ms", joules);
        looks++;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(looks > 0);
    /* What fell out of the ring is gone, not guessed. */
    assert_true(isnan(simgpu_truth_energy(state, 0, begin - MS, simgpu_mono_ns())));
    assert_true(isfinite(simgpu_truth_energy(state, 0, simgpu_mono_ns() - MS, simgpu_mono_ns())));
    simgpu_state_close(state);
}

static void files_are_found_from_any_directory(void **unused) {
    (void)unused;
    char directory[] = "/tmp/simgpu-dir-XXXXXX", old[4096];
    assert_non_null(mkdtemp(directory));
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(directory), 0);
    FILE *file = fopen("load.csv", "w");
    fputs("t_s,power_w\n0,111\n", file);
    fclose(file);
    struct simgpu_state *state = must_create("2*3090,schedule:load.csv");
    assert_int_equal(chdir(old), 0);
    struct simgpu_state *other = simgpu_state_open(path, NULL);
    assert_non_null(other);
    assert_true(simgpu_truth_power(other, 1, simgpu_mono_ns()) == 111.0);
    simgpu_state_close(other);
    simgpu_state_close(state);
    char name[128];
    snprintf(name, sizeof name, "%s/load.csv", directory);
    unlink(name);
    rmdir(directory);
}

static void open_must_fail(const char *why) {
    struct simgpu_error err = {0};
    struct simgpu_state *state = simgpu_state_open(path, &err);
    if (state) fail_msg("%s: opened", why);
    if (err.text[0] == '\0') fail_msg("%s: no sentence", why);
}

static void damaged_state_files_are_refused(void **unused) {
    (void)unused;
    simgpu_state_close(must_create("h100"));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 1), 0);
    open_must_fail("short");
    assert_int_equal(truncate(path, 100), 0);
    open_must_fail("very short");
    assert_int_equal(truncate(path, 0), 0);
    open_must_fail("empty");
    unlink(path);
    open_must_fail("absent");

    /* A header that promises more boards than the file holds. */
    simgpu_state_close(must_create("h100,constant:5"));
    int fd = open(path, O_RDWR);
    char block[20000];
    ssize_t got = pread(fd, block, sizeof block, 0);
    char *spec = memmem(block, (size_t)got, "h100,constant:5", 15);
    assert_non_null(spec);
    assert_int_equal(pwrite(fd, "64*h100", 8, spec - block), 8);
    open_must_fail("too many boards");
    assert_int_equal(pwrite(fd, "nonsense", 9, spec - block), 9);
    open_must_fail("bad spec");
    close(fd);
}

static void a_state_that_cannot_be_written(void **unused) {
    (void)unused;
    struct simgpu_error err = {0};
    assert_null(simgpu_state_create("/no/such/directory/state", "h100", &err));
    assert_non_null(strstr(err.text, "cannot create"));
    assert_null(simgpu_state_create(path, "h100,replay:/no/file", &err));
    assert_non_null(strstr(err.text, "/no/file"));
    assert_int_equal(access(path, F_OK), -1);
    assert_null(simgpu_state_create(path, "nonsense", &err));
}

static void a_state_without_a_name(void **unused) {
    (void)unused;
    struct simgpu_state *state = simgpu_state_create(NULL, "64*b200", NULL);
    assert_non_null(state);
    assert_int_equal(simgpu_state_board_count(state), 64);
    simgpu_state_close(state);
}

/* The observer's effect: reading at some 1 kHz costs watts while it lasts. */
static void polling_draws_power(void **unused) {
    (void)unused;
    struct simgpu_state *state = must_create("h100,constant:100,poll_power_w=2");
    int64_t begin = simgpu_mono_ns();
    while (simgpu_mono_ns() - begin < S / 2) {
        simgpu_state_lock(state, 0);
        simgpu_state_note_poll(state, 0);
        simgpu_state_unlock(state, 0);
        usleep(1000);
    }
    double power_w = simgpu_truth_power(state, 0, simgpu_mono_ns());
    assert_true(power_w > 100.1 && power_w < 121.0);
    usleep(600000);
    assert_true(simgpu_truth_power(state, 0, simgpu_mono_ns()) == 100.0);
    simgpu_state_close(state);
}

int main(void) {
#define STATE_TEST(name) cmocka_unit_test_setup_teardown(name, make_path, remove_path)
    const struct CMUnitTest tests[] = {
        STATE_TEST(processes_share_boards_and_history),
        STATE_TEST(truth_knows_its_bounds),
        STATE_TEST(work_takes_longer_under_a_limit),
        STATE_TEST(a_writer_that_died_blocks_nobody),
        STATE_TEST(readers_are_safe_while_the_ring_wraps),
        STATE_TEST(files_are_found_from_any_directory),
        STATE_TEST(damaged_state_files_are_refused),
        STATE_TEST(a_state_that_cannot_be_written),
        STATE_TEST(a_state_without_a_name),
        STATE_TEST(polling_draws_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
