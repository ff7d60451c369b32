#include "base/base.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
