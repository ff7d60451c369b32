/* Readings as rows: columns, windows, shares, and their sums. */
#include "attribute/rows.h"
#include "helpers.h"

#include <stdio.h>

static void add(jm_recording *r, const char *name, double begin_s, double end_s) {
    add_range(r, JM_CATEGORY_LAYER, name, begin_s, end_s);
}

static jmi_calls read(const jm_recording *r) {
    jmi_calls calls;
    jm_error error = {0};
    jmi_call_filter filter = {.categories = 1u << JM_CATEGORY_LAYER};
    if (jmi_calls_read(&calls, r, &filter, &error) != JM_OK) fail_msg("%s", error.message);
    return calls;
}

static void done(jm_recording *r, jmi_calls *calls) {
    jmi_calls_free(calls);
    jm_recording_free(r);
}

/* ---- columns ---- */

/* More classes than there are columns: those of least time share the last. */
static void the_least_share_a_column(void **state) {
    (void)state;
    enum { MANY = JMI_MOST_CLASSES + 88 };
    jm_recording *r = recording_new();
    add_device(r, "gpu0", 400);
    double t = 0;
    for (int i = 0; i < MANY; i++) {
        char name[16];
        int number = i * 7 % MANY; /* MANY is no multiple of 7 */
        snprintf(name, sizeof name, "%d", number);
        add(r, name, t, t + 1e-4 * (1 + number));
        t += 1e-4 * (1 + number);
    }
    jmi_calls calls = read(r);
    jmi_layout layout;
    assert_true(jmi_layout_make(&layout, &calls, JMI_MOST_CLASSES));
    assert_true(layout.lumped && layout.classes == JMI_MOST_CLASSES);
    size_t taken[JMI_MOST_CLASSES] = {0};
    for (size_t i = 0; i < calls.class_count; i++) {
        bool least = atoi(calls.classes[i].name) < MANY - (JMI_MOST_CLASSES - 1);
        assert_int_equal(layout.column[i] == JMI_MOST_CLASSES - 1, least);
        taken[layout.column[i]]++;
    }
    for (size_t i = 0; i + 1 < JMI_MOST_CLASSES; i++) assert_int_equal(taken[i], 1);
    jmi_layout_free(&layout);
    done(r, &calls);
}

static void gaps_by_their_length(void **state) {
    (void)state;
    jm_recording *r = recording_new();
    add_device(r, "gpu0", 400);
    add(r, "a", 1, 2);
    add(r, "a", 2.0001, 3); /* 0.1 ms */
    add(r, "a", 3.01, 4);   /* 10 ms */
    add(r, "a", 5, 6);      /* 1 s */
    jmi_calls calls = read(r);
    jmi_layout layout;
    assert_true(jmi_layout_make(&layout, &calls, JMI_MOST_CLASSES));
    double x[1 + JMI_GAPS] = {0};
    size_t hint = 0;
    jmi_layout_times(&layout, at(0), at(8), &hint, x, NULL);
    static const double wanted[] = {3.9899, 0.0001, 0.01, 4};
    for (size_t i = 0; i < JMI_COUNT(wanted); i++) close_to(x[i] * 1e-9, wanted[i], 1e-9, "time");
    memset(x, 0, sizeof x);
    hint = 0;
    jmi_layout_times(&layout, at(4.2), at(4.3), &hint, x, NULL); /* inside of a gap */
    close_to(x[3], 1e8, 1, "inside of a gap");
    jmi_layout_free(&layout);
    done(r, &calls);
}

/* ---- readings ---- */

enum { CELLS = 200, WIDTH = 2 + JMI_GAPS };

typedef struct fixture {
    jm_recording *recording;
    jmi_calls calls;
    jmi_layout layout;
    jmi_track track;
    int64_t edge[CELLS + 1];
    double mean_w[CELLS];
    float seen[CELLS];
    uint8_t flags[CELLS];
} fixture;

/* Two layers in turns; cells of 0.1 s. */
static void set_up(fixture *f, bool counter) {
    uint64_t random = 1;
    *f = (fixture){.recording = recording_new()};
    add_device(f->recording, "gpu0", 400);
    for (double t = 0; t < 25;) {
        double a = random_between(&random, 0.01, 0.2), b = random_between(&random, 0.01, 0.2);
        add(f->recording, "a", t, t + a);
        add(f->recording, "b", t + a, t + a + b);
        t += a + b + random_between(&random, 0, 0.05);
    }
    f->calls = read(f->recording);
    assert_true(jmi_layout_make(&f->layout, &f->calls, JMI_MOST_CLASSES));
    assert_int_equal(f->layout.width, WIDTH);
    for (int i = 0; i <= CELLS; i++) f->edge[i] = at(0.5 + 0.1 * i);
    for (int i = 0; i < CELLS; i++) {
        f->mean_w[i] = random_between(&random, 100, 300);
        f->seen[i] = 0.25F;
    }
    f->track = (jmi_track){.count = CELLS,
                           .begin_ns = at(0),
                           .end_ns = at(21),
                           .edge = f->edge,
                           .mean_w = f->mean_w,
                           .period_ns = 1e8,
                           .window_ns = 1e8,
                           .cell_ns = 1e8,
                           .counter = counter};
}

static void tear_down(fixture *f) {
    jmi_layout_free(&f->layout);
    done(f->recording, &f->calls);
}

static void windows_of_readings(void **state) {
    (void)state;
    fixture f;
    int64_t a, b;
    set_up(&f, false);
    jmi_rows rows = {.layout = &f.layout, .track = &f.track};
    jmi_rows_window(&rows, 7, &a, &b);
    assert_true(a == f.edge[7] && b == f.edge[8]);
    f.track.seen = f.seen; /* the last part of a cell */
    jmi_rows_window(&rows, 7, &a, &b);
    assert_true(a == f.edge[8] - 25000000 && b == f.edge[8]);
    rows.shift_ns = 10e6; /* readings lie later than was thought: what they saw lies earlier */
    jmi_rows_window(&rows, 7, &a, &b);
    assert_true(a == f.edge[8] - 35000000 && b == f.edge[8] - 10000000);
    tear_down(&f);
}

/* Cells that are missing, or begin before the first poll, are none; others' shares are 1 in all. */
static void which_readings(void **state) {
    (void)state;
    fixture f;
    double x[WIDTH], y, weight;
    set_up(&f, false);
    f.track.flags = f.flags;
    f.flags[10] = JMI_CELL_MISSING;
    f.flags[20] = JMI_CELL_RESET;
    f.track.begin_ns = at(0.75); /* three begin before it */
    jmi_rows rows = {.layout = &f.layout, .track = &f.track};
    int count = 0;
    while (jmi_rows_next(&rows, x, &y, &weight)) {
        double sum = 0;
        for (size_t i = 0; i < WIDTH; i++) sum += x[i];
        close_to(sum, 1, 1e-9, "shares");
        close_to(y, f.mean_w[rows.cell - 1], 0, "reading");
        close_to(weight, 1, 0, "weight");
        assert_true(rows.cell - 1 != 10 && rows.cell - 1 != 20 && rows.cell - 1 >= 3);
        count++;
    }
    assert_int_equal(count, CELLS - 5);
    rows = (jmi_rows){.layout = &f.layout, .track = &f.track, .stride = 7};
    for (count = 0; jmi_rows_next(&rows, x, &y, &weight);) count++;
    assert_true(count <= CELLS / 7 + 1 && count >= CELLS / 7 - 3);
    tear_down(&f);
}

/* A counter's cell that lasts longer is known the better. */
static void weights_of_counters(void **state) {
    (void)state;
    fixture f;
    double x[WIDTH], y, weight;
    set_up(&f, true);
    for (int i = 50; i <= CELLS; i++) f.edge[i] += 200000000; /* cell 49: three times as long */
    jmi_rows rows = {.layout = &f.layout, .track = &f.track};
    while (jmi_rows_next(&rows, x, &y, &weight))
        close_to(weight, rows.cell - 1 == 49 ? 9 : 1, 1e-9, "weight");
    tear_down(&f);
}

/* Where ticks are known exactly sums are what they are; else less is made of the shares. */
static void sums(void **state) {
    (void)state;
    for (int counter = 0; counter < 2; counter++)
        for (int unsure = 0; unsure < 2; unsure++) {
            fixture f;
            jmi_normal n;
            jm_error error = {0};
            double xx[WIDTH][WIDTH] = {{0}}, xy[WIDTH] = {0}, x[WIDTH], y, weight, yy = 0;
            set_up(&f, counter);
            f.track.tick_u_ns = unsure ? 1e7 : 0;
            assert_true(jmi_normal_open(&n, &f.layout));
            assert_int_equal(jmi_normal_add(&n, &f.layout, &f.track, 0, &error), JM_OK);
            jmi_rows rows = {.layout = &f.layout, .track = &f.track};
            while (jmi_rows_next(&rows, x, &y, &weight)) {
                yy += weight * y * y;
                for (int i = 0; i < WIDTH; i++) {
                    xy[i] += weight * x[i] * y;
                    for (int k = 0; k < WIDTH; k++) xx[i][k] += weight * x[i] * x[k];
                }
            }
            assert_int_equal(n.rows, CELLS);
            close_to(n.yy, yy, 1e-9 * yy, "y'y");
            for (int i = 0; i < WIDTH; i++)
                for (int k = 0; k <= i && !unsure; k++)
                    close_to(n.xx[i * WIDTH + k], xx[i][k], 1e-9 * CELLS, "x'x");
            for (int i = 0; i < WIDTH && !unsure; i++) close_to(n.xy[i], xy[i], 1e-9 * yy, "x'y");
            for (int i = 0; i < 2 && unsure; i++) { /* of what varies, some is only error */
                double mean = n.x[i] / n.n, varies = xx[i][i] - mean * mean * n.n;
                double left = n.xx[i * WIDTH + i] - mean * mean * n.n;
                assert_true(left < varies && left > 0.5 * varies);
            }
            jmi_normal_close(&n);
            tear_down(&f);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_share_a_column), cmocka_unit_test(gaps_by_their_length),
        cmocka_unit_test(windows_of_readings),      cmocka_unit_test(which_readings),
        cmocka_unit_test(weights_of_counters),      cmocka_unit_test(sums),
    };
    return cmocka_run_group_tests_name("attribute: rows", tests, NULL, NULL);
}
