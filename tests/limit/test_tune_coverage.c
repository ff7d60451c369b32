/* Do 95 % intervals of what is foretold hold? On many boards that nobody made, under limits and
 * under clocks; the tuner knows nothing of how they were made. */
#include "limits_jobs.h"

#include "check.h"

#include "joulemeter.h"

#include <math.h>

enum { JOBS = 40, MOST_TRIALS = 6, PHASES = 4 };

/* t = fixed + clocked / f and P = P0 + a f + b (f - knee)^2 above the knee, in each phase. A power
 * limit lowers the clock; the board's own does so under any clock, too. */
typedef struct phase {
    double share, fixed_s, clocked_s, a, b;
} phase;

typedef struct board {
    jm_lever lever;
    double lowest, highest; /* settings */
    double most_w, p0_w, knee;
    double noise_t, noise_p;
    bool tells; /* for how long it was held back */
    size_t phases;
    phase phase[PHASES];
    uint64_t state;
} board;

static double between(uint64_t *state, double low, double high) {
    return low + (high - low) * random_uniform(state);
}

static double power_of(const board *b, const phase *p, double f) {
    double over = fmax(f - b->knee, 0);
    return b->p0_w + p->a * f + p->b * over * over;
}

static double clock_under(const board *b, const phase *p, double limit_w) {
    double low = 0.05, high = 1;
    if (power_of(b, p, 1) <= limit_w) return 1;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (power_of(b, p, middle) > limit_w)
            high = middle;
        else
            low = middle;
    }
    return low;
}

typedef struct work {
    double time_s, power_w, limited;
} work;

static work do_work(const board *b, double setting) {
    work sum = {0, 0, 0};
    for (size_t i = 0; i < b->phases; i++) {
        const phase *p = &b->phase[i];
        bool clocks = b->lever == JM_LEVER_CLOCK;
        double free = clock_under(b, p, clocks ? b->most_w : setting), f = free;
        if (clocks) f = fmin(free, setting / b->highest);
        double time_s = p->share * (p->fixed_s + p->clocked_s / f);
        sum.time_s += time_s;
        sum.power_w += time_s * power_of(b, p, f);
        if (f < (clocks ? free : 1)) sum.limited += time_s;
    }
    sum.power_w /= sum.time_s;
    sum.limited /= sum.time_s;
    return sum;
}

/* A load of one or more phases of different demand on a board of random size. */
static void invent_phases(board *b, uint64_t *s) {
    b->p0_w = b->most_w * between(s, 0.08, 0.24); /* below the lowest limit */
    b->knee = between(s, 0.4, 0.9);
    b->phases = 1 + (size_t)(PHASES * random_uniform(s));
    double want = between(s, 0.25, 1.15) * b->most_w - b->p0_w;
    for (size_t i = 0; i < b->phases; i++) {
        double demand = fmax(want * (b->phases > 1 ? between(s, 0.4, 1.6) : 1), 1);
        double linear = between(s, 0.25, 0.9), clocked = random_uniform(s), above = 1 - b->knee;
        b->phase[i] = (phase){between(s, 0.2, 1), 1 - clocked, clocked, linear * demand,
                              (1 - linear) * demand / (above * above)};
    }
}

/* The simulated GPU's formula: voltage hardly falls, and power goes with the clock alone. */
static void invent_simulated(board *b, uint64_t *s) {
    double share = random_uniform(s), demand = between(s, 0.45, 1.05) * b->most_w;
    b->p0_w = between(s, 0.08, 0.16) * b->most_w;
    b->knee = between(s, 0.68, 0.75);
    double whole = 1 + 2 * (1 - b->knee) * (1 - b->knee), a = (demand - b->p0_w) / whole;
    b->phases = 1;
    b->phase[0] = (phase){1, 1 - share, share, a, 2 * a};
}

static board invent(unsigned seed, jm_lever lever, bool simulated) {
    uint64_t s = seed * UINT64_C(7919) + (simulated ? 5 : 17);
    board b = {.lever = lever, .most_w = between(&s, 120, 800)};
    double lowest_w = b.most_w * between(&s, 0.3, 0.6), mhz = between(&s, 1300, 3000);
    if (simulated)
        invent_simulated(&b, &s);
    else
        invent_phases(&b, &s);
    b.lowest = lever == JM_LEVER_CLOCK ? 0.4 * mhz : lowest_w;
    b.highest = lever == JM_LEVER_CLOCK ? mhz : b.most_w;
    b.noise_t = exp(between(&s, log(0.001), log(0.02)));
    b.noise_p = b.noise_t * between(&s, 0.3, 1);
    b.tells = random_uniform(&s) < 0.7;
    b.state = s;
    return b;
}

/* ---- tuning it ---- */

typedef struct share {
    double held, of;
} share;

typedef struct shares {
    share time, power, relative, best;
    double regret;
} shares;

static void count(share *s, const jm_interval *i, double truth) {
    s->of++;
    s->held += truth >= i->lower * (1 - 1e-9) && truth <= i->upper * (1 + 1e-9);
}

static jm_tuner *open_tuner(const board *b, jm_objective_kind kind) {
    jm_tuner_options options = JM_TUNER_OPTIONS_INIT;
    jm_tuner *tuner;
    jm_error error = {0};
    options.lever = b->lever;
    options.objective.kind = kind;
    options.lowest = b->lowest;
    options.highest = b->highest;
    options.step = b->lever == JM_LEVER_CLOCK ? 15 : 1;
    options.max_trials = MOST_TRIALS;
    if (jm_tuner_open(&tuner, &options, &error) != JM_OK) fail_msg("%s", error.message);
    return tuner;
}

static void tell(jm_tuner *tuner, board *b, double setting) {
    work w = do_work(b, setting);
    double time_s = 50 * w.time_s * exp(b->noise_t * random_normal(&b->state));
    double power_w = w.power_w * exp(b->noise_p * random_normal(&b->state));
    const jm_trial trial = {.size = sizeof trial,
                            .setting = setting,
                            .items = 50,
                            .seconds = time_s,
                            .energy_j = time_s * power_w,
                            .limited = b->tells ? w.limited : (double)NAN};
    assert_int_equal(jm_tuner_tell(tuner, &trial, NULL), JM_OK);
}

static double value_of(const jm_objective *o, work w) {
    return jm_objective_value(o, w.time_s, w.time_s * w.power_w);
}

static void check(jm_tuner *tuner, const board *b, const jm_objective *o, shares *all) {
    double standard = value_of(o, do_work(b, b->highest)), least = INFINITY;
    jm_tuner_result result = {.size = sizeof result};
    assert_int_equal(jm_tuner_result_get(tuner, &result, NULL), JM_OK);
    for (size_t i = 0; i < jm_tuner_setting_count(tuner); i++) {
        jm_tuner_point point = {.size = sizeof point};
        double setting = jm_tuner_setting(tuner, i);
        work truth = do_work(b, setting);
        assert_int_equal(jm_tuner_predict(tuner, setting, &point, NULL), JM_OK);
        count(&all->time, &point.seconds, truth.time_s);
        count(&all->power, &point.power_w, truth.power_w);
        count(&all->relative, &point.relative, value_of(o, truth) / standard);
        least = fmin(least, value_of(o, truth));
    }
    count(&all->best, &result.best.relative,
          value_of(o, do_work(b, result.best.setting)) / standard);
    all->regret += value_of(o, do_work(b, result.setting)) / least - 1;
}

static void tune(board *b, jm_objective_kind kind, size_t trials, shares *all) {
    const jm_objective o = {.kind = kind};
    jm_tuner *tuner = open_tuner(b, kind);
    for (size_t i = 0; i < trials; i++) {
        jm_tuner_step step = {.size = sizeof step};
        assert_int_equal(jm_tuner_next(tuner, &step, NULL), JM_OK);
        if (step.done) break;
        tell(tuner, b, step.setting);
    }
    check(tuner, b, &o, all);
    jm_tuner_free(tuner);
}

static double pct(share s) {
    return 100 * s.held / s.of;
}

static void intervals_hold(jm_lever lever, bool simulated, size_t trials) {
    static const jm_objective_kind kinds[] = {JM_OBJECTIVE_ENERGY, JM_OBJECTIVE_EDP,
                                              JM_OBJECTIVE_ED2P};
    shares all = {0};
    for (unsigned i = 0; i < JOBS; i++) {
        board b = invent(i + 1, lever, simulated);
        tune(&b, kinds[i % 3], trials, &all);
    }
    print_message("%s, %s boards, %zu trials: %.1f %% of times, %.1f %% of powers, %.1f %% of the "
                  "objective's ratios, %.1f %% of the best ones; regret %.2f %%\n",
                  jm_lever_name((int)lever), simulated ? "simulated" : "random", trials,
                  pct(all.time), pct(all.power), pct(all.relative), pct(all.best),
                  100 * all.regret / JOBS);
    assert_true(pct(all.time) >= 90);
    assert_true(pct(all.power) >= 90);
    assert_true(pct(all.relative) >= 90);
    assert_true(pct(all.best) >= 85); /* few of them: one says much */
    if (trials >= 3) assert_true(all.regret / JOBS < 0.01);
}

static void under_limits(void **unused) {
    (void)unused;
    for (size_t trials = 3; trials <= MOST_TRIALS; trials += 3) {
        intervals_hold(JM_LEVER_POWER, false, trials);
        intervals_hold(JM_LEVER_POWER, true, trials);
    }
}

static void under_clocks(void **unused) {
    (void)unused;
    for (size_t trials = 2; trials <= MOST_TRIALS; trials += 2) {
        intervals_hold(JM_LEVER_CLOCK, false, trials);
        intervals_hold(JM_LEVER_CLOCK, true, trials);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_limits),
        cmocka_unit_test(under_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
