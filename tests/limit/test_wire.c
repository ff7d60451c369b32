/* Requests and answers: lines that read back, and lines that are refused. */
#include "check.h"

#include "limit/wire.h"

static void check_request(const char *line) {
    jmi_request request;
    char again[JMI_WIRE_LINE];
    if (jmi_request_parse(&request, line) != JM_OK) fail_msg("%s", line);
    assert_true(jmi_request_format(&request, again));
    assert_int_equal(again[strlen(again) - 1], '\n');
    again[strlen(again) - 1] = '\0';
    assert_string_equal(again, line);
}

static void requests_read_back(void **unused) {
    (void)unused;
    check_request("hello 1");
    check_request("set GPU-7760003b-7796-4570 power 250000");
    check_request("keep GPU-1 clock 1200");
    check_request("restore GPU-1 power");
    check_request("mend GPU-1 power");
    check_request("reset GPU-1 power");
    check_request("reset GPU-1 power default force");
    check_request("bounds GPU-1 clock");
    check_request("watch 4711");
    check_request("bye");
    jmi_request request;
    assert_int_equal(jmi_request_parse(&request, "set GPU-1 clock 1200"), JM_OK);
    assert_int_equal(request.verb, JMI_VERB_SET);
    assert_int_equal(request.lever, JM_LEVER_CLOCK);
    assert_int_equal(request.value, 1200);
    assert_string_equal(request.key, "GPU-1");
    assert_int_equal(jmi_request_parse(&request, "reset GPU-1 power force"), JM_OK);
    assert_int_equal(request.flags, JM_LIMIT_FORCE);
}

static void what_is_no_request_is_refused(void **unused) {
    (void)unused;
    char longest[JMI_WIRE_LINE + 1];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const lines[] = {
        "",
        " ",
        "sett GPU-1 power 1",
        "set",
        "set GPU-1",
        "set GPU-1 power",
        "set GPU-1 power -1",
        "set GPU-1 power 1.5",
        "set GPU-1 power 4294967295",
        "set GPU-1 power 99999999999999999999",
        "set GPU-1 power 0x10",
        "set GPU-1 power 1 2",
        "set GPU-1  power 1",
        " set GPU-1 power 1",
        "set GPU-1 power 1 ",
        "set ../../etc power 1",
        "set GPU/1 power 1",
        "set GPU-1 volts 1",
        "set GPU-1 power 1\r",
        "set GPU-1\tpower 1",
        "reset GPU-1 power force force",
        "reset GPU-1 power all",
        "hello",
        "watch",
        "watch x",
        "bye now",
        "set GPU-0123456789012345678901234567890123456789012345678901234567890123 power 1",
        "set GPU-\xff power 1",
        longest,
    };
    jmi_request request;
    for (size_t i = 0; i < JMI_COUNT(lines); i++)
        if (jmi_request_parse(&request, lines[i]) != JM_FORMAT) fail_msg("'%s'", lines[i]);
}

static void answers_read_back(void **unused) {
    (void)unused;
    jmi_answer answer = {.status = JM_OK, .value = {250000, 0, UINT32_MAX - 1}, .count = 3}, again;
    char line[JMI_WIRE_LINE];
    jmi_answer_format(&answer, line);
    assert_string_equal(line, "ok 250000 0 4294967294\n");
    line[strlen(line) - 1] = '\0';
    assert_int_equal(jmi_answer_parse(&again, line), JM_OK);
    assert_memory_equal(&answer, &again, sizeof answer);
    answer = (jmi_answer){.status = JM_PERMISSION, .message = "not\nyou \xc3\xa9"};
    jmi_answer_format(&answer, line);
    assert_string_equal(line, "error JM_PERMISSION not?you ??\n");
    line[strlen(line) - 1] = '\0';
    assert_int_equal(jmi_answer_parse(&again, line), JM_OK);
    assert_int_equal(again.status, JM_PERMISSION);
    assert_string_equal(again.message, "not?you ??");
    memset(answer.message, 'x', sizeof answer.message - 1);
    jmi_answer_format(&answer, line);
    assert_true(strlen(line) < JMI_WIRE_LINE && line[strlen(line) - 1] == '\n');
    assert_int_equal(jmi_answer_parse(&again, "error JM_UNHEARD_OF of"), JM_OK);
    assert_int_equal(again.status, JM_SYSTEM); /* of a later version */
}

static void what_is_no_answer_is_refused(void **unused) {
    (void)unused;
    static const char *const lines[] = {
        "", "ko", "ok -1", "ok 1 2 3 4", "error JM_OK fine", "ok ", "ok 99999999999", "ok 1\x01"};
    jmi_answer answer;
    for (size_t i = 0; i < JMI_COUNT(lines); i++)
        if (jmi_answer_parse(&answer, lines[i]) != JM_FORMAT) fail_msg("'%s'", lines[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_read_back),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(answers_read_back),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
