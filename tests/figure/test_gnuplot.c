/* Scripts for gnuplot: all kinds of marks with hostile texts, drawn by gnuplot itself if it is
 * there. */
#include "look.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const hostile[] = {
    "`touch owned`",
    "$(touch owned)",
    "\"; system(\"touch owned\") #",
    "'; system('touch owned') #",
    "a'b\"c\\d%g @e {f}_g^h\n!touch owned\n",
    "\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC",
    "\xFF\xFE broken",
    "",
    "a name that is rather longer than any name that anybody would ever give to a phase of theirs"};

/* A figure with every kind of mark. */
static jm_figure *all_kinds(bool categories) {
    jm_figure *f = jmi_figure_new("all_kinds", "All kinds");
    for (size_t i = 0; i < JMI_COUNT(hostile); i++) {
        const char *text = hostile[i];
        double y = (double)i;
        JMI_PUT(jmi_figure_add(f, JM_MARK_SPAN, i < 2 ? text : "", 2, JM_STYLE_FAINT, false), y,
                y + 0.5);
        jmi_mark *line =
            jmi_figure_add(f, JM_MARK_LINE, i == 1 ? text : "", 0, JM_STYLE_DASHED, false);
        JMI_PUT(line, 0, y);
        JMI_PUT(line, 1, (double)NAN);
        JMI_PUT(line, 2, y);
        jmi_mark *area =
            jmi_figure_add(f, JM_MARK_AREA, i == 1 ? text : "", 1, JM_STYLE_FAINT, false);
        JMI_PUT(area, 0, y, y + 1);
        JMI_PUT(area, 1, (double)NAN, (double)NAN);
        JMI_PUT(area, 2, y, y + 2);
        JMI_PUT(jmi_figure_add(f, JM_MARK_STEP, "", 3, JM_STYLE_GUIDE, false), 1, y);
        JMI_PUT(jmi_figure_add(f, JM_MARK_BAR, text, 3, 0, true), 0, 3, y, y + 0.4, 1, 4);
        JMI_PUT(jmi_figure_add(f, JM_MARK_BOX, i == 1 ? text : "", 4, 0, false), 3, y, 1, 5, 2, 4);
        JMI_PUT(jmi_figure_add(f, JM_MARK_POINT, i == 1 ? text : "", 5, JM_STYLE_SMALL, true), 3, y,
                (double)NAN, (double)NAN);
        JMI_PUT(jmi_figure_add(f, JM_MARK_HEXAGON, "", 0, 0, false), y, 1, y, 1, 3 * y);
        jmi_mark_put_text(jmi_figure_add(f, JM_MARK_TEXT, "", 0, 0, false), y, y, 3, 1, text);
    }
    jmi_figure_note(f, "%s %s %s", hostile[0], hostile[2], hostile[4]);
    jmi_axis_numbers(f, &f->x, "power", "W", 0, 10, JMI_AXIS_ZERO);
    if (categories)
        jmi_axis_categories(f, &f->y, "", hostile, JMI_COUNT(hostile));
    else
        jmi_axis_numbers(f, &f->y, hostile[2], "W", 0, 10, JMI_AXIS_ZERO);
    jmi_axis_numbers(f, &f->color, "time", "s", 0, 30, JMI_AXIS_ZERO | JMI_AXIS_EXACT);
    assert_false(f->failed);
    return f;
}

static char *script_of(const jm_figure *figure, const char *format, const char *path) {
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    jm_error error = {0};
    char *script = NULL;
    options.format = format;
    options.path = path;
    fixture_ok(jm_figure_gnuplot(figure, &options, &script, &error), &error);
    return script;
}

/* In an empty folder, which it leaves as the current one. */
static void go_to_new_folder(void) {
    char folder[] = "/tmp/joulemeter-gnuplot-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
}

static bool has_gnuplot(void) {
    return system("gnuplot --version >version 2>&1") == 0;
}

static size_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

static void draw(const char *script) {
    FILE *file = fopen("script.gp", "w");
    assert_non_null(file);
    fputs(script, file);
    fclose(file);
    assert_int_equal(system("gnuplot -d script.gp >said 2>&1"), 0);
    /* A legend wider than the plot beneath it is drawn all the same. */
    if (system("grep -v 'difficulty fitting plot titles' said | grep -q .") == 0) {
        char said[400] = "";
        file = fopen("said", "r");
        assert_true(fread(said, 1, sizeof said - 1, file) > 0);
        fclose(file);
        fail_msg("gnuplot says: %s", said);
    }
}

static void texts_are_only_texts(void **state) {
    (void)state;
    go_to_new_folder();
    if (!has_gnuplot()) {
        puts("skipped: gnuplot is not installed");
        skip();
    }
    static const char *const formats[][2] = {{"pdf", "%PDF"}, {"svg", "<?xml"}, {"png", "\x89PNG"}};
    for (size_t i = 0; i < 2 * JMI_COUNT(formats); i++) {
        const char *format = formats[i / 2][0];
        char path[80], head[8] = "";
        snprintf(path, sizeof path, "it's `a` \"%s\" $x %%d.%s", format, format);
        jm_figure *figure = all_kinds(i % 2 == 1);
        char *script = script_of(figure, format, path);
        draw(script);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_true(fread(head, 1, 5, file) == 5);
        fclose(file);
        assert_memory_equal(head, formats[i / 2][1], strlen(formats[i / 2][1]));
        assert_true(size_of(path) > 2000);
        assert_int_equal(access("owned", F_OK), -1);
        jm_free(script);
        jm_figure_free(figure);
    }
    assert_int_equal(system("rm -rf \"$PWD\""), 0);
}

static void no_path_is_a_pipe(void **state) {
    (void)state;
    jm_figure *figure = all_kinds(false);
    char *script = script_of(figure, NULL, "|touch owned");
    assert_non_null(strstr(script, "set output \"./|touch owned\"\n"));
    jm_free(script);
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    jm_error error;
    options.path = "a\nb";
    assert_int_equal(jm_figure_gnuplot(figure, &options, &script, &error), JM_INVALID);
    options.path = "";
    assert_int_equal(jm_figure_gnuplot(figure, &options, &script, &error), JM_INVALID);
    options.path = "a";
    options.format = "gif";
    assert_int_equal(jm_figure_gnuplot(figure, &options, &script, &error), JM_INVALID);
    assert_non_null(strstr(error.message, "pdf, svg or png"));
    options.format = "pdf";
    options.width_mm = 5;
    assert_int_equal(jm_figure_gnuplot(figure, &options, &script, &error), JM_INVALID);
    assert_int_equal(jm_figure_gnuplot(figure, NULL, &script, &error), JM_INVALID);
    assert_int_equal(jm_figure_gnuplot(NULL, &options, &script, &error), JM_INVALID);
    jm_figure_free(figure);
}

/* Each text stands in one pair of quotes on one line, and nothing in it runs a command. */
static void quotes_are_closed_on_their_line(void **state) {
    (void)state;
    jm_figure *figure = all_kinds(true);
    char *script = script_of(figure, "pdf", "x.pdf");
    for (char *line = strtok(script, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t quotes = 0;
        for (const char *c = line; *c != '\0'; c++) quotes += *c == '"';
        assert_true(quotes % 2 == 0);
        assert_null(strpbrk(line, "`@\r"));
    }
    jm_free(script);
    jm_figure_free(figure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_only_texts),
        cmocka_unit_test(no_path_is_a_pipe),
        cmocka_unit_test(quotes_are_closed_on_their_line),
    };
    return cmocka_run_group_tests_name("figure: gnuplot", tests, NULL, NULL);
}
