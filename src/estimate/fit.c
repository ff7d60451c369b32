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
} normal;

static bool row_used(const jmi_problem *p, size_t row) {
    return (p->used == NULL || p->used[row]) && !isnan(p->rows->power_w[row][p->kind]);
}

/* Sums of products over the rows; `fixed` watts are taken off the power, and have no column. */
static void add_rows(normal *m, const jmi_problem *p, bool relative, const double *fixed) {
    size_t count = 0;
    for (size_t r = 0; r < p->rows->count; r++) {
        if (!row_used(p, r)) continue;
        const double *x = p->rows->activity[r];
        double y = p->rows->power_w[r][p->kind], weight = relative ? 1 / (y * y) : 1, rest = y;
        count++;
        for (size_t k = 0; fixed != NULL && k < JM_ACTIVITY_COUNT; k++)
            if (fixed[k] > 0) rest -= fixed[k] * x[k];
        for (size_t i = 0; i < m->n; i++) {
            m->b[i] += weight * x[m->which[i]] * rest;
            for (size_t j = 0; j <= i; j++)
                m->a[i * m->n + j] += weight * x[m->which[i]] * x[m->which[j]];
        }
    }
    for (size_t i = 0; count > 0 && i < m->n; i++) {
        m->b[i] /= (double)count;
        for (size_t j = 0; j <= i; j++) m->a[i * m->n + j] /= (double)count;
    }
}

static void solve(const normal *m, double watts[JM_ACTIVITY_COUNT]) {
    double x[JM_ACTIVITY_COUNT];
    jmi_nnls(m->a, m->b, m->n, x);
    for (size_t i = 0; i < m->n; i++) watts[m->which[i]] = x[i];
}

void jmi_fit_plain(const jmi_problem *p, double watts[JM_ACTIVITY_COUNT]) {
    normal m = {0};
    memset(watts, 0, JM_ACTIVITY_COUNT * sizeof *watts);
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (p->activities[k]) m.which[m.n++] = k;
    add_rows(&m, p, false, NULL);
    solve(&m, watts);
}

/* The penalty is in units of (100 W)^2, the size of what is fitted. */
void jmi_fit(const jmi_problem *p, double penalty, double watts[JM_ACTIVITY_COUNT]) {
    normal m = {0};
    double fixed[JM_ACTIVITY_COUNT] = {0};
    bool all = isinf(penalty);
    memset(watts, 0, JM_ACTIVITY_COUNT * sizeof *watts);
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++) {
        if (!p->activities[k]) continue;
        if (all && !jmi_term_of((jm_activity)k).free)
            fixed[k] = p->prior_w[k];
        else
            m.which[m.n++] = k;
    }
    add_rows(&m, p, true, fixed);
    for (size_t i = 0; i < m.n; i++) {
        if (all || jmi_term_of((jm_activity)m.which[i]).free) continue;
        m.a[i * m.n + i] += penalty * 1e-4;
        m.b[i] += penalty * 1e-4 * p->prior_w[m.which[i]];
    }
    solve(&m, watts);
    for (size_t k = 0; k < JM_ACTIVITY_COUNT; k++) watts[k] += fixed[k];
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

/* Estimates of every used row, its program left out. */
static bool leave_out(const jmi_problem *p, double penalty, double *estimate) {
    const jmi_training *rows = p->rows;
    bool *used = malloc(rows->count);
    if (used == NULL) return false;
    jmi_problem inner = *p;
    inner.used = used;
    for (uint32_t g = 0; g < rows->program_count; g++) {
        double watts[JM_ACTIVITY_COUNT];
        bool any = false;
        for (size_t r = 0; r < rows->count; r++) {
            used[r] = row_used(p, r) && rows->program[r] != g;
            any |= row_used(p, r) && rows->program[r] == g;
        }
        if (!any) continue;
        jmi_fit(&inner, penalty, watts);
        for (size_t r = 0; r < rows->count; r++)
            if (row_used(p, r) && rows->program[r] == g)
                estimate[r] = jmi_fit_predict(watts, rows->activity[r]);
    }
    free(used);
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
    double mean[JMI_PENALTIES], error[JMI_PENALTIES];
    size_t best = 0, chosen = 0;
    double *left_out = jmi_alloc(p->rows->count, sizeof *left_out);
    for (size_t i = 0; left_out != NULL && i < JMI_PENALTIES; i++) {
        if (!leave_out(p, jmi_penalty(i), left_out)) break;
        mean[i] = score(p, left_out, &error[i]);
        if (mean[i] < mean[best]) best = i;
        chosen = i + 1;
    }
    if (left_out != NULL && chosen == JMI_PENALTIES) {
        for (chosen = JMI_PENALTIES - 1; mean[chosen] > mean[best] + error[best];) chosen--;
        if (estimate != NULL && leave_out(p, jmi_penalty(chosen), left_out))
            memcpy(estimate, left_out, p->rows->count * sizeof *estimate);
    }
    free(left_out);
    return chosen < JMI_PENALTIES ? chosen : JMI_PENALTIES - 1;
}
