/* A figure as a script for gnuplot. Where things lie is decided by the sheet (sheet.h), not by
 * gnuplot, which guesses widths of texts by the number of their letters. */
#ifndef JMI_FIGURE_GNUPLOT_H
#define JMI_FIGURE_GNUPLOT_H

#include "figure/sheet.h"

/* One of gnuplot's terminals, and what its units are worth. */
typedef struct jmi_terminal {
    const char *format; /* "pdf" */
    double unit;        /* points to one of its units of size */
    double radius;      /* points of a point of size 1 */
    double dash;        /* points of one in a dash type, of a line of width 1 */
    bool dash_grows;    /* with the width of the line */
} jmi_terminal;

/* A script that is being written. */
typedef struct jmi_script {
    jmi_text out;  /* settings, what stands around the plot, data */
    jmi_text plot; /* what the plot command lists */
    const jmi_sheet *sheet;
    const jmi_terminal *terminal;
    unsigned blocks; /* of data */
    size_t rows;     /* of the last one, of which all is known */
} jmi_script;

/* Grey of letters, of lines around the plot, of lines behind it; of guides. */
#define JMI_INK   "#262626"
#define JMI_FRAME "#4D4D4D"
#define JMI_GRID  "#E4E4E4"
#define JMI_GUIDE "#858585"

/* A text that is no more than a text to gnuplot: all that could end it, begin a command or be a
 * format in it is written as the number of its byte. */
void jmi_script_text(jmi_text *out, const char *text);
/* A number, or NaN. The thread's locale must write it with a point. */
void jmi_script_number(jmi_text *out, double value);
/* A line of `points` width. */
void jmi_script_width(jmi_text *out, double points);
/* " dashtype (...)" if the mark is dashed, for a line of `points` width. */
void jmi_script_dash(jmi_script *script, jmi_text *out, const jmi_mark *mark, double points);
/* A dot of so many points. */
void jmi_script_dot(const jmi_script *script, jmi_text *out, double radius);

/* ---- on the sheet, in its points ---- */

void jmi_script_place(jmi_script *script, double x, double y);
/* `how`: "left", "center", "right", with "rotate" perhaps. */
void jmi_script_label(jmi_script *script, double x, double y, const char *how, double size,
                      const char *color, const char *text);
void jmi_script_line(jmi_script *script, const double from[2], const double to[2], double width,
                     const char *color, const char *more);
void jmi_script_rectangle(jmi_script *script, const double from[2], const double to[2],
                          const char *fill);

/* ---- marks (gnuplot_marks.c) ---- */

/* "#RRGGBB", or "#AARRGGBB" for what is to be seen through. */
const char *jmi_script_color(const jmi_mark *mark, char text[12]);
double jmi_script_line_width(const jmi_mark *mark);
/* Lays a mark's data down and lists it for the plot command. */
void jmi_script_mark(jmi_script *script, const jmi_mark *mark);
/* Its sign in the legend. */
void jmi_script_sign(jmi_script *script, const jmi_entry *entry);

#endif
