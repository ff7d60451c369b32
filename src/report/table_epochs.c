/* Epochs, with the energy that they took and how busy the device was. */
#include "report/attributes.h"
#include "report/frame.h"
#include "report/gauge_mean.h"
#include "report/range_reader.h"
#include "report/work.h"

#include <stdlib.h>

enum {
    EPOCH,
    PHASE,
    TIME,
    ENERGY,
    ENERGY_U95,
    POWER,
    GPU_UTIL,
    MEM_UTIL,
    BATCHES,
    LOSS,
    T,
    TS,
    BOUND_ONLY,
    PROVENANCE,
    FIELDS
};

static const jmi_field fields[FIELDS] = {
    [EPOCH] = {"epoch", JMI_INT64, false, false},
    [PHASE] = {"phase", JMI_NAME, true, false},
    [TIME] = {"time_s", JMI_SECONDS, false, false},
    [ENERGY] = {"energy_j", JMI_ROUNDED, true, false},
    [ENERGY_U95] = {"energy_u95_j", JMI_ROUNDED, true, false},
    [POWER] = {"avg_power_w", JMI_ROUNDED, true, false},
    [GPU_UTIL] = {"avg_gpu_util", JMI_ROUNDED, true, false},
    [MEM_UTIL] = {"avg_mem_util", JMI_ROUNDED, true, false},
    [BATCHES] = {"batches", JMI_INT64, false, false},
    [LOSS] = {"loss", JMI_NUMBER, true, false},
    [T] = {"t", JMI_SECONDS, false, false},
    [TS] = {"ts", JMI_SECONDS, false, false},
    [BOUND_ONLY] = {"bound_only", JMI_BOOL, false, false},
    [PROVENANCE] = {"provenance", JMI_NAME, true, false},
};

typedef struct epochs {
    jmi_frame frame;
    int64_t begin_ns, utc_ns;
    jmi_work work;
    uint32_t *order; /* of rows: places in the list */
    size_t next;
    /* of each row */
    jm_energy *energies;
    double *gpu_util, *mem_util;
    uint32_t *batches; /* of each place in the list */
} epochs;

static void put_epoch(const epochs *e, jmi_batch *batch, size_t row) {
    const jmi_unit *unit = &e->work.epochs.list[e->order[row]];
    jmi_attributes attributes;
    jmi_attributes_read(&attributes, unit->attributes);
    jmi_put_integer(batch, EPOCH, jmi_epoch_number(unit));
    jmi_put_text(batch, PHASE, jmi_phase_name(&e->work, unit));
    jmi_put_ns(batch, TIME, unit->end_ns - unit->begin_ns);
    jmi_put_energy(batch, ENERGY, BOUND_ONLY, &e->energies[row]);
    jmi_put_number(batch, GPU_UTIL, e->gpu_util[row]);
    jmi_put_number(batch, MEM_UTIL, e->mem_util[row]);
    jmi_put_integer(batch, BATCHES, e->batches[e->order[row]]);
    jmi_put_number(batch, LOSS, jmi_attribute_number(&attributes, "loss"));
    jmi_put_ns(batch, T, unit->begin_ns + e->utc_ns);
    jmi_put_ns(batch, TS, unit->begin_ns - e->begin_ns);
    jmi_end_row(batch);
    jmi_attributes_free(&attributes);
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    epochs *e = (epochs *)frame;
    size_t left = e->work.epochs.count - e->next;
    jmi_batch *batch = jmi_batch_new(frame, left < JMI_BATCH_ROWS ? left : JMI_BATCH_ROWS);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    while (batch->rows < batch->capacity) put_epoch(e, batch, e->next++);
    return jmi_batch_finish(batch, out, error);
}

/* ---- opening ---- */

static void close_epochs(jmi_frame *frame) {
    epochs *e = (epochs *)frame;
    jmi_work_free(&e->work);
    free(e->order);
    free(e->energies);
    free(e->gpu_util);
    free(e->mem_util);
    free(e->batches);
}

static bool make_room(epochs *e, jm_window **windows) {
    size_t count = e->work.epochs.count;
    *windows = jmi_alloc(count, sizeof **windows);
    e->order = jmi_units_order(&e->work.epochs);
    e->energies = jmi_alloc(count, sizeof *e->energies);
    e->gpu_util = jmi_alloc(count, sizeof *e->gpu_util);
    e->mem_util = jmi_alloc(count, sizeof *e->mem_util);
    e->batches = jmi_alloc(count, sizeof *e->batches);
    return *windows != NULL && e->order != NULL && e->energies != NULL && e->gpu_util != NULL &&
           e->mem_util != NULL && e->batches != NULL;
}

static int measure(epochs *e, const jm_window *windows, jm_error *error) {
    const jm_recording *recording = e->frame.recording;
    uint32_t device = e->frame.device;
    size_t count = e->work.epochs.count;
    int status = jmi_energies_if_any(recording, device, windows, count, &e->frame.energy,
                                     e->energies, error);
    if (status == JM_OK)
        status = jmi_gauge_means(recording, device, JM_QUANTITY_GPU_UTIL, windows, count,
                                 e->gpu_util, error);
    if (status == JM_OK)
        status = jmi_gauge_means(recording, device, JM_QUANTITY_MEM_UTIL, windows, count,
                                 e->mem_util, error);
    return status;
}

static int fill(epochs *e, jm_error *error) {
    jm_window *windows;
    int status = make_room(e, &windows) ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
    for (size_t i = 0; status == JM_OK && i < e->work.epochs.count; i++) {
        const jmi_unit *unit = &e->work.epochs.list[e->order[i]];
        windows[i] = (jm_window){unit->begin_ns, unit->end_ns};
    }
    for (size_t i = 0; status == JM_OK && i < e->work.batches.count; i++) {
        uint32_t epoch = e->work.batches.list[i].epoch;
        if (epoch != 0) e->batches[epoch - 1]++;
    }
    if (status == JM_OK) status = measure(e, windows, error);
    free(windows);
    return status;
}

int jmi_epoch_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(epochs), plan, error);
    if (status != JM_OK) return status;
    epochs *e = (epochs *)*frame;
    e->frame.next = next;
    e->frame.close = close_epochs;
    e->begin_ns = jm_recording_begin_ns(plan->recording);
    e->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = jmi_frame_fields(&e->frame, fields, FIELDS, error);
    if (status == JM_OK) status = jmi_work_read(&e->work, plan->recording, error);
    if (status == JM_OK) status = fill(e, error);
    return jmi_frame_opened(frame, status);
}
