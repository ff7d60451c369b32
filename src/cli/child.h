/* The measured command: started, waited for, and kept in touch with the signals that are meant
 * for it. */
#ifndef JM_CLI_CHILD_H
#define JM_CLI_CHILD_H

#include "cli.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

typedef struct child {
    pid_t pid; /* 0: not started */
    bool ended;
    int status;          /* as waitpid gives it */
    struct rusage usage; /* of it and of what it waited for */
    int signals;         /* signalfd */
    int asked_to_end;    /* last of SIGINT, SIGTERM, SIGHUP, SIGQUIT that came; 0: none */
    const int *streams;  /* its descriptors 0, 1 and 2; NULL: those of joulemeter */
    sigset_t original;   /* mask that the command gets */
    sigset_t defaults;   /* signals that the command gets back as default */
} child;

/* What child_wait saw. */
typedef enum child_event {
    CHILD_TIMEOUT,
    CHILD_ENDED,
    CHILD_INTERRUPTED, /* a signal came before the command was started: child.status has it */
    CHILD_CONTINUED    /* all of it was stopped, and goes on */
} child_event;

/* Finds the command as execvp would. Returns 0 and its path (free it), or CLI_NOT_FOUND or
 * CLI_NOT_EXECUTABLE after saying so. */
int child_find(const cli_command *command, const char *name, char **path);

/* From here on signals are collected. To be called before any thread is made. */
bool child_prepare(child *c);

/* Starts path with argv; `extra` are settings that replace or join the environment. 0 or errno.
 * After one has ended the next may be started. */
int child_start(child *c, const char *path, char *const *argv, const char *const *extra);

/* Waits for the command, a signal or the time (CLOCK_MONOTONIC ns). Signals that another process
 * sent to joulemeter go on to the command; those of the terminal reach it by themselves. */
child_event child_wait(child *c, int64_t until_ns);

/* Processes that the command started and left running; names of some of them as a text. */
unsigned child_left_behind(char *names, size_t size);

/* Leaves as the command did: with its exit code, or by its signal. */
_Noreturn void child_leave_as(const child *c);

#endif
