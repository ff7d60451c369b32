/* Settings from the file, the environment and the program, and changes of the file. */
#include "settings/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static void write_text(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void reads(const char *expected) {
    char text[2048];
    assert_true(jmi_read_text(path, text, sizeof text) >= 0);
    size_t length = strlen(expected);
    while (length > 0 && expected[length - 1] == '\n') length--;
    if (strlen(text) != length || strncmp(text, expected, length) != 0)
        fail_msg("the file is\n%s\nand not\n%s", text, expected);
}

static jm_settings *open_settings(void) {
    jm_settings *settings = NULL;
    jm_error error = {0};
    if (jm_settings_open(&settings, path, &error) != JM_OK) fail_msg("%s", error.message);
    return settings;
}

static jm_setting get(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    jm_error error = {0};
    if (jm_settings_get(settings, key, &setting, &error) != JM_OK) fail_msg("%s", error.message);
    return setting;
}

static void refused(const char *text, const char *words) {
    jm_settings *settings = (jm_settings *)1;
    jm_error error = {0};
    write_text(text);
    assert_int_equal(jm_settings_open(&settings, path, &error), JM_FORMAT);
    assert_int_equal(error.status, JM_FORMAT);
    assert_null(settings);
    if (strstr(error.message, words) == NULL || strstr(error.message, "config.toml") == NULL)
        fail_msg("'%s' is not in: %s", words, error.message);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/joulemeter-settings-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/config.toml", folder);
    for (uint32_t i = 0; i < jmi_setting_row_count; i++) unsetenv(jmi_setting_rows[i].environment);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void the_stronger_wins(void **state) {
    (void)state;
    char source[200];
    write_text("log = true\nproject = \"file\"\n[carbon]\ncountry = \"FR\"\npue = 1.2\n");
    setenv("JOULEMETER_PROJECT", "environment", 1);
    setenv("JOULEMETER_PUE", "1.3", 1);
    setenv("JOULEMETER_TAG", "", 1); /* as good as not set */
    jm_settings *s = open_settings();
    jm_error error = {0};
    assert_int_equal(jm_settings_set(s, "pue", "1.4", "--pue", &error), JM_OK);
    snprintf(source, sizeof source, "%s:1", path);
    assert_true(get(s, "log").on);
    assert_string_equal(get(s, "log").source, source);
    assert_string_equal(get(s, "project").value, "environment");
    assert_string_equal(get(s, "project").source, "$JOULEMETER_PROJECT");
    assert_true(get(s, "carbon.pue").number == 1.4);
    assert_string_equal(get(s, "carbon.pue").source, "--pue");
    assert_string_equal(get(s, "country").value, "FR");
    assert_null(get(s, "tag").value);
    assert_string_equal(get(s, "tag").source, "not set");
    assert_true(isnan(get(s, "price").number));
    assert_int_equal(jm_settings_set(s, "pue", "0.4", "--pue", &error), JM_INVALID);
    assert_string_equal(error.message, "--pue: carbon.pue is from 1 to 10, not 0.4");
    assert_true(get(s, "carbon.pue").number == 1.4);
    jm_setting setting = {.size = sizeof setting};
    assert_int_equal(jm_settings_get(s, "cuntry", &setting, &error), JM_NOT_FOUND);
    assert_non_null(strstr(error.message, "carbon.country"));
    assert_int_equal(jm_settings_at(s, jm_settings_count(), &setting), JM_NOT_FOUND);
    jm_settings_free(s);
    setenv("JOULEMETER_PUE", "much", 1);
    assert_int_equal(jm_settings_open(&s, path, &error), JM_INVALID);
    assert_string_equal(error.message, "$JOULEMETER_PUE: carbon.pue is a number, not 'much'");
    unsetenv("JOULEMETER_PUE");
    unsetenv("JOULEMETER_PROJECT");
}

static void a_file_that_is_not_there(void **state) {
    (void)state;
    unlink(path);
    jm_settings *s = open_settings();
    for (uint32_t i = 0; i < jm_settings_count(); i++) {
        jm_setting setting = {.size = sizeof setting};
        assert_int_equal(jm_settings_at(s, i, &setting), JM_OK);
        assert_null(setting.value);
    }
    jm_settings_free(s);
    jm_settings_free(NULL);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    jm_error error = {0};
    char *usual;
    assert_int_equal(jm_settings_usual_path(&usual, &error), JM_NOT_FOUND);
    assert_int_equal(jm_settings_open(&s, NULL, &error), JM_OK);
    jm_settings_free(s);
    setenv("XDG_CONFIG_HOME", "/x", 1);
    assert_int_equal(jm_settings_usual_path(&usual, &error), JM_OK);
    assert_string_equal(usual, "/x/joulemeter/config.toml");
    free(usual);
}

static void what_is_wrong_has_its_line(void **state) {
    (void)state;
    refused("log = 1\n", "config.toml:1: log is true or false");
    refused("\n[carbon]\npue = \"1.2\"\n", "config.toml:3: carbon.pue is a number");
    refused("[carbon]\npue = 0.5\n", "config.toml:2: carbon.pue is from 1 to 10, not 0.5");
    refused("cuntry = \"FR\"\n", "config.toml:1: there is no setting 'cuntry'");
    refused("country = \"FR\"\n", "config.toml:1: country belongs into the table [carbon]");
    refused("user = 5\n", "config.toml:1: user is a \"text\"");
    refused("log = true\nlog = true\n", "line 2: log has been set before");
    char *large = malloc(1100000);
    memset(large, '#', 1099999);
    large[1099999] = '\0';
    refused(large, "larger than 1 MB");
    free(large);
}

static void save(const char *key, const char *value) {
    jm_error error = {0};
    if (jm_settings_save(path, key, value, &error) != JM_OK) fail_msg("%s", error.message);
}

static void one_line_changes(void **state) {
    (void)state;
    unlink(path);
    save("country", "FR");
    reads("[carbon]\ncountry = \"FR\"\n");
    save("log", "yes");
    reads("log = true\n[carbon]\ncountry = \"FR\"\n");
    save("pue", "1.20");
    reads("log = true\n[carbon]\ncountry = \"FR\"\npue = 1.2\n");
    save("intensity", "56");
    save("currency", "a \"b\"");
    save("country", "DE");
    reads("log = true\n[carbon]\ncountry = \"DE\"\npue = 1.2\nintensity = 56\n"
          "currency = \"a \\\"b\\\"\"\n");
    save("pue", NULL);
    save("log", NULL);
    save("price", NULL); /* was not there */
    reads("[carbon]\ncountry = \"DE\"\nintensity = 56\ncurrency = \"a \\\"b\\\"\"\n");
    write_text(
        "# mine\n\nuser = 'ada' # me\r\n[other]"); /* other: only its settings would matter */
    save("user", "bob");
    save("project", "p");
    save("water", "1.8");
    reads("# mine\n\nuser = \"bob\" # me\r\nproject = \"p\"\n[other]\n\n[carbon]\nwater = 1.8\n");
    jm_settings_free(open_settings());
}

static void a_file_is_changed_only_if_it_can_be(void **state) {
    (void)state;
    jm_error error = {0};
    write_text("log = true\nbroken\n");
    assert_int_equal(jm_settings_save(path, "user", "x", &error), JM_FORMAT);
    reads("log = true\nbroken\n");
    assert_int_equal(jm_settings_save(path, "pue", "0", &error), JM_INVALID);
    assert_int_equal(jm_settings_save(path, "nothing", "0", &error), JM_NOT_FOUND);
    assert_int_equal(jm_settings_save("/proc/none/config.toml", "user", "x", &error), JM_NOT_FOUND);
    write_text("");
    char link[128];
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(jm_settings_save(link, "user", "x", &error), JM_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    reads("user = \"x\"\n");
    unlink(link);
}

static void files_mean_the_same_from_everywhere(void **state) {
    (void)state;
    char beside[200];
    setenv("HOME", "/h", 1);
    static const struct {
        const char *written, *read; /* NULL: beside the file of settings */
    } cases[] = {{"log_path = \"~/a.db\"", "/h/a.db"},
                 {"log_path = \"~\"", "/h"},
                 {"log_path = \"rel/a.db\"", NULL},
                 {"log_path = \"/a.db\"", "/a.db"},
                 {"project = \"~/a\"", "~/a"},
                 {"[carbon]\nintensity = \"rel/a.db\"", NULL},
                 {"[carbon]\nintensity = \"~/2024.csv\"", "/h/2024.csv"},
                 {"[carbon]\nintensity = \"0.056 kg\"", "0.056 kg"},
                 {"[carbon]\nintensity = \"56 gCO2e/kWh\"", "56 gCO2e/kWh"},
                 {"[carbon]\nintensity = \".5e2\"", ".5e2"},
                 {"[carbon]\nintensity = 56", "56"}};
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        write_text(cases[i].written);
        jm_settings *s = open_settings();
        const char *key = strstr(cases[i].written, "intensity") != NULL  ? "intensity"
                          : strstr(cases[i].written, "log_path") != NULL ? "log_path"
                                                                         : "project";
        snprintf(beside, sizeof beside, "%s/rel/a.db", folder);
        assert_string_equal(get(s, key).value, cases[i].read != NULL ? cases[i].read : beside);
        jm_settings_free(s);
    }
    static const char *const files[] = {"2024.csv", "24h_grid", "e.csv",
                                        "grid",     "3-5.csv",  "5g.csv"};
    for (size_t i = 0; i < JMI_COUNT(files); i++) {
        char text[100];
        snprintf(text, sizeof text, "[carbon]\nintensity = \"%s\"", files[i]);
        write_text(text);
        jm_settings *s = open_settings();
        snprintf(beside, sizeof beside, "%s/%s", folder, files[i]);
        assert_string_equal(get(s, "intensity").value, beside);
        assert_int_equal(jm_settings_set(s, "log_path", "here.db", "x", NULL), JM_OK);
        assert_string_equal(get(s, "log_path").value, "here.db"); /* of this folder */
        assert_int_equal(jm_settings_set(s, "log_path", "~/here.db", "x", NULL), JM_OK);
        assert_string_equal(get(s, "log_path").value, "/h/here.db");
        jm_settings_free(s);
    }
    refused("log_path = \"~ada/a.db\"\n", "config.toml:1: log_path: of '~ada/a.db' only ~/");
    unsetenv("HOME");
    refused("log_path = \"~/a.db\"\n", "config.toml:1: log_path: $HOME is no folder");
}

/* ---- a grid of them ---- */

static void grid_is(jm_settings *settings, jm_intensity_source source, double g, double u) {
    jm_grid *grid = NULL;
    jm_error error = {0};
    jm_grid_info info = {.size = sizeof info};
    if (jm_grid_of_settings(&grid, settings, &error) != JM_OK) fail_msg("%s", error.message);
    assert_int_equal(jm_grid_get(grid, &info), JM_OK);
    assert_int_equal(info.source, source);
    if (g > 0)
        assert_true(fabs(info.intensity_g - g) < 1e-9 && fabs(info.intensity_u - u) < 1e-9);
    else
        assert_true(isnan(info.intensity_g));
    jm_grid_free(grid);
}

static void what_was_said_later_counts(void **state) {
    (void)state;
    write_text("[carbon]\ncountry = \"DE\"\nintensity = 100\nintensity_u = 0.05\n");
    jm_settings *s = open_settings();
    assert_int_equal(get(s, "intensity").strength, JM_SETTING_OF_FILE);
    assert_int_equal(get(s, "pue").strength, JM_SETTING_UNSET);
    grid_is(s, JM_INTENSITY_GIVEN, 100, 0.05); /* of one file the number is nearer */
    assert_int_equal(jm_settings_set(s, "country", "FR", "--country", NULL), JM_OK);
    assert_int_equal(get(s, "country").strength, JM_SETTING_OF_PROGRAM);
    grid_is(s, JM_INTENSITY_COUNTRY, 56.039, 0.25); /* the 5 % were the number's */
    assert_int_equal(jm_settings_set(s, "country", "none", "--country", NULL), JM_OK);
    grid_is(s, JM_INTENSITY_UNKNOWN, 0, 0);
    assert_int_equal(jm_settings_set(s, "intensity", "80", "--intensity", NULL), JM_OK);
    grid_is(s, JM_INTENSITY_GIVEN, 80, 0.05);
    jm_settings_free(s);
    setenv("JOULEMETER_COUNTRY", "FR", 1);
    s = open_settings();
    assert_int_equal(get(s, "country").strength, JM_SETTING_OF_ENVIRONMENT);
    grid_is(s, JM_INTENSITY_COUNTRY, 56.039, 0.25);
    assert_int_equal(jm_settings_set(s, "intensity_u", "0.1", NULL, NULL), JM_OK);
    grid_is(s, JM_INTENSITY_COUNTRY, 56.039, 0.1);
    jm_settings_free(s);
    unsetenv("JOULEMETER_COUNTRY");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stronger_wins),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(what_is_wrong_has_its_line),
        cmocka_unit_test(one_line_changes),
        cmocka_unit_test(a_file_is_changed_only_if_it_can_be),
        cmocka_unit_test(files_mean_the_same_from_everywhere),
        cmocka_unit_test(what_was_said_later_counts),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
