/* joulemeter-limitd: lends power limits to users (a daemon), or guards those of one process. */
#include "limitd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

void limitd_log(const char *line, void *user) {
    (void)user;
    fprintf(stderr, "joulemeter-limitd: %s\n", line);
}

void limitd_log_errno(const char *what) {
    char line[256];
    snprintf(line, sizeof line, "%s: %s", what, strerror(errno));
    limitd_log(line, NULL);
}

int limitd_signals(bool alone) {
    static const int others[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM,
                                 SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    if (!alone) sigaddset(&ends, SIGINT);
    for (size_t i = 0; i < JMI_COUNT(others); i++)
        if (!sigismember(&ends, others[i])) signal(others[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (sigprocmask(SIG_SETMASK, &ends, NULL) != 0) return -1;
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int usage(FILE *out, int code) {
    fputs("joulemeter-limitd " JM_VERSION_STRING " - lets users set the power limits of GPUs\n\n"
          "Usage: joulemeter-limitd [--socket PATH] [--config FILE]\n"
          "       joulemeter-limitd --check [FILE]\n\n"
          "Members of the group that the configuration names may set limits within its\n"
          "bounds. What a program has set is given back when it ends.\n\n"
          "Options:\n"
          "  --socket PATH   listen there; default: the socket that systemd hands over,\n"
          "                  else " JMI_DAEMON_SOCKET "\n"
          "  --config FILE   default: " LIMITD_CONFIG "\n"
          "  --check [FILE]  say whether a configuration is good, and do nothing else\n"
          "  --help          this text\n"
          "  --version       version\n",
          out);
    return code;
}

static int wrong(const char *word) {
    fprintf(stderr, "joulemeter-limitd: '%s' is not understood; see joulemeter-limitd --help\n",
            word);
    return 2;
}

static bool is_number(const char *text, uint64_t *value) {
    return text != NULL && jmi_parse_u64(text, value) && *value <= INT32_MAX;
}

/* Of a guard: how the library starts it. */
static int run_guard(char **argv) {
    uint64_t pid;
    bool has_pidfd = false, hold = false;
    if (!is_number(argv[2], &pid)) return wrong(argv[1]);
    for (char **word = argv + 3; *word != NULL; word++) {
        if (strcmp(*word, "--pidfd") == 0)
            has_pidfd = true;
        else if (strcmp(*word, "--hold") == 0)
            hold = true;
        else
            return wrong(*word);
    }
    return limitd_guard((int32_t)pid, has_pidfd, hold);
}

static int run_daemon(char **argv) {
    const char *socket_path = NULL, *config_path = NULL;
    for (char **word = argv + 1; *word != NULL; word += 2) {
        const char **value = strcmp(*word, "--socket") == 0   ? &socket_path
                             : strcmp(*word, "--config") == 0 ? &config_path
                                                              : NULL;
        if (value == NULL || word[1] == NULL) return wrong(*word);
        *value = word[1];
    }
    return limitd_serve(socket_path, config_path);
}

int main(int argc, char **argv) {
    uint64_t tries;
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) return usage(stdout, 0);
    if (strcmp(first, "--version") == 0) return puts("joulemeter-limitd " JM_VERSION_STRING) < 0;
    if (strcmp(first, "--check") == 0 && argc <= 3) return limitd_check(argv[2]);
    if (strcmp(first, "--guard") == 0) return run_guard(argv);
    if (strcmp(first, "--mend") == 0)
        return argc == 3 && is_number(argv[2], &tries) ? limitd_mend((unsigned)tries)
                                                       : wrong(first);
    return run_daemon(argv);
}
