/* What the tests of this room share: recordings made by hand and by polling a known power. */
#ifndef ENERGY_HELPERS_H
#define ENERGY_HELPERS_H

#include "base/base.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T0 INT64_C(5000000000000) /* where recordings begin, like an uptime */

/* A time `s` seconds after T0. */
static inline int64_t at(double s) {
    return T0 + (int64_t)llround(s * 1e9);
}

/* ---- recordings ---- */

jm_recording *recording_new(void);
/* A device that is in the total; its ceiling of power is 1.2 x limit. */
uint32_t add_device(jm_recording *recording, const char *name, double limit_w);
uint32_t add_power(jm_recording *recording, uint32_t device, double refresh_s, double window_s);
uint32_t add_counter(jm_recording *recording, uint32_t device, double refresh_s);
void add_sample(jm_recording *recording, uint32_t sensor, double t_s, double value, double since_s,
                unsigned flags);
/* Returns the range's id. */
jm_range_id add_range(jm_recording *recording, jm_category category, const char *name,
                      double begin_s, double end_s);

/* ---- a sensor that a test polls ---- */

/* Energy (J) that the device drew until t (s): the truth. */
typedef double (*energy_fn)(double t_s);

typedef struct polled {
    energy_fn energy;
    double refresh_s, window_s; /* window 0: a counter */
    double phase_s;
    double poll_s; /* 0: 2 ms */
    double quantum;
    double noise_w; /* of a gauge, standard deviation */
    /* where the recording is now: zero to begin with */
    double last_poll_s, last_value, base;
    bool started, counts;
} polled;

/* Polls from `from_s` to `to_s` as the sampler does: changes are kept, and one sample every 20 ms.
 * Polls are jittered by a fifth. `first_flags` go with the first sample. */
void follow(jm_recording *recording, uint32_t sensor, polled *p, double from_s, double to_s,
            unsigned first_flags);

double constant_250(double t_s);
double square_wave(double t_s); /* 100 W and 300 W, a second each */
double fast_square(double t_s); /* 100 W and 300 W, 77 ms each */
double slow_sine(double t_s);   /* 200 W +- 100 W in 3 s */

/* A recording of one GPU with one sensor. window 0: a counter. */
jm_recording *record_gpu(energy_fn energy, double refresh_s, double window_s, double length_s);

/* ---- energies ---- */

/* Energy of a window, which must work and make sense. */
jm_energy energy_of(const jm_recording *recording, uint32_t device, double begin_s, double end_s);
jm_energy energy_by(const jm_recording *recording, uint32_t device, double begin_s, double end_s,
                    jm_method method);
/* Likewise, many at once. */
void energies_of(const jm_recording *recording, uint32_t device, const jm_window *windows,
                 size_t count, jm_energy *out);
/* Fails the test unless the figures of an energy make sense together. */
void check_energy(const jm_energy *energy);

void close_to(double value, double wanted, double tolerance, const char *what);

/* A small generator, so that runs repeat. */
uint64_t random_bits(uint64_t *state);
double random_between(uint64_t *state, double low, double high);
/* A number from the environment, for longer or shorter runs. */
long setting(const char *name, long otherwise);

#endif
