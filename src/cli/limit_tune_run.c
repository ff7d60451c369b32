/* `limit tune` runs the command: once while settings change, or anew for each of them. */
#include "limit_tune.h"

#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STEP_NS = 100000000, /* between two looks at the command */
    LOST_S = 30,         /* after which it is said that no iteration was seen */
    MOST_RUNS = 50
};

/* ---- failing ---- */

/* Exactly what to type. A command should not run as root only because its limit needs it, but
 * here it is the one that must be started by who sets limits. */
static int say_permission(const tune *t, const jm_error *error) {
    char *line = command_text(t->words);
    int code = cli_fail(&limit_tune, CLI_RUN_FAILED, "%s", error->message);
    if (line != NULL) fprintf(stderr, "  run: sudo joulemeter limit %s\n", line);
    free(line);
    return code;
}

int tune_fail(const tune *t, const jm_error *error) {
    if (error->status == JM_PERMISSION) return say_permission(t, error);
    int code = cli_fail_error(&limit_tune, error);
    return code == CLI_FAILED ? CLI_RUN_FAILED : code;
}

static int fail_command(tune *t) {
    char step[40];
    snprintf(step, sizeof step, "run %zu of the command", t->runs);
    return hidden_fail(&limit_tune, step, t->child.status, t->hidden ? t->streams : NULL);
}

/* ---- one run ---- */

static int start(tune *t, bool hidden) {
    t->hidden = hidden && !t->set.show_output;
    if (t->hidden && t->streams[2] == 0) {
        int errnum = hidden_open(t->streams);
        if (errnum != 0)
            return cli_fail(&limit_tune, CLI_RUN_FAILED, "cannot hide what the command says: %s",
                            strerror(errnum));
    }
    if (t->hidden) hidden_forget(t->streams);
    t->child.streams = t->hidden ? t->streams : NULL;
    settings_list environment;
    int code = injecting_environment(&t->set.injecting, &limit_tune, t->session, &environment);
    if (code != PARSE_DONE) return code;
    tune_items_restart(&t->items);
    t->runs++;
    t->run_begin_ns = jm_now_ns();
    int errnum = child_start(&t->child, t->path, t->argv, (const char *const *)environment.list);
    settings_free(&environment);
    if (errnum != 0)
        return cli_fail(&limit_tune, errnum == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE,
                        "'%s' cannot be executed: %s", t->argv[0], strerror(errnum));
    jm_session_follow(t->session, t->child.pid);
    return CLI_OK;
}

/* Waits a little; true: it goes on. */
static bool goes_on(tune *t) {
    child_event event = child_wait(&t->child, jm_now_ns() + STEP_NS);
    jm_session_check(t->session);
    const char *warnings = jm_limits_warnings(t->limits);
    if (warnings[0] != '\0') live_erase(&t->live);
    limit_say(warnings);
    if (t->hidden) hidden_thin_out(t->streams);
    return event != CHILD_ENDED;
}

/* Limits go back as soon as a signal asks for the end, however long the command then takes. */
static void stop_tuning(tune *t) {
    if (t->interrupted != 0) return;
    t->interrupted = t->child.asked_to_end;
    jm_limits_restore(t->limits, JM_LIMITS_ALL, t->lever, NULL);
    jm_steering_end(t->steering, NULL);
}

static bool was_interrupted(tune *t) {
    if (t->child.pid == 0) child_wait(&t->child, 0); /* what came while no command ran */
    if (t->child.asked_to_end != 0) stop_tuning(t);
    return t->interrupted != 0;
}

/* ---- steering ---- */

static void take_item(void *user, int64_t begin_ns, int64_t end_ns) {
    tune *t = user;
    int64_t until;
    bool paused = tune_items_pause(&t->items, begin_ns, end_ns, &until);
    if (paused) jm_steering_pause(t->steering, t->items.last_end_ns, until);
    if (!paused || until < end_ns) jm_steering_item(t->steering, end_ns, 1);
}

/* A trial begins when the command is seen to iterate; before, it prepares itself. */
static int begin_trial(tune *t) {
    jm_tuner_step step = {.size = sizeof step};
    jm_error error = {0};
    if (jm_steering_next(t->steering, &step, &error) != JM_OK) return tune_fail(t, &error);
    limit_say_notes(t->limits);
    tune_say_step(t, step.setting, step.reason);
    return CLI_OK;
}

static int steer(tune *t, jm_steering_progress *p) {
    jm_error error = {0};
    tune_items_look(&t->items, take_item, t);
    bool fresh = t->told == 0 && tune_items_choose(&t->items);
    if (fresh || (!p->running && !p->done && t->items.count >= 2)) {
        if (fresh && t->set.items == NULL)
            tune_say(t, "its iterations: %s", tune_items_name(&t->items));
        int code = begin_trial(t);
        if (code != CLI_OK) return code;
    }
    *p = (jm_steering_progress){.size = sizeof *p};
    if (jm_steering_poll(t->steering, p, &error) != JM_OK) return tune_fail(t, &error);
    if (!p->ended) return CLI_OK;
    limit_say_notes(t->limits);
    tune_say_trials(t);
    if (!p->done) tune_say_step(t, p->setting, p->reason);
    return CLI_OK;
}

static void say_done(tune *t) {
    char text[32];
    jm_tuner_result result = {.size = sizeof result};
    t->settled_on = true;
    if (jm_tuner_result_get(t->tuner, &result, NULL) != JM_OK) return;
    tune_say(t, "the command goes on at %s", limit_text(result.setting, t->lever, text));
}

static void say_lost(tune *t, bool *said) {
    if (*said || t->items.chosen >= 0 ||
        jm_now_ns() - t->run_begin_ns < LOST_S * INT64_C(1000000000))
        return;
    *said = true;
    tune_say(t, t->set.steer
                    ? "the command has marked no iterations yet"
                    : "the command marks no iterations: it is measured as a whole, and run again "
                      "for each setting when it has ended");
}

/* One run of a command that may iterate. */
static int run_steered(tune *t, bool hidden) {
    jm_steering_progress p = {.size = sizeof p};
    bool said = false;
    uint64_t before = t->items.count;
    int code = start(t, hidden);
    if (code != CLI_OK) return code;
    t->items.count = before > 0 ? 0 : before;
    while (goes_on(t)) {
        if (was_interrupted(t) || code != CLI_OK) continue;
        if (!t->settled_on) code = steer(t, &p);
        if (p.done && !t->settled_on && code == CLI_OK) say_done(t);
        if (code != CLI_OK) jm_limits_restore(t->limits, JM_LIMITS_ALL, t->lever, NULL);
        say_lost(t, &said);
        tune_say_live(t, &p);
    }
    t->run_end_ns = jm_now_ns();
    if (was_interrupted(t) || code != CLI_OK) return code;
    tune_items_look(&t->items, take_item, t);
    jm_steering_end(t->steering, NULL);
    tune_say_trials(t);
    return t->child.status != 0 ? fail_command(t) : CLI_OK;
}

/* What is next is set, and nothing runs yet. An error comes again where the trial begins. */
static bool is_done(tune *t) {
    jm_tuner_step step = {.size = sizeof step};
    return jm_steering_next(t->steering, &step, NULL) == JM_OK && step.done;
}

/* ---- running anew ---- */

static int run_whole(tune *t) {
    jm_steering_progress p = {.size = sizeof p, .setting = t->standard};
    int code = start(t, true);
    if (code != CLI_OK) return code;
    while (goes_on(t)) {
        was_interrupted(t);
        tune_say_live(t, &p);
    }
    t->run_end_ns = jm_now_ns();
    if (was_interrupted(t)) return CLI_OK;
    return t->child.status != 0 ? fail_command(t) : CLI_OK;
}

/* What has just been run is the trial. */
static int measure_runs(tune *t, int64_t begin_ns, double runs) {
    jm_error error = {0};
    if (jm_steering_measure(t->steering, begin_ns, t->run_end_ns, runs, NULL, &error) == JM_OK) {
        tune_say_trials(t);
        return CLI_OK;
    }
    if (error.status != JM_NO_DATA) return tune_fail(t, &error);
    return cli_fail(&limit_tune, CLI_RUN_FAILED, "too little is known of the command's energy: %s",
                    error.message);
}

/* A command that is soon over is run as often as its energy takes to be known. */
static int run_trial(tune *t) {
    int64_t begin = jm_now_ns();
    int code = CLI_OK;
    double runs = 0;
    do {
        code = run_whole(t);
        runs++;
    } while (code == CLI_OK && !was_interrupted(t) && !jm_steering_enough(t->steering, begin));
    if (code != CLI_OK || was_interrupted(t)) return code;
    return measure_runs(t, begin, runs);
}

/* All of the first run was at the standard, with which the tuner begins. */
static int count_first_run(tune *t) {
    if (!jm_steering_enough(t->steering, t->run_begin_ns)) return CLI_OK;
    int code = begin_trial(t);
    return code == CLI_OK ? measure_runs(t, t->run_begin_ns, 1) : code;
}

static int rerun(tune *t) {
    int code = CLI_OK;
    t->way = TUNE_RERUN;
    while (t->runs < t->set.warmup && code == CLI_OK && !was_interrupted(t)) {
        tune_say(t, "warm-up run %zu of %u", t->runs + 1, t->set.warmup);
        code = run_whole(t);
    }
    while (code == CLI_OK && !was_interrupted(t) && !is_done(t)) {
        code = begin_trial(t);
        if (code == CLI_OK) code = run_trial(t);
    }
    return code;
}

/* ---- all of it ---- */

/* The first run shows which way to go; of it, and before it, everything is at the standard. */
static int find_way(tune *t) {
    int code = CLI_OK;
    if (t->set.rerun) return rerun(t);
    t->way = t->set.steer ? TUNE_STEER : TUNE_AUTO;
    for (bool hidden = false; t->runs < MOST_RUNS; hidden = true) {
        size_t before = jm_tuner_trial_count(t->tuner);
        code = run_steered(t, hidden);
        if (t->told > 0) t->way = TUNE_STEER;
        if (code != CLI_OK || t->interrupted != 0 || t->set.steer || is_done(t)) return code;
        if (jm_tuner_trial_count(t->tuner) == before) break; /* too short for a single one */
        tune_say(t, "the command has ended, and runs again to go on");
    }
    if (t->told > 0) return code;
    if (t->set.warmup == 0) code = count_first_run(t);
    return code == CLI_OK ? rerun(t) : code;
}

int tune_run(tune *t) {
    jm_error error = {0};
    jm_tuner_step step = {.size = sizeof step};
    if (jm_steering_next(t->steering, &step, &error) != JM_OK) return tune_fail(t, &error);
    t->begin_ns = jm_now_ns();
    live_begin(&t->live);
    tune_say_begin(t);
    limit_say_notes(t->limits);
    int code = find_way(t);
    live_erase(&t->live);
    return code;
}
