/* Does what is measured depend on the sampling interval? A permutation test: under "no" every run
 * could as well have been made at any of the intervals. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { PERMUTATIONS = 9999 };

typedef struct layout {
    const jm_interval_runs *groups;
    size_t count;
    size_t all;    /* runs of all groups */
    size_t rounds; /* of as many runs as there are groups; 0: runs are in no rounds */
} layout;

static layout layout_of(const jm_interval_runs *groups, size_t count) {
    layout l = {groups, count, 0, groups[0].count};
    for (size_t g = 0; g < count; g++) {
        l.all += groups[g].count;
        if (groups[g].count != groups[0].count) l.rounds = 0;
    }
    return l;
}

/* Group by group, less the mean of the round: what is left is the interval's doing, or chance. */
static void align(const layout *l, double *values) {
    size_t at = 0;
    for (size_t g = 0; g < l->count; g++)
        for (size_t i = 0; i < l->groups[g].count; i++)
            values[at++] = l->groups[g].runs[i].energy_j;
    for (size_t r = 0; r < l->rounds; r++) {
        double mean = 0;
        for (size_t g = 0; g < l->count; g++) mean += values[g * l->rounds + r] / (double)l->count;
        for (size_t g = 0; g < l->count; g++) values[g * l->rounds + r] -= mean;
    }
}

/* How far apart the groups' mean ranks are: Kruskal and Wallis's sum. Whole numbers as far as
 * possible, so that equal arrangements give equal sums. */
static double apart(const layout *l, const uint64_t *ranks) {
    double sum = 0;
    size_t at = 0;
    for (size_t g = 0; g < l->count; g++) {
        uint64_t of_group = 0;
        for (size_t i = 0; i < l->groups[g].count; i++) of_group += ranks[at++];
        sum += (double)of_group * (double)of_group / (double)l->groups[g].count;
    }
    return sum;
}

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Fisher and Yates, of `count` values that are `stride` apart. */
static void shuffle(uint64_t *values, size_t count, size_t stride, uint64_t *random) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(next_random(random) % i);
        uint64_t kept = values[(i - 1) * stride];
        values[(i - 1) * stride] = values[j * stride];
        values[j * stride] = kept;
    }
}

static double permutation_p(const layout *l, uint64_t *ranks) {
    uint64_t random = 1; /* the same runs give the same p */
    double seen = apart(l, ranks) * (1 - 1e-12);
    unsigned further = 0;
    for (unsigned i = 0; i < PERMUTATIONS; i++) {
        for (size_t r = 0; r < l->rounds; r++) shuffle(ranks + r, l->count, l->rounds, &random);
        if (l->rounds == 0) shuffle(ranks, l->all, 1, &random);
        further += apart(l, ranks) >= seen;
    }
    return (further + 1.0) / (PERMUTATIONS + 1.0);
}

static int test(const layout *l, double *p) {
    double *values = jmi_alloc(l->all, sizeof *values);
    uint64_t *ranks = jmi_alloc(l->all, sizeof *ranks);
    int status = values == NULL || ranks == NULL ? JM_MEMORY : JM_OK;
    if (status == JM_OK) {
        align(l, values);
        status = jmi_double_ranks(values, l->all, ranks, NULL);
    }
    if (status == JM_OK) *p = permutation_p(l, ranks);
    free(values);
    free(ranks);
    return status;
}

static bool large_enough(const jm_interval_runs *groups, size_t count) {
    for (size_t g = 0; g < count; g++)
        if (groups[g].count < 3) return false;
    return count >= 2;
}

static int spread_of(const jm_interval_runs *group, double level, jm_spread *spread,
                     jm_error *error) {
    jm_repeat_options options = JM_REPEAT_OPTIONS_INIT;
    jm_repeat repeat = {.size = sizeof repeat};
    options.level = level;
    int status = jm_repeat_analyse(group->runs, group->count, &options, &repeat, NULL, error);
    *spread = repeat.energy_j;
    return status;
}

static int find_medians(const jm_interval_runs *groups, size_t count, double level,
                        jm_spread *energy_j, jm_sensitivity *s, jm_error *error) {
    double lowest = INFINITY, highest = -INFINITY;
    for (size_t g = 0; g < count; g++) {
        jm_spread spread;
        int status = spread_of(&groups[g], level, &spread, error);
        if (status != JM_OK) return status;
        if (energy_j != NULL) energy_j[g] = spread;
        if (spread.median < lowest) lowest = spread.median, s->lowest = g;
        if (spread.median > highest) highest = spread.median, s->highest = g;
    }
    s->largest_pct = lowest > 0 ? 100 * (highest / lowest - 1) : highest > 0 ? INFINITY : 0;
    return JM_OK;
}

int jm_sensitivity_analyse(const jm_interval_runs *groups, size_t count,
                           const jm_repeat_options *options, jm_spread *energy_j,
                           jm_sensitivity *result, jm_error *error) {
    jm_repeat_options ours;
    if (groups == NULL || count == 0 || result == NULL)
        return jmi_fail(error, JM_INVALID, "there must be one group of runs at least");
    int status = jmi_repeat_options_take(&ours, options, error);
    for (size_t g = 0; status == JM_OK && g < count; g++)
        status = jmi_runs_check(groups[g].runs, groups[g].count, "run", "", error);
    if (status != JM_OK) return status;
    jm_sensitivity found = {.size = sizeof found, .p = NAN};
    status = find_medians(groups, count, ours.level, energy_j, &found, error);
    if (status != JM_OK) return status;
    layout l = layout_of(groups, count);
    if (large_enough(groups, count) && test(&l, &found.p) != JM_OK)
        return jmi_fail(error, JM_MEMORY, "out of memory");
    found.differs = found.p < 1 - ours.level;
    if (jmi_give_struct(result, &found, sizeof found) != JM_OK)
        return jmi_fail(error, JM_INVALID, "jm_sensitivity: size is not set");
    return JM_OK;
}
