/* What is merged into groups, from covariances made by hand and by chance. */
#include "attribute/groups.h"
#include "helpers.h"

enum { MOST = 40 };

static size_t find(const double *usual, const double *cov, size_t count, uint32_t *group) {
    for (size_t i = 0; i < count; i++) group[i] = 12345;
    size_t groups = jmi_groups_find(usual, cov, count, group);
    assert_true(groups <= count / 2);
    size_t members[MOST] = {0};
    for (size_t i = 0; i < count; i++) {
        if (group[i] == JM_NO_GROUP) continue;
        assert_true(group[i] < groups);
        members[group[i]]++;
    }
    for (size_t g = 0; g < groups; g++) assert_true(members[g] > 1);
    return groups;
}

static void nobody(void **state) {
    (void)state;
    uint32_t group[1];
    const double nothing[] = {0};
    assert_int_equal(find(nothing, nothing, 0, group), 0);
}

static void known_ones_stand_by_themselves(void **state) {
    (void)state;
    uint32_t group[3];
    const double usual[] = {100, 50, 10}, cov[] = {25, 0, 0, 0, 9, 0, 0, 0, 1};
    assert_int_equal(find(usual, cov, 3, group), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(group[i], JM_NO_GROUP);
    const double one[] = {1e6};
    assert_int_equal(find(usual, one, 1, group), 0); /* with nobody to be merged with */
    assert_int_equal(group[0], JM_NO_GROUP);
}

/* Two that err against each other are known together. */
static void two_of_three(void **state) {
    (void)state;
    uint32_t group[3];
    const double usual[] = {100, 80, 60};
    const double cov[] = {2500, -2490, 0, -2490, 2500, 0, 0, 0, 4};
    assert_int_equal(find(usual, cov, 3, group), 1);
    assert_int_equal(group[0], 0);
    assert_int_equal(group[1], 0);
    assert_int_equal(group[2], JM_NO_GROUP);
}

/* One that is unknown by itself: merging would only hide what is known of the other. */
static void merging_must_help(void **state) {
    (void)state;
    uint32_t group[2];
    const double usual[] = {100, 1}, cov[] = {10000, 0, 0, 0.01};
    assert_int_equal(find(usual, cov, 2, group), 0);
    assert_true(group[0] == JM_NO_GROUP && group[1] == JM_NO_GROUP);
}

static void pairs_are_groups_of_their_own(void **state) {
    (void)state;
    uint32_t group[6];
    double usual[6], cov[36] = {0};
    for (int i = 0; i < 6; i++) {
        usual[i] = 100;
        cov[i * 6 + i] = 1600;
        cov[i * 6 + (i + 3) % 6] = -1590;
    }
    assert_int_equal(find(usual, cov, 6, group), 3);
    for (int i = 0; i < 3; i++) assert_int_equal(group[i], group[i + 3]);
    assert_true(group[0] != group[1] && group[1] != group[2] && group[0] != group[2]);
}

/* Only the sum of all is known. */
static void all_of_them(void **state) {
    (void)state;
    uint32_t group[MOST];
    double usual[MOST], cov[MOST * MOST];
    for (int i = 0; i < MOST; i++) {
        usual[i] = 10;
        for (int k = 0; k < MOST; k++) cov[i * MOST + k] = 10000 * ((i == k) - 1.0 / MOST);
    }
    assert_int_equal(find(usual, cov, MOST, group), 1);
    for (int i = 0; i < MOST; i++) assert_int_equal(group[i], 0);
}

static void what_did_not_run_is_no_matter(void **state) {
    (void)state;
    uint32_t group[3];
    const double usual[] = {100, 0, 100};
    const double cov[] = {2500, 0, -2490, 0, 0, 0, -2490, 0, 2500};
    assert_int_equal(find(usual, cov, 3, group), 1);
    assert_int_equal(group[1], JM_NO_GROUP);
    assert_true(group[0] == 0 && group[2] == 0);
}

/* Ends, and finds groups that are known better than their members, whatever comes. */
static void by_chance(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + random_bits(&random) % 24;
        double usual[MOST], root[MOST * MOST], cov[MOST * MOST] = {0};
        uint32_t group[MOST];
        for (size_t i = 0; i < n * n; i++)
            root[i] = random_between(&random, -1, 1) * pow(10, random_between(&random, -3, 2));
        for (size_t i = 0; i < n; i++) {
            usual[i] = random_bits(&random) % 9 ? pow(10, random_between(&random, -2, 3)) : 0;
            for (size_t k = 0; k < n; k++)
                for (size_t j = 0; j < n; j++) cov[i * n + k] += root[i * n + j] * root[k * n + j];
        }
        size_t groups = find(usual, cov, n, group);
        for (uint32_t g = 0; g < groups; g++) {
            double together = 0, usual_all = 0, worst = 0;
            for (size_t i = 0; i < n; i++) {
                if (group[i] != g) continue;
                usual_all += usual[i];
                worst = fmax(worst, usual[i] > 0 ? sqrt(cov[i * n + i]) / usual[i] : INFINITY);
                for (size_t k = 0; k < n; k++)
                    if (group[k] == g) together += cov[i * n + k];
            }
            assert_true(sqrt(fmax(together, 0)) < worst * usual_all || isinf(worst));
        }
    }
}

static void numbers_that_are_none(void **state) {
    (void)state;
    static const double odd[] = {(double)NAN, (double)INFINITY, -1, 0, 1e300};
    for (size_t v = 0; v < JMI_COUNT(odd); v++)
        for (int place = 0; place < 9; place++) {
            uint32_t group[3];
            double usual[] = {100, 80, 60}, cov[] = {2500, -2490, 0, -2490, 2500, 0, 0, 0, 4};
            cov[place] = odd[v];
            find(usual, cov, 3, group);
            usual[place % 3] = odd[v];
            find(usual, cov, 3, group);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody),
        cmocka_unit_test(known_ones_stand_by_themselves),
        cmocka_unit_test(two_of_three),
        cmocka_unit_test(merging_must_help),
        cmocka_unit_test(pairs_are_groups_of_their_own),
        cmocka_unit_test(all_of_them),
        cmocka_unit_test(what_did_not_run_is_no_matter),
        cmocka_unit_test(by_chance),
        cmocka_unit_test(numbers_that_are_none),
    };
    return cmocka_run_group_tests_name("attribute: groups", tests, NULL, NULL);
}
