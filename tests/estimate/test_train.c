/* Training on rows whose truth is known, and validation that does not look at what it leaves out.
 */
#include "estimate/model.h"

#include "tables.h"

#include <unistd.h>

static uint64_t seed = 7;

static double uniform(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(void) {
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += uniform();
    return sum;
}

typedef struct row {
    char program[16];
    double sm, pipes, l2, dram, tensor, watts;
} row;

static const double truth[6] = {60, 40, 90, 15, 30, 70}; /* constant, sm, pipes, l2, dram, tensor */

static row random_row(int program, double noise) {
    row r = {.sm = 0.3 + 0.7 * uniform(),
             .pipes = uniform(),
             .l2 = 0.5 * uniform(),
             .dram = uniform(),
             .tensor = uniform() < 0.5 ? 0 : uniform()};
    snprintf(r.program, sizeof r.program, "p%d", program);
    r.watts = (truth[0] + truth[1] * r.sm + truth[2] * r.pipes + truth[3] * r.l2 +
               truth[4] * r.dram + truth[5] * r.tensor) *
              (1 + noise * normal());
    return r;
}

static void write_rows(char *path, const row *rows, size_t count, bool kinds) {
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fprintf(out,
            "program,kernel,board,duration_s,power_avg_w%s,sm_active,pipes,l2,dram,tensor,"
            "nvlink\n",
            kinds ? ",power_min_w,power_peak_w" : "");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s,\"k,%zu\",Tesla V100,1,%.9g", rows[i].program, i, rows[i].watts);
        if (kinds) fprintf(out, ",%.9g,%.9g", 0.8 * rows[i].watts, 1.1 * rows[i].watts);
        fprintf(out, ",%.9g,%.9g,%.9g,%.9g,%.9g,\n", rows[i].sm, rows[i].pipes, rows[i].l2,
                rows[i].dram, rows[i].tensor);
    }
    fclose(out);
}

static jm_power_model *train(const row *rows, size_t count, bool kinds) {
    char path[] = "/tmp/jm-rows-XXXXXX";
    jm_power_model *model = NULL;
    jm_error error = {0};
    write_rows(path, rows, count, kinds);
    int status = jm_power_model_train(&model, path, NULL, &error);
    unlink(path);
    if (status != JM_OK) fail_msg("%s", error.message);
    return model;
}

static void exact_rows_give_exact_watts(void **state) {
    (void)state;
    row rows[60];
    jm_power_errors e = {.size = sizeof e};
    for (int i = 0; i < 60; i++) rows[i] = random_row(i / 3, 0);
    jm_power_model *model = train(rows, 60, true);
    static const jm_activity which[] = {JM_ACTIVITY_CONSTANT, JM_ACTIVITY_SM_ACTIVE,
                                        JM_ACTIVITY_PIPES,    JM_ACTIVITY_L2,
                                        JM_ACTIVITY_DRAM,     JM_ACTIVITY_TENSOR};
    for (size_t i = 0; i < 6; i++) {
        double watts = jm_power_model_watts(model, JM_POWER_AVERAGE, which[i]);
        if (fabs(watts - truth[i]) > 0.01) fail_msg("%s: %g", jm_activity_name(which[i]), watts);
        assert_true(fabs(jm_power_model_watts(model, JM_POWER_MIN, which[i]) - 0.8 * truth[i]) <
                    0.01);
        assert_true(fabs(jm_power_model_watts(model, JM_POWER_PEAK, which[i]) - 1.1 * truth[i]) <
                    0.01);
    }
    assert_true(isnan(jm_power_model_watts(model, JM_POWER_AVERAGE, JM_ACTIVITY_NVLINK)));
    jm_power_model_errors(model, JM_POWER_AVERAGE, &e);
    assert_true(e.trained && e.rows == 60 && e.programs == 20);
    assert_true(e.program_pct < 0.01 && e.kernel_pct < 0.01);
    jm_power_model_free(model);
}

/* Power of the program that is left out plays no part in its estimate, nor in its interval. */
static void what_is_left_out_is_not_seen(void **state) {
    (void)state;
    row rows[40];
    jm_power_fold before = {.size = sizeof before}, after = {.size = sizeof after};
    for (int i = 0; i < 40; i++) rows[i] = random_row(i / 2, 0.1);
    jm_power_model *model = train(rows, 40, false);
    assert_int_equal(jm_power_model_fold(model, JM_POWER_AVERAGE, 10, &before), JM_OK);
    assert_int_equal(jm_power_model_fold(model, JM_POWER_AVERAGE, 40, &after), JM_NOT_FOUND);
    assert_int_equal(jm_power_model_fold(model, JM_POWER_MIN, 0, &after), JM_NOT_FOUND);
    rows[10].watts *= 3;
    rows[11].watts /= 2;
    jm_power_model *changed = train(rows, 40, false);
    jm_power_model_fold(changed, JM_POWER_AVERAGE, 10, &after);
    assert_string_equal(after.program, "p5");
    assert_string_equal(after.kernel, "k,10");
    assert_near(after.program_w, before.program_w);
    assert_near(after.lower_w, before.lower_w);
    assert_near(after.upper_w, before.upper_w);
    assert_true(fabs(after.measured_w / before.measured_w - 3) < 1e-6);
    assert_true(after.kernel_w != before.kernel_w); /* its other row was seen there */
    jm_power_model_free(model);
    jm_power_model_free(changed);
}

static bool holds(const jm_power_model *model, const row *r) {
    double x[JM_ACTIVITY_COUNT] = {0};
    x[JM_ACTIVITY_CONSTANT] = 1;
    x[JM_ACTIVITY_SM_ACTIVE] = r->sm;
    x[JM_ACTIVITY_PIPES] = r->pipes;
    x[JM_ACTIVITY_L2] = r->l2;
    x[JM_ACTIVITY_DRAM] = r->dram;
    x[JM_ACTIVITY_TENSOR] = r->tensor;
    double w = jmi_fit_predict(model->fit[JM_POWER_AVERAGE].watts, x);
    return fabs(r->watts - w) <= model->fit[JM_POWER_AVERAGE].half_width * w;
}

/* On fresh rows of the same kind the intervals hold 95 %. */
static void intervals_hold(void **state) {
    (void)state;
    size_t held = 0, of = 0;
    enum { MODELS = 20, ROWS = 40, FRESH = 200 };
    for (int m = 0; m < MODELS; m++) {
        row rows[ROWS];
        for (int i = 0; i < ROWS; i++) rows[i] = random_row(i, 0.08);
        jm_power_model *model = train(rows, ROWS, false);
        for (int i = 0; i < FRESH; i++, of++) {
            row r = random_row(0, 0.08);
            held += holds(model, &r);
        }
        jm_power_model_free(model);
    }
    double share = (double)held / (double)of;
    if (share < 0.93 || share > 0.985) fail_msg("%.1f %% in the 95 %% interval", 100 * share);
}

static double worst_left_out(const jm_power_model *model, uint32_t index) {
    jm_power_fold fold = {.size = sizeof fold};
    assert_int_equal(jm_power_model_fold(model, JM_POWER_AVERAGE, index, &fold), JM_OK);
    return fabs(fold.measured_w - fold.program_w) / fold.program_w;
}

/* Rows of a program err alike: 60 rows of 17 programs bear out less than 95 %, and the width is
 * beyond the worst that was seen. */
static void few_programs_are_few_however_many_rows(void **state) {
    (void)state;
    row rows[60];
    jm_power_errors e = {.size = sizeof e};
    double worst = 0;
    for (int i = 0; i < 60; i++) rows[i] = random_row(i % 17, 0.1);
    jm_power_model *model = train(rows, 60, false);
    jm_power_model_errors(model, JM_POWER_AVERAGE, &e);
    for (uint32_t i = 0; i < 60; i++) worst = fmax(worst, worst_left_out(model, i));
    assert_near(e.sure_pct, 100.0 * 17 / 18);
    assert_true(e.half_width_pct >= 1.02 * 100 * worst);
    jm_power_model_free(model);
}

/* On fresh programs, whose rows share an error of their own, the intervals hold all rows of 95 %.
 */
static void intervals_hold_whole_programs(void **state) {
    (void)state;
    size_t held = 0;
    enum { MODELS = 30, PROGRAMS = 20, ROWS = 4, FRESH = 100 };
    for (int m = 0; m < MODELS; m++) {
        row rows[PROGRAMS * ROWS];
        double own[PROGRAMS];
        for (int g = 0; g < PROGRAMS; g++) own[g] = 1 + 0.08 * normal();
        for (int i = 0; i < PROGRAMS * ROWS; i++) {
            rows[i] = random_row(i / ROWS, 0.03);
            rows[i].watts *= own[i / ROWS];
        }
        jm_power_model *model = train(rows, PROGRAMS * ROWS, false);
        for (int i = 0; i < FRESH; i++) {
            double extra = 1 + 0.08 * normal();
            bool all = true;
            for (int j = 0; j < ROWS; j++) {
                row r = random_row(0, 0.03);
                r.watts *= extra;
                all &= holds(model, &r);
            }
            held += all;
        }
        jm_power_model_free(model);
    }
    double share = (double)held / (MODELS * FRESH);
    if (share < 0.93 || share > 0.985) fail_msg("%.1f %% of programs are held", 100 * share);
}

/* Where there is nothing to learn, the model is about as wrong as the mean, and says so. */
static void noise_is_not_learnt(void **state) {
    (void)state;
    row rows[60];
    jm_power_errors e = {.size = sizeof e};
    for (int i = 0; i < 60; i++) {
        rows[i] = random_row(i / 2, 0);
        rows[i].watts = 150 * (1 + 0.2 * normal());
    }
    jm_power_model *model = train(rows, 60, false);
    jm_power_model_errors(model, JM_POWER_AVERAGE, &e);
    assert_true(e.program_pct > 10 && e.program_pct < 1.3 * e.program_mean_pct);
    assert_true(e.half_width_pct > 25);
    jm_power_model_free(model);
}

static void expect(const char *csv, const char *board, int status, const char *words) {
    char path[] = "/tmp/jm-rows-XXXXXX";
    jm_power_model *model = (void *)1;
    jm_error error = {0};
    jm_train_options options = JM_TRAIN_OPTIONS_INIT;
    options.board = board;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, csv, strlen(csv)), strlen(csv));
    close(fd);
    int got = jm_power_model_train(&model, path, &options, &error);
    unlink(path);
    if (got != status || strstr(error.message, words) == NULL)
        fail_msg("%s: %s", jm_status_name(got), error.message);
    assert_null(model);
}

#define HEAD "program,kernel,board,power_avg_w,pipes\n"

static void wrong_rows_are_named(void **state) {
    (void)state;
    expect("", NULL, JM_FORMAT, "is empty");
    expect("\xEF\xBB\xBFprogram,kernel,power_avg_w\np,k,hot\n", NULL, JM_FORMAT,
           "line 2: 'hot' cannot be power_avg_w"); /* the header was read */
    expect("program;kernel;power_avg_w\np;k;1\n", NULL, JM_FORMAT, "with commas between them");
    expect("a,b\n1,2\n", NULL, JM_FORMAT, "program, kernel and power_avg_w must be there");
    expect(HEAD "p,k,V100,1\n", NULL, JM_FORMAT, "line 2: 4 fields, not 5");
    expect(HEAD "p,k,V100,hot,1\n", NULL, JM_FORMAT, "line 2: 'hot' cannot be power_avg_w");
    expect(HEAD "p,k,V100,0,1\n", NULL, JM_FORMAT, "line 2: '0' cannot be power_avg_w");
    expect(HEAD "p,k,V100,100,-1\n", NULL, JM_FORMAT, "line 2: '-1' cannot be pipes");
    expect(HEAD "p,k,V100,100,1e9\n", NULL, JM_FORMAT, "line 2: '1e9' cannot be pipes");
    expect(HEAD "p,k,V100,\"150,250\",1\n", NULL, JM_FORMAT,
           "line 2: '150,250' cannot be power_avg_w: decimals are written with a point");
    expect(HEAD "p,k,V100,100,\"0,123\"\n", NULL, JM_FORMAT, "line 2: '0,123' cannot be pipes");
    expect("program,kernel,power_avg_w,power_min_w\np,k,100,100.5\np,k,100,102\n", NULL, JM_FORMAT,
           "line 3: power_min_w is 102 W, but power_avg_w 100 W");
    expect("program,kernel,power_avg_w,power_peak_w\np,k,100,99.5\np,k,100,97\n", NULL, JM_FORMAT,
           "line 3: power_peak_w is 97 W, but power_avg_w 100 W");
    expect(HEAD "p,k,V100,100,1\np,k,A100,100,1\n", NULL, JM_FORMAT, "rows of two boards");
    expect("program,kernel,power_avg_w,power_avg_w\np,k,1,1\n", NULL, JM_FORMAT, "there twice");
    expect("program,kernel,power_avg_w\np,k,1\n", NULL, JM_INVALID, "does not tell the board");
    expect(HEAD "p,k,Voodoo 2,100,1\n", NULL, JM_NOT_FOUND, "'Voodoo 2' are not known");
    expect(HEAD "p,k,V100,100,1\nq,k,V100,100,1\n", NULL, JM_NO_DATA,
           "2 rows of 2 programs are too few");
    expect(HEAD "p,k,V100,100,1\n", "a100", JM_INVALID,
           "has rows of a Tesla V100 and not of a board A100-SXM4-40GB");
    expect(HEAD "p,k,V100,100,1\n", "v100 pcie", JM_NO_DATA, "too few");
    expect(HEAD "p,k,Voodoo 2,100,1\n", "a100", JM_NO_DATA, "too few");
}

/* 20 rows of 10 programs; `l1` of the rows i where i % every is `at` is empty. */
static jm_power_model *train_incomplete(int every, int at) {
    jmi_text text = {0};
    char path[] = "/tmp/jm-rows-XXXXXX";
    jm_power_model *model;
    jmi_text_add(&text, "program,kernel,board,power_avg_w,pipes,l1,shared\n");
    for (int i = 0; i < 20; i++)
        jmi_text_add(&text, "p%d,k,V100,%d,0.%02d,%s,0\n", i / 2, 100 + i, 2 * i + 10,
                     i % every == at ? "n/a"
                     : i % 3 == 0    ? "0.5"
                                     : "0.1");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text.data, text.length), text.length);
    close(fd);
    assert_int_equal(jm_power_model_train(&model, path, NULL, NULL), JM_OK);
    unlink(path);
    jmi_text_free(&text);
    return model;
}

static const char *left_out(const jm_power_model *model, uint32_t *rows, uint32_t *programs) {
    jm_power_model_info info = {.size = sizeof info};
    jm_power_errors errors = {.size = sizeof errors};
    jm_power_model_get(model, &info);
    jm_power_model_errors(model, JM_POWER_AVERAGE, &errors);
    *rows = errors.rows;
    *programs = errors.programs;
    return info.left_out;
}

/* One empty cell costs its row, many cost the column; either is said. */
static void what_is_incomplete_is_left_out_and_told(void **state) {
    (void)state;
    uint32_t rows, programs;
    jm_power_model *model = train_incomplete(20, 7);
    assert_string_equal(left_out(model, &rows, &programs),
                        "1 row without l1 left out: line 9 (p3, k)\n");
    assert_int_equal(rows, 19);
    assert_int_equal(programs, 10);
    assert_false(isnan(jm_power_model_watts(model, JM_POWER_AVERAGE, JM_ACTIVITY_L1)));
    assert_true(isnan(jm_power_model_watts(model, JM_POWER_AVERAGE, JM_ACTIVITY_SHARED)));
    jm_power_model_free(model);
    model = train_incomplete(8, 7);
    assert_string_equal(left_out(model, &rows, &programs),
                        "2 rows without l1 left out: line 9 (p3, k), 17 (p7, k)\n");
    jm_power_model_free(model);
    model = train_incomplete(5, 1);
    assert_string_equal(left_out(model, &rows, &programs), "l1 left out: 4 of 20 rows lack it\n");
    assert_int_equal(rows, 20);
    assert_true(isnan(jm_power_model_watts(model, JM_POWER_AVERAGE, JM_ACTIVITY_L1)));
    jm_power_model_free(model);
    row whole[20];
    for (int i = 0; i < 20; i++) whole[i] = random_row(i / 2, 0.1);
    model = train(whole, 20, false);
    assert_string_equal(left_out(model, &rows, &programs), "");
    jm_power_model_free(model);
}

/* 12 rows, each a program, of p watts; `alone` of one program only. Rows after them are `more`. */
static jm_power_model *train_text(bool alone, const char *more, jm_error *error) {
    jmi_text text = {0};
    char path[] = "/tmp/jm-rows-XXXXXX";
    jm_power_model *model = NULL;
    jmi_text_add(&text, "program,kernel,board,power_avg_w,power_min_w,pipes,dram\n");
    for (int i = 0; i < 12; i++)
        jmi_text_add(&text, "p%d,k,V100,%d,%s,0.%d,0.%d\n", alone ? 0 : i, 100 + 7 * (i % 5),
                     i < 11 ? "n/a" : "90", i % 5 + 1, i % 3 + 1);
    jmi_text_add(&text, "%s", more);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text.data, text.length), text.length);
    close(fd);
    jm_power_model_train(&model, path, NULL, error);
    unlink(path);
    jmi_text_free(&text);
    return model;
}

/* Programs count whose power was measured: with one of them alone, a model came out whose error was
 * no number, whose interval was infinite, and which could not be read again. */
static void rows_without_power_teach_nothing(void **state) {
    (void)state;
    static const char unmeasured[] = "x,k,V100,,,0.9,0.9\ny,k,V100,,80,0.1,0.9\nz,k,V100,,,1,1\n";
    jm_error error = {0};
    assert_null(train_text(true, unmeasured, &error));
    assert_non_null(strstr(error.message, "12 rows of 1 programs are too few"));
    char *with, *without;
    jm_power_model *model = train_text(false, unmeasured, &error);
    assert_non_null(model);
    uint32_t rows, programs;
    assert_string_equal(left_out(model, &rows, &programs), "3 rows without power_avg_w left out\n");
    assert_int_equal(rows, 12);
    jm_power_model *same = train_text(false, "", &error);
    /* Their activities are no part of what the model was trained within. */
    assert_int_equal(jm_power_model_json(model, &with, NULL), JM_OK);
    assert_int_equal(jm_power_model_json(same, &without, NULL), JM_OK);
    char *from = strstr(with, "\"trained_within\"");
    assert_string_equal(from, strstr(without, "\"trained_within\""));
    jm_free(with);
    jm_free(without);
    jm_power_model_free(model);
    jm_power_model_free(same);
}

/* Least power of ten rows of one program is too little to know least power by. */
static void a_kind_of_one_program_is_not_trained(void **state) {
    (void)state;
    jmi_text text = {0};
    for (int i = 0; i < 10; i++)
        jmi_text_add(&text, "q,k%d,V100,%d,90,0.%d,0.%d\n", i, 100 + 7 * (i % 5), i % 5 + 1,
                     i % 3 + 1);
    jm_error error = {0};
    jm_power_model *model = train_text(false, text.data, &error), *again = NULL;
    jm_power_errors errors = {.size = sizeof errors};
    assert_non_null(model);
    jm_power_model_errors(model, JM_POWER_MIN, &errors);
    assert_int_equal(errors.trained, 0);
    jm_power_model_free(model);
    jmi_text_add(&text, "q,k,V100,100,90,0.5,0.1\nr,k,V100,110,91,0.5,0.3\n");
    model = train_text(false, text.data, &error);
    jm_power_model_errors(model, JM_POWER_MIN, &errors);
    assert_int_equal(errors.programs, 3);
    char *json;
    assert_int_equal(jm_power_model_json(model, &json, NULL), JM_OK);
    assert_int_equal(jm_power_model_parse(&again, json, strlen(json), NULL), JM_OK);
    jm_free(json);
    jm_power_model_free(again);
    jm_power_model_free(model);
    jmi_text_free(&text);
}

/* Sums are shared by programs and penalties: each estimate is still that of a fit to the rest. */
static void what_is_left_out_is_fitted_to_the_rest(void **state) {
    (void)state;
    enum { ROWS = 30, PROGRAMS = 7 };
    double activity[ROWS][JM_ACTIVITY_COUNT] = {{0}}, power[ROWS][JM_POWER_KINDS] = {{0}};
    double estimate[ROWS];
    uint32_t program_of[ROWS];
    bool used[ROWS], rest[ROWS];
    jmi_training rows = {.count = ROWS,
                         .program_count = PROGRAMS,
                         .program = program_of,
                         .activity = activity,
                         .power_w = power};
    jmi_problem p = {.rows = &rows, .kind = JM_POWER_AVERAGE, .used = used};
    static const jm_activity known[] = {JM_ACTIVITY_CONSTANT, JM_ACTIVITY_SM_ACTIVE,
                                        JM_ACTIVITY_PIPES, JM_ACTIVITY_L2, JM_ACTIVITY_DRAM};
    for (size_t k = 0; k < JMI_COUNT(known); k++) p.activities[known[k]] = true;
    p.prior_w[JM_ACTIVITY_DRAM] = 28.8;
    p.prior_w[JM_ACTIVITY_L2] = 25;
    for (int trial = 0; trial < 20; trial++) {
        for (size_t r = 0; r < ROWS; r++) {
            row made = random_row(0, 0.02 * trial);
            const double x[] = {1, made.sm, made.pipes, made.l2, made.dram};
            for (size_t k = 0; k < JMI_COUNT(known); k++) activity[r][known[k]] = x[k];
            power[r][JM_POWER_AVERAGE] = r == 11 ? NAN : made.watts;
            program_of[r] = (uint32_t)(r % PROGRAMS);
            used[r] = r % PROGRAMS != 3 && r != 5; /* all of one program, one of another */
        }
        double penalty = jmi_penalty(jmi_choose(&p, estimate));
        for (size_t r = 0; r < ROWS; r++) {
            double watts[JM_ACTIVITY_COUNT];
            jmi_problem inner = p;
            inner.used = rest;
            for (size_t i = 0; i < ROWS; i++) rest[i] = used[i] && program_of[i] != program_of[r];
            if (!used[r] || r == 11) continue;
            jmi_fit(&inner, penalty, watts);
            double expected = jmi_fit_predict(watts, activity[r]);
            if (!(fabs(estimate[r] / expected - 1) < 1e-9))
                fail_msg("row %zu: %.12g, not %.12g", r, estimate[r], expected);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_rows_give_exact_watts),
        cmocka_unit_test(what_is_left_out_is_not_seen),
        cmocka_unit_test(what_is_left_out_is_fitted_to_the_rest),
        cmocka_unit_test(intervals_hold),
        cmocka_unit_test(few_programs_are_few_however_many_rows),
        cmocka_unit_test(intervals_hold_whole_programs),
        cmocka_unit_test(noise_is_not_learnt),
        cmocka_unit_test(wrong_rows_are_named),
        cmocka_unit_test(what_is_incomplete_is_left_out_and_told),
        cmocka_unit_test(rows_without_power_teach_nothing),
        cmocka_unit_test(a_kind_of_one_program_is_not_trained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
