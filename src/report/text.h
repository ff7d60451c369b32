/* The summary as a page of text: head, devices, ranges, sensors, notes. One file writes each of
 * the longer parts. */
#ifndef JMI_REPORT_TEXT_H
#define JMI_REPORT_TEXT_H

#include "report/summary.h"
#include "report/table.h"

typedef struct jmi_page {
    jmi_text out;
    const jmi_summary *summary;
    const jm_report_options *options;
    jmi_style style;
    size_t width;
} jmi_page;

void jmi_page_ranges(jmi_page *p);
void jmi_page_sensors(jmi_page *p);
void jmi_page_notes(jmi_page *p);

/* A category and name that gets a line: not the command itself, nor a baseline before it. */
bool jmi_page_lists(const jmi_summary *summary, const jmi_group *group);

enum { JMI_GROUP_NAME = 256 };
/* "gemm (gpu1)" where more than one device ran ranges, else the name. Returns `out` or the name. */
const char *jmi_page_group(const jmi_summary *summary, const jmi_group *group,
                           char out[JMI_GROUP_NAME]);

/* Terminal codes, "" without colours. */
const char *jmi_page_bold(const jmi_page *p);
const char *jmi_page_dim(const jmi_page *p);
const char *jmi_page_plain(const jmi_page *p);

#endif
