/* Profiles of Nsight Compute: text into launches, launches into kernels. */
#ifndef JMI_ESTIMATE_PROFILE_H
#define JMI_ESTIMATE_PROFILE_H

#include "estimate/counters.h"

/* ---- one launch ---- */

typedef struct jmi_launch {
    const char *process, *device, *board, *kernel; /* interned; "": not told */
    int64_t pid;                                   /* -1 likewise */
    uint32_t compute_capability;                   /* 70 for 7.0; 0: not told */
    double value[JMI_COUNTERS];                    /* base units; NaN: not told */
} jmi_launch;

/* Activities whose full rate depends on the board are kept in units of their own. */
enum {
    JMI_MEASURE_DRAM_SHARE = JM_ACTIVITY_COUNT, /* where bytes are not told; DRAM is bytes/s */
    JMI_MEASURES
};

/* Set in *approximate where bytes of memory are told, but no time that they took. */
#define JMI_BYTES_WITHOUT_TIME (1u << 31)

/* What a launch says of each activity: shares; CLOCK in Hz; DRAM, NVLINK and PCIE in bytes/s. NaN:
 * nothing. Bits of *approximate: what only stands for it. */
void jmi_launch_measure(const jmi_launch *launch, double measure[JMI_MEASURES],
                        uint32_t *approximate);
/* Seconds; NaN: not told. */
double jmi_launch_duration(const jmi_launch *launch);

/* ---- kernels ---- */

typedef struct jmi_kernel {
    const char *process, *device, *board, *kernel;
    int64_t pid;
    uint64_t launches;
    double duration_s;                /* of those that told it */
    uint64_t untimed;                 /* launches that did not */
    uint32_t compute_capability, sms; /* 0: not told */
    uint32_t approximate;
    double sum[JMI_MEASURES];    /* by time */
    double weight[JMI_MEASURES]; /* of launches that told it */
} jmi_kernel;

typedef struct jmi_kernels {
    jmi_kernel *all;
    size_t count, capacity;
    uint32_t *slots; /* hash table of indices + 1 */
    size_t slot_count;
    uint32_t last; /* of the launch before: most often it is the same again */
} jmi_kernels;

/* False: out of memory, or more kernels than anyone can look at. */
bool jmi_kernels_add(jmi_kernels *kernels, const jmi_launch *launch);
void jmi_kernels_free(jmi_kernels *kernels);

/* ---- the table in the text ---- */

typedef struct jmi_field {
    const char *text;
    size_t length;
    bool escaped; /* has "" in it */
} jmi_field;

/* Fields of one record. Returns the bytes that it takes, its end of line included; 0: it goes on
 * beyond `length`. `final`: nothing comes after `length`. */
typedef struct jmi_record {
    jmi_field *fields;
    size_t count, capacity;
    char separator; /* 0: a comma */
    bool failed;    /* out of memory, or more fields than a table has */
    bool unclosed;  /* the text ended within quotes */
} jmi_record;
size_t jmi_record_read(jmi_record *record, const char *text, size_t length, bool final);

typedef enum jmi_role {
    JMI_ROLE_NONE,
    JMI_ROLE_ID,
    JMI_ROLE_PID,
    JMI_ROLE_PROCESS,
    JMI_ROLE_KERNEL,
    JMI_ROLE_DEVICE,
    JMI_ROLE_CC,
    JMI_ROLE_SECTION,
    JMI_ROLE_NAME,
    JMI_ROLE_UNIT,
    JMI_ROLE_VALUE,
    JMI_ROLE_METRIC
} jmi_role;

typedef struct jmi_column {
    uint32_t index; /* of the field */
    jmi_role role;
    const char *name; /* of a metric, as the header has it; interned */
    jmi_counter counter;
    double factor;
} jmi_column;

/* UTF-16, as ">" of PowerShell writes it, piece by piece. */
typedef struct jmi_utf16 {
    bool big;           /* the higher byte comes first */
    bool half;          /* one byte of a unit is there: */
    unsigned char byte; /* this */
    uint16_t high;      /* the first unit of a pair; 0: none */
} jmi_utf16;
/* Into UTF-8, of which `out` takes 2 bytes for each, and 4 more. Returns its length. */
size_t jmi_utf16_read(jmi_utf16 *state, const char *bytes, size_t length, char *out);

typedef enum jmi_encoding { JMI_ENCODING_UNKNOWN, JMI_UTF8, JMI_UTF16 } jmi_encoding;

struct jm_profile {
    jmi_intern *texts;
    jmi_kernels kernels;
    /* text that is not a whole record yet */
    char *buffer;
    size_t length, capacity;
    jmi_encoding encoding;
    jmi_utf16 utf16;
    char first; /* byte of the file, while that is all there is of it */
    bool has_first;
    bool started; /* the locale is decided */
    /* the table */
    jmi_record record;
    jmi_column *columns; /* those that are looked at */
    size_t column_count, column_capacity;
    size_t width;                    /* fields of a row; 0: no header yet */
    size_t of_role[JMI_ROLE_METRIC]; /* field of a role, + 1 */
    bool is_long;                    /* a row for each metric */
    bool has_units;                  /* columns' units are settled */
    /* where numbers are looked at only for how they are written */
    bool sniffing;
    uint64_t votes[3];
    jmi_decimal decimal;
    /* the launch that is being read */
    jmi_launch launch;
    bool open;
    char id[64]; /* its number and process, in tables of a row for each metric */
    size_t id_length;
    char *scratch;
    size_t scratch_capacity;
    /* what was seen on the way */
    uint64_t line, launches, file_launches, file_broken;
    jm_profile_losses losses;
    bool saw_header, no_permission, none_profiled;
    char said[256]; /* its first error */
};

/* A record of the table, or a line that is none of it. JM_OK or an error. */
int jmi_profile_line(jm_profile *profile, const char *text, size_t length, jm_error *error);
int jmi_profile_row(jm_profile *profile, jm_error *error);
/* True: the record is a header. */
bool jmi_profile_is_header(const jmi_record *record);
int jmi_profile_header(jm_profile *profile, jm_error *error);
/* The launch is complete. */
int jmi_profile_close_launch(jm_profile *profile, jm_error *error);

#endif
