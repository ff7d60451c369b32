/* Rows of texts as aligned columns. What the cells hold cannot move the cursor. */
#ifndef JM_CLI_GRID_H
#define JM_CLI_GRID_H

#include "output.h"

#include <stdarg.h>

typedef struct grid {
    size_t columns;
    size_t rows;
    size_t capacity;
    char **cells;
    bool *right; /* for each column: aligned to the right */
    bool failed;
} grid;

void grid_open(grid *g, size_t columns);
/* Appends a row; NULL is an empty cell. The first row is the header. */
void grid_row(grid *g, const char *const *cells);
/* Aligns a column to the right. */
void grid_right(grid *g, size_t column);
/* Columns of the terminal that the rows take if nothing is cut off. */
size_t grid_width(const grid *g);
/* Adds the rows to out; what does not fit into `width` columns is cut off with a sign, but not in
 * columns that are aligned to the right, which are numbers. */
void grid_write(const grid *g, output *out, size_t width, bool color);
void grid_close(grid *g);

/* Columns that a text takes; control characters count as one (they are shown as '?'). */
size_t grid_text_columns(const char *text);
/* Adds text without control characters, at most `columns` wide. */
void grid_add_text(output *out, const char *text, size_t columns);
/* Adds text broken into lines of `width` at spaces, each after `indent` spaces. */
void grid_add_wrapped(output *out, const char *text, size_t indent, size_t width);
/* A sentence likewise, indented by two, in a color (that ends with `plain`) or "". */
void grid_add_sentence(output *out, size_t width, const char *color, const char *plain,
                       const char *format, va_list args);

#endif
