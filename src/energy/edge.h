/* The energy up to a moment inside a cell, and how uncertain the split of the cell is. */
#ifndef JMI_EDGE_H
#define JMI_EDGE_H

#include "energy/track.h"

typedef struct jmi_edge {
    double energy_j; /* from the track's first edge */
    double var_j2;   /* of the split; noise, gain and unseen cells are not in it */
    double unseen_j; /* track->unseen_j and unseen_j2 up to here */
    double unseen_j2;
    double step_w2; /* mean squared difference between neighbouring cells around here */
    double slow;    /* 0: cells differ like white noise; 1: like a random walk */
    double power_w; /* of the cell */
    size_t cell;
    double at;    /* share of the cell that lies before, 0..1 */
    bool outside; /* t is not on the track */
} jmi_edge;

/* `hint` is a cell at or before t to begin the search with; it is moved on. */
void jmi_edge_at(const jmi_track *track, int64_t t, size_t *hint, jmi_edge *edge);

/* Variance (J^2) of the energy between two edges that comes from how cells were split. */
double jmi_edge_variance(const jmi_track *track, const jmi_edge *from, const jmi_edge *to);

#endif
