#ifndef JMI_REPORT_FRAME_CSV_H
#define JMI_REPORT_FRAME_CSV_H

#include "report/csv.h"
#include "report/frame.h"

/* Writes a table, header first, into a file that is open. What goes wrong with the file is told by
 * jmi_csv_finish. */
int jmi_frame_write(jmi_csv *csv, const jm_recording *recording, jm_table table,
                    const jm_table_options *options, jm_error *error);

#endif
