#include "estimate/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is known before any data ---- */

static double nothing(const jm_board *board) {
    (void)board;
    return 0;
}

enum { BITS = 8 };

/* Memory on the package: 4 pJ a bit (HBM2; O'Connor et al., Fine-Grained DRAM, MICRO 2017). */
static double dram_w(const jm_board *board) {
    return 4e-12 * BITS * board->dram_bytes_s;
}

/* From L2 to an SM: a centimetre of wire at 0.1 pJ a bit and mm (18 to 110 fJ in the DARPA exascale
 * report, 2008); at full rate a sector of 32 bytes a cycle and SM. */
static double l2_w(const jm_board *board) {
    return 1e-12 * BITS * 32 * board->clock_hz * board->sms;
}

jmi_term jmi_term_of(jm_activity activity) {
    switch (activity) {
    case JM_ACTIVITY_CONSTANT:
    case JM_ACTIVITY_SM_ACTIVE:
    case JM_ACTIVITY_PIPES: return (jmi_term){true, nothing};
    case JM_ACTIVITY_L2: return (jmi_term){false, l2_w};
    case JM_ACTIVITY_DRAM: return (jmi_term){false, dram_w};
    default: return (jmi_term){false, nothing};
    }
}

/* ---- a fit ---- */

typedef struct normal {
    size_t n;
    size_t which[JM_ACTIVITY_COUNT];
    double a[JM_ACTIVITY_COUNT * JM_ACTIVITY_COUNT];
    double b[JM_ACTIVITY_COUNT];
    double rows;
} normal;

static bool row_used(const jmi_problem *p, size_t row) {
    return (p->used == NULL || p->used[row]) && !isnan(p->rows->power_w[row][p->kind]);
}

static normal of_activities(const jmi_problem *p) {
    normal m = {0};
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (p->activities[k]) m.which[m.n++] = k;
    return m;
}

static void add_row(normal *m, const jmi_problem *p, size_t row, bool relative) {
    const double *x = p->rows->activity[row];
    double y = p->rows->power_w[row][p->kind], weight = relative ? 1 / (y * y) : 1;
    m->rows++;
    for (size_t i = 0; i < m->n; i++) {
        m->b[i] += weight * x[m->which[i]] * y;
        for (size_t j = 0; j <= i; j++)
            m->a[i * m->n + j] += weight * x[m->which[i]] * x[m->which[j]];
    }
}

static void add(normal *m, const normal *other) {
    m->rows += other->rows;
    for (size_t i = 0; i < m->n; i++) {
        m->b[i] += other->b[i];
        for (size_t j = 0; j <= i; j++) m->a[i * m->n + j] += other->a[i * m->n + j];
    }
}

static double product(const normal *m, size_t i, size_t j) {
    return i >= j ? m->a[i * m->n + j] : m->a[j * m->n + i];
}

static void solve(normal *m, double watts[JM_ACTIVITY_COUNT]) {
    double x[JM_ACTIVITY_COUNT];
    jmi_nnls(m->a, m->b, m->n, x);
    for (size_t i = 0; i < m->n; i++) watts[m->which[i]] = x[i];
}

void jmi_fit_plain(const jmi_problem *p, double watts[JM_ACTIVITY_COUNT]) {
    normal m = of_activities(p);
    memset(watts, 0, JM_ACTIVITY_COUNT * sizeof *watts);
    for (size_t r = 0; r < p->rows->count; r++)
        if (row_used(p, r)) add_row(&m, p, r, false);
    solve(&m, watts);
}

/* Watts that the penalty fixes; their part of the power is taken off, and they have no column. */
static normal without_fixed(const normal *sums, const double fixed[JM_ACTIVITY_COUNT],
                            const bool is_fixed[JM_ACTIVITY_COUNT]) {
    normal m = {.rows = sums->rows};
    size_t from[JM_ACTIVITY_COUNT];
    for (size_t i = 0; i < sums->n; i++) {
        if (is_fixed[sums->which[i]]) continue;
        from[m.n] = i;
        m.which[m.n++] = sums->which[i];
    }
    for (size_t i = 0; i < m.n; i++) {
        m.b[i] = sums->b[from[i]];
        for (size_t k = 0; k < sums->n; k++)
            m.b[i] -= fixed[sums->which[k]] * product(sums, from[i], k);
        m.b[i] /= m.rows;
        for (size_t j = 0; j <= i; j++) m.a[i * m.n + j] = product(sums, from[i], from[j]) / m.rows;
    }
    return m;
}

/* The penalty is in units of (100 W)^2, the size of what is fitted. */
static void fit_sums(const jmi_problem *p, const normal *sums, double penalty,
                     double watts[JM_ACTIVITY_COUNT]) {
    double fixed[JM_ACTIVITY_COUNT] = {0};
    bool is_fixed[JM_ACTIVITY_COUNT] = {false}, all = isinf(penalty);
    memset(watts, 0, JM_ACTIVITY_COUNT * sizeof *watts);
    if (!(sums->rows > 0)) return;
    for (size_t i = 0; all && i < sums->n; i++) {
        size_t k = sums->which[i];
        is_fixed[k] = !jmi_term_of((jm_activity)k).free;
        if (is_fixed[k]) fixed[k] = p->prior_w[k];
    }
    normal m = without_fixed(sums, fixed, is_fixed);
    for (size_t i = 0; i < m.n; i++) {
        if (all || jmi_term_of((jm_activity)m.which[i]).free) continue;
        m.a[i * m.n + i] += penalty * 1e-4;
        m.b[i] += penalty * 1e-4 * p->prior_w[m.which[i]];
    }
    solve(&m, watts);
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++) watts[k] += fixed[k];
}

void jmi_fit(const jmi_problem *p, double penalty, double watts[JM_ACTIVITY_COUNT]) {
    normal sums = of_activities(p);
    for (size_t r = 0; r < p->rows->count; r++)
        if (row_used(p, r)) add_row(&sums, p, r, true);
    fit_sums(p, &sums, penalty, watts);
}

double jmi_fit_predict(const double watts[JM_ACTIVITY_COUNT],
                       const double activity[JM_ACTIVITY_COUNT]) {
    double sum = 0;
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (watts[k] > 0) sum += watts[k] * activity[k];
    return sum;
}

/* ---- the penalty ---- */

double jmi_penalty(size_t index) {
    static const double steps[JMI_PENALTIES] = {0,   1e-3, 3e-3, 1e-2, 3e-2, 0.1,
                                                0.3, 1,    3,    10,   100,  HUGE_VAL};
    return steps[index];
}

/* Sums of each program's rows; of all that follow it, too, at [program_count + it]. Heap. */
static normal *sums_by_program(const jmi_problem *p) {
    const jmi_training *rows = p->rows;
    size_t count = rows->program_count;
    normal *sums = jmi_alloc(2 * count + 1, sizeof *sums);
    if (sums == NULL) return NULL;
    for (size_t g = 0; g <= 2 * count; g++) sums[g] = of_activities(p);
    for (size_t r = 0; r < rows->count; r++)
        if (row_used(p, r)) add_row(&sums[rows->program[r]], p, r, true);
    for (size_t g = count; g-- > 0;) {
        sums[count + g] = sums[count + g + 1];
        if (g + 1 < count) add(&sums[count + g], &sums[g + 1]);
    }
    return sums;
}

/* Estimates of every used row for each penalty, its program left out. Sums are made once for each
 * program, and those of the rest added, never taken off again: that would cancel digits. */
static bool leave_out(const jmi_problem *p, double *estimate[JMI_PENALTIES]) {
    const jmi_training *rows = p->rows;
    size_t count = rows->program_count;
    normal *sums = sums_by_program(p), before = of_activities(p);
    if (sums == NULL) return false;
    for (size_t g = 0; g < count; g++) {
        normal rest = before;
        add(&rest, &sums[count + g]);
        for (size_t i = 0; sums[g].rows > 0 && i < JMI_PENALTIES; i++) {
            double watts[JM_ACTIVITY_COUNT];
            fit_sums(p, &rest, jmi_penalty(i), watts);
            for (size_t r = 0; r < rows->count; r++)
                if (row_used(p, r) && rows->program[r] == g)
                    estimate[i][r] = jmi_fit_predict(watts, rows->activity[r]);
        }
        add(&before, &sums[g]);
    }
    free(sums);
    return true;
}

/* Mean of squared relative errors and the standard error of that mean. */
static double score(const jmi_problem *p, const double *estimate, double *standard_error) {
    double sum = 0, squares = 0, count = 0;
    for (size_t r = 0; r < p->rows->count; r++) {
        if (!row_used(p, r)) continue;
        double e = estimate[r] / p->rows->power_w[r][p->kind] - 1;
        sum += e * e;
        squares += e * e * e * e;
        count++;
    }
    double mean = sum / count;
    double variance = count > 1 ? (squares - count * mean * mean) / (count - 1) : 0;
    *standard_error = sqrt(fmax(variance, 0) / count);
    return mean;
}

size_t jmi_choose(const jmi_problem *p, double *estimate) {
    double mean[JMI_PENALTIES], error[JMI_PENALTIES], *left_out[JMI_PENALTIES];
    size_t best = 0, chosen = JMI_PENALTIES - 1, count = p->rows->count;
    double *all = jmi_alloc(JMI_PENALTIES * count, sizeof *all);
    for (size_t i = 0; all != NULL && i < JMI_PENALTIES; i++) left_out[i] = all + i * count;
    if (all != NULL && leave_out(p, left_out)) {
        for (size_t i = 0; i < JMI_PENALTIES; i++) {
            mean[i] = score(p, left_out[i], &error[i]);
            if (mean[i] < mean[best]) best = i;
        }
        while (mean[chosen] > mean[best] + error[best]) chosen--;
        if (estimate != NULL) memcpy(estimate, left_out[chosen], count * sizeof *estimate);
    }
    free(all);
    return chosen;
}
