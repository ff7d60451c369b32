/* The physical model of one program on one board, and the set of them.
 *
 * In clock f (1: where the program runs without a limit) work takes 1 - s + s/f of its time: the
 * clocked share s goes with 1/f, the rest (memory, transfers) does not care. Voltage v is constant
 * up to a knee and then rises linearly. Power is static power P0 and dynamic power D h(f), of which
 * a share c is drawn by what is clocked whether it has work or not, f v^2, and the rest by the
 * work: an energy that goes with v^2, but for a share m that voltage does not touch, at the rate of
 * work. So h = c f v^2 + (1 - c) ((1 - m) v^2 + m) / (1 - s + s/f). A load has phases of different
 * demand D (log-normal), and gaps in which it waits at power P0. A power limit lowers f in each
 * phase until its power is the limit; phases that want less are left alone: mean power stays below
 * the limit, and above the highest demand the limit never binds.
 *
 * What is plausible, all of it relative to the board or to the program, in wider ranges than
 * published measurements of GPUs ask for (Mei, Wang, Chu, A survey and measurement study of GPU
 * DVFS, 2017; Guerreiro et al., HPCA 2018; static power: Kandiah et al., AccelWattch, 2021):
 *   s   arcsine (Jeffreys' prior of a share): many programs are bound by one thing
 *   P0  0.2 of the standard limit, times or over 2.4 in 19 of 20 cases, below the lowest limit,
 *       since makers set that where any load can be held
 *   v   knee at 0.45 - 0.95 of the highest clock, lowest voltage 0.5 - 0.85 of the highest; under
 *       clocks, where power is what this curve makes of it, - 0.95: boards whose voltage hardly
 * falls c   any share; m 0 - 0.4; gaps 0 - 0.5 of the time (more of them short); demand spreads by
 *       0 - 0.5
 *   demand of a program without limit: 0.7 of the standard limit, times or over 2.2
 *   the clock that a program runs at by itself: the highest in every second case, else what power
 *       leaves it, 0.6 of the highest or more
 * None of these numbers was fitted to a board. */
#include "limit/tune.h"

#include <math.h>

enum { PHASES = TUNE_PHASES, UNKNOWNS = 10 };
static const double LOWEST_CLOCK = 0.05;
static const double HOPELESS = 15; /* models so much less likely than the best are left out */
/* Medians of five equally likely parts of the standard normal distribution, and their variance. */
static const double phase_z[PHASES] = {-1.2815515655446004, -0.5244005127080407, 0,
                                       0.5244005127080407, 1.2815515655446004};
static const double PHASE_VARIANCE = 0.7669494;

/* ---- the set ---- */

/* Kronecker sequence of the generalised golden ratio (Roberts 2018): fills the cube evenly. */
static void golden(double step[UNKNOWNS]) {
    double ratio = 2;
    for (int i = 0; i < 60; i++) ratio = pow(1 + ratio, 1.0 / (UNKNOWNS + 1));
    for (int k = 0; k < UNKNOWNS; k++) step[k] = pow(1 / ratio, k + 1);
}

/* Of the logistic distribution that is nearest to the standard normal one. */
static double normal_like(double u) {
    return log(u / (1 - u)) / 1.702;
}

static void spread(tune_model *m, const double u[UNKNOWNS], jm_lever lever) {
    double wave = sin(M_PI_2 * u[1]);
    m->p0 = 0.2 * exp(0.4 * normal_like(u[0]));
    m->clocked = wave * wave;
    m->knee = 0.45 + 0.5 * u[2];
    m->low_volt = 0.5 + (lever == JM_LEVER_CLOCK ? 0.45 : 0.35) * u[3];
    m->fixed = 0.4 * u[4];
    m->gap = 0.5 * u[5] * u[5];
    m->spread = 0.5 * u[6];
    m->held = 1 - 0.06 * u[7];
    m->natural = u[8];
    for (int q = 0; q < PHASES; q++)
        m->demand[q] = exp(m->spread * phase_z[q] - m->spread * m->spread * PHASE_VARIANCE / 2);
    m->idling = u[9];
    m->rise = (1 - m->low_volt) / (1 - m->knee);
}

void jmi_tune_spread(jm_tuner *tuner) {
    double step[UNKNOWNS], u[UNKNOWNS];
    golden(step);
    for (int i = 0; i < TUNE_MODELS; i++) {
        for (int k = 0; k < UNKNOWNS; k++) {
            double at = 0.5 + (i + 1) * step[k];
            u[k] = fmin(fmax(at - floor(at), 1e-6), 1 - 1e-6);
        }
        spread(&tuner->model[i], u, tuner->options.lever);
    }
}

/* ---- one model ---- */

static double time_at(const tune_model *m, double f) {
    return 1 - m->clocked + m->clocked / f;
}

static double voltage_at(const tune_model *m, double f) {
    if (f <= m->knee) return m->low_volt;
    return m->low_volt + m->rise * (f - m->knee);
}

/* Dynamic power over that at the highest clock: rises with the clock. */
static double power_at(const tune_model *m, double f) {
    double v = voltage_at(m, f), work = (1 - m->fixed) * v * v + m->fixed;
    return m->idling * f * v * v + (1 - m->idling) * work / time_at(m, f);
}

/* Below the knee: a quadratic equation. */
static double slow_clock_for(const tune_model *m, double room) {
    double v = m->low_volt, idle = m->idling * v * v, rest = 1 - m->clocked;
    double work = (1 - m->idling) * ((1 - m->fixed) * v * v + m->fixed);
    double a = idle * rest, b = idle * m->clocked + work - room * rest, c = -room * m->clocked;
    double root = sqrt(b * b - 4 * a * c);
    /* the one of two forms that takes no difference of like numbers */
    double f = b > 0 ? -2 * c / (b + root) : (root - b) / (2 * a);
    return fmin(fmax(f, LOWEST_CLOCK), m->knee);
}

/* The clock at which dynamic power over that at the highest clock is `room`, below 1. */
static double clock_for(const tune_model *m, double room) {
    double low = m->knee, high = 1;
    double f_low = m->at_knee - room, f_high = 1 - room;
    if (f_low >= 0) return room > 0 ? slow_clock_for(m, room) : LOWEST_CLOCK;
    for (int i = 0; i < 6; i++) { /* false position, the Illinois way */
        double f = (low * f_high - high * f_low) / (f_high - f_low);
        double miss = power_at(m, f) - room;
        if (fabs(miss) < 2e-5) return f;
        if (miss > 0) {
            high = f;
            f_high = miss;
            f_low /= 2;
        } else {
            low = f;
            f_low = miss;
            f_high /= 2;
        }
    }
    return (low + high) / 2;
}

typedef struct answer {
    double time, power, limited; /* time relative to that without a limit */
} answer;

static answer under_limit(const tune_model *m, double p0_w, double dynamic_w, double limit_w) {
    double time = 0, energy = 0, limited = 0;
    for (int q = 0; q < PHASES; q++) {
        double demand = dynamic_w * m->demand[q], room = (limit_w * m->held - p0_w) / demand;
        if (room >= 1) {
            time += 1;
            energy += p0_w + demand;
            continue;
        }
        double f = clock_for(m, room), t = time_at(m, f);
        time += t;
        energy += t * (p0_w + demand * power_at(m, f));
        limited += t;
    }
    double work = (1 - m->gap) / PHASES, all = m->gap + work * time;
    return (answer){all, (m->gap * p0_w + work * energy) / all, work * limited / all};
}

static answer under_clock(const tune_model *m, double p0_w, double dynamic_w, double share) {
    /* without a cap the program runs at up to the highest clock, or at what power leaves it */
    double top = fmin(0.6 + 0.8 * m->natural, 1), f = fmin(fmax(share, LOWEST_CLOCK), top);
    double t = time_at(m, f) / time_at(m, top);
    double p = power_at(m, f) / power_at(m, top);
    double all = m->gap + (1 - m->gap) * t;
    return (answer){all, p0_w + (1 - m->gap) * t * dynamic_w * p / all, f < top ? 1 : 0};
}

static answer under(const jm_tuner *tuner, const tune_model *m, double p0_w, double dynamic_w,
                    double setting) {
    if (tuner->options.lever == JM_LEVER_CLOCK)
        return under_clock(m, p0_w, dynamic_w, setting / tuner->options.highest);
    return under_limit(m, p0_w, dynamic_w, setting);
}

/* ---- what the power at one setting says of all models ---- */

/* Dynamic power without a limit with which the model draws `power_w` at `setting`. Where it cannot
 * draw so much, the most that is plausible. */
static double dynamic_for(const jm_tuner *tuner, const tune_model *m, double p0_w, double power_w,
                          double setting) {
    if (tuner->options.lever == JM_LEVER_CLOCK)
        return (power_w - p0_w) / (under(tuner, m, p0_w, 1, setting).power - p0_w);
    double low = (power_w - p0_w) / (1 - m->gap), high = 2.5 * tuner->node[tuner->standard];
    if (under(tuner, m, p0_w, low, setting).limited <= 0 || low >= high) return low;
    for (int i = 0; i < 14; i++) {
        double middle = sqrt(low * high);
        if (under(tuner, m, p0_w, middle, setting).power < power_w)
            low = middle;
        else
            high = middle;
    }
    return sqrt(low * high);
}

/* Logarithm of what the set is weighed with before any comparison: how plausible the demand is that
 * was solved for, and how well it was. The density of demand, seen through the power that it gives,
 * is divided by the slope of the one in the other. */
static double weight_of(const jm_tuner *tuner, const tune_model *m, double power_w,
                        double setting) {
    double got = under(tuner, m, m->p0_w, m->dynamic_w, setting).power;
    double weight = -0.5 * jmi_tune_square(log(got / power_w) / 0.01);
    double lowest = tuner->options.lever == JM_LEVER_POWER ? 0.93 * tuner->node[0] : INFINITY;
    double p0_w = m->p0 * tuner->node[tuner->standard];
    if (p0_w > lowest) weight -= 0.5 * jmi_tune_square(log(p0_w / lowest) / 0.03);
    if (tuner->options.lever == JM_LEVER_CLOCK) return weight;
    double more = under(tuner, m, m->p0_w, 1.1 * m->dynamic_w, setting).power;
    double demand = (m->p0_w + m->dynamic_w) / tuner->node[tuner->standard];
    return weight - 0.5 * jmi_tune_square(log(demand / 0.7) / 0.4) -
           log(log(more / got) / log(1.1) + 0.05);
}

static void solve(const jm_tuner *tuner, tune_model *m, double power_w, double setting) {
    bool limits = tuner->options.lever == JM_LEVER_POWER;
    m->at_knee = power_at(m, m->knee);
    double unit = tuner->node[tuner->standard];
    /* Where only clocks are known, the limit is not: static power over that under load, with what
     * is plausible of both of them. */
    m->p0_w = limits ? m->p0 * unit : pow(m->p0 / 0.2, M_SQRT2) * 0.2 / 0.7 * power_w;
    if (limits) m->p0_w = fmin(m->p0_w, 0.93 * tuner->node[0]);
    /* idle power that is known: static power under load is that or somewhat more */
    if (tuner->options.idle_w > 0) m->p0_w = tuner->options.idle_w * pow(m->p0 / 0.2, 0.5) * 1.15;
    m->p0_w = fmin(m->p0_w, 0.95 * power_w);
    m->dynamic_w = dynamic_for(tuner, m, m->p0_w, power_w, setting);
    if (limits) {
        double got = under(tuner, m, m->p0_w, m->dynamic_w, setting).power;
        double more = under(tuner, m, m->p0_w, 1.1 * m->dynamic_w, setting).power;
        double wanted = 0.7 * unit * exp(0.4 * normal_like(m->natural)) - m->p0_w;
        /* held all of the time: power does not tell how much more it wants */
        if (more / got < 1.005) m->dynamic_w = fmax(m->dynamic_w, wanted);
    }
    m->log_weight = weight_of(tuner, m, power_w, setting);
}

static tune_point relative(answer a, answer base) {
    return (tune_point){log(a.time / base.time), log(a.power / base.power)};
}

static void fill(jm_tuner *tuner, size_t i) {
    const tune_model *m = &tuner->model[i];
    double setting = tuner->group[tuner->reference].setting;
    answer base = under(tuner, m, m->p0_w, m->dynamic_w, setting);
    for (size_t j = 0; j < tuner->nodes; j++) {
        answer a = under(tuner, m, m->p0_w, m->dynamic_w, tuner->node[j]);
        tuner->curve[i][j] = relative(a, base);
        tuner->limited[i][j] = (float)a.limited;
    }
    for (size_t g = 0; g < tuner->groups; g++) {
        answer a = under(tuner, m, m->p0_w, m->dynamic_w, tuner->group[g].setting);
        tuner->told[g][i] = relative(a, base);
        tuner->told_limited[g][i] = (float)a.limited;
    }
}

/* How strongly each setting acts, on average over the set: the smooth error is a share of it. */
static void scale(jm_tuner *tuner) {
    double highest = -INFINITY, sum = 0;
    for (int i = 0; i < TUNE_MODELS; i++) highest = fmax(highest, tuner->model[i].log_weight);
    for (size_t j = 0; j < tuner->nodes; j++) tuner->scale[j] = 0;
    for (int i = 0; i < TUNE_MODELS; i++) {
        double weight = exp(tuner->model[i].log_weight - highest);
        if (weight == 0) continue;
        sum += weight;
        for (size_t j = 0; j < tuner->nodes; j++) {
            const tune_point *at = &tuner->curve[i][j];
            tuner->scale[j] += weight * fmin((fabs(at->t) + fabs(at->p)) / 0.2, 1);
        }
    }
    for (size_t j = 0; j < tuner->nodes; j++) tuner->scale[j] = fmax(tuner->scale[j] / sum, 0.02);
}

void jmi_tune_solve(jm_tuner *tuner) {
    const tune_group *reference = &tuner->group[tuner->reference];
    double power_w = exp(reference->log_p.value), highest = -INFINITY;
    for (size_t i = 0; i < TUNE_MODELS; i++) {
        solve(tuner, &tuner->model[i], power_w, reference->setting);
        highest = fmax(highest, tuner->model[i].log_weight);
    }
    for (size_t i = 0; i < TUNE_MODELS; i++) {
        tune_model *m = &tuner->model[i];
        if (!(m->log_weight > highest - HOPELESS)) m->log_weight = -INFINITY;
        if (m->log_weight > -INFINITY) fill(tuner, i);
    }
    scale(tuner);
    tuner->solved_for = power_w;
}

void jmi_tune_add_setting(jm_tuner *tuner, size_t group) {
    double setting = tuner->group[tuner->reference].setting;
    for (size_t i = 0; i < TUNE_MODELS; i++) {
        const tune_model *m = &tuner->model[i];
        if (!(m->log_weight > -INFINITY)) continue;
        answer base = under(tuner, m, m->p0_w, m->dynamic_w, setting);
        answer a = under(tuner, m, m->p0_w, m->dynamic_w, tuner->group[group].setting);
        tuner->told[group][i] = relative(a, base);
        tuner->told_limited[group][i] = (float)a.limited;
    }
}
