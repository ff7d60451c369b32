/* The part of TOML that settings need, and what it refuses. */
#include "settings/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static jmi_toml parse(const char *text) {
    jmi_toml toml;
    jm_error error = {0};
    if (jmi_toml_parse(&toml, text, strlen(text), "f.toml", &error) != JM_OK)
        fail_msg("%s", error.message);
    return toml;
}

static void refused(const char *text, const char *words) {
    jmi_toml toml;
    jm_error error = {0};
    assert_int_equal(jmi_toml_parse(&toml, text, strlen(text), "f.toml", &error), JM_FORMAT);
    assert_null(toml.lines);
    if (strstr(error.message, words) == NULL || strstr(error.message, "f.toml, line ") == NULL)
        fail_msg("'%s' is not in: %s", words, error.message);
}

static void what_it_knows(void **state) {
    (void)state;
    jmi_toml t = parse("# settings\r\n"
                       "a = 1\n"
                       "  b-2 = \"x # \\\"y\\\" \\u00e9\\U0001F600\\n\" # why\n"
                       "\"quoted key\" = 'C:\\dir'\n"
                       "[ table . 'sub' ]\n"
                       "c = 1_000.5e-1\t\n"
                       "d.e = false\n"
                       "[other]\n"
                       "f=true#x\n"
                       "g = -0.5");
    static const struct {
        const char *key, *value;
        jmi_toml_kind kind;
        double number;
        size_t line;
    } lines[] = {
        {"a", "1", JMI_TOML_NUMBER, 1, 2},
        {"b-2", "x # \"y\" \xC3\xA9\xF0\x9F\x98\x80\n", JMI_TOML_TEXT, 0, 3},
        {"quoted key", "C:\\dir", JMI_TOML_TEXT, 0, 4},
        {"table.sub", NULL, JMI_TOML_TABLE, 0, 5},
        {"table.sub.c", "1000.5e-1", JMI_TOML_NUMBER, 100.05, 6},
        {"table.sub.d.e", "false", JMI_TOML_BOOL, 0, 7},
        {"other", NULL, JMI_TOML_TABLE, 0, 8},
        {"other.f", "true", JMI_TOML_BOOL, 0, 9},
        {"other.g", "-0.5", JMI_TOML_NUMBER, -0.5, 10},
    };
    assert_int_equal(t.count, JMI_COUNT(lines));
    for (size_t i = 0; i < t.count; i++) {
        assert_string_equal(t.lines[i].key, lines[i].key);
        assert_int_equal(t.lines[i].kind, lines[i].kind);
        assert_int_equal(t.lines[i].line, lines[i].line);
        if (lines[i].value != NULL) assert_string_equal(t.lines[i].value, lines[i].value);
        if (lines[i].kind == JMI_TOML_NUMBER) assert_true(t.lines[i].number == lines[i].number);
    }
    assert_true(t.lines[7].on);
    assert_string_equal(t.lines[5].table, "table.sub");
    jmi_toml_free(&t);
    t = parse("");
    assert_int_equal(t.count, 0);
    jmi_toml_free(&t);
}

static void what_it_refuses(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a", "line 1: = is missing"},
        {"= 1", "a name is missing"},
        {"a = ", "the value is missing"},
        {"a = # 1", "the value is missing"},
        {"\n\na = 1 2", "line 3: '2' is too much"},
        {"a = 1\na = 2", "line 2: a has been set before, in line 1"},
        {"[t]\nx=1\n[t]\n", "line 3: t has been set before"},
        {"t.x = 1\n[t]\nx = 2", "t.x has been set before"},
        {"[t", "ends with ]"},
        {"[t] x = 1", "too much"},
        {"[[t]]", "lists of tables"},
        {"[]", "a name is missing"},
        {"[a..b]", "a name is missing"},
        {"a = [1]", "lists are not"},
        {"a = {b = 1}", "tables in braces"},
        {"a = \"\"\"x\"\"\"", "several lines"},
        {"a = '''x'''", "several lines"},
        {"a = \"x", "not closed"},
        {"a = 'x", "not closed"},
        {"a = \"x\\", "backslash"},
        {"a = \"\\q\"", "backslash"},
        {"a = \"\\u12\"", "four digits"},
        {"a = \"\\ud800\"", "no character"},
        {"a = \"\\u0000\"", "no character"},
        {"a = \"\\Uffffffff\"", "no character"},
        {"a = 01", "is no value"},
        {"a = 1.", "is no value"},
        {"a = .5", "is no value"},
        {"a = 1e", "is no value"},
        {"a = 0x10", "is no value"},
        {"a = _1", "is no value"},
        {"a = 1__0", "is no value"},
        {"a = nan", "is no value"},
        {"a = 1e999", "is no value"},
        {"a = True", "is no value"},
        {"a = yes", "is no value"},
        {"a = 2024-01-01", "is no value"},
        {"a = \x01", "control character"},
        {"a b = 1", "= is missing"},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) refused(cases[i][0], cases[i][1]);
    jmi_toml toml;
    jm_error error = {0};
    assert_int_equal(jmi_toml_parse(&toml, "a = \0", 5, "f.toml", &error), JM_FORMAT);
}

static void what_is_quoted_reads_back(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "plain", "say \"x\" \\ y", "tab\tnew\nline\x7f\x01", "\xC3\xA9", "# no comment", "'"};
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        jmi_text text = {0};
        jmi_text_add(&text, "a = ");
        jmi_toml_quote(&text, texts[i]);
        jmi_toml t = parse(text.data);
        assert_string_equal(t.lines[0].value, texts[i]);
        jmi_toml_free(&t);
        jmi_text_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_knows),
                                       cmocka_unit_test(what_it_refuses),
                                       cmocka_unit_test(what_is_quoted_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
