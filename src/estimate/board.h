#ifndef JMI_ESTIMATE_BOARD_H
#define JMI_ESTIMATE_BOARD_H

#include "base/base.h"

/* Likewise jm_board_find, without a sentence. */
bool jmi_board_named(const char *name, jm_board *board);

#endif
