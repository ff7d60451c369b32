/* Commands run many times, each run measured by a session of its own: what `repeat` and `compare`
 * share. */
#ifndef JM_CLI_EXPERIMENT_H
#define JM_CLI_EXPERIMENT_H

#include "child.h"
#include "command.h"
#include "live.h"
#include "logging.h"

/* One run. */
typedef struct trial {
    jm_run run;
    jm_energy total;
    jm_energy *devices; /* as many as the experiment has; heap */
    double begin_unix_s;
    int exit_code;
    bool paused; /* all was stopped meanwhile (Ctrl-Z) */
    char *file;  /* of its recording; NULL: none */
} trial;

/* Runs of one command at one sampling interval. */
typedef struct group {
    char *name;      /* "A", or what --names says; NULL where there is but one command. Heap */
    bool name_given; /* by --names */
    char letter;     /* in names of files; '\0' likewise */
    char *text;      /* the command; heap */
    char *path;      /* heap */
    char *const *argv;
    double interval_s; /* 0: the default */
    trial *trials;
    size_t count; /* of trials that were measured */
} group;

typedef struct experiment_settings {
    measuring measuring;
    uint32_t runs;
    uint32_t warmup;
    uint32_t seed;        /* of the order; 0: any */
    const char *cooldown; /* NULL, a time, or "stable" */
    double cooldown_limit_s;
    const char *output; /* recordings' names; NULL: none are kept */
    const char *json;   /* NULL: none, "": stdout */
    cli_pairs exports;  /* format and file */
    logging logging;
    bool force, show_output, ignore_failure, quiet;
} experiment_settings;

/* What power and temperature are without the commands. */
typedef struct idle_state {
    bool known;
    double power_w;
    double temperature_c; /* NaN: not measured */
} idle_state;

typedef struct experiment {
    const cli_command *command;
    experiment_settings set;
    group *groups;
    size_t group_count;
    char (*devices)[32]; /* names of those that are in the total; heap */
    size_t device_count;
    bool simulated, modelled; /* any device, any sensor of power or energy */
    footprint footprint;      /* for the logbook */
    size_t logged, not_logged;
    child child;
    live live;
    int streams[3];      /* of hidden commands */
    double cooldown_s;   /* between runs */
    bool until_stable;   /* wait for the idle state instead */
    unsigned not_stable; /* times that the wait for it was in vain */
    idle_state idle;
    size_t done, planned; /* runs, warm-up too */
    const group *current; /* of the run that goes on */
    int64_t begin_ns;
    char left_names[96]; /* processes that a run left behind */
    unsigned left_behind;
    int interrupted; /* the signal that ended it early; 0: none */
} experiment;

/* Rows for a table of options; `first_file` is what NAME.jm becomes. */
#define OPTIONS_EXPERIMENT(s, runs_help)                                                           \
    {'n', "runs", OPTION_COUNT, &(s)->runs, "N", runs_help, 1, 10000, NULL},                       \
        {'w',                                                                                      \
         "warmup",                                                                                 \
         OPTION_COUNT,                                                                             \
         &(s)->warmup,                                                                             \
         "N",                                                                                      \
         "runs before them that do not count (default 0)",                                         \
         0,                                                                                        \
         1000,                                                                                     \
         NULL},                                                                                    \
        {'c',                                                                                      \
         "cooldown",                                                                               \
         OPTION_TEXT,                                                                              \
         &(s)->cooldown,                                                                           \
         "TIME",                                                                                   \
         "wait between runs; `stable` waits until power\nand temperature are near idle again",     \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
    {                                                                                              \
        0, "cooldown-limit", OPTION_SECONDS, &(s)->cooldown_limit_s, "TIME",                       \
            "longest wait for `stable` (default 60s)", 1, 3600, NULL                               \
    }

#define OPTIONS_EXPERIMENT_OUTPUT(s, first_file)                                                   \
    {'o',                                                                                          \
     "output",                                                                                     \
     OPTION_TEXT,                                                                                  \
     &(s)->output,                                                                                 \
     "NAME",                                                                                       \
     "keep each run's recording: NAME.jm becomes\n" first_file " ..., a folder gets them all",     \
     0,                                                                                            \
     0,                                                                                            \
     NULL},                                                                                        \
        {'f', "force", OPTION_FLAG, &(s)->force, NULL, "replace recordings of those names",        \
         0,   0,       NULL},                                                                      \
        {'j',        "json", OPTION_OPTIONAL,                                                      \
         &(s)->json, "FILE", "all figures as JSON into FILE, or to stdout",                        \
         0,          0,      NULL},                                                                \
        {'e',                                                                                      \
         "export",                                                                                 \
         OPTION_PAIR,                                                                              \
         &(s)->exports,                                                                            \
         "FORMAT FILE",                                                                            \
         "csv (a row for each run), json, markdown or\nbenchmark (for dashboards of CI); FILE -\n" \
         "is stdout; may come again",                                                              \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {0,           "show-output",                                                               \
         OPTION_FLAG, &(s)->show_output,                                                           \
         NULL,        "let the commands use this terminal",                                        \
         0,           0,                                                                           \
         NULL},                                                                                    \
        {0,           "ignore-failure",                                                            \
         OPTION_FLAG, &(s)->ignore_failure,                                                        \
         NULL,        "count runs that fail, too",                                                 \
         0,           0,                                                                           \
         NULL},                                                                                    \
    {                                                                                              \
        'q', "quiet", OPTION_FLAG, &(s)->quiet, NULL, "no progress and no tables", 0, 0, NULL      \
    }

/* Opens and checks settings before anything runs: PARSE_DONE or the exit code after saying why.
 * Groups must be there. */
int experiment_check(experiment *e);

/* Makes room for `count` groups. False: out of memory. */
bool experiment_groups(experiment *e, size_t count);

/* Runs it all, in rounds of one run of each group. CLI_OK if there is a round at least, also if a
 * signal ended it early (`interrupted`): all groups then have as many runs. Else the exit code
 * after saying why. */
int experiment_run(experiment *e);

void experiment_close(experiment *e);

/* ---- its parts ---- */

enum { TRIAL_INTERRUPTED = -2 };

/* One run of a group, `last` if no other follows, measured into *t; NULL: a warm-up. CLI_OK, an
 * exit code after saying why, or TRIAL_INTERRUPTED. */
int trial_run(experiment *e, const group *g, const char *file, bool last, trial *t);

/* Waits as the settings say, while a session goes on. False: interrupted. */
bool cooldown_learn(experiment *e, jm_session *session);
bool cooldown_wait(experiment *e, jm_session *session);

/* Waits until a time while nothing runs. False: interrupted. */
bool experiment_wait(experiment *e, jm_session *session, int64_t until_ns);

/* File of a run's recording, heap; NULL if none is kept or memory is out. */
char *recording_name(const experiment *e, const group *g, size_t run);

/* "run 3 of 10", "run 3 of 20 (B)", or the warm-up that it is. */
const char *experiment_step(const experiment *e, char *text, size_t size);

#endif
