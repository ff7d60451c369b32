/* The note of a GPU's loans: a stack, and its text. */
#include "check.h"

#include "limit/note.h"

static jmi_loan loan(uint32_t id, uint32_t value) {
    jmi_loan made = {.id = id, .value = value, .pid = (int32_t)(1000 + id), .uid = 7};
    jmi_loan_name(made.name, "train.py");
    return made;
}

static jmi_note note_of(uint32_t base) {
    return (jmi_note){.has_base = true, .base = base, .applied = base};
}

static void push(jmi_note *note, uint32_t id, uint32_t value) {
    jmi_loan made = loan(id, value);
    assert_true(jmi_note_push(note, &made));
}

static void the_last_loan_is_in_force(void **unused) {
    (void)unused;
    jmi_note note = note_of(700);
    assert_int_equal(jmi_note_wanted(&note), 700);
    push(&note, 1, 300);
    push(&note, 2, 250);
    assert_int_equal(jmi_note_wanted(&note), 250);
    assert_true(jmi_note_remove(&note, 2));
    assert_int_equal(jmi_note_wanted(&note), 300);
    assert_true(jmi_note_remove(&note, 1));
    assert_int_equal(jmi_note_wanted(&note), 700);
    assert_false(jmi_note_remove(&note, 1));
}

/* The outer one ends first: its limit must not come back when the inner one ends. */
static void a_loan_that_ended_never_comes_back(void **unused) {
    (void)unused;
    jmi_note note = note_of(700);
    push(&note, 1, 300);
    push(&note, 2, 250);
    assert_true(jmi_note_remove(&note, 1));
    assert_int_equal(jmi_note_wanted(&note), 250);
    assert_true(jmi_note_remove(&note, 2));
    assert_int_equal(jmi_note_wanted(&note), 700);
}

static void setting_again_moves_to_the_top(void **unused) {
    (void)unused;
    jmi_note note = note_of(700);
    push(&note, 1, 300);
    push(&note, 2, 250);
    push(&note, 1, 400);
    assert_int_equal(note.loan_count, 2);
    assert_int_equal(jmi_note_wanted(&note), 400);
    assert_true(jmi_note_push(&note, &note.loans[0])); /* out of the note itself */
    assert_int_equal(jmi_note_wanted(&note), 250);
    jmi_note_remove(&note, 2);
    assert_int_equal(jmi_note_wanted(&note), 400);
}

static void so_many_and_no_more(void **unused) {
    (void)unused;
    jmi_note note = note_of(1);
    for (uint32_t i = 0; i < JMI_NOTE_LOANS; i++) {
        uint32_t id = jmi_note_free_id(&note);
        assert_null(jmi_note_find(&note, id));
        push(&note, id, i);
    }
    jmi_loan more = loan(999, 1);
    assert_false(jmi_note_push(&note, &more));
    more = loan(3, 77);
    assert_true(jmi_note_push(&note, &more)); /* it was there */
}

static void numbers_are_used_again(void **unused) {
    (void)unused;
    jmi_note note = note_of(1);
    push(&note, 1000000, 5);
    assert_int_equal(jmi_note_free_id(&note), 1);
    push(&note, 1, 5);
    assert_int_equal(jmi_note_free_id(&note), 2);
    push(&note, 3, 5);
    assert_int_equal(jmi_note_next_id(&note, 2), 4);
    assert_int_equal(jmi_note_next_id(&note, 999999), 2); /* 1000000 and 1 are there */
}

static void check_text(const jmi_note *note) {
    jmi_text text = {0};
    jmi_note again;
    jmi_note_format(note, &text);
    assert_int_equal(jmi_note_parse(&again, text.data, text.length), JM_OK);
    assert_memory_equal(note, &again, sizeof again);
    for (size_t cut = 0; cut < text.length; cut++) /* half a note is none */
        assert_int_equal(jmi_note_parse(&again, text.data, cut), JM_FORMAT);
    jmi_text_free(&text);
}

static void a_text_reads_back(void **unused) {
    (void)unused;
    jmi_note note = note_of(700000);
    strcpy(note.boot, "fb4fb86f-7816-40dc-baa4-98a0413d9345");
    check_text(&note);
    note.applied = 250000;
    note.applying = UINT32_MAX;
    for (uint32_t i = JMI_NOTE_LOANS; i > 0; i--) push(&note, i, i * 1000);
    jmi_loan_name(note.loans[3].name, "a name with\nblanks and more than thirty-one letters");
    jmi_loan_name(note.loans[4].name, "");
    assert_string_equal(note.loans[3].name, "a_name_with_blanks_and_more_tha");
    check_text(&note);
}

static void what_is_no_note_is_refused(void **unused) {
    (void)unused;
    static const char *const texts[] = {
        "",
        "joulemeter limit 1\nend\n",
        "joulemeter limit 2\nbase 1\napplied 1\nend\n",
        "joulemeter limit 1\nbase 1\napplied 1\n",
        "joulemeter limit 1\nbase 1\napplied 1\nend",
        "joulemeter limit 1\nbase 1\napplied 1\nend\nend\n",
        "joulemeter limit 1\nbase -1\napplied 1\nend\n",
        "joulemeter limit 1\nbase 1 2\napplied 1\nend\n",
        "joulemeter limit 1\nbase 4294967296\napplied 1\nend\n",
        "joulemeter limit 1\nbase 1\nfoo 1\nend\n",
        "joulemeter limit 1\nbase 1\nloan 0 1 1 1 a\nend\n",
        "joulemeter limit 1\nbase 1\nloan 1000001 1 1 1 a\nend\n",
        "joulemeter limit 1\nbase 1\nloan 1 1 1 a\nend\n",
        "joulemeter limit 1\nbase 1\nloan 1 1 1 1 a b\nend\n",
        "joulemeter limit 1\nbase 1\nloan 1 1 1 1 a\nloan 1 1 1 1 a\nend\n",
        "joulemeter limit 1\nbase 1\nloan 1 1 2147483648 1 a\nend\n",
        "joulemeter limit 1\nbase 1\nboot 0123456789012345678901234567890123456789\nend\n",
        "joulemeter limit 1\nbase 1\nboot\nend\n",
        "joulemeter limit 1\nbase 1\nbase 1\nend\n",
        "joulemeter limit 1\nbase 1\nboot long\nboot b\nend\n",
        "joulemeter limit 1\nbase\t1\nend\n",
    };
    jmi_note note;
    for (size_t i = 0; i < JMI_COUNT(texts); i++)
        if (jmi_note_parse(&note, texts[i], strlen(texts[i])) != JM_FORMAT)
            fail_msg("%s", texts[i]);
    const char zero[] = "joulemeter limit 1\nbase 1\0\nend\n";
    assert_int_equal(jmi_note_parse(&note, zero, sizeof zero - 1), JM_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_loan_is_in_force),
        cmocka_unit_test(a_loan_that_ended_never_comes_back),
        cmocka_unit_test(setting_again_moves_to_the_top),
        cmocka_unit_test(so_many_and_no_more),
        cmocka_unit_test(numbers_are_used_again),
        cmocka_unit_test(a_text_reads_back),
        cmocka_unit_test(what_is_no_note_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
