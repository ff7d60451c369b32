/* Keeps a session within its limits: what exceeds them flows into a file. With a file that the
 * user asked for, everything flows there, second by second. Works in a thread of its own, which
 * is there only while a file is. */
#ifndef JMI_WRITER_H
#define JMI_WRITER_H

#include "record/collect.h"

typedef struct jmi_writer jmi_writer;

typedef struct jmi_writer_config {
    jm_recording *recording;
    jmi_collector *collector;
    const char *path;      /* the user's file, or NULL */
    const char *spill_dir; /* where a file is made when limits are reached; NULL: $TMPDIR */
    uint64_t max_samples;
    uint64_t max_bytes;
    double warn_at;
} jmi_writer_config;

int jmi_writer_open(jmi_writer **writer, const jmi_writer_config *config, jm_error *error);
/* Looks whether a limit is near or reached: warns, or has the thread spill. Quick. */
void jmi_writer_limits(jmi_writer *writer);
/* Writes what has been measured so far; returns when it is in the file. */
int jmi_writer_flush(jmi_writer *writer, jm_error *error);
/* Writes the rest and completes the file; the recording goes on reading from it. */
int jmi_writer_finish(jmi_writer *writer, jm_error *error);
void jmi_writer_free(jmi_writer *writer);

#endif
