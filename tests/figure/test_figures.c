/* All figures of recordings made by hand and by chance. */
#include "chance.h"
#include "look.h"

#include <jansson.h>

/* ---- by chance: what holds of every figure ---- */

static bool is_rising(const double *x, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (x[i] < x[i - 1]) return false;
    return true;
}

static bool is_finite(const double *values, size_t count) {
    for (size_t i = 0; values != NULL && i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static bool is_within(const double *values, size_t count, const jm_figure_axis *axis) {
    double slack = 1e-9 * (axis->max - axis->min);
    for (size_t i = 0; values != NULL && i < count; i++)
        if (values[i] < axis->min - slack || values[i] > axis->max + slack) return false;
    return true;
}

static void check_axis(const jm_figure_axis *axis, bool needed) {
    if (!needed && axis->label[0] == '\0') return;
    assert_true(axis->max > axis->min && isfinite(axis->min) && isfinite(axis->max));
    assert_true(axis->hidden || axis->scale > 0);
    assert_true(axis->hidden || axis->categories || axis->tick_count >= 2);
    assert_true(axis->categories || axis->tick_count <= 12);
    assert_true(is_within(axis->tick, axis->tick_count, axis));
    for (size_t i = 0; i < axis->tick_count; i++) {
        assert_true(axis->categories ? axis->tick[i] == (double)i : true);
        for (size_t k = 0; !axis->categories && k < i; k++) /* told apart by their texts */
            assert_string_not_equal(axis->tick_text[i], axis->tick_text[k]);
    }
}

static void check_mark(const jm_figure_mark *m, const jm_figure_info *info) {
    if (!is_within(m->x, m->count, &info->x) || !is_within(m->y, m->count, &info->y))
        fail_msg("%s: a %s lies outside of the axes", info->name, jm_mark_kind_name((int)m->kind));
    bool breaks = m->kind == JM_MARK_LINE || m->kind == JM_MARK_STEP;
    assert_true(is_finite(m->x2, m->count) && is_finite(m->y2, m->count));
    assert_true(breaks || m->kind == JM_MARK_POINT ||
                (is_finite(m->x, m->count) && is_finite(m->y, m->count)));
    if (m->kind == JM_MARK_BAR || m->kind == JM_MARK_SPAN)
        assert_true(is_within(m->x2, m->count, &info->x));
    if (breaks || m->kind == JM_MARK_AREA) assert_true(is_rising(m->x, m->count));
    for (size_t i = 0; m->low != NULL && i < m->count; i++)
        assert_true(isnan(m->low[i]) ? isnan(m->high[i]) : m->low[i] <= m->high[i]);
    for (size_t i = 0; m->kind == JM_MARK_BOX && i < m->count; i++)
        assert_true(m->low[i] <= m->q1[i] && m->q1[i] <= m->x[i] && m->x[i] <= m->q3[i] &&
                    m->q3[i] <= m->high[i]);
}

static void check_figure(const jm_figure *figure, size_t columns) {
    jm_figure_info info = info_of(figure);
    size_t rows = 0;
    check_axis(&info.x, true);
    check_axis(&info.y, true);
    check_axis(&info.color, false);
    assert_true(info.mark_count > 0);
    for (uint32_t i = 0; i < info.mark_count; i++) {
        jm_figure_mark mark = {.size = sizeof mark};
        assert_int_equal(jm_figure_get_mark(figure, i, &mark), JM_OK);
        check_mark(&mark, &info);
        rows += mark.count;
        if (columns > 0 && mark.kind != JM_MARK_POINT) assert_true(mark.count <= 5 * columns + 900);
    }
    if (rows == 0) fail_msg("%s shows nothing", info.name);
    char *json = NULL;
    jm_error error = {0};
    fixture_ok(jm_figure_json(figure, &json, &error), &error);
    json_t *parsed = json_loads(json, 0, NULL);
    assert_non_null(parsed);
    assert_int_equal(json_array_size(json_object_get(parsed, "marks")), info.mark_count);
    json_decref(parsed);
    jm_free(json);
}

static void any_recording(void **state) {
    (void)state;
    unsigned made = 0, without = 0;
    for (uint64_t seed = 0; seed < chances(400); seed++) {
        jm_recording *recording = random_recording(seed);
        jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
        jm_figures *figures;
        jm_error error = {0};
        options.columns = seed % 3 == 0 ? 0 : 20 + (uint32_t)chance(100);
        options.smooth = (uint32_t)chance(7);
        options.raw = chance(5) == 0;
        options.no_phases = chance(3) == 0;
        options.device = chance(3) ? JM_DEVICE_GPUS : JM_DEVICE_TOTAL;
        fixture_ok(jm_figures_open(&figures, recording, &options, &error), &error);
        for (uint32_t i = 0; i < jm_figure_count(); i++) {
            jm_figure *figure;
            int status = jm_figures_make(figures, jm_figure_name(i), &figure, &error);
            if (status == JM_OK) {
                check_figure(figure, options.raw ? 0 : options.columns);
                made++;
            } else {
                if (status != JM_NO_DATA) fail_msg("seed %d: %s", (int)seed, error.message);
                assert_non_null(strstr(error.message, "has no data: "));
                assert_null(figure);
                without++;
            }
            jm_figure_free(figure);
        }
        jm_figures_close(figures);
        jm_recording_free(recording);
    }
    assert_true(made > 100 && without > 100);
}

/* ---- by hand ---- */

static void names_and_titles(void **state) {
    (void)state;
    static const char *const powerdl[] = {
        "power_time",         "gpu_util_time",    "mem_util_time",     "util_time_dual",
        "energy_rate",        "power_derivative", "cumulative_energy", "power_hist",
        "util_hist",          "power_ecdf",       "util_ecdf",         "power_boxplot_phase",
        "util_boxplot_phase", "phase_energy_bar", "phase_time_bar",    "power_util_scatter",
        "power_util_hexbin"};
    for (uint32_t i = 0; i < JMI_COUNT(powerdl); i++)
        assert_string_equal(jm_figure_name(i), powerdl[i]);
    assert_true(jm_figure_count() > JMI_COUNT(powerdl));
    assert_null(jm_figure_name(jm_figure_count()));
    assert_null(jm_figure_title(jm_figure_count()));
    assert_string_equal(jm_mark_kind_name(JM_MARK_HEXAGON), "hexagon");
    assert_string_equal(jm_mark_kind_name(99), "unknown");
}

static void wrong_calls(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_figures *figures;
    jm_figure *figure;
    jm_error error;
    assert_int_equal(jm_figures_open(NULL, recording, NULL, &error), JM_INVALID);
    assert_int_equal(jm_figures_open(&figures, NULL, NULL, &error), JM_INVALID);
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    options.device = 7;
    assert_int_equal(jm_figures_open(&figures, recording, &options, &error), JM_NOT_FOUND);
    assert_int_equal(jm_figures_open(&figures, recording, NULL, &error), JM_OK);
    assert_int_equal(jm_figures_make(figures, "power_tim", &figure, &error), JM_NOT_FOUND);
    assert_non_null(strstr(error.message, "power_tim"));
    for (uint32_t i = 0; i < jm_figure_count(); i++)
        assert_non_null(strstr(error.message, jm_figure_name(i)));
    assert_int_equal(jm_figures_make(figures, NULL, &figure, &error), JM_INVALID);
    jm_figures_close(figures);
    jm_figures_close(NULL);
    jm_figure_free(NULL);
    assert_int_equal(jm_figure_get(NULL, NULL), JM_INVALID);
    assert_int_equal(jm_figure_get_mark(NULL, 0, NULL), JM_INVALID);
    assert_int_equal(jm_figure_json(NULL, NULL, &error), JM_INVALID);
    jm_recording_free(recording);
}

/* The fixture: 12 s, 50 W until 2 s, then 300 W; a warm-up and two phases. */
static void power_over_time(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_figure *figure = make(recording, "power_time", NULL);
    jm_figure_info info = info_of(figure);
    assert_string_equal(info.title, "Power");
    assert_string_equal(info.x.label, "time (s)");
    assert_string_equal(info.y.label, "power (W)");
    assert_string_equal(info.note, "Simulated GPU.");
    assert_true(info.has_phases && info.x.min == 0 && info.y.min == 0);
    assert_near(info.x.max, 12);
    jm_figure_mark load = mark_of(figure, JM_MARK_SPAN, 1),
                   train = mark_of(figure, JM_MARK_SPAN, 2);
    assert_string_equal(load.label, "load");
    assert_string_equal(train.label, "train");
    assert_near(train.x[0], 4);
    assert_near(train.x2[0], 12);
    jm_figure_mark step = mark_of(figure, JM_MARK_STEP, 0);
    assert_string_equal(step.label, "gpu0");
    assert_true(step.y[0] == 50 && step.y[step.count - 1] == 300);
    jm_figure_free(figure);
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    options.no_phases = true;
    options.device = JM_DEVICE_TOTAL;
    figure = make(recording, "power_time", &options);
    assert_int_equal(mark_of(figure, JM_MARK_SPAN, 0).count, 0);
    assert_string_equal(mark_of(figure, JM_MARK_STEP, 1).label, "cpu0");
    assert_non_null(strstr(info_of(figure).note, "modelled"));
    jm_figure_free(figure);
    jm_recording_free(recording);
}

static void energies_are_those_of_the_library(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_figure *sum = make(recording, "cumulative_energy", NULL);
    jm_figure *rate = make(recording, "energy_rate", NULL);
    jm_figure *bars = make(recording, "phase_energy_bar", NULL);
    jm_figure_mark line = mark_of(sum, JM_MARK_LINE, 0), band = mark_of(sum, JM_MARK_AREA, 0);
    jm_figure_mark step = mark_of(rate, JM_MARK_STEP, 0), bar = mark_of(bars, JM_MARK_BAR, 0);
    assert_true(line.x[0] == 0 && line.y[0] == 0);
    for (size_t i = 1; i < line.count; i += 37) {
        jm_energy e;
        int64_t end = FIXTURE_T0 + llround(line.x[i] * 1e9);
        jm_energy_window(recording, JM_DEVICE_GPUS, FIXTURE_T0, end, NULL, &e, NULL);
        if (e.provenance & JM_BOUND_ONLY) continue;
        assert_true(fabs(line.y[i] - e.energy_j) < 1e-6 * e.energy_j);
        assert_true(fabs(band.low[i] - e.lower_j) < 1e-6 * e.energy_j);
        assert_true(fabs(band.high[i] - e.upper_j) < 1e-6 * e.energy_j);
        int64_t begin = FIXTURE_T0 + llround(step.x[i] * 1e9);
        end = FIXTURE_T0 + llround(step.x[i + 1] * 1e9);
        jm_energy_window(recording, JM_DEVICE_GPUS, begin, end, NULL, &e, NULL);
        if (!isnan(step.y[i]))
            assert_true(fabs(step.y[i] - e.energy_j / e.duration_s) < 1e-3 * step.y[i]);
    }
    static const double windows[][2] = {{0.1, 1.9}, {2, 4}, {4, 12}};
    for (size_t i = 0; i < 3; i++) {
        jm_energy e;
        jm_energy_window(recording, JM_DEVICE_GPUS, FIXTURE_T0 + (int64_t)(windows[i][0] * 1e9),
                         FIXTURE_T0 + (int64_t)(windows[i][1] * 1e9), NULL, &e, NULL);
        assert_true(bar.x[i] == 0 && fabs(bar.x2[i] - e.energy_j) < 1e-6 * e.energy_j);
        assert_true(fabs(bar.low[i] - e.lower_j) < 1e-6 * e.energy_j);
        assert_true(fabs(bar.high[i] - e.upper_j) < 1e-6 * e.energy_j);
    }
    assert_string_equal(info_of(bars).y.tick_text[2], "train");
    assert_string_equal(info_of(sum).y.label, "energy (kJ)");
    jm_figure_free(sum);
    jm_figure_free(rate);
    jm_figure_free(bars);
    jm_recording_free(recording);
}

static void energies_of_devices_stack_up(void **state) {
    (void)state;
    jm_recording *recording = fixture_new();
    jm_figure *figure = make(recording, "energy_by_device", NULL);
    jm_figure_mark gpu = mark_of(figure, JM_MARK_BAR, 0), cpu = mark_of(figure, JM_MARK_BAR, 1);
    jm_figure_mark sum = mark_of(figure, JM_MARK_POINT, 0);
    assert_string_equal(gpu.label, "gpu0");
    assert_string_equal(cpu.label, "cpu0");
    assert_string_equal(info_of(figure).y.tick_text[0], "whole recording");
    assert_string_equal(info_of(figure).y.tick_text[3], "train");
    for (size_t i = 0; i < 4; i++) {
        assert_true(gpu.x[i] == 0 && cpu.x[i] == gpu.x2[i]);
        assert_true(fabs(sum.x[i] - cpu.x2[i]) < 1e-6 * sum.x[i]);
        assert_true(sum.low[i] < sum.x[i] && sum.x[i] < sum.high[i]);
    }
    jm_energy e;
    jm_energy_window(recording, JM_DEVICE_TOTAL, FIXTURE_T0, jm_recording_end_ns(recording), NULL,
                     &e, NULL);
    assert_true(fabs(sum.x[0] - e.energy_j) < 1e-6 * e.energy_j);
    assert_true(fabs(sum.high[0] - e.upper_j) < 1e-6 * e.energy_j);
    jm_figure_free(figure);
    jm_recording_free(recording);
}

/* Utilisation in step with power: 40 s at 10 % and 100 W, 60 s at 90 % and 300 W. */
static double two_powers(int i) {
    return i < 2000 ? 100 : 300;
}

static double two_utils(int i) {
    return i < 2000 ? 10 : 90;
}

static jm_recording *two_levels(void) {
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), 5001,
                    two_powers);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_GPU_UTIL, "u", false),
                    5001, two_utils);
    fixture_range(recording, JM_CATEGORY_PHASE, "idle", 0, 40, "");
    fixture_range(recording, JM_CATEGORY_PHASE, "busy", 40, 100, "");
    return recording;
}

static void shares_of_time(void **state) {
    (void)state;
    jm_recording *recording = two_levels();
    jm_figure *ecdf = make(recording, "power_ecdf", NULL),
              *hist = make(recording, "util_hist", NULL);
    jm_figure *hexagons = make(recording, "power_util_hexbin", NULL);
    jm_figure *cloud = make(recording, "power_util_scatter", NULL);
    jm_figure_mark step = mark_of(ecdf, JM_MARK_STEP, 0);
    assert_string_equal(step.label, "gpu0: median 300 W, p90 300 W");
    assert_int_equal(step.count, 3);
    assert_near(step.y[1], 0.4);
    assert_near(step.x[2], 300);
    jm_figure_mark bar = mark_of(hist, JM_MARK_BAR, 0);
    double all_s = 0;
    for (size_t i = 0; i < bar.count; i++) all_s += bar.y2[i];
    assert_near(all_s, 100);
    assert_near(bar.y2[0], 40);
    assert_near(bar.y2[bar.count - 1], 60);
    jm_figure_mark cells = mark_of(hexagons, JM_MARK_HEXAGON, 0);
    assert_int_equal(cells.count, 2);
    assert_near(cells.value[0], 40);
    assert_near(cells.value[1], 60);
    assert_true(fabs(cells.x[0] - 10) <= cells.x2[0] / 2 && fabs(cells.y[1] - 300) <= cells.y2[1]);
    assert_string_equal(info_of(hexagons).color.label, "time (s)");
    jm_figure_mark points = mark_of(cloud, JM_MARK_POINT, 2);
    assert_string_equal(points.label, "busy");
    assert_int_equal(points.count, 1); /* the others lie on it */
    assert_true(points.x[0] == 90 && points.y[0] == 300);
    jm_figure_free(ecdf);
    jm_figure_free(hist);
    jm_figure_free(hexagons);
    jm_figure_free(cloud);
    jm_recording_free(recording);
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    jm_recording *recording;
    jm_figures *figures;
    jm_figure *figure;
    jm_error error;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t cpu = fixture_device(recording, "cpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, cpu, JM_QUANTITY_POWER, "p", false), 50,
                    two_powers);
    assert_int_equal(jm_figures_open(&figures, recording, NULL, &error), JM_OK);
    static const char *const wanted[][2] = {
        {"gpu_util_time", "gpu_util_time has no data: GPU utilisation was not measured"},
        {"util_hist", "util_hist has no data: neither GPU nor memory utilisation was measured"},
        {"power_util_hexbin", "power_util_hexbin has no data: GPU utilisation was not measured"},
        {"phase_time_bar",
         "phase_time_bar has no data: there is no phase: mark them with `with prof.phase(name)`"},
        {"layer_energy_bar", "layer_energy_bar has no data: there is no range of category layer"},
    };
    for (size_t i = 0; i < JMI_COUNT(wanted); i++) {
        assert_int_equal(jm_figures_make(figures, wanted[i][0], &figure, &error), JM_NO_DATA);
        assert_string_equal(error.message, wanted[i][1]);
    }
    assert_int_equal(jm_figures_make(figures, "power_time", &figure, &error), JM_OK);
    jm_figure_free(figure);
    jm_figures_close(figures);
    jm_recording_free(recording);
}

/* However many names phases have, figures shade eight kinds and points have as many colours. */
static void thousands_of_phases_are_a_few_marks(void **state) {
    (void)state;
    jm_recording *recording = two_levels();
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "request %d", i);
        fixture_range(recording, JM_CATEGORY_PHASE, name, 50 + 0.01 * i, 50.005 + 0.01 * i, "");
    }
    jm_figure *figure = make(recording, "power_time", NULL);
    assert_int_equal(info_of(figure).mark_count, 7 + 1 + 1);
    jm_figure_mark others = mark_of(figure, JM_MARK_SPAN, 7);
    assert_string_equal(others.label, "other phases");
    assert_int_equal(others.count, 1); /* 5 ms apart, on pixels of 100 ms */
    assert_near(others.x[0], 50.05);   /* "idle", "busy" and five requests have colours */
    assert_near(others.x2[0], 79.995);
    jm_figure_free(figure);
    figure = make(recording, "power_util_scatter", NULL);
    assert_int_equal(info_of(figure).mark_count, 1 + 7 + 1);
    assert_int_equal(mark_of(figure, JM_MARK_POINT, 0).count, 0); /* "no phase" */
    assert_string_equal(mark_of(figure, JM_MARK_POINT, 2).label, "busy");
    assert_int_equal(mark_of(figure, JM_MARK_POINT, 2).count, 1);
    assert_string_equal(mark_of(figure, JM_MARK_POINT, 8).label, "other phases");
    assert_int_equal(mark_of(figure, JM_MARK_POINT, 8).count, 1);
    jm_figure_free(figure);
    jm_recording_free(recording);
}

/* The phase that runs is the innermost one, as a look at all of them finds it. */
static void the_phase_that_runs(void **state) {
    (void)state;
    jm_recording *recording = two_levels();
    char name[32];
    for (int i = 0; i < 60; i++) {
        double begin_s = (double)chance(9000) / 100;
        snprintf(name, sizeof name, "p%d", (int)chance(20));
        fixture_range(recording, JM_CATEGORY_PHASE, name, begin_s,
                      begin_s + (double)(1 + chance(1000)) / 100, "");
    }
    jm_figures *figures;
    jm_error error = {0};
    jmi_phase_walk walk;
    fixture_ok(jm_figures_open(&figures, recording, NULL, &error), &error);
    fixture_ok(jmi_need_phases(figures, &error), &error);
    assert_true(jmi_phase_walk_begin(&walk, figures));
    for (int64_t t = FIXTURE_T0; t < FIXTURE_T0 + 101000000000; t += 7000000) {
        size_t found = SIZE_MAX;
        int64_t latest = INT64_MIN;
        for (size_t i = 0; i < figures->phase_window_count; i++) {
            const jmi_phase_window *w = &figures->phase_windows[i];
            if (w->window.begin_ns > t || w->window.end_ns < t || w->window.begin_ns < latest)
                continue;
            latest = w->window.begin_ns;
            found = w->phase;
        }
        assert_int_equal(jmi_phase_walk_at(&walk, t), found);
    }
    jmi_phase_walk_end(&walk);
    jm_figures_close(figures);
    jm_recording_free(recording);
}

static double absurd(int i) {
    return i % 3 == 0 ? 1.7e308 : i % 3 == 1 ? -1.7e308 : 20 + i % 50;
}

/* What a damaged file may hold is no reading. */
static void absurd_values_are_no_readings(void **state) {
    (void)state;
    jm_recording *recording;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), 500,
                    absurd);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_GPU_UTIL, "u", false),
                    500, absurd);
    fixture_range(recording, JM_CATEGORY_PHASE, "all", 0, 10, "");
    jm_figures *figures;
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figures_open(&figures, recording, NULL, &error), &error);
    for (uint32_t i = 0; i < jm_figure_count(); i++) {
        if (jm_figures_make(figures, jm_figure_name(i), &figure, &error) == JM_OK)
            check_figure(figure, 1000);
        jm_figure_free(figure);
    }
    jm_figures_close(figures);
    figure = make(recording, "power_time", NULL);
    assert_true(info_of(figure).y.max < 100);
    jm_figure_free(figure);
    jm_recording_free(recording);
}

/* A histogram tells for how long; one reading tells nothing of that. */
static void one_reading_makes_no_histogram(void **state) {
    (void)state;
    jm_recording *recording;
    jm_figures *figures;
    jm_figure *figure;
    jm_error error = {0};
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    uint32_t gpu = fixture_device(recording, "gpu0", "", false);
    fixture_samples(recording, fixture_sensor(recording, gpu, JM_QUANTITY_POWER, "p", false), 1,
                    two_powers);
    fixture_ok(jm_figures_open(&figures, recording, NULL, &error), &error);
    assert_int_equal(jm_figures_make(figures, "power_hist", &figure, &error), JM_NO_DATA);
    assert_non_null(strstr(error.message, "no reading held for any time"));
    jm_figures_close(figures);
    jm_recording_free(recording);
}

static void long_times_and_tiny_numbers_get_their_units(void **state) {
    (void)state;
    static const struct {
        double s;
        const char *label, *last;
    } times[] = {{0.35, "time (ms)", "300"},
                 {12, "time (s)", "12"},
                 {1800, "time (min)", "30"},
                 {86400, "time (h)", "24"}};
    jm_figure *figure = jmi_figure_new("x", "x");
    for (size_t i = 0; i < JMI_COUNT(times); i++) {
        jmi_axis axis = {.scale = 0};
        jmi_axis_time(figure, &axis, times[i].s);
        assert_string_equal(axis.label, times[i].label);
        assert_string_equal(axis.tick_text[axis.tick_count - 1], times[i].last);
        jmi_axis_free(&axis);
    }
    static const struct {
        double min, max;
        const char *unit, *label;
    } numbers[] = {{0, 4.2e6, "J", "q (MJ)"},    {0, 3e-5, "W", "q (\xC2\xB5W)"},
                   {-900, 20, "W/s", "q (W/s)"}, {0, 1e5, "%", "q (%)"},
                   {5, 5, "W", "q (W)"},         {NAN, 1, "J", "q (J)"},
                   {0, 1e-300, "J", "q (J)"},    {-1e300, 1e300, "J", "q (TJ)"}};
    for (size_t i = 0; i < JMI_COUNT(numbers); i++) {
        jmi_axis axis = {.scale = 0};
        jmi_axis_numbers(figure, &axis, "q", numbers[i].unit, numbers[i].min, numbers[i].max, 0);
        assert_string_equal(axis.label, numbers[i].label);
        assert_in_range(axis.tick_count, 2, 12);
        assert_true(axis.max > axis.min);
        jmi_axis_free(&axis);
    }
    assert_false(figure->failed);
    jm_figure_free(figure);
}

static void colours(void **state) {
    (void)state;
    char text[8];
    assert_string_equal(jm_figure_color(0, false), "#0072B2");
    assert_string_equal(jm_figure_color(8, false), jm_figure_color(0, false));
    assert_string_not_equal(jm_figure_color(0, true), jm_figure_color(0, false));
    assert_string_equal(jm_figure_shade(0, text), "#440154");
    assert_string_equal(jm_figure_shade(1, text), "#FDE725");
    assert_string_equal(jm_figure_shade(NAN, text), "#440154");
    assert_string_equal(jm_figure_shade(9, text), "#FDE725");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_recording),
        cmocka_unit_test(names_and_titles),
        cmocka_unit_test(wrong_calls),
        cmocka_unit_test(power_over_time),
        cmocka_unit_test(energies_are_those_of_the_library),
        cmocka_unit_test(energies_of_devices_stack_up),
        cmocka_unit_test(shares_of_time),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(thousands_of_phases_are_a_few_marks),
        cmocka_unit_test(the_phase_that_runs),
        cmocka_unit_test(absurd_values_are_no_readings),
        cmocka_unit_test(one_reading_makes_no_histogram),
        cmocka_unit_test(long_times_and_tiny_numbers_get_their_units),
        cmocka_unit_test(colours),
    };
    return cmocka_run_group_tests_name("figure: figures", tests, NULL, NULL);
}
