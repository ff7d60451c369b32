/* Estimates: sums of the model's watts, weighted by time, flagged and widened where they must be.
 */
#include "tables.h"

#include <jansson.h>

#define ROW(id, kernel, ns) WIDE_ROW(id, "4242", "app", kernel, "0", "Tesla V100", ns)

static const char text[] =
    WIDE_HEAD WIDE_UNITS ROW("0", "first", "1,000,000") ROW("1", "second", "3,000,000");

static jm_power_model *model;

static int load(void **state) {
    (void)state;
    return jm_power_model_shipped(&model, NULL);
}

static int unload(void **state) {
    (void)state;
    jm_power_model_free(model);
    return 0;
}

static double watts(jm_activity activity) {
    return jm_power_model_watts(model, JM_POWER_AVERAGE, activity);
}

static jm_estimate *estimate_on(const jm_profile *profile, const char *board) {
    jm_estimate_options options = JM_ESTIMATE_OPTIONS_INIT;
    jm_estimate *estimate = NULL;
    jm_error error = {0};
    options.board = board;
    if (jm_estimate_open(&estimate, profile, model, &options, &error) != JM_OK)
        fail_msg("%s", error.message);
    return estimate;
}

static jm_estimated kernel(const jm_estimate *e, uint32_t index, jm_power_kind kind) {
    jm_estimated out = {.size = sizeof out};
    assert_int_equal(jm_estimate_kernel(e, index, kind, &out), JM_OK);
    return out;
}

static jm_estimated program(const jm_estimate *e, jm_power_kind kind) {
    jm_estimated out = {.size = sizeof out};
    assert_int_equal(jm_estimate_program(e, kind, &out), JM_OK);
    return out;
}

static void watts_add_up(void **state) {
    (void)state;
    jm_profile *profile = read_text(text, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    jm_power_errors errors = {.size = sizeof errors};
    jm_estimated p = kernel(e, 0, JM_POWER_AVERAGE);
    double sum = 0;
    double expected = watts(JM_ACTIVITY_CONSTANT) + 0.75 * watts(JM_ACTIVITY_SM_ACTIVE) +
                      0.3 * watts(JM_ACTIVITY_PIPES) + 0.5 * watts(JM_ACTIVITY_L2) +
                      0.5 * watts(JM_ACTIVITY_DRAM);
    assert_near(p.power_w, expected);
    assert_near(p.energy_j, expected * 1e-3);
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        double share = jm_estimate_share(e, 0, (jm_activity)a);
        if (share > 0) sum += share;
    }
    assert_near(sum, expected);
    /* L2 at 0.5 is beyond 0.3, the most in training: said, and the interval is wider. */
    jm_power_model_errors(model, JM_POWER_AVERAGE, &errors);
    assert_true(p.flags & JM_ESTIMATE_OUTSIDE);
    assert_string_equal(p.outside, "l2");
    assert_true(p.upper_w > p.power_w * (1 + 1.2 * errors.half_width_pct / 100));
    jm_estimate_free(e);
    jm_profile_free(profile);
}

/* dram: 450 MB in 1 ms, and in 3 ms. */
static void a_program_is_weighted_by_time(void **state) {
    (void)state;
    jm_profile *profile = read_text(text, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    jm_estimated a = kernel(e, 0, JM_POWER_AVERAGE), b = kernel(e, 1, JM_POWER_AVERAGE);
    jm_estimated p = program(e, JM_POWER_AVERAGE);
    assert_true(a.power_w > b.power_w + 1);
    assert_near(p.power_w, (a.power_w + 3 * b.power_w) / 4);
    assert_near(p.lower_w, (a.lower_w + 3 * b.lower_w) / 4);
    assert_near(p.energy_j, a.energy_j + b.energy_j);
    assert_near(program(e, JM_POWER_MIN).power_w, b.power_w);
    assert_near(program(e, JM_POWER_PEAK).power_w, a.power_w);
    assert_true(program(e, JM_POWER_PEAK).flags & JM_ESTIMATE_BY_KERNELS);
    assert_false(p.flags & JM_ESTIMATE_BY_KERNELS);
    assert_true(isnan(program(e, JM_POWER_PEAK).energy_j));
    /* The interval of means is not theirs. */
    assert_true(isnan(program(e, JM_POWER_PEAK).lower_w + program(e, JM_POWER_PEAK).upper_w));
    assert_true(isnan(kernel(e, 0, JM_POWER_MIN).lower_w + kernel(e, 0, JM_POWER_MIN).upper_w));
    jm_estimate_free(e);
    jm_profile_free(profile);
}

static void another_board_is_scaled_and_said(void **state) {
    (void)state;
    jm_profile *profile = read_text(text, JM_OK);
    jm_estimate *own = estimate_on(profile, NULL), *sxm = estimate_on(profile, "V100-SXM2-16GB");
    jm_estimate *h100 = estimate_on(profile, "NVIDIA H100 80GB HBM3");
    jm_estimated a = kernel(own, 1, JM_POWER_AVERAGE), b = kernel(sxm, 1, JM_POWER_AVERAGE);
    jm_estimated c = kernel(h100, 1, JM_POWER_AVERAGE);
    jm_board board = {.size = sizeof board};
    assert_false(a.flags & JM_ESTIMATE_OTHER_BOARD);
    assert_true(b.flags & c.flags & JM_ESTIMATE_OTHER_BOARD);
    assert_near(b.power_w, a.power_w); /* the same chip */
    assert_true(b.upper_w > a.upper_w);
    assert_true(c.power_w > 1.5 * a.power_w && c.power_w < 700);
    assert_true(c.upper_w / c.power_w > b.upper_w / b.power_w);
    assert_int_equal(jm_estimate_board(h100, 1, &board), JM_OK);
    assert_string_equal(board.name, "H100 SXM");
    jm_estimate_free(own);
    jm_estimate_free(sxm);
    jm_estimate_free(h100);
    jm_profile_free(profile);
}

static void expect(const char *csv, const char *board, int status, const char *words) {
    jm_profile *profile = read_text(csv, JM_OK);
    jm_estimate_options options = JM_ESTIMATE_OPTIONS_INIT;
    jm_estimate *e = (void *)1;
    jm_error error = {0};
    options.board = board;
    int got = jm_estimate_open(&e, profile, model, &options, &error);
    if (got != status || strstr(error.message, words) == NULL)
        fail_msg("%s: %s", jm_status_name(got), error.message);
    assert_null(e);
    jm_profile_free(profile);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    expect(
        "ID,Kernel Name,gpu__time_duration.sum\n,,second\n0,k,1\n", NULL, JM_NO_DATA,
        "sm_active (smsp__cycles_active.avg.pct_of_peak_sustained_elapsed); pipes (sm__pipe_alu");
    expect(text, "Voodoo", JM_NOT_FOUND, "'Voodoo' are not known");
    expect(WIDE_HEAD WIDE_UNITS WIDE_ROW("0", "1", "a", "k", "0", "Riva TNT", "1"), NULL,
           JM_NOT_FOUND, "'Riva TNT' are not known");
}

static void a_details_page_is_approximate_and_no_duration_unweighted(void **state) {
    (void)state;
    static const char details[] =
        "ID,Kernel Name,Elapsed Cycles,SM Active Cycles,Executed Ipc Elapsed,DRAM Throughput,"
        "L2 Cache Throughput\n,,cycle,cycle,inst/cycle,%,%\n0,k,1000,900,1.5,50,20\n";
    jm_profile *profile = read_text(details, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    jm_estimated p = program(e, JM_POWER_AVERAGE);
    assert_true(p.flags & JM_ESTIMATE_APPROXIMATE);
    assert_true(p.flags & JM_ESTIMATE_UNWEIGHTED);
    assert_true(isnan(p.energy_j));
    assert_true(p.power_w > 100 && p.power_w < 300);
    jm_estimate_free(e);
    jm_profile_free(profile);
}

/* One cell of one launch does not fail the rest, and is named. */
#define LESS(id, kernel, alu, ns)                                                                  \
    "\"" id "\",\"1\",\"app\",\"h\",\"" kernel                                                     \
    "\",\"1\",\"7\",\"(1, 1, 1)\",\"(1, 1, 1)\",\"0\",\"7.0\","                                    \
    "\"Tesla V100\",\"" ns "\",\"80,000,000\",\"1,000,000\",\"75.00\",\"" alu                      \
    "\",\"40,000,000\",\"0\",\"0\",\"0\",\"30,000,000\",\"10,000,000\",\"400,000,000\","           \
    "\"50,000,000\"\n"

static void a_kernel_that_lacks_a_metric_is_left_out(void **state) {
    (void)state;
    static const char some[] =
        WIDE_HEAD WIDE_UNITS ROW("0", "good", "1,000,000") LESS("1", "bad", "n/a", "5,000,000");
    jm_profile *profile = read_text(some, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    jm_estimated good = kernel(e, 0, JM_POWER_AVERAGE), bad = kernel(e, 1, JM_POWER_AVERAGE);
    jm_estimated all = program(e, JM_POWER_AVERAGE);
    assert_true(isnan(bad.power_w + bad.lower_w + bad.upper_w + bad.energy_j));
    assert_true(bad.flags & all.flags & JM_ESTIMATE_INCOMPLETE);
    assert_false(good.flags & JM_ESTIMATE_INCOMPLETE);
    assert_false(all.flags & JM_ESTIMATE_APPROXIMATE);
    assert_non_null(strstr(bad.missing, "pipes (sm__pipe_alu_cycles_active.sum"));
    assert_non_null(
        strstr(all.missing, "of the kernel bad: pipes (sm__pipe_alu_cycles_active.sum"));
    assert_near(all.power_w, good.power_w);
    assert_near(all.energy_j, good.energy_j);
    assert_near(program(e, JM_POWER_PEAK).power_w, good.power_w);
    assert_true(isnan(jm_estimate_share(e, 1, JM_ACTIVITY_PIPES)));
    char *csv, *json;
    assert_int_equal(jm_estimate_predictions_csv(e, &csv, NULL), JM_OK);
    assert_non_null(strstr(csv, "\napp,bad,0.005,avg,,,,,,,incomplete,,1,0,Tesla V100\n"));
    assert_int_equal(jm_estimate_json(e, &json, NULL), JM_OK);
    assert_non_null(strstr(json, "\"missing\": \"of the kernel bad: pipes"));
    jm_free(csv);
    jm_free(json);
    jm_estimate_free(e);
    jm_profile_free(profile);
}

/* Bytes without a time are no rate: it is the time that is missing. */
static void a_missing_duration_is_named(void **state) {
    (void)state;
    static const char some[] =
        WIDE_HEAD WIDE_UNITS ROW("0", "good", "1,000,000") LESS("1", "untimed", "1", "n/a");
    expect(WIDE_HEAD WIDE_UNITS LESS("0", "k", "1", "n/a"), NULL, JM_NO_DATA,
           "missing in the profile: dram (gpu__time_duration.sum)");
    jm_profile *profile = read_text(some, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    assert_string_equal(kernel(e, 1, JM_POWER_AVERAGE).missing, "dram (gpu__time_duration.sum)");
    assert_near(program(e, JM_POWER_AVERAGE).power_w, kernel(e, 0, JM_POWER_AVERAGE).power_w);
    jm_estimate_free(e);
    jm_profile_free(profile);
}

static const char shares[] =
    "ID,Kernel Name,Device,CC,smsp__cycles_active.avg.pct_of_peak_sustained_elapsed,"
    "sm__inst_executed.avg.per_cycle_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,"
    "lts__throughput.avg.pct_of_peak_sustained_elapsed,gpu__time_duration.sum\n"
    ",,,,%,inst/cycle,%,%,second\n";

static jm_estimate *estimate_shares(jm_profile **profile, const char *rows, const char *board) {
    char csv[2048];
    snprintf(csv, sizeof csv, "%s%s", shares, rows);
    *profile = read_text(csv, JM_OK);
    return estimate_on(*profile, board);
}

/* Without any durations launches are counted; where some have one, those do. */
static void launches_count_where_there_is_no_time(void **state) {
    (void)state;
    jm_profile *profile;
    jm_estimate *e =
        estimate_shares(&profile,
                        "0,a,0,7.0,90,1,10,10,\n1,a,0,7.0,90,1,10,10,\n2,a,0,7.0,90,1,10,10,\n"
                        "3,b,0,7.0,20,1,80,10,\n",
                        "v100");
    double a = kernel(e, 0, JM_POWER_AVERAGE).power_w, b = kernel(e, 1, JM_POWER_AVERAGE).power_w;
    jm_estimated all = program(e, JM_POWER_AVERAGE);
    assert_near(all.power_w, (3 * a + b) / 4);
    assert_true(all.flags & JM_ESTIMATE_UNWEIGHTED);
    assert_false(all.flags & JM_ESTIMATE_UNTIMED);
    assert_true(isnan(all.energy_j));
    jm_estimate_free(e);
    jm_profile_free(profile);
    e = estimate_shares(&profile,
                        "0,a,0,7.0,90,1,10,10,2\n1,a,0,7.0,90,1,10,10,\n"
                        "2,b,0,7.0,20,1,80,10,\n",
                        "v100");
    all = program(e, JM_POWER_AVERAGE);
    assert_near(all.power_w, kernel(e, 0, JM_POWER_AVERAGE).power_w);
    assert_near(all.energy_j, 2 * all.power_w);
    assert_true(all.flags & JM_ESTIMATE_UNTIMED);
    assert_false(all.flags & JM_ESTIMATE_UNWEIGHTED);
    jm_estimate_free(e);
    jm_profile_free(profile);
}

static void what_no_board_can_do_is_said(void **state) {
    (void)state;
    jm_profile *profile;
    jm_estimate *e = estimate_shares(
        &profile, "0,sane,0,7.0,90,1,90,10,1\n1,wild,0,7.0,90,9,1000,10,1\n", "v100");
    assert_false(kernel(e, 0, JM_POWER_AVERAGE).flags & JM_ESTIMATE_IMPOSSIBLE);
    jm_estimated p = kernel(e, 1, JM_POWER_AVERAGE);
    assert_true(p.flags & program(e, JM_POWER_AVERAGE).flags & JM_ESTIMATE_IMPOSSIBLE);
    assert_string_equal(p.impossible, "pipes issue dram power");
    assert_string_equal(program(e, JM_POWER_PEAK).impossible,
                        "of the kernel wild: pipes issue dram power");
    jm_estimate_free(e);
    jm_profile_free(profile);
}

/* A profile without a name of its board is not silently the model's. */
static void a_board_without_a_name(void **state) {
    (void)state;
    static const struct {
        const char *device, *board;
    } found[] = {{"0,7.0", "Tesla V100"}, {",", "Tesla V100"}, {"0,6.0", ""},
                 {"0,9.0", ""},           {"0,8.0", ""},       {"0,12.0", "GeForce RTX 5090"},
                 {"0,12.1", ""},          {"0,10.0", "B200"}};
    for (size_t i = 0; i < JMI_COUNT(found); i++) {
        char csv[2048], line[128];
        jm_profile *profile;
        snprintf(line, sizeof line, "0,k,%s,90,1,50,20,1\n", found[i].device);
        snprintf(csv, sizeof csv, "%s%s", shares, line);
        if (found[i].board[0] == '\0') {
            expect(csv, NULL, JM_NOT_FOUND, "the profile does not name its board");
            continue;
        }
        jm_board board = {.size = sizeof board};
        jm_estimate *e = estimate_shares(&profile, line, NULL);
        jm_estimated p = kernel(e, 0, JM_POWER_AVERAGE);
        assert_int_equal(jm_estimate_board(e, 0, &board), JM_OK);
        assert_string_equal(board.name, found[i].board);
        assert_true(p.flags & JM_ESTIMATE_BOARD_ASSUMED);
        jm_estimate *named = estimate_on(profile, "v100");
        jm_estimated q = kernel(named, 0, JM_POWER_AVERAGE);
        assert_false(q.flags & JM_ESTIMATE_BOARD_ASSUMED);
        assert_true(1 - p.lower_w / p.power_w > 1.2 * (1 - q.lower_w / q.power_w));
        jm_estimate_free(named);
        jm_estimate_free(e);
        jm_profile_free(profile);
    }
    expect(WIDE_HEAD WIDE_UNITS ROW("0", "k", "1"), "GeForce RTX 3080 Laptop GPU", JM_NOT_FOUND,
           "are not known; there are: GeForce RTX 3080");
}

static void texts(void **state) {
    (void)state;
    static const char odd[] = WIDE_HEAD WIDE_UNITS ROW("0", "k<\"\"a\"\", b>\xFF", "1,000,000");
    jm_profile *profile = read_text(odd, JM_OK);
    jm_estimate *e = estimate_on(profile, NULL);
    char *csv, *json;
    assert_int_equal(jm_estimate_features_csv(e, "my,program", &csv, NULL), JM_OK);
    assert_non_null(strstr(csv, "\n\"my,program\",\"k<\"\"a\"\", b>\xFF\",Tesla V100,1,0.001,,"));
    jm_free(csv);
    assert_int_equal(jm_estimate_predictions_csv(e, &csv, NULL), JM_OK);
    assert_non_null(strstr(csv, "\n,,0.001,peak,"));
    assert_non_null(strstr(csv, ",outside by_kernels,l2,,,\n"));
    jm_free(csv);
    assert_int_equal(jm_estimate_json(e, &json, NULL), JM_OK);
    json_t *root = json_loads(json, 0, NULL);
    assert_non_null(root);
    json_t *first = json_array_get(json_object_get(root, "kernels"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "kernel")), "k<\"a\", b>?");
    json_decref(root);
    jm_free(json);
    jm_estimate_free(e);
    jm_profile_free(profile);
}

static void nothing_is_legal(void **state) {
    (void)state;
    jm_estimated out = {.size = sizeof out};
    jm_estimate *e;
    char *csv;
    jm_estimate_free(NULL);
    assert_int_equal(jm_estimate_open(&e, NULL, model, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_estimate_kernel(NULL, 0, JM_POWER_AVERAGE, &out), JM_INVALID);
    assert_int_equal(jm_estimate_program(NULL, JM_POWER_AVERAGE, &out), JM_INVALID);
    assert_int_equal(jm_estimate_json(NULL, &csv, NULL), JM_INVALID);
    assert_true(isnan(jm_estimate_share(NULL, 0, JM_ACTIVITY_DRAM)));
    jm_profile *profile;
    jm_profile_new(&profile, NULL);
    assert_int_equal(jm_estimate_open(&e, profile, model, NULL, NULL), JM_NO_DATA);
    jm_profile_free(profile);
}

/* The shipped model with fits of min and peak that are as given times the mean's. */
static jm_power_model *with_kinds(double least, double most) {
    char *json;
    assert_int_equal(jm_power_model_json(model, &json, NULL), JM_OK);
    json_t *root = json_loads(json, 0, NULL), *power = json_object_get(root, "power"), *value;
    jm_free(json);
    for (int i = 0; i < 2; i++) {
        const char *name;
        json_t *fit = json_deep_copy(json_object_get(power, "avg"));
        json_t *watts = json_object_get(fit, "watts");
        json_object_foreach(watts, name, value) {
            json_object_set_new(watts, name,
                                json_real(json_number_value(value) * (i == 0 ? least : most)));
        }
        json_object_set_new(power, i == 0 ? "min" : "peak", fit);
    }
    json = json_dumps(root, 0);
    json_decref(root);
    jm_power_model *changed = NULL;
    assert_int_equal(jm_power_model_parse(&changed, json, strlen(json), NULL), JM_OK);
    free(json);
    return changed;
}

/* A least power above the mean, or a peak below it, is none. */
static void min_mean_and_peak_are_in_order(void **state) {
    (void)state;
    static const double factors[2][2] = {{0.8, 1.3}, {1.2, 0.7}};
    jm_profile *profile = read_text(text, JM_OK);
    for (int i = 0; i < 2; i++) {
        jm_power_model *kinds = with_kinds(factors[i][0], factors[i][1]);
        jm_estimate *e = NULL;
        assert_int_equal(jm_estimate_open(&e, profile, kinds, NULL, NULL), JM_OK);
        double mean = kernel(e, 0, JM_POWER_AVERAGE).power_w;
        double least = i == 0 ? 0.8 * mean : mean, most = i == 0 ? 1.3 * mean : mean;
        double all = program(e, JM_POWER_AVERAGE).power_w;
        assert_true(program(e, JM_POWER_MIN).power_w <= all);
        assert_true(program(e, JM_POWER_PEAK).power_w >= all);
        assert_near(kernel(e, 0, JM_POWER_MIN).power_w, least);
        assert_near(kernel(e, 0, JM_POWER_PEAK).power_w, most);
        jm_estimate_free(e);
        jm_power_model_free(kinds);
    }
    jm_profile_free(profile);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watts_add_up),
        cmocka_unit_test(min_mean_and_peak_are_in_order),
        cmocka_unit_test(a_program_is_weighted_by_time),
        cmocka_unit_test(another_board_is_scaled_and_said),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_details_page_is_approximate_and_no_duration_unweighted),
        cmocka_unit_test(a_kernel_that_lacks_a_metric_is_left_out),
        cmocka_unit_test(a_missing_duration_is_named),
        cmocka_unit_test(launches_count_where_there_is_no_time),
        cmocka_unit_test(what_no_board_can_do_is_said),
        cmocka_unit_test(a_board_without_a_name),
        cmocka_unit_test(texts),
        cmocka_unit_test(nothing_is_legal),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
