/* What the files of joulemeter-limitd share. */
#ifndef LIMITD_H
#define LIMITD_H

#include "limit/server.h"

/* A line for the journal (stderr) or, of a guard, for syslog. */
void limitd_log(const char *line, void *user);
void limitd_log_errno(const char *what);

/* A descriptor that becomes readable with the first of these signals, which end nothing by
 * themselves any more; -1 on failure. The others that a terminal or a parent may send are ignored
 * where `alone`. */
int limitd_signals(bool alone);

/* The guard of one process (guard.c), and who goes on where one could not. Exit codes. */
int limitd_guard(int32_t pid, bool has_pidfd, bool hold);
int limitd_mend(unsigned tries);

/* The daemon (daemon.c). NULL: the defaults. */
int limitd_serve(const char *socket_path, const char *config_path);
/* Says whether a configuration is good. */
int limitd_check(const char *config_path);

/* Leaves only what setting a limit needs of root's rights (rights.c). */
bool limitd_drop_rights(void);

#endif
