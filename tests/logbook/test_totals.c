/* Totals: what is added up, and what is said of the rest. */
#include "book.h"

#include <time.h>

/* Named fields of a row; what is 0 or NULL is left out. */
typedef struct run {
    const char *project, *host, *currency, *provenance;
    double begin, seconds, j, g, cost;
} run;

static void add(run r) {
    jm_log_value values[24];
    size_t count = 0;
    values[count++] = (jm_log_value){"begin_unix_s", NULL, r.begin};
    values[count++] = (jm_log_value){"duration_s", NULL, r.seconds};
    if (r.project != NULL) values[count++] = (jm_log_value){"project", r.project, 0};
    if (r.host != NULL) values[count++] = (jm_log_value){"host", r.host, 0};
    if (r.provenance != NULL) values[count++] = (jm_log_value){"provenance", r.provenance, 0};
    if (r.j > 0) {
        values[count++] = (jm_log_value){"energy_j", NULL, r.j};
        values[count++] = (jm_log_value){"energy_lower_j", NULL, r.j / 2};
        values[count++] = (jm_log_value){"energy_upper_j", NULL, r.j * 2};
        values[count++] = (jm_log_value){"u_random_j", NULL, 3};
        values[count++] = (jm_log_value){"u_systematic_j", NULL, 4};
    }
    if (r.g > 0) {
        values[count++] = (jm_log_value){"co2_g", NULL, r.g};
        values[count++] = (jm_log_value){"co2_lower_g", NULL, r.g / 2};
        values[count++] = (jm_log_value){"co2_upper_g", NULL, r.g * 2};
    }
    if (r.cost > 0) values[count++] = (jm_log_value){"cost", NULL, r.cost};
    if (r.cost > 0) values[count++] = (jm_log_value){"cost_lower", NULL, r.cost / 2};
    if (r.cost > 0) values[count++] = (jm_log_value){"cost_upper", NULL, r.cost * 2};
    if (r.currency != NULL) values[count++] = (jm_log_value){"currency", r.currency, 0};
    append(values, count);
}

static const char *of_project(const char *begin, const char *column) {
    return cell_of(rows_of(JM_LOG_PROJECTS, NULL), begin, column);
}

static char *statement(const char *format) {
    jm_error error = {0};
    char *text = NULL;
    ok(jm_log_statement(path, NULL, format, &text, &error), &error);
    return text;
}

static void has(const char *text, const char *words) {
    if (strstr(text, words) == NULL) fail_msg("'%s' is not in:\n%s", words, text);
}

static void what_is_known_is_added_up(void **state) {
    (void)state;
    add((run){.project = "a", .seconds = 10, .j = 100, .g = 1, .cost = 1, .currency = "EUR"});
    add((run){.project = "a", .seconds = 10, .j = 200, .g = 2});
    add((run){.project = "a", .seconds = 10, .j = 400});
    add((run){.project = "a", .seconds = 10});
    assert_string_equal(of_project("a", "runs"), "4");
    assert_string_equal(of_project("a", "time_s"), "40");
    assert_string_equal(of_project("a", "energy_j"), "700");
    /* 1.96 sqrt(3 x 3^2 + (3 x 4)^2) */
    assert_int_equal(strncmp(of_project("a", "energy_u95_j"), "25.63", 5), 0);
    assert_string_equal(of_project("a", "co2_g"), "3");
    assert_string_equal(of_project("a", "co2_lower_g"), "1.5"); /* carbon's bounds add up */
    assert_string_equal(of_project("a", "co2_upper_g"), "6");
    assert_string_equal(of_project("a", "cost"), "1");
    assert_string_equal(of_project("a", "without_energy"), "1");
    assert_string_equal(of_project("a", "without_co2"), "2");
    assert_string_equal(of_project("a", "without_cost"), "3");
    assert_string_equal(of_project("a", "overlapping"), "0"); /* of no known machine */
}

static void currencies_are_not_added(void **state) {
    (void)state;
    add((run){.cost = 1, .currency = "EUR"});
    add((run){.cost = 2, .currency = "CHF"});
    assert_string_equal(of_project("-", "cost"), "-");
    assert_string_equal(of_project("-", "currencies"), "2");
    add((run){.project = "b", .cost = 1}); /* one without a name is another one */
    add((run){.project = "b", .cost = 2, .currency = "CHF"});
    assert_string_equal(of_project("b", "cost"), "-");
    assert_string_equal(of_project("b", "cost_upper"), "-");
    add((run){.project = "c", .cost = 1});
    add((run){.project = "c", .cost = 2});
    assert_string_equal(of_project("c", "cost_lower"), "1.5");
    assert_string_equal(of_project("c", "cost_upper"), "6");
    tamper("UPDATE run SET cost_upper = NULL WHERE cost = 1");
    assert_string_equal(of_project("c", "cost_upper"), "-");
}

/* In Auckland it is February by then. */
static void months_are_those_of_this_machine(void **state) {
    (void)state;
    setenv("TZ", "Pacific/Auckland", 1);
    tzset();
    add((run){.begin = 1706700000, .j = 1}); /* 2024-01-31T11:20Z */
    add((run){.begin = 1706699000, .j = 2}); /* 2024-01-31T11:03Z, and a minute there */
    add((run){.begin = 1706690000, .j = 4}); /* 2024-01-31T08:33Z */
    assert_string_equal(cell_of(rows_of(JM_LOG_MONTHS, NULL), "2024-02", "energy_j"), "3");
    assert_string_equal(cell_of(rows_of(JM_LOG_MONTHS, NULL), "2024-01", "energy_j"), "4");
    char *text = statement("markdown");
    has(text, "3 runs (2024-01-31 to 2024-02-01");
    jm_free(text);
    unsetenv("TZ");
    tzset();
}

/* A function that was logged within a command that was: the joules are in both. */
static void runs_that_overlap(void **state) {
    (void)state;
    add((run){.project = "a", .host = "h", .begin = 1000, .seconds = 100, .j = 10});
    add((run){.project = "b", .host = "h", .begin = 1010, .seconds = 10, .j = 1});
    add((run){.project = "b", .host = "h", .begin = 1030, .seconds = 10}); /* adds nothing */
    add((run){.project = "b", .host = "i", .begin = 1010, .seconds = 10, .j = 1});
    add((run){
        .project = "b", .host = "h", .begin = 1100, .seconds = 10, .j = 1}); /* next in turn */
    add((run){.project = "c", .host = "h", .begin = 1109.9995, .seconds = 10, .j = 1});
    add((run){.project = "d", .host = "h", .begin = 1119, .seconds = 10, .j = 1});
    assert_string_equal(of_project("a", "overlapping"), "1");
    assert_string_equal(of_project("b", "overlapping"), "1");
    assert_string_equal(of_project("c", "overlapping"), "1");
    assert_string_equal(of_project("d", "overlapping"), "1");
    char *text = statement("markdown");
    has(text, " 4 of them overlap in time on one machine: what they used together is in each.");
    has(text, "6 runs (");
    has(text, " Of 1 more run the energy is not known.");
    jm_free(text);
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    filter.project = "b"; /* what it overlaps is not among those that are added up */
    assert_string_equal(cell_of(rows_of(JM_LOG_PROJECTS, &filter), "b", "overlapping"), "0");
}

static void bounds_make_bounds(void **state) {
    (void)state;
    add((run){.project = "a", .seconds = 1, .j = 36000, .g = 10, .provenance = "counter"});
    add((run){.project = "a", .seconds = 1, .j = 3600, .g = 1, .provenance = "power, bound only"});
    assert_string_equal(of_project("a", "bounded"), "1");
    assert_string_equal(of_project("a", "energy_lower_j"), "19800");
    assert_string_equal(of_project("a", "energy_upper_j"), "79200");
    char *text = statement("latex");
    has(text, " used 5--22~Wh of electricity");
    has(text, "Of 1 of them only bounds are known, and so of the sum.");
    has(text, " & 5--22~Wh & 5--22~gCO$_2$e \\\\");
    jm_free(text);
}

/* In LaTeX's usual fonts < is an upside-down exclamation mark. */
static void signs_are_those_of_latex(void **state) {
    (void)state;
    const jm_log_value values[] = {{"project", "a<b>c|d", 0},
                                   {"provenance", "bound only", 0},
                                   {"energy_j", NULL, 3600},
                                   {"energy_lower_j", NULL, 0},
                                   {"energy_upper_j", NULL, 7200}};
    append(values, JMI_COUNT(values));
    char *text = statement("latex");
    has(text, " used $<$~2.0~Wh");
    has(text, "a\\textless{}b\\textgreater{}c\\textbar{}d & 1 & ");
    jm_free(text);
    tamper("UPDATE run SET energy_lower_j = 3600, energy_upper_j = NULL");
    text = statement("latex");
    has(text, "$>$~1~Wh");
    jm_free(text);
    text = statement("markdown");
    has(text, " used > 1 Wh");
    assert_null(strstr(text, "1970")); /* when it ran is not known */
    assert_null(strstr(text, "(, "));
    jm_free(text);
}

static void a_statement_counts_what_it_knows(void **state) {
    (void)state;
    add((run){.project = "a", .seconds = 10, .j = 3600, .g = 1});
    add((run){.project = "a", .seconds = 20, .j = 3600});
    add((run){.project = "a", .seconds = 40});
    add((run){.project = "b", .seconds = 80});
    char *text = statement("markdown");
    has(text, "2 runs (1970-01-01, 30.0 s in all) used 2.0");
    has(text, " Of 2 more runs the energy is not known.");
    has(text, " Of 1 run the carbon is not known.");
    has(text, "| a | 2 | 30.0 s | 2.0");
    assert_null(strstr(text, "| b |"));
    assert_null(strstr(text, "| total |"));
    jm_free(text);
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    jm_error error = {0};
    filter.project = "b";
    assert_int_equal(jm_log_statement(path, &filter, "latex", &text, &error), JM_NO_DATA);
    says(&error, "of none of these runs is the energy known");
    filter.project = "c";
    assert_int_equal(jm_log_statement(path, &filter, "latex", &text, &error), JM_NO_DATA);
    says(&error, "no such runs");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_set_up, book_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(what_is_known_is_added_up),
                                       TEST(currencies_are_not_added),
                                       TEST(months_are_those_of_this_machine),
                                       TEST(runs_that_overlap),
                                       TEST(bounds_make_bounds),
                                       TEST(signs_are_those_of_latex),
                                       TEST(a_statement_counts_what_it_knows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
