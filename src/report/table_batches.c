/* Batches, with what they say of themselves and the energy that they took. */
#include "report/attributes.h"
#include "report/frame.h"
#include "report/range_reader.h"
#include "report/work.h"

#include <math.h>
#include <stdlib.h>

enum {
    BATCH,
    EPOCH,
    PHASE,
    SIZE,
    TIME,
    ENERGY,
    ENERGY_U95,
    POWER,
    J_PER_SAMPLE,
    THROUGHPUT,
    LOSS,
    T,
    TS,
    BOUND_ONLY,
    PROVENANCE,
    FIELDS
};

static const jmi_field fields[FIELDS] = {
    [BATCH] = {"batch", JMI_INT64, false, false},
    [EPOCH] = {"epoch", JMI_INT64, true, false},
    [PHASE] = {"phase", JMI_NAME, true, false},
    [SIZE] = {"batch_size", JMI_INT64, true, false},
    [TIME] = {"time_s", JMI_SECONDS, false, false},
    [ENERGY] = {"energy_j", JMI_ROUNDED, true, false},
    [ENERGY_U95] = {"energy_u95_j", JMI_ROUNDED, true, false},
    [POWER] = {"avg_power_w", JMI_ROUNDED, true, false},
    [J_PER_SAMPLE] = {"j_per_sample", JMI_ROUNDED, true, false},
    [THROUGHPUT] = {"throughput", JMI_ROUNDED, true, false},
    [LOSS] = {"loss", JMI_NUMBER, true, false},
    [T] = {"t", JMI_SECONDS, false, false},
    [TS] = {"ts", JMI_SECONDS, false, false},
    [BOUND_ONLY] = {"bound_only", JMI_BOOL, false, false},
    [PROVENANCE] = {"provenance", JMI_NAME, true, false},
};

enum { ENERGIES_AT_ONCE = 1 << 20 };

/* What a batch's attributes say. Many batches say the same, with the same text. */
typedef struct facts {
    const char *attributes; /* NULL: nothing read yet */
    bool has_index, has_size;
    int64_t index, size;
    double loss;
} facts;

typedef struct batches {
    jmi_frame frame;
    int64_t begin_ns, utc_ns;
    jmi_work work;
    int64_t *epochs; /* numbers of epochs */
    size_t next;
    jm_window *windows; /* of a block, with energies */
    jm_energy *energies;
    size_t first, length, capacity;
    facts facts;
} batches;

/* ---- rows ---- */

static const facts *facts_of(batches *b, const jmi_unit *unit) {
    facts *f = &b->facts;
    if (f->attributes == unit->attributes) return f; /* texts are kept once */
    jmi_attributes attributes;
    jmi_attributes_read(&attributes, unit->attributes);
    f->attributes = unit->attributes;
    f->has_index = jmi_attribute_integer(&attributes, "index", &f->index);
    f->has_size = jmi_attribute_integer(&attributes, "size", &f->size);
    f->loss = jmi_attribute_number(&attributes, "loss");
    jmi_attributes_free(&attributes);
    return f;
}

static void put_integer_if(jmi_batch *batch, size_t column, bool known, int64_t value) {
    if (known)
        jmi_put_integer(batch, column, value);
    else
        jmi_put_null(batch, column);
}

static void put_work(batches *b, jmi_batch *batch, const jmi_unit *unit, const jm_energy *e) {
    const facts *f = facts_of(b, unit);
    double s = (double)(unit->end_ns - unit->begin_ns) * 1e-9, size = (double)f->size;
    bool counts = f->has_size && f->size > 0;
    jmi_put_integer(batch, BATCH, f->has_index ? f->index : unit->place);
    put_integer_if(batch, EPOCH, unit->epoch != 0,
                   unit->epoch != 0 ? b->epochs[unit->epoch - 1] : 0);
    jmi_put_text(batch, PHASE, jmi_phase_name(&b->work, unit));
    put_integer_if(batch, SIZE, f->has_size, f->size);
    jmi_put_ns(batch, TIME, unit->end_ns - unit->begin_ns);
    jmi_put_number(batch, J_PER_SAMPLE,
                   counts && jmi_energy_known(e) ? e->energy_j / size : (double)NAN);
    jmi_put_number(batch, THROUGHPUT, counts && s > 0 ? size / s : (double)NAN);
    jmi_put_number(batch, LOSS, f->loss);
    jmi_put_ns(batch, T, unit->begin_ns + b->utc_ns);
    jmi_put_ns(batch, TS, unit->begin_ns - b->begin_ns);
}

/* Energies of the next million batches, or of as many as there are. */
static int fill_block(batches *b, jm_error *error) {
    size_t left = b->work.batches.count - b->next;
    b->first = b->next;
    b->length = left < b->capacity ? left : b->capacity;
    for (size_t i = 0; i < b->length; i++) {
        const jmi_unit *unit = &b->work.batches.list[b->first + i];
        b->windows[i] = (jm_window){unit->begin_ns, unit->end_ns};
    }
    return jmi_energies_if_any(b->frame.recording, b->frame.device, b->windows, b->length,
                               &b->frame.energy, b->energies, error);
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    batches *b = (batches *)frame;
    size_t left = b->work.batches.count - b->next;
    jmi_batch *batch = jmi_batch_new(frame, left < JMI_BATCH_ROWS ? left : JMI_BATCH_ROWS);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    int status = JM_OK;
    while (status == JM_OK && batch->rows < batch->capacity) {
        if (b->next >= b->first + b->length) status = fill_block(b, error);
        if (status != JM_OK) break;
        const jm_energy *e = &b->energies[b->next - b->first];
        put_work(b, batch, &b->work.batches.list[b->next++], e);
        jmi_put_energy(batch, ENERGY, BOUND_ONLY, e);
        jmi_end_row(batch);
    }
    if (status == JM_OK) return jmi_batch_finish(batch, out, error);
    jmi_batch_free(batch);
    return status;
}

/* ---- opening ---- */

static void close_batches(jmi_frame *frame) {
    batches *b = (batches *)frame;
    jmi_work_free(&b->work);
    free(b->epochs);
    free(b->windows);
    free(b->energies);
}

static int make_room(batches *b, jm_error *error) {
    size_t count = b->work.batches.count;
    b->capacity = count < ENERGIES_AT_ONCE ? count : ENERGIES_AT_ONCE;
    b->windows = jmi_alloc(b->capacity, sizeof *b->windows);
    b->energies = malloc((b->capacity + 1) * sizeof *b->energies);
    b->epochs = jmi_alloc(b->work.epochs.count, sizeof *b->epochs);
    if (b->windows == NULL || b->energies == NULL || b->epochs == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for %zu batches", count);
    for (size_t i = 0; i < b->work.epochs.count; i++)
        b->epochs[i] = jmi_epoch_number(&b->work.epochs.list[i]);
    return JM_OK;
}

int jmi_batch_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(batches), plan, error);
    if (status != JM_OK) return status;
    batches *b = (batches *)*frame;
    b->frame.next = next;
    b->frame.close = close_batches;
    b->begin_ns = jm_recording_begin_ns(plan->recording);
    b->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = jmi_frame_fields(&b->frame, fields, FIELDS, error);
    if (status == JM_OK) status = jmi_work_read(&b->work, plan->recording, error);
    if (status == JM_OK) status = make_room(b, error);
    return jmi_frame_opened(frame, status);
}
