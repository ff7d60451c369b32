/* What every report says, computed once from a recording through public functions only. */
#ifndef JMI_REPORT_SUMMARY_H
#define JMI_REPORT_SUMMARY_H

#include "base/base.h"

/* Energy that would have been drawn anyway, and what the work added. */
typedef struct jmi_split {
    bool known;
    bool from_baseline; /* measured before the command, not taken from its quietest second */
    double power_w;
    double power_u95_w;
    double idle_j;
    double idle_u95_j;
    double active_j;
    double active_u95_j;
    double share; /* idle part of the energy */
} jmi_split;

typedef struct jmi_summary_device {
    jm_device device; /* of the total: only `name` */
    bool has_energy;
    jm_energy energy;
    double peak_w; /* NaN: not known */
    jmi_split split;
    char source[64]; /* what it rests on: "counter+power, simulated" */
} jmi_summary_device;

/* What a sensor gave in the window. */
typedef struct jmi_summary_sensor {
    jm_sensor sensor;
    uint64_t samples;
    uint64_t missing; /* readings that failed */
    uint64_t gaps;
    uint64_t resets;
    double mean; /* over time, each value held until the next; NaN for counters and no samples */
    double min;
    double max;
} jmi_summary_sensor;

/* All ranges of one category, name and device: a phase, the epochs called "epoch", a kernel. Its
 * energy is that of the time in which any of them ran, on `device` alone if that is not the host.
 */
typedef struct jmi_group {
    jm_category category;
    const char *name;
    uint32_t device; /* that ran them; JM_DEVICE_TOTAL: the host */
    uint64_t calls;
    uint64_t unfinished;
    int64_t first_ns;
    int64_t last_ns;
    double time_s; /* sum over calls, also where they overlap */
    double wall_s; /* in which any of them ran: what energy and share are of */
    jm_energy energy;
    double share; /* of the total; NaN: not known */
} jmi_group;

typedef struct jmi_summary {
    const jm_recording *recording;
    int64_t begin_ns; /* the window that the figures are of */
    int64_t end_ns;
    bool of_command; /* it is that of the ranges of category session, else the whole recording */
    char *command;   /* NULL: not known */
    int exit_code;   /* -1: not known; 128 + its number if a signal ended it */
    int signal;      /* 0: none did */
    bool simulated;
    bool modelled;
    jmi_summary_device total;
    jmi_summary_device *devices;
    uint32_t device_count;
    jmi_summary_sensor *sensors;
    uint32_t sensor_count;
    jmi_group *groups; /* by category, then most energy first */
    size_t group_count;
    bool many_devices; /* more than one ran ranges */
    jm_sampler_stats sampler;
} jmi_summary;

/* True if there is an estimate or at least a bound from readings. */
bool jmi_is_measured(const jm_energy *energy);

int jmi_summary_make(jmi_summary *summary, const jm_recording *recording,
                     const jm_energy_options *options, jm_error *error);
void jmi_summary_free(jmi_summary *summary);

/* Groups the ranges (groups.c); fills groups, group_count and the total's energy. */
int jmi_summary_groups(jmi_summary *summary, const jm_energy_options *options, jm_error *error);

/* The caller's options, whatever their size, with defaults for what is not there. */
int jmi_report_options(jm_report_options *ours, const jm_report_options *theirs, jm_error *error);

#endif
