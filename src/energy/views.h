/* A device's energy as its sensors see it: up to two views (energy counter and power readings, or
 * power readings of two kinds), fused, with the systematic part. */
#ifndef JMI_VIEWS_H
#define JMI_VIEWS_H

#include "energy/estimate.h"

typedef struct jmi_views {
    jmi_estimator view[2];
    jmi_timeline timeline; /* what ran when, for all views */
    bool has_timeline;
    size_t count;
    double gain_u;     /* relative standard uncertainty of the gain */
    double offset_u_w; /* standard uncertainty of the offset */
} jmi_views;

/* Checks a caller's options and fills in what it left open. */
int jmi_energy_options_take(jm_energy_options *ours, const jm_energy_options *theirs,
                            jm_error *error);

/* JM_INVALID: a window's times are none, and their differences would overflow. */
int jmi_windows_check(const jm_window *windows, size_t count, jm_error *error);

/* How much a sensor tells of its device's power, or energy: the more the larger; negative: nothing.
 * Of power sensors that is first the one that sees the largest share of time, then the finest. */
double jmi_rank_power(const jm_sensor *sensor);
double jmi_rank_counter(const jm_sensor *sensor);

/* JM_NO_DATA: the device has no sensor of power or energy with a usable value. */
int jmi_views_open(jmi_views *v, const jm_recording *recording, uint32_t index,
                   const jm_energy_options *options, jm_error *error);
/* Likewise, from what was recorded in a span of time alone: for a window inside it while a long
 * session goes on. */
int jmi_views_open_span(jmi_views *v, const jm_recording *recording, uint32_t index,
                        const jm_energy_options *options, const jm_window *span, jm_error *error);
/* Index of a device by its name; UINT32_MAX: there is none. */
uint32_t jmi_device_named(const jm_recording *recording, const char *name);
/* Does device `index` belong to `which` (JM_DEVICE_TOTAL or JM_DEVICE_GPUS)? */
bool jmi_device_is_part(const jm_recording *recording, uint32_t index, uint32_t which);
void jmi_views_close(jmi_views *v);

/* The random part of a window, from all views. */
jmi_estimate jmi_views_estimate(jmi_views *v, const jm_window *window);
/* Systematic uncertainty of an energy measured over a time, by sensors of such gain and offset. */
double jmi_systematic(double gain_u, double offset_u_w, double energy_j, double duration_s);
/* A window as the public interface gives it. */
void jmi_views_window(jmi_views *v, const jm_window *window, jm_energy *out);

/* Of a window (its duration is in `out`) without any reading: anything below the ceiling. */
void jmi_energy_unmeasured(jm_energy *out, const jmi_views *views, uint32_t flags);

/* Fills in interval and mean power from the parts; bounds are widened by `bound_slack` (relative).
 */
void jmi_energy_finish(jm_energy *out, double bound_slack);
/* Adds an independent energy (another device). */
void jmi_energy_add(jm_energy *sum, const jm_energy *part, bool first);

#endif
