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
    double unknown; /* runs whose energy is not known */
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

static const char *local_time(double unix_s, const char *form, char *out, size_t size) {
    time_t seconds = (time_t)unix_s;
    struct tm parts;
    out[0] = '\0';
    if (unix_s - unix_s == 0 && localtime_r(&seconds, &parts) != NULL)
        strftime(out, size, form, &parts);
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

/* Joules of a run, watt-hours of many. */
static const char *energy(double joules, double u95, bool hours, char *out, size_t size) {
    double scale = hours ? 3600 : 1;
    return jm_value_text(joules / scale, u95 / scale, hours ? "Wh" : "J", out, size);
}

/* ---- the list ---- */

static void list_row(table *t, const jm_sql_value *v) {
    char when[32], took[32], used[64], carbon[64], done[200];
    const char *what = text(t, v, "command");
    if (what[0] == '\0') what = text(t, v, "algorithm");
    const char *outcome = text(t, v, "outcome");
    bool good = outcome[0] == '\0' || strcmp(outcome, "ok") == 0;
    snprintf(done, sizeof done, good ? "%.190s" : "%.120s (%.70s)", what, outcome);
    const char *const cells[] = {
        text(t, v, "id"),
        local_time(number(t, v, "begin_unix_s"), "%Y-%m-%d", when, sizeof when),
        text(t, v, "project"),
        done,
        duration(number(t, v, "duration_s"), took, sizeof took),
        energy(number(t, v, "energy_j"), number(t, v, "energy_u95_j"), false, used, sizeof used),
        jm_value_text(number(t, v, "co2_g"), NAN, "gCO2e", carbon, sizeof carbon),
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

enum { WIDE = 110 }; /* so that what columns mean stands beside them */

static void show_row(table *t, const jm_sql_value *v) {
    static const char *const header[] = {"column", "value", "meaning"};
    uint32_t width = terminal_width(STDOUT_FILENO);
    if (t->rows > 1) output_add(t->out, "\n");
    grid_open(&t->cells, width >= WIDE ? 3 : 2);
    grid_row(&t->cells, header);
    const char *const id[] = {"id", v[0].text, "number of the run"};
    grid_row(&t->cells, id);
    for (size_t i = 1; i < t->columns; i++) {
        jm_log_column column = {.size = sizeof column};
        if (jm_log_column_at((uint32_t)i - 1, &column) != JM_OK) continue;
        char when[80];
        bool is_time = i == 1 && v[i].type == JM_SQL_REAL;
        if (is_time) local_time(v[i].real, "%Y-%m-%d %H:%M:%S here", when, sizeof when);
        const char *shown = is_time && when[0] != '\0' ? when : v[i].text;
        const char *const cells[] = {t->names[i], shown != NULL ? shown : "-", column.meaning};
        grid_row(&t->cells, cells);
    }
    grid_write(&t->cells, t->out, width, terminal_has_color(STDOUT_FILENO));
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

static void totals_row(table *t, const jm_sql_value *v) {
    char took[32], used[64], carbon[64], between[64], cost[64] = "";
    double g = number(t, v, "co2_g");
    const char *group = v[0].text;
    jm_value_text(g, NAN, "gCO2e", carbon, sizeof carbon);
    jm_interval_text(number(t, v, "co2_lower_g"), number(t, v, "co2_upper_g"), "gCO2e", between,
                     sizeof between);
    if (value(t, v, "cost")->type != JM_SQL_NULL)
        snprintf(cost, sizeof cost, "%.3g%s%s", number(t, v, "cost"),
                 text(t, v, "currency")[0] != '\0' ? " " : "", text(t, v, "currency"));
    t->unknown += number(t, v, "without_energy");
    const char *const cells[] = {
        group != NULL ? group : "-",
        text(t, v, "runs"),
        duration(number(t, v, "time_s"), took, sizeof took),
        energy(number(t, v, "energy_j"), number(t, v, "energy_u95_j"), true, used, sizeof used),
        carbon,
        between,
        cost,
    };
    grid_row(&t->cells, cells);
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
    if (t.unknown > 0)
        output_add(&job->out, "Of %.0f run%s the energy is not known; %s in no sum.\n", t.unknown,
                   t.unknown == 1 ? "" : "s", t.unknown == 1 ? "it is" : "they are");
    grid_close(&t.cells);
    close_table(&t);
    return status;
}
