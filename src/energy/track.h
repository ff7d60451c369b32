/* A sensor's samples as cells: stretches of time, each with the mean power that was seen in it.
 * Gauges and counters look alike from here on.
 *
 * Cell i is (edge[i], edge[i+1]] in *power time*, with the sensor's lag taken off. Its reading saw
 * the last `seen` part of it: all of it for counters and contiguous sensors (W >= T), W / length
 * for part-time ones. */
#ifndef JMI_TRACK_H
#define JMI_TRACK_H

#include "base/base.h"

enum {
    JMI_CELL_MISSING = 1u << 0, /* nothing was measured: a gap */
    JMI_CELL_RESET = 1u << 1    /* likewise, because the counter began anew */
};

/* Inlined, unlike the library's, which mind NaN. */
static inline double jmi_min(double a, double b) {
    return a < b ? a : b;
}
static inline double jmi_max(double a, double b) {
    return a > b ? a : b;
}

typedef struct jmi_track {
    size_t count;     /* cells */
    size_t capacity;  /* of the arrays, in cells */
    int64_t begin_ns; /* first poll: earlier cells are known, but not what ran in them */
    int64_t end_ns;   /* last poll: the last mean is held from the last edge to here */
    int64_t *edge;    /* count + 1 */
    double *mean_w;   /* count; after activity was taken off: of what it left unexplained */
    float *seen;      /* count; NULL: everything was seen */
    uint8_t *flags;   /* count; NULL: none is set */
    double *energy_j; /* count + 1: running sum of mean_w x length */
    double *unseen_j; /* count + 1: running sum of the standard deviation of each cell's energy that
                         comes from what was not seen; NULL: everything was seen */
    double *unseen_j2; /* likewise, of the variance */
    double *missing_s; /* count + 1: running sum of time without readings; NULL: none is missing */
    uint32_t *resets;  /* count + 1: running number of cells that a reset lost; likewise */
    double run;        /* how many cells in a row err alike, for unseen_j (1: independent) */
    double period_ns;  /* T; 0 unknown */
    double window_ns;  /* W; 0 unknown */
    double cell_ns;    /* usual length of a cell: T, or the polls' distance if that is longer */
    double blur_ns;    /* readings average over so much more than a cell (W > T); 0: no */
    double tick_u_ns;  /* standard uncertainty of an edge */
    uint32_t sensor;   /* index in the recording */
    double moved_ns;   /* edges lie so much before the moments at which values began to show */
    double lag_u_ns;   /* standard uncertainty of the lag, common to all edges */
    double noise_w; /* standard deviation of a cell's mean that is the sensor's, not the power's */
    double edge_noise_j;        /* standard uncertainty of a counter's value at an edge */
    double lowest_w, highest_w; /* mean of a cell, before activity was taken off */
    double ceiling_w, floor_w;  /* the device's power lies between them, as far as known */
    uint32_t provenance;        /* JM_FROM_* */
    bool counter;
} jmi_track;

/* Builds the track of one power or energy sensor from its samples in `span` (NULL: all).
 * JM_NO_DATA: it has fewer than one usable value. */
int jmi_track_build(jmi_track *track, const jm_recording *recording, uint32_t sensor,
                    const jm_window *span, jm_error *error);
void jmi_track_free(jmi_track *track);

/* Fills energy_j from edges and means, and unseen_* from the spread of readings around each cell.
 */
int jmi_track_sum(jmi_track *track);

/* Adds a cell that ends at `end`; the first call's cell begins at track->edge[0]. */
bool jmi_track_add(jmi_track *track, int64_t end, double mean_w, double seen, uint8_t flags);

/* Index of the cell that holds t, given one that lies at or before it; clamped to the track. */
size_t jmi_track_find(const jmi_track *track, int64_t t, size_t from);

#endif
