/* Distributions and tests against tables and published examples. */
#include "energy/statistics.h"
#include "helpers.h"

/* ---- distributions ---- */

static void normal_quantiles(void **state) {
    (void)state;
    close_to(jmi_normal_quantile(0.975), 1.959963984540054, 1e-12, "97.5 %");
    close_to(jmi_normal_quantile(0.5), 0, 1e-12, "median");
    close_to(jmi_normal_quantile(0.0013498980316301), -3, 1e-9, "three sigma");
    close_to(jmi_normal_two_sided(1.959963984540054), 0.05, 1e-12, "5 %");
    close_to(jmi_normal_two_sided(-3), 0.0026997960632602, 1e-14, "three sigma");
}

/* From the table of any book. */
static void student_quantiles(void **state) {
    (void)state;
    static const struct {
        double p, df, t;
    } table[] = {{0.975, 1, 12.706204736},  {0.975, 2, 4.302652730},
                 {0.975, 9, 2.262157163},   {0.975, 30, 2.042272456},
                 {0.95, 5, 2.015048373},    {0.995, 4, 4.604094871},
                 {0.9995, 3, 12.923978637}, {0.025, 9, -2.262157163},
                 {0.975, 1e9, 1.959963985}, {0.5, 7, 0}};
    for (size_t i = 0; i < JMI_COUNT(table); i++)
        close_to(jmi_student_quantile(table[i].p, table[i].df), table[i].t, 1e-8, "quantile");
    close_to(jmi_student_two_sided(2.262157163, 9), 0.05, 1e-9, "p");
    close_to(jmi_student_two_sided(1, 1), 0.5, 1e-12, "Cauchy's quartile");
    close_to(jmi_student_two_sided(0, 5), 1, 0, "no difference");
    close_to(jmi_student_width(0.95, 9), 2.262157163, 1e-8, "width");
    /* inverse to each other, also where df is not whole */
    for (double df = 1; df < 1e5; df *= 1.7)
        for (double p = 0.55; p < 1; p += 0.04)
            close_to(1 - jmi_student_two_sided(jmi_student_quantile(p, df), df) / 2, p, 1e-10,
                     "there and back");
}

/* ---- samples ---- */

static void equal_values_do_not_spread(void **state) {
    (void)state;
    double values[1000];
    for (size_t i = 0; i < JMI_COUNT(values); i++) values[i] = 0.1;
    jmi_moments m = jmi_moments_of(values, JMI_COUNT(values));
    assert_true(m.mean == 0.1 && m.sd == 0);
    assert_true(isnan(jmi_moments_of(values, 1).sd));
}

static void moments_far_from_zero(void **state) {
    (void)state;
    double values[] = {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16};
    jmi_moments m = jmi_moments_of(values, 4);
    close_to(m.mean, 1e9 + 10, 1e-6, "mean");
    close_to(m.sd, sqrt(30), 1e-9, "standard deviation");
}

/* 1 ... 10, by hand: the levels of orders 2 and 3 are 1002/1024 and 912/1024. */
static void interval_of_the_median(void **state) {
    (void)state;
    double sorted[100], lower, upper;
    for (int i = 0; i < 100; i++) sorted[i] = i + 1;
    double part = (1002.0 / 1024 - 0.95) / (90.0 / 1024);
    double weight = 8 * part / (2 + 6 * part);
    assert_true(jmi_sorted_median_interval(sorted, 10, 0.95, &lower, &upper));
    close_to(lower, 2 + weight, 1e-12, "lower");
    close_to(upper, 9 - weight, 1e-12, "upper");
    /* six values: P(all on one side) is 2/64 */
    assert_true(jmi_sorted_median_interval(sorted, 6, 0.95, &lower, &upper));
    assert_true(lower > 1 && lower < 2 && upper > 5 && upper < 6);
    assert_false(jmi_sorted_median_interval(sorted, 5, 0.95, &lower, &upper));
    assert_true(jmi_sorted_median_interval(sorted, 5, 0.93, &lower, &upper));
    assert_false(jmi_sorted_median_interval(sorted, 1, 0.5, &lower, &upper));
    assert_true(jmi_sorted_median_interval(sorted, 2, 0.5, &lower, &upper));
    close_to(lower, 1, 1e-12, "half of all");
    /* R's order for n = 100: between 40 and 41 from either end */
    assert_true(jmi_sorted_median_interval(sorted, 100, 0.95, &lower, &upper));
    assert_true(lower > 40 && lower < 41 && upper > 60 && upper < 61);
}

static void interval_of_the_median_of_many(void **state) {
    (void)state;
    enum { MANY = 200001 };
    double *sorted = malloc(MANY * sizeof *sorted), lower, upper;
    for (int i = 0; i < MANY; i++) sorted[i] = i;
    assert_true(jmi_sorted_median_interval(sorted, MANY, 0.95, &lower, &upper));
    double half = 1.959964 * sqrt(MANY) / 2;
    close_to(lower, 100000 - half, 1.5, "lower");
    close_to(upper, 100000 + half, 1.5, "upper");
    free(sorted);
}

/* ---- tests by ranks ---- */

static void ranks_of_ties(void **state) {
    (void)state;
    double values[] = {5, 3, 5, 1, 5}, ties;
    uint64_t ranks[5];
    assert_int_equal(jmi_double_ranks(values, 5, ranks, &ties), JM_OK);
    static const uint64_t wanted[] = {8, 4, 8, 2, 8};
    assert_memory_equal(ranks, wanted, sizeof wanted);
    close_to(ties, 24, 0, "3^3 - 3");
}

static void kendall_by_hand(void **state) {
    (void)state;
    double p, values[] = {1, 3, 2, 5, 4}, rising[] = {1, 2, 3, 4, 5}, equal[] = {7, 7, 7, 7};
    assert_int_equal(jmi_kendall(values, 5, &p), JM_OK);
    close_to(p, 28.0 / 120, 1e-12, "two inversions at most: 1 + 4 + 9 of 120");
    jmi_kendall(rising, 5, &p);
    close_to(p, 2.0 / 120, 1e-12, "in order");
    jmi_kendall(equal, 4, &p);
    close_to(p, 1, 0, "nothing but ties");
    jmi_kendall(rising, 2, &p);
    close_to(p, 1, 0, "two values");
}

/* Beyond sixty values the normal approximation takes over, without a step. */
static void kendall_of_many(void **state) {
    (void)state;
    double values[61], exact, normal;
    for (int i = 0; i < 61; i++) values[i] = i * 0.1 + 13 * sin(i * 2.4);
    jmi_kendall(values, 60, &exact);
    jmi_kendall(values, 61, &normal);
    assert_true(exact > 1e-6 && exact < 0.5);
    assert_true(fabs(log(normal / exact)) < 0.5);
}

/* Hollander and Wolfe 1973: depression scale of nine patients at two visits. */
static void wilcoxon_of_the_book(void **state) {
    (void)state;
    static const double first[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
    static const double second[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
    double differences[10], p;
    for (int i = 0; i < 9; i++) differences[i] = first[i] - second[i];
    assert_int_equal(jmi_signed_ranks(differences, 9, &p), JM_OK);
    close_to(p, 0.0390625, 1e-12, "p");
    differences[9] = 0; /* says nothing */
    jmi_signed_ranks(differences, 10, &p);
    close_to(p, 0.0390625, 1e-12, "p with a zero");
    double zeros[] = {0, 0, 0};
    jmi_signed_ranks(zeros, 3, &p);
    close_to(p, 1, 0, "no difference at all");
    double ties[] = {1, 1, 1, 1, 1, 1};
    jmi_signed_ranks(ties, 6, &p);
    close_to(p, 2.0 / 64, 1e-12, "six times the same");
}

/* Hollander and Wolfe 1973: permeability of a membrane, at term and before. */
static void mann_whitney_of_the_book(void **state) {
    (void)state;
    static const double term[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    static const double before[] = {1.15, 0.88, 0.90, 0.74, 1.21};
    double p, other;
    assert_int_equal(jmi_rank_sum(term, 10, before, 5, &p), JM_OK);
    close_to(p, 0.2544122544, 1e-9, "p");
    jmi_rank_sum(before, 5, term, 10, &other);
    close_to(other, p, 1e-12, "the other way round");
    double same[] = {3, 3, 3};
    jmi_rank_sum(same, 3, same, 3, &p);
    close_to(p, 1, 0, "nothing but ties");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_quantiles),
        cmocka_unit_test(student_quantiles),
        cmocka_unit_test(equal_values_do_not_spread),
        cmocka_unit_test(moments_far_from_zero),
        cmocka_unit_test(interval_of_the_median),
        cmocka_unit_test(interval_of_the_median_of_many),
        cmocka_unit_test(ranks_of_ties),
        cmocka_unit_test(kendall_by_hand),
        cmocka_unit_test(kendall_of_many),
        cmocka_unit_test(wilcoxon_of_the_book),
        cmocka_unit_test(mann_whitney_of_the_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
