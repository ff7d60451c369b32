/* What the reader's terminal can show. */
#ifndef JM_CLI_TERMINAL_H
#define JM_CLI_TERMINAL_H

#include "cli.h"

/* Columns of the terminal at fd, $COLUMNS where it is none, 80 where that is not set. */
uint32_t terminal_width(int fd);
/* fd is a terminal that understands colours, and NO_COLOR is not set. */
bool terminal_has_color(int fd);
/* fd is a terminal on which a line can be redrawn. */
bool terminal_is_live(int fd);
/* This process may write to the terminal at fd now (it is in the foreground). */
bool terminal_is_ours(int fd);
bool terminal_is_utf8(void);

/* Options for a report shown on fd. */
jm_report_options terminal_report_options(int fd);

#endif
