/* JSON, written as it goes: names, commas and indents are looked after. */
#ifndef JM_CLI_JSON_H
#define JM_CLI_JSON_H

#include "output.h"

typedef struct json {
    output *out;
    unsigned depth;
    bool filled; /* what is open has something in it */
} json;

/* '{' or '['; key NULL: in a list, or all of it. */
void json_open(json *j, const char *key, char bracket);
/* '}' or ']'. */
void json_close(json *j, char bracket);
/* What is not finite is null. */
void json_number(json *j, const char *key, double value);
void json_count(json *j, const char *key, uint64_t value);
void json_bool(json *j, const char *key, bool value);
/* NULL gives null. */
void json_text(json *j, const char *key, const char *value);

#endif
