/* One parser for every command's options, from a table. */
#ifndef JM_CLI_OPTIONS_H
#define JM_CLI_OPTIONS_H

#include "cli.h"

typedef enum option_kind {
    OPTION_FLAG,     /* bool: --quiet */
    OPTION_TEXT,     /* const char *: --output FILE */
    OPTION_OPTIONAL, /* const char *: --json or --json=FILE; "" without a value */
    OPTION_WORDS,    /* cli_words: may come again, each word as it is */
    OPTION_LIST,     /* char **, heap: may come again, joined by commas */
    OPTION_SECONDS,  /* double: 20ms, 0.5s, 2m, or a plain number of seconds */
    OPTION_NUMBER,   /* double, a unit such as W may follow */
    OPTION_COUNT,    /* uint32_t */
    OPTION_PAIR      /* cli_pairs: --export csv FILE, may come again */
} option_kind;

/* Values of an option that takes two. */
typedef struct cli_pairs {
    const char *first[8], *second[8];
    size_t count;
} cli_pairs;

/* Values of an option that may come again. */
typedef struct cli_words {
    const char *word[64];
    size_t count;
} cli_words;

typedef struct cli_option {
    char letter; /* 0: none */
    const char *name;
    option_kind kind;
    void *value;
    const char *argument; /* "FILE"; NULL for flags */
    const char *help;     /* lines broken by \n; NULL: another name of the option before it */
    double least, most;   /* of numbers, inclusive */
    const char *unit;     /* that may follow a number: "W" */
} cli_option;

/* Where operands may stand. */
typedef enum operand_rule {
    OPERANDS_MIXED, /* options may follow operands */
    OPERANDS_LAST   /* the first operand ends the options: the rest belongs to a command */
} operand_rule;

enum { PARSE_DONE = -1 }; /* else the exit code to leave with (help was shown, or input wrong) */

/* Parses argv[1...]; `options` ends with a row without a name. Operands are moved to argv[1...] in
 * their order, their number is put into *operands. */
int cli_parse(const cli_command *command, const cli_option *options, operand_rule rule, int argc,
              char **argv, int *operands);

/* The command's help on stdout. */
int cli_help(const cli_command *command, const cli_option *options);

/* "20ms", "0.5 s", "0.02", "2m", "1h" as seconds. */
bool cli_parse_seconds(const char *text, double *seconds);

#endif
