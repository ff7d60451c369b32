/* Rows of a benchmark: a name, a value, and what it should be. They are printed as a table and, on
 * request, written as JSON. Used by bench/ and accuracy/.
 *
 *     rows *all = rows_open("jm-bench", argc, argv);        --only PATTERN, --json FILE
 *     if (rows_want(all, "range begin"))
 *         rows_add(all, &(row){.name = "range begin", .value = 31, .unit = "ns",
 *                              .goal = ROW_AT_MOST, .target = 50});
 *     return rows_close(all);
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stdbool.h>

typedef enum row_goal {
    ROW_NO_GOAL = 0, /* a fact */
    ROW_AT_MOST,
    ROW_AT_LEAST,
    ROW_WITHIN /* between target and target_high */
} row_goal;

typedef struct row {
    const char *name;
    double value;
    const char *unit;
    row_goal goal;
    double target;
    double target_high; /* ROW_WITHIN */
    double baseline;    /* the same quantity of what it is compared with */
    const char *beside; /* what that is; NULL: there is no baseline */
    double of;          /* cases that a share is of; 0: it is none */
} row;

typedef struct rows rows;

/* Reads --only and --json; a wrong argument, and --help, end the program with a sentence. */
rows *rows_open(const char *program, int argc, char **argv);
/* Whether --only lets a row of this name through: its PATTERN is contained in it, whatever the
 * case. Ask before measuring. */
bool rows_want(const rows *all, const char *name);
/* Whether a target is met; a value that is not finite meets none. */
bool row_met(const row *one);
void rows_add(rows *all, const row *one);
/* A row that cannot be measured here, and why. It counts neither as met nor as missed. */
void rows_skip(rows *all, const char *name, const char *reason);
/* Prints the last lines, writes the JSON, frees. Returns the exit code: 1 if a target was missed
 * or the JSON could not be written, else 0. */
int rows_close(rows *all);

#endif
