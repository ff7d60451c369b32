/* An attribution as a tree of names, and as folded stacks for flame graphs. */
#ifndef JM_CLI_TREE_H
#define JM_CLI_TREE_H

#include "output.h"

#include <joulemeter.h>

/* A table, each name below and to the right of that which it stands in; `top` rows at most. */
void tree_text(output *out, const jm_stacks *stacks, const jm_energy *whole, uint32_t top,
               size_t width);
/* All stacks as CSV, "outer;inner" in the first column. */
void tree_csv(output *out, const jm_stacks *stacks);
/* A line for each stack, "device;outer;inner 1234": own energy in mJ, which flamegraph.pl, inferno
 * and speedscope.app take. The gaps have a line of their own. */
void tree_folded(output *out, const jm_stacks *stacks, const char *device, const jm_energy *gap);

#endif
