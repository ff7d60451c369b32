/* Aligned columns for a terminal. Cells are sanitised: what a measured program names its ranges
 * cannot move the cursor. */
#ifndef JMI_REPORT_TABLE_H
#define JMI_REPORT_TABLE_H

#include "base/base.h"
#include "report/format.h"

enum { JMI_TABLE_COLUMNS = 12 };

typedef struct jmi_table {
    size_t columns;
    size_t rows;
    size_t capacity;
    char **cells;                  /* row by row */
    bool right[JMI_TABLE_COLUMNS]; /* aligned to the right */
    /* The order in which columns are left out where the terminal is narrow: 1 first; 0: never. */
    unsigned char drop[JMI_TABLE_COLUMNS];
    size_t elastic; /* the column that is shortened when all else is done */
    bool failed;
} jmi_table;

void jmi_table_init(jmi_table *table, size_t columns);
/* Appends a row of `columns` texts; NULL is an empty cell. The first row is the header. */
void jmi_table_row(jmi_table *table, const char *const *cells);
/* Lays the table out in `width` columns after `indent` spaces, into `out`. */
void jmi_table_write(const jmi_table *table, jmi_text *out, size_t indent, size_t width,
                     jmi_style style);
void jmi_table_free(jmi_table *table);

/* Columns that a UTF-8 text takes on a terminal. */
size_t jmi_text_columns(const char *text);
/* Copy of text without control characters or broken UTF-8 (or non-ASCII, if not utf8). */
char *jmi_text_clean(const char *text, bool utf8);
/* Adds text broken at spaces into lines of `width`, each after `indent` spaces; the first line
 * begins with `lead` in place of the spaces before it. */
void jmi_text_wrap(jmi_text *out, const char *lead, const char *text, size_t indent, size_t width);

#endif
