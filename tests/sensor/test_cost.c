/* What a read is thought to cost: an interruption while it is timed must not count. */
#include "sensor/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { LONG_MS = 30 };

typedef struct slow {
    int reads, interrupted; /* so many of the first reads take long */
} slow;

static int read_slow(jmi_source *source, jmi_reading *readings) {
    slow *s = source->context;
    const struct timespec pause = {.tv_nsec = LONG_MS * 1000000};
    (void)readings;
    if (s->reads++ < s->interrupted) nanosleep(&pause, NULL);
    return JM_OK;
}

static uint64_t cost_of(slow *s) {
    jmi_source source = {.read = read_slow, .context = s};
    return jmi_source_cost(&source);
}

static void one_that_is_quick_is_read_a_few_times_at_most(void **state) {
    (void)state;
    slow s = {.interrupted = 0};
    assert_true(cost_of(&s) < LONG_MS * UINT64_C(1000000));
    assert_true(s.reads >= 1 && s.reads <= 3);
}

static void an_interruption_does_not_count(void **state) {
    (void)state;
    slow once = {.interrupted = 1}, twice = {.interrupted = 2};
    assert_true(cost_of(&once) < LONG_MS * UINT64_C(1000000));
    assert_true(cost_of(&twice) < LONG_MS * UINT64_C(1000000));
}

static void one_that_is_slow_is_known_to_be(void **state) {
    (void)state;
    slow s = {.interrupted = 1000};
    assert_true(cost_of(&s) >= LONG_MS * UINT64_C(1000000));
    assert_int_equal(s.reads, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_quick_is_read_a_few_times_at_most),
        cmocka_unit_test(an_interruption_does_not_count),
        cmocka_unit_test(one_that_is_slow_is_known_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
