/* When has a run settled after its limit was changed, and when was enough of it measured?
 *
 * The run is cut into blocks that end when an item of work ends; there are never more than 64,
 * since neighbours are then joined. Of the blocks' time an item and power the first are left out so
 * that the standard error of the rest's mean is least (MSER: White 1997; Franklin and White 2008).
 * What then remains has settled if it is no less than half and its two halves agree. */
#include "base/base.h"
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 64, FEWEST = 6 };

typedef struct block {
    double seconds, items, energy_j;
    double limited_s, known_s; /* time limited, and time of which that is known */
    double u95_j;              /* of the energy so far, at its end */
} block;

struct jm_trial_meter {
    jm_trial_meter_options options;
    bool begun;
    jm_trial_reading first, base, last; /* base: begin of the block that grows */
    double limited_s, known_s;          /* of it */
    block blocks[MOST_BLOCKS];
    size_t count;
    double least_s; /* length of a block */
    uint64_t refused;
    size_t cut; /* blocks that are left out */
    bool settled;
    jm_trial_state state;
    double time_u, energy_u; /* relative, 95 %, of the blocks from the cut on; NaN: too few */
};

/* ---- options ---- */

static bool sound(double value) {
    return isfinite(value) && value >= 0 && value <= 1e9;
}

int jm_trial_meter_open(jm_trial_meter **meter, const jm_trial_meter_options *options,
                        jm_error *error) {
    if (meter == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the meter");
    *meter = NULL;
    jm_trial_meter *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    jm_trial_meter_options *o = &fresh->options;
    int status = jmi_take_struct(o, sizeof *o, options, "trial meter options", error);
    if (status == JM_OK &&
        !(sound(o->target_pct) && sound(o->max_s) && sound(o->min_s) && sound(o->max_settle_s)))
        status = jmi_fail(error, JM_INVALID,
                          "%g %% in %g to %g s, settled in %g s: give numbers of 0 or more",
                          o->target_pct, o->min_s, o->max_s, o->max_settle_s);
    if (status != JM_OK) {
        free(fresh);
        return status;
    }
    if (o->target_pct == 0) o->target_pct = 1;
    if (o->max_s == 0) o->max_s = 60;
    if (o->min_s == 0) o->min_s = fmin(1, o->max_s / 4);
    if (o->max_settle_s == 0) o->max_settle_s = o->max_s / 2;
    fresh->time_u = fresh->energy_u = NAN;
    *meter = fresh;
    return JM_OK;
}

void jm_trial_meter_free(jm_trial_meter *meter) {
    free(meter);
}

/* ---- series of the blocks ---- */

static double time_of(const block *b) {
    return b->seconds / b->items;
}

static double power_of(const block *b) {
    return b->energy_j / b->seconds;
}

/* Values far from the middle of the later half are drawn in: a hiccup is no warm-up. */
static void draw_in(double *x, size_t n) {
    double sorted[MOST_BLOCKS], apart[MOST_BLOCKS];
    size_t half = n / 2, rest = n - half;
    memcpy(sorted, x + half, rest * sizeof *x);
    jmi_sort(sorted, rest);
    double middle = jmi_sorted_median(sorted, rest);
    for (size_t i = 0; i < rest; i++) apart[i] = fabs(x[half + i] - middle);
    jmi_sort(apart, rest);
    double reach = 6 * jmi_sorted_median(apart, rest) + 1e-9 * fabs(middle);
    for (size_t i = half; i < n; i++) x[i] = fmin(fmax(x[i], middle - reach), middle + reach);
}

/* How many to leave out at the beginning. */
static size_t least_error_cut(const double *x, size_t n) {
    double sum = 0, squares = 0, least = INFINITY, origin = x[n - 1];
    size_t cut = 0;
    for (size_t i = n; i-- > 0;) {
        double d = x[i] - origin, count = (double)(n - i);
        sum += d;
        squares += d * d;
        double error = fmax(squares - sum * sum / count, 0) / (count * count);
        if (n - i >= FEWEST - 1 && error <= least) {
            least = error;
            cut = i;
        }
    }
    return cut;
}

typedef struct mean {
    double value, u; /* standard uncertainty */
    double df;
} mean;

/* Values that follow each other are alike: as many fewer count as their correlation says. */
static mean mean_of(const double *x, size_t n) {
    jmi_moments m = jmi_moments_of(x, n);
    double along = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - m.mean;
        all += d * d;
        if (i > 0) along += d * (x[i - 1] - m.mean);
    }
    double rho = all > 0 ? fmin(fmax(along / all, 0), 0.9) : 0;
    double effective = fmax((double)n * (1 - rho) / (1 + rho), 2);
    return (mean){m.mean, m.sd / sqrt(effective), effective - 1};
}

/* Do both halves agree, within noise or within what does not matter? */
static bool level(const double *x, size_t n, double matters) {
    mean a = mean_of(x, n / 2), b = mean_of(x + n / 2, n - n / 2);
    double apart = fabs(a.value - b.value);
    return apart <= 3 * hypot(a.u, b.u) || apart <= matters * fabs(b.value);
}

/* ---- state ---- */

static double elapsed_s(const jm_trial_meter *m) {
    return m->begun ? (double)(m->last.time_ns - m->first.time_ns) * 1e-9 : 0;
}

static double left_out_s(const jm_trial_meter *m) {
    double sum = 0;
    for (size_t i = 0; i < m->cut; i++) sum += m->blocks[i].seconds;
    return sum;
}

static block sum_of(const jm_trial_meter *m, size_t from) {
    block sum = {0};
    for (size_t i = from; i < m->count; i++) {
        const block *b = &m->blocks[i];
        sum.seconds += b->seconds;
        sum.items += b->items;
        sum.energy_j += b->energy_j;
        sum.limited_s += b->limited_s;
        sum.known_s += b->known_s;
        sum.u95_j = b->u95_j;
    }
    if (from > 0)
        sum.u95_j = hypot(sum.u95_j, m->blocks[from - 1].u95_j);
    else
        sum.u95_j = hypot(sum.u95_j, m->first.energy_u95_j);
    return sum;
}

static void find_cut(jm_trial_meter *m) {
    double x[2][MOST_BLOCKS], matters = m->options.target_pct / 200;
    size_t n = m->count;
    m->settled = false;
    m->cut = n;
    if (n < FEWEST) return;
    for (size_t i = 0; i < n; i++) {
        x[0][i] = time_of(&m->blocks[i]);
        x[1][i] = power_of(&m->blocks[i]);
    }
    size_t cut = 0;
    for (int k = 0; k < 2; k++) {
        draw_in(x[k], n);
        size_t own = least_error_cut(x[k], n);
        if (own > cut) cut = own;
    }
    if (cut > n / 2 || n - cut < FEWEST) return;
    if (!level(x[0] + cut, n - cut, matters) || !level(x[1] + cut, n - cut, matters)) return;
    m->cut = cut;
    m->settled = true;
}

/* There is no time to wait any longer. */
static void force(jm_trial_meter *m) {
    double end = 0;

    m->cut = 0;
    for (size_t i = 0; i < m->count; i++) {
        end += m->blocks[i].seconds;
        if (end <= m->options.max_settle_s) m->cut = i + 1;
    }
}

static double half_width(const mean *m) {
    return m->value > 0 ? jmi_student_width(0.95, m->df) * m->u / m->value : (double)NAN;
}

static void find_uncertainty(jm_trial_meter *m) {
    double t[MOST_BLOCKS], e[MOST_BLOCKS];
    size_t n = m->count - m->cut;
    m->time_u = m->energy_u = NAN;
    if (n < 3) return;
    for (size_t i = 0; i < n; i++) {
        t[i] = time_of(&m->blocks[m->cut + i]);
        e[i] = m->blocks[m->cut + i].energy_j / m->blocks[m->cut + i].items;
    }
    mean time = mean_of(t, n), energy = mean_of(e, n);
    block sum = sum_of(m, m->cut);
    m->time_u = half_width(&time);
    m->energy_u = hypot(half_width(&energy), sum.energy_j > 0 ? sum.u95_j / sum.energy_j : 0);
}

static void judge(jm_trial_meter *m) {
    double elapsed = elapsed_s(m), target = m->options.target_pct / 100;
    if (m->state >= JM_TRIAL_ENOUGH) return;
    find_cut(m);
    if (!m->settled && elapsed >= m->options.max_settle_s) force(m);
    find_uncertainty(m);
    double measured = m->cut < m->count ? sum_of(m, m->cut).seconds : 0;
    m->state = m->cut < m->count ? JM_TRIAL_MEASURING : JM_TRIAL_SETTLING;
    if (m->state == JM_TRIAL_MEASURING && measured >= m->options.min_s && m->time_u <= target &&
        m->energy_u <= target)
        m->state = JM_TRIAL_ENOUGH;
}

/* ---- readings ---- */

static void join_neighbours(jm_trial_meter *m) {
    for (size_t i = 0; i < m->count / 2; i++) {
        const block a = m->blocks[2 * i], b = m->blocks[2 * i + 1];
        m->blocks[i] =
            (block){a.seconds + b.seconds,     a.items + b.items,     a.energy_j + b.energy_j,
                    a.limited_s + b.limited_s, a.known_s + b.known_s, b.u95_j};
    }
    m->count /= 2;
}

static void close_block(jm_trial_meter *m) {
    const jm_trial_reading *r = &m->last;
    if (m->count == MOST_BLOCKS) {
        join_neighbours(m);
        m->least_s = elapsed_s(m) / MOST_BLOCKS;
    }
    m->blocks[m->count++] = (block){(double)(r->time_ns - m->base.time_ns) * 1e-9,
                                    r->items - m->base.items,
                                    r->energy_j - m->base.energy_j,
                                    m->limited_s,
                                    m->known_s,
                                    r->energy_u95_j};
    m->base = *r;
    m->limited_s = m->known_s = 0;
}

static const char *wrong_with(const jm_trial_meter *m, const jm_trial_reading *r) {
    if (!isfinite(r->items) || !isfinite(r->energy_j)) return "items or energy is not a number";
    if (!(r->energy_u95_j >= 0 && isfinite(r->energy_u95_j))) return "no such uncertainty";
    if (r->limited < 0 || r->limited > 1) return "the limited share is not within 0 to 1";
    if (!m->begun) return NULL;
    if (r->time_ns < m->last.time_ns) return "time went backwards";
    if (r->items < m->last.items) return "items were taken back";
    if (r->energy_j < m->last.energy_j) return "energy fell";
    return NULL;
}

int jm_trial_meter_feed(jm_trial_meter *meter, const jm_trial_reading *reading, jm_error *error) {
    if (meter == NULL || reading == NULL)
        return jmi_fail(error, JM_INVALID, "there is no meter or no reading");
    const char *wrong = wrong_with(meter, reading);
    if (wrong != NULL) {
        meter->refused++;
        return jmi_fail(error, JM_INVALID, "a reading was left out: %s", wrong);
    }
    if (!meter->begun) {
        meter->first = meter->base = meter->last = *reading;
        meter->begun = true;
        return JM_OK;
    }
    double since = (double)(reading->time_ns - meter->last.time_ns) * 1e-9;
    if (!isnan(reading->limited)) {
        meter->limited_s += reading->limited * since;
        meter->known_s += since;
    }
    bool ended = reading->items > meter->last.items;
    meter->last = *reading;
    double length = (double)(reading->time_ns - meter->base.time_ns) * 1e-9;
    if (ended && length > 0 && length >= meter->least_s) {
        close_block(meter);
        judge(meter);
    }
    if (meter->state < JM_TRIAL_ENOUGH && elapsed_s(meter) >= meter->options.max_s)
        meter->state = JM_TRIAL_TIME_UP;
    return JM_OK;
}

/* ---- what it says ---- */

static double left_of(const jm_trial_meter *m, double measured) {
    double target = m->options.target_pct / 100, limit = m->options.max_s - elapsed_s(m);
    double worst = fmax(m->time_u, m->energy_u), more = limit;
    if (m->state >= JM_TRIAL_ENOUGH) return 0;
    if (m->state == JM_TRIAL_MEASURING && isfinite(worst))
        more =
            fmax(measured * (worst * worst / (target * target) - 1), m->options.min_s - measured);
    return fmax(fmin(more, limit), 0);
}

int jm_trial_meter_progress(const jm_trial_meter *meter, jm_trial_progress *progress) {
    if (meter == NULL) return JM_INVALID;
    block sum = sum_of(meter, meter->cut);
    bool measuring = meter->cut < meter->count;
    jm_trial_progress ours = {.size = sizeof ours,
                              .state = meter->state,
                              .elapsed_s = elapsed_s(meter),
                              .settle_s = measuring ? left_out_s(meter) : elapsed_s(meter),
                              .settled = meter->settled,
                              .measured_s = sum.seconds,
                              .items = sum.items,
                              .seconds_u95_pct = 100 * meter->time_u,
                              .energy_u95_pct = 100 * meter->energy_u,
                              .refused = meter->refused};
    ours.left_s = left_of(meter, sum.seconds);
    double whole = ours.elapsed_s + ours.left_s;
    ours.done = whole > 0 ? ours.elapsed_s / whole : 0;
    return jmi_give_struct(progress, &ours, sizeof ours);
}

int jm_trial_meter_trial(const jm_trial_meter *meter, double setting, bool final, jm_trial *trial,
                         jm_error *error) {
    if (meter == NULL) return jmi_fail(error, JM_INVALID, "there is no meter");
    size_t cut = meter->cut;
    if (final && cut == meter->count) cut = meter->count / 2; /* the later half, if there is one */
    if (cut == meter->count)
        return jmi_fail(error, JM_NO_DATA,
                        meter->count == 0 ? "no item of work was done"
                                          : "the run has not settled yet");
    block sum = sum_of(meter, cut);
    if (!(sum.energy_j > 0))
        return jmi_fail(error, JM_NO_DATA, "no energy was measured while items were done");
    bool known = cut == meter->cut;
    jm_trial ours = {.size = sizeof ours,
                     .setting = setting,
                     .items = sum.items,
                     .seconds = sum.seconds,
                     .energy_j = sum.energy_j,
                     .limited = sum.known_s > 0 ? sum.limited_s / sum.known_s : (double)NAN};
    if (known && isfinite(meter->time_u)) ours.seconds_u95 = meter->time_u * sum.seconds;
    ours.energy_u95_j = sum.u95_j;
    if (known && isfinite(meter->energy_u)) ours.energy_u95_j = meter->energy_u * sum.energy_j;
    return jmi_give_struct(trial, &ours, sizeof ours);
}
