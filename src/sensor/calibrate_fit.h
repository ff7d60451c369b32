/* What a sensor is like, from the moments at which its value changed and from what the load did:
 * pure functions. */
#ifndef JMI_CALIBRATE_FIT_H
#define JMI_CALIBRATE_FIT_H

#include "sensor/lattice.h"

/* A value, and the bracket (lo, hi] in which it appeared. */
typedef struct jmi_tick {
    int64_t lo_ns;
    int64_t hi_ns;
    double value;
} jmi_tick;

/* The load turned on or off. */
typedef struct jmi_edge {
    int64_t t_ns;
    bool on;
} jmi_edge;

typedef struct jmi_window_fit {
    double window_s, window_u_s; /* 0: the load did not show it */
    double lag_s;
    double off_w, on_w; /* the two powers */
    double noise;       /* standard deviation of the residuals */
} jmi_window_fit;

/* T by a lattice through the brackets; a prior may be a whole part of it. JM_NO_DATA: too few
 * ticks, or no lattice. */
int jmi_fit_refresh(const jmi_tick *ticks, size_t count, double prior_ns, jmi_lattice *lattice);

/* W and L: y_k = off + (on - off) * (share of [tau_k - L - W, tau_k - L] in which the load was on),
 * tau_k the lattice's tick in the bracket; least squares in the two powers, profile likelihood in
 * (W, L). Edges in rising order. JM_NO_DATA: the load does not show in the readings, or it has
 * only one period and the window, as expected (0: unknown), is too long for it. */
int jmi_fit_window(const jmi_tick *ticks, size_t count, const jmi_lattice *lattice,
                   const jmi_edge *edges, size_t edge_count, double prior_window_s,
                   jmi_window_fit *fit);

/* Standard deviation of readings under a steady load, from differences of neighbours (their median,
 * so that steps of the load do not count); the smallest step. */
double jmi_noise_of(const jmi_tick *ticks, size_t count);
double jmi_quantum_of(const jmi_tick *ticks, size_t count);

/* The value below which a share q of them lie; reorders them. 0 for none. */
double jmi_quantile(double *values, size_t count, double q);

/* Lines "ns,1" and "ns,0". Returns edges in rising order (malloc), repeated states merged; what is
 * malformed is skipped. */
jmi_edge *jmi_parse_edges(const char *text, size_t length, size_t *count);

#endif
