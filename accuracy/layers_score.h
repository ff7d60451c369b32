/* How well energies of layers were found: sums over boards. */
#ifndef ACCURACY_LAYERS_SCORE_H
#define ACCURACY_LAYERS_SCORE_H

#include "layered.h"

#include <stdio.h>

/* Fewer layers say too little of a cell's coverage. */
enum { SCORE_ENOUGH = 200 };

typedef struct score {
    /* layers that were estimated */
    double *errors; /* relative, absolute values; sorted once there are no more to come */
    size_t count, capacity;
    size_t random_covered, covered; /* within 1.96 u_random_j; within the whole interval */
    double error_j, truth_j;
    /* layers of which bounds are told, members of groups too */
    size_t bounded, bound_covered;
    double bounded_j;
    size_t groups, group_covered;
    double group_error_j, group_j;
    double all_j;   /* of all layers */
    size_t missing; /* layers that are not among the parts, or with other numbers of calls */
    size_t runs, failed;
    double attribute_s; /* that jm_attribute took, all runs */
} score;

void score_add(score *s, const layered_run *run, const jm_attribution *found);
/* Adds all of another one. */
void score_merge(score *s, const score *other);
void score_free(score *s);

/* In %; NaN of nothing. */
double score_quantile(const score *s, double p);
double score_weighted(const score *s);
double score_share(size_t part, size_t whole);

void score_print_head(FILE *file);
void score_print(FILE *file, const char *scenario, const char *sensor, const char *method,
                 bool intervals, const score *s);
/* Every part of one board beside its truth, as CSV. */
void score_dump(FILE *file, const layered_run *run, const jm_attribution *found);

#endif
