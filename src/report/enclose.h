#ifndef JMI_REPORT_ENCLOSE_H
#define JMI_REPORT_ENCLOSE_H

#include "report/work.h"

typedef enum jmi_enclosure { JMI_BY_EPOCH, JMI_BY_PHASE } jmi_enclosure;

/* For those of `inner` whose enclosing epoch (or phase) is not known yet: the innermost of `outer`
 * that lies around it in time, of its own thread, else of its process. False: out of memory. */
bool jmi_enclose(const jmi_units *outer, jmi_units *inner, jmi_enclosure by);

#endif
