/* Rows about recordings, and statements about rows. */
#include "book.h"
#include "fixture.h"

static int64_t log_fixture(jm_recording *recording, jm_log_run run) {
    jm_error error = {0};
    int64_t id = 0;
    run.size = sizeof run;
    run.folder = "";
    ok(jm_log_recording(path, recording, &run, &id, &error), &error);
    return id;
}

static jm_grid *grid_of(const char *country, const char *intensity, double pue) {
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    options.country = country;
    options.intensity = intensity;
    options.pue = pue;
    ok(jm_grid_open(&grid, &options, &error), &error);
    return grid;
}

static double number_of(int64_t id, const char *column) {
    const char *text = value_of(id, column);
    double value = NAN;
    if (strcmp(text, "-") != 0) assert_true(jmi_parse_double(text, &value));
    return value;
}

static void a_command(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_grid *grid = grid_of("FR", NULL, 1.2);
    const jm_log_value values[] = {{"project", "p", 0}, {"tag", "t", 0}};
    int64_t id = log_fixture(recording, (jm_log_run){.grid = grid, .values = values, .count = 2});
    double joules = number_of(id, "energy_j"), g = number_of(id, "co2_g");
    /* 8 s of 300 W and 60 W, 2 s of 300 W (from sample 100 on) */
    assert_true(fabs(joules - 3600) < 60);
    assert_true(fabs(number_of(id, "gpu_j") + number_of(id, "package_j") - joules) < 1e-6);
    assert_true(fabs(g - joules / 3.6e6 * 1.2 * 56.039) < 1e-12);
    assert_true(number_of(id, "co2_lower_g") < g && g < number_of(id, "co2_upper_g"));
    assert_true(number_of(id, "energy_lower_j") < joules);
    assert_true(number_of(id, "u_random_j") >= 0 && number_of(id, "u_systematic_j") > 0);
    assert_string_equal(value_of(id, "command"), "python train.py");
    assert_string_equal(value_of(id, "outcome"), "exit code 3");
    assert_string_equal(value_of(id, "kind"), "command");
    assert_string_equal(value_of(id, "duration_s"), "10");
    assert_string_equal(value_of(id, "iso"), "FR");
    assert_string_equal(value_of(id, "intensity_source"), "country");
    assert_string_equal(value_of(id, "intensity_year"), "2023");
    assert_string_equal(value_of(id, "project"), "p");
    assert_string_equal(value_of(id, "gpu_model"), "NVIDIA H100");
    assert_string_equal(value_of(id, "gpu_count"), "1");
    assert_string_equal(value_of(id, "package_source"), "modelled");
    assert_non_null(strstr(value_of(id, "gpu_source"), "simulated"));
    assert_string_equal(value_of(id, "platform"), "linux");
    assert_string_equal(value_of(id, "git_commit"), "-");
    assert_string_equal(value_of(id, "user"), "-");
    assert_string_equal(value_of(id, "dram_j"), "-"); /* missing is missing */
    assert_int_equal(strlen(value_of(id, "environment")), 16);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void a_window(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    int64_t id = log_fixture(recording, (jm_log_run){.begin_ns = FIXTURE_T0 + 5000000000,
                                                     .end_ns = FIXTURE_T0 + 6000000000});
    assert_true(fabs(number_of(id, "energy_j") - 360) < 5);
    assert_string_equal(value_of(id, "duration_s"), "1");
    assert_string_equal(value_of(id, "command"), "-");
    assert_string_equal(value_of(id, "co2_g"), "-"); /* no grid was given */
    assert_string_equal(value_of(id, "pue"), "-");
    jm_error error = {0};
    jm_log_run wrong = {.size = sizeof wrong, .begin_ns = INT64_MIN, .end_ns = INT64_MAX};
    assert_int_equal(jm_log_recording(path, recording, &wrong, NULL, &error), JM_INVALID);
    assert_int_equal(jm_log_recording(path, NULL, NULL, NULL, &error), JM_INVALID);
    jm_recording_free(recording);
}

static void a_place_that_was_not_given(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    setenv("TZ", "Europe/Paris", 1);
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_grid *grid = NULL;
    options.price = 0.3;
    assert_int_equal(jm_grid_open(&grid, &options, NULL), JM_OK);
    int64_t id = log_fixture(recording, (jm_log_run){.grid = grid});
    assert_string_equal(value_of(id, "iso"), "-");
    assert_string_equal(value_of(id, "country"), "-");
    assert_string_equal(value_of(id, "intensity_source"), "time zone");
    static const char *const telling[] = {"co2_g",       "co2_lower_g",    "co2_upper_g",
                                          "intensity_g", "intensity_year", "intensity_u"};
    for (size_t i = 0; i < JMI_COUNT(telling); i++)
        assert_string_equal(value_of(id, telling[i]), "-");
    assert_true(number_of(id, "cost") > 0); /* tells nothing */
    assert_true(number_of(id, "cost_lower") < number_of(id, "cost"));
    assert_true(number_of(id, "cost_upper") > number_of(id, "cost"));
    id = log_fixture(recording, (jm_log_run){.grid = grid, .place = true});
    assert_string_equal(value_of(id, "country"), "France");
    assert_true(number_of(id, "co2_g") > 0 && number_of(id, "intensity_g") > 0);
    jm_grid_free(grid);
    unsetenv("TZ");
    jm_recording_free(recording);
}

/* A series that begins in the middle of the run. */
static void a_series_that_covers_a_part(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_error error = {0};
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_grid *grid = NULL;
    char csv[100];
    double middle = (double)(FIXTURE_T0 + jm_recording_utc_offset_ns(recording)) / 1e9 + 5;
    int length = snprintf(csv, sizeof csv, "%.3f,50\n", middle);
    ok(jm_grid_parse(&grid, csv, (size_t)length, "half", &options, &error), &error);
    int64_t id = log_fixture(recording, (jm_log_run){.grid = grid});
    double covered = number_of(id, "intensity_covered");
    double whole = number_of(id, "energy_j");
    int64_t later = log_fixture(recording, (jm_log_run){.begin_ns = FIXTURE_T0 + 5000000000,
                                                        .end_ns = FIXTURE_T0 + 12000000000});
    assert_true(covered > 0.4 && covered < 0.8);
    assert_true(fabs(covered - number_of(later, "energy_j") / whole) < 1e-3);
    assert_true(fabs(number_of(id, "intensity_u") - 0.25 * (1 - covered)) < 1e-9);
    assert_true(number_of(id, "co2_upper_g") > 1.2 * number_of(id, "co2_g"));
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void a_recording_without_energy(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    jm_error error = {0};
    ok(jm_recording_new(&recording, &error), &error);
    jm_grid *grid = grid_of("FR", NULL, 0);
    int64_t id = log_fixture(recording, (jm_log_run){.grid = grid});
    assert_string_equal(value_of(id, "energy_j"), "-");
    assert_string_equal(value_of(id, "co2_g"), "-");
    char *text = NULL;
    assert_int_equal(jm_log_statement(path, NULL, "markdown", &text, &error), JM_NO_DATA);
    assert_null(text);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static char *statement(const jm_log_filter *filter, const char *format) {
    jm_error error = {0};
    char *text = NULL;
    ok(jm_log_statement(path, filter, format, &text, &error), &error);
    return text;
}

static void has(const char *text, const char *words) {
    if (strstr(text, words) == NULL) fail_msg("'%s' is not in:\n%s", words, text);
}

/* Credit goes where the intensity of a run with carbon comes from. */
static void a_statement_names_its_sources(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_grid *none = grid_of("none", NULL, 1), *given = grid_of("none", "90", 1);
    jm_grid *france = grid_of("FR", NULL, 1), *both = grid_of("FR", "90", 1);
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    const jm_log_value one = {"project", "given", 0}, two = {"project", "both", 0};
    log_fixture(recording, (jm_log_run){.grid = none, .values = &one, .count = 1});
    log_fixture(recording, (jm_log_run){.grid = given, .values = &one, .count = 1});
    tamper("UPDATE run SET intensity_source = 'time zone', country = 'Norway' WHERE co2_g IS NULL");
    filter.project = "given";
    char *text = statement(&filter, "markdown");
    has(text, "a carbon intensity of 90 gCO2e/kWh (as given) this is ");
    jm_free(text);
    log_fixture(recording, (jm_log_run){.grid = france, .values = &two, .count = 1});
    log_fixture(recording, (jm_log_run){.grid = both, .values = &two, .count = 1});
    filter.project = "both";
    text = statement(&filter, "markdown");
    has(text, "56.04 to 90 gCO2e/kWh (France; yearly mean, 2023, from Our World in Data of 1 run; "
              "as given of 1 run) this is ");
    jm_free(text);
    /* as a file of version 1 that grew */
    tamper("UPDATE run SET intensity_year = NULL; UPDATE run SET intensity_source = 'series' "
           "WHERE intensity_source = 'given'");
    text = statement(&filter, "markdown");
    has(text, "(France; yearly mean, from Our World in Data of 1 run; by a time series of 1 run)");
    jm_free(text);
    tamper("UPDATE run SET intensity_g = NULL, pue = NULL, country = NULL");
    text = statement(&filter, "markdown");
    has(text, " This is ");
    assert_null(strstr(text, "nan"));
    jm_free(text);
    jm_grid_free(none);
    jm_grid_free(given);
    jm_grid_free(france);
    jm_grid_free(both);
    jm_recording_free(recording);
}

static void statements(void **state) {
    (void)state;
    jm_error error = {0};
    char *text = NULL;
    assert_int_equal(jm_log_statement(path, NULL, "markdown", &text, &error), JM_NO_DATA);
    says(&error, "no logbook yet");
    jm_recording *recording = fixture_new();
    jm_grid *grid = grid_of("FR", NULL, 1.2);
    const jm_log_value one = {"project", "50% & more_|x", 0}, two = {"project", "b", 0};
    log_fixture(recording, (jm_log_run){.grid = grid, .values = &one, .count = 1});
    log_fixture(recording, (jm_log_run){.grid = grid, .values = &two, .count = 1});
    text = statement(NULL, "markdown");
    has(text, "2 runs (1970-01-01, 20.0 s in all) used 2.0");
    has(text, " Wh of electricity on NVIDIA H100, as joulemeter ");
    has(text, "What is modelled was not measured");
    has(text, "Some devices are simulated");
    has(text,
        "With a PUE of 1.2 and a carbon intensity of 56.04 gCO2e/kWh (France; yearly mean, 2023, "
        "from Our World in Data) this is 0.135 ± 0.070 gCO2e.");
    has(text, "| project | runs | time | energy | carbon |\n|---|---:|");
    has(text, "| 50% & more\\_\\|x | 1 | 10.0 s | ");
    has(text, "| total | 2 | 20.0 s | ");
    jm_free(text);
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    filter.project = one.text;
    text = statement(&filter, "latex");
    has(text, "One run of the project 50\\% \\& more\\_\\textbar{}x (");
    has(text, "$\\pm$");
    has(text, "gCO$_2$e/kWh");
    has(text, "95~\\%.");
    has(text, "\\begin{tabular}{lrrrr}");
    assert_null(strstr(text, "total"));
    jm_free(text);
    assert_int_equal(jm_log_statement(path, NULL, "html", &text, &error), JM_INVALID);
    filter.project = "none";
    assert_int_equal(jm_log_statement(path, &filter, "latex", &text, &error), JM_NO_DATA);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_set_up, book_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(a_command),
                                       TEST(a_window),
                                       TEST(a_place_that_was_not_given),
                                       TEST(a_series_that_covers_a_part),
                                       TEST(a_recording_without_energy),
                                       TEST(a_statement_names_its_sources),
                                       TEST(statements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
