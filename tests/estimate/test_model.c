/* Models as JSON: read back as they were, and refused where anything is odd. */
#include "estimate/counters.h"
#include "estimate/model.h"

#include "tables.h"

#include <jansson.h>
#include <locale.h>
#include <unistd.h>

static jm_power_model *shipped(void) {
    jm_power_model *model;
    jm_error error = {0};
    if (jm_power_model_shipped(&model, &error) != JM_OK) fail_msg("%s", error.message);
    return model;
}

static void the_shipped_model_says_how_wrong_it_is(void **state) {
    (void)state;
    jm_power_model *model = shipped();
    jm_power_model_info info = {.size = sizeof info};
    jm_power_errors e = {.size = sizeof e};
    assert_int_equal(jm_power_model_get(model, &info), JM_OK);
    assert_string_equal(info.board, "Tesla V100");
    assert_non_null(strstr(info.source, "published"));
    assert_int_equal(jm_power_model_errors(model, JM_POWER_AVERAGE, &e), JM_OK);
    assert_true(e.trained && e.rows == 25 && e.programs == 17);
    assert_true(e.program_pct > 5 && e.program_pct < 12);
    assert_true(e.program_pct < e.program_plain_pct && e.program_pct < e.program_mean_pct);
    assert_true(e.covered_pct >= 90 && e.covered_pct <= 97);
    assert_true(e.half_width_pct > 20);
    jm_power_model_errors(model, JM_POWER_PEAK, &e);
    assert_false(e.trained);
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        double watts = jm_power_model_watts(model, JM_POWER_AVERAGE, (jm_activity)a);
        assert_true(isnan(watts) || (watts >= 0 && watts < 250));
    }
    assert_true(jm_power_model_watts(model, JM_POWER_AVERAGE, JM_ACTIVITY_CONSTANT) > 20);
    jm_power_model_free(model);
}

static void json_reads_back_in_every_locale(void **state) {
    (void)state;
    static const char *const locales[] = {"C", "de_DE.UTF-8"};
    jm_power_model *model = shipped();
    char *first;
    assert_int_equal(jm_power_model_json(model, &first, NULL), JM_OK);
    for (size_t l = 0; l < JMI_COUNT(locales); l++) {
        if (setlocale(LC_ALL, locales[l]) == NULL) continue;
        jm_power_model *again;
        char *second;
        assert_int_equal(jm_power_model_parse(&again, first, strlen(first), NULL), JM_OK);
        assert_int_equal(jm_power_model_json(again, &second, NULL), JM_OK);
        assert_string_equal(first, second);
        jm_free(second);
        jm_power_model_free(again);
    }
    setlocale(LC_ALL, "C");
    jm_free(first);
    jm_power_model_free(model);
}

/* Changes one value (NULL: takes it out) and expects a refusal with these words. */
static void refuse(const char *path, json_t *value, const char *words) {
    jm_power_model *model = shipped(), *changed = (void *)1;
    jm_error error = {0};
    char *text, name[128];
    jm_power_model_json(model, &text, NULL);
    json_t *root = json_loads(text, 0, NULL), *at = root;
    jm_free(text);
    for (;; path++) {
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        path += length;
        if (*path == '\0') break;
        at = json_object_get(at, name);
    }
    if (value == NULL)
        json_object_del(at, name);
    else
        json_object_set_new(at, name, value);
    text = json_dumps(root, 0);
    json_decref(root);
    int status = jm_power_model_parse(&changed, text, strlen(text), &error);
    if (status != JM_FORMAT || strstr(error.message, words) == NULL)
        fail_msg("%s: %s", jm_status_name(status), error.message);
    assert_null(changed);
    free(text);
    jm_power_model_free(model);
}

static void odd_models_are_refused(void **state) {
    (void)state;
    static const char *const known[] = {"constant", "sm_active",   "pipes", "l1",
                                        "shared",   "const_cache", "l2",    "dram"};
    json_t *zeros = json_object();
    for (size_t i = 0; i < JMI_COUNT(known); i++)
        json_object_set_new(zeros, known[i], json_integer(0));
    refuse("format", json_string("pickle"), "its format is not");
    refuse("version", json_integer(2), "version 2");
    refuse("version", json_string("1"), "version");
    refuse("board", json_string("Voodoo"), "there is no board Voodoo");
    refuse("source", NULL, "source");
    refuse("trained_within", json_array(), "trained_within");
    refuse("trained_within.constant", NULL, "constant");
    refuse("trained_within.exec", json_object(), "no activity exec");
    refuse("trained_within.dram.low", json_real(2), "of dram");
    refuse("trained_within.dram.mean", json_real(-1), "of dram");
    refuse("power", json_null(), "power");
    refuse("power.avg", NULL, "avg");
    refuse("power.median", json_object(), "no kind of power median");
    refuse("power.avg.watts", NULL, "watts");
    refuse("power.avg.watts", json_object(), "no watts of constant");
    refuse("power.avg.watts.pipes", NULL, "no watts of pipes");
    refuse("power.avg.watts", zeros, "all watts are 0");
    refuse("power.avg.watts.dram", json_real(-1), "0 or more, of dram");
    refuse("power.avg.watts.dram", json_string("28.8; rm -rf /"), "of dram");
    refuse("power.avg.watts.tensor", json_real(1), "no activity tensor");
    refuse("power.avg.interval_half_width", NULL, "interval_half_width");
    refuse("power.avg.interval_half_width", json_real(-0.1), "interval_half_width");
    refuse("power.avg.validation", NULL, "how wrong it was");
    refuse("power.avg.validation.program_left_out_pct", NULL, "how wrong it was");
}

static void what_is_no_model(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",     "{",
        "[]",   "1",
        "{}",   "\x80\x04\x95",
        "null", "{\"format\": \"joulemeter power model\", \"format\": 1}"};
    jm_power_model *model;
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        assert_int_equal(jm_power_model_parse(&model, texts[i], strlen(texts[i]), NULL), JM_FORMAT);
        assert_null(model);
    }
    assert_int_equal(jm_power_model_read(&model, "/nonexistent", NULL), JM_NOT_FOUND);
    assert_int_equal(jm_power_model_read(&model, "/dev/zero", NULL), JM_FORMAT);
    assert_int_equal(jm_power_model_parse(NULL, "", 0, NULL), JM_INVALID);
    jm_power_model_free(NULL);
    assert_true(isnan(jm_power_model_watts(NULL, JM_POWER_AVERAGE, JM_ACTIVITY_DRAM)));
}

static void metrics_are_those_of_the_model_once_each(void **state) {
    (void)state;
    jm_power_model *model = shipped();
    char *some, *all;
    assert_int_equal(jm_power_model_metrics(model, &some, NULL), JM_OK);
    assert_int_equal(jm_activity_metrics(&all, NULL), JM_OK);
    assert_non_null(strstr(some, "gpu__time_duration.sum"));
    assert_non_null(strstr(some, "dram__bytes_read.sum"));
    assert_null(strstr(some, "nvlrx__bytes.sum"));
    assert_non_null(strstr(all, "nvlrx__bytes.sum"));
    char *twice = strstr(all, "sm__pipe_alu_cycles_active.sum");
    assert_non_null(twice);
    assert_null(strstr(twice + 1, "sm__pipe_alu_cycles_active.sum"));
    /* What is asked for is what the parser knows. */
    for (char *at = all, *name; (name = strsep(&at, ",")) != NULL;)
        if (jmi_metric_find(name, strlen(name), NULL, 0, "", 0) == NULL) fail_msg("%s", name);
    jm_free(some);
    jm_free(all);
    jm_power_model_free(model);
}

static void boards_are_found_by_their_names(void **state) {
    (void)state;
    static const char *const names[][2] = {{"NVIDIA H100 80GB HBM3", "H100 SXM"},
                                           {"NVIDIA H100 PCIe", "H100 PCIe"},
                                           {"NVIDIA H200", "H200"},
                                           {"NVIDIA GH200 480GB", "GH200"},
                                           {"Tesla V100-SXM2-16GB", "Tesla V100-SXM2"},
                                           {"Tesla V100-PCIE-32GB", "Tesla V100-PCIE"},
                                           {"Quadro GV100", "Quadro GV100"},
                                           {"v100", "Tesla V100"},
                                           {"NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"},
                                           {"NVIDIA A100 80GB PCIe", "A100-PCIE-80GB"},
                                           {"A100-PCIE-40GB", "A100-PCIE-40GB"},
                                           {"a100", "A100-SXM4-40GB"},
                                           {"NVIDIA A10", "A10"},
                                           {"NVIDIA GeForce RTX 3090", "GeForce RTX 3090"},
                                           {"Tesla T4", "Tesla T4"},
                                           {"NVIDIA L4", "L4"},
                                           {"NVIDIA L40S", "L40S"},
                                           {"NVIDIA RTX A6000", "RTX A6000"},
                                           {"NVIDIA H100 NVL", "H100 NVL"},
                                           {"NVIDIA H200 NVL", "H200 NVL"},
                                           {"NVIDIA GH200 144G HBM3e", "GH200 144G"},
                                           {"NVIDIA GeForce RTX 3080", "GeForce RTX 3080"},
                                           {"NVIDIA GeForce RTX 3080 Ti", "GeForce RTX 3080 Ti"},
                                           {"NVIDIA GeForce RTX 2080 Ti", "GeForce RTX 2080 Ti"},
                                           {"Tesla P100-PCIE-16GB", "Tesla P100-PCIE"},
                                           {"Tesla P100-PCIE-12GB", "Tesla P100-PCIE-12GB"},
                                           {"Tesla P100-SXM2-16GB", "Tesla P100"},
                                           {"Tesla V100-SXM3-32GB", "Tesla V100-SXM3"},
                                           {"Tesla V100S-PCIE-32GB", "Tesla V100S-PCIE"},
                                           {"NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"},
                                           {"Quadro RTX 6000", "Quadro RTX 6000"},
                                           {"NVIDIA L40", "L40"}};
    /* A sibling is another board. */
    static const char *const none[] = {"",
                                       "NVIDIA",
                                       "A1000",
                                       "L400",
                                       "H1000",
                                       "GeForce 30900",
                                       "NVIDIA GeForce RTX 3080 Laptop GPU",
                                       "NVIDIA GeForce RTX 3080 Ti Laptop GPU",
                                       "NVIDIA GeForce RTX 4090 D",
                                       "NVIDIA GeForce RTX 4080 SUPER",
                                       "Quadro RTX 6000 with Max-Q Design",
                                       "NVIDIA RTX PRO 6000 Blackwell",
                                       "NVIDIA A100-SXM-64GB",
                                       "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
                                       "NVIDIA A10G",
                                       "NVIDIA A40-48Q",
                                       "Tesla V100-FHHL-16GB",
                                       "NVIDIA TITAN V CEO Edition",
                                       "NVIDIA RTX",
                                       "0"};
    jm_board board = {.size = sizeof board};
    jm_error error = {0};
    for (size_t i = 0; i < JMI_COUNT(names); i++) {
        if (jm_board_find(names[i][0], &board, &error) != JM_OK) fail_msg("%s", error.message);
        assert_string_equal(board.name, names[i][1]);
        assert_true(board.power_limit_w > 50 && board.sms > 20 && board.clock_hz > 1e9);
        assert_true(board.dram_bytes_s > 1e11 && board.compute_capability >= 60);
    }
    for (size_t i = 0; i < JMI_COUNT(none); i++)
        if (jm_board_find(none[i], &board, &error) != JM_NOT_FOUND) fail_msg("'%s'", none[i]);
    assert_non_null(strstr(error.message, "there are: Tesla V100"));
    jm_board_find("RTX 3080 Laptop", &board, &error);
    assert_non_null(strstr(error.message, "there are: GeForce RTX 3080, GeForce RTX 3080 Ti"));
    for (uint32_t i = 0; i < jm_board_count(); i++) {
        jm_board one = {.size = sizeof one};
        assert_int_equal(jm_board_get(i, &one), JM_OK);
        assert_int_equal(jm_board_find(one.name, &board, NULL), JM_OK);
        assert_string_equal(board.name, one.name);
    }
    assert_int_equal(jm_board_get(jm_board_count(), &board), JM_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_model_says_how_wrong_it_is),
        cmocka_unit_test(json_reads_back_in_every_locale),
        cmocka_unit_test(odd_models_are_refused),
        cmocka_unit_test(what_is_no_model),
        cmocka_unit_test(metrics_are_those_of_the_model_once_each),
        cmocka_unit_test(boards_are_found_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
