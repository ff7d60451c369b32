#include "results.h"

#include "grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is shown ---- */

enum { FIGURES = 6 }; /* columns; on a narrow terminal the last ones are left out */

static void add_row(grid *table, const char *name, const jm_spread *s, const char *unit) {
    char value[96], cv[32], interval[96], range[96];
    const char *cells[FIGURES] = {
        "",
        name,
        spread_text(s, unit, value, sizeof value),
        cv_text(s, cv, sizeof cv),
        jm_interval_text(s->median_lower, s->median_upper, unit, interval, sizeof interval),
        jm_interval_text(s->min, s->max, unit, range, sizeof range)};
    grid_row(table, cells);
}

static void fill_figures(grid *table, const page *p, const results *r, size_t columns) {
    const experiment *e = r->e;
    const result *of = &r->of[0];
    const char *const header[FIGURES] = {"",
                                         "",
                                         p->utf8 ? "median ± sd" : "median +- sd",
                                         "CV",
                                         "95 % interval",
                                         p->utf8 ? "lowest–highest" : "lowest-highest"};
    char name[48];
    grid_open(table, columns);
    for (size_t c = 2; c < columns; c++) grid_right(table, c);
    grid_row(table, header);
    add_row(table, "energy", &of->repeat.energy_j, "J");
    for (size_t d = 0; e->device_count > 1 && d < e->device_count; d++) {
        snprintf(name, sizeof name, "  %s", e->devices[d]);
        add_row(table, name, &of->devices[d], "J");
    }
    add_row(table, "time", &of->repeat.time_s, "s");
    add_row(table, "power", &of->repeat.power_w, "W");
}

static void show_figures(page *p, const results *r) {
    grid table;
    for (size_t columns = FIGURES; columns >= 3; columns--) {
        fill_figures(&table, p, r, columns);
        bool fits = grid_width(&table) <= p->width || columns == 3;
        if (fits) grid_write(&table, &p->out, p->width, p->dim[0] != '\0');
        grid_close(&table);
        if (fits) return;
    }
}

static void show_stability(page *p, const jm_repeat *repeat) {
    char cv[32], p_value[32];
    const jm_spread *energy = &repeat->energy_j;
    output_add(&p->out, "\n");
    if (repeat->stable)
        page_sentence(p, p->good, "Stable: runs differ by %s (CV), no drift (%s), none stands out.",
                      cv_text(energy, cv, sizeof cv),
                      p_text(energy->drift_p, p_value, sizeof p_value));
    else if (repeat->flags & JM_REPEAT_FEW)
        page_sentence(p, p->bold, "Too few runs to say whether it is stable.");
    else
        page_sentence(p, p->bad, "Not stable:");
}

static void show_intervals(page *p, const results *r) {
    static const char *const header[] = {"", "interval", "energy", "CV", "95 % interval", "power"};
    const experiment *e = r->e;
    grid table;
    grid_open(&table, CLI_COUNT(header));
    for (size_t c = 1; c < CLI_COUNT(header); c++) grid_right(&table, c);
    grid_row(&table, header);
    for (size_t g = 0; g < e->group_count; g++) {
        const jm_spread *energy = &r->of[g].repeat.energy_j;
        char name[32], value[96], cv[32], interval[96], power[96];
        const char *cells[] = {"",
                               interval_name(e->groups[g].interval_s, name, sizeof name),
                               spread_text(energy, "J", value, sizeof value),
                               cv_text(energy, cv, sizeof cv),
                               jm_interval_text(energy->median_lower, energy->median_upper, "J",
                                                interval, sizeof interval),
                               spread_text(&r->of[g].repeat.power_w, "W", power, sizeof power)};
        grid_row(&table, cells);
    }
    grid_write(&table, &p->out, p->width, p->dim[0] != '\0');
    grid_close(&table);
}

static void show_sensitivity(page *p, const results *r) {
    const jm_sensitivity *s = &r->sensitivity;
    char p_value[32], differ[32];
    output_add(&p->out, "\n");
    if (isnan(s->p)) {
        page_sentence(p, p->bold, "Too few runs to say whether the sampling interval matters.");
        return;
    }
    percent_text(s->largest_pct, differ, sizeof differ);
    p_text(s->p, p_value, sizeof p_value);
    if (s->differs)
        page_sentence(p, p->bad,
                      "The sampling interval matters: medians differ by %s, more than by chance "
                      "(%s).",
                      differ, p_value);
    else
        page_sentence(p, p->good,
                      "No sign that the sampling interval matters: medians differ by %s, as they "
                      "may by chance (%s).",
                      differ, p_value);
}

static int show(results *r) {
    const experiment *e = r->e;
    page p;
    page_open(&p, e);
    page_heading(&p, r, e->groups[0].text);
    if (e->group_count == 1)
        show_figures(&p, r);
    else
        show_intervals(&p, r);
    page_sentence(&p, p.dim,
                  "%s is the standard deviation of one run; the interval is the median's.",
                  p.utf8 ? "±" : "+-");
    if (e->group_count == 1)
        show_stability(&p, &r->of[0].repeat);
    else
        show_sensitivity(&p, r);
    page_notes(&p, r);
    return page_close(&p, e);
}

static void judge_all(results *r) {
    const experiment *e = r->e;
    char whose[48] = "", name[32];
    for (size_t g = 0; g < e->group_count; g++) {
        if (e->group_count > 1)
            snprintf(whose, sizeof whose, " at %s",
                     interval_name(e->groups[g].interval_s, name, sizeof name));
        results_judge(r, g, whose);
    }
    results_add_notes(r);
}

/* ---- what is asked ---- */

static int parse_intervals(experiment *e, char *list) {
    double seconds[16];
    size_t count = 0;
    for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
        if (count == CLI_COUNT(seconds))
            return cli_fail(e->command, CLI_USAGE, "--intervals takes %zu intervals at most",
                            count);
        if (!cli_parse_seconds(word, &seconds[count]) || seconds[count] < 0.001 ||
            seconds[count] > 60)
            return cli_fail(e->command, CLI_USAGE,
                            "--intervals: '%s' is no time from 1ms to 60s; write them as "
                            "5ms,20ms,100ms",
                            word);
        for (size_t i = 0; i < count; i++)
            if (seconds[i] == seconds[count])
                return cli_fail(e->command, CLI_USAGE, "--intervals: %s is there twice", word);
        count++;
    }
    if (count == 0) return cli_fail(e->command, CLI_USAGE, "--intervals names none");
    if (!experiment_groups(e, count)) return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    for (size_t i = 0; i < count; i++) e->groups[i].interval_s = seconds[i];
    return PARSE_DONE;
}

static int make_groups(experiment *e, char *intervals, char **argv) {
    if (intervals != NULL && e->set.measuring.interval_s > 0)
        return cli_fail(e->command, CLI_USAGE, "give either --interval or --intervals");
    int code = PARSE_DONE;
    if (intervals != NULL)
        code = parse_intervals(e, intervals);
    else if (!experiment_groups(e, 1))
        code = cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    if (code != PARSE_DONE) return code;
    if (intervals == NULL) e->groups[0].interval_s = e->set.measuring.interval_s;
    for (size_t g = 0; g < e->group_count; g++) {
        e->groups[g].argv = argv;
        e->groups[g].text = command_text(argv);
        code = child_find(e->command, argv[0], &e->groups[g].path);
        if (code != 0) return code;
        if (e->groups[g].text == NULL) return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    }
    return experiment_check(e);
}

static int parse(experiment *e, char **intervals, int argc, char **argv) {
    experiment_settings *s = &e->set;
    const cli_option options[] = {OPTIONS_EXPERIMENT(s, "runs (default 10)"),
                                  OPTION_INTERVAL(&s->measuring),
                                  {0, "intervals", OPTION_LIST, intervals, "LIST",
                                   "compare sampling intervals: 5ms,20ms,100ms;\n-n runs at each",
                                   0, 0, NULL},
                                  OPTION_GPU(&s->measuring),
                                  OPTIONS_EXPERIMENT_OUTPUT(s, "NAME-01.jm"),
                                  OPTIONS_LOGGING(&s->logging),
                                  OPTION_TDP(&s->measuring),
                                  OPTION_SIMULATE(&s->measuring),
                                  {0}};
    int operands;
    int code = cli_parse(e->command, options, OPERANDS_LAST, argc, argv, &operands);
    if (code == PARSE_DONE && operands == 0)
        return cli_fail(e->command, CLI_USAGE,
                        "there is no command to run: joulemeter repeat -- python train.py");
    return code == PARSE_DONE ? make_groups(e, *intervals, argv + 1) : code;
}

static int run(int argc, char **argv) {
    experiment e = {.command = &cli_repeat};
    char *intervals = NULL;
    int code = parse(&e, &intervals, argc, argv);
    if (code == PARSE_DONE) code = results_of(&e, false, judge_all, show);
    free(intervals);
    experiment_close(&e);
    return code;
}

const cli_command cli_repeat = {
    "repeat",
    "[OPTIONS] [--] COMMAND [ARGUMENTS]",
    "run a command many times and say how well its energy repeats",
    "Median and spread of energy, time and power, drift from run to run, runs that\n"
    "stand out, and what would help. What the command says is hidden. Ctrl-C gives\n"
    "the result so far. If a run fails, joulemeter stops with its exit code; 126 and\n"
    "127 are as for `run`, 125: joulemeter itself failed, 128+N: signal N.\n",
    "  joulemeter repeat -- python train.py\n"
    "  joulemeter repeat -n 20 --warmup 2 --cooldown stable -- ./bench\n"
    "  joulemeter repeat --intervals 5ms,20ms,100ms -- ./bench\n"
    "  joulemeter repeat --export csv runs.csv --export markdown - -- ./bench\n"
    "  joulemeter repeat -n 5 --simulate h100 -- sleep 0.5\n",
    run};
