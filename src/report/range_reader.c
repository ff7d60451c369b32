#include "report/range_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENERGIES_AT_ONCE = 1 << 20 };

bool jmi_energy_known(const jm_energy *energy) {
    return (energy->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0;
}

int jmi_energies_if_any(const jm_recording *recording, uint32_t device, const jm_window *windows,
                        size_t count, const jm_energy_options *options, jm_energy *out,
                        jm_error *error) {
    jm_error why;
    int status = jm_energy_windows(recording, device, windows, count, options, out, &why);
    if (status == JM_OK) return JM_OK;
    if (status != JM_NO_DATA) return jmi_fail(error, status, "%s", why.message);
    for (size_t i = 0; i < count; i++) {
        double s = (double)(windows[i].end_ns - windows[i].begin_ns) / 1e9;
        out[i] = (jm_energy){.upper_j = INFINITY, .u95_j = INFINITY, .duration_s = s};
    }
    return JM_OK;
}

void jmi_put_energy(jmi_batch *batch, size_t column, size_t last_two, const jm_energy *e) {
    char text[96];
    bool known = jmi_energy_known(e);
    jmi_put_number(batch, column, known ? e->energy_j : (double)NAN);
    jmi_put_number(batch, column + 1, known ? e->u95_j : (double)NAN);
    jmi_put_number(batch, column + 2, known ? e->mean_power_w : (double)NAN);
    jmi_put_bool(batch, last_two, known && (e->provenance & JM_BOUND_ONLY) != 0);
    jmi_put_text(batch, last_two + 1,
                 known ? jm_provenance_text(e->provenance, text, sizeof text) : NULL);
}

/* ---- whose energies ---- */

static uint32_t device_of(const jmi_range_reader *r, const jm_range *range) {
    if (range->device[0] == '\0') return UINT32_MAX;
    for (uint32_t i = 0; i < r->device_count; i++)
        if (r->names[i] == range->device || strcmp(r->names[i], range->device) == 0) return i;
    return UINT32_MAX;
}

static size_t column_of(const jmi_range_reader *r, uint32_t device) {
    size_t column = 0;
    while (column < r->column_count && r->columns[column] != device) column++;
    return column;
}

static int read_names(jmi_range_reader *r, jm_error *error) {
    r->device_count = jm_recording_device_count(r->recording);
    r->names = jmi_alloc((size_t)r->device_count + 1, sizeof *r->names);
    if (r->names == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < r->device_count; i++) {
        jm_device device = {.size = sizeof device};
        int status = jm_recording_device(r->recording, i, &device);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a device");
        r->names[i] = device.name;
    }
    return JM_OK;
}

static int read_range(const jmi_range_reader *r, uint64_t index, jm_range *range, jm_error *error) {
    *range = (jm_range){.size = sizeof *range};
    int status = jm_recording_range(r->recording, index, range);
    return status == JM_OK ? JM_OK : jmi_fail(error, status, "cannot read a range");
}

static int choose_columns(jmi_range_reader *r, uint32_t device, const uint32_t *each, size_t count,
                          jm_error *error) {
    r->columns = jmi_alloc(1 + count + r->device_count, sizeof *r->columns);
    if (r->columns == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) r->columns[r->column_count++] = each[i];
    if (column_of(r, device) == r->column_count) r->columns[r->column_count++] = device;
    for (uint64_t i = 0; i < r->count; i++) {
        jm_range range;
        int status = read_range(r, i, &range, error);
        if (status != JM_OK) return status;
        uint32_t ran = device_of(r, &range);
        if (ran != UINT32_MAX && column_of(r, ran) == r->column_count)
            r->columns[r->column_count++] = ran;
    }
    return JM_OK;
}

/* ---- blocks ---- */

static int make_room(jmi_range_reader *r, jm_error *error) {
    size_t capacity = ENERGIES_AT_ONCE / r->column_count + 1;
    r->capacity = r->count < capacity ? (size_t)r->count : capacity;
    r->windows = jmi_alloc(r->capacity, sizeof *r->windows);
    r->energies = malloc((r->capacity * r->column_count + 1) * sizeof *r->energies);
    if (r->windows != NULL && r->energies != NULL) return JM_OK;
    return jmi_fail(error, JM_MEMORY, "out of memory for energies");
}

static int fill_block(jmi_range_reader *r, jm_error *error) {
    uint64_t left = r->count - r->next;
    r->first = r->next;
    r->length = left < r->capacity ? (size_t)left : r->capacity;
    for (size_t i = 0; i < r->length; i++) {
        jm_range range;
        int status = read_range(r, r->first + i, &range, error);
        if (status != JM_OK) return status;
        r->windows[i] = (jm_window){range.begin_ns, range.end_ns};
    }
    for (size_t c = 0; c < r->column_count; c++) {
        int status = jmi_energies_if_any(r->recording, r->columns[c], r->windows, r->length,
                                         r->options, r->energies + c * r->capacity, error);
        if (status != JM_OK) return status;
    }
    return JM_OK;
}

int jmi_range_reader_next(jmi_range_reader *r, jm_range *range, jm_error *error) {
    if (r->next >= r->count) return JM_NO_DATA;
    int status = r->next < r->first + r->length ? JM_OK : fill_block(r, error);
    if (status == JM_OK) status = read_range(r, r->next, range, error);
    if (status != JM_OK) return status;
    range->end_ns = r->windows[r->next - r->first].end_ns; /* an open one has grown meanwhile */
    r->next++;
    return JM_OK;
}

static const jm_energy *energy_at(const jmi_range_reader *r, size_t column) {
    return &r->energies[column * r->capacity + (size_t)(r->next - 1 - r->first)];
}

uint32_t jmi_range_reader_device(const jmi_range_reader *r, const jm_range *range) {
    return device_of(r, range);
}

const jm_energy *jmi_range_reader_energy(const jmi_range_reader *r, uint32_t device) {
    return energy_at(r, column_of(r, device));
}

const jm_energy *jmi_range_reader_each(const jmi_range_reader *r, size_t i) {
    return energy_at(r, i);
}

int jmi_range_reader_open(jmi_range_reader *r, const jm_recording *recording, uint32_t device,
                          const uint32_t *each, size_t count, uint64_t limit,
                          const jm_energy_options *options, jm_error *error) {
    uint64_t all = jm_recording_range_count(recording);
    *r = (jmi_range_reader){
        .recording = recording, .options = options, .count = all < limit ? all : limit};
    int status = read_names(r, error);
    if (status == JM_OK) status = choose_columns(r, device, each, count, error);
    if (status == JM_OK) status = make_room(r, error);
    if (status != JM_OK) jmi_range_reader_close(r);
    return status;
}

void jmi_range_reader_close(jmi_range_reader *r) {
    free(r->names);
    free(r->columns);
    free(r->windows);
    free(r->energies);
    *r = (jmi_range_reader){.count = 0};
}
