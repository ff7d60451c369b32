/* Ranges as boxes of the timeline: which lane and row each lies in, and which entry of the page it
 * is part of. */
#ifndef JMI_FIGURE_PAGE_BOXES_H
#define JMI_FIGURE_PAGE_BOXES_H

#include "base/base.h"

enum {
    JMI_MOST_LANES = 100,
    JMI_MOST_ROWS = 50, /* of a lane. No more lanes and rows than entries */
    JMI_MOST_ENTRIES = 5000
};

typedef struct jmi_box {
    jm_range_id id;
    const char *name;
    jm_category category;
    uint32_t device; /* that ran it; UINT32_MAX: the host */
    uint32_t pid;    /* of the host, else 0 */
    uint32_t thread; /* or stream */
    int64_t begin_ns, end_ns;
    uint32_t lane, row;
    uint32_t entry;
} jmi_box;

/* What the lanes of the host, or of devices, are told apart by. */
typedef enum jmi_apart {
    JMI_APART_THREADS, /* or streams */
    JMI_APART_PROCESSES,
    JMI_APART_DEVICES, /* of the host: all of it is one */
    JMI_APART_NOT
} jmi_apart;

typedef struct jmi_boxes {
    jmi_box *list; /* lane by lane, by their beginning, the outer one first */
    size_t count;
    uint32_t lane_count;
    uint32_t entry_count;
    jmi_apart host, devices;
    bool many_processes;
} jmi_boxes;

/* Reads all ranges and finds the lane and row of each (page_lanes.c). */
int jmi_boxes_read(jmi_boxes *boxes, const jm_recording *recording, jm_error *error);
void jmi_boxes_free(jmi_boxes *boxes);

/* Finds the entry of each: ranges too short to be seen share one with their neighbours in the row,
 * so that no more than `most` are left (page_join.c). Entries count from 0, lane by lane. */
void jmi_boxes_join(jmi_boxes *boxes, size_t most, int64_t duration_ns);

#endif
