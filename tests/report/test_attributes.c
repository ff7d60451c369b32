/* What is read without a parser is what the parser reads. */
#include "fixture.h"

#include "report/attributes.h"

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void check(const char *text, const char *key) {
    jmi_attributes ours;
    json_t *root = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(root, key);
    bool is_object = json_is_object(root);
    jmi_attributes_read(&ours, text);
    if ((ours.object != NULL || ours.count > 0) != is_object) fail_msg("%s is an object?", text);
    double wanted = json_is_number(value) ? json_number_value(value) : (double)NAN;
    double number = jmi_attribute_number(&ours, key);
    if (!same_bits(number, wanted))
        fail_msg("%s: %s is %.17g, not %.17g", text, key, number, wanted);
    int64_t integer;
    bool whole = json_is_real(value) && fabs(wanted) < 0x1p53 && wanted == trunc(wanted);
    bool got = jmi_attribute_integer(&ours, key, &integer);
    if (got != (json_is_integer(value) || whole)) fail_msg("%s: %s is an integer?", text, key);
    if (got) assert_int_equal(integer, whole ? (int64_t)wanted : json_integer_value(value));
    jmi_attributes_free(&ours);
    json_decref(root);
}

static void as_the_parser_reads_it(void **state) {
    static const char *const texts[] = {
        "{}",
        "",
        " { \"a\" : 1 } ",
        "{\"a\":1,\"b\":2.5,\"a\":3}",
        "{\"a\":0.6931471805599453}",
        "{\"a\":2.3025850929940457}",
        "{\"a\":9007199254740993.5}",
        "{\"a\":0.1,\"b\":-0.0}",
        "{\"a\":-0}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":1e3}",
        "{\"a\":1.5E-3}",
        "{\"a\":999999999999999999}",
        "{\"a\":9223372036854775807}",
        "{\"a\":9223372036854775808}",
        "{\"a\":-9223372036854775808}",
        "{\"a\":1,}",
        "{\"a\":1}x",
        "{\"a\":1}\n",
        "{\"a\\\"\":1,\"b\":2}",
        "{\"\\u0061\":7}",
        "{\"a\":true,\"b\":1}",
        "{\"a\":{\"a\":1}}",
        "{\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"a\":9}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1]",
        "3",
        "{\"a\":0.000000000000000001}",
        "{\"a\":0.0000000000000000001}",
        "{\"a\":1\v}",
    };
    (void)state;
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        check(texts[i], "a");
        check(texts[i], "b");
    }
}

/* Texts put together by chance from pieces that nearly fit. */
static void whatever_they_are_made_of(void **state) {
    static const char *const pieces[] = {"{",  "}",  "\"a\"",  "\"b\"", ":",    ":",     ",",
                                         ",",  "1",  "0",      "-",     ".",    "25",    "e3",
                                         " ",  "\"", "[",      "]",     "null", "9007",  "\\",
                                         "19", "\t", "\"a\":", "99",    "5.5",  "\"b\":"};
    uint64_t random = 5;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        char text[160] = "{\"a\":";
        int count = 1 + (int)(random >> 40) % 8;
        for (int i = 0; i < count; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            strcat(text, pieces[(random >> 33) % JMI_COUNT(pieces)]);
        }
        if (random >> 62) strcat(text, "}");
        check(text, "a");
        check(text, "b");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_parser_reads_it),
        cmocka_unit_test(whatever_they_are_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
