/* A figure on paper: where its plot, its legend and the texts around it lie. All lengths are in
 * points (1/72 inch), from the left and the bottom of the sheet. */
#ifndef JMI_FIGURE_SHEET_H
#define JMI_FIGURE_SHEET_H

#include "figure/figure.h"
#include "figure/typeset.h"

/* Sizes of letters. */
enum { JMI_TICK_SIZE = 7, JMI_LABEL_SIZE = 8, JMI_LEGEND_SIZE = 7, JMI_NOTE_SIZE = 6 };

/* What stands in the legend: a sign of the mark, and its label to the right of it. */
typedef struct jmi_entry {
    const jmi_mark *mark; /* NULL: no sign, a remark */
    char *text;
    double x, y; /* left edge and middle of the sign */
} jmi_entry;

typedef struct jmi_sheet {
    const jm_figure *figure;
    double width, height;
    double left, right, bottom, top; /* edges of the plot */
    double names;                    /* room for a category's name */
    double least_height;             /* with which the plot can still be read */
    double x_label, y_label;         /* middles of the axes' labels, across their lines */
    double bar, bar_label;           /* left edge of the colour bar, middle of its label */
    double first_note;               /* middle of its first line */
    char *title;                     /* where no axis says what is shown; else NULL */
    double title_y;
    jmi_entry *entries;
    size_t entry_count;
    jmi_lines note;
    bool failed; /* out of memory */
} jmi_sheet;

static const double jmi_sheet_margin = 3, jmi_tick_length = 2.5, jmi_sign_width = 11,
                    jmi_sign_gap = 3.5, jmi_bar_width = 7;

/* `height` 0: as suits the figure. */
void jmi_sheet_lay(jmi_sheet *sheet, const jm_figure *figure, double width, double height);
void jmi_sheet_free(jmi_sheet *sheet);

/* Where a value of the axis lies. */
double jmi_sheet_x(const jmi_sheet *sheet, double value);
double jmi_sheet_y(const jmi_sheet *sheet, double value);
/* How many ticks to go on by, so that their texts do not touch. */
size_t jmi_sheet_tick_step(const jmi_sheet *sheet, const jmi_axis *axis);

#endif
