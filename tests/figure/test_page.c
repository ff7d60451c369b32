/* The page's data: curves decode to what was recorded, ranges nest, tables are the tables, and
 * texts are inert. */
#include "chance.h"
#include "figure/page.h"
#include "look.h"
#include "report/frame.h"

#include <locale.h>
#include <stdio.h>

static json_t *data_of(const jm_recording *recording, uint64_t bytes) {
    jm_page_options options = JM_PAGE_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.max_data_bytes = bytes;
    fixture_ok(jmi_html_data(recording, &options, &text, &error), &error);
    assert_null(strpbrk(text, "<>&"));
    assert_null(strstr(text, "\xE2\x80\xA8"));
    json_error_t wrong;
    json_t *root = json_loads(text, 0, &wrong);
    if (root == NULL) fail_msg("%s at %d", wrong.text, wrong.position);
    jm_free(text);
    return root;
}

static json_t *at(json_t *root, const char *key) {
    json_t *value = json_object_get(root, key);
    if (value == NULL) fail_msg("there is no %s", key);
    return value;
}

static double number(json_t *root, const char *key) {
    return json_number_value(at(root, key));
}

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

static double saw(int i) {
    return i % 100 == 50 ? (double)NAN : i % 977 == 0 ? 390 : 100 + i % 37;
}

static jm_recording *with_power(int count) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), count,
                    saw);
    return recording;
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

/* ---- ranges ---- */

static void ranges_nest(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "gpu0", 7);
    json_t *root = data_of(recording, 0), *timeline = at(root, "timeline"),
           *r = at(timeline, "ranges");
    assert_int_equal(json_array_size(at(timeline, "lanes")), 2);
    assert_string_equal(json_string_value(at(json_array_get(at(timeline, "lanes"), 1), "label")),
                        "gpu0, stream 7");
    size_t count = json_array_size(at(r, "name"));
    assert_int_equal(count, jm_recording_range_count(recording));
    assert_int_equal(number(r, "total"), count);
    for (size_t i = 0; i < count; i++) {
        json_int_t depth = json_integer_value(json_array_get(at(r, "depth"), i));
        json_int_t lane = json_integer_value(json_array_get(at(r, "lane"), i));
        double begin = json_number_value(json_array_get(at(r, "begin_s"), i));
        double end = json_number_value(json_array_get(at(r, "end_s"), i));
        bool held = depth == 0;
        for (size_t k = 0; k < count && !held; k++)
            held = json_integer_value(json_array_get(at(r, "depth"), k)) == depth - 1 &&
                   json_integer_value(json_array_get(at(r, "lane"), k)) == lane &&
                   json_number_value(json_array_get(at(r, "begin_s"), k)) <= begin &&
                   json_number_value(json_array_get(at(r, "end_s"), k)) >= end - 1e-9;
        assert_true(held);
        const char *name = json_string_value(json_array_get(
            at(r, "names"), (size_t)json_integer_value(json_array_get(at(r, "name"), i))));
        if (strcmp(name, "train") == 0) {
            jm_energy e;
            jm_energy_window(recording, JM_DEVICE_TOTAL, FIXTURE_T0 + 4 * JMI_NS_PER_S,
                             FIXTURE_T0 + 12 * JMI_NS_PER_S, NULL, &e, NULL);
            double energy = json_number_value(json_array_get(at(r, "energy_j"), i));
            assert_true(fabs(energy - e.energy_j) < 1e-6 * e.energy_j);
        }
    }
    json_decref(root);
    jm_recording_free(recording);
}

/* The entries of a page, whatever they are of. */
typedef struct entries {
    json_t *root, *lanes, *ranges;
    size_t count;
} entries;

static entries entries_of(const jm_recording *recording, uint64_t bytes) {
    entries e = {.root = data_of(recording, bytes)};
    e.lanes = at(at(e.root, "timeline"), "lanes");
    e.ranges = at(at(e.root, "timeline"), "ranges");
    e.count = json_array_size(at(e.ranges, "name"));
    return e;
}

static double entry_number(const entries *e, const char *column, size_t i) {
    return json_number_value(json_array_get(at(e->ranges, column), i));
}

static const char *entry_name(const entries *e, size_t i) {
    return json_string_value(
        json_array_get(at(e->ranges, "names"), (size_t)entry_number(e, "name", i)));
}

/* Index of the first entry of this name. */
static size_t entry_called(const entries *e, const char *name) {
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(entry_name(e, i), name) == 0) return i;
    fail_msg("there is no entry %s", name);
    return 0;
}

/* All ranges are in an entry, and each entry is in a row that its lane has. */
static void check_entries(const entries *e, const jm_recording *recording) {
    uint64_t total = jm_recording_range_count(recording);
    double counted = 0;
    assert_true(e->count <= 5000 && json_array_size(e->lanes) <= 100);
    assert_near(number(e->ranges, "total"), (double)total);
    for (size_t i = 0; i < e->count; i++) {
        json_t *lane = json_array_get(e->lanes, (size_t)entry_number(e, "lane", i));
        assert_true(entry_number(e, "depth", i) < number(lane, "depth"));
        assert_true(entry_number(e, "begin_s", i) <= entry_number(e, "end_s", i));
        assert_true(i == 0 || entry_number(e, "begin_s", i - 1) <= entry_number(e, "begin_s", i));
        counted += entry_number(e, "count", i);
    }
    assert_near(counted, (double)total);
}

static void many_ranges_become_few(void **state) {
    (void)state;
    jm_recording *recording = with_power(3000);
    fixture_range(recording, JM_CATEGORY_PHASE, "first", 0, 30, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "last", 30, 60, "");
    for (int i = 0; i < 40000; i++)
        fixture_range(recording, JM_CATEGORY_BATCH, i % 2 ? "a" : "b", 0.0015 * i,
                      0.0015 * i + 0.0007, "");
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_true(e.count > 2000);
    const char *const phases[] = {"first", "last"}; /* what is long stays what it is */
    for (size_t i = 0; i < 2; i++) {
        size_t phase = entry_called(&e, phases[i]);
        assert_near(entry_number(&e, "count", phase), 1);
        assert_near(entry_number(&e, "begin_s", phase), 30.0 * (double)i);
        assert_near(entry_number(&e, "end_s", phase), 30.0 + 30.0 * (double)i);
    }
    assert_string_equal(entry_name(&e, e.count - 1), "a, b");
    json_decref(e.root);
    e = entries_of(recording, 100000); /* fewer where there is less room */
    check_entries(&e, recording);
    assert_true(e.count <= 500);
    json_decref(e.root);
    jm_recording_free(recording);
}

static void what_is_joined_has_the_energy_of_its_parts(void **state) {
    (void)state;
    enum { COUNT = 12000 };
    jm_recording *recording = with_power(3000);
    jm_window *windows = calloc(COUNT, sizeof *windows);
    jm_energy whole;
    jm_error error = {0};
    for (int i = 0; i < COUNT; i++) {
        fixture_range(recording, JM_CATEGORY_BATCH, "batch", 0.005 * i, 0.005 * i + 0.004, "");
        windows[i] = (jm_window){FIXTURE_T0 + i * INT64_C(5000000),
                                 FIXTURE_T0 + i * INT64_C(5000000) + INT64_C(4000000)};
    }
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    for (size_t i = 0, first = 0; i < e.count; i++) {
        size_t count = (size_t)entry_number(&e, "count", i);
        assert_string_equal(entry_name(&e, i), "batch");
        if (i % 100 == 0) {
            fixture_ok(jm_energy_sum(recording, JM_DEVICE_TOTAL, windows + first, count, NULL,
                                     &whole, &error),
                       &error);
            assert_true(fabs(entry_number(&e, "energy_j", i) - whole.energy_j) <
                        1e-6 * whole.energy_j);
            assert_true(fabs(entry_number(&e, "u95_j", i) - whole.u95_j) < 1e-6 * whole.u95_j);
        }
        first += count;
    }
    json_decref(e.root);
    free(windows);
    jm_recording_free(recording);
}

/* Transfers that overlap one another are in two rows in turn, not each below the one before. */
static void rows_are_used_again(void **state) {
    (void)state;
    jm_recording *recording = with_power(600);
    fixture_range(recording, JM_CATEGORY_PHASE, "around", 0, 11, "");
    for (int i = 0; i < 100; i++)
        fixture_range(recording, JM_CATEGORY_USER, "load", 0.1 * i, 0.1 * i + 0.15, "");
    fixture_range(recording, JM_CATEGORY_USER, "inside", 0.01, 0.02, "");
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_near(number(json_array_get(e.lanes, 0), "depth"), 3);
    for (size_t i = 0; i < e.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(entry_number(&e, "depth", i) != entry_number(&e, "depth", k) ||
                        entry_number(&e, "end_s", k) <= entry_number(&e, "begin_s", i) + 1e-9);
    assert_near(entry_number(&e, "depth", entry_called(&e, "around")), 0);
    assert_near(entry_number(&e, "depth", entry_called(&e, "inside")), 2);
    json_decref(e.root);
    jm_recording_free(recording);
}

static void thousands_of_threads_are_one_lane(void **state) {
    (void)state;
    jm_recording *recording = with_power(600);
    for (uint32_t i = 0; i < 3000; i++) {
        jm_range range = JM_RANGE_INIT;
        range.begin_ns = FIXTURE_T0 + i * INT64_C(3000000);
        range.end_ns = range.begin_ns + INT64_C(4000000);
        range.pid = 7;
        range.thread = i;
        range.name = "request";
        range.attributes = "";
        assert_int_equal(jm_recording_add_range(recording, &range, NULL), JM_OK);
    }
    entries e = entries_of(recording, 0);
    check_entries(&e, recording);
    assert_int_equal(json_array_size(e.lanes), 1);
    assert_string_equal(json_string_value(at(json_array_get(e.lanes, 0), "label")), "all threads");
    json_decref(e.root);
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

/* ---- hostile, empty, by chance ---- */

static void texts_are_inert(void **state) {
    (void)state;
    jm_recording *recording = with_power(100);
    char *huge = calloc(1, 1001);
    memset(huge, 'x', 1000);
    const char *const names[] = {"</script><script>owned()</script>",
                                 "<!--",
                                 "\"\\\n\t\x01",
                                 "a\xE2\x80\xA8"
                                 "b\xE2\x80\xA9"
                                 "c\xE2\x82\xAC",
                                 "\xFF\xFE",
                                 huge};
    for (size_t i = 0; i < JMI_COUNT(names); i++)
        fixture_range(recording, JM_CATEGORY_PHASE, names[i], 0.1 * (double)i,
                      0.1 * (double)i + 0.1, "");
    json_t *root = data_of(recording, 0), *list = at(at(at(root, "timeline"), "ranges"), "names");
    assert_int_equal(json_array_size(list), JMI_COUNT(names));
    assert_string_equal(json_string_value(json_array_get(list, 0)), names[0]);
    assert_string_equal(json_string_value(json_array_get(list, 3)), names[3]);
    json_decref(root);
    free(huge);
    jm_recording_free(recording);
}

static void any_recording(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
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
        cmocka_unit_test(thinned_curves_keep_their_peaks),
        cmocka_unit_test(ranges_nest),
        cmocka_unit_test(many_ranges_become_few),
        cmocka_unit_test(what_is_joined_has_the_energy_of_its_parts),
        cmocka_unit_test(rows_are_used_again),
        cmocka_unit_test(thousands_of_threads_are_one_lane),
        cmocka_unit_test(times_of_a_day_are_told_apart),
        cmocka_unit_test(digits_are_those_worth_sending),
        cmocka_unit_test(tables_are_the_tables),
        cmocka_unit_test(texts_are_inert),
        cmocka_unit_test(any_recording),
        cmocka_unit_test(a_comma_is_no_point),
        cmocka_unit_test(the_page_has_the_data),
    };
    return cmocka_run_group_tests_name("figure: page", tests, NULL, NULL);
}
