#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENERGIES_AT_ONCE = 1 << 20 };

uint32_t jmi_range_device(const jmi_summary *summary, const jm_range *range) {
    if (range->device == NULL || range->device[0] == '\0') return JM_DEVICE_TOTAL;
    for (uint32_t i = 0; i < summary->device_count; i++) {
        const char *name = summary->devices[i].device.name;
        if (name == range->device || strcmp(name, range->device) == 0) return i;
    }
    return JM_DEVICE_TOTAL;
}

/* Which energies are asked for: columns, one for each device. */
typedef struct block {
    uint32_t *devices; /* JM_DEVICE_TOTAL, those that the visitor wants, those that ran ranges */
    size_t columns;
    size_t capacity; /* ranges */
    jm_window *windows;
    jm_energy *energies; /* `capacity` for each column */
    const jm_energy **row;
} block;

static size_t column_of(const block *b, uint32_t device) {
    size_t column = 0;
    while (column < b->columns && b->devices[column] != device) column++;
    return column;
}

static bool make_block(block *b, const jmi_summary *summary, const uint32_t *devices, size_t count,
                       uint64_t ranges) {
    b->devices = jmi_alloc(1 + count + summary->device_count, sizeof *b->devices);
    if (b->devices == NULL) return false;
    b->devices[b->columns++] = JM_DEVICE_TOTAL;
    for (size_t i = 0; i < count; i++) b->devices[b->columns++] = devices[i];
    for (size_t i = 0; i < summary->group_count; i++) {
        uint32_t device = summary->groups[i].device;
        if (column_of(b, device) == b->columns) b->devices[b->columns++] = device;
    }
    size_t capacity = ENERGIES_AT_ONCE / b->columns;
    b->capacity = ranges < capacity ? (size_t)ranges : capacity;
    b->windows = jmi_alloc(b->capacity + 1, sizeof *b->windows);
    b->energies = jmi_alloc(b->capacity * b->columns + 1, sizeof *b->energies);
    b->row = jmi_alloc(b->columns, sizeof *b->row);
    return b->windows != NULL && b->energies != NULL && b->row != NULL;
}

static void free_block(block *b) {
    free(b->devices);
    free(b->windows);
    free(b->energies);
    free(b->row);
}

static int read_range(const jm_recording *recording, uint64_t index, jm_range *range,
                      jm_error *error) {
    *range = (jm_range){.size = sizeof *range};
    int status = jm_recording_range(recording, index, range);
    return status == JM_OK ? JM_OK : jmi_fail(error, status, "cannot read a range");
}

static int fill_block(const jm_recording *recording, uint64_t first, size_t length,
                      const jm_energy_options *options, block *b, jm_error *error) {
    jm_range range;
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < length; i++) {
        status = read_range(recording, first + i, &range, error);
        if (status == JM_OK) b->windows[i] = (jm_window){range.begin_ns, range.end_ns};
    }
    for (size_t d = 0; status == JM_OK && d < b->columns; d++) {
        jm_energy *energies = b->energies + d * b->capacity;
        status = jm_energy_windows(recording, b->devices[d], b->windows, length, options, energies,
                                   error);
        if (status != JM_NO_DATA && status != JM_NOT_FOUND) continue;
        for (size_t i = 0; i < length; i++) {
            double s = (double)(b->windows[i].end_ns - b->windows[i].begin_ns) / 1e9;
            energies[i] = (jm_energy){.upper_j = INFINITY, .u95_j = INFINITY, .duration_s = s};
        }
        status = JM_OK;
    }
    return status;
}

static int visit_row(const jmi_summary *summary, const block *b, uint64_t first, size_t i,
                     jmi_range_visit visit, void *user, jm_error *error) {
    jm_range range;
    int status = read_range(summary->recording, first + i, &range, error);
    if (status != JM_OK) return status;
    uint32_t device = jmi_range_device(summary, &range);
    for (size_t d = 0; d < b->columns; d++) b->row[d] = &b->energies[d * b->capacity + i];
    jmi_range_row row = {
        .range = &range, .energy = b->row[column_of(b, device)], .energies = b->row + 1};
    if (device != JM_DEVICE_TOTAL) row.device = summary->devices[device].device.name;
    return visit(user, &row);
}

int jmi_ranges_visit(const jmi_summary *summary, const uint32_t *devices, size_t count,
                     uint64_t limit, const jm_energy_options *options, jmi_range_visit visit,
                     void *user, jm_error *error) {
    uint64_t total = jm_recording_range_count(summary->recording);
    if (total > limit) total = limit;
    block b = {0};
    bool made = make_block(&b, summary, devices, count, total);
    int status = made ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint64_t first = 0; status == JM_OK && first < total; first += b.capacity) {
        size_t length = total - first < b.capacity ? (size_t)(total - first) : b.capacity;
        status = fill_block(summary->recording, first, length, options, &b, error);
        for (size_t i = 0; status == JM_OK && i < length; i++)
            status = visit_row(summary, &b, first, i, visit, user, error);
    }
    free_block(&b);
    return status;
}
