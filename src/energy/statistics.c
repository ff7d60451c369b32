#include "energy/statistics.h"

#include <math.h>
#include <stdlib.h>

/* ---- distributions ---- */

double jmi_normal_two_sided(double x) {
    return erfc(fabs(x) / sqrt(2));
}

/* Bisection, then Newton: on the tail that p lies in, where erfc keeps its digits. */
double jmi_normal_quantile(double p) {
    double tail = p < 0.5 ? p : 1 - p;
    double low = 0, high = 40;
    for (int i = 0; i < 30; i++) {
        double middle = (low + high) / 2;
        if (jmi_normal_two_sided(middle) / 2 > tail)
            low = middle;
        else
            high = middle;
    }
    double x = (low + high) / 2;
    for (int i = 0; i < 3; i++) {
        double density = exp(-x * x / 2) / sqrt(2 * M_PI);
        if (density > 0) x += (jmi_normal_two_sided(x) / 2 - tail) / density;
    }
    return p < 0.5 ? -x : x;
}

/* Continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22). */
static double beta_fraction(double x, double a, double b) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double step = half == 0 ? even : odd;
            d = 1 + step * d;
            c = 1 + step / c;
            if (fabs(d) < tiny) d = tiny;
            if (fabs(c) < tiny) c = tiny;
            d = 1 / d;
            f *= c * d;
        }
        if (fabs(c * d - 1) < 1e-15) break;
    }
    return f;
}

/* Regularised incomplete beta function; 1 - x is given too, for it may be too small to tell. */
static double incomplete_beta(double x, double rest, double a, double b) {
    int sign;
    if (x <= 0) return 0;
    if (rest <= 0) return 1;
    double log_front = lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) +
                       a * log(x) + b * log(rest);
    if (x < (a + 1) / (a + b + 2)) return exp(log_front) * beta_fraction(x, a, b) / a;
    return 1 - exp(log_front) * beta_fraction(rest, b, a) / b;
}

double jmi_student_two_sided(double t, double df) {
    if (df > 1e7 || !isfinite(t)) return jmi_normal_two_sided(t);
    double square = t * t;
    return incomplete_beta(df / (df + square), square / (df + square), df / 2, 0.5);
}

double jmi_student_quantile(double p, double df) {
    double tail = p < 0.5 ? p : 1 - p;
    double low = 0, high = 1;
    while (jmi_student_two_sided(high, df) / 2 > tail && high < 1e150) high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = (low + high) / 2;
        if (jmi_student_two_sided(middle, df) / 2 > tail)
            low = middle;
        else
            high = middle;
    }
    double x = (low + high) / 2;
    return p < 0.5 ? -x : x;
}

double jmi_student_width(double level, double df) {
    return jmi_student_quantile(0.5 + level / 2, df);
}

/* ---- samples ---- */

jmi_moments jmi_moments_of(const double *values, size_t count) {
    double n = (double)count, mean = 0, squares = 0, rest = 0;
    for (size_t i = 0; i < count; i++) mean += (values[i] - mean) / (double)(i + 1);
    for (size_t i = 0; i < count; i++) {
        double d = values[i] - mean;
        squares += d * d;
        rest += d; /* of rounding: equal values must give a spread of exactly 0 */
    }
    mean += rest / n;
    squares = fmax(squares - rest * rest / n, 0);
    return (jmi_moments){mean, count > 1 ? sqrt(squares / (n - 1)) : NAN};
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void jmi_sort(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
}

double jmi_sorted_median(const double *sorted, size_t count) {
    double low = sorted[(count - 1) / 2], high = sorted[count / 2];
    return low + (high - low) / 2;
}

/* Share of medians between the k-th value from below and from above: 1 - 2 P(X <= k - 1), X
 * binomial with n trials of 1/2. By the logarithms of its terms, so that n may be large. */
static double order_level(size_t n, size_t k) {
    int sign;
    double below = 0, log_all = lgamma_r((double)n + 1, &sign) - (double)n * log(2);
    double nothing = (double)n / 2 - 20 * sqrt((double)n); /* forty standard deviations down */
    for (size_t i = nothing > 0 ? (size_t)nothing : 0; i < k; i++)
        below +=
            exp(log_all - lgamma_r((double)i + 1, &sign) - lgamma_r((double)(n - i) + 1, &sign));
    return 1 - 2 * below;
}

/* The largest k whose level suffices; beyond some hundred values the normal approximation says
 * where to begin to look. */
static size_t order_index(size_t n, double level) {
    double guess = (double)n / 2 - (jmi_normal_quantile(0.5 + level / 2) + 1) * sqrt((double)n) / 2;
    size_t k = guess > 3 ? (size_t)guess - 2 : 0;
    while (2 * (k + 1) <= n && order_level(n, k + 1) >= level) k++;
    return k;
}

bool jmi_sorted_median_interval(const double *sorted, size_t count, double level, double *lower,
                                double *upper) {
    size_t k = count > 1 ? order_index(count, level) : 0;
    if (k == 0) return false;
    double n = (double)count, weight = 0;
    if (2 * (k + 1) <= count) {
        double outer = order_level(count, k), inner = order_level(count, k + 1);
        double part = (outer - level) / (outer - inner);
        weight = (n - (double)k) * part / ((double)k + (n - 2 * (double)k) * part);
    }
    *lower = sorted[k - 1] + weight * (sorted[k] - sorted[k - 1]);
    *upper = sorted[count - k] + weight * (sorted[count - k - 1] - sorted[count - k]);
    return true;
}

/* ---- what the public functions share ---- */

int jmi_level_take(double *level, jm_error *error) {
    if (*level == 0) *level = 0.95;
    if (*level >= 0.5 && *level <= 0.999) return JM_OK;
    return jmi_fail(error, JM_INVALID, "the level of an interval lies between 0.5 and 0.999");
}

/* Squares of larger numbers would overflow. */
static bool is_amount(double value) {
    return value >= 0 && value <= 1e100;
}

int jmi_runs_check(const jm_run *runs, size_t count, const char *what, const char *whose,
                   jm_error *error) {
    if (runs == NULL || count == 0)
        return jmi_fail(error, JM_INVALID, "there must be one %s%s at least", what, whose);
    for (size_t i = 0; i < count; i++) {
        if (!is_amount(runs[i].energy_j))
            return jmi_fail(error, JM_INVALID, "%s %zu%s: the energy is no number of joules", what,
                            i, whose);
        if (!is_amount(runs[i].u_random_j) || !is_amount(runs[i].u_systematic_j))
            return jmi_fail(error, JM_INVALID, "%s %zu%s: an uncertainty is no number of joules",
                            what, i, whose);
        if (!is_amount(runs[i].time_s) || !(runs[i].time_s >= 1e-100))
            return jmi_fail(error, JM_INVALID, "%s %zu%s: the time is no number of seconds above 0",
                            what, i, whose);
    }
    return JM_OK;
}

double jmi_runs_random(const jm_run *runs, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += runs[i].u_random_j * runs[i].u_random_j;
    return sqrt(squares / (double)count);
}

double jmi_runs_systematic(const jm_run *runs, size_t count) {
    double energy = 0, u = 0;
    for (size_t i = 0; i < count; i++) energy += runs[i].energy_j, u += runs[i].u_systematic_j;
    return energy > 0 ? u / energy : 0;
}
