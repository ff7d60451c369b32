/* Watts of activities from rows of activities and measured watts. */
#ifndef JMI_ESTIMATE_FIT_H
#define JMI_ESTIMATE_FIT_H

#include "estimate/nnls.h"

/* Rows to train on. Rows of one program have the same `program`. */
typedef struct jmi_training {
    size_t count;
    uint32_t program_count;
    char *board;    /* "" if the data does not tell */
    uint64_t *line; /* of each row */
    uint32_t *program;
    char **program_name;
    char **kernel_name;
    double (*activity)[JM_ACTIVITY_COUNT]; /* NaN: not told */
    double (*power_w)[JM_POWER_KINDS];     /* NaN likewise */
} jmi_training;

int jmi_training_read(jmi_training *rows, const char *path, jm_error *error);
/* Takes out the rows that lack an activity, or the mean power. */
void jmi_training_drop(jmi_training *rows, jm_activity activity);
void jmi_training_drop_unmeasured(jmi_training *rows);
void jmi_training_free(jmi_training *rows);

/* How an activity enters: before any data is seen. */
typedef struct jmi_term {
    bool free; /* every kernel has it: no penalty */
    /* Watts at full rate that a penalty draws towards: what published energies of moving a bit say;
     * 0 where nothing is known. */
    double (*prior_w)(const jm_board *board);
} jmi_term;
jmi_term jmi_term_of(jm_activity activity);

/* What is fitted: some rows, some activities, one kind of power. */
typedef struct jmi_problem {
    const jmi_training *rows;
    const bool *used; /* rows; NULL: all */
    jm_power_kind kind;
    bool activities[JM_ACTIVITY_COUNT];
    double prior_w[JM_ACTIVITY_COUNT];
} jmi_problem;

/* Relative errors are minimised, plus the penalty on (w - prior)^2. HUGE_VAL: penalised watts are
 * their prior. */
void jmi_fit(const jmi_problem *problem, double penalty, double watts[JM_ACTIVITY_COUNT]);
/* Plain: no weights, no penalty. */
void jmi_fit_plain(const jmi_problem *problem, double watts[JM_ACTIVITY_COUNT]);
double jmi_fit_predict(const double watts[JM_ACTIVITY_COUNT],
                       const double activity[JM_ACTIVITY_COUNT]);

/* Penalties to choose from, from none to all. */
enum { JMI_PENALTIES = 12 };
double jmi_penalty(size_t index);

/* What leaving programs out of the problem's rows says of each penalty: the largest one whose error
 * is within a standard error of the best. `estimate` (a place for each row, or NULL) gets the
 * left-out estimates with it. */
size_t jmi_choose(const jmi_problem *problem, double *estimate);

#endif
