/* B over A. Everything is done on logarithms: a board's gain is the same in both and cancels, and a
 * ratio of 2 is as far from 1 as one of 1/2. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

static const double NOTABLE =
    0.01; /* smaller trends and outliers of a ratio are no cause to warn */

typedef struct logs {
    double *a, *b, *difference; /* difference: NULL where runs are not paired */
    size_t count_a, count_b;
} logs;

typedef enum figure { FIGURE_ENERGY, FIGURE_TIME, FIGURE_POWER } figure;

static double log_of(const jm_run *run, figure which) {
    if (which == FIGURE_ENERGY) return log(run->energy_j);
    if (which == FIGURE_TIME) return log(run->time_s);
    return log(run->energy_j / run->time_s);
}

static void fill(logs *l, const jm_run *a, const jm_run *b, figure which) {
    for (size_t i = 0; i < l->count_a; i++) l->a[i] = log_of(&a[i], which);
    for (size_t i = 0; i < l->count_b; i++) l->b[i] = log_of(&b[i], which);
    for (size_t i = 0; l->difference != NULL && i < l->count_a; i++)
        l->difference[i] = l->b[i] - l->a[i];
}

/* ---- one ratio ---- */

typedef struct effect {
    double mean, u, df; /* of the ratio's logarithm */
} effect;

/* Welch 1947 where runs are not paired. */
static effect effect_of(const logs *l) {
    if (l->difference != NULL) {
        jmi_moments d = jmi_moments_of(l->difference, l->count_a);
        double n = (double)l->count_a;
        return (effect){d.mean, d.sd / sqrt(n), n - 1};
    }
    jmi_moments a = jmi_moments_of(l->a, l->count_a), b = jmi_moments_of(l->b, l->count_b);
    double na = (double)l->count_a, nb = (double)l->count_b;
    double va = a.sd * a.sd / na, vb = b.sd * b.sd / nb, both = va + vb;
    double df = both * both / (va * va / (na - 1) + vb * vb / (nb - 1));
    return (effect){b.mean - a.mean, sqrt(both), both > 0 ? df : na + nb - 2};
}

static double p_of(const effect *e) {
    if (e->u > 0) return jmi_student_two_sided(e->mean / e->u, e->df);
    return e->mean == 0 ? 1 : 0;
}

static void judge(jm_ratio *r, const effect *e, double level) {
    double t = jmi_student_width(level, e->df), z = jmi_normal_quantile(0.5 + level / 2);
    double half = hypot(t * e->u, z * r->u_systematic);
    /* found in four cases of five: the ratio lies this much further out than significance needs */
    double power = jmi_student_quantile(0.8, e->df);
    r->lower = exp(e->mean - half);
    r->upper = exp(e->mean + half);
    r->detectable_pct = 100 * expm1(hypot((t + power) * e->u, z * r->u_systematic));
    r->p = p_of(e);
    r->verdict = r->lower > 1 ? 1 : r->upper < 1 ? -1 : 0;
}

/* `u_random`: what the measurement alone does at random to the ratio. It is in the spread, unless
 * that is 0: then it is all there is. */
static int ratio_of(const logs *l, double level, double u_random, double u_systematic,
                    jm_ratio *out) {
    jm_ratio r = {.u_systematic = u_systematic};
    effect e = effect_of(l);
    if (e.u == 0) e.u = u_random;
    r.ratio = exp(e.mean);
    r.u_random = e.u;
    r.lower = r.upper = r.p = r.p_ranks = r.detectable_pct = NAN;
    int status = JM_OK;
    if (l->count_a >= 3 && l->count_b >= 3) {
        judge(&r, &e, level);
        status = l->difference != NULL
                     ? jmi_signed_ranks(l->difference, l->count_a, &r.p_ranks)
                     : jmi_rank_sum(l->a, l->count_a, l->b, l->count_b, &r.p_ranks);
    }
    *out = r;
    return status;
}

/* ---- what may be wrong with it ---- */

/* Fewer pairs than six, and as few unpaired runs, cannot convince a test by ranks. */
static bool ranks_contradict(const jm_ratio *r, const logs *l, double level) {
    double enough = 1 - level;
    if (l->count_a < 6 || l->count_b < 6) return false;
    return (r->p < enough && r->p_ranks > 2 * enough) || (r->p_ranks < enough && r->p > 2 * enough);
}

static int warn_of(const double *values, size_t count, bool paired, double level, uint32_t *flags,
                   jm_error *error) {
    jm_spread spread = {0};
    bool *outlier = jmi_alloc(count, sizeof *outlier);
    if (outlier == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jm_spread_of(values, count, level, &spread, outlier, error);
    for (size_t i = 0; status == JM_OK && i < count; i++)
        if (outlier[i] && fabs(values[i] - spread.median) >= NOTABLE) *flags |= JM_COMPARE_OUTLIERS;
    free(outlier);
    if (status != JM_OK) return status;
    double change = fabs(spread.slope) * (double)(count - 1);
    if (paired && spread.drift_p < 1 - level && change >= NOTABLE) *flags |= JM_COMPARE_DRIFT;
    return JM_OK;
}

static int flags_of(const logs *l, const jm_ratio *energy, double level, uint32_t *flags,
                    jm_error *error) {
    bool paired = l->difference != NULL;
    const double *first = paired ? l->difference : l->a;
    int status = warn_of(first, l->count_a, paired, level, flags, error);
    if (status == JM_OK && !paired) status = warn_of(l->b, l->count_b, paired, level, flags, error);
    if (l->count_a < 3 || l->count_b < 3) *flags |= JM_COMPARE_FEW;
    if (ranks_contradict(energy, l, level)) *flags |= JM_COMPARE_RANKS;
    return status;
}

/* ---- the systematic part ---- */

/* A device's typical runs, and the sums of which they are a part. */
typedef struct part {
    double energy, time, u; /* u: systematic, standard uncertainty */
    double sum_energy;
} part;

/* u^2 = (gain E)^2 + (offset t)^2 of both runs gives gain and offset. Where the mean powers are
 * equal they cannot be told apart, and need not be: both cancel. */
static double measured_part(const part *a, const part *b) {
    double ea = a->energy * a->energy, eb = b->energy * b->energy;
    double ta = a->time * a->time, tb = b->time * b->time;
    double ua = a->u * a->u, ub = b->u * b->u;
    double apart = ea * tb - eb * ta;
    double offset = apart != 0 ? (ea * ub - eb * ua) / apart : 0;
    offset = fmax(fmin(offset, fmin(ua / ta, ub / tb)), 0);
    double gain_a = ea > 0 ? (ua - offset * ta) / ea : 0;
    double gain_b = eb > 0 ? (ub - offset * tb) / eb : 0;
    double gain = fmax(fmax(gain_a, gain_b), 0);
    return hypot(sqrt(gain) * (b->energy / b->sum_energy - a->energy / a->sum_energy),
                 sqrt(offset) * (b->time / b->sum_energy - a->time / a->sum_energy));
}

/* A model of idle power and of what utilisation adds, each wrong by its own share: at equal powers
 * the errors are those of a gain, else they differ. */
static double modelled_part(const part *a, const part *b) {
    double share_a = a->energy / a->sum_energy, share_b = b->energy / b->sum_energy;
    double relative_a = a->energy > 0 ? a->u / a->energy : 0;
    double relative_b = b->energy > 0 ? b->u / b->energy : 0;
    double relative = fmax(relative_a, relative_b);
    double power_a = a->energy / a->time, power_b = b->energy / b->time;
    double most = fmax(power_a, power_b);
    double apart = most > 0 ? 1 - fmin(power_a, power_b) / most : 0;
    return relative * hypot(share_b - share_a, M_SQRT2 * apart * fmax(share_a, share_b));
}

static part mean_of(const jm_run *runs, size_t count) {
    part p = {0};
    double n = (double)count;
    for (size_t i = 0; i < count; i++) {
        p.energy += runs[i].energy_j / n;
        p.time += runs[i].time_s / n;
        p.u += runs[i].u_systematic_j / n;
    }
    p.sum_energy = p.energy;
    return p;
}

static bool is_energy(const jm_energy *e) {
    return e->energy_j >= 0 && e->energy_j <= 1e100 && e->u_systematic_j >= 0 &&
           e->u_systematic_j <= 1e100 && e->duration_s > 0 && e->duration_s <= 1e100;
}

int jm_compare_systematic(const jm_energy *a, const jm_energy *b, size_t devices, double *u,
                          jm_error *error) {
    if (a == NULL || b == NULL || u == NULL)
        return jmi_fail(error, JM_INVALID, "a, b and u must not be NULL");
    double sum_a = 0, sum_b = 0, total = 0;
    for (size_t d = 0; d < devices; d++) {
        if (!is_energy(&a[d]) || !is_energy(&b[d]))
            return jmi_fail(error, JM_INVALID, "device %zu: the energy is no number of joules", d);
        sum_a += a[d].energy_j;
        sum_b += b[d].energy_j;
    }
    if (!(sum_a > 0 && sum_b > 0))
        return jmi_fail(error, JM_INVALID, "an energy of 0 has no ratio");
    for (size_t d = 0; d < devices; d++) {
        part of_a = {a[d].energy_j, a[d].duration_s, a[d].u_systematic_j, sum_a};
        part of_b = {b[d].energy_j, b[d].duration_s, b[d].u_systematic_j, sum_b};
        bool modelled = (a[d].provenance | b[d].provenance) & JM_FROM_MODEL;
        total = hypot(total, modelled ? modelled_part(&of_a, &of_b) : measured_part(&of_a, &of_b));
    }
    *u = total;
    return JM_OK;
}

/* ---- the whole comparison ---- */

static int take_options(jm_compare_options *ours, const jm_compare_options *theirs,
                        jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_compare_options", error);
    if (status == JM_OK) status = jmi_level_take(&ours->level, error);
    if (status != JM_OK) return status;
    if (!(ours->ratio_u >= 0 && ours->ratio_u <= 100))
        return jmi_fail(error, JM_INVALID, "ratio_u is no relative uncertainty");
    if (ours->comparisons > 1) ours->level = 1 - (1 - ours->level) / ours->comparisons;
    return JM_OK;
}

static int check(const jm_run *a, size_t count_a, const jm_run *b, size_t count_b, bool unpaired,
                 jm_error *error) {
    int status = jmi_runs_check(a, count_a, "run", " of A", error);
    if (status == JM_OK) status = jmi_runs_check(b, count_b, "run", " of B", error);
    if (status != JM_OK) return status;
    if (!unpaired && count_a != count_b)
        return jmi_fail(error, JM_INVALID,
                        "pairs need as many runs of A (%zu) as of B (%zu); else they are unpaired",
                        count_a, count_b);
    for (size_t i = 0; i < count_a + count_b; i++) {
        const jm_run *run = i < count_a ? &a[i] : &b[i - count_a];
        if (!(run->energy_j >= 1e-100))
            return jmi_fail(error, JM_INVALID, "run %zu of %s: an energy of 0 has no ratio",
                            i < count_a ? i : i - count_a, i < count_a ? "A" : "B");
    }
    return JM_OK;
}

static double relative_random(const jm_run *runs, size_t count) {
    part mean = mean_of(runs, count);
    return jmi_runs_random(runs, count) / mean.energy / sqrt((double)count);
}

static int compare(const jm_run *a, const jm_run *b, logs *l, const jm_compare_options *options,
                   jm_comparison *c, jm_error *error) {
    part mean_a = mean_of(a, l->count_a), mean_b = mean_of(b, l->count_b);
    double systematic = options->ratio_u > 0 ? options->ratio_u : measured_part(&mean_a, &mean_b);
    double random = hypot(relative_random(a, l->count_a), relative_random(b, l->count_b));
    fill(l, a, b, FIGURE_TIME);
    int status = ratio_of(l, options->level, 0, 0, &c->time);
    fill(l, a, b, FIGURE_POWER);
    if (status == JM_OK) status = ratio_of(l, options->level, random, systematic, &c->power);
    fill(l, a, b, FIGURE_ENERGY);
    if (status == JM_OK) status = ratio_of(l, options->level, random, systematic, &c->energy);
    if (status != JM_OK) return jmi_fail(error, status, "out of memory");
    c->runs_a = l->count_a;
    c->runs_b = l->count_b;
    return flags_of(l, &c->energy, options->level, &c->flags, error);
}

int jm_compare(const jm_run *a, size_t count_a, const jm_run *b, size_t count_b,
               const jm_compare_options *options, jm_comparison *result, jm_error *error) {
    jm_compare_options ours;
    if (result == NULL) return jmi_fail(error, JM_INVALID, "result must not be NULL");
    int status = take_options(&ours, options, error);
    if (status == JM_OK) status = check(a, count_a, b, count_b, ours.unpaired, error);
    if (status != JM_OK) return status;
    double *room = jmi_alloc(2 * count_a + count_b, sizeof *room);
    if (room == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    logs l = {room, room + count_a, ours.unpaired ? NULL : room + count_a + count_b, count_a,
              count_b};
    jm_comparison found = {.size = sizeof found};
    status = compare(a, b, &l, &ours, &found, error);
    free(room);
    if (status != JM_OK) return status;
    if (jmi_give_struct(result, &found, sizeof found) != JM_OK)
        return jmi_fail(error, JM_INVALID, "jm_comparison: size is not set");
    return JM_OK;
}
