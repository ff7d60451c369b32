/* Tests by ranks. Small samples get the exact distribution, counted by dynamic programming over
 * twice the mid-ranks, which are whole numbers also where values tie. */
#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT = 60 }; /* values up to which a distribution is counted out */

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

int jmi_double_ranks(const double *values, size_t count, uint64_t *ranks, double *ties) {
    ranked *order = jmi_alloc(count, sizeof *order);
    if (order == NULL) return JM_MEMORY;
    for (size_t i = 0; i < count; i++) order[i] = (ranked){values[i], i};
    qsort(order, count, sizeof *order, compare_ranked);
    double tied = 0;
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first + 1; next < count && order[next].value <= order[first].value; next++) {
        }
        double t = (double)(next - first);
        tied += t * t * t - t;
        for (size_t i = first; i < next; i++) ranks[order[i].index] = first + next + 1;
    }
    if (ties != NULL) *ties = tied;
    free(order);
    return JM_OK;
}

/* From the shares of what is as low, and as high, or further out. */
static double two_sided(double below, double above) {
    return fmin(1, 2 * fmin(below, above));
}

/* With the correction for continuity; `step` is half the distance of two values of the statistic.
 */
static double normal_p(double statistic, double mean, double variance, double step) {
    if (!(variance > 0)) return 1;
    return jmi_normal_two_sided(fmax(fabs(statistic - mean) - step, 0) / sqrt(variance));
}

/* P(X <= x) and P(X >= x) of a distribution over 0 ... size - 1. */
static double tails(const double *share, size_t size, uint64_t x) {
    double below = 0, above = 0;
    for (size_t i = 0; i < size; i++) {
        if (i <= x) below += share[i];
        if (i >= x) above += share[i];
    }
    return two_sided(below, above);
}

/* ---- Mann-Kendall ---- */

/* Pairs in descending order, counted while merging: `from` ends up sorted. */
static double count_inversions(double *from, double *spare, size_t count) {
    if (count < 2) return 0;
    size_t half = count / 2, i = 0, j = half, k = 0;
    double found =
        count_inversions(from, spare, half) + count_inversions(from + half, spare, count - half);
    while (i < half && j < count) {
        if (from[j] < from[i]) {
            found += (double)(half - i);
            spare[k++] = from[j++];
        } else {
            spare[k++] = from[i++];
        }
    }
    while (i < half) spare[k++] = from[i++];
    while (j < count) spare[k++] = from[j++];
    for (i = 0; i < count; i++) from[i] = spare[i];
    return found;
}

/* Share of permutations of n with each number of inversions. */
static void inversion_shares(size_t n, double *share, double *next) {
    size_t size = n * (n - 1) / 2 + 1, filled = 1;
    share[0] = 1;
    for (size_t m = 2; m <= n; m++) {
        for (size_t i = 0; i < size; i++) next[i] = 0;
        for (size_t i = 0; i < filled; i++)
            for (size_t j = 0; j < m; j++) next[i + j] += share[i] / (double)m;
        filled += m - 1;
        for (size_t i = 0; i < filled; i++) share[i] = next[i];
    }
}

/* Kendall 1975; ties by his correction of the variance. */
static double kendall_normal(double n, double inversions, double tied_pairs, double ties_5) {
    double s = n * (n - 1) / 2 - tied_pairs - 2 * inversions;
    return normal_p(s, 0, (n * (n - 1) * (2 * n + 5) - ties_5) / 18, 1);
}

static void tie_sums(const double *sorted, size_t count, double *pairs, double *ties_5) {
    *pairs = *ties_5 = 0;
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first + 1; next < count && sorted[next] <= sorted[first]; next++) {
        }
        double t = (double)(next - first);
        *pairs += t * (t - 1) / 2;
        *ties_5 += t * (t - 1) * (2 * t + 5);
    }
}

int jmi_kendall(const double *values, size_t count, double *p) {
    size_t exact = count <= EXACT ? count * (count - 1) / 2 + 1 : 0;
    double *work = jmi_alloc(2 * (count > exact ? count : exact), sizeof *work);
    if (work == NULL) return JM_MEMORY;
    double pairs, ties_5, *spare = work + (count > exact ? count : exact);
    for (size_t i = 0; i < count; i++) work[i] = values[i];
    double inversions = count_inversions(work, spare, count);
    tie_sums(work, count, &pairs, &ties_5);
    if (exact > 0 && pairs == 0) {
        inversion_shares(count, work, spare);
        *p = tails(work, exact, (uint64_t)inversions);
    } else {
        *p = kendall_normal((double)count, inversions, pairs, ties_5);
    }
    free(work);
    return JM_OK;
}

/* ---- Wilcoxon's signed ranks ---- */

/* Sums of the ranks that have a plus sign, each sign being as likely. */
static int signed_shares(const uint64_t *ranks, size_t count, size_t size, double **share) {
    *share = jmi_alloc(size, sizeof **share);
    if (*share == NULL) return JM_MEMORY;
    (*share)[0] = 1;
    for (size_t i = 0; i < count; i++)
        for (size_t sum = size; sum-- > 0;) {
            double with = sum >= ranks[i] ? (*share)[sum - ranks[i]] : 0;
            (*share)[sum] = ((*share)[sum] + with) / 2;
        }
    return JM_OK;
}

static int signed_p(const double *kept, const uint64_t *ranks, size_t count, double *p) {
    uint64_t plus = 0, all = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        all += ranks[i];
        squares += (double)ranks[i] * (double)ranks[i];
        if (kept[i] > 0) plus += ranks[i];
    }
    if (count > EXACT) {
        *p = normal_p((double)plus, (double)all / 2, squares / 4, 1);
        return JM_OK;
    }
    double *share;
    int status = signed_shares(ranks, count, all + 1, &share);
    if (status != JM_OK) return status;
    *p = tails(share, all + 1, plus);
    free(share);
    return JM_OK;
}

int jmi_signed_ranks(const double *differences, size_t count, double *p) {
    double *kept = jmi_alloc(2 * count, sizeof *kept);
    uint64_t *ranks = jmi_alloc(count, sizeof *ranks);
    int status = kept == NULL || ranks == NULL ? JM_MEMORY : JM_OK;
    size_t left = 0;
    for (size_t i = 0; status == JM_OK && i < count; i++) {
        if (differences[i] == 0) continue;
        kept[left] = differences[i];
        kept[count + left++] = fabs(differences[i]);
    }
    if (status == JM_OK) status = jmi_double_ranks(kept + count, left, ranks, NULL);
    if (status == JM_OK) status = signed_p(kept, ranks, left, p);
    free(kept);
    free(ranks);
    return status;
}

/* ---- Mann and Whitney's rank sum ---- */

/* Of all subsets of `chosen` of the ranks, the share of each sum: table[c][s]. */
static int subset_shares(const uint64_t *ranks, size_t count, size_t chosen, size_t size,
                         double **table) {
    *table = jmi_alloc((chosen + 1) * size, sizeof **table);
    if (*table == NULL) return JM_MEMORY;
    (*table)[0] = 1;
    for (size_t i = 0; i < count; i++)
        for (size_t c = i + 1 < chosen ? i + 1 : chosen; c > 0; c--)
            for (size_t sum = size; sum-- > ranks[i];)
                (*table)[c * size + sum] += (*table)[(c - 1) * size + sum - ranks[i]];
    double all = 0, *last = *table + chosen * size;
    for (size_t sum = 0; sum < size; sum++) all += last[sum];
    for (size_t sum = 0; sum < size; sum++) last[sum] /= all;
    return JM_OK;
}

static int rank_sum_p(const uint64_t *ranks, size_t count, size_t of_a, double ties, double *p) {
    uint64_t sum = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        if (i < of_a) sum += ranks[i];
        all += ranks[i];
    }
    double n = (double)count, a = (double)of_a, b = n - a;
    if (count > EXACT) { /* ranks are doubled: the variance is four times that of the books */
        double variance = a * b / 3 * (n + 1 - ties / (n * (n - 1)));
        *p = normal_p((double)sum, a * (n + 1), variance, 1);
        return JM_OK;
    }
    double *table;
    int status = subset_shares(ranks, count, of_a, all + 1, &table);
    if (status != JM_OK) return status;
    *p = tails(table + of_a * (all + 1), all + 1, sum);
    free(table);
    return JM_OK;
}

int jmi_rank_sum(const double *a, size_t count_a, const double *b, size_t count_b, double *p) {
    size_t count = count_a + count_b;
    double *values = jmi_alloc(count, sizeof *values), ties = 0;
    uint64_t *ranks = jmi_alloc(count, sizeof *ranks);
    int status = values == NULL || ranks == NULL ? JM_MEMORY : JM_OK;
    if (status == JM_OK) {
        for (size_t i = 0; i < count; i++) values[i] = i < count_a ? a[i] : b[i - count_a];
        status = jmi_double_ranks(values, count, ranks, &ties);
    }
    if (status == JM_OK) status = rank_sum_p(ranks, count, count_a, ties, p);
    free(values);
    free(ranks);
    return status;
}
