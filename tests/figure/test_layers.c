/* Energy by layer and kernel: own time, and areas. */
#include "figure/energy_bars.h"
#include "figure/own_time.h"
#include "look.h"

#include <stdio.h>

static double watts(int i) {
    return i < 600 ? 100 : 400; /* from 12 s on */
}

static jm_recording *recording_new(void) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), 1001,
                    watts);
    return recording;
}

static jmi_parts parts_of(const jm_recording *recording, jm_category category) {
    jm_figures *figures;
    jmi_parts parts;
    jm_error error = {0};
    fixture_ok(jm_figures_open(&figures, recording, NULL, &error), &error);
    fixture_ok(jmi_parts_make(&parts, figures, category, false, &error), &error);
    jm_figures_close(figures);
    return parts;
}

static const jmi_part *named(const jmi_parts *parts, const char *name) {
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->list[i].name, name) == 0) return &parts->list[i];
    fail_msg("there is no part %s", name);
    return NULL;
}

static void nested_layers_count_once(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    fixture_range(recording, JM_CATEGORY_LAYER, "model", 1, 9, "");
    fixture_range(recording, JM_CATEGORY_LAYER, "model.a", 2, 4, "");
    fixture_range(recording, JM_CATEGORY_LAYER, "model.a.in", 2, 3,
                  "");                                                  /* begins with its parent */
    fixture_range(recording, JM_CATEGORY_LAYER, "model.b", 5, 9, "");   /* ends with its parent */
    fixture_range(recording, JM_CATEGORY_LAYER, "model.a", 14, 15, ""); /* used again, at 400 W */
    jmi_parts parts = parts_of(recording, JM_CATEGORY_LAYER);
    assert_int_equal(parts.count, 4);
    static const struct {
        const char *name;
        uint64_t calls;
        double time_s, energy_j;
    } wanted[] = {{"model", 1, 2, 200},
                  {"model.a", 2, 2, 500},
                  {"model.a.in", 1, 1, 100},
                  {"model.b", 1, 4, 400}};
    double sum = 0;
    for (size_t i = 0; i < JMI_COUNT(wanted); i++) {
        const jmi_part *part = named(&parts, wanted[i].name);
        assert_int_equal(part->calls, wanted[i].calls);
        assert_near(part->time_s, wanted[i].time_s);
        assert_true(fabs(part->energy.energy_j - wanted[i].energy_j) < 2);
        sum += part->energy.energy_j;
    }
    assert_true(fabs(sum - 1200) < 4);
    assert_string_equal(parts.list[0].name, "model.a"); /* most energy first */
    jmi_parts_free(&parts);
    jm_recording_free(recording);
}

static void ranges_that_overlap_partly_share_no_time(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    fixture_range(recording, JM_CATEGORY_LAYER, "a", 1, 4, "");
    fixture_range(recording, JM_CATEGORY_LAYER, "b", 3, 6, "");
    fixture_range(recording, JM_CATEGORY_LAYER, "c", 5, 5.5, "");
    jmi_parts parts = parts_of(recording, JM_CATEGORY_LAYER);
    double sum = 0;
    for (size_t i = 0; i < parts.count; i++) sum += parts.list[i].time_s;
    assert_near(sum, 5);
    assert_near(named(&parts, "b")->time_s, 2.5);
    jmi_parts_free(&parts);
    jm_recording_free(recording);
}

static void kernels_belong_to_their_device(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    uint32_t gpu1 = fixture_device(recording, "gpu1", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu1, JM_QUANTITY_POWER, "p", false), 1001,
                    watts);
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 1, 4, "", "gpu0", 7);
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 3, 5, "", "gpu0", 8); /* beside it */
    fixture_range_on(recording, JM_CATEGORY_KERNEL, "gemm", 1, 2, "", "gpu1", 7);
    jmi_parts parts = parts_of(recording, JM_CATEGORY_KERNEL);
    assert_int_equal(parts.count, 2);
    assert_int_equal(parts.list[0].device, 0);
    assert_true(fabs(parts.list[0].energy.energy_j - 400) < 2);
    assert_true(fabs(parts.list[1].energy.energy_j - 100) < 2);
    jmi_parts_free(&parts);
    jm_figure *figure = make(recording, "kernel_energy_bar", NULL);
    jm_figure_mark bar = mark_of(figure, JM_MARK_BAR, 0);
    assert_true(bar.count == 2 && bar.low[0] < bar.x2[0] && bar.x2[0] < bar.high[0]);
    jm_figure_free(figure);
    jm_recording_free(recording);
}

static void only_the_top_is_shown(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    char name[32];
    for (int i = 0; i < 17; i++) {
        snprintf(name, sizeof name, "net.block%d.layer%d", i / 5, i);
        fixture_range(recording, JM_CATEGORY_LAYER, name, i, i + 0.5 + 0.02 * i, "");
    }
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    options.top = 5;
    jm_figure *figure = make(recording, "layer_energy_bar", &options);
    jm_figure_mark bar = mark_of(figure, JM_MARK_BAR, 0);
    assert_int_equal(bar.count, 5);
    assert_string_equal(info_of(figure).y.tick_text[0], "net.block3.layer16");
    assert_non_null(strstr(info_of(figure).note, "12 more layers took "));
    jm_figure_free(figure);
    jm_recording_free(recording);
}

/* What is not shown is summed, but for layers of which only bounds are known. */
static void bounds_are_not_told_as_energies(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    char name[32];
    fixture_range(recording, JM_CATEGORY_LAYER, "long", 0, 9, "");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "short%d", i);
        fixture_range(recording, JM_CATEGORY_LAYER, name, 10 + 0.1 * i, 10.001 + 0.1 * i, "");
    }
    jmi_parts parts = parts_of(recording, JM_CATEGORY_LAYER);
    double most_j = 0;
    size_t bounds = 0;
    for (size_t i = 15; i < parts.count; i++) {
        if (jmi_energy_estimated(&parts.list[i].energy)) continue;
        most_j += parts.list[i].energy.upper_j;
        bounds++;
    }
    assert_in_range(bounds, 2, 6); /* some of them may be a group */
    jm_figure *figure = make(recording, "layer_energy_bar", NULL);
    char wanted[128], text[64];
    snprintf(wanted, sizeof wanted, "Of %zu more layers only bounds are known: %s at most in all.",
             bounds, jm_value_text(most_j, (double)NAN, "J", text, sizeof text));
    assert_non_null(strstr(info_of(figure).note, wanted));
    assert_null(strstr(info_of(figure).note, " took "));
    jm_figure_free(figure);
    jmi_parts_free(&parts);
    jm_recording_free(recording);
}

/* Tiles fill the square, do not overlap, and their areas are as the energies. */
static void tiles_fill_the_square(void **state) {
    (void)state;
    jm_recording *recording = recording_new();
    char name[64];
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "net.block%d.layer%d.a_rather_long_name_of_it", i % 9, i);
        fixture_range(recording, JM_CATEGORY_LAYER, name, 0.1 * i, 0.1 * i + 0.09, "");
    }
    jm_figure *figure = make(recording, "layer_energy_treemap", NULL);
    jmi_parts parts = parts_of(recording, JM_CATEGORY_LAYER);
    double tiles[200][4], area = 0, sum = 0;
    size_t count = 0;
    for (uint32_t n = 0; mark_of(figure, JM_MARK_BAR, n).size != 0; n++) {
        jm_figure_mark bar = mark_of(figure, JM_MARK_BAR, n);
        for (size_t i = 0; i < bar.count; i++) {
            const double tile[4] = {bar.x[i], bar.x2[i], bar.y[i], bar.y2[i]};
            memcpy(tiles[count++], tile, sizeof tile);
            area += (tile[1] - tile[0]) * (tile[3] - tile[2]);
        }
    }
    assert_int_equal(count, 81); /* 80 and the rest */
    assert_near(area, 1);
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++) assert_true(tiles[i][k] > -1e-9 && tiles[i][k] < 1 + 1e-9);
        for (size_t k = 0; k < i; k++)
            assert_true(tiles[i][0] > tiles[k][1] - 1e-9 || tiles[k][0] > tiles[i][1] - 1e-9 ||
                        tiles[i][2] > tiles[k][3] - 1e-9 || tiles[k][2] > tiles[i][3] - 1e-9);
    }
    for (size_t i = 0; i < parts.count; i++) sum += parts.list[i].energy.energy_j;
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        if (tiles[i][0] == 0 && tiles[i][2] == 0)
            largest = (tiles[i][1] - tiles[i][0]) * (tiles[i][3] - tiles[i][2]);
    assert_true(fabs(largest - parts.list[0].energy.energy_j / sum) < 1e-9);
    jm_figure_mark text = mark_of(figure, JM_MARK_TEXT, 0);
    for (size_t i = 0; i < text.count; i++) /* no longer than their tiles have room for */
        assert_true((double)strlen(text.text[i]) <= text.x2[i] / 0.0195 + 2);
    jmi_parts_free(&parts);
    jm_figure_free(figure);
    jm_recording_free(recording);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_layers_count_once),
        cmocka_unit_test(ranges_that_overlap_partly_share_no_time),
        cmocka_unit_test(kernels_belong_to_their_device),
        cmocka_unit_test(only_the_top_is_shown),
        cmocka_unit_test(bounds_are_not_told_as_energies),
        cmocka_unit_test(tiles_fill_the_square),
    };
    return cmocka_run_group_tests_name("figure: layers", tests, NULL, NULL);
}
