/* Data tables: columns, each of one type, in batches of rows. A frame makes the batches of one
 * table; Arrow hands them out as they are, CSV writes them down. */
#ifndef JMI_REPORT_FRAME_H
#define JMI_REPORT_FRAME_H

#include "base/base.h"

enum { JMI_BATCH_ROWS = 65536 };

/* What a column holds and how it is written: Arrow's format; CSV. */
typedef enum jmi_kind {
    JMI_SECONDS, /* put as ns. float64; CSV to the nanosecond */
    JMI_NUMBER,  /* float64; CSV with all its digits */
    JMI_ROUNDED, /* float64; CSV to 1e-9: computed, with no more digits worth keeping */
    JMI_INT64,
    JMI_UINT64,
    JMI_INT32,
    JMI_UINT32,
    JMI_UINT8,
    JMI_BOOL, /* CSV 0 or 1 */
    JMI_TEXT, /* UTF-8 */
    JMI_NAME  /* UTF-8 from a dictionary: few texts in many rows */
} jmi_kind;

typedef struct jmi_field {
    const char *name;
    jmi_kind kind;
    bool nullable;
    bool borrowed; /* the rows are somebody else's: see jmi_borrow */
} jmi_field;

/* Texts of a dictionary, as Arrow has them. Those that batches share never change. */
typedef struct jmi_names {
    _Atomic uint32_t refs;
    uint32_t count;
    int32_t *ends; /* count + 1 offsets into text; the first is 0 */
    char *text;
} jmi_names;

/* A dictionary that grows while a column is made. */
typedef struct jmi_dictionary jmi_dictionary;

typedef struct jmi_column {
    jmi_kind kind;
    size_t nulls;
    uint8_t *valid; /* a bit for each row; NULL: the column is not nullable */
    void *data;     /* the rows; of texts, rows + 1 offsets */
    bool borrowed;  /* data belongs to the batch's owner */
    char *text;
    size_t text_used, text_capacity;
    jmi_names *names;           /* of the finished batch */
    jmi_dictionary *dictionary; /* the frame's */
} jmi_column;

/* Rows of a table. */
typedef struct jmi_batch {
    size_t rows, capacity;
    bool failed; /* out of memory: what was put since is not there */
    void *owner; /* of borrowed columns, let go with the batch */
    void (*disown)(void *owner);
    size_t column_count;
    jmi_column column[];
} jmi_batch;

void jmi_batch_free(jmi_batch *batch);

/* Fills the row that is being made: one call for each column, then jmi_end_row. A number that is
 * not finite is null, and so is a text that is NULL. */
void jmi_put_null(jmi_batch *batch, size_t column);
void jmi_put_ns(jmi_batch *batch, size_t column, int64_t ns);         /* JMI_SECONDS */
void jmi_put_number(jmi_batch *batch, size_t column, double value);   /* JMI_NUMBER, JMI_ROUNDED */
void jmi_put_integer(jmi_batch *batch, size_t column, int64_t value); /* JMI_INT64 ... UINT8 */
void jmi_put_bool(jmi_batch *batch, size_t column, bool value);
void jmi_put_text(jmi_batch *batch, size_t column, const char *text); /* JMI_TEXT, JMI_NAME */
void jmi_put_borrowed(jmi_batch *batch, size_t column); /* the row has the value that is there */
static inline void jmi_end_row(jmi_batch *batch) {
    batch->rows++;
}

typedef struct jmi_frame jmi_frame;
struct jmi_frame {
    const jm_recording *recording;
    uint32_t device; /* as in jm_table_options */
    jm_energy_options energy;
    const jmi_field *fields;
    size_t field_count;
    jmi_dictionary **dictionaries; /* one for each column of JMI_NAME */
    /* Hands over the next rows; NULL at the end. */
    int (*next)(jmi_frame *frame, jmi_batch **batch, jm_error *error);
    void (*close)(jmi_frame *frame); /* lets go of what is its own; NULL: nothing */
};

/* Begins a table. */
int jmi_frame_open(jmi_frame **frame, const jm_recording *recording, jm_table table,
                   const jm_table_options *options, jm_error *error);
/* The next rows, or NULL at the end. */
int jmi_frame_next(jmi_frame *frame, jmi_batch **batch, jm_error *error);
void jmi_frame_close(jmi_frame *frame);

/* ---- for those who make tables ---- */

/* What a frame is made of. */
typedef struct jmi_frame_plan {
    const jm_recording *recording;
    uint32_t device;
    const jm_energy_options *energy; /* copied */
} jmi_frame_plan;

/* A frame of `size` bytes, whose first member is the jmi_frame; then its columns, which must
 * outlive it. */
int jmi_frame_new(jmi_frame **frame, size_t size, const jmi_frame_plan *plan, jm_error *error);
int jmi_frame_fields(jmi_frame *frame, const jmi_field *fields, size_t count, jm_error *error);
/* Ends the making of a frame: closes it if that did not work. Returns `status`. */
int jmi_frame_opened(jmi_frame **frame, int status);
/* An empty batch with room for so many rows; NULL: out of memory. */
jmi_batch *jmi_batch_new(const jmi_frame *frame, size_t capacity);
/* The rows of a borrowed column; they must stay for as long as the batch's owner is not let go. */
void jmi_borrow(jmi_batch *batch, size_t column, const void *rows);
/* Hands a batch over if it has rows; NULL for one that has none, JM_MEMORY if it failed. */
int jmi_batch_finish(jmi_batch *batch, jmi_batch **out, jm_error *error);

int jmi_readings_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_samples_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_marks_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_range_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_batch_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_epoch_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);
int jmi_phase_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error);

#endif
