/* A program under Nsight Compute. */
#include "estimate.h"

#include "child.h"
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- finding it ---- */

/* Folders may be entered, which is not what is asked. */
static bool executable(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* Where installers put it if not on PATH; the last is the newest. */
static char *usual_place(void) {
    glob_t found = {0};
    char *path = NULL;
    int flags = 0;
    static const char *const patterns[] = {"/opt/nvidia/nsight-compute/*/ncu",
                                           "/usr/local/cuda/bin/ncu"};
    for (size_t i = 0; i < CLI_COUNT(patterns); i++) {
        glob(patterns[i], flags, NULL, &found);
        flags = GLOB_APPEND;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (executable(found.gl_pathv[i])) {
            free(path);
            path = strdup(found.gl_pathv[i]);
        }
    globfree(&found);
    return path;
}

static char *on_path(const char *name) {
    const char *list = getenv("PATH");
    for (char *path; list != NULL && *list != '\0';) {
        size_t length = strcspn(list, ":");
        if (asprintf(&path, "%.*s/%s", (int)length, list, name) < 0) return NULL;
        if (executable(path)) return path;
        free(path);
        list += length + (list[length] == ':');
    }
    return NULL;
}

int ncu_find(const ncu_job *job, char **path) {
    if (job->ncu != NULL) {
        *path = strchr(job->ncu, '/') != NULL ? strdup(job->ncu) : on_path(job->ncu);
        if (*path != NULL && executable(*path)) return CLI_OK;
        free(*path);
        *path = NULL;
        return cli_fail(job->command, CLI_USAGE, "--ncu: there is no command %s", job->ncu);
    }
    *path = on_path("ncu");
    if (*path == NULL) *path = usual_place();
    if (*path != NULL) return CLI_OK;
    return cli_fail(job->command, CLI_FAILED,
                    "Nsight Compute (ncu) is not installed, or not on PATH: it comes with the CUDA "
                    "toolkit (package nsight-compute); --ncu PATH names it elsewhere, and -c FILE "
                    "takes a profile made on another machine");
}

/* ---- ending it ---- */

enum { MOST_PROCESSES = 4096 };

typedef struct process {
    int pid, parent;
    bool below;
} process;

static size_t list_processes(process *all) {
    size_t count = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[64], text[512];
        int pid = atoi(entry->d_name);
        if (pid <= 0 || count == MOST_PROCESSES) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = fopen(path, "re");
        if (file == NULL) continue;
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = '\0';
        char *close = strrchr(text, ')'); /* names may hold anything */
        int parent;
        if (close != NULL && sscanf(close + 1, " %*c %d", &parent) == 1)
            all[count++] = (process){pid, parent, false};
    }
    if (dir != NULL) closedir(dir);
    return count;
}

/* Sends a signal to what runs below root. False: nothing does. */
static bool signal_below(int root, int number) {
    process *all = calloc(MOST_PROCESSES, sizeof *all);
    size_t count = all == NULL ? 0 : list_processes(all);
    bool more = true, any = false;
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            bool under = all[i].parent == root;
            for (size_t j = 0; !under && j < count; j++)
                under = all[j].below && all[j].pid == all[i].parent;
            if (!under || all[i].below) continue;
            all[i].below = more = true;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (all[i].below) any |= kill(all[i].pid, number) == 0;
    free(all);
    return any;
}

/* The program first, so that ncu writes what it has; ncu itself only if it does not end by that. */
static void end(int root, int step) {
    switch (step) {
    case 0:
        if (signal_below(root, SIGTERM)) return;
        kill(root, SIGINT);
        return;
    case 1: signal_below(root, SIGKILL); return;
    case 2: kill(root, SIGTERM); return;
    default: signal_below(root, SIGKILL); kill(root, SIGKILL);
    }
}

enum { PATIENCE_S = 4 };

static off_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : 0;
}

/* The next step is taken when nothing was written for a while: a profile may be long. */
static void wait_for(ncu_job *job, const char *log, child *c) {
    int64_t second = 1000000000, deadline = INT64_MAX;
    off_t size = -1;
    int step = 0;
    if (job->seconds > 0) deadline = jm_now_ns() + (int64_t)(job->seconds * 1e9);
    for (;;) {
        int64_t now = jm_now_ns(), until = now + second;
        if (now >= deadline) {
            off_t grown = size_of(log);
            job->timed_out = true;
            if (step == 0 || grown == size) end(c->pid, step++);
            size = grown;
            deadline = now + PATIENCE_S * second;
        }
        if (until > deadline) until = deadline;
        if (child_wait(c, until) == CHILD_ENDED) return;
        /* A signal for us has gone to ncu; it need not have told the program. */
        if (c->asked_to_end != 0 && deadline == INT64_MAX) deadline = jm_now_ns() + second;
    }
}

/* ---- running it ---- */

typedef struct numbers {
    char skip[40], launches[40];
} numbers;

static char **make_argv(const ncu_job *job, const char *ncu, const char *log, numbers *text) {
    const char *own[20] = {ncu,
                           "--csv",
                           "--page",
                           "raw",
                           "--print-units",
                           "base",
                           "--target-processes",
                           "all",
                           "--clock-control",
                           "none",
                           "--log-file",
                           log,
                           "--metrics",
                           job->metrics};
    size_t count = 0, words = 14;
    snprintf(text->skip, sizeof text->skip, "%u", job->skip);
    snprintf(text->launches, sizeof text->launches, "%u", job->launches);
    if (job->skip > 0) {
        own[words++] = "--launch-skip";
        own[words++] = text->skip;
    }
    if (job->launches > 0) {
        own[words++] = "--launch-count";
        own[words++] = text->launches;
    }
    while (job->argv[count] != NULL) count++;
    char **argv = calloc(words + count + 1, sizeof *argv);
    if (argv == NULL) return NULL;
    for (size_t i = 0; i < words; i++) argv[i] = (char *)(uintptr_t)own[i];
    for (size_t i = 0; i < count; i++) argv[words + i] = job->argv[i];
    return argv;
}

/* The program's own output must not be taken for ours. */
static int start_and_wait(ncu_job *job, const char *ncu, const char *log, char **argv) {
    static const int streams[3] = {STDIN_FILENO, STDERR_FILENO, STDERR_FILENO};
    child c;
    if (!child_prepare(&c))
        return cli_fail(job->command, CLI_FAILED, "cannot watch signals: %s", strerror(errno));
    c.streams = streams;
    int errnum = child_start(&c, ncu, argv, NULL);
    if (errnum != 0)
        return cli_fail(job->command, CLI_FAILED, "'%s' cannot be executed: %s", ncu,
                        strerror(errnum));
    wait_for(job, log, &c);
    job->status = c.status;
    close(c.signals);
    sigprocmask(SIG_SETMASK, &c.original, NULL);
    return c.asked_to_end != 0 ? 128 + c.asked_to_end : CLI_OK;
}

static int read_log(const ncu_job *job, const char *path, jm_profile **profile) {
    jm_error error = {0};
    int status = jm_profile_read(profile, path, &error);
    if (status == JM_OK) return CLI_OK;
    int code = exit_code_of(job->status);
    bool nothing = status == JM_FORMAT && strstr(error.message, "there is no table") != NULL;
    if (!nothing) return cli_fail(job->command, CLI_FAILED, "%s", error.message);
    if (job->timed_out)
        return cli_fail(job->command, CLI_FAILED,
                        "Nsight Compute was ended after %g s and wrote no profile: it runs every "
                        "kernel several times; more time (-d) may help",
                        job->seconds);
    if (code != 0)
        return cli_fail(job->command, CLI_FAILED,
                        "Nsight Compute ended with exit code %d and wrote no profile: see what it "
                        "says above",
                        code);
    return cli_fail(job->command, CLI_FAILED,
                    "no kernel was profiled: the program ran on the CPU only, or ended before it "
                    "started one");
}

/* ---- metrics that this board, or this ncu, does not have ---- */

/* Does a line of the log that begins with "==ERROR==" name the metric? It names those that it
 * cannot find one at a time, without what follows the first point. */
static bool is_refused(const char *log, const char *metric) {
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(metric, ".,"), metric);
    size_t length = strlen(name);
    for (const char *line = log; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n'), *at = strstr(line, name);
        bool own = strncmp(line, "==ERROR==", 9) == 0;
        if (own && at != NULL && at < end && strchr(".,\\ \n", at[length]) != NULL) return true;
        line = *end == '\n' ? end + 1 : end;
    }
    return false;
}

/* Takes refused metrics out of the list. True: there were some. */
static bool drop_refused(char *metrics, const char *path) {
    char log[16384];
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    size_t length = fread(log, 1, sizeof log - 1, file), kept = 0;
    fclose(file);
    log[length] = '\0';
    bool any = false;
    for (char *at = metrics; *at != '\0';) {
        size_t size = strcspn(at, ","), skip = size + (at[size] == ',');
        if (is_refused(log, at)) {
            any = true;
        } else {
            if (kept > 0) metrics[kept++] = ',';
            memmove(metrics + kept, at, size);
            kept += size;
        }
        at += skip;
    }
    metrics[kept] = '\0';
    return any && kept > 0;
}

/* ---- all of it ---- */

int ncu_outcome(const ncu_job *job) {
    int code = exit_code_of(job->status);
    if (code == 0 || job->timed_out) return 0;
    return cli_fail(job->command, code,
                    "Nsight Compute, or the program in it, ended with exit code %d: kernels after "
                    "that are not in the profile",
                    code);
}

enum { MOST_TRIES = 12 };

/* What is kept of an earlier run must not be taken for this one's, should ncu write nothing. */
static int begin_log(const ncu_job *job, const char *log) {
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return cli_fail(job->command, CLI_FAILED, "cannot write %s: %s", log, strerror(errno));
    close(fd);
    return CLI_OK;
}

static int run_in(ncu_job *job, const char *ncu, const char *log, jm_profile **profile) {
    char *metrics = strdup(job->metrics);
    int code = CLI_OK;
    if (metrics == NULL) return cli_fail(job->command, CLI_FAILED, "out of memory");
    job->metrics = metrics;
    for (int tries = 0; code == CLI_OK && tries < MOST_TRIES; tries++) {
        numbers text;
        char **argv = make_argv(job, ncu, log, &text);
        code = argv == NULL ? cli_fail(job->command, CLI_FAILED, "out of memory")
                            : begin_log(job, log);
        if (code == CLI_OK) code = start_and_wait(job, ncu, log, argv);
        free(argv);
        if (code != CLI_OK || job->timed_out || !drop_refused(metrics, log)) break;
    }
    if (code == CLI_OK) code = read_log(job, log, profile);
    job->metrics = NULL;
    free(metrics);
    return code;
}

int ncu_profile(ncu_job *job, jm_profile **profile) {
    const char *base = getenv("TMPDIR");
    char folder[4000], log[4096], *ncu = NULL, *program = NULL;
    *profile = NULL;
    int code = ncu_find(job, &ncu);
    if (code != CLI_OK) return code;
    code = child_find(job->command, job->argv[0], &program);
    free(program);
    if (code != 0) {
        free(ncu);
        return code;
    }
    snprintf(folder, sizeof folder, "%.3900s/joulemeter-ncu-XXXXXX",
             base != NULL && base[0] == '/' ? base : "/tmp");
    if (mkdtemp(folder) == NULL) {
        free(ncu);
        return cli_fail(job->command, CLI_FAILED, "cannot make a folder in %s: %s",
                        base != NULL ? base : "/tmp", strerror(errno));
    }
    snprintf(log, sizeof log, "%s/profile.csv", folder);
    code = run_in(job, ncu, job->keep != NULL ? job->keep : log, profile);
    unlink(log);
    rmdir(folder);
    free(ncu);
    return code;
}
