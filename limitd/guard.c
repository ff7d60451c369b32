/* The guard of one process: it has a session of its own, so that no terminal and no signal to the
 * process's group ends it, and nothing of its borrower's but the connection and a descriptor of the
 * process. */
#include "limitd.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CONNECTION = 3, PROCESS = 4, MEND_TRIES = 100 };

static void to_syslog(const char *line, void *user) {
    (void)user;
    syslog(LOG_NOTICE, "%s", line);
}

static void close_from(int first) {
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < (most > 0 && most < 65536 ? most : 65536); fd++) close(fd);
}

/* A machine that runs out of memory should not take the guard first. Only root may ask for this. */
static void be_spared(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "-900\n", 5) < 0) { /* then it is as any other process */
    }
    close(fd);
}

/* Where boards are simulated the paths of their files may be relative. */
static void leave_folder(void) {
    if (getenv("JOULEMETER_SIMGPU_STATE") == NULL && chdir("/") != 0) { /* then it stays */
    }
}

static void settle_in(void) {
    setsid();
    umask(022);
    prctl(PR_SET_NAME, "jm-limit-guard");
    be_spared();
    leave_folder();
    openlog("joulemeter-guard", LOG_PID, LOG_DAEMON);
}

/* A thread hangs in the driver, and keeps whatever the driver locks: a new process starts afresh.
 */
static void hand_over(unsigned tries) {
    char name[] = "joulemeter-limitd", mend[] = "--mend", number[16];
    char *words[] = {name, mend, number, NULL};
    pid_t unused;
    snprintf(number, sizeof number, "%u", tries);
    syslog(LOG_WARNING, "the driver does not answer; another process goes on");
    posix_spawn(&unused, "/proc/self/exe", NULL, NULL, words, environ);
}

/* Threads that hang in a driver would be waited for by exit. */
static _Noreturn void leave(int status, unsigned tries, const jm_error *error) {
    if (status == JM_HUNG && tries > 0)
        hand_over(tries - 1);
    else if (status != JM_OK)
        syslog(LOG_ERR, "%s", error->message);
    _exit(status == JM_OK ? 0 : 1);
}

int limitd_guard(int32_t pid, bool has_pidfd, bool hold) {
    jm_error error = {0};
    if (fcntl(CONNECTION, F_GETFD) < 0) return 2; /* nobody who knows how started it */
    pid_t child = fork();
    if (child != 0) return child < 0;
    close_from(has_pidfd ? PROCESS + 1 : CONNECTION + 1);
    fcntl(CONNECTION, F_SETFD, FD_CLOEXEC);
    if (has_pidfd) fcntl(PROCESS, F_SETFD, FD_CLOEXEC);
    settle_in();
    const jmi_server_options options = {
        .listen_fd = -1,
        .stop_fd = limitd_signals(true),
        .borrower_fd = CONNECTION,
        .borrower_pidfd = has_pidfd ? PROCESS : -1,
        .borrower_pid = pid,
        .hold = hold,
        .log = to_syslog,
    };
    int status = jmi_server_run(&options, &error);
    leave(status, MEND_TRIES, &error);
}

int limitd_mend(unsigned tries) {
    const struct timespec pause = {1, 0};
    jm_error error = {0};
    settle_in();
    nanosleep(&pause, NULL); /* for whoever started it to end, and its loans with it */
    const jmi_server_options options = {
        .listen_fd = -1,
        .stop_fd = limitd_signals(true),
        .borrower_fd = -1,
        .borrower_pidfd = -1,
        .log = to_syslog,
    };
    int status = jmi_server_run(&options, &error);
    leave(status, tries, &error);
}
