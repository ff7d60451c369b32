/* A command whose output is hidden: what it writes to stderr is kept, should it fail. */
#ifndef JM_CLI_HIDDEN_H
#define JM_CLI_HIDDEN_H

#include "cli.h"

enum { HIDDEN_WORDS = 4096 }; /* bytes that are of use as last words */

/* Descriptors 0, 1 and 2 for child.streams. 0 or errno. */
int hidden_open(int streams[3]);
void hidden_close(int streams[3]);
/* Before the next run. */
void hidden_forget(const int streams[3]);
/* A program that writes without end must not fill the memory: to be called now and then. */
void hidden_thin_out(const int streams[3]);
/* The last whole lines; "" if there are none. */
void hidden_read(const int streams[3], char *text, size_t size);

#endif
