#include "base/base.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int jmi_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    if (thread == NULL) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t unused;
    int failed = pthread_create(thread != NULL ? thread : &unused, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

static sigset_t size_signal(void) {
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGXFSZ);
    return only;
}

jmi_quiet jmi_quiet_begin(void) {
    sigset_t only = size_signal(), before, pending;
    sigemptyset(&pending);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &only, &before);
    return (jmi_quiet){.blocked = sigismember(&before, SIGXFSZ) == 0,
                       .pending = sigismember(&pending, SIGXFSZ) == 1};
}

void jmi_quiet_end(jmi_quiet quiet) {
    sigset_t only = size_signal();
    const struct timespec at_once = {0, 0};
    while (!quiet.pending && sigtimedwait(&only, NULL, &at_once) > 0) {
    }
    if (quiet.blocked) pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}

bool jmi_futex_wait_until(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns) {
    if (deadline_ns < 0) deadline_ns = 0; /* long passed; the kernel refuses negative times */
    struct timespec deadline = {.tv_sec = deadline_ns / JMI_NS_PER_S,
                                .tv_nsec = deadline_ns % JMI_NS_PER_S};
    /* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; not PRIVATE: other processes wake us. */
    long got = syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_BITSET, expected, &deadline, NULL,
                       FUTEX_BITSET_MATCH_ANY);
    return !(got == -1 && errno == ETIMEDOUT);
}

void jmi_futex_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
