/* Phases by name, with the energy that all their calls took. Calls that overlap count once: their
 * windows are joined first. Warm-ups that no phase holds stand beside the phases. */
#include "report/attributes.h"
#include "report/enclose.h"
#include "report/frame.h"
#include "report/gauge_mean.h"
#include "report/range_reader.h"
#include "report/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PHASE,
    CATEGORY,
    CALLS,
    TIME,
    ENERGY,
    ENERGY_U95,
    POWER,
    SAMPLES,
    J_PER_SAMPLE,
    THROUGHPUT,
    GPU_UTIL,
    MEM_UTIL,
    T,
    TS,
    BOUND_ONLY,
    PROVENANCE,
    FIELDS
};

static const jmi_field fields[FIELDS] = {
    [PHASE] = {"phase", JMI_NAME, false, false},
    [CATEGORY] = {"category", JMI_NAME, false, false},
    [CALLS] = {"calls", JMI_INT64, false, false},
    [TIME] = {"time_s", JMI_SECONDS, false, false},
    [ENERGY] = {"energy_j", JMI_ROUNDED, true, false},
    [ENERGY_U95] = {"energy_u95_j", JMI_ROUNDED, true, false},
    [POWER] = {"avg_power_w", JMI_ROUNDED, true, false},
    [SAMPLES] = {"samples", JMI_INT64, true, false},
    [J_PER_SAMPLE] = {"j_per_sample", JMI_ROUNDED, true, false},
    [THROUGHPUT] = {"throughput", JMI_ROUNDED, true, false},
    [GPU_UTIL] = {"avg_gpu_util", JMI_ROUNDED, true, false},
    [MEM_UTIL] = {"avg_mem_util", JMI_ROUNDED, true, false},
    [T] = {"t", JMI_SECONDS, false, false},
    [TS] = {"ts", JMI_SECONDS, false, false},
    [BOUND_ONLY] = {"bound_only", JMI_BOOL, false, false},
    [PROVENANCE] = {"provenance", JMI_NAME, true, false},
};

/* A range that counts, and what was worked off in it. */
typedef struct call {
    const jmi_unit *unit;
    jm_category category;
    uint32_t row;
    bool has_batches, has_unsized;
    int64_t sizes; /* of its batches */
} call;

typedef struct row {
    const call *first; /* the earliest one */
    uint32_t calls;
    int64_t time_ns; /* in which any of them ran */
    bool has_samples;
    int64_t samples;
    double gpu_util, mem_util;
    jm_energy energy;
} row;

typedef struct phases {
    jmi_frame frame;
    int64_t begin_ns, utc_ns;
    jmi_work work;
    call *calls; /* phases in the order of their list, then warm-ups */
    size_t call_count;
    row *rows;
    size_t row_count;
    row **order; /* of the rows, by their beginning */
    size_t next;
} phases;

/* ---- rows ---- */

static void put_phase(const phases *p, jmi_batch *batch, const row *r) {
    double s = (double)r->time_ns * 1e-9, samples = (double)r->samples;
    bool counts = r->has_samples && r->samples > 0;
    jmi_put_text(batch, PHASE, r->first->unit->name);
    jmi_put_text(batch, CATEGORY, jm_category_name((int)r->first->category));
    jmi_put_integer(batch, CALLS, r->calls);
    jmi_put_ns(batch, TIME, r->time_ns);
    jmi_put_energy(batch, ENERGY, BOUND_ONLY, &r->energy);
    if (r->has_samples)
        jmi_put_integer(batch, SAMPLES, r->samples);
    else
        jmi_put_null(batch, SAMPLES);
    jmi_put_number(batch, J_PER_SAMPLE,
                   counts && jmi_energy_known(&r->energy) ? r->energy.energy_j / samples
                                                          : (double)NAN);
    jmi_put_number(batch, THROUGHPUT, counts && s > 0 ? samples / s : (double)NAN);
    jmi_put_number(batch, GPU_UTIL, r->gpu_util);
    jmi_put_number(batch, MEM_UTIL, r->mem_util);
    jmi_put_ns(batch, T, r->first->unit->begin_ns + p->utc_ns);
    jmi_put_ns(batch, TS, r->first->unit->begin_ns - p->begin_ns);
    jmi_end_row(batch);
}

static int next(jmi_frame *frame, jmi_batch **out, jm_error *error) {
    phases *p = (phases *)frame;
    size_t left = p->row_count - p->next;
    jmi_batch *batch = jmi_batch_new(frame, left < JMI_BATCH_ROWS ? left : JMI_BATCH_ROWS);
    if (batch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table's rows");
    while (batch->rows < batch->capacity) put_phase(p, batch, p->order[p->next++]);
    return jmi_batch_finish(batch, out, error);
}

/* ---- which ranges count ---- */

static int take_calls(phases *p, jm_error *error) {
    const jmi_units *warmups = &p->work.warmups;
    p->calls = jmi_alloc(p->work.phases.count + warmups->count + 1, sizeof *p->calls);
    if (p->calls == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for phases");
    for (size_t i = 0; i < p->work.phases.count; i++)
        p->calls[p->call_count++] =
            (call){.unit = &p->work.phases.list[i], .category = JM_CATEGORY_PHASE};
    for (size_t i = 0; i < warmups->count; i++)
        if (warmups->list[i].phase == 0)
            p->calls[p->call_count++] =
                (call){.unit = &warmups->list[i], .category = JM_CATEGORY_WARMUP};
    return JM_OK;
}

/* ---- how much was worked off ---- */

static int64_t add(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

enum { MOST_AROUND = 64 }; /* phases of a file may hold each other in circles */

/* Counts a batch in all the calls that hold it, but once in those of one name. */
static void count_batch(phases *p, const jmi_unit *batch, uint32_t innermost) {
    jmi_attributes attributes;
    int64_t size;
    uint32_t seen[MOST_AROUND];
    jmi_attributes_read(&attributes, batch->attributes);
    bool sized = jmi_attribute_integer(&attributes, "size", &size) && size >= 0;
    jmi_attributes_free(&attributes);
    for (size_t depth = 0; innermost != 0 && depth < MOST_AROUND; depth++) {
        call *c = &p->calls[innermost - 1];
        bool again = false;
        for (size_t i = 0; i < depth; i++) again |= seen[i] == c->row;
        seen[depth] = c->row;
        c->has_batches = true;
        c->has_unsized |= !sized;
        if (sized && !again) c->sizes = add(c->sizes, size);
        innermost = c->unit->phase;
    }
}

/* The batches that no phase holds may be those of a warm-up. */
static bool count_warmup_batches(phases *p) {
    jmi_units warmups = {0}, batches = {0};
    size_t first = p->work.phases.count;
    bool good = true;
    for (size_t i = 0; good && first < p->call_count && i < p->work.batches.count; i++) {
        const jmi_unit *unit = &p->work.batches.list[i];
        if (unit->phase != 0) continue;
        good =
            jmi_reserve(&batches.list, &batches.capacity, batches.count + 1, sizeof *batches.list);
        if (good) batches.list[batches.count++] = *unit;
    }
    for (size_t i = first; good && i < p->call_count; i++) {
        good =
            jmi_reserve(&warmups.list, &warmups.capacity, warmups.count + 1, sizeof *warmups.list);
        if (good) warmups.list[warmups.count++] = *p->calls[i].unit;
    }
    good = good && jmi_enclose(&warmups, &batches, JMI_BY_PHASE);
    for (size_t i = 0; good && i < batches.count; i++) {
        uint32_t place = batches.list[i].phase;
        if (place != 0) count_batch(p, &batches.list[i], (uint32_t)first + place);
    }
    free(batches.list);
    free(warmups.list);
    return good;
}

/* What a call's batches add up to if all say their size, else what it says of itself. */
static void add_samples(row *r, const call *c) {
    jmi_attributes attributes;
    int64_t samples = c->sizes;
    bool known = c->has_batches && !c->has_unsized;
    jmi_attributes_read(&attributes, c->unit->attributes);
    if (!known) known = jmi_attribute_integer(&attributes, "samples", &samples) && samples >= 0;
    jmi_attributes_free(&attributes);
    r->has_samples &= known;
    if (known) r->samples = add(r->samples, samples);
}

static int count_samples(phases *p, jm_error *error) {
    for (size_t i = 0; i < p->work.batches.count; i++)
        count_batch(p, &p->work.batches.list[i], p->work.batches.list[i].phase);
    if (!count_warmup_batches(p)) return jmi_fail(error, JM_MEMORY, "out of memory for batches");
    for (size_t i = 0; i < p->call_count; i++) add_samples(&p->rows[p->calls[i].row], &p->calls[i]);
    return JM_OK;
}

/* ---- calls by name ---- */

static int by_name(const void *left, const void *right) {
    const call *a = *(call *const *)left, *b = *(call *const *)right;
    if (a->category != b->category) return a->category < b->category ? -1 : 1;
    int order = strcmp(a->unit->name, b->unit->name);
    if (order != 0) return order;
    if (a->unit->begin_ns != b->unit->begin_ns)
        return a->unit->begin_ns < b->unit->begin_ns ? -1 : 1;
    return (a > b) - (a < b);
}

static int by_begin(const void *left, const void *right) {
    const row *a = *(row *const *)left, *b = *(row *const *)right;
    int64_t a_ns = a->first->unit->begin_ns, b_ns = b->first->unit->begin_ns;
    if (a_ns != b_ns) return a_ns < b_ns ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

static void make_rows(phases *p, call **sorted) {
    for (size_t i = 0; i < p->call_count; i++) sorted[i] = &p->calls[i];
    if (p->call_count > 1) qsort(sorted, p->call_count, sizeof *sorted, by_name);
    for (size_t i = 0; i < p->call_count; i++) {
        bool another = i == 0 || sorted[i]->category != sorted[i - 1]->category ||
                       strcmp(sorted[i]->unit->name, sorted[i - 1]->unit->name) != 0;
        if (another) p->rows[p->row_count++] = (row){.first = sorted[i], .has_samples = true};
        sorted[i]->row = (uint32_t)p->row_count - 1;
        p->rows[p->row_count - 1].calls++;
    }
    for (size_t r = 0; r < p->row_count; r++) p->order[r] = &p->rows[r];
    if (p->row_count > 1) qsort(p->order, p->row_count, sizeof(row *), by_begin);
}

/* ---- energies ---- */

/* The stretches of time in which any call of a row ran, row by row. */
typedef struct pieces {
    jm_window *windows;
    uint32_t *rows;
    size_t count;
} pieces;

/* Adds a call, which begins no earlier than those of its row that came before. */
static void add_piece(pieces *all, const call *c) {
    jm_window *last = all->count > 0 ? &all->windows[all->count - 1] : NULL;
    const jmi_unit *unit = c->unit;
    if (last != NULL && all->rows[all->count - 1] == c->row && unit->begin_ns <= last->end_ns) {
        if (unit->end_ns > last->end_ns) last->end_ns = unit->end_ns;
        return;
    }
    all->windows[all->count] = (jm_window){unit->begin_ns, unit->end_ns};
    all->rows[all->count++] = c->row;
}

static int add_energies(phases *p, const pieces *all, jm_error *error) {
    jm_energy *energies = jmi_alloc(p->row_count, sizeof *energies);
    jm_error why;
    if (energies == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for phases");
    int status = jm_energy_groups(p->frame.recording, p->frame.device, all->windows, all->rows,
                                  all->count, &p->frame.energy, energies, p->row_count, &why);
    for (size_t r = 0; status == JM_OK && r < p->row_count; r++) p->rows[r].energy = energies[r];
    free(energies);
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "%s", why.message);
}

/* Means over the pieces in which the quantity was seen, by their length. */
static void add_means(phases *p, const pieces *all, const double *means, double *seen_s,
                      bool memory) {
    for (size_t i = 0; i < all->count; i++) {
        row *r = &p->rows[all->rows[i]];
        double *sum = memory ? &r->mem_util : &r->gpu_util;
        double s = (double)(all->windows[i].end_ns - all->windows[i].begin_ns) * 1e-9;
        if (isnan(means[i])) continue;
        *sum += means[i] * s;
        seen_s[all->rows[i]] += s;
    }
    for (size_t r = 0; r < p->row_count; r++) {
        double *sum = memory ? &p->rows[r].mem_util : &p->rows[r].gpu_util;
        *sum = seen_s[r] > 0 ? *sum / seen_s[r] : (double)NAN;
    }
}

static int mean_of(phases *p, const pieces *all, jm_quantity quantity, bool memory,
                   jm_error *error) {
    double *means = jmi_alloc(all->count, sizeof *means);
    double *seen_s = jmi_alloc(p->row_count, sizeof *seen_s);
    int status = JM_MEMORY;
    if (means != NULL && seen_s != NULL)
        status = jmi_gauge_means(p->frame.recording, p->frame.device, quantity, all->windows,
                                 all->count, means, error);
    else
        jmi_fail(error, JM_MEMORY, "out of memory");
    if (status == JM_OK) add_means(p, all, means, seen_s, memory);
    free(means);
    free(seen_s);
    return status;
}

static int measure(phases *p, const pieces *all, jm_error *error) {
    for (size_t i = 0; i < all->count; i++)
        p->rows[all->rows[i]].time_ns += all->windows[i].end_ns - all->windows[i].begin_ns;
    int status = add_energies(p, all, error);
    if (status == JM_OK) status = mean_of(p, all, JM_QUANTITY_GPU_UTIL, false, error);
    if (status == JM_OK) status = mean_of(p, all, JM_QUANTITY_MEM_UTIL, true, error);
    return status;
}

/* ---- opening ---- */

static void close_phases(jmi_frame *frame) {
    phases *p = (phases *)frame;
    jmi_work_free(&p->work);
    free(p->calls);
    free(p->rows);
    free(p->order);
}

static int fill_rows(phases *p, call **sorted, pieces *all, jm_error *error) {
    make_rows(p, sorted);
    for (size_t i = 0; i < p->call_count; i++) add_piece(all, sorted[i]);
    int status = count_samples(p, error);
    return status == JM_OK ? measure(p, all, error) : status;
}

static int fill(phases *p, jm_error *error) {
    int status = take_calls(p, error);
    if (status != JM_OK || p->call_count == 0) return status;
    call **sorted = jmi_alloc(p->call_count, sizeof *sorted);
    pieces all = {jmi_alloc(p->call_count, sizeof *all.windows),
                  jmi_alloc(p->call_count, sizeof *all.rows), 0};
    p->rows = jmi_alloc(p->call_count, sizeof *p->rows);
    p->order = jmi_alloc(p->call_count, sizeof *p->order);
    if (sorted == NULL || all.windows == NULL || all.rows == NULL || p->rows == NULL ||
        p->order == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for phases");
    else
        status = fill_rows(p, sorted, &all, error);
    free(sorted);
    free(all.windows);
    free(all.rows);
    return status;
}

int jmi_phase_rows_open(jmi_frame **frame, const jmi_frame_plan *plan, jm_error *error) {
    int status = jmi_frame_new(frame, sizeof(phases), plan, error);
    if (status != JM_OK) return status;
    phases *p = (phases *)*frame;
    p->frame.next = next;
    p->frame.close = close_phases;
    p->begin_ns = jm_recording_begin_ns(plan->recording);
    p->utc_ns = jm_recording_utc_offset_ns(plan->recording);
    status = jmi_frame_fields(&p->frame, fields, FIELDS, error);
    if (status == JM_OK) status = jmi_work_read(&p->work, plan->recording, error);
    if (status == JM_OK) status = fill(p, error);
    return jmi_frame_opened(frame, status);
}
