/* Jobs under power limits: measured ones from the folder of shared data, and random physical ones.
 */
#ifndef ACCURACY_LIMITS_JOBS_H
#define ACCURACY_LIMITS_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOB_LIMITS = 16 };

typedef struct limit_job {
    char name[96];
    char board[24];
    size_t count; /* limits, ascending; the last is the standard */
    double limit_w[JOB_LIMITS];
    double time_s[JOB_LIMITS], power_w[JOB_LIMITS];           /* as the table has them */
    double true_time_s[JOB_LIMITS], true_power_w[JOB_LIMITS]; /* without its noise */
    double noise_t, noise_p; /* relative standard deviation of an entry */
    bool binds;              /* the limits change power at all */
} limit_job;

/* Reads a table; jobs with fewer than three limits are left out. Returns how many, or -1: it is not
 * there. */
long jobs_read(const char *path, const char *board, limit_job *jobs, size_t capacity);

/* A job on a board that nobody made, from other formulas than the tuner's. */
void job_invent(limit_job *job, unsigned seed);

/* What time and power would be without noise: the nearest curves (least absolute relative errors)
 * of which time falls with the limit, ever more slowly, and power rises, ever more slowly. No
 * parameter is chosen. */
void job_clean(limit_job *job);

/* Numbers that are as good as random; *state is theirs. */
double random_uniform(uint64_t *state);
double random_normal(uint64_t *state);

#endif
