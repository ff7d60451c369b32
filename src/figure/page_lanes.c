/* Where ranges lie: a lane for each thread and each stream, and rows in it as they nest. */
#include "figure/page_boxes.h"

#include "energy/views.h"
#include "report/reader.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* Devices by the name that ranges give, which the recording keeps once. */
typedef struct device_names {
    const char *last;
    uint32_t device;
} device_names;

static uint32_t device_of(device_names *names, const jm_recording *recording, const char *name) {
    if (name == NULL || name[0] == '\0') return UINT32_MAX;
    if (names->last != name) {
        names->device = jmi_device_named(recording, name);
        names->last = name;
    }
    return names->device;
}

static int read_boxes(jmi_boxes *boxes, const jm_recording *recording, jm_error *error) {
    uint64_t count = jm_recording_range_count(recording);
    device_names names = {.last = NULL};
    boxes->list = count < UINT32_MAX ? jmi_alloc((size_t)count + 1, sizeof *boxes->list) : NULL;
    if (boxes->list == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for %llu ranges",
                        (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = JM_RANGE_INIT;
        int status = jm_recording_range(recording, i, &range);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a range");
        uint32_t device = device_of(&names, recording, range.device);
        bool on_host = device == UINT32_MAX;
        boxes->list[boxes->count++] = (jmi_box){.id = range.id,
                                                .name = range.name,
                                                .category = range.category,
                                                .device = device,
                                                .pid = on_host ? range.pid : 0,
                                                .thread = on_host ? range.thread : range.stream,
                                                .begin_ns = range.begin_ns,
                                                .end_ns = range.end_ns};
    }
    return JM_OK;
}

/* ---- lanes ---- */

/* What lies in one lane compares equal but for its times. */
static int compare_lanes(const jmi_boxes *boxes, const jmi_box *a, const jmi_box *b) {
    bool a_host = a->device == UINT32_MAX, b_host = b->device == UINT32_MAX;
    jmi_apart apart = a_host ? boxes->host : boxes->devices;
    if (a_host != b_host) return a_host ? -1 : 1;
    if (apart == JMI_APART_NOT) return 0;
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    if (apart == JMI_APART_DEVICES) return 0;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (apart == JMI_APART_PROCESSES) return 0;
    return (a->thread > b->thread) - (a->thread < b->thread);
}

static int compare(const void *left, const void *right, void *user) {
    const jmi_box *a = left, *b = right;
    int order = compare_lanes(user, a, b);
    if (order != 0) return order;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id); /* the outer one began first */
}

/* Sorts by lanes, numbers them, and counts those of the host. */
static uint32_t number_lanes(jmi_boxes *boxes) {
    uint32_t of_host = 0;
    if (boxes->list != NULL && boxes->count > 1)
        qsort_r(boxes->list, boxes->count, sizeof *boxes->list, compare, boxes);
    boxes->lane_count = 0;
    for (size_t i = 0; boxes->list != NULL && i < boxes->count; i++) {
        jmi_box *b = &boxes->list[i];
        bool fresh = i == 0 || compare_lanes(boxes, b - 1, b) != 0;
        boxes->lane_count += fresh;
        of_host += fresh && b->device == UINT32_MAX;
        b->lane = boxes->lane_count - 1;
    }
    return of_host;
}

/* A server may have run thousands of threads: what nobody could look at is told apart less. */
static void find_lanes(jmi_boxes *boxes) {
    uint32_t of_host = number_lanes(boxes);
    for (size_t i = 1; i < boxes->count; i++)
        boxes->many_processes |=
            boxes->list[i].device == UINT32_MAX && boxes->list[i].pid != boxes->list[0].pid;
    while (boxes->lane_count > JMI_MOST_LANES) {
        jmi_apart *apart = 2 * of_host >= boxes->lane_count ? &boxes->host : &boxes->devices;
        *apart = (jmi_apart)(*apart + 1);
        of_host = number_lanes(boxes);
    }
}

/* ---- rows ---- */

/* The first row that is free, below all those that hold the range: what overlaps another partly
 * goes one row lower, and rows are used again. */
static uint32_t find_row(const int64_t *ends, uint32_t rows, const jmi_box *b) {
    uint32_t row = 0;
    for (uint32_t r = 0; r < rows; r++)
        if (ends[r] > b->begin_ns && ends[r] >= b->end_ns) row = r + 1;
    while (row < rows && ends[row] > b->begin_ns) row++;
    return row < JMI_MOST_ROWS ? row : JMI_MOST_ROWS - 1; /* drawn over what is there */
}

static void find_rows(jmi_boxes *boxes) {
    int64_t ends[JMI_MOST_ROWS];
    uint32_t rows = 0;
    for (size_t i = 0; i < boxes->count; i++) {
        jmi_box *b = &boxes->list[i];
        if (i == 0 || boxes->list[i - 1].lane != b->lane) rows = 0;
        b->row = find_row(ends, rows, b);
        bool fresh = b->row == rows;
        if (fresh || b->end_ns > ends[b->row]) ends[b->row] = b->end_ns;
        rows += fresh;
    }
}

int jmi_boxes_read(jmi_boxes *boxes, const jm_recording *recording, jm_error *error) {
    *boxes = (jmi_boxes){.count = 0};
    int status = read_boxes(boxes, recording, error);
    if (status != JM_OK) return status;
    find_lanes(boxes);
    find_rows(boxes);
    return JM_OK;
}

void jmi_boxes_free(jmi_boxes *boxes) {
    free(boxes->list);
    *boxes = (jmi_boxes){.count = 0};
}
