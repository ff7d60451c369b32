#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const int PASSED_ON[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

/* ---- finding it ---- */

/* 0, or errno that says why path cannot be executed. */
static int executable(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return errno;
    if (S_ISDIR(info.st_mode)) return EISDIR;
    return access(path, X_OK) == 0 ? 0 : errno;
}

static int search(const char *name, char **path) {
    const char *list = getenv("PATH");
    if (list == NULL) list = "/usr/local/bin:/bin:/usr/bin";
    int worst = ENOENT;
    for (;;) {
        size_t length = strcspn(list, ":");
        int made = length == 0 ? asprintf(path, "./%s", name)
                               : asprintf(path, "%.*s/%s", (int)length, list, name);
        if (made < 0) return ENOMEM;
        int errnum = executable(*path);
        if (errnum == 0) return 0;
        if (errnum == EACCES) worst = EACCES;
        free(*path);
        *path = NULL;
        if (list[length] == '\0') return worst;
        list += length + 1;
    }
}

int child_find(const cli_command *command, const char *name, char **path) {
    int errnum;
    *path = NULL;
    if (strchr(name, '/') != NULL) {
        errnum = executable(name);
        if (errnum == 0) *path = strdup(name);
    } else {
        errnum = name[0] == '\0' ? ENOENT : search(name, path);
    }
    if (errnum == 0) return *path == NULL ? CLI_RUN_FAILED : 0;
    if (errnum == ENOENT || errnum == ENOTDIR)
        return cli_fail(command, CLI_NOT_FOUND, "there is no command '%s'; check its name and PATH",
                        name);
    return cli_fail(command, CLI_NOT_EXECUTABLE, "'%s' cannot be executed: %s", name,
                    strerror(errnum));
}

/* ---- signals ---- */

static bool is_ignored(int signal_number) {
    struct sigaction action;
    return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool child_prepare(child *c) {
    sigset_t watched;
    *c = (child){.signals = -1};
    sigemptyset(&watched);
    sigemptyset(&c->defaults);
    sigaddset(&watched, SIGCHLD);
    for (size_t i = 0; i < CLI_COUNT(PASSED_ON); i++)
        if (!is_ignored(PASSED_ON[i])) sigaddset(&watched, PASSED_ON[i]);
    if (!is_ignored(SIGTSTP)) {
        sigaddset(&watched, SIGTSTP);
        sigaddset(&watched, SIGCONT);
    }
    signal(SIGCHLD, SIG_DFL); /* ignored, it would make exit codes vanish */
    static const int of_writing[] = {SIGPIPE, SIGXFSZ}; /* write says so, too */
    for (size_t i = 0; i < CLI_COUNT(of_writing); i++) {
        if (!is_ignored(of_writing[i])) sigaddset(&c->defaults, of_writing[i]);
        signal(of_writing[i], SIG_IGN);
    }
    if (sigprocmask(SIG_BLOCK, &watched, &c->original) != 0) return false;
    c->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return c->signals >= 0;
}

/* ---- starting it ---- */

static bool same_name(const char *setting, const char *other) {
    size_t length = strcspn(setting, "=");
    return strncmp(setting, other, length + 1) == 0;
}

static char **merge_environment(const char *const *extra) {
    size_t own = 0, more = 0, count = 0;
    while (environ != NULL && environ[own] != NULL) own++;
    while (extra != NULL && extra[more] != NULL) more++;
    char **merged = calloc(own + more + 1, sizeof *merged);
    if (merged == NULL) return NULL;
    for (size_t i = 0; i < own; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more; j++) replaced |= same_name(extra[j], environ[i]);
        if (!replaced) merged[count++] = environ[i];
    }
    for (size_t j = 0; j < more; j++) merged[count++] = (char *)(uintptr_t)extra[j];
    return merged;
}

/* A script without "#!" is the shell's, as every shell does it. */
static int spawn_script(child *c, const char *path, char *const *argv,
                        const posix_spawn_file_actions_t *files,
                        const posix_spawnattr_t *attributes, char *const *environment) {
    size_t count = 0;
    while (argv[count] != NULL) count++;
    char **words = calloc(count + 2, sizeof *words);
    if (words == NULL) return ENOMEM;
    char shell[] = "sh";
    words[0] = shell;
    words[1] = (char *)(uintptr_t)path;
    for (size_t i = 1; i < count; i++) words[i + 1] = argv[i];
    int errnum = posix_spawn(&c->pid, "/bin/sh", files, attributes, words, environment);
    free(words);
    return errnum;
}

static int spawn(child *c, const char *path, char *const *argv, char *const *environment,
                 const posix_spawn_file_actions_t *files) {
    posix_spawnattr_t attributes;
    int errnum = posix_spawnattr_init(&attributes);
    if (errnum != 0) return errnum;
    posix_spawnattr_setsigmask(&attributes, &c->original);
    posix_spawnattr_setsigdefault(&attributes, &c->defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    errnum = posix_spawn(&c->pid, path, files, &attributes, argv, environment);
    if (errnum == ENOEXEC) errnum = spawn_script(c, path, argv, files, &attributes, environment);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

int child_start(child *c, const char *path, char *const *argv, const char *const *extra) {
    posix_spawn_file_actions_t files;
    char **environment = merge_environment(extra);
    int errnum = environment == NULL ? ENOMEM : posix_spawn_file_actions_init(&files);
    if (errnum != 0) {
        free(environment);
        return errnum;
    }
    for (int fd = 0; c->streams != NULL && fd <= 2 && errnum == 0; fd++)
        errnum = posix_spawn_file_actions_adddup2(&files, c->streams[fd], fd);
    /* What the command leaves behind becomes ours, so that it can be told of. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    c->ended = false;
    if (errnum == 0) errnum = spawn(c, path, argv, environment, &files);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    if (errnum != 0) c->pid = 0;
    return errnum;
}

/* ---- waiting for it ---- */

static void reap(child *c) {
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid != c->pid) continue;
        c->ended = true;
        c->pid = 0;
        c->status = status;
        c->usage = usage;
    }
}

/* The terminal sends its signals to the whole foreground group: the command has them already. Only
 * that it has hung up it tells the leader of the session alone. */
static bool from_terminal(const struct signalfd_siginfo *info) {
    if (info->ssi_signo == SIGHUP && getsid(0) == getpid()) return false;
    return info->ssi_code == SI_KERNEL;
}

static void stop_with(child *c, const struct signalfd_siginfo *info) {
    if (!from_terminal(info) && c->pid > 0) kill(c->pid, SIGTSTP);
    kill(getpid(), SIGSTOP);
}

static child_event handle(child *c, const struct signalfd_siginfo *info) {
    int number = (int)info->ssi_signo;
    if (number == SIGCHLD) {
        reap(c);
        return c->ended ? CHILD_ENDED : CHILD_TIMEOUT;
    }
    if (number == SIGTSTP) {
        stop_with(c, info);
        return CHILD_CONTINUED;
    }
    if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT)
        c->asked_to_end = number;
    if (c->pid == 0 && number != SIGCONT) {
        c->status = number;
        return CHILD_INTERRUPTED;
    }
    if (c->pid > 0 && !from_terminal(info)) kill(c->pid, number);
    return CHILD_TIMEOUT;
}

child_event child_wait(child *c, int64_t until_ns) {
    for (;;) {
        struct signalfd_siginfo info;
        while (read(c->signals, &info, sizeof info) == (ssize_t)sizeof info) {
            child_event event = handle(c, &info);
            if (event != CHILD_TIMEOUT) return event;
        }
        int64_t left = until_ns - jm_now_ns();
        if (left <= 0) return CHILD_TIMEOUT;
        struct pollfd waited = {.fd = c->signals, .events = POLLIN};
        struct timespec time = {left / 1000000000, left % 1000000000};
        ppoll(&waited, 1, &time, NULL);
    }
}

/* ---- after it ---- */

/* Parent and name from /proc/PID/stat; the name is in parentheses and may hold anything. */
static bool read_stat(const char *pid, pid_t *parent, char *name, size_t size) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (open == NULL || close == NULL || close < open) return false;
    char state = '\0';
    int number = 0;
    if (sscanf(close + 1, " %c %d", &state, &number) != 2 || state == 'Z') return false;
    *close = '\0';
    snprintf(name, size, "%s", open + 1);
    *parent = number;
    return true;
}

/* The guard of a limit has yet to give it back, and ends when it has. */
static bool is_guard(const char *name) {
    return strcmp(name, "jm-limit-guard") == 0;
}

unsigned child_left_behind(char *names, size_t size) {
    names[0] = '\0';
    if (waitpid(-1, NULL, WNOHANG) != 0) return 0; /* no child at all: the usual case */
    DIR *dir = opendir("/proc");
    if (dir == NULL) return 0;
    unsigned count = 0;
    size_t used = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        pid_t parent;
        char name[64];
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        if (!read_stat(entry->d_name, &parent, name, sizeof name) || parent != getpid() ||
            is_guard(name))
            continue;
        if (count++ < 3 && used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "", name);
    }
    closedir(dir);
    return count;
}

_Noreturn void child_leave_as(const child *c) {
    if (!WIFSIGNALED(c->status)) exit(WEXITSTATUS(c->status));
    int number = WTERMSIG(c->status);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); /* the command may have dumped its core; ours says nothing */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    fflush(NULL);
    signal(number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    exit(128 + number); /* as process 1 of a container, signals do not end us */
}
