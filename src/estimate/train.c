/* Training, and how wrong the result is on what it has not seen. Whatever is left out is left out
 * of every choice: its penalty is chosen, and its interval's width is taken, by leaving out
 * programs among the others. */
#include "estimate/board.h"
#include "estimate/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_ROWS = 8, FEWEST_PROGRAMS = 3 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double jmi_sure_share(size_t programs) {
    return fmin(0.95, (double)programs / (double)(programs + 1));
}

/* How many standard deviations on either side hold a share of a normal distribution. */
static double normal_width(double share) {
    double low = 0, high = 10;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erf(middle / sqrt(2)) < share)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The half width that is to hold all rows of 95 % of programs. A program's worst left-out row
 * stands for it: rows of one program err alike, so that programs are exchangeable, and rows are
 * not. It is the ceil(0.95 (n + 1))-th of n (conformal prediction by groups; Lei et al., JASA
 * 2018). Fewer than 19 programs have no such figure: their largest holds n of n + 1, and is widened
 * from there to 95 % as the tail of a normal distribution goes on. */
static double conformal(double *worst, size_t n) {
    qsort(worst, n, sizeof *worst, by_value);
    size_t rank = (size_t)ceil(0.95 * (double)(n + 1) - 1e-9);
    if (n == 0) return HUGE_VAL;
    if (rank <= n) return worst[rank - 1];
    return worst[n - 1] * normal_width(0.95) / normal_width(jmi_sure_share(n));
}

/* Its worst residual for each program that has any (the rest have -1); then the width. */
static double width_of(double *worst, size_t programs) {
    size_t n = 0;
    for (size_t g = 0; g < programs; g++)
        if (worst[g] >= 0) worst[n++] = worst[g];
    return conformal(worst, n);
}

static double *no_residuals(size_t programs) {
    double *worst = jmi_alloc(programs, sizeof *worst);
    for (size_t g = 0; worst != NULL && g < programs; g++) worst[g] = -1;
    return worst;
}

static bool row_used(const jmi_problem *p, size_t r) {
    return (p->used == NULL || p->used[r]) && !isnan(p->rows->power_w[r][p->kind]);
}

/* Of the estimate: what is measured is not known when it is asked. */
static double residual_of(double measured, double estimated) {
    return estimated > 0 ? fabs(measured - estimated) / estimated : HUGE_VAL;
}

static void note_residual(double *worst, uint32_t program, double residual) {
    worst[program] = fmax(worst[program], residual);
}

/* Chooses the penalty for the problem's rows, fits, and takes the width of the interval. */
static bool learn(const jmi_problem *p, jmi_power_fit *fit) {
    const jmi_training *rows = p->rows;
    double *left_out = jmi_alloc(rows->count, sizeof *left_out);
    double *worst = no_residuals(rows->program_count);
    bool ok = left_out != NULL && worst != NULL;
    if (ok) {
        fit->penalty = jmi_penalty(jmi_choose(p, left_out));
        jmi_fit(p, fit->penalty, fit->watts);
        for (size_t r = 0; r < rows->count; r++)
            if (row_used(p, r))
                note_residual(worst, rows->program[r],
                              residual_of(rows->power_w[r][p->kind], left_out[r]));
        fit->half_width = width_of(worst, rows->program_count);
    }
    free(left_out);
    free(worst);
    return ok;
}

static double mean_power(const jmi_problem *p) {
    double sum = 0, count = 0;
    for (size_t r = 0; r < p->rows->count; r++) {
        if (!row_used(p, r)) continue;
        sum += p->rows->power_w[r][p->kind];
        count++;
    }
    return sum / count;
}

typedef struct tally {
    double model, mean, plain, covered, count;
    double *worst; /* of each program; NULL: not kept */
} tally;

/* One row that the fits have not seen. */
static void judge(tally *sum, const jmi_problem *p, size_t r, const jmi_power_fit *fit, double mean,
                  const double *plain, jm_power_fold *fold, bool by_program) {
    const double *x = p->rows->activity[r];
    double y = p->rows->power_w[r][p->kind], estimate = jmi_fit_predict(fit->watts, x);
    double residual = residual_of(y, estimate);
    sum->model += fabs(estimate - y) / y;
    sum->mean += fabs(mean - y) / y;
    sum->plain += fabs(jmi_fit_predict(plain, x) - y) / y;
    sum->covered += residual <= fit->half_width;
    sum->count++;
    if (sum->worst != NULL) note_residual(sum->worst, p->rows->program[r], residual);
    if (!by_program) {
        fold->kernel_w = estimate;
        return;
    }
    fold->program_w = estimate;
    fold->lower_w = fmax(0, estimate * (1 - fit->half_width));
    fold->upper_w = estimate * (1 + fit->half_width);
}

/* Leaves out each program, or each row; the rest is learnt from. */
static bool validate(const jmi_problem *all, bool by_program, tally *sum, jm_power_fold *folds) {
    const jmi_training *rows = all->rows;
    size_t groups = by_program ? rows->program_count : rows->count;
    bool *used = malloc(rows->count), ok = used != NULL;
    jmi_problem p = *all;
    p.used = used;
    for (size_t g = 0; ok && g < groups; g++) {
        jmi_power_fit fit = {0};
        double plain[JM_ACTIVITY_COUNT];
        bool any = false;
        for (size_t r = 0; r < rows->count; r++) {
            bool out = (by_program ? rows->program[r] : r) == g;
            used[r] = row_used(all, r) && !out;
            any |= row_used(all, r) && out;
        }
        if (!any) continue;
        ok = learn(&p, &fit);
        jmi_fit_plain(&p, plain);
        double mean = mean_power(&p);
        for (size_t r = 0; ok && r < rows->count; r++)
            if (row_used(all, r) && !used[r])
                judge(sum, all, r, &fit, mean, plain, &folds[r], by_program);
    }
    free(used);
    return ok;
}

static void settle(jmi_power_fit *fit, const tally *programs, const tally *kernels) {
    jm_power_errors *e = &fit->errors;
    e->rows = (uint32_t)programs->count;
    e->program_pct = 100 * programs->model / programs->count;
    e->program_mean_pct = 100 * programs->mean / programs->count;
    e->program_plain_pct = 100 * programs->plain / programs->count;
    e->covered_pct = 100 * programs->covered / programs->count;
    e->kernel_pct = 100 * kernels->model / kernels->count;
    e->kernel_mean_pct = 100 * kernels->mean / kernels->count;
    e->kernel_plain_pct = 100 * kernels->plain / kernels->count;
    e->kernel_covered_pct = 100 * kernels->covered / kernels->count;
    e->half_width_pct = 100 * fit->half_width;
    e->sure_pct = 100 * jmi_sure_share(e->programs);
}

static uint32_t programs_of(const jmi_problem *p) {
    uint32_t count = 0;
    for (uint32_t g = 0; g < p->rows->program_count; g++)
        for (size_t r = 0; r < p->rows->count; r++)
            if (row_used(p, r) && p->rows->program[r] == g) {
                count++;
                break;
            }
    return count;
}

int jmi_train_kind(jm_power_model *model, jm_power_kind kind, const jm_board *board,
                   jm_error *error) {
    const jmi_training *rows = &model->rows;
    jmi_problem p = {.rows = rows, .kind = kind};
    jmi_power_fit *fit = &model->fit[kind];
    tally programs = {0}, kernels = {0};
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++) {
        p.activities[k] = model->knows[k];
        p.prior_w[k] = jmi_term_of((jm_activity)k).prior_w(board);
    }
    jm_power_fold *folds = model->folds[kind] = jmi_alloc(rows->count, sizeof *folds);
    programs.worst = no_residuals(rows->program_count);
    bool ok = folds != NULL && programs.worst != NULL;
    for (size_t r = 0; ok && r < rows->count; r++)
        folds[r] = (jm_power_fold){.size = sizeof folds[r],
                                   .program = rows->program_name[r],
                                   .kernel = rows->kernel_name[r],
                                   .measured_w = rows->power_w[r][kind],
                                   .program_w = NAN,
                                   .kernel_w = NAN,
                                   .lower_w = NAN,
                                   .upper_w = NAN};
    ok = ok && validate(&p, true, &programs, folds) && validate(&p, false, &kernels, folds) &&
         learn(&p, fit);
    if (ok) {
        /* Where a program was left out of the choice of the penalty too, errors are larger. */
        fit->half_width = fmax(fit->half_width, width_of(programs.worst, rows->program_count));
        fit->errors.trained = true;
        fit->errors.programs = programs_of(&p);
        settle(fit, &programs, &kernels);
    }
    free(programs.worst);
    if (!ok) return jmi_fail(error, JM_MEMORY, "out of memory while training");
    if (isfinite(fit->half_width)) return JM_OK;
    return jmi_fail(error, JM_NO_DATA,
                    "without one of its programs the rest of the rows tells nothing of it (0 W): "
                    "more programs are needed");
}

/* ---- what can be learnt from ---- */

static size_t lacking(const jmi_training *rows, int activity) {
    size_t count = 0;
    for (size_t r = 0; r < rows->count; r++) count += isnan(rows->activity[r][activity]);
    return count;
}

/* Programs of which some row has the activity. */
static uint32_t programs_with(const jmi_training *rows, int activity) {
    uint32_t count = 0;
    bool *seen = jmi_alloc(rows->program_count, sizeof *seen);
    for (size_t r = 0; seen != NULL && r < rows->count; r++) {
        if (isnan(rows->activity[r][activity])) continue;
        count += !seen[rows->program[r]];
        seen[rows->program[r]] = true;
    }
    free(seen);
    return count;
}

static void tell_rows(jmi_text *text, const jmi_training *rows, int activity, size_t count) {
    enum { NAMED = 5 };
    size_t named = 0;
    jmi_text_add(text, "%zu row%s without %s left out: line", count, count == 1 ? "" : "s",
                 jm_activity_name(activity));
    for (size_t r = 0; r < rows->count && named < NAMED; r++)
        if (isnan(rows->activity[r][activity]))
            jmi_text_add(text, "%s %llu (%.60s, %.60s)", named++ > 0 ? "," : "",
                         (unsigned long long)rows->line[r], rows->program_name[r],
                         rows->kernel_name[r]);
    jmi_text_add(text, "%s\n", count > NAMED ? " ..." : "");
}

/* Rows of which no power was measured have nothing to teach: neither watts nor ranges. */
static void drop_unmeasured(jmi_training *rows, jmi_text *text) {
    size_t before = rows->count;
    jmi_training_drop_unmeasured(rows);
    size_t count = before - rows->count;
    if (count > 0)
        jmi_text_add(text, "%zu row%s without power_avg_w left out\n", count,
                     count == 1 ? "" : "s");
}

/* An activity that a few rows lack is worth more than those rows, up to a tenth of all; one that
 * more of them lack is not. Either is told. */
static int drop_incomplete(jm_power_model *model, jm_error *error) {
    jmi_training *rows = &model->rows;
    jmi_text text = {0};
    drop_unmeasured(rows, &text);
    size_t may_go = rows->count / 10;
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++) {
        size_t count = lacking(rows, a), left = rows->count - count;
        if (count == 0 || left == 0) continue; /* told by all, or no column of the data */
        if (count <= may_go && left >= FEWEST_ROWS && programs_with(rows, a) >= FEWEST_PROGRAMS) {
            tell_rows(&text, rows, a, count);
            may_go -= count;
            jmi_training_drop(rows, (jm_activity)a);
        } else {
            jmi_text_add(&text, "%s left out: %zu of %zu rows lack it\n", jm_activity_name(a),
                         count, rows->count);
        }
    }
    return jmi_text_take(&text, &model->left_out, error);
}

/* Activities that every row tells, and some row has. */
static void look_at_activities(jm_power_model *model) {
    const jmi_training *rows = &model->rows;
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++) {
        double low = HUGE_VAL, high = 0, sum = 0;
        bool told = true;
        for (size_t r = 0; r < rows->count; r++) {
            double x = rows->activity[r][k];
            told &= !isnan(x);
            low = fmin(low, x);
            high = fmax(high, x);
            sum += x;
        }
        model->knows[k] = told && high > 0;
        if (!model->knows[k]) continue;
        model->low[k] = low;
        model->high[k] = high;
        model->mean[k] = sum / (double)rows->count;
    }
}

static size_t rows_with(const jmi_training *rows, jm_power_kind kind) {
    size_t count = 0;
    for (size_t r = 0; r < rows->count; r++) count += !isnan(rows->power_w[r][kind]);
    return count;
}

/* Of rows that tell this power. */
static bool are_enough(const jmi_training *rows, jm_power_kind kind) {
    return rows_with(rows, kind) >= FEWEST_ROWS &&
           programs_of(&(jmi_problem){.rows = rows, .kind = kind}) >= FEWEST_PROGRAMS;
}

static int train_all(jm_power_model *model, const jm_board *board, const char *path,
                     jm_error *error) {
    const jmi_training *rows = &model->rows;
    if (!are_enough(rows, JM_POWER_AVERAGE))
        return jmi_fail(error, JM_NO_DATA,
                        "%s: %zu rows of %u programs are too few: %d rows of %d programs at least",
                        path, rows_with(rows, JM_POWER_AVERAGE),
                        programs_of(&(jmi_problem){.rows = rows, .kind = JM_POWER_AVERAGE}),
                        FEWEST_ROWS, FEWEST_PROGRAMS);
    int dropped = drop_incomplete(model, error);
    if (dropped != JM_OK) return dropped;
    look_at_activities(model);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        if (!are_enough(rows, (jm_power_kind)kind)) continue;
        int status = jmi_train_kind(model, (jm_power_kind)kind, board, error);
        if (status != JM_OK) return status;
    }
    return JM_OK;
}

/* Shares of a board's limits are not those of another's; boards of one chip may be told apart by
 * the one who names it. */
static int check_board(const char *column, const jm_board *named, const char *path,
                       jm_error *error) {
    jm_board of_rows;
    if (!jmi_board_named(column, &of_rows) ||
        (of_rows.sms == named->sms && of_rows.compute_capability == named->compute_capability))
        return JM_OK;
    return jmi_fail(error, JM_INVALID, "%s has rows of a %s and not of a board %s", path,
                    of_rows.name, named->name);
}

int jm_power_model_train(jm_power_model **model, const char *path, const jm_train_options *options,
                         jm_error *error) {
    jm_train_options set;
    jm_board board;
    if (model == NULL || path == NULL)
        return jmi_fail(error, JM_INVALID, "there are no rows to train on");
    *model = NULL;
    int status = jmi_take_struct(&set, sizeof set, options, "jm_train_options", error);
    if (status != JM_OK) return status;
    if (set.source != NULL && strlen(set.source) > JMI_MODEL_TEXT)
        return jmi_fail(error, JM_INVALID, "the source is longer than %d bytes", JMI_MODEL_TEXT);
    jm_power_model *m = jmi_alloc(1, sizeof *m);
    if (m == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a model");
    status = jmi_training_read(&m->rows, path, error);
    if (status == JM_OK && set.board == NULL && m->rows.board[0] == '\0')
        status = jmi_fail(error, JM_INVALID, "%s does not tell the board: name it", path);
    board.size = sizeof board;
    if (status == JM_OK)
        status = jm_board_find(set.board != NULL ? set.board : m->rows.board, &board, error);
    if (status == JM_OK) status = check_board(m->rows.board, &board, path, error);
    if (status == JM_OK) {
        m->board = jmi_strdup(board.name);
        m->source = jmi_strdup(set.source != NULL ? set.source : path);
        m->made = jmi_strdup(jm_version());
        if (m->board == NULL || m->source == NULL || m->made == NULL)
            status = jmi_fail(error, JM_MEMORY, "out of memory for a model");
    }
    if (status == JM_OK) status = train_all(m, &board, path, error);
    if (status != JM_OK) {
        jm_power_model_free(m);
        return status;
    }
    *model = m;
    return JM_OK;
}
