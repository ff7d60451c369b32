/* Objectives: their values by hand, their text. */
#include "joulemeter.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static jm_objective parsed(const char *text) {
    jm_objective o = {JM_OBJECTIVE_ED2P, -1, -1, -1};
    jm_error error = {0};
    if (jm_objective_parse(text, &o, &error) != JM_OK) fail_msg("%s: %s", text, error.message);
    return o;
}

/* The same work: 300 J in 2 s, and 240 J in 2.2 s. */
static void values_by_hand(void **state) {
    (void)state;
    jm_objective o = parsed("ed2p");
    assert_true(jm_objective_value(&o, 2, 300) == 300 * 2 * 2);
    assert_true(fabs(jm_objective_value(&o, 2.2, 240) - 1161.6) < 1e-9); /* 240 x 4.84 */
    assert_string_equal(jm_objective_unit(&o), "J s^2");
    o = parsed("edp");
    assert_true(jm_objective_value(&o, 2, 300) == 600);
    o = parsed("energy");
    assert_true(jm_objective_value(&o, 2, 300) == 300);
    o = parsed("time");
    assert_true(jm_objective_value(&o, 2, 300) == 2);
    o = parsed("slowdown=5%");
    assert_true(o.slowdown_pct == 5 && jm_objective_value(&o, 2, 300) == 300);
    o = parsed("cost=0.36,7.2"); /* an hour at 100 W: 0.036 of energy, 7.2 of machine */
    assert_true(fabs(jm_objective_value(&o, 3600, 360000) - 7.236) < 1e-12);
    assert_true(isnan(jm_objective_value(NULL, 1, 1)));
    o.kind = (jm_objective_kind)77;
    assert_true(isnan(jm_objective_value(&o, 1, 1)));
    assert_string_equal(jm_objective_unit(&o), "");
}

static void text_comes_back(void **state) {
    (void)state;
    static const char *const texts[] = {
        "ed2p",           "edp",         "energy",       "time",     "slowdown=5%",
        "slowdown=0.25%", "slowdown=0%", "cost=0.3,2.5", "cost=0,1", "cost=12,0"};
    char text[100];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        jm_objective o = parsed(texts[i]);
        assert_string_equal(jm_objective_text(&o, text, sizeof text), texts[i]);
    }
    assert_true(parsed("slowdown=5").slowdown_pct == 5);
    jm_objective o = parsed("cost=1,2");
    assert_string_equal(jm_objective_text(&o, text, 5), "cost");
    assert_string_equal(jm_objective_text(NULL, text, sizeof text), "");
    assert_string_equal(jm_objective_text(&o, NULL, 0), "");
}

static void what_is_no_objective(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "ED2P",
                                        "edp ",
                                        " edp",
                                        "slowdown",
                                        "slowdown=",
                                        "slowdown=%",
                                        "slowdown=-1%",
                                        "slowdown=5%%",
                                        "slowdown=x",
                                        "slowdown=nan",
                                        "slowdown=inf",
                                        "slowdown=1e99",
                                        "slowdown=0x5",
                                        "slowdown=5,0",
                                        "slowdown= 5",
                                        "cost",
                                        "cost=",
                                        "cost=1",
                                        "cost=,",
                                        "cost=1,",
                                        "cost=,1",
                                        "cost=1,2,3",
                                        "cost=0,0",
                                        "cost=-1,2",
                                        "cost=1,-2",
                                        "cost=nan,1",
                                        "cost=1;2",
                                        "cost=1,2%",
                                        "cost=1e13,1"};
    char longest[400];
    memset(longest, '9', sizeof longest - 1);
    memcpy(longest, "slowdown=", 9);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        const char *text = i < sizeof texts / sizeof *texts ? texts[i] : longest;
        jm_objective o = {JM_OBJECTIVE_COST, 1, 2, 3};
        jm_error error = {0};
        if (jm_objective_parse(text, &o, &error) != JM_INVALID) fail_msg("\"%s\" was taken", text);
        assert_true(error.status == JM_INVALID && strlen(error.message) > 10);
        assert_true(o.kind == JM_OBJECTIVE_COST && o.slowdown_pct == 1 && o.price_kwh == 2);
    }
    jm_objective o;
    assert_int_equal(jm_objective_parse(NULL, &o, NULL), JM_INVALID);
    assert_int_equal(jm_objective_parse("edp", NULL, NULL), JM_INVALID);
}

static void other_locales(void **state) {
    (void)state;
    char text[100];
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "de_DE") == NULL) {
        print_message("skipped: there is no German locale\n");
        skip();
    }
    jm_objective o = parsed("cost=0.25,1.5");
    assert_true(o.price_kwh == 0.25 && o.price_h == 1.5);
    assert_string_equal(jm_objective_text(&o, text, sizeof text), "cost=0.25,1.5");
    assert_int_equal(jm_objective_parse("slowdown=2,5%", &o, NULL), JM_INVALID);
    setlocale(LC_ALL, "C");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_by_hand),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(what_is_no_objective),
        cmocka_unit_test(other_locales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
