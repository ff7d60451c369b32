/* An estimate, for people. */
#include "estimate.h"

#include "grid.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_words[JM_POWER_KINDS] = {"min", "average", "peak"};

/* "152 W (108-196 W)" */
static void power_text(const jm_estimated *p, char *text, size_t size) {
    char interval[64];
    if (isnan(p->power_w)) {
        snprintf(text, size, "-");
        return;
    }
    if (isnan(p->lower_w)) {
        snprintf(text, size, "%.0f W", p->power_w);
        return;
    }
    jm_interval_text(p->lower_w, p->upper_w, "W", interval, sizeof interval);
    snprintf(text, size, "%.0f W (%s)", p->power_w, interval);
}

static void energy_text(const jm_estimated *p, char *text, size_t size) {
    char value[64];
    if (isnan(p->energy_j))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%s", jm_value_text(p->energy_j, NAN, "J", value, sizeof value));
}

enum { COLUMNS = 7 + JM_POWER_KINDS };

/* What kernels have to be told apart by, besides their names. */
typedef struct origins {
    bool processes, gpus;
    bool boards; /* of several names */
} origins;

static const char *board_name(const estimate_view *v, uint32_t index) {
    jm_board board = {.size = sizeof board, .name = ""};
    jm_estimate_board(v->estimate, index, &board);
    return board.name;
}

static origins origins_of(const estimate_view *v) {
    origins o = {false, false, false};
    jm_profile_kernel first = {.size = sizeof first};
    jm_profile_get(v->profile, 0, &first);
    for (uint32_t i = 1; i < jm_profile_kernel_count(v->profile); i++) {
        jm_profile_kernel k = {.size = sizeof k};
        jm_profile_get(v->profile, i, &k);
        o.processes |= k.pid != first.pid || strcmp(k.process, first.process) != 0;
        o.gpus |= strcmp(k.gpu, first.gpu) != 0;
        o.boards |= strcmp(board_name(v, i), board_name(v, 0)) != 0;
    }
    return o;
}

static void process_text(const jm_profile_kernel *kernel, char *text, size_t size) {
    const char *slash = strrchr(kernel->process, '/');
    const char *name = slash != NULL ? slash + 1 : kernel->process;
    if (kernel->pid >= 0)
        snprintf(text, size, "%.40s (%lld)", name, (long long)kernel->pid);
    else
        snprintf(text, size, "%.40s", name);
}

/* Kinds that a kernel has an estimate of its own for. */
static bool kind_of_kernel(const estimate_view *v, int kind) {
    jm_power_errors errors = {.size = sizeof errors};
    jm_power_model_errors(v->model, (jm_power_kind)kind, &errors);
    bool shown = v->kinds[kind] && errors.trained;
    /* Where only means are known, they stand for the rest. */
    return shown || kind == JM_POWER_AVERAGE;
}

static void add_kernel(const estimate_view *v, grid *table, const origins *by, uint32_t index) {
    jm_profile_kernel kernel = {.size = sizeof kernel};
    char launches[32], seconds[64], energy[64], powers[JM_POWER_KINDS][96];
    char process[80];
    const char *cells[COLUMNS] = {0};
    size_t c = 0;
    jm_profile_get(v->profile, index, &kernel);
    snprintf(launches, sizeof launches, "%llu", (unsigned long long)kernel.launches);
    cells[c++] = kernel.kernel;
    if (by->processes) {
        process_text(&kernel, process, sizeof process);
        cells[c++] = process;
    }
    if (by->gpus) cells[c++] = kernel.gpu;
    if (by->boards) cells[c++] = board_name(v, index);
    cells[c++] = launches;
    cells[c++] = jm_value_text(kernel.duration_s, NAN, "s", seconds, sizeof seconds);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        jm_estimated p = {.size = sizeof p};
        if (!kind_of_kernel(v, kind)) continue;
        jm_estimate_kernel(v->estimate, index, (jm_power_kind)kind, &p);
        power_text(&p, powers[kind], sizeof powers[kind]);
        cells[c++] = powers[kind];
        if (kind == JM_POWER_AVERAGE) energy_text(&p, energy, sizeof energy);
    }
    cells[c] = energy;
    grid_row(table, cells);
}

/* Kernels by their time, longest first. */
typedef struct entry {
    uint32_t index;
    double seconds;
} entry;

static int by_time(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void show_kernels(const estimate_view *v, output *out) {
    uint32_t count = jm_profile_kernel_count(v->profile);
    entry *order = calloc(count, sizeof *order);
    const char *header[COLUMNS] = {"kernel"};
    size_t c = 1;
    grid table;
    origins by = origins_of(v);
    if (order == NULL) return;
    for (uint32_t i = 0; i < count; i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_profile_get(v->profile, i, &kernel);
        order[i] = (entry){i, isnan(kernel.duration_s) ? 0 : kernel.duration_s};
    }
    qsort(order, count, sizeof *order, by_time);
    if (by.processes) header[c++] = "process";
    if (by.gpus) header[c++] = "gpu";
    if (by.boards) header[c++] = "board";
    size_t texts = c;
    header[c++] = "launches";
    header[c++] = "time";
    for (int kind = 0; kind < JM_POWER_KINDS; kind++)
        if (kind_of_kernel(v, kind))
            header[c++] = kind == JM_POWER_AVERAGE ? "power" : kind_words[kind];
    header[c++] = "energy";
    grid_open(&table, c);
    for (size_t i = texts; i < c; i++) grid_right(&table, i);
    grid_row(&table, header);
    uint32_t shown = count < v->top ? count : v->top;
    for (uint32_t i = 0; i < shown; i++) add_kernel(v, &table, &by, order[i].index);
    grid_write(&table, out, terminal_width(STDOUT_FILENO), terminal_has_color(STDOUT_FILENO));
    grid_close(&table);
    if (count > shown) output_add(out, "... and %u more\n", count - shown);
    free(order);
}

static void show_program(const estimate_view *v, output *out) {
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        jm_estimated p = {.size = sizeof p};
        char power[96], energy[64];
        if (!v->kinds[kind]) continue;
        jm_estimate_program(v->estimate, (jm_power_kind)kind, &p);
        power_text(&p, power, sizeof power);
        output_add(out, "%-8s %s", kind_words[kind], power);
        if (!isnan(p.energy_j)) {
            energy_text(&p, energy, sizeof energy);
            char interval[64];
            output_add(out, ", %s (%s) in kernels", energy,
                       jm_interval_text(p.lower_j, p.upper_j, "J", interval, sizeof interval));
        }
        output_add(out, "\n");
    }
}

static void note(output *out, const char *format, ...) CLI_PRINTF(2, 3);
static void note(output *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    grid_add_sentence(out, terminal_width(STDOUT_FILENO), "", "", format, args);
    va_end(args);
}

/* What was in the file, and is in no figure. */
static void show_losses(const jm_profile *profile, output *out) {
    jm_profile_losses lost = {.size = sizeof lost};
    jm_profile_lost(profile, &lost);
    if (lost.broken_rows > 0)
        note(
            out,
            "! Rows of the table that cannot be read: %llu, the first in line %llu. Their launches "
            "are left out. Did the program print into them? ncu --log-file keeps the two apart.",
            (unsigned long long)lost.broken_rows, (unsigned long long)lost.broken_line);
    if (lost.foreign_lines > 0)
        note(out, "Lines that are none of the table's: %llu, the first is line %llu.",
             (unsigned long long)lost.foreign_lines, (unsigned long long)lost.foreign_line);
}

/* The first board that the profile does not name. */
static const char *assumed_board(const estimate_view *v) {
    for (uint32_t i = 0; i < jm_profile_kernel_count(v->profile); i++) {
        jm_estimated p = {.size = sizeof p};
        jm_estimate_kernel(v->estimate, i, JM_POWER_AVERAGE, &p);
        if (p.flags & JM_ESTIMATE_BOARD_ASSUMED) return board_name(v, i);
    }
    return "";
}

/* --gpu may contradict the profile. */
static void show_contradiction(const estimate_view *v, output *out) {
    for (uint32_t i = 0; v->names_board && i < jm_profile_kernel_count(v->profile); i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_board told = {.size = sizeof told};
        jm_profile_get(v->profile, i, &kernel);
        if (jm_board_find(kernel.device, &told, NULL) != JM_OK ||
            strcmp(told.name, board_name(v, i)) == 0)
            continue;
        note(out,
             "! The profile says that it was made on a %s, --gpu names the %s: this is what "
             "the latter would draw if the counters were its own.",
             told.name, board_name(v, i));
        return;
    }
}

static void show_flags(const estimate_view *v, output *out) {
    jm_estimated average = {.size = sizeof average}, shown = {.size = sizeof shown};
    jm_power_model_info info = {.size = sizeof info};
    jm_estimate_program(v->estimate, JM_POWER_AVERAGE, &average);
    uint32_t flags = average.flags;
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        jm_estimate_program(v->estimate, (jm_power_kind)kind, &shown);
        if (v->kinds[kind]) flags |= shown.flags;
    }
    jm_power_model_get(v->model, &info);
    if (flags & JM_ESTIMATE_OUTSIDE)
        note(out, "! Outside of what the model was trained on, interval widened: %s.",
             average.outside);
    if (flags & JM_ESTIMATE_OTHER_BOARD)
        note(out,
             "! The model is of a %s, carried over by published limits, which nothing has "
             "checked; interval widened. joulemeter estimate train makes one of this board.",
             info.board);
    if (flags & JM_ESTIMATE_APPROXIMATE)
        note(out, "! Some counters are missing: others stand for them, interval widened. A profile "
                  "with all of them is made with -a, or with ncu --page raw.");
    if (flags & JM_ESTIMATE_UNWEIGHTED)
        note(out, "! The profile has no durations (gpu__time_duration.sum): every launch counts "
                  "alike, and there is no energy.");
    if (flags & JM_ESTIMATE_UNTIMED)
        note(out, "! Some launches have no duration (gpu__time_duration.sum): they do not count.");
    if (flags & JM_ESTIMATE_INCOMPLETE)
        note(out, "! Metrics are missing, so these kernels have no estimate and are left out: %s.",
             average.missing);
    if (flags & JM_ESTIMATE_IMPOSSIBLE)
        note(out,
             "! More than the board can do, so a counter, its unit or the board is wrong (--gpu "
             "names the board): %s.",
             average.impossible);
    if (flags & JM_ESTIMATE_BOARD_ASSUMED)
        note(out,
             "! The profile does not name its board: it is taken for a %s, interval widened. --gpu "
             "names it.",
             assumed_board(v));
    if (origins_of(v).gpus)
        note(out, "Kernels ran on several GPUs: watts are those of one GPU while it runs kernels, "
                  "joules those of all together.");
    if (flags & JM_ESTIMATE_BY_KERNELS)
        note(out, "The model knows means only: min and peak are the least and the most of the "
                  "kernels' means. How far from that the board goes is not known, so they have no "
                  "interval.");
    if (v->temperature != 0 &&
        isnan(jm_power_model_watts(v->model, JM_POWER_AVERAGE, JM_ACTIVITY_TEMPERATURE)))
        note(out, "! The model does not know the temperature: --temperature changes nothing.");
    if (v->timed_out)
        note(out, "! The program was ended after %g s: what it did later is not in it.",
             v->seconds);
}

/* What its 95 % rests on. */
static void show_interval(const jm_power_errors *e, output *out) {
    unsigned held = (unsigned)(e->covered_pct / 100 * e->rows + 0.5);
    if (e->sure_pct < 95)
        note(
            out,
            "its 95 %% interval held %u of %u kernels whose program was left out; %u programs bear "
            "out %.1f %%, the rest is a normal tail",
            held, e->rows, e->programs, e->sure_pct);
    else
        note(out, "its 95 %% interval held %u of %u kernels whose program was left out", held,
             e->rows);
}

int estimate_show(const estimate_view *v) {
    jm_power_model_info info = {.size = sizeof info};
    jm_power_errors errors = {.size = sizeof errors};
    output out;
    output_open(&out);
    jm_power_model_get(v->model, &info);
    jm_power_model_errors(v->model, JM_POWER_AVERAGE, &errors);
    output_add(&out, "%s, estimated from counters\n",
               origins_of(v).boards ? "several boards" : board_name(v, 0));
    output_add(&out, "model of a %s: %.1f %% off on programs it had not seen\n", info.board,
               errors.program_pct);
    note(&out, "trained on %s", info.source);
    show_interval(&errors, &out);
    output_add(&out, "\n");
    show_kernels(v, &out);
    output_add(&out, "\n");
    show_program(v, &out);
    show_contradiction(v, &out);
    show_flags(v, &out);
    show_losses(v->profile, &out);
    output_add(&out, "\nWritten: %s%sextracted_features.csv, predictions.csv\n",
               v->folder != NULL ? v->folder : "", v->folder != NULL ? "/" : "");
    return output_close(&out, v->command);
}
