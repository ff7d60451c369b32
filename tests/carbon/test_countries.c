/* Countries by code and by time zone. */
#include "carbon.h"

#include <sys/stat.h>
#include <unistd.h>

static jm_country find(const char *code) {
    jm_country country = {.size = sizeof country};
    jm_error error = {0};
    ok(jm_country_find(code, &country, &error), &error);
    return country;
}

static void codes_have_both_forms(void **state) {
    (void)state;
    assert_string_equal(find("FR").name, "France");
    assert_string_equal(find("fra").alpha2, "FR");
    assert_string_equal(find("France").alpha3, "FRA");
    assert_string_equal(find("UK").alpha2, "GB");
    assert_string_equal(find("uk").alpha3, "GBR");
    NEAR(find("FRA").intensity_g, 56.039, 1e-12);
    assert_int_equal(find("FR").year, 2023);
    assert_non_null(strstr(find("FR").source, "CC BY 4.0"));
}

static void what_is_no_country_says_so(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "XX", "F", "FRAN", "F R", "EUR", "../FR", "\xff"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        jm_country country = {.size = sizeof country};
        jm_error error = {0};
        assert_int_equal(jm_country_find(wrong[i], &country, &error), JM_NOT_FOUND);
        says(&error, "there is no country");
    }
    jm_error error = {0};
    jm_country country = {.size = sizeof country};
    assert_int_equal(jm_country_find("Franc", &country, &error), JM_NOT_FOUND);
    says(&error, "did you mean France (FR, FRA)?");
    assert_int_equal(jm_country_find(NULL, &country, &error), JM_INVALID);
}

static void the_table_is_whole(void **state) {
    (void)state;
    uint32_t with = 0;
    assert_int_equal(jm_country_count(), 249);
    for (uint32_t i = 0; i < jm_country_count(); i++) {
        jm_country c = {.size = sizeof c};
        assert_int_equal(jm_country_at(i, &c), JM_OK);
        assert_int_equal(strlen(c.alpha2), 2);
        assert_int_equal(strlen(c.alpha3), 3);
        assert_string_equal(find(c.alpha2).alpha3, c.alpha3);
        assert_string_equal(find(c.alpha3).alpha2, c.alpha2);
        if (isnan(c.intensity_g)) continue;
        with++;
        assert_true(c.intensity_g >= 0 && c.intensity_g < 2000);
        assert_in_range(c.year, 2000, 2100);
    }
    assert_true(with > 200);
    jm_country c = {.size = sizeof c};
    assert_int_equal(jm_country_at(249, &c), JM_NOT_FOUND);
}

static const char *of_zone(const char *zone) {
    jm_country country = {.size = sizeof country};
    return jm_country_of_zone(zone, &country, NULL) == JM_OK ? country.alpha2 : "";
}

static void zones_lie_in_their_countries(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"Europe/Paris", "FR"},
                                           {"Europe/Amsterdam", "NL"},
                                           {"Europe/Oslo", "NO"},
                                           {"America/New_York", "US"},
                                           {"US/Eastern", "US"},
                                           {"Asia/Calcutta", "IN"},
                                           {"Asia/Kolkata", "IN"},
                                           {"Europe/Kiev", "UA"},
                                           {"Europe/London", "GB"},
                                           {"Atlantic/Reykjavik", "IS"},
                                           {"Iceland", "IS"},
                                           {"America/Coral_Harbour", "CA"},
                                           {"UTC", ""},
                                           {"Etc/UTC", ""},
                                           {"CET", ""},
                                           {"Europe", ""},
                                           {"Europe/Par", ""},
                                           {"Europe/Paris ", ""},
                                           {"", ""}};
    for (size_t i = 0; i < JMI_COUNT(pairs); i++)
        if (strcmp(of_zone(pairs[i][0]), pairs[i][1]) != 0)
            fail_msg("%s is in '%s', not '%s'", pairs[i][0], of_zone(pairs[i][0]), pairs[i][1]);
}

static void make_root(char root[64]) {
    char path[128];
    strcpy(root, "/tmp/joulemeter-zone-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/etc", root);
    assert_int_equal(mkdir(path, 0777), 0);
}

static void the_machine_says_its_zone(void **state) {
    (void)state;
    char root[64], path[128], name[64], small[4];
    make_root(root);
    unsetenv("TZ");
    assert_false(jmi_zone_name(root, name, sizeof name));
    snprintf(path, sizeof path, "%s/etc/timezone", root);
    FILE *file = fopen(path, "w");
    fputs("Asia/Tokyo\n", file);
    fclose(file);
    assert_true(jmi_zone_name(root, name, sizeof name));
    assert_string_equal(name, "Asia/Tokyo");
    assert_false(jmi_zone_name(root, small, sizeof small));
    char link[128];
    snprintf(link, sizeof link, "%s/etc/localtime", root);
    assert_int_equal(symlink("../usr/share/zoneinfo/posix/Europe/Rome", link), 0);
    assert_true(jmi_zone_name(root, name, sizeof name));
    assert_string_equal(name, "Europe/Rome");
    static const char *const variables[][2] = {{":Europe/Berlin", "Europe/Berlin"},
                                               {"/usr/share/zoneinfo/Asia/Seoul", "Asia/Seoul"},
                                               {"CET-1CEST", "CET-1CEST"}};
    for (size_t i = 0; i < JMI_COUNT(variables); i++) {
        setenv("TZ", variables[i][0], 1);
        assert_true(jmi_zone_name(root, name, sizeof name));
        assert_string_equal(name, variables[i][1]);
    }
    setenv("TZ", "/etc/localtime", 1); /* names no place */
    assert_false(jmi_zone_name(root, name, sizeof name));
    setenv("TZ", "Europe/Paris", 1);
    assert_string_equal(of_zone(NULL), "FR");
    unsetenv("TZ");
    unlink(link);
    unlink(path);
    snprintf(path, sizeof path, "%s/etc", root);
    rmdir(path);
    rmdir(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_both_forms), cmocka_unit_test(what_is_no_country_says_so),
        cmocka_unit_test(the_table_is_whole), cmocka_unit_test(zones_lie_in_their_countries),
        cmocka_unit_test(the_machine_says_its_zone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
