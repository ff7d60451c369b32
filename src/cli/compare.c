#include "results.h"

#include "grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS = 26 }; /* they are called A to Z */

/* ---- what is shown ---- */

enum { FIGURES = 7, SHORTEST = 10 }; /* columns; of a command's text */

static void add_row(grid *table, const results *r, size_t g, size_t room) {
    const jm_repeat *repeat = &r->of[g].repeat;
    const experiment *e = r->e;
    char energy[96], cv[32], seconds[96], power[96];
    output command;
    output_open(&command);
    command.kept = true;
    grid_add_text(&command, e->groups[g].text, room);
    output_append(&command, "", 1);
    const char *cells[FIGURES] = {
        "",
        e->groups[g].name,
        command.data,
        spread_text(&repeat->energy_j, "J", energy, sizeof energy),
        cv_text(&repeat->energy_j, cv, sizeof cv),
        spread_text(&repeat->time_s, "s", seconds, sizeof seconds),
        jm_value_text(repeat->power_w.median, NAN, "W", power, sizeof power)};
    grid_row(table, cells);
    free(command.data);
}

/* `room` is for the commands' text. */
static void fill_commands(grid *table, const results *r, size_t columns, size_t room) {
    static const char *const header[FIGURES] = {"", "", "command", "energy", "CV", "time", "power"};
    grid_open(table, columns);
    for (size_t c = 3; c < columns; c++) grid_right(table, c);
    grid_row(table, header);
    for (size_t g = 0; g < r->e->group_count; g++) add_row(table, r, g, room);
}

/* On a narrow terminal commands are cut off, then the last columns left out. */
static void show_commands(page *p, const results *r) {
    grid table;
    size_t columns = FIGURES, needed;
    for (;; columns--) {
        fill_commands(&table, r, columns, SHORTEST);
        needed = grid_width(&table);
        grid_close(&table);
        if (needed <= p->width || columns == 4) break;
    }
    fill_commands(&table, r, columns, needed < p->width ? p->width - needed + SHORTEST : SHORTEST);
    grid_write(&table, &p->out, p->width, p->dim[0] != '\0');
    grid_close(&table);
    page_sentence(p, p->dim, "Median %s standard deviation of one run.", p->utf8 ? "±" : "+-");
}

static void show_verdict(page *p, const jm_comparison *c, jm_run_value which, const char *a,
                         const char *b) {
    char text[VERDICT_SIZE];
    int verdict = c->energy.verdict;
    const char *color = verdict < 0 ? p->good : verdict > 0 ? p->bad : p->bold;
    jm_verdict_text(c, which, a, b, text, sizeof text);
    if (strncmp(text, "no ", 3) == 0) text[0] = 'N'; /* names begin as they are written */
    page_sentence(p, which == JM_RUN_ENERGY ? color : "", "%s.", text);
}

static void show_comparison(page *p, const results *r, size_t g) {
    const experiment *e = r->e;
    const jm_comparison *c = &r->comparisons[g - 1];
    const char *a = e->groups[0].name, *b = e->groups[g].name;
    char p_energy[32], p_time[32], p_power[32], least[32];
    output_add(&p->out, "\n");
    show_verdict(p, c, JM_RUN_ENERGY, a, b);
    if (isnan(c->energy.lower)) return;
    show_verdict(p, c, JM_RUN_TIME, a, b);
    show_verdict(p, c, JM_RUN_POWER, a, b);
    double level = 100 - 5.0 / (double)(e->group_count - 1);
    page_sentence(
        p, p->dim,
        "%.4g %% intervals%s; energy %s, time %s, power %s. A difference in energy of %s would "
        "be found in four cases of five.",
        level, e->group_count > 2 ? ", so that all hold together in 95 %" : "",
        p_text(c->energy.p, p_energy, sizeof p_energy), p_text(c->time.p, p_time, sizeof p_time),
        p_text(c->power.p, p_power, sizeof p_power),
        percent_text(c->energy.detectable_pct, least, sizeof least));
}

static int show(results *r) {
    const experiment *e = r->e;
    char what[64];
    page p;
    page_open(&p, e);
    snprintf(what, sizeof what, "%zu commands in turn", e->group_count);
    page_heading(&p, r, what);
    show_commands(&p, r);
    for (size_t g = 1; g < e->group_count; g++) show_comparison(&p, r, g);
    page_notes(&p, r);
    return page_close(&p, e);
}

/* ---- what may be wrong with it ---- */

static void judge_comparison(results *r, size_t g) {
    const experiment *e = r->e;
    const jm_comparison *c = &r->comparisons[g - 1];
    const char *a = e->groups[0].name, *b = e->groups[g].name;
    char percent[32];
    if (c->flags & JM_COMPARE_FEW) {
        results_note(r, '!', "%zu pair%s of runs give%s no verdict on %s: -n 10 does.", c->runs_a,
                     c->runs_a == 1 ? "" : "s", c->runs_a == 1 ? "s" : "", b);
        return;
    }
    if (c->flags & JM_COMPARE_OUTLIERS)
        results_note(r, '!', "Some pairs of %s and %s stand out; the interval allows for it.", a,
                     b);
    if (c->flags & JM_COMPARE_DRIFT)
        results_note(r, '!',
                     "The ratio of %s and %s changes from pair to pair: --warmup and --cooldown "
                     "stable may help.",
                     b, a);
    if (c->flags & JM_COMPARE_RANKS)
        results_note(r, '!',
                     "A test by ranks contradicts the verdict on %s: some runs are extreme; more "
                     "runs would tell.",
                     b);
    if (c->energy.verdict == 0 && c->energy.p < 0.01)
        results_note(r, '!',
                     "Runs of %s and %s do differ, but by no more than what the devices' offsets "
                     "and models may be off by (%s).",
                     a, b, percent_text(196 * c->energy.u_systematic, percent, sizeof percent));
}

static void judge_all(results *r) {
    for (size_t g = 1; g < r->e->group_count; g++) judge_comparison(r, g);
    results_add_notes(r);
}

/* ---- what is asked ---- */

static int use_name(experiment *e, size_t index, const char *name) {
    for (size_t g = 0; g < index; g++)
        if (strcmp(e->groups[g].name, name) == 0)
            return cli_fail(e->command, CLI_USAGE, "--names: '%s' is there twice", name);
    if (name[strspn(name, " ")] == '\0')
        return cli_fail(e->command, CLI_USAGE, "--names: name %zu is empty", index + 1);
    if (strlen(name) > LONGEST_NAME)
        return cli_fail(e->command, CLI_USAGE, "--names: name %zu is longer than %d bytes",
                        index + 1, LONGEST_NAME);
    free(e->groups[index].name);
    e->groups[index].name = strdup(name);
    e->groups[index].name_given = true;
    if (e->groups[index].name != NULL) return PARSE_DONE;
    return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
}

static int use_names(experiment *e, char *names) {
    size_t count = 1;
    for (const char *c = names; *c != '\0'; c++) count += *c == ',';
    if (count != e->group_count)
        return cli_fail(e->command, CLI_USAGE, "--names has %zu name%s for %zu commands", count,
                        count == 1 ? "" : "s", e->group_count);
    int code = PARSE_DONE;
    for (size_t g = 0; code == PARSE_DONE && g < count; g++)
        code = use_name(e, g, strsep(&names, ","));
    return code;
}

/* Commands are lines for the shell, as one would type them. */
static int make_group(experiment *e, size_t index, char *line, char *argv[4]) {
    static char shell[] = "sh", option[] = "-c";
    group *g = &e->groups[index];
    argv[0] = shell;
    argv[1] = option;
    argv[2] = line;
    argv[3] = NULL;
    *g = (group){.letter = (char)('A' + index), .argv = argv};
    g->interval_s = e->set.measuring.interval_s;
    g->text = strdup(line);
    g->path = strdup("/bin/sh");
    if (asprintf(&g->name, "%c", g->letter) < 0) g->name = NULL;
    if (line[strspn(line, " \t\n")] == '\0')
        return cli_fail(e->command, CLI_USAGE, "command %c is empty", g->letter);
    if (g->text == NULL || g->path == NULL || g->name == NULL)
        return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    return PARSE_DONE;
}

static int make_groups(experiment *e, char *names, size_t count, char **lines,
                       char *argv[COMMANDS][4]) {
    if (count < 2)
        return cli_fail(e->command, CLI_USAGE,
                        "there must be two commands at least, each in quotes: joulemeter compare "
                        "'./old' './new --fast'");
    if (count > COMMANDS)
        return cli_fail(e->command, CLI_USAGE, "%zu commands are too many: %d at most", count,
                        COMMANDS);
    if (!experiment_groups(e, count)) return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        int code = make_group(e, i, lines[i], argv[i]);
        if (code != PARSE_DONE) return code;
    }
    int code = names == NULL ? PARSE_DONE : use_names(e, names);
    return code == PARSE_DONE ? experiment_check(e) : code;
}

static int parse(experiment *e, char **names, int argc, char **argv, char *commands[COMMANDS][4]) {
    experiment_settings *s = &e->set;
    const cli_option options[] = {
        OPTIONS_EXPERIMENT(s, "runs of each command (default 10)"),
        {0, "seed", OPTION_COUNT, &s->seed, "N", "the same order of runs again (default: any)", 1,
         1000000000, NULL},
        {0, "names", OPTION_LIST, names, "LIST",
         "what to call the commands: old,new\n(default A, B ...)", 0, 0, NULL},
        OPTION_INTERVAL(&s->measuring),
        OPTION_GPU(&s->measuring),
        OPTIONS_EXPERIMENT_OUTPUT(s, "NAME-A-01.jm"),
        OPTIONS_LOGGING(&s->logging),
        OPTION_TDP(&s->measuring),
        OPTION_SIMULATE(&s->measuring),
        {0}};
    int operands;
    int code = cli_parse(e->command, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    return make_groups(e, *names, (size_t)operands, argv + 1, commands);
}

static int run(int argc, char **argv) {
    experiment e = {.command = &cli_compare};
    char *commands[COMMANDS][4], *names = NULL;
    int code = parse(&e, &names, argc, argv, commands);
    if (code == PARSE_DONE) code = results_of(&e, true, judge_all, show);
    free(names);
    experiment_close(&e);
    return code;
}

const cli_command cli_compare = {
    "compare",
    "[OPTIONS] 'COMMAND A' 'COMMAND B' ...",
    "run commands in turn and say which uses less energy",
    "Each command is a line for the shell. They run in turn, in balanced random\n"
    "order (A B, B A ...), so that a board that warms up favours none. Ratios of\n"
    "energy, time and power to the first command come with an interval; a board's\n"
    "gain cancels in them. What the commands say is hidden. Ctrl-C gives the result\n"
    "of the complete rounds so far. If a run fails, joulemeter stops with its exit\n"
    "code (127: not found); 125: joulemeter itself failed, 128+N: signal N.\n",
    "  joulemeter compare './old' './new'\n"
    "  joulemeter compare -n 20 --warmup 1 --names fp32,amp './train' './train --amp'\n"
    "  joulemeter compare --export benchmark energy.json './a' './b' './c'\n"
    "  joulemeter compare -n 5 --simulate h100 'sleep 0.5' 'sleep 0.7'\n",
    run};
