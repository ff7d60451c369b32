/* How near to the best power limit the tuner comes with few trials, on measured jobs and on boards
 * that nobody made, beside the usual ways to choose one. */
#include "accuracy.h"
#include "limits_methods.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_JOBS = 256, INVENTED = 120, NOISE_SEEDS = 2, OBJECTIVES = 3 };

static const jm_objective_kind kinds[OBJECTIVES] = {JM_OBJECTIVE_ENERGY, JM_OBJECTIVE_EDP,
                                                    JM_OBJECTIVE_ED2P};
static const char *const kind_names[OBJECTIVES] = {"energy", "EDP", "ED2P"};

/* The table's entries are one reading each, noise and all. They are judged by themselves, and by
 * what they are without noise; the latter also with readings of other noise of the same size. */
typedef enum how { AS_IT_STANDS, WITHOUT_NOISE, FRESH_NOISE, RANDOM_BOARDS, HOWS } how;
static const char *const how_names[HOWS] = {"table", "clean", "fresh noise", "random boards"};

typedef enum method {
    NO_LIMIT,
    FIXED_3,
    FIXED_4,
    SPLINE_4,
    CURVES_8,
    TUNER_3,
    TUNER_4,
    TUNER_STOPS,
    CLEAN_BEST, /* what the curve without noise says is best */
    METHODS
} method;

static const char *const method_names[METHODS] = {"no limit",
                                                  "3 fixed",
                                                  "4 fixed",
                                                  "spline, 4 probes",
                                                  "7 parameters, 8",
                                                  "tuner, 3 probes",
                                                  "tuner, 4 probes",
                                                  "tuner, stops by itself",
                                                  "who knows the clean curve"};

enum { GROUPS = 4 }; /* all jobs, those on each of two boards, those that limits bind */
static const char *const group_names[GROUPS] = {"", ", V100", ", RTX 6000", ", bound jobs"};

typedef struct regrets {
    size_t count, capacity;
    double *value;
} regrets;

typedef struct share {
    size_t held, of;
} share;

typedef struct results {
    regrets regret[HOWS][OBJECTIVES][METHODS][GROUPS];
    share time[HOWS], power[HOWS], relative[HOWS]; /* intervals that held */
    double probes[HOWS][OBJECTIVES];               /* that the tuner wanted, sum over jobs */
    size_t tuned[HOWS][OBJECTIVES];
} results;

/* ---- regret ---- */

static void add_regret(regrets *r, double value) {
    if (r->count == r->capacity) {
        r->capacity = r->capacity > 0 ? 2 * r->capacity : 256;
        r->value = realloc(r->value, r->capacity * sizeof *r->value);
        if (r->value == NULL) abort();
    }
    r->value[r->count++] = value;
}

static double mean_pct(const regrets *r) {
    double sum = 0;
    for (size_t i = 0; i < r->count; i++) sum += r->value[i];
    return r->count > 0 ? 100 * sum / (double)r->count : (double)NAN;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Linear between the two nearest. */
static double p95_pct(regrets *r) {
    if (r->count == 0) return NAN;
    qsort(r->value, r->count, sizeof *r->value, ascending);
    double at = 0.95 * (double)(r->count - 1);
    size_t below = (size_t)at;
    double over = below + 1 < r->count ? r->value[below + 1] - r->value[below] : 0;
    return 100 * (r->value[below] + (at - (double)below) * over);
}

static double truth_of(const limit_job *job, how h, jm_objective_kind kind, size_t i) {
    if (h == AS_IT_STANDS) return objective_of(kind, job->time_s[i], job->power_w[i]);
    return objective_of(kind, job->true_time_s[i], job->true_power_w[i]);
}

static void judge(results *all, const limit_job *job, how h, int objective, method m,
                  size_t chosen) {
    double least = INFINITY;
    for (size_t i = 0; i < job->count; i++)
        least = fmin(least, truth_of(job, h, kinds[objective], i));
    double regret = truth_of(job, h, kinds[objective], chosen) / least - 1;
    regrets *groups = all->regret[h][objective][m];
    add_regret(&groups[0], regret);
    if (strcmp(job->board, "V100") == 0) add_regret(&groups[1], regret);
    if (strcmp(job->board, "RTX 6000") == 0) add_regret(&groups[2], regret);
    if (job->binds) add_regret(&groups[3], regret);
}

/* ---- one job ---- */

static bool holds(const jm_interval *e, double truth) {
    return truth >= e->lower * (1 - 1e-9) && truth <= e->upper * (1 + 1e-9);
}

/* Intervals of what was foretold for every limit of the table. */
static void check_intervals(results *all, const limit_job *job, how h, int objective,
                            jm_tuner *tuner) {
    size_t last = job->count - 1;
    for (size_t i = 0; i < job->count; i++) {
        jm_tuner_point point = {.size = sizeof point};
        jm_error error;
        if (jm_tuner_predict(tuner, job->limit_w[i], &point, &error) != JM_OK) continue;
        double relative =
            truth_of(job, h, kinds[objective], i) / truth_of(job, h, kinds[objective], last);
        all->time[h].held += holds(&point.seconds, job->true_time_s[i]);
        all->power[h].held += holds(&point.power_w, job->true_power_w[i]);
        all->relative[h].held += holds(&point.relative, relative);
        all->time[h].of++;
        all->power[h].of++;
        all->relative[h].of++;
    }
}

static void judge_both(results *all, const limit_job *job, how h, int objective, method m,
                       size_t chosen) {
    judge(all, job, h, objective, m, chosen);
    if (h == WITHOUT_NOISE) judge(all, job, AS_IT_STANDS, objective, m, chosen);
}

static void try_tuner(results *all, const limit_job *job, how h, int objective, const readings *r) {
    tuning t;
    if (tune(r, kinds[objective], 4, &t)) {
        judge_both(all, job, h, objective, TUNER_3, t.best[t.probes < 3 ? t.probes - 1 : 2]);
        judge_both(all, job, h, objective, TUNER_4, t.best[t.probes - 1]);
        check_intervals(all, job, h, objective, t.tuner);
    }
    jm_tuner_free(t.tuner);
    if (tune(r, kinds[objective], 0, &t)) {
        judge_both(all, job, h, objective, TUNER_STOPS, t.used);
        all->probes[h][objective] += (double)t.probes;
        all->tuned[h][objective]++;
    }
    jm_tuner_free(t.tuner);
}

static void try_all(results *all, const limit_job *job, how h, int objective, const readings *r) {
    jm_objective_kind kind = kinds[objective];
    size_t clean = 0;
    for (size_t i = 1; i < job->count; i++)
        if (truth_of(job, WITHOUT_NOISE, kind, i) < truth_of(job, WITHOUT_NOISE, kind, clean))
            clean = i;
    judge_both(all, job, h, objective, NO_LIMIT, job->count - 1);
    judge_both(all, job, h, objective, FIXED_3, choose_fixed(r, kind, 3));
    judge_both(all, job, h, objective, FIXED_4, choose_fixed(r, kind, 4));
    judge_both(all, job, h, objective, SPLINE_4, choose_spline(r, kind, 4));
    judge_both(all, job, h, objective, CURVES_8, choose_curves(r, kind, 8));
    judge_both(all, job, h, objective, CLEAN_BEST, clean);
    try_tuner(all, job, h, objective, r);
}

static readings readings_of(const limit_job *job, how h, uint64_t seed) {
    readings r = {.count = job->count};
    uint64_t state = seed * 1000003;
    for (size_t i = 0; i < job->count; i++) {
        bool fresh = h == FRESH_NOISE;
        double t = fresh ? job->noise_t * random_normal(&state) : 0;
        double p = fresh ? job->noise_p * random_normal(&state) : 0;
        r.limit_w[i] = job->limit_w[i];
        r.time_s[i] = (fresh ? job->true_time_s[i] : job->time_s[i]) * exp(t);
        r.power_w[i] = (fresh ? job->true_power_w[i] : job->power_w[i]) * exp(p);
    }
    return r;
}

static void measure(results *all, const limit_job *jobs, size_t count, how h, unsigned seeds) {
    for (unsigned seed = 0; seed < seeds; seed++)
        for (size_t i = 0; i < count; i++) {
            readings r = readings_of(&jobs[i], h, seed * MOST_JOBS + i + 1);
            for (int o = 0; o < OBJECTIVES; o++) try_all(all, &jobs[i], h, o, &r);
        }
}

/* ---- what is printed ---- */

static void print_table(results *all, how h, int group) {
    printf("\nregret in %% of the best limit, mean / 95th percentile: %s%s\n", how_names[h],
           group_names[group]);
    printf("%-28s", "");
    for (int o = 0; o < OBJECTIVES; o++) printf("%18s", kind_names[o]);
    printf("\n");
    for (int m = 0; m < METHODS; m++) {
        printf("%-28s", method_names[m]);
        for (int o = 0; o < OBJECTIVES; o++) {
            regrets *r = &all->regret[h][o][m][group];
            printf("%9.2f / %6.2f", mean_pct(r), p95_pct(r));
        }
        printf("\n");
    }
}

typedef struct goal {
    method method;
    double mean, p95; /* 0: none */
} goal;

static const goal goals[] = {{TUNER_3, 1.5, 0}, {TUNER_4, 0.7, 3.5}};

static void add_row(rows *all, const char *name, double value, double target, double beside,
                    const char *what) {
    rows_add(all, &(row){.name = name,
                         .unit = "%",
                         .value = value,
                         .goal = target > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                         .target = target,
                         .baseline = beside,
                         .beside = what});
}

/* Beside the tuner's: the spline's, or, of the noisy table, what is best by the clean curve. */
static void report_regrets(rows *all, results *found, how h, int group, bool aimed) {
    method other = h == AS_IT_STANDS ? CLEAN_BEST : SPLINE_4;
    char name[128];
    for (int o = 0; o < OBJECTIVES; o++)
        for (size_t g = 0; g < sizeof goals / sizeof *goals; g++) {
            method m = goals[g].method;
            regrets *r = &found->regret[h][o][m][group];
            regrets *beside = &found->regret[h][o][other][group];
            if (r->count == 0) continue;
            snprintf(name, sizeof name, "limits %s%s, %s, %s", how_names[h], group_names[group],
                     kind_names[o], method_names[m]);
            add_row(all, name, mean_pct(r), aimed ? goals[g].mean : 0, mean_pct(beside),
                    method_names[other]);
            if (goals[g].p95 <= 0) continue;
            snprintf(name, sizeof name, "limits %s%s, %s, %s, p95", how_names[h],
                     group_names[group], kind_names[o], method_names[m]);
            add_row(all, name, p95_pct(r), aimed ? goals[g].p95 : 0, p95_pct(beside),
                    method_names[other]);
        }
}

static void report_share(rows *all, how h, const char *what, const share *s) {
    char name[96];
    if (s->of == 0) return;
    snprintf(name, sizeof name, "limits %s, coverage of %s", how_names[h], what);
    rows_add(all, &(row){.name = name,
                         .unit = "%",
                         .value = 100 * (double)s->held / (double)s->of,
                         .goal = ROW_AT_LEAST,
                         .target = 90,
                         .of = (double)s->of});
}

static void report_how(rows *all, results *found, how h) {
    char name[96];
    print_table(found, h, 0);
    if (h != RANDOM_BOARDS)
        for (int group = 1; group < GROUPS; group++) print_table(found, h, group);
    printf("\n");
    report_regrets(all, found, h, 0, h == WITHOUT_NOISE || h == RANDOM_BOARDS);
    if (h == AS_IT_STANDS) report_regrets(all, found, h, 3, true);
    if (h == WITHOUT_NOISE)
        for (int group = 1; group <= 2; group++) report_regrets(all, found, h, group, false);
    if (h == AS_IT_STANDS) return;
    report_share(all, h, "time", &found->time[h]);
    report_share(all, h, "power", &found->power[h]);
    report_share(all, h, "the objective's ratio", &found->relative[h]);
    for (int o = 0; o < OBJECTIVES; o++) {
        snprintf(name, sizeof name, "limits %s, %s, probes until it stops", how_names[h],
                 kind_names[o]);
        rows_add(all, &(row){.name = name,
                             .unit = "",
                             .value = found->probes[h][o] / (double)found->tuned[h][o]});
    }
}

static void free_results(results *r) {
    regrets *all = &r->regret[0][0][0][0];
    for (size_t i = 0; i < sizeof r->regret / sizeof *all; i++) free(all[i].value);
}

/* ---- the whole ---- */

static size_t read_tables(limit_job *jobs) {
    static const char *const tables[][2] = {{"v100.csv", "V100"}, {"rtx6000.csv", "RTX 6000"}};
    const char *folder = getenv("JOULEMETER_SHARED_DATA");
    size_t count = 0;
    for (size_t i = 0; folder != NULL && i < sizeof tables / sizeof *tables; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/power-limit/%s", folder, tables[i][0]);
        long found = jobs_read(path, tables[i][1], jobs + count, MOST_JOBS - count);
        if (found > 0) count += (size_t)found;
    }
    return count;
}

void accuracy_limits(rows *all) {
    static limit_job jobs[MOST_JOBS], invented[INVENTED];
    static results found;
    if (!rows_want(all, "limits table clean fresh noise random boards")) return;
    size_t count = read_tables(jobs);
    if (count == 0) {
        rows_skip(all, "limits table", "there is no power-limit in JOULEMETER_SHARED_DATA");
    } else {
        measure(&found, jobs, count, WITHOUT_NOISE, 1);
        measure(&found, jobs, count, FRESH_NOISE, NOISE_SEEDS);
        report_how(all, &found, AS_IT_STANDS);
        report_how(all, &found, WITHOUT_NOISE);
        report_how(all, &found, FRESH_NOISE);
    }
    for (unsigned i = 0; i < INVENTED; i++) job_invent(&invented[i], i + 1);
    measure(&found, invented, INVENTED, RANDOM_BOARDS, 1);
    report_how(all, &found, RANDOM_BOARDS);
    free_results(&found);
}
