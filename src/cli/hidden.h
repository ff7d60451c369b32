/* A command whose output is hidden: what it writes to stderr is kept, should it fail. */
#ifndef JM_CLI_HIDDEN_H
#define JM_CLI_HIDDEN_H

#include "cli.h"

/* Says how `step` of a command ended that failed, with its last words; streams NULL: they were
 * seen. Returns its exit code. */
int hidden_fail(const cli_command *command, const char *step, int status, const int *streams);

/* Descriptors 0, 1 and 2 for child.streams. 0 or errno. */
int hidden_open(int streams[3]);
void hidden_close(int streams[3]);
/* Before the next run. */
void hidden_forget(const int streams[3]);
/* A program that writes without end must not fill the memory: to be called now and then. */
void hidden_thin_out(const int streams[3]);

#endif
