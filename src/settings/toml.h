/* The part of TOML that settings need: tables, dotted keys, strings of one line, numbers, booleans
 * and comments. What else TOML has is refused with a sentence. */
#ifndef JMI_SETTINGS_TOML_H
#define JMI_SETTINGS_TOML_H

#include "base/base.h"

typedef enum jmi_toml_kind {
    JMI_TOML_TABLE, /* [key] */
    JMI_TOML_TEXT,
    JMI_TOML_NUMBER,
    JMI_TOML_BOOL
} jmi_toml_kind;

/* A line that says something. */
typedef struct jmi_toml_line {
    jmi_toml_kind kind;
    char *key;   /* with the names of its tables: "carbon.country" */
    char *table; /* the table that it stands in; "": none */
    char *value; /* as text: strings without quotes, numbers and booleans as written */
    double number;
    bool on;
    size_t line;
    size_t begin, end;             /* bytes of the line, its end included */
    size_t value_begin, value_end; /* bytes of the value, quotes included */
} jmi_toml_line;

typedef struct jmi_toml {
    jmi_toml_line *lines;
    size_t count, capacity;
} jmi_toml;

/* JM_FORMAT: the message has `name` and the line. */
int jmi_toml_parse(jmi_toml *toml, const char *text, size_t length, const char *name,
                   jm_error *error);
void jmi_toml_free(jmi_toml *toml);

/* Adds text as a TOML string. */
void jmi_toml_quote(jmi_text *out, const char *text);

#endif
