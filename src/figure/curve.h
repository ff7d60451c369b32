/* What one sensor showed over time. */
#ifndef JMI_FIGURE_CURVE_H
#define JMI_FIGURE_CURVE_H

#include "figure/figure.h"

/* Value i holds from t_s[i] to t_s[i + 1], the last one to end_s; NaN: nothing is known then. Times
 * are s since the recording began, rising. */
typedef struct jmi_curve {
    double *t_s, *value;
    size_t count, capacity;
    double end_s;
    double refresh_s; /* of the sensor; 0: not known */
} jmi_curve;

static inline double jmi_curve_until(const jmi_curve *curve, size_t i) {
    return i + 1 < curve->count ? curve->t_s[i + 1] : curve->end_s;
}

/* The readings of a gauge; or the power between the changes of an energy counter. */
int jmi_curve_read(jmi_curve *curve, const jm_recording *recording, uint32_t sensor,
                   bool from_counter, jm_error *error);
void jmi_curve_free(jmi_curve *curve);

/* Index of the value that holds at t_s, looked for from `from` on, where an earlier call ended;
 * SIZE_MAX: none does yet. */
size_t jmi_curve_at(const jmi_curve *curve, double t_s, size_t from);

/* Means over `readings` values, over fewer at the ends and at gaps. False: out of memory. */
bool jmi_curve_smooth(jmi_curve *out, const jmi_curve *curve, size_t readings);

/* How power changed between refreshes, W/s, midway between: the last value of each refresh and that
 * of the next. Nothing where refreshes are missing. */
bool jmi_curve_derive(jmi_curve *out, const jmi_curve *curve);

/* Draws a curve as a mark's rows (x, y) as it looks on so many pixels: of each the first, lowest,
 * highest and last value (M4: Jugel et al., VLDB 2014). 0 pixels: all of it. */
void jmi_curve_draw(const jmi_curve *curve, size_t pixels, jmi_mark *mark);

#endif
