/* SPDX-License-Identifier: MIT */
/* The spec text: what is taken, and what each mistake is answered with. */
#include "helpers.h"

static void good_specs(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        int boards;
    } rows[] = {
        {"h100", 1},
        {"64*v100", 64},
        {" 2 * a100 , square:60:180:0.1:0.5 , T = 101.2ms", 2},
        {"2*a100, square:60:180:0.1:0.5 , T=101.2ms", 2},
        {"h100;a100;v100;3090;4090;rtx3090;rtx4090;b200;h200;gh200", 10},
        {"h100,training:18446744073709551615", 1},
        {"h100,replay:/a:b/c.csv:power_instant_w,loop", 1},
        {"h100,schedule:x=1.csv", 1},
        {"h100,schedule:dir:x=1.csv", 1},
        {"h100,channel,mig=3,order=reverse,latency_us=2000,poll_power_w=3", 1},
        {"h100,fault=lost@0,fault=hang@5,fault=hang@6:0.5,fault=reset@1.5,fault=nosym=nvmlInit_v2,"
         "fault=notsupported=field83,fault=noperm=nvmlDeviceGetPowerUsage,driver530",
         1},
        {"h100,constant:1e2,gain=9.7e-1,offset=-3.5", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct simgpu_error err = {0};
        struct simgpu_spec *spec = simgpu_spec_parse(rows[i].text, &err);
        if (!spec) fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(simgpu_spec_board_count(spec), rows[i].boards);
        simgpu_spec_free(spec);
    }
}

static void every_mistake_has_a_sentence_and_a_place(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *sentence;
        size_t position;
    } rows[] = {
        {"", "unknown GPU model", 0},
        {"h101", "unknown GPU model 'h101'", 0},
        {"h100;;a100", "unknown GPU model", 5},
        {"0*h100", "number of boards", 0},
        {"65*h100", "number of boards", 0},
        {"x*h100", "number of boards", 0},
        {"40*h100;40*a100", "more than 64 boards", 8},
        {"h100,wobble:3", "unknown waveform 'wobble'", 5},
        {"h100,constant", "W of the waveform is missing", 13},
        {"h100,constant:-1", "W of the waveform must be", 14},
        {"h100,constant:nan", "W of the waveform must be", 14},
        {"h100,constant:inf", "W of the waveform must be", 14},
        {"h100,constant:1:2", "too many values", 16},
        {"h100,square:1:2", "PERIOD of the waveform is missing", 15},
        {"h100,square:1:2:0", "PERIOD of the waveform must be", 16},
        {"h100,square:1:2:1:1.5", "DUTY of the waveform must be", 18},
        {"h100,telegraph:1:2:x", "MEAN_DWELL of the waveform must be", 19},
        {"h100,training:abc", "SEED of training", 14},
        {"h100,channel:3", "channel takes no values", 13},
        {"h100,replay:", "needs a file name", 12},
        {"h100,T=0", "T must be a time", 5},
        {"h100,T=1m", "T must be a time", 5},
        {"h100,noise=-1", "noise must be a number", 5},
        {"h100,foo=1", "unknown key 'foo'", 5},
        {"h100,bar.T=1", "unknown key 'bar.T'", 5},
        {"h100,training,loop", "loop needs", 0},
        {"h100,constant:5,constant:6", "no key=value", 16},
        {"h100,mig=8", "mig must be", 5},
        {"v100,mig=2", "at most 0 MIG", 0},
        {"h100,limit=100", "limit of h100", 0},
        {"h100,order=sideways", "order must be", 5},
        {"h100,seed=-1", "seed must be", 5},
        {"h100,fault=", "unknown fault", 5},
        {"h100,fault=lost@", "number of calls", 5},
        {"h100,fault=lost@3:4", "only hang takes seconds", 5},
        {"h100,fault=hang@3:x", "only hang takes seconds", 5},
        {"h100,fault=reset@-1", "reset@ needs seconds", 5},
        {"h100,fault=nosym=", "needs an NVML function's name", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct simgpu_error err = {0};
        struct simgpu_spec *spec = simgpu_spec_parse(rows[i].text, &err);
        if (spec) fail_msg("'%s' was taken", rows[i].text);
        if (!strstr(err.text, rows[i].sentence) || err.position != rows[i].position)
            fail_msg("'%s': '%s' at %zu", rows[i].text, err.text, err.position);
        assert_null(simgpu_spec_parse(rows[i].text, NULL));
    }
}

static void too_much_of_anything(void **unused) {
    (void)unused;
    static char text[20001];
    struct simgpu_error err;
    memset(text, 'a', sizeof text - 1);
    assert_null(simgpu_spec_parse(text, &err));
    assert_non_null(strstr(err.text, "longer than"));

    strcpy(text, "h100");
    for (int i = 0; i < SIMGPU_MAX_FAULTS; i++) strcat(text, ",fault=lost@5");
    struct simgpu_spec *spec = simgpu_spec_parse(text, &err);
    assert_non_null(spec);
    simgpu_spec_free(spec);
    strcat(text, ",fault=lost@5");
    assert_null(simgpu_spec_parse(text, &err));
    assert_non_null(strstr(err.text, "more than 16 faults"));
}

static void a_missing_file_is_told_when_the_board_is_made(void **unused) {
    (void)unused;
    struct simgpu_error err = {0};
    assert_null(simgpu_board_from_text("h100,replay:/no/such/file.csv", 0, &err));
    assert_non_null(strstr(err.text, "cannot read /no/such/file.csv"));
    assert_null(simgpu_board_from_text("h100,replay:/tmp", 0, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_null(simgpu_board_from_text("h100", 1, &err));
    assert_null(simgpu_board_from_text("h100", -1, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_specs),
        cmocka_unit_test(every_mistake_has_a_sentence_and_a_place),
        cmocka_unit_test(too_much_of_anything),
        cmocka_unit_test(a_missing_file_is_told_when_the_board_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
