/* CSV after RFC 4180, whatever the locale, streamed into a file that appears when it is whole. */
#ifndef JMI_REPORT_CSV_H
#define JMI_REPORT_CSV_H

#include "base/base.h"

typedef struct jmi_csv {
    int fd;
    int errnum; /* of the first failure */
    bool in_row;
    char *path;      /* final name */
    char *temporary; /* written to, renamed when complete */
    char *buffer;
    size_t used;
} jmi_csv;

/* Begins dir/name. After failures every call is legal and does nothing; commit reports the first.
 */
int jmi_csv_open(jmi_csv *csv, const char *dir, const char *name, jm_error *error);
int jmi_csv_open_path(jmi_csv *csv, const char *path, jm_error *error);
void jmi_csv_text(jmi_csv *csv, const char *text);
void jmi_csv_part(jmi_csv *csv, const char *text, size_t length); /* likewise, without its end */
void jmi_csv_double(jmi_csv *csv, double value);                  /* empty if it is not finite */
/* Likewise, to a thousand-millionth: for what is computed and has no more digits worth keeping. */
void jmi_csv_rounded(jmi_csv *csv, double value);
void jmi_csv_count(jmi_csv *csv, uint64_t value);
void jmi_csv_integer(jmi_csv *csv, int64_t value);
void jmi_csv_seconds(jmi_csv *csv, int64_t ns); /* exact: 1.000000001 */
void jmi_csv_microseconds(jmi_csv *csv, int64_t ns);
void jmi_csv_row(jmi_csv *csv); /* ends the row */
/* Bytes as they are. */
void jmi_csv_raw(jmi_csv *csv, const char *bytes, size_t length);
/* Everything is on its way to the disk; reports what went wrong. */
int jmi_csv_finish(jmi_csv *csv, jm_error *error);
/* Gives the finished file its name. */
int jmi_csv_commit(jmi_csv *csv, jm_error *error);
/* Lets go of it all; removes the temporary file if it was not committed. */
void jmi_csv_close(jmi_csv *csv);

#endif
