/* The goals, on measured jobs and on boards that nobody made (`./dev accuracy --limits` says more).
 */
#include "limits_methods.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_JOBS = 128 };

static double regret_of(const limit_job *job, jm_objective_kind kind, size_t chosen) {
    double least = INFINITY;
    for (size_t i = 0; i < job->count; i++)
        least = fmin(least, objective_of(kind, job->true_time_s[i], job->true_power_w[i]));
    return objective_of(kind, job->true_time_s[chosen], job->true_power_w[chosen]) / least - 1;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of all jobs: mean and 95th percentile, in %. */
static void regrets(const limit_job *jobs, size_t count, jm_objective_kind kind, size_t probes,
                    double *mean, double *p95) {
    double all[MOST_JOBS], sum = 0;
    for (size_t i = 0; i < count; i++) {
        tuning t;
        readings r = {.count = jobs[i].count};
        memcpy(r.limit_w, jobs[i].limit_w, sizeof r.limit_w);
        memcpy(r.time_s, jobs[i].time_s, sizeof r.time_s);
        memcpy(r.power_w, jobs[i].power_w, sizeof r.power_w);
        assert_true(tune(&r, kind, probes, &t));
        assert_int_equal(t.probes, probes);
        all[i] = 100 * regret_of(&jobs[i], kind, t.best[t.probes - 1]);
        sum += all[i];
        jm_tuner_free(t.tuner);
    }
    qsort(all, count, sizeof *all, ascending);
    *mean = sum / (double)count;
    *p95 = all[(size_t)(0.95 * (double)(count - 1))];
}

static void goals_are_met(const limit_job *jobs, size_t count, double most, double most_p95) {
    static const jm_objective_kind kinds[] = {JM_OBJECTIVE_ENERGY, JM_OBJECTIVE_EDP,
                                              JM_OBJECTIVE_ED2P};
    for (size_t k = 0; k < 3; k++) {
        double mean, p95;
        regrets(jobs, count, kinds[k], 4, &mean, &p95);
        print_message("objective %d: regret %.2f %%, 95th percentile %.2f %%\n", (int)kinds[k],
                      mean, p95);
        assert_true(mean <= most && p95 <= most_p95);
    }
}

static void measured_jobs(void **state) {
    (void)state;
    static limit_job jobs[2 * MOST_JOBS];
    const char *folder = getenv("JOULEMETER_SHARED_DATA");
    static const char *const boards[] = {"v100", "rtx6000"};
    for (int i = 0; i < 2; i++) { /* each board by itself: nothing was learned on the other */
        char path[600];
        snprintf(path, sizeof path, "%s/power-limit/%s.csv", folder != NULL ? folder : "",
                 boards[i]);
        long count = folder != NULL ? jobs_read(path, boards[i], jobs, MOST_JOBS) : -1;
        if (count < 0) {
            print_message("skipped: there is no power-limit in JOULEMETER_SHARED_DATA\n");
            skip();
        }
        assert_true(count > 50);
        goals_are_met(jobs, (size_t)count, 0.7, 3.5);
    }
}

static void random_boards(void **state) {
    (void)state;
    static limit_job jobs[40];
    for (unsigned i = 0; i < 40; i++) job_invent(&jobs[i], 1000 + i);
    goals_are_met(jobs, 40, 1, 6); /* few boards: one says much */
}

/* The curves behind a noisy table: known ones come back. */
static void noise_is_taken_off(void **state) {
    (void)state;
    double worst = 0;
    for (unsigned i = 0; i < 20; i++) {
        limit_job job, copy;
        job_invent(&job, i);
        memcpy(job.time_s, job.true_time_s, sizeof job.time_s);
        memcpy(job.power_w, job.true_power_w, sizeof job.power_w);
        copy = job;
        job_clean(&job);
        for (size_t k = 0; k < job.count; k++)
            worst = fmax(worst, fabs(job.true_time_s[k] / copy.time_s[k] - 1));
    }
    print_message("at most %.3f %% off\n", 100 * worst);
    assert_true(worst < 0.02);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured_jobs),
        cmocka_unit_test(random_boards),
        cmocka_unit_test(noise_is_taken_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
