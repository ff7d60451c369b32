/* SPDX-License-Identifier: MIT */
/* What the sensors say, against the definition in model.h. */
#include "helpers.h"

static void a_reading_is_the_mean_of_its_window(void **unused) {
    (void)unused;
    static const char *const specs[] = {
        "a100,training:4,noise=0,T=101.2ms,W=25ms,lag=8ms", /* part-time */
        "a100,telegraph:90:350:20ms,noise=0,T=100ms,W=100ms",
        "a100,sawtooth:60:390:0.33,noise=0,T=100ms,W=1",
        "a100,square:60:390:0.1,noise=0,T=20ms,W=10ms,gain=1.04,offset=-7",
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct simgpu_board *board = must_board(specs[i]);
        const struct simgpu_sensor_params *p = simgpu_board_sensor(board, SIMGPU_PLAIN);
        for (int64_t t = 0; t < 20 * S; t += 7 * MS) {
            struct simgpu_reading r;
            assert_int_equal(simgpu_board_read(board, SIMGPU_PLAIN, t, &r), 0);
            assert_true(r.tick_ns <= t && t < r.tick_ns + p->refresh_ns);
            assert_int_equal(r.tick_ns, p->phase_ns + r.tick * p->refresh_ns);
            int64_t end = r.tick_ns - p->lag_ns;
            double mean =
                simgpu_board_energy(board, end - p->window_ns, end) / ((double)p->window_ns * 1e-9);
            assert_true(fabs(r.value - (p->gain * mean + p->offset_w)) <= 0.5e-3 + 1e-9);
        }
        simgpu_board_free(board);
    }
}

static void keys_reach_the_sensors(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("h100,T=50ms,W=20ms,lag=3ms,rise=40ms,gain=0.97,offset=2,"
                                        "noise=1.5,quantum=0.1,average.W=2,ring.T=5ms,"
                                        "instant.noise=0,counter_T=33ms,counter_phase=4ms");
    const struct simgpu_sensor_params *p = simgpu_board_sensor(b, SIMGPU_PLAIN);
    assert_true(p->present && p->refresh_ns == 50 * MS && p->window_ns == 20 * MS);
    assert_true(p->lag_ns == 3 * MS && p->rise_ns == 40 * MS && p->gain == 0.97);
    assert_true(p->offset_w == 2.0 && p->noise_w == 1.5 && p->quantum == 0.1);
    assert_true(simgpu_board_sensor(b, SIMGPU_AVERAGE)->window_ns == 2 * S);
    assert_true(simgpu_board_sensor(b, SIMGPU_INSTANT)->noise_w == 0.0);
    assert_true(simgpu_board_sensor(b, SIMGPU_INSTANT)->window_ns == 20 * MS);
    assert_true(simgpu_board_sensor(b, SIMGPU_RING)->refresh_ns == 5 * MS);
    p = simgpu_board_sensor(b, SIMGPU_COUNTER);
    assert_true(p->refresh_ns == 33 * MS && p->phase_ns == 4 * MS && p->gain == 0.97);
    simgpu_board_free(b);
}

static void profiles_have_the_sensors_of_their_generation(void **unused) {
    (void)unused;
    static const struct {
        const char *spec;
        bool average, instant;
        int64_t plain_window;
    } rows[] = {
        {"v100", false, true, 10 * MS},
        {"a100", false, true, 25 * MS},
        {"h100", true, true, S},
        {"h200", true, true, S},
        {"3090", true, true, S},
        {"3090,driver530", true, true, 100200000},
        {"4090,fault=driver530", true, true, 100 * MS},
        {"b200", true, true, S},
        {"gh200", true, true, S},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct simgpu_board *b = must_board(rows[i].spec);
        assert_int_equal(simgpu_board_sensor(b, SIMGPU_AVERAGE)->present, rows[i].average);
        assert_int_equal(simgpu_board_sensor(b, SIMGPU_INSTANT)->present, rows[i].instant);
        assert_int_equal(simgpu_board_sensor(b, SIMGPU_PLAIN)->window_ns, rows[i].plain_window);
        assert_true(simgpu_board_sensor(b, SIMGPU_COUNTER)->present);
        simgpu_board_free(b);
    }
}

/* F' = (P - F) / r for a step is 1 - exp(-t/r). */
static void rise_time_is_first_order(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,channel,idle=50,noise=0,T=1ms,W=0,lag=0,rise=100ms,"
                                        "tick_phase=0,quantum=0.001");
    simgpu_board_set_demand(b, 2 * S, 350.0);
    for (int64_t t = 2 * S; t < 3 * S; t += 37 * MS) {
        double wanted = 50.0 + 300.0 * (1.0 - exp(-(double)(t - 2 * S) / 1e8));
        assert_true(fabs(read_at(b, SIMGPU_PLAIN, t) - wanted) < 0.6e-3);
    }
    simgpu_board_free(b);
}

/* The closed form of the low-passed window against a sum over a fine grid. */
static void rise_and_window_together(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,sawtooth:60:360:0.17,noise=0,T=100ms,W=50ms,lag=5ms,"
                                        "rise=30ms,tick_phase=0");
    double f = 0.0, sum = 0.0;
    const int64_t step = 2000;
    int64_t end = 10 * S - 5 * MS;
    for (int64_t t = end - S; t < end; t += step) {
        double p = simgpu_board_power(b, t + step / 2);
        double fade = exp(-(double)step / 30e6);
        double next = p + (f - p) * fade;
        if (t >= end - 50 * MS) sum += 0.5 * (f + next);
        f = next;
    }
    double wanted = sum / (50e6 / (double)step);
    assert_true(fabs(read_at(b, SIMGPU_PLAIN, 10 * S) - wanted) < 2e-3);
    simgpu_board_free(b);
}

static void noise_belongs_to_the_tick(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,constant:200,noise=2,T=10ms,W=10ms,tick_phase=0");
    double sum = 0.0, squares = 0.0;
    enum { TICKS = 20000 };
    for (int64_t i = 0; i < TICKS; i++) {
        double first = read_at(b, SIMGPU_PLAIN, i * 10 * MS);
        assert_true(first == read_at(b, SIMGPU_PLAIN, i * 10 * MS + 9 * MS));
        sum += first - 200.0;
        squares += (first - 200.0) * (first - 200.0);
    }
    assert_true(fabs(sum / TICKS) < 0.06);
    assert_true(fabs(sqrt(squares / TICKS) - 2.0) < 0.05);
    simgpu_board_free(b);
}

static void average_and_plain_are_one_reading_where_they_are_equal(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("3090,training");
    for (int64_t t = 0; t < 5 * S; t += 50 * MS)
        assert_true(read_at(b, SIMGPU_PLAIN, t) == read_at(b, SIMGPU_AVERAGE, t));
    simgpu_board_free(b);
}

static void the_counter_is_the_integral_at_its_last_tick(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,training:2,counter_T=73.1ms,counter_base=1000,"
                                        "gain=1.03,offset=1");
    const struct simgpu_sensor_params *p = simgpu_board_sensor(b, SIMGPU_COUNTER);
    double last = 0.0;
    for (int64_t t = 0; t < 100 * S; t += 31 * MS) {
        struct simgpu_reading r;
        assert_int_equal(simgpu_board_read(b, SIMGPU_COUNTER, t, &r), 0);
        assert_true(r.tick_ns <= t && t < r.tick_ns + p->refresh_ns);
        double wanted = 1000.0;
        if (r.tick_ns > 0)
            wanted += 1.03 * simgpu_board_energy(b, 0, r.tick_ns) + (double)r.tick_ns * 1e-9;
        assert_true(r.value <= wanted + 2e-9 && r.value > wanted - 1e-3 - 1e-9);
        assert_true(r.value >= last);
        last = r.value;
    }
    simgpu_board_free(b);
}

static void a_reset_starts_the_counter_again(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,constant:200,counter_T=10ms,counter_phase=0,"
                                        "fault=reset@5,fault=reset@8");
    double base = read_at(b, SIMGPU_COUNTER, 0);
    assert_true(base > 1000.0);
    close_to(read_at(b, SIMGPU_COUNTER, 5 * S - 1) - base, 200.0 * 4.99, 1e-6);
    assert_true(read_at(b, SIMGPU_COUNTER, 5 * S) == 0.0);
    close_to(read_at(b, SIMGPU_COUNTER, 7 * S), 400.0, 1e-9);
    close_to(read_at(b, SIMGPU_COUNTER, 9 * S), 200.0, 1e-9);
    /* The truth knows of no reset. */
    close_to(simgpu_board_energy(b, 0, 10 * S), 2000.0, 1e-12);
    simgpu_board_free(b);
}

static void quantum_rounds(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,constant:200.3,noise=0,quantum=0.5");
    assert_true(read_at(b, SIMGPU_PLAIN, S) == 200.5);
    simgpu_board_free(b);
}

static void the_ring_keeps_the_last_readings(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100,training:5");
    struct simgpu_reading ring[SIMGPU_RING_SIZE];
    assert_int_equal(simgpu_board_ring(b, -1, -1, ring), 0);
    size_t early = simgpu_board_ring(b, S, -1, ring);
    assert_true(early == 50 || early == 51);
    assert_int_equal(simgpu_board_ring(b, 100 * S, -1, ring), SIMGPU_RING_SIZE);
    for (int i = 0; i < SIMGPU_RING_SIZE; i++) {
        if (i) assert_int_equal(ring[i].tick_ns - ring[i - 1].tick_ns, 20 * MS);
        assert_true(ring[i].value == read_at(b, SIMGPU_RING, ring[i].tick_ns));
    }
    assert_true(ring[SIMGPU_RING_SIZE - 1].tick_ns > 100 * S - 20 * MS);
    size_t newer =
        simgpu_board_ring(b, 100 * S + 60 * MS, ring[SIMGPU_RING_SIZE - 1].tick_ns, ring);
    assert_int_equal(newer, 3);
    simgpu_board_free(b);
}

static void missing_sensors_say_so(void **unused) {
    (void)unused;
    struct simgpu_board *b = must_board("a100");
    struct simgpu_reading r;
    assert_int_equal(simgpu_board_read(b, SIMGPU_AVERAGE, S, &r), -1);
    simgpu_board_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reading_is_the_mean_of_its_window),
        cmocka_unit_test(keys_reach_the_sensors),
        cmocka_unit_test(profiles_have_the_sensors_of_their_generation),
        cmocka_unit_test(rise_time_is_first_order),
        cmocka_unit_test(rise_and_window_together),
        cmocka_unit_test(noise_belongs_to_the_tick),
        cmocka_unit_test(average_and_plain_are_one_reading_where_they_are_equal),
        cmocka_unit_test(the_counter_is_the_integral_at_its_last_tick),
        cmocka_unit_test(a_reset_starts_the_counter_again),
        cmocka_unit_test(quantum_rounds),
        cmocka_unit_test(the_ring_keeps_the_last_readings),
        cmocka_unit_test(missing_sensors_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
