/*
 * joulemeter.h - where the joules of a program go.
 *
 * joulemeter measures the energy of GPUs, CPUs and memory while a program runs, and says how
 * much of it each phase, epoch, batch, layer or kernel took, with an uncertainty on every figure.
 *
 * This header is the whole public interface. Read it from top to bottom as a manual:
 *
 *   1. Conventions and version    7. Energy                 13. Power limits
 *   2. Errors                     8. Attribution            14. Tuning
 *   3. Simple use                 9. Reports and export     15. Carbon and cost
 *   4. Sessions                  10. Figures                16. Logbook
 *   5. Ranges and marks          11. Devices and doctor     17. Settings
 *   6. Recordings                12. Calibration            18. Estimation from counters
 *
 * A first program:
 *
 *     #include <joulemeter.h>
 *
 *     jm_session *session;
 *     jm_error error;
 *     if (jm_session_open(&session, NULL, &error) != JM_OK) {
 *         fprintf(stderr, "%s\n", error.message);
 *         return 1;
 *     }
 *     jm_range_id train = jm_begin(session, "train");
 *     work();
 *     jm_end(session, train);
 *
 *     jm_energy e;
 *     jm_range_energy(session, train, JM_DEVICE_TOTAL, NULL, &e, NULL);
 *     printf("train: %.1f J +- %.1f J\n", e.energy_j, e.u95_j);
 *     jm_session_close(session, NULL, NULL);
 *
 * It compiles as C99, C11 and C++. Link with -ljoulemeter.
 */
#ifndef JOULEMETER_H
#define JOULEMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define JM_API __attribute__((visibility("default")))
#else
#define JM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Conventions and version --------------------------------------------------------------
 *
 * Units are in the names: _ns nanoseconds, _s seconds, _w watts, _j joules, _pct per cent, _c
 * degrees Celsius, _mhz megahertz. Times are CLOCK_MONOTONIC nanoseconds; a recording carries the
 * offset to UTC that was measured when it began.
 *
 * Functions that can fail return JM_OK (0) or a negative jm_status and, where there is an `error`
 * argument, a sentence in it; `error` may be NULL. Every *_free and *_close takes NULL. Where an
 * object is needed and NULL is given the answer is JM_INVALID, 0, false or NULL.
 *
 * Option structs begin with `size`; initialise them with their *_INIT macro, then set what you
 * want. A zero or NULL field means "the default", which its comment names.
 *
 * Texts that functions return as `const char *` belong to the object they came from and live as
 * long as it does; texts returned through `char **` are the caller's, to be freed with jm_free.
 */

#define JM_VERSION_MAJOR 0
#define JM_VERSION_MINOR 1
#define JM_VERSION_PATCH 0

/* Version of the library in use, "0.1.0". Never NULL. */
JM_API const char *jm_version(void);

/* Nanoseconds of CLOCK_MONOTONIC now: the clock of every time in this interface. */
JM_API int64_t jm_now_ns(void);

/* Frees memory that the library handed to the caller. NULL is legal. */
JM_API void jm_free(void *memory);

/* ---- 2. Errors -------------------------------------------------------------------------------
 * One table gives code, name and sentence. */
#define JM_STATUS_TABLE(X)                                                                         \
    X(0, OK, "success")                                                                            \
    X(-1, INVALID, "an argument is not valid")                                                     \
    X(-2, MEMORY, "out of memory")                                                                 \
    X(-3, IO, "reading or writing a file failed")                                                  \
    X(-4, NOT_FOUND, "there is no such thing")                                                     \
    X(-5, PERMISSION, "permission denied")                                                         \
    X(-6, NOT_SUPPORTED, "the device or driver does not support it")                               \
    X(-7, LOST, "the device is lost")                                                              \
    X(-8, HUNG, "the driver does not answer")                                                      \
    X(-9, FORMAT, "the data is not in the expected format")                                        \
    X(-10, NO_DATA, "there is no measurement for it")                                              \
    X(-11, FULL, "a limit is reached")                                                             \
    X(-12, CLOSED, "the session is closed")                                                        \
    X(-13, SYSTEM, "a system call failed")                                                         \
    X(-14, DRIVER, "the driver reported an error")                                                 \
    X(-15, INTERRUPTED, "interrupted")                                                             \
    X(-16, MISSING_LIBRARY, "a library is not installed")

typedef enum jm_status {
#define JM_STATUS_ENUM(code, name, sentence) JM_##name = (code),
    JM_STATUS_TABLE(JM_STATUS_ENUM)
#undef JM_STATUS_ENUM
} jm_status;

/* Where a function writes what went wrong. The caller owns it; nothing is kept in the library. */
typedef struct jm_error {
    int status;
    char message[508];
} jm_error;

/* "JM_NO_DATA" for a code, and its sentence. Never NULL, unknown codes included. */
JM_API const char *jm_status_name(int status);
JM_API const char *jm_status_text(int status);

/* ---- 3. Simple use ---------------------------------------------------------------------------
 * jm_session_open, jm_begin, jm_end, jm_range_energy, jm_session_close, as in the program above.
 * A measured program that runs inside `joulemeter run` joins the outer session by itself: its
 * ranges land in that recording, on the same clock, and no second sampler starts. */

typedef struct jm_session jm_session;     /* measuring now */
typedef struct jm_recording jm_recording; /* what was measured */
typedef uint64_t jm_range_id;             /* 0 is no range */
typedef struct jm_device jm_device;       /* section 6 */
typedef struct jm_grid jm_grid;           /* section 15 */

/* ---- 4. Sessions ----------------------------------------------------------------------------- */

/* Called with one sentence, at most once for each kind of warning: from the sampler thread, or from
 * the thread that flushes or closes the session. */
typedef void (*jm_warning_fn)(const char *message, void *user);

enum {
    JM_SESSION_NO_GPU = 1u << 0,     /* leave GPUs alone */
    JM_SESSION_NO_CPU = 1u << 1,     /* leave CPU and memory alone */
    JM_SESSION_NO_JOIN = 1u << 2,    /* do not join an outer session */
    JM_SESSION_NO_SAMPLER = 1u << 3, /* ranges and marks only, no sensor is opened */
    JM_SESSION_KEEP_POLLS = 1u << 4  /* keep every poll, also those that saw nothing new */
};

typedef struct jm_session_options {
    size_t size;
    const char *gpus;          /* "all", "none", "0,2", UUIDs or unique prefixes of them. NULL: what
                                  CUDA_VISIBLE_DEVICES shows, all where it is not set */
    uint64_t interval_ns;      /* one sample at least is kept every interval. 0: 20 ms */
    uint64_t poll_ns;          /* how often sensors are asked whether they changed. 0: as fast as
                                  each sensor's refresh and the cost of its call warrant */
    const char *path;          /* recording file to write as the run goes. NULL: memory only */
    uint64_t max_samples;      /* kept in memory; what exceeds it is spilled. 0: no limit */
    uint64_t max_memory_bytes; /* likewise. 0: 256 MiB */
    double warn_at;            /* share of a limit at which one warning is given. 0: 0.8 */
    const char *spill_dir;     /* where a spill file is made if `path` is NULL. NULL: $TMPDIR */
    const char *root;          /* replaces "/" for sysfs and procfs. NULL: $JOULEMETER_ROOT or / */
    const char *simulate;      /* simulated GPUs instead of real ones: "h100,square:80:400:0.1" */
    int32_t pid;               /* process tree whose CPU use is recorded. 0: this process */
    double cpu_tdp_w;          /* thermal design power for the CPU model. 0: guessed */
    uint32_t flags;            /* JM_SESSION_* */
    jm_warning_fn on_warning;
    void *user;
} jm_session_options;

#define JM_SESSION_OPTIONS_INIT                                                                    \
    { sizeof(jm_session_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Opens the sensors and starts measuring. `options` may be NULL. Where no sensor is found the
 * session still opens: the recording says what was missing. JM_INVALID names a wrong option,
 * JM_NOT_FOUND a GPU that is not there. On failure *session is NULL. */
JM_API int jm_session_open(jm_session **session, const jm_session_options *options,
                           jm_error *error);

/* Joins the session of an outer `joulemeter run`, and never measures by itself: for libraries that
 * are loaded into programs of others. JM_NOT_FOUND: there is no outer session; JM_CLOSED: it is
 * gone; JM_NOT_SUPPORTED: it is of another version. On failure *session is NULL. */
JM_API int jm_session_join(jm_session **session, jm_error *error);

/* Stops measuring, ends what is still open and hands the recording over if `recording` is not
 * NULL (free it with jm_recording_free). Takes a bounded time even if a driver hangs. The session
 * is gone afterwards, whatever is returned. In a forked child it only lets go of its copy. */
JM_API int jm_session_close(jm_session *session, jm_recording **recording, jm_error *error);

/* True if the session writes into that of an outer `joulemeter run`. */
JM_API bool jm_session_joined(const jm_session *session);

/* The recording as it grows, for reading at any time until the session is closed. It belongs to
 * the session. NULL for a joined session: its data is in the outer recording. */
JM_API const jm_recording *jm_session_recording(jm_session *session);

/* The devices that are measured, also those of the outer session of a joined one. Set
 * device->size before the call; texts belong to the session. JM_NOT_FOUND if the index is too
 * large. */
JM_API uint32_t jm_session_device_count(const jm_session *session);
JM_API int jm_session_device(const jm_session *session, uint32_t index, jm_device *device);

/* Adds a fact to the recording (see jm_recording_info). In a joined session it goes to the outer
 * recording, where it cannot replace a fact of the outer session; a key of up to 1000 bytes, a
 * value of up to 4000. */
JM_API int jm_session_set_info(jm_session *session, const char *key, const char *value);

/* Environment settings ("NAME=value") that let a child process join this session; the array ends
 * with NULL and belongs to the session. */
JM_API const char *const *jm_session_environment(jm_session *session);

/* From now on the process tree below `pid` is the one whose CPU use is recorded. */
JM_API int jm_session_follow(jm_session *session, int32_t pid);

/* Writes what has been measured so far to the session's file, if it has one. */
JM_API int jm_session_flush(jm_session *session, jm_error *error);

/* Looks after the sampler: while a call to a driver takes long, the others are read by another
 * thread; after two seconds that driver's devices are left out. Long-lived programs that call
 * nothing else may call it every second or so. */
JM_API int jm_session_check(jm_session *session);

/* ---- 5. Ranges and marks ---------------------------------------------------------------------
 * A range is a named piece of time; ranges nest and overlap freely, in any thread. Beginning or
 * ending one is a time-stamp and a store: no driver call, no lock, no allocation. Only where a
 * thread's ring is full (8192 messages not collected yet) does it wait before it drops the message
 * and counts it: half a second at most, or 20 s while all memory is used and the file is being
 * written, so that nothing is lost but time. After fork the child may go on marking; its ranges
 * carry its pid. */

typedef enum jm_category {
    JM_CATEGORY_USER = 0,
    JM_CATEGORY_SESSION,
    JM_CATEGORY_PHASE,
    JM_CATEGORY_EPOCH,
    JM_CATEGORY_BATCH,
    JM_CATEGORY_WARMUP,
    JM_CATEGORY_LAYER,
    JM_CATEGORY_KERNEL,
    JM_CATEGORY_NVTX
} jm_category;

/* "phase" for JM_CATEGORY_PHASE. */
JM_API const char *jm_category_name(int category);

/* Begins a range of the calling thread; its parent is the innermost one open in the thread.
 * `name` is copied. Returns 0 where nothing is recorded (session NULL or closed, no room). */
JM_API jm_range_id jm_begin(jm_session *session, const char *name);

/* Likewise, with a category and attributes: a JSON object such as {"size":32}, or NULL. Any other
 * text is kept as it is; tables and reports show it as {"text": ...}. Returns 0 for a category that
 * there is not, too; a warning of the recording says so. */
JM_API jm_range_id jm_begin_as(jm_session *session, jm_category category, const char *name,
                               const char *attributes);

/* Ends a range, from any thread. Range 0 is ignored. */
JM_API void jm_end(jm_session *session, jm_range_id range);

/* Likewise, adding attributes that were not known at the beginning (loss, number of items). */
JM_API void jm_end_with(jm_session *session, jm_range_id range, const char *attributes);

/* Likewise, at a time that has passed (of jm_now_ns): for work that stopped without a word and is
 * found later. It ends no earlier than it began, and no later than now. */
JM_API void jm_end_at(jm_session *session, jm_range_id range, int64_t end_ns,
                      const char *attributes);

/* Gives a thread of this process a name, by the number that the system has for it (gettid; 0: the
 * calling thread). It becomes a fact of the recording, "thread 3", the number being that of
 * jm_range.thread. */
JM_API void jm_session_name_thread(jm_session *session, uint32_t tid, const char *name);

/* An instant. */
JM_API void jm_mark(jm_session *session, const char *name, const char *attributes);

/* ---- 6. Recordings ---------------------------------------------------------------------------
 * All readers may run while the session goes on, from any thread. Indices are stable. */

typedef enum jm_quantity {
    JM_QUANTITY_POWER = 0,     /* W, what the sensor calls power now */
    JM_QUANTITY_POWER_AVERAGE, /* W, averaged by the device over a longer window */
    JM_QUANTITY_ENERGY,        /* J, counter */
    JM_QUANTITY_GPU_UTIL,      /* % of time in which a kernel ran */
    JM_QUANTITY_MEM_UTIL,      /* % of time in which memory was read or written */
    JM_QUANTITY_CPU_UTIL,      /* % of all CPUs */
    JM_QUANTITY_PROCESS_UTIL,  /* CPUs' worth of the measured process tree, % of all CPUs */
    JM_QUANTITY_MEM_USED,      /* bytes */
    JM_QUANTITY_TEMPERATURE,   /* degrees Celsius */
    JM_QUANTITY_SM_CLOCK,      /* MHz */
    JM_QUANTITY_MEM_CLOCK,     /* MHz */
    JM_QUANTITY_POWER_LIMIT,   /* W, enforced */
    JM_QUANTITY_THROTTLE,      /* bit set of NVML's throttle reasons */
    JM_QUANTITY_CAP_TIME       /* s, counter: time in which the power limit held clocks down */
} jm_quantity;

JM_API const char *jm_quantity_name(int quantity); /* "power" */
JM_API const char *jm_quantity_unit(int quantity); /* "W" */

struct jm_device {
    size_t size;
    const char *name;   /* "gpu0", "cpu0", "dram0", "core0", "psys0", "node" */
    const char *vendor; /* "NVIDIA"; "" if unknown */
    const char *model;  /* "NVIDIA H200" */
    const char *uuid;   /* "" if it has none */
    const char *pci;    /* "0000:3B:00.0"; "" if it has none */
    const char *driver; /* version; "" if unknown */
    bool in_total;      /* false: contained in another device (cores, psys), never added */
    bool simulated;
    double power_limit_w; /* upper bound of its power; 0: not known */
    double power_floor_w; /* lower bound of its power; 0: none known */
};

typedef struct jm_sensor {
    size_t size;
    uint32_t device;
    jm_quantity quantity;
    const char *source;  /* "nvml power_instant", "rapl perf", "cpu model" */
    bool counter;        /* grows; else a gauge */
    bool modelled;       /* an estimate, nothing measures it */
    bool source_time;    /* sample times are the device's own */
    uint64_t refresh_ns; /* T: a new value every so often; 0: unknown */
    uint64_t window_ns;  /* W: averaged over so long; 0: unknown */
    uint64_t lag_ns;     /* L: the window ended so long before the value showed */
    double noise;        /* standard deviation of one value, in the quantity's unit */
    double quantum;      /* smallest step of the value */
    bool calibrated;     /* T, W, L were measured on this device; else taken from a table */
} jm_sensor;

enum {
    JM_SAMPLE_CHANGED = 1u << 0, /* differs from the poll before */
    JM_SAMPLE_GAP = 1u << 1,     /* polls are missing before it: suspend, failure, driver hung */
    JM_SAMPLE_MISSING = 1u << 2, /* the reading failed: there is no value */
    JM_SAMPLE_RESET = 1u << 3    /* the counter began anew: what lies before it is lost */
};

/* Part of a sensor's samples, as columns. `since_ns` is the time from the poll before to this
 * one: a value that changed did so in (t - since, t]. Counters are in J (or s) since the recording
 * began, wraps already mended. */
typedef struct jm_samples {
    size_t count;
    const int64_t *t_ns;
    const double *value;
    const uint32_t *since_ns; /* 4294967295: that long or longer */
    const uint8_t *flags;
    const void *reserved[3]; /* for columns to come */
} jm_samples;

typedef struct jm_range {
    size_t size;
    jm_range_id id;
    jm_range_id parent; /* 0: none */
    int64_t begin_ns;
    int64_t end_ns;
    jm_category category;
    bool unfinished; /* had no end: closed with its process or the recording */
    uint32_t pid;
    uint32_t thread; /* small numbers, in order of appearance */
    const char *name;
    const char *attributes; /* JSON object, or "": as they were given */
    const char *device;     /* the device that ran it, by name, UUID or PCI address; "": the host */
    uint32_t stream;        /* of that device */
} jm_range;
#define JM_RANGE_INIT                                                                              \
    { sizeof(jm_range), 0, 0, 0, 0, JM_CATEGORY_USER, false, 0, 0, 0, 0, 0, 0 }

#define JM_NO_PARENT UINT64_MAX

/* Adds a range to a session whose times are known afterwards: a kernel, by its device-side times.
 * Its category, times, name, attributes, device, stream and parent are taken; where parent is 0
 * that is the innermost range open in the calling thread, where it is JM_NO_PARENT there is none.
 * Returns 0 where nothing is recorded; a warning of the recording says so if the times are not
 * those of jm_now_ns (UTC, say). */
JM_API jm_range_id jm_range_add(jm_session *session, const jm_range *range);

typedef struct jm_mark_info {
    size_t size;
    int64_t t_ns;
    uint32_t pid;
    uint32_t thread;
    const char *name;
    const char *attributes;
} jm_mark_info;

/* Opens a recording file. Samples are read when they are needed. A file that was cut off (SIGKILL,
 * power failure) opens with what it holds. JM_FORMAT: it is none of ours. */
JM_API int jm_recording_open(jm_recording **recording, const char *path, jm_error *error);

/* An empty recording, to be filled by jm_recording_add_*: for traces made elsewhere. */
JM_API int jm_recording_new(jm_recording **recording, jm_error *error);
JM_API int jm_recording_add_device(jm_recording *recording, const jm_device *device,
                                   uint32_t *index, jm_error *error);
JM_API int jm_recording_add_sensor(jm_recording *recording, const jm_sensor *sensor,
                                   uint32_t *index, jm_error *error);
/* Appends samples (copied), times rising. */
JM_API int jm_recording_add_samples(jm_recording *recording, uint32_t sensor,
                                    const jm_samples *samples, jm_error *error);
/* Appends a range; id 0 asks for a new one, written back. */
JM_API int jm_recording_add_range(jm_recording *recording, jm_range *range, jm_error *error);
JM_API int jm_recording_add_mark(jm_recording *recording, const jm_mark_info *mark,
                                 jm_error *error);
JM_API int jm_recording_set_info(jm_recording *recording, const char *key, const char *value);

JM_API void jm_recording_free(jm_recording *recording);

/* Writes the whole recording to a new file (an existing file is replaced only when complete). */
JM_API int jm_recording_save(const jm_recording *recording, const char *path, jm_error *error);

/* Begin and end of what was measured, and UTC minus CLOCK_MONOTONIC. */
JM_API int64_t jm_recording_begin_ns(const jm_recording *recording);
JM_API int64_t jm_recording_end_ns(const jm_recording *recording);
JM_API int64_t jm_recording_utc_offset_ns(const jm_recording *recording);

/* Facts by name ("host", "kernel", "cpu_model", "version", "start"); NULL if not there. */
JM_API const char *jm_recording_info(const jm_recording *recording, const char *key);
/* All of them, in the order in which they came. JM_NOT_FOUND if the index is too large. */
JM_API uint32_t jm_recording_info_count(const jm_recording *recording);
JM_API int jm_recording_info_at(const jm_recording *recording, uint32_t index, const char **key,
                                const char **value);

JM_API uint32_t jm_recording_device_count(const jm_recording *recording);
JM_API uint32_t jm_recording_sensor_count(const jm_recording *recording);
JM_API uint64_t jm_recording_range_count(const jm_recording *recording);
JM_API uint64_t jm_recording_mark_count(const jm_recording *recording);
JM_API uint32_t jm_recording_warning_count(const jm_recording *recording);

/* Set `size` before the call; JM_NOT_FOUND if the index is too large. */
JM_API int jm_recording_device(const jm_recording *recording, uint32_t index, jm_device *device);
JM_API int jm_recording_sensor(const jm_recording *recording, uint32_t index, jm_sensor *sensor);
JM_API int jm_recording_range(const jm_recording *recording, uint64_t index, jm_range *range);
/* Index of the range with an id. */
JM_API int jm_recording_find_range(const jm_recording *recording, jm_range_id id, uint64_t *index);
JM_API int jm_recording_mark(const jm_recording *recording, uint64_t index, jm_mark_info *mark);
/* A sentence; NULL if the index is too large. */
JM_API const char *jm_recording_warning(const jm_recording *recording, uint32_t index);

/* What the sampler did: polls, failed polls, late polls, CPU time, dropped ranges. */
typedef struct jm_sampler_stats {
    size_t size;
    uint64_t polls;
    uint64_t failed;
    uint64_t late;
    uint64_t dropped; /* ranges and marks that were lost: a ring was full, or they were wrong */
    uint64_t cpu_ns;  /* CPU time of the sampler thread */
    uint64_t worst_late_ns;
} jm_sampler_stats;
JM_API int jm_recording_sampler_stats(const jm_recording *recording, jm_sampler_stats *stats);

/* A cursor over a sensor's samples in [from_ns, to_ns], plus one before and one after where there
 * are such. Next gives one block of columns, valid until the following call, or JM_NO_DATA at the
 * end. Samples that a damaged file does not give are missing from the first to the last of them
 * (JM_SAMPLE_MISSING), and a warning of the recording names the sensor. */
typedef struct jm_cursor jm_cursor;
JM_API int jm_cursor_open(jm_cursor **cursor, const jm_recording *recording, uint32_t sensor,
                          int64_t from_ns, int64_t to_ns, jm_error *error);
JM_API int jm_cursor_next(jm_cursor *cursor, jm_samples *samples);
JM_API void jm_cursor_close(jm_cursor *cursor);

/* ---- 7. Energy -------------------------------------------------------------------------------
 * Joules of any window of time, from whatever sensors saw it. */

#define JM_DEVICE_TOTAL UINT32_MAX       /* the sum of all devices that are in_total */
#define JM_DEVICE_GPUS  (UINT32_MAX - 1) /* likewise, of the GPUs alone */

/* Where an energy comes from: a set. */
enum {
    JM_FROM_COUNTER = 1u << 0,    /* an energy counter of the device */
    JM_FROM_POWER = 1u << 1,      /* power readings, integrated */
    JM_FROM_MODEL = 1u << 2,      /* modelled: nothing measured it */
    JM_FROM_SIMULATION = 1u << 3, /* of a simulated device */
    JM_BOUND_ONLY = 1u << 4       /* too short to be measured: lower_j and upper_j are bounds */
};

enum {
    JM_ENERGY_CONFLICT = 1u << 0, /* counter and power readings disagree: widened to hold both */
    JM_ENERGY_PARTIAL = 1u << 1,  /* some of the window was not measured: see `measured` */
    JM_ENERGY_LOCKED = 1u << 2,   /* the load's period and the sensor's refresh lock */
    JM_ENERGY_ACTIVITY = 1u << 3, /* what ranges say of the load was used */
    JM_ENERGY_RESET = 1u << 4     /* a counter began anew in the window */
};

/* An energy with its uncertainty. The true value lies in [lower_j, upper_j] with 95 % probability
 * (a hard bound under JM_BOUND_ONLY). The random part shrinks with repetition; the systematic part
 * (the board's gain) does not, and cancels in ratios on one board. */
typedef struct jm_energy {
    double energy_j;
    double u95_j;          /* expanded 95 % uncertainty, both parts */
    double u_random_j;     /* standard uncertainty, random part */
    double u_systematic_j; /* standard uncertainty, systematic part */
    double lower_j;
    double upper_j;
    double duration_s;
    double mean_power_w;
    double measured;     /* share of the window for which there are readings, 0..1 */
    uint32_t provenance; /* JM_FROM_* and JM_BOUND_ONLY */
    uint32_t flags;      /* JM_ENERGY_* */
    double reserved[2];  /* 0 */
} jm_energy;

typedef enum jm_method {
    JM_METHOD_AUTO = 0, /* counter and power readings, fused */
    JM_METHOD_COUNTER,
    JM_METHOD_POWER
} jm_method;

typedef struct jm_energy_options {
    size_t size;
    jm_method method;
    double gain_u;     /* relative standard uncertainty of a device's gain. 0: 0.03 for GPUs and
                          counters of CPUs, the model's own where it is modelled */
    double offset_u_w; /* standard uncertainty of a power sensor's offset, W. 0: 4 W for GPUs */
    bool no_activity;  /* do not use ranges to infer what a part-time sensor did not see */
    bool nearby;       /* read only what lies around the windows (their span, 20 s at least, on
                          either side): quick while a long session goes on */
    double level;      /* reserved, 0 */
} jm_energy_options;
#define JM_ENERGY_OPTIONS_INIT                                                                     \
    { sizeof(jm_energy_options), JM_METHOD_AUTO, 0, 0, false, false, 0 }

typedef struct jm_window {
    int64_t begin_ns;
    int64_t end_ns;
} jm_window;

/* Energy of `count` windows of one device (or JM_DEVICE_TOTAL), in one pass over the samples
 * whatever their number or order. `out` has `count` entries. A window without any reading gets
 * provenance 0, measured 0 and infinite upper_j where no bound is known; the call still returns
 * JM_OK. JM_NO_DATA: the device has no power or energy sensor. */
JM_API int jm_energy_windows(const jm_recording *recording, uint32_t device,
                             const jm_window *windows, size_t count,
                             const jm_energy_options *options, jm_energy *out, jm_error *error);

/* One window. */
JM_API int jm_energy_window(const jm_recording *recording, uint32_t device, int64_t begin_ns,
                            int64_t end_ns, const jm_energy_options *options, jm_energy *out,
                            jm_error *error);

/* Windows' energies added up by group, as for all batches, in one pass: group[i] < groups is the
 * group of window i (group NULL: all are in group 0); `out` has `groups` entries. 16 short windows
 * or more are an estimate where each alone may only be bounded. The steps of a program lie alike
 * to its load: what neither readings nor ranges show of one window they show of none, and this
 * uncertainty adds up. Where windows come in order of time and the gaps between them are short,
 * what the gaps can hide limits it. Windows of a group must not overlap for its sum to mean
 * anything. An empty group has 0 J. */
JM_API int jm_energy_groups(const jm_recording *recording, uint32_t device,
                            const jm_window *windows, const uint32_t *group, size_t count,
                            const jm_energy_options *options, jm_energy *out, size_t groups,
                            jm_error *error);

/* One group. */
JM_API int jm_energy_sum(const jm_recording *recording, uint32_t device, const jm_window *windows,
                         size_t count, const jm_energy_options *options, jm_energy *out,
                         jm_error *error);

/* Every range of the recording, in their order; `out` has jm_recording_range_count entries. */
JM_API int jm_energy_ranges(const jm_recording *recording, uint32_t device,
                            const jm_energy_options *options, jm_energy *out, size_t count,
                            jm_error *error);

/* A range of a session that is still running: its energy so far, or whole if it has ended. In a
 * joined session the outer one is asked, which takes some 100 us; JM_CLOSED if that is gone,
 * JM_HUNG if it does not answer within ten seconds. */
JM_API int jm_range_energy(jm_session *session, jm_range_id range, uint32_t device,
                           const jm_energy_options *options, jm_energy *out, jm_error *error);

/* Idle power of a device, or of all (JM_DEVICE_TOTAL): from a range named "idle" of category
 * session or warmup if there is one, else from the quietest second of the recording.
 * `from_baseline` says which. */
typedef struct jm_idle {
    size_t size;
    double power_w;
    double u95_w;
    bool from_baseline;
    double u_random_w; /* standard uncertainty, without that of the board's gain and offset */
} jm_idle;
JM_API int jm_energy_idle(const jm_recording *recording, uint32_t device, jm_idle *idle,
                          jm_error *error);

/* Highest power reading of one device in a window, W. JM_NO_DATA if there is none. */
JM_API int jm_peak_power(const jm_recording *recording, uint32_t device, int64_t begin_ns,
                         int64_t end_ns, double *peak_w, jm_error *error);

/* "counter+power, simulated" for a provenance. Returns `text`. */
JM_API const char *jm_provenance_text(uint32_t provenance, char *text, size_t size);

/* Repeats, comparison, forecast: statistics of runs that were measured before. Pure functions of
 * numbers, for any thread. An energy or uncertainty that is negative, a time that is not positive
 * and a number that is not finite are JM_INVALID, and the message names the run. What so few runs
 * cannot tell is NaN, and a flag says so. Levels are those of two-sided intervals: 0 is 0.95, else
 * from 0.5 to 0.999. Indices count from 0. */

/* One run of a program, one epoch: what its jm_energy says. Runs need not be in one recording, but
 * are taken to be of the same devices, so that the systematic part is common to all. */
typedef struct jm_run {
    double energy_j;
    double u_random_j;     /* standard uncertainty; 0: not known */
    double u_systematic_j; /* likewise */
    double time_s;
} jm_run;

/* Numbers that ought to be equal, in the order in which they came. */
typedef struct jm_spread {
    double median;
    double mean;
    double sd;     /* standard deviation of one value; NaN: there is but one */
    double cv_pct; /* sd as % of the mean; NaN likewise, or if the mean is 0 */
    double min, max;
    double mean_lower, mean_upper;     /* Student's t; NaN: fewer than three values */
    double median_lower, median_upper; /* whatever the distribution; NaN: too few (95 %: six) */
    double slope;                      /* Theil-Sen, a value; NaN: fewer than three */
    double drift_pct;                  /* slope from the first to the last as % of the median */
    double drift_p;     /* Mann-Kendall: chance of such a trend in values without one; NaN: fewer
                           than four */
    bool drifts;        /* the trend is significant at the level, and at least 1 % of the median */
    size_t outliers;    /* modified z-score above 3.5; 0 of fewer than five values. They are counted
                           in all other figures: they happened */
    double reserved[4]; /* 0 */
} jm_spread;

/* Spread of any finite numbers. `outlier` gets `count` entries, or is NULL. Sources: interval of
 * the median from order statistics, interpolated between two (Hettmansperger and Sheather 1986);
 * Theil 1950, Sen 1968 (over pairs half a series apart beyond 1000 values); Mann 1945, Kendall 1975
 * (exact up to 60 values without ties); Iglewicz and Hoaglin 1993, with the small-sample factors of
 * Croux and Rousseeuw 1992. */
JM_API int jm_spread_of(const double *values, size_t count, double level, jm_spread *spread,
                        bool *outlier, jm_error *error);

enum {
    JM_REPEAT_FEW = 1u << 0,      /* too few runs for an interval of the median */
    JM_REPEAT_DRIFT = 1u << 1,    /* energy rises or falls from run to run */
    JM_REPEAT_OUTLIERS = 1u << 2, /* some runs stand out */
    JM_REPEAT_NOISY = 1u << 3,    /* the energy's CV is above what was called stable */
    JM_REPEAT_SENSOR = 1u << 4    /* half of the spread or more (as sd) is the measurement's own */
};

typedef struct jm_repeat_options {
    size_t size;
    double level;
    double stable_cv_pct; /* CV of energy up to which runs are stable. 0: 5 % */
} jm_repeat_options;
#define JM_REPEAT_OPTIONS_INIT                                                                     \
    { sizeof(jm_repeat_options), 0, 0 }

typedef struct jm_repeat {
    size_t size;
    size_t runs;
    jm_spread energy_j;
    jm_spread time_s;
    jm_spread power_w;     /* mean power of each run */
    double u_random_j;     /* of one run's measurement, beside energy_j.sd that contains it */
    double u_systematic_j; /* of the mean, common to all runs: repeating does not help */
    double u95_j;   /* of the mean as an absolute figure: both at 95 %. Fewer than three runs:
                       the measurement's alone */
    uint32_t flags; /* JM_REPEAT_* */
    bool stable;    /* none of FEW, DRIFT, OUTLIERS, NOISY */
} jm_repeat;

/* How well runs repeat. Set result->size before the call. No outlier is a run whose energy differs
 * from the median by less than 1 %, or by what its random uncertainty allows where that is larger
 * than the other runs'. `outlier` gets `count` entries, or is NULL. */
JM_API int jm_repeat_analyse(const jm_run *runs, size_t count, const jm_repeat_options *options,
                             jm_repeat *result, bool *outlier, jm_error *error);

/* The same runs at several sampling intervals: does what is measured depend on how often the
 * sensors are asked? */
typedef struct jm_interval_runs {
    uint64_t interval_ns;
    const jm_run *runs;
    size_t count;
} jm_interval_runs;

typedef struct jm_sensitivity {
    size_t size;
    double p;           /* chance of medians so far apart if the interval does not matter; NaN:
                           fewer than two groups or three runs in one */
    bool differs;       /* p is below 1 - level */
    double largest_pct; /* highest median over the lowest, less 1 */
    size_t lowest, highest;
} jm_sensitivity;

/* `energy_j` gets the spread of each group's energies (`count` entries), or is NULL. The test is a
 * permutation test of mean ranks. Where all groups have as many runs, the i-th runs of all are
 * taken for one round, run one after the other: what changes from round to round is left out. */
JM_API int jm_sensitivity_analyse(const jm_interval_runs *groups, size_t count,
                                  const jm_repeat_options *options, jm_spread *energy_j,
                                  jm_sensitivity *result, jm_error *error);

enum {
    JM_COMPARE_FEW = 1u << 0,      /* fewer than three runs (pairs) each: no interval, no verdict */
    JM_COMPARE_OUTLIERS = 1u << 1, /* some ratios of pairs stand out; unpaired: some energies */
    JM_COMPARE_DRIFT = 1u << 2,    /* the ratio rises or falls from pair to pair */
    JM_COMPARE_RANKS = 1u << 3     /* the test by ranks contradicts the verdict on energy */
};

typedef struct jm_compare_options {
    size_t size;
    double level;
    bool unpaired;        /* runs of A and B are not pairs: their order and number mean nothing */
    uint32_t comparisons; /* made of one experiment: intervals hold for all of them together
                             (Bonferroni). 0: 1 */
    double ratio_u;       /* relative standard uncertainty of the ratio that repeating does not
                             shrink (jm_compare_systematic). 0: from the runs, as of one device */
} jm_compare_options;
#define JM_COMPARE_OPTIONS_INIT                                                                    \
    { sizeof(jm_compare_options), 0, false, 0, 0 }

/* B over A: a geometric mean. The interval holds the spread of runs and what does not cancel of the
 * systematic uncertainty. */
typedef struct jm_ratio {
    double ratio;
    double lower, upper;   /* NaN: fewer than three pairs */
    double u_random;       /* standard uncertainty of the ratio's logarithm, from the spread */
    double u_systematic;   /* likewise; 0 of times */
    double p;              /* chance of such a ratio if there is no difference, by the t test */
    double p_ranks;        /* likewise by ranks: Wilcoxon, Mann and Whitney */
    double detectable_pct; /* difference that so many runs find in four cases of five */
    int verdict;           /* -1: B is less, 1: B is more, 0: no significant difference */
    double reserved[4];    /* 0 */
} jm_ratio;

typedef struct jm_comparison {
    size_t size;
    size_t runs_a, runs_b;
    jm_ratio energy;
    jm_ratio time;
    jm_ratio power; /* mean power */
    uint32_t flags; /* JM_COMPARE_* */
} jm_comparison;

/* Compares runs of A and of B, the i-th of each being a pair that ran one after the other. On the
 * logarithms of the pairs' ratios: Student's t interval and test, Wilcoxon's signed ranks (exact up
 * to 60 pairs); unpaired: Welch's, and Mann and Whitney's. A board's gain cancels in the ratio, its
 * offset only where the mean powers are equal. Energies of 0 are JM_INVALID: they have no ratio.
 * Set result->size before the call. */
JM_API int jm_compare(const jm_run *a, size_t count_a, const jm_run *b, size_t count_b,
                      const jm_compare_options *options, jm_comparison *result, jm_error *error);

/* What the systematic uncertainties of several devices leave of the ratio of their sums: relative
 * standard uncertainty. `a` and `b` are typical energies of each device in runs of A and B. Each
 * has one gain and one offset; what is modelled (JM_FROM_MODEL) can be wrong for one load and right
 * for another, the more the further apart their mean powers are. */
JM_API int jm_compare_systematic(const jm_energy *a, const jm_energy *b, size_t devices, double *u,
                                 jm_error *error);

enum {
    JM_FORECAST_FEW = 1u << 0,    /* fewer than three epochs to go by: no interval */
    JM_FORECAST_WARMUP = 1u << 1, /* the first epoch differs and is not extrapolated */
    JM_FORECAST_ENERGY_TREND = 1u << 2,
    JM_FORECAST_TIME_TREND = 1u << 3
};

typedef enum jm_warmup {
    JM_WARMUP_AUTO = 0, /* the first epoch is left out if it differs from the rest */
    JM_WARMUP_NONE,
    JM_WARMUP_FIRST /* it is left out */
} jm_warmup;

typedef struct jm_forecast_options {
    size_t size;
    double level;
    jm_warmup warmup;
} jm_forecast_options;
#define JM_FORECAST_OPTIONS_INIT                                                                   \
    { sizeof(jm_forecast_options), 0, JM_WARMUP_AUTO }

/* The whole training, what is done included. */
typedef struct jm_forecast {
    size_t size;
    double energy_j;
    double energy_lower_j, energy_upper_j; /* prediction interval; NaN: too few epochs */
    double time_s;
    double time_lower_s, time_upper_s;
    double energy_done_j, time_done_s;
    double u_systematic_j; /* standard uncertainty in the interval that more epochs do not shrink */
    uint32_t flags;        /* JM_FORECAST_* */
} jm_forecast;

/* Energy and time of `total` epochs after `done` of them. Without a trend the epochs to come are
 * like those that were (prediction interval of a sum, Student's t). With a significant one
 * (Mann-Kendall) the later half of the epochs is believed if it shows none of its own, else the
 * trend for as many epochs as it was seen; the interval holds its end now and its going on for
 * ever. A trend that so few epochs do not show is in no interval. Set result->size before the
 * call. */
JM_API int jm_forecast_epochs(const jm_run *epochs, size_t done, size_t total,
                              const jm_forecast_options *options, jm_forecast *result,
                              jm_error *error);

/* These figures as people read them, with the signs of the calling thread's locale. All return
 * `text`. "124.2 ± 1.3 J": two digits of the uncertainty and one SI prefix; three digits of the
 * value where the uncertainty is 0 or NaN; "-" for NaN. "123.4–125.1 J" for an interval. */
JM_API const char *jm_value_text(double value, double uncertainty, const char *unit, char *text,
                                 size_t size);
JM_API const char *jm_interval_text(double lower, double upper, const char *unit, char *text,
                                    size_t size);
/* Of JM_BOUND_ONLY, rounded outwards: "< 12 J", "3–12 J"; "> 3 J" for an upper end of INFINITY. */
JM_API const char *jm_bounds_text(double lower, double upper, const char *unit, char *text,
                                  size_t size);

typedef enum jm_run_value { JM_RUN_ENERGY = 0, JM_RUN_TIME, JM_RUN_POWER } jm_run_value;

/* "B uses 12.3 % ± 1.1 % less energy than A", "no significant difference in energy between A and B
 * (B could use -2.0 to +4.1 %)". */
JM_API const char *jm_verdict_text(const jm_comparison *comparison, jm_run_value which,
                                   const char *name_a, const char *name_b, char *text, size_t size);

/* ---- 8. Attribution --------------------------------------------------------------------------
 * Joules of layers, kernels or other ranges (the parts), also of such as are far shorter than a
 * sensor's refresh. What each sensor showed is taken apart by which parts ran in the time that it
 * saw: a Bayesian regression with powers that cannot be negative or above the device's limit, and
 * with the sensor's noise as it is found. Parts are told apart by name (and device); the own time
 * of a range is what no range within it has, so that nothing counts twice.
 *
 * Parts that always run side by side in the same proportions cannot be told apart by any reading.
 * They become a group, whose energy is known, and bounds are all that is said of each of them. */

typedef struct jm_attribution jm_attribution;

typedef enum jm_attribution_method {
    JM_ATTRIBUTION_REGRESSION = 0,
    JM_ATTRIBUTION_TIME_SHARE, /* for comparison: each part's share of the time. No interval holds
                                */
    JM_ATTRIBUTION_BOUNDARY    /* for comparison: mean of the readings at begin and end. Likewise */
} jm_attribution_method;

/* What kernels of one name can be told apart by. */
typedef enum jm_split {
    JM_SPLIT_GRID = 1,  /* grid and block of the launch */
    JM_SPLIT_STREAM = 2 /* stream */
} jm_split;

typedef struct jm_attribution_options {
    size_t size;
    uint32_t categories; /* whose ranges: a set of 1u << jm_category. 0: layers, or else kernels, or
                            else NVTX ranges */
    uint32_t device;     /* an index, or JM_DEVICE_GPUS: the device that the ranges name, else the
                            only GPU, else the first CPU */
    jm_attribution_method method;
    const char *prefix;       /* only ranges whose name begins so; NULL: all */
    const jm_window *windows; /* what energies are told of: calls that begin in one of these, which
                                 are in order and apart. The readings of all times are used. NULL:
                                 all calls but those that begin in a range of category warmup, as
                                 a replay of layers is */
    size_t window_count;
    bool net; /* take the device's idle power off, of the whole, the sum and the gaps too */
    const jm_energy_options *energy; /* NULL: the defaults */
    uint32_t split; /* a set of jm_split: kernels that differ in it are parts of their own, as
                       "softmax <4x2x1, 128x1x1> (stream 7)". 0: those of one name are one part */
} jm_attribution_options;
#define JM_ATTRIBUTION_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(jm_attribution_options), 0, JM_DEVICE_GPUS, JM_ATTRIBUTION_REGRESSION, 0, 0, 0,     \
            false, 0, 0                                                                            \
    }

/* Attributes a device's energy. JM_NO_DATA: there are no such ranges, or the device has no reading
 * of power or energy. JM_INVALID: several GPUs, and the ranges do not say which. */
JM_API int jm_attribute(jm_attribution **attribution, const jm_recording *recording,
                        const jm_attribution_options *options, jm_error *error);
JM_API void jm_attribution_free(jm_attribution *attribution);

#define JM_NO_GROUP UINT32_MAX

/* A part, or a group of parts. Energies and times are of its calls in the windows. */
typedef struct jm_part {
    size_t size;
    const char *name; /* of a group: "conv1 and 3 more" */
    uint32_t group;   /* a part's group, or JM_NO_GROUP */
    uint64_t calls;
    double time_s;           /* own time */
    double inclusive_time_s; /* with the ranges within it */
    double power_w;          /* mean of its own time, net of idle power if energies are */
    double power_u95_w;
    jm_energy energy;    /* of its own time; JM_BOUND_ONLY for the members of a group */
    jm_energy inclusive; /* of its calls with all within them */
    double seen_s;       /* its time in all, here and outside of the windows */
    const char *type; /* what its ranges' attribute "type" says (a module's class); "": nothing */
} jm_part;
#define JM_PART_INIT                                                                               \
    { sizeof(jm_part), 0, JM_NO_GROUP, 0, 0, 0, 0, 0, {0}, {0}, 0, 0 }

/* Most energy first; parts of which only bounds are known at the end. */
JM_API uint32_t jm_attribution_part_count(const jm_attribution *attribution);
JM_API int jm_attribution_part(const jm_attribution *attribution, uint32_t index, jm_part *part);
JM_API uint32_t jm_attribution_group_count(const jm_attribution *attribution);
JM_API int jm_attribution_group(const jm_attribution *attribution, uint32_t index, jm_part *group);

/* Energy of several parts together: what is not known of one and the other may cancel. `energy` is
 * an estimate unless it hardly says anything (JM_BOUND_ONLY). JM_NOT_FOUND: there is no such part.
 */
JM_API int jm_attribution_sum(const jm_attribution *attribution, const uint32_t *parts,
                              size_t count, jm_energy *energy, jm_error *error);

/* How the parts add up, and how much the readings could tell. */
typedef struct jm_attribution_info {
    size_t size;
    uint32_t device;      /* index */
    jm_category category; /* of the parts; of several (`categories`) that of most calls */
    jm_energy whole;      /* of the windows' time from the first call to the last, as measured */
    jm_energy sum;        /* of the parts and the gaps between them */
    jm_energy gap;        /* of the gaps: time in which no part ran */
    double residual_j;    /* whole less sum. Windows a second or less apart are taken as one, with
                             the time between them: of a time shorter than a refresh little is
                             known, and of a thousand such no more */
    double
        residual_u95_j; /* its random uncertainty: what is beyond it, the powers do not explain */
    double idle_w;      /* that was taken off; NaN: nothing was */
    double idle_u95_w;
    uint64_t readings;   /* that have a part in them */
    double effective;    /* of them, after what successive ones have in common */
    double condition;    /* of the readings' overlap with the parts: 1 at best */
    double noise_w;      /* standard deviation of what a reading shows beyond the parts */
    double shift_s;      /* readings lie so much later than their sensor's lag says */
    double lock;         /* 0 ... 1: do readings fall on the same place of every iteration? */
    bool locked;         /* they do: vary the time between iterations, or replay the parts */
    uint32_t categories; /* of the parts: a set of 1u << jm_category */
    uint64_t within;     /* readings while any part ran */
    uint64_t needed;     /* so many as to tell the parts apart: with fewer there are bounds only,
                            but of parts whose calls outlast the sensor's refresh */
} jm_attribution_info;
#define JM_ATTRIBUTION_INFO_INIT                                                                   \
    {                                                                                              \
        sizeof(jm_attribution_info), 0, JM_CATEGORY_USER, {0}, {0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0,   \
            0, 0, false, 0, 0, 0                                                                   \
    }
JM_API int jm_attribution_get(const jm_attribution *attribution, jm_attribution_info *info);

/* A call of a part. */
typedef struct jm_call {
    uint64_t range; /* index in the recording */
    uint32_t part;
    double own_s;    /* own time */
    double energy_j; /* of its own time: the part's power for so long */
    double u95_j;
    double inclusive_j; /* with all within it */
    double begin_w;     /* what a sensor showed when it began and when it ended; NaN: nothing */
    double end_w;
} jm_call;

/* The calls in the windows, in the recording's order, up to `count` of them; returns how many there
 * are. */
JM_API size_t jm_attribution_calls(const jm_attribution *attribution, jm_call *calls, size_t count);

/* The same calls by where they stand: ranges of one name within ranges of the same names, up to the
 * outermost one of their thread, make up a stack. A kernel stands in the layer that it ran in, by
 * their times on the device, or else in the range that launched it. Stacks whose own calls have no
 * energy here (a phase, around layers) are told of for what is in them. */
#define JM_NO_STACK UINT32_MAX
typedef struct jm_stacks jm_stacks;
typedef struct jm_stack {
    size_t size;
    const char *name;
    uint32_t parent; /* index of the stack that it stands in; JM_NO_STACK: none */
    uint32_t depth;  /* stacks around it */
    uint64_t calls;
    double time_s; /* own time of its calls */
    double inclusive_time_s;
    double energy_j; /* of its own time */
    double u95_j;    /* its part's, by its share of it */
    double inclusive_j;
    double inclusive_u95_j; /* as if all within it erred together: at most so much */
} jm_stack;
#define JM_STACK_INIT                                                                              \
    { sizeof(jm_stack), 0, JM_NO_STACK, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Outer stacks before the ones in them, beside each other those with the most energy first. Names
 * belong to the recording, which must be that of the attribution, and to the attribution: both must
 * stay. */
JM_API int jm_stacks_make(jm_stacks **stacks, const jm_attribution *attribution,
                          const jm_recording *recording, jm_error *error);
JM_API uint32_t jm_stacks_count(const jm_stacks *stacks);
JM_API int jm_stacks_get(const jm_stacks *stacks, uint32_t index, jm_stack *stack);
JM_API void jm_stacks_free(jm_stacks *stacks);

/* All of it as a JSON object (docs/json.md), with calls if asked for. */
JM_API int jm_attribution_json(const jm_attribution *attribution, bool calls, char **json,
                               jm_error *error);

/* ---- 9. Reports and export ------------------------------------------------------------------- */

typedef struct jm_report_options {
    size_t size;
    const jm_energy_options *energy; /* NULL: the defaults */
    uint32_t width;                  /* columns of the terminal. 0: 80 */
    bool color;                      /* use terminal colours */
    uint32_t top;                    /* rows of each table of ranges. 0: 10 */
    bool tables; /* export: samples and marks in the columns of their tables (see jm_table), side
                    by side, rather than every sample of every sensor in a row */
    const jm_grid *grid; /* say what the energy comes to (section 15). NULL: do not */
} jm_report_options;
#define JM_REPORT_OPTIONS_INIT                                                                     \
    { sizeof(jm_report_options), 0, 0, false, 0, false, 0 }

/* The summary as text for a terminal, or as one JSON object (docs/json.md). */
JM_API int jm_report_text(const jm_recording *recording, const jm_report_options *options,
                          char **text, jm_error *error);
JM_API int jm_report_json(const jm_recording *recording, const jm_report_options *options,
                          char **json, jm_error *error);

/* Writes summary.json, samples.csv, marks.csv and ranges.csv, and batches.csv and epochs.csv where
 * there are any, into a folder, made if need be. */
JM_API int jm_export(const jm_recording *recording, const char *dir,
                     const jm_report_options *options, jm_error *error);

/* Tables of what a recording holds and of what follows from it: columns with a name, a unit in it
 * and one type, by which data frames, files and figures all show the same (docs/tables.md). What is
 * not known is null, never 0 and never NaN. */
typedef enum jm_table {
    JM_TABLE_SAMPLES = 0, /* power of each device, and what else held at that time, beside it */
    JM_TABLE_READINGS,    /* every sample of every sensor as it was recorded */
    JM_TABLE_MARKS,
    JM_TABLE_RANGES,
    JM_TABLE_BATCHES, /* ranges of category batch, with energy, size, loss, throughput */
    JM_TABLE_EPOCHS,  /* ranges of category epoch, with energy and mean utilisation */
    JM_TABLE_PHASES   /* names of phases and of warm-ups in none: all their calls together */
} jm_table;

typedef struct jm_table_options {
    size_t size;
    uint32_t device; /* whose energy and utilisation: an index, JM_DEVICE_TOTAL or JM_DEVICE_GPUS.
                        Samples: those of this device alone, of all, or of the GPUs */
    const jm_energy_options *energy; /* NULL: the defaults */
} jm_table_options;
#define JM_TABLE_OPTIONS_INIT                                                                      \
    { sizeof(jm_table_options), JM_DEVICE_TOTAL, 0 }

/* The Arrow C data and stream interfaces, as their specification has them: what PyArrow, pandas,
 * Polars and DuckDB take without copying. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* A table as a stream of record batches of at most 65,536 rows, made one by one as they are asked
 * for: memory stays bounded. The recording must stay until the stream is released; schemas and
 * arrays that were handed out need neither. Samples as they were recorded are not copied. On
 * failure out->release is NULL. JM_NOT_FOUND: there is no such device. */
JM_API int jm_arrow(const jm_recording *recording, jm_table table, const jm_table_options *options,
                    struct ArrowArrayStream *out, jm_error *error);

/* The same table as a CSV file, whatever the locale, which appears when it is whole. */
JM_API int jm_table_csv(const jm_recording *recording, jm_table table,
                        const jm_table_options *options, const char *path, jm_error *error);

/* Which clock the times of a trace are of. */
typedef enum jm_clock {
    JM_CLOCK_UTC = 0, /* since 1970 */
    JM_CLOCK_MONOTONIC
} jm_clock;

typedef struct jm_perfetto_options {
    size_t size;
    jm_clock clock;
    int64_t offset_ns; /* added to every time. A trace of torch.profiler is in UTC less its
                          baseTimeNanoseconds: minus that number puts both on one clock */
    uint32_t device;   /* whose energy the host's ranges show: an index, JM_DEVICE_TOTAL ... */
    const jm_energy_options *energy; /* NULL: the defaults */
} jm_perfetto_options;
#define JM_PERFETTO_OPTIONS_INIT                                                                   \
    { sizeof(jm_perfetto_options), JM_CLOCK_UTC, 0, JM_DEVICE_TOTAL, 0 }

/* Writes a trace in Chrome's JSON format, which ui.perfetto.dev and chrome://tracing open: ranges
 * with their energy as slices of their thread (or of their device's stream), marks as instants, and
 * power, utilisation, temperature, clock and energy so far of each device as counters. The file
 * appears when it is whole; memory stays bounded however long the recording. */
JM_API int jm_perfetto(const jm_recording *recording, const char *path,
                       const jm_perfetto_options *options, jm_error *error);

typedef enum jm_sql_type {
    JM_SQL_NULL = 0,
    JM_SQL_INTEGER,
    JM_SQL_REAL,
    JM_SQL_TEXT,
    JM_SQL_BLOB
} jm_sql_type;

typedef struct jm_sql_value {
    jm_sql_type type;
    int64_t integer;  /* JM_SQL_INTEGER */
    double real;      /* JM_SQL_REAL; also of an integer */
    const char *text; /* of any type, numbers with all their digits; NULL for JM_SQL_NULL */
    size_t length;    /* bytes of text */
} jm_sql_value;

/* Runs one read-only SQL statement on a recording file. `row` gets the column names first, as
 * texts, then each row; it stops the query by returning non-zero. */
typedef int (*jm_row_fn)(size_t columns, const jm_sql_value *values, void *user);
JM_API int jm_sql(const char *path, const char *query, jm_row_fn row, void *user, jm_error *error);

/* ---- 10. Figures ------------------------------------------------------------------------------
 * A figure is computed once, as axes and marks in the units of the axes. Whoever draws it (gnuplot,
 * matplotlib, the report page, a terminal) draws these numbers and computes nothing. */

/* Of what a figure is made, and which columns of jm_figure_mark each kind has. */
typedef enum jm_mark_kind {
    JM_MARK_LINE = 0, /* x, y: joined by straight lines; broken where y is NaN */
    JM_MARK_STEP,     /* x, y: y holds from x to the next x; nothing is known where it is NaN */
    JM_MARK_AREA,     /* x, low, high: a band; broken where low is NaN */
    JM_MARK_BAR,      /* x to x2, y to y2: a rectangle. low, high: interval of x2 if the y axis has
                         categories, else of y2 */
    JM_MARK_BOX,      /* y: its category. low, q1, x (median), q3, high: Tukey's box along x */
    JM_MARK_HEXAGON,  /* x, y: centres; value, of the colour axis. x2, y2: width, and height from
                         corner to corner: they stand on a corner */
    JM_MARK_POINT,    /* x, y. low, high: interval of x if the y axis has categories, else of y */
    JM_MARK_SPAN,     /* x to x2, over the whole height, behind the rest */
    JM_MARK_TEXT      /* x, y: centre. text. x2, y2: width and height that it may fill */
} jm_mark_kind;

/* "step" for JM_MARK_STEP. */
JM_API const char *jm_mark_kind_name(int kind);

enum {
    JM_STYLE_DASHED = 1u << 0,
    JM_STYLE_FAINT = 1u << 1, /* translucent: lies over or under others */
    JM_STYLE_SMALL = 1u << 2, /* small points of a cloud, thin lines */
    JM_STYLE_GUIDE = 1u << 3  /* a grey line or text to compare with, not data */
};

typedef struct jm_figure_mark {
    size_t size;
    jm_mark_kind kind;
    uint32_t color;                                               /* for jm_figure_color */
    uint32_t style;                                               /* JM_STYLE_* */
    const char *label;                                            /* in the legend; "": not there */
    size_t count;                                                 /* rows of each column */
    const double *x, *x2, *y, *y2, *low, *high, *q1, *q3, *value; /* NULL: it has no such column */
    const char *const *text;                                      /* likewise */
} jm_figure_mark;

typedef struct jm_figure_axis {
    const char *label; /* "power (W)", with the unit that the texts of ticks are in; "": none */
    const char *unit;  /* of the marks' numbers: "W" */
    double min, max;   /* what to show */
    double scale;      /* one of the unit in the label: 1000 for kW */
    size_t tick_count;
    const double *tick;           /* places, in the unit of the marks' numbers */
    const char *const *tick_text; /* what stands there: "0.5"; of categories their names */
    bool categories;              /* tick i is category i, at i; drawn from the top down */
    bool hidden;                  /* places mean nothing: no ticks */
} jm_figure_axis;

typedef struct jm_figure jm_figure;

typedef struct jm_figure_info {
    size_t size;
    const char *name;  /* "power_time" */
    const char *title; /* "Power" */
    const char *note;  /* a sentence that belongs beneath it: what is simulated, left out; "" */
    jm_figure_axis x, y;
    jm_figure_axis color; /* of hexagons; label "": there is none */
    bool has_phases;      /* it shows them as spans */
    uint32_t mark_count;
} jm_figure_info;

/* The figures of a recording: names and titles, in their order; NULL if the index is too large.
 * The first 17 are PowerDL's. */
JM_API uint32_t jm_figure_count(void);
JM_API const char *jm_figure_name(uint32_t index);
JM_API const char *jm_figure_title(uint32_t index);

typedef struct jm_figure_options {
    size_t size;
    uint32_t device;  /* whose: an index, JM_DEVICE_TOTAL or JM_DEVICE_GPUS. The last means all
                         devices where there is no GPU */
    uint32_t columns; /* pixels across: curves keep the first, last, highest and lowest value in
                         each. 0: 1000 */
    uint32_t smooth;  /* curves of readings are means over so many of them. 0: 1 */
    uint32_t top;     /* rows of layers and kernels. 0: 15 */
    bool no_phases;   /* do not shade phases */
    bool raw;         /* every reading, neither smoothed nor thinned out */
    const jm_energy_options *energy; /* NULL: the defaults */
} jm_figure_options;
#define JM_FIGURE_OPTIONS_INIT                                                                     \
    { sizeof(jm_figure_options), JM_DEVICE_GPUS, 0, 0, 0, false, false, 0 }

/* Makes figures of one recording, which must stay; what several of them need is read once. For one
 * thread at a time. */
typedef struct jm_figures jm_figures;
JM_API int jm_figures_open(jm_figures **figures, const jm_recording *recording,
                           const jm_figure_options *options, jm_error *error);
/* A figure, the caller's (free it with jm_figure_free); it outlives `figures`. JM_NOT_FOUND: there
 * is none of that name, the message lists them; JM_NO_DATA: the recording has nothing to show in
 * it, the message says why. */
JM_API int jm_figures_make(jm_figures *figures, const char *name, jm_figure **figure,
                           jm_error *error);
JM_API void jm_figures_close(jm_figures *figures);

/* Runs of one or several programs side by side: every run a point, with the median and its
 * interval. JM_NO_DATA: no run. */
typedef struct jm_run_group {
    const char *name;
    const jm_run *runs;
    size_t count;
} jm_run_group;
JM_API int jm_figure_runs(jm_figure **figure, const jm_run_group *groups, size_t count,
                          jm_run_value which, jm_error *error);

/* Each program's ratio to the first, with its interval, beside 1. */
JM_API int jm_figure_ratios(jm_figure **figure, const char *const *names,
                            const jm_comparison *comparisons, size_t count, jm_error *error);

/* Energy and time of the same work under several power limits, each relative to that of the highest
 * limit. Intervals are those of the points. */
typedef struct jm_limit_point {
    double limit_w;
    jm_run run;
} jm_limit_point;
JM_API int jm_figure_limits(jm_figure **figure, const jm_limit_point *points, size_t count,
                            jm_error *error);

/* How often intervals of a nominal level held the truth, with the interval of that share (Wilson's
 * score interval at 95 %). `level`: 0 is 0.95. */
typedef struct jm_coverage_point {
    const char *name;
    uint64_t held, of;
} jm_coverage_point;
JM_API int jm_figure_coverage(jm_figure **figure, const jm_coverage_point *points, size_t count,
                              double level, jm_error *error);

/* Adds a sentence to the note beneath a figure: what the numbers do not tell that it was made of,
 * such as that they are simulated. */
JM_API int jm_figure_add_note(jm_figure *figure, const char *sentence, jm_error *error);

/* Set `size` before the call; what is given belongs to the figure. JM_NOT_FOUND if the index is too
 * large. Marks come in the order in which they are to be drawn. */
JM_API int jm_figure_get(const jm_figure *figure, jm_figure_info *info);
JM_API int jm_figure_get_mark(const jm_figure *figure, uint32_t index, jm_figure_mark *mark);
JM_API void jm_figure_free(jm_figure *figure);

/* "#0072B2": colours that the colour-blind can tell apart, on white or on a dark ground; they
 * repeat. The colour axis goes through jm_figure_shade(0 ... 1) ("viridis"). */
JM_API const char *jm_figure_color(uint32_t color, bool dark);
JM_API const char *jm_figure_shade(double share, char text[8]);

/* The figure as one JSON object (docs/json.md). */
JM_API int jm_figure_json(const jm_figure *figure, char **json, jm_error *error);

typedef struct jm_gnuplot_options {
    size_t size;
    const char *format; /* "pdf", "svg" or "png". NULL: "pdf" */
    const char *path;   /* that gnuplot is to write */
    double width_mm;    /* 0: 89, a column of a paper */
    double height_mm;   /* 0: as suits the figure */
} jm_gnuplot_options;
#define JM_GNUPLOT_OPTIONS_INIT                                                                    \
    { sizeof(jm_gnuplot_options), 0, 0, 0, 0 }

/* The figure as a script with its data in it, for gnuplot 5.4 or later. JM_INVALID: no such format,
 * or a path that gnuplot cannot be told. */
JM_API int jm_figure_gnuplot(const jm_figure *figure, const jm_gnuplot_options *options,
                             char **script, jm_error *error);

typedef struct jm_page_options {
    size_t size;
    const char *title;       /* NULL: the command that was measured */
    uint64_t max_data_bytes; /* size of the data, which curves are thinned out to meet. 0: 1.5 MB */
    const jm_energy_options *energy; /* NULL: the defaults */
    const jm_grid *grid;             /* say what the energy comes to (section 15). NULL: do not */
} jm_page_options;
#define JM_PAGE_OPTIONS_INIT                                                                       \
    { sizeof(jm_page_options), 0, 0, 0, 0 }

/* The report as one HTML file that needs nothing else. JM_NOT_SUPPORTED: this build has no page;
 * the message says what it was built without. */
JM_API int jm_report_html(const jm_recording *recording, const jm_page_options *options,
                          char **html, jm_error *error);

/* ---- 11. Devices and doctor ------------------------------------------------------------------ */

/* What one way of reading one quantity said when it was tried. */
typedef struct jm_finding {
    size_t size;
    const char
        *interface;      /* "nvml", "rapl-perf", "rapl-powercap", "hwmon", "procfs", "cpu-model" */
    const char *device;  /* "gpu0"; "" for the interface itself */
    const char *what;    /* "power_instant", "library" */
    int status;          /* JM_OK if it works */
    const char *message; /* a sentence */
    const char *remedy;  /* the least that would mend it, or "" */
    uint64_t cost_ns;    /* duration of one reading; 0 if not tried */
} jm_finding;

/* Opens every sensor that the options allow, reads each once and closes them again. The result is
 * a recording without samples (its devices and sensors) plus findings. */
typedef struct jm_probe jm_probe;
JM_API int jm_probe_open(jm_probe **probe, const jm_session_options *options, jm_error *error);
JM_API const jm_recording *jm_probe_recording(const jm_probe *probe);
JM_API uint32_t jm_probe_finding_count(const jm_probe *probe);
JM_API int jm_probe_finding(const jm_probe *probe, uint32_t index, jm_finding *finding);
JM_API void jm_probe_free(jm_probe *probe);

/* ---- 12. Calibration ------------------------------------------------------------------------- */

typedef struct jm_calibration {
    size_t size;
    const char *device; /* name and UUID of the device it belongs to */
    const char *uuid;
    const char *source; /* sensor, as in jm_sensor.source */
    double refresh_s;   /* T and its standard uncertainty */
    double refresh_u_s;
    double window_s; /* W; 0: the load did not show it */
    double window_u_s;
    double lag_s; /* L, with the board's own ramp; 0 likewise */
    double noise; /* standard deviation of readings under a steady load */
    double quantum;
    double call_s; /* median duration of one reading */
    double call_p99_s;
    double observer_w; /* power that fast polling adds; NaN: not measured */
    uint64_t ticks;    /* changes that it rests on */
} jm_calibration;

typedef struct jm_calibrate_options {
    size_t size;
    const jm_session_options *session; /* which devices, which root. NULL: the defaults */
    double seconds;                    /* for each device. 0: 20 */
    const char *load;  /* shell command that loads the device in square waves. NULL: passive */
    const char *cache; /* file of results. NULL: $XDG_CACHE_HOME/joulemeter/calibration.json,
                          without those of simulated boards */
    int (*progress)(const char *step, double done, void *user); /* non-zero stops */
    void *user;
} jm_calibrate_options;
#define JM_CALIBRATE_OPTIONS_INIT                                                                  \
    { sizeof(jm_calibrate_options), 0, 0, 0, 0, 0, 0 }

/* Measures refresh, window, lag, noise and call cost of every power and energy sensor, keeps them
 * by UUID, driver and VBIOS version, and hands them over. Later sessions use what is kept, but not
 * for simulated boards. JM_NO_DATA: the load failed or ended at once, or there is nothing to
 * calibrate; JM_HUNG: the driver does not answer. Nothing is kept then. */
typedef struct jm_calibrations jm_calibrations;
JM_API int jm_calibrate(jm_calibrations **result, const jm_calibrate_options *options,
                        jm_error *error);
JM_API uint32_t jm_calibrations_count(const jm_calibrations *result);
JM_API int jm_calibrations_get(const jm_calibrations *result, uint32_t index,
                               jm_calibration *calibration);
JM_API void jm_calibrations_free(jm_calibrations *result);

/* ---- 13. Power limits ------------------------------------------------------------------------
 * Reading and setting the limits of GPUs, and giving them back. Only root may set them, or who is
 * allowed to by joulemeter-limitd, which is asked where the driver refuses.
 *
 *     jm_limits *limits;
 *     jm_limit_target target = {JM_LEVER_POWER, 250, false};
 *     if (jm_limits_open(&limits, NULL, &error) == JM_OK &&
 *         jm_limits_set(limits, JM_LIMITS_ALL, &target, 0, &error) == JM_OK)
 *         work();
 *     jm_limits_close(limits, NULL);
 *
 * A limit that is set is a loan. Another process, the guard, sets it, and gives it back when
 * jm_limits_close says so or when this process ends, however it does: by return, by a signal, by
 * SIGKILL. A forked child owns none of it. Several loans of one GPU form a stack, whoever has
 * them: the limit is the one that was set last, and where a loan ends that is not the last it is
 * forgotten. When none is left, the limit is the one before the first (docs/limits.md). */

typedef enum jm_lever {
    JM_LEVER_POWER = 0, /* the board's power limit, W */
    JM_LEVER_CLOCK      /* the highest clock of its multiprocessors, MHz */
} jm_lever;

JM_API const char *jm_lever_name(int lever); /* "power" */
JM_API const char *jm_lever_unit(int lever); /* "W" */

#define JM_LIMITS_ALL UINT32_MAX /* every GPU that was opened */

typedef struct jm_limits_options {
    size_t size;
    const char *gpus;     /* as in jm_session_options */
    const char *simulate; /* likewise */
    jm_session *session;  /* whose simulated GPUs are meant. NULL: none */
    const char *socket;   /* of joulemeter-limitd. NULL: $JOULEMETER_LIMITD_SOCKET, else
                             /run/joulemeter/limitd.sock */
    int32_t pid; /* limits are given back when this process ends, and jm_limits_close leaves
                    them alone. 0: this process */
} jm_limits_options;
#define JM_LIMITS_OPTIONS_INIT                                                                     \
    { sizeof(jm_limits_options), 0, 0, 0, 0, 0 }

/* Lists the GPUs; nothing is set. For one thread at a time. JM_NOT_FOUND: a GPU that is not there,
 * or none at all; JM_MISSING_LIBRARY: there is no driver; JM_HUNG: it does not answer. */
typedef struct jm_limits jm_limits;
JM_API int jm_limits_open(jm_limits **limits, const jm_limits_options *options, jm_error *error);

/* Gives back what was set, and waits for it. The object is gone, whatever is returned: where a
 * limit could not be given back the error says so, and the guard goes on trying. */
JM_API int jm_limits_close(jm_limits *limits, jm_error *error);

JM_API uint32_t jm_limits_count(const jm_limits *limits);

/* Settings for a child process that is to see the same simulated GPUs ("NAME=value", ended by
 * NULL); NULL where they are real. */
JM_API const char *const *jm_limits_environment(jm_limits *limits);

/* A limit of one GPU as it is now. Figures that the driver does not give are NaN. */
typedef struct jm_limit {
    size_t size;
    const char *device; /* "gpu0"; texts live until the next call for the same GPU and lever */
    const char *uuid;
    const char *model;
    jm_lever lever;
    bool simulated;
    int status;          /* JM_OK, or why it cannot be read */
    const char *message; /* a sentence: why not, or what is to be known of it; "" */
    double value;        /* in force, W or MHz. Clocks: that of the last loan, NaN where there is
                            none: the driver does not tell of a lock */
    double requested;    /* what the driver was last asked for; value is less where the board has
                            other limits besides */
    double standard;     /* the board's default. Clocks: the highest */
    double least, most;  /* what can be set */
    double base;         /* what it goes back to when all loans end; NaN: there is no loan */
    uint32_t loans;      /* that are alive */
    int32_t holder_pid;  /* whose loan is in force; 0: nobody's */
    const char *holder;  /* its name, "" */
    bool left_over;      /* it was set under a guard that was killed: jm_limits_reset mends it */
    bool volatile_limit; /* persistence mode is off: the driver forgets the limit as soon as no
                            program uses the GPU */
} jm_limit;

/* Set limit->size before the call. JM_NOT_FOUND: no such index. Where the limit cannot be read the
 * call returns JM_OK, and limit->status why. */
JM_API int jm_limits_read(jm_limits *limits, uint32_t index, jm_lever lever, jm_limit *limit,
                          jm_error *error);

/* What to set. */
typedef struct jm_limit_target {
    jm_lever lever;
    double value; /* W or MHz; per cent of the board's default */
    bool percent;
} jm_limit_target;

/* "250", "250W", "70%", "1200MHz". JM_INVALID: the text is none of them. */
JM_API int jm_limit_parse(const char *text, jm_lever lever, jm_limit_target *target,
                          jm_error *error);

enum {
    JM_LIMIT_KEEP = 1u << 0,    /* no loan: the limit stays. Where others have loans it comes into
                                   force after them */
    JM_LIMIT_DEFAULT = 1u << 1, /* jm_limits_reset: the board's default, not what was before */
    JM_LIMIT_FORCE = 1u << 2    /* jm_limits_reset: end the loans of others, too */
};

/* Sets a limit of one GPU or of all: of all or of none. What the board does not allow is brought
 * within its bounds (clocks: to the next lower step), and jm_limits_notes says so. Setting again
 * changes the loan. What is in force afterwards is read back and compared. JM_PERMISSION: the
 * message says what to run; JM_NOT_SUPPORTED; JM_LOST; JM_HUNG: no answer in time;
 * JM_MISSING_LIBRARY: joulemeter-limitd, which is the guard, is not to be found. */
JM_API int jm_limits_set(jm_limits *limits, uint32_t index, const jm_limit_target *target,
                         uint32_t flags, jm_error *error);

/* Ends the loan of one lever early. */
JM_API int jm_limits_restore(jm_limits *limits, uint32_t index, jm_lever lever, jm_error *error);

/* Mends what killed guards left: the limit that was before. Where nothing is to be mended, the
 * board's default is set. Loans of others go on, and end there (see JM_LIMIT_FORCE). */
JM_API int jm_limits_reset(jm_limits *limits, uint32_t index, jm_lever lever, uint32_t flags,
                           jm_error *error);

/* What the last jm_limits_set, _restore or _reset has to say beside that it worked: sentences that
 * end with a line break each; "" if nothing. Belongs to the object, until the next of them. */
JM_API const char *jm_limits_notes(const jm_limits *limits);

/* What has happened to loans since the last call, in the same form; "" if nothing. While there are
 * loans a thread of the library waits for the guard to end. Where it was killed another one takes
 * its place, with the same limits; where there is none, the text says so. A guard, or
 * joulemeter-limitd, that was asked to end has given back, and the loans are over. Lives until the
 * next call. */
JM_API const char *jm_limits_warnings(jm_limits *limits);

/* May this process set a GPU's limits, and by whom (status JM_OK), or what would mend that? Nothing
 * is set. Set finding->size before the call; its texts live until the next one. */
JM_API int jm_limits_access(jm_limits *limits, uint32_t index, jm_finding *finding);

/* ---- 14. Tuning -------------------------------------------------------------------------------
 * Which power limit (or clock) serves a program best, found with few trials. A tuner is asked what
 * to try and told what came of it; it touches no hardware and reads no clock:
 *
 *     jm_tuner_step step = {.size = sizeof step};
 *     while (jm_tuner_next(tuner, &step, &error) == JM_OK && !step.done) {
 *         jm_trial trial = run_at(step.setting);
 *         jm_tuner_tell(tuner, &trial, &error);
 *     }
 *     jm_tuner_result_get(tuner, &result, &error);
 *
 * Time, power, energy and objective are those of one item of work (an iteration, a batch, the whole
 * command): the same work at every setting, whatever it is. */

/* What is to be least, E being the energy of the work and D the time that it takes. */
typedef enum jm_objective_kind {
    JM_OBJECTIVE_ED2P = 0, /* E x D^2 */
    JM_OBJECTIVE_EDP,      /* E x D */
    JM_OBJECTIVE_ENERGY,   /* E */
    JM_OBJECTIVE_TIME,     /* D; of settings that are as fast, the least energy */
    JM_OBJECTIVE_SLOWDOWN, /* E, where D is at most slowdown_pct above that of the standard */
    JM_OBJECTIVE_COST      /* price_kwh x E + price_h x D */
} jm_objective_kind;

typedef struct jm_objective {
    jm_objective_kind kind;
    double slowdown_pct; /* JM_OBJECTIVE_SLOWDOWN: 0 or more */
    double price_kwh;    /* JM_OBJECTIVE_COST: of a kWh, 0 or more, in any money */
    double price_h;      /* of an hour of the machine; not both 0 */
} jm_objective;

/* "energy", "edp", "ed2p", "time", "slowdown=5%" (the % may be left out), "cost=0.30,2.50" (of a
 * kWh, of an hour). Numbers have a point whatever the locale. JM_INVALID: the message says what is
 * wrong and lists what there is; *objective is unchanged. */
JM_API int jm_objective_parse(const char *text, jm_objective *objective, jm_error *error);
/* The other way; returns `text`. */
JM_API const char *jm_objective_text(const jm_objective *objective, char *text, size_t size);
/* Of work that took so long and so much: J s^2, J s, J, s, J or money; of SLOWDOWN the energy
 * alone. NaN: no such objective. */
JM_API double jm_objective_value(const jm_objective *objective, double seconds, double energy_j);
/* "J s^2", "money" ... Never NULL. */
JM_API const char *jm_objective_unit(const jm_objective *objective);

typedef struct jm_tuner_options {
    size_t size;
    jm_lever lever;         /* power limits in W, or highest clocks in MHz */
    double lowest, highest; /* what the board takes; both needed unless `settings` is given */
    double standard;        /* its default, with which all is compared. 0: the highest */
    double step;            /* settings are lowest + a multiple of it. 0: 1 */
    const double *settings; /* the settings there are, if they are not equally spaced; copied */
    size_t setting_count;   /* at most 4096; a finer step is made coarser */
    jm_objective objective; /* zero: ED2P */
    uint32_t max_trials;    /* that are asked for. 0: 6 */
    double tolerance_pct;   /* difference in the objective that does not matter. 0: 0.5 % */
    double idle_w;          /* power of the board without work, if it is known. 0: it is not */
    uint32_t min_trials;    /* that are asked for even if the answer is clear. 0: 1 */
} jm_tuner_options;
#define JM_TUNER_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(jm_tuner_options), JM_LEVER_POWER, 0, 0, 0, 0, 0, 0, {JM_OBJECTIVE_ED2P, 0, 0, 0},  \
            0, 0, 0, 0                                                                             \
    }

/* What came of running some work at a setting. */
typedef struct jm_trial {
    size_t size;
    double setting; /* that was in force, which need not be what was asked for */
    double items;   /* of work: above 0, any fraction */
    double seconds; /* that they took, and its 95 % uncertainty; 0: not known */
    double seconds_u95;
    double energy_j; /* likewise; the random part only, since the gain is common to all trials */
    double energy_u95_j;
    double limited; /* share of the time in which the limit held the board back, 0 ... 1. NaN:
                       not known */
    bool failed;    /* nothing was measured: only `setting` means anything */
} jm_trial;

typedef struct jm_tuner jm_tuner;

/* JM_INVALID names the option that is wrong. On failure *tuner is NULL. A tuner is for one thread
 * at a time; the same trials give the same answers everywhere. */
JM_API int jm_tuner_open(jm_tuner **tuner, const jm_tuner_options *options, jm_error *error);
JM_API void jm_tuner_free(jm_tuner *tuner);

typedef struct jm_tuner_step {
    size_t size;
    bool done;          /* nothing is left to try */
    double setting;     /* to try next; done: the best */
    double gain_pct;    /* by which the objective is expected to fall by what is yet unknown:
                           expected regret of stopping now. NaN: nothing is known yet */
    const char *reason; /* a sentence: why this setting, or why no further one. It lives until the
                           next call with this tuner */
} jm_tuner_step;

/* What to try next. Set step->size before the call. Asking again without telling gives the same
 * answer. The first trial is of the standard setting. */
JM_API int jm_tuner_next(jm_tuner *tuner, jm_tuner_step *step, jm_error *error);

/* Tells of a trial: in any order, asked for or not, also several at one setting, which are averaged
 * by their uncertainties. A setting outside the range is taken as it is. JM_INVALID: numbers that
 * no measurement gives, the message names them; nothing is changed then. JM_FULL: too many
 * different settings (64); more trials of those there are do no harm. */
JM_API int jm_tuner_tell(jm_tuner *tuner, const jm_trial *trial, jm_error *error);

/* Those told, in their order. Set trial->size before the call. JM_NOT_FOUND: there are fewer. */
JM_API size_t jm_tuner_trial_count(const jm_tuner *tuner);
JM_API int jm_tuner_trial(const jm_tuner *tuner, size_t index, jm_trial *trial);

/* What the settings are; those that are considered, ascending: all there are, or 33 spread evenly
 * over them, the ends and the standard among them. NaN: there are fewer. */
JM_API jm_lever jm_tuner_lever(const jm_tuner *tuner);
JM_API size_t jm_tuner_setting_count(const jm_tuner *tuner);
JM_API double jm_tuner_setting(const jm_tuner *tuner, size_t index);

/* A value with the interval in which it lies with 95 % probability. */
typedef struct jm_interval {
    double value, lower, upper;
} jm_interval;

/* What is known of a setting: of one item of work. The objective is relative to that of the
 * standard setting (0.9: a tenth less), as is time: what both err by alike cancels. */
typedef struct jm_tuner_point {
    size_t size;
    double setting;
    jm_interval seconds;
    jm_interval power_w;
    jm_interval energy_j;
    jm_interval objective; /* in jm_objective_unit */
    jm_interval relative;  /* objective over that of the standard setting */
    jm_interval slowdown;  /* time over that at the standard setting */
    double binds;          /* probability that the setting holds the board back */
    double trials;         /* that were measured at it */
    double measured_seconds, measured_power_w, measured_energy_j; /* NaN: none was */
} jm_tuner_point;

/* Set point->size before the call. Any setting from lowest to highest, tried or not. JM_NO_DATA:
 * no trial was told yet that measured anything. */
JM_API int jm_tuner_predict(jm_tuner *tuner, double setting, jm_tuner_point *point,
                            jm_error *error);

typedef enum jm_tuner_verdict {
    JM_TUNER_FOUND = 0,     /* a setting better than the standard */
    JM_TUNER_STANDARD,      /* none is better than the standard one */
    JM_TUNER_NEVER_BINDS,   /* no setting that was of use held the board back: all are alike */
    JM_TUNER_NO_DIFFERENCE, /* what differs is within the noise or does not matter */
    JM_TUNER_TOO_FEW        /* too few trials to say */
} jm_tuner_verdict;

typedef struct jm_tuner_result {
    size_t size;
    jm_tuner_verdict verdict;
    double setting;      /* to use: of the least expected objective; the standard if no other is
                            expected to be better by more than the tolerance, or too little is known */
    jm_tuner_point best; /* of the least expected objective */
    jm_tuner_point standard;
    double regret_pct;       /* expected: how much the objective there is above the best one */
    uint32_t trials, failed; /* told */
    const char *sentence;    /* lives until the next call with this tuner */
} jm_tuner_result;

/* The answer so far. Set result->size before the call. JM_NO_DATA: no trial measured anything. */
JM_API int jm_tuner_result_get(jm_tuner *tuner, jm_tuner_result *result, jm_error *error);
/* "never binds" for JM_TUNER_NEVER_BINDS. */
JM_API const char *jm_tuner_verdict_name(int verdict);

/* Trials in their order, and the curve over all settings: CSV with a header that has units. */
JM_API int jm_tuner_trials_csv(const jm_tuner *tuner, char **csv, jm_error *error);
JM_API int jm_tuner_curve_csv(jm_tuner *tuner, char **csv, jm_error *error);

/* A trial meter says of a run that goes on when it has settled after the setting was changed, and
 * when enough of it was measured. It is fed from outside and reads no clock. */
typedef struct jm_trial_meter jm_trial_meter;

typedef struct jm_trial_meter_options {
    size_t size;
    double target_pct;   /* wanted 95 % uncertainty of time and energy an item. 0: 1 % */
    double max_s;        /* time there is, settling included. 0: 60 */
    double min_s;        /* that is measured at least after settling. 0: 1, or max_s / 4 if less */
    double max_settle_s; /* after which it is measured come what may. 0: half of max_s */
} jm_trial_meter_options;
#define JM_TRIAL_METER_OPTIONS_INIT                                                                \
    { sizeof(jm_trial_meter_options), 0, 0, 0, 0 }

JM_API int jm_trial_meter_open(jm_trial_meter **meter, const jm_trial_meter_options *options,
                               jm_error *error);
JM_API void jm_trial_meter_free(jm_trial_meter *meter);

/* What a meter is fed with: all since any fixed moments. */
typedef struct jm_trial_reading {
    int64_t time_ns;     /* rising; the first is when the setting was changed */
    double items;        /* done: best read when one ends. Never falls */
    double energy_j;     /* since the start, and its random 95 % uncertainty */
    double energy_u95_j; /* 0: not known */
    double limited;      /* share of the time since the last reading; NaN: not known */
} jm_trial_reading;

/* JM_INVALID: not a number, or items or energy fell, or time went backwards: the reading is left
 * out and counted. A reading of the same time replaces the last. */
JM_API int jm_trial_meter_feed(jm_trial_meter *meter, const jm_trial_reading *reading,
                               jm_error *error);

typedef enum jm_trial_state {
    JM_TRIAL_SETTLING = 0, /* rate or power still change */
    JM_TRIAL_MEASURING,
    JM_TRIAL_ENOUGH, /* time and energy are known as well as wanted */
    JM_TRIAL_TIME_UP /* time is up: as good as it gets */
} jm_trial_state;

typedef struct jm_trial_progress {
    size_t size;
    jm_trial_state state;
    double elapsed_s;
    double settle_s; /* that were left out at the beginning: so far, or for good */
    bool settled;    /* false in the end: it never did, and `settle_s` was all there was time for */
    double measured_s;                      /* since */
    double items;                           /* since */
    double seconds_u95_pct, energy_u95_pct; /* an item's; NaN: too little to say */
    double left_s;    /* estimate of the time until enough, at most until time is up */
    double done;      /* 0 ... 1 */
    uint64_t refused; /* readings that were left out */
} jm_trial_progress;
JM_API int jm_trial_meter_progress(const jm_trial_meter *meter, jm_trial_progress *progress);

/* The trial as it stands, for jm_tuner_tell: `setting` is what was in force. Set trial->size before
 * the call. JM_NO_DATA: no item was done yet since the run settled; whoever cannot go on gets what
 * there was, unsettled, by ending (`final`). */
JM_API int jm_trial_meter_trial(const jm_trial_meter *meter, double setting, bool final,
                                jm_trial *trial, jm_error *error);

/* Steering joins it all for a program on real boards: a session measures them, their limits are
 * set, a tuner says what is next, and, where the program goes on meanwhile, a trial meter when.
 *
 *     jm_steering_open(&steering, session, limits, NULL, &error);
 *     jm_steering_next(steering, NULL, &error);
 *     while (more_to_do()) {
 *         work();
 *         jm_steering_item(steering, jm_now_ns(), 1);
 *         jm_steering_poll(steering, NULL, &error);
 *     }
 *     jm_steering_end(steering, NULL);
 *     jm_tuner_result_get(jm_steering_tuner(steering), &result, &error);
 *     jm_steering_close(steering);
 *
 * When nothing is left to try the best setting is set, and the work goes on under it. What was set
 * is a loan of `limits`, and ends with it. */
typedef struct jm_steering jm_steering;

typedef struct jm_steering_options {
    size_t size;
    jm_tuner_options tuner;       /* bounds, standard and step may be 0: the board's; of clocks
                                     those from 40 % of the highest on */
    jm_trial_meter_options meter; /* of trials while the program goes on */
} jm_steering_options;
#define JM_STEERING_OPTIONS_INIT                                                                   \
    { sizeof(jm_steering_options), JM_TUNER_OPTIONS_INIT, JM_TRIAL_METER_OPTIONS_INIT }

/* Nothing is set yet. `session` must measure by itself (JM_SESSION_NO_JOIN) every GPU of `limits`;
 * both must live as long as the steering. Several GPUs are tuned as one: they get the same setting,
 * and energy is that of all. JM_INVALID: they have not the same bounds, or the session does not
 * measure them; JM_NOT_SUPPORTED: the driver does not tell of the limit; JM_PERMISSION: the message
 * says what to run. For one thread at a time, but for jm_steering_item and _pause. */
JM_API int jm_steering_open(jm_steering **steering, jm_session *session, jm_limits *limits,
                            const jm_steering_options *options, jm_error *error);
/* The setting stays: it is the limits' loan. */
JM_API void jm_steering_close(jm_steering *steering);

/* Asks the tuner what is next and sets it: a trial begins. A setting that is foretold to be the
 * best is tried, too, if there is a trial left. step->done: nothing is left, and the best is set.
 * `step` may be NULL; else set step->size before the call. What the board does not take is told to
 * the tuner as a failed trial, and the next one asked for; an error is what no further trial would
 * mend (permission, a lost board). */
JM_API int jm_steering_next(jm_steering *steering, jm_tuner_step *step, jm_error *error);

/* So many items of work were done by this time, which has passed. From any thread, quick. */
JM_API void jm_steering_item(jm_steering *steering, int64_t end_ns, double items);
/* The time between was no work (a pause, a validation): it is left out of the trial, unless pauses
 * are so near each other that readings lie between few of them. Likewise. */
JM_API void jm_steering_pause(jm_steering *steering, int64_t begin_ns, int64_t end_ns);

typedef struct jm_steering_progress {
    size_t size;
    bool running;       /* a trial is under way */
    bool done;          /* nothing is left to try, and the best is set */
    bool ended;         /* this call has ended a trial: `last` is it */
    double setting;     /* in force */
    const char *reason; /* why it is tried; it lives until the next call */
    uint32_t trials;    /* that have ended */
    jm_trial last;
    jm_trial_progress trial;
} jm_steering_progress;

/* Goes through the items whose readings are there by now; where they are enough, ends the trial and
 * begins the next. To be called every tenth of a second or so. `progress` may be NULL; else set
 * progress->size before the call. */
JM_API int jm_steering_poll(jm_steering *steering, jm_steering_progress *progress, jm_error *error);

/* The work has ended, or its rest belongs to no trial: ends the one under way with what there is,
 * if that is any good. No other begins. */
JM_API int jm_steering_end(jm_steering *steering, jm_error *error);

/* The other way, for work that is run anew for each setting: what was done in [begin_ns, end_ns]
 * is the trial. It waits until the readings are there (0.3 s at most). `trial` may be NULL; else
 * set trial->size before the call. No trial is under way afterwards. */
JM_API int jm_steering_measure(jm_steering *steering, int64_t begin_ns, int64_t end_ns,
                               double items, jm_trial *trial, jm_error *error);
/* Is what was done since `begin_ns` enough for such a trial? Its energy is then known as well as
 * options.meter.target_pct wants, as far as readings have come, or options.meter.max_s have passed.
 * Else the work is better done once more: sensors are slow, and a second is soon too short. */
JM_API bool jm_steering_enough(jm_steering *steering, int64_t begin_ns);
/* The trial under way came to nothing. */
JM_API int jm_steering_fail(jm_steering *steering, jm_error *error);

/* Its tuner: for results, and for trials of elsewhere. It lives as long as the steering. */
JM_API jm_tuner *jm_steering_tuner(jm_steering *steering);

/* What tuning came to. */
typedef struct jm_tuning {
    size_t size;
    jm_lever lever;
    jm_objective objective;
    jm_tuner *tuner;              /* whose points and trials are meant; else these: */
    double standard, setting;     /* the default, and the best; NaN: none is better */
    const jm_tuner_point *points; /* over the settings, rising */
    size_t point_count;
    const jm_trial *trials;
    size_t trial_count;
} jm_tuning;

/* A figure of it: energy, time and objective over the settings, of those at the standard, with the
 * objective's 95 % interval and what was measured. JM_NO_DATA: no trial measured anything. */
JM_API int jm_figure_tuning(jm_figure **figure, const jm_tuning *tuning, jm_error *error);

/* ---- 15. Carbon and cost ----------------------------------------------------------------------
 * Joules into grams of CO2 equivalent, money and water. Nothing is asked of the network: a country
 * is given or follows from the time zone, and its figures come from a table in the library. */

typedef struct jm_country {
    size_t size;
    const char *alpha2; /* ISO 3166-1: "FR" */
    const char *alpha3; /* "FRA" */
    const char *name;   /* "France" */
    double intensity_g; /* gCO2e a kWh, mean of the year; NaN: the table has none */
    uint32_t year;      /* 0 likewise */
    const char *source; /* where the intensity comes from, and its licence */
    const void *reserved;
} jm_country;

/* Finds a country by two letters, three letters ("fr", "FRA"; "UK" is GB) or its name in the table.
 * Set country->size before the call. JM_NOT_FOUND: there is none, and the message says what is
 * near.
 */
JM_API int jm_country_find(const char *code, jm_country *country, jm_error *error);
/* All of them, by alpha2. JM_NOT_FOUND if the index is too large. */
JM_API uint32_t jm_country_count(void);
JM_API int jm_country_at(uint32_t index, jm_country *country);
/* The country of a time zone ("Europe/Paris"), or of this machine's (NULL: $TZ, /etc/localtime,
 * /etc/timezone). JM_NO_DATA: it belongs to none, as UTC does. */
JM_API int jm_country_of_zone(const char *zone, jm_country *country, jm_error *error);

/* A jm_grid is what a kilowatt-hour costs where it is used. It does not change once it is open: for
 * any thread. */
typedef struct jm_grid_options {
    size_t size;
    const char *country;   /* as jm_country_find takes it. NULL: that of the time zone; "none" */
    const char *intensity; /* gCO2e a kWh ("56", "0.056 kg"), or a CSV file of times and such
                              numbers (docs/carbon.md). NULL: the country's */
    double intensity_u;    /* its relative standard uncertainty. 0: 0.25 of a country's year (an
                              assumption: hours differ from their year by as much), 0 of what is
                              given */
    double pue;            /* power usage effectiveness: energy of the building over that of its
                              computers. 0: 1 */
    double price;          /* money a kWh. 0: not known */
    const char *currency;  /* "EUR" */
    double water_l;        /* litres a kWh of the computers (WUE). 0: not known */
    bool no_zone;          /* do not ask the time zone */
} jm_grid_options;
#define JM_GRID_OPTIONS_INIT                                                                       \
    { sizeof(jm_grid_options), 0, 0, 0, 0, 0, 0, 0, false }

/* `options` may be NULL. Where the intensity is not known the grid opens all the same, and its
 * `note` says why. JM_NOT_FOUND: there is no such country; JM_FORMAT: the file of intensities is
 * wrong, and the message has the line; JM_INVALID: a number that cannot be (a PUE below 1). */
JM_API int jm_grid_open(jm_grid **grid, const jm_grid_options *options, jm_error *error);
/* Likewise, from a CSV text instead of a file. `name` is what messages call it. */
JM_API int jm_grid_parse(jm_grid **grid, const char *csv, size_t length, const char *name,
                         const jm_grid_options *options, jm_error *error);
JM_API void jm_grid_free(jm_grid *grid);

typedef enum jm_intensity_source {
    JM_INTENSITY_UNKNOWN = 0,
    JM_INTENSITY_GIVEN,   /* a number of the user's */
    JM_INTENSITY_COUNTRY, /* the year's mean of the country that was given */
    JM_INTENSITY_ZONE,    /* likewise, of the country that the time zone belongs to */
    JM_INTENSITY_SERIES   /* a time series of the user's */
} jm_intensity_source;

typedef struct jm_grid_info {
    size_t size;
    jm_intensity_source source;
    const char *country, *country_alpha3, *country_name; /* "" where none is known */
    double intensity_g; /* a kWh; of a series its mean over time; NaN: not known */
    double intensity_u; /* relative standard uncertainty */
    uint32_t year;      /* of a country's figure; 0 else */
    double pue;
    double price;                     /* NaN: not known */
    const char *currency;             /* "" */
    double water_l;                   /* NaN: not known */
    uint64_t rows;                    /* of the series; 0: there is none */
    double first_unix_s, last_unix_s; /* what it covers */
    const char *text;                 /* "56 gCO2e/kWh (France, 2023)"; or why there is none */
} jm_grid_info;
JM_API int jm_grid_get(const jm_grid *grid, jm_grid_info *info);

/* Intensity of a moment. JM_NO_DATA: the series does not cover it, or none is known. */
JM_API int jm_grid_intensity(const jm_grid *grid, double unix_s, double *g);

/* What an energy comes to. Intervals are those of the energy and of the intensity together (95 %;
 * the two are independent); under JM_BOUND_ONLY those of the bounds. */
typedef struct jm_carbon {
    size_t size;
    double g;                /* gCO2e: energy x PUE x intensity; NaN: no intensity is known */
    double lower_g, upper_g; /* NaN likewise */
    double intensity_g;      /* mean of the time, weighted by the energy */
    double intensity_u;      /* its relative standard uncertainty */
    double covered;          /* share of the energy at whose time the intensity is known; for the
                                rest it is that of the series on average */
    double facility_j;       /* energy x PUE */
    double cost;             /* NaN: no price is known */
    double cost_lower, cost_upper;
    double water_l;     /* NaN: not known */
    double reserved[2]; /* 0 */
} jm_carbon;

/* Of an energy, whenever it was used. Set carbon->size before the call. */
JM_API int jm_carbon_of(const jm_grid *grid, const jm_energy *energy, jm_carbon *carbon,
                        jm_error *error);
/* Of a device's energy in a window: a series is integrated over the power curve. `energy` gets that
 * of the window, or is NULL. JM_NO_DATA: the device has no sensor, or the series has nothing of the
 * window, and the message has both times. */
JM_API int jm_carbon_window(const jm_grid *grid, const jm_recording *recording, uint32_t device,
                            int64_t begin_ns, int64_t end_ns, const jm_energy_options *options,
                            jm_carbon *carbon, jm_energy *energy, jm_error *error);

/* ---- 16. Logbook ------------------------------------------------------------------------------
 * One SQLite file that keeps a row for every run that asks for it. Any number of processes append
 * at once; a row whose append returned JM_OK is on the disk. What is kept is in the table of
 * columns and nowhere else; a user's name and place are kept only if they are given. */

typedef struct jm_log_column {
    size_t size;
    const char *name;  /* "co2_g" */
    const char *title; /* PowerMeter's, "CO2 emitted (gCO2e)"; of the others their name */
    jm_sql_type type;
    const char *meaning; /* a line */
} jm_log_column;

/* The columns of every row: PowerMeter's 20 in its order, then joulemeter's own. JM_NOT_FOUND if
 * the index is too large. */
JM_API uint32_t jm_log_column_count(void);
JM_API int jm_log_column_at(uint32_t index, jm_log_column *column);

/* $XDG_STATE_HOME/joulemeter/log.db, or else ~/.local/state/joulemeter/log.db: the logbook where a
 * path is NULL. The caller's, to be freed with jm_free. */
JM_API int jm_log_usual_path(char **path, jm_error *error);

/* A value of a row. */
typedef struct jm_log_value {
    const char *column;
    const char *text; /* NULL: the number */
    double number;
} jm_log_value;

/* Appends a row, making the file and its folder if need be; `id` gets its number, or is NULL.
 * Columns without a value are NULL. Older logbooks are brought up to date first. JM_NOT_SUPPORTED:
 * a newer joulemeter made it; JM_FORMAT: the file is no logbook; JM_INVALID: no such column. */
JM_API int jm_log_append(const char *path, const jm_log_value *values, size_t count, int64_t *id,
                         jm_error *error);

typedef struct jm_log_run {
    size_t size;
    int64_t begin_ns, end_ns;   /* what is logged. Both 0: the command's time, else all */
    const jm_grid *grid;        /* NULL: energies alone */
    bool place;                 /* keep the country, and so the carbon, also where the time zone
                                   alone says it */
    const jm_log_value *values; /* project, user, tag, ... as well */
    size_t count;
    const char *folder; /* whose git commit is kept. NULL: the working folder's; "": none */
    const jm_energy_options *energy;
} jm_log_run;
#define JM_LOG_RUN_INIT                                                                            \
    { sizeof(jm_log_run), 0, 0, 0, false, 0, 0, 0, 0 }

/* Appends a row about a recording: its time, energies, carbon, machine and environment. */
JM_API int jm_log_recording(const char *path, const jm_recording *recording, const jm_log_run *run,
                            int64_t *id, jm_error *error);

/* Which rows: those that meet all that is set. */
typedef struct jm_log_filter {
    size_t size;
    const char *project; /* NULL: any */
    const char *tag;
    double since_unix_s, until_unix_s; /* began in [since, until). 0: open */
    int64_t id;                        /* this row. 0: any */
    uint64_t last;                     /* only so many, the latest. 0: all */
} jm_log_filter;
#define JM_LOG_FILTER_INIT                                                                         \
    { sizeof(jm_log_filter), 0, 0, 0, 0, 0, 0 }

typedef enum jm_log_view {
    JM_LOG_ALL = 0,    /* id, then every column by its name */
    JM_LOG_POWERMETER, /* PowerMeter's 20 columns with its titles and units */
    JM_LOG_CODECARBON, /* CodeCarbon's columns of emissions.csv */
    JM_LOG_PROJECTS,   /* totals of each project: runs, time, energy, carbon, money, and of how many
                          runs a figure is not known (without_...), has bounds only, or overlaps
                          another run of its machine in time */
    JM_LOG_MONTHS      /* likewise of each month (this machine's time) */
} jm_log_view;

/* Rows in the order in which they were appended: column names first, as with jm_sql. A logbook that
 * is not there has no rows; an older one is left as it is, and columns that it lacks are NULL. */
JM_API int jm_log_rows(const char *path, jm_log_view view, const jm_log_filter *filter,
                       jm_row_fn row, void *user, jm_error *error);

/* The SQL statements that make an empty logbook: with INSERTs after them, a copy of it. */
JM_API int jm_log_schema(char **sql, jm_error *error);

/* Deletes rows for good, and gives their space back. A filter that names nothing is JM_INVALID. */
JM_API int jm_log_prune(const char *path, const jm_log_filter *filter, uint64_t *removed,
                        jm_error *error);

/* A sentence and a table for a paper: energy, carbon, how they were found and how well they are
 * known. `format` is "markdown" or "latex". JM_NO_DATA: there are no such rows. */
JM_API int jm_log_statement(const char *path, const jm_log_filter *filter, const char *format,
                            char **text, jm_error *error);

/* ---- 17. Settings -----------------------------------------------------------------------------
 * What users say once rather than with every command. The file is weakest, then come environment
 * variables, then what a program sets (flags). */

typedef enum jm_setting_kind {
    JM_SETTING_TEXT = 0,
    JM_SETTING_NUMBER,
    JM_SETTING_BOOL
} jm_setting_kind;

/* What a setting was said by, weakest first. */
typedef enum jm_setting_strength {
    JM_SETTING_UNSET = 0,
    JM_SETTING_OF_FILE,
    JM_SETTING_OF_ENVIRONMENT,
    JM_SETTING_OF_PROGRAM /* jm_settings_set: flags */
} jm_setting_strength;

typedef struct jm_setting {
    size_t size;
    const char *key;         /* "carbon.country" */
    const char *environment; /* "JOULEMETER_COUNTRY" */
    jm_setting_kind kind;
    const char *meaning; /* a line */
    const char *value;   /* as text; NULL: not set */
    double number;       /* of JM_SETTING_NUMBER; NaN: not set */
    bool on;             /* of JM_SETTING_BOOL */
    const char *source;  /* "/etc/x/joulemeter/config.toml:3", "$JOULEMETER_COUNTRY",
                            "--country", "not set" */
    jm_setting_strength strength;
} jm_setting;

typedef struct jm_settings jm_settings;

/* $XDG_CONFIG_HOME/joulemeter/config.toml, or else ~/.config/joulemeter/config.toml. */
JM_API int jm_settings_usual_path(char **path, jm_error *error);

/* Reads the file (NULL: the usual one; it need not be there) and the environment. JM_FORMAT: the
 * file is wrong, and the message has the line; JM_INVALID: an environment variable is. In values
 * that name a file "~/" is $HOME; in the file of settings, names that are relative begin beside it.
 */
JM_API int jm_settings_open(jm_settings **settings, const char *path, jm_error *error);
JM_API void jm_settings_free(jm_settings *settings);

/* The settings that there are, in their order; texts live as long as the settings, and until that
 * one is set anew. JM_NOT_FOUND: there is none of that index or key. "country" is short for
 * "carbon.country". */
JM_API uint32_t jm_settings_count(void);
JM_API int jm_settings_at(const jm_settings *settings, uint32_t index, jm_setting *setting);
JM_API int jm_settings_get(const jm_settings *settings, const char *key, jm_setting *setting,
                           jm_error *error);

/* Sets one above all else for this program, `source` being where it comes from. */
JM_API int jm_settings_set(jm_settings *settings, const char *key, const char *value,
                           const char *source, jm_error *error);

/* Writes one into the file (NULL: the usual one), leaving the rest of it as it is; value NULL takes
 * it out. */
JM_API int jm_settings_save(const char *path, const char *key, const char *value, jm_error *error);

/* A grid as the settings have it. Of a country and an intensity the intensity counts, unless the
 * country was said by something stronger: a flag against the file. */
JM_API int jm_grid_of_settings(jm_grid **grid, const jm_settings *settings, jm_error *error);

/* ---- 18. Estimation from counters -------------------------------------------------------------
 * Watts of kernels from what Nsight Compute counted of them, for boards or moments where power
 * cannot be measured. A profile (CSV) becomes activities: shares of what a board can do at most,
 * such as 0.8 of its memory's bandwidth. A power model is a constant and watts for each activity at
 * its full rate, none of them negative; it knows how wrong it was on programs that it had not seen,
 * and widens its intervals where it is asked for what it has not seen. docs/estimate.md has the
 * formulas. */

/* What a power model may add up. */
#define JM_ACTIVITY_TABLE(X)                                                                       \
    X(CONSTANT, "constant", "1")                                                                   \
    X(TEMPERATURE, "temperature", "degrees above 25 C, of 100")                                    \
    X(CLOCK, "clock", "SM clock, of the highest")                                                  \
    X(SM_ACTIVE, "sm_active", "SMs with work")                                                     \
    X(PIPES, "pipes", "busy cycles of the five pipes alu, fma, fp64, shared and tensor, a fifth")  \
    X(ISSUE, "issue", "warp instructions, of 4 a cycle and SM")                                    \
    X(ALU, "alu", "busy cycles of the integer and logic pipe")                                     \
    X(FMA, "fma", "busy cycles of the multiply-add pipe")                                          \
    X(FP16, "fp16", "instructions of the half precision pipe, of 1 a cycle and SM")                \
    X(FP64, "fp64", "busy cycles of the double precision pipe")                                    \
    X(XU, "xu", "instructions of the special function pipe, of 1 a cycle and SM")                  \
    X(TENSOR, "tensor", "busy cycles of the tensor pipe")                                          \
    X(L1, "l1", "32-byte sectors of L1, of 4 a cycle and SM")                                      \
    X(SHARED, "shared", "instructions on shared memory, of 1 a cycle and SM")                      \
    X(CONST_CACHE, "const_cache", "requests to the constant cache, of 1 a cycle and SM")           \
    X(L2, "l2", "32-byte sectors of L2, of 1 a cycle and SM")                                      \
    X(DRAM, "dram", "bytes of memory, of the published bandwidth")                                 \
    X(NVLINK, "nvlink", "bytes over NVLink, of the published bandwidth")                           \
    X(PCIE, "pcie", "bytes over PCIe, of the published bandwidth")

typedef enum jm_activity {
#define JM_ACTIVITY_ENUM(code, name, meaning) JM_ACTIVITY_##code,
    JM_ACTIVITY_TABLE(JM_ACTIVITY_ENUM)
#undef JM_ACTIVITY_ENUM
        JM_ACTIVITY_COUNT
} jm_activity;

/* "dram" for JM_ACTIVITY_DRAM, and what its rate is a share of. Never NULL. */
JM_API const char *jm_activity_name(int activity);
JM_API const char *jm_activity_meaning(int activity);

/* Boards whose limits were published: names as Nsight Compute gives them. */
typedef struct jm_board {
    size_t size;
    const char *name;     /* "Tesla V100-SXM2" */
    double power_limit_w; /* TDP */
    uint32_t sms;
    double clock_hz;             /* boost */
    double dram_bytes_s;         /* bandwidth, published */
    double nvlink_bytes_s;       /* both directions together; 0: it has none */
    double pcie_bytes_s;         /* likewise */
    uint32_t compute_capability; /* 70 for 7.0 */
} jm_board;

JM_API uint32_t jm_board_count(void);
/* Set board->size before the call. JM_NOT_FOUND if the index is too large. */
JM_API int jm_board_get(uint32_t index, jm_board *board);
/* The board that a name means: "v100", "NVIDIA A100-SXM4-80GB". JM_NOT_FOUND: the message lists the
 * boards there are, near ones if any. A name that says more than a known board's, such as "RTX 3080
 * Laptop GPU", is not known. */
JM_API int jm_board_find(const char *name, jm_board *board, jm_error *error);

/* Profiles: what Nsight Compute wrote with --csv, of any version: raw and details pages, a column
 * or a row for each metric, any locale, several processes and boards. Launches of one kernel in one
 * process on one board are put together as they are read; memory grows with the number of
 * different kernels only. */
typedef struct jm_profile jm_profile;

typedef struct jm_profile_kernel {
    size_t size;
    const char *process; /* "" if the file does not tell */
    int64_t pid;         /* -1 likewise */
    const char *device;  /* the board's name, or its index as text; "" likewise */
    const char *kernel;
    uint64_t launches;
    double duration_s;           /* of the launches that tell theirs; NaN: none does */
    uint64_t untimed;            /* launches that do not */
    const char *gpu;             /* the board's index, "" if the file does not tell */
    uint32_t compute_capability; /* 70 for 7.0; 0: not told */
    uint32_t sms;                /* likewise */
} jm_profile_kernel;

/* What of a profile is in no launch. Lines count from 1, in the file that they are in. */
typedef struct jm_profile_losses {
    size_t size;
    uint64_t foreign_lines; /* of the program's own output, between the table's rows */
    uint64_t foreign_line;  /* the first of them; 0: none */
    uint64_t broken_rows;   /* of the table, with too few or too many fields: launches are lost */
    uint64_t broken_line;   /* the first of them; 0: none */
} jm_profile_losses;

JM_API int jm_profile_new(jm_profile **profile, jm_error *error);
/* Text of a profile, in pieces of any length. JM_FORMAT: the message has the number of the line. */
JM_API int jm_profile_feed(jm_profile *profile, const char *bytes, size_t length, jm_error *error);
/* The end of a file; others may follow. JM_NO_DATA: there was no kernel in it, the message says
 * why, as far as Nsight Compute told; JM_PERMISSION: it was not allowed to read counters, the
 * message has the remedy. */
JM_API int jm_profile_end(jm_profile *profile, jm_error *error);
/* All of it for one file. */
JM_API int jm_profile_read(jm_profile **profile, const char *path, jm_error *error);
/* For one thread at a time. Set `size` before the call; texts belong to the profile. JM_NOT_FOUND
 * if the index is too large. Kernels come in the order of their first launch. */
JM_API uint32_t jm_profile_kernel_count(const jm_profile *profile);
JM_API int jm_profile_get(const jm_profile *profile, uint32_t index, jm_profile_kernel *kernel);
/* Lines between the table's rows that belong to the program's own output. */
JM_API uint64_t jm_profile_foreign_lines(const jm_profile *profile);
/* Set losses->size before the call. */
JM_API int jm_profile_lost(const jm_profile *profile, jm_profile_losses *losses);
/* An activity of a kernel on a board, mean over its launches by duration; NaN: the file does not
 * tell. `approximate` (or NULL): it follows from a figure that stands for it only. */
JM_API double jm_profile_activity(const jm_profile *profile, uint32_t index, const jm_board *board,
                                  jm_activity activity, bool *approximate);
JM_API void jm_profile_free(jm_profile *profile);

/* Power models. */
typedef struct jm_power_model jm_power_model;

typedef enum jm_power_kind { JM_POWER_MIN = 0, JM_POWER_AVERAGE, JM_POWER_PEAK } jm_power_kind;
enum { JM_POWER_KINDS = 3 };

/* The model that comes with joulemeter: trained on published data of one V100. */
JM_API int jm_power_model_shipped(jm_power_model **model, jm_error *error);
/* From its JSON; nothing of it is run. JM_FORMAT: what is wrong with it. */
JM_API int jm_power_model_parse(jm_power_model **model, const char *json, size_t length,
                                jm_error *error);
JM_API int jm_power_model_read(jm_power_model **model, const char *path, jm_error *error);
JM_API int jm_power_model_json(const jm_power_model *model, char **json, jm_error *error);
JM_API void jm_power_model_free(jm_power_model *model);

/* How wrong a model was on what it had not seen: every choice was made anew without the program (or
 * the kernel) that was left out. Per cent of the measured power, mean of absolute errors. */
typedef struct jm_power_errors {
    size_t size;
    bool trained; /* false: it has no fit of this kind, the rest is 0 */
    uint32_t rows, programs;
    double program_pct;       /* a program left out */
    double kernel_pct;        /* a row left out */
    double program_mean_pct;  /* of the mean of the other programs, instead of a model */
    double kernel_mean_pct;   /* of the mean of the other rows */
    double program_plain_pct; /* of plain non-negative least squares on all activities */
    double kernel_plain_pct;
    double covered_pct;        /* truths in their 95 % intervals, programs left out */
    double kernel_covered_pct; /* rows left out */
    double half_width_pct;     /* of the interval that the model gives */
    double sure_pct; /* programs that it holds, by their number alone: 95, less for fewer than 19 */
} jm_power_errors;

typedef struct jm_power_model_info {
    size_t size;
    const char *board;    /* that it was trained on */
    const char *source;   /* where its data comes from */
    const char *made;     /* version of joulemeter that made it */
    const char *left_out; /* of one that was just trained: what of the data was not used and why, a
                             sentence a line; "" */
} jm_power_model_info;

/* Set `size` before the call; texts belong to the model. */
JM_API int jm_power_model_get(const jm_power_model *model, jm_power_model_info *info);
JM_API int jm_power_model_errors(const jm_power_model *model, jm_power_kind kind,
                                 jm_power_errors *errors);
/* Watts of an activity at its full rate; 0: none; NaN: the model does not know the activity. */
JM_API double jm_power_model_watts(const jm_power_model *model, jm_power_kind kind,
                                   jm_activity activity);
/* Metrics of Nsight Compute that the model needs, joined by commas, for --metrics. */
JM_API int jm_power_model_metrics(const jm_power_model *model, char **metrics, jm_error *error);
/* Those of all activities: for collecting rows to train on. */
JM_API int jm_activity_metrics(char **metrics, jm_error *error);

typedef struct jm_train_options {
    size_t size;
    const char *board;  /* NULL: the column `board` of the data, which must be one */
    const char *source; /* kept in the model. NULL: the data's path */
} jm_train_options;
#define JM_TRAIN_OPTIONS_INIT                                                                      \
    { sizeof(jm_train_options), 0, 0 }

/* Trains on rows of a CSV: program, kernel, board, power_avg_w (and power_min_w, power_peak_w), and
 * a column for each activity that is known. Penalties are chosen by leaving programs out, inside
 * each fold of another such loop, which gives the errors. JM_FORMAT names line and column;
 * JM_NO_DATA: fewer than 8 rows or 3 programs. */
JM_API int jm_power_model_train(jm_power_model **model, const char *path,
                                const jm_train_options *options, jm_error *error);

/* Measured and left-out estimate of each row that a model was just trained on: for judging it.
 * JM_NOT_FOUND if the index is too large, or if the model was read. */
typedef struct jm_power_fold {
    size_t size;
    const char *program, *kernel;
    double measured_w;
    double program_w;        /* with the program left out */
    double kernel_w;         /* with the row left out */
    double lower_w, upper_w; /* with the program left out */
} jm_power_fold;
JM_API int jm_power_model_fold(const jm_power_model *model, jm_power_kind kind, uint32_t index,
                               jm_power_fold *fold);

/* Estimates. */
typedef struct jm_estimate_options {
    size_t size;
    const char *board;  /* that the profile was made on. NULL: as the profile says */
    double temperature; /* of it, C. 0: as in training */
} jm_estimate_options;
#define JM_ESTIMATE_OPTIONS_INIT                                                                   \
    { sizeof(jm_estimate_options), 0, 0 }

enum {
    JM_ESTIMATE_OUTSIDE = 1u << 0,     /* an activity is outside of what the model was trained on */
    JM_ESTIMATE_APPROXIMATE = 1u << 1, /* an activity follows from a figure that stands for it */
    JM_ESTIMATE_OTHER_BOARD = 1u << 2, /* scaled from another board by published limits */
    /* The model knows means only: least or most of those, without an interval. */
    JM_ESTIMATE_BY_KERNELS = 1u << 3,
    JM_ESTIMATE_UNWEIGHTED = 1u << 4, /* no durations: every launch counts alike */
    /* More than the board can do: a counter, its unit or the board is wrong. */
    JM_ESTIMATE_IMPOSSIBLE = 1u << 5,
    /* Metrics of a kernel are missing: it has no estimate, and the program's is without it. */
    JM_ESTIMATE_INCOMPLETE = 1u << 6,
    JM_ESTIMATE_BOARD_ASSUMED = 1u << 7, /* the profile does not name the board */
    JM_ESTIMATE_UNTIMED = 1u << 8        /* some launches have no duration, and do not count */
};

typedef struct jm_estimated {
    size_t size;
    double power_w;          /* NaN: there is none (JM_ESTIMATE_INCOMPLETE) */
    double lower_w, upper_w; /* 95 %; NaN: the model knows no errors of this kind of power */
    double energy_j;         /* NaN: no durations, or not of the average */
    double lower_j, upper_j;
    uint32_t flags;         /* JM_ESTIMATE_* */
    const char *outside;    /* names of activities that are outside, "" */
    const char *impossible; /* names of activities, or "power", that are beyond the board; "" */
    const char *missing;    /* activities, and their metrics, that an estimate lacks; "" */
} jm_estimated;

typedef struct jm_estimate jm_estimate;
/* `profile` and `model` must stay. JM_NO_DATA: every kernel lacks metrics, the message names them;
 * JM_NOT_FOUND: the board is not known, or the profile does not name it and its compute capability
 * and SMs are those of several. */
JM_API int jm_estimate_open(jm_estimate **estimate, const jm_profile *profile,
                            const jm_power_model *model, const jm_estimate_options *options,
                            jm_error *error);
/* Set out->size before the call; texts belong to the estimate. Errors of kernels are taken to be
 * alike, so that those of a program do not average out. */
JM_API int jm_estimate_kernel(const jm_estimate *estimate, uint32_t index, jm_power_kind kind,
                              jm_estimated *out);
/* All kernels, weighted by their duration. */
JM_API int jm_estimate_program(const jm_estimate *estimate, jm_power_kind kind, jm_estimated *out);
/* The board of a kernel, by its published limits. */
JM_API int jm_estimate_board(const jm_estimate *estimate, uint32_t index, jm_board *board);
/* What each activity adds to a kernel's average, W; NaN: not in the model. */
JM_API double jm_estimate_share(const jm_estimate *estimate, uint32_t index, jm_activity activity);
/* Activities of all kernels as rows to train on, and the estimates: CSV. `program`: a name for the
 * column, NULL: that of each kernel's process. */
JM_API int jm_estimate_features_csv(const jm_estimate *estimate, const char *program, char **csv,
                                    jm_error *error);
JM_API int jm_estimate_predictions_csv(const jm_estimate *estimate, char **csv, jm_error *error);
/* Everything as one JSON object (docs/json.md). */
JM_API int jm_estimate_json(const jm_estimate *estimate, char **json, jm_error *error);
JM_API void jm_estimate_free(jm_estimate *estimate);

#ifdef __cplusplus
}
#endif
#endif
