/* The configuration of joulemeter-limitd. */
#include "check.h"

#include "limit/rules.h"

static jmi_rules rules;

static int parse(const char *text, jm_error *error) {
    return jmi_rules_parse(&rules, text, strlen(text), error);
}

static void must(const char *text) {
    jm_error error = {0};
    if (parse(text, &error) != JM_OK) fail_msg("%s", error.message);
}

static void nothing_allows_the_board_s_own(void **unused) {
    (void)unused;
    must("");
    assert_string_equal(rules.group, "");
    assert_false(rules.keep);
    const jmi_gpu_rule *rule = jmi_rules_of(&rules, "GPU-1");
    assert_true(rule->allow && !rule->clock); /* a lock of others would be lost */
    assert_int_equal(rule->least[JM_LEVER_POWER], 0);
    assert_int_equal(rule->most[JM_LEVER_CLOCK], 0);
}

static void a_gpu_begins_with_what_holds_for_all(void **unused) {
    (void)unused;
    must("# who may\n"
         "group = \"gpu-limits\"   # quoted as in TOML\n"
         "keep=yes\r\n"
         "\n"
         "least_w = 150\n  most_w = 350.5  \n"
         "most_mhz = 1500\nclock = yes\n"
         "[GPU-AAAA]\n"
         "least_w = 200\nclock = no\n"
         "[ \"GPU-bbbb\" ]\n"
         "allow = false");
    assert_string_equal(rules.group, "gpu-limits");
    assert_true(rules.keep);
    const jmi_gpu_rule *a = jmi_rules_of(&rules, "gpu-aaaa"), *b = jmi_rules_of(&rules, "GPU-BBBB");
    assert_int_equal(a->least[JM_LEVER_POWER], 200000);
    assert_int_equal(a->most[JM_LEVER_POWER], 350500);
    assert_int_equal(a->most[JM_LEVER_CLOCK], 1500);
    assert_true(a->allow && !a->clock);
    assert_true(!b->allow && b->clock);
    assert_int_equal(b->least[JM_LEVER_POWER], 150000);
    assert_true(jmi_rules_of(&rules, "GPU-CCCC") == &rules.all);
}

static void what_is_wrong_is_named_with_its_line(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"group", "line 1: NAME = VALUE is needed"},
        {"\nvolts = 3", "line 2: there is no setting 'volts'"},
        {"least_w = -1", "line 1: these are no watts: '-1'"},
        {"least_w = 1e9", "line 1: these are no watts"},
        {"least_w = nan", "line 1: these are no watts"},
        {"most_mhz = fast", "line 1: these are no megahertz: 'fast'"},
        {"keep = maybe", "line 1: yes or no is needed, not 'maybe'"},
        {"group = a b", "line 1: this is no group's name"},
        {"group = -x", "line 1: this is no group's name"},
        {"group =", "line 1: this is no group's name"},
        {"[GPU-1", "line 1: a ] is missing"},
        {"[../x]", "line 1: this is no GPU's UUID"},
        {"[]", "line 1: this is no GPU's UUID"},
        {"[a]\n[A]", "line 2: twice there is 'A'"},
        {"[a]\ngroup = b", "line 2: before the first [GPU] belongs 'group'"},
        {"least_w = 300\nmost_w = 200", "least_w is above most_w"},
        {"least_w = 300\n[a]\nmost_w = 200", "least_w is above most_w of a"},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        jm_error error = {0};
        assert_int_equal(parse(cases[i].text, &error), JM_FORMAT);
        if (strstr(error.message, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, error.message);
    }
    jm_error error = {0};
    assert_int_equal(jmi_rules_parse(&rules, "keep\0=yes", 9, &error), JM_FORMAT);
    char line[600];
    memset(line, ' ', sizeof line);
    assert_int_equal(jmi_rules_parse(&rules, line, sizeof line, &error), JM_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_allows_the_board_s_own),
        cmocka_unit_test(a_gpu_begins_with_what_holds_for_all),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
