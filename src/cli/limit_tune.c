/* `limit tune`: what is asked for, and the order in which things happen. */
#include "limit_tune.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening ---- */

static int open_session(tune *t) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_error error = {0};
    options.gpus = t->set.gpus.list;
    options.simulate = t->set.gpus.simulate;
    options.flags = JM_SESSION_NO_JOIN | JM_SESSION_NO_CPU;
    if (jm_session_open(&t->session, &options, &error) == JM_OK) return CLI_OK;
    int code = cli_fail_error(&limit_tune, &error);
    return code == CLI_USAGE ? CLI_USAGE : CLI_RUN_FAILED;
}

static int open_limits(tune *t) {
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_error error = {0};
    options.gpus = t->set.gpus.list;
    options.socket = t->set.gpus.socket;
    options.session = t->session;
    if (jm_limits_open(&t->limits, &options, &error) == JM_OK) return CLI_OK;
    int code = cli_fail_error(&limit_tune, &error);
    return code == CLI_USAGE ? CLI_USAGE : CLI_RUN_FAILED;
}

/* What the tables say of the boards. */
static void learn_board(tune *t) {
    jm_limit limit = {.size = sizeof limit};
    uint32_t count = jm_limits_count(t->limits);
    if (jm_limits_read(t->limits, 0, t->lever, &limit, NULL) != JM_OK) return;
    if (count == 1)
        snprintf(t->device, sizeof t->device, "%s", limit.device);
    else
        snprintf(t->device, sizeof t->device, "%u GPUs", count);
    snprintf(t->model, sizeof t->model, "%s", limit.model);
    t->simulated = limit.simulated;
    t->standard = limit.standard;
    t->before = limit.value;
}

/* "200", "200W" or "60%" of the default; 0 where none is given. */
static int take_bound(const tune *t, const char *text, double *bound) {
    jm_limit_target target;
    jm_error error = {0};
    if (text == NULL) return CLI_OK;
    if (jm_limit_parse(text, t->lever, &target, &error) != JM_OK)
        return cli_fail_error(&limit_tune, &error);
    *bound = target.percent ? target.value / 100 * t->standard : target.value;
    return CLI_OK;
}

static int open_steering(tune *t) {
    jm_steering_options options = JM_STEERING_OPTIONS_INIT;
    jm_error error = {0};
    options.tuner.lever = t->lever;
    options.tuner.objective = t->objective;
    options.tuner.max_trials = t->set.trials;
    options.tuner.tolerance_pct = t->set.tolerance_pct;
    options.meter.max_s = t->set.time_s;
    int code = take_bound(t, t->set.lowest, &options.tuner.lowest);
    if (code == CLI_OK) code = take_bound(t, t->set.highest, &options.tuner.highest);
    if (code != CLI_OK) return code;
    if (options.tuner.highest > 0 && options.tuner.highest < t->standard)
        options.tuner.standard = t->standard = options.tuner.highest;
    t->most_trials = t->set.trials > 0 ? t->set.trials : 6;
    if (jm_steering_open(&t->steering, t->session, t->limits, &options, &error) == JM_OK) {
        t->tuner = jm_steering_tuner(t->steering);
        tune_items_open(&t->items, jm_session_recording(t->session), t->set.items);
        return CLI_OK;
    }
    return tune_fail(t, &error);
}

/* ---- the end ---- */

/* Without a word, whoever asked for --keep would take the limit for the best one. */
static void say_nothing_kept(const tune *t) {
    char before[32], line[120];
    if (t->lever == JM_LEVER_POWER)
        snprintf(line, sizeof line, "nothing is kept: the limit is %s again, as it was before",
                 limit_text(t->before, t->lever, before));
    else
        snprintf(line, sizeof line, "nothing is kept: clocks are as they were before");
    limit_say(line);
}

static int keep(tune *t) {
    jm_tuner_result result = {.size = sizeof result};
    jm_error error = {0};
    if (jm_tuner_result_get(t->tuner, &result, NULL) != JM_OK || result.verdict != JM_TUNER_FOUND) {
        say_nothing_kept(t);
        return CLI_OK;
    }
    jm_limit_target target = {t->lever, result.setting, false};
    if (jm_limits_set(t->limits, JM_LIMITS_ALL, &target, JM_LIMIT_KEEP, &error) == JM_OK) {
        limit_say_notes(t->limits);
        return CLI_OK;
    }
    return cli_fail(&limit_tune, CLI_RUN_FAILED, "the best limit is not kept: %s", error.message);
}

static int give_back(tune *t) {
    jm_error error = {0};
    int status = jm_limits_close(t->limits, &error);
    t->limits = NULL;
    if (status == JM_OK) return CLI_OK;
    return cli_fail(&limit_tune, CLI_RUN_FAILED, "the limit is not given back yet: %s",
                    error.message);
}

static void close_all(tune *t) {
    jm_steering_close(t->steering);
    jm_limits_close(t->limits, NULL);
    jm_session_close(t->session, NULL, NULL);
    if (t->streams[2] > 0) hidden_close(t->streams);
    free(t->words);
    free(t->text);
    free(t->path);
    free(t->set.gpus.list);
}

/* What was found is told of whatever ended it. */
static int finish(tune *t, int code) {
    bool told = jm_tuner_trial_count(t->tuner) > 0 || code == CLI_OK;
    int kept = t->set.keep && t->interrupted == 0 && code == CLI_OK ? keep(t) : CLI_OK;
    int back = give_back(t);
    int shown = told ? tune_show(t) : CLI_OK;
    int written = told ? tune_write(t) : CLI_OK;
    if (code == CLI_OK && t->interrupted != 0) code = 128 + t->interrupted;
    return code != CLI_OK    ? code
           : kept != CLI_OK  ? kept
           : back != CLI_OK  ? back
           : shown != CLI_OK ? shown
                             : written;
}

static int do_tune(tune *t) {
    if (!child_prepare(&t->child))
        return cli_fail(&limit_tune, CLI_RUN_FAILED, "cannot watch signals: %s", strerror(errno));
    live_open(&t->live, t->set.quiet);
    int code = open_session(t);
    if (code == CLI_OK) code = open_limits(t);
    if (code == CLI_OK) {
        learn_board(t);
        code = open_steering(t);
    }
    return code == CLI_OK ? finish(t, tune_run(t)) : code;
}

/* ---- what is asked for ---- */

static int check(tune *t) {
    tune_settings *s = &t->set;
    jm_error error = {0};
    if (s->steer && s->rerun)
        return cli_fail(&limit_tune, CLI_USAGE, "give either --steer or --rerun");
    if (s->rerun && s->items != NULL)
        return cli_fail(
            &limit_tune, CLI_USAGE,
            "--items says what is counted as it runs; with --rerun that is the command");
    int code = injecting_check(&s->injecting, &limit_tune);
    if (code != PARSE_DONE) return code;
    t->lever = s->clock ? JM_LEVER_CLOCK : JM_LEVER_POWER;
    if (s->objective != NULL && jm_objective_parse(s->objective, &t->objective, &error) != JM_OK)
        return cli_fail_error(&limit_tune, &error);
    return tune_check_outputs(t);
}

static int parse(tune *t, int argc, char **argv) {
    tune_settings *s = &t->set;
    const cli_option options[] = {
        {'m', "objective", OPTION_TEXT, &s->objective, "WHAT",
         "what is to be least: ed2p (energy x time^2, the\ndefault), edp, energy, time, "
         "slowdown=P%\n(energy, within it), cost=KWH,HOUR (prices)",
         0, 0, NULL},
        OPTION_LIMIT_GPU(&s->gpus),
        {'c', "clock", OPTION_FLAG, &s->clock, NULL, "no power limit, but the highest clock", 0, 0,
         NULL},
        {'n', "trials", OPTION_COUNT, &s->trials, "N", "settings to try at most (default 6)", 2, 64,
         NULL},
        {0, "tolerance", OPTION_NUMBER, &s->tolerance_pct, "PCT",
         "difference that does not matter (default 0.5%)", 0.01, 50, "%"},
        {'t', "time", OPTION_SECONDS, &s->time_s, "TIME",
         "longest time of a trial as the command runs\n(default 60s)", 0.2, 86400, NULL},
        {0, "lowest", OPTION_TEXT, &s->lowest, "W", "try none below it: 200, 200W or 60%", 0, 0,
         NULL},
        {0, "highest", OPTION_TEXT, &s->highest, "W", "nor above it", 0, 0, NULL},
        {0, "steer", OPTION_FLAG, &s->steer, NULL, "change the limit while the command runs, once",
         0, 0, NULL},
        {0, "rerun", OPTION_FLAG, &s->rerun, NULL, "run it anew for each limit", 0, 0, NULL},
        {0, "items", OPTION_TEXT, &s->items, "NAME",
         "what an iteration is: a range's or mark's name, or\na category (batch, epoch, nvtx ...)",
         0, 0, NULL},
        OPTION_NO_NVTX(&s->injecting),
        {'w', "warmup", OPTION_COUNT, &s->warmup, "N", "runs before those of --rerun (default 1)",
         0, 100, NULL},
        {'k', "keep", OPTION_FLAG, &s->keep, NULL, "leave the best limit set", 0, 0, NULL},
        {'o', "output", OPTION_TEXT, &s->csv, "FILE", "the curve as CSV", 0, 0, NULL},
        {'j', "json", OPTION_OPTIONAL, &s->json, "FILE",
         "all of it as JSON into FILE, or to stdout;\n`joulemeter plot FILE` draws it", 0, 0, NULL},
        {0, "plot", OPTION_TEXT, &s->plot, "FILE", "the curve as a figure: .pdf, .svg, .png", 0, 0,
         NULL},
        {0, "show-output", OPTION_FLAG, &s->show_output, NULL,
         "show what the command says every time it runs", 0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &s->quiet, NULL, "no progress and no tables", 0, 0, NULL},
        OPTION_LIMIT_SOCKET(&s->gpus),
        OPTION_LIMIT_SIMULATE(&s->gpus),
        {0}};
    int operands;
    s->warmup = 1;
    int code = cli_parse(&limit_tune, options, OPERANDS_LAST, argc, argv, &operands);
    if (code == PARSE_DONE && operands == 0)
        return cli_fail(&limit_tune, CLI_USAGE,
                        "there is no command to run: joulemeter limit tune -- python train.py");
    t->argv = argv + 1;
    return code == PARSE_DONE ? check(t) : code;
}

static int run(int argc, char **argv) {
    tune t = {0};
    t.words = calloc((size_t)argc + 1, sizeof *t.words);
    if (t.words == NULL) return cli_fail(&limit_tune, CLI_RUN_FAILED, "out of memory");
    for (int i = 0; i < argc; i++) t.words[i] = argv[i];
    int code = parse(&t, argc, argv);
    if (code == PARSE_DONE) code = child_find(&limit_tune, t.argv[0], &t.path);
    if (code == CLI_OK && t.path != NULL) {
        t.text = command_text(t.argv);
        code =
            t.text == NULL ? cli_fail(&limit_tune, CLI_RUN_FAILED, "out of memory") : do_tune(&t);
    }
    close_all(&t);
    return code;
}

const cli_command limit_tune = {
    "limit tune",
    "[OPTIONS] [--] COMMAND [ARGUMENTS]",
    "find the power limit that serves a command best",
    "A command that marks its iterations (with the library, or NVTX) runs once: the\n"
    "limit changes meanwhile, and it goes on under the best one. Any other is run\n"
    "anew for each limit, and what it says is hidden after the first time. However\n"
    "it ends, the limit is given back; --keep leaves the best one. The result goes\n"
    "to stderr. If the command fails, joulemeter stops with its exit code; 125:\n"
    "joulemeter itself failed, 128+N: signal N.\n",
    "  sudo joulemeter limit tune -- python train.py\n"
    "  joulemeter limit tune -m slowdown=5% --lowest 60% -- python train.py\n"
    "  joulemeter limit tune --clock --rerun -o curve.csv -- ./bench\n"
    "  joulemeter limit tune --simulate h100 -- sleep 1\n",
    run};
