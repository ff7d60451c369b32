/* Against an external power meter: NVML readings of a real A100 under a square wave of 50 ms. */
#include "helpers.h"

enum { COLUMNS = 8, MOST_ROWS = 200000 };

typedef struct table {
    size_t count;
    double (*row)[COLUMNS];
} table;

static const char *folder(void) {
    const char *set = getenv("JOULEMETER_SHARED_DATA");
    return set != NULL ? set : SOURCE_ROOT "/../shared/data";
}

static bool read_row(char *line, double row[COLUMNS]) {
    char *at_text = line;
    bool number = false;
    for (int c = 0; c < COLUMNS; c++) {
        char *end;
        row[c] = strtod(at_text, &end);
        if (c == 0) number = end != at_text;
        if (end == at_text) row[c] = NAN;
        at_text += strcspn(at_text, ",\n");
        if (*at_text == ',') at_text++;
    }
    return number;
}

/* Rows that begin with a number. */
static table read_table(const char *name) {
    table t = {.row = calloc(MOST_ROWS, sizeof *t.row)};
    char command[700], line[512];
    snprintf(command, sizeof command, "gzip -dcf '%s/sensor-truth/a100-square-wave/%s' 2>/dev/null",
             folder(), name);
    FILE *in = popen(command, "r");
    while (in != NULL && t.count < MOST_ROWS && fgets(line, sizeof line, in) != NULL)
        t.count += read_row(line, t.row[t.count]);
    if (in != NULL) pclose(in);
    return t;
}

typedef struct board {
    jm_recording *with, *without; /* activity */
    table meter;
    double from_s, to_s;
} board;

static jm_recording *recording_of(const table *nvml, const table *edges, bool ranges) {
    jm_recording *r = recording_new();
    uint32_t device = add_device(r, "gpu0", 300), sensor;
    jm_sensor power = {.size = sizeof power,
                       .device = device,
                       .quantity = JM_QUANTITY_POWER,
                       .source = "trace",
                       .refresh_ns = 100000000,
                       .window_ns = 25000000,
                       .quantum = 0.01};
    assert_int_equal(jm_recording_add_sensor(r, &power, &sensor, NULL), JM_OK);
    for (size_t i = 0; i < nvml->count; i++) {
        double t = nvml->row[i][0] * 1e-3, value = nvml->row[i][6];
        double before = i > 0 ? nvml->row[i - 1][0] * 1e-3 : t;
        bool changed = i > 0 && value != nvml->row[i - 1][6];
        add_sample(r, sensor, t, value, t - before, changed ? JM_SAMPLE_CHANGED : 0);
    }
    double edge = -1, on = -1;
    for (size_t i = 0; ranges && i < edges->count; i++) {
        if (edges->row[i][0] == edge) continue; /* both sides of an edge are listed */
        edge = edges->row[i][0];
        if (on < 0) {
            on = edge;
        } else {
            add_range(r, JM_CATEGORY_BATCH, "load", on * 1e-3, edge * 1e-3);
            on = -1;
        }
    }
    return r;
}

static double meter_energy(const table *meter, double from_s, double to_s) {
    double joules = 0;
    for (size_t i = 0; i + 1 < meter->count && meter->row[i][0] * 1e-3 < to_s; i++) {
        double a = fmax(meter->row[i][0] * 1e-3, from_s);
        double b = fmin(meter->row[i + 1][0] * 1e-3, to_s);
        if (b > a) joules += (meter->row[i][1] + meter->row[i + 1][1]) / 2 * (b - a);
    }
    return joules;
}

static int read_board(void **state) {
    static board b;
    table nvml = read_table("nvml.csv"), edges = read_table("load_edges.csv");
    b.meter = read_table("meter.csv.gz");
    if (nvml.count > 0 && edges.count > 0 && b.meter.count > 0) {
        b.with = recording_of(&nvml, &edges, true);
        b.without = recording_of(&nvml, &edges, false);
        b.from_s = edges.row[0][0] * 1e-3;
        b.to_s = edges.row[edges.count - 1][0] * 1e-3;
    }
    free(nvml.row);
    free(edges.row);
    *state = &b;
    return 0;
}

static int free_board(void **state) {
    board *b = *state;
    jm_recording_free(b->with);
    jm_recording_free(b->without);
    free(b->meter.row);
    return 0;
}

typedef struct score {
    double error_pct, inside_pct, width_pct;
} score;

static score judge(const board *b, const jm_recording *r, double length_s) {
    enum { WINDOWS = 200 };
    static jm_window windows[WINDOWS];
    static jm_energy out[WINDOWS];
    score sum = {0, 0, 0};
    for (int i = 0; i < WINDOWS; i++) {
        double t = b->from_s + (b->to_s - b->from_s - length_s) * fmod(i * 0.6180339887498949, 1);
        windows[i] = (jm_window){at(t), at(t + length_s)};
    }
    energies_of(r, 0, windows, WINDOWS, out);
    for (int i = 0; i < WINDOWS; i++) {
        double truth = meter_energy(&b->meter, (double)(windows[i].begin_ns - T0) * 1e-9,
                                    (double)(windows[i].end_ns - T0) * 1e-9);
        sum.error_pct += fabs(out[i].energy_j / truth - 1) * 100 / WINDOWS;
        sum.inside_pct += (truth >= out[i].lower_j && truth <= out[i].upper_j) * 100.0 / WINDOWS;
        sum.width_pct += out[i].u95_j / truth * 100 / WINDOWS;
    }
    return sum;
}

static const board *board_or_skip(void **state) {
    const board *b = *state;
    if (b->with == NULL) {
        print_message("skipped: no measured data in %s (JOULEMETER_SHARED_DATA)\n", folder());
        skip();
    }
    return b;
}

static void with_activity_only_the_gain_is_left(void **state) {
    const board *b = board_or_skip(state);
    static const double lengths_s[] = {0.05, 0.1, 0.25, 0.5, 1, 3};
    for (size_t i = 0; i < JMI_COUNT(lengths_s); i++) {
        score s = judge(b, b->with, lengths_s[i]);
        print_message("%4.0f ms: error %.2f %%, %.1f %% inside, u95 %.1f %%\n", lengths_s[i] * 1e3,
                      s.error_pct, s.inside_pct, s.width_pct);
        if (!(s.error_pct <= 6)) fail_msg("%g s: error %.2f %%", lengths_s[i], s.error_pct);
        if (!(s.inside_pct >= 93)) fail_msg("%g s: %.1f %% inside", lengths_s[i], s.inside_pct);
        if (lengths_s[i] >= 1) assert_true(s.width_pct < 15); /* and not by being wide */
    }
}

static void without_activity_the_interval_says_so(void **state) {
    const board *b = board_or_skip(state);
    static const double lengths_s[] = {0.05, 0.25, 1, 3};
    for (size_t i = 0; i < JMI_COUNT(lengths_s); i++) {
        score blind = judge(b, b->without, lengths_s[i]), told = judge(b, b->with, lengths_s[i]);
        if (!(blind.inside_pct >= 93))
            fail_msg("%g s: %.1f %% inside", lengths_s[i], blind.inside_pct);
        assert_true(blind.width_pct > 2 * told.width_pct);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_activity_only_the_gain_is_left),
        cmocka_unit_test(without_activity_the_interval_says_so),
    };
    return cmocka_run_group_tests(tests, read_board, free_board);
}
