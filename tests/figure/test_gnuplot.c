/* Scripts for gnuplot: every kind of mark, texts that would like to be commands, and what gnuplot
 * itself makes of them. */
#include "look.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const formats[] = {"pdf", "svg", "png"};
static char folder[] = "/tmp/joulemeter-gnuplot-XXXXXX";

/* ---- figures ---- */

static const char *const hostile[] = {
    "`touch pwned`",
    "$(touch pwned)",
    "\".system('touch pwned').\"",
    "'.system(\"touch pwned\").'",
    "\\\"; system 'touch pwned'; #",
    "x\"\nsystem 'touch pwned'\nset label \"",
    "END\nsystem 'touch pwned'",
    "@pwned %s %n %d %g {/Bold=99 a}_b^c \\n \\140touch pwned\\140",
    "\xFF\xFE broken \xC3",
    "<b>&amp;</text><script>alert(1)</script>",
    "\x1B]0;pwned\x07",
    "",
};

static void add_curves(jm_figure *figure, const char *label) {
    static const uint32_t styles[] = {0, JM_STYLE_DASHED, JM_STYLE_FAINT, JM_STYLE_SMALL,
                                      JM_STYLE_GUIDE | JM_STYLE_DASHED};
    for (size_t k = 0; k < JMI_COUNT(styles); k++)
        for (int kind = JM_MARK_LINE; kind <= JM_MARK_STEP; kind++) {
            jmi_mark *mark =
                jmi_figure_add(figure, (jm_mark_kind)kind, label, (uint32_t)k, styles[k], false);
            for (int i = 0; i < 6; i++)
                JMI_PUT(mark, i, i == 3 ? (double)NAN : i * 1.5 + (double)k);
        }
    for (uint32_t faint = 0; faint < 2; faint++) {
        jmi_mark *area =
            jmi_figure_add(figure, JM_MARK_AREA, label, 1, faint * JM_STYLE_FAINT, false);
        for (int i = 0; i < 5; i++) JMI_PUT(area, i, i == 2 ? (double)NAN : i, i + 1.0);
    }
    jmi_mark *span = jmi_figure_add(figure, JM_MARK_SPAN, label, 2, 0, false);
    JMI_PUT(span, 1, 2);
    JMI_PUT(span, 3, 3.5);
}

static void add_shapes(jm_figure *figure, const char *label) {
    jmi_mark *bar = jmi_figure_add(figure, JM_MARK_BAR, label, 3, 0, true);
    jmi_mark *faint = jmi_figure_add(figure, JM_MARK_BAR, label, 3, JM_STYLE_FAINT, false);
    jmi_mark *box = jmi_figure_add(figure, JM_MARK_BOX, label, 4, 0, false);
    jmi_mark *point = jmi_figure_add(figure, JM_MARK_POINT, label, 5, 0, true);
    jmi_mark *cloud = jmi_figure_add(figure, JM_MARK_POINT, label, 5, JM_STYLE_SMALL, false);
    jmi_mark *hexagon = jmi_figure_add(figure, JM_MARK_HEXAGON, "", 0, 0, false);
    jmi_mark *text = jmi_figure_add(figure, JM_MARK_TEXT, "", 0, 0, false);
    for (int i = 0; i < 4; i++) {
        JMI_PUT(bar, 0, 2 + i, i - 0.3, i + 0.3, i == 2 ? (double)NAN : 1 + i, 3 + i);
        JMI_PUT(faint, i, i + 1, 0, i);
        JMI_PUT(box, 3, i, 1, 5, 2, 4);
        JMI_PUT(point, 1 + i, i, i, 2 + i);
        JMI_PUT(cloud, i == 1 ? (double)NAN : i, i);
        JMI_PUT(hexagon, i, 3, 1, 2, i == 3 ? (double)NAN : i);
        jmi_mark_put_text(text, 1 + i, i, 4, 2, label);
    }
}

static jm_figure *figure_of(bool categories, bool colored, const char *label, const char *name) {
    const char *names[] = {name, "b", name, "d", "e"};
    jm_figure *figure = jmi_figure_new("some_name", label);
    jmi_figure_note(figure, "%s", name);
    add_curves(figure, label);
    add_shapes(figure, label);
    jmi_axis_numbers(figure, &figure->x, "x", "W", 0, 6, 0);
    if (categories)
        jmi_axis_categories(figure, &figure->y, "", names, JMI_COUNT(names));
    else
        jmi_axis_numbers(figure, &figure->y, "y", "J", 0, 10, 0);
    if (colored) jmi_axis_numbers(figure, &figure->color, "time", "s", 0, 3, 0);
    return figure;
}

static char *script_of(const jm_figure *figure, const char *format, const char *path) {
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    jm_error error = {0};
    char *script;
    options.format = format;
    options.path = path;
    fixture_ok(jm_figure_gnuplot(figure, &options, &script, &error), &error);
    return script;
}

/* ---- gnuplot ---- */

static bool has_gnuplot(void) {
    static int has = -1;
    if (has < 0) has = system("gnuplot --version >/dev/null 2>&1") == 0;
    return has;
}

#define NEED_GNUPLOT()                                                                             \
    if (!has_gnuplot()) {                                                                          \
        print_message("skipped: gnuplot is not installed\n");                                      \
        skip();                                                                                    \
    }

static char *read_file(const char *path, size_t *length) {
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) return NULL;
    char *bytes = malloc((size_t)info.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
    bytes[info.st_size] = '\0';
    close(fd);
    *length = (size_t)info.st_size;
    return bytes;
}

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void empty_folder(void) {
    assert_int_equal(system("rm -rf ./* ./.[a-z]*"), 0);
}

/* Runs gnuplot in the folder, which it leaves without a word. */
static void run(const char *script) {
    size_t length;
    write_file("script", script);
    int code = system("gnuplot -d - <script >said 2>&1");
    char *said = read_file("said", &length);
    /* fontconfig's own troubles are not ours */
    if (code != 0 || (length > 0 && strncmp(said, "Fontconfig", 10) != 0))
        fail_msg("gnuplot ended with %d: %s", code, said);
    free(said);
    unlink("said");
    unlink("script");
}

static bool begins_well(const char *format, const char *bytes) {
    if (strcmp(format, "pdf") == 0) return strncmp(bytes, "%PDF-", 5) == 0;
    if (strcmp(format, "png") == 0) return memcmp(bytes, "\x89PNG", 4) == 0;
    return strncmp(bytes, "<?xml", 5) == 0 && strstr(bytes, "</svg>") != NULL;
}

/* The picture is there, and nothing else. */
static void check_picture(const char *path, const char *format) {
    size_t length;
    char *bytes = read_file(path, &length);
    if (bytes == NULL) fail_msg("there is no %s", path);
    assert_true(length > 1000 && begins_well(format, bytes));
    free(bytes);
    unlink(path);
    char **names;
    assert_int_equal(jmi_list_dir(".", "", &names), JM_OK);
    for (size_t i = 0; names[i] != NULL; i++)
        if (names[i][0] != '.') fail_msg("there is a file %s", names[i]);
    jmi_list_free(names);
}

static void draw(const jm_figure *figure, const char *format, const char *path) {
    char *script = script_of(figure, format, path);
    run(script);
    jm_free(script);
    check_picture(path, format);
}

/* ---- what is tested ---- */

static void every_kind_is_drawn(void **state) {
    (void)state;
    NEED_GNUPLOT();
    for (size_t i = 0; i < 4; i++) {
        jm_figure *figure = figure_of(i & 1, i & 2, "a label", "a name");
        for (size_t k = 0; k < JMI_COUNT(formats); k++) draw(figure, formats[k], "picture");
        jm_figure_free(figure);
    }
}

static void texts_are_only_texts(void **state) {
    (void)state;
    NEED_GNUPLOT();
    for (size_t i = 0; i < JMI_COUNT(hostile); i++) {
        jm_figure *figure = figure_of(i & 1, false, hostile[i], hostile[i]);
        for (size_t k = 0; k < JMI_COUNT(formats); k++) draw(figure, formats[k], "picture");
        jm_figure_free(figure);
    }
}

/* Neither "%" nor "{}" nor "\\" means anything: they are seen as they are. */
static void texts_are_seen_as_they_are(void **state) {
    (void)state;
    NEED_GNUPLOT();
    size_t length;
    jm_figure *figure = figure_of(true, false, "50 %g {/Bold a}_b^c @d", "`a\\n` ~ \"'$x|");
    char *script = script_of(figure, "svg", "picture.svg");
    run(script);
    char *picture = read_file("picture.svg", &length);
    assert_non_null(picture);
    assert_non_null(strstr(picture, "50 %g {/Bold a}_b^c @d"));
    assert_non_null(strstr(picture, "`a\\n` ~ \"'$x|"));
    unlink("picture.svg");
    free(picture);
    jm_free(script);
    jm_figure_free(figure);
}

static void paths_are_only_paths(void **state) {
    (void)state;
    NEED_GNUPLOT();
    static const char *const paths[] = {"a b.svg",
                                        "|touch pwned",
                                        "`touch pwned`",
                                        "~",
                                        "it's \"so\" $HOME \\140 %d @x.svg",
                                        "\xC3\xA4.svg",
                                        "\xFF.svg",
                                        "-",
                                        "<x>&;",
                                        "#1"};
    jm_figure *figure = figure_of(false, false, "a label", "a name");
    for (size_t i = 0; i < JMI_COUNT(paths); i++) draw(figure, "svg", paths[i]);
    jm_figure_free(figure);
}

static void a_figure_without_marks_has_axes(void **state) {
    (void)state;
    NEED_GNUPLOT();
    jm_figure *figure = jmi_figure_new("empty", "");
    jmi_figure_add(figure, JM_MARK_LINE, "of no rows", 0, 0, false);
    jmi_mark *unknown = jmi_figure_add(figure, JM_MARK_LINE, "of none that is known", 0, 0, false);
    JMI_PUT(unknown, 0, (double)NAN);
    jmi_axis_time(figure, &figure->x, 3);
    jmi_axis_numbers(figure, &figure->y, "y", "J", 0, 10, 0);
    for (size_t k = 0; k < JMI_COUNT(formats); k++) draw(figure, formats[k], "picture");
    jm_figure_free(figure);
}

static unsigned big_endian(const char *bytes) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) value = value << 8 | (unsigned char)bytes[i];
    return value;
}

/* 183 mm by 100 mm, in pixels of 1/96 inch and in dots of 1/300 inch. */
static void sizes_are_as_asked(void **state) {
    (void)state;
    NEED_GNUPLOT();
    size_t length;
    jm_figure *figure = figure_of(false, false, "a label", "a name");
    for (size_t k = 1; k < JMI_COUNT(formats); k++) {
        jm_gnuplot_options options = {sizeof options, formats[k], "picture", 183, 100};
        double width = 0, height = 0, each = k == 1 ? 25.4 / 96 : 25.4 / 300;
        char *script;
        assert_int_equal(jm_figure_gnuplot(figure, &options, &script, NULL), JM_OK);
        run(script);
        jm_free(script);
        char *picture = read_file("picture", &length);
        assert_true(picture != NULL && length > 24);
        if (k == 1) {
            const char *size = strstr(picture, "width=\"");
            assert_true(size != NULL &&
                        sscanf(size, "width=\"%lf\" height=\"%lf", &width, &height) == 2);
        } else {
            width = big_endian(picture + 16);
            height = big_endian(picture + 20);
        }
        assert_true(fabs(width * each - 183) < each && fabs(height * each - 100) < each);
        free(picture);
        unlink("picture");
    }
    jm_figure_free(figure);
}

/* The data of a curve, as one block of the script. */
static void expect_block(const jm_figure *figure, const char *block) {
    char *script = script_of(figure, "pdf", "x");
    if (strstr(script, block) == NULL) fail_msg("there is no %s in %s", block, script);
    jm_free(script);
}

static void curves_are_broken_where_nothing_is_known(void **state) {
    (void)state;
    const double y[] = {1, 1, 2, (double)NAN, (double)NAN, 3, 3, 4};
    jm_figure *figure = jmi_figure_new("f", "");
    jmi_axis_numbers(figure, &figure->x, "x", "W", 0, 6, 0);
    jmi_axis_numbers(figure, &figure->y, "y", "J", 0, 10, 0);
    jmi_mark *step = jmi_figure_add(figure, JM_MARK_STEP, "", 0, 0, false);
    jmi_mark *line = jmi_figure_add(figure, JM_MARK_LINE, "", 0, 0, false);
    jmi_mark *area = jmi_figure_add(figure, JM_MARK_AREA, "", 0, 0, false);
    for (int i = 0; i < 8; i++) {
        JMI_PUT(step, 0.5 * i, y[i]);
        JMI_PUT(line, 0.5 * i, y[i]);
        JMI_PUT(area, 0.5 * i, y[i], 5);
    }
    /* a step holds until the place where nothing is known */
    expect_block(figure, "<< END\n0 1\n1 1\n1 2\n1.5 2\n\n2.5 3\n3.5 3\n3.5 4\nEND\n");
    expect_block(figure, "<< END\n0 1\n0.5 1\n1 2\n\n2.5 3\n3 3\n3.5 4\nEND\n");
    expect_block(figure, "<< END\n0 1 5\n0.5 1 5\n1 2 5\n\n2.5 3 5\n3 3 5\n3.5 4 5\nEND\n");
    jm_figure_free(figure);
}

static bool enter_german(void) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) return true;
    bool made = system("localedef -i de_DE -f UTF-8 ./de_DE.UTF-8 >/dev/null 2>&1") == 0;
    return made && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void numbers_have_points_everywhere(void **state) {
    (void)state;
    jm_figure *figure = figure_of(true, true, "a label", "a name");
    char *here = script_of(figure, "pdf", "x"), *there = NULL;
    bool german = enter_german();
    if (german) {
        there = script_of(figure, "pdf", "x");
        assert_string_equal(localeconv()->decimal_point, ","); /* it is as it was */
        assert_string_equal(here, there);
    }
    setlocale(LC_ALL, "C");
    jm_free(here);
    jm_free(there);
    jm_figure_free(figure);
    if (!german) {
        print_message("skipped: the locale de_DE.UTF-8 cannot be made\n");
        skip();
    }
}

static int asked(const jm_figure *figure, const char *format, const char *path, double width,
                 double height) {
    jm_gnuplot_options options = {sizeof options, format, path, width, height};
    jm_error error = {0};
    char *script = NULL;
    int status = jm_figure_gnuplot(figure, &options, &script, &error);
    assert_true((status == JM_OK) == (script != NULL));
    assert_true((status == JM_OK) == (error.message[0] == '\0'));
    jm_free(script);
    return status;
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    jm_figure *figure = figure_of(false, false, "a label", "a name");
    char *script;
    assert_int_equal(asked(figure, NULL, "x", 0, 0), JM_OK);
    assert_int_equal(asked(figure, "gif", "x", 0, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", NULL, 0, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "", 0, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "a\nb", 0, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", 20, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", -89, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", (double)NAN, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", 1e9, 0), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", 89, (double)NAN), JM_INVALID);
    assert_int_equal(asked(figure, "pdf", "x", 89, 3), JM_INVALID);
    assert_int_equal(jm_figure_gnuplot(figure, NULL, &script, NULL), JM_INVALID);
    assert_int_equal(asked(NULL, "pdf", "x", 0, 0), JM_INVALID);
    jm_figure_free(figure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_drawn),
        cmocka_unit_test(texts_are_only_texts),
        cmocka_unit_test(texts_are_seen_as_they_are),
        cmocka_unit_test(paths_are_only_paths),
        cmocka_unit_test(a_figure_without_marks_has_axes),
        cmocka_unit_test(sizes_are_as_asked),
        cmocka_unit_test(curves_are_broken_where_nothing_is_known),
        cmocka_unit_test(numbers_have_points_everywhere),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    empty_folder();
    if (chdir("/") != 0 || rmdir(folder) != 0) return 1;
    return failed;
}
