/* A figure as it is made: axes, and marks that grow row by row. Nothing here fails at once: what
 * lacks memory is noted, and jmi_figure_finish says so. */
#ifndef JMI_FIGURE_FIGURE_H
#define JMI_FIGURE_FIGURE_H

#include "base/base.h"

/* Columns of marks, in the order in which rows give them. */
enum {
    JMI_X,
    JMI_X2,
    JMI_Y,
    JMI_Y2,
    JMI_LOW,
    JMI_HIGH,
    JMI_Q1,
    JMI_Q3,
    JMI_VALUE,
    JMI_MARK_COLUMNS
};

typedef struct jmi_mark {
    jm_mark_kind kind;
    uint32_t color, style;
    char *label;
    uint32_t columns; /* bit set of those that it has */
    size_t count, capacity;
    double *column[JMI_MARK_COLUMNS];
    char **text; /* of JM_MARK_TEXT */
    bool failed; /* out of memory */
} jmi_mark;

typedef struct jmi_axis {
    char *label;
    char unit[16];
    double min, max, scale;
    size_t tick_count;
    double *tick;
    char **tick_text;
    bool categories, hidden;
} jmi_axis;

struct jm_figure {
    char *name, *title;
    jmi_text note;
    jmi_axis x, y, color;
    bool has_phases;
    jmi_mark **marks;
    size_t mark_count, mark_capacity;
    bool failed;
};

/* NULL: out of memory. */
jm_figure *jmi_figure_new(const char *name, const char *title);
/* Hands a figure over, or frees it and says what went wrong: `status`, or that memory ran out. */
int jmi_figure_finish(jm_figure *figure, int status, jm_figure **out, jm_error *error);
/* A sentence beneath the figure, after those that are there. */
void jmi_figure_note(jm_figure *figure, const char *format, ...) JMI_PRINTF(2, 3);

/* A mark without rows, drawn over those before it; `label` may be NULL. The caller only fills it;
 * NULL: out of memory, which jmi_mark_put takes. `interval`: bars and points have low and high. */
jmi_mark *jmi_figure_add(jm_figure *figure, jm_mark_kind kind, const char *label, uint32_t color,
                         uint32_t style, bool interval);
/* A row: a value for each column of the mark, in their order. */
void jmi_mark_put(jmi_mark *mark, const double *values);
#define JMI_PUT(mark, ...) jmi_mark_put(mark, (const double[]){__VA_ARGS__})
/* A row of JM_MARK_TEXT, with its centre and the room that it has. */
void jmi_mark_put_text(jmi_mark *mark, double x, double y, double width, double height,
                       const char *text);

/* ---- axes (axis.c). What they say is in `label`, without the unit ---- */

enum {
    JMI_AXIS_ZERO = 1u << 0,  /* shows 0 */
    JMI_AXIS_EXACT = 1u << 1, /* ends at min and max, without room beyond them */
    JMI_AXIS_ROOM = 1u << 2   /* more room at the upper end */
};
/* Numbers in a unit that takes SI prefixes; "%" and "" take none. Values that are not finite leave
 * the axis at 0 to 1. */
void jmi_axis_numbers(jm_figure *figure, jmi_axis *axis, const char *label, const char *unit,
                      double min, double max, uint32_t flags);
/* Seconds since the beginning: from 0 to duration, in ms, s, min or h. */
void jmi_axis_time(jm_figure *figure, jmi_axis *axis, double duration_s);
/* Names at 0, 1, 2 ... */
void jmi_axis_categories(jm_figure *figure, jmi_axis *axis, const char *label,
                         const char *const *names, size_t count);
/* Places from 0 to max that mean nothing. */
void jmi_axis_hidden(jmi_axis *axis, double max);
void jmi_axis_free(jmi_axis *axis);

#endif
