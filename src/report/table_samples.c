/* Samples side by side: a row for each sample of a device's power, with what else held then. Rows
 * of all devices are merged by time as they are read. */
#include "energy/views.h"
#include "report/frame.h"
#include "report/reader.h"

#include <math.h>
#include <stdlib.h>

enum { T, TS, DEVICE, POWER, FIRST_HELD, HELD = 8, FIELDS = FIRST_HELD + HELD };

static const jmi_field fields[FIELDS] = {
    [T] = {"t", JMI_SECONDS, false, false},
    [TS] = {"ts", JMI_SECONDS, false, false},
    [DEVICE] = {"device", JMI_NAME, false, false},
    [POWER] = {"p_w", JMI_NUMBER, true, false},
    [FIRST_HELD] = {"gpu_util", JMI_NUMBER, true, false},
    {"mem_util", JMI_NUMBER, true, false},
    {"temperature_c", JMI_NUMBER, true, false},
    {"sm_clock_mhz", JMI_NUMBER, true, false},
    {"mem_used_mb", JMI_NUMBER, true, false},
    {"power_limit_w", JMI_NUMBER, true, false},
    {"energy_j", JMI_NUMBER, true, false},
    {"cpu_util", JMI_NUMBER, true, false},
};

/* What stands in these columns. Of CPUs the node has what the packages lack. */
static const struct {
    jm_quantity quantity;
    bool of_node;
} held_fields[HELD] = {
    {JM_QUANTITY_GPU_UTIL, false}, {JM_QUANTITY_MEM_UTIL, false}, {JM_QUANTITY_TEMPERATURE, true},
    {JM_QUANTITY_SM_CLOCK, false}, {JM_QUANTITY_MEM_USED, false}, {JM_QUANTITY_POWER_LIMIT, false},
    {JM_QUANTITY_ENERGY, false},   {JM_QUANTITY_CPU_UTIL, true},
};

/* A device's rows. */
typedef struct lane {
    const char *name;
    jmi_reader reader;
    bool from_counter; /* nothing shows its power: what its counter gained between changes */
    bool has_next;
    int64_t t_ns; /* of the next row */
    double power_w;
    jmi_sample last; /* of the counter, the last that had changed */
    jmi_held held[HELD];
} lane;

typedef struct samples {
    jmi_frame frame;
    int64_t begin_ns, utc_ns;
    lane *lanes;
    size_t lane_count;
    size_t
        batch_rows; /* grows: nobody knows how many there will be, and most recordings are short */
} samples;

/* ---- a lane's rows ---- */

/* The next row of a counter: it comes where the counter changed or where it is not known. */
static bool next_change(lane *l) {
    jmi_sample sample;
    while (jmi_reader_peek(&l->reader, &sample)) {
        jmi_reader_skip(&l->reader);
        bool apart = (sample.flags & (JM_SAMPLE_GAP | JM_SAMPLE_RESET)) != 0;
        bool known = !apart && !isnan(sample.value) && !isnan(l->last.value);
        if (known && sample.value == l->last.value) continue;
        double dt_s = (double)(sample.t_ns - l->last.t_ns) * 1e-9;
        l->power_w = known ? (sample.value - l->last.value) / dt_s : (double)NAN;
        l->t_ns = sample.t_ns;
        l->last = sample;
        return true;
    }
    return false;
}

static void advance(lane *l) {
    jmi_sample sample;
    if (l->from_counter) {
        l->has_next = next_change(l);
        return;
    }
    l->has_next = jmi_reader_peek(&l->reader, &sample);
    if (!l->has_next) return;
    jmi_reader_skip(&l->reader);
    l->t_ns = sample.t_ns;
    l->power_w = sample.value;
}

static int check_lane(const lane *l, jm_error *error) {
    int status = l->has_next ? JM_OK : jmi_reader_check(&l->reader, error);
    for (size_t i = 0; status == JM_OK && i < HELD; i++)
        status = jmi_reader_check(&l->held[i].reader, error);
    return status;
}

/* ---- rows ---- */

static void put_row(const samples *s, jmi_batch *batch, lane *l) {
    jmi_put_ns(batch, T, l->t_ns + s->utc_ns);
    jmi_put_ns(batch, TS, l->t_ns - s->begin_ns);
    jmi_put_text(batch, DEVICE, l->name);
    jmi_put_number(batch, POWER, l->power_w);
    for (size_t i = 0; i < HELD; i++) {
        double scale = held_fields[i].quantity == JM_QUANTITY_MEM_USED ? 1e6 : 1;
        jmi_put_number(batch, FIRST_HELD + i, jmi_held_at(&l->held[i], l->t_ns) / scale);
    }
    jmi_end_row(batch);
}

static lane *earliest(const samples *s) {
    lane *first = NULL;
    for (size_t i = 0; i < s->lane_count; i++) {
        lane *l = &s->lanes[i];
        if (l->has_next && (first == NULL || l->t_ns < first->t_ns)) first = l;
    }
    return first;
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    samples *s = (samples *)frame;
    jmi_batch *batch = jmi_batch_new(frame, s->batch_rows);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    if (s->batch_rows < JMI_BATCH_ROWS) s->batch_rows *= 4;
    lane *l;
    while (batch->rows < batch->capacity && (l = earliest(s)) != NULL) {
        put_row(s, batch, l);
        advance(l);
    }
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < s->lane_count; i++)
        status = check_lane(&s->lanes[i], error);
    if (status == JM_OK) return jmi_batch_finish(batch, out, error);
    jmi_batch_free(batch);
    return status;
}

/* ---- which devices ---- */

static void close_samples(jmi_frame *frame) {
    samples *s = (samples *)frame;
    for (size_t i = 0; i < s->lane_count; i++) {
        jmi_reader_close(&s->lanes[i].reader);
        for (size_t k = 0; k < HELD; k++) jmi_held_close(&s->lanes[i].held[k]);
    }
    free(s->lanes);
}

static int open_held(const jm_recording *recording, uint32_t device, const lane *l, size_t i,
                     jmi_held *held, jm_error *error) {
    jm_quantity quantity = held_fields[i].quantity;
    uint32_t sensor;
    bool found = quantity == JM_QUANTITY_ENERGY
                     ? jmi_counter_sensor(recording, device, &sensor)
                     : jmi_gauge_sensor(recording, device, quantity, &sensor);
    if (!found && held_fields[i].of_node && jmi_device_is(l->name, "cpu"))
        found = jmi_gauge_sensor(recording, jmi_device_named(recording, "node"), quantity, &sensor);
    return found ? jmi_held_open(held, recording, sensor, error) : JM_OK;
}

/* Adds a device's lane if it has power, or a counter to take it from. */
static int add_lane(samples *s, uint32_t index, jm_error *error) {
    const jm_recording *recording = s->frame.recording;
    jm_device device = {.size = sizeof device};
    lane *l = &s->lanes[s->lane_count];
    uint32_t sensor;
    if (jm_recording_device(recording, index, &device) != JM_OK) return JM_OK;
    *l = (lane){.name = device.name, .last = {.value = NAN}};
    if (!jmi_power_sensor(recording, index, &sensor)) {
        if (!jmi_counter_sensor(recording, index, &sensor)) return JM_OK;
        l->from_counter = true;
    }
    s->lane_count++;
    int status = jmi_reader_open(&l->reader, recording, sensor, error);
    for (size_t i = 0; status == JM_OK && i < HELD; i++)
        status = open_held(recording, index, l, i, &l->held[i], error);
    if (status == JM_OK) advance(l);
    return status;
}

static bool is_wanted(const jm_recording *recording, uint32_t index, uint32_t wanted) {
    if (wanted == JM_DEVICE_TOTAL) return true; /* those contained in others too: rows are no sum */
    return wanted == JM_DEVICE_GPUS ? jmi_device_is_part(recording, index, wanted)
                                    : index == wanted;
}

static int add_lanes(samples *s, uint32_t wanted, jm_error *error) {
    uint32_t count = jm_recording_device_count(s->frame.recording);
    s->lanes = jmi_alloc((size_t)count + 1, sizeof *s->lanes);
    if (s->lanes == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < count; i++)
        if (is_wanted(s->frame.recording, i, wanted)) status = add_lane(s, i, error);
    return status;
}

int jmi_samples_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(samples), plan, error);
    if (status != JM_OK) return status;
    samples *s = (samples *)*frame;
    s->frame.next = next;
    s->frame.close = close_samples;
    s->batch_rows = JMI_BATCH_ROWS / 64;
    s->begin_ns = jm_recording_begin_ns(plan->recording);
    s->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = jmi_frame_fields(&s->frame, fields, FIELDS, error);
    if (status == JM_OK) status = add_lanes(s, plan->device, error);
    return jmi_frame_opened(frame, status);
}
