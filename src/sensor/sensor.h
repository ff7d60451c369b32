/* Readings from hardware. A *source* is one call that yields one or more sensors' values at once;
 * interfaces (one file each) probe for devices and add their sources to a set. Nothing here stores
 * samples: the sampler (src/record) decides when to read and what to keep. */
#ifndef JMI_SENSOR_H
#define JMI_SENSOR_H

#include "base/base.h"

enum { JMI_SOURCE_SENSORS = 12 };

typedef struct jmi_reading {
    double value; /* gauges: in the quantity's unit; counters: J (or s) since the set was opened */
    int64_t source_ns; /* the device's own time of the value, CLOCK_MONOTONIC; 0: it gives none */
    int status;        /* JM_OK, or why there is no value */
    uint8_t flags;     /* JM_SAMPLE_RESET for counters that began anew */
} jmi_reading;

typedef struct jmi_source jmi_source;
struct jmi_source {
    const char *interface;
    uint32_t device;                     /* index into the set's devices */
    uint32_t sensor[JMI_SOURCE_SENSORS]; /* indices into the set's sensors */
    uint32_t sensor_count;
    uint64_t min_period_ns; /* reading faster gives nothing new or costs too much */
    uint64_t max_period_ns; /* must be read this often (half the shortest wrap time); 0: any */
    uint64_t cost_ns;       /* duration of one read, measured when probed */
    const char *driver;     /* whose calls may never return: one text for all that wait for each
                               other. NULL: they do return */

    /* Reads now: sensor_count readings. Returns JM_OK, JM_LOST (never try again) or another status
     * for the call as a whole; each reading has its own status besides. Called by one thread. */
    int (*read)(jmi_source *source, jmi_reading *readings);
    /* For devices that keep a ring of past values: hands over those not yet seen, oldest first, at
     * most `capacity`; such a source has one sensor and no `read`. */
    int (*drain)(jmi_source *source, jmi_reading *readings, size_t capacity, size_t *count);
    void (*close)(jmi_source *source); /* frees context */
    void *context;
};

typedef struct jmi_sensor_set {
    jm_device *devices;
    size_t device_count, device_capacity;
    jm_sensor *sensors;
    size_t sensor_count, sensor_capacity;
    jmi_source *sources;
    size_t source_count, source_capacity;
    jm_finding *findings;
    size_t finding_count, finding_capacity;
    jmi_intern *texts; /* every text above lives here */
    void *nvml;        /* shared state of an interface, closed last */
    void (*nvml_close)(void *nvml);
    _Atomic int32_t
        pid; /* process tree for JM_QUANTITY_PROCESS_UTIL; changed by jm_session_follow */
    char *
        *environment; /* NAME=value for child processes (simulated GPU); NULL-terminated or NULL */

    /* For the interfaces only. */
    const char *root;     /* stands for "/" in sysfs and procfs; NULL: the real one */
    struct jmi_gpu *gpus; /* what there is, and what of it is selected (internal.h) */
    size_t gpu_count, gpu_capacity;
    struct jmi_calibration_cache *calibrations;
    _Atomic uint32_t progress; /* of what may hang: see jmi_guard */
    void *simulation;          /* state file of simulated GPUs */
    const char *library;       /* loaded in place of NVML's; NULL: none */
    bool cpu_measured;         /* something measures the CPUs: no model is needed */
    bool abandoned;            /* a driver hangs: leave alone what its thread may still touch */
    bool failed;               /* memory ran out while the set was filled */
} jmi_sensor_set;

/* Probes every interface that the options allow. Fails only for wrong options (unknown GPU, bad
 * simulation text) and lack of memory: hardware that is missing becomes a finding. */
int jmi_sensors_open(jmi_sensor_set **result, const jm_session_options *options, jm_error *error);
/* Lists GPUs and selects among them, and probes nothing. `library`: loaded in place of NVML's, or
 * NULL. JM_HUNG: the driver does not answer. */
int jmi_gpus_open(jmi_sensor_set **result, const jm_session_options *options, const char *library,
                  jm_error *error);
void jmi_sensors_close(jmi_sensor_set *set);
/* Lets go of a source whose driver hangs: marks it so that close does not call the driver. */
void jmi_sensors_abandon(jmi_sensor_set *set, size_t source);

/* Is it something that every recording must tell of: what keeps GPUs that are there from being
 * measured? That there are none is no such thing. */
bool jmi_finding_matters(const jm_finding *finding);

/* An interface: one file, one of these. */
typedef struct jmi_interface {
    const char *name;
    int (*probe)(jmi_sensor_set *set, const jm_session_options *options, jm_error *error);
} jmi_interface;

extern const jmi_interface jmi_nvml, jmi_rapl_perf, jmi_rapl_powercap, jmi_hwmon, jmi_procfs,
    jmi_cpu_model;

/* For interfaces. Texts are copied; -1 (as index) on lack of memory. */
uint32_t jmi_set_device(jmi_sensor_set *set, const jm_device *device);
uint32_t jmi_set_sensor(jmi_sensor_set *set, const jm_sensor *sensor);
jmi_source *jmi_set_source(jmi_sensor_set *set, const jmi_source *source);
void jmi_set_finding(jmi_sensor_set *set, const jmi_interface *interface, const char *device,
                     const char *what, int status, uint64_t cost_ns, const char *remedy,
                     const char *format, ...) JMI_PRINTF(8, 9);

/* Relative standard uncertainty of the CPU model's power, all of it systematic. From its residuals
 * on load against RAPL of two CPUs and from how far CPUs' full-load power strays from their TDP
 * (cpu_model.c); a lone CPU may well be off by more than twice the usual 3 % of a sensor. */
double jmi_model_uncertainty(void);

/* A hardware counter of any width and unit, followed as joules since the first reading. */
typedef struct jmi_counter {
    uint64_t last_raw;
    uint64_t range; /* raw values lie in [0, range); 0: 64 bits, never wraps */
    double unit;    /* J (or s) for one raw step */
    double total;   /* since the first reading */
    bool started;
    bool resets; /* backwards means a reset (NVML), not a wrap (RAPL) */
} jmi_counter;

/* Returns the reading for a raw value. Backwards is one wrap, or a reset flagged as such. */
jmi_reading jmi_counter_update(jmi_counter *counter, uint64_t raw);

#endif
