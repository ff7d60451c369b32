/* Small figures of a recording in the terminal. */
#ifndef JM_CLI_SKETCH_H
#define JM_CLI_SKETCH_H

#include "output.h"

/* Adds power over time with the phases, and energies of devices and phases as bars; nothing where
 * there is nothing to show. */
void sketch_recording(output *out, const jm_recording *recording, size_t width, bool color);

#endif
