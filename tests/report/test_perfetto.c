/* The trace: valid JSON whatever the recording holds, and what it says of each range and sample. */
#include "chance.h"

#include "report/reader.h"

#include <jansson.h>
#include <locale.h>
#include <unistd.h>

enum { GPU_PID = 1000000000 };

static char folder[] = "/tmp/joulemeter-perfetto-XXXXXX";

static const char *trace_path(void) {
    static char path[128];
    snprintf(path, sizeof path, "%s/trace.json", folder);
    return path;
}

/* The events; the caller lets go of *root. */
static json_t *trace_of(const jm_recording *recording, const jm_perfetto_options *options,
                        json_t **root) {
    jm_error error = {0};
    json_error_t why;
    fixture_ok(jm_perfetto(recording, trace_path(), options, &error), &error);
    *root = json_load_file(trace_path(), JSON_REJECT_DUPLICATES, &why);
    unlink(trace_path());
    if (*root == NULL) fail_msg("line %d: %s", why.line, why.text);
    json_t *events = json_object_get(*root, "traceEvents");
    assert_true(json_is_array(events));
    return events;
}

static const char *text_at(const json_t *event, const char *key) {
    const char *text = json_string_value(json_object_get(event, key));
    return text != NULL ? text : "";
}

static double number_at(const json_t *event, const char *key) {
    const json_t *value = json_object_get(event, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool is(const json_t *event, const char *phase, const char *name) {
    return strcmp(text_at(event, "ph"), phase) == 0 &&
           (name == NULL || strcmp(text_at(event, "name"), name) == 0);
}

static size_t count_of(const json_t *events, const char *phase, const char *name) {
    size_t i, count = 0;
    json_t *event;
    json_array_foreach(events, i, event) count += is(event, phase, name);
    return count;
}

/* The n-th event of this kind. */
static const json_t *find(const json_t *events, const char *phase, const char *name, size_t n) {
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event) if (is(event, phase, name) && n-- == 0) return event;
    fail_msg("there are fewer events %s %s", phase, name != NULL ? name : "");
    return NULL;
}

static void close_to(double got, double wanted, double slack) {
    if (!(fabs(got - wanted) <= slack)) fail_msg("%.17g, not %.17g", got, wanted);
}

/* ---- ranges and marks ---- */

static void ranges_are_slices_with_their_energy(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 5, 6, "", "gpu0", 3);
    size_t count = (size_t)jm_recording_range_count(recording);
    jm_energy *all = calloc(count, sizeof *all), gpu;
    jm_energy_ranges(recording, JM_DEVICE_TOTAL, NULL, all, count, NULL);
    jm_energy_window(recording, FIXTURE_GPU, FIXTURE_T0 + 5000000000, FIXTURE_T0 + 6000000000, NULL,
                     &gpu, NULL);
    json_t *root, *events = trace_of(recording, NULL, &root);
    assert_int_equal(count_of(events, "X", NULL), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *event = find(events, "X", NULL, i), *args = json_object_get(event, "args");
        const jm_energy *e = i + 1 < count ? &all[i] : &gpu;
        jm_range range = {.size = sizeof range};
        jm_recording_range(recording, i, &range);
        double utc = (double)jm_recording_utc_offset_ns(recording);
        assert_string_equal(text_at(event, "name"), range.name);
        assert_string_equal(text_at(event, "cat"), jm_category_name(range.category));
        close_to(number_at(event, "ts"), ((double)range.begin_ns + utc) / 1e3, 1);
        close_to(number_at(event, "dur"), (double)(range.end_ns - range.begin_ns) / 1e3, 1e-3);
        close_to(number_at(args, "energy_j"), e->energy_j, 1e-8);
        close_to(number_at(args, "energy_u95_j"), e->u95_j, 1e-8);
        close_to(number_at(args, "mean_power_w"), e->mean_power_w, 1e-8);
        close_to(number_at(event, "pid"), i + 1 < count ? 42 : GPU_PID, 0);
        close_to(number_at(event, "tid"), i + 1 < count ? 0 : 3, 0);
    }
    const json_t *args = json_object_get(find(events, "X", "batch", 0), "args");
    close_to(number_at(json_object_get(args, "attributes"), "size"), 32, 0);
    json_decref(root);
    free(all);
    jm_recording_free(recording);
}

static void texts_of_any_kind(void **state) {
    static const char *const names[] = {
        "say \"x\"", "back\\slash", "line\nbreak\ttab\x01\x1f", "\xc2\xb5 joules", "\x7f", ""};
    static const char *const attributes[] = {
        "{\"a\":[1,{\"b\":null}]}", "nonsense \"", "{", "[1]", "{\"x\":\"\\u00b5\\n\"}", ""};
    (void)state;
    jm_recording *recording = fixture_new();
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        fixture_range(recording, JM_CATEGORY_USER, names[i], 20 + (double)i, 20.5 + (double)i,
                      attributes[i]);
        jm_mark_info mark = {.size = sizeof mark,
                             .t_ns = FIXTURE_T0 + (int64_t)i,
                             .pid = 42,
                             .thread = 7,
                             .name = names[i],
                             .attributes = attributes[i]};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
    }
    json_t *root, *events = trace_of(recording, NULL, &root);
    assert_int_equal(count_of(events, "i", NULL), JMI_COUNT(names));
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        const json_t *mark = find(events, "i", NULL, i);
        assert_string_equal(text_at(mark, "name"), names[i]);
        assert_string_equal(text_at(mark, "s"), "t");
        close_to(number_at(mark, "tid"), 7, 0);
        assert_int_equal(count_of(events, "X", names[i]), 1);
    }
    const json_t *args = json_object_get(find(events, "i", NULL, 1), "args");
    assert_string_equal(text_at(json_object_get(args, "attributes"), "text"), "nonsense \"");
    json_decref(root);
    jm_recording_free(recording);
}

static void clocks_and_offsets(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_perfetto_options options = JM_PERFETTO_OPTIONS_INIT;
    options.clock = JM_CLOCK_MONOTONIC;
    json_t *root, *events = trace_of(recording, &options, &root);
    close_to(number_at(find(events, "X", "train", 0), "ts"), (FIXTURE_T0 + 4e9) / 1e3, 1e-3);
    json_decref(root);
    options.offset_ns = -FIXTURE_T0 - 1;
    events = trace_of(recording, &options, &root);
    close_to(number_at(find(events, "X", "train", 0), "ts"), 3999999.999, 1e-6);
    close_to(number_at(find(events, "C", "power", 0), "ts"), -0.001, 1e-9);
    json_decref(root);
    jm_recording_free(recording);
}

/* ---- counters ---- */

static void counters_tell_what_changed(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    json_t *root, *events = trace_of(recording, NULL, &root);
    size_t i, n = 0;
    json_t *event;
    double watts[8];
    json_array_foreach(events, i, event) {
        if (!is(event, "C", "power") || number_at(event, "pid") != GPU_PID) continue;
        assert_true(n < JMI_COUNT(watts));
        watts[n++] = number_at(json_object_get(event, "args"), "W");
    }
    assert_int_equal(n, 3); /* at the first sample, at the step, at the last sample */
    close_to(watts[0], 50, 0);
    close_to(watts[1], 300, 0);
    close_to(watts[2], 300, 0);
    json_decref(root);
    jm_recording_free(recording);
}

static void energy_so_far_never_falls_and_ends_at_the_total(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_energy energy;
    jm_energy_window(recording, JM_DEVICE_TOTAL, jm_recording_begin_ns(recording),
                     jm_recording_end_ns(recording), NULL, &energy, NULL);
    json_t *root, *events = trace_of(recording, NULL, &root);
    size_t i, count = 0;
    json_t *event;
    double last = 0, last_ts = 0;
    json_array_foreach(events, i, event) {
        if (!is(event, "C", "energy") || number_at(event, "pid") != GPU_PID - 1) continue;
        double joules = number_at(json_object_get(event, "args"), "J");
        assert_true(joules >= last && (count == 0 || number_at(event, "ts") > last_ts));
        last = joules;
        last_ts = number_at(event, "ts");
        count++;
    }
    assert_in_range(count, 100, 125);
    close_to(last, energy.energy_j, 1e-6 * energy.energy_j);
    json_decref(root);
    jm_recording_free(recording);
}

/* ---- tracks ---- */

typedef struct slice {
    double pid, tid, begin, end;
} slice;

static bool fit(const slice *a, const slice *b) {
    if (a->pid != b->pid || a->tid != b->tid) return true;
    bool apart = a->end <= b->begin || b->end <= a->begin;
    bool nested =
        (a->begin <= b->begin && a->end >= b->end) || (b->begin <= a->begin && b->end >= a->end);
    return apart || nested;
}

/* On no track do slices overlap without one being in the other. */
static void check_tracks(const json_t *events) {
    static slice slices[200];
    size_t i, count = 0;
    json_t *event;
    json_array_foreach(events, i, event) {
        if (!is(event, "X", NULL)) continue;
        double begin = number_at(event, "ts");
        slices[count++] = (slice){number_at(event, "pid"), number_at(event, "tid"), begin,
                                  begin + number_at(event, "dur")};
    }
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < a; b++)
            if (!fit(&slices[a], &slices[b]))
                fail_msg("%.3f-%.3f and %.3f-%.3f overlap", slices[a].begin, slices[a].end,
                         slices[b].begin, slices[b].end);
}

static void what_overlaps_has_tracks_of_its_own(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    fixture_range(recording, JM_CATEGORY_USER, "over both", 3, 5, "");
    json_t *root, *events = trace_of(recording, NULL, &root);
    check_tracks(events);
    const json_t *event = find(events, "X", "over both", 0);
    assert_true(number_at(event, "tid") > 0);
    close_to(number_at(find(events, "X", "train", 0), "tid"), 0, 0);
    size_t i, named = 0;
    json_t *name;
    json_array_foreach(events, i, name) if (is(name, "M", "thread_name") &&
                                            number_at(name, "tid") == number_at(event, "tid"))
        named++;
    assert_int_equal(named, 1);
    json_decref(root);
    jm_recording_free(recording);
}

static void whatever_recordings_hold(void **state) {
    (void)state;
#ifdef JM_SANITIZED
    enum { RECORDINGS = 20 };
#else
    enum { RECORDINGS = 200 };
#endif
    for (uint64_t seed = 1; seed <= RECORDINGS; seed++) {
        jm_recording *recording = random_recording(seed);
        jm_perfetto_options options = JM_PERFETTO_OPTIONS_INIT;
        options.clock = JM_CLOCK_MONOTONIC;
        options.offset_ns = -FIXTURE_T0;
        json_t *root, *events = trace_of(recording, &options, &root);
        check_tracks(events);
        assert_int_equal(count_of(events, "X", NULL), jm_recording_range_count(recording));
        assert_int_equal(count_of(events, "i", NULL), jm_recording_mark_count(recording));
        json_decref(root);
        jm_recording_free(recording);
    }
}

/* ---- the rest ---- */

static void numbers_have_a_point(void **state) {
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        print_message("skip: the locale de_DE.UTF-8 is not installed\n");
        skip();
    }
    jm_recording *recording = fixture_new();
    json_t *root, *events = trace_of(recording, NULL, &root);
    assert_true(json_array_size(events) > 50);
    json_decref(root);
    setlocale(LC_ALL, "C");
    jm_recording_free(recording);
}

static void wrong_arguments(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_error error = {0};
    jm_perfetto_options options = JM_PERFETTO_OPTIONS_INIT;
    assert_int_equal(jm_perfetto(NULL, trace_path(), NULL, &error), JM_INVALID);
    assert_int_equal(jm_perfetto(recording, NULL, NULL, &error), JM_INVALID);
    assert_int_equal(jm_perfetto(recording, "/nowhere/x.json", NULL, &error), JM_NOT_FOUND);
    options.device = 9;
    assert_int_equal(jm_perfetto(recording, trace_path(), &options, &error), JM_NOT_FOUND);
    options = (jm_perfetto_options)JM_PERFETTO_OPTIONS_INIT;
    options.clock = (jm_clock)7;
    assert_int_equal(jm_perfetto(recording, trace_path(), &options, &error), JM_INVALID);
    options = (jm_perfetto_options)JM_PERFETTO_OPTIONS_INIT;
    options.offset_ns = INT64_MIN;
    assert_int_equal(jm_perfetto(recording, trace_path(), &options, &error), JM_INVALID);
    assert_int_equal(access(trace_path(), F_OK), -1);
    jm_recording_free(recording);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_slices_with_their_energy),
        cmocka_unit_test(texts_of_any_kind),
        cmocka_unit_test(clocks_and_offsets),
        cmocka_unit_test(counters_tell_what_changed),
        cmocka_unit_test(energy_so_far_never_falls_and_ends_at_the_total),
        cmocka_unit_test(what_overlaps_has_tracks_of_its_own),
        cmocka_unit_test(whatever_recordings_hold),
        cmocka_unit_test(numbers_have_a_point),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
