/* Runs for people to read. */
#include "grid.h"
#include "log.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A row by the names of its columns. */
typedef struct table {
    grid cells;
    char **names; /* NULL: they have not come yet */
    size_t columns;
    size_t rows;
    double overlapping; /* runs */
    bool partly;        /* a figure is known of some runs only */
    void (*row)(struct table *t, const jm_sql_value *values);
    output *out;
} table;

static const jm_sql_value *value(const table *t, const jm_sql_value *values, const char *name) {
    static const jm_sql_value nothing = {.type = JM_SQL_NULL};
    for (size_t i = 0; i < t->columns; i++)
        if (t->names[i] != NULL && strcmp(t->names[i], name) == 0) return &values[i];
    return &nothing;
}

static const char *text(const table *t, const jm_sql_value *values, const char *name) {
    const char *found = value(t, values, name)->text;
    return found != NULL ? found : "";
}

static double number(const table *t, const jm_sql_value *values, const char *name) {
    const jm_sql_value *found = value(t, values, name);
    return found->type == JM_SQL_NULL ? NAN : found->real;
}

static int take_row(size_t columns, const jm_sql_value *values, void *user) {
    table *t = user;
    if (t->names != NULL) {
        t->rows++;
        t->row(t, values);
        return t->out->errnum != 0;
    }
    t->columns = columns;
    t->names = calloc(columns + 1, sizeof *t->names);
    if (t->names == NULL) return 1;
    for (size_t i = 0; i < columns; i++) t->names[i] = strdup(values[i].text);
    return 0;
}

static void close_table(table *t) {
    for (size_t i = 0; t->names != NULL && i < t->columns; i++) free(t->names[i]);
    free(t->names);
}

static int read_rows(log_job *job, jm_log_view view, table *t) {
    t->out = &job->out;
    return jm_log_rows(job->path, view, &job->filter, take_row, t, &job->error);
}

const char *log_time_text(double unix_s, const char *form, char *out, size_t size) {
    out[0] = '\0';
    if (!(unix_s > -1e13 && unix_s < 1e13)) return out; /* nor is it known where it is NaN */
    time_t seconds = (time_t)unix_s;
    struct tm parts;
    if (localtime_r(&seconds, &parts) != NULL) strftime(out, size, form, &parts);
    return out;
}

/* "3.2 s", "14 min", "2.1 h" */
static const char *duration(double seconds, char *out, size_t size) {
    if (!(seconds - seconds == 0))
        snprintf(out, size, "-");
    else if (seconds < 100)
        jm_value_text(seconds, NAN, "s", out, size);
    else if (seconds < 6000)
        snprintf(out, size, "%.0f min", seconds / 60);
    else
        snprintf(out, size, "%.1f h", seconds / 3600);
    return out;
}

/* Joules of a run, watt-hours of many; of some only bounds are known. */
static void energy(const table *t, const jm_sql_value *v, bool bounded, bool hours, char out[96]) {
    double scale = hours ? 3600 : 1, upper = number(t, v, "energy_upper_j");
    const char *unit = hours ? "Wh" : "J";
    if (bounded)
        jm_bounds_text(number(t, v, "energy_lower_j") / scale,
                       upper - upper == 0 ? upper / scale : INFINITY, unit, out, 96);
    else
        jm_value_text(number(t, v, "energy_j") / scale, number(t, v, "energy_u95_j") / scale, unit,
                      out, 96);
}

static void carbon(const table *t, const jm_sql_value *v, bool bounded, char out[96]) {
    double upper = number(t, v, "co2_upper_g");
    if (bounded && value(t, v, "co2_g")->type != JM_SQL_NULL)
        jm_bounds_text(number(t, v, "co2_lower_g"), upper - upper == 0 ? upper : INFINITY, "gCO2e",
                       out, 96);
    else
        jm_value_text(number(t, v, "co2_g"), NAN, "gCO2e", out, 96);
}

/* ---- the list ---- */

static void list_row(table *t, const jm_sql_value *v) {
    char when[32], took[32], used[96], emitted[96], done[200];
    bool bounded = strstr(text(t, v, "provenance"), "bound only") != NULL;
    const char *what = text(t, v, "command");
    if (what[0] == '\0') what = text(t, v, "algorithm");
    const char *outcome = text(t, v, "outcome");
    bool good = outcome[0] == '\0' || strcmp(outcome, "ok") == 0;
    snprintf(done, sizeof done, good ? "%.190s" : "%.120s (%.70s)", what, outcome);
    energy(t, v, bounded, false, used);
    carbon(t, v, bounded, emitted);
    const char *const cells[] = {
        text(t, v, "id"),
        log_time_text(number(t, v, "begin_unix_s"), "%Y-%m-%d", when, sizeof when),
        text(t, v, "project"),
        done,
        duration(number(t, v, "duration_s"), took, sizeof took),
        used,
        emitted,
    };
    grid_row(&t->cells, cells);
}

static int nothing_there(log_job *job) {
    output_add(&job->out, "No runs are logged%s: joulemeter run --log -- COMMAND logs one.\n",
               job->filter.project != NULL || job->filter.tag != NULL ||
                       job->filter.since_unix_s != 0 || job->filter.until_unix_s != 0
                   ? " that meet this"
                   : "");
    return JM_OK;
}

int log_list(log_job *job) {
    enum { USUALLY = 50 };
    static const char *const header[] = {"run",  "began",  "project", "what",
                                         "time", "energy", "carbon"};
    table t = {.row = list_row};
    if (job->filter.last == 0) job->filter.last = USUALLY;
    grid_open(&t.cells, CLI_COUNT(header));
    grid_row(&t.cells, header);
    int status = read_rows(job, JM_LOG_ALL, &t);
    for (size_t c = 4; c < 7; c++) grid_right(&t.cells, c);
    grid_right(&t.cells, 0);
    if (status == JM_OK && t.rows == 0) status = nothing_there(job);
    if (t.rows > 0)
        grid_write(&t.cells, &job->out, terminal_width(STDOUT_FILENO),
                   terminal_has_color(STDOUT_FILENO));
    if (t.rows == USUALLY && job->filter.last == USUALLY)
        output_add(&job->out, "These are the latest %d: --last N shows more.\n", USUALLY);
    grid_close(&t.cells);
    close_table(&t);
    return status;
}

/* ---- one run ---- */

static const char *shown(const jm_sql_value *v, bool is_time, char *when, size_t size) {
    if (is_time && v->type == JM_SQL_REAL &&
        log_time_text(v->real, "%Y-%m-%d %H:%M:%S here", when, size)[0] != '\0')
        return when;
    return v->text != NULL ? v->text : "-";
}

static void fill_values(grid *cells, const table *t, const jm_sql_value *v, size_t columns) {
    static const char *const header[] = {"column", "value", "meaning"};
    const char *const id[] = {"id", v[0].text, "number of the run"};
    grid_open(cells, columns);
    grid_row(cells, header);
    grid_row(cells, id);
    for (size_t i = 1; i < t->columns; i++) {
        jm_log_column column = {.size = sizeof column};
        char when[80];
        if (jm_log_column_at((uint32_t)i - 1, &column) != JM_OK) continue;
        const char *const row[] = {t->names[i], shown(&v[i], i == 1, when, sizeof when),
                                   column.meaning};
        grid_row(cells, row);
    }
}

/* What is kept is shown whole: without its meaning where both do not fit, and over the edge. */
static void show_row(table *t, const jm_sql_value *v) {
    size_t width = isatty(STDOUT_FILENO) || getenv("COLUMNS") != NULL
                       ? terminal_width(STDOUT_FILENO)
                       : SIZE_MAX;
    if (t->rows > 1) output_add(t->out, "\n");
    fill_values(&t->cells, t, v, 3);
    if (grid_width(&t->cells) > width) {
        grid_close(&t->cells);
        fill_values(&t->cells, t, v, 2);
    }
    grid_write(&t->cells, t->out, grid_width(&t->cells), terminal_has_color(STDOUT_FILENO));
    grid_close(&t->cells);
}

int log_show(log_job *job) {
    table t = {.row = show_row};
    int status = read_rows(job, JM_LOG_ALL, &t);
    if (status == JM_OK && t.rows == 0 && job->filter.id != 0) {
        snprintf(job->error.message, sizeof job->error.message,
                 "there is no run %lld in the logbook", (long long)job->filter.id);
        status = job->error.status = JM_NOT_FOUND;
    } else if (status == JM_OK && t.rows == 0) {
        status = nothing_there(job);
    }
    close_table(&t);
    return status;
}

/* ---- totals ---- */

/* "12 Wh (3 of 5)": of how many of the runs that is. */
static void add_known(table *t, const jm_sql_value *v, const char *without, char out[96]) {
    double runs = number(t, v, "runs"), known = runs - number(t, v, without);
    if (!(known > 0 && known < runs)) return;
    size_t used = strlen(out);
    snprintf(out + used, 96 - used, " (%.0f of %.0f)", known, runs);
    t->partly = true;
}

/* Where bounds alone are known there is no figure; older rows have no bounds of the cost. */
static void cost_bounds(const table *t, const jm_sql_value *v, const char *currency, char out[96]) {
    double lower = number(t, v, "cost_lower"), upper = number(t, v, "cost_upper");
    const char *between = currency[0] != '\0' ? " " : "";
    if (upper - upper == 0)
        snprintf(out, 96, "%.2g to %.2g%s%.20s", lower, upper, between, currency);
    else if (lower - lower == 0)
        snprintf(out, 96, "%.2g%s%.20s or more", lower, between, currency);
    else
        snprintf(out, 96, "-");
}

static void cost(table *t, const jm_sql_value *v, bool bounded, char out[96]) {
    const char *currency = text(t, v, "currency");
    out[0] = '\0';
    if (number(t, v, "currencies") > 1)
        snprintf(out, 96, "in %s currencies", text(t, v, "currencies"));
    else if (bounded && value(t, v, "cost")->type != JM_SQL_NULL)
        cost_bounds(t, v, currency, out);
    else if (value(t, v, "cost")->type != JM_SQL_NULL)
        snprintf(out, 96, "%.3g%s%.20s", number(t, v, "cost"), currency[0] != '\0' ? " " : "",
                 currency);
    if (out[0] != '\0') add_known(t, v, "without_cost", out);
}

static void totals_row(table *t, const jm_sql_value *v) {
    char took[32], used[96], emitted[96], between[96], money[96];
    bool bounded = number(t, v, "bounded") > 0;
    const char *group = v[0].text;
    energy(t, v, bounded, true, used);
    carbon(t, v, bounded, emitted);
    add_known(t, v, "without_energy", used);
    add_known(t, v, "without_co2", emitted);
    cost(t, v, bounded, money);
    snprintf(between, sizeof between, "bounds");
    if (!bounded)
        jm_interval_text(number(t, v, "co2_lower_g"), number(t, v, "co2_upper_g"), "gCO2e", between,
                         sizeof between);
    t->overlapping += number(t, v, "overlapping");
    const char *const cells[] = {
        group != NULL ? group : "-",
        text(t, v, "runs"),
        duration(number(t, v, "time_s"), took, sizeof took),
        used,
        emitted,
        between,
        money,
    };
    grid_row(&t->cells, cells);
}

static void say_of_totals(const table *t) {
    if (t->partly) output_add(t->out, "(3 of 5): the sum of the 3 runs of which it is known.\n");
    if (t->overlapping > 0)
        output_add(
            t->out,
            "%.0f runs overlap in time on one machine: what they used together is in each.\n",
            t->overlapping);
}

int log_totals(log_job *job, jm_log_view view) {
    enum { COLUMNS = 7 }; /* as many as a row of totals has */
    const char *const header[COLUMNS] = {view == JM_LOG_MONTHS ? "month" : "project",
                                         "runs",
                                         "time",
                                         "energy",
                                         "carbon",
                                         "(95 %)",
                                         "cost"};
    table t = {.row = totals_row};
    grid_open(&t.cells, COLUMNS);
    grid_row(&t.cells, header);
    int status = read_rows(job, view, &t);
    for (size_t c = 1; c < 7; c++) grid_right(&t.cells, c);
    if (status == JM_OK && t.rows == 0) status = nothing_there(job);
    if (t.rows > 0)
        grid_write(&t.cells, &job->out, terminal_width(STDOUT_FILENO),
                   terminal_has_color(STDOUT_FILENO));
    say_of_totals(&t);
    grid_close(&t.cells);
    close_table(&t);
    return status;
}
