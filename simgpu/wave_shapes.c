/* SPDX-License-Identifier: MIT */
#include "random.h"
#include "wave.h"

#define MS INT64_C(1000000)

struct simgpu_wave *simgpu_wave_constant(double power_w) {
    struct simgpu_wave_builder b = {0};
    simgpu_wave_add(&b, SIMGPU_NS_PER_S, power_w, power_w);
    return simgpu_wave_finish(&b, false, 0);
}

struct simgpu_wave *simgpu_wave_square(double low_w, double high_w, int64_t period_ns, double duty,
                                       int64_t phase_ns) {
    struct simgpu_wave_builder b = {0};
    int64_t high_ns = llround(duty * (double)period_ns);
    simgpu_wave_add(&b, high_ns, high_w, high_w);
    simgpu_wave_add(&b, period_ns - high_ns, low_w, low_w);
    return simgpu_wave_finish(&b, true, phase_ns);
}

struct simgpu_wave *simgpu_wave_sawtooth(double low_w, double high_w, int64_t period_ns,
                                         int64_t phase_ns) {
    struct simgpu_wave_builder b = {0};
    simgpu_wave_add(&b, period_ns, low_w, high_w);
    return simgpu_wave_finish(&b, true, phase_ns);
}

struct simgpu_wave *simgpu_wave_telegraph(double low_w, double high_w, int64_t mean_dwell_ns,
                                          uint64_t seed, int64_t phase_ns) {
    enum { DWELLS = 16384 };
    struct simgpu_wave_builder b = {0};
    for (uint64_t i = 0; i < DWELLS; i++) {
        double dwell = -log(simgpu_uniform(seed, i)) * (double)mean_dwell_ns;
        double power_w = i % 2 ? high_w : low_w;
        simgpu_wave_add(&b, 1 + llround(dwell), power_w, power_w);
    }
    return simgpu_wave_finish(&b, true, phase_ns);
}

/* One stretch of the training story: length, and power as a share of the way to the limit. */
struct stretch {
    int64_t length_ns;
    double share;
};

struct training {
    struct simgpu_wave_builder b;
    double idle_w, span_w;
    uint64_t seed, draws;
};

static void hold(struct training *t, int64_t length_ns, double share) {
    double power_w = t->idle_w + share * t->span_w;
    simgpu_wave_add(&t->b, length_ns, power_w, power_w);
}

/* A batch's stretches share one jitter of about +-10 % in time and 2 % in power. */
static void batch(struct training *t, const struct stretch *stretches, size_t count) {
    double stretch_by = 0.9 + 0.2 * simgpu_uniform(t->seed, t->draws++);
    double power_by = 0.98 + 0.04 * simgpu_uniform(t->seed, t->draws++);
    for (size_t i = 0; i < count; i++)
        hold(t, llround((double)stretches[i].length_ns * stretch_by),
             stretches[i].share * power_by);
}

static void epoch(struct training *t, int batches) {
    static const struct stretch train[] = {
        {18 * MS, 0.12},  /* waiting for data */
        {62 * MS, 0.72},  /* forward */
        {105 * MS, 0.90}, /* backward */
        {15 * MS, 0.45},  /* optimizer */
    };
    static const struct stretch validate[] = {{12 * MS, 0.12}, {55 * MS, 0.66}};
    for (int i = 0; i < batches; i++) batch(t, train, sizeof train / sizeof *train);
    hold(t, 120 * MS, 0.10);
    for (int i = 0; i < batches / 4; i++) batch(t, validate, sizeof validate / sizeof *validate);
    hold(t, 600 * MS, 0.05); /* checkpoint */
}

struct simgpu_wave *simgpu_wave_training(double idle_w, double limit_w, uint64_t seed,
                                         int64_t phase_ns) {
    static const struct stretch warm_up[] = {{40 * MS, 0.10}, {150 * MS, 0.60}, {60 * MS, 0.30}};
    struct training t = {.idle_w = idle_w, .span_w = limit_w - idle_w, .seed = seed};
    hold(&t, 1500 * MS, 0.0);
    hold(&t, 1000 * MS, 0.06); /* loading the model */
    for (int i = 0; i < 5; i++) batch(&t, warm_up, sizeof warm_up / sizeof *warm_up);
    for (int i = 0; i < 6; i++) epoch(&t, 40);
    hold(&t, 2000 * MS, 0.0);
    return simgpu_wave_finish(&t.b, true, phase_ns);
}
