/* What ranges say of the load: power as a sum of levels, one for each class of ranges, fitted to a
 * track. What the levels explain is known at any moment, also between readings; what they leave
 * goes on as the track's residual.
 *
 * A class is a category and a name without its digits ("epoch 1", "epoch 2" are one). At any
 * moment the innermost open range (the one begun last) gives the class; class 0 is none. */
#ifndef JMI_ACTIVITY_H
#define JMI_ACTIVITY_H

#include "energy/track.h"

enum { JMI_CLASSES = 12 };

/* Which class ran when. */
typedef struct jmi_timeline {
    size_t count;
    int64_t *t;   /* count: a class begins */
    uint8_t *cls; /* count */
    uint32_t classes;
    int64_t *sum_ns; /* time in each class until the first, the 65th ... change: `classes` each */
} jmi_timeline;

/* Ranges of the host and of `device` (an index) count. With a span, those that began long before it
 * may be left out: they open and close nothing inside. JM_NO_DATA: no ranges, or they never change
 * anything. */
int jmi_timeline_build(jmi_timeline *timeline, const jm_recording *recording, uint32_t device,
                       const jm_window *span, jm_error *error);
void jmi_timeline_free(jmi_timeline *timeline);

/* Index of the last change at or before t, searched from `from` on, either way. */
size_t jmi_timeline_find(const jmi_timeline *timeline, int64_t t, size_t from);
/* Adds the time (s) that each class ran in [a, b] to time_s[JMI_CLASSES]. */
void jmi_timeline_times(const jmi_timeline *timeline, int64_t a, int64_t b, size_t *hint,
                        double *time_s);

typedef struct jmi_activity {
    const jmi_timeline *timeline;
    double level_w[JMI_CLASSES];
    double *model_j; /* energy of the levels up to each change of the timeline */
    double cov_w2[JMI_CLASSES][JMI_CLASSES]; /* of the levels */
    double low_w, high_w;                    /* lowest and highest level of the classes that ran */
    double explained;                        /* share of the readings' variance, 0..1 */
    double shift_ns;                         /* lag found beyond the sensor's own */
    bool locked;      /* some contrast between classes is not seen in the data */
    double *excess_s; /* (cells + 1) x classes: running time of each class in a cell beyond what the
                         reading says; NULL where readings see their cells and no more */
} jmi_activity;

/* Fits levels to a track, takes them off its means (the track becomes the residual) and shifts it
 * by the lag found. JM_NO_DATA: the ranges explain nothing here; the track is unchanged. */
int jmi_activity_fit(jmi_activity *activity, const jmi_timeline *timeline, jmi_track *track,
                     jm_error *error);
void jmi_activity_free(jmi_activity *activity);

/* Energy of the levels up to t, from an arbitrary beginning; `hint` is a place near t, moved on. */
double jmi_activity_energy(const jmi_activity *activity, int64_t t, size_t *hint);

/* Variance (J^2) that the levels' uncertainty gives to the energy of (from, to]; `hint` is a place
 * of the timeline near `from`. */
double jmi_activity_variance(const jmi_activity *activity, const jmi_track *track, int64_t from,
                             int64_t to, size_t from_cell, size_t to_cell, size_t hint);

#endif
