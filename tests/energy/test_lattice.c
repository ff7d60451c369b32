/* The lattice of a sensor's refreshes, from brackets that polls put about them. */
#include "helpers.h"

#include "sensor/lattice.h"

enum { MOST = 6000 };

static int64_t lo[MOST], hi[MOST];

/* How a made-up sensor is polled. */
typedef struct plan {
    double period_ns;
    double poll_ns;
    double jitter_ns; /* standard deviation of ticks, uniform */
    double missing;   /* share of changes that are not seen */
    double outliers;  /* share of changes that show at any time */
    double drift;     /* relative growth of the period a tick */
    double prior_ns;
    size_t count;
    int64_t start_ns;
} plan;

static size_t make(const plan *p, uint64_t seed) {
    size_t n = 0;
    double t = 12345678.9, period = p->period_ns;
    while (n < p->count) {
        t += period;
        period *= 1 + p->drift;
        double tick = t + sqrt(3) * random_between(&seed, -p->jitter_ns, p->jitter_ns);
        bool seen = random_between(&seed, 0, 1) >= p->missing;
        if (random_between(&seed, 0, 1) < p->outliers)
            tick += random_between(&seed, 0.2, 0.8) * p->period_ns;
        if (!seen) continue;
        double after = random_between(&seed, 0, p->poll_ns);
        lo[n] = p->start_ns + (int64_t)(tick + after - p->poll_ns);
        hi[n] = p->start_ns + (int64_t)(tick + after);
        if (n > 0 && hi[n] <= hi[n - 1]) continue;
        n++;
    }
    return n;
}

static void be_finite(const jmi_lattice *l) {
    assert_true(isfinite(l->period_ns) && l->period_ns >= 0);
    assert_true(isfinite(l->period_u_ns) && l->period_u_ns >= 0);
    assert_true(isfinite(l->jitter_ns) && l->jitter_ns >= 0);
    assert_true(l->inside >= 0 && l->inside <= 1);
}

/* Fits and demands the period within `tolerance` (relative). */
static jmi_lattice find(const plan *p, double tolerance) {
    jmi_lattice l = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t n = make(p, seed);
        assert_int_equal(jmi_lattice_fit(lo, hi, n, p->prior_ns, &l), JM_OK);
        be_finite(&l);
        close_to(l.period_ns, p->period_ns, tolerance * p->period_ns, "period");
    }
    return l;
}

static void clean_brackets(void **state) {
    (void)state;
    static const double periods[] = {1e6, 20e6, 101.2e6, 1e9};
    for (size_t i = 0; i < JMI_COUNT(periods); i++) {
        plan p = {
            .period_ns = periods[i], .poll_ns = periods[i] / 20, .count = 300, .start_ns = T0};
        jmi_lattice l = find(&p, 1e-4);
        assert_true(l.inside > 0.99);
        assert_true(l.jitter_ns < 0.01 * periods[i]);
        assert_true(l.period_u_ns < 1e-3 * periods[i]);
        assert_int_equal(l.ticks, 300);
    }
}

static void the_period_is_within_its_uncertainty(void **state) {
    (void)state;
    plan p = {.period_ns = 101.2e6, .poll_ns = 5e6, .count = 100, .start_ns = T0};
    int within = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        jmi_lattice l;
        assert_int_equal(jmi_lattice_fit(lo, hi, make(&p, seed), 0, &l), JM_OK);
        within += fabs(l.period_ns - p.period_ns) <= 1.96 * l.period_u_ns;
    }
    assert_in_range(within, 85, 100);
}

static void ticks_that_jitter(void **state) {
    (void)state;
    plan p = {.period_ns = 100e6, .poll_ns = 4e6, .jitter_ns = 3e6, .count = 300, .start_ns = T0};
    jmi_lattice l = find(&p, 1e-3);
    assert_true(l.jitter_ns > 0.5e6 && l.jitter_ns < 6e6);
}

static void ticks_that_are_not_seen(void **state) {
    (void)state;
    plan p = {.period_ns = 100e6, .poll_ns = 4e6, .missing = 0.5, .count = 300, .start_ns = T0};
    find(&p, 1e-3);
    p.prior_ns = 100e6; /* where most are unseen, only the table can tell */
    p.missing = 0.9;
    find(&p, 1e-3);
}

static void ticks_out_of_place(void **state) {
    (void)state;
    plan p = {.period_ns = 100e6, .poll_ns = 4e6, .outliers = 0.02, .count = 300, .start_ns = T0};
    jmi_lattice l = find(&p, 1e-3);
    assert_true(l.inside < 1);
}

/* One tick half a period late must not shift the number of all that follow. */
static void one_tick_out_of_place(void **state) {
    (void)state;
    plan p = {.period_ns = 100e6, .poll_ns = 4e6, .count = 2000, .start_ns = T0};
    for (double late = -0.9; late < 0.95; late += 0.1) {
        make(&p, 8);
        lo[1000] += (int64_t)(late * 100e6);
        hi[1000] += (int64_t)(late * 100e6);
        jmi_lattice l;
        assert_int_equal(jmi_lattice_fit(lo, hi, p.count, 0, &l), JM_OK);
        close_to(l.period_ns, 100e6, 1e4, "period");
        assert_true(l.inside > 0.99);
        /* near the end of a short run it would turn the line */
        lo[1000] += (int64_t)(-late * 100e6);
        hi[1000] += (int64_t)(-late * 100e6);
        lo[38] += (int64_t)(late * 100e6);
        hi[38] += (int64_t)(late * 100e6);
        assert_int_equal(jmi_lattice_fit(lo, hi, 40, 0, &l), JM_OK);
        close_to(l.period_ns, 100e6, 1e5, "period of a short run");
    }
}

/* The machine was busy: now and then no poll for up to three periods. */
static void polls_that_stall(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        size_t n = 0;
        double t = 0, before = 0, shown = 0;
        while (n < 1000) {
            double step = random_between(&random, 3e6, 5e6);
            if (random_between(&random, 0, 1) < 1e-3) step += random_between(&random, 0, 300e6);
            before = t;
            t += step;
            if (floor(t / 100e6) == shown) continue;
            shown = floor(t / 100e6);
            lo[n] = T0 + (int64_t)before;
            hi[n++] = T0 + (int64_t)t;
        }
        jmi_lattice l;
        assert_int_equal(jmi_lattice_fit(lo, hi, n, 0, &l), JM_OK);
        close_to(l.period_ns, 100e6, 1e4, "period");
    }
}

static void a_period_that_drifts(void **state) {
    (void)state; /* 20 ppm over 500 ticks: the mean */
    plan p = {.period_ns = 100e6, .poll_ns = 4e6, .drift = 4e-8, .count = 500, .start_ns = T0};
    find(&p, 1e-3);
}

static void few_brackets(void **state) {
    (void)state;
    plan p = {.period_ns = 100e6, .poll_ns = 2e6, .start_ns = T0};
    for (size_t n = 0; n < 8; n++) {
        jmi_lattice l;
        memset(&l, 0xFF, sizeof l);
        p.count = n;
        make(&p, 3);
        assert_int_equal(jmi_lattice_fit(lo, hi, n, 0, &l), n < 4 ? JM_NO_DATA : JM_OK);
        be_finite(&l);
        if (n >= 4) close_to(l.period_ns, 100e6, 1e6, "period");
    }
}

static void only_the_latest_of_very_many_count(void **state) {
    (void)state;
    plan p = {.period_ns = 20e6, .poll_ns = 1e6, .count = MOST, .start_ns = T0};
    make(&p, 5);
    for (size_t i = 0; i < 1500; i++) lo[i] = hi[i] = T0 + (int64_t)i * 333; /* another life */
    jmi_lattice l;
    assert_int_equal(jmi_lattice_fit(lo, hi, MOST, 0, &l), JM_OK);
    close_to(l.period_ns, 20e6, 2e3, "period");
    assert_int_equal(l.ticks, 4096);
}

/* A table may be of another driver, so that the prior is off by a whole factor. */
static void a_prior_that_is_wrong(void **state) {
    (void)state;
    static const double factors[] = {0.1, 0.2, 1.0 / 3, 0.5, 0.66, 0.8, 1.3, 1.5, 2, 5, 10, 100};
    for (size_t i = 0; i < JMI_COUNT(factors); i++) {
        plan p = {.period_ns = 100e6,
                  .poll_ns = 4e6,
                  .count = 200,
                  .start_ns = T0,
                  .prior_ns = factors[i] * 100e6};
        for (uint64_t seed = 1; seed <= 10; seed++) {
            jmi_lattice l;
            size_t n = make(&p, seed);
            int status = jmi_lattice_fit(lo, hi, n, p.prior_ns, &l);
            be_finite(&l);
            /* that changes show at every n-th tick only is for the table to say */
            double parts = fmax(nearbyint(1 / factors[i]), 1);
            bool off = fabs(l.period_ns * parts - 100e6) > 1e5 && fabs(l.period_ns - 100e6) > 1e5;
            if (status == JM_OK && off)
                fail_msg("prior %g x: period %.9g, inside %g", factors[i], l.period_ns, l.inside);
            assert_int_equal(status, JM_OK);
        }
    }
}

/* Likewise, where the prior may be a whole part of the period. */
static void find_stretched(const plan *p, double tolerance) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t n = make(p, seed);
        jmi_lattice l;
        assert_int_equal(jmi_lattice_fit(lo, hi, n, p->prior_ns, &l), JM_OK);
        jmi_lattice_stretch(lo, hi, n, &l);
        be_finite(&l);
        close_to(l.period_ns, p->period_ns, tolerance * p->period_ns, "period");
    }
}

/* A board that refreshes seldomer than the table says, by a whole factor or nearly one. */
static void a_prior_that_is_a_part(void **state) {
    (void)state;
    static const double factors[] = {1, 2, 3, 4, 5, 7, 10, 50, 5.06};
    for (size_t i = 0; i < JMI_COUNT(factors); i++) {
        plan p = {.period_ns = 20e6 * factors[i],
                  .poll_ns = 1e6,
                  .missing = 0.2,
                  .outliers = 0.01,
                  .count = 40,
                  .prior_ns = 20e6,
                  .start_ns = T0};
        find_stretched(&p, 1e-3);
    }
}

/* Readings of a steady load repeat: changes are rare, by any number of periods. */
static void a_steady_load(void **state) {
    (void)state;
    static const double missing[] = {0.5, 0.8, 0.9, 0.97};
    for (size_t i = 0; i < JMI_COUNT(missing); i++) {
        for (size_t count = 6; count <= 600; count *= 10) {
            plan p = {.period_ns = 100e6,
                      .poll_ns = 4e6,
                      .missing = missing[i],
                      .count = count,
                      .prior_ns = 100e6,
                      .start_ns = T0};
            find_stretched(&p, count < 60 ? 1e-2 : 1e-3);
        }
    }
    /* 7, 3, 12, 5 periods have nothing in common; 8, 4, 12, 6 do, but too few times to tell */
    static const int steps[][4] = {{7, 3, 12, 5}, {8, 4, 12, 6}};
    for (size_t s = 0; s < JMI_COUNT(steps); s++) {
        int64_t t = T0;
        for (size_t i = 0; i < 9; i++) {
            t += steps[s][i % 4] * INT64_C(100000000);
            lo[i] = t - 2000000;
            hi[i] = t + 2000000;
        }
        jmi_lattice l;
        assert_int_equal(jmi_lattice_fit(lo, hi, 9, 100e6, &l), JM_OK);
        jmi_lattice_stretch(lo, hi, 9, &l);
        close_to(l.period_ns, 100e6, 1e5, "period");
    }
}

/* A load that changes at every tenth tick does not change what was measured before. */
static void a_regular_load(void **state) {
    (void)state;
    plan p = {.period_ns = 1e9, .poll_ns = 4e6, .count = 100, .start_ns = T0};
    make(&p, 1);
    jmi_lattice l;
    assert_int_equal(jmi_lattice_fit(lo, hi, 100, 100e6, &l), JM_OK);
    close_to(l.period_ns, 100e6, 1e4, "period");
}

static void equal_times_are_no_lattice(void **state) {
    (void)state;
    jmi_lattice l;
    for (size_t i = 0; i < 100; i++) lo[i] = hi[i] = T0;
    assert_int_equal(jmi_lattice_fit(lo, hi, 100, 0, &l), JM_NO_DATA);
    be_finite(&l);
    jmi_lattice_fit(lo, hi, 100, 1e6, &l);
    be_finite(&l);
}

static void chance_is_no_lattice(void **state) {
    (void)state;
    int found = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t random = seed;
        int64_t t = T0;
        for (size_t i = 0; i < 200; i++) {
            t += (int64_t)random_between(&random, 1e6, 200e6);
            lo[i] = t;
            t += (int64_t)random_between(&random, 0, 1e6);
            hi[i] = t;
        }
        jmi_lattice l;
        found += jmi_lattice_fit(lo, hi, 200, 0, &l) == JM_OK;
        be_finite(&l);
    }
    assert_in_range(found, 0, 5);
}

/* Whatever comes: an answer, in time, of numbers. Times are valid ones of a recording. */
static void garbage(void **state) {
    (void)state;
    const double valid = 2.3e18;
    static const double priors[] = {0, 1, 1e-3, 1e-300, 1e300, -5, NAN, INFINITY, 100e6};
    uint64_t random = 99;
    long rounds = setting("ENERGY_ROUNDS", 2000);
    for (long round = 0; round < rounds; round++) {
        size_t n = (size_t)(random_bits(&random) % 40);
        double scale = pow(10, random_between(&random, 0, 18.3));
        int kind = (int)(random_bits(&random) % 4);
        for (size_t i = 0; i < n; i++) {
            double a = random_between(&random, -scale, scale), b = a;
            if (kind == 1) b += random_between(&random, 0, scale); /* overlapping, unordered */
            if (kind == 2) a = b = (double)(random_bits(&random) % 3);
            if (kind == 3) a = (i % 2) ? valid : -valid, b = a;
            lo[i] = (int64_t)fmin(fmax(a, -valid), valid);
            hi[i] = (int64_t)fmin(fmax(b, -valid), valid);
        }
        jmi_lattice l;
        double prior = priors[random_bits(&random) % JMI_COUNT(priors)];
        int status = jmi_lattice_fit(lo, hi, n, prior, &l);
        assert_true(status == JM_OK || status == JM_NO_DATA);
        be_finite(&l);
        if (status == JM_OK) assert_true(l.period_ns > 0);
        if (status == JM_OK) jmi_lattice_stretch(lo, hi, n, &l);
        be_finite(&l);
    }
}

static void the_last_tick_before(void **state) {
    (void)state;
    jmi_lattice l = {.period_ns = 100, .origin_ns = 1000};
    assert_int_equal(jmi_lattice_tick(&l, 1000), 1000);
    assert_int_equal(jmi_lattice_tick(&l, 1099), 1000);
    assert_int_equal(jmi_lattice_tick(&l, 1100), 1100);
    assert_int_equal(jmi_lattice_tick(&l, 999), 900);
    assert_int_equal(jmi_lattice_tick(&l, 0), 0);
    assert_int_equal(jmi_lattice_tick(&l, -1), -100);
    l.period_ns = 101.2e6;
    l.origin_ns = T0;
    for (int k = -1000; k <= 1000; k++) {
        int64_t tick = jmi_lattice_tick(&l, T0 + (int64_t)(((double)k + 0.5) * l.period_ns));
        assert_true(llabs(tick - T0 - (int64_t)llround(k * l.period_ns)) <= 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_brackets),
        cmocka_unit_test(the_period_is_within_its_uncertainty),
        cmocka_unit_test(ticks_that_jitter),
        cmocka_unit_test(ticks_that_are_not_seen),
        cmocka_unit_test(ticks_out_of_place),
        cmocka_unit_test(one_tick_out_of_place),
        cmocka_unit_test(polls_that_stall),
        cmocka_unit_test(a_period_that_drifts),
        cmocka_unit_test(few_brackets),
        cmocka_unit_test(only_the_latest_of_very_many_count),
        cmocka_unit_test(a_prior_that_is_wrong),
        cmocka_unit_test(a_prior_that_is_a_part),
        cmocka_unit_test(a_steady_load),
        cmocka_unit_test(a_regular_load),
        cmocka_unit_test(equal_times_are_no_lattice),
        cmocka_unit_test(chance_is_no_lattice),
        cmocka_unit_test(garbage),
        cmocka_unit_test(the_last_tick_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
