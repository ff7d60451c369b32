#include "fixture.h"
#include "report/csv.h"

#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/joulemeter-csv-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* What the file holds; removes it. */
static char *take_file(const char *name) {
    static char text[8192];
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    unlink(path);
    return text;
}

static void finish(jmi_csv *csv) {
    jm_error error = {0};
    fixture_ok(jmi_csv_finish(csv, &error), &error);
    fixture_ok(jmi_csv_commit(csv, &error), &error);
    jmi_csv_close(csv);
}

static void texts_are_quoted(void **state) {
    (void)state;
    jmi_csv csv;
    fixture_ok(jmi_csv_open(&csv, folder, "a.csv", NULL), &(jm_error){0});
    jmi_csv_text(&csv, "plain");
    jmi_csv_text(&csv, "");
    jmi_csv_text(&csv, "a,b");
    jmi_csv_text(&csv, "say \"x\"");
    jmi_csv_text(&csv, "two\nlines");
    jmi_csv_row(&csv);
    finish(&csv);
    assert_string_equal(take_file("a.csv"), "plain,,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n");
}

static void numbers_read_back(void **state) {
    (void)state;
    const double values[] = {0,       1,    -1.5,    0.001,   123.456789, 1e-9,  1e300,
                             1.0 / 3, 1e15, 412.337, 99999.9, -0.0,       5e-324};
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed, it would write 1,5 */
    for (size_t i = 0; i < JMI_COUNT(values); i++) {
        jmi_csv csv;
        fixture_ok(jmi_csv_open(&csv, folder, "n.csv", NULL), &(jm_error){0});
        jmi_csv_double(&csv, values[i]);
        finish(&csv);
        double back = NAN;
        const char *text = take_file("n.csv");
        assert_true(jmi_parse_double(text, &back));
        assert_true(back == values[i]);
    }
    setlocale(LC_ALL, "C");
}

static void computed_values_are_rounded(void **state) {
    (void)state;
    jmi_csv csv;
    fixture_ok(jmi_csv_open(&csv, folder, "r.csv", NULL), &(jm_error){0});
    jmi_csv_rounded(&csv, 353.39268325046044);
    jmi_csv_rounded(&csv, -1.0 / 3);
    jmi_csv_rounded(&csv, 0);
    jmi_csv_rounded(&csv, 1.25e-9);
    jmi_csv_rounded(&csv, 999999.9999999999);
    jmi_csv_rounded(&csv, NAN);
    finish(&csv);
    assert_string_equal(take_file("r.csv"), "353.39268325,-0.333333333,0,1.25e-09,1000000,");
}

static void what_is_not_known_is_empty(void **state) {
    (void)state;
    jmi_csv csv;
    fixture_ok(jmi_csv_open(&csv, folder, "e.csv", NULL), &(jm_error){0});
    jmi_csv_double(&csv, NAN);
    jmi_csv_double(&csv, INFINITY);
    jmi_csv_count(&csv, 0);
    jmi_csv_row(&csv);
    finish(&csv);
    assert_string_equal(take_file("e.csv"), ",,0\n");
}

static void seconds_are_exact(void **state) {
    (void)state;
    jmi_csv csv;
    fixture_ok(jmi_csv_open(&csv, folder, "s.csv", NULL), &(jm_error){0});
    jmi_csv_seconds(&csv, INT64_C(1763709123123456789));
    jmi_csv_seconds(&csv, -1);
    jmi_csv_seconds(&csv, 2000000000);
    jmi_csv_seconds(&csv, INT64_MIN);
    jmi_csv_count(&csv, UINT64_MAX);
    finish(&csv);
    assert_string_equal(take_file("s.csv"), "1763709123.123456789,-0.000000001,2,"
                                            "-9223372036.854775808,18446744073709551615");
}

static void nothing_is_there_before_the_end(void **state) {
    (void)state;
    char path[256];
    struct stat info;
    jmi_csv csv;
    snprintf(path, sizeof path, "%s/b.csv", folder);
    fixture_ok(jmi_csv_open(&csv, folder, "b.csv", NULL), &(jm_error){0});
    jmi_csv_text(&csv, "x");
    assert_int_not_equal(stat(path, &info), 0);
    jmi_csv_close(&csv); /* not committed: the folder must be empty again, or rmdir fails */
    assert_int_not_equal(stat(path, &info), 0);
}

static void a_full_disk_is_reported(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("skip: there is no /dev/full\n");
        skip();
    }
    jmi_csv csv;
    jm_error error = {0};
    fixture_ok(jmi_csv_open(&csv, folder, "f.csv", NULL), &(jm_error){0});
    close(csv.fd);
    FILE *full = fopen("/dev/full", "w");
    csv.fd = dup(fileno(full));
    fclose(full);
    for (int i = 0; i < 100000; i++) jmi_csv_text(&csv, "enough to fill the buffer");
    assert_int_not_equal(jmi_csv_finish(&csv, &error), JM_OK);
    assert_non_null(strstr(error.message, "f.csv"));
    assert_non_null(strstr(error.message, "No space left"));
    jmi_csv_close(&csv);
}

static void a_folder_that_is_not_there(void **state) {
    (void)state;
    jmi_csv csv;
    jm_error error = {0};
    assert_int_not_equal(jmi_csv_open(&csv, "/nonexistent/folder", "x.csv", &error), JM_OK);
    assert_non_null(strstr(error.message, "/nonexistent/folder/x.csv"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_quoted),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(computed_values_are_rounded),
        cmocka_unit_test(what_is_not_known_is_empty),
        cmocka_unit_test(seconds_are_exact),
        cmocka_unit_test(nothing_is_there_before_the_end),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
