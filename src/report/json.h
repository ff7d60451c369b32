#ifndef JMI_REPORT_JSON_H
#define JMI_REPORT_JSON_H

#include "report/json_object.h"
#include "report/summary.h"

/* The summary as one JSON object (docs/json.md). */
int jmi_json_write(const jmi_summary *summary, const jm_report_options *options, char **text,
                   jm_error *error);

/* Likewise, without the list of ranges. */
json_t *jmi_json_summary(const jmi_summary *summary);

#endif
