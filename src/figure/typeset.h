/* How much room texts take on paper, and texts that take less. Whoever draws chooses the font:
 * widths are Helvetica's, with some to spare for what stands in for it. */
#ifndef JMI_FIGURE_TYPESET_H
#define JMI_FIGURE_TYPESET_H

#include "base/base.h"

/* Points that a text of a size takes on one line. */
double jmi_type_width(const char *text, double size);
/* The text as it may be drawn: UTF-8 without control characters, and where it is wider than `room`
 * points without its middle, which tells least. Heap; NULL: out of memory. */
char *jmi_type_fit(const char *text, double size, double room);

/* A text broken at spaces. */
typedef struct jmi_lines {
    char **line;
    size_t count;
    bool failed; /* out of memory */
} jmi_lines;
jmi_lines jmi_type_wrap(const char *text, double size, double room);
void jmi_lines_free(jmi_lines *lines);

#endif
