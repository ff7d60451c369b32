/* Readings as rows of a regression: what a sensor showed, and the share that each class had of the
 * time that it saw. */
#ifndef JMI_ATTRIBUTE_ROWS_H
#define JMI_ATTRIBUTE_ROWS_H

#include "attribute/calls.h"
#include "energy/track.h"

/* Columns: one for each class (those of least time share the last one), and gaps by their length,
 * for a device idles the deeper the longer. */
enum {
    JMI_MOST_CLASSES = 512,
    JMI_GAPS = 3,
    JMI_SHIFTS = 2 /* views at most */
};

typedef struct jmi_layout {
    const jmi_calls *calls;
    uint32_t *column; /* of each class */
    size_t classes;   /* columns of classes */
    size_t width;     /* of a row: classes + JMI_GAPS */
    bool lumped;      /* the last class's column holds several */
} jmi_layout;

/* With so many columns of classes at most. */
bool jmi_layout_make(jmi_layout *layout, const jmi_calls *calls, size_t most);
void jmi_layout_free(jmi_layout *layout);
/* Adds to x the time (ns) that each column has of [a, b]. `hint`: the piece where an earlier window
 * that began no later was found to begin. `ends` gets the columns that ran at a and at b; NULL:
 * they are not wanted. */
void jmi_layout_times(const jmi_layout *layout, int64_t a, int64_t b, size_t *hint, double *x,
                      size_t ends[2]);

/* Sums over the rows of one view: of least squares all that is needed of them. */
typedef struct jmi_normal {
    double *xx; /* width x width, lower half */
    double *xy, *x;
    double *errors;  /* sum of the squares that the shares err by, likewise lower half */
    double yy, y, n; /* n: weights */
    size_t rows;
} jmi_normal;

bool jmi_normal_open(jmi_normal *normal, const jmi_layout *layout);
void jmi_normal_close(jmi_normal *normal);

/* A sensor's readings. */
typedef struct jmi_rows {
    const jmi_layout *layout;
    const jmi_track *track;
    double shift_ns; /* its readings lie so much later than its lag says */
    size_t cell, hint;
    size_t ends[2]; /* columns that ran at the ends of the last row's window */
    size_t stride;  /* every so manieth reading; 0: each */
} jmi_rows;

/* The next row: shares in x (width), the reading, its weight. False: there are no more. */
bool jmi_rows_next(jmi_rows *rows, double *x, double *y, double *weight);
/* The time that the next reading saw; that of the last one that jmi_rows_next gave. */
void jmi_rows_window(const jmi_rows *rows, size_t cell, int64_t *a, int64_t *b);

/* Adds a view's readings. Their windows are known as well as the sensor's ticks are: what of the
 * shares' variation is only error is taken out (regression calibration: Carroll et al., Measurement
 * Error in Nonlinear Models, 2006, ch. 4), or else shares that hardly vary would seem to say that
 * all classes draw the same. */
int jmi_normal_add(jmi_normal *normal, const jmi_layout *layout, const jmi_track *track,
                   double shift_ns, jm_error *error);

#endif
