/* An attribution as it is made: what the readings are, what they say, and what follows. */
#ifndef JMI_ATTRIBUTE_ATTRIBUTION_H
#define JMI_ATTRIBUTE_ATTRIBUTION_H

#include "attribute/fit.h"
#include "energy/views.h"

/* What parts are made of. */
typedef struct jmi_attributing {
    const jm_recording *recording;
    jm_attribution_options options;
    jm_energy_options energy;
    uint32_t device;
    jm_category category;
    jmi_calls calls;
    jmi_layout layout;
    jmi_views views;             /* of the device, without what ranges say of it */
    double shift_ns[JMI_SHIFTS]; /* readings lie so much later than described */
    double *later_w[JMI_SHIFTS]; /* of each column: what an error of that does; NULL: nothing */
    jmi_normal normals[JMI_SHIFTS];
    jmi_fit fit;
    double widened;     /* factor of its variances, as readings err alike */
    double differ;      /* how calls of a class differ in power, relatively */
    jm_window *windows; /* between warm-ups, where no other windows were asked for */
    jm_window *hulls;   /* of each window, from its first call to the end of its last one */
    size_t hull_count;
    double *told_s; /* of all columns: time in the hulls */
    double hull_s;
    jm_energy whole;
    jm_idle idle;
    bool net;
} jmi_attributing;

struct jm_attribution {
    jm_attribution_info info;
    jm_attribution_method method;
    bool simulated, modelled, net;
    char *device;
    jm_part *parts, *groups; /* names are ours */
    size_t part_count, group_count;
    jm_call *calls;
    size_t call_count;
    /* for sums of parts */
    size_t columns;
    double *power_w, *cov_w2; /* of columns */
    uint32_t *column;         /* of each part, with the time that it has of it */
    double *share_s;
    double gain_u, offset_u_w, usual_w;
    uint32_t provenance;
};

/* ---- steps, in their order ---- */

/* Which device, which ranges. */
int jmi_attribute_choose(jmi_attributing *a, jm_error *error);
/* Hulls, their composition and their energy. */
int jmi_attribute_whole(jmi_attributing *a, jm_error *error);
/* How much later than described each view's readings lie. */
int jmi_attribute_shift(jmi_attributing *a, jm_error *error);
/* Powers of the classes. */
int jmi_attribute_regress(jmi_attributing *a, jm_error *error);
/* By how much calls of a class differ in power: relative standard deviation. */
double jmi_attribute_differ(const jmi_attributing *a);
/* Where calls outlast the sensor's refresh, and what was measured of them is known better than what
 * was inferred, the former counts. */
int jmi_attribute_direct(jmi_attributing *a, jm_error *error);
/* For comparison: powers by what the device drew while anything ran, or by readings at begins and
 * ends. */
int jmi_attribute_simply(jmi_attributing *a, jm_error *error);
/* How much the readings could tell. */
void jmi_attribute_diagnose(const jmi_attributing *a, jm_attribution_info *info);
/* Interval and mean power of an energy, from its parts. */
void jmi_attribute_finish(jm_energy *e, bool net);
/* Where the powers come from: JM_FROM_*. */
uint32_t jmi_attribute_provenance(const jmi_attributing *a);
/* Parts, groups and calls. */
int jmi_attribute_parts(jmi_attributing *a, jm_attribution *out, jm_error *error);

/* What the device's sensor showed at a time, asked for at rising times; NaN: nothing. */
typedef struct jmi_shown_power {
    const jmi_track *track;
    int64_t lag_ns;
    size_t cell;
} jmi_shown_power;
jmi_shown_power jmi_shown_begin(const jmi_attributing *a);
double jmi_shown_at(jmi_shown_power *shown, int64_t t_ns);

#endif
