#include "report/summary.h"

#include <math.h>
#include <stdlib.h>

enum { ENERGIES_AT_ONCE = 1 << 20 };

typedef struct block {
    size_t capacity; /* ranges */
    jm_window *windows;
    jm_energy *energies; /* `capacity` for each device */
    const jm_energy **row;
} block;

static bool make_block(block *b, uint64_t ranges, size_t devices) {
    size_t capacity = ENERGIES_AT_ONCE / (devices > 0 ? devices : 1);
    b->capacity = ranges < capacity ? (size_t)ranges : capacity;
    b->windows = jmi_alloc(b->capacity + 1, sizeof *b->windows);
    b->energies = jmi_alloc(b->capacity * devices + 1, sizeof *b->energies);
    b->row = jmi_alloc(devices + 1, sizeof *b->row);
    return b->windows != NULL && b->energies != NULL && b->row != NULL;
}

static void free_block(block *b) {
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

static int fill_block(const jm_recording *recording, const uint32_t *devices, size_t count,
                      uint64_t first, size_t length, const jm_energy_options *options, block *b,
                      jm_error *error) {
    jm_range range;
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < length; i++) {
        status = read_range(recording, first + i, &range, error);
        if (status == JM_OK) b->windows[i] = (jm_window){range.begin_ns, range.end_ns};
    }
    for (size_t d = 0; status == JM_OK && d < count; d++) {
        jm_energy *energies = b->energies + d * b->capacity;
        status =
            jm_energy_windows(recording, devices[d], b->windows, length, options, energies, error);
        if (status != JM_NO_DATA && status != JM_NOT_FOUND) continue;
        for (size_t i = 0; i < length; i++) {
            double s = (double)(b->windows[i].end_ns - b->windows[i].begin_ns) / 1e9;
            energies[i] = (jm_energy){.upper_j = INFINITY, .u95_j = INFINITY, .duration_s = s};
        }
        status = JM_OK;
    }
    return status;
}

int jmi_ranges_visit(const jm_recording *recording, const uint32_t *devices, size_t count,
                     uint64_t limit, const jm_energy_options *options, jmi_range_visit visit,
                     void *user, jm_error *error) {
    uint64_t total = jm_recording_range_count(recording);
    if (total > limit) total = limit;
    block b = {0};
    int status = make_block(&b, total, count) ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint64_t first = 0; status == JM_OK && first < total; first += b.capacity) {
        size_t length = total - first < b.capacity ? (size_t)(total - first) : b.capacity;
        status = fill_block(recording, devices, count, first, length, options, &b, error);
        for (size_t i = 0; status == JM_OK && i < length; i++) {
            jm_range range;
            status = read_range(recording, first + i, &range, error);
            for (size_t d = 0; d < count; d++) b.row[d] = &b.energies[d * b.capacity + i];
            if (status == JM_OK) status = visit(user, first + i, &range, b.row);
        }
    }
    free_block(&b);
    return status;
}
