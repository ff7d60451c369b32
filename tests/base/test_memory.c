/* Errors, structs that differ in size, arrays that grow, strings kept once. */
#include "base/base.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- errors ---- */

static void messages_are_cut_not_overrun(void **state) {
    (void)state;
    struct {
        jm_error error;
        char guard[16];
    } both;
    memset(&both, 'G', sizeof both);
    char wide[2000];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    assert_int_equal(jmi_fail(&both.error, JM_FULL, "%s", wide), JM_FULL);
    assert_int_equal(both.error.status, JM_FULL);
    assert_int_equal(strlen(both.error.message), sizeof both.error.message - 1);
    assert_int_equal(jmi_fail_errno(&both.error, ENOENT, "%s", wide), JM_NOT_FOUND);
    assert_non_null(strstr(both.error.message, ": No such file")); /* why is never cut off */
    for (size_t i = 0; i < sizeof both.guard; i++) assert_int_equal(both.guard[i], 'G');
    assert_int_equal(jmi_fail(NULL, JM_HUNG, "%s", wide), JM_HUNG);
    assert_int_equal(jmi_fail_errno(NULL, EACCES, "open"), JM_PERMISSION);
}

static void a_message_may_be_made_from_itself(void **state) {
    (void)state;
    jm_error error = {0};
    jmi_fail(&error, JM_IO, "inner 100%% sure");
    jmi_fail(&error, error.status, "outer: %s", error.message);
    assert_string_equal(error.message, "outer: inner 100% sure");
}

static void every_status_has_name_and_sentence(void **state) {
    (void)state;
    assert_string_equal(jm_status_name(JM_NO_DATA), "JM_NO_DATA");
    assert_string_equal(jm_status_name(0), "JM_OK");
    for (int s = 0; s >= -16; s--) {
        assert_int_equal(strncmp(jm_status_name(s), "JM_", 3), 0);
        assert_string_not_equal(jm_status_name(s), "JM_UNKNOWN");
        assert_string_not_equal(jm_status_text(s), "unknown status");
        for (int other = 0; other > s; other--)
            assert_string_not_equal(jm_status_name(s), jm_status_name(other));
    }
    assert_string_equal(jm_status_name(1), "JM_UNKNOWN");
    assert_string_equal(jm_status_text(-17), "unknown status");
    assert_string_equal(jm_status_name(INT32_MIN), "JM_UNKNOWN");
}

static void statuses_follow_errno(void **state) {
    (void)state;
    assert_int_equal(jmi_status_of_errno(EPERM), JM_PERMISSION);
    assert_int_equal(jmi_status_of_errno(ENOSPC), JM_FULL);
    assert_int_equal(jmi_status_of_errno(ENOMEM), JM_MEMORY);
    assert_int_equal(jmi_status_of_errno(0), JM_SYSTEM);
    assert_int_equal(jmi_status_of_errno(99999), JM_SYSTEM);
}

/* ---- structs of programs that were built with another version ---- */

typedef struct ours_now {
    size_t size;
    int32_t a, b;
    double c;
    bool d;
} ours_now;

static int take(ours_now *ours, const void *theirs, jm_error *error) {
    memset(ours, 'x', sizeof *ours);
    return jmi_take_struct(ours, sizeof *ours, theirs, "ours_now", error);
}

static void options_of_an_older_program(void **state) {
    (void)state;
    struct {
        size_t size;
        int32_t a, beyond;
    } older = {offsetof(ours_now, b), 5, 99};
    ours_now ours;
    assert_int_equal(take(&ours, &older, NULL), JM_OK);
    assert_int_equal(ours.a, 5);
    assert_int_equal(ours.b, 0); /* not the caller's memory beyond its struct */
    assert_true(ours.c == 0 && !ours.d);
    assert_int_equal(ours.size, sizeof ours);
    size_t bare = sizeof bare;
    assert_int_equal(take(&ours, &bare, NULL), JM_OK);
    assert_true(ours.a == 0 && ours.b == 0);
}

static void options_of_a_newer_program(void **state) {
    (void)state;
    struct {
        ours_now known;
        char more[40];
    } newer = {.known = {.size = sizeof newer, .a = 1, .b = 2, .c = 3, .d = true}};
    ours_now ours;
    jm_error error = {0};
    assert_int_equal(take(&ours, &newer, &error), JM_OK);
    assert_true(ours.a == 1 && ours.b == 2 && ours.c == 3 && ours.d);
    newer.more[39] = 1; /* asks for what we do not know */
    assert_int_equal(take(&ours, &newer, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "ours_now"));
}

static void options_without_a_size(void **state) {
    (void)state;
    ours_now ours, theirs = {.a = 5};
    jm_error error = {0};
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 65537, SIZE_MAX};
    for (size_t i = 0; i < JMI_COUNT(sizes); i++) {
        theirs.size = sizes[i];
        assert_int_equal(take(&ours, &theirs, &error), JM_INVALID);
        assert_non_null(strstr(error.message, "_INIT"));
    }
    assert_int_equal(take(&ours, NULL, NULL), JM_OK); /* none at all: all defaults */
    assert_true(ours.size == sizeof ours && ours.a == 0 && ours.c == 0 && !ours.d);
}

static void results_never_overrun_the_callers_struct(void **state) {
    (void)state;
    const ours_now ours = {.size = sizeof ours, .a = 1, .b = 2, .c = 3, .d = true};
    unsigned char theirs[sizeof ours + 64];
    for (size_t size = sizeof(size_t); size <= sizeof theirs - 8; size++) {
        memset(theirs, 0xAA, sizeof theirs);
        memcpy(theirs, &size, sizeof size);
        assert_int_equal(jmi_give_struct(theirs, &ours, sizeof ours), JM_OK);
        assert_memory_equal(theirs, &size, sizeof size); /* their size stays theirs */
        for (size_t i = sizeof size; i < sizeof theirs; i++) {
            unsigned char wanted = i >= size         ? 0xAA
                                   : i < sizeof ours ? ((const unsigned char *)&ours)[i]
                                                     : 0;
            assert_int_equal(theirs[i], wanted);
        }
    }
    size_t none = 0;
    assert_int_equal(jmi_give_struct(&none, &ours, sizeof ours), JM_INVALID);
}

/* ---- arrays ---- */

static void arrays_grow(void **state) {
    (void)state;
    uint32_t *array = NULL;
    size_t capacity = 0, moves = 0;
    for (size_t i = 0; i < 100000; i++) {
        size_t before = capacity;
        assert_true(jmi_reserve(&array, &capacity, i + 1, sizeof *array));
        moves += capacity != before;
        array[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < 100000; i++) assert_int_equal(array[i], i);
    assert_in_range(moves, 10, 40); /* by half, not one by one */
    size_t before = capacity;
    uint32_t *kept = array;
    assert_false(jmi_reserve(&array, &capacity, SIZE_MAX / 2, sizeof *array));
    assert_false(jmi_reserve(&array, &capacity, SIZE_MAX / sizeof *array + 1, sizeof *array));
    assert_ptr_equal(array, kept); /* unchanged when it fails */
    assert_int_equal(capacity, before);
    free(array);
}

static void memory_is_zero_and_never_null(void **state) {
    (void)state;
    char *none = jmi_alloc(0, 0), *some = jmi_alloc(3, 5);
    assert_non_null(none);
    assert_non_null(some);
    for (int i = 0; i < 15; i++) assert_int_equal(some[i], 0);
#ifndef JM_SANITIZED /* which stops at it */
    volatile size_t many = SIZE_MAX / 2;
    assert_null(jmi_alloc(many, 3));
#endif
    char *empty = jmi_strdup(NULL);
    assert_string_equal(empty, "");
    free(none);
    free(some);
    free(empty);
    jm_free(NULL);
}

/* ---- strings kept once ---- */

static void equal_strings_are_one_pointer(void **state) {
    (void)state;
    jmi_intern *intern = jmi_intern_new();
    char again[] = "batch";
    const char *kept = jmi_intern_text(intern, "batch", 5);
    assert_string_equal(kept, "batch");
    assert_ptr_equal(jmi_intern_text(intern, again, 5), kept);
    assert_ptr_not_equal(kept, again);
    assert_ptr_not_equal(jmi_intern_text(intern, "batc", 4), kept);
    assert_ptr_not_equal(jmi_intern_text(intern, "batches", 7), kept);
    assert_ptr_equal(jmi_intern_text(intern, "batches", 5), kept); /* the length counts */
    assert_string_equal(jmi_intern_text(intern, "", 0), "");
    assert_ptr_equal(jmi_intern_text(intern, NULL, 0), jmi_intern_text(intern, "", 0));
    jmi_intern_free(intern);
    jmi_intern_free(NULL);
}

static void nul_bytes_are_bytes(void **state) {
    (void)state;
    jmi_intern *intern = jmi_intern_new();
    const char *a = jmi_intern_text(intern, "a\0b", 3), *b = jmi_intern_text(intern, "a\0c", 3);
    const char *c = jmi_intern_text(intern, "a", 1), *d = jmi_intern_text(intern, "a\0", 2);
    assert_ptr_not_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_not_equal(c, d);
    assert_memory_equal(a, "a\0b", 4);
    assert_ptr_equal(jmi_intern_text(intern, "a\0b", 3), a);
    jmi_intern_free(intern);
}

static void pointers_outlive_growth(void **state) {
    (void)state;
    enum { MANY = 50000 };
    jmi_intern *intern = jmi_intern_new();
    const char **kept = malloc(MANY * sizeof *kept);
    static char large[70000];
    memset(large, 'L', sizeof large);
    size_t before = jmi_intern_bytes(intern);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "range %d", i);
        kept[i] = jmi_intern_text(intern, name, (size_t)length);
        if (i % 10000 == 0) /* beyond a block: gets its own, the small ones go on */
            assert_memory_equal(jmi_intern_text(intern, large, sizeof large - (size_t)i), large,
                                sizeof large - (size_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "range %d", i);
        assert_string_equal(kept[i], name);
        assert_ptr_equal(jmi_intern_text(intern, name, (size_t)length), kept[i]);
    }
    size_t bytes = jmi_intern_bytes(intern) - before;
    assert_in_range(bytes, MANY * 10, MANY * 100);
    free(kept);
    jmi_intern_free(intern);
}

static void long_strings_at_the_seams_of_blocks(void **state) {
    (void)state;
    jmi_intern *intern = jmi_intern_new();
    static char text[17000];
    memset(text, 's', sizeof text);
    for (size_t length = 4000; length < 4200; length++) /* about a quarter of a block */
        assert_int_equal(strlen(jmi_intern_text(intern, text, length)), length);
    for (size_t length = 16300; length < 16400; length++) /* about a block */
        assert_int_equal(strlen(jmi_intern_text(intern, text, length)), length);
    jmi_intern_free(intern);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_cut_not_overrun),
        cmocka_unit_test(a_message_may_be_made_from_itself),
        cmocka_unit_test(every_status_has_name_and_sentence),
        cmocka_unit_test(statuses_follow_errno),
        cmocka_unit_test(options_of_an_older_program),
        cmocka_unit_test(options_of_a_newer_program),
        cmocka_unit_test(options_without_a_size),
        cmocka_unit_test(results_never_overrun_the_callers_struct),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(memory_is_zero_and_never_null),
        cmocka_unit_test(equal_strings_are_one_pointer),
        cmocka_unit_test(nul_bytes_are_bytes),
        cmocka_unit_test(pointers_outlive_growth),
        cmocka_unit_test(long_strings_at_the_seams_of_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
