#include "report/frame_cell.h"

#include <math.h>
#include <string.h>

size_t jmi_frame_column(const jmi_frame *frame, const char *name) {
    for (size_t i = 0; i < frame->field_count; i++)
        if (strcmp(frame->fields[i].name, name) == 0) return i;
    return SIZE_MAX;
}

bool jmi_cell_is_null(const jmi_batch *batch, size_t column, size_t row) {
    const uint8_t *valid = batch->column[column].valid;
    return valid != NULL && (valid[row / 8] >> row % 8 & 1) == 0;
}

double jmi_cell_number(const jmi_batch *batch, size_t column, size_t row) {
    const jmi_column *c = &batch->column[column];
    const void *data = c->data;
    if (jmi_cell_is_null(batch, column, row)) return NAN;
    switch (c->kind) {
    case JMI_SECONDS: return (double)((const int64_t *)data)[row] * 1e-9;
    case JMI_NUMBER:
    case JMI_ROUNDED: return ((const double *)data)[row];
    case JMI_INT64: return (double)((const int64_t *)data)[row];
    case JMI_UINT64: return (double)((const uint64_t *)data)[row];
    case JMI_INT32: return ((const int32_t *)data)[row];
    case JMI_UINT32: return ((const uint32_t *)data)[row];
    case JMI_UINT8: return ((const uint8_t *)data)[row];
    case JMI_BOOL: return ((const uint8_t *)data)[row / 8] >> row % 8 & 1;
    case JMI_TEXT:
    case JMI_NAME: break;
    }
    return NAN;
}

const char *jmi_cell_text(const jmi_batch *batch, size_t column, size_t row, size_t *length) {
    const jmi_column *c = &batch->column[column];
    bool name = c->kind == JMI_NAME;
    if ((!name && c->kind != JMI_TEXT) || jmi_cell_is_null(batch, column, row)) return NULL;
    size_t index = name ? (size_t)((const int32_t *)c->data)[row] : row;
    const int32_t *ends = name ? c->names->ends : c->data;
    *length = (size_t)(ends[index + 1] - ends[index]);
    return (name ? c->names->text : c->text) + ends[index];
}
