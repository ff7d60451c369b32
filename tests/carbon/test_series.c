/* Files of intensities, as grid operators and spreadsheets write them. */
#include "carbon.h"

#define DAY INT64_C(1709251200) /* 2024-03-01T00:00Z */

static jmi_intensities parse(const char *csv) {
    jmi_intensities series;
    jm_error error = {0};
    ok(jmi_intensities_parse(&series, csv, strlen(csv), "grid.csv", &error), &error);
    return series;
}

static void refused(const char *csv, const char *words) {
    jmi_intensities series;
    jm_error error = {0};
    assert_int_equal(jmi_intensities_parse(&series, csv, strlen(csv), "grid.csv", &error),
                     JM_FORMAT);
    assert_null(series.at);
    says(&error, "grid.csv");
    says(&error, words);
}

static void times_of_all_kinds(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"2024-03-01", DAY * JMI_NS_PER_S},
        {"2024-03-01T00:00", DAY * JMI_NS_PER_S},
        {"2024-03-01 00:00:00", DAY * JMI_NS_PER_S},
        {"2024-03-01T00:00Z", DAY * JMI_NS_PER_S},
        {"2024-03-01 00:00 UTC", DAY * JMI_NS_PER_S},
        {"2024-03-01T01:00+01:00", DAY * JMI_NS_PER_S},
        {"2024-02-29T19:00-0500", DAY * JMI_NS_PER_S},
        {"2024-02-29T24:00", DAY * JMI_NS_PER_S},
        {"2024-03-01T00:00:00.25Z", DAY * JMI_NS_PER_S + 250000000},
        {"1709251200", DAY * JMI_NS_PER_S},
        {"1709251200.5", DAY * JMI_NS_PER_S + 500000000},
        {"1709251200000", DAY * JMI_NS_PER_S}, /* ms */
        {"1.7092512e9", DAY * JMI_NS_PER_S},
    };
    static const char *const wrong[] = {"",
                                        "now",
                                        "2024-13-01",
                                        "2023-02-29",
                                        "2024-03-01T",
                                        "24-03-01",
                                        "2024-3-1",
                                        "2024-03-01T25:00",
                                        "2024-03-01T00:61",
                                        "0",
                                        "-5",
                                        "1e300",
                                        "0x65e11900",
                                        "2024-03-01T00:00+1",
                                        "2024-03-01x",
                                        "1850-01-01",
                                        "2024-03-01T00:00:00.",
                                        "nan"};
    int64_t ns;
    for (size_t i = 0; i < JMI_COUNT(good); i++) {
        if (!jmi_parse_time(good[i].text, &ns)) fail_msg("%s is a time", good[i].text);
        if (ns != good[i].ns) fail_msg("%s is %lld", good[i].text, (long long)ns);
    }
    for (size_t i = 0; i < JMI_COUNT(wrong); i++)
        if (jmi_parse_time(wrong[i], &ns)) fail_msg("'%s' is no time", wrong[i]);
}

static void three_hours(const jmi_intensities *s) {
    assert_int_equal(s->count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s->at[i].begin_ns, (DAY + 3600 * i) * JMI_NS_PER_S);
        assert_int_equal(s->at[i].end_ns, (DAY + 3600 * (i + 1)) * JMI_NS_PER_S);
        NEAR(s->at[i].g, 50.5 + i, 1e-12);
    }
    NEAR(s->mean, 51.5, 1e-12);
    NEAR(s->low, 50.5, 0);
    NEAR(s->high, 52.5, 0);
    NEAR(s->sd, sqrt(2.0 / 3), 1e-12);
}

static void the_same_hours_in_many_dresses(void **state) {
    (void)state;
    static const char *const files[] = {
        "time,intensity\n2024-03-01T00:00Z,50.5\n2024-03-01T01:00Z,51.5\n2024-03-01T02:00Z,52.5\n",
        "\xEF\xBB\xBFtime,gCO2/kWh\r\n1709251200,50.5\r\n1709254800,51.5\r\n1709258400,52.5",
        "1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
        "zone;Datum (date);Carbon intensity\n1;2024-03-01 00:00;50,5\n1;2024-03-01 01:00;51,5\n"
        "1;2024-03-01 02:00;52,5\n",
        "intensity\tdatetime\n51.5\t2024-03-01 01:00\n52.5\t2024-03-01 02:00\n50.5\t2024-03-01\n",
        "\"Datetime (UTC)\",\"Country\",\"Carbon Intensity gCO\xE2\x82\x82"
        "eq/kWh (direct)\","
        "\"Carbon Intensity gCO\xE2\x82\x82"
        "eq/kWh (LCA)\",\"Low Carbon Percentage\"\n"
        "2024-03-01 00:00:00,\"a,b\",1,50.5,9\n2024-03-01 01:00:00,x,1,51.5,9\n"
        "2024-03-01 02:00:00,\"say \"\"x\"\"\",1,52.5,9\n",
        "time,kgCO2/kWh\n1709251200,0.0505\n1709254800,0.0515\n1709258400,0.0525\n",
        "time,intensity kg/MWh\n1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
        "time,carbon intensity (t/MWh)\n1709251200,.0505\n1709254800,.0515\n1709258400,.0525\n",
        "time,CO2 intensity [tonnes/MWh]\n1709251200,.0505\n1709254800,.0515\n1709258400,.0525\n",
        "time,tCO2e per MWh\n1709251200,.0505\n1709254800,.0515\n1709258400,.0525\n",
        "time,kg CO2 / GWh\n1709251200,50500\n1709254800,51500\n1709258400,52500\n",
        "time,Albania carbon intensity "
        "(g/kWh)\n1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
        "time,mgCO2/Wh\n1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
        "updated_at,end_time,start_time,Datetime (Local),intensity\n"
        "1709000000,1709254800,1709251200,x,50.5\n1709000000,1709258400,1709254800,x,51.5\n"
        "1709000000,1709262000,1709258400,x,52.5\n",
        "time,intensity\n1709254800,51.5\n1709254800,51.5\n1709251200,50.5\n1709258400,52.5\n",
        "from,to,forecast carbon,index\n2024-03-01T00:00Z,2024-03-01T01:00Z,50.5,low\n"
        "2024-03-01T01:00Z,x,51.5,low\n2024-03-01T02:00Z,x,52.5,low\n",
        "time,gCO2_kWh\n1709251200,50.5,\n1709254800,51.5,,\n1709258400,52.5\n",
        "time,carbon_intensity_g\n1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
        "time,CO2 price (EUR/t),CO2 (kg/MWh)\n1709251200,9,50.5\n1709254800,9,51.5\n"
        "1709258400,9,52.5\n",
        "when date,value\n1709251200,50.5\n1709254800,51.5\n1709258400,52.5\n",
    };
    for (size_t i = 0; i < JMI_COUNT(files); i++) {
        jmi_intensities s = parse(files[i]);
        three_hours(&s);
        jmi_intensities_free(&s);
    }
}

static void gaps_are_gaps(void **state) {
    (void)state;
    jmi_intensities s = parse("time,intensity\n"
                              "1709251200,10\n1709254800,20\n1709258400,\n1709262000,30\n"
                              "1709276400,40\n1709280000,50\n1709283600,NA\n");
    assert_int_equal(s.count, 5);
    assert_int_equal(s.at[1].end_ns, (DAY + 7200) * JMI_NS_PER_S);  /* an empty cell ends it */
    assert_int_equal(s.at[2].end_ns, (DAY + 14400) * JMI_NS_PER_S); /* an hour, then nothing */
    assert_int_equal(s.at[3].begin_ns, (DAY + 25200) * JMI_NS_PER_S);
    assert_int_equal(s.at[4].end_ns, (DAY + 32400) * JMI_NS_PER_S);
    assert_int_equal(jmi_intensities_find(&s, 0), 0);
    assert_int_equal(jmi_intensities_find(&s, (DAY + 3600) * JMI_NS_PER_S), 1);
    assert_int_equal(jmi_intensities_find(&s, (DAY + 8000) * JMI_NS_PER_S), 2);
    assert_int_equal(jmi_intensities_find(&s, (DAY + 99999) * JMI_NS_PER_S), 5);
    jmi_intensities_free(&s);
    s = parse("1709251200,10\n"); /* one value: an hour */
    assert_int_equal(s.at[0].end_ns - s.at[0].begin_ns, 3600 * JMI_NS_PER_S);
    jmi_intensities_free(&s);
    s = parse("1970-01-01,10\n2199-01-01,20\n"); /* no step is that long */
    assert_true(s.at[0].end_ns < s.at[1].begin_ns);
    jmi_intensities_free(&s);
}

static void what_is_wrong_has_its_line(void **state) {
    (void)state;
    refused("", "is empty");
    refused("# nothing\n\n", "is empty");
    refused("time,intensity\n", "no row of numbers");
    refused("time,intensity\n1709251200,\n", "no intensity");
    refused("a,b\n1709251200,1\n", "line 1: no column is called time");
    refused("time,weather,b\n1709251200,1,1\n", "line 1: no column is called intensity");
    refused("time,carbon a,carbon b\n1709251200,1,2\n", "2 columns may be the intensity");
    refused("# x\n\ntime,intensity\n1709251200,5\nyesterday,5\n", "line 5: 'yesterday' is no time");
    refused("time,intensity\n1709251200,much\n", "line 2: 'much' is no number");
    refused("time,intensity\n1709251200,-1\n", "line 2: -1 gCO2e/kWh cannot be");
    refused("time,intensity\n1709251200,9000\n", "cannot be");
    refused("time,intensity\n1709251200,0x10\n", "no number");
    refused("time,intensity\n1709251200\n", "line 2: 1 column only");
    refused("time,intensity\n\"1709251200,5\n", "line 2: a quote is not closed");
    refused("time,intensity\n1709251200,5\n1709251200,6\n", "lines 2 and 3 have the same time");
    refused("time,gCO2/kWh\n2026-11-30T11:00Z,1,050\n",
            "line 2: 3 cells, but the first line has 2: numbers have a point");
    refused("1709251200,5\n1709254800,48,5\n", "line 2: 3 cells, but the first line has 2");
    refused("time;intensity\n1709254800;4;8;5\n", "line 2: 4 cells, but the first line has 2");
    static const char *const others[] = {"CO2 emissions (t)",
                                         "Carbon price (EUR)",
                                         "tCO2",
                                         "gCO2",
                                         "CO2 [kg]",
                                         "carbon intensity (kg)",
                                         "Carbon price EUR/t",
                                         "Carbon (MWh)",
                                         "load (MW)",
                                         "CO2 $",
                                         "carbon \xE2\x82\xAC",
                                         "kg CO2 generation MWh",
                                         "lbCO2e",
                                         "emissions tCO2 in GW"};
    for (size_t i = 0; i < JMI_COUNT(others); i++) {
        char csv[200];
        snprintf(csv, sizeof csv, "time,%s\n1709251200,50\n", others[i]);
        refused(csv, "has no unit of an intensity");
    }
    refused("time,CO2 emissions (t),load\n1709251200,500,1\n", "has no unit of an intensity");
    refused("1709251200,5,6\n", "line 1: a first line without names");
    char many[300] = "time,intensity";
    for (int i = 0; i < 70; i++) strcat(many, ",x");
    refused(many, "more than 64 columns");
    jmi_intensities series;
    jm_error error = {0};
    assert_int_equal(jmi_intensities_parse(&series, "time\0,x", 7, "grid.csv", &error), JM_FORMAT);
    says(&error, "is no text");
}

static void a_grid_of_a_series(void **state) {
    (void)state;
    static const char csv[] = "time,intensity\n1709251200,100\n1709254800,300\n";
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    options.country = "DE";
    ok(jm_grid_parse(&grid, csv, sizeof csv - 1, NULL, &options, &error), &error);
    jm_grid_info info = info_of(grid);
    assert_int_equal(info.source, JM_INTENSITY_SERIES);
    assert_int_equal(info.rows, 2);
    NEAR(info.intensity_g, 200, 1e-12);
    assert_string_equal(info.country, "DE");
    assert_int_equal(info.year, 0);
    NEAR(info.first_unix_s, DAY, 0);
    NEAR(info.last_unix_s, DAY + 7200, 0);
    double g;
    assert_int_equal(jm_grid_intensity(grid, (double)DAY + 3599, &g), JM_OK);
    NEAR(g, 100, 0);
    assert_int_equal(jm_grid_intensity(grid, (double)DAY + 3600, &g), JM_OK);
    NEAR(g, 300, 0);
    assert_int_equal(jm_grid_intensity(grid, (double)DAY - 1, &g), JM_NO_DATA);
    assert_int_equal(jm_grid_intensity(grid, NAN, &g), JM_INVALID);
    /* Of an energy without a time the mean holds, within the spread of the hours. */
    jm_energy e = energy_of(3.6e6, 0);
    jm_carbon c = {.size = sizeof c};
    ok(jm_carbon_of(grid, &e, &c, &error), &error);
    NEAR(c.g, 200, 1e-12);
    NEAR(c.intensity_u, 0.5, 1e-12);
    jm_grid_free(grid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_all_kinds), cmocka_unit_test(the_same_hours_in_many_dresses),
        cmocka_unit_test(gaps_are_gaps),      cmocka_unit_test(what_is_wrong_has_its_line),
        cmocka_unit_test(a_grid_of_a_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
