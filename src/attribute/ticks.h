/* Moments at which a sensor refreshed, sharper than polls show each of them. */
#ifndef JMI_ATTRIBUTE_TICKS_H
#define JMI_ATTRIBUTE_TICKS_H

#include "energy/track.h"

/* Every change of a value was seen between two polls. Where ticks at equal distances fit between
 * all of these, stretch by stretch (for clocks drift apart), they are known far better than from
 * their own two polls each: the track's edges are put there, and tick_u_ns becomes what is left of
 * their uncertainty. Means of a counter's cells follow their lengths. A sensor of another rhythm
 * stays as it is. */
int jmi_ticks_refine(jmi_track *track, const jm_recording *recording, jm_error *error);

#endif
