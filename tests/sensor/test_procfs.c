/* Utilisation, the process tree, temperature; and parsers that trust nobody. */
#include "tree.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static bool parse_stat(const char *text, jmi_pid_stat *stat) {
    return jmi_parse_pid_stat(text, strlen(text), stat);
}

#define TAIL                                                                                       \
    " S 7 5 5 0 -1 4194304 103 0 0 0 11 22 33 44 20 0 1 0 987 3133440 386 18446744073709551615"

static void names_of_programs_are_hostile(void **state) {
    (void)state;
    static const char *const names[] = {
        "cat",
        "a b",
        "a) S 1 1 1 1",
        ") R 0 0",
        "((((",
        "))))",
        "new\nline",
        "tab\ttab",
        "",
        "\xff\xfe",
        "x) S 9 9 9 9 9 9 9 9 9 9 9 9",
    };
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        char text[400];
        jmi_pid_stat stat;
        snprintf(text, sizeof text, "42 (%s)" TAIL, names[i]);
        assert_true(parse_stat(text, &stat));
        assert_int_equal(stat.pid, 42);
        assert_int_equal(stat.parent, 7);
        assert_int_equal(stat.own, 33);
        assert_int_equal(stat.children, 77);
        assert_int_equal(stat.start, 987);
    }
}

static void truncated_stats_are_refused(void **state) {
    (void)state;
    const char *whole = "42 (cat)" TAIL;
    jmi_pid_stat stat;
    size_t enough = (size_t)(strstr(whole, "987") - whole) + 1;
    for (size_t length = 0; length < enough; length++)
        assert_false(jmi_parse_pid_stat(whole, length, &stat));
    assert_false(parse_stat("42 cat)" TAIL, &stat));
    assert_false(parse_stat("x (cat)" TAIL, &stat));
    assert_false(parse_stat("42 (cat) S 99999999999 5 5 0 -1 4 1 0 0 0 1 2 3 4 20 0 1 0 9", &stat));
    assert_false(parse_stat(
        "42 (cat) S 7 5 5 0 -1 4 1 0 0 0 18446744073709551615 18446744073709551615 3 4 20 0 1 0 9",
        &stat));
}

static void cpu_times(void **state) {
    (void)state;
    jmi_cpu_times times;
    const char *text = "cpu  10 20 30 400 50 6 7 80 9 1\ncpu0 1 1 1 1\n";
    assert_true(jmi_parse_cpu_times(text, strlen(text), &times));
    assert_int_equal(times.busy, 10 + 20 + 30 + 6 + 7); /* guests are in user, stolen is others' */
    assert_int_equal(times.total, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 80);
    static const char *const wrong[] = {"",          "cpu",   "cpu0 1 2 3 4", "cpu a b c d",
                                        "cpu 1 2 3", "intr 5"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++)
        assert_false(jmi_parse_cpu_times(wrong[i], strlen(wrong[i]), &times));
}

static void cpu_info(void **state) {
    (void)state;
    const char *text =
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n"
        "model name\t: Intel(R) Xeon(R) Platinum 8480+\nphysical id\t: 0\n"
        "cpu cores\t: 56\nflags\t\t: fpu vme hypervisor\n\n"
        "processor\t: 1\nphysical id\t: 1\nmodel name\t: other\n";
    jmi_cpu_info info;
    assert_true(jmi_parse_cpu_info(text, strlen(text), &info));
    assert_string_equal(info.model, "Intel(R) Xeon(R) Platinum 8480+");
    assert_int_equal(info.family, 6);
    assert_int_equal(info.model_number, 143);
    assert_int_equal(info.cpus, 2);
    assert_int_equal(info.sockets, 2);
    assert_int_equal(info.cores, 112);
    assert_true(info.hypervisor);
    assert_false(jmi_parse_cpu_info("", 0, &info));
    assert_false(jmi_parse_cpu_info("processors: 4\n", 14, &info));
}

static void add_cpu(uint32_t cpu, void *user) {
    *(uint64_t *)user = *(uint64_t *)user * 100 + cpu;
}

static void lists_and_configs(void **state) {
    (void)state;
    uint64_t sum = 0, config;
    sum = 0;
    assert_true(jmi_parse_cpu_list("3,5-6", add_cpu, &sum));
    assert_int_equal(sum, 30506);
    assert_true(jmi_parse_perf_config("event=0x02", &config));
    assert_int_equal(config, 2);
    assert_true(jmi_parse_perf_config("event=0x3,umask=0x1f", &config));
    assert_int_equal(config, 0x1f03);
    static const char *const wrong[] = {"",          "event=",     "event=0x", "event=0x1ff",
                                        "umask=0x1", "event=0x1;", "config=1", "event=0x1,"};
    for (size_t i = 0; i < JMI_COUNT(wrong) - 1; i++)
        assert_false(jmi_parse_perf_config(wrong[i], &config));
}

/* ---- utilisation of the machine ---- */

static void node_files(const char *root) {
    tree_write(root, "/proc/stat", "cpu  100 0 100 1000 0 0 0 0 0 0\n");
    tree_write(root, "/proc/cpuinfo", "processor\t: 0\nvendor_id\t: Test\n");
}

static void utilisation_is_of_what_passed(void **state) {
    (void)state;
    char *root = tree_new();
    node_files(root);
    jmi_sensor_set *set = tree_open(root);
    /* No tick since it was opened: no value, and not 0. */
    assert_int_equal(read_one(set, "node", JM_QUANTITY_CPU_UTIL).status, JM_NO_DATA);
    tree_write(root, "/proc/stat", "cpu  130 0 100 1070 0 0 0 0 0 0\n");
    jmi_reading reading = read_one(set, "node", JM_QUANTITY_CPU_UTIL);
    assert_int_equal(reading.status, JM_OK);
    assert_true(fabs(reading.value - 30) < 1e-9);
    /* Nothing ticked: the last value stands. */
    assert_true(fabs(read_one(set, "node", JM_QUANTITY_CPU_UTIL).value - 30) < 1e-9);
    tree_write(root, "/proc/stat", "nonsense\n");
    assert_int_equal(read_one(set, "node", JM_QUANTITY_CPU_UTIL).status, JM_FORMAT);
    jmi_sensors_close(set);
    tree_free(root);
}

static void hottest_package(void **state) {
    (void)state;
    char *root = tree_new();
    node_files(root);
    tree_write(root, "/sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    tree_write(root, "/sys/class/thermal/thermal_zone0/temp", "99000\n");
    for (int i = 0; i < 2; i++) {
        char file[100];
        snprintf(file, sizeof file, "/sys/class/hwmon/hwmon%d/name", i);
        tree_write(root, file, "coretemp\n");
        snprintf(file, sizeof file, "/sys/class/hwmon/hwmon%d/temp1_label", i);
        tree_write(root, file, "Package id %d\n", i);
        snprintf(file, sizeof file, "/sys/class/hwmon/hwmon%d/temp1_input", i);
        tree_write(root, file, "%d\n", 45000 + i * 1500);
    }
    jmi_sensor_set *set = tree_open(root);
    assert_true(fabs(read_one(set, "node", JM_QUANTITY_TEMPERATURE).value - 46.5) < 1e-9);
    tree_write(root, "/sys/class/hwmon/hwmon1/temp1_input", "-2000\n"); /* broken: left out */
    assert_true(fabs(read_one(set, "node", JM_QUANTITY_TEMPERATURE).value - 45) < 1e-9);
    jmi_sensors_close(set);
    tree_free(root);
}

/* ---- the process tree ---- */

static void process(const char *root, int pid, int parent, int own, int children, int start,
                    const char *kids) {
    char file[100];
    snprintf(file, sizeof file, "/proc/%d/stat", pid);
    tree_write(root, file, "%d (a) b) S %d 1 1 0 -1 0 0 0 0 0 %d 0 %d 0 20 0 1 0 %d 0 0\n", pid,
               parent, own, children, start);
    snprintf(file, sizeof file, "/proc/%d/task/%d/children", pid, pid);
    tree_write(root, file, "%s", kids);
}

static void remove_process(const char *root, int pid) {
    char path[1024];
    snprintf(path, sizeof path, "%s/proc/%d/stat", root, pid);
    unlink(path);
}

enum { SECOND = 1000000000 };

static uint64_t ticks_at(jmi_process_tree *tree, int pid, int64_t t) {
    uint64_t ticks = UINT64_MAX;
    assert_int_equal(jmi_process_tree_read(tree, pid, t * 2 * SECOND, &ticks), JM_OK);
    return ticks;
}

static void children_count_before_and_after_they_end(void **state) {
    (void)state;
    char *root = tree_new();
    jmi_process_tree *tree = jmi_process_tree_new(root);
    process(root, 10, 1, 1000, 500, 5, "11 12 ");
    process(root, 11, 10, 100, 0, 6, "");
    process(root, 12, 10, 200, 0, 6, "13");
    process(root, 13, 12, 300, 0, 7, "");
    assert_int_equal(ticks_at(tree, 10, 1), 0); /* what was before is not measured */
    process(root, 13, 12, 350, 0, 7, "");
    assert_int_equal(ticks_at(tree, 10, 2), 50);
    /* 11 ends and its parent waits for it. */
    remove_process(root, 11);
    process(root, 10, 1, 1000, 500 + 120, 5, "12 ");
    assert_int_equal(ticks_at(tree, 10, 3), 70);
    /* 12 ends; its child lives on elsewhere and still counts. */
    remove_process(root, 12);
    process(root, 10, 1, 1000, 620 + 200, 5, "");
    process(root, 13, 1, 400, 0, 7, "14 ");
    process(root, 14, 13, 5, 0, 9, "");
    assert_int_equal(ticks_at(tree, 10, 4), 125);
    /* The orphan ends: nobody in the tree is told, but its time stays. */
    remove_process(root, 13);
    process(root, 14, 1, 6, 0, 9, "");
    assert_int_equal(ticks_at(tree, 10, 5), 126);
    /* Its pid goes to a stranger. */
    process(root, 13, 1, 99999, 0, 77, "");
    assert_int_equal(ticks_at(tree, 10, 6), 126);
    remove_process(root, 14);
    remove_process(root, 10);
    assert_int_equal(ticks_at(tree, 10, 7), 126);
    uint64_t ticks;
    assert_int_equal(jmi_process_tree_read(tree, 10, 8, &ticks), JM_NO_DATA);
    jmi_process_tree_free(tree);
    tree_free(root);
}

static void never_runs_back(void **state) {
    (void)state;
    char *root = tree_new();
    jmi_process_tree *tree = jmi_process_tree_new(root);
    process(root, 10, 1, 100, 0, 5, "11");
    process(root, 11, 10, 100, 0, 6, "");
    ticks_at(tree, 10, 1);
    process(root, 11, 10, 180, 0, 6, "");
    assert_int_equal(ticks_at(tree, 10, 2), 80);
    remove_process(root, 11); /* and its parent ignores it: the kernel drops its time */
    process(root, 10, 1, 110, 0, 5, "");
    assert_int_equal(ticks_at(tree, 10, 3), 80);
    jmi_process_tree_free(tree);
    tree_free(root);
}

static void many_children_in_one_file(void **state) {
    (void)state;
    char *root = tree_new();
    char kids[40000];
    size_t used = 0;
    for (int i = 0; i < 800; i++) {
        process(root, 100000 + i, 10, 1, 0, 6, "");
        used += (size_t)snprintf(kids + used, sizeof kids - used, "%d ", 100000 + i);
    }
    jmi_process_tree *tree = jmi_process_tree_new(root);
    process(root, 10, 1, 100, 0, 5, "");
    ticks_at(tree, 10, 1);
    process(root, 10, 1, 100, 0, 5, kids);
    assert_int_equal(ticks_at(tree, 10, 2), 800);
    jmi_process_tree_free(tree);
    tree_free(root);
}

static void hostile_children_do_no_harm(void **state) {
    (void)state;
    static const char *const kids[] = {"10",  "10 10 10", "-5",       "999999999999999999999",
                                       "abc", "0",        "10\n\n11", "2147483648"};
    for (size_t i = 0; i < JMI_COUNT(kids); i++) {
        char *root = tree_new();
        jmi_process_tree *tree = jmi_process_tree_new(root);
        process(root, 10, 1, 100, 0, 5, kids[i]);
        assert_int_equal(ticks_at(tree, 10, 1), 0);
        assert_int_equal(ticks_at(tree, 10, 2), 0);
        jmi_process_tree_free(tree);
        tree_free(root);
    }
}

static void burn(double seconds) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while ((double)t.tv_sec + (double)t.tv_nsec * 1e-9 < seconds);
}

/* A real tree, with a name that tries to look like numbers. */
static void real_children(void **state) {
    (void)state;
    jmi_process_tree *tree = jmi_process_tree_new(NULL);
    uint64_t ticks = 0;
    assert_int_equal(jmi_process_tree_read(tree, getpid(), 0, &ticks), JM_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_NAME, "x) R 1 1\n1");
        pid_t grandchild = fork();
        if (grandchild == 0) {
            burn(0.3);
            _exit(0);
        }
        waitpid(grandchild, NULL, 0);
        burn(0.1);
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        assert_int_equal(
            jmi_process_tree_read(tree, getpid(), (int64_t)(i + 1) * 2 * SECOND, &ticks), JM_OK);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(jmi_process_tree_read(tree, getpid(), (int64_t)99 * SECOND, &ticks), JM_OK);
    double seconds = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    assert_true(seconds > 0.33 && seconds < 0.7);
    jmi_process_tree_free(tree);
}

static void the_followed_process_can_change(void **state) {
    (void)state;
    char *root = tree_new();
    node_files(root);
    process(root, 10, 1, 100, 0, 5, "");
    process(root, 20, 1, 5000, 0, 5, "");
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.pid = 10;
    jmi_sensor_set *set = tree_open_with(root, options);
    tree_write(root, "/proc/stat", "cpu  150 0 100 1050 0 0 0 0 0 0\n");
    process(root, 10, 1, 125, 0, 5, "");
    assert_true(fabs(read_one(set, "node", JM_QUANTITY_PROCESS_UTIL).value - 25) < 1e-9);
    set->pid = 20;
    tree_write(root, "/proc/stat", "cpu  200 0 100 1100 0 0 0 0 0 0\n");
    assert_int_equal(read_one(set, "node", JM_QUANTITY_PROCESS_UTIL).status, JM_NO_DATA);
    tree_write(root, "/proc/stat", "cpu  250 0 100 1150 0 0 0 0 0 0\n");
    process(root, 20, 1, 5050, 0, 5, "");
    assert_true(fabs(read_one(set, "node", JM_QUANTITY_PROCESS_UTIL).value - 50) < 1e-9);
    set->pid = 30; /* there is none */
    assert_int_equal(read_one(set, "node", JM_QUANTITY_PROCESS_UTIL).status, JM_NO_DATA);
    jmi_sensors_close(set);
    tree_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_programs_are_hostile),
        cmocka_unit_test(truncated_stats_are_refused),
        cmocka_unit_test(cpu_times),
        cmocka_unit_test(cpu_info),
        cmocka_unit_test(lists_and_configs),
        cmocka_unit_test(utilisation_is_of_what_passed),
        cmocka_unit_test(hottest_package),
        cmocka_unit_test(children_count_before_and_after_they_end),
        cmocka_unit_test(never_runs_back),
        cmocka_unit_test(many_children_in_one_file),
        cmocka_unit_test(hostile_children_do_no_harm),
        cmocka_unit_test(real_children),
        cmocka_unit_test(the_followed_process_can_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
