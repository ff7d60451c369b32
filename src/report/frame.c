/* Batches of rows, and the frames that make them. */
#include "report/frame.h"

#include "energy/views.h"
#include "report/dictionary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches ---- */

static size_t size_of(jmi_kind kind) {
    switch (kind) {
    case JMI_SECONDS:
    case JMI_NUMBER:
    case JMI_ROUNDED:
    case JMI_INT64:
    case JMI_UINT64: return 8;
    case JMI_INT32:
    case JMI_UINT32:
    case JMI_TEXT:
    case JMI_NAME: return 4;
    case JMI_UINT8: break;
    case JMI_BOOL: return 0; /* bits */
    }
    return 1;
}

static size_t bitmap_bytes(size_t rows) {
    return rows / 8 + 1;
}

static bool open_column(jmi_column *column, const jmi_field *field, size_t capacity) {
    size_t size = size_of(field->kind);
    column->kind = field->kind;
    column->borrowed = field->borrowed;
    if (field->nullable) {
        column->valid = jmi_alloc(bitmap_bytes(capacity), 1);
        if (column->valid == NULL) return false;
    }
    if (field->borrowed) return true;
    /* Zeroed, so that rows that are null hold nothing of what was in memory before. */
    column->data = size == 0 ? jmi_alloc(bitmap_bytes(capacity), 1) : jmi_alloc(capacity + 1, size);
    if (column->data == NULL) return false;
    return field->kind != JMI_TEXT || jmi_reserve(&column->text, &column->text_capacity, 1, 1);
}

jmi_batch *jmi_batch_new(const jmi_frame *frame, size_t capacity) {
    size_t count = frame->field_count;
    jmi_batch *batch = jmi_alloc(1, sizeof *batch + count * sizeof batch->column[0]);
    if (batch == NULL) return NULL;
    batch->capacity = capacity;
    batch->column_count = count;
    for (size_t i = 0; i < count; i++) {
        batch->column[i].dictionary = frame->dictionaries[i];
        if (frame->dictionaries[i] != NULL) jmi_dictionary_trim(frame->dictionaries[i]);
        if (open_column(&batch->column[i], &frame->fields[i], capacity)) continue;
        jmi_batch_free(batch);
        return NULL;
    }
    return batch;
}

void jmi_batch_free(jmi_batch *batch) {
    if (batch == NULL) return;
    for (size_t i = 0; i < batch->column_count; i++) {
        jmi_column *column = &batch->column[i];
        free(column->valid);
        if (!column->borrowed) free(column->data);
        free(column->text);
        jmi_names_unref(column->names);
    }
    if (batch->disown != NULL) batch->disown(batch->owner);
    free(batch);
}

int jmi_batch_finish(jmi_batch *batch, jmi_batch **out, jm_error *error) {
    *out = NULL;
    for (size_t i = 0; !batch->failed && i < batch->column_count; i++) {
        jmi_column *column = &batch->column[i];
        if (column->dictionary == NULL) continue;
        column->names = jmi_dictionary_names(column->dictionary);
        column->dictionary = NULL; /* the frame may go */
        batch->failed = column->names == NULL;
    }
    if (batch->failed || batch->rows == 0) {
        bool failed = batch->failed;
        jmi_batch_free(batch);
        return failed ? jmi_fail(error, JM_MEMORY, "out of memory for a table's rows") : JM_OK;
    }
    *out = batch;
    return JM_OK;
}

/* ---- rows ---- */

static void set_bit(uint8_t *bits, size_t row) {
    bits[row / 8] |= (uint8_t)(1u << row % 8);
}

static void fill(jmi_batch *batch, jmi_column *column) {
    if (column->valid != NULL) set_bit(column->valid, batch->rows);
}

void jmi_put_null(jmi_batch *batch, size_t column) {
    jmi_column *c = &batch->column[column];
    c->nulls++;
    if (c->kind == JMI_TEXT) ((int32_t *)c->data)[batch->rows + 1] = (int32_t)c->text_used;
}

void jmi_put_ns(jmi_batch *batch, size_t column, int64_t ns) {
    jmi_column *c = &batch->column[column];
    /* Kept as it is for CSV; jmi_seconds says what Arrow gets. */
    ((int64_t *)c->data)[batch->rows] = ns;
    fill(batch, c);
}

void jmi_put_number(jmi_batch *batch, size_t column, double value) {
    jmi_column *c = &batch->column[column];
    if (!isfinite(value)) {
        jmi_put_null(batch, column);
        return;
    }
    ((double *)c->data)[batch->rows] = value;
    fill(batch, c);
}

void jmi_put_integer(jmi_batch *batch, size_t column, int64_t value) {
    jmi_column *c = &batch->column[column];
    switch (size_of(c->kind)) {
    case 8: ((int64_t *)c->data)[batch->rows] = value; break;
    case 4: ((uint32_t *)c->data)[batch->rows] = (uint32_t)value; break;
    default: ((uint8_t *)c->data)[batch->rows] = (uint8_t)value; break;
    }
    fill(batch, c);
}

void jmi_put_bool(jmi_batch *batch, size_t column, bool value) {
    jmi_column *c = &batch->column[column];
    if (value) set_bit(c->data, batch->rows);
    fill(batch, c);
}

void jmi_put_borrowed(jmi_batch *batch, size_t column) {
    fill(batch, &batch->column[column]);
}

void jmi_borrow(jmi_batch *batch, size_t column, const void *rows) {
    batch->column[column].data = (void *)rows; /* only read from here on */
}

static void put_name(jmi_batch *batch, jmi_column *c, const char *text) {
    int32_t number = jmi_dictionary_number(c->dictionary, text);
    if (number < 0) batch->failed = true;
    ((int32_t *)c->data)[batch->rows] = number < 0 ? 0 : number;
}

static void put_chars(jmi_batch *batch, jmi_column *c, const char *text) {
    size_t length = strlen(text);
    if (c->text_used + length > INT32_MAX ||
        !jmi_reserve(&c->text, &c->text_capacity, c->text_used + length + 1, 1)) {
        batch->failed = true;
        length = 0;
    }
    memcpy(c->text + c->text_used, text, length);
    c->text_used += length;
    ((int32_t *)c->data)[batch->rows + 1] = (int32_t)c->text_used;
}

void jmi_put_text(jmi_batch *batch, size_t column, const char *text) {
    jmi_column *c = &batch->column[column];
    if (text == NULL) {
        jmi_put_null(batch, column);
        return;
    }
    if (c->kind == JMI_NAME)
        put_name(batch, c, text);
    else
        put_chars(batch, c, text);
    fill(batch, c);
}

/* ---- frames ---- */

int jmi_frame_fields(jmi_frame *frame, const jmi_field *fields, size_t count, jm_error *error) {
    frame->dictionaries = jmi_alloc(count, sizeof *frame->dictionaries);
    if (frame->dictionaries == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    frame->fields = fields;
    frame->field_count = count;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind != JMI_NAME) continue;
        frame->dictionaries[i] = jmi_dictionary_new();
        if (frame->dictionaries[i] == NULL)
            return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    }
    return JM_OK;
}

int jmi_frame_new(jmi_frame **frame, size_t size, const jmi_frame_plan *plan, jm_error *error) {
    jmi_frame *fresh = jmi_alloc(1, size);
    *frame = NULL;
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    fresh->recording = plan->recording;
    fresh->device = plan->device;
    fresh->energy = *plan->energy;
    *frame = fresh;
    return JM_OK;
}

int jmi_frame_opened(jmi_frame **frame, int status) {
    if (status == JM_OK) return JM_OK;
    jmi_frame_close(*frame);
    *frame = NULL;
    return status;
}

/* The caller's options, whatever their size. */
static int take_options(const jm_table_options *options, jmi_frame_plan *plan,
                        jm_energy_options *energy, jm_error *error) {
    static const jm_table_options defaults = JM_TABLE_OPTIONS_INIT;
    jm_table_options ours;
    if (options == NULL) options = &defaults;
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_table_options", error);
    if (status == JM_OK) status = jmi_energy_options_take(energy, ours.energy, error);
    if (status != JM_OK) return status;
    plan->device = ours.device;
    plan->energy = energy;
    if (ours.device < JM_DEVICE_GPUS && ours.device >= jm_recording_device_count(plan->recording))
        return jmi_fail(error, JM_NOT_FOUND, "there is no device %u in the recording", ours.device);
    return JM_OK;
}

int jmi_frame_open(jmi_frame **frame, const jm_recording *recording, jm_table table,
                   const jm_table_options *options, jm_error *error) {
    jm_energy_options energy;
    jmi_frame_plan plan = {.recording = recording};
    *frame = NULL;
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    int status = take_options(options, &plan, &energy, error);
    if (status != JM_OK) return status;
    switch (table) {
    case JM_TABLE_SAMPLES: return jmi_samples_open(frame, &plan, error);
    case JM_TABLE_READINGS: return jmi_readings_open(frame, &plan, error);
    case JM_TABLE_MARKS: return jmi_marks_open(frame, &plan, error);
    case JM_TABLE_RANGES: return jmi_range_rows_open(frame, &plan, error);
    case JM_TABLE_BATCHES: return jmi_batch_rows_open(frame, &plan, error);
    case JM_TABLE_EPOCHS: return jmi_epoch_rows_open(frame, &plan, error);
    case JM_TABLE_PHASES: return jmi_phase_rows_open(frame, &plan, error);
    }
    return jmi_fail(error, JM_INVALID, "there is no table %d", (int)table);
}

int jmi_frame_next(jmi_frame *frame, jmi_batch **batch, jm_error *error) {
    *batch = NULL;
    return frame->next(frame, batch, error);
}

void jmi_frame_close(jmi_frame *frame) {
    if (frame == NULL) return;
    if (frame->close != NULL) frame->close(frame);
    for (size_t i = 0; frame->dictionaries != NULL && i < frame->field_count; i++)
        jmi_dictionary_free(frame->dictionaries[i]);
    free(frame->dictionaries);
    free(frame);
}
