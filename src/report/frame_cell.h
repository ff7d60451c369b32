/* Single values of a table's rows. */
#ifndef JMI_REPORT_FRAME_CELL_H
#define JMI_REPORT_FRAME_CELL_H

#include "report/frame.h"

/* The column of that name; SIZE_MAX: there is none. */
size_t jmi_frame_column(const jmi_frame *frame, const char *name);
bool jmi_cell_is_null(const jmi_batch *batch, size_t column, size_t row);
/* A number of any kind (seconds in s, a truth as 1); NaN: null, or a text. */
double jmi_cell_number(const jmi_batch *batch, size_t column, size_t row);
/* A text and its length, not terminated; NULL: null, or no text. */
const char *jmi_cell_text(const jmi_batch *batch, size_t column, size_t row, size_t *length);

#endif
