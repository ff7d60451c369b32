/* Calibration: T, W and L from ticks and edges, on synthetic sensors with known truth; the load's
 * edges; the cache; and whole calibrations of simulated boards. */
#include "tree.h"

#include "sensor/calibrate_fit.h"
#include "sensor/calibration_cache.h"

static uint64_t random_state = 88172645463325252u;

static double uniform(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return ((double)(random_state >> 11) + 0.5) * 0x1p-53;
}

static double normal(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* ---- a sensor with known T, W, L under a load with known edges ---- */

enum { MOST = 4000 };

static jmi_edge edges[MOST];
static size_t edge_count;
static jmi_tick ticks[MOST];
static size_t tick_count;

static void make_edges(double seconds, double dwell_from, double dwell_to) {
    double t = 1000;
    edge_count = 0;
    for (bool on = true; t < 1000 + seconds && edge_count < MOST; on = !on) {
        edges[edge_count++] = (jmi_edge){(int64_t)(t * 1e9), on};
        t += dwell_from + (dwell_to - dwell_from) * uniform();
    }
}

static double time_on(double t) {
    double sum = 0;
    for (size_t i = 0; i + 1 < edge_count; i++) {
        double begin = (double)edges[i].t_ns * 1e-9, end = (double)edges[i + 1].t_ns * 1e-9;
        if (edges[i].on && t > begin) sum += fmin(t, end) - begin;
    }
    return sum;
}

static void make_ticks(double seconds, double T, double W, double L, double noise) {
    double poll = T / 50;
    tick_count = 0;
    for (double t = 1000.0123; t < 1000 + seconds && tick_count < MOST; t += T) {
        double end = t - L;
        double share = (time_on(end) - time_on(end - W)) / W;
        double lo = t - poll * uniform();
        ticks[tick_count++] = (jmi_tick){
            .lo_ns = (int64_t)(lo * 1e9),
            .hi_ns = (int64_t)((lo + poll) * 1e9),
            .value = 100 + 250 * share + noise * normal(),
        };
    }
}

static void finds_refresh_window_and_lag(void **state) {
    (void)state;
    static const struct {
        double T, W, L, noise;
    } truths[] = {{0.1, 0.025, 0, 1},     {0.1012, 0.022, 0.03, 6}, {0.1, 0.1, 0.01, 0.5},
                  {0.02, 0.01, 0.005, 2}, {0.1, 1.0, 0.005, 1},     {0.02, 0.02, 0.015, 1}};
    for (size_t i = 0; i < JMI_COUNT(truths); i++) {
        double T = truths[i].T;
        jmi_lattice lattice;
        jmi_window_fit fit;
        make_edges(15, 0.4 * T, 3 * T + truths[i].W);
        make_ticks(15, T, truths[i].W, truths[i].L, truths[i].noise);
        assert_int_equal(jmi_fit_refresh(ticks, tick_count, T * 1e9, &lattice), JM_OK);
        assert_true(fabs(lattice.period_ns * 1e-9 - T) < 1e-4 * T);
        assert_int_equal(jmi_fit_window(ticks, tick_count, &lattice, edges, edge_count, 0, &fit),
                         JM_OK);
        print_message("# T %.4f W %.4f: W %.4f +- %.4f, L %.4f (%.4f), noise %.2f (%.2f)\n", T,
                      truths[i].W, fit.window_s, fit.window_u_s, fit.lag_s, truths[i].L, fit.noise,
                      truths[i].noise);
        assert_true(fabs(fit.window_s - truths[i].W) < 4 * fit.window_u_s + T * 0.01);
        assert_true(fit.window_u_s < 0.1 * truths[i].W + 0.01 * T);
        assert_true(fabs(fit.lag_s - truths[i].L) < 0.03 * T);
        assert_true(fabs(fit.off_w - 100) < 8 && fabs(fit.on_w - 350) < 12);
    }
}

static void says_nothing_where_nothing_shows(void **state) {
    (void)state;
    jmi_lattice lattice;
    jmi_window_fit fit;
    make_edges(15, 0.05, 0.3);
    make_ticks(15, 0.1, 0.025, 0, 1);
    assert_int_equal(jmi_fit_refresh(ticks, tick_count, 1e8, &lattice), JM_OK);
    for (size_t i = 0; i < tick_count; i++) ticks[i].value = 100 + normal(); /* another board's */
    assert_int_equal(jmi_fit_window(ticks, tick_count, &lattice, edges, edge_count, 0, &fit),
                     JM_NO_DATA);
    assert_int_equal(jmi_fit_window(ticks, tick_count, &lattice, edges, 0, 0, &fit), JM_NO_DATA);
    assert_int_equal(jmi_fit_window(ticks, 3, &lattice, edges, edge_count, 0, &fit), JM_NO_DATA);
    assert_int_equal(jmi_fit_refresh(ticks, 0, 1e8, &lattice), JM_NO_DATA);
    assert_true(fit.window_s == 0);
}

/* One period leaves W open by whole periods; an average over a second must not be fitted to it. */
static void one_period_is_not_enough(void **state) {
    (void)state;
    jmi_lattice lattice;
    jmi_window_fit fit;
    make_edges(15, 0.065, 0.065);
    make_ticks(15, 0.1, 0.025, 0.005, 1);
    jmi_fit_refresh(ticks, tick_count, 1e8, &lattice);
    assert_int_equal(jmi_fit_window(ticks, tick_count, &lattice, edges, edge_count, 0.025, &fit),
                     JM_OK);
    assert_true(fabs(fit.window_s - 0.025) < 0.002);
    make_ticks(15, 0.1, 1, 0.005, 1);
    assert_int_equal(jmi_fit_window(ticks, tick_count, &lattice, edges, edge_count, 1, &fit),
                     JM_NO_DATA);
}

static void noise_and_quantum(void **state) {
    (void)state;
    tick_count = 2000;
    for (size_t i = 0; i < tick_count; i++)
        ticks[i].value = (i < 1000 ? 100 : 300) + round(3 * normal() * 10) / 10;
    assert_true(fabs(jmi_noise_of(ticks, tick_count) - 3) < 0.3); /* the step does not count */
    assert_true(fabs(jmi_quantum_of(ticks, tick_count) - 0.1) < 1e-9);
    assert_true(jmi_noise_of(ticks, 0) == 0 && jmi_quantum_of(ticks, 1) == 0);
}

static void edges_of_a_load_are_read_with_care(void **state) {
    (void)state;
    static const char text[] = "100,1\n200,0\n200,0\nnonsense\n\n150,1\n300,1\r\n400,2\n,1\n"
                               "99999999999999999999,0\n500,0";
    size_t count;
    jmi_edge *read = jmi_parse_edges(text, sizeof text - 1, &count);
    assert_int_equal(count, 4);
    assert_int_equal(read[0].t_ns, 100);
    assert_int_equal(read[1].t_ns, 200);
    assert_int_equal(read[2].t_ns, 300);
    assert_int_equal(read[3].t_ns, 500);
    assert_true(read[0].on && !read[1].on && read[2].on && !read[3].on);
    free(read);
    assert_null(jmi_parse_edges("", 0, &count));
    assert_int_equal(count, 0);
}

/* ---- the cache ---- */

static const jm_device board = {
    .name = "gpu0", .vendor = "", .model = "X", .uuid = "GPU-1", .pci = "", .driver = "550"};

static jm_sensor apply(const jmi_calibration_cache *cache, const jm_device *device) {
    jm_sensor sensor = {
        .source = "nvml power_instant", .refresh_ns = 1, .window_ns = 2, .noise = 3};
    jmi_calibration_apply(cache, device, "96.00", &sensor);
    return sensor;
}

static void what_is_kept_is_used(void **state) {
    (void)state;
    char *root = tree_new();
    char path[1024];
    snprintf(path, sizeof path, "%s/deep/er/calibration.json", root);
    jmi_calibration_cache *cache = jmi_calibration_cache_load(path);
    assert_null(jmi_calibration_cache_note(cache)); /* not there yet is no fault */
    jm_calibration c = {.device = "gpu0",
                        .uuid = "GPU-1",
                        .source = "nvml power_instant",
                        .refresh_s = 0.1012,
                        .window_s = 0.022,
                        .lag_s = 0.001,
                        .noise = 6,
                        .observer_w = NAN};
    assert_int_equal(jmi_calibration_cache_put(cache, "550", "96.00", &c), JM_OK);
    c.refresh_s = 0.1013;
    assert_int_equal(jmi_calibration_cache_put(cache, "550", "96.00", &c), JM_OK); /* replaces */
    c.refresh_s = 0.5; /* another VBIOS, another sensor */
    assert_int_equal(jmi_calibration_cache_put(cache, "550", "97.00", &c), JM_OK);
    jm_error error;
    assert_int_equal(jmi_calibration_cache_save(cache, path, &error), JM_OK);
    jmi_calibration_cache_free(cache);
    cache = jmi_calibration_cache_load(path);
    jm_sensor sensor = apply(cache, &board);
    assert_true(sensor.calibrated);
    assert_int_equal(sensor.refresh_ns, 101300000);
    assert_int_equal(sensor.window_ns, 22000000);
    assert_int_equal(sensor.lag_ns, 1000000);
    assert_true(sensor.noise == 6);
    jm_device other = board;
    other.driver = "560"; /* another driver, other semantics */
    assert_false(apply(cache, &other).calibrated);
    other = board;
    other.uuid = "GPU-2";
    assert_false(apply(cache, &other).calibrated);
    other = board;
    other.simulated = true;
    assert_false(apply(cache, &other).calibrated);
    jmi_calibration_cache_free(cache);
    tree_free(root);
}

static void passive_results_leave_the_window(void **state) {
    (void)state;
    jmi_calibration_cache *cache = jmi_calibration_cache_parse("{", 1);
    assert_non_null(jmi_calibration_cache_note(cache));
    jm_calibration c = {.device = "gpu0",
                        .uuid = "GPU-1",
                        .source = "nvml power_instant",
                        .refresh_s = 0.1,
                        .observer_w = 1};
    assert_int_equal(jmi_calibration_cache_put(cache, "550", "96.00", &c), JM_OK);
    jm_sensor sensor = apply(cache, &board);
    assert_true(sensor.calibrated);
    assert_int_equal(sensor.window_ns, 2); /* as in the table */
    assert_true(sensor.noise == 3);
    jmi_calibration_cache_free(cache);
}

static void damaged_caches_are_ignored(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"version\":2,\"sensors\":[]}",
        "{\"version\":1}",
        "{\"version\":1,\"sensors\":{}}",
        "{\"version\":1,\"sensors\":[1,\"x\",null,[]]}",
        "{\"version\":1,\"sensors\":[{\"uuid\":\"GPU-1\",\"driver\":\"550\","
        "\"source\":\"nvml power_instant\",\"refresh_s\":-1}]}",
        "{\"version\":1,\"sensors\":[{\"uuid\":\"GPU-1\",\"driver\":\"550\","
        "\"source\":\"nvml power_instant\",\"refresh_s\":1e300}]}",
        "{\"version\":1,\"sensors\":[{\"uuid\":\"GPU-1\",\"driver\":\"550\","
        "\"source\":\"nvml power_instant\",\"refresh_s\":\"0.1\"}]}",
    };
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        jmi_calibration_cache *cache = jmi_calibration_cache_parse(texts[i], strlen(texts[i]));
        jm_sensor sensor = apply(cache, &board);
        assert_false(sensor.calibrated);
        assert_int_equal(sensor.refresh_ns, 1);
        jmi_calibration_cache_free(cache);
    }
    assert_false(apply(NULL, &board).calibrated);
}

/* ---- whole calibrations ---- */

static char *folder;

static bool have_simgpu(void) {
    const char *library = getenv("JOULEMETER_SIMGPU_LIBRARY");
    return library != NULL && access(library, R_OK) == 0;
}

static int run(jm_calibrations **result, const char *spec, double seconds, const char *load,
               jm_error *error) {
    static char cache[1024];
    snprintf(cache, sizeof cache, "%s/joulemeter/calibration.json", folder);
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    jm_calibrate_options options = JM_CALIBRATE_OPTIONS_INIT;
    options.session = &session;
    session.root = folder;
    session.simulate = spec;
    options.seconds = seconds;
    options.load = load;
    options.cache = cache;
    return jm_calibrate(result, &options, error);
}

static jm_calibration get(const jm_calibrations *result, const char *source) {
    jm_calibration c = {.size = sizeof c};
    for (uint32_t i = 0; i < jm_calibrations_count(result); i++) {
        assert_int_equal(jm_calibrations_get(result, i, &c), JM_OK);
        if (strcmp(c.source, source) == 0) return c;
    }
    fail_msg("%s was not calibrated", source);
    return c;
}

static void a_board_that_is_its_own_load(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    jm_calibrations *result;
    jm_error error = {.status = 0};
    const char *spec = "a100,channel,instant.W=30ms,instant.T=97ms";
    assert_int_equal(run(&result, spec, 10, NULL, &error), JM_OK);
    /* Beside other programs, under a sanitizer, the ticks of a counter can be polled too late. */
    for (int more = 0; more < 2 && !(get(result, "nvml energy").refresh_s > 0); more++) {
        jm_calibrations_free(result);
        assert_int_equal(run(&result, spec, 10, NULL, &error), JM_OK);
    }
    jm_calibration c = get(result, "nvml power_instant");
    assert_true(fabs(c.refresh_s - 0.097) < 2e-4);
    assert_true(fabs(c.window_s - 0.030) < 0.003);
    assert_true(c.call_s > 0 && c.call_p99_s >= c.call_s && c.call_s < 1e-3);
    assert_true(c.ticks > 30);
    assert_true(get(result, "nvml energy").refresh_s > 0);
    assert_true(get(result, "nvml energy").window_s == 0);
    assert_int_equal(jm_calibrations_get(result, 1000, &c), JM_NOT_FOUND);
    jm_calibrations_free(result);
    /* The same board of another text is another one. */
    setenv("XDG_CACHE_HOME", folder, 1);
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.root = folder;
    options.simulate = "a100,constant:100";
    jmi_sensor_set *set;
    assert_int_equal(jmi_sensors_open(&set, &options, &error), JM_OK);
    assert_non_null(set->calibrations);
    for (size_t i = 0; i < set->sensor_count; i++) assert_false(set->sensors[i].calibrated);
    assert_string_equal(jmi_set_vbios(set, &set->devices[0]), "96.00.74.00.01");
    jmi_sensors_close(set);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
}

/* Nobody asked for them to be kept: the machine's own calibrations stay as they are. */
static void simulated_results_are_not_kept(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    char *root = tree_new(), path[1024];
    setenv("XDG_CACHE_HOME", root, 1);
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    jm_calibrate_options options = JM_CALIBRATE_OPTIONS_INIT;
    options.session = &session;
    options.seconds = 1.5;
    session.root = folder;
    session.simulate = "v100";
    jm_calibrations *result;
    jm_error error;
    assert_int_equal(jm_calibrate(&result, &options, &error), JM_OK);
    assert_true(get(result, "nvml power_instant").refresh_s > 0);
    jm_calibrations_free(result);
    assert_true(jmi_calibration_cache_path(path, sizeof path));
    assert_int_equal(access(path, F_OK), -1);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    tree_free(root);
}

/* Ten times what the table says of its kind. Its one period tells a window of 200 ms from one of
 * 110 ms only if the table's 10 ms is believed. */
static void a_board_slower_than_its_table(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    jm_calibrations *result;
    jm_error error = {.status = 0};
    assert_int_equal(run(&result, "v100,square:60:250:0.31,T=200ms,W=200ms", 5, NULL, &error),
                     JM_OK);
    jm_calibration c = get(result, "nvml power_instant");
    assert_true(fabs(c.refresh_s - 0.2) < 1e-3);
    assert_true(c.window_s == 0);
    jm_calibrations_free(result);
}

static void a_steady_board_gives_refresh_only(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    bool shows = false; /* that polling costs power; on a busy machine it is polled too seldom */
    for (int attempt = 0; attempt < 3 && !shows; attempt++) {
        jm_calibrations *result;
        jm_error error = {.status = 0};
        assert_int_equal(run(&result, "h100,constant:100,poll_power_w=0.5", 4, NULL, &error),
                         JM_OK);
        jm_calibration c = get(result, "nvml power_instant");
        assert_true(fabs(c.refresh_s - 0.1) < 1e-3);
        assert_true(c.window_s == 0);
        shows = c.observer_w > 1 && c.observer_w < 20;
        jm_calibrations_free(result);
    }
    assert_true(shows);
}

static void a_load_by_command(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    jm_calibrations *result;
    jm_error error = {.status = 0};
    /* Edges that have nothing to do with the board: nothing may be made of them. */
    assert_int_equal(run(&result, "h100,constant:100", 3,
                         "test -n \"$JOULEMETER_CALIBRATE_DEVICE\" || exit 1\n"
                         "n=0; while :; do n=$((n+100000000))\n"
                         "echo $n,1 >> $JOULEMETER_CALIBRATE_EDGES\n"
                         "echo $((n+50000000)),0 >> $JOULEMETER_CALIBRATE_EDGES\n"
                         "sleep 0.05; done",
                         &error),
                     JM_OK);
    assert_true(get(result, "nvml power_instant").window_s == 0);
    assert_true(isnan(get(result, "nvml power_instant").observer_w));
    jm_calibrations_free(result);
}

static void a_load_that_fails_says_so(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    static const struct {
        const char *load, *why;
    } loads[] = {{"false", "with exit code 1"},
                 {"true", "with exit code 0"},
                 {"sleep 0.7; exit 3", "with exit code 3"},
                 {"nothing-of-that-name 2>/dev/null", "with exit code 127"},
                 {"kill -SEGV $$", "ended by signal 11"}};
    for (size_t i = 0; i < JMI_COUNT(loads); i++) {
        jm_calibrations *result;
        jm_error error = {.status = 0};
        assert_int_equal(run(&result, "v100", 10, loads[i].load, &error), JM_NO_DATA);
        assert_null(result);
        if (strstr(error.message, loads[i].why) == NULL) fail_msg("%s", error.message);
    }
    /* These go on after their shell, or have done their part. */
    static const char *const well[] = {"sleep 30 &", "sleep 0.8"};
    for (size_t i = 0; i < JMI_COUNT(well); i++) {
        jm_calibrations *result;
        jm_error error = {.status = 0};
        if (run(&result, "v100", 1.5, well[i], &error) != JM_OK) fail_msg("%s", error.message);
        jm_calibrations_free(result);
    }
}

/* In a program of its own: what hangs holds all that is simulated there. */
static int calibrate_hanging(const char *spec) {
    jm_calibrations *result;
    jm_error error = {.status = 0};
    setenv("JOULEMETER_DRIVER_TIMEOUT_S", "0.3", 1);
    int status = run(&result, spec, 10, NULL, &error);
    bool said = strcmp(error.message, "the driver of gpu0 does not answer; nothing was kept") == 0;
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL); /* it may come back */
    return status == JM_HUNG && result == NULL && said ? 0 : 1;
}

/* For good, or until nobody waits any more. */
static void a_driver_that_hangs(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    assert_int_equal(run_scene("v100,fault=hang@400", NULL), 0);
    assert_int_equal(run_scene("v100,fault=hang@400:0.6", NULL), 0);
    assert_int_equal(run_scene("v100,fault=hang@3000:0.6", NULL), 0);
}

static int play(const char *spec) {
    int result = calibrate_hanging(spec);
    tree_free(folder);
    _exit(result); /* past the leak checker, which would find what is left on purpose */
}

static int stop_at_once(const char *step, double done, void *user) {
    assert_string_equal(step, "gpu0");
    assert_true(done >= 0 && done <= 1);
    return ++*(int *)user >= 3;
}

static void can_be_stopped(void **state) {
    (void)state;
    if (!have_simgpu()) skip();
    int calls = 0;
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    jm_calibrate_options options = JM_CALIBRATE_OPTIONS_INIT;
    options.session = &session;
    session.root = folder;
    session.simulate = "h100,constant:100";
    options.progress = stop_at_once;
    options.user = &calls;
    jm_calibrations *result;
    jm_error error;
    assert_int_equal(jm_calibrate(&result, &options, &error), JM_INTERRUPTED);
    assert_null(result);
    assert_int_equal(calls, 3);
}

static void nothing_to_calibrate_says_so(void **state) {
    (void)state;
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    jm_calibrate_options options = JM_CALIBRATE_OPTIONS_INIT;
    options.session = &session;
    jm_calibrations *result;
    jm_error error;
    session.root = folder;
    setenv("JOULEMETER_NVML_LIBRARY", "/nonexistent", 1);
    assert_int_equal(jm_calibrate(&result, &options, &error), JM_NO_DATA);
    unsetenv("JOULEMETER_NVML_LIBRARY");
    options.seconds = -1;
    assert_int_equal(jm_calibrate(&result, &options, &error), JM_INVALID);
    jm_calibrations_free(NULL);
    assert_int_equal(jm_calibrations_count(NULL), 0);
}

int main(int argc, char **argv) {
    unsetenv("CUDA_VISIBLE_DEVICES");
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    folder = tree_new();
    if (argc > 1) return play(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_refresh_window_and_lag),
        cmocka_unit_test(says_nothing_where_nothing_shows),
        cmocka_unit_test(one_period_is_not_enough),
        cmocka_unit_test(noise_and_quantum),
        cmocka_unit_test(edges_of_a_load_are_read_with_care),
        cmocka_unit_test(what_is_kept_is_used),
        cmocka_unit_test(passive_results_leave_the_window),
        cmocka_unit_test(damaged_caches_are_ignored),
        cmocka_unit_test(a_board_that_is_its_own_load),
        cmocka_unit_test(simulated_results_are_not_kept),
        cmocka_unit_test(a_board_slower_than_its_table),
        cmocka_unit_test(a_steady_board_gives_refresh_only),
        cmocka_unit_test(a_load_by_command),
        cmocka_unit_test(a_load_that_fails_says_so),
        cmocka_unit_test(a_driver_that_hangs),
        cmocka_unit_test(can_be_stopped),
        cmocka_unit_test(nothing_to_calibrate_says_so),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tree_free(folder);
    return failed;
}
