/* Energies of layers far shorter than a sensor's refresh (jm_attribute) against what they really
 * drew, for every way of getting the data, beside the usual two ways to divide energy. */
#include "accuracy.h"
#include "layers_score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 3, SCHEDULES = 3 };
static const double LENGTH_S = 60;

static const layered_sensor sensors[] = {
    {"W 100 T 100", "rtx3090", VIRTUAL_INSTANT},
    {"W 25 T 101", "a100", VIRTUAL_INSTANT},
    {"counter 100", "h100", VIRTUAL_COUNTER},
    {"counter + W 25", "h100", VIRTUAL_COUNTER | VIRTUAL_INSTANT},
};

static const layered_scenario scenarios[] = {
    {"few long", 6, 0, 0, 1e-3, 2e-2, 0, false},
    {"transformer", 48, 24, 8, 5e-5, 2e-3, 0, false},
    {"many short", 200, 0, 0, 2e-5, 2e-4, 0, false},
    {"5 ms", 12, 0, 0, 5e-5, 1.5e-3, 0.005, false},
    {"20 ms", 6, 0, 0, 1e-3, 5e-3, 0.02, false},
    {"locked", 24, 0, 0, 5e-4, 2e-2, 0, true},
    {"200 ms", 40, 0, 0, 5e-4, 1.8e-2, 0.2, false},
};

typedef struct method {
    const char *name;
    layered_schedule schedule;
    jm_attribution_method how;
} method;

static const method methods[] = {
    {"passive", LAYERED_PLAIN, JM_ATTRIBUTION_REGRESSION},
    {"dither", LAYERED_DITHER, JM_ATTRIBUTION_REGRESSION},
    {"replay", LAYERED_REPLAY, JM_ATTRIBUTION_REGRESSION},
    {"time_share", LAYERED_PLAIN, JM_ATTRIBUTION_TIME_SHARE},
    {"boundary", LAYERED_PLAIN, JM_ATTRIBUTION_BOUNDARY},
};

enum {
    SENSORS = sizeof sensors / sizeof *sensors,
    SCENARIOS = sizeof scenarios / sizeof *scenarios,
    METHODS = sizeof methods / sizeof *methods,
    TIME_SHARE = 3
};

typedef struct results {
    score cells[SCENARIOS][SENSORS][METHODS];
    score totals[METHODS];
    bool whole[METHODS]; /* all cells are wanted */
    bool all;            /* of all methods */
} results;

static bool estimates(const method *m) {
    return m->how == JM_ATTRIBUTION_REGRESSION;
}

/* ---- one board ---- */

/* For who wants to look closer: the recording, and what came out beside the truth. */
static void dump(const layered_run *run, const layered_plan *plan, const method *m,
                 const jm_attribution *found) {
    char stem[512], path[600];
    const char *folder = getenv("JOULEMETER_LAYERS_DUMP");
    if (folder == NULL) return;
    snprintf(stem, sizeof stem, "%s/%s, %s, %s, %u", folder, m->name, plan->scenario->name,
             plan->sensor->name, plan->seed);
    jm_error error;
    snprintf(path, sizeof path, "%s.jm", stem);
    if (jm_recording_save(run->recording, path, &error) != JM_OK)
        fprintf(stderr, "jm-accuracy: %s\n", error.message);
    snprintf(path, sizeof path, "%s.csv", stem);
    FILE *file = fopen(path, "w");
    if (file == NULL) return;
    score_dump(file, run, found);
    fclose(file);
}

static void attribute(const layered_run *run, const layered_plan *plan, const method *m, score *s) {
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution *found;
    jm_error error;
    options.method = m->how;
    options.windows = run->windowed ? &run->window : NULL;
    options.window_count = run->windowed ? 1 : 0;
    int64_t begin = jm_now_ns();
    int status = jm_attribute(&found, run->recording, &options, &error);
    s->attribute_s += (double)(jm_now_ns() - begin) * 1e-9;
    s->runs++;
    if (status != JM_OK) {
        fprintf(stderr, "jm-accuracy: layers %s, %s, %s, seed %u: %s\n", m->name,
                plan->scenario->name, plan->sensor->name, plan->seed, error.message);
        s->failed++;
        return;
    }
    score_add(s, run, found);
    dump(run, plan, m, found);
    jm_attribution_free(found);
}

static void one_board(const layered_plan *plan, const bool wanted[METHODS], score cell[METHODS]) {
    layered_run run = {0};
    for (int m = 0; m < METHODS; m++) {
        if (!wanted[m] || methods[m].schedule != plan->schedule) continue;
        if (run.recording == NULL) layered_open(&run, plan);
        attribute(&run, plan, &methods[m], &cell[m]);
    }
    layered_close(&run);
}

/* ---- what is printed: a table for reading, and rows with their targets ---- */

static void cell_name(int scenario, int sensor, int m, const char *what, char name[128]) {
    snprintf(name, 128, "layers %s, %s, %s, %s", methods[m].name, scenarios[scenario].name,
             sensors[sensor].name, what);
}

static void report_cell(rows *all, int scenario, int sensor, int m, const score *s) {
    char name[128];
    cell_name(scenario, sensor, m, "median error", name);
    rows_add(all, &(row){.name = name, .unit = "%", .value = score_quantile(s, 0.5)});
    if (!estimates(&methods[m])) return;
    cell_name(scenario, sensor, m, "coverage", name);
    rows_add(all, &(row){.name = name,
                         .unit = "%",
                         .goal = s->count >= SCORE_ENOUGH ? ROW_AT_LEAST : ROW_NO_GOAL,
                         .target = 90,
                         .value = score_share(s->random_covered, s->count),
                         .of = (double)s->count});
}

/* The row of a method's total; beside it what dividing by time comes to. */
static void total_row(rows *all, const results *r, int m, const char *what, row one) {
    char name[128];
    snprintf(name, sizeof name, "layers %s, %s", methods[m].name, what);
    one.name = name;
    one.unit = "%";
    if (m != TIME_SHARE && r->whole[TIME_SHARE] && one.baseline > 0) one.beside = "time_share";
    rows_add(all, &one);
}

static void report_errors(rows *all, const results *r, int m) {
    static const struct {
        double median, p90, weighted; /* most that is allowed; 0: no goal */
    } goals[METHODS] = {{0, 0, 0}, {5, 0, 4}, {1, 3, 0}, {0, 0, 0}, {0, 0, 0}};
    const score *s = &r->totals[m], *other = &r->totals[TIME_SHARE];
    total_row(all, r, m, "median error",
              (row){.value = score_quantile(s, 0.5),
                    .goal = goals[m].median > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                    .target = goals[m].median,
                    .baseline = score_quantile(other, 0.5)});
    total_row(all, r, m, "p90 error",
              (row){.value = score_quantile(s, 0.9),
                    .goal = goals[m].p90 > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                    .target = goals[m].p90,
                    .baseline = score_quantile(other, 0.9)});
    total_row(all, r, m, "energy-weighted error",
              (row){.value = score_weighted(s),
                    .goal = goals[m].weighted > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                    .target = goals[m].weighted,
                    .baseline = score_weighted(other)});
}

static void report_honesty(rows *all, const results *r, int m) {
    const score *s = &r->totals[m];
    total_row(all, r, m, "coverage",
              (row){.value = score_share(s->random_covered, s->count),
                    .goal = ROW_WITHIN,
                    .target = 93,
                    .target_high = 97,
                    .of = (double)s->count});
    total_row(all, r, m, "coverage with gain",
              (row){.value = score_share(s->covered, s->count), .of = (double)s->count});
    total_row(all, r, m, "energy bounded or grouped",
              (row){.value = 100 * s->bounded_j / s->all_j});
    if (s->bounded > 0)
        total_row(all, r, m, "bounds that hold",
                  (row){.value = score_share(s->bound_covered, s->bounded),
                        .goal = ROW_AT_LEAST,
                        .target = 95,
                        .of = (double)s->bounded});
    if (s->groups == 0) return;
    total_row(all, r, m, "coverage of groups",
              (row){.value = score_share(s->group_covered, s->groups), .of = (double)s->groups});
    total_row(all, r, m, "energy-weighted error of groups",
              (row){.value = 100 * s->group_error_j / s->group_j});
}

static void report_all(rows *all, const results *r) {
    score sum = {0};
    for (int m = 0; m < METHODS; m++)
        if (estimates(&methods[m])) score_merge(&sum, &r->totals[m]);
    rows_add(all, &(row){.name = "layers all, coverage",
                         .unit = "%",
                         .goal = ROW_WITHIN,
                         .target = 93,
                         .target_high = 97,
                         .value = score_share(sum.random_covered, sum.count),
                         .of = (double)sum.count});
    rows_add(all, &(row){.name = "layers all, bounds that hold",
                         .unit = "%",
                         .goal = ROW_AT_LEAST,
                         .target = 95,
                         .value = score_share(sum.bound_covered, sum.bounded),
                         .of = (double)sum.bounded});
    score_free(&sum);
}

/* ---- which of them ---- */

static bool cell_wanted(const rows *all, int scenario, int sensor, int m) {
    char median[128], covers[128], names[300];
    cell_name(scenario, sensor, m, "median error", median);
    cell_name(scenario, sensor, m, "coverage", covers);
    snprintf(names, sizeof names, "%s %s", median, covers);
    return rows_want(all, names);
}

static void choose(const rows *all, results *r) {
    char names[300];
    r->all = rows_want(all, "layers all, coverage layers all, bounds that hold");
    for (int m = 0; m < METHODS; m++) {
        const char *name = methods[m].name;
        snprintf(names, sizeof names,
                 "layers %s, median error layers %s, p90 error layers %s, energy-weighted error of "
                 "groups layers %s, coverage with gain layers %s, coverage of groups "
                 "layers %s, energy bounded or grouped layers %s, bounds that hold",
                 name, name, name, name, name, name, name);
        r->whole[m] = rows_want(all, names) || (r->all && estimates(&methods[m]));
    }
}

/* Other boards than the usual ones, for who has tuned something on these. */
static unsigned first_seed(void) {
    const char *said = getenv("JOULEMETER_LAYERS_SEED");
    long seed = said != NULL ? strtol(said, NULL, 10) : 1;
    return seed > 0 && seed < 1000000 ? (unsigned)seed : 1;
}

static void measure_cell(const rows *all, results *r, int scenario, int sensor, bool *headed) {
    score *cell = r->cells[scenario][sensor];
    bool wanted[METHODS], any = false;
    for (int m = 0; m < METHODS; m++) {
        wanted[m] = r->whole[m] || cell_wanted(all, scenario, sensor, m);
        any |= wanted[m];
    }
    for (unsigned i = 0; any && i < SEEDS * SCHEDULES; i++) {
        layered_plan plan = {.scenario = &scenarios[scenario],
                             .sensor = &sensors[sensor],
                             .schedule = (layered_schedule)(i % SCHEDULES),
                             .seed = first_seed() + i / SCHEDULES,
                             .length_s = LENGTH_S};
        one_board(&plan, wanted, cell);
    }
    if (any && !*headed) score_print_head(stdout);
    *headed |= any;
    for (int m = 0; m < METHODS; m++) {
        if (!wanted[m]) continue;
        score_print(stdout, scenarios[scenario].name, sensors[sensor].name, methods[m].name,
                    estimates(&methods[m]), &cell[m]);
        score_merge(&r->totals[m], &cell[m]);
    }
}

static void free_results(results *r) {
    for (int m = 0; m < METHODS; m++) {
        score_free(&r->totals[m]);
        for (int i = 0; i < SCENARIOS * SENSORS; i++)
            score_free(&r->cells[i / SENSORS][i % SENSORS][m]);
    }
}

void accuracy_layers(rows *all) {
    static results r;
    bool headed = false;
    choose(all, &r);
    for (int i = 0; i < SCENARIOS * SENSORS; i++)
        measure_cell(all, &r, i / SENSORS, i % SENSORS, &headed);
    if (headed) printf("\n");
    for (int m = 0; m < METHODS; m++)
        for (int i = 0; i < SCENARIOS * SENSORS; i++) {
            const score *cell = &r.cells[i / SENSORS][i % SENSORS][m];
            if (cell->runs > 0) report_cell(all, i / SENSORS, i % SENSORS, m, cell);
        }
    for (int m = 0; m < METHODS; m++) {
        if (r.whole[m]) report_errors(all, &r, m);
        if (r.whole[m] && estimates(&methods[m])) report_honesty(all, &r, m);
    }
    if (r.all) report_all(all, &r);
    free_results(&r);
}
