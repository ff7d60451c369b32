/* Ranges with their energies: on the device that ran each, and on every device that has any. */
#include "report/flags.h"
#include "report/frame.h"
#include "report/range_reader.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ID,
    PARENT,
    CATEGORY,
    NAME,
    BEGIN_UNIX,
    BEGIN,
    END,
    DURATION,
    ENERGY,
    ENERGY_U95,
    ENERGY_LOWER,
    ENERGY_UPPER,
    MEAN_POWER,
    MEASURED,
    PROVENANCE,
    FLAGS,
    UNFINISHED,
    PID,
    THREAD,
    DEVICE,
    STREAM,
    ATTRIBUTES,
    FIELDS /* energy and its uncertainty on each device come after these */
};

static const jmi_field own_fields[FIELDS] = {
    [ID] = {"id", JMI_UINT64, false, false},
    [PARENT] = {"parent", JMI_UINT64, true, false},
    [CATEGORY] = {"category", JMI_NAME, false, false},
    [NAME] = {"name", JMI_NAME, false, false},
    [BEGIN_UNIX] = {"begin_unix_s", JMI_SECONDS, false, false},
    [BEGIN] = {"begin_s", JMI_SECONDS, false, false},
    [END] = {"end_s", JMI_SECONDS, false, false},
    [DURATION] = {"duration_s", JMI_SECONDS, false, false},
    [ENERGY] = {"energy_j", JMI_ROUNDED, true, false},
    [ENERGY_U95] = {"energy_u95_j", JMI_ROUNDED, true, false},
    [ENERGY_LOWER] = {"energy_lower_j", JMI_ROUNDED, true, false},
    [ENERGY_UPPER] = {"energy_upper_j", JMI_ROUNDED, true, false},
    [MEAN_POWER] = {"mean_power_w", JMI_ROUNDED, true, false},
    [MEASURED] = {"measured_share", JMI_ROUNDED, false, false},
    [PROVENANCE] = {"provenance", JMI_NAME, true, false},
    [FLAGS] = {"flags", JMI_NAME, false, false},
    [UNFINISHED] = {"unfinished", JMI_BOOL, false, false},
    [PID] = {"pid", JMI_UINT32, false, false},
    [THREAD] = {"thread", JMI_UINT32, false, false},
    [DEVICE] = {"device", JMI_NAME, true, false},
    [STREAM] = {"stream", JMI_UINT32, true, false},
    [ATTRIBUTES] = {"attributes_json", JMI_TEXT, true, false},
};

typedef struct ranges {
    jmi_frame frame;
    int64_t begin_ns, utc_ns;
    jmi_range_reader reader;
    jmi_field *fields;
    char **names;      /* of the columns of each device, two for each */
    uint32_t *devices; /* that have energy */
    size_t device_count;
} ranges;

/* ---- rows ---- */

static void put_energy(jmi_batch *batch, const jm_energy *e) {
    char text[96];
    bool known = jmi_energy_known(e);
    const double values[] = {e->energy_j, e->u95_j, e->lower_j, e->upper_j, e->mean_power_w};
    for (size_t i = 0; i < JMI_COUNT(values); i++)
        jmi_put_number(batch, ENERGY + i, known ? values[i] : (double)NAN);
    jmi_put_number(batch, MEASURED, e->measured);
    jmi_put_text(batch, PROVENANCE,
                 known ? jm_provenance_text(e->provenance, text, sizeof text) : NULL);
    jmi_put_text(batch, FLAGS, jmi_energy_flags_text(e->flags, text, sizeof text));
}

static void put_range(const ranges *r, jmi_batch *batch, const jm_range *range) {
    uint32_t device = jmi_range_reader_device(&r->reader, range);
    bool on_host = device == UINT32_MAX;
    jmi_put_integer(batch, ID, (int64_t)range->id);
    if (range->parent != 0)
        jmi_put_integer(batch, PARENT, (int64_t)range->parent);
    else
        jmi_put_null(batch, PARENT);
    jmi_put_text(batch, CATEGORY, jm_category_name(range->category));
    jmi_put_text(batch, NAME, range->name);
    jmi_put_ns(batch, BEGIN_UNIX, range->begin_ns + r->utc_ns);
    jmi_put_ns(batch, BEGIN, range->begin_ns - r->begin_ns);
    jmi_put_ns(batch, END, range->end_ns - r->begin_ns);
    jmi_put_ns(batch, DURATION, range->end_ns - range->begin_ns);
    put_energy(batch, jmi_range_reader_energy(&r->reader, on_host ? r->frame.device : device));
    jmi_put_bool(batch, UNFINISHED, range->unfinished);
    jmi_put_integer(batch, PID, range->pid);
    jmi_put_integer(batch, THREAD, range->thread);
    jmi_put_text(batch, DEVICE, on_host ? NULL : range->device);
    if (on_host)
        jmi_put_null(batch, STREAM);
    else
        jmi_put_integer(batch, STREAM, range->stream);
    jmi_put_text(batch, ATTRIBUTES, range->attributes[0] != '\0' ? range->attributes : NULL);
    for (size_t i = 0; i < r->device_count; i++) {
        const jm_energy *e = jmi_range_reader_each(&r->reader, i);
        jmi_put_number(batch, FIELDS + 2 * i, jmi_energy_known(e) ? e->energy_j : (double)NAN);
        jmi_put_number(batch, FIELDS + 2 * i + 1, jmi_energy_known(e) ? e->u95_j : (double)NAN);
    }
    jmi_end_row(batch);
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    ranges *r = (ranges *)frame;
    uint64_t left = r->reader.count - r->reader.next;
    jmi_batch *batch = jmi_batch_new(frame, left < JMI_BATCH_ROWS ? (size_t)left : JMI_BATCH_ROWS);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    int status = JM_OK;
    while (status == JM_OK && batch->rows < batch->capacity) {
        jm_range range;
        status = jmi_range_reader_next(&r->reader, &range, error);
        if (status == JM_OK) put_range(r, batch, &range);
    }
    if (status == JM_OK) return jmi_batch_finish(batch, out, error);
    jmi_batch_free(batch);
    return status;
}

/* ---- columns ---- */

static void close_ranges(jmi_frame *frame) {
    ranges *r = (ranges *)frame;
    jmi_range_reader_close(&r->reader);
    for (size_t i = 0; r->names != NULL && i < 2 * r->device_count; i++) free(r->names[i]);
    free(r->names);
    free(r->fields);
    free(r->devices);
}

static bool has_energy(const jm_recording *recording, uint32_t device) {
    uint32_t sensor;
    return jmi_power_sensor(recording, device, &sensor) ||
           jmi_counter_sensor(recording, device, &sensor);
}

static int find_devices(ranges *r, jm_error *error) {
    uint32_t count = jm_recording_device_count(r->frame.recording);
    r->devices = jmi_alloc((size_t)count + 1, sizeof *r->devices);
    if (r->devices == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    for (uint32_t i = 0; i < count; i++)
        if (has_energy(r->frame.recording, i)) r->devices[r->device_count++] = i;
    return JM_OK;
}

static int name_columns(ranges *r, jm_error *error) {
    static const char *const ends[] = {"energy_j", "energy_u95_j"};
    size_t more = 2 * r->device_count;
    r->names = jmi_alloc(more + 1, sizeof *r->names);
    r->fields = jmi_alloc(FIELDS + more, sizeof *r->fields);
    if (r->names == NULL || r->fields == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    memcpy(r->fields, own_fields, sizeof own_fields);
    for (size_t i = 0; i < more; i++) {
        jm_device device = {.size = sizeof device};
        jmi_text name = {0};
        jm_recording_device(r->frame.recording, r->devices[i / 2], &device);
        jmi_text_add(&name, "%s_%s", device.name, ends[i % 2]);
        int status = jmi_text_take(&name, &r->names[i], error);
        if (status != JM_OK) return status;
        r->fields[FIELDS + i] = (jmi_field){r->names[i], JMI_ROUNDED, true, false};
    }
    return JM_OK;
}

int jmi_range_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(ranges), plan, error);
    if (status != JM_OK) return status;
    ranges *r = (ranges *)*frame;
    r->frame.next = next;
    r->frame.close = close_ranges;
    r->begin_ns = jm_recording_begin_ns(plan->recording);
    r->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = find_devices(r, error);
    if (status == JM_OK) status = name_columns(r, error);
    if (status == JM_OK)
        status = jmi_frame_fields(&r->frame, r->fields, FIELDS + 2 * r->device_count, error);
    if (status == JM_OK)
        status = jmi_range_reader_open(&r->reader, plan->recording, plan->device, r->devices,
                                       r->device_count, UINT64_MAX, &r->frame.energy, error);
    return jmi_frame_opened(frame, status);
}
