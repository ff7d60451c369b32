/* Clocks, waiting, and whether processes live. */
#include "base/base.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MS = 1000000 };

static void the_clock_rises(void **state) {
    (void)state;
    int64_t before = jm_now_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = jm_now_ns();
        assert_true(now >= before);
        before = now;
    }
    assert_true(before > 0);
}

static void offsets_lead_to_the_other_clock(void **state) {
    (void)state;
    assert_true(llabs(jmi_clock_offset_ns(CLOCK_MONOTONIC)) < 1 * MS);
    int64_t utc = jm_now_ns() + jmi_clock_offset_ns(CLOCK_REALTIME);
    assert_true(llabs(jmi_clock_ns(CLOCK_REALTIME) - utc) < 50 * MS);
    assert_true(jmi_clock_offset_ns(CLOCK_BOOTTIME) > -1 * MS);
}

static void waiting_ends_at_the_deadline(void **state) {
    (void)state;
    _Atomic uint32_t word = 3;
    int64_t begin = jm_now_ns();
    assert_false(jmi_futex_wait_until(&word, 3, begin + 30 * MS));
    int64_t took = jm_now_ns() - begin;
    assert_true(took >= 30 * MS && took < 3000 * (int64_t)MS);
}

static void a_deadline_that_has_passed_is_a_timeout(void **state) {
    (void)state;
    _Atomic uint32_t word = 3;
    static const int64_t passed[] = {1, 0, -1, -1000000000, INT64_MIN};
    int64_t begin = jm_now_ns();
    for (size_t i = 0; i < JMI_COUNT(passed); i++)
        if (jmi_futex_wait_until(&word, 3, passed[i]))
            fail_msg("deadline %lld: not a time-out", (long long)passed[i]);
    assert_true(jm_now_ns() - begin < 1000 * (int64_t)MS);
}

static void another_value_does_not_wait(void **state) {
    (void)state;
    _Atomic uint32_t word = 4;
    int64_t begin = jm_now_ns();
    assert_true(jmi_futex_wait_until(&word, 3, begin + 5000 * (int64_t)MS));
    assert_true(jm_now_ns() - begin < 2000 * (int64_t)MS);
}

static void *wake_later(void *word) {
    struct timespec little = {0, 20 * MS};
    nanosleep(&little, NULL);
    atomic_store((_Atomic uint32_t *)word, 9);
    jmi_futex_wake(word);
    return NULL;
}

static void a_thread_wakes_all_waiters(void **state) {
    (void)state;
    _Atomic uint32_t word = 8;
    pthread_t waker;
    int64_t begin = jm_now_ns();
    assert_int_equal(pthread_create(&waker, NULL, wake_later, &word), 0);
    while (atomic_load(&word) == 8) /* waits may end without a reason */
        assert_true(jmi_futex_wait_until(&word, 8, begin + 20000 * (int64_t)MS));
    pthread_join(waker, NULL);
    assert_int_equal(atomic_load(&word), 9);
}

static void another_process_wakes(void **state) {
    (void)state;
    _Atomic uint32_t *word =
        mmap(NULL, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(word, MAP_FAILED);
    atomic_store(word, 8);
    int64_t begin = jm_now_ns();
    pid_t child = fork();
    if (child == 0) {
        wake_later(word);
        _exit(0);
    }
    while (atomic_load(word) == 8)
        assert_true(jmi_futex_wait_until(word, 8, begin + 20000 * (int64_t)MS));
    assert_int_equal(waitpid(child, NULL, 0), child);
    munmap((void *)word, sizeof *word);
}

static void the_dead_are_gone_before_they_are_waited_for(void **state) {
    (void)state;
    assert_false(jmi_process_gone(getpid()));
    assert_false(jmi_process_gone(getppid()));
    assert_false(jmi_process_gone(0));
    assert_false(jmi_process_gone(-1));
    pid_t child = fork();
    if (child == 0)
        for (;;) pause();
    assert_false(jmi_process_gone(child));
    kill(child, SIGKILL);
    int64_t end = jm_now_ns() + 20000 * (int64_t)MS;
    while (!jmi_process_gone(child) && jm_now_ns() < end) usleep(1000);
    assert_true(jmi_process_gone(child)); /* a zombie */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(jmi_process_gone(child));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_rises),
        cmocka_unit_test(offsets_lead_to_the_other_clock),
        cmocka_unit_test(waiting_ends_at_the_deadline),
        cmocka_unit_test(a_deadline_that_has_passed_is_a_timeout),
        cmocka_unit_test(another_value_does_not_wait),
        cmocka_unit_test(a_thread_wakes_all_waiters),
        cmocka_unit_test(another_process_wakes),
        cmocka_unit_test(the_dead_are_gone_before_they_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
