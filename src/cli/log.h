/* `log`: what is in the logbook. */
#ifndef JM_CLI_LOG_H
#define JM_CLI_LOG_H

#include "options.h"
#include "output.h"

typedef struct log_job {
    char *path; /* NULL: the usual one */
    jm_log_filter filter;
    output out;
    jm_error error;
} log_job;

/* Text for people: the runs, one of them, totals. A status. */
int log_list(log_job *job);
int log_show(log_job *job);
int log_totals(log_job *job, jm_log_view view);

/* Text for programs. JM_NOT_FOUND: there is no such format. */
int log_export(log_job *job, const char *format);

/* "2024", "2024-03", "2024-03-01", "2024-03-01T12:00" of this machine's time, or "7d", "12h", "2w"
 * ago. */
bool log_parse_time(const char *text, double *unix_s);
/* A time by strftime's `form`, of this machine's time; "": it is none. Returns `out`. */
const char *log_time_text(double unix_s, const char *form, char *out, size_t size);

#endif
