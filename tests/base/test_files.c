/* Small files below a root, as sysfs and procfs have them, and as they never should be. */
#include "base/base.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *at(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t length) {
    FILE *out = fopen(at(name), "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/jm-base-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int remove_folder(void **state) {
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- paths ---- */

static void paths_hang_on_a_root(void **state) {
    (void)state;
    char path[32];
    assert_true(jmi_path(path, sizeof path, NULL, "/sys/%d", 1));
    assert_string_equal(path, "/sys/1");
    assert_true(jmi_path(path, sizeof path, "/", "/sys/%d", 1));
    assert_string_equal(path, "/sys/1");
    assert_true(jmi_path(path, sizeof path, "", "/sys/%d", 1));
    assert_string_equal(path, "/sys/1");
    assert_true(jmi_path(path, sizeof path, "/tree//", "/sys"));
    assert_string_equal(path, "/tree/sys");
    assert_true(jmi_path(path, sizeof path, "//", "/sys"));
    assert_string_equal(path, "/sys");
}

static void paths_that_do_not_fit(void **state) {
    (void)state;
    char path[11];
    assert_true(jmi_path(path, sizeof path, "/12345", "/789"));
    assert_false(jmi_path(path, sizeof path, "/12345", "/7890")); /* room for the end mark */
    assert_false(jmi_path(path, sizeof path, "/123456789012345", "/x"));
    assert_false(jmi_path(path, sizeof path, NULL, "/12345678901"));
    assert_false(jmi_path(path, 0, NULL, "/x"));
}

/* ---- reading ---- */

static void texts_are_cut_to_the_buffer(void **state) {
    (void)state;
    char buffer[16];
    write_file("short", "hello \t\r\n\n", 10);
    assert_int_equal(jmi_read_text(at("short"), buffer, sizeof buffer), 5);
    assert_string_equal(buffer, "hello");
    write_file("empty", "", 0);
    assert_int_equal(jmi_read_text(at("empty"), buffer, sizeof buffer), 0);
    assert_string_equal(buffer, "");
    write_file("blank", " \n \n", 4);
    assert_int_equal(jmi_read_text(at("blank"), buffer, sizeof buffer), 0);
    static char huge[1 << 20];
    memset(huge, 'h', sizeof huge);
    write_file("huge", huge, sizeof huge);
    assert_int_equal(jmi_read_text(at("huge"), buffer, sizeof buffer), 15);
    assert_string_equal(buffer, "hhhhhhhhhhhhhhh");
    assert_int_equal(jmi_read_text(at("huge"), buffer, 1), 0);
    assert_string_equal(buffer, "");
}

static void what_cannot_be_read_says_why(void **state) {
    (void)state;
    char buffer[16];
    uint64_t v = 7;
    assert_int_equal(jmi_read_text(at("missing"), buffer, sizeof buffer), JM_NOT_FOUND);
    assert_true(jmi_read_text(folder, buffer, sizeof buffer) < 0); /* a folder */
    assert_int_equal(jmi_read_u64(at("missing"), &v), JM_NOT_FOUND);
    write_file("empty", "", 0);
    assert_int_equal(jmi_read_u64(at("empty"), &v), JM_FORMAT);
    write_file("words", "12 watts\n", 9);
    assert_int_equal(jmi_read_u64(at("words"), &v), JM_FORMAT);
    assert_int_equal(v, 7);
    write_file("number", "18446744073709551615\n", 21);
    assert_int_equal(jmi_read_u64(at("number"), &v), JM_OK);
    assert_true(v == UINT64_MAX);
    write_file("secret", "1", 1);
    assert_int_equal(chmod(at("secret"), 0), 0);
    if (geteuid() != 0) assert_int_equal(jmi_read_u64(at("secret"), &v), JM_PERMISSION);
}

/* ---- new files ---- */

static void files_beside_are_new_and_as_readable_as_others(void **state) {
    (void)state;
    char first[300], second[300], path[5000];
    struct stat info;
    jm_error error = {0, ""};
    mode_t before = umask(027);
    int a = jmi_make_beside(at("target"), first, sizeof first, &error);
    int b = jmi_make_beside(at("target"), second, sizeof second, &error);
    umask(before);
    assert_true(a >= 0 && b >= 0);
    assert_string_not_equal(first, second);
    assert_int_equal(strncmp(first, at("target"), strlen(at("target"))), 0);
    assert_int_equal(write(a, "x", 1), 1);
    assert_int_equal(fstat(a, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(access(at("target"), F_OK), -1);
    close(a);
    close(b);
    assert_int_equal(jmi_make_beside(at("nowhere/x"), first, sizeof first, &error), JM_NOT_FOUND);
    assert_int_equal(error.status, JM_NOT_FOUND);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(jmi_make_beside(path, first, sizeof first, &error), JM_INVALID);
}

/* ---- folders ---- */

static void names_are_sorted_naturally(void **state) {
    (void)state;
    static const char *const make[] = {"zone10", "zone2", "zone1", "zone", "other", ".zone0"};
    for (size_t i = 0; i < JMI_COUNT(make); i++) write_file(make[i], "", 0);
    char **names;
    assert_int_equal(jmi_list_dir(folder, "zone", &names), JM_OK);
    static const char *const wanted[] = {"zone", "zone1", "zone2", "zone10"};
    for (size_t i = 0; i < JMI_COUNT(wanted); i++) assert_string_equal(names[i], wanted[i]);
    assert_null(names[4]);
    jmi_list_free(names);
    assert_int_equal(jmi_list_dir(folder, "nothing", &names), JM_OK);
    assert_null(names[0]); /* an empty list, not none */
    jmi_list_free(names);
    assert_int_equal(jmi_list_dir(at("nowhere"), "", &names), JM_NOT_FOUND);
    assert_null(names);
    jmi_list_free(names);
    assert_int_equal(jmi_list_dir(at("zone1"), "", &names), JM_NOT_FOUND); /* a file */
}

static void many_names(void **state) {
    (void)state;
    enum { MANY = 500 };
    char name[32];
    for (int i = MANY - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "cpu%d", i);
        write_file(name, "", 0);
    }
    char **names;
    assert_int_equal(jmi_list_dir(folder, "cpu", &names), JM_OK);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "cpu%d", i);
        assert_string_equal(names[i], name);
    }
    assert_null(names[MANY]);
    jmi_list_free(names);
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    jm_error error = {0};
    struct stat info;
    assert_int_equal(jmi_make_dirs(at("a/b/c"), &error), JM_OK);
    assert_int_equal(jmi_make_dirs(at("a/b/c"), &error), JM_OK); /* there already */
    assert_int_equal(jmi_make_dirs(at("a//d/"), &error), JM_OK);
    assert_int_equal(stat(at("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(stat(at("a/d"), &info), 0);
    assert_int_equal(jmi_make_dirs("/", &error), JM_OK);
    write_file("file", "", 0);
    assert_int_equal(jmi_make_dirs(at("file"), &error), JM_INVALID);
    assert_non_null(strstr(error.message, "not a folder"));
    assert_int_equal(jmi_make_dirs(at("file/below"), &error), JM_NOT_FOUND);
}

static void a_folder_needs_a_name(void **state) {
    (void)state;
    jm_error error = {0};
    char *empty = malloc(1);
    empty[0] = '\0';
    assert_int_not_equal(jmi_make_dirs(empty, &error), JM_OK);
    assert_true(error.message[0] != '\0');
    free(empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_hang_on_a_root),
        cmocka_unit_test(paths_that_do_not_fit),
        cmocka_unit_test_setup_teardown(texts_are_cut_to_the_buffer, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_why, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_beside_are_new_and_as_readable_as_others, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(names_are_sorted_naturally, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(many_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents, make_folder,
                                        remove_folder),
        cmocka_unit_test(a_folder_needs_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
