/* The marks of all figures of one recording, number for number, as they were found right:
 * golden.json. JOULEMETER_REWRITE=1 writes it anew; look at what changed. */
#include "chance.h"
#include "look.h"

#include <jansson.h>

static double power(int i) {
    return i == 333 ? (double)NAN : 60 + 240 * (i / 50 % 2) + i % 7 + 10 * sin(0.1 * i);
}

static double gpu_util(int i) {
    return i / 50 % 2 ? 80 + i % 20 : i % 5;
}

static double mem_util(int i) {
    return i / 50 % 2 ? 40 + i % 11 : 0;
}

static double dram(int i) {
    return 12 + i % 3;
}

static jm_recording *recording_new(void) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    for (int g = 0; g < 2; g++) {
        uint32_t gpu = fixture_device(recording, g == 0 ? "gpu0" : "gpu1", "", false);
        fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false),
                        601, power);
        fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_GPU_UTIL, "u", false),
                        601, gpu_util);
        fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_MEM_UTIL, "m", false),
                        601, mem_util);
    }
    uint32_t memory = fixture_device(recording, "dram0", "", false);
    fixture_samples(recording, fixture_sensor(recording, memory, JM_QUANTITY_POWER, "p", false),
                    601, dram);
    fixture_range(recording, JM_CATEGORY_WARMUP, "warm up", 0.2, 0.9, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "train", 1, 7, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "infer", 7.5, 9, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "infer", 9.5, 11.5, "");
    for (int i = 0; i < 12; i++) {
        fixture_range(recording, JM_CATEGORY_LAYER, "net", 1 + 0.5 * i, 1.45 + 0.5 * i,
                      "{\"type\":\"Sequential\"}");
        fixture_range(recording, JM_CATEGORY_LAYER, "net.conv", 1.1 + 0.5 * i, 1.3 + 0.5 * i,
                      "{\"type\":\"Conv2d\"}");
        fixture_range(recording, JM_CATEGORY_LAYER, "net.head", 1.3 + 0.5 * i, 1.4 + 0.5 * i,
                      "{\"type\":\"Linear\"}");
        fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 1.1 + 0.5 * i, 1.25 + 0.5 * i, "",
                         "gpu0", 7);
    }
    return recording;
}

static json_t *figures_of(const jm_recording *recording) {
    json_t *all = json_object();
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_figures *figures;
    jm_error error = {0};
    options.columns = 40;
    fixture_ok(jm_figures_open(&figures, recording, &options, &error), &error);
    for (uint32_t i = 0; i < jm_figure_count(); i++) {
        jm_figure *figure;
        char *text;
        fixture_ok(jm_figures_make(figures, jm_figure_name(i), &figure, &error), &error);
        fixture_ok(jm_figure_json(figure, &text, &error), &error);
        json_object_set_new(all, jm_figure_name(i), json_loads(text, 0, NULL));
        jm_free(text);
        jm_figure_free(figure);
    }
    jm_figures_close(figures);
    return all;
}

static void same(const char *path, const json_t *a, const json_t *b);

static void same_objects(const char *path, const json_t *a, const json_t *b) {
    const char *key;
    json_t *value;
    char deeper[512];
    assert_int_equal(json_object_size(a), json_object_size(b));
    json_object_foreach((json_t *)a, key, value) {
        snprintf(deeper, sizeof deeper, "%s.%s", path, key);
        json_t *other = json_object_get(b, key);
        if (other == NULL) fail_msg("golden.json has no %s", deeper);
        same(deeper, value, other);
    }
}

static void same_arrays(const char *path, const json_t *a, const json_t *b) {
    char deeper[512];
    if (json_array_size(a) != json_array_size(b))
        fail_msg("%s has %zu entries, not %zu", path, json_array_size(a), json_array_size(b));
    for (size_t i = 0; i < json_array_size(a); i++) {
        snprintf(deeper, sizeof deeper, "%s[%zu]", path, i);
        same(deeper, json_array_get(a, i), json_array_get(b, i));
    }
}

static void same(const char *path, const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        if (fabs(x - y) > 1e-6 * fmax(fabs(x), fabs(y)) && fabs(x - y) > 1e-9)
            fail_msg("%s is %.12g, not %.12g", path, x, y);
    } else if (json_is_object(a) && json_is_object(b)) {
        same_objects(path, a, b);
    } else if (json_is_array(a) && json_is_array(b)) {
        same_arrays(path, a, b);
    } else if (!json_equal(a, b)) {
        fail_msg("%s differs", path);
    }
}

static void marks_are_as_they_were(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    json_t *all = figures_of(recording);
    json_error_t wrong;
    if (getenv("JOULEMETER_REWRITE") != NULL)
        assert_int_equal(json_dump_file(all, GOLDEN, JSON_COMPACT | JSON_REAL_PRECISION(9)), 0);
    json_t *golden = json_load_file(GOLDEN, 0, &wrong);
    if (golden == NULL) fail_msg("%s: %s", GOLDEN, wrong.text);
    assert_int_equal(json_object_size(all), jm_figure_count());
    same("figures", all, golden);
    json_decref(golden);
    json_decref(all);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(marks_are_as_they_were)};
    return cmocka_run_group_tests_name("figure: golden", tests, NULL, NULL);
}
