#include "layered.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Calls of a layer differ by so much in time, relatively, and by so much in power, on one board or
 * another: durations, which are known, tell nothing of powers, which are not. */
static const double TIME_JITTER = 0.01;
static const double LEAST_POWER_JITTER = 0.005, MOST_POWER_JITTER = 0.02;
/* Times of ranges, as events on a device give them. */
static const double TIME_ERROR_NS = 250;
/* Before bursts, so that there is something to report of. */
static const double PLAIN_PART_S = 3;
/* Bursts last so many windows or refreshes, whichever is longer. */
static const double BURST = 1.25;
static const int64_t LOAD_BEGIN_NS = INT64_C(5000000000);
static const int64_t POLL_NS = 2000000;

static void die(const char *why) {
    fprintf(stderr, "jm-accuracy: layers: %s\n", why);
    exit(1);
}

void layered_name(size_t layer, char name[16]) {
    snprintf(name, 16, "layer%03u", (unsigned)layer % 1000);
}

/* ---- the load ---- */

/* Scenarios of one seed have nothing in common. */
static uint64_t seed_of(const layered_plan *plan) {
    uint64_t state = plan->seed;
    for (const char *c = plan->scenario->name; *c != '\0'; c++)
        state = virtual_random(&state) ^ (uint64_t)(unsigned char)*c;
    return virtual_random(&state);
}

/* Around 1, never far from it: a call takes time, and stays below the limit. */
static double jitter(uint64_t *random, double sd) {
    return 1 + sd * fmin(fmax(virtual_normal(random), -4), 4);
}

static void stretch(layered_load *load, double busy_s) {
    double sum = 0;
    for (size_t i = 0; i < load->layers; i++) sum += load->call_s[i];
    for (size_t i = 0; i < load->layers; i++) load->call_s[i] *= busy_s / sum;
}

static double refresh_s(const struct simgpu_board *board, uint32_t sensors) {
    double longest = 0;
    for (int kind = 0; kind < SIMGPU_SENSOR_COUNT; kind++)
        if (sensors & (1u << kind)) {
            const struct simgpu_sensor_params *p =
                simgpu_board_sensor(board, (enum simgpu_sensor)kind);
            int64_t window = kind == SIMGPU_COUNTER ? 0 : p->window_ns;
            longest = fmax(longest, (double)(window > p->refresh_ns ? window : p->refresh_ns));
        }
    return longest * 1e-9;
}

static void draw_load(layered_load *load, const layered_plan *plan,
                      const struct simgpu_board *board) {
    const layered_scenario *s = plan->scenario;
    uint64_t random = seed_of(plan);
    double most_w = 0.9 * simgpu_board_limit_w(board, 0);
    load->layers = s->layers + s->more_layers * ((plan->seed - 1) % 3);
    size_t types = s->types > 0 ? s->types : load->layers;
    for (size_t i = 0; i < load->layers; i++) {
        if (i < types) {
            load->call_s[i] = virtual_log_uniform(&random, s->shortest_s, s->longest_s);
            load->power_w[i] = virtual_uniform(&random, 90, most_w);
        } else {
            load->call_s[i] = load->call_s[i - types] * jitter(&random, 0.01);
            load->power_w[i] = fmin(load->power_w[i - types] * jitter(&random, 0.01), most_w);
        }
    }
    load->power_jitter = virtual_log_uniform(&random, LEAST_POWER_JITTER, MOST_POWER_JITTER);
    double gap_share = virtual_uniform(&random, 0.02, 0.06);
    load->gap_w = virtual_uniform(&random, 60, 80);
    double period = s->locked ? refresh_s(board, plan->sensor->sensors) : s->iteration_s;
    if (period > 0) stretch(load, period * (1 - gap_share));
    double busy = 0;
    for (size_t i = 0; i < load->layers; i++) busy += load->call_s[i];
    load->period_s = busy / (1 - gap_share);
    load->gap_s = load->period_s - busy;
}

/* ---- what runs when ---- */

typedef struct clockwork {
    layered_run *run;
    const layered_plan *plan;
    uint64_t random;
    int64_t now, end;
} clockwork;

static void *grown(void *memory, size_t *capacity, size_t size) {
    *capacity = *capacity > 0 ? 2 * *capacity : 1024;
    memory = realloc(memory, *capacity * size);
    if (memory == NULL) die("out of memory");
    return memory;
}

static void call(clockwork *c, size_t layer) {
    layered_run *run = c->run;
    if (run->count == run->capacity)
        run->calls = grown(run->calls, &run->capacity, sizeof *run->calls);
    double length = run->load.call_s[layer] * jitter(&c->random, TIME_JITTER);
    layered_call *one = &run->calls[run->count++];
    one->begin_ns = c->now;
    one->end_ns = c->now + (int64_t)(length * 1e9);
    one->power_w = run->load.power_w[layer] * jitter(&c->random, run->load.power_jitter);
    one->layer = (uint32_t)layer;
    c->now = one->end_ns;
}

static void iterate(clockwork *c) {
    layered_run *run = c->run;
    int64_t begin = c->now;
    for (size_t i = 0; i < run->load.layers; i++) call(c, i);
    if (run->iteration_count == run->iteration_capacity)
        run->iterations = grown(run->iterations, &run->iteration_capacity, sizeof *run->iterations);
    run->iterations[run->iteration_count++] = (jm_window){begin, c->now};
    /* A locked iteration waits for its turn, whatever its calls took. */
    int64_t next =
        c->plan->scenario->locked
            ? begin + (int64_t)llround(run->load.period_s * 1e9)
            : c->now + (int64_t)(run->load.gap_s * jitter(&c->random, TIME_JITTER) * 1e9);
    c->now = next > c->now ? next : c->now + 1000;
    if (c->plan->schedule == LAYERED_DITHER)
        c->now += (int64_t)(virtual_uniform(&c->random, 0, fmin(run->load.period_s, 0.02)) * 1e9);
}

static void shuffle(uint64_t *random, size_t *order, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(virtual_random(random) % i), swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

static void burst(clockwork *c, size_t layer, int64_t length_ns) {
    int64_t until = c->now + length_ns;
    while (c->now < until) call(c, layer);
    c->now += (int64_t)(virtual_uniform(&c->random, 0.0002, 0.002) * 1e9);
}

static void replay(clockwork *c) {
    size_t order[LAYERED_MOST], layers = c->run->load.layers;
    int64_t length_ns = (int64_t)(BURST * refresh_s(c->run->board, c->plan->sensor->sensors) * 1e9);
    for (size_t i = 0; i < layers; i++) order[i] = i;
    while (c->now < c->end) {
        shuffle(&c->random, order, layers);
        for (size_t i = 0; i < layers && c->now < c->end; i++) burst(c, order[i], length_ns);
    }
}

static void run_load(clockwork *c) {
    layered_run *run = c->run;
    bool replays = c->plan->schedule == LAYERED_REPLAY;
    int64_t plain_end = replays ? c->now + (int64_t)(PLAIN_PART_S * 1e9) : c->end;
    run->begin_ns = c->now;
    while (c->now < plain_end) iterate(c);
    /* Idle time on either side, so that no error of a call's time moves it out of the window. */
    run->window = (jm_window){run->begin_ns - 1000000, c->now + 1000000};
    run->windowed = replays;
    c->now += 2000000;
    if (replays) replay(c);
    run->end_ns = c->now;
}

/* ---- what the board draws, and what is recorded of it ---- */

static void demand(struct simgpu_board *board, int64_t t, double power_w) {
    if (simgpu_board_set_demand(board, t, power_w) != 0) die("the board takes no more power");
}

static void draw_power(const layered_run *run) {
    int64_t until = 0;
    demand(run->board, 0, run->load.gap_w);
    for (size_t i = 0; i < run->count; i++) {
        const layered_call *one = &run->calls[i];
        if (i > 0 && one->begin_ns > until) demand(run->board, until, run->load.gap_w);
        demand(run->board, one->begin_ns, one->power_w);
        until = one->end_ns;
    }
    demand(run->board, until, run->load.gap_w);
}

static void add_range(jm_recording *recording, jm_range *range) {
    jm_error error;
    range->size = sizeof *range;
    range->attributes = "";
    range->device = "gpu0";
    if (jm_recording_add_range(recording, range, &error) != JM_OK) die(error.message);
}

static int64_t mistaken(int64_t t, uint64_t *random) {
    return t + llround(TIME_ERROR_NS * virtual_normal(random));
}

/* Where a call follows another one, its begin is known just as wrongly as the other's end. */
static void add_ranges(const layered_run *run, uint64_t random) {
    char name[16];
    size_t iteration = 0;
    jm_range_id parent = 0;
    int64_t end = INT64_MIN;
    for (size_t i = 0; i < run->count; i++) {
        const layered_call *one = &run->calls[i];
        bool follows = i > 0 && one->begin_ns == run->calls[i - 1].end_ns;
        int64_t begin = follows ? end : mistaken(one->begin_ns, &random);
        end = mistaken(one->end_ns, &random);
        if (iteration < run->iteration_count &&
            one->begin_ns == run->iterations[iteration].begin_ns) {
            jm_range batch = {.begin_ns = begin,
                              .end_ns = run->iterations[iteration++].end_ns + 2000,
                              .category = JM_CATEGORY_BATCH,
                              .name = "iteration"};
            add_range(run->recording, &batch);
            parent = batch.id;
        }
        if (one->begin_ns > run->window.end_ns) parent = 0;
        layered_name(one->layer, name);
        jm_range range = {.parent = parent,
                          .begin_ns = begin,
                          .end_ns = end > begin ? end : begin,
                          .category = JM_CATEGORY_LAYER,
                          .name = name};
        add_range(run->recording, &range);
    }
}

static void sum_truth(layered_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        const layered_call *one = &run->calls[i];
        if (one->begin_ns > run->window.end_ns) break;
        run->truth_j[one->layer] += one->power_w * (double)(one->end_ns - one->begin_ns) * 1e-9;
        run->calls_of[one->layer]++;
    }
}

void layered_open(layered_run *run, const layered_plan *plan) {
    char spec[128];
    struct simgpu_error why;
    *run = (layered_run){0};
    /* The gain is exact: what is judged is the rest. */
    snprintf(spec, sizeof spec, "%s,channel,seed=%u,gain=1,offset=0", plan->sensor->board,
             (unsigned)(seed_of(plan) % 1000000));
    run->board = simgpu_board_from_text(spec, 0, &why);
    if (run->board == NULL) die(why.text);
    draw_load(&run->load, plan, run->board);
    clockwork c = {.run = run,
                   .plan = plan,
                   .random = seed_of(plan) + (uint64_t)plan->schedule + 1,
                   .now = LOAD_BEGIN_NS,
                   .end = LOAD_BEGIN_NS + (int64_t)(plan->length_s * 1e9)};
    run_load(&c);
    draw_power(run);
    int64_t lead_ns = (int64_t)(virtual_uniform(&c.random, 0.3, 0.7) * 1e9);
    int64_t tail_ns = (int64_t)(virtual_uniform(&c.random, 0.2, 0.4) * 1e9);
    virtual_plan recorded = {.sensors = plan->sensor->sensors,
                             .poll_ns = POLL_NS,
                             .begin_ns = run->begin_ns - lead_ns,
                             .length_ns = lead_ns + run->end_ns - run->begin_ns + tail_ns,
                             .seed = plan->seed};
    run->recording = virtual_record_board(&recorded, run->board);
    add_ranges(run, c.random);
    sum_truth(run);
}

void layered_close(layered_run *run) {
    jm_recording_free(run->recording);
    simgpu_board_free(run->board);
    free(run->calls);
    free(run->iterations);
    *run = (layered_run){0};
}
