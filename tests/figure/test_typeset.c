/* How much room texts take, and how figures are laid out on paper: nothing lies on anything else.
 */
#include "chance.h"
#include "figure/sheet.h"
#include "record/recording.h"

static void check_fit(const char *text, double room) {
    char *fit = jmi_type_fit(text, 7, room);
    assert_non_null(fit);
    assert_true(jmi_utf8_valid(fit, strlen(fit)));
    if (jmi_type_width(text, 7) > room)
        assert_non_null(strstr(fit, "\xE2\x80\xA6"));
    else
        assert_string_equal(fit, text);
    /* an ellipsis is the least there is */
    assert_true(jmi_type_width(fit, 7) <= fmax(room, jmi_type_width("\xE2\x80\xA6", 7)) + 1e-9);
    free(fit);
}

static void long_texts_lose_their_middle(void **state) {
    (void)state;
    char *fit = jmi_type_fit("net.layer3.5.attention.self.query_key_value_projection", 7, 80);
    assert_true(strncmp(fit, "net.layer", 9) == 0);
    assert_string_equal(fit + strlen(fit) - 10, "projection");
    free(fit);
    static const char *const texts[] = {"",
                                        "a",
                                        "gpu0",
                                        "WWWWWWWWWWWWWWWW",
                                        "iiiiiiiiiiiiiiiiiiiiii",
                                        "Größenänderungsübergröße der Schicht",
                                        "\xE6\xB3\xA8\xE6\x84\x8F\xE5\x8A\x9B\xE5\xB1\x82"};
    for (size_t i = 0; i < JMI_COUNT(texts); i++)
        for (double room = 0; room < 150; room += 3) check_fit(texts[i], room);
}

static void what_is_no_text_is_replaced(void **state) {
    (void)state;
    char *fit = jmi_type_fit("a\xFF\n\x1B[31mb", 7, 500);
    assert_string_equal(fit, "a???[31mb");
    free(fit);
}

static void notes_are_broken_at_spaces(void **state) {
    (void)state;
    const char *text =
        "Boxes: quartiles of time; whiskers: 1.5 interquartile ranges. Simulated GPU.";
    jmi_lines lines = jmi_type_wrap(text, 6, 100);
    size_t length = 0;
    assert_true(lines.count > 1);
    for (size_t i = 0; i < lines.count; i++) {
        assert_true(jmi_type_width(lines.line[i], 6) <= 100);
        assert_true(lines.line[i][0] != ' ');
        length += strlen(lines.line[i]) + (i > 0);
    }
    assert_int_equal(length, strlen(text)); /* nothing but single spaces is gone */
    jmi_lines_free(&lines);
    lines = jmi_type_wrap("Donaudampfschifffahrtsgesellschaft", 6, 30);
    assert_true(lines.count > 2);
    jmi_lines_free(&lines);
    lines = jmi_type_wrap("", 6, 30);
    assert_int_equal(lines.count, 0);
    jmi_lines_free(&lines);
}

/* ---- sheets ---- */

static const char *random_name(char *out, size_t size) {
    static const char letters[] = "abc .iWm_0";
    size_t length = 1 + (size_t)chance((int)size - 2);
    for (size_t i = 0; i < length; i++) out[i] = letters[chance(10)];
    out[0] = 'n';
    out[length] = '\0';
    return out;
}

static jm_figure *random_figure(void) {
    jm_figure *figure = jmi_figure_new("f", "a title");
    char name[80];
    const char *names[30];
    bool categories = chance(2);
    unsigned marks = (unsigned)chance(14), rows = 1 + (unsigned)chance(29);
    for (unsigned i = 0; i < marks; i++) {
        bool span = chance(2);
        jmi_mark *mark = jmi_figure_add(figure, span ? JM_MARK_SPAN : JM_MARK_LINE,
                                        random_name(name, sizeof name), i, 0, false);
        JMI_PUT(mark, 0, 1);
    }
    for (unsigned i = 0; i < rows; i++) names[i] = strdup(random_name(name, sizeof name));
    jmi_axis_numbers(figure, &figure->x, "power", "W", 0, 1 + chance(100000), 0);
    if (categories)
        jmi_axis_categories(figure, &figure->y, "", names, rows);
    else
        jmi_axis_numbers(figure, &figure->y, "energy", "J", 0, 1 + chance(1000), 0);
    if (!categories && chance(2)) jmi_axis_numbers(figure, &figure->color, "time", "s", 0, 10, 0);
    for (unsigned i = 0; i < rows; i++) free((void *)(uintptr_t)names[i]);
    for (int i = chance(4); i > 0; i--) jmi_figure_note(figure, "Some of it is so.");
    return figure;
}

static void check_legend(const jmi_sheet *s) {
    for (size_t i = 0; i < s->entry_count; i++) {
        const jmi_entry *a = &s->entries[i];
        double end =
            a->x + jmi_sign_width + jmi_sign_gap + jmi_type_width(a->text, JMI_LEGEND_SIZE);
        assert_true(a->x >= 0 && end <= s->width);
        assert_true(a->y - 4 > s->top && a->y + 4 <= s->height);
        if (i == 0) continue;
        const jmi_entry *before = a - 1;
        double previous = before->x + jmi_sign_width + jmi_sign_gap +
                          jmi_type_width(before->text, JMI_LEGEND_SIZE);
        assert_true(a->y < before->y - 8 || (fabs(a->y - before->y) < 1e-9 && a->x > previous));
    }
}

static void check_sheet(const jmi_sheet *s) {
    const jm_figure *figure = s->figure;
    assert_false(s->failed);
    double least = figure->y.categories ? 0.5 : 0.4;
    assert_true(s->left > 0 && s->right <= s->width && s->right - s->left >= least * s->width);
    assert_true(s->bottom > 0 && s->top < s->height && s->top - s->bottom >= 20);
    check_legend(s);
    double last_note = s->first_note - 1.2 * JMI_NOTE_SIZE * (double)(s->note.count - 1);
    if (s->note.count > 0) assert_true(last_note >= 0.5 * JMI_NOTE_SIZE);
    assert_true(s->x_label - 4 >= s->first_note + 3 || s->note.count == 0);
    assert_true(s->x_label + 4 <= s->bottom - jmi_tick_length - 0.9 * JMI_TICK_SIZE);
    size_t step = jmi_sheet_tick_step(s, &figure->x);
    for (size_t i = step; i < figure->x.tick_count; i += step) {
        double half = 0.5 * jmi_type_width(figure->x.tick_text[i], JMI_TICK_SIZE);
        double before = jmi_sheet_x(s, figure->x.tick[i - step]) +
                        0.5 * jmi_type_width(figure->x.tick_text[i - step], JMI_TICK_SIZE);
        assert_true(jmi_sheet_x(s, figure->x.tick[i]) - half > before);
        assert_true(jmi_sheet_x(s, figure->x.tick[i]) + half <= s->width);
    }
    if (figure->y.categories) return;
    for (size_t i = 0; i < figure->y.tick_count; i++) /* beside the label of the axis */
        assert_true(s->left - jmi_tick_length - 2 -
                        jmi_type_width(figure->y.tick_text[i], JMI_TICK_SIZE) >
                    s->y_label + 4);
}

static void nothing_lies_on_anything_else(void **state) {
    (void)state;
    chance_state = 1;
    for (int i = 0; i < 3000; i++) {
        jm_figure *figure = random_figure();
        jmi_sheet sheet;
        jmi_sheet_lay(&sheet, figure, 130 + chance(900), 0);
        check_sheet(&sheet);
        jmi_sheet_free(&sheet);
        jm_figure_free(figure);
    }
}

static void legends_end_somewhere(void **state) {
    (void)state;
    jm_figure *figure = jmi_figure_new("f", "");
    for (unsigned i = 0; i < 100; i++) {
        jmi_mark *mark = jmi_figure_add(figure, JM_MARK_POINT, "a device of many", i, 0, false);
        JMI_PUT(mark, 0, 1);
    }
    jmi_axis_numbers(figure, &figure->x, "power", "W", 0, 1, 0);
    jmi_axis_numbers(figure, &figure->y, "power", "W", 0, 1, 0);
    jmi_sheet sheet;
    jmi_sheet_lay(&sheet, figure, 252, 0);
    assert_true(sheet.entry_count > 10 && sheet.entry_count < 30);
    const jmi_entry *last = &sheet.entries[sheet.entry_count - 1];
    char remark[40];
    snprintf(remark, sizeof remark, "and %zu more", 101 - sheet.entry_count);
    assert_null(last->mark);
    assert_string_equal(last->text, remark);
    check_legend(&sheet);
    jmi_sheet_free(&sheet);
    jm_figure_free(figure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_texts_lose_their_middle),
        cmocka_unit_test(what_is_no_text_is_replaced),
        cmocka_unit_test(notes_are_broken_at_spaces),
        cmocka_unit_test(nothing_lies_on_anything_else),
        cmocka_unit_test(legends_end_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
