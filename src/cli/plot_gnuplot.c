/* Running gnuplot: the script goes into its standard input, what it says on stderr is kept. */
#include "plot.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

char *find_gnuplot(void) {
    const char *path = getenv("PATH");
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");
        char *candidate = NULL;
        if (length > 0 && asprintf(&candidate, "%.*s/gnuplot", (int)length, at) >= 0) {
            if (access(candidate, X_OK) == 0) return candidate;
            free(candidate);
        }
        at += length + (at[length] == ':');
    }
    return NULL;
}

static int spawn(const char *gnuplot, int in, int err, pid_t *pid) {
    /* The user's settings stay out of it: figures look the same everywhere. */
    char *argv[] = {(char *)gnuplot, (char *)"--default-settings", (char *)"-", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, err, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    extern char **environ;
    int errnum = posix_spawn(pid, gnuplot, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

/* The first line that says something; gnuplot points at places with lines of ^ and blanks. */
static void read_complaint(int err, char *why, size_t size) {
    char text[4096];
    ssize_t length = pread(err, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        line += strspn(line, " \t");
        if (*line == '\0' || *line == '^' || strncmp(line, "gnuplot>", 8) == 0) continue;
        snprintf(why, size, "%s", line);
        return;
    }
}

/* 0, or -1 after saying why. */
static int wait_for(pid_t pid, int err, char *why, size_t size) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    if (WIFSIGNALED(status))
        snprintf(why, size, "%s", strsignal(WTERMSIG(status)));
    else
        snprintf(why, size, "it failed without a word");
    read_complaint(err, why, size);
    return -1;
}

int run_gnuplot(const char *gnuplot, const char *script, char *why, size_t size) {
    int in[2] = {-1, -1}, result = -1;
    int err = memfd_create("gnuplot", MFD_CLOEXEC);
    pid_t pid;
    snprintf(why, size, "it could not be started");
    if (err >= 0 && pipe2(in, O_CLOEXEC) == 0) {
        int errnum = spawn(gnuplot, in[0], err, &pid);
        close(in[0]);
        if (errnum == 0) {
            write_all(in[1], script, strlen(script)); /* cut short if it ends: its code tells */
            close(in[1]);
            result = wait_for(pid, err, why, size);
        } else {
            close(in[1]);
            snprintf(why, size, "%s", strerror(errnum));
        }
    }
    if (err >= 0) close(err);
    return result;
}
