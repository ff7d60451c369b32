/* Tables as CSV: a column's kind says how its values are written. */
#include "report/frame_csv.h"
#include "report/csv.h"
#include "report/frame_cell.h"

#include <string.h>

static void write_part(jmi_csv *csv, const char *text, const int32_t *ends, size_t index) {
    jmi_csv_part(csv, text + ends[index], (size_t)(ends[index + 1] - ends[index]));
}

static void write_value(jmi_csv *csv, const jmi_column *column, size_t row) {
    const void *data = column->data;
    switch (column->kind) {
    case JMI_SECONDS: jmi_csv_seconds(csv, ((const int64_t *)data)[row]); break;
    case JMI_NUMBER: jmi_csv_double(csv, ((const double *)data)[row]); break;
    case JMI_ROUNDED: jmi_csv_rounded(csv, ((const double *)data)[row]); break;
    case JMI_INT64: jmi_csv_integer(csv, ((const int64_t *)data)[row]); break;
    case JMI_UINT64: jmi_csv_count(csv, ((const uint64_t *)data)[row]); break;
    case JMI_INT32: jmi_csv_integer(csv, ((const int32_t *)data)[row]); break;
    case JMI_UINT32: jmi_csv_count(csv, ((const uint32_t *)data)[row]); break;
    case JMI_UINT8: jmi_csv_count(csv, ((const uint8_t *)data)[row]); break;
    case JMI_BOOL: jmi_csv_count(csv, ((const uint8_t *)data)[row / 8] >> row % 8 & 1); break;
    case JMI_TEXT: write_part(csv, column->text, data, row); break;
    case JMI_NAME:
        write_part(csv, column->names->text, column->names->ends,
                   (size_t)((const int32_t *)data)[row]);
        break;
    }
}

static void write_batch(jmi_csv *csv, const jmi_batch *batch) {
    for (size_t row = 0; row < batch->rows && csv->errnum == 0; row++) {
        for (size_t i = 0; i < batch->column_count; i++) {
            if (jmi_cell_is_null(batch, i, row))
                jmi_csv_text(csv, "");
            else
                write_value(csv, &batch->column[i], row);
        }
        jmi_csv_row(csv);
    }
}

int jmi_frame_write(jmi_csv *csv, const jm_recording *recording, jm_table table,
                    const jm_table_options *options, jm_error *error) {
    jmi_frame *frame;
    int status = jmi_frame_open(&frame, recording, table, options, error);
    if (status != JM_OK) return status;
    for (size_t i = 0; i < frame->field_count; i++) jmi_csv_text(csv, frame->fields[i].name);
    jmi_csv_row(csv);
    jmi_batch *batch;
    while (csv->errnum == 0 && (status = jmi_frame_next(frame, &batch, error)) == JM_OK &&
           batch != NULL) {
        write_batch(csv, batch);
        jmi_batch_free(batch);
    }
    jmi_frame_close(frame);
    return status;
}

int jm_table_csv(const jm_recording *recording, jm_table table, const jm_table_options *options,
                 const char *path, jm_error *error) {
    if (path == NULL || path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the file to write to has no name");
    jmi_csv csv;
    int status = jmi_csv_open_path(&csv, path, error);
    if (status != JM_OK) return status;
    status = jmi_frame_write(&csv, recording, table, options, error);
    if (status == JM_OK) status = jmi_csv_finish(&csv, error);
    if (status == JM_OK) status = jmi_csv_commit(&csv, error);
    jmi_csv_close(&csv);
    return status;
}
