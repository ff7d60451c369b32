/* Marks, with their attributes as JSON that any reader takes. */
#include "report/attributes.h"
#include "report/frame.h"

#include <stdlib.h>

enum { NAME, T, TS, META, PID, THREAD };

static const jmi_field fields[] = {
    [NAME] = {"name", JMI_NAME, false, false}, [T] = {"t", JMI_SECONDS, false, false},
    [TS] = {"ts", JMI_SECONDS, false, false},  [META] = {"meta", JMI_TEXT, false, false},
    [PID] = {"pid", JMI_UINT32, false, false}, [THREAD] = {"thread", JMI_UINT32, false, false},
};

typedef struct marks {
    jmi_frame frame;
    uint64_t next, count;
    int64_t begin_ns, utc_ns;
} marks;

static int put_mark(marks *m, jmi_batch *batch, uint64_t index, jm_error *error) {
    jm_mark_info mark = {.size = sizeof mark};
    int status = jm_recording_mark(m->frame.recording, index, &mark);
    if (status != JM_OK) return jmi_fail(error, status, "cannot read a mark");
    char *made;
    const char *meta = jmi_attributes_json(mark.attributes, &made);
    if (meta == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    jmi_put_text(batch, NAME, mark.name);
    jmi_put_ns(batch, T, mark.t_ns + m->utc_ns);
    jmi_put_ns(batch, TS, mark.t_ns - m->begin_ns);
    jmi_put_text(batch, META, meta);
    jmi_put_integer(batch, PID, mark.pid);
    jmi_put_integer(batch, THREAD, mark.thread);
    jmi_end_row(batch);
    free(made);
    return JM_OK;
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    marks *m = (marks *)frame;
    uint64_t left = m->count - m->next;
    size_t rows = left < JMI_BATCH_ROWS ? (size_t)left : JMI_BATCH_ROWS;
    jmi_batch *batch = jmi_batch_new(frame, rows);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    int status = JM_OK;
    while (status == JM_OK && batch->rows < rows) status = put_mark(m, batch, m->next++, error);
    if (status == JM_OK) return jmi_batch_finish(batch, out, error);
    jmi_batch_free(batch);
    return status;
}

int jmi_marks_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(marks), plan, error);
    if (status != JM_OK) return status;
    marks *m = (marks *)*frame;
    m->frame.next = next;
    m->count = jm_recording_mark_count(plan->recording);
    m->begin_ns = jm_recording_begin_ns(plan->recording);
    m->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = jmi_frame_fields(&m->frame, fields, JMI_COUNT(fields), error);
    return jmi_frame_opened(frame, status);
}
