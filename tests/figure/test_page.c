/* The page's data: curves decode to what was recorded, ranges nest, tables are the tables, and
 * texts are inert. */
#include "chance.h"
#include "page_data.h"

#include <locale.h>
#include <stdio.h>

/* ---- curves ---- */

static size_t unpack(const char *text, uint8_t *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (; text[0] != '\0'; text += 4) {
        uint32_t bits = 0;
        int pad = 0;
        for (int i = 0; i < 4; i++) {
            const char *digit = text[i] == '=' ? NULL : strchr(digits, text[i]);
            pad += digit == NULL;
            bits = bits << 6 | (digit == NULL ? 0 : (uint32_t)(digit - digits));
        }
        for (int i = 0; i < 3 - pad; i++) out[used++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return used;
}

typedef struct decoded {
    size_t count;
    double *t, *v; /* NaN: no value */
} decoded;

static decoded decode(json_t *root, json_t *series) {
    const char *t = json_string_value(at(series, "t")), *v = json_string_value(at(series, "v"));
    decoded d = {.count = (size_t)json_integer_value(at(series, "count"))};
    uint8_t *bytes = malloc(strlen(t) + strlen(v) + 8);
    double min = number(series, "min"), max = number(series, "max");
    d.t = calloc(d.count + 1, sizeof *d.t);
    d.v = calloc(d.count + 1, sizeof *d.v);
    assert_int_equal(unpack(t, bytes), 4 * d.count);
    for (size_t i = 0; i < d.count; i++) {
        uint32_t raw = 0;
        for (int k = 3; k >= 0; k--) raw = raw << 8 | bytes[4 * i + (size_t)k];
        d.t[i] = raw / 4294967295.0 * number(root, "duration_s");
    }
    assert_int_equal(unpack(v, bytes), 2 * d.count);
    for (size_t i = 0; i < d.count; i++) {
        uint32_t raw = bytes[2 * i] | (uint32_t)bytes[2 * i + 1] << 8;
        d.v[i] = raw == 65535 ? (double)NAN : min + raw / 65534.0 * (max - min);
    }
    free(bytes);
    return d;
}

static void curves_decode_to_what_was_recorded(void **state) {
    (void)state;
    jm_recording *recording = with_power(1500);
    json_t *root = data_of(recording, 0);
    json_t *series = json_array_get(at(at(root, "timeline"), "series"), 0);
    assert_string_equal(json_string_value(at(series, "quantity")), "power");
    assert_near(number(series, "cell_s"), 0);
    decoded d = decode(root, series);
    size_t at_point = 0;
    for (int i = 0; i < 1500; i++) { /* each reading holds where it was taken */
        double t = i * 0.02;
        while (at_point + 1 < d.count && d.t[at_point + 1] <= t + 1e-6) at_point++;
        double wanted = saw(i);
        assert_true(isnan(wanted) ? isnan(d.v[at_point])
                                  : fabs(d.v[at_point] - wanted) < 1e-4 * 390);
    }
    free(d.t);
    free(d.v);
    json_decref(root);
    jm_recording_free(recording);
}

static void assert_powers(const jm_recording *recording, const char *wanted) {
    json_t *root = data_of(recording, 0), *list = at(at(root, "timeline"), "series");
    char got[200] = "";
    for (size_t i = 0, used = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i);
        used += (size_t)snprintf(got + used, sizeof got - used, "%s %s; ",
                                 json_string_value(at(one, "device")),
                                 json_string_value(at(one, "quantity")));
    }
    assert_string_equal(got, wanted);
    json_decref(root);
}

static void a_longer_mean_is_a_curve_of_its_own(void **state) {
    (void)state;
    static const jm_quantity mean = JM_QUANTITY_POWER_AVERAGE;
    jm_recording *recording = with_power(100);
    fixture_samples(recording, fixture_sensor(recording, 0, mean, "m", false), 100, saw);
    uint32_t other = fixture_device(recording, "gpu1", "", false);
    for (int i = 0; i < 2; i++) /* no other power: the better one is drawn */
        fixture_samples(recording, fixture_sensor(recording, other, mean, "m", false), 100, saw);
    assert_powers(recording, "gpu0 power; gpu0 power_average; gpu1 power_average; ");
    jm_recording_free(recording);
}

static void thinned_curves_keep_their_peaks(void **state) {
    (void)state;
    jm_recording *recording = with_power(60000);
    json_t *root = data_of(recording, 100000);
    json_t *series = json_array_get(at(at(root, "timeline"), "series"), 0);
    double cell = number(series, "cell_s");
    assert_true(cell > 0.02);
    assert_int_equal(number(series, "readings"), 60000);
    decoded d = decode(root, series);
    assert_in_range(d.count, 2000, 9500);
    size_t peaks = 0, wanted = 0;
    for (int i = 0; i < 60000; i += 977) {
        if (isnan(saw(i))) continue;
        wanted++;
        bool found = false;
        for (size_t k = 0; k < d.count; k++)
            found |= fabs(d.t[k] - i * 0.02) < 1e-4 && fabs(d.v[k] - 390) < 0.1;
        peaks += found;
    }
    assert_int_equal(peaks, wanted);
    free(d.t);
    free(d.v);
    json_decref(root);
    jm_recording_free(recording);
}

/* ---- digits ---- */

static void times_of_a_day_are_told_apart(void **state) {
    (void)state;
    const int64_t begin_ns = FIXTURE_T0 + INT64_C(86399123450000), short_ns = 10000;
    jm_recording *recording = with_power(2);
    for (int i = 0; i < 2; i++) {
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = begin_ns + i * short_ns;
        range.end_ns = begin_ns + (i + 1) * short_ns;
        range.name = i == 0 ? "first" : "second";
        range.attributes = "";
        assert_int_equal(jm_recording_add_range(recording, &range, NULL), JM_OK);
    }
    json_t *root = data_of(recording, 0), *ranges = at(at(root, "timeline"), "ranges");
    for (size_t i = 0; i < 2; i++) {
        double begin = json_number_value(json_array_get(at(ranges, "begin_s"), i));
        assert_true(fabs(begin - 86399.12345 - (double)i * 1e-5) < 1.1e-6);
    }
    double utc = (double)(FIXTURE_T0 + jm_recording_utc_offset_ns(recording)) * 1e-9;
    assert_true(fabs(number(root, "begin_unix_s") - utc) < 1e-4);
    assert_true(fabs(number(at(root, "summary"), "begin_unix_s") - utc) < 1e-4);
    json_decref(root);
    jm_recording_free(recording);
}

static void digits_are_those_worth_sending(void **state) {
    (void)state;
    json_t *root = json_pack("{s:f, s:f, s:[f, [f, n]], s:{s:f}, s:f, s:f}", "energy_j",
                             1234.56789012, "end_s", 12.3456789012, "rows", 1e-3 / 3, 1e300 / 3,
                             "deep", "a", -5.0, "begin_unix_s", 1795806586.8139712, "none", 0.0);
    assert_non_null(root);
    jmi_html_round(root, 100);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(15));
    assert_string_equal(text, "{\"energy_j\":1234.568,\"end_s\":12.345678901,"
                              "\"rows\":[0.0003333333,[3.333333e299,null]],\"deep\":{\"a\":-5},"
                              "\"begin_unix_s\":1795806586.81397,\"none\":0}");
    free(text);
    json_decref(root);
}

/* ---- tables ---- */

static void tables_are_the_tables(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    json_t *root = data_of(recording, 0), *tables = at(root, "tables");
    json_t *phases = json_array_get(tables, 0), *batches = json_array_get(tables, 1);
    assert_string_equal(json_string_value(at(phases, "name")), "phases");
    assert_string_equal(json_string_value(at(batches, "name")), "batches");
    assert_int_equal(json_array_size(at(batches, "rows")), 50);
    json_t *columns = at(phases, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        json_t *row = json_array_get(at(phases, "rows"), 2);
        const char *name = json_string_value(at(json_array_get(columns, i), "name"));
        if (strcmp(name, "phase") == 0)
            assert_string_equal(json_string_value(json_array_get(row, i)), "train");
        if (strcmp(name, "time_s") == 0) assert_near(json_number_value(json_array_get(row, i)), 8);
    }
    assert_string_equal(json_string_value(at(at(root, "trust"), "level")), "fair");
    json_decref(root);
    jm_recording_free(recording);
}

/* ---- trust ---- */

static double hundred(int i) {
    (void)i;
    return 100;
}

static double one(int i) {
    (void)i;
    return 1;
}

/* Grade of the first point with these words; NULL: there is none. */
static const char *grade_of(json_t *trust, const char *words) {
    json_t *points = at(trust, "points");
    for (size_t i = 0; i < json_array_size(points); i++) {
        json_t *point = json_array_get(points, i);
        if (strstr(json_string_value(at(point, "text")), words) != NULL)
            return json_string_value(at(point, "grade"));
    }
    return NULL;
}

static void check_trust(bool simulated, double (*cpu_w)(int), const char *level,
                        const char *modelled, const char *simulation) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", simulated);
    uint32_t cpu = fixture_device(recording, "cpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), 1000,
                    hundred);
    fixture_samples(recording, fixture_sensor(recording, cpu, JM_QUANTITY_POWER, "m", true), 1000,
                    cpu_w);
    json_t *root = data_of(recording, 0), *trust = at(root, "trust");
    assert_string_equal(json_string_value(at(trust, "level")), level);
    assert_string_equal(grade_of(trust, "cpu0 is modelled"), modelled);
    if (simulation == NULL)
        assert_null(grade_of(trust, "simulated:"));
    else
        assert_string_equal(grade_of(trust, "simulated:"), simulation);
    assert_string_equal(grade_of(trust, "gpu0: the energy rests on power readings"), "good");
    assert_string_equal(grade_of(trust, "against a meter"), "note");
    assert_non_null(strstr(json_string_value(at(trust, "headline")), "known to \xC2\xB1 "));
    json_t *points = at(trust, "points");
    bool all = true; /* so far: the gravest come first */
    for (size_t i = 0; i < json_array_size(points); i++) {
        bool bad = strcmp(json_string_value(at(json_array_get(points, i), "grade")), "bad") == 0;
        assert_true(all || !bad);
        all = bad;
    }
    json_decref(root);
    jm_recording_free(recording);
}

static void trust_weighs_what_is_said_by_its_energy(void **state) {
    (void)state;
    check_trust(false, one, "good", "note", NULL);
    check_trust(false, hundred, "low", "bad", NULL); /* half of it: nobody knows by how much */
    check_trust(true, one, "fair", "note", "bad");
}

static void there_is_no_trust_in_nothing(void **state) {
    (void)state;
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    json_t *root = data_of(recording, 0), *trust = at(root, "trust");
    assert_string_equal(json_string_value(at(trust, "level")), "low");
    assert_string_equal(grade_of(trust, "joulemeter doctor"), "note");
    assert_int_equal(json_array_size(at(at(root, "timeline"), "series")), 0);
    assert_int_equal(json_array_size(at(root, "tables")), 0);
    json_decref(root);
    jm_recording_free(recording);
}

static void what_it_comes_to_is_among_the_facts(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_grid_options grid_options = JM_GRID_OPTIONS_INIT;
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    grid_options.country = "FR";
    grid_options.price = 0.3;
    grid_options.currency = "</script>";
    grid_options.water_l = 2;
    fixture_ok(jm_grid_open(&grid, &grid_options, &error), &error);
    options.grid = grid;
    json_t *root = data_with(recording, &options), *facts = at(root, "facts");
    static const char *const wanted[][2] = {{"carbon", "56.039 gCO2e/kWh, France in 2023"},
                                            {"cost", "0.0003 </script> (0.0"},
                                            {"water", "2.00 mL"}};
    for (size_t i = 0; i < JMI_COUNT(wanted); i++) {
        json_t *fact = json_array_get(facts, i);
        assert_string_equal(json_string_value(json_array_get(fact, 0)), wanted[i][0]);
        const char *text = json_string_value(json_array_get(fact, 1));
        if (strstr(text, wanted[i][1]) == NULL) fail_msg("%s", text);
    }
    json_decref(root);
    jm_grid_free(grid);
    root = data_of(recording, 0); /* nobody asked */
    facts = at(root, "facts");
    for (size_t i = 0; i < json_array_size(facts); i++)
        assert_string_not_equal(json_string_value(json_array_get(json_array_get(facts, i), 0)),
                                "carbon");
    json_decref(root);
    jm_recording_free(recording);
}

/* ---- size ---- */

static void assert_fits(const jm_recording *recording, uint64_t bytes) {
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.max_data_bytes = bytes;
    fixture_ok(jmi_html_data(recording, &options, &text, &error), &error);
    if (strlen(text) > bytes + bytes / 10)
        fail_msg("%zu bytes, not %llu", strlen(text), (unsigned long long)bytes);
    jm_free(text);
}

static double any_value(int i) {
    return (double)(i * 7919 % 1000);
}

static void many_devices_share_the_room(void **state) {
    (void)state;
    enum { GPUS = 16 };
    static const jm_quantity quantities[] = {JM_QUANTITY_POWER, JM_QUANTITY_GPU_UTIL,
                                             JM_QUANTITY_TEMPERATURE, JM_QUANTITY_SM_CLOCK};
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    for (int i = 0; i < GPUS; i++) {
        char name[16];
        snprintf(name, sizeof name, "gpu%d", i);
        uint32_t gpu = fixture_device(recording, name, "", false);
        for (size_t q = 0; q < JMI_COUNT(quantities); q++)
            fixture_samples(recording, fixture_sensor(recording, gpu, quantities[q], "s", false),
                            5000, any_value);
    }
    assert_fits(recording, 1000000);
    json_t *root = data_of(recording, 1000000), *series = at(at(root, "timeline"), "series");
    assert_int_equal(json_array_size(series), GPUS * JMI_COUNT(quantities));
    for (size_t i = 0; i < json_array_size(series); i++)
        assert_in_range(number(json_array_get(series, i), "count"), 200, 5000);
    json_decref(root);
    jm_recording_free(recording);
}

static void many_names_and_facts_are_cut_off(void **state) {
    (void)state;
    jm_recording *recording = with_power(1000);
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 10000; i++) {
        snprintf(text, 12, "%011d", i);
        text[11] = 'y';
        fixture_range_on(recording, i % 2 ? JM_CATEGORY_KERNEL : JM_CATEGORY_LAYER, text, 0.002 * i,
                         0.002 * i + 0.001, "", i % 2 ? "gpu0" : "", 0);
    }
    for (int i = 0; i < 500; i++) {
        jm_mark_info mark = {.size = sizeof mark,
                             .t_ns = FIXTURE_T0 + i * INT64_C(40000000),
                             .name = text,
                             .attributes = text};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
        snprintf(text, 12, "%011d", i);
        text[11] = 'y';
        assert_int_equal(jm_recording_set_info(recording, text, text), JM_OK);
    }
    assert_fits(recording, 500000);
    entries e = entries_of(recording, 500000);
    check_entries(&e, recording);
    json_t *marks = at(at(e.root, "timeline"), "marks"), *tables = at(e.root, "tables");
    assert_near(number(at(e.root, "timeline"), "marks_total"), 500);
    assert_in_range(json_array_size(marks), 100, 499);
    double last = number(json_array_get(marks, json_array_size(marks) - 1), "t_s");
    assert_true(last > 19); /* they are spread over all */
    for (size_t i = 0; i < json_array_size(tables); i++) {
        json_t *table = json_array_get(tables, i);
        assert_in_range((int)number(table, "total"), 5000, 5500); /* and groups of them */
        assert_in_range(json_array_size(at(table, "rows")), 20, 4999);
    }
    json_t *facts = at(e.root, "facts");
    json_t *rest = json_array_get(facts, json_array_size(facts) - 1);
    assert_string_equal(json_string_value(json_array_get(rest, 0)), "and");
    json_decref(e.root);
    jm_recording_free(recording);
}

/* ---- hostile, empty, by chance ---- */

static void texts_are_inert(void **state) {
    (void)state;
    jm_recording *recording = with_power(100);
    char *huge = calloc(1, 1001); /* of characters of three bytes: none is cut in two */
    for (size_t i = 0; i < 999; i += 3) memcpy(huge + i, "\xE2\x82\xAC", 3);
    const char *const odd = "a\xE2\x80\xA8"
                            "b\xE2\x80\xA9"
                            "c\xE2\x82\xAC";
    const char *const names[] = {
        "</script><script>owned()</script>", "<!--", "\"\\\n\t\x01", odd, "\xFF\xFE", huge};
    for (size_t i = 0; i < JMI_COUNT(names); i++)
        fixture_range(recording, JM_CATEGORY_PHASE, names[i], 0.1 * (double)i,
                      0.1 * (double)i + 0.1, "");
    json_t *root = data_of(recording, 0), *list = at(at(at(root, "timeline"), "ranges"), "names");
    assert_int_equal(json_array_size(list), JMI_COUNT(names));
    assert_string_equal(json_string_value(json_array_get(list, 0)), names[0]);
    assert_string_equal(json_string_value(json_array_get(list, 3)), names[3]);
    const char *cut = json_string_value(json_array_get(list, 5));
    assert_in_range(strlen(cut), 190, 210);
    assert_memory_equal(cut, huge, 198);
    assert_string_equal(cut + strlen(cut) - 3, "\xE2\x80\xA6");
    json_decref(root);
    free(huge);
    jm_recording_free(recording);
}

static void any_recording(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < chances(120); seed++) {
        jm_recording *recording = random_recording(seed);
        entries e = entries_of(recording, seed % 2 ? 0 : 50000);
        json_t *root = e.root;
        check_entries(&e, recording);
        assert_int_equal(json_array_size(at(root, "figures")) +
                             json_array_size(at(root, "missing")),
                         jm_figure_count());
        json_t *series = at(at(root, "timeline"), "series");
        for (size_t i = 0; i < json_array_size(series); i++) {
            decoded d = decode(root, json_array_get(series, i));
            for (size_t k = 1; k < d.count; k++) assert_true(d.t[k] >= d.t[k - 1]);
            free(d.t);
            free(d.v);
        }
        json_decref(root);
        jm_recording_free(recording);
    }
}

static void a_comma_is_no_point(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        puts("skipped: there is no locale de_DE.UTF-8");
        jm_recording_free(recording);
        skip();
    }
    json_t *root = data_of(recording, 0);
    setlocale(LC_ALL, "C");
    assert_near(number(root, "duration_s"), 12);
    json_decref(root);
    jm_recording_free(recording);
}

static void the_page_has_the_data(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_error error = {0};
    char *html = NULL;
    size_t length = 0;
    int status = jm_report_html(recording, NULL, &html, &error);
    if (jmi_html_template(&length) == NULL) {
        assert_int_equal(status, JM_NOT_SUPPORTED);
        assert_non_null(strstr(error.message, "npm"));
        puts("skipped: this build has no page");
        jm_recording_free(recording);
        skip();
    }
    fixture_ok(status, &error);
    assert_true(strlen(html) > length);
    assert_null(strstr(html, "<!--joulemeter-data-->"));
    assert_non_null(strstr(html, "\"format\":1"));
    assert_null(strstr(html, "src=\"http"));
    assert_non_null(strstr(html, "Content-Security-Policy"));
    jm_free(html);
    assert_int_equal(jm_report_html(NULL, NULL, &html, &error), JM_INVALID);
    assert_int_equal(jm_report_html(recording, NULL, NULL, &error), JM_INVALID);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_decode_to_what_was_recorded),
        cmocka_unit_test(a_longer_mean_is_a_curve_of_its_own),
        cmocka_unit_test(thinned_curves_keep_their_peaks),
        cmocka_unit_test(times_of_a_day_are_told_apart),
        cmocka_unit_test(digits_are_those_worth_sending),
        cmocka_unit_test(tables_are_the_tables),
        cmocka_unit_test(trust_weighs_what_is_said_by_its_energy),
        cmocka_unit_test(there_is_no_trust_in_nothing),
        cmocka_unit_test(what_it_comes_to_is_among_the_facts),
        cmocka_unit_test(many_devices_share_the_room),
        cmocka_unit_test(many_names_and_facts_are_cut_off),
        cmocka_unit_test(texts_are_inert),
        cmocka_unit_test(any_recording),
        cmocka_unit_test(a_comma_is_no_point),
        cmocka_unit_test(the_page_has_the_data),
    };
    return cmocka_run_group_tests_name("figure: page", tests, NULL, NULL);
}
