#include "fixture.h"
#include "report/table.h"

static char *lay_out(jmi_table *table, size_t width, bool utf8) {
    jmi_text out = {0};
    char *text = NULL;
    jmi_table_write(table, &out, 2, width, (jmi_style){.utf8 = utf8});
    assert_int_equal(jmi_text_take(&out, &text, NULL), JM_OK);
    return text;
}

static void make(jmi_table *table, const char *name) {
    static const char *const header[] = {"name", "n", "note"};
    const char *row[] = {name, "7", "x"};
    jmi_table_init(table, 3);
    table->right[1] = true;
    table->drop[2] = 1;
    jmi_table_row(table, header);
    jmi_table_row(table, row);
}

static void columns_line_up(void **state) {
    (void)state;
    jmi_table table;
    make(&table, "größer");
    char *text = lay_out(&table, 80, true);
    assert_string_equal(text, "  name    n  note\n  größer  7  x\n");
    free(text);
    jmi_table_free(&table);
}

static void wide_characters_take_two_columns(void **state) {
    (void)state;
    assert_int_equal(jmi_text_columns("训练"), 4);
    assert_int_equal(jmi_text_columns("e\xCC\x81"), 1);
    jmi_table table;
    make(&table, "训练");
    char *text = lay_out(&table, 80, true);
    assert_string_equal(text, "  name  n  note\n  训练  7  x\n");
    free(text);
    jmi_table_free(&table);
}

static void a_narrow_terminal_drops_then_shortens(void **state) {
    (void)state;
    jmi_table table;
    make(&table, "a name that is far too long");
    char *text = lay_out(&table, 33, true);
    assert_string_equal(text,
                        "  name                         n\n  a name that is far too long  7\n");
    free(text);
    text = lay_out(&table, 20, true);
    assert_string_equal(text, "  name             n\n  a name that is…  7\n");
    free(text);
    text = lay_out(&table, 20, false);
    assert_non_null(strstr(text, "a name that is~  7"));
    free(text);
    jmi_table_free(&table);
}

static void names_cannot_move_the_cursor(void **state) {
    (void)state;
    char *text = jmi_text_clean("a\033[2J\r\nb\x9B"
                                "c\xC2\x9B\xE2\x80\xAE"
                                "d\xFF",
                                true);
    assert_string_equal(text, "a?[2J??b?c??d?");
    free(text);
    text = jmi_text_clean("ü", false);
    assert_int_equal(strspn(text, "?"), strlen(text));
    free(text);
}

static void text_is_broken_at_spaces(void **state) {
    (void)state;
    jmi_text out = {0};
    jmi_text_wrap(&out, "  ! ", "one two three four", 4, 14);
    assert_string_equal(out.data, "  ! one two\n    three four\n");
    jmi_text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(a_narrow_terminal_drops_then_shortens),
        cmocka_unit_test(names_cannot_move_the_cursor),
        cmocka_unit_test(text_is_broken_at_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
