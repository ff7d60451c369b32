/* The file of the logbook: rows, filters, views, older and newer files, files that are none. */
#include "book.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const char *const titles[] = {"Datetime",
                                     "User ID",
                                     "ISO",
                                     "Country",
                                     "Platform",
                                     "Project name",
                                     "Total Elapsed CPU Time (sec)",
                                     "Total Elapsed GPU Time (sec)",
                                     "Cumulative Package Energy (mWh)",
                                     "Cumulative IA Energy (mWh)",
                                     "Cumulative GPU Energy (mWh)",
                                     "Cumulative DRAM Energy (mWh)",
                                     "PUE",
                                     "CO2 emitted (gCO2e)",
                                     "Package",
                                     "Algorithm",
                                     "Algorithm's parameters",
                                     "Data type",
                                     "Data shape",
                                     "Comment"};

/* PowerMeter's first published row; energies in mWh. */
static const jm_log_value published[] = {
    {"begin_unix_s", NULL, 1583340816.289029},
    {"user", "martinchauvin", 0},
    {"iso", "FR", 0},
    {"country", "France", 0},
    {"platform", "darwin", 0},
    {"project", "green_ai", 0},
    {"cpu_time_s", NULL, 10.087129},
    {"gpu_time_s", NULL, 0},
    {"package_j", NULL, 23.081851 * 3.6},
    {"core_j", NULL, 10.375519 * 3.6},
    {"gpu_j", NULL, 0},
    {"dram_j", NULL, 2.296532 * 3.6},
    {"pue", NULL, 1.3},
    {"co2_g", NULL, 0.0013},
    {"package", "Sklearn", 0},
    {"algorithm", "MLPClassifier", 0},
    {"algorithm_params", "hidden_layers=(200;)", 0},
    {"data_type", "tabular", 0},
    {"data_shape", "(7000, 64)", 0},
    {"comment", "Toy training on the MNIST dataset ", 0},
};

static void powermeters_columns(void **state) {
    (void)state;
    setenv("TZ", "CET-1", 1);
    tzset();
    for (uint32_t i = 0; i < 20; i++) {
        jm_log_column column = {.size = sizeof column};
        assert_int_equal(jm_log_column_at(i, &column), JM_OK);
        assert_string_equal(column.title, titles[i]);
    }
    append(published, JMI_COUNT(published));
    answer *a = rows_of(JM_LOG_POWERMETER, NULL);
    char *line = a->text;
    char *names = strsep(&line, "\n");
    for (size_t i = 0; i < 20; i++) assert_string_equal(strsep(&names, "|"), titles[i]);
    assert_null(names);
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, "2020-03-04 17:53:36.289029|martinchauvin|FR|France|darwin|green_ai|"
                              "10.087129|0|23.081851|10.375519|0|2.296532|1.3|0.0013|Sklearn|"
                              "MLPClassifier|hidden_layers=(200;)|tabular|(7000, 64)|"
                              "Toy training on the MNIST dataset ");
    unsetenv("TZ");
    tzset();
}

static void every_column_has_a_meaning(void **state) {
    (void)state;
    jm_log_column column = {.size = sizeof column};
    for (uint32_t i = 0; i < jm_log_column_count(); i++) {
        assert_int_equal(jm_log_column_at(i, &column), JM_OK);
        assert_true(strlen(column.meaning) > 5 && strlen(column.title) > 1);
        assert_int_equal(jmi_log_column_named(column.name), i);
    }
    assert_int_equal(jm_log_column_at(jm_log_column_count(), &column), JM_NOT_FOUND);
    assert_int_equal(jm_log_column_at(0, NULL), JM_INVALID);
}

static void what_is_not_given_is_null(void **state) {
    (void)state;
    int64_t id = append(NULL, 0);
    assert_string_equal(value_of(id, "user"), "-");
    assert_string_equal(value_of(id, "co2_g"), "-");
    const jm_log_value values[] = {
        {"energy_j", NULL, NAN}, {"user", "", 0}, {"gpu_count", NULL, 3}, {"comment", "a\xff", 0}};
    id = append(values, JMI_COUNT(values));
    assert_string_equal(value_of(id, "energy_j"), "-");
    assert_string_equal(value_of(id, "user"), "-");
    assert_string_equal(value_of(id, "gpu_count"), "3");
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    filter.id = id;
    assert_non_null(strstr(rows_of(JM_LOG_ALL, &filter)->text, "|a?|"));
}

static void values_that_are_none(void **state) {
    (void)state;
    static const jm_log_value wrong[] = {
        {"nothing", "x", 0}, {"user", NULL, 1}, {"energy_j", "x", 0}, {NULL, "x", 0}};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        jm_error error = {0};
        assert_int_equal(jm_log_append(path, &wrong[i], 1, NULL, &error), JM_INVALID);
        assert_true(error.message[0] != '\0');
    }
    assert_int_equal(access(path, F_OK), -1); /* nothing was made */
}

static void nobody_else_reads_it(void **state) {
    (void)state;
    struct stat info;
    append(NULL, 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void add_run(const char *project, const char *tag, double begin, double j, double g) {
    const jm_log_value values[] = {{"begin_unix_s", NULL, begin},
                                   {"duration_s", NULL, 10},
                                   {"energy_j", NULL, j},
                                   {"u_random_j", NULL, 3},
                                   {"u_systematic_j", NULL, 4},
                                   {"co2_g", NULL, g},
                                   {"co2_lower_g", NULL, g / 2},
                                   {"co2_upper_g", NULL, 2 * g},
                                   {"project", project, 0},
                                   {"tag", tag, 0},
                                   {"cost", NULL, 1},
                                   {"currency", "EUR", 0}};
    append(values, JMI_COUNT(values));
}

static size_t count_of(jm_log_filter filter) {
    filter.size = sizeof filter;
    return rows_of(JM_LOG_ALL, &filter)->rows;
}

static void five_runs(void) {
    add_run("a", "x", 1704067200, 100, 1); /* 2024-01-01 */
    add_run("a", "y", 1706745600, 200, 2); /* 2024-02-01 */
    add_run("b", "x", 1706745601, 300, 4);
    add_run("b", "x", 1706745602, NAN, NAN);
    add_run("", "", 1709251200, 400, 8); /* 2024-03-01 */
}

static void filters(void **state) {
    (void)state;
    five_runs();
    assert_int_equal(count_of((jm_log_filter){0}), 5);
    assert_int_equal(count_of((jm_log_filter){.project = "a"}), 2);
    assert_int_equal(count_of((jm_log_filter){.project = "A"}), 0);
    assert_int_equal(count_of((jm_log_filter){.tag = "x"}), 3);
    assert_int_equal(count_of((jm_log_filter){.tag = "x", .project = "a"}), 1);
    assert_int_equal(count_of((jm_log_filter){.since_unix_s = 1706745600}), 4);
    assert_int_equal(count_of((jm_log_filter){.until_unix_s = 1706745600}), 1);
    assert_int_equal(count_of((jm_log_filter){.id = 4}), 1);
    assert_int_equal(count_of((jm_log_filter){.last = 2}), 2);
    assert_int_equal(count_of((jm_log_filter){.last = 2, .project = "a"}), 2);
    assert_int_equal(count_of((jm_log_filter){.project = "' OR 1=1 --"}), 0);
    jm_log_filter wrong = JM_LOG_FILTER_INIT;
    wrong.since_unix_s = NAN;
    answer a = {.rows = 0};
    assert_int_equal(jm_log_rows(path, JM_LOG_ALL, &wrong, take_row, &a, NULL), JM_INVALID);
    assert_int_equal(jm_log_rows(path, (jm_log_view)99, NULL, take_row, &a, NULL), JM_INVALID);
}

static void codecarbons_columns(void **state) {
    (void)state;
    const jm_log_value more[] = {{"duration_s", NULL, 10}, {"energy_j", NULL, 3.6e5},
                                 {"water_l", NULL, 0.2},   {"version", "0.1.0", 0},
                                 {"iso", "GB", 0},         {"co2_g", NULL, 25}};
    append(more, JMI_COUNT(more));
    const char *text = rows_of(JM_LOG_CODECARBON, NULL)->text;
    assert_int_equal(strncmp(text,
                             "timestamp|project_name|run_id|experiment_id|duration|emissions|"
                             "emissions_rate|cpu_power|gpu_power|ram_power|cpu_energy|",
                             110),
                     0);
    assert_non_null(strstr(text, "|10|0.025|0.0025|"));
    assert_non_null(strstr(text, "|0.1|0.2|-|GBR|"));
    assert_non_null(strstr(text, "|joulemeter 0.1.0|"));
}

/* CodeCarbon 3 (emissions_tracker.py, _do_measurements): powers, energies and the energy that water
 * is of are all multiplied by the PUE. */
static void codecarbons_pue(void **state) {
    (void)state;
    const jm_log_value values[] = {
        {"duration_s", NULL, 8}, {"package_j", NULL, 3.6e6}, {"gpu_j", NULL, 7.2e6},
        {"dram_j", NULL, 1.8e6}, {"energy_j", NULL, 1.26e7}, {"pue", NULL, 1.5},
        {"co2_g", NULL, 525},    {"intensity_g", NULL, 100}, {"water_l", NULL, 7}};
    append(values, JMI_COUNT(values));
    const char *text = rows_of(JM_LOG_CODECARBON, NULL)->text;
    /* emissions and their rate, powers, energies, water: 0.525 kg = 5.25 kWh x 0.1 kg/kWh */
    if (strstr(text, "|8|0.525|0.065625|675000|1350000|337500|1.5|3|0.75|5.25|10.5|") == NULL)
        fail_msg("%s", text);
    assert_non_null(strstr(text, "|1.5|2\n")); /* PUE, and WUE as it was given */
}

static void pruning(void **state) {
    (void)state;
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    jm_error error = {0};
    uint64_t removed = 99;
    five_runs();
    assert_int_equal(jm_log_prune(path, &filter, &removed, &error), JM_INVALID);
    says(&error, "which rows");
    filter.project = "a";
    ok(jm_log_prune(path, &filter, &removed, &error), &error);
    assert_int_equal(removed, 2);
    assert_int_equal(count_of((jm_log_filter){0}), 3);
    ok(jm_log_prune(path, &filter, &removed, &error), &error);
    assert_int_equal(removed, 0);
    filter = (jm_log_filter){.size = sizeof filter, .id = 5};
    ok(jm_log_prune(path, &filter, &removed, &error), &error);
    assert_int_equal(append(NULL, 0), 6); /* numbers are not given twice */
    unlink(path);
    assert_int_equal(jm_log_prune(path, &filter, &removed, &error), JM_NOT_FOUND);
}

static void a_logbook_that_is_not_there(void **state) {
    (void)state;
    answer *a = rows_of(JM_LOG_POWERMETER, NULL);
    assert_int_equal(a->rows, 0);
    assert_int_equal(strncmp(a->text, "Datetime|User ID|", 17), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void make_older_file(void) {
    jmi_text sql = {0};
    append(NULL, 0); /* makes the folder */
    unlink(path);
    jmi_text_add(&sql, "CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT");
    for (int i = 0; i < JMI_LOG_COUNT; i++)
        if (jmi_log_definitions[i].since == 1)
            jmi_text_add(&sql, ", %s %s", jmi_log_definitions[i].name,
                         jmi_log_definitions[i].type == JM_SQL_TEXT   ? "TEXT"
                         : jmi_log_definitions[i].type == JM_SQL_REAL ? "REAL"
                                                                      : "INTEGER");
    jmi_text_add(&sql,
                 ") STRICT; INSERT INTO run (project, energy_j) VALUES ('old', 7); "
                 "PRAGMA application_id = %d; PRAGMA user_version = 1",
                 JMI_LOG_APPLICATION);
    tamper(sql.data);
    jmi_text_free(&sql);
}

static void older_files_grow(void **state) {
    (void)state;
    make_older_file();
    assert_string_equal(value_of(1, "water_l"), "-");
    assert_string_equal(value_of(1, "intensity_covered"), "-");
    assert_string_equal(value_of(1, "cost_upper"), "-");
    assert_string_equal(value_of(1, "project"), "old");
    const jm_log_value value = {"water_l", NULL, 2};
    assert_string_equal(value_of(append(&value, 1), "water_l"), "2");
    assert_int_equal(count_of((jm_log_filter){0}), 2);
}

/* Somebody else's, which may be read alone. */
static void older_files_are_read(void **state) {
    (void)state;
    jm_error error = {0};
    char *text = NULL, state_folder[100];
    make_older_file();
    snprintf(state_folder, sizeof state_folder, "%s/state", folder);
    assert_int_equal(chmod(folder, 0755) | chmod(state_folder, 0755), 0);
    strcat(state_folder, "/joulemeter");
    assert_int_equal(chmod(path, 0444) | chmod(state_folder, 0555), 0);
    uid_t me = geteuid();
    if (me == 0) assert_int_equal(seteuid(65534), 0);
    assert_string_equal(value_of(1, "cost_lower"), "-");
    assert_string_equal(value_of(1, "project"), "old");
    assert_string_equal(cell_of(rows_of(JM_LOG_PROJECTS, NULL), "old", "energy_j"), "7");
    ok(jm_log_statement(path, NULL, "markdown", &text, &error), &error);
    jm_free(text);
    assert_int_equal(jm_log_append(path, NULL, 0, NULL, &error), JM_PERMISSION);
    says(&error, "cannot write");
    if (me == 0) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(state_folder, 0755) | chmod(path, 0600), 0);
    tamper("UPDATE run SET tag = 'x'"); /* it has been left as it was */
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "SELECT cost FROM run", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void newer_files_are_refused(void **state) {
    (void)state;
    jm_error error = {0};
    append(NULL, 0);
    tamper("PRAGMA user_version = 99");
    assert_int_equal(jm_log_append(path, NULL, 0, NULL, &error), JM_NOT_SUPPORTED);
    says(&error, "newer joulemeter (its version is 99");
    says(&error, path);
    tamper("PRAGMA user_version = 4");
    assert_int_equal(count_of((jm_log_filter){0}), 1); /* it was left as it is */
}

static void write_bytes(const char *bytes) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    close(fd);
}

static void files_that_are_none(void **state) {
    (void)state;
    jm_error error = {0};
    append(NULL, 0);
    write_bytes("this is a text, and a long one, longer than the head of a database file is, "
                "which is 100 bytes");
    assert_int_equal(jm_log_append(path, NULL, 0, NULL, &error), JM_FORMAT);
    says(&error, "cannot open");
    unlink(path);
    tamper("CREATE TABLE other (x)");
    assert_int_equal(jm_log_append(path, NULL, 0, NULL, &error), JM_FORMAT);
    says(&error, "no logbook of joulemeter");
    assert_int_equal(jm_log_append(folder, NULL, 0, NULL, &error), JM_INVALID);
    assert_int_equal(jm_log_append("/dev/null", NULL, 0, NULL, &error), JM_INVALID);
    assert_int_not_equal(jm_log_append("/proc/none/log.db", NULL, 0, NULL, &error), JM_OK);
    unlink(path);
    write_bytes(""); /* an empty file becomes one, but not for being read */
    assert_int_equal(count_of((jm_log_filter){0}), 0);
    assert_int_equal(rows_of(JM_LOG_PROJECTS, NULL)->rows, 0);
    struct stat info;
    assert_int_equal(stat(path, &info) | info.st_size, 0);
    append(NULL, 0);
}

static void a_full_disk(void **state) {
    (void)state;
    jm_error error = {0};
    struct rlimit before, little = {16384, RLIM_INFINITY};
    char *large = malloc(100000);
    append(NULL, 0);
    memset(large, 'x', 99999);
    large[99999] = '\0';
    const jm_log_value value = {"comment", large, 0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    int status = jm_log_append(path, &value, 1, NULL, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(status, JM_OK);
    says(&error, path);
    assert_int_equal(count_of((jm_log_filter){0}), 1);
    append(&value, 1);
    free(large);
}

static void other_locales(void **state) {
    (void)state;
    const jm_log_value value = {"energy_j", NULL, 1.5};
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        print_message("skipped: there is no locale de_DE.UTF-8\n");
        skip();
    }
    assert_string_equal(value_of(append(&value, 1), "energy_j"), "1.5");
    setlocale(LC_ALL, "C");
}

static void the_usual_place(void **state) {
    (void)state;
    char *usual = NULL;
    jm_error error = {0};
    setenv("XDG_STATE_HOME", folder, 1);
    ok(jm_log_usual_path(&usual, &error), &error);
    char expected[200];
    snprintf(expected, sizeof expected, "%s/joulemeter/log.db", folder);
    assert_string_equal(usual, expected);
    jm_free(usual);
    ok(jm_log_append(NULL, NULL, 0, NULL, &error), &error);
    assert_int_equal(access(expected, R_OK), 0);
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "/h", 1);
    ok(jm_log_usual_path(&usual, &error), &error);
    assert_string_equal(usual, "/h/.local/state/joulemeter/log.db");
    jm_free(usual);
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(jm_log_usual_path(&usual, &error), JM_NOT_FOUND);
    assert_int_equal(jm_log_append(NULL, NULL, 0, NULL, &error), JM_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_set_up, book_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(powermeters_columns),
        TEST(every_column_has_a_meaning),
        TEST(what_is_not_given_is_null),
        TEST(values_that_are_none),
        TEST(nobody_else_reads_it),
        TEST(filters),
        TEST(codecarbons_columns),
        TEST(codecarbons_pue),
        TEST(pruning),
        TEST(a_logbook_that_is_not_there),
        TEST(older_files_grow),
        TEST(older_files_are_read),
        TEST(newer_files_are_refused),
        TEST(files_that_are_none),
        TEST(a_full_disk),
        TEST(other_locales),
        TEST(the_usual_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
