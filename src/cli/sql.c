#include "grid.h"
#include "options.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum sql_format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON } sql_format;

enum { ROWS_ALIGNED = 2000 }; /* a table's columns are as wide as the first rows need */

typedef struct printer {
    sql_format format;
    output out;
    grid table;
    char **names;
    bool *texts; /* columns that hold texts */
    size_t columns;
    uint64_t rows;
} printer;

static int take_names(printer *p, size_t columns, const jm_sql_value *values) {
    p->columns = columns;
    p->names = calloc(columns + 1, sizeof *p->names);
    p->texts = calloc(columns + 1, sizeof *p->texts);
    if (p->names == NULL || p->texts == NULL) return 1;
    for (size_t i = 0; i < columns; i++) p->names[i] = strdup(values[i].text);
    if (p->format == FORMAT_TABLE) grid_open(&p->table, columns);
    return 0;
}

static void csv_row(printer *p, const jm_sql_value *values) {
    for (size_t i = 0; i < p->columns; i++) {
        if (i > 0) output_append(&p->out, ",", 1);
        output_csv(&p->out, values[i].text == NULL ? "" : values[i].text);
    }
    output_append(&p->out, "\n", 1);
}

static void json_row(printer *p, const jm_sql_value *values) {
    output_add(&p->out, p->rows == 0 ? "\n  {" : ",\n  {");
    for (size_t i = 0; i < p->columns; i++) {
        if (i > 0) output_append(&p->out, ", ", 2);
        output_json(&p->out, p->names[i]);
        output_append(&p->out, ": ", 2);
        bool finite = values[i].real - values[i].real == 0; /* JSON knows no infinity */
        if (values[i].type == JM_SQL_INTEGER || (values[i].type == JM_SQL_REAL && finite))
            output_append(&p->out, values[i].text, values[i].length);
        else
            output_json(&p->out, values[i].type == JM_SQL_REAL ? NULL : values[i].text);
    }
    output_append(&p->out, "}", 1);
}

/* A column whose values are all numbers is aligned to the right. */
static void table_row(printer *p, const jm_sql_value *values, bool names) {
    const char **cells = calloc(p->columns + 1, sizeof *cells);
    for (size_t i = 0; cells != NULL && i < p->columns; i++) {
        cells[i] = values[i].text;
        if (!names) p->texts[i] |= values[i].type == JM_SQL_TEXT || values[i].type == JM_SQL_BLOB;
    }
    if (cells != NULL) grid_row(&p->table, cells);
    free(cells);
}

static void print_table(printer *p) {
    for (size_t c = 0; c < p->table.columns; c++)
        if (p->table.rows > 1 && !p->texts[c]) grid_right(&p->table, c);
    grid_write(&p->table, &p->out, terminal_width(STDOUT_FILENO),
               terminal_has_color(STDOUT_FILENO));
    grid_close(&p->table);
}

static int row(size_t columns, const jm_sql_value *values, void *user) {
    printer *p = user;
    if (p->names == NULL) {
        if (take_names(p, columns, values) != 0) return 1;
        if (p->format == FORMAT_JSON) return 0;
        if (p->format == FORMAT_CSV)
            csv_row(p, values);
        else
            table_row(p, values, true);
        return 0;
    }
    if (p->format == FORMAT_CSV) csv_row(p, values);
    if (p->format == FORMAT_JSON) json_row(p, values);
    if (p->format == FORMAT_TABLE) {
        table_row(p, values, false);
        if (p->table.rows == ROWS_ALIGNED) {
            print_table(p);
            grid_open(&p->table, p->columns);
        }
    }
    p->rows++;
    return p->out.errnum != 0;
}

static int query(const char *path, const char *text, sql_format format) {
    printer p = {.format = format};
    jm_error error = {0};
    output_open(&p.out);
    if (format == FORMAT_JSON) output_append(&p.out, "[", 1);
    int status = jm_sql(path, text, row, &p, &error);
    if (format == FORMAT_TABLE && p.names != NULL) print_table(&p);
    if (format == FORMAT_JSON) output_add(&p.out, p.rows == 0 ? "]\n" : "\n]\n");
    for (size_t i = 0; p.names != NULL && i < p.columns; i++) free(p.names[i]);
    free(p.names);
    free(p.texts);
    if (status != JM_OK && p.out.errnum == 0) {
        if (p.rows == 0) p.out.length = 0;
        output_close(&p.out, &cli_sql);
        return cli_fail_error(&cli_sql, &error);
    }
    return output_close(&p.out, &cli_sql);
}

static int run(int argc, char **argv) {
    bool json = false, csv = false;
    const cli_option options[] = {
        {'j', "json", OPTION_FLAG, &json, NULL, "an array of JSON objects", 0, 0, NULL},
        {'c', "csv", OPTION_FLAG, &csv, NULL, "CSV, also on a terminal", 0, 0, NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_sql, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (json && csv) return cli_fail(&cli_sql, CLI_USAGE, "choose one of --json and --csv");
    if (operands != 2)
        return cli_fail(&cli_sql, CLI_USAGE,
                        "a recording and one query in quotes are needed: "
                        "joulemeter sql FILE.jm 'SELECT ...'");
    sql_format format = json                            ? FORMAT_JSON
                        : csv || !isatty(STDOUT_FILENO) ? FORMAT_CSV
                                                        : FORMAT_TABLE;
    return query(argv[1], argv[2], format);
}

const cli_command cli_sql = {
    "sql",
    "[OPTIONS] FILE QUERY",
    "ask a recording with SQL",
    "The query can only read. On a terminal the answer is a table, in a pipe it is\n"
    "CSV. The views samples, ranges and marks have times in seconds;\n"
    "docs/recording.md describes the tables behind them.\n",
    "  joulemeter sql train.jm 'SELECT * FROM samples LIMIT 10'\n"
    "  joulemeter sql train.jm 'SELECT * FROM device'\n"
    "  joulemeter sql --json train.jm 'SELECT name, duration_s FROM ranges'\n",
    run};
