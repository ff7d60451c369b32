/* Carbon in summaries: what is known of the energy is known of it, too. */
#include "fixture.h"

static jm_grid *grid_of(const char *country, double price) {
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    options.country = country;
    options.no_zone = true;
    options.price = price;
    options.currency = "EUR";
    fixture_ok(jm_grid_open(&grid, &options, &error), &error);
    return grid;
}

/* A command of 12 ms between two readings of a sensor that shows 100 ms at a time. */
static jm_recording *short_command(void) {
    jm_recording *recording = NULL;
    jm_error error = {0};
    fixture_ok(jm_recording_new(&recording, &error), &error);
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = fixture_device(recording, "gpu0", "NVIDIA H100", false),
                        .quantity = JM_QUANTITY_POWER,
                        .source = "nvml power_instant",
                        .refresh_ns = 100000000,
                        .window_ns = 25000000};
    fixture_ok(jm_recording_add_sensor(recording, &sensor, NULL, &error), &error);
    for (int i = 0; i < 50; i++) {
        int64_t t = FIXTURE_T0 + i * INT64_C(100000000);
        double watts = i % 2 == 0 ? 100 : 400;
        uint32_t since = 2000000;
        uint8_t flags = JM_SAMPLE_CHANGED;
        jm_samples block = {1, &t, &watts, &since, &flags, {0}};
        fixture_ok(jm_recording_add_samples(recording, 0, &block, &error), &error);
    }
    fixture_range(recording, JM_CATEGORY_SESSION, "short", 2.03, 2.042,
                  "{\"command\":\"short\",\"exit_code\":0}");
    return recording;
}

static char *text_of(const jm_recording *recording, const jm_grid *grid, bool json) {
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.grid = grid;
    fixture_ok(json ? jm_report_json(recording, &options, &text, &error)
                    : jm_report_text(recording, &options, &text, &error),
               &error);
    return text;
}

static void has(const char *text, const char *words) {
    if (strstr(text, words) == NULL) fail_msg("'%s' is not in:\n%s", words, text);
}

static void bounds_are_shown_as_bounds(void **state) {
    (void)state;
    jm_recording *recording = short_command();
    jm_grid *grid = grid_of("FR", 0.3);
    char *text = text_of(recording, grid, false), *json = text_of(recording, grid, true);
    const char *line = strstr(text, "  carbon  ");
    assert_non_null(line);
    if (strspn(line + 10, "<0123456789. ") < 3) fail_msg("%s", text);
    size_t length = strcspn(line, "\n");
    char carbon[120];
    snprintf(carbon, sizeof carbon, "%.*s", (int)length, line);
    if (strstr(carbon, "<") == NULL && strstr(carbon, " to ") == NULL &&
        strstr(carbon, "–") == NULL)
        fail_msg("a point: %s", carbon);
    assert_null(strstr(carbon, "±"));
    assert_null(strstr(carbon, "+-"));
    line = strstr(text, "  cost    ");
    assert_non_null(line);
    assert_null(memchr(line, '(', strcspn(line, "\n")));
    has(json, "\"bound_only\": true");
    jm_free(text);
    jm_free(json);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void an_interval_is_one(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_grid *grid = grid_of("FR", 0.3);
    char *text = text_of(recording, grid, false), *json = text_of(recording, grid, true);
    has(text, "gCO2e\n          56.039 gCO2e/kWh, France in 2023");
    has(text, " EUR (0.");
    has(json, "\"bound_only\": false");
    jm_free(text);
    jm_free(json);
    jm_grid_free(grid);
    jm_recording_free(recording);
}

static void what_is_not_known_is_said(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    static const struct {
        const char *country, *words;
    } cases[] = {{"none", "No carbon: no country is given; `joulemeter config set country FR`"},
                 {"AQ", "No carbon: no intensity is known of Antarctica."}};
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        jm_grid *grid = grid_of(cases[i].country, 0);
        char *text = text_of(recording, grid, false);
        has(text, cases[i].words);
        jm_free(text);
        jm_grid_free(grid);
    }
    char *text = text_of(recording, NULL, false);
    assert_null(strstr(text, "arbon"));
    jm_free(text);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_are_shown_as_bounds),
                                       cmocka_unit_test(an_interval_is_one),
                                       cmocka_unit_test(what_is_not_known_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
