/* Many simulated experiments with known truth: do 95 % intervals hold it in 95 % of them, and are
 * differences found that are there, and none that are not? JOULEMETER_EXPERIMENTS makes longer
 * runs.
 */
#include "helpers.h"

static long experiments;
static uint64_t randomness;

static double normal(void) {
    double u = random_between(&randomness, 1e-12, 1);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * random_between(&randomness, 0, 1));
}

/* Share in %, whose own uncertainty (four standard deviations) is allowed for. */
static void share_within(long hits, double low, double high, const char *what) {
    double share = 100 * (double)hits / (double)experiments;
    double slack = 4 * sqrt(high * (100 - low) / (double)experiments);
    if (high * (100 - low) < 500) slack = 4 * sqrt(500 / (double)experiments);
    print_message("    %-58s %5.1f %%\n", what, share);
    if (share < low - slack || share > high + slack)
        fail_msg("%s: %.1f %% is not within %g to %g %%", what, share, low, high);
}

/* ---- spread ---- */

/* 100 J, skewed: the median is 100, the mean is not. */
static double lognormal(double width) {
    return 100 * exp(width * normal());
}

static void medians(size_t n, double width, const char *what) {
    long held = 0;
    for (long e = 0; e < experiments; e++) {
        double values[50];
        jm_spread s;
        for (size_t i = 0; i < n; i++) values[i] = lognormal(width);
        assert_int_equal(jm_spread_of(values, n, 0, &s, NULL, NULL), JM_OK);
        held += s.median_lower <= 100 && 100 <= s.median_upper;
    }
    share_within(held, 93, 97, what);
}

static void interval_of_the_median(void **state) {
    (void)state;
    medians(6, 0.02, "median of 6 holds the truth");
    medians(10, 0.02, "median of 10 holds the truth");
    medians(30, 0.02, "median of 30 holds the truth");
    medians(10, 0.5, "median of 10, skewed");
}

static void interval_of_the_mean_and_drift(void **state) {
    (void)state;
    long held = 0, drifts = 0, found = 0;
    for (long e = 0; e < experiments; e++) {
        jm_run runs[10];
        jm_repeat r = {.size = sizeof r};
        double gain = 1 + 0.03 * normal();
        for (int i = 0; i < 10; i++) {
            double energy = gain * (100 + 2 * normal());
            runs[i] = (jm_run){energy, 0, 0.03 * energy, 1};
        }
        assert_int_equal(jm_repeat_analyse(runs, 10, NULL, &r, NULL, NULL), JM_OK);
        held += fabs(r.energy_j.mean - 100) <= r.u95_j;
        drifts += r.energy_j.drifts;
        for (int i = 0; i < 10; i++) runs[i].energy_j += 0.8 * i;
        assert_int_equal(jm_repeat_analyse(runs, 10, NULL, &r, NULL, NULL), JM_OK);
        found += r.energy_j.drifts;
    }
    share_within(held, 93, 97, "mean of 10 with the board's gain holds the truth");
    share_within(drifts, 2, 6, "drift is found where there is none");
    share_within(found, 80, 100, "drift of 7 % in ten runs of CV 2 % is found");
}

static void sampling_intervals(void **state) {
    (void)state;
    long same = 0, other = 0, whole = experiments;
    experiments = whole / 4; /* each is a thousand permutations and more */
    for (long e = 0; e < experiments; e++) {
        jm_run runs[3][6];
        jm_interval_runs groups[3];
        jm_sensitivity s = {.size = sizeof s};
        for (int g = 0; g < 3; g++) {
            groups[g] = (jm_interval_runs){(uint64_t)g + 1, runs[g], 6};
            for (int i = 0; i < 6; i++) runs[g][i] = (jm_run){100 + i + normal(), 0, 0, 1};
        }
        assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, NULL, &s, NULL), JM_OK);
        same += s.differs;
        for (int i = 0; i < 6; i++) runs[1][i].energy_j += 3;
        assert_int_equal(jm_sensitivity_analyse(groups, 3, NULL, NULL, &s, NULL), JM_OK);
        other += s.differs;
    }
    share_within(same, 3.5, 6.5, "interval matters, where it does not");
    share_within(other, 85, 100, "3 sd between six runs each are found");
    experiments = whole;
}

/* ---- comparison ---- */

typedef struct contest {
    double ratio, cv;
    double power_a, power_b; /* W */
    double drift;            /* of both, over the series */
    bool unpaired;
    size_t n;
} contest;

typedef struct outcome {
    long held, decided, detectable;
} outcome;

/* A board with its own gain (3 %) and offset (4 W), A B B A ... */
static jm_comparison one_contest(const contest *c) {
    jm_run a[30], b[30];
    double gain = 1 + 0.03 * normal(), offset = 4 * normal();
    for (size_t i = 0; i < 2 * c->n; i++) {
        bool is_b = (i % 4 == 1 || i % 4 == 2);
        double warm = exp(c->drift * (double)i / (2 * (double)c->n));
        double energy = 100 * (is_b ? c->ratio : 1) * warm * exp(c->cv * normal());
        double time = energy / (is_b ? c->power_b : c->power_a);
        jm_run run = {gain * energy + offset * time, 0, hypot(0.03 * energy, 4 * time), time};
        *(is_b ? &b[i / 2] : &a[i / 2]) = run;
    }
    jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
    jm_comparison found = {.size = sizeof found};
    options.unpaired = c->unpaired;
    assert_int_equal(jm_compare(a, c->n, b, c->n, &options, &found, NULL), JM_OK);
    return found;
}

static outcome contests(const contest *c) {
    outcome o = {0};
    for (long e = 0; e < experiments; e++) {
        jm_ratio r = one_contest(c).energy;
        o.held += r.lower <= c->ratio && c->ratio <= r.upper;
        o.decided += r.verdict != 0;
        o.detectable += r.detectable_pct <= 5;
    }
    return o;
}

static void no_difference(void **state) {
    (void)state;
    static const contest plain = {1, 0.02, 200, 200, 0, false, 10};
    static const contest few = {1, 0.02, 200, 200, 0, false, 3};
    static const contest warming = {1, 0.02, 200, 200, 0.1, false, 10};
    static const contest other_power = {1, 0.005, 200, 100, 0, false, 20};
    static const contest unpaired = {1, 0.02, 200, 200, 0, true, 10};
    share_within(contests(&plain).decided, 3.5, 6.5, "10 pairs: a difference, where there is none");
    share_within(contests(&few).decided, 3.5, 6.5, "3 pairs");
    share_within(contests(&warming).decided, 3, 6.5, "10 pairs on a board that warms up");
    share_within(contests(&other_power).decided, 3.5, 6.5, "20 pairs at 200 W and 100 W");
    share_within(contests(&unpaired).decided, 3.5, 6.5, "10 runs each, unpaired");
}

static void a_difference(void **state) {
    (void)state;
    static const contest plain = {1.05, 0.02, 200, 200, 0, false, 10};
    static const contest noisy = {0.95, 0.04, 200, 200, 0, false, 10};
    static const contest unpaired = {1.05, 0.02, 200, 200, 0, true, 10};
    outcome o = contests(&plain);
    share_within(o.held, 93, 97, "10 pairs, CV 2 %: the interval holds the ratio");
    share_within(o.decided, 99, 100, "10 pairs, CV 2 %: 5 % more is found");
    o = contests(&noisy);
    share_within(o.held, 93, 97, "10 pairs, CV 4 %: the interval holds the ratio");
    share_within(o.decided, 60, 80, "10 pairs, CV 4 %: 5 % less is found");
    o = contests(&unpaired);
    share_within(o.held, 93, 97, "10 runs each: the interval holds the ratio");
    share_within(o.decided, 99, 100, "10 runs each: 5 % more is found");
}

/* The detectable difference is one that is found in four cases of five. */
static void detectable_differences(void **state) {
    (void)state;
    /* (2.262 + 0.883) sqrt(2) 0.03 / sqrt(10): 4.3 % on average */
    static const contest at_the_edge = {1.0425, 0.03, 200, 200, 0, false, 10};
    share_within(contests(&at_the_edge).decided, 75, 85, "a difference just detectable is found");
}

/* ---- forecast ---- */

typedef struct training {
    double cv, warmup, slope;
    size_t slope_ends, done, total;
} training;

static long forecasts(const training *t) {
    long held = 0;
    for (long e = 0; e < experiments; e++) {
        jm_run epochs[100];
        double truth = 0, gain = 1 + 0.03 * normal();
        for (size_t i = 0; i < t->total; i++) {
            double level = 1 + t->slope * (double)(i < t->slope_ends ? i : t->slope_ends);
            double energy = 100 * (level + t->cv * normal() + (i == 0 ? t->warmup : 0));
            truth += energy;
            epochs[i] = (jm_run){gain * energy, 0, 0.03 * gain * energy, energy / 200};
        }
        jm_forecast f = {.size = sizeof f};
        assert_int_equal(jm_forecast_epochs(epochs, t->done, t->total, NULL, &f, NULL), JM_OK);
        held += f.energy_lower_j <= truth && truth <= f.energy_upper_j;
    }
    return held;
}

static void trainings(void **state) {
    (void)state;
    static const training steady = {0.05, 0, 0, 0, 5, 30}, longer = {0.05, 0, 0, 0, 20, 100};
    static const training warmup = {0.05, 0.5, 0, 0, 8, 50};
    static const training warms = {0.02, 0, 0.01, 10, 20, 100};
    static const training rises = {0.02, 0, 0.01, 100, 20, 60};
    share_within(forecasts(&steady), 93, 97, "after 5 of 30 epochs the whole is in the interval");
    share_within(forecasts(&longer), 93, 97, "after 20 of 100");
    share_within(forecasts(&warmup), 93, 98, "after 8 of 50, the first takes half as much again");
    share_within(forecasts(&warms), 93, 100, "after 20 of 100, a trend has ended");
    share_within(forecasts(&rises), 93, 100, "after 20 of 60, a trend goes on");
}

int main(void) {
    experiments = setting("JOULEMETER_EXPERIMENTS", 2000);
    randomness = 42;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interval_of_the_median),
        cmocka_unit_test(interval_of_the_mean_and_drift),
        cmocka_unit_test(sampling_intervals),
        cmocka_unit_test(no_difference),
        cmocka_unit_test(a_difference),
        cmocka_unit_test(detectable_differences),
        cmocka_unit_test(trainings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
