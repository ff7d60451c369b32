/* Keeping measured runs in the logbook: `run`, `repeat` and `compare`. */
#ifndef JM_CLI_LOGGING_H
#define JM_CLI_LOGGING_H

#include "footprint.h"

typedef struct logging {
    bool yes, no;                        /* --log, --no-log; else as the setting says */
    const char *project, *tag, *comment; /* NULL: the settings' */
    const char *kind;                    /* NULL: command */
} logging;

/* Rows of tables of options. */
#define OPTIONS_LOGGING(l)                                                                           \
    {0, "log", OPTION_FLAG, &(l)->yes, NULL, "keep the figures in the logbook: joulemeter log",      \
     0, 0,     NULL},                                                                                \
        {0, "no-log", OPTION_FLAG, &(l)->no, NULL, "do not, whatever the settings say", 0, 0, NULL}, \
        {0, "project", OPTION_TEXT, &(l)->project, "NAME", "logged: project that it belongs to",     \
         0, 0,         NULL},                                                                        \
        {0, "tag", OPTION_TEXT, &(l)->tag, "TAG", "logged: a tag", 0, 0, NULL}, {                    \
        0, "comment", OPTION_TEXT, &(l)->comment, "TEXT", "logged: any text", 0, 0, NULL             \
    }

/* Before anything is measured for hours: PARSE_DONE, or the exit code after saying what is wrong
 * with the options or the logbook. The footprint is open. */
int logging_check(const logging *l, const footprint *f, const cli_command *command);

bool logging_on(const logging *l, const footprint *f);

/* Appends a row; its number. CLI_OK, or the exit code after saying why not. */
int logging_write(const logging *l, const footprint *f, const cli_command *command,
                  const jm_recording *recording, int64_t *id);

#endif
