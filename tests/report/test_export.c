#include "fixture.h"

#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/joulemeter-export-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"/out/summary.json", "/out/samples.csv", "/out/marks.csv",
                                        "/out/ranges.csv",   "/out/batches.csv", "/out/epochs.csv"};
    char path[256];
    (void)state;
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/out", folder);
    rmdir(path);
    return rmdir(folder);
}

static char *read_file(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/out/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("%s is not there", path);
    struct stat info;
    fstat(fileno(file), &info);
    char *text = calloc(1, (size_t)info.st_size + 1);
    assert_int_equal(fread(text, 1, (size_t)info.st_size, file), info.st_size);
    fclose(file);
    return text;
}

static size_t lines(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) count += *text == '\n';
    return count;
}

static void export_to(const char *dir, jm_recording *recording) {
    jm_error error = {0};
    fixture_ok(jm_export(recording, dir, NULL, &error), &error);
}

static void files_with_units(void **state) {
    char dir[256];
    (void)state;
    snprintf(dir, sizeof dir, "%s/out", folder);
    jm_recording *recording = fixture_new();
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "gpu0", 3);
    jm_error error = {0};
    jm_mark_info mark = {.size = sizeof mark,
                         .t_ns = FIXTURE_T0 + 5000000000,
                         .name = "half, \"way\"",
                         .attributes = "{\"loss\":0.5}"};
    fixture_ok(jm_recording_add_mark(recording, &mark, &error), &error);
    export_to(dir, recording);
    export_to(dir, recording); /* over what is there */

    char *text = read_file("samples.csv");
    assert_int_equal(lines(text), 1 + 2 * 601);
    assert_memory_equal(text, "t_unix_s,t_s,device,quantity,unit,value,since_s,flags,source\n", 61);
    assert_non_null(strstr(text, ",0.02,gpu0,power,W,50,0.002,changed,nvml power_instant\n"));
    free(text);

    text = read_file("marks.csv");
    assert_non_null(strstr(text, ",5,\"half, \"\"way\"\"\",0,"));
    assert_non_null(strstr(text, "\"{\"\"loss\"\":0.5}\"\n"));
    free(text);

    text = read_file("ranges.csv");
    assert_int_equal(lines(text), 1 + 55);
    assert_non_null(strstr(text, ",pid,thread,device,stream,attributes_json,"));
    assert_non_null(strstr(text, ",42,0,gpu0,3,,"));
    assert_non_null(strstr(text, ",42,0,,,\"{\"\"size\"\":32}\","));
    assert_non_null(strstr(text, "gpu0_energy_j,gpu0_energy_u95_j,cpu0_energy_j"));
    free(text);

    text = read_file("summary.json");
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    json_decref(root);
    free(text);
    jm_recording_free(recording);
}

static void samples_and_marks_as_tables(void **state) {
    char dir[256];
    (void)state;
    snprintf(dir, sizeof dir, "%s/out", folder);
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_EPOCH, "epoch", 4, 9, "{\"index\":0,\"loss\":0.5}");
    jm_error error = {0};
    jm_mark_info mark = {.size = sizeof mark, .t_ns = FIXTURE_T0 + 1, .name = "here"};
    fixture_ok(jm_recording_add_mark(recording, &mark, &error), &error);
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    options.tables = true;
    fixture_ok(jm_export(recording, dir, &options, &error), &error);

    char *text = read_file("samples.csv");
    assert_int_equal(lines(text), 1 + 2 * 601);
    assert_memory_equal(text, "t,ts,device,p_w,gpu_util,mem_util,", 34);
    free(text);

    text = read_file("marks.csv");
    assert_string_equal(text,
                        "name,t,ts,meta,pid,thread\nhere,5000.000000001,0.000000001,{},0,0\n");
    free(text);

    text = read_file("batches.csv");
    assert_int_equal(lines(text), 1 + 50);
    assert_non_null(strstr(text, "\n49,0,train,32,0.1,"));
    free(text);

    text = read_file("epochs.csv");
    assert_int_equal(lines(text), 1 + 1);
    assert_non_null(strstr(text, "\n0,train,5,"));
    free(text);
    jm_recording_free(recording);
}

static void nothing_else_is_left(void **state) {
    char dir[256];
    size_t count = 0;
    (void)state;
    snprintf(dir, sizeof dir, "%s/out", folder);
    DIR *opened = opendir(dir);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened)) != NULL;) count++;
    closedir(opened);
    assert_int_equal(count, 6 + 2); /* and . and .. */
}

static void a_file_in_the_way(void **state) {
    char dir[256];
    jm_error error = {0};
    (void)state;
    snprintf(dir, sizeof dir, "%s/out/samples.csv/deeper", folder);
    jm_recording *recording = fixture_new();
    assert_int_not_equal(jm_export(recording, dir, NULL, &error), JM_OK);
    assert_int_not_equal(error.message[0], '\0');
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_with_units),
        cmocka_unit_test(samples_and_marks_as_tables),
        cmocka_unit_test(nothing_else_is_left),
        cmocka_unit_test(a_file_in_the_way),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
