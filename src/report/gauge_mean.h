#ifndef JMI_REPORT_GAUGE_MEAN_H
#define JMI_REPORT_GAUGE_MEAN_H

#include "base/base.h"

/* Means of a quantity over windows, each value held until the next sample, in one pass over the
 * samples: of one device, or the mean of those GPUs that show it. NaN where none does. */
int jmi_gauge_means(const jm_recording *recording, uint32_t device, jm_quantity quantity,
                    const jm_window *windows, size_t count, double *means, jm_error *error);

#endif
