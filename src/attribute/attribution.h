/* An attribution as it is made: what the readings are, what they say, and what follows. */
#ifndef JMI_ATTRIBUTE_ATTRIBUTION_H
#define JMI_ATTRIBUTE_ATTRIBUTION_H

#include "attribute/fit.h"
#include "energy/views.h"

/* How sure an energy is that is a power for so long, and what it is net of. */
typedef struct jmi_terms {
    double gain_u, offset_u_w; /* of the device's sensors, as in jmi_views */
    double measured;
    uint32_t provenance, flags;
    jm_idle idle; /* taken off, if `net` */
    bool net;
} jmi_terms;

/* Windows, with what ran in them and what was measured of them. */
typedef struct jmi_stretch {
    jm_window *windows;
    size_t count;
    double *time_s; /* of all columns, in the windows */
    double length_s;
    jm_energy energy; /* gross */
} jmi_stretch;

/* What parts are made of. */
typedef struct jmi_attributing {
    const jm_recording *recording;
    jm_attribution_options options;
    jm_energy_options energy;
    uint32_t device;
    jmi_calls calls;
    jmi_layout layout;
    jmi_views views;             /* of the device, without what ranges say of it */
    double shift_ns[JMI_SHIFTS]; /* readings lie so much later than described */
    double *later_w[JMI_SHIFTS]; /* of each column: what an error of that does; NULL: nothing */
    jmi_normal normals[JMI_SHIFTS];
    jmi_fit fit;
    uint64_t within, needed; /* readings while any class ran, and so many as to tell them apart */
    double widened;          /* factor of its variances, as readings err alike */
    double differ;           /* how calls of a class differ in power, relatively */
    jm_window *windows;      /* between warm-ups, where no other windows were asked for */
    jmi_stretch told;        /* of each window, from its first call to the end of its last one */
    jmi_stretch joined;      /* those that are hardly apart as one; empty: none are */
    jmi_terms terms;
    double usual_w;  /* mean power of the classes, by their time */
    uint32_t *group; /* of each column of classes, or JM_NO_GROUP; NULL: they are not told apart */
    size_t group_count;
} jmi_attributing;

struct jm_attribution {
    jm_attribution_info info;
    jm_attribution_method method;
    bool simulated, modelled;
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
    jmi_terms terms;
    double usual_w;
};

/* ---- steps, in their order ---- */

/* Which device, which ranges. */
int jmi_attribute_choose(jmi_attributing *a, jm_error *error);
/* What is told of, its composition and its energy. */
int jmi_attribute_whole(jmi_attributing *a, jm_error *error);
void jmi_stretch_free(jmi_stretch *stretch);
/* That against which the sum of the parts is held. */
const jmi_stretch *jmi_attribute_checked(const jmi_attributing *a);
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
/* Which classes can be told apart, and then powers of all that are possible. */
int jmi_attribute_resolve(jmi_attributing *a, jm_error *error);
/* Is enough known of a column's power to tell more than bounds? */
bool jmi_attribute_told(const jmi_attributing *a, size_t column);
/* An energy that may be anything within as much as is usual says nothing: no estimate. */
void jmi_attribute_bound_wide(jm_energy *energy, double usual_w);
/* What the device can draw, W. */
double jmi_attribute_least(const jmi_attributing *a);
double jmi_attribute_most(const jmi_attributing *a);
/* The difference of the two for a track, and above 0. */
double jmi_attribute_span(const jmi_track *track);
/* Mean and standard deviation of one power within what the device can draw. */
void jmi_attribute_cut(const jmi_attributing *a, double *mean_w, double *sd_w);
/* How much the readings could tell. */
void jmi_attribute_diagnose(const jmi_attributing *a, jm_attribution_info *info);
/* The terms on which powers become energies. */
int jmi_attribute_terms(jmi_attributing *a, jm_error *error);
/* An energy from its estimate (gross), the standard deviation of that, and its time. */
jm_energy jmi_terms_energy(const jmi_terms *terms, double energy_j, double sd_j, double time_s);
/* Takes idle power off an energy that was measured, or else leaves it. */
jm_energy jmi_terms_net(const jmi_terms *terms, const jm_energy *gross);
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
