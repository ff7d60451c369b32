/* What a kilowatt-hour costs, and what an energy comes to. */
#include "carbon.h"

#include <locale.h>

static jm_carbon carbon_of(const jm_grid *grid, jm_energy e) {
    jm_carbon c = {.size = sizeof c};
    jm_error error = {0};
    ok(jm_carbon_of(grid, &e, &c, &error), &error);
    return c;
}

static void powermeters_two_rows(void **state) {
    (void)state;
    /* Energies in mWh as published: cores + GPU + DRAM; PUE 1.3; France 0.0791 kg/kWh. */
    static const struct {
        double core, gpu, dram, g;
        double relative;
    } rows[] = {{10.375519, 0, 2.296532, 0.0013, 0.05 / 13},
                {13.769294, 0, 2.562374, 0.001679385, 1e-6}};
    jm_grid *grid = grid_of("FR", "0.0791 kg/kWh", 1.3);
    for (size_t i = 0; i < JMI_COUNT(rows); i++) {
        double j = (rows[i].core + rows[i].gpu + rows[i].dram) * 3.6;
        NEAR(carbon_of(grid, energy_of(j, 0)).g, rows[i].g, rows[i].relative);
    }
    jm_grid_free(grid);
}

static void units_of_a_number(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double g;
    } good[] = {{"56", 56},
                {"0", 0},
                {"56.5 gCO2e/kWh", 56.5},
                {"0.056 kg", 56},
                {"56 kg/MWh", 56},
                {"5.6e1", 56},
                {"56 g", 56},
                {"0.056 kg CO2eq per kWh", 56},
                {"0.056tCO2/MWh", 56},
                {"100 lb/MWh", 45.359237},
                {"56 g CO\xE2\x82\x82 / kWh ", 56}};
    static const char *const wrong[] = {
        "",      "g",          "56 W",   "56,5",         "0x10",   "nan",        "inf",
        "1e999", "-",          "56 g/",  "56 g/day",     "56/kWh", "56 a g/kWh", "56 CO2",
        "56 %",  "56 g/kWh x", "56 kWh", "56 g/kWh/kWh", "12.csv", "5/grid.csv", "56 eq/kWh"};
    double g;
    for (size_t i = 0; i < JMI_COUNT(good); i++) {
        assert_true(jmi_parse_intensity(good[i].text, &g));
        NEAR(g, good[i].g, 1e-12);
    }
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) assert_false(jmi_parse_intensity(wrong[i], &g));
}

static void a_kilowatt_hour(void **state) {
    (void)state;
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    options.intensity = "100";
    options.pue = 1.5;
    options.price = 0.2;
    options.currency = "EUR";
    options.water_l = 2;
    ok(jm_grid_open(&grid, &options, &error), &error);
    jm_carbon c = carbon_of(grid, energy_of(3.6e6, 3.6e5));
    NEAR(c.g, 150, 1e-12);
    NEAR(c.lower_g, 135, 1e-12);
    NEAR(c.upper_g, 165, 1e-12);
    NEAR(c.cost, 0.3, 1e-12);
    NEAR(c.cost_lower, 0.27, 1e-12);
    NEAR(c.water_l, 2, 1e-12);
    NEAR(c.facility_j, 5.4e6, 1e-12);
    NEAR(c.covered, 1, 0);
    jm_grid_free(grid);
}

static void a_countrys_year_is_known_to_a_quarter(void **state) {
    (void)state;
    jm_grid *grid = grid_of("FRA", NULL, 0);
    jm_grid_info info = info_of(grid);
    assert_int_equal(info.source, JM_INTENSITY_COUNTRY);
    assert_string_equal(info.text, "56.039 gCO2e/kWh, France in 2023");
    NEAR(info.intensity_u, 0.25, 0);
    jm_carbon c = carbon_of(grid, energy_of(3.6e6, 3.6e5));
    NEAR(c.g, 56.039, 1e-12);
    /* 10 % and 1.96 x 25 % in quadrature */
    NEAR(c.upper_g, 56.039 * (1 + sqrt(0.01 + 0.49 * 0.49)), 1e-12);
    NEAR(c.lower_g, 56.039 * (1 - sqrt(0.01 + 0.49 * 0.49)), 1e-12);
    jm_grid_free(grid);
}

static void bounds_stay_bounds(void **state) {
    (void)state;
    jm_grid *grid = grid_of(NULL, "100", 1);
    jm_energy e = energy_of(1800, 0);
    e.provenance = JM_FROM_POWER | JM_BOUND_ONLY;
    e.lower_j = 0;
    e.upper_j = 3600;
    jm_carbon c = carbon_of(grid, e);
    NEAR(c.g, 0.05, 1e-12);
    NEAR(c.lower_g, 0, 0);
    NEAR(c.upper_g, 0.1, 1e-12);
    e.upper_j = INFINITY;
    assert_true(isinf(carbon_of(grid, e).upper_g));
    jm_grid_free(grid);
}

/* A GPU that drew too little to be seen drew up to a bound, and that has its carbon. */
static void bounds_of_nothing_are_bounds(void **state) {
    (void)state;
    jm_grid *given = grid_of(NULL, "100", 1.5), *country = grid_of("FR", NULL, 1);
    jm_energy e = energy_of(0, 0);
    e.provenance = JM_FROM_POWER | JM_BOUND_ONLY;
    e.upper_j = 3600;
    jm_carbon c = carbon_of(given, e);
    NEAR(c.g, 0, 0);
    NEAR(c.lower_g, 0, 0);
    NEAR(c.upper_g, 0.15, 1e-12);
    NEAR(carbon_of(country, e).upper_g, 0.056039 * 1.49, 1e-12);
    e.provenance = JM_FROM_COUNTER; /* likewise of an interval about 0 */
    NEAR(carbon_of(given, e).upper_g, 0.15, 1e-12);
    jm_grid_free(given);
    jm_grid_free(country);
}

static void what_was_not_measured_has_no_carbon(void **state) {
    (void)state;
    jm_grid *grid = grid_of("FR", NULL, 0);
    jm_energy none = {.upper_j = INFINITY};
    jm_carbon c = carbon_of(grid, none);
    assert_true(isnan(c.g) && isnan(c.lower_g) && isnan(c.cost) && isnan(c.facility_j));
    jm_energy zero = energy_of(0, 0);
    c = carbon_of(grid, zero);
    NEAR(c.g, 0, 0);
    NEAR(c.upper_g, 0, 0);
    jm_grid_free(grid);
}

static void without_a_country_there_is_a_reason(void **state) {
    (void)state;
    jm_grid *grid = grid_of("none", NULL, 1.1);
    jm_grid_info info = info_of(grid);
    assert_int_equal(info.source, JM_INTENSITY_UNKNOWN);
    assert_string_equal(info.text, "no country is given");
    assert_true(isnan(info.intensity_g));
    jm_carbon c = carbon_of(grid, energy_of(3.6e6, 0));
    assert_true(isnan(c.g));
    NEAR(c.facility_j, 1.1 * 3.6e6, 1e-12);
    double g;
    assert_int_equal(jm_grid_intensity(grid, 1e9, &g), JM_NO_DATA);
    jm_grid_free(grid);
    grid = grid_of("AQ", NULL, 0); /* a country without a figure */
    info = info_of(grid);
    assert_int_equal(info.source, JM_INTENSITY_UNKNOWN);
    assert_string_equal(info.text, "no intensity is known of Antarctica");
    jm_grid_free(grid);
}

static void the_time_zone_is_asked_last(void **state) {
    (void)state;
    jm_grid *grid = NULL;
    jm_error error = {0};
    setenv("TZ", "Europe/Paris", 1);
    ok(jm_grid_open(&grid, NULL, &error), &error);
    assert_int_equal(info_of(grid).source, JM_INTENSITY_ZONE);
    assert_string_equal(info_of(grid).country_alpha3, "FRA");
    jm_grid_free(grid);
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    options.intensity = "12"; /* what the clock says is then no country of the figure */
    ok(jm_grid_open(&grid, &options, &error), &error);
    assert_string_equal(info_of(grid).country, "");
    jm_grid_free(grid);
    options = (jm_grid_options)JM_GRID_OPTIONS_INIT;
    options.country = "DE";
    ok(jm_grid_open(&grid, &options, &error), &error);
    assert_string_equal(info_of(grid).country, "DE");
    assert_int_equal(info_of(grid).source, JM_INTENSITY_COUNTRY);
    jm_grid_free(grid);
    setenv("TZ", "UTC", 1);
    ok(jm_grid_open(&grid, NULL, &error), &error);
    assert_string_equal(info_of(grid).text, "the time zone UTC belongs to no country");
    jm_grid_free(grid);
    setenv("TZ", "Europe/Jersey", 1); /* of a country, but the table has no figure */
    ok(jm_grid_open(&grid, NULL, &error), &error);
    assert_int_equal(info_of(grid).source, JM_INTENSITY_UNKNOWN);
    assert_string_equal(info_of(grid).country, ""); /* a guess is nothing to be kept */
    assert_string_equal(info_of(grid).text,
                        "no intensity is known of Jersey, by this machine's time zone");
    jm_grid_free(grid);
    unsetenv("TZ");
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    static const struct {
        jm_grid_options options;
        int status;
        const char *says;
    } cases[] = {
        {{.pue = 0.9}, JM_INVALID, "a PUE is from 1 to 10"},
        {{.pue = NAN}, JM_INVALID, "PUE"},
        {{.pue = INFINITY}, JM_INVALID, "PUE"},
        {{.price = -1}, JM_INVALID, "price"},
        {{.price = NAN}, JM_INVALID, "price"},
        {{.water_l = -1}, JM_INVALID, "water"},
        {{.intensity_u = 3}, JM_INVALID, "uncertainty"},
        {{.intensity = "-5"}, JM_INVALID, "cannot be"},
        {{.intensity = "1e6"}, JM_INVALID, "cannot be"},
        {{.intensity = "/nonexistent.csv"}, JM_NOT_FOUND, "neither a number"},
        {{.intensity = "/"}, JM_IO, "cannot read"},
        {{.country = "Freedonia"}, JM_NOT_FOUND, "there is no country"},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        jm_grid_options options = cases[i].options;
        jm_grid *grid = (jm_grid *)1;
        jm_error error = {0};
        options.size = sizeof options;
        options.no_zone = true;
        int status = jm_grid_open(&grid, &options, &error);
        if (cases[i].status != JM_IO) assert_int_equal(status, cases[i].status);
        assert_int_not_equal(status, JM_OK);
        assert_null(grid);
        says(&error, cases[i].says);
    }
    jm_grid_free(NULL);
    assert_int_equal(jm_grid_open(NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_grid_get(NULL, NULL), JM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powermeters_two_rows),
        cmocka_unit_test(units_of_a_number),
        cmocka_unit_test(a_kilowatt_hour),
        cmocka_unit_test(a_countrys_year_is_known_to_a_quarter),
        cmocka_unit_test(bounds_stay_bounds),
        cmocka_unit_test(bounds_of_nothing_are_bounds),
        cmocka_unit_test(what_was_not_measured_has_no_carbon),
        cmocka_unit_test(without_a_country_there_is_a_reason),
        cmocka_unit_test(the_time_zone_is_asked_last),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
