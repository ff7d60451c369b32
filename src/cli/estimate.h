/* What `estimate`, `estimate train` and `estimate collect` share. */
#ifndef JM_CLI_ESTIMATE_H
#define JM_CLI_ESTIMATE_H

#include "options.h"
#include "output.h"

/* A program and its arguments under Nsight Compute. */
typedef struct ncu_job {
    const cli_command *command;
    const char *ncu;     /* --ncu; NULL: looked for */
    char *const *argv;   /* of the program; ends with NULL */
    const char *metrics; /* joined by commas */
    uint32_t skip;       /* launches before the first that is profiled */
    uint32_t launches;   /* profile so many, 0: all */
    double seconds;      /* then the program is ended; 0: no limit */
    const char *keep;    /* where the CSV is to stay; NULL: it is removed */
    int status;          /* of ncu, as waitpid gives it */
    bool timed_out;
} ncu_job;

/* Where Nsight Compute is, heap. The exit code, after saying that it is not there. */
int ncu_find(const ncu_job *job, char **path);
/* Runs it and reads the profile. The exit code, after saying what was wrong. */
int ncu_profile(ncu_job *job, jm_profile **profile);
/* With which exit code Nsight Compute ended, and the program in it; 0 too if it was we who ended
 * it. Says so if it is not 0. */
int ncu_outcome(const ncu_job *job);
/* The model of --model, else that which is shipped. The exit code. */
int estimate_model(const cli_command *command, const char *path, jm_power_model **model);

/* What is to be shown of an estimate. */
typedef struct estimate_view {
    const cli_command *command;
    const jm_profile *profile;
    const jm_power_model *model;
    const jm_estimate *estimate;
    bool kinds[JM_POWER_KINDS];
    uint32_t top;
    const char *folder; /* where the files were written */
    bool timed_out;
    double seconds;
    double temperature; /* 0: not told */
    bool names_board;   /* by --gpu */
    int outcome;        /* exit code of the program */
} estimate_view;
int estimate_show(const estimate_view *view);

int estimate_train(int argc, char **argv);
int estimate_collect(int argc, char **argv);

#endif
