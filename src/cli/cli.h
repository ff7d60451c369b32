/* What all commands share. A command is a function in a file of its own; it gets the arguments
 * after its name and returns the exit code. */
#ifndef JM_CLI_H
#define JM_CLI_H

#include <joulemeter.h>

#include <stdarg.h>

#define CLI_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CLI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,       /* it did not work */
    CLI_USAGE = 2,        /* wrong input */
    CLI_RUN_FAILED = 125, /* `run` failed, not the command */
    CLI_NOT_EXECUTABLE = 126,
    CLI_NOT_FOUND = 127
};

typedef struct cli_command {
    const char *name;
    const char *usage;                 /* after "joulemeter NAME " */
    const char *summary;               /* one line */
    const char *details;               /* paragraphs for --help, or NULL */
    const char *examples;              /* lines for --help */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} cli_command;

extern const cli_command cli_run, cli_repeat, cli_compare, cli_devices, cli_doctor, cli_calibrate,
    cli_show, cli_attribute, cli_estimate, cli_plot, cli_report, cli_export, cli_sql, cli_limit,
    cli_log, cli_config, cli_completion;

/* Ends with NULL. */
extern const cli_command *const cli_commands[];

/* "joulemeter run: message" on stderr, returns the code. */
int cli_fail(const cli_command *command, int code, const char *format, ...) CLI_PRINTF(3, 4);
/* The exit code for an error of the library: wrong input is CLI_USAGE. Prints its message. */
int cli_fail_error(const cli_command *command, const jm_error *error);

/* The nearest of the words (ended by NULL) if `text` is likely a slip for it, else NULL. */
const char *cli_nearest(const char *text, const char *const *words);

#endif
