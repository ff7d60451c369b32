/* The parts of jm-accuracy; each adds its rows. */
#ifndef ACCURACY_H
#define ACCURACY_H

#include "rows.h"

/* Against exact integrals: error and coverage by sensor, waveform and window length. */
void accuracy_simulated(rows *all);
/* Likewise, of sums of many short windows. */
void accuracy_groups(rows *all);
/* Of commands of a fraction of a second, of which there are a few readings only. */
void accuracy_commands(rows *all);
/* Of layers far shorter than a sensor's refresh: every way to get the data, every scenario. */
void accuracy_layers(rows *all);
/* Power limits chosen with few trials: measured jobs, random boards, the usual ways beside. */
void accuracy_limits(rows *all);
/* Against an external power meter, where the data is there. */
void accuracy_meter(rows *all);
/* Of watts from counters, where the data is there. */
void accuracy_counters(rows *all);

#endif
