/* One line on the terminal that tells how it goes: at the right edge, so that the command's own
 * output and the cursor stay where they are. */
#ifndef JM_CLI_LIVE_H
#define JM_CLI_LIVE_H

#include "cli.h"

typedef struct live {
    bool on;
    bool color;
    int64_t begin_ns;
    int64_t counted_ns; /* joules are counted up to here */
    double joules;
    size_t shown; /* columns of the line that is there; 0: none */
} live;

/* Off where stderr is no terminal or `quiet` is set. */
void live_open(live *l, bool quiet);
/* Joules count from now. */
void live_begin(live *l);
/* Draws time, power now and joules so far. */
void live_show(live *l, jm_session *session);
/* Draws a text instead. */
void live_text(live *l, const char *text);
/* Takes the line away. */
void live_erase(live *l);

#endif
