/* Small figures for the terminal: power over time as a line of blocks, energies as bars. */
#ifndef JM_CLI_SPARKLINE_H
#define JM_CLI_SPARKLINE_H

#include "output.h"

/* Adds what a recording has of them; nothing where it has none. */
void sparkline_add(output *out, const jm_recording *recording, uint32_t width);

#endif
