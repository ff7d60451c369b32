/* What the interfaces share, and nobody else needs. */
#ifndef JMI_SENSOR_INTERNAL_H
#define JMI_SENSOR_INTERNAL_H

#include "sensor/sensor.h"

/* ---- GPUs: listed first, selected next, probed last ---- */

typedef struct jmi_gpu {
    const char *vendor; /* texts live in the set */
    const char *model;
    const char *uuid; /* "" if it has none */
    const char *pci;
    const char *vbios;  /* its version, "" if unknown */
    const char *mig;    /* UUIDs of its MIG instances, each followed by a space */
    const char *folder; /* of its hwmon; NULL: it is one of NVML's */
    uint32_t index;     /* N of gpuN: NVML's (PCI) order, then hwmon's */
    bool cuda;          /* CUDA_VISIBLE_DEVICES speaks of it */
    bool selected;
} jmi_gpu;

typedef struct jmi_selection {
    const char *gpus;         /* as in jm_session_options */
    const char *cuda_visible; /* CUDA_VISIBLE_DEVICES or NULL */
    const char *cuda_order;   /* CUDA_DEVICE_ORDER or NULL */
} jmi_selection;

/* Marks the selected GPUs. What the user ought to know of how CUDA_VISIBLE_DEVICES was understood
 * goes into `note` ("" if nothing). JM_NOT_FOUND, JM_INVALID: an error that lists what there is. */
int jmi_select_gpus(jmi_gpu *gpus, size_t count, const jmi_selection *selection, char *note,
                    size_t note_size, jm_error *error);

/* Loads the driver's library; the other two call the driver, so they go through jmi_guard. */
int jmi_nvml_load(jmi_sensor_set *set, const jm_session_options *options, jm_error *error);
bool jmi_nvml_loaded(const jmi_sensor_set *set);
int jmi_nvml_list(jmi_sensor_set *set);
int jmi_nvml_probe(jmi_sensor_set *set);
int jmi_hwmon_list(jmi_sensor_set *set);
jmi_gpu *jmi_set_gpu(jmi_sensor_set *set, const jmi_gpu *gpu);

/* Calls `work`, which may hang in a driver, in a thread of its own. JM_HUNG: it neither came back
 * nor counted set->progress up in time ($JOULEMETER_DRIVER_TIMEOUT_S, 5 s); the set belongs to that
 * thread from then on. */
int jmi_guard(jmi_sensor_set *set, int (*work)(jmi_sensor_set *set));
/* Likewise for anything on the heap: `data` is the thread's if JM_HUNG is returned. `progress`:
 * what it counts up as it gets on, or NULL. */
int jmi_guard_call(int (*work)(void *data), void *data, _Atomic uint32_t *progress);
enum { JMI_DRIVER_STACK = 8 << 20 }; /* of a thread that calls drivers: they may go deep */
int64_t jmi_driver_timeout_ns(void);

/* ---- the set ---- */

const char *jmi_set_text(jmi_sensor_set *set, const char *text);
const char *jmi_set_format(jmi_sensor_set *set, const char *format, ...) JMI_PRINTF(2, 3);
/* Index of the device of that name, or -1. */
uint32_t jmi_set_find(const jmi_sensor_set *set, const char *name);
/* Likewise, added with the fields of `device` if it is not there. */
uint32_t jmi_set_device_named(jmi_sensor_set *set, const char *name, const jm_device *device);
/* Version of the device's VBIOS, "" if it is not known or has none. */
const char *jmi_set_vbios(const jmi_sensor_set *set, const jm_device *device);
/* True if that device has a power or energy sensor. */
bool jmi_set_measures(const jmi_sensor_set *set, const char *name);
/* "prefixN" with the smallest N that is free. */
const char *jmi_set_free_name(jmi_sensor_set *set, const char *prefix);

/* How long a read takes: the least of some, where the first was long enough to have been
 * interrupted; what is believed of it decides how often the source is read.
 *
 *     jmi_cost cost = {0};
 *     while (jmi_cost_goes_on(&cost)) read();
 */
typedef struct jmi_cost {
    int64_t began_ns;
    uint64_t least_ns;
    int tries;
} jmi_cost;
bool jmi_cost_goes_on(jmi_cost *cost);
/* Of reading a source. */
uint64_t jmi_source_cost(jmi_source *source);

/* How often to read a value that refreshes every `refresh_ns` with calls of `cost_ns`: fine enough
 * to bracket its changes, coarse enough to stay below 2 % of a core. */
uint64_t jmi_source_period(uint64_t refresh_ns, uint64_t cost_ns);

/* ---- values in sysfs files, kept open ---- */

enum { JMI_FILE_POWER, JMI_FILE_ENERGY, JMI_FILE_PRODUCT };

typedef struct jmi_file_value {
    int kind;
    int fd;
    int second_fd; /* JMI_FILE_PRODUCT: a voltage times a current */
    double unit;   /* W for one step, where it is no counter */
    jmi_counter counter;
} jmi_file_value;

/* Reads one value now. */
jmi_reading jmi_file_read(jmi_file_value *value);
/* Adds a source for the sensors that belong to `values` (both copied); it owns the files, and
 * closes them on failure too. Measures the cost. */
jmi_source *jmi_set_files(jmi_sensor_set *set, const jmi_source *source,
                          const jmi_file_value *values);
/* Opens root + path for jmi_file_value; a negative jm_status on failure. */
int jmi_file_open(const jmi_sensor_set *set, const char *format, ...) JMI_PRINTF(2, 3);
/* One short text below the root; false if it is missing or empty. */
bool jmi_file_text(const jmi_sensor_set *set, char *text, size_t size, const char *format, ...)
    JMI_PRINTF(4, 5);
/* Unsigned number at the start of a sysfs value; false if there is none or it is too large. */
bool jmi_parse_sysfs(const char *text, size_t length, uint64_t *value);

/* ---- RAPL, by perf or by powercap ---- */

/* Adds (or finds) the device that a domain stands for: "pkg", "core", "uncore", "dram", "psys". */
uint32_t jmi_rapl_device(jmi_sensor_set *set, const char *domain, uint32_t package, uint32_t die,
                         const char **name);
/* cpuN, dramN ... for a domain; NULL: no such domain. die 0 is the package itself. */
const char *jmi_rapl_name(jmi_sensor_set *set, const char *domain, uint32_t package, uint32_t die);
/* Whether b shows what a shows: a read before, b, a read after; changes between two rounds. */
bool jmi_rapl_mirrors(const uint64_t before[2], const uint64_t b[2], const uint64_t after[2]);

/* ---- /proc ---- */

typedef struct jmi_cpu_times {
    uint64_t busy;  /* ticks */
    uint64_t total; /* ticks of all CPUs, idle and stolen time included */
} jmi_cpu_times;

typedef struct jmi_pid_stat {
    int32_t pid;
    int32_t parent;
    uint64_t own;      /* ticks of all its threads */
    uint64_t children; /* ticks of children that ended and were waited for */
    uint64_t start;    /* ticks after boot: tells a pid from its next user */
} jmi_pid_stat;

typedef struct jmi_cpu_info {
    char vendor[32];
    char model[96];
    uint32_t family, model_number;
    uint32_t cpus;    /* logical, online */
    uint32_t cores;   /* physical; 0: not known */
    uint32_t sockets; /* 1 at least */
    bool hypervisor;  /* in a virtual machine */
} jmi_cpu_info;

/* Parsers: pure functions on text, false if it is not what it should be. */
bool jmi_parse_cpu_times(const char *text, size_t length, jmi_cpu_times *times);
bool jmi_parse_pid_stat(const char *text, size_t length, jmi_pid_stat *stat);
bool jmi_parse_cpu_info(const char *text, size_t length, jmi_cpu_info *info);
/* "0-3,8,10-11": calls `each` for every CPU; false if it is malformed. */
bool jmi_parse_cpu_list(const char *text, void (*each)(uint32_t cpu, void *user), void *user);
/* "event=0x02" or "event=0x02,umask=0x1". */
bool jmi_parse_perf_config(const char *text, uint64_t *config);
/* Process ids, separated by blanks; returns how many were stored. */
size_t jmi_parse_pids(const char *text, size_t length, int32_t *pids, size_t capacity);

/* Reads /proc/stat below the root. */
int jmi_cpu_times_read(int fd, jmi_cpu_times *times);
int jmi_cpu_info_read(const jmi_sensor_set *set, jmi_cpu_info *info);

/* ---- process tree (process_tree.c) ---- */

typedef struct jmi_process_tree jmi_process_tree;
jmi_process_tree *jmi_process_tree_new(const char *root);
void jmi_process_tree_free(jmi_process_tree *tree);
/* CPU ticks that the tree below pid used since it was first asked for that pid. JM_NO_DATA: the
 * process is gone. */
int jmi_process_tree_read(jmi_process_tree *tree, int32_t pid, int64_t now_ns, uint64_t *ticks);

/* ---- CPU model ---- */

typedef struct jmi_cpu_power {
    double tdp_w; /* of all that is modelled */
    double share; /* of a socket's CPUs that this (virtual) machine has; 1: all */
    bool guessed; /* neither given nor in the table */
} jmi_cpu_power;

jmi_cpu_power jmi_cpu_power_of(const jmi_cpu_info *info, double tdp_w);
/* W at a utilisation in 0..1. */
double jmi_cpu_model_w(double tdp_w, double utilisation);

/* ---- simulated GPUs (simulate.c) ---- */

/* Finds the simulated GPU's library, makes its state file from `spec` and sets the environment for
 * child processes. `library` gets the path to load. */
int jmi_simulate_open(jmi_sensor_set *set, const char *spec, char *library, size_t size,
                      jm_error *error);
void jmi_simulate_close(void *data);

#endif
