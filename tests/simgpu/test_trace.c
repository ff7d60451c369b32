/* SPDX-License-Identifier: MIT */
/* Trace files, good and hostile. */
#include "helpers.h"

#include "simgpu/trace.h"

#include <stdlib.h>
#include <unistd.h>

#ifdef SIMGPU_HAVE_ZLIB
#include <zlib.h>
#endif

static int parse(struct simgpu_trace *trace, const char *text, const char *column,
                 struct simgpu_error *err) {
    return simgpu_trace_parse(trace, text, strlen(text), column, err);
}

static void reads_what_sensors_and_meters_write(void **unused) {
    (void)unused;
    struct simgpu_trace t;
    const char *text =
        "\xef\xbb\xbf# a comment\r\n\r\n"
        "t_ms,gpu_util_pct,pstate,temp_c,sm_clock_mhz,power_draw_w,power_instant_w\r\n"
        "0,0,P0,37,1410,56.12,57\r\n"
        "16.5,50,P0,38,1395,58.25,60.5\r\n"
        "16.5,60,P0,38,1395,59,61.5\r\n"
        "17,60,P0,,,N/A,\r\n"
        "30,70,P0,39,1395,60,62\r\n";
    assert_int_equal(parse(&t, text, NULL, NULL), 0);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.rows[1].t_ns, 16500000);
    assert_true(t.rows[1].power_w == 61.5 && t.rows[1].util_pct == 60.0f);
    assert_true(t.has_util && t.has_temperature && t.has_sm_clock);
    assert_ptr_equal(simgpu_trace_at(&t, -5), &t.rows[0]);
    assert_ptr_equal(simgpu_trace_at(&t, 29999999), &t.rows[1]);
    assert_ptr_equal(simgpu_trace_at(&t, S), &t.rows[2]);
    simgpu_trace_release(&t);

    assert_int_equal(parse(&t, text, "power_draw_w", NULL), 0);
    assert_true(t.rows[1].power_w == 59.0);
    simgpu_trace_release(&t);
    assert_int_equal(parse(&t, "power,t_s\n5,1e0\n", NULL, NULL), 0);
    assert_int_equal(t.rows[0].t_ns, S);
    simgpu_trace_release(&t);
}

static void bad_traces_are_told(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *sentence;
        size_t line;
    } rows[] = {
        {"", "no row", 0},
        {"t_s,power_w", "no row", 1},
        {"t_s,power_w\n,5\n", "no time in line 2", 2},
        {"t_s,power_w\nx,5\n", "no time in line 2", 2},
        {"time,power_w\n0,5\n", "no time column", 1},
        {"t_s,watts\n0,5\n", "no column power_w", 1},
        {"t_s,power_w\n1,5\n0.5,5\n", "time goes back in line 3", 3},
        {"t_s,power_w\n0,1e6\n", "power out of range", 2},
        {"t_s,power_w\n1e300,5\n", "time out of range", 2},
        {"t_s,power_w\n0,5\n3e9,5\n", "spans too long", 3},
        {"t_s,power_w\nnan,nan\n", "no time", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct simgpu_trace t;
        struct simgpu_error err = {0};
        assert_int_equal(parse(&t, rows[i].text, NULL, &err), -1);
        if (!strstr(err.text, rows[i].sentence) || err.position != rows[i].line)
            fail_msg("case %zu: '%s' at %zu", i, err.text, err.position);
        simgpu_trace_release(&t);
    }
    struct simgpu_trace t;
    struct simgpu_error err;
    assert_int_equal(parse(&t, "t_s,power_w\n0,1\n", "power_x", &err), -1);
    assert_non_null(strstr(err.text, "no column power_x"));
    simgpu_trace_release(&t);
}

/* Every prefix of a file, and bytes of all kinds in it, end in a result and nothing else. */
static void truncated_and_damaged_text(void **unused) {
    (void)unused;
    const char *good = "t_ms,power_w,temp_c\n0,10.5,30\n5,11e1,31\n7,-3,x\n\n9,0.1,33";
    size_t length = strlen(good);
    uint64_t random = 17;
    for (size_t i = 0; i < length; i++) {
        struct simgpu_trace t;
        char *copy = malloc(i ? i : 1);
        memcpy(copy, good, i);
        (void)simgpu_trace_parse(&t, copy, i, NULL, NULL);
        simgpu_trace_release(&t);
        free(copy);
    }
    for (int i = 0; i < 20000; i++) {
        struct simgpu_trace t;
        char *copy = malloc(length);
        memcpy(copy, good, length);
        for (int k = 0; k < 3; k++)
            copy[next_random(&random) % length] = (char)next_random(&random);
        (void)simgpu_trace_parse(&t, copy, length, NULL, NULL);
        simgpu_trace_release(&t);
        free(copy);
    }
}

static void too_many_columns(void **unused) {
    (void)unused;
    char text[512] = "t_s";
    for (int i = 0; i < 70; i++) strcat(text, ",a");
    struct simgpu_trace t;
    struct simgpu_error err;
    assert_int_equal(parse(&t, text, NULL, &err), -1);
    assert_non_null(strstr(err.text, "more than 64 columns"));
    simgpu_trace_release(&t);
}

static void a_million_rows(void **unused) {
    (void)unused;
    enum { ROWS = 1000000 };
    char path[] = "/tmp/simgpu-trace-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs("t_ms,power_w\n", file);
    for (int i = 0; i < ROWS; i++) fprintf(file, "%d,%d\n", i, 100 + i % 7);
    fclose(file);
    char spec[128];
    snprintf(spec, sizeof spec, "3090,schedule:%s", path);
    struct simgpu_board *board = must_board(spec);
    double sum = 0.0;
    for (int i = 0; i < ROWS - 1; i++) sum += (100 + i % 7) * 1e-3;
    close_to(simgpu_board_energy(board, 0, (int64_t)(ROWS - 1) * MS), sum, 1e-9);
    /* The last row holds. */
    assert_true(simgpu_board_power(board, 5000 * S) == 100 + (ROWS - 1) % 7);
    simgpu_board_free(board);
    remove(path);
}

static void a_schedule_keeps_its_clock(void **unused) {
    (void)unused;
    char path[] = "/tmp/simgpu-trace-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs("t_s,power_w\n1,100\n2,300\n", file);
    fclose(file);
    char spec[128];
    snprintf(spec, sizeof spec, "3090,schedule:%s", path);
    struct simgpu_board *board = must_board(spec);
    close_to(simgpu_board_energy(board, 0, 3 * S), 100.0 + 100.0 + 300.0, 1e-12);
    simgpu_board_free(board);
    remove(path);
}

static void gzip_is_read_and_damage_told(void **unused) {
    (void)unused;
#ifdef SIMGPU_HAVE_ZLIB
    char path[] = "/tmp/simgpu-trace-XXXXXX";
    close(mkstemp(path));
    gzFile gz = gzopen(path, "wb");
    gzputs(gz, "t_ms,power_w\n");
    for (int i = 0; i < 5000; i++) gzprintf(gz, "%d,%d\n", i, 50 + (i * 7919) % 301);
    gzclose(gz);
    struct simgpu_trace t;
    struct simgpu_error err;
    assert_int_equal(simgpu_trace_load(&t, NULL, path, NULL, &err), 0);
    assert_int_equal(t.count, 5000);
    simgpu_trace_release(&t);
    assert_int_equal(truncate(path, 2000), 0);
    assert_int_equal(simgpu_trace_load(&t, NULL, path, NULL, &err), -1);
    assert_non_null(strstr(err.text, "damaged gzip"));
    simgpu_trace_release(&t);
    remove(path);
#else
    skip();
#endif
}

/* Measured traces that lie beside the project; what they hold is checked against a plain sum. */
static void measured_traces_replay(void **unused) {
    (void)unused;
    static const char *const files[] = {
        "a100-square-wave/nvml.csv",
        "rtx3090-square-wave/nvml.csv",
#ifdef SIMGPU_HAVE_ZLIB
        "a100-square-wave/meter.csv.gz",
        "rtx3090-square-wave/meter.csv.gz",
#endif
    };
    const char *data = getenv("JOULEMETER_SHARED_DATA");
    if (!data || access(data, R_OK) != 0) {
        print_message("skipped: JOULEMETER_SHARED_DATA names no folder\n");
        skip();
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char spec[1024];
        snprintf(spec, sizeof spec, "a100,replay:%s/sensor-truth/%s", data, files[i]);
        struct simgpu_board *board = must_board(spec);
        struct simgpu_trace t;
        assert_int_equal(simgpu_trace_load(&t, data, spec + strlen("a100,replay:"), NULL, NULL), 0);
        assert_true(t.count > 900);
        double sum = 0.0;
        for (size_t k = 0; k + 1 < t.count; k++)
            sum += t.rows[k].power_w * (double)(t.rows[k + 1].t_ns - t.rows[k].t_ns) * 1e-9;
        int64_t end = t.rows[t.count - 1].t_ns - t.rows[0].t_ns;
        close_to(simgpu_board_energy(board, 0, end), sum, 1e-9);
        simgpu_trace_release(&t);
        simgpu_board_free(board);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_sensors_and_meters_write),
        cmocka_unit_test(bad_traces_are_told),
        cmocka_unit_test(truncated_and_damaged_text),
        cmocka_unit_test(too_many_columns),
        cmocka_unit_test(a_million_rows),
        cmocka_unit_test(a_schedule_keeps_its_clock),
        cmocka_unit_test(gzip_is_read_and_damage_told),
        cmocka_unit_test(measured_traces_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
