/* The guard: joulemeter-limitd, started for one process, which it outlives. It is a program of its
 * own, so that nothing of the borrower can take it along: neither its signals, nor its terminal,
 * nor a crash. posix_spawn is safe in a program with threads, where fork is not. */
#include "limit/limit.h"
#include "limit/wire.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "joulemeter-limitd"

extern char **environ;

/* ---- finding the program ---- */

/* In the folder of `file`, or another that is named from there. */
static bool beside(char *program, size_t size, const char *file, const char *below) {
    const char *slash = strrchr(file, '/');
    if (slash == NULL) return false;
    int length = snprintf(program, size, "%.*s/%s" PROGRAM, (int)(slash - file), file, below);
    return length > 0 && (size_t)length < size && access(program, X_OK) == 0;
}

/* The command of a Python wheel: bin/joulemeter beside lib/python3.x/site-packages. */
static bool in_wheel(char *program, size_t size, const char *file) {
    char pattern[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (slash == NULL) return false;
    snprintf(pattern, sizeof pattern,
             "%.*s/../lib*/python3*/site-packages/joulemeter/libexec/" PROGRAM, (int)(slash - file),
             file);
    glob_t found;
    bool there = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (there) there = (size_t)snprintf(program, size, "%s", found.gl_pathv[0]) < size;
    globfree(&found);
    return there && access(program, X_OK) == 0;
}

static bool near_self(char *program, size_t size) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = '\0';
    return beside(program, size, self, "") || beside(program, size, self, "limitd/") ||
           beside(program, size, self, "../libexec/joulemeter/") || in_wheel(program, size, self);
}

static bool near_library(char *program, size_t size) {
    Dl_info info;
    if (dladdr((void *)(uintptr_t)jmi_guard_start, &info) == 0 || info.dli_fname == NULL)
        return false;
    return beside(program, size, info.dli_fname, "../limitd/") ||
           beside(program, size, info.dli_fname, "joulemeter/libexec/") ||
           beside(program, size, info.dli_fname, "../libexec/joulemeter/") ||
           beside(program, size, info.dli_fname, "../../libexec/joulemeter/");
}

static int find_program(char *program, size_t size, jm_error *error) {
    const char *named = secure_getenv("JOULEMETER_LIMITD");
    if (named != NULL && named[0] != '\0') {
        if (jmi_path(program, size, NULL, "%s", named) && access(program, X_OK) == 0) return JM_OK;
        return jmi_fail(error, JM_MISSING_LIBRARY,
                        "$JOULEMETER_LIMITD names %.200s, which cannot be executed", named);
    }
    if (near_self(program, size) || near_library(program, size)) return JM_OK;
#ifdef JM_LIBEXEC_DIR
    if (jmi_path(program, size, NULL, "%s/" PROGRAM, JM_LIBEXEC_DIR) && access(program, X_OK) == 0)
        return JM_OK;
#endif
    return jmi_fail(error, JM_MISSING_LIBRARY,
                    PROGRAM ", which gives limits back when a program ends, is not where "
                            "joulemeter is: name it in $JOULEMETER_LIMITD");
}

/* ---- starting it ---- */

static bool same_name(const char *setting, const char *other) {
    size_t length = strcspn(setting, "=") + 1;
    return strncmp(setting, other, length) == 0;
}

static char **merge(const char *const *settings) {
    size_t own = 0, more = 0, count = 0;
    while (environ != NULL && environ[own] != NULL) own++;
    while (settings != NULL && settings[more] != NULL) more++;
    char **merged = jmi_alloc(own + more + 1, sizeof *merged);
    for (size_t i = 0; merged != NULL && i < own; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more; j++) replaced |= same_name(settings[j], environ[i]);
        if (!replaced) merged[count++] = environ[i];
    }
    for (size_t j = 0; merged != NULL && j < more; j++)
        merged[count++] = (char *)(uintptr_t)settings[j];
    return merged;
}

/* The guard gets the connection as 3 and the process to watch as 4, and nothing else of ours. */
static int add_files(posix_spawn_file_actions_t *files, int connection, int pidfd) {
    int errnum = 0;
    for (int fd = 0; fd <= 2 && errnum == 0; fd++)
        errnum = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (errnum == 0) errnum = posix_spawn_file_actions_adddup2(files, connection, 3);
    if (errnum == 0 && pidfd >= 0) errnum = posix_spawn_file_actions_adddup2(files, pidfd, 4);
    return errnum;
}

static int spawn(const char *program, char *const *words, char *const *environment,
                 const posix_spawn_file_actions_t *files, pid_t *pid) {
    posix_spawnattr_t attributes;
    sigset_t all;
    int errnum = posix_spawnattr_init(&attributes);
    if (errnum != 0) return errnum;
    sigfillset(&all); /* until it is ready for them */
    posix_spawnattr_setsigmask(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    errnum = posix_spawn(pid, program, files, &attributes, words, environment);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

/* The child makes the guard and ends at once, so that the guard is no child of this process: who
 * waits for all children does not wait for it. */
static int start(const char *program, int connection, int pidfd, int32_t pid, bool hold,
                 const char *const *settings) {
    char number[16], name[] = PROGRAM, guard[] = "--guard", watch[] = "--pidfd", keep[] = "--hold";
    char *words[6] = {name, guard, number};
    size_t count = 3;
    if (pidfd >= 0) words[count++] = watch;
    if (hold) words[count++] = keep;
    posix_spawn_file_actions_t files;
    char **environment = merge(settings);
    pid_t child = 0;
    snprintf(number, sizeof number, "%d", (int)pid);
    int errnum = environment == NULL ? ENOMEM : posix_spawn_file_actions_init(&files);
    if (errnum == 0) {
        errnum = add_files(&files, connection, pidfd);
        if (errnum == 0) errnum = spawn(program, words, environment, &files, &child);
        posix_spawn_file_actions_destroy(&files);
    }
    free(environment);
    int ended;
    while (errnum == 0 && waitpid(child, &ended, 0) < 0 && errno == EINTR) {
    }
    return errnum;
}

/* Beyond the numbers that the guard's descriptors get. */
static int move_up(int fd) {
    return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
}

static int greet(int fd, jm_error *error) {
    const jmi_request hello = {.verb = JMI_VERB_HELLO, .value = JMI_WIRE_VERSION};
    jmi_answer answer;
    int status = jmi_lender_ask(fd, &hello, &answer, error);
    if (status == JM_CLOSED)
        return jmi_fail(error, JM_SYSTEM, PROGRAM " could not be started as a guard");
    if (status == JM_OK && (answer.count != 1 || answer.value[0] != JMI_WIRE_VERSION))
        return jmi_fail(error, JM_NOT_SUPPORTED, PROGRAM " is of another version");
    return status;
}

int jmi_guard_start(int pidfd, int32_t pid, bool hold, const char *const *settings,
                    jm_error *error) {
    char program[PATH_MAX];
    int ends[2];
    int status = find_program(program, sizeof program, error);
    if (status != JM_OK) return status;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return jmi_fail_errno(error, errno, "cannot talk to a guard");
    int theirs = move_up(ends[1]), watched = move_up(pidfd);
    close(ends[1]);
    int errnum = theirs < 0 ? errno : start(program, theirs, watched, pid, hold, settings);
    if (theirs >= 0) close(theirs);
    if (watched >= 0) close(watched);
    if (errnum != 0)
        status = jmi_fail_errno(error, errnum, "cannot start the guard %.200s", program);
    else
        status = greet(ends[0], error);
    if (status == JM_OK) return ends[0];
    close(ends[0]);
    return status;
}
