/* One sensor's view of a device's energy, and the two views of a device (counter and power) made
 * one. Everything in power time of the track; systematic parts are added by the caller. */
#ifndef JMI_ESTIMATE_H
#define JMI_ESTIMATE_H

#include "energy/activity.h"
#include "energy/edge.h"
#include "energy/track.h"

typedef struct jmi_estimator {
    jmi_track track;
    const jmi_timeline *timeline; /* the caller's */
    jmi_activity activity;
    bool has_activity;
    size_t from_hint, to_hint, line_hint; /* where the last window lay */
} jmi_estimator;

/* What one view says of a window. */
typedef struct jmi_estimate {
    double length_s;
    double energy_j;
    double common_j2; /* the part of var_j2 that every window of the view shares: lag, levels */
    double placed_j2; /* the part that windows share which lie alike to the load */
    double var_j2;    /* random */
    double lower_j, upper_j; /* hard bounds, before gain */
    double measured;         /* share of the window with readings */
    bool bound_only;
    bool guessed;   /* a part-time sensor's view of what it did not see, without ranges to tell */
    uint32_t flags; /* JM_ENERGY_* */
    uint32_t provenance;
} jmi_estimate;

/* `timeline` is NULL where activity is not to be used; it must outlive the estimator. `span`: see
 * jmi_track_build. */
int jmi_estimator_open(jmi_estimator *estimator, const jm_recording *recording, uint32_t sensor,
                       const jmi_timeline *timeline, const jm_window *span, jm_error *error);
void jmi_estimator_close(jmi_estimator *estimator);

void jmi_estimate_window(jmi_estimator *estimator, int64_t begin, int64_t end, jmi_estimate *out);

/* Two views of the same window: inverse-variance mean, widened to hold both where they disagree
 * beyond chance (99 %) and a per cent. A view that is guessed adds nothing to one that is not. */
jmi_estimate jmi_fuse(const jmi_estimate *a, const jmi_estimate *b);

#endif
