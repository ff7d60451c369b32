/* A recording as figures need it: what several of them show is read once. */
#ifndef JMI_FIGURE_SOURCE_H
#define JMI_FIGURE_SOURCE_H

#include "figure/curve.h"
#include "figure/distribution.h"

/* What curves there are of a device. */
typedef enum jmi_shown {
    JMI_SHOWN_POWER = 0,
    JMI_SHOWN_GPU_UTIL,
    JMI_SHOWN_MEM_UTIL,
    JMI_SHOWN /* how many */
} jmi_shown;

typedef struct jmi_lane {
    uint32_t device;
    const char *name; /* the recording's */
    uint32_t color;
    jmi_curve curve[JMI_SHOWN];
    bool has[JMI_SHOWN]; /* a sensor shows it, and a value is known */
} jmi_lane;

/* All calls of the phases (or the warm-ups outside of phases) of one name. */
typedef struct jmi_phase {
    const char *name; /* the recording's */
    uint32_t color;
    jm_window *windows; /* in which any of them ran: apart, in order */
    size_t count, capacity;
    double time_s;
    jm_energy energy; /* once energies were asked for */
} jmi_phase;

/* Phases by this many names are told apart by colours; those that begin later are "others". */
enum { JMI_NAMED_PHASES = 7 };

typedef struct jmi_phase_window {
    jm_window window;
    size_t phase;
} jmi_phase_window;

/* Energies over equal stretches of time; with them come those of the phases. */
typedef struct jmi_energies {
    size_t count;       /* stretches */
    double *edge_s;     /* count + 1 */
    jm_energy *between; /* of each stretch */
    jm_energy *since;   /* from the beginning to its end */
} jmi_energies;

/* Readings of power with the GPU utilisation that held: what they lie between. */
typedef struct jmi_extent {
    double low_x, high_x; /* utilisation, % */
    double low_y, high_y; /* power, W */
    size_t count;
} jmi_extent;

/* An attribution that several figures show. */
typedef struct jmi_attributed {
    jm_category category; /* of the parts */
    uint32_t runner;      /* the device that ran them; UINT32_MAX: the host */
    jm_attribution *attribution;
} jmi_attributed;

struct jm_figures {
    const jm_recording *recording;
    jm_figure_options options;
    jm_energy_options energy;
    uint32_t device; /* whose energy: an index, JM_DEVICE_TOTAL or JM_DEVICE_GPUS */
    int64_t begin_ns, end_ns;
    double duration_s;
    bool simulated, modelled;
    jmi_lane *lanes; /* of the devices that are shown */
    size_t lane_count;
    bool has_read[JMI_SHOWN];
    jmi_phase *phases; /* by their beginning */
    size_t phase_count;
    jmi_phase_window *phase_windows; /* of all phases, by their beginnings */
    size_t phase_window_count;
    bool has_phases; /* they were read */
    jmi_energies energies;
    bool has_energies;
    jmi_attributed *attributed;
    size_t attributed_count, attributed_capacity;
    jmi_extent pairs;
    bool has_pairs; /* they were looked for */
};

/* Pixels across; 0: everything is drawn (raw). */
size_t jmi_pixels(const jm_figures *f);

/* "power" */
const char *jmi_shown_word(jmi_shown which);

/* Reads the curves of all lanes. JM_NO_DATA: nothing shows it, or no value is known. */
int jmi_need_curves(jm_figures *f, jmi_shown which, jm_error *error);
/* Which of the two utilisations there is; one alone will do. */
int jmi_need_utilisations(jm_figures *f, bool shown[JMI_SHOWN], jm_error *error);
int jmi_need_phases(jm_figures *f, jm_error *error);
/* All in one pass over the samples. JM_NO_DATA: no energy was measured. */
int jmi_need_energies(jm_figures *f, jm_error *error);
/* How often the slowest sensor of power or energy of those devices has a new value. */
double jmi_refresh_s(const jm_figures *f);

/* Stretches of a lane's curve, to be freed: all of it; while a phase ran. NULL: out of memory. */
jmi_stretch *jmi_whole(const jm_figures *f, const jmi_curve *curve);
jmi_stretch *jmi_while(const jm_figures *f, const jmi_curve *curve, const jmi_phase *phase);

/* Which phase runs, at times that rise. Those that run at once: the one that began last. */
typedef struct jmi_phase_walk {
    const jm_figures *f;
    size_t next, *running, depth;
} jmi_phase_walk;
/* False: out of memory. */
bool jmi_phase_walk_begin(jmi_phase_walk *walk, const jm_figures *f);
/* SIZE_MAX: none runs. */
size_t jmi_phase_walk_at(jmi_phase_walk *walk, int64_t t_ns);
void jmi_phase_walk_end(jmi_phase_walk *walk);

/* Shades the phases in a figure over time, behind what is added later. */
int jmi_shade_phases(jm_figures *f, jm_figure *figure, jm_error *error);
/* Says beneath a figure what of it is simulated or modelled. */
void jmi_note_sources(const jm_figures *f, jm_figure *figure);

/* Is there an energy, or a bound at least? */
bool jmi_energy_shown(const jm_energy *energy);

#endif
