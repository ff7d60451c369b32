/* The tuner on boards whose curves are known. */
#include "joulemeter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a board: 40 W + 90 f + 600 (f - 0.6)^2 W above 0.6, half of the time goes with the clock
 * ---- */

typedef struct board {
    double clocked, gain; /* gain: of power; 1 is the board above */
    double noise;
    uint64_t state;
} board;

static const board usual = {0.7, 1, 0, 1};

static double random_normal(uint64_t *state) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(*state >> 11) * 0x1p-53;
    }
    return sum;
}

static double power_of(const board *b, double f) {
    double over = f > 0.6 ? f - 0.6 : 0;
    return b->gain * (40 + 90 * f + 600 * over * over);
}

static double clock_at(const board *b, double limit_w) {
    double low = 0.05, high = 1;
    if (power_of(b, 1) <= limit_w) return 1;
    for (int i = 0; i < 60; i++) {
        double f = (low + high) / 2;
        if (power_of(b, f) > limit_w)
            high = f;
        else
            low = f;
    }
    return low;
}

static jm_trial run_clocked(board *b, double setting, double f) {
    double t = (1 - b->clocked + b->clocked / f) * exp(b->noise * random_normal(&b->state));
    double p = power_of(b, f) * exp(b->noise / 2 * random_normal(&b->state));
    jm_trial trial = {.size = sizeof trial,
                      .setting = setting,
                      .items = 50,
                      .seconds = 50 * t,
                      .energy_j = 50 * t * p,
                      .limited = NAN};
    return trial;
}

static jm_trial run_at(board *b, double limit_w) {
    return run_clocked(b, limit_w, clock_at(b, limit_w));
}

/* ---- helpers ---- */

static jm_tuner *opened(const jm_tuner_options *options) {
    jm_tuner *tuner;
    jm_error error = {0};
    if (jm_tuner_open(&tuner, options, &error) != JM_OK) fail_msg("%s", error.message);
    return tuner;
}

static jm_tuner_options options_of(jm_objective_kind kind) {
    jm_tuner_options o = JM_TUNER_OPTIONS_INIT;
    o.lowest = 90;
    o.highest = 300;
    o.objective.kind = kind;
    return o;
}

static void tell(jm_tuner *tuner, jm_trial trial) {
    jm_error error = {0};
    if (jm_tuner_tell(tuner, &trial, &error) != JM_OK) fail_msg("%s", error.message);
}

static jm_tuner_step next(jm_tuner *tuner) {
    jm_tuner_step step = {.size = sizeof step};
    jm_error error = {0};
    if (jm_tuner_next(tuner, &step, &error) != JM_OK) fail_msg("%s", error.message);
    assert_true(step.reason != NULL && strlen(step.reason) > 5);
    return step;
}

static jm_tuner_result result_of(jm_tuner *tuner) {
    jm_tuner_result r = {.size = sizeof r};
    jm_error error = {0};
    if (jm_tuner_result_get(tuner, &r, &error) != JM_OK) fail_msg("%s", error.message);
    assert_true(strlen(r.sentence) > 10);
    assert_true(r.best.relative.lower <= r.best.relative.value);
    assert_true(r.best.relative.value <= r.best.relative.upper);
    return r;
}

static jm_tuner_point point_at(jm_tuner *tuner, double setting) {
    jm_tuner_point p = {.size = sizeof p};
    jm_error error = {0};
    if (jm_tuner_predict(tuner, setting, &p, &error) != JM_OK) fail_msg("%s", error.message);
    return p;
}

static size_t run_to_the_end(jm_tuner *tuner, board *b) {
    size_t trials = 0;
    for (;; trials++) {
        jm_tuner_step step = next(tuner);
        if (step.done) return trials;
        assert_true(trials < 20);
        tell(tuner, run_at(b, step.setting));
    }
}

static double value_at(const board *b, const jm_objective *o, double limit_w) {
    board quiet = *b;
    quiet.noise = 0;
    jm_trial t = run_at(&quiet, limit_w);
    return jm_objective_value(o, t.seconds, t.energy_j);
}

static double least(const board *b, const jm_objective *o) {
    double best = INFINITY;
    for (double w = 90; w <= 300; w += 0.5) best = fmin(best, value_at(b, o, w));
    return best;
}

/* ---- what it finds ---- */

/* 10 items: 20 s and 4000 J at 250 W; 22 s and 3000 J at 150 W. Of one: 2 s and 400 J, E D^2 =
 * 1600; 2.2 s and 300 J, E D^2 = 1452. */
static void ed2p_of_the_same_work_by_hand(void **state) {
    (void)state;
    jm_tuner_options o = JM_TUNER_OPTIONS_INIT;
    o.lowest = 100;
    o.highest = 250;
    jm_tuner *tuner = opened(&o);
    assert_true(next(tuner).setting == 250);
    tell(tuner, (jm_trial){sizeof(jm_trial), 250, 10, 20, 0.01, 4000, 2, NAN, false});
    /* another amount of work, the same rate */
    tell(tuner, (jm_trial){sizeof(jm_trial), 150, 5, 11, 0.005, 1500, 1, NAN, false});
    jm_tuner_point low = point_at(tuner, 150), high = point_at(tuner, 250);
    assert_true(fabs(low.measured_seconds - 2.2) < 1e-12 &&
                fabs(low.measured_energy_j - 300) < 1e-9);
    assert_true(fabs(low.measured_power_w - 300 / 2.2) < 1e-9 && low.trials == 1);
    assert_true(fabs(low.objective.value / 1452 - 1) < 0.02);
    assert_true(fabs(high.objective.value / 1600 - 1) < 0.02);
    assert_true(fabs(low.relative.value - 1452.0 / 1600) < 0.02);
    assert_true(low.relative.lower < 1452.0 / 1600 && low.relative.upper > 1452.0 / 1600);
    assert_true(high.relative.value == 1 && high.relative.lower == 1);
    assert_true(fabs(low.slowdown.value - 1.1) < 0.01);
    jm_tuner_free(tuner);
}

static void every_objective(void **state) {
    (void)state;
    static const jm_objective objectives[] = {
        {JM_OBJECTIVE_ED2P, 0, 0, 0},   {JM_OBJECTIVE_EDP, 0, 0, 0},
        {JM_OBJECTIVE_ENERGY, 0, 0, 0}, {JM_OBJECTIVE_COST, 0, 0.4, 0.05},
        {JM_OBJECTIVE_COST, 0, 0.4, 0}, {JM_OBJECTIVE_COST, 0, 0, 3}};
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++) {
        board b = usual;
        jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
        o.objective = objectives[i];
        jm_tuner *tuner = opened(&o);
        size_t trials = run_to_the_end(tuner, &b);
        jm_tuner_result r = result_of(tuner);
        double regret = value_at(&b, &o.objective, r.best.setting) / least(&b, &o.objective) - 1;
        char text[80];
        print_message("%s: %zu trials, %g W, regret %.2f %%: %s\n",
                      jm_objective_text(&o.objective, text, sizeof text), trials, r.setting,
                      100 * regret, r.sentence);
        assert_true(regret < 0.01 && trials <= 6);
        jm_tuner_free(tuner);
    }
}

static void least_energy_within_a_slowdown(void **state) {
    (void)state;
    for (double pct = 0; pct <= 20; pct += 5) {
        board b = usual;
        jm_tuner_options o = options_of(JM_OBJECTIVE_SLOWDOWN);
        o.objective.slowdown_pct = pct;
        jm_tuner *tuner = opened(&o);
        run_to_the_end(tuner, &b);
        jm_tuner_result r = result_of(tuner);
        double slower = 1 - b.clocked + b.clocked / clock_at(&b, r.setting);
        print_message("%g %%: %g W, really %.2f %% slower: %s\n", pct, r.setting,
                      100 * (slower - 1), r.sentence);
        assert_true(slower <= 1 + (pct + 0.5) / 100);
        assert_true(slower >= 1 + (pct - 4) / 100); /* not much timid */
        jm_tuner_free(tuner);
    }
}

/* Above 274 W this board is never held back: of limits that cost no time, one that saves energy. */
static void time_is_not_sold(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_TIME);
    jm_tuner *tuner = opened(&o);
    run_to_the_end(tuner, &b);
    double slower = 1 - b.clocked + b.clocked / clock_at(&b, result_of(tuner).best.setting);
    assert_true(slower < 1.01);
    jm_tuner_free(tuner);
}

static void clocks_instead_of_limits(void **state) {
    (void)state;
    double clocks[60];
    board b = usual;
    jm_tuner_options o = JM_TUNER_OPTIONS_INIT;
    for (int i = 0; i < 60; i++) clocks[i] = 1980 - 30 * i; /* as drivers list them */
    o.lever = JM_LEVER_CLOCK;
    o.settings = clocks;
    o.setting_count = 60;
    jm_tuner *tuner = opened(&o);
    memset(clocks, 0, sizeof clocks); /* they were copied */
    for (;;) {
        jm_tuner_step step = next(tuner);
        if (step.done) break;
        assert_true(fmod(step.setting, 30) == 0 && step.setting >= 210 && step.setting <= 1980);
        tell(tuner, run_clocked(&b, step.setting, step.setting / 1980));
    }
    jm_tuner_result r = result_of(tuner);
    double best = INFINITY, here = INFINITY;
    for (int i = 0; i < 60; i++) {
        jm_trial t = run_clocked(&b, 1, (1980 - 30 * i) / 1980.0);
        best = fmin(best, jm_objective_value(&o.objective, t.seconds, t.energy_j));
        if (1980 - 30 * i == r.best.setting)
            here = jm_objective_value(&o.objective, t.seconds, t.energy_j);
    }
    print_message("%s; regret %.2f %%\n", r.sentence, 100 * (here / best - 1));
    assert_true(here / best < 1.01);
    assert_non_null(strstr(r.sentence, "MHz"));
    jm_tuner_free(tuner);
}

static void the_same_again(void **state) {
    (void)state;
    double settings[2][20] = {{0}};
    for (int i = 0; i < 2; i++) {
        board b = usual;
        b.noise = 0.01;
        jm_tuner_options o = options_of(JM_OBJECTIVE_EDP);
        jm_tuner *tuner = opened(&o);
        for (int k = 0; k < 20; k++) {
            jm_tuner_step step = next(tuner);
            assert_true(next(tuner).setting == step.setting); /* asking changes nothing */
            settings[i][k] = step.setting;
            if (step.done) break;
            tell(tuner, run_at(&b, step.setting));
        }
        jm_tuner_free(tuner);
    }
    assert_memory_equal(settings[0], settings[1], sizeof settings[0]);
}

/* ---- verdicts ---- */

/* A board that draws 70 W whatever the limit, as a server of few requests does. */
static void a_limit_that_never_binds(void **state) {
    (void)state;
    for (int noisy = 0; noisy < 2; noisy++) {
        board b = {0.7, 0.2, noisy ? 0.03 : 0, 5};
        jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
        o.lowest = 100;
        jm_tuner *tuner = opened(&o);
        size_t trials = run_to_the_end(tuner, &b);
        jm_tuner_result r = result_of(tuner);
        print_message("%zu trials: %s\n", trials, r.sentence);
        assert_int_equal(r.verdict, JM_TUNER_NEVER_BINDS);
        assert_true(r.setting == 300 && trials <= 2);
        assert_true(point_at(tuner, 100).binds < 0.05);
        jm_tuner_free(tuner);
    }
}

static void noise_is_no_difference(void **state) {
    (void)state;
    int found = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t s = seed;
        jm_tuner_options o = options_of(JM_OBJECTIVE_EDP);
        o.step = 10;
        o.lowest = 260; /* a board that wants 280 W at times */
        o.max_trials = 4;
        jm_tuner *tuner = opened(&o);
        for (;;) {
            jm_tuner_step step = next(tuner);
            if (step.done) break;
            double t = exp(0.05 * random_normal(&s)), p = 255 * exp(0.03 * random_normal(&s));
            tell(tuner, (jm_trial){sizeof(jm_trial), step.setting, 1, t, 0, t * p, 0, NAN, false});
        }
        found += result_of(tuner).verdict == JM_TUNER_FOUND;
        jm_tuner_free(tuner);
    }
    print_message("%d of 40 took noise for a difference\n", found);
    assert_true(found <= 4);
}

static void a_limit_that_only_slows(void **state) {
    (void)state;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    for (;;) { /* energy an item is the same, time rises: a fixed rate of work per joule */
        jm_tuner_step step = next(tuner);
        if (step.done) break;
        double p = fmin(step.setting, 290);
        tell(tuner, (jm_trial){sizeof(jm_trial), step.setting, 1, 290 / p, 0, 290, 0, NAN, false});
    }
    jm_tuner_result r = result_of(tuner);
    print_message("%s\n", r.sentence);
    assert_true(r.setting >= 280);
    assert_true(r.verdict == JM_TUNER_STANDARD || r.verdict == JM_TUNER_NO_DIFFERENCE);
    jm_tuner_free(tuner);
}

static void one_trial_is_too_few(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    tell(tuner, run_at(&b, 300));
    jm_tuner_result r = result_of(tuner);
    assert_int_equal(r.verdict, JM_TUNER_TOO_FEW);
    assert_true(r.setting == 300 && r.regret_pct > 1 && r.trials == 1);
    assert_false(next(tuner).done);
    jm_tuner_free(tuner);
}

static void told_that_the_limit_holds(void **state) {
    (void)state;
    double binds[2];
    for (int i = 0; i < 2; i++) {
        jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
        jm_tuner *tuner = opened(&o);
        tell(tuner, (jm_trial){sizeof(jm_trial), 300, 1, 1, 0, 265, 0, i, false});
        binds[i] = point_at(tuner, 300).binds;
        jm_tuner_free(tuner);
    }
    print_message("binds at 300 W: %.2f told it did not, %.2f told it did\n", binds[0], binds[1]);
    assert_true(binds[0] < binds[1]);
}

/* ---- what may go wrong ---- */

static void wrong_options(void **state) {
    (void)state;
    static const double listed[] = {100, NAN}, negative[] = {-1, 5};
    jm_tuner_options cases[14];
    for (int i = 0; i < 14; i++) cases[i] = options_of(JM_OBJECTIVE_ED2P);
    cases[0].lowest = 0;
    cases[1].lowest = 400;
    cases[2].highest = INFINITY;
    cases[3].lowest = NAN;
    cases[4].step = -1;
    cases[5].standard = 301;
    cases[6].tolerance_pct = NAN;
    cases[7].idle_w = -3;
    cases[8].lever = (jm_lever)9;
    cases[9].objective.kind = (jm_objective_kind)9;
    cases[10].objective = (jm_objective){JM_OBJECTIVE_COST, 0, 0, 0};
    cases[11].settings = listed;
    cases[11].setting_count = 2;
    cases[12].settings = negative;
    cases[12].setting_count = 2;
    cases[13].settings = listed;
    cases[13].setting_count = 5000;
    for (int i = 0; i < 13; i++) {
        jm_tuner *tuner = (jm_tuner *)1;
        jm_error error = {0};
        if (jm_tuner_open(&tuner, &cases[i], &error) != JM_INVALID) fail_msg("case %d", i);
        assert_null(tuner);
        assert_true(strlen(error.message) > 10);
    }
    jm_tuner *tuner;
    jm_tuner_options none = JM_TUNER_OPTIONS_INIT;
    assert_int_equal(jm_tuner_open(&tuner, &none, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_open(&tuner, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_open(NULL, &cases[0], NULL), JM_INVALID);
    jm_tuner_free(NULL);
}

static void wrong_trials_change_nothing(void **state) {
    (void)state;
    const jm_trial good = {sizeof good, 200, 1, 1, 0, 200, 0, NAN, false};
    jm_trial bad[13];
    for (int i = 0; i < 13; i++) bad[i] = good;
    bad[0].setting = NAN;
    bad[1].setting = -5;
    bad[2].items = 0;
    bad[3].items = INFINITY;
    bad[4].seconds = 0;
    bad[5].seconds = NAN;
    bad[6].energy_j = -1;
    bad[7].seconds_u95 = -1;
    bad[8].energy_u95_j = NAN;
    bad[9].limited = 1.5;
    bad[10].size = 0;
    bad[11].items = 1e300, bad[11].seconds = 1e-300;
    bad[12].limited = -0.1;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    for (int i = 0; i < 13; i++) {
        jm_error error = {0};
        if (jm_tuner_tell(tuner, &bad[i], &error) != JM_INVALID) fail_msg("case %d", i);
        assert_true(strlen(error.message) > 10);
    }
    assert_int_equal(jm_tuner_trial_count(tuner), 0);
    jm_tuner_point p = {.size = sizeof p};
    jm_tuner_result r = {.size = sizeof r};
    assert_int_equal(jm_tuner_predict(tuner, 200, &p, NULL), JM_NO_DATA);
    assert_int_equal(jm_tuner_result_get(tuner, &r, NULL), JM_NO_DATA);
    tell(tuner, good);
    assert_int_equal(jm_tuner_predict(tuner, 89, &p, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_predict(tuner, NAN, &p, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_predict(tuner, 200, NULL, NULL), JM_INVALID);
    jm_tuner_free(tuner);
    assert_int_equal(jm_tuner_tell(NULL, &good, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_next(NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_tuner_trial_count(NULL), 0);
    assert_int_equal(jm_tuner_setting_count(NULL), 0);
    assert_true(isnan(jm_tuner_setting(NULL, 0)));
}

static void one_setting_only(void **state) {
    (void)state;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    o.lowest = o.highest = 200;
    jm_tuner *tuner = opened(&o);
    board b = usual;
    assert_int_equal(jm_tuner_setting_count(tuner), 1);
    assert_int_equal(run_to_the_end(tuner, &b), 1);
    jm_tuner_result r = result_of(tuner);
    assert_true(r.setting == 200 && r.best.relative.value == 1);
    jm_tuner_free(tuner);
}

static void absurd_numbers(void **state) {
    (void)state;
    static const double scales[] = {1e-12, 1e-3, 1e4, 1e12};
    for (size_t i = 0; i < 4; i++)
        for (int kind = (int)i % 2; kind <= JM_OBJECTIVE_COST; kind += 2) {
            jm_tuner_options o = options_of((jm_objective_kind)kind);
            o.objective.price_kwh = 0.3;
            jm_tuner *tuner = opened(&o);
            for (int k = 0; k < 20; k++) { /* power has nothing to do with the limit */
                jm_tuner_step step = next(tuner);
                if (step.done) break;
                double t = scales[i] * (k % 3 + 1), e = t * scales[(i + 1) % 4] * (k % 2 + 1);
                tell(tuner, (jm_trial){sizeof(jm_trial), step.setting, 1, t, 0, e, 0, NAN, false});
                jm_tuner_result r = result_of(tuner);
                assert_true(isfinite(r.best.seconds.value) && isfinite(r.best.relative.upper));
                assert_true(r.setting >= 90 && r.setting <= 300);
            }
            jm_tuner_free(tuner);
        }
}

static void ten_thousand_trials(void **state) {
    (void)state;
    board b = usual;
    b.noise = 0.02;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    size_t settings = jm_tuner_setting_count(tuner);
    for (size_t i = 0; i < 10000; i++)
        tell(tuner, run_at(&b, jm_tuner_setting(tuner, i % settings)));
    jm_tuner_result r = result_of(tuner);
    assert_int_equal(r.trials, 10000);
    assert_true(value_at(&b, &o.objective, r.best.setting) / least(&b, &o.objective) < 1.01);
    assert_true(next(tuner).done);
    jm_tuner_free(tuner);
}

static void too_many_settings(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    int status = JM_OK;
    size_t told = 0;
    for (double w = 90; w <= 300 && status == JM_OK; w += 1.37) {
        jm_trial trial = run_at(&b, w);
        status = jm_tuner_tell(tuner, &trial, NULL);
        told += status == JM_OK;
    }
    assert_int_equal(status, JM_FULL);
    assert_true(told >= 64 && jm_tuner_trial_count(tuner) == told);
    jm_trial again = run_at(&b, 90);
    assert_int_equal(jm_tuner_tell(tuner, &again, NULL), JM_OK);
    assert_true(
        value_at(&b, &o.objective, result_of(tuner).best.setting) / least(&b, &o.objective) < 1.01);
    jm_tuner_free(tuner);
}

/* A board that only takes 100, 150, 200, 250 and 300 W. */
static void settings_that_are_clamped(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    o.max_trials = 8;
    o.min_trials = 8;
    jm_tuner *tuner = opened(&o);
    size_t trials = 0;
    for (;; trials++) {
        jm_tuner_step step = next(tuner);
        if (step.done) break;
        assert_true(trials < 16);
        tell(tuner, run_at(&b, fmax(50 * round(step.setting / 50), 100)));
    }
    jm_tuner_result r = result_of(tuner);
    assert_true(value_at(&b, &o.objective, r.best.setting) / least(&b, &o.objective) < 1.02);
    jm_tuner_free(tuner);
}

static void trials_that_fail(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    size_t asked = 0;
    for (;; asked++) { /* all fail */
        jm_tuner_step step = next(tuner);
        if (step.done) break;
        assert_true(asked < 20);
        tell(tuner, (jm_trial){.size = sizeof(jm_trial), .setting = step.setting, .failed = true});
    }
    assert_true(next(tuner).setting == 300);
    jm_tuner_free(tuner);

    tuner = opened(&o);
    for (asked = 0;; asked++) { /* those above 250 W do: the machine does not allow them */
        jm_tuner_step step = next(tuner);
        if (step.done) break;
        assert_true(asked < 20);
        if (step.setting > 250)
            tell(tuner,
                 (jm_trial){.size = sizeof(jm_trial), .setting = step.setting, .failed = true});
        else
            tell(tuner, run_at(&b, step.setting));
    }
    jm_tuner_result r = result_of(tuner);
    assert_true(r.failed > 0 && r.trials > r.failed);
    assert_true(value_at(&b, &o.objective, r.best.setting) / least(&b, &o.objective) < 1.03);
    jm_tuner_free(tuner);
}

/* The order in which trials are told does not matter, nor in how many pieces. */
static void order_does_not_matter(void **state) {
    (void)state;
    static const double settings[2][4] = {{300, 120, 180, 240}, {180, 240, 120, 300}};
    jm_tuner_point p[2];
    for (int i = 0; i < 2; i++) {
        board b = usual;
        jm_tuner_options o = options_of(JM_OBJECTIVE_EDP);
        jm_tuner *tuner = opened(&o);
        for (int k = 0; k < 4; k++) {
            if (i == 1) next(tuner);
            tell(tuner, run_at(&b, settings[i][k]));
        }
        p[i] = point_at(tuner, 150);
        jm_tuner_free(tuner);
    }
    assert_true(fabs(p[0].seconds.value / p[1].seconds.value - 1) < 1e-9);
    assert_true(fabs(p[0].relative.upper / p[1].relative.upper - 1) < 1e-9);
}

static void a_surer_trial_counts_more(void **state) {
    (void)state;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    tell(tuner, (jm_trial){sizeof(jm_trial), 300, 1, 1.0, 0.001, 250, 0.2, NAN, false});
    tell(tuner, (jm_trial){sizeof(jm_trial), 300, 1, 1.5, 0.5, 380, 100, NAN, false});
    jm_tuner_point p = point_at(tuner, 300);
    assert_true(p.trials == 2 && fabs(p.measured_seconds - 1) < 0.01);
    jm_tuner_free(tuner);
}

/* ---- intervals, tables ---- */

static void intervals_narrow(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    double before = INFINITY, widths[3];
    static const double told[3] = {300, 110, 190};
    for (int i = 0; i < 3; i++) {
        tell(tuner, run_at(&b, told[i]));
        jm_tuner_point p = point_at(tuner, 150);
        widths[i] = log(p.seconds.upper / p.seconds.lower);
        assert_true(widths[i] < before);
        before = widths[i];
    }
    jm_trial truth = run_at(&b, 150);
    jm_tuner_point p = point_at(tuner, 150);
    assert_true(p.seconds.lower < truth.seconds / 50 && p.seconds.upper > truth.seconds / 50);
    assert_true(p.energy_j.lower < truth.energy_j / 50 && p.energy_j.upper > truth.energy_j / 50);
    /* between two settings that are considered lies what they foretell */
    assert_true(point_at(tuner, 151.3).seconds.value <= point_at(tuner, 149).seconds.value);
    jm_tuner_free(tuner);
}

static size_t count_of(const char *text, char c) {
    size_t count = 0;
    for (; *text != '\0'; text++) count += *text == c;
    return count;
}

static void csv(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    o.step = 70;
    jm_tuner *tuner = opened(&o);
    char *text;
    assert_int_equal(jm_tuner_curve_csv(tuner, &text, NULL), JM_NO_DATA);
    tell(tuner, run_at(&b, 300));
    tell(tuner, (jm_trial){.size = sizeof(jm_trial), .setting = 160, .failed = true});
    assert_int_equal(jm_tuner_trials_csv(tuner, &text, NULL), JM_OK);
    assert_int_equal(count_of(text, '\n'), 3);
    assert_int_equal(count_of(text, ','), 3 * 11);
    assert_memory_equal(text, "trial,limit_w,items,time_s,", 27);
    assert_non_null(strstr(text, "\n2,160,,,,,,,,,,1\n"));
    jm_free(text);
    assert_int_equal(jm_tuner_curve_csv(tuner, &text, NULL), JM_OK);
    assert_int_equal(count_of(text, '\n'), 1 + jm_tuner_setting_count(tuner));
    assert_int_equal(jm_tuner_setting_count(tuner), 4); /* 90, 160, 230, 300 */
    assert_int_equal(count_of(text, ','), 5 * 17);
    assert_null(strstr(text, "nan"));
    jm_free(text);
    assert_int_equal(jm_tuner_trials_csv(tuner, NULL, NULL), JM_INVALID);
    jm_tuner_free(tuner);
}

static void trials_are_kept(void **state) {
    (void)state;
    board b = usual;
    jm_tuner_options o = options_of(JM_OBJECTIVE_ED2P);
    jm_tuner *tuner = opened(&o);
    tell(tuner, run_at(&b, 300));
    tell(tuner, run_at(&b, 90));
    jm_trial trial = {.size = sizeof trial};
    assert_int_equal(jm_tuner_trial(tuner, 1, &trial), JM_OK);
    assert_true(trial.setting == 90 && trial.items == 50);
    assert_int_equal(jm_tuner_trial(tuner, 2, &trial), JM_NOT_FOUND);
    assert_string_equal(jm_tuner_verdict_name(JM_TUNER_NEVER_BINDS), "never binds");
    assert_string_equal(jm_tuner_verdict_name(99), "unknown");
    jm_tuner_free(tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ed2p_of_the_same_work_by_hand),
        cmocka_unit_test(every_objective),
        cmocka_unit_test(least_energy_within_a_slowdown),
        cmocka_unit_test(time_is_not_sold),
        cmocka_unit_test(clocks_instead_of_limits),
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(a_limit_that_never_binds),
        cmocka_unit_test(noise_is_no_difference),
        cmocka_unit_test(a_limit_that_only_slows),
        cmocka_unit_test(one_trial_is_too_few),
        cmocka_unit_test(told_that_the_limit_holds),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(wrong_trials_change_nothing),
        cmocka_unit_test(one_setting_only),
        cmocka_unit_test(absurd_numbers),
        cmocka_unit_test(ten_thousand_trials),
        cmocka_unit_test(too_many_settings),
        cmocka_unit_test(settings_that_are_clamped),
        cmocka_unit_test(trials_that_fail),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(a_surer_trial_counts_more),
        cmocka_unit_test(intervals_narrow),
        cmocka_unit_test(csv),
        cmocka_unit_test(trials_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
