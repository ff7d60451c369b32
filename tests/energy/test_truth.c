/* Against the exact integral of the simulated board: error of joules and honesty of intervals. */
#include "helpers.h"

#include "accuracy/virtual.h"

typedef struct kind {
    const char *name, *board;
    uint32_t sensors;
    int64_t poll_ns;
    double refresh_s;
    bool contiguous, ranges;
} kind;

static const kind kinds[] = {
    {"counter 100 ms", "h100", VIRTUAL_COUNTER, 2000000, 0.1, true, false},
    {"counter 30 ms", "a100", VIRTUAL_COUNTER, 2000000, 0.03, true, false},
    {"contiguous", "rtx3090", VIRTUAL_INSTANT, 2000000, 0.1002, true, false},
    {"W 10 T 20", "v100", VIRTUAL_INSTANT, 2000000, 0.02, false, false},
    {"W 25 T 101", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, false},
    {"W 1 s", "h100", VIRTUAL_PLAIN, 2000000, 1, false, false},
    {"counter + W 25", "h100", VIRTUAL_COUNTER | VIRTUAL_INSTANT, 2000000, 0.1, true, false},
    {"W 25 T 101, ranges", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true},
};
static const char *const waveforms[] = {"constant:230", "square:90:280:0.37:0.45",
                                        "sawtooth:80:250:1.3", "telegraph:80:260:0.3",
                                        "training:42"};
static const double lengths_s[] = {0.01, 0.1, 1, 3, 10};
enum { LENGTHS = 5, PER_LENGTH = 12 };

typedef struct score {
    size_t windows, covered, bounded, bound_covered;
    double error;
} score;

typedef struct run {
    jm_recording *recording;
    struct simgpu_board *board;
    jm_window window[LENGTHS * PER_LENGTH];
    jm_energy energy[LENGTHS * PER_LENGTH];
} run;

static void measure(run *r, const kind *k, const char *waveform, const char *more, uint64_t seed) {
    char spec[300];
    snprintf(spec, sizeof spec, "%s,%s,seed=%u,phase=%.4f%s", k->board, waveform,
             (unsigned)seed + 1, (double)(seed * 37 % 100) * 0.0731, more);
    virtual_plan plan = {.spec = spec,
                         .sensors = k->sensors,
                         .poll_ns = k->poll_ns,
                         .begin_ns = 5000000000,
                         .length_ns = 24000000000,
                         .ranges = k->ranges,
                         .seed = seed + 1};
    r->recording = virtual_record(&plan, &r->board);
    uint64_t random = seed * 7919 + 13;
    for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++) {
        double length = lengths_s[i / PER_LENGTH];
        double begin = 5 + virtual_uniform(&random, 1.5, 22.5 - length);
        r->window[i].begin_ns = (int64_t)(begin * 1e9);
        r->window[i].end_ns = r->window[i].begin_ns + (int64_t)(length * 1e9);
    }
    energies_of(r->recording, 0, r->window, LENGTHS * PER_LENGTH, r->energy);
}

static double truth_of(const run *r, size_t i) {
    return simgpu_board_energy(r->board, r->window[i].begin_ns, r->window[i].end_ns);
}

static void free_run(run *r) {
    jm_recording_free(r->recording);
    simgpu_board_free(r->board);
}

/* ---- error ---- */

static void constant_power_is_right_at_any_length(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        static run r;
        measure(&r, &kinds[k], "constant:230", ",noise=0,quantum=0.001,gain=1,offset=0", 3);
        for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++) {
            double truth = truth_of(&r, i);
            bool counter = kinds[k].sensors & VIRTUAL_COUNTER;
            /* ticks are known to within a poll */
            double tolerance = counter ? 0.01 * truth + 230 * 0.0005 : 2e-5 * truth;
            close_to(r.energy[i].energy_j, truth, tolerance, kinds[k].name);
        }
        free_run(&r);
    }
}

static void contiguous_sensors_err_little(void **state) {
    (void)state;
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        if (!kinds[k].contiguous) continue;
        double error = 0;
        size_t windows = 0;
        for (size_t w = 0; w < JMI_COUNT(waveforms); w++)
            for (uint64_t seed = 0; seed < 3; seed++) {
                static run r;
                measure(&r, &kinds[k], waveforms[w], ",gain=1,offset=0", seed);
                for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++) {
                    if (r.energy[i].duration_s < 4.99 * kinds[k].refresh_s) continue;
                    error += fabs(r.energy[i].energy_j / truth_of(&r, i) - 1);
                    windows++;
                }
                free_run(&r);
            }
        error /= (double)windows;
        if (!(error < 0.005)) fail_msg("%s: mean error %.2f %%", kinds[k].name, 100 * error);
    }
}

static void what_is_simulated_is_labelled(void **state) {
    (void)state;
    static run r;
    measure(&r, &kinds[6], waveforms[1], "", 1);
    uint32_t wanted = JM_FROM_COUNTER | JM_FROM_POWER | JM_FROM_SIMULATION;
    for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++)
        assert_int_equal(r.energy[i].provenance & wanted & ~(uint32_t)JM_FROM_POWER,
                         JM_FROM_COUNTER | JM_FROM_SIMULATION);
    free_run(&r);
}

/* ---- coverage ---- */

static void judge(score *s, const run *r) {
    for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++) {
        const jm_energy *e = &r->energy[i];
        double truth = truth_of(r, i);
        bool inside = truth >= e->lower_j && truth <= e->upper_j;
        if (e->provenance & JM_BOUND_ONLY) {
            s->bounded++;
            s->bound_covered += inside;
        } else {
            s->windows++;
            s->covered += inside;
        }
    }
}

/* Boards' gain and offset as they are spread, in an order that mixes them. */
static double normal_of(uint64_t i, uint64_t step, uint64_t count) {
    double p = ((double)(i * step % count) + 0.5) / (double)count, x = 0;
    for (int round = 0; round < 60; round++)
        x -= (0.5 * erfc(-x / sqrt(2)) - p) / (exp(-x * x / 2) / sqrt(2 * 3.14159265358979));
    return x;
}

static void intervals_hold_the_truth(void **state) {
    (void)state;
    const uint64_t count = 10;
    score all = {0};
    for (size_t k = 0; k < JMI_COUNT(kinds); k++) {
        score of_kind = {0};
        for (size_t w = 0; w < JMI_COUNT(waveforms); w++)
            for (uint64_t seed = 0; seed < count; seed++) {
                static run r;
                char board[80];
                snprintf(board, sizeof board, ",gain=%.5f,offset=%.3f",
                         1 + 0.03 * normal_of(seed, 3, count), 4 * normal_of(seed, 7, count));
                measure(&r, &kinds[k], waveforms[w], board, seed);
                judge(&of_kind, &r);
                free_run(&r);
            }
        double covered = 100.0 * (double)of_kind.covered / (double)of_kind.windows;
        print_message("%-20s %6zu windows %5.1f %%, %5zu bounds\n", kinds[k].name, of_kind.windows,
                      covered, of_kind.bounded);
        if (!(covered >= 88)) fail_msg("%s: %.1f %% hold the truth", kinds[k].name, covered);
        all.windows += of_kind.windows;
        all.covered += of_kind.covered;
        all.bounded += of_kind.bounded;
        all.bound_covered += of_kind.bound_covered;
    }
    double covered = 100.0 * (double)all.covered / (double)all.windows;
    double bounds = 100.0 * (double)all.bound_covered / (double)all.bounded;
    print_message("overall %.2f %%, bounds %.2f %%\n", covered, bounds);
    if (!(covered >= 90 && covered <= 99)) fail_msg("overall %.2f %% hold the truth", covered);
    if (!(bounds >= 95)) fail_msg("%.2f %% of the bounds hold", bounds);
}

/* ---- energies while a load and a sensor keep step ---- */

static void a_load_in_step_with_the_sensor(void **state) {
    (void)state;
    const kind locked = {"locked", "a100", VIRTUAL_INSTANT, 2000000, 0.1012, false, true};
    size_t flagged = 0, covered = 0, windows = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        static run r;
        measure(&r, &locked, "square:90:280:0.1012:0.4", ",T=101.2ms,gain=1,offset=0", seed);
        for (size_t i = 0; i < LENGTHS * PER_LENGTH; i++) {
            const jm_energy *e = &r.energy[i];
            if (e->duration_s < 1) continue;
            double truth = truth_of(&r, i);
            flagged += (e->flags & JM_ENERGY_LOCKED) != 0;
            covered += truth >= e->lower_j && truth <= e->upper_j;
            windows++;
        }
        free_run(&r);
    }
    print_message("locked: %zu of %zu flagged, %zu hold the truth\n", flagged, windows, covered);
    assert_true(covered >= windows * 9 / 10);
    assert_true(flagged >= windows / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_power_is_right_at_any_length),
        cmocka_unit_test(contiguous_sensors_err_little),
        cmocka_unit_test(what_is_simulated_is_labelled),
        cmocka_unit_test(intervals_hold_the_truth),
        cmocka_unit_test(a_load_in_step_with_the_sensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
