/* `limit tune`: what its files share. */
#ifndef JM_CLI_LIMIT_TUNE_H
#define JM_CLI_LIMIT_TUNE_H

#include "child.h"
#include "hidden.h"
#include "inject.h"
#include "limit.h"
#include "limit_tune_items.h"
#include "live.h"

typedef enum tune_way {
    TUNE_AUTO,  /* steers if the command marks iterations */
    TUNE_STEER, /* it runs once, and settings change meanwhile */
    TUNE_RERUN  /* it runs anew for each setting */
} tune_way;

typedef struct tune_settings {
    limit_gpus gpus;
    injecting injecting;
    const char *objective, *lowest, *highest, *items;
    const char *csv, *plot;
    const char *json; /* NULL: none, "": stdout */
    uint32_t trials, warmup;
    double tolerance_pct, time_s;
    bool clock, steer, rerun, keep, show_output, quiet, warmup_given;
} tune_settings;

typedef struct tune {
    tune_settings set;
    tune_way way; /* as it turned out */
    jm_objective objective;
    jm_lever lever;
    char **argv, **words; /* the command, and all that was typed */
    char *path, *text;    /* of the command; heap */
    child child;
    live live;
    int streams[3];
    bool hidden; /* the run that goes on */
    jm_session *session;
    jm_limits *limits;
    jm_steering *steering;
    jm_tuner *tuner; /* the steering's */
    tune_items items;
    char device[16], model[96];
    bool simulated;
    double standard, before; /* the board's default, and what was in force */
    uint32_t most_trials;
    size_t runs;     /* of the command, that have ended or go on */
    uint32_t told;   /* trials that were told of on the terminal */
    bool settled_on; /* the command goes on under the best setting */
    int interrupted; /* signal that ended it early */
    int64_t begin_ns, run_begin_ns, run_end_ns;
} tune;

/* ---- running (limit_tune_run.c) ---- */

/* Sets, runs and measures until the tuner has enough. CLI_OK with what was found, also where a
 * signal ended it; else the exit code after saying why. */
int tune_run(tune *t);
/* Says what went wrong with limits, and what would mend it. The exit code. */
int tune_fail(const tune *t, const jm_error *error);

/* ---- how it goes, on stderr (limit_tune_say.c) ---- */

void tune_say_begin(const tune *t);
/* What is tried next, and why. */
void tune_say_step(tune *t, double setting, const char *reason);
/* Trials that the tuner knows and the terminal does not. */
void tune_say_trials(tune *t);
/* One sentence, between them. */
void tune_say(tune *t, const char *format, ...) CLI_PRINTF(2, 3);
/* The live line. */
void tune_say_live(tune *t, const jm_steering_progress *progress);

/* ---- what came of it (limit_tune_show.c, limit_tune_write.c) ---- */

/* The final table and the verdict. */
int tune_show(tune *t);
/* CSV, JSON and figure, as the settings say. The exit code. */
int tune_write(tune *t);
/* Said before anything runs: can they be written? PARSE_DONE or the exit code. */
int tune_check_outputs(const tune *t);
/* "E·D²", "energy" ...: what is to be least, in a table's head. */
const char *tune_objective_name(const tune *t, bool utf8);

#endif
