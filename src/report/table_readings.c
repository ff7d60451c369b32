/* Every sample of every sensor, as it was recorded: the columns of samples are the recording's own,
 * a batch holds them for as long as it lives. */
#include "record/recording.h"
#include "report/frame.h"

enum { SENSOR, T_NS, VALUE, SINCE_NS, FLAGS, DEVICE, QUANTITY, SOURCE };

static const jmi_field fields[] = {
    [SENSOR] = {"sensor", JMI_INT32, false, false},
    [T_NS] = {"t_ns", JMI_INT64, false, true},
    [VALUE] = {"value", JMI_NUMBER, true, true},
    [SINCE_NS] = {"since_ns", JMI_UINT32, false, true},
    [FLAGS] = {"flags", JMI_UINT8, false, true},
    [DEVICE] = {"device", JMI_NAME, false, false},
    [QUANTITY] = {"quantity", JMI_NAME, false, false},
    [SOURCE] = {"source", JMI_NAME, false, false},
};

typedef struct readings {
    jmi_frame frame;
    uint32_t next_sensor;
    uint32_t sensor; /* that the cursor reads */
    jm_cursor *cursor;
    jm_samples block; /* what is left of the last one */
} readings;

/* The next block of samples of this or of a later sensor. JM_NO_DATA: there are no more. */
static int next_block(readings *r, jm_error *error) {
    int status = r->cursor != NULL ? jm_cursor_next(r->cursor, &r->block) : JM_NO_DATA;
    while (status == JM_NO_DATA) {
        jm_cursor_close(r->cursor);
        r->cursor = NULL;
        r->sensor = r->next_sensor++;
        if (r->sensor >= jm_recording_sensor_count(r->frame.recording)) {
            r->next_sensor--; /* a live recording may get one */
            return JM_NO_DATA;
        }
        status =
            jm_cursor_open(&r->cursor, r->frame.recording, r->sensor, INT64_MIN, INT64_MAX, error);
        if (status != JM_OK) return status;
        status = jm_cursor_next(r->cursor, &r->block);
    }
    if (status == JM_OK) return JM_OK;
    return jmi_fail(error, status, "cannot read the samples of sensor %u", r->sensor);
}

static void disown(void *columns) {
    jmi_columns_unref(columns);
}

/* The first row's value in all others. */
static void repeat(jmi_batch *batch, size_t column, size_t rows) {
    int32_t *data = batch->column[column].data;
    for (size_t i = 1; i < rows; i++) data[i] = data[0];
}

/* What is the same in all rows. */
static void name_rows(const readings *r, jmi_batch *batch, size_t rows) {
    jm_sensor sensor = {.size = sizeof sensor};
    jm_device device = {.size = sizeof device};
    jm_recording_sensor(r->frame.recording, r->sensor, &sensor);
    jm_recording_device(r->frame.recording, sensor.device, &device);
    jmi_put_integer(batch, SENSOR, (int32_t)r->sensor);
    jmi_put_text(batch, DEVICE, device.name);
    jmi_put_text(batch, QUANTITY, jm_quantity_name(sensor.quantity));
    jmi_put_text(batch, SOURCE, sensor.source);
    static const size_t same[] = {SENSOR, DEVICE, QUANTITY, SOURCE};
    for (size_t i = 0; i < JMI_COUNT(same); i++) repeat(batch, same[i], rows);
}

static void mark_missing(const readings *r, jmi_batch *batch, size_t rows) {
    for (size_t i = 0; i < rows; i++) {
        if ((r->block.flags[i] & JM_SAMPLE_MISSING) != 0)
            jmi_put_null(batch, VALUE);
        else
            jmi_put_borrowed(batch, VALUE);
        jmi_end_row(batch);
    }
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    readings *r = (readings *)frame;
    int status = r->block.count > 0 ? JM_OK : next_block(r, error);
    if (status == JM_NO_DATA) return JM_OK;
    if (status != JM_OK) return status;
    size_t rows = r->block.count < JMI_BATCH_ROWS ? r->block.count : JMI_BATCH_ROWS;
    jmi_batch *batch = jmi_batch_new(frame, rows);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    name_rows(r, batch, rows);
    mark_missing(r, batch, rows);
    batch->owner = jmi_cursor_share(r->cursor);
    batch->disown = disown;
    jmi_borrow(batch, T_NS, r->block.t_ns);
    jmi_borrow(batch, VALUE, r->block.value);
    jmi_borrow(batch, SINCE_NS, r->block.since_ns);
    jmi_borrow(batch, FLAGS, r->block.flags);
    r->block.count -= rows;
    r->block.t_ns += rows;
    r->block.value += rows;
    r->block.since_ns += rows;
    r->block.flags += rows;
    return jmi_batch_finish(batch, out, error);
}

static void close_readings(jmi_frame *frame) {
    jm_cursor_close(((readings *)frame)->cursor);
}

int jmi_readings_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(readings), plan, error);
    if (status != JM_OK) return status;
    (*frame)->next = next;
    (*frame)->close = close_readings;
    status = jmi_frame_fields(*frame, fields, JMI_COUNT(fields), error);
    return jmi_frame_opened(frame, status);
}
