/* Standard output, collected and written; a reader that has gone away (EPIPE) is no error. */
#ifndef JM_CLI_OUTPUT_H
#define JM_CLI_OUTPUT_H

#include "cli.h"

typedef struct output {
    char *data;
    size_t length;
    size_t capacity;
    int errnum; /* of the first failure */
    bool gone;  /* nobody reads any more */
    bool kept;  /* in memory, for output_save; else it goes to stdout as it grows */
} output;

void output_open(output *out);
void output_add(output *out, const char *format, ...) CLI_PRINTF(2, 3);
void output_append(output *out, const char *bytes, size_t length);
/* A JSON string with its quotes; NULL gives null. */
void output_json(output *out, const char *text);
/* A CSV field. */
void output_csv(output *out, const char *text);
/* Writes what was kept to a file, or to stdout if it is "-", and frees it. The exit code. */
int output_save(output *out, const cli_command *command, const char *path);
/* Writes what is left; the exit code: CLI_OK, or CLI_FAILED after saying why. */
int output_close(output *out, const cli_command *command);

/* All of `bytes` to a descriptor: 0 or errno. */
int write_all(int fd, const char *bytes, size_t length);
/* 0, or errno that says why a file at path could not be written. */
int check_writable(const char *path);
/* There is a recording at path: a slip of the keyboard must not cost it. */
bool holds_recording(const char *path);
/* Replaces or makes a file, which is complete or not there: 0 or errno. */
int write_file(const char *path, const char *bytes, size_t length);

#endif
