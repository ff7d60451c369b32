/* The recording: what was measured, in memory. Filled by the sampler, the collector or a file;
 * read through cursors and getters from any thread.
 *
 * One mutex guards the structure. Writers hold it for a few stores; readers take a snapshot under
 * it (a count, a pinned set of columns) and then read without it, since what was once published
 * never changes or moves. */
#ifndef JMI_RECORDING_H
#define JMI_RECORDING_H

#include "base/base.h"

#include <pthread.h>

enum {
    JMI_CHUNK_MIN = 256,   /* samples of a series' first chunk: short runs stay small */
    JMI_CHUNK_MAX = 16384, /* later chunks grow up to it */
    JMI_ROWS_BLOCK = 4096, /* ranges or marks of a block */
    JMI_SAMPLE_BYTES = 8 + 8 + 4 + 1,
    JMI_MAX_DEVICES = 4096,
    JMI_MAX_SENSORS = 65536,
    JMI_MAX_FOREIGN = 1000,   /* facts that processes which joined may add */
    JMI_MAX_NAME = 1000,      /* bytes of a range's or mark's name */
    JMI_MAX_ATTRIBUTES = 4000 /* bytes of its attributes */
};

/* Samples as columns, shared by a chunk and the cursors that read it: freed by the last. */
typedef struct jmi_columns {
    _Atomic uint32_t refs;
    uint32_t capacity;
    int64_t *t_ns;
    double *value;
    uint32_t *since_ns;
    uint8_t *flags;
} jmi_columns;

jmi_columns *jmi_columns_new(uint32_t capacity);
void jmi_columns_unref(jmi_columns *columns);
size_t jmi_columns_bytes(const jmi_columns *columns);
/* The columns that the cursor's last block is part of, to be kept beyond it; NULL: there is none.
 * The caller lets go of them. */
jmi_columns *jmi_cursor_share(const jm_cursor *cursor);
/* For how many samples it is worth to make room: those of the whole series, 67 million at most. */
uint64_t jmi_cursor_total(const jm_cursor *cursor);

/* Successive samples of one sensor. The last chunk of a series grows; the others are sealed. */
typedef struct jmi_chunk {
    jmi_columns *columns; /* NULL: only in the store */
    int64_t first_row;    /* row of the store where it begins; 0: not there (whole) */
    uint32_t count;
    uint32_t valid; /* samples that have a value */
    int64_t t_first;
    int64_t t_last;
    double low; /* of the values there are */
    double high;
    bool sealed; /* grows no more, full or not */
} jmi_chunk;

typedef struct jmi_series {
    jm_sensor sensor; /* texts are interned */
    jmi_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    uint64_t count;
    size_t resident; /* chunks before it are only in the store */
    double last_value;
    bool stopped; /* no room: samples are not kept */
    bool resumed; /* they are again: the next one comes after a gap */
} jmi_series;

/* Rows of equal size in blocks that never move. A missing block is in the store. */
typedef struct jmi_rows {
    void **blocks;
    size_t block_capacity;
    size_t resident; /* blocks that are in memory */
    uint64_t count;
    size_t row_size;
} jmi_rows;

typedef enum jmi_range_state {
    JMI_RANGE_OPEN,
    JMI_RANGE_ENDED,
    JMI_RANGE_UNFINISHED
} jmi_range_state;

typedef struct jmi_range_row {
    uint64_t id;
    uint64_t parent;
    int64_t begin_ns;
    int64_t end_ns;
    const char *name;
    const char *attributes;
    uint32_t pid;
    uint32_t thread;
    uint32_t stream;
    uint16_t device; /* index + 1 of the device that ran it; 0: the host */
    uint8_t category;
    uint8_t state; /* jmi_range_state */
    uint8_t dirty; /* changed since it was written to the store */
} jmi_range_row;

typedef struct jmi_mark_row {
    int64_t t_ns;
    const char *name;
    const char *attributes;
    uint32_t pid;
    uint32_t thread;
} jmi_mark_row;

typedef struct jmi_info {
    const char *key;
    const char *value;
    bool foreign; /* said by a process that joined */
} jmi_info;

typedef struct jmi_warning {
    const char *kind;
    const char *text;
} jmi_warning;

/* Where a recording's chunks, ranges and marks are when they are not in memory (a file). The calls
 * come without the recording's lock; the store has its own. */
typedef struct jmi_store jmi_store;
struct jmi_store {
    int (*load_chunk)(jmi_store *store, uint32_t sensor, int64_t first_row, uint32_t count,
                      jmi_columns *into, jm_error *error);
    /* Fill `count` rows from index `first`; texts go through jmi_recording_text. */
    int (*load_ranges)(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                       jmi_range_row *rows);
    int (*load_marks)(jmi_store *store, jm_recording *recording, uint64_t first, size_t count,
                      jmi_mark_row *rows);
    void (*close)(jmi_store *store);
};

struct jm_recording {
    pthread_mutex_t lock;
    jmi_intern *texts;
    jm_device *devices;
    size_t device_count, device_capacity;
    jmi_series **series; /* each stays where it is */
    size_t series_count, series_capacity;
    jmi_rows ranges;
    jmi_rows marks;
    jmi_info *info;
    size_t info_count, info_capacity;
    uint64_t info_changes;
    jmi_warning *warnings;
    size_t warning_count, warning_capacity;
    jm_sampler_stats stats;
    int64_t begin_ns, end_ns; /* begin > end: nothing yet */
    int64_t utc_offset_ns;
    bool fixed_begin; /* a session's begin is when it was opened, not its first sample */
    bool live;        /* a session fills it */
    bool cut_off;     /* its file ends before it did, or is still being written */
    uint64_t top_id;  /* highest range id so far */

    uint32_t *by_id; /* index + 1 of ranges by the hash of their id; 0: empty. Built when asked */
    size_t by_id_slots;
    uint64_t by_id_count; /* ranges that are in it */

    uint64_t sample_count; /* in memory */
    size_t sample_bytes;   /* of columns in memory */
    size_t cached_bytes;   /* columns that were read back from the store */
    uint64_t *dirty;       /* indices of ranges that changed after they were written */
    size_t dirty_count, dirty_capacity;
    uint64_t ranges_written, marks_written; /* to the store, whose blocks may then go */
    jmi_store *store;
};

/* The lock, also from getters that are const to the caller. */
void jmi_recording_lock(const jm_recording *recording);
void jmi_recording_unlock(const jm_recording *recording);

/* A text that lives as long as the recording; "" for NULL. NULL: out of memory. Takes the lock. */
const char *jmi_recording_text(jm_recording *recording, const char *text, size_t length);
/* Likewise, under the lock already. */
const char *jmi_text_locked(jm_recording *recording, const char *text, size_t length);

/* One warning of a kind: later ones of the same kind are dropped. */
void jmi_recording_warn(jm_recording *recording, const char *kind, const char *format, ...)
    JMI_PRINTF(3, 4);

/* Bytes of memory that the recording takes. Under the lock. */
size_t jmi_recording_bytes(const jm_recording *recording);

/* Index + 1 of the device with this name, UUID or PCI address; 0: none. Under the lock. */
uint16_t jmi_device_find(const jm_recording *recording, const char *text);
/* Its name; "" for 0. Under the lock. */
const char *jmi_device_name(const jm_recording *recording, uint16_t device);

/* Sets a fact. A foreign one replaces none of ours, and there are at most JMI_MAX_FOREIGN of them
 * (JM_FULL). Under the lock. */
int jmi_info_set(jm_recording *recording, const char *key, const char *value, bool foreign);

/* Takes note of a time, for begin and end. Under the lock. */
void jmi_recording_note(jm_recording *recording, int64_t t_ns);

/* One sample, times rising. Under the lock. JM_FULL: series stopped. */
int jmi_series_add(jm_recording *recording, jmi_series *series, int64_t t_ns, double value,
                   uint32_t since_ns, uint8_t flags);
jmi_chunk *jmi_series_tail(jmi_series *series);
void jmi_series_free(jmi_series *series);

/* Frees the memory of each series' oldest chunk if the store has it and more is in memory than is
 * to be kept. Under the lock. True: there may be more to free. */
bool jmi_recording_shed(jm_recording *recording, size_t keep_bytes, uint64_t keep_samples);
/* Samples are not kept from here on (or again): each series says so by a missing sample. */
void jmi_recording_stop(jm_recording *recording, bool stop);
/* Drops samples that repeat the value before them from sealed chunks. Under the lock. */
size_t jmi_recording_thin(jm_recording *recording);

/* Rows. Under the lock. A row that was added is zero; NULL: out of memory. */
void *jmi_rows_add(jmi_rows *rows);
void *jmi_rows_at(const jmi_rows *rows, uint64_t index); /* NULL: in the store, or no such row */
bool jmi_rows_reserve(jmi_rows *rows, uint64_t count);   /* blocks as missing ones */
void jmi_rows_free(jmi_rows *rows);
/* Frees a block of ranges and one of marks if the store has it and it changes no more. Under the
 * lock. */
void jmi_rows_shed(jm_recording *recording, size_t block);
size_t jmi_rows_bytes(const jmi_rows *rows);

/* The row of a range; loads its block if need be, for which the lock is let go and taken again. */
jmi_range_row *jmi_range_at(jm_recording *recording, uint64_t index);
jmi_mark_row *jmi_mark_at(jm_recording *recording, uint64_t index);
/* Appends. Under the lock. Texts must be interned. UINT64_MAX: out of memory. */
uint64_t jmi_range_append(jm_recording *recording, const jmi_range_row *row);
uint64_t jmi_mark_append(jm_recording *recording, const jmi_mark_row *row);
/* Marks a row as changed, so that it is written again. Under the lock. */
void jmi_range_touch(jm_recording *recording, uint64_t index);
/* Index of a range by id. Takes the lock. JM_NOT_FOUND. */
int jmi_range_find(jm_recording *recording, jm_range_id id, uint64_t *index);

bool jmi_utf8_valid(const char *text, size_t length);
/* Bytes that are no UTF-8 become '?'. */
void jmi_utf8_clean(char *clean, const char *text, size_t length);

/* Differences of valid times do not overflow. */
static inline bool jmi_time_valid(int64_t t_ns) {
    return t_ns > INT64_MIN / 4 && t_ns < INT64_MAX / 4;
}

/* Times that a range of a session may have. CLOCK_MONOTONIC began when the machine was booted;
 * clocks of devices stray, but not by a minute. */
static inline bool jmi_span_valid(int64_t begin_ns, int64_t end_ns, int64_t now_ns) {
    return begin_ns >= 0 && begin_ns <= end_ns && end_ns < now_ns + 60 * JMI_NS_PER_S;
}

bool jmi_category_valid(int category);
bool jmi_quantity_valid(int quantity);

#endif
