/* Tables of measured jobs, their noise, and jobs of random boards. */
#include "limits_jobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double random_uniform(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

double random_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(random_uniform(state)));
    return radius * cos(2 * M_PI * random_uniform(state));
}

/* ---- the noise of a table ---- */

/* Weighted least squares of relative errors over y = c + sign * sum of w_k max(0, x_k - x), w_k >=
 * 0: every convex falling (sign 1) or concave rising (-1) curve through the places x. By coordinate
 * descent from `w`; `left` gets what is left of 1. */
typedef struct shape {
    size_t n;
    double column[JOB_LIMITS][JOB_LIMITS], w[JOB_LIMITS], left[JOB_LIMITS], weight[JOB_LIMITS];
} shape;

static void descend(shape *s) {
    for (int round = 0; round < 3000; round++)
        for (size_t k = 0; k < s->n; k++) {
            double top = 0, below = 0;
            for (size_t i = 0; i < s->n; i++) {
                top += s->weight[i] * s->column[k][i] * s->left[i];
                below += s->weight[i] * s->column[k][i] * s->column[k][i];
            }
            double next = s->w[k] + top / below;
            if (k > 0 && next < 0) next = 0;
            for (size_t i = 0; i < s->n; i++) s->left[i] -= (next - s->w[k]) * s->column[k][i];
            s->w[k] = next;
        }
}

/* Least absolute errors, by weights 1 / |error|: an epoch that something disturbed must not bend
 * the curve. */
static int nearest_shape(size_t n, const double *x, const double *y, double sign, double *fit) {
    shape s = {.n = n};
    int used = 1;
    for (size_t i = 0; i < n; i++) {
        s.left[i] = s.weight[i] = 1;
        s.column[0][i] = 1 / y[i];
        for (size_t k = 1; k < n; k++)
            s.column[k][i] = sign * fmax(x[k] - x[i], 0) / (x[n - 1] - x[0]) * y[n - 1] / y[i];
    }
    for (int round = 0; round < 8; round++) {
        descend(&s);
        for (size_t i = 0; i < n; i++) s.weight[i] = 0.02 / fmax(fabs(s.left[i]), 0.02);
    }
    for (size_t i = 0; i < n; i++) fit[i] = y[i] * (1 - s.left[i]);
    for (size_t k = 1; k < n; k++) used += s.w[k] > 1e-6;
    return used;
}

static double noise_of(size_t n, const double *y, const double *fit, int used) {
    double sum = 0, freedom = fmax((double)n - used, 1);
    for (size_t i = 0; i < n; i++) sum += (y[i] / fit[i] - 1) * (y[i] / fit[i] - 1);
    return sqrt(sum / freedom);
}

void job_clean(limit_job *job) {
    size_t n = job->count;
    int t = nearest_shape(n, job->limit_w, job->time_s, 1, job->true_time_s);
    int p = nearest_shape(n, job->limit_w, job->power_w, -1, job->true_power_w);
    job->noise_t = noise_of(n, job->time_s, job->true_time_s, t);
    job->noise_p = noise_of(n, job->power_w, job->true_power_w, p);
    job->binds = job->power_w[n - 1] > 1.15 * job->power_w[0];
}

/* ---- tables ---- */

static void add_entry(limit_job *job, double limit_w, double time_s, double power_w) {
    size_t at = job->count;
    if (at == JOB_LIMITS) return;
    while (at > 0 && job->limit_w[at - 1] > limit_w) {
        job->limit_w[at] = job->limit_w[at - 1];
        job->time_s[at] = job->time_s[at - 1];
        job->power_w[at] = job->power_w[at - 1];
        at--;
    }
    job->limit_w[at] = limit_w;
    job->time_s[at] = time_s;
    job->power_w[at] = power_w;
    job->count++;
}

static limit_job *job_named(limit_job *jobs, size_t *count, size_t capacity, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(jobs[i].name, name) == 0) return &jobs[i];
    if (*count == capacity) return NULL;
    limit_job *fresh = &jobs[(*count)++];
    memset(fresh, 0, sizeof *fresh);
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    return fresh;
}

/* workload,batch_size,optimizer,power_limit_w,epoch_time_s,mean_power_w: the job is what stands
 * before the third comma. */
static void read_line(char *line, limit_job *jobs, size_t *count, size_t capacity) {
    double limit_w, time_s, power_w;
    char *end = line;
    for (int commas = 0; *end != '\0'; end++)
        if (*end == ',' && ++commas == 3) break;
    if (*end == '\0' || sscanf(end, ",%lf,%lf,%lf", &limit_w, &time_s, &power_w) != 3) return;
    *end = '\0';
    limit_job *job = job_named(jobs, count, capacity, line);
    if (job != NULL) add_entry(job, limit_w, time_s, power_w);
}

long jobs_read(const char *path, const char *board, limit_job *jobs, size_t capacity) {
    char line[256];
    size_t count = 0, kept = 0;
    FILE *in = fopen(path, "r");
    if (in == NULL) return -1;
    while (fgets(line, sizeof line, in) != NULL) read_line(line, jobs, &count, capacity);
    fclose(in);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].count < 3) continue;
        jobs[kept] = jobs[i];
        snprintf(jobs[kept].board, sizeof jobs[kept].board, "%s", board);
        job_clean(&jobs[kept]);
        kept++;
    }
    return (long)kept;
}

/* ---- random boards ---- */

typedef struct phase {
    double share, fixed_s, clocked_s, a, b; /* of an item's time; powers over clock */
} phase;

typedef struct invented {
    double standard_w, lowest_w, p0_w, knee;
    size_t phases;
    phase phase[4];
} invented;

static double between(uint64_t *s, double low, double high) {
    return low + (high - low) * random_uniform(s);
}

static double phase_power(const invented *b, const phase *p, double f) {
    double over = fmax(f - b->knee, 0);
    return b->p0_w + p->a * f + p->b * over * over;
}

static double clock_under(const invented *b, const phase *p, double limit_w) {
    double low = 0.12, high = 1;
    if (phase_power(b, p, 1) <= limit_w) return 1;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (phase_power(b, p, middle) > limit_w)
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* t = t0 + t1 / f and P = P0 + a f + b (f - knee)^2 above the knee, in each of up to four phases.
 */
static void invented_at(const invented *b, double limit_w, double *time_s, double *power_w) {
    double time = 0, energy = 0;
    for (size_t i = 0; i < b->phases; i++) {
        const phase *p = &b->phase[i];
        double f = clock_under(b, p, limit_w);
        double t = p->share * (p->fixed_s + p->clocked_s / f);
        time += t;
        energy += t * phase_power(b, p, f);
    }
    *time_s = time;
    *power_w = energy / time;
}

static void invent_board(invented *b, uint64_t *s) {
    b->standard_w = between(s, 120, 800);
    b->lowest_w = b->standard_w * between(s, 0.2, 0.6);
    b->p0_w = fmin(b->standard_w * between(s, 0.08, 0.28), 0.8 * b->lowest_w);
    b->knee = between(s, 0.4, 0.9);
    b->phases = 1 + (size_t)(4 * random_uniform(s));
    double want = between(s, 0.25, 1.15) * b->standard_w - b->p0_w;
    for (size_t i = 0; i < b->phases; i++) {
        double demand = fmax(want * (b->phases > 1 ? between(s, 0.4, 1.6) : 1), 1);
        double linear = between(s, 0.25, 0.9), clocked = random_uniform(s);
        double above = 1 - b->knee;
        b->phase[i] = (phase){.share = between(s, 0.2, 1),
                              .fixed_s = 1 - clocked,
                              .clocked_s = clocked,
                              .a = linear * demand,
                              .b = (1 - linear) * demand / (above * above)};
    }
}

void job_invent(limit_job *job, unsigned seed) {
    invented b;
    uint64_t s = seed * UINT64_C(7919) + 17;
    memset(job, 0, sizeof *job);
    snprintf(job->name, sizeof job->name, "random %u", seed);
    snprintf(job->board, sizeof job->board, "random");
    invent_board(&b, &s);
    job->count = JOB_LIMITS;
    double scale = exp(between(&s, -5, 6)); /* of an item: milliseconds to minutes */
    job->noise_t = exp(between(&s, log(0.001), log(0.02)));
    job->noise_p = job->noise_t * between(&s, 0.3, 1);
    for (size_t i = 0; i < job->count; i++) {
        job->limit_w[i] = b.lowest_w + (b.standard_w - b.lowest_w) * (double)i / (JOB_LIMITS - 1);
        invented_at(&b, job->limit_w[i], &job->true_time_s[i], &job->true_power_w[i]);
        job->true_time_s[i] *= scale;
        job->time_s[i] = job->true_time_s[i] * exp(job->noise_t * random_normal(&s));
        job->power_w[i] = job->true_power_w[i] * exp(job->noise_p * random_normal(&s));
    }
    job->binds = job->true_power_w[job->count - 1] > 1.15 * job->true_power_w[0];
}
