#include "attribute/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A class is told apart if its 95 % interval is within half of what it would take at the mean
 * power. */
static const double resolved = 0.5 / 1.96;
/* Merging must better what is known of a class by so much, or it stands by itself, wide. */
static const double worth = 0.7;

typedef struct clusters {
    size_t count;
    double *usual, *cov; /* of those that are left */
    uint32_t *into;      /* of each class: its cluster, by its first class */
    bool *gone, *alone;
} clusters;

static double relative(double usual, double variance) {
    if (!(variance > 0)) return 0; /* it did not run */
    return usual > 0 ? sqrt(variance) / usual : INFINITY;
}

static double own(const clusters *c, size_t i) {
    return relative(c->usual[i], c->cov[i * c->count + i]);
}

/* The cluster of which least is known, among those that are to be merged; SIZE_MAX: none. */
static size_t worst(const clusters *c) {
    size_t found = SIZE_MAX;
    double most = resolved;
    for (size_t i = 0; i < c->count; i++) {
        if (c->gone[i] || c->alone[i]) continue;
        double u = own(c, i);
        if (u > most) most = u, found = i;
    }
    return found;
}

/* With whom its sum is known best. One that is known already is left alone unless the two err
 * against each other for the most part. */
static size_t partner_of(const clusters *c, size_t i, double *best) {
    size_t found = SIZE_MAX;
    *best = INFINITY;
    for (size_t k = 0; k < c->count; k++) {
        if (k == i || c->gone[k]) continue;
        double var = c->cov[i * c->count + i], other = c->cov[k * c->count + k];
        double cov = c->cov[i * c->count + k];
        if (own(c, k) <= resolved && !(cov < -0.5 * sqrt(var * other))) continue;
        double u = relative(c->usual[i] + c->usual[k], var + other + 2 * cov);
        if (u < *best) *best = u, found = k;
    }
    return found;
}

static void merge(clusters *c, size_t i, size_t k) {
    size_t n = c->count;
    double both = c->cov[i * n + i] + c->cov[k * n + k] + 2 * c->cov[i * n + k];
    for (size_t j = 0; j < n; j++) {
        c->cov[i * n + j] += c->cov[k * n + j];
        c->cov[j * n + i] = c->cov[i * n + j];
        if (c->into[j] == k) c->into[j] = (uint32_t)i;
    }
    c->cov[i * n + i] = both;
    c->usual[i] += c->usual[k];
    c->gone[k] = true;
    for (size_t j = 0; j < n; j++) c->alone[j] = false; /* there is something new to merge with */
}

static size_t number(const clusters *c, uint32_t *group) {
    size_t groups = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t members = 0;
        for (size_t j = i; j < c->count; j++) members += c->into[j] == i;
        if (members == 1) group[i] = JM_NO_GROUP;
        if (members < 2) continue;
        for (size_t j = i; j < c->count; j++)
            if (c->into[j] == i) group[j] = (uint32_t)groups;
        groups++;
    }
    return groups;
}

static bool open_clusters(clusters *c, const double *usual_j, const double *cov_j2) {
    size_t n = c->count;
    c->usual = jmi_alloc(n, sizeof *c->usual);
    c->cov = jmi_alloc(n * n, sizeof *c->cov);
    c->into = jmi_alloc(n, sizeof *c->into);
    c->gone = jmi_alloc(n, sizeof *c->gone);
    c->alone = jmi_alloc(n, sizeof *c->alone);
    if (c->usual == NULL || c->cov == NULL || c->into == NULL || c->gone == NULL ||
        c->alone == NULL)
        return false;
    memcpy(c->usual, usual_j, n * sizeof *c->usual);
    memcpy(c->cov, cov_j2, n * n * sizeof *c->cov);
    for (size_t i = 0; i < n; i++) c->into[i] = (uint32_t)i;
    return true;
}

size_t jmi_groups_find(const double *usual_j, const double *cov_j2, size_t count, uint32_t *group) {
    clusters c = {.count = count};
    size_t groups = SIZE_MAX;
    if (open_clusters(&c, usual_j, cov_j2)) {
        for (size_t i; (i = worst(&c)) != SIZE_MAX;) {
            double best;
            size_t k = partner_of(&c, i, &best);
            if (k != SIZE_MAX && best < worth * own(&c, i))
                merge(&c, i < k ? i : k, i < k ? k : i);
            else
                c.alone[i] = true;
        }
        groups = number(&c, group);
    }
    free(c.usual);
    free(c.cov);
    free(c.into);
    free(c.gone);
    free(c.alone);
    return groups;
}
