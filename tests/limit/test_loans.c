/* Loans of a process on simulated boards: setting, giving back, stacks, faults, death. The truth is
 * asked of the boards themselves. */
#include "check.h"

#include "base/base.h"
#include "limit/lender.h"
#include "simgpu/model.h"

#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/joulemeter-limit-XXXXXX";
static char state_path[128];
static struct simgpu_state *boards;

/* ---- helpers ---- */

static void begin(const char *spec) {
    static unsigned number; /* guards of the test before may not have ended yet */
    if (boards != NULL) simgpu_state_close(boards);
    struct simgpu_error error = {0};
    snprintf(state_path, sizeof state_path, "%s/boards%u", folder, number++);
    boards = simgpu_state_create(state_path, spec, &error);
    if (boards == NULL) fail_msg("%s", error.text);
    setenv("JOULEMETER_SIMGPU_STATE", state_path, 1);
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    setenv("JOULEMETER_LIMITD_SOCKET", "/nonexistent/limitd.sock", 1);
    unsetenv("JOULEMETER_DRIVER_TIMEOUT_S");
}

static double slowness(void) {
    const char *text = getenv("JOULEMETER_TEST_SLOWNESS");
    return text != NULL ? atof(text) : 1;
}

static double limit_of(int board) {
    return simgpu_truth_limit(boards, board);
}

/* Until the board is under that limit; fails if it takes too long. */
static void wait_for(int board, double watts, double seconds) {
    const struct timespec pause = {0, 2000000};
    int64_t deadline = jm_now_ns() + (int64_t)(seconds * slowness() * 1e9);
    while (fabs(limit_of(board) - watts) > 1e-6) {
        if (jm_now_ns() > deadline)
            fail_msg("board %d is under %.6g W, not %.6g W", board, limit_of(board), watts);
        nanosleep(&pause, NULL);
    }
}

static jm_limits *must_open(const char *gpus) {
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_limits *limits;
    jm_error error = {0};
    options.gpus = gpus;
    if (jm_limits_open(&limits, &options, &error) != JM_OK) fail_msg("%s", error.message);
    return limits;
}

static int set(jm_limits *limits, uint32_t index, double watts, jm_error *error) {
    const jm_limit_target target = {JM_LEVER_POWER, watts, false};
    return jm_limits_set(limits, index, &target, 0, error);
}

static void must_set(jm_limits *limits, uint32_t index, double watts) {
    jm_error error = {0};
    if (set(limits, index, watts, &error) != JM_OK) fail_msg("%s", error.message);
}

static void must_close(jm_limits *limits) {
    jm_error error = {0};
    if (jm_limits_close(limits, &error) != JM_OK) fail_msg("%s", error.message);
}

static jm_limit read_limit(jm_limits *limits, uint32_t index, jm_lever lever) {
    jm_limit limit = {.size = sizeof limit};
    jm_error error = {0};
    if (jm_limits_read(limits, index, lever, &limit, &error) != JM_OK)
        fail_msg("%s", error.message);
    return limit;
}

/* What a borrower does when it has its limit: a name, as it is another run of this program. */
struct act {
    const char *name;
    void (*does)(jm_limits *limits);
};
enum { ACTS = 8 };
static const struct act acts[ACTS];

/* Another process, which sets a limit, says so on descriptor 3, and does as `act` says. */
static pid_t borrower(double watts, const char *act) {
    int ready[2];
    char byte, text[32];
    snprintf(text, sizeof text, "%.6g", watts);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        for (int number = 1; number < 32; number++) signal(number, SIG_DFL); /* cmocka's, too */
        if (ready[1] != 3) dup2(ready[1], 3);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* of a test that failed */
        execl("/proc/self/exe", "borrower", text, act, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) fail_msg("the borrower could not set %.6g W", watts);
    close(ready[0]);
    return child;
}

static int be_borrower(double watts, const char *name) {
    jm_limits *limits = NULL;
    for (const struct act *act = acts; act->name != NULL; act++) {
        if (strcmp(act->name, name) != 0) continue;
        if (jm_limits_open(&limits, NULL, NULL) != JM_OK) return 1;
        if (watts > 0 && set(limits, JM_LIMITS_ALL, watts, NULL) != JM_OK) return 1;
        if (write(3, "x", 1) != 1) return 1;
        close(3);
        act->does(limits);
    }
    return 2;
}

static void wait_for_ever(jm_limits *limits) {
    (void)limits;
    for (;;) pause();
}

static void end_child(pid_t child, int signal_number) {
    if (signal_number != 0) kill(child, signal_number);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The guard of a process: who has it for a borrower says its note. */
static pid_t guard_of(pid_t borrower_pid) {
    char command[200], line[64] = "";
    snprintf(command, sizeof command, "pgrep -f -- 'limitd --guard %d '", (int)borrower_pid);
    FILE *found = popen(command, "r");
    assert_non_null(found);
    if (fgets(line, sizeof line, found) == NULL) line[0] = '\0';
    pclose(found);
    return (pid_t)atoi(line);
}

/* Kills a guard and waits until it is dead: until then its loans are alive. */
static void kill_guard(pid_t guard) {
    const struct timespec pause = {0, 1000000};
    assert_true(guard > 1);
    assert_int_equal(kill(guard, SIGKILL), 0);
    while (!jmi_process_gone((int32_t)guard)) nanosleep(&pause, NULL);
}

/* Both at once, as a job system does it: neither can mend the other. */
static void kill_with_guard(pid_t child) {
    pid_t guard = guard_of(child);
    kill(child, SIGSTOP);
    kill_guard(guard);
    end_child(child, SIGKILL);
}

/* ---- setting and giving back ---- */

static void a_limit_is_set_and_given_back(void **unused) {
    (void)unused;
    begin("2*h100");
    jm_limits *limits = must_open(NULL);
    assert_int_equal(jm_limits_count(limits), 2);
    assert_null(jm_limits_environment(limits));
    jm_limit limit = read_limit(limits, 0, JM_LEVER_POWER);
    assert_string_equal(limit.device, "gpu0");
    assert_string_equal(limit.model, "NVIDIA H100 80GB HBM3");
    assert_true(limit.value == 700 && limit.standard == 700 && limit.requested == 700);
    assert_true(limit.least == 200 && limit.most == 700 && isnan(limit.base));
    assert_true(limit.simulated && limit.loans == 0 && !limit.left_over);
    must_set(limits, JM_LIMITS_ALL, 300);
    assert_true(limit_of(0) == 300 && limit_of(1) == 300);
    assert_string_equal(jm_limits_notes(limits), "");
    limit = read_limit(limits, 0, JM_LEVER_POWER);
    assert_true(limit.value == 300 && limit.base == 700 && limit.loans == 1);
    assert_int_equal(limit.holder_pid, getpid());
    must_set(limits, 1, 250);
    assert_true(limit_of(0) == 300 && limit_of(1) == 250);
    assert_int_equal(jm_limits_restore(limits, 0, JM_LEVER_POWER, NULL), JM_OK);
    assert_true(limit_of(0) == 700 && limit_of(1) == 250);
    must_close(limits);
    assert_true(limit_of(0) == 700 && limit_of(1) == 700);
}

static void what_was_before_comes_back_and_not_the_default(void **unused) {
    (void)unused;
    begin("h100,limit=450");
    jm_limits *limits = must_open(NULL);
    for (double watts = 250; watts < 500; watts += 50) must_set(limits, 0, watts);
    assert_true(limit_of(0) == 450);
    must_set(limits, 0, 200);
    must_close(limits);
    assert_true(limit_of(0) == 450);
}

static void bounds_are_kept_with_a_note(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 50);
    assert_true(limit_of(0) == 200);
    assert_non_null(strstr(jm_limits_notes(limits), "below what the board allows"));
    assert_non_null(strstr(jm_limits_notes(limits), "200 W"));
    must_set(limits, 0, 5000);
    assert_true(limit_of(0) == 700);
    assert_non_null(strstr(jm_limits_notes(limits), "above what the board allows"));
    const jm_limit_target half = {JM_LEVER_POWER, 50, true};
    assert_int_equal(jm_limits_set(limits, 0, &half, 0, NULL), JM_OK);
    assert_true(limit_of(0) == 350);
    assert_string_equal(jm_limits_notes(limits), "");
    must_close(limits);
}

static void wrong_arguments_are_named(void **unused) {
    (void)unused;
    begin("h100");
    jm_error error = {0};
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_limits *limits;
    options.gpus = "7";
    assert_int_equal(jm_limits_open(&limits, &options, &error), JM_NOT_FOUND);
    assert_null(limits);
    options.gpus = "none";
    assert_int_equal(jm_limits_open(&limits, &options, &error), JM_NOT_FOUND);
    options.gpus = NULL;
    options.pid = 999999999;
    assert_int_equal(jm_limits_open(&limits, &options, &error), JM_NOT_FOUND);
    assert_int_equal(jm_limits_open(NULL, NULL, &error), JM_INVALID);
    limits = must_open(NULL);
    jm_limit limit = {.size = sizeof limit};
    assert_int_equal(set(limits, 1, 300, &error), JM_NOT_FOUND);
    assert_int_equal(set(limits, 0, NAN, &error), JM_INVALID);
    assert_int_equal(set(limits, 0, -5, &error), JM_INVALID);
    assert_int_equal(set(limits, 0, INFINITY, &error), JM_INVALID);
    assert_int_equal(jm_limits_set(limits, 0, NULL, 0, &error), JM_INVALID);
    const jm_limit_target strange = {(jm_lever)5, 300, false};
    assert_int_equal(jm_limits_set(limits, 0, &strange, 0, &error), JM_INVALID);
    const jm_limit_target good = {JM_LEVER_POWER, 300, false};
    assert_int_equal(jm_limits_set(limits, 0, &good, 0xff, &error), JM_INVALID);
    assert_int_equal(jm_limits_read(limits, 1, JM_LEVER_POWER, &limit, &error), JM_NOT_FOUND);
    assert_int_equal(jm_limits_read(limits, 0, (jm_lever)9, &limit, &error), JM_INVALID);
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0xff, &error), JM_INVALID);
    assert_int_equal(jm_limits_restore(NULL, 0, JM_LEVER_POWER, &error), JM_INVALID);
    assert_int_equal(jm_limits_restore(limits, 0, JM_LEVER_POWER, &error), JM_OK); /* no loan */
    assert_true(limit_of(0) == 700);
    must_close(limits);
    assert_int_equal(jm_limits_close(NULL, NULL), JM_OK);
    assert_int_equal(jm_limits_count(NULL), 0);
    assert_string_equal(jm_limits_notes(NULL), "");
}

static void clocks_are_another_lever(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    jm_limit limit = read_limit(limits, 0, JM_LEVER_CLOCK);
    assert_int_equal(limit.status, JM_OK);
    assert_true(isnan(limit.value) && limit.standard == 1980 && limit.most == 1980);
    const jm_limit_target target = {JM_LEVER_CLOCK, 1207, false};
    jm_error error = {0};
    if (jm_limits_set(limits, 0, &target, 0, &error) != JM_OK) fail_msg("%s", error.message);
    assert_true(fabs(simgpu_truth_clock(boards, 0) * 1980 - 1200) < 1e-9);
    assert_non_null(strstr(jm_limits_notes(limits), "1200 MHz"));
    must_set(limits, 0, 300); /* both at once */
    limit = read_limit(limits, 0, JM_LEVER_CLOCK);
    assert_true(limit.value == 1200 && limit.base == 1980 && limit.loans == 1);
    assert_int_equal(jm_limits_restore(limits, 0, JM_LEVER_POWER, NULL), JM_OK);
    assert_true(limit_of(0) == 700 && simgpu_truth_clock(boards, 0) < 1);
    must_close(limits);
    assert_true(simgpu_truth_clock(boards, 0) == 1);
}

/* A lock that stays is known to later loans, although the driver does not tell of it. */
static void a_clock_that_stays_is_remembered(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *first = must_open(NULL), *second = must_open(NULL);
    const jm_limit_target stays = {JM_LEVER_CLOCK, 1500, false},
                          lent = {JM_LEVER_CLOCK, 990, false};
    assert_int_equal(jm_limits_set(first, 0, &stays, JM_LIMIT_KEEP, NULL), JM_OK);
    must_close(first);
    assert_true(fabs(simgpu_truth_clock(boards, 0) * 1980 - 1500) < 1e-9);
    assert_int_equal(jm_limits_set(second, 0, &lent, 0, NULL), JM_OK);
    assert_true(fabs(simgpu_truth_clock(boards, 0) * 1980 - 990) < 1e-9);
    must_close(second);
    assert_true(fabs(simgpu_truth_clock(boards, 0) * 1980 - 1500) < 1e-9);
    first = must_open(NULL);
    assert_true(read_limit(first, 0, JM_LEVER_CLOCK).value == 1500);
    assert_int_equal(jm_limits_reset(first, 0, JM_LEVER_CLOCK, 0, NULL), JM_OK);
    must_close(first);
    assert_true(simgpu_truth_clock(boards, 0) == 1);
}

/* ---- all or none, and refusals ---- */

static void all_gpus_or_none(void **unused) {
    (void)unused;
    begin("h100;h100,fault=noperm=nvmlDeviceSetPowerManagementLimit");
    jm_limits *limits = must_open(NULL);
    jm_error error = {0};
    assert_int_equal(set(limits, JM_LIMITS_ALL, 300, &error), JM_PERMISSION);
    assert_true(limit_of(0) == 700 && limit_of(1) == 700);
    must_close(limits);
    begin("h100;h100,fault=notsupported=nvmlDeviceSetPowerManagementLimit");
    limits = must_open(NULL);
    must_set(limits, 0, 400);
    assert_int_equal(set(limits, JM_LIMITS_ALL, 300, &error), JM_NOT_SUPPORTED);
    assert_true(limit_of(0) == 400); /* what it had before */
    assert_non_null(strstr(error.message, "gpu1"));
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

static void permission_says_what_to_do(void **unused) {
    (void)unused;
    begin("h100");
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0", 1);
    jm_limits *limits = must_open(NULL);
    jm_error error = {0};
    jm_finding finding = {.size = sizeof finding};
    assert_int_equal(set(limits, 0, 300, &error), JM_PERMISSION);
    assert_non_null(strstr(error.message, "sudo"));
    assert_non_null(strstr(error.message, "joulemeter-limitd.socket"));
    assert_int_equal(jm_limits_access(limits, 0, &finding), JM_OK);
    assert_int_equal(finding.status, JM_PERMISSION);
    assert_string_equal(finding.device, "gpu0");
    assert_true(strlen(finding.remedy) > 20);
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    assert_int_equal(jm_limits_access(limits, 0, &finding), JM_OK);
    assert_int_equal(finding.status, JM_OK);
    assert_int_equal(jm_limits_access(limits, 1, &finding), JM_INVALID);
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

static void without_a_guard_nothing_is_set(void **unused) {
    (void)unused;
    begin("h100");
    const char *program = getenv("JOULEMETER_LIMITD");
    char *kept = program != NULL ? strdup(program) : NULL;
    setenv("JOULEMETER_LIMITD", "/nonexistent/limitd", 1);
    jm_limits *limits = must_open(NULL);
    jm_error error = {0};
    assert_int_equal(set(limits, 0, 300, &error), JM_MISSING_LIBRARY);
    assert_non_null(strstr(error.message, "/nonexistent/limitd"));
    setenv("JOULEMETER_LIMITD", "/bin/true", 1);
    assert_int_equal(set(limits, 0, 300, &error), JM_SYSTEM);
    if (kept != NULL) setenv("JOULEMETER_LIMITD", kept, 1);
    free(kept);
    assert_true(limit_of(0) == 700);
    must_set(limits, 0, 300); /* and then it works */
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

static void a_lost_gpu_is_named(void **unused) {
    (void)unused;
    begin("2*h100");
    jm_limits *limits = must_open(NULL);
    simgpu_channel_set_trouble(boards, 1, SIMGPU_LOST);
    jm_error error = {0};
    assert_int_equal(set(limits, JM_LIMITS_ALL, 300, &error), JM_LOST);
    assert_non_null(strstr(error.message, "gpu1"));
    jm_limit limit = read_limit(limits, 1, JM_LEVER_POWER);
    assert_int_equal(limit.status, JM_LOST);
    assert_true(isnan(limit.value) && strlen(limit.message) > 10);
    simgpu_channel_set_trouble(boards, 1, SIMGPU_FINE);
    assert_true(limit_of(0) == 700);
    must_close(limits);
}

/* In a process of its own, which has a thread that hangs from then on. */
static void meet_a_hanging_driver(jm_limits *limits) {
    jm_error error = {0};
    jm_limit limit = {.size = sizeof limit};
    sigset_t told;
    int number;
    sigemptyset(&told);
    sigaddset(&told, SIGUSR1);
    sigwait(&told, &number); /* blocked by main */
    int64_t before = jm_now_ns();
    int status = set(limits, 0, 300, &error);
    bool bounded = jm_now_ns() - before < (int64_t)(5e9 * slowness());
    bool said = strstr(error.message, "does not answer") != NULL;
    jm_limits_read(limits, 0, JM_LEVER_POWER, &limit, NULL);
    bool closed = jm_limits_close(limits, NULL) == JM_OK;
    _exit(status == JM_HUNG && bounded && said && limit.status == JM_HUNG && closed ? 0 : 1);
}

static void a_driver_that_hangs_is_left_alone(void **unused) {
    (void)unused;
    begin("h100");
    setenv("JOULEMETER_DRIVER_TIMEOUT_S", "0.2", 1);
    pid_t child = borrower(0, "meets a hanging driver");
    simgpu_channel_set_trouble(boards, 0, SIMGPU_HANGS);
    kill(child, SIGUSR1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    simgpu_channel_set_trouble(boards, 0, SIMGPU_FINE);
    assert_true(limit_of(0) == 700);
}

/* ---- stacks ---- */

static void nested_loans_end_in_order(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *outer = must_open(NULL), *inner = must_open(NULL);
    must_set(outer, 0, 400);
    must_set(inner, 0, 300);
    assert_true(limit_of(0) == 300);
    assert_int_equal(read_limit(outer, 0, JM_LEVER_POWER).loans, 2);
    must_close(inner);
    assert_true(limit_of(0) == 400);
    must_close(outer);
    assert_true(limit_of(0) == 700);
}

static void a_loan_below_ends_without_a_change(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *outer = must_open(NULL), *inner = must_open(NULL);
    must_set(outer, 0, 400);
    must_set(inner, 0, 300);
    must_close(outer);
    assert_true(limit_of(0) == 300);
    must_close(inner);
    assert_true(limit_of(0) == 700);
}

static void loans_of_killed_processes_never_come_back(void **unused) {
    (void)unused;
    begin("h100");
    pid_t first = borrower(400, "waits");
    pid_t second = borrower(300, "waits");
    assert_true(limit_of(0) == 300);
    end_child(first, SIGKILL);
    jm_limits *third = must_open(NULL);
    must_set(third, 0, 250);
    end_child(second, SIGKILL);
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 250);
    must_close(third);
    wait_for(0, 700, 5);
}

/* Many processes set limits in any order and end in any way: at the end it is as at the beginning.
 */
static void many_processes_leave_nothing_behind(void **unused) {
    (void)unused;
    begin("h100,limit=650");
    enum { PROCESSES = 12 };
    pid_t children[PROCESSES];
    static const int ends[] = {SIGKILL, SIGTERM, SIGINT, SIGSEGV, SIGHUP, SIGABRT};
    for (int i = 0; i < PROCESSES; i++) children[i] = borrower(210 + 30 * i, "waits");
    for (int i = 0; i < PROCESSES; i++) {
        int k = (i * 7 + 3) % PROCESSES; /* each once */
        end_child(children[k], ends[i % 6]);
    }
    wait_for(0, 650, 5);
}

/* ---- the ways in which a borrower ends ---- */

static void return_without_closing(jm_limits *limits) {
    (void)limits;
    _exit(0);
}

static void close_the_lot(jm_limits *limits) {
    (void)limits;
    for (int fd = 3; fd < 256; fd++) close(fd);
    for (;;) pause();
}

static void exec_another(jm_limits *limits) {
    (void)limits;
    execl("/bin/sleep", "sleep", "60", (char *)NULL);
}

static void overflow(jm_limits *limits) {
    volatile int *nowhere = NULL;
    (void)limits;
    signal(SIGSEGV, SIG_DFL);
    *nowhere = 1;
}

static void any_end_gives_back(void **unused) {
    (void)unused;
    static const struct {
        const char *act;
        int signal;
    } ends[] = {{"waits", SIGKILL},      {"waits", SIGTERM}, {"waits", SIGINT},
                {"waits", SIGHUP},       {"returns", 0},     {"crashes", 0},
                {"closes all", SIGKILL}, {"waits", SIGSEGV}};
    for (size_t i = 0; i < JMI_COUNT(ends); i++) {
        begin("h100");
        pid_t child = borrower(300, ends[i].act);
        end_child(child, ends[i].signal);
        wait_for(0, 700, 1);
    }
}

static void another_program_in_its_place_gives_back(void **unused) {
    (void)unused;
    begin("h100");
    pid_t child = borrower(300, "becomes another");
    wait_for(0, 700, 2);
    end_child(child, SIGKILL);
}

/* A forked child has the connection, too: it neither ends the loan nor keeps it alive. */
static void fork_and_leave_a_child(jm_limits *limits) {
    pid_t child = fork();
    if (child == 0) {
        jm_error error;
        if (set(limits, 0, 250, &error) != JM_INVALID) _exit(9);
        sleep(10);
        _exit(0);
    }
    for (;;) pause();
}

static void a_forked_child_does_not_keep_it(void **unused) {
    (void)unused;
    begin("h100");
    pid_t child = borrower(300, "forks");
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 300);
    kill(child, SIGKILL); /* its own child lives on */
    wait_for(0, 700, 1);
    waitpid(child, NULL, 0);
}

static void a_forked_child_that_closes_ends_nothing(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 300);
    pid_t child = fork();
    if (child == 0) _exit(jm_limits_close(limits, NULL) == JM_OK ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 300);
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

/* ---- the guard itself is killed ---- */

static void a_killed_guard_is_mended_by_its_borrower(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 300);
    kill_guard(guard_of(getpid()));
    must_close(limits);
    assert_true(limit_of(0) == 700);
    limits = must_open(NULL);
    must_set(limits, 0, 300);
    kill_guard(guard_of(getpid()));
    must_set(limits, 0, 250); /* by another one */
    assert_true(limit_of(0) == 250);
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

/* What starts a guard has the same words, and another name. */
static bool is_guard(pid_t pid) {
    char path[64], name[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    return jmi_read_text(path, name, sizeof name) > 0 && strcmp(name, "jm-limit-guard") == 0;
}

/* Until a process has a guard that is not `old`. */
static pid_t wait_for_guard(pid_t of, pid_t old) {
    const struct timespec pause = {0, 5000000};
    int64_t deadline = jm_now_ns() + (int64_t)(5e9 * slowness());
    pid_t guard;
    while ((guard = guard_of(of)) == old || !is_guard(guard)) {
        if (jm_now_ns() > deadline) fail_msg("process %d has no new guard", (int)of);
        nanosleep(&pause, NULL);
    }
    return guard;
}

/* A borrower that does nothing notices by itself; the next death of a guard, too. */
static void a_killed_guard_is_replaced(void **unused) {
    (void)unused;
    begin("2*h100,limit=650");
    pid_t child = borrower(300, "waits"), guard = guard_of(child);
    for (int i = 0; i < 3; i++) {
        kill_guard(guard);
        guard = wait_for_guard(child, guard);
        assert_true(limit_of(0) == 300 && limit_of(1) == 300);
    }
    struct timespec pause = {0, 200000000}; /* it has started; it is to lend, too */
    nanosleep(&pause, NULL);
    end_child(child, SIGKILL);
    wait_for(0, 650, 1);
    wait_for(1, 650, 1);
}

/* What the limits have to say, sooner or later. */
static const char *wait_for_warning(jm_limits *limits, double seconds) {
    const struct timespec pause = {0, 5000000};
    int64_t deadline = jm_now_ns() + (int64_t)(seconds * slowness() * 1e9);
    for (;;) {
        const char *said = jm_limits_warnings(limits);
        if (said[0] != '\0') return said;
        if (jm_now_ns() > deadline) fail_msg("nothing is said within %.3g s", seconds);
        nanosleep(&pause, NULL);
    }
}

static void a_killed_guard_is_told_of(void **unused) {
    (void)unused;
    begin("2*h100");
    jm_limits *limits = must_open(NULL);
    const jm_limit_target clock = {JM_LEVER_CLOCK, 1200, false};
    must_set(limits, 0, 300);
    must_set(limits, 1, 400);
    assert_int_equal(jm_limits_set(limits, 1, &clock, 0, NULL), JM_OK);
    assert_string_equal(jm_limits_warnings(limits), "");
    kill_guard(guard_of(getpid()));
    assert_non_null(strstr(wait_for_warning(limits, 5), "was killed; another one has taken"));
    assert_string_equal(jm_limits_warnings(limits), "");
    assert_true(limit_of(0) == 300 && limit_of(1) == 400);
    must_set(limits, 0, 350);
    assert_int_equal(read_limit(limits, 1, JM_LEVER_POWER).loans, 1);
    assert_true(read_limit(limits, 1, JM_LEVER_CLOCK).base == 1980);
    must_close(limits);
    assert_true(limit_of(0) == 700 && limit_of(1) == 700 && simgpu_truth_clock(boards, 1) == 1);
}

/* The call that finds the guard dead mends the other loans, too. */
static void all_loans_of_a_killed_guard_go_on(void **unused) {
    (void)unused;
    for (int i = 0; i < 10; i++) {
        begin("2*h100");
        jm_limits *limits = must_open(NULL);
        must_set(limits, 0, 300);
        must_set(limits, 1, 400);
        kill_guard(guard_of(getpid()));
        must_set(limits, 0, 250);
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        jm_limit other = read_limit(limits, 1, JM_LEVER_POWER);
        assert_true(other.loans == 1 && other.value == 400 && !other.left_over);
        must_close(limits);
        assert_true(limit_of(0) == 700 && limit_of(1) == 700);
    }
}

static void a_guard_that_cannot_be_replaced_is_told_of(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 300);
    char *kept = strdup(getenv("JOULEMETER_LIMITD"));
    pid_t guard = guard_of(getpid());
    setenv("JOULEMETER_LIMITD", "/nonexistent/limitd", 1);
    kill_guard(guard);
    const char *said = wait_for_warning(limits, 20);
    assert_non_null(strstr(said, "/nonexistent/limitd"));
    assert_non_null(strstr(said, "joulemeter limit reset"));
    setenv("JOULEMETER_LIMITD", kept, 1);
    free(kept);
    must_close(limits); /* mends it all the same */
    assert_true(limit_of(0) == 700);
}

/* It gives back because somebody wants it to: nobody takes its place. */
static void a_guard_that_was_asked_to_end_is_not_replaced(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 300);
    kill(guard_of(getpid()), SIGTERM);
    assert_non_null(strstr(wait_for_warning(limits, 5), "was asked to end"));
    assert_true(limit_of(0) == 700);
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 700 && !is_guard(guard_of(getpid())));
    must_set(limits, 0, 250); /* which is another matter */
    assert_true(limit_of(0) == 250);
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

static void what_a_killed_guard_left_is_mended(void **unused) {
    (void)unused;
    begin("h100,limit=600");
    kill_with_guard(borrower(300, "waits"));
    assert_true(limit_of(0) == 300);
    jm_limits *limits = must_open(NULL);
    jm_limit limit = read_limit(limits, 0, JM_LEVER_POWER);
    assert_true(limit.left_over && limit.base == 600 && limit.loans == 0);
    assert_non_null(strstr(limit.message, "joulemeter limit reset"));
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0, NULL), JM_OK);
    assert_true(limit_of(0) == 600);
    assert_non_null(strstr(jm_limits_notes(limits), "600 W"));
    limit = read_limit(limits, 0, JM_LEVER_POWER);
    assert_true(!limit.left_over && isnan(limit.base));
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0, NULL), JM_OK);
    assert_true(limit_of(0) == 700); /* nothing to mend: the default */
    must_close(limits);
}

/* The next loan begins with what was before the killed one. */
static void what_a_killed_guard_left_is_no_base(void **unused) {
    (void)unused;
    begin("h100,limit=600");
    kill_with_guard(borrower(300, "waits"));
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 250);
    assert_true(read_limit(limits, 0, JM_LEVER_POWER).base == 600);
    must_close(limits);
    assert_true(limit_of(0) == 600);
}

static void a_guard_that_is_asked_to_end_gives_back(void **unused) {
    (void)unused;
    begin("h100");
    pid_t child = borrower(300, "waits"), guard = guard_of(child);
    static const int ignored[] = {SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE, SIGUSR1};
    for (size_t i = 0; i < JMI_COUNT(ignored); i++) kill(guard, ignored[i]);
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 300 && kill(guard, 0) == 0);
    kill(guard, SIGTERM);
    wait_for(0, 700, 2);
    end_child(child, SIGKILL);
}

/* ---- others, drivers, notes ---- */

static void a_limit_that_somebody_else_set_is_left(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL);
    must_set(limits, 0, 300);
    simgpu_channel_set_limit(boards, 0, 550); /* nvidia-smi -pl 550 */
    must_close(limits);
    assert_true(limit_of(0) == 550);
    limits = must_open(NULL);
    must_set(limits, 0, 300);
    assert_true(read_limit(limits, 0, JM_LEVER_POWER).base == 550);
    must_close(limits);
    assert_true(limit_of(0) == 550);
}

/* A guard that hangs in the kernel cannot even be killed: its loan looks alive. Here it is stopped.
 */
static void what_a_hanging_guard_holds_is_mended_later(void **unused) {
    (void)unused;
    begin("h100,limit=600");
    pid_t child = borrower(300, "waits"), guard = guard_of(child);
    kill(guard, SIGSTOP);
    end_child(child, SIGKILL);
    pid_t mender = fork();
    if (mender == 0) {
        execl(getenv("JOULEMETER_LIMITD"), "joulemeter-limitd", "--mend", "3", (char *)NULL);
        _exit(127);
    }
    const struct timespec pause = {2, 500000000}; /* it begins after a second */
    nanosleep(&pause, NULL);
    assert_int_equal(waitpid(mender, NULL, WNOHANG), 0);
    jm_limits *limits = must_open(NULL);
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0, NULL), JM_OK);
    assert_non_null(strstr(jm_limits_notes(limits), "has not given back 300 W yet"));
    assert_true(limit_of(0) == 300);
    must_close(limits);
    kill(guard, SIGKILL);
    wait_for(0, 600, 3); /* and not 700, the default */
    int status;
    assert_int_equal(waitpid(mender, &status, 0), mender);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* However often it is looked at. */
static void what_is_owed_is_owed_once(void **unused) {
    (void)unused;
    begin("2*h100,limit=600");
    kill_with_guard(borrower(300, "waits"));
    jmi_lender lender;
    assert_int_equal(jmi_lender_open(&lender, NULL, NULL, NULL, NULL), JM_OK);
    simgpu_channel_set_trouble(boards, 0, SIMGPU_LOST);
    simgpu_channel_set_trouble(boards, 1, SIMGPU_LOST);
    for (int i = 0; i < 5; i++) jmi_lender_mend(&lender);
    assert_int_equal(lender.debt_count, 2);
    simgpu_channel_set_trouble(boards, 0, SIMGPU_FINE);
    simgpu_channel_set_trouble(boards, 1, SIMGPU_FINE);
    const struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    for (int i = 0; i < 100 && jmi_lender_pay(&lender, INT64_MAX) != INT64_MAX; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(lender.debt_count, 0);
    jmi_lender_close(&lender);
    assert_true(limit_of(0) == 600 && limit_of(1) == 600);
}

/* Who may not set limits gives none back, and takes nobody the note of it. */
static void a_refusal_leaves_the_note(void **unused) {
    (void)unused;
    begin("h100,limit=600");
    kill_with_guard(borrower(300, "waits"));
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0", 1);
    jm_limits *limits = must_open(NULL);
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0, NULL), JM_PERMISSION);
    must_close(limits);
    setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1", 1);
    limits = must_open(NULL);
    assert_true(read_limit(limits, 0, JM_LEVER_POWER).left_over);
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, 0, NULL), JM_OK);
    must_close(limits);
    assert_true(limit_of(0) == 600);
}

static void a_gpu_that_is_lost_gets_it_back_later(void **unused) {
    (void)unused;
    begin("h100");
    pid_t child = borrower(300, "waits");
    simgpu_channel_set_trouble(boards, 0, SIMGPU_LOST);
    end_child(child, SIGKILL);
    struct timespec pause = {0, 300000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 300);
    simgpu_channel_set_trouble(boards, 0, SIMGPU_FINE);
    wait_for(0, 700, 3);
}

static void a_driver_that_hangs_gets_it_back_later(void **unused) {
    (void)unused;
    begin("h100");
    setenv("JOULEMETER_DRIVER_TIMEOUT_S", "0.2", 1);
    pid_t child = borrower(300, "waits");
    simgpu_channel_set_trouble(boards, 0, SIMGPU_HANGS);
    end_child(child, SIGKILL);
    struct timespec pause = {0, 700000000}; /* the guard has given up on it by then */
    nanosleep(&pause, NULL);
    simgpu_channel_set_trouble(boards, 0, SIMGPU_FINE);
    wait_for(0, 700, 10);
}

static void without_a_note_the_guard_remembers(void **unused) {
    (void)unused;
    begin("h100,limit=620");
    pid_t child = borrower(300, "waits");
    char command[200];
    snprintf(command, sizeof command, "rm -f %s.limits/*.power", state_path);
    assert_int_equal(system(command), 0);
    end_child(child, SIGKILL);
    wait_for(0, 620, 1);
}

static void a_damaged_note_is_set_aside(void **unused) {
    (void)unused;
    begin("h100");
    char command[800];
    snprintf(command, sizeof command,
             "mkdir -p %s.limits; head -c 3000 /dev/urandom > %s.limits/%s.power", state_path,
             state_path, simgpu_state_uuid(boards, 0));
    assert_int_equal(system(command), 0);
    jm_limits *limits = must_open(NULL);
    assert_true(read_limit(limits, 0, JM_LEVER_POWER).value == 700);
    must_set(limits, 0, 300);
    must_close(limits);
    assert_true(limit_of(0) == 700);
}

static void no_place_for_the_note_sets_nothing(void **unused) {
    (void)unused;
    begin("h100");
    setenv("JOULEMETER_LIMIT_DIR", "/dev/null/limits", 1);
    jm_limits *limits = must_open(NULL);
    jm_error error = {0};
    assert_int_not_equal(set(limits, 0, 300, &error), JM_OK);
    assert_true(strlen(error.message) > 10);
    must_close(limits);
    unsetenv("JOULEMETER_LIMIT_DIR");
    assert_true(limit_of(0) == 700);
}

/* ---- limits that stay, limits of another process ---- */

static void a_limit_that_stays_stays(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits *limits = must_open(NULL), *other = must_open(NULL);
    const jm_limit_target target = {JM_LEVER_POWER, 500, false};
    must_set(other, 0, 300);
    assert_int_equal(jm_limits_set(limits, 0, &target, JM_LIMIT_KEEP, NULL), JM_OK);
    assert_true(limit_of(0) == 300);
    assert_non_null(strstr(jm_limits_notes(limits), "comes into force when"));
    must_close(other);
    assert_true(limit_of(0) == 500);
    must_close(limits);
    assert_true(limit_of(0) == 500);
    limits = must_open(NULL);
    must_set(limits, 0, 250);
    assert_int_equal(jm_limits_set(limits, 0, &target, JM_LIMIT_KEEP, NULL), JM_OK);
    must_close(limits);
    assert_true(limit_of(0) == 500);
}

static void reset_leaves_the_loans_of_others(void **unused) {
    (void)unused;
    begin("h100,limit=600");
    pid_t child = borrower(300, "waits");
    jm_limits *limits = must_open(NULL);
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, JM_LIMIT_DEFAULT, NULL), JM_OK);
    assert_true(limit_of(0) == 300);
    assert_non_null(strstr(jm_limits_notes(limits), "a loan goes on"));
    assert_int_equal(jm_limits_reset(limits, 0, JM_LEVER_POWER, JM_LIMIT_FORCE, NULL), JM_OK);
    assert_true(limit_of(0) == 700);
    simgpu_channel_set_limit(boards, 0, 640);
    end_child(child, SIGKILL); /* its loan has ended: nothing is changed */
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 640);
    must_close(limits);
}

static void a_limit_ends_with_the_process_that_was_named(void **unused) {
    (void)unused;
    begin("h100");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_limits *limits;
    options.pid = child;
    assert_int_equal(jm_limits_open(&limits, &options, NULL), JM_OK);
    must_set(limits, 0, 300);
    assert_int_equal(read_limit(limits, 0, JM_LEVER_POWER).holder_pid, child);
    must_close(limits);
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    assert_true(limit_of(0) == 300);
    kill(child, SIGKILL); /* a zombie has ended, too */
    wait_for(0, 700, 1);
    waitpid(child, NULL, 0);
}

static void boards_of_a_session(void **unused) {
    (void)unused;
    begin("h100");
    jm_session_options session_options = JM_SESSION_OPTIONS_INIT;
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_session *session;
    jm_limits *limits;
    jm_error error = {0};
    session_options.simulate = "a100,limit=350";
    session_options.flags = JM_SESSION_NO_CPU | JM_SESSION_NO_JOIN;
    if (jm_session_open(&session, &session_options, &error) != JM_OK) fail_msg("%s", error.message);
    options.session = session;
    if (jm_limits_open(&limits, &options, &error) != JM_OK) fail_msg("%s", error.message);
    assert_non_null(jm_limits_environment(limits));
    jm_limit limit = read_limit(limits, 0, JM_LEVER_POWER);
    assert_string_equal(limit.model, "NVIDIA A100-SXM4-80GB");
    assert_true(limit.value == 350);
    must_set(limits, 0, 200);
    assert_true(read_limit(limits, 0, JM_LEVER_POWER).value == 200);
    assert_true(limit_of(0) == 700); /* another board */
    must_close(limits);
    jm_session_close(session, NULL, NULL);
}

static void boards_of_its_own(void **unused) {
    (void)unused;
    begin("h100");
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_limits *limits;
    jm_error error = {0};
    options.simulate = "2*v100";
    if (jm_limits_open(&limits, &options, &error) != JM_OK) fail_msg("%s", error.message);
    assert_int_equal(jm_limits_count(limits), 2);
    must_set(limits, JM_LIMITS_ALL, 200);
    assert_true(read_limit(limits, 1, JM_LEVER_POWER).value == 200);
    assert_int_equal(jm_limits_restore(limits, JM_LIMITS_ALL, JM_LEVER_POWER, NULL), JM_OK);
    assert_true(read_limit(limits, 1, JM_LEVER_POWER).value == 300);
    must_close(limits);
}

static const struct act acts[ACTS] = {
    {"waits", wait_for_ever},
    {"returns", return_without_closing},
    {"closes all", close_the_lot},
    {"becomes another", exec_another},
    {"crashes", overflow},
    {"forks", fork_and_leave_a_child},
    {"meets a hanging driver", meet_a_hanging_driver},
    {NULL, NULL},
};

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_set_and_given_back),
        cmocka_unit_test(what_was_before_comes_back_and_not_the_default),
        cmocka_unit_test(bounds_are_kept_with_a_note),
        cmocka_unit_test(wrong_arguments_are_named),
        cmocka_unit_test(clocks_are_another_lever),
        cmocka_unit_test(a_clock_that_stays_is_remembered),
        cmocka_unit_test(all_gpus_or_none),
        cmocka_unit_test(permission_says_what_to_do),
        cmocka_unit_test(without_a_guard_nothing_is_set),
        cmocka_unit_test(a_lost_gpu_is_named),
        cmocka_unit_test(a_driver_that_hangs_is_left_alone),
        cmocka_unit_test(nested_loans_end_in_order),
        cmocka_unit_test(a_loan_below_ends_without_a_change),
        cmocka_unit_test(loans_of_killed_processes_never_come_back),
        cmocka_unit_test(many_processes_leave_nothing_behind),
        cmocka_unit_test(any_end_gives_back),
        cmocka_unit_test(another_program_in_its_place_gives_back),
        cmocka_unit_test(a_forked_child_does_not_keep_it),
        cmocka_unit_test(a_forked_child_that_closes_ends_nothing),
        cmocka_unit_test(a_killed_guard_is_mended_by_its_borrower),
        cmocka_unit_test(a_killed_guard_is_replaced),
        cmocka_unit_test(a_killed_guard_is_told_of),
        cmocka_unit_test(all_loans_of_a_killed_guard_go_on),
        cmocka_unit_test(a_guard_that_cannot_be_replaced_is_told_of),
        cmocka_unit_test(a_guard_that_was_asked_to_end_is_not_replaced),
        cmocka_unit_test(what_a_killed_guard_left_is_mended),
        cmocka_unit_test(what_a_killed_guard_left_is_no_base),
        cmocka_unit_test(a_guard_that_is_asked_to_end_gives_back),
        cmocka_unit_test(a_limit_that_somebody_else_set_is_left),
        cmocka_unit_test(what_a_hanging_guard_holds_is_mended_later),
        cmocka_unit_test(what_is_owed_is_owed_once),
        cmocka_unit_test(a_refusal_leaves_the_note),
        cmocka_unit_test(a_gpu_that_is_lost_gets_it_back_later),
        cmocka_unit_test(a_driver_that_hangs_gets_it_back_later),
        cmocka_unit_test(without_a_note_the_guard_remembers),
        cmocka_unit_test(a_damaged_note_is_set_aside),
        cmocka_unit_test(no_place_for_the_note_sets_nothing),
        cmocka_unit_test(a_limit_that_stays_stays),
        cmocka_unit_test(reset_leaves_the_loans_of_others),
        cmocka_unit_test(a_limit_ends_with_the_process_that_was_named),
        cmocka_unit_test(boards_of_a_session),
        cmocka_unit_test(boards_of_its_own),
    };
    if (argc == 3) {
        sigset_t told;
        sigemptyset(&told);
        sigaddset(&told, SIGUSR1);
        sigprocmask(SIG_BLOCK, &told, NULL);
        return be_borrower(atof(argv[1]), argv[2]);
    }
    const char *library = getenv("JOULEMETER_SIMGPU_LIBRARY");
    if (library == NULL || access(library, R_OK) != 0 || getenv("JOULEMETER_LIMITD") == NULL) {
        printf("1..0 # SKIP there is no simulated GPU, or no joulemeter-limitd\n");
        return 77;
    }
    setenv("JOULEMETER_NVML_LIBRARY", library, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    assert_non_null(mkdtemp(folder));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (boards != NULL) simgpu_state_close(boards);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 ? 1 : failed;
}
